"""One stream of PutBatch: packs what is ready into frames and hands each result on.

Promises: frames of at most a MiB of payload; a frame is sent when it is full or when nothing more is ready; a stream on
which nothing happens for a minute is given up. It runs in two threads, the one that reads and the one of gRPC that
sends.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from . import _messages as pb
from ._connection import Connection
from ._fork import GATE, threads_noted
from ._limits import PUT_FRAME_BYTES, PUT_FRAME_ENTRIES_MAX, PUT_STALL_S, PUT_STREAM_ITEMS
from ._put_object import PutTarget, header_of
from ._put_queue import PendingPut, PutQueue
from .errors import PenstockError, UnavailableError, broken_protocol, error_of_call, error_of_status
from .types import ObjectInfo, object_info_of

#: Seconds between looks at whether the stream should end.
_LOOK_S = 0.05
Outcome = Callable[[PendingPut, "ObjectInfo | PenstockError"], None]


class PutStream:
    """Sends until nothing is ready and everything is answered."""

    def __init__(self, connection: Connection, queue: PutQueue, bucket: str, on_result: Outcome) -> None:
        self._connection = connection
        self._queue = queue
        self._bucket = bucket
        self._on_result = on_result
        self._lock = threading.Lock()
        self._unanswered: dict[int, PendingPut] = {}
        self._sent = 0
        self._answered_s = connection.clock.monotonic()
        self._stalled = False
        self._over = False
        self._call: Any | None = None

    def run(self, first: PendingPut, timeout_s: float | None) -> tuple[list[PendingPut], PenstockError | None]:
        """Sends this item and what becomes ready meanwhile. Returns items without a result, and why there are any."""
        error: PenstockError | None = None
        try:
            with self._connection.lane() as lane, GATE, threads_noted():
                frames = self._frames(first)
                call = lane.put_batch(frames, timeout=timeout_s, metadata=self._connection.metadata())
                self._call = call
                try:
                    for result in call:
                        self._take(result)
                finally:
                    with self._lock:
                        self._over = True  # the sender may still be there, and takes no more
                    call.cancel()
        except grpc.RpcError as failure:
            error = error_of_call(failure)
            if self._stalled:
                error = UnavailableError(f"no put was answered for {PUT_STALL_S:.0f} s", retryable=True)
        except PenstockError as failure:
            error = failure
        with self._lock:
            self._over = True
            unanswered = list(self._unanswered.values())
        if unanswered and error is None:
            error = broken_protocol(f"left {len(unanswered)} puts unanswered")
        return unanswered, error

    def check_stall(self) -> None:
        """Gives the stream up when nothing on it is answered for too long. Called from outside, now and then."""
        silent_s = self._connection.clock.monotonic() - self._answered_s
        if self._call is not None and self._unanswered and silent_s >= PUT_STALL_S:
            self._stalled = True
            self._call.cancel()

    def cancel(self) -> None:
        """Ends it, from another thread."""
        if self._call is not None:
            self._call.cancel()

    def _frames(self, first: PendingPut) -> Iterator[pb.PutFrame]:
        pid = os.getpid()
        pending: PendingPut | None = first
        while pending is not None and os.getpid() == pid:
            frame = self._frame_from(pending)
            if frame is None:
                return
            yield frame
            pending = self._next()

    def _next(self) -> PendingPut | None:
        """Waits while something on this stream is not answered:

        by then more may be ready. A fork that waits is let through.
        """
        while self._sent < PUT_STREAM_ITEMS and not self._over and not GATE.is_wanted:
            pending = self._queue.take(PUT_FRAME_BYTES, _LOOK_S)
            if pending is not None:
                return pending
            if not self._unanswered or self._queue.is_done:
                return None
        return None

    def _frame_from(self, first: PendingPut) -> pb.PutFrame | None:
        frame = pb.PutFrame()
        payload = bytearray()
        pending: PendingPut | None = first
        while pending is not None:
            item = pending.item
            with self._lock:
                if self._over:
                    self._queue.add_again(pending, 0)
                    return None
                slot = self._sent
                self._sent += 1
                self._unanswered[slot] = pending
            target = PutTarget(
                item.bucket or self._bucket, item.key, item.content_type, item.metadata, if_absent=item.if_absent
            )
            size = len(pending.data)
            frame.entries.add(slot=slot, header=header_of(target, size), length=size, crc32=pending.crc32)
            payload += pending.data
            if len(frame.entries) >= PUT_FRAME_ENTRIES_MAX:
                break
            pending = self._queue.take(PUT_FRAME_BYTES - len(payload), 0)
        self._answered_s = self._connection.clock.monotonic()
        frame.payload = bytes(payload)
        return frame

    def _take(self, result: pb.PutResult) -> None:
        with self._lock:
            pending = self._unanswered.pop(result.slot, None)
        if pending is None:
            raise broken_protocol(f"sent a result of slot {result.slot}, which has none to come")
        self._answered_s = self._connection.clock.monotonic()
        if result.HasField("error"):
            self._on_result(pending, error_of_status(result.error, pending.item.key))
        elif result.HasField("info"):
            self._on_result(pending, object_info_of(result.info))
        else:
            raise broken_protocol(f"sent a result of slot {result.slot} without an outcome")
