"""Google Analytics Data API v1beta: `runReport` and the metadata of one GA4 property.

Shapes: https://developers.google.com/analytics/devguides/reporting/data/v1/rest/v1beta/RunReportResponse, .../v1/quotas
and the messages at github.com/googleapis/googleapis, google/analytics/data/v1beta. Filters, pivots and several date
ranges in one request are not spoken here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.store import Store
from sandbox.vendor import Desk, Limit, Vendor, records_under
from sandbox.vendors import _ga4_property as ga4_property
from sandbox.vendors import _google

PROPERTY_ID = "402118877"
CLIENT_ID, CLIENT_SECRET = _google.CLIENT_ID, _google.CLIENT_SECRET
REFRESH_TOKEN = "1//demo-ga4-refresh"  # noqa: S105
SCOPE = "https://www.googleapis.com/auth/analytics.readonly"
#: Rows that a request gives at the most, and without a limit.
MOST_ROWS, USUAL_ROWS = 250_000, 10_000
DIMENSIONS = {
    "date": "Date",
    "yearMonth": "Year month",
    "sessionSource": "Session source",
    "sessionMedium": "Session medium",
    "sessionSourceMedium": "Session source / medium",
    "sessionCampaignName": "Session campaign",
    "deviceCategory": "Device category",
}
METRICS = {"sessions": "TYPE_INTEGER", "screenPageViews": "TYPE_INTEGER", "keyEvents": "TYPE_FLOAT"}
_KNOWN = frozenset(
    {
        "dimensions",
        "metrics",
        "dateRanges",
        "limit",
        "offset",
        "orderBys",
        "keepEmptyRows",
        "returnPropertyQuota",
        "currencyCode",
        "property",
    }
)
_NOT_SPOKEN = frozenset({"dimensionFilter", "metricFilter", "metricAggregations", "cohortSpec", "comparisons"})
_ALL = 10_000_000
#: Tokens that a property has in a day and an hour, that a project has of them in an hour, and what a report costs here.
_DAY_TOKENS, _HOUR_TOKENS, _PROJECT_TOKENS, _COST = 200_000, 40_000, 14_000, 10

Row = tuple[tuple[str, ...], tuple[int, ...]]


class Refused(Exception):
    """A request that Google refuses."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def routes(desk: Desk) -> Sequence[Route]:
    """What the Data API answers."""

    async def run_report(request: Request) -> Response:
        try:
            return JSONResponse(_report(request.path_params["property"], await request.body(), desk))
        except Refused as refusal:
            return JSONResponse(_google.status_body(refusal.status, str(refusal)), refusal.status)

    async def metadata(request: Request) -> Response:
        try:
            _check_property(request.path_params["property"])
        except Refused as refusal:
            return JSONResponse(_google.status_body(refusal.status, str(refusal)), refusal.status)
        return JSONResponse(_metadata(desk.store))

    return [
        _google.token_route("/token", desk, refresh_token=REFRESH_TOKEN, scope=SCOPE),
        Route("/v1beta/properties/{property}:runReport", run_report, methods=["POST"]),
        Route("/v1beta/properties/{property}/metadata", metadata, methods=["GET"]),
    ]


def _report(property: str, raw: bytes, desk: Desk) -> dict[str, Any]:
    _check_property(property)
    body = _body(raw)
    dimensions = _names(body, "dimensions", DIMENSIONS, at_most=9)
    metrics = _names(body, "metrics", METRICS, at_most=10)
    first, last = _range(body, _today(desk))
    if desk.faults.strikes("moving_page"):
        ga4_property.stir(desk.store, first, last, desk.now())
    found = _rows(dimensions, metrics, first, last, desk.store, keep_empty=bool(body.get("keepEmptyRows")))
    _sort(found, body.get("orderBys") or [], dimensions, metrics)
    start, limit = _number(body, "offset", 0), _number(body, "limit", USUAL_ROWS)
    if limit == 0:
        raise Refused(400, "Limit must be positive.")
    page = found[start : start + min(limit, MOST_ROWS)]
    answer: dict[str, Any] = {
        "dimensionHeaders": [{"name": name} for name in dimensions],
        "metricHeaders": [{"name": name, "type": METRICS[name]} for name in metrics],
        "rows": [
            {"dimensionValues": [{"value": d} for d in row[0]], "metricValues": [{"value": str(m)} for m in row[1]]}
            for row in page
        ],
        "rowCount": len(found),
        "metadata": _state(desk.store),
        "propertyQuota": _quota(desk.store) if body.get("returnPropertyQuota") else None,
        "kind": "analyticsData#runReport",
    }
    # Empty lists, zeros and what was not asked for do not appear in Google's JSON.
    return {name: value for name, value in answer.items() if value}


