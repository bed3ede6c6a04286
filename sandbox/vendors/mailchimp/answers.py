"""How the demo company's Mailchimp account answers: lists by offset, and refusals as problem documents.

What the account holds is made elsewhere.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.store import Order, Record, Store
from sandbox.vendor import Desk

#: The part after the hyphen names the data centre, and with it the host.
KEY = "demo-mailchimp-token-us6"
#: Names of the lists in answers, each with the last part of its path.
RECORDS = {
    "members": "members",
    "campaigns": "campaigns",
    "reports": "reports",
    "sent_to": "sent-to",
    "emails": "email-activity",
    "unsubscribes": "unsubscribed",
    "lists": "lists",
}
_LARGEST = 1000
_PAGED = frozenset({"fields", "exclude_fields", "count", "offset"})
_SINGLE = frozenset({"fields", "exclude_fields"})
_ROOT = "https://us6.api.mailchimp.com/3.0"
_PROBLEM = "application/problem+json; charset=utf-8"
_SORTS: dict[str, Order] = {
    "last_changed": "updated",
    "timestamp_opt": "created",
    "timestamp_signup": "created",
    "send_time": "created",
    "create_time": "created",
}
_STATUSES = {
    "members": ("subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived"),
    "campaigns": ("save", "paused", "schedule", "sending", "sent"),
}


class _Refusal(Exception):
    """A request that Mailchimp would refuse."""

    def __init__(self, status: int, title: str, detail: str, **more: Any) -> None:
        self.status, self.title, self.detail, self.more = status, title, detail, more


def error(status: int) -> tuple[Any, Mapping[str, str]]:
    """Mailchimp's body for an error that concerns no particular parameter."""
    title, detail = {
        401: ("API Key Invalid", "Your API key may be invalid, or you've attempted to access the wrong datacenter."),
        403: ("Forbidden", "You do not have permission to access this resource."),
        404: ("Resource Not Found", "The requested resource could not be found."),
        429: ("Too Many Requests", "You have exceeded the limit of 10 simultaneous connections."),
    }.get(status, ("Internal Server Error", "An unexpected internal error has occurred."))
    return _problem(status, title, detail), {"Content-Type": _PROBLEM}


def _problem(status: int, title: str, detail: str, **more: Any) -> dict[str, Any]:
    kind = "https://mailchimp.com/developer/marketing/docs/errors/"
    return {"type": kind, "title": title, "status": status, "detail": detail, "instance": str(uuid.uuid4()), **more}


