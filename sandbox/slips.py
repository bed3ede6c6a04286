"""Slips of the pen in columns of text: typing errors, and letters that a system could not keep.

Works on whole columns. What is planted for the cleaning rules, with its mended value, is `dirt`'s.
"""

from __future__ import annotations

import numpy as np
import polars as pl

_ROWS = ("qwertzuiop", "asdfghjkl", "yxcvbnm")
_BESIDE = {c: (row[max(i - 1, 0) : i] + row[i + 1 : i + 2]) for row in _ROWS for i, c in enumerate(row)}
_TRANSCRIBED = {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"}
_STRIPPED = {"ä": "a", "ö": "o", "ü": "u", "Ä": "A", "Ö": "O", "Ü": "U", "ß": "s", "é": "e", "è": "e", "ı": "i"}


def typing(
    random: np.random.Generator, column: pl.Series, share: float, *, digits: bool = False, start: int = 0
) -> tuple[pl.Series, np.ndarray]:
    """Mistypes a share of the texts by one character.

    Args:
        random: Where chance comes from.
        column: The texts; nulls and texts of less than four characters after `start` stay.
        share: Of the texts, how many to mistype.
        digits: Whether digits are mistyped rather than letters.
        start: How many characters at the beginning are safe.

    Returns:
        The column, and which rows are another text now.
    """
    long = (column.str.len_chars() >= start + 4).fill_null(False).to_numpy()
    rows = np.flatnonzero((random.random(len(column)) < share) & long)
    draws = random.integers(0, 2**31, (len(rows), 2)).tolist()
    old = column.gather(rows).to_list()
    new = [_mistyped(text, *draw, digits=digits, start=start) for text, draw in zip(old, draws, strict=True)]
    hit = np.zeros(len(column), dtype=bool)
    hit[rows] = [a != b for a, b in zip(old, new, strict=True)]
    return column.scatter(rows, new), hit


def _mistyped(text: str, place: int, kind: int, *, digits: bool, start: int) -> str:
    # The first letter is right, mostly.
    first = start + (1 if kind % 11 else 0)
    at = first + place % (len(text) - first)
    before, char, after = text[:at], text[at], text[at + 1 :]
    kinds = kind % 4
    if kinds == 0 and after:
        return before + after[0] + char + after[1:]
    if kinds == 1:
        return before + after
    if kinds == 2:
        return before + char + char + after
    if digits:
        return before + str((kind // 4) % 10) + after
    beside = _BESIDE.get(char.lower(), "e")
    other = beside[(kind // 4) % len(beside)]
    return before + (other.upper() if char.isupper() else other) + after


def transcribed(column: pl.Series) -> pl.Series:
    """Umlauts as two letters."""
    return column.str.replace_many(_TRANSCRIBED)


def stripped(column: pl.Series) -> pl.Series:
    """Letters without their marks."""
    return column.str.replace_many(_STRIPPED)
