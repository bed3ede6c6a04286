"""Meta's own description of its Marketing API, which is made for code generators, as OpenAPI.

Fields, parameters, types and enumerations are Meta's. What surrounds objects, which the description does not hold, is
told from https://developers.facebook.com/docs/graph-api/results (lists), .../docs/graph-api/guides/error-handling and
.../docs/marketing-api/insights/best-practices (jobs).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
NUMBER_AS_TEXT: Schema = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
DATETIME: Schema = {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}[+-][0-9]{4}$"}
_PLAIN: dict[str, Schema] = {
    "string": TEXT,
    "bool": {"type": "boolean"},
    "int": WHOLE,
    "unsigned int": WHOLE,
    "float": {"type": "number"},
    "datetime": DATETIME,
}
#: Fields of insights that hold numbers although they are described as text only.
_NUMBERS = frozenset(
    ("impressions", "reach", "frequency", "clicks", "inline_link_clicks", "spend", "cpc", "cpm", "ctr")
)
_PAGED = ("after", "before", "limit", "fields", "summary", "access_token")


class _Description:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.enums = {e["name"]: e["values"] for e in json.loads((folder / "enum_types.json").read_text("utf-8"))}

    def read(self, name: str) -> Schema:
        return dict(json.loads((self.folder / f"{name}.json").read_text("utf-8")))

    def node(self, name: str) -> Schema:
        """An object: nothing beyond its fields, each of its type."""
        fields = self.read(name)["fields"]
        properties = {f["name"]: self.type(f["type"]) for f in fields}
        if name == "AdsInsights":
            properties |= dict.fromkeys(_NUMBERS, NUMBER_AS_TEXT)
        return _object(properties)

    def type(self, name: str) -> Schema:
        if name in _PLAIN:
            return _PLAIN[name]
        if name in self.enums:
            return {"type": "string", "enum": self.enums[name]}
        if name.startswith("list<"):
            return {"type": "array", "items": self.type(name[5:-1])}
        if name == "AdsActionStats":
            return {**self.node("AdsActionStats"), "required": ["action_type", "value"]}
        return {}

    def parameters(self, method: str, endpoint: str) -> list[Schema]:
        """Parameters of an edge of the account; lists and maps come as JSON in text, which is not looked into."""
        api = next(a for a in self.read("AdAccount")["apis"] if a["endpoint"] == endpoint and a["method"] == method)
        return [_query(p["name"], self.enums_of(p["type"]) if p["type"] in self.enums else TEXT) for p in api["params"]]

    def enums_of(self, name: str) -> Schema:
        return {"type": "string", "enum": self.enums[name]}


def write_description(real_data: Path, folder: Path) -> Path:
    """Writes the description of what the connector uses; gives the file."""
    meta = _Description(real_data / "openapi" / "facebook" / "api_specs" / "specs")
    insights = meta.parameters("GET", "insights")
    started = _object({"report_run_id": TEXT}, required=("report_run_id",))
    result = _operation(_list(meta.node("AdsInsights")), [_query(name, TEXT) for name in _PAGED])
    nodes = [meta.node(name) for name in ("AdAccount", "Campaign", "AdSet", "Ad")]
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Marketing API", "version": "26.0"},
        "paths": {
            "/{version}/me/permissions": {"get": _operation(_list(_PERMISSION), [])},
            "/{version}/act_{account}/insights": {
                "get": _operation(_list(meta.node("AdsInsights")), _with_paging(insights)),
                "post": _operation(started, _with_paging(meta.parameters("POST", "insights"))),
            },
            **{
                f"/{{version}}/act_{{account}}/{edge}": {
                    "get": _operation(_list(meta.node(name)), _with_paging(meta.parameters("GET", edge), "filtering"))
                }
                for edge, name in (("campaigns", "Campaign"), ("adsets", "AdSet"), ("ads", "Ad"))
            },
            "/{version}/{id}/insights": {"get": result},
            "/{version}/{id}": {"get": _operation({"anyOf": [_JOB, *nodes]}, [_query("fields", TEXT)])},
        },
    }
    file = folder / "meta_ads.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    return file


def _object(properties: Schema, *, required: tuple[str, ...] = ()) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _list(item: Schema) -> Schema:
    cursors = _object({"before": TEXT, "after": TEXT}, required=("before", "after"))
    return _object(
        {
            "data": {"type": "array", "items": item},
            "paging": _object({"cursors": cursors, "next": TEXT, "previous": TEXT}),
            "summary": _object({"total_count": WHOLE}),
        },
        required=("data",),
    )


_PERMISSION = _object({"permission": TEXT, "status": {"enum": ["granted", "declined", "expired"]}})
_JOB = _object(
    {
        "id": TEXT,
        "account_id": TEXT,
        "time_ref": WHOLE,
        "time_completed": WHOLE,
        "async_status": {
            "enum": ["Job Not Started", "Job Started", "Job Running", "Job Completed", "Job Failed", "Job Skipped"]
        },
        "async_percent_completion": {"type": "integer", "minimum": 0, "maximum": 100},
        "date_start": TEXT,
        "date_stop": TEXT,
        "error_code": WHOLE,
        "error_message": TEXT,
        "error_subcode": WHOLE,
        "error_user_title": TEXT,
        "error_user_msg": TEXT,
    },
    required=("id", "async_status", "async_percent_completion"),
)
_ERROR = _object(
    {
        "error": _object(
            {"message": TEXT, "type": TEXT, "code": WHOLE, "error_subcode": WHOLE, "fbtrace_id": TEXT},
            required=("message", "type", "code", "fbtrace_id"),
        )
    },
    required=("error",),
)


def _query(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "schema": schema}


def _with_paging(parameters: Iterable[Schema], *more: str) -> list[Schema]:
    known = list(parameters)
    names = {p["name"] for p in known}
    return [*known, *(_query(name, TEXT) for name in (*_PAGED, *more) if name not in names)]


def _operation(answer: Schema, parameters: list[Schema]) -> Schema:
    def one(content: Schema) -> Schema:
        return {"description": "", "content": {"application/json": {"schema": content}}}

    path = {"name": "version", "in": "path", "required": True, "schema": {"type": "string", "pattern": r"^v[0-9]+\.0$"}}
    answers = {"200": one(answer), **{status: one(_ERROR) for status in ("400", "403", "404", "500", "503")}}
    token = [] if any(p["name"] == "access_token" for p in parameters) else [_query("access_token", TEXT)]
    return {"parameters": [path, *parameters, *token], "responses": answers}
