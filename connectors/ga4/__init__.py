"""Google Analytics 4: sessions of a property by day, traffic source, campaign and device, from the Data API.

How to reach it and what its refusals mean; what is read is in `resources`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from connectors._api.client import Answer, Client, Manners
from connectors._api.connector import api_connector, client_of, refusals
from connectors._api.pace import Rate
from connectors._google import GoogleOptions, error_of, explained, google_auth
from connectors.base import Source
from connectors.ga4.resources import VERSION, fields_path, resources

_SCOPE = "https://www.googleapis.com/auth/analytics.readonly"


class Ga4Options(GoogleOptions):
    """`[sources.<name>]` with `connector = "ga4"`."""

    property_id: str = Field(pattern=r"^\d+$", description="Number of the property, from its settings; no 'G-…'.")
    lookback_days: int = Field(
        default=3, ge=1, le=90, description="Days of so many back are read again, since they still change."
    )


def client(source: Source, options: Ga4Options) -> Client:
    """Makes the client: 14,000 tokens an hour, of which a report costs about ten; ten reports at once at the most."""
    return client_of(
        source,
        options,
        title="Google Analytics",
        base_url="https://analyticsdata.googleapis.com",
        auth=google_auth(source, options, title="Google Analytics"),
        account=options.property_id,
        rate=Rate(requests=1_400, seconds=3_600, concurrency=4),
        manners=Manners(explain=_explain),
    )


def _explain(answer: Answer, path: str) -> str | None:
    general = explained(answer, scope=_SCOPE, service="Google Analytics Data API")
    if general:
        return general
    said = str(error_of(answer).get("message", ""))
    if answer.status == 403 and "for this property" in said:
        return "the login may not read this property; check property_id, or add it there as a viewer."
    return f"the report was refused: {said}" if said else None


def _probe(api: Client, options: Ga4Options) -> Iterator[str]:
    return refusals(lambda: api.get(fields_path(options.property_id)))


CONNECTOR = api_connector(
    name="ga4",
    title="Google Analytics",
    description="Web analytics: sessions, page views and key events by day, traffic source, campaign and device.",
    options=Ga4Options,
    client=client,
    resources=resources,
    version=VERSION,
    probe=_probe,
    mappings=Path(__file__).parent,
)
