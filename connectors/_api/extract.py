"""One load of a source that is read through an interface: read, compare with what is held, hand the difference over.

Pages are safe on disk as they come, so a load that is cut off goes on; the raw file changes only when all of it was
read. How a vendor is asked belongs in its resources, how rows are compared in `merge`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow.compute as pc

from connectors._api import drift, ledger
from connectors._api.client import NOT_AS_DOCUMENTED, ApiError, CircleError, Client
from connectors._api.columns import Cutter, Rejected
from connectors._api.merge import Table, open_scratch, write_nothing
from connectors._api.options import ApiOptions, fingerprint
from connectors._api.resource import RAW_COLUMNS, Head, Page, Reading, Resource, Sweep
from connectors._api.spool import Mark, Spool
from connectors.base import Extraction, Finding, Severity, Source, SourceCount, Workspace

if TYPE_CHECKING:
    import duckdb

#: Pages that an earlier load left are used if they are not older than this; what vendors tell of deletions expires.
_KEEP_PENDING = timedelta(days=7)
#: What was read longer ago than this is brought up to date by a second pass.
_FRESH = timedelta(hours=1)
#: Fewer vanished records than this are believed, more only while they are not most of the table.
_FEW = 20
_MOST = 0.5
_FETCHED_AT_ONCE = 1_000
_WEEK = timedelta(days=7)
#: A page may come twice where a list moves while it is read.
_TOO_OFTEN = 3
_DLT_TYPES = {
    "VARCHAR": "text",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
    "JSON": "json",
    "BOOLEAN": "bool",
    "BIGINT": "bigint",
}
T = TypeVar("T")
_HINTS: Any = {name: {"data_type": _DLT_TYPES[kind], "nullable": name != "id"} for name, kind in RAW_COLUMNS.items()}


class _StoppedError(ApiError):
    """A table's read that was ended because another one failed."""


@dataclass
class _Load:
    """One load as it takes shape."""

    source: Source
    workspace: Workspace
    options: ApiOptions
    api: Client
    spool: Spool
    held: ledger.Held
    findings: list[Finding] = field(default_factory=list)
    notes: ledger.Notes = field(default_factory=ledger.Notes)
    counts: list[SourceCount] = field(default_factory=list)
    skipped: set[str] = field(default_factory=set)
    stop: threading.Event = field(default_factory=threading.Event)
    fetches: Iterator[int] = field(default_factory=itertools.count)

    def find(self, kind: str, severity: Severity, detail: str, table: str) -> None:
        """Notes something worth a look."""
        self.findings.append(Finding(kind=kind, severity=severity, source=self.source.name, detail=detail, table=table))

    def reading(self, resource: Resource, mark: Mark | None = None) -> Reading:
        """What a read of the resource is told."""
        state = self.held.states.get(resource.name, {})
        since = self.spool.plan["since"].get(resource.name)
        return Reading(
            api=self.api,
            options=self.options,
            since=datetime.fromisoformat(since) if since else None,
            until=self.api.now(),
            position=mark.position if mark else None,
            state=state.get("own", {}),
        )


def build(
    source: Source,
    workspace: Workspace,
    *,
    options: ApiOptions,
    api: Client,
    resources: Sequence[Resource],
    version: str,
) -> Extraction:
    """Prepares a load.

    Raises:
        ApiError: the vendor refused or could not be read; what was read so far is kept for the next load.
    """
    chosen = [r for r in resources if options.tables is None or r.name in options.tables]
    with workspace.reading() as connection:
        held = ledger.read(connection)
    plan = _plan(options, chosen, held, version, workspace.loaded_at)
    spool, resumed = Spool.open(workspace.pending, plan)
    # By a clock that went back, what began later is as old as can be.
    if resumed and abs(workspace.loaded_at - datetime.fromisoformat(spool.plan["began"])) > _KEEP_PENDING:
        spool.remove()
        spool, resumed = Spool.open(workspace.pending, plan)
    load = _Load(source, workspace, options, api, spool, held)
    try:
        _read_all(load, chosen)
        if api.mended:
            detail = (
                f"{api.mended} answers held halves of characters or bytes that are no text; "
                "\ufffd stands in their place."
            )
            load.findings.append(Finding(kind="note", severity="warning", source=source.name, detail=detail))
        parts = _compare_all(load, chosen, [r for r in resources if r not in chosen])
    finally:
        api.close()
    began = datetime.fromisoformat(spool.plan["began"])
    return Extraction(
        resources=partial(_hand_over, parts) if parts else None,
        settle=partial(_settle, notes=load.notes, now=workspace.loaded_at) if load.notes or parts else None,
        findings=load.findings,
        rows={r.name: parts[r.name].rows if r.name in parts else 0 for r in chosen},
        counts=load.counts,
        close=spool.remove,
        again=resumed and abs(workspace.loaded_at - began) > _FRESH,
    )


