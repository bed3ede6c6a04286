"""The Google Analytics connector beyond what is true of all: pages, spans, what is withheld, and what rows mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from connectors import ga4, registry
from connectors._api.client import Answer, ApiError, Client
from connectors._api.resource import Page, Reading
from connectors.ga4 import CONNECTOR
from connectors.ga4 import resources as resources_of
from sandbox.faults import ON_THE_WIRE, FaultKind
from tests.connectors.cleaning import cleaning
from tests.connectors.ga4.description import write_description
from tests.connectors.served import Served, served
from tests.connectors.specs import Spec


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def web(made: Path, tmp_path: Path) -> Iterator[Served]:
    with served("ga4", made=made, root=tmp_path, record=True) as one:
        yield one


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    monkeypatch.setattr(importlib.import_module("connectors.ga4.resources"), "_ROWS", 400)


def held(one: Served) -> dict[str, int]:
    rows = one.sql("SELECT id, (payload->>'$.sessions')::INT FROM raw.sessions WHERE NOT is_deleted")
    return dict(rows)


def stored(one: Served, since: str) -> dict[str, int]:
    records = one.store.page("session", limit=1_000_000)
    return {r.id: r.body["sessions"] for r in records if r.id[:8] >= since}


def test_the_whole_history_is_held_as_the_store_has_it(web: Served) -> None:
    web.more = {"start_date": None, "timeout_seconds": 20.0}
    report = web.load()
    assert held(web) == stored(web, "20241101")
    ((count,), rows) = (report.counts, len(held(web)))
    assert (count.table, count.source_rows, count.held_rows) == ("sessions", rows, rows)


def test_a_night_changes_just_the_rows_that_google_changed(web: Served) -> None:
    web.load()
    told = web.running.sandbox.night()["ga4"]["session"]
    report = web.load()
    rows = web.sql(
        "SELECT id, is_deleted FROM raw.sessions WHERE _loaded_at = (SELECT max(_loaded_at) FROM raw.sessions)"
    )
    assert {id for id, _ in rows} == {*told.added, *told.changed, *told.deleted}
    assert {id for id, gone in rows if gone} == set(told.deleted)
    assert report.tables["sessions"] == len(rows)


@pytest.mark.parametrize("fault", [*ON_THE_WIRE, "moving_page", "clock_skew", "expired_token"])
def test_faults_between_pages_lose_nothing(web: Served, small_pages: None, fault: FaultKind) -> None:
    web.running.plan("ga4", fault, after=1, times=2)
    web.load()
    assert len(web.running.sandbox.faults["ga4"].struck) == 2
    assert held(web) == stored(web, "20260501")
    pages = [e for e in web.running.sandbox.exchanges if e.path.endswith(":runReport") and e.status == 200]
    assert len({orjson.loads(e.body)["offset"] for e in pages}) > 2


def test_what_google_withholds_is_a_finding(web: Served) -> None:
    web.load()
    notes = []
    for _ in range(3):
        web.running.sandbox.night()
        notes.append([f.detail for f in web.load().findings if f.kind == "note"])
    assert [len(n) for n in notes] == [0, 1, 2]
    assert "'(other)'" in notes[1][0]
    assert "thresholding" in notes[2][0]


def test_rows_mean_what_the_company_knows(web: Served) -> None:
    web.load()
    for _ in range(2):
        web.running.sandbox.night()
    web.load()
    with cleaning(web) as cleaned:
        rows = {r["source_id"]: r for r in cleaned("web_session") if not r["is_deleted"]}
    records = {r.id: r.body for r in web.store.page("session", limit=1_000_000) if r.id[:8] >= "20260501"}
    assert rows.keys() == records.keys()
    for id, row in rows.items():
        body = records[id]
        named = body["sessionCampaignName"]
        assert row["campaign_name"] == (None if named.startswith("(") else named)
        assert (row["sessions"], row["pageviews"]) == (body["sessions"], body["screenPageViews"])
        assert row["conversions"] == body["keyEvents"]
        assert (row["traffic_source"], row["medium"]) == (body["sessionSource"].lower(), body["sessionMedium"].lower())
        local = row["started_at"].astimezone(UTC) + timedelta(hours=2)
        assert local.strftime("%Y%m%d") == body["date"]
    assert {r["campaign_name"] for r in rows.values()} == {None, "Suche Marke", "Shopping DE", "Prospecting Wohnen"}
    assert {r["device"] for r in rows.values()} == {"mobile", "desktop", "tablet", "(other)"}


def test_requests_and_answers_are_as_described(
    web: Served, small_pages: None, tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    web.load()
    for _ in range(2):
        web.running.sandbox.night()
        web.load()
    exchanges = web.running.sandbox.exchanges
    spec = Spec.load("ga4", paths=[write_description(tmp_path)], base="/ga4", closed=True)
    report = spec.check(exchanges)
    assert not report.failures, report.text()
    ((_, operations, requests, answers),) = report.table()
    assert (operations, requests, answers) == (3, len(exchanges), len(exchanges))
    record_property("validated", f"ga4: {operations} operations, {requests} requests, {answers} answers")


class Script:
    """A client that answers from a list, and tells which offsets it was asked for."""

    source = "source"

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers, self.offsets = list(answers), list[int]()

    def post(self, path: str, asked: dict[str, Any], *, decode: Callable[[bytes], Any]) -> Any:
        self.offsets.append(asked["offset"])
        return decode(orjson.dumps({"kind": "analyticsData#runReport", **self.answers.pop(0)}))

    def now(self) -> datetime:
        return datetime(2026, 11, 1, tzinfo=UTC)


def row(day: str, source: str) -> dict[str, Any]:
    values = [day, source, "cpc", "(not set)", "mobile", "1", "2", "0"]
    cells = [{"value": v} for v in values]
    return {"dimensionValues": cells[:5], "metricValues": cells[5:]}


def read(script: Script) -> list[Page]:
    options = ga4.Ga4Options(client_id="c", client_secret="s", refresh_token="r", property_id="1")
    since = datetime(2026, 10, 30, tzinfo=UTC)
    api = cast(Client, script)
    reading = Reading(api=api, options=options, since=since, until=datetime(2026, 11, 1, tzinfo=UTC))
    return list(resources_of(options)[0].read(reading))


def test_a_report_that_grows_is_read_anew() -> None:
    one, two, three = (row("20261030", name) for name in "abc")
    grown = {"rowCount": 3}
    script = Script(
        {"rows": [two], "rowCount": 2},
        {"rows": [two], **grown},
        {"rows": [one, two], **grown},
        {"rows": [three], **grown},
    )
    pages = read(script)
    assert script.offsets == [0, 1, 0, 2]
    ids = {orjson.loads(record)["id"] for page in pages for record in page.records}
    assert {id.split(":")[1] for id in ids} == {"a", "b", "c"}


def test_a_report_that_never_stands_still_is_given_up() -> None:
    moving = [{"rows": [row("20261030", "a")], "rowCount": 2}, {"rows": [row("20261030", "a")], "rowCount": 2}]
    with pytest.raises(ApiError, match="changed 3 times"):
        read(Script(*moving * 3))


def test_a_report_of_other_days_is_none() -> None:
    with pytest.raises(ValueError, match="another question"):
        read(Script({"rows": [row("20261029", "a")], "rowCount": 1}))


@pytest.mark.parametrize(
    ("status", "message", "words"),
    [
        (403, "User does not have sufficient permissions for this property.", "property_id"),
        (400, "Field moon is not a valid metric.", "not a valid metric"),
        (401, "Request had invalid authentication credentials.", "refresh token"),
    ],
)
def test_refusals_say_what_to_do(status: int, message: str, words: str) -> None:
    body = orjson.dumps({"error": {"code": status, "message": message}})
    assert words in str(ga4._explain(Answer(status=status, headers={}, body=body), "/x"))


def test_what_is_wrong_is_told_before_a_load(web: Served) -> None:
    connect = registry.get("ga4").connect
    assert connect is not None
    web.more = {"property_id": "1"}
    assert "may not read this property" in connect(web.source)[0]
    web.more = {"refresh_token": "x"}
    assert "refresh token was refused" in connect(web.source)[0]
    web.more = {"property_id": "G-ABCDEF"}
    assert "sources.source.property_id" in CONNECTOR.problems(web.source)[0]
