"""What ads of the demo company did on each day, the same for either platform.

How a platform names and words it belongs in its own module.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from sandbox.days import DAYS, START, demand, effect
from sandbox.exports.kit import Out

ADS_PER_CAMPAIGN = 3
#: What the shop earns by an order that an ad brought, in cents.
ORDER_VALUE = 6_900


def daily(out: Out, campaigns: pl.DataFrame) -> pl.DataFrame:
    """Gives one row per ad and day while its campaign runs; money in cents. Suspended days cost and bring nothing."""
    random = out.random("daily")
    days = pl.DataFrame({"position": np.arange(DAYS)}).with_columns(
        day=pl.lit(START) + pl.duration(days="position"),
        busy=pl.Series(demand() ** 0.5),
        meddled=pl.Series(effect("ad_spend", out.source)),
    )
    rows = days.join(with_ads(campaigns), how="cross", maintain_order="left_right")
    rows = rows.filter(pl.col("day").is_between("first", "last"))
    count = rows.height
    rows = rows.with_columns(
        spend=(
            pl.col("budget")
            / ADS_PER_CAMPAIGN
            * pl.col("busy")
            * pl.Series(random.normal(1, 0.09, count)).clip(0.3)
            * pl.col("meddled")
        )
        .round()
        .cast(pl.Int64),
        cpc=pl.Series(random.uniform(28, 60, count)),
        ctr=pl.Series(random.uniform(0.012, 0.05, count)),
        rate=pl.Series(random.uniform(0.01, 0.05, count)),
    ).with_columns(clicks=(pl.col("spend") / pl.col("cpc")).cast(pl.Int64))
    return rows.with_columns(
        impressions=(pl.col("clicks") / pl.col("ctr")).cast(pl.Int64),
        conversions=(pl.col("clicks") * pl.col("rate")).round(0).cast(pl.Int64),
    ).with_columns(value=pl.col("conversions") * ORDER_VALUE)


def with_ads(campaigns: pl.DataFrame) -> pl.DataFrame:
    """Gives one row per ad: its campaign, its number from 0, its id, and the id and name of the group it is in."""
    numbers = pl.DataFrame({"number": np.arange(ADS_PER_CAMPAIGN)})
    ads = campaigns.join(numbers, how="cross", maintain_order="left_right")
    number = pl.col("number") + 1
    return ads.with_columns(
        ad_id=pl.col("campaign_id") + number.cast(pl.String).str.zfill(2),
        group_id=pl.col("campaign_id") + pl.lit("1") + number.cast(pl.String),
        group=pl.lit("Gruppe ") + pl.Series(["A", "B", "C"]).gather(ads["number"]),
    )


def tell_figures(out: Out, figures: pl.DataFrame) -> None:
    """Says the truth about what ads did."""
    campaign_id = pl.format("{}:{}", pl.lit(out.source), "campaign_id")
    counts = ("impressions", "clicks", "spend", "conversions", "value")
    done = figures.select("day", pl.col(counts).cast(pl.Int64), campaign_id=campaign_id, campaign="name")
    out.truth.fact("ad_day", done, out.source)


def day_ms(day: str | pl.Expr) -> pl.Expr:
    """Midnight of a date in UTC, in milliseconds since 1970."""
    value = pl.col(day) if isinstance(day, str) else day
    return value.cast(pl.Datetime("ms")).dt.epoch("ms")
