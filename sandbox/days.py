"""The demo company's two years: how busy each day is, and what went wrong on which.

Every planted anomaly is an entry of `PLAN`; the generator obeys it and the truth is written from it.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

import numpy as np
from numpy.typing import NDArray

START = date(2024, 11, 1)
END = date(2026, 10, 31)
DAYS = (END - START).days + 1
TIMEZONE = "Europe/Berlin"

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Event:
    """Something out of the ordinary: `factor` multiplies the metric on the days from `first` to `last`.

    `effects` are the metrics it shows in, the direct one first, each with its direction.
    """

    name: str
    driver: str
    first: date
    last: date
    factor: float
    effects: tuple[tuple[str, str], ...]
    dimension: str = "total"
    member: str = "total"

    @property
    def days(self) -> slice:
        """Positions of its days in arrays of DAYS."""
        return slice((self.first - START).days, (self.last - START).days + 1)


def _event(name: str, driver: str, first: str, days: int, factor: float, *effects: str, member: str = "total") -> Event:
    begin = date.fromisoformat(first)
    dimension = {"orders_country": "country", "ad_spend": "platform"}.get(driver, "total")
    direction = "up" if factor > 1 else "down"
    pairs = tuple((e, direction) for e in effects)
    return Event(name, driver, begin, begin + timedelta(days - 1), factor, pairs, dimension, member)


_SALES = ("orders", "revenue_net")
_ADS = ("ad_spend", "ad_clicks", "ad_impressions")

PLAN: tuple[Event, ...] = (
    _event("shop outage", "orders", "2025-06-17", 1, 0.04, *_SALES),
    _event("shop outage", "orders", "2025-09-09", 2, 0.08, *_SALES),
    _event("promotion", "orders", "2025-10-21", 1, 2.6, *_SALES),
    _event("shop outage", "orders", "2026-02-10", 1, 0.05, *_SALES),
    _event("promotion", "orders", "2026-03-19", 1, 2.8, *_SALES),
    _event("warehouse move", "orders", "2026-07-14", 3, 0.1, *_SALES),
    _event("border strike", "orders_country", "2025-11-10", 7, 0.1, *_SALES, member="AT"),
    _event("customs trouble", "orders_country", "2026-04-20", 7, 0.1, *_SALES, member="CH"),
    _event("television mention", "orders_country", "2026-06-09", 2, 5.0, *_SALES, member="FR"),
    _event("payment provider failing", "payments_failed", "2025-08-05", 1, 18.0, "payments_failed", "orders_cancelled"),
    _event("payment provider failing", "payments_failed", "2026-01-22", 1, 15.0, "payments_failed", "orders_cancelled"),
    _event("payment provider failing", "payments_failed", "2026-09-03", 1, 20.0, "payments_failed", "orders_cancelled"),
    _event("runaway bids", "ad_spend", "2025-07-22", 1, 5.0, *_ADS, member="google_ads"),
    _event("runaway bids", "ad_spend", "2026-01-13", 2, 4.0, *_ADS, member="meta_ads"),
    _event("account suspended", "ad_spend", "2026-05-19", 3, 0.0, *_ADS, member="google_ads"),
    _event("budget raised", "ad_spend", "2026-08-03", 14, 2.2, *_ADS, member="meta_ads"),
    _event("late parcels", "tickets_created", "2025-08-26", 1, 5.0, "tickets_created"),
    _event("late parcels", "tickets_created", "2026-02-24", 2, 4.5, "tickets_created"),
    _event("faulty batch", "tickets_created", "2026-08-11", 1, 5.0, "tickets_created"),
    _event("new helpdesk form", "tickets_created", "2026-09-14", 14, 2.2, "tickets_created"),
    _event("annoying mailing", "unsubscribes", "2025-11-04", 1, 16.0, "unsubscribes"),
    _event("annoying mailing", "unsubscribes", "2026-06-23", 1, 20.0, "unsubscribes"),
    _event("product recall", "refunds", "2025-10-07", 1, 9.0, "refunds"),
    _event("product recall", "refunds", "2026-05-05", 1, 10.0, "refunds"),
    _event("bot traffic", "web_sessions", "2025-09-30", 1, 4.0, "web_sessions"),
    _event("tracking broken", "web_sessions", "2026-03-03", 2, 0.03, "web_sessions"),
    _event("search ranking lost", "web_sessions", "2026-08-24", 14, 0.45, "web_sessions"),
    _event("consent banner", "web_sessions", "2025-07-08", 3, 0.2, "web_sessions"),
)


def rng(seed: int, part: str) -> np.random.Generator:
    """A generator of its own for each part, so that changing one part leaves the others as they were."""
    return np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32(part.encode())]))


def day(position: int) -> date:
    """The date at a position."""
    return START + timedelta(int(position))


@cache
def holidays_de() -> dict[date, str]:
    """Nationwide German holidays of the years concerned."""
    import holidays

    return dict(holidays.country_holidays("DE", years=range(START.year, END.year + 1), language="de"))


def demand() -> Floats:
    """How busy the shop is on each day, 1 on average, without what went wrong."""
    dates = [day(i) for i in range(DAYS)]
    weekly = np.array([1.15, 1.08, 1.02, 1.0, 0.92, 0.80, 1.06])[[d.weekday() for d in dates]]
    of_year = np.array([d.timetuple().tm_yday for d in dates])
    distance = np.minimum(np.abs(of_year - 345), 365 - np.abs(of_year - 345))
    yearly = 1 + 0.85 * np.exp(-((distance / 16.0) ** 2)) + 0.12 * np.exp(-(((of_year - 130) / 30.0) ** 2))
    trend = 1 + 0.3 * np.arange(DAYS) / DAYS
    dips = np.array([_dip(d) for d in dates])
    busy: Floats = weekly * yearly * trend * dips
    return busy / busy.mean()


def _dip(d: date) -> float:
    if (d.month, d.day) in ((12, 24), (12, 25), (12, 31), (1, 1)):
        return 0.4
    return 0.65 if d in holidays_de() else 1.0


def effect(driver: str, member: str = "total") -> Floats:
    """What the plan multiplies a driver by on each day."""
    factors = np.ones(DAYS)
    for event in PLAN:
        if event.driver == driver and event.member == member:
            factors[event.days] *= event.factor
    return factors


def weekday(positions: Ints | Sequence[int]) -> Ints:
    """Day of the week, Monday 0."""
    weekdays: Ints = (np.asarray(positions, dtype=np.int64) + START.weekday()) % 7
    return weekdays
