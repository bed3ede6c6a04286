"""Customers, subscriptions and invoices of the demo company's Stripe account, and the truth about them.

Shapes are those of API version 2022-11-15. What was paid is in `payments`.
"""

from __future__ import annotations

import polars as pl

from sandbox.exports.kit import MAIL_DIRT, PHONE_DIRT, Out, epoch, known_as, labels, moment
from sandbox.store import Store
from sandbox.trade import NOW

_PLANS = {"Kaffee-Abo": 2490, "Tee-Abo": 1890, "Genuss-Box": 3490}
MONTH = 30 * 86_400
_NONE = pl.lit([], pl.List(pl.Null))
_NULL = pl.lit(None, pl.String)


def fill_billing(out: Out, store: Store, subscribers: pl.DataFrame) -> None:
    """Fills customers, subscriptions and invoices."""
    _fill_customers(out, store, subscribers)
    _fill_invoices(out, store, _fill_subscriptions(out, store, subscribers))


def subscribers_of(out: Out) -> pl.DataFrame:
    """People with a subscription, as Stripe knows them; everybody else pays as a guest."""
    random = out.random("subscribers")
    buyers = out.trade.orders["person"].unique().sort().to_numpy()
    chosen = buyers[random.random(len(buyers)) < 0.025]
    return known_as(random, out.trade.people, chosen).with_columns(
        customer_id=pl.lit("cus_0") + ((pl.int_range(pl.len()) * 48_271 + 11) % 99_999_989).cast(pl.String).str.zfill(8)
    )


def _fill_customers(out: Out, store: Store, subscribers: pl.DataFrame) -> None:
    frame = subscribers.with_columns(
        created=epoch(moment(pl.max_horizontal("joined", 0)) + 43_200), name=pl.col("given") + " " + pl.col("family")
    )
    dirt = out.dirt("contact", "customer_id")
    kinds = {"upper": 0.03, "last_first": 0.05, "title": 0.04, "mojibake": 0.04}
    frame = dirt.spoil(frame, "name", kinds, field="full_name")
    frame = dirt.spoil(frame, "email", MAIL_DIRT, field="email")
    frame = dirt.spoil(frame, "phone", PHONE_DIRT, field="phone")
    body = pl.struct(
        pl.col("customer_id").alias("id"),
        object=pl.lit("customer"),
        address=pl.struct(
            city="city",
            country="country",
            line1="street",
            line2=_NULL,
            postal_code="postcode",
            state=_NULL,
        ),
        balance=0,
        created="created",
        currency=pl.lit("eur"),
        default_source=_NULL,
        delinquent=False,
        description=pl.lit("Abonnent"),
        discount=_NULL,
        email="email",
        invoice_prefix=pl.col("customer_id").str.slice(5),
        livemode=True,
        metadata=pl.struct(origin=pl.lit("abo")),
        name="name",
        next_invoice_sequence=1,
        phone="phone",
        preferred_locales=_NONE,
        shipping=_NULL,
        tax_exempt=pl.lit("none"),
        test_clock=_NULL,
    )
    store.fill("customers", frame, id="customer_id", created=pl.col("created") * 1000, body=body)
    out.truth.identity(out.source, "contact", subscribers["customer_id"], subscribers["person_id"])
    out.truth.rows(out.source, "contact", subscribers.height)


def _fill_subscriptions(out: Out, store: Store, subscribers: pl.DataFrame) -> pl.DataFrame:
    random = out.random("subscriptions")
    count = subscribers.height
    start = random.integers(0, 700, count)
    ends = start + random.integers(30, 900, count)
    plan = labels(random, list(_PLANS), count)
    at = subscribers.with_columns(
        start=pl.Series(start),
        ends=pl.Series(ends),
        plan=plan,
        amount=plan.replace_strict(_PLANS).cast(pl.String),
        state=labels(random, ["active", "past_due", "paused"], count, p=[0.9, 0.06, 0.04]),
    ).with_columns(began=moment("start") + 40_000, ended=moment("ends") + 40_000)
    over = pl.col("ended") < NOW
    frame = at.select(
        pl.format("sub_0{}", pl.int_range(pl.len()).cast(pl.String).str.zfill(7)).alias("id"),
        "customer_id",
        "email",
        "plan",
        pl.when(over).then(pl.lit("canceled")).otherwise("state").alias("status"),
        "amount",
        epoch("began").alias("began"),
        pl.when(over).then(epoch("ended")).alias("ended"),
    )
    frame = out.dirt("subscription", "id").plant(
        frame, "priced in tiers", {"amount": None}, reason="missing: amount", among=count, ids="sub_X{:09d}"
    )
    out.truth.rows(out.source, "subscription", count)
    out.truth.fact(
        "subscription",
        at.select(
            record_id=pl.lit("contact:payments:") + pl.col("customer_id"),
            person_id="person_id",
            status=pl.when(over).then(pl.lit("cancelled")).otherwise("state"),
            amount=pl.col("amount").cast(pl.Int64),
        ),
        out.source,
    )
    frame = frame.with_columns(pl.col("amount").cast(pl.Int64))
    store.fill(
        "subscriptions", frame, id="id", created=pl.col("began") * 1000, parent="customer_id", body=_subscription()
    )
    return frame.head(count)


