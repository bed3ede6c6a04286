"""Linking what changed in a night, with what was found the night before: as good as anew, and steady."""

from __future__ import annotations

import dataclasses
import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from sandbox.crowd import Crowd, make_crowd, next_night
from transforms.identity import Linked, link, memory

NIGHT = datetime(2024, 4, 1, 2, tzinfo=UTC)
DECISION = {"record_left": pl.String, "record_right": pl.String, "verdict": pl.String}


@pytest.fixture(autouse=True)
def _no_crowd_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "SMALL", 0)


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    return make_crowd(1_500, 3)


@pytest.fixture(scope="module")
def linked_once(crowd: Crowd, tmp_path_factory: pytest.TempPathFactory) -> tuple[Linked, Path]:
    path = tmp_path_factory.mktemp("memory") / "linkage.duckdb"
    return first_night(crowd.records, path), path


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "linkage.duckdb"


@pytest.fixture
def before(linked_once: tuple[Linked, Path], kept: Path) -> Linked:
    """The first night of the crowd, whose memory is `kept`."""
    linked, path = linked_once
    shutil.copy(path, kept)
    return linked


def first_night(records: pl.DataFrame, kept: Path, decisions: pl.DataFrame | None = None) -> Linked:
    return link(records, happened_at=NIGHT, kept=kept, decisions=decisions)


def night_after(
    records: pl.DataFrame, before: Linked, kept: Path, decisions: pl.DataFrame | None = None, night: int = 1
) -> Linked:
    later = NIGHT + timedelta(days=night)
    return link(records, before.assignment, happened_at=later, kept=kept, mark=before.mark, decisions=decisions)


def clusters_of(linked: Linked) -> set[frozenset[str]]:
    grouped = linked.assignment.group_by("cluster_id").agg("record_id", pl.col("record_id").min().alias("smallest"))
    assert grouped["cluster_id"].equals(grouped["smallest"])
    return {frozenset(ids) for ids in grouped["record_id"].to_list()}


def ids_of(linked: Linked) -> dict[str, str]:
    return dict(linked.assignment.select("record_id", "customer_id").iter_rows())


def decided(left: str, right: str, verdict: str) -> pl.DataFrame:
    return pl.DataFrame([(left, right, verdict)], schema=DECISION, orient="row")


def pairs_of(clusters: set[frozenset[str]]) -> set[tuple[str, str]]:
    return {(a, b) for group in clusters for a in group for b in group if a < b}


def test_a_night_on_which_nothing_changed_changes_nothing(crowd: Crowd, before: Linked, kept: Path) -> None:
    after = night_after(crowd.records, before, kept)
    assert after.changed == 0
    assert after.mark == before.mark
    assert after.history.is_empty()
    assert after.assignment.sort("record_id").equals(before.assignment.sort("record_id"))
    assert after.review.equals(before.review)


def test_what_changed_is_linked_nearly_as_if_all_were_linked_anew(crowd: Crowd, before: Linked, kept: Path) -> None:
    tomorrow = next_night(crowd, seed=1, share=0.04)
    removed = set(crowd.records["record_id"].sample(20, seed=1))
    records = tomorrow.records.filter(~pl.col("record_id").is_in(list(removed)))
    after = night_after(records, before, kept)
    assert after.changed is not None
    assert 50 < after.changed < 100
    assert set(after.assignment["record_id"]) == set(records["record_id"])
    again, anew = pairs_of(clusters_of(after)), pairs_of(clusters_of(link(records, happened_at=NIGHT)))
    assert len(again ^ anew) < 0.03 * len(anew)
    known = set(crowd.records["record_id"])
    assert sum((a in known) != (b in known) for a, b in again) > 5


def test_records_that_change_back_are_as_they_were(crowd: Crowd, before: Linked, kept: Path) -> None:
    tomorrow = night_after(next_night(crowd, seed=1, share=0.03).records, before, kept)
    assert clusters_of(tomorrow) != clusters_of(before)
    back = night_after(crowd.records, tomorrow, kept, night=2)
    assert back.changed is not None
    assert clusters_of(back) == clusters_of(before)


def test_copies_come_and_go(crowd: Crowd, before: Linked, kept: Path) -> None:
    alone = crowd.records.filter(pl.col("email").is_not_null() & pl.col("family_name").is_not_null()).head(1)
    copy = alone.with_columns(record_id=pl.lit("zz-copy"))
    both = night_after(pl.concat([crowd.records, copy]), before, kept)
    assert ids_of(both)["zz-copy"] == ids_of(before)[alone["record_id"].item()]
    without = night_after(crowd.records, both, kept, night=2)
    assert without.assignment.sort("record_id").equals(before.assignment.sort("record_id"))


def test_a_mailbox_that_others_come_to_share_ceases_to_link(kept: Path) -> None:
    people = make_crowd(2_000, 4).records
    of_one: dict[str, list[str | None]] = {"record_id": ["x1", "x2"], "source": ["crm", "shop"]}
    told = {"email": ["post@lindenhof.example"] * 2, "given_name": ["Ines", None], "family_name": ["Roth", None]}
    one = pl.DataFrame({**of_one, **told})
    before = first_night(pl.concat([people, one], how="diagonal"), kept)
    assert ids_of(before)["x1"] == ids_of(before)["x2"]
    names = [("Omar", "Weiss"), ("Tilda", "Braun"), ("Yannick", "Moser"), ("Greta", "Falk"), ("Boris", "Lang")]
    others = pl.DataFrame(
        {
            "record_id": [f"y{n}" for n in range(len(names))],
            "source": "shop",
            "email": "post@lindenhof.example",
            "given_name": [given for given, _ in names],
            "family_name": [family for _, family in names],
        }
    )
    after = night_after(pl.concat([people, one, others], how="diagonal"), before, kept)
    assert after.changed == len(names)
    assert ids_of(after)["x1"] != ids_of(after)["x2"]


