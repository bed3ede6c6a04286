"""What a query costs at Shopify, and the bucket that it is paid from.

The rules: https://shopify.dev/docs/api/usage/limits. How a list is sized by `first` Shopify does not publish; here it
is 2 + 2·ln(first) times what a record costs, and amounts are free, which fits what pages of a real shop were seen to
cost: 13 for 250 plain orders, 156 with 250 bare lines each, 167 for 250 products with options and 250 variants each.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_composite_type,
)

#: Points of the Standard plan: 100 are restored a second, into a bucket of twenty times that.
RESTORED, HELD = 100.0, 2000.0
MOST = 1000
_MUTATION, _LIST, _OBJECT = 10, 2, 1
_FREE = ("MoneyBag", "MoneyV2")


@dataclass
class Bucket:
    """Points left for an app at a shop. A query is let in by what it may cost, and pays what it did cost."""

    ease: float = 1.0
    _left: float = field(init=False)
    _at: float = field(init=False)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        """Starts full."""
        self._left, self._at = self.held, time.monotonic()

    @property
    def held(self) -> float:
        """How many points there can be."""
        return HELD * self.ease

    @property
    def restored(self) -> float:
        """How many points come back in a second."""
        return RESTORED * self.ease

    def lets_in(self, requested: int) -> bool:
        """Whether there are points for a query that may cost this much."""
        with self._lock:
            self._restore()
            return self._left >= requested

    def pay(self, actual: int) -> None:
        """Takes points."""
        with self._lock:
            self._restore()
            self._left -= actual

    def status(self) -> dict[str, float]:
        """The state, as answers tell it."""
        with self._lock:
            self._restore()
            return {
                "maximumAvailable": self.held,
                "currentlyAvailable": math.floor(self._left),
                "restoreRate": self.restored,
            }

    def _restore(self) -> None:
        now = time.monotonic()
        self._left = min(self.held, self._left + (now - self._at) * self.restored)
        self._at = now


@dataclass(frozen=True)
class Pricer:
    """Prices the operations of one request."""

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]

    def requested(self, operation: OperationDefinitionNode) -> int:
        """What the operation may cost at most."""
        return self._operation(operation, None)

    def actual(self, operation: OperationDefinitionNode, data: Mapping[str, Any] | None) -> int:
        """What it did cost, by the records that came."""
        return self._operation(operation, data or {})

    def _operation(self, operation: OperationDefinitionNode, data: Any) -> int:
        root = self.schema.get_root_type(operation.operation)
        whole = self._selection(root, operation.selection_set, data)
        return whole + (_MUTATION if operation.operation.value == "mutation" else 0)

    def _selection(self, parent: Any, selection: SelectionSetNode, data: Any) -> int:
        total = 0
        for node in selection.selections:
            if isinstance(node, FieldNode):
                total += self._field(parent, node, data)
            elif isinstance(node, FragmentSpreadNode):
                fragment = self.fragments[node.name.value]
                on = self.schema.type_map[fragment.type_condition.name.value]
                total += self._selection(on, fragment.selection_set, data)
            elif isinstance(node, InlineFragmentNode):
                on = self.schema.type_map[node.type_condition.name.value] if node.type_condition else parent
                total += self._selection(on, node.selection_set, data)
        return total

    def _field(self, parent: Any, node: FieldNode, data: Any) -> int:
        name = node.name.value
        if name.startswith("__") or node.selection_set is None:
            return 0
        kind = get_named_type(parent.fields[name].type)
        value = None if data is None else _at(data, node)
        if data is not None and value is None:
            return 0
        if kind.name.endswith("Connection"):
            return self._list(kind, node, value)
        own = 0 if kind.name in _FREE or not is_composite_type(kind) else _OBJECT
        if name == "nodes":
            own *= self._many(node, "ids", value)
        # A list without pages counts as one, as Shopify's figures show.
        if isinstance(value, list):
            value = max((one for one in value if one is not None), key=len, default={})
        return own + self._selection(kind, node.selection_set, value)

    def _list(self, kind: GraphQLObjectType, node: FieldNode, value: Any) -> int:
        count = self._many(node, "first", None if value is None else _records(value))
        inner = 0
        for part in node.selection_set.selections if node.selection_set else ():
            if isinstance(part, FieldNode) and part.name.value in ("nodes", "edges") and part.selection_set:
                inner = max(inner, self._record(kind, part, value))
        return _LIST + round(2 * math.log(max(count, 1))) * inner

    def _record(self, kind: GraphQLObjectType, part: FieldNode, value: Any) -> int:
        """What one record of a list costs, at most."""
        target, selection = get_named_type(kind.fields[part.name.value].type), part.selection_set
        if selection is None:
            return 0
        records = None if value is None else list(value.get(part.name.value) or [])
        if part.name.value == "edges":
            inner = [p for p in selection.selections if isinstance(p, FieldNode) and p.name.value == "node"]
            if not inner or inner[0].selection_set is None:
                return 0
            target, selection = get_named_type(target.fields["node"].type), inner[0].selection_set
            records = None if records is None else [edge.get("node") for edge in records]
        if records is None:
            return _OBJECT + self._selection(target, selection, None)
        return max((_OBJECT + self._selection(target, selection, r) for r in records[:3]), default=0)

    def _many(self, node: FieldNode, argument: str, value: Any) -> int:
        if value is not None:
            return len(value) if isinstance(value, Sequence) else 1
        for given in node.arguments or ():
            if given.name.value == argument:
                wanted: Any = given.value
                if isinstance(wanted, VariableNode):
                    found = self.variables.get(wanted.name.value) or 0
                    return len(found) if isinstance(found, list) else int(found)
                return int(wanted.value) if isinstance(wanted, IntValueNode) else len(wanted.values)
        return 1


def _at(data: Any, node: FieldNode) -> Any:
    key = node.alias.value if node.alias else node.name.value
    return data.get(key) if isinstance(data, dict) else None


def _records(value: Mapping[str, Any]) -> list[Any]:
    return list(value.get("nodes") or value.get("edges") or [])
