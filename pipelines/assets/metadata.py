"""How tables look in the Dagster UI: contracts, lineage and findings turned into Dagster's own types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import duckdb

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


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def findings_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> dg.MetadataValue:
    """Rows of findings as a table in the UI."""
    records = [dg.TableRecord({c: _cell(row.get(c)) for c in columns}) for row in rows]
    return dg.MetadataValue.table(
        records=records, schema=dg.TableSchema(columns=[dg.TableColumn(name=c, type="string") for c in columns])
    )
