"""Whatever an interface answers, each of its records lands to the letter or is set aside, or a sentence tells."""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import registry
from connectors.base import ConnectorError, Extraction, Source, Workspace
from connectors.load import load
from tests.fuzz.answers import Said, Server, answering
from tests.fuzz.hostile import CHARACTERS
from tests.fuzz.properties import is_sentence, often, reconciled

#: A record as an interface writes it, and its key; None where it has none.
Record = tuple[str, str | None]
Answer = Callable[[str, dict[str, str]], Said]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with answering() as running:
        yield running


def source_of(server: Server, root: Path, **endpoint: Any) -> Source:
    how = {"path": "/items", "records": "data", "paging": {"kind": "cursor", "next": "next", "param": "at"}, **endpoint}
    patience = {"attempts": 3, "first_pause_seconds": 0, "patience_seconds": 5, "timeout_seconds": 5}
    options = {"base_url": server.url, "rate": {"requests": 1_000_000}, "endpoints": {"items": how}, **patience}
    return Source(name="shop", connector="rest", root=root, options=options)


def prepared(source: Source) -> Extraction | str:
    """A load, prepared without dlt, or the sentence with which it ends."""
    for name in ("scratch", "pending"):
        shutil.rmtree(source.root / name, ignore_errors=True)
        (source.root / name).mkdir()
    workspace = Workspace(
        raw_file=source.root / "none.duckdb",
        scratch=source.root / "scratch",
        pending=source.root / "pending",
        loaded_at=datetime.now(UTC),
        progress=lambda what, done, total: None,
        connect=lambda read_only: duckdb.connect(),
    )
    refused = ""
    try:
        return registry.get("rest").build(source, workspace)
    except ConnectorError as error:
        refused = str(error)
    assert is_sentence(refused), refused
    assert "'shop'" in refused
    return refused


def paged(pages: list[list[Record]], end: str = "", lies: Mapping[int, list[Said]] | None = None) -> Answer:
    """Gives the pages by number, each after the lies that are told in its place."""
    left = {number: list(said) for number, said in (lies or {}).items()}

    def answer(path: str, params: dict[str, str]) -> Said:
        number = int(params.get("at", 0))
        if left.get(number):
            return left[number].pop(0)
        following = f', "next": {number + 1}' if number + 1 < len(pages) else end
        return Said(f'{{"data": [{", ".join(text for text, _ in pages[number])}]{following}}}'.encode())

    return answer


KEYS = st.one_of(
    st.integers(0, 5),
    st.sampled_from(["1", "2", "a", "é", "日", "1.0", 1.0, 12345678901234567890123, -1, 0.5]),
    st.text(CHARACTERS, min_size=1, max_size=4),
)
NO_KEYS = st.sampled_from([None, "", True, [], {}, ["1"], {"id": 1}])
NO_RECORDS = st.sampled_from(["5", "null", '"x"', "[]", "{}"])
FIELDS = st.sampled_from(
    [
        *('"n": 1.10', '"n": 1e999', '"n": 123456789012345678901234567890', '"n": -0.0', '"n": null', '"n": 1, "n": 2'),
        *('"n": "\\u0000"', '"\\u0000": 1', '"n": [[[[[[1]]]]]]', '"": ""', '"n.m": {"m": 1}', '"n": {"m": {}}'),
        *('"n": "caf\u00e9 \U0001f469\u200d\U0001f467"', '"n": "\\ud83d\\ude00"', '"n": []', '"n": "\\u202e"'),
        *('"changed": "2026-01-01T00:00:00Z"', '"changed": "9999-12-31"', '"changed": 5', '"changed": "soon"'),
    ]
)


@st.composite
def records(draw: st.DrawFn) -> Record:
    """A record, now and then one without a key."""
    kind = draw(st.sampled_from(["record"] * 8 + ["keyless", "none"]))
    if kind == "none":
        return draw(NO_RECORDS), None
    key = draw(KEYS if kind == "record" else NO_KEYS)
    parts = [f'"id": {json.dumps(key, ensure_ascii=draw(st.booleans()))}', *draw(st.lists(FIELDS, max_size=2))]
    text = "{" + ", ".join(draw(st.permutations(parts))) + "}"
    if kind == "keyless":
        return text, None
    return text, str(int(key)) if isinstance(key, float) and key.is_integer() else str(key)


PAGES = st.lists(st.lists(records(), max_size=4), min_size=1, max_size=4)

