"""Type 2 histories: what is told night by night in, versions out; and the deals' stays in their stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.clean_tables import build, built, database
from transforms.history import advance
from warehouse import contracts

TIME = pl.Datetime("us", "UTC")
START = datetime(2024, 1, 1, tzinfo=UTC)
TOLD = {"id": pl.String, "city": pl.String, "first_seen_at": TIME, "source_updated_at": TIME}
NOTHING = pl.DataFrame(
    schema={
        **{"id": pl.String, "valid_from": TIME, "valid_to": TIME, "is_current": pl.Boolean, "city": pl.String},
        **{"dated_by": pl.String, "recorded_at": TIME},
    }
)


def day(number: float | None) -> datetime | None:
    return None if number is None else START + timedelta(days=number)


def told(*rows: tuple[str, str | None, float | None, float | None]) -> pl.DataFrame:
    """What a night says: id, city, the days when it was first seen and last changed."""
    listed = [(key, city, day(created), day(updated)) for key, city, created, updated in rows]
    return pl.DataFrame(listed, schema=TOLD, orient="row")


def after(*nights: tuple[float, pl.DataFrame], before: pl.DataFrame = NOTHING) -> pl.DataFrame:
    for number, tonight in nights:
        before = advance(before, tonight, key="id", moment=START + timedelta(days=number))
    return before


def versions(history: pl.DataFrame) -> list[tuple[Any, ...]]:
    """Id, city, from, to (in days) and what the date goes by."""
    days = [((pl.col(name) - START).dt.total_seconds() / 86_400).alias(name) for name in ("valid_from", "valid_to")]
    return history.select("id", "city", *days, "dated_by").rows()


def test_the_first_version_reaches_back_to_when_it_was_first_seen() -> None:
    history = after((10, told(("a", "Bonn", 3, 7), ("b", "Köln", None, 7), ("c", "Ulm", 12, None))))
    assert versions(history) == [
        ("a", "Bonn", 3, None, "first_seen"),
        ("b", "Köln", 10, None, "night"),
        ("c", "Ulm", 10, None, "night"),
    ]
    assert history["recorded_at"].unique().to_list() == [day(10)]


def test_a_change_holds_from_when_the_source_made_it() -> None:
    history = after((10, told(("a", "Bonn", 3, 7))), (11, told(("a", "Bonn", 3, 7))), (12, told(("a", "Ulm", 3, 11.5))))
    assert versions(history) == [("a", "Bonn", 3, 11.5, "first_seen"), ("a", "Ulm", 11.5, None, "source")]
    assert history["recorded_at"].to_list() == [day(10), day(12)]


def test_what_a_source_changed_before_the_last_night_is_not_why_a_value_differs() -> None:
    """Records merged, or another one trusted more: the value may be old, and was not told until tonight."""
    history = after((10, told(("a", "Bonn", 3, 7))), (12, told(("a", "Bonn", 3, 11))))
    tonight = told(("a", "Ulm", 3, 11))
    for since, since_when in ((10, (11, None, "source")), (12, (13, None, "night"))):
        moved = advance(history, tonight, key="id", moment=START + timedelta(days=13), since=day(since))
        assert versions(moved)[1] == ("a", "Ulm", *since_when)


@pytest.mark.parametrize("updated", [None, 7, 5, 99])
def test_a_change_that_no_source_dates_holds_from_the_night(updated: float | None) -> None:
    """New rules and other trust change values where no source says that it changed anything."""
    history = after((10, told(("a", "Bonn", 3, 7))), (12, told(("a", "BONN", 3, updated))))
    assert versions(history)[1] == ("a", "BONN", 12, None, "night")


def test_other_changes_at_the_source_make_no_version() -> None:
    history = after((10, told(("a", "Bonn", 3, 7))))
    assert after((11, told(("a", "Bonn", 3, 10.5))), before=history).equals(history)


def test_nothing_is_a_value_too() -> None:
    history = after(
        (10, told(("a", None, 3, None))), (11, told(("a", "Ulm", 3, None))), (12, told(("a", None, 3, None)))
    )
    assert [row[1:4] for row in versions(history)] == [(None, 3, 11), ("Ulm", 11, 12), (None, 12, None)]


def test_what_is_gone_ends_and_what_is_back_begins_anew() -> None:
    here = told(("a", "Bonn", 3, 7))
    history = after((10, here), (12, told()))
    assert versions(history) == [("a", "Bonn", 3, 12, "first_seen")]
    assert history["is_current"].to_list() == [False]
    assert versions(after((14, here), before=history))[1] == ("a", "Bonn", 14, None, "night")
    assert versions(after((14, told(("a", "Bonn", 3, 13))), before=history))[1] == ("a", "Bonn", 13, None, "source")


def test_the_same_night_twice_is_one() -> None:
    first = after((10, told(("a", "Bonn", 3, 7))))
    second = after((12, told(("a", "Ulm", 3, 11))), before=first)
    assert after((12, told(("a", "Ulm", 3, 11))), before=second).equals(second)
    assert versions(after((12, told(("a", "Köln", 3, 11))), before=second)) == [
        ("a", "Bonn", 3, 11, "first_seen"),
        ("a", "Ulm", 11, 12, "source"),
        ("a", "Köln", 12, None, "night"),
    ]


def test_a_version_that_lasted_no_time_is_replaced() -> None:
    history = after((10, told(("a", "Bonn", None, None))), (10, told(("a", "Ulm", None, None))))
    assert versions(history) == [("a", "Ulm", 10, None, "night")]
    assert versions(after((9, told(("a", "Köln", None, None))), before=history)) == [("a", "Köln", 10, None, "night")]
    assert versions(after((9, told()), before=history)) == []


def test_an_older_record_found_later_lets_the_first_version_reach_further_back() -> None:
    history = after(
        (10, told(("a", "Bonn", 3, 7))), (11, told(("a", "Ulm", 3, 10.5))), (12, told(("a", "Ulm", 1, 10.5)))
    )
    assert versions(history) == [("a", "Bonn", 1, 10.5, "first_seen"), ("a", "Ulm", 10.5, None, "source")]


def test_a_column_that_is_new_is_no_change() -> None:
    history = after((10, told(("a", "Bonn", 3, 7))), (11, told(("a", "Ulm", 3, 10.5))))
    wider = told(("a", "Ulm", 3, 10.5)).with_columns(country=pl.lit("DE"))
    history = after((12, wider), before=history)
    assert versions(history)[1:] == [("a", "Ulm", 10.5, None, "source")]
    assert history["country"].to_list() == [None, "DE"]
    moved = wider.with_columns(country=pl.lit("AT"))
    assert after((13, moved), before=history)["country"].to_list() == [None, "DE", "AT"]


one_night = st.dictionaries(
    st.sampled_from("abc"), st.tuples(st.sampled_from([None, "x", "y"]), st.none() | st.integers(0, 9)), max_size=3
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 2), one_night), min_size=1, max_size=6))
def test_any_nights_leave_versions_that_meet_and_end_with_what_was_told(
    nights: Sequence[tuple[int, Mapping[str, tuple[str | None, int | None]]]],
) -> None:
    history, number = NOTHING, 5
    for gap, rows in nights:
        number += gap
        tonight = told(*((key, city, 2, updated) for key, (city, updated) in sorted(rows.items())))
        ended = history.filter(pl.col("valid_to").is_not_null())
        history = after((number, tonight), before=history)
        assert after((number, tonight), before=history).equals(history)
        assert history.filter("is_current").select("id", "city").rows() == tonight.select("id", "city").rows()
        assert history.filter(pl.col("valid_from") >= pl.col("valid_to")).is_empty()
        following = pl.col("valid_from").shift(-1).over("id")
        assert history.filter(following < pl.col("valid_to").fill_null(START + timedelta(days=99))).is_empty()
        assert ended.join(history, on=["id", "valid_from", "valid_to"], how="anti").is_empty()


def move(deal: str, stage: str, at: float, **more: Any) -> dict[str, Any]:
    row = {"source": "crm", "source_id": f"{deal}:{at}:{stage}", "deal_id": deal, "stage": stage}
    return {**row, "entered_at": day(at), **more}


def deal(key: str, stage: str, **more: Any) -> dict[str, Any]:
    row = {"source": "crm", "source_id": key, "stage": stage, "status": "open", "created_at": START}
    return {**row, "amount": 1, "currency": "EUR", **more}


def stays(con: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    rows = con.execute(
        "SELECT deal_id, stage, valid_from, valid_to, is_current, duration_days FROM core.deal_stage_history "
        "ORDER BY deal_id, valid_from"
    ).fetchall()
    return [(*row[:2], (row[2] - START).days, row[3] and (row[3] - START).days, *row[4:]) for row in rows]


def test_a_deal_stays_in_each_stage_until_the_next() -> None:
    deals = [deal("1", "won", status="won", closed_at=day(9)), deal("2", "offer"), deal("3", "new")]
    moves = [move("1", "new", 0), move("1", "offer", 2), move("1", "offer", 3), move("1", "won", 7)]
    moves += [move("2", "offer", 4, from_stage="new"), move("2", "lost", 6, is_deleted=True)]
    as_of = date(2024, 1, 21)
    with built({"deal": deals, "deal_stage_event": moves}, "core.deal_stage_history", as_of=as_of) as con:
        assert stays(con) == [
            ("crm:1", "new", 0, 2, False, 2),
            ("crm:1", "offer", 2, 7, False, 5),
            ("crm:1", "won", 7, None, True, 2),
            ("crm:2", "new", 0, 4, False, 4),
            ("crm:2", "offer", 4, None, True, 16),
        ]
        assert broken(con, "core.deal_stage_history") == set()


def test_of_two_moves_at_one_moment_the_last_counts() -> None:
    moves = [move("1", "new", 0), move("1", "a", 2), move("1", "b", 2)]
    with built({"deal": [deal("1", "b")], "deal_stage_event": moves}, "core.deal_stage_history") as con:
        assert [row[1:4] for row in stays(con)] == [("new", 0, 2), ("b", 2, None)]


def broken(con: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    rules = contracts.tables()[table].rules
    return {r.name for r in rules if con.execute(f"SELECT 1 FROM {table} WHERE {r.condition} LIMIT 1").fetchone()}


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("SET valid_to = valid_from WHERE NOT is_current", "begins_before_it_ends"),
        ("SET valid_to = valid_to - INTERVAL 1 HOUR WHERE NOT is_current", "stays_meet"),
        ("SET valid_to = NULL, is_current = TRUE", "nothing_comes_after_the_current"),
        ("SET stage = 'won' WHERE is_current", "current_is_the_stage_of_the_deal"),
    ],
)
def test_damage_to_stays_is_found(damage: str, told: str) -> None:
    moves = [move("1", "new", 0), move("1", "offer", 2)]
    with built({"deal": [deal("1", "offer")], "deal_stage_event": moves}, "core.deal_stage_history") as con:
        con.execute(f"UPDATE core.deal_stage_history {damage}")
        assert told in broken(con, "core.deal_stage_history")


PEOPLE = [
    {"source": "shop", "source_id": "1", "full_name": "Eva Roth", "email": "eva@x.de", "city": "Bonn",
     "created_at": day(0), "source_updated_at": day(0)},
    {"source": "crm", "source_id": "2", "full_name": "Eva Roth", "email": "e.roth@y.de", "phone": "+4915112345678",
     "street": "Am Markt 5", "city": "Ulm", "postcode": "89073", "created_at": day(1), "source_updated_at": day(1)},
]  # fmt: skip
ORDERS = [
    {"source": "shop", "source_id": f"o{at}", "contact_id": "1", "status": "paid", "currency": "EUR", "total": 1,
     "ordered_at": day(at)}
    for at in (2, 20, 40)
]  # fmt: skip


def next_night(con: duckdb.DuckDBPyConnection, at: float, *changes: str) -> None:
    for change in changes:
        con.execute(change)
    con.execute("UPDATE meta.night SET now = ?, as_of = ?", [day(at), START.date() + timedelta(days=int(at))])
    build(con, "core.sales_order", "core.customer")


def a_move() -> duckdb.DuckDBPyConnection:
    """Eva moved from Bonn to Trier on day 15, which the night of day 16 saw."""
    con = database({"contact": PEOPLE, "sales_order": ORDERS})
    next_night(con, 10)
    trier = "SET city = 'Trier', source_updated_at = TIMESTAMPTZ '2024-01-16 00:00:00Z' WHERE source = 'shop'"
    next_night(con, 16, f"UPDATE clean.contact {trier}")
    return con


@pytest.fixture(scope="module")
def moved() -> Iterator[duckdb.DuckDBPyConnection]:
    with a_move() as con:
        yield con


def test_the_example_of_the_contract_gives_the_address_at_the_time_of_each_order(
    moved: duckdb.DuckDBPyConnection,
) -> None:
    example = contracts.tables()["core.customer_history"].description.split("`")[1]
    found = moved.execute(f"{example} ORDER BY 1").fetchall()
    assert found == [("shop:o2", "Bonn"), ("shop:o20", "Trier"), ("shop:o40", "Trier")]


def test_an_id_that_is_merged_ends_with_the_merge() -> None:
    with a_move() as con:
        next_night(con, 30, "UPDATE clean.contact SET external_id = 'K7', email = 'eva@x.de', phone = '+4915112345678'")
        ((at, kind, gone, lasting),) = con.execute("FROM identity.history").fetchall()
        query = "SELECT valid_to FROM core.customer_history WHERE customer_id = ? ORDER BY valid_from"
        ends = {name: con.execute(query, [name]).fetchall() for name in (gone, lasting)}
        assert (kind, at, ends[gone][-1]) == ("merged", day(30), (day(30),))
        assert ends[lasting][-1] == (None,)
        assert broken(con, "core.customer_history") == set()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("UPDATE core.customer_history SET valid_to = valid_from WHERE NOT is_current", "begins_before_it_ends"),
        ("UPDATE core.customer_history SET valid_to = valid_to + INTERVAL 1 DAY", "versions_do_not_overlap"),
        ("UPDATE core.customer_history SET is_current = TRUE", "current_is_open"),
        ("UPDATE core.customer_history SET is_current = TRUE, valid_to = NULL", "one_is_current"),
        ("UPDATE core.customer_history SET city = 'Mainz'", "current_is_as_in_customer"),
        ("DELETE FROM core.customer WHERE city = 'Trier'", "current_is_as_in_customer"),
    ],
)
def test_damage_to_a_history_is_found(moved: duckdb.DuckDBPyConnection, damage: str, told: str) -> None:
    assert broken(moved, "core.customer_history") | broken(moved, "core.customer") == set()
    moved.begin()
    moved.execute(damage)
    found = broken(moved, "core.customer_history")
    moved.rollback()
    assert told in found


@pytest.mark.parametrize("of", ["customer", "account", "product"])
def test_a_history_that_lacks_somebody_is_found(of: str) -> None:
    rows = {"contact": PEOPLE, "company": [{"source_id": "1", "name": "Acme"}], "product": [{"source_id": "1"}]}
    with built(rows, f"core.{of}") as con:
        assert broken(con, f"core.{of}") == set()
        con.execute(f"DELETE FROM core.{of}_history")
        assert broken(con, f"core.{of}") == {"has_its_current_version"}
