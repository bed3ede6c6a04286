"""Stripe's connector against `localstripe`, a stateful Stripe that somebody else wrote.

It knows no `created` filter but one, no `types`, sends no event of a changed charge, and lists the oldest first, so the
source reads everything each night (`full_read`), which needs nothing but lists and their cursors.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import orjson
import pytest

from connectors import registry
from connectors.base import ConnectorError, LoadReport, Source
from connectors.load import load

KEY = "sk_test_local"
TABLES = ("balance_transactions", "charges", "customers", "invoices", "refunds", "subscriptions")
#: Its own command listens on every interface and keeps its objects in a file of its own choice.
SERVER = """
import socket
from aiohttp import web
from localstripe import resources, server
resources.Store.dump_to_disk = lambda self: None
listening = socket.socket()
listening.bind(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
web.run_app(server.app, sock=listening, print=None, access_log=None)
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


class Shop:
    """A shop that uses this Stripe, and its warehouse."""

    def __init__(self, address: str, root: Path) -> None:
        self.root = root
        self.http = httpx.Client(base_url=f"{address}/v1", auth=(KEY, ""))
        self.options: dict[str, Any] = {
            "key": KEY,
            "base_url": address,
            "full_read": True,
            "attempts": 2,
            "first_pause_seconds": 0.01,
        }

    def post(self, path: str, **form: Any) -> dict[str, Any]:
        return self.http.post(f"/{path}", data=form).raise_for_status().json()

    def delete(self, path: str) -> None:
        self.http.delete(f"/{path}").raise_for_status()

    def customer(self, number: int) -> str:
        card = {
            "card[number]": "4242424242424242",
            "card[exp_month]": "12",
            "card[exp_year]": "2030",
            "card[cvc]": "123",
        }
        source = self.post("tokens", **card)["id"]
        mail = f"person{number}@example.org"
        return str(self.post("customers", name=f"Person {number}", email=mail, source=source)["id"])

    def charge(self, customer: str, amount: int) -> str:
        form = {"metadata[order_number]": f"MV{amount}"}
        return str(self.post("charges", customer=customer, amount=amount, currency="eur", **form)["id"])

    def listed(self, table: str) -> dict[str, dict[str, Any]]:
        """All objects of a kind, as this server lists them."""
        query: dict[str, Any] = {"limit": 10_000, **({"status": "all"} if table == "subscriptions" else {})}
        rows = self.http.get(f"/{table}", params=query).raise_for_status().json()["data"]
        return {row["id"]: row for row in rows}

    def load(self) -> LoadReport:
        """Loads, two seconds after the last change: this server's clock goes by seconds, and so does its Date."""
        time.sleep(2)
        source = Source(name="payments", connector="stripe", root=self.root, options=self.options)
        return load(source, raw_dir=self.root / "raw", wait_seconds=5)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.root / "raw/payments.duckdb"), read_only=True) as con:
            con.execute("SET TimeZone = 'UTC'")
            return con.execute(statement).fetchall()

    def held(self, table: str) -> dict[str, dict[str, Any]]:
        rows = self.sql(f"SELECT id, payload FROM raw.{table} WHERE NOT is_deleted")
        return {id: orjson.loads(payload) for id, payload in rows}

    def mapped(self, entity: str, columns: str) -> list[tuple[Any, ...]]:
        folder = registry.get("stripe").mappings
        assert folder is not None
        return self.sql(f"SELECT {columns} FROM ({(folder / f'{entity}.sql').read_text()}) ORDER BY source_id")


