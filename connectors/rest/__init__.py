"""Any system with a plain JSON interface, declared in millpond.toml alone: endpoints, paging, authorisation, no code.

Mappings come from the company's folder, since only the company knows what the fields mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connectors._api.auth import Auth, OAuth2, Static, Tokens, basic, bearer
from connectors._api.client import Client
from connectors._api.connector import api_connector, client_of, refusals, token_endpoint
from connectors._api.pace import Rate
from connectors.base import ApiVersion, Source
from connectors.rest.endpoints import resources
from connectors.rest.options import BasicAuth, BearerAuth, HeaderAuth, OAuthAuth, RestOptions


def client(source: Source, options: RestOptions) -> Client:
    """Makes the client that the options describe."""
    return client_of(
        source,
        options,
        title=source.name,
        base_url=options.base_url,
        auth=_auth(source, options),
        account=source.name,
        rate=Rate(requests=options.rate.requests, seconds=options.rate.seconds),
        headers={"Accept": "application/json", **options.headers},
    )


def _auth(source: Source, options: RestOptions) -> Auth:
    auth = options.auth
    if isinstance(auth, BearerAuth):
        return bearer(auth.token.get_secret_value())
    if isinstance(auth, BasicAuth):
        return basic(auth.user, auth.password.get_secret_value())
    if isinstance(auth, HeaderAuth):
        return Static({auth.name: auth.value.get_secret_value()})
    if isinstance(auth, OAuthAuth):
        return _oauth(source, options, auth)
    return Static({})


def _oauth(source: Source, options: RestOptions, auth: OAuthAuth) -> Auth:
    secret = auth.client_secret.get_secret_value()
    fixed: Mapping[str, str] = {
        "client_id": auth.client_id,
        "client_secret": secret,
        **({"scope": auth.scope} if auth.scope else {}),
    }
    path = source.secrets / f"{source.name}.json" if source.secrets else None
    if auth.refresh_token is None:
        return OAuth2(
            token_endpoint(source, options, auth.token_url, title=source.name),
            form=lambda _: {"grant_type": "client_credentials", **fixed},
            tokens=Tokens(path, secret),
        )
    return OAuth2(
        token_endpoint(source, options, auth.token_url, title=source.name),
        form=lambda token: {"grant_type": "refresh_token", "refresh_token": token, **fixed},
        tokens=Tokens(path, auth.refresh_token.get_secret_value()),
    )


def _probe(api: Client, options: Any) -> Iterator[str]:
    return refusals(*(lambda path=e.path, params=e.params: api.get(path, params) for e in options.endpoints.values()))


CONNECTOR = api_connector(
    name="rest",
    title="REST",
    description="Any JSON interface, declared in millpond.toml: endpoints, paging, authorisation, changes since.",
    options=RestOptions,
    client=client,
    resources=resources,
    version=ApiVersion(name="as configured", page="../connectors/rest/README.md"),
    probe=_probe,
)
