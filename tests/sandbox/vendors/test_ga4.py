"""The Google Analytics Data API as the sandbox serves it: asked as a client asks, and held against its messages."""

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
from sandbox.vendors.ga4 import PROPERTY_ID, REFRESH_TOKEN
from tests.connectors.ga4.description import write_description
from tests.connectors.specs import Spec

GRANT = {
    "grant_type": "refresh_token",
    "client_id": _google.CLIENT_ID,
    "client_secret": _google.CLIENT_SECRET,
    "refresh_token": REFRESH_TOKEN,
}
DIMENSIONS = ["date", "sessionSource", "sessionMedium", "sessionCampaignName", "deviceCategory"]
METRICS = ["sessions", "screenPageViews", "keyEvents"]
EVERY_DAY = {"startDate": "2024-11-01", "endDate": "2026-12-31"}


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
    return str(httpx.post(f"{run.url}/ga4/token", data=GRANT).raise_for_status().json()["access_token"])


def ask(run: Running, *, property: str = PROPERTY_ID, access: str | None = None, **body: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {access or token(run)}"}
    url = f"{run.url}/ga4/v1beta/properties/{property}:runReport"
    return httpx.post(url, json=body, headers=headers, timeout=30)


def named(names: list[str]) -> list[dict[str, str]]:
    return [{"name": name} for name in names]


def report(run: Running, *, ordered: bool = True, page: int = 10_000, **body: Any) -> list[dict[str, str]]:
    """All rows, page by page."""
    body = {"dimensions": named(DIMENSIONS), "metrics": named(METRICS), "dateRanges": [EVERY_DAY], **body}
    if ordered:
        body["orderBys"] = [{"dimension": {"dimensionName": d["name"]}} for d in body["dimensions"]]
    rows: list[dict[str, str]] = []
    while True:
        answer = ask(run, **body, limit=page, offset=len(rows)).raise_for_status().json()
        rows += [flat(answer, row) for row in answer.get("rows", [])]
        if len(rows) >= answer.get("rowCount", 0):
            return rows


def flat(answer: dict[str, Any], row: dict[str, Any]) -> dict[str, str]:
    headers = [h["name"] for h in (*answer.get("dimensionHeaders", []), *answer.get("metricHeaders", []))]
    values = [v["value"] for v in (*row.get("dimensionValues", []), *row.get("metricValues", []))]
    return dict(zip(headers, values, strict=True))


def key(row: dict[str, str]) -> str:
    return ":".join(row[name] for name in DIMENSIONS)


def store(run: Running) -> Store:
    return run.sandbox.stores["ga4"]


def message(answer: httpx.Response) -> str:
    assert answer.json()["error"]["code"] == answer.status_code
    return str(answer.json()["error"]["message"])


def test_pages_give_every_row_once(served: Running) -> None:
    rows = report(served, page=4_000)
    held = [r.id for r in store(served).page("session", limit=1_000_000)]
    assert len(held) > 8_000
    assert Counter(key(row) for row in rows) == Counter(held)
    assert [row["date"] for row in rows] == sorted(row["date"] for row in rows)


def test_sessions_are_what_the_truth_says(served: Running, company: Path) -> None:
    truth = pl.read_parquet(company / "truth/totals.parquet").filter(measure="web_sessions", source="web")
    counted = {
        f"{row['yearMonth'][:4]}-{row['yearMonth'][4:]}": int(row["sessions"])
        for row in report(served, dimensions=named(["yearMonth"]), metrics=named(["sessions"]))
    }
    assert dict(truth.select("month", "value").rows()) == counted


def test_dimensions_left_out_are_summed_over(served: Running) -> None:
    fine, coarse = report(served), report(served, dimensions=named(["sessionSourceMedium"]))
    assert len(coarse) == 7
    for name in METRICS:
        assert sum(int(row[name]) for row in fine) == sum(int(row[name]) for row in coarse)
    assert "(direct) / (none)" in {row["sessionSourceMedium"] for row in coarse}


def test_without_an_order_the_largest_come_first(served: Running) -> None:
    rows = report(served, ordered=False, dimensions=named(["date"]), metrics=named(["sessions"]))
    counts = [int(row["sessions"]) for row in rows]
    assert counts == sorted(counts, reverse=True)


def test_days_may_be_counted_back(served: Running) -> None:
    rows = report(
        served,
        dimensions=named(["date"]),
        metrics=named(["sessions"]),
        dateRanges=[{"startDate": "3daysAgo", "endDate": "yesterday"}],
    )
    assert [row["date"] for row in rows] == ["20261029", "20261030", "20261031"]


def test_nothing_is_left_out_rather_than_zero(served: Running) -> None:
    answer = ask(
        served,
        dimensions=named(["date"]),
        metrics=named(["sessions"]),
        dateRanges=[{"startDate": "2020-01-01", "endDate": "2020-01-02"}],
    ).json()
    assert "rows" not in answer
    assert "rowCount" not in answer
    empty = {"metrics": named(["keyEvents"]), "dateRanges": [EVERY_DAY], "dimensions": named(DIMENSIONS), "limit": 1}
    kept, given = (ask(served, **empty, keepEmptyRows=keep).json().get("rowCount", 0) for keep in (True, False))
    assert kept > given


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"dimensions": named(["moon"])}, 400, "Field moon is not a valid dimension."),
        ({"metrics": named(["moon"])}, 400, "Field moon is not a valid metric."),
        ({"dateRanges": []}, 400, "dateRange"),
        ({"dateRanges": [{"startDate": "2026-10-02", "endDate": "2026-10-01"}]}, 400, "endDate"),
        ({"dateRanges": [{"startDate": "02.10.2026", "endDate": "today"}]}, 400, "Invalid date"),
        ({"limit": 0}, 400, "Limit must be positive"),
        ({"offset": "first"}, 400, "offset"),
        ({"orderBys": [{"dimension": {"dimensionName": "sessionSource"}}]}, 400, "orderBys"),
        ({"moon": 1}, 400, 'Unknown name "moon"'),
        ({"property": PROPERTY_ID, "metrics": named(["sessions", "sessions"])}, 400, "Duplicate"),
        ({"dimensionFilter": {}}, 501, "does not do this"),
    ],
)
def test_what_google_refuses_is_refused(served: Running, body: dict[str, Any], status: int, words: str) -> None:
    url = f"{served.url}/ga4/v1beta/properties/{PROPERTY_ID}:runReport"
    given = {"dimensions": named(["date"]), "metrics": named(["sessions"]), "dateRanges": [EVERY_DAY], **body}
    answer = httpx.post(url, json=given, headers={"Authorization": f"Bearer {token(served)}"})
    assert answer.status_code == status
    assert words in message(answer)


