"""Rows whose parent is missing, moved from clean to quarantine.

Only references that the contract says to quarantine; the others stay, as warnings. Coming back is not done here:
the caller cleans a child again when it or its parent changed, and `returning` says where there is anything to gain.
"""

from __future__ import annotations

import graphlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from warehouse import records
from warehouse.contracts import Contract, Reference
from warehouse.records import IS_ORPHAN, ORPHAN
from warehouse.sql import literal, quoted

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Swept:
    """How many rows of an entity were moved, and the table's version then; None where it was not known before."""

    moved: int
    version: str | None


def sweep_orphans(
    con: duckdb.DuckDBPyConnection,
    contracts: Mapping[str, Contract],
    now: datetime,
    versions: Mapping[str, str | None] | None = None,
) -> dict[str, Swept]:
    """Move rows of clean whose parent is missing to quarantine, parents first, in one transaction.

    Args:
        con: connection to the build database, with no transaction open.
        contracts: the entities to look at by name, as `warehouse.contracts.entities` gives them.
        now: the night's time, for first_seen_at and last_seen_at.
        versions: of their tables by entity, where known, so that what is moved can be logged.

    Returns:
        What became of the entities that have such a reference.
    """
    swept: dict[str, Swept] = {}
    con.execute("BEGIN")
    try:
        for contract in _parents_first(contracts):
            if references_of(contract):
                swept[contract.name] = _sweep(con, contract, now, (versions or {}).get(contract.name))
        con.execute("COMMIT")
    except BaseException:
        con.execute("ROLLBACK")
        raise
    return swept


def references_of(contract: Contract) -> list[Reference]:
    """The references without which a row cannot stay."""
    return [r for r in contract.references if r.on_orphan == "quarantine"]


def returning(con: duckdb.DuckDBPyConnection, contract: Contract, source: str) -> list[str]:
    """source_ids of a source's orphans whose reasons are not what they were, since a parent came or left.

    An entity that refers to itself may bring the parent along, so all its orphans count.
    """
    references = references_of(contract)
    if not references:
        return []
    itself = any(r.to_table == contract.name for r in references)
    columns = ", ".join(f"row->>{literal(r.column)} AS {quoted(r.column)}" for r in references)
    rows = con.execute(
        f"""
        SELECT source_id FROM (
            SELECT source, source_id, reasons, {columns}
            FROM {quoted("quarantine", contract.name)} WHERE source = ? AND {IS_ORPHAN}
        ) AS child
        WHERE {itself} OR reasons IS DISTINCT FROM {_reasons(references)}
        ORDER BY source_id
        """,
        [source],
    ).fetchall()
    return [source_id for (source_id,) in rows]


def _parents_first(contracts: Mapping[str, Contract]) -> list[Contract]:
    graph = {name: {r.to_table for r in c.references} & set(contracts) - {name} for name, c in contracts.items()}
    return [contracts[name] for name in graphlib.TopologicalSorter(graph).static_order()]


def _sweep(con: duckdb.DuckDBPyConnection, contract: Contract, now: datetime, version: str | None) -> Swept:
    child, quarantine = quoted("clean", contract.name), quoted("quarantine", contract.name)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE orphan AS
        SELECT * FROM (
            SELECT child.rowid AS child_rowid, child.source, child.source_id,
                   {_reasons(references_of(contract))} AS reasons,
                   to_json(child) AS row, child.source_file, child.source_row
            FROM {child} AS child
        ) WHERE len(reasons) > 0
        """
    )
    found = con.execute("SELECT count(*) FROM orphan").fetchone()
    count = int(found[0]) if found else 0
    following = records.following(con, contract, version, "orphan")
    _move(con, child, quarantine, now)
    after = following.finish(now) if version else None
    con.execute("DROP TABLE orphan")
    return Swept(count, after)


def _move(con: duckdb.DuckDBPyConnection, child: str, quarantine: str, now: datetime) -> None:
    """Move the rows of the temporary table `orphan`. One that was an orphan before keeps its first_seen_at.

    Orphans of before that are back in clean are none any more, unless they are moved again.
    """
    before = (
        f"source_id IS NOT NULL AND {IS_ORPHAN} AND EXISTS "
        f"(FROM {child} AS child WHERE child.source = q.source AND child.source_id = q.source_id)"
    )
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE orphan_before AS
        SELECT source, source_id, min(first_seen_at) AS first_seen_at
        FROM {quarantine} AS q WHERE {before} GROUP BY source, source_id
        """
    )
    con.execute(f"DELETE FROM {quarantine} AS q WHERE {before}")
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


def _reasons(references: list[Reference]) -> str:
    """SQL for the list of reasons why a row of `child` is an orphan."""
    return f"list_filter([{', '.join(map(_reason, references))}], lambda reason: reason IS NOT NULL)"


def _reason(reference: Reference) -> str:
    """SQL that says why a row is an orphan by this reference, or gives NULL where it is none."""
    column = quoted("child", reference.column)
    return (
        f"CASE WHEN {column} IS NOT NULL AND NOT EXISTS ("
        f"SELECT 1 FROM {quoted('clean', reference.to_table)} AS parent "
        f"WHERE parent.source = child.source AND parent.{quoted(reference.to_column)} = {column}) "
        f"THEN {literal(f'{ORPHAN}{reference.column} ')} || {column} || {literal(f' not in {reference.to_table}')} END"
    )
