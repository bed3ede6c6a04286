"""The night in one process: every source's load, then the refresh, recorded in the same Dagster instance as the UI's.

The command line's `millpond run`. Nothing here decides what a step does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipelines.instance import PID_TAG, EventsLost, bury_dead_runs, open_instance
from pipelines.night import building, expect
from pipelines.refresh import upkeep
from quality import volume
from warehouse import locks, machine, upgrade
from warehouse.company import Company

if TYPE_CHECKING:
    import dagster as dg

Say = Callable[[str], None]

#: Dagster's own console log would run over the progress bars; its event log keeps everything.
_QUIET: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class Outcome:
    """How a night went. `failed_loads` gives each failed source's reason, `failure` the refresh's."""

    loaded: list[str] = field(default_factory=list)
    failed_loads: dict[str, str] = field(default_factory=dict)
    published: bool = False
    failure: str = ""


def run_night(
    company: Company,
    *,
    say: Say,
    sources: Sequence[str] | None = None,
    full: bool = False,
    accept_counts: bool = False,
) -> Outcome:
    """Load the sources and refresh the warehouse.

    Args:
        say: told what begins.
        sources: load only these; default: all.
        full: refresh everything, also what did not change.
        accept_counts: take tonight's row counts as the new normal, however far they are from the last nights'.

    Raises:
        Busy: another night runs on this data home.
        MachineError: the disk is full, or the machine refuses something else; nothing is published.
    """
    machine.require_home(company.home)
    upkeep.require_room(company)
    with machine.telling(company.home), locks.hold(company.home, "night", wait_seconds=0):
        with locks.hold(company.home, "build"):
            upgrade.bring_up(company.home)
        instance = open_instance(company.home)
        bury_dead_runs(instance)
        from pipelines.assemble import build_definitions
        from pipelines.refresh.plan import usual_seconds

        defs = build_definitions(company)
        outcome = Outcome()
        for name in sources if sources is not None else company.config.sources:
            say(f"Loading {name}")
            error = _execute(defs, instance, f"load_{name}")
            if error:
                outcome.failed_loads[name] = error
            else:
                outcome.loaded.append(name)
        if accept_counts:
            with building(company) as con:
                volume.forget_counts(con)
        due = _due(company, full=full)
        expect(usual_seconds(company, due, full=full))
        say("Refreshing")
        outcome.failure = _execute(defs, instance, "refresh", None if full else _selection(due))
        outcome.published = not outcome.failure
        return outcome


def _due(company: Company, *, full: bool) -> list[str]:
    """Tables that the refresh looks at."""
    from pipelines.refresh.plan import ask_all, stale_tables

    if full:
        ask_all(company)
    return stale_tables(company)


def _selection(due: Sequence[str]) -> list[dg.AssetKey]:
    """What the refresh has to do."""
    from pipelines.assets.metadata import key_of
    from pipelines.assets.release import NIGHT, WAREHOUSE

    return [NIGHT, *map(key_of, due), WAREHOUSE]


def _execute(
    defs: dg.Definitions, instance: dg.DagsterInstance, job: str, selection: Sequence[dg.AssetKey] | None = None
) -> str:
    """Run a job here and now; gives why it failed, or nothing.

    Raises:
        MachineError: the machine refused something, so that whatever comes next would fail too.
    """
    try:
        result = defs.resolve_job_def(job).execute_in_process(
            instance=instance,
            raise_on_error=False,
            asset_selection=selection,
            tags={PID_TAG: str(os.getpid())},
            run_config=_QUIET,
        )
    except EventsLost as error:
        raise machine.MachineError(str(error)) from error
    if result.success:
        return ""
    for event in result.all_events:
        if event.is_step_failure:
            failure = event.step_failure_data
            if refused := _refused(failure.error):
                raise machine.MachineError(refused)
            told = failure.user_failure_data.description if failure.user_failure_data else None
            return told or _cause(failure.error) or f"step {event.step_key} failed"
    return "the run failed; its log is in the Dagster UI"


def _refused(error: Any) -> str | None:
    """What a MachineError that a step failed of said; none if it failed of something else."""
    while error is not None and error.cls_name != machine.MachineError.__name__:
        error = error.cause
    return error.message.partition(": ")[2].strip() if error else None


def _cause(error: Any) -> str:
    """The innermost message of a Dagster error."""
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error else ""
