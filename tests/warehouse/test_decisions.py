"""What people decided is kept whole: through kills, damage, and many who decide at once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from warehouse import clock, decisions, locks
from warehouse.decisions import Decision, DecisionError, decide, read, standing, undo
from warehouse.home import Home
from warehouse.store import connect

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "lake")


def newest_copy(home: Home) -> Path:
    return decisions.copies(home)[0]


def test_nobody_has_decided_yet(home: Home) -> None:
    assert read(home) == []
    assert not home.root.exists()


def test_decisions_are_kept_with_who_when_and_why(home: Home) -> None:
    decide(home, "contact:shop:2", "contact:crm:1", "same", by="ada", at=NOW, note="same birthday")
    decide(home, "a", "b", "later", by="bo", at=LATER)
    assert read(home) == [
        Decision(1, "contact:crm:1", "contact:shop:2", "same", NOW, "ada", "same birthday"),
        Decision(2, "a", "b", "later", LATER, "bo"),
    ]


def test_an_undone_decision_stays_in_the_log(home: Home) -> None:
    decide(home, "a", "b", "same", by="ada", at=NOW)
    undone = undo(home, 1, by="bo", at=LATER)
    assert read(home) == [undone]
    assert undone == Decision(1, "a", "b", "same", NOW, "ada", None, LATER, "bo")
    assert decide(home, "a", "b", "different", by="bo", at=LATER).decision_id == 2


def test_the_latest_decision_about_a_pair_stands_until_it_is_undone(home: Home) -> None:
    decide(home, "a", "b", "same", by="ada", at=NOW)
    decide(home, "b", "a", "different", by="ada", at=NOW)
    decide(home, "a", "b", "later", by="ada", at=NOW)
    decide(home, "a", "c", "later", by="ada", at=NOW)
    assert {pair: d.verdict for pair, d in standing(read(home)).items()} == {
        ("a", "b"): "different",
        ("a", "c"): "later",
    }
    undo(home, 2, by="ada", at=LATER)
    undo(home, 4, by="ada", at=LATER)
    assert {pair: d.verdict for pair, d in standing(read(home)).items()} == {("a", "b"): "same"}


def test_what_cannot_be_decided_is_a_sentence(home: Home) -> None:
    with pytest.raises(DecisionError, match="a is one record; name two"):
        decide(home, "a", "a", "same", by="ada", at=NOW)
    decide(home, "a", "b", "same", by="ada", at=NOW)
    with pytest.raises(DecisionError, match="There is no decision 7"):
        undo(home, 7, by="ada", at=NOW)
    undo(home, 1, by="bo", at=NOW)
    with pytest.raises(DecisionError, match="Decision 1 was undone already, by bo"):
        undo(home, 1, by="ada", at=NOW)
    assert len(read(home)) == 1


def damage_by_cutting(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:9000])


def damage_by_emptying(path: Path) -> None:
    path.write_bytes(b"")


def damage_by_scribbling(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[4096 : len(whole) - 4096] = b"\x55" * (len(whole) - 8192)
    path.write_bytes(whole)


@pytest.mark.parametrize("damage", [damage_by_cutting, damage_by_emptying, damage_by_scribbling, Path.unlink])
def test_a_damaged_file_is_an_error_that_names_the_copy_to_put_back(home: Home, damage) -> None:  # type: ignore[no-untyped-def]
    decide(home, "a", "b", "same", by="ada", at=NOW)
    decide(home, "c", "d", "different", by="ada", at=NOW)
    before = read(home)
    damage(home.decisions)
    for attempt in (
        lambda: read(home),
        lambda: decide(home, "e", "f", "same", by="ada", at=NOW),
        lambda: undo(home, 1, by="ada", at=NOW),
    ):
        with pytest.raises(DecisionError) as raised:
            attempt()
        assert f"cp {newest_copy(home)} {home.decisions}" in str(raised.value)
    shutil.copyfile(newest_copy(home), home.decisions)
    assert read(home) == before


def test_copies_are_one_a_day_with_its_last_change_and_the_oldest_go(home: Home) -> None:
    decide(home, "a", "b", "same", by="ada", at=NOW)
    for day in range(1, 32):
        (home.decision_copies / f"2020-01-{day:02}.duckdb").write_bytes(b"old")
    decide(home, "c", "d", "same", by="ada", at=NOW)
    kept = decisions.copies(home)
    assert len(kept) == decisions.KEPT_DAYS
    assert kept[-1].stem == "2020-01-03"
    assert kept[0].read_bytes() == home.decisions.read_bytes()


def test_the_copy_made_last_is_the_newest_whatever_the_clock_said(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, days in enumerate([0, 365, 1, 1, -400]):
        monkeypatch.setattr(clock, "now", lambda days=days: NOW + timedelta(days=days))
        decide(home, "a", f"b{number}", "same", by="ada", at=NOW)
        assert newest_copy(home).read_bytes() == home.decisions.read_bytes()
    assert [path.stem for path in decisions.copies(home)] == [
        "2025-09-28-3",
        "2026-11-03-2",
        "2027-11-02",
        "2026-11-02",
    ]


def test_a_change_that_was_killed_leaves_the_file_as_it_was(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    decide(home, "a", "b", "same", by="ada", at=NOW)

    def die(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(decisions, "sync", die)
    with pytest.raises(KeyboardInterrupt):
        decide(home, "c", "d", "same", by="ada", at=NOW)
    monkeypatch.undo()
    assert [d.pair for d in read(home)] == [("a", "b")]
    decide(home, "e", "f", "same", by="ada", at=NOW)
    assert [(d.decision_id, d.pair) for d in read(home)] == [(1, ("a", "b")), (2, ("e", "f"))]


def test_readers_go_on_while_somebody_decides(home: Home) -> None:
    decide(home, "a", "b", "same", by="ada", at=NOW)
    with locks.hold(home, "decisions"):
        assert len(read(home)) == 1
    with connect(home.decisions, read_only=True) as reader:
        decide(home, "c", "d", "same", by="ada", at=NOW)
        assert reader.execute("SELECT count(*) FROM identity_decision").fetchone() == (1,)


DECIDES = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from warehouse.decisions import decide
from warehouse.home import Home
for i in range(5):
    decide(Home(Path(sys.argv[1])), f"{sys.argv[2]}{i}", "z", "same", by="ada", at=datetime.now(UTC))
"""


def test_many_who_decide_at_once_lose_nothing(home: Home) -> None:
    command = [sys.executable, "-c", DECIDES, str(home.root)]
    deciders = [subprocess.Popen([*command, name], cwd=ROOT) for name in "abc"]
    assert [decider.wait() for decider in deciders] == [0, 0, 0]
    assert sorted(d.record_left for d in read(home)) == sorted(f"{name}{i}" for name in "abc" for i in range(5))
    assert [d.decision_id for d in read(home)] == list(range(1, 16))
