"""Notices fields that appear, vanish or change their kind in the records of an interface.

Works on the shapes of records, which DuckDB tells; what becomes of a change is the caller's business.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

#: Objects with more fields than this are maps with data for keys, so their keys are no fields.
_MAP = 300
_DEPTH = 5
#: A field is only missed where there were enough records, and nearly all of those before had it.
ENOUGH_ROWS = 50
_NEARLY_ALL = 0.98

_KINDS = {
    "VARCHAR": "text",
    "BOOLEAN": "boolean",
    "BIGINT": "number",
    "UBIGINT": "number",
    "HUGEINT": "number",
    "DOUBLE": "number",
    "NULL": "",
}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A field in some records: its kind, empty where it was always null, and the share of records that have it."""

    kind: str
    share: float


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A field that changed."""

    path: str
    change: Literal["added", "dropped", "type"]
    detail: str


def fields_of(shapes: Iterable[tuple[str, int]]) -> dict[str, Seen]:
    """Gives the fields of records by dotted path; `[]` stands for the elements of a list.

    Args:
        shapes: DuckDB's json_structure of records, and how many records have it.
    """
    kinds: dict[str, set[str]] = {}
    counts: dict[str, int] = {}
    rows = 0
    for shape, count in shapes:
        rows += count
        for path, kind in _walk(json.loads(shape), "", 0):
            kinds.setdefault(path, set()).add(kind)
            counts[path] = counts.get(path, 0) + count
    return {path: Seen(kind="/".join(sorted(kinds[path] - {""})), share=counts[path] / rows) for path in counts}


def compare(known: Mapping[str, Seen], now: Mapping[str, Seen], rows: int) -> list[Drift]:
    """Gives what changed between the fields known and those of `rows` records seen now."""
    if not known:
        return []
    found: list[Drift] = []
    for path, seen in now.items():
        before = known.get(path)
        if before is None and not _inside(path, found):
            found.append(Drift(path=path, change="added", detail=f"the field {path} is new"))
        elif before is not None and _is_other(before.kind, seen.kind):
            detail = f"the field {path} was {before.kind} and is {seen.kind} now"
            found.append(Drift(path=path, change="type", detail=detail))
    if rows >= ENOUGH_ROWS:
        for path, before in known.items():
            if path not in now and before.share >= _NEARLY_ALL and not _inside(path, found):
                found.append(Drift(path=path, change="dropped", detail=f"the field {path} is not there any more"))
    return found


def merged(known: Mapping[str, Seen], now: Mapping[str, Seen], changes: Iterable[Drift]) -> dict[str, Seen]:
    """Gives what is known of the fields from now on."""
    dropped = {one.path for one in changes if one.change == "dropped"}
    kept = {path: seen for path, seen in known.items() if not any(_is_or_in(path, gone) for gone in dropped)}
    new = {path: seen for path, seen in now.items() if path not in kept or _is_other(kept[path].kind, seen.kind)}
    named = {
        path: Seen(kind=now[path].kind, share=seen.share)
        for path, seen in kept.items()
        if not seen.kind and path in now and now[path].kind
    }
    return {**kept, **named, **new}


def _walk(shape: Any, path: str, depth: int) -> Iterable[tuple[str, str]]:
    if isinstance(shape, dict):
        if path:
            yield path, "object"
        if len(shape) <= _MAP and depth < _DEPTH:
            for name, inner in shape.items():
                yield from _walk(inner, f"{path}.{name}" if path else name, depth + 1)
    elif isinstance(shape, list):
        if path:
            yield path, "list"
        for inner in shape[:1]:
            yield from _walk(inner, f"{path}[]", depth + 1)
    elif path:
        yield path, _KINDS.get(str(shape), "text")


def _is_other(before: str, now: str) -> bool:
    """Whether the kinds contradict each other; a mixture that contains what was known is none."""
    old, new = set(before.split("/")) - {""}, set(now.split("/")) - {""}
    return bool(old and new and not new <= old)


def _is_or_in(path: str, outer: str) -> bool:
    return path == outer or path.startswith((f"{outer}.", f"{outer}["))


def _inside(path: str, changes: Iterable[Drift]) -> bool:
    """Whether the field lies within one that is named already."""
    return any(_is_or_in(path, one.path) for one in changes if one.change != "type")
