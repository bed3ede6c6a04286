"""What a check found, and its home in meta.check_result.

Results are plain values, whoever made them: Great Expectations, the row-count history, reconciliation.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from warehouse.contracts import Severity, tables
from warehouse.store import create_table

if TYPE_CHECKING:
    import duckdb

    from quality.suites import Check


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check.

    `examples` are a few failing rows with their key columns, safe for JSON. `sql` finds all failing rows.
    `seconds` is the check's share of the time that its table took, since counts are computed together.
    """

    name: str
    table: str
    severity: Severity
    passed: bool
    evaluated_rows: int
    failed_rows: int
    failed_pct: float
    examples: list[dict[str, Any]]
    sql: str
    description: str
    seconds: float = 0.0

    @property
    def blocks(self) -> bool:
        """Whether this result keeps the night from being published."""
        return not self.passed and self.severity == "error"


def percent(failed: int, evaluated: int) -> float:
    """Share of failed rows in percent; 0 of an empty table."""
    return 100.0 * failed / evaluated if evaluated else 0.0


def hold_for_empty(checks: Sequence[Check]) -> list[CheckResult]:
    """Results of row checks on a table without rows: all hold, and Great Expectations need not be asked."""
    return [
        CheckResult(c.name, c.table, c.severity, True, 0, 0, 0.0, [], "", f"{c.description} The table is empty.")
        for c in checks
    ]


def save_results(con: duckdb.DuckDBPyConnection, run_id: str, results: Sequence[CheckResult], now: datetime) -> None:
    """Write results of a run; those it wrote before for the same checks are replaced, so a retry is harmless."""
    create_table(con, tables()["meta.check_result"])
    if not results:
        return
    keys = [(run_id, r.table, r.name) for r in results]
    rows = [
        (
            *(run_id, r.table, r.name, r.severity, r.passed, r.evaluated_rows, r.failed_rows, r.failed_pct),
            *(json.dumps(r.examples), r.sql, r.description, r.seconds, now),
        )
        for r in results
    ]
    con.execute("BEGIN")
    try:
        con.executemany("DELETE FROM meta.check_result WHERE run_id = ? AND table_name = ? AND check_name = ?", keys)
        con.execute(
            "UPDATE meta.check_result SET is_latest = FALSE "
            "WHERE is_latest AND run_id <> ? AND list_contains(?, table_name)",
            [run_id, list({r.table for r in results})],
        )
        con.executemany("INSERT INTO meta.check_result VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, TRUE)", rows)
        con.execute("COMMIT")
    except BaseException:
        con.execute("ROLLBACK")
        raise


def last_results(con: duckdb.DuckDBPyConnection, table: str) -> list[CheckResult]:
    """The results of the latest run that checked the table, for reuse when the table did not change since."""
    create_table(con, tables()["meta.check_result"])
    rows = con.execute(f"{latest_checks(con)} WHERE table_name = ? ORDER BY check_name", [table]).fetchall()
    return [_from_row(row) for row in rows]


def latest_results(con: duckdb.DuckDBPyConnection) -> list[CheckResult]:
    """The results of the latest run that checked it, for every table ever checked."""
    rows = con.execute(f"{latest_checks(con)} ORDER BY table_name, check_name").fetchall()
    return [_from_row(row) for row in rows]


_COLUMNS = (
    "check_name, table_name, severity, passed, evaluated_rows, failed_rows, failed_pct, examples, sql, description, "
    "seconds"
)


def latest_checks(con: duckdb.DuckDBPyConnection) -> str:
    """A query for the rows of meta.check_result that the last run to check each table left.

    The time decides for tables not checked since there is `is_latest`, and in warehouses published without it.
    """
    columns = [name for name, *_ in con.execute("SELECT * FROM meta.check_result LIMIT 0").description]
    newest = "(coalesce(is_latest, FALSE), checked_at)" if "is_latest" in columns else "checked_at"
    last = f"SELECT table_name, arg_max(run_id, {newest}) AS run_id FROM meta.check_result GROUP BY table_name"
    return f"SELECT {_COLUMNS} FROM meta.check_result INNER JOIN ({last}) AS last USING (table_name, run_id)"


def _from_row(row: tuple[Any, ...]) -> CheckResult:
    name, table, severity, passed, evaluated, failed, pct, examples, sql, description, seconds = row
    return CheckResult(
        name, table, severity, passed, evaluated, failed, pct, json.loads(examples), sql, description, seconds
    )
