"""What a regular series should show next, from its past alone: level, season, holiday effect and noise.

Works on panels, arrays of (series, slot) with NaN where nothing is known. Every number at slot t is made of
slots before t only. What a slot is (a day, an hour) and what the values mean is the caller's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

SEASON_LAGS = 8
"""How many earlier seasons (weeks, for daily data) make the seasonal index and the noise of a season's part."""
LEVEL_DECAYS = (21.0, 7.0, 2.0)
"""Memory, in slots, of the competing level estimates: from about a month of days to nearly the last value."""
FIRST_LEVEL_WINDOW = 14
"""Slots of the robust first level. Its median turns over after half of them: so long a shifted level stands out."""
LEVEL_MEMORY = 28
"""Slots without three values after which the level counts as unknown."""
CLIP = 2.0
"""Values further than so many scales from the robust expectation enter the history cut down to it."""
SELECTION_MEMORY = 60.0
"""Slots over which the competing forecasts are compared."""
CLEARLY_BETTER = 0.98
"""Share of the error so far best that a livelier or seasonal forecast must stay under."""
MIN_RESIDUALS = 10
"""Forecast errors needed before a scale is believed or a forecast may compete."""

NOISE_WINDOW = 120
NOISE_MEMORY = 150.0
NOISE_CLIP = 4.0
"""The noise is the root mean square over about NOISE_MEMORY slots, no residual counting more than so many MADs."""
NOISE_DOUBT = 3.0
"""The noise is taken larger by so many parts in the number of residuals it rests on."""
NOISE_PRIOR = 30.0
"""How many values the overall noise counts for, beside those of the same part of the season."""
BURST_WINDOW = 365
TAIL_SHARE, TAIL_DISTANCE = 0.97, 2.3
TAIL_WINDOW, TAIL_RESIDUALS = 365, 150
SUSPICION = 3.0
"""The most that one slot before counts towards the judgement of a run."""

NEW_HOLIDAY_EFFECT = 0.35
"""Spread of a holiday's relative effect before any holiday was seen; on the square-root scale, so 70% of the value."""
HOLIDAY_DRIFT = 0.08
"""Spread of one holiday's effect from year to year."""
_MAD_TO_SD = 1.4826


@dataclass(frozen=True)
class Baseline:
    """Expectation and standard deviation of the next value, NaN where the past is too thin to say.

    `suspicion` is how far, in scales, the two slots before both strayed to one side: signed, zero if they did not.
    """

    expected: Floats
    scale: Floats
    suspicion: Floats


def baseline(
    x: Floats,
    *,
    periods: tuple[int, ...],
    ratio: bool,
    noise_floor: float,
    relative_floor: float,
    holiday: NDArray[np.int64],
) -> Baseline:
    """Judge each slot of `x` by the slots before it.

    Args:
        x: Values on a scale where noise is about even, one row per series.
        periods: Seasonal periods to try, in slots; no season always competes too.
        ratio: Whether seasons multiply (values never negative) or add.
        noise_floor: Smallest standard deviation to believe.
        relative_floor: The same, as a share of the expectation.
        holiday: Zero on ordinary slots, else the number of that slot's holiday.
    """
    ordinary = np.where(holiday == 0, x, np.nan)
    forecasts = _candidates(ordinary, periods, ratio)
    expected, scale = _best(ordinary, forecasts, periods[0] if periods else 0, noise_floor, relative_floor)
    scale = _heavier(ordinary - expected, scale)
    suspicion = _suspicion(ordinary, expected, scale)
    expected, scale = _holidays(x, expected, scale, holiday)
    known = np.isfinite(expected) & np.isfinite(scale)
    return Baseline(np.where(known, expected, np.nan), np.where(known, scale, np.nan), suspicion)


