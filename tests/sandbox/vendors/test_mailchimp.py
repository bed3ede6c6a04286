"""Mailchimp as the sandbox serves it: asked as a client asks, and held against Mailchimp's own description."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import md5
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.exports.kit import Out
from sandbox.serve import Running, Sandbox, serving
from sandbox.store import Store
from sandbox.trade import make_trade
from sandbox.truth import Truth
from sandbox.vendors.mailchimp import KEY, LIST_ID, VENDOR
from tests.connectors.specs import Spec

DESCRIPTION = "openapi/mailchimp/mailchimp_marketing.json"
MEMBERS = f"lists/{LIST_ID}/members"
PARTS = {"sent_to": "sent-to", "email_activity": "email-activity", "unsubscribes": "unsubscribed"}
NAMES = {"email_activity": "emails"}


@pytest.fixture(scope="module")
def served(company: Path) -> Iterator[Running]:
    with serving(Sandbox(company, record=True, ease=1000)) as run:
        yield run


@pytest.fixture
def living(company: Path, tmp_path: Path) -> Iterator[Running]:
    """A copy that tests may change."""
    shutil.copytree(company, tmp_path / "company")
    with serving(Sandbox(tmp_path / "company", record=True, ease=1000)) as run:
        yield run


def client(run: Running, key: str = KEY) -> httpx.Client:
    return httpx.Client(base_url=f"{run.url}/mailchimp/3.0", auth=("anystring", key))


def listed(run: Running, path: str, name: str, *, count: int = 1000, **query: Any) -> list[dict[str, Any]]:
    """Every record of a list, page by page to its end."""
    rows: list[dict[str, Any]] = []
    with client(run) as mailchimp:
        while True:
            ask = {"count": count, "offset": len(rows), **query}
            page = mailchimp.get(f"/{path}", params=ask).raise_for_status().json()
            rows += page[name]
            if len(page[name]) < count:
                assert page["total_items"] == len(rows)
                return rows


def everything(run: Running, reports: int = 10**6) -> dict[str, dict[str, dict[str, Any]]]:
    """All that can be read, by collection and id; of recipients those of the latest reports."""
    rows = {name: listed(run, name, name) for name in ("lists", "campaigns", "reports")}
    rows["members"] = listed(run, MEMBERS, "members") + listed(run, MEMBERS, "members", status="archived")
    found = {name: {row["id"]: row for row in each} for name, each in rows.items()}
    for name, part in PARTS.items():
        found[name] = {
            f"{report}:{row['email_id']}": row
            for report in list(found["reports"])[-reports:]
            for row in listed(run, f"reports/{report}/{part}", NAMES.get(name, name))
        }
    return found


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_lists_paged_to_their_ends_give_every_record_once(served: Running) -> None:
    store = served.sandbox.stores["mailchimp"]
    for path, name, count in ((MEMBERS, "members", 50), ("campaigns", "campaigns", 10), ("reports", "reports", 7)):
        rows = listed(served, path, name, count=count)
        assert [row["id"] for row in rows] == [r.id for r in store.page(name, limit=10**6)]
        assert len(rows) > 2 * count
    for name, part in PARTS.items():
        for report in store.page("reports", limit=3):
            rows = listed(served, f"reports/{report.id}/{part}", NAMES.get(name, name), count=5)
            keys = [r.id for r in store.page(name, limit=10**6, parent=report.id)]
            assert [f"{report.id}:{row['email_id']}" for row in rows] == keys


def test_members_are_known_by_the_hash_of_their_address(served: Running) -> None:
    rows = listed(served, MEMBERS, "members")
    assert all(row["id"] == md5(row["email_address"].lower().encode()).hexdigest() for row in rows)
    assert len({row["email_address"].lower() for row in rows}) == len(rows)
    assert {row["status"] for row in rows} == {"subscribed", "unsubscribed"}
    assert all(("unsubscribe_reason" in row) == (row["status"] == "unsubscribed") for row in rows)


def test_members_can_be_asked_for_by_their_last_change(served: Running) -> None:
    rows = listed(served, MEMBERS, "members", sort_field="last_changed", sort_dir="ASC")
    times = [row["last_changed"] for row in rows]
    assert times == sorted(times)
    middle = times[len(times) // 2]
    later = listed(served, MEMBERS, "members", since_last_changed=middle)
    assert {r["id"] for r in later} == {r["id"] for r in rows if at(r["last_changed"]) > at(middle)}
    earlier = listed(served, MEMBERS, "members", before_last_changed=middle, sort_field="last_changed", sort_dir="DESC")
    assert [r["id"] for r in earlier] == [r["id"] for r in reversed(rows) if at(r["last_changed"]) < at(middle)]
    opted = listed(served, MEMBERS, "members", since_timestamp_opt=middle)
    assert {r["id"] for r in opted} == {r["id"] for r in rows if at(r["timestamp_opt"]) > at(middle)}
    gone = listed(served, MEMBERS, "members", status="unsubscribed", count=20)
    assert [r["id"] for r in gone] == [r["id"] for r in listed(served, MEMBERS, "members") if r in gone]


def test_fields_can_be_chosen(served: Running) -> None:
    with client(served) as mailchimp:
        some = mailchimp.get(
            f"/{MEMBERS}", params={"fields": "members.id,members.merge_fields.LNAME,total_items"}
        ).json()
        less = mailchimp.get(f"/{MEMBERS}", params={"exclude_fields": "_links,members._links,members.stats"}).json()
    assert some.keys() == {"members", "total_items"}
    assert all(r.keys() == {"id", "merge_fields"} and r["merge_fields"].keys() == {"LNAME"} for r in some["members"])
    assert less.keys() == {"members", "list_id", "total_items"}
    assert not any({"_links", "stats"} & row.keys() for row in less["members"])
    assert "location" in less["members"][0]


def test_activity_since_a_moment_is_of_those_who_did_something_then(served: Running) -> None:
    report = listed(served, "reports", "reports")[-2]
    path = f"reports/{report['id']}/email-activity"
    rows = listed(served, path, "emails")
    assert len(rows) == report["emails_sent"]
    assert any(not row["activity"] for row in rows)
    middle = sorted(act["timestamp"] for row in rows for act in row["activity"])[2]
    later = listed(served, path, "emails", since=middle)
    wanted = {r["email_id"]: [a for a in r["activity"] if at(a["timestamp"]) > at(middle)] for r in rows}
    assert {r["email_id"]: r["activity"] for r in later} == {id: acts for id, acts in wanted.items() if acts}


def test_reports_add_up(served: Running) -> None:
    found = everything(served)
    for id, report in found["reports"].items():
        acts = [a for k, r in found["email_activity"].items() if k.startswith(id) for a in r["activity"]]
        opens = [a for a in acts if a["action"] == "open"]
        assert report["opens"]["opens_total"] == len(opens)
        assert report["clicks"]["clicks_total"] == len(acts) - len(opens)
        assert report["opens"].get("last_open") == max((a["timestamp"] for a in opens), default=None)
        assert report["emails_sent"] == sum(k.startswith(id) for k in found["sent_to"])
        assert report["unsubscribed"] == sum(k.startswith(id) for k in found["unsubscribes"])
        assert found["campaigns"][id]["report_summary"]["opens"] == len(opens)
    for key, row in found["sent_to"].items():
        assert row["open_count"] == sum(a["action"] == "open" for a in found["email_activity"][key]["activity"])
    states = [row["status"] for row in found["members"].values()]
    assert found["lists"][LIST_ID]["stats"]["member_count"] == states.count("subscribed")


def test_the_truth_is_of_what_is_served(tmp_path: Path, scale: float) -> None:
    store, truth = Store(tmp_path / "mailchimp.sqlite"), Truth()
    trade = make_trade(7, scale)
    VENDOR.fill(Out(source="mailing", folder=tmp_path, seed=7, scale=scale, trade=trade, truth=truth), store)
    members = [r.body for r in store.page("members", limit=10**6)]
    acts = sum(len(r.body["activity"]) for r in store.page("email_activity", limit=10**6))
    counted = {
        "contact": len(members),
        "campaign": store.count("campaigns") - len(truth.bad),
        "consent_event": len(members) + sum(body["status"] == "unsubscribed" for body in members),
        "marketing_touch": store.count("sent_to") + acts + store.count("unsubscribes"),
    }
    totals = truth.frames()["totals"].filter(measure="rows")
    assert dict(totals.select("entity", "value").iter_rows()) == counted
    assert [row["source_id"] for row in truth.bad] == [
        r.id for r in store.page("campaigns", limit=10**6) if not (r.body["settings"]["title"])
    ]
    people = truth.frames()["identity"]
    assert set(people["source_id"]) == {f"{LIST_ID}:{body['id']}" for body in members}
    by_key = {f"{LIST_ID}:{body['id']}": body for body in members}
    names = {"given_name": "FNAME", "family_name": "LNAME"}
    dirty = [{k: str(v) for k, v in row.items()} for row in truth.mended if row["column"] in names]
    assert dirty
    assert all(by_key[r["source_id"]]["merge_fields"][names[r["column"]]] == r["dirty"] for r in dirty)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/campaigns?count=1001", "count"),
        ("/campaigns?count=all", "count"),
        ("/campaigns?offset=-1", "offset"),
        ("/campaigns?page=2", "page"),
        ("/campaigns?status=ended", "status"),
        ("/campaigns?sort_field=title", "sort_field"),
        (f"/{MEMBERS}?since_last_changed=yesterday", "since_last_changed"),
        # A plus that is not encoded is a space.
        (f"/{MEMBERS}?since_last_changed=2025-10-21T15:41:36+00:00", "since_last_changed"),
        (f"/{MEMBERS}?since=2025-10-21T15:41:36Z", "since"),
        (f"/{MEMBERS}?sort_field=last_changed&sort_dir=asc", "sort_dir"),
        (f"/{MEMBERS}?status=active", "status"),
    ],
)
def test_what_mailchimp_refuses_is_refused(served: Running, path: str, field: str) -> None:
    with client(served) as mailchimp:
        answer = mailchimp.get(path)
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (400, 400)
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert problem["errors"][0]["field"] == field


def test_keys_and_missing_resources(served: Running) -> None:
    with client(served, "other-us6") as stranger:
        refused = stranger.get("/ping")
    assert (refused.status_code, refused.json()["title"]) == (401, "API Key Invalid")
    bearer = httpx.get(f"{served.url}/mailchimp/3.0/ping", headers={"Authorization": f"Bearer {KEY}"})
    assert bearer.json() == {"health_status": "Everything's Chimpy!"}
    with client(served) as mailchimp:
        for path in (
            "/lists/none/members",
            f"/{MEMBERS}/none",
            "/reports/none",
            "/reports/none/sent-to",
            "/automations",
        ):
            answer = mailchimp.get(path)
            assert (answer.status_code, answer.json()["title"]) == (404, "Resource Not Found")


def test_too_many_at_once_are_refused(company: Path) -> None:
    with serving(Sandbox(company, ease=1)) as run, client(run) as mailchimp:
        answers = [mailchimp.get("/ping") for _ in range(60)]
    refused = [a for a in answers if a.status_code == 429]
    assert refused
    assert all(a.status_code == 200 for a in answers[:10])
    assert "10 simultaneous connections" in refused[0].json()["detail"]


def test_a_night_changes_just_what_it_says(living: Running) -> None:
    before = everything(living)
    changes = living.sandbox.night()["mailchimp"]
    after = everything(living)
    assert changes.keys() == before.keys()
    for name, told in changes.items():
        assert set(told.added) == after[name].keys() - before[name].keys()
        assert set(told.deleted) == before[name].keys() - after[name].keys()
        same = after[name].keys() & before[name].keys()
        assert set(told.changed) == {i for i in same if after[name][i] != before[name][i]}
    assert {name for name, told in changes.items() if told.deleted} == {"members", "campaigns"}
    states = {after["members"][id]["status"] for id in changes["members"].changed}
    assert states == {"subscribed", "unsubscribed", "cleaned", "archived"}
    latest = max(row["last_changed"] for row in before["members"].values())
    recent = listed(living, MEMBERS, "members", since_last_changed=latest)
    recent += listed(living, MEMBERS, "members", since_last_changed=latest, status="archived")
    assert {row["id"] for row in recent} == {*changes["members"].added, *changes["members"].changed}


def test_only_those_who_ask_see_archived_members_and_nobody_sees_deleted_ones(living: Running) -> None:
    told = living.sandbox.night()["mailchimp"]["members"]
    shown = {row["id"] for row in listed(living, MEMBERS, "members")}
    archived = {row["id"] for row in listed(living, MEMBERS, "members", status="archived")}
    assert len(archived) == 1
    assert archived < set(told.changed)
    assert not shown & archived
    with client(living) as mailchimp:
        assert mailchimp.get(f"/{MEMBERS}/{next(iter(archived))}").json()["status"] == "archived"
        assert mailchimp.get(f"/{MEMBERS}/{told.deleted[0]}").status_code == 404


def test_merge_fields_come_and_go_with_the_nights(living: Running) -> None:
    fields: list[set[str]] = []
    for _ in range(3):
        told = living.sandbox.night()["mailchimp"]["members"]
        rows = {r["id"]: r for r in listed(living, MEMBERS, "members")}
        fields.append({name for id in told.added for name in rows[id]["merge_fields"]})
    assert fields == [
        {"FNAME", "LNAME", "SHOP"},
        {"FNAME", "LNAME", "SHOP", "BIRTHDAY"},
        {"FNAME", "LNAME", "BIRTHDAY"},
    ]


def test_nights_are_the_same_every_time(company: Path, tmp_path: Path) -> None:
    told = []
    for name in ("one", "other"):
        shutil.copytree(company, tmp_path / name)
        told.append(Sandbox(tmp_path / name).night()["mailchimp"])
    assert told[0] == told[1]


def test_a_page_that_moves_makes_offsets_skip(living: Running) -> None:
    ids = {row["id"] for row in listed(living, MEMBERS, "members")}
    living.plan("mailchimp", "moving_page", after=1)
    by_offset = listed(living, MEMBERS, "members", count=50, sort_field="last_changed")
    assert living.sandbox.faults["mailchimp"].struck == ["moving_page"]
    assert len({row["id"] for row in by_offset}) == len(ids) - 1
    assert {row["id"] for row in listed(living, MEMBERS, "members")} == ids
    newest = listed(living, MEMBERS, "members", sort_field="last_changed", sort_dir="DESC")[0]
    assert newest["id"] == by_offset[-1]["id"]
    assert at(newest["last_changed"]) - at(by_offset[-2]["last_changed"]) > timedelta(0)


def test_a_key_that_is_refused_once_works_again(living: Running) -> None:
    living.plan("mailchimp", "expired_token", after=0)
    with client(living) as mailchimp:
        assert [mailchimp.get("/campaigns").status_code for _ in range(2)] == [401, 200]


def test_faults_strike_lists_and_not_objects(living: Running) -> None:
    report = listed(living, "reports", "reports")[0]["id"]
    living.plan("mailchimp", "server_error", after=0)
    with client(living) as mailchimp:
        assert mailchimp.get(f"/reports/{report}").status_code == 200
        assert mailchimp.get(f"/reports/{report}/sent-to").status_code in (500, 503)
    living.plan("mailchimp", "reordered_page", after=0)
    with client(living) as mailchimp:
        pages = [mailchimp.get(f"/reports/{report}/sent-to").json()["sent_to"] for _ in range(2)]
    assert pages[0] == pages[1][::-1]


def test_every_answer_is_as_mailchimp_describes_it(living: Running, real_data: Path) -> None:
    spec = Spec.load("mailchimp", paths=[real_data / DESCRIPTION], base="/mailchimp", closed=True)
    for _ in range(3):
        found = everything(living, reports=4)
        living.sandbox.night()
    with client(living) as mailchimp:
        id = next(iter(found["reports"]))
        for path in ("/ping", f"/lists/{LIST_ID}", f"/reports/{id}", f"/campaigns/{id}"):
            mailchimp.get(path).raise_for_status()
        mailchimp.get(f"/{MEMBERS}/{next(iter(found['members']))}").raise_for_status()
        mailchimp.get(f"/{MEMBERS}", params={"fields": "members.id,total_items"}).raise_for_status()
    good = list(living.sandbox.exchanges)
    report = spec.check(good)
    assert not report.failures, report.text()
    assert len(report.operations) == 12
    assert sum(t.responses for t in report.operations.values()) == len(good)
    with client(living) as mailchimp:
        refused = [mailchimp.get(path).status_code for path in ("/reports/none", "/campaigns?count=2000")]
    with client(living, "other") as stranger:
        refused.append(stranger.get("/ping").status_code)
    assert refused == [404, 400, 401]
    # Open: of a refusal that concerns a parameter, the description leaves out `errors`, which the documentation shows.
    spec = Spec.load("mailchimp", paths=[real_data / DESCRIPTION], base="/mailchimp")
    report = spec.check(living.sandbox.exchanges[len(good) :], requests=False)
    assert not report.failures, report.text()
