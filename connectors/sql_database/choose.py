"""Which tables a source is to read, and what the database has to say against that.

Reading them is the business of `extract`.
"""

from __future__ import annotations

from collections.abc import Sequence

from connectors.base import ConnectorError, Source
from connectors.sql_database.database import Listed, Session, Table, open_session
from connectors.sql_database.landing import OWN, assign, plan
from connectors.sql_database.options import SqlOptions, TableOptions, address, checked, matches
from connectors.sql_database.reading import can_be_cursor, columns_of, is_time


def chosen(options: SqlOptions, listed: Sequence[Listed]) -> list[Listed]:
    """Gives the tables that the options ask for: those named, and base tables by `include` and `ignore`."""
    patterns = options.include or ([] if options.tables else ["*"])
    return [
        one
        for one in listed
        if one.name in options.tables
        or (one.is_base and matches(one.name, patterns) and not matches(one.name, options.ignore))
    ]


def discover(source: Source) -> dict[str, dict[str, str]]:
    """Gives the columns that a load would bring, by the names of the raw file.

    Raises:
        ConnectorError: the database cannot be asked.
    """
    options = checked(source)
    out: dict[str, dict[str, str]] = {}
    with open_session(address(source, options), options.schema_name) as session:
        readable = [one.name for one in chosen(options, session.tables()) if one.is_readable]
        names = assign(readable, {})
        for name in readable:
            columns = columns_of(session.describe(name), options.tables.get(name, TableOptions()))
            out[names[name]] = {one.name: one.kind for one in plan(columns, {}, {})} | OWN
    return out


def troubles(source: Source) -> list[str]:
    """Gives one sentence per trouble: server, user, password, tables that are not there or closed, columns."""
    options = checked(source)
    try:
        with open_session(address(source, options), options.schema_name) as session:
            out = _table_troubles(source, options, session)
    except ConnectorError as error:
        out = [str(error)]
    return [f"Source '{source.name}': {one}" for one in out]


def no_such_table(session: Session, name: str) -> str:
    """Says what to do about a table that is not listed."""
    return (
        f"the database has no table {name} that this user can see; correct its name in millpond.toml or, if it exists, "
        f"let an administrator run: {session.grant(name)}"
    )


def no_right(session: Session, name: str) -> str:
    """Says what to do about a table that may not be read."""
    return f"the user may not read {name}; let an administrator run: {session.grant(name)}"


def no_tables(session: Session) -> str:
    """Says what to do where nothing can be read."""
    return (
        "there is no table that this user may read; correct schema or tables in millpond.toml, or let an administrator "
        f"run: {session.grant('<table>')}"
    )


def table_problems(table: Table, options: TableOptions, place: str) -> list[str]:
    """Gives one sentence per column that the options name and the table does not have, or that cannot serve."""
    columns = {column.name: column for column in columns_of(table, options)}
    there = ", ".join(column.name for column in table.columns)
    named = [("key", one) for one in options.key or []] + [("columns", one) for one in options.columns or []]
    named += [("cursor", options.cursor)] if options.cursor else []
    out = [
        f"millpond.toml: {place}.{option}: {table.name} has no column {name} that is read; its columns are {there}."
        for option, name in named
        if name not in columns
    ]
    cursor = columns.get(options.cursor or "")
    if cursor is not None and not can_be_cursor(cursor):
        out.append(
            f"millpond.toml: {place}.cursor: {cursor.name} is of type {cursor.type}; a cursor is a time, a date or a "
            "whole number that grows with every change."
        )
    lookback, wanted = options.lookback, str if cursor is not None and is_time(cursor) else int
    if cursor is not None and lookback is not None and not isinstance(lookback, wanted):
        like = "a duration like '2 hours'" if wanted is str else "a number"
        out.append(f"millpond.toml: {place}.lookback: {cursor.name} is of type {cursor.type}; give {like}.")
    if options.cursor and not (options.key or table.key):
        out.append(
            f"millpond.toml: {place}: {table.name} has no primary key, so its increments cannot be merged; name the "
            "columns that tell its rows apart as key, or remove cursor."
        )
    return out


def _table_troubles(source: Source, options: SqlOptions, session: Session) -> list[str]:
    listed = session.tables()
    wanted = chosen(options, listed)
    out = [no_such_table(session, name) for name in options.tables if name not in {one.name for one in listed}]
    for one in wanted:
        if not one.is_readable:
            out.append(no_right(session, one.name))
        elif one.name in options.tables:
            place = f"sources.{source.name}.tables.{one.name}"
            out += table_problems(session.describe(one.name), options.tables[one.name], place)
    return out if wanted or out else [no_tables(session)]
