"""Batches in all kinds of trouble: every slot gets its bytes or its error, and nothing else is asked for again."""

from __future__ import annotations

import threading
import time
import zlib

import grpc
import pytest

from conftest import TestClock
from fake_gateway import FakeGateway, abort, abort_now, end, entry, failed, frame, keys_of, serving, status
from penstock_client import (
    Client,
    DataLossError,
    DeadlineExceededError,
    InvalidArgumentError,
    Missing,
    NotFoundError,
    ObjectRef,
    PenstockError,
    PermissionDeniedError,
    ProtocolError,
    SlotError,
    UnavailableError,
)

OBJECTS = {f"k{i}": bytes([i]) * (i * 10) for i in range(20)}
KEYS = list(OBJECTS)
Code = grpc.StatusCode


def asked(fake: FakeGateway) -> list[list[str]]:
    return [keys_of(request) for request in fake.requests]


def test_a_batch_is_a_list_in_the_order_of_its_keys(fake: FakeGateway, client: Client) -> None:
    def backwards(request, context):
        for slot in reversed(range(len(request.keys))):
            data = OBJECTS[request.keys[slot]]
            yield frame((entry(slot, data), data))
        yield frame(end=end(ok=len(request.keys)))

    fake.on("GetBatch", backwards)
    assert client.get_many(KEYS) == list(OBJECTS.values())
    assert [index for index, _ in client.iter_many(KEYS)] == list(reversed(range(20)))
    assert [index for index, _ in client.iter_many(KEYS, order="strict")] == list(range(20))
    assert [request.order for request in fake.requests] == [1, 1, 2]
    assert fake.requests[0].bucket == "train"
    assert fake.metadata[0]["authorization"].startswith("Bearer penstock1.root-of-tests.")


def test_the_same_key_may_be_asked_for_twice_and_nothing_for_nothing(fake: FakeGateway, client: Client) -> None:
    fake.on("GetBatch", serving(OBJECTS))
    assert client.get_many(["k3", "k3"]) == [OBJECTS["k3"]] * 2
    assert client.get_many([]) == []
    assert len(fake.requests) == 1


def test_what_is_missing_is_falsy_and_says_why(fake: FakeGateway, client: Client) -> None:
    fake.on("GetBatch", serving(OBJECTS))
    found = client.get_many(["k1", "nowhere"])
    missing = found[1]
    assert found[0] == OBJECTS["k1"]
    assert isinstance(missing, Missing)
    assert isinstance(missing, SlotError)
    assert not missing
    assert (missing.key, missing.code, missing.reason) == ("nowhere", Code.NOT_FOUND, "NoSuchKey")
    with pytest.raises(NotFoundError, match="nowhere: no such key"):
        client.get_many(["k1", "nowhere"], on_missing="raise")
    assert len(fake.requests) == 2


def test_other_trouble_of_a_slot_raises_or_is_returned(fake: FakeGateway, client: Client) -> None:
    def mixed(request, context):
        yield frame((failed(0, status(Code.DATA_LOSS, "damaged", "DataLoss")), b""))
        yield frame((failed(1, status(Code.PERMISSION_DENIED, "no", "AccessDenied")), b""))
        yield frame((entry(2, b"abc"), b"abc"), end=end(ok=1, failed=2))

    fake.on("GetBatch", mixed)
    first, second, third = client.get_many(["a", "b", "c"], on_error="return")
    assert isinstance(first, SlotError)
    assert isinstance(first.error, DataLossError)
    assert isinstance(second, SlotError)
    assert isinstance(second.error, PermissionDeniedError)
    assert third == b"abc"
    with pytest.raises(DataLossError, match="a: damaged"):
        client.get_many(["a", "b", "c"])
    assert len(fake.requests) == 2, "nothing of this is worth asking again"


def test_a_stream_without_its_end_is_asked_for_again_where_it_stopped(fake: FakeGateway, client: Client) -> None:
    def short(request, context):
        for slot in range(5):
            data = OBJECTS[request.keys[slot]]
            yield frame((entry(slot, data), data))

    fake.on("GetBatch", short, serving(OBJECTS))
    assert client.get_many(KEYS) == list(OBJECTS.values())
    assert asked(fake) == [KEYS, KEYS[5:]]


