"""Plans and prepares one load of a files source: which files are new, changed or gone, their rows staged as Parquet.

Every file is read and verified before any row goes to the raw file. How a format is read belongs in its reader, and
what is written down in the ledger.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.base import Extraction, Finding, Severity, Source, Workspace
from connectors.files import ledger, readers, unpack
from connectors.files.finder import Found, FoundFile, find, in_order
from connectors.files.ledger import Entry, Notes, State
from connectors.files.names import Change, drift
from connectors.files.options import FilesOptions, TableOptions, parse

if TYPE_CHECKING:
    from connectors.files.staging import Staging

# Raise when a reader changes what it lands, so that files are read again.
_READER_VERSION = "2"
_FRESH_SECONDS = 2.0
_SECOND_LOOK_SECONDS = 0.2
_ROWS_PER_LOAD_FILE = 500_000


@dataclass
class _Night:
    """One load as it takes shape."""

    source: Source
    workspace: Workspace
    state: State
    findings: list[Finding] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)
    staged: dict[str, list[tuple[FoundFile, Staging]]] = field(default_factory=lambda: defaultdict(list))
    read: list[str] = field(default_factory=list)

    def find(self, kind: str, severity: Severity, detail: str, *, table: str | None = None, file: str | None = None,
             line: int | None = None) -> None:  # fmt: skip
        self.findings.append(
            Finding(
                kind=kind, severity=severity, source=self.source.name, detail=detail, table=table, file=file, line=line
            )
        )

    def unreadable(self, table: str, file: str, reason: str | None, line: int | None, kept: int) -> None:
        where = f" (line {line})" if line else ""
        earlier = f" The {kept} rows of its earlier version stay." if kept else " None of its rows are loaded."
        self.find("unreadable_file", "warning", f"{file}{where}: {reason}.{earlier}", table=table, file=file, line=line)

    def rejected(self, entry: Entry, first: tuple[int, str] | None = None) -> None:
        lines = "1 line is" if entry.rejected_lines == 1 else f"{entry.rejected_lines} lines are"
        example = f"; the first is line {first[0]}: {first[1]}" if first else ""
        self.find(
            "rejected_line", "warning", f"{entry.path}: {lines} not loaded, see raw._rejected_line{example}.",
            table=entry.table_name, file=entry.path, line=first[0] if first else entry.line,
        )  # fmt: skip


def build(source: Source, workspace: Workspace) -> Extraction:
    """Prepares a load of everything that is new or changed since the last one."""
    options = parse(source)
    with workspace.reading() as connection:
        state = ledger.read_state(connection)
    night = _Night(source, replace(workspace, loaded_at=_after(state, workspace.loaded_at)), state)
    found = find(source, options, _brought_home(night, options) if options.scheme else None)
    if found.folder_missing:
        night.find(
            "missing_source", "error",
            f"The drop folder {found.folder_missing} does not exist; mend sources.{source.name}.path in millpond.toml "
            "or create the folder. What was loaded before stays.",
        )  # fmt: skip
        return Extraction(findings=night.findings)
    to_read = [(table, file) for table in found.tables for file in _changed(night, found, table)]
    _unmatched(night, found)
    _gone(night, found)
    for number, (table, file) in enumerate(_settled(night, to_read)):
        workspace.progress(f"{source.name}: reading files", number, len(to_read))
        _stage(night, found.options[table], table, file, f"{number:05d}")
    workspace.progress(f"{source.name}: reading files", len(to_read), len(to_read))
    for table in night.staged:
        _look_for_drift(night, table)
        if found.options[table].mode == "snapshot":
            _supersede(night, table)
    resources = partial(_resources, night, _in_table(night)) if night.staged else None
    settle = partial(_settle, source=source.name, notes=night.notes, now=night.workspace.loaded_at)
    return Extraction(
        resources=resources,
        settle=settle if night.notes else None,
        findings=night.findings,
        files_read=night.read,
        rows={table: sum(one.rows for _, one in staged) for table, staged in night.staged.items()},
    )


def _after(state: State, now: datetime) -> datetime:
    """Now, or just after the last load where the clock went back: what was loaded last counts."""
    last = max((entry.loaded_at for entry in state.entries.values() if entry.loaded_at), default=now)
    return now if now > last else last + timedelta(microseconds=1)


def _brought_home(night: _Night, options: FilesOptions) -> Path:
    """Gives the local mirror of a remote drop folder, brought up to date."""
    from connectors.files import remote

    folder = night.workspace.raw_file.parent / ".mirror" / night.source.name
    mirrored = remote.mirror(night.source, options, folder, night.workspace.progress)
    for name, reason in mirrored.left_out.items():
        night.find("unmatched_file", "warning", f"{name} is not loaded: {reason}.", file=name)
    for name in mirrored.busy:
        detail = f"{name} was still being written; the next load reads it."
        night.find("busy_file", "warning", detail, file=name)
    return folder


def _settle(connection: Any, *, source: str, notes: Notes, now: Any) -> None:
    ledger.write(connection, source, notes, now)


def _reader(table: TableOptions, file: FoundFile) -> str:
    """Fingerprints how a file is read, so that mended options read it again."""
    how = table.model_dump(exclude={"files"})
    return hashlib.sha256(f"{_READER_VERSION} {file.format} {json.dumps(how, sort_keys=True)}".encode()).hexdigest()[
        :16
    ]


def _changed(night: _Night, found: Found, table: str) -> list[FoundFile]:
    """Gives the table's files that have to be read, and reports on those that are as they were."""
    files, options = found.tables[table], found.options[table]
    if not files and not any(entry.table_name == table for entry in night.state.entries.values()):
        night.find(
            "missing_table", "warning",
            f"No file matches {', '.join(options.files)} (sources.{night.source.name}.tables.{table}.files), and "
            "none ever did.", table=table,
        )  # fmt: skip
    if options.mode == "snapshot":
        files = files[-1:]
    return [file for file in files if not _is_known(night, table, file, _reader(options, file))]


