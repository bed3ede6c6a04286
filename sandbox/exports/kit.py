"""What the export modules share: where they write, how values become text, and how a system knows a person."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from sandbox import words
from sandbox.days import START, TIMEZONE, Ints, rng
from sandbox.dirt import Dirt
from sandbox.trade import Trade, local_day
from sandbox.truth import Truth

NAME_DIRT = {"upper": 0.02, "lower": 0.015, "space": 0.02, "mojibake": 0.03}
MAIL_DIRT = {"upper": 0.02, "space": 0.015, "nothing_mail": 0.003, "broken_mail": 0.001}
PHONE_DIRT = {"phone_style": 0.30, "phone_national": 0.15, "nothing_phone": 0.01}
COUNTRY_DIRT = {"country_habit": 0.12}


@dataclass(frozen=True, kw_only=True)
class Out:
    """Where one source's export goes, and what it is made of."""

    source: str
    folder: Path
    seed: int
    scale: float
    trade: Trade
    truth: Truth

    def dirt(self, entity: str, key: str) -> Dirt:
        """What spoils an export of this source; `key` is the column with the record's id."""
        return Dirt(seed=self.seed, source=self.source, entity=entity, key=key, truth=self.truth)

    def random(self, part: str) -> np.random.Generator:
        """A random generator of this source's own."""
        return rng(self.seed, f"{self.source} {part}")


def money(minor: str | pl.Expr, point: str = ".") -> pl.Expr:
    """Minor units as text: 1290 gives 12.90."""
    value = pl.col(minor) if isinstance(minor, str) else minor
    return (value // 100).cast(pl.String) + point + (value % 100).cast(pl.String).str.zfill(2)


def amounts(minor: pl.Series, currency: pl.Series | str) -> pl.Series:
    """Minor units with their currency, as making money dirty wants them."""
    code = pl.lit(currency) if isinstance(currency, str) else currency
    return pl.select(pl.struct(minor.alias("minor"), code.alias("currency"))).to_series()


def wall(seconds: str | pl.Expr) -> pl.Expr:
    """Seconds of local time as a local timestamp without zone; negative seconds are none."""
    value = pl.col(seconds) if isinstance(seconds, str) else seconds
    return pl.when(value >= 0).then(value * 1_000_000).cast(pl.Datetime("us"))


def zoned(seconds: str | pl.Expr) -> pl.Expr:
    """Seconds of local time as a timestamp that knows the business's zone; the hour lost in spring becomes the next."""
    there, later = wall(seconds), wall(seconds) + pl.duration(hours=1)
    return pl.coalesce(
        t.dt.replace_time_zone(TIMEZONE, ambiguous="earliest", non_existent="null") for t in (there, later)
    )


def utc(seconds: str | pl.Expr) -> pl.Expr:
    """Seconds of local time as a timestamp in UTC."""
    return zoned(seconds).dt.convert_time_zone("UTC")


def day_of(seconds: str | pl.Expr) -> pl.Expr:
    """Seconds of local time as the business's day; negative seconds are none."""
    value = pl.col(seconds) if isinstance(seconds, str) else seconds
    return pl.when(value >= 0).then(local_day(value))


def stamp(seconds: str | pl.Expr, pattern: str) -> pl.Expr:
    """Seconds of local time as text in local time."""
    return zoned(seconds).dt.strftime(pattern)


def iso(seconds: str | pl.Expr) -> pl.Expr:
    """Seconds of local time as ISO text in UTC."""
    return utc(seconds).dt.strftime("%Y-%m-%dT%H:%M:%SZ")


def epoch(seconds: str | pl.Expr) -> pl.Expr:
    """Seconds of local time as seconds since 1970 in UTC."""
    return utc(seconds).dt.epoch("s")


def iso_utc(frame: pl.DataFrame, seconds: str) -> pl.Series:
    """The column as clean times must read."""
    return frame.select(iso(seconds)).to_series()


def moment(day: str | pl.Expr) -> pl.Expr:
    """Seconds at midnight of a position among the days."""
    value = pl.col(day) if isinstance(day, str) else day
    return (value + START.toordinal() - 719_163) * 86_400


def labels(random: np.random.Generator, options: list[str], count: int, p: list[float] | None = None) -> pl.Series:
    """Random picks as a text column."""
    return pl.Series(random.choice(np.array(options), count, p=p))


def known_as(random: np.random.Generator, people: pl.DataFrame, persons: Ints) -> pl.DataFrame:
    """People as one system knows them.

    Most have the same address everywhere; some a second one and the same telephone, some a second one and none, so
    that no exact key leads to them; some go by a nickname or a misspelt name.
    """
    frame = people[persons].with_columns(person=pl.Series(persons))
    kind = pl.Series(random.choice([0, 1, 2, 3, 4], len(persons), p=[0.85, 0.07, 0.03, 0.03, 0.02]))
    other_mail = kind.is_in([1, 2]) & ~frame["is_business"]
    typo = pl.col("family").str.slice(0, 2) + pl.col("family").str.slice(3)
    return frame.with_columns(
        email=pl.when(other_mail).then("email2").otherwise("email"),
        phone=pl.when(kind == 2).then(None).otherwise("phone"),
        given=pl.when(kind == 3).then(pl.col("given").replace(words.NICKNAMES)).otherwise("given"),
        family=pl.when((kind == 4) & (pl.col("family").str.len_chars() > 5)).then(typo).otherwise("family"),
    )
