"""How a Salesforce org is asked: what an object's fields are, pages of a query, and records in one form.

A record comes as JSON from a query or as a line of CSV from a job, so both are written down in the same form: the
fields that were asked for, in the order of the description. What is read is in `resources`, jobs are in `bulk`. See
https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from connectors._api.body import encode
from connectors._api.client import Client

API_VERSION = "66.0"
DATA = f"/services/data/v{API_VERSION}"
#: The most that a page of a query has.
MOST = 2000
#: Kinds of fields that jobs cannot give: compounds repeat what single fields say, files are too large.
_LEFT_OUT = frozenset({"address", "location", "base64", "complexvalue", "json"})
#: Turns true by itself when an activity is a year old, and leaves no trace in the time of change.
_FLEETING = frozenset({"IsArchived"})
_READ: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("double", "currency", "percent"), float),
    **dict.fromkeys(("int", "long"), int),
    "boolean": lambda value: value if isinstance(value, bool) else {"true": True, "false": False}[value],
    "datetime": lambda value: f"{value[:-1]}+0000" if value.endswith("Z") else value,
}


@dataclass(frozen=True)
class Field:
    """A field of an object and its kind."""

    name: str
    kind: str

    def value(self, given: Any) -> Any:
        """A value in the form in which it is kept, whether it came as JSON or as text."""
        if given is None or given == "":
            return None
        read = _READ.get(self.kind)
        return read(given) if read else given


@dataclass(frozen=True, kw_only=True)
class Found:
    """A page of a query: records as they are kept, their ids, and whether there are more."""

    records: Sequence[bytes]
    ids: Sequence[str]
    more: bool


def fields(api: Client, name: str) -> list[Field]:
    """The fields of an object that are read."""
    said = api.get(f"{DATA}/sobjects/{name}/describe")
    kept = (field for field in said["fields"] if field["type"] not in _LEFT_OUT and field["name"] not in _FLEETING)
    return [Field(field["name"], field["type"]) for field in kept]


def record(asked: Sequence[Field], values: Iterable[Any]) -> bytes:
    """A record in the form in which it is kept.

    Raises:
        ValueError: a value is not of its field's kind.
    """
    try:
        return encode({field.name: field.value(value) for field, value in zip(asked, values, strict=True)})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a value that is not of its kind ({error})") from None


def page(api: Client, name: str, asked: Sequence[Field], where: str, *, after: str = "") -> Found:
    """Up to 2,000 records of an object in the order of their ids, deleted and archived ones too, after an id."""
    conditions = " AND ".join(part for part in (where, f"Id > '{after}'" if after else "") if part)
    text = select(name, asked, conditions) + f" ORDER BY Id LIMIT {MOST}"
    found: Found = api.get(f"{DATA}/queryAll", {"q": text}, decode=_page_of(name, asked, after))
    return found


def count(api: Client, name: str, where: str) -> int:
    """How many records of an object fit."""
    number: int = api.get(f"{DATA}/queryAll", {"q": select(name, [], where)}, decode=_number)
    return number


def select(name: str, asked: Sequence[Field], where: str) -> str:
    """A query for fields, or for the number where there are none."""
    listed = ",".join(field.name for field in asked) or "COUNT()"
    return f"SELECT {listed} FROM {name}" + (f" WHERE {where}" if where else "")


def _page_of(name: str, asked: Sequence[Field], after: str) -> Callable[[bytes], Found]:
    """Reads an answer, and makes sure that it is one to this query."""

    def decode(body: bytes) -> Found:
        said = orjson.loads(body)
        if not isinstance(said, dict) or not isinstance(said.get("records"), list):
            raise ValueError("no answer to a query")
        rows = said["records"]
        if said["done"] and said["totalSize"] != len(rows):
            raise ValueError(f"{len(rows)} of {said['totalSize']} records")
        if any(row.get("attributes", {}).get("type") != name for row in rows):
            raise ValueError("records of another object")
        if any(field.name not in row for row in rows for field in asked):
            raise ValueError("records without the fields that were asked for")
        ids = [str(row["Id"]) for row in rows]
        if any(id <= after for id in ids):
            raise ValueError("records that were there before")
        records = [record(asked, (row[field.name] for field in asked)) for row in rows]
        return Found(records=records, ids=ids, more=not said["done"] or len(rows) == MOST)

    return decode


def _number(body: bytes) -> int:
    said = orjson.loads(body)
    if not isinstance(said, dict) or said.get("records") != []:
        raise ValueError("no answer to a count")
    return int(said["totalSize"])
