"""What is read from Pipedrive, and how: lists of version 2 by time of change, and what only version 1 has.

Lists go by time of change also at first: what changes while they are read comes again at their end. Only deals tell
what was deleted, for 30 days; all other deletions are found by asking for all ids. Shapes from the vendor's
descriptions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from functools import partial
from itertools import accumulate
from typing import Any

import msgspec
import orjson

from connectors._api.body import RECORDS, encode, envelope
from connectors._api.resource import Head, Page, Reading, Resource, iso

_LIMIT = 500
_IDS_AT_ONCE = 100
#: Deals of one page of changelogs; what was asked for is safe after each.
_CHANGELOGS = 50
_OF_STAGES = frozenset({"stage_id", "pipeline_id", "status"})
#: Deals that were put away have a list of their own, and are left out of the other.
_DEALS = ("/api/v2/deals", "/api/v2/deals/archived")
_BY_CHANGE = {"sort_by": "update_time", "sort_direction": "asc"}


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """A kind of record of version 2: its lists, and where its fields are defined, if the company may add some."""

    lists: Sequence[str]
    fields: str | None = None


_KINDS = {
    "persons": _Kind(lists=("/api/v2/persons",), fields="/api/v2/personFields"),
    "organizations": _Kind(lists=("/api/v2/organizations",), fields="/api/v2/organizationFields"),
    "deals": _Kind(lists=_DEALS, fields="/api/v2/dealFields"),
    "activities": _Kind(lists=("/api/v2/activities",)),
}
_SMALL = {
    "products": "/api/v2/products",
    "stages": "/api/v2/stages",
    "pipelines": "/api/v2/pipelines",
}
_FIELDS = {
    "person_fields": "/api/v2/personFields",
    "organization_fields": "/api/v2/organizationFields",
    "deal_fields": "/api/v2/dealFields",
}

#: What `check --connect` asks for, by table.
CHECKED = {
    **{name: kind.lists[0] for name, kind in _KINDS.items()},
    **_SMALL,
    "notes": "/v1/notes",
    "users": "/v1/users",
}

_page = envelope(data=RECORDS, after=("additional_data.next_cursor", str))
_rows = envelope(data=list[dict[str, Any]], after=("additional_data.next_cursor", str))
_next_start = ("additional_data.pagination.next_start", int)
_offset_page = envelope(data=RECORDS, start=_next_start)
_offset_rows = envelope(data=list[dict[str, Any]], start=_next_start)
_one = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def resources() -> list[Resource]:
    """Gives Pipedrive's resources."""
    kinds = [
        Resource(
            name=name,
            read=partial(_read, kind),
            head=Head(modified="update_time", deleted="is_deleted"),
            tombstones=_deleted_deals if name == "deals" else None,
            ids=partial(_ids, kind.lists),
            fetch=partial(_fetch, kind.lists),
            # The count is had by listing all ids, so the sweep itself has something to do only if it differs.
            sweep="weekly",
            count=partial(_count, partial(_ids, kind.lists)),
            count_how="id sweep",
        )
        for name, kind in _KINDS.items()
    ]
    notes = Resource(
        name="notes",
        read=_notes,
        head=Head(modified="update_time"),
        ids=_note_ids,
        fetch=_fetch_notes,
        sweep="weekly",
        count=partial(_count, _note_ids),
        count_how="id sweep",
    )
    changes = Resource(
        name="deal_changes",
        read=_changes,
        head=Head(key="deal_id", modified="changed_at"),
        tombstones=_changes_of_deleted,
        ids=partial(_ids, _DEALS),
        sweep="weekly",
    )
    small = [
        Resource(name=name, read=partial(_whole, path), head=Head(modified="update_time"), mode="snapshot")
        for name, path in _SMALL.items()
    ]
    fields = [
        Resource(name=name, read=partial(_whole, path), head=Head(key="field_code"), mode="snapshot")
        for name, path in _FIELDS.items()
    ]
    users = Resource(name="users", read=_users, head=Head(modified="modified"), mode="snapshot")
    return [*kinds, notes, changes, users, *small, *fields]


