"""The web shop: customers, products, orders and lines by month, refunds, fulfilments, reviews.

Comma-separated UTF-8 with notes that break lines; refunds as NDJSON. Times carry the shop's UTC offset.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from sandbox import files, words
from sandbox.days import Ints
from sandbox.exports.kit import (
    COUNTRY_DIRT,
    MAIL_DIRT,
    NAME_DIRT,
    PHONE_DIRT,
    Out,
    amounts,
    by_month,
    iso,
    iso_utc,
    labels,
    moment,
    money,
    stamp,
    utc,
)
from sandbox.marketing import ad_campaigns, mailings
from sandbox.trade import NOW, local_day

_TIME = "%Y-%m-%d %H:%M:%S %z"
_MONEY_DIRT = {"money_german": 0.01, "money_english": 0.005, "money_swiss": 0.004, "money_symbol": 0.01}
_TIME_DIRT = {"time_zone": 0.01, "time_german": 0.01, "time_english": 0.006}


def write(out: Out) -> None:
    """Write the shop's export."""
    ids = customer_ids(out)
    _customers(out, ids)
    _products(out)
    _orders(out, ids)
    _lines(out)
    _refunds(out)
    _fulfilments(out)
    _reviews(out, ids)


def customer_ids(out: Out) -> pl.Series:
    """The shop's customer id of each person, none for those without an account."""
    people = out.trade.people
    buys = np.zeros(people.height, dtype=bool)
    buys[out.trade.orders["person"].unique().to_numpy()] = True
    known = pl.Series(buys | (people["joined"].to_numpy() < 0)) & people["has_account"]
    number = (6_300_000_000_000 + pl.int_range(people.height, eager=True, dtype=pl.Int64) * 3_072).cast(pl.String)
    return pl.select(pl.when(known).then(number)).to_series()


def _customers(out: Out, ids: pl.Series) -> None:
    random = out.random("customers")
    rows = np.flatnonzero(ids.is_not_null().to_numpy())
    people = out.trade.people[rows]
    firm = out.trade.firms["name"].gather(people["firm"])
    created = people["joined"].cast(pl.Int64)
    seconds = pl.select(
        moment(pl.lit(created)) + pl.Series(random.integers(6 * 3600, 20 * 3600, len(rows)))
    ).to_series()
    accepts = pl.Series(random.random(len(rows)) < 0.5)
    frame = people.with_columns(at=seconds, company=firm, accepts=accepts).select(
        ids.gather(rows).alias("Customer ID"),
        pl.col("given").alias("First Name"),
        pl.col("family").alias("Last Name"),
        pl.col("email").alias("Email"),
        pl.col("phone").alias("Phone"),
        pl.col("company").alias("Company"),
        pl.col("street").alias("Address1"),
        pl.col("city").alias("City"),
        pl.col("region").alias("Province"),
        pl.col("postcode").alias("Zip"),
        pl.col("country").replace_strict(words.COUNTRY_ENGLISH).alias("Country"),
        pl.when("accepts").then(pl.lit("yes")).otherwise(pl.lit("no")).alias("Accepts Email Marketing"),
        labels(random, _notes(), len(rows)).alias("Note"),
        stamp("at", _TIME).alias("Created At"),
    )
    clean_time = pl.select(iso(pl.lit(seconds))).to_series()
    dirt = out.dirt("contact", "Customer ID")
    frame = dirt.spoil(frame, "First Name", NAME_DIRT | {"title": 0.01}, field="given_name")
    frame = dirt.spoil(frame, "Last Name", NAME_DIRT, field="family_name")
    frame = dirt.spoil(frame, "Email", MAIL_DIRT, field="email")
    frame = dirt.spoil(frame, "Phone", PHONE_DIRT, field="phone")
    frame = dirt.spoil(frame, "City", {"upper": 0.01, "space": 0.01, "mojibake": 0.02}, field="city")
    frame = dirt.spoil(
        frame, "Country", COUNTRY_DIRT, field="country", values=people["country"], clean=people["country"]
    )
    frame = dirt.spoil(
        frame, "Accepts Email Marketing", {"boolean_word": 0.08}, field="is_subscribed", values=accepts, clean=accepts
    )
    frame = dirt.spoil(
        frame,
        "Created At",
        _TIME_DIRT,
        field="created_at",
        values=pl.select(utc(pl.lit(seconds))).to_series(),
        clean=clean_time,
    )
    good = frame.height
    frame = dirt.plant(frame, "no id", {"Customer ID": None}, reason="missing: source_id", among=good)
    frame = dirt.repeat(frame, among=good)
    frame = dirt.conflict(frame, {"City": "Anderswo"}, among=good)
    files.write_csv(out.folder / "customers.csv", frame)
    out.truth.identity(out.source, "contact", ids.gather(rows), people["person_id"])
    out.truth.rows(out.source, "contact", good)


