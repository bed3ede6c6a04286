"""Shopify's answers to GraphQL: the schema, and how each field comes out of the store's compact records.

Both the engine that answers queries and the one that writes bulk files ask `reader`. HTTP, cost and access tokens
belong in the package's `__init__`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import cast

from graphql import GraphQLScalarType, GraphQLSchema, build_schema

from sandbox.vendors.shopify.lists import (
    COUNTS,
    ROOTS,
    Args,
    Body,
    Context,
    Operations,
    counted,
    dressed,
    gid,
    listed,
    nested,
    number_of,
    some,
)
from sandbox.vendors.shopify.records import PER_EUR

VERSION = "2026-10"
#: Versions that answered on the company's last day; one that has ended answers as the oldest of them.
SUPPORTED = ("2026-01", "2026-04", "2026-07", "2026-10")
SCOPES = ("read_all_orders", "read_customers", "read_inventory", "read_locations", "read_orders", "read_products")
_LOCATION = "7900000000001"


@cache
def schema() -> GraphQLSchema:
    """The schema; numbers too long for JSON's go as text, as at Shopify."""
    made = build_schema((Path(__file__).parent / "admin.graphql").read_text(encoding="utf-8"))
    cast(GraphQLScalarType, made.type_map["UnsignedInt64"]).serialize = str  # type: ignore[method-assign, assignment]
    return made


@cache
def reader(kind: str, name: str, returns: str) -> Resolve:
    """Gives how a field's value is had: of `kind.name`, whose named type is `returns`, from a compact record."""
    special = _FIELDS.get((kind, name))
    if special is not None:
        return special
    if name == "id":
        return lambda context, source, args: gid(kind, source["id"])
    if name == "legacyResourceId":
        return lambda context, source, args: source["id"]
    same = _SAME.get(kind, {}).get(name)
    if returns == "MoneyBag":
        return lambda context, source, args: _bag(*source[name]) if source.get(name) is not None else None
    return lambda context, source, args: source.get(name, same)


def _bag(amount: str, currency: str) -> Body:
    shop = f"{round(float(amount) / PER_EUR[currency], 2):.2f}"
    return {"shopMoney": _money(shop, "EUR"), "presentmentMoney": _money(amount, currency)}


def _money(amount: str, currency: str) -> Body:
    """Shopify writes amounts as decimals without zeros at the end, one place at the least."""
    whole, _, cents = amount.partition(".")
    return {"amount": f"{whole}.{cents.rstrip('0') or '0'}", "currencyCode": currency}


def node(context: Context, global_id: str) -> Body | None:
    """A record by its global id."""
    kind = global_id.removeprefix("gid://shopify/").partition("/")[0]
    number = number_of(global_id)
    if kind == "Location":
        return {**_location(), "__typename": kind} if number == _LOCATION else None
    if kind == "InventoryItem":
        variant = context.body("variant", str(int(number) - 1))
        return dressed(kind, variant) if variant else None
    if kind == "BulkOperation":
        operation = _bulk(context).get(context, global_id)
        return operation and {**operation, "__typename": kind}
    collections = {"Customer": "customer", "Order": "order", "Product": "product", "ProductVariant": "variant"}
    collection = collections.get(kind)
    found = context.body(collection, number) if collection else None
    scope = {"Customer": "read_customers", "Order": "read_orders", "Product": "read_products"}.get(kind)
    if scope:
        context.may(scope, "node")
    return dressed(kind, found) if found else None


# Records within records.


def _location() -> Body:
    return {
        "id": _LOCATION,
        "name": "Lager Mühlbach",
        "isActive": True,
        "fulfillsOnlineOrders": True,
        "address": {"address1": "Industriestraße 7", "city": "Mühlbach", "zip": "93339", "country": "Germany"},
        "createdAt": "2019-03-01T08:00:00Z",
        "updatedAt": "2019-03-01T08:00:00Z",
    }


def _levels(context: Context, source: Body) -> list[Body]:
    context.may("read_inventory", "inventoryLevels")
    level = {"id": f"{int(source['id']) + 100}?inventory_item_id={source['id']}", "item": source, "isActive": True}
    return [{**level, "createdAt": source["createdAt"], "updatedAt": source["updatedAt"], "stock": source["stock"]}]


def _quantities(context: Context, source: Body, args: Args) -> list[Body]:
    stock = int(source["stock"])
    known = {"available": stock, "on_hand": stock, "committed": 0, "incoming": 0, "reserved": 0}
    return [
        {"id": f"{source['id'].partition('?')[0]}?name={n}", "name": n, "quantity": known[n], "updatedAt": None}
        for n in args["names"]
        if n in known
    ]