def _pages(
    reading: Reading, path: str, asked: Mapping[str, Any], cursor: str | None = None, decode: Any = _page
) -> Iterator[tuple[list[Any], str | None]]:
    """A list of version 2: the records of each page, and the cursor of the next."""
    while True:
        page = reading.api.get(path, {**asked, **({"cursor": cursor} if cursor else {})}, decode=decode)
        cursor = page.after
        yield page.data or [], cursor
        if cursor is None:
            return


def _since(reading: Reading) -> dict[str, str]:
    """The filter for what changed since; the server refuses fractions of seconds."""
    return {"updated_since": iso(reading.since)} if reading.since else {}


def _read(kind: _Kind, reading: Reading) -> Iterator[Page]:
    """What changed; everything, if a custom field came or went, which leaves no trace in the records' times."""
    fields = _fields(reading, kind.fields) if kind.fields else ""
    state = {"fields": fields}
    if reading.state not in ({}, state):
        day = reading.options.start_date
        reading = replace(reading, since=datetime.combine(day, time(), UTC) if day else None)
    before, first, cursor = reading.position or (fields, 0, None)
    if before != fields:
        first, cursor = 0, None
    yield Page(records=[], position=(fields, first, cursor), state=state)
    for number, path in enumerate(kind.lists[first:], first):
        asked = {"limit": _LIMIT, **_BY_CHANGE, **_since(reading)}
        for records, after in _pages(reading, path, asked, cursor):
            position = (fields, number, after) if after else (fields, number + 1, None)
            yield Page(records=records, position=position, state=state)
        cursor = None


def _fields(reading: Reading, path: str) -> str:
    """Tells two sets of custom fields apart."""
    rows = [row for rows, _ in _pages(reading, path, {"limit": _LIMIT}, decode=_rows) for row in rows]
    keys = sorted(row["field_code"] for row in rows if row.get("is_custom_field"))
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()


def _deleted_deals(reading: Reading) -> Iterator[Page]:
    for path in _DEALS:
        asked = {"limit": _LIMIT, "status": "deleted", **_since(reading)}
        for records, _ in _pages(reading, path, asked):
            yield Page(records=records)


def _ids(lists: Sequence[str], reading: Reading) -> Iterator[list[str]]:
    for path in lists:
        for rows, _ in _pages(reading, path, {"limit": _LIMIT}, decode=_rows):
            yield [str(row["id"]) for row in rows]


def _count(ids: Any, reading: Reading) -> int:
    return sum(len(batch) for batch in ids(reading))


def _fetch(lists: Sequence[str], reading: Reading, ids: Sequence[str]) -> Iterator[Page]:
    for start in range(0, len(ids), _IDS_AT_ONCE):
        asked = {"ids": ",".join(ids[start : start + _IDS_AT_ONCE]), "limit": _LIMIT}
        for path in lists:
            for records, _ in _pages(reading, path, asked):
                yield Page(records=records)


def _whole(path: str, reading: Reading) -> Iterator[Page]:
    for records, _ in _pages(reading, path, {"limit": _LIMIT}):
        yield Page(records=records)


def _users(reading: Reading) -> Iterator[Page]:
    """Everybody at once; those who left are inactive and stay."""
    yield Page(records=reading.api.get("/v1/users", decode=_page).data or [])


def _notes(reading: Reading) -> Iterator[Page]:
    """Notes page by offset, which moves when notes do; so each page asks for what changed since the last one seen."""
    since, start = reading.position or (_since(reading).get("updated_since"), 0)
    while True:
        asked = {"limit": _LIMIT, "sort": "update_time ASC", "start": start}
        page = reading.api.get(
            "/v1/notes", {**asked, **({"updated_since": since} if since else {})}, decode=_offset_page
        )
        records = page.data or []
        if page.start is None:
            yield Page(records=records, position=(since, start))
            return
        last = orjson.loads(bytes(records[-1]))["update_time"].replace(" ", "T") + "Z"
        since, start = (last, 0) if last != since else (since, page.start)
        yield Page(records=records, position=(since, start))


