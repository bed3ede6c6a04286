"""What the layers agree on about records of clean: how changes are logged, and which quarantined rows are orphans.

Cleaning and the sweep of orphans both write clean.<entity>, and models follow what they log.
"""

from __future__ import annotations

import duckdb

from warehouse import changes
from warehouse.changes import Following
from warehouse.contracts import Contract
from warehouse.sql import literal

#: How the reason begins that keeps a row out because its parent is missing.
ORPHAN = "orphan: "
#: Whether a row of quarantine is kept out for that alone.
IS_ORPHAN = f"starts_with(reasons[1], {literal(ORPHAN)})"
#: Where a row lies and when it was cleaned: nothing about the record, so these make no new version of a table.
#: A file that is exported anew with one row more moves all others.
BOOKKEEPING = ("source_file", "source_row", "row_hash", "cleaned_at")

_LOOKED_UP = frozenset({"id", "email", "sku"})
_ALSO_TOLD = frozenset({"status", "ordered_at", "order_number", "invoice_number"})


def told_of(contract: Contract) -> list[str]:
    """Columns whose old and new values are logged: those by which other records are joined, and what decides on money.

    The rest would only make the log large: who follows it reads the row itself.
    """
    return [c.name for c in contract.columns if c.semantic_type in _LOOKED_UP or c.name in _ALSO_TOLD]


def following(con: duckdb.DuckDBPyConnection, contract: Contract, version: str | None, affected: str) -> Following:
    """Follow records of clean.<entity> while they are written.

    Args:
        version: of the table now; None, or what is no version, makes the log begin anew.
        affected: temporary table with source and source_id of the records that may change.
    """
    return Following(
        con,
        contract.table,
        version,
        by=("source", "source_id"),
        affected=affected,
        told=told_of(contract),
        ignoring=BOOKKEEPING,
    )


def version_of(con: duckdb.DuckDBPyConnection, contract: Contract) -> str:
    """The version of clean.<entity> as it stands."""
    return changes.version_of(con, contract.table, ignoring=BOOKKEEPING)
