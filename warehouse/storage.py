"""How much room the data home takes, and giving back what its files hold for nothing.

Mechanics only. How much is too much or too little is quality/storage.py's to judge, and when to do what pipelines'.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from warehouse import locks
from warehouse.changes import version_of
from warehouse.home import Home
from warehouse.sql import literal
from warehouse.store import StoreError, attached, connect, sync


@dataclass(frozen=True)
class DataFile:
    """A DuckDB file that nights write into; who holds the lock may replace it."""

    part: str
    path: Path
    lock: str

    @property
    def fresh(self) -> Path:
        """Where it is written anew; a killed compaction leaves it."""
        return self.path.with_name(f"{self.path.name}.compact")


@dataclass(frozen=True)
class Compacted:
    """What compacting a file came to, in bytes."""

    part: str
    before: int
    after: int


def data_files(home: Home) -> list[DataFile]:
    """The files that nights write into and that there are.

    Published versions are copies of the build, and go in their turn. Decisions are few, and their file is written anew
    by every change.
    """
    raw = [DataFile(f"raw/{path.stem}", path, f"raw_{path.stem}") for path in sorted(home.raw.glob("*.duckdb"))]
    own = {"build": home.build, "cleaning": home.cleaning, "linkage": home.linkage}
    return [*raw, *(DataFile(part, path, "build") for part, path in own.items() if path.exists())]


def sizes(home: Home) -> dict[str, int]:
    """Bytes of each part of the data home, as in the contract of meta.storage.

    A file counts once, under however many names, for the warehouse is a second name of a version.
    """
    found: Counter[str] = Counter()
    seen: set[int] = set()
    for folder, _, names in os.walk(home.root):
        for name in names:
            path = Path(folder, name)
            try:
                status = path.lstat()
            except FileNotFoundError:  # a load cleans up meanwhile
                continue
            if status.st_ino not in seen:
                seen.add(status.st_ino)
                found[_part_of(home, path)] += status.st_size
    return dict(sorted(found.items()))


def _part_of(home: Home, path: Path) -> str:
    """The part of the data home that a file belongs to; logs and leftovers of a database go with it."""
    top, *rest = path.relative_to(home.root).parts
    stem = path.name.partition(".duckdb")[0]
    if top == home.raw.name and len(rest) == 1 and ".duckdb" in path.name:
        return f"raw/{stem}"
    if top in (home.versions.name, home.warehouse.name):
        return "versions"
    if rest:
        return top if top in (home.dagster.name, home.decision_copies.name) else "other"
    return stem if stem in ("build", "cleaning", "linkage", "decisions") else "other"


def disk_free(home: Home) -> int:
    """Bytes that may still be written to the disk of the data home, or of the nearest folder above it that there is."""
    place = next(folder for folder in (home.root, *home.root.parents) if folder.exists())
    return shutil.disk_usage(place).free


def state_of(path: Path) -> str:
    """When a data file and its log were last written: a load that wrote anything changes it, compacting does not."""
    files = [path, _log_of(path)]
    return "/".join(str(f.stat().st_mtime_ns) for f in files if f.exists())


def room_in(con: duckdb.DuckDBPyConnection, catalog: str | None = None) -> tuple[int, int]:
    """Bytes of a database file, and of those the bytes in blocks that hold nothing; default: the current database."""
    row = con.execute(
        "SELECT block_size * total_blocks, block_size * free_blocks FROM pragma_database_size() "
        "WHERE database_name = coalesce(?, current_database())",
        [catalog],
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def room_of(file: DataFile) -> tuple[int, int]:
    """As `room_in`, of a file that nobody in this process has open.

    Raises:
        StoreError: another program writes it, or it is damaged.
    """
    with connect(":memory:") as con, attached(con, file.path, "held"):
        return room_in(con, "held")


def compact(home: Home, file: DataFile, *, wait_seconds: float | None = None) -> Compacted:
    """Write a file anew without its free blocks, and put it in the old one's place if it is smaller.

    The new file has the old one's content, down to comments, defaults, constraints and sequences, which is compared;
    its rows in the same order; its owner and rights; and its time, for that says when the content changed. A kill
    leaves the old file or the new one. Readers that have the old file open keep it.

    Raises:
        Busy: another process held the file for `wait_seconds`; default: MILLPOND_LOCK_WAIT_SECONDS.
        StoreError: the file cannot be read, there is no room for the new one, or it came out different. The old one
            stays.
    """
    with locks.hold(home, file.lock, wait_seconds=wait_seconds):
        _remove(file.fresh)
        before = file.path.stat()
        if _log_of(file.path).exists():
            raise StoreError(f"{file.path} was left open by a run that was killed; it is compacted after the next one.")
        try:
            _write_anew(home, file)
            after = file.fresh.stat().st_size
            if after < before.st_size and not _log_of(file.fresh).exists():
                shutil.copystat(file.path, file.fresh)
                os.chown(file.fresh, before.st_uid, before.st_gid)
                sync(file.fresh)
                file.fresh.replace(file.path)
                sync(file.path.parent)
        finally:
            _remove(file.fresh)
        return Compacted(file.part, before.st_size, file.path.stat().st_size)


def remove_leftovers(home: Home) -> None:
    """Remove what killed compactions left, and what DuckDB spilled in killed runs; what is in use is passed over."""
    for file in data_files(home):
        if file.fresh.exists():
            with _unless_busy(home, file.lock) as is_free:
                if is_free:
                    _remove(file.fresh)
    with _unless_busy(home, "build") as is_free:
        if is_free:
            for folder in (home.temp, home.linkage.with_suffix(".tmp")):
                for spilled in folder.glob("duckdb_temp_*"):
                    spilled.unlink(missing_ok=True)


@contextmanager
def _unless_busy(home: Home, lock: str) -> Iterator[bool]:
    try:
        with locks.hold(home, lock, wait_seconds=0):
            yield True
    except locks.Busy:
        yield False


def _write_anew(home: Home, file: DataFile) -> None:
    """Write `file.fresh` and compare it with the file.

    DuckDB copies tables in any order, so a foreign key may keep it from copying; no file here has one.
    """
    try:
        with connect(":memory:", temp=home.temp) as con:
            con.execute(f"ATTACH {literal(str(file.path))} AS held (READ_ONLY)")
            total, free = room_in(con, "held")
            _require_room(file, total - free)
            con.execute("SET preserve_insertion_order = true")
            con.execute(f"ATTACH {literal(str(file.fresh))} AS fresh")
            con.execute("COPY FROM DATABASE held TO fresh")
            con.execute("DETACH fresh")
            con.execute(f"ATTACH {literal(str(file.fresh))} AS fresh (READ_ONLY)")
            _compare(con, file)
    except duckdb.Error as error:
        raise StoreError(f"{file.path} was not compacted: {str(error).splitlines()[0]}") from error


def _require_room(file: DataFile, needed: int) -> None:
    free = shutil.disk_usage(file.path.parent).free
    if free < needed:
        raise StoreError(
            f"{file.path} cannot be compacted: the new file takes {needed / 1e6:,.0f} MB beside the old one, and "
            f"{free / 1e6:,.0f} MB are free on its disk."
        )


#: All that a database holds beside rows, of a catalog; numbers that DuckDB gives out anew are left out.
_DEFINITIONS = """
SELECT 'schema' AS kind, schema_name AS name, NULL AS defined, comment FROM duckdb_schemas()
WHERE database_name = $catalog AND NOT internal
UNION ALL SELECT 'table', schema_name || '.' || table_name, sql, comment FROM duckdb_tables()
WHERE database_name = $catalog
UNION ALL SELECT 'column', concat_ws('.', schema_name, table_name, column_index, column_name),
    concat_ws(' ', data_type, is_nullable, column_default), comment FROM duckdb_columns()
