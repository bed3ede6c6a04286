"""The last assets: anomalies, and the published warehouse with its gate and the freshness of every source."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import dagster as dg
import duckdb

from pipelines.assets.checks import check_link, failed_table, results_of, table_check_specs
from pipelines.assets.metadata import content_version, findings_table, key_of, table_schema
from pipelines.instance import forget_old_runs
from pipelines.night import begin, building
from pipelines.refresh import insight, prepare, release, upkeep
from pipelines.refresh.checks import check_tables
from quality import clock, pace, rebuild, storage
from quality.gate import Verdict
from quality.results import CheckResult
from warehouse import publish
from warehouse.company import Company
from warehouse.contracts import Contract
from warehouse.storage import Compacted, remove_leftovers

GATE_CHECK = "nothing_blocks_the_publish"
GATE_TEXT = "No check of severity error failed tonight. When one did, analysts keep the version before."

CLOCK_TEXT = "The machine's clock is later than on the night before."
PACE_TEXT = "No step took much longer than it usually does for as many rows; `meta.step` has all of them."
REBUILD_TEXT = "Tables that `millpond run --full` made anew are as following the changes had made them."
ROOM_TEXT = (
    f"The disk has room for the next night, and for {storage.NOTICE} nights at the pace of the last ones. "
    "`meta.storage` says what takes it."
)

NIGHT = dg.AssetKey(["meta", "night"])
WAREHOUSE = dg.AssetKey("warehouse")


def night_asset(*, company: Company) -> dg.AssetsDefinition:
    """The first step of a refresh."""

    @dg.asset(
        key=NIGHT,
        group_name="night",
        kinds={"duckdb"},
        pool="build",
        check_specs=[dg.AssetCheckSpec(clock.CHECK_NAME, asset=NIGHT, description=CLOCK_TEXT)],
        description="What night it is, and how fresh every source is: `meta.night`, `meta.source_status`, "
        "`meta.finding`, `meta.drift`, `meta.source_file`.",
    )
    def night(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        tonight = begin(company, context.run.run_id)
        remove_leftovers(company.home)
        upkeep.require_room(company)
        with building(company) as con:
            forward = prepare.start(con, tonight)
            metadata: dict[str, Any] = {"as_of": str(tonight.as_of), "sources": _source_table(con)}
        # Always the same version: a new day by itself leaves no table out of date.
        return dg.MaterializeResult(
            metadata=metadata, data_version=dg.DataVersion("every night"), check_results=[_clock_check(forward)]
        )

    return night


def _clock_check(forward: CheckResult) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=NIGHT,
        check_name=clock.CHECK_NAME,
        passed=forward.passed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"what is there": forward.description},
    )


def anomaly_asset(*, company: Company, contract: Contract) -> dg.AssetsDefinition:
    """insight.anomaly."""

    @dg.multi_asset(
        name="detect_anomalies",
        specs=[
            dg.AssetSpec(
                key_of(contract.table),
                deps=[NIGHT, key_of("mart.metric_daily")],
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
            version = content_version(con, contract.table)
        metadata: dict[str, Any] = {"dagster/row_count": found, "anomalies_last_7_days": len(recent)}
        if recent:
            metadata["last 7 days"] = findings_table(recent, ("date", "metric", "sentence"))
        yield dg.MaterializeResult(
            asset_key=key_of(contract.table),
            metadata=metadata,
            check_results=results_of(contract, results),
            data_version=version,
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
            dg.AssetCheckSpec(GATE_CHECK, asset=WAREHOUSE, description=GATE_TEXT),
            dg.AssetCheckSpec(pace.CHECK_NAME, asset=WAREHOUSE, description=PACE_TEXT),
            dg.AssetCheckSpec(rebuild.CHECK_NAME, asset=WAREHOUSE, description=REBUILD_TEXT),
            dg.AssetCheckSpec(storage.CHECK_NAME, asset=WAREHOUSE, description=ROOM_TEXT),
            *(
                dg.AssetCheckSpec(
                    f"{name}_is_fresh",
                    asset=WAREHOUSE,
                    description=f"Source {name} loaded completely within the hours that its contracts promise.",
                )
                for name in sources
            ),
        ],
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=timedelta(hours=36), warn_window=timedelta(hours=26)
        ),
        description="`warehouse.duckdb`, the analysts' snapshot. Replaced in one step, and only when no check of "
        "severity error failed; otherwise yesterday's stays. `millpond versions` lists the last ones, "
        "`millpond rollback` goes back.",
    )
    def warehouse(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        night = begin(company, context.run.run_id)
        with building(company) as con:
            fresh = _fresh_checks(con)
            outlook = upkeep.measure(con, night)
            wasteful = upkeep.wasteful(con, night)
            outcome = release.release(con, night)
        compacted = upkeep.compact(company.home, wasteful)
        forget_old_runs(context.instance, keep=company.config.keep_runs)
        yield from fresh
        for check in outcome.checks:
            yield dg.AssetCheckResult(
                asset_key=WAREHOUSE,
                check_name=check.name,
                passed=check.passed,
                severity=dg.AssetCheckSeverity.WARN,
                description=check.description,
                metadata={"found": findings_table(check.examples, list(check.examples[0]))} if check.examples else {},
            )
        yield _room_check(outlook)
        if outcome.published is None:
            yield dg.AssetCheckResult(
                asset_key=WAREHOUSE, check_name=GATE_CHECK, passed=False, metadata=_blocked(company, outcome.verdict)
            )
            raise dg.Failure(
                description=outcome.verdict.told(), metadata=_blocked(company, outcome.verdict), allow_retries=False
            )
        yield dg.AssetCheckResult(asset_key=WAREHOUSE, check_name=GATE_CHECK, passed=True)
        metadata = _published(company, outcome.published, outcome.verdict) | _room(outlook, compacted)
        yield dg.MaterializeResult(metadata=metadata)

    return warehouse


def _published(company: Company, done: publish.Published, verdict: Verdict) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "version": done.version.name,
        "dagster/row_count": done.rows,
        "tables": done.tables,
        "size_mb": round(done.version.size_bytes / 1e6, 1),
        "verdict": verdict.headline(),
        "file": dg.MetadataValue.path(str(company.home.warehouse)),
    }
    if verdict.warnings:
        metadata["checks that warn"] = failed_table(verdict.warnings)
    return metadata


def _blocked(company: Company, verdict: Verdict) -> dict[str, Any]:
    held = next((v for v in publish.versions(company.home) if v.is_current), None)
    stays = f"version {held.name}, published {held.published_at:%Y-%m-%d %H:%M} UTC" if held else "nothing yet"
    links = {f"see {r.table} {r.name}": check_link(r) for r in verdict.blocking[:5]}
    also = {"checks that only warn": failed_table(verdict.warnings)} if verdict.warnings else {}
    return {"analysts still see": stays, "blocked by": failed_table(verdict.blocking), **links, **also}


def _room_check(outlook: storage.Outlook) -> dg.AssetCheckResult:
    told = {"what is there": outlook.sentence(), **({"what to do": storage.TO_DO} if outlook.is_short else {})}
    return dg.AssetCheckResult(
        asset_key=WAREHOUSE,
        check_name=storage.CHECK_NAME,
        passed=not outlook.is_short,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=told,
    )


def _room(outlook: storage.Outlook, compacted: Sequence[Compacted]) -> dict[str, Any]:
    """What the data home takes, plotted night by night."""
    metadata: dict[str, Any] = {"data_home_bytes": outlook.size, "disk_free_bytes": outlook.disk_free}
    if outlook.nights is not None:
        metadata["nights_until_disk_is_full"] = outlook.nights
    if compacted:
        metadata["compacted"] = findings_table([asdict(one) for one in compacted], ("part", "before", "after"))
    return metadata


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
                "status": status.replace("_", " "),
                "last complete load": f"{last:%Y-%m-%d %H:%M} UTC" if last else "never",
                **({"stale since": f"{since:%Y-%m-%d %H:%M} UTC"} if since else {}),
                **({"what is wrong": message} if message else {}),
            },
        )
        for source, status, last, since, message in rows
    ]


def _source_table(con: duckdb.DuckDBPyConnection) -> dg.MetadataValue:
    columns = ("source", "status", "last_success_at", "row_count", "finding_count", "message")
    rows = con.execute(f"SELECT {', '.join(columns)} FROM meta.source_status ORDER BY source").fetchall()
    return findings_table([dict(zip(columns, row, strict=True)) for row in rows], columns)
