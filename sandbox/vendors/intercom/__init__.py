"""Intercom, version 2.16: the demo company's support desk as if it had been kept there; the demo does not load it.

Puts the parts together: what it holds is in `records`, how it answers in `answers`, what a day brings in `changes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from sandbox.vendor import Desk, Limit, Vendor, records_under
from sandbox.vendors.intercom.answers import refusal, routes
from sandbox.vendors.intercom.changes import night
from sandbox.vendors.intercom.records import fill

TOKEN = "demo-intercom-token"  # noqa: S105

_SAID = {
    401: ("unauthorized", "Access Token Invalid"),
    403: ("api_plan_restricted", "Active subscription needed."),
    404: ("not_found", "Resource Not Found"),
    429: ("rate_limit_exceeded", "Exceeded rate limit of 1667 in 10_seconds"),
    500: ("server_error", "An unknown error occurred"),
    503: ("service_unavailable", "Sorry, the API service is temporarily unavailable"),
}


def _error(status: int) -> tuple[Any, Mapping[str, str]]:
    return refusal(*_SAID[status]), {}


def _authorised(request: Request, desk: Desk) -> bool:
    if _is_page(request) and desk.faults.strikes("expired_token"):
        return False
    return request.headers.get("authorization") == f"Bearer {TOKEN}"


def _is_page(request: Request) -> bool:
    """Lists, searches, which are posted, and single conversations, which hold messages; not who one is."""
    return not request.url.path.endswith("/me")


def _limit_headers(limit: Limit, remaining: int, reset_seconds: float) -> Mapping[str, str]:
    """What is left; when there is more goes by the company's clock, which only the routes know."""
    return {"X-RateLimit-Limit": str(limit.requests), "X-RateLimit-Remaining": str(remaining)}


VENDOR = Vendor(
    name="intercom",
    source="",
    fill=fill,
    routes=routes,
    night=night,
    error=_error,
    authorised=_authorised,
    # 10,000 a minute for an app, dealt out by tens of seconds.
    limit=Limit(requests=1_667, seconds=10),
    limit_headers=_limit_headers,
    is_page=_is_page,
    records_of=records_under("data", "conversations", "admins", "teams"),
)

__all__ = ["TOKEN", "VENDOR"]
