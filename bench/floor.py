"""The floor: what the night's data work costs DuckDB alone, in one process, without Dagster, dlt, GX and cleaning rules.

Exports → raw tables → mappings with plain casts → the same models → a copy. What it leaves out stands in
docs/benchmarks.md. Needs a lake that a night has filled: the few files that DuckDB cannot read come from there.
Run by bench/night.py as `python -m bench.floor COMPANY TARGET`.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from connectors.files.names import column_names
from transforms.mapping import qualified
from transforms.models import LINKED_FROM, build_model, load_models
from warehouse import meta, store
from warehouse.company import Company, load_company
from warehouse.contracts import SYSTEM_COLUMNS, Contract, entities, tables
from warehouse.store import literal, quoted

_DELIMITERS = (",", ";", "\t")
_BOOKKEEPING = ("_file", "_row", "_loaded_at")
#: What a plain cast does not read; whoever writes SQL by hand would put these two there as well.
_TIME_FORMATS = ("%Y-%m-%d %H:%M:%S %z", "%Y-%m-%dT%H:%M:%S%z", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y")


def main() -> None:
    """Do the work into the target folder and print seconds and rows by stage as JSON."""
    company, target = load_company(Path(sys.argv[1])), Path(sys.argv[2])
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    stages: dict[str, dict[str, float]] = {}
    with store.connect(target / "floor.duckdb", temp=target / "tmp") as con:
        for schema in store.SCHEMAS:
            con.execute(f"CREATE SCHEMA {quoted(schema)}")
        with _timed(stages, "load") as stage:
            stage["rows"] = sum(_load(con, company, target, name) for name in company.config.sources)
        with _timed(stages, "clean") as stage:
            stage["rows"] = sum(_clean(con, company, contract) for contract in entities().values())
        _copy_meta(con, company)
        with _timed(stages, "model") as stage:
            stage["rows"] = _models(con, company)
        with _timed(stages, "publish"):
            con.execute("CHECKPOINT")
    with _timed(stages, "publish"):
        shutil.copyfile(target / "floor.duckdb", target / "warehouse.duckdb")
    sys.stdout.write(json.dumps(stages))


@contextmanager
def _timed(stages: dict[str, dict[str, float]], name: str) -> Iterator[dict[str, float]]:
    stage = stages.setdefault(name, {"rows": 0, "seconds": 0.0})
    began = time.perf_counter()
    yield stage
    stage["seconds"] += time.perf_counter() - began


def _load(con: duckdb.DuckDBPyConnection, company: Company, target: Path, source: str) -> int:
    """A source's files into tables of a file of its own, columns named as the connector names them."""
    config = company.config.sources[source]
    catalog = quoted(f"raw_{source}")
    con.execute(f"ATTACH {literal(str(target / f'raw_{source}.duckdb'))} AS {catalog}")
    con.execute(f"CREATE SCHEMA {catalog}.raw")
    con.execute(f"ATTACH {literal(str(company.home.raw_file(source)))} AS lake (READ_ONLY)")
    rows = 0
    for table, options in config.options["tables"].items():
        patterns = options["files"] if isinstance(options["files"], list) else [options["files"]]
        folder = company.root / config.options["path"]
        files = sorted(f for pattern in patterns for f in folder.glob(pattern))
        held = [c for c in store.raw_columns(con, "lake")[table] if c not in _BOOKKEEPING and not c.startswith("_dlt")]
        parts = [_reading(kind, some, held, options) for kind, some in _by_kind(files).items()]
        unread = [f.name for f in files if _kind(f) == "other"]
        if unread or not files:
            listed = ", ".join(map(quoted, held))
            where = " OR ".join(f"ends_with(_file, {literal(name)})" for name in unread) or "true"
            parts.append(f"SELECT {listed} FROM lake.raw.{quoted(table)} WHERE {where}")
        counted = con.execute(
            f"CREATE TABLE {catalog}.raw.{quoted(table)} AS " + " UNION ALL BY NAME ".join(f"({p})" for p in parts)
        ).fetchone()
        rows += counted[0] if counted else 0
    con.execute("DETACH lake")
    return rows


def _by_kind(files: list[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for file in files:
        if _kind(file) != "other":
            found.setdefault(_kind(file), []).append(file)
    return found


def _kind(file: Path) -> str:
    names = {".csv": "csv", ".tsv": "csv", ".ndjson": "json", ".gz": "json", ".json": "json", ".parquet": "parquet"}
    return names.get(file.suffix, "other")


def _reading(kind: str, files: list[Path], held: list[str], options: dict) -> str:
    listed = "[" + ", ".join(literal(str(f)) for f in files) + "]"
    if kind == "parquet":
        return f"SELECT {', '.join(f'CAST({quoted(c)} AS VARCHAR) AS {quoted(c)}' for c in held)} FROM read_parquet({listed})"
    if kind == "json":
        columns = ", ".join(f"{literal(c)}: 'VARCHAR'" for c in held)
        return f"SELECT * FROM read_json({listed}, columns = {{{columns}}})"
    encoding, lines_above = _encoding(files[0]), options.get("header_row", 1) - 1
    with files[0].open(encoding=encoding.replace("utf-8", "utf-8-sig"), newline="") as stream:
        header = [stream.readline() for _ in range(lines_above + 1)][-1].strip()
    delimiter = max(_DELIMITERS, key=header.count)
    names, _ = column_names([title.strip('"') for title in header.split(delimiter)])
    named = ", ".join(map(literal, names))
    return (
        f"SELECT * FROM read_csv({listed}, all_varchar = true, header = false, skip = {lines_above + 1}, "
        f"delim = {literal(delimiter)}, quote = '\"', names = [{named}], encoding = {literal(encoding)}, "
        "ignore_errors = true, auto_detect = false, new_line = '\\n', columns = "
        f"{{{', '.join(f'{literal(n)}: {literal(chr(86) + "ARCHAR")}' for n in names)}}})"
    )


def _encoding(file: Path) -> str:
    with file.open("rb") as stream:
        start = stream.read(1 << 20)
    if start.startswith(b"\xff\xfe"):
        return "utf-16"
    try:
        start[: start.rfind(b"\n")].decode()
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"
