"""How long a night takes, where the time goes, and how far that is from the floor, over trading companies of any size.

Each night is a process of its own, as the scheduler starts it; the company is written before the clock starts. The
first night loads everything; in the second one row in a hundred is new or changed; in the third nothing happened. Run:
python -m bench night --orders 50000. What the floor is stands in bench/floor.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from sandbox import generate, trader
from sandbox.serve import Sandbox, serving
from warehouse.settings import child_environment

ROOT = Path(__file__).resolve().parents[1]
NIGHT = "from pipelines.cli import main; main()"
GX_IMPORT = "import time; t = time.perf_counter(); import great_expectations; print(time.perf_counter() - t)"
#: Stages that DuckDB, Polars and dlt spend on the data itself; checks are Great Expectations'.
DATA_STAGES = ("load", "clean", "model", "insight", "publish")


@dataclass(frozen=True)
class Usage:
    """What a process took: seconds of wall clock and of processor, and its highest resident memory."""

    wall: float
    cpu: float
    peak_mb: float
    status: int
    output: str


def measured(*arguments: str, **variables: str) -> Usage:
    """Run Python with arguments and environment variables from the project's root and take its measure."""
    began = time.perf_counter()
    command, environment = [sys.executable, *arguments], child_environment(variables)
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        output = process.stdout.read() if process.stdout else ""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - began
    to_mb = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return Usage(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / to_mb, process.returncode, output)


def run(folder: Path, orders: int) -> dict[str, Any]:
    """Write a trading company into a folder of its own; run its nights, and the floor over what the first loaded."""
    company = folder / f"trade-{orders}"
    trader.write(company, orders)
    nights = {"full": _trade_night(company)}
    stages = {"full": _stages(company)}
    floor = measured("-m", "bench.floor", str(company), str(folder / f"floor-{orders}"))
    if floor.status:
        raise RuntimeError(f"The floor ended with status {floor.status}; see above.")
    core_rows = (
        _core_rows(company / "lake" / "warehouse.duckdb"),
        _core_rows(folder / f"floor-{orders}" / "warehouse.duckdb"),
    )
    shutil.rmtree(folder / f"floor-{orders}")
    trader.let_pass(company, 1)
    nights["1 % changed"] = _trade_night(company)
    stages["1 % changed"] = _stages(company)
    nights["empty"] = _trade_night(company)
    gx_import = float(measured("-c", GX_IMPORT).output)
    floor_stages = [_stage(name, s["rows"], s["seconds"]) for name, s in json.loads(floor.output).items()]
    full = nights["full"]["wall"]
    rows = [
        {
            "run": name,
            **figures,
            "of the full night": figures["wall"] / full,
            "of the floor": figures["wall"] / floor.wall,
        }
        for name, figures in {**nights, "floor": _figures(floor)}.items()
    ]
    return {
        "orders": orders,
        "runs": rows,
        "stages": stages,
        "floor_stages": floor_stages,
        "shares": _shares(full, stages["full"], gx_import),
        "slowest": _slowest(company),
        "core_rows": core_rows,
    }


def _trade_night(company: Path) -> dict[str, Any]:
    """A night over exported files; its figures, with the lake's size on disk afterwards."""
    used = measured("-c", NIGHT, "--company", str(company), "run")
    if used.status not in (0, 3):
        raise RuntimeError(f"The night over {company} ended with status {used.status}: {used.output[-1500:]}")
    size = sum(f.stat().st_size for f in (company / "lake").rglob("*") if f.is_file() and f.stat().st_nlink == 1)
    return {**_figures(used), "lake_mb": size / 1e6}


def _slowest(company: Path) -> list[dict[str, Any]]:
    """The steps that took longest in the second night."""
    with duckdb.connect(str(company / "lake" / "build.duckdb"), read_only=True) as con:
        rows = con.execute(
            "SELECT kind, step, row_count, changed_rows, seconds, peak_mb FROM meta.step "
            "WHERE run_id = (SELECT run_id FROM meta.night) ORDER BY seconds DESC LIMIT 12"
        ).fetchall()
    return [dict(zip(("kind", "step", "rows", "changed rows", "seconds", "peak MB"), row, strict=True)) for row in rows]


def one_night(company: Path, scale: float) -> Usage:
    """Write the company, if it is not there, and run a night over it."""
    generate.write(company, scale=scale)
    return _night(company)


def _night(company: Path) -> Usage:
    with serving(Sandbox(company)) as running:
        used = measured("-c", NIGHT, "--company", str(company), "run", SANDBOX_URL=running.url)
    if used.status not in (0, 3):
        raise RuntimeError(f"The night over {company} ended with status {used.status}: {used.output[-1500:]}")
    return used


def _figures(used: Usage) -> dict[str, Any]:
    return {name: value for name, value in asdict(used).items() if name != "output"}


def _stages(company: Path) -> list[dict[str, Any]]:
    """Rows and seconds by stage of the night just past, from what it noted itself.

    Loads count the rows of raw tables, checks the checks, the others the rows of the tables they made.
    """
    with duckdb.connect(str(company / "lake" / "build.duckdb"), read_only=True) as con:
        loads = con.execute(
            "SELECT sum(row_count), sum(date_diff('millisecond', started_at, ended_at)) / 1000 "
            "FROM meta.run WHERE kind = 'load'"
        ).fetchone()
        noted = con.execute(
            "SELECT kind, sum(row_count), sum(seconds) FROM meta.step "
            "WHERE run_id = (SELECT run_id FROM meta.night) GROUP BY ALL"
        ).fetchall()
    found = {kind: _stage(kind, rows, seconds) for kind, rows, seconds in [("load", *(loads or (0, 0))), *noted]}
    return [found[kind] for kind in ("load", "clean", "checks", "model", "insight", "publish") if kind in found]


def _stage(kind: str, rows: float | None, seconds: float) -> dict[str, Any]:
    rows = int(rows or 0)
    return {"stage": kind, "rows": rows, "seconds": float(seconds), "rows_per_second": rows / max(seconds, 1e-9)}


def _shares(wall: float, stages: list[dict[str, Any]], gx_import: float) -> list[dict[str, Any]]:
    """Where a night's wall clock went; what no stage noted is Dagster, starting Python and small bookkeeping."""
    seconds = {s["stage"]: s["seconds"] for s in stages}
    data = sum(seconds.get(name, 0.0) for name in DATA_STAGES)
    gx = seconds.get("checks", 0.0) + gx_import
    parts = {"data": data, "Great Expectations": gx, "Dagster, start and the rest": wall - data - gx}
    return [{"part": name, "seconds": part, "share": part / wall} for name, part in parts.items()]


def _core_rows(path: Path) -> int:
    with duckdb.connect(str(path), read_only=True) as con:
        tables = con.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'core'").fetchall()
        counts = [con.execute(f'SELECT count(*) FROM core."{name}"').fetchone() for (name,) in tables]
    return sum(row[0] for row in counts if row)


def tables(result: dict[str, Any]) -> Iterable[tuple[str, list[dict[str, Any]]]]:
    """Titles and rows to print."""
    size = f"{result['orders']:,} orders"
    yield f"Nights of {size}", result["runs"]
    for night, stages in result["stages"].items():
        yield f"Stages of the {night} night, {size}", stages
    yield f"Stages of the floor, {size}", result["floor_stages"]
    yield f"Where the full night's time goes, {size}", result["shares"]
    yield f"The slowest steps of the last night, {size}", result["slowest"]
