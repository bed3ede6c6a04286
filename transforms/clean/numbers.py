"""Amounts, quantities, rates, percentages and whole numbers, exact from text to DECIMAL without floats on the way.

A value that two conventions read differently (1.234) is decided by the rest of its column, else by the country, and
then counted as `ambiguous_number`. Which currency an amount is in is settled in batch.py.
"""

from __future__ import annotations

import functools
import re
from decimal import Context, Decimal, InvalidOperation
from math import isfinite

import polars as pl

from transforms.clean.base import PLACEHOLDERS, Job, Mended, Outcome, Work, as_text, plain_digits, put, start
from transforms.clean.codes import currency_of_mark
from transforms.clean.formats import Choice, decimal_separator

_AMBIGUOUS = r"^-?[1-9][0-9]{0,2}[.][0-9]{3}$"
_SPACED = re.compile(r"\d{1,3}(?:[ ']\d{3})+(?:[.,]\d+)?")
_DOT_DECIMAL = re.compile(r"(?:\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})+,\d{3})\.\d+")
_COMMA_DECIMAL = re.compile(r"\d{1,3}(?:\.\d{3})+,\d+")
_GROUPS_ONLY = re.compile(r"\d{1,3}(?:(?:\.\d{3}){2,}|(?:,\d{3}){2,})|\d{1,2}(?:,\d{2})+,\d{3}")
_ONE_MARK = re.compile(r"(\d*)[.,](\d*)")
_OPEN = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
_SCIENTIFIC = re.compile(r"\d+(?:\.\d+)?[eE][+-]?\d{1,3}")
_AFFIXES = re.compile(r"([^\d.,'()+\- ]*\.?)[ ]*(.*?)[ ]*([^\d.,'()+\- ]*\.?)", re.DOTALL)
#: What needs no second look: grouped with a mark of decimals, or a fraction that is no group of three.
#: In ASCII digits, which alone a cast to DECIMAL takes.
_BULK_COMMA, _BULK_DOT = (
    pattern.replace("D", "[0-9]")
    for pattern in (
        r"^-?(?:D{1,3}(?:\.D{3})+,D+|D{1,3}(?:[ ']D{3})+,D+|D+,(?:D{1,2}|D{4,}))$",
        r"^-?(?:D{1,3}(?:,D{3})+\.D+|D{1,3}(?:[ ']D{3})+\.D+|D+\.(?:D{1,2}|D{4,})|D+)$",
    )
)
_MARK_PATTERN = r"(€|£|\$|[A-Z]{3})"
_MARK_BEFORE = rf"^(-?){_MARK_PATTERN} ?"
_MARK_AFTER = rf" ?{_MARK_PATTERN}$"
_EXACT = Context(prec=100)
_NO_CENTS = re.compile(r"[.,](?:-{1,2}|–|—)$")


def decimal_rule(values: pl.Series, job: Job) -> Outcome:
    """A column for DECIMAL(p,s); what does not fit, or has more decimals than s, is rejected and never rounded."""
    precision, scale = decimal_shape(job.column.duckdb_type)
    work = _to_plain(values, job, digits=precision - scale, scale=scale)
    return work.outcome(work.values.cast(pl.Decimal(precision, scale), strict=False))


def integer_rule(values: pl.Series, job: Job) -> Outcome:
    """A column for BIGINT."""
    if values.dtype.is_integer() and values.dtype not in (pl.UInt64, pl.Int128, pl.UInt128):
        return Outcome(values.cast(pl.Int64))
    work = _to_plain(values, job, digits=18, scale=0)
    return work.outcome(work.values.str.replace(r"\.0+$", "").cast(pl.Int64, strict=False))


def decimal_shape(duckdb_type: str) -> tuple[int, int]:
    """Precision and scale of DECIMAL(p,s)."""
    found = re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", duckdb_type)
    if not found:
        raise ValueError(f"{duckdb_type} is no DECIMAL(p,s), which money, quantity, rate and percent columns need.")
    return int(found[1]), int(found[2])


