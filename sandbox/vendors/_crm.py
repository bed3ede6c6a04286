"""The demo company's selling as any CRM would hold it: who is in the book, which deals there are and how they moved.

Frames with plain numbers and seconds of local time; how a vendor words them belongs in its own module.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from sandbox.days import DAYS, START, Ints
from sandbox.exports.kit import Out, known_as, labels, moment
from sandbox.staff import make_staff
from sandbox.trade import NOW, times_of_day

STAGES = ("Termin vereinbart", "Qualifiziert", "Angebot gesendet", "Verhandlung")
#: Positions, after those of the stages, of what closes a deal.
WON, LOST = 4, 5
PIPELINE = "Firmenkunden"
DAY = 86_400


@dataclass(frozen=True, kw_only=True)
class Book:
    """The CRM's own numbering of people, firms and owners; `contact_ids` has a place for everybody there is."""

    contacts: pl.DataFrame
    contact_ids: pl.Series
    company_ids: pl.Series
    owners: pl.DataFrame

    def some_owners(self, random: np.random.Generator, count: int) -> pl.Series:
        """Random owners' ids, as text."""
        return labels(random, self.owners["owner_id"].to_list(), count)


def make_book(out: Out) -> Book:
    """All business customers are in the book, most leads, and some of the others; ids are text of numbers."""
    random = out.random("book")
    people = out.trade.people
    buys = np.zeros(people.height, dtype=bool)
    buys[out.trade.orders["person"].unique().to_numpy()] = True
    is_lead = ~buys & (people["joined"].to_numpy() >= 0)
    share = np.where(people["is_business"].to_numpy(), 1.0, np.where(is_lead, 0.8, 0.15))
    contacts = known_as(random, people, np.flatnonzero(random.random(people.height) < share))
    ids = (20_400_001 + pl.int_range(contacts.height, eager=True, dtype=pl.Int64) * 3).cast(pl.String)
    contact_ids = pl.Series([None] * people.height, dtype=pl.String).scatter(contacts["person"], ids)
    firms = (900_001 + pl.int_range(out.trade.firms.height, eager=True, dtype=pl.Int64) * 7).cast(pl.String)
    owners = (
        make_staff(out.seed)
        .filter(pl.col("team").is_in(["Vertrieb", "Marketing"]))
        .with_columns(owner_id=(70_000 + pl.col("number") * 13).cast(pl.String), user_id=9_500_000 + pl.col("number"))
    )
    return Book(contacts=contacts, contact_ids=contact_ids, company_ids=firms, owners=owners)


def joined(random: np.random.Generator, contacts: pl.DataFrame) -> pl.Series:
    """When each contact was entered."""
    hours = pl.Series(random.integers(8 * 3600, 18 * 3600, contacts.height))
    return contacts.select(moment("joined")).to_series() + hours


def vat_ids(firms: pl.DataFrame) -> pl.Series:
    """A VAT number for each firm."""
    numbers = (pl.int_range(firms.height, eager=True) * 7_919 + 10_000_019) % 899_999_999 + 100_000_000
    prefix = firms["country"].replace({"AT": "ATU", "CH": "CHE"})
    return prefix + numbers.cast(pl.String)


