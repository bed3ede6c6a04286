"""What tonight would do, why, and about how long: tables whose inputs changed, and everything downstream of them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from pipelines.checkup import mapping_files
from pipelines.night import Night, begin, building
from pipelines.refresh import clean, insight, model, prepare
from quality import pace
from quality.integrity import references_of
from quality.results import latest_results
from warehouse import meta, store
from warehouse.company import Company
from warehouse.contracts import entities, tables


@dataclass(frozen=True)
class Planned:
    """One thing that tonight would do. `seconds` is what it usually takes; None where it was never done."""

    what: str
    why: str
    seconds: float | None


@dataclass(frozen=True)
class Plan:
    """What tonight would do.

    Attributes:
        loads: by source; what they will bring, and make due, is known only then.
        tables: that are due already, upstream first.
        night_seconds: what the refresh of a night usually takes; None before the first.
    """

    loads: tuple[Planned, ...]
    tables: tuple[Planned, ...]
    night_seconds: float | None


def stale_tables(company: Company) -> list[str]:
    """Tables to refresh, upstream first. A table may turn out unchanged, and then stops the spreading."""
    with building(company) as con:
        return list(_due(con, company))


def make_plan(company: Company, *, full: bool = False) -> Plan:
    """What tonight would do.

    Args:
        full: as if everything were to be made anew.
    """
    with building(company) as con:
        due = dict.fromkeys(_all_tables(company), "asked for") if full else _due(con, company)
        took = pace.history(con)
        loads = tuple(
            Planned(name, company.config.sources[name].connector, _usual_load(con, name))
            for name in company.config.sources
        )
        listed = tuple(Planned(table, why, _usual(took, table, whole=full)) for table, why in due.items())
        return Plan(loads, listed, _usual_night(con))


def usual_seconds(company: Company, due: Mapping[str, object] | list[str], *, full: bool = False) -> dict[str, float]:
    """What each table and the publish usually take, where that is known."""
    with building(company) as con:
        took = pace.history(con)
    found = {name: _usual(took, name, whole=full) for name in (*due, "publish")}
    return {name: seconds for name, seconds in found.items() if seconds is not None}


def ask_all(company: Company) -> None:
    """Make the next refresh build everything again."""
    from transforms.clean import memory

    with building(company) as con:
        memory.forget_all(company.home.cleaning)
        con.execute("UPDATE meta.built SET fingerprint = ? WHERE fingerprint <> ?", [meta.ASKED, meta.UNSETTLED])


def _due(con: duckdb.DuckDBPyConnection, company: Company) -> dict[str, str]:
    prepare.note_trust(con, company)
    prepare.note_decisions(con, company)
    return _stale(con, begin(company, "plan"))


def _stale(con: duckdb.DuckDBPyConnection, night: Night) -> dict[str, str]:
    company, mappings = night.company, mapping_files(night.company)
    # What blocks is looked at again every night, since history may have come to terms with it.
    stale = {r.table: "blocked last time" for r in latest_results(con) if r.blocks and r.table in tables()}
    for contract in entities().values():
        own = [m for m in mappings if m.entity == contract.name]
        if _missing(con, contract.table):
            stale.setdefault(contract.table, "not made yet")
        elif clean.is_stale(con, company, contract, own):
            stale.setdefault(contract.table, "its source delivered, or what reads it is another")
        elif parents := [t for r in references_of(contract) if (t := f"clean.{r.to_table}") in stale]:
            stale.setdefault(contract.table, f"after {parents[0]}, without which its rows are orphans")
    stale |= model.stale_models(con, night, stale)
    if "mart.metric_daily" in stale or insight.is_stale(con):
        stale.setdefault(insight.TABLE, "after mart.metric_daily")
    return stale


def _all_tables(company: Company) -> list[str]:
    return [*(c.table for c in entities().values()), *model.order_of(company), insight.TABLE]


def _usual(took: Mapping[pace.Step, list[pace.Took]], table: str, *, whole: bool) -> float | None:
    """Making and checking a table: as it was done last, or as a whole."""
    parts = []
    for kind in ("clean", "model", "insight", "publish", "checks"):
        ways = [took.get(pace.Step(kind, table, way), []) for way in (True, False)]
        known = [way for way in ways[: 1 if whole and ways[0] else 2] if way]
        if known:
            parts.append(min(pace.usual_seconds(way) for way in known))
    return sum(parts) if parts else None


def _usual_load(con: duckdb.DuckDBPyConnection, source: str) -> float | None:
    rows = con.execute(
        "SELECT date_diff('millisecond', started_at, ended_at) / 1000 FROM meta.run "
        "WHERE kind = 'load' AND source = ? AND status = 'succeeded' ORDER BY started_at DESC LIMIT ?",
        [source, pace.NIGHTS],
    ).fetchall()
    return statistics.median(seconds for (seconds,) in rows) if rows else None


def _usual_night(con: duckdb.DuckDBPyConnection) -> float | None:
    rows = con.execute(
        "SELECT date_diff('millisecond', started_at, ended_at) / 1000 FROM meta.run "
        "WHERE kind = 'refresh' AND status = 'succeeded' ORDER BY started_at DESC LIMIT ?",
        [pace.NIGHTS],
    ).fetchall()
    return statistics.median(seconds for (seconds,) in rows) if rows else None


def _missing(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    schema, _, name = table.partition(".")
    return not store.exists(con, schema, name)
