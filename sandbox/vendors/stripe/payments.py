"""Charges, refunds and the balance of the demo company's Stripe account, made of its trade, and the truth about them.

Shapes are those of API version 2022-11-15. Customers and what they subscribed to are in `billing`.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from sandbox.exports.kit import Out, epoch
from sandbox.store import Store
from sandbox.trade import NOW, local_day

#: Seconds until a sum can be paid out.
SETTLING = 3 * 86_400
_NONE = pl.lit([], pl.List(pl.Null))
_NULL = pl.lit(None, pl.String)


def fill_payments(out: Out, store: Store, subscribers: pl.DataFrame) -> None:
    """Fills charges, refunds and balance transactions."""
    charges, refunds = _charges(out, subscribers), _refunds(out)
    _fill_charges(store, charges)
    _fill_refunds(store, refunds)
    _fill_balance(store, charges, refunds)


def _charges(out: Out, subscribers: pl.DataFrame) -> pl.DataFrame:
    """Attempts to pay as text, with what Stripe keeps of them."""
    charges, orders, people = out.trade.charges, out.trade.orders, out.trade.people
    order = charges["order"]
    person = orders["person"].gather(order)
    customer_of = np.full(people.height, None, dtype=object)
    customer_of[subscribers["person"].to_numpy()] = subscribers["customer_id"].to_numpy()
    customer = pl.Series("customer", customer_of.tolist(), dtype=pl.String).gather(person)
    back = np.zeros(orders.height, dtype=np.int64)
    back[_sent_back(out)["order"].to_numpy()] = _sent_back(out)["amount"].to_numpy()
    frame = charges.with_columns(
        currency=orders["currency"].gather(order), number=orders["order_number"].gather(order)
    ).select(
        pl.col("charge_id").alias("id"),
        pl.col("amount").cast(pl.String),
        pl.when(pl.col("status") == "succeeded").then(pl.Series(back).gather(order)).otherwise(0).alias("back"),
        pl.col("fee"),
        pl.col("currency").str.to_lowercase(),
        epoch("at").alias("created"),
        pl.col("status"),
        pl.col("method"),
        customer,
        people["email"].gather(person).alias("receipt_email"),
        (people["given"].gather(person) + " " + people["family"].gather(person)).alias("name"),
        people["phone"].gather(person).alias("phone"),
        pl.col("number"),
    )
    dirt = out.dirt("payment", "id")
    frame = dirt.spoil(frame, "receipt_email", {"upper": 0.01, "space": 0.004}, field="email")
    frame = dirt.plant(
        frame,
        "negative amount",
        {"amount": "-1250"},
        reason="below_minimum: amount",
        among=charges.height,
        share=0.0004,
        ids="ch_3X{:011d}",
    )
    _tell_payments(out, charges, orders, people, customer)
    return frame.with_columns(pl.col("amount").cast(pl.Int64))


def _tell_payments(
    out: Out, charges: pl.DataFrame, orders: pl.DataFrame, people: pl.DataFrame, customer: pl.Series
) -> None:
    order = charges["order"]
    person = orders["person"].gather(order)
    out.truth.rows(out.source, "payment", charges.height)
    payers = pl.DataFrame(
        {
            "email": people["email"].gather(person),
            "person_id": people["person_id"].gather(person),
            "subscribes": customer.is_not_null(),
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
    by_mail = pl.lit("email:payments:") + pl.lit(people["email"].gather(person))
    out.truth.fact(
        "payment",
        dated.select(
            "day",
            "status",
            "method",
            "currency",
            "amount",
            order_id=pl.lit("shop:") + pl.lit(orders["order_id"].gather(order)),
            record_id=pl.coalesce(pl.lit("contact:payments:") + pl.lit(customer), by_mail),
            person_id=people["person_id"].gather(person),
        ),
        out.source,
    )


def _sent_back(out: Out) -> pl.DataFrame:
    """Refunds that went back the way the money came; store credits are the shop's alone."""
    return out.trade.refunds.filter(~pl.col("is_credit"))


