"""The crowd to measure linkage with: the same for a seed, telling nothing by its ids, and in step with its truth."""

from __future__ import annotations

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from sandbox.crowd import COLUMNS, KINDS, NIGHT_SHARE, SHOWS_IN, Crowd, make_crowd, next_night

MANY = 20_000


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    return make_crowd(MANY, seed=7)


def marked(truth: pl.DataFrame, kind: str) -> pl.Series:
    return (truth["kinds"] & (1 << KINDS.index(kind))) > 0


def with_truth(crowd: Crowd) -> pl.DataFrame:
    people = crowd.people.select(pl.all().name.prefix("true_")).rename({"true_person_id": "person_id"})
    return crowd.records.join(crowd.truth, on="record_id").join(people, on="person_id")


def test_a_seed_gives_the_same_crowd_and_another_one_another(crowd: Crowd) -> None:
    again, other = make_crowd(MANY, seed=7), make_crowd(MANY, seed=8)
    assert_frame_equal(again.records, crowd.records)
    assert_frame_equal(again.truth, crowd.truth)
    assert other.records["email"].head(100).to_list() != crowd.records["email"].head(100).to_list()


def test_every_record_has_its_truth_once(crowd: Crowd) -> None:
    assert crowd.records.columns == list(COLUMNS)
    assert crowd.records.schema["birth_date"] == pl.Date
    assert crowd.records["record_id"].n_unique() == crowd.records.height == MANY
    assert sorted(crowd.records["record_id"]) == sorted(crowd.truth["record_id"])


def test_three_in_ten_records_are_further_ones_of_a_person(crowd: Crowd) -> None:
    assert 1 - crowd.truth["person_id"].n_unique() / MANY == pytest.approx(0.3, abs=0.02)
    known = with_truth(crowd).select("person_id", "source")
    sources = known.group_by("person_id").agg(pl.len(), systems=pl.col("source").n_unique())
    within = sources.filter(pl.col("len") == 2)["systems"] == 1
    assert 0.08 < within.mean() < 0.2


def test_neither_order_nor_number_tells_the_person(crowd: Crowd) -> None:
    by_number = crowd.truth.sort(pl.col("record_id").str.split(":").list.last().cast(pl.Int64))
    for persons in (crowd.truth["person_id"], by_number["person_id"]):
        neighbours = (persons == persons.shift()).sum()
        assert neighbours < 10
        assert abs(pl.DataFrame({"p": persons, "i": range(MANY)}).select(pl.corr("p", "i")).item()) < 0.03


def test_systems_know_what_such_systems_know(crowd: Crowd) -> None:
    filled = crowd.records.group_by("source").agg(pl.exclude("record_id").is_not_null().mean())
    share = {row["source"]: row for row in filled.to_dicts()}
    assert share["newsletter"]["email"] == 1
    assert share["newsletter"]["phone"] == share["newsletter"]["street"] == 0
    assert share["newsletter"]["family_name"] < 0.5 < share["helpdesk"]["family_name"] < share["shop"]["family_name"]
    assert share["shop"]["street"] > 0.9 > share["crm"]["street"] > share["helpdesk"]["street"]
    assert share["crm"]["birth_date"] > share["shop"]["birth_date"] > 0.1


def test_records_without_a_mark_say_what_is_true(crowd: Crowd) -> None:
    plain = with_truth(crowd).filter(pl.col("kinds") == 0)
    assert plain.height > MANY / 4
    for column, true in (("given_name", "true_given"), ("family_name", "true_family"), ("email", "true_email")):
        assert (plain[column].str.to_uppercase() == plain[true].str.to_uppercase()).all()
    assert (plain["street"] == plain["true_street"]).drop_nulls().all()
    assert (plain["birth_date"] == plain["true_born"]).drop_nulls().all()
    own = (
        plain["phone"].is_null() | (plain["phone"] == plain["true_mobile"]) | (plain["phone"] == plain["true_landline"])
    )
    assert own.all()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_difference_occurs(crowd: Crowd, kind: str) -> None:
    assert 0.001 < marked(crowd.truth, kind).mean() < 0.3