def _settle(connection: duckdb.DuckDBPyConnection, *, notes: ledger.Notes, now: datetime) -> None:
    ledger.write(connection, notes, now)


def _plan(
    options: ApiOptions, resources: Sequence[Resource], held: ledger.Held, version: str, now: datetime
) -> dict[str, Any]:
    """What this load is about; a later one goes on with its pages only if it would be about the same."""
    since = {r.name: _since(options, r, held) for r in resources}
    told = json.dumps([since, held.states], sort_keys=True)
    match = fingerprint(options, version, *(r.name for r in resources), told)
    return {"match": match, "began": now.isoformat(), "since": since}


def _since(options: ApiOptions, resource: Resource, held: ledger.Held) -> str | None:
    """From when on to read: the last change seen, less the look-back; at first the day that the options say."""
    state = held.states.get(resource.name, {})
    last = state.get("high_water")
    # A day to start from that was moved back brings what is older.
    if last and resource.mode != "snapshot" and _start(options) >= state.get("from", ""):
        return (datetime.fromisoformat(last) - resource.lookback).isoformat()
    if options.start_date:
        return datetime.combine(options.start_date, time(), UTC).isoformat()
    return None


def _start(options: ApiOptions) -> str:
    return options.start_date.isoformat() if options.start_date else ""


def _often(load: _Load, resource: Resource) -> Sweep:
    return load.options.sweep or resource.sweep


def _read_all(load: _Load, resources: Sequence[Resource]) -> None:
    """Reads the resources side by side; the first that fails stops the others after their page."""
    with ThreadPoolExecutor(max_workers=load.options.parallel) as pool:
        futures = [pool.submit(_read, load, resource) for resource in resources]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            if any(future.exception() for future in done):
                load.stop.set()
            wait(futures)
        except BaseException:
            load.stop.set()
            raise
    troubles = [error for future in futures if (error := future.exception()) is not None]
    # What stopped the others says what to mend.
    troubles.sort(key=lambda error: isinstance(error, _StoppedError))
    if troubles:
        raise troubles[0]


def _read(load: _Load, resource: Resource) -> None:
    """Reads one resource to its end, from where an earlier load was cut off."""
    if load.stop.is_set():
        raise _stopped(load, resource)
    mark = load.spool.mark(resource.name)
    if mark.done:
        return
    if mark.rows and mark.position is None:
        load.spool.restart(resource.name)
        mark = Mark()
    try:
        state = _spool_pages(load, resource, resource.name, _pages(load, resource, mark), mark)
    except CircleError:
        load.spool.restart(resource.name)
        raise
    except ApiError as error:
        if resource.optional is None or error.status not in (403, 404):
            raise
        load.find("missing_table", "warning", f"{error} The table {resource.name} is left out.", resource.name)
        load.skipped.add(resource.name)
        return
    load.spool.series(resource.name).finish(state)


def _stopped(load: _Load, resource: Resource) -> _StoppedError:
    return _StoppedError(f"Source '{load.source.name}': {resource.name} stopped, since another table failed.")


