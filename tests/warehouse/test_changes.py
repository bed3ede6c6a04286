"""The log of changes leads from one version of a table to the next, or says that it does not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from warehouse import changes

NIGHT = datetime(2026, 10, 31, tzinfo=UTC)


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("CREATE SCHEMA core")
        con.execute(
            "CREATE TABLE core.thing AS SELECT i AS id, i % 3 AS owner, i * 10 AS value FROM range(100) AS t(i)"
        )
        yield con


def change(con: duckdb.DuckDBPyConnection, version: str | None, *statements: str, ids: str | None = None) -> str:
    """The version after statements that touch rows with the given ids."""
    if ids is not None:
        con.execute(f"CREATE OR REPLACE TEMP TABLE affected AS SELECT unnest([{ids}]) AS id")
    among = None if ids is None else "affected"
    following = changes.Following(con, "core.thing", version, by=["id"], affected=among, told=["owner"])
    for statement in statements:
        con.execute(statement)
    return following.finish(NIGHT)


def changed(con: duckdb.DuckDBPyConnection, then: str, now: str) -> list[tuple[Any, ...]] | None:
    query = changes.since(con, "core.thing", then, now)
    return None if query is None else sorted(con.execute(query).fetchall())


@pytest.mark.parametrize("ids", [None, "1, 2, 3, 200"])
def test_old_and_new_values_of_changed_rows_are_told_and_the_version_is_the_contents(con, ids):
    first = changes.version_of(con, "core.thing")
    second = change(
        con,
        first,
        "UPDATE core.thing SET owner = 7 WHERE id = 1",
        "DELETE FROM core.thing WHERE id = 2",
        "INSERT INTO core.thing VALUES (200, 9, 0)",
        ids=ids,
    )
    assert second == changes.version_of(con, "core.thing") != first
    assert changed(con, first, second) == [(1, 1, False), (1, 7, False), (2, 2, False), (200, 9, False)]


def test_rows_written_anew_as_they_were_are_no_change(con):
    first = changes.version_of(con, "core.thing")
    rewritten = "CREATE OR REPLACE TABLE core.thing AS SELECT * FROM core.thing ORDER BY id DESC"
    assert change(con, first, rewritten) == first
    assert changes.since(con, "core.thing", first, first) is None


def test_several_changes_lead_from_any_version_to_the_last(con):
    versions = [changes.version_of(con, "core.thing")]
    for i in range(4):
        versions.append(change(con, versions[-1], f"UPDATE core.thing SET value = -1 WHERE id = {i}", ids=f"{i}"))
    for i, version in enumerate(versions[:-1]):
        assert changed(con, version, versions[-1]) == [(k, k % 3, True) for k in range(i, 4)]


def test_a_version_that_comes_back_is_followed_from_where_it_was_last(con):
    first = changes.version_of(con, "core.thing")
    second = change(con, first, "UPDATE core.thing SET value = -1 WHERE id = 1", ids="1")
    back = change(con, second, "UPDATE core.thing SET value = 10 WHERE id = 1", ids="1")
    assert back == first
    last = change(con, back, "UPDATE core.thing SET value = -1 WHERE id = 5", ids="5")
    assert changed(con, first, last) == [(5, 2, True)]
    assert changed(con, second, last) == [(1, 1, True), (5, 2, True)]


def test_the_log_says_nothing_of_versions_that_it_does_not_know(con):
    first = changes.version_of(con, "core.thing")
    second = change(con, first, "UPDATE core.thing SET value = -1 WHERE id = 1", ids="1")
    assert changed(con, "1/2/3", second) is None
    assert changed(con, first, "1/2/3") is None
    assert changes.since(con, "core.other", first, second) is None


def test_a_change_that_nobody_followed_ends_the_log(con):
    first = changes.version_of(con, "core.thing")
    change(con, first, "UPDATE core.thing SET value = -1 WHERE id = 1", ids="1")
    third = change(con, None, "UPDATE core.thing SET value = -2 WHERE id = 2", ids="2")
    assert third == changes.version_of(con, "core.thing")
    assert changed(con, first, third) is None


def test_only_the_last_changes_are_kept(con, monkeypatch):
    monkeypatch.setattr(changes, "KEPT", 3)
    versions = [changes.version_of(con, "core.thing")]
    for i in range(5):
        versions.append(change(con, versions[-1], f"UPDATE core.thing SET value = -1 WHERE id = {i}", ids=f"{i}"))
    assert changed(con, versions[1], versions[-1]) is None
    assert changed(con, versions[2], versions[-1]) == [(2, 2, True), (3, 0, True), (4, 1, True)]
    assert con.execute('SELECT count(*) FROM change."core.thing"').fetchone() == (3,)
