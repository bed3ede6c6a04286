"""Reads PostgreSQL through Arrow's own driver: binary COPY in batches, in one read-only REPEATABLE READ transaction.

Numbers with a scale and times are carried as text: the driver counts infinity as a date, and neither Arrow nor Python
knows all of PostgreSQL's dates. What they become is the business of `landing`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connectors.base import ConnectorError
from connectors.sql_database.database import Column, Listed, Low, Table, decimal_type
from connectors.sql_database.options import Address
from warehouse.sql import literal, quoted

if TYPE_CHECKING:
    import pyarrow as pa

_CONNECT_SECONDS = 15
# A table that is being altered makes its readers wait, and they make all others wait.
_SETTINGS = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL DateStyle = 'ISO, YMD'",
    "SET LOCAL IntervalStyle = 'iso_8601'",
    "SET LOCAL bytea_output = 'hex'",
    "SET LOCAL lock_timeout = '60s'",
    "SET LOCAL statement_timeout = 0",
)
_LANDS = {
    "bool": "BOOLEAN",
    "int2": "BIGINT",
    "int4": "BIGINT",
    "int8": "BIGINT",
    "float4": "DOUBLE",
    "float8": "DOUBLE",
    "bytea": "BLOB",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
}
_AS_IT_IS = frozenset({"bool", "int2", "int4", "int8", "float4", "float8", "bytea"})
_TABLES = """
SELECT c.relname::text, c.relkind IN ('r', 'p'), has_any_column_privilege(c.oid, 'SELECT')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = {schema} AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
ORDER BY 1
"""
# A domain is what it is based on; its modifier says how many digits.
_COLUMNS = """
SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), coalesce(b.typname, t.typname)::text,
    coalesce(b.typcategory, t.typcategory)::text, coalesce(b.typtype, t.typtype)::text,
    (CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END)::bigint,
    has_column_privilege(c.oid, a.attnum, 'SELECT'), row_security_active(c.oid),
    coalesce(array_position(i.indkey::int2[], a.attnum), -1)::bigint
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE n.nspname = {schema} AND c.relname = {table}
ORDER BY a.attnum
"""


@contextmanager
def session(address: Address, schema: str | None) -> Iterator[Postgresql]:
    """Opens a session.

    Raises:
        ConnectorError: the server cannot be reached, refuses, or fails on the way.
    """
    from adbc_driver_postgresql import dbapi

    try:
        connection = dbapi.connect(_conninfo(address))
    except dbapi.Error as error:
        raise ConnectorError(_refusal(address, str(error))) from None
    try:
        one = Postgresql(connection, address, schema or "public")
        for setting in _SETTINGS:
            one.run(setting)
        yield one
    except dbapi.Error as error:
        raise ConnectorError(
            f"{address}: PostgreSQL failed: {_words(error)}. Nothing of this load was taken over; the next one reads "
            "it again."
        ) from error
    finally:
        connection.close()


class Postgresql:
    """A PostgreSQL database within one read-only transaction."""

    def __init__(self, connection: Any, address: Address, schema: str) -> None:
        self._connection, self._address, self._schema = connection, address, schema

    def run(self, statement: str) -> None:
        """Runs a statement that gives no rows."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement)

    def tables(self) -> list[Listed]:
        """Gives all tables and views of the schema; partitions are part of their table."""
        rows = self._ask(_TABLES.format(schema=literal(self._schema)))
        return [Listed(name=name, is_base=is_base, is_readable=may) for name, is_base, may in rows]

    def describe(self, table: str) -> Table:
        """Gives a table's columns, as far as they may be read, and key."""
        rows = self._ask(_COLUMNS.format(schema=literal(self._schema), table=literal(table)))
        columns = [_column(*row[:6]) for row in rows if row[6]]
        key = [name for place, name in sorted((row[8], row[0]) for row in rows) if place >= 0]
        hidden = [row[0] for row in rows if not row[6]]
        remarks = []
        if hidden:
            listed = ", ".join(hidden)
            grant = f"GRANT SELECT ({listed}) ON {self._schema}.{table} TO {self._address.user}"
            remarks.append(f"{table}: the user may not read {listed}; these are left out. To have them: {grant};")
        if rows and rows[0][7]:
            remarks.append(f"{table}: row-level security is on; only the rows that its policies show are read.")
        readable = {column.name for column in columns}
        return Table(name=table, columns=columns, key=key if readable >= set(key) else [], remarks=remarks)

    def count(self, table: Table) -> int:
        """Counts the rows."""
        return int(self._ask(f"SELECT count(*) FROM {quoted(self._schema, table.name)}")[0][0])

    def rows(self, table: Table, columns: Sequence[Column], where: str | None = None) -> Generator[pa.RecordBatch]:
        """Gives the rows in batches of some 16 MB."""
        listed = ", ".join(f"{column.select} AS {quoted(column.name)}" for column in columns)
        statement = f"SELECT {listed} FROM {quoted(self._schema, table.name)}"
        with self._connection.cursor() as cursor:
            cursor.execute(f"{statement} WHERE {where}" if where else statement)
            with cursor.fetch_record_batch() as reader:
                yield from reader

    def since(self, column: Column, low: Low) -> str:
        """Gives the condition for a cursor's increment; rows without a value are always read."""
        bound = str(low) if isinstance(low, int) else literal(_moment(column, low))
        return f"{quoted(column.name)} >= {bound} OR {quoted(column.name)} IS NULL"

    def now(self) -> datetime:
        """Gives the server's time."""
        seconds = self._ask("SELECT extract(epoch FROM now())::float8")[0][0]
        return datetime.fromtimestamp(seconds, UTC)

    def grant(self, table: str) -> str:
        """Gives what an administrator has to do so that the table can be read."""
        schema, user = self._schema, self._address.user
        return f"GRANT USAGE ON SCHEMA {schema} TO {user}; GRANT SELECT ON {schema}.{table} TO {user};"

    def _ask(self, query: str) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())


