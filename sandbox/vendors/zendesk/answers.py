"""Answers as Zendesk's Support API does: incremental exports, lists, counts, and the tokens to ask with.

Shapes and rules from developer.zendesk.com/api-reference/ticketing and recorded answers of the real service; where the
two differ, the recording counts. The records themselves are made in `records`.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.store import Record, Store
from sandbox.vendor import Desk, Limit
from sandbox.vendors.zendesk import access, shapes
from sandbox.vendors.zendesk.records import stamp

#: Exports give nothing that changed within the last minute, and refuse to begin there.
UNSETTLED = 60_000
EXPORT_PAGE, LIST_PAGE = 1000, 100
OFFSET_DEPTH = 10_000
COUNT_CAP = 100_000
EXPORT_LIMIT = Limit(requests=10, seconds=60)
_SCORES = ("received", "good", "bad", "offered", "unoffered")

Shape = Callable[[Record], dict[str, Any]]
Answer = Callable[[Request], Awaitable[Response]]


class Refused(Exception):
    """A request that Zendesk would refuse, with what it would say."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(str(body))
        self.status, self.body = status, body


def routes(desk: Desk) -> list[Route]:
    """The paths that a desk answers on, each with and without `.json`."""
    # The server imports the vendors.
    from sandbox.serve import Counter

    limit = Limit(requests=max(1, round(EXPORT_LIMIT.requests * desk.ease)), seconds=EXPORT_LIMIT.seconds)
    exports = Counter(limit)
    paths: dict[str, Answer] = {
        "incremental/tickets/cursor": _limited(exports, _cursor_export(desk, "tickets", shapes.exported_ticket)),
        "incremental/users/cursor": _limited(exports, _cursor_export(desk, "users", shapes.user)),
        "incremental/ticket_events": _limited(exports, _event_export(desk)),
        "tickets": _listing(desk, "tickets", shapes.ticket),
        "users": _listing(desk, "users", shapes.user),
        "groups": _listing(desk, "groups", shapes.same),
        "ticket_fields": _listing(desk, "ticket_fields", shapes.same),
        "satisfaction_ratings": _listing(desk, "satisfaction_ratings", shapes.same),
        "deleted_tickets": _listing(desk, "deleted_tickets", shapes.deleted_ticket),
        "deleted_users": _listing(desk, "deleted_users", shapes.user),
        "users/me": _me(desk),
        "search/count": _search_count(desk),
    }
    for name in ("tickets", "users", "groups", "satisfaction_ratings", "deleted_users"):
        paths[f"{name}/count"] = _count(desk, name)
    made = [
        Route(f"/api/v2/{path}{suffix}", _answering(desk, path, answer))
        for path, answer in paths.items()
        for suffix in ("", ".json")
    ]
    return [*made, Route("/oauth/tokens", access.token_endpoint(desk), methods=["POST"]), Route("/{_:path}", _unknown)]


def _answering(desk: Desk, path: str, answer: Answer) -> Answer:
    async def endpoint(request: Request) -> Response:
        missing = access.missing_scope(request, desk, path)
        if missing:
            sentence = f"You are missing the following required scopes: {missing}"
            return JSONResponse({"error": "Forbidden", "description": sentence}, 403)
        try:
            return await answer(request)
        except Refused as refused:
            return JSONResponse(dict(refused.body), refused.status)

    return endpoint


def _limited(counter: Any, answer: Answer) -> Answer:
    """Exports have a limit of their own, far below the account's."""

    async def endpoint(request: Request) -> Response:
        allowed, remaining, reset = counter.take()
        resets = math.ceil(reset)
        if allowed:
            response = await answer(request)
        else:
            response = JSONResponse(access.ERRORS[429], 429, {"Retry-After": str(resets)})
        said = f"total={counter.limit.requests}; remaining={remaining}; resets={resets}"
        response.headers["zendesk-ratelimit-incremental-exports"] = said
        return response

    return endpoint


