"""How tables, checks and links look in the Dagster UI: contracts and results turned into Dagster's own types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from quality.results import CheckResult
from quality.suites import Check
from warehouse.contracts import SYSTEM_COLUMNS, Column, Contract

Lineage = Mapping[str, Sequence[tuple[str, str]]]


def key_of(table: str) -> dg.AssetKey:
    """Asset key of a schema-qualified table."""
    return dg.AssetKey(table.split("."))


def table_schema(contract: Contract) -> dg.TableSchema:
    """The contract's columns, with descriptions and constraints, as Dagster's column schema."""
    extra = SYSTEM_COLUMNS if contract.schema == "clean" else ()
    return dg.TableSchema(columns=[_column(c) for c in (*contract.columns, *extra)])


def _column(column: Column) -> dg.TableColumn:
    tags = {"semantic_type": column.semantic_type}
    if column.classification:
        tags["classification"] = column.classification
    other = [f"one of {', '.join(column.enum)}"] if column.enum else []
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
    blocks = "Blocks the publish." if check.severity == "error" else "A warning; the publish goes on."
    return dg.AssetCheckSpec(
        name=check.name,
        asset=key_of(check.table),
        description=f"{check.description} {blocks}",
        metadata={"severity": check.severity},
    )


def check_result(result: CheckResult) -> dg.AssetCheckResult:
    """A result with its counts, a few failing rows and the SQL that finds them all."""
    metadata: dict[str, Any] = {
        "failed_rows": result.failed_rows,
        "evaluated_rows": result.evaluated_rows,
        "failed_pct": round(result.failed_pct, 4),
    }
    if not result.passed:
        metadata["what to do"] = _advice(result)
        if result.examples:
            metadata["examples"] = _examples(result.examples)
        if result.sql:
            metadata["find all failing rows"] = dg.MetadataValue.md(f"```sql\n{result.sql}\n```")
    return dg.AssetCheckResult(
        asset_key=key_of(result.table),
        check_name=result.name,
        passed=result.passed,
        severity=dg.AssetCheckSeverity.ERROR if result.severity == "error" else dg.AssetCheckSeverity.WARN,
        metadata=metadata,
    )


def _advice(result: CheckResult) -> str:
    if result.severity == "error":
        return (
            "Nothing is published until this is mended: correct the rows at the source or the mapping, and run again."
        )
    return "Published all the same. Look at the examples; correct the source, or relax the rule in the contract."


def _examples(rows: Sequence[Mapping[str, Any]]) -> dg.MetadataValue:
    names = list(dict.fromkeys(name for row in rows for name in row))
    records = [dg.TableRecord({n: _cell(row.get(n)) for n in names}) for row in rows]
    schema = dg.TableSchema(columns=[dg.TableColumn(name=n, type="string") for n in names])
    return dg.MetadataValue.table(records=records, schema=schema)


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def findings_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> dg.MetadataValue:
    """Rows of findings as a table in the UI."""
    records = [dg.TableRecord({c: _cell(row.get(c)) for c in columns}) for row in rows]
    return dg.MetadataValue.table(
        records=records, schema=dg.TableSchema(columns=[dg.TableColumn(name=c, type="string") for c in columns])
    )
