"""The WooCommerce connector beyond what is true of all: shifting pages, the trash, old shops, and the clean rows."""

from __future__ import annotations

import importlib
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import pytest

from connectors import registry
from connectors.base import ConnectorError
from sandbox.days import TIMEZONE
from sandbox.store import Record
from sandbox.trade import Trade, make_trade
from sandbox.vendors import woocommerce
from sandbox.vendors.woocommerce import LISTS
from sandbox.vendors.woocommerce.nights import times
from tests.connectors.cleaning import cleaning
from tests.connectors.served import SCALE, SEED, Served, served

#: The module; the package has a function of that name.
resources = importlib.import_module("connectors.woocommerce.resources")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def shop(made: Path, tmp_path: Path) -> Iterator[Served]:
    with served("woocommerce", made=made, root=tmp_path, record=True) as one:
        yield one


@pytest.fixture(scope="module")
def trade() -> Trade:
    return make_trade(SEED, SCALE)


def asked(one: Served, name: str) -> list[dict[str, str]]:
    """Parameters of the requests for a list since the last time."""
    found = [e for e in one.running.sandbox.exchanges if e.path.endswith(f"/v3/{name}")]
    one.running.sandbox.exchanges.clear()
    return [{k: v[0] for k, v in parse_qs(e.query).items()} for e in found]


def connect(one: Served) -> list[str]:
    ask = registry.get("woocommerce").connect
    assert ask is not None
    return ask(one.source)


def live(one: Served, table: str) -> set[str]:
    return {id for (id,) in one.sql(f"SELECT id FROM raw.{table} WHERE NOT is_deleted")}


def stored(one: Served, name: str) -> dict[str, Record]:
    return {r.id: r for r in one.store.page(LISTS[name].collection, limit=1_000_000)}


def cents(value: Any) -> int:
    return int(Decimal(value) * 100)


def test_a_first_load_holds_what_the_shop_holds_to_the_letter(shop: Served) -> None:
    report = shop.load()
    assert {c.table: c.difference for c in report.counts} == dict.fromkeys(LISTS, 0)
    for name in LISTS:
        held = {id: json.loads(payload) for id, payload in shop.sql(f"SELECT id, payload FROM raw.{name}")}
        expected = stored(shop, name)
        assert held.keys() == expected.keys()
        for id, record in expected.items():
            without = {k: v for k, v in held[id].items() if k in record.body}
            assert without == record.body
    assert shop.sql("SELECT id, payload->>'$.value' FROM raw.settings ORDER BY id") == [
        ("woocommerce_currency", "EUR"),
        ("woocommerce_weight_unit", "kg"),
    ]


def test_orders_are_the_companys_to_the_cent(shop: Served, trade: Trade) -> None:
    shop.load()
    with cleaning(shop) as clean:
        orders = {row["order_number"]: row for row in clean("sales_order")}
        lines, refunds = clean("order_line"), clean("refund")
    assert len(orders) == trade.orders.height
    status = {"delivered": "completed", "shipped": "completed"}
    for order in trade.orders.iter_rows(named=True):
        row = orders[order["order_number"]]
        for amount in ("subtotal", "discount", "shipping", "tax", "total"):
            assert cents(row[amount]) == order[amount]
        assert row["status"] == status.get(order["status"], order["status"])
        assert (row["currency"], row["contact_id"] is None) == (order["currency"], order["is_guest"])
        assert row["ordered_at"].astimezone(ZoneInfo(TIMEZONE)).replace(tzinfo=UTC).timestamp() == order["ordered"]
    lines.sort(key=lambda row: int(row["source_id"]))
    assert len(lines) == trade.lines.height
    for row, line in zip(lines, trade.lines.iter_rows(named=True), strict=True):
        assert (cents(row["unit_price"]), cents(row["total"])) == (line["unit_price"], line["total"])
        assert (cents(row["discount"]), row["quantity"]) == (line["discount"], line["quantity"])
        assert row["line_number"] == line["position"]
    assert sum(cents(row["amount"]) for row in refunds) == trade.refunds["amount"].sum()
    numbers = trade.orders["order_number"].gather(trade.refunds["order"])
    assert [row["order_number"] for row in refunds] == numbers.to_list()


