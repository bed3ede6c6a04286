"""What a day brings to the helpdesk: tickets asked, answered, solved and deleted, users come and gone.

The shapes are those of records that exist; making the first ones belongs in `records`.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from sandbox.store import Record, Store
from sandbox.vendor import Changed, Night
from sandbox.vendors.zendesk.records import ACCOUNT, stamp

#: Ids of new records begin here; each night has room for a thousand.
_FIRST = {
    "tickets": 5_000_000,
    "users": 380_000_000_000,
    "ticket_events": 8_000_000_000,
    "satisfaction_ratings": 890_000_000,
}
_COMMENT_IDS = 1_000_000_000
_SURNAMES = ("Nachtweih", "Neumeister", "Abendroth", "Frühauf")


class _Day:
    """One night's changes as they are made; events get their ids and times in the order of making."""

    def __init__(self, store: Store, night: Night) -> None:
        self.store, self.night, self.random = store, night, night.random
        self.clock = night.at
        self.events: list[Record] = []

    def now(self) -> int:
        """A moment after all earlier ones."""
        self.clock += 1000
        return self.clock

    def id(self, collection: str, position: int) -> int:
        """The id of tonight's new record at a position."""
        return _FIRST[collection] + self.night.number * 1000 + position

    def event(self, ticket: dict[str, Any], author: int, at: int, **fact: Any) -> None:
        """Notes that something happened to a ticket."""
        id, says = self.id("ticket_events", len(self.events)), fact.pop("says")
        about = {"id": id, "ticket_id": ticket["id"], "updater_id": author, "via": "Web form"}
        comment = {"id": id + _COMMENT_IDS, "author_id": author, "body": says}
        body = {**about, "comment": comment, "subject": None, "status": None, "previous": None, **fact}
        self.events.append(Record(id=str(id), body=body, created=at, updated=at))


def night(store: Store, night: Night) -> dict[str, Changed]:
    """Lets a day pass: about one record in a hundred is new, one changed, a few deleted."""
    day = _Day(store, night)
    changes = {"users": _users(day), "tickets": _tickets(day)}
    changes["satisfaction_ratings"] = _ratings(day, store.page("satisfaction_ratings", limit=2, descending=True))
    store.put("ticket_events", day.events)
    return {**changes, "ticket_events": Changed(added=[event.id for event in day.events])}


def _users(day: _Day) -> Changed:
    """New customers, changed telephone numbers, and some customers who are deleted."""
    customers = [r for r in day.store.page("users", limit=-1) if r.body["role"] == "end-user"]
    share = max(2, len(customers) // 100)
    chosen = day.random.sample(customers, k=2 * share + 1)
    made: list[Record] = []
    for position, like in enumerate(chosen[:share]):
        at, id = day.now(), day.id("users", position)
        name = f"{like.body['name'].split()[0]} {_SURNAMES[position % len(_SURNAMES)]}"
        own = {"id": id, "url": f"{ACCOUNT}/users/{id}.json", "name": name, "email": f"kunde{id}@example.com"}
        times = {"created_at": stamp(at), "updated_at": stamp(at)}
        made.append(Record(id=str(id), body={**like.body, **own, **times, "phone": None}, created=at, updated=at))
    changed = []
    for record in chosen[share:-1]:
        at = day.now()
        body = {**record.body, "phone": f"+49 30 {day.random.randrange(10**6, 10**7)}", "updated_at": stamp(at)}
        changed.append(Record(id=record.id, body=body, created=record.created, updated=at))
    left, at = chosen[-1], day.now()
    body = {**left.body, "updated_at": stamp(at)}
    gone = [Record(id=left.id, body=body, created=left.created, updated=at, deleted=at)]
    day.store.put("users", [*made, *changed, *gone])
    return _changed(made, changed, gone)


def _tickets(day: _Day) -> Changed:
    """New tickets, some that are not closed reopened or answered, and some that are deleted."""
    everything = day.store.page("tickets", limit=-1)
    share = max(2, len(everything) // 100)
    alive = [record for record in everything if record.body["status"] != "closed"]
    like = day.random.sample(everything, k=share)
    gone = [day.random.choice([record for record in everything if record.body["status"] == "closed"])]
    made = [_new_ticket(day, record, day.id("tickets", position)) for position, record in enumerate(like)]
    changed = [_changed_ticket(day, record) for record in day.random.sample(alive, k=min(share, len(alive)))]
    day.store.put("tickets", [*made, *changed])
    for record in gone:
        # Only the time that exports go by moves; updated_at stays as it was.
        day.store.delete("tickets", record.id, day.now())
    return _changed(made, changed, gone)


def _new_ticket(day: _Day, like: Record, id: int) -> Record:
    at, body = day.now(), deepcopy(like.body)
    body |= {"id": id, "url": f"{ACCOUNT}/tickets/{id}.json", "status": "new", "satisfaction_rating": None}
    metrics = {"id": 900_000_000 + id, "ticket_id": id, "solved_at": None, "created_at": stamp(at), "replies": 0}
    body["metric_set"] |= metrics | {"reply_time_in_minutes": {"calendar": None, "business": None}}
    _touched(day, body, at)
    body["created_at"] = stamp(at)
    day.event(body, body["requester_id"], at, says=body["description"], status="new", subject=body["subject"])
    return Record(id=str(id), body=body, created=at, updated=at)


def _changed_ticket(day: _Day, record: Record) -> Record:
    at, body = day.now(), deepcopy(record.body)
    before = body["status"]
    body["status"] = "pending" if before == "new" else "open"
    body["priority"] = day.random.choice([p for p in ("low", "normal", "high") if p != body["priority"]])
    _touched(day, body, at)
    day.event(body, body["assignee_id"], at, says="Wir melden uns.", status=body["status"], previous=before)
    return Record(id=record.id, body=body, created=record.created, updated=at)


def _touched(day: _Day, body: dict[str, Any], at: int) -> None:
    """Notes the time of a change. Since the second night tickets have a field more, since the third one less."""
    body["updated_at"] = body["metric_set"]["updated_at"] = stamp(at)
    if day.night.number >= 2:
        body["encoded_id"] = f"{body['id']:X}-MUEHL"
    if day.night.number >= 3:
        body.pop("forum_topic_id", None)


def _ratings(day: _Day, like: list[Record]) -> Changed:
    """New ratings only: who changes a rating makes a new one."""
    made = []
    for position, record in enumerate(like):
        at, id = day.now(), day.id("satisfaction_ratings", position)
        own = {"id": id, "url": f"{ACCOUNT}/satisfaction_ratings/{id}.json", "score": ("good", "bad")[position % 2]}
        times = {"created_at": stamp(at), "updated_at": stamp(at)}
        made.append(Record(id=str(id), body={**record.body, **own, **times}, created=at, updated=at))
    day.store.put("satisfaction_ratings", made)
    return _changed(made, [], [])


def _changed(made: list[Record], changed: list[Record], gone: list[Record]) -> Changed:
    return Changed(
        added=[record.id for record in made],
        changed=[record.id for record in changed],
        deleted=[record.id for record in gone],
    )
