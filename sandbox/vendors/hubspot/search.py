"""HubSpot's CRM search: filters, one sort, offset pages, 10,000 results at most, never archived records.

Facts from https://developers.hubspot.com/docs/api-reference/search/guide; how records are written out is in `answers`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.store import Record, Store
from sandbox.vendors.hubspot.errors import invalid
from sandbox.vendors.hubspot.properties import CREATED, MODIFIED, definitions

#: Results of one query that can be paged to; beyond it the answer is 400.
CAP = 10_000
MOST = 200
_GROUPS, _FILTERS, _ALL_FILTERS = 5, 6, 18
_EMPTY: dict[str, Any] = {"filterGroups": [], "properties": [], "sorts": [], "limit": 10, "after": None, "query": None}

Value = str | int | float | None
Test = Callable[[Value], bool]


@dataclass(frozen=True, kw_only=True)
class Search:
    """One page of a search that was asked for in an allowed way."""

    groups: list[list[tuple[str, Test]]]
    properties: list[str]
    sort: str
    descending: bool
    limit: int
    offset: int


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search gives: one page, and how many records match in all."""

    records: list[Record]
    total: int
    after: str | None


def parse(store: Store, object: str, body: Any) -> Search:
    """Reads the body of a search request.

    Raises:
        Refused: HubSpot would not take it.
    """
    if not isinstance(body, dict):
        raise invalid("Invalid input JSON: an object is expected.")
    unknown = body.keys() - _EMPTY.keys()
    if unknown:
        raise invalid(f"Invalid input JSON: unrecognized fields {sorted(unknown)}")
    asked = {**_EMPTY, **body}
    types = {d.body["name"]: d.body["type"] for d in definitions(store, object)}
    sort, descending = _sort(asked["sorts"], types)
    limit, offset = asked["limit"], _offset(asked["after"])
    if not isinstance(limit, int) or not 0 < limit <= MOST:
        raise invalid(f"limit must be between 1 and {MOST}")
    if offset + limit > CAP:
        raise invalid(f"The maximum number of results that can be paged through is {CAP}; narrow the filters.")
    return Search(
        groups=_groups(asked["filterGroups"], types),
        properties=_names(asked["properties"]),
        sort=sort,
        descending=descending,
        limit=limit,
        offset=offset,
    )


def _names(names: Any) -> list[str]:
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
        raise invalid("properties must be a list of property names")
    return names


def _offset(after: Any) -> int:
    if after in (None, ""):
        return 0
    if not str(after).isdigit():
        raise invalid("after must be the value of paging.next.after")
    return int(after)


def _sort(sorts: Any, types: dict[str, str]) -> tuple[str, bool]:
    if not isinstance(sorts, list) or len(sorts) > 1:
        raise invalid("Only one sort is supported per search")
    if not sorts:
        return "hs_object_id", False
    sort = sorts[0]
    if isinstance(sort, str) and sort.startswith("{"):
        sort = json.loads(sort)
    if isinstance(sort, str):
        sort = {"propertyName": sort}
    name, direction = sort.get("propertyName"), sort.get("direction", "ASCENDING")
    if name not in types or direction not in ("ASCENDING", "DESCENDING") or sort.keys() - {"propertyName", "direction"}:
        raise invalid(f"Invalid sort: {sort}")
    return name, direction == "DESCENDING"


def _groups(groups: Any, types: dict[str, str]) -> list[list[tuple[str, Test]]]:
    if not isinstance(groups, list) or len(groups) > _GROUPS:
        raise invalid(f"filterGroups must be a list of at most {_GROUPS} groups")
    filters = [_group(g) for g in groups]
    if sum(len(group) for group in filters) > _ALL_FILTERS:
        raise invalid(f"A search has at most {_ALL_FILTERS} filters")
    return [[_filter(f, types) for f in group] for group in filters]


def _group(group: Any) -> list[dict[str, Any]]:
    filters = group.get("filters") if isinstance(group, dict) else None
    if not isinstance(filters, list) or not 0 < len(filters) <= _FILTERS:
        raise invalid(f"A filter group has from 1 to {_FILTERS} filters")
    return filters


