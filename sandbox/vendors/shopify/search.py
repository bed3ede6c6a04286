"""Shopify's search syntax, as far as exports use it: terms that must all hold, `updated_at:>='2026-01-01T00:00:00Z'`.

A field that a list does not know is no error at Shopify: the term is dropped and a warning stands under
`extensions.search`. So is a time without quotes, whose colons read as fields
(https://shopify.dev/docs/api/usage/search-syntax). `OR`, `NOT` and brackets the sandbox refuses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Kind = Literal["created", "updated", "id", "text"]
Body = Mapping[str, Any]

#: What each list may be searched by, and what of a record that is. Shopify's lists know more; the sandbox says so.
FIELDS: dict[str, dict[str, Kind]] = {
    "customers": {"updated_at": "updated", "customer_date": "created", "id": "id"},
    "customersCount": {"created_at": "created", "updated_at": "updated", "id": "id"},
    "orders": {"created_at": "created", "processed_at": "created", "updated_at": "updated", "id": "id", "name": "text"},
    "products": {"created_at": "created", "updated_at": "updated", "id": "id", "status": "text"},
    "productVariants": {"updated_at": "updated", "id": "id", "sku": "text"},
    "productVariantsCount": {},
    "inventoryItems": {"created_at": "created", "updated_at": "updated", "id": "id", "sku": "text"},
    "locations": {"created_at": "created", "id": "id", "name": "text"},
    "events": {"created_at": "created", "id": "id", "action": "text", "subject_type": "text"},
    "deletionEvents": {"occurred_at": "created", "id": "id"},
    "bulkOperations": {"created_at": "created", "id": "id", "status": "text", "operation_type": "text"},
}
for _name in ("orders", "products", "locations"):
    FIELDS[f"{_name}Count"] = FIELDS[_name]

_BODY_NAMES = {"subject_type": "subjectType", "operation_type": "type"}
_TERM = re.compile(r"\s*(?:(?P<name>[\w.]+):\s*(?P<op>>=|<=|>|<)?\s*)?(?P<value>'[^']*'|\"[^\"]*\"|[^\s]+)")


class SearchError(ValueError):
    """A query that is refused; the message is Shopify's, or says what the sandbox does not know."""


@dataclass
class Filter:
    """What a query comes to: a window of one time, conditions on bodies, and warnings about what was dropped."""

    by: Literal["created", "updated"] = "updated"
    since: int | None = None
    until: int | None = None
    tests: list[Callable[[Body], bool]] = field(default_factory=list)
    warnings: list[dict[str, str]] = field(default_factory=list)

    def holds(self, body: Body) -> bool:
        """Whether a record passes; the window is the store's business."""
        return all(test(body) for test in self.tests)


def parse(root: str, query: str | None) -> Filter:
    """Reads the `query` argument of a list.

    Raises:
        SearchError: it cannot be read.
    """
    found = Filter()
    timed: set[str] = set()
    for term in _TERM.finditer(query or ""):
        name, op, value = term["name"], term["op"] or "", term["value"]
        if name is None and value == "AND":
            continue
        if name is None or value[0] in "()" or value in ("OR", "NOT"):
            raise SearchError(f"The sandbox reads terms with a field that all hold, and not {value!r}.")
        kind = FIELDS[root].get(name)
        if kind is None:
            found.warnings.append(_warning(name))
        elif kind in ("created", "updated"):
            _window(found, name, kind, op, value, timed)
        else:
            found.tests.append(_test(name, kind, op, value.strip("'\"")))
    return found


def _window(found: Filter, name: str, kind: Kind, op: str, value: str, timed: set[str]) -> None:
    if value[0] not in "'\"" and ":" in value:
        found.warnings.append(_warning(value.split(":")[1]))
        return
    timed.add(kind)
    if len(timed) > 1:
        raise SearchError("The sandbox filters by one time at once.")
    found.by = "created" if kind == "created" else "updated"
    at = _millis(name, value.strip("'\""))
    if op in (">=", ">", ""):
        found.since = at + (1 if op == ">" else 0)
    if op in ("<", "<=", ""):
        found.until = at + (0 if op == "<" else 1)


def _test(name: str, kind: Kind, op: str, value: str) -> Callable[[Body], bool]:
    key = _BODY_NAMES.get(name, name)
    if kind == "id":
        try:
            number = int(value)
        except ValueError:
            raise SearchError(f"Invalid id for query filter `{name}`.") from None
        compare: dict[str, Callable[[int], bool]] = {
            ">=": lambda n: n >= number,
            "<=": lambda n: n <= number,
            ">": lambda n: n > number,
            "<": lambda n: n < number,
            "": lambda n: n == number,
        }
        return lambda body: compare[op](int(body["id"]))
    wanted = {part.strip().lower() for part in value.split(",")}
    return lambda body: str(body.get(key)).lower() in wanted


def _millis(name: str, text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise SearchError(f"Invalid timestamp for query filter `{name}`.") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _warning(name: str) -> dict[str, str]:
    return {"field": name, "message": "Invalid search field for this query.", "code": "invalid_field"}
