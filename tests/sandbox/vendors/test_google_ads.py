"""Google Ads as the sandbox serves it: asked as a client asks, and held against what Google says of its messages."""

from __future__ import annotations

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
from sandbox.vendors import _google
from sandbox.vendors.google_ads import MANAGER_ID, REFRESH_TOKEN
from sandbox.vendors.google_ads.report import CUSTOMER_ID
from tests.connectors.google_ads.description import write_description
from tests.connectors.specs import Spec

GRANT = {
    "grant_type": "refresh_token",
    "client_id": _google.CLIENT_ID,
    "client_secret": _google.CLIENT_SECRET,
    "refresh_token": REFRESH_TOKEN,
}
ALL_DAYS = "segments.date BETWEEN '2024-01-01' AND '2027-12-31'"
FIGURES = "metrics.impressions, metrics.clicks, metrics.cost_micros, metrics.conversions, metrics.conversions_value"
ADS = f"SELECT ad_group_ad.ad.id, segments.date, {FIGURES} FROM ad_group_ad WHERE {ALL_DAYS}"
ASSETS = f"SELECT asset_group.id, segments.date, {FIGURES} FROM asset_group WHERE {ALL_DAYS}"


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


def token(run: Running) -> str:
    answer = httpx.post(f"{run.url}/google_ads/token", data=GRANT).raise_for_status().json()
    assert answer["token_type"] == "Bearer"
    return str(answer["access_token"])


