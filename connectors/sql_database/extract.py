"""Prepares one load of a database: rows staged as they come, what that changes, and what is handed to dlt.

All tables are read in one session, so they agree with each other. How to ask a database belongs in its module, and the
comparison with what is held in `compare`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.base import ConnectorError, Extraction, Finding, Severity, Source, SourceCount, Workspace
from connectors.sql_database import choose, ledger
from connectors.sql_database.database import Column, Listed, Session, open_session
from connectors.sql_database.findings import drift, findings
from connectors.sql_database.landing import assign
from connectors.sql_database.ledger import Entry, State
from connectors.sql_database.options import SqlOptions, TableOptions, address, checked
from connectors.sql_database.reading import Reading, reading_of
from warehouse.sql import literal

if TYPE_CHECKING:
    import duckdb

    from connectors.sql_database.compare import Changes

_MEMORY = "1GB"
# A table that lost more than half of its rows overnight was rather emptied or restored than worked on.
_WORTH_GUARDING, _GUARDED_SHARE = 20, 0.5


@dataclass
class _Night:
    """One load as it takes shape."""

    source: Source
    options: SqlOptions
    workspace: Workspace
    state: State
    findings: list[Finding] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def find(self, kind: str, severity: Severity, detail: str, table: str | None = None) -> None:
        self.findings.append(Finding(kind=kind, severity=severity, source=self.source.name, detail=detail, table=table))


def build(source: Source, workspace: Workspace) -> Extraction:
    """Prepares a load of everything that differs from what is held.

    Raises:
        ConnectorError: the database cannot be read, an option does not fit it, or a table lost most of its rows.
    """
    options = checked(source)
    with workspace.reading() as connection:
        night = _Night(source, options, workspace, ledger.read(connection))
    with _named(source), open_session(address(source, options), options.schema_name) as session:
        for number, listed in enumerate(_wanted(night, session)):
            _stage(night, session, listed.name, number)
        with _comparing(workspace) as con:
            for reading in night.readings:
                _compare(night, session, con, reading)
        _refuse_shrinkage(night)
    for reading in night.readings:
        night.findings += findings(source.name, reading)
    touched = [one for one in night.readings if one.changes]
    written = [one for one in touched if one.changes.file is not None]
    is_changed = bool(touched or night.entries)
    counts = _counts(night)
    return Extraction(
        resources=partial(_resources, written) if written else None,
        settle=partial(_settle, night=night, counts=counts) if is_changed else None,
        findings=night.findings,
        rows={one.name: one.changes.touched for one in touched} if is_changed else None,
        counts=counts,
    )


def _wanted(night: _Night, session: Session) -> list[Listed]:
    """Gives the tables to read, and reports on those that are not there or closed."""
    listed = session.tables()
    wanted, entries = choose.chosen(night.options, listed), night.state.entries
    for name in sorted({*night.options.tables, *entries} - {one.name for one in listed}):
        before = entries.get(name)
        if before is not None and before.is_gone:
            continue
        stays = " The rows read before stay." if before else ""
        detail = f"Source '{night.source.name}': {choose.no_such_table(session, name)}{stays}"
        night.find("missing_table", "warning", detail, before.table if before else None)
        if before is not None:
            night.entries.append(replace(before, is_gone=True))
    for one in wanted:
        if not one.is_readable:
            detail = f"Source '{night.source.name}': {choose.no_right(session, one.name)}"
            night.find("missing_table", "warning", detail, entries[one.name].table if one.name in entries else None)
    readable = [one for one in wanted if one.is_readable]
    if not readable:
        raise ConnectorError(choose.no_tables(session))
    return readable


def _stage(night: _Night, session: Session, name: str, number: int) -> None:
    """Reads a table, or its increment, into the scratch folder."""
    from connectors.sql_database.compare import Staged

    options, before = night.options.tables.get(name, TableOptions()), night.state.entries.get(name)
    table = session.describe(name)
    problems = choose.table_problems(table, options, f"sources.{night.source.name}.tables.{name}")
    if problems:
        raise ConnectorError(" ".join(problems))
    given = {entry.source_table: entry.table for entry in night.state.entries.values()}
    given |= {one.table.name: one.name for one in night.readings}
    landed = assign([name], given)[name]
    reading = reading_of(table, options, landed, before, night.state.tables.get(landed, {}))
    low, cursor, is_swept = reading.low(), reading.cursor, night.options.deletes == "sweep"
    where = session.since(cursor.column, low) if low is not None and cursor is not None else None
    scratch = night.workspace.scratch
    reading.staged = Staged(
        table=landed,
        landings=reading.landings,
        key=[one.name for key in reading.key for one in reading.landings if one.column.name == key],
        is_rekeyed=reading.has_new_key,
        rows=scratch / f"{number:04d}.parquet",
        is_whole=where is None,
        is_swept=is_swept,
        keys=scratch / f"{number:04d}.keys.parquet" if where and is_swept else None,
        source_rows=session.count(table),
    )
    columns = [one.column for one in reading.landings]
    _write(night, session, reading, columns, reading.staged.rows, where)
    if reading.staged.keys:
        _write(night, session, reading, [one for one in columns if one.name in reading.key], reading.staged.keys)
    night.readings.append(reading)


def _write(
    night: _Night, session: Session, reading: Reading, columns: Sequence[Column], file: Path, where: str | None = None
) -> None:
    """Writes rows to a Parquet file as they come, with the names of the raw file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from connectors.sql_database.batches import sound

    landed = {one.column.name: one.name for one in reading.landings}
    names = [landed[column.name] for column in columns]
    writer, done, what = None, 0, f"{night.source.name}: {reading.table.name}"
    with closing(session.rows(reading.table, columns, where)) as batches:
        for batch in batches:
            whole = sound(batch.rename_columns(names))
            writer = writer or pq.ParquetWriter(file, whole.schema, compression="lz4")
            writer.write_batch(whole)
            done += whole.num_rows
            night.workspace.progress(what, done, reading.staged.source_rows)
    writer = writer or pq.ParquetWriter(file, pa.schema([(name, pa.string()) for name in names]))
    writer.close()


