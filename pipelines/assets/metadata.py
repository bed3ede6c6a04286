"""How tables, checks and links look in the Dagster UI: contracts and results turned into Dagster's own types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import duckdb

from quality.results import CheckResult
from quality.suites import Check
from warehouse import meta
from warehouse.contracts import SYSTEM_COLUMNS, Column, Contract

Lineage = Mapping[str, Sequence[tuple[str, str]]]


def key_of(table: str) -> dg.AssetKey:
    """Asset key of a schema-qualified table."""
    return dg.AssetKey(table.split("."))


def content_version(con: duckdb.DuckDBPyConnection, table: str) -> dg.DataVersion | None:
    """The table's content as Dagster's data version, so that equal content makes nothing downstream out of date."""
    built = meta.fingerprint_of(con, table)
    return dg.DataVersion(str(built[1])) if built else None


def table_schema(contract: Contract) -> dg.TableSchema:
    """The contract's columns, with descriptions and constraints, as Dagster's column schema."""
    extra = SYSTEM_COLUMNS if contract.schema == "clean" else ()
    refers = {r.column: r.to_table if "." in r.to_table else f"clean.{r.to_table}" for r in contract.references}
    return dg.TableSchema(columns=[_column(c, refers.get(c.name)) for c in (*contract.columns, *extra)])


def _column(column: Column, refers_to: str | None) -> dg.TableColumn:
    tags = {"semantic_type": column.semantic_type}
    if column.classification:
        tags["classification"] = column.classification
    other = [f"refers to {refers_to}"] if refers_to else []
    other += [f"one of {', '.join(column.enum)}"] if column.enum else []
    return dg.TableColumn(
        name=column.name,
        type=column.duckdb_type,
        description=column.description,
        tags=tags,
        constraints=dg.TableColumnConstraints(nullable=not column.required, unique=column.unique, other=other),
    )


def column_lineage(lineage: Lineage) -> dg.TableColumnLineage:
    """Which column comes from which, for the UI's column lineage."""
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(asset_key=key_of(table), column_name=name) for table, name in origins]
            for column, origins in lineage.items()
            if origins
        }
    )


def check_spec(check: Check) -> dg.AssetCheckSpec:
    """An asset check; whether it blocks the publish is decided at the gate, once all results are in."""
    # Dagster calls every check non-blocking, for none of them stops the building of later tables.
    blocks = (
        "While it fails, **no warehouse is published**; analysts keep the version before."
        if check.severity == "error"
        else "A warning: the warehouse is published all the same."
    )
    return dg.AssetCheckSpec(
        name=check.name,
        asset=key_of(check.table),
        description=f"{check.description} {blocks}",
        metadata={"severity": check.severity},
    )


def check_result(result: CheckResult) -> dg.AssetCheckResult:
    """A result with its counts, a few failing rows and the SQL that finds them all."""
    metadata: dict[str, Any] = {"evaluated_rows": result.evaluated_rows, "failed_rows": result.failed_rows}
    if not result.passed:
        metadata["what to do"] = advice(result)
        if result.examples:
            metadata["examples"] = findings_table(result.examples, _names(result.examples))
        if result.sql:
            metadata["find all with `millpond query --build`"] = dg.MetadataValue.text(" ".join(result.sql.split()))
    return dg.AssetCheckResult(
        asset_key=key_of(result.table),
        check_name=result.name,
        passed=result.passed,
        severity=dg.AssetCheckSeverity.ERROR if result.severity == "error" else dg.AssetCheckSeverity.WARN,
        description=counted(result) if result.failed_rows else None,
        metadata=metadata,
    )


def counted(result: CheckResult) -> str:
    """How many rows break the rule."""
    share = f"{result.failed_pct:.2g}" if result.failed_pct < 100 else "100"
    return f"{result.failed_rows:,} of {result.evaluated_rows:,} rows ({share} %) break this rule."


def failure_line(result: CheckResult) -> str:
    """One failed check in one line: where, what, how many rows, and one of them."""
    parts = [f"{result.table}, {result.name}: {counted(result) if result.failed_rows else result.description}"]
    if result.examples:
        parts.append("For example " + ", ".join(f"{n} {_cell(v)}" for n, v in result.examples[0].items()) + ".")
    return " ".join(parts)


def advice(result: CheckResult) -> str:
    """What somebody does about a failed check."""
    if result.severity != "error":
        return "Blocks nothing. Look at the examples; correct the source, or relax the rule in the contract."
    if not result.failed_rows:
        return (
            "Look at what the source delivered this time, then run `millpond run` again; "
            "if it is right so, `millpond run --accept-counts`."
        )
    return "Correct these rows in the source system, or the mapping that reads them; then `millpond run`."


def check_link(result: CheckResult) -> dg.MetadataValue:
    """A link to the check's page, within this UI."""
    path = "/".join(result.table.split("."))
    return dg.MetadataValue.url(f"/assets/{path}?view=checks&checkDetail={result.name}")


def _names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def findings_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> dg.MetadataValue:
    """Rows of findings as a table in the UI."""
    records = [dg.TableRecord({c: _cell(row.get(c)) for c in columns}) for row in rows]
    return dg.MetadataValue.table(
        records=records, schema=dg.TableSchema(columns=[dg.TableColumn(name=c, type="string") for c in columns])
    )
