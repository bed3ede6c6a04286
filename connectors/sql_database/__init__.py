"""The sql_database connector: tables of PostgreSQL, MySQL, MariaDB and SQLite, column by column in one transaction.

Importing it is cheap; drivers, dlt and Arrow load with the first session. Mappings come from the company's folder,
since only the company knows what its tables mean.
"""

from __future__ import annotations

from pydantic import ValidationError

from connectors.base import Connector, Extraction, Source, Workspace
from connectors.sql_database.options import SqlOptions, parse, sentences


def build(source: Source, workspace: Workspace) -> Extraction:
    """Prepares a load; see `extract`."""
    from connectors.sql_database import extract

    return extract.build(source, workspace)


def discover(source: Source) -> dict[str, dict[str, str]]:
    """Gives the tables and columns that a load would bring; see `choose`."""
    from connectors.sql_database import choose

    return choose.discover(source)


def problems(source: Source) -> list[str]:
    """Gives one sentence per mistake in the options; the database is not asked."""
    try:
        options = parse(source)
    except ValidationError as error:
        return sentences(source, error)
    unknown = sorted(set(options.accept_shrink) - set(options.tables)) if options.tables and not options.include else []
    return [
        f"millpond.toml: sources.{source.name}.accept_shrink: {name} is not among tables; correct or remove it."
        for name in unknown
    ]


def connect(source: Source) -> list[str]:
    """Gives one sentence per trouble with the server, the user, the tables and their columns; see `choose`."""
    from connectors.sql_database import choose

    return problems(source) or choose.troubles(source)


CONNECTOR = Connector(
    name="sql_database",
    title="SQL database",
    description="Tables of a PostgreSQL, MySQL, MariaDB or SQLite database.",
    options=SqlOptions,
    build=build,
    discover=discover,
    problems=problems,
    connect=connect,
)
