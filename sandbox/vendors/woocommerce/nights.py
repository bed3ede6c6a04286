"""What a day brings to the shop: new, changed and deleted customers, products and orders, and some refunds.

Deleted orders and products go to the trash first, as a shop's staff deletes them; customers are gone at once. The
second night comes with an update that adds a field to orders, the third with one that makes a price a number.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.days import TIMEZONE
from sandbox.store import Record, Store
from sandbox.vendor import Changed, Night

Body = dict[str, Any]
_SHARE = 0.01
_NEW = 50_000_000


def night(store: Store, night: Night) -> dict[str, Changed]:
    """Lets a night pass."""
    refunds, touched = _refunds(store, night)
    return {
        "customer": _customers(store, night),
        "product": _products(store, night),
        "order": _orders(store, night, touched),
        "refund": refunds,
    }


def times(name: str, at: int) -> dict[str, str]:
    """A time as the interface writes it: in the site's zone, and in GMT."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    local = moment.astimezone(ZoneInfo(TIMEZONE))
    return {name: local.strftime("%Y-%m-%dT%H:%M:%S"), f"{name}_gmt": moment.strftime("%Y-%m-%dT%H:%M:%S")}


def _customers(store: Store, night: Night) -> Changed:
    found = store.page("customer", limit=100_000)
    count = _many(len(found))
    new = [
        _made(night, i, {**night.random.choice(found).body, "email": f"neu.{night.number}.{i}@example.net"})
        for i in range(count)
    ]
    gone, rest = found[-1:], found[:-1]
    moved = [
        _changed(night, i, r, billing={**r.body["billing"], "city": "Neustadt"})
        for i, r in enumerate(night.random.sample(rest, count))
    ]
    store.put("customer", new + moved)
    for record in gone:
        store.delete("customer", record.id, night.at + 7_200_000)
    return _said(new, moved, gone)


def _products(store: Store, night: Night) -> Changed:
    found = store.page("product", limit=10_000)
    count = _many(len(found))
    simple = [r for r in found if r.body["type"] == "simple"]
    gone, rest = simple[-1:], simple[:-1]
    new = [
        _made(night, i, {**rest[i].body, "name": f"Neuheit {night.number}-{i + 1}", "sku": f"NEU-{night.number}-{i}"})
        for i in range(count)
    ]
    moved = [
        _changed(night, i, r, price="99.90", regular_price="99.90")
        for i, r in enumerate(night.random.sample(rest, count))
    ]
    if night.number == 3:
        moved = [_changed(night, i, r, price=99.9) for i, r in enumerate(moved)]
    variation = night.random.choice(store.page("variation", limit=1_000))
    store.put("variation", [_changed(night, 0, variation, price="49.90")])
    store.put("product", new + moved + [_trashed(night, r) for r in gone])
    return _said(new, moved, gone)


def _orders(store: Store, night: Night, touched: set[str]) -> Changed:
    """Orders of the night, those `touched` by refunds among the changed ones."""
    found = store.page("order", limit=1_000_000)
    count = _many(len(found))
    cancelled = [r for r in found if r.body["status"] == "cancelled" and r.id not in touched]
    # One is put into the trash, another is deleted for good.
    trashed, erased = cancelled[:1], cancelled[1:2]
    rest = [r for r in found if r not in trashed + erased and r.id not in touched]
    new = [_new_order(night, i, night.random.choice(rest[-5_000:]).body) for i in range(count)]
    moved = [
        _changed(night, i, r, status="completed", **times("date_completed", night.at), customer_note="Danke!")
        for i, r in enumerate(night.random.sample(rest, count))
    ]
    moved += [_changed(night, count + i, r) for i, r in enumerate(r for r in found if r.id in touched)]
    if night.number > 1:
        new = [replace(r, body={**r.body, "is_editable": False}) for r in new]
    store.put("order", new + moved + [_trashed(night, r) for r in trashed])
    for record in erased:
        store.delete("order", record.id, night.at + 7_200_000)
    return _said(new, moved, trashed + erased)


def _new_order(night: Night, position: int, like: Body) -> Record:
    lines = [{**line, "id": _number(night, position) + 10 + i} for i, line in enumerate(like["line_items"])]
    number = f"MV{900_000 + night.number * 1_000 + position}"
    changes = {"number": number, "status": "processing", "customer_id": 0, "line_items": lines}
    changes |= {"date_completed": None, "date_completed_gmt": None}
    return _made(night, position, {**like, **changes})


def _refunds(store: Store, night: Night) -> tuple[Changed, set[str]]:
    """Refunds of the night, and the orders that they are of, which list them."""
    found = store.page("refund", limit=100_000)
    gone = found[-1:]
    new = []
    for i in range(2):
        made = _made(night, 500 + i, {**night.random.choice(found[:-1]).body, "reason": "damaged"})
        new.append(replace(made, parent=str(made.body["parent_id"])))
    store.put("refund", new)
    for record in gone:
        store.delete("refund", record.id, night.at + 7_200_000)
    return _said(new, [], gone), {str(r.body["parent_id"]) for r in new + gone}


def _many(count: int) -> int:
    return max(2, round(count * _SHARE))


def _number(night: Night, position: int) -> int:
    return _NEW + night.number * 100_000 + position * 40


def _made(night: Night, position: int, body: Body) -> Record:
    number, at = _number(night, position), night.at + position * 1000
    stamps = {name: when for kind in ("date_created", "date_modified") for name, when in times(kind, at).items()}
    kept = {name: when for name, when in stamps.items() if name in body}
    return Record(id=str(number), body={**body, "id": number, **kept}, created=at, updated=at)


def _changed(night: Night, position: int, record: Record, **changes: Any) -> Record:
    at = night.at + 3_600_000 + position * 1000
    body = {**record.body, **changes, **times("date_modified", at)}
    return Record(id=record.id, body=body, created=record.created, updated=at, parent=record.parent)


def _trashed(night: Night, record: Record) -> Record:
    """A record in the trash; the store has it as deleted, since lists leave it out until asked for the trash."""
    trashed = _changed(night, 7_000, record, status="trash")
    return replace(trashed, deleted=trashed.updated)


def _said(new: list[Record], moved: list[Record], gone: list[Record]) -> Changed:
    return Changed(added=[r.id for r in new], changed=[r.id for r in moved], deleted=[r.id for r in gone])