WHERE database_name = $catalog AND NOT internal
UNION ALL SELECT 'view', schema_name || '.' || view_name, sql, comment FROM duckdb_views()
WHERE database_name = $catalog AND NOT internal
UNION ALL SELECT 'index', schema_name || '.' || index_name, sql, comment FROM duckdb_indexes()
WHERE database_name = $catalog
UNION ALL SELECT 'sequence', schema_name || '.' || sequence_name, sql || coalesce(last_value, 0), comment
FROM duckdb_sequences() WHERE database_name = $catalog
UNION ALL SELECT 'type', schema_name || '.' || type_name, concat_ws(' ', logical_type, labels), comment
FROM duckdb_types() WHERE database_name = $catalog AND NOT internal
UNION ALL SELECT 'macro', schema_name || '.' || function_name, concat_ws(' ', parameters, macro_definition), comment
FROM duckdb_functions() WHERE database_name = $catalog AND NOT internal
ORDER BY ALL
"""


def _compare(con: duckdb.DuckDBPyConnection, file: DataFile) -> None:
    """Whether the new file holds what the old one holds."""
    found = [con.execute(_DEFINITIONS, {"catalog": name}).fetchall() for name in ("held", "fresh")]
    differing = [f"{kind} {name}" for kind, name, *_ in set(found[0]) ^ set(found[1])]
    tables = [name for kind, name, *_ in found[0] if kind == "table"] if not differing else []
    for name in tables:
        if version_of(con, name, catalog="held") != version_of(con, name, catalog="fresh"):
            differing.append(f"table {name}")
    if differing:
        raise StoreError(f"{file.path} was not compacted: {', '.join(sorted(differing))} came out different.")


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


def _remove(path: Path) -> None:
    for one in (path, _log_of(path)):
        one.unlink(missing_ok=True)
