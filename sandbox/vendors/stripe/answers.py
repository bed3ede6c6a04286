"""How the demo company's Stripe account answers: lists by creation, objects by id, and refusals in Stripe's words.

What the account holds is made elsewhere.
"""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.store import Record, Store
from sandbox.vendor import Desk
from sandbox.vendors.stripe.events import API_VERSION, EVENT_DAYS, event

TOKEN = "demo-stripe-token"  # noqa: S105
#: A key that may read neither subscriptions nor invoices.
RESTRICTED = "demo-stripe-restricted"
_LARGEST = 100
_DAY = 86_400_000
_CREATED = re.compile(r"created(?:\[(gt|gte|lt|lte)\])?")
_ITEM = re.compile(r"(expand|types)\[\d*\]")
_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class _Resource:
    """A kind of object: what errors call it, what it can be filtered by, and which of its ids can be expanded."""

    noun: str
    filters: Sequence[str] = ()
    expands: Mapping[str, str] = field(default_factory=dict)
    #: The collection's parent is this filter.
    parent: str = ""
    permission: str = ""


_RESOURCES = {
    "customers": _Resource(noun="customer", filters=["email"]),
    "charges": _Resource(
        noun="charge",
        filters=["customer", "payment_intent"],
        expands={"balance_transaction": "balance_transactions", "customer": "customers"},
        parent="customer",
    ),
    "refunds": _Resource(
        noun="refund",
        filters=["charge", "payment_intent"],
        expands={"balance_transaction": "balance_transactions", "charge": "charges"},
        parent="charge",
    ),
    "invoices": _Resource(
        noun="invoice",
        filters=["customer", "status", "subscription", "collection_method"],
        expands={"customer": "customers", "subscription": "subscriptions"},
        parent="customer",
        permission="rak_invoice_read",
    ),
    "subscriptions": _Resource(
        noun="subscription",
        filters=["customer", "status", "collection_method"],
        expands={"customer": "customers"},
        parent="customer",
        permission="rak_subscription_read",
    ),
    "balance_transactions": _Resource(
        noun="balance transaction", filters=["currency", "source", "type"], parent="source"
    ),
    "events": _Resource(noun="event", filters=["type", "types"]),
}
#: The events of what is made; movements of the balance have none.
_CREATIONS = {
    "customers": "customer.created",
    "charges": "charge.succeeded",
    "refunds": "refund.created",
    "invoices": "invoice.created",
    "subscriptions": "customer.subscription.created",
    "balance_transactions": "",
}
_STATUSES = {
    "invoices": ("draft", "open", "paid", "uncollectible", "void"),
    "subscriptions": (
        "active",
        "all",
        "canceled",
        "ended",
        "incomplete",
        "incomplete_expired",
        "past_due",
        "paused",
        "trialing",
        "unpaid",
    ),
}


class _Refusal(Exception):
    """A request that Stripe would refuse."""

    def __init__(self, message: str, *, status: int = 400, **more: str) -> None:
        self.status = status
        self.body = {"error": {"message": message, "type": "invalid_request_error", **more}}


def error(status: int) -> tuple[Any, Mapping[str, str]]:
    """Stripe's body for an error that concerns no particular parameter."""
    kind = "api_error" if status >= 500 else "invalid_request_error"
    messages = {
        401: "Invalid API Key provided: demo-***",
        403: "The provided key does not have access to this account.",
        404: "Unrecognized request URL. Please see https://stripe.com/docs.",
        429: "Request rate limit exceeded. Learn more about rate limits at https://stripe.com/docs/rate-limits.",
    }
    body = {"message": messages.get(status, "An unknown error occurred."), "type": kind}
    if status == 429:
        return {"error": {**body, "code": "rate_limit"}}, {"Stripe-Rate-Limited-Reason": "endpoint-rate"}
    return {"error": body}, {}


def authorised(request: Request, desk: Desk) -> bool:
    """Whether the key is one of the account's, as bearer token or as the user name of basic authentication."""
    return _key(request) in (TOKEN, RESTRICTED)


def _key(request: Request) -> str:
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        return base64.b64decode(value).decode().partition(":")[0]
    return value if kind.lower() == "bearer" else ""


def routes(desk: Desk) -> Sequence[Route]:
    """The routes of the account; Stripe has no others for reading than a list and an object of each kind."""

    async def listed(request: Request) -> Response:
        return _answer(request, lambda: _list(request, desk))

    async def one(request: Request) -> Response:
        return _answer(request, lambda: _one(request, desk))

    async def other(request: Request) -> Response:
        return JSONResponse(error(404)[0], 404)

    return [
        Route("/v1/{resource}", listed, methods=["GET"]),
        Route("/v1/{resource}/{id}", one, methods=["GET"]),
        Route("/{path:path}", other, methods=["GET", "POST", "DELETE"]),
    ]


