"""Cleans one source's rows of one entity into the build database: streamed in batches, written as a difference.

What a clean row is, batch.py says; here it is decided which of several versions of a record counts, and what changed
since last night. Rows that did not change are not touched.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import duckdb
import polars as pl

from transforms import mapping
from transforms.clean.base import CleanContext
from transforms.clean.batch import clean_batch, issue, merge_issues
from transforms.clean.formats import Formats, format_columns, sniff_formats
from warehouse import store
from warehouse.contracts import SYSTEM_COLUMNS, Column, Contract, tables
from warehouse.sql import literal, quoted

log = logging.getLogger(__name__)

Progress = Callable[[str, int, int | None], None]

_QUARANTINE = {
    "source": ("VARCHAR", "Source of the row."),
    "source_id": ("VARCHAR", "The source's id of the record, if it has one."),
    "reasons": ("VARCHAR[]", "Everything that keeps the row out, as reason: column."),
    "row": ("JSON", "The mapped row as the source said it."),
    "source_file": ("VARCHAR", "File that the row came from, for file sources."),
    "source_row": ("BIGINT", "Line or record number in that file."),
    "first_seen_at": ("TIMESTAMPTZ", "When the record first came here."),
    "last_seen_at": ("TIMESTAMPTZ", "When the record was last seen to be bad."),
}
_PROVENANCE = ("source_file", "source_row")

#: The versions of records that come more than once, best first: the newest change, then the file loaded last, then
#: the file whose name sorts last (exports carry dates). Within a file a good row is better than a bad one, a later
#: row better than an earlier.
_VERSIONS = """
CREATE OR REPLACE TEMP TABLE stage_version AS
WITH every_row AS (
    SELECT rowid AS id, 'good' AS side, source_id, source_updated_at, source_file, source_row, row_hash AS content
    FROM temp.stage_accepted
    UNION ALL
    SELECT rowid, 'bad', source_id, source_updated_at, source_file, source_row, md5(row::VARCHAR)
    FROM temp.stage_quarantined
    WHERE source_id IS NOT NULL
),
repeated AS (
    SELECT source_id FROM every_row GROUP BY source_id HAVING count(*) > 1
),
loads AS (
    SELECT source_file, max(loaded_at) AS loaded_at FROM temp.stage_load GROUP BY source_file
)
SELECT
    e.*,
    row_number() OVER (
        PARTITION BY e.source_id
        ORDER BY e.source_updated_at DESC NULLS LAST, l.loaded_at DESC NULLS LAST, e.source_file DESC NULLS LAST,
            e.side = 'bad', e.source_row DESC NULLS LAST, e.content DESC, e.id
    ) AS place
FROM every_row AS e
SEMI JOIN repeated AS r ON r.source_id = e.source_id
LEFT JOIN loads AS l ON l.source_file = e.source_file
"""

_FATES = """
CREATE OR REPLACE TEMP TABLE stage_fate AS
WITH beside_best AS (
    SELECT
        v.*,
        first_value(source_file) OVER best AS best_file,
        first_value(source_updated_at) OVER best AS best_updated_at,
        row_number() OVER (PARTITION BY source_id, source_file, side, content ORDER BY place) AS repeat
    FROM temp.stage_version AS v
    WINDOW best AS (PARTITION BY source_id ORDER BY place)
)
SELECT
    id, side, source_id,
    CASE
        WHEN repeat > 1 THEN 'exact_duplicate'
        WHEN place = 1 THEN 'kept'
        WHEN source_file IS DISTINCT FROM best_file OR source_updated_at < best_updated_at THEN 'superseded'
        WHEN side = 'good' THEN 'duplicate_key'
        ELSE 'kept'
    END AS fate
FROM beside_best
"""


@dataclass(frozen=True)
class CleanReport:
    """What cleaning a source's entity did. `read` is accepted + quarantined + superseded + exact duplicates.

    Attributes:
        superseded: older versions of records that a newer file or a later change replaces.
        duplicates: rows that repeat another row of the same file to the letter.
        reasons: quarantined rows by reason; a row counts under each of its reasons.
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
    reasons: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


