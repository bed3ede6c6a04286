"""Freshdesk as the sandbox serves it: asked as a client asks, with the company's truth behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.exports.kit import Out
from sandbox.serve import FIRST_MOMENT, Running, Sandbox, serving, store_path
from sandbox.store import Store
from sandbox.trade import make_trade
from sandbox.truth import Truth
from sandbox.vendors.freshdesk import KEY, VENDOR

_BEGINNING = "2000-01-01T00:00:00Z"


def filled(folder: Path) -> tuple[Store, Truth]:
    """A store with the small company's helpdesk, and the truth about it."""
    store, truth = Store(store_path(folder, "freshdesk")), Truth()
    trade = make_trade(7, 0.02)
    VENDOR.fill(Out(source="freshdesk", folder=folder, seed=7, scale=0.02, trade=trade, truth=truth), store)
    return store, truth


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("freshdesk")
    filled(folder)[0].close()
    with serving(Sandbox(folder, vendors={"freshdesk": VENDOR}, ease=1000)) as run:
        yield run


@pytest.fixture
def living(tmp_path: Path) -> Iterator[Running]:
    """One that tests may change."""
    filled(tmp_path)[0].close()
    with serving(Sandbox(tmp_path, vendors={"freshdesk": VENDOR}, ease=1000)) as run:
        yield run


def ask(run: Running, path: str, key: str = KEY, **query: str | int) -> httpx.Response:
    return httpx.get(f"{run.url}/freshdesk/api/v2/{path}", params=query, auth=(key, "X"))


def listed(run: Running, path: str, **query: str | int) -> list[dict[str, Any]]:
    """All records of a list, by the links to the next page."""
    answer = ask(run, path, **query).raise_for_status()
    rows = list(answer.json())
    while "next" in answer.links:
        answer = httpx.get(answer.links["next"]["url"], auth=(KEY, "X")).raise_for_status()
        rows += answer.json()
    return rows


def store(run: Running) -> Store:
    return run.sandbox.stores["freshdesk"]


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [str(row["id"]) for row in rows]


@pytest.mark.parametrize("name", ["contacts", "agents", "groups", "satisfaction_ratings"])
def test_a_list_gives_every_record_once(served: Running, name: str) -> None:
    path = "surveys/satisfaction_ratings" if name == "satisfaction_ratings" else name
    held = [record.id for record in store(served).page(name, limit=-1)]
    assert sorted(ids(listed(served, path, per_page=10))) == sorted(held)
    assert len(ask(served, path).json()) == min(30, len(held))


def test_tickets_are_those_of_thirty_days_unless_asked_since_when(served: Running) -> None:
    everything = store(served).page("tickets", limit=-1, order="updated")
    rows = listed(served, "tickets", updated_since=_BEGINNING, order_by="updated_at", order_type="asc", per_page=20)
    assert ids(rows) == [record.id for record in everything]
    recent = {r.id for r in everything if r.created >= FIRST_MOMENT - 30 * 86_400_000}
    assert set(ids(listed(served, "tickets"))) == recent
    since = everything[-3].body["updated_at"]
    later = listed(served, "tickets", updated_since=since)
    assert set(ids(later)) == {r.id for r in everything if r.body["updated_at"] >= since}


def test_descriptions_stats_and_requesters_come_when_asked_for(served: Running) -> None:
    (plain,) = ask(served, "tickets", updated_since=_BEGINNING, per_page=1).json()
    assert not {"description", "description_text", "stats", "requester"} & set(plain)
    (row,) = ask(served, "tickets", updated_since=_BEGINNING, per_page=1, include="description,stats,requester").json()
    assert row["requester"]["id"] == row["requester_id"]
    assert "first_responded_at" in row["stats"]
    assert row["description"] == f"<div>{row['description_text']}</div>"


def test_conversations_are_asked_for_by_ticket(served: Running) -> None:
    found = store(served).page("conversations", limit=-1)
    some = next(record for record in found if record.body["incoming"])
    rows = listed(served, f"tickets/{some.parent}/conversations")
    assert ids(rows) == [record.id for record in found if record.parent == some.parent]
    assert {row["ticket_id"] for row in rows} == {int(str(some.parent))}
    assert ask(served, "tickets/11/conversations").status_code == 404


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("tickets", {"page": 301}, "page"),
        ("tickets", {"per_page": 101}, "per_page"),
        ("tickets", {"order_by": "subject"}, "order_by"),
        ("tickets", {"filter": "all"}, "filter"),
        ("tickets", {"include": "everything", "updated_since": _BEGINNING}, "include"),
        ("tickets", {"updated_since": "yesterday"}, "updated_since"),
        ("contacts", {"state": "gone"}, "state"),
        ("contacts", {"updated_since": _BEGINNING}, "updated_since"),
        ("agents", {"page": 0}, "page"),
    ],
)
def test_what_freshdesk_refuses_is_refused(served: Running, path: str, query: dict[str, str | int], field: str) -> None:
    refused = ask(served, path, **query)
    assert refused.status_code == 400
    assert [one["field"] for one in refused.json()["errors"]] == [field]