def _column(name: str, type_: str, base: str, category: str, kind: str, modifier: int) -> Column:
    column = quoted(name)
    if base in _AS_IT_IS:
        return Column(name=name, type=type_, select=column, lands=_LANDS[base])
    if base == "inet":
        # As text it would name a network even where it is a single host.
        return Column(name=name, type=type_, select=f"nullif(concat({column}), '')", lands="VARCHAR")
    if base == "oid":
        return Column(name=name, type=type_, select=f"{column}::int8", lands="BIGINT")
    if base == "money":
        return Column(name=name, type=type_, select=f"{column}::numeric::text", lands="VARCHAR")
    if category == "A" or kind == "c":
        return Column(name=name, type=type_, select=f"to_json({column})::text", lands="VARCHAR")
    lands = _numeric(modifier) if base == "numeric" else _LANDS.get(base, "VARCHAR")
    return Column(name=name, type=type_, select=f"{column}::text", lands=lands)


def _numeric(modifier: int) -> str:
    """The modifier holds the digits in its upper half and the scale, with a sign, in the lower eleven bits."""
    if modifier < 4:
        return decimal_type(None, None)
    scale = (modifier - 4) & 0x7FF
    return decimal_type((modifier - 4) >> 16, scale - 0x800 if scale >= 0x400 else scale)


def _moment(column: Column, low: datetime) -> str:
    if column.lands == "TIMESTAMP WITH TIME ZONE":
        return low.isoformat()
    naive = low.replace(tzinfo=None)
    return naive.date().isoformat() if column.lands == "DATE" else naive.isoformat()


def _conninfo(address: Address) -> str:
    given = {
        "host": address.host,
        "port": str(address.port),
        "user": address.user,
        "dbname": address.database,
        "password": address.password.get_secret_value(),
        "connect_timeout": str(_CONNECT_SECONDS),
        "keepalives_idle": "60",
        "application_name": "millpond",
        **address.query,
    }
    escaped = {name: value.replace("\\", "\\\\").replace("'", "\\'") for name, value in given.items() if value}
    return " ".join(f"{name}='{value}'" for name, value in escaped.items())


def _words(error: object) -> str:
    return " ".join(str(error).split()).removesuffix(".")


def _refusal(address: Address, said: str) -> str:
    """Turns a failed connection into what to do about it; a server that speaks another language is quoted."""
    for sign, advice in (
        ("could not translate host name", f"the host {address.host} is not known; correct it in url"),
        ("Connection refused", f"no server answers on {address.host}:{address.port}; correct host and port in url"),
        ("timeout expired", f"{address.host}:{address.port} does not answer; let its firewall admit this machine"),
        ("password authentication failed", f"the server refuses the user {address.user} with this password; correct "
         "the user in url or the password in .env"),
        ("no password supplied", "the server asks for a password; give the option password"),
        ("no pg_hba.conf entry", "the server does not admit this machine; add a line for it to pg_hba.conf"),
        ("certificate", "its certificate cannot be trusted; set sslrootcert in url"),
        ("SSL", "the two sides do not agree on encryption; set sslmode in url"),
        ("does not exist", f"it has no database {address.database} or no user {address.user}; correct url"),
    ):  # fmt: skip
        if sign in said:
            return f"{address}: {advice}. It said: {_words(said)}."
    return f"{address}: PostgreSQL cannot be reached; see what it said: {_words(said)}."
