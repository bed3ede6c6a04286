"""The demo company's books in Xero: the chart of accounts, customers and suppliers, invoices, bills, and payments.

Invoices are those to businesses for their orders, bills come from suppliers every month. Bodies are as the interface
shows them but for times, which the store has. No night of the demo loads it, so it tells no truth.
"""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import polars as pl

from sandbox import words
from sandbox.days import DAYS
from sandbox.exports.kit import Out, epoch, labels, moment
from sandbox.store import Record, Store
from sandbox.trade import NOW, local_day
from sandbox.vendors import _crm

#: code, name, type, class
CHART = (
    ("090", "Geschäftskonto", "BANK", "ASSET"),
    ("200", "Erlöse", "REVENUE", "REVENUE"),
    ("310", "Wareneinsatz", "DIRECTCOSTS", "EXPENSE"),
    ("469", "Miete", "OVERHEADS", "EXPENSE"),
    ("429", "Allgemeine Kosten", "EXPENSE", "EXPENSE"),
    ("493", "Reisekosten", "EXPENSE", "EXPENSE"),
    ("610", "Forderungen", "CURRENT", "ASSET"),
    ("800", "Verbindlichkeiten", "CURRLIAB", "LIABILITY"),
)
SALES, COST, BANK = "200", "310", "090"
_NAMESPACE = uuid.UUID("5b0f1f5e-6d5c-4a7e-9a57-0d8c8f2f6a11")
_DAY = 86_400


def guid(kind: str, key: object) -> str:
    """The id of a record: the same for the same key, and in no order."""
    return str(uuid.uuid5(_NAMESPACE, f"{kind} {key}"))


def fill(out: Out, store: Store) -> None:
    """Makes the books."""
    start = int(pl.select(epoch(moment(pl.lit(-700, pl.Int64)))).item()) * 1000
    _accounts(store, start)
    firms = _contacts(out, store, start)
    _documents(store, pl.concat([_sales(out, firms), _bills(out)]))


def _accounts(store: Store, at: int) -> None:
    frame = pl.DataFrame(CHART, schema=["Code", "Name", "Type", "Class"], orient="row").with_columns(
        AccountID=pl.Series([guid("account", code) for code, *_ in CHART]),
        Status=pl.lit("ACTIVE"),
        EnablePaymentsToAccount=pl.col("Code") == BANK,
        ShowInExpenseClaims=pl.lit(False),
        HasAttachments=pl.lit(False),
        AddToWatchlist=pl.lit(False),
        at=pl.lit(at),
    )
    body = pl.struct(frame.drop("at").columns)
    store.fill("Accounts", frame, id="AccountID", created="at", body=body)


def _contacts(out: Out, store: Store, start: int) -> pl.DataFrame:
    """Firms that buy, and suppliers; gives the firms with their ids."""
    random = out.random("contacts")
    firms = out.trade.firms.with_columns(
        id=pl.Series([guid("contact", f"firm {n}") for n in range(out.trade.firms.height)]),
        vat=_crm.vat_ids(out.trade.firms),
    )
    suppliers = pl.DataFrame({"name": list(words.SUPPLIERS)}).with_columns(
        id=pl.Series([guid("contact", name) for name in words.SUPPLIERS]),
        domain=pl.lit(None, pl.String),
        vat=pl.lit(None, pl.String),
        street=pl.lit("Industriestr. 1"),
        city=pl.lit("Hamburg"),
        postcode=pl.lit("20095"),
        country=pl.lit("DE"),
        is_supplier=pl.lit(True),
    )
    columns = ["id", "name", "domain", "vat", "street", "city", "postcode", "country", "is_supplier"]
    both = pl.concat([firms.with_columns(is_supplier=pl.lit(False)).select(columns), suppliers.select(columns)])
    dirt = out.dirt("company", "id")
    both = dirt.spoil(both, "name", {"mojibake": 0.05, "upper": 0.03}, field="name")
    made = pl.Series(start + random.integers(0, 500, both.height) * _DAY * 1000)
    bodies = [_contact(row) for row in both.iter_rows(named=True)]
    _put(
        store, "Contacts", both["id"], bodies, made, made + pl.Series(random.integers(0, 90, both.height)) * _DAY * 1000
    )
    return firms


