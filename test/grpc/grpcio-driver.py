"""What Debian's grpcio gets from a front: JSON of one scenario after the other."""

import json
import sys
import threading

import grpc

WHOLE = lambda message: message  # noqa: E731


def outcome(run):
    try:
        return {"ok": run()}
    except grpc.RpcError as error:
        trailers = len(error.trailing_metadata() or ())
        return {"code": error.code().value[0], "details": error.details(), "trailers": trailers}


def main():
    target = sys.argv[1]
    options = [("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20)]
    channel = grpc.insecure_channel(target, options=options)
    unary = channel.unary_unary("/test.Test/Unary", WHOLE, WHOLE)
    many = channel.unary_stream("/test.Test/Many", WHOLE, WHOLE)
    collect = channel.stream_unary("/test.Test/Collect", WHOLE, WHOLE)
    echo = channel.stream_stream("/test.Test/Echo", WHOLE, WHOLE)
    big = bytes(range(256)) * 16384

    def cancelled():
        started = threading.Event()

        def requests():
            yield b"a"
            started.wait(10)

        call = echo(requests())
        first = next(call)
        call.cancel()
        started.set()
        try:
            next(call)
        except grpc.RpcError as error:
            return [first.decode(), error.code().value[0]]

    def metadata():
        call = channel.unary_stream("/test.Test/Headers", WHOLE, WHOLE)(
            b"", metadata=(("x-asked", "something"), ("x-asked-bin", b"\x00\xff"))
        )
        headers = {name: value.hex() if isinstance(value, bytes) else value for name, value in call.initial_metadata()}
        return [headers["x-answered"], headers["x-answered-bin"], [message.decode() for message in call]]

    def many_calls():
        futures = [unary.future(b"%d" % i) for i in range(500)]
        return sum(future.result() == b"%d" % i for i, future in enumerate(futures))

    results = {
        "unary": outcome(lambda: unary(b"hello").decode()),
        "empty": outcome(lambda: unary(b"").decode()),
        "many": outcome(lambda: [message.decode() for message in many(b"a")]),
        "collect": outcome(lambda: collect(iter([b"a", b"b", b"c"])).decode()),
        "echo": outcome(lambda: [message.decode() for message in echo(iter([b"x", b"y"]))]),
        "large": outcome(lambda: unary(big) == big),
        "too large": outcome(lambda: unary(big + b"x")),
        "gzip": outcome(lambda: len(unary(big, compression=grpc.Compression.Gzip))),
        "deflate": outcome(lambda: unary(b"abc" * 1000, compression=grpc.Compression.Deflate)),
        "deadline": outcome(lambda: list(channel.unary_stream("/test.Test/Sleep", WHOLE, WHOLE)(b"", timeout=0.1))),
        "cancel": outcome(cancelled),
        "metadata": outcome(metadata),
        "unknown": outcome(lambda: channel.unary_unary("/test.Test/None", WHOLE, WHOLE)(b"")),
        "refused": outcome(lambda: list(channel.unary_stream("/test.Test/Refuse", WHOLE, WHOLE)(b""))),
        "aborted": outcome(lambda: list(channel.unary_stream("/test.Test/Abort", WHOLE, WHOLE)(b""))),
        "bug": outcome(lambda: channel.unary_unary("/test.Test/Bug", WHOLE, WHOLE)(b"")),
        "many calls": outcome(many_calls),
    }
    channel.close()
    print(json.dumps(results))


main()
