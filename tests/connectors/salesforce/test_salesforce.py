"""Salesforce's own ways: two roads to the same record, archived and deleted ones, jobs that are gone on with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest

from connectors import registry
from connectors.base import ConnectorError
from connectors.salesforce import bulk, org
from connectors.salesforce.org import Field
from connectors.salesforce.resources import OBJECTS
from sandbox.vendors.salesforce import LIMITED_CLIENT_ID, objects
from sandbox.vendors.salesforce.org import touched
from tests.connectors.served import Served, served
from transforms import mapping
from warehouse.contracts import entities

ENTITIES = ("activity", "company", "contact", "deal", "deal_stage_event", "staff")
PAGES, JOBS = {"bulk_from": 1_000_000}, {"bulk_from": 0}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def one(made: Path, tmp_path: Path) -> Iterator[Served]:
    with served("salesforce", made=made, root=tmp_path, record=True) as one:
        yield one


def asked(one: Served, part: str, method: str = "GET") -> list[str]:
    """Paths of requests that contain a part, in their order."""
    exchanges = one.running.sandbox.exchanges
    return [e.path for e in exchanges if part in e.path and e.method == method]


def test_jobs_and_pages_give_the_same_records_and_all_of_them(one: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "SET", 30)
    one.running.sandbox.night()
    one.more = PAGES
    one.load("pages")
    assert asked(one, "/jobs/") == []
    one.more = JOBS
    one.load("jobs")
    assert len(asked(one, "/jobs/query", "POST")) == len(OBJECTS)
    assert len(asked(one, "/results")) > len(OBJECTS)
    assert one.dump("jobs") == one.dump("pages")
    for table, name in OBJECTS.items():
        held = {
            i: (bool(gone), orjson.loads(p))
            for i, gone, p in one.sql(f"SELECT id, is_deleted, payload FROM raw.{table}", "jobs")
        }
        wanted = {r.id: r for r in one.store.page(name, limit=10**6, deleted=None)}
        assert held.keys() == wanted.keys()
        for id, (is_gone, payload) in held.items():
            assert is_gone == (wanted[id].deleted is not None)
            body = {k: v for k, v in wanted[id].body.items() if k in payload}
            assert {k: payload[k] for k in body} == body


def test_the_job_is_deleted_when_its_results_are_there(one: Served) -> None:
    one.more = JOBS
    one.load()
    assert len(asked(one, "/jobs/query/", "DELETE")) == len(OBJECTS)


def test_archived_activities_are_read(one: Served) -> None:
    one.load()
    (oldest,) = one.sql("SELECT min(payload->>'$.ActivityDate') FROM raw.tasks")[0]
    assert oldest < "2025-01-01"
    assert one.sql("SELECT count(*) FROM raw.tasks WHERE payload->>'$.IsArchived' IS NOT NULL") == [(0,)]


def test_what_was_purged_from_the_bin_is_found_by_the_sweep(one: Served) -> None:
    one.load()
    id = one.store.page("Lead", limit=1)[0].id
    one.store.delete("Lead", id, one.running.sandbox.now() - 20 * 86_400_000)
    one.load()
    assert one.sql(f"SELECT is_deleted FROM raw.leads WHERE id = '{id}'") == [(True,)]


def test_a_long_query_is_a_jobs(one: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    one.load()
    wide = len("SELECT Id,IsDeleted FROM Contact")
    monkeypatch.setattr(sys.modules["connectors.salesforce.resources"], "_LONGEST_QUERY", wide)
    before = len(asked(one, "/jobs/query", "POST"))
    one.running.sandbox.night()
    report = one.load()
    assert len(asked(one, "/jobs/query", "POST")) - before >= len(OBJECTS)
    assert [c for c in report.counts if c.difference] == []


def test_a_load_that_was_cut_off_goes_on_with_its_job(one: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "SET", 20)
    one.more = {**JOBS, "tables": ["opportunity_history"]}
    one.running.plan("salesforce", "server_error", after=3, times=5)
    with pytest.raises(ConnectorError, match="fault at the vendor"):
        one.load()
    done = asked(one, "/results")
    report = one.load()
    assert len(asked(one, "/jobs/query", "POST")) == 1
    sets = -(-one.store.count("OpportunityHistory") // 20)
    # The first request is the count that decides for a job, and two sets came through.
    assert len(asked(one, "/results")) - len(done) == sets - 2
    assert report.tables == {"opportunity_history": one.store.count("OpportunityHistory")}


def test_what_changes_while_a_load_is_cut_off_is_not_lost(one: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(org, "MOST", 20)
    one.more = {**PAGES, "tables": ["tasks"]}
    one.running.plan("salesforce", "server_error", after=2, times=5)
    with pytest.raises(ConnectorError, match="fault at the vendor"):
        one.load()
    first, *_, last = one.store.page("Task", limit=1000)
    read, unread = (replace(r, body={**r.body, "Subject": "Neu"}) for r in (first, last))
    now, hour = one.running.sandbox.now(), 3_600_000
    one.store.put("Task", [touched(read, now + hour), touched(unread, now + 11 * hour)])
    one.running.sandbox.night()
    one.load()
    one.load()
    one.load("anew")
    assert one.dump(live=True) == one.dump("anew", live=True)


@pytest.mark.parametrize("fault", ["truncated_json", "malformed_json", "duplicated_page", "cut"])
def test_spoilt_results_of_a_job_are_fetched_again(one: Served, fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "SET", 20)
    one.more = {**JOBS, "tables": ["opportunity_history"]}
    one.running.plan("salesforce", fault, after=2, times=1)
    report = one.load()
    assert one.running.sandbox.faults["salesforce"].struck == [fault]
    assert report.tables == {"opportunity_history": one.store.count("OpportunityHistory")}
    assert len(asked(one, "/results")) == -(-one.store.count("OpportunityHistory") // 20) + 1


def test_a_job_that_fails_is_a_sentence(one: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    wait = bulk._wait

    def abort(api: Any, job: str) -> None:
        api.ask("PATCH", f"{org.DATA}/jobs/query/{job}", json={"state": "Aborted"})
        wait(api, job)

    monkeypatch.setattr(bulk, "_wait", abort)
    one.more = {**JOBS, "tables": ["leads"]}
    with pytest.raises(ConnectorError, match=r"the query job 750\w+ over Lead is Aborted"):
        one.load()


def test_a_start_date_leaves_out_what_is_older_and_counts_accordingly(one: Served) -> None:
    one.more = {"start_date": "2026-06-01"}
    report = one.load()
    assert [c for c in report.counts if c.difference] == []
    assert one.sql("SELECT min(modified_at) >= TIMESTAMPTZ '2026-06-01' FROM raw.contacts") == [(True,)]
    assert 0 < report.tables["contacts"] < one.store.count("Contact")
    one.running.sandbox.night()
    assert [c for c in one.load().counts if c.difference] == []


def test_objects_that_the_user_may_not_see_are_named(one: Served) -> None:
    connect = registry.get("salesforce").connect
    assert connect is not None
    one.more = {"client_id": LIMITED_CLIENT_ID}
    sentences = connect(one.source)
    assert len(sentences) == 4
    assert all("View All" in s for s in sentences)
    assert "the object Opportunity;" in sentences[0]
    with pytest.raises(ConnectorError, match=r"may not read the object (Opportunity|OpportunityHistory|Task|Event);"):
        one.load()
    one.more["tables"] = ["users", "contacts", "leads"]
    assert connect(one.source) == []
    assert one.load().tables.keys() == {"users", "contacts", "leads"}


def test_fields_that_are_hidden_from_the_user_are_named(one: Served) -> None:
    objects.drop_field(one.store, "Contact", "Email")
    connect = registry.get("salesforce").connect
    assert connect is not None
    (sentence,) = connect(one.source)
    assert "field-level security hides Email of Contact" in sentence


def test_the_orgs_daily_requests_are_not_used_up(made: Path, tmp_path: Path) -> None:
    with served("salesforce", made=made, root=tmp_path, ease=0.5) as one:
        one.more = {"leave_pct": 50}
        with pytest.raises(ConnectorError, match=r"has used 5000[0-9] of its 100000 requests of 24 hours"):
            one.load()
        one.more = {"leave_pct": 10}
        assert one.load().changed


def mapped(one: Served, entity: str, raw: str = "raw") -> list[dict[str, Any]]:
    """The rows that a mapping of the connector gives."""
    columns = registry.get("salesforce").discover(one.source)
    folder = Path(org.__file__).parent
    sql = mapping.prepare((folder / f"{entity}.sql").read_text(), columns, entities()[entity], "source")
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"ATTACH '{one.root / raw / 'source.duckdb'}' AS source (READ_ONLY)")
        found = con.execute(mapping.qualified(sql, "source"))
        names = [d[0] for d in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_mappings_fit_the_contracts(one: Served) -> None:
    folder = Path(org.__file__).parent
    assert {p.stem for p in folder.glob("*.sql")} == set(ENTITIES)
    columns = registry.get("salesforce").discover(one.source)
    for entity in ENTITIES:
        path = folder / f"{entity}.sql"
        found = mapping.Mapping(source="source", entity=entity, path=path, sql=path.read_text())
        assert mapping.bind_problems(found, columns, entities()[entity]) == []


def test_mappings_say_what_the_org_says(one: Served) -> None:
    one.load()
    everybody = {r["source_id"]: r for r in mapped(one, "contact")}
    count = one.store.count
    assert len(everybody) == count("Contact") + count("Lead")
    contact = next(r for r in one.store.page("Contact", limit=1000) if r.body["AccountId"])
    account = one.store.get("Account", contact.body["AccountId"])
    assert account is not None
    person = everybody[contact.id]
    assert (person["company_id"], person["company_name"]) == (account.id, account.body["Name"])
    assert (person["email"], person["language"]) == (contact.body["Email"], contact.body["Language__c"])
    assert person["lifecycle_stage"] == "customer"
    lead = one.store.page("Lead", limit=1)[0]
    assert everybody[lead.id]["city"] == lead.body["City"]
    assert everybody[lead.id]["lifecycle_stage"] == "lead"

    deals = {r["source_id"]: r for r in mapped(one, "deal")}
    for record in one.store.page("Opportunity", limit=1000):
        deal = deals[record.id]
        status = "won" if record.body["IsWon"] else "lost" if record.body["IsClosed"] else "open"
        assert (deal["status"], float(deal["amount"])) == (status, record.body["Amount"])
        assert (deal["closed_at"] is None) == (status == "open") == (deal["expected_close_date"] is not None)
    assert len(deals) == count("Opportunity")

    events = mapped(one, "deal_stage_event")
    assert len(events) == count("OpportunityHistory")
    assert {e["from_stage"] for e in events if e["stage"] == "Closed Won"} == {"Negotiation/Review"}
    assert {e["deal_id"] for e in events} == set(deals)

    activities = {r["source_id"]: r for r in mapped(one, "activity")}
    assert len(activities) == count("Task") + count("Event")
    call = next(r for r in one.store.page("Task", limit=1000) if r.body["TaskSubtype"] == "Call")
    assert activities[call.id]["kind"] == "call"
    assert float(activities[call.id]["duration_minutes"]) * 60 == call.body["CallDurationInSeconds"]
    assert activities[call.id]["deal_id"] == call.body["WhatId"]
    assert {a["kind"] for a in activities.values()} == {"call", "email", "task", "meeting"}
    assert len(mapped(one, "company")) == count("Account")
    assert {r["is_active"] for r in mapped(one, "staff")} == {"true", "false"}


def test_a_lead_that_became_a_contact_counts_once_and_an_amount_that_changed_is_no_stage(one: Served) -> None:
    lead = one.store.page("Lead", limit=1)[0]
    one.store.put("Lead", [replace(lead, body={**lead.body, "IsConverted": True})])
    entry = one.store.page("OpportunityHistory", limit=1)[0]
    again = replace(entry, id=entry.id[:-4] + "zAAA", body={**entry.body, "Amount": 1.0})
    one.store.put("OpportunityHistory", [again])
    one.load()
    assert {r["source_id"]: r["is_deleted"] for r in mapped(one, "contact")}[lead.id] is True
    assert len(mapped(one, "deal_stage_event")) == one.store.count("OpportunityHistory") - 1


@pytest.mark.parametrize(
    ("kind", "from_json", "from_text", "kept"),
    [
        ("double", 114.9, "114.9", 114.9),
        ("currency", 300.0, "300.0", 300.0),
        ("currency", 10_000_000.0, "1.0E7", 10_000_000.0),
        ("int", 25, "25", 25),
        ("boolean", True, "true", True),
        ("datetime", "2026-01-02T03:04:05.000+0000", "2026-01-02T03:04:05.000Z", "2026-01-02T03:04:05.000+0000"),
        ("string", None, "", None),
        ("string", "007", "007", "007"),
        ("date", "2026-01-02", "2026-01-02", "2026-01-02"),
    ],
)
def test_values_are_kept_in_one_form(kind: str, from_json: Any, from_text: str, kept: Any) -> None:
    field = [Field("x", kind)]
    assert org.record(field, [from_json]) == org.record(field, [from_text]) == orjson.dumps({"x": kept})


@pytest.mark.parametrize(("kind", "value"), [("int", "many"), ("boolean", "maybe"), ("datetime", 5), ("double", [])])
def test_a_value_that_is_not_of_its_kind_is_no_sound_answer(kind: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"not of its kind|invalid literal|could not convert"):
        org.record([Field("x", kind)], [value])


ROW = {"attributes": {"type": "Lead"}, "Id": "00Q2", "Name": "A"}
NAMELESS = {"attributes": {"type": "Lead"}, "Id": "00Q2"}


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ({"totalSize": 1, "done": True, "records": [ROW]}, None),
        ({"totalSize": 2, "done": True, "records": [ROW]}, "1 of 2 records"),
        ({"totalSize": 7, "done": True, "records": []}, "0 of 7 records"),
        ({"totalSize": 1, "done": True, "records": [{**ROW, "Id": "00Q1"}]}, "there before"),
        ({"totalSize": 1, "done": True, "records": [{**ROW, "attributes": {"type": "Task"}}]}, "another object"),
        ({"totalSize": 1, "done": True, "records": [{**ROW, "Name": None} | {"attributes": {}}]}, "another object"),
        ({"totalSize": 1, "done": True, "records": [NAMELESS]}, "without the fields"),
        ([ROW], "no answer"),
    ],
)  # fmt: skip
def test_an_answer_to_another_query_is_not_believed(answer: Any, wrong: str | None) -> None:
    decode = org._page_of("Lead", [Field("Id", "id"), Field("Name", "string")], "00Q1")
    if wrong is None:
        assert decode(orjson.dumps(answer)).ids == ["00Q2"]
        return
    with pytest.raises(ValueError, match=wrong):
        decode(orjson.dumps(answer))
