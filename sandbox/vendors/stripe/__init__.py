"""Stripe, which takes the demo company's payments: REST API, version 2022-11-15.

Lists come newest first and know only when objects were created; what changed or went away is told by events, for 30
days. Shapes are from Stripe's OpenAPI description; paging, errors and limits from https://docs.stripe.com/api/pagination,
https://docs.stripe.com/api/errors and https://docs.stripe.com/rate-limits.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from sandbox.exports.kit import Out
from sandbox.store import Store
from sandbox.vendor import Limit, Vendor
from sandbox.vendors.stripe.answers import RESTRICTED, TOKEN, authorised, error, routes
from sandbox.vendors.stripe.billing import fill_billing, subscribers_of
from sandbox.vendors.stripe.changes import night
from sandbox.vendors.stripe.events import API_VERSION, fill_events
from sandbox.vendors.stripe.payments import fill_payments

__all__ = ["API_VERSION", "RESTRICTED", "TOKEN", "VENDOR"]


def _fill(out: Out, store: Store) -> None:
    subscribers = subscribers_of(out)
    fill_payments(out, store, subscribers)
    fill_billing(out, store, subscribers)
    fill_events(store)


def _is_list(request: Request) -> bool:
    return request.method == "GET" and request.url.path.count("/") == 3


def _records_of(body: Any) -> list[Any] | None:
    return body["data"] if isinstance(body, dict) and body.get("object") == "list" else None


VENDOR = Vendor(
    name="stripe",
    source="payments",
    fill=_fill,
    routes=routes,
    night=night,
    error=error,
    authorised=authorised,
    # Each endpoint has this limit; the account as a whole has 100 a second, and a sandbox account also 25.
    limit=Limit(requests=25, seconds=1.0),
    is_page=_is_list,
    records_of=_records_of,
)
