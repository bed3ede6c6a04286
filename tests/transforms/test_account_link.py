"""People and the companies they belong to: by a record that says so, or by the domain of their e-mail address."""

from __future__ import annotations

from typing import Any

import pytest

from tests.transforms.clean_tables import Rows, account_of, build, database

ACME = {"source": "crm", "source_id": "acme", "name": "Acme GmbH", "domain": "acme.de"}
BOLT = {"source": "crm", "source_id": "bolt", "name": "Bolt", "domain": "bolt.de"}
ACME_ID = account_of("crm", "acme")


def person(name: str, email: str | None, **more: Any) -> dict[str, Any]:
    return {"source": "crm", "source_id": name, "email": email, **more}


def accounts(
    people: list[dict[str, Any]], companies: list[dict[str, Any]] | None = None, **rows: Any
) -> dict[str, Any]:
    """Account and way to it, by e-mail address."""
    company = [ACME, BOLT] if companies is None else companies
    with build(database({"contact": people, "company": company, **rows}), "core.customer") as con:
        found = con.execute("SELECT email, account_id, account_link FROM core.customer").fetchall()
    return {email: (account, link) for email, account, link in found}


def test_a_business_domain_links_whom_no_record_links() -> None:
    order = {"source_id": "o", "email": "guest@acme.de", "status": "paid", "currency": "EUR", "total": 1}
    people = [
        person("eva", "eva@acme.de", company_id="acme"),
        person("jan", "jan@acme.de"),
        person("kim", "kim@bolt.de", company_id="acme"),
        person("lou", "lou@elsewhere.de"),
    ]
    assert accounts(people, sales_order=[order]) == {
        "eva@acme.de": (ACME_ID, "record"),
        "jan@acme.de": (ACME_ID, "domain"),
        "kim@bolt.de": (ACME_ID, "record"),
        "lou@elsewhere.de": (None, None),
        "guest@acme.de": (ACME_ID, "domain"),
    }


def test_a_record_of_whatever_trust_goes_before_a_domain() -> None:
    people: Rows = {
        "contact": [
            person("old", None, external_id="E", company_id="acme", is_deleted=True),
            {"source": "shop", "source_id": "new", "external_id": "E", "email": "eva@bolt.de"},
        ],
        "company": [ACME, BOLT],
    }
    query = """SELECT column_name, value, record_id, reason, other_values FROM core.customer_origin
               WHERE column_name LIKE 'account%' ORDER BY 1"""
    with build(database(people, trust={("shop", "account_id"): 100}), "core.customer") as con:
        assert con.execute(query).fetchall() == [
            ("account_id", ACME_ID, "contact:crm:old", "stated", 1),
            ("account_link", "record", "contact:crm:old", "stated", 1),
        ]
        assert con.execute("SELECT account_id, account_link FROM core.customer").fetchall() == [(ACME_ID, "record")]


def test_a_companys_own_address_tells_its_domain() -> None:
    company = {"source": "crm", "source_id": "1", "name": "Acme", "email": "info@acme.de"}
    assert accounts([person("eva", "eva@acme.de")], [company]) == {"eva@acme.de": (account_of("crm", "1"), "domain")}
    other = {"source": "crm", "source_id": "2", "name": "Bolt", "email": "office@acme.de"}
    assert accounts([person("eva", "eva@acme.de")], [company, other]) == {"eva@acme.de": (None, None)}


@pytest.mark.parametrize("domain", ["gmail.com", "yahoo.co.uk", "gmx.at", "web.de", "t-online.de", "outlook.com"])
def test_a_mail_provider_is_nobodys(domain: str) -> None:
    company = {**ACME, "domain": domain}
    assert accounts([person("eva", f"eva@{domain}")], [company]) == {f"eva@{domain}": (None, None)}


def test_a_company_with_a_name_like_a_providers_is_none() -> None:
    company = {**ACME, "domain": "live.acme.de"}
    assert accounts([person("eva", "eva@live.acme.de")], [company]) == {"eva@live.acme.de": (ACME_ID, "domain")}


def test_a_domain_where_others_work_is_nobodys() -> None:
    jan = person("jan", "jan@acme.de")
    others = [person(f"o{i}", f"o{i}@acme.de", company_id="bolt") for i in range(2)]
    own = [person(f"a{i}", f"a{i}@acme.de", company_id="acme") for i in range(3)]
    assert accounts([jan, *others, *own[:2]])["jan@acme.de"] == (None, None)
    assert accounts([jan, *others, *own])["jan@acme.de"] == (ACME_ID, "domain")


def test_a_domain_of_many_who_live_apart_is_a_providers() -> None:
    def living(places: int, people: int) -> list[dict[str, Any]]:
        return [person(f"p{i}", f"p{i}@acme.de", postcode=f"{i % places:05}") for i in range(people)]

    linked = {(places, people): accounts(living(places, people))["p0@acme.de"][1]
              for places, people in ((6, 10), (5, 10), (9, 9))}  # fmt: skip
    assert linked == {(6, 10): None, (5, 10): "domain", (9, 9): "domain"}
