"""The machine's clock, in one place. It may be wrong: nothing takes what it says for an order of events."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)
