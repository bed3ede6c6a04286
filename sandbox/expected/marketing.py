"""What the marts must say of advertising and of what brought the orders.

Journeys and models are those of docs/attribution.md, written down a second time; learned weights come from removing
each touchpoint in turn, which is what a removal effect is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np

from sandbox.days import TIMEZONE
from sandbox.expected.facts import AS_OF, NONE, ZERO, Fact, Facts, Rows, grouped, ratio, units

MODELS = ("first", "last", "linear", "time_decay", "position", "data_driven")
START, ORDER, LAPSED = "(start)", "(order)", "(lapsed)"
_WINDOW = timedelta(30)
_AGAIN = timedelta(minutes=30)


def marketing_performance(facts: Facts) -> Rows:
    """By day and campaign; orders are their own campaign's."""
    ads = grouped(facts.read("ad_day"), lambda ad: (ad["day"], ad["campaign_id"]))
    sold = grouped(facts.counted, lambda order: (order["day"], order["campaign_id"] or NONE))
    return {key: _performed(key[1], ads.get(key, []), sold.get(key, [])) for key in ads.keys() | sold.keys()}


def _performed(campaign: str, ads: list[Fact], orders: list[Fact]) -> Fact:
    total = {name: sum(ad[name] for ad in ads) for name in ("impressions", "clicks", "spend", "conversions", "value")}
    spend, new = units(total["spend"]), sum(order["number_of"] == 1 for order in orders)
    revenue = sum((order["net_base"] for order in orders), ZERO)
    is_known = campaign != NONE
    return {
        "impressions": total["impressions"],
        "clicks": total["clicks"],
        "spend_base": spend,
        "claimed_conversions": total["conversions"],
        "claimed_value_base": units(total["value"]),
        "attributed_orders": len(orders),
        "attributed_new_customers": new,
        "attributed_revenue_base": revenue,
        "click_rate": ratio(total["clicks"], total["impressions"]),
        "cost_per_click_base": ratio(spend, total["clicks"]),
        "roas": ratio(revenue, spend) if is_known else None,
        "cac_base": ratio(spend, new) if is_known and ads else None,
    }


@dataclass(frozen=True)
class Touch:
    """Something that somebody did before an order; `channel` where no campaign is known."""

    at: datetime
    campaign: str | None
    channel: str | None
    is_own: bool = False

    @property
    def point(self) -> str:
        return self.campaign or f"channel={self.channel}"


@dataclass
class Journey:
    """Touches in order of time, up to an order or to none."""

    touches: list[Touch]
    order: Fact | None = None

    @property
    def is_open(self) -> bool:
        """Whether it may yet lead to an order."""
        last = self.touches[-1].at.astimezone(ZoneInfo(TIMEZONE)).date()
        return self.order is None and (AS_OF - last).days < _WINDOW.days


@dataclass
class Journeys:
    """All journeys, and what follows from them."""

    facts: Facts
    channels: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.channels = {one["campaign_id"]: one["channel"] for one in self.facts.read("campaign")}

    @cached_property
    def all(self) -> list[Journey]:
        """Every journey of every customer."""
        clicks = grouped((t for t in self.facts.read("touch") if t["kind"] == "click"), lambda t: t["customer"])
        orders = grouped(self.facts.counted, lambda order: order["customer"])
        return [
            journey
            for customer in clicks.keys() | orders.keys()
            for journey in _way(clicks.get(customer, []), orders.get(customer, []))
        ]

    @cached_property
    def of_order(self) -> dict[str, list[Touch]]:
        """The touches of each order that has any."""
        return {journey.order["order_id"]: journey.touches for journey in self.all if journey.order}

    @cached_property
    def transitions(self) -> Counter[tuple[str, str]]:
        """How often journeys went from each touchpoint to each, those aside that are still open."""
        steps: Counter[tuple[str, str]] = Counter()
        for journey in self.all:
            if not journey.is_open:
                points = [touch.point for touch in journey.touches]
                steps.update(pairwise([START, *points, ORDER if journey.order else LAPSED]))
        return steps

    @cached_property
    def effects(self) -> dict[str, float]:
        """The share of orders that would be lost without each touchpoint."""
        points = sorted({target for _, target in self.transitions} - {ORDER, LAPSED})
        whole = self._ordering()
        return {point: 1 - self._ordering(point) / whole for point in points}

    def _ordering(self, without: str | None = None) -> float:
        """The chance that a journey ends in an order, if those that come to a touchpoint end there."""
        states = sorted({source for source, _ in self.transitions} - {without})
        place = {state: position for position, state in enumerate(states)}
        moves, ends = np.eye(len(states)), np.zeros(len(states))
        leaving: Counter[str] = Counter()
        for (source, _), count in self.transitions.items():
            leaving[source] += count
        for (source, target), count in self.transitions.items():
            if source in place and target in place:
                moves[place[source], place[target]] -= count / leaving[source]
            elif source in place and target == ORDER:
                ends[place[source]] += count / leaving[source]
        return float(np.linalg.solve(moves, ends)[place[START]])

    @cached_property
    def weights(self) -> dict[str, float]:
        """Removal effects as shares of their sum."""
        total = sum(self.effects.values())
        return {point: effect / total for point, effect in self.effects.items()}

    def credits(self, order: Fact, model: str) -> dict[tuple[str, str], float]:
        """How an order is shared, by campaign and channel."""
        touches = self.of_order.get(order["order_id"], [])
        if not touches:
            return {(NONE, NONE): 1.0}
        shares = _shares(touches, model, self.weights)
        credit: dict[tuple[str, str], float] = defaultdict(float)
        for touch, share in zip(touches, shares, strict=True):
            where = (touch.campaign, self.channels[touch.campaign]) if touch.campaign else (NONE, touch.channel or "")
            credit[where] += share / sum(shares)
        return {where: share for where, share in credit.items() if share > 0}


