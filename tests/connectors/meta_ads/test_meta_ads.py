"""The Meta Ads connector beyond what is true of all: prepared reports, deleted ads, throttling, and what rows mean."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from connectors import meta_ads, registry
from connectors._api.client import Again, Answer, ApiError, Client, Patience
from connectors._api.resource import Reading
from connectors.meta_ads import CONNECTOR
from connectors.meta_ads import resources as resources_of
from sandbox.faults import FaultKind
from sandbox.vendors.meta_ads import TOKEN, TOKEN_WITHOUT_SCOPE, VERSIONS, insights
from tests.connectors.cleaning import cleaning
from tests.connectors.meta_ads.description import write_description
from tests.connectors.served import Served, served
from tests.connectors.specs import Spec


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def ads(made: Path, tmp_path: Path) -> Iterator[Served]:
    with served("meta_ads", made=made, root=tmp_path, record=True) as one:
        yield one


def held(one: Served) -> dict[str, str]:
    return dict(one.sql("SELECT id, payload->>'$.spend' FROM raw.ad_performance WHERE NOT is_deleted"))


def stored(one: Served, since: str = "") -> dict[str, str]:
    records = one.store.page("figure", limit=1_000_000)
    return {r.id: f"{r.body['cents'] / 100:.2f}" for r in records if r.id.partition(":")[2] >= since}


def test_the_whole_history_is_held_as_the_store_has_it(ads: Served) -> None:
    ads.more = {"start_date": "2024-11-01", "timeout_seconds": 20.0}
    ads.load()
    assert held(ads) == stored(ads)
    assert len(held(ads)) > 10_000


def test_a_night_changes_just_the_rows_that_meta_changed(ads: Served) -> None:
    ads.load()
    told = ads.running.sandbox.night()["meta_ads"]
    ads.load()
    figures, campaigns = told["figure"], told["campaign"]
    newest = "WHERE _loaded_at = (SELECT max(_loaded_at) FROM raw.ad_performance)"
    rows = ads.sql(f"SELECT id, is_deleted FROM raw.ad_performance {newest}")
    assert {id for id, _ in rows} == {*figures.added, *figures.changed, *figures.deleted}
    assert {id for id, gone in rows if gone} == set(figures.deleted)
    changed = {id for (id,) in ads.sql(f"SELECT id FROM raw.campaigns {newest}")}
    assert changed == {*campaigns.added, *campaigns.changed, *campaigns.deleted}


def test_figures_of_deleted_ads_stay(ads: Served) -> None:
    ads.more = {"start_date": "2025-11-01"}
    before = ads.running.sandbox.night()["meta_ads"]
    ads.load()
    gone = tuple(before["ad"].deleted)
    (spent,) = ads.sql(f"SELECT count(*) FROM raw.ad_performance WHERE payload->>'$.ad_id' IN {gone}")
    assert spent == (37 * 3,)
    (state,) = ads.sql(f"SELECT payload->>'$.status' FROM raw.campaigns WHERE id = '{before['campaign'].deleted[0]}'")
    assert state == ("DELETED",)


def test_reports_that_are_too_large_are_asked_for_by_halves(ads: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insights, "ROWS_OF_A_JOB", 250)
    ads.load()
    assert held(ads) == stored(ads, "2026-05-01")
    failed = [e for e in ads.running.sandbox.exchanges if b"Job Failed" in e.answer]
    assert len(failed) > 5


def test_a_day_that_is_too_large_is_one_clear_error(ads: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insights, "ROWS_OF_A_JOB", 5)
    with pytest.raises(ApiError, match=r"the report of 2026-05-01 was not prepared: Job Failed \(Please reduce"):
        ads.load()
    assert not (ads.root / "raw/source.duckdb").exists()


@pytest.mark.parametrize("fault", ["moving_page", "duplicated_page", "reordered_page", "truncated_json"])
def test_faults_between_pages_lose_nothing(ads: Served, monkeypatch: pytest.MonkeyPatch, fault: FaultKind) -> None:
    monkeypatch.setattr(importlib.import_module("connectors.meta_ads.resources"), "_ROWS_A_PAGE", 100)
    ads.running.plan("meta_ads", fault, after=3, times=3)
    ads.load()
    assert len(ads.running.sandbox.faults["meta_ads"].struck) == 3
    assert held(ads) == stored(ads, "2026-05-01")


def test_rows_mean_what_the_company_knows(ads: Served) -> None:
    ads.load()
    for _ in range(3):
        ads.running.sandbox.night()
    ads.load()
    with cleaning(ads) as cleaned:
        figures = {r["source_id"]: r for r in cleaned("ad_performance") if not r["is_deleted"]}
        campaigns = {r["source_id"]: r for r in cleaned("campaign")}
    records = {r.id: r for r in ads.store.page("figure", limit=1_000_000) if r.id.partition(":")[2] >= "2026-05-01"}
    assert figures.keys() == records.keys()
    for id, row in figures.items():
        body = records[id].body
        assert row["spend"] == Decimal(body["cents"]) / 100
        assert (row["impressions"], row["clicks"]) == (body["impressions"], body["inline_link_clicks"])
        assert (row["conversions"], row["conversion_value"]) == (body["purchases"], Decimal(body["value_cents"]) / 100)
        assert f"{row['ad_id']}:{row['date']}" == id
        assert row["campaign_name"] == campaigns[row["campaign_id"]]["name"]
    assert {r["currency"] for r in (*figures.values(), *campaigns.values())} == {"EUR"}
    assert {r["status"] for r in campaigns.values()} == {"active", "paused", "deleted"}
    listed = {r.id: r.body for r in ads.store.page("campaign", limit=1_000)}
    assert campaigns.keys() == listed.keys()
    for id, campaign in campaigns.items():
        budget = listed[id]["daily_budget"] or listed[id]["lifetime_budget"]
        assert campaign["budget"] == Decimal(budget) / 100
        assert str(campaign["started_date"]) == listed[id]["start_time"][:10]
    assert any(b["daily_budget"] is None for b in listed.values())
    assert (campaigns["120210000000007"]["channel"], campaigns["120210000000007"]["platform"]) == (
        "paid social",
        "meta_ads",
    )


def test_a_campaign_that_is_over_has_ended(ads: Served) -> None:
    ads.load()
    with cleaning(ads) as cleaned:
        (over,) = (r for r in cleaned("campaign") if r["name"] == "Weihnachten 2025")
    assert (over["status"], str(over["ended_date"])) == ("ended", "2025-12-23")


def test_currencies_without_hundredths_are_not_divided(ads: Served) -> None:
    ads.load()
    import duckdb

    with duckdb.connect(str(ads.root / "raw/source.duckdb")) as con:
        con.execute("UPDATE raw.ad_account SET payload = replace(payload::VARCHAR, '\"EUR\"', '\"JPY\"')::JSON")
    listed = {r.id: r.body for r in ads.store.page("campaign", limit=1_000)}
    with cleaning(ads) as cleaned:
        for row in cleaned("campaign"):
            assert (row["budget"], row["currency"]) == (Decimal(listed[row["source_id"]]["daily_budget"]), "JPY")


def test_requests_and_answers_are_as_described(
    ads: Served, real_data: Path, tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    ads.load()
    for _ in range(2):
        ads.running.sandbox.night()
        ads.load()
    assert CONNECTOR.connect is not None
    assert CONNECTOR.connect(ads.source) == []
    exchanges = ads.running.sandbox.exchanges
    spec = Spec.load("meta_ads", paths=[write_description(real_data, tmp_path)], base="/meta_ads", closed=True)
    report = spec.check(exchanges)
    assert not report.failures, report.text()
    ((_, operations, requests, answers),) = report.table()
    assert (operations, requests, answers) == (5, len(exchanges), len(exchanges))
    assert not any(TOKEN in e.query or TOKEN in e.path for e in exchanges)
    record_property("validated", f"meta_ads: {operations} operations, {requests} requests, {answers} answers")


def refusal(code: int, *, status: int = 400, subcode: int | None = None, minutes: int = 0) -> Answer:
    usage = {"1": [{"type": "ads_insights", "call_count": 100, "estimated_time_to_regain_access": minutes}]}
    error = {"message": "said", "type": "OAuthException", "code": code, "error_subcode": subcode}
    return Answer(
        status=status,
        headers={"x-business-use-case-usage": json.dumps(usage)} if minutes else {},
        body=orjson.dumps({"error": error}),
    )


def test_throttling_that_comes_as_a_bad_request_is_waited_for() -> None:
    waits = {code: meta_ads._judge(refusal(code, minutes=7)) for code in (4, 17, 613, 80000, 80004)}
    assert all(isinstance(w, Again) and w.seconds == 420 for w in waits.values())
    passing = meta_ads._judge(refusal(2, status=503))
    assert isinstance(passing, Again)
    assert passing.seconds is None
    assert meta_ads._judge(refusal(100)) is None
    assert meta_ads._judge(Answer(status=200, headers={}, body=b'{"error": {"code": 4}}')) is None


def test_a_nearly_spent_hour_slows_down() -> None:
    def told(percent: int, minutes: int = 0) -> Any:
        use = {"call_count": 3, "total_cputime": percent, "estimated_time_to_regain_access": minutes}
        return meta_ads._hint(
            Answer(status=200, headers={"x-business-use-case-usage": json.dumps({"1": [use]})}, body=b"")
        )

    assert told(50) is None
    assert (told(95).remaining, told(95).reset_seconds) == (0.5, 60)
    assert (told(20, 5).remaining, told(20, 5).reset_seconds) == (0, 300)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refusal(190), "a new one for the system user"),
        (refusal(200, status=403), "ads_read"),
        (refusal(100, subcode=33), "account_id"),
        (refusal(2635), "update Millpond"),
        (refusal(3018), "start_date"),
        (refusal(100), "refused (code 100): said"),
    ],
)
def test_refusals_say_what_to_do(answer: Answer, words: str) -> None:
    assert words in str(meta_ads._explain(answer, "/x"))


def test_what_is_wrong_is_told_before_a_load(ads: Served) -> None:
    connect = registry.get("meta_ads").connect
    assert connect is not None
    ads.more = {"access_token": TOKEN_WITHOUT_SCOPE}
    assert connect(ads.source) == ["Meta Ads: the access token lacks the permission ads_read; make a new one with it."]
    ads.more = {"account_id": "act_1"}
    assert "check account_id" in connect(ads.source)[0]
    ads.more = {"start_date": "2023-01-01"}
    with pytest.raises(ApiError, match="37 months"):
        ads.load()


def test_a_report_that_takes_for_ever_is_given_up() -> None:
    class Slow:
        source = "source"
        patience = Patience(first_pause_seconds=0.001, seconds=0.005)

        def ask(self, method: str, path: str, **how: Any) -> Any:
            return {"report_run_id": "7"}

        def get(self, path: str, *how: Any) -> Any:
            return {"id": "7", "async_status": "Job Running", "async_percent_completion": 10}

        def now(self) -> datetime:
            return datetime(2026, 11, 1, tzinfo=UTC)

    options = meta_ads.MetaAdsOptions(access_token="x", account_id="act_7")
    moment = datetime(2026, 10, 30, tzinfo=UTC)
    reading = Reading(api=cast(Client, Slow()), options=options, since=moment, until=moment)
    figures = next(r for r in resources_of(options) if r.name == "ad_performance")
    with pytest.raises(ApiError, match="2026-10-30 was not prepared: Job Running after"):
        list(figures.read(reading))


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {}}',
        b'{"data": [], "paging": {"cursors": {"after": "A"}, "next": "https://x"}}',
        b'{"data": [], "paging": {"next": "https://x"}}',
    ],
)
def test_pages_that_do_not_lead_on_are_none(body: bytes) -> None:
    decode = importlib.import_module("connectors.meta_ads.resources")._page_after("A")
    with pytest.raises(ValueError, match=r"no list|does not lead on"):
        decode(body)
    assert decode(b'{"data": [], "paging": {"cursors": {"after": "A"}}}').next is None


def test_the_version_is_one_that_meta_serves() -> None:
    assert CONNECTOR.api is not None
    assert CONNECTOR.api.name in VERSIONS
