"""Meta's Marketing API: campaigns, ad sets, ads and insights of one ad account, at once and by jobs.

Versions and their ends: https://developers.facebook.com/documentation/ads-commerce/marketing-api/marketing-api-changelog/versions;
limits and their headers: https://developers.facebook.com/docs/graph-api/overview/rate-limiting and
https://developers.facebook.com/docs/marketing-api/insights/best-practices. Errors come with status 400 whatever they are.
"""  # noqa: E501

from __future__ import annotations

import json
import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.vendor import Desk, Limit, Vendor, records_under
from sandbox.vendors.meta_ads import account, edges, insights
from sandbox.vendors.meta_ads.insights import ACCOUNT_ID
from sandbox.vendors.meta_ads.parameters import Refused, error_body, number, read, report_of

#: A system user's token, which does not end by itself.
TOKEN = "demo-meta-ads-token"  # noqa: S105
#: A token of somebody who did not grant `ads_read`.
TOKEN_WITHOUT_SCOPE = "demo-meta-ads-token-without-ads-read"  # noqa: S105
#: Versions of the Marketing API served in November 2026.
VERSIONS = ("v25.0", "v26.0", "v27.0")
_NEWEST = VERSIONS[-1]
_MESSAGES = {
    401: (190, "Error validating access token: Session has expired.", 463),
    403: (
        200,
        "(#200) Ad account owner has NOT grant ads_management or ads_read permission",
        None,
    ),
    404: (2500, "Unknown path components", None),
    429: (
        80000,
        "There have been too many calls from this ad-account. Wait a bit and try again. For more info, please refer to "
        "https://developers.facebook.com/docs/graph-api/overview/rate-limiting.",
        2446079,
    ),
    500: (1, "An unknown error occurred", 99),
    503: (2, "Service temporarily unavailable", None),
}

Answer = Callable[[Request, dict[str, str]], dict[str, Any]]


def routes(desk: Desk) -> Sequence[Route]:
    """What the Marketing API answers."""
    jobs = insights.Jobs(desk)

    def move() -> None:
        if desk.faults.strikes("moving_page"):
            insights.touch_first(desk)

    def edge(request: Request, given: dict[str, str]) -> dict[str, Any]:
        kind = edges.EDGES[request.path_params["edge"]]
        move()
        return edges.page(kind, given, desk.store, _base(request, given))

    def report(request: Request, given: dict[str, str]) -> dict[str, Any]:
        asked = report_of(given, today=_today(desk))
        if request.method == "POST":
            return {"report_run_id": jobs.start(asked)}
        move()
        found = insights.at_once(asked, desk)
        return insights.page(found, number(given, "limit", 25), given.get("after"), _base(request, given))

    def result(request: Request, given: dict[str, str]) -> dict[str, Any]:
        move()
        found = jobs.rows_of(request.path_params["id"])
        return insights.page(found, number(given, "limit", 25), given.get("after"), _base(request, given))

    def node(request: Request, given: dict[str, str]) -> dict[str, Any]:
        id = request.path_params["id"]
        return jobs.look(id) if jobs.knows(id) else edges.node(id, given, desk.store)

    def permissions(request: Request, given: dict[str, str]) -> dict[str, Any]:
        granted = "declined" if _token(request, given) == TOKEN_WITHOUT_SCOPE else "granted"
        return {"data": [{"permission": "public_profile", "status": "granted"}, _permission(granted)]}

    return [
        Route("/{version}/me/permissions", _answering(permissions, needs_scope=False), methods=["GET"]),
        Route("/{version}/act_{account}/insights", _answering(report), methods=["GET", "POST"]),
        Route("/{version}/act_{account}/{edge:str}", _answering(edge), methods=["GET"]),
        Route("/{version}/{id}/insights", _answering(result), methods=["GET"]),
        Route("/{version}/{id}", _answering(node), methods=["GET"]),
    ]


