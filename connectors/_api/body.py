"""Cuts the body of an answer into its records without reading them: each stays the bytes that the vendor sent.

msgspec checks the JSON and finds where records begin and end; no number is parsed, so none loses a digit. What the cut
records mean is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec


@cache
def envelope(*, needs: str | None = None, **fields: Any) -> Callable[[bytes], Any]:
    """Makes a decoder of answers: an object with these fields, absent ones None.

    A field is a type, or a (path, type) pair where the answer nests it or names it otherwise:
    `envelope(results=RECORDS, after=("paging.next.after", str))` reads the fields `results` and `after`.

    Args:
        needs: a field without which the body is no answer, such as the list of records where the vendor always sends
            one: an error told with status 200 must not pass for the last page.
        fields: what to read.

    Returns:
        A function from a body to an object with the fields as attributes; it raises ValueError for a body that is no
        such JSON.
    """
    paths = {name: (kind if isinstance(kind, tuple) else (name, kind)) for name, kind in fields.items()}
    decoder = msgspec.json.Decoder(_struct(paths))
    names = {name: path.split(".") for name, (path, _) in paths.items()}

    def decode(body: bytes) -> Any:
        found = decoder.decode(body)
        opened = Opened(**{name: _at(found, path) for name, path in names.items()})
        if needs is not None and getattr(opened, needs) is None:
            raise ValueError(f"no {'.'.join(names[needs])} in it")
        return opened

    return decode


class Opened:
    """The fields of an answer."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the answer was not opened with a field {name}")


#: The records of an answer, uncut within: the type for `envelope`.
RECORDS = list[msgspec.Raw]

_records = msgspec.json.Decoder(RECORDS)


def records(body: bytes) -> list[Any]:
    """Cuts a body that is an array of records."""
    return _records.decode(body)


def lines(body: bytes) -> list[bytes]:
    """Cuts a body that is one JSON record a line."""
    return [line for line in body.splitlines() if line.strip()]


def encode(value: Any) -> bytes:
    """JSON of a record that had to be put together from parts, as where a vendor sends columns and rows apart."""
    import orjson

    return orjson.dumps(value)


def struct_of(paths: dict[str, Any]) -> type[msgspec.Struct]:
    """A type with the fields at these dotted paths, each optional."""
    return _struct({path: (path, kind) for path, kind in paths.items()})


def at(found: Any, path: str) -> Any:
    """The value at a dotted path of a decoded `struct_of`, None if it is absent."""
    if "." not in path:
        return getattr(found, found._names[path])
    return _at(found, path.split("."))


def _struct(paths: dict[str, tuple[str, Any]]) -> type[msgspec.Struct]:
    tree: dict[str, Any] = {}
    for path, kind in paths.values():
        *parents, leaf = path.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = kind
    return _level(tree)


def _level(tree: dict[str, Any]) -> type[msgspec.Struct]:
    fields: list[Any] = []
    names: dict[str, str] = {}
    for number, (name, kind) in enumerate(tree.items()):
        # Field names of vendors need not be names in Python.
        field = f"f{number}"
        names[field] = name
        fields.append((field, (_level(kind) if isinstance(kind, dict) else kind) | None, None))
    return msgspec.defstruct("Part", fields, rename=names, namespace={"_names": {v: k for k, v in names.items()}})


def _at(found: Any, path: list[str]) -> Any:
    for name in path:
        if found is None:
            return None
        found = getattr(found, found._names[name])
    return found