def _contact(row: dict[str, Any]) -> dict[str, Any]:
    address = {
        "AddressType": "STREET",
        "AddressLine1": row["street"],
        "City": row["city"],
        "Region": "",
        "PostalCode": row["postcode"],
        "Country": words.COUNTRY_NAME[row["country"]],
    }
    body = {
        "ContactID": row["id"],
        "ContactStatus": "ACTIVE",
        "Name": row["name"],
        "BankAccountDetails": "",
        "Addresses": [{**address, "AddressType": "POBOX", "AddressLine1": ""}, address],
        "Phones": [{"PhoneType": "DEFAULT", "PhoneNumber": "", "PhoneAreaCode": "", "PhoneCountryCode": ""}],
        "ContactGroups": [],
        "ContactPersons": [],
        "IsSupplier": row["is_supplier"],
        "IsCustomer": not row["is_supplier"],
        "HasAttachments": False,
        "HasValidationErrors": False,
    }
    # Fields without a value are left out by the interface.
    if row["domain"]:
        body |= {"EmailAddress": f"info@{row['domain']}", "Website": f"https://www.{row['domain']}"}
    return body | ({"TaxNumber": row["vat"]} if row["vat"] else {})


def _sales(out: Out, firms: pl.DataFrame) -> pl.DataFrame:
    """One row per invoice to a business for its order."""
    orders = out.trade.orders.filter((pl.col("cancelled") < 0) & pl.col("is_business"))
    firm = out.trade.people["firm"].gather(orders["person"])
    return orders.select(
        pl.lit("ACCREC").alias("type"),
        ("RE" + pl.col("order_number").str.slice(2)).alias("number"),
        pl.col("order_number").alias("reference"),
        firms["id"].gather(firm).alias("contact"),
        firms["name"].gather(firm).alias("name"),
        pl.lit(SALES).alias("account"),
        pl.lit("Lieferung").alias("text"),
        pl.col("tax"),
        pl.col("total"),
        "currency",
        pl.col("ordered").alias("at"),
        pl.lit(14).alias("terms"),
        pl.col("paid"),
    )


