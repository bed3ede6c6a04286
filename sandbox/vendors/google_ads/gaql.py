"""Reads a query in the Google Ads Query Language and refuses what Google refuses.

Grammar: https://developers.google.com/google-ads/api/docs/query/grammar and .../query/structure; error codes:
google/ads/googleads/v25/errors/query_error.proto. Answering a query belongs in `report`. Of the operators only those
that select ranges, sets and single values are known here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sandbox.vendors.google_ads import catalog

_TOKEN = re.compile(r"\s*('(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|>=|<=|!=|[=<>(),]|-?[\w.]+)")
_KEYWORDS = frozenset({"SELECT", "FROM", "WHERE", "ORDER", "LIMIT", "PARAMETERS"})
_DURING = {
    "TODAY": (0, 0),
    "YESTERDAY": (1, 1),
    "LAST_7_DAYS": (7, 1),
    "LAST_14_DAYS": (14, 1),
    "LAST_30_DAYS": (30, 1),
}


class QueryError(Exception):
    """A query that Google refuses, with its error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One condition of WHERE; the operator is one of = != > >= < <= IN, NOT IN, BETWEEN."""

    field: str
    operator: str
    values: tuple[Any, ...]

    def holds(self, value: Any) -> bool:
        """Whether a value of the field meets it; no value meets none but `!=` and `NOT IN`."""
        if value is None:
            return self.operator in ("!=", "NOT IN")
        first = self.values[0]
        return bool(
            {
                "=": lambda: value == first,
                "!=": lambda: value != first,
                ">": lambda: value > first,
                ">=": lambda: value >= first,
                "<": lambda: value < first,
                "<=": lambda: value <= first,
                "IN": lambda: value in self.values,
                "NOT IN": lambda: value not in self.values,
                "BETWEEN": lambda: first <= value <= self.values[1],
            }[self.operator]()
        )


@dataclass(frozen=True, kw_only=True)
class Query:
    """A query that Google would answer."""

    fields: tuple[str, ...]
    resource: str
    where: tuple[Condition, ...]
    order: tuple[tuple[str, bool], ...]
    limit: int | None

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics among its fields."""
        return tuple(f for f in self.fields if f.startswith("metrics."))

    @property
    def segments(self) -> tuple[str, ...]:
        """The segments among its fields."""
        return tuple(f for f in self.fields if f.startswith("segments."))

    def is_asked(self, group: str) -> bool:
        """Whether fields of a resource are selected or filtered by."""
        return any(f.startswith(f"{group}.") for f in (*self.fields, *(c.field for c in self.where)))


def parse(text: str, *, today: date) -> Query:
    """Reads a query.

    Args:
        today: the day of the account's clock, which DURING counts from.

    Raises:
        QueryError: Google would not answer it.
    """
    tokens = _Tokens(text)
    tokens.expect("SELECT", "EXPECTED_SELECT", "Expected SELECT keyword at the start of the query.")
    fields = tokens.names()
    tokens.expect("FROM", "EXPECTED_FROM", "Expected FROM keyword.")
    resource = tokens.next()
    where = _conditions(tokens, today) if tokens.take("WHERE") else ()
    order = _orderings(tokens) if tokens.take("ORDER") else ()
    limit = _limit(tokens) if tokens.take("LIMIT") else None
    if tokens.take("PARAMETERS"):
        _parameters(tokens)
    if tokens.peek() is not None:
        raise QueryError("UNEXPECTED_INPUT", f"Error in query: unexpected input {tokens.peek()}.")
    query = Query(fields=fields, resource=resource, where=where, order=order, limit=limit)
    _check(query)
    return query


