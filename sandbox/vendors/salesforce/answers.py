"""What the org's REST interface answers: versions, tokens, descriptions, queries, what was deleted or updated, limits.

As in https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/; left out: writing, search, related
objects. Query jobs belong in `bulk`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.vendor import Desk
from sandbox.vendors.salesforce import objects, soql
from sandbox.vendors.salesforce.objects import stamp
from sandbox.vendors.salesforce.org import BIN_DAYS, DAY, OLDEST, VERSIONS, Cursor, Org, Refusal, row_of

Answer = Callable[[Org, Request], Awaitable[Response]]
MOST_ROWS, LEAST_ROWS = 2000, 200
UPDATED_DAYS = 30
#: A REST request's address and headers may have this many bytes together.
LONGEST_ADDRESS = 16_384
DAILY_REQUESTS = 100_000
_DATA = "/services/data"
_FUNCTIONS: dict[str, Callable[[list[Any]], Any]] = {
    "COUNT": len,
    "MIN": lambda values: min(values, default=None),
    "MAX": lambda values: max(values, default=None),
}


def routes(org: Org, tokens: Callable[[Desk, Mapping[str, str]], dict[str, Any]]) -> list[Route]:
    """The routes; `tokens` gives the answer of the token endpoint to a form."""

    async def token(request: Request) -> Response:
        answer = tokens(org.desk, await _form(request))
        if "error" in answer:
            return JSONResponse(answer, 400)
        site = str(request.base_url).rstrip("/") + "/salesforce"
        return JSONResponse(
            {**answer, "instance_url": site, "id": f"{site}/id/00DQm0000001DemMAE/{objects.record_id('User', 1)}"}
        )

    async def versions(request: Request) -> Response:
        return JSONResponse([{"label": f"Release {v}", "url": f"{_DATA}/v{v}", "version": v} for v in VERSIONS])

    def at(path: str, answer: Answer, *methods: str) -> Route:
        return Route(f"{_DATA}/v{{version}}{path}", answering(org, answer), methods=list(methods or ("GET",)))

    return [
        Route("/services/oauth2/token", token, methods=["POST"]),
        Route(f"{_DATA}", versions),
        Route(f"{_DATA}/", versions),
        at("/query", _query),
        at("/query/", _query),
        at("/query/{locator}", _more),
        at("/queryAll", _query),
        at("/queryAll/", _query),
        at("/queryAll/{locator}", _more),
        at("/sobjects", _objects),
        at("/sobjects/{name}/describe", _describe),
        at("/sobjects/{name}/deleted", _deleted),
        at("/sobjects/{name}/deleted/", _deleted),
        at("/sobjects/{name}/updated", _updated),
        at("/sobjects/{name}/updated/", _updated),
        at("/sobjects/{name}/{id}", _record),
        at("/limits", _limits),
    ]


def answering(org: Org, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that checks the version and words refusals."""

    async def endpoint(request: Request) -> Response:
        try:
            _check_version(request.path_params["version"])
            return await answer(org, request)
        except Refusal as refusal:
            return refusal.response()

    return endpoint


async def nothing_there(request: Request) -> Response:
    """For all other paths."""
    return Refusal(404, "NOT_FOUND", "The requested resource does not exist").response()


def _check_version(version: str) -> None:
    if version in VERSIONS:
        return
    if re.fullmatch(r"\d+\.0", version) and float(version) < OLDEST:
        raise Refusal(410, "UNSUPPORTED_API_VERSION", f"API version {version} is no longer available")
    raise Refusal(404, "NOT_FOUND", "The requested resource does not exist")


async def _form(request: Request) -> dict[str, str]:
    form = dict(parse_qsl((await request.body()).decode()))
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme == "Basic":
        form["client_id"], _, form["client_secret"] = base64.b64decode(encoded).decode().partition(":")
    return form


async def _query(org: Org, request: Request) -> Response:
    if len(request.url.path) + len(request.url.query) > LONGEST_ADDRESS:
        raise Refusal(414, "URI_TOO_LONG", "URI Too Long")
    text = request.query_params.get("q", "")
    if not text:
        raise Refusal(400, "MALFORMED_QUERY", "A query string has to be specified")
    query = org.parse(request, text)
    org.stir(query.object)
    rows = query.run(org.rows(query.object, everything="/queryAll" in request.url.path))
    if query.counts_only:
        return JSONResponse({"totalSize": len(rows), "done": True, "records": []})
    if query.aggregates:
        return JSONResponse({"totalSize": 1, "done": True, "records": [_aggregated(query, rows)]})
    return _page(org, request, Cursor(query=query, rows=rows), 0)