def _is_known(night: _Night, table: str, file: FoundFile, reader: str) -> bool:
    """Tells whether a file needs no reading; one that was only touched has its new time noted."""
    entry = night.state.entries.get(file.name)
    if entry is None or entry.reader != reader or entry.table_name != table or entry.status == "superseded":
        return False
    if entry.status == "gone" and not entry.rows:
        return False
    same_look = (entry.size, entry.mtime_ns) == (file.size, file.mtime_ns)
    if not same_look and (file.trouble or entry.sha256 != _hash(file)):
        return False
    status = entry.status
    if status == "gone":
        status = "unreadable" if entry.reason else "loaded"
    if not same_look or status != entry.status:
        night.notes.entries.append(
            replace(entry, size=file.size, mtime_ns=file.mtime_ns, status=status, seen_at=night.workspace.loaded_at)
        )
    if status == "unreadable":
        night.unreadable(table, file.name, entry.reason, entry.line, entry.rows)
    elif entry.rejected_lines:
        night.rejected(entry)
    return True


def _hash(file: FoundFile) -> str:
    from connectors.files.staging import UnreadableError

    try:
        return unpack.sha256(file)
    except (UnreadableError, OSError):
        return ""


def _unmatched(night: _Night, found: Found) -> None:
    for file in found.unmatched:
        if file.trouble:
            night.find("unreadable_file", "warning", f"{file.name}: {file.trouble}. It is not loaded.", file=file.name)
            continue
        severity: Severity = "warning" if file.format else "info"
        detail = f"{file.name} belongs to no table of sources.{night.source.name}"
        night.find("unmatched_file", severity, f"{detail}; it is not loaded.", file=file.name)
    for name, tables in found.overlaps.items():
        night.find("note", "warning", f"{name} matches the tables {', '.join(tables)}; {tables[0]} has it.", file=name)


def _gone(night: _Night, found: Found) -> None:
    """Notes files that are no longer there. Their rows stay: exports are often moved away once they were loaded."""
    here = {file.name for files in found.tables.values() for file in files}
    for entry in night.state.entries.values():
        if entry.path in here or entry.status == "gone":
            continue
        night.notes.entries.append(replace(entry, status="gone", seen_at=night.workspace.loaded_at))
        if entry.status != "superseded":
            night.find(
                "gone_file", "info", f"{entry.path} is gone; its {entry.rows} rows stay.",
                table=entry.table_name, file=entry.path,
            )  # fmt: skip


def _settled(night: _Night, to_read: list[tuple[str, FoundFile]]) -> list[tuple[str, FoundFile]]:
    """Leaves out files that grow between two looks; only those written a moment ago get a second look."""
    now = time.time()
    fresh = [file for _, file in to_read if now - file.mtime_ns / 1e9 < _FRESH_SECONDS]
    if not fresh:
        return to_read
    time.sleep(_SECOND_LOOK_SECONDS)
    busy = {file.name for file in fresh if _moved(file)}
    for table, file in to_read:
        if file.name in busy:
            _busy(night, table, file)
    return [(table, file) for table, file in to_read if file.name not in busy]


def _moved(file: FoundFile) -> bool:
    try:
        status = file.location.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False  # unreadable, not busy
    return (status.st_size, status.st_mtime_ns) != (file.size, file.mtime_ns)


