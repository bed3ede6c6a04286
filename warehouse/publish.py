"""Publishing: build a new warehouse file beside the old one, verify it, and rename it over.

A reader that has the old file open keeps a valid database. The last versions stay for rollback. Deciding whether
to publish is the quality gate's business.
"""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from warehouse import naming
from warehouse.home import Home
from warehouse.sql import quoted
from warehouse.store import SCHEMAS, StoreError, connect, sync

log = logging.getLogger(__name__)

#: How versions are named, and how long such a name is.
_NAMED, _LENGTH = "%Y%m%dT%H%M%SZ", len("20261031T030000Z")

#: What to do about a version that cannot be read.
DAMAGED = "If it is damaged, delete it, and the version before it is used."

#: Bookkeeping of the pipeline that analysts have no use for.
PRIVATE_TABLES = frozenset({"meta.built"})


@dataclass(frozen=True)
class Version:
    """One published version of the warehouse."""

    name: str
    path: Path
    published_at: datetime
    size_bytes: int
    is_current: bool


@dataclass(frozen=True)
class Published:
    """What a publish did."""

    version: Version
    tables: int
    rows: int


def publish(con: duckdb.DuckDBPyConnection, home: Home, *, now: datetime, keep: int, message: str = "") -> Published:
    """Copy the build database into a new version, verify it and make it the warehouse.

    Args:
        con: connection to the build database; nobody else writes to it meanwhile.
        now: names the version.
        keep: how many versions stay, this one included.
        message: what the new version says in meta.run of the run that made it.

    Raises:
        StoreError: the new file does not hold what the build holds; the old warehouse stays.
    """
    home.create()
    _remove_leftovers(home)
    version = _free_name(home, now)
    partial = version.with_suffix(".partial")
    try:
        counts = _copy(con, home, partial, message)
        _verify(partial, counts)
        sync(partial)
        partial.rename(version)
    except BaseException:
        _remove_leftovers(home)  # at once, for the disk may be full
        raise
    _point_to(home, version)
    prune(home, keep)
    found = next(v for v in versions(home) if v.path == version)
    return Published(version=found, tables=len(counts), rows=sum(counts.values()))


def versions(home: Home) -> list[Version]:
    """Published versions, the one published last first, whatever the clock said."""
    current = home.warehouse.stat().st_ino if home.warehouse.exists() else None
    found = []
    made = home.versions.glob("*.duckdb")
    for path in sorted(made, key=lambda path: naming.order(path.stem, _LENGTH), reverse=True):
        stat = path.stat()
        stamp = datetime.strptime(path.stem[:_LENGTH], _NAMED).replace(tzinfo=UTC)
        found.append(Version(path.stem, path, stamp, stat.st_size, stat.st_ino == current))
    return found


def newest(home: Home) -> Path | None:
    """The file published last, also where the warehouse was rolled back since; None if there is none."""
    known = versions(home)
    if known:
        return known[0].path
    return home.warehouse if home.warehouse.exists() else None


def rollback(home: Home, name: str | None = None) -> Version:
    """Make an older version the warehouse again: the one named, or the one before the current one.

    Raises:
        StoreError: there is no such version.
    """
    known = versions(home)
    if name is None:
        names = [v.name for v in known]
        current = next((i for i, v in enumerate(known) if v.is_current), -1)
        if current + 1 >= len(names):
            raise StoreError("There is no older version to go back to; see `millpond versions`.")
        name = names[current + 1]
    chosen = next((v for v in known if v.name == name), None)
    if chosen is None:
        raise StoreError(f"There is no version {name}; see `millpond versions`.")
    _verify(chosen.path, None)
    _point_to(home, chosen.path)
    return next(v for v in versions(home) if v.name == name)


def prune(home: Home, keep: int) -> list[Version]:
    """Remove all versions but the last `keep` and the current one; gives those removed."""
    gone = [version for version in versions(home)[keep:] if not version.is_current]
    for version in gone:
        version.path.unlink()
        log.info("Removed version %s; the last %d are kept.", version.name, keep)
    return gone


def _copy(con: duckdb.DuckDBPyConnection, home: Home, target: Path, message: str) -> dict[str, int]:
    """Copy the build's file, byte by byte, and take the pipeline's own things out; gives the rows of each table."""
    counts = {
        f"{schema}.{name}": _count(con, schema, name)
        for schema, name in _tables(con)
        if schema in SCHEMAS and f"{schema}.{name}" not in PRIVATE_TABLES
    }
    con.execute("FORCE CHECKPOINT")
    shutil.copyfile(home.build, target)
    with connect(target, temp=home.temp) as copy:
        for schema, name in _tables(copy):
            if f"{schema}.{name}" not in counts:
                copy.execute(f"DROP TABLE {quoted(schema)}.{quoted(name)}")
        copy.execute(_FRESHNESS_VIEW)
        # Whoever reads this file reads what was published; the build says so only once it was.
        copy.execute(
            "UPDATE meta.run SET status = 'succeeded', ended_at = now(), row_count = ?, message = ? "
            "WHERE status = 'running'",
            [sum(counts.values()), message],
        )
        copy.execute("CHECKPOINT")
    return counts


def _tables(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    return con.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() "
        "WHERE database_name = current_database() AND NOT temporary ORDER BY ALL"
    ).fetchall()


def _count(con: duckdb.DuckDBPyConnection, schema: str, name: str) -> int:
    row = con.execute(f"SELECT count(*) FROM {quoted(schema)}.{quoted(name)}").fetchone()
    return int(row[0]) if row else -1


#: Says how old the snapshot is at the moment it is asked, since a file that nobody replaced cannot know. One from the
#: future was made by a clock that was wrong.
_FRESHNESS_VIEW = """
CREATE OR REPLACE VIEW meta.freshness AS
SELECT night.as_of, night.now AS published_at, now() - night.now AS age,
    now() - night.now NOT BETWEEN INTERVAL (-36) HOUR AND INTERVAL 36 HOUR AS is_stale
FROM meta.night AS night
"""


def _verify(path: Path, counts: dict[str, int] | None) -> None:
    """Open the file as an analyst would and count."""
    with connect(path, read_only=True) as con:
        names = con.execute("SELECT schema_name || '.' || table_name FROM duckdb_tables()").fetchall()
        found = {name for (name,) in names}
        for table in sorted(found if counts is None else counts):
            schema, _, name = table.partition(".")
            if table not in found:
                raise StoreError(f"{path} was not published: it lacks {table}. The previous warehouse stays.")
            rows = _count(con, schema, name)
            if counts is not None and rows != counts[table]:
                raise StoreError(
                    f"{path} was not published: {table} has {rows} rows instead of {counts[table]}. "
                    "The previous warehouse stays; run again."
                )


def _point_to(home: Home, version: Path) -> None:
    """Rename a hard link of the version over the warehouse: one step for every reader."""
    link = home.root / ".warehouse.next"
    link.unlink(missing_ok=True)
    os.link(version, link)
    link.replace(home.warehouse)
    sync(home.root)


def _free_name(home: Home, now: datetime) -> Path:
    stamp = now.astimezone(UTC).strftime(_NAMED)
    return home.versions / f"{naming.following((v.name for v in versions(home)), stamp, same=False)}.duckdb"


def _remove_leftovers(home: Home) -> None:
    """Files of a publish that was killed."""
    for path in home.versions.glob("*.partial*"):
        path.unlink()