def _cursor_export(desk: Desk, name: str, shape: Shape) -> Answer:
    """An export that goes on from a cursor: whatever changes while it runs moves to its end."""

    async def endpoint(request: Request) -> Response:
        query = request.query_params
        limit = min(_int(query, "per_page", EXPORT_PAGE), EXPORT_PAGE)
        include = _include(query, ["metric_sets"])
        after, since = _export_start(desk, query)
        found = desk.store.page(
            name,
            limit=limit + 1,
            order="updated",
            after=after,
            since=since,
            until=desk.now() - UNSETTLED,
            deleted=None,
        )
        page, more = found[:limit], found[limit:]
        if desk.faults.strikes("moving_page") and page:
            _touch(desk, name, (more or page)[0])
        cursor = _export_cursor(page[-1]) if page else query.get("cursor") or _cursor(f"{(since or 0) / 1000}||0|")
        options = {key: query[key] for key in ("include", "per_page") if key in query}
        return JSONResponse(
            {
                name: [shapes.with_metrics(shape(record), include) for record in page],
                "after_url": _link(request, {"cursor": cursor, **options}),
                "before_url": None,
                "after_cursor": cursor,
                "before_cursor": None,
                "end_of_stream": not more,
            }
        )

    return endpoint


def _event_export(desk: Desk) -> Answer:
    """The export that goes on from a time: the last second of a page is given again at the beginning of the next."""

    async def endpoint(request: Request) -> Response:
        query = request.query_params
        include = _include(query, ["comment_events"])
        start = _recent_enough(desk, _required_int(query, "start_time"))
        limit = min(_int(query, "per_page", EXPORT_PAGE), EXPORT_PAGE)
        page, more = _whole_seconds(desk, start * 1000, limit)
        end = page[-1].updated // 1000 if page else start
        following = {"start_time": str(end), **{key: query[key] for key in ("include", "per_page") if key in query}}
        return JSONResponse(
            {
                "ticket_events": [shapes.event(record, include) for record in page],
                "next_page": _link(request, following),
                "count": len(page),
                "end_of_stream": not more,
                "end_time": end,
            }
        )

    return endpoint


