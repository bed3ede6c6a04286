"""How fast an account is asked: a window at once, then the rate; halved when refused, and the vendor's word heeded."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import pytest

from connectors._api.pace import Hint, Pace, Rate, pace_of


@dataclass
class Clock:
    """Time that passes only while somebody sleeps."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def turns(pace: Pace, clock: Clock, count: int) -> float:
    """Seconds that so many requests take if they are answered at once."""
    began = clock.now
    for _ in range(count):
        with pace.turn():
            pass
    return clock.now - began


def test_a_window_goes_at_once_and_then_the_rate_holds() -> None:
    clock = Clock()
    pace = Pace(Rate(requests=100, seconds=10), clock=clock, sleep=clock.sleep)
    assert turns(pace, clock, 80) == 0
    assert turns(pace, clock, 100) == pytest.approx(10, rel=0.05)


def test_a_refusal_halves_the_rate_and_good_answers_bring_it_back() -> None:
    clock = Clock()
    pace = Pace(Rate(requests=10), clock=clock, sleep=clock.sleep)
    pace.throttled(3.0)
    assert pace.per_second == 5
    assert turns(pace, clock, 1) >= 3.0
    for _ in range(20):
        pace.went_well()
    assert pace.per_second == 10


def test_nobody_goes_before_the_vendor_s_reset() -> None:
    clock = Clock()
    pace = Pace(Rate(requests=10), clock=clock, sleep=clock.sleep)
    pace.learn(Hint(remaining=0, reset_seconds=7.5))
    assert turns(pace, clock, 1) >= 7.5


def test_what_is_left_of_the_budget_bounds_what_goes_at_once() -> None:
    clock = Clock()
    pace = Pace(Rate(requests=100, seconds=10), clock=clock, sleep=clock.sleep)
    pace.learn(Hint(remaining=3, reset_seconds=10))
    assert turns(pace, clock, 3) == 0
    assert turns(pace, clock, 1) > 0


def test_one_budget_per_account_however_many_ask() -> None:
    pace = pace_of("one account", Rate(requests=200, seconds=1, concurrency=3))
    assert pace_of("one account", Rate(requests=9)) is pace
    under_way, most, lock = 0, 0, threading.Lock()

    def ask() -> None:
        nonlocal under_way, most
        for _ in range(20):
            with pace.turn():
                with lock:
                    under_way += 1
                    most = max(most, under_way)
                time.sleep(0.001)
                with lock:
                    under_way -= 1

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 < most <= 3


def test_no_pause_is_longer_than_a_day() -> None:
    clock = Clock()
    pace = Pace(Rate(requests=10), clock=clock, sleep=clock.sleep)
    for absurd in (1e300, float("inf")):
        pace.throttled(absurd)
        pace.learn(Hint(remaining=0, reset_seconds=absurd))
    assert turns(pace, clock, 1) <= 86_400 + 60