@contextmanager
def _comparing(workspace: Workspace) -> Iterator[duckdb.DuckDBPyConnection]:
    """Gives a connection to the raw file, or to nothing before the first load, with its memory bounded."""
    import duckdb

    with workspace.reading() as held:
        con = held if held is not None else duckdb.connect()
        con.execute(f"SET memory_limit = '{_MEMORY}'")
        con.execute(f"SET temp_directory = {literal(str(workspace.scratch / 'spill'))}")
        con.execute("SET TimeZone = 'UTC'")
        yield con


def _compare(night: _Night, session: Session, con: duckdb.DuckDBPyConnection, reading: Reading) -> None:
    """Works out what a table's rows change; an increment that did not bring all keys is read as a whole."""
    from connectors.sql_database.compare import Comparison

    held, now = night.state.tables.get(reading.name, {}), night.workspace.loaded_at
    comparison = Comparison(con, reading.staged, held, night.workspace.scratch, now)
    reading.changes = comparison.changes()
    if reading.changes.is_missing:
        detail = f"{reading.table.name} has rows that its cursor did not show, so it was read as a whole."
        night.find("note", "info", detail, reading.name)
        reading.staged = replace(reading.staged, is_whole=True, keys=None)
        _write(night, session, reading, [one.column for one in reading.landings], reading.staged.rows)
        comparison = Comparison(con, reading.staged, held, night.workspace.scratch, now)
        reading.changes = comparison.changes()
    if reading.changes.key_trouble:
        _without_key(night, reading)
    if reading.cursor is not None:
        reading.raise_high(comparison.highest(reading.cursor), session.now())
    if reading.entry() != reading.before:
        night.entries.append(reading.entry())


