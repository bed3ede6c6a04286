"""A tiny company with two file sources, and one night over it that tests copy instead of repeating it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.run import Outcome, run_night
from warehouse.company import Company, load_company

TOML = """
name = "Tiny"
base_currency = "EUR"
timezone = "Europe/Berlin"
country = "DE"
as_of = 2026-10-31

[sources.crm]
connector = "files"
path = "exports/crm"
tables.contacts.files = "contacts*.csv"

[sources.shop]
connector = "files"
path = "exports/shop"
tables.orders.files = "orders*.csv"
tables.lines.files = "lines*.csv"
"""

MAPPINGS = {
    "crm/contact": "SELECT id AS source_id, name AS full_name, mail AS email, phone FROM raw.contacts",
    "shop/sales_order": "SELECT id AS source_id, id AS order_number, mail AS email, 'paid' AS status, currency, "
    "total, placed AS ordered_at FROM raw.orders",
    "shop/order_line": 'SELECT id AS source_id, "order" AS order_id, sku, quantity, price AS unit_price, total '
    "FROM raw.lines",
}

FILES = {
    "crm/contacts.csv": "id,name,mail,phone\n"
    "1,Dr. ANNA BERG,Anna@Example.com,030 23125 001\n"
    "2,Jan de Boer,jan@example.org,n/a\n",
    "shop/orders.csv": "id,mail,currency,total,placed\n"
    'A1,anna@example.com,EUR,"30,00",2026-10-01 10:00\n'
    'A2,jan@example.org,EUR,"12,50",2026-10-02 11:00\n'
    'A3,new@example.net,EUR,"7,00",2026-10-03 12:00\n',
    "shop/lines.csv": "id,order,sku,quantity,price,total\n"
    'L1,A1,X-1,2,"10,00","20,00"\n'
    'L2,A1,X-2,1,"10,00","10,00"\n'
    'L3,A2,X-1,1,"12,50","12,50"\n'
    'L4,A3,X-2,1,"7,00","7,00"\n'
    'L5,A9,X-2,1,"7,00","7,00"\n',
}


def write_company(folder: Path) -> Path:
    """The tiny company's folder."""
    folder.mkdir(parents=True)
    (folder / "millpond.toml").write_text(TOML)
    for name, sql in MAPPINGS.items():
        path = folder / "mappings" / f"{name}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{sql}\n")
    for name, text in FILES.items():
        path = folder / "exports" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (1_760_000_000, 1_760_000_000))
    return folder


@dataclass(frozen=True)
class Tiny:
    """A company on disk, and what tests do with it."""

    company: Company

    @property
    def root(self) -> Path:
        return self.company.root

    def night(self) -> Outcome:
        return run_night(self.company, say=lambda _: None)

    def export(self, name: str) -> Path:
        return self.root / "exports" / name

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.company.home.warehouse), read_only=True) as con:
            con.execute("SET TimeZone = 'UTC'")
            return con.execute(sql).fetchall()


@pytest.fixture(scope="session")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """The company after its first night; tests must not change it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MILLPOND_HOME", raising=False)
        tiny = Tiny(load_company(write_company(tmp_path_factory.mktemp("first") / "tiny")))
        outcome = tiny.night()
    assert outcome.published, outcome.failure
    return tiny


@pytest.fixture
def tiny(first_night: Tiny, tmp_path: Path) -> Tiny:
    """A copy of the company after its first night, to do with as a test likes."""
    folder = tmp_path / "tiny"
    shutil.copytree(first_night.root, folder)
    current = folder / "lake" / "warehouse.duckdb"
    version = next((folder / "lake" / "versions").glob("*.duckdb"))
    current.unlink()
    current.hardlink_to(version)
    return Tiny(load_company(folder))
