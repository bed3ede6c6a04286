"""What a day brings to the demo company's Stripe account: new, changed and deleted objects, and the events about them.

A change or deletion is told by an event only, as the interface has no time of modification; that a sum has become
available is told by nothing.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from sandbox.store import Record, Store
from sandbox.vendor import Changed, Night
from sandbox.vendors.stripe.billing import MONTH
from sandbox.vendors.stripe.events import event
from sandbox.vendors.stripe.payments import SETTLING

Body = dict[str, Any]


@dataclass
class _Day:
    """A day that is being made; each thing that happens takes a second."""

    store: Store
    night: Night
    second: int = 0
    events: int = 0
    changes: dict[str, Changed] = field(default_factory=lambda: defaultdict(Changed))
    ids: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.events = self.store.count("events")

    @property
    def random(self) -> random.Random:
        return self.night.random

    def tick(self) -> int:
        """The next second, in milliseconds since 1970."""
        self.second += 1
        return self.night.at // 1000 * 1000 + self.second * 1000

    def tell(self, kind: str, body: Body, at: int, previous: Body | None = None) -> None:
        """Makes an event."""
        self.events += 1
        made = event(self.events, kind, body, at, previous)
        self.store.put("events", [made])
        self.changes["events"].added.append(made.id)

    def add(self, collection: str, body: Body, at: int, *, parent: str | None = None, kind: str = "") -> None:
        """Makes an object, and the event about it if its kind is named."""
        body["created"] = at // 1000
        self.store.put(collection, [Record(id=body["id"], body=body, created=at, updated=at, parent=parent)])
        self.changes[collection].added.append(body["id"])
        if kind:
            self.tell(kind, body, at)

    def change(self, collection: str, record: Record, news: Body, *, kind: str = "", about: Body | None = None) -> None:
        """Changes an object and tells it, if the event's kind is named; `about` is what the event shows if not it."""
        at = self.tick()
        body = {**record.body, **news}
        self.store.put(
            collection, [Record(id=record.id, body=body, created=record.created, updated=at, parent=record.parent)]
        )
        known = self.changes[collection]
        if record.id not in known.changed and record.id not in known.added:
            known.changed.append(record.id)
        if kind:
            previous = {key: record.body.get(key) for key in news}
            self.tell(kind, about or body, at, None if about else previous)

    def delete(self, collection: str, record: Record, kind: str) -> None:
        """Deletes an object."""
        at = self.tick()
        self.store.delete(collection, record.id, at)
        self.changes[collection].deleted.append(record.id)
        self.tell(kind, record.body, at)

    def many(self, collection: str) -> int:
        """How many of a collection are new, or change, in a day."""
        return max(2, self.store.count(collection) // 100)

    def some(self, collection: str, count: int) -> list[Record]:
        """Picks different objects, of those that were there in the morning and still are."""
        if collection not in self.ids:
            self.ids[collection] = [record.id for record in self.store.page(collection, limit=10**6)]
        chosen = (self.store.get(collection, id) for id in self.random.sample(self.ids[collection], count))
        return [record for record in chosen if record is not None]

    def new_id(self, prefix: str) -> str:
        """An id that no other object has."""
        return f"{prefix}N{self.night.number:03d}{self.second:07d}"


def night(store: Store, night: Night) -> dict[str, Changed]:
    """Lets a day pass.

    From the second night on, charges say in which currency they were presented, as Stripe adds properties without a
    new version; it takes none away within one.
    """
    day = _Day(store, night)
    _customers(day)
    _charges(day)
    _refunds(day)
    _subscriptions(day)
    _invoices(day)
    _settle(day)
    return dict(day.changes)


def _customers(day: _Day) -> None:
    count = day.many("customers")
    chosen = day.some("customers", count + 1)
    for model in chosen[:count]:
        at = day.tick()
        id = day.new_id("cus_")
        mail = f"neu{day.night.number}.{day.second}@example.org"
        day.add("customers", {**model.body, "id": id, "email": mail}, at, kind="customer.created")
    for record in chosen[:count]:
        address = {**record.body["address"], "line1": f"Neue Gasse {day.night.number}/{day.second}"}
        day.change("customers", record, {"address": address, "phone": None}, kind="customer.updated")
    day.delete("customers", chosen[count], "customer.deleted")


def _charges(day: _Day) -> None:
    count = day.many("charges")
    chosen = day.some("charges", 2 * count)
    for model in chosen[:count]:
        at = day.tick()
        id, number = day.new_id("ch_"), f"MVN{day.night.number}{day.second:05d}"
        body = {**model.body, "id": id, "amount_refunded": 0, "refunded": False, "metadata": {"order_number": number}}
        body |= _presented(day, body)
        if body["status"] == "succeeded":
            body["balance_transaction"] = _move(day, id, body["amount"], body["currency"], "charge", at)
        day.add("charges", body, at, parent=body["customer"], kind=f"charge.{body['status']}")
    for record in chosen[count:]:
        news = {"description": f"Bestellung, geprüft in Nacht {day.night.number}", **_presented(day, record.body)}
        day.change("charges", record, news, kind="charge.updated")
    _dispute(day)


def _presented(day: _Day, charge: Body) -> Body:
    if day.night.number < 2:
        return {}
    return {
        "presentment_details": {
            "presentment_amount": charge["amount"],
            "presentment_currency": charge["currency"],
        }
    }


def _dispute(day: _Day) -> None:
    """Somebody's bank takes a payment back; the event is about the dispute, and only names the charge."""
    record = next(r for r in day.some("charges", 20) if r.body["status"] == "succeeded" and not r.body["disputed"])
    about = {
        "id": day.new_id("du_"),
        "object": "dispute",
        "amount": record.body["amount"],
        "charge": record.id,
        "currency": record.body["currency"],
        "reason": "fraudulent",
        "status": "needs_response",
    }
    day.change("charges", record, {"disputed": True}, kind="charge.dispute.created", about=about)


def _refunds(day: _Day) -> None:
    """New refunds change their charges; some refund gets a note, which an event tells."""
    count, done = day.many("refunds"), 0
    for charge in day.some("charges", min(20 * count, day.store.count("charges"))):
        rest = charge.body["amount"] - charge.body["amount_refunded"]
        if done == count or charge.body["status"] != "succeeded" or rest <= 0:
            continue
        done += 1
        at = day.tick()
        model = day.some("refunds", 1)[0].body
        id = day.new_id("re_")
        body = {**model, "id": id, "amount": rest, "charge": charge.id, "currency": charge.body["currency"]}
        body["metadata"] = dict(charge.body["metadata"])
        body["payment_intent"] = charge.body["payment_intent"]
        body["balance_transaction"] = _move(day, id, -rest, body["currency"], "refund", at)
        day.add("refunds", body, at, parent=charge.id, kind="refund.created")
        news = {"amount_refunded": charge.body["amount"], "refunded": True}
        day.change("charges", charge, news, kind="charge.refunded")
    for record in day.some("refunds", count):
        metadata = {**record.body["metadata"], "checked": f"night {day.night.number}"}
        day.change("refunds", record, {"metadata": metadata}, kind="refund.updated")


def _move(day: _Day, source: str, amount: int, currency: str, kind: str, at: int) -> str:
    """A movement of the balance."""
    fee = amount * 14 // 1000 + 25 if kind == "charge" else 0
    details = {"amount": fee, "application": None, "currency": currency, "description": None, "type": "stripe_fee"}
    body = {
        "id": f"txn_{source[3:]}",
        "object": "balance_transaction",
        "amount": amount,
        "available_on": (at // 1000 + SETTLING) // 86_400 * 86_400,
        "created": at // 1000,
        "currency": currency,
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [details] if fee else [],
        "net": amount - fee,
        "reporting_category": kind,
        "source": source,
        "status": "pending",
        "type": kind,
    }
    day.add("balance_transactions", body, at, parent=source)
    return str(body["id"])


def _subscriptions(day: _Day) -> None:
    """New subscriptions of new customers; some change their state, one is cancelled and stays to be seen."""
    count = day.many("subscriptions")
    models = [r for r in day.some("subscriptions", day.store.count("subscriptions")) if r.body["status"] != "canceled"]
    for model, customer in zip(models, day.changes["customers"].added[:count], strict=False):
        at = day.tick()
        body = _begun(model.body, day.new_id("sub_"), customer, at // 1000)
        day.add("subscriptions", body, at, parent=customer, kind="customer.subscription.created")
    for record in models[:count]:
        state = "active" if record.body["status"] != "active" else "past_due"
        day.change("subscriptions", record, {"status": state}, kind="customer.subscription.updated")
    for record in models[count : count + 1]:
        over = {"status": "canceled", "canceled_at": day.tick() // 1000, "ended_at": day.tick() // 1000}
        day.change("subscriptions", record, over, kind="customer.subscription.deleted")


def _begun(model: Body, id: str, customer: str, at: int) -> Body:
    began = dict.fromkeys(("billing_cycle_anchor", "start_date", "current_period_start"), at)
    item = {**model["items"]["data"][0], "id": f"si_{id[4:]}", "subscription": id, "created": at}
    items = {**model["items"], "data": [item], "url": f"/v1/subscription_items?subscription={id}"}
    mine = {"id": id, "customer": customer, "status": "active", "items": items, "current_period_end": at + MONTH}
    return {**model, **began, **mine, "canceled_at": None, "ended_at": None}


def _invoices(day: _Day) -> None:
    """New bills, bills paid, and a draft thrown away."""
    count = day.many("invoices")
    everything = day.store.page("invoices", limit=10**6, order="created", descending=True)
    models = [r for r in everything if r.body["status"] == "paid"][:count]
    due = [r for r in everything if r.body["status"] == "open"][:count]
    drafts = [r for r in everything if r.body["status"] == "draft"][:1]
    for position, model in enumerate(models):
        at = day.tick()
        id = day.new_id("in_")
        number = f"ABO-N{day.night.number}{day.second:05d}"
        body = {**model.body, "id": id, "number": number, **_unpaid(model.body)}
        if position == 0:
            body |= {"number": None, "status": "draft"}
        day.add("invoices", body, at, parent=body["customer"], kind="invoice.created")
    for record in [*due, *models[: max(0, count - len(due))]]:
        news = (
            _paid(record.body, day.tick() // 1000) if record in due else {"description": f"Danke! {day.night.number}"}
        )
        day.change("invoices", record, news, kind="invoice.paid" if record in due else "invoice.updated")
    for record in drafts:
        day.delete("invoices", record, "invoice.deleted")


def _unpaid(body: Body) -> Body:
    sums = {"amount_paid": 0, "amount_remaining": body["amount_due"]}
    transitions = {**body["status_transitions"], "paid_at": None}
    return {**sums, "status": "open", "paid": False, "paid_out_of_band": False, "status_transitions": transitions}


def _paid(body: Body, at: int) -> Body:
    sums = {"amount_paid": body["amount_due"], "amount_remaining": 0}
    transitions = {**body["status_transitions"], "paid_at": at}
    return {**sums, "status": "paid", "paid": True, "paid_out_of_band": True, "status_transitions": transitions}


def _settle(day: _Day) -> None:
    """What has waited long enough can be paid out; Stripe makes no event of it."""
    since = day.night.at - 4 * SETTLING * 1000
    for record in day.store.page("balance_transactions", limit=10**6, order="created", by="created", since=since):
        if record.body["status"] == "pending" and record.body["available_on"] * 1000 <= day.night.at:
            day.change("balance_transactions", record, {"status": "available"})
