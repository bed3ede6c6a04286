"""Whatever a column says, cleaning gives the value that a careful person reads, or says why it gives none."""

from __future__ import annotations

import random
import re
import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.careful import CLEAR_DAYS, CLOCKS, MOMENTS, NO_CLOCK, OPEN_DAYS, notations, numbers
from tests.fuzz.hostile import DIGITS, MARKS, TEXT, spoilt
from tests.fuzz.properties import often
from tests.transforms.issues import merged_issues
from tests.transforms.test_clean_values import CONTEXT, column, contract_of
from transforms.clean import CleanContext, Cleaned, Formats, clean_batch, sniff_formats
from transforms.clean.base import REJECTIONS, as_text
from transforms.clean.batch import RULES
from transforms.clean.formats import NUMBERS, TIMES
from warehouse.contracts import Contract

KINDS = sorted(RULES)
BERLIN = ZoneInfo(CONTEXT.timezone)
#: What Unicode takes for white space; Python takes four control characters more.
SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))

#: A kind, and a column that is said to be of it.
COLUMNS = st.sampled_from(KINDS).flatmap(
    lambda kind: st.tuples(
        st.just(kind),
        st.lists(
            st.one_of(st.none(), spoilt(kind), TEXT, st.text(DIGITS + MARKS + " ", max_size=14)),
            min_size=1,
            max_size=8,
        ),
    )
)


def of_kind(kind: str) -> Contract:
    return contract_of(column(kind, enum=("past_due", "active") if kind == "category" else ()))


def frame_of(values: pl.Series | list[str | None]) -> pl.DataFrame:
    said = values if isinstance(values, pl.Series) else pl.Series(values, dtype=pl.String)
    ids = [f"{number:03}" for number in range(len(said))]
    return pl.DataFrame({"source": ["s"] * len(said), "source_id": ids, "value": said})


def cleaned(kind: str, values: pl.Series | list[str | None], country: str = CONTEXT.country) -> Cleaned:
    return clean_batch(frame_of(values), of_kind(kind), CleanContext(country, "EUR", CONTEXT.timezone))


@often(60)
@given(COLUMNS)
def test_no_value_vanishes_or_changes_without_a_reason(given_: tuple[str, list[str | None]]) -> None:
    kind, said = given_
    found = cleaned(kind, said).accepted
    for before, value, original in zip(said, found["value"], found["original"], strict=True):
        bare = (before or "").strip(SPACE)
        if original is None:
            assert (value is None and not bare) or is_said(kind, bare, value), (kind, before, value)


def is_said(kind: str, text: str, value: Any) -> bool:
    """Whether a value is what its text says, with nothing to explain."""
    if value is None:
        return False
    if kind in NUMBERS:
        return text.isascii() and Decimal(text) == value
    if kind == "boolean":
        return (text.lower() in ("1", "1.0", "true", "t")) == value
    if kind in TIMES:
        moment = datetime.fromisoformat(text.replace(" UTC", "Z").replace("UTC", "Z"))
        local = moment.astimezone(BERLIN) if moment.tzinfo else moment.replace(tzinfo=BERLIN)
        return text.isascii() and (local if kind == "timestamp" else local.date()) == value
    return bool(text == value)


@often(60)
@given(COLUMNS)
def test_cleaning_what_is_clean_changes_nothing(given_: tuple[str, list[str | None]]) -> None:
    kind, said = given_
    once = cleaned(kind, said).accepted["value"]
    again = cleaned(kind, once).accepted
    assert again["value"].equals(once)
    assert again["original"].null_count() == len(said), (kind, once.to_list(), again["original"].to_list())
    if kind not in NUMBERS:  # written without a doubt, which 1.234 is not
        assert cleaned(kind, as_text(once)).accepted["value"].equals(once)


@often(40)
@given(COLUMNS, st.integers(1, 4), st.randoms(use_true_random=False))
def test_neither_batches_nor_order_matter(given_: tuple[str, list[str | None]], cut: int, order: random.Random) -> None:
    kind, said = given_
    contract, frame = of_kind(kind), frame_of(said)
    whole = clean_batch(frame, contract, CONTEXT)
    shuffled = frame[order.sample(range(len(said)), len(said))]
    parts = [shuffled.slice(at, cut) for at in range(0, len(said), cut)]
    formats = sum((sniff_formats(part, contract) for part in parts), Formats())
    done = [clean_batch(part, contract, CONTEXT, formats) for part in parts]
    assert pl.concat([one.accepted for one in done]).sort("source_id").equals(whole.accepted)
    assert merged_issues(done).equals(whole.issues)


@often(80)
@given(st.sampled_from(sorted(NUMBERS)).flatmap(lambda kind: st.tuples(st.just(kind), spoilt(kind))))
def test_a_number_has_the_digits_and_the_sign_of_its_text(given_: tuple[str, str]) -> None:
    kind, said = given_
    value = cleaned(kind, [said]).accepted["value"][0]
    plain = unicodedata.normalize("NFKC", said)
    if value is None or re.search("[eE]", plain):
        return
    digits = "".join(str(unicodedata.digit(c)) for c in plain if c.isdecimal())
    assert digits.strip("0") == format(Decimal(value), "f").replace(".", "").strip("-0"), (said, value)
    without_cents = re.sub(r"[.,][-−–—]{1,2}(?=\D*$)", "", plain)
    signs = re.findall(r"[-−(+]", without_cents)
    assert len(signs) < 2, (said, value)
    assert (value < 0) == (bool(signs) and signs[0] != "+") or value == 0, (said, value)
    assert len(re.findall(r"€|\$|£|[A-Z]{3}", plain.replace("R$", "$"))) < 2, (said, value)


