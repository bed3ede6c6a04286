"""What the Graph API makes of a request's parameters, and how it refuses them.

Shapes: https://developers.facebook.com/docs/marketing-api/insights/parameters and
https://developers.facebook.com/docs/graph-api/guides/error-handling; names, types and enumerations as in Meta's own
description of AdsInsights, Campaign, AdSet and Ad. Answering belongs in `insights` and `edges`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

INSIGHT_FIELDS = frozenset(
    [
        "account_currency",
        "account_id",
        "account_name",
        "action_values",
        "actions",
        "ad_id",
        "ad_name",
        "adset_id",
        "adset_name",
        "campaign_id",
        "campaign_name",
        "clicks",
        "cpc",
        "cpm",
        "created_time",
        "ctr",
        "date_start",
        "date_stop",
        "frequency",
        "impressions",
        "inline_link_click_ctr",
        "inline_link_clicks",
        "objective",
        "optimization_goal",
        "buying_type",
        "reach",
        "spend",
        "updated_time",
    ]
)
LEVELS = ("account", "campaign", "adset", "ad")
_PRESETS = {"today": (0, 0), "yesterday": (1, 1), "last_7d": (7, 1), "last_28d": (28, 1), "last_30d": (30, 1)}
_COMMON = ("ACTIVE", "ARCHIVED", "DELETED", "IN_PROCESS", "PAUSED", "WITH_ISSUES")
STATUSES = {
    "campaign": frozenset(_COMMON),
    "adset": frozenset((*_COMMON, "CAMPAIGN_PAUSED")),
    "ad": frozenset(
        (
            *_COMMON,
            "ADSET_PAUSED",
            "CAMPAIGN_PAUSED",
            "DISAPPROVED",
            "PENDING_BILLING_INFO",
            "PENDING_REVIEW",
            "PREAPPROVED",
        )
    ),
}
#: What an edge shows unless other states are asked for.
SHOWN = {kind: values - {"ARCHIVED", "DELETED"} for kind, values in STATUSES.items()}
#: Figures are kept for 37 months.
MONTHS_KEPT = 37


class Refused(Exception):
    """A request that Meta refuses."""

    def __init__(self, code: int, message: str, *, status: int = 400, subcode: int | None = None) -> None:
        super().__init__(message)
        self.code, self.status, self.subcode = code, status, subcode

    def answer(self) -> Response:
        """The answer that says so."""
        return JSONResponse(error_body(self.code, str(self), self.subcode), self.status)


def error_body(code: int, message: str, subcode: int | None = None) -> dict[str, Any]:
    """Meta's body of an error."""
    error: dict[str, Any] = {"message": message, "type": "OAuthException", "code": code}
    if subcode is not None:
        error["error_subcode"] = subcode
    return {"error": {**error, "fbtrace_id": "A" + hashlib.sha256(message.encode()).hexdigest()[:20]}}


async def read(request: Request) -> dict[str, str]:
    """Parameters of the address and of a form; the Graph API takes both for one."""
    form = parse_qsl((await request.body()).decode()) if request.method == "POST" else []
    return {**dict(request.query_params), **dict(form)}


@dataclass(frozen=True, kw_only=True)
class Report:
    """What figures are asked for. `days` is the length of a row's period, None for the whole range in one."""

    level: str
    fields: tuple[str, ...]
    first: date
    last: date
    days: int | None
    statuses: frozenset[str] | None

    def to_note(self) -> dict[str, Any]:
        """As it is kept with a job."""
        return {
            "level": self.level,
            "fields": list(self.fields),
            "first": str(self.first),
            "last": str(self.last),
            "days": self.days,
            "statuses": sorted(self.statuses) if self.statuses is not None else None,
        }


