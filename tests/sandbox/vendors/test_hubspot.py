"""HubSpot as the sandbox serves it: asked as a client asks, and held against HubSpot's own description."""

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

from sandbox.serve import Running, Sandbox, serving
from sandbox.store import Record
from sandbox.vendors.hubspot import CONTACTS_ONLY_TOKEN, TOKEN, search
from sandbox.vendors.hubspot.properties import MODIFIED, OBJECTS
from tests.connectors.specs import Exemption, Spec

CRM = "openapi/hubspot/PublicApiSpecs/CRM"
DESCRIPTIONS = [
    f"{CRM}/Objects/Rollouts/424/v3/objects.json",
    f"{CRM}/Crm Owners/Rollouts/146888/v3/crmOwners.json",
    f"{CRM}/Pipelines/Rollouts/145896/v3/pipelines.json",
    f"{CRM}/Properties/Rollouts/145899/v3/properties.json",
    f"{CRM}/Associations/Rollouts/50914/v4/associations.json",
]
EXEMPTIONS = [
    Exemption(
        name="errors that say more",
        reason="recorded errors hold a status, and the usage guide shows two more fields of a 429",
        sentence="not allowed .*'(status|errorType|policyName)'",
    ),
]


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


def client(run: Running, token: str = TOKEN) -> httpx.Client:
    return httpx.Client(base_url=f"{run.url}/hubspot", headers={"Authorization": f"Bearer {token}"})


