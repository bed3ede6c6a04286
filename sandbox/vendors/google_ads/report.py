"""Answers a query from the account's records: joins, sums by segment, filters, sorts.

Rules: https://developers.google.com/google-ads/api/docs/reporting/zero-metrics (rows whose metrics are all zero are not
given when a report is segmented) and .../docs/query/structure. JSON: names in lowerCamelCase, 64-bit integers as text
(https://developers.google.com/google-ads/api/rest/design/json-mappings).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from sandbox.store import Record, Store
from sandbox.vendors.google_ads.catalog import FIELDS, RESOURCES, Kind
from sandbox.vendors.google_ads.gaql import Condition, Query

Fields = dict[str, Any]

CUSTOMER_ID = "5550002222"
CUSTOMER: Fields = {
    "customer.resource_name": f"customers/{CUSTOMER_ID}",
    "customer.id": int(CUSTOMER_ID),
    "customer.descriptive_name": "Mühlbach Versand",
    "customer.currency_code": "EUR",
    "customer.time_zone": "Europe/Berlin",
    "customer.manager": False,
    "customer.test_account": False,
    "customer.auto_tagging_enabled": True,
    "customer.status": "ENABLED",
}
#: The manager account through which the demo's login reaches the company's account.
MANAGER_ID = "5550001111"
MANAGER: Fields = {
    **CUSTOMER,
    "customer.resource_name": f"customers/{MANAGER_ID}",
    "customer.id": int(MANAGER_ID),
    "customer.descriptive_name": "Mühlbach Verwaltung",
    "customer.manager": True,
}
#: Figures are kept by ad, and by asset group for Performance Max, whose ads Google does not show one by one.
UNITS = ("ad_group_ad", "asset_group")
_ALL = 10_000_000


def rows(query: Query, store: Store) -> list[Fields]:
    """Gives the rows of a query, field by field, in its order."""
    found = _reported(query, store) if query.metrics or query.segments else _entities(query.resource, store).values()
    kept = [row for row in found if all(c.holds(row.get(c.field)) for c in query.where if not _is_date(c))]
    for field, descending in reversed(query.order):
        kept.sort(key=lambda row: (row.get(field) is not None, row.get(field)), reverse=descending)
    return kept[: query.limit] if query.limit else kept


def to_json(row: Fields, query: Query) -> Fields:
    """A row as Google writes it: what was selected, and the names of the resources that it came from."""
    answer: Fields = {}
    for field in _shown(query):
        value = row.get(field)
        if value is None:
            continue
        *path, last = _path(field)
        place = answer
        for part in path:
            place = place.setdefault(part, {})
        place[last] = str(value) if FIELDS[field] is Kind.INT64 else value
    return answer


@cache
def _shown(query: Query) -> tuple[str, ...]:
    """The fields of an answer: those selected, after the names of the resources that they belong to."""
    asked = {f.rpartition(".")[0] for f in query.fields} | {query.resource}
    names = sorted(f"{group}.resource_name" for group in asked if f"{group}.resource_name" in FIELDS)
    if "ad_group_ad.ad" in asked:
        names.append("ad_group_ad.resource_name")
    return tuple(dict.fromkeys([*names, *query.fields]))


@cache
def _path(field: str) -> tuple[str, ...]:
    return tuple(_camel(part) for part in field.split("."))


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)


def field_mask(query: Query) -> str:
    """What was selected, as the answer names it."""
    return ",".join(".".join(_path(field)) for field in query.fields)


def _entities(resource: str, store: Store) -> dict[str, Fields]:
    """Records of a resource by id, with the fields of those that they belong to."""
    if resource == "customer":
        return {CUSTOMER_ID: CUSTOMER}
    owner = RESOURCES[resource][1]
    owners = _entities(owner, store)
    return {
        record.id: {**record.body, **(CUSTOMER if owner == "customer" else owners[record.parent or ""])}
        for record in store.page(resource, limit=_ALL, order="updated", deleted=None)
    }


def _reported(query: Query, store: Store) -> Iterator[Fields]:
    """One row per record of the resource and segment."""
    needed = {*_shown(query), *(c.field for c in query.where)}
    entities = {
        key: {name: value for name, value in fields.items() if name in needed}
        for key, fields in _entities(query.resource, store).items()
    }
    owners = _owners(query.resource, store)
    sums: dict[tuple[str, ...], Fields] = {}
    if not query.segments:
        # Without segments every record is given, also one that did nothing.
        sums = {(key,): {**fields, **_nothing(query)} for key, fields in entities.items()}
    for record in _figures(query, store):
        key = owners.get(record.parent or "")
        if key is None:
            continue
        segments = {name: _segment(name, record.id) for name in query.segments}
        place = (key, *segments.values())
        row = sums.get(place)
        if row is None:
            row = sums[place] = {**entities[key], **segments, **_nothing(query)}
        for name in query.metrics:
            row[name] += record.body[name]
    for row in sums.values():
        if not query.segments or not query.metrics or any(row[name] for name in query.metrics):
            yield row


def _owners(resource: str, store: Store) -> dict[str, str]:
    """Which record of the resource each unit's figures count for; none for units that it does not cover."""
    owners: dict[str, str] = {}
    groups = {r.id: r.parent for r in store.page("ad_group", limit=_ALL, deleted=None)}
    for unit in UNITS:
        for record in store.page(unit, limit=_ALL, deleted=None):
            parents = {unit: record.id, "customer": CUSTOMER_ID}
            if unit == "ad_group_ad":
                parents |= {"ad_group": record.parent or "", "campaign": groups[record.parent or ""] or ""}
            else:
                parents["campaign"] = record.parent or ""
            if resource in parents:
                owners[record.id] = parents[resource]
    return owners


def _figures(query: Query, store: Store) -> list[Record]:
    """Figures of the days that the query is about."""
    first, last = 0, None
    for condition in (c for c in query.where if _is_date(c)):
        low, high = _bounds(condition)
        first = max(first, low)
        last = high if last is None else min(last, high)
    return store.page("performance", limit=_ALL, order="updated", by="created", since=first, until=last)


def _bounds(condition: Condition) -> tuple[int, int]:
    """Milliseconds from which, and before which, the condition lets days be."""
    day = 86_400_000
    low, high = _ms(condition.values[0]), _ms(condition.values[-1])
    return {
        "=": (low, low + day),
        ">=": (low, 2**53),
        ">": (low + day, 2**53),
        "<=": (0, high + day),
        "<": (0, high),
        "BETWEEN": (low, high + day),
    }[condition.operator]


def _is_date(condition: Condition) -> bool:
    return condition.field == "segments.date" and condition.operator not in ("!=", "IN", "NOT IN")


def _ms(day: str) -> int:
    moment = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
    return int(moment.timestamp() * 1000)


def _segment(name: str, figures: str) -> str:
    day = figures.rpartition("~")[2]
    return day if name == "segments.date" else f"{day[:8]}01"


def _nothing(query: Query) -> Fields:
    return {name: 0.0 if FIELDS[name] is Kind.DOUBLE else 0 for name in query.metrics}
