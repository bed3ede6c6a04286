"""Freshdesk: tickets with their conversations, contacts, agents, groups and satisfaction ratings, by API v2.

How to reach it and what its answers mean; what is read is in `resources`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr

from connectors._api.auth import basic
from connectors._api.client import Answer, Client, Manners
from connectors._api.connector import api_connector, client_of, refusals
from connectors._api.options import ApiOptions
from connectors._api.pace import Hint, Rate
from connectors.base import ApiVersion, Source
from connectors.freshdesk.resources import CHECKED, resources

VERSION = ApiVersion(name="v2", sunset=None, page="https://developers.freshdesk.com/api/")


class FreshdeskOptions(ApiOptions):
    """`[sources.<name>]` with `connector = "freshdesk"`."""

    domain: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]*$", description="What stands before .freshdesk.com in the helpdesk's address."
    )
    key: SecretStr = Field(description="API key of an administrator.")


def client(source: Source, options: FreshdeskOptions) -> Client:
    """Makes the client: what the smallest paid plan allows, 200 requests a minute, and 20 of each of the long lists."""
    lists = Rate(requests=20, seconds=60)
    return client_of(
        source,
        options,
        title="Freshdesk",
        base_url=f"https://{options.domain}.freshdesk.com/api/v2",
        auth=basic(options.key.get_secret_value(), "X"),
        account=options.domain,
        rate=Rate(requests=200, seconds=60),
        # The question mark tells a list from single records below it.
        narrow={"/tickets?": lists, "/contacts?": lists},
        manners=Manners(hint=_hint, explain=_explain),
    )


def _hint(answer: Answer) -> Hint | None:
    """How many requests are left of the current minute. When it ends is not said, so the longest wait is assumed."""
    remaining = answer.headers.get("x-ratelimit-remaining")
    return None if remaining is None else Hint(remaining=float(remaining), reset_seconds=60.0)


def _explain(answer: Answer, path: str) -> str | None:
    """Names what the key's owner may not do, or which parameter was refused."""
    import orjson

    if answer.status == 401:
        return "the key was refused (401). Copy the API key anew from the profile settings and put it into .env."
    try:
        said = orjson.loads(answer.body)
    except ValueError:
        return None
    if answer.status == 403 and said.get("code") == "require_feature":
        return "the plan does not include this (403); leave the table out with `tables`, or upgrade."
    if answer.status == 403:
        return "the owner of the key may not read this (403). Use the key of an administrator."
    if answer.status == 400:
        faults = "; ".join(f"{one.get('field')}: {one.get('message')}" for one in said.get("errors", []))
        return f"the request was refused (400). {faults}" if faults else None
    return None


def _probe(api: Client, options: Any) -> Iterator[str]:
    paths = CHECKED if options.tables is None else {t: p for t, p in CHECKED.items() if t in options.tables}
    return refusals(*(lambda path=path: api.get(path, {"per_page": 1}) for path in dict.fromkeys(paths.values())))


CONNECTOR = api_connector(
    name="freshdesk",
    title="Freshdesk",
    description="Helpdesk: tickets with their conversations, contacts, agents, groups and satisfaction ratings.",
    options=FreshdeskOptions,
    client=client,
    resources=lambda options: resources(),
    version=VERSION,
    probe=_probe,
    mappings=Path(__file__).parent,
)
