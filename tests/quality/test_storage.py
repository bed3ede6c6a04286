"""Room: how long the disk will do, when to say so, and which files are worth compacting."""

from __future__ import annotations

import pytest

from quality.storage import FEWEST_NIGHTS, MARGIN, NOTICE, Measured, is_wasteful, judge, look_ahead, refusal

MB, GB = 10**6, 10**9


def nights(dagster: list[int], *, free: int, build: int = 100 * MB, versions: int = 700 * MB) -> list[Measured]:
    """Nights of a home in which only Dagster's part changes."""
    steady = {"build": build, "versions": versions, "raw/shop": 50 * MB, "raw/crm": 20 * MB}
    return [Measured({**steady, "dagster": size}, free) for size in dagster]


def test_nights_left_follow_the_growth() -> None:
    outlook = look_ahead(nights([20 * MB * n for n in range(1, 13)], free=10 * GB), keep_versions=7)
    assert outlook.growth == 20 * MB
    assert outlook.nights == 500
    assert not outlook.is_short
    assert outlook.sentence() == (
        "1.1 GB in the data home, 10.0 GB free on its disk: room for about 500 nights, at 20 MB a night."
    )


@pytest.mark.parametrize("odd", [{5: 0}, {5: 3 * GB, 6: 3 * GB}, {0: 0, 1: 0}, {11: 2 * GB}])
def test_a_night_out_of_the_ordinary_changes_little(odd: dict[int, int]) -> None:
    sizes = [odd.get(n, 20 * MB * (n + 1)) for n in range(20)]
    growth = look_ahead(nights(sizes, free=10 * GB), keep_versions=7).growth
    assert growth == pytest.approx(20 * MB, rel=0.1)


def test_a_file_that_was_compacted_does_not_hide_the_growth() -> None:
    sizes = [20 * MB * n - (300 * MB if n > 20 else 0) for n in range(10, 40)]
    assert look_ahead(nights(sizes, free=10 * GB), keep_versions=7).growth == 20 * MB


def test_only_the_last_nights_count() -> None:
    sizes = [100 * MB * n for n in range(60)] + [6 * GB + MB * n for n in range(30)]
    assert look_ahead(nights(sizes, free=10 * GB), keep_versions=7).growth == MB


def test_no_claim_before_enough_nights() -> None:
    outlook = look_ahead(nights([20 * MB * n for n in range(FEWEST_NIGHTS - 1)], free=GB), keep_versions=7)
    assert (outlook.growth, outlook.nights, outlook.is_short) == (None, None, False)
    assert outlook.sentence().endswith("can be told after 10 nights.")


def test_what_does_not_grow_lasts() -> None:
    outlook = look_ahead(nights([20 * MB] * 20, free=GB), keep_versions=7)
    assert (outlook.growth, outlook.nights, outlook.is_short) == (0, None, False)
    assert outlook.sentence().endswith("it does not grow.")


def test_versions_still_to_come_are_no_growth_but_take_room() -> None:
    first = [Measured({"build": 100 * MB, "versions": 100 * MB * min(n, 7)}, 2 * GB - 100 * MB * n) for n in range(12)]
    steady = [Measured({**night.parts, "dagster": 10 * MB * n}, night.disk_free) for n, night in enumerate(first[:11])]
    assert look_ahead(steady, keep_versions=7).growth == 10 * MB
    few = [Measured({"build": 100 * MB, "versions": 100 * MB, "dagster": 10 * MB * n}, GB) for n in range(12)]
    assert look_ahead(few, keep_versions=7).nights == (1000 - 600) // 10


@pytest.mark.parametrize(("free", "short"), [(20 * MB * NOTICE, False), (20 * MB * NOTICE - MB, True)])
def test_warns_thirty_nights_ahead(free: int, short: bool) -> None:
    outlook = look_ahead(nights([20 * MB * n for n in range(1, 13)], free=free), keep_versions=7)
    result = judge(outlook)
    assert outlook.is_short is not result.passed
    assert result.passed is not short
    assert result.severity == "warning"
    assert ("millpond compact" in result.description) is short


def test_warns_when_a_night_may_not_fit() -> None:
    outlook = look_ahead(nights([0], free=250 * MB + MARGIN - 1), keep_versions=7)
    assert outlook.needed == 250 * MB + MARGIN
    assert outlook.is_short
    assert "a night may need 317 MB at once" in outlook.sentence()
    assert not look_ahead(nights([0], free=250 * MB + MARGIN), keep_versions=7).is_short


def test_a_night_that_cannot_fit_is_refused_with_what_to_do() -> None:
    assert refusal(100 * MB, 100 * MB + MARGIN, 7) is None
    told = refusal(100 * MB, 100 * MB + MARGIN - 1, 7)
    assert told is not None
    assert told.startswith("No night was begun: it needs at least 167 MB on the disk of the data home, and 167 MB are")
    for mend in ("keep_versions in millpond.toml, now 7", "millpond compact", "MILLPOND_HOME"):
        assert mend in told


def test_files_worth_compacting() -> None:
    mib = 1 << 20
    assert is_wasteful(300 * mib, 160 * mib)
    assert not is_wasteful(300 * mib, 150 * mib)
    assert not is_wasteful(150 * mib, 99 * mib)
    assert is_wasteful(20 * mib, 13 * mib, copies=8)
