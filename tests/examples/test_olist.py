"""A real company end to end: the warehouse against the CSV files themselves, to the row and the cent."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.run import run_night
from tests.conftest import ROOT
from warehouse.company import load_company


@pytest.fixture(scope="module")
def csv(real_data: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The CSV files as text, read by DuckDB alone."""
    with duckdb.connect() as con:
        for path in real_data.glob("olist/*/*.csv"):
            name = path.stem.removeprefix("olist_").removesuffix("_dataset")
            con.execute(f"CREATE TABLE \"{name}\" AS FROM read_csv('{path}', all_varchar = true, header = true)")
        yield con


@pytest.fixture(scope="module")
def warehouse(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The night on a copy of the example, published."""
    folder = tmp_path_factory.mktemp("olist") / "company"
    shutil.copytree(ROOT / "examples" / "olist", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILLPOND_REAL_DATA", str(real_data))
        patch.delenv("MILLPOND_HOME", raising=False)
        company = load_company(folder)
        outcome = run_night(company, say=lambda _: None)
    assert outcome.published, outcome.failure
    with duckdb.connect(str(company.home.warehouse), read_only=True) as con:
        yield con


def one(con: duckdb.DuckDBPyConnection, sql: str) -> Any:
    row = con.execute(sql).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("SELECT count(*) FROM core.sales_order", "SELECT count(*) FROM orders"),
        ("SELECT count(*) FROM core.order_line", "SELECT count(*) FROM order_items"),
        ("SELECT count(*) FROM core.payment", "SELECT count(*) FROM order_payments"),
        ("SELECT count(*) FROM core.feedback", "SELECT count(*) FROM order_reviews"),
        ("SELECT count(*) FROM core.deal", "SELECT count(*) FROM closed_deals"),
        (
            "SELECT count(DISTINCT customer_id) FROM core.sales_order",
            "SELECT count(DISTINCT customer_unique_id) FROM customers JOIN orders USING (customer_id)",
        ),
        (
            "SELECT sum(amount)::DECIMAL(18, 2) FROM core.payment",
            "SELECT sum(payment_value::DECIMAL(18, 2))::DECIMAL(18, 2) FROM order_payments",
        ),
        (
            "SELECT sum(unit_price)::DECIMAL(18, 2) FROM core.order_line",
            "SELECT sum(price::DECIMAL(18, 2))::DECIMAL(18, 2) FROM order_items",
        ),
        (
            "SELECT count(*) FROM core.sales_order WHERE status = 'cancelled'",
            "SELECT count(*) FROM orders WHERE order_status IN ('canceled', 'unavailable')",
        ),
    ],
)
def test_warehouse_equals_the_files(
    warehouse: duckdb.DuckDBPyConnection, csv: duckdb.DuckDBPyConnection, ours: str, theirs: str
) -> None:
    assert one(warehouse, ours) == one(csv, theirs)


def test_people_with_most_orders_are_the_same(
    warehouse: duckdb.DuckDBPyConnection, csv: duckdb.DuckDBPyConnection
) -> None:
    ours = warehouse.execute(
        "SELECT orders, count(*) FROM "
        "(SELECT customer_id, count(*) AS orders FROM core.sales_order GROUP BY 1) GROUP BY 1"
    ).fetchall()
    theirs = csv.execute(
        "SELECT orders, count(*) FROM (SELECT customer_unique_id, count(*) AS orders "
        "FROM customers JOIN orders USING (customer_id) GROUP BY 1) GROUP BY 1"
    ).fetchall()
    assert sorted(ours) == sorted(theirs)


def test_payments_by_month_and_method_to_the_cent(
    warehouse: duckdb.DuckDBPyConnection, csv: duckdb.DuckDBPyConnection
) -> None:
    ours = warehouse.execute(
        "SELECT method, sum(amount)::DECIMAL(18, 2)::VARCHAR FROM core.payment GROUP BY 1 ORDER BY 1"
    ).fetchall()
    theirs = csv.execute(
        "SELECT payment_type, sum(payment_value::DECIMAL(18, 2))::DECIMAL(18, 2)::VARCHAR "
        "FROM order_payments GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert [amount for _, amount in ours] == [amount for _, amount in theirs]


def test_nothing_is_in_quarantine(warehouse: duckdb.DuckDBPyConnection) -> None:
    tables = warehouse.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'quarantine'").fetchall()
    held = {name: one(warehouse, f'SELECT count(*) FROM quarantine."{name}"') for (name,) in tables}
    assert {name: rows for name, rows in held.items() if rows} == {}
