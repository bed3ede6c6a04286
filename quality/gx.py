"""Great Expectations over an open DuckDB connection: checks in, results out, everything counted by SQL in place.

The only module that imports Great Expectations, which takes seconds: import it inside functions. GX 1.24 has no
DuckDB support of its own; what it lacks (a dialect, rows that last, a regex, a check over whole rows) is here.
No data context is made, so nothing is written to disk and nothing phones home.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import duckdb
import great_expectations.expectations as gxe
import sqlalchemy as sa
from great_expectations import ExpectationSuite
from great_expectations.core.batch import Batch
from great_expectations.execution_engine.sqlalchemy_batch_data import SqlAlchemyBatchData
from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import MulticolumnMapExpectation
from great_expectations.expectations.metrics.map_metric_provider.column_condition_partial import (
    column_condition_partial,
)
from great_expectations.expectations.metrics.map_metric_provider.column_map_metric_provider import (
    ColumnMapMetricProvider,
)
from great_expectations.expectations.metrics.map_metric_provider.multicolumn_condition_partial import (
    multicolumn_condition_partial,
)
from great_expectations.expectations.metrics.map_metric_provider.multicolumn_map_metric_provider import (
    MulticolumnMapMetricProvider,
)
from great_expectations.validator.validator import Validator
from sqlalchemy.engine.base import Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.pool import StaticPool

from quality.results import CheckResult, percent
from quality.suites import Check
from warehouse.sql import quoted_table

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.expectations.expectation import Expectation

_GX_SEVERITY = {"error": "critical", "warning": "warning"}


class CheckCrashed(Exception):
    """A check could not be computed, which says nothing about the data: never to be read as a failed check."""


class _Cursor:
    """A DB-API cursor that holds its rows.

    GX reads the rows of a query after it has closed its connection, when DuckDB's own result is gone.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._rows: list[tuple[Any, ...]] = []
        self.description: Any = None
        self.rowcount = -1
        self.arraysize = 1

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        self._con.execute(statement, list(parameters))
        self.description = self._con.description
        self._rows = self._con.fetchall()

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._rows.pop(0) if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        size = size or self.arraysize
        taken, self._rows = self._rows[:size], self._rows[size:]
        return taken

    def fetchall(self) -> list[tuple[Any, ...]]:
        taken, self._rows = self._rows, []
        return taken

    def close(self) -> None:
        self._rows = []


class _Connection:
    """The caller's connection as SQLAlchemy wants it; transactions and closing stay the caller's business."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con

    def cursor(self) -> _Cursor:
        return _Cursor(self._con)

    def commit(self) -> None:
        """Checks only read."""

    rollback = close = commit


class DuckDBDialect(DefaultDialect):
    """The part of a SQLAlchemy dialect that Great Expectations uses."""

    name = "duckdb"
    driver = "duckdb"
    supports_native_boolean = True
    supports_statement_cache = True
    default_schema_name = "main"

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        # `$1` and not `?`: GX renders the SQL it shows by replacing `?` with Python reprs, which breaks quoting.
        super().__init__(paramstyle="numeric_dollar")
        self.dbapi = duckdb  # type: ignore[assignment]
        self.identifier_preparer.reserved_words = {
            word
            for (word,) in con.execute(
                "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'"
            ).fetchall()
        }

    def initialize(self, connection: sa.Connection) -> None:
        """Nothing to ask the server."""

    def get_columns(self, connection: sa.Connection, table_name: str, schema: str | None = None, **_: Any) -> list[Any]:
        """Column names in order. Types are left out, since no check of ours needs GX to know them."""
        rows = connection.execute(
            sa.text(
                "SELECT column_name FROM duckdb_columns() WHERE database_name = current_database()"
                " AND schema_name = :schema AND table_name = :table ORDER BY column_index"
            ),
            {"schema": schema or self.default_schema_name, "table": table_name},
        )
        return [{"name": name, "type": sa.types.NullType(), "nullable": True, "default": None} for (name,) in rows]


class DuckDBExecutionEngine(SqlAlchemyExecutionEngine):
    """GX's SQL engine on a connection that is already open, and stays so."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        url = sa.URL.create("duckdb")
        super().__init__(engine=Engine(StaticPool(lambda: _Connection(con)), DuckDBDialect(con), url))  # type: ignore[arg-type]


