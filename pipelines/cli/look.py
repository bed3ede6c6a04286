"""Commands that look at what is there: query, status, sources, quarantine."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from rich.markup import escape
from rich.table import Table

from pipelines.cli.app import app, fail, out, plain_errors, the_company

if TYPE_CHECKING:
    import duckdb

    from warehouse.company import Company


class Format(enum.StrEnum):
    """How a result is printed."""

    table = "table"
    csv = "csv"
    json = "json"


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="One SQL statement, or - to read it from standard input.")],
    form: Annotated[Format, typer.Option("--format", "-f", help="How to print the result.")] = Format.table,
    limit: Annotated[int, typer.Option(help="Rows shown at most in a table.")] = 100,
    build: Annotated[
        bool, typer.Option("--build", help="Ask the unpublished build instead, such as after a check blocked it.")
    ] = False,
) -> None:
    """Ask the published warehouse, read-only.

    Example: millpond query "SELECT date, sum(net_revenue_base) FROM mart.sales_daily GROUP BY ALL ORDER BY 1 DESC"
    """
    import duckdb

    company = the_company()
    text = typer.get_text_stream("stdin").read() if sql == "-" else sql
    with plain_errors(), _unpublished(company) if build else _published(company) as con:
        con.execute("SET enable_external_access = false")
        try:
            result = con.sql(text)
            if result is not None:
                _print(result, form, limit)
        except duckdb.Error as error:
            fail(str(error))


@app.command()
def status() -> None:
    """Say whether the warehouse is fresh, and what needs somebody.

    Example: millpond status
    """
    from pipelines.report import describe_status

    describe_status(the_company(), out)


@app.command()
def sources() -> None:
    """List the sources with their freshness, rows and findings.

    Example: millpond sources
    """
    from pipelines.report import describe_sources

    describe_sources(the_company(), out)


@app.command()
def quarantine(
    entity: Annotated[str | None, typer.Argument(help="Entity, such as contact; default: an overview.")] = None,
    limit: Annotated[int, typer.Option(help="Rows shown at most.")] = 20,
) -> None:
    """Show the rows that broke their contract, with the reasons.

    Example: millpond quarantine sales_order
    """
    from warehouse.contracts import entities

    known = {*entities(), "rejected_line"}
    if entity and entity not in known:
        fail(f"There is no entity {entity}; known are {', '.join(sorted(known))}.")
    company = the_company()
    with plain_errors(), _published(company) as con:
        if entity:
            _print(_quarantined(con, entity), Format.table, limit)
        else:
            out.print(_overview(con))


def _unpublished(company: Company) -> duckdb.DuckDBPyConnection:
    from warehouse.store import StoreError, connect

    if not company.home.build.exists():
        raise StoreError(f"Nothing is built yet: {company.home.build} does not exist. Run `millpond run`.")
    return connect(company.home.build, read_only=True)


def _published(company: Company) -> duckdb.DuckDBPyConnection:
    from warehouse.store import StoreError, connect

    path = company.home.warehouse
    if not path.exists():
        raise StoreError(f"Nothing is published yet: {path} does not exist. Run `millpond run`.")
    return connect(path, read_only=True)


def _quarantined(con: duckdb.DuckDBPyConnection, entity: str) -> duckdb.DuckDBPyRelation:
    return con.sql(f'SELECT * FROM quarantine."{entity}" ORDER BY ALL')


def _overview(con: duckdb.DuckDBPyConnection) -> Table:
    names = con.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'quarantine' ORDER BY 1").fetchall()
    table = Table("entity", "rows", "most frequent reasons", box=None)
    for (name,) in names:
        rows = con.sql(f'SELECT count(*) FROM quarantine."{name}"').fetchone() or (0,)
        if not rows[0]:
            continue
        reason = "reason" if name == "rejected_line" else "unnest(reasons)"
        reasons = con.execute(
            f"SELECT regexp_replace(r, '^(orphan: \\w+).*', '\\1') AS r, count(*) AS n "
            f'FROM (SELECT {reason} AS r FROM quarantine."{name}") GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 3'
        ).fetchall()
        frequent = ", ".join(f"{r} ({n:,})" for r, n in reasons)
        table.add_row(name, f"{rows[0]:,}", escape(frequent))
    return table


def _print(result: duckdb.DuckDBPyRelation, form: Format, limit: int) -> None:
    if form is Format.csv:
        _write_csv(result, typer.get_text_stream("stdout"))
    elif form is Format.json:
        import orjson

        typer.echo(orjson.dumps(_as_dicts(result), default=str).decode())
    else:
        rows = result.limit(limit + 1).fetchall()
        table = Table(*[escape(str(c)) for c in result.columns], box=None)
        for row in rows[:limit]:
            table.add_row(*["" if v is None else escape(str(v)) for v in row])
        out.print(table)
        if len(rows) > limit:
            out.print(f"… more than {limit} rows; raise --limit, or use --format csv.")


def _write_csv(result: duckdb.DuckDBPyRelation, to: TextIO) -> None:
    import csv

    writer = csv.writer(to, lineterminator="\n")
    writer.writerow(result.columns)
    while rows := result.fetchmany(10_000):
        writer.writerows([_csv_text(value) for value in row] for row in rows)


def _csv_text(value: object) -> str:
    """Lists and structures become JSON, times ISO 8601, NULL nothing."""
    import orjson

    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool | list | dict | datetime):
        return orjson.dumps(value, default=str).decode().strip('"')
    return str(value)


def _as_dicts(result: duckdb.DuckDBPyRelation) -> list[dict[str, Any]]:
    return [dict(zip(result.columns, row, strict=True)) for row in result.fetchall()]
