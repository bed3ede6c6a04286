"""Whether nights of changes leave the same clean tables as cleaning all rows, over random histories.

Two sources, one of files and one of records as JSON, go through a history that is cleaned night by night and, in a
company beside it, all anew each night; at its end it is cleaned into an empty database. Run: python -m bench cleaning.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import polars as pl

from pipelines.checkup import mapping_files
from pipelines.night import begin, building
from pipelines.refresh.clean import Cleaned, clean_entities, reconcile
from transforms.clean import memory
from transforms.clean.load import ensure_tables
from warehouse import changes, meta, records
from warehouse.company import Company, load_company
from warehouse.contracts import Contract, entities

TOML = """
name = "Nights"
base_currency = "EUR"
timezone = "Europe/Berlin"
country = "DE"

[sources.shop]
connector = "files"
path = "exports"
tables.orders.files = "orders*.csv"
tables.lines.files = "lines*.csv"

[sources.api]
connector = "files"
path = "exports"
tables.orders.files = "orders*.csv"
"""
MAPPINGS = {
    "shop/sales_order": "SELECT id AS source_id, id AS order_number, state AS status, 'EUR' AS currency, total, "
    "placed AS ordered_at, changed AS source_updated_at FROM raw.orders",
    "shop/order_line": 'SELECT id AS source_id, "order" AS order_id, sku, quantity, price AS unit_price, total '
    "FROM raw.lines",
    "api/sales_order": "SELECT id AS source_id, payload->>'state' AS status, 'EUR' AS currency, "
    "payload->>'total' AS total, modified_at AS ordered_at FROM raw.orders",
    # Lines have no id of their own: two of one product are one row twice.
    "api/order_line": "SELECT o.id || '-' || (line->>'sku') AS source_id, o.id AS order_id, line->>'sku' AS sku, "
    "1 AS quantity, line->>'price' AS unit_price, line->>'price' AS total "
    "FROM raw.orders AS o, unnest(CAST(o.payload->'lines' AS JSON[])) AS t(line)",
}
CONTRACTS = [entities()["sales_order"], entities()["order_line"]]
COLUMNS = {
    "orders": ("id", "state", "total", "placed", "changed", "note"),
    "lines": ("id", "order", "sku", "quantity", "price", "total"),
}
#: What loads add to rows of files, and how they keep records.
OWN = {"_file": pl.String, "_row": pl.Int64, "_loaded_at": pl.Datetime("us", "UTC")}
RECORD = {"id": pl.String, "modified_at": pl.Datetime("us", "UTC"), "payload": pl.String, "is_deleted": pl.Boolean}
FIRST = datetime(2026, 1, 1, 2, tzinfo=UTC)
#: What full cleaning computes anew of a row that it takes out of quarantine and puts back there.
WITHOUT_TIMES = 'json_merge_patch(row, \'{"cleaned_at": null, "row_hash": null}\')'

Row = dict[str, str | None]


class Shop:
    """What the sources say tonight, and ways in which it becomes something else."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.number = 0
        self.night = 0
        #: table → file → when it was loaded, and its rows
        self.files: dict[str, dict[str, tuple[datetime, list[Row]]]] = {"orders": {}, "lines": {}}
        self.api: dict[str, dict[str, Any]] = {}
        self.grow(25)
        self.grow(25)
        for _ in range(12):
            self.change_api()

    def pass_night(self) -> list[str]:
        """Let a few things happen; gives which."""
        self.night += 1
        happens = self.random.choices(self.happenings(), k=self.random.randint(0, 4))
        for happening in happens:
            happening()
        return [happening.__name__ for happening in happens]

    def happenings(self) -> list[Callable[[], None]]:
        """Everything that may happen in a night."""
        return [
            *(self.grow, self.grow, self.change, self.change, self.remove, self.insert_on_top, self.insert_on_top),
            *(self.remove_file, self.rename_file, self.reload, self.reload, self.replace_file, self.repeat),
            *(self.repeat_with_change, self.break_row, self.mend_rows, self.lose_id, self.lose_id, self.lose_parent),
            *(self.find_parent, self.flip_format, self.change_api, self.repeat_in_api),
        ]

    def grow(self, count: int = 2) -> None:
        """A new file with new orders and lines, and new versions of old ones."""
        self.number += 1
        fresh = [self.order() for _ in range(count)]
        old = [dict(row) for row in self.rows("orders") if self.random.random() < 0.15]
        for row in old:
            row["total"], row["changed"] = "77.70", self.random.choice([None, self.moment()])
        lines = [line for order in fresh for line in self.lines_of(order["id"])]
        self.put("orders", f"orders-{self.number:03}.csv", fresh + old)
        self.put("lines", f"lines-{self.number:03}.csv", lines)

    def change(self) -> None:
        """A row has other values, in one of which only the spelling changes."""
        _, row = self.any_row("orders")
        row["total"] = self.random.choice(["12.5", "12.50", "1.234", "99,90", f"{self.random.randint(1, 999)}.25"])
        row["changed"] = self.random.choice([row["changed"], self.moment()])
        _, line = self.any_row("lines")
        line["sku"] = self.random.choice(["x-1", "X-1", " X-1", "Y–2"])

    def remove(self) -> None:
        """Rows are no more."""
        for table in ("orders", "lines"):
            file, row = self.any_row(table)
            self.files[table][file][1].remove(row)

    def insert_on_top(self) -> None:
        """A file is exported anew with one row more, so that all others are found elsewhere."""
        file, _ = self.any_row("lines")
        order = self.random.choice([row["id"] for row in self.rows("orders")])
        self.put("lines", file, [*self.lines_of(order), *self.files["lines"][file][1]])

    def remove_file(self) -> None:
        table = self.random.choice(["orders", "lines"])
        if len(self.files[table]) > 2:
            del self.files[table][self.random.choice(sorted(self.files[table]))]

    def rename_file(self) -> None:
        table = self.random.choice(["orders", "lines"])
        file, _ = self.any_row(table)
        self.number += 1
        self.files[table][f"{table}-{self.number:03}.csv"] = self.files[table].pop(file)

    def repeat(self) -> None:
        """A row stands twice in a file."""
        file, row = self.any_row(self.random.choice(["orders", "lines"]))
        table = "orders" if "state" in row else "lines"
        self.files[table][file][1].append(dict(row))

    def repeat_with_change(self) -> None:
        """A row stands twice in a file, with other values."""
        file, row = self.any_row("lines")
        self.files["lines"][file][1].append({**row, "price": "3,00"})

    def break_row(self) -> None:
        self.any_row("orders")[1]["total"] = self.random.choice(["x", "-1", None])
        self.any_row("lines")[1]["total"] = "x"

    def mend_rows(self) -> None:
        for row in self.rows("orders"):
            row["total"] = "5.50" if row["total"] in ("x", "-1", None) else row["total"]

    def lose_id(self) -> None:
        for table in ("orders", "lines"):
            self.any_row(table)[1]["id"] = self.random.choice([None, "", "n/a"])

    def lose_parent(self) -> None:
        """An order goes, and its lines stay."""
        for _ in range(2):
            file, row = self.any_row("orders")
            self.files["orders"][file][1].remove(row)
        if self.api:
            self.api[self.random.choice(sorted(self.api))]["total"] = "x"

    def find_parent(self) -> None:
        """Some orders come whose lines waited for them."""
        known = {row["id"] for row in self.rows("orders")}
        lost = sorted({row["order"] or "" for row in self.rows("lines")} - known)[:2]
        self.number += 1
        self.put("orders", f"orders-{self.number:03}.csv", [{**self.order(), "id": one} for one in lost])
        for order in self.api.values():
            order["total"] = "5" if order["total"] == "x" else order["total"]

    def flip_format(self) -> None:
        """So many rows tell of another decimal mark, or of another order of day and month, that all are read so."""
        self.number += 1
        total, placed = self.random.choice([("3,25", "12/25/2025"), ("3.25", "25/12/2025")])
        rows = [{**self.order(), "total": total, "placed": placed} for _ in range(self.random.choice([1, 60]))]
        self.put("orders", f"orders-{self.number:03}.csv", rows)

    def reload(self) -> None:
        """A file is loaded again as it was, and so becomes the newest."""
        table = self.random.choice(["orders", "lines"])
        file, _ = self.any_row(table)
        self.put(table, file, self.files[table][file][1])

    def replace_file(self) -> None:
        file, _ = self.any_row("lines")
        rows = [dict(row) for row in self.files["lines"][file][1] if self.random.random() < 0.8]
        self.random.shuffle(rows)
        self.put("lines", file, rows)

    def change_api(self) -> None:
        self.number += 1
        key = self.random.choice([*sorted(self.api), f"A{self.number}"])
        lines = [{"sku": f"S{self.random.randint(1, 3)}", "price": "2.50"} for _ in range(self.random.randint(0, 4))]
        self.api[key] = {"state": "paid", "total": self.random.choice(["1.234", "5", "x"]), "lines": lines}

    def repeat_in_api(self) -> None:
        """One order has a line more that it has already, and another one less."""
        with_lines = [order for order in self.api.values() if order["lines"]]
        for order in with_lines[:1]:
            order["lines"].append(order["lines"][0])
        for order in with_lines[1:2]:
            order["lines"].pop()

    def order(self) -> Row:
        self.number += 1
        total = self.random.choice(["12.50", "1.234", "9.9", "20"])
        placed = self.random.choice(["03/04/2025", "2025-06-01", "25/12/2025"])
        note = self.random.choice([None, "gift"])
        return {"id": f"o{self.number}", "state": self.random.choice(["paid", "Paid", "PAID"]), "total": total,
                "placed": placed, "changed": self.random.choice([None, self.moment()]), "note": note}  # fmt: skip

    def lines_of(self, order: str | None) -> list[Row]:
        found: list[Row] = []
        for _ in range(self.random.randint(1, 3)):
            self.number += 1
            found.append({"id": f"l{self.number}", "order": order, "sku": f"K-{self.number % 7}", "quantity": "1",
                          "price": "2.50", "total": self.random.choice(["2.50", "1.234"])})  # fmt: skip
        return found

    def put(self, table: str, file: str, rows: list[Row]) -> None:
        self.files[table][file] = (FIRST + timedelta(days=self.night, minutes=self.number), rows)

    def rows(self, table: str) -> list[Row]:
        return [row for _, rows in self.files[table].values() for row in rows]

    def any_row(self, table: str) -> tuple[str, Row]:
        file = self.random.choice([name for name, (_, rows) in sorted(self.files[table].items()) if rows])
        return file, self.random.choice(self.files[table][file][1])

    def moment(self) -> str:
        return f"2026-01-{self.random.randint(1, 28):02} 10:00:00"

    def write(self, folder: Path) -> None:
        """The raw files as loads leave them."""
        folder.mkdir(parents=True, exist_ok=True)
        for source in ("shop", "api"):
            (folder / f"{source}.duckdb").unlink(missing_ok=True)
        with duckdb.connect(str(folder / "shop.duckdb")) as con:
            for table, columns in COLUMNS.items():
                rows = [
                    (*(row[c] for c in columns), file, i + 2, loaded)
                    for file, (loaded, listed) in self.files[table].items()
                    for i, row in enumerate(listed)
                ]
                _put(con, table, {**dict.fromkeys(columns, pl.String), **OWN}, rows)
        with duckdb.connect(str(folder / "api.duckdb")) as con:
            records_ = [(key, FIRST, json.dumps(order), False) for key, order in self.api.items()]
            _put(con, "orders", RECORD, records_)