def _candidates(x: Floats, periods: tuple[int, ...], ratio: bool) -> list[tuple[Floats, Floats]]:
    """Competing forecasts, plain and steady ones first, each with the robust noise about it."""
    found: list[tuple[Floats, Floats]] = []
    for period in (0, *periods):
        season = _season(x, period, ratio, robust=True)
        first = _apply(_level_median(_remove(x, season, ratio)), season, ratio)
        spread = _MAD_TO_SD * _rolling(np.abs(x - first), 0.5, NOISE_WINDOW, MIN_RESIDUALS)
        known = np.isfinite(first) & np.isfinite(spread)
        calm = np.where(known, np.clip(x, first - CLIP * spread, first + CLIP * spread), x)
        season = _season(calm, period, ratio, robust=False)
        even = _remove(calm, season, ratio)
        found += [(_apply(_level_mean(even, decay), season, ratio), spread) for decay in LEVEL_DECAYS]
    return found


def _best(
    x: Floats, forecasts: list[tuple[Floats, Floats]], period: int, noise_floor: float, relative_floor: float
) -> tuple[Floats, Floats]:
    """At each slot the forecast that was closest lately, the steadier one (it comes first) if they are near.

    With it comes the noise of that same forecast: what its rivals erred while it was still learning is not its own.
    """
    cap = CLIP * _MAD_TO_SD * _rolling(np.abs(x - forecasts[0][0]), 0.5, NOISE_WINDOW, MIN_RESIDUALS)
    best, scale = np.full(x.shape, np.nan), np.full(x.shape, np.nan)
    least = np.full(x.shape, np.inf)
    for forecast, spread in forecasts:
        error, weight = _decayed(np.fmin(np.abs(x - forecast), cap), SELECTION_MEMORY)
        known = np.isfinite(forecast) & (weight >= MIN_RESIDUALS * 0.8)
        better = known & (error < least * CLEARLY_BETTER)
        if not better.any():
            continue
        floor = np.fmax(noise_floor, relative_floor * np.abs(forecast))
        best = np.where(better, forecast, best)
        scale = np.where(better, _noise(x - forecast, spread, floor, period), scale)
        least = np.where(better, error, least)
    return best, scale


def _noise(residual: Floats, usual: Floats, floor: Floats, period: int) -> Floats:
    """Standard deviation of the next residual: root mean square of the earlier, cut down to some `usual` ones."""
    size = np.abs(residual)
    limit = NOISE_CLIP * np.fmax(usual, floor)
    cut = np.where(np.isfinite(usual), np.fmin(size, limit), np.nan)
    square, weight = _decayed(cut**2, NOISE_MEMORY)
    square = _seasonal_share(cut**2, square, period)
    spread = np.sqrt(np.maximum(square, 0)) * (1 + NOISE_DOUBT / np.maximum(weight, 1))
    spread = np.where(weight >= MIN_RESIDUALS * 0.6, np.fmax(spread, floor), np.nan)
    quiet = usual <= floor
    return np.where(quiet, np.fmax(spread, _bursts(size, floor)), spread) if quiet.any() else spread


def _bursts(size: Floats, floor: Floats) -> Floats:
    """Noise of a quiet series with now and then a value: half the usual size of these, once seen three times."""
    out = size > 2 * floor
    starts = out & ~np.pad(out, ((0, 0), (1, 0)))[:, :-1]
    return _rolling(np.where(starts, size, np.nan), 0.5, BURST_WINDOW, 3) / 2


def _heavier(residual: Floats, scale: Floats) -> Floats:
    """Widen where far residuals are routine: the 97th percentile of earlier distances should be near 2.2."""
    distance = _rolling(np.abs(residual) / scale, TAIL_SHARE, TAIL_WINDOW, TAIL_RESIDUALS)
    return scale * np.fmax(1.0, distance / TAIL_DISTANCE)


