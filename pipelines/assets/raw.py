"""Raw assets: one job per source that loads it, one asset per table that mappings read.

How a load runs is loading.py's business.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import dagster as dg

from connectors import registry
from connectors._api.resource import RAW_MEANINGS
from connectors.base import Finding, LoadReport, SourceCount
from pipelines.assets.metadata import findings_table
from pipelines.loading import LoadFailed, load_source
from warehouse import meta, storage, store
from warehouse.company import Company
from warehouse.machine import MachineError
from warehouse.sql import quoted

_SHOWN = ("severity", "file", "line", "detail")


@dataclass(frozen=True, kw_only=True)
class _Check:
    """A check made of a load's findings: those of the kinds named, or all that no other check names."""

    name: str
    asks: str
    to_do: str
    kinds: frozenset[str] = frozenset()


FILES = _Check(
    name="every_file_was_read",
    asks="Every file of the table could be read, every line of it too.",
    to_do="Have the named files delivered again and leave them in the drop folder; the next night reads them. "
    "What was read before stays.",
)
RECORDS = _Check(
    name="every_record_was_read",
    asks="The source gave every record of the table, and every one of them could be kept.",
    to_do="Read the finding; `millpond check --connect` asks the source whether the key may read all that is wanted. "
    "Records set aside are in the raw file's table `_rejected_line`.",
)
DRIFT = _Check(
    name="columns_are_as_before",
    asks="No column appeared, vanished or changed its name or kind.",
    to_do="Look whether the mapping still names the right columns: `millpond check`.",
    kinds=frozenset({"column_added", "column_dropped", "column_renamed", "column_type"}),
)
COUNTS = _Check(
    name="rows_agree_with_the_source",
    asks="The raw file holds as many rows as the source says it has; rows that the source deleted do not count.",
    to_do="Compare `meta.source_count` night by night. A difference that stays: delete the source's raw file and load "
    "it anew with `millpond run --source`.",
    kinds=frozenset({"row_count", "refused_sweep"}),
)
VERSION = _Check(
    name="interface_version_is_served",
    asks="The vendor will go on serving the version of its interface that the connector speaks.",
    to_do="Update Millpond before the day named.",
    kinds=frozenset({"interface_version"}),
)


