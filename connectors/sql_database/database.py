"""What a database says of itself, and what every kind of database can be asked; `open_session` chooses the kind.

One session is one read-only transaction, so all of its answers agree. How to ask belongs in the module of the kind.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from connectors.sql_database.options import Address

if TYPE_CHECKING:
    import pyarrow as pa

#: Where an increment begins: a time, or a number.
Low = datetime | int


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column.

    Attributes:
        name: as in the database.
        type: in the database's own words.
        select: the SQL that carries its values here without loss, often as text.
        lands: the DuckDB type that the values are to have; those that do not fit it land beside as text.
        carries: the Arrow type that `select` comes in, for databases whose driver knows no Arrow.
        remark: what is odd about its values, empty for nothing.
        is_typed_by_value: whether the declared type binds no value, as in SQLite, so that text may well be a time.
    """

    name: str
    type: str
    select: str
    lands: str
    carries: pa.DataType | None = None
    remark: str = ""
    is_typed_by_value: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table with its columns in order and its primary key, empty if it has none.

    `remarks` are sentences worth telling: columns that may not be read, rows that the server holds back.
    """

    name: str
    columns: Sequence[Column]
    key: Sequence[str] = ()
    remarks: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A table by name: whether it is a base table and not a view, and whether the user may read it."""

    name: str
    is_base: bool = True
    is_readable: bool = True


class Session(Protocol):
    """A database within one read-only transaction."""

    def tables(self) -> list[Listed]:
        """Gives all tables and views of the schema."""

    def describe(self, table: str) -> Table:
        """Gives a table's columns and key."""

    def count(self, table: Table) -> int:
        """Counts the rows."""

    def rows(self, table: Table, columns: Sequence[Column], where: str | None = None) -> Generator[pa.RecordBatch]:
        """Gives the rows in batches, each column as `Column.select` says; only those that `where` is true of."""

    def since(self, column: Column, low: Low) -> str:
        """Gives the condition that holds for rows whose cursor is at least `low`, or says nothing."""

    def now(self) -> datetime:
        """Gives the server's time."""

    def grant(self, table: str) -> str:
        """Gives what an administrator has to do so that the table can be read."""


def open_session(address: Address, schema: str | None) -> AbstractContextManager[Session]:
    """Opens a session; entering raises ConnectorError, in a sentence that names the fix."""
    match address.kind:
        case "postgresql":
            from connectors.sql_database import postgresql

            return postgresql.session(address, schema)
        case "mysql":
            from connectors.sql_database import mysql

            return mysql.session(address, schema)
        case "sqlite":
            from connectors.sql_database import sqlite

            return sqlite.session(address)


def decimal_type(digits: int | None, scale: int | None) -> str:
    """Gives the DuckDB type of a decimal number: text where it has more digits than 38, or none declared.

    A scale below zero or beyond the digits, which PostgreSQL allows, needs digits of its own.
    """
    if digits is None or scale is None:
        return "VARCHAR"
    whole, scale = max(digits - scale, 0), max(scale, 0)
    return f"DECIMAL({max(whole + scale, 1)},{scale})" if whole + scale <= 38 else "VARCHAR"
