"""A trading company of any size, as the files that its systems export, and the nights after.

Where the demo company is there to be looked at, this one is there to be large: orders of three lines each, a payment
for each order, and the customers of `crowd` in four systems. SQL makes most of it: five million orders take minutes.
"""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import duckdb
import polars as pl

from sandbox.crowd import make_crowd, next_night
from warehouse.sql import literal

#: Records of customers for each order.
CUSTOMERS = 0.2
FIRST_DAY, DAYS, PARTS = date(2022, 1, 3), 1095, 12
SYSTEMS = ("shop", "crm", "newsletter", "helpdesk")

_CONFIG = """\
# A trading company of {orders:,} orders, for measuring.
name = "Mühlbach Großhandel"
base_currency = "EUR"
timezone = "Europe/Berlin"
country = "DE"
as_of = "{as_of}"
"""
_SOURCE = """
[sources.{name}]
connector = "files"
path = "exports/{name}"
"""
_TABLE = "[sources.{name}.tables]\n{tables}\n"

_CONTACT = """\
SELECT
    id AS source_id, given_name, family_name, email, phone, company_name, street, city, region, postcode, country,
    birth_date, created_at, updated_at AS source_updated_at
FROM raw.contacts
"""
_MAPPINGS = {
    **{(system, "contact"): _CONTACT for system in SYSTEMS},
    ("shop", "product"): """\
SELECT id AS source_id, sku, name, category, price, cost, 'EUR' AS currency, created_at FROM raw.products
""",
    ("shop", "sales_order"): """\
SELECT
    id AS source_id, number AS order_number, customer AS contact_id, status, 'web' AS channel, currency,
    net AS subtotal, shipping, tax, total, city AS ship_city, postcode AS ship_postcode, country AS ship_country,
    ordered AS ordered_at, updated AS source_updated_at
FROM raw.orders
""",
    ("shop", "order_line"): """\
SELECT
    id AS source_id, order_id, line AS line_number, product AS product_id, sku, name AS product_name, quantity,
    unit_price, total, 'EUR' AS currency, updated AS source_updated_at
FROM raw.lines
""",
    ("pay", "payment"): """\
SELECT
    id AS source_id, number AS order_number, method, state AS status, amount, fee, currency, paid AS paid_at,
    updated AS source_updated_at
FROM raw.payments
""",
}