CLEAR_NUMBERS = [Decimal("0.5"), Decimal("-1234567.25")]


@often(60)
@given(st.data())
def test_a_number_is_read_as_its_column_writes_it(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["money", "quantity", "rate"]))
    notation = data.draw(notations(currencies=kind == "money"))
    clear = CLEAR_NUMBERS if data.draw(st.booleans()) else []
    meant = [*data.draw(st.lists(numbers(4), min_size=1, max_size=6)), *clear]
    said = [notation.write(number) for number in meant]
    found = cleaned(kind, list(said))
    told = set(found.issues["reason"])
    for number, text, value in zip(meant, said, found.accepted["value"], strict=True):
        if value is None:
            assert told & REJECTIONS, text
        elif value != number:
            # Read in the other notation, which is as good without evidence, and told.
            assert not clear, (text, value)
            assert "ambiguous_number" in told, (text, value)


@often(60)
@given(st.data())
def test_a_date_is_read_as_its_column_writes_it(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["date", "timestamp"]))
    order = data.draw(st.sampled_from(["day", "month", "clear"]))
    moments = data.draw(st.lists(MOMENTS, min_size=1, max_size=6))
    said, meant = [], []
    for moment in moments:
        day = data.draw(st.sampled_from(CLEAR_DAYS if order == "clear" else OPEN_DAYS[order]))
        clock, zone = data.draw(st.sampled_from(CLOCKS)) if kind == "timestamp" else NO_CLOCK
        said.append(day(moment) + clock(moment))
        meant.append(moment.replace(tzinfo=zone or BERLIN).astimezone(UTC) if kind == "timestamp" else moment.date())
    found = cleaned(kind, list(said))
    told = set(found.issues["reason"])
    is_certain = order == "clear" or any(moment.day > 12 for moment in moments)
    for right, text, value in zip(meant, said, found.accepted["value"], strict=True):
        if value is None:
            assert told & REJECTIONS, text
        elif value != right and not ("nonexistent_time" in told and abs((value - right).total_seconds()) <= 7_200):
            assert not is_certain, (text, value)
            assert "ambiguous_date" in told, (text, value)


@often(40)
@given(st.data())
def test_a_phone_number_is_the_one_that_was_written(data: st.DataObject) -> None:
    region = data.draw(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)))
    line = data.draw(st.sampled_from([phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE]))
    number = phonenumbers.example_number_for_type(region, line)
    home = data.draw(st.sampled_from([region, "DE", "US"]))
    if number is None:
        return
    forms = phonenumbers.PhoneNumberFormat
    abroad = [forms.E164, forms.INTERNATIONAL, forms.RFC3966]
    form = data.draw(st.sampled_from([*abroad, forms.NATIONAL] if home == region else abroad))
    gap = data.draw(st.sampled_from([" ", "-", ".", "/", "", "\u00a0", " - "]))
    text = phonenumbers.format_number(number, form).replace(" ", gap)
    value = cleaned("phone", [text], home).accepted["value"][0]
    assert value in (None, phonenumbers.format_number(number, forms.E164)), (text, home, value)


FAR = 2**31 - 1
TYPED: dict[str, pl.Series] = {
    "boolean": pl.Series([True, False, None]),
    "whole": pl.Series([0, -1, 2**63 - 1, -(2**63), 20_240_105, None]),
    "unsigned": pl.Series([0, 2**64 - 1, None], dtype=pl.UInt64),
    "wide": pl.Series([2**127 - 1, -(2**127), 7, None], dtype=pl.Int128),
    "float": pl.Series([0.1 + 0.2, -0.0, 1e300, 5e-324, float("nan"), float("inf"), float("-inf"), 2.0**53, 45296.5]),
    "single": pl.Series([0.1, 16_777_217.0, None], dtype=pl.Float32),
    "decimal": pl.Series([Decimal("1.2340"), Decimal("-0.00"), None], dtype=pl.Decimal(38, 10)),
    "date": pl.Series([0, FAR, -FAR, -25_567, 19_723, None], dtype=pl.Int32).cast(pl.Date),
    "moment": pl.Series([0, 2**63 - 1, -(2**63) + 1, 1_719_835_200_000_000, None]).cast(pl.Datetime("us")),
    "coarse": pl.Series([0, 2**63 - 1, -(2**62), 1_719_835_200_000, None]).cast(pl.Datetime("ms")),
    "fine": pl.Series([0, 2**63 - 1, -1, None]).cast(pl.Datetime("ns", "Asia/Tokyo")),
    "time": pl.Series([0, 86_399_999_999_999, None]).cast(pl.Time),
    "span": pl.Series([0, -1, 10**15, None]).cast(pl.Duration("us")),
    "binary": pl.Series([b"a", b"\xff\x00", b"", None]),
    "list": pl.Series([["a", None], [], None]),
    "numbers": pl.Series([[1.5, float("nan")], [], None]),
    "struct": pl.Series([{"a": 1, "b": 'x"y'}, {"a": None, "b": None}, None]),
    "chosen": pl.Series(["a", "n/a", None], dtype=pl.Categorical),
    "nothing": pl.Series([None, None]),
}


@pytest.mark.parametrize("typed", TYPED)
def test_no_value_of_any_type_vanishes_without_a_reason(typed: str) -> None:
    said = TYPED[typed]
    text = as_text(said)
    not_numbers = said.is_nan().sum() if said.dtype.is_float() else 0
    assert (text.is_null() & said.is_not_null()).sum() == not_numbers
    for kind in KINDS:
        found = cleaned(kind, said).accepted
        for before, value, original in zip(text, found["value"], found["original"], strict=True):
            assert value is not None or original or not (before or "").strip(), (kind, before)
