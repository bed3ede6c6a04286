"""What is read from Xero, and how: lists in pages by id, with what changed since, and the chart of accounts whole.

Pages are numbered and no cursor is offered, so they go by id: a record that changes while they are read may come twice
that way, while by time of change it would move behind and pull others over the edge of a page. Shapes from the vendor's
description of the accounting interface.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any

import msgspec

from connectors._api.body import RECORDS, at, envelope, struct_of
from connectors._api.resource import Head, Page, Reading, Resource, iso

BASE = "/api.xro/2.0"
#: How long a read may be interrupted and go on by page number, and how far the next one looks back: what changed while
#: pages were read may lie on one that was read already.
_INTERRUPTED = timedelta(minutes=30)
_LOOKBACK = timedelta(hours=2)
_LISTED = 1000
_FETCHED_AT_ONCE = 50
_GONE = "DELETED"
_status = msgspec.json.Decoder(struct_of({"Status": str}))


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A list of Xero's: its table, scope and id, what is always asked, and how deleted ones are left out."""

    table: str
    name: str
    scope: str
    id: str
    always: Mapping[str, str]
    there: Mapping[str, str]


LISTINGS = (
    Listing(
        table="contacts",
        name="Contacts",
        scope="accounting.contacts.read",
        id="ContactID",
        always={"includeArchived": "true"},
        there={},
    ),
    Listing(
        table="invoices",
        name="Invoices",
        scope="accounting.invoices.read",
        id="InvoiceID",
        always={},
        there={"where": f'Status!="{_GONE}"'},
    ),
    Listing(
        table="payments",
        name="Payments",
        scope="accounting.payments.read",
        id="PaymentID",
        always={},
        there={"where": f'Status!="{_GONE}"'},
    ),
)
ACCOUNTS_SCOPE = "accounting.settings.read"


def resources() -> list[Resource]:
    """Gives Xero's resources."""
    accounts = Resource(
        name="accounts",
        read=_accounts,
        head=Head(key="AccountID", modified="UpdatedDateUTC", clock="microsoft"),
        mode="snapshot",
    )
    return [accounts, *(_resource(listing) for listing in LISTINGS)]


def _resource(listing: Listing) -> Resource:
    # Single payments cannot be asked for by their ids, many at once.
    can_fetch = listing.name != "Payments"
    return Resource(
        name=listing.table,
        read=partial(_read, listing),
        head=Head(key=listing.id, modified="UpdatedDateUTC", clock="microsoft"),
        lookback=_LOOKBACK,
        ids=partial(_ids, listing) if can_fetch else None,
        fetch=partial(_fetch, listing) if can_fetch else None,
        sweep="weekly",
        count=partial(_count, listing),
        count_how="itemCount of a list",
    )


def _accounts(reading: Reading) -> Iterator[Page]:
    said = reading.api.get(f"{BASE}/Accounts", decode=envelope(needs="records", records=("Accounts", RECORDS)))
    yield Page(records=said.records or [])


def _read(listing: Listing, reading: Reading) -> Iterator[Page]:
    """What changed since, page by page; one that was interrupted for long begins anew."""
    now = datetime.now(UTC)
    began, page = reading.position or (now.isoformat(), 1)
    if now - datetime.fromisoformat(began) > _INTERRUPTED:
        began, page = now.isoformat(), 1
    while True:
        found = _page(listing, reading, page=page, size=reading.options.page_size, since=reading.since)
        page += 1
        live, gone = _parted(found.records)
        yield Page(records=live, position=(began, page))
        if gone:
            yield Page(records=gone, deleted=True, position=(began, page))
        if page > found.pages:
            return


def _parted(records: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Records that are there, and those that Xero lists as deleted."""
    live: list[Any] = []
    gone: list[Any] = []
    for record in records:
        (gone if at(_status.decode(record), "Status") == _GONE else live).append(record)
    return live, gone


def _page(listing: Listing, reading: Reading, *, page: int, size: int, since: datetime | None, **more: str) -> Any:
    """One page in the order of ids."""
    asked = {**listing.always, "order": f"{listing.id} ASC", "page": page, "pageSize": size, **more}
    headers = {"If-Modified-Since": iso(since)} if since else None
    return reading.api.get(f"{BASE}/{listing.name}", asked, headers=headers, decode=_page_of(listing.name, page, size))


def _page_of(name: str, page: int, size: int) -> Callable[[bytes], Any]:
    """Reads an answer, and makes sure that it is the page that was asked for."""
    cut = envelope(
        needs="records",
        records=(name, RECORDS),
        page=("pagination.page", int),
        size=("pagination.pageSize", int),
        pages=("pagination.pageCount", int),
        count=("pagination.itemCount", int),
    )

    def decode(body: bytes) -> Any:
        found = cut(body)
        if found.records is None or (found.page, found.size) != (page, size):
            raise ValueError(f"page {found.page} of {found.size} in place of page {page} of {size}")
        return found

    return decode


def _start(reading: Reading) -> datetime | None:
    day = reading.options.start_date
    return datetime.combine(day, time(), UTC) if day else None


def _count(listing: Listing, reading: Reading) -> int:
    return int(_page(listing, reading, page=1, size=1, since=_start(reading), **listing.there).count)


def _ids(listing: Listing, reading: Reading) -> Iterator[Sequence[str]]:
    decoder = msgspec.json.Decoder(struct_of({listing.id: str}))
    page, pages = 1, 1
    while page <= pages:
        asked = {**listing.there, "summaryOnly": "true"}
        found = _page(listing, reading, page=page, size=_LISTED, since=_start(reading), **asked)
        yield [str(at(decoder.decode(record), listing.id)) for record in found.records]
        page, pages = page + 1, found.pages


def _fetch(listing: Listing, reading: Reading, ids: Sequence[str]) -> Iterator[Page]:
    for start in range(0, len(ids), _FETCHED_AT_ONCE):
        listed = ",".join(ids[start : start + _FETCHED_AT_ONCE])
        found = _page(listing, reading, page=1, size=_FETCHED_AT_ONCE, since=None, IDs=listed)
        live, gone = _parted(found.records)
        yield Page(records=live)
        yield Page(records=gone, deleted=True)
