"""Lasting customer ids: clusters of tonight take over the ids that their records had last night.

How clusters come about does not matter here; merges and splits are read off the change of ids.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import polars as pl

HISTORY_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "happened_at": pl.Datetime("us", "UTC"),
    "kind": pl.String,
    "old_customer_id": pl.String,
    "new_customer_id": pl.String,
}


def assign(
    clusters: pl.DataFrame,
    previous: pl.DataFrame | None = None,
    *,
    happened_at: datetime,
    taken: pl.Series | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give each cluster a customer id that lasts.

    A cluster keeps the id that most of its records had, the oldest where that is even. An id wanted by two clusters
    goes to the one with more of its records. All others get a new id, made from their smallest record_id.

    Args:
        clusters: record_id, cluster_id, match_probability.
        previous: record_id, customer_id and customer_since (the day the id was made) of the night before.
        happened_at: the night's time, with its zone.
        taken: customer ids that are somebody else's; those in `previous` are anyway.

    Returns:
        The assignment (record_id, customer_id, cluster_id, match_probability, customer_since), and the history: one
        row (happened_at, kind, old_customer_id, new_customer_id) per id whose records went over to another. `merged`
        when the old id is gone, `split` when it lives on.
    """
    before = _previous(previous)
    taken = before["customer_id"] if taken is None else pl.concat([before["customer_id"], taken])
    held = clusters.select("record_id", "cluster_id").join(before, on="record_id", how="inner")
    kept = _keep(held)
    minted = _mint(clusters, kept, taken=taken, happened_at=happened_at)
    ids = pl.concat([kept, minted])
    assignment = clusters.join(ids, on="cluster_id", how="left", maintain_order="left").select(
        "record_id", "customer_id", "cluster_id", "match_probability", "customer_since"
    )
    return assignment, _history(before, assignment, happened_at)


def _previous(previous: pl.DataFrame | None) -> pl.DataFrame:
    columns = {"record_id": pl.String, "customer_id": pl.String, "customer_since": pl.Date}
    if previous is None:
        return pl.DataFrame(schema=columns)
    return previous.select(pl.col(name).cast(kind) for name, kind in columns.items())


def _keep(held: pl.DataFrame) -> pl.DataFrame:
    """One old id per cluster and one cluster per old id, the strongest claims first."""
    claims = (
        held.group_by("cluster_id", "customer_id")
        .agg(pl.len().alias("records"), pl.col("customer_since").min())
        .with_columns(
            rivals=pl.len().over("cluster_id") + pl.len().over("customer_id"),
        )
    )
    undisputed = claims.filter(pl.col("rivals") == 2)
    # Few clusters merge or split in a night, so the disputed claims can be gone through one by one.
    disputed = claims.filter(pl.col("rivals") > 2).sort(
        ["records", "customer_since", "customer_id", "cluster_id"], descending=[True, False, False, False]
    )
    clusters_done: set[str] = set()
    ids_done: set[str] = set()
    won = []
    for row in disputed.iter_rows(named=True):
        if row["cluster_id"] in clusters_done or row["customer_id"] in ids_done:
            continue
        clusters_done.add(row["cluster_id"])
        ids_done.add(row["customer_id"])
        won.append(row)
    granted = pl.concat([undisputed, pl.DataFrame(won, schema=claims.schema)])
    return granted.select("cluster_id", "customer_id", "customer_since")


def _mint(clusters: pl.DataFrame, kept: pl.DataFrame, *, taken: pl.Series, happened_at: datetime) -> pl.DataFrame:
    """New ids for the clusters without one; never an id that somebody had last night."""
    nameless = (
        clusters.join(kept, on="cluster_id", how="anti")
        .group_by("cluster_id")
        .agg(pl.col("record_id").min().alias("smallest"))
        .sort("smallest")
    )
    used = set(taken)
    ids = []
    for smallest in nameless["smallest"]:
        attempt = 0
        while (customer_id := _customer_id(smallest, attempt)) in used:
            attempt += 1
        used.add(customer_id)
        ids.append(customer_id)
    return nameless.select(
        "cluster_id",
        pl.Series("customer_id", ids, dtype=pl.String),
        pl.lit(happened_at.date()).alias("customer_since"),
    )


def _customer_id(record_id: str, attempt: int) -> str:
    seed = record_id if attempt == 0 else f"{record_id}#{attempt}"
    return "cus_" + hashlib.sha256(seed.encode()).hexdigest()[:16]


def _history(before: pl.DataFrame, assignment: pl.DataFrame, happened_at: datetime) -> pl.DataFrame:
    alive = assignment["customer_id"].unique()
    return (
        before.select("record_id", old_customer_id="customer_id")
        .join(assignment.select("record_id", new_customer_id="customer_id"), on="record_id")
        .filter(pl.col("old_customer_id") != pl.col("new_customer_id"))
        .select("old_customer_id", "new_customer_id")
        .unique()
        .select(
            pl.lit(happened_at).cast(HISTORY_SCHEMA["happened_at"]).alias("happened_at"),
            pl.when(pl.col("old_customer_id").is_in(alive.implode()))
            .then(pl.lit("split"))
            .otherwise(pl.lit("merged"))
            .alias("kind"),
            "old_customer_id",
            "new_customer_id",
        )
        .sort("old_customer_id", "new_customer_id")
    )
