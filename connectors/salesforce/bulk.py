"""Query jobs of the Bulk API 2.0: for first loads of large objects, and for queries too long for an address.

A job outlives the load that made it, so one that was cut off goes on with the next set of its results. See
https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/queries.htm.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from connectors._api.client import ApiError, Client
from connectors._api.resource import Page
from connectors.salesforce.org import DATA, Field, record

_JOBS = f"{DATA}/jobs/query"
#: Records in a set of results.
SET = 10_000
_LONGEST_PAUSE = 30.0
_LONGEST_JOB = 6 * 3600.0
_LAST = "null"


def pages(api: Client, asked: Sequence[Field], query: str, position: Mapping[str, Any]) -> Iterator[Page]:
    """The records of a query, deleted and archived ones too; goes on after a position that it gave before."""
    job, locator = position.get("job"), position.get("locator", "")
    if locator == _LAST:
        return
    if job is None or not _is_there(api, job):
        made = api.post(_JOBS, {"operation": "queryAll", "query": query, "contentType": "CSV", "lineEnding": "LF"})
        job, locator = str(made["id"]), ""
        yield Page(records=[], position={**position, "job": job, "locator": locator})
    _wait(api, job)
    before: frozenset[str] = frozenset()
    while locator != _LAST:
        where = {"maxRecords": SET, **({"locator": locator} if locator else {})}
        answer = api.answer("GET", f"{_JOBS}/{job}/results", params=where, decode=_set_of(asked, before))
        records, before = answer.result
        locator = answer.headers.get("sforce-locator") or _LAST
        yield Page(records=records, position={**position, "job": job, "locator": locator})
    api.ask("DELETE", f"{_JOBS}/{job}", missing_ok=True)


def _is_there(api: Client, job: str) -> bool:
    said = api.get(f"{_JOBS}/{job}", missing_ok=True)
    return said is not None and said["state"] not in ("Failed", "Aborted")


def _wait(api: Client, job: str) -> None:
    began, pause = time.monotonic(), api.patience.first_pause_seconds
    while True:
        said = api.get(f"{_JOBS}/{job}")
        if said["state"] == "JobComplete":
            return
        if said["state"] in ("Failed", "Aborted"):
            raise ApiError(
                f"Salesforce (source '{api.source}'): the query job {job} over {said['object']} is {said['state']}: "
                f"{said.get('errorMessage', 'no reason given')}. Look at Bulk Data Load Jobs in the org's setup."
            )
        if time.monotonic() - began > _LONGEST_JOB:
            raise ApiError(
                f"Salesforce (source '{api.source}'): the query job {job} over {said['object']} is still "
                f"{said['state']} after {_LONGEST_JOB / 3600:g} hours; the next load goes on with it."
            )
        time.sleep(pause)
        pause = min(_LONGEST_PAUSE, pause * 2)


def _set_of(asked: Sequence[Field], before: frozenset[str]) -> Callable[[bytes], tuple[list[bytes], frozenset[str]]]:
    """Reads a set of results, and makes sure that it is whole and not the one before; gives the records and ids."""
    names = [field.name for field in asked]

    def decode(body: bytes) -> tuple[list[bytes], frozenset[str]]:
        text = body.decode()
        if not text.endswith("\n"):
            raise ValueError("a set of results that ends early")
        header, *rows = csv.reader(io.StringIO(text, newline=""))
        if header != names or any(len(row) != len(names) for row in rows):
            raise ValueError("a set of results with other columns")
        ids = frozenset(row[names.index("Id")] for row in rows)
        if ids & before:
            raise ValueError("a set of results that was there before")
        return [record(asked, row) for row in rows], ids

    return decode
