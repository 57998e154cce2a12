"""What of a run of puts waits to be sent, is on its way, or waits to be fetched.

Promises: bytes and objects that were taken and have no result that was fetched are bounded: a slow gateway or a slow
caller stops the source.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ._limits import PUT_BYTES_MAX, PUT_ITEMS_MAX
from .types import ObjectInfo, PutItem, SlotError


@dataclass
class PendingPut:
    """An item on its way."""

    #: Its place among the items, from 0.
    index: int
    item: PutItem
    data: memoryview
    crc32: int
    attempts: int = 0
    #: An earlier attempt ended without saying whether it was stored.
    may_be_stored: bool = False


class PutQueue:
    """Shared by the caller, who fills and fetches, and the threads that send."""

    def __init__(self, now: Callable[[], float]) -> None:
        """``now``: a clock that never goes back, in seconds."""
        self._now = now
        self._changed = threading.Condition()
        self._ready: deque[PendingPut] = deque()
        self._later: list[tuple[float, int, PendingPut]] = []
        self._order = itertools.count()
        self._results: list[tuple[int, ObjectInfo | SlotError]] = []
        self._bytes = 0
        self._items = 0
        self._unsettled = 0
        self._source_ended = False
        self._failure: BaseException | None = None

    @property
    def has_room(self) -> bool:
        """Whether another item may be added."""
        with self._changed:
            return self._bytes < PUT_BYTES_MAX and self._items < PUT_ITEMS_MAX

    @property
    def is_done(self) -> bool:
        """No item will come any more, neither from the source nor back from an attempt."""
        with self._changed:
            return self._is_done()

    def add(self, pending: PendingPut) -> None:
        """A new item of the source."""
        with self._changed:
            self._bytes += len(pending.data)
            self._items += 1
            self._unsettled += 1
            self._ready.append(pending)
            self._changed.notify_all()

    def add_again(self, pending: PendingPut, after_s: float) -> None:
        """An item that must be sent again, so many seconds from now."""
        with self._changed:
            heapq.heappush(self._later, (self._now() + after_s, next(self._order), pending))
            self._changed.notify_all()

    def end_source(self) -> None:
        """No new items."""
        with self._changed:
            self._source_ended = True
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """Ends everything; the caller gets the first such error after the results that there are."""
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()

    def take(self, bytes_max: int | None, wait_s: float) -> PendingPut | None:
        """The next item to send, when one is ready within so many seconds and no larger than that.

        The last wait may be shorter.
        """
        with self._changed:
            if not self._has_ready():
                self._changed.wait(self._wait_of(wait_s))
            if self._failure is not None or not self._has_ready():
                return None
            if bytes_max is not None and len(self._ready[0].data) > bytes_max:
                return None
            return self._ready.popleft()

    def settle(self, pending: PendingPut, result: ObjectInfo | SlotError) -> None:
        """The item has its result."""
        with self._changed:
            self._bytes -= len(pending.data)
            self._unsettled -= 1
            self._results.append((pending.index, result))
            self._changed.notify_all()

    def fetch(self, wait_s: float) -> list[tuple[int, ObjectInfo | SlotError]]:
        """Results that there are, waiting so many seconds for one. Raises what the run failed with."""
        with self._changed:
            if not self._results and self._failure is None and not self._is_done() and wait_s > 0:
                self._changed.wait(wait_s)
            results, self._results = self._results, []
            self._items -= len(results)
            if not results and self._failure is not None:
                raise self._failure
            return results

    def _is_done(self) -> bool:
        return self._failure is not None or (self._source_ended and self._unsettled == 0)

    def _has_ready(self) -> bool:
        while self._later and self._later[0][0] <= self._now():
            self._ready.append(heapq.heappop(self._later)[2])
        return bool(self._ready)

    def _wait_of(self, wait_s: float) -> float:
        return wait_s if not self._later else max(0.001, min(wait_s, self._later[0][0] - self._now()))
