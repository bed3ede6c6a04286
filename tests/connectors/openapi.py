"""A vendor's OpenAPI description as operations to be looked up and as JSON Schema validators.

Reads 3.0 and 3.1 (JSON or YAML) and evens out what they say differently from JSON Schema 2020-12. What of an exchange
is checked against it belongs in `specs`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import jsonschema_rs
import orjson
import yaml

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
#: Errors told of one value; a page of a hundred records that are wrong in one way needs no hundred sentences.
MOST_ERRORS = 10
_TYPES = {"string", "integer", "number", "boolean", "object", "array", "null"}
_ONE, _MANY, _MAPS = ("not", "additionalProperties", "items"), ("allOf", "anyOf", "oneOf"), ("properties",)
_PLAIN = frozenset(
    {
        *("enum", "const", "format", "pattern", "required", "uniqueItems"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
        *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of an operation; `pointer` is where its schema stands in the document."""

    name: str
    where: str
    required: bool
    style: str
    explode: bool
    schema: Mapping[str, Any]
    pointer: str


class Operation:
    """One method of one path; `pattern` matches whole paths, the server's own prefix included."""

    def __init__(self, document: Document, template: str, method: str, base: str) -> None:
        self.document, self.template, self.method = document, template, method.upper()
        self._pointer = f"#/paths/{_escape(template)}"
        self._item = document.raw["paths"][template]
        self.body: Mapping[str, Any] = self._item[method]
        full = base.rstrip("/") + document.prefix + "/" + template.lstrip("/")
        parts = re.split(r"\{([^{}]+)\}", full)
        self.path_names = parts[1::2]
        self.pattern = re.compile("([^/]+)".join(re.escape(part) for part in parts[::2]))

    def __str__(self) -> str:
        return f"{self.method} {self.template}"

    @property
    def hides_parameters(self) -> bool:
        """Whether the description refers to parameters that it does not hold, so that none can be called unknown."""
        nodes = [*self._item.get("parameters", []), *self.body.get("parameters", [])]
        return any("in" not in self.document.follow(node, "")[0] for node in nodes)

    @cached_property
    def parameters(self) -> list[Parameter]:
        """What the path and the operation declare; the operation's own word counts."""
        found: dict[tuple[str, str], Parameter] = {}
        for holder, pointer in ((self._item, self._pointer), (self.body, f"{self._pointer}/{self.method.lower()}")):
            for number, declared in enumerate(holder.get("parameters", [])):
                node, at = self.document.follow(declared, f"{pointer}/parameters/{number}")
                if "in" in node:
                    found[node["in"], node["name"]] = _parameter(node, at)
        return list(found.values())

    @cached_property
    def request_contents(self) -> dict[str, str]:
        """Media types of the request's body, with where their schemas stand."""
        node, at = self.document.follow(
            self.body.get("requestBody", {}), f"{self._pointer}/{self.method.lower()}/requestBody"
        )
        return _contents(node, at)

    @property
    def needs_body(self) -> bool:
        """Whether a request without a body is wrong."""
        return bool(self.document.follow(self.body.get("requestBody", {}), "")[0].get("required", False))

    def response_contents(self, status: int) -> dict[str, str] | None:
        """Media types of the answer with where their schemas stand; None if the status is not documented."""
        responses = {str(key): value for key, value in self.body.get("responses", {}).items()}
        key = next((k for k in (str(status), f"{status // 100}XX", "default") if k in responses), None)
        if key is None:
            return None
        node, at = self.document.follow(responses[key], f"{self._pointer}/{self.method.lower()}/responses/{key}")
        return _contents(node, at)


