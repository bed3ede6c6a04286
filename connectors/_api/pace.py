"""How fast an account may be asked: one budget per account, whatever resources are pulled side by side.

Limits that the vendor documents are where a pace starts; what its answers say decides from then on. Retrying is the
client's business.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

_SLOWEST = 0.02
# No sound vendor asks for a longer pause than the rest of the day; a wrong one must not stop a process for ever.
_LONGEST_SECONDS = 86_400.0
_RECOVERY = 0.05


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A documented limit: requests per `seconds`, and how many may be under way at once."""

    requests: float
    seconds: float = 1.0
    concurrency: int = 4

    def times(self, factor: float) -> Rate:
        """Gives the limit of a plan that allows so many times as much."""
        return replace(self, requests=self.requests * factor)


@dataclass(frozen=True, kw_only=True)
class Hint:
    """What an answer says about the budget: requests left, and seconds until there are more."""

    remaining: float | None = None
    reset_seconds: float | None = None


class TooLongError(Exception):
    """The vendor wants a longer pause than the caller has patience for; `seconds` is what is left of it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"a pause of {seconds:.0f} s")
        self.seconds = seconds


class Pace:
    """Lets callers through at a rate that halves when the vendor objects and recovers while it does not.

    Safe to share between threads.
    """

    def __init__(
        self, rate: Rate, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.top = rate.requests / rate.seconds
        self.per_second = self.top
        # A window's worth may go at once, as the limit allows it; after that the rate holds.
        self._room = max(1.0, rate.requests * 0.8)
        self._tokens = self._room
        self._filled = self._not_before = clock()
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(rate.concurrency)

    @contextmanager
    def turn(self, patience: float = float("inf")) -> Iterator[None]:
        """Waits until a request may start, and counts it as under way while the block runs.

        Raises:
            TooLongError: that would take longer than `patience` seconds.
        """
        until = self._clock() + patience
        with self._slots:
            while wait := self._take():
                if self._clock() + wait > until:
                    raise TooLongError(wait)
                self._sleep(wait)
            yield

    def learn(self, hint: Hint) -> None:
        """Heeds what an answer says; with nothing left, nobody is let through before the reset."""
        if hint.remaining is None or hint.reset_seconds is None:
            return
        with self._lock:
            self._tokens = min(self._tokens, max(hint.remaining, 0.0))
            if hint.remaining < 1:
                self._not_before = max(self._not_before, self._clock() + min(hint.reset_seconds, _LONGEST_SECONDS))

    def went_well(self) -> None:
        """Speeds up a little."""
        with self._lock:
            self.per_second = min(self.top, self.per_second + _RECOVERY * self.top)

    def throttled(self, seconds: float) -> None:
        """Halves the rate and lets nobody through for some seconds, since the vendor refused a request."""
        with self._lock:
            self.per_second = max(_SLOWEST, self.per_second / 2)
            self._tokens = 0.0
            self._filled = self._clock()
            self._not_before = max(self._not_before, self._filled + min(seconds, _LONGEST_SECONDS))

    def _take(self) -> float:
        """Takes a turn, or gives the seconds to wait before asking again."""
        with self._lock:
            now = self._clock()
            if now < self._not_before:
                return self._not_before - now
            self._tokens = min(self._room, self._tokens + (now - self._filled) * self.per_second)
            self._filled = now
            if self._tokens >= 1.0:
                self._tokens -= 1.0
                return 0.0
            return max((1.0 - self._tokens) / self.per_second, 0.001)


_paces: dict[str, Pace] = {}
_paces_lock = threading.Lock()


def pace_of(account: str, rate: Rate) -> Pace:
    """Gives the pace of an account, the same to everybody in this process."""
    with _paces_lock:
        return _paces.setdefault(account, Pace(rate))
