"""How well anomaly detection finds what was planted, against two usual rules, and what it does on public series.

Synthetic business days with known truth, judged by `analytics.anomalies.detect` and by the rules in the same run;
and the Numenta series, as a sanity check on other frequencies, if they are at hand. Run: python -m bench.anomalies
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.anomalies import detect

Floats = NDArray[np.float64]
Detector = Callable[[pl.DataFrame, dict[date, str]], pl.DataFrame]

DAYS = 730
START = date(2023, 1, 1)
REAL = Path(__file__).resolve().parents[2] / "shared" / "real"
FIRST_EVENT = 70
SHIFT_DAYS = 7
SHIFT_GRACE = 14
KINDS = ("spike", "drop", "zero day", "outage", "level shift")
WEEK = {
    "shop": (1.0, 0.95, 0.95, 1.0, 1.15, 1.3, 1.1),
    "office": (1.3, 1.35, 1.3, 1.2, 1.0, 0.35, 0.25),
    "flat": (1.0,) * 7,
}
FIXED_HOLIDAYS = {
    (1, 1): 0.3,
    (5, 1): 0.5,
    (7, 4): 0.6,
    (11, 11): 1.8,
    (12, 24): 0.6,
    (12, 25): 0.1,
    (12, 26): 0.5,
}


class World(NamedTuple):
    """Synthetic series with their truth: event kind by series and day, and days no detector is held to."""

    series: pl.DataFrame
    holidays: dict[date, str]
    event: NDArray[np.object_]
    ignored: NDArray[np.bool_]


def world(seed: int, count: int = 150, *, events: int = 4) -> World:
    """Make `count` daily series: orders, money, spend and rare events, with `events` planted into each."""
    rng = np.random.default_rng(seed)
    days = [START + timedelta(days=n) for n in range(DAYS)]
    holidays = {day: f"{day:%m-%d}" for day in days if (day.month, day.day) in FIXED_HOLIDAYS}
    event = np.full((count, DAYS), "", object)
    ignored = np.zeros((count, DAYS), bool)
    frames = []
    for number in range(count):
        mean, kind = _mean(rng, days, number)
        factor = _plant(rng, event[number], ignored[number], events if kind != "rare" else 0)
        value = _noisy(rng, mean * factor, kind)
        present = rng.random(DAYS) > (0.02 if number % 10 == 0 else 0.0)
        frames.append(pl.DataFrame({"series_id": number, "n": range(DAYS), "ts": days, "value": value}).filter(present))
    return World(pl.concat(frames), holidays, event, ignored)


def _mean(rng: np.random.Generator, days: list[date], number: int) -> tuple[Floats, str]:
    kind = ("count", "money", "spend", "count", "money", "rare")[number % 6]
    level = float(
        {
            "count": rng.choice([8, 25, 90, 400]),
            "money": rng.choice([500, 5000, 60000]),
            "spend": 300.0,
            "rare": 0.2,
        }[kind]
    )
    week = np.array(WEEK[("shop", "office", "flat")[int(rng.integers(3))]])
    n = np.arange(DAYS)
    trend = np.exp(np.log(rng.choice([0.7, 1.0, 1.4, 2.5])) * n / DAYS)
    drift = np.exp(np.cumsum(rng.normal(0, 0.008, DAYS)))
    year = 1 + rng.choice([0.0, 0.15, 0.3]) * np.cos(2 * np.pi * (n - 350) / 365)
    share = rng.uniform(0.5, 1.0)
    special = np.array([1 + share * (FIXED_HOLIDAYS.get((day.month, day.day), 1.0) - 1) for day in days])
    return level * trend * drift * year * week[[day.weekday() for day in days]] * special, kind


def _noisy(rng: np.random.Generator, mean: Floats, kind: str) -> Floats:
    if kind == "rare":
        return rng.poisson(mean).astype(float)
    if kind == "spend":
        return np.round(mean * rng.lognormal(0, 0.06, DAYS), 2)
    spread = rng.choice([0.003, 0.01, 0.03])
    orders = np.where(mean > 0, rng.negative_binomial(1 / spread, 1 / (1 + np.maximum(mean, 1e-9) * spread)), 0).astype(
        float
    )
    if kind == "count":
        return orders
    basket = 45.0
    orders = rng.poisson(np.maximum(mean, 0) / basket)
    return np.array([np.round(rng.lognormal(np.log(basket) - 0.32, 0.8, n).sum(), 2) for n in orders])


def _plant(rng: np.random.Generator, event: NDArray[np.object_], ignored: NDArray[np.bool_], count: int) -> Floats:
    """Factors on the mean; a shift's first week is the truth, the fortnight after it counts neither way."""
    factor = np.ones(DAYS)
    places = FIRST_EVENT + (np.arange(count) + rng.uniform(0.1, 0.7, count)) * (DAYS - FIRST_EVENT - 30) / max(count, 1)
    for start in places.astype(int):
        kind = KINDS[int(rng.integers(len(KINDS)))]
        length = {"outage": int(rng.integers(2, 6)), "level shift": SHIFT_DAYS}.get(kind, 1)
        event[start : start + length] = kind
        if kind == "spike":
            factor[start] *= rng.uniform(1.8, 3.0)
        elif kind == "drop":
            factor[start] *= rng.uniform(0.2, 0.6)
        elif kind == "zero day":
            factor[start] = 0.0
        elif kind == "outage":
            factor[start : start + length] *= rng.uniform(0.0, 0.3)
        else:
            factor[start:] *= rng.choice([rng.uniform(0.4, 0.6), rng.uniform(1.6, 2.2)])
            ignored[start + length : start + length + SHIFT_GRACE] = True
    return factor


