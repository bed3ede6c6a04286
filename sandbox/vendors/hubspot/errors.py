"""HubSpot's way of saying no: bodies as in its API usage guide and its recorded answers.

When to refuse belongs with what is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from starlette.responses import JSONResponse

_SAID = {
    401: (
        "INVALID_AUTHENTICATION",
        "Authentication credentials not found. This API supports OAuth 2.0 authentication.",
    ),
    403: ("MISSING_SCOPES", "This app hasn't been granted all required scopes to make this call."),
    404: ("OBJECT_NOT_FOUND", "resource not found"),
    429: ("RATE_LIMITS", "You have reached your ten_secondly_rolling limit."),
    500: ("INTERNAL_ERROR", "internal error"),
    503: ("SERVICE_UNAVAILABLE", "Service temporarily unavailable"),
}


class Refused(Exception):
    """A request that HubSpot would not answer as it stands."""

    def __init__(self, status: int, category: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = problem(category, message, **more)


def problem(category: str, message: str, **more: Any) -> dict[str, Any]:
    """The body of an error."""
    return {"status": "error", "message": message, "correlationId": str(uuid4()), **more, "category": category}


def error(status: int) -> tuple[dict[str, Any], dict[str, str]]:
    """The body of the errors that any request may meet."""
    category, message = _SAID[status]
    more = {"errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"} if status == 429 else {}
    return problem(category, message, **more), {}


def invalid(message: str) -> Refused:
    """A request with a value that is not allowed."""
    return Refused(400, "VALIDATION_ERROR", message)


def missing_scopes(scopes: Sequence[str]) -> Refused:
    """A request that the app's scopes do not cover."""
    return Refused(
        403,
        "MISSING_SCOPES",
        "This app hasn't been granted all required scopes to make this call. "
        "Read more about required scopes here: https://developers.hubspot.com/scopes.",
        errors=[
            {
                "message": "One or more of the following scopes are required.",
                "context": {"requiredGranularScopes": list(scopes)},
            }
        ],
        links={"scopes": "https://developers.hubspot.com/scopes"},
    )


def too_many_searches() -> JSONResponse:
    """The answer to more searches in a second than an account may make."""
    more = {"errorType": "RATE_LIMIT", "policyName": "SECONDLY"}
    return JSONResponse(
        problem("RATE_LIMITS", "You have reached your secondly limit.", **more), 429, headers={"Retry-After": "1"}
    )
