"""The web shop's records as Shopify keeps them: customers, products with variants, and orders with all that is in them.

Bodies are compact: ids are bare numbers, an amount is `[amount, currency]`, what is the same for all is left out;
`admin` makes Shopify's answers of them. Reviews are not Shopify's; they are an export of their own.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from sandbox import words
from sandbox.exports.kit import (
    COUNTRY_DIRT,
    MAIL_DIRT,
    NAME_DIRT,
    PHONE_DIRT,
    Out,
    day_of,
    epoch,
    iso,
    labels,
    moment,
    money,
    utc,
)
from sandbox.marketing import all_campaigns
from sandbox.store import Store
from sandbox.trade import NOW, local_day
from sandbox.vendors._shop import has_account, with_utm

#: Products and variants are numbered apart, so that one cannot pass for the other.
PRODUCT_STEP = 16_384
#: What one EUR is in the currencies that the shop sells in, for its own books.
PER_EUR = {"EUR": 1.0, "CHF": 0.945, "GBP": 0.855}
FIRST_REFUND, FIRST_FULFILMENT, FIRST_TRANSACTION = 8_800_000_000_000, 4_400_000_000_000, 6_600_000_000_000
_NOTES = ["", "", "", "", "", "", "Stammkunde", "zahlt spät,\nbitte Vorkasse"]
_MEDIA = {"google": ("Google", "SEO"), "facebook": ("Facebook", "AD"), "newsletter": ("Newsletter", "NEWSLETTER")}


def fill(out: Out, store: Store) -> None:
    """Makes the shop's records of the company's trade, and says the truth about them."""
    ids = customer_ids(out)
    _customers(out, store, ids)
    _products(out, store)
    _orders(out, store, ids)


def customer_ids(out: Out) -> pl.Series:
    """The shop's customer id of each person, none for those without an account."""
    people = out.trade.people
    number = (6_300_000_000_000 + pl.int_range(people.height, eager=True, dtype=pl.Int64) * 3_072).cast(pl.String)
    return pl.select(pl.when(has_account(out)).then(number)).to_series()


def _customers(out: Out, store: Store, ids: pl.Series) -> None:
    random = out.random("customers")
    rows = np.flatnonzero(ids.is_not_null().to_numpy())
    people = out.trade.people[rows]
    bought = out.trade.orders.filter(~pl.col("is_guest")).group_by("person").agg(bought=pl.len())
    created = moment(pl.col("joined").cast(pl.Int64)) + pl.Series(random.integers(6 * 3600, 20 * 3600, len(rows)))
    changed = pl.Series(random.integers(0, 40 * 86_400, len(rows)))
    frame = (
        people.with_columns(person=pl.Series(rows), at=created, accepts=pl.Series(random.random(len(rows)) < 0.5))
        .join(bought, on="person", how="left", maintain_order="left")
        .select(
            ids.gather(rows).alias("id"),
            "given",
            "family",
            pl.col("given").alias("given_clean"),
            pl.col("family").alias("family_clean"),
            "email",
            "phone",
            out.trade.firms["name"].gather(people["firm"]).alias("company"),
            "street",
            "city",
            "region",
            "postcode",
            pl.col("country").alias("code"),
            pl.col("country").replace_strict(words.COUNTRY_ENGLISH),
            "accepts",
            labels(random, _NOTES, len(rows)).replace("", None).alias("note"),
            pl.col("bought").fill_null(0),
            "at",
            pl.min_horizontal(pl.col("at") + changed, pl.lit(NOW - 3_600)).alias("changed"),
        )
    )
    frame = _dirty_customers(out, frame, people["country"])
    store.fill(
        "customer",
        frame,
        id="id",
        created=epoch("at") * 1000,
        updated=epoch("changed") * 1000,
        body=pl.struct(
            "id",
            firstName="given",
            lastName="family",
            email="email",
            marketingState=pl.when("accepts").then(pl.lit("SUBSCRIBED")).otherwise(pl.lit("NOT_SUBSCRIBED")),
            note="note",
            numberOfOrders="bought",
            createdAt=iso("at"),
            updatedAt=iso("changed"),
            address=_address("given_clean", "family_clean", "company", "street", "city", "region", "postcode", "phone"),
        ),
    )
    out.truth.identity(out.source, "contact", ids.gather(rows), people["person_id"])
    out.truth.rows(out.source, "contact", frame.height)