def report_of(given: dict[str, str], *, today: date) -> Report:
    """Reads the parameters of insights.

    Raises:
        Refused: Meta would not answer them.
    """
    first, last = _range(given, today)
    level = given.get("level", "account")
    if level not in LEVELS:
        raise Refused(100, f"(#100) level must be one of the following values: {', '.join(LEVELS)}")
    fields = fields_of(given.get("fields", "impressions,spend"))
    unknown = [f for f in fields if f not in INSIGHT_FIELDS]
    if unknown:
        raise Refused(
            100,
            f"(#100) {unknown[0]} is not valid for fields param. please check "
            "https://developers.facebook.com/docs/marketing-api/reference/ads-insights/ for all valid values",
        )
    return Report(
        level=level,
        fields=fields,
        first=first,
        last=last,
        days=_increment(given.get("time_increment", "all_days")),
        statuses=_filtered(given.get("filtering")),
    )


def fields_of(text: str) -> tuple[str, ...]:
    """Reads a list of fields, with commas or as JSON."""
    names = _json(text, "fields") if text.startswith("[") else text.split(",")
    return tuple(name.strip() for name in names if name.strip())


def number(given: dict[str, str], name: str, default: int) -> int:
    """Reads a positive number."""
    text = given.get(name, str(default))
    if not text.isdigit() or int(text) == 0:
        raise Refused(100, f"(#100) Param {name} must be a positive integer")
    return int(text)


def effective_statuses(given: dict[str, str], kind: str) -> frozenset[str]:
    """Reads which states an edge is asked for."""
    text = given.get("effective_status")
    if text is None:
        return _filtered(given.get("filtering"), kind) or SHOWN[kind]
    asked = frozenset(_json(text, "effective_status"))
    wrong = asked - STATUSES[kind]
    if wrong:
        raise Refused(100, f"(#100) effective_status[0] must be one of the following values: {sorted(STATUSES[kind])}")
    return asked


def _range(given: dict[str, str], today: date) -> tuple[date, date]:
    if "time_range" not in given:
        preset = given.get("date_preset", "last_30d")
        if preset not in _PRESETS:
            raise Refused(100, f"(#100) date_preset must be one of the following values: {', '.join(_PRESETS)}")
        back_to, until = _PRESETS[preset]
        return today - timedelta(back_to), today - timedelta(until)
    value = _json(given["time_range"], "time_range")
    try:
        first, last = date.fromisoformat(value["since"]), date.fromisoformat(value["until"])
    except (KeyError, TypeError, ValueError):
        raise Refused(100, "(#100) Must be a date representation in the format YYYY-MM-DD") from None
    if first > last:
        raise Refused(100, "(#100) The start date of the time range must be before the end date", subcode=1487534)
    months = (today.year - first.year) * 12 + today.month - first.month - (today.day < first.day)
    if months >= MONTHS_KEPT:
        message = "(#3018) The start date of the time range cannot be beyond 37 months from the current date"
        raise Refused(3018, message)
    return first, last


def _increment(text: str) -> int | None:
    if text == "all_days":
        return None
    if text.isdigit() and 1 <= int(text) <= 90:
        return int(text)
    raise Refused(100, "(#100) time_increment must be a number of days between 1 and 90, monthly or all_days")


def _filtered(text: str | None, kind: str = "ad") -> frozenset[str] | None:
    """States that a filter asks for; None without a filter. A filter by anything else shows active ones only."""
    if text is None:
        return None
    filters = _json(text, "filtering")
    statuses = None
    for one in filters:
        if not isinstance(one, dict) or not {"field", "operator", "value"} <= set(one):
            raise Refused(100, "(#100) filtering must be a list of objects with field, operator and value")
        if one["field"] != f"{kind}.effective_status" or one["operator"] != "IN":
            raise Refused(
                100, f"(#100) Filtering field '{one['field']}' with operation '{one['operator']}' is not supported"
            )
        wrong = set(one["value"]) - STATUSES[kind]
        if wrong:
            raise Refused(100, f"(#100) Invalid value '{min(wrong)}' of {kind}.effective_status")
        statuses = frozenset(one["value"])
    return statuses


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise Refused(100, f"(#100) Param {name} must be valid JSON") from None