def three_sigma(series: pl.DataFrame, holidays: dict[date, str]) -> pl.DataFrame:
    """The usual rule: further than three standard deviations from the mean of the last 28 days."""
    past = pl.col("value").shift(1)
    mean, sd = past.rolling_mean(28, min_samples=21), past.rolling_std(28, min_samples=21)
    return series.with_columns(
        ((pl.col("value") - mean).abs() > 3 * sd).over("series_id").fill_null(False).alias("is_anomaly")
    )


def weekday_median(series: pl.DataFrame, holidays: dict[date, str]) -> pl.DataFrame:
    """The better usual rule: further than three scaled MADs from the median of the last eight same weekdays."""
    keys = ["series_id", pl.col("ts").dt.weekday()]
    past = pl.col("value").shift(1)
    middle = past.rolling_median(8, min_samples=4).over(keys)
    spread = (past - middle).abs().rolling_median(8, min_samples=4).over(keys)
    return series.with_columns(
        ((pl.col("value") - middle).abs() > 3 * 1.4826 * spread).fill_null(False).alias("is_anomaly")
    )


def ours(series: pl.DataFrame, holidays: dict[date, str]) -> pl.DataFrame:
    return detect(series, holidays=holidays)


DETECTORS: dict[str, Detector] = {
    "millpond": ours,
    "3 sigma, 28 days": three_sigma,
    "weekday median, 3 MAD": weekday_median,
}


def synthetic(seeds: tuple[int, ...] = (1, 2)) -> list[dict]:
    """One row per detector and kind of anomaly: events found, days found; precision and F1 over all of them."""
    results = []
    for name, detector in DETECTORS.items():
        tally: dict[str, list[int]] = {kind: [0, 0, 0, 0] for kind in KINDS}
        alarms = normal = clean_alarms = clean = 0
        for seed in seeds:
            made = world(seed)
            flags = _matrix(detector(made.series, made.holidays), made.event.shape)
            quiet = (made.event == "") & ~made.ignored & (np.arange(DAYS) >= FIRST_EVENT)
            alarms, normal = alarms + int((flags & quiet).sum()), normal + int(quiet.sum())
            for kind in KINDS:
                truth = made.event == kind
                starts = truth & ~np.pad(truth, ((0, 0), (1, 0)))[:, :-1]
                hits = _events_hit(truth, flags)
                found = [int(starts.sum()), hits, int(truth.sum()), int((truth & flags).sum())]
                tally[kind] = [a + b for a, b in zip(tally[kind], found, strict=True)]
            calm = world(seed + 1000, events=0)
            calm_flags = _matrix(detector(calm.series, calm.holidays), calm.event.shape)[:, FIRST_EVENT:]
            clean_alarms, clean = clean_alarms + int(calm_flags.sum()), clean + calm_flags.size
        found_events, all_events = sum(t[1] for t in tally.values()), sum(t[0] for t in tally.values())
        precision, recall = found_events / max(found_events + alarms, 1), found_events / all_events
        for kind, (events, hits, event_days, hit_days) in tally.items():
            results.append(
                {
                    "data": "synthetic",
                    "detector": name,
                    "kind": kind,
                    "events": events,
                    "event_recall": hits / events,
                    "day_recall": hit_days / event_days,
                }
            )
        results.append(
            {
                "data": "synthetic",
                "detector": name,
                "kind": "all",
                "events": all_events,
                "event_recall": recall,
                "precision": precision,
                "f1": 2 * precision * recall / (precision + recall),
                "false_per_1000": 1000 * alarms / normal,
                "clean_per_1000": 1000 * clean_alarms / clean,
            }
        )
    return results


