"""Lasting tables: what is taken over from the version published last, and columns that a contract gains."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from warehouse import contracts, lasting, meta, publish, store
from warehouse.contracts import tables
from warehouse.home import Home

HISTORY = "identity.history"
NOW = datetime(2026, 10, 31, 2, tzinfo=UTC)
MERGE = (NOW, "merged", "cus_a", "cus_b")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A data home with one published version; the build that it came from is lost."""
    home = Home(tmp_path)
    with store.open_build(home) as con:
        meta.ensure(con)
        for name in (HISTORY, "core.staff"):
            store.create_table(con, tables()[name])
        con.execute(f"INSERT INTO {HISTORY} VALUES (?, ?, ?, ?)", MERGE)
        publish.publish(con, home, now=NOW, keep=2)
    home.build.unlink()
    return home


def take_over(home: Home) -> dict[str, int]:
    with store.open_build(home) as con:
        return lasting.take_over(con, home)


def held(home: Home, table: str = HISTORY) -> list[tuple[object, ...]]:
    with store.open_build(home) as con:
        return con.execute(f"FROM {table}").fetchall()


def test_what_was_lost_comes_back_once(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    assert take_over(home)[HISTORY] == 1
    assert held(home) == [MERGE]
    assert f"lacked {HISTORY}, meta.check_result" in caplog.text
    assert "taken over from version 20261031T020000Z" in caplog.text
    with store.open_build(home) as con:
        assert "core.staff" not in store.tables_in(con)
        assert con.execute("SELECT kind, status FROM meta.run").fetchall() == [("restore", "succeeded")]
        con.execute(f"DELETE FROM {HISTORY}")
    assert take_over(home) == {}
    assert held(home) == []


def test_the_warehouse_serves_where_no_version_is_left(home: Home) -> None:
    for version in home.versions.iterdir():
        version.unlink()
    assert take_over(home)[HISTORY] == 1


def test_without_a_published_warehouse_there_is_nothing_to_take(tmp_path: Path) -> None:
    assert take_over(Home(tmp_path)) == {}


def test_taking_over_is_all_or_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(meta, "insert_rows", die)
        with pytest.raises(KeyboardInterrupt):
            take_over(home)
    with store.open_build(home) as con:
        assert store.tables_in(con) == set()
    assert take_over(home)[HISTORY] == 1


def test_a_damaged_version_is_named(home: Home) -> None:
    (version,) = home.versions.glob("*.duckdb")
    version.write_bytes(b"no database")
    with pytest.raises(store.StoreError, match=f"{version.name} cannot be read.*delete it"):
        take_over(home)


def test_a_column_that_the_contract_gained_is_empty_in_old_rows(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tables(), HISTORY, wider())
    contracts.lasting.cache_clear()
    try:
        take_over(home)
    finally:
        contracts.lasting.cache_clear()
    assert held(home) == [(*MERGE[:2], None, *MERGE[2:])]


def wider() -> contracts.Contract:
    """A contract of identity.history with one more column in the middle."""
    contract = tables()[HISTORY]
    more = contracts.Column("decided_by", "VARCHAR", "text", "Who decided.")
    return replace(contract, columns=(*contract.columns[:2], more, *contract.columns[2:]))


def test_a_table_gains_columns_and_keeps_rows_and_columns_that_it_has() -> None:
    with duckdb.connect() as con:
        store.create_table(con, tables()[HISTORY])
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"INSERT INTO {HISTORY} VALUES (?, ?, ?, ?)", MERGE)
        con.execute(f"ALTER TABLE {HISTORY} ADD COLUMN former INTEGER DEFAULT 7")
        for _ in range(2):
            store.create_table(con, wider())
        assert con.execute(f"FROM {HISTORY}").fetchall() == [(*MERGE[:2], None, *MERGE[2:], 7)]
        comments = dict(con.execute("SELECT column_name, comment FROM duckdb_columns() WHERE NOT internal").fetchall())
        assert comments["decided_by"] == "Who decided."
        assert comments["kind"] == tables()[HISTORY].column("kind").description


def test_what_cannot_be_made_again_is_lasting() -> None:
    names = {c.table for c in contracts.lasting()}
    assert names >= {"identity.assignment", HISTORY, "core.customer_history", "meta.table_count"}
    assert not [c.table for c in contracts.entities().values() if c.is_lasting]
