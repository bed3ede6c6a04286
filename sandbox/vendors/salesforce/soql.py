"""The part of Salesforce's query language that the org understands: one object, conditions, order, limit, counts.

Refuses what Salesforce would refuse, in its words (see
https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/), and also what is left out here: related
objects, GROUP BY, date literals such as LAST_N_DAYS. Where records come from belongs in `answers`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.vendors.salesforce.objects import NUMBERS, OBJECTS, TEXTS, Field, stamp

Row = Mapping[str, Any]
Condition = Callable[[Row], bool]
MOST_OFFSET = 2000
MOST_OF_ALL_FIELDS = 200
_TOKEN = re.compile(
    r"\s*(?:(?P<time>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2}))|(?P<date>\d{4}-\d{2}-\d{2})"
    r"|(?P<text>'(?:[^'\\]|\\.)*')|(?P<number>[-+]?\d+(?:\.\d+)?)|(?P<word>[A-Za-z_][A-Za-z0-9_.:]*)"
    r"|(?P<sign><=|>=|!=|<>|=|<|>|\(|\)|,))"
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a is not None and a < b,
    "<=": lambda a, b: a is not None and a <= b,
    ">": lambda a, b: a is not None and a > b,
    ">=": lambda a, b: a is not None and a >= b,
}
_LITERALS = {"datetime": "time", "date": "date", **dict.fromkeys(NUMBERS, "number"), **dict.fromkeys(TEXTS, "text")}


class QueryError(Exception):
    """A query that is refused, with Salesforce's code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """COUNT, MIN or MAX of a field."""

    function: str
    field: str
    alias: str


@dataclass(kw_only=True)
class Query:
    """A query that was understood; `counts_only` is SELECT COUNT()."""

    object: str
    fields: list[str] = field(default_factory=list)
    aggregates: list[Aggregate] = field(default_factory=list)
    counts_only: bool = False
    where: Condition | None = None
    order: list[tuple[str, bool, bool]] = field(default_factory=list)
    limit: int | None = None
    offset: int = 0

    def run(self, rows: Sequence[Row]) -> list[Row]:
        """The rows that fit, in order, within limit and offset; in the order of ids where none is asked for."""
        found = [row for row in rows if self.where is None or self.where(row)]
        for name, descending, nulls_last in reversed(self.order):
            present = [row for row in found if row[name] is not None]
            absent = [row for row in found if row[name] is None]
            present.sort(key=lambda row: row[name], reverse=descending)
            found = present + absent if nulls_last else absent + present
        end = None if self.limit is None else self.offset + self.limit
        return found[self.offset : end]


def parse(text: str, fields_of: Callable[[str], Mapping[str, Field]], *, may_see: Callable[[str], bool]) -> Query:
    """Reads a query.

    Args:
        fields_of: the fields of an object.
        may_see: whether the user may read an object.

    Raises:
        QueryError: as Salesforce would refuse it.
    """
    return _Parser(text, fields_of, may_see).query()


def instant(text: str) -> datetime:
    """A time literal; the zone may be written with or without a colon."""
    return datetime.fromisoformat(text).astimezone(UTC)


