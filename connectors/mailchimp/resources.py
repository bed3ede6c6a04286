"""What is read from Mailchimp, and how: members by their last change, the rest by what the reports count.

Mailchimp pages by offset only. Members move while they are read, so their pages go by the time of the last change
instead. Of recipients nothing tells when they changed, but the reports' sums tell which campaigns are worth a look. See
https://mailchimp.com/developer/marketing/docs/methods-parameters/#pagination.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any

import msgspec

from connectors._api.body import RECORDS, at, encode, envelope, struct_of
from connectors._api.resource import Head, Page, Reading, Resource

_LARGEST = 1000
_LOOKBACK = timedelta(hours=1)
_SECOND = timedelta(seconds=1)
#: A list shows archived members only to who asks for them.
_GROUPS: Sequence[Mapping[str, str]] = ({}, {"status": "archived"})

_member = msgspec.json.Decoder(struct_of({"id": str, "list_id": str, "last_changed": str}))
_named = msgspec.json.Decoder(struct_of({"id": str}))


@dataclass(frozen=True, kw_only=True)
class _Part:
    """What a report says of each recipient of a campaign.

    Attributes:
        name: the raw table.
        path: the last part of the path.
        records: where an answer has the records.
        without: fields that are left out, since other tables have them or since they count on and on.
        told_by: sums of the report that change when this does.
    """

    name: str
    path: str
    records: str
    without: Sequence[str] = ("_links",)
    told_by: Sequence[str]


_PARTS = (
    _Part(
        name="sent_to",
        path="sent-to",
        records="sent_to",
        without=("_links", "merge_fields", "open_count", "last_open"),
        told_by=("emails_sent", "bounces"),
    ),
    _Part(
        name="email_activity",
        path="email-activity",
        records="emails",
        told_by=("emails_sent", "bounces", "opens", "clicks"),
    ),
    _Part(
        name="unsubscribes",
        path="unsubscribed",
        records="unsubscribes",
        without=("_links", "merge_fields"),
        told_by=("unsubscribed",),
    ),
)


def resources() -> list[Resource]:
    """Gives Mailchimp's resources."""
    wholes = [
        Resource(
            name=name,
            read=partial(_whole, name),
            mode="snapshot",
            fetch=partial(_fetch, name),
            count=partial(_count, name),
            count_how="total of the list",
        )
        for name in _BOUNDS
    ]
    members = Resource(
        name="members",
        read=_members,
        head=Head(key=("list_id", "id"), modified="last_changed"),
        lookback=_LOOKBACK,
        ids=_member_ids,
        fetch=_fetch_members,
        # Those deleted for good leave no trace, but then the count differs, and ids are compared at once.
        sweep="weekly",
        count=_count_members,
        count_how="totals of the audiences",
    )
    parts = [
        Resource(name=part.name, read=partial(_of_campaigns, part), head=Head(key=("campaign_id", "email_id")))
        for part in _PARTS
    ]
    return [*wholes, members, *parts]


#: Lists that are small enough to be read whole, with what bounds them from a day on.
_BOUNDS: Mapping[str, Mapping[str, str]] = {
    "lists": {},
    "campaigns": {"from": "since_create_time", "sort_field": "create_time", "sort_dir": "ASC"},
    "reports": {"from": "since_send_time"},
}


def _asked(name: str, reading: Reading) -> dict[str, Any]:
    """What bounds and orders a whole list."""
    bounds = dict(_BOUNDS[name])
    field = bounds.pop("from", None)
    day = reading.options.start_date
    return {**bounds, **({field: _text(datetime.combine(day, time(), UTC))} if field and day else {})}


def _whole(name: str, reading: Reading) -> Iterator[Page]:
    asked = {**_asked(name, reading), "exclude_fields": f"_links,{name}._links"}
    for records, _ in _paged(reading, f"/{name}", name, asked):
        yield Page(records=records)


def _fetch(name: str, reading: Reading, ids: Sequence[str]) -> Iterator[Page]:
    """Single records of a whole list, to make sure that those it does not show are gone."""
    asked = {"exclude_fields": "_links"}
    for id in ids:
        record = reading.api.get(f"/{name}/{id}", asked, decode=partial(_sole, _named, {"id": id}), missing_ok=True)
        yield Page(records=[] if record is None else [record])


