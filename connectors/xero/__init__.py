"""Xero: invoices, bills, payments, contacts and the chart of accounts of one organisation.

How to reach it and what its refusals mean; what is read is in `resources`. Xero's terms forbid to train models with
what its interface gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr

from connectors._api.auth import OAuth2, Tokens, basic
from connectors._api.client import Answer, ApiError, Client, Manners
from connectors._api.connector import api_connector, client_of, refusals, token_endpoint
from connectors._api.options import ApiOptions
from connectors._api.pace import Hint, Rate
from connectors.base import ApiVersion, Source
from connectors.xero.resources import ACCOUNTS_SCOPE, BASE, LISTINGS, resources

VERSION = ApiVersion(name="2.0", page="https://developer.xero.com/documentation/api/accounting/overview")
_SCOPES = {"Accounts": ACCOUNTS_SCOPE, **{listing.name: listing.scope for listing in LISTINGS}}
_CONNECT_ANEW = "connect the app anew, with offline_access and the scopes named in the connector's README"


class XeroOptions(ApiOptions):
    """`[sources.<name>]` with `connector = "xero"`."""

    client_id: str = Field(description="Client id of the app.")
    client_secret: SecretStr = Field(description="Client secret of the app.")
    refresh_token: SecretStr | None = Field(
        default=None, description="The refresh token from connecting the app; left out for a custom connection."
    )
    tenant_id: str | None = Field(
        default=None, description="The organisation's id; left out for a custom connection. A check tells it."
    )
    page_size: int = Field(default=500, ge=1, le=1000, description="Records a page.")
    requests_per_minute: int = Field(default=60, ge=1, description="Requests a minute; Xero allows 60.")


def client(source: Source, options: XeroOptions) -> Client:
    """Makes the client: 60 requests a minute for an organisation, five at once."""
    tenant = {"xero-tenant-id": options.tenant_id} if options.tenant_id else {}
    return client_of(
        source,
        options,
        title="Xero",
        base_url="https://api.xero.com",
        auth=_auth(source, options),
        account=options.tenant_id or options.client_id,
        rate=Rate(requests=options.requests_per_minute, seconds=60, concurrency=5),
        manners=Manners(hint=_hint, judge=_judge, explain=_explain),
        # Who does not ask for JSON is given XML.
        headers={"Accept": "application/json", **tenant},
    )


def _auth(source: Source, options: XeroOptions) -> OAuth2:
    secret = options.client_secret.get_secret_value()
    base = options.base_url or "https://identity.xero.com"
    ask = token_endpoint(
        source,
        options,
        f"{base.rstrip('/')}/connect/token",
        title="Xero",
        headers=basic(options.client_id, secret).given,
    )
    if options.refresh_token is None:
        scope = " ".join(_SCOPES.values())
        return OAuth2(
            ask, form=lambda _: {"grant_type": "client_credentials", "scope": scope}, tokens=Tokens(None, secret)
        )
    path = source.secrets / f"{source.name}.xero.json" if source.secrets else None
    return OAuth2(
        ask,
        form=lambda token: {"grant_type": "refresh_token", "refresh_token": token},
        tokens=Tokens(path, options.refresh_token.get_secret_value()),
    )


def _hint(answer: Answer) -> Hint | None:
    """How many requests are left of this minute."""
    remaining = answer.headers.get("x-minlimit-remaining")
    return Hint(remaining=float(remaining), reset_seconds=10.0) if remaining else None


def _judge(answer: Answer) -> str | None:
    """Where the day's requests are used up, waiting is for another night."""
    if answer.status == 429 and answer.headers.get("x-rate-limit-problem", "").lower() == "day":
        hours = float(answer.headers.get("retry-after") or 86_400) / 3600
        return (
            "the organisation's requests of this day are used up: 5,000, or 1,000 for an app of the Starter tier. "
            f"There are more in {hours:.1f} hours; the next load goes on from the last page read."
        )
    return None


def _explain(answer: Answer, path: str) -> str | None:
    """Tells a missing scope from an organisation that is not connected, and from a token that is refused."""
    if answer.status == 401 and b"AuthorizationUnsuccessful" in answer.body:
        scope = next((scope for name, scope in _SCOPES.items() if f"/{name}" in path), "that belongs to it")
        return f"the app lacks the scope {scope}; {_CONNECT_ANEW}."
    if answer.status == 403:
        return (
            "the organisation is not connected to the app, or tenant_id is not its id; `millpond check --connect` "
            "tells the ids of those that are."
        )
    if answer.status == 401:
        return f"the access token was refused; {_CONNECT_ANEW}."
    return None


def _probe(api: Client, options: Any) -> Iterator[str]:
    """Which organisation, and which scopes."""
    if options.refresh_token is not None:
        try:
            connected = {one["tenantId"]: one.get("tenantName") for one in api.get("/Connections")}
        except ApiError as error:
            yield str(error)
            return
        if options.tenant_id not in connected:
            yield _which(api.source, options.tenant_id, connected)
            return
    tables = {"accounts": "Accounts", **{listing.table: listing.name for listing in LISTINGS}}
    chosen = [name for table, name in tables.items() if options.tables is None or table in options.tables]
    yield from refusals(*(lambda name=name: api.get(f"{BASE}/{name}", _first_of(name)) for name in chosen))


def _first_of(name: str) -> dict[str, Any]:
    return {} if name == "Accounts" else {"page": 1, "pageSize": 1}


def _which(source: str, given: str | None, connected: Mapping[str, Any]) -> str:
    listed = ", ".join(f'"{tenant}" ({name})' for tenant, name in connected.items()) or "none"
    what = "tenant_id is missing" if given is None else f"no organisation with the tenant_id {given} is connected"
    return f"Xero (source '{source}'): {what}; connected are: {listed}. Put one into [sources.{source}]."


CONNECTOR = api_connector(
    name="xero",
    title="Xero",
    description="Accounting: invoices, bills, payments, contacts and the chart of accounts.",
    options=XeroOptions,
    client=client,
    resources=lambda options: resources(),
    version=VERSION,
    probe=_probe,
    mappings=Path(__file__).parent,
)
