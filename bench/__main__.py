"""`python -m bench` measures everything, `python -m bench night|ingest|truth|…` one part of it."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

CONSOLE = Console(width=170)
PARTS = ("night", "ingest", "truth", "anomalies", "identity", "histories", "cleaning")


def main() -> None:
    """Measure what was asked for, print tables, and write JSON if wanted."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Millpond's benchmarks.")
    parser.add_argument("what", nargs="?", choices=("all", *PARTS), default="all")
    parser.add_argument("--scale", type=float, nargs="+", default=[1.0], help="truth: size of the demo company")
    parser.add_argument(
        "--orders", type=int, nargs="+", default=[50_000, 500_000, 5_000_000], help="night: sizes of the company"
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in this folder and keep it")
    parser.add_argument("--company", type=Path, metavar="DIR", help="truth: a demo company that has had its night")
    parser.add_argument(
        "--records", type=int, nargs="*", default=[20_000, 1_000_000], help="identity: sizes of the crowd"
    )
    parser.add_argument("--seed", type=int, default=7, help="identity: another seed gives another crowd")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="identity: these contestants, such as millpond")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        results = _measure(chosen, (chosen.keep or Path(scratch)).resolve())
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1, default=str) + "\n", encoding="utf-8")


def _measure(chosen: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Results by benchmark. The truth is measured on the smallest of the nights, unless a company is given."""
    results: dict[str, Any] = {}
    if chosen.what in ("all", "night"):
        results["night"] = [_night(folder, orders) for orders in chosen.orders]
    if chosen.what in ("all", "ingest"):
        results["ingest"] = _ingest(folder)
    if chosen.what in ("all", "truth"):
        company = chosen.company.resolve() if chosen.company else folder / f"demo-{min(chosen.scale):g}"
        results["truth"] = _truth(company, min(chosen.scale))
    if chosen.what in ("all", "histories"):
        results["histories"] = _histories(folder)
    if chosen.what in ("all", "cleaning"):
        results["cleaning"] = _cleaning(folder)
    if chosen.what in ("all", "anomalies"):
        results["anomalies"] = _anomalies()
    if chosen.what in ("all", "identity"):
        results["identity"] = _identity(chosen, folder)
    return results


def _night(folder: Path, orders: int) -> dict[str, Any]:
    from bench import night

    return _shown(night.run(folder, orders), night.tables)


def _truth(company: Path, scale: float) -> dict[str, Any]:
    from bench import night, truth

    if not (company / "lake" / "warehouse.duckdb").exists():
        night.one_night(company, scale)
    return _shown(truth.run(company), truth.tables)


def _histories(folder: Path) -> dict[str, Any]:
    from bench import histories, night

    company = folder / "demo-0.05"
    if not (company / "lake" / "warehouse.duckdb").exists():
        night.one_night(company, 0.05)
    return _shown(histories.run(folder, company, histories=30, steps=3), histories.tables_of)


def _cleaning(folder: Path) -> dict[str, Any]:
    from bench import cleaning

    return _shown(cleaning.run(folder, histories=20, nights=30), cleaning.tables_of)


def _ingest(folder: Path) -> list[dict[str, Any]]:
    from bench import ingest

    rows = ingest.run(folder / "ingest")
    _print("Ingest over HTTP", rows)
    return rows


def _anomalies() -> list[dict[str, Any]]:
    from bench import anomalies

    rows = anomalies.run()
    _print("Anomaly detection", [row for row in rows if row["data"] != "numenta" or row["kind"].startswith("all")])
    return rows


def _identity(chosen: argparse.Namespace, folder: Path) -> dict[str, Any]:
    from bench import identity

    only = chosen.only or identity.CONTESTANTS
    return _shown(identity.run(folder / "identity", chosen.records, chosen.seed, only), identity.tables)


def _shown(result: dict[str, Any], tables: Any) -> dict[str, Any]:
    titled: Iterable[tuple[str, list[dict[str, Any]]]] = tables(result)
    for title, rows in titled:
        _print(title, rows)
    return result


def _print(title: str, rows: list[dict[str, Any]]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in columns))
    CONSOLE.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.3f}" if abs(value) < 10 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


if __name__ == "__main__":
    main()
