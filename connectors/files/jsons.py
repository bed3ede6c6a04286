"""Reads JSON and NDJSON: one row per object, one text column per key, every number with the digits it was written in.

Nested values become JSON text; true and false become 'true' and 'false'; null and a missing key become NULL. A record
that says two things of one key is no row. `_row` is the line in NDJSON and the number of the record in JSON. A JSON
file is held in memory as text, NDJSON is streamed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

import pyarrow as pa

from connectors.files.options import TableOptions
from connectors.files.staging import Staging, UnreadableError
from connectors.files.text import find_encoding, utf8_blocks

_BATCH = 20_000
_SPACE = " \t\r\n"
#: What Python takes for numbers in JSON, and JSON does not; within nested values they become texts.
_NO_NUMBERS = ("NaN", "Infinity", "-Infinity")
_TOO_DEEP = "it is nested too deeply"


#: A record as it lands, by key.
Texts = dict[str, str | None]


class _Literal(str):
    """A number as it stands in the file."""

    __slots__ = ()


class _RepeatedKeyError(ValueError):
    """An object says two things of one key."""


@dataclass(frozen=True)
class _Refused:
    """A record that is not a row, as it stands in the file."""

    text: str
    reason: str


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = {_storable(key): value for key, value in pairs}
    if len(found) < len(pairs):
        key = next((key for key, value in pairs if found[_storable(key)] != value), None)
        if key is not None:
            raise _RepeatedKeyError(f"the key '{_storable(key)[:50]}' stands twice in one object, with two values")
    return found


_NUMBERS: Any = {"parse_float": _Literal, "parse_int": _Literal, "parse_constant": _Literal}
_DECODER = json.JSONDecoder(object_pairs_hook=_object, **_NUMBERS)
_LENIENT = json.JSONDecoder(**_NUMBERS)


def read(path: Path, table: TableOptions, staging: Staging) -> None:
    """Reads a file of one JSON document, or of many one after the other.

    Raises:
        UnreadableError: the document is not valid JSON or holds no list of objects.
    """
    text = b"".join(utf8_blocks(path, find_encoding(path, table.encoding))).decode()
    if table.records is None and _is_ndjson(text):
        _stage(_parsed_lines(enumerate(text.split("\n"), start=1), staging), staging)
        return
    _stage(_objects(_elements(text, table.records), staging), staging)


def read_lines(path: Path, table: TableOptions, staging: Staging) -> None:
    """Reads NDJSON; a line that is not an object is rejected alone."""
    encoding = find_encoding(path, table.encoding)
    _stage(_parsed_lines(_lines(path, encoding), staging), staging)


def keys(path: Path, table: TableOptions, *, lines: bool, limit: int = 1000) -> list[str]:
    """Gives the keys of the first records."""
    encoding = find_encoding(path, table.encoding, whole=False)
    throwaway = Staging.nowhere()
    text = "" if lines else b"".join(utf8_blocks(path, encoding)).decode()
    if lines or (table.records is None and _is_ndjson(text)):
        numbered = _lines(path, encoding) if lines else enumerate(text.split("\n"), start=1)
        records = _parsed_lines(numbered, throwaway)
    else:
        records = _objects(_elements(text, table.records), throwaway)
    found: dict[str, None] = {}
    for (_, record), _count in zip(records, range(limit), strict=False):
        found.update(dict.fromkeys(record))
    return list(found)


def _lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    number, carry = 0, b""
    for block in utf8_blocks(path, encoding):
        *whole, carry = (carry + block).split(b"\n")
        for line in whole:
            number += 1
            yield number, line.decode()
    yield number + 1, carry.decode()


def _parsed_lines(lines: Iterator[tuple[int, str]], staging: Staging) -> Iterator[tuple[int, Texts]]:
    for number, line in lines:
        bare = line.strip()
        if not bare:
            continue
        try:
            record = _DECODER.decode(bare)
            if isinstance(record, dict):
                yield number, _texts(record, staging)
            else:
                staging.reject(number, bare, f"it holds {_kind(record)}, not an object")
        except _RepeatedKeyError as error:
            staging.reject(number, bare, str(error))
        except ValueError as error:
            staging.reject(number, bare, f"it is not valid JSON: {error}")
        except RecursionError:
            staging.reject(number, bare, _TOO_DEEP)


def _is_ndjson(text: str) -> bool:
    """Tells whether a first object is followed by another on a line of its own."""
    start = len(text) - len(text.lstrip(_SPACE))
    if not text.startswith("{", start):
        return False
    first_line = text[start:].split("\n", 1)[0].strip()
    try:
        _LENIENT.decode(first_line)
    except (ValueError, RecursionError):
        return False
    return bool(text[start + len(first_line) :].strip())


def _elements(text: str, records: str | None) -> Iterator[tuple[int, Any]]:
    """Gives the numbered members of the document's list, one at a time if the list is the whole document."""
    start = len(text) - len(text.lstrip(_SPACE))
    if records is not None or not text.startswith("[", start):
        yield from enumerate(_list_in(_decoded(text, start), records), start=1)
        return
    position, number = _after_space(text, start + 1), 0
    if text.startswith("]", position):
        _nothing_after(text, position + 1)
        return
    while True:
        number += 1
        value, position = _value_at(text, position)
        yield number, value
        position = _after_space(text, position)
        if text.startswith("]", position):
            _nothing_after(text, position + 1)
            return
        if not text.startswith(",", position):
            raise _invalid(text, position, "a comma or the end of the list is missing")
        position = _after_space(text, position + 1)