def test_a_gateway_that_never_ends_batches_is_an_error(fake: FakeGateway, client: Client, clock: TestClock) -> None:
    fake.on("GetBatch", lambda request, context: iter(()))
    with pytest.raises(ProtocolError, match="ended a batch without saying that it is whole"):
        client.get_many(["k1"])
    assert len(fake.requests) == 10
    assert len(clock.pauses) == 9
    assert clock.pauses == sorted(clock.pauses)


def test_an_end_that_leaves_slots_out_is_not_believed(fake: FakeGateway, client: Client) -> None:
    fake.on("GetBatch", lambda request, context: iter([frame(end=end(ok=20))]), serving(OBJECTS))
    assert client.get_many(KEYS) == list(OBJECTS.values())
    assert asked(fake) == [KEYS, KEYS]
    fake.on("GetBatch", lambda request, context: iter([frame(end=end(ok=20))]))
    with pytest.raises(ProtocolError, match="had not served 20 of its slots"):
        client.get_many(KEYS)
    assert len(fake.requests) == 12


def test_unserved_slots_alone_are_asked_for_again(fake: FakeGateway, client: Client) -> None:
    def late(request, context):
        yield frame((entry(2, OBJECTS["k2"]), OBJECTS["k2"]), end=end(ok=1, unserved_slots=[0, 1]))

    fake.on("GetBatch", late, serving(OBJECTS))
    assert client.get_many(["k0", "k1", "k2"]) == [OBJECTS["k0"], OBJECTS["k1"], OBJECTS["k2"]]
    assert asked(fake) == [["k0", "k1", "k2"], ["k0", "k1"]]


def test_retryable_slots_alone_are_asked_for_again_after_the_pause(
    fake: FakeGateway, client: Client, clock: TestClock
) -> None:
    def busy(request, context):
        yield frame((failed(0, status(Code.UNAVAILABLE, "busy", "StoreFailure", retry_s=1.5)), b""))
        yield frame((entry(1, b"one"), b"one"), end=end(ok=1, failed=1))

    fake.on("GetBatch", busy, serving({"a": b"first"}))
    assert client.get_many(["a", "b"]) == [b"first", b"one"]
    assert asked(fake) == [["a", "b"], ["a"]]
    assert clock.pauses == [pytest.approx(1.5 + 0.05 * 0.75)]


def test_a_reason_without_a_time_is_not_asked_again(fake: FakeGateway, client: Client) -> None:
    fake.on("GetBatch", abort(Code.RESOURCE_EXHAUSTED, "the disk is full", "StorageFull"))
    with pytest.raises(PenstockError) as caught:
        client.get_many(["a"])
    assert (caught.value.code, caught.value.reason, caught.value.retryable) == (
        Code.RESOURCE_EXHAUSTED,
        "StorageFull",
        False,
    )
    assert len(fake.requests) == 1


def test_a_call_that_breaks_off_is_taken_up(fake: FakeGateway, client: Client) -> None:
    def breaking(request, context):
        data = OBJECTS[request.keys[0]]
        yield frame((entry(0, data), data))
        abort_now(context, Code.UNAVAILABLE, "gone")

    fake.on("GetBatch", *[breaking] * 10, serving(OBJECTS))
    # Ten in vain would be given up, but each of these brings something.
    assert client.get_many(KEYS) == list(OBJECTS.values())
    assert [len(keys) for keys in asked(fake)] == [20 - n for n in range(11)]


