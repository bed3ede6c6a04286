"""WooCommerce: customers, products and their variations, orders with lines, and refunds, from its REST API.

How to reach it and what its answers mean; what is read is in `resources`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, SecretStr

from connectors._api.auth import basic
from connectors._api.client import Answer, Client, Manners
from connectors._api.connector import api_connector, client_of, refusals
from connectors._api.options import ApiOptions
from connectors._api.pace import Rate
from connectors.base import ApiVersion, Source
from connectors.woocommerce.resources import BASE, CHECKED, resources

#: The version has no end announced; WooCommerce speaks it since 3.5.
VERSION = ApiVersion(name="v3", page="https://woocommerce.github.io/woocommerce-rest-api-docs/")


class WoocommerceOptions(ApiOptions):
    """`[sources.<name>]` with `connector = "woocommerce"`."""

    shop: str = Field(pattern=r"^https://", description="Address of the shop, where WordPress is.")
    consumer_key: SecretStr = Field(description="Key of the REST API, ck_…")
    consumer_secret: SecretStr = Field(description="Its secret, cs_…")


def client(source: Source, options: WoocommerceOptions) -> Client:
    """Makes the client. WooCommerce has no limit of its own; this is what an ordinary host bears."""
    return client_of(
        source,
        options,
        title="WooCommerce",
        base_url=options.shop,
        auth=basic(options.consumer_key.get_secret_value(), options.consumer_secret.get_secret_value()),
        account=options.shop,
        rate=Rate(requests=300, seconds=60, concurrency=3),
        manners=Manners(explain=_explain),
    )


def _explain(answer: Answer, path: str) -> str | None:
    """What a refusal of WordPress means to whoever can mend it."""
    if b"does not have read permissions" in answer.body:
        return "the key may only write (401). Give it the permission Read in WooCommerce, Settings, Advanced, REST API."
    if b"woocommerce_rest_authentication_error" in answer.body:
        return "the consumer key or secret was refused (401). Make a key anew in WooCommerce, Settings, Advanced."
    if b"woocommerce_rest_cannot_view" in answer.body:
        return "the key's user may not see this (403). It has to be a shop manager or an administrator."
    if b"rest_no_route" in answer.body:
        return (
            "there is no such address (404). The shop's WooCommerce is too old for it, or WordPress has plain "
            "permalinks (Settings, Permalinks), with which its REST API does not work."
        )
    return None


def _probe(api: Client, options: WoocommerceOptions) -> Iterator[str]:
    paths = [p for table, p in CHECKED.items() if options.tables is None or table in options.tables]
    return refusals(*(lambda path=path: api.get(f"{BASE}/{path}", {"per_page": 1}) for path in paths))


CONNECTOR = api_connector(
    name="woocommerce",
    title="WooCommerce",
    description="Web shop on WordPress: customers, products and variations, orders with lines, refunds.",
    options=WoocommerceOptions,
    client=client,
    resources=lambda options: resources(),
    version=VERSION,
    probe=_probe,
    mappings=Path(__file__).parent,
)
