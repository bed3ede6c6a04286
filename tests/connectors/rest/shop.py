"""A system with one list of items that can be paged in every usual way, and a token endpoint that rotates tokens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.store import Record
from sandbox.vendor import Desk, Limit, Vendor

START = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
MINUTE = 60_000


def routes(desk: Desk) -> Sequence[Route]:
    def found(request: Request, size: int, offset: int) -> list[Record]:
        since = request.query_params.get("since")
        moment = int(datetime.fromisoformat(since).timestamp() * 1000) if since else None
        return desk.store.page("item", limit=size, offset=offset, since=moment)

    async def items(request: Request) -> Response:
        query = request.query_params
        way, size = request.path_params["way"], int(query.get("per_page", 50))
        page = int(query.get("page", 1))
        offset = int(query["offset"]) if "offset" in query else int(query.get("cursor", (page - 1) * size))
        rows = [r.body for r in found(request, size, offset)]
        more = len(rows) == size
        total = desk.store.count("item")
        address = f"{request.url.path}?per_page={size}&page={page + 1}"
        if way == "list":
            link = {"Link": f'<{request.base_url}{address[1:]}>; rel="next", <x>; rel="last"'} if more else {}
            return JSONResponse(rows, headers=link)
        meta = {"total": total, "next": str(offset + size) if more else None}
        links = {"next": f"{str(request.base_url).rstrip('/')}{address}" if more else None}
        return JSONResponse({"data": {"items": rows}, "meta": meta, "links": links})

    async def token(request: Request) -> Response:
        form = dict(pair.split("=") for pair in (await request.body()).decode().split("&"))
        if form["refresh_token"] != desk.store.note("refresh", "first"):
            return JSONResponse({"error": "invalid_grant"}, 400)
        rotated = f"rotated-{desk.store.note('rotations', 0) + 1}"
        desk.store.write_note("refresh", rotated)
        desk.store.write_note("rotations", desk.store.note("rotations", 0) + 1)
        return JSONResponse({"access_token": "good", "expires_in": 3600, "refresh_token": rotated})

    return [Route("/items/{way}", items), Route("/token", token, methods=["POST"])]


VENDOR = Vendor(
    name="shop",
    source="",
    fill=lambda out, store: None,
    routes=routes,
    night=lambda store, night: {},
    error=lambda status: ({"error": status}, {}),
    authorised=lambda request, desk: (
        "token" in request.url.path or request.headers.get("authorization") == "Bearer good"
    ),
    limit=Limit(requests=100, seconds=1),
    is_page=lambda request: "items" in request.url.path,
)


def item(number: int, *, price: str = "1.10", minute: int | None = None) -> Record:
    at = START + (number if minute is None else minute) * MINUTE
    changed = datetime.fromtimestamp(at / 1000, UTC).isoformat()
    body = {"id": number, "price": json.loads(price), "updated": changed}
    return Record(id=str(number), body=body, created=at, updated=at)
