"""Checking only the rows that changed since a table was checked last, where that says as much as checking all.

A check that held for all rows goes on holding if it holds for those that changed. What looks beyond the row is looked
at from both sides: rows with the same key, and what has gone from the table that is referred to. Whatever does not
hold, did not hold before, or cannot be told from the changed rows is checked on the whole table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from quality.results import CheckResult
from quality.suites import Check, referred
from warehouse.contracts import Contract
from warehouse.sql import quoted, quoted_table

if TYPE_CHECKING:
    import duckdb

#: Holds the changed rows of the table that is being checked, under its own name.
SCHEMA = "checked"
#: Where more of a table changed, all of it is checked.
MOST = 0.2


def run_on_changed(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    checks: Sequence[Check],
    *,
    last: Mapping[str, CheckResult],
    changed: str,
    parents: Mapping[str, str | None],
) -> list[CheckResult] | None:
    """Results of a table's checks as of now.

    Args:
        last: the results of the last time, by check.
        changed: a query for the rows that changed since, with the key of the table.
        parents: of the tables that it refers to and that changed since: a query for their changed rows; None where
            these are not known.

    Returns:
        None where so much changed that all should be checked.

    Raises:
        CheckCrashed: a check could not be computed.
    """
    from quality.gx import run_checks

    rows = _one(con, f"SELECT count(*) FROM {quoted_table(contract.table)}")
    if not contract.key:
        return None
    try:
        if _take(con, contract, changed) > MOST * rows:
            return None
        kept = [c for c in checks if c.name in last and last[c.name].passed and c.scope != "table"]
        here = [replace(c, table=f"{SCHEMA}.{contract.name}") for c in kept if c.scope in ("row", "reference")]
        broken = {r.name for r in run_checks(con, f"{SCHEMA}.{contract.name}", here, examples=1) if not r.passed}
        broken |= {c.name for c in kept if c.scope == "key" and _is_repeated(con, contract, c)}
        broken |= {c.name for c in kept if c.scope == "reference" and _may_miss(con, contract, c, parents)}
        holds = {c.name for c in kept} - broken
        again = {r.name: r for r in run_checks(con, contract.table, [c for c in checks if c.name not in holds])}
        return [again.get(c.name) or replace(last[c.name], evaluated_rows=rows, seconds=0.0) for c in checks]
    finally:
        con.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")


def _take(con: duckdb.DuckDBPyConnection, contract: Contract, changed: str) -> int:
    """Put the changed rows that are there into a table of their own; gives how many rows changed, or went."""
    key = ", ".join(map(quoted, contract.key))
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    con.execute(f"CREATE OR REPLACE TEMP TABLE changed_key AS SELECT DISTINCT {key} FROM ({changed}) AS changed")
    con.execute(
        f"CREATE OR REPLACE TABLE {SCHEMA}.{quoted(contract.name)} AS "
        f"SELECT t.* FROM {quoted_table(contract.table)} AS t SEMI JOIN changed_key USING ({key})"
    )
    return _one(con, "SELECT count(*) FROM changed_key")


def _is_repeated(con: duckdb.DuckDBPyConnection, contract: Contract, check: Check) -> bool:
    """Whether a changed row shares its key with another."""
    columns = ", ".join(map(quoted, check.unique))
    return _is_some(
        con,
        f"SELECT 1 FROM {quoted_table(contract.table)} SEMI JOIN {SCHEMA}.{quoted(contract.name)} USING ({columns}) "
        f"GROUP BY {columns} HAVING count(*) > 1",
    )


def _may_miss(
    con: duckdb.DuckDBPyConnection, contract: Contract, check: Check, parents: Mapping[str, str | None]
) -> bool:
    """Whether rows that did not change may refer to what has gone from the other table."""
    if check.reference is None:
        return True
    parent, pairs = referred(contract, check.reference)
    if parent not in parents:
        return False
    changed = parents[parent]
    if changed is None or not set(pairs.values()) <= _columns(con, changed):
        return True
    theirs = ", ".join(map(quoted, pairs.values()))
    match = " AND ".join(f"gone.{quoted(their)} = own.{quoted(our)}" for our, their in pairs.items())
    return _is_some(
        con,
        f"SELECT 1 FROM {quoted_table(contract.table)} AS own SEMI JOIN "
        f"(FROM ({changed}) AS changed ANTI JOIN {quoted_table(parent)} USING ({theirs})) AS gone ON {match}",
    )


def _columns(con: duckdb.DuckDBPyConnection, query: str) -> set[str]:
    return {row[0] for row in con.execute(f"DESCRIBE {query}").fetchall()}


def _is_some(con: duckdb.DuckDBPyConnection, query: str) -> bool:
    return con.execute(f"{query} LIMIT 1").fetchone() is not None


def _one(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = con.execute(sql).fetchone()
    return int(row[0]) if row else 0
