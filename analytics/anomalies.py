"""Anomalies in series of business numbers: which days are not what their past led to expect, and a sentence.

Here are the rows: time grids, units, scores and words. The statistics of the past are in `_baseline`; reading
metric_daily and writing insight.anomaly belong to the pipeline.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime, time
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics._baseline import Baseline, Flags, Floats, baseline

WARM_UP = 21
"""Values a series must have shown before any of it is judged: three weeks of days."""
THRESHOLD = 0.975
"""Score from which a value is called an anomaly; `detect` draws its bounds there."""
TAIL_FREEDOM = 5.0
"""Degrees of freedom of the t distribution that turns distance into score: tails as heavy as business data's."""
NARROWEST = 2.0
"""Scales that a value must stray at least, however suspicious the days before it were."""
RUN_CAUTION = 1.1
"""A run of days must stray so much further than independent days would have to: neighbours are never independent."""

_DAY = 86_400
_STEPS = (
    1,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1200,
    1800,
    3600,
    7200,
    10800,
    14400,
    21600,
    28800,
    43200,
    _DAY,
    7 * _DAY,
)
_MONTH = 30.44 * _DAY
_LONGEST_PERIOD = 2016
_PANEL_CELLS = 300_000


class _Kind(NamedTuple):
    """How a series' values are put on a scale where their noise is about even."""

    name: str
    noise_floor: float
    ratio: bool


_COUNT = _Kind("count", 1.0, True)
_AMOUNT = _Kind("amount", 1e-9, True)
_SIGNED = _Kind("signed", 1e-9, False)
_RELATIVE_FLOOR = 0.01


def detect(
    series: pl.DataFrame,
    *,
    holidays: Collection[date] | Mapping[date, str] = (),
    threshold: float = THRESHOLD,
) -> pl.DataFrame:
    """Judge every value by the values of its series before it.

    Args:
        series: series_id, ts (Date or Datetime; a zone's wall time counts) and value (any number), in any
            order; further columns are kept. Rows sharing series and time slot are each judged by the same
            past and enter the history as their mean.
        holidays: Days on which the usual does not hold. With names (a mapping, such as the holidays package
            gives) a holiday learns from the earlier ones of its name, without from the same day of earlier years.
        threshold: Score from which is_anomaly is set.

    Returns:
        The rows of `series` in their order, plus expected, lower, upper, score (0 to 1) and is_anomaly. Expected is
        a typical value (nearer the median than the mean). A value is an anomaly exactly if it lies outside lower
        to upper; where the series was never below zero neither are the bounds. Two days astray to one side narrow
        the next day's bound on that side. Where the past is too thin (fewer than WARM_UP values, or three days of a
        finer series, or none lately) expected and bounds are null and score is 0. A null or NaN value is no
        anomaly, but has its expectation.

    Raises:
        ValueError: A column is missing or of an unfit type, ts has nulls, or threshold is not inside (0, 1).
    """
    from scipy.stats import t as student

    _check(series, threshold)
    rows = _rows(series)
    if rows.is_empty():
        return series.with_columns(
            **{name: pl.lit(None, pl.Float64) for name in ("expected", "lower", "upper")},
            score=pl.lit(0.0),
            is_anomaly=pl.lit(False),
        )
    names = _holiday_names(holidays)
    value = rows["value"].to_numpy()
    found = _Found.empty(len(rows))
    for grid in _grids(rows, names):
        _judge(grid, value, found, reach=float(student.ppf((1 + threshold) / 2, TAIL_FREEDOM)))
    with np.errstate(all="ignore"):
        score = 1 - 2 * student.sf(np.abs(found.z), TAIL_FREEDOM)
    score = np.where(np.isfinite(found.z), score, 0.0)
    judged = pl.DataFrame(
        {
            "expected": found.expected,
            "lower": found.lower,
            "upper": found.upper,
            "score": score,
            "is_anomaly": score >= threshold,
        },
        nan_to_null=True,
    )
    order = np.argsort(rows["_row"].to_numpy())
    return series.drop(judged.columns, strict=False).hstack(judged[order])


