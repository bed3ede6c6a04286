"""Who may ask Zendesk what: an API token in basic authentication, or OAuth access tokens by client credentials.

Rules from developer.zendesk.com/documentation/api-basics/authentication and /api-reference/ticketing/oauth. Which error
bodies exist was taken from recorded answers; those of 429 and 5xx are nowhere described and only alike.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.vendor import Desk

CLIENT_ID, CLIENT_SECRET = "millpond_demo", "demo-zendesk-secret"
EMAIL, TOKEN = "zendesk.api@muehlbach-versand.example", "demo-zendesk-token"
_SHORTEST, _USUAL, _LONGEST = 300, 1800, 172_800
_FORBIDDEN = "You do not have access to this page. Please contact the account owner of this help desk for further help."
#: What a scope of one resource covers beside the paths that begin with its name.
_RESOURCES = {"incremental/tickets": "tickets", "incremental/ticket_events": "tickets", "incremental/users": "users"}

ERRORS: dict[int, dict[str, Any]] = {
    401: {"error": "Couldn't authenticate you"},
    403: {"error": {"title": "Forbidden", "message": _FORBIDDEN}},
    404: {"error": "InvalidEndpoint", "description": "Not found"},
    429: {"error": "APIRateLimitExceeded", "description": "Number of allowed API requests per minute exceeded"},
    500: {"error": {"title": "Internal Server Error", "message": "Something went wrong."}},
    503: {"error": {"title": "Service Unavailable", "message": "The database is too busy to answer."}},
}


def credentials(request: Request) -> tuple[str, str] | None:
    """The kind of credentials that came with a request, and what they are."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    return (kind.lower(), value.strip()) if value else None


def authorised(request: Request, desk: Desk) -> bool:
    """Whether a request's credentials are good; who has none is let through where Zendesk answers anybody."""
    path = request.url.path
    given = credentials(request)
    if path.endswith("/oauth/tokens") or (given is None and "/users/me" in path):
        return True
    if given is None:
        return False
    if is_page(request) and desk.faults.strikes("expired_token"):
        if given[0] == "bearer":
            desk.store.write_note(f"token {given[1]}", None)
        return False
    if given[0] == "basic":
        return given[1] == base64.b64encode(f"{EMAIL}/token:{TOKEN}".encode()).decode()
    return given[0] == "bearer" and _granted(desk, given[1]) is not None


def is_page(request: Request) -> bool:
    """Whether a request asks for records."""
    path = request.url.path.removesuffix(".json")
    return request.method == "GET" and "/api/v2/" in path and not path.endswith(("/count", "/users/me"))


def missing_scope(request: Request, desk: Desk, path: str) -> str | None:
    """The scope that a token lacks for a path; API tokens and anonymous requests have no scopes."""
    given = credentials(request)
    if given is None or given[0] != "bearer":
        return None
    resource = next((r for start, r in _RESOURCES.items() if path.startswith(start)), path.partition("/")[0])
    granted = _granted(desk, given[1]) or []
    return None if {"read", f"{resource}:read"} & set(granted) else f"{resource}:read"


def token_endpoint(desk: Desk) -> Callable[[Request], Awaitable[Response]]:
    """Gives access tokens for the secret of a confidential client; such tokens come without a refresh token."""

    async def endpoint(request: Request) -> Response:
        try:
            asked = await request.json()
        except ValueError:
            return _refused("invalid_request", "The request is missing a required parameter.")
        if asked.get("grant_type") != "client_credentials":
            return _refused("unsupported_grant_type", "The authorization grant type is not supported.")
        if (asked.get("client_id"), asked.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return _refused("invalid_client", "Client authentication failed.", 401)
        scope, lasts = asked.get("scope", ""), asked.get("expires_in", _USUAL)
        if not scope:
            return _refused("invalid_scope", "The requested scope is invalid, unknown, or malformed.")
        if not isinstance(lasts, int) or not _SHORTEST <= lasts <= _LONGEST:
            return _refused("invalid_request", f"expires_in must be between {_SHORTEST} and {_LONGEST}.")
        token = f"demo-zendesk-access-{secrets.token_hex(8)}"
        desk.store.write_note(f"token {token}", {"scopes": scope.split(), "until": desk.now() + lasts * 1000})
        granted = {"access_token": token, "token_type": "bearer", "scope": scope, "expires_in": lasts}
        return JSONResponse(granted, 201)

    return endpoint


def _granted(desk: Desk, token: str) -> list[str] | None:
    """The scopes of an access token that is still good."""
    note = desk.store.note(f"token {token}")
    return list(note["scopes"]) if note and desk.now() < note["until"] else None


def _refused(error: str, description: str, status: int = 400) -> Response:
    return JSONResponse({"error": error, "error_description": description}, status)
