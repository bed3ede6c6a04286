"""Xero's accounting interface, version 2.0, as an app with one connected organisation sees it.

As in the vendor's descriptions (xero_accounting.yaml, xero-identity.yaml); access and limits by
https://developer.xero.com/documentation/guides/oauth2/limits/ and https://developer.xero.com/faq/oauth2. Records,
answers and nights have a module each. No source of the demo company loads it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.vendor import Desk, Limit, Vendor, records_under
from sandbox.vendors.xero import answers, nights, records
from sandbox.vendors.xero.answers import SCOPES, TENANT

CLIENT_ID, CLIENT_SECRET = "demo-xero-client", "demo-xero-secret"
#: The refresh token that a person got when the app was connected; every use gives another one.
REFRESH_TOKEN = "demo-xero-refresh-token"  # noqa: S105
#: An app that was not given the scope for payments.
LIMITED_REFRESH_TOKEN = "demo-xero-limited-refresh-token"  # noqa: S105
TOKEN = "demo-xero-token"  # noqa: S105
#: A custom connection: an app of one organisation's own, which needs neither refresh tokens nor the tenant's id.
CUSTOM_CLIENT_ID = "demo-xero-custom-client"
#: How long a refresh token that was used can be used again, in case its answer got lost.
GRACE = 30 * 60_000
_FULL, _LIMITED, _CUSTOM = "full", "limited", "custom"
_SECONDS = 1800
_DAILY = 5_000


def _routes(desk: Desk) -> Sequence[Route]:
    async def token(request: Request) -> Response:
        answer = _issue(desk, _app(request), dict(parse_qsl((await request.body()).decode())))
        return JSONResponse(answer, 400 if "error" in answer else 200)

    return [Route("/connect/token", token, methods=["POST"]), *answers.routes(desk, _scopes, _needs_tenant)]


def _app(request: Request) -> tuple[str, str]:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    name, _, secret = base64.b64decode(encoded).decode().partition(":") if scheme == "Basic" else ("", "", "")
    return name, secret


def _issue(desk: Desk, app: tuple[str, str], form: Mapping[str, str]) -> dict[str, Any]:
    """Another access token and refresh token for a refresh token, which then is used up but for the grace."""
    if app[0] not in (CLIENT_ID, CUSTOM_CLIENT_ID) or app[1] != CLIENT_SECRET:
        return {"error": "invalid_client"}
    if app[0] == CUSTOM_CLIENT_ID:
        return _issue_to_custom(desk, form)
    if form.get("grant_type") != "refresh_token":
        return {"error": "unsupported_grant_type"}
    given = form.get("refresh_token", "")
    first = next((t for t in (LIMITED_REFRESH_TOKEN, REFRESH_TOKEN) if given.startswith(t)), None)
    if first is None:
        return {"error": "invalid_grant"}
    used: dict[str, int] = desk.store.note("used", {})
    issued = desk.store.note("issued", {REFRESH_TOKEN: 0, LIMITED_REFRESH_TOKEN: 0})
    is_newest = given == (f"{first}-{issued[first]}" if issued[first] else first)
    if not is_newest and desk.now() - used.get(given, 0) > GRACE:
        return {"error": "invalid_grant"}
    desk.store.write_note("used", {given: desk.now()} | used)
    desk.store.write_note("issued", {**issued, first: issued[first] + 1})
    scopes = SCOPES - ({"accounting.payments.read"} if first == LIMITED_REFRESH_TOKEN else set())
    return {
        "access_token": _access_token(desk, _LIMITED if first == LIMITED_REFRESH_TOKEN else _FULL),
        "expires_in": _SECONDS,
        "token_type": "Bearer",
        "refresh_token": f"{first}-{issued[first] + 1}",
        "scope": " ".join(sorted(scopes)),
    }


def _issue_to_custom(desk: Desk, form: Mapping[str, str]) -> dict[str, Any]:
    if form.get("grant_type") != "client_credentials":
        return {"error": "unauthorized_client"}
    if not set(form.get("scope", "").split()) <= SCOPES:
        return {"error": "invalid_scope"}
    return {"access_token": _access_token(desk, _CUSTOM), "expires_in": _SECONDS, "token_type": "Bearer"}


def _access_token(desk: Desk, kind: str) -> str:
    """The access token in force: another one after each that ended early."""
    return f"{TOKEN}-{kind}-{desk.store.note('ended', 0)}"


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme == "Bearer" else ""


def _scopes(request: Request) -> frozenset[str]:
    is_limited = f"-{_LIMITED}-" in _bearer(request)
    return SCOPES - {"accounting.payments.read"} if is_limited else SCOPES


def _needs_tenant(request: Request) -> bool:
    return f"-{_CUSTOM}-" not in _bearer(request)


def _authorised(request: Request, desk: Desk) -> bool:
    if request.url.path.endswith("/connect/token"):
        return True
    if _is_page(request) and desk.faults.strikes("expired_token"):
        desk.store.write_note("ended", desk.store.note("ended", 0) + 1)
    return _bearer(request) in {_access_token(desk, kind) for kind in (_FULL, _LIMITED, _CUSTOM)}


def _is_page(request: Request) -> bool:
    return request.url.path.endswith(("/Contacts", "/Invoices", "/Payments"))


def _limit_headers(limit: Limit, remaining: int, reset_seconds: float) -> Mapping[str, str]:
    return {
        "X-MinLimit-Remaining": str(max(0, min(remaining, limit.requests))),
        "X-DayLimit-Remaining": str(_DAILY - 1),
        "X-AppMinLimit-Remaining": "9999",
    }


def _error(status: int) -> tuple[Any, Mapping[str, str]]:
    if status == 429:
        return "", {"X-Rate-Limit-Problem": "minute"}
    details = {401: "TokenExpired: token expired", 403: "AuthenticationUnsuccessful"}
    return answers.error_body(status, details.get(status, "An error occurred in Xero")), {}


VENDOR = Vendor(
    name="xero",
    source="",
    fill=records.fill,
    routes=_routes,
    night=nights.night,
    error=_error,
    authorised=_authorised,
    limit=Limit(requests=60, seconds=60),
    limit_headers=_limit_headers,
    is_page=_is_page,
    records_of=records_under(*(listing.name for listing in answers.LISTINGS)),
)
__all__ = ["CLIENT_ID", "CLIENT_SECRET", "LIMITED_REFRESH_TOKEN", "REFRESH_TOKEN", "TENANT", "TOKEN", "VENDOR"]
