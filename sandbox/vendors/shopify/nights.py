"""What a day brings to the web shop: new, changed and deleted customers, products and orders.

The fields of a pinned version of Shopify's API do not change. What a night can bring is a field in use that was empty
for all until then, and a value that was not seen before.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sandbox.store import Record, Store
from sandbox.vendor import Changed, Night

Body = dict[str, Any]
_SHARE = 0.01
_NEW = 99_500_000_000_000


def night(store: Store, night: Night) -> dict[str, Changed]:
    """Lets a night pass."""
    return {
        "customer": _customers(store, night),
        "product": _products(store, night),
        "order": _orders(store, night),
    }


def _customers(store: Store, night: Night) -> Changed:
    found = store.page("customer", limit=100_000)
    added, changed = _many(len(found)), _many(len(found))
    # A customer who has ordered cannot be deleted.
    idle = [r for r in found if r.body["numberOfOrders"] == 0][-2:-1]
    kept = [r for r in found if r not in idle]
    new = []
    for i in range(added):
        number = str(_NEW + night.number * 1_000_000 + i * 32)
        body = {**night.random.choice(kept).body, "id": number, "numberOfOrders": 0, "note": None}
        body |= {"email": f"neu.{number}@example.net", "marketingState": "SUBSCRIBED"}
        if night.number > 1:
            # From the second night on the shop has telephone numbers confirmed, which it never had.
            body["confirmed"] = f"+4930231251{i:02d}"
        new.append(_record(night, i, body))
    moved = [
        _changed(night, i, r, address={**r.body["address"], "city": "Neustadt", "countryCodeV2": "DE"})
        for i, r in enumerate(night.random.sample(kept, changed))
    ]
    store.put("customer", new + moved)
    _delete(store, "customer", idle, night)
    return _said(new, moved, idle)


def _products(store: Store, night: Night) -> Changed:
    found = store.page("product", limit=10_000)
    count = max(2, round(len(found) * _SHARE))
    # One that nobody ever bought: lines of orders lose a product that is gone, though the orders do not change by it.
    gone, rest = found[-1:], found[:-1]
    new, variants = [], []
    for i in range(count):
        number = str(_NEW + night.number * 1_000_000 + i * 64)
        product = {**night.random.choice(rest).body, "id": number, "title": f"Neuheit {night.number}-{i + 1}"}
        new.append(_record(night, i, {**product, "status": "ACTIVE"}))
        like = store.page("variant", limit=1, parent=rest[i].id)[0].body
        own = {**like, "id": str(int(number) + 8), "product": number, "sku": f"NEU-{night.number}-{i + 1:03d}"}
        variants.append(_record(night, i, {**own, "price": "24.90", "barcode": None}, parent=number))
    moved = []
    for i, record in enumerate(night.random.sample(rest, count)):
        moved.append(_changed(night, i, record, title=f"{record.body['title'].strip()} II"))
        for variant in store.page("variant", limit=100, parent=record.id):
            variants.append(_changed(night, i, variant, price="99.90", stock=night.random.randrange(400)))
    store.put("product", new + moved)
    store.put("variant", variants)
    _delete(store, "product", gone, night)
    for record in gone:
        _delete(store, "variant", store.page("variant", limit=100, parent=record.id), night)
        event = str(_NEW + night.number * 1_000_000 + int(record.id) % 1_000)
        body = {"action": "destroy", "message": "A product was deleted.", "appTitle": None, "subject": record.id}
        body["subjectType"] = "PRODUCT"
        store.put("event", [_record(night, 0, {"id": event, **body})])
    return _said(new, moved, gone)


def _orders(store: Store, night: Night) -> Changed:
    found = store.page("order", limit=1_000_000)
    count = _many(len(found))
    whole = [r for r in found if r.body["lineItems"]]
    gone = [r for r in whole if r.body["cancelledAt"]][:1] or whole[:1]
    rest = [r for r in whole if r not in gone]
    new = [_new_order(night, i, night.random.choice(rest[-5_000:]).body) for i in range(count)]
    waiting = [r for r in rest if not r.body["cancelledAt"] and not r.body["fulfillments"]]
    settled = night.random.sample([r for r in rest if r not in waiting], count)
    moved = [_sent(night, i, r) for i, r in enumerate(waiting[:count])]
    moved += [_changed(night, count + i, r, note=f"Nachtrag {night.number}") for i, r in enumerate(settled)]
    store.put("order", new + moved)
    _delete(store, "order", gone, night)
    return _said(new, moved, gone)


def _new_order(night: Night, position: int, like: Body) -> Record:
    """An order as another one, by a guest, paid and not sent yet."""
    number = _NEW + night.number * 1_000_000 + position * 64
    lines = [{**line, "id": str(number + 1 + i)} for i, line in enumerate(like["lineItems"])]
    at = _time(night.at + position * 1000)
    sale: Body = {"kind": "SALE", "status": "SUCCESS", "gateway": "stripe", "errorCode": None, "createdAt": at}
    total, currency = like["totalPriceSet"]
    sale |= {"id": str(number + 40), "amountSet": [total, currency]}
    changes = {
        "id": str(number),
        "name": f"MV{900_000 + night.number * 1_000 + position}",
        "customer": None,
        "email": f"gast.{number}@example.net",
        "cancelledAt": None,
        "cancelReason": None,
        "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "UNFULFILLED",
        # From the second night on somebody sells on a market place that was not there before.
        "sourceName": "pos" if night.number > 1 and position == 0 else like["sourceName"],
        "currentTotalPriceSet": [total, currency],
        "totalRefundedSet": ["0.00", currency],
        "lineItems": lines,
        "transactions": [sale],
        "refunds": [],
        "fulfillments": [],
    }
    return _record(night, position, {**like, **changes})


def _sent(night: Night, position: int, record: Record) -> Record:
    """An order of which the parcel has left."""
    at = _time(night.at + position * 1000)
    parcel = {
        **{"id": str(_NEW + night.number * 1_000_000 + position), "name": f"{record.body['name']}-F1"},
        **{"displayStatus": "IN_TRANSIT", "company": "DHL", "number": f"0034{night.number:02d}{position:09d}"},
        **{"by_shop": True, "createdAt": at, "deliveredAt": None, "estimatedDeliveryAt": None},
    }
    return _changed(night, position, record, fulfillments=[parcel], displayFulfillmentStatus="FULFILLED")


def _many(count: int) -> int:
    return max(2, round(count * _SHARE))


def _record(night: Night, position: int, body: Body, parent: str | None = None) -> Record:
    at = night.at + position * 1000
    times = {"createdAt": _time(at), "updatedAt": _time(at)}
    return Record(id=body["id"], body={**body, **times}, created=at, updated=at, parent=parent)


def _changed(night: Night, position: int, record: Record, **changes: Any) -> Record:
    at = night.at + 3_600_000 + position * 1000
    body = {**record.body, **changes, "updatedAt": _time(at)}
    return Record(id=record.id, body=body, created=record.created, updated=at, parent=record.parent)


def _delete(store: Store, collection: str, records: list[Record], night: Night) -> None:
    for record in records:
        store.delete(collection, record.id, night.at + 7_200_000)


def _said(new: list[Record], moved: list[Record], gone: list[Record]) -> Changed:
    return Changed(added=[r.id for r in new], changed=[r.id for r in moved], deleted=[r.id for r in gone])


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
