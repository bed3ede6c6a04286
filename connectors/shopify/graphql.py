"""Asks Shopify's GraphQL: one query, one decoded answer, or one sentence on what Shopify has against it.

Throttling, which comes as a good answer, is the business of the client's manners; what is asked, of `resources`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors._api.body import envelope
from connectors._api.client import ApiError, Client

PATH = "/admin/api/2026-10/graphql.json"

_cost = envelope(
    requested=("extensions.cost.requestedQueryCost", float),
    left=("extensions.cost.throttleStatus.currentlyAvailable", float),
    restored=("extensions.cost.throttleStatus.restoreRate", float),
)
_errors = envelope(errors=list[dict[str, Any]])


class TooDear(ApiError):
    """The query may cost more than Shopify allows a single one; with a smaller page it will do."""


@dataclass(frozen=True)
class Cost:
    """What a query may cost, and what is in the bucket: points left, and points that come back in a second."""

    requested: float
    left: float
    restored: float


@dataclass(frozen=True)
class Refusal:
    """An error of an answer: Shopify's code, and its words."""

    code: str
    message: str
    scopes: str = ""


def cost_of(body: bytes) -> Cost | None:
    """Gives what an answer says about its cost, if it does."""
    try:
        found = _cost(body)
    except ValueError:
        return None
    if found.left is None:
        return None
    return Cost(found.requested or 0.0, found.left, found.restored or 0.0)


def errors_of(body: bytes) -> list[Refusal]:
    """Gives the errors of an answer."""
    try:
        found = _errors(body).errors or []
    except ValueError:
        return []
    return [
        Refusal(
            code=str((error.get("extensions") or {}).get("code") or ""),
            message=str(error.get("message") or ""),
            scopes=str((error.get("extensions") or {}).get("requiredAccess") or ""),
        )
        for error in found
    ]


def queried(api: Client, query: str, variables: Mapping[str, Any] | None = None, *, needs: str) -> dict[str, Any]:
    """Asks a query.

    Args:
        needs: the field that the answer must have; an answer without it is that to some other question, and asked anew.

    Returns:
        The data of the answer.

    Raises:
        TooDear: the query may cost too much.
        ApiError: Shopify refused, or nothing helped.
    """

    def decode(body: bytes) -> dict[str, Any]:
        import orjson

        answer = orjson.loads(body)
        if not isinstance(answer, dict):
            raise ValueError("no answer of GraphQL")
        _refuse(api, errors_of(body))
        data = answer.get("data")
        if not isinstance(data, dict) or data.get(needs) is None:
            raise ValueError(f"an answer without {needs}")
        _heed_search(api, answer)
        return data

    return api.post(PATH, {"query": query, "variables": dict(variables or {})}, decode=decode)


def _refuse(api: Client, errors: Sequence[Refusal]) -> None:
    place = f"Shopify (source '{api.source}')"
    for error in errors:
        if error.code == "MAX_COST_EXCEEDED":
            raise TooDear(f"{place}: {error.message}", 400)
        if error.code == "ACCESS_DENIED":
            scopes = error.scopes or error.message
            raise ApiError(f"{place}: the app lacks a scope: {scopes} Add it to the app and release it.", 403)
        raise ApiError(f"{place}: refused ({error.code or 'no code'}): {error.message}", 400)


def _heed_search(api: Client, answer: Mapping[str, Any]) -> None:
    """A filter that Shopify does not understand it drops, and gives everything; better nothing than that."""
    for search in (answer.get("extensions") or {}).get("search") or []:
        for warning in search.get("warnings") or []:
            raise ApiError(
                f"Shopify (source '{api.source}') did not understand the filter {search.get('query')!r}: "
                f"{warning.get('field')}: {warning.get('message')}",
                400,
            )
