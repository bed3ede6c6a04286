"""Evidence for formats that a single value leaves open: is 1.234 a thousand or one, is 03/04 in March or in April.

The evidence is counted over a whole column and adds up over batches, so that the answer never depends on where a
batch ends. Reading the values themselves is the business of numbers.py and times.py.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import polars as pl

from warehouse.contracts import SYSTEM_COLUMNS, Column, Contract

NUMBERS = frozenset({"money", "quantity", "rate", "percent", "integer"})
TIMES = frozenset({"date", "timestamp"})

_AFFIX = r"[^\d.,]*"
_GROUPED = r"\d{1,3}(?:G\d{3})+D\d+|\d{1,3}(?:G\d{3}){2,}"
_FRACTION = r"\d*D(?:\d{1,2}|\d{4,})|0+D\d{3}|\d{4,}D\d{3}"


def _decimal_pattern(decimal: str, group: str) -> str:
    body = f"{_GROUPED}|{_FRACTION}".replace("G", f"[{group}]").replace("D", f"[{decimal}]")
    return f"^{_AFFIX}(?:{body}){_AFFIX}$"


_DOT = _decimal_pattern(".", ",")
_COMMA = _decimal_pattern(",", ".")
_GROUP_DOT = r"^[^\d.,]*[1-9]\d{0,2}\.(?:[1-9]\d\d|\d[1-9]\d|\d\d[1-9])[^\d.,]*$"
_GROUP_COMMA = _GROUP_DOT.replace(r"\.", ",")
_OVER_12 = r"(?:1[3-9]|2\d|3[01])"
_DAY_FIRST = rf"^\s*{_OVER_12}[/-]\d{{1,2}}[/-]\d{{2,4}}(?:\D|$)"
_MONTH_FIRST = rf"^\s*\d{{1,2}}[/-]{_OVER_12}[/-]\d{{2,4}}(?:\D|$)"


@dataclass(frozen=True)
class Evidence:
    """How many values of a column can only be read one way."""

    dot: int = 0
    comma: int = 0
    day_first: int = 0
    month_first: int = 0

    def __add__(self, other: Evidence) -> Evidence:
        return Evidence(
            self.dot + other.dot,
            self.comma + other.comma,
            self.day_first + other.day_first,
            self.month_first + other.month_first,
        )


class Choice(NamedTuple):
    """A format chosen for ambiguous values; `certain` if the column's evidence all points one way."""

    name: str
    certain: bool


@dataclass(frozen=True)
class Formats:
    """Evidence by column; add the parts of a table to get the whole."""

    columns: Mapping[str, Evidence] = field(default_factory=dict)

    def of(self, column: str) -> Evidence:
        """The column's evidence, none if it was not looked at."""
        return self.columns.get(column, Evidence())

    def __add__(self, other: Formats) -> Formats:
        names = {*self.columns, *other.columns}
        return Formats({name: self.of(name) + other.of(name) for name in names})


def format_columns(contract: Contract) -> tuple[Column, ...]:
    """The columns that can hold ambiguous values."""
    return tuple(c for c in (*contract.columns, *SYSTEM_COLUMNS[:1]) if c.semantic_type in NUMBERS | TIMES)


def sniff_formats(frames: pl.DataFrame | Iterable[pl.DataFrame], contract: Contract) -> Formats:
    """Count the evidence in all text columns of a table, given whole or in parts."""
    parts = [frames] if isinstance(frames, pl.DataFrame) else frames
    return sum((_sniff(part, contract) for part in parts), Formats())


def decimal_separator(evidence: Evidence, country: str) -> Choice:
    """`dot` or `comma`: by the column's majority, else as the country writes numbers."""
    return _choose("dot", evidence.dot, "comma", evidence.comma, _country_decimal(country))


def date_order(evidence: Evidence, country: str) -> Choice:
    """`day` or `month`, whichever comes first: by the column's majority, else as the country writes dates."""
    return _choose("day", evidence.day_first, "month", evidence.month_first, _country_order(country))


def _choose(
    one: Literal["dot", "day"], ones: int, other: Literal["comma", "month"], others: int, otherwise: str
) -> Choice:
    if ones == others:
        return Choice(otherwise, certain=False)
    return Choice(one if ones > others else other, certain=min(ones, others) == 0)


def _sniff(frame: pl.DataFrame, contract: Contract) -> Formats:
    found = {}
    for column in format_columns(contract):
        if column.name in frame.columns and frame[column.name].dtype == pl.String:
            sniffer = _sniff_times if column.semantic_type in TIMES else _sniff_numbers
            found[column.name] = sniffer(frame[column.name], column.semantic_type == "integer")
    return Formats(found)


def _sniff_numbers(values: pl.Series, whole: bool) -> Evidence:
    """In a column of whole numbers, 1.234 itself tells that the dot groups thousands."""
    marked = values.filter(values.str.contains("[.,]").fill_null(False))
    if marked.is_empty():
        return Evidence()
    dot, comma = _count(marked, _DOT), _count(marked, _COMMA)
    if whole:
        dot += _count(marked, _GROUP_COMMA)
        comma += _count(marked, _GROUP_DOT)
    return Evidence(dot=dot, comma=comma)


def _sniff_times(values: pl.Series, _whole: bool) -> Evidence:
    marked = values.filter(values.str.contains(r"^\s*\d{1,2}[/-]").fill_null(False))
    if marked.is_empty():
        return Evidence()
    return Evidence(day_first=_count(marked, _DAY_FIRST), month_first=_count(marked, _MONTH_FIRST))


def _count(values: pl.Series, pattern: str) -> int:
    return int(values.str.contains(pattern).sum() or 0)


@functools.cache
def _country_decimal(country: str) -> str:
    from babel import Locale, UnknownLocaleError

    try:
        symbols = Locale.parse(f"und_{country}").number_symbols["latn"]
    except (UnknownLocaleError, ValueError, KeyError):
        return "dot"
    return "comma" if symbols["decimal"] == "," else "dot"


@functools.cache
def _country_order(country: str) -> str:
    from babel import Locale, UnknownLocaleError

    try:
        pattern = Locale.parse(f"und_{country}").date_formats["short"].pattern
    except (UnknownLocaleError, ValueError, KeyError):
        return "day"
    day, month = pattern.find("d"), pattern.lower().find("m")
    # Where the year leads (Sweden, Japan), a date with the year last was not written by the locale: day first.
    return "month" if month < day and not pattern.startswith("y") else "day"
