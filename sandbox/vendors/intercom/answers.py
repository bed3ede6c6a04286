"""Answers as Intercom's API does in version 2.16: searches and lists by cursor, single records, what was deleted.

Shapes and rules from the vendor's description. The records themselves are made in `records`, searching is in `search`.
"""

from __future__ import annotations

import base64
import json
import math
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.store import Record
from sandbox.vendor import Desk
from sandbox.vendors.intercom.records import SINCE, TEAM_ID, WORKSPACE, marked_up
from sandbox.vendors.intercom.search import CONTACTS, CONVERSATIONS, Kind, Matches, Unsound, matcher, order_of

VERSION = "2.16"
#: Versions that there are; the sandbox speaks one of them.
_VERSIONS = frozenset({f"1.{n}" for n in range(5)} | {f"2.{n}" for n in range(17)})
_WINDOW = 10
_LARGEST_PAGE, _LARGEST_DELETED_PAGE, _MOST_PARTS = 150, 60, 500

Answer = Callable[[Request], Awaitable[Response]]
Shape = Callable[[Record], dict[str, Any]]


def routes(desk: Desk) -> list[Route]:
    """The paths that a desk answers on."""
    paths: dict[tuple[str, str], Answer] = {
        ("GET", "/me"): _me(desk),
        ("GET", "/admins"): _whole(desk, "admins", "admin.list"),
        ("GET", "/teams"): _whole(desk, "teams", "team.list"),
        ("GET", "/contacts"): _list(desk, "contacts", "data", "list", 50, _same),
        ("POST", "/contacts/search"): _search(desk, CONTACTS, "contacts", "data", "list", 50, _same),
        ("GET", "/contacts/{id}"): _one(desk, "contacts", lambda record, request: record.body),
        ("GET", "/conversations"): _list(desk, "conversations", "conversations", "conversation.list", 20, _item),
        ("POST", "/conversations/search"): _search(
            desk, CONVERSATIONS, "conversations", "conversations", "conversation.list", 20, _item
        ),
        ("GET", "/conversations/deleted"): _deleted(desk),
        ("GET", "/conversations/{id:int}"): _one(desk, "conversations", _in_full),
    }
    made = [Route(path, _answering(desk, answer), methods=[method]) for (method, path), answer in paths.items()]
    return [*made, Route("/{_:path}", _unknown, methods=["GET", "POST", "PUT", "DELETE"])]


def refusal(code: str, message: str) -> dict[str, Any]:
    """The body of a refusal."""
    errors = [{"code": code, "message": message}]
    return {"type": "error.list", "request_id": str(uuid.uuid4()), "errors": errors}


def _answering(desk: Desk, answer: Answer) -> Answer:
    async def endpoint(request: Request) -> Response:
        try:
            _check_version(request)
            response = await answer(request)
        except Unsound as unsound:
            response = JSONResponse(refusal(unsound.code, unsound.message), unsound.status)
        window = math.floor(desk.now() / 1000 / _WINDOW) + 1
        response.headers["X-RateLimit-Reset"] = str(window * _WINDOW)
        response.headers["Intercom-Version"] = VERSION
        return response

    return endpoint


def _check_version(request: Request) -> None:
    """Without the header the version of the app counts, which is the one spoken here."""
    asked = request.headers.get("intercom-version", VERSION)
    if asked not in _VERSIONS:
        raise Unsound("intercom_version_invalid", "The requested version could not be found")
    if asked != VERSION:
        raise Unsound("intercom_version_invalid", "Requested resource is not available in current API version.")


def _search(desk: Desk, kind: Kind, collection: str, key: str, type: str, usual: int, shape: Shape) -> Answer:
    async def endpoint(request: Request) -> Response:
        asked = await _json(request)
        matches = matcher(kind, asked.get("query"))
        paging = asked.get("pagination") or {}
        size = _size(paging.get("per_page", usual), _LARGEST_PAGE)
        found = _ordered(desk, collection, matches, *order_of(asked.get("sort")))
        return JSONResponse(_page(desk, collection, found, size, paging.get("starting_after"), key, type, shape))

    return endpoint


def _list(desk: Desk, collection: str, key: str, type: str, usual: int, shape: Shape) -> Answer:
    async def endpoint(request: Request) -> Response:
        query = request.query_params
        size = _size(query.get("per_page", usual), _LARGEST_PAGE)
        found = _ordered(desk, collection, lambda record: True, "created_at", True)
        return JSONResponse(_page(desk, collection, found, size, query.get("starting_after"), key, type, shape))

    return endpoint


def _ordered(desk: Desk, collection: str, matches: Matches, field: str, descending: bool) -> list[tuple[Any, Record]]:
    """Records with the place that each has in the order."""
    sign = -1 if descending else 1
    placed = [
        ([sign * record.body[field], sign * record.seq], record)
        for record in desk.store.page(collection, limit=-1)
        if matches(record)
    ]
    return sorted(placed, key=lambda pair: pair[0])


