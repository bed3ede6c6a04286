"""Google's OAuth 2.0 token endpoint and the errors that all of Google's interfaces word alike.

Shapes: https://developers.google.com/identity/protocols/oauth2/web-server#offline and google.rpc.Status at
https://docs.cloud.google.com/apis/design/errors. What one product says belongs in its own module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.vendor import Desk

CLIENT_ID = "467811223344-demo.apps.googleusercontent.com"
CLIENT_SECRET = "GOCSPX-demo-secret"  # noqa: S105
#: Seconds that an access token lives; the answer says one less, as Google's does.
LIFETIME = 3_600

STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}
MESSAGES = {
    400: "Request contains an invalid argument.",
    401: (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
    ),
    403: "The caller does not have permission",
    404: "Requested entity was not found.",
    429: "Resource has been exhausted (e.g. check quota).",
    500: "Internal error encountered.",
    501: "The demo's server does not do this.",
    503: "The service is currently unavailable.",
}


def status_body(status: int, message: str = "", details: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """A google.rpc.Status as JSON."""
    error: dict[str, Any] = {
        "code": status,
        "message": message or MESSAGES[status],
        "status": STATUS_NAMES[status],
    }
    if details:
        error["details"] = details
    return {"error": error}


def token_route(path: str, desk: Desk, *, refresh_token: str, scope: str) -> Route:
    """The token endpoint: a refresh token, which stays good, for a new access token."""

    async def answer(request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        wrong = _refusal(form, refresh_token)
        if wrong:
            status, error, description = wrong
            return JSONResponse({"error": error, "error_description": description}, status)
        tokens = desk.store.note("tokens", {})
        number = int(desk.store.note("tokens_issued", 0)) + 1
        token = f"ya29.demo-{desk.store.path.stem}-{number}"
        now = desk.now()
        alive = {t: at for t, at in tokens.items() if now - at < LIFETIME * 1000}
        desk.store.write_note("tokens", {**alive, token: now})
        desk.store.write_note("tokens_issued", number)
        body = {"access_token": token, "expires_in": LIFETIME - 1, "scope": scope, "token_type": "Bearer"}
        return JSONResponse(body, headers={"cache-control": "no-cache, no-store, max-age=0, must-revalidate"})

    return Route(path, answer, methods=["POST"])


def _refusal(form: dict[str, str], refresh_token: str) -> tuple[int, str, str] | None:
    grant = form.get("grant_type")
    if grant is None:
        return 400, "invalid_request", "Required parameter is missing: grant_type"
    if grant != "refresh_token":
        return 400, "unsupported_grant_type", f"Invalid grant_type: {grant}"
    if form.get("client_id") != CLIENT_ID:
        return 401, "invalid_client", "The OAuth client was not found."
    if form.get("client_secret") != CLIENT_SECRET:
        return 401, "invalid_client", "Unauthorized"
    if "refresh_token" not in form:
        return 400, "invalid_request", "Missing required parameter: refresh_token"
    if form["refresh_token"] != refresh_token:
        return 400, "invalid_grant", "Token has been expired or revoked."
    return None


def bearer_is_good(request: Request, desk: Desk, *, is_page: Callable[[Request], bool]) -> bool:
    """Whether the request carries an access token that lives; the planned fault kills all of them."""
    if request.url.path.endswith("/token"):
        return True
    if is_page(request) and desk.faults.strikes("expired_token"):
        desk.store.write_note("tokens", {})
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    issued = desk.store.note("tokens", {}).get(token) if scheme == "Bearer" else None
    return issued is not None and desk.now() - issued < LIFETIME * 1000
