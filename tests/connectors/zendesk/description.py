"""Zendesk's published description, made whole: it refers to objects and parameters that it does not hold.

Objects are taken from recorded answers of the real service: every field of a recorded object, with the types that it
was seen with. Parameters are those that the descriptions' own prose and developer.zendesk.com name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson
import yaml

from tests.connectors.recordings import recorded

_FILES = (
    *("incremental", "tickets", "users", "groups", "ticket-fields", "satisfaction-ratings", "search"),
    *("deleted-tickets", "deleted-users", "oauth"),
)
#: What holds the objects in recorded answers.
_RECORDED = {
    "TicketObject": "tickets",
    "UserObject": "users",
    "GroupObject": "groups",
    "TicketFieldObject": "ticket_field",
}
_EXPORT = ("include", "per_page")
_LIST = ("page[size]", "page[after]")
#: Query parameters that the prose names and the description does not declare.
_PARAMETERS = {
    "/api/v2/incremental/tickets/cursor": (*_EXPORT, "exclude_deleted"),
    "/api/v2/incremental/users/cursor": _EXPORT,
    "/api/v2/incremental/ticket_events": _EXPORT,
    "/api/v2/tickets": _LIST,
    "/api/v2/users": (*_LIST, "role", "role[]"),
    "/api/v2/groups": _LIST,
    "/api/v2/ticket_fields": _LIST,
    "/api/v2/satisfaction_ratings": (*_LIST, "score", "start_time", "end_time"),
    "/api/v2/deleted_tickets": _LIST,
    "/api/v2/deleted_users": _LIST,
}
_TOKEN_FIELDS = ("grant_type", "client_id", "client_secret", "scope", "refresh_token")
_TOKEN_REQUEST = {
    "schema": {
        "type": "object",
        "required": ["grant_type", "client_id", "scope"],
        "properties": {**{name: {"type": "string"} for name in _TOKEN_FIELDS}, "expires_in": {"type": "integer"}},
        "additionalProperties": False,
    }
}
_WHOLE_NUMBERS = {"start_time", "end_time", "per_page", "page[size]"}


def write_description(real_data: Path, folder: Path) -> Path:
    """Writes the whole description of the paths that a connector needs; gives the file."""
    source = real_data / "openapi" / "zendesk" / "openapi" / "_original"
    documents = [yaml.load((source / f"{name}-openapi-original.yml").read_bytes(), yaml.CSafeLoader) for name in _FILES]
    wanted = {*_PARAMETERS, "/api/v2/users/me", "/oauth/tokens"}
    paths = {
        path: {key: part for key, part in item.items() if key in ("get", "parameters") or path == "/oauth/tokens"}
        for document in documents
        for path, item in document["paths"].items()
        if path in wanted or path.endswith("/count")
    }
    schemas = {name: schema for document in documents for name, schema in document["components"]["schemas"].items()}
    for path, names in _PARAMETERS.items():
        paths[path]["get"]["parameters"] = [_query(name) for name in names]
    paths["/oauth/tokens"]["post"]["requestBody"] = {"required": True, "content": {"application/json": _TOKEN_REQUEST}}
    path = folder / "zendesk.json"
    components = {"schemas": _reachable(paths, schemas | _objects(real_data)), "parameters": _shared_parameters()}
    # Dates in examples are read as dates, which JSON has none of.
    document = {"openapi": "3.0.3", "info": {}, "paths": paths, "components": components}
    path.write_text(json.dumps(document, default=str))
    return path


def _reachable(paths: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    """The schemas that paths refer to, straight or through others; one that is missing is left to be missed."""
    found: dict[str, Any] = {}
    names = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(paths, default=str)))
    while new := (names & schemas.keys()) - found.keys():
        found |= {name: schemas[name] for name in new}
        names |= set(re.findall(r"#/components/schemas/(\w+)", json.dumps(found, default=str)))
    return found


def seen(values: Iterable[Any]) -> dict[str, Any]:
    """The schema of values that were seen: every field of every object, and no other."""
    values = list(values)
    objects = [value for value in values if isinstance(value, dict)]
    lists = [value for value in values if isinstance(value, list)]
    types = {_TYPES[type(value)] for value in values}
    if types <= {"null"}:
        return {}
    schema: dict[str, Any] = {"type": sorted(types | {"null"})}
    fields = {name for value in objects for name in value}
    if fields:
        schema["properties"] = {n: seen([o[n] for o in objects if n in o]) for n in fields}
        schema["required"] = sorted(n for n in fields if all(n in o for o in objects))
        schema["additionalProperties"] = False
    if lists:
        schema["items"] = seen([item for value in lists for item in value])
    return schema


_TYPES = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    dict: "object",
    list: "array",
    type(None): "null",
}


def _objects(real_data: Path) -> dict[str, Any]:
    folder = real_data / "recorded" / "zendesk"
    found = {name: list(_held(folder, key)) for name, key in _RECORDED.items()}
    examples = {
        "SatisfactionRatingObject": "satisfaction_rating",
        "TicketMetricObject": "ticket_metric",
        "TicketEventObject": "ticket_event",
    }
    for name, file in examples.items():
        found[name] = [orjson.loads((folder / "specification" / "zendesk" / f"{file}.json").read_bytes())]
    schemas = {name: seen(values) for name, values in found.items()}
    for open_one in ("SatisfactionRatingObject", "TicketMetricObject", "TicketEventObject"):
        _opened(schemas[open_one])
    ticket = schemas["TicketObject"]["properties"]
    # No recorded ticket had a rating, a field of the business's own, or the sideload.
    ticket["satisfaction_rating"] = {"type": ["object", "null"]}
    for name in ("custom_fields", "fields"):
        ticket[name] = {"type": "array", "items": {"type": "object", "required": ["id", "value"]}}
    ticket["metric_set"] = {"$ref": "#/components/schemas/TicketMetricObject"}
    schemas["UserObject"]["properties"]["authenticity_token"] = {"type": "string"}
    return {
        **schemas,
        "DeletedUserObject": schemas["UserObject"],
        # The description gives ticket events the shape of metric events, which they do not have.
        "TicketMetricEventBaseObject": schemas["TicketEventObject"],
        "OffsetPaginationObject": {"type": "object", "properties": {"count": {"type": "integer"}}},
        "OAuthTokenForGrantTypesObject": {
            "type": "object",
            "required": ["access_token", "scope", "token_type"],
            "properties": {name: {"type": "string"} for name in ("access_token", "scope", "token_type")},
        },
    }


def _held(folder: Path, key: str) -> Iterable[dict[str, Any]]:
    """Objects under a key of recorded answers."""
    for exchange in recorded(folder):
        if exchange.status < 300 and f'"{key}"'.encode() in exchange.answer and exchange.method == "GET":
            held = orjson.loads(exchange.answer).get(key)
            yield from held if isinstance(held, list) else [held] if isinstance(held, dict) else []
        elif exchange.status == 201 and f'{{"{key}"'.encode() in exchange.answer[:40]:
            yield orjson.loads(exchange.answer)[key]


def _opened(schema: dict[str, Any]) -> None:
    """Lets an example's schema hold fields that the one example did not have."""
    schema.pop("additionalProperties", None)
    for part in [*schema.get("properties", {}).values(), schema.get("items")]:
        if part:
            part.pop("required", None)
            _opened(part)


def _query(name: str) -> Mapping[str, Any]:
    kind = "integer" if name in _WHOLE_NUMBERS else "string"
    return {"name": name, "in": "query", "schema": {"type": kind}}


def _shared_parameters() -> dict[str, Any]:
    names = {"IncrementalUnixTime": "start_time", "IncrementalCursor": "cursor", "IncrementalPage": "per_page"}
    filters = {"UserRoleFilter": "role", "UserRolesFilter": "role[]", "UserPermissionSetFilter": "permission_set"}
    others = {"UserExternalIdFilter": "external_id", "UserId": "user_id"}
    return {key: _query(name) for key, name in {**names, **filters, **others}.items()}
