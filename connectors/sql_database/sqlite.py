"""Reads SQLite with Python's own driver, read-only and in one transaction.

SQLite types values, not columns: what a column holds is counted first, and one that holds text beside anything else is
carried as text. Arrow's driver for SQLite settles on types after a thousand rows and fails where a later one differs.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.base import ConnectorError
from connectors.sql_database.database import Column, Listed, Low, Table
from connectors.sql_database.options import Address
from warehouse.sql import literal, quoted

if TYPE_CHECKING:
    import sqlite3

    import pyarrow as pa

# What a value can be; a large integer is one that a DOUBLE would round.
_CLASSES = {
    "integer": "typeof({0}) = 'integer'",
    "large": "typeof({0}) = 'integer' AND ({0} > 9007199254740992 OR {0} < -9007199254740992)",
    "real": "typeof({0}) = 'real'",
    "text": "typeof({0}) = 'text'",
    "blob": "typeof({0}) = 'blob'",
}
# A statement may have 2,000 result columns.
_COLUMNS_AT_ONCE = 200
# SQLite's own text of a real number has 15 digits, which is not always enough.
_AS_TEXT = (
    "CASE typeof({0}) WHEN 'blob' THEN '0x' || hex({0}) "
    "WHEN 'real' THEN iif(CAST(CAST({0} AS TEXT) AS REAL) = {0}, CAST({0} AS TEXT), printf('%!.17g', {0})) "
    "ELSE CAST({0} AS TEXT) END"
)
_BUSY_SECONDS = 60.0


@contextmanager
def session(address: Address) -> Iterator[Sqlite]:
    """Opens a session.

    Raises:
        ConnectorError: the file is not there or is no database, or reading fails on the way.
    """
    import sqlite3

    path = Path(address.database)
    if not path.is_file():
        raise ConnectorError(f"{path}: there is no such file; correct url.")
    connection = None
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
        connection.text_factory = bytes
        connection.execute("BEGIN")
        # The first read takes the snapshot.
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield Sqlite(connection, path)
    except sqlite3.Error as error:
        raise ConnectorError(
            f"{path}: SQLite failed: {error}. Nothing of this load was taken over; see that it is a database, that "
            "this user may read it, and that no other program locks it."
        ) from error
    finally:
        if connection is not None:
            connection.close()


class Sqlite:
    """A SQLite file within one read transaction."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self._path = connection, path

    def tables(self) -> list[Listed]:
        """Gives all tables and views."""
        rows = self._connection.execute(
            "SELECT name, type = 'table' FROM sqlite_master "
            "WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
        ).fetchall()
        return [Listed(name=name.decode(), is_base=bool(is_base)) for name, is_base in rows]

    def describe(self, table: str) -> Table:
        """Gives a table's columns, with the types of what they hold, and its key."""
        rows = self._connection.execute(
            "SELECT name, type, pk FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid", [table]
        ).fetchall()
        names = [name.decode() for name, _, _ in rows]
        held = self._holds(table, names)
        columns = [_column(name, row[1].decode(), held[name]) for name, row in zip(names, rows, strict=True)]
        key = [name for pk, name in sorted((row[2], name) for name, row in zip(names, rows, strict=True)) if pk]
        return Table(name=table, columns=columns, key=key)

    def count(self, table: Table) -> int:
        """Counts the rows."""
        return int(self._connection.execute(f"SELECT count(*) FROM {quoted(table.name)}").fetchone()[0])

    def rows(self, table: Table, columns: Sequence[Column], where: str | None = None) -> Generator[pa.RecordBatch]:
        """Gives the rows in batches of some 16 MB."""
        import pyarrow as pa

        from connectors.sql_database.batches import batches

        listed = ", ".join(f"{column.select} AS {quoted(column.name)}" for column in columns)
        statement = f"SELECT {listed} FROM {quoted(table.name)}"
        schema = pa.schema([(column.name, column.carries) for column in columns])
        yield from batches(self._connection.execute(f"{statement} WHERE {where}" if where else statement), schema)

    def since(self, column: Column, low: Low) -> str:
        """Gives the condition for a cursor's increment; rows whose value is missing or no time are always read."""
        name = quoted(column.name)
        if isinstance(low, int):
            return f"{name} >= {low} OR {name} IS NULL"
        bound = literal(f"{low.replace(tzinfo=None):%Y-%m-%d %H:%M:%S}")
        return f"datetime({name}) >= {bound} OR datetime({name}) IS NULL"

    def now(self) -> datetime:
        """Gives this machine's time, which is the one that wrote the file or knows no better."""
        return datetime.now(UTC)

    def grant(self, table: str) -> str:
        """Gives what an administrator has to do so that the table can be read."""
        return f"let this user read {self._path}"

    def _holds(self, table: str, names: Sequence[str]) -> dict[str, dict[str, int]]:
        """Counts the values of each class in each column."""
        held: dict[str, dict[str, int]] = {}
        for start in range(0, len(names), _COLUMNS_AT_ONCE):
            some = names[start : start + _COLUMNS_AT_ONCE]
            sums = [f"coalesce(sum({test.format(quoted(name))}), 0)" for name in some for test in _CLASSES.values()]
            row = self._connection.execute(f"SELECT {', '.join(sums)} FROM {quoted(table)}").fetchone()
            counts = [row[at : at + len(_CLASSES)] for at in range(0, len(row), len(_CLASSES))]
            held |= {name: dict(zip(_CLASSES, one, strict=True)) for name, one in zip(some, counts, strict=True)}
        return held


def _column(name: str, declared: str, holds: dict[str, int]) -> Column:
    import pyarrow as pa

    column, type_ = quoted(name), declared or "no type"
    classes = {one for one, count in holds.items() if count}
    lands, carries, select = "VARCHAR", pa.string(), column
    if not classes:
        lands = _declared(declared)
        carries = {"BIGINT": pa.int64(), "DOUBLE": pa.float64(), "BLOB": pa.binary()}.get(lands, pa.string())
    elif classes <= {"integer", "large"}:
        lands, carries = "BIGINT", pa.int64()
    elif classes <= {"integer", "real"}:
        lands, carries, select = "DOUBLE", pa.float64(), f"CAST({column} AS REAL)"
    elif classes == {"blob"}:
        lands, carries = "BLOB", pa.binary()
    elif classes != {"text"}:
        mixture = ", ".join(f"{count} {one}" for one, count in holds.items() if count and one != "large")
        type_ = f"{type_} holding {' and '.join(sorted(classes - {'large'}))}"
        return Column(
            name=name, type=type_, select=_AS_TEXT.format(column), lands=lands, carries=carries,
            remark=f"holds {mixture} values, and lands as text", is_typed_by_value=True,
        )  # fmt: skip
    return Column(name=name, type=type_, select=select, lands=lands, carries=carries, is_typed_by_value=True)


def _declared(words: str) -> str:
    """Where a column holds nothing: the type that SQLite's own rules see in the declaration, text for a number."""
    upper = words.upper()
    if "INT" in upper:
        return "BIGINT"
    if any(sign in upper for sign in ("REAL", "FLOA", "DOUB")):
        return "DOUBLE"
    return "BLOB" if "BLOB" in upper else "VARCHAR"
