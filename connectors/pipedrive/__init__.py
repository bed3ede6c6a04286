"""Pipedrive: persons, organizations, deals with their stages, activities, notes, users and products.

How to reach it and what its answers mean; what is read is in `resources`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr

from connectors._api.auth import Static
from connectors._api.client import Again, Answer, Client, Manners
from connectors._api.connector import api_connector, client_of, refusals
from connectors._api.options import ApiOptions
from connectors._api.pace import Hint, Rate
from connectors.base import ApiVersion, Source
from connectors.pipedrive.resources import CHECKED, resources

VERSION = ApiVersion(name="v2", page="https://developers.pipedrive.com/changelog")
#: What the dearest request costs; an account with fewer tokens left cannot be read any more today.
_DEAREST = 40

#: Scopes of an app's token, by the beginning of a path; a personal token has them all.
_SCOPES = {
    "/api/v2/person": "contacts:read",
    "/api/v2/organization": "contacts:read",
    "/api/v2/deal": "deals:read",
    "/api/v2/activit": "activities:read",
    "/api/v2/product": "products:read",
    "/api/v2/stages": "deals:read",
    "/api/v2/pipelines": "deals:read",
    "/v1/deals": "recents:read",
    "/v1/notes": "deals:read or contacts:read",
    "/v1/users": "users:read",
}


class PipedriveOptions(ApiOptions):
    """`[sources.<name>]` with `connector = "pipedrive"`."""

    token: SecretStr = Field(description="Personal API token of an administrator.")
    changelogs_per_load: int = Field(
        default=500,
        ge=0,
        description="Deals whose stages are asked for in one load; each costs 20 of the day's tokens.",
    )


def client(source: Source, options: PipedriveOptions) -> Client:
    """Makes the client: 20 requests in 2 s, which the smallest plan allows."""
    return client_of(
        source,
        options,
        title="Pipedrive",
        base_url="https://api.pipedrive.com",
        auth=Static({"x-api-token": options.token.get_secret_value()}),
        account=source.name,
        rate=Rate(requests=20, seconds=2, concurrency=4),
        manners=Manners(hint=_hint, judge=_judge, explain=_explain),
    )


def _hint(answer: Answer) -> Hint | None:
    """How many requests are left of the current two seconds."""
    remaining, reset = (answer.headers.get(f"x-ratelimit-{name}") for name in ("remaining", "reset"))
    if remaining is None or reset is None:
        return None
    return Hint(remaining=float(remaining), reset_seconds=float(reset))


def _judge(answer: Answer) -> Again | str | None:
    """Tells the two limits apart: requests come back within seconds, the tokens of the day at midnight only."""
    if answer.status != 429:
        return None
    left = answer.headers.get("x-daily-ratelimit-token-remaining")
    if left is not None and float(left) < _DEAREST:
        return (
            "the account's API tokens are used up for today. They come back at midnight, and the next load goes on "
            "from the last page read. A lower changelogs_per_load takes fewer."
        )
    reset = answer.headers.get("x-ratelimit-reset")
    if "retry-after" in answer.headers or reset is None:
        return None
    return Again(why="too many requests (429)", seconds=float(reset))


def _explain(answer: Answer, path: str) -> str | None:
    """Names the wrong token or what it may not read."""
    if answer.status == 401:
        return (
            "the API token was refused (401). Copy it anew from Pipedrive's personal preferences and put it into .env."
        )
    if answer.status != 403:
        return None
    if b"Scope and URL mismatch" in answer.body:
        scope = next((scope for beginning, scope in _SCOPES.items() if path.startswith(beginning)), "for it")
        return f"the token lacks the scope {scope} (403); add it to the app, or take a personal API token."
    if answer.body.lstrip().startswith(b"<"):
        return "Pipedrive blocks this token for asking too much (403). Wait an hour, and see what else uses it."
    return None


def _probe(api: Client, options: Any) -> Iterator[str]:
    paths = CHECKED if options.tables is None else {t: p for t, p in CHECKED.items() if t in options.tables}
    limits = {path: {} if path == "/v1/users" else {"limit": 1} for path in paths.values()}
    return refusals(*(lambda path=path, limit=limit: api.get(path, limit) for path, limit in limits.items()))


CONNECTOR = api_connector(
    name="pipedrive",
    title="Pipedrive",
    description="CRM: persons, organizations, deals with stage history, activities, notes, users and products.",
    options=PipedriveOptions,
    client=client,
    resources=lambda options: resources(),
    version=VERSION,
    probe=_probe,
    mappings=Path(__file__).parent,
)