def _put(con: duckdb.DuckDBPyConnection, table: str, schema: Mapping[str, Any], rows: list[tuple[Any, ...]]) -> None:
    con.register("told", pl.DataFrame(rows, schema=schema, orient="row").to_arrow())
    con.execute("CREATE SCHEMA IF NOT EXISTS raw")
    con.execute(f"CREATE TABLE raw.{table} AS SELECT * FROM told")
    con.unregister("told")


def a_company(folder: Path, raw: Path) -> Company:
    """A company of its own over raw files that others share."""
    for name, sql in MAPPINGS.items():
        path = folder / "mappings" / f"{name}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sql)
    (folder / "millpond.toml").write_text(TOML)
    (folder / "lake").mkdir()
    (folder / "lake" / "raw").symlink_to(raw)
    return load_company(folder)


@dataclass(frozen=True)
class Step:
    """One night of a history.

    Attributes:
        happened: what happened at the sources.
        differ: tables that are not what cleaning all gives, and logs that do not tell what changed.
        read: rows that the mappings gave.
        cleaned: rows that were cleaned again.
        logged: tables whose log leads from the night before to this one.
    """

    happened: list[str]
    differ: list[str]
    read: int
    cleaned: int
    logged: int


def history(folder: Path, random: Random, *, nights: int) -> Iterator[Step]:
    """Let two sources go through a random history.

    Args:
        folder: an empty one, for the two companies and the raw files that they share.
    """
    raw, shop = folder / "raw", Shop(random)
    by_night, anew = (a_company(folder / name, raw) for name in ("by-night", "anew"))
    shop.write(raw)
    for company in (by_night, anew):
        clean(company, 0)
    for night in range(1, nights + 1):
        happened = shop.pass_night()
        shop.write(raw)
        before = _content(by_night)
        reports = [r for cleaned in clean(by_night, night).values() for r in cleaned.reports.values()]
        memory.forget_all(anew.home.cleaning)
        clean(anew, night)
        wrong, logged = _logs(by_night, before)
        yield Step(
            happened,
            [*_differing(by_night, anew, with_times=True), *wrong],
            read=sum(r.read for r in reports),
            cleaned=sum(r.read if r.cleaned is None else r.cleaned for r in reports),
            logged=logged,
        )
    anew.home.build.unlink()
    memory.forget_all(anew.home.cleaning)
    clean(anew, nights + 1)
    yield Step(["cleaned into an empty database"], _differing(by_night, anew, with_times=False), 0, 0, 0)


