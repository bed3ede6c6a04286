"""Which rows of a table changed from one version to the next, so that what is built from it can follow them alone.

A version is a hash of the table's content, made of sums over its rows: what a change adds and takes away gives the
next version without reading the rest. The log holds old and new values of the columns by which others look rows up; in
a row with `is_same` they stayed as they were, and only other columns of the row changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from warehouse.sql import literal, quoted, quoted_table

SCHEMA = "change"
#: A table keeps so many changes; whoever has missed more builds from the whole table.
KEPT = 30

_STEP = (
    "CREATE TABLE IF NOT EXISTS change.step (number BIGINT, table_name VARCHAR, from_version VARCHAR, "
    "to_version VARCHAR, changed_at TIMESTAMPTZ)"
)
_BUILT_FROM = "CREATE TABLE IF NOT EXISTS change.built_from (object VARCHAR, input VARCHAR, version VARCHAR)"


@dataclass(frozen=True)
class Version:
    """A table's content in short: rows, and two sums over the hashes of its rows, whatever their order."""

    rows: int
    xor: int
    total: int

    @classmethod
    def read(cls, text: str | None) -> Version | None:
        """From its text; None where that is none."""
        parts = (text or "").split("/")
        return cls(*map(int, parts)) if len(parts) == 3 and all(p.isdigit() for p in parts) else None

    def __str__(self) -> str:
        return f"{self.rows}/{self.xor}/{self.total}"


def version_of(
    con: duckdb.DuckDBPyConnection, table: str, *, catalog: str | None = None, ignoring: Sequence[str] = ()
) -> str:
    """The version of a table's content as it stands: a hash that does not depend on the order of its rows.

    Args:
        con: the build database.
        table: schema-qualified name.
        catalog: the database that has it; default: the current one.
        ignoring: columns whose values make no other content.
    """
    row_hash = _row_hash(con, table, ignoring)
    place = f"{quoted(catalog)}.{quoted_table(table)}" if catalog else quoted_table(table)
    return str(_sums(con, f"SELECT {row_hash} AS row_hash FROM {place} AS t"))


class Following:
    """Notes what becomes of rows of a table while they are rewritten: make it before, then `finish` or `put`.

    Args:
        con: the build database.
        table: schema-qualified name.
        version: of the content now; None, or what is no version, makes the log begin anew.
        by: columns that say which rows are meant; they need not be unique.
        affected: temporary table with these columns, of the rows that may change; None where all may.
        told: further columns whose old and new values whoever follows the table needs, its key among them.
        ignoring: columns whose values make no other content; with them a table cannot be `put`.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        table: str,
        version: str | None,
        *,
        by: Sequence[str],
        affected: str | None = None,
        told: Sequence[str] = (),
        ignoring: Sequence[str] = (),
    ) -> None:
        self.con, self.table, self.ignoring = con, table, ignoring
        self.columns = list(dict.fromkeys((*by, *told)))
        columns = ", ".join(map(quoted, by))
        self._among = f"SEMI JOIN {quoted(affected)} USING ({columns})" if affected else ""
        self._old = Version.read(version)
        if self._old is not None:
            self._keep("row_before", f"{quoted_table(table)} AS t {self._among}", "t.rowid AS at_row")

    def finish(self, at: datetime) -> str:
        """Log which rows are others now, in the caller's transaction, and give the version of the content now."""
        if self._old is None:
            forget(self.con, self.table)
            return version_of(self.con, self.table, ignoring=self.ignoring)
        self._keep("row_after", f"{quoted_table(self.table)} AS t {self._among}")
        return self._close(self._old, at)

    def put(self, fresh: str, at: datetime) -> str:
        """Let the rows of a temporary table, with the table's columns and types, take the place of the followed ones.

        Rows that are there already stay as they are. What changed is logged, in the caller's transaction.

        Returns:
            The version of the content now.
        """
        if self._old is None:
            raise ValueError(f"{self.table} has no version that could be followed")
        table = quoted_table(self.table)
        self._keep("row_after", f"{fresh} AS t")
        self.con.execute(
            f"DELETE FROM {table} WHERE rowid IN "
            "(SELECT at_row FROM temp.row_before ANTI JOIN temp.row_after USING (row_hash))"
        )
        self.con.execute(
            f"INSERT INTO {table} SELECT t.* FROM {fresh} AS t ANTI JOIN temp.row_before AS b ON b.row_hash = hash(t)"
        )
        return self._close(self._old, at)

    def _keep(self, name: str, rows: str, *also: str) -> None:
        """The hashes of rows, and what is told of them."""
        row_hash = f"{_row_hash(self.con, self.table, self.ignoring)} AS row_hash"
        listed = ", ".join((row_hash, *also, *(f"t.{quoted(column)}" for column in self.columns)))
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT {listed} FROM {rows}")

    def _close(self, old: Version, at: datetime) -> str:
        before, after = (_sums(self.con, f"FROM temp.{name}") for name in ("row_before", "row_after"))
        new = Version(
            old.rows - before.rows + after.rows,
            old.xor ^ before.xor ^ after.xor,
            old.total - before.total + after.total,
        )
        if new != old:
            self._log(str(old), str(new), at)
        for name in ("row_before", "row_after"):
            self.con.execute(f"DROP TABLE temp.{name}")
        return str(new)

    def _log(self, old: str, new: str, at: datetime) -> None:
        log, columns = _log_of(self.table), ", ".join(map(quoted, self.columns))
        self.con.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        self.con.execute(_STEP)
        if _columns(self.con, self.table) != ["number", *self.columns, "is_same"]:
            forget(self.con, self.table)
            begun = f"SELECT 0::BIGINT AS number, {columns}, FALSE AS is_same FROM {quoted_table(self.table)} LIMIT 0"
            self.con.execute(f"CREATE TABLE {log} AS {begun}")
        number = _one(self.con, "SELECT coalesce(max(number), 0) + 1 FROM change.step")
        self.con.execute("INSERT INTO change.step VALUES (?, ?, ?, ?, ?)", [number, self.table, old, new, at])
        before, after = (
            f"SELECT DISTINCT {columns} FROM temp.{one} ANTI JOIN temp.{other} USING (row_hash)"
            for one, other in (("row_before", "row_after"), ("row_after", "row_before"))
        )
        self.con.execute(
            f"INSERT INTO {log} SELECT ?::BIGINT, {columns}, count(*) > 1 "
            f"FROM ({before} UNION ALL {after}) AS told GROUP BY ALL",
            [number],
        )
        self._prune(log)

    def _prune(self, log: str) -> None:
        oldest = self.con.execute(
            "SELECT number FROM change.step WHERE table_name = ? ORDER BY number DESC LIMIT 1 OFFSET ?",
            [self.table, KEPT - 1],
        ).fetchone()
        if oldest:
            self.con.execute("DELETE FROM change.step WHERE table_name = ? AND number < ?", [self.table, oldest[0]])
            self.con.execute(f"DELETE FROM {log} WHERE number < ?", [oldest[0]])


