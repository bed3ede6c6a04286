"""Reads MySQL and MariaDB with PyMySQL: an unbuffered cursor in one consistent, read-only transaction.

Every value but bytes is carried as the text that the server sends, which is exact; PyMySQL's own conversions, which
turn zero dates and long times into something else, are left out. What the text becomes is the business of `landing`.
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
_SETTINGS = (
    # Names in double quotes and literals without escapes, as in the standard.
    "SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'",
    "SET SESSION time_zone = '+00:00'",
    "SET SESSION net_write_timeout = 3600",
    "SET SESSION lock_wait_timeout = 60",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)
_LANDS = {
    "year": "BIGINT",
    "double": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "datetime": "TIMESTAMP",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
}
_INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector"})
_SHAPES = frozenset(
    {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
     "geometrycollection", "geomcollection"}
)  # fmt: skip
_TABLES = """
SELECT table_name, table_type = 'BASE TABLE' FROM information_schema.tables
WHERE table_schema = %s AND table_type IN ('BASE TABLE', 'VIEW') ORDER BY 1
"""
_COLUMNS = """
SELECT column_name, data_type, column_type, numeric_precision, numeric_scale FROM information_schema.columns
WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position
"""
_KEY = """
SELECT column_name FROM information_schema.statistics
WHERE table_schema = %s AND table_name = %s AND index_name = 'PRIMARY' ORDER BY seq_in_index
"""
_ENGINE = "SELECT engine FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
_SSL_MODES = ("DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
_NO_SELECT, _NO_SUCH_TABLE = 1142, 1146


@contextmanager
def session(address: Address, schema: str | None) -> Iterator[Mysql]:
    """Opens a session.

    Raises:
        ConnectorError: the server cannot be reached, refuses, or fails on the way.
    """
    import pymysql

    try:
        connection = _connect(address)
    except (pymysql.MySQLError, OSError, RuntimeError) as error:
        raise ConnectorError(_refusal(address, error)) from None
    try:
        one = Mysql(connection, address, schema or address.database)
        for setting in _SETTINGS:
            one.ask(setting)
        yield one
    except (pymysql.MySQLError, OSError) as error:
        raise ConnectorError(
            f"{address}: MySQL failed: {_words(error)}. Nothing of this load was taken over; the next one reads it "
            "again."
        ) from error
    finally:
        connection.close()


class Mysql:
    """A MySQL or MariaDB database within one read-only transaction."""

    def __init__(self, connection: Any, address: Address, schema: str) -> None:
        self._connection, self._address, self._schema = connection, address, schema

    def ask(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        """Runs a statement and gives its rows, all values as text."""
        with self._connection.cursor() as cursor:
            cursor.execute(query, values or None)
            return list(cursor.fetchall())

    def tables(self) -> list[Listed]:
        """Gives all tables and views of the schema that the user has any right to."""
        return [
            Listed(name=name, is_base=is_base == "1", is_readable=self._may_read(name))
            for name, is_base in self.ask(_TABLES, self._schema)
        ]

    def describe(self, table: str) -> Table:
        """Gives a table's columns and key."""
        columns = [_column(*row) for row in self.ask(_COLUMNS, self._schema, table)]
        key = [name for (name,) in self.ask(_KEY, self._schema, table)]
        engine = next((row[0] for row in self.ask(_ENGINE, self._schema, table)), None)
        remarks = []
        if engine in ("MyISAM", "Aria", "MEMORY", "CSV"):
            remarks.append(
                f"{table}: its engine {engine} knows no transactions, so rows that change during the load may not "
                "agree with other tables."
            )
        return Table(name=table, columns=columns, key=key, remarks=remarks)

    def count(self, table: Table) -> int:
        """Counts the rows."""
        return int(self.ask(f"SELECT count(*) FROM {quoted(self._schema, table.name)}")[0][0])

    def rows(self, table: Table, columns: Sequence[Column], where: str | None = None) -> Generator[pa.RecordBatch]:
        """Gives the rows in batches of some 16 MB."""
        import pyarrow as pa
        from pymysql.cursors import SSCursor

        from connectors.sql_database.batches import batches

        listed = ", ".join(f"{column.select} AS {quoted(column.name)}" for column in columns)
        statement = f"SELECT {listed} FROM {quoted(self._schema, table.name)}"
        schema = pa.schema([(column.name, column.carries or pa.string()) for column in columns])
        cursor = self._connection.cursor(SSCursor)
        cursor.execute(f"{statement} WHERE {where}" if where else statement)
        yield from batches(cursor, schema)
        cursor.close()

    def since(self, column: Column, low: Low) -> str:
        """Gives the condition for a cursor's increment; rows without a value are always read."""
        bound = str(low) if isinstance(low, int) else literal(f"{low.replace(tzinfo=None):%Y-%m-%d %H:%M:%S.%f}")
        return f"{quoted(column.name)} >= {bound} OR {quoted(column.name)} IS NULL"

    def now(self) -> datetime:
        """Gives the server's time."""
        return datetime.fromtimestamp(float(self.ask("SELECT unix_timestamp()")[0][0]), UTC)

    def grant(self, table: str) -> str:
        """Gives what an administrator has to do so that the table can be read."""
        return f"GRANT SELECT ON {self._schema}.{table} TO '{self._address.user}'@'%';"

    def _may_read(self, table: str) -> bool:
        """A refusal does not end a transaction here, so the shortest way to know is to try."""
        import pymysql

        try:
            self.ask(f"SELECT 1 FROM {quoted(self._schema, table)} LIMIT 0")
        except pymysql.MySQLError as error:
            if error.args[0] in (_NO_SELECT, _NO_SUCH_TABLE):
                return False
            raise
        return True


