"""Stripe's connector against the sandbox: what lands, what a night changes, missed events, keys, what mappings give."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import orjson
import polars as pl
import pytest

from connectors import registry
from connectors._api.resource import Page, Reading
from connectors.base import ConnectorError
from connectors.load import load
from connectors.stripe import StripeOptions
from connectors.stripe.resources import resources
from sandbox.exports.kit import Out
from sandbox.store import Record, Store
from sandbox.trade import make_trade
from sandbox.truth import Truth
from sandbox.vendors.stripe import API_VERSION, RESTRICTED, VENDOR
from tests.connectors.cleaning import CleanedById, cleaning_by_id
from tests.connectors.served import SCALE, SEED, Served, served

TABLES = ("balance_transactions", "charges", "customers", "invoices", "refunds", "subscriptions")
ENTITIES = {
    "contact": "customers",
    "payment": "charges",
    "refund": "refunds",
    "subscription": "subscriptions",
    "invoice": "invoices",
}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def stripe(made: Path, tmp_path: Path) -> Iterator[Served]:
    with served("stripe", made=made, root=tmp_path, record=True) as one:
        yield one


def held(one: Served, table: str) -> dict[str, dict[str, Any]]:
    rows = one.sql(f"SELECT id, payload FROM raw.{table} WHERE NOT is_deleted")
    return {id: orjson.loads(payload) for id, payload in rows}


def stored(one: Served, table: str) -> dict[str, dict[str, Any]]:
    return {r.id: r.body for r in one.store.page(table, limit=10**6)}


def asked(one: Served) -> list[str]:
    """What was asked for since the last time, in the order of asking."""
    exchanges = one.running.sandbox.exchanges
    said = [e.path.removeprefix("/stripe/v1/") + (f"?{e.query}" if e.query else "") for e in exchanges]
    exchanges.clear()
    return said


def test_a_first_load_holds_what_the_store_holds(stripe: Served) -> None:
    stripe.load()
    assert tuple(stripe.tables()) == TABLES
    for table in TABLES:
        assert held(stripe, table) == stored(stripe, table)
    assert {e.headers["stripe-version"] for e in stripe.running.sandbox.exchanges} == {API_VERSION}


def test_a_night_changes_what_it_says_and_asks_for_no_more(stripe: Served) -> None:
    stripe.load()
    pages = len([path for path in asked(stripe) if path.startswith("charges?")])
    for _ in range(3):
        changes = stripe.running.sandbox.night()["stripe"]
        report = stripe.load()
        assert [f for f in report.findings if not f.kind.startswith("column_")] == []
        for table in TABLES:
            told = changes[table]
            assert held(stripe, table) == stored(stripe, table)
            assert report.tables[table] == len({*told.added, *told.changed, *told.deleted})
            gone = {id for (id,) in stripe.sql(f"SELECT id FROM raw.{table} WHERE is_deleted")}
            assert set(told.deleted) <= gone
        assert len([path for path in asked(stripe) if path.startswith("charges?")]) < pages / 2


def test_a_deleted_customer_stays_as_it_was_last(stripe: Served) -> None:
    stripe.load()
    before = held(stripe, "customers")
    (gone,) = stripe.running.sandbox.night()["stripe"]["customers"].deleted
    stripe.load()
    ((payload, at),) = stripe.sql(f"SELECT payload, deleted_at FROM raw.customers WHERE id = '{gone}' AND is_deleted")
    assert orjson.loads(payload) == before[gone]
    assert at is not None


def test_everything_is_read_again_where_events_were_missed(stripe: Served) -> None:
    stripe.load()
    stripe.running.sandbox.night()
    for record in stripe.store.page("events", limit=10**6):
        stripe.store.delete("events", record.id, record.created)
    last = Record(
        id="evt_1last", body={**record.body, "id": "evt_1last"}, created=record.created, updated=record.created
    )
    stripe.store.put("events", [last])
    report = stripe.load()
    notes = {f.table: f.detail for f in report.findings if f.kind == "note"}
    assert notes.keys() == set(TABLES) - {"balance_transactions"}
    assert "30 days" in notes["charges"]
    for table in ("charges", "refunds", "subscriptions"):
        assert held(stripe, table) == stored(stripe, table)
    assert [f for f in stripe.load().findings if f.kind == "note"] == []


def test_a_weekly_sweep_finds_deletions_that_no_event_told_of(stripe: Served) -> None:
    stripe.load()
    gone = next(iter(stored(stripe, "customers")))
    stripe.store.delete("customers", gone, 1)
    assert not stripe.load().changed
    stripe.more["sweep"] = "nightly"
    counts = {c.table: (c.source_rows, c.held_rows, c.how) for c in stripe.load().counts}
    assert stripe.sql("SELECT id FROM raw.customers WHERE is_deleted") == [(gone,)]
    tables = [table for table in TABLES if table != "balance_transactions"]
    assert counts == {t: (len(stored(stripe, t)), len(stored(stripe, t)), "id sweep") for t in tables}
    assert held(stripe, "customers") == stored(stripe, "customers")


def test_a_first_read_that_is_cut_off_goes_on_and_hears_of_what_changed_meanwhile(
    stripe: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["connectors.stripe.resources"], "_LARGEST", 20)
    stripe.more["tables"] = ["charges"]
    stripe.running.plan("stripe", "expired_token", after=9)
    with pytest.raises(ConnectorError, match="key was refused"):
        stripe.load()
    assert not (stripe.root / "raw/source.duckdb").exists()
    stripe.running.sandbox.night()
    asked(stripe)
    stripe.load()
    assert "starting_after" in asked(stripe)[0]
    assert held(stripe, "charges") != stored(stripe, "charges")
    stripe.load()
    assert held(stripe, "charges") == stored(stripe, "charges")


def test_a_read_of_changes_that_is_cut_off_goes_on(stripe: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["connectors.stripe.resources"]
    monkeypatch.setattr(module, "_FETCHED", 2)
    stripe.more["tables"] = ["charges"]
    stripe.load()
    stripe.running.sandbox.night()
    calls = 0

    def breaking(*told: Any) -> Iterator[Page]:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise ConnectorError("source: broken")
        return fetch(*told)

    fetch = module._fetch
    monkeypatch.setattr(module, "_fetch", breaking)
    asked(stripe)
    with pytest.raises(ConnectorError, match="broken"):
        stripe.load()
    done = [path for path in asked(stripe) if path.startswith("charges/")]
    assert len(done) == 4
    stripe.load()
    rest = [path for path in asked(stripe) if path.startswith("charges/")]
    assert rest
    assert min(rest) > max(done)
    assert held(stripe, "charges") == stored(stripe, "charges")
    assert not stripe.load().changed


def test_a_full_read_asks_for_lists_alone(stripe: Served) -> None:
    stripe.more["full_read"] = True
    stripe.load()
    for _ in range(2):
        stripe.running.sandbox.night()
        stripe.load()
        for table in TABLES:
            assert held(stripe, table) == stored(stripe, table)
    requests = asked(stripe)
    assert not [path for path in requests if "created" in path or path.startswith("events") or "/" in path]
    assert not stripe.load().changed


def test_a_start_date_bounds_what_is_read(stripe: Served) -> None:
    stripe.more["start_date"] = "2026-06-01"
    stripe.load()
    first = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
    wanted = {id for id, body in stored(stripe, "charges").items() if body["created"] >= first}
    assert held(stripe, "charges").keys() == wanted
    assert wanted != stored(stripe, "charges").keys()


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
    def page(path: str, has_more: bool, *ids: str) -> bytes:
        return orjson.dumps({"url": path, "has_more": has_more, "data": [{"id": id, "created": 1} for id in ids]})

    first = page("/v1/customers", True, "cus_4", "cus_3")
    answers = Answers(
        [
            page("/v1/charges", False, "ch_1"),
            first,
            first,
            b'{"object":"list"}',
            page("/v1/customers", False, "cus_2"),
        ]
    )
    reading = Reading(api=answers, options=StripeOptions(key="k", full_read=True), until=datetime.now(UTC))  # type: ignore[arg-type]
    customers = next(r for r in resources(full_read=True) if r.name == "customers")
    records = [orjson.loads(bytes(record))["id"] for p in customers.read(reading) for record in p.records]
    assert records == ["cus_4", "cus_3", "cus_2"]
    assert answers.refused == ["no page of /v1/customers", "the same page again", "no page of /v1/customers"]


def test_missing_permissions_are_named(stripe: Served) -> None:
    connector = registry.get("stripe")
    assert connector.connect is not None
    stripe.more["key"] = RESTRICTED
    sentences = connector.connect(stripe.source)
    assert [s.partition("permission ")[2].partition(";")[0] for s in sentences] == [
        "rak_invoice_read",
        "rak_subscription_read",
    ]
    assert not any("demo-***" in s or RESTRICTED in s for s in sentences)
    with pytest.raises(ConnectorError, match="rak_"):
        load(stripe.source, raw_dir=stripe.root / "refused", wait_seconds=5)
    stripe.more["tables"] = ["customers", "charges"]
    assert connector.connect(stripe.source) == []
    stripe.load()
    filled = [t for t in stripe.tables() if stripe.sql(f"SELECT count(*) FROM raw.{t}")[0][0]]
    assert filled == ["charges", "customers"]


@pytest.fixture
def cleaned(stripe: Served) -> Iterator[CleanedById]:
    """Clean rows of an entity after a load, by id."""
    with cleaning_by_id(stripe) as rows:
        yield rows


def test_clean_rows_are_those_of_the_truth(cleaned: CleanedById, tmp_path: Path) -> None:
    truth = Truth()
    out = Out(source="payments", folder=tmp_path, seed=SEED, scale=SCALE, trade=make_trade(SEED, SCALE), truth=truth)
    VENDOR.fill(out, Store(tmp_path / "truth.sqlite"))
    totals = truth.frames()["totals"]
    for entity in ENTITIES:
        rows = cleaned(entity)
        bad = {row["source_id"] for row in truth.bad if row["entity"] == entity}
        assert len(rows) == totals.filter(entity=entity, measure="rows")["value"].item()
        assert not bad & rows.keys()
        for mended in (row for row in truth.mended if row["entity"] == entity):
            assert rows[str(mended["source_id"])][str(mended["column"])] == mended["clean"]
    paid = [row for row in cleaned("payment").values() if row["status"] == "succeeded"]
    summed = pl.DataFrame([{"currency": r["currency"], "value": int(r["amount"] * 100)} for r in paid])
    expected = totals.filter(measure="payment_succeeded").group_by("currency").agg(pl.col("value").sum())
    assert dict(summed.group_by("currency").agg(pl.col("value").sum()).iter_rows()) == dict(expected.iter_rows())


def test_fields_are_mapped(stripe: Served, cleaned: CleanedById) -> None:
    payments, charges = cleaned("payment"), stored(stripe, "charges")
    moves = stored(stripe, "balance_transactions")
    for id, row in payments.items():
        body = charges[id]
        assert (row["order_number"], row["contact_id"]) == (body["metadata"]["order_number"], body["customer"])
        assert (row["method"], row["currency"]) == (body["payment_method_details"]["type"], body["currency"].upper())
        assert row["paid_at"].timestamp() == body["created"]
        fee = moves[body["balance_transaction"]]["fee"] if body["paid"] else None
        assert row["fee"] == (None if fee is None else Decimal(fee) / 100)
    for id, row in cleaned("refund").items():
        body = stored(stripe, "refunds")[id]
        assert (row["payment_id"], row["amount"]) == (body["charge"], Decimal(body["amount"]) / 100)
        assert row["reason"] == (body["reason"] or body["metadata"]["reason"])
    customers = cleaned("contact")
    for id, row in cleaned("subscription").items():
        body = stored(stripe, "subscriptions")[id]
        price = body["items"]["data"][0]["price"]
        assert (row["plan"], row["amount"], row["interval"]) == (
            price["nickname"].lower(),
            Decimal(price["unit_amount"]) / 100,
            "month",
        )
        assert row["email"] == customers[body["customer"]]["email"]
        assert row["status"] == body["status"].replace("canceled", "cancelled")
    for id, row in cleaned("invoice").items():
        body = stored(stripe, "invoices")[id]
        assert row["invoice_number"] == (body["number"] or id)
        assert row["subtotal"] + row["tax"] == row["total"] == Decimal(body["total"]) / 100
        assert (row["paid_at"] is None) == (body["status"] != "paid")


def mapped(entity: str, **tables: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a mapping gives of these records."""
    folder = registry.get("stripe").mappings
    assert folder is not None
    with duckdb.connect() as con:
        con.execute("CREATE SCHEMA raw")
        for table in TABLES:
            con.execute(f"CREATE TABLE raw.{table} (id VARCHAR, payload JSON)")
            for record in tables.get(table, []):
                con.execute(f"INSERT INTO raw.{table} VALUES (?, ?)", [record["id"], orjson.dumps(record).decode()])
        found = con.execute((folder / f"{entity}.sql").read_text())
        return [dict(zip([c[0] for c in found.description], row, strict=True)) for row in found.fetchall()]