_PRODUCTS = """
CREATE TABLE product AS SELECT
    i AS n, 'p' || i AS id, 'SKU-' || lpad(i::VARCHAR, 6, '0') AS sku, 'Artikel ' || i AS name,
    'Gruppe ' || hash(i, 'category') % 40 AS category,
    ((199 + hash(i, 'price') % 19800) / 100)::DECIMAL(12, 2) AS price,
    (price * 0.6)::DECIMAL(12, 2) AS cost, TIMESTAMP '2021-12-01' AS created_at
FROM range(?) AS t(i)
"""
#: `o.n` says which order, `o.day` when; everything else follows from the number.
_ORDERS = """
CREATE OR REPLACE TEMP TABLE line_now AS SELECT
    o.n, o.part, o.changed + to_seconds((hash(o.n, 'second') % 86400)::BIGINT) AS updated, l.line,
    product.id AS product, product.sku, product.name,
    (1 + hash(o.n, l.line, 'quantity', o.version) % 3)::INTEGER AS quantity, product.price AS unit_price,
    (quantity * product.price)::DECIMAL(12, 2) AS total
FROM order_now AS o
CROSS JOIN (VALUES (1), (2), (3)) AS l(line)
INNER JOIN product ON product.n = hash(o.n, l.line, 'product') % getvariable('products');

CREATE OR REPLACE TEMP TABLE made_order AS SELECT
    'o' || o.n AS id, 'R' || lpad(o.n::VARCHAR, 9, '0') AS number, customer.id AS customer,
    CASE WHEN o.version > 0 OR hash(o.n, 'status') % 20 > 1 THEN 'delivered'
        WHEN hash(o.n, 'status') % 20 = 1 THEN 'paid' ELSE 'cancelled' END AS status,
    'EUR' AS currency, g.goods, 4.90::DECIMAL(12, 2) AS shipping, (g.goods + shipping)::DECIMAL(12, 2) AS total,
    (total * 19 / 119)::DECIMAL(12, 2) AS tax, goods - tax AS net, customer.city, customer.postcode, customer.country,
    o.day + to_seconds((hash(o.n, 'second') % 86400)::BIGINT) AS ordered,
    o.changed + to_seconds((hash(o.n, 'second') % 86400)::BIGINT) AS updated, o.part
FROM order_now AS o
INNER JOIN (SELECT n, sum(total) AS goods FROM line_now GROUP BY n) AS g USING (n)
INNER JOIN customer ON customer.n = hash(o.n, 'customer') % getvariable('customers');
"""
_LINES = (
    "SELECT 'o' || n || '-' || line AS id, 'o' || n AS order_id, line, product, sku, name, quantity, unit_price, "
    "total, updated FROM line_now WHERE part = ? ORDER BY n, line"
)
_FILES = {
    ("shop", "orders"): "SELECT * EXCLUDE (part) FROM made_order WHERE part = ? ORDER BY id",
    ("shop", "lines"): _LINES,
    ("pay", "payments"): "SELECT replace(id, 'o', 'pay_') AS id, number, "
    "CASE hash(id) % 3 WHEN 0 THEN 'card' WHEN 1 THEN 'paypal' ELSE 'invoice' END AS method, "
    "CASE WHEN status = 'cancelled' THEN 'failed' ELSE 'succeeded' END AS state, total AS amount, "
    "(total * 0.02)::DECIMAL(12, 2) AS fee, currency, ordered + INTERVAL 5 MINUTE AS paid, updated "
    "FROM made_order WHERE part = ? ORDER BY id",
}


