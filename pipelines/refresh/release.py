"""The gate and the publish: what failed, whether the warehouse may be replaced, and replacing it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import duckdb

from pipelines.night import Night, finish, progress
from quality import pace, rebuild
from quality.gate import Verdict, decide
from quality.results import CheckResult, latest_results, save_results
from warehouse import clock, meta, publish
from warehouse.contracts import tables


@dataclass(frozen=True)
class Outcome:
    """The verdict, checks of the night itself, and what was published; None where yesterday's warehouse stays."""

    verdict: Verdict
    checks: list[CheckResult]
    published: publish.Published | None


def release(con: duckdb.DuckDBPyConnection, night: Night) -> Outcome:
    """Publish the build, unless a blocking check failed."""
    checks = [pace.check_pace(con, night.run_id), rebuild.check_rebuilt(con, night.run_id)]
    save_results(con, night.run_id, checks, night.now)
    verdict = decide([r for r in latest_results(con) if r.table in tables()])
    if not verdict.publish:
        names = ", ".join(f"{result.table} {result.name}" for result in verdict.blocking)
        _end(con, night, status="failed", rows=None, message=f"{verdict.headline()} Failed: {names}.")
        return Outcome(verdict, checks, None)
    started = time.monotonic()
    progress("publish", 0, 1)
    company = night.company
    done = publish.publish(
        con, company.home, now=night.now, keep=company.config.keep_versions, message=verdict.headline()
    )
    _end(con, night, status="succeeded", rows=done.rows, message=verdict.headline())
    seconds = time.monotonic() - started
    meta.note_step(con, run_id=night.run_id, step="publish", kind="publish", rows=done.rows, seconds=seconds)
    progress("publish", 1, 1)
    finish("publish")
    return Outcome(verdict, checks, done)


def _end(con: duckdb.DuckDBPyConnection, night: Night, *, status: str, rows: int | None, message: str) -> None:
    meta.end_run(con, night.run_id, at=clock.now(), status=status, rows=rows, message=message)
