"""The first step: what night it is, and what the loads have to say about each source."""

from __future__ import annotations

from dataclasses import astuple
from datetime import timedelta
from typing import Any

import duckdb

from pipelines.checkup import mapping_files
from pipelines.night import Night
from quality.clock import judge_clock
from quality.freshness import Freshness, SourceLoad, judge_freshness
from quality.results import CheckResult, save_results
from warehouse import decisions, meta, store
from warehouse.company import CHOSEN, Company
from warehouse.contracts import entities
from warehouse.sql import quoted

HOLIDAYS_BACK = timedelta(days=12 * 366)
HOLIDAYS_AHEAD = timedelta(days=366)

_REJECTED_LINE = """
CREATE TABLE IF NOT EXISTS quarantine.rejected_line (
    source VARCHAR, table_name VARCHAR, file VARCHAR, line BIGINT, text VARCHAR, reason VARCHAR
)
"""


def start(con: duckdb.DuckDBPyConnection, night: Night) -> CheckResult:
    """Write what night it is, what the company chose, holidays, and all that is known of the sources.

    Returns:
        Whether the clock went forward since the night before.
    """
    config = night.company.config
    _ensure_tables(con)
    before = con.execute("SELECT max(now) FROM meta.night").fetchone()
    forward = judge_clock(night.now, before[0] if before else None)
    save_results(con, night.run_id, [forward], night.now)
    meta.start_run(con, night.run_id, "refresh", night.now)
    zone, currency, country = config.timezone, config.base_currency, config.country
    meta.replace_rows(con, "night", [(night.run_id, night.as_of, night.now, currency, zone, country)])
    meta.replace_rows(con, "setting", night.company.choices.items())
    days = meta.holidays_between(country, night.as_of - HOLIDAYS_BACK, night.as_of + HOLIDAYS_AHEAD)
    meta.replace_rows(con, "holiday", days)
    note_trust(con, night.company)
    note_decisions(con, night.company)
    note_sources(con, night)
    return forward


def note_trust(con: duckdb.DuckDBPyConnection, company: Company) -> None:
    """Write meta.source_trust, which says nothing of the night: planning one looks at it too."""
    config = company.config
    rows = [(name, column, config.trust_in(name, column)) for name in config.sources for column in CHOSEN]
    meta.replace_rows(con, "source_trust", rows)


def note_decisions(con: duckdb.DuckDBPyConnection, company: Company) -> None:
    """Write meta.decision, so that what people decided since the last refresh makes its tables due.

    Raises:
        DecisionError: decisions.duckdb is damaged or gone.
    """
    meta.replace_rows(con, "decision", [astuple(decision) for decision in decisions.read(company.home)])


