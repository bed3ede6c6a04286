"""Whether models that follow what changed come to what building them anew gives, over random histories.

Each step of a history deletes, marks as deleted, alters and adds rows of the clean tables, lets a day pass, and builds
the model twice: by what changed, and as a whole in a copy. Run: python -m bench histories.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb

from pipelines.night import Night, begin
from pipelines.refresh.model import build_tables, models_of, order_of
from warehouse import changes, meta, records, store
from warehouse.company import Company, load_company
from warehouse.contracts import Contract, entities, tables
from warehouse.sql import literal, quoted

_PICK = (
    "CREATE OR REPLACE TEMP TABLE picked AS "
    "SELECT rowid AS at_row, row_number() OVER (ORDER BY hash(source_id, ?)) AS n FROM {table} ORDER BY n LIMIT ?"
)


@dataclass(frozen=True)
class Step:
    """One step of a history: seconds by what changed and anew, and the tables that differ, with rows of each."""

    followed: list[str]
    seconds: float
    seconds_anew: float
    differ: dict[str, int]


def history(company: Company, random: Random, *, steps: int, now: datetime, share: float) -> Iterator[Step]:
    """Let a company's clean tables go through a random history.

    Args:
        company: whose build database is to be altered; it has had a night.
        now: when the last night was.
        share: of a table's rows, how many a step touches at most.
    """
    anew = company.root.with_name(f"{company.root.name}-anew")
    with store.open_build(company.home) as con:
        build_tables(con, _night(company, now), order_of(company))
    for _ in range(steps):
        now += timedelta(days=1)
        night = _night(company, now)
        with store.open_build(company.home) as con:
            for contract in entities().values():
                _alter(con, night, contract, random, share)
            began = time.monotonic()
            build_tables(con, night, order_of(company))
            seconds = time.monotonic() - began
            differ = {t: -1 for t in order_of(company) if _version(con, t) != changes.version_of(con, t)}
            followed = _followed(con, night)
            con.execute("CHECKPOINT")
        shutil.rmtree(anew, ignore_errors=True)
        shutil.copytree(company.root, anew)
        began = time.monotonic()
        differ |= dict(_differences(load_company(anew), company, night))
        yield Step(followed, seconds, time.monotonic() - began, differ)


def _night(company: Company, now: datetime) -> Night:
    return begin(company, f"night-{now:%Y%m%d}", now)


def _alter(con: duckdb.DuckDBPyConnection, night: Night, contract: Contract, random: Random, share: float) -> None:
    """Change some rows of a clean table, most often of those with many, and log it as cleaning does."""
    table = contract.table
    ((rows,),) = con.execute(f"SELECT count(*) FROM {table}").fetchall()
    if rows == 0 or random.random() < 0.4:
        return
    some = max(2, int(rows * share * random.random()))
    before = meta.fingerprint_of(con, table)
    following = changes.Following(
        con,
        table,
        before[1] if before else None,
        by=contract.key,
        told=records.told_of(contract),
        ignoring=records.BOOKKEEPING,
    )
    salt = random.randrange(10**6)
    con.execute(_PICK.format(table=table), [salt, 4 * some])
    places = {"gone": (0, some // 3), "marked": (some // 3, some // 2), "altered": (some // 2, 4 * some)}
    among = {
        what: f"IN (SELECT at_row FROM picked WHERE n > {low} AND n <= {high})" for what, (low, high) in places.items()
    }
    con.execute(f"DELETE FROM {table} WHERE rowid {among['gone']}")
    con.execute(f"UPDATE {table} SET is_deleted = NOT is_deleted WHERE rowid {among['marked']}")
    columns = [c.name for c in contract.columns if c.name not in contract.key]
    for column in random.sample(columns, min(4, len(columns))):
        # Each takes the value of another row, so that what matches elsewhere goes on matching something.
        con.execute(
            f"UPDATE {table} AS t SET {quoted(column)} = other.value FROM picked INNER JOIN (SELECT {quoted(column)} "
            f"AS value, row_number() OVER (ORDER BY hash(source_id, {salt + 1})) AS n FROM {table}) AS other USING (n) "
            f"WHERE t.rowid = picked.at_row AND t.rowid {among['altered']}"
        )
    con.execute(
        f"INSERT INTO {table} SELECT * REPLACE (source_id || {literal(f'-{salt}')} AS source_id) FROM {table} "
        f"ORDER BY hash(source_id, {salt + 2}) LIMIT {max(1, some // 2)}"
    )
    version = following.finish(night.now)
    meta.remember(con, table, fingerprint="altered", version=version, at=night.now)


def _differences(anew: Company, company: Company, night: Night) -> Iterator[tuple[str, int]]:
    """Build every model as a whole; gives the tables that are others then, and how many rows differ."""
    built = {t for t in models_of(anew) if t in tables()}
    with store.open_build(anew.home) as con:
        con.execute("UPDATE meta.built SET fingerprint = ? WHERE list_contains(?, object)", [meta.ASKED, list(built)])
        con.execute(f"DROP SCHEMA IF EXISTS {changes.SCHEMA} CASCADE")
        build_tables(con, _night(anew, night.now), order_of(anew))
        with store.attached(con, company.home.build, "followed"):
            for table in order_of(anew):
                ((more,), (less,)) = con.execute(
                    f"SELECT count(*) FROM (FROM {table} EXCEPT ALL FROM followed.{table}) "
                    f"UNION ALL SELECT count(*) FROM (FROM followed.{table} EXCEPT ALL FROM {table})"
                ).fetchall()
                if more or less:
                    yield table, more + less


def _version(con: duckdb.DuckDBPyConnection, table: str) -> str:
    found = meta.fingerprint_of(con, table)
    return found[1] if found else ""


def _followed(con: duckdb.DuckDBPyConnection, night: Night) -> list[str]:
    """Tables of which only what a change touched was made."""
    rows = con.execute(
        "SELECT step FROM meta.step WHERE run_id = ? AND changed_rows IS NOT NULL ORDER BY step", [night.run_id]
    ).fetchall()
    return [step for (step,) in rows]


def run(folder: Path, company: Path, histories: int, steps: int) -> dict[str, Any]:
    """Random histories of a demo company that has had its night."""
    rows = []
    for seed in range(histories):
        work = folder / f"history-{seed}"
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(company, work, ignore=shutil.ignore_patterns("dagster", "versions", "raw", "exports"))
        copied = load_company(work)
        with store.open_build(copied.home) as con:
            ((now,),) = con.execute("SELECT now FROM meta.night").fetchall()
        found = list(history(copied, Random(seed), steps=steps, now=now, share=0.01))
        rows.append(
            {
                "history": seed,
                "steps": steps,
                "tables followed": sum(len(step.followed) for step in found),
                "tables that differ": sum(len(step.differ) for step in found),
                "seconds": sum(step.seconds for step in found),
                "seconds anew": sum(step.seconds_anew for step in found),
                "which": ", ".join(sorted({table for step in found for table in step.differ})),
            }
        )
        shutil.rmtree(work)
        shutil.rmtree(work.with_name(f"{work.name}-anew"))
    return {"histories": rows}


def tables_of(result: Mapping[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Titles and rows to print."""
    yield "Models by what changed, against models built anew", result["histories"]
