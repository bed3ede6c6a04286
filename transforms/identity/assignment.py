"""Lasting customer ids: clusters of tonight take over the ids that their records had last night.

How clusters come about does not matter here; merges and splits are read off the change of ids.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl

HISTORY_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "happened_at": pl.Datetime("us", "UTC"),
    "kind": pl.String,
    "old_customer_id": pl.String,
    "new_customer_id": pl.String,
}


_HELD: dict[str, pl.DataType | type[pl.DataType]] = {
    "record_id": pl.String,
    "customer_id": pl.String,
    "customer_since": pl.Date,
}
_FORMER = {**_HELD, "changed_at": HISTORY_SCHEMA["happened_at"]}


def assign(
    clusters: pl.DataFrame,
    previous: pl.DataFrame | None = None,
    *,
    happened_at: datetime,
    taken: pl.Series | None = None,
    former: pl.DataFrame | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give each cluster a customer id that lasts.

    A cluster keeps the id that most of its records had, the oldest where that is even. An id wanted by two clusters
    goes to the one with more of its records. All others get a new id, made from their smallest record_id.

    What is merged and parted again, or parted and merged again, goes by the ids from before: where a customer comes
    apart, ids go first to those who had them before an earlier merge or split, also ids that were given up then.

    Args:
        clusters: record_id, cluster_id, match_probability.
        previous: record_id, customer_id and customer_since (the day the id was made) of the night before.
        happened_at: the night's time, with its zone.
        taken: customer ids that are somebody else's; those in `previous` are anyway.
        former: rows of identity.former_id: ids that records had before merges and splits.

    Returns:
        The assignment (record_id, customer_id, cluster_id, match_probability, customer_since), and the history: one
        row (happened_at, kind, old_customer_id, new_customer_id) per id whose records went over to another, later than
        all that `former` knows. `merged` when the old id is gone, `split` when it lives on.
    """
    before = _given(previous, _HELD)
    others = _given(None, _HELD)["customer_id"] if taken is None else taken
    others = others.filter(~others.is_in(before["customer_id"].implode()))
    kept = _keep(clusters.select("record_id", "cluster_id"), before, _given(former, _FORMER), others)
    used = pl.concat([before["customer_id"], others, kept["customer_id"]])
    minted = _mint(clusters, kept, taken=used, happened_at=happened_at)
    ids = pl.concat([kept, minted])
    assignment = clusters.join(ids, on="cluster_id", how="left", maintain_order="left").select(
        "record_id", "customer_id", "cluster_id", "match_probability", "customer_since"
    )
    return assignment, _history(before, assignment, _after(former, happened_at))


def _after(former: pl.DataFrame | None, happened_at: datetime) -> datetime:
    """The night's time, or just after the last change where the clock went back: later changes are followed last."""
    last = None if former is None else former["changed_at"].max()
    return last + timedelta(microseconds=1) if isinstance(last, datetime) and last >= happened_at else happened_at


def left_behind(
    previous: pl.DataFrame | None, history: pl.DataFrame, former: pl.DataFrame | None = None
) -> pl.DataFrame:
    """New rows for identity.former_id: the ids, by the night before, of customers that were merged or split.

    Args:
        previous: as for `assign`.
        history: as it gives it.
        former: the rows that there are.
    """
    touched = pl.concat([history["old_customer_id"], history["new_customer_id"]])
    return (
        _given(previous, _HELD)
        .filter(pl.col("customer_id").is_in(touched.implode()))
        .with_columns(changed_at=pl.lit(history["happened_at"].max(), _FORMER["changed_at"]))
        .join(_given(former, _FORMER), on=["record_id", "customer_id"], how="anti")
    )


def _given(frame: pl.DataFrame | None, columns: Mapping[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
    if frame is None:
        return pl.DataFrame(schema=columns)
    return frame.select(pl.col(name).cast(kind) for name, kind in columns.items())


def _keep(clusters: pl.DataFrame, before: pl.DataFrame, former: pl.DataFrame, others: pl.Series) -> pl.DataFrame:
    """One old id per cluster and one cluster per old id."""
    held = clusters.join(before, on="record_id", how="inner")
    claims = (
        held.group_by("cluster_id", "customer_id")
        .agg(pl.col("customer_since").min())
        .with_columns(ids=pl.len().over("cluster_id"), clusters=pl.len().over("customer_id"))
    )
    is_disputed = (pl.col("ids") > 1) | (pl.col("clusters") > 1)
    granted = claims.filter(~is_disputed).select("cluster_id", "customer_id", "customer_since")
    disputed = claims.filter(is_disputed)
    if disputed.is_empty():
        return granted
    torn = disputed.filter(pl.col("clusters") > 1)["cluster_id"]
    its = pl.col("cluster_id").is_in(disputed["cluster_id"].implode())
    had = clusters.filter(its).join(former, on="record_id").filter(~pl.col("customer_id").is_in(others.implode()))
    return pl.concat([granted, _settle(_claims(held.filter(its), had, torn), granted)])


def _claims(has: pl.DataFrame, had: pl.DataFrame, torn: pl.Series) -> pl.DataFrame:
    """Claims of disputed clusters, the strongest first.

    Args:
        has: the ids that their records had last night.
        had: and before merges and splits.
        torn: clusters that are parts of a split. They alone go by `had` first, and may claim ids that nobody has.
    """
    is_torn = pl.col("cluster_id").is_in(torn.implode())
    return (
        pl.concat(
            [had.filter(is_torn | pl.col("customer_id").is_in(has["customer_id"].implode())), has], how="diagonal"
        )
        .group_by("cluster_id", "customer_id")
        .agg(
            pl.col("customer_since").min(),
            records=pl.col("record_id").n_unique(),
            returning=pl.col("changed_at").count(),
            first=pl.col("changed_at").min(),
        )
        .sort(
            pl.when(is_torn).then("returning").otherwise(0),
            "records",
            pl.when(is_torn).then("first"),
            "customer_since",
            "customer_id",
            "cluster_id",
            descending=[True, True, False, False, False, False],
            nulls_last=True,
        )
    )


def _settle(claims: pl.DataFrame, granted: pl.DataFrame) -> pl.DataFrame:
    """The claims that win. Few clusters merge or split in a night, so they can be gone through one by one."""
    clusters_done: set[str] = set()
    ids_done = set(granted["customer_id"])
    won = []
    for row in claims.select(granted.columns).iter_rows():
        cluster_id, customer_id, _ = row
        if cluster_id not in clusters_done and customer_id not in ids_done:
            clusters_done.add(cluster_id)
            ids_done.add(customer_id)
            won.append(row)
    return pl.DataFrame(won, schema=granted.schema, orient="row")


def _mint(clusters: pl.DataFrame, kept: pl.DataFrame, *, taken: pl.Series, happened_at: datetime) -> pl.DataFrame:
    """New ids for the clusters without one; never an id that somebody had last night, or has again."""
    nameless = (
        clusters.join(kept, on="cluster_id", how="anti")
        .group_by("cluster_id")
        .agg(pl.col("record_id").min().alias("smallest"))
        .sort("smallest")
    )
    smallest = nameless["smallest"].to_list()
    attempts = [0] * len(smallest)
    while True:
        ids = pl.Series("customer_id", map(_customer_id, smallest, attempts), dtype=pl.String)
        is_free = ids.is_first_distinct() & ~ids.is_in(taken.implode())
        if is_free.all():
            break
        attempts = [attempt + (not free) for attempt, free in zip(attempts, is_free, strict=True)]
    return nameless.select(
        "cluster_id",
        ids,
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
