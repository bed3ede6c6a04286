"""Cleans one source's rows of one entity into the build database: all of them, or those that a night touches.

What a clean row is, batch.py says; which of several versions of a record counts, stage.py; what changed since last
night, memory.py; difference.py writes it. Either way the tables are the same.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import duckdb
import polars as pl

from transforms import mapping
from transforms.clean import difference, memory, stage
from transforms.clean.base import CleanContext
from transforms.clean.batch import EXAMPLE_SCHEMA, count_issues, issue_rows
from transforms.clean.difference import Changes
from transforms.clean.formats import Formats
from transforms.clean.memory import Memory, Night
from transforms.clean.stage import Filled, Progress, Task
from warehouse import records, store
from warehouse.contracts import SYSTEM_COLUMNS, Contract, tables
from warehouse.records import ORPHAN
from warehouse.sql import literal, quoted

log = logging.getLogger(__name__)

#: A little more than a row group of DuckDB, which then takes over a batch as it is.
BATCH_ROWS = 125_000


@dataclass(frozen=True)
class CleanReport:
    """What cleaning a source's entity did. `read` is accepted + quarantined + superseded + exact duplicates.

    Attributes:
        superseded: older versions of records that a newer file or a later change replaces.
        duplicates: rows that repeat another row of the same file to the letter.
        unchanged: accepted records that were not written.
        cleaned: rows that were cleaned again; None where all were.
        reasons: quarantined rows by reason; a row counts under each of its reasons.
        version: of clean.<entity>; None where it has to be computed anew.
    """

    entity: str
    source: str
    read: int
    accepted: int
    quarantined: int
    superseded: int
    duplicates: int
    inserted: int
    updated: int
    deleted: int
    unchanged: int
    cleaned: int | None
    reasons: dict[str, int] = field(default_factory=dict)
    version: str | None = None
    seconds: float = 0.0


def ensure_tables(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Create clean.<entity>, quarantine.<entity> and meta.cleaning_issue; add columns that the contract gained."""
    con.execute("CREATE SCHEMA IF NOT EXISTS clean")
    con.execute("CREATE SCHEMA IF NOT EXISTS quarantine")
    con.execute("CREATE SCHEMA IF NOT EXISTS meta")
    columns = {c.name: (c.duckdb_type, c.description) for c in (*contract.columns, *SYSTEM_COLUMNS)}
    _ensure(con, contract.schema, contract.name, columns, f"{contract.description} {contract.grain}")
    _ensure(
        con, "quarantine", contract.name, stage.QUARANTINE, f"Rows kept out of {contract.table}, with their reasons."
    )
    store.create_table(con, tables()["meta.cleaning_issue"])


def clean_source(
    con: duckdb.DuckDBPyConnection,
    *,
    contract: Contract,
    source: str,
    mapping_sql: str,
    raw_catalog: str,
    context: CleanContext,
    now: datetime,
    version: str | None = None,
    known: Memory | None = None,
    returning: Sequence[str] = (),
    progress: Progress | None = None,
    batch_rows: int = BATCH_ROWS,
) -> CleanReport:
    """Run a source's mapping over its raw tables and bring clean.<entity> and quarantine.<entity> up to date.

    Args:
        con: the build database, with the source's raw file attached as `raw_catalog`.
        mapping_sql: the mapping, as written or as `mapping.prepare` completed it.
        now: becomes `cleaned_at` of the rows that changed, and first and last seen of the quarantined.
        version: of clean.<entity> as it is; None where it is not known.
        known: what is kept from last night; without it all rows are cleaned, and nothing is kept.
        returning: source_ids of orphans that may come back, since a parent came or left.
        progress: called with (what, rows done, rows in all if known).

    Raises:
        MappingError: the mapping cannot be used on these raw tables.
    """
    started = time.monotonic()
    ensure_tables(con, contract)
    prepared = mapping.prepare(mapping_sql, store.raw_columns(con, raw_catalog), contract, source)
    query = stage.with_hashes(con, mapping.qualified(prepared, raw_catalog))
    task = Task(con, contract, source, query, context, batch_rows, progress)
    stage.note_loads(con, mapping.raw_tables(prepared), raw_catalog)
    night = known.compare(task, returning) if known else None
    filled = _fill_changed(task, night) if night else None
    if filled is None:
        night, filled = None, _fill_all(task)
        # The table may have got columns since, or the version be that of other code.
        version = version if version and version == records.version_of(con, contract) else None
    stage.settle(con)
    every = known.every(night) if known else stage.EVERY
    con.begin()
    try:
        written = difference.write(con, contract, source, now, version=version, by_night=night is not None)
        if night is None or night.touches:
            _write_issues(task, every, filled.examples)
        con.commit()
    except BaseException:
        con.rollback()
        raise
    report = _report(task, every, written, filled.rows if night else None, started)
    if known:
        known.keep(night)
    stage.drop(con)
    memory.drop(con)
    return report


