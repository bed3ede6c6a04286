"""Countries, currencies and languages to their ISO codes, and booleans, from whatever people call them.

Names are looked up in the languages that exports are written in; the tables come from babel and pycountry and are
built on first use.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable

import polars as pl

from transforms.clean.base import PLACEHOLDERS, Job, Mended, Outcome, as_text, start

_LANGUAGES = ("en", "de", "fr", "es", "pt", "nl", "it", "pl", "sv", "da", "fi", "cs")
_MORE_COUNTRIES = {
    "america": "US",
    "brasil": "BR",
    "england": "GB",
    "great britain": "GB",
    "holland": "NL",
    "northern ireland": "GB",
    "scotland": "GB",
    "south korea": "KR",
    "the netherlands": "NL",
    "u.k.": "GB",
    "u.s.": "US",
    "u.s.a.": "US",
    "uk": "GB",
    "united states of america": "US",
    "wales": "GB",
}
_MARKS = {
    "€": "EUR",
    "£": "GBP",
    "r$": "BRL",
    "us$": "USD",
    "a$": "AUD",
    "c$": "CAD",
    "zł": "PLN",
    "kč": "CZK",
    "ft": "HUF",
    "₹": "INR",
    "₽": "RUB",
    "₺": "TRY",
    "₩": "KRW",
    "fr.": "CHF",
    "sfr.": "CHF",
    "euros": "EUR",
    "dm": "DEM",
}
#: Symbols that several currencies share: the base currency if it is among them, else the first; None: no guess.
_SHARED_MARKS: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "$": ("USD", ("USD", "CAD", "AUD", "NZD", "MXN", "SGD", "HKD", "CLP", "COP", "ARS")),
    "¥": ("JPY", ("JPY", "CNY")),
    "kr": (None, ("SEK", "NOK", "DKK", "ISK")),
    "kr.": (None, ("SEK", "NOK", "DKK", "ISK")),
}
_TRUE = "1 true t yes y ja j oui o si sí s sim vrai wahr verdadero verdadeiro tak x on ✓ ✔ checked enabled active"
_FALSE = "0 false f no n nein non não nao faux falsch falso nie nee off ✗ ✘ unchecked disabled inactive"
_BOOLEANS = dict.fromkeys(_TRUE.split(), "true") | dict.fromkeys(_FALSE.split(), "false")


def country_rule(values: pl.Series, job: Job) -> Outcome:
    """ISO 3166-1 alpha-2."""
    return _coded(values, _country_codes(), lambda text: _looked_up(text, _countries(), "unknown_country"))


def currency_rule(values: pl.Series, job: Job) -> Outcome:
    """ISO 4217."""
    base = job.context.base_currency
    return _coded(values, _currency_codes(), lambda text: _currency(text, base))


def language_rule(values: pl.Series, job: Job) -> Outcome:
    """ISO 639-1, the country part of a locale left out."""
    return _coded(values, _language_codes(), _language)


def boolean_rule(values: pl.Series, job: Job) -> Outcome:
    """Yes and no in the common languages."""
    if values.dtype == pl.Boolean:
        return Outcome(values)
    work = start(as_text(values))
    work.mend(work.values.is_not_null() & ~work.values.is_in(["true", "false"]), _boolean)
    return work.outcome(work.values == "true")


def currency_of_mark(mark: str, base_currency: str) -> str | None:
    """What a symbol, code or word beside an amount means: `USD:USD,CAD` is USD by default, and may be CAD.

    The default is empty where a symbol such as kr leaves it open; None for what is no currency at all.
    """
    found = _currency(mark, base_currency)
    shared = _SHARED_MARKS.get(_key(mark))
    if shared:
        return f"{found.value or ''}:{','.join(shared[1])}"
    return f"{found.value}:{found.value}" if found.value else None


def _coded(values: pl.Series, codes: list[str], by_value: Callable[[str], Mended]) -> Outcome:
    work = start(as_text(values))
    work.mend(work.values.is_not_null() & ~work.values.is_in(codes), by_value)
    return work.outcome()


def _looked_up(text: str, table: dict[str, str], rejection: str) -> Mended:
    key = _key(text)
    if key in table:
        return Mended(table[key], "code")
    return Mended(None, "placeholder" if text.lower() in PLACEHOLDERS else rejection)


def _currency(text: str, base_currency: str) -> Mended:
    key = _key(text)
    if key in _SHARED_MARKS:
        first, sharing = _SHARED_MARKS[key]
        chosen = base_currency if base_currency in sharing else first
        return Mended(chosen, "code") if chosen else Mended(None, "ambiguous_currency")
    return _looked_up(text, _currencies(), "unknown_currency")


def _language(text: str) -> Mended:
    head = text.replace("_", "-").split("-")[0].lower()
    if head != text.lower() and head in _language_codes():
        return Mended(head, "code")
    return _looked_up(text, _languages(), "unknown_language")


def _boolean(text: str) -> Mended:
    value = _BOOLEANS.get(text.lower()) or {"1.0": "true", "0.0": "false"}.get(text)
    if value:
        # 1, 0, True and FALSE are the usual ways to write a boolean in a file, so nothing was mended.
        return Mended(
            value, None if text.lower() in ("1", "0", "true", "false", "1.0", "0.0", "t", "f") else "spelling"
        )
    return Mended(None, "placeholder" if text.lower() in PLACEHOLDERS else "not_a_boolean")


def _key(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


@functools.cache
def _country_codes() -> list[str]:
    import pycountry

    return [c.alpha_2 for c in pycountry.countries] + ["XK"]


@functools.cache
def _currency_codes() -> list[str]:
    import pycountry

    return [c.alpha_3 for c in pycountry.currencies]


@functools.cache
def _language_codes() -> list[str]:
    import pycountry

    return [c.alpha_2 for c in pycountry.languages if hasattr(c, "alpha_2")]


@functools.cache
def _countries() -> dict[str, str]:
    import pycountry

    table = _named("territories", set(_country_codes()))
    for country in pycountry.countries:
        for name in (country.name, getattr(country, "official_name", ""), getattr(country, "common_name", "")):
            if name:
                table[_key(name)] = country.alpha_2
        table[_key(country.alpha_3)] = table[_key(country.alpha_2)] = country.alpha_2
    return table | _MORE_COUNTRIES


@functools.cache
def _currencies() -> dict[str, str]:
    table = _named("currencies", set(_currency_codes()))
    return table | {code.lower(): code for code in _currency_codes()} | _MARKS | {"euro": "EUR"}


@functools.cache
def _languages() -> dict[str, str]:
    import pycountry

    table = _named("languages", set(_language_codes()))
    for language in pycountry.languages:
        if hasattr(language, "alpha_2"):
            table[_key(language.name)] = table[language.alpha_3] = table[language.alpha_2] = language.alpha_2
            if hasattr(language, "bibliographic"):
                table[language.bibliographic] = language.alpha_2
    return table


def _named(what: str, codes: set[str]) -> dict[str, str]:
    """Names in several languages; the earlier language wins where two disagree."""
    from babel import Locale

    table: dict[str, str] = {}
    for language in _LANGUAGES:
        for code, name in getattr(Locale.parse(language), what).items():
            if code in codes:
                table.setdefault(_key(name), code)
    return table
