"""The payment provider: charges by month as gzipped NDJSON, refunds, customers with a subscription.

Amounts are in minor units and times in seconds since 1970, as such interfaces give them.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from sandbox import files
from sandbox.exports.kit import MAIL_DIRT, PHONE_DIRT, Out, by_month, epoch, known_as, labels, moment
from sandbox.trade import NOW, local_day

_PLANS = {"Kaffee-Abo": 2490, "Tee-Abo": 1890, "Genuss-Box": 3490}


def write(out: Out) -> None:
    """Write the payment provider's export."""
    subscribers = _subscribers(out)
    _charges(out, subscribers)
    _refunds(out)
    _customers(out, subscribers)
    _subscriptions(out, subscribers)


def _subscribers(out: Out) -> pl.DataFrame:
    """People with a subscription, as the provider knows them."""
    random = out.random("subscribers")
    buyers = out.trade.orders["person"].unique().sort().to_numpy()
    chosen = buyers[random.random(len(buyers)) < 0.025]
    return known_as(random, out.trade.people, chosen).with_columns(
        customer_id=pl.lit("cus_0") + ((pl.int_range(pl.len()) * 48_271 + 11) % 99_999_989).cast(pl.String).str.zfill(8)
    )


def _charges(out: Out, subscribers: pl.DataFrame) -> None:
    charges, orders, people = out.trade.charges, out.trade.orders, out.trade.people
    order = charges["order"]
    person = orders["person"].gather(order)
    customer_of = np.full(people.height, None, dtype=object)
    customer_of[subscribers["person"].to_numpy()] = subscribers["customer_id"].to_numpy()
    frame = charges.with_columns(
        currency=orders["currency"].gather(order), number=orders["order_number"].gather(order)
    ).select(
        local_day(pl.col("at")).dt.strftime("%Y-%m").alias("month"),
        pl.col("charge_id").alias("id"),
        pl.lit("charge").alias("object"),
        pl.col("amount").cast(pl.String),
        pl.col("currency").str.to_lowercase(),
        epoch("at").cast(pl.String).alias("created"),
        pl.col("status"),
        pl.when(pl.col("status") == "failed").then(pl.lit("card_declined")).alias("failure_code"),
        _texts(customer_of, person),
        people["email"].gather(person).alias("receipt_email"),
        pl.struct(
            (people["given"].gather(person) + " " + people["family"].gather(person)).alias("name"),
            people["phone"].gather(person).alias("phone"),
        ).alias("billing_details"),
        pl.struct(pl.col("method").alias("type")).alias("payment_method_details"),
        pl.struct(pl.col("fee")).alias("balance_transaction"),
        pl.struct(pl.col("number").alias("order_number")).alias("metadata"),
    )
    dirt = out.dirt("payment", "id")
    frame = dirt.spoil(frame, "receipt_email", {"upper": 0.01, "space": 0.004}, field="email")
    good = frame.height
    for kind, changes, reason in (
        ("no amount", {"amount": None}, "missing: amount"),
        ("negative amount", {"amount": "-1250"}, "below_minimum: amount"),
        ("unknown status", {"status": "requires_review"}, "not_in_enum: status"),
        ("no currency", {"currency": None}, "missing: currency"),
    ):
        frame = dirt.plant(frame, kind, changes, reason=reason, among=good, share=0.0004, ids="ch_3X{:011d}")
    frame = dirt.conflict(dirt.repeat(frame, among=good), {"status": "pending"}, among=good)
    for month, part in by_month(frame):
        files.write_ndjson(out.folder / f"charges_{month}.ndjson.gz", part)
    out.truth.rows(out.source, "payment", good)
    payers = pl.DataFrame(
        {
            "email": people["email"].gather(person),
            "person_id": people["person_id"].gather(person),
            "subscribes": _texts(customer_of, person).is_not_null(),
        }
    )
    payers = payers.filter(~pl.col("subscribes")).unique(["email", "person_id"], keep="first", maintain_order=True)
    nobody = pl.Series([None] * payers.height, dtype=pl.String)
    out.truth.identity(out.source, "payment", nobody, payers["person_id"], payers["email"])
    dated = charges.with_columns(
        currency=orders["currency"].gather(order), day=local_day(pl.col("at")), minor=pl.col("amount")
    )
    for status in ("succeeded", "failed"):
        out.truth.sums(f"payment_{status}", "payment", out.source, dated.filter(pl.col("status") == status))


def _texts(values: np.ndarray, rows: pl.Series) -> pl.Series:
    return pl.Series("customer", values.tolist(), dtype=pl.String).gather(rows)


