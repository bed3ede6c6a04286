"""Dagster's own storage in the data home, and mending what a killed run left in it."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse import settings as env
from warehouse.home import Home

if TYPE_CHECKING:
    from dagster import DagsterInstance

log = logging.getLogger(__name__)

#: Tag that says which process executes a run.
PID_TAG = "millpond/pid"

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


def open_instance(home: Home) -> DagsterInstance:
    """The Dagster instance of this data home."""
    prepare(home)
    from dagster import DagsterInstance

    return DagsterInstance.get()


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
