"""Zendesk's connector against the sandbox: what lands, what a night changes, paging, ways in, what mappings give."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from connectors._api.client import Client
from connectors._api.options import parse
from connectors._api.resource import Page, Reading
from connectors.base import ConnectorError, Source
from connectors.load import load
from connectors.zendesk import API_TOKENS_END, CONNECTOR, ZendeskOptions, client, resources
from sandbox.faults import FaultKind
from sandbox.store import Record
from sandbox.vendor import Changed
from sandbox.vendors.zendesk import EMAIL, TOKEN
from tests.connectors.cleaning import CleanedById, cleaning_by_id
from tests.connectors.served import HASTY, Served, served
from tests.connectors.specs import Spec
from tests.connectors.zendesk.description import write_description

TABLES = ("groups", "satisfaction_ratings", "ticket_events", "ticket_fields", "tickets", "users")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def zendesk(made: Path, tmp_path: Path) -> Iterator[Served]:
    with served("zendesk", made=made, root=tmp_path, record=True) as one:
        yield one


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["connectors.zendesk.resources"]
    monkeypatch.setattr(module, "_EXPORT", 20)
    monkeypatch.setattr(module, "_LIST", 10)


def payloads(one: Served, table: str) -> dict[str, dict[str, Any]]:
    return {id: orjson.loads(payload) for id, payload in one.sql(f"SELECT id, payload FROM raw.{table}")}


def test_a_first_load_holds_what_the_store_holds(zendesk: Served) -> None:
    zendesk.load()
    assert tuple(zendesk.tables()) == TABLES
    for table in TABLES:
        held = payloads(zendesk, table)
        stored = {r.id: r.body for r in zendesk.store.page(table, limit=-1)}
        assert held.keys() == stored.keys()
        if table != "ticket_events":
            assert {id: {k: held[id][k] for k in body} for id, body in stored.items()} == stored
    said = [c["id"] for e in payloads(zendesk, "ticket_events").values() for c in e["child_events"] if "body" in c]
    assert sorted(said) == sorted(r.body["comment"]["id"] for r in comments(zendesk))


def comments(one: Served) -> list[Record]:
    return [record for record in one.store.page("ticket_events", limit=-1) if record.body["comment"]]


def test_a_night_changes_just_the_rows_that_the_vendor_changed(zendesk: Served) -> None:
    zendesk.load()
    for _ in range(2):
        changes: dict[str, Changed] = zendesk.running.sandbox.night()["zendesk"]
        zendesk.load()
        (last,) = zendesk.sql("SELECT max(_loaded_at) FROM raw.tickets")[0]
        for table, change in changes.items():
            rows = zendesk.sql(f"SELECT id, is_deleted FROM raw.{table} WHERE _loaded_at = '{last}'")
            assert {id for id, _ in rows} == {*change.added, *change.changed, *change.deleted}
            assert {id for id, is_deleted in rows if is_deleted} == set(change.deleted)


def test_deleted_records_keep_what_they_were(zendesk: Served) -> None:
    zendesk.load()
    before = payloads(zendesk, "tickets")
    (gone,) = zendesk.running.sandbox.night()["zendesk"]["tickets"].deleted
    zendesk.load()
    assert payloads(zendesk, "tickets")[gone] == before[gone]
    assert zendesk.sql(f"SELECT is_deleted, deleted_at IS NOT NULL FROM raw.tickets WHERE id = '{gone}'") == [
        (True, True)
    ]


def test_small_pages_end_as_whole_ones(zendesk: Served, request: pytest.FixtureRequest) -> None:
    zendesk.load("whole")
    request.getfixturevalue("small_pages")
    zendesk.load()
    pages = Counter(e.path for e in zendesk.running.sandbox.exchanges)
    assert pages["/zendesk/api/v2/incremental/tickets/cursor.json"] > 6
    assert pages["/zendesk/api/v2/incremental/ticket_events.json"] > 20
    assert zendesk.dump() == zendesk.dump("whole")


@pytest.mark.parametrize(
    ("fault", "plan"),
    [
        ("duplicated_page", {"after": 4, "times": 5}),
        ("moving_page", {"after": 1, "times": 3}),
        ("expired_token", {"after": 5, "times": 2}),
    ],
)
def test_faults_between_pages_lose_nothing(
    zendesk: Served, small_pages: None, fault: FaultKind, plan: dict[str, int]
) -> None:
    zendesk.running.plan("zendesk", fault, **plan)
    zendesk.load()
    assert zendesk.running.sandbox.faults["zendesk"].struck == [fault] * plan["times"]
    zendesk.running.sandbox.faults["zendesk"].clear()
    zendesk.load("undisturbed")
    assert zendesk.dump() == zendesk.dump("undisturbed")


def test_a_crowded_second_is_read_whole_and_left(zendesk: Served, small_pages: None) -> None:
    like = zendesk.store.page("ticket_events", limit=1, order="updated", descending=True)[0]
    at = like.updated + 5_000
    crowd = [Record(id=str(n), body={**like.body, "id": n}, created=at, updated=at) for n in range(30)]
    zendesk.store.put(
        "ticket_events", [*crowd, Record(id="31", body={**like.body, "id": 31}, created=at + 9_000, updated=at + 9_000)]
    )
    zendesk.load()
    assert {id for (id,) in zendesk.sql("SELECT id FROM raw.ticket_events")} == {
        record.id for record in zendesk.store.page("ticket_events", limit=-1)
    }


class Script:
    """Answers with one page after the other, the last of them for ever, and notes what was asked."""

    def __init__(self, *pages: dict[str, Any]) -> None:
        self.pages, self.asked = list(pages), []

    def get(self, path: str, asked: dict[str, Any], *, decode: Callable[[bytes], Any]) -> Any:
        self.asked.append(asked)
        return decode(orjson.dumps(self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]))


def read(table: str, script: Script) -> list[Page]:
    resource = next(r for r in resources() if r.name == table)
    return list(resource.read(Reading(api=cast(Any, script), options=None, until=datetime.now(UTC))))


def test_a_server_that_repeats_itself_for_ever_is_given_up() -> None:
    export = {"tickets": [{"id": 1, "generated_timestamp": 1}], "after_cursor": "x", "end_of_stream": False}
    with pytest.raises(ConnectorError, match=r"same page of .*tickets"):
        read("tickets", Script(export))
    listed = {"satisfaction_ratings": [{"id": 1}], "meta": {"has_more": True, "after_cursor": "x"}}
    with pytest.raises(ConnectorError, match=r"same page of .*satisfaction_ratings"):
        read("satisfaction_ratings", Script(listed))


def test_a_second_that_fills_a_page_is_left_for_the_next() -> None:
    first = {"ticket_events": [{"id": 1, "timestamp": 7}], "end_time": 7, "end_of_stream": False}
    last = {"ticket_events": [{"id": 2, "timestamp": 9}], "end_time": 9, "end_of_stream": True}
    script = Script(first, first, first, last)
    assert [page.position for page in read("ticket_events", script)] == [7, 7, 9]
    assert [asked["start_time"] for asked in script.asked] == [0, 7, 7, 8]


def test_exports_wait_for_their_own_budget(made: Path, tmp_path: Path) -> None:
    api = client_for(source(tmp_path, exports_per_minute=30))
    narrow = api.narrow["/incremental/"]
    assert (narrow.top, api.pace.top) == (0.5, 200 / 60)
    assert api._paces("/api/v2/incremental/users/cursor.json") == [narrow, api.pace]
    assert api._paces("/api/v2/groups.json") == [api.pace]


def source(root: Path, **options: Any) -> Source:
    base = {"subdomain": "muehlbach", "client_id": "demo", "client_secret": "secret"}
    given = {k: v for k, v in {**base, **options}.items() if v is not None}
    return Source(name="desk", connector="zendesk", root=root, options=given)


def client_for(one: Source) -> Client:
    return client(one, parse(one, ZendeskOptions))


def test_an_api_token_opens_too(zendesk: Served) -> None:
    zendesk.load("oauth")
    options = {
        "subdomain": "muehlbach",
        "email": EMAIL,
        "api_token": TOKEN,
        "base_url": f"{zendesk.running.url}/zendesk",
    }
    with_token = Source(name="source", connector="zendesk", root=zendesk.root, options={**HASTY, **options})
    load(with_token, raw_dir=zendesk.root / "token", wait_seconds=5)
    assert zendesk.dump("token") == zendesk.dump("oauth")
    wrong = Source(
        name="source", connector="zendesk", root=zendesk.root, options={**with_token.options, "api_token": "no"}
    )
    assert CONNECTOR.connect is not None
    (sentence,) = CONNECTOR.connect(wrong)
    assert "email and api_token" in sentence


@pytest.mark.parametrize(
    "options",
    [
        {"client_secret": None},
        {"client_id": None, "client_secret": None},
        {"email": "a@b.example", "api_token": "x"},
        {"email": "a@b.example"},
        {"subdomain": "muehlbach.zendesk.com"},
        {"exports_per_minute": 0},
        {"tables": ["calls"]},
    ],
)
def test_wrong_options_are_told(tmp_path: Path, options: dict[str, Any]) -> None:
    assert CONNECTOR.problems(source(tmp_path)) == []
    (sentence,) = CONNECTOR.problems(source(tmp_path, **options))
    assert sentence.startswith("millpond.toml: sources.desk")


@pytest.mark.parametrize(("today", "told"), [(date(2027, 4, 29), 0), (API_TOKENS_END, 1)])
def test_api_tokens_are_told_of_when_they_have_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, today: date, told: int
) -> None:
    class Day(date):
        @classmethod
        def today(cls) -> date:  # type: ignore[override]
            return today

    monkeypatch.setattr("connectors.zendesk.date", Day)
    by_token = source(tmp_path, client_id=None, client_secret=None, email="a@b.example", api_token="x")
    assert len(CONNECTOR.problems(by_token)) == told
    assert CONNECTOR.problems(source(tmp_path)) == []


def test_a_missing_scope_is_named(zendesk: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    granted = zendesk.store.write_note
    narrow = lambda name, value: granted(name, value and {**value, "scopes": ["tickets:read"]})  # noqa: E731
    monkeypatch.setattr(zendesk.store, "write_note", narrow)
    assert CONNECTOR.connect is not None
    sentences = CONNECTOR.connect(zendesk.source)
    assert len(sentences) == 4
    assert "lacks the scope users:read" in sentences[0]


@pytest.fixture
def cleaned(zendesk: Served) -> Iterator[CleanedById]:
    """Clean rows of an entity after a load, by id."""
    with cleaning_by_id(zendesk) as rows:
        yield rows


def test_tickets_are_mapped(zendesk: Served, cleaned: CleanedById) -> None:
    rows = cleaned("ticket")
    stored = {record.id: record.body for record in zendesk.store.page("tickets", limit=-1)}
    assert rows.keys() == stored.keys()
    for id, row in rows.items():
        body = stored[id]
        channel = body["via"]["channel"]
        assert row["contact_id"] == str(body["requester_id"])
        assert row["order_number"] == body["custom_fields"][0]["value"]
        assert (row["status"], row["priority"], row["kind"]) == (body["status"], body["priority"], body["type"])
        assert (row["topic"], row["team"]) == (body["tags"][0], "kundenservice")
        assert row["channel"] == ("phone" if channel == "voice" else channel)
        assert row["satisfaction"] == (body["satisfaction_rating"] or {}).get("score")
        minutes = body["metric_set"]["reply_time_in_minutes"]["calendar"]
        assert (row["first_reply_at"] is None) == (minutes is None)
        if minutes is not None:
            assert (row["first_reply_at"] - row["created_at"]).total_seconds() == minutes * 60
    assert {row["order_number"] is None for row in rows.values()} == {True, False}


def test_messages_feedback_and_people_are_mapped(zendesk: Served, cleaned: CleanedById) -> None:
    agents = {r.id for r in zendesk.store.page("users", limit=-1) if r.body["role"] != "end-user"}
    messages = cleaned("ticket_message")
    said = {str(record.body["comment"]["id"]): record for record in comments(zendesk)}
    assert messages.keys() == said.keys()
    for id, row in messages.items():
        comment = said[id].body["comment"]
        assert (row["ticket_id"], row["author_id"]) == (str(said[id].body["ticket_id"]), str(comment["author_id"]))
        assert row["author_kind"] == ("agent" if row["author_id"] in agents else "customer")
        assert row["sent_at"].timestamp() * 1000 == said[id].created
        assert row["is_public"] is True
    staff = cleaned("staff").values()
    assert {row["source_id"] for row in staff} == agents
    assert {row["is_active"] for row in staff} == {True, False}
    assert {row["team"] for row in staff} == {"kundenservice"}
    contacts = cleaned("contact").values()
    assert len(contacts) == zendesk.store.count("users") - len(agents)
    assert {row["language"] for row in contacts} <= {"de", "fr", "nl", "en"}
    ratings = {row["source_id"]: row["rating"] for row in cleaned("feedback").values()}
    scores = {r.id: r.body["score"] for r in zendesk.store.page("satisfaction_ratings", limit=-1)}
    assert ratings == {id: {"good": 1, "bad": 0}[score] for id, score in scores.items() if score != "offered"}


def test_requests_and_answers_are_as_described(
    zendesk: Served, small_pages: None, real_data: Path, tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    zendesk.load()
    zendesk.running.sandbox.night()
    zendesk.load()
    exchanges = zendesk.running.sandbox.exchanges
    spec = Spec.load("zendesk", paths=[write_description(real_data, tmp_path)], base="/zendesk", suffix=".json")
    report = spec.check(exchanges)
    assert not report.failures, report.text()
    ((_, operations, requests, answers),) = report.table()
    assert (operations, requests) == (9, answers)
    assert answers == len(exchanges)
    record_property("validated", f"zendesk: {operations} operations, {requests} requests, {answers} answers")
    assert not any("x-zendesk-api-warn" in e.answer_headers for e in exchanges)