def _way(clicks: list[Fact], orders: list[Fact]) -> Iterator[Journey]:
    """One customer's journeys: an order ends one, and so does a month in which nothing happens."""
    touched = sorted((Touch(click["at"], click["campaign_id"], None) for click in clicks), key=lambda touch: touch.at)
    for order in [*orders, None]:
        before = [touch for touch in touched if order is None or touch.at <= order["at"]]
        touched = touched[len(before) :]
        if order is not None and (order["campaign_id"] or order["utm_medium"]):
            own = Touch(order["at"], order["campaign_id"], order["utm_medium"], is_own=True)
            before.append(own)
        kept = [touch for touch, following in pairwise([*before, None]) if touch and not _is_repeated(touch, following)]
        if (
            len(kept) > 1
            and kept[-1].is_own
            and kept[-1].point == kept[-2].point
            and kept[-2].at >= kept[-1].at - _WINDOW
        ):
            kept.pop()
        near = [touch for touch in kept if order is not None and touch.at >= order["at"] - _WINDOW]
        yield from (Journey(stretch) for stretch in _stretches(kept[: len(kept) - len(near)]))
        if near:
            yield Journey(near, order)


def _is_repeated(touch: Touch, following: Touch | None) -> bool:
    """Whether the same is recorded again within half an hour; an order's own word is no record of a touch."""
    if following is None or following.is_own:
        return False
    return following.point == touch.point and following.at - touch.at <= _AGAIN


def _stretches(touches: Iterable[Touch]) -> Iterator[list[Touch]]:
    stretch: list[Touch] = []
    for touch in touches:
        if stretch and touch.at - stretch[-1].at > _WINDOW:
            yield stretch
            stretch = []
        stretch.append(touch)
    if stretch:
        yield stretch


def _shares(touches: list[Touch], model: str, weights: dict[str, float]) -> list[float]:
    """What each touch earns, in any unit."""
    many = len(touches)
    match model:
        case "first":
            return [float(place == 0) for place in range(many)]
        case "last":
            return [float(place == many - 1) for place in range(many)]
        case "time_decay":
            return [0.5 ** ((touches[-1].at - touch.at) / timedelta(7)) for touch in touches]
        case "position" if many > 2:
            return [0.4 if place in (0, many - 1) else 0.2 / (many - 2) for place in range(many)]
        case "data_driven":
            # A touchpoint earns once, however often it is touched.
            often = Counter(touch.point for touch in touches)
            return [weights[touch.point] / often[touch.point] for touch in touches]
    return [1.0] * many


def attribution(facts: Facts) -> Rows:
    """By order, model, campaign and channel."""
    journeys = Journeys(facts)
    return {
        (order["order_id"], model, *where): {
            "credit": credit,
            "credited_revenue_base": credit * float(order["net_base"]),
            "is_new_customer": order["number_of"] == 1,
        }
        for order in facts.counted
        for model in MODELS
        for where, credit in journeys.credits(order, model).items()
    }


def attribution_daily(facts: Facts) -> Rows:
    """By day, model, campaign and channel."""
    journeys = Journeys(facts)
    spend: dict[tuple[object, ...], Decimal] = defaultdict(Decimal)
    for ad in facts.read("ad_day"):
        for model in MODELS:
            spend[ad["day"], model, ad["campaign_id"], journeys.channels[ad["campaign_id"]]] += units(ad["spend"])
    earned: dict[tuple[object, ...], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for (order_id, model, *where), row in attribution(facts).items():
        sums = earned[facts.order[order_id]["day"], model, *where]
        sums[0] += row["credit"]
        sums[1] += row["credit"] * row["is_new_customer"]
        sums[2] += row["credited_revenue_base"]
    rows: Rows = {}
    for key in spend.keys() | earned.keys():
        (orders, new, revenue), cost = earned[key], spend.get(key)
        is_known = key[2] != NONE
        rows[key] = {
            "credited_orders": orders,
            "credited_new_customers": new,
            "credited_revenue_base": revenue,
            "spend_base": cost or ZERO,
            "roas": revenue / float(cost) if is_known and cost else None,
            "cac_base": float(cost) / new if is_known and new and cost is not None else None,
        }
    return rows


def touchpoint_transition(facts: Facts) -> Rows:
    """By touchpoint and what came next."""
    return {step: {"transitions": count} for step, count in Journeys(facts).transitions.items()}


def touchpoint_effect(facts: Facts) -> Rows:
    """By touchpoint."""
    journeys = Journeys(facts)
    visits: Counter[str] = Counter()
    for (source, target), count in journeys.transitions.items():
        if source != target:
            visits[target] += count
    return {
        (point,): {"visits": visits[point], "removal_effect": effect, "weight": journeys.weights[point]}
        for point, effect in journeys.effects.items()
    }
