"""What one system of the demo company holds, for the server that speaks for it: one SQLite file per vendor.

Records as the vendor's interface gives them, with the times and keys that it filters by. How a vendor pages, filters
and words its answers belongs in `vendors/`.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

Order = Literal["seq", "created", "updated"]

_TABLES = """
CREATE TABLE IF NOT EXISTS record (
    seq INTEGER PRIMARY KEY, collection TEXT NOT NULL, id TEXT NOT NULL, parent TEXT,
    created INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER, body TEXT NOT NULL,
    UNIQUE (collection, id)
);
CREATE INDEX IF NOT EXISTS record_seq ON record (collection, seq);
CREATE INDEX IF NOT EXISTS record_updated ON record (collection, updated, seq);
CREATE INDEX IF NOT EXISTS record_created ON record (collection, created, seq);
CREATE INDEX IF NOT EXISTS record_parent ON record (collection, parent, seq);
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One record. Times are milliseconds since 1970 in UTC; `seq` is the order in which records were made."""

    id: str
    body: dict[str, Any]
    created: int
    updated: int
    deleted: int | None = None
    parent: str | None = None
    seq: int = 0


class Store:
    """A vendor's records, by collection. Safe to use from several threads, and from several processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._writing() as con:
            con.executescript(_TABLES)

    def fill(
        self,
        collection: str,
        frame: pl.DataFrame,
        *,
        id: str,
        created: str | pl.Expr,
        body: pl.Expr,
        updated: str | pl.Expr | None = None,
        parent: str | pl.Expr | None = None,
    ) -> int:
        """Adds a record per row of a frame, at once and in its order; for making the company.

        Args:
            id: the column with the id, as the interface gives it.
            created, updated: columns or expressions of milliseconds since 1970; `updated` defaults to `created`.
            body: a struct expression; it becomes the JSON of the record as it is.
            parent: what the records can be looked up by beside their id.

        Returns:
            How many records there are now in the collection.
        """
        rows = frame.select(
            pl.col(id).cast(pl.String).alias("id"),
            (_expr(parent).cast(pl.String) if parent is not None else pl.lit(None, pl.String)).alias("parent"),
            _expr(created).cast(pl.Int64).alias("created"),
            _expr(updated if updated is not None else created).cast(pl.Int64).alias("updated"),
            body.struct.json_encode().alias("body"),
        )
        with self._writing() as con:
            con.executemany(
                "INSERT OR REPLACE INTO record (collection, id, parent, created, updated, body) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                ((collection, *row) for row in rows.iter_rows()),
            )
        return self.count(collection)

    def put(self, collection: str, records: Iterable[Record]) -> None:
        """Adds records, or replaces those with the same ids; they keep their place in the order of making."""
        with self._writing() as con:
            con.executemany(
                "INSERT INTO record (collection, id, parent, created, updated, deleted, body) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (collection, id) DO UPDATE SET parent = excluded.parent, "
                "updated = excluded.updated, deleted = excluded.deleted, body = excluded.body",
                (
                    (
                        collection,
                        r.id,
                        r.parent,
                        r.created,
                        r.updated,
                        r.deleted,
                        json.dumps(r.body, ensure_ascii=False),
                    )
                    for r in records
                ),
            )

    def delete(self, collection: str, id: str, at: int) -> None:
        """Marks a record as deleted; interfaces that forget deleted records simply do not ask for them."""
        with self._writing() as con:
            con.execute(
                "UPDATE record SET deleted = ?, updated = ? WHERE collection = ? AND id = ?", (at, at, collection, id)
            )

    def get(self, collection: str, id: str, *, deleted: bool = False) -> Record | None:
        """Gives one record, deleted ones only if asked for."""
        found = self._rows(
            f"collection = ? AND id = ?{'' if deleted else ' AND deleted IS NULL'}", [collection, id], "seq", 1, 0
        )
        return found[0] if found else None

    def page(
        self,
        collection: str,
        *,
        limit: int,
        order: Order = "seq",
        descending: bool = False,
        after: tuple[int, int] | None = None,
        offset: int = 0,
        since: int | None = None,
        until: int | None = None,
        by: Order = "updated",
        parent: str | None = None,
        deleted: bool | None = False,
    ) -> list[Record]:
        """Gives records in order.

        Args:
            order: what they are ordered by; equal ones by the order of making.
            after: (value of the order's column, seq) of the last record that was given.
            since, until: bounds of the time `by`, milliseconds, the lower included and the upper not.
            deleted: False without deleted records, True only those, None both.
        """
        where, values = self._where(collection, since, until, by, parent, deleted)
        if after is not None:
            sign = "<" if descending else ">"
            where += f" AND ({order}, seq) {sign} (?, ?)"
            values += list(after)
        return self._rows(where, values, order, limit, offset, descending)

    def count(
        self,
        collection: str,
        *,
        since: int | None = None,
        until: int | None = None,
        by: Order = "updated",
        parent: str | None = None,
        deleted: bool | None = False,
    ) -> int:
        """Counts what `page` would give."""
        where, values = self._where(collection, since, until, by, parent, deleted)
        return int(self._con.execute(f"SELECT count(*) FROM record WHERE {where}", values).fetchone()[0])

    def collections(self) -> list[str]:
        """Names of the collections that have records."""
        return [name for (name,) in self._con.execute("SELECT DISTINCT collection FROM record ORDER BY 1")]

    def note(self, name: str, default: Any = None) -> Any:
        """Reads a small value that is not a record: jobs, tokens, the number of the night."""
        row = self._con.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else default

    def write_note(self, name: str, value: Any) -> None:
        """Keeps a small value."""
        with self._writing() as con:
            con.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (name, json.dumps(value)))

    def close(self) -> None:
        """Closes this thread's connection and folds the log into the file, so that the folder can be copied."""
        con = getattr(self._local, "con", None)
        if con is not None:
            con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            con.close()
            self._local.con = None

    def _where(
        self,
        collection: str,
        since: int | None,
        until: int | None,
        by: Order,
        parent: str | None,
        deleted: bool | None,
    ) -> tuple[str, list[Any]]:
        where, values = "collection = ?", [collection]
        conditions: Mapping[str, Any] = {f"{by} >= ?": since, f"{by} < ?": until, "parent = ?": parent}
        for condition, value in conditions.items():
            if value is not None:
                where += f" AND {condition}"
                values.append(value)
        if deleted is not None:
            where += f" AND deleted IS {'NOT ' if deleted else ''}NULL"
        return where, values

    def _rows(
        self, where: str, values: list[Any], order: Order, limit: int, offset: int, descending: bool = False
    ) -> list[Record]:
        direction = "DESC" if descending else "ASC"
        rows = self._con.execute(
            f"SELECT id, parent, created, updated, deleted, body, seq FROM record WHERE {where} "
            f"ORDER BY {order} {direction}, seq {direction} LIMIT ? OFFSET ?",
            [*values, limit, offset],
        )
        return [
            Record(id=i, parent=p, created=c, updated=u, deleted=d, body=json.loads(b), seq=s)
            for i, p, c, u, d, b, s in rows
        ]

    @property
    def _con(self) -> sqlite3.Connection:
        con = getattr(self._local, "con", None)
        if con is None:
            con = self._local.con = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            con.execute("PRAGMA journal_mode = WAL")
            con.execute("PRAGMA synchronous = OFF")
        return con

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        con = self._con
        con.execute("BEGIN IMMEDIATE")
        try:
            yield con
        except BaseException:
            con.execute("ROLLBACK")
            raise
        if con.in_transaction:
            con.execute("COMMIT")


def _json(body: dict[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False)


def _expr(column: str | pl.Expr) -> pl.Expr:
    return pl.col(column) if isinstance(column, str) else column
