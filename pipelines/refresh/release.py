"""The gate and the publish: what failed, whether the warehouse may be replaced, and replacing it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import duckdb

from pipelines.night import Night, progress
from quality.gate import Verdict, decide
from quality.results import CheckResult, last_results
from warehouse import meta, publish
from warehouse.contracts import tables


class NotPublished(Exception):
    """A blocking check failed; yesterday's warehouse stays. `verdict` holds the reasons."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(" ".join(verdict.sentences()[: 1 + min(3, len(verdict.blocking))]))
        self.verdict = verdict


@dataclass(frozen=True)
class Released:
    """A published warehouse and the warnings that did not stop it."""

    published: publish.Published
    verdict: Verdict


def release(con: duckdb.DuckDBPyConnection, night: Night) -> Released:
    """Publish the build, unless a blocking check failed.

    Raises:
        NotPublished: a check of severity error failed.
    """
    verdict = decide(current_results(con))
    if not verdict.publish:
        names = ", ".join(f"{result.table} {result.name}" for result in verdict.blocking)
        message = f"{verdict.headline()} Failed: {names}."
        meta.end_run(con, night.run_id, at=night.now, status="failed", rows=None, message=message)
        raise NotPublished(verdict)
    started = time.monotonic()
    progress("publish", 0, 1)
    con.execute("CHECKPOINT")
    meta.end_run(con, night.run_id, at=night.now, status="succeeded", rows=None, message=verdict.headline())
    keep = night.company.config.keep_versions
    done = publish.publish(con, night.company.home, now=night.now, keep=keep)
    seconds = time.monotonic() - started
    meta.note_step(con, run_id=night.run_id, step="publish", kind="publish", rows=done.rows, seconds=seconds)
    progress("publish", 1, 1)
    return Released(done, verdict)


def current_results(con: duckdb.DuckDBPyConnection) -> list[CheckResult]:
    """The latest result of every check of every table."""
    return [result for name in tables() for result in last_results(con, name)]
