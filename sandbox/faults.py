"""What can go wrong between a system and whoever asks it: planned per vendor, dealt out request by request.

The server obeys the plan; what a connector makes of it is the tests' business.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Literal

FaultKind = Literal[
    "too_many_requests",  # 429 with Retry-After, in the vendor's words
    "server_error",  # 500 and 503
    "slow",  # the answer comes later than anybody waits
    "cut",  # the connection ends in the middle of the body
    "truncated_json",  # the body ends early, though the transfer is sound
    "malformed_json",  # the body is not JSON
    "duplicated_page",  # the page before is given again
    "reordered_page",  # a page's records come in another order, and neighbouring pages swap their edges
    "moving_page",  # records change between two reads, so that pages shift
    "clock_skew",  # the server's clock is hours off
    "expired_token",  # the access token ends early
]
#: Faults that the server deals out by itself; the others are the vendor's to act on, through `Faults.strikes`.
ON_THE_WIRE: tuple[FaultKind, ...] = (
    "too_many_requests",
    "server_error",
    "slow",
    "cut",
    "truncated_json",
    "malformed_json",
    "duplicated_page",
    "reordered_page",
)


@dataclass
class Fault:
    """A fault that strikes `times` requests after sparing the first `after` of those that it could strike."""

    kind: FaultKind
    after: int = 1
    times: int = 1


@dataclass
class Faults:
    """The faults planned for one vendor."""

    planned: list[Fault] = field(default_factory=list)
    struck: list[FaultKind] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def plan(self, kind: FaultKind, *, after: int = 1, times: int = 1) -> None:
        """Plans a fault."""
        with self._lock:
            self.planned.append(Fault(kind, after, times))

    def clear(self) -> None:
        """Forgets what is planned and what struck."""
        with self._lock:
            self.planned.clear()
            self.struck.clear()

    def strikes(self, kind: FaultKind) -> bool:
        """Tells whether a fault of this kind strikes now, and counts it down; asked once per request."""
        with self._lock:
            for fault in self.planned:
                if fault.kind != kind or fault.times == 0:
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    return False
                fault.times -= 1
                self.struck.append(kind)
                return True
        return False
