"""What is read from WooCommerce, and how: what changed in the order of its change, customers all of them every night.

Its lists are paged by offset, and offsets shift while a shop is busy. So a list in the order of change is asked anew
from where the last page came to, and one in the order of ids in pages that overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from connectors._api.body import records
from connectors._api.resource import Head, Page, Reading, Resource

BASE = "/wp-json/wc/v3"
_PAGE, _OVERLAP = 100, 10
_LOOKBACK = timedelta(hours=1)
_SECOND = timedelta(seconds=1)
_EVER = "1970-01-02T00:00:00"
#: What a list is asked for to give all that it has: customers are only those with that role otherwise.
_ALL: Mapping[str, Mapping[str, Any]] = {"customers": {"role": "all"}}

#: What `check --connect` asks for, by table.
CHECKED = {
    "customers": "customers",
    "products": "products",
    "orders": "orders",
    "settings": "settings/general/woocommerce_currency",
}
#: Settings without which an article's price and weight say nothing.
_SETTINGS = ("general/woocommerce_currency", "products/woocommerce_weight_unit")


class Seen(msgspec.Struct):
    """What a page is judged by: who its records are, and when they were changed or made."""

    id: int
    date_modified_gmt: str | None = None
    date_created_gmt: str | None = None


_seen = msgspec.json.Decoder(list[Seen])
Fits = Callable[[Sequence[Seen]], bool]


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A list that can be asked for by a time: the field, the parameters that bound it, and the order of it."""

    path: str
    time: str = "date_modified_gmt"
    after: str = "modified_after"
    before: str = "modified_before"
    sort: str = "modified"

    def at(self, one: Seen) -> str | None:
        """When a record of the list was changed."""
        return one.date_created_gmt if self.time == "date_created_gmt" else one.date_modified_gmt

    def bounds(self, first: str, last: str | None = None) -> dict[str, Any]:
        """Parameters for the time from one second to another, both included; the interface leaves its bounds out."""
        before = {} if last is None else {self.before: _later(last, _SECOND)}
        return {self.after: _later(first, -_SECOND), **before, "dates_are_gmt": "true"}


ORDERS, PRODUCTS, VARIATIONS = Listed(path="orders"), Listed(path="products"), Listed(path="variations")
#: A refund does not change; it has only the time at which it was made.
REFUNDS = Listed(path="refunds", time="date_created_gmt", after="after", before="before", sort="date")


def resources() -> list[Resource]:
    """Gives WooCommerce's resources."""
    return [
        Resource(
            name="customers",
            read=_customers,
            head=Head(modified="date_modified_gmt"),
            mode="snapshot",
            count=partial(_count, "customers"),
            count_how="X-WP-Total",
        ),
        _resource(PRODUCTS, has_trash=True),
        _resource(VARIATIONS, optional="WooCommerce 10.3"),
        _resource(ORDERS, has_trash=True),
        _resource(REFUNDS, optional="WooCommerce 9.0"),
        Resource(name="settings", read=_settings, mode="snapshot"),
    ]


def _resource(listed: Listed, *, has_trash: bool = False, optional: str | None = None) -> Resource:
    return Resource(
        name=listed.path,
        read=partial(_changed, listed),
        head=Head(modified=listed.time),
        lookback=_LOOKBACK,
        tombstones=partial(_trash, listed.path) if has_trash else None,
        ids=partial(_ids, listed.path),
        fetch=partial(_fetch, listed.path),
        sweep="weekly",
        count=partial(_count, listed.path),
        count_how="X-WP-Total",
        optional=optional,
    )


def _changed(listed: Listed, reading: Reading) -> Iterator[Page]:
    """What changed since, or everything."""
    low = reading.position or (_iso(reading.since) if reading.since else _EVER)
    while True:
        asked = {**listed.bounds(low), "orderby": listed.sort, "order": "asc"}
        found, seen = _asked(reading, listed.path, asked, partial(_not_before, listed, low))
        newest = max((at for one in seen if (at := listed.at(one))), default=low)
        if len(found) == _PAGE and newest == low:
            # More than a page was changed within one second; in no order, so that second is read by ids.
            yield from (Page(records=r, position=low) for r, _ in _by_id(reading, listed.path, listed.bounds(low, low)))
            low = _later(low, _SECOND)
            continue
        low = newest
        yield Page(records=found, position=low)
        if len(found) < _PAGE:
            return