def since(con: duckdb.DuckDBPyConnection, table: str, version: str, now: str) -> str | None:
    """A query for the logged columns of all rows that changed from a version of a table to the one that it has now.

    Returns:
        None where the log does not lead from one to the other: then all of the table may have changed.
    """
    if not _columns(con, table):
        return None
    steps = con.execute(
        "SELECT number, from_version, to_version FROM change.step WHERE table_name = ? ORDER BY number", [table]
    ).fetchall()
    begun = max((i for i, (_, old, _) in enumerate(steps) if old == version), default=None)
    if begun is None or steps[-1][2] != now:
        return None
    if any(later[1] != earlier[2] for earlier, later in zip(steps[begun:], steps[begun + 1 :], strict=False)):
        return None
    return f"SELECT DISTINCT * EXCLUDE (number) FROM {_log_of(table)} WHERE number >= {int(steps[begun][0])}"


def forget(con: duckdb.DuckDBPyConnection, table: str) -> None:
    """Drop a table's log, since what happens to it is not noted."""
    if _columns(con, table):
        con.execute(f"DROP TABLE {_log_of(table)}")
        con.execute(f"DELETE FROM change.step WHERE table_name = {literal(table)}")


def remember_inputs(con: duckdb.DuckDBPyConnection, name: str, versions: Mapping[str, str]) -> None:
    """Note what an object was built from: versions by table, and whatever else by a name of its own."""
    _ensure_inputs(con)
    con.execute("DELETE FROM change.built_from WHERE object = ?", [name])
    con.executemany("INSERT INTO change.built_from VALUES (?, ?, ?)", [(name, *pair) for pair in versions.items()])


def inputs_of(con: duckdb.DuckDBPyConnection, name: str) -> dict[str, str]:
    """What an object was built from; nothing where that was never noted."""
    _ensure_inputs(con)
    rows = con.execute("SELECT input, version FROM change.built_from WHERE object = ?", [name]).fetchall()
    return dict(rows)


def note_rebuilt(con: duckdb.DuckDBPyConnection, run_id: str, table: str, *, is_same: bool) -> None:
    """Note that a run made a table anew from the inputs that it was made from before, and whether it is the same."""
    _ensure_rebuilt(con)
    con.execute("INSERT INTO change.rebuilt VALUES (?, ?, ?)", [run_id, table, is_same])


def rebuilt(con: duckdb.DuckDBPyConnection, run_id: str) -> dict[str, bool]:
    """Tables that a run made anew from the same inputs, and whether they are the same."""
    _ensure_rebuilt(con)
    con.execute("DELETE FROM change.rebuilt WHERE run_id <> ?", [run_id])
    return dict(con.execute("SELECT table_name, is_same FROM change.rebuilt ORDER BY table_name").fetchall())


def _ensure_rebuilt(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    con.execute("CREATE TABLE IF NOT EXISTS change.rebuilt (run_id VARCHAR, table_name VARCHAR, is_same BOOLEAN)")


def _ensure_inputs(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    con.execute(_BUILT_FROM)


def _row_hash(con: duckdb.DuckDBPyConnection, table: str, ignoring: Sequence[str]) -> str:
    """An expression for the hash of a row t of a table, without some columns."""
    if not ignoring:
        return "hash(t)"
    columns = [name for name, *_ in con.execute(f"SELECT * FROM {quoted_table(table)} LIMIT 0").description]
    return f"hash({', '.join(f't.{quoted(name)}' for name in columns if name not in ignoring)})"


def _sums(con: duckdb.DuckDBPyConnection, rows: str) -> Version:
    """What the hashes of rows, column row_hash of a query, come to."""
    found = con.execute(
        "SELECT count(*), coalesce(bit_xor(row_hash), 0), coalesce(sum(row_hash::HUGEINT % 1000000007), 0) "
        f"FROM ({rows}) AS hashed"
    ).fetchone()
    count, xor, total = found or (0, 0, 0)
    return Version(count, xor, int(total))


def _log_of(table: str) -> str:
    return f"{SCHEMA}.{quoted(table)}"


def _columns(con: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """The columns of a table's log; none where there is no log."""
    found = con.execute(
        "SELECT column_name FROM duckdb_columns() WHERE database_name = current_database() AND schema_name = ? "
        "AND table_name = ? ORDER BY column_index",
        [SCHEMA, table],
    ).fetchall()
    return [name for (name,) in found]


def _one(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = con.execute(sql).fetchone()
    return int(row[0]) if row else 0