def _answering(answer: Answer, *, needs_scope: bool = True) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        given = await read(request)
        try:
            _check(request, given, needs_scope=needs_scope)
            return JSONResponse(
                answer(request, given), headers={"facebook-api-version": request.path_params["version"]}
            )
        except Refused as refusal:
            return refusal.answer()

    return endpoint


def _check(request: Request, given: dict[str, str], *, needs_scope: bool) -> None:
    version, path = request.path_params["version"], request.path_params
    if version not in VERSIONS:
        if re.fullmatch(r"v([1-9]|1\d|2[0-4])\.\d", version):
            message = "You are calling a deprecated version of the Ads API. Please update to the latest version"
            raise Refused(2635, f"(#2635) {message}: {_NEWEST}.")
        raise Refused(2500, f"Unknown path components: {request.url.path}")
    if path.get("edge", "ads") not in edges.EDGES:
        raise Refused(2500, f"Unknown path components: /{path['edge']}")
    if "account" in path and path["account"] != ACCOUNT_ID:
        raise insights.no_object(f"act_{path['account']}")
    if needs_scope and _token(request, given) == TOKEN_WITHOUT_SCOPE:
        code, message, subcode = _MESSAGES[403]
        raise Refused(code, message, status=403, subcode=subcode)


def _permission(status: str) -> dict[str, str]:
    return {"permission": "ads_read", "status": status}


def _base(request: Request, given: dict[str, str]) -> str:
    """The address of the page, to which a cursor is added; Meta puts the token into it."""
    query = {k: v for k, v in given.items() if k not in ("after", "before")}
    query["access_token"] = _token(request, given)
    return f"{request.url.replace(query='')}?{urlencode(query)}"


def _today(desk: Desk) -> date:
    return datetime.fromtimestamp(desk.now() / 1000, UTC).astimezone(ZoneInfo("Europe/Berlin")).date()


def _token(request: Request, given: Mapping[str, str]) -> str:
    return given.get("access_token") or request.headers.get("authorization", "").removeprefix("Bearer ")


def _authorised(request: Request, desk: Desk) -> bool:
    if _is_page(request) and desk.faults.strikes("expired_token"):
        return False
    # The token of a form is in the body, which only the routes read; clients here send it as a header or parameter.
    return _token(request, request.query_params) in (TOKEN, TOKEN_WITHOUT_SCOPE)


def _error(status: int) -> tuple[Any, Mapping[str, str]]:
    code, message, subcode = _MESSAGES[status]
    headers = {"www-authenticate": 'OAuth "Facebook Platform" "invalid_token"'} if status == 401 else {}
    return error_body(code, message, subcode), headers


def _limit_headers(limit: Limit, remaining: int, reset_seconds: float) -> dict[str, str]:
    used = min(100, max(0, round(100 * (1 - remaining / limit.requests))))
    usage = {
        "type": "ads_insights",
        "call_count": used,
        "total_cputime": used // 2,
        "total_time": used // 2,
        "estimated_time_to_regain_access": math.ceil(reset_seconds / 60) if remaining <= 0 else 0,
        "ads_api_access_tier": "development_access",
    }
    throttle = {"app_id_util_pct": used, "acc_id_util_pct": used, "ads_api_access_tier": "development_access"}
    return {
        "x-business-use-case-usage": json.dumps({ACCOUNT_ID: [usage]}),
        "x-fb-ads-insights-throttle": json.dumps(throttle),
    }


def _is_page(request: Request) -> bool:
    last = request.url.path.rpartition("/")[2]
    return request.method == "GET" and last in ("insights", *edges.EDGES)


VENDOR = Vendor(
    name="meta_ads",
    source="meta_ads",
    fill=account.fill,
    routes=routes,
    night=account.night,
    error=_error,
    authorised=_authorised,
    # 600 and 400 for each of its 15 active ads an hour, for an app without advanced access.
    limit=Limit(requests=6_600, seconds=3_600),
    limit_headers=_limit_headers,
    is_page=_is_page,
    records_of=records_under("data"),
    statuses={401: 400, 429: 400},
)
