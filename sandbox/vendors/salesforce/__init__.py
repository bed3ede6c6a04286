"""A Salesforce org, as an integration user sees it through REST and the Bulk API 2.0.

See https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/. Access and limits are here; objects,
records, queries, answers, jobs and nights have a module each. No source of the demo company loads it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from sandbox.vendor import Desk, Limit, Vendor, records_under
from sandbox.vendors.salesforce import answers, bulk, nights, records
from sandbox.vendors.salesforce.org import Org, token_of

CLIENT_ID, CLIENT_SECRET = "demo-salesforce-client", "demo-salesforce-secret"
#: An app whose user may not see opportunities and activities.
LIMITED_CLIENT_ID = "demo-salesforce-limited-client"
REFRESH_TOKEN = "demo-salesforce-refresh-token"  # noqa: S105
TOKEN = "demo-salesforce-token"  # noqa: S105
LIMITED_TOKEN = "demo-salesforce-limited-token"  # noqa: S105
_HIDDEN = frozenset({"Opportunity", "OpportunityHistory", "Task", "Event"})
_TOKENS = {CLIENT_ID: TOKEN, LIMITED_CLIENT_ID: LIMITED_TOKEN}
_ERRORS = {
    401: ("INVALID_SESSION_ID", "Session expired or invalid"),
    403: ("INSUFFICIENT_ACCESS", "insufficient access rights on object id"),
    404: ("NOT_FOUND", "The requested resource does not exist"),
    429: ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
    500: ("UNKNOWN_EXCEPTION", "An unexpected error occurred. Please include this ErrorId if you contact support"),
    503: ("SERVER_UNAVAILABLE", "The REST API is temporarily unavailable"),
}


def _routes(desk: Desk) -> Sequence[Route]:
    org = Org(desk=desk, hidden=lambda token: _HIDDEN if token.startswith(LIMITED_TOKEN) else frozenset())
    anything = Route("/{path:path}", answers.nothing_there, methods=["GET", "POST", "PATCH", "DELETE", "PUT"])
    return [*bulk.routes(org), *answers.routes(org, _issue), anything]


def _token(desk: Desk, client: str) -> str:
    """The access token of a client: another one after each that ended early."""
    ended = desk.store.note("ended_sessions", 0)
    return f"{_TOKENS[client]}-{ended}" if ended else _TOKENS[client]


def _issue(desk: Desk, form: Mapping[str, str]) -> dict[str, Any]:
    """What the token endpoint says to a form, without the address of the org."""
    client = form.get("client_id", "")
    if client not in _TOKENS:
        return {"error": "invalid_client_id", "error_description": "client identifier invalid"}
    if form.get("client_secret") != CLIENT_SECRET:
        return {"error": "invalid_client", "error_description": "invalid client credentials"}
    match form.get("grant_type"):
        case "client_credentials":
            pass
        case "refresh_token":
            if form.get("refresh_token") != REFRESH_TOKEN:
                return {"error": "invalid_grant", "error_description": "expired access/refresh token"}
        case _:
            return {"error": "unsupported_grant_type", "error_description": "grant type not supported"}
    return {
        "access_token": _token(desk, client),
        "signature": "demo-signature=",
        "scope": "api",
        "token_type": "Bearer",
        "issued_at": str(desk.now()),
    }


def _authorised(request: Request, desk: Desk) -> bool:
    path = request.url.path
    if path.endswith("/services/oauth2/token") or path.rstrip("/").endswith("/services/data"):
        return True
    if _is_page(request) and desk.faults.strikes("expired_token"):
        desk.store.write_note("ended_sessions", desk.store.note("ended_sessions", 0) + 1)
    return token_of(request) in {_token(desk, client) for client in _TOKENS}


def _is_page(request: Request) -> bool:
    path = request.url.path
    is_rest = "/query/" in path or path.endswith(("/query", "/queryAll")) or "/queryAll/" in path
    if "/jobs/" in path:
        return path.endswith("/results")
    return is_rest or path.rstrip("/").endswith(("/deleted", "/updated"))


def _listing(request: Request) -> str:
    """All objects are asked for at one address; which one it is stands in the query."""
    named = re.search(r"\bFROM\s+(\w+)", request.query_params.get("q", ""), re.IGNORECASE)
    return f"{request.url.path} {named[1] if named else ''}"


def _limit_headers(limit: Limit, remaining: int, reset_seconds: float) -> Mapping[str, str]:
    used = limit.requests - max(0, min(remaining, limit.requests))
    return {"Sforce-Limit-Info": f"api-usage={used}/{limit.requests}"}


def _error(status: int) -> tuple[Any, Mapping[str, str]]:
    code, message = _ERRORS[status]
    return [{"message": message, "errorCode": code}], {}


VENDOR = Vendor(
    name="salesforce",
    source="",
    fill=records.fill,
    routes=_routes,
    night=nights.night,
    error=_error,
    authorised=_authorised,
    limit=Limit(requests=answers.DAILY_REQUESTS, seconds=86_400),
    limit_headers=_limit_headers,
    is_page=_is_page,
    records_of=records_under("records"),
    listing=_listing,
    statuses={429: 403},
)