def _dirty_customers(out: Out, frame: pl.DataFrame, country: pl.Series) -> pl.DataFrame:
    """Dirt in what people type. Times, consents and ids have types at Shopify and stay as they are."""
    dirt = out.dirt("contact", "id")
    frame = dirt.spoil(frame, "given", NAME_DIRT | {"title": 0.01}, field="given_name")
    frame = dirt.spoil(frame, "family", NAME_DIRT, field="family_name")
    frame = dirt.spoil(frame, "email", MAIL_DIRT, field="email")
    frame = dirt.spoil(frame, "phone", PHONE_DIRT, field="phone")
    frame = dirt.spoil(frame, "city", {"upper": 0.01, "space": 0.01, "mojibake": 0.02}, field="city")
    return dirt.spoil(frame, "country", COUNTRY_DIRT, field="country", values=country, clean=country)


def _address(given: str, family: str, company: str | None, street: str | None, city: str, *rest: str | None) -> pl.Expr:
    """A postal address. The code of the country is there only where its name is one that Shopify knows."""
    region, postcode, phone = rest
    known = pl.col("country").is_in(list(words.COUNTRY_ENGLISH.values()))
    columns = {
        "firstName": given,
        "lastName": family,
        "company": company,
        "address1": street,
        "city": city,
        "province": region,
        "zip": postcode,
        "phone": phone,
    }
    return pl.struct(
        *(pl.lit(None, pl.String).alias(n) if c is None else pl.col(c).alias(n) for n, c in columns.items()),
        country=pl.col("country"),
        countryCodeV2=pl.when(known).then(pl.col("code")),
    )


def _products(out: Out, store: Store) -> None:
    random = out.random("products")
    frame = out.trade.products.select(
        "product_id",
        "sku",
        pl.col("name").alias("title"),
        "category",
        "brand",
        money("EUR").alias("price"),
        "barcode",
        "grams",
        "is_active",
        (moment("created") + 36_000).alias("at"),
        pl.Series(random.integers(0, 400, out.trade.products.height)).alias("stock"),
    ).with_columns(changed=pl.min_horizontal(pl.col("at") + 40 * 86_400, pl.lit(NOW - 7_200)))
    dirt = out.dirt("product", "product_id")
    frame = dirt.spoil(frame, "sku", {"sku_lower": 0.05, "sku_dash": 0.04}, field="sku")
    frame = dirt.spoil(frame, "title", {"edge_space": 0.04, "mojibake": 0.05}, field="name")
    good = frame.height
    frame = dirt.plant(frame, "negative price", {"price": "-19.90"}, reason="below_minimum: price", among=good)
    frame = frame.with_columns(product=(pl.col("product_id").cast(pl.Int64) + PRODUCT_STEP).cast(pl.String))
    created, updated = epoch("at") * 1000, epoch("changed") * 1000
    store.fill(
        "product",
        frame,
        id="product",
        body=pl.struct(
            pl.col("product").alias("id"),
            "title",
            productType="category",
            vendor="brand",
            status=pl.when("is_active").then(pl.lit("ACTIVE")).otherwise(pl.lit("ARCHIVED")),
            createdAt=iso("at"),
            updatedAt=iso("changed"),
        ),
        created=created,
        updated=updated,
    )
    store.fill(
        "variant",
        frame,
        id="product_id",
        parent="product",
        body=pl.struct(
            pl.col("product_id").alias("id"),
            "product",
            "sku",
            "barcode",
            "price",
            "grams",
            "stock",
            tracked=pl.lit(True),
            createdAt=iso("at"),
            updatedAt=iso("changed"),
        ),
        created=created,
        updated=updated,
    )
    out.truth.rows(out.source, "product", good)


