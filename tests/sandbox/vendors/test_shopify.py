"""Shopify as the sandbox serves it: asked as a client asks, and held against the schema that Shopify publishes."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import GraphQLEnumType, GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema

from sandbox.exports.kit import Out
from sandbox.serve import DAY, FIRST_MOMENT, Running, Sandbox, serving
from sandbox.store import Store
from sandbox.trade import make_trade
from sandbox.truth import Truth
from sandbox.vendors.shopify import CLIENT_ID, CLIENT_SECRET, TOKEN, VENDOR, VERSION
from sandbox.vendors.shopify.admin import schema as spoken
from sandbox.vendors.shopify.bulk import Bulk
from sandbox.vendors.shopify.cost import Bucket
from tests.connectors.shopify.schema import check, published

ORDER = """
  id legacyResourceId name email phone note sourceName createdAt updatedAt processedAt cancelledAt cancelReason test
  presentmentCurrencyCode currencyCode displayFinancialStatus displayFulfillmentStatus discountCodes taxesIncluded
  subtotalPriceSet { presentmentMoney { amount currencyCode } shopMoney { amount currencyCode } }
  totalDiscountsSet { presentmentMoney { amount } } totalShippingPriceSet { presentmentMoney { amount } }
  totalTaxSet { presentmentMoney { amount } } totalPriceSet { presentmentMoney { amount } }
  totalRefundedSet { presentmentMoney { amount } } currentTotalPriceSet { shopMoney { amount } }
  customer { id legacyResourceId email }
  shippingAddress { city zip province country countryCodeV2 phone }
  customerJourneySummary { ready lastVisit { source sourceType utmParameters { source medium campaign } } }
  refunds {
    id legacyResourceId createdAt processedAt note
    totalRefundedSet { presentmentMoney { amount currencyCode } }
  }
  transactions { id kind status gateway createdAt amountSet { presentmentMoney { amount } } }
  fulfillments {
    id name status displayStatus createdAt deliveredAt estimatedDeliveryAt inTransitAt totalQuantity
    trackingInfo { company number } service { handle type }
  }
"""
LINE = """
  id title sku quantity currentQuantity vendor variant { id legacyResourceId } product { id }
  originalUnitPriceSet { presentmentMoney { amount currencyCode } }
  discountAllocations { allocatedAmountSet { presentmentMoney { amount } } }
  discountedTotalSet(withCodeDiscounts: true) { presentmentMoney { amount } }
"""
CUSTOMER = """
  id legacyResourceId firstName lastName displayName note createdAt updatedAt numberOfOrders
  defaultEmailAddress { emailAddress marketingState validFormat } defaultPhoneNumber { phoneNumber }
  defaultAddress { company address1 city province zip country countryCodeV2 phone }
"""
PRODUCT = """
  id title status productType vendor createdAt variantsCount { count }
  priceRangeV2 { minVariantPrice { amount currencyCode } }