def test_properties_and_tokens_are_checked(served: Running) -> None:
    assert ask(served, property="1").status_code == 403
    assert "sufficient permissions" in message(ask(served, property="1"))
    assert "numeric Property ID" in message(ask(served, property="G-12345"))
    assert ask(served, access="made up").status_code == 401
    wrong = httpx.post(f"{served.url}/ga4/token", data={**GRANT, "refresh_token": "x"})
    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_grant")


def test_limits_are_kept(company: Path) -> None:
    with serving(Sandbox(company, ease=2 / 1_400)) as run:
        access = token(run)
        body = {"metrics": named(["sessions"]), "dateRanges": [EVERY_DAY]}
        answers = [ask(run, access=access, **body) for _ in range(2)]
    assert [a.status_code for a in answers] == [200, 429]
    assert answers[1].json()["error"]["status"] == "RESOURCE_EXHAUSTED"


def test_planned_faults_strike(living: Running) -> None:
    access = token(living)
    body = {"metrics": named(["sessions"]), "dateRanges": [EVERY_DAY]}
    living.plan("ga4", "expired_token", after=0)
    assert ask(living, access=access, **body).status_code == 401
    assert ask(living, access=access, **body).status_code == 401
    assert ask(living, **body).status_code == 200


def test_pages_without_an_order_shift_and_those_with_one_do_not(living: Running) -> None:
    whole = {key(row) for row in report(living)}
    for ordered in (True, False):
        living.plan("ga4", "moving_page", after=1)
        seen = {key(row) for row in report(living, ordered=ordered, page=3_000)}
        assert (seen == whole) is ordered


def test_a_night_changes_what_it_says(living: Running) -> None:
    for number in range(1, 4):
        before = {key(row): row for row in report(living)}
        told = living.sandbox.night()["ga4"]["session"]
        after = {key(row): row for row in report(living)}
        assert set(after) - set(before) == set(told.added)
        assert set(before) - set(after) == set(told.deleted)
        assert {id for id in set(before) & set(after) if before[id] != after[id]} == set(told.changed)
        assert {id[:8] for id in told.added} == {f"2026110{number}"}
        assert min(len(told.added), len(told.changed)) > 2
        assert told.deleted


def test_what_a_report_lacks_is_told(living: Running) -> None:
    body = {"metrics": named(["sessions"]), "dateRanges": [EVERY_DAY], "returnPropertyQuota": True}
    told, known = [], []
    for _ in range(3):
        living.sandbox.night()
        answer = ask(living, **body).json()
        told.append({k: v for k, v in answer["metadata"].items() if k not in ("currencyCode", "timeZone")})
        access = {"Authorization": f"Bearer {token(living)}"}
        fields = httpx.get(f"{living.url}/ga4/v1beta/properties/{PROPERTY_ID}/metadata", headers=access).json()
        known.append({d["apiName"] for d in fields["dimensions"]})
        assert answer["propertyQuota"]["tokensPerProjectPerHour"]["remaining"] < 14_000
    assert told == [{}, {"dataLossFromOtherRow": True}, {"dataLossFromOtherRow": True, "subjectToThresholding": True}]
    assert known[1] - known[0] == {"customEvent:basket_size"} == known[1] - known[2]
    assert any(row["sessionSource"] == "(other)" for row in report(living))


def test_answers_are_as_google_describes_them(served: Running, tmp_path: Path) -> None:
    spec = Spec.load("ga4", paths=[write_description(tmp_path)], base="/ga4", closed=True)
    start = len(served.sandbox.exchanges)
    report(served, page=5_000, returnPropertyQuota=True, keepEmptyRows=True)
    report(served, dateRanges=[{"startDate": "2020-01-01", "endDate": "2020-01-02"}])
    access = {"Authorization": f"Bearer {token(served)}"}
    httpx.get(f"{served.url}/ga4/v1beta/properties/{PROPERTY_ID}/metadata", headers=access)
    result = spec.check(served.sandbox.exchanges[start:])
    assert not result.failures, result.text()
    assert len(result.operations) == 3
    ask(served, property="1")
    wrong = spec.check(served.sandbox.exchanges[-1:], requests=False)
    assert not wrong.failures, wrong.text()
