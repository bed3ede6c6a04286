"""What is wrong with a linkage, in pairs of records: who was merged, who was missed and by what, and the worst cluster.

How much of it is right at all is `bench.truth.identity_score`.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from bench.truth import IdentityScore, identity_score, pairs_within
from sandbox.crowd import KINDS

SAMPLE = 6


def compared(clusters: pl.DataFrame, groups: pl.DataFrame, group: str) -> IdentityScore:
    """Clusters against people or other clusters.

    Args:
        clusters: record_id, cluster_id.
        groups: record_id, and who it is in the column `group`.
        group: The name of that column.
    """
    named = clusters.select("record_id", customer_id="cluster_id")
    return identity_score(named, groups.select("record_id", person_id=group))


def moved_pairs(before: pl.DataFrame, after: pl.DataFrame) -> int:
    """Pairs of records that are together in one of two linkages only, among the records of both."""
    return compared(before, after.rename({"cluster_id": "other"}), "other").differing_pairs


def merged(clusters: pl.DataFrame, truth: pl.DataFrame) -> dict[str, int]:
    """Pairs of different people in one cluster, by what the two have to do with each other."""
    both = truth.join(clusters.select("record_id", "cluster_id"), on="record_id")

    def apart(*groups: str) -> int:
        rows = both.drop_nulls(groups)
        together = rows.group_by("cluster_id", *groups).len()
        one_person = rows.group_by("cluster_id", *groups, "person_id").len()
        return pairs_within(together) - pairs_within(one_person)

    wrong, household = apart(), apart("household_id")
    firm = apart("firm_id") - apart("firm_id", "household_id")
    return {"of one household": household, "of one firm": firm, "strangers": wrong - household - firm}


def missed(clusters: pl.DataFrame, truth: pl.DataFrame) -> list[dict[str, Any]]:
    """Pairs of one person, by what sets the two records apart, and how many of them are not linked.

    `sole` are the pairs that nothing else sets apart; two records may still have no column in common.
    """
    both = truth.join(clusters.select("record_id", "cluster_id"), on="record_id").with_row_index("row")
    pairs = both.join(both, on="person_id", suffix="_other").filter(pl.col("row") < pl.col("row_other"))
    pairs = pairs.select(
        kinds=pl.col("kinds") | pl.col("kinds_other"), lost=pl.col("cluster_id") != pl.col("cluster_id_other")
    )
    bits = [("none of these", 0), *((kind, 1 << place) for place, kind in enumerate(KINDS))]
    rows = [_missed(pairs, kind, bit) for kind, bit in bits]
    return sorted(rows, key=lambda row: -row["missed"])


def _missed(pairs: pl.DataFrame, kind: str, bit: int) -> dict[str, Any]:
    sole = pairs.filter(pl.col("kinds") == bit)
    some = pairs.filter((pl.col("kinds") & bit) > 0) if bit else sole
    return {
        "difference": kind,
        "pairs": some.height,
        "missed": int(some["lost"].sum()),
        "share": int(some["lost"].sum()) / max(some.height, 1),
        "sole": sole.height,
        "sole missed": int(sole["lost"].sum()),
    }


def worst(clusters: pl.DataFrame, truth: pl.DataFrame, records: pl.DataFrame) -> dict[str, Any]:
    """The largest cluster with more than one person in it: its size, its people, and some of its records to read."""
    both = truth.join(clusters.select("record_id", "cluster_id"), on="record_id")
    sizes = (
        both.group_by("cluster_id").agg(pl.len(), people=pl.col("person_id").n_unique()).filter(pl.col("people") > 1)
    )
    if not sizes.height:
        return {"records": 0, "people": 0, "sample": []}
    largest = sizes.sort("len", "people", "cluster_id", descending=[True, True, False]).row(0, named=True)
    inside = both.filter(pl.col("cluster_id") == largest["cluster_id"]).sort("person_id", "record_id")
    # One of each person first: they are what should not be together.
    chosen = inside.sort(pl.int_range(pl.len()).over("person_id"), "person_id").head(SAMPLE)
    shown = chosen.select("record_id", "person_id").join(records, on="record_id", maintain_order="left")
    said = pl.exclude("record_id", "person_id", "created_at", "updated_at").cast(pl.String)
    sample = shown.select(person="person_id", record=pl.concat_str(said, separator=" · ", ignore_nulls=True)).to_dicts()
    return {"records": largest["len"], "people": largest["people"], "sample": sample}