def listed(run: Running, path: str, **query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    with client(run) as hubspot:
        while True:
            page = hubspot.get(path, params=query | after).raise_for_status().json()
            rows += page["results"]
            if "paging" not in page:
                return rows
            after = {"after": page["paging"]["next"]["after"]}


def found(run: Running, object: str, **body: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    with client(run) as hubspot:
        while True:
            page = hubspot.post(f"/crm/v3/objects/{object}/search", json=body | after).raise_for_status().json()
            rows += page["results"]
            if "paging" not in page:
                assert page["total"] == len(rows)
                return rows
            after = {"after": page["paging"]["next"]["after"]}


def condition(name: str, operator: str, value: str, **more: str) -> dict[str, Any]:
    return {"filterGroups": [{"filters": [{"propertyName": name, "operator": operator, "value": value, **more}]}]}


def milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize("object", OBJECTS)
def test_a_list_paged_to_its_end_gives_every_record_once(served: Running, object: str) -> None:
    rows = listed(served, f"/crm/v3/objects/{object}", limit="7")
    store = served.sandbox.stores["hubspot"]
    assert [r["id"] for r in rows] == [r.id for r in store.page(object, limit=10**6)]
    assert len(rows) > 14


def test_a_list_takes_any_number_as_its_cursor(served: Running) -> None:
    everything = listed(served, "/crm/v3/objects/contacts", limit="100")
    gap = str(int(everything[9]["id"]) + 2)
    assert listed(served, "/crm/v3/objects/contacts", limit="100", after=gap) == everything[10:]
    assert listed(served, "/crm/v3/objects/contacts", limit="100", after="1") == everything


def test_a_list_gives_what_was_asked_for(served: Running) -> None:
    with client(served) as hubspot:
        plain = hubspot.get("/crm/v3/objects/contacts").json()["results"]
        asked = hubspot.get(
            "/crm/v3/objects/contacts",
            params={"properties": "city,no_such_property", "associations": "companies", "limit": "100"},
        ).json()["results"]
    assert len(plain) == 10
    always = {"hs_object_id", "createdate", "lastmodifieddate"}
    assert plain[0]["properties"].keys() == always | {"firstname", "lastname", "email"}
    assert asked[0]["properties"].keys() == always | {"city"}
    assert plain[0]["properties"]["lastmodifieddate"] == plain[0]["updatedAt"]
    at_work = [r for r in asked if "associations" in r]
    kinds = [a["type"] for a in at_work[0]["associations"]["companies"]["results"]]
    assert kinds == ["contact_to_company", "contact_to_company_unlabeled"]
    assert 0 < len(at_work) < len(asked)


def test_deals_tell_the_stages_they_were_in(served: Running) -> None:
    deals = listed(
        served, "/crm/v3/objects/deals", limit="50", propertiesWithHistory="dealstage", properties="dealstage"
    )
    with client(served) as hubspot:
        (pipeline,) = hubspot.get("/crm/v3/pipelines/deals").json()["results"]
    stages = {s["id"] for s in pipeline["stages"]}
    histories = [(d, d["propertiesWithHistory"]["dealstage"]) for d in deals]
    moved = [(d, h) for d, h in histories if len(h) > 1]
    assert len(moved) > 10
    for deal, history in moved:
        times = [entry["timestamp"] for entry in history]
        assert times == sorted(set(times), reverse=True)
        assert history[0]["value"] == deal["properties"]["dealstage"]
        assert {entry["value"] for entry in history} <= stages


def test_a_search_by_time_gives_what_changed_since(served: Running) -> None:
    everything = listed(served, "/crm/v3/objects/deals", limit="100")
    middle = sorted(milliseconds(r["updatedAt"]) for r in everything)[len(everything) // 2]
    name = MODIFIED["deals"]
    rows = found(
        served, "deals", limit=5, sorts=[{"propertyName": name, "direction": "ASCENDING"}],
        **condition(name, "GTE", str(middle)),
    )  # fmt: skip
    assert {r["id"] for r in rows} == {r["id"] for r in everything if milliseconds(r["updatedAt"]) >= middle}
    times = [r["updatedAt"] for r in rows]
    assert [milliseconds(t) for t in times] == sorted(milliseconds(t) for t in times)


def test_a_third_of_the_records_were_changed_in_the_same_millisecond(served: Running) -> None:
    times = [r["updatedAt"] for r in listed(served, "/crm/v3/objects/contacts", limit="100")]
    assert max(times.count(t) for t in set(times)) > len(times) / 5


def test_searches_filter_by_id_value_and_association(served: Running) -> None:
    everything = listed(served, "/crm/v3/objects/deals", limit="100", properties="dealstage", associations="contacts")
    ids = [int(r["id"]) for r in everything]
    low, high = str(ids[5]), str(ids[20])
    between = condition("hs_object_id", "BETWEEN", low, highValue=high)
    assert [int(r["id"]) for r in found(served, "deals", limit=200, **between)] == ids[5:21]
    assert len(found(served, "deals", limit=200, **condition("hs_object_id", "GT", low))) == len(ids) - 6
    won = [r["id"] for r in everything if r["properties"]["dealstage"] == "closedwon"]
    assert [r["id"] for r in found(served, "deals", limit=200, **condition("dealstage", "EQ", "closedwon"))] == won
    contact = everything[0]["associations"]["contacts"]["results"][0]["id"]
    linked = found(served, "deals", limit=200, **condition("associations.contact", "EQ", contact))
    assert everything[0]["id"] in {r["id"] for r in linked}
    assert len(linked) < len(everything) / 2


def test_searches_page_to_the_cap_and_no_further(served: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "CAP", 20)
    with client(served) as hubspot:
        path = "/crm/v3/objects/contacts/search"
        last = hubspot.post(path, json={"limit": 10, "after": "10"}).raise_for_status().json()
        beyond = hubspot.post(path, json={"limit": 10, "after": last["paging"]["next"]["after"]})
    assert last["total"] > 20
    assert len(last["results"]) == 10
    assert (beyond.status_code, beyond.json()["category"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 201},
        {"limit": 0},
        {"after": "next"},
        {"after": "9999", "limit": 2},
        {"filterGroups": [{"filters": []}]},
        {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "EQ", "value": "a"}]}] * 6},
        {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "LIKE", "value": "a"}]}]},
        {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "EQ"}]}]},
        {"filterGroups": [{"filters": [{"propertyName": "hs_lastmodifieddate", "operator": "GT", "value": "1"}]}]},
        {"filterGroups": [{"filters": [{"propertyName": "lastmodifieddate", "operator": "GT", "value": "today"}]}]},
        {"sorts": ["email", "city"]},
        {"sorts": ["nothing"]},
        {"filter": []},
    ],
)
def test_searches_that_hubspot_refuses_are_refused(served: Running, body: dict[str, Any]) -> None:
    with client(served) as hubspot:
        assert hubspot.post("/crm/v3/objects/contacts/search", json=body).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/crm/v3/objects/contacts?limit=101",
        "/crm/v3/objects/contacts?limit=0",
        "/crm/v3/objects/deals?limit=51&propertiesWithHistory=dealstage",
        "/crm/v3/objects/contacts?archived=yes",
        "/crm/v3/objects/contacts?after=next",
        "/crm/v3/objects/contacts?page=2",
        "/crm/v3/objects/widgets",
        "/crm/v3/owners?limit=501",
    ],
)
def test_lists_that_hubspot_refuses_are_refused(served: Running, path: str) -> None:
    with client(served) as hubspot:
        answer = hubspot.get(path)
    assert answer.status_code == 400
    assert answer.json().keys() >= {"status", "message", "correlationId", "category"}


