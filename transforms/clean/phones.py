"""Phone numbers to E.164.

Numbers in the usual spellings are judged by libphonenumber's own patterns in bulk; whatever those patterns do not
settle goes to the library one by one, each distinct number once.
"""

from __future__ import annotations

import functools
import re

import polars as pl

from transforms.clean.base import PLACEHOLDERS, Job, Mended, Outcome, Work, as_text, put, start

_FORMATTING = r"[\s().\-/\u{a0}\u{2010}-\u{2015}]"
_NOTHING = r"^\+?(?:\d{0,2}0{6,}|1{6,}|2{6,}|3{6,}|4{6,}|5{6,}|6{6,}|7{6,}|8{6,}|9{6,}|0?123456(?:7(?:8(?:90?)?)?)?)$"
_NOTHING_RE = re.compile(_NOTHING)
_EXTENSION = re.compile(
    r"\s*(?:[,;#]|\bext(?:ension)?\b\.?|\bx(?=\s*\d)|(?<=\d)x(?=\d)|\bdurchwahl\b|\bramal\b|\bposte\b)[\s:.]*\d{1,6}$",
    re.IGNORECASE,
)
_KINDS = (
    "premium_rate",
    "toll_free",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
    "fixed_line",
    "mobile",
)


def phone_rule(values: pl.Series, job: Job) -> Outcome:
    """E.164 by the row's country, else the company's; a number that cannot exist is rejected."""
    work = start(as_text(values))
    original = work.values
    # +49 (0)30 is the usual way to write both +49 30 and 030.
    digits = (
        original.str.replace(r"^(\+|00)(\d{1,3}) ?\(0\)", "${1}${2}")
        .str.replace_all(_FORMATTING, "")
        .str.replace(r"^00", "+")
    )
    region = _regions(job, len(values))
    plain = pl.select(pl.when(digits.str.contains(r"^\+?[0-9]+$")).then(digits)).to_series()
    settled, impossible = _in_bulk(plain, region, _common_regions(region, plain))
    nothing = digits.str.contains(_NOTHING).fill_null(False)
    settled = pl.select(pl.when(~nothing).then(settled)).to_series()
    work.swap(pl.select(pl.coalesce(settled, original)).to_series(), "phone_form")
    impossible = impossible & settled.is_null() & ~nothing
    work.drop(impossible, "invalid_phone")
    _one_by_one(work, settled.is_null() & original.is_not_null() & ~impossible, region)
    return work.outcome()


def _regions(job: Job, length: int) -> pl.Series:
    home = pl.repeat(job.context.country, length, dtype=pl.String, eager=True)
    return home if job.countries is None else pl.select(pl.coalesce(job.countries, home)).to_series()


def _common_regions(region: pl.Series, digits: pl.Series) -> list[str]:
    """The regions worth a pattern each: those of the rows, and of the calling codes the numbers carry."""
    from phonenumbers import region_code_for_country_code

    counts = region.value_counts(sort=True).head(8)[region.name].to_list()
    codes = digits.str.extract(r"^\+(1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|\d{3})").drop_nulls()
    called = codes.value_counts(sort=True).head(12)[codes.name].to_list() if len(codes) else []
    return sorted({*counts, *(region_code_for_country_code(int(c)) for c in called)} - {"ZZ", "001"})