def _subscription() -> pl.Expr:
    now = pl.select(epoch(pl.lit(NOW))).item()
    until = pl.coalesce("ended", pl.lit(now))
    period = pl.col("began") + (until - pl.col("began")) // MONTH * MONTH
    item = pl.struct(
        id=pl.lit("si_") + pl.col("id").str.slice(4),
        object=pl.lit("subscription_item"),
        billing_thresholds=_NULL,
        created="began",
        metadata=pl.struct(origin=pl.lit("abo")),
        price=_price(),
        quantity=1,
        subscription="id",
        tax_rates=_NONE,
    )
    return pl.struct(
        "id",
        object=pl.lit("subscription"),
        application=_NULL,
        application_fee_percent=_NULL,
        automatic_tax=pl.struct(enabled=False),
        billing_cycle_anchor="began",
        billing_thresholds=_NULL,
        cancel_at=_NULL,
        cancel_at_period_end=False,
        canceled_at="ended",
        collection_method=pl.lit("send_invoice"),
        created="began",
        currency=pl.lit("eur"),
        current_period_end=period + MONTH,
        current_period_start=period,
        customer="customer_id",
        days_until_due=14,
        default_payment_method=_NULL,
        default_source=_NULL,
        default_tax_rates=_NONE,
        description=_NULL,
        discount=_NULL,
        ended_at="ended",
        items=pl.struct(
            object=pl.lit("list"),
            data=pl.concat_list(item),
            has_more=False,
            url=pl.lit("/v1/subscription_items?subscription=") + pl.col("id"),
        ),
        latest_invoice=_NULL,
        livemode=True,
        metadata=pl.struct(origin=pl.lit("abo")),
        pause_collection=_NULL,
        schedule=_NULL,
        start_date="began",
        status="status",
        test_clock=_NULL,
        trial_end=_NULL,
        trial_start=_NULL,
    )


def _price() -> pl.Expr:
    slug = pl.col("plan").str.to_lowercase().str.replace("-", "_", literal=True)
    tiered = pl.col("amount").is_null()
    return pl.struct(
        id=pl.lit("price_") + slug,
        object=pl.lit("price"),
        active=True,
        billing_scheme=pl.when(tiered).then(pl.lit("tiered")).otherwise(pl.lit("per_unit")),
        created=1_700_000_000,
        currency=pl.lit("eur"),
        livemode=True,
        lookup_key=_NULL,
        metadata=pl.struct(origin=pl.lit("abo")),
        nickname="plan",
        product=pl.lit("prod_") + slug,
        recurring=pl.struct(
            aggregate_usage=_NULL, interval=pl.lit("month"), interval_count=1, usage_type=pl.lit("licensed")
        ),
        tax_behavior=pl.lit("inclusive"),
        tiers_mode=pl.when(tiered).then(pl.lit("graduated")),
        transform_quantity=_NULL,
        type=pl.lit("recurring"),
        unit_amount="amount",
        unit_amount_decimal=pl.col("amount").cast(pl.String),
    )


