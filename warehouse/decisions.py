"""What people decided: the only state that no night can make again, in a file that every change replaces as a whole.

A change is made in a copy, which is verified, synced to disk and renamed over; so reading takes no lock, and a kill
leaves the file as it was. What decisions mean is transforms' business.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

import duckdb

from warehouse import clock, locks, naming
from warehouse.home import Home
from warehouse.store import StoreError, connect, sync

Verdict = Literal["same", "different", "later"]

#: Days on which somebody decided, of which the state at the end stays.
KEPT_DAYS = 30

_TABLE = """
CREATE TABLE IF NOT EXISTS identity_decision (
    decision_id BIGINT PRIMARY KEY,
    record_left VARCHAR NOT NULL,
    record_right VARCHAR NOT NULL,
    verdict VARCHAR NOT NULL CHECK (verdict IN ('same', 'different', 'later')),
    decided_at TIMESTAMPTZ NOT NULL,
    decided_by VARCHAR NOT NULL,
    note VARCHAR,
    undone_at TIMESTAMPTZ,
    undone_by VARCHAR,
    CHECK (record_left < record_right)
)
"""
_COLUMNS = "decision_id, record_left, record_right, verdict, decided_at, decided_by, note, undone_at, undone_by"


class DecisionError(StoreError):
    """A decision that cannot be kept or read; the message says what to do."""


@dataclass(frozen=True)
class Decision:
    """What somebody decided about two records, as in the contract of meta.decision; the smaller id is on the left."""

    decision_id: int
    record_left: str
    record_right: str
    verdict: Verdict
    decided_at: datetime
    decided_by: str
    note: str | None = None
    undone_at: datetime | None = None
    undone_by: str | None = None

    @property
    def pair(self) -> tuple[str, str]:
        """The two records."""
        return self.record_left, self.record_right


def read(home: Home) -> list[Decision]:
    """All that was ever decided, undone or not, the oldest first; nothing where nobody has decided yet.

    Raises:
        DecisionError: the file is damaged, or gone while there are copies of it.
    """
    if not home.decisions.exists():
        if held := copies(home):
            raise DecisionError(f"{home.decisions} is gone. {_mend(home, held)}")
        return []
    return _read(home, home.decisions)


def standing(decisions: list[Decision]) -> dict[tuple[str, str], Decision]:
    """By pair, the latest decision that was not undone; `later` counts only where nothing else was decided."""
    open_ones = [d for d in decisions if d.undone_at is None]
    put_off = {d.pair: d for d in open_ones if d.verdict == "later"}
    return put_off | {d.pair: d for d in open_ones if d.verdict != "later"}


def decide(
    home: Home, left: str, right: str, verdict: Verdict, *, by: str, at: datetime, note: str | None = None
) -> Decision:
    """Keep what somebody decided about two records.

    Raises:
        DecisionError: it is one record, or the file is damaged.
        Busy: another process is writing decisions.
    """
    if left == right:
        raise DecisionError(f"{left} is one record; name two.")
    with _changing(home) as con:
        number = max((d.decision_id for d in _rows(con)), default=0) + 1
        made = Decision(number, min(left, right), max(left, right), verdict, at, by, note)
        con.execute("INSERT INTO identity_decision VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", astuple(made))
    return made


def undo(home: Home, number: int, *, by: str, at: datetime) -> Decision:
    """Take a decision back; an earlier one about the same records stands again. It stays in the log as undone.

    Raises:
        DecisionError: there is no such decision, it is undone already, or the file is damaged.
        Busy: another process is writing decisions.
    """
    with _changing(home) as con:
        found = next((d for d in _rows(con) if d.decision_id == number), None)
        if found is None:
            raise DecisionError(f"There is no decision {number}; `millpond review --decided` lists them.")
        if found.undone_at is not None:
            raise DecisionError(f"Decision {number} was undone already, by {found.undone_by}.")
        con.execute("UPDATE identity_decision SET undone_at = ?, undone_by = ? WHERE decision_id = ?", [at, by, number])
    return replace(found, undone_at=at, undone_by=by)


def copies(home: Home) -> list[Path]:
    """Copies of the file, newest first."""
    made = home.decision_copies.glob("*.duckdb")
    return sorted(made, key=lambda path: naming.order(path.stem, len("2026-10-31")), reverse=True)


@contextmanager
def _changing(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """A copy of the file to change, which takes the file's place once the block is through."""
    with locks.hold(home, "decisions"):
        held = len(read(home))
        partial = home.decisions.with_suffix(".partial")
        for leftover in (partial, Path(f"{partial}.wal")):
            leftover.unlink(missing_ok=True)
        if home.decisions.exists():
            shutil.copyfile(home.decisions, partial)
        with connect(partial) as con:
            con.execute(_TABLE)
            yield con
        if len(_read(home, partial)) < held:
            raise DecisionError(f"{partial} holds less than {home.decisions}, which stays as it was. Decide again.")
        sync(partial)
        _keep_copy(home, partial)
        partial.replace(home.decisions)
        sync(home.root)


def _read(home: Home, path: Path) -> list[Decision]:
    try:
        with connect(path, read_only=True) as con:
            return _rows(con)
    except (duckdb.Error, StoreError) as error:
        told = str(error).splitlines()[0]
        raise DecisionError(f"{path} cannot be read: {told} {_mend(home, copies(home))}") from None


def _rows(con: duckdb.DuckDBPyConnection) -> list[Decision]:
    rows = con.execute(f"SELECT {_COLUMNS} FROM identity_decision ORDER BY decision_id").fetchall()
    return [Decision(*row) for row in rows]


def _mend(home: Home, held: list[Path]) -> str:
    put_back = f"cp {held[0]} {home.decisions}" if held else "there is none here, so look among your backups"
    return (
        "Nothing is published without it, so that no decision is lost unnoticed. Close whatever has it open; "
        f"if it is damaged, put the newest copy back: {put_back}"
    )


def _keep_copy(home: Home, changed: Path) -> None:
    """The day's copy holds the day's last change; the oldest days go."""
    home.decision_copies.mkdir(parents=True, exist_ok=True)
    day = naming.following((path.stem for path in copies(home)), f"{clock.now():%Y-%m-%d}", same=True)
    kept = home.decision_copies / f"{day}.duckdb"
    partial = kept.with_suffix(".partial")
    shutil.copyfile(changed, partial)
    sync(partial)
    partial.replace(kept)
    sync(home.decision_copies)
    for old in copies(home)[KEPT_DAYS:]:
        old.unlink()