def _body(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
        unknown = set(body) - _KNOWN - _NOT_SPOKEN
    except (ValueError, TypeError):
        raise Refused(400, "Invalid JSON payload received. Unexpected token.") from None
    if unknown:
        raise Refused(400, f'Invalid JSON payload received. Unknown name "{min(unknown)}": Cannot find field.')
    if set(body) & _NOT_SPOKEN:
        raise Refused(501, _google.MESSAGES[501])
    return dict(body)


def _check_property(property: str) -> None:
    if not property.isdigit():
        raise Refused(400, f"Invalid property ID: {property}. A numeric Property ID is required.")
    if property != PROPERTY_ID:
        raise Refused(
            403,
            "User does not have sufficient permissions for this property. To learn more about Property ID, see "
            "https://developers.google.com/analytics/devguides/reporting/data/v1/property-id.",
        )


def _names(body: dict[str, Any], kind: str, known: Mapping[str, str], *, at_most: int) -> list[str]:
    names = [item.get("name", "") for item in body.get(kind, [])]
    wrong = [name for name in names if name not in known]
    if wrong:
        space = " " if kind == "dimensions" else "  "
        raise Refused(
            400,
            f"Field {wrong[0]} is not a valid {kind[:-1]}.{space}For a list of valid dimensions and metrics, see "
            "https://developers.google.com/analytics/devguides/reporting/data/v1/api-schema ",
        )
    if len(names) > at_most:
        raise Refused(400, f"Requests are limited to {at_most} {kind}. This request contains {len(names)} {kind}.")
    if len(set(names)) < len(names):
        raise Refused(400, f"Duplicate {kind} are not allowed.")
    return names


def _range(body: dict[str, Any], today: date) -> tuple[date, date]:
    ranges = body.get("dateRanges") or []
    if not ranges:
        raise Refused(400, "A dateRange must be specified in the request.")
    if len(ranges) > 1:
        raise Refused(501, _google.MESSAGES[501])
    first, last = (_day(ranges[0].get(name, ""), today) for name in ("startDate", "endDate"))
    if first > last:
        raise Refused(400, "endDate must be on or after startDate.")
    return first, last


def _day(text: str, today: date) -> date:
    back = {"today": 0, "yesterday": 1}.get(text)
    if back is None and (found := re.fullmatch(r"(\d+)daysAgo", text)):
        back = int(found[1])
    if back is not None:
        return today - timedelta(back)
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Refused(400, f"Invalid date: {text}. Dates must be YYYY-MM-DD, NdaysAgo, yesterday or today.")


def _today(desk: Desk) -> date:
    return datetime.fromtimestamp(desk.now() / 1000, UTC).astimezone(ZoneInfo("Europe/Berlin")).date()


def _number(body: dict[str, Any], name: str, default: int) -> int:
    """Reads a 64-bit integer, which JSON may give as text."""
    text = str(body.get(name, default))
    if not text.isdigit():
        raise Refused(400, f'Invalid value at "{name}" (TYPE_INT64), "{text}"')
    return int(text)


def _rows(
    dimensions: list[str], metrics: list[str], first: date, last: date, store: Store, *, keep_empty: bool
) -> list[Row]:
    since = ga4_property.day_of(first)
    sums: dict[tuple[str, ...], list[int]] = {}
    for record in store.page(
        "session",
        limit=_ALL,
        order="updated",
        by="created",
        since=since,
        until=ga4_property.day_of(last + timedelta(1)),
    ):
        body = record.body
        derived = {
            **body,
            "yearMonth": body["date"][:6],
            "sessionSourceMedium": f"{body['sessionSource']} / {body['sessionMedium']}",
        }
        total = sums.setdefault(tuple(derived[name] for name in dimensions), [0] * len(metrics))
        for position, name in enumerate(metrics):
            total[position] += body[name]
    return [(key, tuple(total)) for key, total in sums.items() if keep_empty or not metrics or any(total)]


def _sort(rows: list[Row], orders: list[dict[str, Any]], dimensions: list[str], metrics: list[str]) -> None:
    """Sorts as asked, else by the first metric, the largest first."""
    if not orders and metrics:
        rows.sort(key=lambda row: -row[1][0])
    for order in reversed(orders):
        name = order.get("dimension", {}).get("dimensionName") or order.get("metric", {}).get("metricName")
        if name in dimensions:
            at = dimensions.index(name)
            rows.sort(key=lambda row, at=at: row[0][at], reverse=bool(order.get("desc")))  # type: ignore[misc]
        elif name in metrics:
            at = metrics.index(name)
            rows.sort(key=lambda row, at=at: row[1][at], reverse=bool(order.get("desc")))  # type: ignore[misc]
        else:
            raise Refused(400, f"Field {name} in orderBys must be one of the requested dimensions or metrics.")


def _state(store: Store) -> dict[str, Any]:
    state = {"currencyCode": "EUR", "timeZone": "Europe/Berlin"}
    return state | dict(store.note("state", {}))


def _quota(store: Store) -> dict[str, Any]:
    asked = int(store.note("reports", 0)) + 1
    store.write_note("reports", asked)
    used = asked * _COST
    return {
        "tokensPerDay": {"consumed": _COST, "remaining": max(_DAY_TOKENS - used, 0)},
        "tokensPerHour": {"consumed": _COST, "remaining": max(_HOUR_TOKENS - used, 0)},
        "concurrentRequests": {"remaining": 10},
        "serverErrorsPerProjectPerHour": {"remaining": 10},
        "potentiallyThresholdedRequestsPerHour": {"remaining": 120},
        "tokensPerProjectPerHour": {"consumed": _COST, "remaining": max(_PROJECT_TOKENS - used, 0)},
    }


def _metadata(store: Store) -> dict[str, Any]:
    """What can be asked for; dimensions of the property's own come with time."""
    dimensions: list[dict[str, Any]] = [
        {"apiName": name, "uiName": title, "category": "Traffic source" if "session" in name else "Other"}
        for name, title in DIMENSIONS.items()
    ]
    dimensions += [
        {"apiName": f"customEvent:{name}", "uiName": name, "category": "Custom", "customDefinition": True}
        for name in store.note("custom dimensions", [])
    ]
    metrics = [{"apiName": name, "uiName": name, "type": kind, "category": "Session"} for name, kind in METRICS.items()]
    return {"name": f"properties/{PROPERTY_ID}/metadata", "dimensions": dimensions, "metrics": metrics}


def _error(status: int) -> tuple[Any, Mapping[str, str]]:
    message = ""
    if status == 429:
        message = (
            "Exhausted property tokens for a project per hour. These quota tokens will return in under an hour. To "
            "learn more, see https://developers.google.com/analytics/devguides/reporting/data/v1/quotas"
        )
    return _google.status_body(status, message), {}


def _is_page(request: Request) -> bool:
    return request.url.path.endswith(":runReport")


VENDOR = Vendor(
    name="ga4",
    source="web",
    fill=ga4_property.fill,
    routes=routes,
    night=ga4_property.night,
    error=_error,
    authorised=lambda request, desk: _google.bearer_is_good(request, desk, is_page=_is_page),
    # A project has 14,000 tokens of a property in an hour; Google says that most reports cost ten or fewer.
    limit=Limit(requests=_PROJECT_TOKENS // _COST, seconds=3_600),
    is_page=_is_page,
    records_of=records_under("rows"),
)
