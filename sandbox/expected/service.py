"""What the marts must say of the sales pipeline, the helpdesk and the shelves."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from statistics import median

from sandbox.expected.facts import AS_OF, ZERO, Fact, Facts, Rows, days_from, grouped, mean, ratio, rounded, units

_RECENT = AS_OF - timedelta(89)


def pipeline_health(facts: Facts) -> Rows:
    """By pipeline, stage and owner."""
    cells = grouped(facts.deals, lambda deal: (deal["pipeline"], deal["stage"], deal["owner"]))
    return {key: _health(deals) for key, deals in cells.items()}


def _health(deals: list[Fact]) -> Fact:
    opened = [deal for deal in deals if deal["status"] == "open"]
    recent = [deal for deal in deals if deal["closed_day"] and deal["closed_day"] >= _RECENT]
    won = [deal for deal in recent if deal["status"] == "won"]
    ages = [(AS_OF - deal["created_day"]).days for deal in opened]
    return {
        "open_deals": len(opened),
        "open_amount_base": sum((deal["amount_base"] for deal in opened), ZERO),
        "weighted_amount_base": sum((rounded(deal["amount_base"] * deal["chance_pct"] / 100) for deal in opened), ZERO),
        "overdue_deals": sum(deal["expected_day"] < AS_OF for deal in opened),
        "stalled_deals": sum((AS_OF - deal["moved_day"]).days > 30 for deal in opened),
        "average_age_days": mean(ages),
        "oldest_age_days": max(ages, default=None),
        "won_deals_90_days": len(won),
        "won_amount_90_days_base": sum((deal["amount_base"] for deal in won), ZERO),
        "lost_deals_90_days": len(recent) - len(won),
        "average_days_to_win": mean((deal["closed_day"] - deal["created_day"]).days for deal in won),
    }


def support_daily(facts: Facts) -> Rows:
    """By day, channel and team, from the first ticket of a channel and team."""
    rows: Rows = {}
    for (channel, team), tickets in grouped(facts.tickets, lambda ticket: (ticket["channel"], ticket["team"])).items():
        created = grouped(tickets, lambda ticket: ticket["day"])
        solved = grouped(tickets, lambda ticket: ticket["solved_day"])
        backlog = 0
        for day in days_from(min(created)):
            come, gone = created.get(day, []), solved.get(day, [])
            backlog += len(come) - len(gone)
            rows[day, channel, team] = {**_supported(come, gone), "backlog_tickets": backlog}
    return rows


def _supported(come: list[Fact], gone: list[Fact]) -> Fact:
    """Solved tickets stay solved here, and each was answered by one reply."""
    replies = [ticket["reply_hours"] for ticket in come if ticket["reply_hours"] is not None]
    solutions = [ticket["solve_hours"] for ticket in gone]
    return {
        "created_tickets": len(come),
        "solved_tickets": len(gone),
        "reopened_tickets": 0,
        "unanswered_tickets": len(come) - len(replies),
        "one_touch_tickets": len(gone),
        "average_first_reply_hours": mean(replies),
        "median_first_reply_hours": median(replies) if replies else None,
        "average_resolution_hours": mean(solutions),
        "median_resolution_hours": median(solutions) if solutions else None,
    }


def inventory_health(facts: Facts) -> Rows:
    """By product."""
    counts = grouped(facts.read("stock"), lambda count: count["sku"])
    costs = {product["sku"]: units(product["cost"]) for product in facts.read("product")}
    sold = grouped(
        ({**line, "day": order["day"]} for order in facts.counted for line in order["lines"]), lambda line: line["sku"]
    )
    return {
        (f"sku:{sku}",): _stocked(sorted(counted, key=lambda count: count["day"]), sold.get(sku, []), costs[sku])
        for sku, counted in counts.items()
    }


def _stocked(counts: list[Fact], lines: list[Fact], cost: Decimal) -> Fact:
    now = counts[-1]
    available = now["on_hand"] - now["reserved"]
    sold_30, sold_90 = (
        sum(line["quantity"] for line in lines if (AS_OF - line["day"]).days < days) for days in (30, 90)
    )
    empty = [count["day"] for count in counts if count["on_hand"] == 0]
    return {
        "locations": 1,
        "on_hand": now["on_hand"],
        "reserved": now["reserved"],
        "incoming": now["incoming"],
        "available": available,
        "reorder_point": now["reorder_point"],
        "units_sold_30_days": sold_30,
        "units_sold_90_days": sold_90,
        "units_per_day": sold_90 / 90,
        "days_of_cover": ratio(available * 90, sold_90),
        "stock_value_base": now["on_hand"] * cost,
        "is_stocked_out": now["on_hand"] == 0,
        "is_below_reorder_point": available + now["incoming"] <= now["reorder_point"],
        "is_dead_stock": now["on_hand"] > 0 and sold_90 == 0,
        "stockout_days_90_days": sum(day >= _RECENT for day in empty),
        "last_stockout_date": max(empty, default=None),
    }