def _busy(night: _Night, table: str, file: FoundFile) -> None:
    night.find(
        "busy_file", "warning", f"{file.name} is still being written; the next load reads it.",
        table=table, file=file.name,
    )  # fmt: skip


def _stage(night: _Night, options: TableOptions, table: str, file: FoundFile, prefix: str) -> None:
    from connectors.files.staging import Staging, UnreadableError

    before = night.state.entries.get(file.name)
    kept = before if before is not None and before.table_name == table and before.status != "superseded" else None
    look = Entry(
        path=file.name, table_name=table, size=file.size, mtime_ns=file.mtime_ns, sha256=_hash(file),
        reader=_reader(options, file), seen_at=night.workspace.loaded_at,
    )  # fmt: skip
    staging = Staging(
        file=file.name, folder=night.workspace.scratch, prefix=prefix, loaded_at=night.workspace.loaded_at,
        known=_known_types(night, table),
    )  # fmt: skip
    trouble = None
    try:
        readers.read(file, options, staging, night.workspace.scratch)
    except UnreadableError as error:
        trouble = error
    if _moved(file):
        _busy(night, table, file)
    elif trouble is not None:
        _note_unreadable(night, look, kept, trouble.reason, trouble.line)
    else:
        _note_loaded(night, look, before, staging, file)


def _known_types(night: _Night, table: str) -> dict[str, str]:
    """Gives the columns the raw table has or will have once the files staged so far are loaded."""
    known = dict(night.state.tables.get(table, {}))
    for _, staged in night.staged.get(table, []):
        known |= {name: kind for name, kind in staged.types.items() if name not in known}
    return known


def _note_unreadable(night: _Night, look: Entry, kept: Entry | None, reason: str, line: int | None) -> None:
    if kept is not None:
        look = replace(look, rows=kept.rows, headers=kept.headers, loaded_at=kept.loaded_at)
    night.notes.entries.append(replace(look, status="unreadable", reason=reason, line=line))
    night.unreadable(look.table_name, look.path, reason, line, look.rows)


def _note_loaded(night: _Night, look: Entry, before: Entry | None, staging: Staging, file: FoundFile) -> None:
    table, name = look.table_name, look.path
    rejected = staging.rejected
    entry = replace(
        look,
        rows=staging.rows,
        rejected_lines=len(rejected),
        line=rejected[0].line if rejected else None,
        headers=json.dumps(staging.headers, ensure_ascii=False),
        loaded_at=night.workspace.loaded_at,
    )
    night.notes.entries.append(entry)
    night.notes.rejected[name] = (table, rejected)
    night.staged[table].append((file, staging))
    night.read.append(name)
    if staging.rows == 0:
        night.notes.emptied.append((table, name))
    if before is not None and before.table_name != table:
        night.notes.emptied.append((before.table_name, name))
    if rejected:
        night.rejected(entry, (rejected[0].line, rejected[0].reason))
    if staging.mended:
        detail = f"{name}: {staging.mended} values held half a character; \ufffd stands in its place."
        night.find("note", "warning", detail, table=table, file=name)
    for note in staging.notes:
        night.find("column_named", "info", f"{name}: {note}", table=table, file=name)
    for column, beside in staging.mismatched.items():
        detail = f"{name}: the values of {column} do not fit the type of {table}.{column} and are in {beside}"
        night.find("column_type", "warning", f"{detail}.", table=table, file=name)
    _tell_age(night, before, entry, file)


def _tell_age(night: _Night, before: Entry | None, entry: Entry, file: FoundFile) -> None:
    if before is not None and before.loaded_at is not None and before.status != "superseded":
        detail = f"{entry.path} changed: its {before.rows} rows are replaced by {entry.rows}."
        night.find("changed_file", "info", detail, table=entry.table_name, file=entry.path)
        return
    newest = max((_stamp(e) for e in night.state.entries.values() if e.table_name == entry.table_name), default="")
    if file.stamp and file.stamp < newest:
        detail = f"{entry.path} came after files of a later date were loaded."
        night.find("late_file", "info", detail, table=entry.table_name, file=entry.path)


def _stamp(entry: Entry) -> str:
    return _as_found(entry).stamp


def _as_found(entry: Entry) -> FoundFile:
    location, _, member = entry.path.partition("!")
    return FoundFile(
        name=entry.path, location=Path(location), member=member or None, size=entry.size, mtime_ns=entry.mtime_ns
    )