async def _more(org: Org, request: Request) -> Response:
    id, _, offset = request.path_params["locator"].rpartition("-")
    cursor = org.cursors.get(id)
    if cursor is None or not offset.isdigit() or int(offset) >= len(cursor.rows):
        raise Refusal(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
    org.stir(cursor.query.object)
    return _page(org, request, cursor, int(offset), id)


def _page(org: Org, request: Request, cursor: Cursor, start: int, id: str = "") -> Response:
    version = request.path_params["version"]
    end = start + _batch_size(request)
    body: dict[str, Any] = {"totalSize": len(cursor.rows), "done": end >= len(cursor.rows)}
    if not body["done"]:
        id = id or objects.record_id("01g", next(org.numbers))
        org.cursors[id] = cursor
        body["nextRecordsUrl"] = f"{_DATA}/v{version}/query/{id}-{end}"
    query = cursor.query
    body["records"] = [
        {**_attributes(query.object, row["Id"], version), **{name: row[name] for name in query.fields}}
        for row in cursor.rows[start:end]
    ]
    return JSONResponse(body)


def _batch_size(request: Request) -> int:
    wanted = re.search(r"batchSize=(\d+)", request.headers.get("sforce-query-options", ""))
    return min(max(int(wanted[1]), LEAST_ROWS), MOST_ROWS) if wanted else MOST_ROWS


def _attributes(name: str, id: str, version: str) -> dict[str, Any]:
    return {"attributes": {"type": name, "url": f"{_DATA}/v{version}/sobjects/{name}/{id}"}}


def _aggregated(query: soql.Query, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    record: dict[str, Any] = {"attributes": {"type": "AggregateResult"}}
    for asked in query.aggregates:
        values = [row[asked.field] for row in rows if row[asked.field] is not None]
        record[asked.alias] = _FUNCTIONS[asked.function](values)
    return record


async def _objects(org: Org, request: Request) -> Response:
    version = request.path_params["version"]
    seen = [objects.summary(name, version) for name in objects.OBJECTS if org.may_see(request, name)]
    return JSONResponse({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": seen})


async def _describe(org: Org, request: Request) -> Response:
    name = org.object_of(request, request.path_params["name"])
    return JSONResponse(objects.describe(org.desk.store, name, request.path_params["version"]))


async def _record(org: Org, request: Request) -> Response:
    name, id = org.object_of(request, request.path_params["name"]), request.path_params["id"]
    found = org.desk.store.get(name, id if len(id) == 18 else objects.full_id(id))
    if found is None:
        raise Refusal(404, "NOT_FOUND", "The requested resource does not exist")
    row = row_of(found, objects.fields(org.desk.store, name), org.desk.now())
    return JSONResponse({**_attributes(name, found.id, request.path_params["version"]), **row})


async def _deleted(org: Org, request: Request) -> Response:
    name = org.object_of(request, request.path_params["name"])
    start, end = _span(org, request, BIN_DAYS)
    found = org.desk.store.page(name, limit=600_000, order="updated", since=start, until=end, deleted=True)
    return JSONResponse(
        {
            "deletedRecords": [{"id": r.id, "deletedDate": stamp(r.updated)} for r in found],
            "earliestDateAvailable": stamp(_minute(org.desk.now() - BIN_DAYS * DAY)),
            "latestDateCovered": stamp(min(end, _minute(org.desk.now()))),
        }
    )


async def _updated(org: Org, request: Request) -> Response:
    name = org.object_of(request, request.path_params["name"])
    start, end = _span(org, request, UPDATED_DAYS)
    found = org.desk.store.page(name, limit=600_000, order="updated", since=start, until=end)
    return JSONResponse({"ids": [r.id for r in found], "latestDateCovered": stamp(min(end, _minute(org.desk.now())))})


def _span(org: Org, request: Request, days: int) -> tuple[int, int]:
    """The bounds of a request in whole minutes; the seconds are ignored, as the interface does."""
    try:
        start, end = (round(soql.instant(request.query_params[name]).timestamp() * 1000) for name in ("start", "end"))
    except (KeyError, ValueError):
        raise Refusal(400, "INVALID_FIELD", "start and end must be dateTime values in ISO 8601 form") from None
    start, end = _minute(start), _minute(end)
    if end - start <= 60_000:
        raise Refusal(400, "INVALID_REPLICATION_DATE", "endDate must be at least one minute greater than startDate")
    if start < org.desk.now() - days * DAY:
        raise Refusal(400, "INVALID_REPLICATION_DATE", "startDate before org replication enabled date")
    return start, end


def _minute(milliseconds: int) -> int:
    return milliseconds // 60_000 * 60_000


async def _limits(org: Org, request: Request) -> Response:
    every = {
        "DailyApiRequests": DAILY_REQUESTS,
        "DailyBulkV2QueryJobs": 10_000,
        "DailyBulkV2QueryFileStorageMB": 976_562,
    }
    used = {"DailyBulkV2QueryJobs": len(org.jobs)}
    return JSONResponse({name: {"Max": most, "Remaining": most - used.get(name, 0)} for name, most in every.items()})
