"""Query jobs of the Bulk API 2.0: created, worked on, and fetched as CSV in sets.

As in https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/queries.htm; left out: ingest jobs
and fetching sets side by side.
"""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.vendors.salesforce import objects
from sandbox.vendors.salesforce.answers import answering
from sandbox.vendors.salesforce.objects import stamp
from sandbox.vendors.salesforce.org import USER, Org, Refusal

#: Rows in a set of results where the request does not say: the server's choice.
ROWS = 2500
_DELIMITERS = {"BACKQUOTE": "`", "CARET": "^", "COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "TAB": "\t"}
_CHOICES = {
    "operation": ("query", "queryAll"),
    "contentType": ("CSV",),
    "columnDelimiter": tuple(_DELIMITERS),
    "lineEnding": ("LF", "CRLF"),
}
_JOBS = "/services/data/v{version}/jobs/query"
#: What a job is at its first looks; then it is complete.
_STATES = ("UploadComplete", "InProgress")


def routes(org: Org) -> list[Route]:
    """The routes of query jobs."""
    return [
        Route(_JOBS, answering(org, _create), methods=["POST"]),
        Route(_JOBS, answering(org, _list), methods=["GET"]),
        Route(f"{_JOBS}/{{id}}", answering(org, _look), methods=["GET"]),
        Route(f"{_JOBS}/{{id}}", answering(org, _abort), methods=["PATCH"]),
        Route(f"{_JOBS}/{{id}}", answering(org, _delete), methods=["DELETE"]),
        Route(f"{_JOBS}/{{id}}/results", answering(org, _results), methods=["GET"]),
    ]


async def _create(org: Org, request: Request) -> Response:
    asked = _asked(await request.body())
    query = org.parse(request, asked["query"])
    known = objects.fields(org.desk.store, query.object)
    if query.counts_only or query.aggregates or query.offset:
        raise Refusal(400, "API_ERROR", "Aggregate functions and OFFSET are not supported in Bulk API 2.0 queries")
    compound = [name for name in query.fields if known[name].kind == "address"]
    if compound:
        raise Refusal(
            400, "FUNCTIONALITY_NOT_ENABLED", f"Selecting compound data not supported in Bulk Query: {compound[0]}"
        )
    org.stir(query.object)
    rows = query.run(org.rows(query.object, everything=asked["operation"] == "queryAll"))
    id, now = objects.record_id("750", next(org.numbers)), stamp(org.desk.now())
    org.jobs[id] = {
        "shown": {
            "id": id,
            "operation": asked["operation"],
            "object": query.object,
            "createdById": USER,
            "createdDate": now,
            "systemModstamp": now,
            "state": "UploadComplete",
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(request.path_params["version"]),
            "lineEnding": asked["lineEnding"],
            "columnDelimiter": asked["columnDelimiter"],
        },
        "fields": query.fields,
        "rows": rows,
        "looks": 0,
    }
    return JSONResponse(org.jobs[id]["shown"])


def _asked(body: bytes) -> dict[str, str]:
    try:
        given = json.loads(body)
    except ValueError:
        raise Refusal(400, "JSON_PARSER_ERROR", "The HTTP entity body is not valid JSON") from None
    for name in given:
        if name not in ("query", *_CHOICES):
            raise Refusal(400, "JSON_PARSER_ERROR", f'Unrecognized field "{name}"')
    asked = {
        "contentType": "CSV",
        "columnDelimiter": "COMMA",
        "lineEnding": "LF",
        "operation": "",
        "query": "",
        **given,
    }
    for name, choices in _CHOICES.items():
        if asked[name] not in choices:
            raise Refusal(400, "INVALIDJOB", f"{asked[name]!r} is no valid value of {name}")
    return asked


def _job(org: Org, request: Request) -> dict[str, Any]:
    job = org.jobs.get(request.path_params["id"])
    if job is None:
        raise Refusal(404, "NOT_FOUND", "The requested resource does not exist")
    return job


async def _list(org: Org, request: Request) -> Response:
    records = [{**job["shown"], "jobType": "V2Query"} for job in org.jobs.values()]
    return JSONResponse({"done": True, "records": records, "nextRecordsUrl": None})


async def _look(org: Org, request: Request) -> Response:
    job = _job(org, request)
    shown = job["shown"]
    if shown["state"] in _STATES:
        job["looks"] += 1
        shown["state"] = _STATES[job["looks"]] if job["looks"] < len(_STATES) else "JobComplete"
    done = shown["state"] == "JobComplete"
    return JSONResponse(
        {
            **shown,
            "jobType": "V2Query",
            "numberRecordsProcessed": len(job["rows"]) if done else 0,
            "retries": 0,
            "totalProcessingTime": 334 if done else 0,
            "isPkChunkingSupported": True,
        }
    )


async def _abort(org: Org, request: Request) -> Response:
    job = _job(org, request)
    if json.loads(await request.body() or b"{}") != {"state": "Aborted"}:
        raise Refusal(400, "INVALIDJOB", "A job can only be aborted")
    job["shown"]["state"] = "Aborted"
    return JSONResponse(job["shown"])


async def _delete(org: Org, request: Request) -> Response:
    if _job(org, request)["shown"]["state"] in _STATES:
        raise Refusal(400, "INVALIDJOBSTATE", "A job must be complete, failed or aborted before it is deleted")
    del org.jobs[request.path_params["id"]]
    return Response(status_code=204)


async def _results(org: Org, request: Request) -> Response:
    job = _job(org, request)
    shown = job["shown"]
    if shown["state"] != "JobComplete":
        raise Refusal(
            400, "INVALIDJOBSTATE", f"The job is {shown['state']}; its results are there when it is JobComplete"
        )
    if shown["apiVersion"] != float(request.path_params["version"]):
        raise Refusal(409, "API_ERROR", f"The job was created with API version {shown['apiVersion']}")
    start, most = _place(request)
    rows = job["rows"][start : start + most]
    is_last = start + most >= len(job["rows"])
    return Response(
        _csv(
            job["fields"], rows, _DELIMITERS[shown["columnDelimiter"]], "\n" if shown["lineEnding"] == "LF" else "\r\n"
        ),
        media_type="text/csv",
        headers={
            "Sforce-NumberOfRecords": str(len(rows)),
            "Sforce-Locator": "null" if is_last else _locator(start + most),
        },
    )


def _place(request: Request) -> tuple[int, int]:
    try:
        encoded = request.query_params.get("locator", "")
        start = int(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)) or 0)
        most = int(request.query_params.get("maxRecords", ROWS))
    except ValueError:
        raise Refusal(400, "INVALIDJOB", "The locator or maxRecords is not valid") from None
    if most < 1:
        raise Refusal(400, "INVALIDJOB", "maxRecords must be greater than zero")
    return start, most


def _locator(position: int) -> str:
    return base64.urlsafe_b64encode(str(position).encode()).decode().rstrip("=")


def _csv(names: Sequence[str], rows: Sequence[Mapping[str, Any]], delimiter: str, ending: str) -> str:
    """Every value in quotes, nothing for null; each set of results has the header."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=ending, quoting=csv.QUOTE_ALL)
    writer.writerow(names)
    writer.writerows([_cell(row[name]) for name in names] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).removesuffix("+0000") + "Z" if str(value).endswith(".000+0000") else str(value)
