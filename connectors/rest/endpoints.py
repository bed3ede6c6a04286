"""Reads the endpoints that millpond.toml declares: one resource each, paged as it says.

What can be said of an endpoint is in `options`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from connectors._api.body import RECORDS, envelope, records
from connectors._api.client import Answer, CircleError
from connectors._api.resource import Head, Page, Reading, Resource, iso
from connectors.rest.options import CursorPaging, Endpoint, LinkPaging, NumberPaging, RestOptions

#: How often in a row a page may say what the one before said; a system that takes no notice of the page asked for
#: says the same for ever.
_TOO_OFTEN = 2
_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')


def resources(options: RestOptions) -> list[Resource]:
    """Gives a resource per endpoint."""
    return [_resource(name, endpoint) for name, endpoint in options.endpoints.items()]


def _resource(name: str, endpoint: Endpoint) -> Resource:
    key = endpoint.key if isinstance(endpoint.key, str) else tuple(endpoint.key)
    return Resource(
        name=name,
        read=partial(_read, endpoint),
        head=Head(key=key, modified=endpoint.modified, clock=endpoint.clock, deleted=endpoint.deleted),
        # Without a way to ask for changes all of it is read each night, and what is gone is deleted.
        mode="incremental" if endpoint.since else "snapshot",
        lookback=timedelta(minutes=endpoint.lookback_minutes),
        count=partial(_count, endpoint) if endpoint.count else None,
        count_how=f"{endpoint.count} of the list",
    )


def _read(endpoint: Endpoint, reading: Reading) -> Iterator[Page]:
    path, params = endpoint.path, _params(endpoint, reading)
    position = reading.position
    if position:
        path, params = position["path"], position["params"]
    circle = _Circle(endpoint)
    while True:
        answer = reading.api.answer("GET", path, params=params or None, decode=_decoder(endpoint))
        found = answer.result
        following = _next(endpoint, answer, path, params)
        if circle.closes(found.records or [], [path, params], following):
            raise CircleError(
                f"{reading.api.title} (source '{reading.api.source}'), {endpoint.path}: its pages go in a circle; "
                "compare paging in millpond.toml with what the system documents. The next load begins anew."
            )
        yield Page(
            records=found.records or [],
            position={"path": following[0], "params": following[1]} if following else None,
        )
        if following is None:
            return
        path, params = following


class _Circle:
    """Notices pages that lead back: to one that was asked for, or where pages are counted, to the same records."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._is_counted = isinstance(endpoint.paging, NumberPaging)
        self._asked: set[str] = set()
        self._before: list[bytes] = []
        self._same = 0

    def closes(self, records: Sequence[Any], asked: Sequence[Any], following: Sequence[Any] | None) -> bool:
        """Tells whether the page that was asked for like this, and names the following one, closes a circle."""
        if following is None:
            return False
        if not self._is_counted:
            self._asked.add(json.dumps(asked, sort_keys=True, default=str))
            return json.dumps(following, sort_keys=True, default=str) in self._asked
        said = [bytes(record) for record in records]
        self._same = self._same + 1 if said == self._before else 0
        self._before = said
        return self._same == _TOO_OFTEN


def _decoder(endpoint: Endpoint) -> Any:
    """What makes of an answer its records, where the next page is, and how many records there are in all."""
    if endpoint.records is None:
        return _List
    fields: dict[str, Any] = {"records": (endpoint.records, RECORDS)}
    if isinstance(endpoint.paging, CursorPaging | LinkPaging) and endpoint.paging.next:
        fields["next"] = (endpoint.paging.next, str | int)
    if endpoint.count:
        fields["total"] = (endpoint.count, int)
    return envelope(needs="records", **fields)


class _List:
    """An answer that is the list itself."""

    next = total = None

    def __init__(self, body: bytes) -> None:
        self.records = records(body)


def _params(endpoint: Endpoint, reading: Reading) -> dict[str, Any]:
    params = dict(endpoint.params)
    if endpoint.size_param:
        params[endpoint.size_param] = endpoint.size
    if endpoint.since and reading.since:
        params[endpoint.since.param] = _written(reading.since, endpoint.since.format)
    if isinstance(endpoint.paging, NumberPaging):
        params[endpoint.paging.param] = endpoint.paging.first if endpoint.paging.kind == "page" else 0
    return params


def _next(
    endpoint: Endpoint, answer: Answer, path: str, params: Mapping[str, Any]
) -> tuple[str, dict[str, Any]] | None:
    """Path and parameters of the next page, None after the last one."""
    paging, found = endpoint.paging, answer.result
    count = len(found.records or [])
    if isinstance(paging, CursorPaging):
        return (path, {**params, paging.param: found.next}) if found.next not in (None, "") else None
    if isinstance(paging, LinkPaging):
        link = found.next if paging.next else _linked(answer)
        return (str(link), {}) if link else None
    if isinstance(paging, NumberPaging) and count >= (endpoint.size or 1):
        step = 1 if paging.kind == "page" else count
        return path, {**params, paging.param: params[paging.param] + step}
    return None


def _linked(answer: Answer) -> str | None:
    found = _NEXT.search(answer.headers.get("link", ""))
    return found[1] if found else None


def _count(endpoint: Endpoint, reading: Reading) -> int | None:
    asked = _params(endpoint, replace(reading, since=None))
    found = reading.api.get(endpoint.path, asked or None, decode=_decoder(endpoint))
    return found.total


def _written(moment: datetime, format: str) -> str:
    if format == "iso":
        return iso(moment)
    if format == "date":
        return moment.astimezone(UTC).strftime("%Y-%m-%d")
    return str(int(moment.timestamp()) * (1 if format == "seconds" else 1000))
