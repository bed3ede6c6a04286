"""What the machine refuses, as one sentence: a full disk, too little memory, a data home that cannot be used.

Libraries report these in their own ways; here they are told apart from faults of the data or the code.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from warehouse import settings as env
from warehouse.home import Home
from warehouse.store import StoreError

_FULL = (errno.ENOSPC, errno.EDQUOT)
#: Bytes free, below which an error of the disk is taken for a full one.
_ALMOST_NOTHING = 1 << 20
_REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM)
#: What libraries make of these errors, in lower case. DuckDB spills at most what is free on the disk.
_FULL_WORDS = ("no space left on device", "disk quota exceeded", "disk is full", "max_temp_directory_size")
_REFUSED_WORDS = ("read-only file system", "permission denied", "readonly database")
_MEMORY_WORDS = ("out of memory error", "could not allocate", "failed to allocate")


class MachineError(StoreError):
    """The machine refuses what the night needs; the message says what, where, and what to do."""


@contextmanager
def telling(home: Home) -> Iterator[None]:
    """Turn what the machine refuses while the block runs into a sentence.

    Raises:
        MachineError: instead of the library's error.
    """
    try:
        yield
    except MachineError:
        raise
    except Exception as error:
        told = sentence_of(error, home)
        if told is None:
            raise
        raise MachineError(told) from error


def sentence_of(error: BaseException, home: Home) -> str | None:
    """What the machine refused and what to do, None if the error is of another kind."""
    for one in _chain(error):
        words = str(one).lower()
        number = one.errno if isinstance(one, OSError) else None
        place = _place(one, home)
        if number in _FULL or any(word in words for word in _FULL_WORDS) or _is_out_of_pages(words, place):
            return full_disk(place)
        if isinstance(one, duckdb.OutOfMemoryException | MemoryError) or _is_about(one, words, _MEMORY_WORDS):
            return _too_little_memory(one)
        # A source's own files may be closed to us too, and the connector says so better.
        if (number in _REFUSED or any(word in words for word in _REFUSED_WORDS)) and str(home.root).lower() in words:
            return _cannot_write(place, str(one).splitlines()[0])
    return None


def require_home(home: Home) -> None:
    """Make sure that the data home can be written, or made, before anything is touched.

    Raises:
        MachineError: it cannot.
    """
    root = home.root
    if root.exists() and not root.is_dir():
        raise MachineError(f"{root} is a file and no data home; move it away, or name another folder in MILLPOND_HOME.")
    if not root.exists():
        if env.settings().home is not None:
            raise MachineError(
                f"The data home {root} that MILLPOND_HOME names does not exist. Mount its disk if it is on one, so "
                f"that no new home is begun beside it; if it is to be a new one: mkdir -p {root}"
            )
        root = _existing(root)
    own = (home.raw, home.versions, home.dagster, home.locks, home.temp, home.build, home.warehouse)
    for path in (root, *(p for p in own if p.exists())):
        if not os.access(path, os.W_OK | (os.X_OK if path.is_dir() else 0)):
            raise MachineError(_cannot_write(path, "it may only be read"))


def full_disk(place: Path) -> str:
    """What to tell of a full disk.

    Args:
        place: a file or folder on it, which may be gone.
    """
    there = _existing(place)
    mount = next(path for path in (there, *there.parents) if os.path.ismount(path))
    usage = shutil.disk_usage(there)
    return (
        f"The disk is full: what had to be written did not fit on the file system {mount} (it has "
        f"{usage.total / 1e6:,.0f} MB, of which {usage.free / 1e6:,.0f} are free now). The published warehouse and all "
        "decisions are whole. Make room there, run `millpond compact`, or move the data home to a larger disk "
        "(MILLPOND_HOME); then `millpond run` goes on."
    )


def _existing(place: Path) -> Path:
    return next(path for path in (place, *place.parents) if path.exists())


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those that it came from."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and one not in seen:
            seen.append(one)
            waiting += [one.__context__, one.__cause__]
            yield one


def _place(error: BaseException, home: Home) -> Path:
    name = error.filename if isinstance(error, OSError) else None
    return Path(os.fsdecode(name)).absolute() if isinstance(name, str | bytes) else home.root


def _is_out_of_pages(words: str, place: Path) -> bool:
    """Whether SQLite could not enlarge the file that its connections share, which it calls an error of the disk."""
    return "disk i/o error" in words and shutil.disk_usage(_existing(place)).free < _ALMOST_NOTHING


def _is_about(error: BaseException, words: str, wanted: tuple[str, ...]) -> bool:
    return isinstance(error, duckdb.Error) and any(word in words for word in wanted)


def _too_little_memory(error: BaseException) -> str:
    return (
        f"There is too little memory for a step: DuckDB may use {env.settings().memory_limit} (MILLPOND_MEMORY_LIMIT). "
        "Give it more, such as 4GB but at most half of what the machine has, or let it work with fewer threads "
        f"(MILLPOND_THREADS=1), which need less. It said: {str(error).splitlines()[0] if str(error) else 'no memory'}"
    )


def _cannot_write(path: Path, told: str) -> str:
    return (
        f"{path} cannot be written ({told}); mount its file system for writing, give the user who runs Millpond the "
        "right to write, or name another data home in MILLPOND_HOME. Nothing was published."
    )