def test_single_and_batch_reads(served: Running) -> None:
    deal = listed(served, "/crm/v3/objects/deals", limit="100")[0]
    with client(served) as hubspot:
        assert hubspot.get(f"/crm/v3/objects/deals/{deal['id']}").json() == deal
        missing = hubspot.get("/crm/v3/objects/deals/1")
        body = {"inputs": [{"id": deal["id"]}, {"id": "1"}], "properties": ["dealname"], "propertiesWithHistory": []}
        some = hubspot.post("/crm/v3/objects/deals/batch/read", json=body)
        many = hubspot.post("/crm/v3/objects/deals/batch/read", json=body | {"inputs": [{"id": "1"}] * 101})
    assert (missing.status_code, missing.json()["category"]) == (404, "OBJECT_NOT_FOUND")
    assert some.status_code == 207
    assert [r["id"] for r in some.json()["results"]] == [deal["id"]]
    assert some.json()["errors"][0]["context"] == {"ids": ["1"]}
    assert many.status_code == 400


def test_associations_are_read_in_batches(served: Running) -> None:
    contacts = listed(served, "/crm/v3/objects/contacts", limit="100", associations="companies")
    with client(served) as hubspot:
        path = "/crm/v4/associations/contacts/companies/batch/read"
        answer = hubspot.post(path, json={"inputs": [{"id": c["id"]} for c in contacts]})
    assert answer.status_code == 207
    given = {r["from"]["id"]: {str(to["toObjectId"]) for to in r["to"]} for r in answer.json()["results"]}
    at_work = [c for c in contacts if "associations" in c]
    assert given == {c["id"]: {a["id"] for a in c["associations"]["companies"]["results"]} for c in at_work}
    assert len(answer.json()["errors"]) == len(contacts) - len(given)


def test_owners_who_left_are_archived(served: Running) -> None:
    here, gone = (listed(served, "/crm/v3/owners", archived=flag, limit="3") for flag in ("false", "true"))
    assert len(here) + len(gone) == 12
    assert gone
    assert all("userId" in o and not o["archived"] for o in here)
    assert all("userId" not in o and o["archived"] for o in gone)


