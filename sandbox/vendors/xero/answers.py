"""What Xero's accounting interface answers: lists in pages, single records, the organisation and the connections.

As in the vendor's description (xero_accounting.yaml) and https://developer.xero.com/documentation/api/accounting/. Left
out: writing, reports, journals, and most of what `where` can say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.store import Record
from sandbox.vendor import Desk

TENANT = "a3b1c6f2-5d0e-4b57-9f0a-3f1d2c4b5a69"
_INSTANCE = "d04e9f32-44cf-46fc-a4b7-a9b90f64f77d"
_BASE = "/api.xro/2.0"
MOST_IN_PAGE = 1000
USUAL_IN_PAGE = 100


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One list of the interface: its scope, the field with the id, and the query parameters that it knows."""

    name: str
    scope: str
    id: str
    known: frozenset[str]
    pages: bool = True


_COMMON = frozenset({"where", "order"})
_PAGED = _COMMON | {"page", "pageSize"}
LISTINGS = (
    Listing(name="Accounts", scope="accounting.settings.read", id="AccountID", known=_COMMON, pages=False),
    Listing(
        name="Contacts",
        scope="accounting.contacts.read",
        id="ContactID",
        known=_PAGED | {"IDs", "includeArchived", "summaryOnly", "searchTerm"},
    ),
    Listing(
        name="Invoices",
        scope="accounting.invoices.read",
        id="InvoiceID",
        known=_PAGED
        | {"IDs", "InvoiceNumbers", "ContactIDs", "Statuses", "includeArchived", "createdByMyApp", "unitdp"}
        | {"summaryOnly", "searchTerm"},
    ),
    Listing(name="Payments", scope="accounting.payments.read", id="PaymentID", known=_PAGED),
)
SCOPES = frozenset({"offline_access", *(listing.scope for listing in LISTINGS)})


class Refusal(Exception):
    """An error answer: a status and a detail."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status

    def response(self) -> Response:
        """In the form that errors of the status have."""
        return JSONResponse(error_body(self.status, str(self)), self.status)


def error_body(status: int, detail: str) -> dict[str, Any]:
    """An error as the interface words it: of a request's content in one form, of access in another."""
    if status == 400:
        return {"ErrorNumber": 16, "Type": "QueryParseException", "Message": detail}
    titles = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound"}
    return {
        "Type": None,
        "Title": titles.get(status, "An error occurred"),
        "Status": status,
        "Detail": detail,
        "Instance": _INSTANCE,
        "Extensions": {},
    }


def routes(
    desk: Desk, scopes: Callable[[Request], frozenset[str]], needs_tenant: Callable[[Request], bool]
) -> list[Route]:
    """The routes; `scopes` gives what the token of a request may see. Who does not ask for JSON gets XML."""

    def at(path: str, answer: Callable[[Request], Response]) -> Route:
        async def endpoint(request: Request) -> Response:
            if "application/json" not in request.headers.get("accept", ""):
                return Response("<Response><Status>OK</Status></Response>", media_type="text/xml")
            try:
                return answer(request)
            except Refusal as refusal:
                return refusal.response()

        return Route(path, endpoint)

    def guarded(
        listing: Listing, answer: Callable[[Desk, Listing, Request], Response]
    ) -> Callable[[Request], Response]:
        def checked(request: Request) -> Response:
            if needs_tenant(request) and request.headers.get("xero-tenant-id") != TENANT:
                raise Refusal(403, "AuthenticationUnsuccessful")
            if listing.scope not in scopes(request):
                raise Refusal(401, "AuthorizationUnsuccessful")
            return answer(desk, listing, request)

        return checked

    lists = [at(f"{_BASE}/{listing.name}", guarded(listing, _list)) for listing in LISTINGS]
    singles = [at(f"{_BASE}/{listing.name}/{{id}}", guarded(listing, _single)) for listing in LISTINGS]
    organisation = guarded(
        LISTINGS[0], lambda desk, listing, request: _envelope(desk, {"Organisations": [_ORGANISATION]})
    )
    return [*lists, *singles, at(f"{_BASE}/Organisation", organisation), at("/Connections", _connections)]


def _envelope(desk: Desk, content: Mapping[str, Any]) -> Response:
    head = {
        "Id": _INSTANCE,
        "Status": "OK",
        "ProviderName": "Millpond",
        "DateTimeUTC": f"/Date({desk.now()})/",
    }
    return JSONResponse({**head, **content})


