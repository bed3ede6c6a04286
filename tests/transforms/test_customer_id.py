"""What is told of customer ids: the queue of uncertain pairs, where old ids lead, and customers of suspicious size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import duckdb
import pytest

from tests.transforms.clean_tables import database
from transforms.models import build_model, load_models
from warehouse.contracts import tables


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with database({}) as con:
        yield con


def fill(con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        marks = ", ".join("?" for _ in row)
        con.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))


def assign(con: duckdb.DuckDBPyConnection, **customers: str) -> None:
    """Give each customer the records named by single letters."""
    rows = [{"record_id": r, "customer_id": name} for name, records in customers.items() for r in records]
    fill(con, "identity.assignment", rows)


def made(con: duckdb.DuckDBPyConnection, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
    build_model(con, load_models()[table])
    return con.execute(f"SELECT {columns} FROM {table} ORDER BY 1").fetchall()


# identity.customer_alias


def happened(con: duckdb.DuckDBPyConnection, *events: tuple[int, str, str, str]) -> None:
    for day, kind, old, new in events:
        at = datetime(2026, 11, day, tzinfo=UTC)
        row = {"happened_at": at, "kind": kind, "old_customer_id": old, "new_customer_id": new}
        fill(con, "identity.history", [row])


def test_old_ids_lead_to_todays_through_all_merges(con: duckdb.DuckDBPyConnection) -> None:
    assign(con, z="a", other="b")
    happened(con, (1, "merged", "w", "x"), (2, "merged", "x", "y"), (3, "merged", "y", "z"))
    assert made(con, "identity.customer_alias") == [
        ("other", "other", True),
        ("w", "z", False),
        ("x", "z", False),
        ("y", "z", False),
        ("z", "z", True),
    ]


def test_the_id_of_a_split_lives_on(con: duckdb.DuckDBPyConnection) -> None:
    assign(con, x="a", y="b")
    happened(con, (1, "split", "x", "y"))
    assert made(con, "identity.customer_alias") == [("x", "x", True), ("y", "y", True)]


def test_an_undone_merge_leads_back_to_itself(con: duckdb.DuckDBPyConnection) -> None:
    assign(con, x="a", y="b")
    happened(con, (1, "merged", "w", "x"), (2, "merged", "x", "y"), (3, "split", "y", "x"))
    assert made(con, "identity.customer_alias") == [("w", "x", False), ("x", "x", True), ("y", "y", True)]


def test_ids_merged_by_turns_make_no_circle(con: duckdb.DuckDBPyConnection) -> None:
    """x into y, undone, y into x, and then everything that they were is gone."""
    assign(con, z="a")
    happened(con, (1, "merged", "x", "y"), (2, "split", "y", "x"), (3, "merged", "y", "x"))
    assert made(con, "identity.customer_alias") == [("x", None, False), ("y", None, False), ("z", "z", True)]


def test_an_id_that_was_divided_leads_to_one_of_its_heirs(con: duckdb.DuckDBPyConnection) -> None:
    assign(con, y="a", z="b")
    happened(con, (1, "merged", "x", "z"), (1, "merged", "x", "y"))
    assert made(con, "identity.customer_alias")[0] == ("x", "y", False)


# identity.review


def uncertain(con: duckdb.DuckDBPyConnection, *pairs: tuple[str, float]) -> None:
    rows = [
        {"left_record": pair[0], "right_record": pair[1], "probability": p, "for_evidence": "", "against_evidence": ""}
        for pair, p in pairs
    ]
    fill(con, "identity.uncertain_pair", rows)


def decided(con: duckdb.DuckDBPyConnection, pair: str, verdict: str, state: str = "in_force") -> None:
    row = {"record_left": pair[0], "record_right": pair[1], "verdict": verdict, "state": state}
    fill(con, "identity.decision", [row])


def queue(con: duckdb.DuckDBPyConnection) -> list[str]:
    return [pair for _, pair in made(con, "identity.review", "position, left_record || right_record")]


def test_the_most_uncertain_come_first_and_those_put_off_last(con: duckdb.DuckDBPyConnection) -> None:
    assign(con, p="a", q="b", r="c", s="d")
    uncertain(con, ("ab", 0.8), ("ac", 0.55), ("ad", 0.3), ("bc", 0.5))
    for day, pair, undone in ((2, "bc", None), (1, "ac", None), (3, "ad", datetime(2026, 11, 4, tzinfo=UTC))):
        at = datetime(2026, 11, day, tzinfo=UTC)
        row = {"record_left": pair[0], "record_right": pair[1], "verdict": "later", "decided_at": at}
        fill(con, "meta.decision", [{**row, "undone_at": undone}])
    assert queue(con) == ["ad", "ab", "ac", "bc"]


def test_what_is_decided_about_two_customers_is_not_asked_of_their_other_records(
    con: duckdb.DuckDBPyConnection,
) -> None:
    assign(con, p="ab", q="cd", r="ef", s="g")
    uncertain(con, ("bd", 0.5), ("ac", 0.6), ("ef", 0.5), ("ag", 0.7), ("ce", 0.6))
    decided(con, "bc", "different")
    decided(con, "ef", "same")
    decided(con, "ce", "different", "record_gone")
    assert queue(con) == ["ce", "ag"]


def test_the_queue_says_which_customers_the_records_are(con: duckdb.DuckDBPyConnection) -> None:
    assign(con, p="ab", q="c")
    uncertain(con, ("ab", 0.5), ("bc", 0.6))
    columns = "position, left_customer_id, right_customer_id, is_one_customer"
    assert made(con, "identity.review", columns) == [(1, "p", "p", True), (2, "p", "q", False)]


# identity.customer_size


def suspicious(con: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    made(con, "identity.customer_size")
    (rule,) = tables()["identity.customer_size"].rules
    sql = f"SELECT customer_id, records, names, birth_dates FROM identity.customer_size WHERE {rule.condition}"
    return con.execute(f"{sql} ORDER BY 1").fetchall()


def people(con: duckdb.DuckDBPyConnection, customer: str, names: Sequence[str], births: Sequence[date | None]) -> None:
    con.execute("CREATE TABLE IF NOT EXISTS identity.record (record_id VARCHAR, full_name VARCHAR, birth_date DATE)")
    for number, (name, birth) in enumerate(zip(names, births, strict=True)):
        record = f"{customer}{number}"
        fill(con, "identity.record", [{"record_id": record, "full_name": name, "birth_date": birth}])
        fill(con, "identity.assignment", [{"record_id": record, "customer_id": customer}])


def test_customers_of_suspicious_size_stand_out(con: duckdb.DuckDBPyConnection) -> None:
    for number in range(500):
        people(con, f"usual{number}", ["Anna"], [None])
    people(con, "long", ["Anna"] * 11, [None] * 11)
    people(con, "named", ["A", "B", "C", "D", "E"], [None] * 5)
    people(con, "born", ["A", "A", "A"], [date(1990, 1, day) for day in (1, 2, 3)])
    people(con, "fine", ["A", "B", "C", "D"], [date(1990, 1, 1), date(1990, 1, 2), None, None])
    assert suspicious(con) == [("born", 3, 1, 3), ("long", 11, 1, 0), ("named", 5, 5, 0)]


def test_what_is_usual_is_the_businesss_own_or_as_it_chose(con: duckdb.DuckDBPyConnection) -> None:
    for number in range(99):
        people(con, f"usual{number}", ["Anna"] * 6, [None] * 6)
    people(con, "long", ["Anna"] * 17, [None] * 17)
    assert suspicious(con) == []
    con.execute("INSERT INTO meta.setting VALUES ('suspicious_records', 16)")
    assert suspicious(con) == [("long", 17, 1, 0)]