def _count(name: str, reading: Reading) -> int | None:
    return _total(reading, f"/{name}", name, _asked(name, reading))


def _total(
    reading: Reading, path: str, name: str, asked: Mapping[str, Any], owner: Mapping[str, str] | None = None
) -> int:
    fields = {"count": 1, "fields": ",".join([f"{name}.id", *(owner or ()), "total_items"])}
    page = reading.api.get(path, {**asked, **fields}, decode=partial(_sound, name, owner or {}, ()))
    return int(page.total_items)


def _members(reading: Reading) -> Iterator[Page]:
    """Members that changed since, audience by audience, archived ones after the others."""
    done = reading.position or {"list": "", "group": 0}
    for list_id in _list_ids(reading):
        for number, group in enumerate(_GROUPS):
            place = (list_id, number)
            if place >= (done["list"], done["group"]):
                inner = done if place == (done["list"], done["group"]) else {}
                yield from _changed(reading, list_id, number, group, inner)


def _changed(
    reading: Reading, list_id: str, number: int, group: Mapping[str, str], done: Mapping[str, Any]
) -> Iterator[Page]:
    """Pages by the last change: each asks from the last second of the page before; offsets count only within it."""
    since = datetime.fromisoformat(done["since"]) if done.get("since") else reading.since
    offset = int(done.get("offset", 0))
    asked = {**group, "count": _LARGEST, "sort_field": "last_changed", "sort_dir": "ASC"}
    asked["exclude_fields"] = "_links,members._links"
    while True:
        bound = {"since_last_changed": _text(since)} if since else {}
        page = reading.api.get(
            f"/lists/{list_id}/members",
            {**asked, **bound, "offset": offset},
            decode=partial(_sound_members, list_id, since),
        )
        offset += len(page.members)
        if not page.members or offset >= page.total_items:
            yield Page(records=page.members, position={"list": list_id, "group": number + 1})
            return
        # Whether the bound itself is included is not said, so a second is taken off.
        last = max(_changed_at(record) for record in page.members) - _SECOND
        if since is None or last > since:
            since, offset = last, 0
        place = {"list": list_id, "group": number, "since": since.isoformat(), "offset": offset}
        yield Page(records=page.members, position=place)


def _sound_members(list_id: str, since: datetime | None, body: bytes) -> Any:
    page = _sound("members", {"list_id": list_id}, (), body)
    if since is not None and any(_changed_at(record) < since for record in page.members):
        raise ValueError("members that were not asked for")
    return page


def _changed_at(record: Any) -> datetime:
    return datetime.fromisoformat(at(_member.decode(bytes(record)), "last_changed"))


def _list_ids(reading: Reading) -> list[str]:
    pages = _paged(reading, "/lists", "lists", {"fields": "lists.id,total_items"})
    return sorted(at(_named.decode(bytes(record)), "id") for records, _ in pages for record in records)


def _bound_of_members(reading: Reading) -> dict[str, str]:
    day = reading.options.start_date
    return {"since_last_changed": _text(datetime.combine(day, time(), UTC))} if day else {}


def _member_ids(reading: Reading) -> Iterator[list[str]]:
    bound = {**_bound_of_members(reading), "fields": "members.id,list_id,total_items"}
    for list_id in _list_ids(reading):
        for group in _GROUPS:
            owner = {"list_id": list_id}
            for records, _ in _paged(reading, f"/lists/{list_id}/members", "members", {**bound, **group}, owner=owner):
                yield [f"{list_id}:{at(_named.decode(bytes(record)), 'id')}" for record in records]


def _fetch_members(reading: Reading, ids: Sequence[str]) -> Iterator[Page]:
    for key in ids:
        list_id, _, id = key.partition(":")
        record = reading.api.get(
            f"/lists/{list_id}/members/{id}",
            {"exclude_fields": "_links"},
            decode=partial(_sole, _member, {"id": id, "list_id": list_id}),
            missing_ok=True,
        )
        if record is None:
            yield Page(records=[encode({"list_id": list_id, "id": id})], deleted=True, bare=True)
        else:
            yield Page(records=[record])


