"""A table's row count against its own history: a load that lost half its rows passes every other check.

Keeps the history, in meta.table_count, and judges one count against it. It knows nothing about what rows mean.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from quality.results import CheckResult
from warehouse import contracts
from warehouse.contracts import Severity
from warehouse.sql import quoted_table
from warehouse.store import create_table

if TYPE_CHECKING:
    import duckdb

CHECK_NAME = "row_count_as_usual"
#: Nights looked at, fewest nights for a judgement, and fewest for the finer one by night-to-night changes.
NIGHTS, FEWEST_NIGHTS, FEWEST_FOR_BAND = 7, 3, 5
#: Below this share of the median, the count is an error.
LOWEST_SHARE = 0.5


def record_counts(con: duckdb.DuckDBPyConnection, tables: Iterable[str], run_id: str, now: datetime) -> dict[str, int]:
    """Count the tables and keep the counts; those that the same run kept before are replaced.

    Call it on every night, whether it is published or not: a lasting change then becomes the new normal after
    four nights, and one that is a mistake has been reported on each of them.
    """
    create_table(con, contracts.tables()["meta.table_count"])
    counts = {table: _row_count(con, table) for table in tables}
    night = _night(con, run_id)
    con.execute("BEGIN")
    try:
        for table, count in counts.items():
            con.execute("DELETE FROM meta.table_count WHERE run_id = ? AND table_name = ?", [run_id, table])
            con.execute("INSERT INTO meta.table_count VALUES (?, ?, ?, ?, ?)", [table, run_id, now, count, night])
        con.execute("COMMIT")
    except BaseException:
        con.execute("ROLLBACK")
        raise
    return counts


def count_history(con: duckdb.DuckDBPyConnection, table: str, run_id: str) -> list[int]:
    """Counts of the nights before this run, oldest first: the last one of each day, for the last seven days.

    Last is what was counted last, for the clock may have gone back.
    """
    create_table(con, contracts.tables()["meta.table_count"])
    rows = con.execute(
        """
        SELECT arg_max(row_count, (coalesce(night, 0), counted_at)) FROM meta.table_count
        WHERE table_name = ? AND run_id <> ?
        GROUP BY counted_at::DATE ORDER BY max((coalesce(night, 0), counted_at)) DESC LIMIT ?
        """,
        [table, run_id, NIGHTS],
    ).fetchall()
    return [count for (count,) in reversed(rows)]


def _night(con: duckdb.DuckDBPyConnection, run_id: str) -> int:
    """One more than the runs before; the same again within a run."""
    row = con.execute(
        "SELECT coalesce(max(night) FILTER (WHERE run_id = ?), max(night) + 1, 1) FROM meta.table_count", [run_id]
    ).fetchone()
    return int(row[0]) if row else 1


def forget_counts(con: duckdb.DuckDBPyConnection, table: str | None = None) -> None:
    """Drop the history of a table, or of all: somebody knows why the counts changed and accepts them."""
    create_table(con, contracts.tables()["meta.table_count"])
    con.execute("DELETE FROM meta.table_count WHERE table_name = coalesce(?, table_name)", [table])


def had_rows(con: duckdb.DuckDBPyConnection, table: str, run_id: str) -> bool:
    """Whether the table held rows on an earlier night; `quality.suites.checks_for` asks."""
    return any(count_history(con, table, run_id))


def check_volume(con: duckdb.DuckDBPyConnection, table: str, run_id: str) -> CheckResult:
    """Judge the table's present row count against its history."""
    return judge_count(table, _row_count(con, table), count_history(con, table, run_id))


def judge_count(table: str, count: int, history: Sequence[int]) -> CheckResult:
    """Judge a row count against those of earlier nights, oldest first.

    An error below half the median; a warning where the change since last night is far outside the usual ones,
    by their median and median absolute deviation (six robust standard deviations, and at least 5 % and 10 rows).
    """
    if len(history) < FEWEST_NIGHTS:
        told = f"{count:,} rows; too little history to judge ({len(history)} of {FEWEST_NIGHTS} nights)."
        return _result(table, count, history, "error", passed=True, told=told)
    usual = statistics.median(history)
    if count < LOWEST_SHARE * usual:
        told = f"{count:,} rows, where the median of the last {len(history)} nights is {usual:,.0f}."
        return _result(table, count, history, "error", passed=False, told=told)
    if len(history) >= FEWEST_FOR_BAND:
        low, high = _band(history)
        if not low <= count <= high:
            told = f"{count:,} rows, where {low:,.0f} to {high:,.0f} were expected after {history[-1]:,} last night."
            return _result(table, count, history, "warning", passed=False, told=told)
    told = f"{count:,} rows; the median of the last {len(history)} nights is {usual:,.0f}."
    return _result(table, count, history, "error", passed=True, told=told)


def _band(history: Sequence[int]) -> tuple[float, float]:
    changes = [after - before for before, after in itertools.pairwise(history)]
    drift = statistics.median(changes)
    spread = 1.4826 * statistics.median(abs(c - drift) for c in changes)
    slack = max(6 * spread, 0.05 * history[-1], 10.0)
    expected = history[-1] + drift
    return expected - slack, expected + slack


def _result(
    table: str, count: int, history: Sequence[int], severity: Severity, *, passed: bool, told: str
) -> CheckResult:
    return CheckResult(
        name=CHECK_NAME,
        table=table,
        severity=severity,
        passed=passed,
        evaluated_rows=count,
        failed_rows=0,
        failed_pct=0.0,
        examples=[] if passed else [{"row_count": count, "earlier_nights": list(history)}],
        sql=f"SELECT count(*) FROM {quoted_table(table)};",
        description=f"The row count is what earlier nights lead to expect: {told}",
    )


def _row_count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    row = con.execute(f"SELECT count(*) FROM {quoted_table(table)}").fetchone()
    return int(row[0]) if row else 0
