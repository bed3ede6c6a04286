"""The queries that bring records into comparable form and compare them, one a file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import duckdb


@cache
def text(name: str) -> str:
    """A query of this folder."""
    return (Path(__file__).parent / f"{name}.sql").read_text(encoding="utf-8")


def over(name: str, table: str, instead: str) -> str:
    """A query of this folder, which reads `instead` where it reads `table` first."""
    before, found, after = text(name).partition(f"FROM {table}\n")
    if not found:
        raise ValueError(f"{name}.sql does not read {table}")
    return f"{before}FROM {instead} AS {table}\n{after}"


def one(con: duckdb.DuckDBPyConnection, sql: str, *values: str) -> int:
    """The only number that a query gives; 0 for none."""
    row = con.execute(sql, values).fetchone()
    return int(row[0] or 0) if row else 0
