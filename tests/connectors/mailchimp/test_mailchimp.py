"""Mailchimp's connector against the sandbox: what lands, what a night changes, moving pages, and what mappings give."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import duckdb
import orjson
import pytest

from connectors import registry
from connectors._api.client import Again, Answer
from connectors._api.options import parse
from connectors._api.resource import Reading
from connectors.base import ConnectorError
from connectors.mailchimp import CONNECTOR, MailchimpOptions, client
from connectors.mailchimp.resources import resources
from sandbox.exports.kit import Out
from sandbox.store import Record, Store
from sandbox.trade import make_trade
from sandbox.truth import Truth
from sandbox.vendors.mailchimp import LIST_ID, VENDOR
from tests.connectors.cleaning import CleanedById, cleaning_by_id
from tests.connectors.served import SCALE, SEED, Served, served

TABLES = ("campaigns", "email_activity", "lists", "members", "reports", "sent_to", "unsubscribes")
#: What is not asked for of these, see the connector.
WITHOUT = {"sent_to": {"merge_fields", "open_count", "last_open"}, "unsubscribes": {"merge_fields"}}
MEMBERS = f"/mailchimp/3.0/lists/{LIST_ID}/members"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def mailchimp(made: Path, tmp_path: Path) -> Iterator[Served]:
    with served("mailchimp", made=made, root=tmp_path, record=True) as one:
        yield one


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["connectors.mailchimp.resources"], "_LARGEST", 20)


def held(one: Served, table: str) -> dict[str, dict[str, Any]]:
    rows = one.sql(f"SELECT id, payload FROM raw.{table} WHERE NOT is_deleted")
    return {id: orjson.loads(payload) for id, payload in rows}


def stored(one: Served, table: str) -> dict[str, dict[str, Any]]:
    """What the store has, as far as it is asked for, by the ids of the raw table."""
    rows = one.store.page(table, limit=10**6)
    prefix = f"{LIST_ID}:" if table == "members" else ""
    return {prefix + r.id: {k: v for k, v in r.body.items() if k not in WITHOUT.get(table, set())} for r in rows}


def asked(one: Served) -> list[tuple[str, dict[str, list[str]]]]:
    """Paths and parameters of what was asked for since the last time."""
    exchanges = one.running.sandbox.exchanges
    said = [(e.path, parse_qs(e.query)) for e in exchanges]
    exchanges.clear()
    return said


def test_a_first_load_holds_what_the_store_holds(mailchimp: Served, small_pages: None) -> None:
    report = mailchimp.load()
    assert tuple(mailchimp.tables()) == TABLES
    for table in TABLES:
        assert held(mailchimp, table) == stored(mailchimp, table)
    counts = {c.table: (c.source_rows, c.held_rows) for c in report.counts}
    assert counts == {t: (len(stored(mailchimp, t)),) * 2 for t in ("lists", "campaigns", "reports", "members")}


def test_a_night_changes_what_it_says_and_asks_for_no_more(mailchimp: Served, small_pages: None) -> None:
    mailchimp.load()
    asked(mailchimp)
    for _ in range(3):
        changes = mailchimp.running.sandbox.night()["mailchimp"]
        report = mailchimp.load()
        for table in TABLES:
            told = changes[table]
            assert held(mailchimp, table) == stored(mailchimp, table)
            changed = set() if table == "sent_to" else {*told.changed}
            assert report.tables[table] == len({*told.added, *told.deleted} | changed)
        requests = asked(mailchimp)
        opened = {path.split("/")[4] for path, _ in requests if path.endswith("/email-activity")}
        assert opened == {*changes["reports"].added, *changes["reports"].changed}
        sent = {path.split("/")[4] for path, _ in requests if path.endswith("/sent-to")}
        assert sent == {*changes["reports"].added}
        left = {path.split("/")[4] for path, _ in requests if path.endswith("/unsubscribed")}
        assert left == {id.partition(":")[0] for id in changes["unsubscribes"].added} | {*changes["reports"].added}


def test_a_member_deleted_for_good_is_noticed_by_the_count(mailchimp: Served) -> None:
    mailchimp.load()
    before = held(mailchimp, "members")
    gone = next(iter(before))
    mailchimp.store.delete("members", gone.partition(":")[2], 1)
    report = mailchimp.load()
    assert report.tables["members"] == 1
    ((payload,),) = mailchimp.sql(f"SELECT payload FROM raw.members WHERE id = '{gone}' AND is_deleted")
    assert orjson.loads(payload) == before[gone]
    assert [c for c in report.counts if c.difference] == []


def test_archived_members_stay_and_count(mailchimp: Served) -> None:
    mailchimp.load()
    mailchimp.running.sandbox.night()
    report = mailchimp.load()
    states = Counter(body["status"] for body in held(mailchimp, "members").values())
    assert states["archived"] == 1
    assert [(c.source_rows, c.held_rows) for c in report.counts if c.table == "members"] == [(states.total(),) * 2]


def test_members_that_change_at_one_moment_are_read_past_a_page(mailchimp: Served, small_pages: None) -> None:
    """As after an import, which gives thousands of members the same time."""
    rows = mailchimp.store.page("members", limit=70)
    at = "2026-10-01T10:00:00+00:00"
    moment = round(datetime.fromisoformat(at).timestamp() * 1000)
    mailchimp.store.put("members", [replace(r, updated=moment, body={**r.body, "last_changed": at}) for r in rows])
    mailchimp.load()
    assert held(mailchimp, "members") == stored(mailchimp, "members")
    offsets = [q["offset"][0] for path, q in asked(mailchimp) if path == MEMBERS and "sort_field" in q]
    assert "40" in offsets
    assert max(Counter(offsets).values()) > 3


@pytest.mark.parametrize("fault", ["moving_page", "duplicated_page", "reordered_page"])
def test_members_are_whole_however_the_pages_come(mailchimp: Served, small_pages: None, fault: Any) -> None:
    mailchimp.more |= {"tables": ["members"], "sweep": "never"}
    for after in range(1, 8, 3):
        mailchimp.running.plan("mailchimp", fault, after=after, times=2)
        mailchimp.load(f"raw{after}")
        ids = {id for (id,) in mailchimp.sql("SELECT id FROM raw.members", f"raw{after}")}
        assert ids == stored(mailchimp, "members").keys()
        mailchimp.running.sandbox.faults["mailchimp"].clear()


def test_recipients_are_whole_though_pages_come_twice(mailchimp: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["connectors.mailchimp.resources"], "_LARGEST", 4)
    mailchimp.more |= {"tables": ["sent_to"], "parallel": 1}
    for after in range(2, 20, 6):
        mailchimp.running.plan("mailchimp", "duplicated_page", after=after, times=2)
        mailchimp.load(f"raw{after}")
        ids = {id for (id,) in mailchimp.sql("SELECT id FROM raw.sent_to", f"raw{after}")}
        assert ids == stored(mailchimp, "sent_to").keys()
        mailchimp.running.sandbox.faults["mailchimp"].clear()


@dataclass
class Answers:
    """Stands for the client: gives these bodies one after the other, and the next where one does not decode."""

    bodies: list[bytes]
    refused: list[str] = field(default_factory=list)

    def get(self, path: str, params: Any = None, *, decode: Callable[[bytes], Any], **how: Any) -> Any:
        while True:
            try:
                return decode(self.bodies.pop(0))
            except ValueError as error:
                self.refused.append(str(error))


def test_a_page_of_another_list_or_the_same_again_is_asked_for_once_more() -> None:
    def page(campaign: str, name: str, *ids: str) -> bytes:
        rows = [{"campaign_id": campaign, "email_id": id} for id in ids]
        return orjson.dumps({"campaign_id": campaign, name: rows, "total_items": 3})

    reports = {"reports": [{"id": "c", "emails_sent": 3}], "total_items": 1}
    first = page("c", "sent_to", "1", "2")
    bodies = [orjson.dumps(reports), page("d", "sent_to", "4"), page("c", "emails", "5"), first, first]
    answers = Answers([*bodies, page("c", "sent_to", "3")])
    reading = Reading(api=answers, options=MailchimpOptions(key="k"), until=datetime.now(UTC))  # type: ignore[arg-type]
    sent_to = next(r for r in resources() if r.name == "sent_to")
    records = [orjson.loads(bytes(record))["email_id"] for p in sent_to.read(reading) for record in p.records]
    assert records == ["1", "2", "3"]
    assert answers.refused == ["no page of sent_to", "no page of sent_to", "the same page again"]


def pages(one: Served, path: str) -> list[str]:
    """What tells apart the pages that were asked for below a path."""
    told = ((p, q) for p, q in asked(one) if p.endswith(path) and "offset" in q and "fields" not in q)
    return [f"{p} {q['offset']} {q.get('since_last_changed')} {q.get('status')}" for p, q in told]


def test_a_read_that_is_cut_off_goes_on(mailchimp: Served, small_pages: None) -> None:
    for table, after in (("members", 5), ("email_activity", 30)):
        mailchimp.more["tables"] = [table]
        mailchimp.running.plan("mailchimp", "expired_token", after=after)
        with pytest.raises(ConnectorError, match="key was refused"):
            mailchimp.load()
        path = MEMBERS if table == "members" else "email-activity"
        first = pages(mailchimp, path)
        mailchimp.load()
        again = pages(mailchimp, path)
        assert held(mailchimp, table) == stored(mailchimp, table)
        assert len(first) > 3
        # The refused page comes once more, perhaps after what is behind the page before it, and no earlier one.
        assert first[-1] in again[:2]
        assert not {*first[:-1]} & {*again}


def test_a_campaign_read_again_is_told_by_its_report(mailchimp: Served) -> None:
    mailchimp.load()
    row = mailchimp.store.page("email_activity", limit=1)[0]
    body = {
        **row.body,
        "activity": [*row.body["activity"], {"action": "open", "timestamp": "2026-11-01T10:00:00+00:00"}],
    }
    mailchimp.store.put("email_activity", [replace(row, body=body)])
    assert not mailchimp.load().changed
    report = mailchimp.store.get("reports", str(row.parent))
    assert report is not None
    opens = {**report.body["opens"], "opens_total": report.body["opens"]["opens_total"] + 1}
    mailchimp.store.put("reports", [replace(report, body={**report.body, "opens": opens})])
    assert mailchimp.load().tables["email_activity"] == 1
    assert held(mailchimp, "email_activity")[row.id] == body


def test_a_start_date_bounds_what_is_read(mailchimp: Served) -> None:
    mailchimp.more["start_date"] = "2026-06-01"
    # The second compares ids for the first time.
    for _ in range(3):
        report = mailchimp.load()
        assert [c for c in report.counts if c.difference] == []
    assert not report.changed
    wanted = {id for id, body in stored(mailchimp, "reports").items() if body["send_time"] > "2026-06-01"}
    assert held(mailchimp, "reports").keys() == wanted
    assert {body["campaign_id"] for body in held(mailchimp, "sent_to").values()} == wanted
    late = {id for id, body in stored(mailchimp, "members").items() if body["last_changed"] > "2026-06-01"}
    assert held(mailchimp, "members").keys() == late


def test_a_key_tells_where_its_account_is(mailchimp: Served) -> None:
    source = replace(mailchimp.source, options={"key": "0123456789abcdef-us21"})
    assert CONNECTOR.problems(source) == []
    api = client(source, parse(source, MailchimpOptions))
    assert api.base_url == "https://us21.api.mailchimp.com/3.0"
    (sentence,) = CONNECTOR.problems(replace(source, options={"key": "0123456789abcdef"}))
    assert "no data centre at its end" in sentence
    assert "0123456789abcdef" not in sentence


def test_a_refusal_of_the_gateway_is_no_missing_right(mailchimp: Served) -> None:
    manners = client(mailchimp.source, parse(mailchimp.source, MailchimpOptions)).manners
    plain = Answer(status=403, headers={"content-type": "text/html"}, body=b"<html>")
    problem = {"title": "Forbidden", "detail": "Not for viewers."}
    told = Answer(status=403, headers={"content-type": "application/problem+json"}, body=orjson.dumps(problem))
    assert isinstance(manners.judge(plain), Again)
    assert manners.judge(told) is None
    assert "Not for viewers." in str(manners.explain(told, "/lists"))


@pytest.fixture
def cleaned(mailchimp: Served) -> Iterator[CleanedById]:
    """Clean rows of an entity after a load, by id."""
    with cleaning_by_id(mailchimp) as rows:
        yield rows


def test_clean_rows_are_those_of_the_truth(cleaned: CleanedById, tmp_path: Path) -> None:
    truth = Truth()
    out = Out(source="mailing", folder=tmp_path, seed=SEED, scale=SCALE, trade=make_trade(SEED, SCALE), truth=truth)
    VENDOR.fill(out, Store(tmp_path / "truth.sqlite"))
    totals = dict(truth.frames()["totals"].filter(measure="rows").select("entity", "value").iter_rows())
    assert totals.keys() == {"contact", "campaign", "consent_event", "marketing_touch"}
    for entity, count in totals.items():
        rows = cleaned(entity)
        assert len(rows) == count
        assert not {row["source_id"] for row in truth.bad if row["entity"] == entity} & rows.keys()
        mended = [row for row in truth.mended if row["entity"] == entity]
        assert all(rows[str(m["source_id"])][str(m["column"])] == m["clean"] for m in mended)
        assert bool(mended) == (entity in ("contact", "marketing_touch"))
    people = truth.frames()["identity"]
    assert set(people["source_id"]) == cleaned("contact").keys()


def test_consent_is_what_members_and_reports_tell(mailchimp: Served, cleaned: CleanedById) -> None:
    events = list(cleaned("consent_event").values())
    members = stored(mailchimp, "members")
    given = {e["contact_id"]: e["occurred_at"] for e in events if e["is_granted"]}
    taken = {e["contact_id"]: e["occurred_at"] for e in events if not e["is_granted"]}
    assert given == {id: datetime.fromisoformat(body["timestamp_opt"]) for id, body in members.items()}
    gone = {id: body for id, body in members.items() if body["status"] == "unsubscribed"}
    assert taken == {id: datetime.fromisoformat(body["last_changed"]) for id, body in gone.items()}
    assert {e["origin"] for e in events if e["is_granted"]} == {"anmeldeformular"}


def test_touches_are_what_reports_tell(mailchimp: Served, cleaned: CleanedById) -> None:
    touches = cleaned("marketing_touch")
    campaigns, contacts = cleaned("campaign"), cleaned("contact")
    assert all(t["contact_id"] in contacts and t["campaign_id"] in campaigns for t in touches.values())
    kinds = Counter((t["campaign_id"], t["kind"]) for t in touches.values())
    for id, report in stored(mailchimp, "reports").items():
        assert kinds[id, "sent"] == report["emails_sent"]
        assert kinds[id, "open"] == report["opens"]["opens_total"]
        assert kinds[id, "click"] == report["clicks"]["clicks_total"]
        assert kinds[id, "unsubscribe"] == report["unsubscribed"]
        assert campaigns[id]["name"] == report["campaign_title"]
    sent = next(t for t in touches.values() if t["kind"] == "sent")
    assert sent["occurred_at"].date() == campaigns[sent["campaign_id"]]["started_date"]
    assert {t["url"] for t in touches.values() if t["kind"] == "click"} == {"https://www.muehlbach-versand.example/neu"}


def mapped(entity: str, **tables: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a mapping gives of these records."""
    folder = registry.get("mailchimp").mappings
    assert folder is not None
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute("CREATE SCHEMA raw")
        for table in TABLES:
            con.execute(
                f"CREATE TABLE raw.{table} (id VARCHAR, payload JSON, modified_at TIMESTAMPTZ, is_deleted BOOLEAN)"
            )
            for row in tables.get(table, []):
                key = [str(row[name]) for name in ("list_id", "campaign_id", "id", "email_id") if name in row]
                id = ":".join(key[-2:] if table != "members" else [str(row["list_id"]), str(row["id"])])
                con.execute(f"INSERT INTO raw.{table} VALUES (?, ?, NULL, FALSE)", [id, orjson.dumps(row).decode()])
        found = con.execute((folder / f"{entity}.sql").read_text())
        return [dict(zip([c[0] for c in found.description], row, strict=True)) for row in found.fetchall()]


