"""Zendesk as the sandbox serves it: asked as a client asks, held against its description and recorded answers."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.exports.kit import Out
from sandbox.serve import FIRST_MOMENT, Running, Sandbox, serving
from sandbox.store import Record, Store
from sandbox.trade import make_trade
from sandbox.truth import Truth
from sandbox.vendor import Changed
from sandbox.vendors.zendesk import CLIENT_ID, CLIENT_SECRET, EMAIL, TOKEN, VENDOR
from tests.connectors.specs import Spec
from tests.connectors.zendesk.description import write_description

Ask = Callable[..., httpx.Response]
NOW = FIRST_MOMENT // 1000


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


def ask(run: Running, path: str, **query: str | int) -> httpx.Response:
    auth = (f"{EMAIL}/token", TOKEN)
    return httpx.get(f"{run.url}/zendesk/api/v2/{path}", params=query, auth=auth)


def store(run: Running) -> Store:
    return run.sandbox.stores["zendesk"]


def exported(run: Running, name: str, **query: str | int) -> list[dict[str, Any]]:
    """All records of a cursor-based export."""
    rows: list[dict[str, Any]] = []
    where: dict[str, str | int] = {"start_time": query.pop("start_time", 0)}
    while True:
        page = ask(run, f"incremental/{name}/cursor.json", **where, **query).raise_for_status().json()
        rows += page[name]
        if page["end_of_stream"]:
            return rows
        where = {"cursor": page["after_cursor"]}


def exported_events(run: Running, **query: str | int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    start = query.pop("start_time", 0)
    while True:
        page = ask(run, "incremental/ticket_events.json", start_time=start, **query).raise_for_status().json()
        assert page["count"] == len(page["ticket_events"])
        rows += page["ticket_events"]
        assert page["end_of_stream"] or page["end_time"] > start
        start = page["end_time"]
        if page["end_of_stream"]:
            return rows


def listed(run: Running, name: str, size: int = 10, **query: str | int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        page = ask(run, name, **{"page[size]": size}, **after, **query).raise_for_status().json()
        rows += page[name]
        if not page["meta"]["has_more"]:
            return rows
        after = {"page[after]": page["meta"]["after_cursor"]}


def ids(records: list[dict[str, Any]]) -> list[str]:
    return [str(record["id"]) for record in records]


def all_ids(run: Running, collection: str) -> list[str]:
    return [record.id for record in store(run).page(collection, limit=-1, deleted=None)]


@pytest.mark.parametrize("name", ["tickets", "users"])
@pytest.mark.parametrize("size", [7, 1000])
def test_a_cursor_export_gives_every_record_once_in_the_order_of_change(served: Running, name: str, size: int) -> None:
    rows = exported(served, name, per_page=size)
    assert sorted(ids(rows)) == sorted(all_ids(served, name))
    times = [row.get("generated_timestamp", row["updated_at"]) for row in rows]
    assert times == sorted(times)


def test_an_export_begins_where_it_is_told_to(served: Running) -> None:
    middle = sorted(row["generated_timestamp"] for row in exported(served, "tickets"))[60]
    later = exported(served, "tickets", start_time=middle)
    assert min(row["generated_timestamp"] for row in later) == middle
    assert len(later) == store(served).count("tickets", since=middle * 1000)


def test_metric_sets_come_only_if_asked_for(served: Running) -> None:
    bare, full = exported(served, "tickets"), exported(served, "tickets", include="metric_sets")
    assert all("metric_set" not in row for row in bare)
    answered = [row["metric_set"] for row in full if row["metric_set"]["replies"]]
    assert answered
    assert all(metrics["reply_time_in_minutes"]["calendar"] >= 5 for metrics in answered)


@pytest.mark.parametrize("size", [9, 50, 1000])
def test_ticket_events_come_by_whole_seconds_and_the_last_one_again(served: Running, size: int) -> None:
    rows = exported_events(served, per_page=size)
    counted = Counter(ids(rows))
    assert set(counted) == set(all_ids(served, "ticket_events"))
    again = sum(counted.values()) - len(counted)
    assert again > 0 if size < 1000 else again == 0


def test_more_events_in_a_second_than_fit_a_page_come_in_one_longer_page(living: Running) -> None:
    like, second = store(living).page("ticket_events", limit=1)[0], NOW * 1000 - 10**6
    at = [second] * 9 + [second + 5000]
    crowd = [Record(id=str(n), body={**like.body, "id": n}, created=t, updated=t) for n, t in enumerate(at)]
    store(living).put("ticket_events", crowd)
    page = ask(living, "incremental/ticket_events", start_time=NOW - 1000, per_page=3).json()
    assert (page["count"], page["end_time"], page["end_of_stream"]) == (10, NOW - 995, True)
    rows = exported_events(living, per_page=3, start_time=NOW - 1001)
    assert ids(rows) == [*(str(n) for n in range(9)), *(str(n) for n in range(10))]


def test_the_words_of_comments_come_only_if_asked_for(served: Running) -> None:
    def children(**query: str) -> list[dict[str, Any]]:
        return [child for event in exported_events(served, **query) for child in event["child_events"]]

    assert not any("body" in child for child in children())
    spoken = [child for child in children(include="comment_events") if child["event_type"] == "Comment"]
    assert len(spoken) == sum(child.get("comment_present", False) for child in children())
    assert all(child["body"] and child["author_id"] and child["created_at"] for child in spoken)


@pytest.mark.parametrize("name", ["tickets", "users", "groups", "ticket_fields", "satisfaction_ratings"])
def test_a_list_gives_every_record_once(served: Running, name: str) -> None:
    assert ids(listed(served, name)) == all_ids(served, name)
    first = ask(served, f"{name}.json").json()
    assert ids(first[name]) == all_ids(served, name)[:100]
    assert first["count"] == len(all_ids(served, name))
    last = listed(served, name, size=5)[-5:]
    whole = ask(served, f"{name}.json", **{"page[size]": min(first["count"], 100)}).json()
    assert whole["meta"]["has_more"] == (first["count"] > 100)
    assert ids(last) == all_ids(served, name)[-5:]


def test_lists_by_number_end_at_ten_thousand_records(served: Running) -> None:
    assert ask(served, "users.json", page=100).status_code == 200
    refused = ask(served, "users.json", page=101)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["code"] == "InvalidPaginationDepth"


def test_ratings_are_filtered_by_answer_and_by_their_time(served: Running) -> None:
    everything = store(served).page("satisfaction_ratings", limit=-1)
    assert {r.body["score"] for r in everything} == {"good", "bad", "offered"}
    received = listed(served, "satisfaction_ratings", score="received")
    assert ids(received) == [r.id for r in everything if r.body["score"] != "offered"]
    bound = everything[20].created // 1000
    later = listed(served, "satisfaction_ratings", start_time=bound)
    assert ids(later) == [r.id for r in everything if r.created >= bound * 1000]


def test_counts_say_what_lists_hold_and_stop_at_a_hundred_thousand(living: Running) -> None:
    count = ask(living, "tickets/count.json").json()["count"]
    assert count["value"] == len(all_ids(living, "tickets"))
    assert count["refreshed_at"]
    found = [ask(living, "search/count.json", query=f"type:{kind}").json()["count"] for kind in ("ticket", "user")]
    assert found == [count["value"], len(all_ids(living, "users"))]
    row = store(living).page("groups", limit=1)[0]
    store(living).put("groups", (Record(id=str(n), body=row.body, created=1, updated=1) for n in range(100_000)))
    assert ask(living, "groups/count").json() == {"count": {"value": 100_000, "refreshed_at": None}}


@pytest.mark.parametrize(
    ("path", "query", "status", "sentence"),
    [
        ("incremental/tickets/cursor.json", {}, 400, "start_time attribute. must be an integer"),
        ("incremental/tickets/cursor.json", {"start_time": "yesterday"}, 400, "must be an integer"),
        ("incremental/tickets/cursor.json", {"cursor": "nonsense"}, 400, "cursor attribute"),
        ("incremental/tickets/cursor.json", {"start_time": NOW}, 422, "Too recent start_time"),
        ("incremental/ticket_events.json", {"start_time": NOW + 3600}, 422, "Too recent start_time"),
        ("incremental/tickets/cursor.json", {"start_time": 0, "per_page": 0}, 400, "per_page attribute"),
        ("users.json", {"page[size]": 101}, 400, "InvalidPaginationParameter"),
        ("users.json", {"page[size]": 10, "page[after]": "nonsense"}, 400, "InvalidPaginationParameter"),
        ("satisfaction_ratings.json", {"score": "great"}, 400, "score attribute"),
        ("search/count.json", {"query": "printer"}, 400, "query attribute"),
        ("calls.json", {}, 404, "InvalidEndpoint"),
    ],
)
def test_what_zendesk_refuses_is_refused(
    served: Running, path: str, query: dict[str, Any], status: int, sentence: str
) -> None:
    refused = ask(served, path, **query)
    assert refused.status_code == status
    assert sentence in refused.text


def test_unknown_parameters_are_warned_of(served: Running) -> None:
    assert "updated_since" in ask(served, "users.json", updated_since=0).headers["x-zendesk-api-warn"]
    assert "x-zendesk-api-warn" not in ask(served, "users.json", **{"page[size]": 1}).headers


def test_wrong_credentials_are_refused_and_nobody_is_anonymous(served: Running) -> None:
    base = f"{served.url}/zendesk/api/v2"
    assert httpx.get(f"{base}/tickets.json").json() == {"error": "Couldn't authenticate you"}
    assert httpx.get(f"{base}/tickets.json", auth=(f"{EMAIL}/token", "wrong")).status_code == 401
    assert httpx.get(f"{base}/tickets.json", auth=(EMAIL, TOKEN)).status_code == 401
    assert httpx.get(f"{base}/users/me.json", auth=(f"{EMAIL}/token", "wrong")).status_code == 401
    nobody = httpx.get(f"{base}/users/me.json")
    assert (nobody.status_code, nobody.json()["user"]["id"]) == (200, None)
    assert ask(served, "users/me.json").json()["user"]["role"] == "admin"


def token(run: Running, **changes: Any) -> httpx.Response:
    asked = {
        "grant_type": "client_credentials",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "scope": "read",
    }
    return httpx.post(f"{run.url}/zendesk/oauth/tokens", json=asked | changes)


def bearing(run: Running, access_token: str, path: str = "tickets") -> httpx.Response:
    return httpx.get(f"{run.url}/zendesk/api/v2/{path}", headers={"Authorization": f"Bearer {access_token}"})


def test_access_tokens_are_given_for_a_secret_and_have_scopes(living: Running) -> None:
    assert token(living, client_secret="wrong").status_code == 401
    assert token(living, expires_in=10).status_code == 400
    everything = token(living).json()
    assert everything["token_type"] == "bearer"
    assert bearing(living, everything["access_token"]).status_code == 200
    tickets = token(living, scope="tickets:read").json()["access_token"]
    assert bearing(living, tickets, "incremental/ticket_events?start_time=0").status_code == 200
    refused = bearing(living, tickets, "users")
    assert refused.status_code == 403
    assert "required scopes: users:read" in refused.json()["description"]


def test_access_tokens_end_with_their_time_and_when_they_are_revoked(living: Running) -> None:
    old = token(living).json()["access_token"]
    living.sandbox.night()
    assert bearing(living, old).status_code == 401
    new = token(living).json()["access_token"]
    living.plan("zendesk", "expired_token", after=1)
    assert [bearing(living, new).status_code for _ in range(3)] == [200, 401, 401]
    assert bearing(living, token(living).json()["access_token"]).status_code == 200


def test_an_api_token_is_refused_once_when_it_is_to_expire(living: Running) -> None:
    living.plan("zendesk", "expired_token", after=0)
    assert [ask(living, "tickets").status_code for _ in range(2)] == [401, 200]


def test_exports_have_their_own_narrow_limit(company: Path) -> None:
    with serving(Sandbox(company, ease=1)) as run:
        answers = [ask(run, "incremental/users/cursor", start_time=0) for _ in range(11)]
        assert [a.status_code for a in answers] == [200] * 10 + [429]
        assert 50 <= int(answers[-1].headers["retry-after"]) <= 60
        assert answers[0].headers["zendesk-ratelimit-incremental-exports"].startswith("total=10; remaining=9; resets=")
        elsewhere = ask(run, "users/count")
        assert elsewhere.status_code == 200
        assert elsewhere.headers["x-rate-limit"] == elsewhere.headers["ratelimit-limit"] == "700"
        assert elsewhere.headers["x-rate-limit-remaining"] == "688"


def changed_ids(changes: Changed) -> set[str]:
    return {*changes.added, *changes.changed, *changes.deleted}


@pytest.mark.parametrize("nights", [1, 2, 3])
def test_a_night_changes_just_what_it_says(living: Running, nights: int) -> None:
    for _ in range(nights - 1):
        living.sandbox.night()
    names = ("tickets", "users", "ticket_events", "satisfaction_ratings")
    before = {name: {r.id: r for r in store(living).page(name, limit=-1, deleted=None)} for name in names}
    changes = living.sandbox.night()["zendesk"]
    assert set(changes) == set(names)
    for name in names:
        after = {r.id: r for r in store(living).page(name, limit=-1, deleted=None)}
        assert {id for id, record in after.items() if before[name].get(id) != record} == changed_ids(changes[name])
        assert set(changes[name].added) == set(after) - set(before[name])
        assert {id for id in changes[name].deleted if after[id].deleted} == set(changes[name].deleted)
    for name in ("tickets", "users"):
        assert len(changes[name].added) >= 2
        assert len(changes[name].changed) >= 2
        assert changes[name].deleted


def test_an_export_after_a_night_gives_its_changes_and_marks_what_is_deleted(living: Running) -> None:
    changes = living.sandbox.night()["zendesk"]
    tickets = {str(row["id"]): row for row in exported(living, "tickets", start_time=NOW)}
    assert set(tickets) == changed_ids(changes["tickets"])
    assert {id for id, row in tickets.items() if row["status"] == "deleted"} == set(changes["tickets"].deleted)
    gone = tickets[changes["tickets"].deleted[0]]
    assert gone["updated_at"] < "2026-11-01"
    assert gone["generated_timestamp"] > NOW
    users = {str(row["id"]): row for row in exported(living, "users", start_time=NOW)}
    assert set(users) == changed_ids(changes["users"])
    assert {id for id, row in users.items() if not row["active"]} == set(changes["users"].deleted)
    events = exported_events(living, start_time=NOW)
    assert set(ids(events)) == set(changes["ticket_events"].added)
    assert set(ids(listed(living, "deleted_tickets"))) == set(changes["tickets"].deleted)
    assert set(ids(listed(living, "deleted_users"))) == set(changes["users"].deleted)
    assert not set(changes["tickets"].deleted) & set(ids(listed(living, "tickets")))


def test_tickets_get_a_field_in_the_second_night_and_lose_one_in_the_third(living: Running) -> None:
    def fields(night: int) -> list[bool]:
        changes = living.sandbox.night()["zendesk"]["tickets"]
        rows = exported(living, "tickets", start_time=NOW + (night - 1) * 86_400)
        own = [row for row in rows if str(row["id"]) in {*changes.added, *changes.changed}]
        return [all("encoded_id" in row for row in own), all("forum_topic_id" in row for row in own)]

    assert [fields(night) for night in (1, 2, 3)] == [[False, True], [True, True], [True, False]]


@pytest.mark.parametrize("name", ["tickets", "users"])
def test_a_record_that_moves_while_an_export_runs_comes_at_its_end(living: Running, name: str) -> None:
    living.plan("zendesk", "moving_page", after=1)
    rows = exported(living, name, per_page=20)
    assert living.sandbox.faults["zendesk"].struck == ["moving_page"]
    moved = store(living).page(name, limit=1, order="updated", descending=True)[0]
    assert moved.updated > FIRST_MOMENT - 120_000
    assert str(rows[-1]["id"]) == moved.id
    assert sorted(ids(rows)) == sorted(all_ids(living, name))


@pytest.mark.parametrize("kind", ["too_many_requests", "server_error", "truncated_json", "malformed_json"])
def test_faults_on_the_wire_strike_pages_and_nothing_else(living: Running, kind: Any) -> None:
    living.plan("zendesk", kind, after=0)
    assert ask(living, "users/count").json()["count"]["value"] > 0
    struck = ask(living, "incremental/users/cursor", start_time=0)
    assert struck.status_code in (429, 500, 503) or not _is_json(struck)
    assert ask(living, "incremental/users/cursor", start_time=0).json()["users"]


def _is_json(response: httpx.Response) -> bool:
    try:
        response.json()
    except ValueError:
        return False
    return True


def test_reordered_pages_hold_the_same_records(living: Running) -> None:
    right = ask(living, "incremental/tickets/cursor", start_time=0).json()["tickets"]
    living.plan("zendesk", "reordered_page", after=0)
    other = ask(living, "incremental/tickets/cursor", start_time=0).json()["tickets"]
    assert other == right[::-1] != right


def test_answers_fit_the_description_and_recorded_objects(served: Running, real_data: Path, tmp_path: Path) -> None:
    begin = len(served.sandbox.exchanges)
    exported(served, "tickets", include="metric_sets", per_page=50)
    exported(served, "users", per_page=50)
    exported_events(served, include="comment_events", per_page=100)
    for name in ("tickets", "users", "groups", "ticket_fields", "satisfaction_ratings", "deleted_tickets"):
        listed(served, name, size=50)
    for name in ("tickets", "users", "groups", "satisfaction_ratings", "deleted_users"):
        ask(served, f"{name}/count.json")
    ask(served, "users/me.json")
    ask(served, "search/count.json", query="type:ticket")
    token(served)
    spec = Spec.load("zendesk", paths=[write_description(real_data, tmp_path)], base="/zendesk", suffix=".json")
    report = spec.check(served.sandbox.exchanges[begin:])
    assert not report.failures, report.text()
    assert not spec.missing()
    (_, operations, requests, answers), *_ = report.table()
    assert (operations, requests == answers) == (17, True)


def test_the_truth_is_what_the_store_holds_and_the_same_seed_gives_the_same(tmp_path: Path) -> None:
    trade, truths, stores = make_trade(7, 0.02), [Truth(), Truth()], []
    for number, truth in enumerate(truths):
        stores.append(Store(tmp_path / f"{number}.sqlite"))
        VENDOR.fill(Out(source="helpdesk", folder=tmp_path, seed=7, scale=0.02, trade=trade, truth=truth), stores[-1])
    held, again = ({c: s.page(c, limit=-1) for c in s.collections()} for s in stores)
    assert held == again
    frames = truths[0].frames()
    rows = dict(frames["totals"].select("entity", "value").iter_rows())
    users = Counter(record.body["role"] == "end-user" for record in held["users"])
    scores = Counter(record.body["score"] for record in held["satisfaction_ratings"])
    messages = [r.body for r in held["ticket_events"] if r.body["comment"]]
    tickets = {record.body["id"] for record in held["tickets"]}
    assert rows == {
        "contact": users[True],
        "staff": users[False],
        "ticket": len(tickets),
        "feedback": scores["good"] + scores["bad"],
        "ticket_message": sum(message["ticket_id"] in tickets for message in messages),
    }
    orphans = [str(message["comment"]["id"]) for message in messages if message["ticket_id"] not in tickets]
    assert orphans == frames["bad_rows"]["source_id"].to_list() != []
    customers = [record.id for record in held["users"] if record.body["role"] == "end-user"]
    assert frames["identity"]["source_id"].to_list() == customers
    dirty = {(m["source_id"], m["dirty"]) for m in truths[0].mended if m["column"] == "full_name"}
    assert dirty <= {(record.id, record.body["name"]) for record in held["users"]} != set()
