"""Every core and mart model: literal clean rows in, literal rows out; and the machinery that builds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from tests.transforms.clean_tables import AS_OF, NIGHT, Rows, build, built, database
from transforms import models
from warehouse import contracts


def at(day: str, clock: str = "12:00") -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}:00+00:00")


ROWS: Rows = {
    "staff": [
        {"source": "crm", "source_id": "s1", "full_name": "Ada Ops", "email": "ada@own.de", "team": "sales"},
        {"source": "desk", "source_id": "9", "full_name": "Ada O.", "email": "ada@own.de", "role": "agent"},
    ],
    "company": [
        {"source": "crm", "source_id": "c1", "name": "Acme GmbH", "domain": "acme.de", "owner_id": "s1"},
        {"source": "shop", "source_id": "7", "name": "ACME", "city": "Bonn"},
        {"source": "shop", "source_id": "8", "name": "Bolt & Co. KG"},
    ],
    "contact": [
        {"source": "shop", "source_id": "1", "full_name": "Eva Roth", "email": "eva@x.de", "phone": "+491",
         "city": "Bonn", "postcode": "53111", "country": "DE", "created_at": at("2024-01-01")},
        {"source": "crm", "source_id": "p1", "full_name": "Eva M. Roth", "email": "eva@x.de", "company_id": "c1",
         "owner_id": "s1", "lifecycle_stage": "customer", "created_at": at("2024-02-01")},
        {"source": "crm", "source_id": "p2", "full_name": "Gone Person", "email": "gone@x.de", "is_deleted": True},
    ],
    "product": [
        {"source_id": "p1", "sku": "TEA", "name": "Tea", "category": "drinks", "price": 10, "cost": 4,
         "currency": "EUR"},
        {"source_id": "p2", "name": "No SKU"},
    ],
    "fx_rate": [
        {"source": "fx", "source_id": "1", "base_currency": "USD", "quote_currency": "EUR", "date": date(2024, 3, 1),
         "rate": Decimal("0.9")},
        {"source": "fx", "source_id": "2", "base_currency": "EUR", "quote_currency": "GBP", "date": date(2024, 3, 1),
         "rate": Decimal("0.8")},
        {"source": "fx", "source_id": "3", "base_currency": "USD", "quote_currency": "EUR", "date": date(2024, 3, 4),
         "rate": Decimal("0.95")},
    ],
    "campaign": [
        {"source": "ads", "source_id": "g1", "name": "Spring", "platform": "google", "channel": "paid search"},
        {"source": "mail", "source_id": "m1", "name": "Spring", "platform": "mailer", "channel": "e-mail"},
    ],
    "ad_performance": [
        {"source": "ads", "source_id": "a1", "campaign_id": "g1", "date": date(2024, 3, 2), "impressions": 100,
         "clicks": 10, "spend": 20, "currency": "USD", "conversions": 2, "conversion_value": 100},
        {"source": "ads", "source_id": "a2", "campaign_name": "Autumn", "platform": "google",
         "date": date(2024, 3, 2), "impressions": 50, "clicks": 0, "spend": 5, "currency": "EUR"},
    ],
    "sales_order": [
        # 23:30 UTC is already the next day in Berlin.
        {"source_id": "o1", "order_number": "#1001", "contact_id": "1", "status": "delivered", "channel": "web",
         "currency": "EUR", "subtotal": 100, "discount": 10, "shipping": 5, "tax": 19, "total": 114,
         "campaign": "spring ", "utm_source": "Google", "ship_country": "DE", "ordered_at": at("2024-03-01", "23:30")},
        {"source_id": "o2", "order_number": "1002", "email": "eva@x.de", "status": "paid", "channel": "web",
         "currency": "USD", "subtotal": 50, "total": 50, "campaign": "spring", "ship_country": "DE",
         "ordered_at": at("2024-03-03")},
        {"source_id": "o3", "order_number": "1003", "contact_id": "1", "status": "cancelled", "channel": "web",
         "currency": "EUR", "total": 70, "ship_country": "DE", "ordered_at": at("2024-03-03")},
        {"source_id": "o4", "email": "guest@x.de", "phone": "+492", "status": "refunded", "channel": "app",
         "currency": "EUR", "shipping": 5, "total": 45, "ordered_at": at("2024-03-05")},
        {"source_id": "o5", "status": "paid", "currency": "CHF", "total": 30, "ordered_at": at("2024-03-06")},
        {"source_id": "o6", "contact_id": "1", "status": "paid", "currency": "EUR", "total": 999,
         "ordered_at": at("2024-03-06"), "is_deleted": True},
    ],
    "order_line": [
        {"source_id": "l1", "order_id": "o1", "line_number": 1, "product_id": "p1", "sku": "TEA", "quantity": 2,
         "unit_price": 50, "discount": 10, "total": 90},
        {"source_id": "l2", "order_id": "o2", "product_id": "nope", "sku": "MUG", "product_name": "Mug",
         "quantity": 1, "unit_price": 50, "total": 50},
        {"source_id": "l3", "order_id": "o3", "product_id": "p2", "quantity": 1, "unit_price": 70, "total": 70},
        {"source_id": "l4", "order_id": "o6", "quantity": 1, "unit_price": 999, "total": 999},
        {"source_id": "l5", "order_id": "unknown", "quantity": 1, "unit_price": 1, "total": 1},
    ],
    "payment": [
        {"source": "pay", "source_id": "x1", "order_number": "1001", "status": "succeeded", "method": "card",
         "amount": 114, "fee": 2, "currency": "EUR", "paid_at": at("2024-03-02")},
        {"source": "pay", "source_id": "x2", "order_number": "1002", "status": "failed", "method": "card",
         "amount": 50, "currency": "USD"},
        {"source": "pay", "source_id": "x3", "email": "payer@x.de", "status": "succeeded", "amount": 1,
         "currency": "CHF", "paid_at": at("2024-03-02")},
    ],
    "refund": [
        {"source": "pay", "source_id": "r1", "payment_id": "x1", "amount": 30, "currency": "EUR", "reason": "broken",
         "refunded_at": at("2024-03-10")},
    ],
    "invoice": [
        {"source": "books", "source_id": "i1", "invoice_number": "R1", "direction": "sales", "order_number": "1001",
         "status": "open", "total": 114, "currency": "EUR", "issued_date": date(2024, 3, 2),
         "due_date": date(2024, 3, 30)},
    ],
    "subscription": [
        {"source": "pay", "source_id": "u1", "email": "guest@x.de", "status": "active", "amount": 10,
         "currency": "USD", "interval": "month", "started_at": at("2024-01-01")},
    ],
    "marketing_touch": [
        {"source": "mail", "source_id": "t1", "email": "eva@x.de", "campaign_name": "Spring", "kind": "sent",
         "occurred_at": at("2024-03-01")},
        {"source": "mail", "source_id": "t2", "email": "eva@x.de", "campaign_id": "m1", "kind": "click",
         "occurred_at": at("2024-03-02")},
        {"source": "mail", "source_id": "t3", "email": "eva@x.de", "kind": "unsubscribe",
         "occurred_at": at("2024-03-03")},
    ],
    "consent_event": [
        {"source": "mail", "source_id": "e1", "email": "eva@x.de", "channel": "email", "is_granted": True,
         "occurred_at": at("2024-01-01")},
        {"source": "mail", "source_id": "e2", "email": "eva@x.de", "channel": "email", "is_granted": False,
         "occurred_at": at("2024-03-03")},
    ],
    "web_session": [
        {"source": "web", "source_id": "w1", "traffic_source": "google", "sessions": 12,
         "started_at": at("2024-03-04")},
    ],
    "deal": [
        {"source": "crm", "source_id": "d1", "title": "Big", "contact_id": "p1", "company_id": "c1",
         "owner_id": "s1", "pipeline": "new", "stage": "offer", "status": "open", "amount": 1000, "currency": "EUR",
         "probability_pct": 40, "created_at": at("2024-02-01"), "expected_close_date": date(2024, 3, 1)},
        {"source": "crm", "source_id": "d2", "contact_id": "p1", "owner_id": "s1", "pipeline": "new", "stage": "done",
         "status": "won", "amount": 100, "currency": "USD", "order_number": "1001", "created_at": at("2024-02-20"),
         "closed_at": at("2024-03-02")},
    ],
    "deal_stage_event": [
        {"source": "crm", "source_id": "v1", "deal_id": "d1", "stage": "offer", "entered_at": at("2024-02-10")},
    ],
    "ticket": [
        {"source": "desk", "source_id": "k1", "email": "eva@x.de", "order_number": "1001", "status": "solved",
         "channel": "email", "team": "A", "assignee_id": "9", "created_at": at("2024-03-29", "10:00"),
         "solved_at": at("2024-03-30", "10:00")},
        {"source": "desk", "source_id": "k2", "order_number": "1001", "status": "open", "channel": "email",
         "team": "A", "created_at": at("2024-03-29", "11:00"), "solved_at": at("2024-03-29", "12:00")},
    ],
    "ticket_message": [
        {"source": "desk", "source_id": "n1", "ticket_id": "k1", "author_kind": "customer",
         "sent_at": at("2024-03-29", "10:00")},
        {"source": "desk", "source_id": "n2", "ticket_id": "k1", "author_kind": "agent", "is_public": False,
         "sent_at": at("2024-03-29", "10:10")},
        {"source": "desk", "source_id": "n3", "ticket_id": "k1", "author_kind": "agent",
         "sent_at": at("2024-03-29", "11:30")},
    ],
    "feedback": [
        {"source_id": "f1", "order_id": "o1", "product_id": "p1", "kind": "review", "rating": 4, "rating_max": 5,
         "submitted_at": at("2024-03-12"), "answered_at": at("2024-03-12", "18:00")},
    ],
    "inventory_level": [
        {"source": "wms", "source_id": "y1", "sku": "TEA", "location": "main", "date": date(2024, 3, 30),
         "on_hand": 0, "reorder_point": 5},
        {"source": "wms", "source_id": "y2", "sku": "TEA", "location": "main", "date": date(2024, 3, 31),
         "on_hand": 7, "reserved": 1, "reorder_point": 5},
        {"source": "wms", "source_id": "y3", "sku": "TEA", "location": "shop", "date": date(2024, 3, 30),
         "on_hand": 3},
    ],
    "shipment": [
        {"source": "dhl", "source_id": "h1", "order_number": "1001", "carrier": "DHL", "cost": 4, "currency": "EUR",
         "shipped_at": at("2024-03-02"), "delivered_at": at("2024-03-05"), "promised_date": date(2024, 3, 4)},
    ],
    "calendar": [
        {"source": "plan", "source_id": "1", "date": date(2024, 3, 30), "is_open": False, "note": "stock-taking"},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def night() -> Iterator[duckdb.DuckDBPyConnection]:
    with built(ROWS) as con:
        yield con


def rows(con: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return con.execute(query).fetchall()


def customer_of(con: duckdb.DuckDBPyConnection, email: str) -> str:
    return rows(con, f"SELECT DISTINCT customer_id FROM core.customer_identity WHERE email = '{email}'")[0][0]


def test_person_records_are_contacts_and_addresses_without_one(night: duckdb.DuckDBPyConnection) -> None:
    found = rows(night, "SELECT record_id, kind, email, phone FROM identity.record ORDER BY record_id")
    assert found == [
        ("contact:crm:p1", "contact", "eva@x.de", None),
        ("contact:crm:p2", "contact", "gone@x.de", None),
        ("contact:shop:1", "contact", "eva@x.de", "+491"),
        ("email:desk:eva@x.de", "email", "eva@x.de", None),
        ("email:mail:eva@x.de", "email", "eva@x.de", None),
        ("email:pay:guest@x.de", "email", "guest@x.de", None),
        ("email:pay:payer@x.de", "email", "payer@x.de", None),
        ("email:shop:eva@x.de", "email", "eva@x.de", None),
        ("email:shop:guest@x.de", "email", "guest@x.de", "+492"),
    ]


def test_accounts_meet_by_domain_and_then_by_name(night: duckdb.DuckDBPyConnection) -> None:
    found = rows(night, "SELECT source_id, account_id, evidence FROM identity.account ORDER BY source_id")
    assert found == [
        ("7", "domain:acme.de", "name_of_a_domain"),
        ("8", "name:bolt", "name"),
        ("c1", "domain:acme.de", "domain"),
    ]
    account = "SELECT name, domain, city, owner_id, sources, records FROM core.account WHERE domain = 'acme.de'"
    assert rows(night, account) == [("Acme GmbH", "acme.de", "Bonn", "crm:s1", "crm, shop", 2)]


def test_a_domain_under_many_names_identifies_nobody() -> None:
    companies = [{"source_id": str(i), "name": name, "domain": "mail.com"} for i, name in enumerate("ABCD")]
    with built({"company": companies}) as con:
        assert rows(con, "SELECT count(DISTINCT account_id) FROM identity.account") == [(4,)]


def test_staff_with_one_address_is_one_person(night: duckdb.DuckDBPyConnection) -> None:
    query = "SELECT staff_id, full_name, role, team, is_active, records FROM core.staff"
    assert rows(night, query) == [("crm:s1", "Ada Ops", "agent", "sales", True, 2)]


def test_customer_takes_the_latest_live_contact(night: duckdb.DuckDBPyConnection) -> None:
    query = """SELECT full_name, email, phone, postcode, account_id, company_name, owner_id, sources, records,
                      is_deleted
               FROM core.customer ORDER BY full_name NULLS LAST, email"""
    eva = ("Eva M. Roth", "eva@x.de", "+491", "53111", "domain:acme.de", "Acme GmbH", "crm:s1")
    assert rows(night, query) == [
        (*eva, "crm, desk, mail, shop", 5, False),
        ("Gone Person", "gone@x.de", None, None, None, None, None, "crm", 1, True),
        (None, "guest@x.de", "+492", None, None, None, None, "pay, shop", 2, False),
        (None, "payer@x.de", None, None, None, None, None, "pay", 1, False),
    ]
    evidence = "SELECT DISTINCT contains(evidence, 'email') FROM core.customer_identity WHERE email = 'eva@x.de'"
    assert rows(night, evidence) == [(True,)]


def test_products_meet_by_sku(night: duckdb.DuckDBPyConnection) -> None:
    query = """SELECT product_id, name, category, price_base, cost_base, sources, is_implied
               FROM core.product ORDER BY product_id"""
    assert rows(night, query) == [
        ("shop:p2", "No SKU", None, None, None, "shop", False),
        ("sku:MUG", "Mug", None, None, None, "shop", True),
        ("sku:TEA", "Tea", "drinks", Decimal("10.0000"), Decimal("4.0000"), "shop, wms", False),
    ]


def test_rates_are_direct_or_inverse_and_last_until_the_next(night: duckdb.DuckDBPyConnection) -> None:
    query = (
        "SELECT date, currency, rate FROM core.fx_rate WHERE date BETWEEN '2024-02-28' AND '2024-03-04' ORDER BY 2, 1"
    )
    gbp, usd, later = Decimal("1.25"), Decimal("0.9"), Decimal("0.95")
    assert rows(night, query) == [
        *[(date(2024, 3, day), "GBP", gbp) for day in (1, 2, 3, 4)],
        *[(date(2024, 3, day), "USD", usd) for day in (1, 2, 3)],
        (date(2024, 3, 4), "USD", later),
    ]
    assert rows(night, "SELECT max(date), count(*) = count(DISTINCT (date, currency)) FROM core.fx_rate") == [
        (date(2024, 6, 29), True)
    ]


def test_a_day_with_a_direct_and_an_inverse_rate_takes_the_direct_one() -> None:
    day = date(2024, 3, 1)
    quotes = [
        {"source_id": "1", "base_currency": "EUR", "quote_currency": "USD", "date": day, "rate": 2},
        {"source_id": "2", "base_currency": "USD", "quote_currency": "EUR", "date": day, "rate": Decimal("0.4")},
    ]
    with built({"fx_rate": quotes}) as con:
        assert rows(con, "SELECT DISTINCT rate FROM core.fx_rate") == [(Decimal("0.4"),)]


def test_orders(night: duckdb.DuckDBPyConnection) -> None:
    query = """SELECT source_id, ordered_date, is_counted, customer_order_number, total_base, goods_base, refunded_base,
                      returns_base, net_revenue_base, campaign_id
               FROM core.sales_order ORDER BY order_id"""
    march = {day: date(2024, 3, day) for day in range(1, 7)}
    assert rows(night, query) == [
        ("o1", march[2], True, 1, Decimal(114), Decimal(90), Decimal(30), Decimal(30), Decimal(60), "ads:g1"),
        ("o2", march[3], True, 2, Decimal(45), Decimal(45), None, Decimal(0), Decimal(45), None),
        ("o3", march[3], False, None, Decimal(70), Decimal(0), None, Decimal(0), Decimal(0), None),
        ("o4", march[5], True, 1, Decimal(45), Decimal(40), None, Decimal(40), Decimal(0), None),
        ("o5", march[6], True, None, None, None, None, None, None, None),
    ]
    eva = customer_of(night, "eva@x.de")
    assert rows(night, f"SELECT source_id FROM core.sales_order WHERE customer_id = '{eva}' ORDER BY 1") == [
        ("o1",), ("o2",), ("o3",),
    ]  # fmt: skip


def test_order_lines_of_known_orders_only(night: duckdb.DuckDBPyConnection) -> None:
    query = """SELECT source_id, order_id, product_id, product_name, currency, total_base, cost_base, is_counted
               FROM core.order_line ORDER BY source_id"""
    assert rows(night, query) == [
        ("l1", "shop:o1", "sku:TEA", "Tea", "EUR", Decimal(90), Decimal(8), True),
        ("l2", "shop:o2", "sku:MUG", "Mug", "USD", Decimal(45), None, True),
        ("l3", "shop:o3", "shop:p2", "No SKU", "EUR", Decimal(70), None, False),
    ]


def test_payments_find_orders_of_other_sources_by_number(night: duckdb.DuckDBPyConnection) -> None:
    query = """SELECT source_id, order_id, customer_id, amount_base, paid_date, is_received
               FROM core.payment ORDER BY source_id"""
    eva, payer = customer_of(night, "eva@x.de"), customer_of(night, "payer@x.de")
    assert rows(night, query) == [
        ("x1", "shop:o1", eva, Decimal(114), date(2024, 3, 2), True),
        ("x2", "shop:o2", eva, Decimal(45), date(2024, 3, 3), False),
        ("x3", None, payer, None, date(2024, 3, 2), True),
    ]


def test_a_number_of_two_orders_is_not_guessed_at() -> None:
    order = {"status": "paid", "currency": "EUR", "total": 1, "ordered_at": at("2024-03-01"), "order_number": "7"}
    payment = {"source_id": "p", "order_number": " #7", "status": "succeeded", "amount": 1, "currency": "EUR"}
    orders = [{"source": source, "source_id": "o", **order} for source in ("shop", "till")]
    payments = [{"source": source, **payment} for source in ("shop", "till", "pay")]
    with built({"sales_order": orders, "payment": payments}) as con:
        assert rows(con, "SELECT source, order_id FROM core.payment ORDER BY source") == [
            ("pay", None), ("shop", "shop:o"), ("till", "till:o"),
        ]  # fmt: skip
        once = next(r for r in contracts.tables()["core.sales_order"].rules if r.name == "order_number_once")
        assert rows(con, f"SELECT count(*) FROM core.sales_order WHERE {once.condition}") == [(2,)]


def test_refund_invoice_subscription_shipment(night: duckdb.DuckDBPyConnection) -> None:
    eva, guest = customer_of(night, "eva@x.de"), customer_of(night, "guest@x.de")
    assert rows(night, "SELECT payment_id, order_id, customer_id, amount_base, refunded_date FROM core.refund") == [
        ("pay:x1", "shop:o1", eva, Decimal(30), date(2024, 3, 10))
    ]
    assert rows(night, "SELECT order_id, customer_id, total_base, is_overdue FROM core.invoice") == [
        ("shop:o1", eva, Decimal(114), True)
    ]
    assert rows(night, "SELECT customer_id, mrr_base, is_active FROM core.subscription") == [
        (guest, Decimal("9.5"), True)
    ]
    assert rows(night, "SELECT order_id, customer_id, cost_base, transit_days, is_late FROM core.shipment") == [
        ("shop:o1", eva, Decimal(4), 3, True)
    ]


def test_marketing(night: duckdb.DuckDBPyConnection) -> None:
    assert rows(night, "SELECT campaign_id, name, platform, is_implied FROM core.campaign ORDER BY 1") == [
        ("ads:g1", "Spring", "google", False),
        ("ads:name:autumn", "Autumn", "google", True),
        ("mail:m1", "Spring", "mailer", False),
    ]
    assert rows(night, "SELECT campaign_id, campaign_name, spend_base FROM core.ad_performance ORDER BY 1") == [
        ("ads:g1", "Spring", Decimal(18)),
        ("ads:name:autumn", "Autumn", Decimal(5)),
    ]
    eva = customer_of(night, "eva@x.de")
    assert rows(night, "SELECT source_id, customer_id, campaign_id, occurred_date FROM core.touch ORDER BY 1") == [
        ("t1", eva, "mail:m1", date(2024, 3, 1)),
        ("t2", eva, "mail:m1", date(2024, 3, 2)),
        ("t3", eva, None, date(2024, 3, 3)),
    ]
    assert rows(night, "SELECT source_id, is_granted, is_current FROM core.consent ORDER BY 1") == [
        ("e1", True, False),
        ("e2", False, True),
    ]
    assert rows(night, "SELECT sessions, started_date FROM core.web_session") == [(12, date(2024, 3, 4))]


def test_deals(night: duckdb.DuckDBPyConnection) -> None:
    query = """SELECT source_id, account_id, owner_id, order_id, amount_base, days_to_close, last_moved_at,
                      stage_changes, is_overdue FROM core.deal ORDER BY 1"""
    assert rows(night, query) == [
        ("d1", "domain:acme.de", "crm:s1", None, Decimal(1000), None, at("2024-02-10"), 1, True),
        ("d2", None, "crm:s1", "shop:o1", Decimal(90), 11, at("2024-02-20"), 0, False),
    ]


def test_tickets(night: duckdb.DuckDBPyConnection) -> None:
    eva = customer_of(night, "eva@x.de")
    query = """SELECT source_id, customer_id, order_id, assignee_id, first_reply_hours, resolution_hours, messages,
                      agent_replies, is_open, is_one_touch, is_reopened FROM core.ticket ORDER BY 1"""
    assert rows(night, query) == [
        ("k1", eva, "shop:o1", "crm:s1", 1.5, 24.0, 3, 1, False, True, False),
        ("k2", eva, "shop:o1", None, None, 1.0, 0, 0, True, False, True),
    ]


def test_feedback_and_stock(night: duckdb.DuckDBPyConnection) -> None:
    eva = customer_of(night, "eva@x.de")
    assert rows(night, "SELECT customer_id, order_id, product_id, rating_pct, answer_hours FROM core.feedback") == [
        (eva, "shop:o1", "sku:TEA", 80.0, 6.0)
    ]
    query = "SELECT source_id, product_id, product_name, available FROM core.inventory ORDER BY 1"
    assert rows(night, query) == [
        ("y1", "sku:TEA", "Tea", Decimal(0)),
        ("y2", "sku:TEA", "Tea", Decimal(6)),
        ("y3", "sku:TEA", "Tea", Decimal(3)),
    ]


def test_calendar(night: duckdb.DuckDBPyConnection) -> None:
    assert rows(night, "SELECT min(date), max(date), count(*) FROM core.calendar") == [
        (date(2024, 2, 1), date(2024, 6, 29), 150)
    ]
    query = """SELECT date, weekday, weekday_name, week_date, is_weekend, is_holiday, holiday, is_open, note, is_future
               FROM core.calendar WHERE date BETWEEN '2024-03-29' AND '2024-04-01' ORDER BY 1"""
    monday = date(2024, 3, 25)
    assert rows(night, query) == [
        (date(2024, 3, 29), 5, "Friday", monday, False, True, "Good Friday", True, None, False),
        (date(2024, 3, 30), 6, "Saturday", monday, True, False, None, False, "stock-taking", False),
        (date(2024, 3, 31), 7, "Sunday", monday, True, False, None, True, None, False),
        (date(2024, 4, 1), 1, "Monday", date(2024, 4, 1), False, False, None, True, None, True),
    ]


def test_one_absurd_date_does_not_stretch_the_calendar() -> None:
    order = {"source_id": "o", "status": "paid", "currency": "EUR", "total": 1, "ordered_at": at("1900-01-01")}
    with built({"sales_order": [order]}) as con:
        assert rows(con, "SELECT min(date) FROM core.calendar") == [(date(2004, 3, 31),)]


def test_customer_360(night: duckdb.DuckDBPyConnection) -> None:
    columns = """full_name, account_name, customer_state, orders, cancelled_orders, units, first_order_date,
        last_order_date, days_since_last_order, average_days_between_orders, total_spent_base, returns_base,
        net_revenue_base, average_order_value_base, paid_base, failed_payments, refunds, refunded_base, first_channel,
        first_campaign_id, open_deals, open_deal_amount_base, won_deals, won_deal_amount_base, tickets, open_tickets,
        last_ticket_at, feedbacks, average_rating_pct, touches, responses, last_unsubscribe_at, may_email, may_phone"""
    eva = rows(night, f"SELECT {columns} FROM mart.customer_360 WHERE email = 'eva@x.de'")
    assert eva == [
        ("Eva M. Roth", "Acme GmbH", "new", 2, 1, Decimal(3), date(2024, 3, 2), date(2024, 3, 3), 28, 1.0,
         Decimal(159), Decimal(30), Decimal(105), 67.5, Decimal(114), 1, 1, Decimal(30), "web", "ads:g1", 1,
         Decimal(1000), 1, Decimal(90), 2, 1, at("2024-03-29", "11:00"), 1, 80.0, 3, 1, at("2024-03-03"), False, None)
    ]  # fmt: skip
    query = "SELECT customer_state, orders, active_subscriptions, mrr_base FROM mart.customer_360 WHERE email = "
    assert rows(night, f"{query} 'guest@x.de'") == [("new", 1, 1, Decimal("9.5"))]
    assert rows(night, f"{query} 'gone@x.de'") == [("deleted", 0, 0, Decimal(0))]


def test_sales_daily(night: duckdb.DuckDBPyConnection) -> None:
    query = """SELECT date, channel, country, orders, cancelled_orders, customers, new_customers, units, goods_base,
                      returns_base, net_revenue_base, shipping_base, tax_base, total_base, cost_base
               FROM mart.sales_daily ORDER BY date"""
    zero = Decimal(0)
    assert rows(night, query) == [
        (date(2024, 3, 2), "web", "DE", 1, 0, 1, 1, 2, 90, 30, 60, 5, 19, 114, 8),
        (date(2024, 3, 3), "web", "DE", 1, 1, 1, 0, 1, 45, 0, 45, 0, 0, 45, None),
        (date(2024, 3, 5), "app", "(unknown)", 1, 0, 1, 1, 0, 40, 40, 0, 5, 0, 45, None),
        (date(2024, 3, 6), "(unknown)", "(unknown)", 1, 0, 0, 0, zero, zero, zero, zero, zero, zero, zero, None),
    ]


def test_marketing_performance(night: duckdb.DuckDBPyConnection) -> None:
    query = """SELECT date, campaign_id, platform, clicks, spend_base, attributed_orders, attributed_new_customers,
                      attributed_revenue_base, roas, cac_base, cost_per_click_base
               FROM mart.marketing_performance ORDER BY date, campaign_id"""
    second, third = date(2024, 3, 2), date(2024, 3, 3)
    assert rows(night, query) == [
        (second, "ads:g1", "google", 10, 18, 1, 1, 60, 60 / 18, 18.0, 1.8),
        (second, "ads:name:autumn", "google", 0, 5, 0, 0, 0, 0.0, None, None),
        (third, "(none)", "(none)", 0, 0, 1, 0, 45, None, None, None),
        (date(2024, 3, 5), "(none)", "(none)", 0, 0, 1, 1, 0, None, None, None),
        (date(2024, 3, 6), "(none)", "(none)", 0, 0, 1, 0, 0, None, None, None),
    ]


def test_pipeline_health(night: duckdb.DuckDBPyConnection) -> None:
    query = """SELECT stage, owner_name, open_deals, open_amount_base, weighted_amount_base, overdue_deals,
                      stalled_deals, average_age_days, won_deals_90_days, won_amount_90_days_base, average_days_to_win
               FROM mart.pipeline_health ORDER BY stage"""
    assert rows(night, query) == [
        ("done", "Ada Ops", 0, 0, 0, 0, 0, None, 1, 90, 11.0),
        ("offer", "Ada Ops", 1, 1000, 400, 1, 1, 59.0, 0, 0, None),
    ]


def test_support_daily(night: duckdb.DuckDBPyConnection) -> None:
    query = """SELECT date, created_tickets, solved_tickets, backlog_tickets, reopened_tickets, unanswered_tickets,
                      average_first_reply_hours, average_resolution_hours FROM mart.support_daily ORDER BY date"""
    assert rows(night, query) == [
        (date(2024, 3, 29), 2, 0, 2, 1, 1, 1.5, None),
        (date(2024, 3, 30), 0, 1, 1, 0, 0, None, 24.0),
        (date(2024, 3, 31), 0, 0, 1, 0, 0, None, None),
    ]


def test_inventory_health(night: duckdb.DuckDBPyConnection) -> None:
    query = """SELECT product_id, locations, on_hand, available, units_sold_30_days, units_per_day, days_of_cover,
                      stock_value_base, is_stocked_out, is_below_reorder_point, stockout_days_90_days
               FROM mart.inventory_health"""
    assert rows(night, query) == [("sku:TEA", 2, 10, 9, 2, 2 / 90, 405.0, 40, False, False, 0)]


def test_what_never_sold_sells_nothing_a_day() -> None:
    count = {"source_id": "c", "sku": "HAT", "location": "here", "date": date(2024, 3, 1), "on_hand": 3}
    with built({"inventory_level": [count]}) as con:
        query = "SELECT units_sold_90_days, units_per_day, days_of_cover, is_dead_stock FROM mart.inventory_health"
        assert rows(con, query) == [(0, 0.0, None, True)]


def test_cohort_retention() -> None:
    order = {"status": "paid", "currency": "EUR", "total": 10}
    days = [("a", "2024-01-05"), ("b", "2024-01-09"), ("a", "2024-03-01"), ("a", "2024-03-02"), ("c", "2024-02-01")]
    orders = [
        {"source_id": f"o{i}", "email": f"{who}@x.de", "ordered_at": at(day), **order}
        for i, (who, day) in enumerate(days)
    ]
    with built({"sales_order": orders}) as con:
        query = """SELECT cohort_date, months_since, customers, active_customers, orders, net_revenue_base, retention
                   FROM mart.cohort_retention ORDER BY 1, 2"""
        january, february = date(2024, 1, 1), date(2024, 2, 1)
        assert rows(con, query) == [
            (january, 0, 2, 2, 2, 20, 1.0),
            (january, 1, 2, 0, 0, 0, 0.0),
            (january, 2, 2, 1, 2, 20, 0.5),
            (february, 0, 1, 1, 1, 10, 1.0),
            (february, 1, 1, 0, 0, 0, 0.0),
        ]


def broken_rules(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Keys that repeat, references that point nowhere, required values that lack, error rules that are broken."""
    found = []
    for contract in contracts.tables().values():
        if contract.schema not in ("identity", "core", "mart"):
            continue
        key = ", ".join(contract.key)
        if rows(con, f"SELECT 1 FROM {contract.table} GROUP BY {key} HAVING count(*) > 1 LIMIT 1"):
            found.append(f"{contract.table} repeats {key}")
        for column in contract.columns:
            if column.required and rows(con, f"SELECT 1 FROM {contract.table} WHERE {column.name} IS NULL LIMIT 1"):
                found.append(f"{contract.table}.{column.name} is null")
        for ref in contract.references:
            known = f"SELECT {ref.column} FROM {contract.table} EXCEPT SELECT {ref.to_column} FROM {ref.to_table}"
            if rows(con, f"SELECT 1 FROM ({known}) WHERE {ref.column} IS NOT NULL LIMIT 1"):
                found.append(f"{contract.table}.{ref.column} points nowhere")
        for rule in contract.rules:
            broken = f"SELECT 1 FROM {contract.table} WHERE {rule.condition} LIMIT 1"
            if rule.severity == "error" and rows(con, broken):
                found.append(f"{contract.table} breaks {rule.name}")
    return found


