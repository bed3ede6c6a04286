"""What is special about Pipedrive: archives, deletions without a trace, stages from changelogs, the day's tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors import registry
from connectors.base import ConnectorError
from sandbox.serve import Counter as RequestCounter
from sandbox.store import Record
from sandbox.vendor import Limit
from sandbox.vendors.pipedrive import DEALS_ONLY_TOKEN
from tests.connectors.served import Served, served
from transforms.mapping import prepare
from warehouse.contracts import entities

FOLDER = Path(registry.__file__).parent / "pipedrive"
OWN = ("persons", "organizations", "deals", "activities", "notes", "users", "products", "stages", "pipelines")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def one(made: Path, tmp_path: Path) -> Iterator[Served]:
    with served("pipedrive", made=made, root=tmp_path, record=True) as run:
        yield run


def asked(one: Served, part: str) -> int:
    return sum(part in exchange.path for exchange in one.running.sandbox.exchanges)


def mapped(one: Served, entity: str) -> list[dict[str, Any]]:
    """The rows that the connector's mapping gives."""
    with duckdb.connect(str(one.root / "raw/source.duckdb"), read_only=True) as con:
        con.execute("SET TimeZone = 'UTC'")
        columns = {
            t: {name: kind for name, kind, *_ in con.execute(f"DESCRIBE raw.{t}").fetchall()} for t in one.tables()
        }
        sql = prepare((FOLDER / f"{entity}.sql").read_text(encoding="utf-8"), columns, entities()[entity], "source")
        found = con.execute(sql)
        names = [column[0] for column in found.description or []]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_the_first_load_holds_what_pipedrive_has(one: Served) -> None:
    one.load()
    for table in OWN:
        held = {id for (id,) in one.sql(f"SELECT id FROM raw.{table} WHERE NOT is_deleted")}
        assert held == {r.id for r in one.store.page(table, limit=10**6)}
    assert {archived for (archived,) in one.sql("SELECT DISTINCT payload->>'$.is_archived' FROM raw.deals")} == {
        "true",
        "false",
    }


def test_a_night_writes_just_what_it_changed(one: Served) -> None:
    one.load()
    told = one.running.sandbox.night()["pipedrive"]
    report = one.load()
    for table, changed in told.items():
        assert report.tables[table] == len(changed.added) + len(changed.changed) + len(changed.deleted)
        gone = {id for (id,) in one.sql(f"SELECT id FROM raw.{table} WHERE is_deleted")}
        assert gone == set(changed.deleted)
    kept = one.sql("SELECT payload->>'$.name' FROM raw.persons WHERE is_deleted")
    assert all(name for (name,) in kept)


def test_deals_in_the_archive_are_not_deleted(one: Served) -> None:
    one.load()
    deal = next(r for r in one.store.page("deals", limit=1000) if not r.body["is_archived"])
    body = {**deal.body, "is_archived": True, "archive_time": "2026-11-01T00:00:00Z"}
    later = max(d.updated for d in one.store.page("deals", limit=1000)) + 1000
    one.store.put("deals", [Record(id=deal.id, body=body, created=deal.created, updated=later)])
    one.load()
    assert one.sql(f"SELECT is_deleted, payload->>'$.is_archived' FROM raw.deals WHERE id = '{deal.id}'") == [
        (False, "true")
    ]


def test_a_person_merged_away_is_marked_deleted_the_same_night(one: Served) -> None:
    one.load()
    first = one.store.page("persons", limit=1)[0]
    one.store.delete("persons", first.id, first.updated)
    report = one.load()
    assert report.tables["persons"] == 1
    assert one.sql("SELECT id FROM raw.persons WHERE is_deleted") == [(first.id,)]


@pytest.mark.parametrize("table", ["persons", "deals", "notes"])
def test_a_record_that_came_late_is_found_by_counting(one: Served, table: str) -> None:
    one.load()
    models = one.store.page(table, limit=1000)
    if table == "deals":
        models = [r for r in models if r.body["is_archived"]]
    body = {**models[0].body, "id": 999_000_001}
    one.store.put(table, [Record(id="999000001", body=body, created=10**12, updated=10**12)])
    report = one.load()
    assert [c for c in report.counts if c.difference] == []
    assert one.sql(f"SELECT id, is_deleted FROM raw.{table} WHERE id = '999000001'") == [("999000001", False)]


def test_the_mappings_give_clean_rows_for_every_record(one: Served) -> None:
    one.load()
    persons = {row["source_id"]: row for row in mapped(one, "contact")}
    for record in one.store.page("persons", limit=1000):
        row = persons.pop(record.id)
        assert row["email"] == record.body["emails"][0]["value"]
        assert row["phone"] == (record.body["phones"][0]["value"] if record.body["phones"] else None)
        assert row["company_id"] == (str(record.body["org_id"]) if record.body["org_id"] else None)
        assert (row["company_name"] is None) == (row["company_id"] is None)
        assert (row["city"], row["country"]) == (
            record.body["postal_address"]["locality"],
            record.body["postal_address"]["country"],
        )
    assert persons == {}
    deals = mapped(one, "deal")
    assert Counter(d["status"] for d in deals) == Counter(r.body["status"] for r in one.store.page("deals", limit=1000))
    assert {d["pipeline"] for d in deals} == {"Firmenkunden"}
    assert {d["probability_pct"] for d in deals if d["status"] == "won"} == {"100"}
    assert all((d["closed_at"] is None) == (d["status"] == "open") for d in deals)
    activities = mapped(one, "activity")
    kinds = Counter(a["kind"] for a in activities)
    assert kinds.keys() == {"call", "email", "meeting", "note"}
    assert kinds["note"] == one.store.count("notes")
    assert all(a["occurred_at"].endswith("Z") for a in activities)
    assert {a["duration_minutes"] is None for a in activities if a["kind"] == "call"} == {False}
    assert len({a["source_id"] for a in activities}) == len(activities)
    assert {s["is_active"] for s in mapped(one, "staff")} == {True, False}
    assert len(mapped(one, "product")) == one.store.count("products")
    assert len(mapped(one, "company")) == one.store.count("organizations")


