"""What the office keeps in workbooks: staff, shifts, the calendar; and exchange rates, collected as Parquet."""

from __future__ import annotations

from datetime import datetime, time, timedelta

import numpy as np
import polars as pl

from sandbox import files
from sandbox.days import DAYS, END, START, day, holidays_de, rng
from sandbox.exports.kit import Out
from sandbox.staff import make_staff

_SHIFT_DAYS = 120
#: Deals were begun before the two years, so rates begin earlier, too.
_EARLIER_RATES = 120
_RATES = {"CHF": 0.948, "GBP": 0.846}


def write(out: Out) -> None:
    """Write the office's files."""
    staff = make_staff(out.seed)
    _staff(out, staff)
    _shifts(out, staff)
    _calendar(out)
    _rates(out)


def _number() -> pl.Expr:
    return pl.col("number").cast(pl.String).str.zfill(4)


def _staff(out: Out, staff: pl.DataFrame) -> None:
    frame = staff.select(
        _number().alias("Personalnr"),
        (pl.col("family") + ", " + pl.col("given")).alias("Name"),
        pl.col("email").alias("E-Mail"),
        pl.col("team").alias("Abteilung"),
        pl.col("role").alias("Funktion"),
        (pl.lit(END) - pl.duration(days="hired_days_ago")).alias("Eintritt"),
        pl.when("is_active").then(pl.lit("ja")).otherwise(pl.lit("nein")).alias("Aktiv"),
    )
    files.write_xlsx(out.folder / "personal.xlsx", "Personal", frame)
    out.truth.rows(out.source, "staff", frame.height)


def _shifts(out: Out, staff: pl.DataFrame) -> None:
    """Who worked when in the last months, in the warehouse and on the telephone."""
    random = out.random("shifts")
    rows = []
    for person in staff.filter(pl.col("team").is_in(["Lager", "Kundenservice"])).iter_rows(named=True):
        for back in range(_SHIFT_DAYS, 0, -1):
            today = day(DAYS - back)
            if today.weekday() > 4 or today in holidays_de() or random.random() < 0.06:
                continue
            start = datetime.combine(today, time(6 if random.random() < 0.5 else 14))
            rows.append(
                {
                    "Schicht": f"{person['number']:04d}-{today:%Y%m%d}",
                    "Personalnr": f"{person['number']:04d}",
                    "Abteilung": person["team"],
                    "Funktion": person["role"],
                    "Beginn": start,
                    "Ende": start + timedelta(hours=8),
                    "Krank": "ja" if random.random() < 0.04 else "nein",
                }
            )
    good = len(rows)
    bad = {**rows[0], "Schicht": "9999-00000000", "Beginn": None}
    frame = pl.DataFrame([*rows, bad])
    files.write_xlsx(out.folder / "schichten_2026.xlsx", "Schichten", frame)
    out.truth.bad_rows(
        out.source, "shift", ["9999-00000000"], kind="no begin", outcome="quarantine", reason="missing: starts_at"
    )
    out.truth.rows(out.source, "shift", good)


def _calendar(out: Out) -> None:
    """Every day: open or not, public holidays, what the business did itself."""
    closed = {"Inventur": [(2025, 1, 2), (2026, 1, 2)], "Betriebsausflug": [(2025, 6, 20), (2026, 6, 19)]}
    own = {f"{y:04d}-{m:02d}-{d:02d}": note for note, days in closed.items() for y, m, d in days}
    rows = []
    for position in range(DAYS + 60):
        today = START + timedelta(position)
        holiday, note = holidays_de().get(today), own.get(today.isoformat())
        is_open = today.weekday() < 6 and holiday is None and note is None
        rows.append({"Datum": today, "Geöffnet": "ja" if is_open else "nein", "Feiertag": holiday, "Bemerkung": note})
    files.write_xlsx(out.folder / "kalender.xlsx", "Kalender", pl.DataFrame(rows, infer_schema_length=None))
    out.truth.rows(out.source, "calendar", len(rows))


def exchange_rates(seed: int) -> pl.DataFrame:
    """Units of the quote currency for one EUR, every day of the two years and some before."""
    random = rng(seed, "rates")
    parts = []
    for quote, start in _RATES.items():
        walk = start * np.exp(np.cumsum(random.normal(0, 0.0018, DAYS + _EARLIER_RATES)))
        parts.append(
            pl.DataFrame(
                {
                    "date": [day(i) for i in range(-_EARLIER_RATES, DAYS)],
                    "base": "EUR",
                    "quote": quote,
                    "rate": np.round(walk, 5),
                }
            )
        )
    return pl.concat(parts)


def _rates(out: Out) -> None:
    frame = exchange_rates(out.seed)
    out.folder.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(out.folder / "fx_rates.parquet", compression="zstd", statistics=False)
    out.truth.rows(out.source, "fx_rate", frame.height)
    out.truth.fact("exchange_rate", frame.select("date", "quote", "rate"), out.source)