def _notes() -> list[str]:
    """Notes about customers; most have none."""
    return ["", "", "", "", "", "", "Stammkunde", "zahlt spät,\nbitte Vorkasse"]


def _products(out: Out) -> None:
    products = out.trade.products
    frame = products.select(
        pl.col("product_id").alias("Product ID"),
        pl.col("name").alias("Title"),
        pl.col("category").alias("Type"),
        pl.col("brand").alias("Vendor"),
        pl.col("sku").alias("Variant SKU"),
        money("EUR").alias("Variant Price"),
        pl.lit("EUR").alias("Currency"),
        pl.col("barcode").alias("Variant Barcode"),
        pl.col("grams").cast(pl.String).alias("Variant Grams"),
        pl.when("is_active").then(pl.lit("active")).otherwise(pl.lit("archived")).alias("Status"),
        stamp(moment("created") + 36_000, _TIME).alias("Created At"),
    )
    dirt = out.dirt("product", "Product ID")
    frame = dirt.spoil(frame, "Variant SKU", {"sku_lower": 0.05, "sku_dash": 0.04}, field="sku")
    frame = dirt.spoil(frame, "Title", {"edge_space": 0.04, "mojibake": 0.05}, field="name")
    good = frame.height
    frame = dirt.plant(frame, "negative price", {"Variant Price": "-19.90"}, reason="below_minimum: price", among=good)
    frame = dirt.conflict(frame, {"Title": "Anderes Ding"}, among=good)
    files.write_csv(out.folder / "products.csv", frame)
    out.truth.rows(out.source, "product", good)


def _utm(out: Out, orders: pl.DataFrame) -> pl.DataFrame:
    """Where the buyers of orders came from: source, medium and campaign, nothing for about half."""
    random = out.random("utm")
    count = orders.height
    kind = random.choice(4, count, p=[0.52, 0.24, 0.12, 0.12])
    kind[~orders["channel"].is_in(["web", "app"]).to_numpy()] = 0
    day = orders["day"].to_numpy()
    campaign = np.full(count, None, dtype=object)
    for number, platform in ((1, "google_ads"), (2, "meta_ads")):
        names = ad_campaigns(out.seed, platform).filter("always")["name"].to_numpy()
        at = np.flatnonzero(kind == number)
        campaign[at] = names[random.integers(0, len(names), len(at))]
    letters = mailings(out.seed)
    at = np.flatnonzero((kind == 3) & (day >= letters["day"].min()))
    latest = np.searchsorted(letters["day"].to_numpy(), day[at], side="right") - 1
    campaign[at] = letters["title"].to_numpy()[latest]
    source = pl.Series(np.array(["", "google", "facebook", "newsletter"])[kind]).replace("", None)
    medium = pl.Series(np.array(["", "cpc", "paid_social", "email"])[kind]).replace("", None)
    return orders.with_columns(
        utm_source=source, utm_medium=medium, utm_campaign=pl.Series(campaign.tolist(), dtype=pl.String)
    )


