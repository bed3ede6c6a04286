"""Orphans move to quarantine and are told apart from other rows there."""

from __future__ import annotations

import json
from datetime import timedelta

import duckdb
import pytest

from quality.integrity import Swept, returning, sweep_orphans
from warehouse import changes, records
from warehouse.contracts import Reference


@pytest.fixture
def contracts(contract, column, create):
    """message → line → order, by references to quarantine; line → product by one that only warns."""
    made = [
        contract("message", column("line_id"), references=(Reference("line_id", "line", "source_id", "quarantine"),)),
        contract(
            "line",
            column("order_id"),
            column("gift_order_id"),
            column("product_id"),
            references=(
                Reference("order_id", "sales_order", "source_id", "quarantine"),
                Reference("gift_order_id", "sales_order", "source_id", "quarantine"),
                Reference("product_id", "product", "source_id", "warn"),
            ),
        ),
        contract("sales_order"),
        contract("product"),
    ]
    for one in made:
        create(one)
    return {c.name: c for c in made}


def moved(con, contracts, now):
    return {name: swept.moved for name, swept in sweep_orphans(con, contracts, now).items()}


def kept(con, entity):
    return con.execute(f"SELECT source, source_id FROM clean.{entity} ORDER BY ALL").fetchall()


def test_rows_without_their_parent_move_with_reason_and_row(con, contracts, now):
    con.execute("INSERT INTO clean.sales_order (source, source_id) VALUES ('shop', '1')")
    con.execute(
        """
        INSERT INTO clean.line (source, source_id, order_id, product_id, source_file, source_row) VALUES
            ('shop', 'a', '1', 'unknown', 'lines.csv', 2), ('shop', 'b', '123', NULL, 'lines.csv', 3),
            ('other', 'c', '1', NULL, 'lines.csv', 4), ('shop', 'd', NULL, NULL, 'lines.csv', 5)
        """
    )
    assert moved(con, contracts, now) == {"line": 2, "message": 0}
    assert kept(con, "line") == [("shop", "a"), ("shop", "d")]
    rows = con.execute("FROM quarantine.line ORDER BY source_id").fetchall()
    assert [(*row[:3], *row[4:]) for row in rows] == [
        ("shop", "b", ["orphan: order_id 123 not in sales_order"], "lines.csv", 3, now, now),
        ("other", "c", ["orphan: order_id 1 not in sales_order"], "lines.csv", 4, now, now),
    ]
    assert json.loads(rows[0][3])["order_id"] == "123"


def test_a_child_of_an_orphan_is_an_orphan(con, contracts, now):
    con.execute("INSERT INTO clean.line (source, source_id, order_id) VALUES ('shop', 'a', 'gone')")
    con.execute("INSERT INTO clean.message (source, source_id, line_id) VALUES ('shop', 'm', 'a')")
    assert moved(con, contracts, now) == {"line": 1, "message": 1}
    assert kept(con, "message") == []


def test_a_row_that_lacks_two_parents_gives_both_reasons(con, contracts, now):
    con.execute("INSERT INTO clean.line (source, source_id, order_id, gift_order_id) VALUES ('shop', 'a', 'x', 'y')")
    sweep_orphans(con, contracts, now)
    assert con.execute("SELECT unnest(reasons) FROM quarantine.line").fetchall() == [
        ("orphan: order_id x not in sales_order",),
        ("orphan: gift_order_id y not in sales_order",),
    ]


def test_a_second_sweep_changes_nothing_and_a_later_one_keeps_the_first_day(con, contracts, now):
    def arrive():
        con.execute("INSERT INTO clean.line (source, source_id, order_id) VALUES ('shop', 'a', 'gone')")

    arrive()
    sweep_orphans(con, contracts, now)
    before = con.execute("FROM quarantine.line").fetchall()
    assert moved(con, contracts, now + timedelta(days=1)) == {"line": 0, "message": 0}
    assert con.execute("FROM quarantine.line").fetchall() == before
    arrive()
    sweep_orphans(con, contracts, now + timedelta(days=2))
    seen = con.execute("SELECT first_seen_at, last_seen_at FROM quarantine.line").fetchall()
    assert seen == [(now, now + timedelta(days=2))]


