"""Data contracts: what every table of the warehouse holds, read from ODCS 3.1 files into plain frozen types.

The YAML files beside this module are the single source of columns, types, descriptions, cleaning rules, quality
rules and personal-data classes. Nothing here touches a database; DDL, checks and docs derive from these types.
"""

from __future__ import annotations

import functools
import graphlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

CONTRACT_DIR = Path(__file__).parent / "contracts"

Severity = Literal["error", "warning"]
OnOrphan = Literal["quarantine", "warn"]


class ContractError(Exception):
    """A contract file that cannot be used; the message names the file and the mend."""


@dataclass(frozen=True)
class Reference:
    """A foreign key. In `clean` it holds within one source: (source, column) → (source, source_id)."""

    column: str
    to_table: str
    to_column: str
    on_orphan: OnOrphan


@dataclass(frozen=True)
class Column:
    """A column with its DuckDB type, the semantic type that picks its cleaning rule, and its limits."""

    name: str
    duckdb_type: str
    semantic_type: str
    description: str
    required: bool = False
    unique: bool = False
    primary_key: bool = False
    enum: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    currency_column: str | None = None
    classification: str | None = None


@dataclass(frozen=True)
class Rule:
    """A quality rule: `condition` is true for the rows that break it."""

    name: str
    description: str
    severity: Severity
    condition: str


