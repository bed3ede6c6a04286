"""Shopify for the demo company: its Admin GraphQL API, version 2026-10, answered by a real GraphQL engine.

Shapes, limits and refusals: https://shopify.dev/docs/api/admin-graphql/2026-10 and https://shopify.dev/docs/api/usage.
`admin.graphql` is the part of Shopify's schema that is spoken; a test holds it against the one that Shopify publishes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from graphql import (
    ExecutionResult,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    execute_sync,
    get_named_type,
    get_operation_ast,
    parse,
    validate,
)
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.store import Record
from sandbox.vendor import Desk, Limit, Vendor
from sandbox.vendors.shopify.admin import SCOPES, SUPPORTED, VERSION, reader, schema, signature
from sandbox.vendors.shopify.bulk import Bulk
from sandbox.vendors.shopify.cost import MOST, Bucket, Pricer
from sandbox.vendors.shopify.lists import Context
from sandbox.vendors.shopify.nights import night
from sandbox.vendors.shopify.records import fill

TOKEN = "demo-shopify-token"  # noqa: S105
CLIENT_ID, CLIENT_SECRET = "demo-shopify-client", "demo-shopify-secret"
#: How long a token of the client credentials grant lives.
DAY_SECONDS = 86_399
_VERSION = re.compile(r"20\d\d-(01|04|07|10)")
_UNKNOWN_FIELD = re.compile(r"Cannot query field '(\w+)' on type '(\w+)'")


def _routes(desk: Desk) -> Sequence[Route]:
    api = Api(desk)
    return [
        Route("/admin/api/{version}/graphql.json", api.graphql, methods=["POST"]),
        Route("/admin/oauth/access_token", api.token, methods=["POST"]),
        Route("/storage/{number}.jsonl", api.file, methods=["GET"]),
    ]


class Api:
    """The shop's API, at one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._bucket = Bucket(desk.ease)
        self._bulk = Bulk(desk.store, desk.now)

    async def graphql(self, request: Request) -> Response:
        """Answers a query."""
        version = request.path_params["version"]
        if version != "unstable" and (not _VERSION.fullmatch(version) or version > VERSION):
            return JSONResponse({"errors": "Not Found"}, 404)
        # A version that has ended is answered by the oldest that has not.
        headers = {"X-Shopify-API-Version": version if version in SUPPORTED else SUPPORTED[0]}
        if self._desk.faults.strikes("expired_token"):
            self._desk.store.write_note("granted", None)
            body, _ = _error(401)
            return JSONResponse(body, 401, headers)
        try:
            sent = json.loads(await request.body())
            query, variables = sent["query"], sent.get("variables") or {}
        except (ValueError, KeyError, TypeError):
            return JSONResponse({"errors": {"query": "Required parameter missing or invalid"}}, 400, headers)
        if self._desk.faults.strikes("moving_page"):
            self._move()
        base = str(request.base_url).rstrip("/") + "/shopify"
        answer = await run_in_threadpool(self._answer, query, variables, sent.get("operationName"), base)
        return JSONResponse(answer, 200, headers)

    def _answer(self, query: str, variables: Mapping[str, Any], name: str | None, base: str) -> dict[str, Any]:
        try:
            document = parse(query)
        except GraphQLSyntaxError as error:
            return {"errors": [{"message": error.message}]}
        mistakes = validate(schema(), document)
        operation = get_operation_ast(document, name)
        if mistakes or operation is None:
            return {"errors": [_mistake(m) for m in mistakes] or [{"message": "An operation name is required"}]}
        fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        pricer = Pricer(schema(), fragments, variables)
        requested = pricer.requested(operation)
        if requested > MOST:
            return _too_dear(requested)
        if not self._bucket.lets_in(requested):
            return _throttled(requested, self._bucket.status())
        granted = self._desk.store.note("scopes", list(SCOPES))
        # Who may write may read.
        scopes = frozenset([*granted, *(s.replace("write_", "read_", 1) for s in granted)])
        context = Context(store=self._desk.store, now=self._desk.now(), scopes=scopes, bulk=self._bulk, base=base)
        result = execute_sync(
            schema(),
            document,
            root_value={},
            context_value=context,
            variable_values=dict(variables),
            operation_name=name,
            field_resolver=_resolve,
            type_resolver=lambda value, info, kind: value["__typename"],
        )
        return self._told(context, result, pricer, operation, requested)

    def _told(
        self,
        context: Context,
        result: ExecutionResult,
        pricer: Pricer,
        operation: OperationDefinitionNode,
        requested: int,
    ) -> dict[str, Any]:
        actual = pricer.actual(operation, result.data)
        self._bucket.pay(actual)
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = [e.formatted for e in result.errors]
        cost = {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": self._bucket.status()}
        answer["extensions"] = {"cost": cost}
        if context.search:
            answer["extensions"]["search"] = context.search
        return answer

    def _move(self) -> None:
        """Somebody works in the shop while it is being read: the oldest customer and order are changed just now."""
        now = self._desk.now() // 1000 * 1000
        stamp = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for collection in ("customer", "order", "product"):
            for record in self._desk.store.page(collection, limit=1, order="updated"):
                body = {**record.body, "updatedAt": stamp}
                self._desk.store.put(collection, [Record(id=record.id, body=body, created=record.created, updated=now)])

    async def token(self, request: Request) -> Response:
        """Gives an app of the shop's own an access token, by the client credentials grant."""
        form = dict(parse_qsl((await request.body()).decode()))
        if form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return JSONResponse({"error": "invalid_client"}, 401)
        number = self._desk.store.note("grants", 0) + 1
        token = f"{TOKEN}-granted-{number}"
        self._desk.store.write_note("grants", number)
        self._desk.store.write_note("granted", token)
        scopes = self._desk.store.note("scopes", list(SCOPES))
        return JSONResponse({"access_token": token, "scope": ",".join(scopes), "expires_in": DAY_SECONDS})

    async def file(self, request: Request) -> Response:
        """Gives the lines of a bulk operation to whoever has its address."""
        number = request.path_params["number"]
        path = self._bulk.file(number)
        if request.query_params.get("Signature") != signature(number) or not path.exists():
            return Response("<Error><Code>AccessDenied</Code></Error>", 403, media_type="application/xml")
        return Response(await run_in_threadpool(path.read_bytes), media_type="application/jsonl")


def _resolve(source: Any, info: Any, **args: Any) -> Any:
    returns = get_named_type(info.return_type).name
    return reader(info.parent_type.name, info.field_name, returns)(info.context, source, args)


def _mistake(error: GraphQLError) -> dict[str, Any]:
    """A mistake in a query, in Shopify's words where they are known."""
    unknown = _UNKNOWN_FIELD.match(error.message)
    if unknown is None:
        return {**error.formatted, "extensions": {"code": "invalid"}}
    name, kind = unknown.groups()
    extensions = {"code": "undefinedField", "typeName": kind, "fieldName": name}
    return {"message": f"Field '{name}' doesn't exist on type '{kind}'", "extensions": extensions}


def _too_dear(cost: int) -> dict[str, Any]:
    message = f"Query cost is {cost}, which exceeds the single query max cost limit ({MOST})."
    extensions = {"code": "MAX_COST_EXCEEDED", "cost": cost, "maxCost": MOST}
    extensions["documentation"] = "https://shopify.dev/api/usage/rate-limits"
    return {"errors": [{"message": message, "extensions": extensions}]}


def _throttled(requested: int, status: Mapping[str, float]) -> dict[str, Any]:
    """Too many points at once: no 429 and no Retry-After, but this."""
    extensions = {"code": "THROTTLED", "documentation": "https://shopify.dev/api/usage/rate-limits"}
    cost = {"requestedQueryCost": requested, "actualQueryCost": None, "throttleStatus": status}
    return {"errors": [{"message": "Throttled", "extensions": extensions}], "extensions": {"cost": cost}}


def _error(status: int) -> tuple[Any, Mapping[str, str]]:
    if status == 429:
        return _throttled(0, Bucket().status()), {}
    texts = {
        401: "[API] Invalid API key or access token (unrecognized login or wrong password)",
        403: "[API] This action requires merchant approval.",
        404: "Not Found",
        500: "Internal Server Error",
        503: "Service Unavailable",
    }
    return {"errors": texts[status]}, {}


def _authorised(request: Request, desk: Desk) -> bool:
    if not request.url.path.endswith("/graphql.json"):
        return True
    token = request.headers.get("x-shopify-access-token")
    return token is not None and token in (TOKEN, desk.store.note("granted"))


def _is_page(request: Request) -> bool:
    """All is asked of one address, whose answers any fault may strike, and the files of bulk operations."""
    return request.url.path.endswith(("/graphql.json", ".jsonl"))


def _records_of(body: Any) -> list[Any] | None:
    if not isinstance(body, dict):
        return None
    for value in (body.get("data") or {}).values():
        if isinstance(value, dict):
            found = value.get("nodes") or value.get("edges")
            if isinstance(found, list):
                return found
    return None


VENDOR = Vendor(
    name="shopify",
    source="shop",
    fill=fill,
    routes=_routes,
    night=night,
    error=_error,
    authorised=_authorised,
    # Shopify counts points, not requests; this only keeps a runaway from drowning the sandbox.
    limit=Limit(requests=1_000, seconds=1.0),
    is_page=_is_page,
    records_of=_records_of,
    statuses={429: 200},
)
