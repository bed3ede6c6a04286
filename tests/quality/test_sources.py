"""Sentences about a source's counts and its interface's end."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from quality.sources import NOTICE, count_sentence, sunset_sentence

END = date(2027, 3, 31)


def test_equal_counts_are_no_news() -> None:
    assert count_sentence("orders", 5, 5, "count endpoint") is None


@pytest.mark.parametrize(
    ("there", "here", "words"),
    [(1200, 1199, "1 row is missing here"), (7, 5, "2 rows are missing here"), (5, 7, "2 rows more here than there")],
)
def test_a_difference_is_named_with_its_sign(there: int, here: int, words: str) -> None:
    sentence = count_sentence("orders", there, here, "count endpoint")
    assert sentence is not None
    assert words in sentence
    assert "(count endpoint)" in sentence


def test_a_version_without_an_end_or_long_before_it_is_fine() -> None:
    assert sunset_sentence("Shop", "v1", None, "page", END) is None
    assert sunset_sentence("Shop", "v1", END, "page", END - NOTICE - timedelta(days=1)) is None


def test_a_version_near_its_end_counts_the_days() -> None:
    sentence = sunset_sentence("Shop", "v1", END, "https://shop.example/changes", END - timedelta(days=10))
    assert sentence == (
        "Shop will stop serving version v1 in 10 days, on 2027-03-31. Update Millpond. "
        "See https://shop.example/changes."
    )


def test_a_version_past_its_end_says_since_when() -> None:
    sentence = sunset_sentence("Shop", "v1", END, "page", END)
    assert sentence is not None
    assert "no longer serves version v1 of its interface since 2027-03-31" in sentence