def test_contracts_hold_on_the_night(night: duckdb.DuckDBPyConnection) -> None:
    assert broken_rules(night) == []


maybe = st.sampled_from([None, "1", "2", "3"])
email = st.sampled_from([None, "a@x.de", "b@x.de", ""])
source = st.sampled_from(["shop", "crm"])
moment = st.datetimes(datetime(2024, 1, 1), datetime(2024, 4, 5), timezones=st.just(UTC))


def some(**columns: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """A few rows of one entity with distinct (source, source_id)."""
    full = {"source": source, "source_id": st.sampled_from(["1", "2", "3"]), "is_deleted": st.booleans(), **columns}
    return st.lists(st.fixed_dictionaries(full), max_size=4, unique_by=lambda row: (row["source"], row["source_id"]))


money: dict[str, st.SearchStrategy[Any]] = {"currency": st.sampled_from(["EUR", "USD", "CHF"])}
# Few amounts, so that some agree by chance.
cents = st.sampled_from([0, 1, 1_999, 1_999, 10_000]).map(lambda n: Decimal(n) / 100)
companies = st.fixed_dictionaries(
    {
        "contact": some(email=email, phone=maybe, company_id=maybe, owner_id=maybe, created_at=moment),
        "company": some(name=st.sampled_from(["Acme", "Acme Ltd", "Bolt"]), domain=st.sampled_from([None, "acme.de"])),
        "staff": some(email=email),
        "product": some(sku=maybe, price=cents, cost=cents, **money),
        "campaign": some(name=st.sampled_from(["Spring", "Autumn"]), platform=maybe),
        "fx_rate": some(
            base_currency=st.just("USD"),
            quote_currency=st.just("EUR"),
            date=st.just(date(2024, 2, 1)),
            rate=st.just(Decimal("0.9")),
        ),
        "sales_order": some(
            contact_id=maybe,
            email=email,
            order_number=maybe,
            status=st.sampled_from(["paid", "cancelled", "refunded"]),
            total=cents,
            tax=cents,
            campaign=st.sampled_from([None, "spring", "x"]),
            ordered_at=moment,
            **money,
        ),
        "order_line": some(
            order_id=maybe, product_id=maybe, sku=maybe, quantity=st.integers(1, 3), unit_price=cents, total=cents
        ),
        "invoice": some(
            invoice_number=st.sampled_from(["1", "R1"]),
            direction=st.sampled_from(["sales", "purchase"]),
            order_number=maybe,
            contact_id=maybe,
            company_id=maybe,
            status=st.sampled_from(["open", "paid", "void"]),
            total=cents,
            issued_date=moment.map(datetime.date),
            **money,
        ),
        "payment": some(
            order_id=maybe,
            order_number=st.sampled_from([None, "1", "2", "R1"]),
            invoice_id=maybe,
            contact_id=maybe,
            email=email,
            status=st.just("succeeded"),
            amount=cents,
            paid_at=st.one_of(st.none(), moment),
            **money,
        ),
        "refund": some(payment_id=maybe, order_number=maybe, amount=cents, refunded_at=moment, **money),
        "ticket": some(
            contact_id=maybe,
            email=email,
            order_number=maybe,
            assignee_id=maybe,
            status=st.sampled_from(["open", "solved"]),
            created_at=moment,
            solved_at=moment,
        ),
        "deal": some(
            contact_id=maybe,
            company_id=maybe,
            owner_id=maybe,
            status=st.sampled_from(["open", "won"]),
            order_number=maybe,
            amount=cents,
            created_at=moment,
            closed_at=moment,
            **money,
        ),
        "feedback": some(order_id=maybe, product_id=maybe, email=email, submitted_at=moment),
        "inventory_level": some(
            product_id=maybe,
            sku=st.sampled_from(["1", "9"]),
            date=moment.map(datetime.date),
            on_hand=st.integers(-1, 3),
        ),
        "marketing_touch": some(
            contact_id=maybe, email=email, campaign_id=maybe, kind=st.just("click"), occurred_at=moment
        ),
        "ad_performance": some(
            campaign_id=maybe,
            campaign_name=st.sampled_from([None, "Spring", "New"]),
            date=moment.map(datetime.date),
            impressions=st.just(5),
            clicks=st.just(1),
            spend=cents,
            **money,
        ),
    }
)


@settings(deadline=None, max_examples=8)
@given(companies)
def test_contracts_hold_on_any_data(data: dict[str, list[dict[str, Any]]]) -> None:
    with built(data) as con:
        assert broken_rules(con) == []


def test_an_empty_company_builds() -> None:
    with built({}) as con:
        assert broken_rules(con) == []
        assert rows(con, "SELECT count(*) FROM mart.metric_daily") == [(0,)]


def test_same_input_gives_same_content() -> None:
    with database(ROWS) as con:
        build(con)
        tables = list(models.load_models())
        first = {table: con.sql(f"FROM {table} ORDER BY ALL").fetchall() for table in tables}
        build(con)
        assert {table: con.sql(f"FROM {table} ORDER BY ALL").fetchall() for table in tables} == first


def test_models_come_after_what_they_read() -> None:
    order = list(models.load_models())
    for table, model in models.load_models().items():
        for upstream in model.upstream:
            for maker in models.LINKED_FROM.get(upstream, (upstream,)):
                assert maker not in order or order.index(maker) < order.index(table)


def test_every_table_of_the_model_has_a_contract_and_the_reverse() -> None:
    made = {*models.load_models(), *models.LINKED_FROM}
    assert made == {table for table, c in contracts.tables().items() if c.schema in ("identity", "core", "mart")}


@pytest.mark.parametrize("dialect", ["spark", "postgres"])
def test_models_transpile(dialect: str) -> None:
    for model in models.load_models().values():
        sqlglot.parse_one(sqlglot.transpile(model.sql, read="duckdb", write=dialect)[0], dialect=dialect)


def test_models_name_no_catalog_and_no_clock() -> None:
    for model in models.load_models().values():
        query = sqlglot.parse_one(model.sql, dialect="duckdb")
        assert not [t for t in query.find_all(exp.Table) if t.catalog]
        assert not list(query.find_all(exp.CurrentDate, exp.CurrentTimestamp, exp.Rand))


def test_lineage_reaches_through_steps_and_every_model_can_be_traced() -> None:
    lineage = models.column_lineage(models.load_models())
    assert all(columns for columns in lineage.values())
    assert lineage["mart.customer_360"]["net_revenue_base"] == [("core.sales_order", "net_revenue_base")]
    assert ("clean.sales_order", "total") in lineage["core.sales_order"]["net_revenue_base"]
    assert ("core.refund", "amount_base") in lineage["core.sales_order"]["net_revenue_base"]
    assert {t for t, _ in lineage["identity.record"]["email"]} >= {"clean.contact", "clean.ticket"}


def test_a_query_that_cannot_be_traced_gives_nothing() -> None:
    model = models.Model("core", "x", "SELECT FROM WHERE", Path("x.sql"), "", ())
    assert models.column_lineage({"core.x": model}) == {"core.x": {}}


def staff_model(sql: str) -> models.Model:
    return replace(models.load_models()["core.staff"], sql=sql)


STAFF = """SELECT 'a' AS staff_id, 'A' AS full_name, NULL::VARCHAR AS email, 'r' AS role, 't' AS team,
           TRUE AS is_active, NULL::DATE AS hired_date, 1::INTEGER AS records"""


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (f"{STAFF}, 1 AS surplus", "gives surplus"),
        (STAFF.replace(", 1::INTEGER AS records", ""), "describes records"),
        (STAFF.replace("TRUE AS is_active", "'yes' AS is_active"), "is_active is VARCHAR"),
        (STAFF.replace("'r' AS role, 't' AS team", "'t' AS team, 'r' AS role"), "orders"),
        (STAFF.replace("1::INTEGER AS records", "1.5::DOUBLE AS records"), "records is DOUBLE"),
    ],
)
def test_a_model_that_breaks_its_contract_is_not_built(sql: str, message: str) -> None:
    with duckdb.connect() as con:
        models.build_model(con, staff_model(STAFF))
        with pytest.raises(models.ModelError, match=message):
            models.build_model(con, staff_model(sql))
        assert rows(con, "SELECT staff_id FROM core.staff") == [("a",)]