def test_nobody_there_is_unavailable(clock: TestClock, connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock_client._pacing.PAUSE_MAX_S", 0.05)
    client = connect("127.0.0.1:1", clock.clock())
    with pytest.raises(UnavailableError):
        client.get_many(["a"])
    assert isinstance(client.get_many(["a"], on_error="return")[0], SlotError)


def test_damage_on_the_way_is_asked_for_once_more(fake: FakeGateway, client: Client) -> None:
    def damaged(request, context):
        yield frame((entry(0, b"good"), b"good"), (entry(1, b"good"), b"baad"), end=end(ok=2))

    fake.on("GetBatch", damaged, serving({"b": b"good"}))
    assert client.get_many(["a", "b"]) == [b"good", b"good"]
    assert asked(fake) == [["a", "b"], ["b"]]


def test_damage_twice_is_data_loss_with_the_key(fake: FakeGateway, client: Client) -> None:
    def damaged(request, context):
        yield frame((entry(0, b"good"), b"baad"), end=end(ok=1))

    fake.on("GetBatch", damaged)
    with pytest.raises(DataLossError, match=r"some/key: .*CRC-32") as caught:
        client.get_many(["some/key"])
    assert caught.value.key == "some/key"
    assert len(fake.requests) == 2


def test_a_large_object_spans_entries_and_loses_what_failed(fake: FakeGateway, client: Client) -> None:
    whole = bytes(range(256)) * 10

    def part(start: int, stop: int, **more: object):
        data = whole[start:stop]
        return frame((entry(0, data, object_offset=start, object_size=len(whole), **more), data))

    def broken(request, context):
        yield part(0, 1000)
        yield part(1000, 2000)

    def good(request, context):
        yield part(0, 100)
        yield part(100, 2560, etag="")
        yield frame(end=end(ok=1))

    def mixed_up(request, context):
        yield part(0, 1000)
        yield part(1000, 2560, etag="another")
        yield frame(end=end(ok=1))

    fake.on("GetBatch", broken, mixed_up, good)
    assert client.get_many(["big"]) == [whole]
    assert len(fake.requests) == 3


@pytest.mark.parametrize(
    ("what", "bad"),
    [
        ("more bytes than a frame holds", lambda: frame((entry(0, b"four"), b"fou"))),
        ("slot 7", lambda: frame((entry(7, b"x"), b"x"))),
        ("began slot 0 at byte 5", lambda: frame((entry(0, b"x", object_offset=5, object_size=9), b"x"))),
        ("do not follow", lambda: frame((entry(0, b"xx", object_size=1), b"xx"))),
    ],
)
def test_frames_that_make_no_sense_are_protocol_errors(what: str, bad, fake: FakeGateway, client: Client) -> None:
    fake.on("GetBatch", lambda request, context: iter([bad(), frame(end=end(ok=2))]))
    with pytest.raises(ProtocolError, match=what):
        client.get_many(["a", "b"])


@pytest.mark.parametrize(
    "bad",
    [
        lambda: frame((entry(0, b"four"), b"four"), (entry(1, b"four"), b"fourteen")),
        lambda: frame((entry(0, b"four"), b"four"), (entry(0, b"four"), b"four")),
    ],
)
def test_what_came_before_the_fault_of_a_frame_is_good(bad, fake: FakeGateway, client: Client) -> None:
    fake.on("GetBatch", lambda request, context: iter([bad(), frame(end=end(ok=2))]), serving({"b": b"more"}))
    results = client.get_many(["a", "b"])
    assert results[0] == b"four"
    assert asked(fake)[0] == ["a", "b"]
    assert results[1] == (b"four" if len(asked(fake)) == 1 else b"more")


def test_ranges_and_buckets_go_as_references(fake: FakeGateway, client: Client) -> None:
    def ranges(request, context):
        yield frame((entry(0, b"23", object_offset=2, object_size=10), b"23"))
        yield frame((entry(1, b"89", object_offset=8, object_size=10), b"89"))
        yield frame((entry(2, b"all"), b"all"), end=end(ok=3))

    fake.on("GetBatch", ranges)
    assert client.get_many(["a", "b", ObjectRef("c", bucket="other")], ranges=[(2, 4), (8, None), None]) == [
        b"23",
        b"89",
        b"all",
    ]
    refs = fake.requests[0].refs
    assert [(ref.key, ref.bucket) for ref in refs] == [("a", ""), ("b", ""), ("c", "other")]
    assert (refs[0].range.start, refs[0].range.end) == (2, 4)
    assert (refs[1].range.start, refs[1].range.HasField("end")) == (8, False)
    assert not refs[2].HasField("range")
    with pytest.raises(InvalidArgumentError, match="1 ranges for 2 keys"):
        client.get_many(["a", "b"], ranges=[None])


def test_the_deadline_ends_it_slot_by_slot(fake: FakeGateway, connect) -> None:
    def slow(request, context):
        stop = threading.Event()
        context.add_callback(stop.set)
        yield frame((entry(0, b"quick"), b"quick"))
        stop.wait(30)

    fake.on("GetBatch", slow)
    client = connect(fake.target)
    begun = time.monotonic()
    found = client.get_many(["a", "b"], timeout=0.3, on_error="return")
    assert time.monotonic() - begun < 10
    assert found[0] == b"quick"
    assert isinstance(found[1], SlotError)
    assert isinstance(found[1].error, DeadlineExceededError)
    with pytest.raises(DeadlineExceededError, match="b: "):
        client.get_many(["a", "b"], timeout=0.3)


def test_a_caller_who_stops_early_ends_the_call(fake: FakeGateway, client: Client) -> None:
    over = threading.Event()

    def endless(request, context):
        context.add_callback(over.set)
        yield frame((entry(0, b"x"), b"x"))
        over.wait(30)

    fake.on("GetBatch", endless)
    results = client.iter_many(["a", "b"])
    assert next(results) == (0, b"x")
    results.close()
    assert over.wait(10)


def test_a_list_longer_than_a_request_is_split(fake: FakeGateway, client: Client, monkeypatch) -> None:
    monkeypatch.setattr("penstock_client._slots.BATCH_SLOTS_MAX", 8)
    fake.on("GetBatch", serving(OBJECTS))
    assert client.get_many(KEYS) == list(OBJECTS.values())
    assert [len(keys) for keys in asked(fake)] == [8, 8, 4]


def test_batches_come_in_order_with_advice_and_prefetch(fake: FakeGateway, client: Client) -> None:
    fake.on("GetBatch", serving(OBJECTS))
    batches = [KEYS[at : at + 4] for at in range(0, 20, 4)]
    pulled = []

    def source():
        for batch in batches:
            pulled.append(batch)
            yield batch

    results = client.iter_batches(source(), prefetch=2)
    assert next(results) == [OBJECTS[key] for key in batches[0]]
    assert len(pulled) == 3, "two batches are under way, and the third is the advice of the second"
    assert list(results) == [[OBJECTS[key] for key in batch] for batch in batches[1:]]
    advice = {tuple(keys_of(request)): list(request.next_keys) for request in fake.requests}
    assert advice == {tuple(batch): after for batch, after in zip(batches, [*batches[1:], []], strict=True)}
    assert list(client.iter_batches([])) == []


def test_a_bad_batch_does_not_cost_those_before_it(fake: FakeGateway, client: Client) -> None:
    fake.on("GetBatch", serving(OBJECTS))
    results = client.iter_batches([["k1"], ["nowhere"], ["k2"]], on_missing="raise")
    assert next(results) == [OBJECTS["k1"]]
    with pytest.raises(NotFoundError):
        next(results)


def test_no_bucket_is_said_before_anything_is_asked(fake: FakeGateway, connect) -> None:
    client = connect(fake.target, bucket=None)
    with pytest.raises(InvalidArgumentError, match="no bucket was named"):
        client.get_many(["a"])
    assert fake.requests == []


def test_a_closed_client_says_so(client: Client) -> None:
    client.close()
    client.close()
    with pytest.raises(PenstockError, match="the client was closed"):
        client.get_many(["a"])


def test_calls_spread_over_channels(fake: FakeGateway, connect) -> None:
    peers: set[str] = set()
    both = threading.Barrier(2, timeout=10)

    def note(request, context):
        peers.add(context.peer())
        both.wait()
        return serving(OBJECTS)(request, context)

    fake.on("GetBatch", note)
    client = connect(fake.target, channels=2)
    results = list(client.iter_batches([["k1"], ["k2"]], prefetch=2))
    assert results == [[OBJECTS["k1"]], [OBJECTS["k2"]]]
    assert len(peers) == 2


def test_crc_of_an_empty_object() -> None:
    assert entry(0, b"").crc32 == zlib.crc32(b"") == 0
