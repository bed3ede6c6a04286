"""An in-memory build database with empty clean tables, and models built on the rows that a test puts there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import duckdb

from pipelines.refresh import history
from transforms import attribution, identity
from transforms.models import LINKED_FROM, Model, build_model, load_models
from warehouse import contracts

AS_OF = date(2024, 3, 31)
NIGHT = datetime(2024, 4, 1, 2, tzinfo=UTC)

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
#: (source, column) → trust
Trust = Mapping[tuple[str, str], int]


def database(
    rows: Rows, *, as_of: date = AS_OF, timezone: str = "Europe/Berlin", trust: Trust | None = None
) -> duckdb.DuckDBPyConnection:
    """Clean tables with the given rows, the source and is_deleted filled in where a row is silent."""
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    for schema in ("clean", "meta", "identity", "core", "mart"):
        con.execute(f"CREATE SCHEMA {schema}")
    for contract in contracts.entities().values():
        columns = ", ".join(f"{c.name} {c.duckdb_type}" for c in (*contract.columns, *contracts.SYSTEM_COLUMNS))
        con.execute(f"CREATE TABLE {contract.table} ({columns})")
    for name in (*LINKED_FROM, "meta.decision"):
        columns = ", ".join(f"{c.name} {c.duckdb_type}" for c in contracts.tables()[name].columns)
        con.execute(f"CREATE TABLE {name} ({columns})")
    con.execute(
        "CREATE TABLE meta.night AS SELECT 'run' AS run_id, $1::DATE AS as_of, $2::TIMESTAMPTZ AS now, "
        "'EUR' AS base_currency, $3 AS timezone, 'DE' AS country",
        [as_of, NIGHT, timezone],
    )
    con.execute("CREATE TABLE meta.setting AS SELECT 'attribution_days' AS name, 30::BIGINT AS value")
    con.execute("CREATE TABLE meta.holiday AS SELECT DATE '2024-03-29' AS date, 'Good Friday' AS name")
    con.execute("CREATE TABLE meta.source_trust (source VARCHAR, column_name VARCHAR, trust BIGINT)")
    for (source, column), value in (trust or {}).items():
        con.execute("INSERT INTO meta.source_trust VALUES (?, ?, ?)", [source, column, value])
    for entity, listed in rows.items():
        for row in listed:
            full = {"source": "shop", "is_deleted": False, **row}
            marks = ", ".join("?" for _ in full)
            con.execute(f"INSERT INTO clean.{entity} ({', '.join(full)}) VALUES ({marks})", list(full.values()))
    return con


def build(con: duckdb.DuckDBPyConnection, *wanted: str) -> duckdb.DuckDBPyConnection:
    """The wanted models and those they read (default: all), and what code makes between them, at meta.night's time."""
    models = load_models()
    ((now,),) = con.execute("SELECT now FROM meta.night").fetchall()
    needed = _needed(models, wanted or list(models))
    for model in models.values():
        if model.table not in needed:
            continue
        build_model(con, model)
        if model.table == "identity.record":
            previous = con.sql("FROM identity.assignment").pl()
            linked = identity.link(con.sql("FROM identity.record").pl(), previous, happened_at=now)
            con.execute("DELETE FROM identity.assignment")
            con.execute("DELETE FROM identity.uncertain_pair")
            for name, frame in (
                ("assignment", linked.assignment),
                ("history", linked.history),
                ("uncertain_pair", linked.review),
            ):
                con.register("linked_rows", frame)
                con.execute(f"INSERT INTO identity.{name} BY NAME SELECT * FROM linked_rows")
        if model.table == "identity.company":
            previous = con.sql("FROM identity.account").pl()
            con.register(
                "accounts", identity.accounts(con.sql("FROM identity.company").pl(), previous, happened_at=NIGHT)
            )
            con.execute("DELETE FROM identity.account")
            con.execute("INSERT INTO identity.account BY NAME SELECT * FROM accounts")
        for table, origin in history.HISTORIES.items():
            if origin == model.table:
                history.go_on(con, table, moment=now)
        if model.table == "mart.touchpoint_transition":
            con.register("effects", attribution.touchpoint_effects(con.sql(f"FROM {model.table}").pl()))
            con.execute("DELETE FROM mart.touchpoint_effect")
            con.execute("INSERT INTO mart.touchpoint_effect BY NAME FROM effects")
    return con


def _needed(models: Mapping[str, Model], wanted: Sequence[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(wanted)
    while waiting:
        table = waiting.pop()
        waiting += LINKED_FROM.get(table, ())
        if table in models and table not in found:
            found.add(table)
            waiting += models[table].upstream
    return found


def built(
    rows: Rows,
    *wanted: str,
    as_of: date = AS_OF,
    timezone: str = "Europe/Berlin",
    trust: Trust | None = None,
) -> duckdb.DuckDBPyConnection:
    """A database with the rows, and the wanted models (default: all) built on them."""
    return build(database(rows, as_of=as_of, timezone=timezone, trust=trust), *wanted)


def account_of(source: str, source_id: str) -> str:
    """The id that a company gets on the first night, where the record is the smallest of its account."""
    return "acc_" + hashlib.sha256(f"company:{source}:{source_id}".encode()).hexdigest()[:16]