def ensure_tables(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Create clean.<entity>, quarantine.<entity> and meta.cleaning_issue; add columns that the contract gained."""
    con.execute("CREATE SCHEMA IF NOT EXISTS clean")
    con.execute("CREATE SCHEMA IF NOT EXISTS quarantine")
    con.execute("CREATE SCHEMA IF NOT EXISTS meta")
    columns = {c.name: (c.duckdb_type, c.description) for c in _columns(contract)}
    _ensure(con, contract.schema, contract.name, columns, f"{contract.description} {contract.grain}")
    _ensure(con, "quarantine", contract.name, _QUARANTINE, f"Rows kept out of {contract.table}, with their reasons.")
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
    progress: Progress | None = None,
    batch_rows: int = 100_000,
) -> CleanReport:
    """Run a source's mapping over its raw tables and bring clean.<entity> and quarantine.<entity> up to date.

    Args:
        con: the build database, with the source's raw file attached as `raw_catalog`.
        mapping_sql: the mapping, as written or as `mapping.prepare` completed it.
        now: becomes `cleaned_at` of the rows that changed, and first and last seen of the quarantined.
        progress: called with (what, rows done, rows in all if known).

    Raises:
        MappingError: the mapping cannot be used on these raw tables.
    """
    started = time.monotonic()
    ensure_tables(con, contract)
    prepared = mapping.prepare(mapping_sql, store.raw_columns(con, raw_catalog), contract, source)
    query = mapping.qualified(prepared, raw_catalog)
    _create_stage(con, contract)
    formats = _formats(con, query, contract, batch_rows)
    issues, read = [], 0
    for frame in _batches(con, query, batch_rows):
        cleaned = clean_batch(frame, contract, context, formats)
        _append(con, "stage_accepted", cleaned.accepted)
        _append(con, "stage_quarantined", cleaned.quarantined)
        issues.append(cleaned.issues)
        issues = [merge_issues(issues)] if len(issues) > 20 else issues
        read += frame.height
        if progress:
            progress(f"{source}/{contract.name}", read, None)
    _note_loads(con, mapping.raw_tables(prepared), raw_catalog)
    superseded, duplicates, found = _settle_versions(con, contract, source)
    con.begin()
    try:
        changes = _write(con, contract, source, now)
        _write_issues(con, contract, source, merge_issues([*issues, *found]))
        con.commit()
    except BaseException:
        con.rollback()
        raise
    report = _report(con, contract, source, read, superseded, duplicates, changes, time.monotonic() - started)
    _drop_stage(con)
    return report


def _columns(contract: Contract) -> tuple[Column, ...]:
    return (*contract.columns, *SYSTEM_COLUMNS)


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


def _create_stage(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Temporary tables: they spill to disk when they must, and a killed run leaves nothing behind."""
    accepted = ", ".join(f"{quoted(c.name)} {c.duckdb_type}" for c in _columns(contract) if c.name != "cleaned_at")
    quarantined = ", ".join(f"{quoted(n)} {kind}" for n, (kind, _) in _QUARANTINE.items() if not n.endswith("_at"))
    con.execute(f"CREATE OR REPLACE TEMP TABLE stage_accepted ({accepted})")
    con.execute(f"CREATE OR REPLACE TEMP TABLE stage_quarantined ({quarantined}, source_updated_at TIMESTAMPTZ)")


def _drop_stage(con: duckdb.DuckDBPyConnection) -> None:
    names = ("accepted", "quarantined", "load", "version", "fate", "change", "seen")
    for name in (f"stage_{n}" for n in names):
        con.execute(f"DROP TABLE IF EXISTS temp.{name}")


def _append(con: duckdb.DuckDBPyConnection, table: str, rows: pl.DataFrame) -> None:
    if rows.is_empty():
        return
    con.register("stage_rows", rows.to_arrow())
    con.execute(f"INSERT INTO temp.{quoted(table)} BY NAME SELECT * FROM stage_rows")
    con.unregister("stage_rows")


def _batches(con: duckdb.DuckDBPyConnection, query: str, batch_rows: int) -> Iterator[pl.DataFrame]:
    """The query's rows, streamed: a cursor of its own, so that writing can go on beside it."""
    cursor = con.cursor()
    try:
        cursor.execute("SET TimeZone = 'UTC'")
        reader = cursor.execute(query).to_arrow_reader(batch_rows)
        for batch in reader:
            frame = pl.from_arrow(batch)
            if isinstance(frame, pl.DataFrame) and frame.height:
                yield frame
    finally:
        cursor.close()


def _formats(con: duckdb.DuckDBPyConnection, query: str, contract: Contract, batch_rows: int) -> Formats:
    """One pass over the text columns that can be read two ways, so that all batches read them alike."""
    kinds = {row[0]: row[1] for row in con.execute(f"DESCRIBE {query}").fetchall()}
    names = [c.name for c in format_columns(contract) if kinds.get(c.name) == "VARCHAR"]
    if not names:
        return Formats()
    listed = ", ".join(quoted(n) for n in names)
    return sniff_formats(_batches(con, f"SELECT {listed} FROM ({query}) AS mapped", batch_rows), contract)


def _note_loads(con: duckdb.DuckDBPyConnection, raw_tables: list[str], catalog: str) -> None:
    """When each file was last loaded, to tell the newer of two files that hold the same record."""
    con.execute("CREATE OR REPLACE TEMP TABLE stage_load (source_file VARCHAR, loaded_at TIMESTAMPTZ)")
    columns = store.raw_columns(con, catalog)
    for table in raw_tables:
        if {"_file", "_loaded_at"} <= columns.get(table, {}).keys():
            con.execute(
                "INSERT INTO temp.stage_load SELECT _file, max(_loaded_at) "
                f"FROM {quoted(catalog)}.raw.{quoted(table)} GROUP BY 1"
            )


def _settle_versions(
    con: duckdb.DuckDBPyConnection, contract: Contract, source: str
) -> tuple[int, int, list[pl.DataFrame]]:
    """Keep one version of each record in the stage; gives superseded rows, exact duplicates, and issues."""
    con.execute(_VERSIONS)
    con.execute(_FATES)
    _take_repeated_keys(con, contract)
    for side, table in (("good", "stage_accepted"), ("bad", "stage_quarantined")):
        con.execute(
            f"DELETE FROM temp.{table} WHERE rowid IN "
            "(SELECT id FROM temp.stage_fate WHERE side = ? AND fate != 'kept')",
            [side],
        )
    counts = dict(con.execute("SELECT fate, count(*) FROM temp.stage_fate GROUP BY 1").fetchall())
    found = []
    for fate in ("exact_duplicate", "duplicate_key"):
        if counts.get(fate):
            ids = con.execute(
                "SELECT DISTINCT source_id FROM temp.stage_fate WHERE fate = ? ORDER BY 1 LIMIT 5", [fate]
            ).fetchall()
            examples: list[dict[str, str | None]] = [{"before": i, "after": i, "source_id": i} for (i,) in ids]
            found.append(issue(contract, source, "source_id", fate, counts[fate], examples))
    return counts.get("superseded", 0), counts.get("exact_duplicate", 0), found


def _take_repeated_keys(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Differing rows with one key in one file: which of them is right cannot be known, so a person must look."""
    # As text, since JSON numbers are floats.
    said = ", ".join(f"{literal(c.name)}, CAST({quoted(c.name)} AS VARCHAR)" for c in contract.columns)
    con.execute(
        f"""
        INSERT INTO temp.stage_quarantined BY NAME
        SELECT source, source_id, ['duplicate_key: later row kept'] AS reasons,
               json_merge_patch(json_object({said}), coalesce(original, '{{}}')) AS row,
               source_file, source_row, source_updated_at
        FROM temp.stage_accepted
        WHERE rowid IN (SELECT id FROM temp.stage_fate WHERE side = 'good' AND fate = 'duplicate_key')
        """
    )


@dataclass(frozen=True)
class _Changes:
    inserted: int
    updated: int
    deleted: int
    unchanged: int


def _write(con: duckdb.DuckDBPyConnection, contract: Contract, source: str, now: datetime) -> _Changes:
    """Turn the stage into the difference to last night's rows, in the caller's transaction."""
    table = f"{quoted(contract.schema)}.{quoted(contract.name)}"
    values = [c.name for c in _columns(contract) if c.name not in (*_PROVENANCE, "row_hash", "cleaned_at", "source")]
    differs = " OR ".join(f"s.{quoted(n)} IS DISTINCT FROM c.{quoted(n)}" for n in values)
    # The hash is a shortcut past the comparison, not the judge: it may change with the library that computes it.
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE stage_change AS
        SELECT s.source_id,
               CASE WHEN c.source_id IS NULL THEN 'new'
                    WHEN s.row_hash IS DISTINCT FROM c.row_hash AND ({differs}) THEN 'changed'
                    WHEN s.row_hash IS DISTINCT FROM c.row_hash
                      OR s.source_file IS DISTINCT FROM c.source_file
                      OR s.source_row IS DISTINCT FROM c.source_row THEN 'moved'
                    ELSE 'same' END AS change
        FROM temp.stage_accepted AS s
        LEFT JOIN {table} AS c ON c.source = ? AND c.source_id = s.source_id
        """,
        [source],
    )
    gone = con.execute(
        f"DELETE FROM {table} WHERE source = ? AND source_id NOT IN (SELECT source_id FROM temp.stage_accepted)",
        [source],
    ).fetchone()
    con.execute(
        f"DELETE FROM {table} WHERE source = ? AND source_id IN "
        "(SELECT source_id FROM temp.stage_change WHERE change = 'changed')",
        [source],
    )
    con.execute(
        f"INSERT INTO {table} BY NAME SELECT s.*, ? AS cleaned_at FROM temp.stage_accepted AS s "
        "SEMI JOIN (FROM temp.stage_change WHERE change IN ('new', 'changed')) AS n USING (source_id)",
        [now],
    )
    con.execute(
        f"UPDATE {table} AS c SET source_file = s.source_file, source_row = s.source_row, row_hash = s.row_hash "
        "FROM temp.stage_accepted AS s JOIN temp.stage_change AS n USING (source_id) "
        "WHERE n.change = 'moved' AND c.source = ? AND c.source_id = s.source_id",
        [source],
    )
    _write_quarantine(con, contract, source, now)
    counts: Counter[str] = Counter(
        dict(con.execute("SELECT change, count(*) FROM temp.stage_change GROUP BY 1").fetchall())
    )
    deleted = int(gone[0]) if gone else 0
    return _Changes(counts["new"], counts["changed"], deleted, counts["same"] + counts["moved"])


def _write_quarantine(con: duckdb.DuckDBPyConnection, contract: Contract, source: str, now: datetime) -> None:
    """Replace the source's rows; a record keeps the moment it first came here."""
    table = f"quarantine.{quoted(contract.name)}"
    con.execute(
        "CREATE OR REPLACE TEMP TABLE stage_seen AS SELECT coalesce(source_id, row::VARCHAR) AS known, "
        f"min(first_seen_at) AS first_seen_at FROM {table} WHERE source = ? GROUP BY 1",
        [source],
    )
    con.execute(f"DELETE FROM {table} WHERE source = ?", [source])
    con.execute(
        f"""
        INSERT INTO {table} BY NAME
        SELECT q.* EXCLUDE (source, source_updated_at), $source AS source,
               coalesce(seen.first_seen_at, $now) AS first_seen_at, $now AS last_seen_at
        FROM temp.stage_quarantined AS q
        LEFT JOIN temp.stage_seen AS seen ON seen.known = coalesce(q.source_id, q.row::VARCHAR)
        """,
        {"source": source, "now": now},
    )


def _write_issues(con: duckdb.DuckDBPyConnection, contract: Contract, source: str, issues: pl.DataFrame) -> None:
    con.execute("DELETE FROM meta.cleaning_issue WHERE entity = ? AND source = ?", [contract.name, source])
    if issues.is_empty():
        return
    con.register("stage_issues", issues.to_arrow())
    con.execute("INSERT INTO meta.cleaning_issue BY NAME SELECT * FROM stage_issues")
    con.unregister("stage_issues")


def _report(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    source: str,
    read: int,
    superseded: int,
    duplicates: int,
    changes: _Changes,
    seconds: float,
) -> CleanReport:
    reasons = con.execute(
        "SELECT reason, count(*) FROM (SELECT unnest(reasons) AS reason FROM temp.stage_quarantined) "
        "GROUP BY 1 ORDER BY 1"
    ).fetchall()
    quarantined = con.execute("SELECT count(*) FROM temp.stage_quarantined").fetchone()
    accepted = con.execute("SELECT count(*) FROM temp.stage_accepted").fetchone()
    report = CleanReport(
        entity=contract.name,
        source=source,
        read=read,
        accepted=int(accepted[0]) if accepted else 0,
        quarantined=int(quarantined[0]) if quarantined else 0,
        superseded=superseded,
        duplicates=duplicates,
        inserted=changes.inserted,
        updated=changes.updated,
        deleted=changes.deleted,
        unchanged=changes.unchanged,
        reasons=dict(reasons),
        seconds=seconds,
    )
    log.info("%s/%s: %s rows read, %s accepted", source, contract.name, read, report.accepted)
    return report