class _Tokens:
    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        self._at = 0
        position = 0
        text = text.strip()
        while position < len(text):
            found = _TOKEN.match(text, position)
            if not found:
                rest = text[position:].lstrip()
                if rest[:1] in ("'", '"'):
                    raise QueryError("STRING_NOT_TERMINATED", f"Error in query: string not terminated: {rest}.")
                raise QueryError("BAD_SYMBOL", f"Error in query: unexpected input {rest[:1]}.")
            self._tokens.append(found[1])
            position = found.end()

    def peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def next(self) -> str:
        token = self.peek()
        if token is None:
            raise QueryError("UNEXPECTED_END_OF_QUERY", "Error in query: unexpected end of query.")
        self._at += 1
        return token

    def take(self, keyword: str) -> bool:
        token = self.peek()
        if token is None or token.upper() != keyword:
            return False
        self._at += 1
        return True

    def expect(self, keyword: str, code: str, message: str) -> None:
        if not self.take(keyword):
            raise QueryError(code, f"Error in query: {message}")

    def names(self) -> tuple[str, ...]:
        found = [self.name()]
        while self.take(","):
            found.append(self.name())
        return tuple(found)

    def name(self) -> str:
        token = self.next()
        if token.upper() in _KEYWORDS or not re.fullmatch(r"[a-z][a-zA-Z0-9._]*", token):
            raise QueryError("BAD_FIELD_NAME", f"Error in query: unexpected input {token}.")
        if token not in catalog.FIELDS:
            raise QueryError("UNRECOGNIZED_FIELD", f"Unrecognized field in the query: '{token}'.")
        return token


def _conditions(tokens: _Tokens, today: date) -> tuple[Condition, ...]:
    found = [_condition(tokens, today)]
    while tokens.take("AND"):
        found.append(_condition(tokens, today))
    return tuple(found)


def _condition(tokens: _Tokens, today: date) -> Condition:
    field = tokens.name()
    operator = tokens.next().upper()
    if operator == "NOT":
        operator = f"NOT {tokens.next().upper()}"
    if operator in ("=", "!=", ">", ">=", "<", "<="):
        return Condition(field=field, operator=operator, values=(_value(field, tokens.next()),))
    if operator in ("IN", "NOT IN"):
        return Condition(field=field, operator=operator, values=_list(field, tokens))
    if operator == "BETWEEN":
        first = _value(field, tokens.next())
        tokens.expect("AND", "EXPECTED_AND", "Expected AND between values with BETWEEN operator.")
        return Condition(field=field, operator=operator, values=(first, _value(field, tokens.next())))
    if operator == "DURING":
        return _during(field, tokens.next(), today)
    raise QueryError("BAD_OPERATOR", f"Error in query: unexpected operator {operator}.")


def _list(field: str, tokens: _Tokens) -> tuple[Any, ...]:
    if not tokens.take("("):
        raise QueryError("EXPECTED_LIST", "The operator must be used with a list.")
    values = []
    while not tokens.take(")"):
        values.append(_value(field, tokens.next()))
        tokens.take(",")
    if not values:
        raise QueryError("PROHIBITED_EMPTY_LIST_IN_CONDITION", "A condition was found with an empty list.")
    return tuple(values)


def _during(field: str, function: str, today: date) -> Condition:
    if field != "segments.date" or function.upper() not in _DURING:
        raise QueryError("INVALID_VALUE_WITH_DURING_OPERATOR", f"Invalid value with DURING operator: {function}.")
    first, last = (str(today - timedelta(back)) for back in _DURING[function.upper()])
    return Condition(field=field, operator="BETWEEN", values=(first, last))


