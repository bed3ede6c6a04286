"""HubSpot: contacts, companies, deals with their stages, owners, and engagements, from the CRM interface.

How to reach it and what its answers mean; what is read is in `resources`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr

from connectors._api.auth import bearer
from connectors._api.client import Answer, Client, Manners
from connectors._api.connector import api_connector, client_of, refusals
from connectors._api.options import ApiOptions
from connectors._api.pace import Hint, Rate
from connectors.base import ApiVersion, Source
from connectors.hubspot.resources import CHECKED, resources

#: Objects by v3, associations by v4. HubSpot ends v4 on this day and all of v1 to v4 in September 2027, in favour of
#: versions named after months, which have no published description to hold the connector against yet.
VERSION = ApiVersion(
    name="v3, v4",
    sunset=date(2027, 3, 30),
    page="https://developers.hubspot.com/docs/api-reference/legacy/migration-guide",
)


class HubspotOptions(ApiOptions):
    """`[sources.<name>]` with `connector = "hubspot"`."""

    token: SecretStr = Field(description="Access token of a private app.")


def client(source: Source, options: HubspotOptions) -> Client:
    """Makes the client: 190 requests in 10 s for a private app, of which 5 a second may search."""
    return client_of(
        source,
        options,
        title="HubSpot",
        base_url="https://api.hubapi.com",
        auth=bearer(options.token.get_secret_value()),
        account=source.name,
        rate=Rate(requests=190, seconds=10, concurrency=8),
        narrow={"/search": Rate(requests=5, concurrency=2)},
        manners=Manners(hint=_hint, explain=_explain),
    )


def _hint(answer: Answer) -> Hint | None:
    """How many requests are left of the current ten seconds."""
    remaining = answer.headers.get("x-hubspot-ratelimit-remaining")
    interval = answer.headers.get("x-hubspot-ratelimit-interval-milliseconds")
    if remaining is None or interval is None:
        return None
    return Hint(remaining=float(remaining), reset_seconds=float(interval) / 1000)


def _explain(answer: Answer, path: str) -> str | None:
    """Names the scopes that the private app lacks."""
    import orjson

    if answer.status == 401:
        return "the token was refused (401). Take the access token of the private app anew and put it into .env."
    if answer.status != 403:
        return None
    try:
        said = orjson.loads(answer.body)
    except ValueError:
        return None
    contexts = [error.get("context", {}) for error in said.get("errors", [])]
    scopes = [s for c in contexts for key in ("requiredGranularScopes", "requiredScopes") for s in c.get(key, [])]
    if not scopes:
        return None
    return f"the private app lacks the scope {' or '.join(dict.fromkeys(scopes))}; add it in HubSpot's settings."


def _probe(api: Client, options: Any) -> Iterator[str]:
    paths = CHECKED if options.tables is None else {t: p for t, p in CHECKED.items() if t in options.tables}
    return refusals(*(lambda path=path: api.get(path, {"limit": 1}) for path in dict.fromkeys(paths.values())))


CONNECTOR = api_connector(
    name="hubspot",
    title="HubSpot",
    description="CRM: contacts, companies, deals with stage history, owners, calls, e-mails, meetings and notes.",
    options=HubspotOptions,
    client=client,
    resources=lambda options: resources(),
    version=VERSION,
    probe=_probe,
    mappings=Path(__file__).parent,
)