def _bills(out: Out) -> pl.DataFrame:
    """One row per bill: each supplier sends one a month."""
    random = out.random("bills")
    months = np.arange(0, DAYS, 30)
    supplier = np.tile(np.arange(len(words.SUPPLIERS)), len(months))
    day = np.repeat(months, len(words.SUPPLIERS)) + random.integers(0, 28, len(supplier))
    at = pl.DataFrame({"day": np.minimum(day, DAYS - 1)}).select(moment("day") + 36_000).to_series()
    total = random.integers(20_000, 900_000, len(supplier))
    paid = at + pl.Series(random.integers(5, 40, len(supplier))) * _DAY
    names = pl.Series(words.SUPPLIERS).gather(supplier)
    return pl.DataFrame({"at": at, "total": total}).select(
        pl.lit("ACCPAY").alias("type"),
        ("B-" + (10_001 + pl.int_range(pl.len())).cast(pl.String)).alias("number"),
        pl.lit(None, pl.String).alias("reference"),
        pl.Series([guid("contact", name) for name in names]).alias("contact"),
        names.alias("name"),
        labels(random, [COST, "429"], len(supplier), [0.8, 0.2]).alias("account"),
        pl.lit("Warenlieferung").alias("text"),
        (pl.col("total") * 19 // 119).alias("tax"),
        pl.col("total"),
        pl.lit("EUR").alias("currency"),
        "at",
        pl.lit(30).alias("terms"),
        pl.when(pl.lit(paid) < NOW).then(pl.lit(paid)).otherwise(-1).alias("paid"),
    )


def _documents(store: Store, frame: pl.DataFrame) -> None:
    """Invoices and bills with the payments that settle them."""
    frame = frame.with_columns(
        id=pl.Series([guid("invoice", number) for number in frame["number"]]),
        payment=pl.Series([guid("payment", number) for number in frame["number"]]),
        made=epoch("at") * 1000,
        settled=pl.when(pl.col("paid") >= 0).then(epoch(pl.max_horizontal("paid", 0)) * 1000),
        day=local_day(pl.col("at")),
        paid_day=pl.when(pl.col("paid") >= 0).then(local_day(pl.col("paid"))),
    )
    rows = list(frame.iter_rows(named=True))
    _put(
        store,
        "Invoices",
        frame["id"],
        [_invoice(row) for row in rows],
        frame["made"],
        frame["settled"].fill_null(frame["made"]),
    )
    settled = frame.filter(pl.col("settled").is_not_null())
    bodies = [_payment(row) for row in rows if row["settled"] is not None]
    _put(store, "Payments", settled["payment"], bodies, settled["settled"], settled["settled"])


def _put(
    store: Store, name: str, ids: pl.Series, bodies: list[dict[str, Any]], created: pl.Series, updated: pl.Series
) -> None:
    rows = zip(ids, bodies, created, updated, strict=True)
    store.put(name, (Record(id=i, body=b, created=c, updated=min(u, (NOW - 7_200) * 1000)) for i, b, c, u in rows))


def day_stamp(day: Any) -> str:
    """A day as the interface writes it: midnight in UTC, in the manner of Microsoft."""
    return f"/Date({(day.toordinal() - 719_163) * _DAY * 1000}+0000)/"


def _invoice(row: dict[str, Any]) -> dict[str, Any]:
    total, tax = row["total"] / 100, row["tax"] / 100
    is_paid = row["settled"] is not None
    line = {
        "LineItemID": guid("line", row["number"]),
        "Description": row["text"],
        "Quantity": 1.0,
        "UnitAmount": total,
        "LineAmount": total,
        "TaxAmount": tax,
        "TaxType": "OUTPUT" if row["type"] == "ACCREC" else "INPUT",
        "AccountCode": row["account"],
        "AccountID": guid("account", row["account"]),
        "Tracking": [],
    }
    body = {
        "Type": row["type"],
        "InvoiceID": row["id"],
        "InvoiceNumber": row["number"],
        "Contact": {"ContactID": row["contact"], "Name": row["name"]},
        "Date": day_stamp(row["day"]),
        "DueDate": day_stamp(row["day"].fromordinal(row["day"].toordinal() + row["terms"])),
        "LineAmountTypes": "Inclusive",
        "LineItems": [line],
        "SubTotal": round(total - tax, 2),
        "TotalTax": tax,
        "Total": total,
        "AmountDue": 0.0 if is_paid else total,
        "AmountPaid": total if is_paid else 0.0,
        "AmountCredited": 0.0,
        "CurrencyCode": row["currency"],
        "CurrencyRate": 1.0,
        "Status": "PAID" if is_paid else _unpaid(row),
        "SentToContact": row["type"] == "ACCREC",
        "HasAttachments": False,
        "HasErrors": False,
        "IsDiscounted": False,
        "Payments": [],
        "CreditNotes": [],
        "Prepayments": [],
        "Overpayments": [],
    }
    if is_paid:
        paid = {"PaymentID": row["payment"], "Date": day_stamp(row["paid_day"]), "Amount": total, "CurrencyRate": 1.0}
        body |= {"FullyPaidOnDate": day_stamp(row["paid_day"]), "Payments": [paid]}
    return body | ({"Reference": row["reference"]} if row["reference"] else {})


def _unpaid(row: dict[str, Any]) -> str:
    """Some bills have been entered and nobody has approved them yet."""
    is_draft = row["type"] == "ACCPAY" and int(row["number"][-1]) % 2 == 0
    return "DRAFT" if is_draft else "AUTHORISED"


def _payment(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "PaymentID": row["payment"],
        "Date": day_stamp(row["paid_day"]),
        "Amount": row["total"] / 100,
        "BankAmount": row["total"] / 100,
        "CurrencyRate": 1.0,
        "Reference": row["number"],
        "PaymentType": "ACCRECPAYMENT" if row["type"] == "ACCREC" else "ACCPAYPAYMENT",
        "Status": "AUTHORISED",
        "HasAccount": True,
        "IsReconciled": True,
        "HasValidationErrors": False,
        "Account": {"AccountID": guid("account", BANK), "Code": BANK},
        "Invoice": {
            "InvoiceID": row["id"],
            "InvoiceNumber": row["number"],
            "Type": row["type"],
            "CurrencyCode": row["currency"],
            "Contact": {"ContactID": row["contact"], "Name": row["name"]},
        },
    }
