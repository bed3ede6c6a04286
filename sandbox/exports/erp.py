"""The merchandise system: articles, stock, purchase orders, parcels to businesses, invoices.

Windows-1252 with semicolons, decimal commas and German dates; purchase orders and recent stock as workbooks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from sandbox import files, words
from sandbox.days import DAYS, START, Ints, day
from sandbox.exports.kit import Out, amounts, day_of, iso_utc, labels, money, stamp, utc
from sandbox.trade import NOW, local_day

_write = partial(files.write_csv, delimiter=";", encoding="cp1252")
_DATE, _TIME = "%d.%m.%Y", "%d.%m.%Y %H:%M"
_RECENT = 60
_LEAD_DAYS = 10


@dataclass(frozen=True, kw_only=True)
class _Stock:
    """Stock at the end of each day, days by products, and what was ordered when."""

    on_hand: Ints
    incoming: Ints
    reorder_point: Ints
    ordered: Ints


def write(out: Out) -> None:
    """Write the merchandise system's export."""
    stock = _simulate(out)
    _articles(out)
    _stock(out, stock)
    _purchases(out, stock)
    _parcels(out)
    _invoices(out)


def _simulate(out: Out) -> _Stock:
    """Runs the shelves: sales take away, orders below the reorder point arrive ten days later."""
    lines, orders = out.trade.lines, out.trade.orders
    sold = np.zeros((DAYS, out.trade.products.height), dtype=np.int64)
    keep = orders["cancelled"].to_numpy()[lines["order"].to_numpy()] < 0
    days = orders["day"].gather(lines["order"]).to_numpy()
    np.add.at(sold, (days[keep], lines["product"].to_numpy()[keep]), lines["quantity"].to_numpy()[keep])
    daily = sold.mean(axis=0)
    reorder_point = np.ceil(daily * (_LEAD_DAYS + 6)).astype(np.int64) + 2
    lot = np.ceil(daily * 45 / 10).astype(np.int64) * 10 + 10
    level = reorder_point + lot
    arriving = np.zeros((DAYS + _LEAD_DAYS + 1, len(daily)), dtype=np.int64)
    on_hand, incoming, ordered = np.zeros_like(sold), np.zeros_like(sold), np.zeros_like(sold)
    for today in range(DAYS):
        level = level + arriving[today] - sold[today]
        # A count of the shelves corrects what would go below nothing.
        level = np.maximum(level, 0)
        pending = arriving[today + 1 : today + 1 + _LEAD_DAYS].sum(axis=0)
        buys = (level + pending < reorder_point) & (day(today).weekday() < 5)
        ordered[today] = np.where(buys, lot, 0)
        arriving[today + _LEAD_DAYS] += ordered[today]
        on_hand[today], incoming[today] = level, pending + ordered[today]
    return _Stock(on_hand=on_hand, incoming=incoming, reorder_point=reorder_point, ordered=ordered)


def _articles(out: Out) -> None:
    products = out.trade.products
    frame = products.select(
        _article_number().alias("Artikelnr"),
        pl.col("sku").alias("SKU"),
        pl.col("name").alias("Bezeichnung"),
        pl.col("category").alias("Warengruppe"),
        money("cost", ",").alias("EK netto"),
        money("EUR", ",").alias("VK brutto"),
        pl.lit("€").alias("Währung"),
        pl.col("barcode").alias("EAN"),
        pl.col("grams").cast(pl.String).alias("Gewicht g"),
        pl.when("is_active").then(pl.lit("J")).otherwise(pl.lit("N")).alias("Aktiv"),
    )
    dirt = out.dirt("product", "Artikelnr")
    frame = dirt.spoil(frame, "SKU", {"sku_lower": 0.08, "space": 0.03}, field="sku")
    _write(out.folder / "artikel.csv", frame)
    out.truth.rows(out.source, "product", frame.height)
    out.truth.fact("product", products.select("sku", "category", "cost"), out.source)


def _article_number() -> pl.Expr:
    """Numbers with leading zeros, which must survive."""
    return (pl.int_range(pl.len()) + 101).cast(pl.String).str.zfill(6)