def _in_bulk(digits: pl.Series, region: pl.Series, regions: list[str]) -> tuple[pl.Series, pl.Series]:
    """E.164 where the patterns settle it, else null; and which numbers the patterns rule out for good.

    `digits` carries a + if the number is international.
    """
    settled = pl.repeat(None, len(digits), dtype=pl.String, eager=True)
    impossible = pl.repeat(False, len(digits), dtype=pl.Boolean, eager=True)
    for name in regions:
        patterns = _patterns(name)
        if patterns is None:
            continue
        code, valid, prefixed, alone = patterns
        # A domestic number that starts with the calling code may be an international one without its +.
        home = (region == name) & ~digits.str.contains(rf"^\+|^{code}")
        rows = (home | digits.str.starts_with(f"+{code}")).fill_null(False).arg_true()
        if rows.is_empty():
            continue
        national = digits.gather(rows).str.strip_prefix(f"+{code}")
        at_home = home.gather(rows)
        zero = at_home & national.str.contains(r"^0[1-9]\d+$") & _plain_zero(name)
        if zero.any():
            national = pl.select(pl.when(zero).then(national.str.slice(1)).otherwise(national)).to_series()
        clear = ~national.str.contains(prefixed)
        fits = clear & national.str.contains(valid)
        settled = put(settled, rows.filter(fits), (f"+{code}" + national).filter(fits))
        if alone:
            # Short domestic numbers, such as 112, are for the library.
            sure = ~at_home | zero
            out = clear & ~fits & sure & national.str.contains(r"^\d+$")
            impossible = put(impossible, rows.filter(out), pl.repeat(True, int(out.sum()), eager=True))
    return settled, impossible


@functools.cache
def _patterns(region: str) -> tuple[int, str, str, bool] | None:
    """Calling code, pattern of valid national numbers, pattern of those that may start with a national prefix, and
    whether no other region shares the code.

    Only for the main region of a calling code, where a match decides without looking at the regions that share it.
    """
    from phonenumbers import PhoneMetadata, region_code_for_country_code, region_codes_for_country_code

    data = PhoneMetadata.metadata_for_region(region)
    if data is None or data.country_code is None:
        return None
    if region_code_for_country_code(data.country_code) != region or data.leading_digits:
        return None
    kinds = [getattr(data, kind) for kind in _KINDS]
    bodies = [k.national_number_pattern for k in kinds if k is not None and k.national_number_pattern]
    prefix = data.national_prefix_for_parsing or "[^0-9]"
    alone = len(region_codes_for_country_code(data.country_code)) == 1
    return data.country_code, f"^(?:{'|'.join(bodies)})$", f"^(?:{prefix})", alone


@functools.cache
def _plain_zero(region: str) -> bool:
    """Whether domestic numbers are written with a 0 in front that just falls away abroad."""
    from phonenumbers import PhoneMetadata

    data = PhoneMetadata.metadata_for_region(region)
    return data is not None and data.national_prefix_for_parsing == "0" and not data.national_prefix_transform_rule


def _one_by_one(work: Work, odd: pl.Series, region: pl.Series) -> None:
    """The number travels with its region as one key, since both decide."""
    if not odd.any():
        return
    plain = work.values
    keys = Work(pl.select(pl.when(odd).then(pl.concat_str([region, plain], separator="\x1f"))).to_series())
    keys.mend(odd, _by_key)
    work.values = pl.select(pl.when(odd).then(keys.values).otherwise(plain)).to_series()
    if keys.reasons is not None:
        work.reasons = (
            keys.reasons if work.reasons is None else pl.select(pl.coalesce(keys.reasons, work.reasons)).to_series()
        )


def _by_key(key: str) -> Mended:
    region, _, text = key.partition("\x1f")
    return mend_phone(text, region)


@functools.lru_cache(maxsize=50_000)
def mend_phone(text: str, region: str) -> Mended:
    """One odd number."""
    import phonenumbers

    digits = re.sub(r"[^\d+]", "", text)
    if text.lower() in PLACEHOLDERS or _NOTHING_RE.match(digits):
        return Mended(None, "placeholder")
    bare = _EXTENSION.sub("", text.lower().removeprefix("tel:").removeprefix("whatsapp:"))
    try:
        number = phonenumbers.parse(re.sub(r"^\s*00", "+", bare), region)
    except phonenumbers.NumberParseException:
        return Mended(None, "invalid_phone")
    if not phonenumbers.is_valid_number(number):
        return Mended(None, "invalid_phone")
    dropped = number.extension or bare != text.lower().removeprefix("tel:").removeprefix("whatsapp:")
    number.extension = None
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return Mended(e164, "extension_dropped" if dropped else None if e164 == text else "phone_form")
