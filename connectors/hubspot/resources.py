"""What is read from HubSpot, and how: lists for everything, search for what changed, the archive for what was deleted.

Search gives 10,000 results at most, so it goes by record id, a page at a time: each page asks for what comes after the
last id. Shapes from the vendor's descriptions of the CRM objects, associations, owners, pipelines and properties.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson

from connectors._api.body import RECORDS, encode, envelope
from connectors._api.resource import Head, Page, Reading, Resource

_LIST = 100
_SEARCH = 200
#: Batch reads that ask for the history of a property are limited to half of others.
_WITH_HISTORY = 50
#: A query string longer than this is refused by servers on the way; more properties are asked for in a body.
_LONGEST_QUERY = 6_000
#: Search is told of a change some time after it happened.
_LOOKBACK = timedelta(hours=1)

_OBJECTS = {
    "contacts": "lastmodifieddate",
    "companies": "hs_lastmodifieddate",
    "deals": "hs_lastmodifieddate",
    "calls": "hs_lastmodifieddate",
    "emails": "hs_lastmodifieddate",
    "meetings": "hs_lastmodifieddate",
    "notes": "hs_lastmodifieddate",
}
_HISTORIES = {"deals": ["dealstage"]}
_ASSOCIATED = {
    "deals": ("contacts", "companies"),
    **dict.fromkeys(("calls", "emails", "meetings", "notes"), ("contacts", "companies", "deals")),
}

#: What `check --connect` asks for, by table.
CHECKED = {
    **{name: f"/crm/v3/objects/{name}" for name in _OBJECTS},
    "owners": "/crm/v3/owners",
    "deal_pipelines": "/crm/v3/pipelines/deals",
}

_page = envelope(needs="results", results=RECORDS, after=("paging.next.after", str), total=int)
_ids = envelope(needs="results", results=list[dict[str, Any]], after=("paging.next.after", str))


def resources() -> list[Resource]:
    """Gives HubSpot's resources."""
    objects = [
        Resource(
            name=name,
            read=partial(_read_object, name),
            head=Head(key="id", modified="updatedAt", deleted="archived"),
            lookback=_LOOKBACK,
            tombstones=partial(_archived, name),
            ids=partial(_all_ids, name),
            fetch=partial(_fetch, name),
            sweep="weekly",
            count=partial(_count, name),
            count_how="total of a search",
        )
        for name in _OBJECTS
    ]
    return [
        *objects,
        Resource(
            name="associations",
            read=_read_associations,
            head=Head(key=("from_type", "from_id", "to_type"), modified="changed_at"),
            lookback=_LOOKBACK,
            tombstones=_associations_of_archived,
        ),
        Resource(name="owners", read=_owners, head=Head(modified="updatedAt", deleted="archived"), mode="snapshot"),
        Resource(name="deal_pipelines", read=_pipelines, head=Head(modified="updatedAt"), mode="snapshot"),
    ]


def _read_object(name: str, reading: Reading) -> Iterator[Page]:
    """Everything from the list, or what changed from the search; with history from a batch read of these.

    Properties that come or go leave no trace in the records' times, so all records are read again then.
    """
    wanted = _properties(reading, name)
    state = {"properties": hashlib.sha256("\n".join(wanted).encode()).hexdigest()}
    if reading.state != state:
        reading = replace(reading, since=None)
    yield Page(records=[], position=reading.position, state=state)
    histories = _HISTORIES.get(name, [])
    if reading.since is None and not histories and len(",".join(wanted)) <= _LONGEST_QUERY:
        yield from _listed(name, reading, wanted)
        return
    for changed, position in _changed(name, reading):
        yield Page(records=_batch(name, reading, list(changed), wanted, histories), position=position)


def _listed(name: str, reading: Reading, wanted: Sequence[str], *, archived: bool = False) -> Iterator[Page]:
    after = reading.position
    while True:
        asked = {"limit": _LIST, "properties": ",".join(wanted), "archived": str(archived).lower()}
        page = reading.api.get(
            f"/crm/v3/objects/{name}", {**asked, **({"after": after} if after else {})}, decode=_page
        )
        after = page.after
        yield Page(records=page.results or [], position=after)
        if after is None:
            return


def _archived(name: str, reading: Reading) -> Iterator[Page]:
    """Deleted records: the list of the archive, which keeps them for 90 days and cannot be asked since when."""
    wanted = _properties(reading, name)
    fits = len(",".join(wanted)) <= _LONGEST_QUERY
    for page in _listed(name, reading, wanted if fits else ["hs_object_id"], archived=True):
        yield replace(page, bare=not fits)