def _stock(out: Out, stock: _Stock) -> None:
    """Weekly stock as text files by year, and every day of the last weeks as workbooks by month."""
    products = out.trade.products.with_columns(number=_article_number())
    weekly = np.arange(2, DAYS - _RECENT, 7)
    recent = np.arange(DAYS - _RECENT, DAYS)
    old, new = _levels(stock, products, weekly), _levels(stock, products, recent)
    for year in old["date"].dt.year().unique().sort():
        part = old.filter(pl.col("date").dt.year() == year).with_columns(pl.col("date").dt.strftime(_DATE))
        _write(out.folder / f"bestand_{year}-woche.csv", part.rename(_STOCK_HEADER).cast(pl.String))
    for month in new["date"].dt.strftime("%Y-%m").unique().sort():
        part = new.filter(pl.col("date").dt.strftime("%Y-%m") == month)
        files.write_xlsx(out.folder / f"bestand_{month}.xlsx", "Bestand", part.rename(_STOCK_HEADER))
    out.truth.rows(out.source, "inventory_level", old.height + new.height)
    out.truth.fact(
        "stock", pl.concat([old, new]).drop("number").rename({"date": "day", "place": "location"}), out.source
    )


_STOCK_HEADER = {
    "date": "Stichtag",
    "number": "Artikelnr",
    "sku": "SKU",
    "place": "Lager",
    "on_hand": "Bestand",
    "reserved": "Reserviert",
    "incoming": "Zulauf",
    "reorder_point": "Meldebestand",
}


