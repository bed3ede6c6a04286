"""What is read from Stripe, and how: lists for what was made, events for what changed or was deleted since.

A list knows when its objects were made and not when they changed; that is told by events alone, which go back 30 days
and show an object in the version of their own time. So events only name objects, which are then read as they are now.
See https://docs.stripe.com/api/events and https://docs.stripe.com/api/pagination.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any

import msgspec

from connectors._api.body import RECORDS, at, encode, envelope, struct_of
from connectors._api.resource import Head, Page, Reading, Resource

_LARGEST = 100
#: Events, and what was just made, may be listed a little late.
_LOOKBACK = timedelta(hours=1)
#: Movements of the balance become available some days later, and no event tells of that.
_SETTLING = timedelta(days=14)
_FETCHED = 50
_MISSED = (
    "Stripe no longer tells all that changed since the last load, as it keeps events for 30 days; all was read again.",
)

EVENTS = "/v1/events"
#: What `check --connect` asks for, by table.
PATHS = {
    name: f"/v1/{name}"
    for name in ("customers", "charges", "refunds", "invoices", "subscriptions", "balance_transactions")
}

_Event = struct_of(
    {
        "id": str,
        "created": int,
        "data.object.id": str,
        "data.object.object": str,
        "data.object.charge": Any,
        "data.object.customer": Any,
    }
)
_list = envelope(data=RECORDS, has_more=bool, url=str)
_events = envelope(data=list[_Event], has_more=bool, url=str)  # type: ignore[valid-type]
_stub = msgspec.json.Decoder(struct_of({"id": str, "deleted": bool}))


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """A kind of object: its list, the events that concern it, and how it is named by them.

    Attributes:
        events: patterns of the events' types.
        names: fields of an event's object that name one of this kind, by the kind of that object.
        asked: what the list has to be asked for beside the page.
    """

    name: str
    events: Sequence[str]
    names: Mapping[str, str]
    asked: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return PATHS[self.name]


_KINDS = (
    _Kind(name="customers", events=["customer.*"], names={"customer": "id", "discount": "customer"}),
    _Kind(
        name="charges", events=["charge.*", "refund.*"], names={"charge": "id", "dispute": "charge", "refund": "charge"}
    ),
    _Kind(name="refunds", events=["refund.*", "charge.refund.*"], names={"refund": "id"}),
    _Kind(name="invoices", events=["invoice.*"], names={"invoice": "id"}),
    _Kind(
        name="subscriptions",
        events=["customer.subscription.*"],
        names={"subscription": "id"},
        # Cancelled ones are not listed unless asked for.
        asked={"status": "all"},
    ),
)
_BALANCE = _Kind(name="balance_transactions", events=[], names={})


def resources(*, full_read: bool) -> list[Resource]:
    """Gives Stripe's resources; with `full_read` each is read to its end every night, and needs no more than lists."""
    head = Head(modified="created", clock="seconds")
    if full_read:
        return [
            Resource(name=kind.name, read=partial(_read_all, kind), head=head, mode="snapshot")
            for kind in (*_KINDS, _BALANCE)
        ]
    evented = [
        Resource(
            name=kind.name,
            read=partial(_read, kind),
            head=head,
            lookback=_LOOKBACK,
            ids=partial(_all_ids, kind),
            fetch=partial(_fetch, kind),
            sweep="weekly",
        )
        for kind in _KINDS
    ]
    # Movements are never deleted.
    return [*evented, Resource(name=_BALANCE.name, read=partial(_read_new, _BALANCE), head=head, lookback=_SETTLING)]


def _read(kind: _Kind, reading: Reading) -> Iterator[Page]:
    """What was made since, and what events name; everything where events may have been missed."""
    position = reading.position or {}
    everything = position["everything"] if position else not _still_listed(reading)
    if not position:
        # Noted before anything is read, so that the next night hears of all that changes meanwhile.
        yield Page(records=[], state=_newest_event(reading), notes=_MISSED if everything and reading.state else ())
    if everything:
        yield from _listed(kind, reading, _start(reading), position.get("after"), {"everything": True})
        return
    changed = _named_by_events(kind, reading)
    if "changed" not in position:
        for page in _listed(kind, reading, reading.since, position.get("after"), {"everything": False}):
            changed -= {_id_of(record) for record in page.records}
            yield page
    left = sorted(id for id in changed if id > position.get("changed", ""))
    for first in range(0, len(left), _FETCHED):
        ids = left[first : first + _FETCHED]
        # Of two pages the second is the resource's last word, if the read is cut off between them.
        *before, last = _fetch(kind, reading, ids)
        yield from before
        yield Page(
            records=last.records,
            deleted=last.deleted,
            bare=last.bare,
            position={"everything": False, "changed": ids[-1]},
        )


