"""Dates and times from any spelling to DATE and to TIMESTAMPTZ in UTC.

Text is first rewritten to ISO 8601, in bulk for the common forms and value by value for the rest; then one parser
reads it. Times without a zone are in the company's zone. A time that the clock skips in spring keeps its distance
from midnight (02:30 becomes 03:30), one that comes twice in autumn is taken as the first; both are counted.
"""

from __future__ import annotations

import functools
import re
from datetime import date, datetime, timedelta

import polars as pl

from transforms.clean.base import PLACEHOLDERS, Job, Mended, Outcome, Work, as_text, in_calendar, plain_digits, start
from transforms.clean.formats import Choice, date_order

_NAIVE = pl.Datetime("us")
_CLOCK = r"[ T][0-9]{2}:[0-9]{2}(?::[0-5][0-9](?:\.[0-9]{1,9})?)?"
_ZONE = r"(?: ?(?:Z|UTC|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?))"
_ISO = rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:{_CLOCK}{_ZONE}?)?$"
_TAIL = r"(?: [0-9]{2}:[0-9]{2}(?::[0-5][0-9])?)?"
_TWO, _FOUR, _MONTH = "([0-9]{2})", "([0-9]{4})", "(0[0-9]|1[0-2])"
#: Pattern, replacement, order (None: no doubt about it). The common forms, rewritten in bulk.
_BULK: tuple[tuple[str, str, str | None], ...] = (
    (rf"^{_TWO}\.{_MONTH}\.{_FOUR}({_TAIL})$", "${3}-${2}-${1}${4}", None),
    (rf"^{_TWO}[/-]{_MONTH}[/-]{_FOUR}({_TAIL})$", "${3}-${2}-${1}${4}", "day"),
    (rf"^{_MONTH}[/-]{_TWO}[/-]{_FOUR}({_TAIL})$", "${3}-${1}-${2}${4}", "month"),
    (rf"^{_FOUR}/{_TWO}/{_TWO}({_TAIL})$", "${1}-${2}-${3}${4}", None),
)
#: Day and month could change places; 03/03 means the same both ways, but that costs a look at every value.
_EITHER_ORDER = rf"^{_MONTH}[/-]{_MONTH}[/-]"
_FIRST_YEAR, _LAST_YEAR = 1900, 2100
_FARTHEST_ZONE_HOURS = 14
_NO_DATES = frozenset(
    {"0000-00-00", "00.00.0000", "00/00/0000", "0001-01-01", "9999-12-31", "1899-12-30", "1899-12-31"}
)
_NO_DATE = date(1900, 1, 1)
_EXCEL_EPOCH = datetime(1899, 12, 30)
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january januar jänner janvier enero janeiro januari jan janv ene",
            "february februar février fevrier febrero fevereiro februari feb fév fev febr",
            "march märz maerz mars marzo março marco maart mar mär mrz mrt",
            "april avril abril apr avr abr",
            "may mai mayo maio mei",
            "june juni juin junio junho jun",
            "july juli juillet julio julho jul juil",
            "august août aout agosto augustus aug ago",
            "september septembre septiembre setembro sep sept set",
            "october oktober octobre octubre outubro oct okt out",
            "november novembre noviembre novembro nov",
            "december dezember décembre decembre diciembre dezembro dec dez déc dic",
        ),
        start=1,
    )
    for name in names.split()
}
_OFFSETS = {"z": "Z", "utc": "Z", "gmt": "Z", "est": "-05:00", "edt": "-04:00", "cst": "-06:00", "cdt": "-05:00",
            "mst": "-07:00", "mdt": "-06:00", "pst": "-08:00", "pdt": "-07:00", "cet": "+01:00", "cest": "+02:00",
            "mez": "+01:00", "mesz": "+02:00"}  # fmt: skip