def _order_refunds(context: Context, source: Body, args: Args) -> list[Body]:
    def moved(refund: Body) -> list[Body]:
        paid_back = [t for t in source["transactions"] if t["kind"] == "REFUND"]
        return [t for t in paid_back if t["createdAt"] == refund["processedAt"]]

    return some([{**r, "transactions": moved(r), "updatedAt": r["processedAt"]} for r in source["refunds"]], args)


def _order_fulfillments(context: Context, source: Body, args: Args) -> list[Body]:
    units = sum(int(line["quantity"]) for line in source["lineItems"])
    return some([{**f, "totalQuantity": units} for f in source["fulfillments"]], args)


def _service(context: Context, source: Body, args: Args) -> Body:
    if source["by_shop"]:
        return {"id": "1", "handle": "manual", "serviceName": "Manual", "type": "MANUAL"}
    return {"id": "2", "handle": "lager", "serviceName": "Lager Mühlbach", "type": "THIRD_PARTY"}


def _tracking(context: Context, source: Body, args: Args) -> list[Body]:
    if source["number"] is None:
        return []
    return some([{"company": source["company"], "number": source["number"], "url": None}], args)


def _journey(context: Context, source: Body, args: Args) -> Body:
    visit = source["lastVisit"] and {**source["lastVisit"], "id": source["id"]}
    return {"ready": True, "firstVisit": visit, "lastVisit": visit}


def _line_total(context: Context, source: Body, args: Args) -> Body:
    if args.get("withCodeDiscounts"):
        return _bag(source["total"], source["currency"])
    return _line_gross(context, source, args)


def _line_gross(context: Context, source: Body, args: Args) -> Body:
    return _bag(f"{float(source['price']) * source['quantity']:.2f}", source["currency"])


def _allocations(context: Context, source: Body, args: Args) -> list[Body]:
    if source["discount"] == "0.00":
        return []
    return [{"allocatedAmountSet": [source["discount"], source["currency"]]}]


def _line_variant(context: Context, source: Body, args: Args) -> Body | None:
    context.may("read_products", "variant")
    return context.body("variant", source["variant"])


def _line_product(context: Context, source: Body, args: Args) -> Body | None:
    context.may("read_products", "product")
    variant = context.body("variant", source["variant"])
    return context.body("product", variant["product"]) if variant else None


def _variants(context: Context, source: Body) -> list[Body]:
    return [r.body for r in context.store.page("variant", limit=100, parent=source["id"])]


def _price_range(context: Context, source: Body, args: Args) -> Body:
    prices = sorted((v["price"] for v in _variants(context, source)), key=float) or ["0.00"]
    return {"minVariantPrice": _money(prices[0], "EUR"), "maxVariantPrice": _money(prices[-1], "EUR")}


def _address(source: Body) -> Body:
    return {**source["address"], "id": source["id"]}


def _mail(context: Context, source: Body, args: Args) -> Body | None:
    mail = source["email"]
    if mail is None:
        return None
    return {"emailAddress": mail, "marketingState": source["marketingState"], "validFormat": "@" in mail}


def _shop(context: Context, source: Body, args: Args) -> Body:
    return {
        "id": "61900000001",
        "name": "Mühlbach Versand",
        "myshopifyDomain": "muehlbach-versand.myshopify.com",
        "currencyCode": "EUR",
        "ianaTimezone": "Europe/Berlin",
        "taxesIncluded": True,
        "email": "shop@muehlbach.example",
        "plan": {"publicDisplayName": "Basic", "shopifyPlus": False, "partnerDevelopment": False},
        "createdAt": "2019-03-01T08:00:00Z",
        "updatedAt": "2026-09-01T08:00:00Z",
    }


def _installation(context: Context, source: Body, args: Args) -> Body:
    return {"id": "71", "accessScopes": [{"handle": s, "description": s} for s in sorted(context.scopes)]}


def _bulk(context: Context) -> Operations:
    if context.bulk is None:
        raise LookupError("There are no bulk operations at this desk.")
    return context.bulk


def _file(context: Context, source: Body, args: Args) -> str | None:
    """Where the lines are; the signature in the address stands for credentials, as in Shopify's storage."""
    return (
        f"{context.base}/storage/{source['id']}.jsonl?Signature={signature(source['id'])}"
        if source.get("file")
        else None
    )


