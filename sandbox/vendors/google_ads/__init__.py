"""Google Ads API over REST: `googleAds:search`, `googleAds:searchStream` and the accounts that a login can see.

Shapes: https://developers.google.com/google-ads/api/rest/common/search, .../docs/concepts/call-structure (headers) and
messages and error codes at github.com/googleapis/googleapis, google/ads/googleads/v25. Developer tokens are ignored, as
Google does since 9 September 2026 (https://developers.google.com/google-ads/api/docs/api-policy/developer-token).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.store import Store
from sandbox.vendor import Desk, Limit, Vendor
from sandbox.vendors import _google
from sandbox.vendors.google_ads import account, report
from sandbox.vendors.google_ads.gaql import Query, QueryError, parse
from sandbox.vendors.google_ads.report import CUSTOMER_ID, MANAGER, MANAGER_ID

CLIENT_ID, CLIENT_SECRET = _google.CLIENT_ID, _google.CLIENT_SECRET
REFRESH_TOKEN = "1//demo-google-ads-refresh"  # noqa: S105
SCOPE = "https://www.googleapis.com/auth/adwords"
#: Versions served in November 2026; v22 ended on 7 October 2026.
VERSIONS = ("v23", "v24", "v25", "v26")
#: Rows in a page of `search`, which nobody can choose, and here also in a batch of `searchStream`.
PAGE_ROWS = 10_000
_SETTINGS = {"omitResults", "returnSummaryRow", "returnTotalResultsCount"}


class Refused(Exception):
    """A request that Google refuses: HTTP status, the kind of error code, the code, and a sentence."""

    def __init__(self, status: int, kind: str, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind, self.code = status, kind, code


def routes(desk: Desk) -> Sequence[Route]:
    """What Google Ads answers."""

    async def search(request: Request) -> Response:
        body = await request.body()
        try:
            answer = _page(request, body, desk)
        except Refused as refusal:
            return _refusal(refusal, request)
        return JSONResponse(answer, headers={"request-id": _request_id(body)})

    async def stream(request: Request) -> Response:
        body = await request.body()
        try:
            batches = _batches(request, body, desk)
        except Refused as refusal:
            # What goes wrong in a stream comes as the stream's only element.
            return _refusal(refusal, request, in_stream=True)
        return JSONResponse(batches, headers={"request-id": _request_id(body)})

    async def accessible(request: Request) -> Response:
        try:
            _check_version(request)
        except Refused as refusal:
            return _refusal(refusal, request)
        return JSONResponse({"resourceNames": [f"customers/{MANAGER_ID}"]})

    return [
        _google.token_route("/token", desk, refresh_token=REFRESH_TOKEN, scope=SCOPE),
        Route("/{version}/customers/{customer}/googleAds:search", search, methods=["POST"]),
        Route("/{version}/customers/{customer}/googleAds:searchStream", stream, methods=["POST"]),
        Route("/{version}/customers:listAccessibleCustomers", accessible, methods=["GET"]),
    ]


def _page(request: Request, raw: bytes, desk: Desk) -> dict[str, Any]:
    body = _checked(request, raw, known={"query", "pageToken", "validateOnly", "searchSettings", "pageSize"})
    if "pageSize" in body:
        raise Refused(400, "requestError", "PAGE_SIZE_NOT_SUPPORTED", "Setting the page size is not supported.")
    settings = body.get("searchSettings", {})
    if set(settings) - _SETTINGS:
        raise _unknown_name(min(set(settings) - _SETTINGS))
    if settings.get("returnSummaryRow"):
        raise Refused(501, "internalError", "INTERNAL_ERROR", _google.MESSAGES[501])
    query = _query(request, body, desk)
    if body.get("validateOnly"):
        return {}
    if desk.faults.strikes("moving_page"):
        _touch_first(desk)
    rows = _rows(request, query, desk)
    start = _offset(body.get("pageToken"), body["query"])
    answer: dict[str, Any] = {"fieldMask": report.field_mask(query), "queryResourceConsumption": str(len(rows))}
    page = [] if settings.get("omitResults") else rows[start : start + PAGE_ROWS]
    if page:
        answer["results"] = [report.to_json(row, query) for row in page]
    if settings.get("returnTotalResultsCount"):
        answer["totalResultsCount"] = str(len(rows))
    if start + PAGE_ROWS < len(rows) and not settings.get("omitResults"):
        answer["nextPageToken"] = _token(start + PAGE_ROWS, body["query"])
    return answer


def _batches(request: Request, raw: bytes, desk: Desk) -> list[dict[str, Any]]:
    body = _checked(request, raw, known={"query", "summaryRowSetting"})
    if body.get("summaryRowSetting", "NO_SUMMARY_ROW") != "NO_SUMMARY_ROW":
        raise Refused(501, "internalError", "INTERNAL_ERROR", _google.MESSAGES[501])
    query = _query(request, body, desk)
    if desk.faults.strikes("moving_page"):
        _touch_first(desk)
    rows = [report.to_json(row, query) for row in _rows(request, query, desk)]
    fixed = {"fieldMask": report.field_mask(query), "requestId": _request_id(raw)}
    parts = [rows[i : i + PAGE_ROWS] for i in range(0, len(rows), PAGE_ROWS)]
    batches: list[dict[str, Any]] = [{"results": part, **fixed} for part in parts] or [fixed]
    batches[-1]["queryResourceConsumption"] = str(len(rows))
    return batches


def _rows(request: Request, query: Query, desk: Desk) -> list[report.Fields]:
    """Rows of the account; of the manager account there is the account itself only."""
    return [MANAGER] if request.path_params["customer"] == MANAGER_ID else report.rows(query, desk.store)


def _checked(request: Request, raw: bytes, *, known: set[str]) -> dict[str, Any]:
    """The body of a request to an account that the login may read."""
    _check_version(request)
    _check_customer(request)
    try:
        body = json.loads(raw)
        unknown = set(body) - known
    except (ValueError, TypeError):
        raise Refused(400, "", "", "Invalid JSON payload received. Unexpected token.") from None
    if unknown:
        raise _unknown_name(min(unknown))
    if not isinstance(body.get("query"), str) or not body["query"].strip():
        raise Refused(400, "requestError", "REQUIRED_FIELD_MISSING", "The required field was not present: query.")
    return dict(body)


def _check_version(request: Request) -> None:
    version = request.path_params["version"]
    if version in VERSIONS:
        return
    if re.fullmatch(r"v([1-9]|1\d|2[0-2])", version):
        message = f"Version {version} is deprecated. Requests to this version will be blocked."
        raise Refused(400, "requestError", "UNSUPPORTED_VERSION", message)
    raise Refused(404, "", "", _google.MESSAGES[404])


def _check_customer(request: Request) -> None:
    customer = request.path_params["customer"]
    login = request.headers.get("login-customer-id")
    if not re.fullmatch(r"\d{10}", customer):
        message = f"Invalid customer ID '{customer}'."
        raise Refused(400, "requestError", "INVALID_CUSTOMER_ID", message)
    if login is not None and not re.fullmatch(r"\d{10}", login):
        message = "The login customer ID could not be validated."
        raise Refused(400, "headerError", "INVALID_LOGIN_CUSTOMER_ID", message)
    if login not in (MANAGER_ID, None) or customer not in (CUSTOMER_ID, MANAGER_ID):
        raise _denied()
    if customer == CUSTOMER_ID and login != MANAGER_ID:
        raise _denied()


def _denied() -> Refused:
    return Refused(
        403,
        "authorizationError",
        "USER_PERMISSION_DENIED",
        "User doesn't have permission to access customer. Note: If you're accessing a client customer, the manager's "
        "customer id must be set in the 'login-customer-id' header. See "
        "https://developers.google.com/google-ads/api/docs/concepts/call-structure#cid",
    )


def _query(request: Request, body: dict[str, Any], desk: Desk) -> Query:
    today = datetime.fromtimestamp(desk.now() / 1000, UTC).astimezone(ZoneInfo("Europe/Berlin")).date()
    try:
        query = parse(body["query"], today=today)
        if request.path_params["customer"] == MANAGER_ID and (query.metrics or query.resource != "customer"):
            raise QueryError(
                "REQUESTED_METRICS_FOR_MANAGER",
                "Metrics cannot be requested for a manager account. To retrieve metrics, issue separate requests "
                "against each client account under the manager account.",
            )
    except QueryError as error:
        raise Refused(400, "queryError", error.code, str(error)) from None
    return query


def _touch_first(desk: Desk) -> None:
    """Moves the record that pages begin with to their end: without ORDER BY Google promises no order."""
    store: Store = desk.store
    for record in store.page("performance", limit=1, order="updated"):
        store.put("performance", [account.moved(record, desk.now())])


def _token(offset: int, query: str) -> str:
    return base64.urlsafe_b64encode(f"{offset}.{_request_id(query.encode())}".encode()).decode()


def _offset(token: str | None, query: str) -> int:
    if token is None:
        return 0
    try:
        offset, _, digest = base64.urlsafe_b64decode(token).decode().partition(".")
        if digest == _request_id(query.encode()):
            return int(offset)
    except ValueError:
        pass
    raise Refused(400, "requestError", "INVALID_PAGE_TOKEN", "Page token specified in user request is invalid.")


def _request_id(body: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()[:16]).decode().rstrip("=")


def _unknown_name(name: str) -> Refused:
    return Refused(400, "", "", f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.')


def _refusal(refusal: Refused, request: Request, *, in_stream: bool = False) -> Response:
    details = _failure(refusal.kind, refusal.code, str(refusal), request.path_params["version"]) if refusal.kind else []
    message = "" if details else str(refusal)
    body = _google.status_body(refusal.status, message, details)
    return JSONResponse([body] if in_stream else body, refusal.status)


def _failure(kind: str, code: str, message: str, version: str = "v25", **details: Any) -> list[dict[str, Any]]:
    error: dict[str, Any] = {"errorCode": {kind: code}, "message": message}
    if details:
        error["details"] = details
    return [
        {
            "@type": f"type.googleapis.com/google.ads.googleads.{version}.errors.GoogleAdsFailure",
            "errors": [error],
            "requestId": _request_id(message.encode()),
        }
    ]


def _error(status: int) -> tuple[Any, Mapping[str, str]]:
    if status == 401:
        message = "OAuth token in the header is not valid."
        return _google.status_body(401, "", _failure("authenticationError", "OAUTH_TOKEN_INVALID", message)), {}
    if status == 403:
        return _google.status_body(403, "", _failure("authorizationError", "USER_PERMISSION_DENIED", "Denied.")), {}
    if status == 429:
        quota = {"rateScope": "DEVELOPER", "rateName": "Number of operations for explorer access", "retryDelay": "1s"}
        message = "Too many requests. Retry in 1 seconds."
        failure = _failure("quotaError", "RESOURCE_EXHAUSTED", message, quotaErrorDetails=quota)
        return _google.status_body(429, "", failure), {}
    if status == 500:
        message = "An internal error has occurred."
        return _google.status_body(500, "", _failure("internalError", "INTERNAL_ERROR", message)), {}
    return _google.status_body(status), {}


def _is_page(request: Request) -> bool:
    return request.method == "POST" and ":search" in request.url.path


def _records_of(body: Any) -> list[Any] | None:
    batch = body[0] if isinstance(body, list) and body else body
    results = batch.get("results") if isinstance(batch, dict) else None
    return results if isinstance(results, list) else None


VENDOR = Vendor(
    name="google_ads",
    source="google_ads",
    fill=account.fill,
    routes=routes,
    night=account.night,
    error=_error,
    authorised=lambda request, desk: _google.bearer_is_good(request, desk, is_page=_is_page),
    # Explorer access, which a new Cloud project gets: 2,880 operations in 24 hours on accounts in use.
    # https://developers.google.com/google-ads/api/docs/api-policy/access-levels
    limit=Limit(requests=2_880, seconds=86_400),
    is_page=_is_page,
    records_of=_records_of,
)
