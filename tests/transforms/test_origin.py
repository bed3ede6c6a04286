"""Which record each value of a customer or an account comes from, and why: literal records in, literal origins out."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import duckdb
import pytest

from tests.transforms.clean_tables import Rows, Trust, build, database
from warehouse import contracts
from warehouse.company import CHOSEN, PART_OF

JANUARY, MARCH = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)


def contact(source: str, changed: datetime | None = None, **values: Any) -> dict[str, Any]:
    return {"source": source, "source_id": source, "external_id": "E", "source_updated_at": changed, **values}


def built(rows: Rows, trust: Trust | None = None) -> duckdb.DuckDBPyConnection:
    return build(database(rows, trust=trust), "core.customer", "core.account")


def origins(con: duckdb.DuckDBPyConnection, *columns: str) -> list[tuple[Any, ...]]:
    return con.execute(
        "SELECT column_name, value, record_id, reason, other_values FROM core.customer_origin "
        "WHERE list_contains(?, column_name) ORDER BY 1",
        [list(columns)],
    ).fetchall()


def test_a_value_that_nobody_contradicts_says_so() -> None:
    people = [contact("crm", JANUARY, full_name="Eva Roth"), contact("shop", MARCH, full_name="Eva Roth", phone="+491")]
    with built({"contact": people}) as con:
        assert origins(con, "full_name", "phone") == [
            ("full_name", "Eva Roth", "contact:shop:shop", "only_value", 0),
            ("phone", "+491", "contact:shop:shop", "only_value", 0),
        ]
        assert con.execute("SELECT source, updated_at FROM core.customer_origin WHERE value = '+491'").fetchall() == [
            ("shop", MARCH)
        ]


@pytest.mark.parametrize(
    ("winner", "loser", "reason"),
    [
        ({"phone": "+491"}, {"phone": "+492"}, "tie"),
        ({"changed": MARCH, "phone": "+491"}, {"changed": JANUARY, "phone": "+492"}, "latest"),
        ({"changed": JANUARY, "phone": "+491"}, {"phone": "+492"}, "latest"),
        ({"phone": "+491"}, {"changed": MARCH, "phone": "+492", "is_deleted": True}, "not_deleted"),
        ({"phone": "+491", "email": "a@x.de", "street": "Weg 1"}, {"phone": "+492"}, "most_complete"),
    ],
)
def test_recency_and_completeness_decide(winner: dict[str, Any], loser: dict[str, Any], reason: str) -> None:
    with built({"contact": [contact("a", **winner), contact("b", **loser)]}) as con:
        assert origins(con, "phone") == [("phone", "+491", "contact:a:a", reason, 1)]
        assert con.execute("SELECT phone FROM core.customer").fetchall() == [("+491",)]


def test_trust_goes_before_recency_and_holds_for_its_column_only() -> None:
    people = [
        contact("crm", JANUARY, full_name="Eva M. Roth", phone="+491"),
        contact("shop", MARCH, full_name="Eva Roth", phone="+492"),
    ]
    with built({"contact": people}, trust={("crm", "name"): 60}) as con:
        assert origins(con, "full_name", "phone") == [
            ("full_name", "Eva M. Roth", "contact:crm:crm", "trust", 1),
            ("phone", "+492", "contact:shop:shop", "latest", 1),
        ]
    with built({"contact": people}, trust={("shop", "name"): 49, ("crm", "phone"): 100}) as con:
        assert con.execute("SELECT full_name, phone FROM core.customer").fetchall() == [("Eva M. Roth", "+491")]


def test_trust_does_not_bring_back_the_deleted() -> None:
    people = [contact("crm", phone="+491", is_deleted=True), contact("shop", phone="+492")]
    with built({"contact": people}, trust={("crm", "phone"): 100}) as con:
        assert origins(con, "phone") == [("phone", "+492", "contact:shop:shop", "not_deleted", 1)]


def test_a_contact_goes_before_the_address_of_an_order_unless_the_shop_is_trusted_more() -> None:
    rows: Rows = {
        "contact": [contact("crm", JANUARY, email="eva@x.de", phone="+491")],
        "sales_order": [
            {"source_id": "o", "email": "eva@x.de", "phone": "+492", "status": "paid", "currency": "EUR", "total": 1,
             "ordered_at": MARCH},
        ],
    }  # fmt: skip
    with built(rows) as con:
        assert origins(con, "phone") == [("phone", "+491", "contact:crm:crm", "contact_record", 1)]
    with built(rows, trust={("shop", "phone"): 51}) as con:
        assert origins(con, "phone") == [("phone", "+492", "email:shop:eva@x.de", "trust", 1)]


@pytest.mark.parametrize(
    ("column", "placeholder", "real"),
    [
        ("full_name", "Guest", "Eva Roth"),
        ("full_name", "eva@x.de", "Eva Roth"),
        ("email", "noreply@x.de", "eva@x.de"),
        ("email", "abc123@marketplace.amazon.de", "eva@x.de"),
        ("company_name", "Privat", "Acme"),
        ("birth_date", date(1970, 1, 1), date(1990, 5, 17)),
        ("lifecycle_stage", "other", "lead"),
        ("lead_source", "(not set)", "fair"),
    ],
)
def test_a_placeholder_survives_only_where_there_is_nothing_else(column: str, placeholder: Any, real: Any) -> None:
    only = {"contact": [contact("shop", MARCH, **{column: placeholder})]}
    with built(only, trust={("shop", c): 100 for c in CHOSEN}) as con:
        assert con.execute(f"SELECT {column} FROM core.customer").fetchall() == [(placeholder,)]
    # Whoever says it, however lately: a real value even of a deleted record is better.
    both = {"contact": [*only["contact"], contact("crm", JANUARY, **{column: real}, is_deleted=True)]}
    with built(both, trust={("shop", c): 100 for c in CHOSEN}) as con:
        assert con.execute(f"SELECT {column} FROM core.customer").fetchall() == [(real,)]
        assert origins(con, column) == [(column, str(real), "contact:crm:crm", "no_placeholder", 1)]


def test_parts_come_from_one_record_and_a_country_may_come_alone() -> None:
    people = [
        contact("crm", JANUARY, full_name="Eva Maria Roth", given_name="Eva Maria", family_name="Roth",
                street="Weg 1", city="Bonn", postcode="53111", region="NRW"),
        contact("shop", MARCH, full_name="E. Roth", city="Köln", country="DE"),
        contact("mail", MARCH.replace(month=4), country="AT"),
    ]  # fmt: skip
    parts = ("full_name", "given_name", "street", "city", "region", "postcode", "country")
    with built({"contact": people}) as con:
        assert origins(con, *parts) == [
            ("city", "Köln", "contact:shop:shop", "latest", 1),
            ("country", "DE", "contact:shop:shop", "latest", 1),
            ("full_name", "E. Roth", "contact:shop:shop", "latest", 1),
        ]
    with built({"contact": people}, trust={("crm", "address"): 60}) as con:
        assert origins(con, *parts[2:]) == [
            ("city", "Bonn", "contact:crm:crm", "trust", 1),
            ("country", "AT", "contact:mail:mail", "latest", 1),
            ("postcode", "53111", "contact:crm:crm", "trust", 1),
            ("region", "NRW", "contact:crm:crm", "trust", 1),
            ("street", "Weg 1", "contact:crm:crm", "trust", 1),
        ]


def test_a_sample_address_gives_way() -> None:
    people = [contact("crm", JANUARY, city="Bonn"), contact("shop", MARCH, street="Musterstraße 1", city="Musterstadt")]
    with built({"contact": people}) as con:
        assert con.execute("SELECT street, city FROM core.customer").fetchall() == [(None, "Bonn")]


def test_accounts_have_origins_too() -> None:
    companies = [
        {"source": "crm", "source_id": "1", "name": "Acme GmbH", "domain": "acme.de", "source_updated_at": JANUARY,
         "annual_revenue": 1000, "currency": "USD", "employees": 12},
        {"source": "erp", "source_id": "2", "name": "ACME", "domain": "acme.de", "source_updated_at": MARCH,
         "annual_revenue": 900, "city": "Bonn"},
    ]  # fmt: skip
    query = """SELECT column_name, value, record_id, reason, other_values FROM core.account_origin
               WHERE column_name NOT IN ('domain') ORDER BY 1"""
    with built({"company": companies}, trust={("crm", "annual_revenue"): 80}) as con:
        assert con.execute(query).fetchall() == [
            ("annual_revenue", "1000.0000", "company:crm:1", "trust", 1),
            ("city", "Bonn", "company:erp:2", "only_value", 0),
            ("currency", "USD", "company:crm:1", "trust", 1),
            ("employees", "12", "company:crm:1", "only_value", 0),
            ("name", "ACME", "company:erp:2", "latest", 1),
        ]
        account = "SELECT name, annual_revenue, currency, employees, city FROM core.account"
        assert con.execute(account).fetchall() == [("ACME", 1000, "USD", 12, "Bonn")]


def rule(table: str, name: str) -> str:
    condition = next(r.condition for r in contracts.tables()[table].rules if r.name == name)
    return f"SELECT count(*) FROM {table} WHERE {condition}"


@pytest.mark.parametrize("kind", ["customer", "account"])
def test_values_and_origins_that_part_are_found(kind: str) -> None:
    rows: Rows = {
        "contact": [contact("crm", full_name="Eva Roth", birth_date=date(1990, 5, 17), is_subscribed=True)],
        "company": [{"source_id": "1", "name": "Acme", "employees": 3}],
    }
    agrees, explained = (
        rule(f"core.{kind}_origin", f"agrees_with_{kind}"),
        rule(f"core.{kind}", "every_value_has_its_origin"),
    )
    with built(rows) as con:
        assert con.execute(agrees).fetchone() == con.execute(explained).fetchone() == (0,)
        name = "full_name" if kind == "customer" else "name"
        con.execute(f"UPDATE core.{kind} SET {name} = 'Other'")
        assert con.execute(agrees).fetchone() == (1,)
        con.execute(f"DELETE FROM core.{kind}_origin WHERE column_name = '{name}'")
        assert con.execute(explained).fetchone() == (1,)


def chosen_columns(kind: str) -> list[str]:
    return list(contracts.tables()[f"core.{kind}_origin"].column("column_name").enum)


def test_what_can_be_trusted_is_what_is_chosen() -> None:
    assert {PART_OF.get(c, c) for kind in ("customer", "account") for c in chosen_columns(kind)} == set(CHOSEN)


PERSON = {
    "full_name": ("Eva Roth", "E. Roth"), "given_name": ("Eva", "E."), "family_name": ("Roth", "Rot"),
    "email": ("a@x.de", "b@x.de"), "phone": ("+491", "+492"), "company_name": ("Acme", "Bolt"),
    "company_id": ("1", "2"), "job_title": ("CEO", "CFO"), "street": ("Weg 1", "Weg 2"), "city": ("Bonn", "Köln"),
    "region": ("A", "B"), "postcode": ("53111", "50667"), "country": ("DE", "AT"),
    "birth_date": (date(1990, 5, 17), date(1990, 5, 18)), "language": ("de", "en"),
    "lifecycle_stage": ("lead", "customer"), "lead_source": ("fair", "web"), "owner_id": ("s1", "s2"),
    "is_subscribed": (True, False),
}  # fmt: skip
COMPANY = {
    "name": ("Acme", "ACME"), "website": ("https://a.de", "https://b.de"), "email": ("a@x.de", "b@x.de"),
    "phone": ("+491", "+492"), "vat_id": ("V1", "V2"), "industry": ("food", "tea"), "employees": (1, 2),
    "annual_revenue": (10, 20), "currency": ("EUR", "USD"), "street": ("Weg 1", "Weg 2"), "city": ("Bonn", "Köln"),
    "region": ("A", "B"), "postcode": ("53111", "50667"), "country": ("DE", "AT"), "owner_id": ("s1", "s2"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "values"), [("customer", PERSON), ("account", COMPANY)])
def test_trust_in_a_column_moves_that_column_and_its_whole(kind: str, values: dict[str, tuple[Any, Any]]) -> None:
    """One record is older in everything; with trust it wins what it is trusted for, and nothing else."""
    shared = {"domain": "acme.de"} if kind == "account" else {"external_id": "E"}
    records = [
        {"source": source, "source_id": source, "source_updated_at": changed, **shared,
         **{column: pair[i] for column, pair in values.items()}}
        for i, (source, changed) in enumerate([("old", JANUARY), ("new", MARCH)])
    ]  # fmt: skip
    rows: Rows = {
        "contact" if kind == "customer" else "company": records,
        "staff": [{"source": s, "source_id": i, "email": f"{i}@own.de"} for s in ("old", "new") for i in ("s1", "s2")],
    }
    if kind == "customer":
        rows = {
            **rows,
            "company": [
                {"source": "old", "source_id": "1", "name": "Acme"},
                {"source": "new", "source_id": "2", "name": "Bolt"},
            ],
        }
    contested = [c for c in chosen_columns(kind) if c not in shared]
    for name in {PART_OF.get(c, c) for c in contested}:
        with built(rows, trust={("old", name): 51}) as con:
            found = con.execute(f"SELECT column_name, source FROM core.{kind}_origin WHERE other_values = 1").fetchall()
        assert dict(found) == {c: "old" if PART_OF.get(c, c) == name else "new" for c in contested}
