"""Loading one source into its raw file, and the note about it that the refresh reads."""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import UTC, datetime

from connectors.base import ConnectorError, LoadReport
from pipelines.night import progress, source_of
from warehouse import locks, meta
from warehouse.company import Company

log = logging.getLogger(__name__)


class LoadFailed(Exception):
    """The source could not be loaded; yesterday's rows stay. The message says why and what to do."""


def load_source(company: Company, name: str, run_id: str) -> LoadReport:
    """Bring a source's raw file up to date and leave a note.

    Raises:
        LoadFailed: nothing was loaded; the note says since when.
    """
    from connectors.load import load

    started = datetime.now(UTC)
    connector = company.config.sources[name].connector
    try:
        with locks.hold(company.home, f"raw_{name}"):
            report = load(source_of(company, name), raw_dir=company.home.raw, progress=progress)
    except (ConnectorError, locks.Busy) as error:
        _note(company, name, connector, started, run_id, ok=False, message=str(error))
        raise LoadFailed(str(error)) from error
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
        ),
    )
    if gone:
        raise LoadFailed(message)
    return report


def _note(
    company: Company, name: str, connector: str, started: datetime, run_id: str, *, ok: bool, message: str
) -> None:
    meta.write_note(
        company.home,
        meta.LoadNote(source=name, connector=connector, attempted_at=started, ok=ok, message=message, run_id=run_id),
    )
