"""Customer ids that last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.identity import assign
from transforms.identity.assignment import left_behind

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


def test_a_merge_comes_after_those_before_though_the_clock_went_back() -> None:
    first, _ = assign(clusters(a=["a"], b=["b", "b2"], c=["c", "c2", "c3", "c4"]), None, happened_at=NIGHT)
    second, earlier = assign(clusters(b=["a", "b", "b2"], c=["c", "c2", "c3", "c4"]), first, happened_at=LATER)
    former = left_behind(first, earlier)
    _, history = assign(clusters(c=["a", "b", "b2", "c", "c2", "c3", "c4"]), second, happened_at=NIGHT, former=former)
    (happened_at,) = set(history["happened_at"])
    assert happened_at > LATER
    assert happened_at - LATER < timedelta(seconds=1)


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


@dataclass
class Nights:
    """Customer ids from night to night, with what identity.former_id keeps."""

    assignment: pl.DataFrame | None = None
    former: pl.DataFrame | None = None
    history: pl.DataFrame | None = None
    night: datetime = NIGHT

    def ids(self, **members: list[str]) -> dict[str, str]:
        """The ids of one more night, by record."""
        return self.next(clusters(**members))

    def next(self, found: pl.DataFrame) -> dict[str, str]:
        self.night += timedelta(hours=1)
        assignment, self.history = assign(found, self.assignment, happened_at=self.night, former=self.former)
        more = left_behind(self.assignment, self.history, self.former)
        self.former = more if self.former is None else pl.concat([self.former, more])
        self.assignment = assignment
        return ids(assignment)


def test_an_undone_merge_gives_back_the_old_ids_and_is_logged_as_a_split() -> None:
    nights = Nights()
    before = nights.ids(a=["a", "b"], c=["c", "d", "e"])
    merged = nights.ids(a=["a", "b", "c", "d", "e"])
    assert set(merged.values()) == {before["c"]}
    assert nights.ids(a=["a", "b"], c=["c", "d", "e"]) == before
    assert nights.history is not None
    assert nights.history.select("kind", "old_customer_id", "new_customer_id").rows() == [
        ("split", before["c"], before["a"])
    ]


def test_an_undone_merge_gives_back_the_old_ids_though_records_came_in_between() -> None:
    nights = Nights()
    before = nights.ids(a=["a"], b=["b"])
    merged = nights.ids(a=["a", "b"])
    more = ["c", "d", "e"]
    loser = "b" if merged["b"] == before["a"] else "a"
    nights.ids(a=["a", "b", *more])
    parts = {"a": ["a"], "b": ["b"]}
    parts[loser] += more
    after = nights.ids(**parts)
    assert {r: after[r] for r in "ab"} == before


def test_an_undone_split_gives_back_the_old_id_also_on_its_first_day() -> None:
    nights = Nights()
    before = nights.ids(a=["a", "b"])
    nights.ids(a=["a"], b=["b"])
    assert nights.ids(a=["a", "b"]) == before


def test_merges_undone_in_any_order_give_back_all_ids() -> None:
    nights = Nights()
    before = nights.ids(a=["a"], b=["b"], c=["c"])
    one = nights.ids(a=["a", "b"], c=["c"])
    nights.ids(a=["a", "b", "c"])
    assert nights.ids(a=["a", "b"], c=["c"]) == one
    assert nights.ids(a=["a"], b=["b"], c=["c"]) == before
    nights.ids(a=["a", "b"], c=["c"])
    nights.ids(a=["a", "b", "c"])
    assert nights.ids(a=["a"], b=["b"], c=["c"]) == before


def test_a_split_that_undoes_nothing_leaves_the_id_with_most_records() -> None:
    nights = Nights()
    before = nights.ids(a=["a"], b=["b", "c"])
    nights.ids(a=["a", "b", "c"])
    after = nights.ids(a=["a", "b"], c=["c"])
    assert after["a"] == after["b"] == before["b"]
    assert after["c"] not in before.values()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from("wxyz"), min_size=2, max_size=9), st.data())
def test_what_is_decided_and_undone_changes_no_id(labels: list[str], data: st.DataObject) -> None:
    """Any night in between: customers merged, split and mixed."""
    records = [f"r{i}" for i in range(len(labels))]

    def named(of: list[str]) -> pl.DataFrame:
        first = {label: records[of.index(label)] for label in of}
        rows = [(record, first[label], 1.0) for record, label in zip(records, of, strict=True)]
        return pl.DataFrame(rows, schema=["record_id", "cluster_id", "match_probability"], orient="row")

    nights = Nights()
    before = nights.next(named(labels))
    kind = data.draw(st.sampled_from(["merge", "split", "mix"]))
    chosen = labels[0]
    if kind == "merge":
        other = [chosen if label == labels[-1] else label for label in labels]
    elif kind == "split":
        own = [i for i, label in enumerate(labels) if label == chosen]
        off = set(data.draw(st.lists(st.sampled_from(own), unique=True)))
        other = ["v" if i in off else label for i, label in enumerate(labels)]
    else:
        other = data.draw(st.permutations(labels))
    nights.next(named(other))
    assert nights.next(named(labels)) == before


def test_an_old_id_that_is_somebody_elses_now_is_not_given_back() -> None:
    nights = Nights()
    before = nights.ids(a=["a"], b=["b", "c"])
    nights.ids(a=["a", "b", "c"])
    parts = clusters(a=["a"], b=["b", "c"])
    again, _ = assign(parts, nights.assignment, happened_at=LATER, former=nights.former)
    assert ids(again) == before
    elsewhere, _ = assign(
        parts, nights.assignment, happened_at=LATER, former=nights.former, taken=pl.Series([before["a"]])
    )
    assert ids(elsewhere)["a"] not in before.values()
