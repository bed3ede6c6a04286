"""Model assets: one op per schema builds its SQL models and runs their checks; one asset per table.

The work is refresh/model.py and refresh/checks.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from pipelines.assets.checks import results_of, table_check_specs
from pipelines.assets.identity import told_of
from pipelines.assets.metadata import column_lineage, content_version, key_of, table_schema
from pipelines.night import begin, building
from pipelines.refresh.checks import check_tables
from pipelines.refresh.model import Built, build_tables, lineage_of, order_of, upstream_of
from quality.results import CheckResult
from warehouse.company import Company
from warehouse.contracts import Contract


def model_assets(*, company: Company, schema: str, contracts: Sequence[Contract]) -> dg.AssetsDefinition:
    """The tables of one schema (identity, core or mart)."""
    specs = [_spec(company, contract) for contract in contracts]
    order = order_of(company)

    @dg.multi_asset(
        name=f"build_{schema}",
        specs=specs,
        check_specs=[spec for contract in contracts for spec in table_check_specs(contract)],
        can_subset=True,
        pool="build",
        description=f"Builds the {schema} tables whose inputs changed, and checks them.",
    )
    def model(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        chosen = [c for c in contracts if key_of(c.table) in context.selected_asset_keys]
        night = begin(company, context.run.run_id)
        with building(company) as con:
            built = build_tables(con, night, [c.table for c in chosen])
            results = check_tables(con, night, chosen)
            versions = {c.table: content_version(con, c.table) for c in chosen}
            told = {c.table: told_of(con, c.table) for c in chosen}
        for contract in sorted(chosen, key=lambda c: order.index(c.table)):
            table = contract.table
            yield _materialized(company, contract, built[table], results, versions[table], told[table])

    return model


def _spec(company: Company, contract: Contract) -> dg.AssetSpec:
    upstream = [table for table in upstream_of(company, contract.table) if not table.startswith("meta.")]
    # meta.night stands for all of meta, and comes first even where a model does not read it: its checks may.
    deps = [key_of(table) for table in ("meta.night", *upstream)]
    return dg.AssetSpec(
        key_of(contract.table),
        deps=deps,
        description=f"{contract.description} {contract.grain}",
        group_name=contract.schema,
        kinds={"duckdb", "sql"},
        metadata={"dagster/column_schema": table_schema(contract), "dagster/table_name": contract.table},
    )


def _materialized(
    company: Company,
    contract: Contract,
    built: Built,
    results: Sequence[CheckResult],
    version: dg.DataVersion | None,
    told: Mapping[str, Any],
) -> dg.MaterializeResult:
    metadata: dict[str, Any] = {
        "dagster/row_count": built.rows,
        "seconds": round(built.seconds, 2),
        "rebuilt": built.rebuilt,
        **told,
    }
    lineage = lineage_of(company, contract.table)
    if lineage:
        metadata["dagster/column_lineage"] = column_lineage(lineage)
    return dg.MaterializeResult(
        asset_key=key_of(contract.table),
        metadata=metadata,
        check_results=results_of(contract, results),
        data_version=version,
    )