class Document:
    """One file of a description.

    Args:
        path: the JSON or YAML file.
        base: what comes before the vendor's own paths.
        closed: whether fields that the description does not list count as errors.

    Attributes:
        missing: references that lead nowhere; what they describe is not checked.
    """

    def __init__(self, path: Path, *, base: str = "", closed: bool = False) -> None:
        content = path.read_bytes()
        self.raw: dict[str, Any] = (
            orjson.loads(content) if path.suffix == ".json" else yaml.load(content, yaml.CSafeLoader)
        )
        self._closed = closed
        self.missing: set[str] = set()
        # In 3.0 what stands beside a $ref does not count.
        self._lone_refs = str(self.raw.get("openapi", "")).startswith("3.0")
        servers = self.raw.get("servers") or [{"url": ""}]
        self.prefix = urlsplit(re.sub(r"\{[^{}]*\}", "x", servers[0]["url"])).path.rstrip("/")
        self.operations = [
            Operation(self, template, method, base)
            for template, item in self.raw["paths"].items()
            for method in METHODS
            if method in item
        ]
        self._validators: dict[str, Any] = {}

    def query_keys(self) -> set[str]:
        """Query parameters that carry credentials."""
        schemes = self.raw.get("components", {}).get("securitySchemes", {}).values()
        return {s["name"] for s in schemes if s.get("type") == "apiKey" and s.get("in") == "query"}

    def follow(self, node: Any, pointer: str) -> tuple[Any, str]:
        """Goes where references lead; gives what is there and where that is."""
        while isinstance(node, dict) and isinstance(node.get("$ref"), str):
            pointer = node["$ref"]
            node = self._at(pointer)
        return node, pointer

    def branches(self, schema: Any, seen: frozenset[str] = frozenset()) -> Iterator[Mapping[str, Any]]:
        """The schemas that make up a schema, references and combinations resolved."""
        if not isinstance(schema, dict):
            return
        ref = schema.get("$ref")
        if isinstance(ref, str):
            if ref not in seen:
                yield from self.branches(self._at(ref), seen | {ref})
            return
        yield schema
        for word in _MANY:
            for part in schema.get(word) or []:
                yield from self.branches(part, seen)

    def types(self, schema: Any) -> set[str]:
        """The JSON types that a schema speaks of; text where it speaks of none."""
        found: set[str] = set()
        for branch in self.branches(schema):
            declared = branch.get("type")
            found.update([declared] if isinstance(declared, str) else declared or [])
            if "properties" in branch:
                found.add("object")
        return found or {"string"}

    def is_silent(self, pointer: str) -> bool:
        """Whether the schema at a place says nothing at all."""
        return not any(
            branch.keys() & _PLAIN | branch.keys() & {"type", "properties", "items"}
            for branch in self.branches({"$ref": pointer})
        )

    def errors(self, pointer: str, value: Any) -> list[str]:
        """What is wrong with a value by the schema at a place of the document, as sentences."""
        if pointer not in self._validators:
            self._validators[pointer] = jsonschema_rs.Draft202012Validator(
                {"$ref": f"urn:description{pointer}"}, registry=self._registry, validate_formats=True
            )
        return [_sentence(error) for error in islice(self._validators[pointer].iter_errors(value), MOST_ERRORS)]

    @cached_property
    def _registry(self) -> Any:
        return jsonschema_rs.Registry([("urn:description", self._evened(self.raw))], draft=jsonschema_rs.Draft202012)

    def _at(self, pointer: str) -> Any:
        node: Any = self.raw
        for part in pointer.removeprefix("#/").split("/"):
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            try:
                # In YAML a status is a number as a key.
                node = node[int(key) if isinstance(node, list) or key not in node else key]
            except (KeyError, ValueError, IndexError):
                # A description that refers to what it does not hold says nothing about it.
                self.missing.add(pointer)
                return {}
        return node

    def _evened(self, node: Any) -> Any:
        """The document with each schema in it as JSON Schema 2020-12."""
        if isinstance(node, list):
            return [self._evened(item) for item in node]
        if not isinstance(node, dict):
            return node
        evened = {}
        for key, value in node.items():
            if key == "schema":
                evened[key] = self._schema(value, value=True)
            elif key == "schemas":
                evened[key] = {name: self._schema(schema) for name, schema in value.items()}
            elif key not in ("example", "examples"):
                # A number as a key (status 200 in YAML) would not be found by a pointer.
                evened[str(key)] = self._evened(value)
        return evened

    def _schema(self, schema: Any, *, value: bool = False) -> Any:
        """A schema as JSON Schema 2020-12; `value` where it describes a whole value and no part of a combination."""
        if not isinstance(schema, dict):
            return schema
        evened = self._keywords(schema)
        if "$ref" in evened and self._at(evened["$ref"]) == {}:
            del evened["$ref"]
        if schema.get("nullable") is True:
            evened = _or_null(evened)
        if value and self._closed and not self._is_free(schema):
            evened["unevaluatedProperties"] = False
        return evened

    def _keywords(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        if "$ref" in schema and self._lone_refs:
            return {"$ref": schema["$ref"]}
        evened: dict[str, Any] = {key: schema[key] for key in schema if key in _PLAIN}
        if "$ref" in schema:
            evened["$ref"] = schema["$ref"]
        declared = schema.get("type")
        if isinstance(declared, list) or declared in _TYPES:
            evened["type"] = declared
        if not isinstance(evened.get("required", []), list):
            del evened["required"]
        for side in ("Minimum", "Maximum"):
            bound = evened.pop(f"exclusive{side}", None)
            if bound is True:
                bound = evened.pop(side.lower(), None)
            if bound is not None and bound is not False:
                evened[f"exclusive{side}"] = bound
        for word in _ONE:
            if word in schema:
                evened[word] = self._schema(schema[word], value=word != "not")
        for word in _MANY:
            if schema.get(word):
                evened[word] = [self._schema(part) for part in schema[word]]
        for word in _MAPS:
            if isinstance(schema.get(word), dict):
                evened[word] = {name: self._schema(part, value=True) for name, part in schema[word].items()}
        return evened

    def _is_free(self, schema: Any) -> bool:
        """Whether some branch is an object of which the description lists no fields."""
        return any(
            not {"properties", "additionalProperties", *_MANY} & branch.keys()
            and branch.get("type", "object") in ("object", ["object", "null"])
            for branch in self.branches(schema)
        )


def _parameter(node: Mapping[str, Any], pointer: str) -> Parameter:
    style = node.get("style") or {"query": "form", "cookie": "form"}.get(node["in"], "simple")
    return Parameter(
        name=node["name"],
        where=node["in"],
        required=bool(node.get("required", False)),
        style=style,
        explode=bool(node.get("explode", style == "form")),
        schema=node.get("schema", {}),
        pointer=f"{pointer}/schema" if "schema" in node else "",
    )


def _contents(node: Mapping[str, Any], pointer: str) -> dict[str, str]:
    return {
        media.partition(";")[0].strip().lower(): f"{pointer}/content/{_escape(media)}/schema"
        if "schema" in part
        else ""
        for media, part in (node.get("content") or {}).items()
    }


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema or any(word in schema for word in _MANY):
        return {"anyOf": [schema, {"type": "null"}]}
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    return schema


def _escape(part: str) -> str:
    return quote(part.replace("~", "~0").replace("/", "~1"), safe="~")


def _depth(error: Any) -> int:
    return len(error.instance_path)


def _sentence(error: Any) -> str:
    """Place, value and rule; of several alternatives, the only one that is of the value's type."""
    while branches := [branch for branch in getattr(error.kind, "context", None) or [] if branch]:
        of_its_type = [b for b in branches if not any(e.kind.name == "type" and _depth(e) == _depth(error) for e in b)]
        if len(of_its_type or branches) > 1:
            break
        error = max((of_its_type or branches)[0], key=_depth)
    message = error.message if len(error.message) <= 300 else f"{error.message[:80]} … {error.message[-180:]}"
    place = "/".join(str(part) for part in error.instance_path) or "the whole"
    rule = (error.absolute_keyword_location or "").partition("#")[2] or "/".join(str(p) for p in error.schema_path)
    return f"{place}: {message} (rule {rule})"
