"""Which deals, invoices, payments and refunds belong to which order, and what is owed: literal documents in and out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from tests.transforms.clean_tables import Rows, build, database
from warehouse import contracts

START = date(2024, 1, 1)
Link = tuple[str, str, str, str, str, int | None]


def day(number: int) -> date:
    return START + timedelta(days=number)


def noon(number: int) -> datetime:
    return datetime(2024, 1, 1, 12, tzinfo=UTC) + timedelta(days=number)


def order(name: str, on: int = 0, total: Any = 100, **more: Any) -> dict[str, Any]:
    row = {"source_id": name, "contact_id": "eva", "status": "delivered", "currency": "EUR"}
    return {**row, "total": Decimal(str(total)), "ordered_at": noon(on), **more}


def payment(name: str, on: int = 0, amount: Any = 100, **more: Any) -> dict[str, Any]:
    row = {"source": "pay", "source_id": name, "status": "succeeded", "currency": "EUR"}
    return {**row, "amount": Decimal(str(amount)), "paid_at": noon(on), **more}


def invoice(name: str, on: int = 0, total: Any = 100, **more: Any) -> dict[str, Any]:
    row = {"source": "books", "source_id": name, "invoice_number": name, "direction": "sales", "status": "open"}
    return {**row, "currency": "EUR", "total": Decimal(str(total)), "issued_date": day(on), **more}


def deal(name: str, closed: int = 0, amount: Any = 100, **more: Any) -> dict[str, Any]:
    row = {"source": "crm", "source_id": name, "status": "won", "currency": "EUR", "created_at": noon(-9)}
    return {**row, "amount": Decimal(str(amount)), "closed_at": noon(closed), **more}


def refund(name: str, on: int = 0, amount: Any = 100, **more: Any) -> dict[str, Any]:
    row = {"source": "pay", "source_id": name, "currency": "EUR"}
    return {**row, "amount": Decimal(str(amount)), "refunded_at": noon(on), **more}


#: Eva in every system; Jan is at her company, and Kim is not.
PEOPLE: Rows = {
    "contact": [
        *(
            {"source": source, "source_id": "eva", "external_id": "E", "email": "eva@acme.de"}
            for source in ("shop", "pay", "books", "crm")
        ),
        {"source": "crm", "source_id": "jan", "company_id": "acme"},
        {"source": "crm", "source_id": "kim"},
        {"source": "shop", "source_id": "kim", "full_name": "Kim"},
    ],
    "company": [{"source": "crm", "source_id": "acme", "name": "Acme"}],
}


def built(wanted: str = "core.money_link", **rows: Any) -> duckdb.DuckDBPyConnection:
    people = dict(PEOPLE)
    people["contact"] = [{**c, "company_id": "acme"} if (c["source"], c["source_id"]) == ("crm", "eva") else c
                         for c in PEOPLE["contact"]]  # fmt: skip
    return build(database({**people, **rows}), wanted)


def links(**rows: Any) -> list[Link]:
    with built(**rows) as con:
        return con.execute("SELECT from_type, from_id, to_type, to_id, linked_by, days_apart "
                           "FROM core.money_link ORDER BY ALL").fetchall()  # fmt: skip


def linked(kind: str, name: str, to: str, by: str, days: int | None) -> Link:
    source = {"payment": "pay", "refund": "pay", "invoice": "books", "deal": "crm"}
    to_kind, _, to_name = to.partition(" ")
    to_source = {"order": "shop", **source}[to_kind]
    return (kind, f"{source[kind]}:{name}", to_kind, f"{to_source}:{to_name}", by, days)


def test_by_the_sources_own_id() -> None:
    found = links(
        sales_order=[order("o", source="pay")],
        invoice=[invoice("i", 1, source="pay")],
        payment=[payment("p", 2, order_id="o"), payment("q", 2, amount=5, invoice_id="i")],
        refund=[refund("r", 4, payment_id="p", order_id="o"), refund("s", 5, payment_id="q")],
    )
    assert found == [
        ("payment", "pay:p", "order", "pay:o", "source_id", 2),
        ("payment", "pay:q", "invoice", "pay:i", "source_id", 1),
        ("refund", "pay:r", "order", "pay:o", "source_id", 4),
        ("refund", "pay:r", "payment", "pay:p", "source_id", 2),
        ("refund", "pay:s", "payment", "pay:q", "source_id", 3),
    ]


def test_by_order_number_and_over_what_a_document_names() -> None:
    found = links(
        sales_order=[order("o", order_number="#1001")],
        deal=[deal("d", -1, order_number="1001")],
        invoice=[invoice("R1", 1, order_number="1001")],
        payment=[payment("p", 2, order_number="1001"), payment("q", 3, 7, order_number="r1", status="failed")],
        refund=[refund("r", 4, payment_id="p"), refund("s", 4, order_number="R1")],
    )
    assert found == [
        linked("deal", "d", "order o", "order_number", -1),
        linked("invoice", "R1", "order o", "order_number", 1),
        linked("payment", "p", "invoice R1", "order", 1),
        linked("payment", "p", "order o", "order_number", 2),
        linked("payment", "q", "invoice R1", "invoice_number", 2),
        linked("payment", "q", "order o", "invoice_number", 3),
        linked("refund", "r", "order o", "payment", 4),
        linked("refund", "r", "payment p", "source_id", 2),
        linked("refund", "s", "order o", "invoice_number", 4),
    ]


def test_a_payment_reaches_the_order_that_its_invoice_was_recognised_by() -> None:
    found = links(
        sales_order=[order("o")],
        invoice=[invoice("R1", 3, contact_id="eva")],
        payment=[payment("p", 9, 60, order_number="R1"), payment("q", 10, 40, order_number="R1")],
    )
    assert found == [
        linked("invoice", "R1", "order o", "amount", 3),
        *(row for name, days in (("p", 9), ("q", 10)) for row in (
            linked("payment", name, "invoice R1", "invoice_number", days - 3),
            linked("payment", name, "order o", "invoice", days),
        )),
    ]  # fmt: skip


def test_an_invoices_number_means_nothing_where_it_is_an_orders_or_occurs_twice() -> None:
    orders = [order("o", order_number="7"), order("n", order_number="8")]
    found = links(
        sales_order=orders,
        invoice=[invoice("7", order_number="8"), invoice("R1", order_number="8"), invoice("x", invoice_number="R1")],
        payment=[payment("p", order_number="7"), payment("q", order_number="R1")],
    )
    assert [row for row in found if row[0] == "payment"] == [linked("payment", "p", "order o", "order_number", 0)]


@pytest.mark.parametrize(
    ("kind", "on", "days"),
    [("deal", 0, 0), ("deal", -30, -30), ("deal", 1, None), ("deal", -31, None),
     ("invoice", 30, 30), ("invoice", -1, -1), ("invoice", 31, None), ("invoice", -2, None),
     ("payment", 60, 60), ("payment", -1, -1), ("payment", 61, None), ("payment", -2, None)],
)  # fmt: skip
def test_what_names_nothing_is_recognised_within_a_span_of_days(kind: str, on: int, days: int | None) -> None:
    make = {"deal": deal, "invoice": invoice, "payment": payment}[kind]
    found = links(sales_order=[order("o", 0)], **{kind: [make("x", on, contact_id="eva")]})
    assert found == ([] if days is None else [linked(kind, "x", "order o", "amount", days)])


@pytest.mark.parametrize(
    "other",
    [
        {"amount": "100.01"},
        {"currency": "USD"},
        {"contact_id": "kim"},
        {"contact_id": None},
        {"status": "lost"},
        {"is_deleted": True},
    ],
)
def test_a_deal_that_differs_in_anything_is_not_recognised(other: dict[str, Any]) -> None:
    assert links(sales_order=[order("o")], deal=[deal("d", **{"contact_id": "eva", **other})]) == []


def test_a_deal_with_a_colleague_or_the_company_is_recognised() -> None:
    for named in ({"contact_id": "jan"}, {"company_id": "acme"}):
        found = links(sales_order=[order("o")], deal=[deal("d", **named)])
        assert found == [linked("deal", "d", "order o", "amount", 0)]


def test_two_candidates_on_either_side_are_none() -> None:
    eva = {"contact_id": "eva"}
    assert links(sales_order=[order("o"), order("n", 3)], deal=[deal("d", **eva)]) == []
    assert links(sales_order=[order("o")], deal=[deal("d", **eva), deal("e", -3, **eva)]) == []
    # An order that is off, or that another deal names, is no candidate.
    orders = [order("o"), order("n", 3, status="cancelled"), order("m", 4, order_number="M")]
    deals = [deal("d", **eva), deal("e", 3, 7, order_number="M")]
    assert links(sales_order=orders, deal=deals) == [
        linked("deal", "d", "order o", "amount", 0),
        linked("deal", "e", "order m", "order_number", -1),
    ]


def test_what_a_subscription_costs_is_for_no_order() -> None:
    subscription = {"source": "books", "source_id": "s", "contact_id": "eva", "status": "active", "currency": "EUR"}
    eva = {"contact_id": "eva"}
    for costs, found in ((100, []), (99, [linked("invoice", "R1", "order o", "amount", 2)])):
        rows = {**subscription, "amount": Decimal(costs), "interval": "month", "started_at": noon(-60)}
        assert links(sales_order=[order("o")], invoice=[invoice("R1", 2, **eva)], subscription=[rows]) == found


def test_a_payment_without_an_order_settles_an_invoice_without_one() -> None:
    eva = {"contact_id": "eva"}
    for on, is_found in ((90, True), (-1, True), (91, False)):
        found = links(invoice=[invoice("i", 0, **eva)], payment=[payment("p", on, **eva)])
        assert found == ([linked("payment", "p", "invoice i", "amount", on)] if is_found else [])
    twice = [payment("p", 1, **eva), payment("q", 2, **eva)]
    assert links(invoice=[invoice("i", 0, **eva)], payment=twice) == []
    assert links(invoice=[invoice("i", 0, status="draft", **eva)], payment=twice[:1]) == []


def test_of_several_invoices_to_an_order_a_payment_takes_the_one_of_its_amount() -> None:
    number = {"order_number": "1"}
    found = links(
        sales_order=[order("o", total=100, **number)],
        invoice=[invoice("i", total=60, **number), invoice("j", total=40, **number)],
        payment=[payment("p", amount=40, **number), payment("q", amount=30, **number)],
    )
    assert [row for row in found if row[2] == "invoice"] == [linked("payment", "p", "invoice j", "order", 0)]


def same(**rows: Any) -> list[Link]:
    return [row for row in links(**rows) if row[2] == "payment" and row[0] == "payment"]


def test_a_payment_that_two_systems_keep_is_one() -> None:
    number = {"order_number": "1"}
    sold, known = [order("o", **number)], invoice("R1", **number)
    twice = [payment("p", 1, **number), payment("b", 4, source="books", order_number="R1")]
    assert same(sales_order=sold, invoice=[known], payment=twice) == [
        ("payment", "books:b", "payment", "pay:p", "amount", 3)
    ]
    # The same system keeps no payment twice, and one that the order's total has room for is another.
    assert same(sales_order=sold, payment=[payment("p", **number), payment("q", **number)]) == []
    assert same(sales_order=[order("o", total=200, **number)], invoice=[known], payment=twice) == []
    late = [twice[0], {**twice[1], "paid_at": noon(12)}]
    assert same(sales_order=sold, invoice=[known], payment=late) == []


CASH = """SELECT cash_status, payments, paid, refunded, outstanding, paid_in_full_date, days_to_pay
          FROM mart.order_to_cash WHERE order_id = 'shop:o'"""


def cash(total: Any = 100, *payments: dict[str, Any], status: str = "delivered", refunded: Any = 0, **rows: Any) -> Any:
    number = {"order_number": "1"}
    other = order("known", total=1, order_number="2", contact_id="kim")
    refunds = [refund("r", 20, refunded, **number)] if refunded else []
    paid = [{**number, **p} for p in payments] + [payment("known", amount=1, order_number="2")]
    with built("mart.order_to_cash", sales_order=[order("o", total=total, status=status, **number), other],
               payment=paid, refund=refunds, **rows) as con:  # fmt: skip
        assert broken(con, "mart.order_to_cash") == set()
        (row,) = con.execute(CASH).fetchall()
        return row


def broken(con: duckdb.DuckDBPyConnection, table: str, severity: str = "error") -> set[str]:
    rules = [r for r in contracts.tables()[table].rules if r.severity == severity]
    return {r.name for r in rules if con.execute(f"SELECT 1 FROM {table} WHERE {r.condition} LIMIT 1").fetchone()}


def test_what_is_paid_is_not_owed() -> None:
    assert cash(100) == ("unpaid", 0, 0, 0, 100, None, None)
    assert cash(100, payment("p", 2, 40)) == ("partly_paid", 1, 40, 0, 60, None, None)
    assert cash(100, payment("p", 2, 40), payment("q", 5, 60)) == ("paid", 2, 100, 0, 0, day(5), 5)
    assert cash(100, payment("p", 2, 40), payment("q", 5, "59.99")) == (
        "partly_paid", 2, Decimal("99.99"), 0, Decimal("0.01"), None, None,
    )  # fmt: skip
    assert cash(100, payment("p", 2, status="failed")) == ("unpaid", 0, 0, 0, 100, None, None)
    assert cash(0) == ("paid", 0, 0, 0, 0, None, None)


def test_what_is_given_back_is_not_owed_again() -> None:
    assert cash(100, payment("p"), refunded=30) == ("paid", 1, 100, 30, 0, day(0), 0)
    assert cash(100, payment("p"), refunded=100) == ("refunded", 1, 100, 100, 0, day(0), 0)
    assert cash(100, payment("p"), status="refunded") == ("refunded", 1, 100, 0, 0, day(0), 0)
    assert cash(100, payment("p", amount=60), refunded=20) == ("partly_paid", 1, 60, 20, 40, None, None)


def test_too_much_and_for_nothing_is_owed_to_the_customer() -> None:
    assert cash(100, payment("p"), payment("q", 1)) == ("overpaid", 2, 200, 0, -100, day(0), 0)
    assert cash(100, payment("p"), payment("q", 1), refunded=100) == ("paid", 2, 200, 100, 0, day(0), 0)
    assert cash(100, payment("p", amount=70), status="cancelled", refunded=20) == (
        "cancelled", 1, 70, 20, -50, None, None,
    )  # fmt: skip
    assert cash(100, status="cancelled") == ("cancelled", 0, 0, 0, 0, None, None)
    assert cash(100, status="returned") == ("cancelled", 0, 0, 0, 0, None, None)


def test_a_payment_of_two_systems_counts_once_for_order_and_customer() -> None:
    books = payment("b", 3, source="books", order_number="1")
    assert cash(100, payment("p", 1), books) == ("paid", 1, 100, 0, 0, day(1), 1)
    number = {"order_number": "1"}
    rows = {"sales_order": [order("o", **number)], "payment": [payment("p", 1, **number), books]}
    with built("mart.customer_360", **rows) as con:
        query = "SELECT payment_id, is_received, same_as_payment_id FROM core.payment ORDER BY 1"
        assert con.execute(query).fetchall() == [("books:b", False, "pay:p"), ("pay:p", True, None)]
        assert con.execute("SELECT paid_base FROM mart.customer_360 WHERE paid_base > 0").fetchall() == [(100,)]


def test_who_is_said_to_have_paid_owes_nothing() -> None:
    assert cash(100, status="paid") == ("stated_paid", 0, 0, 0, 0, None, None)
    paid = {"status": "paid", "paid_at": noon(9), "order_number": "1"}
    assert cash(100, invoice=[invoice("i", **paid)]) == ("stated_paid", 0, 0, 0, 0, day(9), 9)
    both = [invoice("i", **paid), invoice("j", order_number="1", total=10)]
    assert cash(100, invoice=both)[0] == "unpaid"


def test_where_no_payment_is_known_at_all_nobody_owes() -> None:
    with built("mart.order_to_cash", sales_order=[order("o")]) as con:
        assert con.execute(CASH).fetchall() == [("unknown", 0, 0, 0, None, None, None)]


def test_invoices_and_the_days_they_take() -> None:
    number = {"order_number": "1"}
    invoices = [
        invoice("R1", 2, 60, due_date=day(10), **number),
        invoice("R2", 4, 40, due_date=day(12), **number),
        # What another system keeps under the same number, drafts, and bills are not counted.
        invoice("R2", 4, 40, source="erp", **number),
        invoice("R3", 1, 9, status="draft", **number),
        invoice("R4", 1, 9, direction="purchase", **number),
    ]
    rows = {"sales_order": [order("o", **number)], "payment": [payment("p", 1, 30, **number)], "invoice": invoices}
    query = """SELECT invoices, invoiced, invoiced_base, first_invoiced_date, due_date, days_to_invoice, outstanding,
                      days_overdue FROM mart.order_to_cash"""
    with built("mart.order_to_cash", deal=[deal("d", **number)], **rows) as con:
        assert con.execute(query).fetchall() == [(2, 100, 100, day(2), day(12), 2, 70, 78)]
        assert con.execute("SELECT deal_id FROM mart.order_to_cash").fetchall() == [("crm:d",)]
        assert broken(con, "mart.order_to_cash") | broken(con, "mart.order_to_cash", "warning") == set()


def test_rates_that_move_leave_nothing_owed() -> None:
    rate = {"base_currency": "USD", "quote_currency": "EUR"}
    rates = [
        {"source": "fx", "source_id": "1", "date": day(0), "rate": Decimal("0.9"), **rate},
        {"source": "fx", "source_id": "2", "date": day(5), "rate": Decimal("0.8"), **rate},
    ]
    number = {"order_number": "1"}
    orders = [order("o", currency="USD", **number), order("n", total=10, currency="USD", order_number="2")]
    paid = [payment("p", 5, currency="USD", **number), payment("q", 5, 4, currency="USD", order_number="2"),
            payment("r", 6, "3.60", order_number="2")]  # fmt: skip
    query = """SELECT order_id, cash_status, ordered_base, paid, paid_base, outstanding, outstanding_base
               FROM mart.order_to_cash ORDER BY order_id DESC"""
    with built("mart.order_to_cash", sales_order=orders, payment=paid, fx_rate=rates) as con:
        assert con.execute(query).fetchall() == [
            ("shop:o", "paid", 90, 100, 80, 0, 0),
            ("shop:n", "partly_paid", 9, 8, Decimal("6.80"), 2, Decimal("1.80")),
        ]
        assert broken(con, "mart.order_to_cash") == set()


@pytest.mark.parametrize(
    ("table", "damage", "told"),
    [
        ("core.money_link", "INSERT INTO core.money_link VALUES ('payment', 'pay:p', 'order', 'x', 'source_id', 0)",
         "one_document_of_a_kind"),
        ("core.money_link", "UPDATE core.money_link SET linked_by = 'amount' WHERE from_type = 'invoice'",
         "amounts_agree"),
        ("core.money_link", "INSERT INTO core.money_link VALUES ('payment', 'pay:p', 'payment', 'a', 'source_id', 0), "
         "('payment', 'a', 'payment', 'b', 'source_id', 0)", "same_payment_is_counted_once"),
        ("mart.order_to_cash", "INSERT INTO mart.order_to_cash FROM mart.order_to_cash", "orders_equal_orders"),
        ("mart.order_to_cash", "UPDATE mart.order_to_cash SET total = 99", "ordered_equals_orders"),
        ("mart.order_to_cash", "UPDATE mart.order_to_cash SET paid_base = 41", "paid_equals_payments"),
        ("mart.order_to_cash", "UPDATE mart.order_to_cash SET payments = 2", "payments_equal_payments"),
        ("mart.order_to_cash", "UPDATE mart.order_to_cash SET refunded_base = 7", "refunded_equals_refunds"),
        ("mart.order_to_cash", "UPDATE mart.order_to_cash SET outstanding = 61", "owed_adds_up"),
    ],
)  # fmt: skip
def test_damage_is_found(table: str, damage: str, told: str) -> None:
    number = {"order_number": "1"}
    rows = {
        "sales_order": [order("o", **number)],
        "payment": [payment("p", amount=40, **number)],
        "invoice": [invoice("i", total=60, **number)],
    }
    with built("mart.order_to_cash", **rows) as con:
        assert broken(con, table) == set()
        con.execute(damage)
        assert told in broken(con, table)


def test_odd_money_is_warned_of() -> None:
    number = {"order_number": "1"}
    paid = [payment("p", **number), payment("q", amount=1, **number)]
    rows = {"sales_order": [order("o", **number)], "invoice": [invoice("i", total=101, **number)]}
    with built("mart.order_to_cash", payment=paid, **rows) as con:
        assert broken(con, "mart.order_to_cash", "warning") == {"paid_not_above_total", "invoiced_not_above_total"}
    with built("mart.order_to_cash", payment=paid[:1], refund=[refund("r", amount=101, **number)], **rows) as con:
        assert "refunded_not_above_paid" in broken(con, "mart.order_to_cash", "warning")
