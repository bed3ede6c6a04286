"""Brings a remote drop folder (S3, SFTP) home: a mirror beside the raw files, in which only what changed is fetched.

Size and time of a mirrored file are those of the remote one, so they tell what changed. Reading the files is the
business of the same code that reads a local folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

from connectors.base import ConnectorError, Progress, Source
from connectors.files.finder import FoundFile, glob_pattern, is_data, table_name
from connectors.files.options import FilesOptions

_PART = ".part"


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file in the remote folder: its name below that folder, its size, and when it was last written."""

    name: str
    size: int
    mtime_ns: int


class Folder(Protocol):
    """A remote folder that is open."""

    def files(self) -> Iterator[RemoteFile]:
        """Gives all files in the folder and below."""

    def fetch(self, name: str, target: Path) -> None:
        """Copies one file; raises FileNotFoundError or PermissionError where that one cannot be had."""

    def look(self, name: str) -> RemoteFile | None:
        """Gives what a file is now; None where it is gone."""


@dataclass
class Mirrored:
    """What bringing the folder home came to: files left out with the reason, and files that were being written."""

    folder: Path
    left_out: dict[str, str] = field(default_factory=dict)
    busy: list[str] = field(default_factory=list)


def newest(files: Sequence[RemoteFile]) -> list[RemoteFile]:
    """Picks the newest file of each kind: of the same folder, and with names that differ only in dates and numbers."""
    kinds: dict[tuple[Path, str], RemoteFile] = {}
    for file in sorted(files, key=lambda one: (one.mtime_ns, one.name)):
        location = Path(file.name)
        found = FoundFile(name=file.name, location=location, size=file.size, mtime_ns=file.mtime_ns)
        kinds[location.parent, table_name(found) + location.suffix] = file
    return list(kinds.values())


def mirror(
    source: Source, options: FilesOptions, folder: Path, progress: Progress,
    chosen: Callable[[Sequence[RemoteFile]], Sequence[RemoteFile]] = list,
) -> Mirrored:  # fmt: skip
    """Makes a local folder equal to the remote one.

    Args:
        chosen: picks the files to have; the others are as if they were not there.

    Raises:
        ConnectorError: the remote folder cannot be read, in a sentence that names the fix.
    """
    out = Mirrored(folder)
    with _named(source, options), open_folder(source, options) as remote:
        wanted = chosen(_wanted(options, remote.files(), out))
        _forget(folder, {one.name for one in wanted})
        missing = [one for one in wanted if not _is_here(folder / one.name, one)]
        for number, file in enumerate(missing):
            progress(f"{source.name}: fetching files", number, len(missing))
            _fetch(remote, file, folder / file.name, out)
        progress(f"{source.name}: fetching files", len(missing), len(missing))
    return out


def troubles(source: Source, options: FilesOptions) -> list[str]:
    """Gives one sentence if the remote folder cannot be listed or holds nothing that can be read."""
    try:
        with _named(source, options), open_folder(source, options) as remote:
            if next(iter(_wanted(options, remote.files(), Mirrored(Path()))), None) is None:
                return [f"Source '{source.name}': {options.path} holds no file that can be read; put exports there."]
    except ConnectorError as error:
        return [str(error)]
    return []


def open_folder(source: Source, options: FilesOptions) -> AbstractContextManager[Folder]:
    """Opens the remote folder."""
    if options.scheme == "s3":
        from connectors.files import s3

        return s3.folder(options)
    from connectors.files import sftp

    return sftp.folder(source, options)


def _wanted(options: FilesOptions, files: Iterator[RemoteFile], out: Mirrored) -> list[RemoteFile]:
    """The files that can be data and have a place in a folder."""
    base = Path("/")
    ignored = [glob_pattern(base, glob) for glob in options.ignore]
    found = []
    for file in sorted(files, key=lambda one: one.name):
        path = PurePosixPath(file.name)
        if any(part.startswith(".") and part not in ("..", ".") for part in path.parts) or not is_data(path.name):
            continue
        if any(pattern.fullmatch(f"/{file.name}") for pattern in ignored):
            continue
        if not file.name or any(part in ("", ".", "..") for part in file.name.split("/")) or "\\" in file.name:
            out.left_out[file.name] = "its name is no path within the folder"
            continue
        found.append(file)
    folders = {str(parent) for one in found for parent in PurePosixPath(one.name).parents}
    out.left_out |= {one.name: "a folder has the same name" for one in found if one.name in folders}
    return [one for one in found if one.name not in folders]


def _forget(folder: Path, names: set[str]) -> None:
    """Removes what is not in the remote folder, and what a killed load left half fetched."""
    folder.mkdir(parents=True, exist_ok=True)
    for here, folders, files in os.walk(folder, topdown=False):
        for file in files:
            path = Path(here) / file
            if path.relative_to(folder).as_posix() not in names:
                path.unlink()
        for one in folders:
            path = Path(here) / one
            if not any(path.iterdir()):
                path.rmdir()


def _is_here(path: Path, file: RemoteFile) -> bool:
    if not path.is_file():
        return False
    status = path.stat()
    return (status.st_size, status.st_mtime_ns) == (file.size, file.mtime_ns)


def _fetch(remote: Folder, file: RemoteFile, target: Path, out: Mirrored) -> None:
    """Fetches a file under another name first; one that changed meanwhile waits for the next load."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + _PART)
    try:
        remote.fetch(file.name, partial)
    except (FileNotFoundError, PermissionError) as error:
        out.left_out[file.name] = "it is gone" if isinstance(error, FileNotFoundError) else "the user may not read it"
        return
    if partial.stat().st_size != file.size or remote.look(file.name) != file:
        partial.unlink()
        out.busy.append(file.name)
        return
    os.utime(partial, ns=(file.mtime_ns, file.mtime_ns))
    partial.replace(target)


@contextmanager
def _named(source: Source, options: FilesOptions) -> Iterator[None]:
    """Names the source and its folder in whatever went wrong."""
    try:
        yield
    except ConnectorError as error:
        told = f"Source '{source.name}': {options.path}: {error} What was loaded before stays."
        raise ConnectorError(told) from error.__cause__
