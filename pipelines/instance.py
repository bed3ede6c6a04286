"""Dagster's own storage in the data home, and mending what a killed run left in it."""

from __future__ import annotations

import json
import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warehouse import locks, machine
from warehouse import settings as env
from warehouse.home import Home
from warehouse.storage import Compacted

if TYPE_CHECKING:
    from dagster import DagsterInstance

log = logging.getLogger(__name__)

#: Tag that says which process executes a run.
PID_TAG = "millpond/pid"

#: Runs removed in one night at the most; a night adds one per source and the refresh.
MOST_FORGOTTEN = 300

# One pool per data file (limit 1, counted by op) keeps two runs from one file; the daemon frees a dead run's slot.
_DAGSTER_YAML = """\
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  pools:
    granularity: op
    default_limit: 1
  runs:
    max_concurrent_runs: 2
event_log_storage:
  module: pipelines.event_log
  class: EventLogStorage
  config:
    base_dir: {events}
run_monitoring:
  enabled: true
  start_timeout_seconds: 300
  free_slots_after_run_end_seconds: 60
retention:
  schedule:
    purge_after_days: 90
  sensor:
    purge_after_days:
      skipped: 7
      failure: 30
      success: 90
"""


def prepare(home: Home) -> Path:
    """Make Dagster's home and point Dagster to it; gives the folder."""
    home.create()
    config = home.dagster / "dagster.yaml"
    wanted = _DAGSTER_YAML.format(events=json.dumps(str(home.dagster / "history" / "runs")))
    if not config.exists() or config.read_text(encoding="utf-8") != wanted:
        config.write_text(wanted, encoding="utf-8")
    env.set_dagster_home(home.dagster)
    env.silence_telemetry()
    return home.dagster


class EventsLost(BaseException):
    """What happened could not be written down, and why. No Exception, for those Dagster prints, and goes on."""


def open_instance(home: Home) -> DagsterInstance:
    """The Dagster instance of this data home. It raises EventsLost where the machine keeps it from writing events."""
    prepare(home)
    from dagster import DagsterInstance

    instance = DagsterInstance.get()
    handle = instance.handle_new_event

    def handle_or_stop(*args: Any, **kwargs: Any) -> None:
        try:
            handle(*args, **kwargs)
        except Exception as error:
            if told := machine.sentence_of(error, home):
                raise EventsLost(told) from error
            raise

    instance.handle_new_event = handle_or_stop  # type: ignore[method-assign]
    return instance


def bury_dead_runs(instance: DagsterInstance) -> list[str]:
    """Mark runs that a killed process left as failed and free what they held; gives their ids.

    The caller holds the lock `night`, so nobody else executes a run that carries PID_TAG. The number itself proves
    nothing: it is given out again, and in a container it is the same every night.
    """
    from dagster import DagsterRunStatus, RunsFilter

    unfinished = instance.get_runs(
        RunsFilter(statuses=[DagsterRunStatus.STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.NOT_STARTED])
    )
    buried = []
    for run in unfinished:
        if PID_TAG not in run.tags:
            continue
        instance.report_run_failed(run, message="The process was killed; the next run does the work again.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        log.warning("Run %s had been killed; marked as failed.", run.run_id)
        buried.append(run.run_id)
    return buried


def forget_old_runs(instance: DagsterInstance, *, keep: int) -> int:
    """Remove all runs before those of the last `keep` nights; gives how many.

    A night leaves some twenty megabytes of events, and Dagster never removes a run. Runs that say last what an asset
    or check came to stay. Nights are counted, for by a clock that went wrong all could seem old.
    """
    from dagster import RunsFilter

    from pipelines.event_log import EventLogStorage

    events = instance.event_log_storage
    refreshes = instance.get_runs(RunsFilter(job_name="refresh"), limit=keep + 1)
    if len(refreshes) <= keep or not isinstance(events, EventLogStorage):
        return 0
    last = refreshes[-1].run_id
    older = instance.get_runs(cursor=last, limit=MOST_FORGOTTEN, ascending=False)
    needed = events.newest_runs()
    gone = [run.run_id for run in (refreshes[-1], *older) if run.run_id not in needed and run.is_finished]
    events.forget(gone)
    for run_id in gone:
        instance.run_storage.delete_run(run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    return len(gone)


def compact_index(home: Home) -> Compacted:
    """Give back what SQLite keeps of removed runs' events.

    Raises:
        Busy: a night is running, or somebody else is writing events.
    """
    path = home.dagster / "history" / "runs" / "index.db"
    with locks.hold(home, "night", wait_seconds=0), closing(sqlite3.connect(path, timeout=30)) as con:
        before = path.stat().st_size
        try:
            con.execute("VACUUM")
        except sqlite3.OperationalError as error:
            raise locks.Busy(f"{path} is in use ({error}); close the Dagster UI and try again.") from error
    return Compacted("dagster", before, path.stat().st_size)
