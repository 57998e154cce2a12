"""However a gateway cuts a batch into entries and frames, each slot gets the same bytes."""

from __future__ import annotations

import itertools
import random
from typing import Any

import grpc
import pytest

from fake_gateway import entry, failed, frame, status
from penstock_client import DeadlineExceededError, Missing, ObjectRef, ProtocolError, SlotError
from penstock_client._slots import BatchSlots, Settled


def cut(chance: random.Random, slot: int, whole: bytes, start: int, end: int) -> list[tuple[Any, bytes]]:
    """Entries of the bytes from start to end, one or several."""
    places = sorted({start, end, *(chance.randrange(start, end + 1) for _ in range(chance.choice([0, 0, 0, 1, 4])))})
    made = []
    for a, b in list(itertools.pairwise(places)) or [(start, end)]:
        part = whole[a:b]
        made.append((entry(slot, part, object_offset=a, object_size=len(whole), etag=f"e{slot}"), part))
    return made


def frames_of(chance: random.Random, refs: list[ObjectRef], objects: dict[str, bytes]) -> list[Any]:
    queues = []
    for slot, ref in enumerate(refs):
        whole = objects.get(ref.key)
        if whole is None:
            queues.append([(failed(slot, status(grpc.StatusCode.NOT_FOUND, "none", "NoSuchKey")), b"")])
        else:
            queues.append(cut(chance, slot, whole, ref.start, min(len(whole), ref.end or len(whole))))
    frames = []
    while any(queues):
        parts = []
        for _ in range(chance.randrange(1, 6)):
            queue = chance.choice([one for one in queues if one] or [[]])
            if queue:
                parts.append(queue.pop(0))
        frames.append(frame(*parts))
    return frames


@pytest.mark.parametrize("seed", range(60))
def test_each_slot_gets_its_bytes(seed: int) -> None:
    chance = random.Random(seed)
    objects = {f"k{n}": chance.randbytes(chance.choice([0, 1, 2, 50, 1000])) for n in range(12)}
    refs: list[ObjectRef] = []
    for _ in range(30):
        key = chance.choice([*objects, "none"])
        size = len(objects.get(key, b""))
        start = chance.randrange(size) if size and chance.random() < 0.3 else 0
        end = chance.randrange(start + 1, size + 5) if size and chance.random() < 0.3 else None
        refs.append(ObjectRef(key, start, end))
    strict = chance.random() < 0.5
    plain = [ref.key if ref.start == 0 and ref.end is None else ref for ref in refs]
    batch = BatchSlots(plain, strict=strict)
    asked = batch.begin_call()
    out: list[Settled] = []
    for made in frames_of(chance, refs, objects):
        batch.take(made, asked, out)
    assert batch.open == 0
    assert batch.held_bytes == 0
    if strict:
        assert [slot for slot, _ in out] == list(range(30))
    found = dict(out)
    assert len(found) == len(out) == 30
    for slot, ref in enumerate(refs):
        if ref.key in objects:
            assert found[slot] == objects[ref.key][ref.start : ref.end]
        else:
            assert isinstance(found[slot], Missing)


@pytest.mark.parametrize("seed", range(30))
def test_flipped_bits_never_come_out(seed: int) -> None:
    chance = random.Random(seed)
    objects = {f"k{n}": chance.randbytes(200) for n in range(8)}
    refs = [ObjectRef(key) for key in objects]
    frames = frames_of(chance, refs, objects)
    broken = chance.choice([one for one in frames if one.payload])
    payload = bytearray(broken.payload)
    payload[chance.randrange(len(payload))] ^= 1 << chance.randrange(8)
    broken.payload = bytes(payload)
    batch = BatchSlots(list(objects))
    out: list[Settled] = []
    for made in frames:
        batch.take(made, list(range(8)), out)
    assert batch.open == 1
    assert all(data == objects[refs[slot].key] for slot, data in out)
    assert batch.last_failure is not None
    assert batch.last_failure.key not in [refs[slot].key for slot, _ in out]


def test_what_came_of_a_slot_is_void_when_it_fails() -> None:
    batch = BatchSlots(["a", "b"])
    out: list[Settled] = []
    first = entry(0, b"abc", object_size=6)
    batch.take(frame((first, b"abc"), (failed(0, status(grpc.StatusCode.UNAVAILABLE, retry_s=0)), b"")), [0, 1], out)
    rest = entry(0, b"def", object_offset=3, object_size=6)
    batch.take(frame((rest, b"def"), (entry(0, b"whole!"), b"whole!")), [0, 1], out)
    assert out == []
    assert batch.begin_call() == [0, 1]
    with pytest.raises(ProtocolError, match="began slot 0 at byte 3"):
        batch.take(frame((rest, b"def")), [0, 1], out)
    batch.take(frame((entry(0, b"whole!"), b"whole!")), [0, 1], out)
    batch.give_up(DeadlineExceededError("too late"), out)
    assert out[0] == (0, b"whole!")
    assert isinstance(out[1][1], SlotError)
    assert str(out[1][1].error) == "b: too late"


def test_an_error_with_bytes_is_an_error() -> None:
    batch = BatchSlots(["a"])
    out: list[Settled] = []
    both = entry(0, b"abc", error=status(grpc.StatusCode.DATA_LOSS, "damaged", "DataLoss"))
    batch.take(frame((both, b"abc")), [0], out)
    assert [type(result) for _, result in out] == [SlotError]