def _without_key(night: _Night, reading: Reading) -> None:
    """Goes on without a key that is none; one that a person named has to be mended by that person."""
    trouble = reading.changes.key_trouble
    if reading.options.key:
        raise ConnectorError(
            f"table {reading.table.name}: {trouble}; name the columns that tell its rows apart in "
            f"sources.{night.source.name}.tables.{reading.table.name}.key."
        )
    is_news = reading.before is None or bool(reading.before.key)
    detail = f"{reading.table.name}: {trouble}, so it is compared as a whole, like a table without a key."
    night.find("note", "warning" if is_news else "info", detail, reading.name)
    reading.key = []


def _refuse_shrinkage(night: _Night) -> None:
    """Refuses the load if a table lost most of its rows.

    Raises:
        ConnectorError: one did, and its name is not in accept_shrink.
    """
    shrunk = [
        f"{one.table.name} (from {one.changes.held} to {one.changes.held - one.changes.held_gone} rows)"
        for one in night.readings
        if one.changes.held >= _WORTH_GUARDING
        and one.changes.held_gone > one.changes.held * _GUARDED_SHARE
        and not {one.table.name, one.name} & set(night.options.accept_shrink)
    ]
    if shrunk:
        raise ConnectorError(
            f"most rows are gone from {', '.join(shrunk)}. Nothing of this load was taken over. See that url names the "
            "right database and that it is whole; if the rows were meant to go, add the table to "
            f"sources.{night.source.name}.accept_shrink in millpond.toml."
        )


def _counts(night: _Night) -> list[SourceCount]:
    """What the database has against what is held. Where deleted rows are kept, it has fewer by intention."""
    return [
        SourceCount(
            table=one.name,
            source_rows=one.staged.source_rows,
            held_rows=one.changes.held,
            how="count(*) in the same snapshot",
        )
        for one in night.readings
        if night.options.deletes == "sweep" or not one.key
    ]


def _resources(written: Sequence[Reading]) -> list[Any]:
    import dlt

    out = []
    for reading in written:
        changes = reading.changes
        # All live rows share one value of _is_deleted, so merging by it replaces them in one transaction.
        key = ["_is_deleted"] if changes.is_replacement else list(reading.staged.key)
        columns = _hints(changes.columns)
        resource = dlt.resource(
            _file(changes, columns),
            name=reading.name,
            columns=columns,
            write_disposition="merge" if changes.is_merge else "append",
            merge_key=key if changes.is_merge else (),
        )
        out.append(resource)
    return out


def _file(changes: Changes, columns: dict[str, Any]) -> Iterator[Any]:
    import dlt

    hints = dlt.mark.make_hints(columns=columns)
    yield dlt.mark.with_file_import(str(changes.file), "parquet", changes.rows, hints=hints)


def _hints(columns: Mapping[str, str]) -> dict[str, Any]:
    from connectors.files.staging import dlt_column

    return {name: {**dlt_column(kind), "nullable": True} for name, kind in columns.items()}


def _settle(connection: duckdb.DuckDBPyConnection, *, night: _Night, counts: list[SourceCount]) -> None:
    from connectors.sql_database.compare import live_rows, settle_deletes, settle_replacement

    now = night.workspace.loaded_at
    for reading in night.readings:
        changes, staged = reading.changes, reading.staged
        if changes.gone is not None:
            settle_deletes(connection, reading.name, staged.key, changes.gone, now)
        if changes.is_replacement or reading.has_new_key:
            settle_replacement(connection, reading.name, is_empty=changes.is_replacement and not changes.rows)
    ledger.write(connection, night.entries, [one for reading in night.readings for one in drift(reading)], now)
    counts[:] = [replace(one, held_rows=live_rows(connection, one.table)) for one in counts]


@contextmanager
def _named(source: Source) -> Iterator[None]:
    """Names the source in whatever went wrong."""
    try:
        yield
    except ConnectorError as error:
        raise ConnectorError(f"Source '{source.name}': {error}") from error.__cause__
