"""The floor: what the night's data work costs DuckDB alone, without Dagster, dlt, GX and cleaning rules.

Exports → raw tables → mappings with plain casts → the same models → a copy. What it leaves out stands in
docs/benchmarks.md. Needs a lake that a night has filled: what came over HTTP, and the few files that DuckDB cannot
read, come from there.
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
import polars as pl

from connectors.files.names import column_names
from pipelines.checkup import mapping_files
from transforms.mapping import qualified
from transforms.models import build_model, load_models
from warehouse import store
from warehouse.company import Company, load_company
from warehouse.contracts import SYSTEM_COLUMNS, Contract, entities, tables
from warehouse.sql import literal, quoted

_DELIMITERS = (",", ";", "\t")
_BOOKKEEPING = ("_file", "_row", "_loaded_at")
#: What a plain cast does not read; whoever writes SQL by hand would put these two there as well.
_TIME_FORMATS = (
    "%Y-%m-%d %H:%M:%S %z",
    "%Y-%m-%dT%H:%M:%S%z",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%Y-%m-%d",
)


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
    """A source's rows into tables of a file of its own, columns named as the connector names them."""
    config = company.config.sources[source]
    catalog = quoted(f"raw_{source}")
    con.execute(f"ATTACH {literal(str(target / f'raw_{source}.duckdb'))} AS {catalog}")
    con.execute(f"CREATE SCHEMA {catalog}.raw")
    con.execute(f"ATTACH {literal(str(company.home.raw_file(source)))} AS lake (READ_ONLY)")
    rows = 0 if config.connector == "files" else _copy_records(con, catalog)
    for table, options in config.options.get("tables", {}).items():
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


def _copy_records(con: duckdb.DuckDBPyConnection, catalog: str) -> int:
    """Records of an interface as the night loaded them; asking for them again would measure the server."""
    rows = 0
    for table in (t for t in store.raw_columns(con, "lake") if not t.startswith("_")):
        counted = con.execute(
            f"CREATE TABLE {catalog}.raw.{quoted(table)} AS FROM lake.raw.{quoted(table)} WHERE NOT is_deleted"
        ).fetchone()
        rows += counted[0] if counted else 0
    return rows


