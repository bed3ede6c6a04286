"""Pipedrive's interface: lists of version 2 with cursors, and what only version 1 has (users, notes, changelogs).

Paths, parameters and shapes from the vendor's OpenAPI descriptions. Left out: filters by owner, stage and the like, and
single records.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.store import Order, Record
from sandbox.vendor import Desk
from sandbox.vendors.pipedrive import fields
from sandbox.vendors.pipedrive.errors import Refused, invalid, problem

#: Tokens that an account of one seat on the plan Growth may spend a day.
TOKENS_PER_DAY = 60_000
_MOST, _BY_DEFAULT = 500, 100
_DAY = 86_400_000
_KEPT = 30 * _DAY
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")
_ORDERS: dict[str, Order] = {"id": "seq", "add_time": "created", "update_time": "updated"}
_PAGE = ("limit", "cursor", "sort_by", "sort_direction")
_CHANGED = (*_PAGE, "updated_since", "updated_until", "ids")


@dataclass(frozen=True, kw_only=True)
class _List:
    """A list of version 2: its parameters, its cost in tokens, the scopes of which one is needed, what it keeps."""

    parameters: tuple[str, ...]
    scopes: tuple[str, ...]
    cost: int = 10
    collection: str = ""
    has_fields: bool = True
    keeps: Callable[[Record], bool] = lambda record: True


_DEALS, _CONTACTS = ("deals:read", "deals:full"), ("contacts:read", "contacts:full")
_LISTS = {
    "deals": _List(
        parameters=(*_CHANGED, "status", "custom_fields"), scopes=_DEALS, keeps=lambda r: not r.body["is_archived"]
    ),
    "deals/archived": _List(
        parameters=(*_CHANGED, "status", "custom_fields"),
        scopes=_DEALS,
        cost=20,
        collection="deals",
        keeps=lambda r: bool(r.body["is_archived"]),
    ),
    "persons": _List(parameters=(*_CHANGED, "custom_fields"), scopes=_CONTACTS),
    "organizations": _List(parameters=(*_CHANGED, "custom_fields"), scopes=_CONTACTS),
    "activities": _List(parameters=_CHANGED, scopes=("activities:read", "activities:full"), has_fields=False),
    "products": _List(parameters=(*_PAGE, "ids", "custom_fields"), scopes=("products:read", "products:full")),
    "stages": _List(parameters=_PAGE, scopes=(*_DEALS, "admin"), cost=5, has_fields=False),
    "pipelines": _List(parameters=_PAGE, scopes=(*_DEALS, "admin"), cost=5, has_fields=False),
}
_FIELDS = {
    "dealFields": ("deals", (*_DEALS, "admin")),
    "personFields": ("persons", (*_CONTACTS, "admin")),
    "organizationFields": ("organizations", (*_CONTACTS, "admin")),
    "activityFields": ("activities", ("admin",)),
    "productFields": ("products", ("products:read", "products:full", "admin")),
}

Answer = Callable[[Request, Desk], Awaitable[Any]]


def stamp(milliseconds: int) -> str:
    """A time as version 2 writes it."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def old_stamp(milliseconds: int) -> str:
    """A time as version 1 writes it."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def routes(desk: Desk, scopes_of: Callable[[Request], frozenset[str] | None]) -> list[Route]:
    """The routes; `scopes_of` tells what a request's credentials allow, None for everything."""
    budget = _Budget(round(TOKENS_PER_DAY * desk.ease))

    def route(path: str, answer: Answer, scopes: Sequence[str], cost: int) -> Route:
        async def endpoint(request: Request) -> Response:
            if not budget.spend(cost, desk.now()):
                return JSONResponse(problem(429, "Daily API token budget exceeded"), 429, budget.headers())
            try:
                granted = scopes_of(request)
                if granted is not None and not granted & set(scopes):
                    raise Refused(403, "Scope and URL mismatch")
                content = await answer(request, desk)
            except Refused as refused:
                return JSONResponse(refused.body, refused.status, budget.headers())
            return JSONResponse({"success": True, **content}, headers=budget.headers())

        return Route(path, endpoint, methods=["GET"])

    return [
        *(route(f"/api/v2/{name}", _listing(name), what.scopes, what.cost) for name, what in _LISTS.items()),
        *(route(f"/api/v2/{path}", _defining(name), scopes, 10) for path, (name, scopes) in _FIELDS.items()),
        route("/v1/users", _users, ("users:read",), 20),
        route("/v1/users/me", _me, ("base",), 2),
        route("/v1/notes", _notes, (*_DEALS, *_CONTACTS), 20),
        route("/v1/notes/{id:int}", _one_note, (*_DEALS, *_CONTACTS), 2),
        route("/v1/deals/{id:int}/changelog", _changelog, ("recents:read",), 20),
    ]