def _order_frame(out: Out, ids: pl.Series) -> pl.DataFrame:
    """All orders as the shop exports them, with the month of their file."""
    random = out.random("order frame")
    orders = out.trade.orders
    people = out.trade.people
    person = orders["person"]
    notes = np.array(["", *words.ORDER_NOTES])[random.choice(5, orders.height, p=[0.94, 0.02, 0.02, 0.01, 0.01])]
    financial = (
        pl.when(pl.col("paid") < 0)
        .then(pl.when(pl.col("cancelled") >= 0).then(pl.lit("voided")).otherwise(pl.lit("pending")))
        .when(pl.col("status") == "refunded")
        .then(pl.lit("refunded"))
        .when(pl.col("refunded") > 0)
        .then(pl.lit("partially_refunded"))
        .otherwise(pl.lit("paid"))
    )
    fulfilment = (
        pl.when(pl.col("delivered") >= 0)
        .then(pl.lit("delivered"))
        .when(pl.col("shipped") >= 0)
        .then(pl.lit("in_transit"))
        .otherwise(pl.lit("unfulfilled"))
    )
    has_phone = pl.Series(random.random(orders.height) < 0.4)
    return _utm(out, orders).select(
        local_day(pl.col("ordered")).dt.strftime("%Y-%m").alias("month"),
        pl.col("order_id").alias("Id"),
        pl.col("order_number").alias("Name"),
        pl.when(~pl.col("is_guest")).then(ids.gather(person)).alias("Customer ID"),
        people["email"].gather(person).alias("Email"),
        pl.when(has_phone).then(people["phone"].gather(person)).alias("Phone"),
        financial.alias("Financial Status"),
        fulfilment.alias("Fulfillment Status"),
        pl.col("channel").alias("Source"),
        pl.col("currency").alias("Currency"),
        money("subtotal").alias("Subtotal net"),
        money("discount").alias("Discount Amount"),
        money("shipping").alias("Shipping"),
        money("tax").alias("Taxes"),
        money("total").alias("Total"),
        pl.col("coupon").alias("Discount Code"),
        pl.col("utm_source").alias("UTM Source"),
        pl.col("utm_medium").alias("UTM Medium"),
        pl.col("utm_campaign").alias("UTM Campaign"),
        people["city"].gather(person).alias("Shipping City"),
        people["postcode"].gather(person).alias("Shipping Zip"),
        pl.col("country").replace_strict(words.COUNTRY_ENGLISH).alias("Shipping Country"),
        pl.Series(notes).replace("", None).alias("Notes"),
        stamp("ordered", _TIME).alias("Created at"),
        stamp("cancelled", _TIME).alias("Cancelled at"),
        stamp("delivered", _TIME).alias("Delivered at"),
        local_day(pl.col("promised") * 86_400).dt.strftime("%Y-%m-%d").alias("Promised"),
    )


def _orders(out: Out, ids: pl.Series) -> None:
    orders = out.trade.orders
    frame = _order_frame(out, ids)
    dirt = out.dirt("sales_order", "Id")
    frame = dirt.spoil(frame, "Email", {"upper": 0.01, "space": 0.01}, field="email")
    frame = dirt.spoil(frame, "Phone", PHONE_DIRT, field="phone")
    frame = dirt.spoil(frame, "Total", _MONEY_DIRT, field="total", values=amounts(orders["total"], orders["currency"]))
    frame = dirt.spoil(
        frame,
        "Shipping",
        {"money_german": 0.01},
        field="shipping",
        values=amounts(orders["shipping"], orders["currency"]),
    )
    frame = dirt.spoil(frame, "Currency", {"currency_symbol": 0.01}, field="currency")
    frame = dirt.spoil(
        frame,
        "Created at",
        _TIME_DIRT,
        field="ordered_at",
        values=orders.select(utc("ordered")).to_series(),
        clean=iso_utc(orders, "ordered"),
    )
    frame = dirt.spoil(
        frame, "Shipping Country", COUNTRY_DIRT, field="ship_country", values=orders["country"], clean=orders["country"]
    )
    frame = dirt.spoil(frame, "Shipping City", {"upper": 0.01, "mojibake": 0.02}, field="ship_city")
    frame = _bad_orders(out, frame)
    for month, part in by_month(frame):
        files.write_csv(out.folder / "orders" / f"orders_{month}.csv", part)
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


