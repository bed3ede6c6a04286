"""The vocabulary of a connector: what a resource is, what a read is told, and what a page of records is.

Plain values and no work. Records stay the bytes that the vendor sent; `Head` says which fields are key and time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pydantic import BaseModel

    from connectors._api.client import Client

#: The columns of every raw table that is read through an interface, with their DuckDB types.
RAW_COLUMNS: Mapping[str, str] = {
    "id": "VARCHAR",
    "modified_at": "TIMESTAMP WITH TIME ZONE",
    "payload": "JSON",
    "is_deleted": "BOOLEAN",
    "deleted_at": "TIMESTAMP WITH TIME ZONE",
    "_hash": "BIGINT",
    "_loaded_at": "TIMESTAMP WITH TIME ZONE",
}

#: What they hold, for those who look at them.
RAW_MEANINGS: Mapping[str, str] = {
    "id": "The source's id of the record.",
    "modified_at": "When the source says that the record last changed.",
    "payload": "The record as the source sent it, to the letter.",
    "is_deleted": "Whether the source has deleted the record; what it last was stays.",
    "deleted_at": "When the deletion was first seen.",
    "_hash": "Tells whether the record differs from the one held.",
    "_loaded_at": "When the load that last wrote the row began.",
}


def iso(moment: datetime) -> str:
    """A moment as interfaces want it in a filter: ISO 8601 in UTC, to the second, rounded down."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


#: iso; seconds and milliseconds since 1970, as numbers or text; microsoft: milliseconds as /Date(1541176592690+0000)/.
Clock = Literal["iso", "seconds", "milliseconds", "microsoft"]
#: incremental: what changed since the last read; snapshot: all of it each time, what is not there is deleted;
#: window: all of it from `since` on, what is not there any more from that moment on is deleted.
Mode = Literal["incremental", "snapshot", "window"]
Sweep = Literal["nightly", "weekly", "never"]


@dataclass(frozen=True, kw_only=True)
class Head:
    """Where a record says who it is and when it changed: dotted paths into it.

    Attributes:
        key: the id, text or number; several paths are joined with colons.
        modified: the time of the last change, None where records carry none.
        clock: how that time is written.
        deleted: a boolean that is true for deleted records.
    """

    key: str | tuple[str, ...] = "id"
    modified: str | None = None
    clock: Clock = "iso"
    deleted: str | None = None


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some records, and where to go on after them.

    Attributes:
        records: JSON objects as the vendor sent them, one after the other.
        position: anything JSON that lets a read that was cut off after this page go on; None: it would start anew.
        state: what the next night's read is to be told, once this one is complete; the last page's counts.
        deleted: whether the vendor says that all of these are deleted. What a record last was stays with it.
        bare: whether these records say little more than their keys, so that only records already held learn from them.
        head: where these records differ from the resource's own.
        notes: sentences about what the vendor says of these records, such as that some are withheld; findings.
    """

    records: Sequence[Any]
    position: Any = None
    state: Mapping[str, Any] | None = None
    deleted: bool = False
    bare: bool = False
    head: Head | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a read is told.

    Attributes:
        since: read what changed from this moment on, by the vendor's clock and with the look-back taken off; None: all.
        until: the vendor's clock when the read began, to cut windows by; the last window is best left open.
        position: where a read that was cut off goes on; None: at the beginning.
        state: what the last complete read left.
        options: the source's options, of the connector's own model.
    """

    api: Client
    options: Any
    since: datetime | None = None
    until: datetime
    position: Any = None
    state: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One kind of record of a vendor, and the raw table it becomes.

    Attributes:
        name: the raw table.
        read: gives the pages of what changed, or of everything.
        head: where records say who they are.
        mode: what the pages of a read are; see `Mode`.
        lookback: taken off the last time seen, for commits that came late.
        ids: gives the ids of all records that are there now, in batches. Records held that are not among them are
            marked deleted, and with `fetch` those that are missing are read.
        fetch: gives pages of the records with these ids.
        count: how many records are there now, None where the vendor does not say.
        count_how: how the count is had, in a few words.
        tombstones: gives pages of deleted records, as a read with `since` does.
        sweep: how often `ids` is asked for; weekly where tombstones tell of deletions and the sweep only makes sure.
        optional: the scope that a source may do without; a read refused for want of it is a finding, not a failure.
    """

    name: str
    read: Callable[[Reading], Iterator[Page]]
    head: Head = field(default_factory=Head)
    mode: Mode = "incremental"
    lookback: timedelta = timedelta(minutes=10)
    ids: Callable[[Reading], Iterator[Sequence[str]]] | None = None
    fetch: Callable[[Reading, Sequence[str]], Iterator[Page]] | None = None
    count: Callable[[Reading], int | None] | None = None
    count_how: str = "count endpoint"
    tombstones: Callable[[Reading], Iterator[Page]] | None = None
    sweep: Sweep = "nightly"
    optional: str | None = None


Resources = Callable[["BaseModel"], Sequence[Resource]]