_PAGE = b'{"data": [{"id": 1}]}'
_NO_PAUSES = ("0", "-1", "nan", "inf", "soon", "", "0x1", "Mon, 99 Xxx 2024", "Mon, 01 Jan 99999999999 00:00:00 GMT")
_NO_DATES = ("Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 +2359", "now", "")
LIES = (
    Said(b"<html><body><h1>502</h1></body></html>", headers=(("Content-Type", "text/html"),)),
    *map(Said, (b"", b"null", b'{"error": "try again"}', b'{"data": null}', b'{"data": {"id": 1}}', b'{"data": "x"}')),
    *map(Said, (_PAGE[:-2], _PAGE + _PAGE, b'{"data": [], "next": {}}', b'{"data": [{"id": 1, "n": NaN}]}')),
    *map(Said, (b'{"data": [{"id": 1, "n": "\\x"}]}', b'{"data": [{"id": 1, "n": "\x01"}]}')),
    Said(b'{"data": [{"id": ' + b"[" * 5_000 + b"]" * 5_000 + b"}]}"),
    Said(_PAGE, length=500),
    Said(_PAGE.decode().encode("utf-16")),
    Said(gzip.compress(_PAGE)),
    Said(gzip.compress(_PAGE)[:-12], headers=(("Content-Encoding", "gzip"),)),
    Said(b"no gzip", headers=(("Content-Encoding", "gzip"),)),
    Said(b"no gzip", headers=(("Content-Encoding", "deflate, gzip"),)),
    Said(b"down", status=500),
    Said(b"", status=204),
    Said(b"", status=302, headers=(("Location", "http://127.0.0.1:1/"),)),
    Said(b"{}", status=404),
    Said(b"\xff\xfe", status=403),
    *(Said(b"", status=429, headers=(("Retry-After", value),)) for value in _NO_PAUSES),
    *(Said(b"", status=503, headers=(("Date", value), ("Retry-After", "0"))) for value in _NO_DATES),
)


@often(25)
@given(
    PAGES,
    st.lists(st.integers(0, 3), max_size=2),
    st.dictionaries(st.integers(0, 3), st.lists(st.sampled_from(LIES), max_size=3), max_size=2),
    st.sampled_from(["", ', "next": null', ', "next": ""']),
)
def test_every_record_is_loaded_or_set_aside_or_a_sentence_tells(
    server: Server, pages: list[list[Record]], again: list[int], lies: dict[int, list[Said]], end: str
) -> None:
    repeated = [pages[number % len(pages)] for number in again]
    server.answer = paged([*pages, *repeated], end, lies)
    with tempfile.TemporaryDirectory() as folder:
        made = prepared(source_of(server, Path(folder)))
        if isinstance(made, str):
            assert any(lies.values()), made
            return
        assert made.resources is not None
        assert made.settle is not None
        (parts,) = made.resources.args  # type: ignore[attr-defined]
        rows = pq.read_table(parts["items"].path).to_pylist()
    set_aside = made.settle.keywords["notes"].rejected.get("items", [])  # type: ignore[attr-defined]
    said = {record for page in pages for record in page}
    reconciled(len({key for _, key in said} - {None}), loaded=len(rows))
    assert {(row["payload"], row["id"]) for row in rows} <= said
    assert {one.payload for one in set_aside} == {text for text, key in said if key is None}
    assert all(is_sentence(one.reason) for one in set_aside)


PAGINGS: dict[str, dict[str, Any]] = {
    "cursor": {"paging": {"kind": "cursor", "next": "next", "param": "at"}},
    "link": {"paging": {"kind": "link", "next": "next"}},
    "page": {"paging": {"kind": "page", "param": "at"}, "size": 2, "size_param": "n"},
    "offset": {"paging": {"kind": "offset", "param": "at"}, "size": 2, "size_param": "n"},
}


@often(12)
@given(st.sampled_from(sorted(PAGINGS)), st.integers(1, 4), st.integers(0, 3))
def test_pages_in_a_circle_end_in_a_sentence(server: Server, way: str, length: int, back: int) -> None:
    def answer(path: str, params: dict[str, str]) -> Said:
        number = min(int(params.get("at", 0)), length)
        following: Any = number + 1 if number + 1 < length else min(back, length - 1)
        following = f"/items?at={following}" if way == "link" else following
        return Said(json.dumps({"data": [{"id": number}, {"id": f"x{number}"}], "next": following}).encode())

    server.answer = answer
    server.asked.clear()
    with tempfile.TemporaryDirectory() as folder:
        made = prepared(source_of(server, Path(folder), **PAGINGS[way]))
    assert isinstance(made, str)
    assert "circle" in made
    assert len(server.asked) < 20


@often(2)
@given(PAGES, st.booleans())
def test_loading_the_same_again_changes_nothing(server: Server, pages: list[list[Record]], since: bool) -> None:
    server.answer = paged(pages)
    how: dict[str, Any] = {"modified": "changed", "since": {"param": "since"}} if since else {}
    with tempfile.TemporaryDirectory() as folder:
        source = source_of(server, Path(folder), **how)
        first, again = (load(source, raw_dir=Path(folder) / "raw", wait_seconds=2) for _ in range(2))
    assert not again.changed
    lasting = [one.detail for one in first.findings if one.kind == "rejected_record"]
    assert [one.detail for one in again.findings] == lasting
