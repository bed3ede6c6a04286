"""What each semantic type makes of single values: said → value, reason."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from transforms.clean import CleanContext, clean_batch
from warehouse.contracts import Column, Contract

CONTEXT = CleanContext(country="DE", base_currency="EUR", timezone="Europe/Berlin")
TYPES = {
    "boolean": "BOOLEAN",
    "date": "DATE",
    "integer": "BIGINT",
    "json": "JSON",
    "money": "DECIMAL(18,4)",
    "percent": "DECIMAL(9,4)",
    "quantity": "DECIMAL(18,4)",
    "rate": "DECIMAL(18,8)",
    "timestamp": "TIMESTAMPTZ",
}


def contract_of(*columns: Column) -> Contract:
    keys = (
        Column("source", "VARCHAR", "id", "Source.", required=True, primary_key=True),
        Column("source_id", "VARCHAR", "id", "Id.", required=True, primary_key=True),
    )
    return Contract("clean", "thing", "test", "A thing.", "One row.", (*keys, *columns), (), (), None, "1", Path("x"))


def column(kind: str, name: str = "value", **more: Any) -> Column:
    return Column(name, TYPES.get(kind, "VARCHAR"), kind, "A value.", **more)


def clean_one(kind: str, said: Any, context: CleanContext = CONTEXT, **more: Any) -> tuple[Any, str | None]:
    values = said if isinstance(said, pl.Series) else pl.Series([said], dtype=pl.String)
    frame = pl.DataFrame({"source": ["s"], "source_id": ["1"], "value": values})
    cleaned = clean_batch(frame, contract_of(column(kind, **more)), context)
    reasons = cleaned.issues["reason"].to_list()
    return cleaned.accepted["value"][0], reasons[0] if reasons else None


MAR_31 = datetime(2024, 3, 31, 1, 30, tzinfo=UTC)

VALUES: list[tuple[str, str | None, Any, str | None]] = [
    ("id", " 007 ", "007", None),
    ("id", "123.0", "123.0", None),
    ("id", "n/a", None, "placeholder"),
    ("id", "", None, None),
    ("text", "ok", "ok", None),
    ("text", "two\nlines", "two\nlines", None),
    ("text", "a\r\nb", "a\nb", "invisible_characters"),
    ("text", "zero\u200bwidth", "zerowidth", "invisible_characters"),
    ("text", "cafe\u0301", "café", "unicode_form"),
    ("text", "MÃ¼ller & SÃ¶hne", "Müller & Söhne", "encoding"),
    ("text", "donâ€™t", "don’t", "encoding"),
    ("text", "São Paulo", "São Paulo", None),
    ("text", "ÀÉÎ", "ÀÉÎ", None),
    ("text", "#N/A", None, "placeholder"),
    ("text", "  ends ", "ends", "whitespace"),
    ("text", "\xadÂ¡", "¡", "invisible_characters"),
    ("company_name", "ACME  GmbH", "ACME GmbH", "whitespace"),
    ("street", "Hauptstraße\u00a012", "Hauptstraße 12", "whitespace"),
    ("city", "SÃO PAULO", "São Paulo", "case"),
    ("city", "rio de janeiro", "Rio de Janeiro", "case"),
    ("city", "frankfurt am main", "Frankfurt am Main", "case"),
    ("city", "Den Haag", "Den Haag", None),
    ("region", "SP", "SP", None),
    ("label", "Direct  Traffic", "direct traffic", "case"),
    ("label", "direct traffic", "direct traffic", None),
    ("label", "ÄRGER", "ärger", "case"),
    ("sku", " ab–00123 ", "AB-00123", "case"),
    ("sku", "00123", "00123", None),
    ("postcode", "01067", "01067", None),
    ("postcode", "sw1a 1aa", "SW1A 1AA", "case"),
    ("email", "Anna.Meier@Example.COM", "anna.meier@example.com", "case"),
    ("email", "mailto:a@b.de", "a@b.de", "wrapping"),
    ("email", "Anna Meier <Anna@b.de>", "anna@b.de", "wrapping"),
    ("email", "a@@b.de", "a@b.de", "typing_error"),
    ("email", "a@b,com", "a@b.com", "typing_error"),
    ("email", "a@b.de.", "a@b.de", "typing_error"),
    ("email", "a @ b. de", "a@b.de", "typing_error"),
    ("email", "a b@c.de", None, "invalid_email"),
    ("email", "Anna Meier anna@b.de", None, "invalid_email"),
    ("email", "a@b.de info", None, "invalid_email"),
    ("email", "\u202aanna@b.de\u202c", "anna@b.de", "wrapping"),
    ("email", "a+b@c.co.uk", "a+b@c.co.uk", None),
    ("email", "ü@c.de", "ü@c.de", None),
    ("email", "nobody", None, "invalid_email"),
    ("email", "a@b", None, "invalid_email"),
    ("email", "a@b.de, c@d.de", None, "invalid_email"),
    ("email", "x@host.local", None, "invalid_email"),
    ("email", "test@test.com", None, "placeholder"),
    ("phone", "0151 23456789", "+4915123456789", "phone_form"),
    ("phone", "+4915123456789", "+4915123456789", None),
    ("phone", "0049 30 901820", "+4930901820", "phone_form"),
    ("phone", "+49 (0)30 901820", "+4930901820", "phone_form"),
    ("phone", "+1 415-555-2671 ext. 12", "+14155552671", "extension_dropped"),
    ("phone", "+44 20 7946 0958", "+442079460958", "phone_form"),
    ("phone", "+49٣٠901820", "+4930901820", "phone_form"),
    ("phone", "12", None, "invalid_phone"),
    ("phone", "+49 1", None, "invalid_phone"),
    ("phone", "0000000", None, "placeholder"),
    ("phone", "1234567890", None, "placeholder"),
    ("person_name", "Dr. Anna Meier", "Anna Meier", "title"),
    ("person_name", "Herr Prof. Dr. Meier", "Meier", "title"),
    ("person_name", "Meier, Anna", "Anna Meier", "name_order"),
    ("person_name", "ANNA VAN DER BERG", "Anna van der Berg", "case"),
    ("person_name", "o'neil mcdonald", "O'Neil McDonald", "case"),
    ("person_name", "HANS-PETER MÜLLER", "Hans-Peter Müller", "case"),
    ("person_name", "John Smith III", "John Smith III", None),
    ("person_name", "John Smith, Jr.", "John Smith, Jr.", None),
    ("person_name", "Ludwig van Beethoven", "Ludwig van Beethoven", None),
    ("person_name", "deMarco", "deMarco", None),
    ("person_name", "Null", "Null", None),
    ("person_name", "NULL", None, "placeholder"),
    ("person_name", "山田太郎", "山田太郎", None),
    ("country", "DE", "DE", None),
    ("country", "Deutschland", "DE", "code"),
    ("country", "deu", "DE", "code"),
    ("country", "UK", "GB", "code"),
    ("country", "Brasil", "BR", "code"),
    ("country", "Estados Unidos", "US", "code"),
    ("country", "Atlantis", None, "unknown_country"),
    ("currency", "eur", "EUR", "code"),
    ("currency", "€", "EUR", "code"),
    ("currency", "$", "USD", "code"),
    ("currency", "R$", "BRL", "code"),
    ("currency", "kr", None, "ambiguous_currency"),
    ("currency", "Euro", "EUR", "code"),
    ("currency", "XQX", None, "unknown_currency"),
    ("language", "pt_BR", "pt", "code"),
    ("language", "Deutsch", "de", "code"),
    ("language", "eng", "en", "code"),
    ("language", "Klingonisch?", None, "unknown_language"),
    ("boolean", "ja", True, "spelling"),
    ("boolean", "não", False, "spelling"),
    ("boolean", "TRUE", True, None),
    ("boolean", "0", False, None),
    ("boolean", "maybe", None, "not_a_boolean"),
    ("url", "Example.COM/Path?a=B", "https://example.com/Path?a=B", "url_form"),
    ("url", "http://shop.de", "http://shop.de", None),
    ("url", "/products/1", "/products/1", None),
    ("url", "no link", None, "invalid_url"),
    ("url", "javascript:alert(1)", None, "invalid_url"),
    ("domain", "https://www.Shop.de/x", "shop.de", "domain_form"),
    ("domain", "anna@shop.de", "shop.de", "domain_form"),
    ("domain", "shop", None, "invalid_domain"),
    ("json", '{"a": 1}', '{"a": 1}', None),
    ("json", "{a}", None, "invalid_json"),
    ("money", "12.50", Decimal("12.5"), None),
    ("money", "12.500000", Decimal("12.5"), None),
    ("money", "1.234,56", Decimal("1234.56"), "number_format"),
    ("money", "1,234.56", Decimal("1234.56"), "number_format"),
    ("money", "1 234,56 €", Decimal("1234.56"), "number_format"),
    ("money", "1'234.50", Decimal("1234.5"), "number_format"),
    ("money", "1.234.567", Decimal(1234567), "number_format"),
    ("money", "1,00,000.50", Decimal("100000.5"), "number_format"),
    ("money", "(12.50)", Decimal("-12.5"), "number_format"),
    ("money", "12,5-", Decimal("-12.5"), "number_format"),
    ("money", "−12,5", Decimal("-12.5"), "number_format"),
    ("money", "-€ 12.50", Decimal("-12.5"), "number_format"),
    ("money", "12,-", Decimal(12), "number_format"),
    ("money", "EUR 3", Decimal(3), "number_format"),
    ("money", "1.234", Decimal(1234), "ambiguous_number"),
    ("money", "0.123", Decimal("0.123"), None),
    ("money", "1.23456", None, "too_many_decimals"),
    ("money", "123456789012345.00", None, "too_large"),
    ("money", "1e3", Decimal(1000), None),
    ("money", "9999999999.9999", Decimal("9999999999.9999"), None),
    ("money", "12 apples", None, "not_a_number"),
    ("money", "1-2", None, "not_a_number"),
    ("money", "1.2.3", None, "not_a_number"),
    ("money", "١٢٣,٥", Decimal("123.5"), "number_format"),
    ("money", "１２", Decimal(12), "number_format"),
    ("money", "1´234,50", Decimal("1234.5"), "number_format"),
    ("money", "10²", None, "not_a_number"),
    ("money", "⑴", None, "not_a_number"),
    ("money", "+-5", None, "not_a_number"),
    ("money", "+5-", None, "not_a_number"),
    ("money", "EUR 5 USD", None, "not_a_number"),
    ("money", "n/a", None, "placeholder"),
    ("money", "#DIV/0!", None, "placeholder"),
    ("quantity", "€ 5", None, "not_a_number"),
    ("percent", "12,5 %", Decimal("12.5"), "number_format"),
    ("rate", "1.23456789", Decimal("1.23456789"), None),
    ("integer", "42", 42, None),
    ("integer", "42.0", 42, None),
    ("integer", "١٢٣", 123, "number_format"),
    ("integer", "4.2", None, "not_an_integer"),
    ("integer", "1.234", 1234, "number_format"),
    ("date", "2024-02-29", date(2024, 2, 29), None),
    ("date", "2023-02-29", None, "impossible_date"),
    ("date", "31.02.2024", None, "impossible_date"),
    ("date", "31.12.2024", date(2024, 12, 31), "date_format"),
    ("date", "1.2.2024", date(2024, 2, 1), "date_format"),
    ("date", "12/31/2024", date(2024, 12, 31), "date_format"),
    ("date", "31/12/2024", date(2024, 12, 31), "date_format"),
    ("date", "03/04/2024", date(2024, 4, 3), "ambiguous_date"),
    ("date", "31.12.24", date(2024, 12, 31), "two_digit_year"),
    ("date", "5. März 2024", date(2024, 3, 5), "date_format"),
    ("date", "Jan 5, 2024", date(2024, 1, 5), "date_format"),
    ("date", "1er août 2023", date(2023, 8, 1), "date_format"),
    ("date", "3 de fevereiro de 2023", date(2023, 2, 3), "date_format"),
    ("date", "12-mrt-2023", date(2023, 3, 12), "date_format"),
    ("date", "20240105", date(2024, 1, 5), "date_format"),
    ("date", "45296", date(2024, 1, 5), "spreadsheet_date"),
    ("date", "2024-01-05 00:00:00", date(2024, 1, 5), None),
    ("date", "2024-01-05T23:30:00Z", date(2024, 1, 6), "time_dropped"),
    ("date", "0000-00-00", None, "placeholder"),
    ("date", "1900-01-01", None, "placeholder"),
    ("date", "2999-01-01", None, "out_of_range_date"),
    ("date", "2024-05", None, "not_a_date"),
    ("date", "٢٠٢٤-٠١-٠٥", date(2024, 1, 5), "date_format"),
    ("date", "2024-01-0²", None, "not_a_date"),
    ("date", "45296.999999", date(2024, 1, 5), "time_dropped"),
    ("timestamp", "2024-07-01 12:00:00", datetime(2024, 7, 1, 10, tzinfo=UTC), None),
    ("timestamp", "2024-07-01T12:00:00Z", datetime(2024, 7, 1, 12, tzinfo=UTC), None),
    ("timestamp", "2024-07-01T12:00:00.250+0300", datetime(2024, 7, 1, 9, 0, 0, 250_000, tzinfo=UTC), None),
    ("timestamp", "2024-07-01 12:00", datetime(2024, 7, 1, 10, tzinfo=UTC), None),
    ("timestamp", "2024-07-01", datetime(2024, 6, 30, 22, tzinfo=UTC), None),
    ("timestamp", "01.07.2024 12:00", datetime(2024, 7, 1, 10, tzinfo=UTC), "date_format"),
    ("timestamp", "7/31/2024 1:05 PM", datetime(2024, 7, 31, 11, 5, tzinfo=UTC), "date_format"),
    ("timestamp", "Mon, 01 Jul 2024 12:00:00 +0000", datetime(2024, 7, 1, 12, tzinfo=UTC), "date_format"),
    ("timestamp", "1719835200", datetime(2024, 7, 1, 12, tzinfo=UTC), "epoch"),
    ("timestamp", "1719835200500", datetime(2024, 7, 1, 12, 0, 0, 500_000, tzinfo=UTC), "epoch"),
    ("timestamp", "2024-03-31 02:30:00", MAR_31, "nonexistent_time"),
    ("timestamp", "2024-10-27 02:30:00", datetime(2024, 10, 27, 0, 30, tzinfo=UTC), "ambiguous_time"),
    ("timestamp", "2024-07-01 25:00:00", None, "impossible_time"),
    ("timestamp", "2024-07-01 12:00:60", None, "impossible_time"),
    ("timestamp", "01.07.2024 12:00:60", None, "impossible_time"),
    ("timestamp", "2024-07-01 12:00:00+99:99", None, "impossible_time"),
    ("timestamp", "1.7.2024 12:00 +99:99", None, "impossible_time"),
    ("timestamp", "soon", None, "not_a_date"),
]


@pytest.mark.parametrize(("kind", "said", "value", "reason"), VALUES, ids=[f"{v[0]}:{v[1]}" for v in VALUES])
def test_value(kind: str, said: str | None, value: Any, reason: str | None) -> None:
    assert clean_one(kind, said) == (value, reason)


@pytest.mark.parametrize(
    ("said", "value", "reason"),
    [
        ("Past Due", "past_due", "spelling"),
        ("PAST-DUE", "past_due", "spelling"),
        ("past_due", "past_due", None),
        ("late", None, "not_in_enum"),
    ],
)
def test_category_is_matched_however_it_is_written(said: str, value: str | None, reason: str | None) -> None:
    assert clean_one("category", said, enum=("active", "past_due")) == (value, reason)


@pytest.mark.parametrize(
    ("kind", "said", "value", "reason"),
    [
        ("id", pl.Series([123.0]), "123", None),
        ("id", pl.Series([123]), "123", None),
        ("money", pl.Series([0.1 + 0.2]), Decimal("0.3"), "float_noise"),
        ("money", pl.Series([1.234]), Decimal("1.234"), None),
        ("money", pl.Series([float("nan")]), None, None),
        ("money", pl.Series([1e300]), None, "too_large"),
        ("money", pl.Series([float("inf")]), None, "not_a_number"),
        ("money", pl.Series([Decimal("1.234")]), Decimal("1.234"), None),
        ("integer", pl.Series([7.0]), 7, None),
        ("boolean", pl.Series([1]), True, None),
        ("postcode", pl.Series([1067.0]), "1067", None),
        ("date", pl.Series([date(2024, 1, 5)]), date(2024, 1, 5), None),
        ("timestamp", pl.Series([datetime(2024, 7, 1, 12)]), datetime(2024, 7, 1, 10, tzinfo=UTC), None),
        ("timestamp", pl.Series([datetime(2024, 7, 1, 12, tzinfo=UTC)]), datetime(2024, 7, 1, 12, tzinfo=UTC), None),
        ("timestamp", pl.Series([1719835200]), datetime(2024, 7, 1, 12, tzinfo=UTC), "epoch"),
        ("date", pl.Series([date(9999, 12, 31)]), None, "out_of_range_date"),
        ("date", pl.Series([2**31 - 1], dtype=pl.Int32).cast(pl.Date), None, "out_of_range_date"),
        ("timestamp", pl.Series([2**63 - 1], dtype=pl.Int64).cast(pl.Datetime("us")), None, "out_of_range_date"),
        ("text", pl.Series([2**31 - 1], dtype=pl.Int32).cast(pl.Date), "infinity", None),
        ("text", pl.Series([["a", "b"]]), '["a","b"]', None),
        ("text", pl.Series([None, {"a": 1}])[:1], None, None),
        ("text", pl.Series([b"a\xff"]), "a\\xff", None),
        ("text", pl.Series([timedelta(hours=36)]), "P1DT12H", None),
        ("text", pl.Series([time(1, 2, 3, 500_000)]), "01:02:03.500", None),
    ],
)
def test_typed_value(kind: str, said: pl.Series, value: Any, reason: str | None) -> None:
    assert clean_one(kind, said) == (value, reason)


@pytest.mark.parametrize(
    ("kind", "said", "country", "value"),
    [
        ("money", "1.234", "US", Decimal("1.234")),
        ("money", "1,234", "US", Decimal(1234)),
        ("date", "03/04/2024", "US", date(2024, 3, 4)),
        ("date", "03/04/2024", "GB", date(2024, 4, 3)),
        ("phone", "(415) 555-2671", "US", "+14155552671"),
        ("phone", "(11) 91234-5678", "BR", "+5511912345678"),
    ],
)
def test_country_decides_what_the_value_leaves_open(kind: str, said: str, country: str, value: Any) -> None:
    assert clean_one(kind, said, CleanContext(country, "EUR", "UTC"))[0] == value


def test_time_of_a_city_whose_clock_changes_at_midnight() -> None:
    context = CleanContext("BR", "BRL", "America/Sao_Paulo")
    assert clean_one("date", "2017-10-15", context) == (date(2017, 10, 15), None)
    assert clean_one("timestamp", "2017-10-15", context) == (datetime(2017, 10, 15, 3, tzinfo=UTC), "nonexistent_time")