def _column(name: str, type_: str, full_type: str, digits: str | None, scale: str | None) -> Column:
    import pyarrow as pa

    column, lands, carries = quoted(name), _LANDS.get(type_, "VARCHAR"), pa.string()
    if type_ in _INTEGERS:
        lands = "DECIMAL(20,0)" if type_ == "bigint" and "unsigned" in full_type else "BIGINT"
    elif type_ == "bit":
        column, lands = f"{column} + 0", "BIGINT" if int(digits or 64) < 64 else "DECIMAL(20,0)"
    elif type_ == "decimal":
        lands = decimal_type(int(digits or 10), int(scale or 0))
    elif type_ == "float":
        # As it is, the server rounds it to six digits.
        column, lands = f"{column} + 0e0", "DOUBLE"
    elif type_ in _BYTES:
        lands, carries = "BLOB", pa.binary()
    elif type_ in _SHAPES:
        column = f"ST_AsText({column})"
    return Column(name=name, type=full_type, select=column, lands=lands, carries=carries)


def _connect(address: Address) -> Any:
    import pymysql
    from pymysql.converters import encoders

    mode = address.query.get("ssl_mode", "PREFERRED").upper()
    unknown = set(address.query) - {"ssl_mode", "ssl_ca", "ssl_cert", "ssl_key"}
    if unknown or mode not in _SSL_MODES:
        raise ConnectorError(
            f"{address}: url may have ssl_mode ({', '.join(_SSL_MODES)}), ssl_ca, ssl_cert and ssl_key; remove or "
            f"correct {', '.join(sorted(unknown)) or 'ssl_mode'}."
        )
    given = {
        "host": address.host,
        "port": address.port,
        "user": address.user,
        "password": address.password.get_secret_value(),
        "database": address.database,
        "charset": "utf8mb4",
        "connect_timeout": _CONNECT_SECONDS,
        "conv": dict(encoders),
        "program_name": "millpond",
    }
    if mode == "DISABLED":
        return pymysql.connect(**given, ssl_disabled=True)
    try:
        return pymysql.connect(**given, ssl=_ssl(address, mode))
    except pymysql.err.OperationalError as error:
        if mode == "PREFERRED" and "SSL" in str(error):
            return pymysql.connect(**given, ssl_disabled=True)
        raise


def _ssl(address: Address, mode: str) -> Any:
    import ssl

    context = ssl.create_default_context(cafile=address.query.get("ssl_ca"))
    context.check_hostname = mode == "VERIFY_IDENTITY"
    context.verify_mode = ssl.CERT_REQUIRED if mode.startswith("VERIFY") else ssl.CERT_NONE
    if "ssl_cert" in address.query:
        context.load_cert_chain(address.query["ssl_cert"], address.query.get("ssl_key"))
    return context


def _words(error: BaseException) -> str:
    return " ".join(str(error.args[-1] if error.args else error).split()).removesuffix(".")


def _refusal(address: Address, error: BaseException) -> str:
    code = error.args[0] if error.args else 0
    said, advice = _words(error), "MySQL cannot be reached; see what it said"
    if "SSL" in said or "certificate" in said:
        advice = "the two sides do not agree on encryption; set ssl_mode and ssl_ca in url"
    elif code == 2003 and ("not known" in said or "resolution" in said):
        advice = f"the host {address.host} is not known; correct it in url"
    elif code == 2003 and "timed out" in said:
        advice = f"{address.host}:{address.port} does not answer; let its firewall admit this machine"
    elif code == 2003:
        advice = f"no server answers on {address.host}:{address.port}; correct host and port in url"
    elif code == 1045:
        advice = (
            f"the server refuses the user {address.user} with this password; correct the user in url or the password "
            "in .env"
        )
    elif code == 1049:
        advice = f"it has no database {address.database}; correct url"
    elif code == 1044:
        advice = f"the user may not use it; GRANT SELECT ON {address.database}.* TO '{address.user}'@'%';"
    elif code == 1130:
        advice = "the server does not admit this machine; create the user for its address"
    return f"{address}: {advice}. It said: {said}."