def _read_new(kind: _Kind, reading: Reading) -> Iterator[Page]:
    """What was made since."""
    position = reading.position or {}
    yield from _listed(kind, reading, reading.since, position.get("after"), {})


def _read_all(kind: _Kind, reading: Reading) -> Iterator[Page]:
    """Everything there is now; asks for no more than a page of a list."""
    position = reading.position or {}
    yield from _listed(kind, reading, None, position.get("after"), {})


def _start(reading: Reading) -> datetime | None:
    """From when on the company wants anything."""
    day = reading.options.start_date
    return datetime.combine(day, time(), UTC) if day else None


def _listed(
    kind: _Kind, reading: Reading, since: datetime | None, after: str | None, position: Mapping[str, Any]
) -> Iterator[Page]:
    """The pages of a list, from one object on."""
    asked: dict[str, Any] = {"limit": _LARGEST, **kind.asked}
    if since is not None:
        asked["created[gte]"] = int(since.timestamp())
    for records in _pages(reading, kind.path, asked, after, _list, _id_of):
        if records:
            yield Page(records=records, position={**position, "after": _id_of(records[-1])})


def _pages(
    reading: Reading,
    path: str,
    asked: Mapping[str, Any],
    after: str | None,
    decode: Callable[[bytes], Any],
    id_of: Callable[[Any], str],
) -> Iterator[list[Any]]:
    """The pages of any list; one that another list sent, or that comes a second time, is asked for again."""

    def sound(body: bytes) -> Any:
        page = decode(body)
        if page.data is None or page.url != path:
            raise ValueError(f"no page of {path}")
        if after is not None and after in map(id_of, page.data):
            raise ValueError("the same page again")
        return page

    while True:
        page = reading.api.get(path, {**asked, **({"starting_after": after} if after else {})}, decode=sound)
        yield page.data
        if not page.has_more or not page.data:
            return
        after = id_of(page.data[-1])


def _id_of(record: Any) -> str:
    return str(at(_stub.decode(bytes(record)), "id"))


def _newest_event(reading: Reading) -> Mapping[str, Any]:
    """The latest event of the account, of whatever kind; nothing where nothing happened for a month."""
    first = next(_pages(reading, EVENTS, {"limit": 1}, None, _events, _event_id))
    return {"event": _event_id(first[0]), "created": at(first[0], "created")} if first else {}


def _event_id(event: Any) -> str:
    return str(at(event, "id"))


def _still_listed(reading: Reading) -> bool:
    """Whether the latest event of the last read can still be had: if so, then also all that happened since."""
    event = reading.state.get("event")
    return bool(event) and reading.api.get(f"{EVENTS}/{event}", missing_ok=True) is not None


def _named_by_events(kind: _Kind, reading: Reading) -> set[str]:
    """Ids of the objects that events since the last read are about."""
    since = int(reading.state["created"]) - int(_LOOKBACK.total_seconds())
    found: set[str] = set()
    for pattern in kind.events:
        asked = {"limit": _LARGEST, "type": pattern, "created[gte]": since}
        for events in _pages(reading, EVENTS, asked, None, _events, _event_id):
            found |= {id for event in events if isinstance(id := _named(kind, event), str)}
    return found


def _named(kind: _Kind, event: Any) -> Any:
    name = kind.names.get(at(event, "data.object.object"))
    return at(event, f"data.object.{name}") if name else None


def _fetch(kind: _Kind, reading: Reading, ids: Sequence[str]) -> Iterator[Page]:
    """Objects as they are now; of a deleted one there is a stub, or nothing."""
    found, gone = [], []
    for id in ids:
        record = reading.api.get(f"{kind.path}/{id}", decode=partial(_object, id), missing_ok=True)
        if record is None or at(_stub.decode(record), "deleted"):
            gone.append(encode({"id": id}))
        else:
            found.append(record)
    yield Page(records=gone, deleted=True, bare=True)
    yield Page(records=found)


def _object(id: str, body: bytes) -> bytes:
    """The body itself, if it is this object and whole."""
    if at(_stub.decode(body), "id") != id:
        raise ValueError(f"not the object {id}")
    return body


def _all_ids(kind: _Kind, reading: Reading) -> Iterator[list[str]]:
    for page in _listed(kind, reading, _start(reading), None, {}):
        yield [_id_of(record) for record in page.records]
