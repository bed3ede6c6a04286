"""What is read from Intercom, and how: searches by time of change, and conversations in full, for their messages.

Deleted conversations are listed; deleted contacts are not, so their ids are swept. Shapes and rules from the vendor's
description of version 2.16.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from connectors._api.body import RECORDS, at, envelope, struct_of
from connectors._api.client import ApiError
from connectors._api.resource import Head, Page, Reading, Resource

_PAGE, _DELETED_PAGE = 150, 60
#: Contacts are found by the day, in the workspace's own timezone: more than a day earlier is early enough.
_DAYS_LOOKBACK = timedelta(hours=26)

#: What `check --connect` asks for, by table.
CHECKED = {
    "contacts": "/contacts?per_page=1",
    "conversations": "/conversations?per_page=1",
    "admins": "/admins",
    "teams": "/teams",
}

_CHANGING = Head(modified="updated_at", clock="seconds")
_DELETED = Head(modified="deleted_at", clock="seconds")
#: Which field of an answer holds the records.
_HOLDS = {"contacts": "data", "conversations": "conversations"}

_id = msgspec.json.Decoder(struct_of({"id": str | int}))
_gone = envelope(
    needs="records", records=("conversations", RECORDS), page=("pages.page", int), pages=("pages.total_pages", int)
)
_when = msgspec.json.Decoder(struct_of({"deleted_at": int}))


def resources() -> list[Resource]:
    """Gives Intercom's resources."""
    return [
        Resource(
            name="contacts",
            head=_CHANGING,
            read=_changed_contacts,
            lookback=_DAYS_LOOKBACK,
            ids=partial(_ids, "contacts"),
            fetch=partial(_fetch, "contacts"),
            count=partial(_count, "contacts"),
            count_how="total of the list",
        ),
        Resource(
            name="conversations",
            head=_CHANGING,
            read=_changed_conversations,
            tombstones=_deleted_conversations,
            ids=partial(_ids, "conversations"),
            fetch=partial(_fetch, "conversations"),
            sweep="weekly",
            count=partial(_count, "conversations"),
            count_how="total of the list",
        ),
        Resource(name="admins", head=Head(), read=partial(_whole, "admins"), mode="snapshot"),
        Resource(name="teams", head=Head(), read=partial(_whole, "teams"), mode="snapshot"),
    ]


def _changed_contacts(reading: Reading) -> Iterator[Page]:
    for records, after in _search("contacts", reading):
        yield Page(records=records, position=after)


def _changed_conversations(reading: Reading) -> Iterator[Page]:
    for records, after in _search("conversations", reading):
        yield Page(records=_in_full("conversations", reading, _ids_of(records)), position=after)


def _search(name: str, reading: Reading) -> Iterator[tuple[list[Any], str | None]]:
    """What changed since, the oldest change first: what changes meanwhile comes again at the end."""
    since = int(reading.since.timestamp()) - 1 if reading.since else 0
    asked = {
        "query": {"field": "updated_at", "operator": ">", "value": since},
        "sort": {"field": "updated_at", "order": "ascending"},
    }

    def ask(after: str | None) -> Any:
        paging = {"per_page": _PAGE, **({"starting_after": after} if after else {})}
        return reading.api.post(f"/{name}/search", {**asked, "pagination": paging}, decode=_page_of(name))

    return _pages(ask, reading.position, f"/{name}/search")


def _listed(name: str, reading: Reading) -> Iterator[list[Any]]:
    """Everything that there is."""

    def ask(after: str | None) -> Any:
        query = {"per_page": _PAGE, **({"starting_after": after} if after else {})}
        return reading.api.get(f"/{name}", query, decode=_page_of(name))

    return (records for records, _ in _pages(ask, None, f"/{name}"))


def _pages(ask: Callable[[str | None], Any], after: str | None, path: str) -> Iterator[tuple[list[Any], str | None]]:
    """Pages with the cursor behind each. One that leads to where the page before it led is that page, given again.

    Raises:
        ApiError: the vendor gives the same page again and again.
    """
    while True:
        page = ask(after)
        if after is not None and page.after == after:
            page = ask(after)
            if page.after == after:
                raise ApiError(f"Intercom gives the same page of {path} again and again; run the source again later.")
        yield page.records or [], page.after
        if page.after is None:
            return
        after = page.after


def _page_of(name: str) -> Callable[[bytes], Any]:
    return envelope(
        needs="records",
        records=(_HOLDS[name], RECORDS),
        after=("pages.next.starting_after", str),
        total=("total_count", int),
    )


def _in_full(name: str, reading: Reading, ids: Sequence[str]) -> list[bytes]:
    """Single records as they are now, conversations with their words as plain text; what is gone is left out."""
    query = {"display_as": "plaintext"} if name == "conversations" else {}
    found = []
    for id in ids:
        try:
            record = reading.api.get(f"/{name}/{id}", query, decode=_sound, missing_ok=True)
        except ApiError as error:
            # A contact that was merged into another one is gone for good.
            if error.status != 410:
                raise
            continue
        if record is not None:
            found.append(record)
    return found


def _sound(body: bytes) -> bytes:
    """A record as it was sent.

    Raises:
        ValueError: it is none.
    """
    if at(_id.decode(body), "id") is None:
        raise ValueError("it has no id")
    return body


def _ids_of(records: Sequence[Any]) -> list[str]:
    return [str(at(_id.decode(record), "id")) for record in records]


def _ids(name: str, reading: Reading) -> Iterator[list[str]]:
    for records in _listed(name, reading):
        yield _ids_of(records)


def _fetch(name: str, reading: Reading, ids: Sequence[str]) -> Iterator[Page]:
    for start in range(0, len(ids), _PAGE):
        yield Page(records=_in_full(name, reading, ids[start : start + _PAGE]))


def _count(name: str, reading: Reading) -> int | None:
    page = reading.api.get(f"/{name}", {"per_page": 1}, decode=_page_of(name))
    return page.total


def _deleted_conversations(reading: Reading) -> Iterator[Page]:
    """Conversations deleted since, the latest first; of nothing held there is nothing to mark."""
    if reading.since is None:
        return
    number = 1
    while True:
        asked: Mapping[str, Any] = {"per_page": _DELETED_PAGE, "page": number, "order": "desc"}
        page = reading.api.get("/conversations/deleted", asked, decode=_gone)
        records = page.records or []
        yield Page(records=records, head=_DELETED, bare=True)
        if number >= (page.pages or 0) or any(_is_before(record, reading.since) for record in records):
            return
        number += 1


def _is_before(record: Any, since: datetime) -> bool:
    deleted_at = at(_when.decode(record), "deleted_at")
    return deleted_at is not None and deleted_at < since.timestamp()


def _whole(name: str, reading: Reading) -> Iterator[Page]:
    page = reading.api.get(f"/{name}", decode=envelope(needs="records", records=(name, RECORDS)))
    yield Page(records=page.records or [])