_TIME = re.compile(
    r"(?:^|[\sT,]+)(?:(?:at|um|à|a las|às|om)\s+)?(\d{1,2})[:h](\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?"
    r"\s*(?:uhr|h)?\s*([ap])?\.?(?:m\.?)?\s*(z|[+-]\d{1,2}:?\d{2}|[+-]\d{2}|(?:utc|gmt)(?:[+-]\d{1,2}(?::?\d{2})?)?|[a-z]{3,4})?\)?$",
    re.IGNORECASE,
)
_YMD = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_COMPACT = re.compile(r"((?:19|20)\d{2})(\d{2})(\d{2})(?:T?(\d{2})(\d{2})(\d{2})?Z?)?")
_THREE = re.compile(r"(\d{1,2})\s?([-/.])\s?(\d{1,2})\s?\2\s?(\d{4}|\d{2})")
_DAY_NAME = re.compile(
    r"(\d{1,2})(?:st|nd|rd|th|er|º|ª)?[\s.\-/]*(?:of |de |d')?([^\W\d]{3,})\.?[\s.,\-/]*(?:de |del )?(\d{4}|\d{2})"
)
_NAME_DAY = re.compile(r"([^\W\d]{3,})\.?[\s.\-/]*(\d{1,2})(?:st|nd|rd|th)?[\s,.\-/]+(\d{4})")
_WEEKDAY = re.compile(r"^[^\W\d]{2,}\.?,\s*|^(?:mon|tue|wed|thu|fri|sat|sun)\s+", re.IGNORECASE)


def timestamp_rule(values: pl.Series, job: Job) -> Outcome:
    """A moment in UTC, to the microsecond."""
    work, wall, zoned = _read(values, job)
    localised = wall.dt.replace_time_zone(job.context.timezone, ambiguous="null", non_existent="null")
    moments = localised.dt.convert_time_zone("UTC")
    if zoned is not None:
        moments = pl.select(pl.when(zoned).then(wall.dt.replace_time_zone("UTC")).otherwise(moments)).to_series()
    torn = wall.is_not_null() & moments.is_null()
    if torn.any():
        moments = _around_clock_change(work, wall, moments, torn, job.context.timezone)
    return work.outcome(moments)


def date_rule(values: pl.Series, job: Job) -> Outcome:
    """The day in the company's time zone; a time of day that falls away is counted."""
    work, wall, zoned = _read(values, job)
    if zoned is not None:
        local = wall.dt.replace_time_zone("UTC").dt.convert_time_zone(job.context.timezone).dt.replace_time_zone(None)
        wall = pl.select(pl.when(zoned).then(local).otherwise(wall)).to_series()
    days = wall.dt.date()
    work.note((days.cast(_NAIVE) != wall).fill_null(False), "time_dropped")
    return work.outcome(days)


def _around_clock_change(work: Work, wall: pl.Series, moments: pl.Series, torn: pl.Series, zone: str) -> pl.Series:
    """Times that the change of the clock made twice or never."""
    first = wall.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
    # The zone's offset of three hours before is the one that the clock left; reading the time with it moves it forward.
    before = wall.dt.offset_by("-3h").dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    forward = before.dt.convert_time_zone("UTC").dt.offset_by("3h")
    work.note(torn & first.is_not_null(), "ambiguous_time")
    work.note(torn & first.is_null(), "nonexistent_time")
    return pl.select(pl.coalesce(moments, first, forward)).to_series()


def _read(values: pl.Series, job: Job) -> tuple[Work, pl.Series, pl.Series | None]:
    """The column as wall-clock times; where `zoned` is true, the clock is UTC's."""
    kind = values.dtype
    if isinstance(kind, pl.Datetime) or kind == pl.Date:
        work = Work(pl.repeat(None, len(values), dtype=pl.String, eager=True))
        zoned = None
        beyond = in_calendar(values).not_()
        if beyond.any():
            work.note(beyond.fill_null(False), "out_of_range_date")
            values = pl.select(pl.when(~beyond).then(values)).to_series()
        wall = values.cast(pl.Datetime("us", getattr(kind, "time_zone", None)))
        if getattr(kind, "time_zone", None):
            zoned = values.is_not_null()
            wall = wall.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    else:
        work = start(as_text(values))
        _to_iso(work, job)
        wall, zoned = _parsed(work)
    far = ((wall.dt.year() < _FIRST_YEAR) | (wall.dt.year() > _LAST_YEAR)).fill_null(False)
    none = (wall.dt.date() == _NO_DATE).fill_null(False)
    if not (far.any() or none.any()):
        return work, wall, zoned
    work.note(none, "placeholder")
    work.note(far, "out_of_range_date")
    return work, pl.select(pl.when(~(far | none)).then(wall)).to_series(), zoned