def _bad_orders(out: Out, frame: pl.DataFrame) -> pl.DataFrame:
    """Orders that must not reach the warehouse, each under an id and a number of its own and without lines."""
    dirt = out.dirt("sales_order", "Id")
    good = frame.height
    # A status is only looked at where nothing else decides.
    undecided = {"Cancelled at": None, "Fulfillment Status": "unfulfilled"}
    for kind, changes, reason in (
        ("no total", {"Total": None}, "missing: total"),
        ("words for money", {"Total": "siehe Rechnung"}, "not_a_number: total"),
        ("negative total", {"Total": "-49.90"}, "below_minimum: total"),
        ("impossible day", {"Created at": "2025-02-30 10:15:00 +0100"}, "impossible_date: ordered_at"),
        ("no currency", {"Currency": None, "Total": "59.00"}, "missing: currency"),
        ("unknown status", {"Financial Status": "chargeback_review", **undecided}, "not_in_enum: status"),
    ):
        frame = dirt.plant(frame, kind, changes, reason=reason, among=good, share=0.0004, ids="99{:011d}")
    frame = dirt.repeat(frame, among=good)
    return dirt.conflict(frame, {"Total": "1.00", "Discount Code": "ALT"}, among=good)


def _lines(out: Out) -> None:
    lines, orders, products = out.trade.lines, out.trade.orders, out.trade.products
    order, product = lines["order"], lines["product"]
    frame = lines.select(
        orders.select(local_day(pl.col("ordered")).dt.strftime("%Y-%m")).to_series().gather(order).alias("month"),
        pl.col("line_id").alias("Line ID"),
        orders["order_id"].gather(order).alias("Order ID"),
        pl.col("position").cast(pl.String).alias("Position"),
        products["product_id"].gather(product).alias("Product ID"),
        products["sku"].gather(product).alias("Lineitem sku"),
        products["name"].gather(product).alias("Lineitem name"),
        pl.col("quantity").cast(pl.String).alias("Lineitem quantity"),
        money("unit_price").alias("Lineitem price"),
        money("discount").alias("Lineitem discount"),
        money("total").alias("Lineitem total"),
        orders["currency"].gather(order).alias("Currency"),
    )
    dirt = out.dirt("order_line", "Line ID")
    frame = dirt.spoil(frame, "Lineitem sku", {"sku_lower": 0.01, "sku_dash": 0.01, "space": 0.005}, field="sku")
    frame = dirt.spoil(
        frame,
        "Lineitem price",
        {"money_german": 0.006, "money_symbol": 0.004},
        field="unit_price",
        values=amounts(lines["unit_price"], orders["currency"].gather(order)),
    )
    good = frame.height
    for kind, changes, reason in (
        ("order does not exist", {"Order ID": "4999999999999"}, "orphan: order_id 4999999999999 not in sales_order"),
        ("no quantity", {"Lineitem quantity": None}, "missing: quantity"),
        ("words for money", {"Lineitem total": "gratis?"}, "not_a_number: total"),
        ("negative price", {"Lineitem price": "-5.00"}, "below_minimum: unit_price"),
    ):
        frame = dirt.plant(frame, kind, changes, reason=reason, among=good, share=0.0003, ids="99{:011d}")
    frame = dirt.repeat(frame, among=good)
    for month, part in by_month(frame):
        path = out.folder / "orders" / f"order_lines_{month}.csv"
        files.write_csv(path, part)
        if month == "2026-03":
            line = files.append_line(path, "9200000000001,5100000000000,1,7000000000000,KUE-0001,Topf, rund,1,9.90")
            out.truth.bad_line(out.source, "order_line", f"orders/{path.name}", line, "too few fields")
    out.truth.rows(out.source, "order_line", good)
    sums = lines.with_columns(
        currency=orders["currency"].gather(order),
        minor=pl.col("total"),
        day=orders.select(local_day(pl.col("ordered"))).to_series().gather(order),
    )
    out.truth.sums("line_total", "order_line", out.source, sums)


def _refunds(out: Out) -> None:
    """All refunds as the shop lists them; those that went back through the payment provider are in its export too."""
    refunds, orders = out.trade.refunds, out.trade.orders
    order = refunds["order"]
    currency = orders["currency"].gather(order)
    credit = refunds["is_credit"]
    frame = refunds.with_columns(currency=currency).select(
        (8_800_000_000_000 + pl.int_range(pl.len(), dtype=pl.Int64) * 256).cast(pl.String).alias("id"),
        orders["order_id"].gather(order).alias("order_id"),
        orders["order_number"].gather(order).alias("order_name"),
        iso("at").alias("created_at"),
        pl.col("reason").alias("note"),
        pl.when("is_credit").then(pl.lit("store_credit")).otherwise(pl.lit("payments")).alias("gateway"),
        pl.struct(money("amount").alias("amount"), pl.col("currency")).alias("transaction"),
    )
    good = frame.height
    dirt = out.dirt("refund", "id")
    frame = dirt.plant(
        frame,
        "no day",
        {"created_at": None, "gateway": "store_credit"},
        reason="missing: refunded_at",
        among=good,
        share=0.001,
        ids="99{:011d}",
    )
    files.write_ndjson(out.folder / "refunds.ndjson", frame)
    credits = refunds.with_columns(currency=currency, day=local_day(pl.col("at")), minor=pl.col("amount"))
    out.truth.rows(out.source, "refund", int(credit.sum()))
    out.truth.sums("refund_amount", "refund", out.source, credits.filter("is_credit"))