def _matrix(judged: pl.DataFrame, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    flags = np.zeros(shape, bool)
    flags[judged["series_id"].to_numpy(), judged["n"].to_numpy()] = judged["is_anomaly"].to_numpy()
    return flags


def _events_hit(truth: NDArray[np.bool_], flags: NDArray[np.bool_]) -> int:
    hits = 0
    for row, flagged in zip(truth, flags, strict=True):
        edges = np.flatnonzero(np.diff(row.astype(int), prepend=0, append=0)).reshape(-1, 2)
        hits += sum(bool(flagged[start:end].any()) for start, end in edges)
    return hits


def numenta(folder: Path = REAL / "nab") -> list[dict]:
    """One row per public series: labelled windows with a hit, and alarms outside them per 1000 values."""
    if not (folder / "combined_windows.json").is_file():
        return []
    results = []
    for name, windows in json.loads((folder / "combined_windows.json").read_text()).items():
        file = folder / "data" / name
        if not file.is_file():
            continue
        read = pl.read_csv(file).with_columns(pl.col("timestamp").str.to_datetime())
        series = read.select(pl.lit(name).alias("series_id"), pl.col("timestamp").alias("ts"), "value")
        for detector in ("millpond", "3 sigma, 28 values"):
            began = time.perf_counter()
            judged = detect(series) if detector == "millpond" else three_sigma(series, {})
            results.append(
                {"data": "numenta", "detector": detector, "kind": name, "events": len(windows)}
                | _windows_hit(judged, windows)
                | {"seconds": time.perf_counter() - began}
            )
    return results


def _windows_hit(judged: pl.DataFrame, windows: list[list[str]]) -> dict:
    spans = [(pl.lit(a).str.to_datetime(), pl.lit(b).str.to_datetime()) for a, b in windows]
    inside = [judged.filter(pl.col("ts").is_between(a, b)) for a, b in spans]
    hits = sum(bool(part["is_anomaly"].any()) for part in inside)
    outside = int(judged["is_anomaly"].sum()) - sum(int(part["is_anomaly"].sum()) for part in inside)
    rest = max(len(judged) - sum(map(len, inside)), 1)
    return {"event_recall": hits / len(windows) if windows else None, "false_per_1000": 1000 * outside / rest}


def _numenta_total(rows: list[dict]) -> list[dict]:
    """All public series in one row per detector."""
    totals = []
    for detector in dict.fromkeys(row["detector"] for row in rows):
        mine = [row for row in rows if row["detector"] == detector]
        events = sum(row["events"] for row in mine)
        totals.append(
            {
                "data": "numenta",
                "detector": detector,
                "kind": f"all {len(mine)} series",
                "events": events,
                "event_recall": sum((row["event_recall"] or 0) * row["events"] for row in mine) / events,
                "false_per_1000": sum(row["false_per_1000"] for row in mine) / len(mine),
            }
        )
    return totals


def speed(count: int = 300) -> list[dict]:
    made = world(7, count)
    began = time.perf_counter()
    detect(made.series, holidays=made.holidays)
    return [
        {
            "data": "speed",
            "detector": "millpond",
            "kind": f"{count} series x {DAYS} days",
            "seconds": time.perf_counter() - began,
        }
    ]


def run() -> list[dict]:
    """All results, one row each."""
    public = numenta()
    return [*synthetic(), *public, *_numenta_total(public), *speed()]


def main() -> None:
    from rich.console import Console
    from rich.table import Table

    rows = run()
    columns = [
        "data",
        "detector",
        "kind",
        "events",
        "event_recall",
        "day_recall",
        "precision",
        "f1",
        "false_per_1000",
        "clean_per_1000",
        "seconds",
    ]
    table = Table(*columns, title="Anomaly detection")
    for row in rows:
        cells = [row.get(name) for name in columns]
        table.add_row(
            *("" if cell is None else f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in cells)
        )
    Console(width=170).print(table)


if __name__ == "__main__":
    main()