"""
VARIANT = (
    "id legacyResourceId sku barcode price updatedAt inventoryItem { id tracked measurement { weight { unit value } }"
)
LEVEL = 'id location { id name } quantities(names: ["available"]) { name quantity }'
BULK_ORDERS = f"{{ orders {{ edges {{ node {{ {ORDER} lineItems {{ edges {{ node {{ {LINE} }} }} }} }} }} }} }}"
RUN = """
mutation($q: String!, $g: Boolean! = false) {
  bulkOperationRunQuery(query: $q, groupObjects: $g) {
    bulkOperation { id status } userErrors { field message code }
  }
}
"""
SUNDRY = """
{
  events(first: 10, sortKey: CREATED_AT, query: "action:destroy") {
    nodes { id action createdAt ... on BasicEvent { subjectId subjectType } }
  }
  deletionEvents(first: 5, subjectTypes: [PRODUCT]) { nodes { subjectId occurredAt subjectType } }
  locations(first: 3) { nodes { id name address { city countryCode } } }
  publicApiVersions { handle supported }
  shop { id name currencyCode ianaTimezone plan { publicDisplayName } }
  currentAppInstallation { id accessScopes { handle description } }
  ordersCount { count precision }
  currentBulkOperation { id status }
  bulkOperations(first: 3) { nodes { id status } }
  nodes(ids: ["gid://shopify/Order/5100000000000", "gid://shopify/Customer/1"]) {
    __typename id
    ... on Order { name refunds { transactions(first: 2) { nodes { gateway } } } }
  }
}
"""
POLL = """
query($id: ID!) {
  bulkOperation(id: $id) { id status errorCode objectCount rootObjectCount fileSize url completedAt }
}
"""
PAGE = """
query($first: Int!, $after: String, $query: String) {{
  {root}(first: $first, after: $after, query: $query{sort}) {{
    nodes {{ {fields} }} pageInfo {{ hasNextPage endCursor }}
  }}
}}
"""


@pytest.fixture(scope="module")
def served(company: Path) -> Iterator[Running]:
    with serving(Sandbox(company, record=True, ease=1000)) as run:
        yield run


@pytest.fixture
def living(company: Path, tmp_path: Path) -> Iterator[Running]:
    """A copy that tests may change."""
    shutil.copytree(company, tmp_path / "company")
    with serving(Sandbox(tmp_path / "company", record=True, ease=1000)) as run:
        yield run


@pytest.fixture(scope="session")
def published_schema(request: pytest.FixtureRequest) -> GraphQLSchema:
    return published(request.config.cache.mkdir("shopify"))


def post(run: Running, query: str, variables: dict[str, Any] | None = None, **how: Any) -> httpx.Response:
    version, token = how.get("version", VERSION), how.get("token", TOKEN)
    return httpx.post(
        f"{run.url}/shopify/admin/api/{version}/graphql.json",
        json={"query": query, "variables": variables or {}},
        headers={"X-Shopify-Access-Token": token} if token else {},
        timeout=30,
    )


def asked(run: Running, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = post(run, query, variables).raise_for_status().json()
    assert "errors" not in answer, answer["errors"]
    return answer["data"]  # type: ignore[no-any-return]


def listed(run: Running, root: str, fields: str, *, query: str = "", sort: str = "", first: int = 100) -> list[Any]:
    """Every record of a list, page by page to its end."""
    text = PAGE.format(root=root, fields=fields, sort=f", sortKey: {sort}" if sort else "")
    rows: list[Any] = []
    variables: dict[str, Any] = {"first": first, "after": None, "query": query}
    while True:
        page = asked(run, text, variables)[root]
        rows += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return rows
        variables["after"] = page["pageInfo"]["endCursor"]


def bulk(run: Running, query: str, *, group: bool = False) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Runs a bulk operation to its end; gives it and its lines."""
    started = asked(run, RUN, {"q": query, "g": group})["bulkOperationRunQuery"]
    assert started["userErrors"] == []
    statuses = [started["bulkOperation"]["status"]]
    for _ in range(400):
        operation = asked(run, POLL, {"id": started["bulkOperation"]["id"]})["bulkOperation"]
        statuses.append(operation["status"])
        if operation["status"] not in ("CREATED", "RUNNING"):
            break
        time.sleep(0.02)
    operation["statuses"] = statuses
    lines = httpx.get(operation["url"]).raise_for_status().text.splitlines() if operation["url"] else []
    return operation, [json.loads(line) for line in lines]


def ids(run: Running, collection: str) -> set[str]:
    return {r.id for r in store(run).page(collection, limit=100_000)}


def store(run: Running) -> Store:
    return run.sandbox.stores["shopify"]


def bare(rows: list[Any]) -> list[str]:
    return [row["id"].rpartition("/")[2] for row in rows]


def test_what_is_spoken_is_a_part_of_shopifys_own_schema(published_schema: GraphQLSchema) -> None:
    differences = []
    for name, kind in spoken().type_map.items():
        if name.startswith("__") or name in ("String", "Int", "Float", "Boolean", "ID"):
            continue
        real = published_schema.type_map.get(name)
        if real is None or type(real) is not type(kind):
            differences.append(f"{name} is not a type of Shopify's")
        elif isinstance(kind, GraphQLEnumType):
            differences += [f"{name}.{v} is no value" for v in kind.values if v not in real.values]
        elif isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            differences += [f"{name}.{f}: {d}" for f, d in _field_differences(kind, real)]
    assert differences == []
    assert len(spoken().query_type.fields) > 20