def test_products_are_what_is_sold_and_contacts_who_buys(shop: Served, trade: Trade) -> None:
    store = shop.store
    admin = store.page("customer", limit=1)[0]
    body = {**admin.body, "id": 1, "role": "administrator", "is_paying_customer": False}
    store.put("customer", [replace(admin, id="1", body=body)])
    shop.load()
    with cleaning(shop) as clean:
        products = {row["source_id"]: row for row in clean("product")}
        bought = {row["product_id"] for row in clean("order_line")}
        orders, people = clean("sales_order"), {row["source_id"] for row in clean("contact")}
    assert len(products) == trade.products.height
    assert {row["sku"] for row in products.values()} == {sku.upper() for sku in trade.products["sku"]}
    prices = {row["sku"]: cents(row["price"]) for row in products.values()}
    assert prices == dict(trade.products.select("sku", "EUR").iter_rows())
    assert {(row["currency"], row["brand"] is None, row["category"] is None) for row in products.values()} == {
        ("EUR", False, False)
    }
    grams = {row["sku"]: row["weight_grams"] for row in products.values()}
    assert grams == dict(trade.products.select("sku", "grams").iter_rows())
    assert bought <= products.keys()
    assert "1" in live(shop, "customers")
    assert people == live(shop, "customers") - {"1"}
    assert {row["contact_id"] for row in orders} - {None} <= people
    assert {row["utm_source"] for row in orders} == {None, "google", "facebook", "newsletter"}
    assert all(row["campaign"] for row in orders if row["utm_source"])


def test_amounts_of_a_shop_whose_prices_are_without_tax(shop: Served) -> None:
    record = next(r for r in stored(shop, "orders").values() if r.body["coupon_lines"])
    body = {**record.body, "prices_include_tax": False}
    shop.store.put("order", [replace(record, body=body)])
    shop.load()
    with cleaning(shop) as clean:
        (row,) = (r for r in clean("sales_order") if r["source_id"] == record.id)
        lines = [r for r in clean("order_line") if r["order_id"] == record.id]
    assert cents(row["discount"]) == cents(body["discount_total"]) > 0
    assert row["total"] == row["subtotal"] - row["discount"] + row["shipping"] + row["tax"]
    assert sum(cents(line["total"]) for line in lines) == sum(cents(line["total"]) for line in body["line_items"])


def test_only_what_changed_is_asked_for_again(shop: Served) -> None:
    shop.load()
    newest = max(r.body["date_modified_gmt"] for r in stored(shop, "orders").values())
    shop.running.sandbox.night()
    shop.running.sandbox.exchanges.clear()
    shop.load()
    (bound,) = {query["modified_after"] for query in asked(shop, "orders") if "modified_after" in query}
    # An hour of look-back, and a second because the bound itself is left out.
    assert bound < newest
    assert (Decimal(bound[11:13]) + 1) % 24 == Decimal(newest[11:13]) or bound[14:] == "59:59"