def _value(field: str, token: str) -> Any:
    kind = catalog.FIELDS[field]
    text = re.sub(r"\\(.)", r"\1", token[1:-1]) if token[0] in "'\"" else token
    if kind is catalog.Kind.DATE:
        return _date(text, is_quoted=token != text)
    if kind in (catalog.Kind.INT64, catalog.Kind.DOUBLE):
        try:
            return int(text) if kind is catalog.Kind.INT64 else float(text)
        except ValueError:
            raise QueryError("BAD_NUMBER", f"Error in query: invalid number {text}.") from None
    if kind is catalog.Kind.ENUM:
        if text not in catalog.ENUMS[field]:
            raise QueryError("BAD_ENUM_CONSTANT", f"Invalid enum value cannot be included in WHERE clause: '{text}'.")
        return text
    if kind is catalog.Kind.BOOL:
        return text.lower() == "true"
    if token == text:
        raise QueryError("INVALID_STRING_VALUE", f"Error in query: the value {text} must be a string in quotes.")
    return text


def _date(text: str, *, is_quoted: bool) -> str:
    try:
        if is_quoted and re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise QueryError("INVALID_DATE_FORMAT", f"Invalid date format: {text}. Expected 'YYYY-MM-DD'.")


def _orderings(tokens: _Tokens) -> tuple[tuple[str, bool], ...]:
    tokens.expect("BY", "EXPECTED_BY", "Expected BY after ORDER.")
    found = []
    while True:
        name = tokens.name()
        descending = tokens.take("DESC")
        if not descending:
            tokens.take("ASC")
        found.append((name, descending))
        if not tokens.take(","):
            return tuple(found)


def _limit(tokens: _Tokens) -> int:
    text = tokens.next()
    if not re.fullmatch(r"[1-9]\d*", text):
        raise QueryError("BAD_LIMIT_VALUE", f"Error in query: invalid limit {text}.")
    return int(text)


def _parameters(tokens: _Tokens) -> None:
    name = tokens.next()
    if name not in ("include_drafts", "omit_unselected_resource_names"):
        raise QueryError("BAD_PARAMETER_NAME", f"Unknown parameter {name}.")
    if not tokens.take("=") or tokens.next().lower() not in ("true", "false"):
        raise QueryError("BAD_PARAMETER_VALUE", f"Invalid value of the parameter {name}.")


def _check(query: Query) -> None:
    """What the clauses must have of each other."""
    reach = catalog.RESOURCES.get(query.resource)
    if reach is None:
        raise QueryError("BAD_RESOURCE_TYPE_IN_FROM_CLAUSE", f"Invalid resource type in FROM: '{query.resource}'.")
    for field in query.fields:
        if field.partition(".")[0] not in (*reach, "metrics", "segments"):
            raise QueryError(
                "PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE",
                f"Cannot select fields from the following resources: {field.partition('.')[0].upper()}, since the "
                f"resource is incompatible with the resource in FROM clause {query.resource.upper()}.",
            )
    for condition in query.where:
        if condition.field.partition(".")[0] not in (*reach, "metrics", "segments"):
            raise QueryError(
                "PROHIBITED_RESOURCE_TYPE_IN_WHERE_CLAUSE",
                f"Cannot filter by {condition.field}: it is incompatible with {query.resource.upper()}.",
            )
    missing = [name for name, _ in query.order if name not in query.fields]
    if missing:
        raise QueryError(
            "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE",
            f"The following field must be present in SELECT clause: '{missing[0]}'.",
        )
    if query.resource == "campaign_budget" and (query.metrics or query.segments):
        raise QueryError("PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE", "The demo keeps no figures by budget.")
    _check_dates(query)


def _check_dates(query: Query) -> None:
    dates = [c for c in query.where if c.field == "segments.date"]
    first = max((c.values[0] for c in dates if c.operator in (">=", ">", "=", "BETWEEN")), default=None)
    last = min((c.values[-1] for c in dates if c.operator in ("<=", "<", "=", "BETWEEN")), default=None)
    if query.segments and (first is None or last is None):
        raise QueryError(
            "EXPECTED_FILTERS_ON_DATE_RANGE",
            "The query has a core date segment in SELECT; WHERE must restrict it to a finite range of dates.",
        )
    if first is not None and last is not None and first > last:
        raise QueryError("DATE_RANGE_TOO_NARROW", "The start date is after the end date.")
