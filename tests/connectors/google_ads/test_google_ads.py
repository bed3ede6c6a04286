"""The Google Ads connector beyond what is true of all: windows, asset groups, counts, refusals, and what rows mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from connectors import google_ads, registry
from connectors._api.client import Again, Answer, Client
from connectors._api.resource import Page, Reading
from connectors.google_ads import CONNECTOR, resources
from connectors.google_ads.resources import VERSION
from sandbox.vendors.google_ads import MANAGER_ID
from tests.connectors.cleaning import cleaning
from tests.connectors.google_ads.description import write_description
from tests.connectors.served import Served, served
from tests.connectors.specs import Spec


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def ads(made: Path, tmp_path: Path) -> Iterator[Served]:
    with served("google_ads", made=made, root=tmp_path, record=True) as one:
        yield one


def held(one: Served) -> dict[str, dict[str, Any]]:
    """The metrics that the raw file holds, by unit and day, of rows that are not deleted."""
    rows = one.sql(
        "SELECT id, payload->'$.metrics' FROM raw.ad_performance WHERE NOT is_deleted UNION ALL "
        "SELECT id, payload->'$.metrics' FROM raw.asset_group_performance WHERE NOT is_deleted"
    )
    return {id: json.loads(metrics) for id, metrics in rows}


def stored(one: Served, since: str = "") -> dict[str, dict[str, Any]]:
    records = one.store.page("performance", limit=1_000_000)
    return {r.id.replace("~", ":"): r.body for r in records if r.id.partition("~")[2] >= since}


def test_the_whole_history_is_held_as_the_store_has_it(ads: Served) -> None:
    ads.more = {"start_date": None, "timeout_seconds": 20.0}
    report = ads.load()
    expected = stored(ads)
    assert {id: int(m["costMicros"]) for id, m in held(ads).items()} == {
        id: body["metrics.cost_micros"] for id, body in expected.items()
    }
    assert {id: m["conversions"] for id, m in held(ads).items()} == {
        id: body["metrics.conversions"] for id, body in expected.items()
    }
    assert {(c.table, c.source_rows, c.held_rows) for c in report.counts} == {
        ("campaigns", 10, 10),
        *((t, n, n) for t, n in report.tables.items() if t != "campaigns"),
    }


def test_a_night_changes_just_the_rows_that_google_changed(ads: Served) -> None:
    ads.load()
    told = ads.running.sandbox.night()["google_ads"]
    report = ads.load()
    figures, campaigns = told["performance"], told["campaign"]
    touched = {i.replace("~", ":") for i in (*figures.added, *figures.changed, *figures.deleted)}
    newest = "(SELECT max(_loaded_at) FROM raw.ad_performance)"
    tables = ("ad_performance", "asset_group_performance")
    rows = [row for t in tables for row in ads.sql(f"SELECT id, is_deleted FROM raw.{t} WHERE _loaded_at = {newest}")]
    assert {id for id, _ in rows} == touched
    assert {id for id, gone in rows if gone} == {i.replace("~", ":") for i in figures.deleted}
    assert sum(report.tables[t] for t in tables) == len(touched)
    states = dict(ads.sql("SELECT id, payload->>'$.campaign.status' FROM raw.campaigns"))
    assert {states[id] for id in campaigns.changed} == {"REMOVED"}
    assert set(campaigns.added) <= set(states)


def test_only_days_within_the_look_back_are_read_again(ads: Served) -> None:
    ads.more = {"lookback_days": 7}
    ads.load()
    seen = len(ads.running.sandbox.exchanges)
    ads.load()
    queries = [orjson.loads(e.body)["query"] for e in ads.running.sandbox.exchanges[seen:] if "Stream" in e.path]
    starts = {query.partition("BETWEEN '")[2][:10] for query in queries if "BETWEEN" in query}
    assert starts == {"2026-10-24"}


def test_rows_mean_what_the_company_knows(ads: Served) -> None:
    ads.load()
    ads.running.sandbox.night()
    ads.load()
    with cleaning(ads) as cleaned:
        figures = {r["source_id"]: r for r in cleaned("ad_performance")}
        campaigns = {r["source_id"]: r for r in cleaned("campaign")}
    expected = stored(ads, "2026-05-01")
    living = {id.removeprefix("asset_group:"): r for id, r in figures.items() if not r["is_deleted"]}
    assert living.keys() == expected.keys()
    for id, row in living.items():
        body = expected[id]
        assert row["spend"] == Decimal(body["metrics.cost_micros"]) / 1_000_000
        assert (row["impressions"], row["clicks"]) == (body["metrics.impressions"], body["metrics.clicks"])
        assert float(row["conversion_value"]) == body["metrics.conversions_value"]
        assert f"{row['ad_id']}:{row['date']}" == id
        assert row["campaign_name"] == campaigns[row["campaign_id"]]["name"]
        assert row["ad_group"] in ("gruppe a", "gruppe b", "gruppe c")
    assert {r["currency"] for r in figures.values()} == {"EUR"}
    assert {r["channel"] for r in campaigns.values()} == {"search", "shopping", "display", "performance max"}
    assert {r["status"] for r in campaigns.values()} == {"active", "paused", "removed"}
    brand = campaigns["17400000001"]
    budget = ads.store.get("campaign_budget", "17400500001")
    assert budget is not None
    assert (brand["name"], brand["platform"]) == ("Suche Marke", "google_ads")
    assert brand["budget"] == Decimal(budget.body["campaign_budget.amount_micros"]) / 1_000_000
    assert (str(brand["started_date"]), brand["ended_date"]) == ("2024-11-01", None)
    assert str(campaigns["17400063353"]["ended_date"]) == "2025-12-21"


def test_requests_and_answers_are_as_described(
    ads: Served, tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    ads.load()
    for _ in range(2):
        ads.running.sandbox.night()
        ads.load()
    assert CONNECTOR.connect is not None
    assert CONNECTOR.connect(ads.source) == []
    exchanges = ads.running.sandbox.exchanges
    spec = Spec.load("google_ads", paths=[write_description(tmp_path)], base="/google_ads", closed=True)
    report = spec.check(exchanges)
    assert not report.failures, report.text()
    ((_, operations, requests, answers),) = report.table()
    assert (operations, requests, answers) == (3, len(exchanges), len(exchanges))
    assert not any("developer-token" in e.headers for e in exchanges)
    record_property("validated", f"google_ads: {operations} operations, {requests} requests, {answers} answers")


class Script:
    """A client that answers from a list."""

    def __init__(self, *bodies: bytes) -> None:
        self.bodies = list(bodies)

    def post(self, path: str, asked: dict[str, Any], *, decode: Callable[[bytes], Any]) -> Any:
        assert asked["query"].startswith("SELECT ")
        return decode(self.bodies.pop(0))

    def now(self) -> datetime:
        return datetime(2026, 11, 1, tzinfo=UTC)


def read(table: str, *bodies: bytes) -> list[Page]:
    options = google_ads.GoogleAdsOptions(
        client_id="c", client_secret="s", refresh_token="r", customer_id="555-000-2222"
    )
    api = cast(Client, Script(*bodies))
    since = datetime(2026, 10, 30, tzinfo=UTC)
    reading = Reading(api=api, options=options, since=since, until=datetime(2026, 11, 1, tzinfo=UTC))
    resource = next(r for r in resources(options) if r.name == table)
    return list(resource.read(reading))


MASK = (
    "assetGroup.id,assetGroup.name,campaign.id,campaign.name,customer.currencyCode,segments.date,metrics.impressions,"
    "metrics.clicks,metrics.costMicros,metrics.conversions,metrics.conversionsValue"
)


def batch(day: str, **more: Any) -> dict[str, Any]:
    return {"results": [{"assetGroup": {"id": "1"}, "segments": {"date": day}}], "fieldMask": MASK, **more}


def test_an_answer_without_rows_is_one() -> None:
    pages = read("asset_group_performance", orjson.dumps([{"fieldMask": MASK, "requestId": "x"}]))
    assert [len(p.records) for p in pages] == [0, 0]
    assert [p.position for p in pages] == ["2026-10-30", "2026-11-02"]
    assert read("asset_group_performance", b"[]")[-1].position == "2026-11-02"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ([batch("2026-10-30"), {"error": {"code": 500, "message": "Internal error."}}], "the stream broke off"),
        ([{**batch("2026-10-30"), "fieldMask": "campaign.id"}], "another query"),
        ([batch("2026-10-29")], "other days"),
        ([batch("2026-11-02")], "other days"),
        ({"results": []}, "Expected `array`"),
    ],
)
def test_answers_that_do_not_fit_are_none(body: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read("asset_group_performance", orjson.dumps(body))


def test_a_first_day_that_google_has_forgotten_is_not_counted() -> None:
    options = google_ads.GoogleAdsOptions(client_id="c", client_secret="s", refresh_token="r", customer_id="5550002222")
    resource = next(r for r in resources(options) if r.name == "ad_performance")
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    reading = Reading(
        api=cast(Client, Script()), options=options, until=moment, since=moment, state={"first": "2023-01-01"}
    )
    assert resource.count is not None
    assert resource.count(reading) is None


def refusal(status: int, *, kind: str = "", code: str = "", reason: str = "", **details: Any) -> Answer:
    failure: dict[str, Any] = {"errors": [{"errorCode": {kind: code}, "message": "", "details": details}]}
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}
    error = {"code": status, "message": "", "details": [failure] if code else [info]}
    return Answer(status=status, headers={}, body=orjson.dumps([{"error": error}]))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refusal(403, kind="authorizationError", code="USER_PERMISSION_DENIED"), "login_customer_id"),
        (refusal(403, kind="authorizationError", code="CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION"), "Explorer access"),
        (refusal(400, kind="requestError", code="UNSUPPORTED_VERSION"), "update Millpond"),
        (refusal(403, reason="ACCESS_TOKEN_SCOPE_INSUFFICIENT"), "auth/adwords"),
        (refusal(403, reason="SERVICE_DISABLED"), "not enabled"),
        (refusal(401, kind="authenticationError", code="OAUTH_TOKEN_INVALID"), "refused"),
    ],
)
def test_refusals_say_what_to_do(answer: Answer, words: str) -> None:
    assert words in str(google_ads._explain(answer, "/x"))


def test_a_spent_quota_waits_as_long_as_google_says() -> None:
    spent = refusal(429, kind="quotaError", code="RESOURCE_EXHAUSTED", quotaErrorDetails={"retryDelay": "37.5s"})
    verdict = google_ads._judge(spent)
    assert isinstance(verdict, Again)
    assert verdict.seconds == 37.5
    assert google_ads._judge(Answer(status=200, headers={}, body=b"[]")) is None


def test_what_is_wrong_is_told_before_a_load(ads: Served) -> None:
    connect = registry.get("google_ads").connect
    assert connect is not None
    ads.more = {"login_customer_id": None}
    assert "login_customer_id" in connect(ads.source)[0]
    ads.more = {"customer_id": MANAGER_ID}
    assert "manager account" in connect(ads.source)[0]
    ads.more = {"customer_id": "1231231234"}
    assert "may not read this account" in connect(ads.source)[0]
    ads.more = {"client_secret": "x"}
    assert "client id or secret" in connect(ads.source)[0]
    ads.more = {"customer_id": "555-000-2222"}
    assert connect(ads.source) == []
    ads.more = {"customer_id": "Mühlbach"}
    assert "sources.source.customer_id" in CONNECTOR.problems(ads.source)[0]


def test_the_version_is_one_that_google_serves_and_its_end_is_known() -> None:
    from sandbox.vendors.google_ads import VERSIONS

    assert CONNECTOR.api is VERSION
    assert VERSION.name in VERSIONS
    assert VERSION.sunset is not None
