"""What happened at the demo company, read from its truth: whose it was, and what it was worth in the base currency.

Arithmetic in Python's exact decimals, so that it shares nothing with the warehouse's. What tables must say of it
belongs beside this file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from sandbox.days import END

BASE = "EUR"
#: The last day that the company's first night knows of.
AS_OF = END
ZERO = Decimal(0)
NONE = "(none)"
_DIGITS = Decimal("0.0001")

#: Words that cleaning writes in small letters.
_CODES = ("pipeline", "stage", "team", "carrier", "category", "location")
#: Facts of which there is something on most days, with their days.
_DAYS = {
    "order": ("day",),
    "refund": ("day",),
    "payment": ("day",),
    "deal": ("created_day", "closed_day"),
    "ticket": ("day", "solved_day"),
    "feedback": ("day",),
    "touch": ("day",),
    "ad_day": ("day",),
    "web_session": ("day",),
    "shipment": ("shipped_day", "delivered_day"),
    "stock": ("day",),
}

Fact = dict[str, Any]
#: What a table must hold, by the columns of its key.
Rows = dict[tuple[Any, ...], dict[str, Any]]


def units(minor: int) -> Decimal:
    """Minor units as an amount."""
    return Decimal(minor) / 100


def rounded(amount: Decimal) -> Decimal:
    """To the four digits that money is kept with."""
    return amount.quantize(_DIGITS, ROUND_HALF_UP)


def ratio(part: Decimal | int, whole: Decimal | int) -> float | None:
    """A quotient, which is unknown of nothing."""
    return float(part) / float(whole) if whole else None


def mean(values: Iterable[float]) -> float | None:
    """The mean, which is unknown of nothing."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else None


def grouped(facts: Iterable[Fact], key: Callable[[Fact], Any]) -> dict[Any, list[Fact]]:
    """Facts by a key, in their order."""
    groups: dict[Any, list[Fact]] = defaultdict(list)
    for fact in facts:
        groups[key(fact)].append(fact)
    return groups


def days_from(first: date, last: date = AS_OF) -> list[date]:
    """Every day of a stretch."""
    return [first + timedelta(n) for n in range((last - first).days + 1)]


