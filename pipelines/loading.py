"""Loading one source into its raw file, and the note about it that the refresh reads."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from datetime import date, datetime

from connectors import registry
from connectors.base import ConnectorError, Finding, LoadReport
from pipelines.night import progress, source_of
from pipelines.refresh import upkeep
from quality.sources import count_sentence, sunset_sentence
from warehouse import clock, locks, machine, meta
from warehouse.company import Company

log = logging.getLogger(__name__)


class LoadFailed(Exception):
    """The source could not be loaded; yesterday's rows stay. The message says why and what to do."""


def load_source(company: Company, name: str, run_id: str) -> LoadReport:
    """Bring a source's raw file up to date and leave a note.

    Raises:
        LoadFailed: nothing was loaded; the note says since when.
        MachineError: the disk is full, or the machine refuses something else that other sources need too.
    """
    upkeep.require_room(company)
    with machine.telling(company.home):
        return _load_source(company, name, run_id)


def _load_source(company: Company, name: str, run_id: str) -> LoadReport:
    from connectors.load import load

    started = clock.now()
    connector = company.config.sources[name].connector
    try:
        with locks.hold(company.home, f"raw_{name}"):
            report = load(source_of(company, name), raw_dir=company.home.raw, progress=progress)
    except (ConnectorError, locks.Busy) as error:
        if machine.sentence_of(error, company.home):
            raise
        _note(company, name, connector, started, run_id, ok=False, message=str(error))
        raise LoadFailed(str(error)) from error
    report = replace(report, findings=[*report.findings, *judged(connector, report, started.date())])
    gone = [f for f in report.findings if f.kind == "missing_source"]
    message = gone[0].detail if gone else ""
    meta.write_note(
        company.home,
        meta.LoadNote(
            source=name,
            connector=connector,
            attempted_at=started,
            ok=not gone,
            message=message,
            run_id=run_id,
            rows_loaded=sum(report.tables.values()),
            seconds=report.seconds,
            findings=[asdict(f) for f in report.findings],
            counts=[asdict(c) for c in report.counts],
        ),
    )
    if gone:
        raise LoadFailed(message)
    return report


def judged(connector: str, report: LoadReport, today: date) -> list[Finding]:
    """What a load's counts, and the age of the interface that it used, give reason to say."""
    api = registry.get(connector).api
    counts = ((c.table, count_sentence(c.table, c.source_rows, c.held_rows, c.how)) for c in report.counts)
    found = [_warning(report.source, "row_count", sentence, table) for table, sentence in counts if sentence]
    title = registry.get(connector).title
    sunset = sunset_sentence(title, api.name, api.sunset, api.page, today) if api else None
    return [*found, *([_warning(report.source, "interface_version", sunset)] if sunset else [])]


def _warning(source: str, kind: str, detail: str, table: str | None = None) -> Finding:
    return Finding(kind=kind, severity="warning", source=source, detail=detail, table=table)


def _note(
    company: Company, name: str, connector: str, started: datetime, run_id: str, *, ok: bool, message: str
) -> None:
    meta.write_note(
        company.home,
        meta.LoadNote(source=name, connector=connector, attempted_at=started, ok=ok, message=message, run_id=run_id),
    )
