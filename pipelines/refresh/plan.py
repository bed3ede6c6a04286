"""What a refresh would have to do: tables whose inputs changed, and everything downstream of them."""

from __future__ import annotations

import duckdb

from pipelines.checkup import mapping_files
from pipelines.night import building
from pipelines.refresh import clean, insight, model
from warehouse.company import Company
from warehouse.contracts import entities, tables


def stale_tables(company: Company) -> list[str]:
    """Tables to refresh, upstream first. A table may turn out unchanged, and then stops the spreading."""
    with building(company) as con:
        return _stale(con, company)


def forget_all(company: Company) -> None:
    """Make the next refresh build everything again."""
    with building(company) as con:
        con.execute("UPDATE meta.built SET fingerprint = '' WHERE fingerprint <> ''")
        con.execute("DELETE FROM meta.built WHERE object LIKE 'clean.%@%' AND fingerprint = ''")


def _stale(con: duckdb.DuckDBPyConnection, company: Company) -> list[str]:
    mappings = mapping_files(company)
    stale = []
    for contract in entities().values():
        clean_first = _missing(con, contract.table)
        own = [m for m in mappings if m.entity == contract.name]
        if clean_first or clean.is_stale(con, company, contract, own):
            stale.append(contract.table)
    stale += model.stale_models(con, company, stale)
    anomaly = insight.TABLE
    if anomaly in tables() and ("mart.metric_daily" in stale or insight.is_stale(con)):
        stale.append(anomaly)
    return stale


def _missing(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    from warehouse import store

    schema, _, name = table.partition(".")
    return not store.exists(con, schema, name)
