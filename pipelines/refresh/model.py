"""Building the unified model: SQL models whose inputs changed, and the tables that code makes between them."""

from __future__ import annotations

import graphlib
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import duckdb
import polars as pl

import transforms.attribution
import transforms.history
import transforms.identity
from pipelines.night import Night, progress
from pipelines.refresh import history
from transforms import following
from transforms.models import (
    LINKED_FROM,
    Model,
    Rebuilt,
    build_model,
    column_lineage,
    load_models,
    rebuild_changed,
    told_of,
)
from warehouse import changes, meta, store
from warehouse.company import Company
from warehouse.contracts import tables
from warehouse.digest import code_digest, digest
from warehouse.sql import quoted

RECORD, DECISION, ASSIGNMENT = "identity.record", "identity.decision", "identity.assignment"
HISTORY, FORMER, UNCERTAIN = "identity.history", "identity.former_id", "identity.uncertain_pair"
LINKAGE, COMPANY, ACCOUNT = "identity.linkage", "identity.company", "identity.account"
EFFECT, TRANSITION = "mart.touchpoint_effect", "mart.touchpoint_transition"


NIGHT = "meta.night"

#: Among what a table was built from: its query or code, with its contract.
MADE_BY = "made by"
#: A query that does not name the day gives the same on another.
_AS_OF = re.compile(r"\bas_of\b")


@dataclass(frozen=True)
class Built:
    """A table of the model after tonight; `rebuilt` is false where its inputs were as before."""

    table: str
    rows: int
    seconds: float
    rebuilt: bool


def models_of(company: Company) -> dict[str, Model]:
    """The product's models with the company's metrics, each after those it reads."""
    return load_models([company.metrics_file] if company.metrics_file else [])


def order_of(company: Company) -> list[str]:
    """Every table of the model, each after those it is made from."""
    models = models_of(company)
    graph = {**{table: model.upstream for table, model in models.items()}, **LINKED_FROM}
    ordered = graphlib.TopologicalSorter(graph).static_order()
    return [table for table in ordered if table in graph]


def upstream_of(company: Company, table: str) -> list[str]:
    """Tables that a table of the model is made from."""
    return list(LINKED_FROM[table] if table in LINKED_FROM else models_of(company)[table].upstream)


def lineage_of(company: Company, table: str) -> Mapping[str, Sequence[tuple[str, str]]]:
    """Which columns each column of a table is made of; empty where it cannot be traced."""
    if table in history.HISTORIES:
        return history.lineage_of(table)
    models = models_of(company)
    return column_lineage({table: models[table]})[table] if table in models else {}


def stale_models(con: duckdb.DuckDBPyConnection, night: Night, stale: Collection[str]) -> dict[str, str]:
    """Tables of the model to look at again, and why: their own inputs changed, or may change with those in `stale`."""
    touched = set(stale)
    found = {}
    for table in order_of(night.company):
        followed = [name for name in upstream_of(night.company, table) if name in touched]
        why = f"after {', '.join(followed)}" if followed else _why_due(con, night, table)
        if why:
            touched.add(table)
            found[table] = why
    return found


def build_tables(con: duckdb.DuckDBPyConnection, night: Night, wanted: Sequence[str]) -> dict[str, Built]:
    """Build the wanted tables whose inputs changed, in the order of who reads whom."""
    order = [table for table in order_of(night.company) if table in set(wanted)]
    built: dict[str, Built] = {}
    for done, table in enumerate(order):
        progress("model", done, len(order))
        built[table] = _build(con, night, table)
    progress("model", len(order), len(order))
    return built


def _build(con: duckdb.DuckDBPyConnection, night: Night, table: str) -> Built:
    started = time.monotonic()
    inputs = _inputs(con, night, table)
    before = _built(con, table)
    due = before is None or before[0] != _digest(inputs)
    if due:
        # What a killed run left half done, or what other code made, has no version to go on from.
        then = changes.inputs_of(con, table) if before and before[0] not in (meta.UNSETTLED, meta.ASKED) else {}
        known = before[1] if before and then.get(MADE_BY) == inputs[MADE_BY] else None
        meta.unsettle(con, table)
        make = _write if table in LINKED_FROM else _model
        made = make(con, night, table, known, inputs, then)
        # Each linking is told in a row of its own.
        is_again = before is not None and before[0] == meta.ASKED and inputs == changes.inputs_of(con, table)
        if before and is_again and table != LINKAGE:
            changes.note_rebuilt(con, night.run_id, table, is_same=made.version == before[1])
        changes.remember_inputs(con, table, inputs)
        meta.remember(con, table, fingerprint=_digest(inputs), version=made.version, at=night.now)
    row = con.execute(f"SELECT count(*) FROM {table}").fetchone()
    rows, seconds = int(row[0]) if row else 0, time.monotonic() - started
    if due:
        meta.note_step(
            con,
            run_id=night.run_id,
            step=table,
            kind="model",
            rows=rows,
            seconds=seconds,
            changed_rows=made.affected,
        )
    return Built(table, rows, seconds, due)


