"""Runs a bulk operation of Shopify's and gives its records with their children, a batch at a time.

The operation's id is the first position, so that a load that was cut off goes on with the export that it ordered. Lines
come in any order, a child far from its parent; DuckDB brings them together on disk.
"""

from __future__ import annotations

import itertools
import logging
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors._api.client import ApiError
from connectors._api.resource import Reading
from connectors.shopify.graphql import queried

log = logging.getLogger(__name__)

_BATCH = 500
_LONGEST_PAUSE = 20.0
#: A record and its children.
Record = tuple[dict[str, Any], list[dict[str, Any]]]
_FIELDS = "id status errorCode createdAt objectCount rootObjectCount url"


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Some records of an export, each with its children; the position after them, and when the export began."""

    records: list[Record]
    position: dict[str, Any]
    began: str


def exported(reading: Reading, name: str, query: str, position: dict[str, Any], scopes: str) -> Iterator[Batch]:
    """Orders an export, or goes on with the one of the position, and gives its records.

    Args:
        name: tells this export from others that run beside it.
        scopes: what the app needs for it, for the sentence where it is refused.
    """
    operation = _asked(reading, name, position["bulk"]) if "bulk" in position else None
    if operation is None or operation["status"] in ("CANCELED", "CANCELING", "EXPIRED", "FAILED"):
        operation, position = _started(reading, name, query), {}
        yield Batch(records=[], position={"bulk": operation["id"]}, began=operation["createdAt"])
    operation = _finished(reading, name, operation, scopes)
    began, done = operation["createdAt"], int(position.get("done", 0))
    if operation["url"] is None:
        yield Batch(records=[], position={"bulk": operation["id"]}, began=began)
        return
    with tempfile.TemporaryDirectory(prefix="millpond-shopify-") as folder:
        path = _downloaded(reading, operation, Path(folder) / "lines.jsonl")
        for batch in _batches(path, done):
            done += len(batch)
            yield Batch(records=batch, position={"bulk": operation["id"], "done": done}, began=began)
        yield Batch(records=[], position={"bulk": operation["id"], "done": done}, began=began)


def _started(reading: Reading, name: str, query: str) -> dict[str, Any]:
    """Orders an export; while the shop runs as many as it may, waits."""
    mutation = (
        f"mutation($query: String!) {{ {name}: bulkOperationRunQuery(query: $query) {{ "
        f"bulkOperation {{ {_FIELDS} }} userErrors {{ field message code }} }} }}"
    )
    ends, pause = time.monotonic() + reading.options.bulk_hours * 3600, _first_pause(reading)
    while True:
        payload = queried(reading.api, mutation, {"query": query}, needs=name)[name]
        if payload["bulkOperation"] is not None:
            return payload["bulkOperation"]
        said = "; ".join(error["message"] for error in payload["userErrors"])
        busy = any(error["code"] in ("OPERATION_IN_PROGRESS", "LIMIT_REACHED") for error in payload["userErrors"])
        if not busy or time.monotonic() > ends:
            raise ApiError(f"Shopify (source '{reading.api.source}') does not export {name}: {said}", 400)
        pause = _wait(pause)


def _asked(reading: Reading, name: str, operation: str) -> dict[str, Any] | None:
    """An export as it stands; None if Shopify has forgotten it."""
    query = f"query($id: ID!) {{ shop {{ id }} {name}: bulkOperation(id: $id) {{ {_FIELDS} }} }}"
    said = queried(reading.api, query, {"id": operation}, needs="shop").get(name)
    return said if said is None or said["id"] == operation else None


def _finished(reading: Reading, name: str, operation: dict[str, Any], scopes: str) -> dict[str, Any]:
    place = f"Shopify (source '{reading.api.source}'), export of {name}"
    ends, pause = time.monotonic() + reading.options.bulk_hours * 3600, _first_pause(reading)
    while operation["status"] != "COMPLETED":
        if operation["errorCode"] == "ACCESS_DENIED":
            raise ApiError(f"{place}: the app may not read all of it; it needs the scopes {scopes}.", 403)
        if operation["status"] not in ("CREATED", "RUNNING"):
            raise ApiError(f"{place}: it ended as {operation['status']} ({operation['errorCode']}); load again.", 500)
        if time.monotonic() > ends:
            raise ApiError(
                f"{place}: it still runs after {reading.options.bulk_hours:g} h; the next load goes on with it."
            )
        pause = _wait(pause)
        operation = _asked(reading, name, operation["id"]) or operation
    return operation


def _first_pause(reading: Reading) -> float:
    return max(reading.api.patience.first_pause_seconds, 0.01)


def _wait(pause: float) -> float:
    time.sleep(pause)
    return min(_LONGEST_PAUSE, pause * 1.5)


def _downloaded(reading: Reading, operation: dict[str, Any], path: Path) -> Path:
    """The file of an export, whole: as many lines as Shopify counted.

    Raises:
        ApiError: it does not come whole.
    """
    expected = int(operation["objectCount"])
    for _ in range(reading.api.patience.attempts):
        reading.api.download(operation["url"], path)
        lines = _whole_lines(path)
        if lines == expected:
            return path
        log.info("Shopify: an export has %d whole lines of %d; fetching it again.", lines, expected)
        time.sleep(_first_pause(reading))
    raise ApiError(
        f"Shopify (source '{reading.api.source}'): an export of {expected} records comes with {lines} whole lines only."
    )


def _whole_lines(path: Path) -> int:
    """How many lines are JSON objects of Shopify's; none if there is anything else."""
    import orjson

    count = 0
    with path.open("rb") as file:
        for line in file:
            try:
                record = orjson.loads(line)
            except ValueError:
                return count
            if not isinstance(record, dict) or "data" in record:
                return count
            count += 1
    return count


def _batches(path: Path, skip: int) -> Iterator[list[Record]]:
    """Records with their children, without the first ones."""
    found = itertools.islice(_records(path), skip, None)
    while batch := list(itertools.islice(found, _BATCH)):
        yield batch


def _records(path: Path) -> Iterator[Record]:
    """Records in the order of the file, each with its children in theirs."""
    import duckdb
    import orjson

    con = duckdb.connect(config={"threads": 1, "memory_limit": "1GB", "temp_directory": str(path.parent / "sorting")})
    rows = con.execute(
        """
        WITH line AS (
            SELECT row_number() OVER () AS place, json AS text, json->>'$.id' AS id, json->>'$.__parentId' AS parent
            FROM read_ndjson_objects(?, maximum_object_size = 67108864)
        ),
        record AS (SELECT place, id FROM line WHERE parent IS NULL)
        SELECT line.text
        FROM line
        LEFT JOIN record ON record.id = line.parent
        ORDER BY coalesce(record.place, line.place), line.parent IS NOT NULL, line.place
        """,
        [str(path)],
    )
    current: Record | None = None
    while fetched := rows.fetchmany(_BATCH):
        for (text,) in fetched:
            line = orjson.loads(text)
            if line.pop("__parentId", None) is None:
                if current is not None:
                    yield current
                current = (line, [])
            elif current is not None:
                current[1].append(line)
    if current is not None:
        yield current
    con.close()
