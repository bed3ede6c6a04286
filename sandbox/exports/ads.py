"""The two ad platforms: campaigns and daily figures of each ad, each in its platform's own dialect.

Google exports UTF-16 with tabs and two title lines; Meta exports semicolons, decimal commas and German dates.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from sandbox import files
from sandbox.days import DAYS, START, demand, effect
from sandbox.exports.kit import Out, money
from sandbox.marketing import ad_campaigns

_ADS = 3


def write(out: Out) -> None:
    """Write the export of the platform that is the source's name."""
    campaigns = ad_campaigns(out.seed, out.source)
    daily = _daily(out, campaigns)
    if out.source == "google_ads":
        _google(out, campaigns, daily)
    else:
        _meta(out, campaigns, daily)
    out.truth.rows(out.source, "campaign", campaigns.height)
    out.truth.rows(out.source, "ad_performance", daily.height)
    spent = daily.select(pl.lit("EUR").alias("currency"), "day", pl.col("spend").alias("minor"))
    out.truth.sums("ad_spend", "ad_performance", out.source, spent)


def _daily(out: Out, campaigns: pl.DataFrame) -> pl.DataFrame:
    """One row per ad and day while its campaign runs; money in cents."""
    random = out.random("daily")
    days = pl.DataFrame({"position": np.arange(DAYS)}).with_columns(
        day=pl.lit(START) + pl.duration(days="position"),
        busy=pl.Series(demand() ** 0.5),
        meddled=pl.Series(effect("ad_spend", out.source)),
    )
    ads = campaigns.join(pl.DataFrame({"number": np.arange(_ADS)}), how="cross", maintain_order="left_right")
    rows = days.join(ads, how="cross", maintain_order="left_right").filter(pl.col("day").is_between("first", "last"))
    count = rows.height
    rows = rows.with_columns(
        spend=(
            pl.col("budget")
            / _ADS
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
        ad_id=pl.col("campaign_id") + (pl.col("number") + 1).cast(pl.String).str.zfill(2),
        ad_group=pl.lit("Gruppe ") + pl.Series(["A", "B", "C"]).gather(rows["number"]),
    ).with_columns(value=pl.col("conversions") * 6_900)


def _thousands(column: str, mark: str) -> pl.Expr:
    """Integers with a mark between thousands; none here reaches a million."""
    value = pl.col(column)
    grouped = (value // 1000).cast(pl.String) + mark + (value % 1000).cast(pl.String).str.zfill(3)
    return pl.when(value >= 1000).then(grouped).otherwise(value.cast(pl.String))


def _google(out: Out, campaigns: pl.DataFrame, daily: pl.DataFrame) -> None:
    style = {"delimiter": "\t", "encoding": "utf-16", "preamble": ["Report", "1. November 2024 - 31. Oktober 2026"]}
    listed = campaigns.select(
        pl.col("campaign_id").alias("Campaign ID"),
        pl.col("name").alias("Campaign"),
        pl.when("always").then(pl.lit("Enabled")).otherwise(pl.lit("Paused")).alias("Campaign state"),
        pl.col("kind").alias("Campaign type"),
        money("budget").alias("Budget"),
        pl.lit("EUR").alias("Currency code"),
        pl.col("first").dt.strftime("%Y-%m-%d").alias("Start date"),
        pl.when(~pl.col("always")).then(pl.col("last").dt.strftime("%Y-%m-%d")).alias("End date"),
    )
    files.write_csv(out.folder / "campaigns.tsv", listed, **style)
    frame = daily.select(
        pl.col("day").dt.strftime("%Y-%m-%d").alias("Day"),
        pl.col("campaign_id").alias("Campaign ID"),
        pl.col("name").alias("Campaign"),
        pl.col("ad_group").alias("Ad group"),
        pl.col("ad_id").alias("Ad ID"),
        _thousands("impressions", ",").alias("Impressions"),
        _thousands("clicks", ",").alias("Clicks"),
        money("spend").alias("Cost"),
        pl.lit("EUR").alias("Currency code"),
        (pl.col("conversions").cast(pl.String) + ".00").alias("Conversions"),
        money("value").alias("Conv. value"),
    )
    for year, part in _by_year(frame, daily):
        files.write_csv(out.folder / f"ad_report_{year}.tsv", part, **style)


def _meta(out: Out, campaigns: pl.DataFrame, daily: pl.DataFrame) -> None:
    listed = campaigns.select(
        pl.col("campaign_id").alias("Kampagnen-ID"),
        pl.col("name").alias("Kampagnenname"),
        pl.when("always").then(pl.lit("Aktiv")).otherwise(pl.lit("Abgeschlossen")).alias("Status"),
        pl.col("kind").alias("Ziel"),
        money("budget", ",").alias("Tagesbudget"),
        pl.col("first").dt.strftime("%d.%m.%Y").alias("Start"),
        pl.when(~pl.col("always")).then(pl.col("last").dt.strftime("%d.%m.%Y")).alias("Ende"),
    )
    files.write_csv(out.folder / "kampagnen.csv", listed, delimiter=";", bom=True)
    frame = daily.select(
        pl.col("day").dt.strftime("%d.%m.%Y").alias("Tag"),
        pl.col("campaign_id").alias("Kampagnen-ID"),
        pl.col("name").alias("Kampagnenname"),
        pl.col("ad_group").alias("Anzeigengruppenname"),
        pl.col("ad_id").alias("Anzeigen-ID"),
        _thousands("impressions", ".").alias("Impressionen"),
        _thousands("clicks", ".").alias("Link-Klicks"),
        money("spend", ",").alias("Ausgegebener Betrag (EUR)"),
        pl.col("conversions").cast(pl.String).alias("Käufe"),
        money("value", ",").alias("Conversion-Wert"),
    )
    good = frame.height
    dirt = out.dirt("ad_performance", "Anzeigen-ID")
    frame = dirt.plant(
        frame, "no day", {"Tag": None}, reason="missing: date", among=good, share=0.0005, ids="77{:013d}"
    )
    years = pl.concat([daily["day"], daily["day"][:1].new_from_index(0, frame.height - good)])
    for year, part in _by_year(frame, pl.DataFrame({"day": years})):
        files.write_csv(out.folder / f"anzeigen_{year}.csv", part, delimiter=";", bom=True)


def _by_year(frame: pl.DataFrame, dated: pl.DataFrame) -> list[tuple[int, pl.DataFrame]]:
    years = dated["day"].dt.year()
    return [(year, frame.filter(years == year)) for year in years.unique().sort().to_list()]
