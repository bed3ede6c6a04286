"""The web shop's records as WooCommerce keeps them: customers, products and variations, orders with lines, refunds.

WooCommerce keeps amounts without tax and the tax beside them, knows no parcels, and writes times without an offset, in
the site's zone and once more in GMT.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from sandbox import words
from sandbox.exports.kit import MAIL_DIRT, NAME_DIRT, PHONE_DIRT, Out, epoch, moment, money, utc, zoned
from sandbox.store import Store
from sandbox.trade import NOW
from sandbox.vendors._shop import has_account, with_utm

FIRST_CUSTOMER, FIRST_PRODUCT, FIRST_VARIATION = 11, 1_001, 6_001
FIRST_ORDER, FIRST_LINE, FIRST_REFUND = 200_001, 900_001, 800_001
#: Every so many products come in a variation.
VARIES = 10
_TIME = "%Y-%m-%dT%H:%M:%S"


def fill(out: Out, store: Store) -> None:
    """Makes the shop's records of the company's trade."""
    ids = _customers(out, store)
    _products(out, store)
    _orders(out, store, ids)
    _refunds(out, store)


def times(name: str, seconds: str) -> list[pl.Expr]:
    """A time as the interface writes it: in the site's zone, and in GMT."""
    return [
        zoned(seconds).dt.strftime(_TIME).alias(name),
        utc(seconds).dt.strftime(_TIME).alias(f"{name}_gmt"),
    ]


def _millis(seconds: str) -> pl.Expr:
    return epoch(seconds) * 1000


def _customers(out: Out, store: Store) -> pl.Series:
    """Customers; gives the id of each person, none for those without an account."""
    random = out.random("customers")
    known = has_account(out)
    rows = np.flatnonzero(known.to_numpy())
    numbers = np.full(len(known), None, dtype=object)
    numbers[rows] = np.arange(len(rows)) + FIRST_CUSTOMER
    ids = pl.Series(numbers.tolist(), dtype=pl.Int64)
    people = out.trade.people[rows]
    created = moment(pl.col("joined").cast(pl.Int64)) + pl.Series(random.integers(6 * 3600, 20 * 3600, len(rows)))
    frame = people.with_columns(
        id=ids.gather(rows).cast(pl.String),
        at=created,
        company=out.trade.firms["name"].gather(people["firm"]).fill_null(""),
        state=pl.lit(""),
    ).with_columns(changed=pl.min_horizontal(pl.col("at") + 86_400 * 7, pl.lit(NOW - 3_600)))
    dirt = out.dirt("contact", "id")
    frame = dirt.spoil(frame, "given", NAME_DIRT, field="given_name")
    frame = dirt.spoil(frame, "family", NAME_DIRT, field="family_name")
    frame = dirt.spoil(frame, "email", MAIL_DIRT, field="email")
    frame = dirt.spoil(frame, "phone", PHONE_DIRT, field="phone")
    store.fill(
        "customer",
        frame,
        id="id",
        created=_millis("at"),
        updated=_millis("changed"),
        body=pl.struct(
            pl.col("id").cast(pl.Int64),
            *times("date_created", "at"),
            *times("date_modified", "changed"),
            pl.col("email"),
            first_name="given",
            last_name="family",
            role=pl.lit("customer"),
            username=pl.col("email").str.split("@").list.first(),
            billing=_address("email", "phone"),
            shipping=_address(),
            is_paying_customer=pl.lit(True),
            avatar_url=pl.lit(""),
            meta_data=pl.lit([]),
        ),
    )
    out.truth.identity(out.source, "contact", frame["id"], people["person_id"])
    out.truth.rows(out.source, "contact", frame.height)
    return ids


def _address(*more: str) -> pl.Expr:
    return pl.struct(
        pl.col("given").alias("first_name"),
        pl.col("family").alias("last_name"),
        pl.col("company"),
        pl.col("street").alias("address_1"),
        pl.lit("").alias("address_2"),
        pl.col("city"),
        pl.col("state"),
        pl.col("postcode"),
        pl.col("country"),
        *(pl.col(name).fill_null("") for name in more),
    )


