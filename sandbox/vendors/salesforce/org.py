"""What the interfaces of the org have in common: records as rows, who may see what, the words of refusals.

Which records `query` hides and `queryAll` shows: https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/
sforce_api_guidelines_archive.htm and .../sforce_api_calls_getdeleted.htm. Paging belongs in `answers` and `bulk`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.store import Record
from sandbox.vendor import Desk
from sandbox.vendors.salesforce import objects, soql
from sandbox.vendors.salesforce.objects import Field, stamp

DAY = 86_400_000
#: How long deleted records stay in the recycle bin, and after how long activities are archived.
BIN_DAYS = 15
ARCHIVE_DAYS = 365
OLDEST, NEWEST, PINNED = 31, 68, "66.0"
VERSIONS = tuple(f"{number}.0" for number in range(OLDEST, NEWEST + 1))
USER = objects.record_id("User", 1)


class Refusal(Exception):
    """An error answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code

    def response(self) -> Response:
        """In the form of all errors of the interface: a list of one."""
        return refused(self.status, self.code, str(self))


@dataclass
class Org:
    """The org as one server process knows it; cursors and jobs do not outlive it.

    `hidden` gives the objects that the user of an access token may not see.
    """

    desk: Desk
    hidden: Callable[[str], frozenset[str]]
    cursors: dict[str, Cursor] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=partial(count, 1))

    def may_see(self, request: Request, name: str) -> bool:
        """Whether the user behind the token may read an object."""
        return name not in self.hidden(token_of(request))

    def object_of(self, request: Request, name: str) -> str:
        """The object of a path."""
        if name not in objects.OBJECTS or not self.may_see(request, name):
            raise Refusal(404, "NOT_FOUND", "The requested resource does not exist")
        return name

    def parse(self, request: Request, text: str) -> soql.Query:
        """Understands a query of this user's."""
        try:
            return soql.parse(
                text,
                lambda name: objects.fields(self.desk.store, name),
                may_see=lambda name: self.may_see(request, name),
            )
        except soql.QueryError as error:
            raise Refusal(400, error.code, str(error)) from None

    def rows(self, name: str, *, everything: bool) -> list[dict[str, Any]]:
        """All records of an object in the order of their ids; `everything` with deleted and archived ones."""
        now = self.desk.now()
        found = self.desk.store.page(name, limit=10**9, deleted=None if everything else False)
        kept = [r for r in found if r.deleted is None or now - r.deleted < BIN_DAYS * DAY]
        known = objects.fields(self.desk.store, name)
        rows = [row_of(record, known, now) for record in kept]
        return rows if everything else [row for row in rows if not row.get("IsArchived")]

    def stir(self, name: str) -> None:
        """If it is planned, lets a record change between two reads: the one that was changed longest ago."""
        if self.desk.faults.strikes("moving_page"):
            for record in self.desk.store.page(name, limit=1, order="updated"):
                self.desk.store.put(name, [touched(record, self.desk.now())])


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """The rows of a query that are still to be fetched."""

    query: soql.Query
    rows: Sequence[Mapping[str, Any]]


def row_of(record: Record, known: Mapping[str, Field], now: int) -> dict[str, Any]:
    """A record with all fields of its object."""
    body = record.body
    owner = body.get("OwnerId", USER)
    values = {
        "CreatedById": owner,
        "LastModifiedById": owner,
        **body,
        "Id": record.id,
        "CreatedDate": stamp(record.created),
        "SystemModstamp": stamp(record.updated),
        "IsDeleted": record.deleted is not None,
        "IsArchived": _is_archived(body, now),
    }
    for name in ("BillingAddress", "MailingAddress", "Address"):
        if name in known:
            values[name] = _address(values, name.removesuffix("Address"))
    return {name: values.get(name) for name in known}


def touched(record: Record, at: int) -> Record:
    """The record as changed at a time, in whole seconds as Salesforce keeps it."""
    second = at // 1000 * 1000
    return replace(record, updated=second, body={**record.body, "LastModifiedDate": stamp(second)})


def token_of(request: Request) -> str:
    """The access token of a request."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme in ("Bearer", "OAuth") else ""


def refused(status: int, code: str, message: str) -> Response:
    """An error as the interface words it."""
    return JSONResponse([{"message": message, "errorCode": code}], status)


def _is_archived(body: Mapping[str, Any], now: int) -> bool:
    day = body.get("ActivityDate")
    if day is None or body.get("IsClosed") is False:
        return False
    return now - datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000 >= ARCHIVE_DAYS * DAY


def _address(values: Mapping[str, Any], place: str) -> dict[str, Any]:
    parts = {"city": "City", "country": "Country", "postalCode": "PostalCode", "state": "State", "street": "Street"}
    return {name: values.get(f"{place}{part}") for name, part in parts.items()} | {
        "geocodeAccuracy": None,
        "latitude": None,
        "longitude": None,
    }
