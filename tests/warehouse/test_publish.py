"""Publishing replaces the warehouse in one step, keeps versions, and never harms a reader."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from warehouse import meta, publish
from warehouse.home import Home
from warehouse.publish import rollback, versions
from warehouse.store import StoreError, open_build

NOW = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "lake").create()


def publish_value(home: Home, value: int, now: datetime, keep: int = 7) -> None:
    with open_build(home) as con:
        meta.ensure(con)
        meta.replace_rows(con, "night", [("run", now.date(), now, "EUR", "UTC", "DE")])
        con.execute(f"CREATE OR REPLACE TABLE core.customer AS SELECT {value} AS customer_id")
        con.execute("COMMENT ON TABLE core.customer IS 'People'")
        con.execute("COMMENT ON COLUMN core.customer.customer_id IS 'Who'")
        publish.publish(con, home, now=now, keep=keep)


def published_value(home: Home) -> int:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        return con.execute("SELECT customer_id FROM core.customer").fetchone()[0]


def test_publishes_tables_comments_and_age(home: Home) -> None:
    publish_value(home, 1, NOW)
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        assert con.execute("SELECT comment FROM duckdb_tables() WHERE table_name = 'customer'").fetchone() == (
            "People",
        )
        comments = con.execute("SELECT comment FROM duckdb_columns() WHERE table_name = 'customer'").fetchall()
        assert comments == [("Who",)]
        assert con.execute("SELECT is_stale FROM meta.freshness").fetchone() is not None
        assert con.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'built'").fetchone() == (0,)


def test_open_reader_keeps_its_version(home: Home) -> None:
    publish_value(home, 1, NOW)
    reader = duckdb.connect(str(home.warehouse), read_only=True)
    publish_value(home, 2, NOW + timedelta(days=1))
    assert reader.execute("SELECT customer_id FROM core.customer").fetchone() == (1,)
    reader.close()
    assert published_value(home) == 2


def test_keeps_the_last_versions(home: Home) -> None:
    for day in range(4):
        publish_value(home, day, NOW + timedelta(days=day), keep=2)
    assert [v.published_at.day for v in versions(home)] == [5, 4]
    assert [v.is_current for v in versions(home)] == [True, False]


def test_rollback_and_its_limits(home: Home) -> None:
    publish_value(home, 1, NOW)
    publish_value(home, 2, NOW + timedelta(days=1))
    assert rollback(home).published_at == NOW
    assert published_value(home) == 1
    with pytest.raises(StoreError, match="no older version"):
        rollback(home)
    with pytest.raises(StoreError, match="no version nonsense"):
        rollback(home, "nonsense")
    publish_value(home, 3, NOW + timedelta(days=2))
    assert published_value(home) == 3


def test_two_publishes_in_one_second_are_two_versions(home: Home) -> None:
    publish_value(home, 1, NOW)
    publish_value(home, 2, NOW)
    assert len(versions(home)) == 2
    assert published_value(home) == 2


def test_the_version_made_last_is_the_newest_whatever_the_clock_said(home: Home) -> None:
    days = [0, 1, 366, 2, 3, -400, 4]
    for value, day in enumerate(days):
        publish_value(home, value, NOW + timedelta(days=day), keep=3)
        assert published_value(home) == value
        newest = publish.newest(home)
        assert newest is not None
        assert newest.samefile(home.warehouse)
    assert [v.published_at for v in publish.versions(home)] == [NOW + timedelta(days=day) for day in (4, -400, 3)]
    assert [v.name for v in publish.versions(home)] == [
        "20261106T030000Z-3",
        "20250928T030000Z-3",
        "20261105T030000Z-2",
    ]
    assert publish.rollback(home).published_at == NOW - timedelta(days=400)


@pytest.mark.parametrize(("ahead_hours", "stale"), [(-1, False), (-40, True), (40, True)])
def test_a_version_from_the_future_is_stale_too(home: Home, ahead_hours: int, stale: bool) -> None:
    publish_value(home, 1, datetime.now(UTC) + timedelta(hours=ahead_hours))
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        assert con.execute("SELECT is_stale FROM meta.freshness").fetchone() == (stale,)


def test_leftovers_of_a_killed_publish_are_removed(home: Home) -> None:
    leftover = home.versions / "20261101T000000Z.partial"
    leftover.write_bytes(b"half")
    publish_value(home, 1, NOW)
    assert not leftover.exists()


def test_copy_that_lost_rows_is_not_published(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_value(home, 1, NOW)
    real = publish._copy

    def lossy(con: duckdb.DuckDBPyConnection, home: Home, target: Path, message: str) -> dict[str, int]:
        counts = real(con, home, target, message)
        return {**counts, "core.customer": counts["core.customer"] + 1}

    monkeypatch.setattr(publish, "_copy", lossy)
    with pytest.raises(StoreError, match=r"core\.customer has 1 rows instead of 2"):
        publish_value(home, 2, NOW + timedelta(days=1))
    assert published_value(home) == 1