def _levels(stock: _Stock, products: pl.DataFrame, days: Ints) -> pl.DataFrame:
    many = products.height
    position = np.repeat(days, many)
    product = np.tile(np.arange(many), len(days))
    on_hand = stock.on_hand[position, product]
    return pl.DataFrame({"position": position, "product": product}).select(
        date=pl.lit(START) + pl.duration(days="position"),
        number=products["number"].gather(product),
        sku=products["sku"].gather(product),
        place=pl.lit("Zentrallager"),
        on_hand=pl.Series(on_hand),
        reserved=pl.Series(on_hand // 20),
        incoming=pl.Series(stock.incoming[position, product]),
        reorder_point=pl.Series(stock.reorder_point[product]),
    )


def _purchases(out: Out, stock: _Stock) -> None:
    products = out.trade.products.with_columns(number=_article_number())
    position, product = np.nonzero(stock.ordered)
    arrives = position + _LEAD_DAYS
    supplier = np.array(words.SUPPLIERS)[product % len(words.SUPPLIERS)]
    is_here = arrives < DAYS
    frame = pl.DataFrame({"position": position, "arrives": arrives}).select(
        (
            "PO"
            + (2_000 + pl.col("position")).cast(pl.String)
            + "-"
            + pl.Series(supplier).str.slice(0, 3).str.to_uppercase()
        ).alias("Bestellnr"),
        (pl.int_range(pl.len()) + 1).cast(pl.String).str.zfill(7).alias("Zeile"),
        pl.Series(supplier).alias("Lieferant"),
        products["number"].gather(product).alias("Artikelnr"),
        products["sku"].gather(product).alias("SKU"),
        pl.Series(stock.ordered[position, product]).alias("Menge"),
        (products["cost"].gather(product).cast(pl.Float64) / 100).alias("EK netto"),
        pl.lit("EUR").alias("Waehrung"),
        pl.when(pl.Series(is_here)).then(pl.lit("geliefert")).otherwise(pl.lit("bestellt")).alias("Status"),
        (pl.lit(START) + pl.duration(days="position")).alias("Bestelldatum"),
        (pl.lit(START) + pl.duration(days="arrives")).alias("Liefertermin"),
        pl.when(pl.Series(is_here)).then(pl.lit(START) + pl.duration(days="arrives")).alias("Wareneingang"),
    )
    good = frame.height
    dirt = out.dirt("purchase_order", "Zeile")
    frame = dirt.plant(
        frame, "unknown status", {"Status": "verschollen"}, reason="not_in_enum: status", among=good, ids="99{:09d}"
    )
    frame = dirt.plant(frame, "no article", {"SKU": None}, reason="missing: sku", among=good, ids="97{:09d}")
    files.write_xlsx(out.folder / "bestellungen.xlsx", "Bestellungen", frame)
    out.truth.rows(out.source, "purchase_order", good)


def _parcels(out: Out) -> None:
    """Deliveries to businesses, which the shop does not know of."""
    random = out.random("parcels")
    orders = out.trade.orders.filter((pl.col("shipped") >= 0) & pl.col("is_business"))
    count = orders.height
    frame = orders.select(
        ("LS" + pl.col("order_number").str.slice(2)).alias("Lieferschein"),
        pl.col("order_number").alias("Auftrag"),
        labels(random, ["Spedition Harz", "DHL Freight", "DPD"], count).alias("Spediteur"),
        pl.Series(random.integers(10**9, 10**10, count)).cast(pl.String).str.zfill(12).alias("Sendungsnr"),
        pl.when(pl.col("delivered") >= 0).then(pl.lit("zugestellt")).otherwise(pl.lit("unterwegs")).alias("Status"),
        money(pl.lit(pl.Series(random.integers(690, 4900, count))), ",").alias("Frachtkosten"),
        pl.lit("EUR").alias("Währung"),
        stamp("shipped", _TIME).alias("Versandt"),
        stamp("delivered", _TIME).alias("Zugestellt"),
    )
    _write(out.folder / "lieferungen.csv", frame)
    out.truth.rows(out.source, "shipment", count)
    out.truth.fact(
        "shipment",
        orders.select(
            carrier=frame["Spediteur"],
            shipped_day=day_of("shipped"),
            delivered_day=day_of("delivered"),
            # The merchandise system does not know what the shop promised.
            promised_day=pl.lit(None, pl.Date),
        ),
        out.source,
    )


def _invoices(out: Out) -> None:
    """Invoices to businesses for their orders, by year."""
    orders = out.trade.orders.filter((pl.col("cancelled") < 0) & pl.col("is_business"))
    due = pl.col("ordered") + 14 * 86_400
    people, firms = out.trade.people, out.trade.firms
    customer = firms["name"].gather(people["firm"].gather(orders["person"]))
    status = (
        pl.when(pl.col("paid") >= 0)
        .then(pl.lit("bezahlt"))
        .when(due < NOW)
        .then(pl.lit("überfällig"))
        .otherwise(pl.lit("offen"))
    )
    frame = orders.select(
        local_day(pl.col("ordered")).dt.year().alias("year"),
        ("RE" + pl.col("order_number").str.slice(2)).alias("Rechnungsnr"),
        pl.lit("Ausgang").alias("Art"),
        pl.col("order_number").alias("Auftrag"),
        customer.alias("Kunde"),
        status.alias("Status"),
        money(pl.col("total") - pl.col("tax"), ",").alias("Netto"),
        money("tax", ",").alias("MwSt"),
        money("total", ",").alias("Brutto"),
        pl.col("currency").alias("Währung"),
        local_day(pl.col("ordered")).dt.strftime(_DATE).alias("Rechnungsdatum"),
        local_day(due).dt.strftime(_DATE).alias("Fällig"),
        stamp("paid", _TIME).alias("Bezahlt am"),
    )
    good = frame.height
    dirt = out.dirt("invoice", "Rechnungsnr")
    frame = dirt.spoil(
        frame,
        "Brutto",
        {"money_german": 0.2, "money_symbol": 0.05},
        field="total",
        values=amounts(orders["total"], orders["currency"]),
        clean=orders.select(money("total")).to_series(),
    )
    frame = dirt.spoil(
        frame,
        "Bezahlt am",
        {"time_german": 0.03},
        field="paid_at",
        values=orders.select(utc("paid")).to_series(),
        clean=iso_utc(orders, "paid"),
    )
    frame = dirt.plant(
        frame,
        "impossible day",
        {"Rechnungsdatum": "31.02.2026"},
        reason="impossible_date: issued_date",
        among=good,
        share=0.001,
        ids="RX{:09d}",
    )
    frame = dirt.plant(
        frame, "no amount", {"Brutto": None}, reason="missing: total", among=good, share=0.001, ids="RY{:09d}"
    )
    for year in frame["year"].unique().sort():
        part = frame.filter(pl.col("year") == year).drop("year")
        _write(out.folder / f"rechnungen_{year}.csv", part)
    out.truth.rows(out.source, "invoice", good)
    dated = orders.with_columns(day=local_day(pl.col("ordered")), minor=pl.col("total"))
    out.truth.sums("invoice_total", "invoice", out.source, dated)
    out.truth.fact(
        "invoice",
        dated.select(
            "day",
            "currency",
            "total",
            order_id=pl.lit("shop:") + pl.col("order_id"),
            due_day=local_day(due),
            paid_day=day_of("paid"),
        ),
        out.source,
    )