def sentence(
    *,
    title: str,
    unit: str,
    at: date,
    value: float | None,
    expected: float,
    lower: float,
    upper: float,
    currency: str | None = None,
) -> str:
    """Say one judged value plainly, e.g. "Orders on Tue 14 Oct: 12, expected 41 (30 to 53), 71% below."

    Args:
        title: The metric's title, with its member if it has one ("Orders, Germany").
        unit: "money", "ratio" (0.031 is 3.1%), "percent" (3.1 is 3.1%); anything else is a plain number.
        at: Day, or time with its hour if it is not midnight.
        currency: ISO code written after money.
    """
    when = f"{at:%a} {at.day} {at:%b}"
    if isinstance(at, datetime) and at.time() != time():
        when += f" {at:%H:%M}"
    size = max(abs(expected), abs(lower), abs(upper))
    usual, low, high = (_number(each, unit, currency, size) for each in (expected, lower, upper))
    if value is None or value != value:
        return f"{title} on {when}: no value, expected {usual} ({low} to {high})."
    shown = _number(value, unit, currency, max(size, abs(value)), exact=True)
    return f"{title} on {when}: {shown}, expected {usual} ({low} to {high}){_difference(value, expected, unit)}."


def _number(value: float, unit: str, currency: str | None, size: float, *, exact: bool = False) -> str:
    """A number as short as its size allows; a count that was counted stays whole."""
    if unit in ("ratio", "percent"):
        percent = value * 100 if unit == "ratio" else value
        scale = size * 100 if unit == "ratio" else size
        return f"{_plain(percent, 0 if scale >= 100 else 1 if scale >= 1 else 2)}%"
    if unit == "money":
        return _plain(value, 0 if size >= 1000 else 2) + (f" {currency}" if currency else "")
    whole = exact and value == round(value)
    return _plain(value, 0 if whole or size >= 10 else 1 if size >= 1 else 2)


def _plain(value: float, digits: int) -> str:
    text = f"{value:,.{digits}f}"
    return text.lstrip("-") if not any(digit in text for digit in "123456789") else text


def _difference(value: float, expected: float, unit: str) -> str:
    side = "above" if value > expected else "below"
    if unit in ("ratio", "percent"):
        points = abs(value - expected) * (100 if unit == "ratio" else 1)
        return f", {_plain(points, 1 if points >= 1 else 2)} points {side}"
    if expected <= 0 or value == expected:
        return ""
    if value >= 3 * expected:
        return f", {value / expected:,.0f} times as much" if value < 1000 * expected else ", far above"
    return f", {abs(value / expected - 1):.0%} {side}"


class _Found(NamedTuple):
    expected: Floats
    lower: Floats
    upper: Floats
    z: Floats

    @classmethod
    def empty(cls, size: int) -> _Found:
        return cls(*(np.full(size, np.nan) for _ in cls._fields))


class _Grid(NamedTuple):
    """Some series of one time step as a panel; `row`, `at` and `slot` say where each input row sits in it."""

    panel: Floats
    holiday: NDArray[np.int64]
    periods: tuple[int, ...]
    row: NDArray[np.int64]
    at: NDArray[np.int64]
    slot: NDArray[np.int64]


def _check(series: pl.DataFrame, threshold: float) -> None:
    missing = [name for name in ("series_id", "ts", "value") if name not in series.columns]
    if missing:
        raise ValueError(
            f"Anomaly detection needs the columns series_id, ts and value; {', '.join(missing)} is missing."
        )
    kind = series.schema["ts"]
    if kind != pl.Date and not isinstance(kind, pl.Datetime):
        raise ValueError(f"The column ts holds {kind}; anomaly detection needs dates or timestamps: cast it first.")
    if not series.schema["value"].is_numeric() and series.schema["value"] != pl.Null:
        raise ValueError(
            f"The column value holds {series.schema['value']}; anomaly detection needs numbers: cast it first."
        )
    if series["ts"].null_count():
        raise ValueError(
            f"{series['ts'].null_count()} rows have no ts; leave them out, since nothing says when they were."
        )
    if not 0 < threshold < 1:
        raise ValueError(f"threshold is {threshold}; it is a score and must lie between 0 and 1.")


