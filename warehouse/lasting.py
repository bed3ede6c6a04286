"""Taking lasting tables over from what was published last, where the build database has lost them.

The rest of the build database is made anew from the raw files; these tables (`lasting` in their contracts) cannot be.
"""

from __future__ import annotations

import logging
from pathlib import Path

import duckdb

from warehouse import clock, contracts, meta, publish, store
from warehouse.home import Home
from warehouse.sql import quoted, quoted_table

log = logging.getLogger(__name__)


def take_over(con: duckdb.DuckDBPyConnection, home: Home) -> dict[str, int]:
    """Copy the lasting tables that the build database lacks from the version published last, all or none.

    What was done is logged and noted in meta.run. Call it before anything else creates a table.

    Returns:
        Rows by table; empty where nothing was lost, or nothing was ever published.

    Raises:
        StoreError: the published version cannot be read.
    """
    held = store.tables_in(con)
    lost = [c for c in contracts.lasting() if c.table not in held]
    version = publish.newest(home) if lost else None
    if version is None:
        return {}
    with store.attached(con, version, "published", mend=publish.DAMAGED) as catalog:
        there = store.tables_in(con, catalog)
        taken = [c for c in lost if c.table in there]
        if not taken:
            return {}
        con.begin()
        try:
            counts = {c.table: _copy(con, c, catalog) for c in taken}
            told = f"The build database lacked {', '.join(counts)}; taken over from version {version.stem}."
            _note(con, version, sum(counts.values()), told)
            con.commit()
        except BaseException:
            con.rollback()
            raise
    log.warning(told)
    return counts


def _copy(con: duckdb.DuckDBPyConnection, contract: contracts.Contract, catalog: str) -> int:
    """Create the table with the published columns and rows, and the columns that the contract gained since."""
    published = quoted(catalog, contract.schema, contract.name)
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(contract.schema)}")
    con.execute(f"CREATE TABLE {quoted_table(contract.table)} AS FROM {published}")
    store.create_table(con, contract)
    store.comment(con, contract)
    row = con.execute(f"SELECT count(*) FROM {published}").fetchone()
    return int(row[0]) if row else 0


def _note(con: duckdb.DuckDBPyConnection, version: Path, rows: int, told: str) -> None:
    meta.ensure(con)
    now = clock.now()
    meta.insert_rows(con, "run", [(f"restore-{version.stem}", "restore", None, now, now, "succeeded", rows, told)])