def test_rows_quarantined_for_other_reasons_stay_and_are_no_orphans(con, contracts, now):
    con.execute(
        "INSERT INTO quarantine.line (source, source_id, reasons) VALUES ('shop', 'a', ['total: not a number'])"
    )
    assert returning(con, contracts["line"], "shop") == []
    con.execute("INSERT INTO clean.line (source, source_id, order_id) VALUES ('shop', 'a', 'gone')")
    sweep_orphans(con, contracts, now)
    assert con.execute("SELECT count(*) FROM quarantine.line").fetchone() == (2,)


def test_a_failure_leaves_everything_as_it_was(con, contracts, now):
    con.execute("INSERT INTO clean.line (source, source_id, order_id) VALUES ('shop', 'a', 'gone')")
    con.execute("DROP TABLE quarantine.message")
    con.execute("INSERT INTO clean.message (source, source_id, line_id) VALUES ('shop', 'm', 'a')")
    with pytest.raises(duckdb.CatalogException):
        sweep_orphans(con, contracts, now)
    assert kept(con, "line") == [("shop", "a")]
    assert con.execute("FROM quarantine.line").fetchall() == []


def test_orphans_return_when_their_reasons_are_others(con, contracts, now):
    con.execute(
        "INSERT INTO clean.line (source, source_id, order_id, gift_order_id) VALUES "
        "('shop', 'a', '1', NULL), ('shop', 'b', '2', '3'), ('shop', 'c', '4', '5'), ('other', 'd', '1', NULL)"
    )
    con.execute("INSERT INTO clean.sales_order (source, source_id) VALUES ('shop', '5')")
    sweep_orphans(con, contracts, now)
    assert returning(con, contracts["line"], "shop") == []
    con.execute("INSERT INTO clean.sales_order (source, source_id) VALUES ('shop', '1'), ('shop', '3')")
    assert returning(con, contracts["line"], "shop") == ["a", "b"]
    con.execute("DELETE FROM clean.sales_order WHERE source_id = '5'")
    assert returning(con, contracts["line"], "shop") == ["a", "b", "c"]
    assert returning(con, contracts["line"], "other") == []


def test_orphans_of_an_entity_that_refers_to_itself_all_return(con, contract, column, create, now):
    part = contract("part", column("part_of"), references=(Reference("part_of", "part", "source_id", "quarantine"),))
    create(part)
    con.execute("INSERT INTO clean.part (source, source_id, part_of) VALUES ('shop', 'a', 'b')")
    sweep_orphans(con, {"part": part}, now)
    assert returning(con, part, "shop") == ["a"]


def test_orphans_that_are_back_in_clean_leave_quarantine(con, contracts, now):
    con.execute("INSERT INTO clean.line (source, source_id, order_id) VALUES ('shop', 'a', 'late')")
    sweep_orphans(con, contracts, now)
    con.execute("INSERT INTO clean.sales_order (source, source_id) VALUES ('shop', 'late')")
    con.execute("INSERT INTO clean.line (source, source_id, order_id) VALUES ('shop', 'a', 'late')")
    assert moved(con, contracts, now) == {"line": 0, "message": 0}
    assert con.execute("FROM quarantine.line").fetchall() == []
    assert kept(con, "line") == [("shop", "a")]


def test_what_is_moved_is_logged(con, contracts, now):
    con.execute(
        "INSERT INTO clean.line (source, source_id, order_id) VALUES ('shop', 'a', 'gone'), ('shop', 'b', NULL)"
    )
    first = records.version_of(con, contracts["line"])
    swept = sweep_orphans(con, contracts, now, {"line": first})["line"]
    assert swept.version == records.version_of(con, contracts["line"]) != first
    told = con.execute(changes.since(con, "clean.line", first, swept.version)).fetchall()
    assert [row[:2] for row in told] == [("shop", "a")]
    assert sweep_orphans(con, contracts, now, {"line": swept.version})["line"] == Swept(0, swept.version)