def _orders(out: Out, store: Store, ids: pl.Series) -> None:
    orders = out.trade.orders
    frame = _bad_orders(out, _dirty_orders(out, _order_frame(out, ids)))
    refunds = _refunds(out)
    for name, parts in (
        ("lineItems", _lines(out)),
        ("refunds", refunds.drop("at", "gateway")),
        ("transactions", _transactions(out, refunds)),
        ("fulfillments", _fulfilments(out)),
    ):
        grouped = parts.group_by("order_id", maintain_order=True).agg(pl.struct(pl.exclude("order_id")).alias(name))
        frame = frame.join(grouped, on="order_id", how="left", maintain_order="left")
        frame = frame.with_columns(pl.col(name).fill_null([]))
    store.fill(
        "order", frame, id="order_id", created=epoch("at") * 1000, updated=epoch("changed") * 1000, body=_order_body()
    )
    _order_truth(out, orders, ids)


def _order_frame(out: Out, ids: pl.Series) -> pl.DataFrame:
    """All orders, a row each, with the amounts as text."""
    random = out.random("order frame")
    orders = out.trade.orders
    people, person = out.trade.people, orders["person"]
    notes = np.array(["", *words.ORDER_NOTES])[random.choice(5, orders.height, p=[0.94, 0.02, 0.02, 0.01, 0.01])]
    has_phone = pl.Series(random.random(orders.height) < 0.4)
    returned = _latest_refund(out)
    financial = (
        pl.when(pl.col("paid") < 0)
        .then(pl.when(pl.col("cancelled") >= 0).then(pl.lit("VOIDED")).otherwise(pl.lit("PENDING")))
        .when(pl.col("status") == "refunded")
        .then(pl.lit("REFUNDED"))
        .when(pl.col("refunded") > 0)
        .then(pl.lit("PARTIALLY_REFUNDED"))
        .otherwise(pl.lit("PAID"))
    )
    return with_utm(out, orders).select(
        "order_id",
        "order_number",
        pl.when(~pl.col("is_guest")).then(ids.gather(person)).alias("customer"),
        people["given"].gather(person).alias("given"),
        people["family"].gather(person).alias("family"),
        people["email"].gather(person).alias("email"),
        pl.when(has_phone).then(people["phone"].gather(person)).alias("phone"),
        financial.alias("financial"),
        pl.when(pl.col("shipped") >= 0).then(pl.lit("FULFILLED")).otherwise(pl.lit("UNFULFILLED")).alias("fulfilment"),
        "channel",
        "currency",
        # Prices include tax here, and so does the sum of the goods.
        money(pl.col("subtotal") + pl.col("tax") - pl.col("discount")).alias("goods"),
        money("discount").alias("discount"),
        money("shipping").alias("shipping"),
        money("tax").alias("tax"),
        money("total").alias("total"),
        money("refunded").alias("refunded"),
        money(pl.col("total") - pl.col("refunded")).alias("kept"),
        "coupon",
        "utm_source",
        "utm_medium",
        "utm_campaign",
        people["city"].gather(person).alias("city"),
        people["region"].gather(person).alias("region"),
        people["postcode"].gather(person).alias("postcode"),
        people["street"].gather(person).alias("street"),
        pl.col("country").alias("code"),
        pl.col("country").replace_strict(words.COUNTRY_ENGLISH),
        pl.Series(notes).replace("", None).alias("note"),
        pl.col("ordered").alias("at"),
        "cancelled",
        pl.max_horizontal("ordered", "paid", "cancelled", "shipped", "delivered", returned).alias("changed"),
    )


def _latest_refund(out: Out) -> pl.Series:
    latest = np.full(out.trade.orders.height, -1, dtype=np.int64)
    latest[out.trade.refunds["order"].to_numpy()] = out.trade.refunds["at"].to_numpy()
    return pl.Series("returned", latest)


