"""Clean assets: one op per domain cleans its entities and runs their checks; one asset per entity.

The work is refresh/clean.py and refresh/checks.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from pipelines.assets.checks import results_of, table_check_specs
from pipelines.assets.metadata import (
    column_lineage,
    content_version,
    findings_table,
    key_of,
    table_schema,
)
from pipelines.night import begin, building
from pipelines.refresh.checks import check_tables
from pipelines.refresh.clean import MAPPING_CHECK, Cleaned, check_mappings, clean_entities, issue_summary, reconcile
from quality import reconciliation
from quality.results import CheckResult
from transforms.lineage import trace
from warehouse.company import Company, MappingFile
from warehouse.contracts import Contract

RECONCILE_TEXT = "Every row of the sources is in clean, in quarantine, or replaced by a newer row. Blocks the publish."
MAPPING_TEXT = "Every mapping fits what its source delivers. Where one does not, the source's last good rows stay."


def clean_assets(
    *,
    company: Company,
    domain: str,
    contracts: Sequence[Contract],
    mappings: Sequence[MappingFile],
    raw_tables: Mapping[tuple[str, str], Sequence[str]],
) -> dg.AssetsDefinition:
    """The entities of one domain.

    Args:
        raw_tables: raw tables that the mapping of (source, entity) reads.
    """
    group = f"clean_{domain.lower()}"
    specs = [_spec(contract, group, mappings, raw_tables) for contract in contracts]
    checks = [spec for contract in contracts for spec in table_check_specs(contract)]
    for name, text in ((reconciliation.CHECK_NAME, RECONCILE_TEXT), (MAPPING_CHECK, MAPPING_TEXT)):
        checks += [dg.AssetCheckSpec(name, asset=key_of(c.table), description=text) for c in contracts]

    @dg.multi_asset(
        name=group,
        specs=specs,
        check_specs=checks,
        can_subset=True,
        pool="build",
        description=f"Cleans the {domain} entities: mends values by their semantic type and sets bad rows aside.",
    )
    def clean(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        chosen = [c for c in contracts if key_of(c.table) in context.selected_asset_keys]
        night = begin(company, context.run.run_id)
        with building(company) as con:
            cleaned = clean_entities(con, night, chosen, mappings)
            also = {c.table: [reconcile(con, night, c), _mapped(c, mappings, cleaned)] for c in chosen}
            results = check_tables(con, night, chosen, also=also)
            for contract in chosen:
                issues = issue_summary(con, contract.name)
                version = content_version(con, contract.table)
                yield _materialized(contract, cleaned[contract.name], results, issues, mappings, version)

    return clean


def _mapped(contract: Contract, mappings: Sequence[MappingFile], cleaned: Mapping[str, Cleaned]) -> CheckResult:
    own = [m for m in mappings if m.entity == contract.name]
    return check_mappings(contract, own, cleaned[contract.name])


def _spec(
    contract: Contract,
    group: str,
    mappings: Sequence[MappingFile],
    raw_tables: Mapping[tuple[str, str], Sequence[str]],
) -> dg.AssetSpec:
    own = [m for m in mappings if m.entity == contract.name]
    deps = {dg.AssetKey(["raw", m.source, t]) for m in own for t in raw_tables[m.source, m.entity]}
    # The checks need to know the day; without this Dagster may run the night's first step later.
    deps.add(key_of("meta.night"))
    deps |= {key_of(f"clean.{r.to_table}") for r in contract.references if r.to_table != contract.name}
    sources = ", ".join(m.source for m in own) or "no source yet; add mappings/<source>/" + contract.name + ".sql"
    return dg.AssetSpec(
        key_of(contract.table),
        deps=sorted(deps),
        description=f"{contract.description} {contract.grain}\n\nFrom: {sources}. Rows that break the contract are in "
        f"`quarantine.{contract.name}` with their reasons: `millpond quarantine {contract.name}`.",
        group_name=group,
        kinds={"duckdb", "polars"},
        metadata={
            "dagster/column_schema": table_schema(contract),
            "dagster/table_name": contract.table,
            "contract": f"warehouse/contracts/{contract.path.name}",
        },
    )


def _materialized(
    contract: Contract,
    cleaned: Cleaned,
    results: Sequence[CheckResult],
    issues: Sequence[Mapping[str, object]],
    mappings: Sequence[MappingFile],
    version: dg.DataVersion | None,
) -> dg.MaterializeResult:
    reports = cleaned.reports.values()
    metadata: dict[str, Any] = {
        "dagster/row_count": cleaned.rows,
        "quarantined_rows": cleaned.quarantined,
        "orphan_rows": cleaned.orphans,
        "rows_read": sum(r.read for r in reports),
        "rows_inserted": sum(r.inserted for r in reports),
        "rows_updated": sum(r.updated for r in reports),
        "rows_deleted": sum(r.deleted for r in reports),
        "seconds": round(cleaned.seconds, 2),
        "sources cleaned again": ", ".join(cleaned.reports) or "none: nothing had changed",
    }
    if issues:
        rejected_first = sorted(issues, key=lambda issue: issue["kind"] != "rejected")
        metadata["cleaning issues"] = findings_table(rejected_first, ("source", "column", "kind", "reason", "rows"))
    lineage = mapping_lineage(contract, mappings)
    if lineage:
        metadata["dagster/column_lineage"] = column_lineage(lineage)
    return dg.MaterializeResult(
        asset_key=key_of(contract.table),
        metadata=metadata,
        check_results=results_of(contract, results),
        data_version=version,
    )


def mapping_lineage(contract: Contract, mappings: Sequence[MappingFile]) -> dict[str, list[tuple[str, str]]]:
    """Raw columns behind each clean column, over all sources."""
    found: dict[str, list[tuple[str, str]]] = {}
    for mapping in mappings:
        if mapping.entity != contract.name:
            continue
        for column, origins in trace(mapping.sql).items():
            places = [(f"raw.{mapping.source}.{table.removeprefix('raw.')}", name) for table, name in origins]
            found.setdefault(column, []).extend(places)
    return found
