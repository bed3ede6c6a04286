"""What a request knows, and the lists that it pages through: filters, orders, cursors, and how deep paging may go.

How the fields of a record are made belongs in `admin`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from graphql import GraphQLError

from sandbox.store import Order, Record, Store
from sandbox.vendors.shopify.search import Filter, SearchError, parse

PAGE, DEEPEST = 250, 25_000
_SIXTY_DAYS = 60 * 86_400_000

Body = dict[str, Any]
Args = Mapping[str, Any]

#: The lists: which collection, of which type, behind which scope.
ROOTS: dict[str, tuple[str, str, str]] = {
    "customers": ("customer", "Customer", "read_customers"),
    "orders": ("order", "Order", "read_orders"),
    "products": ("product", "Product", "read_products"),
    "productVariants": ("variant", "ProductVariant", "read_products"),
    "inventoryItems": ("variant", "InventoryItem", "read_inventory read_products"),
    "events": ("event", "BasicEvent", ""),
    "deletionEvents": ("event", "DeletionEvent", ""),
    "bulkOperations": ("bulk", "BulkOperation", ""),
}
COUNTS = {f"{root}Count": root for root in ("customers", "orders", "products", "productVariants")}


class Operations(Protocol):
    """What fields about bulk operations ask."""

    def run(self, context: Context, query: str, *, group: bool) -> Body: ...

    def get(self, context: Context, global_id: str) -> Body | None: ...

    def latest(self, context: Context, kind: str = "QUERY") -> Body | None: ...

    def cancel(self, context: Context, global_id: str) -> Body: ...


@dataclass
class Context:
    """One request: where records are, what the app may read, and what came up on the way."""

    store: Store
    now: int
    scopes: frozenset[str]
    #: The app's bulk operations, and the address that their files lie below.
    bulk: Operations | None = None
    base: str = ""
    search: list[dict[str, Any]] = field(default_factory=list)
    memo: dict[tuple[str, str], Body | None] = field(default_factory=dict)
    #: Bulk operations list without pages; the engine that runs them takes all there is.
    is_bulk: bool = False

    def body(self, collection: str, id: str | None) -> Body | None:
        """One record, looked up once."""
        if id is None:
            return None
        key = (collection, id)
        if key not in self.memo:
            record = self.store.get(collection, id)
            self.memo[key] = record.body if record else None
        return self.memo[key]

    def granted(self, scopes: str, name: str, body: Body) -> Body:
        """Gives a record if the app was granted it."""
        self.may(scopes, name)
        return body

    def may(self, scopes: str, name: str) -> None:
        """Refuses a field that the app was not granted; of several scopes, parted by spaces, one is enough."""
        wanted = scopes.split()
        if not wanted or not self.scopes.isdisjoint(wanted):
            return
        needed = " or ".join(f"`{scope}` access scope" for scope in wanted) + "."
        raise GraphQLError(
            f"Access denied for {name} field. Required access: {needed}",
            extensions={
                "code": "ACCESS_DENIED",
                "documentation": "https://shopify.dev/api/usage/access-scopes",
                "requiredAccess": needed,
            },
        )


def gid(kind: str, number: str) -> str:
    """A global id: gid://shopify/Order/1."""
    return f"gid://shopify/{kind}/{number}"


def number_of(global_id: str, kind: str | None = None) -> str:
    """The number within a global id.

    Raises:
        GraphQLError: it is not one, or of another kind.
    """
    head, _, number = global_id.rpartition("/")
    if not head.startswith("gid://shopify/") or (kind and head != f"gid://shopify/{kind}"):
        raise GraphQLError(f"Invalid global id '{global_id}'", extensions={"code": "argumentLiteralsIncompatible"})
    return number


def listed(context: Context, root: str, args: Args) -> Body:
    """A page of one of the shop's lists."""
    collection, kind, scope = ROOTS[root]
    context.may(scope, root)
    first = _first(args)
    found = _filter(context, root, args)
    order: Order = {"UPDATED_AT": "updated", "ID": "seq"}.get(str(args.get("sortKey") or "ID"), "created")  # type: ignore[assignment]
    after = _decoded(args.get("after"))
    if after is not None:
        _shallow(context, collection, found, order, after)
    records = _matching(context, collection, found, order, after, first + 1, bool(args.get("reverse")))
    page = records[:first]
    cursors = [_cursor(r, order) for r in page]
    bodies = [dressed(kind, r.body) for r in page]
    return _connection(bodies, cursors, more=len(records) > first, before=after is not None)


def dressed(kind: str, body: Body) -> Body:
    """A record as one of a type. Stock items are the other side of variants, with numbers of their own."""
    if kind == "InventoryItem":
        return {**body, "id": str(int(body["id"]) + 1), "__typename": kind}
    return {**body, "__typename": kind}


def every(context: Context, root: str, args: Args) -> Iterator[Body]:
    """All records of a list, one after the other, for bulk operations."""
    collection, kind, scope = ROOTS[root]
    context.may(scope, root)
    for record in _all(context, collection, _filter(context, root, args)):
        yield dressed(kind, record.body)


