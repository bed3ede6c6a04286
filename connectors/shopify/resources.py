"""What is read from Shopify, and how: everything by bulk operations, then what changed by pages in the order of change.

Records are written anew with sorted keys and their lines within them, so that a record is the same text whichever way
it came. Shapes: https://shopify.dev/docs/api/admin-graphql/2026-10 and https://shopify.dev/docs/api/usage.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from connectors._api.resource import Head, Page, Reading, Resource, iso
from connectors.shopify.bulk import exported
from connectors.shopify.graphql import TooDear, queried

#: Shopify pages no deeper than 25,000 records into a list; well before that a new list is begun at the last change.
_DEEPEST = 20_000
_FIRST, _NESTED, _AT_ONCE = 250, 50, 50
#: Searches learn of a change some time after it.
_LOOKBACK = timedelta(hours=1)

_MONEY = "{ presentmentMoney { amount currencyCode } }"

CUSTOMER = """
  id legacyResourceId createdAt updatedAt firstName lastName note tags state locale taxExempt numberOfOrders
  defaultEmailAddress { emailAddress marketingState marketingOptInLevel marketingUpdatedAt }
  defaultPhoneNumber { phoneNumber }
  defaultAddress { company address1 address2 city province provinceCode zip country countryCodeV2 phone }
"""
PRODUCT = """
  id legacyResourceId createdAt updatedAt publishedAt title handle status productType vendor tags
  priceRangeV2 { minVariantPrice { amount currencyCode } }
"""
VARIANT = """
  id legacyResourceId createdAt updatedAt title sku barcode price compareAtPrice position taxable
  inventoryItem { id tracked requiresShipping unitCost { amount currencyCode } measurement { weight { unit value } } }
"""
ORDER = f"""
  id legacyResourceId name createdAt updatedAt processedAt cancelledAt cancelReason closedAt test confirmed
  email phone note tags sourceName discountCodes taxesIncluded currencyCode presentmentCurrencyCode
  displayFinancialStatus displayFulfillmentStatus
  subtotalPriceSet {_MONEY} totalDiscountsSet {_MONEY} totalShippingPriceSet {_MONEY} totalTaxSet {_MONEY}
  totalPriceSet {_MONEY} totalRefundedSet {_MONEY}
  customer {{ legacyResourceId }}
  shippingAddress {{ city province provinceCode zip country countryCodeV2 phone }}
  customerJourneySummary {{ lastVisit {{ source utmParameters {{ source medium campaign }} }} }}
  refunds {{ id legacyResourceId createdAt processedAt note totalRefundedSet {_MONEY} }}
  transactions {{ id kind status gateway createdAt processedAt amountSet {_MONEY} }}
  fulfillments {{
    id legacyResourceId name status displayStatus createdAt updatedAt inTransitAt estimatedDeliveryAt deliveredAt
    trackingInfo {{ company number url }} service {{ handle type }}
  }}
"""
LINE = f"""
  id title variantTitle sku vendor quantity currentQuantity taxable
  originalUnitPriceSet {_MONEY} originalTotalSet {_MONEY}
  discountAllocations {{ allocatedAmountSet {_MONEY} }}
  product {{ legacyResourceId }} variant {{ legacyResourceId }}
"""
LEVEL = """
  id isActive createdAt updatedAt
  item { id sku tracked } location { id legacyResourceId name }
  quantities(names: ["available", "on_hand", "committed", "incoming", "reserved"]) { name quantity }
