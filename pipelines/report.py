"""What people read in the terminal: the end of a night, the status, the sources. Reads, never writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import duckdb
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.refresh import upkeep
from pipelines.run import Outcome
from quality import storage as judgement
from quality.results import latest_checks
from warehouse import backup, clock, meta, publish, storage, store
from warehouse.company import Company

if TYPE_CHECKING:
    from pipelines.refresh.plan import Plan

_MARKS = {"fresh": "[green]fresh[/green]", "stale": "[yellow]stale[/yellow]", "never_loaded": "[red]never loaded[/red]"}


def warnings_of(company: Company) -> int:
    """Sources that are not fresh, findings of the loads, and failed checks of the published warehouse."""
    with _warehouse(company) as con:
        if con is None:
            return 0
        return _one(
            con,
            "SELECT (SELECT count(*) FROM meta.source_status WHERE status <> 'fresh') "
            "+ (SELECT count(*) FROM meta.finding WHERE severity <> 'info') "
            f"+ (SELECT count(*) FROM ({latest_checks(con)}) WHERE NOT passed)",
        )


def describe_night(company: Company, outcome: Outcome, out: Console) -> None:
    """The table at the end of a night."""
    for name, reason in outcome.failed_loads.items():
        out.print(f"[yellow]![/yellow] {name} was not loaded: {escape(reason)}", soft_wrap=True)
    if not outcome.published:
        out.print(f"[red]✗[/red] {escape(outcome.failure)}", soft_wrap=True)
    with _warehouse(company) as con:
        if con is None:
            out.print("Nothing is published yet.")
            return
        out.print(_source_table(con))
        out.print(_summary(company, con))
    _next_steps(company, out)


def describe_status(company: Company, out: Console) -> None:
    """Whether the warehouse is fresh, and what needs somebody."""
    current = next((v for v in publish.versions(company.home) if v.is_current), None)
    if current is None:
        out.print("Nothing is published yet. Run `millpond run`.")
    else:
        hours = (clock.now() - current.published_at).total_seconds() / 3600
        mark = "[green]fresh[/green]" if -1 < hours <= 36 else "[yellow]stale[/yellow]"
        ago = f"{hours:.0f} h ago" if hours > -1 else "which is yet to come: the clock was wrong then, or is now"
        out.print(f"Warehouse: {mark}, published {current.published_at:%Y-%m-%d %H:%M} UTC, {ago}.")
    _last_refresh(company, out)
    _last_backup(company, out)
    describe_sources(company, out)
    with _warehouse(company) as con:
        if con is not None:
            _room(company, con, out)
            _failed_checks(con, out)
            _waiting_pairs(con, out)
            _recent_anomalies(con, out)


def describe_plan(company: Company, plan: Plan, out: Console) -> None:
    """What tonight would do, why, and about how long."""
    loads = Table("source to load", "connector", "usually", box=None)
    for load in plan.loads:
        loads.add_row(load.what, load.why, _time(load.seconds))
    out.print(loads)
    if plan.tables:
        due = Table("table that is due", "because", "usually", box=None)
        for table in plan.tables:
            due.add_row(table.what, escape(table.why), _time(table.seconds))
        out.print(due)
    else:
        out.print("No table is due before the sources have delivered.")
    known = [p.seconds for p in (*plan.loads, *plan.tables) if p.seconds is not None]
    unknown = len(plan.loads) + len(plan.tables) - len(known)
    told = f"In all about {_time(sum(known))}" + (f", and {unknown} that were never done" if unknown else "")
    usual = f" A night's refresh usually takes {_time(plan.night_seconds)}." if plan.night_seconds is not None else ""
    out.print(f"{told}, beside what the sources will bring and make due.{usual}", soft_wrap=True)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "not known yet"
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def describe_sources(company: Company, out: Console) -> None:
    """Each source's last load, from the notes that the loads leave, so that it is true before a refresh too."""
    table = Table("source", "connector", "status", "last complete load (UTC)", "what is wrong", box=None)
    for name, source in company.config.sources.items():
        note = meta.read_note(company.home, name)
        last = f"{note.last_success_at:%Y-%m-%d %H:%M}" if note and note.last_success_at else "never"
        table.add_row(name, source.connector, _load_mark(note), last, escape(_what_is_wrong(note)))
    out.print(table)


def _load_mark(note: meta.LoadNote | None) -> str:
    if note is None or note.last_success_at is None:
        return _MARKS["never_loaded"]
    if note.ok:
        return _MARKS["fresh"]
    return f"[yellow]stale since {note.failing_since:%Y-%m-%d %H:%M}[/yellow]"


def _what_is_wrong(note: meta.LoadNote | None) -> str:
    if note is None:
        return ""
    if not note.ok:
        return note.message
    found = [f for f in note.findings if f["severity"] != "info"]
    return f"{found[0]['detail']}" + (f" (and {len(found) - 1} more)" if len(found) > 1 else "") if found else ""


def _source_table(con: duckdb.DuckDBPyConnection) -> Table:
    table = Table("source", "status", "rows", "quarantined", "findings", box=None)
    rows = con.execute(
        """
        SELECT source, status, row_count, coalesce(q.rows, 0), finding_count, stale_since
        FROM meta.source_status
        LEFT JOIN (SELECT source, sum(quarantined_rows)::BIGINT AS rows FROM meta.reconciliation GROUP BY 1) AS q
            USING (source)
        ORDER BY source
        """
    ).fetchall()
    for source, status, count, quarantined, findings, since in rows:
        mark = _MARKS[status] + (f" since {since:%Y-%m-%d %H:%M}" if since else "")
        table.add_row(source, mark, f"{count:,}", f"{quarantined:,}", f"{findings:,}")
    return table


