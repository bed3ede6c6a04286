"""Holds recorded exchanges against a vendor's own OpenAPI description: every request and every answer.

    spec = Spec.load("hubspot", paths=[REAL_DATA / "openapi/hubspot/…/contacts.json"], base="/hubspot")
    with serving(Sandbox(company, record=True)) as run:
        ...  # whatever asks the vendor
    report = spec.check([e for e in run.sandbox.exchanges if e.vendor == "hubspot"])
    assert not report.failures, report.text()
    report.table()  # [("hubspot", operations, requests, answers)]

`base` is the sandbox's own prefix; the path of the description's server (`/api/v2`) comes after it by itself. Exchanges
that a test made wrong on purpose are checked with `requests=False`, and answers that a planned fault spoilt not at all.
With `closed=True` a field that the description does not list is a failure too. Where the vendor's real answers are
known to contradict its description, an `Exemption` says so by name (test_specs.py has those found in recordings). How
a description is read belongs in `openapi`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import orjson

from sandbox.serve import Exchange
from tests.connectors.openapi import Document, Operation, Parameter

#: Statuses that every server may answer with, whether or not the description lists them.
GENERAL = frozenset({401, 403, 429, 500, 502, 503, 504})
FORM = "application/x-www-form-urlencoded"
_SEPARATORS = {"form": ",", "simple": ",", "pipeDelimited": "|", "spaceDelimited": " "}
_NOT_DECLARED = {"accept", "content-type", "authorization"}


@dataclass(frozen=True, kw_only=True)
class Exemption:
    """A known fault of a description: failures of these operations whose sentence matches are not counted.

    Attributes:
        name: what a reader of the report sees.
        reason: how it is known that the description is wrong.
        operation: a pattern such as "GET /crm/v3/*"; the operation as it is shown in failures.
        sentence: a regular expression found in the failure.
    """

    name: str
    reason: str
    sentence: str
    operation: str = "*"


@dataclass
class Tally:
    """What was validated of one operation; `unchecked` are answers that the description gives no schema for."""

    requests: int = 0
    responses: int = 0
    unchecked: int = 0


@dataclass
class Report:
    """What came of a check."""

    connector: str
    operations: dict[str, Tally] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    exempted: Counter[str] = field(default_factory=Counter)

    def table(self) -> list[tuple[str, int, int, int]]:
        """(connector, operations, requests validated, answers validated), one row."""
        tallies = self.operations.values()
        return [
            (self.connector, len(tallies), sum(t.requests for t in tallies), sum(t.responses for t in tallies)),
        ]

    def text(self) -> str:
        """All failures, those that differ only in the place in a list once, with their number."""
        counted = Counter(re.sub(r"(?<=[/ ])[0-9]+(?=[/:])", "*", failure) for failure in self.failures)
        return "\n".join(f"{number} × {failure}" for failure, number in counted.most_common())


class Spec:
    """The descriptions of one vendor."""

    def __init__(
        self, connector: str, documents: Sequence[Document], exemptions: Sequence[Exemption] = (), suffix: str = ""
    ) -> None:
        self.connector, self.exemptions, self.suffix = connector, exemptions, suffix
        self._documents = documents
        # Where a literal path and a template both fit, the literal one is meant.
        self._operations = sorted(
            (operation for document in documents for operation in document.operations),
            key=lambda operation: (len(operation.path_names), -len(operation.template)),
        )

    @classmethod
    def load(
        cls,
        connector: str,
        *,
        paths: Iterable[Path],
        base: str = "",
        exemptions: Sequence[Exemption] = (),
        closed: bool = False,
        suffix: str = "",
    ) -> Spec:
        """Reads the files of a description; of two that describe the same operation the first counts.

        Args:
            base: what comes before the vendor's own paths.
            exemptions: known faults of the description.
            closed: whether fields that the description does not list are failures.
            suffix: what a path may end in beyond the description's, such as ".json" at Zendesk.
        """
        return cls(connector, [Document(path, base=base, closed=closed) for path in paths], exemptions, suffix)

    def missing(self) -> set[str]:
        """References of the descriptions that lead nowhere, as far as they were met; what they name is not checked."""
        return {pointer for document in self._documents for pointer in document.missing}

    def check(self, exchanges: Iterable[Exchange], *, requests: bool = True) -> Report:
        """Validates exchanges; their requests only if those were meant to be right."""
        report = Report(self.connector)
        for exchange in exchanges:
            operation = self._find(exchange)
            if operation is None:
                self._fail(report, f"{exchange.method} {exchange.path}", ["the description has no such operation"])
                continue
            tally = report.operations.setdefault(str(operation), Tally())
            if requests:
                tally.requests += 1
                self._fail(
                    report, str(operation), (f"request, {s}" for s in _request_faults(operation, exchange, self.suffix))
                )
            checked, faults = _answer_faults(operation, exchange)
            tally.responses += checked
            tally.unchecked += not checked
            self._fail(report, str(operation), (f"answer {exchange.status}, {s}" for s in faults))
        return report

    def _find(self, exchange: Exchange) -> Operation | None:
        path = exchange.path.removesuffix(self.suffix)
        fitting = (o for o in self._operations if o.method == exchange.method and o.pattern.fullmatch(path))
        return next(fitting, None)

    def _fail(self, report: Report, operation: str, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            exemption = next(
                (e for e in self.exemptions if fnmatchcase(operation, e.operation) and re.search(e.sentence, sentence)),
                None,
            )
            if exemption:
                report.exempted[exemption.name] += 1
            else:
                report.failures.append(f"{operation}, {sentence}")


def _request_faults(operation: Operation, exchange: Exchange, suffix: str) -> Iterator[str]:
    yield from _path_faults(operation, exchange.path.removesuffix(suffix))
    yield from _query_faults(operation, exchange.query)
    yield from _header_faults(operation, exchange.headers)
    yield from _body_faults(operation, exchange)


def _path_faults(operation: Operation, path: str) -> Iterator[str]:
    match = operation.pattern.fullmatch(path)
    given = dict(zip(operation.path_names, match.groups() if match else (), strict=True))
    for parameter in operation.parameters:
        if parameter.where == "path" and parameter.name in given:
            yield from _value_faults(operation, parameter, given[parameter.name])


def _query_faults(operation: Operation, query: str) -> Iterator[str]:
    declared = {p.name: p for p in operation.parameters if p.where == "query"}
    spread = {
        name
        for p in declared.values()
        if p.style == "form" and p.explode and "object" in operation.document.types(p.schema)
        for name in _fields(operation.document, p.schema)
    }
    given: dict[str, list[tuple[list[str], str]]] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        root, inner = _root(key, declared)
        if root in declared:
            given.setdefault(root, []).append((inner, value))
        elif root not in spread | operation.document.query_keys() and not operation.hides_parameters:
            yield f"query: the parameter {key!r} is not known"
    for name, parameter in declared.items():
        if name in given:
            yield from _query_parameter_faults(operation, parameter, given[name])
        elif parameter.required:
            yield f"query: the required parameter {name!r} is missing"


def _query_parameter_faults(
    operation: Operation, parameter: Parameter, given: list[tuple[list[str], str]]
) -> Iterator[str]:
    types = operation.document.types(parameter.schema)
    nested = [pair for pair in given if pair[0]]
    if nested:
        if parameter.style != "deepObject":
            yield f"query: {parameter.name!r} takes no brackets"
            return
        yield from _value_faults(operation, parameter, nest(nested))
    elif "array" in types:
        values = [value for _, value in given]
        if not parameter.explode:
            values = [part for value in values for part in value.split(_SEPARATORS.get(parameter.style, ","))]
        yield from _value_faults(operation, parameter, values)
    elif len(given) > 1:
        yield f"query: {parameter.name!r} is given {len(given)} times and takes one value"
    else:
        yield from _value_faults(operation, parameter, given[0][1])


def _header_faults(operation: Operation, headers: Mapping[str, str]) -> Iterator[str]:
    given = {name.lower(): value for name, value in headers.items()}
    for parameter in operation.parameters:
        name = parameter.name.lower()
        if parameter.where != "header" or name in _NOT_DECLARED:
            continue
        if name in given:
            yield from _value_faults(operation, parameter, given[name])
        elif parameter.required:
            yield f"header: the required header {parameter.name!r} is missing"


def _body_faults(operation: Operation, exchange: Exchange) -> Iterator[str]:
    contents = operation.request_contents
    if not exchange.body:
        if operation.needs_body:
            yield "body: it is required and missing"
        return
    if not contents:
        yield "body: the operation takes none"
        return
    media = _media_type(exchange.headers)
    pointer = _content(contents, media)
    if pointer is None:
        yield f"body: the type is {media or 'not said'}, the operation takes {', '.join(contents)}"
        return
    if media == FORM:
        pairs = parse_qsl(exchange.body.decode(), keep_blank_values=True)
        schema, _ = operation.document.follow({"$ref": pointer}, pointer)
        value = typed(operation.document, schema, nest([(keys(k), v) for k, v in pairs]))
    else:
        value = _decoded(exchange.body)
    yield from _value_errors(operation, pointer, value, "body")


def _answer_faults(operation: Operation, exchange: Exchange) -> tuple[bool, list[str]]:
    """Whether there was something to check the answer against, and what is wrong with it."""
    contents = operation.response_contents(exchange.status)
    if contents is None:
        if exchange.status in GENERAL:
            return False, []
        return False, ["the status is not documented"]
    if not contents:
        return not exchange.answer, []
    if not exchange.answer:
        return True, ["the body is empty"]
    media = _media_type(exchange.answer_headers)
    pointer = _content(contents, media)
    if pointer is None:
        return True, [f"the type is {media or 'not said'}, the description says {', '.join(contents)}"]
    if not pointer or operation.document.is_silent(pointer) or not (media.endswith("json") or not media):
        return False, []
    return True, list(_value_errors(operation, pointer, _decoded(exchange.answer), "body"))


def _value_faults(operation: Operation, parameter: Parameter, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        known = _fields(operation.document, parameter.schema)
        yield from (f"query: {parameter.name!r} has no key {key!r}" for key in value if known and key not in known)
    if parameter.pointer:
        value = typed(operation.document, parameter.schema, value)
        yield from _value_errors(operation, parameter.pointer, value, f"{parameter.where} {parameter.name!r}")


def _value_errors(operation: Operation, pointer: str, value: Any, what: str) -> Iterator[str]:
    if value is NOT_JSON:
        yield f"{what}: it is not JSON"
    elif pointer:
        for error in operation.document.errors(pointer, value):
            yield f"{what}: {error}"


def typed(document: Document, schema: Any, value: Any) -> Any:
    """Text from a query or a form as the type that its schema asks for, where it can be read as that."""
    if isinstance(value, str):
        return _scalar(document.types(schema), value)
    if isinstance(value, list):
        parts = [b["items"] for b in document.branches(schema) if "items" in b]
        return [typed(document, {"anyOf": parts}, item) for item in value]
    if "array" in document.types(schema) and all(key.isdigit() or not key for key in value):
        return typed(document, schema, list(value.values()))
    return {key: typed(document, _field(document, schema, key), item) for key, item in value.items()}


def _scalar(types: set[str], text: str) -> Any:
    if types & {"integer", "number"} and re.fullmatch(r"-?[0-9]+", text):
        return int(text)
    if "number" in types and re.fullmatch(r"-?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?", text):
        return float(text)
    if "boolean" in types and text in ("true", "false"):
        return text == "true"
    return text


def _fields(document: Document, schema: Any) -> set[str]:
    return {name for branch in document.branches(schema) for name in branch.get("properties", {})}


def _field(document: Document, schema: Any, name: str) -> Any:
    branches = list(document.branches(schema))
    parts = [b["properties"][name] for b in branches if name in b.get("properties", {})]
    parts = parts or [b["additionalProperties"] for b in branches if isinstance(b.get("additionalProperties"), dict)]
    return {"anyOf": parts}


def keys(name: str) -> list[str]:
    """a[b][] gives a, b and an empty key."""
    root, *inner = re.split(r"\[([^\[\]]*)\]", name)
    return [root, *(part for part in inner[::2])]


def nest(pairs: Iterable[tuple[Sequence[str], str]]) -> dict[str, Any]:
    """Keys in brackets as nested mappings; an empty key counts up."""
    nested: dict[str, Any] = {}
    for path, value in pairs:
        node = nested
        for part in path[:-1]:
            inner = node.setdefault(part, {})
            if not isinstance(inner, dict):
                inner = node[part] = {}
            node = inner
        node[path[-1] or str(len(node))] = value
    return nested


def _root(key: str, declared: Mapping[str, Parameter]) -> tuple[str, list[str]]:
    """The parameter that a key of the query belongs to, and the keys within it."""
    if key in declared:
        return key, []
    root, *inner = keys(key)
    return next(((name, inner) for name in (root, f"{root}[]") if name in declared), (root, inner))


def _media_type(headers: Mapping[str, str]) -> str:
    given = {name.lower(): value for name, value in headers.items()}
    return given.get("content-type", "").partition(";")[0].strip().lower()


def _content(contents: Mapping[str, str], media: str) -> str | None:
    for key in (media, f"{media.partition('/')[0]}/*", "*/*"):
        if key in contents:
            return contents[key]
    return next(iter(contents.values())) if not media else None


class _NotJson:
    """Stands for a body that cannot be read."""


NOT_JSON = _NotJson()


def _decoded(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return NOT_JSON
