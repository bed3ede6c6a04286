"""What the raw file of a database's source remembers between loads: one row per table, and columns that drifted.

Written after the rows and in one transaction; a load that changes nothing writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from connectors.base import held_columns

if TYPE_CHECKING:
    import duckdb

_TABLES = """
CREATE TABLE IF NOT EXISTS raw._table (
    table_name VARCHAR PRIMARY KEY, source_table VARCHAR NOT NULL, columns VARCHAR NOT NULL, key VARCHAR NOT NULL,
    cursor VARCHAR, high VARCHAR, is_gone BOOLEAN NOT NULL, seen_at TIMESTAMPTZ NOT NULL);
CREATE TABLE IF NOT EXISTS raw._drift (
    table_name VARCHAR NOT NULL, column_name VARCHAR NOT NULL, change VARCHAR NOT NULL, detail VARCHAR NOT NULL,
    file VARCHAR, first_seen_at TIMESTAMPTZ NOT NULL);
COMMENT ON TABLE raw._table IS 'One row per table: columns as {name there: [name here, type there]}, key, cursor';
COMMENT ON TABLE raw._drift IS 'Columns that came, went or changed their type';
"""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One table as last read.

    Attributes:
        table: its name in the raw file.
        source_table: its name in the database.
        columns: by name in the database: the name in the raw file, and the database's type.
        key: the columns that tell rows apart, by name in the database.
        cursor: the column that increments go by, and `high`, the highest value that it had, as text.
        is_gone: whether the database has it no more.
    """

    table: str
    source_table: str
    columns: Mapping[str, tuple[str, str]]
    key: Sequence[str] = ()
    cursor: str | None = None
    high: str | None = None
    is_gone: bool = False


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A column that came, went or changed its type."""

    table: str
    column: str
    change: Literal["added", "dropped", "type"]
    detail: str


@dataclass(frozen=True)
class State:
    """What the raw file knows before a load: the entries by name in the database, and the raw tables' columns."""

    entries: Mapping[str, Entry] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def read(connection: duckdb.DuckDBPyConnection | None) -> State:
    """Reads the state, empty before the first load."""
    if connection is None:
        return State()
    tables = held_columns(connection)
    if "_table" not in tables:
        return State({}, tables)
    rows = connection.execute(
        "SELECT table_name, source_table, columns, key, cursor, high, is_gone FROM raw._table"
    ).fetchall()
    entries = [
        Entry(
            table=table,
            source_table=source_table,
            columns={name: (landed, kind) for name, (landed, kind) in json.loads(columns).items()},
            key=tuple(json.loads(key)),
            cursor=cursor,
            high=high,
            is_gone=is_gone,
        )
        for table, source_table, columns, key, cursor, high, is_gone in rows
    ]
    return State({entry.source_table: entry for entry in entries}, tables)


def write(
    connection: duckdb.DuckDBPyConnection, entries: Sequence[Entry], drift: Sequence[Drift], now: datetime
) -> None:
    """Writes down what changed, inside the caller's transaction."""
    connection.execute(_TABLES)
    for entry in entries:
        connection.execute(
            "INSERT OR REPLACE INTO raw._table VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                entry.table,
                entry.source_table,
                json.dumps(entry.columns, ensure_ascii=False),
                json.dumps(list(entry.key), ensure_ascii=False),
                entry.cursor,
                entry.high,
                entry.is_gone,
                now,
            ],
        )
    for one in drift:
        connection.execute(
            "INSERT INTO raw._drift VALUES (?, ?, ?, ?, NULL, ?)",
            [one.table, one.column, one.change, one.detail, now],
        )