@pytest.mark.parametrize(
    ("charge", "status", "amount"),
    [
        ({"amount": 1999, "currency": "eur", "status": "succeeded", "captured": True}, "succeeded", "19.99"),
        ({"amount": 1999, "currency": "jpy", "status": "succeeded", "captured": True}, "succeeded", "1999"),
        ({"amount": 1999, "currency": "kwd", "status": "succeeded", "captured": True}, "succeeded", "1.999"),
        ({"amount": 1999, "currency": "eur", "status": "succeeded", "captured": False}, "pending", "19.99"),
        (
            {"amount": 1999, "amount_captured": 1500, "currency": "eur", "status": "succeeded", "captured": True},
            "succeeded",
            "15",
        ),
        (
            {"amount": 1999, "currency": "eur", "status": "succeeded", "captured": True, "disputed": True},
            "disputed",
            "19.99",
        ),
        ({"amount": 1999, "currency": "eur", "status": "failed", "captured": False}, "failed", "19.99"),
    ],
)
def test_amounts_and_states_of_payments(charge: dict[str, Any], status: str, amount: str) -> None:
    (row,) = mapped("payment", charges=[{"id": "ch_1", **charge}])
    assert (row["status"], row["amount"]) == (status, pytest.approx(float(amount)))


def test_a_fee_in_another_currency_is_not_the_payments(stripe: Served) -> None:
    charge = {"id": "ch_1", "amount": 1000, "currency": "chf", "captured": True, "balance_transaction": "txn_1"}
    same, other = ({"id": "txn_1", "fee": 50, "currency": currency} for currency in ("chf", "eur"))
    assert [row["fee"] for row in mapped("payment", charges=[charge], balance_transactions=[same])] == [0.5]
    assert [row["fee"] for row in mapped("payment", charges=[charge], balance_transactions=[other])] == [None]