def test_wrong_keys_are_refused_and_limits_are_told(served: Running) -> None:
    refused = ask(served, "agents", key="wrong")
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_credentials")
    assert httpx.get(f"{served.url}/freshdesk/api/v2/agents").status_code == 401
    headers = ask(served, "agents").headers
    assert (headers["x-ratelimit-total"], headers["x-ratelimit-used-currentrequest"]) == ("200", "1")


def test_the_limit_ends_in_429_and_says_how_long_to_wait(tmp_path: Path) -> None:
    filled(tmp_path)[0].close()
    with serving(Sandbox(tmp_path, vendors={"freshdesk": VENDOR}, ease=0.02)) as run:
        answers = [ask(run, "groups") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [429]
    assert 50 <= float(answers[-1].headers["retry-after"]) <= 60


def test_a_night_changes_just_what_it_says(living: Running) -> None:
    names = ("tickets", "contacts", "conversations", "satisfaction_ratings")
    before = {name: {r.id: r for r in store(living).page(name, limit=-1, deleted=None)} for name in names}
    changes = living.sandbox.night()["freshdesk"]
    assert set(changes) == set(names)
    for name in names:
        after = {r.id: r for r in store(living).page(name, limit=-1, deleted=None)}
        said = {*changes[name].added, *changes[name].changed, *changes[name].deleted}
        assert {id for id, record in after.items() if before[name].get(id) != record} == said
        assert set(changes[name].added) == set(after) - set(before[name])


def test_what_is_deleted_moves_to_another_list(living: Running) -> None:
    changes = living.sandbox.night()["freshdesk"]
    (ticket,), (contact,) = changes["tickets"].deleted, changes["contacts"].deleted
    assert ids(listed(living, "tickets", filter="deleted", updated_since=_BEGINNING)) == [ticket]
    assert ticket not in ids(listed(living, "tickets", updated_since=_BEGINNING))
    assert ask(living, f"tickets/{ticket}").json()["deleted"] is True
    assert ids(listed(living, "contacts", state="deleted")) == [contact]
    assert contact not in ids(listed(living, "contacts"))
    assert ask(living, "contacts/12").status_code == 404


def test_tickets_get_a_field_in_the_second_night_and_lose_one_in_the_third(living: Running) -> None:
    def fields() -> tuple[set[bool], set[bool]]:
        changes = living.sandbox.night()["freshdesk"]["tickets"]
        rows = [ask(living, f"tickets/{id}").json() for id in (*changes.added, *changes.changed)]
        return {"nr_due_by" in row for row in rows}, {"association_type" in row for row in rows}

    assert [fields() for _ in range(3)] == [({False}, {True}), ({True}, {True}), ({True}, {False})]


def test_a_ticket_that_moves_while_the_list_is_read_costs_another_one(living: Running) -> None:
    held = [record.id for record in store(living).page("tickets", limit=-1, order="updated")]
    living.plan("freshdesk", "moving_page", after=1)
    order: dict[str, str | int] = {"updated_since": _BEGINNING, "order_by": "updated_at", "order_type": "asc"}
    rows = ids(listed(living, "tickets", per_page=20, **order))
    moved = store(living).page("tickets", limit=1, order="updated", descending=True)[0]
    assert (rows[20], rows[-1]) == (moved.id, moved.id)
    assert set(held) - set(rows) == {held[40]}


def test_the_truth_is_what_the_store_holds(tmp_path: Path) -> None:
    held, truth = filled(tmp_path)
    rows = dict(truth.frames()["totals"].select("entity", "value").iter_rows())
    counted = {name: held.count(name) for name in held.collections()}
    assert rows == {
        "contact": counted["contacts"],
        "staff": counted["agents"],
        "ticket": counted["tickets"],
        "feedback": counted["satisfaction_ratings"],
        # The first message of a ticket is its description.
        "ticket_message": counted["conversations"] + counted["tickets"],
    }
    parents = {record.parent for record in held.page("conversations", limit=-1)}
    assert parents <= {record.id for record in held.page("tickets", limit=-1)}