def _field_differences(kind: Any, real: Any) -> Iterator[tuple[str, str]]:
    for field_name, mine in kind.fields.items():
        theirs = real.fields.get(field_name)
        if theirs is None:
            yield field_name, "Shopify has no such field"
            continue
        if str(theirs.type) != str(mine.type):
            yield field_name, f"{mine.type} is {theirs.type} at Shopify"
        for argument, given in mine.args.items():
            if argument not in theirs.args:
                yield field_name, f"Shopify has no argument {argument}"
            elif (str(theirs.args[argument].type), theirs.args[argument].default_value) != (
                str(given.type),
                given.default_value,
            ):
                yield field_name, f"the argument {argument} is another at Shopify"
        needed = {n for n, a in theirs.args.items() if str(a.type).endswith("!") and n not in mine.args}
        if needed - {n for n in needed if theirs.args[n].default_value is not None}:
            yield field_name, f"Shopify needs {needed}"


@pytest.mark.parametrize(
    ("root", "fields", "collection"),
    [("customers", "id", "customer"), ("orders", "id", "order"), ("productVariants", "id", "variant")],
)
def test_pages_give_every_record_once(served: Running, root: str, fields: str, collection: str) -> None:
    rows = bare(listed(served, root, fields, first=37))
    assert len(rows) == len(set(rows))
    assert set(rows) == ids(served, collection)


def test_sorted_by_change_and_filtered_by_it(served: Running) -> None:
    rows = listed(served, "orders", "id updatedAt", sort="UPDATED_AT", first=50)
    times = [row["updatedAt"] for row in rows]
    assert times == sorted(times)
    middle = times[len(times) // 2]
    later = listed(served, "orders", "id updatedAt", query=f"updated_at:>='{middle}'", sort="UPDATED_AT")
    assert bare(later) == bare([r for r in rows if r["updatedAt"] >= middle])
    between = listed(served, "orders", "id", query=f"updated_at:>='{times[10]}' AND updated_at:<'{middle}'")
    assert set(bare(between)) == set(bare([r for r in rows if times[10] <= r["updatedAt"] < middle]))
    made = listed(served, "orders", "createdAt", query=f"created_at:<'{middle}'")
    assert made
    assert all(row["createdAt"] < middle for row in made)


def test_a_search_that_is_not_understood_is_dropped_with_a_warning(served: Running) -> None:
    text = "query($q: String) { customers(first: 5, query: $q) { nodes { id } } }"
    for query, field in (("created_at:>'2026-01-01'", "created_at"), ("updated_at:>=2026-10-30T10:45:00Z", "45")):
        answer = post(served, text, {"q": query}).json()
        assert len(answer["data"]["customers"]["nodes"]) == 5
        (warned,) = answer["extensions"]["search"]
        assert warned["warnings"] == [
            {"field": field, "message": "Invalid search field for this query.", "code": "invalid_field"}
        ]
    assert "search" not in post(served, text, {"q": "updated_at:>='2026-10-30T10:45:00Z'"}).json()["extensions"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("{ orders { nodes { id } } }", "you must provide one of first or last"),
        ("{ orders(first: 251) { nodes { id } } }", "250"),
        ('{ orders(first: 1, after: "nonsense") { nodes { id } } }', "Invalid cursor"),
        ("{ orders(first: 1, query: \"updated_at:>'soon'\") { nodes { id } } }", "Invalid timestamp"),
        ("{ orders(first: 1) { nodes { total_price } } }", "Field 'total_price' doesn't exist on type 'Order'"),
        ("{ orders(first: 1, sortKey: NEWEST) { nodes { id } } }", "NEWEST"),
        ("{ orders(first: 1) { nodes { id } }", "Syntax Error"),
    ],
)
def test_what_shopify_refuses_is_refused(served: Running, query: str, words: str) -> None:
    response = post(served, query)
    assert response.status_code == 200
    assert words in response.json()["errors"][0]["message"]
    assert not (response.json().get("data") or {}).get("orders")