def _to_plain(values: pl.Series, job: Job, *, digits: int, scale: int) -> Work:
    """Text such as -1234.5 that a cast reads exactly, or null."""
    typed, is_float = values.dtype.is_numeric(), values.dtype.is_float()
    work = start(as_text(values))
    fraction = rf"(?:\.[0-9]{{1,{scale}}}0*)?" if scale else r"(?:\.0+)?"
    odd = ~work.values.str.contains(rf"^-?[0-9]{{1,{digits}}}{fraction}$")
    choice = Choice("dot", certain=True) if typed else decimal_separator(job.evidence, job.context.country)
    if choice != Choice("dot", certain=True):
        odd = odd | work.values.str.contains(_AMBIGUOUS)
    kind = job.column.semantic_type
    base = job.context.base_currency
    odd = _in_bulk(work, odd, digits, scale, base if kind == "money" else None)
    work.mend(odd, lambda text: read_number(text, choice, digits, scale, kind, base, is_float))
    return work


def _in_bulk(work: Work, odd: pl.Series, digits: int, scale: int, base_currency: str | None) -> pl.Series:
    """Settle the usual spellings that leave no doubt, such as 1.234,56 €; gives what is still odd."""
    rows = odd.fill_null(False).arg_true()
    if rows.is_empty():
        return odd
    text = work.values.gather(rows)
    mark = text.str.extract(_MARK_PATTERN) if base_currency else None
    bare = text
    if mark is not None:
        leads = text.str.contains(_MARK_BEFORE)
        before, after = text.str.replace(_MARK_BEFORE, "${1}"), text.str.replace(_MARK_AFTER, "")
        bare = pl.select(pl.when(leads).then(before).otherwise(after)).to_series()
    comma, dot = bare.str.contains(_BULK_COMMA), bare.str.contains(_BULK_DOT)
    digits_only = bare.str.replace_all(r"[.'\s]", "").str.replace(",", ".", literal=True)
    plain = pl.when(comma).then(digits_only).when(dot).then(bare.str.replace_all(r"[,'\s]", ""))
    settled = pl.select(plain).to_series()
    fraction = rf"(?:\.[0-9]{{1,{scale}}})?" if scale else ""
    fits = settled.str.contains(rf"^-?[0-9]{{1,{digits}}}{fraction}$").fill_null(False)
    if mark is not None and base_currency:
        known = {m: currency_of_mark(m, base_currency) for m in mark.unique().drop_nulls()}
        asides = mark.replace_strict(list(known), list(known.values()), return_dtype=pl.String)
        fits = fits & (mark.is_null() | asides.is_not_null())
        work.asides = put(work.told().clear().extend_constant(None, len(odd)), rows.filter(fits), asides.filter(fits))
    done = rows.filter(fits)
    work.values = put(work.values, done, settled.filter(fits))
    work.reasons = put(work.told(), done, pl.repeat("number_format", len(done), eager=True))
    return put(odd, done, pl.repeat(False, len(done), eager=True))


@functools.lru_cache(maxsize=50_000)
def read_number(
    text: str, choice: Choice, digits: int, scale: int, kind: str, base_currency: str, is_float: bool = False
) -> Mended:
    """One odd value as plain text with a dot, with the currency written beside it in `aside`.

    Args:
        choice: how to read values such as 1.234.
        digits: most digits before the decimal mark; scale: most after it.
        kind: the semantic type; only money may carry a currency, only percent a percent sign.
    """
    if text.lower() in PLACEHOLDERS:
        return Mended(None, "placeholder")
    plain = plain_digits(text.translate(_TRANSLATE))
    if plain is None:
        return Mended(None, "not_a_number")
    sign, body, aside = _taken_apart(plain.strip(), kind, base_currency)
    if body is None:
        return Mended(None, "ambiguous_currency" if aside else "not_a_number")
    number = _read_body(body, choice)
    if number is None and kind == "integer" and _OPEN.fullmatch(body):
        number = body
    if number is None:
        return Mended(None, "not_a_number")
    value = Decimal(sign + number)
    reason = _reason(text, value, body, choice)
    return _fitted(value, reason, aside, digits=digits, scale=scale, whole=kind == "integer", is_float=is_float)