def clean(company: Company, night: int) -> dict[str, Cleaned]:
    with building(company) as con:
        for contract in CONTRACTS:
            ensure_tables(con, contract)
        at = begin(company, f"night-{night}", FIRST + timedelta(days=night))
        found = clean_entities(con, at, CONTRACTS, mapping_files(company))
        unsound = [c.name for c in CONTRACTS if found[c.name].failed or not reconcile(con, at, c).passed]
    if unsound:
        raise RuntimeError(f"{', '.join(unsound)} could not be cleaned, or rows of it were lost.")
    return found


def _differing(one: Company, other: Company, *, with_times: bool) -> list[str]:
    """Tables that two companies do not have alike."""
    tables = [written(company, with_times=with_times) for company in (one, other)]
    return [name for name in tables[0] if tables[0][name] != tables[1][name]]


def written(company: Company, *, with_times: bool) -> dict[str, list[Any]]:
    """What cleaning wrote, by table."""
    times = ["run_id", "reconciled_at", *(() if with_times else ("cleaned_at", "first_seen_at", "last_seen_at"))]
    found = {}
    with duckdb.connect(str(company.home.build), read_only=True) as con:
        con.execute("SET TimeZone = 'UTC'")
        for contract in CONTRACTS:
            found[contract.table] = f"FROM {contract.table}"
            found[f"quarantine.{contract.name}"] = (
                f"SELECT * REPLACE ({WITHOUT_TIMES} AS row) FROM quarantine.{contract.name}"
            )
        for name in ("cleaning_issue", "reconciliation"):
            found[f"meta.{name}"] = f"FROM meta.{name}"
        return {
            name: con.execute(f"SELECT COLUMNS(c -> c NOT IN {tuple(times)}) FROM ({query}) ORDER BY ALL").fetchall()
            for name, query in found.items()
        }


