"""Makes the demo's Meta ad account of the company's campaigns, and what a night brings to it.

Each ad of the export stands in an ad set of its own. Figures change for up to 28 days after the fact, as
https://developers.facebook.com/docs/marketing-api/insights/best-practices says.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from sandbox.days import TIMEZONE
from sandbox.exports.kit import Out
from sandbox.marketing import ad_campaigns
from sandbox.store import Record, Store
from sandbox.vendor import Changed, Night
from sandbox.vendors._ads import ORDER_VALUE, daily, day_ms, tell_figures, with_ads
from sandbox.vendors.meta_ads.insights import ACCOUNT_ID, moved

_DAY = 86_400_000
_ALL = 10_000_000
_LAG_DAYS = 28


def fill(out: Out, store: Store) -> None:
    """Makes the account and says what is true of it."""
    campaigns = ad_campaigns(out.seed, out.source)
    _fill_campaigns(store, campaigns)
    _fill_ads(store, with_ads(campaigns))
    figures = daily(out, campaigns)
    _fill_figures(store, figures)
    out.truth.rows(out.source, "campaign", campaigns.height)
    out.truth.rows(out.source, "ad_performance", figures.height)
    spent = figures.select(pl.lit("EUR").alias("currency"), "day", pl.col("spend").alias("minor"))
    out.truth.sums("ad_spend", "ad_performance", out.source, spent)
    tell_figures(out, figures)


def _time(day: str, clock: str) -> pl.Expr:
    """A time of day on a date, as Meta writes it in the account's zone."""
    there = pl.col(day).cast(pl.Datetime("us")).dt.replace_time_zone(TIMEZONE)
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    return (there + pl.duration(hours=hours, minutes=minutes, seconds=seconds)).dt.strftime("%Y-%m-%dT%H:%M:%S%z")


def _fill_campaigns(store: Store, campaigns: pl.DataFrame) -> None:
    body = pl.struct(
        pl.col("campaign_id").alias("id"),
        pl.lit(ACCOUNT_ID).alias("account_id"),
        "name",
        pl.col("kind").alias("objective"),
        pl.lit("AUCTION").alias("buying_type"),
        pl.lit("ACTIVE").alias("status"),
        pl.lit("ACTIVE").alias("configured_status"),
        pl.lit("ACTIVE").alias("effective_status"),
        pl.lit("LOWEST_COST_WITHOUT_CAP").alias("bid_strategy"),
        pl.col("budget").cast(pl.String).alias("daily_budget"),
        pl.lit(None, pl.String).alias("lifetime_budget"),
        _time("first", "00:00:00").alias("start_time"),
        pl.when(~pl.col("always")).then(_time("last", "23:59:59")).alias("stop_time"),
        _time("first", "00:00:00").alias("created_time"),
        _time("first", "00:00:00").alias("updated_time"),
    )
    store.fill("campaign", campaigns, id="campaign_id", created=day_ms("first"), body=body)


def _fill_ads(store: Store, ads: pl.DataFrame) -> None:
    shared: list[str | pl.Expr] = [
        pl.lit(ACCOUNT_ID).alias("account_id"),
        "campaign_id",
        pl.lit("ACTIVE").alias("status"),
        pl.lit("ACTIVE").alias("configured_status"),
        pl.lit("ACTIVE").alias("effective_status"),
        _time("first", "00:00:00").alias("created_time"),
        _time("first", "00:00:00").alias("updated_time"),
    ]
    sets = pl.struct(
        pl.col("group_id").alias("id"),
        pl.col("group").alias("name"),
        *shared,
        pl.lit("IMPRESSIONS").alias("billing_event"),
        pl.lit("OFFSITE_CONVERSIONS").alias("optimization_goal"),
        _time("first", "00:00:00").alias("start_time"),
    )
    store.fill("adset", ads, id="group_id", created=day_ms("first"), parent="campaign_id", body=sets)
    one = pl.struct(
        pl.col("ad_id").alias("id"),
        pl.format("{} {}", "name", pl.col("number") + 1).alias("name"),
        pl.col("group_id").alias("adset_id"),
        *shared,
    )
    store.fill("ad", ads, id="ad_id", created=day_ms("first"), parent="group_id", body=one)


