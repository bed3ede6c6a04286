"""Google Ads' REST interface as OpenAPI, for those parts of it that the connector uses.

Google publishes none; this is told from its messages, google/ads/googleads/v25/services/google_ads_service.proto and
those that it names, with 64-bit integers as text. The OAuth answers are those of
https://developers.google.com/identity/protocols/oauth2/web-server#offline.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
INT64: Schema = {"type": "string", "pattern": "^-?[0-9]+$"}
DOUBLE: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
DATE: Schema = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
TIME: Schema = {"type": "string", "pattern": "^[0-9-]{10} [0-9:]{8}$"}


def _object(properties: Schema, *, required: tuple[str, ...] = ()) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _words(*words: str) -> Schema:
    return {"type": "string", "enum": ["UNSPECIFIED", "UNKNOWN", *words]}


def _name(kind: str) -> Schema:
    return {"type": "string", "pattern": f"^customers/[0-9]{{10}}{kind}$"}


_STATUS = _words("ENABLED", "PAUSED", "REMOVED")
_CHANNELS = _words(
    *("SEARCH", "DISPLAY", "SHOPPING", "HOTEL", "VIDEO", "MULTI_CHANNEL", "LOCAL", "SMART", "PERFORMANCE_MAX"),
    *("LOCAL_SERVICES", "TRAVEL", "DEMAND_GEN"),
)
_ROW = _object(
    {
        "customer": _object(
            {
                "resourceName": _name(""),
                "id": INT64,
                "descriptiveName": TEXT,
                "currencyCode": TEXT,
                "timeZone": TEXT,
                "manager": FLAG,
                "testAccount": FLAG,
                "status": _words("ENABLED", "CANCELED", "SUSPENDED", "CLOSED"),
            },
            required=("resourceName",),
        ),
        "campaignBudget": _object(
            {
                "resourceName": _name("/campaignBudgets/[0-9]+"),
                "id": INT64,
                "name": TEXT,
                "amountMicros": INT64,
                "totalAmountMicros": INT64,
                "period": _words("DAILY", "CUSTOM_PERIOD"),
            },
            required=("resourceName",),
        ),
        "campaign": _object(
            {
                "resourceName": _name("/campaigns/[0-9]+"),
                "id": INT64,
                "name": TEXT,
                "status": _STATUS,
                "servingStatus": _words("SERVING", "NONE", "ENDED", "PENDING", "SUSPENDED"),
                "advertisingChannelType": _CHANNELS,
                "campaignBudget": _name("/campaignBudgets/[0-9]+"),
                "startDateTime": TIME,
                "endDateTime": TIME,
            },
            required=("resourceName",),
        ),
        "adGroup": _object(
            {"resourceName": _name("/adGroups/[0-9]+"), "id": INT64, "name": TEXT, "status": _STATUS},
            required=("resourceName",),
        ),
        "adGroupAd": _object(
            {
                "resourceName": _name("/adGroupAds/[0-9]+~[0-9]+"),
                "status": _STATUS,
                "ad": _object({"resourceName": _name("/ads/[0-9]+"), "id": INT64, "name": TEXT, "type": TEXT}),
            },
            required=("resourceName",),
        ),
        "assetGroup": _object(
            {"resourceName": _name("/assetGroups/[0-9]+"), "id": INT64, "name": TEXT, "status": _STATUS},
            required=("resourceName",),
        ),
        "metrics": _object(
            {
                "impressions": INT64,
                "clicks": INT64,
                "interactions": INT64,
                "costMicros": INT64,
                "conversions": DOUBLE,
                "conversionsValue": DOUBLE,
                "allConversions": DOUBLE,
                "allConversionsValue": DOUBLE,
            }
        ),
        "segments": _object({"date": DATE, "month": DATE}),
    }
)
_ROWS: Schema = {"type": "array", "items": _ROW, "minItems": 1}
_PAGE = _object(
    {
        "results": _ROWS,
        "nextPageToken": TEXT,
        "totalResultsCount": INT64,
        "fieldMask": TEXT,
        "queryResourceConsumption": INT64,
    }
)
_BATCH = _object(
    {"results": _ROWS, "fieldMask": TEXT, "requestId": TEXT, "queryResourceConsumption": INT64},
    required=("fieldMask", "requestId"),
)
_FAILURE = _object(
    {
        "@type": {"type": "string", "pattern": r"^type\.googleapis\.com/google\.ads\.googleads\.v[0-9]+\.errors\.Goog"},
        "errors": {
            "type": "array",
            "minItems": 1,
            "items": _object(
                {"errorCode": {"type": "object", "minProperties": 1}, "message": TEXT, "details": {"type": "object"}},
                required=("errorCode", "message"),
            ),
        },
        "requestId": TEXT,
    },
    required=("@type", "errors"),
)
_QUERY = _object({"query": TEXT}, required=("query",))
_SEARCH = _object(
    {
        "query": TEXT,
        "pageToken": TEXT,
        "validateOnly": FLAG,
        "searchSettings": _object({"omitResults": FLAG, "returnSummaryRow": FLAG, "returnTotalResultsCount": FLAG}),
    },
    required=("query",),
)
_TOKEN_REQUEST = _object(
    dict.fromkeys(("grant_type", "client_id", "client_secret", "refresh_token"), TEXT),
    required=("grant_type", "client_id", "client_secret", "refresh_token"),
)
_TOKEN = _object(
    {"access_token": TEXT, "expires_in": {"type": "integer"}, "scope": TEXT, "token_type": {"const": "Bearer"}},
    required=("access_token", "expires_in", "token_type"),
)
_TOKEN_ERROR = _object({"error": TEXT, "error_description": TEXT}, required=("error",))


def _json(schema: Schema) -> Schema:
    return {"description": "", "content": {"application/json": {"schema": schema}}}


def token_operation() -> Schema:
    """The token endpoint, which all of Google's interfaces share."""
    answers = {"200": _json(_TOKEN), "400": _json(_TOKEN_ERROR), "401": _json(_TOKEN_ERROR)}
    form = {"application/x-www-form-urlencoded": {"schema": _TOKEN_REQUEST}}
    return {"post": {"requestBody": {"required": True, "content": form}, "responses": answers}}