def test_a_query_that_costs_too_much_is_refused_however_full_the_bucket(served: Running) -> None:
    nest = "{ orders(first: 250) { nodes { lineItems(first: 250) { nodes { variant { id } product { id } sku } } } } }"
    assert post(served, nest).json()["extensions"]["cost"]["requestedQueryCost"] == 398
    answer = post(
        served,
        nest.replace("{ orders", "{ a: orders", 1)[:-1]
        + nest.replace("{ orders", " b: orders", 1)[:-1]
        + nest.replace("{ orders", " c: orders", 1),
    ).json()
    assert answer["errors"][0]["extensions"] == {
        "code": "MAX_COST_EXCEEDED",
        "cost": 1194,
        "maxCost": 1000,
        "documentation": "https://shopify.dev/api/usage/rate-limits",
    }
    assert "data" not in answer


@pytest.mark.parametrize(
    ("query", "cost"),
    [
        ("{ orders(first: 250) { nodes { id name createdAt } } }", 13),
        ("{ orders(first: 250) { nodes { id lineItems(first: 250) { nodes { id } } } } }", 156),
        (
            "{ products(first: 250) { nodes { id variants(first: 250) { nodes { id } } "
            "priceRangeV2 { minVariantPrice { amount } } } } }",
            167,
        ),
        ("{ shop { name } currentAppInstallation { accessScopes { handle } } }", 3),
    ],
)
def test_costs_are_those_that_a_real_shop_was_seen_to_charge(served: Running, query: str, cost: int) -> None:
    told = post(served, query).json()["extensions"]["cost"]
    assert told["requestedQueryCost"] == cost
    assert 0 < told["actualQueryCost"] <= cost


def test_an_empty_bucket_throttles_in_the_body_of_a_good_answer(company: Path) -> None:
    with serving(Sandbox(company, ease=0.2)) as run:
        nest = "{ orders(first: 250) { nodes { lineItems(first: 250) { nodes { variant { id } product { id } } } } } }"
        answers = [post(run, nest) for _ in range(8)]
    throttled = [a for a in answers if "errors" in a.json()]
    assert throttled
    for answer in throttled:
        assert (answer.status_code, "retry-after" in answer.headers) == (200, False)
        body = answer.json()
        assert "data" not in body
        assert body["errors"][0]["extensions"]["code"] == "THROTTLED"
        cost = body["extensions"]["cost"]
        assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (398, None)
        status = cost["throttleStatus"]
        assert status["currentlyAvailable"] < 398 <= status["maximumAvailable"] == 20 * status["restoreRate"]


def test_a_bucket_restores_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("sandbox.vendors.shopify.cost.time.monotonic", lambda: now[0])
    bucket = Bucket()
    bucket.pay(1_900)
    assert not bucket.lets_in(200)
    now[0] += 1.0
    assert bucket.lets_in(200)
    assert bucket.status() == {"maximumAvailable": 2000.0, "currentlyAvailable": 200, "restoreRate": 100.0}


