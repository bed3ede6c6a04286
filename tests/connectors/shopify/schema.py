"""Holds exchanges with Shopify against the schema that Shopify publishes: every query, every answer, every bulk line.

The schema of each version comes in Shopify's own npm package `@shopify/dev-mcp`, fetched once with `npm pack` into
pytest's cache; tests that need it are skipped, and say so, where npm cannot be had.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    build_client_schema,
    execute_sync,
    get_named_type,
    parse,
    validate,
)

from sandbox.serve import Exchange
from tests.absent import mend_by_package, skip_without

PACKAGE = "@shopify/dev-mcp@1.16.0"
INTEGRITY = "sha512-tqgRnK7sQhjew+htxtleTH23nXB5fZcsrhWgEkomsorGXvLOB2mh2upwZm8uzuTDNTZnqtLMe64yIwh6s2awtw=="
VERSION = "2026-10"
_UNTESTED = "whether queries and answers are what Shopify's own schema says"


@dataclass
class Report:
    """What was validated, and what did not hold."""

    operations: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    answers: int = 0
    lines: int = 0
    failures: list[str] = field(default_factory=list)

    def table(self) -> list[tuple[str, int, int, int]]:
        """(connector, operations, requests validated, answers validated), one row."""
        return [("shopify", len(self.operations), self.requests, self.answers)]


def published(cache: Path) -> GraphQLSchema:
    """The Admin API's schema as Shopify publishes it; skips the test where it cannot be had."""
    path = cache / f"admin_{VERSION}.json.gz"
    if not path.exists():
        path.write_bytes(_fetched())
    return build_client_schema(json.loads(gzip.decompress(path.read_bytes()))["data"])


