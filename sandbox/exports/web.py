"""Web analytics: sessions by day, source, medium and device, by year."""

from __future__ import annotations

import polars as pl

from sandbox import files
from sandbox.days import DAYS, START, demand, effect
from sandbox.exports.kit import Out

#: source, medium, campaign, sessions on a usual day
_TRAFFIC = (
    ("google", "organic", None, 620),
    ("google", "cpc", "Suche Marke", 310),
    ("google", "cpc", "Shopping DE", 260),
    ("(direct)", "(none)", None, 410),
    ("facebook", "paid_social", "Prospecting Wohnen", 180),
    ("newsletter", "email", None, 120),
    ("bing", "organic", None, 60),
    ("idealo.example", "referral", None, 90),
)
_DEVICES = (("mobile", 0.61), ("desktop", 0.33), ("tablet", 0.06))


def write(out: Out) -> None:
    """Write the analytics export; its numbers grow with the scale, its rows do not."""
    random = out.random("sessions")
    days = pl.DataFrame({"position": range(DAYS)}).with_columns(
        day=pl.lit(START) + pl.duration(days="position"),
        busy=pl.Series(demand() ** 0.7),
        meddled=pl.Series(effect("web_sessions")),
    )
    traffic = pl.DataFrame(_TRAFFIC, schema=["source", "medium", "campaign", "usual"], orient="row")
    devices = pl.DataFrame(_DEVICES, schema=["device", "share"], orient="row")
    rows = days.join(traffic, how="cross", maintain_order="left_right").join(
        devices, how="cross", maintain_order="left_right"
    )
    expected = rows.select(pl.col("usual") * pl.col("share") * pl.col("busy") * pl.col("meddled") * out.scale)
    sessions = pl.Series(random.poisson(expected.to_series().to_numpy() * random.lognormal(0, 0.06, rows.height)))
    frame = rows.with_columns(sessions=sessions).select(
        pl.col("day").dt.year().alias("year"),
        pl.col("day").dt.strftime("%Y%m%d").alias("Date"),
        pl.col("source").alias("Session source"),
        pl.col("medium").alias("Session medium"),
        pl.col("campaign").alias("Session campaign"),
        pl.col("device").alias("Device category"),
        pl.col("sessions").cast(pl.String).alias("Sessions"),
        (pl.col("sessions") * 37 // 10).cast(pl.String).alias("Views"),
        (pl.col("sessions") * 24 // 1000).cast(pl.String).alias("Key events"),
    )
    for year in frame["year"].unique().sort():
        part = frame.filter(pl.col("year") == year).drop("year")
        files.write_csv(out.folder / f"sessions_{year}.csv", part)
    line = files.append_line(out.folder / "sessions_2025.csv", "20251231,google,organic")
    out.truth.bad_line(out.source, "web_session", "sessions_2025.csv", line, "too few fields")
    out.truth.rows(out.source, "web_session", rows.height)
    counted = rows.select(pl.lit(None, dtype=pl.String).alias("currency"), "day", sessions.alias("minor"))
    out.truth.sums("web_sessions", "web_session", out.source, counted)
