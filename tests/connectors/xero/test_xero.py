"""Xero's own ways: deleted documents in the lists, rotating tokens, one organisation of several, interrupted reads."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors import registry
from connectors._api.columns import Cutter
from connectors._api.resource import Head, Page
from connectors.base import ConnectorError
from sandbox.vendors.xero import CUSTOM_CLIENT_ID, GRACE, LIMITED_REFRESH_TOKEN, TENANT
from tests.connectors.served import Served, served
from transforms import mapping
from warehouse.contracts import entities

FOLDER = Path(registry.__file__).parent / "xero"
LISTS = {"contacts": "Contacts", "invoices": "Invoices", "payments": "Payments"}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def one(made: Path, tmp_path: Path) -> Iterator[Served]:
    with served("xero", made=made, root=tmp_path, record=True) as one:
        yield one


def connect(one: Served) -> list[str]:
    asked = registry.get("xero").connect
    assert asked is not None
    return asked(one.source)


def test_the_first_load_equals_the_books(one: Served) -> None:
    one.running.sandbox.night()
    one.load()
    for table, name in LISTS.items():
        held = {i: (gone, json.loads(p)) for i, gone, p in one.sql(f"SELECT id, is_deleted, payload FROM raw.{table}")}
        wanted = {r.id: r.body for r in one.store.page(name, limit=10**6)}
        assert held.keys() == wanted.keys()
        for id, (gone, payload) in held.items():
            assert {k: payload[k] for k in wanted[id]} == wanted[id]
            assert gone == (wanted[id].get("Status") == "DELETED")
    assert one.sql("SELECT count(*) FROM raw.accounts WHERE NOT is_deleted") == [(one.store.count("Accounts"),)]


def test_a_night_marks_what_was_deleted_and_keeps_what_was_voided(one: Served) -> None:
    one.load()
    changes = one.running.sandbox.night()["xero"]
    one.load()
    for table, name in (("invoices", "Invoices"), ("payments", "Payments"), ("accounts", "Accounts")):
        assert [i for (i,) in one.sql(f"SELECT id FROM raw.{table} WHERE is_deleted")] == changes[name].deleted
    voided = one.sql("SELECT is_deleted FROM raw.invoices WHERE payload->>'$.Status' = 'VOIDED'")
    assert voided == [(False,)]


def test_archived_contacts_are_read(one: Served) -> None:
    record = one.store.page("Contacts", limit=1)[0]
    one.store.put("Contacts", [replace(record, body={**record.body, "ContactStatus": "ARCHIVED"})])
    one.load()
    assert one.sql(f"SELECT is_deleted FROM raw.contacts WHERE id = '{record.id}'") == [(False,)]


def test_the_rotated_token_is_kept_and_used(one: Served) -> None:
    one.load()
    kept = one.root / "secrets" / "source.xero.json"
    first = json.loads(kept.read_text())["token"]
    assert kept.stat().st_mode & 0o077 == 0
    one.store.write_note("used", {k: v - GRACE - 1 for k, v in one.store.note("used").items()})
    one.load()
    assert json.loads(kept.read_text())["token"] != first
    one.store.write_note("used", {k: v - GRACE - 1 for k, v in one.store.note("used").items()})
    kept.unlink()
    with pytest.raises(ConnectorError, match="the refresh token was refused"):
        one.load()


def test_a_custom_connection_needs_no_refresh_token(one: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    source = one.source
    options = {k: v for k, v in source.options.items() if k not in ("refresh_token", "tenant_id")}
    monkeypatch.setattr(Served, "source", replace(source, options={**options, "client_id": CUSTOM_CLIENT_ID}))
    assert connect(one) == []
    assert one.load().changed
    assert not (one.root / "secrets").exists()


def test_the_check_tells_which_organisations_there_are(one: Served) -> None:
    assert connect(one) == []
    for given, what in ((None, "tenant_id is missing"), ("b" * 36, f"no organisation with the tenant_id {'b' * 36}")):
        one.more = {"tenant_id": given}
        (sentence,) = connect(one)
        assert what in sentence
        assert f'"{TENANT}" (Mühlbach Versand GmbH)' in sentence
        with pytest.raises(ConnectorError, match="the organisation is not connected to the app"):
            one.load()


def test_a_missing_scope_is_named(one: Served) -> None:
    one.more = {"refresh_token": LIMITED_REFRESH_TOKEN}
    (sentence,) = connect(one)
    assert "the app lacks the scope accounting.payments.read" in sentence
    with pytest.raises(ConnectorError, match=r"lacks the scope accounting\.payments\.read"):
        one.load()
    one.more["tables"] = ["accounts", "contacts", "invoices"]
    assert connect(one) == []
    assert one.load().changed


def test_a_day_without_requests_left_is_a_sentence() -> None:
    from connectors._api.client import Answer
    from connectors.xero import _judge

    headers = {"x-rate-limit-problem": "Day", "retry-after": "7200"}
    said = _judge(Answer(status=429, headers=headers, body=b""))
    assert said is not None
    assert "There are more in 2.0 hours" in said
    assert _judge(Answer(status=429, headers={"x-rate-limit-problem": "minute"}, body=b"")) is None


def pages(one: Served, name: str) -> list[str]:
    """Which pages of a list were read, in their order."""
    queries = [e.query for e in one.running.sandbox.exchanges if e.path.endswith(f"/{name}") and e.status == 200]
    return [q.partition("&page=")[2].partition("&")[0] for q in queries if "pageSize=10" in q]


def cut_off(one: Served) -> None:
    """Loads invoices until the third page fails."""
    one.more = {"tables": ["invoices"], "page_size": 10}
    one.running.plan("xero", "server_error", after=2, times=5)
    with pytest.raises(ConnectorError, match="fault at the vendor"):
        one.load()


def test_a_read_that_was_cut_off_goes_on_with_its_page(one: Served) -> None:
    cut_off(one)
    one.load()
    assert pages(one, "Invoices")[:4] == ["1", "2", "3", "4"]
    assert one.sql("SELECT count(*) FROM raw.invoices") == [(one.store.count("Invoices"),)]


def test_a_read_that_was_cut_off_for_long_begins_anew(one: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off(one)
    monkeypatch.setattr(sys.modules["connectors.xero.resources"], "_INTERRUPTED", timedelta(0))
    one.load()
    assert pages(one, "Invoices")[:4] == ["1", "2", "1", "2"]
    assert one.sql("SELECT count(*) FROM raw.invoices") == [(one.store.count("Invoices"),)]


def test_a_start_date_leaves_out_what_is_older_and_counts_accordingly(one: Served) -> None:
    one.more = {"start_date": "2026-03-01"}
    report = one.load()
    assert [c for c in report.counts if c.difference] == []
    assert 0 < report.tables["invoices"] < one.store.count("Invoices")
    one.running.sandbox.night()
    assert [c for c in one.load().counts if c.difference] == []


def mapped(one: Served, entity: str) -> dict[str, dict[str, Any]]:
    """The rows that a mapping of the connector gives, by id."""
    columns = registry.get("xero").discover(one.source)
    sql = mapping.prepare((FOLDER / f"{entity}.sql").read_text(), columns, entities()[entity], "source")
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"ATTACH '{one.root / 'raw' / 'source.duckdb'}' AS source (READ_ONLY)")
        found = con.execute(mapping.qualified(sql, "source"))
        names = [d[0] for d in found.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    assert len({row["source_id"] for row in rows}) == len(rows)
    return {row["source_id"]: row for row in rows}


def test_mappings_fit_the_contracts(one: Served) -> None:
    columns = registry.get("xero").discover(one.source)
    for entity in ("company", "contact", "invoice", "payment"):
        path = FOLDER / f"{entity}.sql"
        found = mapping.Mapping(source="source", entity=entity, path=path, sql=path.read_text())
        assert mapping.bind_problems(found, columns, entities()[entity]) == []


def test_mappings_say_what_the_books_say(one: Served) -> None:
    one.running.sandbox.night()
    one.load()
    companies, contacts = mapped(one, "company"), mapped(one, "contact")
    everybody = {r.id: r.body for r in one.store.page("Contacts", limit=1000)}
    assert companies.keys() == everybody.keys()
    assert contacts.keys() == {i for i, body in everybody.items() if body["IsCustomer"]}
    customer = next(i for i, body in everybody.items() if body["IsCustomer"])
    street = everybody[customer]["Addresses"][1]
    assert (companies[customer]["street"], companies[customer]["city"]) == (street["AddressLine1"], street["City"])
    assert companies[customer]["phone"] is None
    assert companies[customer]["vat_id"] == everybody[customer]["TaxNumber"]

    invoices = mapped(one, "invoice")
    documents = {r.id: r.body for r in one.store.page("Invoices", limit=1000)}
    assert invoices.keys() == documents.keys()
    states = {"PAID": "paid", "AUTHORISED": "open", "DRAFT": "draft", "VOIDED": "void", "DELETED": "void"}
    for id, row in invoices.items():
        body = documents[id]
        assert (row["status"], row["direction"]) == (
            states[body["Status"]],
            "sales" if body["Type"] == "ACCREC" else "purchase",
        )
        assert row["company_id"] == body["Contact"]["ContactID"]
        assert (row["contact_id"] is None) == (row["direction"] == "purchase")
        assert float(row["total"]) == pytest.approx(float(row["subtotal"]) + float(row["tax"]))
        assert row["issued_date"] == day(body["Date"])
        assert (row["paid_at"] is None) == ("FullyPaidOnDate" not in body)
    assert {row["is_deleted"] for row in invoices.values()} == {True, False}

    payments = mapped(one, "payment")
    settled = {r.id: r.body for r in one.store.page("Payments", limit=1000) if r.body["PaymentType"] == "ACCRECPAYMENT"}
    assert payments.keys() == settled.keys()
    for id, row in payments.items():
        assert row["invoice_id"] == settled[id]["Invoice"]["InvoiceID"]
        assert row["paid_at"].date() == day(settled[id]["Date"])
        assert float(row["amount"]) == settled[id]["Amount"]


def day(stamp: str) -> date:
    return date.fromordinal(int(stamp.split("(")[1].split("+")[0]) // 86_400_000 + 719_163)


def test_microsofts_times_are_read() -> None:
    cutter = Cutter(Head(key="id", modified="at", clock="microsoft"))
    texts = ["/Date(1541176592690+0000)/", "/Date(1541176592690+1300)/", "/Date(-1000)/", "yesterday"]
    records = [json.dumps({"id": n, "at": text}).encode() for n, text in enumerate(texts)]
    columns = cutter.columns(Page(records=[*records, b'{"id": 9}']))
    times = [None if t is None else t.isoformat() for t in columns.batch["modified_at"].to_pylist()]
    at = "2018-11-02T16:36:32.690000+00:00"
    assert times == [at, at, "1969-12-31T23:59:59+00:00", None]
    assert [r.payload for r in columns.rejected] == [records[3].decode()]
