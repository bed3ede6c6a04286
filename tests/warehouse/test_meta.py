"""Notes of loads, runs and fingerprints."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from warehouse import meta
from warehouse.home import Home
from warehouse.store import open_build

NOW = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)


def note(ok: bool, at: datetime) -> meta.LoadNote:
    return meta.LoadNote(source="shop", connector="files", attempted_at=at, ok=ok, run_id="r")


def test_failed_load_keeps_the_last_success_and_says_since_when(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert meta.read_note(home, "shop") is None
    meta.write_note(home, note(True, NOW))
    meta.write_note(home, note(False, NOW + timedelta(days=1)))
    meta.write_note(home, note(False, NOW + timedelta(days=2)))
    kept = meta.read_note(home, "shop")
    assert kept is not None
    assert kept.last_success_at == NOW
    assert kept.failing_since == NOW + timedelta(days=1)
    meta.write_note(home, note(True, NOW + timedelta(days=3)))
    healed = meta.read_note(home, "shop")
    assert healed is not None
    assert (healed.last_success_at, healed.failing_since) == (NOW + timedelta(days=3), None)


def test_killed_run_is_told_apart(tmp_path: Path) -> None:
    with open_build(Home(tmp_path)) as con:
        meta.ensure(con)
        meta.start_run(con, "a", "refresh", NOW)
        meta.start_run(con, "b", "refresh", NOW)
        meta.end_run(con, "b", at=NOW, status="succeeded", rows=1, message="")
        assert con.execute("SELECT run_id, status FROM meta.run ORDER BY 1").fetchall() == [
            ("a", "killed"),
            ("b", "succeeded"),
        ]


def test_version_changes_only_with_content(tmp_path: Path) -> None:
    with open_build(Home(tmp_path)) as con:
        meta.ensure(con)
        meta.remember(con, "core.x", fingerprint="f1", version="v1", at=NOW)
        meta.remember(con, "core.x", fingerprint="f2", version="v1", at=NOW + timedelta(days=1))
        assert meta.fingerprint_of(con, "core.x") == ("f2", "v1")
        assert con.execute("SELECT built_at FROM meta.built").fetchone() == (NOW,)
        meta.remember(con, "core.x", fingerprint="f3", version="v2", at=NOW + timedelta(days=2))
        assert con.execute("SELECT version, built_at FROM meta.built").fetchall() == [("v2", NOW + timedelta(days=2))]


def test_holidays_of_the_country() -> None:
    days = dict(meta.holidays_between("DE", date(2026, 10, 1), date(2026, 10, 31)))
    assert list(days) == [date(2026, 10, 3)]
    assert meta.holidays_between("XX", date(2026, 1, 1), date(2026, 12, 31)) == []