def _refunds(out: Out) -> pl.DataFrame:
    orders, charges = out.trade.orders, out.trade.charges
    refunds = _sent_back(out)
    paid = charges.filter(pl.col("status") == "succeeded")
    charge_of, method_of = np.full(orders.height, "", dtype=object), np.full(orders.height, "", dtype=object)
    charge_of[paid["order"].to_numpy()] = paid["charge_id"].to_numpy()
    method_of[paid["order"].to_numpy()] = paid["method"].to_numpy()
    order = refunds["order"]
    currency = orders["currency"].gather(order)
    frame = refunds.with_columns(currency=currency).select(
        pl.col("refund_id").alias("id"),
        pl.Series(charge_of.tolist(), dtype=pl.String).gather(order).alias("charge"),
        pl.Series(method_of.tolist(), dtype=pl.String).gather(order).alias("method"),
        pl.col("amount").cast(pl.String),
        pl.col("currency").str.to_lowercase(),
        pl.col("reason"),
        epoch("at").alias("created"),
        orders["order_number"].gather(order).alias("number"),
    )
    frame = out.dirt("refund", "id").plant(
        frame,
        "negative amount",
        {"amount": "-1250"},
        reason="below_minimum: amount",
        among=refunds.height,
        share=0.001,
        ids="re_3X{:011d}",
    )
    out.truth.rows(out.source, "refund", refunds.height)
    dated = refunds.with_columns(currency=currency, day=local_day(pl.col("at")), minor=pl.col("amount"))
    out.truth.sums("refund_amount", "refund", out.source, dated)
    dated = dated.with_columns(order_id=pl.lit("shop:") + pl.lit(orders["order_id"].gather(order)))
    out.truth.fact("refund", dated.select("order_id", "day", "currency", "amount", "reason"), out.source)
    return frame.with_columns(pl.col("amount").cast(pl.Int64))


def _charge_transaction() -> pl.Expr:
    return pl.lit("txn_1C") + pl.col("id").str.slice(3)


def _refund_transaction() -> pl.Expr:
    return pl.lit("txn_1R") + pl.col("id").str.slice(3)


def _fill_charges(store: Store, frame: pl.DataFrame) -> None:
    """Fills method by method, because the details of a method are under its name, and other names must be absent."""
    for method in sorted(frame["method"].unique()):
        part = frame.filter(pl.col("method") == method).sort("created", maintain_order=True)
        created = pl.col("created") * 1000
        store.fill("charges", part, id="id", created=created, parent="customer", body=_charge(method))


def _charge(method: str) -> pl.Expr:
    paid = pl.col("status") == "succeeded"
    return pl.struct(
        "id",
        object=pl.lit("charge"),
        amount="amount",
        amount_captured=pl.when(paid).then("amount").otherwise(0),
        amount_refunded="back",
        application=_NULL,
        application_fee=_NULL,
        application_fee_amount=_NULL,
        balance_transaction=pl.when(paid).then(_charge_transaction()),
        billing_details=pl.struct(address=_NULL, email="receipt_email", name="name", phone="phone"),
        calculated_statement_descriptor=pl.lit("MUEHLBACH VERSAND"),
        captured=paid,
        created="created",
        currency="currency",
        customer="customer",
        description=pl.format("Bestellung {}", "number"),
        disputed=False,
        failure_balance_transaction=_NULL,
        failure_code=pl.when(~paid).then(pl.lit("card_declined")),
        failure_message=pl.when(~paid).then(pl.lit("Your card was declined.")),
        invoice=_NULL,
        livemode=True,
        metadata=pl.struct(order_number="number"),
        outcome=pl.struct(
            network_status=pl.when(paid).then(pl.lit("approved_by_network")).otherwise(pl.lit("declined_by_network")),
            reason=pl.when(~paid).then(pl.lit("generic_decline")),
            risk_level=pl.lit("normal"),
            seller_message=pl.when(paid)
            .then(pl.lit("Payment complete."))
            .otherwise(pl.lit("The bank did not return any further details with this decline.")),
            type=pl.when(paid).then(pl.lit("authorized")).otherwise(pl.lit("issuer_declined")),
        ),
        paid=paid,
        payment_intent=pl.lit("pi_") + pl.col("id").str.slice(3),
        payment_method=pl.lit("pm_1") + pl.col("id").str.slice(3),
        payment_method_details=_method_details(method),
        receipt_email="receipt_email",
        receipt_number=_NULL,
        refunded=(pl.col("back") > 0) & (pl.col("back") >= pl.col("amount")),
        review=_NULL,
        shipping=_NULL,
        status="status",
    )