def test_scopes_and_keys(served: Running) -> None:
    with client(served, CONTACTS_ONLY_TOKEN) as hubspot:
        assert hubspot.get("/crm/v3/objects/contacts").status_code == 200
        refused = hubspot.get("/crm/v3/objects/deals")
        info = hubspot.post("/oauth/v2/private-apps/get/access-token-info", json={"tokenKey": CONTACTS_ONLY_TOKEN})
    assert (refused.status_code, refused.json()["category"]) == (403, "MISSING_SCOPES")
    assert refused.json()["errors"][0]["context"] == {"requiredGranularScopes": ["crm.objects.deals.read"]}
    assert info.json()["scopes"] == ["crm.objects.contacts.read"]
    with client(served, "other") as stranger:
        answer = stranger.get("/account-info/v3/details")
    assert (answer.status_code, answer.json()["category"]) == (401, "INVALID_AUTHENTICATION")
    with client(served) as hubspot:
        assert hubspot.get("/account-info/v3/details").json()["companyCurrency"] == "EUR"


def test_rate_limits_are_told_and_kept(company: Path) -> None:
    with serving(Sandbox(company, ease=1)) as run, client(run) as hubspot:
        first = hubspot.get("/crm/v3/owners")
        searches = [hubspot.post("/crm/v3/objects/deals/search", json={"limit": 1}) for _ in range(6)]
        rest = [hubspot.get("/crm/v3/owners").status_code for _ in range(184)]
    told = {k: v for k, v in first.headers.items() if k.startswith("x-hubspot-ratelimit") and "daily" not in k}
    assert told == {
        "x-hubspot-ratelimit-interval-milliseconds": "10000",
        "x-hubspot-ratelimit-max": "190",
        "x-hubspot-ratelimit-remaining": "189",
    }
    assert [s.status_code for s in searches] == [200] * 5 + [429]
    assert searches[-1].json()["policyName"] == "SECONDLY"
    assert rest == [200] * 183 + [429]


def test_a_night_changes_just_what_it_says(living: Running) -> None:
    before = {o: {r["id"]: r for r in listed(living, f"/crm/v3/objects/{o}", limit="100")} for o in OBJECTS}
    latest = {o: max(milliseconds(r["updatedAt"]) for r in rows.values()) for o, rows in before.items()}
    changes = living.sandbox.night()["hubspot"]
    assert changes.keys() == set(OBJECTS)
    for object, told in changes.items():
        after = {r["id"]: r for r in listed(living, f"/crm/v3/objects/{object}", limit="100")}
        gone = {r["id"]: r for r in listed(living, f"/crm/v3/objects/{object}", limit="100", archived="true")}
        assert set(told.added) == after.keys() - before[object].keys()
        assert set(told.deleted) == before[object].keys() - after.keys() == gone.keys()
        same = after.keys() & before[object].keys()
        assert set(told.changed) == {i for i in same if after[i] != before[object][i]}
        assert len(told.added) >= 2
        assert len(told.changed) >= 2
        assert told.deleted
        assert all(r["archived"] and "archivedAt" in r for r in gone.values())
        since = condition(MODIFIED[object], "GT", str(latest[object]))
        assert {r["id"] for r in found(living, object, limit=200, **since)} == {*told.added, *told.changed}


def test_properties_come_and_go_with_the_nights(living: Running) -> None:
    def names(archived: str) -> set[str]:
        rows = listed(living, "/crm/v3/properties/contacts", archived=archived)
        return {r["name"] for r in rows}

    first = names("false")
    living.sandbox.night()
    assert names("false") == first
    told = living.sandbox.night()["hubspot"]["contacts"]
    assert names("false") == first | {"newsletter_topic"}
    rows = listed(living, "/crm/v3/objects/contacts", limit="100", properties="newsletter_topic")
    assert {r["id"] for r in rows if r["properties"]["newsletter_topic"]} == {*told.added, *told.changed}
    living.sandbox.night()
    assert names("true") == {"erp_customer_group"}
    row = listed(living, "/crm/v3/objects/contacts", limit="100", properties="erp_customer_group")[0]
    assert "erp_customer_group" not in row["properties"]


