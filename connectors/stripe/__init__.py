"""Stripe: customers, charges, refunds, invoices, subscriptions and the balance, from the REST interface.

How to reach it and what its answers mean; what is read is in `resources`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr

from connectors._api.auth import bearer
from connectors._api.client import Answer, Client, Manners
from connectors._api.connector import api_connector, client_of, refusals
from connectors._api.options import ApiOptions
from connectors._api.pace import Rate
from connectors.base import ApiVersion, Source
from connectors.stripe.resources import EVENTS, PATHS, resources

#: Stripe changes nobody's version until they ask for another, and has announced no end of this one.
VERSION = ApiVersion(name="2022-11-15", page="https://docs.stripe.com/upgrades")
_PERMISSION = re.compile(r"'(rak_\w+)' permission")


class StripeOptions(ApiOptions):
    """`[sources.<name>]` with `connector = "stripe"`."""

    key: SecretStr = Field(description="Restricted key with read permissions, or the secret key.")
    full_read: bool = Field(
        default=False,
        description="Read everything each night, without events and times; for servers that know only a part of "
        "Stripe's interface.",
    )


def client(source: Source, options: StripeOptions) -> Client:
    """Makes the client: 25 requests a second to an endpoint, and in all half of the 100 that the shop shares."""
    return client_of(
        source,
        options,
        title="Stripe",
        base_url="https://api.stripe.com",
        auth=bearer(options.key.get_secret_value()),
        account=source.name,
        rate=Rate(requests=50, concurrency=6),
        narrow={path: Rate(requests=25) for path in (*PATHS.values(), EVENTS)},
        manners=Manners(explain=partial(_explain, elsewhere=options.base_url is not None)),
        headers={"Stripe-Version": VERSION.name},
    )


def _explain(answer: Answer, path: str, *, elsewhere: bool) -> str | None:
    """Names the permission that a restricted key lacks; Stripe's own sentence shows a part of the key."""
    if answer.status == 400 and elsewhere:
        said = answer.body[:200].decode(errors="replace")
        return f"refused (400). If this server knows only a part of Stripe, set full_read = true. It said: {said}"
    if answer.status == 401:
        return "the key was refused (401). Take a restricted key from Stripe's dashboard and put it into .env."
    if answer.status != 403:
        return None
    found = _PERMISSION.search(answer.body.decode(errors="replace"))
    if found is None:
        return "the key may not read this (403); give the restricted key the read permission in Stripe's dashboard."
    return f"the restricted key lacks the permission {found[1]}; add it in Stripe's dashboard, under API keys."


def _probe(api: Client, options: StripeOptions) -> Iterator[str]:
    tables = list(PATHS) if options.tables is None else [name for name in PATHS if name in options.tables]
    paths = [PATHS[name] for name in tables] + ([] if options.full_read else [EVENTS])
    return refusals(*(lambda path=path: api.get(path, {"limit": 1}) for path in paths))


def _resources(options: Any) -> Any:
    return resources(full_read=options.full_read)


CONNECTOR = api_connector(
    name="stripe",
    title="Stripe",
    description="Payments: customers, charges, refunds, invoices, subscriptions and balance transactions.",
    options=StripeOptions,
    client=client,
    resources=_resources,
    version=VERSION,
    probe=_probe,
    mappings=Path(__file__).parent,
)