def _whole_seconds(desk: Desk, since: int, limit: int) -> tuple[list[Record], bool]:
    """A page of events that ends with a second, longer than asked for if need be, and whether there are more."""
    until = desk.now() - UNSETTLED
    # A page that held only the second it began with would be given for ever.
    limit += desk.store.count("ticket_events", since=since, until=min(since + 1000, until))
    found = desk.store.page("ticket_events", limit=limit + 1, order="updated", since=since, until=until)
    if len(found) <= limit:
        return found, False
    end = min((found[limit - 1].updated // 1000 + 1) * 1000, until)
    page = desk.store.page("ticket_events", limit=-1, order="updated", since=since, until=end)
    return page, desk.store.count("ticket_events", since=end, until=until) > 0


def _listing(desk: Desk, name: str, shape: Shape) -> Answer:
    """A list in the order of making, by cursor if the request says page[size], else by numbered pages."""
    collection, deleted = name.removeprefix("deleted_"), name.startswith("deleted_")

    async def endpoint(request: Request) -> Response:
        query = request.query_params
        chosen = {"deleted": deleted, **(_rating_filters(query) if name == "satisfaction_ratings" else {})}
        wanted = _score(query) if name == "satisfaction_ratings" else None
        known = {"page", "per_page", "page[size]", "page[after]", *_LIST_FILTERS.get(name, ())}
        if "page[size]" in query or "page[after]" in query:
            body = _cursor_page(desk.store, request, collection, name, shape, wanted, chosen)
        else:
            body = _numbered_page(desk.store, request, collection, name, shape, wanted, chosen)
        unknown = [key for key in query if key not in known]
        return JSONResponse(body, headers={"x-zendesk-api-warn": f"unpermitted_keys: {unknown}"} if unknown else None)

    return endpoint


_LIST_FILTERS = {"satisfaction_ratings": ("score", "start_time", "end_time")}
Wanted = Callable[[Record], bool] | None


def _cursor_page(
    store: Store, request: Request, collection: str, name: str, shape: Shape, wanted: Wanted, chosen: dict[str, Any]
) -> dict[str, Any]:
    size = _int(request.query_params, "page[size]", LIST_PAGE)
    if size > LIST_PAGE:
        raise _bad_page("page[size] must be between 1 and 100")
    seq = _seq(request.query_params.get("page[after]"))
    found: list[Record] = []
    while len(found) <= size:
        batch = store.page(collection, limit=size + 1, after=(seq, seq), **chosen)
        found += [record for record in batch if wanted is None or wanted(record)]
        if len(batch) <= size:
            break
        seq = batch[-1].seq
    page = found[:size]
    first, last = (_list_cursor(page[0]), _list_cursor(page[-1])) if page else (None, None)
    kept = {key: value for key, value in request.query_params.items() if not key.startswith("page[")}
    return {
        name: [shape(record) for record in page],
        "meta": {"has_more": len(found) > size, "after_cursor": last, "before_cursor": first},
        "links": {
            "prev": _link(request, {**kept, "page[before]": first, "page[size]": str(size)}) if first else None,
            "next": _link(request, {**kept, "page[after]": last, "page[size]": str(size)}) if last else None,
        },
    }


def _numbered_page(
    store: Store, request: Request, collection: str, name: str, shape: Shape, wanted: Wanted, chosen: dict[str, Any]
) -> dict[str, Any]:
    number = _int(request.query_params, "page", 1)
    size = min(_int(request.query_params, "per_page", LIST_PAGE), LIST_PAGE)
    if number * size > OFFSET_DEPTH:
        title = "Pagination requests using Offset Pagination are limited"
        raise Refused(400, {"errors": [{"code": "InvalidPaginationDepth", "title": title}]})
    found = [r for r in store.page(collection, limit=-1, **chosen) if wanted is None or wanted(r)]
    kept = {key: value for key, value in request.query_params.items() if key != "page"}
    page = found[(number - 1) * size : number * size]
    return {
        name: [shape(record) for record in page],
        "next_page": _link(request, {**kept, "page": str(number + 1)}) if len(found) > number * size else None,
        "previous_page": _link(request, {**kept, "page": str(number - 1)}) if number > 1 else None,
        "count": len(found),
    }


def _count(desk: Desk, name: str) -> Answer:
    """A count, which Zendesk calls approximate: beyond a hundred thousand it is cut off while it is made anew."""
    collection, deleted = name.removeprefix("deleted_"), name.startswith("deleted_")

    async def endpoint(request: Request) -> Response:
        value = desk.store.count(collection, deleted=deleted)
        refreshed = stamp(desk.now()) if value <= COUNT_CAP else None
        return JSONResponse({"count": {"value": min(value, COUNT_CAP), "refreshed_at": refreshed}})

    return endpoint


def _search_count(desk: Desk) -> Answer:
    """How many a search finds. Of searches the sandbox knows those for all tickets and for all users."""

    async def endpoint(request: Request) -> Response:
        kinds = {"type:ticket": "tickets", "type:user": "users"}
        collection = kinds.get(request.query_params.get("query", ""))
        if collection is None:
            raise _invalid("query", f"must be one of: {', '.join(kinds)}")
        return JSONResponse({"count": desk.store.count(collection)})

    return endpoint


def _me(desk: Desk) -> Answer:
    """Whoever asks; without credentials an anonymous user, with status 200 all the same."""

    async def endpoint(request: Request) -> Response:
        if not access.credentials(request):
            anonymous = {"id": None, "name": "Anonymous user", "email": "invalid@example.com", "role": "end-user"}
            return JSONResponse({"user": anonymous})
        admins = (r for r in desk.store.page("users", limit=-1, order="created") if r.body["role"] == "admin")
        return JSONResponse({"user": {**next(admins).body, "authenticity_token": "demo"}})

    return endpoint


async def _unknown(request: Request) -> Response:
    return JSONResponse(access.ERRORS[404], 404)


def _touch(desk: Desk, name: str, record: Record) -> None:
    """Something changes a record just now, so that it leaves its place in the order; its content stays."""
    at = desk.now() - UNSETTLED - 1000
    body = {**record.body, "updated_at": stamp(at)} if name == "users" else record.body
    moved = Record(id=record.id, body=body, created=record.created, updated=at, deleted=record.deleted)
    desk.store.put(name, [moved])


def _export_start(desk: Desk, query: Mapping[str, str]) -> tuple[tuple[int, int] | None, int | None]:
    """Where an export goes on: after a record, or from a time."""
    if "cursor" not in query:
        return None, _recent_enough(desk, _required_int(query, "start_time")) * 1000
    try:
        seconds, _, seq, _ = base64.b64decode(query["cursor"], validate=True).decode().split("|")
        return (round(float(seconds) * 1000), int(seq)), None
    except ValueError:
        raise _invalid("cursor", "must be a cursor that an earlier answer gave") from None


def _recent_enough(desk: Desk, seconds: int) -> int:
    if seconds * 1000 > desk.now() - UNSETTLED:
        sentence = "Too recent start_time. Use a start_time older than 1 minute"
        raise Refused(422, {"error": "InvalidValue", "description": sentence})
    return seconds


def _export_cursor(record: Record) -> str:
    return _cursor(f"{record.updated / 1000}||{record.seq}|")


def _cursor(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _list_cursor(record: Record) -> str:
    return _cursor(json.dumps({"seq": record.seq}))


def _seq(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        return int(json.loads(base64.b64decode(cursor, validate=True))["seq"])
    except (ValueError, KeyError):
        raise _bad_page("page[after] is no cursor") from None


def _include(query: Mapping[str, str], known: list[str]) -> list[str]:
    """Sideloads; those that Zendesk does not know are left out without a word."""
    return [part for part in query.get("include", "").split(",") if part in known]


def _rating_filters(query: Mapping[str, str]) -> dict[str, Any]:
    bounds = {"since": "start_time", "until": "end_time"}
    found = {bound: _required_int(query, name) * 1000 for bound, name in bounds.items() if name in query}
    return {**found, "by": "created"}


def _score(query: Mapping[str, str]) -> Wanted:
    score = query.get("score")
    if score is None:
        return None
    if score not in _SCORES:
        raise _invalid("score", f"must be one of: {', '.join(_SCORES)}")
    scores = ("good", "bad") if score == "received" else (score,)
    return lambda record: record.body["score"] in scores


def _required_int(query: Mapping[str, str], name: str) -> int:
    if not query.get(name, "").isdecimal():
        raise _invalid(name, "must be an integer")
    return int(query[name])


def _int(query: Mapping[str, str], name: str, default: int) -> int:
    value = _required_int(query, name) if name in query else default
    if value < 1:
        raise _invalid(name, "must be greater than 0")
    return value


def _invalid(name: str, rule: str) -> Refused:
    message = f"You passed an invalid value for the {name} attribute. {rule}"
    return Refused(400, {"error": {"title": "Invalid attribute", "message": message}})


def _bad_page(detail: str) -> Refused:
    error = {"code": "InvalidPaginationParameter", "title": "Invalid pagination parameter", "detail": detail}
    return Refused(400, {"errors": [error]})


def _link(request: Request, query: Mapping[str, str | None]) -> str:
    given = {key: value for key, value in query.items() if value is not None}
    return str(request.url.replace(query=urlencode(given)))