@dataclass(frozen=True)
class _Content:
    """A clean table's version, and its records by key without where they lie and when they were cleaned."""

    version: str
    rows: dict[tuple[str, str], Any]


def _content(company: Company) -> dict[str, _Content]:
    with duckdb.connect(str(company.home.build), read_only=True) as con:
        return {contract.table: _content_of(con, contract) for contract in CONTRACTS}


def _content_of(con: duckdb.DuckDBPyConnection, contract: Contract) -> _Content:
    columns = f"SELECT source, source_id, * EXCLUDE ({', '.join(records.BOOKKEEPING)}) FROM {contract.table}"
    version = meta.fingerprint_of(con, contract.table)
    return _Content(version[1] if version else "", {row[:2]: row for row in con.execute(columns).fetchall()})


def _logs(company: Company, before: Mapping[str, _Content]) -> tuple[list[str], int]:
    """Tables whose version or log is wrong, and how many logs lead from the content before to the one of now."""
    wrong, logged = [], 0
    with duckdb.connect(str(company.home.build), read_only=True) as con:
        for contract in CONTRACTS:
            then, now = before[contract.table], _content_of(con, contract)
            if now.version != records.version_of(con, contract):
                wrong.append(f"version of {contract.table}")
            if now.version == then.version:
                continue
            query = changes.since(con, contract.table, then.version, now.version)
            if query:
                logged += 1
                told = {row[:2] for row in con.execute(f"SELECT source, source_id FROM ({query})").fetchall()}
                changed = {key for key in then.rows.keys() | now.rows.keys() if then.rows.get(key) != now.rows.get(key)}
                if not told >= changed:
                    wrong.append(f"log of {contract.table}")
    return wrong, logged


def run(folder: Path, histories: int, nights: int) -> dict[str, Any]:
    """Random histories, however much of the rows they change."""
    memory.MOST_CHANGED = 1.0
    rows = []
    for seed in range(histories):
        work = folder / f"cleaning-{seed}"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        steps = list(history(work, Random(seed), nights=nights))
        rows.append(
            {
                "history": seed,
                "nights": nights,
                "rows read": sum(step.read for step in steps),
                "rows cleaned": sum(step.cleaned for step in steps),
                "logs that lead": sum(step.logged for step in steps),
                "differences": sum(len(step.differ) for step in steps),
                "where": ", ".join(sorted({f"{d} after {' and '.join(s.happened)}" for s in steps for d in s.differ})),
            }
        )
        shutil.rmtree(work)
    return {"cleaning": rows}


def tables_of(result: Mapping[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Titles and rows to print."""
    yield "Cleaning what changed, against cleaning all", result["cleaning"]
