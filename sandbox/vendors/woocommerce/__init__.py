"""WooCommerce for the demo company: the REST API v3 of a shop on WordPress, as of WooCommerce 10.3.

Shapes: https://woocommerce.github.io/woocommerce-rest-api-docs/. Parameters, their bounds and defaults, and which lists
know which, are those of the plugin's own controllers (includes/rest-api/Controllers in its source). Over plain HTTP a
real shop wants OAuth 1.0a; the sandbox stands for one on HTTPS, which takes key and secret as user and password.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.days import TIMEZONE
from sandbox.store import Order, Record, Store
from sandbox.vendor import Desk, Limit, Vendor
from sandbox.vendors.woocommerce.nights import night, times
from sandbox.vendors.woocommerce.records import fill

KEY, SECRET = "ck_demo_woocommerce", "cs_demo_woocommerce"
MOST = 100
_STATUSES = ("pending", "processing", "on-hold", "completed", "cancelled", "refunded", "failed")
_PUBLISHED = ("draft", "pending", "private", "publish")
#: Orders of lists, and those of the store; records are numbered as they are made.
_ORDERS: Mapping[str, Order] = {"date": "created", "registered_date": "created", "modified": "updated", "id": "seq"}
#: Settings by group and name: what may be chosen, and what is.
_SETTINGS = {
    ("general", "woocommerce_currency"): (("CHF", "EUR", "GBP", "USD"), "EUR"),
    ("products", "woocommerce_weight_unit"): (("kg", "g", "lbs", "oz"), "kg"),
}

Body = dict[str, Any]


class Refusal(Exception):
    """A request that WordPress refuses."""

    def __init__(self, status: int, code: str, message: str, **data: Any) -> None:
        super().__init__(message)
        self.status, self.body = status, {"code": code, "message": message, "data": {"status": status, **data}}


@dataclass(frozen=True, kw_only=True)
class List:
    """One of the lists: where its records are, what it may be sorted and filtered by."""

    collection: str
    sorts: tuple[str, ...] = ("date", "id", "include", "title", "slug", "modified")
    order: str = "desc"
    sort: str = "date"
    has_dates: bool = True
    statuses: tuple[str, ...] = ()


LISTS = {
    "orders": List(collection="order", statuses=_STATUSES),
    "products": List(
        collection="product",
        statuses=_PUBLISHED,
        sorts=("date", "id", "include", "title", "slug", "modified", "price", "popularity", "rating", "menu_order"),
    ),
    "variations": List(collection="variation", statuses=_PUBLISHED),
    "refunds": List(collection="refund"),
    "customers": List(
        collection="customer",
        sorts=("id", "include", "name", "registered_date"),
        order="asc",
        sort="name",
        has_dates=False,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The parameters of a list, checked."""

    page: int
    per_page: int
    offset: int | None
    order: str
    orderby: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    window: tuple[str, int | None, int | None] | None
    statuses: tuple[str, ...]
    fields: tuple[str, ...]


def _routes(desk: Desk) -> Sequence[Route]:
    def listing(name: str) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            return _answered(desk, lambda: _list(desk, name, request))

        return answer

    def single(name: str) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            return _answered(desk, lambda: _one(desk, name, request.path_params["id"]))

        return answer

    async def setting(request: Request) -> Response:
        return _answered(desk, lambda: _setting(**request.path_params))

    base = "/wp-json/wc/v3"
    return [
        *(Route(f"{base}/{name}", listing(name)) for name in LISTS),
        *(Route(f"{base}/{name}/{{id:int}}", single(name)) for name in ("orders", "products", "customers")),
        Route(f"{base}/products/{{parent:int}}/variations", listing("variations")),
        Route(f"{base}/orders/{{parent:int}}/refunds", listing("refunds")),
        Route(f"{base}/settings/{{group}}/{{id}}", setting),
        Route("/{path:path}", _no_route),
    ]


def _setting(group: str, id: str) -> Response:
    if (group, id) not in _SETTINGS:
        raise Refusal(404, "rest_setting_setting_invalid", "Invalid setting.")
    options, value = _SETTINGS[group, id]
    about = {"id": id, "label": id, "description": "", "type": "select", "default": value, "tip": ""}
    return JSONResponse({**about, "options": {o: o for o in options}, "value": value, "group_id": group})


async def _no_route(request: Request) -> Response:
    return _refused(Refusal(404, "rest_no_route", "No route was found matching the URL and request method."))


def _answered(desk: Desk, make: Callable[[], Response]) -> Response:
    if desk.faults.strikes("expired_token"):
        body, headers = _error(401)
        return JSONResponse(body, 401, dict(headers))
    if desk.faults.strikes("moving_page"):
        _move(desk)
    try:
        _allowed(desk.store)
        return make()
    except Refusal as refusal:
        return _refused(refusal)


