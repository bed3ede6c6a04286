"""Who may write a data file now. The operating system drops a lock when its process dies, so none goes stale.

The same locks serve the command line, the UI's runs and the schedule.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from warehouse import settings as env
from warehouse.home import Home

log = logging.getLogger(__name__)


class Busy(Exception):
    """Another process holds the file; the message says which and what to do."""


@contextmanager
def hold(home: Home, name: str, *, wait_seconds: float | None = None) -> Iterator[None]:
    """Hold the lock `name` ("build", "night", "raw_<source>") while the block runs.

    Raises:
        Busy: another process still holds it after `wait_seconds`.
    """
    home.locks.mkdir(parents=True, exist_ok=True)
    path = home.locks / f"{name}.lock"
    wait = env.settings().lock_wait_seconds if wait_seconds is None else wait_seconds
    lock = FileLock(path, timeout=0)
    _acquire(lock, path, name, wait)
    holder = _holder_file(path)
    try:
        holder.write_text(str(os.getpid()), encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _acquire(lock: FileLock, path: Path, name: str, wait: float) -> None:
    try:
        lock.acquire(timeout=0)
        return
    except Timeout:
        log.info("%s is in use by process %s; waiting up to %d s.", name, _reader(path), wait)
    end = time.monotonic() + wait
    while time.monotonic() < end:
        try:
            lock.acquire(timeout=min(1.0, max(0.0, end - time.monotonic())))
            return
        except Timeout:
            continue
    raise Busy(f"{name} is in use by process {_reader(path)}; wait for it to end, or stop it, and run again.")


def _holder_file(path: Path) -> Path:
    return path.with_suffix(".pid")


def _reader(path: Path) -> str:
    try:
        return _holder_file(path).read_text(encoding="utf-8") or "unknown"
    except FileNotFoundError:
        return "unknown"
