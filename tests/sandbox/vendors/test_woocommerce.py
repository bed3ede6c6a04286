"""WooCommerce as the sandbox serves it: asked as a client asks, with the company's truth behind it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from sandbox.exports.kit import Out
from sandbox.serve import Running, Sandbox, serving, store_path
from sandbox.store import Record, Store
from sandbox.trade import make_trade
from sandbox.truth import Truth
from sandbox.vendors.woocommerce import KEY, LISTS, SECRET, VENDOR

SCALE = 0.02
Rows = list[dict[str, Any]]


def filled(folder: Path) -> Truth:
    """A store with the small company's shop; gives the truth about it."""
    store, truth = Store(store_path(folder, "woocommerce")), Truth()
    trade = make_trade(7, SCALE)
    VENDOR.fill(Out(source="woocommerce", folder=folder, seed=7, scale=SCALE, trade=trade, truth=truth), store)
    store.close()
    return truth


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("woocommerce")
    filled(folder)
    with serving(Sandbox(folder, vendors={"woocommerce": VENDOR}, ease=1000)) as run:
        yield run


@pytest.fixture
def living(tmp_path: Path) -> Iterator[Running]:
    """One that tests may change."""
    filled(tmp_path)
    with serving(Sandbox(tmp_path, vendors={"woocommerce": VENDOR}, ease=1000)) as run:
        yield run


def address(run: Running, path: str) -> str:
    return f"{run.url}/woocommerce/wp-json/wc/v3/{path}"


def ask(run: Running, path: str, **query: str | int) -> httpx.Response:
    return httpx.get(address(run, path), params=query, auth=(KEY, SECRET), timeout=30)


def listed(run: Running, path: str, **query: str | int) -> Rows:
    """All records of a list, by the links to the next page."""
    answer = ask(run, path, **query).raise_for_status()
    rows = list(answer.json())
    while "next" in answer.links:
        answer = httpx.get(answer.links["next"]["url"], auth=(KEY, SECRET)).raise_for_status()
        rows += answer.json()
    return rows


def held(run: Running, name: str) -> list[Record]:
    return run.sandbox.stores["woocommerce"].page(LISTS[name].collection, limit=1_000_000)


def ids(rows: Rows) -> list[str]:
    return [str(row["id"]) for row in rows]