def _filter(condition: dict[str, Any], types: dict[str, str]) -> tuple[str, Test]:
    name, operator = condition.get("propertyName"), condition.get("operator")
    if name is None or (name not in types and not name.startswith("associations.")):
        raise invalid(f"There was a problem with the request: property {name!r} does not exist")
    if condition.keys() - {"propertyName", "operator", "value", "highValue", "values"}:
        raise invalid(f"Invalid filter: {condition}")
    kind = types.get(name, "string")

    def read(key: str) -> Value:
        if condition.get(key) is None:
            raise invalid(f"operator {operator} requires {key}")
        return comparable(kind, condition[key])

    def among() -> list[Value]:
        values = condition.get("values")
        if not isinstance(values, list) or not values:
            raise invalid(f"operator {operator} requires values")
        return [comparable(kind, v) for v in values]

    match operator:
        case "EQ" | "NEQ":
            value = read("value")
            return name, (lambda v: v == value) if operator == "EQ" else (lambda v: v != value)
        case "LT" | "LTE" | "GT" | "GTE":
            return name, _bound(operator, read("value"))
        case "BETWEEN":
            low, high = _bound("GTE", read("value")), _bound("LTE", read("highValue"))
            return name, lambda v: low(v) and high(v)
        case "IN" | "NOT_IN":
            values = among()
            return name, (lambda v: v in values) if operator == "IN" else (lambda v: v is not None and v not in values)
        case "HAS_PROPERTY" | "NOT_HAS_PROPERTY":
            return name, lambda v: (v is not None) == (operator == "HAS_PROPERTY")
    raise invalid(f"Unknown operator: {operator}")


def _bound(operator: str, bound: Any) -> Test:
    tests: dict[str, Test] = {
        "LT": lambda v: v is not None and v < bound,
        "LTE": lambda v: v is not None and v <= bound,
        "GT": lambda v: v is not None and v > bound,
        "GTE": lambda v: v is not None and v >= bound,
    }
    return tests[operator]


def comparable(kind: str, value: Any) -> Value:
    """A property's value, or one in a filter, as what it is compared by: times in milliseconds, numbers, lower case."""
    text = str(value)
    try:
        match kind:
            case "datetime" | "date":
                return int(text) if text.lstrip("-").isdigit() else _milliseconds(text)
            case "number":
                return float(text) if "." in text else int(text)
    except ValueError as error:
        raise invalid(f"{text} is not a valid {kind}") from error
    return text.lower()


def _milliseconds(text: str) -> int:
    moment = datetime.fromisoformat(text if "T" in text else f"{text}T00:00:00Z")
    return round(moment.timestamp() * 1000)


class Searcher:
    """Answers searches in one store; keeps the ids and times of an object's records until the next change."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[str, tuple[tuple[int, int], list[Record]]] = {}

    def find(self, object: str, search: Search) -> Found:
        """Gives the page that a search asks for."""
        live = self._live(object)
        named = {n for group in search.groups for n, _ in group} | {search.sort}
        if named <= {"hs_object_id", CREATED[object], MODIFIED[object]}:
            value = _system_value(object)
        else:
            live = self._store.page(object, limit=10**9)
            value = _any_value(object, {d.body["name"]: d.body["type"] for d in definitions(self._store, object)})
        matching = [r for r in live if _matches(search.groups, value, r)]
        matching.sort(key=lambda r: (_sortable(value(r, search.sort)), int(r.id)), reverse=search.descending)
        page = matching[search.offset : search.offset + search.limit]
        end = search.offset + len(page)
        return Found(
            records=[r for r in (self._store.get(object, p.id) for p in page) if r],
            total=len(matching),
            after=str(end) if end < len(matching) else None,
        )

    def _live(self, object: str) -> list[Record]:
        """The object's records without their bodies."""
        latest = self._store.page(object, limit=1, order="updated", descending=True, deleted=None)
        mark = (self._store.count(object), latest[0].updated if latest else 0)
        kept = self._kept.get(object)
        if kept is None or kept[0] != mark:
            records = self._store.page(object, limit=10**9)
            bare = [Record(id=r.id, body={}, created=r.created, updated=r.updated) for r in records]
            kept = self._kept[object] = (mark, bare)
        return kept[1]


def _system_value(object: str) -> Callable[[Record, str], Any]:
    def value(record: Record, name: str) -> Any:
        if name == "hs_object_id":
            return int(record.id)
        return record.created if name == CREATED[object] else record.updated

    return value


def _any_value(object: str, types: dict[str, str]) -> Callable[[Record, str], Any]:
    system = _system_value(object)

    def value(record: Record, name: str) -> Any:
        if name in ("hs_object_id", CREATED[object], MODIFIED[object]):
            return system(record, name)
        if name.startswith("associations."):
            return _Linked(record.body.get("associations", {}), name.removeprefix("associations."))
        text = record.body["properties"].get(name)
        return None if text is None else comparable(types[name], text)

    return value


class _Linked:
    """The ids that a record is associated with: equal to each of them, so that filters can ask for one."""

    def __init__(self, associations: dict[str, Sequence[str]], name: str) -> None:
        plural = {"company": "companies"}.get(name, f"{name}s")
        self._ids = {i.lower() for i in associations.get(plural, associations.get(name, []))}

    def __eq__(self, other: object) -> bool:
        return other in self._ids

    def __hash__(self) -> int:
        return 0


def _matches(groups: Iterable[list[tuple[str, Test]]], value: Callable[[Record, str], Any], record: Record) -> bool:
    groups = list(groups)
    return not groups or any(all(test(value(record, name)) for name, test in group) for group in groups)


def _sortable(value: Any) -> tuple[bool, Any]:
    return (value is not None, value if value is not None else 0)