def _refunds(out: Out) -> None:
    """Refunds that went back the way the money came; store credits are the shop's alone."""
    orders, charges = out.trade.orders, out.trade.charges
    refunds = out.trade.refunds.filter(~pl.col("is_credit"))
    paid = charges.filter(pl.col("status") == "succeeded")
    charge_of = np.full(orders.height, "", dtype=object)
    charge_of[paid["order"].to_numpy()] = paid["charge_id"].to_numpy()
    order = refunds["order"]
    currency = orders["currency"].gather(order)
    frame = refunds.with_columns(currency=currency).select(
        pl.col("refund_id").alias("id"),
        pl.Series(charge_of.tolist(), dtype=pl.String).gather(order).alias("Charge ID"),
        pl.col("amount").cast(pl.String).alias("Amount in minor units"),
        pl.col("currency").str.to_lowercase().alias("Currency"),
        pl.col("reason").alias("Reason"),
        epoch("at").cast(pl.String).alias("Created"),
        orders["order_number"].gather(order).alias("order_number (metadata)"),
    )
    good = frame.height
    dirt = out.dirt("refund", "id")
    frame = dirt.plant(
        frame,
        "no amount",
        {"Amount in minor units": None},
        reason="missing: amount",
        among=good,
        share=0.001,
        ids="re_3X{:011d}",
    )
    files.write_csv(out.folder / "refunds.csv", frame)
    out.truth.rows(out.source, "refund", good)
    dated = refunds.with_columns(currency=currency, day=local_day(pl.col("at")), minor=pl.col("amount"))
    out.truth.sums("refund_amount", "refund", out.source, dated)


def _customers(out: Out, subscribers: pl.DataFrame) -> None:
    joined = subscribers.with_columns(at=moment(pl.max_horizontal("joined", 0)) + 43_200)
    frame = joined.select(
        pl.col("customer_id").alias("id"),
        (pl.col("given") + " " + pl.col("family")).alias("Name"),
        pl.col("email").alias("Email"),
        pl.col("phone").alias("Phone"),
        pl.col("street").alias("Address Line1"),
        pl.col("city").alias("Address City"),
        pl.col("postcode").alias("Address Zip"),
        pl.col("country").alias("Address Country"),
        epoch("at").cast(pl.String).alias("Created"),
    )
    dirt = out.dirt("contact", "id")
    frame = dirt.spoil(
        frame, "Name", {"upper": 0.03, "last_first": 0.05, "title": 0.04, "mojibake": 0.04}, field="full_name"
    )
    frame = dirt.spoil(frame, "Email", MAIL_DIRT, field="email")
    frame = dirt.spoil(frame, "Phone", PHONE_DIRT, field="phone")
    files.write_csv(out.folder / "customers.csv", frame)
    out.truth.identity(out.source, "contact", joined["customer_id"], joined["person_id"])
    out.truth.rows(out.source, "contact", frame.height)


def _subscriptions(out: Out, subscribers: pl.DataFrame) -> None:
    random = out.random("subscriptions")
    count = subscribers.height
    start = random.integers(0, 700, count)
    ends = start + random.integers(30, 900, count)
    plan = labels(random, list(_PLANS), count)
    at = subscribers.with_columns(
        start=pl.Series(start),
        ends=pl.Series(ends),
        plan=plan,
        amount=plan.replace_strict(_PLANS),
        state=labels(random, ["active", "past_due", "paused"], count, p=[0.9, 0.06, 0.04]),
    ).with_columns(began=moment("start") + 40_000, ended=moment("ends") + 40_000)
    over = pl.col("ended") < NOW
    frame = at.select(
        pl.format("sub_0{}", pl.int_range(pl.len()).cast(pl.String).str.zfill(7)).alias("id"),
        pl.col("customer_id").alias("Customer ID"),
        pl.col("email").alias("Customer Email"),
        pl.col("plan").alias("Plan"),
        pl.when(over).then(pl.lit("canceled")).otherwise("state").alias("Status"),
        pl.col("amount").cast(pl.String).alias("Amount"),
        pl.lit("eur").alias("Currency"),
        pl.lit("month").alias("Interval"),
        epoch("began").cast(pl.String).alias("Start"),
        pl.when(over).then(epoch("ended")).cast(pl.String).alias("Canceled At"),
    )
    good = frame.height
    dirt = out.dirt("subscription", "id")
    frame = dirt.plant(
        frame,
        "unknown status",
        {"Status": "incomplete_expired"},
        reason="not_in_enum: status",
        among=good,
        ids="sub_X{:09d}",
    )
    files.write_csv(out.folder / "subscriptions.csv", frame)
    out.truth.rows(out.source, "subscription", good)
