"""Reviewing as people do it: the queue, deciding and undoing on the command line, and what the night makes of it."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.night import begin, building
from pipelines.refresh import model, prepare
from pipelines.refresh.checks import check_tables
from pipelines.refresh.plan import stale_tables
from quality.results import CheckResult
from tests.pipelines.conftest import Tiny
from tests.pipelines.test_cli import _wide_terminal, on, sentences  # noqa: F401
from transforms import identity
from warehouse import decisions
from warehouse.contracts import tables

ANNA, JAN = "contact:crm:1", "contact:crm:2"
ANNAS_ORDER, NEW = "email:shop:anna@example.com", "email:shop:new@example.net"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def asked(tiny: Tiny) -> Tiny:
    """The company with two uncertain pairs in its published queue."""
    rows = [(1, ANNA, JAN, 0.5), (2, JAN, NEW, 0.7)]
    with duckdb.connect(str(tiny.company.home.warehouse)) as con:
        con.execute("DELETE FROM identity.review")
        for position, left, right, probability in rows:
            con.execute(
                "INSERT INTO identity.review SELECT $1, $2, $3, one.customer_id, other.customer_id, false, $4, "
                "'name: alike', 'email: different', NULL FROM identity.assignment AS one, identity.assignment AS other "
                "WHERE one.record_id = $2 AND other.record_id = $3",
                [position, left, right, probability],
            )
    return tiny


def verdicts(tiny: Tiny) -> list[tuple[int, str, str, str]]:
    standing = decisions.standing(decisions.read(tiny.company.home)).values()
    return sorted((d.decision_id, d.record_left, d.record_right, d.verdict) for d in standing)


def listed(tiny: Tiny) -> list[list[str]]:
    lines = on(tiny, "review", "--list").stdout.splitlines()
    return [line.split()[:2] for line in lines if line.split()[0].startswith(("contact:", "email:"))]


def customer(tiny: Tiny, record: str) -> str:
    return str(tiny.ask(f"SELECT customer_id FROM identity.assignment WHERE record_id = '{record}'")[0][0])


# The queue


def test_an_empty_queue_says_so(asked: Tiny) -> None:
    assert on(asked, "review", "--decided").stdout == "Nothing was decided yet.\n"
    on(asked, "review", ANNA, JAN, "--same")
    on(asked, "review", JAN, NEW, "--different")
    for words in (("--list",), ()):
        assert on(asked, "review", *words).stdout == "No pair waits for a decision.\n"


def test_the_queue_lists_what_is_uncertain_and_not_what_is_decided(asked: Tiny) -> None:
    first = on(asked, "review", "--list", "--limit", "1").stdout
    assert re.search(rf"{ANNA} +{JAN} +50% +name: alike +email: different", first)
    assert "1 more" in first
    assert "Pairs of records that may be one person: 2; `millpond review`" in on(asked, "status").stdout
    on(asked, "review", ANNA, JAN, "--later")
    assert listed(asked) == [[JAN, NEW], [ANNA, JAN]]
    on(asked, "review", ANNA, JAN, "--different")
    assert listed(asked) == [[JAN, NEW]]
    on(asked, "review", "--undo", ANNA, JAN)
    assert listed(asked) == [[JAN, NEW], [ANNA, JAN]]


def test_going_through_the_queue(asked: Tiny) -> None:
    result = on(asked, "review", stdin="u\nyes?\ns one birthday\nu\nD not her\nl\n")
    assert result.exit_code == 0
    shown = result.stdout
    assert shown.count("1 of 2") == 3
    for part in ("Anna Berg", "Jan de Boer", "anna@example.com", "≠", "together", "Answer with one of these letters."):
        assert part in shown
    assert "Decision 1 is undone." in shown
    assert f"millpond --company {asked.root} run" in shown
    assert verdicts(asked) == [(2, ANNA, JAN, "different"), (3, JAN, NEW, "later")]
    assert [d.note for d in decisions.read(asked.company.home)] == ["one birthday", "not her", None]


@pytest.mark.parametrize("stdin", ["q\n", ""])
def test_leaving_the_queue_decides_nothing(asked: Tiny, stdin: str) -> None:
    result = on(asked, "review", stdin=stdin)
    assert result.exit_code == 0
    assert "Takes effect" not in result.stdout
    assert verdicts(asked) == []


def test_one_pair_can_be_looked_at_and_decided(asked: Tiny) -> None:
    assert "1 of 1" in on(asked, "review", NEW, JAN, stdin="s\n").stdout
    assert verdicts(asked) == [(1, JAN, NEW, "same")]


# Decisions


def test_decisions_are_made_and_undone_by_name_and_by_number(tiny: Tiny) -> None:
    made = on(tiny, "review", JAN, ANNA, "--same", "--note", "her married name", "--by", "ada").stdout
    assert f"Decision 1: {ANNA} and {JAN} are one person." in made
    assert f"Takes effect with the next refresh: millpond --company {tiny.root} run" in made
    on(tiny, "review", ANNA, NEW, "--different", "--by", "bo")
    rows = [line.split() for line in on(tiny, "review", "--decided").stdout.splitlines()[1:]]
    assert [row[:4] for row in rows] == [["2", ANNA, NEW, "different"], ["1", ANNA, JAN, "same"]]
    on(tiny, "review", "--undo", JAN, ANNA)
    assert "Decision 2 is undone" in on(tiny, "review", "--undo", "2").stdout
    assert verdicts(tiny) == []
    shown = on(tiny, "review", "--decided", "--limit", "1").stdout
    assert "undone by" in shown
    assert JAN not in shown


def test_customers_are_named_by_their_ids(asked: Tiny) -> None:
    one, other = customer(asked, NEW), customer(asked, JAN)
    on(asked, "review", one, other, "--same")
    on(asked, "review", customer(asked, ANNA), one, "--different")
    assert verdicts(asked) == [(1, JAN, NEW, "same"), (2, ANNA, NEW, "different")]
    on(asked, "review", "--undo", other, one)
    assert verdicts(asked) == [(2, ANNA, NEW, "different")]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ((ANNA, "--same"), "Name two records or customers"),
        ((ANNA, JAN, NEW, "--same"), "Name two records or customers"),
        ((ANNA, ANNA, "--same"), f"{ANNA} is one record; name two"),
        ((ANNA, "contact:crm:9", "--same"), "There is no record or customer contact:crm:9"),
        ((ANNA, JAN, "--same", "--different"), "Choose one of"),
        (("--list", "--decided"), "Choose one of"),
        (("--undo", "7"), "There is no decision 7"),
        (("--undo", ANNA, JAN), f"Nothing is decided about {ANNA} and {JAN}"),
        (("--undo",), "Name two records or customers"),
    ],
)
def test_what_cannot_be_decided_is_a_sentence(first_night: Tiny, words: tuple[str, ...], part: str) -> None:
    (said,) = sentences(on(first_night, "review", *words))
    assert part in said
    assert decisions.read(first_night.company.home) == []


def test_one_customer_cannot_be_decided_by_its_id(first_night: Tiny) -> None:
    one = customer(first_night, ANNA)
    (said,) = sentences(on(first_night, "review", one, ANNAS_ORDER, "--different"))
    assert f"name two of its records: {ANNA}, {ANNAS_ORDER}" in said


def test_what_is_decided_is_not_put_off(tiny: Tiny) -> None:
    on(tiny, "review", ANNA, JAN, "--same")
    (said,) = sentences(on(tiny, "review", ANNA, JAN, "--later"))
    assert said == "Decision 1 says that they are same; undo it first."


def test_reviewing_goes_on_while_a_night_builds(asked: Tiny) -> None:
    script = (
        "import sys\nfrom pipelines.cli import main\n"
        f"sys.argv = ['millpond', '--company', sys.argv[1], 'review', '{ANNA}', '{JAN}', '--same']\nmain()"
    )
    with building(asked.company):
        command = [sys.executable, "-c", script, str(asked.root)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(verdicts(asked)) == 1


def test_damaged_decisions_stop_the_night_and_name_the_copy(tiny: Tiny) -> None:
    on(tiny, "review", ANNA, JAN, "--same")
    home = tiny.company.home
    home.decisions.write_bytes(home.decisions.read_bytes()[:5000])
    for words in (("run",), ("review", "--list"), ("review", ANNA, JAN, "--same")):
        (said,) = sentences(on(tiny, *words))
        assert f"cp {decisions.copies(home)[0]} {home.decisions}" in said


# Explanations


def test_an_explanation_adds_up_and_says_who_they_are(first_night: Tiny) -> None:
    shown = on(first_night, "explain-match", ANNAS_ORDER, ANNA).stdout
    lines = [line.split() for line in shown.splitlines()]
    bits = [float(line[-1]) for line in lines if line and re.fullmatch(r"[+-]\d+\.\d", line[-1])]
    assert sum(bits[:-1]) == pytest.approx(bits[-1], abs=0.3)
    probability = float(re.search(r"one person with ([\d.]+)%", shown)[1]) / 100  # type: ignore[index]
    assert math.log2(probability / (1 - probability)) == pytest.approx(bits[-1], abs=1)
    assert f"They are one customer: {customer(first_night, ANNA)}." in shown
    apart = on(first_night, "explain-match", ANNA, JAN).stdout
    assert f"They are two customers: {customer(first_night, ANNA)} and {customer(first_night, JAN)}." in apart


def test_customers_are_explained_by_their_strongest_pair(first_night: Tiny) -> None:
    one, other = customer(first_night, ANNA), customer(first_night, JAN)
    shown = on(first_night, "explain-match", one, other).stdout
    assert "other pairs" in shown
    assert shown.count("email:shop:") >= 2
    itself = on(first_night, "explain-match", one, one).stdout
    assert f"They are one customer: {one}." in itself
    (said,) = sentences(on(first_night, "explain-match", ANNA, ANNA))
    assert said == f"{ANNA} and {ANNA} are one record; name two."


def test_an_explanation_names_the_decision(tiny: Tiny) -> None:
    on(tiny, "review", ANNA, JAN, "--same", "--by", "ada", "--note", "[her] married name")
    shown = on(tiny, "explain-match", ANNA, JAN).stdout
    assert f"Decision 1: {ANNA} and {JAN} same, by ada" in shown
    assert "([her] married name); takes effect with the next refresh." in shown


# The night


def refresh_identity(tiny: Tiny) -> dict[tuple[str, str], CheckResult]:
    """The steps of identity alone, with their checks: a night without the rest of it."""
    own = [contract for contract in tables().values() if contract.schema == "identity"]
    night = begin(tiny.company, "test", datetime.now(UTC))
    with building(tiny.company) as con:
        prepare.note_decisions(con, tiny.company)
        model.build_tables(con, night, [contract.table for contract in own])
        return {(r.table, r.name): r for r in check_tables(con, night, own)}


def built(tiny: Tiny, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(tiny.company.home.build), read_only=True) as con:
        return con.execute(sql).fetchall()


def rebuilt(tiny: Tiny) -> set[str]:
    return {t for (t,) in built(tiny, "SELECT step FROM meta.step WHERE run_id = 'test' AND kind = 'model'")}


def test_a_decision_is_due_in_the_next_refresh_and_then_no_more(tiny: Tiny) -> None:
    assert stale_tables(tiny.company) == []
    on(tiny, "review", ANNA, JAN, "--same")
    due = stale_tables(tiny.company)
    assert {"identity.decision", "identity.assignment", "core.customer", "mart.customer_360"} <= set(due)
    assert not [table for table in due if table.startswith("clean.")]
    found = refresh_identity(tiny)
    assert rebuilt(tiny) >= {"identity.decision", "identity.assignment", "identity.history", "identity.review"}
    assert found["identity.decision", "is_obeyed"].passed
    assert built(tiny, f"SELECT DISTINCT evidence FROM identity.assignment WHERE record_id = '{JAN}'") == [
        ("decision",)
    ]
    assert "identity.assignment" not in {t for t in stale_tables(tiny.company) if t.startswith("identity.")}


def test_a_pair_put_off_links_nothing_anew(tiny: Tiny) -> None:
    on(tiny, "review", ANNA, JAN, "--later")
    refresh_identity(tiny)
    assert rebuilt(tiny) == {"identity.decision", "identity.review"}


def test_a_decision_that_is_not_obeyed_blocks_the_publish(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    link = identity.link
    monkeypatch.setattr(identity, "link", lambda *args, **kwargs: link(*args, **{**kwargs, "decisions": None}))
    on(tiny, "review", ANNA, JAN, "--same")
    on(tiny, "review", ANNA, ANNAS_ORDER, "--different")
    check = refresh_identity(tiny)["identity.decision", "is_obeyed"]
    assert check.blocks
    assert check.failed_rows == 2
    assert {(e["record_left"], e["record_right"], e["verdict"]) for e in check.examples} == {
        (ANNA, JAN, "same"),
        (ANNA, ANNAS_ORDER, "different"),
    }
    monkeypatch.undo()
    with building(tiny.company) as con:
        con.execute("UPDATE meta.built SET fingerprint = 'unsettled' WHERE object = 'identity.assignment'")
    assert refresh_identity(tiny)["identity.decision", "is_obeyed"].passed


def test_contradicting_decisions_warn_with_an_example_and_the_latest_hold(tiny: Tiny) -> None:
    on(tiny, "review", ANNA, JAN, "--same")
    on(tiny, "review", JAN, NEW, "--same")
    on(tiny, "review", ANNA, NEW, "--different")
    found = refresh_identity(tiny)
    check = found["identity.decision", "agrees_with_later_decisions"]
    assert (check.passed, check.severity, check.failed_rows) == (False, "warning", 1)
    (example,) = check.examples
    assert (example["record_left"], example["record_right"], example["contradicted_by"]) == (ANNA, JAN, "2, 3")
    assert found["identity.decision", "is_obeyed"].passed


def test_a_customer_of_suspicious_size_warns_and_is_named(tiny: Tiny) -> None:
    config = tiny.root / "millpond.toml"
    config.write_text(config.read_text().replace('country = "DE"', 'country = "DE"\nsuspicious_records = 2'))
    on(tiny, "review", ANNA, JAN, "--same")
    with building(tiny.company) as con:
        con.execute("INSERT INTO meta.setting VALUES ('suspicious_records', 2)")
    check = refresh_identity(tiny)["identity.customer_size", "is_plausible"]
    assert (check.passed, check.severity) == (False, "warning")
    assert check.examples[0]["records"] == 4
    assert check.examples[0]["customer_id"].startswith("cus_")


def test_the_queue_may_be_worked_off(tiny: Tiny) -> None:
    """That it has fewer rows than on other nights, or none, is no fault."""
    with building(tiny.company) as con:
        for night in range(7):
            row = ("identity.review", f"n{night}", datetime(2026, 10, night + 1, tzinfo=UTC), 200, night)
            con.execute("INSERT INTO meta.table_count VALUES (?, ?, ?, ?, ?)", row)
    found = refresh_identity(tiny)
    assert not {name for table, name in found if table == "identity.review"} & {"has_rows", "row_count_as_usual"}


def test_the_ui_shows_the_queue_and_what_to_do(asked: Tiny) -> None:
    from pipelines.assets.identity import told_of

    with duckdb.connect(str(asked.company.home.warehouse), read_only=True) as con:
        told = told_of(con, "identity.review")
        assert told_of(con, "identity.assignment") == {}
    first = told["the most uncertain pairs"].records[0].data
    assert (first["left_record"], first["right_record"], first["probability"]) == (ANNA, JAN, "50%")
    assert "millpond review" in told["what to do"].value
