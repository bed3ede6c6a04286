"""What every source system offers the pipeline: the vocabulary shared by connectors and by the runner.

Plain values only. How a load runs belongs in `load`, which connectors exist in `registry`, and what a system says
in its own folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
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

    Relative paths in `options` resolve against `root`, the company folder.
    """

    name: str
    connector: str
    root: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    country: str = ""
    timezone: str = "UTC"

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
    changed_file, rejected_line, column_added, column_dropped, column_renamed, column_named, column_type, note.
    """

    kind: str
    severity: Severity
    source: str
    detail: str
    table: str | None = None
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """What one load did. `tables` counts the rows loaded now, not the rows the table holds."""

    source: str
    tables: dict[str, int]
    files_read: list[str]
    findings: list[Finding]
    changed: bool
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """Where a connector may work while it prepares a load: a scratch folder and the last loaded state."""

    raw_file: Path
    scratch: Path
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
    """

    resources: Callable[[], Sequence[Any]] | None = None
    settle: Callable[[duckdb.DuckDBPyConnection], None] | None = None
    findings: Sequence[Finding] = ()
    files_read: Sequence[str] = ()
    rows: Mapping[str, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Connector:
    """One source system.

    `build` prepares a load; `discover` gives `{table: {column: DuckDB type}}` without loading anything, so that
    mappings can be bound beforehand; `problems` gives one sentence per mistake in the source's options.
    `mappings` is the folder of `<entity>.sql` files shipped with the connector, None if only the company's own
    folder can know them.
    """

    name: str
    title: str
    description: str
    options: type[BaseModel]
    build: Callable[[Source, Workspace], Extraction]
    discover: Callable[[Source], dict[str, dict[str, str]]]
    problems: Callable[[Source], list[str]]
    mappings: Path | None = None
