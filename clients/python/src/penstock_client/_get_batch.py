"""GetBatch until every slot has its result.

Promises: a stream that is reset, or ends without ``BatchEnd``, is never taken for whole; only slots that were not
served, or failed in a way that passes, are asked for again; when nothing helps, each of them gets its error.

Hardest decision: what raises and what is a result. A refusal of the whole call that asking again cannot mend
(credential, bucket, arguments) raises. Everything else is said slot by slot, so that one bad object or a short deadline
does not cost the others.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias

import grpc

from . import _messages as pb
from ._connection import Connection
from ._fork import GATE
from ._limits import HELD_BYTES_MAX, NEXT_KEYS_MAX
from ._pacing import Pacing
from ._slots import BatchSlots, Settled
from .errors import (
    DataLossError,
    DeadlineExceededError,
    InvalidArgumentError,
    PenstockError,
    broken_protocol,
    error_of_call,
)
from .types import ObjectRef, key_text

Order: TypeAlias = Literal["completion", "strict"]


@dataclass(frozen=True)
class BatchOptions:
    """How a batch is asked for."""

    bucket: str | None = None
    order: Order = "completion"
    next_keys: Sequence[str] = ()
    timeout: float | None = None
    max_frame_bytes: int = 0


def batch_results(
    connection: Connection, refs: Sequence[str | ObjectRef], options: BatchOptions
) -> Iterator[list[Settled]]:
    """Yields results, as many at a time as one frame brings; never an empty list. Raises PenstockError."""
    if options.order not in ("completion", "strict"):
        raise InvalidArgumentError(f'order is {options.order!r}; expected "completion" or "strict"')
    batch = BatchSlots(refs, strict=options.order == "strict")
    bucket = connection.bucket_of(options.bucket)
    pacing = connection.pacing(connection.timeout_s if options.timeout is None else options.timeout)
    is_first = True
    while batch.open:
        open_before = batch.open
        asked = batch.begin_call()
        request = batch.request(asked)
        request.bucket = bucket
        request.order = pb.ORDER_STRICT if options.order == "strict" else pb.ORDER_COMPLETION
        request.max_frame_bytes = options.max_frame_bytes
        if is_first:
            request.next_keys.extend(key_text(key) for key in options.next_keys[:NEXT_KEYS_MAX])
        is_first = False
        failure = yield from _one_call(connection, batch, request, asked, pacing)
        if not batch.open:
            return
        if batch.open < open_before:
            pacing.progressed()
        if failure is None:
            continue  # a list of more slots than one request takes
        if not failure.retryable and not isinstance(failure, DataLossError):
            raise failure
        if pacing.again(failure):
            continue
        last: list[Settled] = []
        batch.give_up(failure, last)
        yield last


def _one_call(
    connection: Connection, batch: BatchSlots, request: pb.GetBatchRequest, asked: list[int], pacing: Pacing
) -> Generator[list[Settled], None, PenstockError | None]:
    """Yields what one call brings. Returns why open slots must be asked for again; None: it was served in full."""
    try:
        with connection.stream("get_batch", request, pacing.remaining_s) as call:
            while True:
                results, end = _next_results(call, batch, asked)
                if results:
                    yield results
                if end != "more":
                    return end
                if batch.held_bytes > HELD_BYTES_MAX and batch.last_failure:
                    return batch.last_failure  # strict: first the slot that the others wait for
    except grpc.RpcError as error:
        return error_of_call(error)


def _next_results(
    call: Iterator[pb.BatchFrame], batch: BatchSlots, asked: list[int]
) -> tuple[list[Settled], PenstockError | Literal["more"] | None]:
    """What the next frame brings, and how the call ended: "more" when it has not, None when all was served."""
    with GATE:
        frame = next(call, None)
    if frame is None:
        return [], broken_protocol("ended a batch without saying that it is whole")
    results: list[Settled] = []
    try:
        batch.take(frame, asked, results)
    except PenstockError as error:
        return results, error  # what was taken before the fault is good: each entry had its own CRC
    if not frame.HasField("end"):
        return results, "more"
    _finish(call)
    return results, _verdict(frame.end, batch, asked)


def _finish(call: Iterator[pb.BatchFrame]) -> None:
    """Reads the status behind the last frame, so that the call need not be reset.

    Every slot is told, whatever the status is.
    """
    with suppress(grpc.RpcError), GATE:
        next(call, None)


def _verdict(end: pb.BatchEnd, batch: BatchSlots, asked: list[int]) -> PenstockError | None:
    unserved = len(end.unserved_slots)
    if unserved:
        return DeadlineExceededError(
            f"the deadline passed before the gateway had come to {unserved} of the slots", retryable=True
        )
    lost = batch.unsettled(asked)
    if lost and not batch.last_failure:
        return broken_protocol(f"said that a batch is whole, and had not served {lost} of its slots")
    return batch.last_failure
