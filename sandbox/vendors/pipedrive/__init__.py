"""Pipedrive's interface as an API token or an app sees it: see https://developers.pipedrive.com/docs/api/v1.

The vendor's words and limits are here; records, custom fields, answers and nights have a module each. Left out:
writing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.routing import Route

from sandbox.vendor import Desk, Limit, Vendor, records_under
from sandbox.vendors.pipedrive import answers, nights, records
from sandbox.vendors.pipedrive.errors import error

TOKEN = "demo-pipedrive-token"  # noqa: S105
#: The access token of an app that may read deals and nothing else.
DEALS_ONLY_TOKEN = "demo-pipedrive-deals-only-token"  # noqa: S105
_SCOPES = {DEALS_ONLY_TOKEN: frozenset({"base", "deals:read"})}


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def _scopes(request: Request) -> frozenset[str] | None:
    """What an app was granted; a user's own token allows what the user may see."""
    return _SCOPES.get(_bearer(request))


def _routes(desk: Desk) -> Sequence[Route]:
    return answers.routes(desk, _scopes)


def _authorised(request: Request, desk: Desk) -> bool:
    """A user's token does not expire; one that is refused once is as near as it comes to that."""
    known = request.headers.get("x-api-token") == TOKEN or _bearer(request) in _SCOPES
    return known and not (_is_page(request) and desk.faults.strikes("expired_token"))


def _is_page(request: Request) -> bool:
    return not request.url.path.endswith("/users/me")


def _limit_headers(limit: Limit, remaining: int, reset_seconds: float) -> Mapping[str, str]:
    return {
        "x-ratelimit-limit": str(limit.requests),
        "x-ratelimit-remaining": str(max(0, min(remaining, limit.requests))),
        "x-ratelimit-reset": str(math.ceil(reset_seconds)),
    }


VENDOR = Vendor(
    name="pipedrive",
    source="",
    fill=records.fill,
    routes=_routes,
    night=nights.night,
    error=error,
    authorised=_authorised,
    limit=Limit(requests=40, seconds=2),
    limit_headers=_limit_headers,
    is_page=_is_page,
    records_of=records_under("data"),
)