def _pages(load: _Load, resource: Resource, mark: Mark) -> Iterator[Page]:
    """What changed, then what was deleted since."""
    reading = load.reading(resource, mark)
    if not (isinstance(mark.position, dict) and mark.position.get("tombstones")):
        yield from resource.read(reading)
    if resource.tombstones is not None:
        inner = mark.position.get("inner") if isinstance(mark.position, dict) else None
        for page in resource.tombstones(replace(reading, position=inner)):
            marked = {"tombstones": True, "inner": page.position} if page.position is not None else None
            yield replace(page, deleted=True, position=marked)


def _spool_pages(
    load: _Load, resource: Resource, series_name: str, pages: Iterator[Page], mark: Mark
) -> Mapping[str, Any]:
    """Puts pages on disk as they come; gives the state that the last of them leaves."""
    cutters: dict[Head, Cutter] = {}
    series = load.spool.series(series_name)
    state, rows, here = mark.state or {}, mark.rows, datetime.now(UTC)
    noted: set[str] = set()
    seen: Counter[bytes] = Counter()
    try:
        for page in _understood(load, resource, pages):
            _no_circle(load, resource, page, seen)
            for note in (n for n in page.notes if n not in noted):
                noted.add(note)
                load.find("note", "warning", f"{resource.name}: {note}", resource.name)
            head = page.head or resource.head
            columns = cutters.setdefault(head, Cutter(head)).columns(page)
            # How far the vendor's clock is off is known once it has answered.
            began = mark.began or (here + load.api.skew).isoformat()
            series.add(columns, began=began, position=page.position, state=page.state)
            state = page.state if page.state is not None else state
            rows += len(page.records)
            load.workspace.progress(f"{load.source.name}: {resource.name}", rows, None)
            if load.stop.is_set():
                raise _stopped(load, resource)
    finally:
        series.close()
    return state


def _no_circle(load: _Load, resource: Resource, page: Page, seen: Counter[bytes]) -> None:
    """Stops a read whose pages come again and again, which would never end."""
    if not page.records:
        return
    said = hashlib.blake2b(repr(page.position).encode(), digest_size=16)
    for record in page.records:
        said.update(record)
    seen[said.digest()] += 1
    if seen[said.digest()] == _TOO_OFTEN:
        raise CircleError(
            f"{load.api.title} (source '{load.source.name}'), {resource.name}: the same page came {_TOO_OFTEN} times, "
            "so its pages go in a circle. The next load begins anew."
        )


def _understood(load: _Load, resource: Resource, given: Iterable[T]) -> Iterator[T]:
    """What a resource gives; what it stumbles over where an answer is not as its vendor documents it is a sentence."""
    try:
        yield from given
    except NOT_AS_DOCUMENTED as error:
        raise ApiError(
            f"{load.api.title} (source '{load.source.name}'), {resource.name}: an answer is not as documented "
            f"({type(error).__name__}: {' '.join(str(error).split())}). Nothing of this load was taken over."
        ) from error


@dataclass(frozen=True, kw_only=True)
class _Part:
    """The rows of one table that have to be written."""

    path: Path
    rows: int
    is_new: bool


def _compare_all(load: _Load, chosen: Sequence[Resource], others: Sequence[Resource]) -> dict[str, _Part]:
    """Works out every table's rows; tables that the source does without are empty, so that mappings find them."""
    parts: dict[str, _Part] = {}
    con = open_scratch(load.workspace.scratch, load.workspace.raw_file)
    try:
        for slot, resource in enumerate((*chosen, *others)):
            load.workspace.progress(f"{load.source.name}: comparing", slot, len(chosen) + len(others))
            table = Table(con, resource.name, slot, resource.name in load.held.tables)
            is_read = resource in chosen and resource.name not in load.skipped
            part = _compare(load, resource, table) if is_read else _empty_part(load, resource, table)
            if part is not None:
                parts[resource.name] = part
    finally:
        con.close()
    return parts


