"""Pipedrive's way of saying no; see https://pipedrive.readme.io/docs/core-api-concepts-responses.

When to refuse belongs with what is refused.
"""

from __future__ import annotations

from typing import Any

_SAID = {
    401: "unauthorized access",
    403: "Scope and URL mismatch",
    404: "Requested resource was not found",
    429: "Rate limit exceeded",
    500: "Internal server error",
    503: "Requested service is not available",
}


class Refused(Exception):
    """A request that Pipedrive would not answer as it stands."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = problem(status, message) | ({"code": code} if code else {})


def problem(status: int, message: str) -> dict[str, Any]:
    """The body of an error."""
    return {
        "success": False,
        "error": message,
        "errorCode": status,
        "error_info": "Please check developers.pipedrive.com",
        "data": None,
        "additional_data": None,
    }


def error(status: int) -> tuple[dict[str, Any], dict[str, str]]:
    """The body of the errors that any request may meet."""
    return problem(status, _SAID[status]), {}


def invalid(message: str) -> Refused:
    """A request with a parameter that is not known or has a value that is not allowed."""
    return Refused(400, f"Parameter validation failed: {message}", "ERR_SCHEMA_VALIDATION_FAILED")