def _list(desk: Desk, listing: Listing, request: Request) -> Response:
    query = request.query_params
    strange = [name for name in query if name not in listing.known]
    if strange:
        raise Refusal(400, f"{strange[0]} is not a parameter of {listing.name}")
    if desk.faults.strikes("moving_page"):
        _stir(desk, listing)
    records = _wanted(desk, listing, request)
    if not listing.pages or "page" not in query:
        bodies = [_shown(listing, record, whole=not listing.pages) for record in records]
        return _envelope(desk, {listing.name: bodies})
    page, size = _whole(query, "page", 1, 10**6), _whole(query, "pageSize", USUAL_IN_PAGE, MOST_IN_PAGE)
    start = (page - 1) * size
    whole = query.get("summaryOnly", "false").lower() != "true"
    return _envelope(
        desk,
        {
            "pagination": {
                "page": page,
                "pageSize": size,
                "pageCount": -(-len(records) // size),
                "itemCount": len(records),
            },
            listing.name: [_shown(listing, record, whole=whole) for record in records[start : start + size]],
        },
    )


def _whole(query: Mapping[str, str], name: str, usual: int, most: int) -> int:
    text = query.get(name, str(usual))
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise Refusal(400, f"{name} must be a whole number from 1 to {most}")
    return int(text)


def _wanted(desk: Desk, listing: Listing, request: Request) -> Sequence[Record]:
    query = request.query_params
    since = _since(request.headers.get("if-modified-since"))
    found = desk.store.page(listing.name, limit=10**6, order="updated", since=since)
    if listing.name == "Contacts" and query.get("includeArchived", "false").lower() != "true":
        found = [r for r in found if r.body["ContactStatus"] == "ACTIVE"]
    for parameter, field in (("IDs", listing.id), ("Statuses", "Status"), ("InvoiceNumbers", "InvoiceNumber")):
        if parameter in query:
            asked = query[parameter].split(",")
            found = [r for r in found if r.body.get(field) in asked]
    if "where" in query:
        fits = _condition(query["where"])
        found = [r for r in found if fits(r)]
    return _ordered(found, listing, query.get("order", "UpdatedDateUTC ASC"))


def _since(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(400, "If-Modified-Since is not a time") from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * 1000


def _condition(text: str) -> Callable[[Record], bool]:
    """Comparisons of text fields, joined by AND."""
    tests: list[tuple[str, str, str]] = []
    for part in re.split(r"\s+AND\s+|\s*&&\s*", text):
        match = re.fullmatch(r'(\w+)\s*(==|!=)\s*"([^"]*)"', part.strip())
        if match is None:
            raise Refusal(400, f"Could not parse the filter {part}")
        tests.append((match[1], match[2], match[3]))
    return lambda record: all((record.body.get(name) == value) == (sign == "==") for name, sign, value in tests)


def _ordered(records: Sequence[Record], listing: Listing, order: str) -> Sequence[Record]:
    match = re.fullmatch(r"(\w+)(?:\s+(ASC|DESC))?", order.strip())
    keys: dict[str, Callable[[Record], Any]] = {
        "UpdatedDateUTC": lambda record: (record.updated, record.seq),
        listing.id: lambda record: record.id,
        "Date": lambda record: (record.body.get("Date", ""), record.seq),
    }
    if match is None or match[1] not in keys:
        raise Refusal(400, f"Could not parse the order {order}")
    return sorted(records, key=keys[match[1]], reverse=match[2] == "DESC")


def _shown(listing: Listing, record: Record, *, whole: bool) -> dict[str, Any]:
    """A record as the interface gives it; lists without pages leave out the lines of invoices."""
    body = {**record.body, "UpdatedDateUTC": f"/Date({record.updated}+0000)/"}
    if listing.name == "Invoices" and not whole:
        del body["LineItems"]
    if listing.name in ("Invoices", "Payments"):
        body["UpdatedDateUTCString"] = datetime.fromtimestamp(record.updated / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return body


def _single(desk: Desk, listing: Listing, request: Request) -> Response:
    found = desk.store.get(listing.name, request.path_params["id"])
    if found is None:
        raise Refusal(404, "The resource you're looking for cannot be found")
    return _envelope(desk, {listing.name: [_shown(listing, found, whole=True)]})


def _stir(desk: Desk, listing: Listing) -> None:
    """The record that was changed longest ago is changed now, and so comes last by time."""
    for record in desk.store.page(listing.name, limit=1, order="updated"):
        desk.store.put(listing.name, [replace(record, updated=desk.now())])


def _connections(request: Request) -> Response:
    made = "2024-11-01T08:00:00.0000000Z"
    return JSONResponse(
        [
            {
                "id": "7cb59f93-2964-421d-bb5e-a0f7a4572a44",
                "authEventId": "1a2b3c4d-0000-4000-8000-1a2b3c4d5e6f",
                "tenantId": TENANT,
                "tenantType": "ORGANISATION",
                "tenantName": "Mühlbach Versand GmbH",
                "createdDateUtc": made,
                "updatedDateUtc": made,
            }
        ]
    )


_ORGANISATION = {
    "OrganisationID": TENANT,
    "Name": "Mühlbach Versand GmbH",
    "LegalName": "Mühlbach Versand GmbH",
    "PaysTax": True,
    "Version": "GLOBAL",
    "OrganisationType": "COMPANY",
    "BaseCurrency": "EUR",
    "CountryCode": "DE",
    "IsDemoCompany": False,
    "OrganisationStatus": "ACTIVE",
    "FinancialYearEndDay": 31,
    "FinancialYearEndMonth": 12,
    "Addresses": [],
    "Phones": [],
    "ExternalLinks": [],
}