def _changed(name: str, reading: Reading) -> Iterator[tuple[dict[str, str], Any]]:
    """All records, or those changed since, as ids with the times of change; with the position after each batch."""
    if reading.since is None:
        yield from _listed_ids(name, reading)
        return
    last = int(reading.position or 0)
    while True:
        page = reading.api.post(
            f"/crm/v3/objects/{name}/search",
            {
                "filterGroups": [
                    {
                        "filters": [
                            {"propertyName": _OBJECTS[name], "operator": "GTE", "value": _milliseconds(reading.since)},
                            {"propertyName": "hs_object_id", "operator": "GT", "value": str(last)},
                        ]
                    }
                ],
                "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
                "properties": ["hs_object_id"],
                "limit": _SEARCH,
                "after": "0",
            },
            decode=_ids,
        )
        found = _times(page.results)
        if not found:
            return
        last = max(last, *(int(i) for i in found))
        yield found, str(last)


def _times(results: Sequence[dict[str, Any]] | None) -> dict[str, str]:
    return {str(one["id"]): str(one["updatedAt"]) for one in results or []}


def _listed_ids(name: str, reading: Reading) -> Iterator[tuple[dict[str, str], Any]]:
    after = reading.position
    while True:
        asked = {"limit": _LIST, "properties": "hs_object_id", **({"after": after} if after else {})}
        page = reading.api.get(f"/crm/v3/objects/{name}", asked, decode=_ids)
        after = page.after
        yield _times(page.results), after
        if after is None:
            return


def _batch(
    name: str, reading: Reading, ids: Sequence[str], wanted: Sequence[str], histories: Sequence[str]
) -> list[Any]:
    """The records with these ids; archived ones are left out by the vendor."""
    size = _WITH_HISTORY if histories else _LIST
    found: list[Any] = []
    for start in range(0, len(ids), size):
        asked: dict[str, Any] = {"inputs": [{"id": i} for i in ids[start : start + size]], "properties": list(wanted)}
        # The vendor's description demands the key, also where there is none to ask for.
        asked["propertiesWithHistory"] = list(histories)
        page = reading.api.post(f"/crm/v3/objects/{name}/batch/read", asked, decode=_page)
        found += page.results or []
    return found


def _fetch(name: str, reading: Reading, ids: Sequence[str]) -> Iterator[Page]:
    wanted = _properties(reading, name)
    yield Page(records=_batch(name, reading, ids, wanted, _HISTORIES.get(name, [])))


def _all_ids(name: str, reading: Reading) -> Iterator[list[str]]:
    for found, _ in _listed_ids(name, replace(reading, position=None)):
        yield list(found)


def _count(name: str, reading: Reading) -> int | None:
    everything = {"filterGroups": [], "sorts": [], "properties": ["hs_object_id"], "limit": 1, "after": "0"}
    page = reading.api.post(f"/crm/v3/objects/{name}/search", everything, decode=_page)
    return page.total


def _properties(reading: Reading, name: str) -> list[str]:
    """Names of all properties of an object, the company's own too; without asking by name few of them are given."""
    said = reading.api.get(f"/crm/v3/properties/{name}", {"archived": "false"})
    return sorted(one["name"] for one in said["results"])


def _read_associations(reading: Reading) -> Iterator[Page]:
    """Which deal and engagement belongs to whom, for those that changed: one record per object and kind of partner."""
    names = list(_ASSOCIATED)
    first, inner = reading.position or (names[0], None)
    for name in names[names.index(first) :]:
        told = replace(reading, position=inner if name == first else None)
        for changed, after in _changed(name, told):
            yield Page(records=_partners(name, reading, changed), position=(name, after))


def _partners(name: str, reading: Reading, changed: Mapping[str, str]) -> list[bytes]:
    """Associations of these objects; objects without any have an empty list, so that lost ones are noticed."""
    asked = {"inputs": [{"id": i} for i in changed]}
    found = []
    for other in _ASSOCIATED[name]:
        said = reading.api.post(f"/crm/v4/associations/{name}/{other}/batch/read", asked)
        partners = {str(one["from"]["id"]): one["to"] for one in said.get("results", [])}
        found += [
            encode({"from_type": name, "from_id": i, "to_type": other, "changed_at": at, "to": partners.get(i, [])})
            for i, at in changed.items()
        ]
    return found


def _associations_of_archived(reading: Reading) -> Iterator[Page]:
    for name, others in _ASSOCIATED.items():
        for page in _listed(name, replace(reading, position=None), ["hs_object_id"], archived=True):
            gone = [str(one["id"]) for one in (orjson.loads(bytes(record)) for record in page.records)]
            records = [{"from_type": name, "from_id": i, "to_type": other} for i in gone for other in others]
            yield Page(records=[encode(record) for record in records], bare=True)


def _owners(reading: Reading) -> Iterator[Page]:
    """People who own records; those who left are in the archive and stay as they were."""
    for archived in ("false", "true"):
        after = None
        while True:
            asked = {"limit": 500, "archived": archived, **({"after": after} if after else {})}
            page = reading.api.get("/crm/v3/owners", asked, decode=_page)
            yield Page(records=page.results or [], deleted=archived == "true")
            after = page.after
            if after is None:
                break


def _pipelines(reading: Reading) -> Iterator[Page]:
    page = reading.api.get("/crm/v3/pipelines/deals", decode=_page)
    yield Page(records=page.results or [])


def _milliseconds(moment: datetime) -> str:
    return str(round(moment.timestamp() * 1000))
