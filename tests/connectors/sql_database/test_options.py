"""What can be said against the options without asking a server, and that no sentence tells a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connectors.base import ConnectorError, Source
from connectors.load import load
from connectors.sql_database import CONNECTOR
from connectors.sql_database.options import TableOptions, address, parse

URL = "postgresql://me:hush@db.example.com/shop"


def source(**options: Any) -> Source:
    return Source(name="shop", connector="sql_database", root=Path("/company"), options=options)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "millpond.toml: sources.shop.url is missing; give the database's URL."),
        ({"url": "db.example.com"}, "sources.shop.url: is not a URL like postgresql://user@host:5432/database"),
        ({"url": "oracle://me:hush@h/x"}, "sources.shop.url: is not a URL like postgresql://user@host:5432/database"),
        ({"url": "postgresql://me:hush@/x"}, "sources.shop.url: names no host or no database"),
        ({"url": URL, "pasword": "hush"}, "sources.shop.pasword is not an option of the sql_database connector"),
        ({"url": URL, "password": ["hush"]}, "sources.shop.password: Input should be a valid string."),
        ({"url": URL, "tables": {"a": {"lookback": "soon", "cursor": "x"}}}, "tables.a.lookback: 'soon' is not a "
                                                                             "duration"),
        ({"url": URL, "tables": {"a": {"mode": "increment"}}}, "tables.a: mode 'increment' needs cursor"),
        ({"url": URL, "tables": {"a": {"mode": "snapshot", "cursor": "x"}}}, "tables.a: mode 'snapshot' reads the "
                                                                             "whole"),
        ({"url": URL, "tables": {"a": {"lookback": 5}}}, "tables.a: lookback is nothing without cursor"),
        ({"url": URL, "tables": {"a": {"key": []}}}, "tables.a.key: Value should have at least 1 item"),
        ({"url": URL, "deletes": "never"}, "sources.shop.deletes: Input should be 'sweep' or 'keep'."),
        ({"url": URL, "tables": {"a": {}}, "accept_shrink": "b"}, "accept_shrink: b is not among tables"),
        ({"url": "sqlite:///x.db", "schema": "main"}, "sources.shop: SQLite has no schemas; remove schema."),
    ],
)  # fmt: skip
def test_each_mistake_is_one_sentence(options: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    (told,) = CONNECTOR.problems(source(**options))
    assert sentence in told
    assert "hush" not in told
    if "accept_shrink" not in options:
        with pytest.raises(ConnectorError) as raised:
            load(source(**options), raw_dir=tmp_path)
        assert str(raised.value) == told


def test_sound_options_have_no_problems() -> None:
    assert CONNECTOR.problems(source(url=URL, tables={"a": {"cursor": "x", "lookback": "2 hours"}})) == []


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        (URL, ("postgresql", "me", "hush", "db.example.com", 5432, "shop")),
        ("postgres://h:1/d", ("postgresql", "", "", "h", 1, "d")),
        ("postgresql+psycopg://me:p%40%2Fw:x@[::1]:6/d?sslmode=require", ("postgresql", "me", "p@/w:x", "::1", 6, "d")),
        ("mariadb://a%20b:p@ss@h/d", ("mysql", "a b", "p@ss", "h", 3306, "d")),
        ("sqlite:///data/x.db", ("sqlite", "", "", "", 0, "/company/data/x.db")),
        ("sqlite:////tmp/x.db", ("sqlite", "", "", "", 0, "/tmp/x.db")),
    ],
)  # fmt: skip
def test_urls_are_taken_apart(url: str, parts: tuple[Any, ...]) -> None:
    given = source(url=url)
    found = address(given, parse(given))
    assert (found.kind, found.user, found.password.get_secret_value(), found.host, found.port, found.database) == parts


def test_the_option_password_stands_as_it_is() -> None:
    given = source(url=URL, password="100%41@/:")
    assert address(given, parse(given)).password.get_secret_value() == "100%41@/:"


def test_certificates_are_looked_for_in_the_company_folder() -> None:
    given = source(url=f"{URL}?sslrootcert=certs/ca.pem&sslmode=verify-full")
    assert address(given, parse(given)).query == {"sslrootcert": "/company/certs/ca.pem", "sslmode": "verify-full"}


def test_nothing_shows_a_secret() -> None:
    given = source(url=URL, password="hush")
    options = parse(given)
    assert "hush" not in f"{given!r} {options!r} {options} {address(given, options)!r} {address(given, options)}"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90 seconds", 90), ("1 minute", 60), ("2hours", 7200), ("1 week", 604800)]
)
def test_durations(text: str, seconds: int) -> None:
    assert TableOptions(cursor="x", lookback=text).back.total_seconds() == seconds
