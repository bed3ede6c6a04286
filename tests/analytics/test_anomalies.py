"""Series with one thing in them each: what is flagged, what is not, what is not said for want of a past."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analytics.anomalies import THRESHOLD, WARM_UP, detect, sentence

MONDAY = date(2023, 1, 2)
WEEK = np.array([50, 48, 52, 55, 70, 30, 20])
JUDGED = ["expected", "lower", "upper", "score", "is_anomaly"]


def frame(
    values: Sequence[float | None] | np.ndarray, series_id: str | int = "a", start: date = MONDAY
) -> pl.DataFrame:
    days = [start + timedelta(days=n) for n in range(len(values))]
    return pl.DataFrame({"series_id": [series_id] * len(values), "ts": days, "value": list(values)}, strict=False)


def weekly(days: int, seed: int = 0, level: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(np.resize(WEEK, days) * level).astype(float)


def flagged(judged: pl.DataFrame) -> list[int]:
    return judged["is_anomaly"].arg_true().to_list()


def test_spike_and_drop_on_a_weekly_series_are_the_only_anomalies() -> None:
    values = weekly(140)
    values[100], values[120] = 3 * values[100], 4
    judged = detect(frame(values))
    assert flagged(judged) == [100, 120]
    assert judged["score"][100] > 0.99
    assert judged["upper"][100] < values[100]
    assert judged["lower"][120] > 4


def test_expectation_follows_the_weekday() -> None:
    judged = detect(frame(np.resize(WEEK, 140)))
    np.testing.assert_allclose(judged["expected"][-7:], WEEK, rtol=0.03)
    assert flagged(judged) == []


def test_a_usual_sunday_value_on_a_friday_is_an_anomaly() -> None:
    values = weekly(140)
    values[14 * 7 + 4] = 20
    assert flagged(detect(frame(values))) == [14 * 7 + 4]


@pytest.mark.parametrize("cut", [10, WARM_UP, 30, 77, 150])
def test_no_row_is_judged_by_later_rows(cut: int) -> None:
    values = np.round(weekly(200, seed=3) * 1.1, 2)
    whole = detect(frame(values), holidays=[MONDAY + timedelta(days=40)])
    assert_frame_equal(detect(frame(values[:cut]), holidays=[MONDAY + timedelta(days=40)]), whole.head(cut))


@pytest.mark.parametrize("future", [-500.0, 0.0, 1e6, None, 0.123])
def test_no_row_is_judged_by_itself_or_what_comes_after(future: float | None) -> None:
    values = [*weekly(100)]
    changed = [*values[:80], *[future] * 20]
    bounds = ["expected", "lower", "upper"]
    assert_frame_equal(detect(frame(changed)).head(81)[bounds], detect(frame(values)).head(81)[bounds])


def test_hourly_rows_are_not_judged_by_later_rows() -> None:
    rng = np.random.default_rng(1)
    times = [datetime(2023, 1, 2) + timedelta(minutes=60 * n + int(rng.integers(0, 3))) for n in range(600)]
    values = 100 + 50 * np.sin(2 * np.pi * np.arange(600) / 24) + rng.normal(0, 3, 600)
    rows = pl.DataFrame({"series_id": 1, "ts": times, "value": values})
    whole = detect(rows)
    assert whole["expected"].null_count() == 72
    for cut in (100, 333):
        assert_frame_equal(detect(rows.head(cut)), whole.head(cut))


def test_values_coming_more_often_later_change_nothing_before() -> None:
    days = [datetime(2023, 1, 2) + timedelta(days=n) for n in range(60)]
    hours = [days[-1] + timedelta(hours=n) for n in range(1, 200)]
    rows = pl.DataFrame({"series_id": 1, "ts": days + hours, "value": [*weekly(60), *weekly(199)]})
    assert_frame_equal(detect(rows).head(60), detect(rows.head(60)))


def test_daily_season_of_hourly_values_is_found() -> None:
    rng = np.random.default_rng(1)
    times = [datetime(2023, 1, 2) + timedelta(hours=n) for n in range(24 * 21)]
    values = 100 + 50 * np.sin(2 * np.pi * np.arange(24 * 21) / 24) + rng.normal(0, 3, 24 * 21)
    values[24 * 18 + 6] = 100  # usual at midnight, not at six
    judged = detect(pl.DataFrame({"series_id": "load", "ts": times, "value": values}))
    assert 24 * 18 + 6 in flagged(judged)
    assert len(flagged(judged)) <= 3


def test_little_history_is_not_judged() -> None:
    judged = detect(frame([10.0] * (WARM_UP - 1) + [10_000.0, 10.0]))
    assert judged["expected"].null_count() == judged["upper"].null_count() == WARM_UP
    assert judged["score"][:WARM_UP].to_list() == [0.0] * WARM_UP
    assert flagged(judged) == []
    assert judged["expected"][WARM_UP] == pytest.approx(10, rel=0.1)


def test_days_without_a_value_are_no_history() -> None:
    values = [10.0 if day % 3 == 0 else None for day in range(3 * WARM_UP + 1)]
    assert detect(frame(values))["expected"].is_not_null().arg_true().to_list() == [61, 62, 63]


def test_small_counts_are_noise_and_large_ones_are_not() -> None:
    assert flagged(detect(frame([*[0.0] * 60, 2.0]))) == []
    assert flagged(detect(frame([*[0.0] * 60, 40.0]))) == [60]
    assert flagged(detect(frame([*[4.0, 5.0] * 30, 1.0]))) == []


def test_rare_events_are_usual_in_a_rare_series() -> None:
    values = np.random.default_rng(5).poisson(0.15, 500).astype(float)
    values[450] = 15
    assert flagged(detect(frame(values))) == [450]


def test_rare_amounts_of_usual_size_are_no_anomalies_once_known() -> None:
    values = np.zeros(300)
    values[30::23] = 99.5
    judged = flagged(detect(frame(values)))
    assert [day for day in judged if day > 100] == []


def test_constant_series_stays_quiet_until_it_changes() -> None:
    judged = detect(frame([0.5] * 90 + [0.7] + [0.5] * 6 + [0.504] + [0.5]))
    assert flagged(judged) == [90]


def test_level_shift_is_flagged_at_first_and_then_learned() -> None:
    values = weekly(200)
    values[120:] = weekly(200, seed=9, level=2.0)[120:]
    days = flagged(detect(frame(values)))
    assert {120, 121, 122} <= set(days)
    assert [day for day in days if not 120 <= day < 134] == []


def test_past_anomalies_do_not_blunt_the_judgement() -> None:
    values = weekly(150)
    values[[80, 95, 110]] *= 4
    values[124] = 5
    assert flagged(detect(frame(values))) == [80, 95, 110, 124]


def test_outage_of_days_is_flagged_and_the_return_is_not() -> None:
    values = weekly(150)
    values[100:104] = 0
    assert flagged(detect(frame(values))) == [100, 101, 102, 103]


def test_two_suspicious_days_narrow_the_bound_of_the_third() -> None:
    steady = np.random.default_rng(2).normal(1000.5, 20, 120)
    low = steady.copy()
    low[100:102] = 1000.5 - 2.4 * 20
    assert detect(frame(low))["lower"][102] > detect(frame(steady))["lower"][102] + 10
    assert detect(frame(low))["upper"][102] >= detect(frame(steady))["upper"][102] - 10


def test_growth_is_no_anomaly() -> None:
    rate = np.resize(WEEK, 500) * np.exp(np.arange(500) / 250)
    values = np.random.default_rng(4).poisson(rate)
    assert len(flagged(detect(frame(values)))) <= 1


def test_values_below_zero_are_judged_by_their_own_noise() -> None:
    values = np.random.default_rng(6).normal(-5, 2, 150)
    values[140] = 12
    judged = detect(frame(values))
    assert flagged(judged) == [140]
    assert judged["expected"][141] == pytest.approx(-5, abs=1)


def test_null_and_nan_are_no_anomalies_but_have_an_expectation() -> None:
    values: list[float | None] = [*weekly(100)]
    values[80], values[90] = None, float("nan")
    judged = detect(frame(values))
    assert flagged(judged) == []
    assert judged["score"][80] == judged["score"][90] == 0.0
    assert judged["expected"][80] == pytest.approx(WEEK[80 % 7], rel=0.3)
    assert judged["value"][80] is None


def test_missing_days_keep_the_weekday() -> None:
    rows = frame(np.resize(WEEK, 140)).filter(pl.int_range(pl.len()).is_in([50, 51, 52, 53, 90]).not_())
    judged = detect(rows)
    assert flagged(judged) == []
    np.testing.assert_allclose(judged["expected"][-7:], WEEK, rtol=0.03)


def test_after_a_long_gap_the_level_is_unknown() -> None:
    rows = frame(weekly(700)).filter(~pl.int_range(pl.len()).is_between(200, 600))
    judged = detect(rows)
    assert judged["expected"][199] is not None
    assert judged["expected"][200:203].to_list() == [None] * 3
    assert judged["expected"][230] is not None


def test_known_holiday_is_expected_and_an_unknown_one_is_judged_mildly() -> None:
    start = date(2021, 1, 4)
    values = weekly(1000)
    christmas = [(date(year, 12, 25) - start).days for year in (2021, 2022)]
    values[christmas] *= 0.3
    rows = frame(values, start=start)
    days = [date(2021, 12, 25), date(2022, 12, 25)]
    assert set(christmas) <= set(flagged(detect(rows)))
    judged = detect(rows, holidays=days)
    assert not set(christmas) & set(flagged(judged))
    first, second = christmas
    assert judged["expected"][second] < 0.6 * detect(rows)["expected"][second]
    width = judged["upper"] - judged["lower"]
    assert width[first] > 1.5 * width[first - 7]


def test_named_holidays_that_move_learn_from_each_other() -> None:
    start = date(2021, 1, 4)
    values = weekly(1000)
    easter = {date(2021, 4, 5): "Easter Monday", date(2022, 4, 18): "Easter Monday", date(2023, 4, 10): "Easter Monday"}
    places = [(day - start).days for day in easter]
    values[places] *= 0.3
    rows = frame(values, start=start)
    named, plain = detect(rows, holidays=easter), detect(rows, holidays=list(easter))
    assert named["expected"][places[1]] < 0.7 * plain["expected"][places[1]]
    values[places[2]] = 90  # a holiday on which people shop as never before is news
    assert set(places) & set(flagged(detect(frame(values, start=start), holidays=easter))) == {places[2]}


def test_rows_keep_their_order_columns_and_series() -> None:
    calm, odd = weekly(100), weekly(100, seed=8)
    odd[70] = 400
    rows = pl.concat([frame(calm, 1), frame(odd, 2)]).with_columns(note=pl.lit("x"))
    mixed = rows.sample(fraction=1.0, shuffle=True, seed=1)
    judged = detect(mixed)
    assert judged.columns == ["series_id", "ts", "value", "note", *JUDGED]
    assert_frame_equal(judged.drop(JUDGED), mixed)
    assert judged.filter("is_anomaly").select("series_id", "ts").rows() == [(2, MONDAY + timedelta(days=70))]
    assert_frame_equal(judged.sort("series_id", "ts"), detect(rows))


def test_rows_of_one_day_are_judged_by_the_same_past() -> None:
    values = weekly(100)
    values[80] = 60
    again = pl.DataFrame({"series_id": ["a"], "ts": [MONDAY + timedelta(days=80)], "value": [900.0]})
    judged = detect(pl.concat([frame(values), again]))
    assert judged["expected"][80] == judged["expected"][-1]
    assert flagged(judged) == [100]


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_midnights_are_days_also_across_the_change_of_clocks(zone: str | None) -> None:
    values = weekly(140)
    values[120] = 300
    tz = ZoneInfo(zone) if zone else None
    rows = frame(values).with_columns(
        pl.Series("ts", [datetime(2023, 1, 2, tzinfo=tz) + timedelta(days=n) for n in range(140)])
    )
    holiday = [MONDAY + timedelta(days=90)]
    assert_frame_equal(detect(rows, holidays=holiday)[JUDGED], detect(frame(values), holidays=holiday)[JUDGED])


def test_whole_numbers_and_decimals_are_taken_alike() -> None:
    values = [int(value) for value in weekly(100)]
    floats = detect(frame(np.array(values, float)))[JUDGED]
    assert_frame_equal(detect(frame(values))[JUDGED], floats)
    assert_frame_equal(detect(frame(values).with_columns(pl.Series("value", map(Decimal, values))))[JUDGED], floats)


def test_a_higher_threshold_widens_the_bounds() -> None:
    rows = frame(weekly(100))
    usual, strict = detect(rows), detect(rows, threshold=0.9999)
    assert THRESHOLD < 0.9999
    assert strict["upper"][-1] > usual["upper"][-1]
    assert strict["score"].to_list() != [0.0] * 100


def test_is_anomaly_is_the_same_as_outside_the_bounds() -> None:
    values = weekly(400) * np.random.default_rng(3).choice([1, 1, 1, 2.3, 0.1], 400, p=[0.3, 0.3, 0.3, 0.05, 0.05])
    judged = detect(frame(values)).drop_nulls()
    outside = (judged["value"] < judged["lower"]) | (judged["value"] > judged["upper"])
    assert outside.any()
    assert judged["is_anomaly"].to_list() == outside.to_list()
    assert judged["score"].is_between(0, 1).all()


def test_false_alarms_on_clean_noise_are_rare() -> None:
    rows = pl.concat([frame(weekly(365, seed=seed), seed) for seed in range(60)])
    assert detect(rows)["is_anomaly"].mean() < 0.003  # type: ignore[operator]


def test_nothing_in_nothing_out() -> None:
    empty = frame([]).cast({"series_id": pl.String, "ts": pl.Date, "value": pl.Float64})
    judged = detect(empty)
    assert judged.shape == (0, 8)
    assert judged.schema["is_anomaly"] == pl.Boolean
    assert judged.schema == detect(frame(weekly(30))).schema
    assert detect(frame([None] * 40))["score"].to_list() == [0.0] * 40


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (pl.DataFrame({"ts": [MONDAY], "value": [1.0]}), "series_id is missing"),
        (pl.DataFrame({"series_id": [1], "ts": ["2023-01-02"], "value": [1.0]}), "The column ts holds String"),
        (pl.DataFrame({"series_id": [1], "ts": [MONDAY], "value": ["1"]}), "The column value holds String"),
        (pl.DataFrame({"series_id": [1, 1], "ts": [MONDAY, None], "value": [1.0, 2.0]}), "1 rows have no ts"),
    ],
)
def test_unfit_input_is_refused_in_a_sentence(rows: pl.DataFrame, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        detect(rows)


@pytest.mark.parametrize(
    ("unit", "currency", "numbers", "says"),
    [
        ("count", None, (12, 41.2, 30.1, 53.4), "12, expected 41 (30 to 53), 71% below."),
        ("count", None, (12345, 4100.2, 3000, 5300), "12,345, expected 4,100 (3,000 to 5,300), 3 times as much."),
        ("count", None, (6, 0.4, 0.0, 3.2), "6, expected 0.4 (0.0 to 3.2), 15 times as much."),
        ("count", None, (6, 0.0, 0.0, 0.0), "6, expected 0.00 (0.00 to 0.00)."),
        ("money", "EUR", (1801.5, 1200, 900, 1500), "1,802 EUR, expected 1,200 EUR (900 EUR to 1,500 EUR), 50% above."),
        ("money", "EUR", (3.5, 7, 5, 9.25), "3.50 EUR, expected 7.00 EUR (5.00 EUR to 9.25 EUR), 50% below."),
        ("ratio", None, (0.011, 0.031, 0.025, 0.038), "1.1%, expected 3.1% (2.5% to 3.8%), 2.0 points below."),
        ("percent", None, (1.1, 3.1, 2.5, 3.8), "1.1%, expected 3.1% (2.5% to 3.8%), 2.0 points below."),
        ("count", None, (None, 41.2, 30.1, 53.4), "no value, expected 41 (30 to 53)."),
    ],
)
def test_sentence(
    unit: str, currency: str | None, numbers: tuple[float | None, float, float, float], says: str
) -> None:
    value, expected, lower, upper = numbers
    said = sentence(
        title="Orders",
        unit=unit,
        at=date(2025, 10, 14),
        value=value,
        expected=expected,
        lower=lower,
        upper=upper,
        currency=currency,
    )
    assert said == f"Orders on Tue 14 Oct: {says}"


def test_sentence_names_the_hour_of_an_hourly_value() -> None:
    said = sentence(title="Load", unit="count", at=datetime(2025, 10, 14, 15), value=9, expected=5, lower=2, upper=8)
    assert said.startswith("Load on Tue 14 Oct 15:00: 9")
