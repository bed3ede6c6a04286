"""Turns a page into columns: id, time of change, the record as sent, and whether it is deleted.

The only place that looks into a record, and it looks at no more than the head. A record without a key is set aside with
its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa

from connectors._api.body import at, struct_of
from connectors._api.resource import Head, Page

_MICROS = 1_000_000
SPOOLED = pa.schema(
    [
        ("id", pa.string()),
        ("modified_at", pa.timestamp("us", "UTC")),
        ("payload", pa.string()),
        ("is_deleted", pa.bool_()),
        ("is_bare", pa.bool_()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A record that has no place in a table."""

    payload: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Columns:
    """A page as columns of SPOOLED, and what could not be put there."""

    batch: pa.RecordBatch
    rejected: Sequence[Rejected]


class Cutter:
    """Makes columns of the pages of one resource."""

    def __init__(self, head: Head) -> None:
        self.head = head
        keys = (head.key,) if isinstance(head.key, str) else head.key
        kinds: dict[str, Any] = dict.fromkeys(keys, str | int | float)
        if head.modified:
            kinds[head.modified] = str | int | float
        if head.deleted:
            kinds[head.deleted] = bool
        self._keys = keys
        self._decoder = msgspec.json.Decoder(struct_of(kinds))
        self._time = _CLOCKS[head.clock]

    def columns(self, page: Page) -> Columns:
        """Cuts a page.

        Raises:
            ValueError: a record is not UTF-8.
        """
        ids: list[str] = []
        times: list[int | None] = []
        payloads: list[bytes] = []
        deleted: list[bool] = []
        rejected: list[Rejected] = []
        for record in page.records:
            payload = bytes(record)
            try:
                found = self._decoder.decode(payload)
                key = self._key(found)
                moment = self._time(at(found, self.head.modified)) if self.head.modified else None
            except (ValueError, TypeError) as error:
                rejected.append(Rejected(payload=payload.decode(errors="replace"), reason=_reason(error)))
                continue
            ids.append(key)
            times.append(moment)
            payloads.append(payload)
            deleted.append(page.deleted or bool(self.head.deleted and at(found, self.head.deleted)))
        arrays = [
            pa.array(ids, pa.string()),
            pa.array(times, pa.int64()).cast(pa.timestamp("us", "UTC")),
            pa.array(payloads, pa.binary()).cast(pa.string()),
            pa.array(deleted, pa.bool_()),
            pa.repeat(pa.scalar(page.bare), len(ids)),
        ]
        return Columns(batch=pa.RecordBatch.from_arrays(arrays, schema=SPOOLED), rejected=rejected)

    def _key(self, found: Any) -> str:
        parts = []
        for path in self._keys:
            value = at(found, path)
            if value is None or value == "":
                raise ValueError(f"no {path}")
            parts.append(str(value))
        return ":".join(parts)


def _reason(error: Exception) -> str:
    return f"the record's key or time cannot be read: {error}"


def _from_iso(value: Any) -> int | None:
    if value is None or value == "":
        return None
    moment = datetime.fromisoformat(str(value))
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * _MICROS)


def _from_number(unit: int) -> Callable[[Any], int | None]:
    def convert(value: Any) -> int | None:
        return None if value is None or value == "" else round(float(value) * unit)

    return convert


_CLOCKS: dict[str, Callable[[Any], int | None]] = {
    "iso": _from_iso,
    "seconds": _from_number(_MICROS),
    "milliseconds": _from_number(1000),
}
