"""Intercom: conversations with their messages, the contacts who write, the teammates who answer, and ratings.

How to reach it and what its refusals mean; what is read is in `resources`.
"""

from __future__ import annotations

import email.utils
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr

from connectors._api.auth import bearer
from connectors._api.client import Answer, Client, Manners
from connectors._api.connector import api_connector, client_of, refusals
from connectors._api.options import ApiOptions
from connectors._api.pace import Hint, Rate
from connectors.base import ApiVersion, Source
from connectors.intercom.resources import CHECKED, resources

VERSION = ApiVersion(
    name="2.16", page="https://developers.intercom.com/docs/build-an-integration/learn-more/rest-apis/api-changelog"
)
_HOSTS = {"us": "api.intercom.io", "eu": "api.eu.intercom.io", "au": "api.au.intercom.io"}
_WINDOW_SECONDS = 10


class IntercomOptions(ApiOptions):
    """`[sources.<name>]` with `connector = "intercom"`."""

    token: SecretStr = Field(description="Access token of an app that was made for this workspace alone.")
    region: Literal["us", "eu", "au"] = Field(default="us", description="Where the workspace is hosted.")


def client(source: Source, options: IntercomOptions) -> Client:
    """Makes the client: 10,000 requests a minute for a private app, dealt out by tens of seconds."""
    return client_of(
        source,
        options,
        title="Intercom",
        base_url=f"https://{_HOSTS[options.region]}",
        auth=bearer(options.token.get_secret_value()),
        account=source.name,
        rate=Rate(requests=1_600, seconds=_WINDOW_SECONDS, concurrency=8),
        headers={"Intercom-Version": VERSION.name, "Accept": "application/json"},
        manners=Manners(hint=_hint, explain=_explain),
    )


def _hint(answer: Answer) -> Hint | None:
    """How many requests are left of the current ten seconds, whose end is told by the vendor's clock."""
    remaining, reset = (answer.headers.get(f"x-ratelimit-{name}") for name in ("remaining", "reset"))
    stamp = answer.headers.get("date")
    if remaining is None or reset is None or stamp is None:
        return None
    left = float(reset) - email.utils.parsedate_to_datetime(stamp).timestamp()
    return Hint(remaining=float(remaining), reset_seconds=min(max(left, 0.0), _WINDOW_SECONDS))


def _explain(answer: Answer, path: str) -> str | None:
    """Says in words what the code of a refusal means."""
    import orjson

    try:
        errors = orjson.loads(answer.body).get("errors") or [{}]
    except (ValueError, AttributeError):
        return None
    code, message = errors[0].get("code"), errors[0].get("message")
    if answer.status == 401:
        return f"the token was refused (401, {code}). Take the app's access token anew, and check the region."
    if code == "api_plan_restricted":
        return "the workspace's plan does not include this (403); it needs an active subscription."
    if answer.status == 403:
        return f"the app may not read this (403, {code}): {message}. Give it the permission in the Developer Hub."
    if code == "intercom_version_invalid":
        return f"version {VERSION.name} of the interface is not served any more: {message}. Millpond needs an update."
    return None


def _probe(api: Client, options: Any) -> Iterator[str]:
    paths = CHECKED if options.tables is None else {t: p for t, p in CHECKED.items() if t in options.tables}
    return refusals(*(lambda path=path: api.get(path) for path in paths.values()))


CONNECTOR = api_connector(
    name="intercom",
    title="Intercom",
    description="Helpdesk: conversations, messages, contacts, teammates and ratings.",
    options=IntercomOptions,
    client=client,
    resources=lambda options: resources(),
    version=VERSION,
    probe=_probe,
    mappings=Path(__file__).parent,
)