def ask(
    run: Running,
    query: str,
    method: str = "searchStream",
    *,
    access: str | None = None,
    login: str | None = MANAGER_ID,
    customer: str = CUSTOMER_ID,
    version: str = "v25",
    **body: Any,
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {access or token(run)}"}
    if login is not None:
        headers["login-customer-id"] = login
    url = f"{run.url}/google_ads/{version}/customers/{customer}/googleAds:{method}"
    return httpx.post(url, json={"query": query, **body}, headers=headers, timeout=30)


def rows(run: Running, query: str) -> list[dict[str, Any]]:
    return [row for batch in ask(run, query).raise_for_status().json() for row in batch.get("results", [])]


def code(answer: httpx.Response) -> str:
    """The error code of an answer, also of one that came as a stream."""
    body = answer.json()
    error = (body[0] if isinstance(body, list) else body)["error"]
    assert error["code"] == answer.status_code
    return str(next(iter(error["details"][0]["errors"][0]["errorCode"].values())))


def store(run: Running) -> Store:
    return run.sandbox.stores["google_ads"]


def key(row: dict[str, Any]) -> str:
    id = row["adGroupAd"]["ad"]["id"] if "adGroupAd" in row else row["assetGroup"]["id"]
    return f"{id}~{row['segments']['date']}"


def figures(run: Running) -> dict[str, Any]:
    return {key(row): row["metrics"] for query in (ADS, ASSETS) for row in rows(run, query)}


def test_figures_are_given_once_by_ads_and_asset_groups(served: Running) -> None:
    found = [key(row) for query in (ADS, ASSETS) for row in rows(served, query)]
    held = [r.id for r in store(served).page("performance", limit=1_000_000)]
    assert len(held) > 10_000
    assert Counter(found) == Counter(held)


def test_performance_max_shows_no_ads(served: Running) -> None:
    query = "SELECT campaign.advertising_channel_type, ad_group_ad.ad.id FROM ad_group_ad"
    kinds = {row["campaign"]["advertisingChannelType"] for row in rows(served, query)}
    assert kinds == {"SEARCH", "SHOPPING", "DISPLAY"}
    assert len(rows(served, "SELECT asset_group.id FROM asset_group")) == 3


def test_spend_is_what_the_truth_says(served: Running, company: Path) -> None:
    truth = pl.read_parquet(company / "truth/totals.parquet").filter(measure="ad_spend", source="google_ads")
    spent: Counter[str] = Counter()
    for id, metrics in figures(served).items():
        spent[id.partition("~")[2][:7]] += int(metrics["costMicros"]) // 10_000
    assert dict(truth.select("month", "value").rows()) == spent


def test_a_stream_comes_in_batches_that_say_what_was_asked(served: Running) -> None:
    batches = ask(served, ADS).json()
    assert [len(b["results"]) for b in batches] == [10_000, len(rows(served, ADS)) - 10_000]
    assert {b["fieldMask"] for b in batches} == {
        "adGroupAd.ad.id,segments.date,metrics.impressions,metrics.clicks,metrics.costMicros,metrics.conversions,"
        "metrics.conversionsValue"
    }


def test_pages_of_search_give_every_row_once(served: Running) -> None:
    found, where = [], {}
    settings = {"returnTotalResultsCount": True}
    ordered = f"{ADS} ORDER BY ad_group_ad.ad.id, segments.date DESC"
    while True:
        page = ask(served, ordered, "search", searchSettings=settings, **where).raise_for_status().json()
        found += [key(row) for row in page["results"]]
        assert page["totalResultsCount"] == str(len(rows(served, ADS)))
        if "nextPageToken" not in page:
            break
        where = {"pageToken": page["nextPageToken"]}
    assert found == sorted(sorted(found, key=lambda k: k.partition("~")[2], reverse=True), key=lambda k: k[:14])
    assert len(found) == len(set(found)) > 10_000


def test_a_count_needs_no_rows(served: Running) -> None:
    settings = {"omitResults": True, "returnTotalResultsCount": True}
    page = ask(served, "SELECT campaign.id FROM campaign", "search", searchSettings=settings).json()
    assert page["totalResultsCount"] == "10"
    assert "results" not in page


def test_days_on_which_nothing_ran_have_no_rows_when_segmented(served: Running) -> None:
    days = "segments.date BETWEEN '2026-05-19' AND '2026-05-21'"
    assert rows(served, f"SELECT campaign.id, segments.date, {FIGURES} FROM campaign WHERE {days}") == []
    week = "FROM ad_group_ad WHERE segments.date BETWEEN '2026-10-25' AND '2026-10-31'"
    clicked = rows(served, f"SELECT ad_group_ad.ad.id, segments.date, metrics.clicks {week}")
    bought = rows(served, f"SELECT ad_group_ad.ad.id, segments.date, metrics.conversions {week}")
    assert 0 < len(bought) < len(clicked)
    assert all(row["metrics"]["conversions"] > 0 for row in bought)
    whole = rows(served, f"SELECT campaign.id, metrics.clicks FROM campaign WHERE {days}")
    assert {row["metrics"]["clicks"] for row in whole} == {"0"}
    assert len(whole) == 10


def test_conditions_and_orders_hold(served: Running) -> None:
    paused = rows(
        served,
        "SELECT campaign.id, campaign.name, campaign.end_date_time FROM campaign "
        "WHERE campaign.status = 'PAUSED' AND campaign.name IN ('Advent 2024', 'Advent 2025', 'Suche Marke') "
        "ORDER BY campaign.id DESC LIMIT 5",
    )
    assert [row["campaign"]["name"] for row in paused] == ["Advent 2025", "Advent 2024"]
    assert paused[1]["campaign"]["endDateTime"] == "2024-12-22 23:59:59"
    week = rows(served, "SELECT segments.date, metrics.clicks FROM customer WHERE segments.date DURING LAST_7_DAYS")
    assert sorted(row["segments"]["date"] for row in week) == [f"2026-10-{day}" for day in range(25, 32)]


def test_fields_that_hold_nothing_are_left_out_and_64_bits_are_text(served: Running) -> None:
    query = "SELECT campaign.id, campaign.end_date_time, campaign_budget.amount_micros FROM campaign LIMIT 1"
    (row,) = rows(served, query)
    assert row["campaign"] == {
        "resourceName": f"customers/{CUSTOMER_ID}/campaigns/17400000001",
        "id": "17400000001",
    }
    assert row["campaignBudget"]["amountMicros"].isdigit()


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("campaign.id FROM campaign", "EXPECTED_SELECT"),
        ("SELECT campaign.id", "EXPECTED_FROM"),
        ("SELECT campaign.id FROM", "UNEXPECTED_END_OF_QUERY"),
        ("SELECT campaign.id campaign", "EXPECTED_FROM"),
        ("SELECT campaign.start_date FROM campaign", "UNRECOGNIZED_FIELD"),
        ("SELECT campaign.id FROM keyword_moon", "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE"),
        ("SELECT ad_group.id FROM campaign", "PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE"),
        ("SELECT campaign.id, segments.date FROM campaign", "EXPECTED_FILTERS_ON_DATE_RANGE"),
        (
            "SELECT campaign.id, segments.date FROM campaign WHERE segments.date >= '2026-01-01'",
            "EXPECTED_FILTERS_ON_DATE_RANGE",
        ),
        (
            "SELECT campaign.id FROM campaign WHERE segments.date BETWEEN '2026-02-01' AND '2026-01-01'",
            "DATE_RANGE_TOO_NARROW",
        ),
        ("SELECT campaign.id FROM campaign WHERE segments.date = 2026", "INVALID_DATE_FORMAT"),
        ("SELECT campaign.id FROM campaign WHERE segments.date DURING LAST_YEAR", "INVALID_VALUE_WITH_DURING_OPERATOR"),
        ("SELECT campaign.id FROM campaign WHERE campaign.status = 'GONE'", "BAD_ENUM_CONSTANT"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id = 'x'", "BAD_NUMBER"),
        ("SELECT campaign.id FROM campaign WHERE campaign.name = Advent", "INVALID_STRING_VALUE"),
        ("SELECT campaign.id FROM campaign ORDER BY campaign.name", "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE"),
        ("SELECT campaign.id FROM campaign LIMIT 0", "BAD_LIMIT_VALUE"),
        ("SELECT campaign.id FROM campaign; DROP", "BAD_SYMBOL"),
        ("SELECT campaign.id FROM campaign WHERE campaign.name = 'x", "STRING_NOT_TERMINATED"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id BETWEEN 1 OR 2", "EXPECTED_AND"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id IN ()", "PROHIBITED_EMPTY_LIST_IN_CONDITION"),
        ("SELECT campaign.id FROM campaign LIMIT 1 OFFSET 2", "UNEXPECTED_INPUT"),
    ],
)
def test_what_google_refuses_is_refused(served: Running, query: str, error: str) -> None:
    answer = ask(served, query)
    assert (answer.status_code, code(answer)) == (400, error)
    assert isinstance(answer.json(), list)
    assert isinstance(ask(served, query, "search").json(), dict)


