"""Zendesk Support: tickets with their messages, the people who write and answer, and satisfaction ratings.

How to reach it and what its refusals mean; what is read is in `resources`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, model_validator

from connectors._api.auth import Auth, OAuth2, Static, Tokens, basic
from connectors._api.client import Answer, Client, Manners
from connectors._api.connector import api_connector, client_of, refusals
from connectors._api.options import ApiOptions
from connectors._api.pace import Hint, Rate
from connectors.base import ApiVersion, Source
from connectors.zendesk.resources import CHECKED, resources

VERSION = ApiVersion(name="v2", page="https://developer.zendesk.com/api-reference/ticketing/introduction/")
#: From then on only OAuth is let in: developer.zendesk.com/documentation/api-basics/authentication/oauth-migration.
API_TOKENS_END = date(2027, 4, 30)
#: An access token lives as long as a night at the most; the default of old OAuth clients is for ever.
_TOKEN_SECONDS = 4 * 3600


class ZendeskOptions(ApiOptions):
    """`[sources.<name>]` with `connector = "zendesk"`."""

    subdomain: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="The part before .zendesk.com.")
    client_id: str | None = Field(default=None, description="Identifier of the OAuth client.")
    client_secret: SecretStr | None = Field(default=None, description="Secret of the OAuth client.")
    email: str | None = Field(default=None, description="Address of the administrator whose API token it is.")
    api_token: SecretStr | None = Field(default=None, description="API token; Zendesk ends these on 2027-04-30.")
    exports_per_minute: int = Field(
        default=10, ge=1, description="Export requests a minute: 10, or 30 with the High Volume API add-on."
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> ZendeskOptions:
        ways = (self.client_id, self.client_secret), (self.email, self.api_token)
        whole, begun = [all(way) for way in ways], [any(way) for way in ways]
        if whole != begun or sum(whole) != 1:
            raise ValueError("give either client_id and client_secret, or email and api_token")
        return self


def client(source: Source, options: ZendeskOptions) -> Client:
    """Makes the client: 200 requests a minute, as the smallest plan allows, and far fewer exports."""
    return _client(source, options, _auth(source, options))


def _client(source: Source, options: ZendeskOptions, auth: Auth) -> Client:
    return client_of(
        source,
        options,
        title="Zendesk",
        base_url=f"https://{options.subdomain}.zendesk.com",
        auth=auth,
        account=options.subdomain,
        rate=Rate(requests=200, seconds=60),
        narrow={"/incremental/": Rate(requests=options.exports_per_minute, seconds=60, concurrency=2)},
        manners=Manners(hint=_hint, explain=_explain),
    )


def _auth(source: Source, options: ZendeskOptions) -> Auth:
    if options.email is not None and options.api_token is not None:
        return basic(f"{options.email}/token", options.api_token.get_secret_value())
    secret = options.client_secret.get_secret_value() if options.client_secret else ""
    return OAuth2(
        _token_endpoint(source, options),
        form=lambda kept: {"client_secret": kept},
        tokens=Tokens(None, secret),
    )


def _token_endpoint(source: Source, options: ZendeskOptions) -> Callable[[Mapping[str, str]], Mapping[str, Any]]:
    """Asks for access tokens; client credentials come without a refresh token, the secret is asked with each time."""

    def ask(form: Mapping[str, str]) -> Mapping[str, Any]:
        rest = {"grant_type": "client_credentials", "scope": "read", "expires_in": _TOKEN_SECONDS}
        door = _client(source, options, Static({}))
        try:
            return door.post("/oauth/tokens", {"client_id": options.client_id, **rest, **form})
        finally:
            door.close()

    return ask


def _hint(answer: Answer) -> Hint | None:
    """How many requests of the account are left of the current minute."""
    remaining, reset = (answer.headers.get(f"ratelimit-{name}") for name in ("remaining", "reset"))
    if remaining is None or reset is None:
        return None
    return Hint(remaining=float(remaining), reset_seconds=float(reset))


def _explain(answer: Answer, path: str) -> str | None:
    """Says which key is wrong or which right is missing; Zendesk words its errors in four ways."""
    said = answer.body.decode(errors="replace")
    if answer.status in (400, 401) and path == "/oauth/tokens":
        return f"the OAuth client was refused ({answer.status}). Check client_id and client_secret in .env."
    if answer.status == 401:
        return "the credentials were refused (401). Check email and api_token, and that API tokens are switched on."
    if answer.status == 403 and "required scopes" in said:
        return f"the OAuth client lacks the scope {said.rpartition(': ')[2].strip(chr(34) + '} ')}; give it read."
    if answer.status == 403:
        return "not allowed (403). Exports are for administrators, so the client or token must be an administrator's."
    if answer.status == 404 and "InvalidEndpoint" in said:
        return "there is no such thing in this account (404). Check the subdomain and that the plan has it."
    return None


def _probe(api: Client, options: ZendeskOptions) -> Iterator[str]:
    """Asks for one record of each table; who is anonymous may ask who they are, so that would prove nothing."""
    asked = [CHECKED[table] for table in options.tables or CHECKED]
    return refusals(*(lambda path=path, query=query: api.get(path, query) for path, query in asked))


def _check(source: Source, options: ZendeskOptions) -> list[str]:
    if options.api_token is None or date.today() < API_TOKENS_END:
        return []
    return [
        f"millpond.toml: sources.{source.name}.api_token: Zendesk has taken no API tokens since {API_TOKENS_END}; make "
        "an OAuth client in its Admin Center and give client_id and client_secret instead."
    ]


CONNECTOR = api_connector(
    name="zendesk",
    title="Zendesk",
    description="Helpdesk: tickets, messages, customers, agents and satisfaction ratings.",
    options=ZendeskOptions,
    client=client,
    resources=lambda options: resources(),
    version=VERSION,
    probe=_probe,
    mappings=Path(__file__).parent,
    check=_check,
)