def _rows(series: pl.DataFrame) -> pl.DataFrame:
    """Rows in order of series and time: _row (place in the input), series number, seconds, month, day, value."""
    wall = (
        pl.col("ts").cast(pl.Datetime("us"))
        if series.schema["ts"] == pl.Date
        else pl.col("ts").dt.replace_time_zone(None)
    )
    return (
        series.lazy()
        .select(
            pl.int_range(pl.len()).alias("_row"),
            pl.col("series_id").rank("dense").fill_null(0).cast(pl.Int64).alias("series"),
            wall.dt.epoch("s").alias("second"),
            (wall.dt.year().cast(pl.Int64) * 12 + wall.dt.month()).alias("month"),
            wall.dt.date().alias("day"),
            pl.col("value").cast(pl.Float64).alias("value"),
        )
        .with_columns(pl.when(pl.col("value").is_finite()).then("value").otherwise(float("nan")))
        .sort("series", "second", "_row")
        .collect()
    )


def _holiday_names(holidays: Collection[date] | Mapping[date, str]) -> dict[date, str]:
    if isinstance(holidays, Mapping):
        return {_day(day): str(name) for day, name in holidays.items()}
    return {_day(day): f"{_day(day):%m-%d}" for day in holidays}


def _day(value: date) -> date:
    return value.date() if isinstance(value, datetime) else value


def _step(seconds: NDArray[np.int64]) -> float:
    """Seconds between values, as the first gaps of the series show: a warm-up's worth, so no later row has a say."""
    gaps = np.diff(np.unique(seconds[:WARM_UP]))
    if not gaps.size:
        return _DAY
    usual = float(np.median(gaps))
    if usual >= _DAY and gaps.min() < 7 * _DAY:
        return _DAY
    if usual >= 27 * _DAY:
        return round(usual / _MONTH) * _MONTH
    return float(min(_STEPS, key=lambda step: abs(np.log(step / usual))))