def test_a_failed_build_keeps_the_old_table() -> None:
    with duckdb.connect() as con:
        assert models.build_model(con, staff_model(STAFF)).rows == 1
        with pytest.raises(duckdb.Error):
            models.build_model(con, staff_model(STAFF.replace("'a'", "error('boom')::VARCHAR")))
        assert rows(con, "SELECT staff_id FROM core.staff") == [("a",)]


def test_tables_have_the_contracts_types_and_comments(night: duckdb.DuckDBPyConnection) -> None:
    query = """SELECT data_type, comment FROM duckdb_columns()
               WHERE schema_name = 'core' AND table_name = 'sales_order' AND column_name = 'net_revenue_base'"""
    column = contracts.tables()["core.sales_order"].column("net_revenue_base")
    assert rows(night, query) == [("DECIMAL(18,4)", column.description)]
    assert rows(night, "SELECT comment FROM duckdb_tables() WHERE table_name = 'staff' AND schema_name = 'core'") == [
        ("The people who work for the business. Staff deleted at the source stay, inactive, since deals and tickets "
         "point to them. One row per person.",)
    ]  # fmt: skip


def test_models_in_a_circle_and_unknown_tables_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(**queries: str) -> None:
        for name, sql in queries.items():
            (tmp_path / "core").mkdir(exist_ok=True)
            (tmp_path / "core" / f"{name}.sql").write_text(sql)
        models._load_models.cache_clear()
        models.load_models()

    monkeypatch.setattr(models, "MODEL_DIR", tmp_path)
    monkeypatch.setattr(models.metrics, "daily_sql", lambda _: "-- One row.\nSELECT 1 AS x")
    try:
        with pytest.raises(models.ModelError, match="begin with a comment"):
            load(a="SELECT 1 AS x")
        with pytest.raises(models.ModelError, match=r"reads core\.nowhere"):
            load(a="-- One row.\nSELECT x FROM core.nowhere")
        with pytest.raises(models.ModelError, match=r"circle: core\.\w → core\.\w → core\.\w\."):
            load(a="-- One row.\nSELECT x FROM core.b", b="-- One row.\nSELECT x FROM core.a")
        with pytest.raises(models.ModelError, match="not valid SQL"):
            load(a="-- One row.\nSELECT (x FROM core.b")
    finally:
        models._load_models.cache_clear()


def test_the_night_is_the_only_clock() -> None:
    assert NIGHT.date() > AS_OF
    with built(ROWS, as_of=date(2024, 12, 31)) as con:
        assert rows(con, "SELECT customer_state FROM mart.customer_360 WHERE email = 'eva@x.de'") == [("lapsing",)]