def _page(
    desk: Desk,
    collection: str,
    found: list[tuple[Any, Record]],
    size: int,
    after: str | None,
    key: str,
    type: str,
    shape: Shape,
) -> dict[str, Any]:
    place, number = _opened(after)
    rest = [pair for pair in found if place is None or pair[0] > place]
    page, more = rest[:size], rest[size:]
    if desk.faults.strikes("moving_page") and page:
        _touch(desk, collection, (more or page)[0][1])
    pages = {"type": "pages", "page": number, "per_page": size, "total_pages": math.ceil(len(found) / size)}
    if more:
        cursor = base64.b64encode(json.dumps([*page[-1][0], number + 1]).encode()).decode()
        pages["next"] = {"per_page": size, "starting_after": cursor}
    return {"type": type, key: [shape(record) for _, record in page], "total_count": len(found), "pages": pages}


def _deleted(desk: Desk) -> Answer:
    """Conversations that were deleted, by numbered pages."""

    async def endpoint(request: Request) -> Response:
        query = request.query_params
        size = _size(query.get("per_page", 20), _LARGEST_DELETED_PAGE)
        number = _size(query.get("page", 1), None)
        gone = desk.store.page("conversations", limit=-1, deleted=True)
        gone.sort(key=lambda record: record.deleted or 0, reverse=query.get("order", "desc") == "desc")
        total = math.ceil(len(gone) / size)
        following = {**query, "page": str(number + 1)}
        link = str(request.url.replace(query=urlencode(following))) if number < total else None
        shown = gone[(number - 1) * size : number * size]
        return JSONResponse(
            {
                "type": "conversations.list",
                "conversations": [
                    {
                        "type": "conversation",
                        "id": r.id,
                        "metrics_retained": True,
                        "deleted_at": (r.deleted or 0) // 1000,
                    }
                    for r in shown
                ],
                "total_count": len(gone),
                "pages": {"type": "pages", "next": link, "page": number, "per_page": size, "total_pages": total},
            }
        )

    return endpoint


def _one(desk: Desk, collection: str, shape: Callable[[Record, Request], dict[str, Any]]) -> Answer:
    async def endpoint(request: Request) -> Response:
        record = desk.store.get(collection, str(request.path_params["id"]))
        if record is None:
            raise Unsound("not_found", "Resource Not Found", 404)
        return JSONResponse(shape(record, request))

    return endpoint


def _whole(desk: Desk, collection: str, type: str) -> Answer:
    async def endpoint(request: Request) -> Response:
        records = desk.store.page(collection, limit=-1)
        return JSONResponse({"type": type, collection: [record.body for record in records]})

    return endpoint


def _me(desk: Desk) -> Answer:
    async def endpoint(request: Request) -> Response:
        admin = desk.store.page("admins", limit=1)[0].body
        app = {"type": "app", "id_code": WORKSPACE, "name": "Mühlbach Versand", "region": "EU", "created_at": SINCE}
        more = {"timezone": "Europe/Berlin", "identity_verification": False}
        avatar = {"type": "avatar", "image_url": None}
        known = {key: admin[key] for key in ("type", "id", "name", "email", "job_title", "has_inbox_seat")}
        teams = {"team_ids": [TEAM_ID], "away_mode_enabled": False, "away_mode_reassign": False}
        return JSONResponse({**known, **teams, "email_verified": True, "avatar": avatar, "app": app | more})

    return endpoint


async def _unknown(request: Request) -> Response:
    return JSONResponse(refusal("not_found", "The requested resource was not found"), 404)


def _same(record: Record) -> dict[str, Any]:
    return record.body


def _item(record: Record) -> dict[str, Any]:
    """A conversation as lists and searches give it: without its parts."""
    body = {key: value for key, value in record.body.items() if key != "conversation_parts"}
    return body | {"source": {**body["source"], "body": marked_up(body["source"]["body"])}}


def _in_full(record: Record, request: Request) -> dict[str, Any]:
    """A conversation with its latest parts, in plain text if asked for."""
    is_plain = request.query_params.get("display_as") == "plaintext"
    parts = [
        {**part, "body": part["body"] if is_plain else marked_up(part["body"])}
        for part in record.body["conversation_parts"]
    ]
    listed = {"type": "conversation_part.list", "conversation_parts": parts[-_MOST_PARTS:], "total_count": len(parts)}
    return {**(record.body if is_plain else _item(record)), "conversation_parts": listed}


def _touch(desk: Desk, collection: str, record: Record) -> None:
    """Something changes a record just now, so that it leaves its place in the order."""
    at = desk.now()
    body = {**record.body, "updated_at": at // 1000}
    desk.store.put(collection, [Record(id=record.id, body=body, created=record.created, updated=at)])


async def _json(request: Request) -> Mapping[str, Any]:
    try:
        asked = await request.json()
    except ValueError:
        raise Unsound("bad_request", "The body is no JSON.") from None
    if not isinstance(asked, dict):
        raise Unsound("bad_request", "The body is no object.")
    return asked


def _size(value: Any, most: int | None) -> int:
    if not str(value).isdecimal() or int(value) < 1 or (most is not None and int(value) > most):
        raise Unsound(
            "parameter_invalid", f"per_page must be between 1 and {most}" if most else "page must be a number"
        )
    return int(value)


def _opened(cursor: str | None) -> tuple[Any, int]:
    """The place after which a page begins, and its number."""
    if cursor is None:
        return None, 1
    try:
        *place, number = json.loads(base64.b64decode(cursor, validate=True))
        return place, int(number)
    except (ValueError, TypeError):
        raise Unsound("parameter_invalid", "starting_after is no cursor") from None