def google_error(*, details: Schema | None = None) -> Schema:
    """A google.rpc.Status as JSON."""
    fields: Schema = {"code": {"type": "integer"}, "message": TEXT, "status": TEXT}
    if details:
        fields["details"] = {"type": "array", "items": details}
    return _object({"error": _object(fields, required=("code", "message", "status"))}, required=("error",))


def write_description(folder: Path) -> Path:
    """Writes the description; gives the file."""
    header = {"name": "login-customer-id", "in": "header", "schema": {"type": "string", "pattern": "^[0-9]{10}$"}}
    path = [
        {"name": "version", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^v[0-9]+$"}},
        {"name": "customer", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[0-9]{10}$"}},
    ]
    error, statuses = google_error(details=_FAILURE), ("400", "401", "403", "404", "429", "500")
    either: Schema = {"anyOf": [error, {"type": "array", "items": error, "minItems": 1, "maxItems": 1}]}

    def operation(body: Schema, answer: Schema) -> Schema:
        return {
            "post": {
                "parameters": [*path, header],
                "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
                "responses": {"200": _json(answer), **{status: _json(either) for status in statuses}},
            }
        }

    accounts = _object({"resourceNames": {"type": "array", "items": TEXT}})
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Google Ads API", "version": "v25"},
        "paths": {
            "/token": token_operation(),
            "/{version}/customers/{customer}/googleAds:search": operation(_SEARCH, _PAGE),
            "/{version}/customers/{customer}/googleAds:searchStream": operation(
                _QUERY, {"type": "array", "items": _BATCH, "minItems": 1}
            ),
            "/{version}/customers:listAccessibleCustomers": {
                "get": {
                    "parameters": path[:1],
                    "responses": {"200": _json(accounts), **{status: _json(error) for status in statuses}},
                }
            },
        },
    }
    file = folder / "google_ads.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    return file