def _note_ids(reading: Reading) -> Iterator[list[str]]:
    start = 0
    while start is not None:
        asked = {"limit": _LIMIT, "sort": "id ASC", "start": start}
        page = reading.api.get("/v1/notes", asked, decode=_offset_rows)
        yield [str(row["id"]) for row in page.data or []]
        start = page.start


def _fetch_notes(reading: Reading, ids: Sequence[str]) -> Iterator[Page]:
    for id in ids:
        said = reading.api.get(f"/v1/notes/{id}", decode=_one, missing_ok=True)
        if said is not None:
            yield Page(records=[said["data"]])


def _changes(reading: Reading) -> Iterator[Page]:
    """The stages of deals that changed: one record per deal, with its changelog's entries about them.

    Each changelog is a request and dear, so a load asks for no more of them than the options say. Where it stopped, by
    time of change and id, is told to the next load, which goes on from there.
    """
    left = reading.options.changelogs_per_load
    told: dict[str, list[Any]] = reading.state.get("stopped", {})
    beginning = [_since(reading).get("updated_since", ""), 0]
    first, cursor = reading.position or (0, None)
    for number, path in enumerate(_DEALS[first:], first):
        done = told.get(path, beginning)
        asked = {"limit": _CHANGELOGS, **_BY_CHANGE, **({"updated_since": done[0]} if done[0] else {})}
        for deals, after in _pages(reading, path, asked, cursor, decode=_rows):
            todo = [deal for deal in deals if _place(deal) > told.get(path, beginning)]
            now = _affordable(todo, left)
            left -= sum(_has_moved(deal) for deal in now)
            records = [record for deal in now if (record := _changelog(reading, deal))]
            done = _place(now[-1]) if now else done
            if len(now) < len(todo):
                # What was seen of this list must not hide what changed earlier in the next.
                rest = {p: told.get(p, beginning) for p in _DEALS[number + 1 :]}
                yield Page(records=records, position=(len(_DEALS), None), state={"stopped": {path: done, **rest}})
                return
            position = (number, after) if after else (number + 1, None)
            yield Page(records=records, position=position, state={"stopped": {}})
        cursor = None


def _affordable(deals: Sequence[Mapping[str, Any]], left: int) -> list[Mapping[str, Any]]:
    """The first of these deals, of which no more than so many cost a request."""
    costs = accumulate(_has_moved(deal) for deal in deals)
    return [deal for deal, cost in zip(deals, costs, strict=True) if cost <= left]


def _place(deal: Mapping[str, Any]) -> list[Any]:
    return [deal["update_time"], deal["id"]]


def _has_moved(deal: Mapping[str, Any]) -> bool:
    return deal.get("stage_change_time") not in (None, deal["add_time"])


def _changelog(reading: Reading, deal: Mapping[str, Any]) -> bytes | None:
    """What the deal's changelog says of stages; a deal that never moved is not asked for, one that is gone has none."""
    changes: list[Any] = []
    cursor = None
    while _has_moved(deal):
        asked = {"limit": _LIMIT, **({"cursor": cursor} if cursor else {})}
        path = f"/v1/deals/{deal['id']}/changelog"
        page = reading.api.get(path, asked, decode=_rows, missing_ok=True)
        if page is None:
            return None
        changes += [entry for entry in page.data or [] if entry.get("field_key") in _OF_STAGES]
        cursor = page.after
        if cursor is None:
            break
    return encode({"deal_id": deal["id"], "changed_at": deal["update_time"], "changes": changes})


def _changes_of_deleted(reading: Reading) -> Iterator[Page]:
    for page in _deleted_deals(reading):
        gone = [orjson.loads(bytes(record))["id"] for record in page.records]
        yield Page(records=[encode({"deal_id": id}) for id in gone], bare=True)
