"""Mailchimp: audiences and their members, campaigns, and what reports say of each recipient, from the Marketing API.

How to reach it and what its answers mean; what is read is in `resources`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr

from connectors._api.auth import basic
from connectors._api.client import Again, Answer, Client, Manners
from connectors._api.connector import api_connector, client_of, refusals
from connectors._api.options import ApiOptions
from connectors._api.pace import Rate
from connectors.base import ApiVersion, Source
from connectors.mailchimp.resources import resources

VERSION = ApiVersion(name="3.0", page="https://mailchimp.com/developer/marketing/docs/fundamentals/")
_DATA_CENTRE = re.compile(r".+-([a-z]{2,4}\d+)")


class MailchimpOptions(ApiOptions):
    """`[sources.<name>]` with `connector = "mailchimp"`."""

    key: SecretStr = Field(description="API key; its end, such as -us6, names the data centre.")


def client(source: Source, options: MailchimpOptions) -> Client:
    """Makes the client: Mailchimp limits no rate but ten requests at once, of which this takes half."""
    key = options.key.get_secret_value()
    return client_of(
        source,
        options,
        title="Mailchimp",
        base_url=f"https://{_data_centre(key)}.api.mailchimp.com/3.0",
        auth=basic("millpond", key),
        account=source.name,
        rate=Rate(requests=20, concurrency=5),
        manners=Manners(judge=_judge, explain=_explain),
    )


def _data_centre(key: str) -> str | None:
    found = _DATA_CENTRE.fullmatch(key)
    return found[1] if found else None


def _judge(answer: Answer) -> Again | None:
    """At high volume Mailchimp's gateway answers 403 without a problem document, which heals with time."""
    if answer.status == 403 and "json" not in answer.headers.get("content-type", ""):
        return Again(why="too many requests (a 403 of the gateway)")
    return None


def _explain(answer: Answer, path: str) -> str | None:
    """What Mailchimp says is wrong with the key or the role of its owner."""
    import orjson

    if answer.status == 401:
        return "the key was refused (401). Take an API key from the account's settings and put it whole into .env."
    if answer.status != 403:
        return None
    try:
        said = str(orjson.loads(answer.body).get("detail") or "")
    except ValueError:
        said = ""
    return (
        f"the key's owner may not read this (403); make the key as an admin or manager of the account. {said}".strip()
    )


def _check(source: Source, options: Any) -> list[str]:
    if options.base_url is None and _data_centre(options.key.get_secret_value()) is None:
        return [
            f"millpond.toml: sources.{source.name}.key has no data centre at its end, such as -us6; copy the whole key."
        ]
    return []


def _probe(api: Client, options: Any) -> Iterator[str]:
    one = {"count": 1}
    return refusals(*(lambda path=path: api.get(path, one) for path in ("/lists", "/campaigns", "/reports")))


CONNECTOR = api_connector(
    name="mailchimp",
    title="Mailchimp",
    description="Newsletters: members and their consent, campaigns, and who got, opened and clicked what.",
    options=MailchimpOptions,
    client=client,
    resources=lambda options: resources(),
    version=VERSION,
    probe=_probe,
    mappings=Path(__file__).parent,
    check=_check,
)
