"""Numbers, amounts and moments, and the ways in which columns write them, so that what they mean is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal

from hypothesis import strategies as st

_CURRENCIES = ("{}", "{} €", "€ {}", "€{}", "EUR {}", "{} EUR", "{}\u00a0€")
_SIGNS = ("-{}", "−{}", "({})", "{}-", "- {}")


@dataclass(frozen=True)
class Notation:
    """How a column writes its numbers."""

    decimal: str
    group: str
    sign: str
    currency: str

    def write(self, number: Decimal) -> str:
        """The number with all its digits; grouped by thousands where the notation groups."""
        whole, _, fraction = f"{abs(number):f}".partition(".")
        grouped = f"{int(whole):,}".replace(",", self.group)
        text = f"{grouped}{self.decimal}{fraction}" if fraction else grouped
        text = self.currency.format(text)
        return self.sign.format(text) if number < 0 else text


@st.composite
def notations(draw: st.DrawFn, *, currencies: bool) -> Notation:
    """A notation whose marks do not contradict each other."""
    decimal = draw(st.sampled_from(",."))
    group = draw(st.sampled_from(["", " ", "'", "’", "\u00a0", "\u202f", "." if decimal == "," else ","]))
    currency = draw(st.sampled_from(_CURRENCIES)) if currencies else "{}"
    return Notation(decimal, group, draw(st.sampled_from(_SIGNS)), currency)


def numbers(places: int) -> st.SearchStrategy[Decimal]:
    """Numbers of all sizes with as many decimals or fewer."""
    return st.builds(
        lambda digits, scale: Decimal(digits).scaleb(-scale),
        st.one_of(st.integers(-(10**4), 10**4), st.integers(-(10**9), 10**9), st.integers(-(10**13), 10**13)),
        st.integers(0, places),
    )


_DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_MONATE = (
    *("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli"),
    *("August", "September", "Oktober", "November", "Dezember"),
)

#: Ways to write a day that leave no doubt.
CLEAR_DAYS: tuple[Callable[[datetime], str], ...] = (
    lambda d: f"{d:%Y-%m-%d}",
    lambda d: f"{d:%Y/%m/%d}",
    lambda d: f"{d:%Y.%m.%d}",
    lambda d: f"{d:%Y%m%d}",
    lambda d: f"{d.year}-{d.month}-{d.day}",
    lambda d: f"{d:%d.%m.%Y}",
    lambda d: f"{d.day}.{d.month}.{d.year}",
    lambda d: f"{d.day}. {_MONATE[d.month - 1]} {d.year}",
    lambda d: f"{_MONTHS[d.month - 1]} {d.day}, {d.year}",
    lambda d: f"{_MONTHS[d.month - 1][:3]} {d.day} {d.year}",
    lambda d: f"{d.day} {_MONTHS[d.month - 1][:3].upper()} {d.year}",
    lambda d: f"{d:%d}-{_MONTHS[d.month - 1][:3]}-{d.year}",
    lambda d: f"{_DAY_NAMES[d.weekday()]}, {d:%d} {_MONTHS[d.month - 1][:3]} {d.year}",
)
#: Ways that another order of day and month would read otherwise, by order.
OPEN_DAYS: dict[str, tuple[Callable[[datetime], str], ...]] = {
    "day": (
        lambda d: f"{d:%d/%m/%Y}",
        lambda d: f"{d:%d-%m-%Y}",
        lambda d: f"{d.day}/{d.month}/{d.year}",
    ),
    "month": (
        lambda d: f"{d:%m/%d/%Y}",
        lambda d: f"{d:%m-%d-%Y}",
        lambda d: f"{d.month}/{d.day}/{d.year}",
    ),
}


def _half_day(moment: datetime) -> str:
    return f"{moment.hour % 12 or 12}:{moment:%M:%S} {'PM' if moment.hour > 11 else 'AM'}"


#: Ways to write the time of a day, with the zone that they name, if they name one.
CLOCKS: tuple[tuple[Callable[[datetime], str], tzinfo | None], ...] = (
    (lambda m: f" {m:%H:%M:%S}", None),
    (lambda m: f" {m.hour}:{m:%M:%S}", None),
    (lambda m: f" {_half_day(m)}", None),
    (lambda m: f", {_half_day(m).lower()}", None),
    (lambda m: f" {m:%H:%M:%S} Uhr", None),
    (lambda m: f"T{m:%H:%M:%S}Z", UTC),
    (lambda m: f" {m:%H:%M:%S} UTC", UTC),
    (lambda m: f"T{m:%H:%M:%S}.000+02:00", timezone(timedelta(hours=2))),
    (lambda m: f" {m:%H:%M:%S} -0330", timezone(-timedelta(hours=3, minutes=30))),
    (lambda m: f" {m:%H:%M:%S} GMT+1", timezone(timedelta(hours=1))),
    (lambda m: f"T{m:%H:%M:%S}+14", timezone(timedelta(hours=14))),
)
NO_CLOCK: tuple[Callable[[datetime], str], tzinfo | None] = (lambda m: "", None)

MOMENTS = st.one_of(
    st.datetimes(datetime(1900, 1, 2), datetime(2099, 12, 30)),
    st.datetimes(datetime(2023, 1, 1), datetime(2026, 12, 31)),
    st.sampled_from([datetime(2024, 2, 29), datetime(2024, 12, 31, 23, 59, 59), datetime(2000, 2, 29, 12)]),
).map(lambda m: m.replace(microsecond=0))
