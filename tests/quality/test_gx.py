"""Checks run through Great Expectations, against literal rows in a real DuckDB."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

import duckdb
import pytest

from quality.gx import CheckCrashed, run_checks
from quality.suites import Check, checks_for
from warehouse.contracts import SYSTEM_COLUMNS, Reference, Rule, entities


@pytest.fixture
def order(contract, column, create):
    """A contract with every kind of check, and its tables."""
    create(contract("shop"))
    sales_order = contract(
        "sales_order",
        column("email", semantic_type="email"),
        column("phone", semantic_type="phone"),
        column("country", semantic_type="country"),
        column("currency", semantic_type="currency"),
        column("domain", semantic_type="domain"),
        column("language", semantic_type="language"),
        column("status", required=True, enum=("open", "it's paid")),
        column("total", "DECIMAL(18,4)", "money", minimum=0, maximum=1000),
        column("ordered_at", "TIMESTAMPTZ", "timestamp"),
        column("paid_at", "TIMESTAMPTZ", "timestamp"),
        column("shop_id"),
        references=(Reference("shop_id", "shop", "source_id", "warn"),),
        rules=(Rule("paid_after_ordered", "Paid after ordered.", "warning", "paid_at < ordered_at"),),
    )
    create(sales_order)
    return sales_order


GOOD = {
    "source": "crm",
    "source_id": "1",
    "email": "a.b+c@mail.example.com",
    "phone": "+4930123456",
    "country": "DE",
    "currency": "EUR",
    "domain": "example.co.uk",
    "language": "de",
    "status": "it's paid",
    "total": 1000,
    "ordered_at": datetime(2026, 1, 1, tzinfo=UTC),
    "paid_at": datetime(2026, 1, 2, tzinfo=UTC),
    "shop_id": "s1",
}


def insert(con, *rows, table="clean.sales_order"):
    for row in rows:
        con.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values()))


def results(con, contract, **options):
    return {r.name: r for r in run_checks(con, contract.table, checks_for(contract, **options))}


def test_good_rows_pass_every_check(con, order):
    insert(con, {"source": "crm", "source_id": "s1"}, table="clean.shop")
    empty = {"source": "crm", "source_id": "2", "status": "open"}
    insert(con, GOOD, empty, {**GOOD, "source": "shop", "shop_id": None})
    found = results(con, order, had_rows=True)
    assert {name for name, r in found.items() if not r.passed} == set()
    assert {r.evaluated_rows for r in found.values()} == {3}
    assert {(r.failed_rows, len(r.examples)) for r in found.values()} == {(0, 0)}


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({"source_id": None}, "source_id_is_given"),
        ({"status": None}, "status_is_given"),
        ({"status": "lost"}, "status_is_one_of_known"),
        ({"total": -0.01}, "total_between_0_and_1000"),
        ({"total": 1000.01}, "total_between_0_and_1000"),
        ({"email": "a@b"}, "email_is_email"),
        ({"email": "a b@c.de"}, "email_is_email"),
        ({"email": "a@c.de\n"}, "email_is_email"),
        ({"phone": "030 123456"}, "phone_is_phone"),
        ({"country": "Germany"}, "country_is_country"),
        ({"currency": "eur"}, "currency_is_currency"),
        ({"domain": "https://example.com"}, "domain_is_domain"),
        ({"language": "German"}, "language_is_language"),
        ({"shop_id": "gone"}, "shop_id_is_in_shop"),
        ({"shop_id": "s1", "source": "other"}, "shop_id_is_in_shop"),
        ({"paid_at": datetime(2025, 12, 31, tzinfo=UTC)}, "paid_after_ordered"),
    ],
)
def test_a_bad_row_fails_its_check_and_no_other(con, order, change, failed):
    insert(con, {"source": "crm", "source_id": "s1"}, table="clean.shop")
    bad = {**GOOD, "source_id": "it's bad", **change}
    insert(con, GOOD, bad)
    found = results(con, order)
    assert {name for name, r in found.items() if not r.passed} == {failed}
    result = found[failed]
    assert (result.evaluated_rows, result.failed_rows, result.failed_pct) == (2, 1, 50.0)
    (example,) = result.examples
    assert (example["source"], example["source_id"]) == (bad["source"], bad["source_id"])
    assert set(example) >= {name for name in change if not name.startswith("source")}
    assert json.loads(json.dumps(example)) == example
    rows = con.execute(result.sql).fetchall()
    assert [row[:2] for row in rows] == [(bad["source"], bad["source_id"])]


def test_results_do_not_come_back_empty(con, order):
    """GX alone closes the connection before it reads the rows: counts and examples are then lost, without a word."""
    insert(con, *({**GOOD, "source_id": str(i), "total": -i, "shop_id": None} for i in range(1, 9)))
    result = results(con, order)["total_between_0_and_1000"]
    assert not result.passed
    assert result.failed_rows == 8
    assert [e["total"] for e in result.examples] == [f"-{i}.0000" for i in range(1, 6)]
    assert len(con.execute(result.sql).fetchall()) == 8


def test_the_number_of_examples_can_be_chosen(con, order):
    insert(con, *({**GOOD, "source_id": str(i), "shop_id": "gone"} for i in range(20)))
    checks = [c for c in checks_for(order) if c.name == "shop_id_is_in_shop"]
    (result,) = run_checks(con, "clean.sales_order", checks, examples=10)
    assert (result.failed_rows, len(result.examples)) == (20, 10)
    assert result.severity == "warning"


def test_a_repeated_key_fails_with_all_its_rows(con, order):
    insert(con, *({**GOOD, "shop_id": None, "total": t} for t in (1, 2)), {**GOOD, "source": "b", "shop_id": None})
    result = results(con, order)["source_id_is_unique"]
    assert (result.failed_rows, result.examples) == (2, [{"source": "crm", "source_id": "1"}] * 2)


def test_unique_and_reference_in_core(con, contract, column, create):
    customer = contract("customer", column("customer_id", primary_key=True), schema="core")
    order = contract(
        "sales_order",
        column("order_id", primary_key=True),
        column("customer_id"),
        schema="core",
        references=(Reference("customer_id", "core.customer", "customer_id", "warn"),),
    )
    create(customer)
    create(order)
    con.execute("INSERT INTO core.customer VALUES ('c1')")
    con.execute("INSERT INTO core.sales_order VALUES ('o1', 'c1'), ('o2', 'c2'), ('o2', NULL)")
    found = results(con, order)
    assert found["order_id_is_unique"].failed_rows == 2
    assert found["order_id_is_unique"].examples == [{"order_id": "o2"}] * 2
    assert found["customer_id_is_in_customer"].examples == [{"order_id": "o2", "customer_id": "c2"}]


def test_an_empty_table_passes_unless_it_had_rows(con, order):
    assert all(r.passed for r in results(con, order).values())
    found = results(con, order, had_rows=True)
    assert [name for name, r in found.items() if not r.passed] == ["has_rows"]


def test_a_missing_column_is_a_crash_that_names_the_check(con, order):
    con.execute("ALTER TABLE clean.sales_order DROP COLUMN status")
    insert(con, {**{k: v for k, v in GOOD.items() if k != "status"}, "total": -1})
    with pytest.raises(
        CheckCrashed, match=r"Check status_is_given of clean\.sales_order could not be computed.*status"
    ):
        results(con, order)


def test_broken_sql_in_a_rule_is_a_crash_that_names_the_check(con, order):
    broken = Check(
        name="nonsense",
        table="clean.sales_order",
        severity="error",
        description="Nonsense.",
        expectation="ExpectNoRowsWhere",
        kwargs={"column_list": ["source", "source_id"], "condition": "no_such_function(total) > 1"},
        key=("source", "source_id"),
    )
    with pytest.raises(CheckCrashed, match=r"Check nonsense of clean\.sales_order could not.*no_such_function"):
        run_checks(con, "clean.sales_order", [*checks_for(order), broken])
    assert all(r.passed for r in results(con, order).values())


def test_a_missing_table_is_a_crash(con, contract):
    with pytest.raises(CheckCrashed, match=r"None of the 3 checks of clean\.nowhere could run.*does not exist"):
        results(con, contract("nowhere"))


def test_the_callers_connection_is_used_as_it_is(tmp_path, order, con):
    """Session settings and the current catalog are the caller's; a copy of the connection would not have them."""
    with duckdb.connect() as other:
        other.execute(f"ATTACH '{tmp_path / 'build.duckdb'}' AS build; USE build; CREATE SCHEMA clean")
        other.execute("CREATE TABLE clean.t (source VARCHAR, source_id VARCHAR, order_id VARCHAR)")
        other.execute("BEGIN; INSERT INTO clean.t VALUES ('crm', '1', NULL)")
        check = Check(
            *("order_id_is_given", "clean.t", "error", "Given.", "ExpectColumnValuesToNotBeNull"),
            kwargs={"column": "order_id"},
            key=("source", "source_id"),
        )
        (result,) = run_checks(other, "clean.t", [check])
        other.execute("ROLLBACK")
    assert result.failed_rows == 1


def test_nothing_is_printed_or_logged(con, order, capfd, caplog):
    insert(con, {**GOOD, "status": None})
    with caplog.at_level(logging.WARNING):
        results(con, order)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_every_check_of_every_entity_can_be_computed(con):
    con.execute("CREATE TABLE meta.night AS SELECT DATE '2026-03-01' AS as_of")
    for contract in entities().values():
        listed = ", ".join(f'"{c.name}" {c.duckdb_type}' for c in (*contract.columns, *SYSTEM_COLUMNS))
        con.execute(f"CREATE TABLE {contract.table} ({listed})")
    for contract in entities().values():
        con.execute(f"INSERT INTO {contract.table} (source) VALUES ('crm')")
        found = results(con, contract)
        assert not found["source_id_is_given"].passed
        for result in found.values():
            con.execute(result.sql).fetchall()
