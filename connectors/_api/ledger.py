"""What the raw file of an interface's source remembers between loads: states, fields, drift, records set aside.

Tables beside the records', written in the same file so that they agree with it. What they are used for is the
business of `extract`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from connectors._api.columns import Rejected
from connectors._api.drift import Drift, Seen

if TYPE_CHECKING:
    import duckdb

_TABLES = """
CREATE TABLE IF NOT EXISTS raw._state (table_name VARCHAR PRIMARY KEY, state VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS raw._field (
    table_name VARCHAR NOT NULL, path VARCHAR NOT NULL, kind VARCHAR NOT NULL, share DOUBLE NOT NULL,
    first_seen_at TIMESTAMPTZ NOT NULL, PRIMARY KEY (table_name, path));
CREATE TABLE IF NOT EXISTS raw._drift (
    table_name VARCHAR NOT NULL, column_name VARCHAR NOT NULL, change VARCHAR NOT NULL, detail VARCHAR NOT NULL,
    file VARCHAR, first_seen_at TIMESTAMPTZ NOT NULL);
CREATE TABLE IF NOT EXISTS raw._rejected_line (
    table_name VARCHAR NOT NULL, file VARCHAR, line BIGINT, text VARCHAR, reason VARCHAR NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL);
COMMENT ON TABLE raw._state IS 'Where the next read of each table begins';
COMMENT ON TABLE raw._field IS 'Fields that records were seen to have, with the share of records at first sight';
COMMENT ON TABLE raw._drift IS 'Fields that came, went or changed their kind';
COMMENT ON TABLE raw._rejected_line IS 'Records that have no key or cannot be read';
"""


@dataclass(frozen=True, kw_only=True)
class Held:
    """What the raw file knew before a load, by table."""

    states: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fields: Mapping[str, Mapping[str, Seen]] = field(default_factory=dict)
    rejected: Mapping[str, Sequence[Rejected]] = field(default_factory=dict)
    tables: frozenset[str] = frozenset()


@dataclass
class Notes:
    """What a load has to write down, by table; nothing where nothing changed."""

    states: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    fields: dict[str, Mapping[str, Seen]] = field(default_factory=dict)
    drift: dict[str, list[Drift]] = field(default_factory=dict)
    rejected: dict[str, Sequence[Rejected]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.states or self.fields or self.drift or self.rejected)


def read(connection: duckdb.DuckDBPyConnection | None) -> Held:
    """Reads what is remembered, nothing before the first load."""
    if connection is None:
        return Held()
    names = connection.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'raw'").fetchall()
    tables = frozenset(name for (name,) in names)
    if "_state" not in tables:
        return Held(tables=tables)
    states = {t: json.loads(s) for t, s in connection.execute("SELECT table_name, state FROM raw._state").fetchall()}
    fields: dict[str, dict[str, Seen]] = {}
    for table, path, kind, share in connection.execute(
        "SELECT table_name, path, kind, share FROM raw._field ORDER BY ALL"
    ).fetchall():
        fields.setdefault(table, {})[path] = Seen(kind=kind, share=share)
    rejected: dict[str, list[Rejected]] = {}
    for table, text, reason in connection.execute(
        "SELECT table_name, text, reason FROM raw._rejected_line ORDER BY ALL"
    ).fetchall():
        rejected.setdefault(table, []).append(Rejected(payload=text, reason=reason))
    return Held(states=states, fields=fields, rejected=rejected, tables=tables)


def write(connection: duckdb.DuckDBPyConnection, notes: Notes, now: datetime) -> None:
    """Writes notes down, inside the caller's transaction."""
    connection.execute(_TABLES)
    for table, state in notes.states.items():
        text = json.dumps(state, sort_keys=True)
        connection.execute("INSERT OR REPLACE INTO raw._state VALUES (?, ?)", [table, text])
    for table, fields in notes.fields.items():
        _replace_fields(connection, table, fields, now)
    for table, drift in notes.drift.items():
        rows = [[table, one.path, one.change, one.detail, None, now] for one in drift]
        connection.executemany("INSERT INTO raw._drift VALUES (?, ?, ?, ?, ?, ?)", rows)
    for table, rejected in notes.rejected.items():
        connection.execute("DELETE FROM raw._rejected_line WHERE table_name = ?", [table])
        lines = [[table, None, None, one.payload, one.reason, now] for one in rejected]
        if lines:
            connection.executemany("INSERT INTO raw._rejected_line VALUES (?, ?, ?, ?, ?, ?)", lines)


def _replace_fields(
    connection: duckdb.DuckDBPyConnection, table: str, fields: Mapping[str, Seen], now: datetime
) -> None:
    """Brings the fields of a table up to date; those that were known keep the time they were first seen."""
    import pyarrow as pa

    rows = pa.Table.from_pylist([{"path": p, "kind": s.kind, "share": s.share} for p, s in fields.items()])
    connection.register("seen_fields", rows)
    connection.execute(
        "DELETE FROM raw._field WHERE table_name = ? AND path NOT IN (SELECT path FROM seen_fields)", [table]
    )
    connection.execute(
        "INSERT INTO raw._field SELECT ?, path, kind, share, ? FROM seen_fields "
        "ON CONFLICT (table_name, path) DO UPDATE SET kind = excluded.kind, share = excluded.share",
        [table, now],
    )
    connection.unregister("seen_fields")
