"""A lake that an older Millpond made opens, is brought up to date, and goes on."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import pytest

from pipelines.refresh.plan import stale_tables
from tests.pipelines.conftest import Tiny, write_company
from warehouse import decisions, store, upgrade
from warehouse.company import load_company
from warehouse.store import StoreError

LAKES = Path(__file__).parent / "lakes"
ASSIGNED = "SELECT record_id, customer_id, customer_since FROM identity.assignment ORDER BY ALL"
HISTORIES = "SELECT * FROM core.customer_history ORDER BY ALL"


@pytest.fixture
def old(tmp_path: Path) -> Tiny:
    """The tiny company with a third contact after two nights of an older Millpond; between them it was decided that
    the first and the third contact are different people."""
    root = write_company(tmp_path / "old")
    contacts = root / "exports" / "crm" / "contacts.csv"
    contacts.write_text(contacts.read_text() + "3,A. Berg,anna.berg@example.com,030 23125001\n")
    os.utime(contacts, (1_760_000_000, 1_760_000_000))
    with tarfile.open(LAKES / "layout-0.tar.xz") as lake:
        lake.extractall(root, filter="data")
    return Tiny(load_company(root))


def test_a_lake_of_an_older_version_goes_on_with_its_ids_histories_and_decisions(old):
    assert not (old.company.home.root / "lake.json").exists()
    assigned, histories = old.ask(ASSIGNED), old.ask(HISTORIES)
    assert len({customer for _, customer, _ in assigned}) == 4
    outcome = old.night()
    assert outcome.published, outcome.failure
    assert old.ask(ASSIGNED) == assigned
    assert old.ask(HISTORIES) == histories
    assert [d.verdict for d in decisions.read(old.company.home)] == ["different"]
    assert old.ask("SELECT state FROM identity.decision") == [("in_force",)]
    assert json.loads((old.company.home.root / "lake.json").read_text())["format"] == upgrade.FORMAT
    assert stale_tables(old.company) == []


def test_a_lake_of_a_newer_version_is_left_alone(tiny):
    marker = tiny.company.home.root / "lake.json"
    marker.write_text(json.dumps({"format": upgrade.FORMAT + 1}))
    before = tiny.company.home.build.read_bytes()
    with pytest.raises(StoreError, match=r"A newer Millpond has used .*nothing was changed"):
        tiny.night()
    assert tiny.company.home.build.read_bytes() == before


def test_a_marker_that_cannot_be_read_is_said(tiny):
    (tiny.company.home.root / "lake.json").write_text("{")
    with pytest.raises(StoreError, match=r"lake\.json cannot be read"):
        tiny.night()


def test_a_step_that_was_killed_is_taken_again(old, monkeypatch):
    steps = []

    def killed(home):
        steps.append("begun")
        upgrade._let_all_be_made_anew(home)
        if len(steps) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(upgrade, "STEPS", {0: killed})
    with pytest.raises(KeyboardInterrupt):
        upgrade.bring_up(old.company.home)
    assert not (old.company.home.root / "lake.json").exists()
    upgrade.bring_up(old.company.home)
    assert steps == ["begun", "begun"]
    with store.open_build(old.company.home, read_only=True) as con:
        assert con.sql("SELECT DISTINCT fingerprint FROM meta.built").fetchall() == [("unsettled",)]


def test_every_layout_has_a_step_to_the_next():
    assert sorted(upgrade.STEPS) == list(range(upgrade.FORMAT))