def _dirty_orders(out: Out, frame: pl.DataFrame) -> pl.DataFrame:
    country = out.trade.orders["country"]
    dirt = out.dirt("sales_order", "order_id")
    frame = dirt.spoil(frame, "email", {"upper": 0.01, "space": 0.01}, field="email")
    frame = dirt.spoil(frame, "phone", PHONE_DIRT, field="phone")
    frame = dirt.spoil(frame, "country", COUNTRY_DIRT, field="ship_country", values=country, clean=country)
    return dirt.spoil(frame, "city", {"upper": 0.01, "mojibake": 0.02}, field="ship_city")


def _bad_orders(out: Out, frame: pl.DataFrame) -> pl.DataFrame:
    """Orders that must not reach the warehouse. Shopify's types let no others through: no order without a total."""
    dirt = out.dirt("sales_order", "order_id")
    good = frame.height
    for kind, changes, reason in (
        ("negative total", {"total": "-49.90"}, "below_minimum: total"),
        # Shopify leaves the status out while it does not know it; the status says nothing of a cancelled order.
        ("no status", {"financial": None, "cancelled": None, "fulfilment": "UNFULFILLED"}, "missing: status"),
    ):
        frame = dirt.plant(
            frame.with_columns(pl.col("cancelled").cast(pl.String)),
            kind,
            changes,
            reason=reason,
            among=good,
            share=0.0004,
            ids="99{:011d}",
        ).with_columns(pl.col("cancelled").cast(pl.Int64).fill_null(-1))
    return frame


def _order_body() -> pl.Expr:
    def amount(column: str) -> pl.Expr:
        return pl.concat_list(column, "currency")

    is_cancelled = pl.col("cancelled") >= 0
    came = pl.when(pl.col("utm_source").is_not_null()).then(
        pl.struct(
            source=pl.col("utm_source").replace_strict({k: v[0] for k, v in _MEDIA.items()}, default=None),
            sourceType=pl.col("utm_source").replace_strict({k: v[1] for k, v in _MEDIA.items()}, default=None),
            occurredAt=iso("at"),
            utmParameters=pl.struct(
                source="utm_source",
                medium="utm_medium",
                campaign="utm_campaign",
                content=pl.lit(None, pl.String),
                term=pl.lit(None, pl.String),
            ),
        )
    )
    return pl.struct(
        pl.col("order_id").alias("id"),
        name="order_number",
        customer="customer",
        email="email",
        phone="phone",
        note="note",
        cancelledAt=iso("cancelled"),
        cancelReason=pl.when(is_cancelled).then(pl.lit("CUSTOMER")),
        createdAt=iso("at"),
        updatedAt=iso("changed"),
        presentmentCurrencyCode="currency",
        displayFinancialStatus="financial",
        displayFulfillmentStatus="fulfilment",
        sourceName="channel",
        discountCode="coupon",
        subtotalPriceSet=amount("goods"),
        totalDiscountsSet=amount("discount"),
        totalShippingPriceSet=amount("shipping"),
        totalTaxSet=amount("tax"),
        totalPriceSet=amount("total"),
        currentTotalPriceSet=amount("kept"),
        totalRefundedSet=amount("refunded"),
        shippingAddress=_address("given", "family", None, "street", "city", "region", "postcode", "phone"),
        lastVisit=came,
        lineItems="lineItems",
        refunds="refunds",
        transactions="transactions",
        fulfillments="fulfillments",
    )


