"""What a connector's own mappings make of a load, as clean rows: for the tests of single connectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import duckdb

from connectors import registry
from tests.connectors.served import Served
from transforms.clean.base import CleanContext
from transforms.clean.load import clean_source
from warehouse.contracts import entities

Row = dict[str, Any]
Cleaned = Callable[[str], list[Row]]
CleanedById = Callable[[str], dict[str, Row]]


@contextmanager
def cleaning(one: Served) -> Iterator[Cleaned]:
    """Gives a function from an entity to its clean rows of what was loaded."""
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"ATTACH '{one.root / 'raw/source.duckdb'}' AS raw_source (READ_ONLY)")
        yield lambda entity: _clean(one.name, con, entity)


@contextmanager
def cleaning_by_id(one: Served) -> Iterator[CleanedById]:
    """Loads, and gives a function from an entity to its clean rows by id."""
    one.load()
    with cleaning(one) as clean:

        def rows(entity: str) -> dict[str, Row]:
            found = clean(entity)
            by_id = {row["source_id"]: row for row in found}
            assert len(by_id) == len(found)
            return by_id

        yield rows


def _clean(connector: str, con: duckdb.DuckDBPyConnection, entity: str) -> list[dict[str, Any]]:
    folder = registry.get(connector).mappings
    assert folder is not None
    clean_source(
        con,
        contract=entities()[entity],
        source="source",
        mapping_sql=(folder / f"{entity}.sql").read_text(encoding="utf-8"),
        raw_catalog="raw_source",
        context=CleanContext(country="DE", base_currency="EUR", timezone="Europe/Berlin"),
        now=datetime.now(UTC),
    )
    found = con.execute(f"SELECT * FROM clean.{entity} ORDER BY source_id")
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
