"""Mailchimp, which sends the demo company's newsletters: Marketing API 3.0.

Lists come by offset, a thousand at most; members can be asked for by their last change, and tell of being archived only
if asked; those deleted for good are gone. Shapes are from Mailchimp's OpenAPI description; errors and limits from
https://mailchimp.com/developer/marketing/docs/errors/ and https://mailchimp.com/developer/marketing/docs/fundamentals/.
Stricter than Mailchimp: parameters that it would ignore are refused.
"""

from __future__ import annotations

from starlette.requests import Request

from sandbox.vendor import Limit, Vendor, records_under
from sandbox.vendors.mailchimp.answers import KEY, RECORDS, authorised, error, routes
from sandbox.vendors.mailchimp.changes import night
from sandbox.vendors.mailchimp.records import LIST_ID, fill

__all__ = ["KEY", "LIST_ID", "VENDOR"]


def _is_page(request: Request) -> bool:
    return request.method == "GET" and request.url.path.rpartition("/")[2] in RECORDS.values()


def _listing(request: Request) -> str:
    """The pages of a list that are asked for the same fields belong together."""
    asked = [request.query_params.get(name, "") for name in ("fields", "exclude_fields")]
    return "?".join([request.url.path, *asked])


VENDOR = Vendor(
    name="mailchimp",
    source="mailing",
    fill=fill,
    routes=routes,
    night=night,
    error=error,
    authorised=authorised,
    # Ten requests at once is all that Mailchimp allows; an answer of its own takes a tenth of a second at least.
    limit=Limit(requests=10, seconds=0.1),
    is_page=_is_page,
    listing=_listing,
    records_of=records_under(*RECORDS),
)