def load_assets(*, company: Company, source: str, tables: Sequence[str]) -> dg.AssetsDefinition:
    """The asset graph's view of one source: its raw tables, loaded together by one op."""
    config = company.config.sources[source]
    keys = {table: dg.AssetKey(["raw", source, table]) for table in tables}
    title = config.title or source
    checks = _checks(config.connector)
    specs = [
        dg.AssetSpec(
            key,
            description=f"`{table}` of {title}, as the source said it. The connector `{config.connector}` loads it "
            f"into `raw/{source}.duckdb`; mappings in `mappings/{source}/` or the connector's own read it.",
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

    @dg.multi_asset(
        name=f"read_{source}",
        specs=specs,
        check_specs=[
            dg.AssetCheckSpec(check.name, asset=key, description=check.asks)
            for key in keys.values()
            for check in checks
        ],
        pool=f"raw_{source}",
        retry_policy=dg.RetryPolicy(max_retries=2, delay=20, backoff=dg.Backoff.EXPONENTIAL),
        description=f"Loads {title}.",
    )
    def load(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        try:
            report = load_source(company, source, context.run.run_id)
        except LoadFailed as error:
            told = {"what is wrong": str(error), **_stays(company, source)}
            for key in keys.values():
                for check in checks:
                    looked = not check.kinds
                    yield _warn(key, check, told if looked else {"note": "Not looked at: nothing was loaded."})
            raise dg.Failure(description=str(error), metadata=_stays(company, source), allow_retries=False) from None
        except MachineError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        for finding in report.findings:
            context.log.warning(finding.detail)
        held = _held(company, source, list(keys))
        for table, key in keys.items():
            yield _materialized(key, table, report, held, checks)

    return load


def _checks(connector: str) -> list[_Check]:
    """The checks of a source's tables: those of files, or those of systems that can be asked."""
    if connector not in registry.names() or connector == "files":
        return [FILES, DRIFT]
    return [RECORDS, DRIFT, COUNTS, *([VERSION] if registry.get(connector).api else [])]


@dataclass(frozen=True)
class _Held:
    """What a source's raw file holds after the load: rows and columns of each table, and its state as a version."""

    rows: Mapping[str, int]
    columns: Mapping[str, dg.TableSchema]
    version: dg.DataVersion


def _held(company: Company, source: str, tables: Sequence[str]) -> _Held:
    """Look into the raw file. A load that changes nothing leaves it untouched, so its state tells what is new."""
    path = company.home.raw_file(source)
    rows: dict[str, int] = {}
    columns: dict[str, dg.TableSchema] = {}
    meanings = RAW_MEANINGS if registry.get(company.config.sources[source].connector).api else {}
    if not path.exists():  # the source has delivered nothing so far
        return _Held(rows, columns, dg.DataVersion("nothing"))
    with store.connect(path, read_only=True) as con:
        for table in (t for t in tables if store.exists(con, "raw", t)):
            counted = con.execute(f"SELECT count(*) FROM raw.{quoted(table)}").fetchone()
            rows[table] = int(counted[0]) if counted else 0
            described = con.execute(f"DESCRIBE raw.{quoted(table)}").fetchall()
            columns[table] = dg.TableSchema(
                [dg.TableColumn(name, kind, description=meanings.get(name)) for name, kind, *_ in described]
            )
    return _Held(rows, columns, dg.DataVersion(storage.state_of(path)))


def _stays(company: Company, source: str) -> dict[str, str]:
    """What happens while a source cannot be loaded."""
    note = meta.read_note(company.home, source)
    if note is None or note.last_success_at is None:
        return {"what happens now": "The warehouse is made without this source, which has never been loaded."}
    return {
        "what happens now": "The warehouse is refreshed on this source's last good data, and its status says stale. "
        f"Once mended: `millpond run --source {source}`, or wait for the night.",
        "last complete load": f"{note.last_success_at:%Y-%m-%d %H:%M} UTC",
        "stale since": f"{note.failing_since:%Y-%m-%d %H:%M} UTC" if note.failing_since else "now",
    }


def _materialized(
    key: dg.AssetKey, table: str, report: LoadReport, held: _Held, checks: Sequence[_Check]
) -> dg.MaterializeResult:
    own = [f for f in report.findings if f.table in (table, None)]
    counted = next((c for c in report.counts if c.table == table), None)
    metadata: dict[str, Any] = {
        "rows_new_or_changed": report.tables.get(table, 0),
        "files_read_of_source": len(report.files_read),
        "seconds_of_source": round(report.seconds, 2),
    }
    if table in held.rows:
        metadata |= {"dagster/row_count": held.rows[table], "dagster/column_schema": held.columns[table]}
    if counted is not None:
        metadata |= {"rows_at_the_source": counted.source_rows, "rows_held_live": counted.held_rows}
    return dg.MaterializeResult(
        asset_key=key,
        metadata=metadata,
        check_results=[_result(key, check, _of(check, own, checks), counted) for check in checks],
        data_version=held.version,
    )


def _of(check: _Check, found: Sequence[Finding], checks: Sequence[_Check]) -> list[Finding]:
    if check.kinds:
        return [f for f in found if f.kind in check.kinds]
    others = {kind for other in checks for kind in other.kinds}
    return [f for f in found if f.kind not in others and f.severity != "info"]


def _warn(key: dg.AssetKey, check: _Check, metadata: Mapping[str, str]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=key, check_name=check.name, passed=False, severity=dg.AssetCheckSeverity.WARN, metadata=metadata
    )


def _result(
    key: dg.AssetKey, check: _Check, found: Sequence[Finding], counted: SourceCount | None
) -> dg.AssetCheckResult:
    metadata: dict[str, Any] = {"findings": len(found)}
    if found:
        metadata["what was found"] = findings_table([asdict(f) for f in found[:20]], _SHOWN)
        metadata["what to do"] = check.to_do
    if check is COUNTS:
        metadata |= _counted(counted)
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=check.name,
        passed=not found,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=metadata,
    )


def _counted(counted: SourceCount | None) -> dict[str, Any]:
    if counted is None:
        return {"note": "The source does not say how many rows this table has."}
    return {
        "rows_at_the_source": counted.source_rows,
        "rows_held_live": counted.held_rows,
        "difference": counted.difference,
        "how": counted.how,
    }
