"""core.consent_period: literal events in, literal stretches out, and the question it exists for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.clean_tables import build, database
from warehouse import contracts

DAY = timedelta(days=1)
START = datetime(2024, 1, 1, tzinfo=UTC)


def event(day: int, granted: bool, *, channel: str = "email", source: str = "mail", **more: Any) -> dict[str, Any]:
    row = {"source": source, "email": "eva@x.de", "channel": channel, "is_granted": granted}
    return {**row, "occurred_at": START + day * DAY, **more}


def built(*events: dict[str, Any], wanted: str = "core.consent_period") -> duckdb.DuckDBPyConnection:
    numbered = [{"source_id": str(i), **e} for i, e in enumerate(events)]
    return build(database({"consent_event": numbered}), wanted)


def periods(con: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """Days from the start instead of moments."""
    query = """SELECT channel, is_granted, legal_basis, valid_from, valid_to, is_current FROM core.consent_period
               ORDER BY channel, valid_from"""
    return [
        (*row[:3], (row[3] - START).days, row[4] and (row[4] - START).days, row[5])
        for row in con.execute(query).fetchall()
    ]


def test_each_change_begins_a_stretch_and_ends_the_one_before() -> None:
    with built(event(9, True), event(0, True), event(5, False), event(3, False, channel="sms")) as con:
        assert periods(con) == [
            ("email", True, None, 0, 5, False),
            ("email", False, None, 5, 9, False),
            ("email", True, None, 9, None, True),
            ("sms", False, None, 3, None, True),
        ]


def test_saying_the_same_again_changes_nothing_and_another_basis_does() -> None:
    consent = {"legal_basis": "consent"}
    events = [event(0, True, **consent), event(2, True, **consent), event(3, True, source="crm", **consent)]
    with built(*events, event(4, True, legal_basis="contract"), event(6, False, **consent)) as con:
        assert periods(con) == [
            ("email", True, "consent", 0, 4, False),
            ("email", True, "contract", 4, 6, False),
            ("email", False, "consent", 6, None, True),
        ]


@pytest.mark.parametrize("first", [True, False])
def test_a_withdrawal_at_the_same_moment_wins(first: bool) -> None:
    with built(event(0, True), event(5, first), event(5, not first, source="crm")) as con:
        assert periods(con) == [("email", True, None, 0, 5, False), ("email", False, None, 5, None, True)]


def test_events_of_nobody_and_deleted_ones_are_left_out() -> None:
    with built(event(0, True, email=None), event(1, True, is_deleted=True)) as con:
        assert periods(con) == []


def test_the_example_of_the_contract_answers_as_of_any_moment() -> None:
    description = contracts.tables()["core.consent_period"].description
    example = description.split("`")[1]
    with built(event(0, True), event(60, False)) as con:
        (customer,) = con.execute("SELECT customer_id FROM core.consent_period").fetchone() or ("",)

        def asked(day: int) -> list[tuple[Any, ...]]:
            moment = (START + day * DAY).isoformat(sep=" ")
            return con.execute(example.replace("cus_…", customer).replace("2026-03-01 12:00:00+00", moment)).fetchall()

        assert (asked(-1), asked(0), asked(59), asked(60), asked(99)) == (
            [],
            [(True,)],
            [(True,)],
            [(False,)],
            [(False,)],
        )


def broken(con: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    rules = contracts.tables()[table].rules
    return {r.name for r in rules if con.execute(f"SELECT 1 FROM {table} WHERE {r.condition} LIMIT 1").fetchone()}


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("UPDATE core.consent_period SET valid_to = valid_from WHERE valid_to IS NOT NULL", "begins_before_it_ends"),
        ("DELETE FROM core.consent_period WHERE is_current", "stretches_meet"),
        ("UPDATE core.consent_period SET is_current = TRUE", "current_is_open"),
    ],
)
def test_damage_is_found(damage: str, told: str) -> None:
    with built(event(0, True), event(5, False)) as con:
        assert broken(con, "core.consent_period") == set()
        con.execute(damage)
        assert told in broken(con, "core.consent_period")


def test_customer_360_that_says_otherwise_is_found() -> None:
    with built(event(0, True), event(5, False), event(3, True, channel="post"), wanted="mart.customer_360") as con:
        build(con, "core.consent_period")
        assert broken(con, "mart.customer_360") == set()
        for damage in ("may_email = TRUE", "may_email = NULL", "may_sms = TRUE", "may_post = FALSE"):
            con.execute("BEGIN")
            con.execute(f"UPDATE mart.customer_360 SET {damage}")
            assert broken(con, "mart.customer_360") == {"consent_agrees_with_periods"}
            con.execute("ROLLBACK")


one_event = st.builds(
    event,
    st.integers(0, 6),
    st.booleans(),
    channel=st.sampled_from(["email", "sms"]),
    source=st.sampled_from(["mail", "crm"]),
    email=st.sampled_from(["eva@x.de", "jan@x.de"]),
    legal_basis=st.sampled_from([None, "consent"]),
)


@settings(deadline=None, max_examples=10)
@given(st.lists(one_event, max_size=12))
def test_every_rule_holds_on_any_events(events: list[dict[str, Any]]) -> None:
    with built(*events, wanted="mart.customer_360") as con:
        build(con, "core.consent_period")
        assert broken(con, "core.consent_period") | broken(con, "mart.customer_360") == set()
