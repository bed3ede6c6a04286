"""Literal values that have broken readers elsewhere, and ways to make worse ones of good ones."""

from __future__ import annotations

from hypothesis import strategies as st

#: What is invisible or turns the direction of writing.
UNSEEN = "\u00ad\u061c\u200b\u200c\u200d\u200e\u200f\u202a\u202c\u202e\u2060\u2066\u2069\ufeff\ufe0f\u034f"
SPACES = " \t\n\r\x0b\x0c\x1c\x85\u00a0\u1680\u2002\u2007\u2009\u2028\u2029\u202f\u3000"
MARKS = ".,'-/:;+()%€$£¥#@\"\\_|&=<>{}[]^`~?!\u2019\u2212\u2013\u066b\u066c·"
DIGITS = "0123456789٠١٢٣٤٥٦٧٨٩०१２３²³½①⑴Ⅷ〇"
LETTERS = "aAzZeEtTxXnNéÉüÜßẞıİǅŁøÆñçÃâÂ€™ÅКирДж日本語שלוםعربي👩‍👧🇩🇪ﬁ\u0301\u0308\u0323가각\u1100\u1161ﬀΑςΣ"

#: Any character, those that trouble readers more often than others. No halves of surrogate pairs: text has none.
CHARACTERS = st.one_of(
    st.sampled_from(UNSEEN + SPACES + MARKS + DIGITS + LETTERS),
    st.characters(exclude_categories=["Cs"]),
)
TEXT = st.text(CHARACTERS, max_size=24)

#: Sound values of each kind, to be spoilt.
SOUND: dict[str, tuple[str, ...]] = {
    "boolean": ("true", "0", "Ja", "não", "X", "1.0", "off"),
    "category": ("past_due", "Past Due", "PAST-DUE"),
    "city": ("SÃO PAULO", "frankfurt am main", "Den Haag", "'s-gravenhage", "İSTANBUL"),
    "company_name": ("ACME  GmbH", "Müller & Söhne", "MÃ¼ller", "株式会社"),
    "country": ("DE", "Deutschland", "deu", "UK", "Côte d’Ivoire", "u.s.a."),
    "currency": ("EUR", "€", "R$", "kr", "Euro", "us$"),
    "date": (
        *("2024-02-29", "31.12.2024", "12/31/2024", "03/04/2024", "31.12.24", "5. März 2024", "Jan 5, 2024"),
        *("20240105", "45296", "45296.75", "2024-01-05T23:30:00Z", "0000-00-00", "9999-12-31", "1900-01-01"),
        *("1719835200", "3 de fevereiro de 2023", "1/1/1970", "2100-12-31", "29.2.2023"),
    ),
    "domain": ("shop.de", "https://www.Shop.de/x", "anna@shop.de", "www.münchen.de"),
    "email": (
        "anna.meier@example.com",
        "Anna <Anna@b.de>",
        "a@@b.de",
        "a@b,com",
        "mailto:a@b.de?x=1",
        "ü@c.de",
        "a b@c.de",
    ),
    "id": ("007", "123.0", "A-1", "n/a"),
    "integer": ("42", "42.0", "1.234", "1,234,567", "-7", "1e3", "999999999999999999", "0042"),
    "json": ('{"a": 1}', "[1, 2.50]", '"x"', "null"),
    "label": ("Direct  Traffic", "paid search", "ÄRGER"),
    "language": ("pt_BR", "Deutsch", "eng", "zh-Hant"),
    "money": (
        *("12.50", "1.234,56", "1,234.56", "1 234,56 €", "1'234.50", "1.234.567", "1,00,000.50", "(12.50)", "12,5-"),
        *(
            "−12,5",
            "-€ 12.50",
            "12,-",
            "EUR 3",
            "1.234",
            "0.123",
            "$5",
            "5 USD",
            "R$ 1.234,56",
            "1e3",
            "+7",
            ".5",
            "5.",
        ),
        *("99999999999999.9999", "0", "-0", "0,00", "1\u00a0234,56", "1\u202f234,5 EUR", "CHF 1’234.–"),
    ),
    "percent": ("12,5 %", "0.5%", "100", "-3 %"),
    "person_name": ("Dr. Anna Meier", "Meier, Anna", "ANNA VAN DER BERG", "o'neil mcdonald", "Null", "AA.İ", "JR"),
    "phone": (
        *("0151 23456789", "+4915123456789", "0049 30 901820", "+49 (0)30 901820", "+1 415-555-2671 ext. 12"),
        *("(415) 555-2671", "+44 20 7946 0958", "tel:+49-30-901820", "112", "0000000", "+39 06 1234 5678"),
    ),
    "postcode": ("01067", "sw1a 1aa", "1012 AB"),
    "quantity": ("3", "0,5", "1.234,5", "12.0000", "1e-4"),
    "rate": ("1.23456789", "0,05", "1"),
    "region": ("SP", "Île-de-France"),
    "sku": (" ab–00123 ", "00123", "a b"),
    "street": ("Hauptstraße\u00a012", "12 Rue de l’Église"),
    "text": ("ok", "two\nlines", "a\r\nb", "zero\u200bwidth", "cafe\u0301", "MÃ¼ller", "donâ€™t", "#N/A", "  ends "),
    "timestamp": (
        *("2024-07-01 12:00:00", "2024-07-01T12:00:00.250+0300", "01.07.2024 12:00", "7/31/2024 1:05 PM"),
        *("Mon, 01 Jul 2024 12:00:00 +0000", "1719835200500", "2024-03-31 02:30:00", "2024-10-27 02:30:00"),
        *("2024-07-01", "2024-07-01T12:00:00Z", "1.7.2024 12:00 Uhr", "20240701T120000Z", "2024-12-31 23:59:60"),
    ),
    "url": ("https://shop.de/a?b=c", "Example.COM/Path", "/products/1", "http://x.de:8080", "//x.de"),
}


@st.composite
def spoilt(draw: st.DrawFn, kind: str) -> str:
    """A sound value of a kind with a few characters put in, taken out, doubled or turned into others."""
    text = draw(st.sampled_from(SOUND[kind]))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        match draw(st.integers(0, 4)):
            case 0:
                text = text[:at] + draw(CHARACTERS) + text[at:]
            case 1:
                text = text[:at] + text[at + 1 :]
            case 2:
                text = text[:at] + text[at - 1 : at] + text[at:]
            case 3:
                text = text[:at] + draw(CHARACTERS) + text[at + 1 :]
            case _:
                text = text[:at] + draw(st.sampled_from(SOUND[kind])) + text[at:]
    return text