def _decoded(text: str, start: int) -> Any:
    value, end = _value_at(text, start)
    _nothing_after(text, end)
    if isinstance(value, _Refused):
        raise UnreadableError(value.reason)
    return value


def _value_at(text: str, position: int) -> tuple[Any, int]:
    try:
        try:
            return _DECODER.raw_decode(text, position)
        except _RepeatedKeyError as error:
            end = _LENIENT.raw_decode(text, position)[1]
            return _Refused(text[position:end], str(error)), end
    except json.JSONDecodeError as error:
        raise _invalid(text, error.pos, error.msg) from error
    except RecursionError as error:
        raise _invalid(text, position, _TOO_DEEP) from error


def _after_space(text: str, position: int) -> int:
    while text[position : position + 1] in _SPACE and position < len(text):
        position += 1
    return position


def _nothing_after(text: str, position: int) -> None:
    position = _after_space(text, position)
    if position < len(text):
        raise _invalid(text, position, "something follows the end of the document")


def _invalid(text: str, position: int, what: str) -> UnreadableError:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return UnreadableError(f"it is not valid JSON at line {line} column {column}: {what}", line)


def _list_in(document: Any, records: str | None) -> list[Any]:
    if records is not None:
        found = document
        for key in records.split("."):
            found = found.get(key) if isinstance(found, dict) else None
        if not isinstance(found, list):
            raise UnreadableError(f"it has no list at records = '{records}'")
        return found
    if isinstance(document, list):
        return document
    if not isinstance(document, dict):
        raise UnreadableError(f"it holds {_kind(document)}, not a list of objects")
    lists = {key: value for key, value in document.items() if isinstance(value, list)}
    if len(lists) > 1:
        raise UnreadableError(f"it holds several lists ({', '.join(lists)}); name one with the table's option records")
    return next(iter(lists.values())) if lists else [document]


def _objects(elements: Iterator[tuple[int, Any]], staging: Staging) -> Iterator[tuple[int, Texts]]:
    for number, element in elements:
        if isinstance(element, _Refused):
            staging.reject(number, element.text, element.reason)
            continue
        if not isinstance(element, dict):
            raise UnreadableError(f"record {number} is {_kind(element)}, not an object")
        try:
            yield number, _texts(element, staging)
        except RecursionError as error:
            raise UnreadableError(f"record {number}: {_TOO_DEEP}") from error


def _stage(records: Iterator[tuple[int, Texts]], staging: Staging) -> None:
    headers: dict[str, None] = {}
    batch: list[tuple[int, Texts]] = []
    for record in records:
        batch.append(record)
        if len(batch) == _BATCH:
            _flush(batch, headers, staging)
            batch = []
    _flush(batch, headers, staging)
    if not headers and not staging.rejected:
        raise UnreadableError("it holds no record, so its columns cannot be known")


def _flush(batch: list[tuple[int, Texts]], headers: dict[str, None], staging: Staging) -> None:
    for _, record in batch:
        headers.update(dict.fromkeys(record))
    names = staging.head(list(headers))
    columns = {
        name: pa.array([record.get(key) for _, record in batch], pa.string())
        for name, key in zip(names, headers, strict=True)
    }
    if batch:
        staging.add(columns, pa.array([number for number, _ in batch], pa.int64()))


def _texts(record: dict[str, Any], staging: Staging) -> Texts:
    texts: Texts = {}
    for key, value in record.items():
        said = value if value is None or isinstance(value, str) else _dump(value)
        texts[key] = said if said is None else _storable(said)
        staging.mended += texts[key] != said
    return texts


def _dump(value: Any) -> str:
    """Writes JSON with the numbers' own digits."""
    if isinstance(value, _Literal) and value not in _NO_NUMBERS:
        return str(value)
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{encode_basestring(key)}: {_dump(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_dump, value)) + "]"
    return {None: "null", True: "true", False: "false"}[value]


def _storable(text: str) -> str:
    """Replaces half surrogate pairs, which JSON can spell and UTF-8 cannot, by U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _kind(value: Any) -> str:
    if isinstance(value, _Literal):
        return "a number"
    return {dict: "an object", list: "a list", str: "a text", bool: "true or false"}.get(type(value), "null")