def _write(
    con: duckdb.DuckDBPyConnection,
    night: Night,
    table: str,
    known: str | None,
    _inputs: Mapping[str, str],
    _then: Mapping[str, str],
) -> Rebuilt:
    """Let code write a table; what changed is logged if somebody follows it."""
    store.create_table(con, tables()[table])
    told = _needed(con, night.company, table)
    followed = changes.Following(con, table, known, by=(), told=told) if told else None
    CODED[table].write(con, night)
    if followed:
        return Rebuilt(followed.finish(night.now), None)
    changes.forget(con, table)
    return Rebuilt(changes.version_of(con, table), None)


def _model(
    con: duckdb.DuckDBPyConnection,
    night: Night,
    table: str,
    known: str | None,
    inputs: Mapping[str, str],
    then: Mapping[str, str],
) -> Rebuilt:
    """Build a model by what changed since it was built from `then`, where that is known and little, else as a whole."""
    model, told = models_of(night.company)[table], _needed(con, night.company, table)
    follows = model.follow is not None and _is_large(con, table)
    if known is not None and (follows or told):
        changed = _changed(con, model, inputs, then) if follows else None
        if changed is not None or told:
            after = rebuild_changed(con, model, version=known, changed=changed, told=told, at=night.now)
            if after is not None:
                return after
    build_model(con, model)
    changes.forget(con, table)
    return Rebuilt(changes.version_of(con, table), None)


def _needed(con: duckdb.DuckDBPyConnection, company: Company, table: str) -> tuple[str, ...]:
    """Columns whose old and new values are needed: by large tables that follow this one, or by its own checks."""
    models = models_of(company)
    followers = [m for m in models.values() if m.follow and table in m.follow.follows]
    if any(_is_large(con, m.table) for m in followers):
        return told_of(followers, table)
    is_followed_by_checks = table in models and models[table].follow and _is_large(con, table)
    return tables()[table].key if is_followed_by_checks else ()


