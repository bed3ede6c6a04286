"""Intercom's connector against the sandbox: what lands, what a night changes, paging, refusals, what mappings give."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import httpx
import orjson
import pytest

from connectors._api.client import Answer, ApiError
from connectors._api.options import parse
from connectors._api.resource import Reading
from connectors.base import Source
from connectors.intercom import CONNECTOR, IntercomOptions, _explain, _hint, client, resources
from sandbox.faults import FaultKind
from tests.connectors.cleaning import CleanedById, cleaning_by_id
from tests.connectors.served import Served, served


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def intercom(made: Path, tmp_path: Path) -> Iterator[Served]:
    with served("intercom", made=made, root=tmp_path, record=True) as one:
        yield one


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["connectors.intercom.resources"]
    monkeypatch.setattr(module, "_PAGE", 20)
    monkeypatch.setattr(module, "_DELETED_PAGE", 1)


def payloads(one: Served, table: str, where: str = "true") -> dict[str, dict[str, Any]]:
    rows = one.sql(f"SELECT id, payload FROM raw.{table} WHERE {where}")
    return {id: orjson.loads(payload) for id, payload in rows}


def test_a_first_load_holds_what_the_store_holds(intercom: Served) -> None:
    intercom.load()
    assert intercom.tables() == ["admins", "contacts", "conversations", "teams"]
    for table in intercom.tables():
        held = payloads(intercom, table)
        for record in held.values():
            if "conversation_parts" in record:
                record["conversation_parts"] = record["conversation_parts"]["conversation_parts"]
        assert held == {record.id: record.body for record in intercom.store.page(table, limit=-1)}


def test_nights_change_just_the_rows_that_the_vendor_changed(intercom: Served, small_pages: None) -> None:
    intercom.load()
    for nights in (1, 2):
        passed = [intercom.running.sandbox.night()["intercom"] for _ in range(nights)]
        begin = len(intercom.running.sandbox.exchanges)
        intercom.load()
        (last,) = intercom.sql("SELECT max(_loaded_at) FROM raw.contacts")[0]
        for table in ("contacts", "conversations"):
            touched = {id for c in passed for id in (*c[table].added, *c[table].changed)}
            gone = {id for c in passed for id in c[table].deleted}
            rows = intercom.sql(f"SELECT id, is_deleted FROM raw.{table} WHERE _loaded_at = '{last}'")
            assert {id for id, is_deleted in rows if not is_deleted} == touched - gone
            assert {id for id, is_deleted in rows if is_deleted} == gone
            assert all(len(record) > 10 for record in payloads(intercom, table, "is_deleted").values())
        assert whole_lists(intercom, "conversations", begin) == 0


def whole_lists(one: Served, table: str, begin: int = 0) -> int:
    """How often a list was asked for more than its total."""
    exchanges = one.running.sandbox.exchanges[begin:]
    return sum(e.path == f"/intercom/{table}" and e.query != "per_page=1" for e in exchanges)


def test_a_contact_that_changes_twice_a_day_is_read_twice(intercom: Served) -> None:
    intercom.load()
    newest = intercom.store.page("contacts", limit=1, order="updated", descending=True)[0]
    oldest = intercom.store.page("contacts", limit=1, order="updated")[0]
    body = {**oldest.body, "name": "Anders Genannt", "updated_at": newest.updated // 1000 + 60}
    intercom.store.put("contacts", [replace(oldest, body=body, updated=newest.updated + 60_000)])
    assert intercom.load().tables["contacts"] == 1
    assert payloads(intercom, "contacts")[oldest.id]["name"] == "Anders Genannt"


def test_a_quiet_night_asks_for_few_conversations(intercom: Served) -> None:
    intercom.load()
    begin = len(intercom.running.sandbox.exchanges)
    intercom.load()
    asked = Counter(e.path.rpartition("/")[0] for e in intercom.running.sandbox.exchanges[begin:])
    assert asked["/intercom/conversations"] < 5


def test_small_pages_end_as_whole_ones(intercom: Served, request: pytest.FixtureRequest) -> None:
    intercom.load("whole")
    request.getfixturevalue("small_pages")
    begin = len(intercom.running.sandbox.exchanges)
    intercom.load()
    pages = Counter(e.path for e in intercom.running.sandbox.exchanges[begin:])
    assert pages["/intercom/contacts/search"] > 4
    assert pages["/intercom/conversations/search"] > 6
    assert intercom.dump() == intercom.dump("whole")


@pytest.mark.parametrize(
    ("fault", "plan"),
    [
        ("duplicated_page", {"after": 8, "times": 40}),
        ("moving_page", {"after": 1, "times": 2}),
        ("truncated_json", {"after": 9, "times": 3}),
    ],
)
def test_faults_between_pages_lose_nothing(
    intercom: Served, small_pages: None, fault: FaultKind, plan: dict[str, int]
) -> None:
    intercom.running.plan("intercom", fault, **plan)
    intercom.load()
    assert intercom.running.sandbox.faults["intercom"].struck == [fault] * plan["times"]
    assert [whole_lists(intercom, table) for table in ("contacts", "conversations")] == [0, 0]
    intercom.running.sandbox.faults["intercom"].clear()
    intercom.load("undisturbed")
    assert intercom.dump() == intercom.dump("undisturbed")


class Script:
    """Answers searches with one page after the other, the last of them for ever."""

    def __init__(self, *pages: tuple[str, str | None]) -> None:
        self.pages = list(pages)

    def post(self, path: str, asked: Any, *, decode: Callable[[bytes], Any]) -> Any:
        id, after = self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]
        following = {"next": {"per_page": 1, "starting_after": after}} if after else {}
        return decode(orjson.dumps({"data": [{"id": id}], "pages": following}))


def contacts_from(script: Script) -> list[str]:
    resource = next(r for r in resources() if r.name == "contacts")
    told = Reading(api=cast(Any, script), options=None, until=datetime.now(UTC))
    return [orjson.loads(bytes(record))["id"] for page in resource.read(told) for record in page.records]


def test_a_page_that_is_given_again_is_asked_for_anew_and_not_for_ever() -> None:
    assert contacts_from(Script(("1", "x"), ("1", "x"), ("2", None))) == ["1", "2"]
    with pytest.raises(ApiError, match="the same page"):
        contacts_from(Script(("1", "x")))


def source(root: Path, **options: Any) -> Source:
    return Source(name="desk", connector="intercom", root=root, options={"token": "secret", **options})


@pytest.mark.parametrize(
    ("region", "host"), [("us", "api.intercom.io"), ("eu", "api.eu.intercom.io"), ("au", "api.au.intercom.io")]
)
def test_each_region_has_its_host(tmp_path: Path, region: str, host: str) -> None:
    one = source(tmp_path, region=region)
    api = client(one, parse(one, IntercomOptions))
    assert (api.base_url, api.headers["Intercom-Version"]) == (f"https://{host}", "2.16")
    assert (api.pace.top, CONNECTOR.problems(one)) == (160.0, [])
    assert "region" in CONNECTOR.problems(source(tmp_path, region="mars"))[0]


def answer(status: int, body: Any = None, **headers: str) -> Answer:
    given = httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return Answer(status=status, headers=given, body=orjson.dumps(body))


@pytest.mark.parametrize(("reset", "seconds"), [("1793488806", 6.0), ("1793488790", 0.0), ("1793999999", 10.0)])
def test_the_end_of_the_window_goes_by_the_vendors_clock(reset: str, seconds: float) -> None:
    hint = _hint(answer(200, x_ratelimit_remaining="3", x_ratelimit_reset=reset, date="Sat, 31 Oct 2026 23:20:00 GMT"))
    assert hint is not None
    assert (hint.remaining, hint.reset_seconds) == (3.0, seconds)
    assert _hint(answer(200)) is None


@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [
        (401, "unauthorized", "token was refused"),
        (403, "api_plan_restricted", "plan does not include"),
        (403, "token_unauthorized", "Give it the permission"),
        (400, "intercom_version_invalid", "version 2.16 of the interface is not served any more"),
    ],
)
def test_refusals_are_said_in_words(status: int, code: str, sentence: str) -> None:
    body = {"type": "error.list", "errors": [{"code": code, "message": "No."}]}
    assert sentence in (_explain(answer(status, body), "/contacts") or "")
    assert _explain(answer(status, ["something else"]), "/contacts") is None


class Merged:
    """Says of every contact that it was merged into another one; of what is asked else, that it may not be read."""

    def get(self, path: str, query: Any, **how: Any) -> Any:
        raise ApiError("no", 410 if path == "/contacts/merged" else 403)


def test_contacts_that_were_merged_are_gone_and_other_refusals_are_not_swallowed() -> None:
    contacts = next(r for r in resources() if r.name == "contacts")
    assert contacts.fetch is not None
    told = Reading(api=cast(Any, Merged()), options=None, until=datetime.now(UTC))
    assert [list(page.records) for page in contacts.fetch(told, ["merged", "merged"])] == [[]]
    with pytest.raises(ApiError):
        list(contacts.fetch(told, ["merged", "secret"]))


@pytest.fixture
def cleaned(intercom: Served) -> Iterator[CleanedById]:
    """Clean rows of an entity after a load, by id."""
    with cleaning_by_id(intercom) as rows:
        yield rows


def seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def test_conversations_are_mapped_to_tickets_and_feedback(intercom: Served, cleaned: CleanedById) -> None:
    stored = {record.id: record.body for record in intercom.store.page("conversations", limit=-1)}
    tickets = cleaned("ticket")
    assert tickets.keys() == stored.keys()
    for id, row in tickets.items():
        body = stored[id]
        told = body["statistics"] or {}
        assert row["contact_id"] == body["contacts"]["contacts"][0]["id"]
        assert row["order_number"] == body["custom_attributes"].get("order_number")
        assert (row["status"], row["topic"]) == (body["state"], body["tags"]["tags"][0]["name"])
        assert row["priority"] == {"medium": "normal"}.get(body["priority"], body["priority"])
        assert (row["assignee_id"], row["team"]) == (str(body["admin_assignee_id"]), "kundenservice")
        assert seconds(row["created_at"]) == body["created_at"]
        assert seconds(row["first_reply_at"]) == told.get("first_admin_reply_at")
        assert seconds(row["solved_at"]) == told.get("last_close_at")
    ratings = {id: body["conversation_rating"] for id, body in stored.items() if body["conversation_rating"]}
    assert {row["source_id"]: int(row["rating"]) for row in cleaned("feedback").values()} == {
        id: rating["rating"] for id, rating in ratings.items()
    }
    assert {row["satisfaction"] for row in tickets.values()} == {"good", "bad", None}


def test_messages_and_people_are_mapped(intercom: Served, cleaned: CleanedById) -> None:
    said = {}
    for record in intercom.store.page("conversations", limit=-1):
        body = record.body
        said[f"{record.id}:source"] = ("customer", body["source"]["author"]["id"], body["created_at"])
        for part in body["conversation_parts"]:
            if part["body"]:
                kind = "agent" if part["author"]["type"] == "admin" else "customer"
                said[f"{record.id}:{part['id']}"] = (kind, part["author"]["id"], part["created_at"])
    messages = cleaned("ticket_message")
    assert {id: (row["author_kind"], row["author_id"], seconds(row["sent_at"])) for id, row in messages.items()} == said
    assert not any(row["body"].startswith("<p>") for row in messages.values())
    contacts = cleaned("contact").values()
    assert len(contacts) == intercom.store.count("contacts")
    assert {row["is_subscribed"] for row in contacts} == {True}
    staff = cleaned("staff").values()
    assert len(staff) == intercom.store.count("admins")
    assert {row["is_active"] for row in staff} == {True, False}