@dataclass(frozen=True)
class Contract:
    """One table of the warehouse.

    `is_lasting`: that it cannot be made again from what the sources say today. `any_count`: that it has few rows or
    none tells nothing, as people work them off.
    """

    schema: str
    name: str
    domain: str
    description: str
    grain: str
    columns: tuple[Column, ...]
    references: tuple[Reference, ...]
    rules: tuple[Rule, ...]
    freshness_hours: int | None
    version: str
    path: Path
    any_count: bool = False
    is_lasting: bool = False

    @property
    def table(self) -> str:
        """Schema-qualified name, as SQL and the asset keys use it."""
        return f"{self.schema}.{self.name}"

    @property
    def key(self) -> tuple[str, ...]:
        """Names of the primary key's columns."""
        return tuple(c.name for c in self.columns if c.primary_key)

    def column(self, name: str) -> Column:
        """The column of that name; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.table} has no column {name}")


#: Columns that every `clean` table carries after those of its contract. Mappings may give the first three.
SYSTEM_COLUMNS: tuple[Column, ...] = (
    Column(
        "source_updated_at",
        "TIMESTAMPTZ",
        "timestamp",
        "When the source last changed the record, where it says so.",
    ),
    Column("is_deleted", "BOOLEAN", "boolean", "True where the source has deleted the record.", required=True),
    Column("extra", "JSON", "json", "Fields of the source that no column of the contract takes."),
    Column("original", "JSON", "json", "What the source said, for the columns that cleaning changed."),
    Column("source_file", "VARCHAR", "text", "File that the row came from, for file sources."),
    Column("source_row", "BIGINT", "integer", "Line or record number in that file."),
    Column("row_hash", "VARCHAR", "text", "Hash of the row's values; unchanged rows keep it from night to night."),
    Column("cleaned_at", "TIMESTAMPTZ", "timestamp", "When the row last changed here."),
)


def load_contract(path: Path) -> Contract:
    """Read one ODCS file.

    Raises:
        ContractError: the file is no valid contract, or uses something Millpond cannot act on.
    """
    from open_data_contract_standard.model import OpenDataContractStandard
    from pydantic import ValidationError
    from yaml import YAMLError

    try:
        document = OpenDataContractStandard.from_file(str(path))
    except (ValidationError, YAMLError, TypeError) as error:
        first = str(error).splitlines()[0]
        raise ContractError(f"{path.name} is not a valid ODCS 3.1 contract: {first}. Mend the file.") from error
    if not document.schema_ or len(document.schema_) != 1:
        raise ContractError(f"{path.name} must describe exactly one table under `schema`.")
    table = document.schema_[0]
    schema, _, name = (table.physicalName or "").partition(".")
    if not name:
        raise ContractError(f"{path.name}: physicalName must be schema.table, such as clean.contact.")
    columns = tuple(_column(path, prop) for prop in table.properties or [])
    sla = {p.property: p.value for p in document.slaProperties or []}
    return Contract(
        schema=schema,
        name=name,
        domain=document.domain or schema,
        description=(table.description or "").strip(),
        grain=(table.dataGranularityDescription or "").strip(),
        columns=columns,
        references=tuple(r for prop in table.properties or [] for r in _references(path, prop)),
        rules=tuple(_rule(path, f"{schema}.{name}", q) for q in table.quality or []),
        freshness_hours=int(str(sla["freshness"])) if "freshness" in sla else None,
        version=document.version or "0",
        path=path,
        any_count=bool(_custom(table).get("anyCount", False)),
        is_lasting=bool(_custom(table).get("lasting", False)),
    )


def _column(path: Path, prop: Any) -> Column:
    if not (prop.name and prop.physicalType and prop.description):
        raise ContractError(f"{path.name}: column {prop.name or '?'} needs a name, a physicalType and a description.")
    options = prop.logicalTypeOptions or {}
    return Column(
        name=prop.name,
        duckdb_type=prop.physicalType,
        semantic_type=prop.semanticType or "text",
        description=prop.description.strip(),
        required=bool(prop.required),
        unique=bool(prop.unique),
        primary_key=bool(prop.primaryKey),
        enum=tuple(str(e.value) for e in prop.enum or []),
        minimum=options.get("minimum"),
        maximum=options.get("maximum"),
        currency_column=_custom(prop).get("currencyColumn"),
        classification=prop.classification,
    )


def _references(path: Path, prop: Any) -> Iterable[Reference]:
    for relation in prop.relationships or []:
        target = relation.to if isinstance(relation.to, str) else ""
        to_table, _, to_column = target.rpartition(".")
        if not to_table:
            raise ContractError(f"{path.name}: the relationship of {prop.name} must point to table.column.")
        on_orphan = _custom(relation).get("onOrphan", "warn")
        yield Reference(column=prop.name, to_table=to_table, to_column=to_column, on_orphan=on_orphan)


def _rule(path: Path, table: str, quality: Any) -> Rule:
    """Rules are ODCS `sql` checks of the form SELECT count(*) FROM <table> WHERE <what breaks it>, mustBe 0."""
    head = f"SELECT count(*) FROM {table} WHERE "
    query = " ".join((quality.query or "").split())
    if quality.type != "sql" or quality.mustBe != 0 or not query.startswith(head):
        raise ContractError(
            f"{path.name}: quality rule {quality.name} must be type sql, mustBe 0, and start with `{head}`."
        )
    severity: Severity = quality.severity or "error"
    if severity not in ("error", "warning"):
        raise ContractError(f"{path.name}: quality rule {quality.name} has severity {severity}; use error or warning.")
    return Rule(quality.name, (quality.description or "").strip(), severity, query.removeprefix(head))


def _custom(thing: Any) -> dict[str, Any]:
    return {p.property: p.value for p in thing.customProperties or []}


@functools.cache
def entities() -> dict[str, Contract]:
    """All entities of the clean layer by name, parents before children."""
    loaded = {c.name: c for c in (load_contract(p) for p in sorted(CONTRACT_DIR.glob("*.odcs.yaml")))}
    graph = {c.name: {r.to_table for r in c.references if r.to_table in loaded} - {c.name} for c in loaded.values()}
    return {name: loaded[name] for name in graphlib.TopologicalSorter(graph).static_order()}


@functools.cache
def tables() -> dict[str, Contract]:
    """All published tables by schema-qualified name: entities, then identity, core, mart, insight, meta."""
    derived = [load_contract(p) for p in sorted(CONTRACT_DIR.glob("*/*.odcs.yaml"))]
    return {c.table: c for c in [*entities().values(), *derived]}


@functools.cache
def lasting() -> tuple[Contract, ...]:
    """Tables that must never be lost, since no source could give them again: ids, histories, how the nights went."""
    return tuple(c for c in tables().values() if c.is_lasting)
