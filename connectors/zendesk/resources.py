"""What is read from Zendesk, and how: incremental exports for tickets, users and events, lists for what is small.

Exports tell of deleted tickets and users too, so nothing has to be swept. Shapes and rules from the vendor's
description and developer.zendesk.com/documentation/ticketing/managing-tickets/using-the-incremental-export-api.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from connectors._api.body import RECORDS, at, envelope, struct_of
from connectors._api.client import ApiError
from connectors._api.resource import Head, Page, Reading, Resource

_EXPORT, _LIST = 1000, 100
#: The vendor counts no further than this, and no more exactly.
_COUNTED = 100_000
#: A rating that is changed becomes a new one, but surveys may be answered days after they were offered.
_RATINGS_LOOKBACK = timedelta(days=7)

_STUCK = "Zendesk gives the same page of {} again and again; run the source again later."
_TICKETS, _USERS = "/api/v2/incremental/tickets/cursor.json", "/api/v2/incremental/users/cursor.json"
_EVENTS, _RATINGS = "/api/v2/incremental/ticket_events.json", "/api/v2/satisfaction_ratings.json"
_GROUPS, _FIELDS = "/api/v2/groups.json", "/api/v2/ticket_fields.json"

#: What `check --connect` asks for, by table.
CHECKED: Mapping[str, tuple[str, Mapping[str, int]]] = {
    **{t: (path, {"start_time": 0, "per_page": 1}) for t, path in (("tickets", _TICKETS), ("users", _USERS))},
    "ticket_events": (_EVENTS, {"start_time": 0, "per_page": 1}),
    "satisfaction_ratings": (_RATINGS, {"page[size]": 1}),
    **{t: (path, {"page[size]": 1}) for t, path in (("groups", _GROUPS), ("ticket_fields", _FIELDS))},
}

_TICKET = Head(modified="generated_timestamp", clock="seconds")
_USER = Head(modified="updated_at")
_EVENT = Head(modified="timestamp", clock="seconds")
_RATING = Head(modified="created_at")
_NAMED = Head(modified="updated_at", deleted="deleted")

Asked = Mapping[str, Any]


def resources() -> list[Resource]:
    """Gives Zendesk's resources."""
    return [
        Resource(
            name="tickets",
            # The time that exports go by; updated_at stays behind when the system changes or deletes something.
            head=_TICKET,
            read=partial(_cursor_export, "tickets", _TICKETS, {"include": "metric_sets"}, "status", "deleted"),
            count=partial(_found, "ticket"),
            count_how="count of a search",
        ),
        Resource(
            name="users",
            head=_USER,
            read=partial(_cursor_export, "users", _USERS, {}, "active", False),
            count=partial(_found, "user"),
            count_how="count of a search",
        ),
        Resource(name="ticket_events", head=_EVENT, read=_event_export),
        Resource(
            name="satisfaction_ratings",
            head=_RATING,
            read=_ratings,
            lookback=_RATINGS_LOOKBACK,
            count=_counted_ratings,
            optional="satisfaction ratings",
        ),
        Resource(name="groups", head=_NAMED, read=partial(_list, "groups", _GROUPS), mode="snapshot"),
        Resource(name="ticket_fields", head=_USER, read=partial(_list, "ticket_fields", _FIELDS), mode="snapshot"),
    ]


def _cursor_export(
    name: str, path: str, extra: Asked, field: str, gone: str | bool, reading: Reading
) -> Iterator[Page]:
    """Everything that changed, page by page from a cursor; records are gone whose `field` is `gone`."""
    decode = envelope(
        needs="records", records=(name, RECORDS), after=("after_cursor", str), ended=("end_of_stream", bool)
    )
    look = _peek(field)
    asked: Asked = {"cursor": reading.position} if reading.position else {"start_time": _seconds(reading.since)}
    while True:
        before = asked.get("cursor")
        query = {"per_page": _EXPORT, **extra, **asked}
        page = _ask(reading, path, query, decode, before)
        records = page.records or []
        dead = [record for record in records if look(record) == gone]
        if dead:
            yield Page(records=dead, deleted=True, position=before)
        yield Page(records=[record for record in records if look(record) != gone], position=page.after)
        if page.ended:
            return
        if page.after == before:
            raise ApiError(_STUCK.format(path))
        asked = {"cursor": page.after}


def _event_export(reading: Reading) -> Iterator[Page]:
    """Everything that happened to tickets, with the words of comments; pages overlap by the second between them.

    A page holds whole seconds, so a page that ends where it began is all there is of that second.
    """
    decode = envelope(
        needs="records", records=("ticket_events", RECORDS), after=("end_time", int), ended=("end_of_stream", bool)
    )
    start = int(reading.position or _seconds(reading.since))
    while True:
        asked = {"start_time": start, "include": "comment_events", "per_page": _EXPORT}
        page = _ask(reading, _EVENTS, asked, decode, start)
        yield Page(records=page.records or [], position=page.after)
        if page.ended:
            return
        if page.after is None:
            raise ApiError(_STUCK.format(_EVENTS))
        start = max(page.after, start + 1)


def _ratings(reading: Reading) -> Iterator[Page]:
    since = {} if reading.since is None else {"start_time": _seconds(reading.since)}
    yield from _list("satisfaction_ratings", _RATINGS, reading, since)


def _list(name: str, path: str, reading: Reading, extra: Asked | None = None) -> Iterator[Page]:
    """A list by cursor, a hundred records a page."""
    decode = envelope(
        needs="records", records=(name, RECORDS), after=("meta.after_cursor", str), more=("meta.has_more", bool)
    )
    after = reading.position
    while True:
        asked = {"page[size]": _LIST, **(extra or {}), **({"page[after]": after} if after else {})}
        page = _ask(reading, path, asked, decode, after)
        yield Page(records=page.records or [], position=page.after)
        if not page.more:
            return
        if page.after == after:
            raise ApiError(_STUCK.format(path))
        after = page.after


def _ask(reading: Reading, path: str, asked: Asked, decode: Any, before: str | int | None) -> Any:
    """One page. One that leads to where the page before it led is that page, given again, and is asked for anew."""
    page = reading.api.get(path, asked, decode=decode)
    return reading.api.get(path, asked, decode=decode) if before is not None and page.after == before else page


def _peek(field: str) -> Callable[[Any], Any]:
    """Looks at one field of a record, None where it cannot be read; who sets such records aside is told why."""
    decoder = msgspec.json.Decoder(struct_of({field: str | bool}))

    def look(record: Any) -> Any:
        try:
            return at(decoder.decode(record), field)
        except ValueError:
            return None

    return look


def _seconds(moment: datetime | None) -> int:
    return int(moment.timestamp()) if moment else 0


def _found(kind: str, reading: Reading) -> int | None:
    """How many a search finds, archived tickets too; the endpoints for counting guess beyond 100,000."""
    said = reading.api.get("/api/v2/search/count.json", {"query": f"type:{kind}"})
    return int(said["count"])


def _counted_ratings(reading: Reading) -> int | None:
    said = reading.api.get("/api/v2/satisfaction_ratings/count.json")["count"]
    return int(said["value"]) if said["value"] < _COUNTED else None