def _lines(out: Out) -> pl.DataFrame:
    lines, orders, products = out.trade.lines, out.trade.orders, out.trade.products
    order, product = lines["order"], lines["product"]
    frame = lines.select(
        orders["order_id"].gather(order).alias("order_id"),
        pl.col("line_id").alias("id"),
        products["product_id"].gather(product).alias("variant"),
        products["sku"].gather(product).alias("sku"),
        products["name"].gather(product).alias("title"),
        products["brand"].gather(product).alias("vendor"),
        "quantity",
        money("unit_price").alias("price"),
        money("discount").alias("discount"),
        money("total").alias("total"),
        orders["currency"].gather(order).alias("currency"),
    )
    dirt = out.dirt("order_line", "id")
    frame = dirt.spoil(frame, "sku", {"sku_lower": 0.01, "sku_dash": 0.01, "space": 0.005}, field="sku")
    good = frame.height
    frame = dirt.plant(
        frame,
        "negative price",
        {"price": "-5.00"},
        reason="below_minimum: unit_price",
        among=good,
        share=0.0003,
        ids="99{:011d}",
    )
    out.truth.rows(out.source, "order_line", good)
    sums = lines.with_columns(
        currency=orders["currency"].gather(order),
        minor=pl.col("total"),
        day=orders.select(local_day(pl.col("ordered"))).to_series().gather(order),
    )
    out.truth.sums("line_total", "order_line", out.source, sums)
    out.truth.fact(
        "order_line",
        lines.select(
            order_id=_order_id(orders["order_id"].gather(order)),
            sku=products["sku"].gather(product),
            quantity="quantity",
            total="total",
        ),
        out.source,
    )
    return frame


def _order_id(id: pl.Series) -> pl.Expr:
    return pl.lit("shop:") + pl.lit(id)


def _refunds(out: Out) -> pl.DataFrame:
    """All refunds; those that went back through the payment provider are in its own system too."""
    refunds, orders = out.trade.refunds, out.trade.orders
    order = refunds["order"]
    currency = orders["currency"].gather(order)
    frame = refunds.with_columns(currency=currency).select(
        orders["order_id"].gather(order).alias("order_id"),
        (FIRST_REFUND + pl.int_range(pl.len(), dtype=pl.Int64) * 256).cast(pl.String).alias("id"),
        iso("at").alias("createdAt"),
        iso("at").alias("processedAt"),
        pl.col("reason").alias("note"),
        pl.concat_list(money("amount"), "currency").alias("totalRefundedSet"),
        "at",
        pl.when("is_credit").then(pl.lit("shopify_store_credit")).otherwise(pl.lit("stripe")).alias("gateway"),
    )
    good = frame.height
    frame = out.dirt("refund", "id").plant(
        frame,
        "no day",
        {"createdAt": None, "gateway": "shopify_store_credit"},
        reason="missing: refunded_at",
        among=good,
        share=0.001,
        ids="99{:011d}",
    )
    # A planted one is a copy: it must not share its moment with the one that it was made of.
    is_bad = pl.int_range(pl.len()) >= good
    moved = pl.when(is_bad).then(pl.col("at") + 3_600).otherwise("at")
    frame = frame.with_columns(at=moved).with_columns(processedAt=iso("at"))
    credits = refunds.with_columns(currency=currency, day=local_day(pl.col("at")), minor=pl.col("amount"))
    out.truth.rows(out.source, "refund", int(refunds["is_credit"].sum()))
    out.truth.sums("refund_amount", "refund", out.source, credits.filter("is_credit"))
    credits = credits.with_columns(order_id=_order_id(orders["order_id"].gather(order))).filter("is_credit")
    out.truth.fact("refund", credits.select("order_id", "day", "currency", "amount", "reason"), out.source)
    return frame


def _transactions(out: Out, refunds: pl.DataFrame) -> pl.DataFrame:
    """Attempts to pay, and money given back, each through its gateway."""
    charges, orders = out.trade.charges, out.trade.orders
    order = charges["order"]
    is_good = pl.col("status") == "succeeded"
    paid = charges.with_columns(currency=orders["currency"].gather(order)).select(
        orders["order_id"].gather(order).alias("order_id"),
        pl.lit("SALE").alias("kind"),
        pl.when(is_good).then(pl.lit("SUCCESS")).otherwise(pl.lit("FAILURE")).alias("status"),
        pl.lit("stripe").alias("gateway"),
        pl.concat_list(money("amount"), "currency").alias("amountSet"),
        iso("at").alias("createdAt"),
        pl.when(~is_good).then(pl.lit("CARD_DECLINED")).alias("errorCode"),
    )
    returned = refunds.select(
        "order_id",
        pl.lit("REFUND").alias("kind"),
        pl.lit("SUCCESS").alias("status"),
        "gateway",
        pl.col("totalRefundedSet").alias("amountSet"),
        pl.col("processedAt").alias("createdAt"),
        pl.lit(None, pl.String).alias("errorCode"),
    )
    number = FIRST_TRANSACTION + pl.int_range(pl.len(), dtype=pl.Int64) * 64
    return pl.concat([paid, returned]).with_columns(id=number.cast(pl.String))


