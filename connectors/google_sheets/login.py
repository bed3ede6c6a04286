"""How Google is told who asks: a person's refresh token, or a service account that signs for itself.

See https://developers.google.com/identity/protocols/oauth2/service-account for the second.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from connectors._api.auth import OAuth2, Tokens
from connectors._api.connector import token_endpoint
from connectors.base import ConnectorError, Source

if TYPE_CHECKING:
    from connectors.google_sheets import GoogleSheetsOptions

SCOPES = (
    "https://www.googleapis.com/auth/spreadsheets.readonly",
    "https://www.googleapis.com/auth/drive.metadata.readonly",
)
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFETIME = 3600


def login(source: Source, options: GoogleSheetsOptions) -> OAuth2:
    """Makes the access of a source."""
    ask = token_endpoint(source, options, options.token_url, title="Google Sheets")
    if options.service_account is not None:
        account = _account(source, options.service_account.get_secret_value())
        return OAuth2(ask, form=lambda key: _signed(account, options.token_url), tokens=Tokens(None, "none"))
    person = {
        "grant_type": "refresh_token",
        "client_id": options.client_id or "",
        "client_secret": options.client_secret.get_secret_value() if options.client_secret else "",
    }
    refresh = options.refresh_token.get_secret_value() if options.refresh_token else ""
    return OAuth2(ask, form=lambda token: {**person, "refresh_token": token}, tokens=Tokens(None, refresh))


def _account(source: Source, given: str) -> Mapping[str, Any]:
    """Reads a service account's key, from a file in the company folder or as it is."""
    try:
        text = given if given.lstrip().startswith("{") else (source.root / given).read_text(encoding="utf-8")
        account: Mapping[str, Any] = json.loads(text)
        if {"client_email", "private_key"} <= account.keys():
            return account
    except (OSError, ValueError):
        pass
    raise ConnectorError(
        f"Google Sheets (source '{source.name}'): service_account is no key file of a service account; give the path "
        "of the JSON file that the Cloud console made."
    )


def _signed(account: Mapping[str, Any], audience: str) -> Mapping[str, str]:
    """The form that asks for an access token, with what the account signed."""
    import jwt

    now = int(time.time())
    claims = {
        "iss": account["client_email"],
        "scope": " ".join(SCOPES),
        "aud": audience,
        "iat": now,
        "exp": now + _LIFETIME,
    }
    try:
        key_id = {"kid": account["private_key_id"]} if "private_key_id" in account else None
        signed = jwt.encode(claims, account["private_key"], algorithm="RS256", headers=key_id)
    except (jwt.PyJWTError, ValueError) as error:
        raise ConnectorError(
            "Google Sheets: the private key of the service account cannot be read; download its key file anew."
        ) from error
    return {"grant_type": _GRANT, "assertion": signed}
