"""Scores of a linkage, counted by hand; the baselines; and the sets as they are read."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from bench import identity, identity_score, identity_sets
from sandbox.crowd import KINDS

TRUTH = pl.DataFrame(
    [
        ("a1", 1, 10, None, 0),
        ("a2", 1, 10, None, 1),
        ("a3", 1, 10, None, 3),
        ("b1", 2, 10, 5, 0),
        ("c1", 3, 30, 5, 0),
        ("d1", 4, 40, None, 0),
        ("d2", 4, 40, None, 0),
    ],
    schema={
        "record_id": pl.String,
        "person_id": pl.Int64,
        "household_id": pl.Int64,
        "firm_id": pl.Int64,
        "kinds": pl.UInt32,
    },
    orient="row",
)


def clusters(**groups: str) -> pl.DataFrame:
    rows = [(record, number) for number, records in groups.items() for record in records.split()]
    return pl.DataFrame(rows, schema=["record_id", "cluster_id"], orient="row")


LINKED = clusters(x="a1 a2 b1 c1 d1", y="a3", z="d2")


def test_pairs_right_and_wrong() -> None:
    score = identity_score.compared(LINKED, TRUTH, "person_id")
    assert (score.right_pairs, score.linked_pairs, score.true_pairs) == (1, 10, 4)
    assert (score.precision, score.recall) == (0.1, 0.25)
    assert score.f1 == pytest.approx(2 * 0.1 * 0.25 / 0.35)


def test_wrong_pairs_are_of_a_household_or_a_firm_or_strangers() -> None:
    # a1-b1 and a2-b1 live together, b1-c1 work together, the other six of the nine know nothing of each other.
    assert identity_score.merged(LINKED, TRUTH) == {"of one household": 2, "of one firm": 1, "strangers": 6}


def test_colleagues_who_live_together_count_once() -> None:
    truth = TRUTH.with_columns(household_id=pl.when(pl.col("record_id") == "c1").then(10).otherwise("household_id"))
    assert identity_score.merged(clusters(x="b1 c1"), truth) == {
        "of one household": 1,
        "of one firm": 0,
        "strangers": 0,
    }


def test_missed_pairs_by_what_sets_the_records_apart() -> None:
    rows = {row["difference"]: row for row in identity_score.missed(LINKED, TRUTH)}
    first = {"difference": KINDS[0], "pairs": 3, "missed": 2, "share": 2 / 3, "sole": 1, "sole missed": 0}
    assert rows[KINDS[0]] == first
    assert rows[KINDS[1]] == {"difference": KINDS[1], "pairs": 2, "missed": 2, "share": 1, "sole": 0, "sole missed": 0}
    assert (rows["none of these"]["pairs"], rows["none of these"]["missed"]) == (1, 1)


def test_the_largest_wrong_cluster_is_shown_with_one_record_of_each_person_first() -> None:
    records = TRUTH.select("record_id", source=pl.lit("crm"), family_name=pl.col("record_id").str.to_uppercase())
    found = identity_score.worst(LINKED, TRUTH, records)
    assert (found["records"], found["people"]) == (5, 4)
    assert [row["person"] for row in found["sample"]] == [1, 2, 3, 4, 1]
    assert found["sample"][0] == {"person": 1, "record": "crm · A1"}
    assert identity_score.worst(clusters(x="a1 a2 a3"), TRUTH, records) == {"records": 0, "people": 0, "sample": []}


def test_pairs_in_which_two_linkages_differ() -> None:
    assert identity_score.moved_pairs(LINKED, clusters(p="b1 c1 d1 a1 a2", q="a3", r="d2")) == 0
    # a3 joins two, which left the other three: 6 pairs are gone and 2 are new.
    assert identity_score.moved_pairs(LINKED, clusters(p="a1 a2 a3", q="b1 c1 d1", r="d2")) == 8


def test_equal_keys_link_in_chains_and_placeholders_do_not() -> None:
    rows = [
        ("1", "Ada", "Roth", "ada@x.example", None, "1980-02-01"),
        ("2", "Ada", "Roth", " ADA@x.example", "+491", None),
        ("3", None, None, None, "+491", None),
        ("4", "ada", "Roth", None, None, "1980-02-01"),
        ("5", "Eva", "Roth", "test@test.com", "0000000", "1900-01-01"),
        ("6", "Eva", "Roth", "test@test.com", "0000000", "1900-01-01"),
    ]
    columns = ["record_id", "given_name", "family_name", "email", "phone", "birth_date"]
    records = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
    assert together(identity.mail_or_phone(records)) == [["1", "2", "3"], ["4"], ["5"], ["6"]]
    assert together(identity.equal_keys(records)) == [["1", "2", "3", "4"], ["5"], ["6"]]


def together(linked: pl.DataFrame) -> list[list[str]]:
    return sorted(sorted(ids) for ids in linked.group_by("cluster_id").agg("record_id")["record_id"])


def test_a_crowd_is_as_hard_for_equal_keys_as_the_published_reference() -> None:
    people = identity_sets.crowd(20_000, seed=3)
    score = identity_score.compared(identity.mail_or_phone(people.records), people.truth, "person_id")
    assert score.f1 == pytest.approx(0.84, abs=0.02)
    assert score.precision == pytest.approx(0.83, abs=0.03)


def test_febrl_is_read_with_its_truth_and_impossible_dates_stay(tmp_path: Path) -> None:
    file = tmp_path / "dataset1.csv"
    file.write_text(
        "rec_id, given_name, surname, street_number, address_1, address_2, suburb, postcode, state, date_of_birth, "
        "soc_sec_id\n"
        "rec-22-org, ada, waller, 6, tull street, willaroo, st james, 4011, wa, 19081209, 6988048\n"
        "rec-22-dup-0, , waller, , , , st james, 4011, wa, 19081399, 6988048\n"
        "rec-3-org, ada, , 7, , , , , , 1908120, 6988048\n"
    )
    people = identity_sets.febrl("febrl 1", [file])
    assert people.truth.rows() == [("rec-22-org", "22"), ("rec-22-dup-0", "22"), ("rec-3-org", "3")]
    assert people.records.select("source", "given_name", "family_name", "street", "birth_date").rows() == [
        ("dataset1", "ada", "waller", "6 tull street willaroo", "1908-12-09"),
        ("dataset1", None, "waller", None, "1908-13-99"),
        ("dataset1", "ada", None, "7", "1908120"),
    ]
    assert "soc_sec_id" not in people.records.columns


def test_public_sets_that_are_absent_are_called_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLPOND_REAL_DATA", str(tmp_path / "nowhere"))
    result = identity.run(tmp_path, [], 7, ["mail-or-phone"])
    assert result["scores"] == []
    assert "ABSENT" in result["notes"][0]
    assert next(iter(identity.tables(result)))[0] == "Not measured"


def test_splink_that_is_absent_is_called_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLPOND_REAL_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setattr(identity.importlib.util, "find_spec", lambda name: None)
    assert "SPLINK IS NOT INSTALLED" in identity.run(tmp_path, [], 7, ["splink"])["notes"][0]


def test_a_contestant_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="No contestant 'splunk'"):
        identity.run(tmp_path, [], 7, ["splunk"])


def test_a_contestant_is_measured_shuffled_and_a_night_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLPOND_REAL_DATA", str(tmp_path / "nowhere"))
    result = identity.run(tmp_path, [400], 7, ["millpond"])
    (score,) = result["scores"]
    assert (score["records"], score["pairs differing when shuffled"]) == (400, 0)
    assert score["seconds"] > 0
    assert 50 < score["peak MB"] < 1000
    assert result["night"][0]["new or changed"] == 4
    assert result["merged"][0]["contestant"] == "millpond"


def test_a_contestant_that_fails_is_a_row_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people = identity_sets.crowd(50, seed=1)
    broken = people.records.drop("record_id")
    linked, row = identity._linked(tmp_path, broken, "millpond")
    assert linked is None
    assert "status 1" in row["failed"]