class _Budget:
    """The tokens that are left of the day's; there are new ones at midnight."""

    def __init__(self, most: int) -> None:
        self._most, self._spent, self._day = most, 0, 0

    def spend(self, tokens: int, now: int) -> bool:
        day = now // _DAY
        if day != self._day:
            self._day, self._spent = day, 0
        if self._spent + tokens > self._most:
            return False
        self._spent += tokens
        return True

    def headers(self) -> dict[str, str]:
        left = self._most - self._spent
        return {"x-daily-ratelimit-token-limit": str(self._most), "x-daily-ratelimit-token-remaining": str(left)}


def _query(request: Request, known: Sequence[str]) -> dict[str, str]:
    given = dict(request.query_params)
    unknown = sorted(given.keys() - set(known))
    if unknown:
        raise invalid(f"{', '.join(unknown)} is not allowed")
    return given


def _limit(query: dict[str, str]) -> int:
    text = query.get("limit", str(_BY_DEFAULT))
    if not text.isdigit() or not 0 < int(text) <= _MOST:
        raise invalid(f"limit must be between 1 and {_MOST}")
    return int(text)


def _moment(query: dict[str, str], name: str) -> int | None:
    """A time of the query; fractions of seconds are refused, as the real server does."""
    text = query.get(name)
    if text is None:
        return None
    if not _TIME.fullmatch(text):
        raise invalid(f"{name} is not a valid datetime")
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _listing(name: str) -> Answer:
    what = _LISTS[name]
    collection = what.collection or name

    async def answer(request: Request, desk: Desk) -> Any:
        query = _query(request, what.parameters)
        records, cursor = _page(desk, collection, query, what.keeps)
        keys = _custom_keys(desk, collection, query) if what.has_fields else None
        shown = {"data": [_shown(record, keys) for record in records], "additional_data": {"next_cursor": cursor}}
        _move(desk, collection, records)
        return shown

    return answer


def _page(
    desk: Desk, collection: str, query: dict[str, str], keeps: Callable[[Record], bool]
) -> tuple[list[Record], str | None]:
    limit = _limit(query)
    if "ids" in query:
        return [r for r in _by_ids(desk, collection, query["ids"]) if keeps(r)][:limit], None
    field, direction = query.get("sort_by", "id"), query.get("sort_direction", "asc")
    if field not in _ORDERS or direction not in ("asc", "desc"):
        raise invalid(f"sort_by {field} {direction} is not supported")
    statuses = query.get("status", "").split(",") if query.get("status") else []
    if set(statuses) - {"open", "won", "lost", "deleted"}:
        raise invalid("status must be one of open, won, lost, deleted")
    is_deleted = statuses == ["deleted"]
    if "deleted" in statuses and not is_deleted:
        raise Refused(400, "The sandbox lists deleted deals by themselves only.")
    since = _moment(query, "updated_since")
    if is_deleted:
        since = max(since or 0, desk.now() - _KEPT)
    records: list[Record] = []
    after = _place(desk, collection, query.get("cursor"), field, direction)
    while len(records) <= limit:
        found = desk.store.page(
            collection,
            limit=limit + 1,
            order=_ORDERS[field],
            descending=direction == "desc",
            after=after,
            since=since,
            until=_moment(query, "updated_until"),
            deleted=is_deleted,
        )
        wanted = (r for r in found if is_deleted or not statuses or r.body["status"] in statuses)
        records += [r for r in wanted if keeps(r)]
        if len(found) <= limit:
            break
        after = _key(found[-1], field)
    following = records[limit] if len(records) > limit else None
    return records[:limit], _cursor(following, field, direction) if following else None


def _by_ids(desk: Desk, collection: str, text: str) -> list[Record]:
    ids = text.split(",")
    if len(ids) > 100 or not all(i.isdigit() for i in ids):
        raise invalid("ids must be at most 100 numbers")
    found = (desk.store.get(collection, i) for i in ids)
    return [record for record in found if record]


def _key(record: Record, field: str) -> tuple[int, int]:
    order = _ORDERS[field]
    value = record.seq if order == "seq" else record.created if order == "created" else record.updated
    return value, record.seq


def _cursor(record: Record, field: str, direction: str) -> str:
    """The first record of the next page, in the form in which the vendor's example shows it."""
    value = int(record.id) if field == "id" else _key(record, field)[0]
    content = {"field": field, "fieldValue": value, "sortDirection": direction, "id": int(record.id)}
    return base64.b64encode(json.dumps(content, separators=(",", ":")).encode()).decode().rstrip("=")


def _place(desk: Desk, collection: str, cursor: str | None, field: str, direction: str) -> tuple[int, int] | None:
    """What comes right before the record that a cursor names."""
    if cursor is None:
        return None
    try:
        content = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4)))
        record = desk.store.get(collection, str(content["id"]), deleted=True)
    except (ValueError, KeyError, TypeError):
        record = None
    if record is None or (content["field"], content["sortDirection"]) != (field, direction):
        raise invalid("cursor is not valid")
    before = record.seq + (1 if direction == "desc" else -1)
    return (before if field == "id" else content["fieldValue"]), before


def _custom_keys(desk: Desk, collection: str, query: dict[str, str]) -> list[str]:
    defined = fields.custom_keys(desk.store, collection)
    if "custom_fields" not in query:
        return defined
    asked = query["custom_fields"].split(",")
    if len(asked) > 15:
        raise invalid("custom_fields must be at most 15 keys")
    return [key for key in defined if key in asked]


