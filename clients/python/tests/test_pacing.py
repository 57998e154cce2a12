"""Pauses: how long, how often, and what they are spent on."""

from __future__ import annotations

import pytest

from penstock_client import ProtocolError, UnavailableError
from penstock_client._pacing import Clock, Pacing, backoff_s


class Time:
    """A clock that goes on by what is slept and reached."""

    def __init__(self, reach_takes_s: float = 0.0) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.reached: list[float] = []
        self._reach_takes_s = reach_takes_s

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)

    def reach(self, wait_s: float) -> bool:
        self.now += min(wait_s, self._reach_takes_s)
        self.reached.append(wait_s)
        return wait_s >= self._reach_takes_s

    def pacing(self, timeout_s: float | None = None) -> Pacing:
        return Pacing(Clock(lambda: self.now, lambda: 0.0, self.sleep, lambda: 0.0), timeout_s, self.reach)


def test_pauses_double_up_to_a_bound_and_are_spread() -> None:
    assert [backoff_s(n, 1.0, None) for n in (1, 2, 3, 8, 9, 50)] == [0.05, 0.1, 0.2, 5.0, 5.0, 5.0]
    assert backoff_s(1, 0.0, None) == 0.025
    assert backoff_s(1, 0.0, 2.0) == 2.025


def test_trying_in_vain_is_bounded_and_progress_starts_again() -> None:
    time = Time()
    pacing = time.pacing()
    assert [pacing.again(ProtocolError()) for _ in range(10)] == [True] * 9 + [False]
    pacing.progressed()
    assert pacing.again(ProtocolError())


def test_no_pause_goes_beyond_the_deadline() -> None:
    time = Time()
    pacing = time.pacing(1.0)
    assert pacing.remaining_s == 1.0
    assert not pacing.again(ProtocolError(retry_after=1.0))
    assert time.slept == []
    time.now = 5.0
    assert pacing.remaining_s == 0.001
    assert time.pacing().remaining_s is None


def test_while_nobody_answers_the_pause_is_spent_on_connecting() -> None:
    time = Time(reach_takes_s=0.3)
    pacing = time.pacing()
    for _ in range(8):
        pacing.again(UnavailableError())
    assert time.slept == []
    assert time.reached == [pytest.approx(backoff_s(n, 0.0, None)) for n in range(1, 9)]


def test_a_gateway_that_is_there_and_refuses_is_left_alone_for_all_of_the_pause() -> None:
    time = Time()
    assert time.pacing().again(UnavailableError())
    assert (time.slept, time.reached) == ([0.025], [0.025])
    assert time.pacing().again(UnavailableError(reason="ServerClosed", retry_after=1.0))
    assert time.pacing().again(ProtocolError())
    assert (time.slept, time.reached) == ([0.025, 1.025, 0.025], [0.025])
