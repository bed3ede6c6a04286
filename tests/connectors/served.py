"""The demo company's vendors served on loopback, and the connectors that read them: what tests of connectors share.

A vendor is a line in OPTIONS: the options with which its connector reads the sandbox. What is true of every connector
is tested in test_served.py, test_faults.py and test_resume.py for all of them.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from connectors.base import LoadReport, Source
from connectors.load import load
from sandbox.exports.kit import Out
from sandbox.serve import Running, Sandbox, serving, store_path
from sandbox.store import Store
from sandbox.trade import Trade, make_trade
from sandbox.truth import Truth
from sandbox.vendor import Vendor

SEED, SCALE = 7, 0.02

#: Options of each connector for a sandbox at a URL; the name of the connector is the name of the vendor.
OPTIONS: dict[str, Callable[[Any, str], Mapping[str, Any]]] = {
    "ga4": lambda vendor, url: {
        "client_id": vendor.CLIENT_ID,
        "client_secret": vendor.CLIENT_SECRET,
        "refresh_token": vendor.REFRESH_TOKEN,
        "token_url": f"{url}/ga4/token",
        "start_date": "2026-05-01",
        # Several reports a night, so that there is something for faults to strike.
        "lookback_days": 90,
        "property_id": vendor.PROPERTY_ID,
        "base_url": f"{url}/ga4",
    },
    "google_ads": lambda vendor, url: {
        "client_id": vendor.CLIENT_ID,
        "client_secret": vendor.CLIENT_SECRET,
        "refresh_token": vendor.REFRESH_TOKEN,
        "token_url": f"{url}/google_ads/token",
        "start_date": "2026-05-01",
        "customer_id": vendor.CUSTOMER_ID,
        "login_customer_id": vendor.MANAGER_ID,
        "base_url": f"{url}/google_ads",
    },
    "google_sheets": lambda vendor, url: {
        "client_id": vendor.CLIENT_ID,
        "client_secret": vendor.CLIENT_SECRET,
        "refresh_token": vendor.REFRESH_TOKEN,
        "token_url": f"{url}/google_sheets/token",
        "drive_url": f"{url}/google_sheets",
        "spreadsheet": vendor.SPREADSHEET_ID,
        "sheets": {
            "staff": {"sheet": "Personal", "key": "Personalnr"},
            "budget": {"sheet": "Werbebudget", "header_row": 3, "key": ["Monat", "Kanal"]},
        },
        "rows_per_request": 20,
        "base_url": f"{url}/google_sheets",
    },
    "freshdesk": lambda vendor, url: {"domain": "muehlbach", "key": vendor.KEY, "base_url": f"{url}/freshdesk/api/v2"},
    "hubspot": lambda vendor, url: {"token": vendor.TOKEN, "base_url": f"{url}/hubspot"},
    "pipedrive": lambda vendor, url: {"token": vendor.TOKEN, "base_url": f"{url}/pipedrive"},
    "shopify": lambda vendor, url: {
        "shop": "demo.myshopify.com",
        "token": vendor.TOKEN,
        "base_url": f"{url}/shopify",
        "bulk_hours": 0.01,
    },
    "salesforce": lambda vendor, url: {
        "base_url": f"{url}/salesforce",
        "client_id": vendor.CLIENT_ID,
        "client_secret": vendor.CLIENT_SECRET,
        # Some objects of the small company are read by jobs, others in pages.
        "bulk_from": 80,
    },
    "stripe": lambda vendor, url: {"key": vendor.TOKEN, "base_url": f"{url}/stripe"},
    "mailchimp": lambda vendor, url: {"key": vendor.KEY, "base_url": f"{url}/mailchimp/3.0"},
    "meta_ads": lambda vendor, url: {
        "access_token": vendor.TOKEN,
        "account_id": vendor.ACCOUNT_ID,
        "start_date": "2026-05-01",
        "base_url": f"{url}/meta_ads",
    },
    "intercom": lambda vendor, url: {"token": vendor.TOKEN, "base_url": f"{url}/intercom"},
    "woocommerce": lambda vendor, url: {
        "shop": "https://shop.example",
        "consumer_key": vendor.KEY,
        "consumer_secret": vendor.SECRET,
        "base_url": f"{url}/woocommerce",
    },
    "zendesk": lambda vendor, url: {
        "subdomain": "muehlbach",
        "client_id": vendor.CLIENT_ID,
        "client_secret": vendor.CLIENT_SECRET,
        "base_url": f"{url}/zendesk",
    },
    "xero": lambda vendor, url: {
        "client_id": vendor.CLIENT_ID,
        "client_secret": vendor.CLIENT_SECRET,
        "refresh_token": vendor.REFRESH_TOKEN,
        "tenant_id": vendor.TENANT,
        "page_size": 40,
        "requests_per_minute": 10_000,
        "base_url": f"{url}/xero",
    },
}

#: What makes a connector lose patience within a test's time.
HASTY = {
    "rate_factor": 1_000.0,
    "timeout_seconds": 1.0,
    "first_pause_seconds": 0.01,
    "attempts": 5,
    "patience_seconds": 20.0,
}
#: Columns that tell when a row was loaded and not what it says.
_WHEN = ("_loaded_at", "deleted_at", "first_seen_at", "seen_at")


@dataclass
class Served:
    """A vendor that is being served, and the source that reads it into `root / raw`."""

    name: str
    running: Running
    root: Path
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def vendor(self) -> Vendor:
        return vendor_of(self.name)

    @property
    def store(self) -> Store:
        return self.running.sandbox.stores[self.name]

    @property
    def source(self) -> Source:
        options = OPTIONS[self.name](module_of(self.name), self.running.url)
        return Source(
            name="source",
            connector=self.name,
            root=self.root,
            options={**HASTY, **options, **self.more},
            secrets=self.root / "secrets",
        )

    def load(self, raw: str = "raw") -> LoadReport:
        """Loads into a folder of its own name."""
        return load(self.source, raw_dir=self.root / raw, wait_seconds=5)

    def sql(self, statement: str, raw: str = "raw") -> list[tuple[Any, ...]]:
        """Asks the raw file."""
        with duckdb.connect(str(self.root / raw / "source.duckdb"), read_only=True) as con:
            con.execute("SET TimeZone = 'UTC'")
            return con.execute(statement).fetchall()

    def tables(self, raw: str = "raw") -> list[str]:
        """The tables of records."""
        names = self.sql("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'raw' ORDER BY 1", raw)
        return [name for (name,) in names if not name.startswith("_")]

    def dump(self, raw: str = "raw", *, live: bool = False) -> dict[str, list[tuple[Any, ...]]]:
        """All records, as they are and not as they came; with `live` only those that are not deleted."""
        if not (self.root / raw / "source.duckdb").exists():
            return {}
        kept = f"* EXCLUDE ({', '.join(w for w in _WHEN if w in ('_loaded_at', 'deleted_at'))})"
        where = "WHERE NOT is_deleted" if live else ""
        return {t: self.sql(f'SELECT {kept} FROM raw."{t}" {where} ORDER BY id', raw) for t in self.tables(raw)}


@cache
def module_of(name: str) -> Any:
    """The module of a vendor of the sandbox."""
    return importlib.import_module(f"sandbox.vendors.{name}")


def vendor_of(name: str) -> Vendor:
    """A vendor of the sandbox."""
    return module_of(name).VENDOR  # type: ignore[no-any-return]


@cache
def _trade() -> Trade:
    return make_trade(SEED, SCALE)


@cache
def _filled(folder: Path, name: str) -> Path:
    """A company folder with this vendor's records, made once."""
    path = store_path(folder, name)
    store = Store(path)
    vendor = vendor_of(name)
    out = Out(source=vendor.source or name, folder=folder, seed=SEED, scale=SCALE, trade=_trade(), truth=Truth())
    vendor.fill(out, store)
    store.close()
    return path


@contextmanager
def served(name: str, *, made: Path, root: Path, record: bool = False, ease: float = 1_000.0) -> Iterator[Served]:
    """Serves a vendor's copy of the company while the block runs.

    Args:
        made: a folder that outlives the test, for the company as it was made.
        root: the test's own folder.
        ease: the factor by which the vendor's rate limit is eased.
    """
    target = store_path(root, name)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_filled(made, name), target)
    sandbox = Sandbox(root, vendors={name: vendor_of(name)}, ease=ease, record=record, slow_seconds=1.5)
    with serving(sandbox) as running:
        yield Served(name, running, root)
