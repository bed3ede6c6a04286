"""What a day brings to the books: new documents and contacts, payments that settle some, others voided or deleted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sandbox.store import Record, Store
from sandbox.vendor import Changed, Night
from sandbox.vendors.xero.records import BANK, day_stamp, guid


def night(store: Store, night: Night) -> dict[str, Changed]:
    """Lets a day pass; Xero keeps all documents, so that deleted ones are in its lists with that status."""
    invoices, payments = _invoices(store, night)
    return {
        "Accounts": _accounts(store, night),
        "Contacts": _contacts(store, night),
        "Invoices": invoices,
        "Payments": payments,
    }


def _some(store: Store, name: str, night: Night, many: int, **fields: Any) -> list[Record]:
    fitting = [r for r in store.page(name, limit=10**6) if all(r.body.get(k) == v for k, v in fields.items())]
    return night.random.sample(fitting, min(many, len(fitting)))


def _day(night: Night) -> str:
    return day_stamp(datetime.fromtimestamp(night.at / 1000, UTC).date())


def _invoices(store: Store, night: Night) -> tuple[Changed, Changed]:
    many = max(2, store.count("Invoices") // 100)
    models = _some(store, "Invoices", night, many)
    due = _some(store, "Invoices", night, many + 1, Status="AUTHORISED")
    voided, settled = due[:1], due[1:]
    drafts = _some(store, "Invoices", night, 1, Status="DRAFT")
    edited = _some(store, "Invoices", night, many, Status="PAID")
    payment = _some(store, "Payments", night, 1, Status="AUTHORISED")[0]
    reopened = [r for r in (store.get("Invoices", payment.body["Invoice"]["InvoiceID"]),) if r]

    added = [_copy(model, night, number) for number, model in enumerate(models)]
    paid = [_settled(record, night, number) for number, record in enumerate(settled)]
    payments = [_payment(record, night) for record in paid]
    # A payment that was deleted makes its invoice due again, whatever else was changed in it.
    changed = {
        **{
            r.id: replace(r, body={**r.body, "Reference": f"Nachtrag {night.number}"}, updated=night.at + 5_000)
            for r in edited
        },
        **{r.id: _voided(r, night) for r in voided},
        **{r.id: _due_again(r, night) for r in reopened},
    }
    gone = [replace(r, body={**r.body, "Status": "DELETED"}, updated=night.at + 8_000) for r in drafts]
    store.put("Invoices", [*added, *paid, *changed.values(), *gone])
    deleted = replace(payment, body={**payment.body, "Status": "DELETED"}, updated=night.at + 9_000)
    store.put("Payments", [*payments, deleted])
    return (
        Changed(added=[r.id for r in added], changed=[*(r.id for r in paid), *changed], deleted=[r.id for r in gone]),
        Changed(added=[r.id for r in payments], deleted=[payment.id]),
    )


def _voided(record: Record, night: Night) -> Record:
    return replace(record, body={**record.body, "Status": "VOIDED", "AmountDue": 0.0}, updated=night.at + 6_000)


def _due_again(record: Record, night: Night) -> Record:
    body = {**record.body, "Status": "AUTHORISED", "AmountDue": record.body["Total"], "AmountPaid": 0.0, "Payments": []}
    body.pop("FullyPaidOnDate", None)
    return replace(record, body=body, updated=night.at + 9_000)


def _copy(model: Record, night: Night, number: int) -> Record:
    id = guid("invoice", f"night {night.number} {number}")
    body = {
        **model.body,
        "InvoiceID": id,
        "InvoiceNumber": f"N{night.number:03d}-{number:04d}",
        "Date": _day(night),
        "Status": "AUTHORISED" if number else "DRAFT",
        "AmountDue": model.body["Total"],
        "AmountPaid": 0.0,
        "Payments": [],
        **({"CISRate": 20.0} if night.number >= 2 else {}),
    }
    body.pop("FullyPaidOnDate", None)
    return Record(id=id, body=body, created=night.at, updated=night.at + number)


def _settled(record: Record, night: Night, number: int) -> Record:
    total = record.body["Total"]
    payment = {"PaymentID": guid("payment", f"{night.number} {record.id}"), "Date": _day(night), "Amount": total}
    body = {
        **record.body,
        "Status": "PAID",
        "AmountDue": 0.0,
        "AmountPaid": total,
        "FullyPaidOnDate": _day(night),
        "Payments": [{**payment, "CurrencyRate": 1.0}],
    }
    return replace(record, body=body, updated=night.at + 1_000 + number)


def _payment(record: Record, night: Night) -> Record:
    invoice = record.body
    id = invoice["Payments"][0]["PaymentID"]
    body = {
        "PaymentID": id,
        "Date": _day(night),
        "Amount": invoice["Total"],
        "BankAmount": invoice["Total"],
        "CurrencyRate": 1.0,
        "Reference": invoice["InvoiceNumber"],
        "PaymentType": "ACCRECPAYMENT" if invoice["Type"] == "ACCREC" else "ACCPAYPAYMENT",
        "Status": "AUTHORISED",
        "HasAccount": True,
        "IsReconciled": False,
        "HasValidationErrors": False,
        "Account": {"AccountID": guid("account", BANK), "Code": BANK},
        "Invoice": {k: invoice[k] for k in ("InvoiceID", "InvoiceNumber", "Type", "CurrencyCode", "Contact")},
    }
    return Record(id=id, body=body, created=record.updated, updated=record.updated)


def _contacts(store: Store, night: Night) -> Changed:
    many = max(2, store.count("Contacts") // 100)
    models, edited, archived = (_some(store, "Contacts", night, n, ContactStatus="ACTIVE") for n in (many, many, 1))
    added = []
    for number, model in enumerate(models):
        id = guid("contact", f"night {night.number} {number}")
        body = {**model.body, "ContactID": id, "Name": f"Neukunde {night.number}-{number} GmbH"}
        added.append(Record(id=id, body=body, created=night.at, updated=night.at + number))
    changed = {
        **{r.id: {**r.body, "FirstName": f"Kontakt {night.number}"} for r in edited},
        **{r.id: {**r.body, "ContactStatus": "ARCHIVED"} for r in archived},
    }
    known = {r.id: r for r in (*edited, *archived)}
    store.put("Contacts", [*added, *(replace(known[i], body=b, updated=night.at + 100) for i, b in changed.items())])
    return Changed(added=[r.id for r in added], changed=list(changed))


def _accounts(store: Store, night: Night) -> Changed:
    """An account that nothing was booked on is really gone; another one is new."""
    id, code = guid("account", f"night {night.number}"), f"{700 + night.number}"
    model = store.page("Accounts", limit=1, offset=4)[0]
    body = {**model.body, "AccountID": id, "Code": code, "Name": f"Konto {code}"}
    store.put("Accounts", [Record(id=id, body=body, created=night.at, updated=night.at)])
    unused = guid("account", "493" if night.number == 1 else f"night {night.number - 1}")
    store.delete("Accounts", unused, night.at)
    return Changed(added=[id], deleted=[unused])