def make_deals(out: Out, book: Book) -> pl.DataFrame:
    """Deals of firms: the won ones led to an order that is in the shop; others were lost or are open."""
    random = out.random("deals")
    orders = out.trade.orders
    business = np.flatnonzero(orders["is_business"].to_numpy() & (orders["cancelled"].to_numpy() < 0))
    won = business[random.random(len(business)) < 0.5]
    other = business[random.permutation(len(business))[: round(1.3 * len(won))]]
    ordered = orders["ordered"].to_numpy()
    closed_won = np.maximum(ordered[won] - random.integers(3_600, 2 * DAY, len(won)), DAY)
    created = closed_won - random.integers(4, 60, len(won)) * DAY
    day = random.integers(0, DAYS, len(other))
    created_other = (day + START.toordinal() - 719_163) * DAY + times_of_day(random, len(other))
    closed_other = created_other + random.integers(10, 90, len(other)) * DAY
    is_open = closed_other >= NOW
    status = np.concatenate([np.full(len(won), "won"), np.where(is_open, "open", "lost")])
    order = np.concatenate([won, other])
    amount = orders["total"].to_numpy()[order]
    amount = np.where(status == "won", amount, amount * random.integers(50, 400, len(order)) // 100)
    deals = pl.DataFrame(
        {
            "order": order,
            "status": pl.Series(status),
            "amount": amount,
            "created": np.concatenate([created, created_other]),
            "closed": np.concatenate([closed_won, np.where(is_open, -1, closed_other)]),
            "steps": random.integers(1, 5, len(order)),
        }
    ).sort("created", "order", maintain_order=True)
    person = orders["person"].gather(deals["order"])
    firm = out.trade.people["firm"].gather(person)
    return deals.with_columns(
        id=(510_000_001 + pl.int_range(pl.len(), dtype=pl.Int64) * 11).cast(pl.String),
        contact=book.contact_ids.gather(person),
        company=book.company_ids.gather(firm),
        firm=out.trade.firms["name"].gather(firm),
        currency=orders["currency"].gather(deals["order"]),
        owner=book.some_owners(random, deals.height),
        number=orders["order_number"].gather(deals["order"]),
        steps=pl.when(pl.col("status") == "won").then(4).otherwise("steps"),
        lost_reason=labels(random, ["Preis", "Wettbewerber", "Kein Budget", "Keine Antwort"], deals.height),
    )


def make_steps(out: Out, book: Book, deals: pl.DataFrame) -> pl.DataFrame:
    """One row per stage that a deal entered, the closing one included: deal, step, stage (its position), at, owner."""
    random = out.random("stages")
    steps = deals["steps"].to_numpy() + (deals["status"].to_numpy() != "open")
    deal: Ints = np.repeat(np.arange(deals.height), steps)
    step = np.arange(len(deal)) - np.repeat(np.cumsum(steps) - steps, steps)
    created, closed = deals["created"].to_numpy(), deals["closed"].to_numpy()
    end = np.where(closed >= 0, closed, np.minimum(created + 30 * DAY, NOW - 1))
    gap = np.maximum((end - created) // np.maximum(steps - 1, 1), 0)
    at = np.minimum(created[deal] + gap[deal] * step, NOW - 1)
    is_last = (step == steps[deal] - 1) & (closed[deal] >= 0)
    final = np.where(deals["status"].to_numpy()[deal] == "won", WON, LOST)
    return pl.DataFrame(
        {
            "deal": deal,
            "step": step,
            "stage": np.where(is_last, final, step),
            "at": np.where(is_last, closed[deal], at),
            "owner": random.integers(0, book.owners.height, len(deal)),
        }
    )


def make_activities(out: Out, book: Book, deals: pl.DataFrame) -> pl.DataFrame:
    """Calls, mails, meetings and notes around deals."""
    random = out.random("activities")
    many = random.integers(1, 6, deals.height)
    deal = np.repeat(np.arange(deals.height), many)
    at = np.minimum(deals["created"].to_numpy()[deal] + random.integers(0, 25 * DAY, len(deal)), NOW - 1)
    kind = labels(random, ["call", "email", "meeting", "note"], len(deal), p=[0.4, 0.35, 0.15, 0.1])
    minutes = pl.Series(random.integers(2, 60, len(deal)))
    return pl.DataFrame({"at": at, "kind": kind, "minutes": minutes}).with_columns(
        id=(660_000_001 + pl.int_range(pl.len(), dtype=pl.Int64) * 3).cast(pl.String),
        subject="Betrifft " + deals["firm"].gather(deal),
        contact=deals["contact"].gather(deal),
        company=deals["company"].gather(deal),
        deal=deals["id"].gather(deal),
        owner=book.some_owners(random, len(deal)),
        outcome=labels(random, ["CONNECTED", "NO_ANSWER", "BUSY"], len(deal)),
    )


def last_changes(random: np.random.Generator, seconds: pl.Series) -> pl.Series:
    """When records were last changed, in milliseconds, at or after these seconds: a third by one import."""
    known = seconds.to_numpy() * 1000
    by_hand = known + random.integers(0, 120 * DAY * 1000, len(known))
    imported = (NOW - 40 * DAY) * 1000 + 217
    in_import = (random.random(len(known)) < 0.3) & (known < imported)
    end = np.maximum(NOW * 1000 - 3 * 3_600_000, known)
    return pl.Series(np.minimum(np.where(in_import, imported, by_hand), end))
