"""Type 2 histories of the model: what is told of a thing tonight, laid beside what was told of it before.

A pure function from frames to a frame; reading and writing tables belongs to the caller.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

#: Columns of a history beside the key and what it tracks.
BOOKKEEPING = ("valid_from", "valid_to", "is_current", "dated_by", "recorded_at")
_TIME = pl.Datetime("us", "UTC")


def advance(
    before: pl.DataFrame, tonight: pl.DataFrame, *, key: str, moment: datetime, since: datetime | None = None
) -> pl.DataFrame:
    """Close what changed or went, and open what is new, changed or back.

    A change holds from when a source last changed something, if that was after the night before, else from tonight:
    what a source changed earlier was known then, and is not why a value differs. The first version of a thing reaches
    back to when the thing was first seen, for want of better knowledge. A version that would have lasted no time is
    replaced. The same again changes nothing.

    Args:
        before: the history so far. A tracked column that it lacks is no change: the current version is filled in.
        tonight: one row per thing with the key, the tracked columns, first_seen_at and source_updated_at.
        key: the column that says which thing.
        moment: the night's, with its zone.
        since: the moment of the night that `before` is from; None takes when each version was recorded.

    Returns:
        The whole history: key, valid_from, valid_to, is_current, the tracked columns, dated_by and recorded_at; ordered
        by key and valid_from.
    """
    tracked = [name for name in tonight.columns if name not in (key, "first_seen_at", "source_updated_at")]
    compared = [name for name in tracked if name in before.columns]
    told = tonight.with_columns(pl.col("first_seen_at", "source_updated_at").cast(_TIME))
    past = before.with_columns(
        (pl.col(name) if name in compared else pl.lit(None)).cast(tonight.schema[name]).alias(name) for name in tracked
    )
    ended, current = past.filter(~pl.col("is_current")), past.filter(pl.col("is_current"))

    beside = told.join(current, on=key, how="left", suffix="_before")
    is_same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_before")) for name in compared)
    kept = beside.filter(pl.col("valid_from").is_not_null() & is_same)
    left = ended.group_by(key).agg(left_at=pl.col("valid_to").max())
    opened = _opened(beside.join(kept, on=key, how="anti").join(left, on=key, how="left"), moment, since)
    closed = (
        current.join(kept, on=key, how="anti")
        .join(opened.select(key, next_from="valid_from"), on=key, how="left")
        .with_columns(valid_to=pl.coalesce("next_from", pl.lit(moment, _TIME)))
        .filter(pl.col("valid_to") > pl.col("valid_from"))
    )
    columns = (key, "valid_from", "valid_to", *tracked, "dated_by", "recorded_at")
    history = pl.concat(frame.select(columns) for frame in (ended, closed, kept, opened))
    return _reaching_back(history, told, key).select(
        key, "valid_from", "valid_to", pl.col("valid_to").is_null().alias("is_current"), *columns[3:]
    )


def _opened(beside: pl.DataFrame, moment: datetime, since: datetime | None) -> pl.DataFrame:
    """New versions with their dates, each after the version before."""
    night = pl.lit(moment, _TIME)
    earlier = pl.max_horizontal("valid_from", "left_at")
    known = pl.max_horizontal(earlier, "recorded_at" if since is None else pl.lit(since, _TIME))
    is_news = earlier.is_not_null() & (pl.col("source_updated_at") > known) & (pl.col("source_updated_at") <= night)
    return beside.with_columns(
        valid_from=pl.when(is_news).then("source_updated_at").otherwise(pl.max_horizontal(night, earlier)),
        valid_to=pl.lit(None, _TIME),
        dated_by=pl.when(is_news).then(pl.lit("source")).otherwise(pl.lit("night")),
        recorded_at=night,
    )


def _reaching_back(history: pl.DataFrame, told: pl.DataFrame, key: str) -> pl.DataFrame:
    """Let the first version of each thing begin where the thing was first seen."""
    is_first = pl.col("valid_from") == pl.col("valid_from").min().over(key)
    reaches = (is_first & (pl.col("first_seen_at") < pl.col("valid_from"))).fill_null(value=False)
    return (
        history.join(told.select(key, "first_seen_at"), on=key, how="left")
        .with_columns(
            valid_from=pl.when(reaches).then("first_seen_at").otherwise("valid_from"),
            dated_by=pl.when(reaches).then(pl.lit("first_seen")).otherwise("dated_by"),
        )
        .sort(key, "valid_from")
    )