def _answer(request: Request, make: Callable[[], Any]) -> Response:
    """The answer with what Stripe says beside it, or the refusal."""
    headers = {"Request-Id": f"req_{next(_numbers):014d}", "Stripe-Version": API_VERSION}
    try:
        version = request.headers.get("stripe-version", API_VERSION)
        if version != API_VERSION:
            raise _Refusal(f"Invalid Stripe API version: {version}")
        resource = _RESOURCES.get(request.path_params["resource"])
        if resource is None:
            return JSONResponse(error(404)[0], 404, headers=headers)
        if resource.permission and _key(request) == RESTRICTED:
            raise _Refusal(
                f"The provided key 'demo-***' does not have the required permissions for this endpoint on account "
                f"'acct_1demo'. Having the '{resource.permission}' permission would allow this request to continue.",
                status=403,
            )
        return JSONResponse(make(), headers=headers)
    except _Refusal as refusal:
        return JSONResponse(refusal.body, refusal.status, headers=headers)


def _one(request: Request, desk: Desk) -> dict[str, Any]:
    name, id = request.path_params["resource"], request.path_params["id"]
    resource = _RESOURCES[name]
    expands: list[str] = []
    for key, value in request.query_params.multi_items():
        if not _ITEM.fullmatch(key) or not key.startswith("expand"):
            raise _unknown(key)
        expands.append(value)
    record = desk.store.get(name, id, deleted=name == "customers")
    if record is None or (name == "events" and record.created < desk.now() - EVENT_DAYS * _DAY):
        raise _Refusal(f"No such {resource.noun}: '{id}'", status=404, code="resource_missing", param="id")
    return _expanded(desk.store, record, resource, expands)


@dataclass
class _Wish:
    """What a list was asked for."""

    limit: int = 10
    starting_after: str = ""
    ending_before: str = ""
    since: int | None = None
    until: int | None = None
    filters: dict[str, str] = field(default_factory=dict)
    types: list[str] = field(default_factory=list)
    expands: list[str] = field(default_factory=list)


def _list(request: Request, desk: Desk) -> dict[str, Any]:
    name = request.path_params["resource"]
    resource, wish = _RESOURCES[name], _wish(name, request)
    if desk.faults.strikes("expired_token"):
        raise _Refusal("Expired API Key provided: demo-***", status=401, code="api_key_expired")
    if name == "events":
        wish.since = max(wish.since or 0, desk.now() - EVENT_DAYS * _DAY)
    if name in _CREATIONS and desk.faults.strikes("moving_page"):
        _arrive(desk, name)
    found = _found(desk.store, name, wish)
    more = len(found) > wish.limit
    page = found[: wish.limit]
    if wish.ending_before:
        page.reverse()
    return {
        "object": "list",
        "data": [_expanded(desk.store, record, resource, wish.expands) for record in page],
        "has_more": more,
        "url": f"/v1/{name}",
    }