def write(folder: Path, orders: int, *, nights: int = 1, share: float = 0.01, seed: int = 7) -> None:
    """Write the company with the exports of its first day, and those of the nights after into `coming/<night>`.

    Args:
        folder: becomes the company folder; what is there is removed.
        orders: how many orders there are on the first day.
        nights: how many nights follow; `let_pass` brings them.
        share: of each table's rows, how many are new or changed in a night, half and half.
        seed: another seed gives other customers.
    """
    shutil.rmtree(folder, ignore_errors=True)
    _configure(folder, orders)
    with duckdb.connect() as con:
        con.execute("SET preserve_insertion_order = false")
        con.execute(_PRODUCTS, [max(200, min(20_000, orders // 100))])
        _copy(con, "FROM product", folder / "exports" / "shop" / "products.csv", without="n")
        _contacts(con, folder, orders, nights, share, seed)
        con.execute(
            "CREATE TABLE order_now AS SELECT i AS n, 0 AS version, "
            f"DATE '{FIRST_DAY}' + (i * {DAYS} // $n)::INTEGER AS day, day AS changed, i * {PARTS} // $n AS part "
            "FROM range($n) AS t(i)",
            {"n": orders},
        )
        _trade(con, folder / "exports", [f"{part:02d}" for part in range(PARTS)])
        for night in range(nights):
            half = max(1, round(share * orders / 2))
            con.execute(
                "CREATE OR REPLACE TABLE order_now AS "
                "SELECT $n + $night * $half + i AS n, 0 AS version, $day::DATE AS day, day AS changed, 0 AS part "
                "FROM range($half) AS t(i) UNION ALL "
                "SELECT m, $night + 1, $first::DATE + (m * $days // $n)::INTEGER, $day::DATE, 0 FROM "
                "(SELECT DISTINCT (hash(i, $night) % $n)::BIGINT AS m FROM range($half) AS t(i))",
                {"n": orders, "night": night, "half": half, "day": _day(night), "first": FIRST_DAY, "days": DAYS},
            )
            _trade(con, folder / "coming" / f"{night + 1}", [f"night-{night + 1:03d}"])


def let_pass(folder: Path, night: int) -> None:
    """Let a night's exports arrive, and the day be another."""
    config = folder / "millpond.toml"
    told = config.read_text(encoding="utf-8")
    config.write_text(told.replace(f"{_day(night - 1)}", f"{_day(night)}"), encoding="utf-8")
    for file in sorted((folder / "coming" / f"{night}").glob("*/*.csv")):
        file.replace(folder / "exports" / file.parent.name / file.name)


def _day(night: int) -> date:
    return FIRST_DAY + timedelta(days=DAYS + night)


def _configure(folder: Path, orders: int) -> None:
    tables: dict[str, list[str]] = {name: [] for name in ("shop", "pay", "crm", "newsletter", "helpdesk")}
    for source, table in (*_FILES, ("shop", "products"), *((system, "contacts") for system in SYSTEMS)):
        tables[source].append(f'{table} = {{ files = "{table}*.csv" }}')
    parts = [_CONFIG.format(orders=orders, as_of=FIRST_DAY + timedelta(days=DAYS))]
    for name, lines in tables.items():
        parts += [_SOURCE.format(name=name), _TABLE.format(name=name, tables="\n".join(lines))]
    folder.mkdir(parents=True)
    (folder / "millpond.toml").write_text("".join(parts), encoding="utf-8")
    for (source, entity), sql in _MAPPINGS.items():
        file = folder / "mappings" / source / f"{entity}.sql"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(sql, encoding="utf-8")


def _contacts(con: duckdb.DuckDBPyConnection, folder: Path, orders: int, nights: int, share: float, seed: int) -> None:
    """Customers by system, and of each night those that are new or changed; fills table customer of the shop's."""
    crowd = make_crowd(max(200, round(CUSTOMERS * orders)), seed)
    _write_contacts(con, crowd.records, folder / "exports", "contacts.csv")
    shop = crowd.records.filter(pl.col("source") == "shop").select("record_id", "city", "postcode", "country")
    con.register("shop_contact", shop.to_arrow())
    con.execute(
        "CREATE TABLE customer AS SELECT row_number() OVER (ORDER BY record_id) - 1 AS n, "
        "split_part(record_id, ':', 3) AS id, city, postcode, country FROM shop_contact"
    )
    for night in range(nights):
        after = next_night(crowd, seed=seed + night, share=share)
        fresh = after.records.join(crowd.records, on=["record_id", "updated_at"], how="anti")
        _write_contacts(con, fresh, folder / "coming" / f"{night + 1}", f"contacts-night-{night + 1:03d}.csv")
        crowd = after


def _write_contacts(con: duckdb.DuckDBPyConnection, records: pl.DataFrame, folder: Path, name: str) -> None:
    con.register("contact", records.to_arrow())
    for system in SYSTEMS:
        told = "SELECT split_part(record_id, ':', 3) AS id, * EXCLUDE (record_id, source) FROM contact WHERE source = "
        _copy(con, f"{told} {literal(system)} ORDER BY id", folder / system / name)


def _trade(con: duckdb.DuckDBPyConnection, folder: Path, parts: list[str]) -> None:
    for name in ("product", "customer"):
        con.execute(f"SET VARIABLE {name}s = (SELECT count(*) FROM {name})")
    con.execute(_ORDERS)
    for (source, table), query in _FILES.items():
        for number, part in enumerate(parts):
            _copy(con, query.replace("?", str(number)), folder / source / f"{table}-{part}.csv")


def _copy(con: duckdb.DuckDBPyConnection, query: str, file: Path, *, without: str = "") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    chosen = f"SELECT * EXCLUDE ({without}) FROM ({query})" if without else query
    con.execute(f"COPY ({chosen}) TO {literal(str(file))} (HEADER, TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S')")
