"""The shapes that all cleaning rules share: what a rule is told, what it gives back, and how single values are mended.

A rule is vectorised where values are already in order; Python sees only the distinct odd ones. The rules themselves
live in the modules of their families.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import polars as pl

from transforms.clean.formats import Evidence
from warehouse.contracts import Column

#: Reasons after which the value is gone; all others say how a value was mended.
REJECTIONS = frozenset(
    {
        "above_maximum",
        "ambiguous_currency",
        "below_minimum",
        "currency_conflict",
        "duplicate_key",
        "impossible_date",
        "impossible_time",
        "invalid_domain",
        "invalid_email",
        "invalid_json",
        "invalid_phone",
        "invalid_url",
        "missing",
        "not_a_boolean",
        "not_a_date",
        "not_a_number",
        "not_an_integer",
        "not_in_enum",
        "out_of_range_date",
        "too_large",
        "too_many_decimals",
        "unknown_country",
        "unknown_currency",
        "unknown_language",
    }
)

#: Some 260,000 years before and after 1970.
_DAYS_OF_CALENDAR = 95_000_000

#: What people and programs write where they know nothing.
PLACEHOLDERS = frozenset(
    {
        "#div/0!",
        "#n/a",
        "#name?",
        "#null!",
        "#num!",
        "#ref!",
        "#value!",
        "(null)",
        "-",
        "--",
        "---",
        ".",
        "..",
        "?",
        "??",
        "???",
        "\\n",
        "<null>",
        "k.a.",
        "n.a.",
        "n/a",
        "na",
        "nan",
        "n/d",
        "nil",
        "none",
        "null",
        "not available",
        "not provided",
        "not set",
        "nicht bekannt",
        "tbd",
        "unbekannt",
        "undefined",
        "unknown",
        "–",
        "—",
    }
)
_PLACEHOLDER_PATTERN = f"^(?i:{'|'.join(re.escape(p) for p in sorted(PLACEHOLDERS))})$"


@dataclass(frozen=True)
class CleanContext:
    """What the company's settings say about values that do not say it themselves.

    Attributes:
        country: ISO 3166-1 alpha-2; decides phone numbers without a prefix, and ambiguous numbers and dates.
        base_currency: ISO 4217; decides symbols such as $ that several currencies share.
        timezone: IANA name; the zone of times that name none.
    """

    country: str
    base_currency: str
    timezone: str


@dataclass(frozen=True)
class Job:
    """One column to clean: its contract, the evidence on its format, and the row's countries for phones."""

    column: Column
    context: CleanContext
    evidence: Evidence = field(default_factory=Evidence)
    countries: pl.Series | None = None


class Mended(NamedTuple):
    """What became of one value. `reason` None means that nothing but the spelling of the same value changed."""

    value: str | None
    reason: str | None = None
    aside: str | None = None


@dataclass(frozen=True)
class Outcome:
    """A cleaned column: `reasons` and `asides` (currency found beside an amount) are null where there is nothing."""

    values: pl.Series
    reasons: pl.Series | None = None
    asides: pl.Series | None = None


class Work:
    """A text column under way; each step changes values and notes the reason."""

    def __init__(self, values: pl.Series) -> None:
        self.values = values
        self.reasons: pl.Series | None = None
        self.asides: pl.Series | None = None

    def swap(self, new: pl.Series, reason: str | None) -> None:
        """Take new values; where they differ, `reason` says why."""
        if reason is not None:
            self.note((new.ne_missing(self.values)).fill_null(False), reason)
        self.values = new

    def drop(self, where: pl.Series, reason: str) -> None:
        """Null the values marked by a mask."""
        marked = where.fill_null(False)
        if not marked.any():
            return
        self.note(marked, reason)
        self.values = pl.select(pl.when(~marked).then(self.values)).to_series()

    def mend(self, odd: pl.Series, by_value: Callable[[str], Mended]) -> None:
        """Send the distinct values of the marked rows through a function."""
        positions = odd.fill_null(False).arg_true()
        if positions.is_empty():
            return
        told = self.values.gather(positions)
        distinct = told.unique()
        mended = [by_value(value) for value in distinct]
        at = told.replace_strict(distinct, pl.arange(0, len(distinct), eager=True), return_dtype=pl.UInt32)
        self.values = put(self.values, positions, pl.Series([m.value for m in mended], dtype=pl.String).gather(at))
        reasons = pl.Series([m.reason for m in mended], dtype=pl.String)
        if reasons.null_count() < len(reasons):
            new = reasons.gather(at)
            old = self.told()
            self.reasons = put(old, positions, new.zip_with(new.is_not_null(), old.gather(positions)))
        asides = pl.Series([m.aside for m in mended], dtype=pl.String)
        if asides.null_count() < len(asides):
            known = _nothing(len(self.values)) if self.asides is None else self.asides
            self.asides = put(known, positions, asides.gather(at))

    def placeholders(self) -> None:
        """Null what only says that nothing is known."""
        self.drop(self.values.str.contains(_PLACEHOLDER_PATTERN), "placeholder")

    def outcome(self, values: pl.Series | None = None) -> Outcome:
        """The finished column; `values` where the type is no longer text."""
        return Outcome(self.values if values is None else values, self.reasons, self.asides)

    def note(self, marked: pl.Series, reason: str) -> None:
        """Say why the marked rows changed; a later reason replaces an earlier one."""
        if marked.any():
            self.reasons = pl.select(pl.when(marked).then(pl.lit(reason)).otherwise(self.told())).to_series()

    def told(self) -> pl.Series:
        """The reasons so far, one per row."""
        return _nothing(len(self.values)) if self.reasons is None else self.reasons


