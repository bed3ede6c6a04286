"""Raw assets: one job per source that loads it, one asset per table that mappings read.

How a load runs is loading.py's business.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import dagster as dg

from connectors.base import Finding, LoadReport
from pipelines.assets.metadata import findings_table
from pipelines.loading import LoadFailed, load_source
from warehouse.company import Company

FILES_CHECK = "every_file_was_read"
DRIFT_CHECK = "columns_are_as_before"
_DRIFT_KINDS = frozenset({"column_added", "column_dropped", "column_renamed", "column_type"})
_SHOWN = ("severity", "file", "line", "detail")


def load_assets(*, company: Company, source: str, tables: Sequence[str]) -> dg.AssetsDefinition:
    """The asset graph's view of one source: its raw tables, loaded together by one op."""
    config = company.config.sources[source]
    keys = {table: dg.AssetKey(["raw", source, table]) for table in tables}
    title = config.title or source
    specs = [
        dg.AssetSpec(
            key,
            description=f"`{table}` of {title}, as the source said it. The connector `{config.connector}` loads it "
            f"into `raw/{source}.duckdb`; mappings in `mappings/{source}/` read it.",
            group_name="raw",
            kinds={"duckdb", "dlt"},
            owners=[config.owner] if config.owner else None,
            tags={"source": source},
            freshness_policy=dg.FreshnessPolicy.time_window(
                fail_window=timedelta(hours=36), warn_window=timedelta(hours=26)
            ),
        )
        for table, key in keys.items()
    ]
    checks = [
        spec
        for key in keys.values()
        for spec in (
            dg.AssetCheckSpec(
                FILES_CHECK, asset=key, description="Every file of the table could be read, every line of it too."
            ),
            dg.AssetCheckSpec(DRIFT_CHECK, asset=key, description="No column appeared, vanished or changed its name."),
        )
    ]

    @dg.multi_asset(
        name=f"read_{source}",
        specs=specs,
        check_specs=checks,
        pool=f"raw_{source}",
        retry_policy=dg.RetryPolicy(max_retries=2, delay=20, backoff=dg.Backoff.EXPONENTIAL),
        description=f"Loads {title}.",
    )
    def load(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        try:
            report = load_source(company, source, context.run.run_id)
        except LoadFailed as error:
            raise dg.Failure(
                description=str(error),
                metadata={
                    "what happens now": "The warehouse is refreshed on this source's last good data and says so."
                },
                allow_retries=False,
            ) from error
        for finding in report.findings:
            context.log.warning(finding.detail)
        for table, key in keys.items():
            yield _materialized(key, table, report)

    return load


def _materialized(key: dg.AssetKey, table: str, report: LoadReport) -> dg.MaterializeResult:
    own = [f for f in report.findings if f.table in (table, None)]
    drift = [f for f in own if f.kind in _DRIFT_KINDS]
    files = [f for f in own if f.kind not in _DRIFT_KINDS and f.severity != "info"]
    return dg.MaterializeResult(
        asset_key=key,
        metadata={
            "rows_loaded": report.tables.get(table, 0),
            "files_read": len(report.files_read),
            "seconds": round(report.seconds, 2),
        },
        check_results=[_finding_check(key, FILES_CHECK, files), _finding_check(key, DRIFT_CHECK, drift)],
    )


def _finding_check(key: dg.AssetKey, name: str, found: Sequence[Finding]) -> dg.AssetCheckResult:
    metadata: dict[str, Any] = {"findings": len(found)}
    if found:
        metadata["what was found"] = findings_table([asdict(f) for f in found[:20]], _SHOWN)
    return dg.AssetCheckResult(
        asset_key=key, check_name=name, passed=not found, severity=dg.AssetCheckSeverity.WARN, metadata=metadata
    )