def test_deep_paging_is_refused(living: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.vendors.shopify.lists.DEEPEST", 300)
    with pytest.raises(AssertionError, match="Pagination is limited"):
        listed(living, "orders", "id", sort="UPDATED_AT")
    # A filter makes the list short enough.
    assert len(listed(living, "orders", "id", query="updated_at:>='2026-09-01'", sort="UPDATED_AT")) < 300


def test_counts(served: Running) -> None:
    counts = asked(
        served,
        "{ ordersCount(limit: null) { count precision } few: ordersCount(limit: 10) { count precision } "
        "customersCount { count } productsCount { count } "
        "late: ordersCount(query: \"updated_at:>='2026-06-01'\") { count } }",
    )
    assert counts["ordersCount"] == {"count": len(ids(served, "order")), "precision": "EXACT"}
    assert counts["few"] == {"count": 10, "precision": "AT_LEAST"}
    assert counts["customersCount"]["count"] == len(ids(served, "customer"))
    assert 0 < counts["late"]["count"] < counts["ordersCount"]["count"]


def test_keys_versions_and_scopes(living: Running) -> None:
    assert post(living, "{ shop { name } }", token=None).status_code == 401
    wrong = post(living, "{ shop { name } }", token="shpat_wrong")
    assert wrong.json() == {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
    assert post(living, "{ shop { name } }", version="2027-04").status_code == 404
    assert post(living, "{ shop { name } }", version="2026-05").status_code == 404
    assert post(living, "{ shop { name } }").headers["x-shopify-api-version"] == VERSION
    assert post(living, "{ shop { name } }", version="2024-01").headers["x-shopify-api-version"] == "2026-01"
    scopes = asked(living, "{ currentAppInstallation { accessScopes { handle } } }")["currentAppInstallation"]
    assert {s["handle"] for s in scopes["accessScopes"]} >= {"read_orders", "read_all_orders", "read_customers"}

    store(living).write_note("scopes", ["read_orders", "read_products"])
    answer = post(living, "{ customers(first: 1) { nodes { id } } }").json()
    assert answer["data"] is None
    assert answer["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
    assert "`read_customers` access scope" in answer["errors"][0]["message"]
    # Without read_all_orders only the last sixty days of orders are there.
    recent = listed(living, "orders", "createdAt")
    assert recent
    assert min(r["createdAt"] for r in recent) >= "2026-09-01"
    assert asked(living, "{ ordersCount { count } }")["ordersCount"]["count"] == len(recent)


def test_client_credentials_give_a_token_and_another_after_it_ended(living: Running) -> None:
    address = f"{living.url}/shopify/admin/oauth/access_token"
    form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    granted = httpx.post(address, data=form).json()
    assert granted["expires_in"] == 86_399
    assert "read_orders" in granted["scope"].split(",")
    assert post(living, "{ shop { name } }", token=granted["access_token"]).status_code == 200
    living.plan("shopify", "expired_token", after=0)
    assert post(living, "{ shop { name } }", token=granted["access_token"]).status_code == 401
    assert post(living, "{ shop { name } }", token=granted["access_token"]).status_code == 401
    again = httpx.post(address, data=form).json()["access_token"]
    assert post(living, "{ shop { name } }", token=again).status_code == 200
    assert httpx.post(address, data={**form, "client_secret": "wrong"}).status_code == 401


def test_a_bulk_operation_gives_what_pages_give(living: Running) -> None:
    operation, lines = bulk(living, BULK_ORDERS)
    assert operation["statuses"][0] == "CREATED"
    assert "RUNNING" in operation["statuses"]
    assert operation["statuses"][-1] == "COMPLETED"
    assert int(operation["objectCount"]) == len(lines)
    roots = {line["id"]: line for line in lines if "__parentId" not in line}
    assert int(operation["rootObjectCount"]) == len(roots)
    pages = listed(living, "orders", f"{ORDER} lineItems(first: 50) {{ nodes {{ {LINE} }} }}", first=50)
    children: dict[str, list[Any]] = {}
    for line in lines:
        if "__parentId" in line:
            children.setdefault(line["__parentId"], []).append({k: v for k, v in line.items() if k != "__parentId"})
    assert {p["id"]: p["lineItems"]["nodes"] for p in pages if p["lineItems"]["nodes"]} == children
    assert {p["id"]: {k: v for k, v in p.items() if k != "lineItems"} for p in pages} == roots
    # Children need not follow their parents, unless that was asked for.
    assert not _grouped(lines)
    assert _grouped(bulk(living, BULK_ORDERS, group=True)[1])


def _grouped(lines: list[dict[str, Any]]) -> bool:
    parent = None
    for line in lines:
        if "__parentId" not in line:
            parent = line["id"]
        elif line["__parentId"] != parent:
            return False
    return True


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("{ shop { name } }", "at least one connection"),
        ("{ orders { nodes { total } } }", "Invalid bulk query"),
        (
            "{ orders { edges { node { id refunds { transactions(first: 1) { nodes { id } } } } } } }",
            "within a list field",
        ),
        ("{ products { edges { node { title variants { edges { node { id } } } } } } }", "must select the 'id' field"),
        (
            "{ products { edges { node { id variants { edges { node { id inventoryItem { inventoryLevels { edges "
            "{ node { id item { inventoryLevels { edges { node { id } } } } } } } } } } } } } } }",
            "nesting depth greater than 2",
        ),
        ("{ orders { nodes { id } } }", "Selecting via 'nodes' is not supported"),
        ("{ a: orders { nodes { id } } b: customers { nodes { id } } }", "exactly one top level field"),
        (
            'mutation { bulkOperationCancel(id: "gid://shopify/BulkOperation/1") { userErrors { message } } }',
            "Invalid operation type",
        ),
    ],
)
def test_bulk_queries_that_shopify_refuses(served: Running, query: str, words: str) -> None:
    payload = asked(served, RUN, {"q": query})["bulkOperationRunQuery"]
    assert payload["bulkOperation"] is None
    assert any(words in error["message"] for error in payload["userErrors"]), payload["userErrors"]
    assert payload["userErrors"][0]["code"] == "INVALID"


def test_the_files_of_bulk_operations_need_their_address_and_a_missing_scope_fails_the_operation(
    living: Running,
) -> None:
    operation, lines = bulk(living, "{ customers { edges { node { id } } } }")
    assert len(lines) == len(ids(living, "customer"))
    assert httpx.get(operation["url"].partition("?")[0]).status_code == 403
    store(living).write_note("scopes", ["read_products"])
    failed, _ = bulk(living, "{ customers { edges { node { id } } } }")
    assert (failed["status"], failed["errorCode"], failed["url"]) == ("FAILED", "ACCESS_DENIED", None)


def test_answers_and_requests_hold_against_shopifys_schema(living: Running, published_schema: GraphQLSchema) -> None:
    listed(living, "orders", f"{ORDER} lineItems(first: 20) {{ nodes {{ {LINE} }} edges {{ cursor }} }}", first=250)
    listed(living, "customers", CUSTOMER, first=250)
    levels = f"inventoryLevels(first: 5) {{ nodes {{ {LEVEL} }} }} }}"
    listed(living, "products", f"{PRODUCT} variants(first: 20) {{ nodes {{ {VARIANT} {levels} }} }}", first=50)
    listed(living, "inventoryItems", "id sku tracked")
    living.sandbox.night()
    asked(living, SUNDRY)
    bulk(living, BULK_ORDERS)
    bulk(living, f"{{ customers {{ edges {{ node {{ {CUSTOMER} }} }} }} }}")
    bulk(
        living,
        f"{{ products {{ edges {{ node {{ {PRODUCT} variants {{ edges {{ node {{ {VARIANT} }} }} }} }} }} }} }} }}",
    )
    levels = f"inventoryLevels {{ edges {{ node {{ {LEVEL} }} }} }}"
    bulk(living, f"{{ inventoryItems {{ edges {{ node {{ id sku {levels} }} }} }} }}")
    report = check(published_schema, living.sandbox.exchanges)
    assert report.failures == []
    assert (report.requests, report.answers) > (20, 20)
    assert report.lines > 1_000


def test_a_night_changes_just_what_it_says(living: Running) -> None:
    fields = {
        "order": ("orders", "id name updatedAt note displayFulfillmentStatus"),
        "customer": ("customers", "id updatedAt firstName defaultAddress { city }"),
        "product": ("products", "id title updatedAt status"),
    }
    before = {c: {r["id"]: r for r in listed(living, root, f)} for c, (root, f) in fields.items()}
    for number in (1, 2):
        changes = living.sandbox.night()["shopify"]
        at = FIRST_MOMENT + number * DAY - DAY // 2
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at / 1000))
        for collection, (root, f) in fields.items():
            after = {r["id"]: r for r in listed(living, root, f)}
            told, old = changes[collection], before[collection]
            assert set(bare([after[i] for i in after if i not in old])) == set(told.added)
            assert set(bare([old[i] for i in old if i not in after])) == set(told.deleted)
            assert set(bare([after[i] for i in after if i in old and after[i] != old[i]])) == set(told.changed)
            assert min(len(told.added), len(told.changed)) >= 2
            assert told.deleted
            fresh = listed(living, root, "id", query=f"updated_at:>='{since}'", sort="UPDATED_AT")
            assert set(bare(fresh)) == {*told.added, *told.changed}
            before[collection] = after
    text = """{ events(first: 10, query: "action:destroy AND subject_type:PRODUCT") {
        nodes { ... on BasicEvent { subjectId subjectType createdAt } } } }"""
    gone = asked(living, text)["events"]["nodes"]
    assert len(gone) == 2
    assert all(event["subjectId"] not in before["product"] for event in gone)


