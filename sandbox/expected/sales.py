"""What the marts must say of orders, their money and their buyers."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal

from sandbox.expected.facts import AS_OF, ZERO, Fact, Facts, Rows, grouped, mean, ratio, rounded, units


def sales_daily(facts: Facts) -> Rows:
    """By day, channel and country."""
    cells = grouped(facts.orders, lambda order: (order["day"], order["channel"], order["country"]))
    return {key: _sold(orders) for key, orders in cells.items()}


def _sold(orders: list[Fact]) -> Fact:
    counted = [order for order in orders if order["is_counted"]]
    sums = ("units", "goods", "discount", "returns", "net", "shipping", "tax", "total", "cost")
    total = {
        part: sum((order[part if part == "units" else f"{part}_base"] for order in counted), ZERO) for part in sums
    }
    return {
        "orders": len(counted),
        "cancelled_orders": len(orders) - len(counted),
        "customers": len({order["customer"] for order in counted}),
        "new_customers": sum(order["number_of"] == 1 for order in counted),
        "units": total["units"],
        "goods_base": total["goods"],
        "discount_base": total["discount"],
        "returns_base": total["returns"],
        "net_revenue_base": total["net"],
        "shipping_base": total["shipping"],
        "tax_base": total["tax"],
        "total_base": total["total"],
        # Unknown where nothing was sold.
        "cost_base": total["cost"] if counted else None,
        "average_order_value_base": ratio(total["goods"], len(counted)),
    }


def cohort_retention(facts: Facts) -> Rows:
    """By month of first order and months since."""
    months: dict[str, dict[int, list[Decimal]]] = defaultdict(lambda: defaultdict(list))
    for order in facts.counted:
        months[order["customer"]][_month(order["day"])].append(order["net_base"])
    cohorts = grouped(({"first": min(of), "of": of} for of in months.values()), lambda buyer: buyer["first"])
    rows: Rows = {}
    for first, buyers in cohorts.items():
        for month in range(first, _month(AS_OF) + 1):
            there = [buyer["of"][month] for buyer in buyers if month in buyer["of"]]
            rows[_first_day(first), month - first] = {
                "customers": len(buyers),
                "active_customers": len(there),
                "orders": sum(len(nets) for nets in there),
                "net_revenue_base": sum((sum(nets, ZERO) for nets in there), ZERO),
                "retention": len(there) / len(buyers),
            }
    return rows


def _month(day: date) -> int:
    return day.year * 12 + day.month - 1


def _first_day(month: int) -> date:
    return date(month // 12, month % 12 + 1, 1)


def order_to_cash(facts: Facts) -> Rows:
    """By order."""
    paid = grouped(
        (payment for payment in facts.payments if payment["status"] == "succeeded"), lambda payment: payment["order_id"]
    )
    bills = {bill["order_id"]: bill for bill in facts.read("invoice")}
    return {
        (order["order_id"],): _settled(facts, order, paid.get(order["order_id"], []), bills.get(order["order_id"]))
        for order in facts.orders
    }


def _settled(facts: Facts, order: Fact, payments: list[Fact], bill: Fact | None) -> Fact:
    """An order is paid at once or not at all, and has one invoice or none."""
    due, currency = units(order["total"]), order["currency"]
    paid = sum((payment["amount"] for payment in payments), ZERO)
    refunded = sum((refund["amount"] for refund in order["refunds"]), ZERO)
    is_owed = order["is_counted"] and not payments
    outstanding = due if is_owed else min(refunded - paid, ZERO) if not order["is_counted"] else ZERO
    is_late = is_owed and bill is not None and bill["due_day"] < AS_OF
    return {
        "total": due,
        "ordered_base": order["total_base"],
        "invoices": int(bill is not None),
        "invoiced": units(bill["total"]) if bill else ZERO,
        "invoiced_base": facts.base(units(bill["total"]), bill["currency"], bill["day"]) if bill else ZERO,
        "payments": len(payments),
        "paid": paid,
        "paid_base": sum((payment["amount_base"] for payment in payments), ZERO),
        "refunds": len(order["refunds"]),
        "refunded": refunded,
        "refunded_base": sum((refund["amount_base"] for refund in order["refunds"]), ZERO),
        "outstanding": outstanding,
        "outstanding_base": rounded(outstanding * facts.rate(currency, order["day"])),
        "days_to_invoice": (bill["day"] - order["day"]).days if bill else None,
        "days_to_pay": (payments[0]["day"] - order["day"]).days if payments else None,
        "days_overdue": (AS_OF - bill["due_day"]).days if is_late and bill else None,
    }


def customer_360(facts: Facts) -> Rows:
    """By customer."""
    by_customer = {
        name: grouped(listed, lambda fact: fact["customer"])
        for name, listed in {
            "orders": facts.orders,
            "payments": facts.payments,
            "deals": facts.deals,
            "tickets": facts.tickets,
            "feedback": facts.feedback,
            "touches": facts.read("touch"),
            "subscriptions": facts.read("subscription"),
        }.items()
    }
    rows: Rows = {}
    for customer, records in facts.records.items():
        own = {name: groups.get(customer, []) for name, groups in by_customer.items()}
        rows[customer,] = {"records": len(records), **_bought(own["orders"]), **_dealt(own)}
    return rows


def _bought(orders: list[Fact]) -> Fact:
    counted = [order for order in orders if order["is_counted"]]
    refunds = [refund for order in orders for refund in order["refunds"]]
    lines = [line for order in counted for line in order["lines"]]
    days = [order["day"] for order in counted]
    goods = sum((order["goods_base"] for order in counted), ZERO)
    return {
        "orders": len(counted),
        "cancelled_orders": len(orders) - len(counted),
        "units": sum(line["quantity"] for line in lines),
        "products": len({line["sku"] for line in lines}),
        "days_since_last_order": (AS_OF - max(days)).days if days else None,
        "average_days_between_orders": (max(days) - min(days)).days / (len(days) - 1) if len(days) > 1 else None,
        "total_spent_base": sum((order["total_base"] for order in counted), ZERO),
        "returns_base": sum((order["returns_base"] for order in counted), ZERO),
        "net_revenue_base": sum((order["net_base"] for order in counted), ZERO),
        "average_order_value_base": ratio(goods, len(counted)),
        "refunds": len(refunds),
        "refunded_base": sum((refund["amount_base"] for refund in refunds), ZERO),
    }


def _dealt(own: dict[str, list[Fact]]) -> Fact:
    payments = grouped(own["payments"], lambda payment: payment["status"])
    deals = grouped(own["deals"], lambda deal: deal["status"])
    running = [one for one in own["subscriptions"] if one["status"] in ("active", "past_due")]
    said = sorted(own["feedback"], key=lambda one: one["at"])
    responses = [touch for touch in own["touches"] if touch["kind"] == "click"]
    return {
        "paid_base": sum((payment["amount_base"] for payment in payments["succeeded"]), ZERO),
        "failed_payments": len(payments["failed"]),
        "active_subscriptions": len(running),
        "mrr_base": sum((units(one["amount"]) for one in running), ZERO),
        "open_deals": len(deals["open"]),
        "open_deal_amount_base": sum((deal["amount_base"] for deal in deals["open"]), ZERO),
        "won_deals": len(deals["won"]),
        "won_deal_amount_base": sum((deal["amount_base"] for deal in deals["won"]), ZERO),
        "lost_deals": len(deals["lost"]),
        "tickets": len(own["tickets"]),
        "open_tickets": sum(ticket["solved_day"] is None for ticket in own["tickets"]),
        "feedbacks": len(said),
        "average_rating_pct": mean(one["rating_pct"] for one in said),
        "last_rating_pct": said[-1]["rating_pct"] if said else None,
        "touches": len(own["touches"]),
        "responses": len(responses),
    }