def _periods(step: float) -> tuple[int, ...]:
    if step < _DAY:
        return tuple(int(whole // step) for whole in (_DAY, 7 * _DAY) if 4 <= whole / step <= _LONGEST_PERIOD)
    if step == _DAY:
        return (7,)
    return (round(12 * _MONTH / step),) if step >= _MONTH and step < 6 * _MONTH else ()


def _slots(second: NDArray[np.int64], month: NDArray[np.int64], step: float) -> NDArray[np.int64]:
    if step >= _MONTH:
        slot = (month - month[0]) // round(step / _MONTH)
    else:
        slot = (second - second[0] + int(step) // 2) // int(step)
    gaps = np.diff(slot, prepend=0)
    # A long gap is cut short in step with the season: nothing of before it would be believed anyway.
    lap = max(_periods(step), default=1)
    kept = lap * -(-64 // lap)
    return np.cumsum(np.where(gaps > 2 * kept, kept + gaps % lap, gaps))


def _grids(rows: pl.DataFrame, names: dict[date, str]) -> list[_Grid]:
    numbers = rows["series"].to_numpy()
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    spans = list(pairwise([*starts.tolist(), len(numbers)]))
    second, month = rows["second"].to_numpy(), rows["month"].to_numpy()
    holiday = _holiday_keys(rows["day"], names)
    steps = {span: _step(second[slice(*span)]) for span in spans}
    slots = {span: _slots(second[slice(*span)], month[slice(*span)], steps[span]) for span in spans}
    grids: list[_Grid] = []
    batch: list[tuple[int, int]] = []
    value = rows["value"].to_numpy()
    for span in sorted(spans, key=lambda span: (steps[span], slots[span][-1])):
        if batch and (steps[batch[0]] != steps[span] or (len(batch) + 1) * (slots[span][-1] + 1) > _PANEL_CELLS):
            grids.append(_grid(batch, slots, value, holiday, _periods(steps[batch[0]])))
            batch = []
        batch.append(span)
    grids.append(_grid(batch, slots, value, holiday, _periods(steps[batch[0]])))
    return grids


def _holiday_keys(days: pl.Series, names: dict[date, str]) -> NDArray[np.int64]:
    numbers = {name: number for number, name in enumerate(sorted(set(names.values())), start=1)}
    if not numbers:
        return np.zeros(len(days), np.int64)
    keys = {day: numbers[name] for day, name in names.items()}
    return days.replace_strict(keys, default=0, return_dtype=pl.Int64).to_numpy()


def _grid(
    spans: list[tuple[int, int]],
    slots: dict[tuple[int, int], NDArray[np.int64]],
    value: Floats,
    holiday: NDArray[np.int64],
    periods: tuple[int, ...],
) -> _Grid:
    row = np.concatenate([np.arange(*span) for span in spans])
    at = np.repeat(np.arange(len(spans)), [end - start for start, end in spans])
    slot = np.concatenate([slots[span] for span in spans])
    shape = (len(spans), int(slot.max()) + 1)
    total, count = np.zeros(shape), np.zeros(shape)
    known = np.isfinite(value[row])
    np.add.at(total, (at[known], slot[known]), value[row[known]])
    np.add.at(count, (at[known], slot[known]), 1)
    keys = np.zeros(shape, np.int64)
    keys[at, slot] = holiday[row]
    panel = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return _Grid(panel, keys, periods, row, at, slot)


def _judge(grid: _Grid, value: Floats, found: _Found, *, reach: float) -> None:
    """Fill `found` for the rows of one grid; bounds lie `reach` scales from the expectation."""
    in_force = _kinds(grid.panel)
    seen = _before(np.isfinite(grid.panel))
    seasons = np.arange(grid.panel.shape[1]) >= 3 * min(grid.periods, default=0)
    for number, kind in enumerate((_COUNT, _AMOUNT, _SIGNED)):
        picked = np.flatnonzero((in_force == number).any(axis=1))
        if not picked.size:
            continue
        base = baseline(
            _even(grid.panel[picked], kind),
            periods=grid.periods,
            ratio=kind.ratio,
            noise_floor=kind.noise_floor,
            relative_floor=_RELATIVE_FLOOR,
            holiday=grid.holiday[picked],
        )
        valid = (in_force[picked] == number) & (seen[picked] >= WARM_UP) & seasons & np.isfinite(base.expected)
        place = np.full(grid.panel.shape[0], -1)
        place[picked] = np.arange(picked.size)
        mine = place[grid.at] >= 0
        mine[mine] = valid[place[grid.at[mine]], grid.slot[mine]]
        cell = place[grid.at[mine]], grid.slot[mine]
        _fill(
            found,
            grid.row[mine],
            value,
            Baseline(base.expected[cell], base.scale[cell], base.suspicion[cell]),
            kind,
            reach,
        )


def _fill(found: _Found, row: NDArray[np.int64], value: Floats, base: Baseline, kind: _Kind, reach: float) -> None:
    down, up = _reach(-base.suspicion, reach), _reach(base.suspicion, reach)
    z = (_even(value[row], kind) - base.expected) / base.scale
    found.z[row] = z * reach / np.where(z < 0, down, up)
    found.expected[row] = _back(base.expected, kind)
    found.lower[row] = _back(base.expected - down * base.scale, kind)
    found.upper[row] = _back(base.expected + up * base.scale, kind)


def _reach(suspicion: Floats, reach: float) -> Floats:
    """Scales to a bound: fewer after two days astray to its side, so that three together are judged as one.

    The sum of three independent distances spreads by the root of three.
    """
    return np.clip(np.sqrt(3) * RUN_CAUTION * reach - suspicion, NARROWEST, reach)


def _kinds(panel: Floats) -> NDArray[np.int64]:
    """Kind in force at each slot, by the values before it: counts, then amounts, then values below zero too."""
    broken = _before(np.isfinite(panel) & (panel != np.round(panel))) > 0
    negative = _before(panel < 0) > 0
    return np.where(negative, 2, np.where(broken, 1, 0))


def _before(flags: Flags) -> NDArray[np.int64]:
    return np.cumsum(flags, axis=1) - flags


def _even(value: Floats, kind: _Kind) -> Floats:
    """Square root for counts (Anscombe 1948: Poisson noise becomes 1) and amounts, values below zero as they are."""
    if kind is _SIGNED:
        return value
    if kind is _COUNT:
        return np.sign(value + 0.375) * 2 * np.sqrt(np.abs(value + 0.375))
    return np.sign(value) * 2 * np.sqrt(np.abs(value))


def _back(x: Floats, kind: _Kind) -> Floats:
    if kind is _SIGNED:
        return x
    back = np.maximum(x, 0) ** 2 / 4
    return np.maximum(back - 0.375, 0) if kind is _COUNT else back
