"""Brings a found file to where a reader can open it: as it lies, or unpacked from gzip or zip into scratch."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from connectors.files.finder import DAMAGED, FoundFile
from connectors.files.staging import UnreadableError

_BLOCK = 1024 * 1024
# Exports shrink to a tenth or a thirtieth when packed; what grows beyond this is made to fill the disk.
_MOST_TIMES = 200
_ALWAYS_BYTES = 256 * 1024 * 1024


@contextmanager
def content(file: FoundFile, scratch: Path, limit: int | None = None) -> Iterator[Path]:
    """Gives a path to the plain content, of which `limit` bytes are enough; an unpacked copy is removed afterwards.

    Raises:
        UnreadableError: it is damaged or encrypted.
    """
    if file.member is None and not file.is_gzipped:
        yield file.location
        return
    target = scratch / f"content{Path(file.inner_name).suffix}"
    try:
        with _opened(file) as packed, target.open("wb") as out:
            if limit is None:
                for block in _blocks(packed, file):
                    out.write(block)
            else:
                start = packed.read(limit)
                out.write(start if len(start) < limit else start[: start.rfind(b"\n") + 1])
    except DAMAGED as error:
        raise UnreadableError(f"it cannot be unpacked: {error}") from error
    try:
        yield target
    finally:
        target.unlink(missing_ok=True)


def sha256(file: FoundFile) -> str:
    """Hashes the file as it lies on disk, or the member of a zip.

    Raises:
        UnreadableError: the zip is damaged or encrypted.
    """
    digest = hashlib.sha256()
    try:
        with _member_or_file(file) as stream:
            for block in _blocks(stream, file):
                digest.update(block)
    except DAMAGED as error:
        raise UnreadableError(f"it cannot be unpacked: {error}") from error
    return digest.hexdigest()


def _blocks(stream: IO[bytes], file: FoundFile) -> Iterator[bytes]:
    most = max(_ALWAYS_BYTES, _MOST_TIMES * file.size)
    done = 0
    while block := stream.read(_BLOCK):
        done += len(block)
        if done > most:
            raise UnreadableError(
                f"it unpacks to more than {_MOST_TIMES} times its size; if it is sound, put it there unpacked"
            )
        yield block


@contextmanager
def _opened(file: FoundFile) -> Iterator[IO[bytes]]:
    with _member_or_file(file) as stream:
        if not file.is_gzipped:
            yield stream
            return
        with gzip.open(stream) as unpacked:
            yield unpacked  # type: ignore[misc]


@contextmanager
def _member_or_file(file: FoundFile) -> Iterator[IO[bytes]]:
    if file.member is None:
        with file.location.open("rb") as stream:
            yield stream
        return
    with zipfile.ZipFile(file.location) as archive:
        try:
            member = archive.open(file.member)
        except RuntimeError as error:  # zipfile's only sign of a password
            raise UnreadableError("it is protected by a password; zip it without one") from error
        except KeyError as error:
            raise UnreadableError("it is no longer in the zip") from error
        with member:
            yield member