@dataclass(frozen=True)
class Facts:
    """The truth of a company's folder.

    Attributes:
        folder: The company's folder.
        who: Which customer each person record is, as somebody found it out. Without it everybody is who they really
            are, and customers are people.
    """

    folder: Path
    who: Mapping[str, str] | None = None

    def read(self, name: str) -> list[Fact]:
        """Facts of a kind, with the customer where somebody is known."""
        facts = pl.read_parquet(self.folder / "truth" / f"{name}.parquet").to_dicts()
        for fact in facts:
            fact |= {column: fact[column].lower() for column in _CODES if column in fact}
            if fact.get("record_id"):
                fact["customer"] = self.who[fact["record_id"]] if self.who is not None else fact["person_id"]
        return facts

    def base(self, amount: Decimal, currency: str, day: date) -> Decimal:
        """An amount in the base currency at a day's rate."""
        return amount if currency == BASE else rounded(amount * self.rate(currency, day))

    def rate(self, currency: str, day: date) -> Decimal:
        """What a unit of a currency is worth on a day in the base currency, to 14 digits."""
        return Decimal(1) if currency == BASE else self._rates[currency, day]

    @cached_property
    def _rates(self) -> dict[tuple[str, date], Decimal]:
        per_base = {(rate["quote"], rate["date"]): Decimal(str(rate["rate"])) for rate in self.read("exchange_rate")}
        return {key: (1 / rate).quantize(Decimal("1e-14"), ROUND_HALF_UP) for key, rate in per_base.items()}

    @cached_property
    def delivered(self) -> dict[str, date]:
        """The last day that each source tells anything of."""
        last: dict[str, date] = {}
        for name, columns in _DAYS.items():
            for fact in self.read(name):
                days = [fact[column] for column in columns if fact[column] is not None]
                last[fact["source"]] = max([last.get(fact["source"], date.min), *days])
        return last

    @cached_property
    def records(self) -> dict[str, set[str]]:
        """Records of each customer."""
        found: dict[str, set[str]] = defaultdict(set)
        for fact in self.read("identity"):
            found[fact["customer"]].add(fact["record_id"])
        return found

    @cached_property
    def orders(self) -> list[Fact]:
        """Orders with their lines and refunds and with their money in the base currency, in order of time.

        `number_of` counts a customer's orders, those that were cancelled aside.
        """
        lines = grouped(self.lines, lambda line: line["order_id"])
        refunds = grouped(self.refunds, lambda refund: refund["order_id"])
        counted: dict[str, int] = defaultdict(int)
        orders = sorted(self.read("order"), key=lambda order: (order["at"], order["order_id"]))
        for order in orders:
            id, is_counted = order["order_id"], order["status"] != "cancelled"
            order |= {"is_counted": is_counted, "lines": lines[id], "refunds": refunds[id], "number_of": None}
            order |= self._worth(order)
            if is_counted:
                counted[order["customer"]] += 1
                order["number_of"] = counted[order["customer"]]
        return orders

    def _worth(self, order: Fact) -> Fact:
        """Net goods are what is left of the total; refunds count against goods first, up to their value."""
        total, discount, shipping, tax = (
            self.base(units(order[part]), order["currency"], order["day"])
            for part in ("total", "discount", "shipping", "tax")
        )
        refunded = sum((refund["amount_base"] for refund in order["refunds"]), ZERO)
        goods = total - shipping - tax if order["is_counted"] else ZERO
        returns = min(refunded, goods) if order["is_counted"] else ZERO
        return {
            "total_base": total,
            "discount_base": discount,
            "shipping_base": shipping,
            "tax_base": tax,
            "goods_base": goods,
            "returns_base": returns,
            "net_base": goods - returns,
            "units": sum(line["quantity"] for line in order["lines"]),
            "cost_base": sum((line["cost_base"] for line in order["lines"]), ZERO),
        }

    @property
    def counted(self) -> list[Fact]:
        """Orders that were not cancelled."""
        return [order for order in self.orders if order["is_counted"]]

    @cached_property
    def order(self) -> dict[str, Fact]:
        """Orders by their id."""
        return {order["order_id"]: order for order in self.orders}

    @cached_property
    def lines(self) -> list[Fact]:
        """Order lines with what the goods are and cost."""
        goods = {product["sku"]: product for product in self.read("product")}
        return [
            {
                **line,
                "category": goods[line["sku"]]["category"],
                "cost_base": units(goods[line["sku"]]["cost"]) * line["quantity"],
            }
            for line in self.read("order_line")
        ]

    @cached_property
    def refunds(self) -> list[Fact]:
        """Refunds with their worth."""
        return [self._priced(refund) for refund in self.read("refund")]

    @cached_property
    def payments(self) -> list[Fact]:
        """Attempts to pay, with their worth."""
        return [self._priced(payment) for payment in self.read("payment")]

    def _priced(self, fact: Fact) -> Fact:
        amount = units(fact["amount"])
        return {**fact, "amount": amount, "amount_base": self.base(amount, fact["currency"], fact["day"])}

    @cached_property
    def deals(self) -> list[Fact]:
        """Deals with their worth on the day they closed or, while they are open, began."""
        return [
            {
                **deal,
                "amount_base": self.base(
                    units(deal["amount"]), deal["currency"], deal["closed_day"] or deal["created_day"]
                ),
            }
            for deal in self.read("deal")
        ]

    @cached_property
    def tickets(self) -> list[Fact]:
        """Requests, with the hours until an answer and until the solution."""
        tickets = self.read("ticket")
        for ticket in tickets:
            minutes, seconds = ticket["reply_minutes"], ticket["solve_seconds"]
            ticket["reply_hours"] = None if minutes is None else minutes / 60
            ticket["solve_hours"] = None if seconds is None else seconds / 3600
        return tickets

    @cached_property
    def feedback(self) -> list[Fact]:
        """Reviews and ratings; who reviews is known by the order."""
        return [
            {**said, "customer": said["customer"] if said["record_id"] else self.order[said["order_id"]]["customer"]}
            for said in self.read("feedback")
        ]