def _compare(load: _Load, resource: Resource, table: Table) -> _Part | None:
    """Works out what a table's rows become, and what there is to note about it."""
    mark = load.spool.mark(resource.name)
    table.take(partial(load.spool.batches, resource.name))
    load.spool.forget(f"{resource.name}~")
    # What a sweep fetches later was not read in the order of changes, so it says nothing about what is still to come.
    newest = table.newest_change()
    swept = _find_deleted(load, resource, table, is_whole=not mark.rejected)
    counted, how = _count(load, resource), resource.count_how
    may_sweep = resource.ids is not None and swept is None and _often(load, resource) != "never"
    if may_sweep and counted is not None and counted != table.live():
        _sweep(load, resource, table)
    if counted is None and swept is not None and load.options.start_date is None:
        counted, how = swept, "id sweep"
    if counted is not None:
        load.counts.append(SourceCount(table=resource.name, source_rows=counted, held_rows=table.live(), how=how))
    path, rows = table.changes(load.workspace.scratch, load.workspace.loaded_at)
    _note_state(load, resource, mark, newest, was_swept=swept is not None, has_changes=path is not None)
    _note_rejected(load, resource, mark.rejected)
    if path is None:
        return _empty_part(load, resource, table)
    _note_drift(load, resource, table.shapes(path))
    return _Part(path=path, rows=rows, is_new=not table.holds_any_changed())


def _empty_part(load: _Load, resource: Resource, table: Table) -> _Part | None:
    """A table without any record yet is still made, so that mappings find it."""
    if table.exists:
        return None
    path = load.workspace.scratch / f"{resource.name}.parquet"
    write_nothing(path)
    return _Part(path=path, rows=0, is_new=True)


def _find_deleted(load: _Load, resource: Resource, table: Table, *, is_whole: bool) -> int | None:
    """Marks what is gone; tells how many ids the source has, if it was asked for all of them.

    A record that was set aside is there all the same, so what was read is not whole then.
    """
    if resource.mode == "snapshot" and is_whole:
        _mark_gone(load, resource, table, table.alive(), None)
    elif resource.mode == "window" and is_whole:
        since = load.reading(resource).since
        _mark_gone(load, resource, table, table.alive(), since)
    if resource.ids is None or not _sweep_is_due(load, resource):
        return None
    return _sweep(load, resource, table)


def _sweep_is_due(load: _Load, resource: Resource) -> bool:
    often = _often(load, resource)
    if often == "never" or resource.name not in load.held.tables:
        return False
    last = load.held.states.get(resource.name, {}).get("swept_at")
    return often == "nightly" or last is None or abs(load.workspace.loaded_at - datetime.fromisoformat(last)) >= _WEEK


def _sweep(load: _Load, resource: Resource, table: Table) -> int | None:
    """Asks for all ids: fetches what is missing here, and marks what is gone there; tells how many there are."""
    if resource.ids is None:
        return None
    reading = load.reading(resource)
    listed = table.listed(_understood(load, resource, resource.ids(reading)))
    # With a day to start from, what is older is not missing.
    if resource.fetch is not None and load.options.start_date is None:
        _fetch(load, resource, table, table.missing(listed))
    else:
        table.revive(listed)
    _mark_gone(load, resource, table, listed, None)
    return table.distinct(listed)