def _arrive(desk: Desk, name: str) -> None:
    """Something new comes in before a page is made: all that was there moves on by one place."""
    (newest,) = desk.store.page(name, order="created", descending=True, limit=1)
    now, number = desk.now() // 1000 * 1000, desk.store.count(name, deleted=None)
    body = {**newest.body, "id": f"{newest.id.partition('_')[0]}_M{number:09d}", "created": now // 1000}
    record = Record(id=body["id"], body=body, created=now, updated=now, parent=newest.parent)
    desk.store.put(name, [record])
    if kind := _CREATIONS[name]:
        desk.store.put("events", [event(desk.store.count("events", deleted=None) + 1, kind, body, now)])


def _wish(name: str, request: Request) -> _Wish:
    """The parameters, each checked as Stripe checks it."""
    wish, resource = _Wish(), _RESOURCES[name]
    for key, value in request.query_params.multi_items():
        if key == "limit":
            wish.limit = _limit(value)
        elif key in ("starting_after", "ending_before"):
            setattr(wish, key, value)
        elif made := _CREATED.fullmatch(key):
            _bound(wish, made[1], value)
        elif (item := _ITEM.fullmatch(key)) and item[1] == "expand":
            wish.expands.append(_expand(resource, value))
        elif item and "types" in resource.filters:
            wish.types.append(value)
        elif key in resource.filters and key != "types":
            wish.filters[key] = _filter(name, key, value)
        else:
            raise _unknown(key)
    if wish.starting_after and wish.ending_before:
        raise _Refusal("Received both ending_before and starting_after parameters.", code="parameters_exclusive")
    if len(wish.types) > 20 or (wish.types and "type" in wish.filters):
        raise _Refusal("Pass up to 20 types, or a single type, and not both.", param="types")
    return wish


def _unknown(key: str) -> _Refusal:
    return _Refusal(f"Received unknown parameter: {key}", code="parameter_unknown", param=key)


def _integer(key: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise _Refusal(f"Invalid integer: {value}", code="parameter_invalid_integer", param=key) from None


def _limit(value: str) -> int:
    limit = _integer("limit", value)
    if limit > _LARGEST:
        message = f"This value must be less than or equal to {_LARGEST}."
        raise _Refusal(message, code="parameter_invalid_integer", param="limit")
    if limit < 1:
        message = "This value must be greater than or equal to 1."
        raise _Refusal(message, code="parameter_invalid_integer", param="limit")
    return limit


def _bound(wish: _Wish, side: str | None, value: str) -> None:
    at = _integer("created", value) * 1000
    if side in (None, "gte", "gt"):
        wish.since = at + 1000 if side == "gt" else at
    if side in (None, "lte", "lt"):
        wish.until = at if side == "lt" else at + 1000


def _expand(resource: _Resource, value: str) -> str:
    path = value.removeprefix("data.")
    if path == value or path not in resource.expands:
        raise _Refusal(f"This property cannot be expanded ({path}).", param="expand")
    return path


def _filter(name: str, key: str, value: str) -> str:
    choices = _STATUSES.get(name, ()) if key == "status" else ()
    if choices and value not in choices:
        raise _Refusal(f"Invalid status: must be one of {', '.join(choices[:-1])}, or {choices[-1]}", param=key)
    return value


def _found(store: Store, name: str, wish: _Wish) -> list[Record]:
    """One record more than asked for, if there is one; newest first, or backwards before a record."""
    backwards = bool(wish.ending_before)
    at = _place(store, name, wish.ending_before or wish.starting_after, backwards)
    resource, found = _RESOURCES[name], list[Record]()
    parent = wish.filters.get(resource.parent) if resource.parent else None
    while len(found) <= wish.limit:
        records = store.page(
            name,
            limit=500 if wish.filters or wish.types else wish.limit + 1 - len(found),
            order="created",
            descending=not backwards,
            after=at,
            since=wish.since,
            until=wish.until,
            by="created",
            parent=parent,
        )
        found += [record for record in records if _matches(name, record, wish)]
        if not records:
            break
        at = (records[-1].created, records[-1].seq)
    return found[: wish.limit + 1]


def _place(store: Store, name: str, id: str, backwards: bool) -> tuple[int, int] | None:
    if not id:
        return None
    record = store.get(name, id, deleted=True)
    if record is None:
        param = "ending_before" if backwards else "starting_after"
        raise _Refusal(f"No such {_RESOURCES[name].noun}: '{id}'", code="resource_missing", param=param)
    return record.created, record.seq


def _matches(name: str, record: Record, wish: _Wish) -> bool:
    if wish.types and record.body["type"] not in wish.types:
        return False
    if name == "subscriptions" and not _has_status(record.body["status"], wish.filters.get("status")):
        return False
    if name == "events" and not fnmatchcase(record.body["type"], wish.filters.get("type", "*")):
        return False
    done = {"subscriptions": "status", "events": "type"}.get(name)
    others = {key: value for key, value in wish.filters.items() if key != done}
    return all(record.body.get(key) == value for key, value in others.items())


def _has_status(status: str, wanted: str | None) -> bool:
    """Cancelled subscriptions are only shown to those who ask for them."""
    if wanted == "ended":
        return status in ("canceled", "incomplete_expired")
    return status != "canceled" if wanted is None else wanted in ("all", status)


def _expanded(store: Store, record: Record, resource: _Resource, expands: Sequence[str]) -> dict[str, Any]:
    if record.deleted is not None:
        return {"id": record.id, "object": resource.noun, "deleted": True}
    body = dict(record.body)
    for path in expands:
        if path not in resource.expands:
            raise _Refusal(f"This property cannot be expanded ({path}).", param="expand")
        if isinstance(body.get(path), str):
            other = store.get(resource.expands[path], body[path], deleted=True)
            body[path] = _expanded(store, other, _RESOURCES[resource.expands[path]], ()) if other else None
    return body