def authorised(request: Request, desk: Desk) -> bool:
    """Whether the key is the account's, as bearer token or as the password of any user."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        value = base64.b64decode(value).decode().partition(":")[2]
    return value == KEY


@dataclass(frozen=True, kw_only=True)
class _Listing:
    """A list: the collection it comes from, its name in answers, what filters it by time, and what else it takes."""

    collection: str
    name: str
    times: Mapping[str, Order] = field(default_factory=dict)
    filters: Sequence[str] = ()
    sorts: Sequence[str] = ()


_LISTS = _Listing(collection="lists", name="lists", times={"date_created": "created"})
_MEMBERS = _Listing(
    collection="members",
    name="members",
    times={"last_changed": "updated", "timestamp_opt": "created"},
    filters=("status",),
    sorts=("last_changed", "timestamp_opt", "timestamp_signup"),
)
_CAMPAIGNS = _Listing(
    collection="campaigns",
    name="campaigns",
    times={"send_time": "created", "create_time": "created"},
    filters=("status", "type", "list_id"),
    sorts=("send_time", "create_time"),
)
_REPORTS = _Listing(collection="reports", name="reports", times={"send_time": "created"}, filters=("type",))
_OF_CAMPAIGN = {
    "sent-to": _Listing(collection="sent_to", name="sent_to"),
    "email-activity": _Listing(collection="email_activity", name="emails"),
    "unsubscribed": _Listing(collection="unsubscribes", name="unsubscribes"),
}


def routes(desk: Desk) -> Sequence[Route]:
    """The routes of the account that reading needs."""
    store = desk.store

    def ping(request: Request) -> dict[str, Any]:
        return {"health_status": "Everything's Chimpy!"}

    def lists(request: Request) -> dict[str, Any]:
        return _listed(desk, request, _LISTS)

    def members(request: Request) -> dict[str, Any]:
        list_id = _existing(store, "lists", request.path_params["list_id"]).id
        return _listed(desk, request, _MEMBERS, {"list_id": list_id})

    def campaigns(request: Request) -> dict[str, Any]:
        return _listed(desk, request, _CAMPAIGNS)

    def reports(request: Request) -> dict[str, Any]:
        return _listed(desk, request, _REPORTS)

    def of_campaign(request: Request) -> dict[str, Any]:
        listing = _OF_CAMPAIGN.get(request.path_params["part"])
        if listing is None:
            raise _Refusal(404, "Resource Not Found", "The requested resource could not be found.")
        campaign = _existing(store, "reports", request.path_params["id"]).id
        return _listed(desk, request, listing, {"campaign_id": campaign})

    def one(collection: str) -> Callable[[Request], dict[str, Any]]:
        def make(request: Request) -> dict[str, Any]:
            _known(request, _SINGLE)
            record = _existing(store, collection, request.path_params["id"])
            return _projected(request, _linked(record, request.url.path))

        return make

    async def missing(request: Request) -> Response:
        body, headers = error(404)
        return JSONResponse(body, 404, headers)

    made: dict[str, Callable[[Request], dict[str, Any]]] = {
        "/3.0/ping": ping,
        "/3.0/lists": lists,
        "/3.0/lists/{id}": one("lists"),
        "/3.0/lists/{list_id}/members": members,
        "/3.0/lists/{list_id}/members/{id}": one("members"),
        "/3.0/campaigns": campaigns,
        "/3.0/campaigns/{id}": one("campaigns"),
        "/3.0/reports": reports,
        "/3.0/reports/{id}": one("reports"),
        "/3.0/reports/{id}/{part}": of_campaign,
    }
    answering = [Route(path, _answering(make), methods=["GET"]) for path, make in made.items()]
    return [*answering, Route("/{path:path}", missing, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])]


def _answering(make: Callable[[Request], dict[str, Any]]) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        try:
            return JSONResponse(make(request))
        except _Refusal as refusal:
            body = _problem(refusal.status, refusal.title, refusal.detail, **refusal.more)
            return JSONResponse(body, refusal.status, {"Content-Type": _PROBLEM})

    return answer


def _existing(store: Store, collection: str, id: str) -> Record:
    record = store.get(collection, id)
    if record is None:
        raise _Refusal(404, "Resource Not Found", "The requested resource could not be found.")
    return record


def _invalid(name: str, message: str) -> _Refusal:
    detail = "The resource submitted could not be validated. For field-specific details, see the 'errors' array."
    return _Refusal(400, "Invalid Resource", detail, errors=[{"field": name, "message": message}])


def _known(request: Request, names: frozenset[str]) -> None:
    for name in request.query_params:
        if name not in names:
            raise _invalid(name, "This parameter is not known.")


def _number(request: Request, name: str, default: int, low: int, high: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdigit() or not low <= int(text) <= high:
        raise _invalid(name, f"This value should be between {low} and {high}.")
    return int(text)


def _moment(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise _invalid(name, "This value is not a valid datetime.") from None
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


@dataclass
class _Wish:
    """Which records of a collection are asked for, in which order."""

    parent: str | None
    by: Order = "updated"
    since: int | None = None
    until: int | None = None
    filters: dict[str, str] = field(default_factory=dict)
    order: Order = "seq"
    descending: bool = False


def _listed(desk: Desk, request: Request, listing: _Listing, parent: Mapping[str, str] | None = None) -> dict[str, Any]:
    if desk.faults.strikes("expired_token"):
        refused = error(401)[0]
        raise _Refusal(401, refused["title"], refused["detail"])
    wish = _wish(request, listing, next(iter(parent.values())) if parent else None)
    count, offset = _number(request, "count", 10, 1, _LARGEST), _number(request, "offset", 0, 0, 10**9)
    if listing is _MEMBERS and desk.faults.strikes("moving_page"):
        _move(desk, wish)
    records, total = _found(desk.store, listing, wish, count, offset)
    rows = [_linked(record, f"{request.url.path}/{record.body.get('id', '')}") for record in records]
    if "since" in request.query_params:
        rows = [_since(row, _moment(request, "since") or 0) for row in rows]
    document = {listing.name: rows, **(parent or {}), "total_items": total, "_links": _links(request.url.path)}
    return _projected(request, document)


def _wish(request: Request, listing: _Listing, parent: str | None) -> _Wish:
    bounds = {f"{side}_{time}" for time in listing.times for side in ("since", "before")}
    sorts = {"sort_field", "sort_dir"} if listing.sorts else set()
    since = {"since"} if listing.name == "emails" else set()
    _known(request, _PAGED | bounds | sorts | since | frozenset(listing.filters))
    wish = _Wish(parent=parent)
    for name, order in listing.times.items():
        after, before = _moment(request, f"since_{name}"), _moment(request, f"before_{name}")
        if after is not None or before is not None:
            wish.by, wish.since, wish.until = order, after + 1 if after is not None else None, before
    if since:
        at = _moment(request, "since")
        wish.since = at + 1 if at is not None else None
    if field_name := request.query_params.get("sort_field"):
        if field_name not in listing.sorts:
            raise _invalid("sort_field", "The value you selected is not a valid choice.")
        wish.order = _SORTS[field_name]
    if (way := request.query_params.get("sort_dir", "ASC")) not in ("ASC", "DESC"):
        raise _invalid("sort_dir", "The value you selected is not a valid choice.")
    wish.descending = way == "DESC"
    for name in listing.filters:
        if (value := request.query_params.get(name)) is not None:
            if name == "status" and value not in _STATUSES[listing.collection]:
                raise _invalid(name, "The value you selected is not a valid choice.")
            wish.filters[name] = value
    if listing is _MEMBERS and wish.filters.get("status") == "archived":
        wish.parent = archived_parent(str(parent))
    return wish


def archived_parent(list_id: str) -> str:
    """What archived members are looked up by; a list shows them only to who asks for them."""
    return f"{list_id}/archived"


def _found(store: Store, listing: _Listing, wish: _Wish, count: int, offset: int) -> tuple[list[Record], int]:
    bounds: dict[str, Any] = {"since": wish.since, "until": wish.until, "by": wish.by, "parent": wish.parent}
    ordered: dict[str, Any] = {**bounds, "order": wish.order, "descending": wish.descending}
    if not wish.filters or wish.filters == {"status": "archived"}:
        return store.page(listing.collection, limit=count, offset=offset, **ordered), store.count(
            listing.collection, **bounds
        )
    rows = [r for r in store.page(listing.collection, limit=10**6, **ordered) if _matches(r, wish.filters)]
    return rows[offset : offset + count], len(rows)


def _matches(record: Record, filters: Mapping[str, str]) -> bool:
    body = {**record.body, "list_id": record.body.get("recipients", record.body).get("list_id")}
    return all(body.get(name) == value for name, value in filters.items())


def _move(desk: Desk, wish: _Wish) -> None:
    """A member who comes first changes, and so comes last: what follows moves up, and counting on skips one."""
    store, now = desk.store, desk.now() // 1000 * 1000
    rows = store.page("members", limit=50, order="updated", parent=wish.parent)
    first = next((row for row in rows if row.body["status"] == "subscribed"), None)
    if first is None:
        return
    body = {**first.body, "last_changed": datetime.fromtimestamp(now / 1000, UTC).isoformat()}
    store.put("members", [Record(id=first.id, body=body, created=first.created, updated=now, parent=first.parent)])


def _since(row: dict[str, Any], at: int) -> dict[str, Any]:
    acts = [act for act in row["activity"] if datetime.fromisoformat(act["timestamp"]).timestamp() * 1000 > at]
    return {**row, "activity": acts}


def _links(path: str) -> list[dict[str, str]]:
    return [{"rel": "self", "href": _ROOT + path.partition("/3.0")[2], "method": "GET"}]


def _linked(record: Record, path: str) -> dict[str, Any]:
    return {**record.body, "_links": _links(path)}


def _projected(request: Request, document: dict[str, Any]) -> dict[str, Any]:
    """The document with some fields only, or without some."""
    wanted, unwanted = (request.query_params.get(name) for name in ("fields", "exclude_fields"))
    if wanted:
        document = _keep(document, [path.split(".") for path in wanted.split(",")])
    if unwanted:
        document = _drop(document, [path.split(".") for path in unwanted.split(",")])
    return document


def _keep(value: Any, paths: list[list[str]]) -> Any:
    if isinstance(value, list):
        return [_keep(each, paths) for each in value]
    if not isinstance(value, dict) or any(not path for path in paths):
        return value
    inner = {name: [path[1:] for path in paths if path[0] == name] for name in value}
    return {name: _keep(value[name], rest) for name, rest in inner.items() if rest}


def _drop(value: Any, paths: list[list[str]]) -> Any:
    if isinstance(value, list):
        return [_drop(each, paths) for each in value]
    if not isinstance(value, dict):
        return value
    whole = {path[0] for path in paths if len(path) == 1}
    return {
        name: _drop(each, [path[1:] for path in paths if path[0] == name and len(path) > 1])
        for name, each in value.items()
        if name not in whole
    }