"""

#: Which scopes a table needs.
SCOPES = {
    "customers": ["read_customers"],
    "products": ["read_products"],
    "orders": ["read_orders", "read_all_orders", "read_customers", "read_products"],
    "inventory_levels": ["read_inventory"],
}


@dataclass(frozen=True, kw_only=True)
class Table:
    """A list of Shopify's that becomes a raw table.

    Attributes:
        root: the list's field; `kind` is the type of its records.
        fields: what is asked of each record.
        inner: a list within each record, and what is asked of its records.
        search: a filter that always holds.
    """

    name: str
    root: str
    kind: str
    fields: str
    inner: tuple[str, str] | None = None
    search: str = ""

    def bulk(self) -> str:
        """The query of a bulk operation, in which lists have no pages."""
        within = f"{self.inner[0]} {{ edges {{ node {{ {self.inner[1]} }} }} }}" if self.inner else ""
        asked = f'(query: "{self.search}")' if self.search else ""
        return f"{{ {self.root}{asked} {{ edges {{ node {{ {self.fields} {within} }} }} }} }}"

    def record(self) -> str:
        """What pages ask of a record, the first of the list within it included."""
        if self.inner is None:
            return self.fields
        name, fields = self.inner
        return f"{self.fields} {name}(first: {_NESTED}) {{ nodes {{ {fields} }} pageInfo {{ hasNextPage endCursor }} }}"

    def filter(self, *terms: str) -> str:
        """A search by these terms, and what always holds."""
        return " AND ".join(term for term in (self.search, *terms) if term)


CUSTOMERS = Table(name="customers", root="customers", kind="Customer", fields=CUSTOMER)
PRODUCTS = Table(
    name="products",
    root="products",
    kind="Product",
    fields=PRODUCT,
    inner=("variants", VARIANT),
    # Of products a search gives the active ones, unless told otherwise.
    search="status:active,archived,draft,unlisted",
)
ORDERS = Table(name="orders", root="orders", kind="Order", fields=ORDER, inner=("lineItems", LINE))
_LEVELS = f"{{ inventoryItems {{ edges {{ node {{ id inventoryLevels {{ edges {{ node {{ {LEVEL} }} }} }} }} }} }} }}"


def resources(*, recent_orders_only: bool = False) -> list[Resource]:
    """Gives Shopify's resources."""
    orders = _resource(ORDERS)
    if recent_orders_only:
        # Orders grow out of the sixty days that may be read; that they are not listed any more says nothing.
        orders = replace(orders, ids=None, fetch=None, count=None)
    return [
        _resource(CUSTOMERS),
        replace(_resource(PRODUCTS), tombstones=_deleted_products),
        orders,
        Resource(
            name="inventory_levels",
            read=_read_levels,
            head=Head(key="id", modified="updatedAt"),
            mode="snapshot",
            optional="read_inventory",
        ),
    ]


def _resource(table: Table) -> Resource:
    return Resource(
        name=table.name,
        read=partial(_read, table),
        head=Head(key="legacyResourceId", modified="updatedAt"),
        lookback=_LOOKBACK,
        ids=partial(_ids, table),
        fetch=partial(_fetch, table),
        sweep="weekly",
        count=partial(_count, table),
        count_how=f"{table.root}Count",
    )


def _read(table: Table, reading: Reading) -> Iterator[Page]:
    """Everything by a bulk operation, if it is the first time, and what changed since it began; else what changed."""
    position = dict(reading.position or {})
    since = position.get("since") or (iso(reading.since) if reading.since else None)
    if since is None:
        began = yield from _everything(table, reading, position)
        position, since = {}, began
    yield from _changed(table, reading, since, position.get("after"))


def _everything(table: Table, reading: Reading, position: dict[str, Any]) -> Generator[Page, None, str]:
    """All records of a bulk operation; gives the moment from which on changes may have passed it by."""
    scopes, began = ", ".join(SCOPES[table.name]), ""
    for found in exported(reading, table.name, table.bulk(), position, scopes):
        yield Page(
            records=[encoded(record, children, table) for record, children in found.records], position=found.position
        )
        began = found.began
    return iso(datetime.fromisoformat(began) - _LOOKBACK)


def _changed(table: Table, reading: Reading, since: str, after: str | None) -> Iterator[Page]:
    """Records changed since, in the order of their change; a list that grew deep is begun anew where it came to."""
    first, depth = _FIRST, 0
    while True:
        try:
            page = _page(table, reading, since, after, first)
        except TooDear:
            if first == 1:
                raise
            first = first // 2
            continue
        nodes = page["nodes"]
        depth += len(nodes)
        records = [encoded(node, _children(table, reading, node), table) for node in nodes]
        after = page["pageInfo"]["endCursor"]
        if depth >= _DEEPEST and nodes and nodes[-1]["updatedAt"] > since:
            since, after, depth = nodes[-1]["updatedAt"], None, 0
        yield Page(records=records, position={"since": since, "after": after})
        if not page["pageInfo"]["hasNextPage"]:
            return


def _page(table: Table, reading: Reading, since: str, after: str | None, first: int) -> dict[str, Any]:
    query = (
        "query($first: Int!, $after: String, $query: String) { "
        f"{table.root}(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {{ "
        f"nodes {{ {table.record()} }} pageInfo {{ hasNextPage endCursor }} }} }}"
    )
    # The colons of a time read as fields unless it stands in quotes.
    asked = {"first": first, "after": after, "query": table.filter(f"updated_at:>='{since}'")}
    return queried(reading.api, query, asked, needs=table.root)[table.root]