def _seasonal_share(square: Floats, overall: Floats, period: int) -> Floats:
    """Mean square for this part of the season, drawn to the overall one as far as it rests on few values."""
    if period == 0:
        return overall
    width = period // 12 + 1
    sums = _centred_sum(np.nan_to_num(square), width)
    counts = _centred_sum(np.isfinite(square).astype(float), width)
    lags = range(1, SEASON_LAGS + 1)
    total = np.sum([np.nan_to_num(_lag(sums, period * k)) for k in lags], axis=0)
    count = np.sum([np.nan_to_num(_lag(counts, period * k)) for k in lags], axis=0)
    return (total + NOISE_PRIOR * overall) / (count + NOISE_PRIOR)


def _suspicion(x: Floats, expected: Floats, scale: Floats) -> Floats:
    """Distance of the two slots before, in scales, if both went the same way; each counts up to `SUSPICION`."""
    with np.errstate(all="ignore"):
        distance = np.clip((x - expected) / scale, -SUSPICION, SUSPICION)
    one, two = _lag(distance, 1), _lag(distance, 2)
    return np.where(one * two > 0, one + two, 0.0)


def _holidays(x: Floats, expected: Floats, scale: Floats, holiday: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Shift and widen the expectation on holidays by what earlier ones did.

    A holiday's relative effect has a normal prior, from earlier holidays of any name, and is updated by the earlier
    ones of its own name. Consecutive slots of one key are one holiday.
    """
    expected, scale = expected.copy(), scale.copy()
    for row in np.flatnonzero((holiday != 0).any(axis=1)):
        seen: list[tuple[int, float]] = []
        keys = holiday[row]
        edges = np.flatnonzero(np.diff(keys, prepend=0, append=0))
        for start, end in pairwise(edges.tolist()):
            if keys[start] == 0:
                continue
            usual, noise = expected[row, start:end].copy(), scale[row, start:end].copy()
            effect, doubt = _effect(seen, int(keys[start]))
            expected[row, start:end] = usual + effect * np.abs(usual)
            scale[row, start:end] = np.hypot(noise, doubt * np.abs(usual))
            with np.errstate(all="ignore"):
                effects = (x[row, start:end] - usual) / np.abs(usual)
            effects = effects[np.isfinite(effects)]
            if effects.size:
                seen.append((int(keys[start]), float(np.clip(np.mean(effects), -1.0, 2.0))))
    return expected, scale


def _effect(seen: list[tuple[int, float]], key: int) -> tuple[float, float]:
    """Mean and spread of the next relative effect of holiday `key`, after `seen` (key, effect)."""
    others = np.array([effect for other, effect in seen])
    same = np.array([effect for other, effect in seen if other == key])
    mean = float(np.median(others)) if others.size >= 3 else 0.0
    # The prior counts as three holidays, so that two like ones do not make the third a certainty.
    spread = NEW_HOLIDAY_EFFECT
    if others.size >= 3:
        spread = float(np.sqrt((3 * NEW_HOLIDAY_EFFECT**2 + np.sum((others - mean) ** 2)) / (3 + others.size)))
    if not same.size:
        return mean, spread
    precision = 1 / spread**2 + same.size / HOLIDAY_DRIFT**2
    posterior = (mean / spread**2 + same.sum() / HOLIDAY_DRIFT**2) / precision
    return posterior, float(np.sqrt(1 / precision + HOLIDAY_DRIFT**2))


def _season(x: Floats, period: int, ratio: bool, *, robust: bool) -> Floats:
    """Seasonal index of each slot, from the same slot of earlier periods against their surroundings."""
    neutral = np.full(x.shape, 1.0 if ratio else 0.0)
    if period == 0:
        return neutral
    around = _centred_mean(x, period)
    with np.errstate(all="ignore"):
        index = np.where(around > 0, x / around, np.nan) if ratio else x - around
    lagged = [_lag(index, period * k) for k in range(1, SEASON_LAGS + 1)]
    count = np.sum([np.isfinite(each) for each in lagged], axis=0)
    if robust:
        season = _median(lagged)
    else:
        weights = 0.9 ** np.arange(SEASON_LAGS)
        total = np.sum([w * np.nan_to_num(each) for w, each in zip(weights, lagged, strict=True)], axis=0)
        weight = np.sum([w * np.isfinite(each) for w, each in zip(weights, lagged, strict=True)], axis=0)
        season = total / np.where(weight > 0, weight, np.nan)
    season = np.where(count >= 2, season, np.nan)
    return np.where(season > 0, season, np.nan) if ratio else season


def _remove(x: Floats, season: Floats, ratio: bool) -> Floats:
    return x / season if ratio else x - season


def _apply(level: Floats, season: Floats, ratio: bool) -> Floats:
    return level * season if ratio else level + season


def _level_median(even: Floats) -> Floats:
    return _median([_lag(even, k) for k in range(1, FIRST_LEVEL_WINDOW + 1)], at_least=3)


def _level_mean(even: Floats, decay: float) -> Floats:
    mean, _ = _decayed(even, decay)
    seen = np.cumsum(np.pad(np.isfinite(even), ((0, 0), (LEVEL_MEMORY, 0))), axis=1)
    recent = _lag((seen[:, LEVEL_MEMORY:] - seen[:, :-LEVEL_MEMORY]).astype(float), 1)
    return np.where(recent >= 3, mean, np.nan)


def _decayed(x: Floats, decay: float) -> tuple[Floats, Floats]:
    """Exponentially weighted mean of the slots before each, and the weight of what it rests on."""
    from scipy.signal import lfilter

    keep = np.exp(-1 / decay)
    total = lfilter([1.0], [1.0, -keep], np.nan_to_num(x), axis=1)
    weight = lfilter([1.0], [1.0, -keep], np.isfinite(x).astype(float), axis=1)
    with np.errstate(all="ignore"):
        mean = np.where(weight > 1e-9, total / weight, np.nan)
    return _lag(mean, 1), _lag(weight, 1)


def _centred_mean(x: Floats, width: int) -> Floats:
    """Mean of the `width` slots around each; the lags taken of it keep it in the past."""
    count = _centred_sum(np.isfinite(x).astype(float), width)
    return np.where(count > width / 2, _centred_sum(np.nan_to_num(x), width) / np.maximum(count, 1), np.nan)


def _centred_sum(x: Floats, width: int) -> Floats:
    sums = np.cumsum(np.pad(x, ((0, 0), (width // 2 + 1, width - width // 2 - 1))), axis=1)
    return sums[:, width:] - sums[:, :-width]


def _lag(x: Floats, by: int) -> Floats:
    out = np.full(x.shape, np.nan)
    if by < x.shape[1]:
        out[:, by:] = x[:, : x.shape[1] - by]
    return out


def _median(layers: list[Floats], at_least: int = 1) -> Floats:
    """Median over layers, NaN left out; sorts once, which numpy's nanmedian does row by row."""
    ordered = np.sort(np.stack(layers, axis=-1), axis=-1)
    count = np.isfinite(ordered).sum(axis=-1)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[..., None], axis=-1)[..., 0]
    high = np.take_along_axis(ordered, np.minimum(count // 2, len(layers) - 1)[..., None], axis=-1)[..., 0]
    return np.where(count >= at_least, (low + high) / 2, np.nan)


def _rolling(x: Floats, quantile: float, window: int, at_least: int) -> Floats:
    """Quantile of the `window` slots before each; one call for all series, kept apart by empty slots."""
    padded = np.pad(x, ((0, 0), (0, window)), constant_values=np.nan).ravel()
    rolled = pl.Series(padded, nan_to_null=True).rolling_quantile(
        quantile, interpolation="linear", window_size=window, min_samples=at_least
    )
    return _lag(rolled.fill_null(np.nan).to_numpy().reshape(x.shape[0], -1)[:, : x.shape[1]], 1)