class DuckDBMatchRegex(ColumnMapMetricProvider):
    """The metric behind ExpectColumnValuesToMatchRegex, which GX has for other databases only."""

    condition_metric_name = "column_values.match_regex"
    condition_value_keys = ("regex",)

    @column_condition_partial(engine=DuckDBExecutionEngine)
    def _duckdb(cls, column: sa.ColumnElement[str], regex: str, **_: Any) -> Any:
        return sa.func.regexp_matches(column, regex)


class RowsNotWhere(MulticolumnMapMetricProvider):
    """The metric behind ExpectNoRowsWhere."""

    condition_metric_name = "multicolumn_values.not_where"
    condition_domain_keys = (
        "batch_id",
        "table",
        "column_list",
        "row_condition",
        "condition_parser",
        "ignore_row_if",
    )
    condition_value_keys = ("condition",)

    @multicolumn_condition_partial(engine=DuckDBExecutionEngine)
    def _duckdb(cls, column_list: Sequence[Any], condition: str, **_: Any) -> Any:
        return sa.not_(sa.literal_column(f"({condition})", sa.Boolean()))


class ExpectNoRowsWhere(MulticolumnMapExpectation):
    """Expect that no row meets an SQL condition: keys of several columns, foreign keys, rules of a contract."""

    condition: str
    ignore_row_if: str = "never"  # type: ignore[assignment]
    map_metric: ClassVar[str] = "multicolumn_values.not_where"
    success_keys: ClassVar[tuple[str, ...]] = ("condition", "mostly")


class _Validator(Validator):
    def _determine_progress_bars(self) -> bool:
        return False


def run_checks(
    con: duckdb.DuckDBPyConnection, table: str, checks: Sequence[Check], *, examples: int = 5
) -> list[CheckResult]:
    """Run a table's checks on the given connection, as one suite.

    First all checks are decided, the column checks by one query over the table; then those that failed are run
    again for counts, examples and the SQL that finds the rows.

    Args:
        con: open connection with the table's database as its current catalog; it is used, not copied, so the
            checks see what an open transaction sees.
        table: schema-qualified name.
        checks: from `quality.suites.checks_for`.
        examples: failing rows to give per check.

    Raises:
        CheckCrashed: a check could not be computed; the message names it.
    """
    if not checks:
        return []
    started = time.perf_counter()
    row_count = _count(con, table, checks)
    engine = DuckDBExecutionEngine(con)
    by_name = {c.name: c for c in checks}
    decided = _validate(engine, table, checks, examples=0)
    failed = [by_name[name] for name, result in decided.items() if not result.success]
    detailed = _validate(engine, table, failed, examples=examples)
    seconds = (time.perf_counter() - started) / len(checks)
    return [_result(c, decided[c.name], detailed.get(c.name), row_count=row_count, seconds=seconds) for c in checks]


def _count(con: duckdb.DuckDBPyConnection, table: str, checks: Sequence[Check]) -> int:
    try:
        row = con.execute(f"SELECT count(*) FROM {quoted_table(table)}").fetchone()
    except duckdb.Error as error:
        raise CheckCrashed(
            f"None of the {len(checks)} checks of {table} could run: {_first_line(error)}. "
            "The table should have been built before it is checked."
        ) from error
    return int(row[0]) if row else 0