def _by_kind(files: list[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for file in files:
        if _kind(file) != "other":
            found.setdefault(_kind(file), []).append(file)
    return found


def _kind(file: Path) -> str:
    if file.suffix in (".csv", ".tsv"):
        return _encoding(file) or "other"
    return {".ndjson": "json", ".gz": "json", ".json": "json", ".parquet": "parquet"}.get(file.suffix, "other")


def _reading(kind: str, files: list[Path], held: list[str], options: dict) -> str:
    listed = "[" + ", ".join(literal(str(f)) for f in files) + "]"
    if kind == "parquet":
        texts = ", ".join(f"CAST({quoted(c)} AS VARCHAR) AS {quoted(c)}" for c in held)
        return f"SELECT {texts} FROM read_parquet({listed})"
    if kind == "json":
        columns = ", ".join(f"{literal(c)}: 'VARCHAR'" for c in held)
        return f"SELECT * FROM read_json({listed}, columns = {{{columns}}})"
    lines_above = options.get("header_row", 1) - 1
    with files[0].open(encoding="utf-8-sig" if kind == "utf-8" else kind, newline="") as stream:
        header = [stream.readline() for _ in range(lines_above + 1)][-1].strip()
    delimiter = max(_DELIMITERS, key=header.count)
    names, _ = column_names([title.strip('"') for title in header.split(delimiter)])
    return (
        f"SELECT * FROM read_csv({listed}, all_varchar = true, header = true, skip = {lines_above}, "
        f"delim = {literal(delimiter)}, quote = '\"', encoding = {literal(kind)}, ignore_errors = true) "
        f"AS file({', '.join(map(quoted, names))})"
    )


def _encoding(file: Path) -> str | None:
    """The encoding, if DuckDB reads it; it knows no Windows-1252."""
    with file.open("rb") as stream:
        start = stream.read(1 << 20)
    if start.startswith(b"\xff\xfe"):
        return "utf-16"
    try:
        start[: start.rfind(b"\n")].decode()
    except UnicodeDecodeError:
        return None
    return "utf-8"


def _clean(con: duckdb.DuckDBPyConnection, company: Company, contract: Contract) -> int:
    """Every mapping's rows, any one of each id, cast where a cast can read them; nothing is mended or set aside."""
    types = {c.name: c.duckdb_type for c in (*contract.columns, *SYSTEM_COLUMNS)}
    columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in types.items())
    con.execute(f"CREATE TABLE {contract.table} ({columns})")
    rows = 0
    for mapping in (m for m in mapping_files(company) if m.entity == contract.name):
        query = qualified(mapping.sql, f"raw_{mapping.source}")
        given = [row[0] for row in con.execute(f"DESCRIBE {query}").fetchall() if row[0] in types]
        casts = [f"{_cast(name, types[name])} AS {quoted(name)}" for name in given if name != "source"]
        if "is_deleted" not in given:
            casts.append("false AS is_deleted")
        counted = con.execute(
            f"INSERT INTO {contract.table} BY NAME SELECT DISTINCT ON (source_id) {literal(mapping.source)} AS source, "
            f"{', '.join(casts)} FROM ({query}) WHERE source_id IS NOT NULL"
        ).fetchone()
        rows += counted[0] if counted else 0
    return rows


def _cast(name: str, kind: str) -> str:
    text = f"CAST({quoted(name)} AS VARCHAR)"
    if kind == "VARCHAR":
        return text
    plain = f"TRY_CAST({text} AS {kind})"
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        formats = "[" + ", ".join(map(literal, _TIME_FORMATS)) + "]"
        # The cast comes last: over '2026-10-01 12:30:30 +0200' it looks for a zone of that name, in 2 ms a row.
        return f"coalesce(CAST(TRY_STRPTIME({text}, {formats}) AS {kind}), {plain})"
    if kind.startswith("DECIMAL") or kind in ("BIGINT", "INTEGER", "DOUBLE"):
        return f"coalesce({plain}, TRY_CAST(replace(replace({text}, '.', ''), ',', '.') AS {kind}))"
    return plain


def _copy_meta(con: duckdb.DuckDBPyConnection, company: Company) -> None:
    """What models read of the night: its day, the company's choices and trust, and the holidays."""
    con.execute(f"ATTACH {literal(str(company.home.warehouse))} AS lake (READ_ONLY)")
    for table in (
        "meta.night",
        "meta.setting",
        "meta.source_trust",
        "meta.holiday",
        "meta.decision",
        "identity.decision",
    ):
        con.execute(f"CREATE TABLE {table} AS FROM lake.{table}")
    con.execute("DETACH lake")


def _models(con: duckdb.DuckDBPyConnection, company: Company) -> int:
    rows = 0
    for table, model in load_models([company.metrics_file] if company.metrics_file else []).items():
        rows += build_model(con, model).rows
        if table == "identity.record":
            _link(con)
        elif table == "identity.company":
            _link_companies(con)
        elif table == "mart.touchpoint_transition":
            _learn_effects(con)
    return rows


def _link(con: duckdb.DuckDBPyConnection) -> None:
    """The night's own function: linking is most of the work, and there is no plainer way to the same persons."""
    from transforms.identity import link

    linked = link(con.sql("FROM identity.record").pl(), None, happened_at=datetime.now(UTC))
    for table, frame in (
        ("identity.assignment", linked.assignment),
        ("identity.history", linked.history),
        ("identity.uncertain_pair", linked.review),
    ):
        _fill(con, table, frame)


def _link_companies(con: duckdb.DuckDBPyConnection) -> None:
    from transforms.identity import accounts

    _fill(con, "identity.account", accounts(con.sql("FROM identity.company").pl(), happened_at=datetime.now(UTC)))


def _learn_effects(con: duckdb.DuckDBPyConnection) -> None:
    """Likewise: an inverse of a matrix."""
    from transforms.attribution import touchpoint_effects

    _fill(con, "mart.touchpoint_effect", touchpoint_effects(con.sql("FROM mart.touchpoint_transition").pl()))


def _fill(con: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame) -> None:
    store.create_table(con, tables()[table])
    con.register("rows", frame)
    con.execute(f"INSERT INTO {table} BY NAME FROM rows")
    con.unregister("rows")


if __name__ == "__main__":
    main()