def counted(context: Context, root: str, args: Args) -> Body:
    """How many records a list has; beyond the limit only that there are more."""
    collection, _, scope = ROOTS[COUNTS[root]]
    context.may(scope, root)
    found = _filter(context, root, args)
    if found.tests:
        count = sum(1 for _ in _all(context, collection, found))
    else:
        count = context.store.count(collection, since=found.since, until=found.until, by=found.by)
    limit = args.get("limit")
    is_exact = limit is None or count <= limit
    return {"count": count if is_exact else limit, "precision": "EXACT" if is_exact else "AT_LEAST"}


def _all(context: Context, collection: str, found: Filter) -> Iterator[Record]:
    after = None
    while records := _matching(context, collection, found, "seq", after, 500, False):
        yield from records
        after = (records[-1].seq, records[-1].seq)


def _filter(context: Context, root: str, args: Args) -> Filter:
    try:
        found = parse(root, args.get("query"))
    except SearchError as error:
        raise GraphQLError(str(error), extensions={"code": "BAD_REQUEST"}) from error
    if found.warnings:
        context.search.append({"path": [root], "query": args.get("query"), "warnings": found.warnings})
    if root.startswith("orders") and "read_all_orders" not in context.scopes:
        oldest = context.now - _SIXTY_DAYS
        found.tests.append(lambda body: _epoch(body["createdAt"]) >= oldest)
    return found


def _epoch(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def _matching(
    context: Context,
    collection: str,
    found: Filter,
    order: Order,
    after: tuple[int, int] | None,
    limit: int,
    descending: bool,
) -> list[Record]:
    kept: list[Record] = []
    while len(kept) < limit:
        records = context.store.page(
            collection,
            limit=limit,
            order=order,
            descending=descending,
            after=after,
            since=found.since,
            until=found.until,
            by=found.by,
        )
        kept += [r for r in records if found.holds(r.body)]
        if len(records) < limit:
            break
        after = (_value(records[-1], order), records[-1].seq)
    return kept[:limit]


def _shallow(context: Context, collection: str, found: Filter, order: Order, after: tuple[int, int]) -> None:
    """Refuses to page deeper than Shopify does (https://shopify.dev/docs/api/usage/limits)."""
    if order == found.by:
        passed = context.store.count(collection, since=found.since, until=after[0] + 1, by=found.by)
    elif order == "seq":
        passed = min(after[1], context.store.count(collection, since=found.since, until=found.until, by=found.by))
    else:
        passed = context.store.count(collection, until=after[0] + 1, by=order)
    if passed >= DEEPEST:
        raise GraphQLError(
            f"Pagination is limited to {DEEPEST} objects; add filters.", extensions={"code": "BAD_REQUEST"}
        )


def _first(args: Args) -> int:
    first = args.get("first")
    if first is None:
        raise GraphQLError("you must provide one of first or last", extensions={"code": "BAD_REQUEST"})
    if not 0 <= int(first) <= PAGE:
        raise GraphQLError(f"first must be from 0 to {PAGE}, and is {first}.", extensions={"code": "BAD_REQUEST"})
    return int(first)


def _value(record: Record, order: Order) -> int:
    return int(getattr(record, order))


def _cursor(record: Record, order: Order) -> str:
    return _encoded({"last_id": record.id, "last_value": _value(record, order), "place": record.seq})


def _encoded(value: Body) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def _decoded(cursor: str | None) -> tuple[int, int] | None:
    if cursor is None:
        return None
    try:
        value = json.loads(base64.b64decode(cursor, validate=True))
        return int(value["last_value"]), int(value["place"])
    except (ValueError, KeyError, TypeError) as error:
        raise GraphQLError(f"Invalid cursor for current pagination sort: {cursor}.") from error


def _connection(bodies: list[Body], cursors: list[str], *, more: bool, before: bool) -> Body:
    return {
        "nodes": bodies,
        "edges": [{"cursor": c, "node": b} for c, b in zip(cursors, bodies, strict=True)],
        "pageInfo": {
            "hasNextPage": more,
            "hasPreviousPage": before,
            "startCursor": cursors[0] if cursors else None,
            "endCursor": cursors[-1] if cursors else None,
        },
    }


def nested(context: Context, bodies: Sequence[Body], args: Args) -> Any:
    """A page of what lies within a record; all of it for bulk operations."""
    if context.is_bulk:
        return list(bodies)
    first = _first(args)
    after = _decoded(args.get("after"))
    start = 0 if after is None else after[1] + 1
    page = list(bodies[start : start + first])
    cursors = [_encoded({"last_id": b["id"], "last_value": start + i, "place": start + i}) for i, b in enumerate(page)]
    return _connection(page, cursors, more=start + first < len(bodies), before=start > 0)


def some(bodies: Sequence[Body], args: Args) -> list[Body]:
    """The first of a plain list."""
    first = args.get("first")
    return list(bodies if first is None else bodies[:first])
