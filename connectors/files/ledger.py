"""The bookkeeping of a files source in its raw file: files read, lines that are not rows, columns that drifted.

`raw._file` is written after the rows of its files and in one transaction, so a killed load is repeated, never trusted.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from connectors.base import SCHEMA, held_columns
from connectors.files.names import Change
from connectors.files.staging import Rejected
from warehouse.sql import quoted

if TYPE_CHECKING:
    import duckdb

Status = Literal["loaded", "unreadable", "gone", "superseded"]

_TABLES = """
CREATE TABLE IF NOT EXISTS raw._file (
    path VARCHAR PRIMARY KEY, table_name VARCHAR NOT NULL, size BIGINT NOT NULL, mtime_ns BIGINT NOT NULL,
    sha256 VARCHAR NOT NULL, reader VARCHAR NOT NULL, "rows" BIGINT NOT NULL, rejected_lines BIGINT NOT NULL,
    status VARCHAR NOT NULL, reason VARCHAR, line BIGINT, headers VARCHAR, loaded_at TIMESTAMPTZ,
    seen_at TIMESTAMPTZ NOT NULL);
CREATE TABLE IF NOT EXISTS raw._rejected_line (
    source VARCHAR NOT NULL, table_name VARCHAR NOT NULL, file VARCHAR NOT NULL, line BIGINT NOT NULL,
    text VARCHAR NOT NULL, reason VARCHAR NOT NULL, seen_at TIMESTAMPTZ NOT NULL);
CREATE TABLE IF NOT EXISTS raw._drift (
    table_name VARCHAR NOT NULL, column_name VARCHAR NOT NULL, change VARCHAR NOT NULL, detail VARCHAR NOT NULL,
    file VARCHAR NOT NULL, first_seen_at TIMESTAMPTZ NOT NULL);
COMMENT ON TABLE raw._file IS 'One row per file of this source: its last look, and its header as {column: header}';
COMMENT ON TABLE raw._rejected_line IS 'Lines of loaded files that are not rows';
COMMENT ON TABLE raw._drift IS 'Columns that came, went or changed their name';
"""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file as last seen. `rows`, `headers` and `loaded_at` are of the version whose rows are in the raw table."""

    path: str
    table_name: str
    size: int
    mtime_ns: int
    sha256: str
    reader: str
    rows: int = 0
    rejected_lines: int = 0
    status: Status = "loaded"
    reason: str | None = None
    line: int | None = None
    headers: str | None = None
    loaded_at: datetime | None = None
    seen_at: datetime

    def columns(self) -> list[str]:
        """Gives the column names of the loaded version."""
        return list(json.loads(self.headers)) if self.headers else []


@dataclass(frozen=True)
class State:
    """What the raw file knows before a load: the files, and the columns of its tables with their types."""

    entries: dict[str, Entry] = field(default_factory=dict)
    tables: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass
class Notes:
    """What one load has to write down."""

    entries: list[Entry] = field(default_factory=list)
    rejected: dict[str, tuple[str, list[Rejected]]] = field(default_factory=dict)
    drift: list[tuple[str, str, Change]] = field(default_factory=list)
    emptied: list[tuple[str, str]] = field(default_factory=list)
    only: list[tuple[str, str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.entries or self.only)


def read_state(connection: duckdb.DuckDBPyConnection | None) -> State:
    """Reads the state, empty before the first load."""
    if connection is None:
        return State()
    tables = held_columns(connection)
    if "_file" not in tables:
        return State({}, tables)
    names = ", ".join(quoted(one.name) for one in fields(Entry))
    rows = connection.execute(f"SELECT {names} FROM raw._file").fetchall()
    entries = [Entry(**dict(zip((one.name for one in fields(Entry)), row, strict=True))) for row in rows]
    return State({entry.path: entry for entry in entries}, tables)


def files_with_rows(connection: duckdb.DuckDBPyConnection | None, table: str, files: Sequence[str]) -> set[str]:
    """Tells which of these files have rows in a table, recorded or left there by a killed load."""
    if connection is None:
        return set()
    statement = f"SELECT DISTINCT _file FROM {SCHEMA}.{quoted(table)} WHERE _file IN (SELECT unnest(?))"
    return {row[0] for row in connection.execute(statement, [list(files)]).fetchall()}


def write(connection: duckdb.DuckDBPyConnection, source: str, notes: Notes, now: datetime) -> None:
    """Writes down a load, inside the caller's transaction."""
    connection.execute(_TABLES)
    for table, file in notes.emptied:
        _delete(connection, table, "_file = ?", [file])
    for table, file in notes.only:
        _delete(connection, table, "_file <> ?", [file])
    _insert(connection, "_file", [asdict(entry) for entry in notes.entries], replace=True)
    for file in notes.rejected:
        connection.execute("DELETE FROM raw._rejected_line WHERE file = ?", [file])
    rejected = [
        {"source": source, "table_name": table, "file": file, **asdict(line), "seen_at": now}
        for file, (table, lines) in notes.rejected.items()
        for line in lines
    ]
    _insert(connection, "_rejected_line", rejected)
    drifted = [
        {"table_name": table, "column_name": one.column, "change": one.kind, "detail": one.detail, "file": file,
         "first_seen_at": now}
        for table, file, one in notes.drift
    ]  # fmt: skip
    _insert(connection, "_drift", drifted)


def _delete(connection: duckdb.DuckDBPyConnection, table: str, condition: str, values: list[str]) -> None:
    exists = connection.execute(
        "SELECT 1 FROM information_schema.tables WHERE table_schema = ? AND table_name = ?", [SCHEMA, table]
    ).fetchone()
    if exists:
        connection.execute(f"DELETE FROM {SCHEMA}.{quoted(table)} WHERE {condition}", values)


def _insert(
    connection: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, object]], *, replace: bool = False
) -> None:
    """Inserts through Arrow; row by row a file with many rejected lines would take minutes."""
    if not rows:
        return
    import pyarrow as pa

    connection.register("incoming", pa.Table.from_pylist(rows))
    how = "INSERT OR REPLACE INTO" if replace else "INSERT INTO"
    connection.execute(f"{how} {SCHEMA}.{quoted(table)} BY NAME SELECT * FROM incoming")
    connection.unregister("incoming")
