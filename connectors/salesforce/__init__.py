"""Salesforce: accounts, contacts, leads, opportunities with their history, activities and users of one org.

How to reach it and what its refusals mean; what is read is in `resources`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr

from connectors._api.auth import OAuth2, Tokens
from connectors._api.client import Again, Answer, ApiError, Client, Manners, retry_after
from connectors._api.connector import api_connector, client_of, token_endpoint
from connectors._api.options import ApiOptions
from connectors._api.pace import Rate
from connectors.base import ApiVersion, Source
from connectors.salesforce import org
from connectors.salesforce.resources import OBJECTS, resources

#: Spring '26. Each version is served for three years at least, and none after v40 has a last day yet.
VERSION = ApiVersion(name=f"v{org.API_VERSION}", page="https://help.salesforce.com/s/articleView?id=005321531&type=1")
#: Fields that the mappings need; a user whom field-level security hides them from gets records without.
_NEEDED = {
    "User": ("Name", "Email", "IsActive"),
    "Account": ("Name", "BillingCountry", "Website"),
    "Contact": ("FirstName", "LastName", "Email", "Phone", "AccountId"),
    "Lead": ("FirstName", "LastName", "Email", "Phone", "Company", "IsConverted"),
    "Opportunity": ("Name", "StageName", "Amount", "CloseDate", "IsClosed", "IsWon", "AccountId"),
    "OpportunityHistory": ("OpportunityId", "StageName"),
    "Task": ("Subject", "WhoId", "WhatId", "TaskSubtype"),
    "Event": ("Subject", "WhoId", "WhatId", "StartDateTime"),
}


class SalesforceOptions(ApiOptions):
    """`[sources.<name>]` with `connector = "salesforce"`."""

    base_url: str = Field(
        pattern=r"^https?://", description="The org's address: https://<My Domain>.my.salesforce.com."
    )
    client_id: str = Field(description="Consumer key of the external client app.")
    client_secret: SecretStr = Field(description="Consumer secret of the external client app.")
    refresh_token: SecretStr | None = Field(
        default=None, description="Refresh token of a user; default: the app's own user, by client credentials."
    )
    bulk_from: int = Field(
        default=10_000, ge=0, description="Read an object by a Bulk API job if it has at least this many records."
    )
    leave_pct: int = Field(
        default=10, ge=0, le=99, description="Share of the org's daily requests that is left to others."
    )


def client(source: Source, options: SalesforceOptions) -> Client:
    """Makes the client: there is no limit a second, but one of all the org's requests a day."""
    return client_of(
        source,
        options,
        title="Salesforce",
        base_url=options.base_url,
        auth=_auth(source, options),
        account=options.client_id,
        rate=Rate(requests=25, concurrency=5),
        manners=Manners(judge=_judge(options.leave_pct), explain=_explain),
    )


def _auth(source: Source, options: SalesforceOptions) -> OAuth2:
    ask = token_endpoint(source, options, f"{options.base_url.rstrip('/')}/services/oauth2/token", title="Salesforce")
    app = {"client_id": options.client_id, "client_secret": options.client_secret.get_secret_value()}
    if options.refresh_token is None:
        return OAuth2(
            ask,
            form=lambda _: {"grant_type": "client_credentials", **app},
            tokens=Tokens(None, options.client_secret.get_secret_value()),
        )
    path = source.secrets / f"{source.name}.salesforce.json" if source.secrets else None
    return OAuth2(
        ask,
        form=lambda token: {"grant_type": "refresh_token", "refresh_token": token, **app},
        tokens=Tokens(path, options.refresh_token.get_secret_value()),
    )


def _judge(leave_pct: int) -> Callable[[Answer], Again | str | None]:
    """Waits where the org refuses requests for now, and stops before its daily requests are used up."""

    def judge(answer: Answer) -> Again | str | None:
        if answer.status == 403 and b"REQUEST_LIMIT_EXCEEDED" in answer.body:
            return Again(why="the org's request limit is exceeded", seconds=retry_after(answer))
        usage = re.search(r"api-usage=(\d+)/(\d+)", answer.headers.get("sforce-limit-info", ""))
        if usage and int(usage[1]) > int(usage[2]) * (100 - leave_pct) / 100:
            return (
                f"the org has used {usage[1]} of its {usage[2]} requests of 24 hours; the rest is left to others. Load "
                "later, or lower leave_pct in millpond.toml."
            )
        return None

    return judge


def _explain(answer: Answer, path: str) -> str | None:
    """Says what a refusal means to the person who set up the app and its user."""
    import orjson

    try:
        said = orjson.loads(answer.body)[0]
        code, message = str(said["errorCode"]), str(said["message"])
    except (ValueError, LookupError, TypeError):
        return None
    name = re.search(r"/sobjects/(\w+)", path) or re.search(r"sObject type '(\w+)'", message)
    if name and code in ("NOT_FOUND", "INVALID_TYPE", "INSUFFICIENT_ACCESS"):
        return (
            f"the user of the app may not read the object {name[1]}; give its permission set Read and View All on it, "
            "or leave it out with the option tables."
        )
    meanings = {
        "API_DISABLED_FOR_ORG": "the org's edition or the user's profile has no API access; give it API Enabled.",
        "INVALID_SESSION_ID": "the access token was refused; check the app's policies.",
        "UNSUPPORTED_API_VERSION": f"the org does not serve version {org.API_VERSION} any more; update Millpond.",
    }
    return meanings.get(code, f"refused with {code} ({answer.status}): {message}")


def _probe(api: Client, options: Any) -> Iterator[str]:
    """Which objects and fields the user of the app may not see."""
    try:
        seen = {one["name"] for one in api.get(f"{org.DATA}/sobjects")["sobjects"]}
    except ApiError as error:
        yield str(error)
        return
    for table, name in OBJECTS.items():
        if options.tables is not None and table not in options.tables:
            continue
        if name not in seen:
            yield (
                f"Salesforce (source '{api.source}'): the user of the app may not read the object {name}; give its "
                f"permission set Read and View All on it, or leave {table} out with the option tables."
            )
        else:
            yield from _hidden_fields(api, name)


def _hidden_fields(api: Client, name: str) -> Iterator[str]:
    try:
        there = {field.name for field in org.fields(api, name)}
    except ApiError as error:
        yield str(error)
        return
    hidden = [field for field in _NEEDED[name] if field not in there]
    if hidden:
        yield (
            f"Salesforce (source '{api.source}'): field-level security hides {', '.join(hidden)} of {name} from the "
            "user of the app; make them visible in its permission set."
        )


CONNECTOR = api_connector(
    name="salesforce",
    title="Salesforce",
    description="CRM: accounts, contacts, leads, opportunities with stage history, tasks, events and users.",
    options=SalesforceOptions,
    client=client,
    resources=lambda options: resources(),
    version=VERSION,
    probe=_probe,
    mappings=Path(__file__).parent,
)
