"""Events of the demo company's Stripe account: what happened to an object, and how the object was after it."""

from __future__ import annotations

from typing import Any

import polars as pl

from sandbox.exports.kit import epoch
from sandbox.store import Record, Store
from sandbox.trade import NOW

#: For how long events can be listed.
EVENT_DAYS = 30
#: The version that the account speaks unless asked otherwise; events keep it.
API_VERSION = "2022-11-15"


def fill_events(store: Store) -> None:
    """The events of the last days that can still be listed."""
    now = pl.select(epoch(pl.lit(NOW))).item() * 1000
    made: list[tuple[int, str, dict[str, Any]]] = []
    for collection in ("customers", "charges", "refunds", "subscriptions", "invoices"):
        records = store.page(
            collection, order="created", by="created", since=now - EVENT_DAYS * 86_400_000, limit=10**6
        )
        made += [(record.created, _event_of(collection, record.body), record.body) for record in records]
    made.sort(key=lambda each: (each[0], each[2]["id"]))
    store.put(
        "events", [event(number, kind, body, created) for number, (created, kind, body) in enumerate(made, start=1)]
    )


def _event_of(collection: str, body: dict[str, Any]) -> str:
    if collection == "charges":
        return f"charge.{body['status']}"
    if collection == "subscriptions":
        return "customer.subscription.created"
    return f"{collection.removesuffix('s')}.created"


def event(number: int, kind: str, body: dict[str, Any], at: int, previous: dict[str, Any] | None = None) -> Record:
    """An event of the account: what happened to an object, and how the object was after it."""
    data: dict[str, Any] = {"object": body}
    if previous is not None:
        data["previous_attributes"] = previous
    made: dict[str, Any] = {
        "id": f"evt_1{(number * 2_654_435_761 + 7) % 99_999_999_977:011d}",
        "object": "event",
        "api_version": API_VERSION,
        "created": at // 1000,
        "data": data,
        "livemode": True,
        "pending_webhooks": 0,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }
    return Record(id=made["id"], body=made, created=at, updated=at, parent=kind)
