"""Checking what changed comes to what checking everything comes to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import duckdb
import pytest

from quality import recheck
from quality.gx import run_checks
from quality.results import CheckResult
from quality.suites import checks_for
from transforms.clean.load import ensure_tables
from warehouse import changes
from warehouse.contracts import entities

NIGHT = datetime(2026, 10, 31, tzinfo=UTC)
LINE, ORDER = entities()["order_line"], entities()["sales_order"]


@pytest.fixture
def con(monkeypatch: pytest.MonkeyPatch) -> Iterator[duckdb.DuckDBPyConnection]:
    """Four orders of three lines each."""
    monkeypatch.setattr(recheck, "MOST", 1.0)
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute("CREATE SCHEMA meta")
        con.execute("CREATE TABLE meta.night AS SELECT DATE '2026-10-31' AS as_of")
        for contract in (ORDER, LINE, entities()["product"]):
            ensure_tables(con, contract)
        con.execute(
            "INSERT INTO clean.sales_order BY NAME SELECT 'shop' AS source, 'o' || i AS source_id, 'paid' AS status, "
            "'EUR' AS currency, 30 AS total, TIMESTAMPTZ '2026-10-01' AS ordered_at, FALSE AS is_deleted "
            "FROM range(4) AS t(i)"
        )
        con.execute(
            "INSERT INTO clean.order_line BY NAME SELECT 'shop' AS source, 'l' || i AS source_id, "
            "'o' || i // 3 AS order_id, 2 AS quantity, 5 AS unit_price, 10 AS total, "
            "'EUR' AS currency, FALSE AS is_deleted FROM range(12) AS t(i)"
        )
        yield con


def judged(results: list[CheckResult]) -> list[tuple[str, bool, int, int]]:
    return [(r.name, r.passed, r.evaluated_rows, r.failed_rows) for r in results]


CHANGES = {
    "a line is altered": ("UPDATE clean.order_line SET quantity = 3, total = 15 WHERE source_id = 'l4'", set()),
    "a line goes": ("DELETE FROM clean.order_line WHERE source_id = 'l4'", set()),
    "a line comes": (
        "INSERT INTO clean.order_line SELECT * REPLACE ('l99' AS source_id) FROM clean.order_line LIMIT 1",
        set(),
    ),
    "a value is missing": (
        "UPDATE clean.order_line SET total = NULL WHERE source_id = 'l4'",
        {"total_is_given"},
    ),
    "a currency is none": (
        "UPDATE clean.order_line SET currency = 'euro' WHERE source_id = 'l4'",
        {"currency_is_currency"},
    ),
    "a key comes again, of a line that did not change": (
        "INSERT INTO clean.order_line SELECT * REPLACE (3 AS quantity, 15 AS total) "
        "FROM clean.order_line WHERE source_id = 'l4'",
        {"source_id_is_unique"},
    ),
    "a line names an order that is not there": (
        "UPDATE clean.order_line SET order_id = 'o99' WHERE source_id = 'l4'",
        {"order_id_is_in_sales_order"},
    ),
    "an order goes, and its lines stay as they are": (
        "DELETE FROM clean.sales_order WHERE source_id = 'o1'",
        {"order_id_is_in_sales_order"},
    ),
}


@pytest.mark.parametrize("known", [True, False], ids=["orders followed", "orders not followed"])
@pytest.mark.parametrize("name", CHANGES)
def test_changed_rows_tell_as_much_as_all(con, name, known):
    sql, broken = CHANGES[name]
    checks = checks_for(LINE)
    first = {r.name: r for r in run_checks(con, LINE.table, checks)}
    assert all(r.passed for r in first.values())
    queries: dict[str, str | None] = {}
    before = {t: changes.version_of(con, t) for t in (LINE.table, ORDER.table)}
    for table in before:
        follower = changes.Following(con, table, before[table], by=("source", "source_id"))
        if table in sql.split("WHERE")[0].split("SELECT")[0]:
            con.execute(sql)
        after = follower.finish(NIGHT)
        if after != before[table]:
            queries[table] = changes.since(con, table, before[table], after)
    changed = queries.pop(LINE.table, None) or f"SELECT source, source_id FROM {LINE.table} LIMIT 0"
    parents = queries if known else dict.fromkeys(queries)
    found = recheck.run_on_changed(con, LINE, checks, last=first, changed=changed, parents=parents)
    everything = run_checks(con, LINE.table, checks)
    assert found is not None
    assert judged(found) == judged(everything)
    assert {r.name for r in found if not r.passed} == broken


def test_what_failed_last_time_is_looked_at_as_a_whole(con):
    con.execute("UPDATE clean.order_line SET currency = 'euro' WHERE source_id = 'l1'")
    checks = checks_for(LINE)
    last = {r.name: r for r in run_checks(con, LINE.table, checks)}
    con.execute("UPDATE clean.order_line SET quantity = 4, total = 20 WHERE source_id = 'l2'")
    changed = "SELECT 'shop' AS source, 'l2' AS source_id"
    found = recheck.run_on_changed(con, LINE, checks, last=last, changed=changed, parents={})
    assert found is not None
    assert judged(found) == judged(run_checks(con, LINE.table, checks))
    assert [r.name for r in found if not r.passed] == ["currency_is_currency"]


def test_where_much_changed_all_is_checked(con, monkeypatch):
    monkeypatch.setattr(recheck, "MOST", 0.2)
    changed = "SELECT source, source_id FROM clean.order_line"
    assert recheck.run_on_changed(con, LINE, checks_for(LINE), last={}, changed=changed, parents={}) is None
    assert con.sql("SELECT count(*) FROM duckdb_schemas() WHERE schema_name = 'checked'").fetchone() == (0,)
