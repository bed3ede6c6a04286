"""Bulk operations: a query that runs by itself and leaves a file, a record a line, children with their parent's id.

What Shopify refuses in such a query: https://shopify.dev/docs/api/usage/bulk-operations/queries. The file is written by
a small engine of its own: it asks for fields as the other does, but one that makes millions of values has to be quick.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    parse,
    validate,
)
from graphql.execution.values import get_argument_values

from sandbox.store import Record, Store
from sandbox.vendors.shopify.admin import Resolve, reader, schema
from sandbox.vendors.shopify.lists import ROOTS, Args, Body, Context, every, gid, number_of

AT_ONCE, CONNECTIONS, DEPTH = 5, 5, 2
_BATCH = 500
_FIRST = 4_000_000_000_000


@dataclass(frozen=True, kw_only=True)
class _Field:
    """A field of a bulk query, made ready to be asked for many times."""

    key: str
    name: str
    kind: str
    returns: str
    read: Resolve
    args: dict[str, Any]
    fields: tuple[_Field, ...] = ()
    is_connection: bool = False
    uses_nodes: bool = False
    is_list: bool = False


class Bulk:
    """The bulk operations of an app at a shop."""

    def __init__(self, store: Store, now: Callable[[], int]) -> None:
        self._store, self._now = store, now
        self._running: dict[str, threading.Thread] = {}
        self._lock = threading.RLock()

    def run(self, context: Context, query: str, *, group: bool) -> Body:
        """Starts an operation; gives the mutation's payload."""
        root, problems = _prepared(query)
        if root is None or problems:
            return _refused([{"field": ["query"], "message": p, "code": "INVALID"} for p in problems])
        with self._lock:
            busy = [i for i, t in self._running.items() if t.is_alive()]
            if len(busy) >= AT_ONCE:
                message = f"A bulk query operation for this app and shop is already in progress: {busy[0]}."
                return _refused([{"field": None, "message": message, "code": "OPERATION_IN_PROGRESS"}])
            number = str(_FIRST + self._store.count("bulk", deleted=None) * 16)
            body = {
                **{"id": number, "type": "QUERY", "status": "CREATED", "query": query, "createdAt": self._time()},
                **{"objectCount": 0, "rootObjectCount": 0, "group": group, "seen": 0},
            }
            self._put(body)
            own = replace(context, is_bulk=True, memo={}, search=[])
            thread = threading.Thread(target=self._work, args=(own, root, body), daemon=True)
            self._running[gid("BulkOperation", number)] = thread
            thread.start()
        return {"bulkOperation": body, "userErrors": []}

    def get(self, context: Context, global_id: str) -> Body | None:
        """An operation as it stands. The first look never finds it finished, however quick it was."""
        with self._lock:
            record = self._store.get("bulk", number_of(global_id, "BulkOperation"))
            if record is None:
                return None
            body = record.body
            if body["status"] in ("CREATED", "RUNNING") and global_id not in self._running:
                # The server that ran it is gone.
                body = {**body, "status": "FAILED", "errorCode": "INTERNAL_SERVER_ERROR"}
            self._put({**body, "seen": body["seen"] + 1})
        if body["seen"] == 0 and body["status"] in ("COMPLETED", "FAILED"):
            return {
                **body,
                "status": "RUNNING",
                "errorCode": None,
                "file": False,
                "completedAt": None,
                "fileSize": None,
            }
        return body

    def latest(self, context: Context, kind: str = "QUERY") -> Body | None:
        """The last operation that was started."""
        found = self._store.page("bulk", limit=1, descending=True)
        return self.get(context, gid("BulkOperation", found[0].id)) if found and kind == "QUERY" else None

    def cancel(self, context: Context, global_id: str) -> Body:
        """Cancels an operation; one that has ended says so."""
        with self._lock:
            body = self.get(context, global_id)
            if body is None:
                return _refused([{"field": ["id"], "message": "Bulk operation does not exist"}])
            if body["status"] in ("CREATED", "RUNNING"):
                body = {**body, "status": "CANCELED"}
                self._put(body)
        return {"bulkOperation": body, "userErrors": []}

    def file(self, number: str) -> Path:
        """Where an operation's lines are."""
        return self._store.path.with_suffix("") / f"bulk-{number}.jsonl"

    def _work(self, context: Context, root: _Field, body: Body) -> None:
        self._stands({**body, "status": "RUNNING"})
        path, lines, roots = self.file(body["id"]), 0, 0
        path.parent.mkdir(parents=True, exist_ok=True)
        # What stands if anything unforeseen ends the work, so that nobody waits for it for ever.
        ending: Body = {"status": "FAILED", "errorCode": "INTERNAL_SERVER_ERROR"}
        try:
            with path.open("wb") as file:
                for line in _lines(context, root, group=body["group"]):
                    file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
                    lines, roots = lines + 1, roots + ("__parentId" not in line)
            ending = {"status": "COMPLETED", "errorCode": None}
        except GraphQLError:
            ending = {"status": "FAILED", "errorCode": "ACCESS_DENIED"}
        finally:
            has_file = ending["status"] == "COMPLETED" and lines > 0
            size = path.stat().st_size if has_file else None
            counts = {"objectCount": lines, "rootObjectCount": roots, "fileSize": size, "file": has_file}
            self._stands({**body, **ending, **counts, "completedAt": self._time()})

    def _stands(self, body: Body) -> None:
        """Writes down how an operation stands, unless it was cancelled meanwhile."""
        with self._lock:
            current = self._store.get("bulk", body["id"])
            if current is None or current.body["status"] != "CANCELED":
                self._put(body)

    def _put(self, body: Body) -> None:
        before = self._store.get("bulk", body["id"])
        seen = max(body["seen"], before.body["seen"] if before else 0)
        at = self._now()
        self._store.put("bulk", [Record(id=body["id"], body={**body, "seen": seen}, created=at, updated=at)])

    def _time(self) -> str:
        return datetime.fromtimestamp(self._now() / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _refused(errors: list[Body]) -> Body:
    return {"bulkOperation": None, "userErrors": errors}


def _prepared(query: str) -> tuple[_Field | None, list[str]]:
    """The query's one list, and what Shopify has against it."""
    try:
        document = parse(query)
    except GraphQLSyntaxError as error:
        return None, [f"Invalid bulk query: {error.message}"]
    problems = [f"Invalid bulk query: {error.message}" for error in validate(schema(), document)]
    if problems:
        return None, problems
    operation = next(d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    if operation.operation != OperationType.QUERY:
        return None, ["Invalid operation type. Only `query` operations are supported."]
    if operation.variable_definitions:
        return None, ["Invalid bulk query: variables are not supported."]
    fields = _fields(schema().query_type, operation.selection_set, document)
    if len(fields) != 1:
        return None, ["Bulk queries must contain exactly one top level field."]
    return fields[0], _objections(fields[0])


def _objections(root: _Field) -> list[str]:
    if root.name in ("node", "nodes"):
        return ["Bulk queries cannot contain a top level `node` field."]
    problems = []
    lists = list(_connections(root, 0, False))
    through = ", ".join(f"'{f.name}'" for f, _, _ in lists if f.uses_nodes)
    if through:
        problems.append(
            "All connection fields in a bulk query must select their contents using 'edges' > 'node', e.g: "
            f"'{root.name} {{ edges {{ node {{'. Selecting via 'nodes' is not supported. "
            f"Invalid connection fields: {through}."
        )
    if not lists:
        problems.append("Bulk queries must contain at least one connection.")
    elif root.name not in ROOTS:
        problems.append(f"The sandbox runs bulk queries of {', '.join(ROOTS)}, not of {root.name}.")
    if any(True for f, _, _ in lists for c in f.fields if not c.is_connection for _ in _connections(c, 0, False)):
        problems.append("The sandbox runs bulk queries whose lists lie directly in the records of other lists.")
    if len(lists) > CONNECTIONS:
        problems.append("Bulk queries cannot contain more than 5 connections.")
    if any(depth > DEPTH for _, depth, _ in lists):
        problems.append("Bulk queries cannot contain connections with a nesting depth greater than 2.")
    if any(within for _, _, within in lists):
        problems.append("Queries that contain a connection field within a list field are not currently supported.")
    parents = [f for f, _, _ in lists if any(True for c in f.fields for _ in _connections(c, 0, False))]
    for name in [f.name for f in parents if not any(c.key == "id" for c in f.fields)]:
        problems.append(
            "The parent 'node' field for a nested connection must select the 'id' field without an alias and must be "
            f"of 'ID' return type. Connection fields without 'id': {name}."
        )
    return problems


def _connections(field: _Field, depth: int, within: bool) -> Iterator[tuple[_Field, int, bool]]:
    """The lists with pages in a field, how deep they lie, and whether in a plain list."""
    if field.is_connection:
        yield field, depth, within
        depth += 1
    for child in field.fields:
        yield from _connections(child, depth, within or field.is_list)


def _fields(parent: Any, selection: SelectionSetNode, document: DocumentNode) -> tuple[_Field, ...]:
    found: list[_Field] = []
    for node in selection.selections:
        if isinstance(node, FieldNode):
            found.append(_field(parent, node, document))
            continue
        fragment: Any = node
        if isinstance(node, FragmentSpreadNode):
            fragments = [d for d in document.definitions if isinstance(d, FragmentDefinitionNode)]
            fragment = next(d for d in fragments if d.name.value == node.name.value)
        name = fragment.type_condition.name.value if fragment.type_condition else parent.name
        found += _fields(schema().type_map[name], fragment.selection_set, document)
    return tuple(found)


def _field(parent: Any, node: FieldNode, document: DocumentNode) -> _Field:
    name = node.name.value
    key = node.alias.value if node.alias else name
    if name == "__typename":
        return _Field(key=key, name=name, kind=parent.name, returns="String", read=_typename, args={})
    definition = parent.fields[name]
    returns, bare = get_named_type(definition.type), definition.type
    bare = bare.of_type if isinstance(bare, GraphQLNonNull) else bare
    is_connection = returns.name.endswith("Connection")
    selection = node.selection_set
    fields = _fields(returns, selection, document) if selection else ()
    uses_nodes = is_connection and any(f.name == "nodes" for f in fields)
    if is_connection:
        fields = _records(fields)
    return _Field(
        key=key,
        name=name,
        kind=parent.name,
        returns=returns.name,
        read=reader(parent.name, name, returns.name),
        args=get_argument_values(definition, node, {}),
        fields=fields,
        is_connection=is_connection,
        uses_nodes=uses_nodes,
        is_list=isinstance(bare, GraphQLList),
    )


def _typename(context: Context, source: Body, args: Args) -> object:
    return source["__typename"]


def _records(fields: tuple[_Field, ...]) -> tuple[_Field, ...]:
    """What is asked of the records of a list, whether through `nodes` or through `edges`."""
    for field in fields:
        if field.name == "nodes":
            return field.fields
        if field.name == "edges":
            return next((f.fields for f in field.fields if f.name == "node"), ())
    return ()


def _lines(context: Context, root: _Field, *, group: bool) -> Iterator[Body]:
    """Records and their children; unless grouped, children come where Shopify got round to them."""
    waiting: list[Body] = []
    for number, body in enumerate(every(context, root.name, root.args), 1):
        line, children = _line(context, root, body, None)
        yield line
        if group:
            yield from children
            continue
        waiting += children
        if number % _BATCH == 0:
            yield from waiting
            waiting = []
    yield from waiting


def _line(context: Context, connection: _Field, body: Body, parent: str | None) -> tuple[Body, list[Body]]:
    line, children = {}, []
    kind = connection.returns.removesuffix("Connection")
    for field in connection.fields:
        if not field.is_connection:
            line[field.key] = _value(context, field, body)
            continue
        own = gid(kind, body["id"])
        children_of: Any = field.read(context, body, field.args)
        for child in children_of:
            below, more = _line(context, field, child, own)
            children += [below, *more]
    if parent is not None:
        line["__parentId"] = parent
    return line, children


def _value(context: Context, field: _Field, source: Body) -> Any:
    value: Any = field.read(context, source, field.args)
    if value is None or not field.fields:
        return str(value) if field.returns == "UnsignedInt64" and value is not None else value
    if field.is_list:
        return [{f.key: _value(context, f, one) for f in field.fields} for one in value]
    return {f.key: _value(context, f, value) for f in field.fields}
