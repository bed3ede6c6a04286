"""Shopify: customers, products with their variants, orders with all that is in them, stock, from the Admin GraphQL API.

How to reach it and what its answers mean; what is read is in `resources`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from pydantic import Field, SecretStr

from connectors._api.auth import Auth, OAuth2, Static, Tokens
from connectors._api.client import Again, Answer, ApiError, Client, Manners
from connectors._api.connector import api_connector, client_of, token_endpoint
from connectors._api.options import ApiOptions
from connectors._api.pace import Hint, Rate
from connectors.base import ApiVersion, Source
from connectors.shopify.graphql import cost_of, errors_of, queried
from connectors.shopify.resources import SCOPES, resources

#: A version is served for a year at the least; after that Shopify answers as the oldest version that it still serves.
VERSION = ApiVersion(
    name="2026-10", sunset=date(2027, 10, 1), page="https://shopify.dev/docs/api/usage/versioning#release-schedule"
)
_TOKEN_HEADER = "X-Shopify-Access-Token"  # noqa: S105


class ShopifyOptions(ApiOptions):
    """`[sources.<name>]` with `connector = "shopify"`."""

    shop: str = Field(pattern=r"^[a-z0-9-]+\.myshopify\.com$", description="The shop's address at Shopify.")
    token: SecretStr | None = Field(default=None, description="Access token of a custom app made before 2026.")
    client_id: str | None = Field(default=None, description="Client ID of an app of the Dev Dashboard.")
    client_secret: SecretStr | None = Field(default=None, description="Its client secret.")
    recent_orders_only: bool = Field(
        default=False, description="Do with the orders of the last 60 days, which need no read_all_orders."
    )
    bulk_hours: float = Field(default=6.0, gt=0, description="Longest wait for a bulk export; the next load goes on.")


def client(source: Source, options: ShopifyOptions) -> Client:
    """Makes the client. Shopify counts points and not requests; what is left of them its answers tell."""
    return client_of(
        source,
        options,
        title="Shopify",
        base_url=f"https://{options.shop}",
        auth=_auth(source, options),
        account=options.shop,
        rate=Rate(requests=10, seconds=1, concurrency=4),
        manners=Manners(hint=_hint, judge=_judge, explain=_explain),
        headers={"Accept": "application/json"},
    )


def _auth(source: Source, options: ShopifyOptions) -> Auth:
    if options.token is not None:
        return Static({_TOKEN_HEADER: options.token.get_secret_value()})
    secret = options.client_secret.get_secret_value() if options.client_secret else ""
    address = (options.base_url or f"https://{options.shop}") + "/admin/oauth/access_token"
    return OAuth2(
        token_endpoint(source, options, address, title="Shopify"),
        form=lambda kept: {
            "grant_type": "client_credentials",
            "client_id": options.client_id or "",
            "client_secret": kept,
        },
        tokens=Tokens(None, secret),
        header=lambda token: {_TOKEN_HEADER: token},
    )


def _hint(answer: Answer) -> Hint | None:
    """How many requests like this one the points that are left are good for, and how long one takes to come back."""
    cost = cost_of(answer.body)
    if cost is None or not cost.requested or not cost.restored:
        return None
    return Hint(remaining=cost.left / cost.requested, reset_seconds=cost.requested / cost.restored)


def _judge(answer: Answer) -> Again | str | None:
    """Throttling is a good answer with an error in it; how long to wait follows from the points."""
    if answer.status != 200:
        return None
    codes = {error.code for error in errors_of(answer.body)}
    if "THROTTLED" in codes:
        cost = cost_of(answer.body)
        lacking = (cost.requested - cost.left) / cost.restored if cost and cost.restored else 0.0
        return Again(why="too many points at once (THROTTLED)", seconds=lacking if lacking > 0 else None)
    if "INTERNAL_SERVER_ERROR" in codes or "TIMEOUT" in codes:
        return Again(why="a fault at the vendor's (INTERNAL_SERVER_ERROR)")
    return None


def _explain(answer: Answer, path: str) -> str | None:
    if answer.status == 401:
        return (
            "the access token was refused (401). Is the app still installed in the shop? Take its token, or client ID "
            "and secret, anew and put it into .env."
        )
    if answer.status == 404:
        return "there is no such shop or no such version of the API (404). Check `shop` in millpond.toml."
    return None


def _check(source: Source, options: ShopifyOptions) -> list[str]:
    has_app = options.client_id is not None and options.client_secret is not None
    if (options.token is None) == has_app and not (options.token and options.client_id):
        return []
    return [
        f"millpond.toml: sources.{source.name}: give either `token`, or `client_id` and `client_secret`, to reach "
        "Shopify."
    ]


def _probe(api: Client, options: ShopifyOptions) -> Iterator[str]:
    """Asks which scopes the app was granted, and names those that are lacking."""
    try:
        said = queried(api, "{ currentAppInstallation { accessScopes { handle } } }", needs="currentAppInstallation")
    except ApiError as error:
        yield str(error)
        return
    granted = {scope["handle"] for scope in said["currentAppInstallation"]["accessScopes"]}
    granted |= {scope.replace("write_", "read_", 1) for scope in granted}
    for table, scopes in SCOPES.items():
        if options.tables is not None and table not in options.tables:
            continue
        if table == "inventory_levels" and options.tables is None:
            continue
        needed = [s for s in scopes if not (s == "read_all_orders" and options.recent_orders_only)]
        for scope in needed:
            if scope not in granted:
                yield _lacking(table, scope)


def _lacking(table: str, scope: str) -> str:
    way_out = " Or set recent_orders_only = true." if scope == "read_all_orders" else ""
    return f"Shopify: the app lacks the scope {scope}, which the table {table} needs; add it to the app.{way_out}"


CONNECTOR = api_connector(
    name="shopify",
    title="Shopify",
    description="Web shop: customers, products and variants, orders with lines, refunds and parcels, stock.",
    options=ShopifyOptions,
    client=client,
    resources=lambda options: resources(recent_orders_only=options.recent_orders_only),
    version=VERSION,
    probe=_probe,
    mappings=Path(__file__).parent,
    check=_check,
)
