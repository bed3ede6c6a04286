"""What every source system offers the pipeline: the vocabulary shared by connectors and by the runner.

Plain values only. How a load runs belongs in `load`, which connectors exist in `registry`, and what a system says
in its own folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import duckdb
    from pydantic import BaseModel

SCHEMA = "raw"
Severity = Literal["error", "warning", "info"]
Progress = Callable[[str, int, int | None], None]

# A raw file is a DuckDB catalog named after its source, so these would be ambiguous in SQL.
_TAKEN = frozenset({"raw", "raw_staging", "main", "temp", "system", "memory", "pg_catalog", "information_schema"})


class ConnectorError(Exception):
    """Something a person has to mend; the message is a sentence that says what, where and how."""


class RawFileHeldError(ConnectorError):
    """Another process holds the raw file of a source."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One `[sources.<name>]` table of millpond.toml, with `${NAME}` already replaced.

    Relative paths in `options` resolve against `root`, the company folder. `secrets` is the folder in which tokens
    that the source system rotates are kept between loads; None where nothing may be kept.
    """

    name: str
    connector: str
    root: Path
    # Options hold secrets, which no error message and no log may show.
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    country: str = ""
    timezone: str = "UTC"
    secrets: Path | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise ConnectorError(
                f"millpond.toml: the source name '{self.name}' must be lower-case letters, digits and "
                "underscores and start with a letter; rename the table [sources.<name>]."
            )
        if self.name in _TAKEN:
            raise ConnectorError(
                f"millpond.toml: a source cannot be named '{self.name}', the database uses that word itself; "
                "rename the table [sources.<name>]."
            )


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something worth a look, about a source, a table, a file or one line of it.

    Kinds: missing_source, missing_table, unmatched_file, unreadable_file, busy_file, gone_file, late_file,
    changed_file, rejected_line, column_added, column_dropped, column_renamed, column_named, column_type,
    rejected_record, refused_sweep, row_count, interface_version, note.
    """

    kind: str
    severity: Severity
    source: str
    detail: str
    table: str | None = None
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, kw_only=True)
class SourceCount:
    """How many rows of a table the source says it has, and how many the raw file holds that are not deleted.

    `how` says in a few words how the source was asked, such as `count endpoint` or `id sweep`.
    """

    table: str
    source_rows: int
    held_rows: int
    how: str

    @property
    def difference(self) -> int:
        """Rows held beyond what the source has; negative where rows are missing."""
        return self.held_rows - self.source_rows


@dataclass(frozen=True, kw_only=True)
class ApiVersion:
    """The version of a source system's interface that a connector speaks.

    `sunset` is the day from which the vendor no longer serves it, None where none is announced; `page` is where the
    vendor says so.
    """

    name: str
    page: str
    sunset: date | None = None


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """What one load did. `tables` counts the rows loaded now, not the rows the table holds."""

    source: str
    tables: dict[str, int]
    files_read: list[str]
    findings: list[Finding]
    changed: bool
    seconds: float
    counts: list[SourceCount] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """Where a connector may work while it prepares a load: two folders and the last loaded state.

    `scratch` is emptied before and after each load; what is put into `pending` stays until the connector takes it
    out, so that a killed load can go on where it stood.
    """

    raw_file: Path
    scratch: Path
    pending: Path
    loaded_at: datetime
    progress: Progress
    connect: Callable[[bool], duckdb.DuckDBPyConnection]

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection | None]:
        """Gives a read-only connection to the raw file, or None before the first load."""
        if not self.raw_file.exists():
            yield None
            return
        with self.connect(True) as connection:
            yield connection


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """What a connector hands the runner.

    `resources` makes dlt resources yielding Arrow tables (or Parquet files), once dlt is set up; their write
    disposition is merge or replace, or append where the connector made sure that the rows are not there yet, so
    that a load killed half-way can be repeated. `settle` does the connector's own bookkeeping once dlt has
    loaded, inside one transaction. With neither, nothing is written. `rows` overrides dlt's count by table.
    `close` runs last, once everything is safe in the raw file. `again` asks for another load right away, because
    what was handed over had been read by an earlier load that was cut off.
    """

    resources: Callable[[], Sequence[Any]] | None = None
    settle: Callable[[duckdb.DuckDBPyConnection], None] | None = None
    findings: Sequence[Finding] = ()
    files_read: Sequence[str] = ()
    rows: Mapping[str, int] | None = None
    counts: Sequence[SourceCount] = ()
    close: Callable[[], None] | None = None
    again: bool = False


@dataclass(frozen=True, kw_only=True)
class Connector:
    """One source system.

    `build` prepares a load; `discover` gives `{table: {column: DuckDB type}}` without loading anything, so that
    mappings can be bound beforehand; `problems` gives one sentence per mistake in the source's options.
    `connect` asks the source system itself whether the key and its scopes will do, one sentence per trouble; None
    where there is nothing to ask. `mappings` is the folder of `<entity>.sql` files shipped with the connector, None
    if only the company's own folder can know them. `api` is set for systems that are read through their interface.
    """

    name: str
    title: str
    description: str
    options: type[BaseModel]
    build: Callable[[Source, Workspace], Extraction]
    discover: Callable[[Source], dict[str, dict[str, str]]]
    problems: Callable[[Source], list[str]]
    connect: Callable[[Source], list[str]] | None = None
    mappings: Path | None = None
    api: ApiVersion | None = None


def held_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """Gives the columns that a raw file's tables have, with their DuckDB types; bookkeeping tables are among them."""
    tables: dict[str, dict[str, str]] = {}
    for table, column, kind in connection.execute(
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = ? "
        "ORDER BY ordinal_position",
        [SCHEMA],
    ).fetchall():
        tables.setdefault(table, {})[column] = kind
    return tables