def test_the_primary_address_counts_wherever_it_stands(one: Served) -> None:
    person = one.store.page("persons", limit=1)[0]
    mails = [{"value": v, "primary": v == "b@example.com", "label": "work"} for v in ("a@example.com", "b@example.com")]
    body = {**person.body, "emails": mails}
    one.store.put("persons", [Record(id=person.id, body=body, created=person.created, updated=person.updated)])
    one.load()
    row = next(r for r in mapped(one, "contact") if r["source_id"] == person.id)
    assert row["email"] == "b@example.com"


def stages(one: Served) -> dict[str, list[str]]:
    """The stages of each deal in their order, by the mapping."""
    events = sorted(mapped(one, "deal_stage_event"), key=lambda e: (e["deal_id"], e["entered_at"]))
    walk: dict[str, list[str]] = {}
    for event in events:
        assert event["from_stage"] == (walk[event["deal_id"]][-1] if event["deal_id"] in walk else None)
        walk.setdefault(event["deal_id"], []).append(event["stage"])
    return walk


def test_stages_lead_from_the_first_to_the_present_one(one: Served) -> None:
    one.load()
    names = {r.body["id"]: r.body["name"] for r in one.store.page("stages", limit=10)}
    for _ in range(3):
        walk = stages(one)
        deals = one.store.page("deals", limit=1000)
        assert walk.keys() >= {d.id for d in deals}
        for deal in deals:
            assert walk[deal.id][-1] == names[deal.body["stage_id"]]
            moves = one.store.page("deal_changes", parent=deal.id, limit=100)
            assert len(walk[deal.id]) == 1 + sum(m.body["field_key"] == "stage_id" for m in moves)
        one.running.sandbox.night()
        one.load()


def test_changelogs_are_asked_for_a_few_a_night_until_all_are_there(one: Served) -> None:
    moved = [d for d in one.store.page("deals", limit=1000) if one.store.count("deal_changes", parent=d.id)]
    at_once = max(d.updated for d in moved)
    # Most of them changed in one second, in which a time alone does not say where to go on.
    for deal in moved[:30]:
        one.store.put("deals", [Record(id=deal.id, body=deal.body, created=deal.created, updated=at_once)])
    one.more["changelogs_per_load"] = 7
    needed = []
    for _ in range(20):
        before = asked(one, "/changelog")
        one.load()
        needed.append(asked(one, "/changelog") - before)
        held = one.sql("SELECT count(*) FROM raw.deal_changes")[0][0]
        if held == one.store.count("deals"):
            break
    assert max(needed) <= 7
    assert held == one.store.count("deals")
    walks = stages(one)
    one.more["changelogs_per_load"] = 500
    one.load("anew")
    assert one.dump()["deal_changes"] == one.dump("anew")["deal_changes"]
    assert walks == stages(one)


def test_no_changelog_is_asked_for_where_none_is_wanted(one: Served) -> None:
    one.more["changelogs_per_load"] = 0
    assert one.load().changed
    assert asked(one, "/changelog") == 0
    assert one.load().changed is False


def trouble(one: Served) -> str | None:
    try:
        one.load()
    except ConnectorError as error:
        return str(error)
    return None


def test_the_end_of_the_days_tokens_is_one_sentence_and_the_next_day_goes_on(made: Path, tmp_path: Path) -> None:
    with served("pipedrive", made=made, root=tmp_path, ease=0.015) as one:
        one.running.sandbox._counters["pipedrive"] = RequestCounter(Limit(requests=10**6, seconds=1))
        sentences = []
        while (sentence := trouble(one)) is not None:
            sentences.append(sentence)
            assert not (tmp_path / "raw/source.duckdb").exists()
            assert len(sentences) < 5
            one.running.sandbox.night()
        assert sentences
        assert all("'source'" in s and "API tokens are used up for today" in s for s in sentences)
        for table in OWN:
            held = {id for (id,) in one.sql(f"SELECT id FROM raw.{table} WHERE NOT is_deleted")}
            assert held == {r.id for r in one.store.page(table, limit=10**6)}


def test_a_missing_scope_is_named(one: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors._api import auth

    connector = registry.get("pipedrive")
    assert connector.connect is not None
    monkeypatch.setattr("connectors.pipedrive.Static", lambda headers: auth.bearer(DEALS_ONLY_TOKEN))
    sentences = connector.connect(one.source)
    assert any("contacts:read" in s and "/api/v2/persons" in s for s in sentences)
    assert any("users:read" in s for s in sentences)
    assert not any("/api/v2/deals" in s for s in sentences)


def test_notes_of_one_second_fill_more_than_a_page(one: Served) -> None:
    model = one.store.page("notes", limit=1)[0]
    many = [
        Record(id=str(700_000_000 + i), body={**model.body, "id": 700_000_000 + i}, created=10**12, updated=10**12)
        for i in range(1_200)
    ]
    one.store.put("notes", many)
    one.load()
    assert one.sql("SELECT count(*) FROM raw.notes") == [(one.store.count("notes"),)]