def test_lines_lose_a_product_that_is_gone(living: Running) -> None:
    text = "{ orders(first: 1) { nodes { lineItems(first: 1) { nodes { title variant { id } product { id } } } } } }"
    (line,) = asked(living, text)["orders"]["nodes"][0]["lineItems"]["nodes"]
    store(living).delete("variant", bare([line["variant"]])[0], FIRST_MOMENT)
    (after,) = asked(living, text)["orders"]["nodes"][0]["lineItems"]["nodes"]
    assert after == {"title": line["title"], "variant": None, "product": None}


@pytest.mark.parametrize(
    "kind",
    [
        "too_many_requests",
        "server_error",
        "cut",
        "truncated_json",
        "malformed_json",
        "reordered_page",
        "duplicated_page",
    ],
)
def test_faults_strike_pages(living: Running, kind: Any) -> None:
    text, variables = PAGE.format(root="customers", fields="id", sort=""), {"first": 10, "query": ""}
    first = asked(living, text, variables)["customers"]
    variables["after"] = first["pageInfo"]["endCursor"]
    good = asked(living, text, variables)["customers"]["nodes"]
    living.plan("shopify", kind, after=0)
    if kind == "cut":
        with pytest.raises(httpx.RemoteProtocolError):
            post(living, text, variables)
    else:
        response = post(living, text, {**variables, "after": first["pageInfo"]["endCursor"]})
        if kind == "too_many_requests":
            assert response.json()["errors"][0]["extensions"]["code"] == "THROTTLED"
        elif kind == "server_error":
            assert response.status_code in (500, 503)
        elif kind in ("truncated_json", "malformed_json"):
            with pytest.raises(json.JSONDecodeError):
                response.json()
        else:
            rows = response.json()["data"]["customers"]["nodes"]
            assert rows == (good[::-1] if kind == "reordered_page" else good)
    assert asked(living, text, variables)["customers"]["nodes"] == good