def _mark_gone(load: _Load, resource: Resource, table: Table, listed: str, since: datetime | None) -> None:
    gone = table.not_among(listed, since)
    if not gone:
        return
    if resource.fetch is not None and len(gone) <= max(_FETCHED_AT_ONCE, table.live() // 10):
        # A list that moved while it was read may have left them out.
        alive = set(_fetch(load, resource, table, gone))
        gone = [i for i in gone if i not in alive]
    before = table.live(since)
    if len(gone) > max(_FEW, before * _MOST) and not load.options.accept_deletes:
        load.find(
            "refused_sweep",
            "warning",
            f"{resource.name}: the source lists {before - len(gone)} of the {before} records held; nothing is marked "
            f"deleted. If they are really gone, set accept_deletes = true in [sources.{load.source.name}] for one "
            "night.",
            resource.name,
        )
        return
    table.delete(gone)


def _fetch(load: _Load, resource: Resource, table: Table, ids: Sequence[str]) -> list[str]:
    """Reads single records into the table, and gives the ids of those that are there; how far this came is not kept."""
    fetch = resource.fetch
    if fetch is None or not ids:
        return []
    reading = load.reading(resource)
    name = f"{resource.name}~{next(load.fetches)}"
    for start in range(0, len(ids), _FETCHED_AT_ONCE):
        _spool_pages(load, resource, name, fetch(reading, ids[start : start + _FETCHED_AT_ONCE]), Mark())
    table.take(partial(load.spool.batches, name))
    return [
        i for batch in load.spool.batches(name) for i in batch.filter(pc.invert(batch["is_deleted"]))["id"].to_pylist()
    ]


def _count(load: _Load, resource: Resource) -> int | None:
    # A window counts from the day it began with; others count all there is, also what was not read.
    if resource.count is None or (load.options.start_date is not None and resource.mode == "incremental"):
        return None
    counts = (count(load.reading(resource)) for count in [resource.count])
    return next(_understood(load, resource, counts))


def _note_state(
    load: _Load, resource: Resource, mark: Mark, newest: datetime | None, *, was_swept: bool, has_changes: bool
) -> None:
    """Notes where the next read begins, if that is elsewhere than before."""
    before = dict(load.held.states.get(resource.name, {}))
    after: dict[str, Any] = dict(before)
    began = datetime.fromisoformat(mark.began) if mark.began else load.api.now()
    # What changed while the read went on may have changed behind its back, and a record may be from the future: neither
    # hides what is to come, and by itself neither is news.
    if newest is not None and (newest <= began or has_changes or "high_water" not in before):
        after["high_water"] = max(min(newest, began).isoformat(), before.get("high_water", ""), key=_moment)
    start = _start(load.options)
    if start or before.get("from"):
        after["from"] = min(start, before.get("from", start))
    if mark.state:
        after["own"] = dict(mark.state)
    read_everything = load.reading(resource).since is None and "swept_at" not in before
    if (was_swept or read_everything) and resource.ids is not None and _often(load, resource) == "weekly":
        after["swept_at"] = load.workspace.loaded_at.isoformat()
    if after != before or resource.name not in load.held.states:
        load.notes.states[resource.name] = after


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text) if text else datetime.min.replace(tzinfo=UTC)


def _note_rejected(load: _Load, resource: Resource, rejected: Sequence[Rejected]) -> None:
    if rejected:
        load.find(
            "rejected_record",
            "warning",
            f"{resource.name}: {len(rejected)} records are not loaded, see raw._rejected_line; the first: "
            f"{rejected[0].reason}.",
            resource.name,
        )
        known = list(load.held.rejected.get(resource.name, ()))
        new = [one for one in dict.fromkeys(rejected) if one not in known]
        if new:
            load.notes.rejected[resource.name] = [*known, *new]


def _note_drift(load: _Load, resource: Resource, shapes: Sequence[tuple[str, int]]) -> None:
    rows = sum(count for _, count in shapes)
    if not rows:
        return
    known = load.held.fields.get(resource.name, {})
    now = drift.fields_of(shapes)
    changes = drift.compare(known, now, rows)
    after = drift.merged(known, now, changes)
    if after != known:
        load.notes.fields[resource.name] = after
    if changes:
        load.notes.drift[resource.name] = changes
    for one in changes:
        severity: Severity = "info" if one.change == "added" else "warning"
        load.find(f"column_{one.change}", severity, f"{resource.name}: {one.detail}.", resource.name)


def _hand_over(parts: Mapping[str, _Part]) -> list[Any]:
    """dlt resources over the prepared files."""
    import dlt

    return [
        dlt.resource(
            _load_file(part),
            name=name,
            columns=_HINTS,
            primary_key="id",
            # A table that holds none of the records needs no staging table, which halves the time.
            write_disposition="append" if part.is_new else "merge",
        )
        for name, part in parts.items()
    ]


def _load_file(part: _Part) -> Iterator[Any]:
    import dlt

    hints = dlt.mark.make_hints(columns=_HINTS)
    yield dlt.mark.with_file_import(str(part.path), "parquet", part.rows, hints=hints)