class _Parser:
    def __init__(
        self, text: str, fields_of: Callable[[str], Mapping[str, Field]], may_see: Callable[[str], bool]
    ) -> None:
        self._fields_of, self._may_see = fields_of, may_see
        self._tokens = _tokens(text)
        self._at = 0
        self._fields: Mapping[str, Field] = {}
        self._object = ""

    def query(self) -> Query:
        self._word("SELECT")
        selected = self._list(self._selected)
        self._word("FROM")
        self._object = self._name_of_object()
        self._fields = self._fields_of(self._object)
        query = Query(object=self._object)
        self._take_selected(query, selected)
        if self._is("WHERE"):
            query.where = self._any()
        if self._is("ORDER"):
            self._word("BY")
            query.order = self._list(self._ordered)
        query.limit = self._count("LIMIT")
        query.offset = self._count("OFFSET") or 0
        if self._at < len(self._tokens):
            raise QueryError("MALFORMED_QUERY", f"unexpected token: '{self._tokens[self._at][1]}'")
        self._check(query, selected)
        return query

    def _check(self, query: Query, selected: list[tuple[str, str]]) -> None:
        if query.offset > MOST_OFFSET:
            raise QueryError("NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {MOST_OFFSET}")
        wide = any(function == "FIELDS" and name.upper() != "STANDARD" for function, name in selected)
        if wide and (query.limit is None or query.limit > MOST_OF_ALL_FIELDS):
            raise QueryError("MALFORMED_QUERY", "The SOQL FIELDS function must have a LIMIT of at most 200")

    def _selected(self) -> tuple[str, str]:
        name = self._next("word")
        if not self._sign("("):
            return "", name
        inner = "" if self._peek() == ("sign", ")") else self._next("word")
        self._expect(")")
        return name.upper(), inner

    def _take_selected(self, query: Query, selected: list[tuple[str, str]]) -> None:
        if selected == [("COUNT", "")]:
            query.counts_only = True
            return
        for function, name in selected:
            if function in ("COUNT", "MIN", "MAX") and name:
                alias = f"expr{len(query.aggregates)}"
                query.aggregates.append(Aggregate(function=function, field=self._field(name).name, alias=alias))
            elif function == "FIELDS":
                query.fields += self._expanded(name)
            elif function:
                raise QueryError("MALFORMED_QUERY", f"unexpected token: '{function}('")
            else:
                query.fields.append(self._field(name).name)
        if query.aggregates and query.fields:
            raise QueryError("MALFORMED_QUERY", f"Field must be grouped or aggregated: {query.fields[0]}")
        twice = next((name for name in query.fields if query.fields.count(name) > 1), None)
        if twice:
            raise QueryError("MALFORMED_QUERY", f"duplicate field selected: {twice}")

    def _expanded(self, name: str) -> list[str]:
        wanted = {"ALL": (True, False), "STANDARD": (False,), "CUSTOM": (True,)}.get(name.upper())
        if wanted is None:
            raise QueryError("MALFORMED_QUERY", f"unexpected token: '{name}'")
        return [field.name for field in self._fields.values() if field.custom in wanted]

    def _name_of_object(self) -> str:
        name = self._next("word")
        found = next((known for known in OBJECTS if known.lower() == name.lower()), None)
        if found is None or not self._may_see(found):
            raise QueryError(
                "INVALID_TYPE",
                f"sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to "
                "append the '__c' after the entity name. Please reference your WSDL or the describe call for the "
                "appropriate names.",
            )
        return found

    def _field(self, name: str) -> Field:
        found = next((f for known, f in self._fields.items() if known.lower() == name.lower()), None)
        if found is None:
            raise QueryError(
                "INVALID_FIELD",
                f"No such column '{name}' on entity '{self._object}'. If you are attempting to use a custom field, be "
                "sure to append the '__c' after the custom field name. Please reference your WSDL or the describe "
                "call for the appropriate names.",
            )
        return found

    def _any(self) -> Condition:
        parts = [self._all()]
        while self._is("OR"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda row: any(part(row) for part in parts)

    def _all(self) -> Condition:
        parts = [self._not()]
        while self._is("AND"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) for part in parts)

    def _not(self) -> Condition:
        if self._is("NOT"):
            inner = self._not()
            return lambda row: not inner(row)
        if self._sign("("):
            inner = self._any()
            self._expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Condition:
        asked = self._field(self._next("word"))
        if asked.kind in ("address", "textarea"):
            raise QueryError("INVALID_FIELD", f"field '{asked.name}' can not be filtered in a query call")
        name, fold = asked.name, _short if asked.kind in ("id", "reference") else _folded
        if self._is("LIKE"):
            pattern = _like(str(self._value(asked)))
            return lambda row: bool(pattern.fullmatch(str(row[name] or "")))
        negated = self._is("NOT")
        if negated or self._peek_word("IN"):
            self._word("IN")
            self._expect("(")
            values = {fold(value) for value in self._list(lambda: self._value(asked))}
            self._expect(")")
            return lambda row: (fold(row[name]) in values) != negated
        compare, value = _COMPARE[self._operator()], fold(self._value(asked))
        return lambda row: compare(fold(row[name]), value)

    def _operator(self) -> str:
        kind, text = self._peek()
        if kind != "sign" or text not in _COMPARE:
            raise QueryError("MALFORMED_QUERY", f"unexpected token: '{text}'")
        self._at += 1
        return text

    def _value(self, asked: Field) -> Any:
        kind, text = self._peek()
        self._at += 1
        if kind == "word" and text.lower() == "null":
            return None
        if asked.kind == "boolean":
            if kind == "word" and text.lower() in ("true", "false"):
                return text.lower() == "true"
        elif kind == _LITERALS[asked.kind]:
            return _literal(kind, text)
        quoted = "should not" if kind == "text" else "should"
        name = {"datetime": "dateTime", "int": "xsd:int"}.get(asked.kind, asked.kind)
        raise QueryError(
            "INVALID_FIELD",
            f"value of filter criterion for field '{asked.name}' must be of type {name} and {quoted} be enclosed in "
            "quotes",
        )

    def _ordered(self) -> tuple[str, bool, bool]:
        asked = self._field(self._next("word"))
        if asked.kind in ("address", "textarea"):
            raise QueryError("INVALID_FIELD", f"field '{asked.name}' can not be sorted in a query call")
        descending = self._is("DESC")
        if not descending:
            self._is("ASC")
        nulls_last = False
        if self._is("NULLS"):
            nulls_last = self._is("LAST")
            if not nulls_last:
                self._word("FIRST")
        return asked.name, descending, nulls_last

    def _count(self, word: str) -> int | None:
        return int(self._next("number")) if self._is(word) else None

    def _list(self, item: Callable[[], Any]) -> list[Any]:
        items = [item()]
        while self._sign(","):
            items.append(item())
        return items

    def _peek(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise QueryError("MALFORMED_QUERY", "unexpected token: '<EOF>'")
        return self._tokens[self._at]

    def _peek_word(self, word: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at][1].upper() == word

    def _is(self, word: str) -> bool:
        found = self._peek_word(word) and self._tokens[self._at][0] == "word"
        self._at += found
        return found

    def _sign(self, sign: str) -> bool:
        found = self._at < len(self._tokens) and self._tokens[self._at] == ("sign", sign)
        self._at += found
        return found

    def _next(self, kind: str) -> str:
        found, text = self._peek()
        if found != kind:
            raise QueryError("MALFORMED_QUERY", f"unexpected token: '{text}'")
        self._at += 1
        return text

    def _word(self, word: str) -> None:
        if not self._is(word):
            raise QueryError("MALFORMED_QUERY", f"unexpected token: '{self._peek()[1]}'")

    def _expect(self, sign: str) -> None:
        if not self._sign(sign):
            raise QueryError("MALFORMED_QUERY", f"unexpected token: '{self._peek()[1]}'")


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise QueryError("MALFORMED_QUERY", f"unexpected token: '{text[at:].strip()[:1]}'")
        found.append((str(match.lastgroup), match.group(str(match.lastgroup))))
        at = match.end()
    return found


def _literal(kind: str, text: str) -> Any:
    if kind == "number":
        return float(text)
    if kind == "text":
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return stamp(round(instant(text).timestamp() * 1000)) if kind == "time" else text


def _folded(value: Any) -> Any:
    """Text compares without regard to case."""
    return value.casefold() if isinstance(value, str) else value


def _short(value: Any) -> Any:
    """Ids compare by their first fifteen characters, which tell upper from lower case."""
    return value[:15] if isinstance(value, str) else value


def _like(pattern: str) -> re.Pattern[str]:
    parts = {"%": ".*", "_": "."}
    return re.compile("".join(parts.get(c, re.escape(c)) for c in pattern), re.IGNORECASE | re.DOTALL)
