"""The Google Analytics Data API as OpenAPI, for those parts of it that the connector uses.

Google publishes a discovery document instead; this is told from the pages of the method and of the messages it names,
https://developers.google.com/analytics/devguides/reporting/data/v1/rest/v1beta/properties/runReport.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.connectors.google_ads.description import google_error, token_operation

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 1}
INT64: Schema = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+$"}]}


def _object(properties: Schema, *, required: tuple[str, ...] = ()) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _list(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


_NAMED = _object({"name": TEXT}, required=("name",))
_VALUE = _object({"value": TEXT}, required=("value",))
_TYPE = {
    "enum": [
        *("METRIC_TYPE_UNSPECIFIED", "TYPE_INTEGER", "TYPE_FLOAT", "TYPE_SECONDS", "TYPE_MILLISECONDS"),
        *("TYPE_MINUTES", "TYPE_HOURS", "TYPE_STANDARD", "TYPE_CURRENCY", "TYPE_FEET", "TYPE_MILES"),
        *("TYPE_METERS", "TYPE_KILOMETERS"),
    ]
}
_ORDER = _object(
    {
        "desc": FLAG,
        "dimension": _object(
            {
                "dimensionName": TEXT,
                "orderType": {"enum": ["ALPHANUMERIC", "CASE_INSENSITIVE_ALPHANUMERIC", "NUMERIC"]},
            }
        ),
        "metric": _object({"metricName": TEXT}),
    }
)
_REQUEST = _object(
    {
        "dimensions": _list(_NAMED, maxItems=9),
        "metrics": _list(_NAMED, maxItems=10),
        "dateRanges": _list(_object({"startDate": TEXT, "endDate": TEXT, "name": TEXT}), maxItems=4),
        "offset": INT64,
        "limit": INT64,
        "orderBys": _list(_ORDER),
        "keepEmptyRows": FLAG,
        "returnPropertyQuota": FLAG,
    }
)
_BUCKETS = (
    *("tokensPerDay", "tokensPerHour", "concurrentRequests", "serverErrorsPerProjectPerHour"),
    *("potentiallyThresholdedRequestsPerHour", "tokensPerProjectPerHour"),
)
_QUOTA = _object({"consumed": COUNT, "remaining": COUNT})
_ANSWER = _object(
    {
        "dimensionHeaders": _list(_NAMED),
        "metricHeaders": _list(_object({"name": TEXT, "type": _TYPE}, required=("name", "type"))),
        "rows": _list(_object({"dimensionValues": _list(_VALUE), "metricValues": _list(_VALUE)}), minItems=1),
        "rowCount": COUNT,
        "metadata": _object(
            {
                "dataLossFromOtherRow": FLAG,
                "samplingMetadatas": _list(_object({"samplesReadCount": TEXT, "samplingSpaceSize": TEXT})),
                "currencyCode": TEXT,
                "timeZone": TEXT,
                "emptyReason": TEXT,
                "subjectToThresholding": FLAG,
            }
        ),
        "propertyQuota": _object(dict.fromkeys(_BUCKETS, _QUOTA)),
        "kind": {"const": "analyticsData#runReport"},
    },
    required=("kind",),
)
_METADATA = _object(
    {
        "name": TEXT,
        "dimensions": _list(
            _object(
                {
                    "apiName": TEXT,
                    "uiName": TEXT,
                    "description": TEXT,
                    "deprecatedApiNames": _list(TEXT),
                    "customDefinition": FLAG,
                    "category": TEXT,
                }
            )
        ),
        "metrics": _list(
            _object(
                {
                    "apiName": TEXT,
                    "uiName": TEXT,
                    "description": TEXT,
                    "deprecatedApiNames": _list(TEXT),
                    "type": _TYPE,
                    "expression": TEXT,
                    "customDefinition": FLAG,
                    "blockedReasons": _list(TEXT),
                    "category": TEXT,
                }
            )
        ),
    }
)


def _answers(schema: Schema) -> Schema:
    def one(content: Schema) -> Schema:
        return {"description": "", "content": {"application/json": {"schema": content}}}

    errors = ("400", "401", "403", "404", "429", "500", "503")
    return {"200": one(schema), **{status: one(google_error()) for status in errors}}


def write_description(folder: Path) -> Path:
    """Writes the description; gives the file."""
    path = {"name": "property", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[0-9]+$"}}
    report = {
        "parameters": [path],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _REQUEST}}},
        "responses": _answers(_ANSWER),
    }
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Google Analytics Data API", "version": "v1beta"},
        "paths": {
            "/token": token_operation(),
            "/v1beta/properties/{property}:runReport": {"post": report},
            "/v1beta/properties/{property}/metadata": {"get": {"parameters": [path], "responses": _answers(_METADATA)}},
        },
    }
    file = folder / "ga4.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    return file
