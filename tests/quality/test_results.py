"""Check results written and read back."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from quality.results import CheckResult, last_results, latest_checks, latest_results, percent, save_results

RESULT = CheckResult(
    name="email_is_email",
    table="clean.contact",
    severity="error",
    passed=False,
    evaluated_rows=10,
    failed_rows=1,
    failed_pct=10.0,
    examples=[{"source": "crm", "source_id": "1", "email": 'it\'s "bad"'}],
    sql="SELECT 1;",
    description="email is an e-mail address.",
    seconds=0.5,
)


def test_what_was_written_is_read_back(con, now):
    other = dataclasses.replace(RESULT, table="clean.deal")
    save_results(con, "run1", [RESULT, other], now)
    assert last_results(con, "clean.contact") == [RESULT]


MENDED = dataclasses.replace(RESULT, passed=True, failed_rows=0, failed_pct=0.0, examples=[])


@pytest.mark.parametrize("days", [1, -1, -365], ids=["later", "the clock went back", "by a year"])
def test_the_last_run_that_checked_the_table_counts(con, now, days):
    save_results(con, "a", [RESULT], now)
    save_results(con, "b", [MENDED], now + timedelta(days=days))
    save_results(con, "c", [dataclasses.replace(RESULT, table="clean.deal")], now + timedelta(days=2))
    assert last_results(con, "clean.contact") == [MENDED]
    assert {r.table: r.passed for r in latest_results(con)} == {"clean.contact": True, "clean.deal": False}


def test_the_time_decides_where_results_bear_no_mark_yet(con, now):
    save_results(con, "a", [RESULT], now)
    save_results(con, "b", [MENDED], now + timedelta(days=1))
    con.execute("UPDATE meta.check_result SET is_latest = NULL")
    assert last_results(con, "clean.contact") == [MENDED]
    con.execute("ALTER TABLE meta.check_result DROP COLUMN is_latest")
    assert len(con.execute(latest_checks(con)).fetchall()) == 1
    save_results(con, "c", [RESULT], now - timedelta(days=1))
    assert last_results(con, "clean.contact") == [RESULT]


def test_a_run_that_is_repeated_replaces_its_results(con, now):
    save_results(con, "run1", [RESULT], now)
    save_results(con, "run1", [dataclasses.replace(RESULT, failed_rows=2)], now)
    assert [r.failed_rows for r in last_results(con, "clean.contact")] == [2]


def test_a_table_never_checked_has_no_results(con, now):
    save_results(con, "run1", [], now)
    assert last_results(con, "clean.contact") == []


def test_an_empty_table_has_no_share_of_failed_rows():
    assert (percent(0, 0), percent(1, 8)) == (0.0, 12.5)