def test_decisions_are_obeyed_changed_and_undone(crowd: Crowd, before: Linked, kept: Path) -> None:
    group = next(sorted(ids) for ids in sorted(clusters_of(before), key=sorted) if len(ids) == 2)
    stranger = next(min(ids) for ids in sorted(clusters_of(before), key=sorted) if len(ids) == 1)
    apart = night_after(crowd.records, before, kept, decided(*group, "different"))
    assert apart.changed is not None
    assert ids_of(apart)[group[0]] != ids_of(apart)[group[1]]
    same = night_after(crowd.records, apart, kept, decided(group[0], stranger, "same"), night=2)
    assert len({ids_of(same)[record] for record in (*group, stranger)}) == 1
    turned = night_after(crowd.records, same, kept, decided(group[0], stranger, "different"), night=3)
    assert ids_of(turned)[group[0]] == ids_of(turned)[group[1]] != ids_of(turned)[stranger]
    undone = night_after(crowd.records, turned, kept, night=4)
    assert undone.changed is not None
    assert clusters_of(undone) == clusters_of(before)


@pytest.mark.parametrize("fault", ["another mark", "gone", "damaged", "other code", "many changes"])
def test_all_are_linked_anew_where_memory_does_not_fit(
    crowd: Crowd, before: Linked, kept: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = crowd.records
    match fault:
        case "another mark":
            before = dataclasses.replace(before, mark="another")
        case "gone":
            kept.unlink()
        case "damaged":
            kept.write_bytes(b"not a database")
        case "other code":
            monkeypatch.setattr(memory, "_made_by", lambda: "other")
        case "many changes":
            records = records.head(1_200)
    after = night_after(records, before, kept)
    assert after.changed is None
    assert set(after.assignment["record_id"]) == set(records["record_id"])
    assert night_after(records, after, kept, night=2).changed == 0


def test_many_small_changes_are_linked_anew_in_the_end(crowd: Crowd, before: Linked, kept: Path) -> None:
    today, linked, anew = crowd, before, []
    for night in range(1, 6):
        today = next_night(today, seed=night, share=0.04)
        linked = night_after(today.records, linked, kept, night=night)
        anew.append(linked.changed is None)
    assert anew == [False, False, True, False, False]


def test_a_night_killed_half_way_is_done_again(
    crowd: Crowd, before: Linked, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tomorrow = next_night(crowd, seed=1).records
    with monkeypatch.context() as patched:
        patched.setattr(memory, "note", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            night_after(tomorrow, before, kept)
    after = night_after(tomorrow, before, kept)
    assert after.changed is not None
    # Killed after it was noted, but before the caller wrote the assignment: that is still the one of `before`.
    again = night_after(tomorrow, before, kept)
    assert again.changed is None
    assert len(pairs_of(clusters_of(again)) ^ pairs_of(clusters_of(after))) < 10


def test_customer_ids_last_for_thirty_nights(kept: Path) -> None:
    """Records come, change, go and come back; people marry, move and are merged and split by decisions."""
    draw = random.Random(7)
    today = make_crowd(800, 9)
    linked, gone, decisions = first_night(today.records, kept), pl.Series([], dtype=pl.String), None
    kept_ids = changed_ids = only_changes = merges = splits = 0
    for night in range(1, 31):
        today = next_night(today, seed=night, share=0.02)
        gone = today.records["record_id"].sample(draw.randint(0, 8), seed=night)
        records = today.records.filter(~pl.col("record_id").is_in(gone.implode()))
        if night % 5 == 0:
            left, right = draw.sample(records["record_id"].to_list(), 2)
            decisions = decided(left, right, draw.choice(["same", "different"]))
        if night % 7 == 0:
            decisions = None
        before, linked = linked, night_after(records, linked, kept, decisions, night)
        only_changes += linked.changed is not None
        was, now = ids_of(before), ids_of(linked)
        assert set(now) == set(records["record_id"])
        old, new = groups(was, set(now)), groups(now, set(was))
        told = set(linked.history.select("kind", "old_customer_id", "new_customer_id").iter_rows())
        for customer, members in old.items():
            if members in new.values():
                same = now[next(iter(members))] == customer
                kept_ids, changed_ids = kept_ids + same, changed_ids + (not same)
        # What history tells is what happened, and all of it.
        moved = {(was[record], now[record]) for record in was.keys() & now.keys() if was[record] != now[record]}
        assert {(one, other) for _, one, other in told} == moved
        assert all((kind == "merged") == (one not in set(now.values())) for kind, one, _ in told)
        merges += sum(kind == "merged" for kind, _, _ in told)
        splits += sum(kind == "split" for kind, _, _ in told)
    assert changed_ids == 0
    assert kept_ids > 15_000
    assert merges > 5
    assert splits > 5
    assert only_changes > 20


def groups(ids: dict[str, str], known: set[str]) -> dict[str, frozenset[str]]:
    """Records of each customer that are there on both nights."""
    found: dict[str, set[str]] = {}
    for record in ids.keys() & known:
        found.setdefault(ids[record], set()).add(record)
    return {customer: frozenset(members) for customer, members in found.items()}
