"""How long a night over the demo company takes, where the time goes, and how far that is from the floor.

Each night is a process of its own, as the scheduler starts it; the company is written before the clock starts, and its
systems are served by the measuring process. Run:
python -m bench night --scale 1 10. What the floor is stands in bench/floor.py.
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

from sandbox import generate
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


def run(folder: Path, scale: float) -> dict[str, Any]:
    """Write the company into a folder of its own and run the first night, a second without changes, and the floor."""
    company = folder / f"demo-{scale:g}"
    shutil.rmtree(company / "lake", ignore_errors=True)
    first = one_night(company, scale)
    stages = _stages(company)
    second = _night(company)
    floor = measured("-m", "bench.floor", str(company), str(folder / f"floor-{scale:g}"))
    if floor.status:
        raise RuntimeError(f"The floor ended with status {floor.status}; see above.")
    gx_import = float(measured("-c", GX_IMPORT).output)
    floor_stages = {name: _stage(name, s["rows"], s["seconds"]) for name, s in json.loads(floor.output).items()}
    return {
        "scale": scale,
        "company": str(company),
        "night": _figures(first),
        "again": _figures(second),
        "floor": _figures(floor),
        "ratio": first.wall / floor.wall,
        "ratio_cpu": first.cpu / floor.cpu,
        "stages": stages,
        "floor_stages": list(floor_stages.values()),
        "shares": _shares(first.wall, stages, gx_import),
        "core_rows": _core_rows(company / "lake" / "warehouse.duckdb"),
        "floor_core_rows": _core_rows(folder / f"floor-{scale:g}" / "warehouse.duckdb"),
    }


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
    scale = f"scale {result['scale']:g}"
    runs = [{"run": name, **result[name]} for name in ("night", "again", "floor")]
    yield f"Night at {scale}; {result['ratio']:.1f} times the floor ({result['ratio_cpu']:.1f} in processor time)", runs
    yield f"Stages of the night at {scale}", result["stages"]
    yield f"Stages of the floor at {scale}", result["floor_stages"]
    yield f"Where the night's time goes at {scale}", result["shares"]
