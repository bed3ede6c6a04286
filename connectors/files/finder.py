"""Finds the files of a source and tells which table each belongs to; a zip counts as the files inside it.

Looks at names, sizes and times only. What is in a file belongs in the readers.
"""

from __future__ import annotations

import contextlib
import gzip
import lzma
import os
import re
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from connectors.base import Source
from connectors.files.names import snake_case
from connectors.files.options import FilesOptions, TableOptions, drop_folder

FORMATS = {
    ".csv": "delimited",
    ".tsv": "delimited",
    ".tab": "delimited",
    ".txt": "delimited",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".xls": "excel",
    ".parquet": "parquet",
}
#: What the standard library raises for a packed file that is not sound.
DAMAGED = (
    *(EOFError, NotImplementedError, RuntimeError),
    *(gzip.BadGzipFile, lzma.LZMAError, struct.error, zipfile.BadZipFile, zlib.error),
)
_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".filepart")
_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)[-_.]?([01]\d)[-_.]?([0-3]\d)(?:[-_. T]?([0-2]\d)[-_.:h]?([0-5]\d))?")


@dataclass(frozen=True, kw_only=True)
class FoundFile:
    """One file that can hold rows: on disk, gzipped, or a member of a zip.

    `name` is what `_file` says: relative to the drop folder, with `!` before a zip's member.
    """

    name: str
    location: Path
    member: str | None = None
    size: int
    mtime_ns: int
    # A zip that cannot be opened stands for the members nobody can list.
    trouble: str | None = None

    @cached_property
    def inner_name(self) -> str:
        """The name without wrapping: of the member in a zip, without .gz."""
        name = PurePosixPath(self.member if self.member is not None else self.location.name).name
        return name[:-3] if name.lower().endswith(".gz") else name

    @property
    def is_gzipped(self) -> bool:
        return (self.member or self.location.name).lower().endswith(".gz")

    @property
    def format(self) -> str | None:
        """How to read it: a key of `FORMATS`' values, None if nobody can."""
        return FORMATS.get(PurePosixPath(self.inner_name).suffix.lower())

    @cached_property
    def stamp(self) -> str:
        """The date in the name as digits, or an empty text: 'contacts_2026-11-01.csv' gives '20261101'."""
        found = _DATE.search(self.inner_name) or _DATE.search(self.location.name)
        return "".join(part or "" for part in found.groups()) if found else ""


@dataclass(frozen=True, kw_only=True)
class Found:
    """All files of a source: by table in order of age, and those no table takes."""

    tables: dict[str, list[FoundFile]]
    options: dict[str, TableOptions]
    unmatched: list[FoundFile]
    folder_missing: Path | None = None
    overlaps: dict[str, list[str]] = field(default_factory=dict)


def find(source: Source, options: FilesOptions, mirror: Path | None = None) -> Found:
    """Finds every file of the source and its table; the first table declared wins a file that two match.

    `mirror` is where the files of a remote drop folder are.
    """
    folder = mirror or drop_folder(source, options)
    base = folder or source.root.resolve()
    if folder is not None and not folder.is_dir():
        return Found(tables={name: [] for name in options.tables}, options=dict(options.tables), unmatched=[],
                     folder_missing=folder)  # fmt: skip
    left_out = [glob_pattern(base, glob) for glob in options.ignore]
    files = sorted(
        (file for file in _files(base, folder, options) if not _matches(file, left_out)), key=lambda found: found.name
    )
    if not options.tables:
        return _by_name(files, options)
    patterns = {name: [glob_pattern(base, glob) for glob in table.files] for name, table in options.tables.items()}
    tables: dict[str, list[FoundFile]] = {name: [] for name in options.tables}
    unmatched, overlaps = [], {}
    for file in files:
        takers = [name for name, regexes in patterns.items() if _matches(file, regexes)]
        if not takers:
            unmatched.append(file)
            continue
        if len(takers) > 1:
            overlaps[file.name] = takers
        tables[takers[0]].append(file)
    return Found(
        tables={name: in_order(found) for name, found in tables.items()},
        options=dict(options.tables),
        unmatched=unmatched if folder is not None else [],
        overlaps=overlaps,
    )


def in_order(files: list[FoundFile]) -> list[FoundFile]:
    """Sorts files from old to new: by the date in their names if all have one, else by modification time."""
    dated = all(file.stamp for file in files)
    return sorted(files, key=lambda file: (file.stamp if dated else "", file.mtime_ns, file.name))


def table_name(file: FoundFile) -> str:
    """Derives a table name: 'Contacts 2026-11-01 (2).csv.gz' gives 'contacts'."""
    stem = PurePosixPath(file.inner_name).stem
    bare = re.sub(r"(?:[\s_.\-]+\(?\d[\dTZ:_.\-]*\)?|\d{6,}|\s*\(\d+\))+$", "", stem)
    bare = re.sub(r"^\d[\dTZ:_.\-]*[\s_.\-]+", "", bare)
    name = snake_case(bare).strip("_") or snake_case(stem).strip("_") or "table"
    return name if name[0].isalpha() else f"table_{name}"