def test_consent_of_those_who_came_back_and_of_those_who_never_came() -> None:
    def member(id: str, status: str, **more: str) -> dict[str, str]:
        return {"list_id": "l", "id": id, "status": status, "last_changed": "2026-05-01T00:00:00+00:00", **more}

    def left(id: str, at: str) -> dict[str, str]:
        return {"campaign_id": "c", "list_id": "l", "email_id": id, "timestamp": at}

    opted = {"timestamp_opt": "2026-03-01T00:00:00+00:00"}
    rows = mapped(
        "consent_event",
        members=[
            member("back", "subscribed", **opted),
            member("link", "unsubscribed", **opted),
            member("again", "unsubscribed", **opted),
            member("bounced", "cleaned", **opted),
            member("buyer", "transactional", **opted),
            member("asked", "pending", timestamp_opt=""),
            member("kept", "archived", **opted),
        ],
        unsubscribes=[
            left("back", "2026-02-01T00:00:00+00:00"),
            left("link", "2026-04-01T00:00:00+00:00"),
            left("again", "2026-02-01T00:00:00+00:00"),
        ],
    )
    found = {(r["contact_id"].partition(":")[2], r["is_granted"], r["occurred_at"][:7]) for r in rows}
    assert len(rows) == len(found)
    assert found == {
        ("back", False, "2026-02"),
        ("back", True, "2026-03"),
        ("link", True, "2026-03"),
        ("link", False, "2026-04"),
        ("again", False, "2026-02"),
        ("again", True, "2026-03"),
        ("again", False, "2026-05"),
        ("bounced", True, "2026-03"),
        ("kept", True, "2026-03"),
    }


