"""Meta's Marketing API as the sandbox serves it: asked as a client asks, and held against Meta's own description."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from sandbox.serve import Running, Sandbox, serving
from sandbox.store import Store
from sandbox.vendors.meta_ads import TOKEN, TOKEN_WITHOUT_SCOPE
from sandbox.vendors.meta_ads.insights import ACCOUNT_ID
from sandbox.vendors.meta_ads.parameters import INSIGHT_FIELDS, STATUSES
from tests.connectors.meta_ads.description import write_description
from tests.connectors.specs import Spec

ACCOUNT = f"act_{ACCOUNT_ID}"
EVERY_STATE = json.dumps([{"field": "ad.effective_status", "operator": "IN", "value": sorted(STATUSES["ad"])}])
DAILY: dict[str, Any] = {
    "level": "ad",
    "time_increment": 1,
    "filtering": EVERY_STATE,
    "fields": "ad_id,impressions,spend,inline_link_clicks,actions,action_values",
}


@pytest.fixture(scope="module")
def served(company: Path) -> Iterator[Running]:
    with serving(Sandbox(company, record=True, ease=1000)) as run:
        yield run


@pytest.fixture
def living(company: Path, tmp_path: Path) -> Iterator[Running]:
    """A copy that tests may change."""
    shutil.copytree(company, tmp_path / "company")
    with serving(Sandbox(tmp_path / "company", ease=1000)) as run:
        yield run


def ask(run: Running, path: str, *, method: str = "GET", token: str = TOKEN, **query: Any) -> httpx.Response:
    url = f"{run.url}/meta_ads/v26.0/{path}"
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.request(method, url, params=query, headers=headers, timeout=30)


def days(since: str, until: str) -> str:
    return json.dumps({"since": since, "until": until})


def all_pages(run: Running, path: str, **query: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:
        page = ask(run, path, **query).raise_for_status().json()
        rows += page["data"]
        if "next" not in page.get("paging", {}):
            return rows
        query["after"] = page["paging"]["cursors"]["after"]


def job(run: Running, since: str, until: str, **query: Any) -> tuple[str, list[str]]:
    """Starts a report and watches it; gives its id and what it was at each look."""
    answer = ask(run, f"{ACCOUNT}/insights", method="POST", **{**DAILY, **query}, time_range=days(since, until))
    run_id = str(answer.raise_for_status().json()["report_run_id"])
    seen: list[str] = []
    while not seen or seen[-1] not in ("Job Completed", "Job Failed"):
        seen.append(ask(run, run_id).raise_for_status().json()["async_status"])
    return run_id, seen


def report(run: Running, since: str, until: str, **query: Any) -> list[dict[str, Any]]:
    return all_pages(run, f"{job(run, since, until, **query)[0]}/insights", limit=500)


def history(run: Running) -> dict[str, dict[str, Any]]:
    """All figures, by ad and day, from jobs that are small enough."""
    spans = [("2024-11-01", "2025-06-30"), ("2025-07-01", "2026-03-31"), ("2026-04-01", "2026-12-31")]
    return {f"{row['ad_id']}:{row['date_start']}": row for span in spans for row in report(run, *span)}


def error(answer: httpx.Response) -> tuple[int, int]:
    return answer.status_code, answer.json()["error"]["code"]


def store(run: Running) -> Store:
    return run.sandbox.stores["meta_ads"]


def test_jobs_give_every_figure_once(served: Running) -> None:
    spans = [("2024-11-01", "2025-06-30"), ("2025-07-01", "2026-03-31"), ("2026-04-01", "2026-12-31")]
    found = [f"{row['ad_id']}:{row['date_start']}" for span in spans for row in report(served, *span)]
    held = [r.id for r in store(served).page("figure", limit=1_000_000)]
    assert len(held) > 10_000
    assert Counter(found) == Counter(held)


def test_spend_is_what_the_truth_says(served: Running, company: Path) -> None:
    truth = pl.read_parquet(company / "truth/totals.parquet").filter(measure="ad_spend", source="meta_ads")
    spent: Counter[str] = Counter()
    for row in history(served).values():
        spent[row["date_start"][:7]] += round(float(row["spend"]) * 100)
    assert dict(truth.select("month", "value").rows()) == spent


def test_a_job_is_watched_until_it_is_done(served: Running) -> None:
    answer = ask(served, f"{ACCOUNT}/insights", method="POST", **DAILY, time_range=days("2026-10-01", "2026-10-03"))
    run_id = answer.json()["report_run_id"]
    assert error(ask(served, f"{run_id}/insights")) == (400, 2601)
    looks = [ask(served, run_id).json() for _ in range(3)]
    assert [look["async_status"] for look in looks] == ["Job Not Started", "Job Running", "Job Completed"]
    assert [look["async_percent_completion"] for look in looks] == [0, 45, 100]
    assert len(ask(served, f"{run_id}/insights", limit=100).json()["data"]) == 45


def test_what_is_too_much_fails(served: Running) -> None:
    at_once = ask(served, f"{ACCOUNT}/insights", **DAILY, time_range=days("2026-01-01", "2026-10-31"))
    assert error(at_once) == (500, 1)
    run_id, seen = job(served, "2024-11-01", "2026-10-31")
    assert seen[-1] == "Job Failed"
    assert ask(served, run_id).json()["error_code"] == 1
    assert error(ask(served, f"{run_id}/insights")) == (400, 2601)


def test_levels_and_periods_add_up(served: Running) -> None:
    month = {"time_range": days("2026-10-01", "2026-10-30"), "fields": "spend,impressions", "limit": 500}

    def spent(**query: Any) -> list[float]:
        return [float(row["spend"]) for row in all_pages(served, f"{ACCOUNT}/insights", **month, **query)]

    (whole,) = spent(level="account")
    counts = []
    for query in ({"level": "campaign"}, {"level": "adset"}, {"level": "ad", "time_increment": 10}):
        parts = spent(**query)
        assert sum(parts) == pytest.approx(whole)
        counts.append(len(parts))
    assert counts == [5, 15, 45]


def test_purchases_stand_under_several_types_and_zeros_nowhere(served: Running) -> None:
    for row in report(served, "2026-10-01", "2026-10-31"):
        counted = {a["action_type"]: a["value"] for a in row.get("actions", [])}
        assert counted.get("purchase") == counted.get("omni_purchase")
        assert ("action_values" in row) == ("purchase" in counted)
        assert "0" not in counted.values()


def test_pages_of_insights_give_every_row_once(served: Running) -> None:
    query = {**DAILY, "time_range": days("2026-10-01", "2026-10-07")}
    rows = all_pages(served, f"{ACCOUNT}/insights", **query, limit=25)
    assert len({(row["ad_id"], row["date_start"]) for row in rows}) == len(rows) == 7 * 15


def test_edges_give_the_newest_first_and_count(served: Running) -> None:
    page = ask(served, f"{ACCOUNT}/ads", fields="id", limit=4, summary="total_count").json()
    assert page["summary"] == {"total_count": 18}
    ids = [ad["id"] for ad in all_pages(served, f"{ACCOUNT}/ads", fields="id", limit=4)]
    assert ids == [r.id for r in store(served).page("ad", limit=100, descending=True)]
    assert len(ask(served, f"{ACCOUNT}/adsets").json()["data"]) == 18


def test_fields_come_as_asked_and_empty_ones_not_at_all(served: Running) -> None:
    campaigns = ask(served, f"{ACCOUNT}/campaigns", fields="name,stop_time,lifetime_budget").json()["data"]
    assert campaigns[0] == {
        "name": "Weihnachten 2025",
        "stop_time": "2025-12-23T23:59:59+0100",
        "id": "120210000039602",
    }
    assert set(campaigns[1]) == {"name", "id"}


def test_deleted_objects_are_shown_to_those_who_ask(living: Running) -> None:
    before = report(living, "2025-12-01", "2025-12-05")
    changes = living.sandbox.night()["meta_ads"]
    (gone,) = changes["campaign"].deleted
    shown = {c["id"] for c in all_pages(living, f"{ACCOUNT}/campaigns", fields="id")}
    asked = {c["id"] for c in all_pages(living, f"{ACCOUNT}/campaigns", effective_status='["DELETED"]')}
    assert gone not in shown
    assert asked == {gone}
    assert ask(living, gone, fields="status").json() == {"status": "DELETED", "id": gone}
    assert report(living, "2025-12-01", "2025-12-05") == before
    plain = report(living, "2025-12-01", "2025-12-05", filtering="[]")
    assert {row["ad_id"] for row in before} - {row["ad_id"] for row in plain} == set(changes["ad"].deleted)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"fields": "moon"}, 100),
        ({"level": "moon"}, 100),
        ({"time_increment": 91}, 100),
        ({"time_range": "yesterday"}, 100),
        ({"time_range": '{"since": "2026-13-01", "until": "2026-10-01"}'}, 100),
        ({"time_range": '{"since": "2026-10-02", "until": "2026-10-01"}'}, 100),
        ({"time_range": '{"since": "2023-09-29", "until": "2026-10-01"}'}, 3018),
        ({"date_preset": "moon"}, 100),
        ({"filtering": '[{"field": "ad.effective_status", "operator": "IN", "value": ["GONE"]}]'}, 100),
        ({"filtering": "nothing"}, 100),
        ({"limit": "many"}, 100),
        ({"after": "???"}, 100),
    ],
)
def test_what_meta_refuses_is_refused(served: Running, query: dict[str, Any], code: int) -> None:
    assert error(ask(served, f"{ACCOUNT}/insights", **query)) == (400, code)


def test_other_accounts_versions_and_paths_are_refused(served: Running) -> None:
    assert error(ask(served, "act_1/insights")) == (400, 100)
    assert error(ask(served, "123")) == (400, 100)
    assert error(ask(served, f"{ACCOUNT}/moons")) == (400, 2500)
    assert error(ask(served, f"{ACCOUNT}/campaigns", fields="moon")) == (400, 100)
    assert error(ask(served, f"{ACCOUNT}/campaigns", effective_status='["GONE"]')) == (400, 100)
    assert error(httpx.get(f"{served.url}/meta_ads/v24.0/{ACCOUNT}?access_token={TOKEN}")) == (400, 2635)


def test_tokens_and_what_they_may_do(served: Running) -> None:
    assert error(ask(served, ACCOUNT, token="made up")) == (400, 190)
    assert error(ask(served, ACCOUNT, token=TOKEN_WITHOUT_SCOPE)) == (403, 200)
    granted = ask(served, "me/permissions", token=TOKEN_WITHOUT_SCOPE).json()["data"]
    assert {"permission": "ads_read", "status": "declined"} in granted
    by_parameter = httpx.get(f"{served.url}/meta_ads/v26.0/{ACCOUNT}", params={"access_token": TOKEN, "fields": "name"})
    assert by_parameter.json()["name"] == "Mühlbach Versand"


def test_limits_are_told_and_kept(company: Path) -> None:
    with serving(Sandbox(company, ease=4 / 6_600)) as run:
        answers = [ask(run, ACCOUNT) for _ in range(5)]
    assert [a.status_code for a in answers] == [200] * 4 + [400]
    assert error(answers[-1]) == (400, 80000)
    (usage,) = json.loads(answers[-1].headers["X-Business-Use-Case-Usage"])[ACCOUNT_ID]
    assert usage["type"] == "ads_insights"
    assert usage["call_count"] == 100
    assert usage["estimated_time_to_regain_access"] > 0
    assert json.loads(answers[-1].headers["X-FB-Ads-Insights-Throttle"])["acc_id_util_pct"] == 100


def test_planned_faults_strike(living: Running) -> None:
    living.plan("meta_ads", "expired_token", after=0)
    living.plan("meta_ads", "server_error", after=1)
    answers = [ask(living, f"{ACCOUNT}/campaigns") for _ in range(3)]
    assert [error(a)[1] if a.is_error else 0 for a in answers] == [190, 1, 0]


def test_rows_at_once_shift_when_they_move_and_those_of_a_job_do_not(living: Running) -> None:
    query = {**DAILY, "time_range": days("2024-11-01", "2024-11-05"), "limit": 40}
    run_id, _ = job(living, "2024-11-01", "2024-11-05")
    first = ask(living, f"{ACCOUNT}/insights", **query).json()
    living.plan("meta_ads", "moving_page", after=0)
    second = ask(living, f"{ACCOUNT}/insights", **query, after=first["paging"]["cursors"]["after"]).json()
    seen = {(row["ad_id"], row["date_start"]) for page in (first, second) for row in page["data"]}
    whole = {(row["ad_id"], row["date_start"]) for row in all_pages(living, f"{run_id}/insights", limit=40)}
    assert len(whole) == 75
    assert seen < whole


def test_a_night_changes_what_it_says(living: Running) -> None:
    every = json.dumps(sorted(STATUSES["campaign"]))
    fields = "id,name,status,daily_budget,lifetime_budget,updated_time"

    def listed() -> dict[str, Any]:
        found = all_pages(living, f"{ACCOUNT}/campaigns", fields=fields, effective_status=every)
        return {c["id"]: c for c in found}

    for number in range(1, 4):
        before, listed_before = history(living), listed()
        changes = living.sandbox.night()["meta_ads"]
        after, listed_after = history(living), listed()
        told, campaigns = changes["figure"], changes["campaign"]
        assert set(after) - set(before) == set(told.added)
        assert set(before) - set(after) == set(told.deleted)
        assert {id for id in set(before) & set(after) if _purchases(before[id]) != _purchases(after[id])} == set(
            told.changed
        )
        assert {id.partition(":")[2] for id in told.added} == {f"2026-11-0{number}"}
        assert min(len(told.added), len(told.changed)) > 2
        assert set(listed_after) - set(listed_before) == set(campaigns.added)
        changed = {id for id in listed_before if listed_before[id] != listed_after[id]}
        assert changed == {*campaigns.changed, *campaigns.deleted}


def _purchases(row: dict[str, Any]) -> list[str]:
    return [a["value"] for a in row.get("actions", []) if a["action_type"] == "purchase"]


def test_fields_come_and_go_with_time(living: Running) -> None:
    kinds, budgets = [], []
    for _ in range(3):
        changes = living.sandbox.night()["meta_ads"]
        day = changes["figure"].added[0].partition(":")[2]
        kinds.append({a["action_type"] for row in report(living, day, day) for a in row.get("actions", [])})
        budgets.append(ask(living, changes["campaign"].changed[0], fields="daily_budget,lifetime_budget").json())
    assert kinds[1] - kinds[0] == {"offsite_conversion.custom.7700112233"}
    assert [("daily_budget" in b, "lifetime_budget" in b) for b in budgets] == [(True, False)] * 2 + [(False, True)]


def test_answers_are_as_meta_describes_them(served: Running, real_data: Path, tmp_path: Path) -> None:
    spec = Spec.load("meta_ads", paths=[write_description(real_data, tmp_path)], base="/meta_ads", closed=True)
    start = len(served.sandbox.exchanges)
    every_field = {**DAILY, "fields": ",".join(sorted(INSIGHT_FIELDS))}
    query = {**every_field, "time_range": days("2026-10-01", "2026-10-07")}
    ask(served, f"{ACCOUNT}/insights", **query)
    run_id, _ = job(served, "2026-10-01", "2026-10-07", fields=every_field["fields"])
    all_pages(served, f"{run_id}/insights", limit=50)
    campaign = "id,name,objective,status,effective_status,daily_budget,start_time,stop_time,updated_time"
    all_pages(served, f"{ACCOUNT}/campaigns", fields=campaign, limit=2, summary="total_count")
    all_pages(served, f"{ACCOUNT}/adsets", fields="id,name,billing_event,optimization_goal,start_time,status")
    all_pages(served, f"{ACCOUNT}/ads", fields="id,name,adset_id,campaign_id,created_time,effective_status")
    ask(served, ACCOUNT, fields="id,name,currency,timezone_name,account_status,created_time")
    ask(served, "me/permissions")
    result = spec.check(served.sandbox.exchanges[start:])
    assert not result.failures, result.text()
    assert len(result.operations) == 8
    ask(served, f"{ACCOUNT}/insights", fields="moon")
    ask(served, f"{ACCOUNT}/insights", **DAILY, time_range=days("2026-01-01", "2026-10-31"))
    wrong = spec.check(served.sandbox.exchanges[-2:], requests=False)
    assert not wrong.failures, wrong.text()
