"""Cleaning: every mapped source of an entity into clean.<entity>, orphans set aside, versions noted."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

import transforms.clean
from pipelines.night import Night, progress
from quality import integrity, reconciliation, volume
from quality.results import CheckResult, percent
from transforms.mapping import MappingError
from warehouse import changes, meta, records, storage, store
from warehouse.company import Company, MappingFile
from warehouse.contracts import Contract
from warehouse.digest import code_digest, digest
from warehouse.sql import quoted

if TYPE_CHECKING:
    from transforms.clean.load import CleanReport

MAPPING_CHECK = "every_mapping_runs"
#: How a mapping shows that it does not fit the data; anything else is a fault of the night.
UNUSABLE = (
    MappingError,
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ConversionException,
    duckdb.InvalidInputException,
)


#: Libraries whose other version may clean a value otherwise.
CLEANED_BY = ("babel", "duckdb", "email-validator", "orjson", "phonenumbers", "polars", "pycountry", "sqlglot")


@dataclass
class Cleaned:
    """What became of an entity tonight: `reports` of the sources cleaned again, reasons of those that `failed`.

    `version` is that of the table's content, as far as it is known while it is written.
    """

    entity: str
    reports: dict[str, CleanReport] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    orphans: int = 0
    rows: int = 0
    quarantined: int = 0
    changed: bool = False
    version: str | None = None
    seconds: float = 0.0

    @property
    def cleaned(self) -> int | None:
        """Rows that were cleaned again; None where all rows of a source were."""
        counts = [report.cleaned for report in self.reports.values()]
        return None if None in counts else sum(n for n in counts if n is not None)


def clean_entities(
    con: duckdb.DuckDBPyConnection,
    night: Night,
    contracts: Sequence[Contract],
    mappings: Sequence[MappingFile],
) -> dict[str, Cleaned]:
    """Clean entities (parents before children), set orphans aside, and note what changed."""
    from transforms.clean import memory

    found: dict[str, Cleaned] = {}
    with memory.attached(con, night.company.home.cleaning):
        for done, contract in enumerate(contracts):
            progress("clean", done, len(contracts))
            own = [m for m in mappings if m.entity == contract.name]
            found[contract.name] = _clean_entity(con, night, contract, own)
    _sweep_orphans(con, night, contracts, found)
    for contract in contracts:
        _conclude(con, night, contract, found[contract.name])
    progress("clean", len(contracts), len(contracts))
    return found


def is_stale(con: duckdb.DuckDBPyConnection, company: Company, contract: Contract, own: Sequence[MappingFile]) -> bool:
    """Whether cleaning the entity would have anything to do."""
    if _is_unsettled(con, contract) or _strangers(con, contract, own) or _has_parents_moved(con, contract):
        return True
    return any(_is_due(con, company, contract, m) for m in own if company.home.raw_file(m.source).exists())


def reconcile(con: duckdb.DuckDBPyConnection, night: Night, contract: Contract) -> CheckResult:
    """Whether every row that the mappings gave is in clean, in quarantine or replaced, counted where they lie now."""
    held = {schema: _rows_by_source(con, schema, contract.name) for schema in ("clean", "quarantine")}
    read = con.execute(
        "SELECT source, raw_rows, superseded_rows FROM meta.reconciliation WHERE entity = ?", [contract.name]
    ).fetchall()
    parts = [
        reconciliation.Reconciliation(
            source=source,
            entity=contract.name,
            raw_rows=raw_rows,
            clean_rows=held["clean"].get(source, 0),
            quarantined_rows=held["quarantine"].get(source, 0),
            superseded_rows=superseded,
        )
        for source, raw_rows, superseded in read
    ]
    reconciliation.record_reconciliation(con, parts, night.run_id, night.now)
    return reconciliation.check_reconciliation(contract.name, parts)


def check_mappings(contract: Contract, own: Sequence[MappingFile], cleaned: Cleaned) -> CheckResult:
    """Whether every mapping of the entity could be used; where not, the source's last good rows stay."""
    return CheckResult(
        name=MAPPING_CHECK,
        table=contract.table,
        severity="warning",
        passed=not cleaned.failed,
        evaluated_rows=len(own),
        failed_rows=len(cleaned.failed),
        failed_pct=percent(len(cleaned.failed), len(own)),
        examples=[{"source": source, "reason": reason} for source, reason in cleaned.failed.items()],
        sql="",
        description="Every mapping of the entity fits what its source delivers. A source whose mapping does not keeps "
        "its last good rows.",
    )


