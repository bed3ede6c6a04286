"""Customer ids that last."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.identity import assign

NIGHT = datetime(2024, 4, 1, 2, tzinfo=UTC)
LATER = datetime(2024, 4, 2, 2, tzinfo=UTC)


def clusters_of(linked: pl.DataFrame) -> set[frozenset[str]]:
    return {frozenset(ids) for ids in linked.group_by("cluster_id").agg("record_id")["record_id"].to_list()}


def clusters(**members: list[str]) -> pl.DataFrame:
    rows = [(record, name, 1.0) for name, records in members.items() for record in records]
    return pl.DataFrame(rows, schema=["record_id", "cluster_id", "match_probability"], orient="row")


def ids(assignment: pl.DataFrame) -> dict[str, str]:
    return dict(assignment.select("record_id", "customer_id").iter_rows())


def test_first_ids_come_from_the_smallest_record() -> None:
    assignment, history = assign(clusters(b=["c", "b"], a=["a"]), None, happened_at=NIGHT)
    assert ids(assignment) == {
        "a": "cus_ca978112ca1bbdca",
        "b": "cus_3e23e8160039594a",
        "c": "cus_3e23e8160039594a",
    }
    assert assignment["customer_since"].unique().to_list() == [date(2024, 4, 1)]
    assert history.is_empty()


def test_ids_last_when_records_come_and_go() -> None:
    first, _ = assign(clusters(b=["b", "c"]), None, happened_at=NIGHT)
    second, history = assign(clusters(a=["a", "c", "d"]), first, happened_at=LATER)
    assert set(ids(second).values()) == {ids(first)["b"]}
    assert second["customer_since"].unique().to_list() == [date(2024, 4, 1)]
    assert history.is_empty()


def test_a_merge_keeps_the_id_of_most_records_and_is_logged() -> None:
    first, _ = assign(clusters(a=["a"], b=["b", "c"]), None, happened_at=NIGHT)
    second, history = assign(clusters(a=["a", "b", "c"]), first, happened_at=LATER)
    a, b = ids(first)["a"], ids(first)["b"]
    assert set(ids(second).values()) == {b}
    assert history.rows() == [(LATER, "merged", a, b)]


def test_an_even_merge_keeps_the_older_id() -> None:
    previous = pl.DataFrame(
        {
            "record_id": ["a", "b"],
            "customer_id": ["cus_a", "cus_b"],
            "customer_since": [date(2024, 2, 1), date(2024, 1, 1)],
        }
    )
    assignment, history = assign(clusters(a=["a", "b"]), previous, happened_at=LATER)
    assert set(ids(assignment).values()) == {"cus_b"}
    assert history.rows() == [(LATER, "merged", "cus_a", "cus_b")]


def test_a_split_leaves_the_id_with_the_larger_part_even_if_the_smallest_record_goes() -> None:
    first, _ = assign(clusters(a=["a", "b", "c"]), None, happened_at=NIGHT)
    second, history = assign(clusters(a=["a"], b=["b", "c"]), first, happened_at=LATER)
    old = ids(first)["a"]
    assert ids(second)["b"] == ids(second)["c"] == old
    assert ids(second)["a"] != old
    assert history.rows() == [(LATER, "split", old, ids(second)["a"])]


@st.composite
def two_nights(draw: st.DrawFn) -> tuple[dict[str, str], dict[str, str]]:
    records = [f"r{i}" for i in range(draw(st.integers(1, 10)))]
    labels = st.sampled_from(["w", "x", "y", "z"])
    return tuple({r: draw(labels) for r in records if draw(st.booleans())} for _ in range(2))  # type: ignore[return-value]


@settings(deadline=None, max_examples=60)
@given(two_nights())
def test_no_two_clusters_share_an_id_and_nobody_changes_without_cause(nights: tuple) -> None:  # type: ignore[type-arg]
    previous = None
    frames = []
    for night in nights:
        grouped: dict[str, list[str]] = {}
        for record, label in night.items():
            grouped.setdefault(label, []).append(record)
        named = {min(members): members for members in grouped.values()}
        found = pl.DataFrame(
            [(r, name, 1.0) for name, members in named.items() for r in members],
            schema={"record_id": pl.String, "cluster_id": pl.String, "match_probability": pl.Float64},
            orient="row",
        )
        previous, history = assign(found, previous, happened_at=NIGHT)
        assert previous.group_by("customer_id").agg(pl.col("cluster_id").n_unique())["cluster_id"].max() in (1, None)
        assert previous.group_by("cluster_id").agg(pl.col("customer_id").n_unique())["customer_id"].max() in (1, None)
        frames.append((previous, history))
    (before, _), (after, history) = frames
    moved = before.join(after, on="record_id").filter(pl.col("customer_id") != pl.col("customer_id_right"))
    logged = set(history.select("old_customer_id", "new_customer_id").iter_rows())
    assert set(moved.select("customer_id", "customer_id_right").iter_rows()) == logged
    if {frozenset(g) for g in clusters_of(before)} == {frozenset(g) for g in clusters_of(after)}:
        assert not logged