_TRANSLATE = str.maketrans({"−": "-", "‒": "-", "\u2019": "'", "`": "'", "´": "'", "\u2018": "'", "\u202f": " "})


def _taken_apart(plain: str, kind: str, base_currency: str) -> tuple[str, str | None, str | None]:
    """Sign, bare number and currency; a number of None if something stands there that does not belong."""
    signs = ""
    if plain.startswith("(") and plain.endswith(")"):
        plain, signs = plain[1:-1].strip(), "-"
    if plain.startswith(("-", "+")):
        signs += plain[0]
        plain = plain[1:].strip()
    found = _AFFIXES.fullmatch(plain)
    if not found:
        return "", None, None
    before, body, after = found.groups()
    if before == "." or (before.endswith(".") and not before[:-1]):
        body, before = before + body, ""
    if after == ".":
        body, after = body + after, ""
    marks = [m for m in (before, after) if m]
    if kind == "percent" and marks == ["%"]:
        marks = []
    aside = None
    if marks:
        aside = currency_of_mark(marks[0], base_currency) if kind == "money" and len(marks) == 1 else None
        if aside is None:
            return "", None, None
    if _NO_CENTS.search(body):
        body = _NO_CENTS.sub("", body)
    elif body.startswith(("-", "+")) or body.endswith("-"):
        signs += "-" if "-" in body else "+"
        body = body.strip("+- ") if body.count("-") + body.count("+") == 1 else ""
    if body.startswith("(") and body.endswith(")"):
        body, signs = body[1:-1].strip(), signs + "-"
    if len(signs) > 1:
        return "", None, None
    return signs, body, aside


def _read_body(body: str, choice: Choice) -> str | None:
    """Digits and marks as plain text; None if they follow no convention."""
    if body.isascii() and body.isdigit():
        return body
    if _SPACED.fullmatch(body):
        return body.replace(" ", "").replace("'", "").replace(",", ".")
    if _DOT_DECIMAL.fullmatch(body):
        return body.replace(",", "")
    if _COMMA_DECIMAL.fullmatch(body):
        return body.replace(".", "").replace(",", ".")
    if _GROUPS_ONLY.fullmatch(body):
        return body.replace(".", "").replace(",", "")
    if _OPEN.fullmatch(body):
        is_decimal = ("." in body) == (choice.name == "dot")
        return body.replace(",", ".") if is_decimal else body.replace(",", "").replace(".", "")
    if _SCIENTIFIC.fullmatch(body):
        return format(Decimal(body), "f")
    parts = _ONE_MARK.fullmatch(body)
    if parts and (parts[1] or parts[2]) and body.isascii():
        return f"{parts[1] or '0'}.{parts[2] or '0'}"
    return None


def _reason(text: str, value: Decimal, body: str, choice: Choice) -> str | None:
    if _OPEN.fullmatch(body) and not choice.certain:
        return "ambiguous_number"
    try:
        same = text.isascii() and "_" not in text and Decimal(text) == value
    except InvalidOperation:
        same = False
    return None if same else "number_format"


def _fitted(
    value: Decimal, reason: str | None, aside: str | None, *, digits: int, scale: int, whole: bool, is_float: bool
) -> Mended:
    """The value if it fits the column. A float's binary noise beyond 12 digits is cut off and said so."""
    if value.copy_abs() >= Decimal(10) ** digits:
        return Mended(None, "too_large")
    cut = _EXACT.quantize(value, Decimal(1).scaleb(-scale))
    if cut != value and is_float and isfinite(float(value)) and abs(cut - value) <= abs(value) * Decimal("1e-12"):
        value, reason = cut, "float_noise"
    if cut != value:
        return Mended(None, "not_an_integer" if whole else "too_many_decimals")
    return Mended(format(cut, "f"), reason, aside)
