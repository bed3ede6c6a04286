"""Bookkeeping of the nights: the meta tables, and the note that each load leaves beside its raw file.

Loads may run while somebody else writes the build database, so they leave notes; the refresh reads them into
meta.source_status. Checks and cleaning keep their own meta tables.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from warehouse.contracts import tables
from warehouse.home import Home
from warehouse.memory import step_peak_mb
from warehouse.sql import quoted
from warehouse.store import create_table

#: Fingerprints of an object that is being changed, and of one that somebody wants made anew.
UNSETTLED, ASKED = "unsettled", "asked for"

#: Written by quality/, made here so that they carry the contracts' comments.
KEPT_BY_CHECKS = ("check_result", "table_count", "reconciliation")
OWN = (
    "night", "setting", "holiday", "run", "step", "source_status", "source_trust", "finding", "drift", "source_file",
    "source_count", "decision", "built", "storage",
)  # fmt: skip


@dataclass(frozen=True)
class LoadNote:
    """How a source's last load went. Times are UTC."""

    source: str
    connector: str
    attempted_at: datetime
    ok: bool
    message: str = ""
    run_id: str = ""
    last_success_at: datetime | None = None
    failing_since: datetime | None = None
    rows_loaded: int = 0
    seconds: float = 0.0
    findings: list[dict[str, Any]] = field(default_factory=list)
    counts: list[dict[str, Any]] = field(default_factory=list)


def write_note(home: Home, note: LoadNote) -> LoadNote:
    """Leave the note, keeping the last success of the note before it; gives what was written."""
    before = read_note(home, note.source)
    last = note.attempted_at if note.ok else before.last_success_at if before else None
    failing = None if note.ok else (before.failing_since if before else None) or note.attempted_at
    whole = LoadNote(**{**_plain(note), "last_success_at": last, "failing_since": failing})
    home.raw.mkdir(parents=True, exist_ok=True)
    partial = _note_file(home, note.source).with_suffix(".partial")
    partial.write_text(json.dumps(asdict(whole), default=_to_text, indent=1), encoding="utf-8")
    partial.replace(_note_file(home, note.source))
    return whole


def read_note(home: Home, source: str) -> LoadNote | None:
    """The note of a source's last load, or None if it was never tried."""
    path = _note_file(home, source)
    if not path.exists():
        return None
    values = json.loads(path.read_text(encoding="utf-8"))
    for key in ("attempted_at", "last_success_at", "failing_since"):
        values[key] = datetime.fromisoformat(values[key]) if values[key] else None
    return LoadNote(**values)


def ensure(con: duckdb.DuckDBPyConnection) -> None:
    """Create the meta tables of this module where they are absent."""
    for name in (*OWN, *KEPT_BY_CHECKS):
        create_table(con, tables()[f"meta.{name}"])


def replace_rows(con: duckdb.DuckDBPyConnection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Replace all rows of a meta table in one transaction."""
    con.begin()
    con.execute(f"DELETE FROM meta.{quoted(table)}")
    insert_rows(con, table, rows)
    con.commit()


def insert_rows(con: duckdb.DuckDBPyConnection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Append rows given in the order of the contract's columns."""
    given = list(rows)
    if given:
        marks = ", ".join("?" for _ in given[0])
        con.executemany(f"INSERT INTO meta.{quoted(table)} VALUES ({marks})", given)


def start_run(con: duckdb.DuckDBPyConnection, run_id: str, kind: str, at: datetime) -> None:
    """Note that a run began; a killed run keeps the status `running` until the next one begins."""
    con.execute("UPDATE meta.run SET status = 'killed' WHERE kind = ? AND status = 'running'", [kind])
    con.execute("DELETE FROM meta.run WHERE run_id = ?", [run_id])
    insert_rows(con, "run", [(run_id, kind, None, at, None, "running", None, None)])


def end_run(
    con: duckdb.DuckDBPyConnection, run_id: str, *, at: datetime, status: str, rows: int | None, message: str
) -> None:
    """Note how a run ended."""
    con.execute(
        "UPDATE meta.run SET ended_at = ?, status = ?, row_count = ?, message = ? WHERE run_id = ?",
        [at, status, rows, message, run_id],
    )


def note_step(
    con: duckdb.DuckDBPyConnection,
    *,
    run_id: str,
    step: str,
    kind: str,
    rows: int | None,
    seconds: float,
    changed_rows: int | None = None,
) -> None:
    """Keep the time, rows and memory of one step."""
    con.execute(
        "DELETE FROM meta.step WHERE run_id = ? AND step = ? AND kind = ?",
        [run_id, step, kind],
    )
    insert_rows(con, "step", [(run_id, step, kind, rows, changed_rows, seconds, step_peak_mb())])


def fingerprint_of(con: duckdb.DuckDBPyConnection, name: str) -> tuple[str, str] | None:
    """(fingerprint, version) of a built object, or None if it was never built."""
    row = con.execute("SELECT fingerprint, version FROM meta.built WHERE object = ?", [name]).fetchone()
    return (row[0], row[1]) if row else None


def unsettle(con: duckdb.DuckDBPyConnection, *names: str) -> None:
    """Note that objects are about to change: a run killed before it could `remember` them leaves them due."""
    con.execute("UPDATE meta.built SET fingerprint = ? WHERE list_contains(?, object)", [UNSETTLED, list(names)])


def remember(con: duckdb.DuckDBPyConnection, name: str, *, fingerprint: str, version: str | None, at: datetime) -> None:
    """Note what an object was built from; `version` None keeps the version, since the content did not change."""
    before = fingerprint_of(con, name)
    if before and version in (None, before[1]):
        con.execute("UPDATE meta.built SET fingerprint = ? WHERE object = ?", [fingerprint, name])
        return
    con.begin()
    con.execute("DELETE FROM meta.built WHERE object = ?", [name])
    insert_rows(con, "built", [(name, fingerprint, version or "0", at)])
    con.commit()


def holidays_between(country: str, first: date, last: date) -> list[tuple[date, str]]:
    """Public holidays of a country (ISO 3166-1 alpha-2), empty where the library does not know the country."""
    import holidays

    try:
        found = holidays.country_holidays(country, years=range(first.year, last.year + 1))
    except NotImplementedError:
        return []
    return sorted((day, name) for day, name in found.items() if first <= day <= last)


def _note_file(home: Home, source: str) -> Path:
    return home.raw / f"{source}.load.json"


def _plain(note: LoadNote) -> dict[str, Any]:
    return {name: getattr(note, name) for name in note.__dataclass_fields__}


def _to_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} cannot be kept in a load note")
