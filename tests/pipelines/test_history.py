"""Histories in the build database: what they go on from, what a killed night leaves, and a build that was lost."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.night import Night, building
from pipelines.refresh import history, model
from tests.pipelines.conftest import Tiny, write_company
from warehouse import contracts, meta, publish, store
from warehouse.company import Company, load_company
from warehouse.contracts import tables

PRODUCT, HISTORY = "core.product", "core.product_history"
START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def day(number: float) -> datetime:
    return START + number * DAY


@dataclass
class Shop:
    """One product whose price changes, night by night, in a build database on disk."""

    company: Company
    con: duckdb.DuckDBPyConnection

    def night(self, number: float, price: int | None, *, updated: float | None = None) -> None:
        """What core.product says that night, None that the product is gone; and its history."""
        self.con.execute(f"DELETE FROM {PRODUCT}")
        if price is not None:
            self.con.execute(
                f"INSERT INTO {PRODUCT} BY NAME SELECT 'sku:TEA' AS product_id, ? AS price, 'EUR' AS price_currency, "
                "TRUE AS is_active, ? AS first_seen_at, ? AS updated_at, 1 AS records, FALSE AS is_implied",
                [price, day(0), None if updated is None else day(updated)],
            )
        night = Night(self.company, "run", day(number))
        meta.replace_rows(self.con, "night", [("run", night.as_of, night.now, "EUR", "Europe/Berlin", "DE")])
        history.keep(self.con, night, table=HISTORY)

    def publish(self, number: float) -> publish.Version:
        return publish.publish(self.con, self.company.home, now=day(number), keep=9).version

    def versions(self) -> list[tuple[Any, ...]]:
        rows = self.con.execute(f"SELECT price::INTEGER, valid_from, valid_to FROM {HISTORY} ORDER BY 2").fetchall()
        return [(price, (since - START) / DAY, until and (until - START) / DAY) for price, since, until in rows]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.delenv("MILLPOND_HOME", raising=False)
    folder = write_company(tmp_path / "tiny")
    config = folder / "millpond.toml"
    config.write_text(config.read_text().replace("as_of = 2026-10-31\n", ""))
    company = load_company(folder)
    with building(company) as con:
        store.create_table(con, tables()[PRODUCT])
        yield Shop(company, con)


def test_every_version_is_kept_night_after_night(shop: Shop) -> None:
    for number, price, updated in ((10, 5, 0), (11, 6, 10.5), (12, 6, 10.5), (13, None, None), (15, 6, 10.5)):
        shop.night(number, price, updated=updated)
        shop.publish(number)
    assert shop.versions() == [(5, 0, 10.5), (6, 10.5, 13), (6, 15, None)]


def test_nights_that_were_not_published_leave_nothing(shop: Shop) -> None:
    shop.night(10, 5)
    shop.publish(10)
    shop.night(11, None)
    assert shop.versions() == [(5, 0, 11)]
    shop.night(12, 99)
    shop.night(13, 5)
    assert shop.versions() == [(5, 0, None)]


def test_before_anything_is_published_nights_follow_one_another(shop: Shop) -> None:
    shop.night(10, 5)
    shop.night(11, 6)
    assert shop.versions() == [(5, 0, 11), (6, 11, None)]


def test_going_back_to_an_older_version_takes_nothing_from_the_history(shop: Shop) -> None:
    for number, price in ((10, 5), (11, 6)):
        shop.night(number, price)
        shop.publish(number)
    publish.rollback(shop.company.home)
    shop.night(12, 7)
    assert shop.versions() == [(5, 0, 11), (6, 11, 12), (7, 12, None)]


def test_a_night_in_which_nothing_changed_writes_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.night(10, 5)

    def write(*args: object) -> None:
        raise AssertionError("nothing is to be written")

    monkeypatch.setattr(store, "create_table", write)
    shop.night(11, 5)


def test_a_night_killed_while_it_writes_leaves_the_history_as_it_was(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shop.night(10, 5)
    shop.con.execute("CHECKPOINT")
    build, left = shop.company.home.build, tmp_path / "left.duckdb"

    def create(con: duckdb.DuckDBPyConnection, contract: contracts.Contract) -> None:
        """What a kill at this moment would leave on disk."""
        shutil.copy(build, left)
        if (log := build.with_name(build.name + ".wal")).exists():
            shutil.copy(log, left.with_name(left.name + ".wal"))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "create_table", create)
        with pytest.raises(KeyboardInterrupt):
            shop.night(11, 6)
    shop.con.rollback()
    assert shop.versions() == [(5, 0, None)]
    with duckdb.connect(str(left)) as con:
        assert con.execute(f"SELECT price FROM {HISTORY}").fetchall() == [(Decimal(5),)]
    shop.night(12, 6)
    assert shop.versions() == [(5, 0, 12), (6, 12, None)]


def test_a_column_that_the_contract_gains_is_empty_in_what_is_over(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, price in ((10, 5), (11, 6)):
        shop.night(number, price)
        shop.publish(number)
    contract = tables()[HISTORY]
    more = tables()[PRODUCT].column("price_base")
    wider = replace(contract, columns=(*contract.columns[:5], more, *contract.columns[5:]))
    monkeypatch.setitem(tables(), HISTORY, wider)
    shop.night(12, 6)
    shop.con.execute(f"UPDATE {PRODUCT} SET price_base = 7")
    history.keep(shop.con, Night(shop.company, "run", day(12)), table=HISTORY)
    assert shop.versions() == [(5, 0, 11), (6, 11, None)]
    kept = shop.con.execute(f"SELECT price_base FROM {HISTORY} ORDER BY valid_from").fetchall()
    assert kept == [(None,), (Decimal(7),)]


def test_the_example_of_the_contract_gives_the_price_at_the_time_of_each_order(shop: Shop) -> None:
    for number, price in ((10, 5), (20, 6)):
        shop.night(number, price)
        shop.publish(number)
    for name in ("core.sales_order", "core.order_line"):
        store.create_table(shop.con, tables()[name])
    for number in (15, 25):
        line = "SELECT 'o' || $1 AS order_id, 'o' || $1 AS order_line_id, 'sku:TEA' AS product_id, 5 AS unit_price"
        shop.con.execute(f"INSERT INTO core.order_line BY NAME {line}", [number])
        order = "SELECT 'o' || $1 AS order_id, $2 AS ordered_at"
        shop.con.execute(f"INSERT INTO core.sales_order BY NAME {order}", [number, day(number)])
    example = tables()[HISTORY].description.split("`")[1]
    assert shop.con.execute(f"{example} ORDER BY 1").fetchall() == [("o15", 5, 5), ("o25", 5, 6)]


def test_the_example_of_the_readme_gives_every_order_a_version(first_night: Tiny) -> None:
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```sql\n([^`]*core\.customer_history[^`]*)```", readme)
    query = example.replace("h.city", "h.dated_by")
    assert {row[2] for row in first_night.ask(query)} == {"first_seen"}


def test_the_night_of_a_chosen_day_knows_until_its_end(shop: Shop) -> None:
    config = shop.company.root / "millpond.toml"
    config.write_text(config.read_text().replace('country = "DE"', 'country = "DE"\nas_of = 2024-01-05'))
    assert Night(load_company(shop.company.root), "run", day(99)).moment == datetime(2024, 1, 5, 23, tzinfo=UTC)
    assert Night(shop.company, "run", day(99)).moment == day(99)


def test_columns_are_traced_to_what_they_follow(shop: Shop) -> None:
    lineage = model.lineage_of(shop.company, "core.customer_history")
    assert lineage["city"] == [("core.customer", "city")]
    assert lineage["valid_to"] == [("core.customer_origin", "updated_at")]
    for table in history.HISTORIES:
        known = set(model.lineage_of(shop.company, table))
        assert known >= {c.name for c in tables()[table].columns} - {"is_current", "dated_by", "recorded_at"}
        assert set(model.upstream_of(shop.company, table)) == {
            name for origins in model.lineage_of(shop.company, table).values() for name, _ in origins
        }


def test_a_lost_build_takes_ids_and_histories_from_the_warehouse(tiny: Tiny) -> None:
    """Anna moved, and a record came that sorts before hers: her id would be another if it were made anew."""
    anna = "SELECT customer_id FROM core.customer WHERE email = 'anna@example.com'"
    before = tiny.ask(anna)
    contacts = tiny.export("crm/contacts.csv")
    header, *people = contacts.read_text().splitlines()
    people = ["0,Anna Berg,anna@example.com,030 23125 001,Bonn", *(f"{person},Bonn" for person in people)]
    contacts.write_text("\n".join([f"{header},city", *people]))
    mapping = tiny.root / "mappings" / "crm" / "contact.sql"
    mapping.write_text(mapping.read_text().replace("phone FROM", "phone, city FROM"))
    config = tiny.root / "millpond.toml"
    config.write_text(config.read_text().replace("2026-10-31", "2026-11-01"))
    tiny = Tiny(load_company(tiny.root))
    tiny.company.home.build.unlink()
    assert tiny.night().published
    assert tiny.ask(anna) == before
    assert tiny.ask("SELECT count(*) FROM core.customer_identity WHERE customer_id = " + repr(before[0][0])) == [(3,)]
    versions = "SELECT city, is_current, valid_from FROM core.customer_history WHERE customer_id IN ({}) ORDER BY 3"
    assert tiny.ask(versions.format(anna)) == [
        (None, False, datetime(2026, 10, 1, 8, tzinfo=UTC)),
        ("Bonn", True, datetime(2026, 11, 1, 23, tzinfo=UTC)),
    ]
    ((status, message),) = tiny.ask("SELECT status, message FROM meta.run WHERE kind = 'restore'")
    assert status == "succeeded"
    assert all(c.table in message for c in contracts.lasting())
    assert tiny.ask("SELECT count(DISTINCT run_id) FROM meta.table_count") == [(2,)]
