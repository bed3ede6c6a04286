"""Intercom as the sandbox serves it: asked as a client asks, and held against Intercom's own description."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from sandbox.serve import FIRST_MOMENT, Running, Sandbox, serving
from sandbox.store import Store
from sandbox.vendor import Changed
from sandbox.vendors.intercom import TOKEN
from tests.connectors.specs import Exemption, Spec

DESCRIPTION = "openapi/intercom/descriptions/2.16/api.intercom.io.yaml"
RELATIVE = Exemption(
    name="addresses within a contact",
    reason="the description's own examples have paths where its schemas say uri",
    sentence='/(tags|notes|companies)" is not a "uri"',
)
NOW = FIRST_MOMENT // 1000
OLDEST = {"field": "updated_at", "order": "ascending"}


@pytest.fixture(scope="module")
def served(company: Path) -> Iterator[Running]:
    with serving(Sandbox(company, record=True, ease=1000)) as run:
        yield run


@pytest.fixture
def living(company: Path, tmp_path: Path) -> Iterator[Running]:
    """A copy that tests may change."""
    shutil.copytree(company, tmp_path / "company")
    with serving(Sandbox(tmp_path / "company", ease=1000, slow_seconds=0.2)) as run:
        yield run


def ask(
    run: Running, path: str, body: Any = None, headers: dict[str, str] | None = None, **query: Any
) -> httpx.Response:
    said = {"Authorization": f"Bearer {TOKEN}", "Intercom-Version": "2.16", **(headers or {})}
    method = "GET" if body is None else "POST"
    return httpx.request(method, f"{run.url}/intercom{path}", headers=said, json=body, params=query or None)


def store(run: Running) -> Store:
    return run.sandbox.stores["intercom"]


def since(seconds: int, operator: str = ">") -> dict[str, Any]:
    return {"field": "updated_at", "operator": operator, "value": seconds}


def nested(depth: int) -> dict[str, Any]:
    """Groups within groups."""
    return {"operator": "AND", "value": [nested(depth - 1)]} if depth else since(0)


def found(run: Running, name: str, query: dict[str, Any], size: int = 20, **more: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        body = {"query": query, "pagination": {"per_page": size, **after}, "sort": OLDEST, **more}
        page = ask(run, f"/{name}/search", body).raise_for_status().json()
        rows += page["data" if name == "contacts" else name]
        if "next" not in page["pages"]:
            return rows
        after = {"starting_after": page["pages"]["next"]["starting_after"]}


def listed(run: Running, name: str, size: int = 30) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        page = ask(run, f"/{name}", per_page=size, **after).raise_for_status().json()
        rows += page["data" if name == "contacts" else name]
        if "next" not in page["pages"]:
            assert page["total_count"] == len(rows)
            return rows
        after = {"starting_after": page["pages"]["next"]["starting_after"]}


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


def all_ids(run: Running, name: str) -> set[str]:
    return {record.id for record in store(run).page(name, limit=-1)}


@pytest.mark.parametrize("name", ["contacts", "conversations"])
@pytest.mark.parametrize("size", [7, 150])
def test_lists_and_searches_give_every_record_once(served: Running, name: str, size: int) -> None:
    for rows in (listed(served, name, size), found(served, name, since(0), size)):
        assert len(rows) == len(set(ids(rows)))
        assert set(ids(rows)) == all_ids(served, name)
    assert [row["updated_at"] for row in rows] == sorted(row["updated_at"] for row in rows)


def test_conversations_are_searched_by_the_second(served: Running) -> None:
    times = sorted(row["updated_at"] for row in listed(served, "conversations"))
    middle = times[len(times) // 2]
    assert len(found(served, "conversations", since(middle))) == sum(t > middle for t in times)
    assert len(found(served, "conversations", since(middle, ">="))) == sum(t >= middle for t in times)
    both = {"operator": "AND", "value": [since(middle, ">="), since(middle, "<=")]}
    assert len(found(served, "conversations", both)) == times.count(middle)


def test_contacts_are_searched_by_the_day(living: Running) -> None:
    early, late, other = records = store(living).page("contacts", limit=3)
    berlin = ZoneInfo("Europe/Berlin")
    moments = [datetime(2027, 1, *at, tzinfo=berlin) for at in ((10, 11, 0), (10, 23, 30), (11, 0, 10))]
    seconds = [int(moment.timestamp()) for moment in moments]
    moved = [replace(r, body={**r.body, "updated_at": at}) for r, at in zip(records, seconds, strict=True)]
    store(living).put("contacts", moved)
    assert ids(found(living, "contacts", since(seconds[0]))) == [other.id]
    assert ids(found(living, "contacts", since(seconds[1]))) == [other.id]
    assert ids(found(living, "contacts", since(seconds[2]))) == []
    assert ids(found(living, "contacts", since(seconds[1], "="))) == [early.id, late.id]
    refused = ask(living, "/contacts/search", {"query": since(NOW, ">=")})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "invalid_operator")


def test_ids_and_groups_are_searched(served: Running) -> None:
    some = sorted(all_ids(served, "contacts"))[:3]
    listed_ids = {"field": "id", "operator": "IN", "value": some}
    assert set(ids(found(served, "contacts", listed_ids))) == set(some)
    either = {"operator": "OR", "value": [{"field": "id", "operator": "=", "value": i} for i in some[:2]]}
    assert set(ids(found(served, "contacts", either))) == set(some[:2])


def test_groups_are_nested_twice_and_no_deeper(served: Running) -> None:
    assert len(found(served, "conversations", nested(2))) == len(all_ids(served, "conversations"))


def test_parts_come_with_single_conversations_only(served: Running) -> None:
    assert all("conversation_parts" not in row for row in listed(served, "conversations"))
    id = next(r.id for r in store(served).page("conversations", limit=-1) if len(r.body["conversation_parts"]) == 3)
    whole = ask(served, f"/conversations/{id}").json()
    plain = ask(served, f"/conversations/{id}", display_as="plaintext").json()
    assert whole["source"]["body"].startswith("<p>")
    assert not plain["source"]["body"].startswith("<p>")
    kinds = [part["part_type"] for part in plain["conversation_parts"]["conversation_parts"]]
    assert kinds == ["comment", "comment", "close"]
    assert plain["conversation_parts"]["total_count"] == 3


def test_of_very_long_conversations_the_latest_parts_come(living: Running) -> None:
    record = store(living).page("conversations", limit=1)[0]
    (first, *_) = record.body["conversation_parts"]
    record.body["conversation_parts"] = [{**first, "id": str(n)} for n in range(600)]
    store(living).put("conversations", [record])
    parts = ask(living, f"/conversations/{record.id}").json()["conversation_parts"]
    assert parts["total_count"] == 600
    assert [part["id"] for part in parts["conversation_parts"]] == [str(n) for n in range(100, 600)]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/contacts/search", {}, 400, "bad_request"),
        ("/contacts/search", {"query": {"field": "shoe_size", "operator": "=", "value": 1}}, 400, "invalid_field"),
        ("/contacts/search", {"query": since("yesterday")}, 400, "invalid_value"),  # type: ignore[arg-type]
        (
            "/contacts/search",
            {"query": since(0), "sort": {"field": "updated_at", "order": "asc"}},
            400,
            "invalid_sort_order",
        ),
        ("/contacts/search", {"query": since(0), "pagination": {"per_page": 151}}, 400, "parameter_invalid"),
        ("/conversations/search", {"query": {"operator": "AND", "value": [since(0)] * 16}}, 400, "bad_request"),
        ("/conversations/search", {"query": nested(3)}, 400, "bad_request"),
        ("/conversations/search", {"query": since(0), "pagination": {"starting_after": "x"}}, 400, "parameter_invalid"),
        ("/conversations?per_page=151", None, 400, "parameter_invalid"),
        ("/conversations/deleted?per_page=61", None, 400, "parameter_invalid"),
        ("/conversations/1", None, 404, "not_found"),
        ("/contacts/1", None, 404, "not_found"),
        ("/shoes", None, 404, "not_found"),
    ],
)
def test_what_intercom_refuses_is_refused(served: Running, path: str, body: Any, status: int, code: str) -> None:
    refused = ask(served, path, body)
    assert refused.status_code == status
    assert refused.json()["errors"][0]["code"] == code


def test_wrong_tokens_and_versions_are_refused(served: Running) -> None:
    refused = ask(served, "/me", headers={"Authorization": "Bearer wrong"})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (401, "unauthorized")
    for version in ("2.14", "7.0"):
        refused = ask(served, "/me", headers={"Intercom-Version": version})
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "intercom_version_invalid")
    without = httpx.get(f"{served.url}/intercom/me", headers={"Authorization": f"Bearer {TOKEN}"})
    assert without.json()["app"]["timezone"] == "Europe/Berlin"


def test_the_limit_is_told_by_tens_of_seconds(company: Path) -> None:
    with serving(Sandbox(company, ease=1 / 1_000)) as run:
        first, second, third = (ask(run, "/admins") for _ in range(3))
    assert (first.status_code, first.headers["x-ratelimit-limit"]) == (200, "1667")
    assert 0 <= int(first.headers["x-ratelimit-reset"]) - NOW <= 20
    assert (third.status_code, third.json()["errors"][0]["code"]) == (429, "rate_limit_exceeded")
    assert second.status_code == 200


def changed_ids(change: Changed) -> set[str]:
    return {*change.added, *change.changed, *change.deleted}


def test_nights_change_just_what_they_say(living: Running) -> None:
    for number in (1, 2, 3):
        names = ("contacts", "conversations")
        before = {name: {r.id: r for r in store(living).page(name, limit=-1)} for name in names}
        changes = living.sandbox.night()["intercom"]
        start = NOW + (number - 1) * 86_400
        for name in names:
            change, held = changes[name], all_ids(living, name)
            after = {r.id: r for r in store(living).page(name, limit=-1)}
            assert {i for i, r in after.items() if before[name].get(i) != r} == {*change.added, *change.changed}
            assert held == set(before[name]) - set(change.deleted) | set(change.added)
            assert min(len(change.added), len(change.changed), 2 * len(change.deleted)) >= 2
            # Contacts are asked from the day before on, which leaves it out.
            asked = since(start - 3600 if name == "contacts" else start)
            assert set(ids(found(living, name, asked))) == {*change.added, *change.changed}
        contacts = found(living, "contacts", since(start - 3600))
        assert {"sms_consent" in row for row in contacts} == {number >= 2}
        assert {"enabled_push_messaging" in row for row in contacts} == {number < 3}
    gone = ask(living, "/conversations/deleted", per_page=2).json()
    assert (gone["total_count"], gone["pages"]["total_pages"]) == (3, 2)
    assert gone["conversations"][0]["id"] == changes["conversations"].deleted[0]
    assert (
        len(httpx.get(gone["pages"]["next"], headers={"Authorization": f"Bearer {TOKEN}"}).json()["conversations"]) == 1
    )
    assert ask(living, f"/contacts/{changes['contacts'].deleted[0]}").status_code == 404


@pytest.mark.parametrize("name", ["contacts", "conversations"])
def test_a_record_that_moves_while_a_search_runs_comes_at_its_end(living: Running, name: str) -> None:
    living.plan("intercom", "moving_page", after=1)
    rows = found(living, name, since(0))
    assert living.sandbox.faults["intercom"].struck == ["moving_page"]
    assert rows[-1]["updated_at"] >= NOW
    assert len(rows) == len(set(ids(rows)))
    assert set(ids(rows)) == all_ids(living, name)


def test_faults_strike_searches_and_not_the_question_who_one_is(living: Running) -> None:
    living.plan("intercom", "server_error", after=0)
    assert ask(living, "/me").status_code == 200
    assert ask(living, "/contacts/search", {"query": since(0)}).status_code in (500, 503)
    living.plan("intercom", "expired_token", after=0)
    assert [ask(living, "/contacts").status_code for _ in range(2)] == [401, 200]
    right = ask(living, "/contacts/search", {"query": since(0)}).json()["data"]
    living.plan("intercom", "reordered_page", after=0)
    assert ask(living, "/contacts/search", {"query": since(0)}).json()["data"] == right[::-1]


def test_answers_are_as_described(served: Running, real_data: Path) -> None:
    begin = len(served.sandbox.exchanges)
    for name in ("contacts", "conversations"):
        found(served, name, {"operator": "AND", "value": [since(0)]}, 150)
        listed(served, name, 150)
    for record in store(served).page("conversations", limit=20, order="updated", descending=True):
        ask(served, f"/conversations/{record.id}", display_as="plaintext")
    for path in ("/me", "/admins", "/teams", "/conversations/deleted", f"/contacts/{min(all_ids(served, 'contacts'))}"):
        ask(served, path)
    spec = Spec.load("intercom", paths=[real_data / DESCRIPTION], base="/intercom", exemptions=[RELATIVE])
    # The description of lists forgets the parameters of paging that its prose names.
    exchanges = served.sandbox.exchanges[begin:]
    report = spec.check([e for e in exchanges if e.path != "/intercom/contacts"])
    report_of_lists = spec.check([e for e in exchanges if e.path == "/intercom/contacts"], requests=False)
    assert not report.failures, report.text()
    assert not report_of_lists.failures, report_of_lists.text()
    ((_, operations, requests, answers),) = report.table()
    assert (operations, requests == answers) == (9, True)
