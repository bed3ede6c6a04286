"""Linkage of person records by equal keys: pure functions from records to clusters.

Ids that last from night to night are made in `assignment`; reading and writing tables belongs to the caller.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from transforms.identity.assignment import assign

#: Columns whose equal values make two records one person, in the order in which evidence names them.
KEYS: tuple[str, ...] = ("external_id", "email", "phone")


class IdentityError(Exception):
    """Records that cannot be linked as given; the message says why."""


def resolve(records: pl.DataFrame) -> pl.DataFrame:
    """Group records into persons: records with an equal e-mail, phone or external id, directly or in a chain.

    Args:
        records: one row per record with record_id and source, and any of external_id, email and phone; other columns
            are ignored. Nulls and blanks link nothing.

    Returns:
        record_id, cluster_id (the smallest record_id of the cluster), match_probability (1.0), in the records' order.

    Raises:
        IdentityError: record_id is missing, null or occurs twice.
    """
    _check(records)
    labels = _components(_key_columns(records), records.height)
    return (
        records.select("record_id")
        .with_columns(label=labels)
        .with_columns(cluster_id=pl.col("record_id").min().over("label"), match_probability=pl.lit(1.0))
        .drop("label")
    )


def evidence(records: pl.DataFrame) -> pl.DataFrame:
    """Which keys each record shares with other records.

    Returns:
        record_id, and evidence: the keys' names joined by ' + ', or 'alone'.
    """
    keys = _key_columns(records)
    shared = [pl.when(pl.col(key).is_not_null() & (pl.len().over(key) > 1)).then(pl.lit(key)) for key in keys.columns]
    if not shared:
        return records.select("record_id", evidence=pl.lit("alone"))
    named = keys.select(evidence=pl.concat_str(shared, separator=" + ", ignore_nulls=True))["evidence"]
    return records.select("record_id", evidence=named.replace("", "alone"))


def link(
    records: pl.DataFrame, previous: pl.DataFrame | None = None, *, happened_at: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Resolve records and give each its customer id.

    Args:
        records: rows of identity.record.
        previous: rows of identity.assignment of the night before; None on the first night.
        happened_at: the night's time, for history and the ids' age.

    Returns:
        Rows of identity.assignment and the new rows of identity.history, columns as in their contracts.
    """
    assignment, history = assign(resolve(records), previous, happened_at=happened_at)
    explained = assignment.join(evidence(records), on="record_id", how="left", maintain_order="left")
    columns = ("record_id", "customer_id", "cluster_id", "match_probability", "evidence", "customer_since")
    return explained.select(columns), history


def _check(records: pl.DataFrame) -> None:
    if "record_id" not in records.columns:
        raise IdentityError("The records to resolve have no column record_id. Give each record an id.")
    ids = records["record_id"]
    if ids.null_count() or ids.n_unique() != len(ids):
        raise IdentityError("Some of the records to resolve share a record_id or have none. Make record_id unique.")


def _key_columns(records: pl.DataFrame) -> pl.DataFrame:
    """The keys that the records have, without surrounding blanks; null where there is nothing to compare."""
    present = [key for key in KEYS if key in records.columns]
    plain = {key: pl.col(key).cast(pl.String).str.strip_chars() for key in present}
    if "email" in plain:
        plain["email"] = plain["email"].str.to_lowercase()
    return records.select(pl.when(value != "").then(value).alias(key) for key, value in plain.items())


def _components(keys: pl.DataFrame, count: int) -> pl.Series:
    """Connected components of the records, each linked to the first record that has the same key."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    numbered = keys.with_row_index("record")
    edges = [
        numbered.lazy()
        .filter(pl.col(key).is_not_null())
        .select("record", first=pl.col("record").min().over(key))
        .filter(pl.col("record") != pl.col("first"))
        for key in keys.columns
    ]
    if not edges or not count:
        return pl.Series("label", np.arange(count, dtype=np.int32))
    joined = pl.concat(edges).collect()
    ends = (joined["record"].to_numpy(), joined["first"].to_numpy())
    graph = coo_array((np.ones(len(joined), dtype=np.int8), ends), shape=(count, count)).tocsr()
    _, labels = connected_components(graph, directed=False)
    return pl.Series("label", labels)
