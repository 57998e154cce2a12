"""How often and how soon something is tried again, and when it is given up.

Pauses double from 50 ms to 5 s and are spread by chance between half and all of that, so that many clients do not come
back at once; a gateway that asks for a longer pause gets it. Progress starts the count again: what is bounded is trying
in vain.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from ._limits import ATTEMPTS_MAX, PAUSE_MAX_S, PAUSE_MIN_S
from .errors import PenstockError, UnavailableError

#: Seconds within which a gateway answers that was connected all the time.
_AT_ONCE_S = 0.02


def _chance() -> float:
    """0 to 1. Not seeded by those who train, and not alike in processes that were forked."""
    return random.SystemRandom().random()


@dataclass(frozen=True)
class Clock:
    """Time and chance, given from outside in tests. Seconds everywhere."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = _chance


def backoff_s(attempt: int, chance: float, asked_s: float | None) -> float:
    """Seconds before attempt ``attempt``; 1 is the first repetition."""
    grown = min(PAUSE_MAX_S, PAUSE_MIN_S * 2.0 ** (attempt - 1))
    return (asked_s or 0.0) + grown * (0.5 + chance / 2)


class Pacing:
    """The attempts of one request."""

    def __init__(self, clock: Clock, timeout_s: float | None, reach: Callable[[float], bool]) -> None:
        """Begins now.

        Args:
            clock: time and chance.
            timeout_s: seconds for all attempts; None for no limit.
            reach: waits so many seconds for a connection, and says whether there is one.
        """
        self._clock = clock
        self._reach = reach
        self._end = math.inf if timeout_s is None else clock.monotonic() + timeout_s
        self._attempt = 0

    @property
    def remaining_s(self) -> float | None:
        """Seconds that are left, at least a thousandth; None for no limit."""
        return None if math.isinf(self._end) else max(0.001, self._end - self._clock.monotonic())

    def progressed(self) -> None:
        """Something came of the last attempt."""
        self._attempt = 0

    def again(self, failure: PenstockError) -> bool:
        """Waits as long as is due before the next attempt. False: too many were in vain, or the deadline would pass."""
        self._attempt += 1
        if self._attempt >= ATTEMPTS_MAX:
            return False
        begun = self._clock.monotonic()
        pause = backoff_s(self._attempt, self._clock.random(), failure.retry_after)
        if begun + pause >= self._end:
            return False
        if is_unreachable(failure):
            self._reach(pause)
            waited = self._clock.monotonic() - begun
            # What had to be waited for is there now, or cannot be reached; else it was there all the time, and refuses.
            if waited > _AT_ONCE_S:
                return True
            pause -= waited
        self._clock.sleep(pause)
        return True


def is_unreachable(failure: PenstockError) -> bool:
    """Whether it may be that nobody answered. What the gateway itself says has a reason."""
    return failure.reason is None and isinstance(failure, UnavailableError)
