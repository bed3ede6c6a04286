"""Whether the disk has room for the nights to come, and which files are worth compacting.

Pure: measured bytes in, judgements and sentences out. What is measured, and how, is warehouse/storage.py's.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from quality.results import CheckResult

TABLE, CHECK_NAME = "meta.storage", "disk_has_room"

#: Nights that the line goes through, and the fewest: the first ones fill files and say little about the later ones.
NIGHTS, FEWEST_NIGHTS = 30, 10
#: Nights ahead that somebody should know: a larger disk is not there overnight.
NOTICE = 30
#: What every night writes besides: Dagster's account of it, notes, logs of databases.
MARGIN = 64 << 20
#: A table that is written anew takes its room twice, so half of a file may be what the next night needs again.
MOST_FREE = 0.5
#: Giving back less, in all copies of a file, is not worth writing it anew.
LEAST_FREE = 100 << 20

TO_DO = (
    "Keep fewer versions or runs (keep_versions, keep_runs in millpond.toml), run `millpond compact`, make room on the "
    "disk, or move the data home to a larger one and name it in MILLPOND_HOME."
)


@dataclass(frozen=True)
class Measured:
    """Bytes of each part of the data home on one night, and bytes free on its disk."""

    parts: Mapping[str, int]
    disk_free: int


@dataclass(frozen=True)
class Outlook:
    """What the disk holds and what the nights will want, in bytes.

    `needed` is what a night may take at once. `growth` is per night, and `nights` how many the disk will bear; None
    while too few were measured, `nights` also where nothing grows.
    """

    size: int
    disk_free: int
    needed: int
    growth: float | None
    nights: int | None

    @property
    def is_short(self) -> bool:
        """Whether somebody should do something."""
        return self.disk_free < self.needed or (self.nights is not None and self.nights < NOTICE)

    def sentence(self) -> str:
        """What the ops person reads."""
        told = f"{amount(self.size)} in the data home, {amount(self.disk_free)} free on its disk"
        if self.disk_free < self.needed:
            return f"{told}, but a night may need {amount(self.needed)} at once."
        if self.growth is None:
            return f"{told}; how long that will do can be told after {FEWEST_NIGHTS} nights."
        if self.nights is None:
            return f"{told}; it does not grow."
        return f"{told}: room for about {self.nights:,} nights, at {amount(self.growth)} a night."


def look_ahead(history: Sequence[Measured], keep_versions: int) -> Outlook:
    """Judge the disk by the last nights, oldest first; there is at least one.

    The growth is the median of the slopes between all pairs of nights (Theil and Sen), so that a night on which a file
    was compacted or a source loaded anew changes little. Versions that are still to come are taken as there already.
    """
    last, nights = history[-1], history[-NIGHTS:]
    build = last.parts.get("build", 0)
    growth = _slope([_settled(night, keep_versions) for night in nights]) if len(nights) >= FEWEST_NIGHTS else None
    room = last.disk_free + sum(last.parts.values()) - _settled(last, keep_versions)
    return Outlook(
        size=sum(last.parts.values()),
        disk_free=last.disk_free,
        # The new version, as much again for what DuckDB spills, and a source that is loaded anew.
        needed=2 * build + _largest_source(last) + int(max(growth or 0, 0)) + MARGIN,
        growth=growth,
        nights=max(0, int(room / growth)) if growth and growth > 0 else None,
    )


def refusal(build: int, disk_free: int, keep_versions: int) -> str | None:
    """Why a night must not begin, None if it may: the disk could not even hold the version that it would publish.

    Args:
        build: bytes of the build database, of which a version is a copy.
        disk_free: bytes free on the disk of the data home.
        keep_versions: how many versions are kept.
    """
    needed = build + MARGIN
    if disk_free >= needed:
        return None
    return (
        f"No night was begun: it needs at least {amount(needed)} on the disk of the data home, and {amount(disk_free)} "
        f"are free. Keep fewer versions (keep_versions in millpond.toml, now {keep_versions}) and run `millpond "
        "compact`, make room on the disk, or move the data home to a larger one and name it in MILLPOND_HOME."
    )


def judge(outlook: Outlook) -> CheckResult:
    """The outlook as a check."""
    advice = f" {TO_DO}" if outlook.is_short else ""
    return CheckResult(
        name=CHECK_NAME,
        table=TABLE,
        severity="warning",
        passed=not outlook.is_short,
        evaluated_rows=1,
        failed_rows=0,
        failed_pct=0.0,
        examples=[],
        sql="SELECT * FROM meta.storage ORDER BY night DESC, size_bytes DESC;",
        description=f"The disk has room for the nights to come: {outlook.sentence()}{advice}",
    )


def is_wasteful(size: int, free: int, copies: int = 1) -> bool:
    """Whether a file is worth writing anew.

    Args:
        size: its bytes.
        free: those in blocks that hold nothing.
        copies: how often it lies on the disk.
    """
    return free > MOST_FREE * size and free * copies >= LEAST_FREE


def amount(size: float) -> str:
    """Bytes for people: 12 MB, 3.4 GB."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"


def _settled(night: Measured, keep_versions: int) -> int:
    """Bytes once all versions are there, each as large as the build."""
    others = sum(size for part, size in night.parts.items() if part != "versions")
    return others + keep_versions * night.parts.get("build", 0)


def _largest_source(night: Measured) -> int:
    return max((size for part, size in night.parts.items() if part.startswith("raw/")), default=0)


def _slope(totals: Sequence[int]) -> float:
    pairs = itertools.combinations(enumerate(totals), 2)
    return statistics.median((y - x) / (j - i) for (i, x), (j, y) in pairs)
