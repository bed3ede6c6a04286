"""The last assets: anomalies, and the published warehouse with its gate and the freshness of every source."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg
import duckdb

from pipelines.assets.clean import results_of, table_check_specs
from pipelines.assets.metadata import findings_table, key_of, table_schema
from pipelines.night import begin, building
from pipelines.refresh import insight, prepare, release
from pipelines.refresh.checks import check_tables
from quality.gate import sentence
from warehouse import publish
from warehouse.company import Company
from warehouse.contracts import Contract

NIGHT = dg.AssetKey(["meta", "night"])
WAREHOUSE = dg.AssetKey("warehouse")


def night_asset(*, company: Company) -> dg.AssetsDefinition:
    """The first step of a refresh."""

    @dg.asset(
        key=NIGHT,
        group_name="night",
        kinds={"duckdb"},
        pool="build",
        description="What night it is, and how fresh every source is: `meta.night`, `meta.source_status`, "
        "`meta.finding`, `meta.drift`, `meta.source_file`.",
    )
    def night(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        tonight = begin(company, context.run.run_id)
        with building(company) as con:
            prepare.start(con, tonight)
            return dg.MaterializeResult(metadata={"as_of": str(tonight.as_of), "sources": _source_table(con)})

    return night


def anomaly_asset(*, company: Company, contract: Contract) -> dg.AssetsDefinition:
    """insight.anomaly."""

    @dg.multi_asset(
        name="detect_anomalies",
        specs=[
            dg.AssetSpec(
                key_of(contract.table),
                deps=[key_of("mart.metric_daily")],
                description=f"{contract.description} {contract.grain}",
                group_name="insight",
                kinds={"duckdb", "polars"},
                metadata={"dagster/column_schema": table_schema(contract), "dagster/table_name": contract.table},
            )
        ],
        check_specs=table_check_specs(contract),
        pool="build",
        description="Judges every day of every metric by the days before it.",
    )
    def anomalies(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        night = begin(company, context.run.run_id)
        with building(company) as con:
            found = insight.detect_anomalies(con, night)
            results = check_tables(con, night, [contract])
            recent = insight.recent(con)
        metadata: dict[str, Any] = {"dagster/row_count": found, "anomalies_last_7_days": len(recent)}
        if recent:
            metadata["last 7 days"] = findings_table(recent, ("date", "metric", "sentence"))
        yield dg.MaterializeResult(
            asset_key=key_of(contract.table), metadata=metadata, check_results=results_of(contract, results)
        )

    return anomalies


def warehouse_asset(*, company: Company, deps: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    """The published warehouse."""
    sources = list(company.config.sources)

    @dg.asset(
        key=WAREHOUSE,
        deps=deps,
        group_name="warehouse",
        kinds={"duckdb"},
        pool="build",
        check_specs=[
            dg.AssetCheckSpec(
                f"{name}_is_fresh",
                asset=WAREHOUSE,
                description=f"Source {name} loaded completely within the hours that its contracts promise.",
            )
            for name in sources
        ],
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=timedelta(hours=36), warn_window=timedelta(hours=26)
        ),
        description="`warehouse.duckdb`, the analysts' snapshot. Replaced in one step, and only when no check of "
        "severity error failed; otherwise yesterday's stays. `millpond versions` lists the last ones, "
        "`millpond rollback` goes back.",
    )
    def warehouse(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        night = begin(company, context.run.run_id)
        with building(company) as con:
            try:
                done = release.release(con, night)
            except release.NotPublished as blocked:
                raise dg.Failure(
                    description=str(blocked), metadata=_blocked(company, blocked), allow_retries=False
                ) from blocked
            checks = _fresh_checks(con)
        version = done.published.version
        metadata: dict[str, Any] = {
            "version": version.name,
            "dagster/row_count": done.published.rows,
            "tables": done.published.tables,
            "size_mb": round(version.size_bytes / 1e6, 1),
            "verdict": done.verdict.headline(),
            "file": dg.MetadataValue.path(str(company.home.warehouse)),
        }
        if done.verdict.warnings:
            metadata["warnings"] = dg.MetadataValue.md(
                "\n".join(f"- {sentence(w)}" for w in done.verdict.warnings[:20])
            )
        return dg.MaterializeResult(metadata=metadata, check_results=checks)

    return warehouse


def _blocked(company: Company, blocked: release.NotPublished) -> dict[str, Any]:
    held = next((v for v in publish.versions(company.home) if v.is_current), None)
    stays = f"version {held.name}, published {held.published_at:%Y-%m-%d %H:%M} UTC" if held else "nothing yet"
    reasons = "\n".join(f"- {sentence(r)}" for r in blocked.verdict.blocking[:20])
    return {"what blocks": dg.MetadataValue.md(reasons), "analysts still see": stays}


def _fresh_checks(con: duckdb.DuckDBPyConnection) -> list[dg.AssetCheckResult]:
    rows = con.execute(
        "SELECT source, status, last_success_at, stale_since, message FROM meta.source_status ORDER BY source"
    ).fetchall()
    return [
        dg.AssetCheckResult(
            asset_key=WAREHOUSE,
            check_name=f"{source}_is_fresh",
            passed=status == "fresh",
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "status": status,
                "last complete load": str(last),
                "stale since": str(since),
                "message": message or "",
            },
        )
        for source, status, last, since, message in rows
    ]


def _source_table(con: duckdb.DuckDBPyConnection) -> dg.MetadataValue:
    columns = ("source", "status", "last_success_at", "row_count", "finding_count", "message")
    rows = con.execute(f"SELECT {', '.join(columns)} FROM meta.source_status ORDER BY source").fetchall()
    return findings_table([dict(zip(columns, row, strict=True)) for row in rows], columns)
