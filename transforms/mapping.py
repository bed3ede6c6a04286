"""Mappings: the company's SELECT from one source's raw tables to one entity's columns, checked and completed.

A mapping may read raw tables and nothing else: no files, no other schema, no writing. Running it is the business of
clean/load.py.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from collections.abc import Mapping as Map
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from warehouse.contracts import Contract
from warehouse.sql import literal, quoted

RawColumns = Map[str, Map[str, str]]

#: What a mapping may give beside the contract's columns.
OPTIONAL = ("source_updated_at", "is_deleted", "extra")
#: What the machine adds; a mapping that gives them itself is left alone.
ADDED = ("source", "extra", "source_file", "source_row", "source_updated_at", "is_deleted")
_BOOKKEEPING = frozenset({"_file", "_row", "_loaded_at", "_is_deleted", "_deleted_at"})
#: Columns by which a raw table of records as JSON is known.
_RECORD = frozenset({"id", "modified_at", "payload", "is_deleted"})
_TABLE_FUNCTIONS = frozenset({"unnest", "generate_series", "range", "json_each", "json_tree"})
_UNSAFE = (
    "read_",
    "scan",
    "glob",
    "query",
    "getenv",
    "current_setting",
    "sniff",
    "pragma",
    "duckdb_",
    "parquet_",
    "nextval",
)


class MappingError(ValueError):
    """A mapping that cannot be used; the message is one sentence on what, where and how to mend it."""


@dataclass(frozen=True)
class Mapping:
    """mappings/<source>/<entity>.sql."""

    source: str
    entity: str
    path: Path
    sql: str


def prepare(mapping_sql: str, raw_columns: RawColumns, contract: Contract, source: str) -> str:
    """Check a mapping and add `source`, and where the query is a plain SELECT from one raw table, what that row is.

    The result gives `extra` (JSON of the table's columns that the mapping leaves out), source_file and source_row too;
    grouped, distinct and combined queries have no such row and leave them out. Over a table of records as JSON,
    `extra` is what the mapping leaves out of the record, and source_updated_at and is_deleted are the record's own;
    rows that an unnest makes of one record have no `extra`. Preparing twice changes nothing.

    Raises:
        MappingError: the text is not one SELECT over raw tables, or gives columns that the contract does not have.
    """
    query = _parsed(mapping_sql)
    _only_raw(query, raw_columns)
    outputs = _outputs(query, contract)
    main = _main_table(query, raw_columns)
    if main is not None and isinstance(query, exp.Select):
        return _with_provenance(query, main, outputs, raw_columns, source)
    if "source" in outputs:
        return query.sql("duckdb")
    listed = ", ".join(f"mapped.{quoted(name)}" for name in outputs)
    return _parsed(f"SELECT {literal(source)} AS source, {listed} FROM ({query.sql('duckdb')}) AS mapped").sql("duckdb")


def qualified(prepared_sql: str, catalog: str) -> str:
    """The query with its raw tables named in the catalog that holds them."""
    query = sqlglot.parse_one(prepared_sql, read="duckdb")
    for table in query.find_all(exp.Table):
        if table.db.lower() == "raw":
            table.set("catalog", exp.to_identifier(catalog, quoted=True))
    return query.sql("duckdb")


def raw_tables(mapping_sql: str) -> list[str]:
    """Names of the raw tables that a mapping reads."""
    query = _parsed(mapping_sql)
    return sorted({t.name for t in query.find_all(exp.Table) if t.db.lower() == "raw"})


def bind_problems(mapping: Mapping, raw_columns: RawColumns, contract: Contract) -> list[str]:
    """What would go wrong if the mapping ran over tables of these shapes, one sentence each; empty if nothing."""
    try:
        prepared = prepare(mapping.sql, raw_columns, contract, mapping.source)
    except MappingError as error:
        return [f"{mapping.path}: {error}"]
    con = duckdb.connect()
    try:
        con.execute("SET enable_external_access = false")
        con.execute("CREATE SCHEMA raw")
        for table, columns in raw_columns.items():
            listed = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
            con.execute(f"CREATE TABLE raw.{quoted(table)} ({listed})")
        given = [row[0] for row in con.execute(f"DESCRIBE {prepared}").fetchall()]
    except duckdb.Error as error:
        return [_bind_sentence(mapping, error)]
    finally:
        con.close()
    absent = [c.name for c in contract.columns if c.required and c.name not in given]
    return [
        f"{mapping.path}: {contract.name} needs {name}, which the mapping does not give; add `… AS {name}` "
        "(a constant if the source does not say it)."
        for name in absent
    ]


def _parsed(mapping_sql: str) -> exp.Query:
    try:
        statements = [s for s in sqlglot.parse(mapping_sql, read="duckdb") if s is not None]
    except (ParseError, TokenError) as error:
        raise MappingError(_syntax_sentence(error)) from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        is_statement = bool(statements) and not isinstance(statements[0], exp.Alias | exp.Column)
        kind = statements[0].key.upper() if is_statement else "no statement"
        found = f"{len(statements)} statements" if len(statements) > 1 else kind
        raise MappingError(f"a mapping is one SELECT, but here is {found}; leave only the SELECT.")
    forbidden = statements[0].find(exp.Insert, exp.Update, exp.Delete, exp.Create, exp.Drop, exp.Command, exp.Into)
    if forbidden:
        raise MappingError(f"a mapping only reads, but here is {forbidden.key.upper()}; leave only the SELECT.")
    return statements[0]


def _syntax_sentence(error: ParseError | TokenError) -> str:
    first = error.errors[0] if isinstance(error, ParseError) and error.errors else {}
    if first:
        near = f" near `{first['highlight']}`" if first.get("highlight") else ""
        return f"line {first['line']}: SQL that cannot be read{near}: {first['description']}."
    return f"SQL that cannot be read: {str(error).splitlines()[0]}."


def _only_raw(query: exp.Query, raw_columns: RawColumns) -> None:
    """No files, no other schemas, no functions that reach outside."""
    named = {cte.alias_or_name.lower() for cte in query.find_all(exp.CTE)}
    known = {t.lower() for t in raw_columns}
    for table in query.find_all(exp.Table):
        if isinstance(table.this, exp.Func):
            _safe_function(table.this, _TABLE_FUNCTIONS)
        elif table.db.lower() == "raw" and not table.catalog:
            if table.name.lower() not in known:
                have = ", ".join(sorted(raw_columns)) or "no table yet"
                raise MappingError(f"{_at(table)}raw.{table.name} does not exist; the source has: {have}.")
        elif table.db or table.name.lower() not in named:
            raise MappingError(
                f"{_at(table)}a mapping reads raw tables only, not {table.sql('duckdb')}; write raw.<table>."
            )
    for function in query.find_all(exp.Func):
        _safe_function(function, None)


def _safe_function(function: exp.Func, allowed: frozenset[str] | None) -> None:
    name = (function.name if isinstance(function, exp.Anonymous) else function.sql_name()).lower()
    outside = any(part in name for part in _UNSAFE) or isinstance(function, exp.ReadCSV)
    if outside or (allowed is not None and name not in allowed):
        raise MappingError(
            f"{_at(function)}a mapping may not call {name}(), which reaches beyond raw tables; take it out."
        )


def _outputs(query: exp.Query, contract: Contract) -> list[str]:
    """Names of the columns that the mapping gives."""
    select = query.selects
    if any(s.is_star for s in select):
        raise MappingError("a mapping names its columns; replace * by the columns that the entity takes.")
    unnamed = next((s for s in select if not s.alias_or_name), None)
    if unnamed is not None:
        raise MappingError(f"{_at(unnamed)}{unnamed.sql('duckdb')} has no name; add AS <column>.")
    outputs = [s.alias_or_name for s in select]
    twice = sorted({o for o in outputs if outputs.count(o) > 1})
    if twice:
        raise MappingError(f"column {twice[0]} is given twice; keep one.")
    known = {c.name for c in contract.columns} | {*OPTIONAL, *ADDED}
    strange = [o for o in outputs if o not in known]
    if strange:
        raise MappingError(_strange_sentence(strange[0], known, contract))
    if "source_id" not in outputs:
        raise MappingError("the mapping gives no source_id; add the source's own id of the record AS source_id.")
    return outputs


def _strange_sentence(name: str, known: Iterable[str], contract: Contract) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    hint = (
        f"did you mean {near[0]}?" if near else "rename it or leave it out: unmapped columns stay reachable in `extra`."
    )
    return f"{contract.name} has no column {name}; {hint}"


def _main_table(query: exp.Query, raw_columns: RawColumns) -> exp.Table | None:
    """The raw table whose rows the query gives, if it gives its rows."""
    if not isinstance(query, exp.Select) or query.args.get("distinct") or query.args.get("group"):
        return None
    origin = query.args.get("from_") or query.args.get("from")
    table = origin.this if origin is not None else None
    if not isinstance(table, exp.Table) or table.db.lower() != "raw":
        return None
    if any(
        found.find_ancestor(exp.Window, exp.Subquery) is None
        for s in query.selects
        for found in s.find_all(exp.AggFunc)
    ):
        return None
    return table


def _with_provenance(
    query: exp.Select, main: exp.Table, outputs: list[str], raw_columns: RawColumns, source: str
) -> str:
    columns = next(c for t, c in raw_columns.items() if t.lower() == main.name.lower())
    lower = {c.lower() for c in columns}
    additions = {"source": literal(source)}
    if lower >= _RECORD:
        additions |= _from_record(query, main)
    else:
        additions |= _from_columns(query, main, columns)
    whole = query.copy()
    for name, value in additions.items():
        if value and name not in outputs:
            whole = whole.select(f"{value} AS {name}", dialect="duckdb")
    return whole.sql("duckdb")


def _from_columns(query: exp.Select, main: exp.Table, columns: Map[str, str]) -> dict[str, str]:
    """What a row of a table with columns of its own is, beside what the mapping takes."""
    alias = quoted(main.alias_or_name)
    used = {c.name.lower() for c in query.find_all(exp.Column)}
    spare = [c for c in columns if c.lower() not in used | _BOOKKEEPING and not c.lower().startswith("_dlt_")]
    pairs = ", ".join(f"{literal(c)}, {alias}.{quoted(c)}" for c in spare)
    lower = {c.lower() for c in columns}
    found = {"extra": f"CAST(json_object({pairs}) AS VARCHAR)"} if spare else {}
    if "_file" in lower:
        found["source_file"] = f"{alias}._file"
    if "_row" in lower:
        found["source_row"] = f"{alias}._row"
    if "_is_deleted" in lower:
        found["is_deleted"] = f"{alias}._is_deleted"
    return found


def _from_record(query: exp.Select, main: exp.Table) -> dict[str, str]:
    """What a record as JSON is, beside what the mapping takes of it."""
    alias = quoted(main.alias_or_name)
    found = {"source_updated_at": f"{alias}.modified_at", "is_deleted": f"{alias}.is_deleted"}
    if query.args.get("laterals") or any(_is_unnest(join) for join in query.args.get("joins") or []):
        return found
    taken = literal(json.dumps(_emptied(_taken_paths(query, main)), ensure_ascii=False))
    return {**found, "extra": f"CAST(json_merge_patch({alias}.payload, {taken}) AS VARCHAR)"}


def _is_unnest(join: exp.Expr) -> bool:
    return join.find(exp.Unnest, exp.Explode, exp.Lateral) is not None


def _taken_paths(query: exp.Select, main: exp.Table) -> list[list[str]]:
    """Names that lead to the parts of the record that the mapping reads; parts of lists have none."""
    found = []
    for part in query.find_all(exp.JSONExtract, exp.JSONExtractScalar):
        whose = part.this
        if not isinstance(whose, exp.Column) or whose.name.lower() != "payload":
            continue
        if whose.table and whose.table.lower() != main.alias_or_name.lower():
            continue
        steps = part.expression.expressions if isinstance(part.expression, exp.JSONPath) else []
        if steps and all(isinstance(s, exp.JSONPathRoot | exp.JSONPathKey) for s in steps):
            found.append([s.this for s in steps if isinstance(s, exp.JSONPathKey)])
    return [path for path in found if path and all(isinstance(name, str) for name in path)]


def _emptied(paths: list[list[str]]) -> dict[str, Any]:
    """A merge patch that takes these parts out of a JSON object."""
    patch: dict[str, Any] = {}
    for path in sorted(paths, key=len, reverse=True):
        node = patch
        for name in path[:-1]:
            inner = node.get(name)
            if not isinstance(inner, dict):
                inner = node[name] = {}
            node = inner
        node[path[-1]] = None
    return patch


def _bind_sentence(mapping: Mapping, error: duckdb.Error) -> str:
    """DuckDB's first sentence, with the line of the mapping where it can be found."""
    text = str(error)
    message = text.splitlines()[0].rstrip(".")
    for word in re.findall(r'"([^"]+)"', message):
        for number, line in enumerate(mapping.sql.splitlines(), start=1):
            if re.search(rf"\b{re.escape(word)}\b", line):
                return f"{mapping.path}, line {number}: {message}; mend the name or the expression."
    return f"{mapping.path}: {message}; mend the query."


def _at(node: exp.Expr) -> str:
    line = node.meta.get("line") or next((n.meta["line"] for n in node.walk() if n.meta.get("line")), None)
    return f"line {line}: " if line else ""
