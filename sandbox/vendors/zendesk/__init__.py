"""Zendesk Support, the demo company's helpdesk: API v2 as developer.zendesk.com/api-reference/ticketing describes it.

Puts the parts together: what it holds is in `records`, how it answers in `answers`, who may ask in `access`, what a day
brings in `changes`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sandbox.vendor import Limit, Vendor, records_under
from sandbox.vendors.zendesk.access import (
    CLIENT_ID,
    CLIENT_SECRET,
    EMAIL,
    ERRORS,
    TOKEN,
    authorised,
    is_page,
)
from sandbox.vendors.zendesk.answers import routes
from sandbox.vendors.zendesk.changes import night
from sandbox.vendors.zendesk.records import fill

_LISTS = (
    *("tickets", "users", "ticket_events", "satisfaction_ratings"),
    *("groups", "ticket_fields", "deleted_tickets", "deleted_users"),
)


def _error(status: int) -> tuple[Any, Mapping[str, str]]:
    return ERRORS[status], {}


def _limit_headers(limit: Limit, remaining: int, reset_seconds: float) -> Mapping[str, str]:
    """Both families of headers, as recorded."""
    total, left = str(limit.requests), str(remaining)
    return {
        "x-rate-limit": total,
        "x-rate-limit-remaining": left,
        "ratelimit-limit": total,
        "ratelimit-remaining": left,
        "ratelimit-reset": str(math.ceil(reset_seconds)),
    }


VENDOR = Vendor(
    name="zendesk",
    source="helpdesk",
    fill=fill,
    routes=routes,
    night=night,
    error=_error,
    authorised=authorised,
    # Suite Enterprise; 200 to 400 on smaller plans, 2,500 on the largest.
    limit=Limit(requests=700, seconds=60),
    limit_headers=_limit_headers,
    is_page=is_page,
    records_of=records_under(*_LISTS),
)

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "EMAIL", "TOKEN", "VENDOR"]
