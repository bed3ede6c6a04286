"""The context of one night: whose it is, when, and the build database held for a step.

What the steps do is in loading.py and refresh.py; how Dagster shows them is in assets/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import duckdb

from connectors.base import Source
from warehouse import clock, lasting, locks, machine, meta, store, upgrade
from warehouse.company import Company, SourceConfig

Progress = Callable[[str, int, int | None], None]


Expect = Callable[[Mapping[str, float]], None]
Finish = Callable[[str], None]


@dataclass
class _Display:
    """Where progress goes; the command line puts its bars here."""

    show: Progress | None = None
    expect: Expect | None = None
    finish: Finish | None = None


DISPLAY = _Display()


def progress(what: str, done: int, total: int | None = None) -> None:
    """Say how far a long step is, to whoever watches."""
    if DISPLAY.show:
        DISPLAY.show(what, done, total)


def expect(seconds: Mapping[str, float]) -> None:
    """Say what is going to be done and how long each of it usually takes."""
    if DISPLAY.expect:
        DISPLAY.expect(seconds)


def finish(what: str) -> None:
    """Say that a table is made and checked, or the warehouse published."""
    if DISPLAY.finish:
        DISPLAY.finish(what)


@dataclass(frozen=True)
class Night:
    """One refresh: the company, the run, and the moment that all its rows are stamped with."""

    company: Company
    run_id: str
    now: datetime

    @property
    def as_of(self) -> date:
        """The business day the night is for."""
        return self.company.config.as_of or self.now.astimezone(ZoneInfo(self.company.config.timezone)).date()

    @property
    def moment(self) -> datetime:
        """Up to when the night knows, in UTC: now, or the end of the day that millpond.toml names as `as_of`."""
        if self.company.config.as_of is None:
            return self.now
        midnight = datetime.combine(self.as_of + timedelta(days=1), time(), ZoneInfo(self.company.config.timezone))
        return midnight.astimezone(UTC)


def begin(company: Company, run_id: str, now: datetime | None = None) -> Night:
    """A night that starts now, to the second."""
    return Night(company=company, run_id=run_id, now=(now or clock.now()).replace(microsecond=0))


@contextmanager
def building(company: Company) -> Iterator[duckdb.DuckDBPyConnection]:
    """Hold the build database for writing; waits for whoever has it. What it lost of lasting tables comes back.

    Raises:
        MachineError: the disk is full, or the machine refuses something else; also where the block meets with it.
    """
    home = company.home
    with machine.telling(home), locks.hold(home, "build"):
        upgrade.bring_up(home)
        with store.open_build(home) as con:
            lasting.take_over(con, home)
            meta.ensure(con)
            yield con


def source_of(company: Company, name: str) -> Source:
    """What the connector needs to know of a source."""
    config: SourceConfig = company.config.sources[name]
    return Source(
        name=name,
        connector=config.connector,
        root=company.root,
        options=config.options,
        country=company.config.country,
        timezone=company.config.timezone,
        secrets=company.home.secrets,
    )