def _not_before(listed: Listed, low: str, seen: Sequence[Seen]) -> bool:
    """Whether a page is of the time that was asked for, and not an earlier one over again."""
    return all((listed.at(one) or low) >= low for one in seen)


def _by_id(
    reading: Reading, path: str, params: Mapping[str, Any], offset: int = 0, last: int = 0
) -> Iterator[tuple[list[Any], list[int]]]:
    """Pages of a list in the order of ids, from an offset on: the records, and their ids.

    Records deleted meanwhile move the others up. So pages overlap, and one that does not goes further back.
    """
    while True:
        asked = {**params, "orderby": "id", "order": "asc", "offset": offset}
        found, seen = _asked(reading, path, asked, partial(_goes_on, last))
        ids = [one.id for one in seen]
        if offset and (not ids or min(ids) > last):
            offset = max(0, offset - _PAGE)
            continue
        yield found, ids
        if len(ids) < _PAGE:
            return
        offset, last = offset + _PAGE - _OVERLAP, max(ids)


def _goes_on(last: int, seen: Sequence[Seen]) -> bool:
    """Whether a page in the order of ids has something new, or is the end of the list."""
    return len(seen) < _PAGE or max(one.id for one in seen) > last


def _customers(reading: Reading) -> Iterator[Page]:
    """All customers; their list knows no times."""
    offset, last = reading.position or (0, 0)
    for found, ids in _by_id(reading, "customers", _ALL["customers"], offset, last):
        offset, last = offset + _PAGE - _OVERLAP, max([last, *ids])
        yield Page(records=found, position=(offset, last))


def _trash(path: str, reading: Reading) -> Iterator[Page]:
    """What lies in the trash, from which it is emptied after a month unless the shop says otherwise."""
    if reading.since is None:
        return
    for found, _ in _by_id(reading, path, {"status": "trash"}):
        yield Page(records=found)


def _ids(path: str, reading: Reading) -> Iterator[list[str]]:
    for _, ids in _by_id(reading, path, {"_fields": "id"}):
        yield [str(one) for one in ids]


def _fetch(path: str, reading: Reading, ids: Sequence[str]) -> Iterator[Page]:
    """Records with these ids; those in the trash or gone are not given."""
    for start in range(0, len(ids), _PAGE):
        wanted = ids[start : start + _PAGE]
        found, _ = _asked(reading, path, {"include": ",".join(wanted)}, partial(_among, set(wanted)))
        yield Page(records=found)


def _among(wanted: set[str], seen: Sequence[Seen]) -> bool:
    return all(str(one.id) in wanted for one in seen)


def _count(path: str, reading: Reading) -> int | None:
    """How many records there are, as the headers of any page of the list tell."""
    params = {"per_page": 1, "_fields": "id", **_ALL.get(path, {})}
    total = reading.api.answer("GET", f"{BASE}/{path}", params=params).headers.get("x-wp-total")
    return None if total is None else int(total)


def _settings(reading: Reading) -> Iterator[Page]:
    """The shop's currency and unit of weight, which its products do not say."""
    yield Page(records=[reading.api.get(f"{BASE}/settings/{name}", decode=_one) for name in _SETTINGS])


def _one(body: bytes) -> msgspec.Raw:
    """An answer that is a single record."""
    return msgspec.json.decode(body, type=msgspec.Raw)


def _asked(reading: Reading, path: str, params: Mapping[str, Any], fits: Fits) -> tuple[list[Any], list[Seen]]:
    """A page of a list, and what it is judged by; an answer that does not fit the question is asked for again."""

    def decode(body: bytes) -> tuple[list[Any], list[Seen]]:
        seen = _seen.decode(body)
        if not fits(seen):
            raise ValueError("a page that was not asked for")
        return records(body), seen

    return reading.api.get(f"{BASE}/{path}", {"per_page": _PAGE, **params}, decode=decode)


def _later(text: str, span: timedelta) -> str:
    return _iso(datetime.fromisoformat(text).replace(tzinfo=UTC) + span)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
