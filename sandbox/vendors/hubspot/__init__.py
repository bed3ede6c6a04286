"""HubSpot's CRM interface, version 3, as a private app sees it: see https://developers.hubspot.com/docs/api-reference.

The vendor's words and limits are here; records, properties, answers, search and nights have a module each. Left out:
writing, and custom objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.routing import Route

from sandbox.vendor import Desk, Limit, Vendor, records_under
from sandbox.vendors.hubspot import answers, nights, records
from sandbox.vendors.hubspot.errors import error

TOKEN = "demo-hubspot-token"  # noqa: S105
#: The token of an app that may read contacts and nothing else.
CONTACTS_ONLY_TOKEN = "demo-hubspot-contacts-only-token"  # noqa: S105
TOKENS = {TOKEN: answers.ALL_SCOPES, CONTACTS_ONLY_TOKEN: frozenset({"crm.objects.contacts.read"})}
_REQUESTS_PER_DAY = 625_000


def _routes(desk: Desk) -> Sequence[Route]:
    return answers.routes(desk, TOKENS)


def _authorised(request: Request, desk: Desk) -> bool:
    """A private app's token does not expire; one that is refused once is as near as it comes to that."""
    return answers.bearer(request) in TOKENS and not (_is_page(request) and desk.faults.strikes("expired_token"))


def _is_page(request: Request) -> bool:
    path = request.url.path
    if request.method == "POST":
        return path.endswith(("/search", "/batch/read"))
    return "/crm/v3/objects/" in path or path.endswith("/crm/v3/owners")


def _limit_headers(limit: Limit, remaining: int, reset_seconds: float) -> Mapping[str, str]:
    return {
        "X-HubSpot-RateLimit-Daily": str(_REQUESTS_PER_DAY),
        "X-HubSpot-RateLimit-Daily-Remaining": str(_REQUESTS_PER_DAY - 1),
        "X-HubSpot-RateLimit-Interval-Milliseconds": str(round(limit.seconds * 1000)),
        "X-HubSpot-RateLimit-Max": str(limit.requests),
        "X-HubSpot-RateLimit-Remaining": str(max(0, min(remaining, limit.requests))),
    }


VENDOR = Vendor(
    name="hubspot",
    source="crm",
    fill=records.fill,
    routes=_routes,
    night=nights.night,
    error=error,
    authorised=_authorised,
    limit=Limit(requests=190, seconds=10),
    limit_headers=_limit_headers,
    is_page=_is_page,
    records_of=records_under("results"),
)
