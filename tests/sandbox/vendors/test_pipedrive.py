"""Pipedrive as the sandbox serves it: asked as a client asks, and held against Pipedrive's own description."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.serve import Exchange, Running, Sandbox, serving
from sandbox.vendors.pipedrive import DEALS_ONLY_TOKEN, TOKEN
from sandbox.vendors.pipedrive.fields import GROUP, TOPIC, key
from sandbox.vendors.pipedrive.nights import CHANGING
from tests.connectors.specs import Exemption, Spec

LISTED = ("persons", "organizations", "deals", "activities", "products", "stages", "pipelines")
FIELDS = ("dealFields", "personFields", "organizationFields", "activityFields", "productFields")
DESCRIPTIONS = [f"openapi/pipedrive/openapi/_original/pipedrive-v{version}-openapi.yml" for version in (2, 1)]
EXEMPTIONS = [
    Exemption(
        name="products within products",
        reason="the schema of the list repeats the whole answer for each product; the example is flat",
        operation="GET /products",
        sentence="rule .*/data/items/unevaluatedProperties",
    ),
]
#: Fields that the description's own example of deals holds, and the schema does not.
IN_THE_EXAMPLE = {"archive_time", "creator_user_id", "local_won_date", "local_lost_date", "local_close_date"}


@pytest.fixture(scope="module")
def served(company: Path) -> Iterator[Running]:
    with serving(Sandbox(company, ease=1000)) as run:
        yield run


@pytest.fixture
def living(company: Path, tmp_path: Path) -> Iterator[Running]:
    """A copy that tests may change."""
    shutil.copytree(company, tmp_path / "company")
    with serving(Sandbox(tmp_path / "company", ease=1000)) as run:
        yield run


def client(run: Running, **headers: str) -> httpx.Client:
    return httpx.Client(base_url=f"{run.url}/pipedrive", headers=headers or {"x-api-token": TOKEN})


def listed(run: Running, name: str, **query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    with client(run) as pipedrive:
        while True:
            page = pipedrive.get(f"/api/v2/{name}", params=query | cursor).raise_for_status().json()
            rows += page["data"]
            if page["additional_data"]["next_cursor"] is None:
                return rows
            cursor = {"cursor": page["additional_data"]["next_cursor"]}


def notes(run: Running, **query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    start = 0
    with client(run) as pipedrive:
        while True:
            page = pipedrive.get("/v1/notes", params=query | {"start": str(start)}).raise_for_status().json()
            rows += page["data"]
            if not page["additional_data"]["pagination"]["more_items_in_collection"]:
                return rows
            start = page["additional_data"]["pagination"]["next_start"]


def all_deals(run: Running) -> list[dict[str, Any]]:
    return listed(run, "deals", limit="7") + listed(run, "deals/archived", limit="7")


def changelog(run: Running, deal: int, **query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    with client(run) as pipedrive:
        while True:
            page = pipedrive.get(f"/v1/deals/{deal}/changelog", params=query | cursor).raise_for_status().json()
            rows += page["data"]
            if page["additional_data"]["next_cursor"] is None:
                return rows
            cursor = {"cursor": page["additional_data"]["next_cursor"]}


@pytest.mark.parametrize("name", LISTED)
def test_a_list_paged_to_its_end_gives_every_record_once(served: Running, name: str) -> None:
    store = served.sandbox.stores["pipedrive"]
    expected = [int(r.id) for r in store.page(name, limit=10**6) if not r.body.get("is_archived")]
    assert [r["id"] for r in listed(served, name, limit="3")] == expected
    assert expected


def test_archived_deals_have_a_list_of_their_own(served: Running) -> None:
    here, away = (listed(served, name, limit="3") for name in ("deals", "deals/archived"))
    assert {d["is_archived"] for d in here} == {False}
    assert {d["is_archived"] for d in away} == {True}
    assert len(here) + len(away) == served.sandbox.stores["pipedrive"].count("deals")
    assert listed(served, "deals", ids=str(away[0]["id"])) == []


@pytest.mark.parametrize("field", ["id", "add_time", "update_time"])
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_lists_come_in_the_order_asked_for(served: Running, field: str, direction: str) -> None:
    rows = listed(served, "organizations", limit="3", sort_by=field, sort_direction=direction)
    values = [r[field] for r in rows]
    assert values == sorted(values, reverse=direction == "desc")
    assert len({r["id"] for r in rows}) == len(rows) > 9


def test_a_list_by_time_begins_with_the_time_and_ends_before_it(served: Running) -> None:
    everything = listed(served, "persons")
    middle = sorted(r["update_time"] for r in everything)[len(everything) // 2]
    later = listed(served, "persons", limit="7", updated_since=middle, sort_by="update_time")
    earlier = listed(served, "persons", updated_until=middle)
    assert {r["id"] for r in later} == {r["id"] for r in everything if r["update_time"] >= middle}
    assert {r["id"] for r in earlier} == {r["id"] for r in everything if r["update_time"] < middle}


def test_deals_by_status_and_by_id(served: Running) -> None:
    everything = listed(served, "deals")
    won = listed(served, "deals", status="won", limit="2")
    assert [r["id"] for r in won] == [r["id"] for r in everything if r["status"] == "won"]
    assert len(listed(served, "deals", status="won,lost,open")) == len(everything)
    ids = [everything[3]["id"], everything[1]["id"]]
    assert [r["id"] for r in listed(served, "deals", ids=f"{ids[0]},{ids[1]},77")] == ids


def test_the_changelog_leads_from_the_first_stage_to_the_last(served: Running) -> None:
    deals = all_deals(served)
    moved = 0
    for deal in deals:
        changes = changelog(served, deal["id"], limit="2")
        times = [c["time"] for c in changes]
        assert times == sorted(times, reverse=True)
        stages = [c for c in changes if c["field_key"] == "stage_id"]
        moved += bool(stages)
        if stages:
            assert stages[0]["new_value"] == str(deal["stage_id"])
            assert [c["old_value"] for c in stages[:-1]] == [c["new_value"] for c in stages[1:]]
            assert stages[-1]["old_value"] == "1"
        ends = [c["new_value"] for c in changes if c["field_key"] == "status"]
        assert ends == ([] if deal["status"] == "open" else [deal["status"]])
    assert moved > 10
    with client(served) as pipedrive:
        assert pipedrive.get("/v1/deals/1/changelog").status_code == 404


def test_custom_fields_are_given_by_key(served: Running) -> None:
    defined = {f["field_code"] for f in listed(served, "personFields", limit="2") if f["is_custom_field"]}
    person = listed(served, "persons")[0]
    assert person["custom_fields"].keys() == defined
    group = key(GROUP)
    assert listed(served, "persons", custom_fields=group)[0]["custom_fields"].keys() == {group}


def test_users_are_given_at_once_and_notes_by_offset(served: Running) -> None:
    with client(served) as pipedrive:
        users = pipedrive.get("/v1/users").json()["data"]
        me = pipedrive.get("/v1/users/me").json()["data"]
    assert len(users) == 12
    assert 0 < sum(u["active_flag"] for u in users) < 12
    assert me["company_domain"] == "muehlbach-versand"
    everything = notes(served, limit="4", sort="update_time ASC")
    with client(served) as pipedrive:
        one = pipedrive.get(f"/v1/notes/{everything[0]['id']}").json()["data"]
        assert pipedrive.get("/v1/notes/1").status_code == 404
    assert one == everything[0]
    assert len({n["id"] for n in everything}) == served.sandbox.stores["pipedrive"].count("notes") > 8
    middle = everything[5]["update_time"]
    later = notes(served, updated_since=middle.replace(" ", "T") + "Z")
    assert {n["id"] for n in later} == {n["id"] for n in everything if n["update_time"] >= middle}


@pytest.mark.parametrize(
    "path",
    [
        "/api/v2/deals?limit=501",
        "/api/v2/deals?limit=0",
        "/api/v2/deals?cursor=abc",
        "/api/v2/deals?sort_by=title",
        "/api/v2/deals?status=gone",
        "/api/v2/deals?start=0",
        "/api/v2/persons?status=deleted",
        "/api/v2/persons?is_deleted=true",
        "/api/v2/persons?updated_since=2026-01-01",
        "/api/v2/persons?updated_since=2026-01-01T00:00:00.000Z",
        "/api/v2/products?updated_since=2026-01-01T00:00:00Z",
        "/v1/notes?limit=1000",
        "/v1/users?limit=10",
    ],
)
def test_what_pipedrive_refuses_is_refused(served: Running, path: str) -> None:
    with client(served) as pipedrive:
        answer = pipedrive.get(path)
    assert answer.status_code == 400
    assert answer.json()["success"] is False
    assert answer.json()["code"] == "ERR_SCHEMA_VALIDATION_FAILED"


def test_a_cursor_belongs_to_its_order(served: Running) -> None:
    with client(served) as pipedrive:
        first = pipedrive.get("/api/v2/deals", params={"limit": "2", "sort_by": "update_time"}).json()
        cursor = first["additional_data"]["next_cursor"]
        assert pipedrive.get("/api/v2/deals", params={"cursor": cursor}).status_code == 400


def test_keys_and_scopes(served: Running) -> None:
    with client(served, authorization=f"Bearer {DEALS_ONLY_TOKEN}") as app:
        assert app.get("/api/v2/deals").status_code == 200
        refused = app.get("/api/v2/persons")
    assert (refused.status_code, refused.json()["error"]) == (403, "Scope and URL mismatch")
    for headers in ({"x-api-token": "other"}, {"authorization": f"Bearer {TOKEN}"}):
        with client(served, **headers) as stranger:
            answer = stranger.get("/v1/users/me")
        assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized access")
    with httpx.Client() as stranger:
        assert stranger.get(f"{served.url}/pipedrive/api/v2/deals?api_token={TOKEN}").status_code == 401


def test_rate_limits_are_told_and_kept(company: Path) -> None:
    with serving(Sandbox(company, ease=1)) as run, client(run) as pipedrive:
        answers = [pipedrive.get("/v1/users/me") for _ in range(41)]
    told = answers[0].headers
    assert (told["x-ratelimit-limit"], told["x-ratelimit-remaining"], told["x-ratelimit-reset"]) == ("40", "39", "2")
    assert (told["x-daily-ratelimit-token-limit"], told["x-daily-ratelimit-token-remaining"]) == ("60000", "59998")
    assert [a.status_code for a in answers] == [200] * 40 + [429]


def test_the_days_tokens_run_out(company: Path) -> None:
    with serving(Sandbox(company, ease=1)) as run, client(run) as pipedrive:
        run.sandbox._counters["pipedrive"].limit = type(run.sandbox._counters["pipedrive"].limit)(
            requests=10**6, seconds=2
        )
        answers = [pipedrive.get("/v1/users") for _ in range(3001)]
    assert [a.status_code for a in answers] == [200] * 3000 + [429]
    assert answers[-1].headers["x-daily-ratelimit-token-remaining"] == "0"


def everything(run: Running) -> dict[str, dict[int, dict[str, Any]]]:
    rows = {n: listed(run, n) for n in CHANGING if n not in ("notes", "deals")}
    rows |= {"notes": notes(run), "deals": all_deals(run)}
    return {name: {r["id"]: r for r in found} for name, found in rows.items()}


def moment(text: str) -> str:
    return datetime.fromisoformat(text).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_night_changes_just_what_it_says(living: Running) -> None:
    before = everything(living)
    latest = {name: moment(max(r["update_time"] for r in rows.values())) for name, rows in before.items()}
    changes = living.sandbox.night()["pipedrive"]
    after = everything(living)
    assert changes.keys() == after.keys()
    for name, told in changes.items():
        added, changed, deleted = ({int(i) for i in ids} for ids in (told.added, told.changed, told.deleted))
        assert added == after[name].keys() - before[name].keys()
        assert deleted == before[name].keys() - after[name].keys()
        same = after[name].keys() & before[name].keys()
        assert changed == {i for i in same if after[name][i] != before[name][i]}
        assert min(len(added), len(changed)) >= 2
        assert deleted
        paged = name not in ("notes", "deals")
        since = listed(living, name, updated_since=latest[name]) if paged else list(after[name].values())
        assert added | changed == {r["id"] for r in since if moment(r["update_time"]) > latest[name]}
    gone = [r for name in ("deals", "deals/archived") for r in listed(living, name, status="deleted")]
    assert {str(r["id"]) for r in gone} == set(changes["deals"].deleted)
    assert all(r["is_deleted"] and r["status"] == "deleted" for r in gone)


def test_a_moved_deal_has_it_in_its_changelog(living: Running) -> None:
    moved = set()
    for _ in range(8):
        deals = {str(r["id"]): r for r in all_deals(living)}
        lengths = {id: len(changelog(living, int(id))) for id in deals}
        told = living.sandbox.night()["pipedrive"]["deals"]
        later = {str(r["id"]): r for r in all_deals(living)}
        for id in told.changed:
            changes = changelog(living, int(id))
            fields = [f for f in ("stage_id", "status") if deals[id][f] != later[id][f]]
            moved.update(fields)
            assert len(changes) == lengths[id] + len(fields)
            for field, change in zip(fields, changes, strict=False):
                told_of = (change["field_key"], change["old_value"], change["new_value"])
                assert told_of == (field, str(deals[id][field]), str(later[id][field]))
                assert moment(change["time"]) == later[id]["update_time"]
    assert moved == {"stage_id", "status"}


def test_deleted_deals_are_told_for_thirty_days(living: Running) -> None:
    first = living.sandbox.night()["pipedrive"]["deals"].deleted
    for _ in range(29):
        living.sandbox.night()

    def told() -> set[str]:
        lists = ("deals", "deals/archived")
        return {str(r["id"]) for name in lists for r in listed(living, name, status="deleted")}

    assert set(first) <= told()
    living.sandbox.night()
    assert not set(first) & told()


def test_custom_fields_come_and_go_with_the_nights(living: Running) -> None:
    def keys() -> set[str]:
        return {f["field_code"] for f in listed(living, "personFields") if f["is_custom_field"]}

    first = keys()
    living.sandbox.night()
    assert keys() == first
    told = living.sandbox.night()["pipedrive"]["persons"]
    assert keys() == first | {key(TOPIC)}
    with_topic = {str(r["id"]) for r in listed(living, "persons") if r["custom_fields"][key(TOPIC)]}
    assert with_topic == {*told.added, *told.changed}
    living.sandbox.night()
    assert keys() == (first | {key(TOPIC)}) - {key(GROUP)}
    assert all(key(GROUP) not in r["custom_fields"] for r in listed(living, "persons"))


def test_a_page_that_moves_shows_a_record_again_at_the_end(living: Running) -> None:
    living.plan("pipedrive", "moving_page", after=0)
    rows = listed(living, "organizations", limit="3", sort_by="update_time")
    assert rows[0]["id"] == rows[-1]["id"]
    assert rows[0]["update_time"] < rows[-1]["update_time"]
    assert len({r["id"] for r in rows}) == len(rows) - 1 == len(listed(living, "organizations"))


def test_a_token_that_is_refused_once_works_again(living: Running) -> None:
    living.plan("pipedrive", "expired_token", after=0)
    with client(living) as pipedrive:
        assert [pipedrive.get("/api/v2/deals").status_code for _ in range(2)] == [401, 200]


def told(value: Any, but: set[str]) -> Any:
    """The value without fields that hold null: real answers have them, and the description names few of them."""
    if isinstance(value, dict):
        return {key: told(part, but) for key, part in value.items() if part is not None and key not in but}
    return [told(part, but) for part in value] if isinstance(value, list) else value


def as_described(exchange: Exchange) -> Exchange:
    but = IN_THE_EXAMPLE if "/deals" in exchange.path else set()
    return replace(exchange, answer=json.dumps(told(json.loads(exchange.answer), but)).encode())


def test_every_answer_is_as_pipedrive_describes_it(company: Path, real_data: Path) -> None:
    spec = Spec.load(
        "pipedrive", paths=[real_data / d for d in DESCRIPTIONS], base="/pipedrive", exemptions=EXEMPTIONS, closed=True
    )
    with serving(Sandbox(company, record=True, ease=1000)) as run:
        for name in LISTED:
            listed(run, name, limit="100")
        for name in FIELDS:
            listed(run, name, limit="2")
        for name in ("deals", "persons", "organizations", "activities"):
            listed(run, name, updated_since="2026-01-01T00:00:00Z", sort_by="update_time", sort_direction="desc")
        deals = listed(run, "deals", status="won")
        changelog(run, deals[0]["id"], limit="1")
        notes(run, limit="10", updated_since="2026-01-01T00:00:00Z")
        with client(run) as pipedrive:
            pipedrive.get("/v1/users")
            pipedrive.get("/v1/users/me")
            pipedrive.get("/v1/notes/" + str(notes(run)[0]["id"]))
        listed(run, "deals/archived", limit="5")
        exchanges = run.sandbox.exchanges
    report = spec.check([as_described(e) for e in exchanges])
    assert not report.failures, report.text()
    assert len(report.operations) == len(LISTED) + len(FIELDS) + 6
    assert sum(t.responses for t in report.operations.values()) == len(exchanges)