def signature(number: str) -> str:
    """What proves that an address of a file came from the shop."""
    return hashlib.sha256(f"demo {number}".encode()).hexdigest()[:24]


def _customer_of(context: Context, source: Body, args: Args) -> Body | None:
    context.may("read_customers", "customer")
    return context.body("customer", source["customer"])


def _single(collection: str, kind: str, scope: str) -> Resolve:
    def resolve(context: Context, source: Body, args: Args) -> Body | None:
        context.may(scope, collection)
        return context.body(collection, number_of(args["id"], kind))

    return resolve


Resolve = Callable[[Context, Body, Args], object]


def _list(root: str) -> Resolve:
    return lambda context, source, args: listed(context, root, args)


def _count(root: str) -> Resolve:
    return lambda context, source, args: counted(context, root, args)


_FIELDS: dict[tuple[str, str], Resolve] = {
    **{("QueryRoot", root): _list(root) for root in ROOTS},
    **{("QueryRoot", root): _count(root) for root in COUNTS},
    ("QueryRoot", "shop"): _shop,
    ("QueryRoot", "currentAppInstallation"): _installation,
    ("QueryRoot", "publicApiVersions"): lambda c, s, a: [
        {"handle": v, "displayName": v, "supported": True} for v in SUPPORTED
    ],
    ("QueryRoot", "node"): lambda c, s, a: node(c, a["id"]),
    ("QueryRoot", "nodes"): lambda c, s, a: [node(c, one) for one in a["ids"]],
    ("QueryRoot", "customer"): _single("customer", "Customer", "read_customers"),
    ("QueryRoot", "order"): _single("order", "Order", "read_orders"),
    ("QueryRoot", "product"): _single("product", "Product", "read_products"),
    ("QueryRoot", "productVariant"): _single("variant", "ProductVariant", "read_products"),
    ("QueryRoot", "inventoryItem"): lambda c, s, a: node(c, a["id"]),
    ("QueryRoot", "location"): lambda c, s, a: node(c, a["id"]) if a.get("id") else _location(),
    ("QueryRoot", "locations"): lambda c, s, a: nested(c, [_location()], a),
    ("QueryRoot", "locationsCount"): lambda c, s, a: {"count": 1, "precision": "EXACT"},
    ("QueryRoot", "bulkOperation"): lambda c, s, a: _bulk(c).get(c, a["id"]),
    ("QueryRoot", "currentBulkOperation"): lambda c, s, a: _bulk(c).latest(c, a["type"]),
    ("Mutation", "bulkOperationRunQuery"): lambda c, s, a: _bulk(c).run(c, a["query"], group=a["groupObjects"]),
    ("Mutation", "bulkOperationCancel"): lambda c, s, a: _bulk(c).cancel(c, a["id"]),
    ("BulkOperation", "url"): _file,
    ("Customer", "displayName"): lambda c, s, a: " ".join(n for n in (s["firstName"], s["lastName"]) if n),
    ("Customer", "defaultEmailAddress"): _mail,
    # The shop does not have numbers confirmed; what people type is in their addresses.
    ("Customer", "defaultPhoneNumber"): lambda c, s, a: s.get("confirmed") and {"phoneNumber": s["confirmed"]},
    ("Customer", "phone"): lambda c, s, a: s.get("confirmed"),
    ("Customer", "defaultAddress"): lambda c, s, a: _address(s),
    ("Customer", "addressesV2"): lambda c, s, a: nested(c, [_address(s)], a),
    ("MailingAddress", "name"): lambda c, s, a: " ".join(n for n in (s["firstName"], s["lastName"]) if n),
    ("Product", "handle"): lambda c, s, a: f"artikel-{s['id']}",
    ("Product", "publishedAt"): lambda c, s, a: s["createdAt"],
    ("Product", "totalInventory"): lambda c, s, a: sum(int(v["stock"]) for v in _variants(c, s)),
    ("Product", "priceRangeV2"): _price_range,
    ("Product", "variants"): lambda c, s, a: nested(c, _variants(c, s), a),
    ("Product", "variantsCount"): lambda c, s, a: {"count": len(_variants(c, s)), "precision": "EXACT"},
    ("ProductVariant", "displayName"): lambda c, s, a: str(s["sku"]),
    ("ProductVariant", "inventoryQuantity"): lambda c, s, a: s["stock"],
    ("ProductVariant", "product"): lambda c, s, a: c.body("product", s["product"]),
    ("ProductVariant", "inventoryItem"): lambda c, s, a: dressed("InventoryItem", s),
    ("InventoryItem", "measurement"): lambda c, s, a: {
        "id": s["id"],
        "weight": {"unit": "GRAMS", "value": float(s["grams"])},
    },
    ("InventoryItem", "inventoryLevels"): lambda c, s, a: nested(c, _levels(c, s), a),
    ("InventoryLevel", "location"): lambda c, s, a: c.granted("read_locations read_inventory", "location", _location()),
    ("InventoryLevel", "quantities"): _quantities,
    ("Order", "number"): lambda c, s, a: int(s["name"].lstrip("MV")),
    ("Order", "processedAt"): lambda c, s, a: s["createdAt"],
    ("Order", "discountCodes"): lambda c, s, a: [s["discountCode"]] if s["discountCode"] else [],
    ("Order", "paymentGatewayNames"): lambda c, s, a: sorted({t["gateway"] for t in s["transactions"]}),
    ("Order", "customer"): _customer_of,
    ("Order", "shippingAddress"): lambda c, s, a: {**s["shippingAddress"], "id": s["id"]},
    ("Order", "billingAddress"): lambda c, s, a: {**s["shippingAddress"], "id": s["id"]},
    ("Order", "customerJourneySummary"): _journey,
    ("Order", "lineItems"): lambda c, s, a: nested(c, s["lineItems"], a),
    ("Order", "refunds"): _order_refunds,
    ("Order", "fulfillments"): _order_fulfillments,
    ("Order", "transactions"): lambda c, s, a: some(s["transactions"], a),
    ("LineItem", "name"): lambda c, s, a: s["title"],
    ("LineItem", "currentQuantity"): lambda c, s, a: s["quantity"],
    ("LineItem", "originalUnitPriceSet"): lambda c, s, a: _bag(s["price"], s["currency"]),
    ("LineItem", "originalTotalSet"): _line_gross,
    ("LineItem", "discountedTotalSet"): _line_total,
    ("LineItem", "discountedUnitPriceAfterAllDiscountsSet"): lambda c, s, a: _bag(
        f"{float(s['total']) / s['quantity']:.2f}", s["currency"]
    ),
    # The shop's coupons count for whole orders, and those discounts are not in here.
    ("LineItem", "totalDiscountSet"): lambda c, s, a: _bag("0.00", s["currency"]),
    ("LineItem", "discountAllocations"): _allocations,
    ("LineItem", "variant"): _line_variant,
    ("LineItem", "product"): _line_product,
    ("Refund", "transactions"): lambda c, s, a: nested(c, s["transactions"], a),
    ("OrderTransaction", "formattedGateway"): lambda c, s, a: s["gateway"].replace("_", " ").title(),
    ("OrderTransaction", "processedAt"): lambda c, s, a: s["createdAt"],
    ("Fulfillment", "inTransitAt"): lambda c, s, a: s["createdAt"],
    ("Fulfillment", "updatedAt"): lambda c, s, a: s["deliveredAt"] or s["createdAt"],
    ("Fulfillment", "trackingInfo"): _tracking,
    ("Fulfillment", "service"): _service,
    ("Fulfillment", "location"): lambda c, s, a: _location(),
    ("BasicEvent", "subjectId"): lambda c, s, a: gid("Product", s["subject"]),
    ("DeletionEvent", "subjectId"): lambda c, s, a: gid("Product", s["subject"]),
    ("DeletionEvent", "occurredAt"): lambda c, s, a: s["createdAt"],
}

#: What is the same for all records of a type, and so is not kept with each.
_SAME: dict[str, Body] = {
    "Customer": {"state": "DISABLED", "locale": "de", "tags": [], "taxExempt": False, "verifiedEmail": True},
    "Order": {
        "tags": [],
        "test": False,
        "confirmed": True,
        "closed": False,
        "currencyCode": "EUR",
        "taxesIncluded": True,
    },
    "Product": {"description": "", "tags": [], "tracksInventory": False, "hasOnlyDefaultVariant": True},
    "ProductVariant": {"title": "Default Title", "taxable": True, "position": 1},
    "InventoryItem": {"requiresShipping": True},
    "LineItem": {"taxable": True, "requiresShipping": True},
    "OrderTransaction": {"test": False},
    "Fulfillment": {"status": "SUCCESS", "requiresShipping": True},
    "LocationAddress": {"countryCode": "DE"},
    "BasicEvent": {"criticalAlert": False, "attributeToApp": False, "attributeToUser": True},
}
