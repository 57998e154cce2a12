"""What has become of each slot of a batch, over all the calls that it takes. Every entry comes through here.

Promises: every slot gets one result, its bytes or its error; bytes come out only when their CRC-32 held and all of them
are there; what came of a slot in an attempt that failed is dropped.

Hardest decision: one copy of the payload for each object. A view of the frame would save it, and would keep a MiB alive
for every image that is kept, and be no ``bytes`` for those who decode it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from zlib import crc32

from . import _messages as pb
from ._limits import BATCH_KEY_CHARS_MAX, BATCH_SLOTS_MAX, CRC_FAILURES_MAX, OBJECT_BYTES_MAX
from .errors import DataLossError, OutOfRangeError, PenstockError, broken_protocol, error_of_status
from .types import ObjectRef, SlotError, key_text, slot_error_of

Result: TypeAlias = "bytes | SlotError"
#: A slot and what came of it.
Settled: TypeAlias = "tuple[int, Result]"


@dataclass
class _Partial:
    """A slot whose bytes come in several entries."""

    etag: str
    length: int
    filled: int = 0
    parts: list[bytes] = field(default_factory=list)


class BatchSlots:
    """The results of one list of references."""

    def __init__(self, refs: Sequence[str | ObjectRef], *, strict: bool = False) -> None:
        self._keys = [ref.key if isinstance(ref, ObjectRef) else key_text(ref) for ref in refs]
        self._refs = {slot: ref for slot, ref in enumerate(refs) if isinstance(ref, ObjectRef)}
        self._strict = strict
        self._settled = bytearray(len(refs))
        self._partials: dict[int, _Partial] = {}
        # Failed in the present call and to be asked for again: the rest of what comes of them is dropped.
        self._again: dict[int, PenstockError] = {}
        self._crc_failures: dict[int, int] = {}
        # Strict order: results that came before their turn.
        self._held: dict[int, Result] = {}
        self._turn = 0
        self.held_bytes = 0
        #: Slots without a result.
        self.open = len(refs)

    @property
    def last_failure(self) -> PenstockError | None:
        """Why slots of this call are to be asked for again; None when none is."""
        return next(reversed(self._again.values()), None)

    def begin_call(self) -> list[int]:
        """Forgets what the last call left unfinished.

        Returns the slots to ask for, ascending, as many as a request takes.
        """
        self._partials.clear()
        self._again.clear()
        asked: list[int] = []
        chars = 0
        slot = self._settled.find(0)
        while slot >= 0 and len(asked) < BATCH_SLOTS_MAX and chars < BATCH_KEY_CHARS_MAX:
            asked.append(slot)
            chars += len(self._keys[slot])
            slot = self._settled.find(0, slot + 1)
        return asked

    def request(self, asked: Sequence[int]) -> pb.GetBatchRequest:
        """Names these slots; the short form where it says enough."""
        if not any(slot in self._refs for slot in asked):
            return pb.GetBatchRequest(keys=[self._keys[slot] for slot in asked])
        request = pb.GetBatchRequest()
        for slot in asked:
            ref = self._refs.get(slot)
            sample = request.refs.add(key=self._keys[slot], bucket=None if ref is None else ref.bucket)
            if ref is not None and (ref.start != 0 or ref.end is not None):
                sample.range.start = ref.start
                if ref.end is not None:
                    sample.range.end = ref.end
        return request

    def take(self, frame: pb.BatchFrame, asked: Sequence[int], out: list[Settled]) -> None:
        """Appends the results that are ready by this frame. Raises ProtocolError; what was appended before is good."""
        payload = frame.payload
        size = len(payload)
        settled, again, unusual = self._settled, self._again, self._refs.keys() | self._partials.keys()
        at = 0
        for entry in frame.entries:
            length, number = entry.length, entry.slot
            end = at + length
            if end > size:
                raise broken_protocol("described more bytes than a frame holds")
            if number >= len(asked):
                raise broken_protocol(f"sent an entry of slot {number}, which it was not asked for")
            slot = asked[number]
            data = payload[at:end]
            at = end
            if slot in again:
                continue
            if (
                # The usual case, without a call: all of a whole object.
                length
                and length == entry.object_size
                and not (settled[slot] or self._strict or slot in unusual or entry.HasField("error"))
                and crc32(data) == entry.crc32
                and entry.object_offset == 0
            ):
                settled[slot] = 1
                self.open -= 1
                out.append((slot, data))
            else:
                self._take_entry(slot, entry, data, out)
        if at != size:
            raise broken_protocol("described fewer bytes than a frame holds")

    def unsettled(self, asked: Sequence[int]) -> int:
        """How many of these slots have no result."""
        return sum(1 for slot in asked if not self._settled[slot])

    def give_up(self, error: PenstockError, out: list[Settled]) -> None:
        """Ends every open slot: with its own error, else with this one."""
        for slot in range(len(self._settled)):
            if not self._settled[slot]:
                self._fail(slot, self._again.get(slot) or error.about(self._keys[slot]), out)

    def _take_entry(self, slot: int, entry: pb.Entry, data: bytes, out: list[Settled]) -> None:
        if self._settled[slot]:
            raise broken_protocol(f"sent an entry of slot {entry.slot}, which was served already")
        if entry.HasField("error"):
            self._refuse(slot, error_of_status(entry.error, self._keys[slot]), out)
            return
        found = crc32(data)
        if found != entry.crc32:
            self._refuse_crc(slot, entry.crc32, found, out)
            return
        partial = self._partials.get(slot)
        if partial is None:
            start, length = self._span(slot, entry.object_size)
            if entry.object_offset != start:
                raise broken_protocol(f"began slot {entry.slot} at byte {entry.object_offset}, not {start}")
            if len(data) == length:
                self._settle(slot, data, out)
                return
            if length > OBJECT_BYTES_MAX:
                self._refuse_size(slot, length, out)
                return
            partial = self._partials[slot] = _Partial(entry.etag, length)
        self._join(slot, partial, entry, data, out)

    def _span(self, slot: int, object_size: int) -> tuple[int, int]:
        """Where the bytes that were asked for begin in the object, and how many they are."""
        ref = self._refs.get(slot)
        if ref is None:
            return 0, object_size
        end = object_size if ref.end is None else min(ref.end, object_size)
        return ref.start, max(0, end - ref.start)

    def _join(self, slot: int, partial: _Partial, entry: pb.Entry, data: bytes, out: list[Settled]) -> None:
        start, length = self._span(slot, entry.object_size)
        is_next = entry.object_offset == start + partial.filled and partial.filled + len(data) <= partial.length
        is_same = length == partial.length and entry.etag in ("", partial.etag)
        if not (is_next and is_same):
            raise broken_protocol(f"sent entries of slot {entry.slot} that do not follow each other")
        partial.parts.append(data)
        partial.filled += len(data)
        if partial.filled == partial.length:
            del self._partials[slot]
            self._settle(slot, b"".join(partial.parts), out)

    def _refuse(self, slot: int, error: PenstockError, out: list[Settled]) -> None:
        self._partials.pop(slot, None)
        if error.retryable:
            self._again[slot] = error
        else:
            self._fail(slot, error, out)

    def _refuse_crc(self, slot: int, told: int, found: int, out: list[Settled]) -> None:
        """Once may be the network's doing; twice is damage that asking again does not mend."""
        self._partials.pop(slot, None)
        failures = self._crc_failures[slot] = self._crc_failures.get(slot, 0) + 1
        key = self._keys[slot]
        error = DataLossError(
            f"{key}: the bytes that arrived have CRC-32 {found:08x} and not {told:08x}; "
            "they were damaged after the gateway had read them",
            reason="DataLoss",
            key=key,
        )
        self._again[slot] = error
        if failures >= CRC_FAILURES_MAX:
            self._fail(slot, error, out)

    def _refuse_size(self, slot: int, length: int, out: list[Settled]) -> None:
        key = self._keys[slot]
        error = OutOfRangeError(
            f"{key} has {length} bytes, more than {OBJECT_BYTES_MAX}; read it with stream()", key=key
        )
        self._again[slot] = error
        self._fail(slot, error, out)

    def _fail(self, slot: int, error: PenstockError, out: list[Settled]) -> None:
        self._settle(slot, slot_error_of(self._keys[slot], error), out)

    def _settle(self, slot: int, result: Result, out: list[Settled]) -> None:
        self._settled[slot] = 1
        self.open -= 1
        if not self._strict:
            out.append((slot, result))
            return
        self._held[slot] = result
        if isinstance(result, bytes):
            self.held_bytes += len(result)
        while self._turn in self._held:
            next_result = self._held.pop(self._turn)
            if isinstance(next_result, bytes):
                self.held_bytes -= len(next_result)
            out.append((self._turn, next_result))
            self._turn += 1
