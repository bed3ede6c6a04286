"""Names of people and cities: titles, order, and proper case where the source shouts or whispers.

Mixed case is taken as meant. The original stays in the row's `original`.
"""

from __future__ import annotations

import functools
import re
import unicodedata

import polars as pl

from transforms.clean.base import Job, Mended, Outcome, Work
from transforms.clean.text import one_line

_TITLES = frozenset(
    [
        "dame",
        "dhr",
        "dipl-ing",
        "dipl-kfm",
        "doctor",
        "don",
        "dott",
        "dottssa",
        "dr",
        "dra",
        "eng",
        "frau",
        "fräulein",
        "herr",
        "herrn",
        "ing",
        "madame",
        "mademoiselle",
        "mag",
        "med",
        "mevr",
        "mevrouw",
        "miss",
        "mister",
        "mlle",
        "mme",
        "monsieur",
        "mr",
        "mrs",
        "ms",
        "mx",
        "phil",
        "prof",
        "profa",
        "professor",
        "rer",
        "nat",
        "sig",
        "signora",
        "señor",
        "señora",
        "sir",
        "sr",
        "sra",
        "srta",
        "univ-prof",
    ]
)
#: Titles that are also names or initials; they count only with their dot.
_TITLES_WITH_DOT = frozenset({"don", "eng", "ing", "mag", "med", "nat", "phil", "rer", "sir", "sr"})
_SUFFIXES = frozenset(
    ["jr", "sr", "ii", "iii", "iv", "phd", "md", "mba", "esq", "cpa", "dds", "llm", "msc", "bsc", "ba", "ma"]
)
_PARTICLES = frozenset(
    [
        "af",
        "al",
        "ben",
        "bin",
        "d",
        "da",
        "dal",
        "das",
        "de",
        "degli",
        "dei",
        "del",
        "della",
        "den",
        "der",
        "des",
        "di",
        "do",
        "dos",
        "du",
        "e",
        "el",
        "la",
        "las",
        "le",
        "los",
        "of",
        "och",
        "op",
        "ten",
        "ter",
        "the",
        "to",
        "und",
        "van",
        "vom",
        "von",
        "y",
        "zu",
        "zum",
        "zur",
    ]
)
_PLACE_PARTICLES = _PARTICLES | frozenset(
    ["aan", "am", "an", "and", "auf", "bei", "en", "im", "in", "ob", "on", "sous", "sur", "under", "unter", "upon", "à"]
)
_NUMERAL = re.compile(r"(?:ii|iii|iv|vi|vii|viii)", re.IGNORECASE)
_WORD = re.compile(r"[^\s\-]+")
_ODD_NAME = r"^\p{Lu}[\p{Lu}\P{L}]*$|^[^\p{Lu}]*$|[,.]|^(?i:" + "|".join(sorted(_TITLES, key=len, reverse=True)) + r") "
_ODD_CASE = r"^[^\p{Ll}]*$|^[^\p{Lu}]*$"
_KEEPS_COMMA = ("given_name", "family_name")


def person_rule(values: pl.Series, job: Job) -> Outcome:
    """A person's name as it would stand on a letter, without title."""
    work = _line_but_for_null(values)
    turn = not job.column.name.endswith(_KEEPS_COMMA)
    work.mend(work.values.str.contains(_ODD_NAME), lambda text: mend_name(text, turn))
    return work.outcome()


def place_rule(values: pl.Series, job: Job) -> Outcome:
    """A city: proper case where it is all capitals or all small."""
    work = one_line(values)
    work.mend(work.values.str.contains(_ODD_CASE), _mend_place)
    return work.outcome()


@functools.lru_cache(maxsize=50_000)
def mend_name(text: str, turn: bool) -> Mended:
    """One name; `turn` says whether 'Last, First' may be turned."""
    reason = None
    bare = _untitled(text)
    if turn and bare.count(",") == 1:
        family, given = (part.strip() for part in bare.split(","))
        if family and given and given.replace(".", "").lower() not in _SUFFIXES:
            bare, reason = _untitled(f"{given} {family}"), "name_order"
    if bare != text and reason is None:
        reason = "title"
    cased = proper_case(bare)
    if cased != bare:
        reason = reason or "case"
    return Mended(cased, reason)


def proper_case(text: str, particles: frozenset[str] = _PARTICLES) -> str:
    """Proper case for a text that has none; any text with both cases, or too short to judge, is returned as it is."""
    letters = [c for c in text if c.isalpha()]
    shouts, whispers = text == text.upper(), text == text.lower()
    if shouts == whispers or len(letters) <= 2:
        return text
    words = list(_WORD.finditer(text))
    cased = list(text)
    for found in words:
        word = found[0]
        first = found.start() == words[0].start()
        new = word.lower() if word.lower() in particles and not first else _capitalised(word)
        cased[found.start() : found.end()] = [new, *[""] * (len(word) - 1)]
    # A capital İ in lower case is two characters, which are one again where it stays a capital.
    return unicodedata.normalize("NFC", "".join(cased))


def _capitalised(word: str) -> str:
    """One word: O'Neil, McDonald, d'Arc, J.R., III."""
    if _NUMERAL.fullmatch(word):
        return word.upper()
    if "." in word.rstrip("."):
        return ".".join(_capitalised(part) for part in word.split("."))
    for mark in ("'", "’"):
        head, found, rest = word.partition(mark)
        if found and len(head) == 1 and len(rest) > 2:
            return head.upper() + mark + _capitalised(rest)
    low = word.lower()
    if low.startswith("mc") and len(low) > 3:
        return "Mc" + low[2:].capitalize()
    at = next((i for i, c in enumerate(low) if c.isalpha()), 0)
    return low[:at] + low[at:].capitalize()


def _untitled(text: str) -> str:
    """Without the titles in front, as long as a name remains."""
    words = text.split(" ")
    while len(words) > 1 and _is_title(words[0]):
        words = words[1:]
    return " ".join(words)


def _is_title(word: str) -> bool:
    bare = word.rstrip(".").replace(".", "").lower()
    return bare in _TITLES and (bare not in _TITLES_WITH_DOT or word.endswith("."))


def _mend_place(text: str) -> Mended:
    cased = proper_case(text, _PLACE_PARTICLES)
    return Mended(cased, "case" if cased != text else None)


def _line_but_for_null(values: pl.Series) -> Work:
    """People are called Null: so written, with one capital, it is a name and no placeholder."""
    work = one_line(values)
    if values.dtype == pl.String and work.reasons is not None:
        named_null = (values.str.strip_chars() == "Null").fill_null(False)
        if named_null.any():
            work.values = pl.select(pl.when(named_null).then(pl.lit("Null")).otherwise(work.values)).to_series()
            work.reasons = pl.select(pl.when(~named_null).then(work.reasons)).to_series()
    return work
