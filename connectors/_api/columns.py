"""Turns a page into columns: id, time of change, the record as sent, and whether it is deleted.

The only place that looks into a record, and it looks at no more than the head. A record without a key is set aside with
its reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from connectors._api.body import at, struct_of
from connectors._api.resource import Head, Page

_MOMENT = pa.timestamp("us", "UTC")
_FIRST, _LAST = (pa.scalar(datetime(year, 1, 1, tzinfo=UTC), _MOMENT) for year in (1000, 9000))
_UNREADABLE = (ValueError, TypeError, OverflowError, RecursionError)
SPOOLED = pa.schema(
    [
        ("id", pa.string()),
        ("modified_at", _MOMENT),
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
        payloads = [bytes(record) for record in page.records]
        rejected: list[Rejected] = []
        try:
            heads = [self._decoder.decode(payload) for payload in payloads]
            ids, times = [self._key(head) for head in heads], self._times(heads)
        except _UNREADABLE:
            # Rare enough to look at one after the other.
            payloads, rejected = self._sound(payloads)
            heads = [self._decoder.decode(payload) for payload in payloads]
            ids = [self._key(head) for head in heads]
            times = pa.concat_arrays([self._times([head]) for head in heads] or [pa.nulls(0, _MOMENT)])
        arrays = [
            pa.array(ids, pa.string()),
            times,
            pa.array(payloads, pa.binary()).cast(pa.string()),
            pa.array([page.deleted or self._is_deleted(head) for head in heads], pa.bool_()),
            pa.repeat(pa.scalar(page.bare), len(ids)),
        ]
        return Columns(batch=pa.RecordBatch.from_arrays(arrays, schema=SPOOLED), rejected=rejected)

    def _sound(self, payloads: Sequence[bytes]) -> tuple[list[bytes], list[Rejected]]:
        """Parts the records whose heads can be read from those that cannot."""
        sound, rejected = [], []
        for payload in payloads:
            try:
                head = self._decoder.decode(payload)
                self._key(head)
                self._times([head])
                sound.append(payload)
            except _UNREADABLE as error:
                rejected.append(Rejected(payload=payload.decode(errors="replace"), reason=_reason(error)))
        return sound, rejected

    def _key(self, head: Any) -> str:
        parts = [at(head, path) for path in self._keys]
        for path, part in zip(self._keys, parts, strict=True):
            if part is None or part == "":
                raise ValueError(f"no {path}")
        return ":".join(map(_written, parts))

    def _times(self, heads: Sequence[Any]) -> pa.Array:
        if self.head.modified is None:
            return pa.nulls(len(heads), _MOMENT)
        times = self._time([at(head, self.head.modified) or None for head in heads])
        # "Never" is often a day after all days, which no comparison of times survives.
        sane = pc.and_(pc.greater_equal(times, _FIRST), pc.less(times, _LAST))
        return pc.if_else(sane, times, pa.scalar(None, _MOMENT))

    def _is_deleted(self, head: Any) -> bool:
        return bool(self.head.deleted and at(head, self.head.deleted))


def _written(part: Any) -> str:
    """A part of a key as text; 7.0 is the 7 that another page says."""
    return str(int(part)) if isinstance(part, float) and part.is_integer() else str(part)


def _reason(error: Exception) -> str:
    why = "it is nested too deeply" if isinstance(error, RecursionError) else error
    return f"the record's key or time cannot be read: {why}"


def _from_iso(values: list[Any]) -> pa.Array:
    texts = [None if value is None else str(value) for value in values]
    try:
        return pa.array(texts, pa.string()).cast(_MOMENT)
    except pa.ArrowInvalid:
        # Offsets without a colon and times without a zone, which are UTC.
        moments = [None if text is None else datetime.fromisoformat(text) for text in texts]
        return pa.array([m if m is None or m.tzinfo else m.replace(tzinfo=UTC) for m in moments], _MOMENT)


def _from_number(unit: int) -> Callable[[list[Any]], pa.Array]:
    def convert(values: list[Any]) -> pa.Array:
        micros = [None if value is None else round(float(value) * unit) for value in values]
        return pa.array(micros, pa.int64()).cast(_MOMENT)

    return convert


def _milliseconds(text: str) -> str:
    found = re.fullmatch(r"/Date\((-?\d+)(?:[+-]\d{4})?\)/", text)
    if found is None:
        raise ValueError(f"{text!r} is no time")
    return found[1]


def _from_microsoft(values: list[Any]) -> pa.Array:
    """The offset says where the writer was; the milliseconds are those of UTC."""
    return _from_number(1000)([None if value is None else _milliseconds(str(value)) for value in values])


_CLOCKS: dict[str, Callable[[list[Any]], pa.Array]] = {
    "iso": _from_iso,
    "seconds": _from_number(1_000_000),
    "milliseconds": _from_number(1000),
    "microsoft": _from_microsoft,
}