def test_a_page_that_moves_makes_offsets_skip(living: Running) -> None:
    sort = {"sorts": [{"propertyName": MODIFIED["notes"], "direction": "ASCENDING"}], "limit": 5}
    living.plan("hubspot", "moving_page", after=0)
    first, *_ = rows = found_loosely(living, "notes", sort)
    everything = listed(living, "/crm/v3/objects/notes", limit="100")
    assert {r["id"] for r in rows} < {r["id"] for r in everything}
    assert [r["id"] for r in found(living, "notes", **sort)][-1] == first["id"]


def found_loosely(run: Running, object: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Pages to the end without looking at the total."""
    rows, after = [], 0
    with client(run) as hubspot:
        while True:
            page = hubspot.post(f"/crm/v3/objects/{object}/search", json=body | {"after": str(after)}).json()
            rows += page["results"]
            if "paging" not in page:
                return rows
            after += body["limit"]


def test_a_token_that_is_refused_once_works_again(living: Running) -> None:
    living.plan("hubspot", "expired_token", after=0)
    with client(living) as hubspot:
        assert [hubspot.get("/crm/v3/objects/notes").status_code for _ in range(2)] == [401, 200]


def test_a_search_sees_what_was_written_meanwhile(living: Running) -> None:
    store = living.sandbox.stores["hubspot"]
    before = found(living, "notes", limit=100)
    body = {"properties": {"hs_note_body": "neu"}}
    store.put("notes", [Record(id="999000000000", body=body, created=1, updated=10**13)])
    assert len(found(living, "notes", limit=100)) == len(before) + 1
    store.delete("notes", "999000000000", 10**13 + 1)
    assert len(found(living, "notes", limit=100)) == len(before)


def without_nulls(value: Any) -> Any:
    """The value without fields that hold null: recorded answers have them (recorded/hubspot_a), the description not."""
    if isinstance(value, dict):
        return {key: without_nulls(part) for key, part in value.items() if part is not None}
    return [without_nulls(part) for part in value] if isinstance(value, list) else value


def test_every_answer_is_as_hubspot_describes_it(company: Path, real_data: Path) -> None:
    spec = Spec.load(
        "hubspot",
        paths=[real_data / d for d in DESCRIPTIONS],
        base="/hubspot",
        exemptions=EXEMPTIONS,
        closed=True,
    )
    with serving(Sandbox(company, record=True, ease=1000)) as run:
        for object in OBJECTS:
            listed(run, f"/crm/v3/objects/{object}", limit="100", associations="contacts,companies", properties="city")
            found(run, object, limit=200, filterGroups=[], properties=["city"], sorts=["hs_object_id"], after="0")
            listed(run, f"/crm/v3/properties/{object}")
        listed(run, "/crm/v3/objects/deals", limit="50", propertiesWithHistory="dealstage,amount")
        listed(run, "/crm/v3/owners", limit="2")
        listed(run, "/crm/v3/owners", archived="true")
        listed(run, "/crm/v3/pipelines/deals")
        test_single_and_batch_reads(run)
        test_associations_are_read_in_batches(run)
        exchanges = run.sandbox.exchanges
    said = [replace(e, answer=json.dumps(without_nulls(json.loads(e.answer))).encode()) for e in exchanges]
    report = spec.check(said)
    assert not report.failures, report.text()
    assert len(report.operations) == 8
    assert sum(t.responses for t in report.operations.values()) == len(exchanges)
    refusals = [
        ("GET", "/crm/v3/objects/contacts?limit=1000"),
        ("GET", "/crm/v3/objects/contacts/1"),
        ("GET", "/crm/v3/owners?limit=501"),
    ]
    with serving(Sandbox(company, record=True, ease=0.02)) as run:
        for token in (TOKEN, "other", CONTACTS_ONLY_TOKEN):
            with client(run, token) as hubspot:
                for method, path in refusals:
                    assert hubspot.request(method, path).status_code >= 400
        exchanges = run.sandbox.exchanges
    report = spec.check(exchanges, requests=False)
    assert not report.failures, report.text()
    assert {e.status for e in exchanges} == {400, 401, 404, 429}