def _shown(record: Record, keys: Sequence[str] | None) -> dict[str, Any]:
    """A record as version 2 gives it."""
    shown = {
        **record.body,
        "is_deleted": record.deleted is not None,
        "add_time": stamp(record.created),
        "update_time": stamp(record.updated),
    }
    if "status" in shown and record.deleted is not None:
        shown["status"] = "deleted"
    if keys is not None:
        values = record.body.get("custom_fields") or {}
        shown["custom_fields"] = {key: values.get(key) for key in keys}
    return shown


def _move(desk: Desk, collection: str, shown: Sequence[Record]) -> None:
    """Somebody saves a record that was just shown, so that it moves to the end of lists by time."""
    if shown and desk.faults.strikes("moving_page"):
        latest = desk.store.page(collection, limit=1, order="updated", descending=True)[0].updated
        at = max(desk.now(), latest + 1000) // 1000 * 1000
        desk.store.put(collection, [replace(shown[0], updated=at)])


def _defining(collection: str) -> Answer:
    async def answer(request: Request, desk: Desk) -> Any:
        query = _query(request, ("limit", "cursor", "include_fields"))
        limit = _limit(query)
        start = int(query["cursor"]) if query.get("cursor", "").isdigit() else 0
        every = fields.definitions(desk.store, collection)
        end = start + limit
        return {
            "data": every[start:end],
            "additional_data": {"next_cursor": str(end) if end < len(every) else None},
        }

    return answer


def _user(record: Record) -> dict[str, Any]:
    return {
        **record.body,
        "last_login": old_stamp(record.updated),
        "created": old_stamp(record.created),
        "modified": old_stamp(record.updated),
        "is_deleted": False,
    }


async def _users(request: Request, desk: Desk) -> Any:
    _query(request, ())
    return {"data": [_user(record) for record in desk.store.page("users", limit=1000)]}


async def _me(request: Request, desk: Desk) -> Any:
    me = desk.store.page("users", limit=1)[0]
    company = {
        "company_id": 12_000_001,
        "company_name": "Mühlbach Versand GmbH",
        "company_domain": "muehlbach-versand",
        "company_country": "DE",
        "company_industry": "Retail",
        "language": {"language_code": "de", "country_code": "DE"},
    }
    return {"data": _user(me) | company}


async def _notes(request: Request, desk: Desk) -> Any:
    """Notes page by offsets; their time filter knows whole seconds, like that of version 2."""
    query = _query(request, ("start", "limit", "sort", "updated_since"))
    start, limit = query.get("start", "0"), _limit(query)
    if not start.isdigit():
        raise invalid("start must be a number")
    field, _, direction = query.get("sort", "id ASC").partition(" ")
    if field not in _ORDERS or direction not in ("", "ASC", "DESC"):
        raise invalid("sort is not supported")
    found = desk.store.page(
        "notes",
        limit=limit + 1,
        offset=int(start),
        order=_ORDERS[field],
        descending=direction == "DESC",
        since=_moment(query, "updated_since"),
    )
    more = {"next_start": int(start) + limit} if len(found) > limit else {}
    pagination = {"start": int(start), "limit": limit, "more_items_in_collection": len(found) > limit, **more}
    shown = {"data": [_note(r, desk) for r in found[:limit]], "additional_data": {"pagination": pagination}}
    _move(desk, "notes", found[:limit])
    return shown


async def _one_note(request: Request, desk: Desk) -> Any:
    record = desk.store.get("notes", str(request.path_params["id"]))
    if record is None:
        raise Refused(404, "Note not found")
    return {"data": _note(record, desk)}


def _note(record: Record, desk: Desk) -> dict[str, Any]:
    user = desk.store.get("users", str(record.body["user_id"]))
    person = {"email": user.body["email"], "icon_url": None, "is_you": False, "name": user.body["name"]} if user else {}
    return {
        **record.body,
        "active_flag": True,
        "add_time": old_stamp(record.created),
        "update_time": old_stamp(record.updated),
        "user": person,
    }


async def _changelog(request: Request, desk: Desk) -> Any:
    """What changed in a deal, the latest first."""
    query = _query(request, ("cursor", "limit"))
    id, limit = str(request.path_params["id"]), _limit(query)
    if desk.store.get("deals", id) is None:
        raise Refused(404, "Deal not found")
    after = None
    if "cursor" in query:
        try:
            change = desk.store.get("deal_changes", base64.b64decode(query["cursor"]).decode().partition(":")[2])
        except ValueError:
            change = None
        if change is None:
            raise invalid("cursor is not valid")
        after = (change.created, change.seq + 1)
    found = desk.store.page("deal_changes", parent=id, limit=limit + 1, order="created", descending=True, after=after)
    following = base64.b64encode(f"id:{found[limit].id}".encode()).decode() if len(found) > limit else None
    return {"data": [r.body for r in found[:limit]], "additional_data": {"next_cursor": following}}
