"""From records to persons: the pairs weighed, the decisions of people put in, the clusters cut.

How pairs are weighed is `pairs`', where clusters are cut `clusters`'.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import duckdb
import numpy as np
import polars as pl

from transforms.identity import clusters, pairs, reasons, workbench
from transforms.identity.learning import Flags, Ints
from transforms.identity.pairs import Pairs

#: Logarithm of the odds from which on two records are one person.
THRESHOLD = 0.0


@dataclass(frozen=True)
class Persons:
    """Profiles and the persons they are.

    Attributes:
        members: record_id and profile of every record.
        labels: by profile; equal labels are one person.
        is_alone: by profile, whether each of its records is a person of its own.
        pairs: what was weighed to find them, without copies of one content.
    """

    members: pl.DataFrame
    labels: Ints
    is_alone: Flags
    pairs: Pairs


def find_persons(con: duckdb.DuckDBPyConnection, decided: pl.DataFrame) -> Persons:
    """The persons of a workbench.

    Args:
        con: the workbench.
        decided: record_left, record_right, verdict of records that are there.
    """
    model, weighed = pairs.learned(con)
    records = workbench.copies(con)
    members = con.execute("SELECT record_id, profile FROM record INNER JOIN profile USING (one, two)").pl()
    copies = weighed.a == weighed.b
    is_one = np.zeros(len(records), dtype=bool)
    is_one[weighed.a[copies & (weighed.weights > THRESHOLD)]] = True
    # Copies that say too little to be one person say too little to be anybody else.
    is_alone = (records > 1) & ~is_one
    weighed = weighed.at(~copies & ~is_alone[weighed.a] & ~is_alone[weighed.b])
    if decided.height:
        weighed = _decide(weighed, decided, members)
    weigh_more = functools.partial(pairs.weighed, con, model)
    labels = clusters.cluster(len(records), weighed, weigh_more, threshold=THRESHOLD)
    return Persons(members, labels, is_alone, weighed)


def clustered(records: pl.DataFrame, persons: Persons) -> pl.DataFrame:
    """record_id, cluster_id, match_probability and evidence, in the order of the records."""
    of_profile = pl.DataFrame(
        {
            "profile": pl.Series(np.arange(len(persons.labels)), dtype=pl.Int32),
            "label": persons.labels,
            "is_alone": persons.is_alone,
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


def _decide(weighed: Pairs, decided: pl.DataFrame, members: pl.DataFrame) -> Pairs:
    """The pairs with what people decided about them in place of what the model says."""
    profile = dict(members.filter(pl.col("record_id").is_in(parties(decided).implode())).iter_rows())
    left, right = (
        decided[side].replace_strict(profile, return_dtype=pl.Int64).to_numpy()
        for side in ("record_left", "record_right")
    )
    a, b = np.minimum(left, right), np.maximum(left, right)
    is_same = (decided["verdict"] == "same").to_numpy()
    weights = np.where(is_same, clusters.SAME_BY_DECISION, clusters.DIFFERENT_BY_DECISION)
    verdicts = Pairs(a, b, weights, ~is_same, np.full(len(a), pairs.DECIDED))
    count = len(members)
    return weighed.at(~np.isin(weighed.a * count + weighed.b, a * count + b)).with_more(verdicts)


def parties(decided: pl.DataFrame) -> pl.Series:
    """The records that somebody decided about."""
    return pl.concat([decided["record_left"], decided["record_right"]]).unique()


def _best_links(persons: Persons) -> pl.DataFrame:
    """profile, and probability and evidence of its best link to another of the same person."""
    inside = persons.pairs.at(persons.labels[persons.pairs.a] == persons.labels[persons.pairs.b])
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
