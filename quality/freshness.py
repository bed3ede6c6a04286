"""How old each source's last good load is, against what the contracts of its entities promise.

Pure, with the clock passed in. Whether a load was good is the ingest's to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from warehouse.contracts import Contract


@dataclass(frozen=True)
class SourceLoad:
    """A source, the entities mapped from it, and when it last loaded well (None: never)."""

    source: str
    entities: tuple[str, ...]
    last_good_load_at: datetime | None


@dataclass(frozen=True)
class Freshness:
    """Whether a source is fresh. `stale_since` is when its promise ran out; None too if it never loaded."""

    source: str
    is_fresh: bool
    last_good_load_at: datetime | None
    stale_since: datetime | None
    allowed_hours: int | None
    strictest_entity: str | None

    def sentence(self) -> str:
        """What the ops person reads."""
        if self.last_good_load_at is None:
            return f"{self.source} has never loaded. See the log of its ingest run."
        loaded = f"last loaded {self.last_good_load_at:%Y-%m-%d %H:%M %Z}".rstrip()
        if self.is_fresh or self.stale_since is None:
            return f"{self.source} is fresh, {loaded}."
        return (
            f"{self.source} is stale since {self.stale_since:%Y-%m-%d %H:%M %Z}: {loaded}, and {self.strictest_entity} "
            f"may be {self.allowed_hours} hours old. The warehouse holds its last good data."
        )


def judge_freshness(loads: Sequence[SourceLoad], contracts: Mapping[str, Contract], now: datetime) -> list[Freshness]:
    """Judge each source by the entity of its own that has to be freshest.

    Args:
        loads: one per configured source; times are timezone-aware.
        contracts: entities by name.
        now: the clock.
    """
    return [_judge(load, contracts, now) for load in loads]


def _judge(load: SourceLoad, contracts: Mapping[str, Contract], now: datetime) -> Freshness:
    promised = {
        entity: hours
        for entity in load.entities
        if (hours := contracts[entity].freshness_hours if entity in contracts else None) is not None
    }
    strictest = min(promised, key=lambda entity: promised[entity], default=None)
    hours = promised[strictest] if strictest else None
    loaded = load.last_good_load_at
    due = loaded + timedelta(hours=hours) if loaded is not None and hours is not None else None
    is_stale = loaded is None or (due is not None and now > due)
    return Freshness(
        source=load.source,
        is_fresh=not is_stale,
        last_good_load_at=loaded,
        stale_since=due if is_stale else None,
        allowed_hours=hours,
        strictest_entity=strictest,
    )
