"""What is read from Freshdesk, and how: tickets by the time of their last change, the other lists page by page.

Lists of tickets end at 300 pages and shift while tickets change, so each request goes on from the last time seen.
Shapes and filters from developers.freshdesk.com/api. Conversations are kept as one list per ticket.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

import orjson

from connectors._api.body import encode, records
from connectors._api.client import Answer
from connectors._api.resource import Head, Page, Reading, Resource, iso

_SIZE = 100
#: Without a time to start from, Freshdesk lists the tickets of the last 30 days only.
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
#: Whether `updated_since` includes its own second is not documented, so each request begins a second earlier.
_OVERLAP = timedelta(seconds=1)
#: Customers add a comment to a rating after they gave it, and ratings are asked for by the time when they were made.
_RATINGS_LOOKBACK = timedelta(days=7)
_WITH_TICKETS = "description,stats,requester"
#: Lists that leave the default list of tickets; those in the first are erased after 30 days.
_GONE = ("deleted", "spam")
#: The default list of contacts has neither blocked nor deleted ones.
_STATES: Sequence[Mapping[str, str]] = ({}, {"state": "blocked"})
#: Addresses of attachments are signed anew with every answer.
_SIGNED = ("attachment_url", "thumb_url")

#: What `check --connect` asks for, by table.
CHECKED = {
    "tickets": "/tickets",
    "conversations": "/tickets",
    "contacts": "/contacts",
    "agents": "/agents",
    "groups": "/groups",
}


def resources() -> list[Resource]:
    """Gives Freshdesk's resources."""
    changing = Head(modified="updated_at", deleted="deleted")
    return [
        Resource(
            name="tickets",
            read=_tickets,
            head=changing,
            tombstones=_gone_tickets,
            ids=_ticket_ids,
            fetch=partial(_fetch, "/tickets", {"include": "stats,requester"}),
            sweep="weekly",
        ),
        Resource(
            name="conversations",
            read=_conversations,
            head=Head(key="ticket_id", modified="updated_at"),
            tombstones=_conversations_of_gone,
            ids=_ticket_ids,
            sweep="weekly",
        ),
        Resource(
            name="contacts",
            read=_contacts,
            head=changing,
            tombstones=_deleted_contacts,
            ids=_contact_ids,
            fetch=partial(_fetch, "/contacts", {}),
            sweep="weekly",
        ),
        Resource(
            name="satisfaction_ratings",
            read=_ratings,
            head=Head(modified="created_at"),
            lookback=_RATINGS_LOOKBACK,
            optional="satisfaction surveys",
        ),
        Resource(name="agents", read=partial(_all, "/agents"), head=Head(modified="updated_at"), mode="snapshot"),
        Resource(name="groups", read=partial(_all, "/groups"), head=Head(modified="updated_at"), mode="snapshot"),
    ]


def _tickets(reading: Reading) -> Iterator[Page]:
    for found, position in _by_change(reading, {"include": _WITH_TICKETS}, reading.position):
        yield Page(records=found, position=position)


def _gone_tickets(reading: Reading) -> Iterator[Page]:
    """Deleted tickets and spam. They are few, and whether deleting moves `updated_at` is not said, so all are read."""
    for found, position in _gone(reading, {"include": _WITH_TICKETS}):
        yield Page(records=found, position=position)


def _ticket_ids(reading: Reading) -> Iterator[list[str]]:
    for found, _ in _by_change(replace(reading, since=None), {}, None):
        yield [str(orjson.loads(bytes(one))["id"]) for one in found]


def _conversations(reading: Reading) -> Iterator[Page]:
    """The conversations of every ticket that changed; an answer or a note changes its ticket."""
    for found, position in _by_change(reading, {}, reading.position):
        tickets = [orjson.loads(bytes(one)) for one in found]
        yield Page(records=[_spoken(reading, ticket) for ticket in tickets], position=position)


def _conversations_of_gone(reading: Reading) -> Iterator[Page]:
    for found, position in _gone(reading, {}):
        ids = [orjson.loads(bytes(one))["id"] for one in found]
        yield Page(records=[encode({"ticket_id": i}) for i in ids], position=position, bare=True)


def _spoken(reading: Reading, ticket: Mapping[str, Any]) -> bytes:
    """One ticket's conversations in the order of their ids; a ticket without any, or gone since, has an empty list."""
    said: dict[int, dict[str, Any]] = {}
    for found, _ in _numbered(reading, f"/tickets/{ticket['id']}/conversations", {}, missing_ok=True):
        said |= {one["id"]: _unsigned(one) for one in (orjson.loads(bytes(one)) for one in found)}
    listed = [said[i] for i in sorted(said)]
    return encode({"ticket_id": ticket["id"], "updated_at": ticket["updated_at"], "conversations": listed})