def _fulfilments(out: Out) -> None:
    """Parcels to consumers; what businesses order leaves through the warehouse system."""
    random = out.random("fulfilments")
    orders = out.trade.orders.filter((pl.col("shipped") >= 0) & ~pl.col("is_business"))
    count = orders.height
    frame = orders.select(
        ("F" + pl.col("order_number").str.slice(2) + "-1").alias("Fulfillment ID"),
        pl.col("order_id").alias("Order ID"),
        pl.col("order_number").alias("Order"),
        labels(random, list(words.CARRIERS), count).alias("Tracking Company"),
        ("00340" + pl.Series(random.integers(10**11, 10**12, count)).cast(pl.String)).alias("Tracking Number"),
        pl.when(pl.col("delivered") >= 0).then(pl.lit("delivered")).otherwise(pl.lit("in_transit")).alias("Status"),
        stamp("shipped", _TIME).alias("Shipped At"),
        stamp("delivered", _TIME).alias("Delivered At"),
        local_day(pl.col("promised") * 86_400).dt.strftime("%Y-%m-%d").alias("Promised"),
    )
    dirt = out.dirt("shipment", "Fulfillment ID")
    frame = dirt.spoil(
        frame,
        "Shipped At",
        {"time_german": 0.01},
        field="shipped_at",
        values=orders.select(utc("shipped")).to_series(),
        clean=iso_utc(orders, "shipped"),
    )
    out.truth.rows(out.source, "shipment", count)
    files.write_csv(out.folder / "fulfillments.csv", dirt.repeat(frame, among=count))


def _reviews(out: Out, ids: pl.Series) -> None:
    random = out.random("reviews")
    orders = out.trade.orders
    delivered = np.flatnonzero(orders["delivered"].to_numpy() >= 0)
    chosen: Ints = delivered[random.random(len(delivered)) < 0.09]
    at = orders["delivered"].to_numpy()[chosen] + random.integers(3600, 6 * 86_400, len(chosen))
    chosen, at = chosen[at < NOW], at[at < NOW]
    firsts = np.flatnonzero(out.trade.lines["position"].to_numpy() == 1)
    product = out.trade.lines["product"].gather(firsts[chosen])
    rating = random.choice([1, 2, 3, 4, 5], len(chosen), p=[0.05, 0.05, 0.1, 0.28, 0.52])
    comments = [words.REVIEWS[r][i % len(words.REVIEWS[r])] for i, r in enumerate(rating.tolist())]
    said = orders[chosen].with_columns(at=pl.Series(at))
    frame = said.select(
        ("R" + pl.col("order_number").str.slice(2)).alias("Review ID"),
        pl.col("order_id").alias("Order ID"),
        pl.when(~pl.col("is_guest")).then(ids.gather(said["person"])).alias("Customer ID"),
        out.trade.products["product_id"].gather(product).alias("Product ID"),
        pl.Series(rating).cast(pl.String).alias("Stars"),
        pl.Series(comments).alias("Text"),
        stamp("at", _TIME).alias("Submitted At"),
    )
    good = frame.height
    dirt = out.dirt("feedback", "Review ID")
    frame = dirt.spoil(frame, "Text", {"mojibake": 0.03, "edge_space": 0.02}, field="comment")
    frame = dirt.plant(
        frame, "no day", {"Submitted At": None}, reason="missing: submitted_at", among=good, ids="RX{:09d}"
    )
    files.write_csv(out.folder / "reviews.csv", frame)
    out.truth.rows(out.source, "feedback", good)