def _fulfilments(out: Out) -> pl.DataFrame:
    """Parcels to consumers. What businesses order leaves through the warehouse, which only reports it as sent."""
    random = out.random("fulfilments")
    orders = out.trade.orders.filter(pl.col("shipped") >= 0)
    count = orders.height
    by_shop = ~pl.col("is_business")
    tracking = "00340" + pl.Series(random.integers(10**11, 10**12, count)).cast(pl.String)
    out.truth.rows(out.source, "shipment", orders.filter(by_shop).height)
    carrier = labels(random, list(words.CARRIERS), count)
    out.truth.fact(
        "shipment",
        orders.filter(by_shop).select(
            carrier=carrier.filter(orders.select(by_shop).to_series()),
            shipped_day=day_of("shipped"),
            delivered_day=day_of("delivered"),
            promised_day=local_day(pl.col("promised") * 86_400),
        ),
        out.source,
    )
    return orders.select(
        "order_id",
        (FIRST_FULFILMENT + pl.int_range(pl.len(), dtype=pl.Int64) * 128).cast(pl.String).alias("id"),
        (pl.col("order_number") + "-F1").alias("name"),
        pl.when(pl.col("delivered") >= 0)
        .then(pl.lit("DELIVERED"))
        .otherwise(pl.lit("IN_TRANSIT"))
        .alias("displayStatus"),
        pl.when(by_shop).then(carrier).alias("company"),
        pl.when(by_shop).then(tracking).alias("number"),
        by_shop.alias("by_shop"),
        iso("shipped").alias("createdAt"),
        iso("delivered").alias("deliveredAt"),
        iso(pl.col("promised") * 86_400 + 18 * 3_600).alias("estimatedDeliveryAt"),
    )


def _order_truth(out: Out, orders: pl.DataFrame, ids: pl.Series) -> None:
    guests = orders.select("order_id", "person").filter(orders["is_guest"])
    people = out.trade.people
    out.truth.identity(
        out.source,
        "sales_order",
        guests["order_id"],
        people["person_id"].gather(guests["person"]),
        people["email"].gather(guests["person"]),
    )
    out.truth.rows(out.source, "sales_order", orders.height)
    dated = orders.with_columns(day=local_day(pl.col("ordered")))
    for measure in ("total", "tax", "discount", "shipping"):
        out.truth.sums(f"order_{measure}", "sales_order", out.source, dated.with_columns(minor=pl.col(measure)))
    kept = dated.filter(pl.col("status") != "cancelled").with_columns(minor=pl.col("total"))
    out.truth.sums("order_total_not_cancelled", "sales_order", out.source, kept)
    _order_fact(out, with_utm(out, orders), ids)


def _order_fact(out: Out, orders: pl.DataFrame, ids: pl.Series) -> None:
    people, person = out.trade.people, orders["person"]
    account = pl.lit("contact:shop:") + pl.lit(ids.gather(person))
    guest = pl.lit("email:shop:") + pl.lit(people["email"].gather(person))
    campaigns = all_campaigns(out.seed)
    out.truth.fact(
        "order",
        orders.select(
            "status",
            "channel",
            "country",
            "currency",
            "total",
            "discount",
            "shipping",
            "tax",
            "utm_medium",
            order_id=_order_id(orders["order_id"]),
            record_id=pl.when("is_guest").then(guest).otherwise(account),
            person_id=people["person_id"].gather(person),
            at=utc("ordered"),
            day=day_of("ordered"),
            campaign_id=pl.col("utm_campaign").replace_strict(
                campaigns["name"], campaigns["campaign_id"], default=None
            ),
        ),
        out.source,
    )
