"""Whether making tables anew, from the beginning, gave what following the changes night by night had made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quality.results import CheckResult, percent
from warehouse import changes

if TYPE_CHECKING:
    import duckdb

CHECK_NAME = "rebuilding_gives_the_same"
#: What the check's results are kept under.
TABLE = "meta.run"


def check_rebuilt(con: duckdb.DuckDBPyConnection, run_id: str) -> CheckResult:
    """A warning for tables that a rebuild of this run made otherwise from the same inputs."""
    rebuilt = changes.rebuilt(con, run_id)
    differ = [table for table, is_same in rebuilt.items() if not is_same]
    return CheckResult(
        name=CHECK_NAME,
        table=TABLE,
        severity="warning",
        passed=not differ,
        evaluated_rows=len(rebuilt),
        failed_rows=len(differ),
        failed_pct=percent(len(differ), len(rebuilt)),
        examples=[{"table": table} for table in differ[:10]],
        sql="",
        description="Each table that `millpond run --full` makes anew from the same inputs is as the nights before had "
        "left it. Tables of people may differ a little where many were linked night by night, since linking all at "
        "once learns anew; anything else is a fault of Millpond. What stands there now is the rebuilt one.",
    )