def _allowed(store: Store) -> None:
    """A key has a permission, and its user a role; tests give it others.

    Raises:
        Refusal: the key may not read, or its user may not see the shop's records.
    """
    if store.note("permission", "read") == "write":
        message = "The API key provided does not have read permissions."
        raise Refusal(401, "woocommerce_rest_authentication_error", message)
    if store.note("role", "shop_manager") not in ("shop_manager", "administrator"):
        raise Refusal(403, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")


def _refused(refusal: Refusal) -> Response:
    return JSONResponse(refusal.body, refusal.status)


def _one(desk: Desk, name: str, number: int) -> Response:
    record = desk.store.get(LISTS[name].collection, str(number), deleted=True)
    if record is None or (record.deleted is not None and record.body.get("status") != "trash"):
        raise Refusal(404, f"woocommerce_rest_{LISTS[name].collection}_invalid_id", "Invalid ID.")
    return JSONResponse(_dressed(desk.store, name, record))


def _list(desk: Desk, name: str, request: Request) -> Response:
    asked = _asked(name, request)
    total, found = _found(desk.store, LISTS[name], asked, request.path_params.get("parent"))
    page = [_dressed(desk.store, name, r) for r in found]
    if asked.fields:
        page = [{k: v for k, v in body.items() if k in asked.fields} for body in page]
    pages = math.ceil(total / asked.per_page)
    headers = {"X-WP-Total": str(total), "X-WP-TotalPages": str(pages)}
    links = [
        f'<{request.url.include_query_params(page=number)}>; rel="{rel}"'
        for rel, number in (("prev", asked.page - 1), ("next", asked.page + 1))
        if (rel == "prev" and asked.page > 1) or (rel == "next" and pages > asked.page)
    ]
    return JSONResponse(page, headers={**headers, **({"Link": ", ".join(links)} if links else {})})


def _found(store: Store, kind: List, asked: Asked, parent: int | None) -> tuple[int, list[Record]]:
    """How many records are asked for, and those of the page. What is in the trash the store has as deleted."""
    by, since, until = asked.window or ("updated", None, None)
    which: dict[str, Any] = {
        "since": since,
        "until": until,
        "by": by,
        "parent": None if parent is None else str(parent),
    }
    start = asked.offset if asked.offset is not None else (asked.page - 1) * asked.per_page
    if asked.orderby in _ORDERS and not asked.include and not asked.exclude and asked.statuses == ("any",):
        which_page = {**which, "order": _ORDERS[asked.orderby], "descending": asked.order == "desc"}
        page = store.page(kind.collection, limit=asked.per_page, offset=start, **which_page)
        return store.count(kind.collection, **which), page
    only_trash = True if asked.statuses == ("trash",) else None
    every = store.page(kind.collection, limit=10_000_000, deleted=only_trash, **which)
    found = _sorted([r for r in every if _passes(r, asked)], asked)
    return len(found), found[start : start + asked.per_page]


def _sorted(records: list[Record], asked: Asked) -> list[Record]:
    if asked.orderby == "include" and asked.include:
        return sorted(records, key=lambda r: asked.include.index(r.id))
    keys: dict[str, Callable[[Record], Any]] = {
        "created": lambda r: (r.created, int(r.id)),
        "updated": lambda r: (r.updated, int(r.id)),
        "name": lambda r: (str(r.body.get("username") or r.body.get("name")), int(r.id)),
    }
    key = keys.get(_ORDERS.get(asked.orderby, asked.orderby), lambda r: int(r.id))
    return sorted(records, key=key, reverse=asked.order == "desc")


def _passes(record: Record, asked: Asked) -> bool:
    if (asked.include and record.id not in asked.include) or record.id in asked.exclude:
        return False
    status = record.body.get("status")
    if record.deleted is not None:
        return status == "trash" and "trash" in asked.statuses
    # «Any» is any but the trash.
    return "any" in asked.statuses or status in (None, *asked.statuses)


def _dressed(store: Store, name: str, record: Record) -> Body:
    links = {"self": [{"href": f"https://shop.example/wp-json/wc/v3/{name}/{record.id}"}]}
    if name != "orders":
        return {**record.body, "_links": links}
    refunds = [
        {"id": r.body["id"], "reason": r.body["reason"], "total": f"-{r.body['amount']}"}
        for r in store.page("refund", limit=100, parent=record.id)
    ]
    return {**record.body, "refunds": refunds, "_links": links}


def _asked(name: str, request: Request) -> Asked:
    """Checks the parameters as WordPress does: those that it does not know it passes over.

    Raises:
        Refusal: one has a value that is not allowed.
    """
    kind, given = LISTS[name], request.query_params
    wrong: dict[str, str] = {}
    asked = Asked(
        page=_whole(given, "page", 1, None, 1, wrong),
        per_page=_whole(given, "per_page", 1, MOST, 10, wrong),
        offset=_whole(given, "offset", 0, None, 0, wrong) if "offset" in given else None,
        order=_choice(given, "order", ("asc", "desc"), kind.order, wrong),
        orderby=_choice(given, "orderby", kind.sorts, kind.sort, wrong),
        include=_ids(given, "include"),
        exclude=_ids(given, "exclude"),
        window=_window(given, wrong) if kind.has_dates else None,
        statuses=_statuses(given, kind, wrong),
        fields=tuple(f for f in given.get("_fields", "").split(",") if f),
    )
    if name == "customers":
        _choice(given, "role", ("all", "customer", "administrator", "shop_manager", "subscriber"), "customer", wrong)
    if wrong:
        names = ", ".join(wrong)
        raise Refusal(400, "rest_invalid_param", f"Invalid parameter(s): {names}", params=wrong)
    return asked


def _whole(
    given: Mapping[str, str], name: str, least: int, most: int | None, default: int, wrong: dict[str, str]
) -> int:
    text = given.get(name)
    if text is None:
        return default
    if not text.lstrip("-").isdigit():
        wrong[name] = f"{name} is not of type integer."
        return default
    if int(text) < least or (most is not None and int(text) > most):
        bounds = f"between {least} (inclusive) and {most} (inclusive)" if most else f"greater than or equal to {least}"
        wrong[name] = f"{name} must be {bounds}"
    return int(text)


def _choice(given: Mapping[str, str], name: str, options: Sequence[str], default: str, wrong: dict[str, str]) -> str:
    value = given.get(name, default)
    if value not in options:
        wrong[name] = f"{name} is not one of {', '.join(options)}."
    return value


def _ids(given: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(i.strip() for i in given.get(name, "").split(",") if i.strip())


def _statuses(given: Mapping[str, str], kind: List, wrong: dict[str, str]) -> tuple[str, ...]:
    wanted = tuple(s for s in given.get("status", "any").split(",") if s)
    allowed = ("any", "trash", "future", *kind.statuses)
    if kind.statuses and not set(wanted) <= set(allowed):
        wrong["status"] = f"status[0] is not one of {', '.join(allowed)}."
    return wanted


def _window(given: Mapping[str, str], wrong: dict[str, str]) -> tuple[str, int | None, int | None] | None:
    """A window of one time, in milliseconds; both ends are excluded, by whole seconds."""
    gmt = given.get("dates_are_gmt", "false") in ("true", "1")
    for by, first, last in (("updated", "modified_after", "modified_before"), ("created", "after", "before")):
        if first in given or last in given:
            since, until = (_moment(given.get(name), name, gmt, wrong) for name in (first, last))
            return by, None if since is None else since + 1000, until
    return None


def _moment(text: str | None, name: str, gmt: bool, wrong: dict[str, str]) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        wrong[name] = "Invalid date."
        return None
    zone = UTC if gmt else ZoneInfo(TIMEZONE)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp() * 1000)


def _move(desk: Desk) -> None:
    """Somebody works in the shop while it is being read: what was changed longest ago is changed just now."""
    now = desk.now() // 1000 * 1000
    for collection in ("order", "product", "customer"):
        for record in desk.store.page(collection, limit=1, order="updated"):
            body = {**record.body, **times("date_modified", now)}
            desk.store.put(collection, [Record(id=record.id, body=body, created=record.created, updated=now)])


def _error(status: int) -> tuple[Any, Mapping[str, str]]:
    codes = {
        401: ("woocommerce_rest_authentication_error", "Consumer key is invalid."),
        403: ("rest_forbidden", "Sorry, you are not allowed to do that."),
        404: ("rest_no_route", "No route was found matching the URL and request method."),
        429: ("too_many_requests", "Too many requests."),
        500: ("internal_server_error", "There has been a critical error on this website."),
        503: ("rest_maintenance", "Briefly unavailable for scheduled maintenance. Check back in a minute."),
    }
    code, message = codes[status]
    return {"code": code, "message": message, "data": {"status": status}}, {}


def _authorised(request: Request, desk: Desk) -> bool:
    return _credentials(request) == (KEY, SECRET)


def _credentials(request: Request) -> tuple[str, str] | None:
    scheme, _, pair = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        key, _, secret = base64.b64decode(pair, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return key, secret


VENDOR = Vendor(
    name="woocommerce",
    source="",
    fill=fill,
    routes=_routes,
    night=night,
    error=_error,
    authorised=_authorised,
    # WooCommerce itself has no limit for this interface; hosts have, each its own.
    limit=Limit(requests=600, seconds=60.0),
    records_of=lambda body: body if isinstance(body, list) else None,
)
