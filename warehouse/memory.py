"""How much memory this process holds, step by step: the operating system itself only knows the highest ever."""

from __future__ import annotations

import os
import resource
import sys
import threading
from pathlib import Path

_STATUS = Path("/proc/self/statm")
_SECONDS = 0.05


class _Watch(threading.Thread):
    """Looks twenty times a second; a peak shorter than that may be missed."""

    def __init__(self) -> None:
        super().__init__(name="memory", daemon=True)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._peak = 0.0

    def run(self) -> None:
        while not self._stop.wait(_SECONDS):
            self._look()

    def since_last(self) -> float:
        """The highest since this was asked last."""
        self._look()
        with self._lock:
            peak, self._peak = self._peak, 0.0
        return peak

    def _look(self) -> None:
        now = resident_mb()
        with self._lock:
            self._peak = max(self._peak, now)


_watch: _Watch | None = None


def step_peak_mb() -> float:
    """Highest resident memory since this was asked last, in megabytes; the first time, what is held now."""
    global _watch  # noqa: PLW0603: one watch for the process
    if _watch is None or not _watch.is_alive():
        _watch = _Watch()
        _watch.start()
    return _watch.since_last()


def resident_mb() -> float:
    """Resident memory now, in megabytes; where the system does not say, the highest so far."""
    if _STATUS.exists():
        return int(_STATUS.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / 1024
