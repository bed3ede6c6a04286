"""Makes the demo's Google Ads account of the company's campaigns, and what a night brings to it.

Figures of the last weeks change after the fact: conversions are counted on the day of the click that they came from,
and clicks that prove invalid are taken back.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from sandbox.exports.kit import Out
from sandbox.marketing import ad_campaigns
from sandbox.store import Record, Store
from sandbox.vendor import Changed, Night
from sandbox.vendors._ads import ORDER_VALUE, daily, day_ms, tell_figures, with_ads
from sandbox.vendors.google_ads.report import CUSTOMER_ID

_DAY = 86_400_000
_NAME = f"customers/{CUSTOMER_ID}"
_ALL = 10_000_000
#: Conversions and clicks are corrected for this many days.
_LAG_DAYS = 28

_Fields = dict[str, str | pl.Expr]


def fill(out: Out, store: Store) -> None:
    """Makes the account and says what is true of it."""
    campaigns = ad_campaigns(out.seed, out.source)
    _fill_campaigns(store, campaigns)
    ads = with_ads(campaigns)
    _fill_ads(store, ads.filter(pl.col("kind") != "PERFORMANCE_MAX"))
    _fill_asset_groups(store, ads.filter(pl.col("kind") == "PERFORMANCE_MAX"))
    # Google gives no row for a day on which an ad did nothing.
    figures = daily(out, campaigns).filter(pl.any_horizontal(pl.col("spend", "clicks", "impressions") > 0))
    _fill_figures(store, figures)
    out.truth.rows(out.source, "campaign", campaigns.height)
    out.truth.rows(out.source, "ad_performance", figures.height)
    spent = figures.select(pl.lit("EUR").alias("currency"), "day", pl.col("spend").alias("minor"))
    out.truth.sums("ad_spend", "ad_performance", out.source, spent)
    tell_figures(out, figures)


def _name(kind: str, id: str | pl.Expr) -> pl.Expr:
    return pl.format(f"{_NAME}/{kind}/{{}}", id)


def _fill_campaigns(store: Store, campaigns: pl.DataFrame) -> None:
    frame = campaigns.with_columns(budget_id=pl.col("campaign_id").cast(pl.Int64) + 500_000, made=day_ms("first"))
    status = pl.when("always").then(pl.lit("ENABLED")).otherwise(pl.lit("PAUSED"))
    fields: _Fields = {
        "campaign_budget.resource_name": _name("campaignBudgets", "budget_id"),
        "campaign_budget.id": "budget_id",
        "campaign_budget.name": "name",
        "campaign_budget.amount_micros": pl.col("budget") * 10_000,
        "campaign_budget.period": pl.lit("DAILY"),
        "campaign_budget.delivery_method": pl.lit("STANDARD"),
        "campaign_budget.explicitly_shared": pl.lit(False),
        "campaign_budget.status": pl.lit("ENABLED"),
    }
    store.fill("campaign_budget", frame, id="budget_id", created="made", body=_body(fields))
    last = pl.when(~pl.col("always")).then(pl.format("{} 23:59:59", "last"))
    fields = {
        "campaign.resource_name": _name("campaigns", "campaign_id"),
        "campaign.id": pl.col("campaign_id").cast(pl.Int64),
        "campaign.name": "name",
        "campaign.status": status,
        "campaign.serving_status": pl.when("always").then(pl.lit("SERVING")).otherwise(pl.lit("ENDED")),
        "campaign.advertising_channel_type": "kind",
        "campaign.campaign_budget": _name("campaignBudgets", "budget_id"),
        "campaign.start_date_time": pl.format("{} 00:00:00", "first"),
        "campaign.end_date_time": last,
    }
    store.fill("campaign", frame, id="campaign_id", created="made", parent="budget_id", body=_body(fields))


def _fill_ads(store: Store, ads: pl.DataFrame) -> None:
    frame = ads.with_columns(made=day_ms("first"))
    groups: _Fields = {
        "ad_group.resource_name": _name("adGroups", "group_id"),
        "ad_group.id": pl.col("group_id").cast(pl.Int64),
        "ad_group.name": "group",
        "ad_group.status": pl.lit("ENABLED"),
        "ad_group.type": pl.col("kind").replace_strict(
            {"SEARCH": "SEARCH_STANDARD", "SHOPPING": "SHOPPING_PRODUCT_ADS", "DISPLAY": "DISPLAY_STANDARD"}
        ),
        "ad_group.campaign": _name("campaigns", "campaign_id"),
    }
    store.fill("ad_group", frame, id="group_id", created="made", parent="campaign_id", body=_body(groups))
    search = pl.col("kind") == "SEARCH"
    fields: _Fields = {
        "ad_group_ad.resource_name": pl.format(f"{_NAME}/adGroupAds/{{}}~{{}}", "group_id", "ad_id"),
        "ad_group_ad.ad_group": _name("adGroups", "group_id"),
        "ad_group_ad.status": pl.lit("ENABLED"),
        "ad_group_ad.ad.resource_name": _name("ads", "ad_id"),
        "ad_group_ad.ad.id": pl.col("ad_id").cast(pl.Int64),
        "ad_group_ad.ad.type": pl.when(search)
        .then(pl.lit("RESPONSIVE_SEARCH_AD"))
        .otherwise(pl.lit("RESPONSIVE_DISPLAY_AD")),
        "ad_group_ad.ad.final_urls": pl.concat_list(pl.lit("https://www.muehlbach-versand.example/")),
    }
    store.fill("ad_group_ad", frame, id="ad_id", created="made", parent="group_id", body=_body(fields))


def _fill_asset_groups(store: Store, groups: pl.DataFrame) -> None:
    fields: _Fields = {
        "asset_group.resource_name": _name("assetGroups", "ad_id"),
        "asset_group.id": pl.col("ad_id").cast(pl.Int64),
        "asset_group.campaign": _name("campaigns", "campaign_id"),
        "asset_group.name": "group",
        "asset_group.status": pl.lit("ENABLED"),
    }
    frame = groups.with_columns(made=day_ms("first"))
    store.fill("asset_group", frame, id="ad_id", created="made", parent="campaign_id", body=_body(fields))


def _fill_figures(store: Store, figures: pl.DataFrame) -> None:
    conversions, value = pl.col("conversions").cast(pl.Float64), pl.col("value") / 100
    fields: _Fields = {
        "metrics.impressions": "impressions",
        "metrics.clicks": "clicks",
        "metrics.interactions": "clicks",
        "metrics.cost_micros": pl.col("spend") * 10_000,
        "metrics.conversions": conversions,
        "metrics.conversions_value": value,
        "metrics.all_conversions": conversions,
        "metrics.all_conversions_value": value,
    }
    frame = figures.with_columns(key=pl.format("{}~{}", "ad_id", "day"), at=day_ms("day"))
    store.fill("performance", frame, id="key", created="at", parent="ad_id", body=_body(fields))


def _body(fields: _Fields) -> pl.Expr:
    return pl.struct([(pl.col(v) if isinstance(v, str) else v).alias(k) for k, v in fields.items()])


def night(store: Store, night: Night) -> dict[str, Changed]:
    """A day passes: its figures come, older ones are corrected, campaigns come, change and go."""
    # The night is at noon in UTC of the day that is over when it ends.
    day = datetime.fromtimestamp(night.at / 1000, UTC).date()
    campaigns = store.page("campaign", limit=_ALL, deleted=None)
    removed = _remove_one(store, campaigns, night)
    changed = _change_budgets(store, night)
    added = _add_campaigns(store, night, day.isoformat())
    figures = _pass_day(store, night, day.isoformat())
    corrected, vanished = _correct(store, night)
    return {
        "campaign": Changed(added=added, changed=[removed]),
        "campaign_budget": Changed(added=[str(int(id) + 500_000) for id in added], changed=changed),
        "performance": Changed(added=figures, changed=corrected, deleted=vanished),
    }


def _remove_one(store: Store, campaigns: list[Record], night: Night) -> str:
    """Removed campaigns stay in the account, and so do the figures of their ads."""
    alive = [r for r in campaigns if r.body["campaign.status"] != "REMOVED"]
    record = next((r for r in alive if r.body["campaign.status"] == "PAUSED"), alive[-1])
    record.body.update({"campaign.status": "REMOVED", "campaign.serving_status": "NONE"})
    store.put("campaign", [moved(record, night.at + 1)])
    return record.id


def _change_budgets(store: Store, night: Night) -> list[str]:
    daily_ones = [r for r in store.page("campaign_budget", limit=_ALL) if r.body["campaign_budget.period"] == "DAILY"]
    chosen: list[Record] = night.random.sample(daily_ones, 2)
    for record in chosen:
        record.body["campaign_budget.amount_micros"] += 1_000_000
    store.put("campaign_budget", [moved(r, night.at + 2) for r in chosen])
    return [r.id for r in chosen]


def _add_campaigns(store: Store, night: Night, day: str) -> list[str]:
    """Two new campaigns without ads; from the second night on of types and with budgets that there were not before."""
    kind = {2: "DEMAND_GEN", 3: "UNKNOWN"}.get(night.number, "SEARCH")
    added = []
    for position in range(2):
        id = 17_500_000_000 + night.number * 100 + position
        name = f"Test {day} {'AB'[position]}"
        budget = {
            "campaign_budget.resource_name": f"{_NAME}/campaignBudgets/{id + 500_000}",
            "campaign_budget.id": id + 500_000,
            "campaign_budget.name": name,
            "campaign_budget.amount_micros": 15_000_000 if night.number < 2 else None,
            "campaign_budget.total_amount_micros": None if night.number < 2 else 450_000_000,
            "campaign_budget.period": "DAILY" if night.number < 2 else "CUSTOM_PERIOD",
            "campaign_budget.delivery_method": "STANDARD",
            "campaign_budget.explicitly_shared": False,
            "campaign_budget.status": "ENABLED",
        }
        campaign = {
            "campaign.resource_name": f"{_NAME}/campaigns/{id}",
            "campaign.id": id,
            "campaign.name": name,
            "campaign.status": "ENABLED",
            "campaign.serving_status": "PENDING",
            "campaign.advertising_channel_type": kind,
            "campaign.campaign_budget": budget["campaign_budget.resource_name"],
            "campaign.start_date_time": f"{day} 00:00:00",
            "campaign.end_date_time": None,
        }
        at = night.at + 3 + position
        store.put("campaign_budget", [_new(str(id + 500_000), budget, at)])
        store.put("campaign", [_new(str(id), campaign, at, parent=str(id + 500_000))])
        added.append(str(id))
    return added


def _pass_day(store: Store, night: Night, day: str) -> list[str]:
    """The day's figures: about those of the same weekday a week before."""
    before = (datetime.fromisoformat(day) - timedelta(7)).replace(tzinfo=UTC)
    since = int(before.timestamp() * 1000)
    added = []
    for old in store.page("performance", limit=_ALL, by="created", since=since, until=since + _DAY):
        clicks = max(1, round(old.body["metrics.clicks"] * night.random.uniform(0.85, 1.15)))
        cost = clicks * night.random.randint(28, 60) * 10_000
        figures = _figures(clicks, cost, round(clicks * night.random.uniform(0.01, 0.05)))
        id = f"{old.parent}~{day}"
        store.put("performance", [_new(id, figures, night.at + 10, created=since + 7 * _DAY, parent=old.parent)])
        added.append(id)
    return added


