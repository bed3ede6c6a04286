"""When things run by themselves: the night's loads, sources with schedules of their own, and the refresh after them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import dagster as dg

from warehouse.company import Company

#: Tags on the runs that belong to one night.
NIGHT_TAG, SOURCE_TAG = "millpond/night", "millpond/source"
_OVER = frozenset({dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED})

if TYPE_CHECKING:
    # What dg.define_asset_job gives has no public name.
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

    Job: TypeAlias = UnresolvedAssetJobDefinition


def load_job(assets: dg.AssetsDefinition, source: str) -> Job:
    """The job that loads one source."""
    selection = dg.AssetSelection.assets(*assets.keys)
    return dg.define_asset_job(name=f"load_{source}", selection=selection, description=f"Load {source}.")


def night_schedule(company: Company, job: Job, keys: Mapping[str, Iterable[dg.AssetKey]]) -> dg.ScheduleDefinition:
    """Starts one run per source at the company's hour; the refresh follows once they are over.

    Args:
        job: selects the raw assets of all sources.
        keys: raw assets of each source.
    """

    @dg.schedule(
        name="night",
        job=job,
        cron_schedule=company.config.schedule,
        execution_timezone=company.config.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="The night: one load per source, then the refresh (by the sensor refresh_after_loads).",
    )
    def night(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
        name = f"{context.scheduled_execution_time:%Y-%m-%dT%H%M}"
        return [
            dg.RunRequest(
                run_key=f"{name}/{source}",
                asset_selection=sorted(own),
                tags={NIGHT_TAG: name, SOURCE_TAG: source},
            )
            for source, own in keys.items()
        ]

    return night


def source_schedules(company: Company, jobs: Mapping[str, Job]) -> list[dg.ScheduleDefinition]:
    """Schedules of sources that load more often than once a night."""
    return [
        dg.ScheduleDefinition(
            name=f"load_{name}",
            job=jobs[name],
            cron_schedule=source.schedule,
            execution_timezone=company.config.timezone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
        )
        for name, source in company.config.sources.items()
        if source.schedule
    ]


def refresh_sensor(job: Job, sources: Sequence[str]) -> dg.SensorDefinition:
    """Starts the refresh once all loads of a night are over, whether they went well or not."""

    @dg.sensor(
        name="refresh_after_loads",
        job=job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Refreshes the warehouse when the night's loads are over; a failed source holds up nothing.",
    )
    def refresh_after_loads(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        recent = context.instance.get_runs(limit=50 + 20 * len(sources))
        night = next((run.tags[NIGHT_TAG] for run in recent if NIGHT_TAG in run.tags), None)
        if night is None:
            return dg.SkipReason("No night has begun yet.")
        waiting = unfinished([run for run in recent if run.tags.get(NIGHT_TAG) == night], sources)
        if waiting:
            return dg.SkipReason(f"Night {night} waits for {', '.join(waiting)}.")
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=night, tags={"millpond/refresh_of": night})])

    return refresh_after_loads


def unfinished(loads: Iterable[dg.DagsterRun], sources: Sequence[str]) -> list[str]:
    """Sources whose load of the night is not over.

    Args:
        loads: the night's runs, newest first; the newest of a source counts.
    """
    latest: dict[str, dg.DagsterRun] = {}
    for run in loads:
        latest.setdefault(run.tags[SOURCE_TAG], run)
    return [name for name in sources if name not in latest or latest[name].status not in _OVER]