@pytest.fixture
def shop(address: str, tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(address, tmp_path)
    httpx.delete(f"{address}/_config/data", auth=(KEY, "")).raise_for_status()
    yield shop
    shop.http.close()


@pytest.fixture
def busy(shop: Shop) -> Shop:
    """With more objects than a page has."""
    customers = [shop.customer(number) for number in range(12)]
    charges = [shop.charge(customers[number % 12], 1_000 + number) for number in range(130)]
    for number in range(5):
        shop.post("refunds", charge=charges[number], amount=300)
    shop.post(
        "plans",
        id="monthly",
        amount=2490,
        currency="eur",
        interval="month",
        nickname="Kaffee",
        **{"product[name]": "K"},
    )
    for customer in customers[:3]:
        shop.post("subscriptions", customer=customer, **{"items[0][plan]": "monthly"})
    return shop


def test_everything_lands(busy: Shop) -> None:
    report = busy.load()
    assert report.tables == {table: len(busy.listed(table)) for table in TABLES}
    assert report.tables["charges"] > 130
    assert min(report.tables.values()) >= 3
    for table in TABLES:
        assert busy.held(table) == busy.listed(table)


def test_a_second_load_writes_nothing(busy: Shop) -> None:
    busy.load()
    before = (busy.root / "raw/payments.duckdb").read_bytes()
    report = busy.load()
    assert (report.changed, sum(report.tables.values())) == (False, 0)
    assert (busy.root / "raw/payments.duckdb").read_bytes() == before


def test_changes_and_deletions_come_with_the_next_load(busy: Shop) -> None:
    busy.load()
    customers, charges, subscriptions = (list(busy.listed(t)) for t in ("customers", "charges", "subscriptions"))
    busy.post(f"customers/{customers[5]}", email="new@example.org", phone="+4930231250")
    fresh = busy.customer(99)
    busy.delete(f"customers/{customers[8]}")
    busy.post(f"charges/{charges[40]}", **{"metadata[checked]": "yes"})
    charge = busy.charge(fresh, 7_777)
    refund = busy.post("refunds", charge=charges[41])["id"]
    busy.delete(f"subscriptions/{subscriptions[1]}")
    report = busy.load()
    for table in TABLES:
        assert busy.held(table) == busy.listed(table)
    assert busy.sql("SELECT id FROM raw.customers WHERE is_deleted") == [(customers[8],)]
    assert set(report.tables.items()) >= {("refunds", 1), ("balance_transactions", 2), ("charges", 3), ("invoices", 0)}
    new = {
        id
        for (id,) in busy.sql("SELECT id FROM raw.charges WHERE _loaded_at = (SELECT max(_loaded_at) FROM raw.charges)")
    }
    assert new == {charges[40], charges[41], charge}
    assert refund in busy.held("refunds")
    # A cancelled subscription stays; so do the customers that show it.
    assert busy.held("subscriptions")[subscriptions[1]]["status"] == "canceled"
    assert not busy.load().changed


def test_its_older_shapes_are_mapped_too(busy: Shop) -> None:
    busy.load()
    payments = busy.mapped("payment", "status, amount, fee, currency, order_number")
    assert len(payments) == len(busy.listed("charges"))
    assert ("succeeded", 10.42, 0.0, "eur", "MV1042") in payments
    assert busy.mapped("refund", "amount, currency") == [(3.0, "eur")] * 5
    subscriptions = busy.mapped("subscription", 'plan, status, amount, currency, "interval"')
    assert subscriptions == [("Kaffee", "active", 24.9, "eur", "month")] * 3
    assert {row[0] for row in busy.mapped("contact", "email")} == {f"person{n}@example.org" for n in range(12)}
    assert busy.mapped("invoice", "total, status, direction") == [(24.9, "paid", "sales")] * 3


def test_without_the_option_the_second_load_says_what_to_do(busy: Shop) -> None:
    del busy.options["full_read"]
    # One after the other: what it does not know of customers' lists it refuses, of charges' it breaks down over.
    busy.options["parallel"] = 1
    busy.load()
    for table in TABLES:
        assert busy.held(table) == busy.listed(table)
    before = (busy.root / "raw/payments.duckdb").read_bytes()
    with pytest.raises(ConnectorError, match="set full_read = true"):
        busy.load()
    assert (busy.root / "raw/payments.duckdb").read_bytes() == before


def test_a_key_of_another_kind_is_refused(shop: Shop) -> None:
    shop.options["key"] = "pk_test_public"
    connector = registry.get("stripe")
    assert connector.connect is not None
    source = Source(name="payments", connector="stripe", root=shop.root, options=shop.options)
    (sentence,) = connector.connect(source)
    assert "the key was refused (401)" in sentence
