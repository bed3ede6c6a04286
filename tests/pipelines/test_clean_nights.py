"""Nights of changes clean what changed, and leave the same tables as if all had been cleaned again.

Random histories of two sources, one of files and one of records as JSON, are cleaned in three ways: night by night,
all again each night, and into an empty database.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

from pipelines.checkup import mapping_files
from pipelines.night import begin, building
from pipelines.refresh.clean import Cleaned, clean_entities, reconcile
from transforms.clean import memory
from transforms.clean.load import ensure_tables
from warehouse import changes, meta, records
from warehouse.company import Company, load_company
from warehouse.contracts import entities

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
FIRST = datetime(2026, 1, 1, 2, tzinfo=UTC)
#: What full cleaning computes anew of a row that it takes out of quarantine and puts back there.
WITHOUT_TIMES = 'json_merge_patch(row, \'{"cleaned_at": null, "row_hash": null}\')'

Row = dict[str, str | None]


class Shop:
    """What the sources say tonight, and ways in which it becomes something else."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
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
        happens = self.random.choices(self.happenings(), k=self.random.randint(0, 3))
        for happening in happens:
            happening()
        return [happening.__name__ for happening in happens]

    def happenings(self) -> list[Callable[[], None]]:
        """Everything that may happen in a night."""
        return [
            *(self.grow, self.change, self.change, self.remove, self.insert_on_top, self.remove_file, self.rename_file),
            *(self.repeat, self.repeat_with_change, self.break_row, self.mend_rows, self.lose_id, self.lose_parent),
            *(self.find_parent, self.flip_format, self.reload, self.replace_file, self.change_api, self.repeat_in_api),
        ]

    def grow(self, count: int = 2) -> None:
        """A new file with new orders and lines, and new versions of old ones."""
        self.number += 1
        fresh = [self.order() for _ in range(count)]
        old = [dict(row) for row in self.rows("orders") if self.random.random() < 0.05]
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
            con.execute("CREATE SCHEMA raw")
            for table, columns in COLUMNS.items():
                listed = ", ".join(f'"{name}" VARCHAR' for name in columns)
                con.execute(f"CREATE TABLE raw.{table} ({listed}, _file VARCHAR, _row BIGINT, _loaded_at TIMESTAMPTZ)")
                for file, (loaded, rows) in self.files[table].items():
                    values = [(*(row[c] for c in columns), file, i + 2, loaded) for i, row in enumerate(rows)]
                    if values:
                        con.executemany(f"INSERT INTO raw.{table} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        with duckdb.connect(str(folder / "api.duckdb")) as con:
            con.execute("CREATE SCHEMA raw")
            con.execute(
                "CREATE TABLE raw.orders (id VARCHAR, modified_at TIMESTAMPTZ, payload JSON, is_deleted BOOLEAN)"
            )
            for key, order in self.api.items():
                con.execute("INSERT INTO raw.orders VALUES (?, ?, ?, false)", [key, FIRST, json.dumps(order)])


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


def clean(company: Company, night: int) -> dict[str, Cleaned]:
    """Clean both entities of a company."""
    with building(company) as con:
        for contract in CONTRACTS:
            ensure_tables(con, contract)
        at = begin(company, "run", FIRST + timedelta(days=night))
        found = clean_entities(con, at, CONTRACTS, mapping_files(company))
        assert all(reconcile(con, at, contract).passed for contract in CONTRACTS)
    assert not any(cleaned.failed for cleaned in found.values())
    return found


def clean_anew(company: Company, night: int) -> None:
    company.home.cleaning.unlink(missing_ok=True)
    clean(company, night)


def tables(company: Company, *, with_times: bool) -> dict[str, list[Any]]:
    """What cleaning wrote."""
    found = {}
    with duckdb.connect(str(company.home.build), read_only=True) as con:
        con.execute("SET TimeZone = 'UTC'")
        clean_times = "" if with_times else "EXCLUDE (cleaned_at)"
        quarantine_times = "" if with_times else "EXCLUDE (first_seen_at, last_seen_at)"
        for contract in CONTRACTS:
            name = contract.name
            queries = {
                f"clean.{name}": f"SELECT * {clean_times} FROM clean.{name}",
                f"quarantine.{name}": f"SELECT * {quarantine_times} REPLACE ({WITHOUT_TIMES} AS row) "
                f"FROM quarantine.{name}",
            }
            for table, query in queries.items():
                found[table] = con.execute(f"FROM ({query}) ORDER BY ALL").fetchall()
        for table in ("cleaning_issue", "reconciliation"):
            found[table] = con.execute(
                f"SELECT COLUMNS(c -> c NOT IN ('run_id', 'reconciled_at')) FROM meta.{table} ORDER BY ALL"
            ).fetchall()
    return found


def content(company: Company) -> dict[str, dict[tuple[str, str], Any]]:
    """Records of clean by key, without where they lie and when they were cleaned."""
    found = {}
    with duckdb.connect(str(company.home.build), read_only=True) as con:
        for contract in CONTRACTS:
            left_out = ", ".join(records.BOOKKEEPING)
            rows = con.execute(f"SELECT * EXCLUDE ({left_out}) FROM {contract.table}").fetchall()
            found[contract.table] = {row[:2]: row for row in rows}
    return found


def logged(company: Company, before: dict[str, str]) -> dict[str, set[tuple[str, str]] | None]:
    """Keys that the log tells to have changed since other versions; None where it does not lead to the one of now."""
    found: dict[str, set[tuple[str, str]] | None] = {}
    with duckdb.connect(str(company.home.build), read_only=True) as con:
        for contract in CONTRACTS:
            now = versions(company)[contract.table]
            assert now == records.version_of(con, contract)
            query = changes.since(con, contract.table, before[contract.table], now)
            if now == before[contract.table]:
                found[contract.table] = set()
            else:
                found[contract.table] = {row[:2] for row in con.execute(query).fetchall()} if query else None
    return found


def versions(company: Company) -> dict[str, str]:
    with duckdb.connect(str(company.home.build), read_only=True) as con:
        return {c.table: (meta.fingerprint_of(con, c.table) or ("", ""))[1] for c in CONTRACTS}


@pytest.fixture(autouse=True)
def _always_by_night(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows as these are, every change is a large share of them."""
    monkeypatch.setattr(memory, "MOST_CHANGED", 0.9)


@pytest.fixture
def companies(tmp_path: Path) -> tuple[Company, Company]:
    """Of which one is cleaned night by night, and the other all anew."""
    return tuple(a_company(tmp_path / name, tmp_path / "raw") for name in ("by_night", "anew"))  # type: ignore[misc]


@pytest.mark.parametrize("seed", range(6))
def test_nights_of_changes_give_what_cleaning_all_gives(
    seed: int, companies: tuple[Company, Company], tmp_path: Path
) -> None:
    by_night, anew = companies
    shop = Shop(seed)
    read = cleaned = led = 0
    for night in range(12):
        happened = shop.pass_night() if night else ["first"]
        shop.write(tmp_path / "raw")
        before, records_before = (versions(by_night), content(by_night)) if night else ({}, {})
        reports = [r for found in clean(by_night, night).values() for r in found.reports.values()]
        clean_anew(anew, night)
        assert tables(by_night, with_times=True) == tables(anew, with_times=True), happened
        if night:
            read += sum(r.read for r in reports)
            cleaned += sum(r.cleaned for r in reports)
            told, now = logged(by_night, before), content(by_night)
            for table, keys in told.items():
                if keys is not None:
                    past, led = records_before[table], led + 1
                    assert keys >= {k for k in past.keys() | now[table].keys() if past.get(k) != now[table].get(k)}
    assert cleaned < read / 2
    assert led > 10
    shutil.rmtree(anew.home.root)
    (anew.home.root).mkdir()
    (anew.home.root / "raw").symlink_to(tmp_path / "raw")
    clean(anew, 99)
    assert tables(by_night, with_times=False) == tables(anew, with_times=False)