def _is_large(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    schema, _, name = table.partition(".")
    row = con.execute(
        "SELECT estimated_size FROM duckdb_tables() "
        "WHERE database_name = current_database() AND schema_name = ? AND table_name = ?",
        [schema, name],
    ).fetchone()
    return row is not None and row[0] > following.SMALL


def _changed(
    con: duckdb.DuckDBPyConnection, model: Model, inputs: Mapping[str, str], then: Mapping[str, str]
) -> dict[str, str] | None:
    """Queries for what changed of the tables that a model follows; None where more changed than it can follow."""
    found: dict[str, str] = {}
    for name, version in inputs.items():
        if version == then.get(name):
            continue
        if model.follow is None or name not in model.follow.follows or name not in then:
            return None
        is_day = name == NIGHT and _settings_of(version) == _settings_of(then[name])
        query = "SELECT 1 AS another_day" if is_day else changes.since(con, name, then[name], version)
        if query is None:
            return None
        found[name] = query
    return found


def _settle_decisions(con: duckdb.DuckDBPyConnection, night: Night) -> None:
    records = con.sql(f"SELECT record_id FROM {RECORD}").pl()["record_id"]
    _replace(con, DECISION, transforms.identity.settle(con.sql("FROM meta.decision").pl(), records))


def _link(con: duckdb.DuckDBPyConnection, night: Night) -> None:
    """Link person records as decided; customer ids of the night before stay with their people.

    Writes all that linking gives together, so that a killed run repeats no merge or split.
    """
    for table in (HISTORY, FORMER, UNCERTAIN, LINKAGE):
        store.create_table(con, tables()[table])
    last = con.execute(f"SELECT linkage_id FROM {LINKAGE} ORDER BY happened_at DESC LIMIT 1").fetchone()
    linked = transforms.identity.link(
        con.sql(f"FROM {RECORD}").pl(),
        con.sql(f"FROM {ASSIGNMENT}").pl(),
        happened_at=night.now,
        decisions=con.sql(f"FROM {DECISION} WHERE state = 'in_force'").pl(),
        former=con.sql(f"FROM {FORMER}").pl(),
        kept=night.company.home.linkage,
        mark=last[0] if last else None,
    )
    con.begin()
    for table, frame in ((ASSIGNMENT, linked.assignment), (UNCERTAIN, linked.review)):
        con.execute(f"DELETE FROM {table}")
        _insert(con, table, frame)
    _insert(con, HISTORY, linked.history)
    _insert(con, FORMER, linked.former)
    _insert(con, LINKAGE, _told(linked, night))
    con.commit()


def _told(linked: transforms.identity.Linked, night: Night) -> pl.DataFrame:
    happened = linked.history["kind"].to_list()
    return pl.DataFrame(
        {
            "happened_at": [night.now],
            "linkage_id": [linked.mark],
            "records": [linked.assignment.height],
            "changed_records": pl.Series([linked.changed], dtype=pl.Int64),
            "customers": [linked.assignment["customer_id"].n_unique()],
            "merged": [happened.count("merged")],
            "split": [happened.count("split")],
        }
    )


def _link_companies(con: duckdb.DuckDBPyConnection, night: Night) -> None:
    """Link company records to accounts, all of them each night, for they are few."""
    previous = con.sql(f"SELECT record_id, account_id, account_since FROM {ACCOUNT}").pl()
    records = con.sql(f"FROM {COMPANY}").pl()
    _replace(con, ACCOUNT, transforms.identity.accounts(records, previous, happened_at=night.now))


def _with_assignment(con: duckdb.DuckDBPyConnection, night: Night) -> None:
    """Its rows came with the assignment."""


def _learn_effects(con: duckdb.DuckDBPyConnection, night: Night) -> None:
    _replace(con, EFFECT, transforms.attribution.touchpoint_effects(con.sql(f"FROM {TRANSITION}").pl()))


def _replace(con: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame) -> None:
    con.begin()
    con.execute(f"DELETE FROM {table}")
    _insert(con, table, frame)
    con.commit()


def _insert(con: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame) -> None:
    columns = ", ".join(quoted(c.name) for c in tables()[table].columns)
    con.register("linked_rows", frame)
    con.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM linked_rows")
    con.unregister("linked_rows")


def _why_due(con: duckdb.DuckDBPyConnection, night: Night, table: str) -> str | None:
    """Why a table should be made anew; None where it is as it should be."""
    before, inputs = _built(con, table), _inputs(con, night, table)
    if before is None:
        return "not made yet"
    if before[0] == _digest(inputs):
        return None
    then = changes.inputs_of(con, table)
    others = [name for name, version in inputs.items() if then.get(name) != version]
    if before[0] in (meta.UNSETTLED, meta.ASKED) or not others:
        return "asked for" if before[0] == meta.ASKED else "not finished last time"
    if others == [NIGHT]:
        return "another day"
    return "made otherwise now" if MADE_BY in others else f"{', '.join(others)} changed"


def _built(con: duckdb.DuckDBPyConnection, table: str) -> tuple[str, str] | None:
    """Fingerprint and version of a table that was built and is there."""
    schema, _, name = table.partition(".")
    return meta.fingerprint_of(con, table) if store.exists(con, schema, name) else None


def _inputs(con: duckdb.DuckDBPyConnection, night: Night, table: str) -> dict[str, str]:
    """The query or code with the contract, and the versions of all that is read."""
    company = night.company
    made_by = _code_of(table) if table in LINKED_FROM else models_of(company)[table].sql
    made = digest(made_by, tables()[table].path.read_bytes())
    versions = {name: _version(con, night, name) for name in upstream_of(company, table)}
    if NIGHT in versions and not _AS_OF.search(made_by):
        versions[NIGHT] = _settings_of(versions[NIGHT])
    return {MADE_BY: made, **versions}


def _digest(inputs: Mapping[str, str]) -> str:
    return digest(*(f"{name}={version}" for name, version in inputs.items()))


def _version(con: duckdb.DuckDBPyConnection, night: Night, table: str) -> str:
    """A table's version; for the night and settings, what models read of them; for other meta tables, their content."""
    # While a night is planned these tables still have the last one's.
    if table == NIGHT:
        config = night.company.config
        return f"{night.as_of} {config.base_currency} {config.timezone} {config.country}"
    if table == "meta.setting":
        return str(night.company.choices)
    if table.startswith("meta."):
        return changes.version_of(con, table)
    found = meta.fingerprint_of(con, table)
    return found[1] if found else ""


def _settings_of(night: str) -> str:
    """What a version of meta.night says beside the day."""
    return night.partition(" ")[2]


@dataclass(frozen=True)
class Coded:
    """What writes a table that no query makes, and the code whose change makes it anew."""

    write: Callable[[duckdb.DuckDBPyConnection, Night], None]
    code: Path


_IDENTITY = Path(transforms.identity.__file__).parent
_HISTORY = Path(transforms.history.__file__)

#: How each table of LINKED_FROM is made.
CODED: Mapping[str, Coded] = {
    DECISION: Coded(_settle_decisions, _IDENTITY),
    ASSIGNMENT: Coded(_link, _IDENTITY),
    HISTORY: Coded(_with_assignment, _IDENTITY),
    FORMER: Coded(_with_assignment, _IDENTITY),
    UNCERTAIN: Coded(_with_assignment, _IDENTITY),
    LINKAGE: Coded(_with_assignment, _IDENTITY),
    ACCOUNT: Coded(_link_companies, _IDENTITY),
    EFFECT: Coded(_learn_effects, Path(transforms.attribution.__file__)),
    **{table: Coded(partial(history.keep, table=table), _HISTORY) for table in history.HISTORIES},
}


@cache
def _code_of(table: str) -> str:
    return code_digest(CODED[table].code)
