"""Sources that are declared in millpond.toml alone, against a server with every way of paging."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors import registry
from connectors.base import ConnectorError, LoadReport, Source
from connectors.load import load
from sandbox.serve import Running, Sandbox, serving
from sandbox.store import Store
from tests.connectors.rest.shop import START, VENDOR, item


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


@pytest.mark.parametrize(
    "paging",
    [
        '{ kind = "cursor", next = "meta.total", param = "ignored" }',
        '{ kind = "page", param = "ignored" }\nsize = 50\nsize_param = "per_page"',
        '{ kind = "offset", param = "ignored" }\nsize = 50\nsize_param = "per_page"',
    ],
)
def test_a_system_that_takes_no_notice_of_the_page_is_a_sentence(paging: str, running: Running, tmp_path: Path) -> None:
    endpoint = f'path = "/items/paged"\nrecords = "data.items"\npaging = {paging}'
    with pytest.raises(ConnectorError, match="its pages go in a circle; compare paging"):
        run(source(running, tmp_path, endpoint))