def _fill_all(task: Task) -> Filled:
    """Clean all rows. How ambiguous values are read is guessed from the first, and done again if the rest objects."""
    filled = stage.fill(task, None)
    if _choices(task, filled.assumed) == _choices(task, filled.formats):
        return filled
    return stage.fill(task, filled.formats)


def _fill_changed(task: Task, night: Night) -> Filled | None:
    """Clean the rows that a night touches; None where they are not those that were expected, or read otherwise now."""
    filled = stage.fill(task, night.formats, night.wanted)
    if filled.rows != night.staged:
        log.info("%s/%s: the mapping gives other rows each time, so all are cleaned", task.source, task.contract.name)
        return None
    formats = night.formats_left + filled.formats
    return filled if _choices(task, formats) == _choices(task, night.formats) else None


def _choices(task: Task, formats: Formats) -> object:
    return formats.choices(task.contract, task.context.country)


def _ensure(
    con: duckdb.DuckDBPyConnection, schema: str, name: str, columns: dict[str, tuple[str, str]], about: str
) -> None:
    table = f"{quoted(schema)}.{quoted(name)}"
    listed = ", ".join(f"{quoted(n)} {kind}" for n, (kind, _) in columns.items())
    con.execute(f"CREATE TABLE IF NOT EXISTS {table} ({listed})")
    rows = con.execute(
        "SELECT column_name, comment FROM duckdb_columns() "
        "WHERE database_name = current_database() AND schema_name = ? AND table_name = ?",
        [schema, name],
    ).fetchall()
    held = dict(rows)
    for column, (kind, description) in columns.items():
        if column not in held:
            con.execute(f"ALTER TABLE {table} ADD COLUMN {quoted(column)} {kind}")
        if held.get(column) != description:
            con.execute(f"COMMENT ON COLUMN {table}.{quoted(column)} IS {literal(description)}")
    con.execute(f"COMMENT ON TABLE {table} IS {literal(about)}")


def _write_issues(task: Task, every: str, examples: pl.DataFrame) -> None:
    """Count the issues of all rows anew."""
    con, own = task.con, [task.contract.name, task.source]
    counts = count_issues(con.execute(f"SELECT notes, count(*) FROM ({every}) GROUP BY notes").fetchall())
    for fate in ("exact_duplicate", "duplicate_key"):
        rows = con.execute(f"SELECT source_id FROM ({every}) WHERE fate = ?", [fate]).pl()["source_id"]
        if len(rows):
            counts["source_id", fate] = len(rows)
            examples = pl.concat([examples, _repeated(rows, fate)])
    found = issue_rows(counts, examples)
    con.execute("DELETE FROM meta.cleaning_issue WHERE entity = ? AND source = ?", own)
    con.register("stage_issues", found.to_arrow())
    con.execute("INSERT INTO meta.cleaning_issue BY NAME SELECT ? AS entity, ? AS source, * FROM stage_issues", own)
    con.unregister("stage_issues")


def _repeated(ids: pl.Series, fate: str) -> pl.DataFrame:
    """Ids of repeated rows as examples."""
    first = ids.unique().sort().head(5)
    nothing = pl.repeat(0, len(first), dtype=pl.UInt64, eager=True)
    columns = ["source_id", pl.repeat(fate, len(first), eager=True), first, nothing, nothing, first, first]
    return pl.DataFrame(dict(zip(EXAMPLE_SCHEMA, columns, strict=True)), schema=EXAMPLE_SCHEMA)


def _report(task: Task, every: str, written: Changes, cleaned: int | None, started: float) -> CleanReport:
    con, name = task.con, task.contract.name
    fates = dict(con.execute(f"SELECT fate, count(*) FROM ({every}) GROUP BY fate").fetchall())
    reasons = con.execute(
        f"SELECT reason, count(*) FROM (SELECT unnest(reasons) AS reason FROM quarantine.{quoted(name)} "
        f"WHERE source = ?) WHERE NOT starts_with(reason, {literal(ORPHAN)}) GROUP BY reason ORDER BY reason",
        [task.source],
    ).fetchall()
    accepted = fates.get("accepted", 0)
    report = CleanReport(
        entity=name,
        source=task.source,
        read=sum(fates.values()),
        accepted=accepted,
        quarantined=fates.get("quarantined", 0) + fates.get("duplicate_key", 0),
        superseded=fates.get("superseded", 0),
        duplicates=fates.get("exact_duplicate", 0),
        inserted=written.inserted,
        updated=written.updated,
        deleted=written.deleted,
        unchanged=accepted - written.inserted - written.updated,
        cleaned=cleaned,
        reasons=dict(reasons),
        version=written.version,
        seconds=time.monotonic() - started,
    )
    again = "all" if cleaned is None else cleaned
    log.info("%s/%s: %s rows read, %s cleaned, %s accepted", task.source, name, report.read, again, accepted)
    return report
