"""An in-memory build database with empty clean tables, and models built on the rows that a test puts there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import duckdb

from transforms import attribution, identity
from transforms.models import LINKED_FROM, build_model, load_models
from warehouse import contracts

AS_OF = date(2024, 3, 31)
NIGHT = datetime(2024, 4, 1, 2, tzinfo=UTC)

Rows = Mapping[str, Sequence[Mapping[str, Any]]]


def database(rows: Rows, *, as_of: date = AS_OF, timezone: str = "Europe/Berlin") -> duckdb.DuckDBPyConnection:
    """Clean tables with the given rows, the source and is_deleted filled in where a row is silent."""
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    for schema in ("clean", "meta", "identity", "mart"):
        con.execute(f"CREATE SCHEMA {schema}")
    for contract in contracts.entities().values():
        columns = ", ".join(f"{c.name} {c.duckdb_type}" for c in (*contract.columns, *contracts.SYSTEM_COLUMNS))
        con.execute(f"CREATE TABLE {contract.table} ({columns})")
    for name in LINKED_FROM:
        columns = ", ".join(f"{c.name} {c.duckdb_type}" for c in contracts.tables()[name].columns)
        con.execute(f"CREATE TABLE {name} ({columns})")
    con.execute(
        "CREATE TABLE meta.night AS SELECT 'run' AS run_id, $1::DATE AS as_of, $2::TIMESTAMPTZ AS now, "
        "'EUR' AS base_currency, $3 AS timezone, 'DE' AS country",
        [as_of, NIGHT, timezone],
    )
    con.execute("CREATE TABLE meta.setting AS SELECT 'attribution_days' AS name, 30::BIGINT AS value")
    con.execute("CREATE TABLE meta.holiday AS SELECT DATE '2024-03-29' AS date, 'Good Friday' AS name")
    for entity, listed in rows.items():
        for row in listed:
            full = {"source": "shop", "is_deleted": False, **row}
            marks = ", ".join("?" for _ in full)
            con.execute(f"INSERT INTO clean.{entity} ({', '.join(full)}) VALUES ({marks})", list(full.values()))
    return con


def build(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """All models, and what code makes between them."""
    for model in load_models().values():
        build_model(con, model)
        if model.table == "identity.record":
            previous = con.sql("FROM identity.assignment").pl()
            linked = identity.link(con.sql("FROM identity.record").pl(), previous, happened_at=NIGHT)
            con.execute("DELETE FROM identity.assignment")
            for name, frame in (("assignment", linked.assignment), ("history", linked.history)):
                con.register("linked_rows", frame)
                con.execute(f"INSERT INTO identity.{name} BY NAME SELECT * FROM linked_rows")
        if model.table == "mart.touchpoint_transition":
            con.register("effects", attribution.touchpoint_effects(con.sql(f"FROM {model.table}").pl()))
            con.execute("DELETE FROM mart.touchpoint_effect")
            con.execute("INSERT INTO mart.touchpoint_effect BY NAME FROM effects")
    return con


def built(rows: Rows, *, as_of: date = AS_OF, timezone: str = "Europe/Berlin") -> duckdb.DuckDBPyConnection:
    """A database with the rows and every model built on them."""
    return build(database(rows, as_of=as_of, timezone=timezone))