def _to_iso(work: Work, job: Job) -> None:
    """Rewrite every value to ISO 8601, the zone kept where there is one."""
    odd = work.values.is_not_null() & ~work.values.str.contains(_ISO)
    if not odd.any():
        return
    choice = date_order(job.evidence, job.context.country)
    for pattern, replacement, order in _BULK:
        if order in (None, choice.name):
            fits = (odd & work.values.str.contains(pattern)).fill_null(False)
            if not fits.any():
                continue
            open_ = fits & work.values.str.contains(_EITHER_ORDER) if order and not choice.certain else None
            new = work.values.str.replace(pattern, replacement)
            work.swap(pl.select(pl.when(fits).then(new).otherwise(work.values)).to_series(), "date_format")
            if open_ is not None:
                work.note(open_, "ambiguous_date")
            odd = odd & ~fits
    odd = _epochs(work, odd)
    work.mend(odd, lambda text: read_moment(text, choice))


def _epochs(work: Work, odd: pl.Series) -> pl.Series:
    """Seconds, milliseconds and microseconds since 1970, told apart by their length; gives what is still odd."""
    epoch = (odd & work.values.str.contains(r"^1[0-9]{9}(?:[0-9]{3}|[0-9]{6})?$")).fill_null(False)
    if not epoch.any():
        return odd
    number = work.values.cast(pl.Int64, strict=False)
    length = work.values.str.len_bytes()
    micros = (
        number * pl.select(pl.when(length == 10).then(1_000_000).when(length == 13).then(1000).otherwise(1)).to_series()
    )
    text = micros.cast(_NAIVE).dt.strftime("%Y-%m-%d %H:%M:%S%.6fZ")
    work.swap(pl.select(pl.when(epoch).then(text).otherwise(work.values)).to_series(), "epoch")
    return odd & ~epoch


def _parsed(work: Work) -> tuple[pl.Series, pl.Series | None]:
    """ISO text as wall-clock times; what no calendar has is dropped."""
    text = work.values
    zoned = text.str.contains(rf":\d{{2}}(?:\.\d+)?{_ZONE}$").fill_null(False)
    offset = None
    if zoned.any():
        zone = pl.select(pl.when(zoned).then(text.str.extract(rf"({_ZONE})$"))).to_series()
        text = pl.select(pl.when(zoned).then(text.str.strip_suffix(zone)).otherwise(text)).to_series()
        offset = _offset_minutes(zone)
    text = text.str.replace("T", " ", literal=True)
    length = text.str.len_bytes()
    if (length < 19).any():
        tail = (
            pl.when(length == 10).then(pl.lit(" 00:00:00")).when(length == 16).then(pl.lit(":00")).otherwise(pl.lit(""))
        )
        text = pl.select(text + tail).to_series()
    wall = text.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    if (length > 19).any():
        finer = text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
        wall = pl.select(pl.coalesce(wall, finer)).to_series()
    wrong = wall.is_null() & text.is_not_null()
    if wrong.any():
        none = wrong & text.str.head(10).is_in(list(_NO_DATES))
        day = text.str.head(10).str.to_date("%Y-%m-%d", strict=False)
        work.note(wrong & day.is_null(), "impossible_date")
        work.note(wrong & day.is_not_null(), "impossible_time")
        work.note(none, "placeholder")
    if offset is None:
        return wall, None
    return pl.select(pl.when(zoned).then(wall - pl.duration(minutes=pl.lit(offset))).otherwise(wall)).to_series(), zoned


def _offset_minutes(zone: pl.Series) -> pl.Series:
    hours = zone.str.extract(r"([+-]\d{2})").cast(pl.Int64, strict=False).fill_null(0)
    minutes = zone.str.extract(r"[+-]\d{2}:?(\d{2})").cast(pl.Int64, strict=False).fill_null(0)
    back = zone.str.contains("-", literal=True).fill_null(False)
    return pl.select(hours * 60 + pl.when(back).then(-minutes).otherwise(minutes)).to_series()


