"""What is read from Salesforce, and how: by time of change and by id, in pages or by a job, with deletes.

`queryAll` gives deleted records for as long as they are in the recycle bin, and archived activities; a weekly sweep
finds what was purged sooner. Every read ends at the moment it began: what changes meanwhile is left to the next one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import partial
from urllib.parse import quote_plus

from connectors._api.resource import Head, Page, Reading, Resource, iso
from connectors.salesforce import bulk, org
from connectors.salesforce.org import Field

#: raw table → object, in the order of the reading
OBJECTS = {
    "users": "User",
    "accounts": "Account",
    "contacts": "Contact",
    "leads": "Lead",
    "opportunities": "Opportunity",
    "opportunity_history": "OpportunityHistory",
    "tasks": "Task",
    "events": "Event",
}
#: Users are never deleted, and have no field that would say so.
_EVERLASTING = frozenset({"User"})
#: A transaction may run for ten minutes before its changes, stamped at their times, can be seen.
_LOOKBACK = timedelta(minutes=20)
#: An address and headers may have 16,384 bytes together; a longer query is a job's.
_LONGEST_QUERY = 12_000
_FETCHED_AT_ONCE = 200
_ID = [Field("Id", "id")]


def resources() -> list[Resource]:
    """Gives Salesforce's resources."""
    return [
        Resource(
            name=table,
            read=partial(_read, name),
            head=Head(key="Id", modified="SystemModstamp", deleted=None if name in _EVERLASTING else "IsDeleted"),
            lookback=_LOOKBACK,
            ids=partial(_ids, name),
            fetch=partial(_fetch, name),
            sweep="weekly",
            count=partial(_count, name),
            count_how="COUNT()",
        )
        for table, name in OBJECTS.items()
    ]


def _read(name: str, reading: Reading) -> Iterator[Page]:
    """What changed; all of it where there is nothing yet, or where fields came or went, which leaves no other trace."""
    asked = org.fields(reading.api, name)
    state = {"fields": hashlib.sha256("\n".join(field.name for field in asked).encode()).hexdigest()}
    since = reading.since if reading.state == state else _start(reading)
    position = reading.position or {"until": iso(reading.api.now())}
    yield Page(records=[], position=position, state=state)
    where = f"SystemModstamp < {position['until']}"
    if since is not None:
        where = f"SystemModstamp >= {iso(since)} AND {where}"
    is_everything = since == _start(reading)
    if "job" in position or ("last" not in position and _is_for_a_job(reading, name, asked, where, is_everything)):
        yield from bulk.pages(reading.api, asked, org.select(name, asked, where), position)
        return
    for found in _by_id(reading, name, asked, where, position.get("last", "")):
        yield Page(records=found.records, position={**position, "last": max(found.ids)})


def _start(reading: Reading) -> datetime | None:
    day = reading.options.start_date
    return datetime.combine(day, time(), UTC) if day else None


def _is_for_a_job(reading: Reading, name: str, asked: Sequence[Field], where: str, is_everything: bool) -> bool:
    if len(quote_plus(org.select(name, asked, where))) > _LONGEST_QUERY:
        return True
    return is_everything and org.count(reading.api, name, where) >= reading.options.bulk_from


def _by_id(reading: Reading, name: str, asked: Sequence[Field], where: str, after: str = "") -> Iterator[org.Found]:
    """Pages in the order of ids, each with a query of its own: records that change meanwhile do not shift them."""
    more = True
    while more:
        found = org.page(reading.api, name, asked, where, after=after)
        if not found.ids:
            return
        after, more = max(found.ids), found.more
        yield found


def _there(name: str, reading: Reading) -> str:
    """The condition of records that are there now and count for this source."""
    start = _start(reading)
    parts = [
        "" if name in _EVERLASTING else "IsDeleted = false",
        f"SystemModstamp >= {iso(start)}" if start else "",
    ]
    return " AND ".join(part for part in parts if part)


def _ids(name: str, reading: Reading) -> Iterator[Sequence[str]]:
    for found in _by_id(reading, name, _ID, _there(name, reading)):
        yield found.ids


def _count(name: str, reading: Reading) -> int:
    return org.count(reading.api, name, _there(name, reading))


def _fetch(name: str, reading: Reading, ids: Sequence[str]) -> Iterator[Page]:
    asked = org.fields(reading.api, name)
    for start in range(0, len(ids), _FETCHED_AT_ONCE):
        listed = ",".join(f"'{id}'" for id in ids[start : start + _FETCHED_AT_ONCE])
        where = f"Id IN ({listed})"
        if len(quote_plus(org.select(name, asked, where))) > _LONGEST_QUERY:
            yield from bulk.pages(reading.api, asked, org.select(name, asked, where), {})
        else:
            yield from (Page(records=found.records) for found in _by_id(reading, name, asked, where))
