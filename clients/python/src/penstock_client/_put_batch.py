"""Puts of many objects over a few streams of PutBatch.

Promises: every item gets one result, in the order of completion; only items without a result, or with one that passes,
are sent again; memory is bounded (``_put_queue.py``); an object that is too large for a frame goes by a call of its
own. The caller's iterable runs in the caller's thread.

Hardest decision: streams are short-lived. One ends when nothing on it waits for an answer and nothing is ready to be
sent, or after so many objects; the next begins on the channel with the fewest calls. So a gateway that drains is left
soon, and the load spreads.

A put may be sent twice, since nobody knows what became of a stream that broke: the second writes the same bytes again.
With ``if_absent`` the second may be refused by what the first has stored; such an error says ``outcome_unknown``.
"""

from __future__ import annotations

import math
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from ._connection import Connection
from ._limits import ATTEMPTS_MAX, PAUSE_MAX_S, PUT_FRAME_BYTES
from ._pacing import Pacing, backoff_s, is_unreachable
from ._put_object import PutTarget, leaves_unknown, put_once, unknown_outcome
from ._put_queue import PendingPut, PutQueue
from ._put_stream import PutStream
from .errors import FailedPreconditionError, PenstockError, UnauthenticatedError
from .types import ObjectInfo, PutItem, SlotError, slot_error_of

_STREAMS_A_CHANNEL = 2
#: Seconds between looks at streams that may have stalled, and at work that may have come.
_LOOK_S = 1.0
#: Seconds of one attempt to connect, within which a run that is stopped ends.
_REACH_S = 0.2
Given: TypeAlias = "PutItem | tuple[object, ...]"


def put_results(
    connection: Connection, items: Iterable[Given], bucket: str, timeout: float | None
) -> Iterator[tuple[int, ObjectInfo | SlotError]]:
    """Yields the place of an item and what became of it. Raises PenstockError, and what ``items`` raises."""
    run = _Run(connection, bucket, connection.pacing(timeout))
    run.start()
    try:
        for index, given in enumerate(items):
            run.add(index, given)
            yield from run.results(0)
            while not run.queue.has_room:
                yield from run.results(_LOOK_S)
        run.queue.end_source()
        while True:
            results = run.results(_LOOK_S)
            if not results and run.queue.is_done:
                return
            yield from results
    finally:
        run.stop()


class _Run:
    def __init__(self, connection: Connection, bucket: str, pacing: Pacing) -> None:
        self.queue = PutQueue(connection.clock.monotonic)
        self._connection = connection
        self._bucket = bucket
        self._pacing = pacing
        self._streams: dict[int, PutStream] = {}
        self._threads = [
            threading.Thread(target=self._send, args=(number,), name=f"penstock-put-{number}", daemon=True)
            for number in range(connection.channels * _STREAMS_A_CHANNEL)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def add(self, index: int, given: Given) -> None:
        item = given if isinstance(given, PutItem) else PutItem(*given)  # type: ignore[arg-type]
        data = memoryview(item.data).cast("B")
        self.queue.add(PendingPut(index, item, data, zlib.crc32(data)))

    def results(self, wait_s: float) -> list[tuple[int, ObjectInfo | SlotError]]:
        results = self.queue.fetch(wait_s)
        if not results:
            for stream in list(self._streams.values()):
                stream.check_stall()
        return results

    def stop(self) -> None:
        """Ends what is under way; what was sent is left to its fate."""
        self.queue.fail(PenstockError("the results of the puts are not wanted any more", retryable=False))
        for stream in list(self._streams.values()):
            stream.cancel()
        for thread in self._threads:
            thread.join()

    def _send(self, number: int) -> None:
        """One stream after the other, while there is anything to send."""
        try:
            while not self.queue.is_done:
                first = self.queue.take(None, _LOOK_S)
                if first is None:
                    continue
                if len(first.data) > PUT_FRAME_BYTES:
                    self._send_large(first)
                else:
                    self._send_stream(number, first)
        except BaseException as error:  # handed to the caller, whatever it is
            self.queue.fail(error)

    def _send_large(self, pending: PendingPut) -> None:
        item = pending.item
        target = PutTarget(
            item.bucket or self._bucket, item.key, item.content_type, item.metadata, if_absent=item.if_absent
        )
        try:
            info = put_once(self._connection, target, pending.data, self._pacing.remaining_s)
        except UnauthenticatedError:
            raise
        except PenstockError as error:
            self._refused(pending, error)
            self._until_reachable(error)
        else:
            self.queue.settle(pending, info)

    def _send_stream(self, number: int, first: PendingPut) -> None:
        stream = self._streams[number] = PutStream(self._connection, self.queue, self._bucket, self._on_result)
        try:
            unanswered, error = stream.run(first, self._pacing.remaining_s)
        finally:
            del self._streams[number]
        if error is None:
            return
        if not error.retryable:
            raise error
        for pending in unanswered:
            pending.may_be_stored = True
            self._refused(pending, error)
        self._until_reachable(error)

    def _until_reachable(self, error: PenstockError) -> None:
        """What is to be sent again waits for its time; meanwhile somebody must try to connect."""
        if not is_unreachable(error):
            return
        end = time.monotonic() + PAUSE_MAX_S
        while not self.queue.is_done and time.monotonic() < end:
            if self._connection.reach(_REACH_S):
                return

    def _on_result(self, pending: PendingPut, outcome: ObjectInfo | PenstockError) -> None:
        if isinstance(outcome, ObjectInfo):
            self.queue.settle(pending, outcome)
        else:
            self._refused(pending, outcome)

    def _refused(self, pending: PendingPut, error: PenstockError) -> None:
        """Sends it again after a pause, or ends it."""
        may_be_stored = pending.may_be_stored or leaves_unknown(error)
        pending.attempts += 1
        pause = backoff_s(pending.attempts, self._connection.clock.random(), error.retry_after)
        remaining = self._pacing.remaining_s
        if (
            error.retryable
            and pending.attempts < ATTEMPTS_MAX
            and pause < (math.inf if remaining is None else remaining)
        ):
            pending.may_be_stored = may_be_stored
            self.queue.add_again(pending, pause)
            return
        item = pending.item
        told = error.about(item.key)
        if item.if_absent and pending.may_be_stored and isinstance(error, FailedPreconditionError):
            told = unknown_outcome(item.key, error)
        told.outcome_unknown = told.outcome_unknown or (error.retryable and may_be_stored)
        self.queue.settle(pending, slot_error_of(item.key, told))
