"""Row counts against their history."""

from __future__ import annotations

from datetime import timedelta

import pytest

from quality.volume import check_volume, count_history, had_rows, judge_count, record_counts

STEADY = [1000, 1010, 1021, 1029, 1041, 1050, 1060]


@pytest.mark.parametrize(
    ("count", "history", "outcome"),
    [
        (1070, STEADY, "passed"),
        (500, STEADY, "error"),
        (0, STEADY, "error"),
        (900, STEADY, "warning"),
        (1300, STEADY, "warning"),
        (1025, STEADY, "passed"),
        (0, [0, 0, 0, 0, 0, 0, 0], "passed"),
        (8, [0, 0, 0, 0, 0, 0, 0], "passed"),
        (0, [1000, 1000], "passed"),
        (700, [1000, 1000, 1000], "passed"),
        (499, [1000, 1000, 1000], "error"),
        # A table that jumps about every night has a wide band.
        (1500, [1000, 1600, 1100, 1700, 1000, 1500, 1200], "passed"),
    ],
)
def test_a_count_is_judged_by_its_history(count, history, outcome):
    result = judge_count("clean.contact", count, history)
    assert ("passed" if result.passed else result.severity) == outcome
    assert f"{count:,} rows" in result.description


def test_too_little_history_is_said():
    assert "too little history to judge (1 of 3 nights)" in judge_count("clean.contact", 5, [5]).description


def test_a_failed_count_shows_the_earlier_nights():
    assert judge_count("clean.contact", 1, STEADY).examples == [{"row_count": 1, "earlier_nights": STEADY}]


def test_history_has_the_last_count_of_each_earlier_night(con, now):
    con.execute("CREATE TABLE clean.t AS SELECT 1 AS a FROM range(100)")
    for night in range(8):
        at = now + timedelta(days=night)
        assert record_counts(con, ["clean.t"], f"run{night}", at) == {"clean.t": 100 + night}
        con.execute("INSERT INTO clean.t VALUES (1)")
    record_counts(con, ["clean.t"], "run7-again", now + timedelta(days=7, hours=3))
    assert count_history(con, "clean.t", "another") == [101, 102, 103, 104, 105, 106, 108]
    assert count_history(con, "clean.t", "run7-again") == [101, 102, 103, 104, 105, 106, 107]
    assert had_rows(con, "clean.t", "another")
    assert not had_rows(con, "clean.other", "another")


def test_last_is_what_was_counted_last_whatever_the_clock_said(con, now):
    con.execute("CREATE TABLE clean.t AS SELECT 1 AS a FROM range(100)")
    for night, days in enumerate([-3, -2, -1, 365, 0, 1, 2, -400]):
        record_counts(con, ["clean.t"], f"run{night}", now + timedelta(days=days))
        con.execute("INSERT INTO clean.t VALUES (1)")
    assert count_history(con, "clean.t", "another") == [101, 102, 103, 104, 105, 106, 107]


def test_a_run_that_is_repeated_counts_once(con, now):
    con.execute("CREATE TABLE clean.t AS SELECT 1 AS a")
    record_counts(con, ["clean.t"], "run", now)
    record_counts(con, ["clean.t"], "run", now)
    assert con.execute("SELECT table_name, run_id, row_count FROM meta.table_count").fetchall() == [
        ("clean.t", "run", 1)
    ]


def test_a_table_that_lost_its_rows_is_found(con, now):
    con.execute("CREATE TABLE clean.t AS SELECT 1 AS a FROM range(100)")
    for night in range(3):
        record_counts(con, ["clean.t"], f"run{night}", now + timedelta(days=night))
    assert check_volume(con, "clean.t", "tonight").passed
    con.execute("DELETE FROM clean.t")
    result = check_volume(con, "clean.t", "tonight")
    assert result.blocks
    assert result.name == "row_count_as_usual"
