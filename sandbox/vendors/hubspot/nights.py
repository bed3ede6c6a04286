"""What a day brings to the HubSpot account: new records, changed and archived ones, and properties that come and go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sandbox import words
from sandbox.store import Record, Store
from sandbox.vendor import Changed, Night
from sandbox.vendors.hubspot import properties
from sandbox.vendors.hubspot.answers import instant
from sandbox.vendors.hubspot.records import STAGES

Edit = Callable[[Record, Night], dict[str, Any]]
#: The property that is there from the second night on, and the one that is gone from the third.
NEW, OLD = "newsletter_topic", "erp_customer_group"
_TOPICS = ("Garten", "Küche", "Wohnen")


def night(store: Store, night: Night) -> dict[str, Changed]:
    """Lets a day pass; a hundredth of each object is new, another changed, a few are archived."""
    if night.number == 2:
        properties.add(store, "contacts", NEW, "Newsletter-Thema", at=night.at)
    if night.number == 3:
        properties.archive(store, "contacts", OLD, night.at)
    return {name: _object(store, name, night) for name in properties.OBJECTS}


def _object(store: Store, name: str, night: Night) -> Changed:
    count = store.count(name)
    many, few = max(2, count // 100), max(1, count // 500)
    if count < 2 * many + few:
        return Changed()
    places = night.random.sample(range(count), 2 * many + few)
    chosen = [store.page(name, limit=1, offset=place)[0] for place in places]
    models, changed, archived = chosen[:many], chosen[many : 2 * many], chosen[2 * many :]
    last = int(store.page(name, limit=1, descending=True, deleted=None)[0].id)
    moments = iter(range(night.at, night.at + len(chosen)))
    added = [
        Record(id=str(last + 3 * (i + 1)), body=_new(name, model, night), created=at, updated=at)
        for i, (model, at) in enumerate(zip(models, moments, strict=False))
    ]
    edited = [
        replace(record, body=_edited(name, record, night), updated=at)
        for record, at in zip(changed, moments, strict=False)
    ]
    store.put(name, [*added, *edited])
    for record, at in zip(archived, moments, strict=False):
        store.delete(name, record.id, at)
    return Changed(added=[r.id for r in added], changed=[r.id for r in edited], deleted=[r.id for r in archived])


def _new(name: str, model: Record, night: Night) -> dict[str, Any]:
    """A record like another one, of somebody else and of today."""
    values = dict(model.body["properties"])
    number = night.number * 10_000 + night.random.randrange(10_000)
    match name:
        case "contacts":
            values["firstname"], values["lastname"] = _name(night)
            values["email"] = f"neu.{number}.{model.id}@example.com"
            values["phone"] = None
        case "companies":
            values["name"] = f"Neukunde {number} GmbH"
            values["domain"] = f"neukunde-{number}-{model.id}.example"
            values["website"] = f"https://www.{values['domain']}"
        case "deals":
            return _new_deal(model, values, night)
        case _:
            values["hs_timestamp"] = instant(night.at)
    return {**model.body, "properties": _with_topic(name, values, night)}


def _name(night: Night) -> tuple[str, str]:
    return night.random.choice(words.GIVEN["DE"]), night.random.choice(words.FAMILY["DE"])


def _with_topic(name: str, values: dict[str, Any], night: Night) -> dict[str, Any]:
    if name == "contacts" and night.number >= 2:
        values[NEW] = night.random.choice(_TOPICS)
    return values


def _new_deal(model: Record, values: dict[str, Any], night: Night) -> dict[str, Any]:
    values |= {
        "createdate": instant(night.at),
        "closedate": instant(night.at + 45 * 86_400_000),
        "expected_close_date": instant(night.at + 45 * 86_400_000)[:10],
        "order_number": None,
        "closed_lost_reason": None,
        "amount": f"{night.random.randrange(100, 5000)}.00",
    }
    return {**model.body, "properties": values | _stage(0), "history": {"dealstage": [_entered(0, night.at)]}}


def _stage(position: int) -> dict[str, str]:
    id, _, probability, closed = STAGES[position]
    return {
        "dealstage": id,
        "hs_deal_stage_probability": probability,
        "hs_is_closed": closed,
        "hs_is_closed_won": str(id == "closedwon").lower(),
        "hs_is_closed_lost": str(id == "closedlost").lower(),
    }


def _entered(position: int, at: int) -> dict[str, Any]:
    return {
        "value": STAGES[position][0],
        "timestamp": instant(at),
        "sourceType": "CRM_UI",
        "sourceId": "userId:9500002",
        "updatedByUserId": 9_500_002,
    }


def _edited(name: str, record: Record, night: Night) -> dict[str, Any]:
    """A record after somebody worked on it."""
    values = dict(record.body["properties"])
    match name:
        case "contacts":
            values["jobtitle"] = night.random.choice(words.JOB_TITLES)
            values["lifecyclestage"] = "customer"
        case "companies":
            values["numberofemployees"] = str(night.random.randrange(1, 500))
        case "deals":
            return _moved_deal(record, values, night)
        case "notes":
            values["hs_note_body"] = f"<p>Nachtrag {night.number}</p>"
        case _:
            values["hubspot_owner_id"] = values["hubspot_owner_id"] and "70026"
            values[_TITLES[name]] = f"Nachtrag {night.number}"
    return {**record.body, "properties": _with_topic(name, values, night)}


_TITLES = {"calls": "hs_call_title", "emails": "hs_email_subject", "meetings": "hs_meeting_title"}


def _moved_deal(record: Record, values: dict[str, Any], night: Night) -> dict[str, Any]:
    """The deal in its next stage; one that was lost comes back to the first."""
    order = [s[0] for s in STAGES]
    now = order.index(values["dealstage"])
    then = now + 1 if now < order.index("closedwon") else 0
    history = record.body.get("history", {}).get("dealstage", [])
    values |= _stage(then) | {"closedate": instant(night.at)}
    return {
        **record.body,
        "properties": values,
        "history": {"dealstage": [_entered(then, night.at + night.number), *history]},
    }