def _clean_entity(
    con: duckdb.DuckDBPyConnection, night: Night, contract: Contract, own: Sequence[MappingFile]
) -> Cleaned:
    started = time.monotonic()
    outcome = Cleaned(contract.name, version=_version(con, contract))
    for source in _strangers(con, contract, own):
        meta.unsettle(con, contract.table)
        _forget(con, contract, source)
        outcome.changed, outcome.version = True, None
    if outcome.changed and not own:
        volume.forget_counts(con, contract.table)
    for mapping in own:
        if not night.company.home.raw_file(mapping.source).exists():
            continue
        if _is_due(con, night.company, contract, mapping):
            try:
                report = _clean_source(con, night, contract, mapping, outcome.version)
                outcome.reports[mapping.source], outcome.version = report, report.version
            except UNUSABLE as error:
                outcome.failed[mapping.source] = f"{mapping.path}: {str(error).splitlines()[0]}"
    outcome.seconds = time.monotonic() - started
    return outcome


def _clean_source(
    con: duckdb.DuckDBPyConnection, night: Night, contract: Contract, mapping: MappingFile, version: str | None
) -> CleanReport:
    """Clean a source's rows, by what changed where it is certain what was there: `version` is the table's."""
    from transforms.clean.load import clean_source
    from transforms.clean.memory import Memory

    company = night.company
    fingerprint = _fingerprint(company, contract, mapping)
    before = meta.fingerprint_of(con, _object(contract, mapping.source))
    mark = before[1] if before and before[0] != meta.UNSETTLED else None
    recipe = _recipe(company, contract, mapping)
    known = Memory(con, entity=contract.name, source=mapping.source, recipe=recipe, mark=mark)
    meta.unsettle(con, contract.table, _object(contract, mapping.source))
    with store.attached_raw(con, company.home, mapping.source) as catalog:
        report = clean_source(
            con,
            contract=contract,
            source=mapping.source,
            mapping_sql=mapping.sql,
            raw_catalog=catalog,
            context=transforms.clean.CleanContext(
                country=company.config.country,
                base_currency=company.config.base_currency,
                timezone=company.config.timezone,
            ),
            now=night.now,
            version=version,
            known=known,
            returning=integrity.returning(con, contract, mapping.source),
            progress=progress,
        )
    counts = reconciliation.Reconciliation(
        source=mapping.source,
        entity=contract.name,
        raw_rows=report.read,
        clean_rows=report.accepted,
        quarantined_rows=report.quarantined,
        superseded_rows=report.superseded + report.duplicates,
    )
    reconciliation.record_reconciliation(con, [counts], night.run_id, night.now)
    # Last of all: a night killed before this is not certain what is in the build database, and the next cleans all.
    meta.remember(con, _object(contract, mapping.source), fingerprint=fingerprint, version=known.mark, at=night.now)
    return report


def _sweep_orphans(
    con: duckdb.DuckDBPyConnection, night: Night, contracts: Sequence[Contract], found: Mapping[str, Cleaned]
) -> None:
    """Set aside rows of the entities whose parents are missing, also where only the parents changed."""
    children = {c.name: c for c in contracts if integrity.references_of(c)}
    meta.unsettle(con, *(c.table for c in children.values()))
    versions = {name: found[name].version for name in children}
    for name, swept in integrity.sweep_orphans(con, children, night.now, versions).items():
        found[name].orphans, found[name].version = swept.moved, swept.version


def _conclude(con: duckdb.DuckDBPyConnection, night: Night, contract: Contract, outcome: Cleaned) -> None:
    """Count, and give the table a new version if its content is another."""
    outcome.rows = _count(con, "clean", contract.name)
    outcome.quarantined = _count(con, "quarantine", contract.name)
    before = meta.fingerprint_of(con, contract.table)
    if outcome.reports or outcome.orphans or outcome.changed or before is None or _is_unsettled(con, contract):
        version = outcome.version or records.version_of(con, contract)
        outcome.changed = before is None or before[1] != version
        meta.remember(con, contract.table, fingerprint="", version=version, at=night.now)
        meta.note_step(
            con,
            run_id=night.run_id,
            step=contract.table,
            kind="clean",
            rows=outcome.rows,
            seconds=outcome.seconds,
            changed_rows=outcome.cleaned,
        )
    parents = f"parents:{contract.table}"
    meta.remember(con, parents, fingerprint=_parent_versions(con, contract), version=None, at=night.now)