def start(values: pl.Series) -> Work:
    """Take up a text column: ends trimmed, blanks null. A blank is no issue, since it says nothing."""
    trimmed = values.str.strip_chars()
    blank = trimmed.str.len_bytes() == 0
    if blank.any():
        trimmed = pl.select(pl.when(~blank).then(trimmed)).to_series()
    return Work(trimmed)


def on_odd(values: pl.Series, usual: str, rule: Callable[[pl.Series], Work]) -> Work:
    """Run a text rule on the rows that do not match the pattern of values already in order; the others are as they are.

    The pattern must not admit a value that the rule would change, other than placeholders.
    """
    text = as_text(values)
    work = Work(text)
    odd = (~text.str.contains(usual)).fill_null(False).arg_true()
    work.placeholders()
    if odd.is_empty():
        return work
    part = rule(text.gather(odd))
    work.values = put(work.values, odd, part.values)
    if part.reasons is not None:
        work.reasons = put(work.told(), odd, part.reasons)
    return work


def plain_digits(text: str) -> str | None:
    """Text in its plainest form (NFKC) with the digits of every script as 0 to 9.

    None where a numeral would turn into other digits on the way, as 10² into 102 or ⑴ into (1).
    """
    if text.isascii():
        return text
    if any(c.isnumeric() and not c.isdecimal() for c in text):
        return None
    plain = unicodedata.normalize("NFKC", text)
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in plain)


def in_calendar(values: pl.Series) -> pl.Series:
    """Which dates or times polars can read; it panics on those beyond, such as the infinity of databases."""
    per_day = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}.get(
        getattr(values.dtype, "time_unit", ""), 1
    )
    most = min(_DAYS_OF_CALENDAR * per_day, 2**63 - 1)
    return values.to_physical().is_between(-most, most)


def as_text(values: pl.Series) -> pl.Series:
    """Any column as text, the way a person would write it: whole floats without `.0`, nested values as JSON.

    Not-a-number is nothing. Bytes that are no UTF-8 are written as \\xff.
    """
    kind = values.dtype
    if kind == pl.String:
        return values
    if kind.is_float():
        whole = (values == values.round(0)) & (values.abs() < 2**53)
        number = pl.when(whole).then(values.cast(pl.Int64, strict=False).cast(pl.String))
        chosen = pl.when(values.is_not_nan()).then(number.otherwise(values.cast(pl.String)))
        return pl.select(chosen).to_series().alias(values.name)
    if kind == pl.Date or isinstance(kind, pl.Datetime):
        near = in_calendar(values)
        beyond = pl.when(near.not_()).then(
            pl.when(values.to_physical() > 0).then(pl.lit("infinity")).otherwise(pl.lit("-infinity"))
        )
        known = pl.select(pl.when(near).then(values)).to_series().cast(pl.String)
        return pl.select(pl.coalesce(known, beyond)).to_series().alias(values.name)
    if kind == pl.Binary:
        texts = [None if v is None else v.decode(errors="backslashreplace") for v in values]
        return pl.Series(values.name, texts, dtype=pl.String)
    if kind == pl.Time or isinstance(kind, pl.Duration):
        return values.dt.to_string("iso")
    if kind.is_nested():
        wrapped = values.to_frame("v").select(pl.struct("v").struct.json_encode().str.slice(5)).to_series()
        text = wrapped.str.head(-1)
        return pl.select(pl.when(values.is_not_null()).then(text)).to_series().alias(values.name)
    if kind == pl.Null or kind == pl.Object:
        return pl.Series(values.name, [None if v is None else str(v) for v in values], dtype=pl.String)
    return values.cast(pl.String)


def _nothing(length: int) -> pl.Series:
    return pl.repeat(None, length, dtype=pl.String, eager=True)


def put(target: pl.Series, positions: pl.Series, new: pl.Series) -> pl.Series:
    """The series with new values at some positions."""
    if len(positions) == len(target):
        return new
    return target.clone().scatter(positions, new)