def test_a_login_reaches_only_its_accounts(served: Running) -> None:
    query = "SELECT campaign.id FROM campaign"
    assert code(ask(served, query, login=None)) == "USER_PERMISSION_DENIED"
    assert code(ask(served, query, login="1231231234")) == "USER_PERMISSION_DENIED"
    assert code(ask(served, query, customer="1231231234")) == "USER_PERMISSION_DENIED"
    assert code(ask(served, query, login="555-000-1111")) == "INVALID_LOGIN_CUSTOMER_ID"
    assert code(ask(served, query, customer="555-000-2222")) == "INVALID_CUSTOMER_ID"
    assert code(ask(served, query, customer=MANAGER_ID)) == "REQUESTED_METRICS_FOR_MANAGER"
    accounts = httpx.get(
        f"{served.url}/google_ads/v25/customers:listAccessibleCustomers",
        headers={"Authorization": f"Bearer {token(served)}"},
    )
    assert accounts.json() == {"resourceNames": [f"customers/{MANAGER_ID}"]}


def test_versions_pages_and_names_are_checked(served: Running) -> None:
    query = "SELECT campaign.id FROM campaign"
    assert code(ask(served, query, version="v22")) == "UNSUPPORTED_VERSION"
    assert ask(served, query, version="v99").status_code == 404
    assert code(ask(served, query, "search", pageSize=100)) == "PAGE_SIZE_NOT_SUPPORTED"
    assert code(ask(served, query, "search", pageToken="x")) == "INVALID_PAGE_TOKEN"
    assert ask(served, query, pageToken="x").status_code == 400
    assert code(ask(served, " ")) == "REQUIRED_FIELD_MISSING"


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"refresh_token": "x"}, 400, "invalid_grant"),
        ({"client_secret": "x"}, 401, "invalid_client"),
        ({"client_id": "x"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"refresh_token": None}, 400, "invalid_request"),
    ],
)
def test_tokens_are_given_for_good_grants_only(
    served: Running, change: dict[str, Any], status: int, error: str
) -> None:
    grant = {k: v for k, v in {**GRANT, **change}.items() if v is not None}
    answer = httpx.post(f"{served.url}/google_ads/token", data=grant)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_access_tokens_end(living: Running) -> None:
    access = token(living)
    assert ask(living, "SELECT customer.id FROM customer", access=access).status_code == 200
    living.sandbox.night()
    late = ask(living, "SELECT customer.id FROM customer", access=access)
    assert (late.status_code, code(late)) == (401, "OAUTH_TOKEN_INVALID")
    assert ask(living, "SELECT customer.id FROM customer", access="made up").status_code == 401


