"""The SQL models of identity, core and mart: finding them, ordering them, tracing their columns, building them.

What a table means stands in its `.sql` file and its contract. Nothing here knows a table by name but those that
code writes between the models.
"""

from __future__ import annotations

import functools
import graphlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

from transforms import following, metrics
from transforms.following import Follow, follow_of
from transforms.lineage import Columns, trace
from warehouse import changes, contracts
from warehouse.sql import literal, quoted

if TYPE_CHECKING:
    import duckdb
    from sqlglot.schema import MappingSchema

MODEL_DIR = Path(__file__).parent / "model"

_LINKING = ("identity.record", "identity.decision")

#: Tables that code writes between the models, and the tables that each of them is made from. Linking writes several at
#: once, with the assignment.
LINKED_FROM: Mapping[str, tuple[str, ...]] = {
    "identity.decision": ("identity.record", "meta.decision"),
    "identity.assignment": _LINKING,
    "identity.history": (*_LINKING, "identity.assignment"),
    "identity.former_id": (*_LINKING, "identity.assignment"),
    "identity.uncertain_pair": (*_LINKING, "identity.assignment"),
    "identity.linkage": (*_LINKING, "identity.assignment"),
    "identity.account": ("identity.company",),
    "mart.touchpoint_effect": ("mart.touchpoint_transition",),
    "core.customer_history": ("core.customer", "core.customer_origin"),
    "core.account_history": ("core.account", "core.account_origin"),
    "core.product_history": ("core.product",),
}

#: table → column → the columns of other tables it is made of
Lineage = dict[str, dict[str, list[tuple[str, str]]]]

_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")


class ModelError(Exception):
    """A model that cannot be used as it stands; the message names the file and the mend."""


@dataclass(frozen=True)
class Model:
    """A table of the unified model and the query that fills it."""

    schema: str
    name: str
    sql: str
    path: Path
    grain: str
    upstream: tuple[str, ...]
    follow: Follow | None = None

    @property
    def table(self) -> str:
        """Schema-qualified name."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class BuildReport:
    """What building one model came to."""

    table: str
    rows: int
    seconds: float


@dataclass(frozen=True)
class Rebuilt:
    """A table's new version, and how many of its rows were made anew; None where all were."""

    version: str
    affected: int | None


def load_models(metric_files: Iterable[Path] = ()) -> dict[str, Model]:
    """All models by table, each after those it reads.

    Args:
        metric_files: `metrics.yaml` files of the company, added to the product's own metrics.

    Raises:
        ModelError: a model cannot be parsed, reads a table that nobody makes, or models read each other in a circle.
    """
    return dict(_load_models(tuple(metric_files)))


@functools.cache
def _load_models(metric_files: tuple[Path, ...]) -> dict[str, Model]:
    found = [_read_model(path) for path in sorted(MODEL_DIR.glob("*/*.sql"))]
    defined = metrics.load_metrics(metric_files)
    found.append(_make_model("mart", "metric_daily", metrics.daily_sql(defined), metrics.METRICS_FILE))
    models = {model.table: model for model in found}
    graph = {model.table: {m for table in model.upstream for m in _makers(model, table, models)} for model in found}
    try:
        order = list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        circle = " → ".join(error.args[1])
        raise ModelError(f"Models read each other in a circle: {circle}. Cut it in one of them.") from error
    return {table: models[table] for table in order if table in models}


def _read_model(path: Path) -> Model:
    return _make_model(path.parent.name, path.stem, path.read_text(encoding="utf-8"), path)


def _make_model(schema: str, name: str, sql: str, path: Path) -> Model:
    grain, _, _ = sql.partition("\n")
    if not grain.startswith("-- "):
        raise ModelError(f"{path} must begin with a comment that says what a row is: `-- One row per …`.")
    try:
        query = sqlglot.parse_one(sql, dialect="duckdb")
    except sqlglot.ParseError as error:
        raise ModelError(f"{path} is not valid SQL: {error.errors[0]['description']}. Mend the query.") from error
    upstream = {f"{table.db}.{table.name}" for table in query.find_all(exp.Table) if table.db}
    told = grain.removeprefix("-- ").strip()
    return Model(schema, name, sql.strip(), path, told, tuple(sorted(upstream)), follow_of(path))


def _makers(model: Model, table: str, models: Mapping[str, Model]) -> Iterable[str]:
    """The nodes of the graph that a model waits for when it reads a table."""
    if table in LINKED_FROM:
        for origin in LINKED_FROM[table]:
            yield from _makers(model, origin, models)
        return
    if table not in models and table.partition(".")[0] in ("identity", "core", "mart"):
        raise ModelError(f"{model.path} reads {table}, which no model makes. Correct the name or add the model.")
    yield table


def build_model(con: duckdb.DuckDBPyConnection, model: Model) -> BuildReport:
    """Replace a model's table by what its query gives, with types and comments from the contract.

    The old table stays in place until the new one is complete. Widths of whole and decimal numbers are cut to the
    contract's; any other difference in type is an error.

    Raises:
        ModelError: query and contract disagree about the columns, or there is no contract.
    """
    started = time.perf_counter()
    contract = _contract_of(model)
    query = _cast(con, model, model.sql)
    target = f"{quoted(model.schema)}.{quoted(model.name)}"
    con.execute("BEGIN")
    try:
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(model.schema)}")
        con.execute(f"CREATE OR REPLACE TABLE {target} AS {query}")
        for comment in _comments(target, contract):
            con.execute(comment)
        con.execute("COMMIT")
    except BaseException:
        con.execute("ROLLBACK")
        raise
    counted = con.execute(f"SELECT count(*) FROM {target}").fetchone()
    return BuildReport(model.table, counted[0] if counted else 0, time.perf_counter() - started)