def _method_details(method: str) -> pl.Expr:
    country, last = pl.lit("DE").alias("country"), pl.col("id").str.slice(-4).alias("last4")
    kind = pl.lit(method).alias("type")
    if method == "card":
        details = pl.struct(
            country, last, brand=pl.lit("visa"), exp_month=pl.lit(8), exp_year=pl.lit(2029), funding=pl.lit("debit")
        )
    elif method == "sepa_debit":
        details = pl.struct(country, last, bank_code=pl.lit("37040044"))
    else:
        return pl.struct(kind)
    return pl.struct(kind, details.alias(method))


def _fill_refunds(store: Store, frame: pl.DataFrame) -> None:
    """Stripe knows few reasons; what else the shop means stands in its metadata."""
    known = pl.col("reason").is_in(["requested_by_customer", "duplicate"])
    number = pl.col("number").alias("order_number")
    for metadata, part in (
        (pl.struct(number), frame.filter(known).with_columns(told="reason")),
        (pl.struct(number, "reason"), frame.filter(~known).with_columns(told=_NULL)),
    ):
        store.fill("refunds", part, id="id", created=pl.col("created") * 1000, parent="charge", body=_refund(metadata))


def _refund(metadata: pl.Expr) -> pl.Expr:
    return pl.struct(
        "id",
        object=pl.lit("refund"),
        amount="amount",
        balance_transaction=_refund_transaction(),
        charge="charge",
        created="created",
        currency="currency",
        metadata=metadata,
        payment_intent=pl.lit("pi_") + pl.col("charge").str.slice(3),
        reason="told",
        receipt_number=_NULL,
        source_transfer_reversal=_NULL,
        status=pl.lit("succeeded"),
        transfer_reversal=_NULL,
    )


def _fill_balance(store: Store, charges: pl.DataFrame, refunds: pl.DataFrame) -> None:
    """What came into and left the balance, in the order of time; a sum can be paid out some days later."""
    card = pl.col("method") == "card"
    came = charges.filter(pl.col("status") == "succeeded").select(
        "amount",
        "fee",
        "currency",
        "created",
        transaction=_charge_transaction(),
        source="id",
        kind=pl.when(card).then(pl.lit("charge")).otherwise(pl.lit("payment")),
        category=pl.lit("charge"),
    )
    left = refunds.select(
        -pl.col("amount"),
        pl.lit(0, pl.Int64).alias("fee"),
        "currency",
        "created",
        transaction=_refund_transaction(),
        source="id",
        kind=pl.when(card).then(pl.lit("refund")).otherwise(pl.lit("payment_refund")),
        category=pl.lit("refund"),
    )
    frame = pl.concat([came, left.select(came.columns)]).sort("created", "transaction")
    now = pl.select(epoch(pl.lit(NOW))).item()
    fee = pl.struct(
        amount="fee",
        application=_NULL,
        currency="currency",
        description=pl.lit("Stripe processing fees"),
        type=pl.lit("stripe_fee"),
    )
    for has_fee, details in ((True, pl.concat_list(fee)), (False, _NONE)):
        store.fill(
            "balance_transactions",
            frame.filter((pl.col("fee") > 0) == has_fee),
            id="transaction",
            created=pl.col("created") * 1000,
            parent="source",
            body=_balance_transaction(details, now),
        )


def _balance_transaction(fee_details: pl.Expr, now: int) -> pl.Expr:
    settled = (pl.col("created") + SETTLING) // 86_400 * 86_400
    return pl.struct(
        pl.col("transaction").alias("id"),
        object=pl.lit("balance_transaction"),
        amount="amount",
        available_on=settled,
        created="created",
        currency="currency",
        description=_NULL,
        exchange_rate=_NULL,
        fee="fee",
        fee_details=fee_details,
        net=pl.col("amount") - pl.col("fee"),
        reporting_category="category",
        source="source",
        status=pl.when(settled <= now).then(pl.lit("available")).otherwise(pl.lit("pending")),
        type="kind",
    )
