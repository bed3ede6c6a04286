"""From records to persons: the pairs weighed, the decisions of people put in, the clusters cut.

How pairs are weighed is `pairs`', where clusters are cut `clusters`'.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import polars as pl

from transforms.identity import clusters, pairs, reasons, workbench
from transforms.identity.learning import Flags, Ints, Model
from transforms.identity.pairs import Pairs

#: Logarithm of the odds from which on two records are one person.
THRESHOLD = 0.0


@dataclass(frozen=True)
class Persons:
    """Profiles and the persons they are.

    Attributes:
        members: record_id and profile of the records looked at: all, or those of `among`.
        among: profiles that were looked at, ascending.
        labels: by profile; equal labels are one person, -1 where no record is left.
        is_alone: by profile, whether each of its records is a person of its own.
        pairs: what was weighed to find them, without copies of one content.
    """

    members: pl.DataFrame
    among: Ints
    labels: Ints
    is_alone: Flags
    pairs: Pairs


def find_persons(
    con: duckdb.DuckDBPyConnection,
    model: Model,
    weighed: Pairs,
    decided: pl.DataFrame,
    earlier: tuple[Ints, Ints] | None = None,
) -> Persons:
    """The persons of a workbench.

    Args:
        con: the workbench.
        model: what weighs pairs that were not compared yet.
        weighed: pairs of all profiles, with those of copies among themselves.
        decided: record_left, record_right, verdict of records that are there.
        earlier: labels by profile that were found before, and the profiles to look at anew; all by default.
    """
    records = workbench.copies(con)
    copies = weighed.a == weighed.b
    is_one = np.zeros(len(records), dtype=bool)
    is_one[weighed.a[copies & (weighed.weights > THRESHOLD)]] = True
    # Copies that say too little to be one person say too little to be anybody else.
    is_alone = (records > 1) & ~is_one
    weighed = weighed.at(~copies & ~is_alone[weighed.a] & ~is_alone[weighed.b])
    if decided.height:
        weighed = _decide(weighed, *decided_pairs(con, decided), len(records))
    known, among = earlier or (np.full(len(records), -1), np.arange(len(records)))
    labels = np.full(len(records), -1)
    labels[: len(known)] = known[: len(labels)]
    labels[records == 0] = -1
    labels[among] = labels.max(initial=-1) + 1 + _cluster(con, model, weighed, among, len(records))
    return Persons(_members(con, among, len(records)), among, labels, is_alone, weighed)


def _cluster(con: duckdb.DuckDBPyConnection, model: Model, weighed: Pairs, among: Ints, profiles: int) -> Ints:
    """Labels of the profiles in `among`, which no pair of one person leaves."""
    number = np.full(profiles, -1)
    number[among] = np.arange(len(among))

    def weigh_more(a: Ints, b: Ints) -> Pairs:
        return pairs.weighed(con, model, among[a], among[b]).numbered(number)

    inside = weighed.at((number[weighed.a] >= 0) & (number[weighed.b] >= 0)).numbered(number)
    return clusters.cluster(len(among), inside, weigh_more, threshold=THRESHOLD)


def _members(con: duckdb.DuckDBPyConnection, among: Ints, profiles: int) -> pl.DataFrame:
    sql = "SELECT record_id, profile FROM record INNER JOIN profile USING (one, two)"
    if len(among) == profiles:
        return con.execute(sql).pl()
    con.register("looked_at", pl.DataFrame({"profile": among.astype(np.int32)}).to_arrow())
    members = con.execute(f"{sql} SEMI JOIN looked_at USING (profile)").pl()
    con.unregister("looked_at")
    return members


def clustered(records: pl.DataFrame, persons: Persons) -> pl.DataFrame:
    """record_id, cluster_id, match_probability and evidence of records looked at, in their order."""
    of_profile = pl.DataFrame(
        {
            "profile": pl.Series(persons.among, dtype=pl.Int32),
            "label": persons.labels[persons.among],
            "is_alone": persons.is_alone[persons.among],
        }
    ).join(_best_links(persons), on="profile", how="left")
    person = ("label", pl.when("is_alone").then("record_id"))
    size = pl.len().over(*person)
    return (
        records.select(pl.col("record_id").cast(pl.String))
        .join(persons.members, on="record_id", maintain_order="left")
        .join(of_profile, on="profile", maintain_order="left")
        .select(
            "record_id",
            cluster_id=pl.col("record_id").min().over(*person),
            match_probability=pl.when(size == 1).then(1.0).otherwise(pl.col("probability").fill_null(1.0)),
            evidence=pl.when(size == 1).then(pl.lit("alone")).otherwise(pl.col("evidence").fill_null("copy")),
        )
    )


def decided_pairs(con: duckdb.DuckDBPyConnection, decided: pl.DataFrame) -> tuple[Ints, Ints, Flags]:
    """Profiles a < b that somebody decided about, and whether they are the same."""
    asked = parties(decided).to_list()
    sql = "SELECT record_id, profile FROM record INNER JOIN profile USING (one, two) WHERE record_id IN (FROM asked)"
    con.register("asked", pl.DataFrame({"record_id": asked}).to_arrow())
    profile = dict(con.execute(sql).fetchall())
    con.unregister("asked")
    left, right = (
        decided[side].replace_strict(profile, return_dtype=pl.Int64).to_numpy()
        for side in ("record_left", "record_right")
    )
    return np.minimum(left, right), np.maximum(left, right), (decided["verdict"] == "same").to_numpy()


def _decide(weighed: Pairs, a: Ints, b: Ints, is_same: Flags, count: int) -> Pairs:
    """The pairs with what people decided about them in place of what the model says."""
    weights = np.where(is_same, clusters.SAME_BY_DECISION, clusters.DIFFERENT_BY_DECISION)
    verdicts = Pairs(a, b, weights, ~is_same, np.full(len(a), pairs.DECIDED))
    return weighed.at(~np.isin(weighed.a * count + weighed.b, a * count + b)).with_more(verdicts)


def parties(decided: pl.DataFrame) -> pl.Series:
    """The records that somebody decided about."""
    return pl.concat([decided["record_left"], decided["record_right"]]).unique()


def _best_links(persons: Persons) -> pl.DataFrame:
    """profile, and probability and evidence of its best link to another of the same person."""
    looked_at = np.zeros(len(persons.labels), dtype=bool)
    looked_at[persons.among] = True
    of = persons.pairs.at(looked_at[persons.pairs.a] & looked_at[persons.pairs.b])
    inside = of.at(persons.labels[of.a] == persons.labels[of.b])
    ends = pl.DataFrame(
        {
            "profile": np.concatenate([inside.a, inside.b]).astype(np.int32),
            "weight": np.tile(inside.weights, 2),
            "pattern": np.tile(inside.patterns, 2),
        }
    )
    best = ends.sort("profile", "weight", "pattern", descending=[False, True, False]).unique("profile", keep="first")
    return best.join(reasons.evidence(best["pattern"].unique()), on="pattern").select(
        "profile", "evidence", probability=reasons.probability(pl.col("weight"))
    )
