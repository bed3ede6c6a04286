"""Free and coded text: ids, text, labels, categories, SKUs, postcodes, addresses.

Meaning is left alone: what changes is invisible (control characters, composition, broken encoding) or agreed upon
(labels in lower case). Names of people are in names.py.
"""

from __future__ import annotations

import functools
import re
import unicodedata

import polars as pl

from transforms.clean.base import Job, Mended, Outcome, Work, as_text, on_odd, start

#: Characters that may need mending: controls, formats, combining marks, leads of broken UTF-8, odd compositions.
_SUSPECT = (
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u{ad}\u{340}\u{341}\u{374}\u{37e}\u{387}\u{2000}\u{2001}\u{2126}\u{212a}\u{212b}"
    r"\u{2329}\u{232a}\u{f900}-\u{faff}\p{Cf}\p{M}\u{1100}-\u{11ff}\u{1f00}-\u{1fff}\u{2f800}-\u{2fa1f}"
    r"\u{fb1d}-\u{fb4f}]|[ÂÃÄÅâ][^\x00-\x7f]"
)
INVISIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b\u2060-\u2064\ufeff\u200e\u200f\u202a-\u202e]")
_LINE_BREAK = re.compile("\r\n?|\u2028|\u2029")
_SPACES = r"[\s\u{a0}\u{2000}-\u{200a}\u{202f}\u{3000}]+"
_DASHES = r"[‐‑‒–—―−﹘﹣－]"
_MOJIBAKE = re.compile("[ÂÃÄÅâ][^\x00-\x7f]")


def id_rule(values: pl.Series, job: Job) -> Outcome:
    """An id is kept to the letter; only its ends are trimmed."""
    work = start(as_text(values))
    work.placeholders()
    return work.outcome()


def text_rule(values: pl.Series, job: Job) -> Outcome:
    """Free text: composed Unicode without control characters; line breaks stay."""
    return on_odd(values, r"^[!-~](?:[ -~\n]*[!-~])?$", _readable).outcome()


def line_rule(values: pl.Series, job: Job) -> Outcome:
    """One line of text, such as a street or a company: runs of white space become one space."""
    return one_line(values).outcome()


def label_rule(values: pl.Series, job: Job) -> Outcome:
    """A word of the source's own vocabulary, in lower case."""
    return on_odd(values, r"^[!-@\[-~]+(?: [!-@\[-~]+)*$", _label).outcome()


def sku_rule(values: pl.Series, job: Job) -> Outcome:
    """Upper case, one kind of dash, leading zeros kept."""
    return on_odd(values, r"^[!-`{-~]+(?: [!-`{-~]+)*$", _sku).outcome()


def postcode_rule(values: pl.Series, job: Job) -> Outcome:
    """Upper case; zeros stay, since it is text."""
    return sku_rule(values, job)


def category_rule(values: pl.Series, job: Job) -> Outcome:
    """A value of the contract's list, however it is cased, spaced or joined."""
    allowed = {_squeezed(value): value for value in job.column.enum}
    work = start(as_text(values))
    odd = ~work.values.is_in(list(job.column.enum))
    work.placeholders()
    work.mend(odd & work.values.is_not_null(), lambda text: _in_list(text, allowed))
    return work.outcome()


def json_rule(values: pl.Series, job: Job) -> Outcome:
    """Valid JSON as it is; anything else is rejected."""
    work = start(as_text(values))
    work.mend(work.values.is_not_null(), _valid_json)
    return work.outcome()


def one_line(values: pl.Series) -> Work:
    """Readable text on one line."""
    return on_odd(values, r"^[!-~]+(?: [!-~]+)*$", _one_line)


def _one_line(values: pl.Series) -> Work:
    work = _readable(values)
    spaced = work.values.str.contains(r"\s\s|[^\S ]").fill_null(False)
    if spaced.any():
        work.swap(work.values.str.replace_all(_SPACES, " ").str.strip_chars(), "whitespace")
        work.placeholders()
    return work


def _label(values: pl.Series) -> Work:
    work = _one_line(values)
    work.swap(work.values.str.to_lowercase().str.normalize("NFC"), "case")
    return work


def _sku(values: pl.Series) -> Work:
    work = _one_line(values)
    work.swap(work.values.str.replace_all(_DASHES, "-"), "dash")
    work.swap(work.values.str.to_uppercase().str.normalize("NFC"), "case")
    return work


def _readable(values: pl.Series) -> Work:
    work = start(values)
    trimmed = work.values
    work.values = pl.select(pl.when(trimmed.is_not_null()).then(values)).to_series()
    work.swap(trimmed, "whitespace")
    work.mend(work.values.str.contains(_SUSPECT), mend_text)
    work.placeholders()
    return work


@functools.lru_cache(maxsize=20_000)
def mend_text(text: str) -> Mended:
    """One text without broken encoding and invisible characters, composed (NFC)."""
    mended = _decoded(text)
    reason = "encoding" if mended != text else None
    visible = INVISIBLE.sub("", _LINE_BREAK.sub("\n", mended)).strip()
    if visible != mended:
        reason = reason or "invisible_characters"
    composed = unicodedata.normalize("NFC", visible).strip()
    if composed != visible:
        reason = reason or "unicode_form"
    if composed != text:
        # What was hidden may have parted what belongs together.
        composed = mend_text(composed).value or ""
    return Mended(composed or None, reason)


def _decoded(text: str) -> str:
    """Text that is UTF-8 read as Windows-1252, read again; only if all of it survives the way back."""
    for _ in range(3):
        if not _MOJIBAKE.search(text):
            return text
        try:
            again = b"".join(_western_byte(c) for c in text).decode("utf-8")
        except UnicodeError:
            return text
        text = again
    return text


def _western_byte(character: str) -> bytes:
    try:
        return character.encode("cp1252")
    except UnicodeEncodeError:
        # Windows leaves five bytes undefined; programs pass them through as these controls.
        return character.encode("latin-1")


def _squeezed(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())


def _in_list(text: str, allowed: dict[str, str]) -> Mended:
    value = allowed.get(_squeezed(text))
    return Mended(value, "spelling") if value else Mended(None, "not_in_enum")


def _valid_json(text: str) -> Mended:
    import orjson

    try:
        orjson.loads(text)
    except (orjson.JSONDecodeError, ValueError):
        return Mended(None, "invalid_json")
    return Mended(text)
