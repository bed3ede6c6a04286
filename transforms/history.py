"""Type 2 histories of the model: what is told of a thing tonight, laid beside what was told of it before.

A pure function from frames to a frame; reading and writing tables belongs to the caller.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

#: Columns of a history beside the key and what it tracks.
BOOKKEEPING = ("valid_from", "valid_to", "is_current", "dated_by", "recorded_at", "source_updated_at")
_TIME = pl.Datetime("us", "UTC")


def advance(before: pl.DataFrame, tonight: pl.DataFrame, *, key: str, moment: datetime) -> pl.DataFrame:
    """Close what changed or went, and open what is new, changed or back.

    A change holds from when a source says that it changed something, if it said so for the first time tonight, else
    from the night. The first version of a thing reaches back to the thing's creation, for want of better knowledge.
    A version that would have lasted no time is replaced. The same again changes nothing.

    Args:
        before: the history so far. A tracked column that it lacks is no change: the current version is filled in.
        tonight: one row per thing with the key, the tracked columns, created_at and source_updated_at.
        key: the column that says which thing.
        moment: the night's, with its zone.

    Returns:
        The whole history: key, valid_from, valid_to, is_current, the tracked columns, dated_by, recorded_at,
        source_updated_at; ordered by key and valid_from.
    """
    tracked = [name for name in tonight.columns if name not in (key, "created_at", "source_updated_at")]
    compared = [name for name in tracked if name in before.columns]
    told = tonight.with_columns(pl.col("created_at", "source_updated_at").cast(_TIME))
    past = before.with_columns(
        (pl.col(name) if name in compared else pl.lit(None)).cast(tonight.schema[name]).alias(name) for name in tracked
    )
    ended, current = past.filter(~pl.col("is_current")), past.filter(pl.col("is_current"))
    columns = (key, "valid_from", "valid_to", *tracked, "dated_by", "recorded_at", "source_updated_at")

    beside = told.join(current, on=key, how="left", suffix="_before")
    stays = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_before")) for name in compared)
    kept = beside.filter(pl.col("valid_from").is_not_null() & stays)
    opened = _opened(
        beside.join(kept, on=key, how="anti").join(
            ended.group_by(key).agg(left_at=pl.col("valid_to").max()), on=key, how="left"
        ),
        moment,
    )
    closed = (
        current.join(kept, on=key, how="anti")
        .join(opened.select(key, next_from="valid_from"), on=key, how="left")
        .with_columns(valid_to=pl.coalesce("next_from", pl.lit(moment, _TIME)))
        .filter(pl.col("valid_to") > pl.col("valid_from"))
    )
    history = pl.concat(frame.select(columns) for frame in (ended, closed, kept, opened))
    return _reaching_back(history, told, key).select(
        key, "valid_from", "valid_to", pl.col("valid_to").is_null().alias("is_current"), *columns[3:]
    )


def _opened(beside: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """New versions with their dates: after the version before, and after the last change that was known of then."""
    earlier = pl.max_horizontal("valid_from", "left_at")
    known = pl.max_horizontal(earlier, pl.coalesce("source_updated_at_before", "recorded_at"))
    is_news = (pl.col("source_updated_at") > known) & (pl.col("source_updated_at") <= moment)
    night = pl.lit(moment, _TIME)
    return beside.with_columns(
        valid_from=pl.when(is_news).then("source_updated_at").otherwise(pl.max_horizontal(night, earlier)),
        valid_to=pl.lit(None, _TIME),
        dated_by=pl.when(is_news).then(pl.lit("source")).otherwise(pl.lit("night")),
        recorded_at=night,
    )


def _reaching_back(history: pl.DataFrame, told: pl.DataFrame, key: str) -> pl.DataFrame:
    """Let the first version of each thing begin with the thing."""
    is_first = pl.col("valid_from") == pl.col("valid_from").min().over(key)
    reaches = (is_first & (pl.col("created_at") < pl.col("valid_from"))).fill_null(value=False)
    return (
        history.join(told.select(key, "created_at"), on=key, how="left")
        .with_columns(
            valid_from=pl.when(reaches).then("created_at").otherwise("valid_from"),
            dated_by=pl.when(reaches).then(pl.lit("created")).otherwise("dated_by"),
        )
        .sort(key, "valid_from")
    )