def _is_due(con: duckdb.DuckDBPyConnection, company: Company, contract: Contract, mapping: MappingFile) -> bool:
    before = meta.fingerprint_of(con, _object(contract, mapping.source))
    if before is None or before[0] != _fingerprint(company, contract, mapping):
        return True
    return bool(integrity.returning(con, contract, mapping.source))


def _has_parents_moved(con: duckdb.DuckDBPyConnection, contract: Contract) -> bool:
    parents = meta.fingerprint_of(con, f"parents:{contract.table}")
    return parents is None or parents[0] != _parent_versions(con, contract)


def _is_unsettled(con: duckdb.DuckDBPyConnection, contract: Contract) -> bool:
    """Whether the table has no version yet, or a killed run left it with another content than its version says."""
    before = meta.fingerprint_of(con, contract.table)
    return before is None or before[0] == meta.UNSETTLED


def _version(con: duckdb.DuckDBPyConnection, contract: Contract) -> str | None:
    """The version of the table's content; None where it is not certain."""
    before = meta.fingerprint_of(con, contract.table)
    return before[1] if before and before[0] != meta.UNSETTLED else None


def _fingerprint(company: Company, contract: Contract, mapping: MappingFile) -> str:
    """How rows are cleaned, and the state of the raw file that they come from."""
    return digest(_recipe(company, contract, mapping), storage.state_of(company.home.raw_file(mapping.source)))


def _recipe(company: Company, contract: Contract, mapping: MappingFile) -> str:
    """The mapping, the contract, the cleaning code with its libraries, and the company's settings."""
    config = company.config
    return digest(
        mapping.sql,
        contract.path.read_bytes(),
        _cleaning_code(),
        f"{config.country}/{config.base_currency}/{config.timezone}",
    )


@cache
def _cleaning_code() -> str:
    folder = Path(transforms.__file__).parent
    code = code_digest(folder / "clean", folder / "mapping.py", Path(records.__file__), Path(changes.__file__))
    return digest(code, *(f"{name}={importlib.metadata.version(name)}" for name in CLEANED_BY))


def _parent_versions(con: duckdb.DuckDBPyConnection, contract: Contract) -> str:
    parents = sorted({r.to_table for r in contract.references if r.on_orphan == "quarantine"})
    return "/".join(str(meta.fingerprint_of(con, f"clean.{p}")) for p in parents)


def _strangers(con: duckdb.DuckDBPyConnection, contract: Contract, own: Sequence[MappingFile]) -> list[str]:
    """Sources that have rows here though nothing maps them any more."""
    prefix = f"{contract.table}@"
    known = con.execute("SELECT object FROM meta.built WHERE starts_with(object, ?)", [prefix]).fetchall()
    return sorted({name.removeprefix(prefix) for (name,) in known} - {m.source for m in own})


def _forget(con: duckdb.DuckDBPyConnection, contract: Contract, source: str) -> None:
    from transforms.clean import memory

    memory.forget(con, contract.name, source)
    con.begin()
    for schema in ("clean", "quarantine"):
        con.execute(f"DELETE FROM {schema}.{quoted(contract.name)} WHERE source = ?", [source])
    for table in ("cleaning_issue", "reconciliation"):
        con.execute(f"DELETE FROM meta.{table} WHERE entity = ? AND source = ?", [contract.name, source])
    con.execute("DELETE FROM meta.built WHERE object = ?", [_object(contract, source)])
    con.commit()


def _rows_by_source(con: duckdb.DuckDBPyConnection, schema: str, entity: str) -> dict[str, int]:
    return dict(con.execute(f"SELECT source, count(*) FROM {schema}.{quoted(entity)} GROUP BY 1").fetchall())


def _object(contract: Contract, source: str) -> str:
    return f"{contract.table}@{source}"


def _count(con: duckdb.DuckDBPyConnection, schema: str, table: str) -> int:
    row = con.execute(f"SELECT count(*) FROM {schema}.{quoted(table)}").fetchone()
    return int(row[0]) if row else 0


def issue_summary(con: duckdb.DuckDBPyConnection, entity: str) -> list[Mapping[str, object]]:
    """The most frequent cleaning issues of an entity."""
    rows = con.execute(
        "SELECT source, column_name, kind, reason, row_count FROM meta.cleaning_issue "
        "WHERE entity = ? ORDER BY row_count DESC, source, column_name, reason LIMIT 20",
        [entity],
    ).fetchall()
    return [dict(zip(("source", "column", "kind", "reason", "rows"), r, strict=True)) for r in rows]
