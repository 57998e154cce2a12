"""Processes that fork while gRPC is in use.

Promises: a process that was forked never uses, closes or destroys the channels that it inherited; and no thread of ours
is inside gRPC in the moment of a fork, because a fork waits for those that are, and holds off those that come.

Hardest decision: the second. A fork in that moment leaves gRPC's own state half-changed, and crashes or hangs the child
or the parent (https://github.com/grpc/grpc/issues/32992); with nothing under way it does no harm, which is what makes
``DataLoader`` with ``fork`` safe beside a client that is in use. Waiting is bounded: a fork that cannot have it quiet
goes ahead.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol

from ._limits import FORK_WAIT_S, GRPC_THREADS_S


class Forkable(Protocol):
    """Something that must be told of a fork."""

    def forget_inherited(self) -> None:
        """Called in the new process, which has one thread."""


class ForkGate:
    """``with gate:`` around everything that runs inside gRPC. Not to be nested in one thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._forks = 0

    def __enter__(self) -> None:
        with self._changed:
            while self._forks:
                self._changed.wait()
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._inside -= 1
            if self._forks:
                self._changed.notify_all()

    @property
    def is_wanted(self) -> bool:
        """A fork waits: what can end soon should."""
        return self._forks > 0

    def before_fork(self) -> None:
        """Waits until nobody is inside, for a while."""
        deadline = time.monotonic() + FORK_WAIT_S
        with self._changed:
            self._forks += 1
            while self._inside and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)

    def after_fork_in_parent(self) -> None:
        """Lets in who waits."""
        with self._changed:
            self._forks -= 1
            self._changed.notify_all()

    def after_fork_in_child(self) -> None:
        """Nobody else is left, whatever the counts say."""
        self.__init__()  # type: ignore[misc]


GATE = ForkGate()


@contextmanager
def threads_noted() -> Iterator[None]:
    """Around the whole of a call for which gRPC makes threads: they end a little later, and a fork waits for them."""
    before = set(threading.enumerate())
    try:
        yield
    finally:
        _threads_of_grpc.update(
            thread for thread in threading.enumerate() if thread not in before and _is_of_grpc(thread)
        )


def _is_of_grpc(thread: threading.Thread) -> bool:
    return getattr(getattr(thread, "_target", None), "__module__", None) == "grpc._cython.cygrpc"


_threads_of_grpc: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
_watched: weakref.WeakSet[Forkable] = weakref.WeakSet()
_inherited: list[object] = []
_is_registered = False


def watch(thing: Forkable) -> None:
    """From now on this is told when the process was forked."""
    global _is_registered
    _watched.add(thing)
    if not _is_registered and hasattr(os, "register_at_fork"):
        _is_registered = True
        os.register_at_fork(
            before=_before_fork,
            after_in_parent=GATE.after_fork_in_parent,
            after_in_child=_after_fork_in_child,
        )


def keep_for_ever(thing: object) -> None:
    """An object that must not be destroyed in this process."""
    _inherited.append(thing)


def _before_fork() -> None:
    GATE.before_fork()
    deadline = time.monotonic() + GRPC_THREADS_S
    for thread in list(_threads_of_grpc):
        if thread.is_alive() and (left := deadline - time.monotonic()) > 0:
            thread.join(left)


def _after_fork_in_child() -> None:
    _threads_of_grpc.clear()
    GATE.after_fork_in_child()
    for thing in list(_watched):
        thing.forget_inherited()
