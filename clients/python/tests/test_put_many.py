"""Writes of many: every item has one result, what passes is sent again, and memory stays bounded."""

from __future__ import annotations

import itertools
import threading
import zlib
from typing import Any

import grpc
import pytest

from conftest import TestClock
from fake_gateway import FakeGateway, abort, abort_now, status
from penstock_client import (
    Client,
    FailedPreconditionError,
    InvalidArgumentError,
    ObjectInfo,
    PenstockError,
    PutItem,
    SlotError,
    UnauthenticatedError,
)
from penstock_client import _messages as pb

Code = grpc.StatusCode


class Store:
    """Takes puts; ``judge`` may answer one with something else."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.headers: dict[str, Any] = {}
        self.seen: list[str] = []
        self.frames: list[int] = []

    def judge(self, key: str, context: Any) -> Any:
        return None

    def put_batch(self, frames: Any, context: Any) -> Any:
        for frame in frames:
            at = 0
            self.frames.append(len(frame.payload))
            for entry in frame.entries:
                data = frame.payload[at : at + entry.length]
                at += entry.length
                key = entry.header.key
                self.seen.append(key)
                assert (zlib.crc32(data), len(data)) == (entry.crc32, entry.header.size)
                refusal = self.judge(key, context)
                if refusal is not None:
                    yield pb.PutResult(slot=entry.slot, error=refusal)
                    continue
                self.objects[key] = data
                self.headers[key] = entry.header
                yield pb.PutResult(
                    slot=entry.slot, info=pb.ObjectInfo(bucket=entry.header.bucket, key=key, size=len(data))
                )

    def put(self, chunks: Any, context: Any) -> Any:
        chunks = list(chunks)
        header = chunks[0].header
        data = b"".join(chunk.data for chunk in chunks)
        assert chunks[-1].crc32 == zlib.crc32(data)
        self.seen.append(header.key)
        self.objects[header.key] = data
        self.headers[header.key] = header
        return pb.ObjectInfo(bucket=header.bucket, key=header.key, size=len(data))


@pytest.fixture
def store(fake: FakeGateway) -> Store:
    made = Store()
    fake.on("PutBatch", made.put_batch)
    fake.on("Put", made.put)
    return made


def items(count: int, size: int = 100) -> list[tuple[str, bytes]]:
    return [(f"k{n}", bytes([n % 251]) * size) for n in range(count)]


def test_all_are_written_and_told_in_their_order(store: Store, client: Client) -> None:
    given = items(3000)
    infos = client.put_many(given)
    assert [info.key for info in infos if isinstance(info, ObjectInfo)] == [key for key, _ in given]
    assert store.objects == dict(given)
    assert client.put_many([]) == []


def test_what_is_said_of_an_object_arrives(store: Store, client: Client) -> None:
    client.put_many(
        [
            ("a", b"1", "image/png"),
            ("b", bytearray(b"22"), "image/png", {"series": "7"}),
            PutItem("c", memoryview(b"333"), if_absent=True, bucket="other"),
            ("empty", b""),
        ]
    )
    assert store.objects == {"a": b"1", "b": b"22", "c": b"333", "empty": b""}
    assert (store.headers["a"].content_type, store.headers["a"].bucket) == ("image/png", "train")
    assert dict(store.headers["b"].metadata) == {"series": "7"}
    assert (store.headers["c"].if_absent, store.headers["c"].bucket) == (True, "other")


def test_large_objects_go_by_calls_of_their_own(store: Store, client: Client) -> None:
    large = bytes(range(256)) * 4097
    client.put_many([("small", b"s"), ("large", large), ("edge", large[: 1 << 20])])
    assert store.objects == {"small": b"s", "large": large, "edge": large[: 1 << 20]}
    assert max(store.frames) == 1 << 20


def test_items_that_pass_are_sent_again_and_others_are_not(store: Store, client: Client) -> None:
    def judge(key: str, context: Any) -> Any:
        if key == "k1" and store.seen.count(key) < 3:
            return status(Code.UNAVAILABLE, "busy", "StoreBusy", retry_s=0)
        return status(Code.INVALID_ARGUMENT, "too much", "MetadataTooLarge") if key == "k2" else None

    store.judge = judge  # type: ignore[method-assign]
    results = client.put_many(items(5), on_error="return")
    assert [type(result) for result in results] == [ObjectInfo, ObjectInfo, SlotError, ObjectInfo, ObjectInfo]
    assert isinstance(results[2], SlotError)
    assert isinstance(results[2].error, InvalidArgumentError)
    assert not results[2].error.outcome_unknown
    assert (store.seen.count("k1"), store.seen.count("k2")) == (3, 1)
    with pytest.raises(InvalidArgumentError, match="k2: too much"):
        client.put_many(items(5))


def test_a_stream_that_breaks_is_begun_again_without_what_was_answered(store: Store, client: Client) -> None:
    broken = threading.Event()

    def judge(key: str, context: Any) -> Any:
        if key == "k7" and not broken.is_set():
            broken.set()
            abort_now(context, Code.UNAVAILABLE, "draining")
        return None

    store.judge = judge  # type: ignore[method-assign]
    given = items(20)
    assert len(client.put_many(given)) == 20
    assert store.objects == dict(given)
    assert store.seen.count("k7") == 2
    assert store.seen.count("k0") == 1


def test_a_gateway_that_leaves_puts_unanswered_is_not_believed(fake: FakeGateway, store: Store, client: Client) -> None:
    def forgetful(frames: Any, context: Any) -> Any:
        for _ in frames:
            return
            yield

    fake.on("PutBatch", forgetful, store.put_batch)
    given = items(10)
    assert len(client.put_many(given)) == 10
    assert store.objects == dict(given)


def test_a_refused_call_ends_it(fake: FakeGateway, client: Client) -> None:
    fake.on("PutBatch", abort(Code.UNAUTHENTICATED, "who?", "InvalidAccessKeyId"))
    with pytest.raises(UnauthenticatedError):
        client.put_many(items(10), on_error="return")


def test_trying_in_vain_ends_and_says_that_it_is_not_known(
    fake: FakeGateway, connect: Any, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock_client._put_batch._LOOK_S", 0.02)
    fake.on("PutBatch", abort(Code.UNAVAILABLE, "down", "ServerClosed", 0))
    client = connect(fake.target, clock.clock())
    made = threading.Event()

    def sources() -> Any:
        yield "k0", b"x"
        made.set()

    # Pauses of puts are waited for on a clock that others advance.
    def tick() -> None:
        made.wait()
        while not done.is_set():
            clock.ahead += 1
            done.wait(0.01)

    done = threading.Event()
    ticking = threading.Thread(target=tick)
    ticking.start()
    try:
        (result,) = client.put_many(sources(), on_error="return")
    finally:
        done.set()
        ticking.join()
    assert isinstance(result, SlotError)
    assert result.reason == "ServerClosed"
    assert result.error.outcome_unknown


def test_a_second_put_that_finds_the_first_does_not_blame_the_caller(store: Store, client: Client) -> None:
    def judge(key: str, context: Any) -> Any:
        if store.seen.count(key) == 1:
            return status(Code.UNAVAILABLE, "who knows", "StoreBusy", retry_s=0)
        return status(Code.FAILED_PRECONDITION, "it is there", "PreconditionFailed")

    store.judge = judge  # type: ignore[method-assign]
    (result,) = client.put_many([PutItem("k", b"x", if_absent=True)], on_error="return")
    assert isinstance(result, SlotError)
    assert isinstance(result.error, FailedPreconditionError)
    assert result.error.outcome_unknown


def test_a_slow_gateway_stops_the_source(fake: FakeGateway, store: Store, client: Client) -> None:
    go_on = threading.Event()
    pulled = itertools.count()
    taken = 0

    def waiting(frames: Any, context: Any) -> Any:
        go_on.wait(30)
        yield from store.put_batch(frames, context)

    def source() -> Any:
        nonlocal taken
        for n in range(300):
            taken = next(pulled) + 1
            yield f"k{n}", bytes(1 << 20)

    fake.on("PutBatch", waiting)
    timer = threading.Timer(1.0, go_on.set)
    results = client.iter_put(source())
    timer.start()
    first = next(results)
    assert isinstance(first[1], ObjectInfo)
    assert taken <= 66, "64 MiB are taken, and no more before something is answered"
    assert len(list(results)) == 299
    timer.join()


def test_what_the_source_raises_comes_out(store: Store, client: Client) -> None:
    def source() -> Any:
        yield "a", b"1"
        raise RuntimeError("the tape is torn")

    with pytest.raises(RuntimeError, match="the tape is torn"):
        client.put_many(source())
    with pytest.raises(TypeError):
        client.put_many([("a", "text")])  # type: ignore[list-item]


def test_the_source_runs_in_the_thread_of_the_caller(store: Store, client: Client) -> None:
    threads = set()

    def source() -> Any:
        for item in items(10):
            threads.add(threading.get_ident())
            yield item

    client.put_many(source())
    assert threads == {threading.get_ident()}


def test_a_caller_who_stops_early_leaves_no_thread(store: Store, client: Client) -> None:
    results = client.iter_put(items(5000))
    next(results)
    results.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("penstock-put")]


def test_a_stream_on_which_nothing_is_answered_is_given_up(
    fake: FakeGateway, store: Store, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock_client._put_stream.PUT_STALL_S", 0.2)
    monkeypatch.setattr("penstock_client._put_batch._LOOK_S", 0.1)
    over = threading.Event()

    def silent(frames: Any, context: Any) -> Any:
        context.add_callback(over.set)
        next(frames)
        over.wait(30)
        return iter(())

    fake.on("PutBatch", silent, store.put_batch)
    assert len(client.put_many(items(3))) == 3
    assert over.is_set()


def test_one_object_is_put_from_bytes_or_a_file(fake: FakeGateway, store: Store, client: Client, tmp_path: Any) -> None:
    data = bytes(range(256)) * 10_000
    path = tmp_path / "body"
    path.write_bytes(b"head" + data)
    assert client.put("bytes", data, content_type="x/y", metadata={"a": "b"}).size == len(data)
    with path.open("rb") as file:
        file.seek(4)
        fake.on("Put", abort(Code.UNAVAILABLE, "once"), store.put)
        assert client.put("file", file).size == len(data)
    assert store.objects["file"] == data
    assert store.headers["bytes"].content_type == "x/y"


def test_a_put_that_was_refused_says_why(fake: FakeGateway, client: Client) -> None:
    fake.on("Put", abort(Code.FAILED_PRECONDITION, "it is there", "PreconditionFailed"))
    with pytest.raises(FailedPreconditionError, match="k: it is there") as caught:
        client.put("k", b"x", if_absent=True)
    assert not caught.value.outcome_unknown
    fake.on(
        "Put", abort(Code.UNAVAILABLE, "lost"), abort(Code.FAILED_PRECONDITION, "it is there", "PreconditionFailed")
    )
    with pytest.raises(FailedPreconditionError, match="is not known") as caught:
        client.put("k", b"x", if_absent=True)
    assert caught.value.outcome_unknown
    fake.on("Put", abort(Code.UNAVAILABLE, "lost"))
    with pytest.raises(PenstockError) as failed:
        client.put("k", b"x")
    assert failed.value.outcome_unknown
