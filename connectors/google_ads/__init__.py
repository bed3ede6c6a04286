"""Google Ads: campaigns with their budgets, and what each ad and asset group did on each day.

How to reach it and what its refusals mean; what is read is in `resources`. Developer tokens are not sent: Google has
ignored them since 9 September 2026 and will refuse them in a version to come.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from connectors._api.client import Again, Answer, Client, Manners, retry_after
from connectors._api.connector import api_connector, client_of
from connectors._api.pace import Rate
from connectors._google import GoogleOptions, error_of, explained, google_auth
from connectors.base import Source
from connectors.google_ads.resources import VERSION, account_of, resources

_SCOPE = "https://www.googleapis.com/auth/adwords"
#: What can be done about Google's error codes: google/ads/googleads/v25/errors.
_MEANINGS = {
    "USER_PERMISSION_DENIED": "the login may not read this account. Check customer_id; if the login reaches it through "
    "a manager account, put that one's id into login_customer_id.",
    "INVALID_LOGIN_CUSTOMER_ID": "login_customer_id is no account's id; take the manager account's ten digits.",
    "INVALID_CUSTOMER_ID": "customer_id is no account's id; take its ten digits.",
    "CUSTOMER_NOT_ENABLED": "the account is not enabled or was closed; check customer_id.",
    "NOT_ADS_USER": "the login has no Google Ads account; connect with one that may see the account.",
    "CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION": "the Cloud project may only read test accounts; apply for Explorer "
    "access on its page 'Google Ads API Overview'.",
    "REQUESTED_METRICS_FOR_MANAGER": "customer_id is a manager account, which has no figures of its own; take the id "
    "of the account that runs the ads.",
    "UNSUPPORTED_VERSION": "Google has ended the version of its interface that this connector speaks; update Millpond.",
}


class GoogleAdsOptions(GoogleOptions):
    """`[sources.<name>]` with `connector = "google_ads"`."""

    customer_id: str = Field(pattern=r"^\d{10}$", description="The account that runs the ads, ten digits.")
    login_customer_id: str | None = Field(
        default=None, pattern=r"^\d{10}$", description="The manager account through which the login reaches it."
    )
    lookback_days: int = Field(
        default=30, ge=1, le=90, description="Figures of so many days back are read again, since they still change."
    )

    @field_validator("customer_id", "login_customer_id", mode="before")
    @classmethod
    def _without_dashes(cls, value: Any) -> Any:
        return value.replace("-", "") if isinstance(value, str) else value


def client(source: Source, options: GoogleAdsOptions) -> Client:
    """Makes the client: 2,880 operations a day, which is what Explorer access allows."""
    login = options.login_customer_id
    return client_of(
        source,
        options,
        title="Google Ads",
        base_url="https://googleads.googleapis.com",
        auth=google_auth(source, options, title="Google Ads"),
        account=options.client_id,
        rate=Rate(requests=2_880, seconds=86_400, concurrency=2),
        headers={"login-customer-id": login} if login else {},
        manners=Manners(judge=_judge, explain=_explain),
    )


def _judge(answer: Answer) -> Again | None:
    """A spent quota says in its body how long to wait."""
    if answer.status != 429:
        return None
    seconds = retry_after(answer)
    for error in _errors(answer):
        delay = error.get("details", {}).get("quotaErrorDetails", {}).get("retryDelay", "")
        seconds = seconds if seconds is not None or not delay else float(delay.removesuffix("s"))
    return Again(why="the quota is spent (429)", seconds=seconds)


def _explain(answer: Answer, path: str) -> str | None:
    known = [_MEANINGS[code] for error in _errors(answer) for code in error["errorCode"].values() if code in _MEANINGS]
    return known[0] if known else explained(answer, scope=_SCOPE, service="Google Ads API")


def _errors(answer: Answer) -> list[Any]:
    """The failures within a refusal."""
    return [e for detail in error_of(answer).get("details", []) for e in detail.get("errors", []) if e.get("errorCode")]


def _probe(api: Client, options: GoogleAdsOptions) -> Iterator[str]:
    account = account_of(api, options.customer_id)
    if account.get("manager"):
        yield f"Google Ads: {_MEANINGS['REQUESTED_METRICS_FOR_MANAGER']}"


CONNECTOR = api_connector(
    name="google_ads",
    title="Google Ads",
    description="Advertising: campaigns with their budgets, daily figures of ads and of Performance Max asset groups.",
    options=GoogleAdsOptions,
    client=client,
    resources=resources,
    version=VERSION,
    probe=_probe,
    mappings=Path(__file__).parent,
)
