"""What a refresh would have to do: tables whose inputs changed, and everything downstream of them."""

from __future__ import annotations

import duckdb

from pipelines.checkup import mapping_files
from pipelines.night import building
from pipelines.refresh import clean, insight, model, prepare
from quality.results import latest_results
from warehouse import meta, store
from warehouse.company import Company
from warehouse.contracts import entities, tables


def stale_tables(company: Company) -> list[str]:
    """Tables to refresh, upstream first. A table may turn out unchanged, and then stops the spreading."""
    with building(company) as con:
        prepare.note_trust(con, company)
        prepare.note_decisions(con, company)
        return _stale(con, company)


def forget_all(company: Company) -> None:
    """Make the next refresh build everything again."""
    with building(company) as con:
        con.execute("UPDATE meta.built SET fingerprint = ?", [meta.UNSETTLED])


def _stale(con: duckdb.DuckDBPyConnection, company: Company) -> list[str]:
    mappings = mapping_files(company)
    # What blocks is looked at again every night, since history may have come to terms with it.
    stale = [result.table for result in latest_results(con) if result.blocks and result.table in tables()]
    for contract in entities().values():
        own = [m for m in mappings if m.entity == contract.name]
        if _missing(con, contract.table) or clean.is_stale(con, company, contract, own):
            stale.append(contract.table)
    stale += model.stale_models(con, company, stale)
    if "mart.metric_daily" in stale or insight.is_stale(con):
        stale.append(insight.TABLE)
    return list(dict.fromkeys(stale))


def _missing(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    schema, _, name = table.partition(".")
    return not store.exists(con, schema, name)
