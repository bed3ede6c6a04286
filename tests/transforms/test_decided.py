"""Decisions of people: which of them hold, and that those always win over what the records say."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.identity import link, settle
from warehouse.contracts import tables

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)

#: left, right, verdict; numbered from 1 in the order given.
Said = tuple[str, str, str]


def log(*said: Said, undone: tuple[int, ...] = ()) -> pl.DataFrame:
    types = {"BIGINT": pl.Int64, "VARCHAR": pl.String, "TIMESTAMPTZ": pl.Datetime("us", "UTC")}
    schema = {c.name: types[c.duckdb_type] for c in tables()["meta.decision"].columns}
    rows = [
        (number, min(one, other), max(one, other), verdict, NOW, "ada", None, NOW if number in undone else None, None)
        for number, (one, other, verdict) in enumerate(said, 1)
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")


def states(decisions: pl.DataFrame, records: str = "abcdef") -> dict[int, tuple[str, str | None]]:
    found = settle(decisions, pl.Series(list(records), dtype=pl.String))
    return {n: (state, by) for n, state, by in found.select("decision_id", "state", "contradicted_by").iter_rows()}


def test_rows_are_those_of_the_contract() -> None:
    for decisions in (log(), log(("a", "b", "same"))):
        found = settle(decisions, pl.Series(["a", "b"]))
        assert found.columns == [c.name for c in tables()["identity.decision"].columns]


def test_the_latest_decision_about_a_pair_stands() -> None:
    said = (("a", "b", "same"), ("b", "a", "different"), ("a", "b", "later"), ("c", "d", "later"))
    assert states(log(*said)) == {2: ("in_force", None)}
    assert states(log(*said, undone=(2,))) == {1: ("in_force", None)}
    assert states(log(*said, undone=(1, 2))) == {}


def test_a_decision_waits_while_a_record_is_gone() -> None:
    said = log(("a", "b", "same"), ("b", "c", "same"), ("a", "c", "different"))
    assert states(said, "ac") == {1: ("record_gone", None), 2: ("record_gone", None), 3: ("in_force", None)}
    assert states(said, "abc")[3] == ("in_force", None)


@pytest.mark.parametrize(
    ("said", "contradicted"),
    [
        ([("a", "b", "same"), ("b", "c", "same"), ("a", "c", "different")], {1: "2, 3"}),
        ([("a", "c", "different"), ("a", "b", "same"), ("b", "c", "same")], {1: "2, 3"}),
        ([("a", "b", "same"), ("a", "c", "different"), ("b", "c", "same")], {1: "2, 3"}),
        ([("a", "d", "different"), ("a", "b", "same"), ("b", "c", "same"), ("c", "d", "same")], {1: "2, 3, 4"}),
        ([("a", "b", "same"), ("a", "c", "different"), ("b", "d", "different"), ("c", "d", "same")], {}),
        ([("b", "c", "same"), ("a", "c", "same"), ("a", "b", "different"), ("d", "b", "same")], {1: "2, 3"}),
        ([("a", "b", "same"), ("b", "c", "same"), ("c", "a", "same")], {}),
    ],
)
def test_where_not_all_can_hold_the_latest_do(said: list[Said], contradicted: dict[int, str]) -> None:
    found = states(log(*said))
    assert {n: by for n, (state, by) in found.items() if state == "contradicted"} == contradicted


def test_undoing_what_contradicts_brings_the_older_one_back() -> None:
    said = (("a", "b", "same"), ("b", "c", "same"), ("a", "c", "different"))
    assert states(log(*said, undone=(3,))) == {1: ("in_force", None), 2: ("in_force", None)}


#: Two people in three records each, and one who is nobody of these: the records say clearly who is who.
RECORDS = pl.DataFrame(
    [
        *({"record_id": r, "source": s, "full_name": "Anna Berg", "email": "anna@berg.de", "phone": "+4930111"}
          for r, s in zip("abc", ("crm", "shop", "desk"), strict=True)),
        *({"record_id": r, "source": s, "full_name": "Boris Lang", "email": "boris@lang.de", "phone": "+4930222"}
          for r, s in zip("de", ("crm", "shop"), strict=True)),
        {"record_id": "f", "source": "desk", "full_name": "Greta Falk", "email": "greta@falk.de", "phone": None},
    ]
)  # fmt: skip
PAIRS = st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")).filter(lambda pair: pair[0] != pair[1])


def people(*said: Said) -> list[str]:
    """The records of each person, as people decided."""
    linked = link(RECORDS, happened_at=NOW, decisions=settle(log(*said), RECORDS["record_id"])).assignment
    found = linked.group_by("customer_id").agg(pl.col("record_id").sort().str.join(""))
    return sorted(found["record_id"])


def test_whoever_is_decided_to_be_one_brings_along_all_records() -> None:
    assert people() == ["abc", "de", "f"]
    assert people(("a", "d", "same")) == ["abcde", "f"]
    assert people(("a", "d", "same"), ("e", "f", "same")) == ["abcdef"]


def test_two_persons_joined_by_one_decision_and_parted_by_another_stay_as_decided() -> None:
    found = people(("a", "d", "same"), ("b", "e", "different"))
    (joined,) = (person for person in found if "a" in person)
    assert "d" in joined
    assert not {"b", "e"} <= set(joined)


@settings(deadline=None, max_examples=15)
@given(st.lists(st.tuples(PAIRS, st.sampled_from(["same", "different"])), min_size=1, max_size=8))
def test_decisions_that_hold_are_always_obeyed(said: list[tuple[tuple[str, str], str]]) -> None:
    decisions = settle(log(*((*pair, verdict) for pair, verdict in said)), RECORDS["record_id"])
    in_force = decisions.filter(pl.col("state") == "in_force")
    assert in_force["decision_id"].max() == len(said)
    linked = link(RECORDS, happened_at=NOW, decisions=in_force).assignment
    customer = dict(linked.select("record_id", "customer_id").iter_rows())
    obeyed = {
        (left, right): (customer[left] == customer[right]) == (verdict == "same")
        for left, right, verdict in in_force.select("record_left", "record_right", "verdict").iter_rows()
    }
    assert all(obeyed.values()), obeyed