def _look_for_drift(night: _Night, table: str) -> None:
    """Compares each new header with the file's own earlier one, else with that of the next older file."""
    headers = {e.path: e.columns() for e in night.state.entries.values() if e.table_name == table and e.headers}
    known_files = [_as_found(entry) for entry in night.state.entries.values() if entry.path in headers]
    landed = set(night.state.tables.get(table, {}))
    for file, staging in night.staged[table]:
        after = list(staging.headers)
        line = in_order([*(one for one in known_files if one.name != file.name), file])
        older = line[: line.index(file)]
        before = headers.get(file.name) or (headers[older[-1].name] if older else None)
        if before is None and headers:
            before = [name for name in after if name in landed]
        for change in drift(before, after) if before is not None else []:
            if file.format in ("json", "ndjson") and (change.kind != "added" or change.column in landed):
                continue  # a key may be missing from JSON without having been dropped
            _note_drift(night, table, file.name, change)
        headers[file.name] = after
        landed |= set(after)
        known_files = [*(one for one in known_files if one.name != file.name), file]


def _note_drift(night: _Night, table: str, file: str, change: Change) -> None:
    night.notes.drift.append((table, file, change))
    severity: Severity = "info" if change.kind == "added" else "warning"
    night.find(f"column_{change.kind}", severity, f"{table}, in {file}: {change.detail}.", table=table, file=file)


def _supersede(night: _Night, table: str) -> None:
    """Lets the newest file of a snapshot table be its only one."""
    notes, newest = night.notes, night.staged[table][-1][0].name
    notes.only.append((table, newest))
    notes.entries = [
        replace(entry, rows=0) if entry.table_name == table and entry.path != newest else entry
        for entry in notes.entries
    ]
    noted = {entry.path for entry in notes.entries}
    for entry in night.state.entries.values():
        if entry.table_name != table or entry.path == newest:
            continue
        notes.rejected[entry.path] = (table, [])
        if entry.path not in noted:
            notes.entries.append(replace(entry, status="superseded", rows=0, seen_at=night.workspace.loaded_at))


def _in_table(night: _Night) -> set[str]:
    """Gives the tables that hold rows of the files staged for them."""
    with night.workspace.reading() as connection:
        return {
            table
            for table, staged in night.staged.items()
            if table in night.state.tables
            and ledger.files_with_rows(connection, table, [file.name for file, _ in staged])
        }


def _resources(night: _Night, in_table: set[str]) -> list[Any]:
    import dlt

    resources = []
    for table, staged in night.staged.items():
        columns = _hints(staged)
        resources.append(
            dlt.resource(
                _load_files(night.workspace.scratch, table, staged, columns),
                name=table,
                columns=columns,
                # Rows of files that the table does not hold need no staging table, which halves the time.
                write_disposition="merge" if table in in_table else "append",
                merge_key="_file",
            )
        )
    return resources


def _hints(staged: Sequence[tuple[FoundFile, Staging]]) -> dict[str, Any]:
    from connectors.files.staging import dlt_column

    own = {"_file": "VARCHAR", "_row": "BIGINT", "_loaded_at": "TIMESTAMP WITH TIME ZONE"}
    kinds = dict(own)
    for _, staging in staged:
        kinds |= {name: kind for name, kind in staging.types.items() if name not in kinds}
    return {name: {**dlt_column(kind), "nullable": True} for name, kind in kinds.items()}


def _load_files(
    scratch: Path, table: str, staged: Sequence[tuple[FoundFile, Staging]], columns: dict[str, Any]
) -> Iterator[Any]:
    import dlt

    parts = [part for _, staging in staged for part in staging.parts]
    for number, (path, rows) in enumerate(_gathered(parts, scratch, table)):
        hints = dlt.mark.make_hints(columns=columns) if number == 0 else None
        yield dlt.mark.with_file_import(str(path), "parquet", rows, hints=hints)


def _gathered(parts: Sequence[tuple[Path, int]], scratch: Path, table: str) -> Iterator[tuple[Path, int]]:
    """Puts small parts together: dlt takes some 20 ms a load file, which a thousand daily files would feel."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    group: list[tuple[Path, int]] = []
    groups = [group]
    for part in parts:
        if group and sum(rows for _, rows in group) + part[1] > _ROWS_PER_LOAD_FILE:
            group = []
            groups.append(group)
        group.append(part)
    for number, members in enumerate(groups):
        if len(members) == 1:
            yield members[0]
            continue
        tables = [pq.read_table(path) for path, _ in members]
        path = scratch / f"{table}-gathered-{number}.parquet"
        pq.write_table(pa.concat_tables(tables, promote_options="default"), path, compression="lz4")
        yield path, sum(rows for _, rows in members)
