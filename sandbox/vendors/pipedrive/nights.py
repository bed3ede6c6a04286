"""What a day brings to the Pipedrive account: new, changed and deleted records, and custom fields that come and go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sandbox import words
from sandbox.store import Record, Store
from sandbox.vendor import Changed, Night
from sandbox.vendors._crm import STAGES
from sandbox.vendors.pipedrive import fields
from sandbox.vendors.pipedrive.answers import old_stamp, stamp
from sandbox.vendors.pipedrive.fields import key

_UNUSED: dict[str, Any] = {"is_archived": False, "archive_time": None, "custom_fields": {}}
CHANGING = ("persons", "organizations", "deals", "activities", "notes")


def night(store: Store, night: Night) -> dict[str, Changed]:
    """Lets a day pass; a hundredth of each collection is new, another changed, a few are deleted."""
    if night.number == 2:
        fields.add(store, "persons", fields.TOPIC, night.at)
    if night.number == 3:
        fields.remove(store, "persons", fields.GROUP, night.at)
    return {name: _collection(store, name, night) for name in CHANGING}


def _collection(store: Store, name: str, night: Night) -> Changed:
    count = store.count(name)
    many, few = max(2, count // 100), max(1, count // 500)
    if count < 2 * many + few:
        return Changed()
    # People work on what is recent.
    places = night.random.sample(range(min(count // 2, count - 2 * many - few), count), 2 * many + few)
    chosen = [store.page(name, limit=1, offset=place)[0] for place in places]
    models, changed, gone = chosen[:many], chosen[many : 2 * many], chosen[2 * many :]
    last = int(store.page(name, limit=1, descending=True, deleted=None)[0].id)
    moments = iter(range(night.at, night.at + 1000 * len(chosen), 1000))
    added = []
    for number, (model, at) in enumerate(zip(models, moments, strict=False), 1):
        id = last + 3 * number
        added.append(Record(id=str(id), body=_new(name, id, model.body, at, night), created=at, updated=at))
    edited = [
        replace(record, body=_edited(store, name, record, at, night), updated=at)
        for record, at in zip(changed, moments, strict=False)
    ]
    store.put(name, [*added, *edited])
    for record, at in zip(gone, moments, strict=False):
        store.delete(name, record.id, at)
    return Changed(added=[r.id for r in added], changed=[r.id for r in edited], deleted=[r.id for r in gone])


def _new(name: str, id: int, model: dict[str, Any], at: int, night: Night) -> dict[str, Any]:
    """A record like another one, of somebody else and of today."""
    body = {**model, "id": id}
    match name:
        case "persons":
            first, last = night.random.choice(words.GIVEN["DE"]), night.random.choice(words.FAMILY["DE"])
            mail = {"value": f"neu.{id}@example.com", "primary": True, "label": "work"}
            body |= {"first_name": first, "last_name": last, "name": f"{first} {last}", "emails": [mail], "phones": []}
            return _with_topic(body, night)
        case "organizations":
            return body | {"name": f"Neukunde {id} GmbH"}
        case "deals":
            value = night.random.randrange(100, 5000)
            return body | _reopened(1, at) | {"value": value, "lost_reason": None, **_UNUSED}
        case "activities":
            return body | {"due_date": stamp(at)[:10], "due_time": stamp(at)[11:19], "marked_as_done_time": stamp(at)}
    return body


def _with_topic(body: dict[str, Any], night: Night) -> dict[str, Any]:
    if night.number < 2:
        return body
    topic = night.random.choice(("Garten", "Küche", "Wohnen"))
    return body | {"custom_fields": body["custom_fields"] | {key(fields.TOPIC): topic}}


def _reopened(stage: int, at: int) -> dict[str, Any]:
    absent = ("close_time", "won_time", "lost_time", "local_won_date", "local_lost_date", "local_close_date")
    return {"status": "open", "stage_id": stage, "stage_change_time": stamp(at)} | dict.fromkeys(absent)


def _edited(store: Store, name: str, record: Record, at: int, night: Night) -> dict[str, Any]:
    """A record after somebody worked on it."""
    match name:
        case "persons":
            return _with_topic(record.body | {"job_title": night.random.choice(words.JOB_TITLES)}, night)
        case "organizations":
            return record.body | {"owner_id": 70_026}
        case "deals":
            return _moved(store, record, at)
        case "activities":
            return record.body | {"subject": f"Nachtrag {night.number}"}
    return record.body | {"content": f"Nachtrag {night.number}"}


def _moved(store: Store, record: Record, at: int) -> dict[str, Any]:
    """An open deal goes to its next stage or is won, a won one is open again, a lost one put away or fetched back."""
    deal = record.body
    if deal["status"] == "lost":
        return deal | {
            "is_archived": not deal["is_archived"],
            "archive_time": None if deal["is_archived"] else stamp(at),
        }
    if deal["status"] == "won":
        _note_change(store, record, "status", deal["status"], "open", at)
        return deal | _reopened(deal["stage_id"], at) | {"stage_change_time": deal["stage_change_time"]}
    if deal["stage_id"] < len(STAGES):
        _note_change(store, record, "stage_id", str(deal["stage_id"]), str(deal["stage_id"] + 1), at)
        return deal | {"stage_id": deal["stage_id"] + 1, "stage_change_time": stamp(at)}
    _note_change(store, record, "status", "open", "won", at)
    day = stamp(at)[:10]
    closed = {"close_time": stamp(at), "won_time": stamp(at), "local_won_date": day, "local_close_date": day}
    return deal | {"status": "won"} | closed


def _note_change(store: Store, deal: Record, field: str, old: str, new: str, at: int) -> None:
    body = {
        "field_key": field,
        "old_value": old,
        "new_value": new,
        "actor_user_id": deal.body["owner_id"],
        "time": old_stamp(at),
        "change_source": "app",
        "change_source_user_agent": None,
        "is_bulk_update_flag": False,
    }
    number = store.count("deal_changes") + 1
    store.put("deal_changes", [Record(id=str(number), body=body, created=at, updated=at, parent=deal.id)])