def _children(table: Table, reading: Reading, node: dict[str, Any]) -> list[Any]:
    """The whole list within a record of a page; what did not fit into the page is asked for."""
    if table.inner is None:
        return []
    name, fields = table.inner
    part = node.pop(name)
    found = list(part["nodes"])
    alias = f"n{node['legacyResourceId']}"
    query = (
        f"query($id: ID!, $after: String) {{ {alias}: node(id: $id) {{ "
        f"... on {table.kind} {{ {name}(first: {_FIRST}, after: $after) {{ "
        f"nodes {{ {fields} }} pageInfo {{ hasNextPage endCursor }} }} }} }} }}"
    )
    while part["pageInfo"]["hasNextPage"]:
        asked = {"id": node["id"], "after": part["pageInfo"]["endCursor"]}
        part = queried(reading.api, query, asked, needs=alias)[alias][name]
        found += part["nodes"]
    return found


def _ids(table: Table, reading: Reading) -> Iterator[Sequence[str]]:
    asked = f'(query: "{table.search}")' if table.search else ""
    query = f"{{ {table.root}{asked} {{ edges {{ node {{ legacyResourceId }} }} }} }}"
    for found in exported(reading, f"{table.name}_ids", query, {}, ", ".join(SCOPES[table.name])):
        yield [str(record["legacyResourceId"]) for record, _ in found.records]


def _fetch(table: Table, reading: Reading, ids: Sequence[str]) -> Iterator[Page]:
    """Records with these ids; those that are gone are not given."""
    size, start = _AT_ONCE, 0
    while start < len(ids):
        wanted = [f"gid://shopify/{table.kind}/{i}" for i in ids[start : start + size]]
        alias = f"n{ids[start]}"
        query = f"query($ids: [ID!]!) {{ {alias}: nodes(ids: $ids) {{ ... on {table.kind} {{ {table.record()} }} }} }}"
        try:
            nodes = queried(reading.api, query, {"ids": wanted}, needs=alias)[alias]
        except TooDear:
            if size == 1:
                raise
            size = size // 2
            continue
        start += size
        yield Page(records=[encoded(node, _children(table, reading, node), table) for node in nodes if node])


def _count(table: Table, reading: Reading) -> int | None:
    name = f"{table.root}Count"
    query = f"query($query: String) {{ {name}(limit: null, query: $query) {{ count precision }} }}"
    said = queried(reading.api, query, {"query": table.search or None}, needs=name)[name]
    return int(said["count"]) if said["precision"] == "EXACT" else None


def _deleted_products(reading: Reading) -> Iterator[Page]:
    """Products that were deleted, by the events of it; of other records Shopify tells no such thing."""
    if reading.since is None:
        return
    query = """query($after: String, $query: String) {
      events(first: 250, after: $after, query: $query, sortKey: CREATED_AT) {
        nodes { id createdAt ... on BasicEvent { subjectId } } pageInfo { hasNextPage endCursor }
      }
    }"""
    search = f"action:destroy AND subject_type:PRODUCT AND created_at:>='{iso(reading.since)}'"
    after = reading.position
    while True:
        page = queried(reading.api, query, {"after": after, "query": search}, needs="events")["events"]
        after = page["pageInfo"]["endCursor"]
        records = [
            {"legacyResourceId": event["subjectId"].rpartition("/")[2], "updatedAt": event["createdAt"]}
            for event in page["nodes"]
        ]
        yield Page(records=[_sorted(record) for record in records], position=after, bare=True)
        if not page["pageInfo"]["hasNextPage"]:
            return


def _read_levels(reading: Reading) -> Iterator[Page]:
    """Stock of every item at every place, all of it: what an item has is not in the time of its change."""
    scopes = ", ".join(SCOPES["inventory_levels"])
    for found in exported(reading, "inventory_levels", _LEVELS, dict(reading.position or {}), scopes):
        levels = [_sorted(level) for _, children in found.records for level in children]
        yield Page(records=levels, position=found.position)


def encoded(record: dict[str, Any], children: Sequence[Any], table: Table) -> bytes:
    """The text of a record, with the list within it."""
    return _sorted({**record, table.inner[0]: list(children)} if table.inner else record)


def _sorted(record: dict[str, Any]) -> bytes:
    import orjson

    return orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
