"""Makes what the demo's GA4 property has counted, and what a night brings to it.

Numbers of the last two days still change. How a report of it is asked for and written belongs in `ga4`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from sandbox.days import DAYS, START, demand, effect
from sandbox.exports.kit import Out
from sandbox.store import Record, Store
from sandbox.vendor import Changed, Night
from sandbox.vendors._ads import day_ms

_DAY = 86_400_000
_ALL = 10_000_000
#: source, medium, campaign, sessions on a usual day; GA4 has a word in brackets where there is no campaign
_TRAFFIC = (
    ("google", "organic", "(organic)", 620),
    ("google", "cpc", "Suche Marke", 310),
    ("google", "cpc", "Shopping DE", 260),
    ("(direct)", "(none)", "(direct)", 410),
    ("facebook", "paid_social", "Prospecting Wohnen", 180),
    ("newsletter", "email", "(not set)", 120),
    ("bing", "organic", "(organic)", 60),
    ("idealo.example", "referral", "(referral)", 90),
)
_DEVICES = (("mobile", 0.61), ("desktop", 0.33), ("tablet", 0.06))
_OTHER = "(other)"


def fill(out: Out, store: Store) -> None:
    """Makes the property and says what is true of it. Numbers grow with the scale; there are no rows of no session."""
    random = out.random("sessions")
    days = pl.DataFrame({"position": range(DAYS)}).with_columns(
        day=pl.lit(START) + pl.duration(days="position"),
        busy=pl.Series(demand() ** 0.7),
        meddled=pl.Series(effect("web_sessions")),
    )
    traffic = pl.DataFrame(_TRAFFIC, schema=["source", "medium", "campaign", "usual"], orient="row")
    devices = pl.DataFrame(_DEVICES, schema=["device", "share"], orient="row")
    rows = days.join(traffic, how="cross", maintain_order="left_right")
    rows = rows.join(devices, how="cross", maintain_order="left_right")
    expected = rows.select(pl.col("usual") * pl.col("share") * pl.col("busy") * pl.col("meddled") * out.scale)
    sessions = pl.Series(random.poisson(expected.to_series().to_numpy() * random.lognormal(0, 0.06, rows.height)))
    rows = rows.with_columns(sessions=sessions).filter(pl.col("sessions") > 0)
    body = pl.struct(
        pl.col("day").dt.strftime("%Y%m%d").alias("date"),
        pl.col("source").alias("sessionSource"),
        pl.col("medium").alias("sessionMedium"),
        pl.col("campaign").alias("sessionCampaignName"),
        pl.col("device").alias("deviceCategory"),
        "sessions",
        (pl.col("sessions") * 37 // 10).alias("screenPageViews"),
        (pl.col("sessions") * 24 // 1000).alias("keyEvents"),
    )
    keyed = rows.with_columns(
        key=pl.concat_str(pl.col("day").dt.strftime("%Y%m%d"), "source", "medium", "campaign", "device", separator=":")
    )
    store.fill("session", keyed, id="key", created=day_ms("day"), body=body)
    out.truth.rows(out.source, "web_session", rows.height)
    counted = rows.select(pl.lit(None, dtype=pl.String).alias("currency"), "day", pl.col("sessions").alias("minor"))
    out.truth.sums("web_sessions", "web_session", out.source, counted)
    seen = rows.select("day", "device", pl.col("sessions").cast(pl.Int64), traffic_source="source")
    out.truth.fact("web_session", seen, out.source)


def day_of(day: date) -> int:
    """Midnight of a date in UTC, in milliseconds since 1970."""
    return int(datetime.combine(day, datetime.min.time(), UTC).timestamp() * 1000)


def night(store: Store, night: Night) -> dict[str, Changed]:
    """A day passes: its sessions come, those of the two days before are recounted, and some prove to be robots."""
    # The night is at noon in UTC of the day that is over when it ends.
    day = day_of(datetime.fromtimestamp(night.at / 1000, UTC).date())
    added = _pass_day(store, night, day)
    changed, deleted = _recount(store, night, day)
    if night.number == 2:
        added.append(_overflow(store, night, day))
        store.write_note("state", {"dataLossFromOtherRow": True})
        store.write_note("custom dimensions", ["basket_size"])
    if night.number == 3:
        store.write_note("state", {"dataLossFromOtherRow": True, "subjectToThresholding": True})
        store.write_note("custom dimensions", [])
    return {"session": Changed(added=added, changed=changed, deleted=deleted)}


def stir(store: Store, first: date, last: date, now: int) -> None:
    """Turns the order of rows around that they come in if none is asked for."""
    since, until = day_of(first), day_of(last) + _DAY
    rows = store.page("session", limit=_ALL, order="updated", by="created", since=since, until=until)
    turned = enumerate(reversed(rows))
    store.put("session", [Record(id=r.id, body=r.body, created=r.created, updated=now + i) for i, r in turned])


def put(store: Store, day: int, keys: tuple[str, str, str, str], sessions: int, at: int) -> str:
    """Counts sessions of a day under source, medium, campaign and device; gives the record's id."""
    source, medium, campaign, device = keys
    text = f"{datetime.fromtimestamp(day / 1000, UTC):%Y%m%d}"
    id = ":".join((text, *keys))
    body: dict[str, Any] = {
        "date": text,
        "sessionSource": source,
        "sessionMedium": medium,
        "sessionCampaignName": campaign,
        "deviceCategory": device,
        **_figures(sessions),
    }
    store.put("session", [Record(id=id, body=body, created=day, updated=at)])
    return id


def _figures(sessions: int) -> dict[str, int]:
    return {
        "sessions": sessions,
        "screenPageViews": sessions * 37 // 10,
        "keyEvents": sessions * 24 // 1000,
    }


def _pass_day(store: Store, night: Night, day: int) -> list[str]:
    """About the sessions of the same weekday a week before."""
    added = []
    for old in store.page("session", limit=_ALL, by="created", since=day - 7 * _DAY, until=day - 6 * _DAY):
        if old.body["sessionSource"] == _OTHER:
            continue
        keys = (
            old.body["sessionSource"],
            old.body["sessionMedium"],
            old.body["sessionCampaignName"],
            old.body["deviceCategory"],
        )
        sessions = max(1, round(old.body["sessions"] * night.random.uniform(0.9, 1.1)))
        added.append(put(store, day, keys, sessions, night.at + 10))
    return added


def _recount(store: Store, night: Night, day: int) -> tuple[list[str], list[str]]:
    recent = store.page("session", limit=_ALL, by="created", since=day - 2 * _DAY, until=day)
    chosen: list[Record] = night.random.sample(recent, max(3, len(recent) // 4))
    robots, late = chosen[0], chosen[1:]
    for record in late:
        body = {**record.body, **_figures(record.body["sessions"] + 1)}
        store.put("session", [Record(id=record.id, body=body, created=record.created, updated=night.at + 20)])
    store.delete("session", robots.id, night.at + 20)
    return [r.id for r in late], [robots.id]


def _overflow(store: Store, night: Night, day: int) -> str:
    """More combinations than GA4 keeps: the rest of them stands in one row."""
    return put(store, day, (_OTHER, _OTHER, _OTHER, _OTHER), 7, night.at + 30)