def test_planned_faults_strike(living: Running) -> None:
    query = "SELECT customer.id FROM customer"
    access = token(living)
    living.plan("google_ads", "expired_token", after=1)
    statuses = [ask(living, query, access=access).status_code for _ in range(3)]
    assert statuses == [200, 401, 401]
    assert ask(living, query).status_code == 200
    living.plan("google_ads", "too_many_requests", after=0)
    quota = ask(living, query)
    assert (quota.status_code, code(quota)) == (429, "RESOURCE_EXHAUSTED")
    assert "Retry-After" in quota.headers


def test_pages_without_an_order_shift_when_rows_move(living: Running) -> None:
    first = ask(living, ADS, "search").json()
    living.plan("google_ads", "moving_page", after=0)
    second = ask(living, ADS, "search", pageToken=first["nextPageToken"]).json()
    seen = [key(row) for page in (first, second) for row in page["results"]]
    assert len(set(seen)) < len(rows(living, ADS))
    assert {key(row) for row in rows(living, ADS)} == {
        r.id for r in store(living).page("performance", limit=1_000_000) if not r.id.startswith("1740003959")
    }


def test_the_quota_of_explorer_access_ends(company: Path) -> None:
    with serving(Sandbox(company, ease=3 / 2_880)) as run:
        access = token(run)
        answers = [ask(run, "SELECT customer.id FROM customer", access=access) for _ in range(3)]
    assert [a.status_code for a in answers] == [200, 200, 429]
    assert code(answers[-1]) == "RESOURCE_EXHAUSTED"


def test_a_night_changes_what_it_says(living: Running) -> None:
    campaigns = "SELECT campaign.id, campaign.status, campaign_budget.amount_micros FROM campaign"

    def listed() -> dict[str, Any]:
        return {row["campaign"]["id"]: row for row in rows(living, campaigns)}

    for number in range(1, 4):
        before, listed_before = figures(living), listed()
        changes = living.sandbox.night()["google_ads"]
        after, listed_after = figures(living), listed()
        told, budgets, told_campaigns = changes["performance"], changes["campaign_budget"], changes["campaign"]
        assert set(after) - set(before) == set(told.added)
        assert set(before) - set(after) == set(told.deleted)
        assert {id for id in set(before) & set(after) if before[id] != after[id]} == set(told.changed)
        assert {id.partition("~")[2] for id in told.added} == {f"2026-11-0{number}"}
        assert min(len(told.added), len(told.changed)) > 2
        assert told.deleted
        assert set(listed_after) - set(listed_before) == set(told_campaigns.added)
        changed = {id for id in listed_before if listed_before[id] != listed_after[id]}
        assert changed == {str(int(id) - 500_000) for id in budgets.changed} | set(told_campaigns.changed)
        assert {listed_after[id]["campaign"]["status"] for id in told_campaigns.changed} == {"REMOVED"}


def test_new_kinds_of_campaigns_come_with_time(living: Running) -> None:
    query = "SELECT campaign.advertising_channel_type FROM campaign"
    seen = []
    for _ in range(3):
        living.sandbox.night()
        seen.append({row["campaign"]["advertisingChannelType"] for row in rows(living, query)})
    assert seen[1] - seen[0] == {"DEMAND_GEN"}
    assert seen[2] - seen[1] == {"UNKNOWN"}


def test_answers_are_as_google_describes_them(served: Running, tmp_path: Path) -> None:
    spec = Spec.load("google_ads", paths=[write_description(tmp_path)], base="/google_ads", closed=True)
    start = len(served.sandbox.exchanges)
    for query in (ADS, ASSETS, "SELECT campaign.id, campaign_budget.amount_micros FROM campaign"):
        ask(served, query)
        ask(served, query, "search", searchSettings={"returnTotalResultsCount": True})
    ask(served, "SELECT campaign.id FROM campaign WHERE campaign.id = 1")
    httpx.get(
        f"{served.url}/google_ads/v25/customers:listAccessibleCustomers",
        headers={"Authorization": f"Bearer {token(served)}"},
    )
    report = spec.check(served.sandbox.exchanges[start:])
    assert not report.failures, report.text()
    assert len(report.operations) == 4
    ask(served, "SELECT campaign.moon FROM campaign")
    httpx.post(f"{served.url}/google_ads/token", data={**GRANT, "refresh_token": "x"})
    wrong = spec.check(served.sandbox.exchanges[-2:], requests=False)
    assert not wrong.failures, wrong.text()
