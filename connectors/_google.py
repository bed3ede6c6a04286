"""What Google's interfaces share: signing in with a refresh token, and what their refusals mean.

When such a token ends is told at https://developers.google.com/identity/protocols/oauth2#expiration. What one product
answers belongs in its own folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from pydantic import Field, SecretStr

from connectors._api.auth import OAuth2, Tokens
from connectors._api.client import Answer
from connectors._api.connector import token_endpoint
from connectors._api.options import ApiOptions
from connectors._api.resource import Reading
from connectors.base import Source

TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105


class GoogleOptions(ApiOptions):
    """Options of every connector that signs in at Google."""

    client_id: str = Field(description="OAuth client of your Google Cloud project.")
    client_secret: SecretStr = Field(description="Secret of the OAuth client.")
    refresh_token: SecretStr = Field(description="Refresh token of the person who may see the account.")
    token_url: str = Field(default=TOKEN_URL, pattern=r"^https?://", description="Where access tokens are had.")


def google_auth(source: Source, options: GoogleOptions, *, title: str) -> OAuth2:
    """Makes the access of a source."""
    fixed = {
        "grant_type": "refresh_token",
        "client_id": options.client_id,
        "client_secret": options.client_secret.get_secret_value(),
    }
    return OAuth2(
        token_endpoint(source, options, options.token_url, title=title),
        form=lambda token: {**fixed, "refresh_token": token},
        tokens=Tokens(None, options.refresh_token.get_secret_value()),
    )


def error_of(answer: Answer) -> Mapping[str, Any]:
    """The google.rpc.Status of an answer, also of one that came as a stream; empty where there is none."""
    import orjson

    try:
        said = orjson.loads(answer.body)
    except ValueError:
        return {}
    first = said[0] if isinstance(said, list) and said else said
    error = first.get("error") if isinstance(first, dict) else None
    return error if isinstance(error, dict) else {}


def explained(answer: Answer, *, scope: str, service: str) -> str | None:
    """A sentence for refusals that all of Google's interfaces word alike.

    Args:
        scope: what the refresh token must have been granted for.
        service: the interface as the Cloud console names it.
    """
    error = error_of(answer)
    reasons = {detail.get("reason") for detail in error.get("details", []) if isinstance(detail, dict)}
    if "ACCESS_TOKEN_SCOPE_INSUFFICIENT" in reasons:
        return f"the refresh token lacks the scope {scope}; connect anew and grant it."
    if "SERVICE_DISABLED" in reasons:
        return f"the {service} is not enabled in the Cloud project of the OAuth client; enable it in the console."
    if answer.status == 401:
        return "the access token was refused (401). Connect anew and put the new refresh token into .env."
    return None


def spans(first: date, last: date, days: int) -> Iterator[tuple[date, date]]:
    """Cuts a range of days, both ends included, into spans of at most so many days."""
    while first <= last:
        yield first, min(first + timedelta(days - 1), last)
        first += timedelta(days)


def first_day(reading: Reading, *, months: int) -> date:
    """The first day to read figures of: where the last read stood, the day in the options, or so many months ago."""
    if reading.since is not None:
        return reading.since.date()
    chosen: date | None = reading.options.start_date
    return chosen or reading.api.now().date() - timedelta(days=30 * months)


def last_day(reading: Reading) -> date:
    """The last day that figures can be of anywhere on earth."""
    return (reading.api.now() + timedelta(hours=14)).date()
