"""Rows whose parent is missing, moved from clean to quarantine.

Only references that the contract says to quarantine; the others stay, as warnings. Coming back is not done here:
the caller cleans a child again when it or its parent changed, and `orphaned` says where there is anything to gain.
"""

from __future__ import annotations

import graphlib
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from warehouse.contracts import Contract, Reference
from warehouse.sql import literal, quoted

if TYPE_CHECKING:
    import duckdb

_REASON = "orphan: "
_IS_ORPHAN = f"len(list_filter(reasons, lambda reason: starts_with(reason, {literal(_REASON)}))) > 0"


def sweep_orphans(con: duckdb.DuckDBPyConnection, contracts: Mapping[str, Contract], now: datetime) -> dict[str, int]:
    """Move rows of clean whose parent is missing to quarantine, parents first, in one transaction.

    Args:
        con: connection to the build database, with no transaction open.
        contracts: entities by name, as `warehouse.contracts.entities` gives them.
        now: the night's time, for first_seen_at and last_seen_at.

    Returns:
        Rows moved, for the entities that have such a reference.
    """
    moved: dict[str, int] = {}
    con.execute("BEGIN")
    try:
        for contract in _parents_first(contracts):
            references = [r for r in contract.references if r.on_orphan == "quarantine"]
            if references:
                moved[contract.name] = _sweep(con, contract, references, now)
        con.execute("COMMIT")
    except BaseException:
        con.execute("ROLLBACK")
        raise
    return moved


def orphaned(con: duckdb.DuckDBPyConnection, entity: str) -> list[str]:
    """Sources of which rows of the entity wait in quarantine for a parent."""
    rows = con.execute(
        f"SELECT DISTINCT source FROM {quoted('quarantine', entity)} WHERE {_IS_ORPHAN} ORDER BY source"
    ).fetchall()
    return [source for (source,) in rows]


def _parents_first(contracts: Mapping[str, Contract]) -> list[Contract]:
    graph = {name: {r.to_table for r in c.references} & set(contracts) - {name} for name, c in contracts.items()}
    return [contracts[name] for name in graphlib.TopologicalSorter(graph).static_order()]


def _sweep(con: duckdb.DuckDBPyConnection, contract: Contract, references: list[Reference], now: datetime) -> int:
    child, quarantine = quoted("clean", contract.name), quoted("quarantine", contract.name)
    reasons = ", ".join(_reason(r) for r in references)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE orphan AS
        SELECT * FROM (
            SELECT child.rowid AS child_rowid, child.source, child.source_id,
                   list_filter([{reasons}], lambda reason: reason IS NOT NULL) AS reasons,
                   to_json(child) AS row, child.source_file, child.source_row
            FROM {child} AS child
        ) WHERE len(reasons) > 0
        """
    )
    found = con.execute("SELECT count(*) FROM orphan").fetchone()
    count = int(found[0]) if found else 0
    if count:
        _move(con, child, quarantine, now)
    con.execute("DROP TABLE orphan")
    return count


def _move(con: duckdb.DuckDBPyConnection, child: str, quarantine: str, now: datetime) -> None:
    """Move the rows of the temporary table `orphan`. One that was an orphan before keeps its first_seen_at."""
    before = f"{_IS_ORPHAN} AND (source, source_id) IN (SELECT (source, source_id) FROM orphan)"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE orphan_before AS
        SELECT source, source_id, min(first_seen_at) AS first_seen_at
        FROM {quarantine} WHERE {before} GROUP BY source, source_id
        """
    )
    con.execute(f"DELETE FROM {quarantine} WHERE {before}")
    con.execute(
        f"""
        INSERT INTO {quarantine} BY NAME
        SELECT orphan.* EXCLUDE (child_rowid), coalesce(first_seen_at, $now) AS first_seen_at,
               $now::TIMESTAMPTZ AS last_seen_at
        FROM orphan LEFT JOIN orphan_before USING (source, source_id)
        """,
        {"now": now},
    )
    con.execute(f"DELETE FROM {child} WHERE rowid IN (SELECT child_rowid FROM orphan)")
    con.execute("DROP TABLE orphan_before")


def _reason(reference: Reference) -> str:
    """SQL that says why a row is an orphan by this reference, or gives NULL where it is none."""
    column = quoted("child", reference.column)
    return (
        f"CASE WHEN {column} IS NOT NULL AND NOT EXISTS ("
        f"SELECT 1 FROM {quoted('clean', reference.to_table)} AS parent "
        f"WHERE parent.source = child.source AND parent.{quoted(reference.to_column)} = {column}) "
        f"THEN {literal(f'{_REASON}{reference.column} ')} || {column} || {literal(f' not in {reference.to_table}')} END"
    )