def _fetched() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        npm = shutil.which("npm")
        if npm is None:
            skip_without("npm", untested=_UNTESTED, mend=mend_by_package("npm"))
        done = subprocess.run(
            [npm, "pack", PACKAGE, "--silent", "--pack-destination", folder],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        files = list(Path(folder).glob("*.tgz"))
        if done.returncode or not files:
            said = done.stderr.strip()[-200:]
            skip_without(f"registry with {PACKAGE}", untested=_UNTESTED, mend=f"npm pack says: {said}")
        content = files[0].read_bytes()
        found = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
        assert found == INTEGRITY, f"{PACKAGE} is not what it was: {found}"
        with tarfile.open(files[0]) as archive:
            member = archive.extractfile(f"package/dist/data/admin_{VERSION}.json.gz")
            assert member is not None
            return member.read()


def check(schema: GraphQLSchema, exchanges: Iterable[Exchange], *, requests: bool = True) -> Report:
    """Validates exchanges; their requests only if those were meant to be right."""
    report = Report()
    files: dict[str, str] = {}
    for exchange in exchanges:
        if exchange.path.endswith(".jsonl"):
            _check_lines(schema, report, files, exchange)
        elif exchange.path.endswith("/graphql.json") and exchange.status == 200:
            _check_query(schema, report, files, exchange, requests=requests)
    return report


def _check_query(
    schema: GraphQLSchema, report: Report, files: dict[str, str], exchange: Exchange, *, requests: bool
) -> None:
    sent = json.loads(exchange.body)
    variables = sent.get("variables") or {}
    document = parse(sent["query"])
    report.operations[", ".join(_roots(document))] += 1
    faults = [e.message for e in validate(schema, document)]
    if requests:
        report.requests += 1
        report.failures += [f"request {_roots(document)}: {fault}" for fault in faults]
    answer = json.loads(exchange.answer)
    if answer.get("data") is not None and not faults:
        report.answers += 1
        report.failures += [
            f"answer {_roots(document)}: {f}" for f in against(schema, document, answer["data"], variables)
        ]
        _note_bulk(schema, report, files, document, variables, answer["data"], requests=requests)


def _note_bulk(
    schema: GraphQLSchema,
    report: Report,
    files: dict[str, str],
    document: DocumentNode,
    variables: Mapping[str, Any],
    data: Mapping[str, Any],
    *,
    requests: bool,
) -> None:
    """Remembers which bulk query made which file; the inner query has to be valid as well."""
    (root, *_) = _root_fields(document)
    key = root.alias.value if root.alias else root.name.value
    started = (data.get(key) or {}).get("bulkOperation") if root.name.value == "bulkOperationRunQuery" else None
    if not started:
        return
    inner = next(v for v in _strings(document, variables) if "{" in v)
    files[started["id"].rpartition("/")[2]] = inner
    if requests:
        report.requests += 1
        report.failures += [f"bulk query: {e.message}" for e in validate(schema, parse(inner))]


def _strings(document: DocumentNode, variables: Mapping[str, Any]) -> list[str]:
    found = [v for v in variables.values() if isinstance(v, str)]
    for field_node in _root_fields(document):
        found += [getattr(a.value, "value", "") for a in field_node.arguments]
    return found


def _check_lines(schema: GraphQLSchema, report: Report, files: dict[str, str], exchange: Exchange) -> None:
    if exchange.status != 200:
        return
    number = exchange.path.rpartition("/")[2].removesuffix(".jsonl")
    document = parse(files[number])
    lines = [json.loads(line) for line in exchange.answer.decode().splitlines()]
    report.answers += 1
    report.lines += len(lines)
    (root,) = _root_fields(document)
    data = {root.name.value: _connection(root, _nested(root, lines))}
    report.failures += [f"bulk {root.name.value}: {fault}" for fault in against(schema, document, data, {})]


def _nested(root: FieldNode, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records with their children within them, as the query asks for them."""
    by_id: dict[str, dict[str, Any]] = {}
    roots = []
    for line in lines:
        if "id" in line:
            by_id[line["id"]] = line
    for line in lines:
        parent = line.pop("__parentId", None)
        if parent is None:
            roots.append(line)
        else:
            by_id[parent].setdefault("__children", []).append(line)
    _place(root, roots)
    return roots


def _place(connection: FieldNode, records: list[dict[str, Any]]) -> None:
    inner = [f for f in _record_fields(connection) if _is_connection(f)]
    for record in records:
        children = record.pop("__children", [])
        for part in inner:
            _place(part, children)
            record[part.name.value] = _connection(part, children)


def _connection(connection: FieldNode, records: list[dict[str, Any]]) -> dict[str, Any]:
    if any(p.name.value == "nodes" for p in _fields(connection)):
        return {"nodes": records}
    return {"edges": [{"node": record} for record in records]}


def _record_fields(connection: FieldNode) -> list[FieldNode]:
    for part in _fields(connection):
        if part.name.value == "nodes":
            return _fields(part)
        if part.name.value == "edges":
            return next(_fields(p) for p in _fields(part) if p.name.value == "node")
    return []


def _is_connection(node: FieldNode) -> bool:
    return any(p.name.value in ("nodes", "edges") for p in _fields(node))


def _fields(node: FieldNode) -> list[FieldNode]:
    return [s for s in node.selection_set.selections if isinstance(s, FieldNode)] if node.selection_set else []


def _root_fields(document: DocumentNode) -> list[FieldNode]:
    operation = next(d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    return [s for s in operation.selection_set.selections if isinstance(s, FieldNode)]


def _roots(document: DocumentNode) -> list[str]:
    return [f.name.value for f in _root_fields(document)]


def against(
    schema: GraphQLSchema, document: DocumentNode, data: Mapping[str, Any], variables: Mapping[str, Any]
) -> list[str]:
    """What does not hold of an answer: missing and surplus fields, nulls where none may be, values of no such kind."""

    def resolve(source: Any, info: Any, **_: Any) -> Any:
        key = info.path.key
        if key not in source:
            raise GraphQLError(f"{info.parent_type.name}.{info.field_name} is missing")
        value = source[key]
        kind = get_named_type(info.return_type).name
        if value is not None and kind in _SCALARS and not all(_SCALARS[kind](v) for v in _each(value)):
            raise GraphQLError(f"{value!r} is no {kind}")
        return value

    result = execute_sync(
        schema,
        document,
        root_value=data,
        variable_values=dict(variables),
        field_resolver=resolve,
        type_resolver=lambda value, info, kind: value.get("__typename") or value["id"].split("/")[3],
    )
    faults = [
        f"{e.message} at {'.'.join(str(p) for p in e.path or () if not isinstance(p, int))}"
        for e in result.errors or ()
    ]
    if not faults and json.dumps(result.data, sort_keys=True) != json.dumps(data, sort_keys=True):
        faults.append("the answer has more than was asked for, or other values than the schema makes of them")
    return faults


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return isinstance(value, str)


def _is_time(value: Any) -> bool:
    from datetime import datetime

    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


#: What Shopify says of its own scalars: amounts and long numbers are text, times are ISO 8601 with their offset.
_SCALARS = {
    "Decimal": _is_number,
    "Money": _is_number,
    "UnsignedInt64": lambda v: isinstance(v, str) and v.isdigit(),
    "DateTime": _is_time,
    "URL": lambda v: isinstance(v, str) and v.startswith("http"),
    "ID": lambda v: isinstance(v, str) and v.startswith("gid://shopify/"),
}
