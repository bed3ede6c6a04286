"""What a day brings to Intercom: conversations begun, answered and deleted, contacts come, changed and gone.

The shapes are those of `records`.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from sandbox.store import Record, Store
from sandbox.vendor import Changed, Night
from sandbox.vendors.intercom.records import contact, part

_FIRST_CONTACT, _FIRST_CONVERSATION = 380_000_000_000, 5_000_000
_SURNAMES = ("Nachtweih", "Neumeister", "Abendroth", "Frühauf")


def night(store: Store, night: Night) -> dict[str, Changed]:
    """Lets a day pass: about one record in a hundred is new, one changed, one deleted."""
    return {"contacts": _contacts(store, night), "conversations": _conversations(store, night)}


def _moment(night: Night, position: int) -> int:
    """Seconds since 1970 of something that happens that night, after all that was before."""
    return night.at // 1000 + 1 + position


def _contacts(store: Store, night: Night) -> Changed:
    everybody = store.page("contacts", limit=-1)
    share = max(2, len(everybody) // 100)
    *chosen, gone = night.random.sample(everybody, k=2 * share + 1)
    made = [_new_contact(night, like, position) for position, like in enumerate(chosen[:share])]
    changed = [_changed_contact(night, record, share + n) for n, record in enumerate(chosen[share:])]
    store.put("contacts", [*made, *changed])
    # Who is deleted is no longer listed, and nothing says when it happened.
    store.delete("contacts", gone.id, _moment(night, 2 * share) * 1000)
    return Changed(added=[r.id for r in made], changed=[r.id for r in changed], deleted=[gone.id])


def _new_contact(night: Night, like: Record, position: int) -> Record:
    id, at = _FIRST_CONTACT + night.number * 1000 + position, _moment(night, position)
    name = f"{like.body['name'].split()[0]} {_SURNAMES[position % len(_SURNAMES)]}"
    values = {"id": str(id), "name": name, "email": f"kunde{id}@example.com", "phone": None, "locale": "de", "at": at}
    return _record(_drifted(night, contact(values)), at, at)


def _changed_contact(night: Night, record: Record, position: int) -> Record:
    at = _moment(night, position)
    phone = f"+49 30 {night.random.randrange(10**6, 10**7)}"
    body = {**record.body, "phone": phone, "updated_at": at}
    return _record(_drifted(night, body), record.created // 1000, at)


def _conversations(store: Store, night: Night) -> Changed:
    everything = store.page("conversations", limit=-1)
    share = max(2, len(everything) // 100)
    *chosen, gone = night.random.sample(everything, k=2 * share + 1)
    made = [_new_conversation(night, like, position) for position, like in enumerate(chosen[:share])]
    changed = [_reopened(store, night, record, share + n) for n, record in enumerate(chosen[share:])]
    store.put("conversations", [*made, *changed])
    store.delete("conversations", gone.id, _moment(night, 2 * share) * 1000)
    return Changed(added=[r.id for r in made], changed=[r.id for r in changed], deleted=[gone.id])


def _new_conversation(night: Night, like: Record, position: int) -> Record:
    id, at = str(_FIRST_CONVERSATION + night.number * 1000 + position), _moment(night, position)
    body = deepcopy(like.body)
    body |= {"id": id, "created_at": at, "updated_at": at, "waiting_since": at, "open": True, "state": "open"}
    body |= {"read": False, "statistics": None, "conversation_rating": None, "conversation_parts": []}
    body["source"]["id"] = f"4{id}"
    return _record(body, at, at)


def _reopened(store: Store, night: Night, record: Record, position: int) -> Record:
    """The customer writes once more."""
    at, body = _moment(night, position), deepcopy(record.body)
    who = store.get("contacts", body["contacts"]["contacts"][0]["id"], deleted=True)
    parts = body["conversation_parts"]
    if who is not None:
        parts.append(part(record.id, len(parts) + 1, who.body, at, "Eine Frage noch."))
    body |= {"updated_at": at, "open": True, "state": "open"}
    return _record(body, record.created // 1000, at)


def _drifted(night: Night, body: dict[str, Any]) -> dict[str, Any]:
    """Since the second night contacts have a field more, since the third one less."""
    more = {"sms_consent": False} if night.number >= 2 else {}
    gone = {"enabled_push_messaging"} if night.number >= 3 else set()
    return {key: value for key, value in {**body, **more}.items() if key not in gone}


def _record(body: dict[str, Any], created: int, updated: int) -> Record:
    return Record(id=body["id"], body=body, created=created * 1000, updated=updated * 1000)
