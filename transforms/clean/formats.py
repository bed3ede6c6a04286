"""Evidence for formats that a single value leaves open: is 1.234 a thousand or one, is 03/04 in March or in April.

Each row is marked with what its values tell. The marks are counted over a whole column, so that the answer never
depends on where a batch ends, and rows can come and go. Reading the values themselves is the business of numbers.py
and times.py.
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

    def choices(self, contract: Contract, country: str) -> dict[str, Choice]:
        """How each column's ambiguous values are read."""
        return {
            c.name: (date_order if c.semantic_type in TIMES else decimal_separator)(self.of(c.name), country)
            for c in format_columns(contract)
        }


def format_columns(contract: Contract) -> tuple[Column, ...]:
    """The columns that can hold ambiguous values."""
    return tuple(c for c in (*contract.columns, *SYSTEM_COLUMNS[:1]) if c.semantic_type in NUMBERS | TIMES)


def sniff_formats(frame: pl.DataFrame, contract: Contract) -> Formats:
    """The evidence in all text columns of a table."""
    marks = format_marks(frame, contract)
    return tally(marks.value_counts(name="count").iter_rows(), contract)


def format_marks(frame: pl.DataFrame, contract: Contract) -> pl.Series:
    """What each row is evidence of, UInt64: two bits for each of `format_columns`, in their order."""
    bits = []
    for place, column in enumerate(format_columns(contract)):
        if column.name in frame.columns and frame[column.name].dtype == pl.String:
            for bit, tells in enumerate(_tells(frame[column.name], column.semantic_type)):
                bits.append(tells.fill_null(False).cast(pl.UInt64) * (1 << (2 * place + bit)))
    return sum(bits, pl.repeat(0, frame.height, dtype=pl.UInt64, eager=True))


def tally(marks: Iterable[tuple[int, int]], contract: Contract) -> Formats:
    """The evidence of rows, given as (mark of `format_marks`, how many rows have it)."""
    counts = list(marks)
    found = {}
    for place, column in enumerate(format_columns(contract)):
        one, other = (sum(n for mark, n in counts if mark >> (2 * place + bit) & 1) for bit in (0, 1))
        is_time = column.semantic_type in TIMES
        found[column.name] = Evidence(0, 0, one, other) if is_time else Evidence(one, other)
    return Formats(found)


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


def _tells(values: pl.Series, kind: str) -> list[pl.Series]:
    """Which values can only be read one way, and which only the other; nothing where no value can be read two ways."""
    pattern = r"^\s*\d{1,2}[/-]" if kind in TIMES else "[.,]"
    if not values.str.contains(pattern).any():
        return []
    if kind in TIMES:
        return [values.str.contains(_DAY_FIRST), values.str.contains(_MONTH_FIRST)]
    dot, comma = values.str.contains(_DOT), values.str.contains(_COMMA)
    if kind == "integer":
        # In a column of whole numbers, 1.234 itself tells that the dot groups thousands.
        return [dot | values.str.contains(_GROUP_COMMA), comma | values.str.contains(_GROUP_DOT)]
    return [dot, comma]


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