def test_more_than_a_page_within_one_second_is_read_in_the_order_of_ids(
    shop: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an import, which changes thousands at once; equal times come in another order each time."""
    at = shop.running.sandbox.now() // 1000 * 1000
    records = list(stored(shop, "orders").values())
    batch = [replace(r, body={**r.body, **times("date_modified", at)}, updated=at) for r in records[100:450]]
    shop.store.put("order", batch)

    def shuffled(found: list[Record], query: Any) -> list[Record]:
        if query.orderby == "modified":
            return sorted(found, key=lambda r: (r.updated, random.random()))
        return in_order(found, query)

    in_order = woocommerce._sorted
    monkeypatch.setattr(woocommerce, "_sorted", shuffled)
    monkeypatch.delitem(woocommerce._ORDERS, "modified")
    # Nothing may mend what the pages lose.
    monkeypatch.setattr(resources, "_ids", lambda path, reading: iter(()))
    report = shop.load()
    assert report.tables["orders"] == len(records)
    assert live(shop, "orders") == stored(shop, "orders").keys()
    assert any(query["orderby"] == "id" and "modified_before" in query for query in asked(shop, "orders"))


def test_customers_deleted_while_they_are_read_hide_no_others(shop: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = list(stored(shop, "customers"))
    found, pages = woocommerce._found, []

    def deleting(store: Any, kind: Any, query: Any, parent: Any) -> Any:
        if kind.collection == "customer" and query.per_page == 100:
            pages.append(query.offset)
            if len(pages) == 2:
                for id in ids[:60]:
                    store.delete("customer", id, 0)
        return found(store, kind, query, parent)

    monkeypatch.setattr(woocommerce, "_found", deleting)
    shop.load()
    assert set(ids[60:]) <= live(shop, "customers")
    assert pages[:4] == [0, 90, 0, 90]
    report = shop.load()
    assert live(shop, "customers") == set(ids[60:])
    assert [c for c in report.counts if c.difference] == []


def test_the_trash_tells_of_deletions_and_the_count_of_the_rest(shop: Served) -> None:
    shop.load()
    before = dict(shop.sql("SELECT id, payload FROM raw.orders"))
    shop.running.sandbox.exchanges.clear()
    gone = shop.running.sandbox.night()["woocommerce"]
    shop.load()
    trashed, erased = gone["order"].deleted
    deleted = dict(shop.sql("SELECT id, payload FROM raw.orders WHERE is_deleted"))
    # What an order was stays, and does not become «trash».
    assert deleted == {id: before[id] for id in (trashed, erased)}
    requests = asked(shop, "orders")
    assert [query["status"] for query in requests if "status" in query] == ["trash"]
    assert any(query.get("_fields") == "id" and "offset" in query for query in requests)
    assert live(shop, "refunds") == stored(shop, "refunds").keys()
    # The trash alone finds what lies in it.
    shop.more["sweep"] = "never"
    (product,) = shop.running.sandbox.night()["woocommerce"]["product"].deleted
    shop.load()
    assert product not in live(shop, "products")


def test_a_shop_too_old_for_lists_of_variations_and_refunds_goes_without(
    shop: Served, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(LISTS, "variations")
    monkeypatch.delitem(LISTS, "refunds")
    with served("woocommerce", made=made, root=tmp_path / "old") as old:
        assert connect(old) == []
        findings = old.load().findings
        assert sorted((f.kind, f.table) for f in findings) == [
            ("missing_table", "refunds"),
            ("missing_table", "variations"),
        ]
        with cleaning(old) as clean:
            simple = [r for r in stored(old, "products").values() if r.body["type"] == "simple"]
            assert len(clean("product")) == len(simple)
            assert clean("refund") == []


@pytest.mark.parametrize(
    ("note", "value", "words"),
    [("permission", "write", "only write"), ("role", "customer", "shop manager or an administrator")],
)
def test_a_key_that_may_not_read_is_told_what_it_needs(shop: Served, note: str, value: str, words: str) -> None:
    assert connect(shop) == []
    shop.store.write_note(note, value)
    sentences = connect(shop)
    assert sentences
    assert all(words in sentence for sentence in sentences)
    with pytest.raises(ConnectorError, match=words):
        shop.load()


def test_plain_permalinks_are_named(shop: Served) -> None:
    shop.more["base_url"] = f"{shop.running.url}/woocommerce/elsewhere"
    assert "permalinks" in connect(shop)[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [({}, None), ({"shop": "http://shop.example"}, "shop"), ({"tables": ["coupons"]}, "no table coupons")],
)
def test_options(shop: Served, options: dict[str, Any], words: str | None) -> None:
    shop.more |= options
    problems = registry.get("woocommerce").problems(shop.source)
    assert (problems == []) if words is None else (len(problems) == 1 and words in problems[0])
