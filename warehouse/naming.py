"""Names of files that say when they were made, and sort in the order in which they were, whatever the clock said."""

from __future__ import annotations

from collections.abc import Iterable


def order(name: str, length: int) -> tuple[int, str]:
    """What a name sorts by: how often the clock had gone back, and the time that it then said.

    Args:
        name: a time, and where the clock had gone back a hyphen and a number from 2 on, such as 2026-10-31-2.
        length: of the time.
    """
    return int(name[length + 1 :] or 1), name[:length]


def following(names: Iterable[str], time: str, *, same: bool) -> str:
    """A name that sorts after all names there are.

    Args:
        names: those there are.
        time: what the clock says, in as many characters as the names begin with.
        same: give the last name again while the clock says the same.
    """
    number, last = max((order(name, len(time)) for name in names), default=(1, ""))
    if time < last or (time == last and not same):
        number += 1
    return time if number == 1 else f"{time}-{number}"
