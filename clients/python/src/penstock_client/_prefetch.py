"""Batches that are asked for before the caller wants them, each on a thread of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

_T = TypeVar("_T")


def prefetched(
    batches: Iterable[Sequence[str]], ahead: int, read: Callable[[Sequence[str], Sequence[str]], _T]
) -> Iterator[_T]:
    """Yields ``read(keys, keys_of_the_next_batch)`` of each batch, in order, ``ahead`` of them under way."""
    source = iter(batches)
    upcoming = next(source, None)
    if upcoming is None:
        return
    executor = ThreadPoolExecutor(ahead, thread_name_prefix="penstock-batch")
    under_way: deque[Future[_T]] = deque()
    try:
        while upcoming is not None or under_way:
            while upcoming is not None and len(under_way) < ahead:
                current, upcoming = upcoming, next(islice(source, 1), None)
                under_way.append(executor.submit(read, current, upcoming or ()))
            yield under_way.popleft().result()
    finally:
        for future in under_way:
            future.cancel()
        executor.shutdown(wait=False)