def _unsigned(conversation: dict[str, Any]) -> dict[str, Any]:
    files = conversation.get("attachments") or []
    kept = [{key: value for key, value in one.items() if key not in _SIGNED} for one in files]
    return {**conversation, "attachments": kept} if files else conversation


def _by_change(reading: Reading, asked: Mapping[str, str], position: Any) -> Iterator[tuple[list[Any], Any]]:
    """Pages of tickets in the order of their last change, each with where to go on after it.

    Only where a page ends in the second that it began with does the next request turn a page instead of going on from
    the last time seen. What slides between such pages is found by the comparison of ids.
    """
    since, page = position or (iso(reading.since or _BEGINNING), 1)
    before = b""
    while True:
        order = {"order_by": "updated_at", "order_type": "asc", "updated_since": since, "per_page": _SIZE, "page": page}
        answer = _ask(reading, "/tickets", {**asked, **order}, partial(_in_order, since, before if page > 1 else b""))
        before = answer.body
        found, newest = answer.result
        following = iso(newest - _OVERLAP) if newest else since
        since, page = (following, 1) if following > since else (since, page + 1)
        yield found, (since, page)
        if not _has_more(answer):
            return


def _in_order(since: str, before: bytes, body: bytes) -> tuple[list[Any], datetime | None]:
    """The records of a page and the latest change among them.

    Raises:
        ValueError: the page is the one before, or has tickets that are older than what was asked for.
    """
    found = _other_than(before, body)
    times = [datetime.fromisoformat(one["updated_at"]) for one in orjson.loads(body)]
    if times and min(times) < datetime.fromisoformat(since):
        raise ValueError("tickets older than what was asked for")
    return found, max(times, default=None)


def _gone(reading: Reading, asked: Mapping[str, str]) -> Iterator[tuple[list[Any], Any]]:
    first, inner = reading.position or (0, None)
    for place in range(first, len(_GONE)):
        listed = {**asked, "filter": _GONE[place]}
        for found, position in _by_change(replace(reading, since=None), listed, inner if place == first else None):
            yield found, (place, position)


def _contacts(reading: Reading) -> Iterator[Page]:
    since = {"_updated_since": iso(reading.since)} if reading.since else {}
    first, inner = reading.position or (0, 1)
    for place in range(first, len(_STATES)):
        start = inner if place == first else 1
        for found, following in _numbered(reading, "/contacts", {**_STATES[place], **since}, start=start):
            yield Page(records=found, position=(place, following) if following else (place + 1, 1))


def _deleted_contacts(reading: Reading) -> Iterator[Page]:
    """All contacts that were deleted and can be restored; those erased for good are found by their missing ids."""
    if reading.position == "end":
        return
    for found, following in _numbered(reading, "/contacts", {"state": "deleted"}, start=reading.position or 1):
        yield Page(records=found, position=following or "end")


def _contact_ids(reading: Reading) -> Iterator[list[str]]:
    for page in _contacts(replace(reading, since=None, position=None)):
        yield [str(orjson.loads(bytes(one))["id"]) for one in page.records]


def _ratings(reading: Reading) -> Iterator[Page]:
    since = {"created_since": iso(reading.since or _BEGINNING)}
    if reading.position == "end":
        return
    for found, following in _numbered(reading, "/surveys/satisfaction_ratings", since, start=reading.position or 1):
        yield Page(records=found, position=following or "end")


def _all(path: str, reading: Reading) -> Iterator[Page]:
    for found, _ in _numbered(reading, path, {}):
        yield Page(records=found)


def _fetch(path: str, asked: Mapping[str, str], reading: Reading, ids: Sequence[str]) -> Iterator[Page]:
    for i in ids:
        one = reading.api.get(f"{path}/{i}", asked, decode=lambda body: records(b"[" + body + b"]"), missing_ok=True)
        yield Page(records=one or [])


def _numbered(
    reading: Reading, path: str, asked: Mapping[str, Any], *, start: int = 1, missing_ok: bool = False
) -> Iterator[tuple[list[Any], int | None]]:
    """Pages of a list that goes by number, each with the number of the next."""
    page, before = start, b""
    while True:
        wanted = {**asked, "per_page": _SIZE, "page": page}
        answer = _ask(reading, path, wanted, partial(_other_than, before), missing_ok=missing_ok)
        before, page = answer.body, page + 1
        more = _has_more(answer)
        yield answer.result or [], page if more else None
        if not more:
            return


def _ask(reading: Reading, path: str, asked: Mapping[str, Any], decode: Any, *, missing_ok: bool = False) -> Answer:
    return reading.api.answer("GET", f"{path}?{urlencode(asked)}", decode=decode, missing_ok=missing_ok)


def _other_than(before: bytes, body: bytes) -> list[Any]:
    """The records of a page.

    Raises:
        ValueError: it is the page before once more.
    """
    if before and body == before:
        raise ValueError("the page before, once more")
    return records(body)


def _has_more(answer: Answer) -> bool:
    return 'rel="next"' in answer.headers.get("link", "")
