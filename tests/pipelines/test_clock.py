"""Nights under a clock that jumps: the last one made is what is published, and no interval ends before it begins."""

from __future__ import annotations

from datetime import timedelta

import pytest
from typer.testing import CliRunner

from pipelines.cli import load_commands
from pipelines.refresh.history import HISTORIES
from quality.clock import judge_clock
from tests.pipelines.conftest import Tiny
from warehouse import clock, publish
from warehouse.company import load_company
from warehouse.contracts import tables

REAL = clock.now


@pytest.fixture
def dated(tiny: Tiny) -> Tiny:
    """The company with nothing to say what day it is but the clock, and with what its customers' history follows."""
    config = tiny.root / "millpond.toml"
    config.write_text(config.read_text().replace("as_of = 2026-10-31\n", ""))
    mapping = tiny.root / "mappings" / "crm" / "contact.sql"
    mapping.write_text(mapping.read_text().replace("phone FROM", "phone, name AS city FROM"))
    return Tiny(load_company(tiny.root))


def night_at(tiny: Tiny, days: int, total: str) -> None:
    """A night so many days from now, with another total of an order and another town of somebody."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", lambda: REAL() + timedelta(days=days))
        orders, contacts = tiny.export("shop/orders.csv"), tiny.export("crm/contacts.csv")
        lines = orders.read_text().splitlines()
        lines[2] = f'A2,jan@example.org,EUR,"{total}",2026-10-02 11:00'
        orders.write_text("\n".join(lines) + "\n")
        people = contacts.read_text().splitlines()
        people[2] = f"2,Town {total[:2]},jan@example.org,n/a"
        contacts.write_text("\n".join(people) + "\n")
        outcome = tiny.night()
    assert outcome.published, outcome.failure


def check_all(tiny: Tiny, total: str, *, went_back: bool) -> None:
    """What must be so after every night."""
    home = tiny.company.home
    newest = publish.newest(home)
    assert newest is not None
    assert newest.samefile(home.warehouse)
    assert tiny.ask("SELECT total::VARCHAR FROM core.sales_order WHERE order_number = 'A2'") == [(total,)]
    clock_check = "SELECT passed FROM meta.check_result WHERE is_latest AND check_name = 'clock_went_forward'"
    assert tiny.ask(clock_check) == [(not went_back,)]
    for table in HISTORIES:
        key = tables()[table].key[0]
        window = f"OVER (PARTITION BY {key} ORDER BY valid_from)"
        rows = f"SELECT valid_from, valid_to, lag(valid_to, 1, valid_from) {window} AS before FROM {table}"
        assert tiny.ask(f"FROM ({rows}) WHERE valid_to <= valid_from OR before IS NULL OR before > valid_from") == []


def test_nights_a_year_ahead_back_and_a_day_back(dated: Tiny) -> None:
    tiny = dated
    customers = tiny.ask("SELECT customer_id, email FROM core.customer ORDER BY email")
    versions = len(publish.versions(tiny.company.home))
    for number, (days, total, went_back) in enumerate([(365, "13,00", False), (1, "14,00", True), (0, "15,00", True)]):
        night_at(tiny, days, total)
        check_all(tiny, total.replace(",", ".") + "00", went_back=went_back)
        assert len(publish.versions(tiny.company.home)) == versions + number + 1
    assert tiny.ask("SELECT customer_id, email FROM core.customer ORDER BY email") == customers
    towns = tiny.ask("SELECT city FROM core.customer_history WHERE city LIKE 'Town%' ORDER BY recorded_at, valid_from")
    assert ("Town 15",) in towns
    assert tiny.ask("SELECT city FROM core.customer_history WHERE is_current AND city LIKE 'Town%'") == [("Town 15",)]
    status = CliRunner().invoke(load_commands(), ["--company", str(tiny.root), "status"], catch_exceptions=False)
    assert "fresh" in status.stdout.splitlines()[0]
    assert "meta.night: clock_went_forward" in status.stdout
    assert publish.rollback(tiny.company.home).published_at.date() == (REAL() + timedelta(days=1)).date()


def test_a_version_from_the_future_is_said_to_be_so(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: REAL() - timedelta(days=400))
    status = CliRunner().invoke(load_commands(), ["--company", str(tiny.root), "status"], catch_exceptions=False)
    assert "stale" in status.stdout
    assert "the clock was wrong then, or is now" in " ".join(status.stdout.split())


def test_by_how_much_the_clock_went_back_is_said() -> None:
    now = REAL()
    assert judge_clock(now, None).passed
    assert judge_clock(now, now).passed
    assert judge_clock(now, now - timedelta(days=1)).passed
    told = judge_clock(now, now + timedelta(hours=1))
    assert not told.passed
    assert told.severity == "warning"
    assert "It went back by 1.0 hours. Set it" in told.description
    assert "went back by 365 days" in judge_clock(now, now + timedelta(days=365)).description