def test_marks_tell_what_differs(crowd: Crowd) -> None:
    both = with_truth(crowd)
    swapped = both.filter(marked(both, "names swapped"), pl.col("true_given") == pl.col("family_name"))
    assert (
        swapped["given_name"].drop_nulls() != swapped["true_given"].filter(swapped["given_name"].is_not_null())
    ).all()
    elsewhere = both.filter(marked(both, "another mailbox"), pl.col("email").is_not_null())
    assert (elsewhere["email"] == elsewhere["true_email"]).mean() < 0.02


@pytest.mark.parametrize("column", ["email", "phone", "street", "birth_date"])
def test_nothing_is_marked_where_there_is_nothing_to_see(crowd: Crowd, column: str) -> None:
    known = with_truth(crowd).filter(pl.col(column).is_null())
    assert not any(marked(known, kind).any() for kind in SHOWS_IN[column])


def test_what_people_share_is_shared_by_them_alone(crowd: Crowd) -> None:
    people = crowd.people
    mailboxes = people.group_by("email").agg(pl.len(), homes=pl.col("household_id").n_unique())
    assert mailboxes["homes"].max() == 1
    assert mailboxes["len"].max() > 1
    assert (
        people.filter(pl.col("landline").is_not_null())
        .group_by("landline")
        .agg(pl.col("household_id").n_unique())["household_id"]
        .max()
        == 1
    )
    inboxes = people.filter(pl.col("work_email").is_duplicated() & pl.col("work_email").is_not_null())
    assert inboxes["work_email"].str.contains("^(info|office|kontakt|buero|verwaltung|mail)@").all()
    assert inboxes.group_by("work_email").agg(pl.col("firm_id").n_unique())["firm_id"].max() == 1


def test_father_and_son_may_have_one_name(crowd: Crowd) -> None:
    namesakes = crowd.people.filter(pl.len().over("household_id", "given", "family") > 1)
    assert namesakes.height > 10
    assert namesakes["born"].n_unique() > 10


def test_a_night_brings_new_records_and_changes_and_leaves_the_others_alone(crowd: Crowd) -> None:
    tomorrow = next_night(crowd, seed=1)
    assert_frame_equal(next_night(crowd, seed=1).records, tomorrow.records)
    assert tomorrow.records["record_id"].n_unique() == tomorrow.records.height
    known = crowd.records.join(tomorrow.records, on="record_id", suffix="_now", maintain_order="left")
    assert known.height == MANY
    changed = {c: int((known[c] != known[f"{c}_now"]).sum()) for c in ("email", "street", "family_name", "phone")}
    share = {what: round(part * 0.01 * MANY) for what, part in NIGHT_SHARE.items()}
    assert changed["email"] == share["mail"]
    assert changed["phone"] == 0
    assert share["home"] - 4 <= changed["street"] <= share["home"]
    assert share["name"] - 2 <= changed["family_name"] <= share["name"]
    assert tomorrow.records.height - MANY == share["people"] + share["records"]
    untouched = known.filter(pl.col("updated_at") == pl.col("updated_at_now"))
    assert untouched.height == MANY - share["mail"] - share["home"] - share["name"]
    same = [(pl.col(c).eq_missing(pl.col(f"{c}_now"))).all() for c in COLUMNS if c != "record_id"]
    assert untouched.select(pl.all_horizontal(same)).item()


def test_new_records_of_a_night_are_of_new_and_of_known_people(crowd: Crowd) -> None:
    tomorrow = next_night(crowd, seed=1)
    new = tomorrow.truth.join(crowd.truth, on="record_id", how="anti")
    is_known = new["person_id"] < crowd.people.height
    assert (is_known.sum(), (~is_known).sum()) == (60, 50)
    strangers = tomorrow.people.tail(tomorrow.people.height - crowd.people.height)
    assert not set(strangers["email"]) & set(crowd.people["email"])
    assert strangers["household_id"].min() > crowd.people["household_id"].max()


def test_after_a_change_of_mailbox_only_that_record_tells_of_it(crowd: Crowd) -> None:
    tomorrow = next_night(crowd, seed=1)
    known = crowd.records.join(tomorrow.records, on="record_id", suffix="_now").join(tomorrow.truth, on="record_id")
    moved = known.filter(pl.col("email") != pl.col("email_now"))
    people = tomorrow.people[moved["person_id"]]
    assert moved["email_now"].to_list() == people["email"].to_list()
    assert moved["email"].to_list() == people["email_before"].to_list()
    assert marked(moved, "another mailbox").all()
