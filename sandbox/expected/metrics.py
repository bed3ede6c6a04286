"""What mart.metric_daily must say: every metric by day, in total and by each of its dimensions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from sandbox.expected.facts import NONE, ZERO, Fact, Facts, Rows, days_from, grouped, mean, ratio, units
from sandbox.expected.marketing import Journeys, marketing_performance

Value = Callable[[list[Fact]], Any]

#: Members that each dimension of a metric has rows of, those with most first.
_MEMBERS = 30


@dataclass(frozen=True)
class Metric:
    """A number of the day.

    Attributes:
        facts: What it is made of.
        value: How, of the facts of a day.
        dimensions: By what it is split; fields of the facts.
        day: The field with the day.
        quiet: What it is on a day on which nothing happened.
    """

    facts: list[Fact]
    value: Value
    dimensions: tuple[str, ...] = ()
    day: str = "day"
    quiet: int | None = 0


def metric_daily(facts: Facts) -> Rows:
    """By metric, dimension, member and day: from a member's first day to the last that its sources tell anything of."""
    rows: Rows = {}
    for name, metric in {**_sales(facts), **_money(facts), **_marketing(facts), **_work(facts)}.items():
        last = max(facts.delivered[source] for source in {fact["source"] for fact in metric.facts})
        for dimension in ("total", *metric.dimensions):
            for member, day, value in _series(metric, dimension, last):
                rows[name, dimension, member, day] = {"value": value}
    return rows


def _series(metric: Metric, dimension: str, last: date) -> Iterator[tuple[str, date, Any]]:
    members = grouped(metric.facts, lambda fact: fact[dimension] if dimension != "total" else dimension)
    for member in sorted(members, key=lambda member: (-len(members[member]), member))[:_MEMBERS]:
        days = grouped(members[member], lambda fact: fact[metric.day])
        for day in days_from(min(days), last):
            yield member, day, metric.value(days[day]) if day in days else metric.quiet


def _total(column: str) -> Value:
    return lambda facts: sum((fact[column] for fact in facts), ZERO)


def _mean(column: str) -> Value:
    return lambda facts: mean(fact[column] for fact in _known(facts, column))


def _quotient(part: Value, whole: Value) -> Value:
    return lambda facts: ratio(part(facts), whole(facts))


def _known(facts: Iterable[Fact], column: str) -> list[Fact]:
    return [fact for fact in facts if fact[column] is not None]


def _sales(facts: Facts) -> dict[str, Metric]:
    where = ("channel", "country")
    counted, cancelled = facts.counted, [order for order in facts.orders if not order["is_counted"]]
    first = [order for order in counted if order["number_of"] == 1]
    goods = [
        {
            **line,
            "product": f"sku:{line['sku']}",
            "channel": order["channel"],
            "day": order["day"],
            "worth": facts.base(units(line["total"]), order["currency"], order["day"]),
        }
        for order in counted
        for line in order["lines"]
    ]
    return {
        "orders": Metric(counted, len, (*where, "source")),
        "orders_cancelled": Metric(cancelled, len, ("channel",)),
        "revenue_net": Metric(counted, _total("net_base"), (*where, "source")),
        "average_order_value": Metric(counted, _quotient(_total("goods_base"), len), where, quiet=None),
        "new_customers": Metric(first, len, where),
        "units": Metric(goods, _total("quantity"), ("category", "product", "channel")),
        "line_revenue": Metric(goods, _total("worth"), ("category", "product")),
    }


def _money(facts: Facts) -> dict[str, Metric]:
    payments = grouped(facts.payments, lambda payment: payment["status"])
    won = [deal for deal in facts.deals if deal["status"] == "won"]
    deals = [{**deal, "lead_source": "(unknown)"} for deal in facts.deals]
    return {
        "refunds": Metric(facts.refunds, _total("amount_base"), ("reason",)),
        "payments_received": Metric(payments["succeeded"], _total("amount_base"), ("method", "source")),
        "payments_failed": Metric(payments["failed"], len, ("method",)),
        "deals_created": Metric(deals, len, ("pipeline", "owner", "lead_source"), "created_day"),
        "deals_won": Metric(won, len, ("pipeline", "owner"), "closed_day"),
        "deals_won_amount": Metric(won, _total("amount_base"), ("pipeline", "owner"), "closed_day"),
    }


def _marketing(facts: Facts) -> dict[str, Metric]:
    ads = [{**ad, "platform": ad["source"], "worth": units(ad["spend"])} for ad in facts.read("ad_day")]
    platform = {campaign["campaign_id"]: campaign["platform"] for campaign in facts.read("campaign")}
    spent = [
        {**row, "day": day, "platform": platform[campaign], "source": platform[campaign]}
        for (day, campaign), row in marketing_performance(facts).items()
        if campaign != NONE and row["spend_base"] > 0
    ]
    cost, revenue, new = (
        _total(name) for name in ("spend_base", "attributed_revenue_base", "attributed_new_customers")
    )
    journeys = Journeys(facts)
    traced = [{**order, "is_traced": order["order_id"] in journeys.of_order} for order in facts.counted]
    touches = grouped(facts.read("touch"), lambda touch: touch["kind"])
    return {
        "ad_spend": Metric(ads, _total("worth"), ("platform", "campaign")),
        "ad_clicks": Metric(ads, _total("clicks"), ("platform", "campaign")),
        "ad_impressions": Metric(ads, _total("impressions"), ("platform",)),
        "roas": Metric(spent, _quotient(revenue, cost), ("platform",), quiet=None),
        "customer_acquisition_cost": Metric(spent, _quotient(cost, new), ("platform",), quiet=None),
        "traced_order_share": Metric(traced, _mean("is_traced"), quiet=None),
        "emails_sent": Metric(touches["sent"], len, ("campaign",)),
        "unsubscribes": Metric(touches["unsubscribe"], len, ("campaign",)),
        "web_sessions": Metric(facts.read("web_session"), _total("sessions"), ("traffic_source", "device")),
    }


def _work(facts: Facts) -> dict[str, Metric]:
    tickets, parcels = facts.tickets, facts.read("shipment")
    arrived = [
        {**parcel, "is_late": parcel["promised_day"] and parcel["delivered_day"] > parcel["promised_day"]}
        for parcel in _known(parcels, "delivered_day")
    ]
    category = {product["sku"]: product["category"] for product in facts.read("product")}
    counts = [
        {**count, "category": category[count["sku"]], "is_out": count["on_hand"] == 0} for count in facts.read("stock")
    ]
    return {
        "tickets_created": Metric(tickets, len, ("channel", "team", "topic")),
        "tickets_solved": Metric(_known(tickets, "solved_day"), len, ("channel", "team"), "solved_day"),
        "first_reply_hours": Metric(tickets, _mean("reply_hours"), ("channel", "team"), quiet=None),
        "rating": Metric(facts.feedback, _mean("rating_pct"), ("kind",), quiet=None),
        "stockouts": Metric(counts, _total("is_out"), ("location", "category"), quiet=None),
        "shipments": Metric(_known(parcels, "shipped_day"), len, ("carrier",), "shipped_day"),
        "late_shipments": Metric(arrived, _mean("is_late"), ("carrier",), "delivered_day", quiet=None),
    }