def _products(out: Out, store: Store) -> None:
    number = pl.int_range(pl.len())
    frame = out.trade.products.with_columns(
        id=FIRST_PRODUCT + number,
        variation=FIRST_VARIATION + number,
        varies=number % VARIES == 0,
        at=moment("created") + 36_000,
        weight=(pl.col("grams") / 1000).cast(pl.String),
        price=money("EUR"),
        status=pl.when("is_active").then(pl.lit("publish")).otherwise(pl.lit("draft")),
    ).with_columns(changed=pl.min_horizontal(pl.col("at") + 40 * 86_400, pl.lit(NOW - 7_200)))
    frame = frame.with_columns(key=pl.col("id").cast(pl.String))
    dirt = out.dirt("product", "key")
    frame = dirt.spoil(frame, "sku", {"sku_lower": 0.05, "sku_dash": 0.04}, field="sku")
    frame = dirt.spoil(frame, "name", {"edge_space": 0.04, "mojibake": 0.05}, field="name")
    goods = [
        *times("date_created", "at"),
        *times("date_modified", "changed"),
        pl.col("status"),
        pl.col("weight"),
        pl.lit(False).alias("manage_stock"),
        pl.lit(None, pl.Int64).alias("stock_quantity"),
        pl.lit("instock").alias("stock_status"),
        pl.lit("taxable").alias("tax_status"),
    ]
    # A product that comes in variations has no article number and no price of its own.
    own = ~pl.col("varies")
    store.fill(
        "product",
        frame,
        id="key",
        created=_millis("at"),
        updated=_millis("changed"),
        body=pl.struct(
            "id",
            "name",
            pl.col("name").str.to_lowercase().str.replace_all(r"\W+", "-").alias("slug"),
            pl.when("varies").then(pl.lit("variable")).otherwise(pl.lit("simple")).alias("type"),
            pl.when(own).then("sku").otherwise(pl.lit("")).alias("sku"),
            pl.when(own).then("barcode").otherwise(pl.lit("")).alias("global_unique_id"),
            pl.col("price"),
            pl.when(own).then("price").otherwise(pl.lit("")).alias("regular_price"),
            pl.concat_list(pl.struct(pl.lit(1).alias("id"), pl.col("category").alias("name"))).alias("categories"),
            pl.concat_list(pl.struct(pl.lit(1).alias("id"), pl.col("brand").alias("name"))).alias("brands"),
            _some(pl.concat_list("variation"), pl.col("varies")).alias("variations"),
            *goods,
        ),
    )
    store.fill(
        "variation",
        frame.filter("varies"),
        id="variation",
        parent="key",
        created=_millis("at"),
        updated=_millis("changed"),
        body=pl.struct(
            pl.col("variation").alias("id"),
            pl.col("id").alias("parent_id"),
            pl.col("name"),
            pl.col("sku"),
            pl.col("barcode").alias("global_unique_id"),
            pl.col("price"),
            pl.col("price").alias("regular_price"),
            pl.lit("variation").alias("type"),
            *goods,
        ),
    )
    out.truth.rows(out.source, "product", frame.height)


def _orders(out: Out, store: Store, ids: pl.Series) -> None:
    orders = out.trade.orders
    people, person = out.trade.people, orders["person"]
    status = (
        pl.when(pl.col("cancelled") >= 0)
        .then(pl.lit("cancelled"))
        .when(pl.col("status") == "refunded")
        .then(pl.lit("refunded"))
        .when(pl.col("shipped") >= 0)
        .then(pl.lit("completed"))
        .when(pl.col("paid") >= 0)
        .then(pl.lit("processing"))
        .otherwise(pl.lit("pending"))
    )
    lines = _lines(out).group_by("order", maintain_order=True).agg(pl.struct(pl.exclude("order")).alias("line_items"))
    random = out.random("orders")
    frame = (
        with_utm(out, orders)
        .select(
            (FIRST_ORDER + pl.int_range(pl.len())).alias("number"),
            pl.col("order_number"),
            status.alias("status"),
            "currency",
            "coupon",
            pl.when("is_guest").then(0).otherwise(ids.gather(person)).alias("customer"),
            *(people[c].gather(person).alias(c) for c in ("given", "family", "email", "street", "city", "postcode")),
            pl.when(pl.Series(random.random(orders.height) < 0.4)).then(people["phone"].gather(person)).alias("phone"),
            "country",
            pl.lit("").alias("company"),
            pl.lit("").alias("state"),
            pl.col("ordered").alias("at"),
            pl.when(pl.col("paid") >= 0).then("paid").alias("paid"),
            pl.when(pl.col("shipped") >= 0).then("shipped").alias("done"),
            pl.max_horizontal("ordered", "paid", "cancelled", "shipped", _refunded_at(out)).alias("changed"),
            "discount",
            "shipping",
            "tax",
            "total",
            _without_tax("discount").alias("discount_net"),
            _without_tax("shipping").alias("shipping_net"),
            "utm_source",
            "utm_medium",
            "utm_campaign",
            lines["line_items"],
        )
        .with_columns(key=pl.col("number").cast(pl.String))
    )
    dirt = out.dirt("sales_order", "key")
    frame = dirt.spoil(frame, "email", {"upper": 0.01, "space": 0.01}, field="email")
    frame = dirt.spoil(frame, "phone", PHONE_DIRT, field="phone")
    store.fill("order", frame, id="key", created=_millis("at"), updated=_millis("changed"), body=_order_body())
    out.truth.rows(out.source, "sales_order", orders.height)


def _some(values: pl.Expr, there: pl.Expr) -> pl.Expr:
    """A list where it is there, an empty one elsewhere."""
    return values.list.head(pl.when(there).then(values.list.len()).otherwise(0))