def test_two_clicks_within_a_second_are_two() -> None:
    click = {"action": "click", "timestamp": "2026-05-01T00:00:00+00:00"}
    activity = [{**click, "url": "https://b.example"}, {**click, "url": "https://a.example"}]
    row = {"campaign_id": "c", "email_id": "m", "list_id": "l", "activity": activity}
    found = {r["source_id"].rpartition("+")[2]: r["url"] for r in mapped("marketing_touch", email_activity=[row])}
    assert found == {"00:00": "https://a.example", "00:00:2": "https://b.example"}


def test_a_campaign_without_a_title_has_its_subject_for_a_name() -> None:
    def campaign(id: str, title: str, subject: str) -> dict[str, Any]:
        return {"id": id, "settings": {"title": title, "subject_line": subject}, "send_time": ""}

    rows = mapped("campaign", campaigns=[campaign("a", "A", "B"), campaign("b", "", "B"), campaign("c", "", "")])
    assert [row["name"] for row in rows] == ["A", "B", None]
    assert [row["started_date"] for row in rows] == [None, None, None]


def test_a_second_audience_is_read_beside_the_first(mailchimp: Served, small_pages: None) -> None:
    first = mailchimp.store.get("lists", LIST_ID)
    assert first is not None
    mailchimp.store.put("lists", [replace(first, id="other", body={**first.body, "id": "other"})])
    same = mailchimp.store.page("members", limit=30)
    for row in same:
        body = {**row.body, "list_id": "other"}
        mailchimp.store.put(
            "members",
            [Record(id=f"other {row.id}", body=body, created=row.created, updated=row.updated, parent="other")],
        )
    report = mailchimp.load()
    ids = {id for (id,) in mailchimp.sql("SELECT id FROM raw.members")}
    assert {f"other:{row.id}" for row in same} | {f"{LIST_ID}:{row.id}" for row in same} <= ids
    assert len(ids) == mailchimp.store.count("members")
    assert [c for c in report.counts if c.difference] == []
