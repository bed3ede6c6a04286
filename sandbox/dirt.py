"""Makes good values dirty, the ways people and old systems do, and plants rows that no cleaning can save.

Each dirty value is still the same value to a careful reader: the truth keeps what it must be mended to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl

from sandbox import words
from sandbox.days import rng
from sandbox.truth import Outcome, Truth

SAMPLES = 15
Kinds = Mapping[str, float]
Spoil = Callable[[Any, int], str | None]
#: Money to make dirty: minor units and the currency, under these names.
Amount = dict[str, Any]

_TITLES = ("Dr. {}", "Herr {}", "Frau {}", "Prof. Dr. {}", "Dipl.-Ing. {}", "Mr. {}")
_MONTHS = (
    *("Januar", "Februar", "März", "April", "Mai", "Juni"),
    *("Juli", "August", "September", "Oktober", "November", "Dezember"),
)


def _mojibake(value: str, r: int) -> str | None:
    """UTF-8 read as Windows-1252."""
    raw = value.encode()
    if len(raw) == len(value) or any(byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D) for byte in raw):
        return None
    return raw.decode("cp1252")


def _space(value: str, r: int) -> str:
    return (f" {value}", f"{value}  ", value.replace(" ", "  ") + " ", f"\u00a0{value}", f"\t{value}")[r % 5]


def _last_first(value: str, r: int) -> str | None:
    given, _, family = value.rpartition(" ")
    return f"{family}, {given}" if given else None


def _national(value: str, r: int) -> str:
    """An E.164 number as its owner would dial it abroad or write it down; the country code stays."""
    code = next(c for c in ("+49", "+43", "+41", "+33", "+31", "+44") if value.startswith(c))
    rest = value[len(code) :]
    head, tail = rest[:3], rest[3:]
    return (
        f"00{code[1:]} {head} {tail}",
        f"{code} (0) {head} / {tail}",
        f"{code}-{head}-{tail[:3]}-{tail[3:]}",
        f"Tel.: {code} {head} {tail}",
    )[r % 4]


def _german_national(value: str, r: int) -> str | None:
    """A German number without its country: only the company's country tells."""
    if not value.startswith("+49"):
        return None
    rest = value[3:]
    return (f"0{rest[:3]} {rest[3:]}", f"0{rest[:3]}/{rest[3:]}", f"(0{rest[:3]}) {rest[3:6]}-{rest[6:]}")[r % 3]


def _iso_zone(moment: datetime, r: int) -> str:
    return moment.astimezone(_zone()).isoformat()


def _zone() -> Any:
    from zoneinfo import ZoneInfo

    return ZoneInfo("Europe/Berlin")


def _german_time(moment: datetime, r: int) -> str:
    here = moment.astimezone(_zone())
    if r % 2:
        return f"{here.day}. {_MONTHS[here.month - 1]} {here.year} {here:%H:%M:%S}"
    return f"{here:%d.%m.%Y %H:%M:%S}"


def _german_date(day: date, r: int) -> str:
    return (f"{day:%d.%m.%Y}", f"{day.day}. {_MONTHS[day.month - 1]} {day.year}")[r % 2]


def _odd_dash(value: str, r: int) -> str:
    return value.replace("-", "–—"[r % 2])


def _grouped(amount: Amount, thousands: str, point: str) -> str:
    whole = f"{amount['minor'] // 100:,}".replace(",", thousands)
    return f"{whole}{point}{amount['minor'] % 100:02d}"


def _with_symbol(amount: Amount, r: int) -> str:
    symbol = {"EUR": "€", "CHF": "CHF", "GBP": "£"}[amount["currency"]]
    number = _grouped(amount, ".", ",")
    return f"{symbol} {number}" if r % 2 else f"{number} {amount['currency']}"


KINDS: dict[str, Spoil] = {
    # ß becomes SS, and no one can tell back.
    "upper": lambda v, r: None if "ß" in v else v.upper(),
    "lower": lambda v, r: v.lower(),
    "space": _space,
    "edge_space": lambda v, r: (f" {v}", f"{v}  ", f"{v}\t")[r % 3],
    "title": lambda v, r: _TITLES[r % len(_TITLES)].format(v),
    "mojibake": _mojibake,
    "last_first": _last_first,
    "phone_style": _national,
    "phone_national": _german_national,
    "country_habit": lambda v, r: words.COUNTRY_HABITS[v][r % len(words.COUNTRY_HABITS[v])],
    "money_german": lambda v, r: _grouped(v, ".", ","),
    "money_symbol": _with_symbol,
    "time_zone": _iso_zone,
    "time_german": _german_time,
    "date_german": _german_date,
    "no_scheme": lambda v, r: v.removeprefix("https://"),
    "sku_lower": lambda v, r: v.lower(),
    "sku_dash": _odd_dash,
    "broken_mail": lambda v, r: v.partition("@")[0],
    "impossible_date": lambda v, r: ("31.02.1980", "1975-13-01", "00.00.0000")[r % 3],
    "nothing": lambda v, r: ("n/a", "-", "NULL", "k.A.", "unbekannt")[r % 5],
    "nothing_mail": lambda v, r: ("test@test.com", "n/a")[r % 2],
    "nothing_phone": lambda v, r: ("0000000", "n/a", "-", "00000000000")[r % 4],
}
#: Kinds that leave no value behind: cleaning must give none.
EMPTYING = ("nothing", "nothing_mail", "nothing_phone", "broken_mail", "impossible_date")


