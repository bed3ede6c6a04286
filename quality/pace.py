"""How long steps usually take, and which took much longer tonight than they usually do."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quality.results import CheckResult, percent
from warehouse.sql import literal

if TYPE_CHECKING:
    import duckdb

CHECK_NAME = "no_step_is_much_slower"
#: What the check's results are kept under.
TABLE = "meta.step"
#: Nights looked at, and the fewest for a judgement.
NIGHTS, FEWEST_NIGHTS = 20, 5
#: Much slower: so many times the usual time for as many rows, and so many seconds more.
TIMES, SECONDS = 3.0, 10.0


@dataclass(frozen=True)
class Step:
    """One step of a refresh: a table and what was done to it, such as `model`, whole or only what had changed."""

    kind: str
    step: str
    whole: bool


@dataclass(frozen=True)
class Took:
    """How long a step took, and how many rows it gave or touched."""

    seconds: float
    rows: int


@dataclass(frozen=True)
class Slow:
    """A step that took much longer than usual. `usual` is for as many rows, from so many `nights`."""

    step: Step
    seconds: float
    usual: float
    nights: int


def history(con: duckdb.DuckDBPyConnection, *, before: str | None = None) -> dict[Step, list[Took]]:
    """The last times that each step was done, newest first.

    Args:
        before: a run that is not looked at.
    """
    rows = con.execute(
        """
        SELECT step.kind, step.step, step.changed_rows IS NULL, step.seconds, coalesce(changed_rows, step.row_count, 0)
        FROM meta.step AS step
        INNER JOIN meta.run AS run USING (run_id)
        WHERE run_id IS DISTINCT FROM ?
        QUALIFY row_number() OVER (
            PARTITION BY step.kind, step.step, step.changed_rows IS NULL ORDER BY run.started_at DESC
        ) <= ?
        ORDER BY run.started_at DESC
        """,
        [before, NIGHTS],
    ).fetchall()
    found: dict[Step, list[Took]] = {}
    for kind, step, whole, seconds, count in rows:
        found.setdefault(Step(kind, step, whole), []).append(Took(seconds, count))
    return found


def usual_seconds(took: Iterable[Took]) -> float:
    """What a step usually takes: the median."""
    return statistics.median(t.seconds for t in took)


def slow_steps(con: duckdb.DuckDBPyConnection, run_id: str) -> list[Slow]:
    """Steps of a run that took much longer than before, the slowest first."""
    rows = con.execute(
        "SELECT kind, step, changed_rows IS NULL, seconds, coalesce(changed_rows, row_count, 0) "
        "FROM meta.step WHERE run_id = ?",
        [run_id],
    ).fetchall()
    known = history(con, before=run_id)
    found = []
    for kind, name, whole, seconds, count in rows:
        before = known.get(Step(kind, name, whole), [])
        if len(before) < FEWEST_NIGHTS:
            continue
        growth = max(1.0, count / max(1.0, statistics.median(t.rows for t in before)))
        usual = usual_seconds(before) * growth
        if seconds > TIMES * usual and seconds > usual + SECONDS:
            found.append(Slow(Step(kind, name, whole), seconds, usual, len(before)))
    return sorted(found, key=lambda slow: slow.usual - slow.seconds)


def check_pace(con: duckdb.DuckDBPyConnection, run_id: str) -> CheckResult:
    """A warning where steps took much longer than usual: a machine in trouble, or data of another kind."""
    found = slow_steps(con, run_id)
    ((steps,),) = con.execute("SELECT count(*) FROM meta.step WHERE run_id = ?", [run_id]).fetchall()
    return CheckResult(
        name=CHECK_NAME,
        table=TABLE,
        severity="warning",
        passed=not found,
        evaluated_rows=steps,
        failed_rows=len(found),
        failed_pct=percent(len(found), steps),
        examples=[
            {
                "step": f"{slow.step.kind} {slow.step.step}",
                "seconds": round(slow.seconds, 1),
                "usual_seconds": round(slow.usual, 1),
                "nights": slow.nights,
            }
            for slow in found[:10]
        ],
        sql=f"SELECT * FROM meta.step WHERE run_id = {literal(run_id)} ORDER BY seconds DESC",
        description=f"No step took more than {TIMES:g} times as long as it usually does for as many rows. Look whether "
        "something else kept the machine busy, and whether a source delivered data of another kind.",
    )