@pytest.mark.parametrize("name", LISTS)
def test_a_list_gives_every_record_once_and_says_how_many_there_are(served: Running, name: str) -> None:
    expected = sorted(record.id for record in held(served, name))
    size = 7 if len(expected) < 100 else 100
    assert sorted(ids(listed(served, name, per_page=size))) == expected
    answer = ask(served, name, per_page=size, page=2)
    assert int(answer.headers["x-wp-total"]) == len(expected)
    assert int(answer.headers["x-wp-totalpages"]) == -(-len(expected) // size)
    assert len(ask(served, name).json()) == min(10, len(expected))


@pytest.mark.parametrize(
    ("name", "sort", "field"),
    [
        ("orders", "date", "date_created_gmt"),
        ("orders", "modified", "date_modified_gmt"),
        ("orders", "id", "id"),
        ("products", "modified", "date_modified_gmt"),
        ("customers", "registered_date", "date_created_gmt"),
        ("customers", "name", "username"),
    ],
)
def test_lists_come_in_the_order_asked_for(served: Running, name: str, sort: str, field: str) -> None:
    up = [row[field] for row in listed(served, name, orderby=sort, order="asc", per_page=100)]
    down = [row[field] for row in listed(served, name, orderby=sort, order="desc", per_page=100)]
    assert up == sorted(up)
    assert down == sorted(down, reverse=True)


def test_orders_are_the_newest_first_and_customers_by_name_unless_asked_otherwise(served: Running) -> None:
    dates = [row["date_created"] for row in ask(served, "orders").json()]
    assert dates == sorted(dates, reverse=True)
    names = [row["username"] for row in ask(served, "customers").json()]
    assert names == sorted(names)


def test_windows_leave_their_ends_out(served: Running) -> None:
    rows = listed(served, "orders", orderby="modified", order="asc", per_page=100)
    times = [row["date_modified_gmt"] for row in rows]
    first, last = times[100], times[200]
    gmt: dict[str, str | int] = {"dates_are_gmt": "true", "per_page": 100}
    found = listed(served, "orders", modified_after=first, modified_before=last, **gmt)
    assert sorted(ids(found)) == sorted(str(r["id"]) for r in rows if first < r["date_modified_gmt"] < last)
    created = sorted(row["date_created_gmt"] for row in rows)[50]
    found = listed(served, "orders", after=created, **gmt)
    assert sorted(ids(found)) == sorted(str(r["id"]) for r in rows if r["date_created_gmt"] > created)


def test_times_without_an_offset_are_the_sites_own(served: Running) -> None:
    rows = listed(served, "orders", orderby="modified", order="asc", per_page=100)
    row = rows[150]
    moment = datetime.fromisoformat(row["date_modified_gmt"]).replace(tzinfo=UTC)
    assert row["date_modified"] == moment.astimezone(ZoneInfo("Europe/Berlin")).strftime("%Y-%m-%dT%H:%M:%S")
    expected = sum(r["date_modified_gmt"] > row["date_modified_gmt"] for r in rows)
    for query in (
        {"modified_after": row["date_modified"]},
        {"modified_after": row["date_modified_gmt"], "dates_are_gmt": "true"},
        {"modified_after": f"{row['date_modified_gmt']}Z"},
    ):
        assert int(ask(served, "orders", **query).headers["x-wp-total"]) == expected


def test_include_exclude_offset_and_fields(served: Running) -> None:
    some = [r.id for r in held(served, "orders")[10:14]]
    assert sorted(ids(ask(served, "orders", include=",".join(some)).json())) == some
    turned = ",".join(reversed(some))
    assert ids(ask(served, "orders", include=turned, orderby="include", order="asc").json()) == some[::-1]
    by_id: dict[str, str | int] = {"orderby": "id", "order": "asc", "per_page": 3}
    all_ids = [r.id for r in held(served, "orders")]
    assert ids(ask(served, "orders", **by_id, offset=4).json()) == all_ids[4:7]
    assert ids(ask(served, "orders", **by_id, exclude=all_ids[0]).json()) == all_ids[1:4]
    assert ask(served, "orders", _fields="id,status", per_page=1).json()[0].keys() == {"id", "status"}


def test_variations_and_refunds_by_their_parents(served: Running) -> None:
    parent = next(row for row in listed(served, "products", per_page=100) if row["type"] == "variable")
    variations = ask(served, f"products/{parent['id']}/variations").json()
    assert [row["id"] for row in variations] == parent["variations"]
    assert {row["parent_id"] for row in variations} == {parent["id"]}
    refund = listed(served, "refunds")[0]
    (same,) = ask(served, f"orders/{refund['parent_id']}/refunds").json()
    assert same["id"] == refund["id"]
    order = ask(served, f"orders/{refund['parent_id']}").json()
    assert order["refunds"] == [
        {"id": refund["id"], "reason": refund["reason"], "total": f"-{refund['amount']}"},
    ]


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("orders", {"per_page": 101}, "per_page"),
        ("orders", {"per_page": 0}, "per_page"),
        ("orders", {"page": 0}, "page"),
        ("orders", {"page": "one"}, "page"),
        ("orders", {"offset": -1}, "offset"),
        ("orders", {"orderby": "total"}, "orderby"),
        ("orders", {"order": "up"}, "order"),
        ("orders", {"status": "paid"}, "status"),
        ("orders", {"modified_after": "yesterday"}, "modified_after"),
        ("customers", {"orderby": "modified"}, "orderby"),
        ("customers", {"role": "buyer"}, "role"),
        ("products", {"status": "sold"}, "status"),
    ],
)
def test_parameters_that_are_wrong_are_refused(
    served: Running, path: str, query: dict[str, str | int], field: str
) -> None:
    answer = ask(served, path, **query)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (400, "rest_invalid_param")
    assert list(body["data"]["params"]) == [field]


def test_customers_know_no_windows_of_time(served: Running) -> None:
    everything = ask(served, "customers").headers["x-wp-total"]
    assert ask(served, "customers", modified_after="2026-10-01T00:00:00").headers["x-wp-total"] == everything


def test_who_has_no_key_and_what_is_not_there(served: Running) -> None:
    for auth in (None, (KEY, "cs_other"), ("ck_other", SECRET)):
        answer = httpx.get(address(served, "orders"), auth=auth)
        assert (answer.status_code, answer.json()["code"]) == (401, "woocommerce_rest_authentication_error")
    answer = ask(served, "orders/1")
    assert (answer.status_code, answer.json()["code"]) == (404, "woocommerce_rest_order_invalid_id")
    answer = ask(served, "settings/general/colour")
    assert (answer.status_code, answer.json()["code"]) == (404, "rest_setting_setting_invalid")
    assert ask(served, "settings/products/woocommerce_weight_unit").json()["value"] == "kg"
    answer = ask(served, "parcels")
    assert (answer.status_code, answer.json()["code"]) == (404, "rest_no_route")