@dataclass(frozen=True, kw_only=True)
class Dirt:
    """Spoils the columns of one export and plants bad rows in it."""

    seed: int
    source: str
    entity: str
    key: str
    truth: Truth

    def spoil(
        self,
        frame: pl.DataFrame,
        column: str,
        kinds: Kinds,
        *,
        field: str,
        values: pl.Series | None = None,
        clean: pl.Series | None = None,
    ) -> pl.DataFrame:
        """Make a share of a column dirty.

        Args:
            frame: The export, as text.
            column: The column to spoil.
            kinds: Kinds of dirt, each with its share of the rows.
            field: The contract's column that it is mapped to.
            values: What the kinds work on, if not the text of the column: amounts, times, codes.
            clean: What cleaning must give, if not the text of the column.
        """
        random = rng(self.seed, f"dirt {self.source} {self.entity} {column}")
        text = frame[column]
        basis = text if values is None else values
        goal = (text if clean is None else clean).cast(pl.String)
        usable = np.flatnonzero((basis.is_not_null() & text.is_not_null()).to_numpy())
        counts = {kind: max(1, round(share * len(usable))) for kind, share in kinds.items()}
        chosen = random.permutation(usable)[: sum(counts.values())]
        for kind, count in counts.items():
            rows, chosen = chosen[:count], chosen[count:]
            text = self._apply(random, frame, field, kind, rows, text, basis, goal)
        return frame.with_columns(text.alias(column))

    def _apply(
        self,
        random: np.random.Generator,
        frame: pl.DataFrame,
        field: str,
        kind: str,
        rows: np.ndarray,
        text: pl.Series,
        basis: pl.Series,
        goal: pl.Series,
    ) -> pl.Series:
        make = KINDS[kind]
        draws = random.integers(0, 2**31, len(rows)).tolist()
        dirty = [make(v, r) for v, r in zip(basis.gather(rows).to_list(), draws, strict=True)]
        before = text.gather(rows).to_list()
        hit = [i for i, (new, old) in enumerate(zip(dirty, before, strict=True)) if new is not None and new != old]
        if not hit:
            return text
        at = rows[hit]
        for i in hit[:SAMPLES]:
            row = int(rows[i])
            self.truth.mended.append(
                {
                    "source": self.source,
                    "entity": self.entity,
                    "source_id": frame[self.key][row],
                    "column": field,
                    "kind": kind,
                    "dirty": dirty[i],
                    "clean": None if kind in EMPTYING else goal[row],
                }
            )
        return text.scatter(at, [dirty[i] for i in hit])

    def plant(
        self,
        frame: pl.DataFrame,
        kind: str,
        changes: Mapping[str, str | None],
        *,
        reason: str,
        among: int,
        share: float = 0.0006,
        outcome: Outcome = "quarantine",
        ids: str = "99{:09d}",
    ) -> pl.DataFrame:
        """Add bad rows at the end: copies of good ones under new ids, with some columns changed.

        Args:
            frame: The export, as text.
            kind: What is wrong, for the truth.
            changes: Columns to set, to a text or to nothing.
            reason: What the quarantine must say.
            among: How many rows of the frame are good; copies are made of these.
            share: How many to add, as a share of the good rows; one at least.
            outcome: What must become of them.
            ids: Pattern of the new ids.
        """
        random = rng(self.seed, f"bad {self.source} {self.entity} {kind}")
        count = max(1, round(share * among))
        start = int(random.integers(1, 800)) * 1_000_000
        new = pl.Series(self.key, [ids.format(start + i) for i in range(count)])
        rows = frame[random.integers(0, among, count)].with_columns(new)
        rows = rows.with_columns(pl.lit(value, dtype=pl.String).alias(name) for name, value in changes.items())
        keys: Sequence[str | None] = rows[self.key].to_list()
        self.truth.bad_rows(self.source, self.entity, keys, kind=kind, outcome=outcome, reason=reason)
        return pl.concat([frame, rows.select(frame.columns)])

    def conflict(self, frame: pl.DataFrame, changes: Mapping[str, str], *, among: int) -> pl.DataFrame:
        """Add older versions of good rows before them: the same ids, other content, of which the later row counts."""
        random = rng(self.seed, f"conflict {self.source} {self.entity}")
        # The first half only: the second is for rows that come twice.
        chosen = random.choice(among // 2, max(1, round(0.0003 * among)), replace=False)
        older = frame[chosen].with_columns(pl.lit(value).alias(name) for name, value in changes.items())
        self.truth.bad_rows(
            self.source,
            self.entity,
            older[self.key].to_list(),
            kind="same id, different content",
            outcome="quarantine",
            reason="duplicate_key: later row kept",
            file_rows=2,
        )
        return pl.concat([older, frame])

    def repeat(self, frame: pl.DataFrame, *, among: int) -> pl.DataFrame:
        """Add good rows a second time, unchanged."""
        random = rng(self.seed, f"repeat {self.source} {self.entity}")
        rows = frame[among - 1 - random.choice(among // 2, max(1, round(0.0003 * among)), replace=False)]
        self.truth.bad_rows(
            self.source,
            self.entity,
            rows[self.key].to_list(),
            kind="same row twice",
            outcome="dropped",
            reason="exact_duplicate",
            file_rows=2,
        )
        return pl.concat([frame, rows])
