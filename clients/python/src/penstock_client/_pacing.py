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

    def __init__(self, clock: Clock, timeout_s: float | None) -> None:
        """``timeout_s``: seconds for all attempts; None for no limit."""
        self._clock = clock
        self._end = math.inf if timeout_s is None else clock.monotonic() + timeout_s
        self._attempt = 0

    @property
    def remaining_s(self) -> float | None:
        """Seconds that are left, at least a thousandth; None for no limit."""
        return None if math.isinf(self._end) else max(0.001, self._end - self._clock.monotonic())

    def progressed(self) -> None:
        """Something came of the last attempt."""
        self._attempt = 0

    def again(self, asked_s: float | None = None) -> bool:
        """Waits as long as is due before the next attempt. False: too many were in vain, or the deadline would pass."""
        self._attempt += 1
        if self._attempt >= ATTEMPTS_MAX:
            return False
        pause = backoff_s(self._attempt, self._clock.random(), asked_s)
        if self._clock.monotonic() + pause >= self._end:
            return False
        self._clock.sleep(pause)
        return True