def test_a_look_at_an_operation_does_not_undo_its_end(living: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    put = Bulk._put

    def slowly(self: Bulk, body: dict[str, Any]) -> None:
        if body["status"] == "RUNNING" and body["seen"] > 0:
            time.sleep(0.2)
        put(self, body)

    monkeypatch.setattr(Bulk, "_put", slowly)
    operation, lines = bulk(living, BULK_ORDERS)
    assert operation["status"] == "COMPLETED"
    assert len(lines) == int(operation["objectCount"]) > 0


def test_a_moving_page_moves_records_and_loses_none(living: Running) -> None:
    living.plan("shopify", "moving_page", after=1)
    before = ids(living, "order")
    rows = bare(listed(living, "orders", "id updatedAt", sort="UPDATED_AT", first=100))
    assert set(rows) == before
    # What was changed meanwhile came once more, at the end.
    assert len(rows) == len(before) + 1
    assert rows[0] == rows[-1]


def test_the_same_seed_fills_the_same_store(tmp_path: Path) -> None:
    trade = make_trade(7, 0.02)
    dumps, truths = [], []
    for number in (1, 2):
        store, truth = Store(tmp_path / f"{number}.sqlite"), Truth()
        VENDOR.fill(Out(source="shop", folder=tmp_path, seed=7, scale=0.02, trade=trade, truth=truth), store)
        dumps.append([(c, r) for c in store.collections() for r in store.page(c, limit=100_000)])
        truths.append(truth)
    assert dumps[0] == dumps[1]
    rows = {(r["entity"]): r["value"] for f in truths[0].totals for r in f.filter(f["measure"] == "rows").to_dicts()}
    assert rows["sales_order"] == trade.orders.height
    assert rows["order_line"] == trade.lines.height
    kinds = {(b["entity"], b["kind"]) for b in truths[0].bad}
    assert kinds == {
        ("sales_order", "negative total"),
        ("sales_order", "no status"),
        ("order_line", "negative price"),
        ("refund", "no day"),
        ("product", "negative price"),
    }
