"""What runs by itself: the night's loads at the company's hour, and one refresh once all of them are over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from pipelines.assemble import build_definitions
from pipelines.automation import NIGHT_TAG, SOURCE_TAG, unfinished
from tests.pipelines.conftest import write_company
from warehouse.company import Company, load_company

SUCCESS, FAILURE, CANCELED = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED
STARTED, NOT_STARTED = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.NOT_STARTED
NIGHT = "2026-11-01T0300"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MILLPOND_HOME", raising=False)
        return load_company(write_company(tmp_path_factory.mktemp("automation") / "tiny"))


@pytest.fixture(scope="module")
def defs(company: Company) -> dg.Definitions:
    return build_definitions(company)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def load(source: str, status: dg.DagsterRunStatus, night: str = NIGHT) -> dg.DagsterRun:
    return dg.DagsterRun(job_name="night", status=status, tags={NIGHT_TAG: night, SOURCE_TAG: source})


@pytest.mark.parametrize("status", [SUCCESS, FAILURE, CANCELED])
def test_load_that_ended_is_over_however_it_ended(status: dg.DagsterRunStatus) -> None:
    assert unfinished([load("crm", status), load("shop", SUCCESS)], ["crm", "shop"]) == []


@pytest.mark.parametrize("status", [NOT_STARTED, STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING])
def test_load_that_runs_is_waited_for(status: dg.DagsterRunStatus) -> None:
    assert unfinished([load("crm", status), load("shop", SUCCESS)], ["crm", "shop"]) == ["crm"]


def test_load_that_was_not_begun_is_waited_for() -> None:
    assert unfinished([load("crm", SUCCESS)], ["crm", "shop"]) == ["shop"]


def test_newest_run_of_a_source_counts() -> None:
    assert unfinished([load("crm", STARTED), load("crm", FAILURE)], ["crm"]) == ["crm"]
    assert unfinished([load("crm", SUCCESS), load("crm", STARTED)], ["crm"]) == []


def evaluate_schedule(defs: dg.Definitions, name: str, at: datetime) -> list[dg.RunRequest]:
    repository = defs.get_repository_def()
    schedule = repository.get_schedule_def(name)
    context = dg.build_schedule_context(scheduled_execution_time=at, repository_def=repository)
    return list(schedule.evaluate_tick(context).run_requests or [])


def test_schedule_requests_one_load_per_source(defs: dg.Definitions) -> None:
    requests = evaluate_schedule(defs, "night", datetime(2026, 11, 1, 3, 0, tzinfo=UTC))
    assert [(r.run_key, r.tags[NIGHT_TAG], r.tags[SOURCE_TAG]) for r in requests] == [
        (f"{NIGHT}/crm", NIGHT, "crm"),
        (f"{NIGHT}/shop", NIGHT, "shop"),
    ]
    assert [sorted(k.to_user_string() for k in r.asset_selection or []) for r in requests] == [
        ["raw/crm/contacts"],
        ["raw/shop/lines", "raw/shop/orders"],
    ]


def test_schedule_keeps_the_companys_hour(defs: dg.Definitions) -> None:
    schedule = defs.get_repository_def().get_schedule_def("night")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 3 * * *", "Europe/Berlin")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_source_may_load_more_often(company: Company) -> None:
    sources = company.config.sources
    often = {**sources, "shop": sources["shop"].model_copy(update={"schedule": "0 * * * *"})}
    config = company.config.model_copy(update={"sources": often})
    repository = build_definitions(replace(company, config=config)).get_repository_def()
    assert sorted(s.name for s in repository.schedule_defs) == ["load_shop", "night"]
    schedule = repository.get_schedule_def("load_shop")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 * * * *", "Europe/Berlin")
    assert schedule.job_name == "load_shop"


def test_company_without_sources_has_no_night(tmp_path: Path) -> None:
    (tmp_path / "millpond.toml").write_text(
        'name = "New"\nbase_currency = "EUR"\ntimezone = "Europe/Berlin"\ncountry = "DE"\n'
    )
    repository = build_definitions(load_company(tmp_path)).get_repository_def()
    assert [s.name for s in repository.schedule_defs] == []


def look(defs: dg.Definitions, instance: dg.DagsterInstance) -> tuple[list[dg.RunRequest], str]:
    """Run requests of one evaluation of the sensor, and why there are none."""
    repository = defs.get_repository_def()
    sensor = repository.get_sensor_def("refresh_after_loads")
    with dg.build_sensor_context(instance=instance, repository_def=repository, sensor_name=sensor.name) as context:
        told = sensor.evaluate_tick(context)
    return list(told.run_requests or []), told.skip_message or ""


def begin(instance: dg.DagsterInstance, defs: dg.Definitions, source: str, night: str = NIGHT) -> dg.DagsterRun:
    return instance.create_run_for_job(
        defs.resolve_job_def(f"load_{source}"), tags={NIGHT_TAG: night, SOURCE_TAG: source}
    )


def end(instance: dg.DagsterInstance, run: dg.DagsterRun, status: dg.DagsterRunStatus) -> None:
    if status is FAILURE:
        instance.report_run_failed(run)
    else:
        kind = dg.DagsterEventType.PIPELINE_SUCCESS
        instance.report_dagster_event(dg.DagsterEvent(kind.value, run.job_name), run.run_id)


def test_sensor_waits_for_a_night(defs: dg.Definitions, instance: dg.DagsterInstance) -> None:
    requests, why = look(defs, instance)
    assert requests == []
    assert why == "No night has begun yet."


def test_sensor_waits_for_all_loads_and_refreshes_once(defs: dg.Definitions, instance: dg.DagsterInstance) -> None:
    crm = begin(instance, defs, "crm")
    shop = begin(instance, defs, "shop")
    assert look(defs, instance) == ([], f"Night {NIGHT} waits for crm, shop.")
    end(instance, crm, SUCCESS)
    assert look(defs, instance) == ([], f"Night {NIGHT} waits for shop.")
    end(instance, shop, SUCCESS)
    (first,), _ = look(defs, instance)
    (second,), _ = look(defs, instance)
    assert first.run_key == second.run_key == NIGHT
    sensor = defs.get_repository_def().get_sensor_def("refresh_after_loads")
    assert sensor.job_name == "refresh"


def test_failed_load_holds_up_nothing(defs: dg.Definitions, instance: dg.DagsterInstance) -> None:
    end(instance, begin(instance, defs, "crm"), FAILURE)
    end(instance, begin(instance, defs, "shop"), SUCCESS)
    (request,), _ = look(defs, instance)
    assert request.run_key == NIGHT


def test_sensor_looks_at_the_latest_night(defs: dg.Definitions, instance: dg.DagsterInstance) -> None:
    for source in ("crm", "shop"):
        end(instance, begin(instance, defs, source), SUCCESS)
    end(instance, begin(instance, defs, "crm", "2026-11-02T0300"), SUCCESS)
    assert look(defs, instance) == ([], "Night 2026-11-02T0300 waits for shop.")


def test_loads_outside_a_night_start_nothing(defs: dg.Definitions, instance: dg.DagsterInstance) -> None:
    instance.create_run_for_job(defs.resolve_job_def("load_shop"))
    assert look(defs, instance) == ([], "No night has begun yet.")
