"""What is read from Google Analytics, and how: reports of spans of days, in an order that stays, page by page.

Rows come as lists of values and are put together here. Numbers of the last two days may still change, so some days are
read again each night. What Google says it withheld or lumped together becomes a finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from connectors._api.body import RECORDS, encode, envelope
from connectors._api.client import ApiError
from connectors._api.resource import Head, Page, Reading, Resource
from connectors._google import first_day, last_day, spans
from connectors.base import ApiVersion

#: Google has named no day on which this version ends.
VERSION = ApiVersion(
    name="v1beta", page="https://developers.google.com/analytics/devguides/reporting/data/v1/changelog"
)
_DIMENSIONS = ("date", "sessionSource", "sessionMedium", "sessionCampaignName", "deviceCategory")
_METRICS = ("sessions", "screenPageViews", "keyEvents")
_MONTHS = 36
_SPAN_DAYS = 90
#: Rows of a page; Google gives 250,000 at the most.
_ROWS = 50_000
#: How often a span is read anew because rows were added while its pages were read.
_TRIES = 3

_fields = envelope(dimensions=RECORDS, metrics=RECORDS)


class _Moved(Exception):
    """The report changed between two of its pages."""


def resources(options: Any) -> list[Resource]:
    """Gives Google Analytics' resources."""
    return [
        Resource(
            name="sessions",
            read=_sessions,
            head=Head(key="id", modified="date"),
            mode="window",
            lookback=timedelta(days=options.lookback_days),
            count=_count,
            count_how="row count of the reports",
        ),
        Resource(name="fields", read=_read_fields, head=Head(key="apiName"), mode="snapshot"),
    ]


def fields_path(property_id: str) -> str:
    """Where the property tells which dimensions and metrics it has."""
    return f"/{VERSION.name}/properties/{property_id}/metadata"


def _read_fields(reading: Reading) -> Iterator[Page]:
    found = reading.api.get(fields_path(reading.options.property_id), decode=_fields)
    yield Page(records=[*(found.dimensions or []), *(found.metrics or [])])


def _sessions(reading: Reading) -> Iterator[Page]:
    """Sessions of the days from `since` on, a span after the other; goes on at the span that was cut off."""
    if reading.since is None:
        # How far back to begin goes by Google's clock, which its first answer tells.
        reading.api.get(fields_path(reading.options.property_id))
    first = date.fromisoformat(reading.position) if reading.position else first_day(reading, months=_MONTHS)
    state = {"first": reading.state.get("first") or str(first_day(reading, months=_MONTHS))}
    for start, end in spans(first, last_day(reading), _SPAN_DAYS):
        notes: dict[str, None] = {}
        for records in _span(reading, start, end, notes):
            yield Page(records=records, position=str(start), state=state, notes=list(notes))
        yield Page(records=[], position=str(end + timedelta(1)), state=state)


def _span(reading: Reading, start: date, end: date, notes: dict[str, None]) -> Iterator[list[bytes]]:
    """The rows of a span; from its beginning again if it changed between two pages."""
    for _ in range(_TRIES):
        try:
            yield from _pages(reading, start, end, notes)
            return
        except _Moved:
            continue
    raise ApiError(
        f"Google Analytics (source '{reading.api.source}'): the report of {start} to {end} changed {_TRIES} times "
        "while it was read. The next load goes on there."
    )


def _pages(reading: Reading, start: date, end: date, notes: dict[str, None]) -> Iterator[list[bytes]]:
    seen: set[str] = set()
    total = None
    while total is None or len(seen) < total:
        report = _report(reading, start, end, offset=len(seen), limit=_ROWS)
        if total is not None and report.get("rowCount", 0) != total:
            raise _Moved
        total = report.get("rowCount", 0)
        rows = {row["id"]: row for row in map(_row, report.get("rows", []))}
        if len(rows) < len(report.get("rows", [])) or not seen.isdisjoint(rows) or (not rows and total > len(seen)):
            raise _Moved
        seen |= rows.keys()
        notes.update(dict.fromkeys(_notes(report.get("metadata", {}))))
        yield [encode(row) for row in rows.values()]


def _report(reading: Reading, start: date, end: date, *, offset: int, limit: int) -> Mapping[str, Any]:
    def decode(body: bytes) -> Mapping[str, Any]:
        import orjson

        report: Mapping[str, Any] = orjson.loads(body)
        if report.get("kind") != "analyticsData#runReport":
            raise ValueError("the answer is no report")
        rows = report.get("rows", [])
        if len(rows) > limit or any(not first <= row["dimensionValues"][0]["value"] <= last for row in rows):
            raise ValueError("the answer is to another question")
        return report

    first, last = start.strftime("%Y%m%d"), end.strftime("%Y%m%d")
    asked = {
        "dimensions": [{"name": name} for name in _DIMENSIONS],
        "metrics": [{"name": name} for name in _METRICS],
        "dateRanges": [{"startDate": str(start), "endDate": str(end)}],
        "orderBys": [{"dimension": {"dimensionName": name}} for name in _DIMENSIONS],
        "offset": offset,
        "limit": limit,
    }
    path = f"/{VERSION.name}/properties/{reading.options.property_id}:runReport"
    answer: Mapping[str, Any] = reading.api.post(path, asked, decode=decode)
    return answer


def _row(row: Mapping[str, Any]) -> dict[str, str]:
    """A row with the names of its values, and its dimensions as its id."""
    dimensions = [value["value"] for value in row["dimensionValues"]]
    metrics = [value["value"] for value in row["metricValues"]]
    named = dict(zip((*_DIMENSIONS, *_METRICS), (*dimensions, *metrics), strict=True))
    return {"id": ":".join(dimensions), **named}


def _notes(metadata: Mapping[str, Any]) -> Iterator[str]:
    """What the property says it does not tell."""
    if metadata.get("subjectToThresholding"):
        yield "Google withholds rows with few users, so the sums are too low (thresholding)."
    if metadata.get("dataLossFromOtherRow"):
        yield "there are more combinations than Google keeps; the rest stands in one row '(other)'."
    if metadata.get("samplingMetadatas"):
        yield "the numbers are projected from a sample of the events."


def _count(reading: Reading) -> int:
    """How many rows the same reports have that were read since the first."""
    first = date.fromisoformat(reading.state.get("first") or str(first_day(reading, months=_MONTHS)))
    parts: Sequence[Mapping[str, Any]] = [
        _report(reading, start, end, offset=0, limit=1) for start, end in spans(first, last_day(reading), _SPAN_DAYS)
    ]
    return sum(int(part.get("rowCount", 0)) for part in parts)
