"""Load of bench/grpc-batch.ts by Python: reads orders from stdin, one JSON object a line, and answers each with a line.

With the Penstock client where it can be imported, which checks every object by CRC-32 and gives whole batches; else by
grpcio alone, which counts bytes. Threads of one process share its channel, as the workers of a training process do.
"""

import json
import random
import statistics
import sys
import threading
import time

try:
    from penstock_client import Client
except ImportError:
    Client = None

PATH = "/penstock.v1.Batches/GetBatch"
WINDOW_BYTES = 16 * 1024 * 1024


def key_of(kib, position):
    return f"{kib}k/n{position % 100:08d}/image_{position:06d}.bin"


def by_client(order):
    client = Client(
        target=f"127.0.0.1:{order['port']}",
        access_key=order["accessKeyId"],
        secret_key=order["secretKey"],
        bucket=order["bucket"],
    )

    def read(keys):
        bodies = client.get_many(keys)
        if any(not isinstance(body, (bytes, memoryview)) for body in bodies):
            raise RuntimeError("an object did not come")
        return sum(map(len, bodies)), None

    return read, client.close


def varint(value):
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def field(number, text):
    """A string field of protobuf."""
    data = text.encode()
    return varint(number << 3 | 2) + varint(len(data)) + data


def by_grpcio(order):
    import grpc

    options = [
        ("grpc.http2.lookahead_bytes", WINDOW_BYTES),
        ("grpc.max_receive_message_length", WINDOW_BYTES),
        ("SingleThreadedUnaryStream", 1),
    ]
    channel = grpc.insecure_channel(f"127.0.0.1:{order['port']}", options=options)
    call = channel.unary_stream(PATH, request_serializer=None, response_deserializer=None)
    metadata = (("authorization", f"Bearer {order['token']}"),)
    bucket = field(1, order["bucket"])

    def read(keys):
        request = bucket + b"".join(field(2, key) for key in keys)
        started = time.perf_counter()
        total = 0
        first = None
        for frame in call(request, metadata=metadata):
            first = first or time.perf_counter() - started
            total += len(frame)
        return total, first

    return read, channel.close


def obey(order):
    read, close = (by_grpcio if Client is None else by_client)(order)
    kib, batch, count = order["kib"], order["batch"], order["count"]
    started = time.perf_counter()
    end = started + order["seconds"]
    firsts, wholes, failures = [], [], []

    def stream():
        positions = list(range(count))
        while time.perf_counter() < end and not failures:
            chosen = random.sample(positions, batch)
            sent = time.perf_counter()
            try:
                total, first = read([key_of(kib, position) for position in chosen])
                if total < batch * kib * 1024:
                    raise RuntimeError(f"a batch of {batch} brought {total} bytes")
            except Exception as error:  # told to who ordered it
                failures.append(f"{type(error).__name__}: {error}")
                return
            wholes.append(time.perf_counter() - sent)
            if first is not None:
                firsts.append(first)

    threads = [threading.Thread(target=stream) for _ in range(order["streams"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    close()
    if failures:
        return {"failure": failures[0]}
    result = {
        "objects": len(wholes) * batch,
        "seconds": seconds,
        "firstP50Ms": statistics.median(firsts) * 1000 if firsts else None,
        "batchP50Ms": statistics.median(wholes) * 1000,
    }
    return {"result": result}


for line in sys.stdin:
    try:
        reply = obey(json.loads(line))
    except Exception as error:  # told to who ordered it
        reply = {"failure": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply), flush=True)