def _validate(
    engine: DuckDBExecutionEngine, table: str, checks: Sequence[Check], *, examples: int
) -> Mapping[str, ExpectationValidationResult]:
    """Validate a suite of the checks; results by check name. With no examples asked, only pass or fail is decided."""
    if not checks:
        return {}
    try:
        return _validate_suite(engine, table, checks, examples)
    except Exception as error:
        if len(checks) == 1:
            raise CheckCrashed(
                f"Check {checks[0].name} of {table} could not be computed: {_first_line(error)}. Mend the contract, "
                f"or the model that builds the table."
            ) from error
    # The checks of a suite share queries, so the culprit shows only when each one runs alone.
    alone: dict[str, ExpectationValidationResult] = {}
    for check in checks:
        alone.update(_validate(engine, table, [check], examples=examples))
    return alone


def _validate_suite(
    engine: DuckDBExecutionEngine, table: str, checks: Sequence[Check], examples: int
) -> Mapping[str, ExpectationValidationResult]:
    suite = ExpectationSuite(name=table, expectations=[_expectation(c) for c in checks])
    validator = _Validator(engine, batches=[_batch(engine, table)])
    result_format = {
        "result_format": "SUMMARY" if examples else "BOOLEAN_ONLY",
        "partial_unexpected_count": examples,
        "unexpected_index_column_names": list(checks[0].key),
        "return_unexpected_index_query": True,
    }
    results = validator.graph_validate(
        suite.expectation_configurations,
        runtime_configuration={"result_format": result_format, "catch_exceptions": False},
    )
    return {r.expectation_config.meta["check"]: r for r in results}  # type: ignore[union-attr]


def _batch(engine: DuckDBExecutionEngine, table: str) -> Batch:
    schema, _, name = table.rpartition(".")
    data = SqlAlchemyBatchData(
        engine,
        selectable=sa.table(name, schema=schema),
        source_schema_name=schema,
        source_table_name=sa.quoted_name(name, quote=True),
        create_temp_table=False,
    )
    # The table itself and not GX's alias of it, so that a condition can name its columns as table.column.
    data._selectable = sa.Table(name, sa.MetaData(), schema=schema)
    return Batch(data=data)  # type: ignore[arg-type]


def _expectation(check: Check) -> Expectation:
    kind: Callable[..., Expectation] = (
        ExpectNoRowsWhere if check.expectation == "ExpectNoRowsWhere" else getattr(gxe, check.expectation)
    )
    return kind(**check.kwargs, severity=_GX_SEVERITY[check.severity], meta={"check": check.name})


def _result(
    check: Check,
    decided: ExpectationValidationResult,
    detailed: ExpectationValidationResult | None,
    *,
    row_count: int,
    seconds: float,
) -> CheckResult:
    found = detailed.result if detailed else {}
    # A check of the table as a whole, such as its row count, has no failing rows to show.
    failed_rows = int(found.get("unexpected_count") or 0)
    query = decided.result.get("unexpected_index_query") or f"SELECT count(*) FROM {quoted_table(check.table)};"
    return CheckResult(
        name=check.name,
        table=check.table,
        severity=check.severity,
        passed=bool(decided.success),
        evaluated_rows=row_count,
        failed_rows=failed_rows,
        failed_pct=percent(failed_rows, row_count),
        examples=[_json_safe(e) for e in found.get("partial_unexpected_index_list") or []],
        sql=_readable(query),
        description=check.description,
        seconds=seconds,
    )


def _readable(query: str) -> str:
    """GX selects the key columns and then those of the check, where they may come again."""
    head, _, rest = re.sub(r" *\n", "\n", query).partition("\n")
    columns = dict.fromkeys(head.removeprefix("SELECT ").split(", "))
    return f"SELECT {', '.join(columns)}\n{rest}".rstrip()


def _json_safe(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _json_value(value) for name, value in row.items()}


def _json_value(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)


def _first_line(error: BaseException) -> str:
    """The database's own words, from beneath what SQLAlchemy and GX wrap around them."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
