"""Intercom's search: filters in groups, sorting, and dates, which are days for contacts and seconds for conversations.

Rules from the vendor's description of POST /contacts/search and POST /conversations/search, for sorting from
developers.intercom.com/docs/build-an-integration/learn-more/rest-apis/pagination-sorting-search. Paging: `answers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.days import TIMEZONE
from sandbox.store import Record

Matches = Callable[[Record], bool]
_MOST_FILTERS, _DEEPEST = 15, 2
_DATES = frozenset({"created_at", "updated_at"})
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a is not None and a > b,
    "<": lambda a, b: a is not None and a < b,
    ">=": lambda a, b: a is not None and a >= b,
    "<=": lambda a, b: a is not None and a <= b,
    "IN": lambda a, b: a in b,
    "NIN": lambda a, b: a not in b,
}


class Unsound(Exception):
    """A request that Intercom would refuse: its code, its sentence and its status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What can be searched: its fields beside the dates, and whether its dates are days."""

    texts: frozenset[str]
    by_day: bool


CONTACTS = Kind(texts=frozenset({"id", "role", "email", "email_domain", "name", "phone", "external_id"}), by_day=True)
CONVERSATIONS = Kind(texts=frozenset({"id", "state", "source.type", "source.author.id"}), by_day=False)


def matcher(kind: Kind, query: Any, depth: int = 0) -> Matches:
    """Makes a test of records of a query.

    Raises:
        Unsound: the query is none, or asks for what the vendor does not do.
    """
    if not isinstance(query, dict) or "operator" not in query:
        raise Unsound("bad_request", "Invalid query: it needs an operator.")
    if query["operator"] not in ("AND", "OR"):
        return _filter(kind, query)
    parts = query.get("value")
    if not isinstance(parts, list) or not 1 <= len(parts) <= _MOST_FILTERS:
        raise Unsound("bad_request", f"A group holds 1 to {_MOST_FILTERS} filters.")
    if depth >= _DEEPEST:
        raise Unsound("bad_request", f"Filters are nested more than {_DEEPEST} deep.")
    inner = [matcher(kind, part, depth + 1) for part in parts]
    every = all if query["operator"] == "AND" else any
    return lambda record: every(test(record) for test in inner)


def order_of(sort: Any) -> tuple[str, bool]:
    """The field to sort by, and whether the latest comes first."""
    if sort is None:
        return "created_at", True
    order = sort.get("order", "descending")
    if order not in ("ascending", "descending"):
        raise Unsound("invalid_sort_order", f"Invalid sort order '{order}'. Must be one of: ascending, descending")
    if sort.get("field") not in _DATES:
        raise Unsound("invalid_sort_field", f"Invalid sort field '{sort.get('field')}'.")
    return str(sort["field"]), order == "descending"


def _filter(kind: Kind, query: dict[str, Any]) -> Matches:
    field, operator, value = query.get("field"), query["operator"], query.get("value")
    if field in _DATES:
        return _date_filter(kind, str(field), operator, value)
    if field not in kind.texts:
        raise Unsound("invalid_field", f"The field '{field}' cannot be searched.")
    if operator not in ("=", "!=", "IN", "NIN"):
        raise Unsound("invalid_operator", f"The operator '{operator}' does not go with '{field}'.")
    if (operator in ("IN", "NIN")) != isinstance(value, list):
        raise Unsound("invalid_value", f"The value of '{field}' does not go with '{operator}'.")
    return lambda record: _COMPARE[operator](_at(record.body, str(field)), value)


def _date_filter(kind: Kind, field: str, operator: str, value: Any) -> Matches:
    if not str(value).isdecimal():
        raise Unsound("invalid_value", f"The value of '{field}' must be a UNIX timestamp.")
    moment = int(value)
    if not kind.by_day:
        if operator not in _COMPARE or operator in ("IN", "NIN"):
            raise Unsound("invalid_operator", f"The operator '{operator}' does not go with '{field}'.")
        return lambda record: _COMPARE[operator](record.body[field], moment)
    if operator not in ("=", ">", "<"):
        raise Unsound("invalid_operator", f"The operator '{operator}' is not supported on the date field '{field}'.")
    day = _day(moment)
    return lambda record: _COMPARE[operator](_day(record.body[field]), day)


def _day(seconds: int) -> Any:
    """The day of a moment in the workspace's timezone."""
    return datetime.fromtimestamp(seconds, UTC).astimezone(ZoneInfo(TIMEZONE)).date()


def _at(body: Any, path: str) -> Any:
    for name in path.split("."):
        body = body.get(name) if isinstance(body, dict) else None
    return body