@functools.lru_cache(maxsize=50_000)
def read_moment(text: str, choice: Choice) -> Mended:
    """One odd value as ISO text; `choice` says how to read 03/04."""
    plain = " ".join((plain_digits(text) or "").split())
    if plain.lower() in PLACEHOLDERS or plain[:10] in _NO_DATES:
        return Mended(None, "placeholder")
    if re.fullmatch(r"[2-7]\d{4}(?:\.\d+)?", plain):
        days, _, fraction = plain.partition(".")
        # Rounded to the second, but not into the next day.
        seconds = min(round(float(f"0.{fraction}") * 86_400), 86_399) if fraction else 0
        moment = _EXCEL_EPOCH + timedelta(days=int(days), seconds=seconds)
        return Mended(moment.isoformat(" "), "spreadsheet_date")
    if re.fullmatch(r"1\d{9}\.\d{1,6}", plain):
        moment = datetime(1970, 1, 1) + timedelta(microseconds=round(float(plain) * 1e6))
        return Mended(moment.isoformat(" ") + "Z", "epoch")
    plain = re.sub(r"\s*\([^)]*\)$", "", plain)
    day_text, clock = _split_clock(_WEEKDAY.sub("", plain) if not plain[:1].isdigit() else plain)
    day, reason = _read_day(day_text.strip(" ,"), choice)
    if day is None:
        return Mended(None, reason)
    if clock is None:
        return Mended(day, reason)
    time = _read_clock(clock)
    return Mended(f"{day} {time}", reason) if time else Mended(None, "impossible_time")


def _split_clock(plain: str) -> tuple[str, re.Match[str] | None]:
    found = _TIME.search(plain)
    if not found:
        compact = _COMPACT.fullmatch(plain)
        return (
            (plain, None)
            if not compact or not compact[4]
            else _split_clock(
                f"{compact[1]}-{compact[2]}-{compact[3]} {compact[4]}:{compact[5]}:{compact[6] or '00'}"
                f"{'Z' if plain.endswith('Z') else ''}"
            )
        )
    zone = (found[6] or "").lower()
    if zone.isalpha() and zone not in _OFFSETS:
        return plain, None
    return plain[: found.start()], found


def _read_clock(found: re.Match[str]) -> str | None:
    """HH:MM:SS with fraction and zone, or None if no clock shows it."""
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if found[5]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found[5].lower() == "p" else 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    zone = (found[6] or "").lower()
    offset = _OFFSETS.get(zone, zone.removeprefix("utc").removeprefix("gmt"))
    if offset not in ("", "Z"):
        sign, digits = offset[0], offset[1:].replace(":", "")
        digits = f"{digits.zfill(2)}00" if len(digits) <= 2 else digits.zfill(4)
        if int(digits[:2]) > _FARTHEST_ZONE_HOURS or int(digits[2:]) > 59:
            return None
        offset = f"{sign}{digits[:2]}:{digits[2:]}"
    fraction = f".{found[4]}" if found[4] else ""
    return f"{hour:02}:{minute:02}:{second:02}{fraction}{offset}"


def _read_day(text: str, choice: Choice) -> tuple[str | None, str | None]:
    """YYYY-MM-DD and the reason, or None and the rejection."""
    reason = "date_format"
    if found := _YMD.fullmatch(text) or _COMPACT.fullmatch(text):
        year, month, day = int(found[1]), int(found[2]), int(found[3])
    elif found := _THREE.fullmatch(text):
        one, other, year = int(found[1]), int(found[3]), _full_year(found[4])
        day_first = found[2] == "." or choice.name == "day"
        if one > 12 or other > 12:
            day_first = one > 12
        elif found[2] != "." and not choice.certain and one != other:
            reason = "ambiguous_date"
        day, month = (one, other) if day_first else (other, one)
        reason = "two_digit_year" if len(found[4]) == 2 and reason == "date_format" else reason
    elif found := _DAY_NAME.fullmatch(text):
        year, month, day = _full_year(found[3]), _MONTHS.get(found[2].lower(), 0), int(found[1])
        reason = "two_digit_year" if len(found[3]) == 2 else reason
    elif found := _NAME_DAY.fullmatch(text):
        year, month, day = int(found[3]), _MONTHS.get(found[1].lower(), 0), int(found[2])
    else:
        return None, "not_a_date"
    if month == 0 and not found[2].isdigit() and found.re in (_DAY_NAME, _NAME_DAY):
        return None, "not_a_date"
    try:
        return date(year, month, day).isoformat(), reason
    except ValueError:
        return None, "impossible_date"


def _full_year(text: str) -> int:
    """Two digits are 1970 to 2069."""
    year = int(text)
    return year if len(text) == 4 else year + (1900 if year >= 70 else 2000)