def test_amounts_are_the_companys_to_the_cent(served: Running) -> None:
    trade = make_trade(7, SCALE).orders
    rows = {row["number"]: row for row in listed(served, "orders", per_page=100)}
    assert len(rows) == trade.height
    for order in trade.iter_rows(named=True):
        row = rows[order["order_number"]]
        assert cents(row["total"]) == order["total"]
        assert cents(row["total_tax"]) == order["tax"]
        assert cents(row["discount_total"]) + cents(row["discount_tax"]) == order["discount"]
        assert cents(row["shipping_total"]) + cents(row["shipping_tax"]) == order["shipping"]
        lines = sum(cents(line["total"]) + cents(line["total_tax"]) for line in row["line_items"])
        assert lines + order["shipping"] == order["total"]


def cents(text: str) -> int:
    return int(Decimal(text) * 100)


def test_a_night_changes_what_it_says_and_nothing_else(living: Running) -> None:
    before = {name: {str(r["id"]): r for r in listed(living, name, per_page=100)} for name in LISTS}
    began = datetime.fromtimestamp(living.sandbox.now() / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    changes = living.sandbox.night()["woocommerce"]
    for name in ("customers", "products", "orders", "refunds"):
        said = changes[LISTS[name].collection]
        after = {str(r["id"]): r for r in listed(living, name, per_page=100)}
        assert set(after) - set(before[name]) == set(said.added)
        assert set(before[name]) - set(after) == set(said.deleted)
        assert {i for i, r in after.items() if i in before[name] and r != before[name][i]} == set(said.changed)
        assert said.added
        assert said.deleted
        if name in ("products", "orders"):
            since = listed(living, name, modified_after=began, dates_are_gmt="true", per_page=100)
            assert set(ids(since)) == {*said.added, *said.changed}


def test_the_trash_is_seen_only_by_who_asks_for_it(living: Running) -> None:
    living.sandbox.night()
    for name in ("orders", "products"):
        (gone,) = listed(living, name, status="trash")
        assert gone["status"] == "trash"
        assert ask(living, f"{name}/{gone['id']}").json()["status"] == "trash"
        assert gone["id"] not in [row["id"] for row in listed(living, name, per_page=100)]
        assert gone["id"] not in [row["id"] for row in listed(living, name, per_page=100, status="any")]
        both = listed(living, name, per_page=100, status="any,trash")
        assert gone["id"] in [row["id"] for row in both]


def test_updates_of_the_shop_add_a_field_and_retype_one(living: Running) -> None:
    kinds = []
    for _ in range(3):
        living.sandbox.night()
        newest = ask(living, "orders", per_page=1).json()[0]
        prices = {type(row["price"]) for row in listed(living, "products", per_page=100)}
        kinds.append(("is_editable" in newest, prices))
    assert kinds == [(False, {str}), (True, {str}), (True, {str, float})]


def test_a_moving_page_moves_records_and_loses_none(living: Running) -> None:
    expected = {r.id for r in held(living, "orders")}
    pages = (
        ask(living, "orders", per_page=100, page=page, orderby="modified", order="asc").json()
        for page in itertools.count(1)
    )
    first = next(pages)
    living.plan("woocommerce", "moving_page")
    rest = [row for page in itertools.takewhile(bool, pages) for row in page]
    lost = expected - set(ids(first)) - set(ids(rest))
    assert len(lost) == 1
    (again,) = ask(living, "orders", include=lost.pop()).json()
    assert again["date_modified_gmt"] > first[0]["date_modified_gmt"]


def test_a_key_refused_once_works_again(living: Running) -> None:
    living.plan("woocommerce", "expired_token", after=0)
    assert ask(living, "orders").status_code == 401
    assert ask(living, "orders").status_code == 200


def test_the_same_seed_makes_the_same_shop_and_the_truth_counts_it(tmp_path: Path) -> None:
    made = []
    for name in ("one", "other"):
        truth = filled(tmp_path / name)
        store = Store(store_path(tmp_path / name, "woocommerce"))
        made.append({name: store.page(kind.collection, limit=1_000_000) for name, kind in LISTS.items()})
        store.close()
    assert made[0] == made[1]
    said = {r["entity"]: r["value"] for f in truth.totals for r in f.filter(f["measure"] == "rows").to_dicts()}
    assert said == {
        "contact": len(made[0]["customers"]),
        "product": len(made[0]["products"]),
        "sales_order": len(made[0]["orders"]),
        "refund": len(made[0]["refunds"]),
    }