def _by_name(files: list[FoundFile], options: FilesOptions) -> Found:
    tables: dict[str, list[FoundFile]] = {}
    for file in files:
        if file.format is not None:
            tables.setdefault(table_name(file), []).append(file)
    return Found(
        tables={name: in_order(tables[name]) for name in sorted(tables)},
        options={name: TableOptions(files=["*"], mode=options.mode) for name in tables},
        unmatched=[file for file in files if file.format is None],
    )


def _files(base: Path, folder: Path | None, options: FilesOptions) -> Iterator[FoundFile]:
    seen: set[Path] = set()
    starts = {folder} if folder is not None else set()
    starts |= {_fixed_part(base, glob) for table in options.tables.values() for glob in table.files}
    for start in starts:
        for path in _walk(start):
            if path not in seen:
                seen.add(path)
                yield from _expand(path, base)


def _walk(start: Path) -> Iterator[Path]:
    if start.is_file():
        yield start
        return
    for here, folders, names in os.walk(start):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        for name in names:
            if is_data(name):
                yield Path(here) / name


def is_data(name: str) -> bool:
    """Leaves out hidden files, Excel's lock files, unfinished downloads and the desktop's droppings."""
    lower = name.lower()
    return not (lower.startswith((".", "~$")) or lower.endswith(_UNFINISHED) or lower in ("thumbs.db", "desktop.ini"))


def _expand(path: Path, base: Path) -> Iterator[FoundFile]:
    name = _text(path.relative_to(base) if path.is_relative_to(base) else path)
    try:
        status = path.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        yield FoundFile(name=name, location=path, size=0, mtime_ns=0, trouble=f"it cannot be read ({error.strerror})")
        return
    if not stat.S_ISREG(status.st_mode):
        return  # a pipe or a device has no end
    outer = FoundFile(name=name, location=path, size=status.st_size, mtime_ns=status.st_mtime_ns)
    if path.suffix.lower() != ".zip":
        yield outer
        return
    try:
        with zipfile.ZipFile(path) as archive:
            members = Counter(info.filename for info in archive.infolist() if not info.is_dir())
    except (*DAMAGED, OSError, ValueError) as error:
        yield replace(outer, trouble=f"it is not a zip that can be opened ({error})")
        return
    for member, times in members.items():
        if is_data(PurePosixPath(member).name) and not member.startswith("__MACOSX/"):
            twice = "the zip holds several files of this name; pack it anew" if times > 1 else None
            yield replace(outer, name=f"{name}!{member}", member=member, trouble=twice)


def _text(path: Path) -> str:
    """A path as text; bytes that are no UTF-8, as old systems leave them in names, become \\xe4."""
    return os.fsencode(path.as_posix()).decode(errors="backslashreplace")


def _matches(file: FoundFile, patterns: list[re.Pattern[str]]) -> bool:
    """A pattern may name the file on disk, the same without .gz, or a zip's member as if it lay beside the zip."""
    folder = file.location.parent.as_posix()
    names = {file.location.as_posix(), f"{folder}/{file.inner_name}"}
    if file.member is not None:
        names.add(f"{folder}/{file.member}")
    return any(pattern.fullmatch(name) for pattern in patterns for name in names)


def _fixed_part(base: Path, glob: str) -> Path:
    """The folder to walk for a pattern: its part before the first wildcard."""
    parts = Path(os.path.normpath(base / glob)).parts
    fixed = []
    for part in parts[:-1]:
        if any(sign in part for sign in "*?["):
            break
        fixed.append(part)
    return Path(*fixed)


def glob_pattern(base: Path, glob: str) -> re.Pattern[str]:
    """Compiles a glob to a pattern over absolute paths: `*` and `?` stay within a folder, `**` does not."""
    whole = Path(os.path.normpath(base / glob)).as_posix()
    prefix = base.as_posix()
    fixed, rest = (prefix, whole[len(prefix):]) if whole.startswith(f"{prefix}/") else ("", whole)  # fmt: skip
    pieces = [re.escape(fixed)]
    for token in re.findall(r"\*\*/|\*\*|\*|\?|\[[^\]/]+\]|[^*?\[]+|\[", rest):
        pieces.append(_TOKENS.get(token) or _one_of(token))
    return re.compile("".join(pieces), re.IGNORECASE)


_TOKENS = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _one_of(token: str) -> str:
    if token.startswith("[") and token.endswith("]"):
        inner = token[1:-1]
        pattern = f"[{'^' if inner[0] == '!' else ''}{re.escape(inner.removeprefix('!')).replace(chr(92) + '-', '-')}]"
        with contextlib.suppress(re.error):
            re.compile(pattern)
            return pattern
    return re.escape(token)