def _count_members(reading: Reading) -> int | None:
    bound = _bound_of_members(reading)
    return sum(
        _total(reading, f"/lists/{list_id}/members", "members", {**bound, **group}, {"list_id": list_id})
        for list_id in _list_ids(reading)
        for group in _GROUPS
    )


def _of_campaigns(part: _Part, reading: Reading) -> Iterator[Page]:
    """What is said of the recipients of campaigns whose report has changed since the last read."""
    now = _told(part, reading)
    before = reading.state.get("told", {})
    done = reading.position or {"campaign": "", "offset": 0}
    if reading.position is None:
        # Noted before anything is read: what is counted meanwhile differs from it in the next night.
        yield Page(records=[], state={"told": now})
    without = ",".join(["_links", *(f"{part.records}.{name}" for name in part.without)])
    for campaign in sorted(id for id, sums in now.items() if before.get(id) != sums and id >= done["campaign"]):
        path, owner = f"/reports/{campaign}/{part.path}", {"campaign_id": campaign}
        offset = done["offset"] if campaign == done["campaign"] else 0
        for records, after in _paged(reading, path, part.records, {"exclude_fields": without}, owner, offset):
            yield Page(records=records, position={"campaign": campaign, "offset": after})


def _told(part: _Part, reading: Reading) -> dict[str, Any]:
    """The sums of every campaign's report that tell of this part."""
    fields = ",".join(["total_items", "reports.id", *(f"reports.{name}" for name in part.told_by)])
    pages = _paged(reading, "/reports", "reports", {**_asked("reports", reading), "fields": fields})
    reports = (msgspec.json.decode(bytes(record)) for records, _ in pages for record in records)
    return {report["id"]: [report.get(name) for name in part.told_by] for report in reports}


def _paged(
    reading: Reading,
    path: str,
    name: str,
    asked: Mapping[str, Any],
    owner: Mapping[str, str] | None = None,
    offset: int = 0,
) -> Iterator[tuple[list[Any], int]]:
    """Pages of a list, each with the offset after it; a list that has less than it says is read once more."""
    for _ in range(2):
        found, said = set[int](), 0
        for records, after, total in _once(reading, path, name, asked, owner or {}, offset):
            found |= {hash(bytes(record)) for record in records}
            said = total
            yield records, after
        if offset or len(found) >= said:
            return


def _once(
    reading: Reading, path: str, name: str, asked: Mapping[str, Any], owner: Mapping[str, str], offset: int
) -> Iterator[tuple[list[Any], int, int]]:
    """Pages of a list by offset, with the total that they tell; a page that comes twice is asked for again."""
    last: Sequence[bytes] = ()
    while True:
        page = reading.api.get(
            path, {**asked, "count": _LARGEST, "offset": offset}, decode=partial(_sound, name, owner, last)
        )
        records = getattr(page, name)
        offset += len(records)
        yield records, offset, page.total_items
        if not records or offset >= page.total_items:
            return
        last = [bytes(record) for record in records]


def _sound(name: str, owner: Mapping[str, str], last: Sequence[bytes], body: bytes) -> Any:
    """A page of the list that was asked for, and not the one before it."""
    page = _decoder(name, tuple(owner))(body)
    records = getattr(page, name)
    if records is None or page.total_items is None or any(getattr(page, key) != owner[key] for key in owner):
        raise ValueError(f"no page of {name}")
    if last and [bytes(record) for record in records] == last:
        raise ValueError("the same page again")
    return page


def _decoder(name: str, owner: Sequence[str]) -> Callable[[bytes], Any]:
    return envelope(**{name: RECORDS, "total_items": int}, **dict.fromkeys(owner, str))


def _sole(decoder: Any, wanted: Mapping[str, str], body: bytes) -> bytes:
    """The body itself, if it is the record that was asked for, and whole."""
    found = decoder.decode(body)
    if any(at(found, key) != value for key, value in wanted.items()):
        raise ValueError("another record")
    return body


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