def _fill_figures(store: Store, figures: pl.DataFrame) -> None:
    frame = figures.with_columns(key=pl.format("{}:{}", "ad_id", "day"))
    body = pl.struct(
        "impressions",
        (pl.col("impressions") * 4 // 5).alias("reach"),
        (pl.col("clicks") * 6 // 5).alias("clicks"),
        pl.col("clicks").alias("inline_link_clicks"),
        pl.col("spend").alias("cents"),
        pl.col("conversions").alias("purchases"),
        pl.col("value").alias("value_cents"),
        (pl.col("clicks") * 3 // 4).alias("views"),
    )
    store.fill("figure", frame, id="key", created=day_ms("day"), parent="ad_id", body=body)


def night(store: Store, night: Night) -> dict[str, Changed]:
    """A day passes: its figures come, older ones are corrected, campaigns come, change and go."""
    # The night is at noon in UTC of the day that is over when it ends.
    day = datetime.fromtimestamp(night.at / 1000, UTC).date().isoformat()
    figures = _pass_day(store, night, day)
    if night.number == 2:
        store.write_note("custom_from", day)
    corrected, vanished = _correct(store, night)
    gone, ads = _delete_one(store, night)
    changed = _change_budgets(store, night)
    added = _add_campaigns(store, night, day)
    return {
        "campaign": Changed(added=added, changed=changed, deleted=[gone]),
        "ad": Changed(deleted=ads),
        "figure": Changed(added=figures, changed=corrected, deleted=vanished),
    }


def _stamp(moment: int) -> str:
    # Berlin in winter, when the demo's nights are.
    there = datetime.fromtimestamp(moment / 1000, UTC) + timedelta(hours=1)
    return f"{there:%Y-%m-%dT%H:%M:%S}+0100"


def _delete_one(store: Store, night: Night) -> tuple[str, list[str]]:
    """Deleted campaigns and ads are shown to those only who ask for them; their figures stay."""
    at = night.at + 1
    alive = [r for r in store.page("campaign", limit=_ALL) if r.body["status"] != "DELETED"]
    record = next((r for r in alive if r.body["stop_time"]), alive[-1])
    ads = [r for r in store.page("ad", limit=_ALL) if r.body["campaign_id"] == record.id]
    for one in (record, *ads):
        states = dict.fromkeys(("status", "configured_status", "effective_status"), "DELETED")
        one.body.update({**states, "updated_time": _stamp(at)})
    store.put("campaign", [moved(record, at)])
    store.put("ad", [moved(r, at) for r in ads])
    return record.id, [r.id for r in ads]


def _change_budgets(store: Store, night: Night) -> list[str]:
    """Two budgets change; in the third night and later to one for the whole campaign, and the daily one is gone."""
    at = night.at + 2
    alive = [r for r in store.page("campaign", limit=_ALL) if r.body["status"] != "DELETED"]
    chosen = night.random.sample(alive, 2)
    for record in chosen:
        budget = int(record.body["daily_budget"] or record.body["lifetime_budget"]) + 100
        daily_budget, lifetime = (str(budget), None) if night.number < 3 else (None, str(budget * 30))
        record.body.update({"daily_budget": daily_budget, "lifetime_budget": lifetime, "updated_time": _stamp(at)})
    store.put("campaign", [moved(r, at) for r in chosen])
    return [r.id for r in chosen]


def _add_campaigns(store: Store, night: Night, day: str) -> list[str]:
    """Two new campaigns, which have no ads yet."""
    added = []
    for position in range(2):
        id, at = str(120_220_000_000_000 + night.number * 100 + position), night.at + 3 + position
        body = {
            "id": id,
            "account_id": ACCOUNT_ID,
            "name": f"Test {day} {'AB'[position]}",
            "objective": "OUTCOME_TRAFFIC",
            "buying_type": "AUCTION",
            "status": "PAUSED",
            "configured_status": "PAUSED",
            "effective_status": "PAUSED",
            "bid_strategy": "LOWEST_COST_WITHOUT_CAP",
            "daily_budget": "1500",
            "lifetime_budget": None,
            "start_time": f"{day}T00:00:00+0100",
            "stop_time": None,
            "created_time": _stamp(at),
            "updated_time": _stamp(at),
        }
        store.put("campaign", [Record(id=id, body=body, created=at, updated=at)])
        added.append(id)
    return added


def _pass_day(store: Store, night: Night, day: str) -> list[str]:
    """The day's figures: about those of the same weekday a week before, of ads that still run."""
    before = (datetime.fromisoformat(day) - timedelta(7)).replace(tzinfo=UTC)
    since = int(before.timestamp() * 1000)
    running = {r.id for r in store.page("ad", limit=_ALL) if r.body["status"] == "ACTIVE"}
    added = []
    for old in store.page("figure", limit=_ALL, by="created", since=since, until=since + _DAY):
        if old.parent not in running:
            continue
        clicks = max(1, round(old.body["inline_link_clicks"] * night.random.uniform(0.85, 1.15)))
        id = f"{old.parent}:{day}"
        body = _figures(clicks, clicks * night.random.randint(28, 60), round(clicks * night.random.uniform(0.01, 0.05)))
        record = Record(id=id, body=body, created=since + 7 * _DAY, updated=night.at + 10, parent=old.parent)
        store.put("figure", [record])
        added.append(id)
    return added


def _correct(store: Store, night: Night) -> tuple[list[str], list[str]]:
    """Late purchases are counted on the day of the click; all that one ad did on one day proves invalid."""
    since = night.at - _LAG_DAYS * _DAY
    recent = store.page("figure", limit=_ALL, by="created", since=since, until=night.at - 2 * _DAY)
    chosen: list[Record] = night.random.sample(recent, max(3, len(recent) // 20))
    invalid, late = chosen[0], chosen[1:]
    for record in late:
        record.body["purchases"] += 1
        record.body["value_cents"] += ORDER_VALUE
    store.put("figure", [moved(r, night.at + 20) for r in late])
    store.delete("figure", invalid.id, night.at + 20)
    return [r.id for r in late], [invalid.id]


def _figures(link_clicks: int, cents: int, purchases: int) -> dict[str, Any]:
    return {
        "impressions": link_clicks * 33,
        "reach": link_clicks * 26,
        "clicks": link_clicks * 6 // 5,
        "inline_link_clicks": link_clicks,
        "cents": cents,
        "purchases": purchases,
        "value_cents": purchases * ORDER_VALUE,
        "views": link_clicks * 3 // 4,
    }