def rebuild_changed(
    con: duckdb.DuckDBPyConnection,
    model: Model,
    *,
    version: str,
    changed: Mapping[str, str] | None,
    told: Sequence[str],
    at: datetime,
) -> Rebuilt | None:
    """Bring a model's table up to date by the rows that differ, and log them for those who follow it.

    Args:
        version: of the table's content now, which was built by the same query and contract.
        changed: what changed of the tables that it follows, as queries; None where that is not known, and all is made.
        told: columns whose old and new values its followers need.
        at: the night's time.

    Returns:
        None where so much is affected that all should be built.

    Raises:
        ModelError: as `build_model`.
    """
    sql, by, affected = model.sql, tuple[str, ...](), None
    if changed is not None:
        affected = following.find_affected(con, model.table, model.follow, changed) if model.follow else None
        if model.follow is None or affected is None:
            return None
        sql, by = following.restricted(con, model.sql, model.follow), model.follow.by
    con.execute(f"CREATE OR REPLACE TEMP TABLE fresh AS {_cast(con, model, sql)}")
    con.begin()
    try:
        among = "affected" if changed is not None else None
        follower = changes.Following(con, model.table, version, by=by, affected=among, told=told)
        after = follower.put("temp.fresh", at)
        con.commit()
    except BaseException:
        con.rollback()
        raise
    following.forget(con)
    return Rebuilt(after, affected)


def told_of(followers: Iterable[Model], table: str) -> tuple[str, ...]:
    """Columns of a table whose old and new values models that follow it need, and its key; none where none does."""
    needed = [model.follow.told(table) for model in followers if model.follow and table in model.follow.follows]
    return tuple(sorted({*contracts.tables()[table].key, *(c for told in needed for c in told)})) if needed else ()


def _contract_of(model: Model) -> contracts.Contract:
    contract = contracts.tables().get(model.table)
    if contract is None:
        raise ModelError(
            f"{model.table} has no contract. Add warehouse/contracts/{model.schema}/{model.name}.odcs.yaml."
        )
    return contract


def _cast(con: duckdb.DuckDBPyConnection, model: Model, sql: str) -> str:
    """The query with the contract's types."""
    return f"SELECT {_casts(con, model, _contract_of(model))} FROM (\n{sql}\n) AS model"


def _casts(con: duckdb.DuckDBPyConnection, model: Model, contract: contracts.Contract) -> str:
    """The column list that brings the query's columns to the contract's types; raises where they disagree."""
    given = {row[0]: row[1] for row in con.execute(f"DESCRIBE {model.sql}").fetchall()}
    wanted = {column.name: column.duckdb_type for column in contract.columns}
    where = f"{model.path.name} and {contract.path.name}"
    if extra := [name for name in given if name not in wanted]:
        raise ModelError(f"{where} disagree: the query gives {', '.join(extra)}, which the contract does not describe.")
    if missing := [name for name in wanted if name not in given]:
        raise ModelError(f"{where} disagree: the contract describes {', '.join(missing)}, which the query lacks.")
    if list(given) != list(wanted):
        raise ModelError(f"{where} give the columns in different orders; use the contract's: {', '.join(wanted)}.")
    plain = con.execute(
        "SELECT " + ", ".join(f"CAST(NULL AS {kind}) AS {quoted(name)}" for name, kind in wanted.items())
    )
    types = {row[0]: str(row[1]) for row in plain.description}
    for name, (have, want) in {n: (given[n], types[n]) for n in given}.items():
        if have != want and not _is_same_kind(have, want):
            raise ModelError(f"{where} disagree: {name} is {have} in the query and {want} in the contract.")
    return ", ".join(f"CAST({quoted(name)} AS {kind}) AS {quoted(name)}" for name, kind in wanted.items())


def _is_same_kind(have: str, want: str) -> bool:
    if want.startswith("DECIMAL"):
        return have.startswith("DECIMAL") or have in _INTEGERS
    return want in _INTEGERS and have in _INTEGERS


def _comments(target: str, contract: contracts.Contract) -> Iterable[str]:
    yield f"COMMENT ON TABLE {target} IS {literal(f'{contract.description} {contract.grain}'.strip())}"
    for column in contract.columns:
        yield f"COMMENT ON COLUMN {target}.{quoted(column.name)} IS {literal(column.description)}"


def column_lineage(models: Mapping[str, Model]) -> Lineage:
    """For every column of every model, the columns of other tables that it is made of.

    A model that cannot be traced has an empty entry. Filters and join conditions do not count.
    """
    return {table: dict(_trace_model(model)) for table, model in models.items()}


@functools.cache
def _trace_model(model: Model) -> Columns:
    return trace(model.sql, _schema())


@functools.cache
def _schema() -> MappingSchema:
    from sqlglot.schema import MappingSchema

    schema: dict[str, dict[str, dict[str, str]]] = {}
    for contract in contracts.tables().values():
        columns = contract.columns + (contracts.SYSTEM_COLUMNS if contract.schema == "clean" else ())
        schema.setdefault(contract.schema, {})[contract.name] = {c.name: c.duckdb_type for c in columns}
    return MappingSchema({**schema}, dialect="duckdb")