def _ensure_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Every entity has its tables, also those that no source fills; in one transaction, for there are many."""
    from transforms.clean.load import ensure_tables

    con.begin()
    for contract in entities().values():
        ensure_tables(con, contract)
    con.commit()


def note_sources(con: duckdb.DuckDBPyConnection, night: Night) -> None:
    """Bring meta.source_status, finding, source_count, drift, source_file and the loads in meta.run up to date."""
    company = night.company
    judged = {f.source: f for f in freshness(company, night)}
    rows = {name: _raw_rows(con, company, name) for name in company.config.sources}
    meta.replace_rows(con, "source_status", [_status(company, name, judged[name], rows[name]) for name in judged])
    meta.replace_rows(con, "finding", [f for name in company.config.sources for f in _findings(company, name)])
    meta.replace_rows(con, "source_count", [c for name in company.config.sources for c in _counts(company, name)])
    _note_loads(con, company)
    con.execute(_REJECTED_LINE)
    for name in company.config.sources:
        _copy_file_notes(con, company, name)


def freshness(company: Company, night: Night) -> list[Freshness]:
    """How fresh each configured source is, by its last complete load."""
    mapped: dict[str, list[str]] = {name: [] for name in company.config.sources}
    for mapping in mapping_files(company):
        mapped[mapping.source].append(mapping.entity)
    notes = {name: meta.read_note(company.home, name) for name in mapped}
    loads = [
        SourceLoad(name, tuple(found), note.last_success_at if (note := notes[name]) else None)
        for name, found in mapped.items()
    ]
    return judge_freshness(loads, entities(), night.now)


def _status(company: Company, name: str, judged: Freshness, rows: int) -> tuple[Any, ...]:
    note = meta.read_note(company.home, name)
    failing = note.failing_since if note else None
    since = min((t for t in (failing, judged.stale_since) if t), default=None)
    status = "never_loaded" if judged.last_good_load_at is None else "stale" if since else "fresh"
    message = note.message if note and not note.ok else "" if status == "fresh" else judged.sentence()
    found = len([f for f in note.findings if f["severity"] != "info"]) if note else 0
    attempted = note.attempted_at if note else None
    connector = company.config.sources[name].connector
    return (name, connector, status, attempted, judged.last_good_load_at, since, rows, found, message)


def _findings(company: Company, name: str) -> list[tuple[Any, ...]]:
    note = meta.read_note(company.home, name)
    keys = ("kind", "severity", "table", "file", "line", "detail")
    return [(name, *(f[k] for k in keys)) for f in note.findings] if note else []


def _counts(company: Company, name: str) -> list[tuple[Any, ...]]:
    note = meta.read_note(company.home, name)
    if note is None:
        return []
    return [
        (name, c["table"], c["source_rows"], c["held_rows"], c["held_rows"] - c["source_rows"], c["how"],
         note.attempted_at)
        for c in note.counts
    ]  # fmt: skip


def _note_loads(con: duckdb.DuckDBPyConnection, company: Company) -> None:
    """One row in meta.run for each source's last load."""
    for name in company.config.sources:
        note = meta.read_note(company.home, name)
        if note is None:
            continue
        con.execute("DELETE FROM meta.run WHERE run_id = ?", [note.run_id])
        ended = note.attempted_at + timedelta(seconds=note.seconds)
        status = "succeeded" if note.ok else "failed"
        row = (note.run_id, "load", name, note.attempted_at, ended, status, note.rows_loaded, note.message)
        meta.insert_rows(con, "run", [row])


def _raw_rows(con: duckdb.DuckDBPyConnection, company: Company, name: str) -> int:
    if not company.home.raw_file(name).exists():
        return 0
    with store.attached_raw(con, company.home, name) as catalog:
        tables = [table for table in store.raw_columns(con, catalog) if not table.startswith("_")]
        # DuckDB's own estimate counts deleted rows that it has not yet done away with.
        counts = [con.execute(f"SELECT count(*) FROM {quoted(catalog, 'raw', table)}").fetchone() for table in tables]
        return sum(row[0] for row in counts if row)


#: Bookkeeping of file sources as `connectors/files` keeps it in the raw file, where it goes, and which columns.
_FILE_NOTES = {
    "_drift": ("meta.drift", "table_name, column_name, change, detail, file, first_seen_at"),
    "_file": ("meta.source_file", "path, table_name, status, rows, rejected_lines, reason, loaded_at"),
    "_rejected_line": ("quarantine.rejected_line", "table_name, file, line, text, reason"),
}


def _copy_file_notes(con: duckdb.DuckDBPyConnection, company: Company, name: str) -> None:
    known = list(company.config.sources)
    for target, _ in _FILE_NOTES.values():
        con.execute(f"DELETE FROM {target} WHERE source = ? OR NOT list_contains(?, source)", [name, known])
    if not company.home.raw_file(name).exists():
        return
    with store.attached_raw(con, company.home, name) as catalog:
        held = store.raw_columns(con, catalog)
        for table, (target, columns) in _FILE_NOTES.items():
            if table in held:
                origin = f"{quoted(catalog)}.raw.{quoted(table)}"
                con.execute(f"INSERT INTO {target} SELECT ?, {columns} FROM {origin}", [name])
