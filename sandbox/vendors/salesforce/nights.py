"""What a day brings to the Salesforce org: records new, changed and deleted, custom fields that come and go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sandbox import words
from sandbox.store import Record, Store
from sandbox.vendor import Changed, Night
from sandbox.vendors.salesforce import objects
from sandbox.vendors.salesforce.objects import stamp
from sandbox.vendors.salesforce.org import touched
from sandbox.vendors.salesforce.records import STAGES

#: The field that is there from the second night on, and the one that is gone from the third.
NEW, OLD = "Segment__c", "Language__c"
_SEGMENTS = ("Garten", "Küche", "Wohnen")


def night(store: Store, night: Night) -> dict[str, Changed]:
    """Lets a day pass; a hundredth of each object is new, another changed, a few are deleted."""
    if night.number == 2:
        objects.add_field(store, "Contact", f"{NEW}:picklist")
    if night.number == 3:
        objects.drop_field(store, "Contact", OLD)
    changes = {name: _object(store, name, night) for name in ("Account", "Contact", "Lead", "Task", "Event")}
    changes["Opportunity"] = _object(store, "Opportunity", night)
    changes["OpportunityHistory"] = _history(store, changes["Opportunity"], night)
    changes["User"] = _users(store, night)
    return changes


def _object(store: Store, name: str, night: Night) -> Changed:
    count = store.count(name)
    many, few = max(2, count // 100), max(1, count // 500)
    chosen = [
        store.page(name, limit=1, offset=place)[0]
        for place in night.random.sample(range(count), min(count, 2 * many + few))
    ]
    models, edited, deleted = chosen[:many], chosen[many : 2 * many], chosen[2 * many :]
    added = [_new(name, model, number, night) for number, model in enumerate(models)]
    # Two users save within one second now and then: the times of every other record are the same.
    changed = [
        touched(replace(record, body=_edited(name, record.body, night)), night.at + place // 2 * 1000)
        for place, record in enumerate(edited)
    ]
    store.put(name, [*added, *changed])
    for record in deleted:
        store.delete(name, record.id, night.at + 60_000)
    return Changed(added=_names(added), changed=_names(changed), deleted=_names(deleted))


def _names(records: Iterable[Record]) -> list[str]:
    return [record.id for record in records]


def _id(name: str, night: Night, number: int) -> str:
    return objects.record_id(name, 900_000_000 + night.number * 1_000_000 + number)


def _new(name: str, model: Record, number: int, night: Night) -> Record:
    at = night.at + number * 1000
    body = {**model.body, "LastModifiedDate": stamp(at)}
    match name:
        case "Account":
            body |= {"Name": f"Neukunde {night.number}-{number} GmbH", "Website": None}
        case "Contact" | "Lead":
            given, family = night.random.choice(words.GIVEN["DE"]), night.random.choice(words.FAMILY["DE"])
            body |= {"FirstName": given, "LastName": family, "Name": f"{given} {family}", "Phone": None}
            body |= {"Email": f"neu.{night.number}.{number}@example.com"} | _segment(name, night)
        case "Opportunity":
            body |= _stage(0, 100.0 * night.random.randrange(1, 50), at)
            body |= {"Loss_Reason__c": None, "Order_Number__c": None}
        case _:
            body |= {"ActivityDate": stamp(at)[:10], "Subject": f"Neu {night.number}-{number}"}
    return Record(id=_id(name, night, number), body=body, created=at, updated=at)


def _segment(name: str, night: Night) -> dict[str, str]:
    return {NEW: night.random.choice(_SEGMENTS)} if name == "Contact" and night.number >= 2 else {}


def _stage(position: int, amount: float | None, at: int) -> dict[str, Any]:
    name, odds, category, closed, won = STAGES[position]
    return {
        "StageName": name,
        "Probability": odds,
        "ForecastCategory": category,
        "ForecastCategoryName": category,
        "IsClosed": closed,
        "IsWon": won,
        "Amount": amount,
        "ExpectedRevenue": None if amount is None else round(amount * odds / 100, 2),
        "CloseDate": stamp(at + (0 if closed else 45 * 86_400_000))[:10],
        "LastStageChangeDate": stamp(at),
    }


def _edited(name: str, body: dict[str, Any], night: Night) -> dict[str, Any]:
    match name:
        case "Account":
            return {**body, "NumberOfEmployees": night.random.randrange(1, 500)}
        case "Contact":
            return {**body, "Title": night.random.choice(words.JOB_TITLES), **_segment(name, night)}
        case "Lead":
            return {**body, "Status": "Working - Contacted", "HasOptedOutOfEmail": True}
        case "Opportunity":
            position = [stage[0] for stage in STAGES].index(body["StageName"])
            return {**body, **_stage(position + 1 if position < 4 else 0, body["Amount"], night.at)}
        case _:
            return {**body, "Subject": f"Nachtrag {night.number}"}


def _history(store: Store, deals: Changed, night: Night) -> Changed:
    """A record for each new stage; the history goes with a deal that was deleted."""
    added = []
    for number, id in enumerate([*deals.added, *deals.changed]):
        deal = store.get("Opportunity", id)
        if deal is None:
            continue
        names = (
            "StageName",
            "Probability",
            "ForecastCategory",
            "Amount",
            "ExpectedRevenue",
            "CloseDate",
            "CurrencyIsoCode",
        )
        body = {"OpportunityId": id, "CreatedById": deal.body["OwnerId"], **{name: deal.body[name] for name in names}}
        key = _id("OpportunityHistory", night, number)
        added.append(Record(id=key, body=body, created=deal.updated, updated=deal.updated))
    store.put("OpportunityHistory", added)
    gone = [r for r in store.page("OpportunityHistory", limit=10**9) if r.body["OpportunityId"] in deals.deleted]
    for record in gone:
        store.delete("OpportunityHistory", record.id, night.at + 60_000)
    return Changed(added=_names(added), deleted=_names(gone))


def _users(store: Store, night: Night) -> Changed:
    """Users are never deleted: one is new, another cannot log in any more."""
    first, *_, last = store.page("User", limit=100)
    name = f"neu{night.number}@muehlbach-versand.example"
    body = {**first.body, "Username": name, "Email": name, "IsActive": True, "LastModifiedDate": stamp(night.at)}
    new = Record(id=_id("User", night, 0), body=body, created=night.at, updated=night.at)
    gone = touched(replace(last, body={**last.body, "IsActive": not last.body["IsActive"]}), night.at)
    store.put("User", [new, gone])
    return Changed(added=[new.id], changed=[gone.id])
