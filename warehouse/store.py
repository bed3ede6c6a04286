"""Opening the data files: the build database, raw files beside it, and the published warehouse.

Connections, attachments, quoting and table DDL live here. What the tables mean is the contracts' business.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from warehouse import locks
from warehouse import settings as env
from warehouse.contracts import Contract
from warehouse.home import Home
from warehouse.sql import literal, quoted, quoted_table

SCHEMAS = ("clean", "quarantine", "identity", "core", "mart", "insight", "meta")


class StoreError(Exception):
    """A data file cannot be opened or is not what it should be; the message says what to do."""


def connect(path: Path | str, *, read_only: bool = False, temp: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file with Millpond's settings: bounded memory, UTC, no extension fetched or loaded by itself."""
    chosen = env.settings()
    config: dict[str, Any] = {
        "memory_limit": chosen.memory_limit,
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "preserve_insertion_order": "false",
    }
    if chosen.threads:
        config["threads"] = chosen.threads
    if temp:
        config["temp_directory"] = str(temp)
    try:
        con = duckdb.connect(str(path), read_only=read_only, config=config)
    except duckdb.IOException as error:
        raise StoreError(f"{path} cannot be opened: {str(error).splitlines()[0]}") from error
    con.execute("SET TimeZone = 'UTC'")
    con.execute("SET enable_progress_bar = false")
    return con


@contextmanager
def open_build(home: Home, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """The build database with its schemas; callers that write hold the `build` lock."""
    if not read_only:
        home.create()
    con = connect(home.build, read_only=read_only, temp=home.temp)
    try:
        if not read_only:
            for schema in SCHEMAS:
                con.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
        yield con
    finally:
        con.close()


@contextmanager
def attached_raw(con: duckdb.DuckDBPyConnection, home: Home, source: str) -> Iterator[str]:
    """Attach a source's raw file read-only, once no load is writing it; gives its catalog name.

    Raises:
        StoreError: the source was never loaded, or something else than a load holds its file.
        Busy: a load still held it after the longest wait.
    """
    path = home.raw_file(source)
    if not path.exists():
        raise StoreError(f"Source {source} has never been loaded: {path} does not exist. Run `millpond run`.")
    catalog = f"raw_{source}"
    with locks.hold(home, catalog), attached(con, path, catalog):
        yield catalog


def raw_columns(con: duckdb.DuckDBPyConnection, catalog: str) -> dict[str, dict[str, str]]:
    """Tables of an attached raw file with their columns and types."""
    rows = con.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = ? AND schema_name = 'raw' ORDER BY table_name, column_index",
        [catalog],
    ).fetchall()
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in rows:
        found.setdefault(table, {})[column] = kind
    return found


def exists(con: duckdb.DuckDBPyConnection, schema: str, table: str) -> bool:
    """Whether the current database has the table or view."""
    found = con.execute(
        "SELECT count(*) FROM information_schema.tables "
        "WHERE table_catalog = current_database() AND table_schema = ? AND table_name = ?",
        [schema, table],
    ).fetchone()
    return bool(found and found[0])


@contextmanager
def attached(con: duckdb.DuckDBPyConnection, path: Path, catalog: str, *, mend: str = "") -> Iterator[str]:
    """Attach a data file read-only under a catalog name, and give that name.

    Raises:
        StoreError: the file cannot be read; `mend` ends the message.
    """
    try:
        con.execute(f"ATTACH {literal(str(path))} AS {quoted(catalog)} (READ_ONLY)")
    except duckdb.Error as error:
        raise StoreError(f"{path} cannot be read: {str(error).splitlines()[0]} {mend}".strip()) from error
    try:
        yield catalog
    finally:
        con.execute(f"DETACH {quoted(catalog)}")


def tables_in(con: duckdb.DuckDBPyConnection, catalog: str | None = None) -> set[str]:
    """Schema-qualified names of the tables of a catalog; default: the current database."""
    rows = con.execute(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() "
        "WHERE database_name = coalesce(?, current_database()) AND NOT temporary",
        [catalog],
    ).fetchall()
    return {name for (name,) in rows}


def create_table(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Create a contract's table if it is absent, with comments; one that is there gains the columns that it lacks."""
    if exists(con, contract.schema, contract.name):
        _add_columns(con, contract)
        return
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(contract.schema)}")
    columns = ", ".join(f"{quoted(c.name)} {c.duckdb_type}" for c in contract.columns)
    con.execute(f"CREATE TABLE IF NOT EXISTS {quoted_table(contract.table)} ({columns})")
    comment(con, contract)


def _add_columns(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Bring new columns of the contract into its table, empty and in the contract's order; its rows stay."""
    table = quoted_table(contract.table)
    held = [name for name, *_ in con.execute(f"SELECT * FROM {table} LIMIT 0").description]
    wanted = {c.name: c.duckdb_type for c in contract.columns}
    if wanted.keys() <= set(held):
        return
    columns = [quoted(n) if n in held else f"CAST(NULL AS {kind}) AS {quoted(n)}" for n, kind in wanted.items()]
    columns += [quoted(n) for n in held if n not in wanted]
    con.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT {', '.join(columns)} FROM {table}")
    comment(con, contract)


def comment(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Put the contract's descriptions on its table and columns."""
    table = quoted_table(contract.table)
    con.execute(f"COMMENT ON TABLE {table} IS {literal(f'{contract.description} {contract.grain}')}")
    for column in contract.columns:
        con.execute(f"COMMENT ON COLUMN {table}.{quoted(column.name)} IS {literal(column.description)}")


def content_hash(con: duckdb.DuckDBPyConnection, table: str, catalog: str | None = None) -> str:
    """A hash of a table's rows that does not depend on their order; default: of the current database."""
    place = f"{quoted(catalog)}.{quoted_table(table)}" if catalog else quoted_table(table)
    row = con.execute(
        f"SELECT count(*), bit_xor(hash(t)), sum(hash(t)::HUGEINT % 1000000007) FROM {place} AS t"
    ).fetchone()
    return "/".join(str(v) for v in row or ())


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