def _summary(company: Company, con: duckdb.DuckDBPyConnection) -> Table:
    checks, failed = _pair(con, f"SELECT count(*), count(*) FILTER (WHERE NOT passed) FROM ({latest_checks(con)})")
    anomalies = _one(con, _RECENT.format(columns="count(*)"))
    table = Table(box=None, show_header=False)
    for label, text in (
        ("customers", f"{_one(con, 'SELECT count(*) FROM core.customer'):,}"),
        ("orders", f"{_one(con, 'SELECT count(*) FROM core.sales_order'):,}"),
        ("checks", f"{checks:,}, of which {failed:,} warn"),
        ("anomalies", f"{anomalies:,} in the last 7 days"),
        ("disk", outlook.sentence() if (outlook := _outlook(company, con)) else "not measured yet"),
        ("warehouse", str(company.home.warehouse)),
    ):
        table.add_row(label, text)
    return table


def _next_steps(company: Company, out: Console) -> None:
    at = f"--company {company.root}"
    out.print(f'\nAsk it:      millpond {at} query "SELECT * FROM mart.customer_360 LIMIT 10"', soft_wrap=True)
    out.print(f"See it:      millpond {at} ui", soft_wrap=True)
    out.print(f"What's odd:  millpond {at} status", soft_wrap=True)


_RECENT = """
SELECT {columns} FROM insight.anomaly AS a CROSS JOIN meta.night AS n
WHERE a.date > n.as_of - INTERVAL 7 DAY AND a.date <= n.as_of
"""


def _failed_checks(con: duckdb.DuckDBPyConnection, out: Console) -> None:
    rows = con.execute(
        f"SELECT table_name, check_name, failed_rows, severity FROM ({latest_checks(con)}) WHERE NOT passed "
        "ORDER BY severity, failed_rows DESC, table_name, check_name"
    ).fetchall()
    if rows:
        table = Table("check that warns", "rows", box=None)
        for name, check, failed, _ in rows:
            table.add_row(f"{name}: {check}", f"{failed:,}")
        out.print(table)


def _room(company: Company, con: duckdb.DuckDBPyConnection, out: Console) -> None:
    if outlook := _outlook(company, con):
        out.print(f"Disk: {outlook.sentence()}{f' {judgement.TO_DO}' if outlook.is_short else ''}", soft_wrap=True)


def _outlook(company: Company, con: duckdb.DuckDBPyConnection) -> judgement.Outlook | None:
    """What was measured in the nights up to the published one, and what is free now."""
    history = upkeep.history(con) if store.exists(con, "meta", "storage") else []
    if not history:  # published by an older Millpond
        return None
    history[-1] = replace(history[-1], disk_free=storage.disk_free(company.home))
    return judgement.look_ahead(history, company.config.keep_versions)


def _waiting_pairs(con: duckdb.DuckDBPyConnection, out: Console) -> None:
    if not store.exists(con, "identity", "review"):  # published by an older Millpond
        return
    waiting = _one(con, "SELECT count(*) FROM identity.review WHERE put_off_at IS NULL")
    if waiting:
        out.print(f"Pairs of records that may be one person: {waiting:,}; `millpond review` asks about them.")


def _recent_anomalies(con: duckdb.DuckDBPyConnection, out: Console) -> None:
    rows = con.execute(_RECENT.format(columns="a.date, a.sentence") + "ORDER BY a.date DESC, a.score DESC LIMIT 10")
    found = rows.fetchall()
    if found:
        out.print("Unusual in the last 7 days:")
        for _, text in found:
            out.print(f"  {escape(text)}", soft_wrap=True)


def _last_refresh(company: Company, out: Console) -> None:
    """The last refresh, also one that published nothing; skipped while a refresh holds the build."""
    if not company.home.build.exists():
        return
    try:
        with store.open_build(company.home, read_only=True) as con:
            row = con.execute(
                "SELECT status, started_at, message FROM meta.run WHERE run_id = (SELECT run_id FROM meta.night)"
            ).fetchone()
    except (store.StoreError, duckdb.Error):
        out.print("A refresh is running now.")
        return
    if row:
        status, started, message = row
        out.print(f"Last refresh: {status}, {started:%Y-%m-%d %H:%M} UTC. {escape(message or '')}", soft_wrap=True)


def _last_backup(company: Company, out: Console) -> None:
    made = backup.last(company.home)
    if made is None:
        out.print("Last backup: none; `millpond backup` makes one.")
        return
    at, path = made
    hours = (clock.now() - at).total_seconds() / 3600
    out.print(f"Last backup: {at:%Y-%m-%d %H:%M} UTC, {hours:.0f} h ago: {escape(str(path))}", soft_wrap=True)


@contextmanager
def _warehouse(company: Company) -> Iterator[duckdb.DuckDBPyConnection | None]:
    if not company.home.warehouse.exists():
        yield None
        return
    with store.connect(company.home.warehouse, read_only=True) as con:
        yield con


def _one(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    return int(_pair(con, sql)[0])


def _pair(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    return con.execute(sql).fetchone() or (0, 0)
