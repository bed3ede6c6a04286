"""A small contract and its empty tables, shared by the tests of the quality layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from warehouse.contracts import SYSTEM_COLUMNS, Column, Contract, Reference, Rule

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)

_QUARANTINE = """
    source VARCHAR, source_id VARCHAR, reasons VARCHAR[], row JSON, source_file VARCHAR, source_row BIGINT,
    first_seen_at TIMESTAMPTZ, last_seen_at TIMESTAMPTZ
"""


def make_column(name: str, duckdb_type: str = "VARCHAR", semantic_type: str = "text", **more: Any) -> Column:
    return Column(name, duckdb_type, semantic_type, f"The {name}.", **more)


KEY = (
    make_column("source", semantic_type="id", required=True, primary_key=True),
    make_column("source_id", semantic_type="id", required=True, primary_key=True),
)


@pytest.fixture
def column() -> Callable[..., Column]:
    """Makes a column of a contract."""
    return make_column


@pytest.fixture
def contract() -> Callable[..., Contract]:
    """Makes a contract from its columns, references and rules; clean ones get the key (source, source_id)."""

    def make(
        name: str,
        *columns: Column,
        schema: str = "clean",
        references: tuple[Reference, ...] = (),
        rules: tuple[Rule, ...] = (),
        freshness_hours: int | None = None,
    ) -> Contract:
        key = KEY if schema == "clean" else ()
        return Contract(
            schema=schema,
            name=name,
            domain="sales",
            description="",
            grain="",
            columns=(*key, *columns),
            references=references,
            rules=rules,
            freshness_hours=freshness_hours,
            version="1",
            path=Path(f"{name}.odcs.yaml"),
        )

    return make


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """A build database in memory."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for schema in ("clean", "quarantine", "core", "meta"):
            connection.execute(f"CREATE SCHEMA {schema}")
        yield connection


@pytest.fixture
def now() -> datetime:
    """The night's time."""
    return NOW


@pytest.fixture
def create(con: duckdb.DuckDBPyConnection) -> Callable[[Contract], None]:
    """Creates a contract's table, and the quarantine beside a clean one."""

    def make(contract: Contract) -> None:
        columns = (*contract.columns, *(SYSTEM_COLUMNS if contract.schema == "clean" else ()))
        listed = ", ".join(f'"{c.name}" {c.duckdb_type}' for c in columns)
        con.execute(f"CREATE TABLE {contract.table} ({listed})")
        if contract.schema == "clean":
            con.execute(f"CREATE TABLE quarantine.{contract.name} ({_QUARANTINE})")

    return make
