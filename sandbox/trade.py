"""What is bought: products, orders, lines, payments, refunds and parcels, adding up to the cent.

Money is in minor units (cents, Rappen, pence) as integers, times are local to the business. What an export makes of
them belongs in `exports/`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from sandbox import words
from sandbox.days import DAYS, START, TIMEZONE, Floats, Ints, demand, effect, rng, weekday
from sandbox.people import make_people

ORDERS = 40_000
EARLIER_CUSTOMERS = 3_000
LEADS = 3_000
PRODUCTS = 300
_US = 1_000_000
_EPOCH_DAY = START.toordinal() - 719_163
NOW = (_EPOCH_DAY + DAYS) * 86_400
_LAST_HALF_HOUR = 23 * 3600 + 1800
_NAMES_OF_PROMOTIONS = {"2025-10-21": "HERBST20", "2026-03-19": "FRUEHLING20"}


@dataclass(frozen=True, kw_only=True)
class Trade:
    """The clean truth of who bought what; `person` columns are row numbers of `people`."""

    people: pl.DataFrame
    firms: pl.DataFrame
    products: pl.DataFrame
    orders: pl.DataFrame
    lines: pl.DataFrame
    charges: pl.DataFrame
    refunds: pl.DataFrame


def make_trade(seed: int, scale: float) -> Trade:
    """Two years of business; about 40,000 orders by 20,000 customers at scale 1."""
    day_of, country = _order_days(seed, scale)
    person, home, joined = _buyers(seed, scale, day_of, country)
    people, firms = make_people(seed, home, joined)
    products = make_products(seed, max(60, min(PRODUCTS, round(2 * PRODUCTS * scale))))
    orders = _orders(seed, day_of, country, person, people)
    lines, orders = _lines(seed, orders, products)
    charges, orders = _charges(seed, orders)
    orders = _deliveries(seed, orders)
    refunds, orders = _refunds(seed, orders)
    return Trade(
        people=people, firms=firms, products=products, orders=orders, lines=lines, charges=charges, refunds=refunds
    )


def local(seconds: pl.Series) -> pl.Series:
    """Seconds of local wall-clock time as timestamps in UTC."""
    wall = (seconds * _US).cast(pl.Datetime("us"))
    zoned = wall.dt.replace_time_zone(TIMEZONE, ambiguous="earliest", non_existent="null")
    return zoned.dt.convert_time_zone("UTC")


def times_of_day(random: np.random.Generator, count: int) -> Ints:
    """Seconds since midnight: most in the evening, a few right after midnight, none in the hours of changing clocks."""
    hours = np.array([5, 4, 4, 5, 5, 6, 7, 6, 6, 5, 5, 5, 6, 8, 10, 9, 6, 3], dtype=float)
    hour = random.choice(np.arange(6, 24), count, p=hours / hours.sum())
    seconds = hour * 3600 + random.integers(0, 3600, count)
    # The last half hour is the first: a day that is cut in another time zone has other orders.
    return np.where(seconds >= _LAST_HALF_HOUR, seconds - _LAST_HALF_HOUR, seconds)


def make_products(seed: int, count: int = PRODUCTS) -> pl.DataFrame:
    """The range: articles of every category, prices in EUR cents with the list prices of the other currencies."""
    random = rng(seed, "products")
    rows = []
    names = list(words.GOODS.items())
    for number in range(count):
        category, (code, nouns, low, high) = names[number % len(names)]
        noun = nouns.split()[int(random.integers(len(nouns.split())))]
        colour, colour_name = words.COLOURS[int(random.integers(len(words.COLOURS)))]
        raw = np.exp(random.uniform(np.log(low), np.log(high)))
        price = int(round(raw / 100) * 100 + (90 if raw < 5000 else 0)) or 490
        rows.append(
            {
                "product_id": str(7_000_000_000_000 + number * 32_768),
                "sku": f"{code}-{number + 1:04d}-{colour}",
                "name": f"{noun} {words.STYLES[int(random.integers(len(words.STYLES)))]} {colour_name}",
                "category": category,
                "brand": words.BRANDS[int(random.integers(len(words.BRANDS)))],
                "EUR": price,
                "CHF": round(price * 1.08 / 10) * 10,
                "GBP": round(price * 0.88 / 10) * 10,
                "cost": round(price * float(random.uniform(0.35, 0.6))),
                "barcode": _ean(400_000_000_000 + number * 137),
                "grams": int(random.integers(1, 90)) * 50,
                "popularity": float(1 / (1 + random.integers(0, PRODUCTS)) ** 0.7),
                "created": int(random.integers(-900, 300)),
                "is_active": bool(random.random() < 0.95),
            }
        )
    return pl.DataFrame(rows)


def _ean(body: int) -> str:
    digits = f"{body:012d}"
    check = -sum(int(d) * (3 if i % 2 else 1) for i, d in enumerate(digits)) % 10
    return f"{digits}{check}"


def _order_days(seed: int, scale: float) -> tuple[Ints, Ints]:
    """Day and country of each order, in order of days."""
    random = rng(seed, "order days")
    usual = demand()
    factors = np.stack([effect("orders") * effect("orders_country", c) for c in words.COUNTRIES], axis=1)
    expected = usual[:, None] * np.array(words.COUNTRY_SHARE)[None, :] * (ORDERS * scale / DAYS) * factors
    counts = random.poisson(expected)
    day_of = np.repeat(np.repeat(np.arange(DAYS), len(words.COUNTRIES)), counts.ravel())
    country = np.repeat(np.tile(np.arange(len(words.COUNTRIES)), DAYS), counts.ravel())
    return day_of, country


def _buyers(seed: int, scale: float, day_of: Ints, country: Ints) -> tuple[Ints, Ints, Ints]:
    """For each order its buyer; for each person their country and first day.

    Some orders are somebody's first; the others go to people who are already there, a few of whom buy a lot, and
    most of whom stop at some day.
    """
    random = rng(seed, "buyers")
    is_first = random.random(len(day_of)) < np.interp(day_of, [0, DAYS], [0.54, 0.36])
    earlier = max(12, round(EARLIER_CUSTOMERS * scale))
    leads = max(6, round(LEADS * scale))
    shares = np.array(words.COUNTRY_SHARE)
    early_home = np.concatenate([np.arange(6), random.choice(6, earlier - 6, p=shares)])
    home = np.concatenate([early_home, country[is_first], random.choice(6, leads, p=shares)])
    joined = np.concatenate([-random.integers(1, 700, earlier), day_of[is_first], random.integers(0, DAYS, leads)])
    weight = np.minimum(random.pareto(1.5, len(home)) + 0.15, 40.0)
    left = joined + 60 + random.exponential(420, len(home)).astype(np.int64)
    weight[len(home) - leads :] = 0.0
    person = np.full(len(day_of), -1, dtype=np.int64)
    person[is_first] = earlier + np.arange(int(is_first.sum()))
    for code in range(len(words.COUNTRIES)):
        at = np.flatnonzero((country == code) & ~is_first)
        pool = np.flatnonzero((home == code) & (weight > 0))
        pool = pool[np.argsort(joined[pool], kind="stable")]
        person[at] = _draw(random, day_of[at], pool, joined[pool], left[pool], weight[pool])
    return person, home, joined


def _draw(random: np.random.Generator, days: Ints, pool: Ints, joined: Ints, left: Ints, weight: Floats) -> Ints:
    """Somebody of the pool for each day, by weight, who had joined before it; preferably one who had not left."""
    total = np.cumsum(weight)
    known = np.maximum(np.searchsorted(joined, days, side="left"), 1)
    chosen = np.zeros(len(days), dtype=np.int64)
    again = np.arange(len(days))
    for _ in range(4):
        target = random.random(len(again)) * total[known[again] - 1]
        chosen[again] = np.searchsorted(total, target, side="right")
        again = again[left[chosen[again]] < days[again]]
    return pool[chosen]


def _orders(seed: int, day_of: Ints, country: Ints, person: Ints, people: pl.DataFrame) -> pl.DataFrame:
    random = rng(seed, "orders")
    count = len(day_of)
    seconds = times_of_day(random, count)
    by_time = np.lexsort((seconds, day_of))
    frame = pl.DataFrame({"day": day_of, "second": seconds, "country": country, "person": person})[by_time]
    business = people["is_business"].gather(frame["person"])
    channel = random.choice(["web", "app", "phone", "marketplace"], count, p=[0.62, 0.22, 0.07, 0.09])
    coupon = _coupons(random, frame["day"].to_numpy())
    return frame.with_columns(
        order_id=(5_100_000_000_000 + pl.int_range(pl.len(), dtype=pl.Int64) * 4_096).cast(pl.String),
        order_number="MV" + (100_001 + pl.int_range(pl.len())).cast(pl.String),
        ordered=(pl.col("day") + _EPOCH_DAY) * 86_400 + pl.col("second"),
        country=pl.Series(np.array(words.COUNTRIES)[frame["country"].to_numpy()]),
        is_business=business,
        is_guest=~people["has_account"].gather(frame["person"]),
        channel=pl.Series(channel),
        coupon=coupon,
        discount_pct=pl.when(coupon.is_null()).then(0).when(coupon.str.ends_with("20")).then(20).otherwise(10),
    ).with_columns(currency=pl.col("country").replace_strict(words.CURRENCY))


def _coupons(random: np.random.Generator, day_of: Ints) -> pl.Series:
    usual = np.where(random.random(len(day_of)) < 0.11, "WILLKOMMEN10", "").astype(object)
    for first, code in _NAMES_OF_PROMOTIONS.items():
        usual[day_of == (np.datetime64(first) - np.datetime64(START)).astype(int)] = code
    return pl.Series(usual.tolist(), dtype=pl.String).replace("", None)


def _lines(seed: int, orders: pl.DataFrame, products: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Order lines, and the orders with the sums of their lines."""
    random = rng(seed, "lines")
    many = random.choice(np.arange(1, 9), orders.height, p=[0.30, 0.28, 0.19, 0.11, 0.06, 0.03, 0.02, 0.01])
    owner = np.repeat(np.arange(orders.height), many)
    start = np.concatenate([[0], np.cumsum(many)[:-1]])
    popularity = products["popularity"].to_numpy()
    product = random.choice(products.height, len(owner), p=popularity / popularity.sum())
    quantity = np.minimum(random.geometric(0.72, len(owner)), 12)
    quantity = np.where(orders["is_business"].to_numpy()[owner], quantity * random.integers(2, 9, len(owner)), quantity)
    prices = products.select("EUR", "CHF", "GBP").to_numpy()
    column = orders["currency"].replace_strict({"EUR": 0, "CHF": 1, "GBP": 2}).to_numpy()
    price = prices[product, column[owner]]
    # Prices rose by 4 % in October 2025.
    price = np.where(orders["day"].to_numpy()[owner] >= 334, (price * 104 + 50) // 100, price)
    gross = quantity * price
    discount = gross * orders["discount_pct"].to_numpy()[owner] // 100
    lines = pl.DataFrame(
        {
            "order": owner,
            "position": np.arange(len(owner)) - start[owner] + 1,
            "product": product,
            "quantity": quantity,
            "unit_price": price,
            "discount": discount,
            "total": gross - discount,
        }
    ).with_columns(line_id=(9_200_000_000_000 + pl.int_range(pl.len(), dtype=pl.Int64) * 512).cast(pl.String))
    return lines, _with_sums(orders, np.add.reduceat(gross, start), np.add.reduceat(discount, start))


def _with_sums(orders: pl.DataFrame, gross: Ints, discount: Ints) -> pl.DataFrame:
    """Total = net goods - discount + shipping + tax, where prices and shipping include the tax."""
    goods = gross - discount
    fee = orders["currency"].replace_strict({"EUR": 495, "CHF": 790, "GBP": 595}).to_numpy()
    free = np.where(orders["is_business"].to_numpy(), 20_000, 6_000)
    shipping = np.where(goods >= free, 0, fee)
    total = goods + shipping
    permille = orders["country"].replace_strict(words.TAX_PERMILLE).to_numpy()
    tax = (2 * total * permille + (1000 + permille)) // (2 * (1000 + permille))
    sums = {"subtotal": gross - tax, "discount": discount, "shipping": shipping, "tax": tax, "total": total}
    return orders.with_columns(**{name: pl.Series(values) for name, values in sums.items()})


def _charges(seed: int, orders: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Attempts to pay: at most one succeeds for an order, with exactly its total."""
    random = rng(seed, "charges")
    count = orders.height
    business = orders["is_business"].to_numpy()
    methods = ["card", "paypal", "klarna", "sepa_debit"]
    method = random.choice(methods, count, p=[0.42, 0.31, 0.18, 0.09]).astype(object)
    method[business & (random.random(count) < 0.6)] = "customer_balance"
    is_transfer = method == "customer_balance"
    trouble = 0.033 * effect("payments_failed")[orders["day"].to_numpy()]
    fails = ~is_transfer & (random.random(count) < trouble)
    gives_up = np.where(fails, random.random(count) < 0.22, random.random(count) < 0.008)
    delay = np.where(is_transfer, random.integers(2, 15, count) * 86_400, random.integers(1, 50, count))
    delay = np.where(fails, random.integers(90, 2400, count), delay)
    ordered = orders["ordered"].to_numpy()
    paid = np.where(gives_up | (ordered + delay >= NOW), -1, ordered + delay)
    good, bad = np.flatnonzero(paid >= 0), np.flatnonzero(fails)
    order = np.concatenate([bad, good])
    at = np.concatenate([ordered[bad] + random.integers(5, 60, len(bad)), paid[good]])
    status = np.concatenate([np.full(len(bad), "failed"), np.full(len(good), "succeeded")])
    by_time = np.lexsort((order, at))
    order, at, status = order[by_time], at[by_time], status[by_time]
    total = orders["total"].to_numpy()[order]
    charges = pl.DataFrame(
        {
            "order": order,
            "at": at,
            "status": pl.Series(status),
            "amount": total,
            "fee": np.where(status == "succeeded", total * 14 // 1000 + 25, 0),
            "method": pl.Series(method[order].tolist(), dtype=pl.String),
        }
    ).with_columns(charge_id=_token("ch", pl.int_range(pl.len(), dtype=pl.UInt64, eager=False)))
    cancelled = np.where(gives_up, ordered + random.integers(3_600, 90_000, count), -1)
    cancelled = np.where(cancelled >= NOW, -1, cancelled)
    return charges, orders.with_columns(paid=pl.Series(paid), cancelled=pl.Series(cancelled))


def _token(prefix: str, number: pl.Expr) -> pl.Expr:
    """A vendor-like id: scattered digits, in a fixed width so that leading zeros matter."""
    scattered = (number * 2_654_435_761 + 7) % 99_999_999_977
    return pl.lit(f"{prefix}_3P") + scattered.cast(pl.String).str.zfill(11)


def _deliveries(seed: int, orders: pl.DataFrame) -> pl.DataFrame:
    """When parcels left and arrived; -1 where they did not, yet."""
    random = rng(seed, "deliveries")
    ordered = orders["ordered"].to_numpy()
    picked = ordered // 86_400 + random.integers(1, 4, orders.height)
    # No parcels leave on Sundays.
    picked += weekday(picked - _EPOCH_DAY) == 6
    shipped = picked * 86_400 + random.integers(7 * 3600, 17 * 3600, orders.height)
    travelled = random.integers(1, 5, orders.height) + (random.random(orders.height) < 0.06) * random.integers(3, 9)
    arrived = (picked + travelled) * 86_400 + random.integers(9 * 3600, 19 * 3600, orders.height)
    goes = orders["cancelled"].to_numpy() < 0
    shipped = np.where(goes & (shipped < NOW), shipped, -1)
    arrived = np.where((shipped >= 0) & (arrived < NOW), arrived, -1)
    return orders.with_columns(
        shipped=pl.Series(shipped), delivered=pl.Series(arrived), promised=pl.Series(ordered // 86_400 + 5)
    )


def _refunds(seed: int, orders: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Money given back, in full or in part; on the days of the plan a multiple of the usual."""
    random = rng(seed, "refunds")
    delivered = orders["delivered"].to_numpy()
    may = np.flatnonzero((delivered >= 0) & (orders["paid"].to_numpy() >= 0))
    lag = random.integers(2, 21, len(may))
    back = delivered[may] // 86_400 + lag
    chosen = random.random(len(may)) < 0.052
    factor = effect("refunds")
    # On a recall day more of the recently delivered come back on that very day.
    for position in np.flatnonzero(factor > 1):
        usual = 0.052 * len(may) / DAYS
        recent = np.flatnonzero(~chosen & (np.abs(delivered[may] // 86_400 + 15 - position - _EPOCH_DAY) <= 12))
        extra = random.permutation(recent)[: round(usual * (factor[position] - 1))]
        chosen[extra] = True
        back[extra] = position + _EPOCH_DAY
    at = back * 86_400 + random.integers(8 * 3600, 18 * 3600, len(may))
    at = np.maximum(at, delivered[may] + 3600)
    keep = chosen & (at < NOW) & (at // 86_400 == back)
    order, at = may[keep], at[keep]
    total = orders["total"].to_numpy()[order]
    share = random.choice([100, 50, 30], len(order), p=[0.55, 0.25, 0.20])
    reasons = random.choice(
        ["requested_by_customer", "damaged", "late", "duplicate"], len(order), p=[0.6, 0.2, 0.15, 0.05]
    )
    by_time = np.lexsort((order, at))
    refunds = pl.DataFrame(
        {
            "order": order,
            "at": at,
            "amount": total * share // 100,
            "is_full": share == 100,
            "reason": reasons,
            "is_credit": random.random(len(order)) < 0.18,
        }
    )[by_time].with_columns(refund_id=_token("re", pl.int_range(pl.len(), dtype=pl.UInt64)))
    return refunds, orders.with_columns(status=_status(orders, refunds), refunded=_refunded(orders, refunds))


def _refunded(orders: pl.DataFrame, refunds: pl.DataFrame) -> pl.Series:
    amounts = np.zeros(orders.height, dtype=np.int64)
    amounts[refunds["order"].to_numpy()] = refunds["amount"].to_numpy()
    return pl.Series(amounts)


def _status(orders: pl.DataFrame, refunds: pl.DataFrame) -> pl.Series:
    full = np.zeros(orders.height, dtype=bool)
    full[refunds.filter("is_full")["order"].to_numpy()] = True
    at = {name: orders[name].to_numpy() for name in ("cancelled", "paid", "shipped", "delivered")}
    status = np.select(
        [at["cancelled"] >= 0, full, at["delivered"] >= 0, at["shipped"] >= 0, at["paid"] >= 0],
        ["cancelled", "refunded", "delivered", "shipped", "paid"],
        "open",
    )
    return pl.Series(status)


def local_day(seconds: pl.Expr) -> pl.Expr:
    """The date of a count of local seconds."""
    return (seconds // 86_400).cast(pl.Int32).cast(pl.Date)