def _refunded_at(out: Out) -> pl.Series:
    latest = np.full(out.trade.orders.height, -1, dtype=np.int64)
    latest[out.trade.refunds["order"].to_numpy()] = out.trade.refunds["at"].to_numpy()
    return pl.Series("returned", latest)


def _without_tax(column: str) -> pl.Expr:
    """An amount that includes the country's tax, without it."""
    permille = pl.col("country").replace_strict(words.TAX_PERMILLE)
    return (pl.col(column) * 1000 / (1000 + permille)).round().cast(pl.Int64)


def _order_body() -> pl.Expr:
    meta = [
        pl.struct(pl.lit(i).alias("id"), pl.lit(key).alias("key"), pl.col(column).alias("value"))
        for i, (key, column) in enumerate(
            {
                "_wc_order_attribution_utm_source": "utm_source",
                "_wc_order_attribution_utm_medium": "utm_medium",
                "_wc_order_attribution_utm_campaign": "utm_campaign",
            }.items()
        )
    ]
    coupon = pl.struct(
        pl.lit(1).alias("id"),
        pl.col("coupon").str.to_lowercase().alias("code"),
        money("discount_net").alias("discount"),
        money(pl.col("discount") - pl.col("discount_net")).alias("discount_tax"),
    )
    return pl.struct(
        pl.col("number").alias("id"),
        pl.lit(0).alias("parent_id"),
        pl.col("order_number").alias("number"),
        pl.lit("checkout").alias("created_via"),
        pl.lit("10.3.0").alias("version"),
        "status",
        "currency",
        *times("date_created", "at"),
        *times("date_modified", "changed"),
        *times("date_paid", "paid"),
        *times("date_completed", "done"),
        money("discount_net").alias("discount_total"),
        money(pl.col("discount") - pl.col("discount_net")).alias("discount_tax"),
        money("shipping_net").alias("shipping_total"),
        money(pl.col("shipping") - pl.col("shipping_net")).alias("shipping_tax"),
        money(pl.col("tax") - pl.col("shipping") + pl.col("shipping_net")).alias("cart_tax"),
        money("total").alias("total"),
        money("tax").alias("total_tax"),
        pl.lit(True).alias("prices_include_tax"),
        pl.col("customer").alias("customer_id"),
        pl.lit("").alias("customer_note"),
        _address("email", "phone").alias("billing"),
        _address("phone").alias("shipping"),
        pl.lit("stripe").alias("payment_method"),
        pl.lit("").alias("transaction_id"),
        _some(pl.concat_list(meta), pl.col("utm_source").is_not_null()).alias("meta_data"),
        "line_items",
        _some(pl.concat_list(coupon), pl.col("coupon").is_not_null()).alias("coupon_lines"),
    )


def _lines(out: Out) -> pl.DataFrame:
    """Lines, with the tax taken out of each amount and set beside it."""
    lines, orders, products = out.trade.lines, out.trade.orders, out.trade.products
    order, product = lines["order"], lines["product"]
    gross = pl.col("quantity") * pl.col("unit_price")
    varies = pl.col("product") % VARIES == 0
    return (
        lines.with_columns(country=orders["country"].gather(order), gross=gross, sku=products["sku"].gather(product))
        .with_columns(subtotal_net=_without_tax("gross"), total_net=_without_tax("total"))
        .select(
            "order",
            (FIRST_LINE + pl.int_range(pl.len())).alias("id"),
            products["name"].gather(product).alias("name"),
            (FIRST_PRODUCT + pl.col("product")).alias("product_id"),
            pl.when(varies).then(FIRST_VARIATION + pl.col("product")).otherwise(0).alias("variation_id"),
            "quantity",
            money("subtotal_net").alias("subtotal"),
            money(pl.col("gross") - pl.col("subtotal_net")).alias("subtotal_tax"),
            money("total_net").alias("total"),
            money(pl.col("total") - pl.col("total_net")).alias("total_tax"),
            "sku",
            (pl.col("total_net") / pl.col("quantity") / 100).alias("price"),
        )
    )


def _refunds(out: Out, store: Store) -> None:
    refunds = out.trade.refunds
    frame = refunds.with_columns(
        id=FIRST_REFUND + pl.int_range(pl.len()), parent=FIRST_ORDER + pl.col("order"), by_api=~pl.col("is_credit")
    )
    store.fill(
        "refund",
        frame,
        id="id",
        parent="parent",
        created=_millis("at"),
        body=pl.struct(
            "id",
            pl.col("parent").alias("parent_id"),
            *times("date_created", "at"),
            money("amount").alias("amount"),
            pl.col("reason"),
            pl.lit(1).alias("refunded_by"),
            pl.col("by_api").alias("refunded_payment"),
            pl.lit([]).alias("meta_data"),
            pl.lit([]).alias("line_items"),
        ),
    )
    out.truth.rows(out.source, "refund", frame.height)