def _correct(store: Store, night: Night) -> tuple[list[str], list[str]]:
    """Late conversions are counted on the day of the click; a day's clicks of one ad all prove invalid."""
    since = night.at - _LAG_DAYS * _DAY
    recent = store.page("performance", limit=_ALL, by="created", since=since, until=night.at - 2 * _DAY)
    chosen = night.random.sample(recent, max(3, len(recent) // 20))
    invalid, late = chosen[0], chosen[1:]
    for record in late:
        for name in ("conversions", "all_conversions"):
            record.body[f"metrics.{name}"] += 1.0
            record.body[f"metrics.{name}_value"] += ORDER_VALUE / 100
    store.put("performance", [moved(r, night.at + 20) for r in late])
    store.delete("performance", invalid.id, night.at + 20)
    return [r.id for r in late], [invalid.id]


def _figures(clicks: int, cost_micros: int, conversions: int) -> dict[str, Any]:
    value = conversions * ORDER_VALUE / 100
    return {
        "metrics.impressions": clicks * 33,
        "metrics.clicks": clicks,
        "metrics.interactions": clicks,
        "metrics.cost_micros": cost_micros,
        "metrics.conversions": float(conversions),
        "metrics.conversions_value": value,
        "metrics.all_conversions": float(conversions),
        "metrics.all_conversions_value": value,
    }


def _new(id: str, body: dict[str, Any], at: int, *, created: int | None = None, parent: str | None = None) -> Record:
    return Record(id=id, body=body, created=created if created is not None else at, updated=at, parent=parent)


def moved(record: Record, moment: int) -> Record:
    return Record(
        id=record.id,
        body=record.body,
        created=record.created,
        updated=moment,
        deleted=record.deleted,
        parent=record.parent,
    )