def test_refunds_that_did_not_happen_are_left_out() -> None:
    refunds = [
        {"id": s, "amount": 5, "currency": "eur", "status": s} for s in ("succeeded", "failed", "canceled", "pending")
    ]
    assert [row["source_id"] for row in mapped("refund", refunds=refunds)] == ["succeeded", "pending"]


def test_a_subscription_sums_its_items() -> None:
    def item(amount: int | None, quantity: int, months: int = 1) -> dict[str, Any]:
        recurring = {"interval": "month", "interval_count": months}
        return {"price": {"unit_amount": amount, "nickname": "A", "recurring": recurring}, "quantity": quantity}

    def one(id: str, status: str, *items: dict[str, Any]) -> dict[str, Any]:
        return {"id": id, "status": status, "currency": "eur", "items": {"data": list(items)}}

    rows = mapped(
        "subscription",
        subscriptions=[
            one("two", "unpaid", item(500, 2), item(250, 1)),
            one("tiers", "incomplete_expired", item(None, 2), item(250, 1)),
            one("quarter", "trialing", item(500, 1, months=3)),
            one("none", "incomplete"),
            {"id": "old", "status": "active", "currency": "eur", "items": {"data": [
                {"plan": {"amount": 900, "interval": "year", "interval_count": 1, "nickname": "B"}, "quantity": 1}
            ]}},
        ],
    )  # fmt: skip
    found = {r["source_id"]: (r["status"], r["amount"], r["interval"], r["plan"]) for r in rows}
    assert found == {
        "two": ("past_due", 12.5, "month", "A, A"),
        "tiers": ("cancelled", None, "month", "A, A"),
        "quarter": ("trialing", 5.0, "quarter", "A"),
        "none": ("past_due", None, None, None),
        "old": ("active", 9.0, "year", "B"),
    }
