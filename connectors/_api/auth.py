"""How a request says who asks: static keys, and OAuth 2 access tokens that are refreshed and may be rotated.

A rotated refresh token is the only one that still works, so it is written down before it is used. Which scheme a vendor
has is said in the vendor's folder.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from connectors.base import ConnectorError

_EARLY_SECONDS = 60.0
_LIFETIME_SECONDS = 3600.0


class Auth(Protocol):
    """Gives the headers of a request, and a chance to try again after the vendor refused them."""

    def headers(self) -> Mapping[str, str]:
        """Headers that say who asks."""

    def renew(self, refused: Mapping[str, str]) -> bool:
        """Tells whether a request whose headers were refused is worth another try with new ones."""


@dataclass(frozen=True)
class Static:
    """A key that is what it is."""

    given: Mapping[str, str] = field(repr=False)

    def headers(self) -> Mapping[str, str]:
        """Headers that say who asks."""
        return self.given

    def renew(self, refused: Mapping[str, str]) -> bool:
        """There is no other key."""
        return False


def bearer(token: str) -> Static:
    """A token in the Authorization header."""
    return Static({"Authorization": f"Bearer {token}"})


def basic(user: str, password: str) -> Static:
    """User and password in the Authorization header."""
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return Static({"Authorization": f"Basic {pair}"})


class Tokens:
    """The rotated refresh token of a source, in a file that only its owner can read.

    It counts only while the configuration still names the token that it descends from: a new one from a person wins.
    """

    def __init__(self, path: Path | None, first: str) -> None:
        self.path, self.first = path, first

    def current(self) -> str:
        """Gives the refresh token to use now."""
        if self.path is None or not self.path.exists():
            return self.first
        kept = json.loads(self.path.read_text(encoding="utf-8"))
        return str(kept["token"]) if kept.get("descends_from") == self._origin() else self.first

    def keep(self, token: str) -> None:
        """Writes a rotated token down, at once and whole.

        Raises:
            ConnectorError: there is nowhere to keep it, so that the next load could not log in.
        """
        if token == self.current():
            return
        if self.path is None:
            raise ConnectorError("the refresh token was rotated, and there is no folder to keep the new one in")
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = self.path.with_suffix(".partial")
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"descends_from": self._origin(), "token": token}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)

    def _origin(self) -> str:
        return hashlib.sha256(self.first.encode()).hexdigest()


class OAuth2:
    """An access token that is fetched when there is none, when it is about to end, and when the vendor refuses it.

    Args:
        ask: posts a form to the token endpoint and gives the decoded answer.
        form: makes the form from the refresh token in use.
        tokens: the refresh token; for grants without one, the client's secret.
        header: makes the headers from an access token.
    """

    def __init__(
        self,
        ask: Callable[[Mapping[str, str]], Mapping[str, Any]],
        *,
        form: Callable[[str], Mapping[str, str]],
        tokens: Tokens,
        header: Callable[[str], Mapping[str, str]] = lambda token: {"Authorization": f"Bearer {token}"},
    ) -> None:
        self._ask, self._form, self._tokens, self._header = ask, form, tokens, header
        self._lock = threading.Lock()
        self._access = ""
        self._ends = 0.0

    def headers(self) -> Mapping[str, str]:
        """Headers that say who asks."""
        with self._lock:
            if time.monotonic() >= self._ends:
                self._fetch()
            return self._header(self._access)

    def renew(self, refused: Mapping[str, str]) -> bool:
        """Fetches another access token, unless another thread has done so since."""
        with self._lock:
            if self._header(self._access) == refused:
                self._fetch()
            return True

    def _fetch(self) -> None:
        answer = self._ask(self._form(self._tokens.current()))
        if not isinstance(answer, Mapping) or not answer.get("access_token"):
            raise ConnectorError("The token endpoint gave no access token; compare the client's id and secret in .env.")
        if answer.get("refresh_token"):
            self._tokens.keep(str(answer["refresh_token"]))
        self._access = str(answer["access_token"])
        try:
            lifetime = float(answer.get("expires_in") or _LIFETIME_SECONDS)
        except (TypeError, ValueError):
            lifetime = _LIFETIME_SECONDS
        self._ends = time.monotonic() + max(lifetime - _EARLY_SECONDS, lifetime / 2)
