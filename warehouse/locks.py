"""Who may write a data file now. The operating system drops a lock when its process dies, so none goes stale.

The same locks serve the command line, the UI's runs and the schedule.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from warehouse import settings as env
from warehouse.home import Home

log = logging.getLogger(__name__)


class Busy(Exception):
    """Another process holds the file; the message says which and what to do."""


class RestoreCutOff(Exception):
    """A restore was killed between the old data home and the new one; nobody may write until it is finished."""


@contextmanager
def hold(home: Home, name: str, *, wait_seconds: float | None = None) -> Iterator[None]:
    """Hold the lock `name` ("build", "night", "raw_<source>") while the block runs.

    Raises:
        Busy: another process still holds it after `wait_seconds`.
        RestoreCutOff: the data home is between two states.
    """
    with hold_for_restore(home, name, wait_seconds=wait_seconds):
        if home.unfinished_restore.exists():
            raise RestoreCutOff(f"A restore into {home.root} was cut off; run `millpond restore` again to finish it.")
        yield


@contextmanager
def hold_all(home: Home, sources: Iterable[str]) -> Iterator[None]:
    """Hold every lock while the block runs, so that nobody loads, refreshes or decides.

    They are taken in the order in which others take them, so that nobody waits in a circle.

    Raises:
        Busy: another process still holds one of them after the longest wait.
    """
    with ExitStack() as held:
        for name in ("night", "build", *(f"raw_{source}" for source in sorted(sources)), "decisions"):
            held.enter_context(hold(home, name))
        yield


@contextmanager
def hold_for_restore(home: Home, name: str, *, wait_seconds: float | None = None) -> Iterator[None]:
    """Hold a lock also where a restore was cut off, which only another restore can mend.

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
