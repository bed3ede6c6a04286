"""Sources that are declared in millpond.toml alone, against a server with every way of paging."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors import registry
from connectors.base import ConnectorError, LoadReport, Source
from connectors.load import load
from sandbox.serve import Running, Sandbox, serving
from sandbox.store import Record, Store
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


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    sandbox = Sandbox(tmp_path, vendors={"shop": VENDOR}, ease=100)
    sandbox.stores["shop"].put("item", [item(n) for n in range(1, 131)])
    with serving(sandbox) as served:
        yield served


def store_of(running: Running) -> Store:
    return running.sandbox.stores["shop"]


DECLARED = {
    "cursor": """path = "/items/paged"
records = "data.items"
modified = "updated"
size = 50
size_param = "per_page"
paging = { kind = "cursor", next = "meta.next", param = "cursor" }
since = { param = "since" }
count = "meta.total" """,
    "page": """path = "/items/paged"
records = "data.items"
modified = "updated"
size = 50
size_param = "per_page"
paging = { kind = "page", param = "page" }
count = "meta.total" """,
    "offset": """path = "/items/paged"
records = "data.items"
size = 30
size_param = "per_page"
paging = { kind = "offset", param = "offset" }""",
    "link": """path = "/items/paged"
records = "data.items"
params = { per_page = 40 }
paging = { kind = "link", next = "links.next" }""",
    "header": """path = "/items/list"
params = { per_page = 40 }
paging = { kind = "link" }""",
}


def source(running: Running, root: Path, endpoint: str, auth: str = '{ kind = "bearer", token = "good" }') -> Source:
    text = (
        f'base_url = "{running.url}/shop"\nauth = {auth}\nrate = {{ requests = 1000 }}\n[endpoints.items]\n{endpoint}'
    )
    options: dict[str, Any] = tomllib.loads(text)
    options |= {"attempts": 3, "first_pause_seconds": 0.01}
    return Source(name="shop", connector="rest", root=root, options=options, secrets=root / "secrets")


def ask(root: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(root / "raw/shop.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


def run(one: Source) -> LoadReport:
    return load(one, raw_dir=one.root / "raw", wait_seconds=2)


@pytest.mark.parametrize("way", DECLARED)
def test_every_way_of_paging_reads_every_record_once(way: str, running: Running, tmp_path: Path) -> None:
    report = run(source(running, tmp_path, DECLARED[way]))
    assert report.tables == {"items": 130}
    assert ask(tmp_path, "SELECT count(DISTINCT id), count(*) FROM raw.items") == [(130, 130)]
    assert [c.source_rows for c in report.counts] == ([130] if "count" in DECLARED[way] else [])
    assert not run(source(running, tmp_path, DECLARED[way])).changed


def test_a_list_that_can_be_asked_since_when_reads_what_changed(running: Running, tmp_path: Path) -> None:
    one = source(running, tmp_path, DECLARED["cursor"])
    run(one)
    store_of(running).put("item", [item(3, price="9.99", minute=500), item(500, minute=501)])
    assert run(one).tables == {"items": 2}
    assert ask(tmp_path, "SELECT payload->>'$.price' FROM raw.items WHERE id IN ('3', '500') ORDER BY id") == [
        ("9.99",),
        ("1.1",),
    ]


def test_a_list_without_that_is_compared_and_what_is_gone_is_marked(running: Running, tmp_path: Path) -> None:
    one = source(running, tmp_path, DECLARED["page"])
    run(one)
    store_of(running).put("item", [item(3, price="9.99", minute=500)])
    store_of(running).delete("item", "7", START)
    assert run(one).tables == {"items": 2}
    assert ask(tmp_path, "SELECT id, payload->>'$.id' FROM raw.items WHERE is_deleted") == [("7", "7")]


def test_a_rotated_refresh_token_is_kept_for_the_next_load(running: Running, tmp_path: Path) -> None:
    auth = (
        f'{{ kind = "oauth2", token_url = "{running.url}/shop/token", client_id = "c", client_secret = "s", '
        'refresh_token = "first" }'
    )
    one = source(running, tmp_path, DECLARED["cursor"], auth)
    run(one)
    run(one)
    kept = tmp_path / "secrets/shop.json"
    assert json.loads(kept.read_text())["token"] == store_of(running).note("refresh") == "rotated-2"
    assert kept.stat().st_mode & 0o077 == 0
    store_of(running).write_note("refresh", "revoked")
    with pytest.raises(ConnectorError, match=r"refresh token was refused; .* put the new one into \.env"):
        run(one)


@pytest.mark.parametrize(
    ("endpoint", "sentence"),
    [
        ('path = "/i"\nsince = { param = "s" }', "needs modified"),
        ('path = "/i"\npaging = { kind = "page", param = "p" }', "needs size"),
        ('path = "/i"\npagin = 1', "no option of the REST connector"),
        ('records = "x"', "is missing; add it"),
    ],
)
def test_a_mistake_is_a_sentence(endpoint: str, sentence: str, running: Running, tmp_path: Path) -> None:
    (found,) = registry.get("rest").problems(source(running, tmp_path, endpoint))
    assert sentence in found
    assert found.startswith("millpond.toml: sources.shop.endpoints.items")


def test_a_wrong_key_is_named_and_not_shown(running: Running, tmp_path: Path) -> None:
    one = source(running, tmp_path, DECLARED["header"], '{ kind = "bearer", token = "t0p-secret" }')
    connect = registry.get("rest").connect
    assert connect is not None
    (found,) = connect(one)
    assert "401" in found
    assert "t0p-secret" not in found + repr(one)
