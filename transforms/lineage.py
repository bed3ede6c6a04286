"""Which columns a query's columns are made of, for models and mappings alike.

Filters and join conditions do not count. A query that cannot be traced has no lineage; that is no error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import sqlglot
from sqlglot import exp

if TYPE_CHECKING:
    from sqlglot.optimizer.scope import Scope
    from sqlglot.schema import MappingSchema

#: column → the (schema.table, column) pairs it is made of
Columns = dict[str, list[tuple[str, str]]]

_Origins = set[tuple[str, str]]


def trace(sql: str, schema: MappingSchema | None = None) -> Columns:
    """The origins of every output column of a query; empty where it cannot be traced.

    Args:
        schema: columns of the tables read; without it, unqualified columns of joins stay untraced.
    """
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope

    try:
        query = qualify(
            sqlglot.parse_one(sql, dialect="duckdb"),
            dialect="duckdb",
            schema=schema,
            validate_qualify_columns=False,
            quote_identifiers=False,
        )
        scope = build_scope(query)
        traced = _trace_scope(scope, {}) if scope else {}
    except (SqlglotError, RecursionError):
        return {}
    return {name: sorted(origins) for name, origins in traced.items()}


def _trace_scope(scope: Scope, memo: dict[int, dict[str, _Origins]]) -> dict[str, _Origins]:
    """Origins of every output column of a scope, each scope worked out once."""
    if id(scope) not in memo:
        memo[id(scope)] = {}  # a recursive CTE sees itself as empty
        if isinstance(scope.expression, exp.SetOperation):
            memo[id(scope)] = _trace_union(scope, memo)
        else:
            memo[id(scope)] = {
                projection.alias_or_name: _trace_expression(projection, scope, memo)
                for projection in cast(exp.Query, scope.expression).selects
            }
    return memo[id(scope)]


def _trace_union(scope: Scope, memo: dict[int, dict[str, _Origins]]) -> dict[str, _Origins]:
    """Branches of a union belong together by position, under the names of the first."""
    first, *rest = [_trace_scope(branch, memo) for branch in scope.set_operation_scopes]
    merged = {name: set(origins) for name, origins in first.items()}
    for branch in rest:
        for name, origins in zip(merged, branch.values(), strict=False):
            merged[name] |= origins
    return merged


def _trace_expression(projection: exp.Expr, scope: Scope, memo: dict[int, dict[str, _Origins]]) -> _Origins:
    origins: _Origins = set()
    only = next(iter(scope.sources.values())) if len(scope.sources) == 1 else None
    for column in projection.find_all(exp.Column):
        source = scope.sources.get(column.table) if column.table else only
        if isinstance(source, exp.Table):
            origins.add((f"{source.db}.{source.name}", column.name))
        elif source is not None:
            origins |= _trace_scope(source, memo).get(column.name, set())
    return origins
