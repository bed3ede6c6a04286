"""Steps that take much longer than they used to are found; everything else is left in peace."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from quality import pace
from quality.pace import Step
from warehouse import meta, store
from warehouse.home import Home

FIRST = datetime(2026, 10, 1, 3, tzinfo=UTC)


@pytest.fixture
def con(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with store.open_build(Home(tmp_path)) as con:
        meta.ensure(con)
        yield con


def night(
    con: duckdb.DuckDBPyConnection, number: int, seconds: float, *, rows: int = 1000, changed: int | None = None
) -> str:
    """A night in which one table took so long; gives its run."""
    run = f"run-{number}"
    meta.start_run(con, run, "refresh", FIRST + timedelta(days=number))
    meta.note_step(con, run_id=run, step="core.thing", kind="model", rows=rows, seconds=seconds, changed_rows=changed)
    return run


def test_a_step_that_takes_much_longer_than_usual_warns_with_its_usual_time(con):
    for number in range(6):
        night(con, number, 10 + number % 2)
    tonight = night(con, 6, 45)
    (slow,) = pace.slow_steps(con, tonight)
    assert (slow.step, slow.seconds, slow.usual, slow.nights) == (Step("model", "core.thing", True), 45, 10.5, 6)
    result = pace.check_pace(con, tonight)
    assert (result.passed, result.blocks, result.failed_rows) == (False, False, 1)
    assert result.examples == [{"step": "model core.thing", "seconds": 45, "usual_seconds": 10.5, "nights": 6}]
    assert con.sql(result.sql).fetchall()[0][1] == "core.thing"


@pytest.mark.parametrize(
    ("seconds", "rows"),
    [(29, 1000), (90, 5000), (12, 1000)],
    ids=["less than three times", "as many times the rows", "as usual"],
)
def test_a_step_is_judged_by_times_and_rows(con, seconds, rows):
    for number in range(5):
        night(con, number, 10)
    assert pace.check_pace(con, night(con, 5, seconds, rows=rows)).passed


def test_a_few_seconds_more_are_nothing(con):
    for number in range(5):
        night(con, number, 0.1)
    assert pace.check_pace(con, night(con, 5, 9)).passed


def test_too_little_is_known_of_four_nights(con):
    for number in range(4):
        night(con, number, 1)
    assert pace.check_pace(con, night(con, 4, 100)).passed


def test_a_table_made_as_a_whole_is_not_compared_with_nights_that_followed_changes(con):
    for number in range(6):
        night(con, number, 1, changed=10)
    assert pace.check_pace(con, night(con, 6, 60)).passed
    assert not pace.check_pace(con, night(con, 7, 60, changed=10)).passed


def test_history_leaves_out_the_run_in_question_and_is_newest_first(con):
    for number in range(3):
        night(con, number, number)
    took = pace.history(con, before="run-1")[Step("model", "core.thing", True)]
    assert [t.seconds for t in took] == [2, 0]
    assert pace.usual_seconds(took) == 1