def _fill_invoices(out: Out, store: Store, subscriptions: pl.DataFrame) -> None:
    """A bill for each month of a subscription, paid by bank transfer past Stripe; the latest may be open or a draft."""
    now = pl.select(epoch(pl.lit(NOW))).item()
    last = (pl.coalesce("ended", pl.lit(now - 1)) - pl.col("began")) // MONTH
    frame = (
        subscriptions.with_columns(last=last, month=pl.int_ranges(0, last + 1))
        .explode("month")
        .with_columns(issued=pl.col("began") + pl.col("month") * MONTH)
        .sort("issued", "id")
        .with_row_index("position")
    )
    is_last = (pl.col("month") == pl.col("last")) & pl.col("ended").is_null()
    turn = is_last.cum_sum()
    frame = frame.with_columns(
        invoice=pl.format("in_0{}", pl.col("position").cast(pl.String).str.zfill(8)),
        state=pl.when(is_last & (turn % 6 == 1))
        .then(pl.lit("draft"))
        .when(is_last & ((pl.col("status") == "past_due") | (turn % 3 == 0)))
        .then(pl.lit("open"))
        .otherwise(pl.lit("paid")),
        tax=pl.col("amount") * 19 // 119,
    )
    store.fill(
        "invoices", frame, id="invoice", created=pl.col("issued") * 1000, parent="customer_id", body=_invoice(now)
    )
    out.truth.rows(out.source, "invoice", frame.height)
    billed = frame.select(
        pl.lit("EUR").alias("currency"), day=pl.from_epoch("issued").dt.date(), minor=pl.col("amount")
    )
    out.truth.sums("invoice_total", "invoice", out.source, billed)


def _invoice(now: int) -> pl.Expr:
    is_paid, is_draft = pl.col("state") == "paid", pl.col("state") == "draft"
    paid_at = pl.min_horizontal(pl.col("issued") + 6 * 86_400, pl.lit(now - 600))
    line = pl.struct(
        id=pl.lit("il_") + pl.col("invoice").str.slice(3),
        object=pl.lit("line_item"),
        amount="amount",
        currency=pl.lit("eur"),
        description="plan",
        discountable=True,
        livemode=True,
        metadata=pl.struct(origin=pl.lit("abo")),
        period=pl.struct(end=pl.col("issued") + MONTH, start="issued"),
        price=_price(),
        proration=False,
        quantity=1,
        subscription="id",
        type=pl.lit("subscription"),
    )
    return pl.struct(
        pl.col("invoice").alias("id"),
        object=pl.lit("invoice"),
        account_country=pl.lit("DE"),
        account_name=pl.lit("Mühlbach Versand GmbH"),
        amount_due="amount",
        amount_paid=pl.when(is_paid).then("amount").otherwise(0),
        amount_remaining=pl.when(is_paid).then(0).otherwise("amount"),
        amount_shipping=0,
        attempt_count=0,
        attempted=False,
        automatic_tax=pl.struct(enabled=False, status=_NULL),
        billing_reason=pl.when(pl.col("month") == 0)
        .then(pl.lit("subscription_create"))
        .otherwise(pl.lit("subscription_cycle")),
        charge=_NULL,
        collection_method=pl.lit("send_invoice"),
        created="issued",
        currency=pl.lit("eur"),
        customer="customer_id",
        customer_email="email",
        default_tax_rates=_NONE,
        description=_NULL,
        due_date=pl.col("issued") + 14 * 86_400,
        ending_balance=0,
        lines=pl.struct(
            object=pl.lit("list"),
            data=pl.concat_list(line),
            has_more=False,
            url=pl.lit("/v1/invoices/") + pl.col("invoice") + pl.lit("/lines"),
        ),
        livemode=True,
        metadata=pl.struct(origin=pl.lit("abo")),
        number=pl.when(~is_draft).then(pl.format("ABO-{}", pl.col("position").cast(pl.String).str.zfill(6))),
        paid=is_paid,
        paid_out_of_band=is_paid,
        payment_settings=pl.struct(default_mandate=_NULL, payment_method_options=_NULL, payment_method_types=_NULL),
        period_end="issued",
        period_start="issued",
        post_payment_credit_notes_amount=0,
        pre_payment_credit_notes_amount=0,
        starting_balance=0,
        status="state",
        status_transitions=pl.struct(
            finalized_at=pl.when(~is_draft).then("issued"),
            marked_uncollectible_at=_NULL,
            paid_at=pl.when(is_paid).then(paid_at),
            voided_at=_NULL,
        ),
        subscription="id",
        subtotal="amount",
        subtotal_excluding_tax=pl.col("amount") - pl.col("tax"),
        tax="tax",
        total="amount",
        total_excluding_tax=pl.col("amount") - pl.col("tax"),
        total_tax_amounts=pl.concat_list(pl.struct(amount="tax", inclusive=True, tax_rate=pl.lit("txr_19"))),
    )
