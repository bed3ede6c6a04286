"""Anomalies over mart.metric_daily into insight.anomaly, each with its expected range and a sentence."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

import duckdb
import polars as pl

import analytics
from pipelines.night import Night, progress
from transforms.metrics import Metric, load_metrics
from warehouse import changes, meta, store
from warehouse.contracts import tables
from warehouse.digest import code_digest, digest
from warehouse.sql import quoted

TABLE = "insight.anomaly"

#: Hundreds of members are judged every day beside some thirty totals, so they need clearer evidence.
MEMBER_THRESHOLD = 0.995
#: A series is judged where at least half of the last quarter's days, and eight weeks' worth in all, had something.
BUSY_DAYS, BUSY_SHARE, FEWEST_BUSY = 91, 0.5, 56


def is_stale(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether detection would have anything to do."""
    before = meta.fingerprint_of(con, TABLE)
    return before is None or before[0] != _fingerprint(con)


def detect_anomalies(con: duckdb.DuckDBPyConnection, night: Night) -> int:
    """Judge every day of every series by the days before it; gives the number of anomalies."""
    started = time.monotonic()
    fingerprint = _fingerprint(con)
    meta.unsettle(con, TABLE)
    progress("anomalies", 0, 1)
    found = _anomalies(con, night)
    contract = tables()[TABLE]
    store.create_table(con, contract)
    columns = ", ".join(quoted(c.name) for c in contract.columns)
    con.begin()
    con.execute("DELETE FROM insight.anomaly")
    con.register("found_anomalies", found)
    con.execute(f"INSERT INTO insight.anomaly ({columns}) SELECT {columns} FROM found_anomalies ORDER BY ALL")
    con.commit()
    con.unregister("found_anomalies")
    version = changes.version_of(con, TABLE)
    meta.remember(con, TABLE, fingerprint=fingerprint, version=version, at=night.now)
    seconds = time.monotonic() - started
    meta.note_step(con, run_id=night.run_id, step=TABLE, kind="insight", rows=found.height, seconds=seconds)
    progress("anomalies", 1, 1)
    return found.height


def recent(con: duckdb.DuckDBPyConnection) -> list[dict[str, object]]:
    """Anomalies of the last seven days, the newest and clearest first."""
    rows = con.execute(
        "SELECT a.date, a.metric, a.sentence FROM insight.anomaly AS a CROSS JOIN meta.night AS n "
        "WHERE a.date > n.as_of - INTERVAL 7 DAY AND a.date <= n.as_of "
        "ORDER BY a.date DESC, a.score DESC, a.sentence LIMIT 50"
    ).fetchall()
    return [dict(zip(("date", "metric", "sentence"), row, strict=True)) for row in rows]


def _anomalies(con: duckdb.DuckDBPyConnection, night: Night) -> pl.DataFrame:
    from analytics.anomalies import detect

    series = con.sql(
        "SELECT metric || chr(31) || dimension || chr(31) || member AS series_id, date AS ts, "
        "metric, dimension, member, date, value, unit FROM mart.metric_daily ORDER BY ALL"
    ).pl()
    holidays = dict(con.sql("SELECT date, name FROM meta.holiday").fetchall())
    is_total = pl.col("dimension") == "total"
    judged = pl.concat(
        [
            detect(series.filter(is_total), holidays=holidays),
            detect(series.filter(~is_total), holidays=holidays, threshold=MEMBER_THRESHOLD),
        ]
    )
    judged = judged.filter(_is_busy()).filter("is_anomaly")
    files = [night.company.metrics_file] if night.company.metrics_file else []
    return _worded(judged, load_metrics(files), night.company.config.base_currency)


def _is_busy() -> pl.Expr:
    """Whether a series has had something on most days before this one: else any value at all would be odd."""
    is_something = pl.col("value").fill_nan(None).fill_null(0) != 0
    before = is_something.cast(pl.Float64).shift(1)
    share = before.rolling_mean(BUSY_DAYS, min_samples=1).over("series_id", order_by="ts")
    seen = before.fill_null(0).cum_sum().over("series_id", order_by="ts")
    return (share >= BUSY_SHARE) & (seen >= FEWEST_BUSY)


def _worded(judged: pl.DataFrame, metrics: dict[str, Metric], currency: str) -> pl.DataFrame:
    """Add to each anomaly whether it is good news, and its sentence."""
    from analytics.anomalies import sentence

    rows = []
    for row in judged.iter_rows(named=True):
        metric = metrics[row["metric"]]
        is_up = row["value"] > row["expected"]
        title = metric.title if row["dimension"] == "total" else f"{metric.title} ({row['dimension']} {row['member']})"
        rows.append(
            {
                "is_good": None if metric.direction == "none" else (metric.direction == "up") == is_up,
                "sentence": sentence(
                    title=title,
                    unit=metric.unit,
                    at=row["date"],
                    value=row["value"],
                    expected=row["expected"],
                    lower=row["lower"],
                    upper=row["upper"],
                    currency=currency,
                ),
            }
        )
    schema = {"is_good": pl.Boolean, "sentence": pl.String}
    return judged.hstack(pl.DataFrame(rows, schema=schema))


def _fingerprint(con: duckdb.DuckDBPyConnection) -> str:
    """The metrics' content, the holidays, and the code that judges them."""
    upstream = meta.fingerprint_of(con, "mart.metric_daily")
    return digest(upstream[1] if upstream else "", changes.version_of(con, "meta.holiday"), _code())


@cache
def _code() -> str:
    return code_digest(Path(str(analytics.__file__)).parent, Path(__file__))
