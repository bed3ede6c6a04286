"""HubSpot's interface: lists, single and batch reads, search, associations, owners, pipelines, properties, account.

Paths and shapes from the vendor's OpenAPI descriptions; account information and the token's scopes from
https://developers.hubspot.com/docs/api-reference/account-info-v3 and https://developers.hubspot.com/docs/apps/private-apps.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.store import Record
from sandbox.vendor import Desk
from sandbox.vendors.hubspot import search
from sandbox.vendors.hubspot.errors import Refused, invalid, missing_scopes, too_many_searches
from sandbox.vendors.hubspot.properties import (
    CREATED,
    DEFAULTS,
    MODIFIED,
    OBJECTS,
    SCOPES,
    TYPE_IDS,
    definitions,
)

PORTAL = 139_000_001
SEARCHES_PER_SECOND = 5
_LISTED, _LISTED_WITH_HISTORY = 100, 50
_BATCH, _ASSOCIATION_BATCH, _OWNERS = 100, 1_000, 500
_OTHER_SCOPES = {"owners": ["crm.objects.owners.read"], "pipelines": ["crm.objects.deals.read"]}
ALL_SCOPES = frozenset(scope for scopes in (*SCOPES.values(), *_OTHER_SCOPES.values()) for scope in scopes)
#: By kind of association: the vendor's number of it, and of the primary one to a company.
_TYPES = {
    ("contacts", "companies"): (279, 1),
    ("deals", "contacts"): (3, None),
    ("deals", "companies"): (341, 5),
    ("calls", "contacts"): (194, None),
    ("calls", "companies"): (182, None),
    ("calls", "deals"): (206, None),
    ("emails", "contacts"): (198, None),
    ("emails", "companies"): (186, None),
    ("emails", "deals"): (210, None),
    ("meetings", "contacts"): (200, None),
    ("meetings", "companies"): (188, None),
    ("meetings", "deals"): (212, None),
    ("notes", "contacts"): (202, None),
    ("notes", "companies"): (190, None),
    ("notes", "deals"): (214, None),
}
_SINGULAR = {**{name: name.removesuffix("s") for name in OBJECTS}, "companies": "company"}

Answer = Callable[[Request], Awaitable[Response]]


def instant(milliseconds: int) -> str:
    """A time as HubSpot writes it; a whole second has no fraction."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{milliseconds % 1000:03d}Z" if milliseconds % 1000 else f"{text}Z"


def routes(desk: Desk, tokens: dict[str, frozenset[str]]) -> list[Route]:
    """The routes; `tokens` are the scopes of each private app's token."""
    counter = _Counter(SEARCHES_PER_SECOND * desk.ease)
    searcher = search.Searcher(desk.store)

    def route(path: str, method: str, answer: Callable[[Request, Desk], Awaitable[Any]], scope: str = "") -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                _need_scope(request, scope, tokens)
                content = await answer(request, desk)
            except Refused as refused:
                return JSONResponse(refused.body, refused.status)
            return content if isinstance(content, Response) else JSONResponse(content)

        return Route(path, endpoint, methods=[method])

    async def find(request: Request, desk: Desk) -> Any:
        return await _search(request, desk, searcher) if counter.take() else too_many_searches()

    async def token_info(request: Request, desk: Desk) -> Any:
        body = await _json(request)
        scopes = tokens.get(body.get("tokenKey", ""))
        if scopes is None:
            raise Refused(404, "OBJECT_NOT_FOUND", "The private app access token does not exist.")
        return {"userId": 9_500_001, "hubId": PORTAL, "appId": 4_100_001, "scopes": sorted(scopes)}

    path = "/crm/v3/objects/{object}"
    return [
        route(path, "GET", _list, "object"),
        route(f"{path}/search", "POST", find, "object"),
        route(f"{path}/batch/read", "POST", _batch_read, "object"),
        route(f"{path}/{{id}}", "GET", _one, "object"),
        route("/crm/v4/associations/{object}/{to}/batch/read", "POST", _associations, "object"),
        route("/crm/v3/owners", "GET", _owners, "owners"),
        route("/crm/v3/pipelines/{object}", "GET", _pipelines, "pipelines"),
        route("/crm/v3/properties/{object}", "GET", _properties, "object"),
        route("/account-info/v3/details", "GET", _account),
        route("/oauth/v2/private-apps/get/access-token-info", "POST", token_info),
    ]


class _Counter:
    """Searches of the last second."""

    def __init__(self, per_second: float) -> None:
        self._most, self._times = max(1, round(per_second)), deque[float]()

    def take(self) -> bool:
        now = time.monotonic()
        while self._times and now - self._times[0] >= 1:
            self._times.popleft()
        if len(self._times) >= self._most:
            return False
        self._times.append(now)
        return True


def bearer(request: Request) -> str:
    """The token that a request comes with."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def _need_scope(request: Request, what: str, tokens: dict[str, frozenset[str]]) -> None:
    if not what:
        return
    needed = SCOPES[_object(request)] if what == "object" else _OTHER_SCOPES[what]
    if not set(needed) & tokens[bearer(request)]:
        raise missing_scopes(needed)


def _object(request: Request, part: str = "object") -> str:
    """The object type of the path, which may also be said in the singular or by its number."""
    named = request.path_params[part]
    for name in OBJECTS:
        if named.lower() in (name, _SINGULAR[name], TYPE_IDS[name]):
            return name
    raise invalid(f"Unable to infer object type from: {named}")


def _query(request: Request, *known: str) -> dict[str, list[str]]:
    """Query parameters; lists may be repeated or separated by commas."""
    unknown = set(request.query_params) - set(known)
    if unknown:
        raise invalid(f"Unknown query parameters: {sorted(unknown)}")
    return {
        name: [p for value in request.query_params.getlist(name) for p in value.split(",") if p]
        for name in set(request.query_params)
    }


def _flag(query: dict[str, list[str]], name: str) -> bool:
    value = query.get(name, ["false"])
    if value not in (["true"], ["false"]):
        raise invalid(f"{name} must be true or false")
    return value == ["true"]


def _limit(query: dict[str, list[str]], default: int, most: int) -> int:
    text = (query.get("limit") or [str(default)])[0]
    if not text.isdigit() or not 0 < int(text) <= most:
        raise invalid(f"limit must be between 1 and {most}, and is {text}")
    return int(text)


async def _json(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError:
        raise invalid("Invalid input JSON") from None
    if not isinstance(body, dict):
        raise invalid("Invalid input JSON: an object is expected.")
    return body


async def _list(request: Request, desk: Desk) -> Any:
    object = _object(request)
    query = _query(request, "limit", "after", "properties", "propertiesWithHistory", "associations", "archived")
    historic = query.get("propertiesWithHistory", [])
    limit = _limit(query, 10, _LISTED_WITH_HISTORY if historic else _LISTED)
    records = _after(desk, object, query, limit + 1)
    answer = {
        "results": _written(
            desk, object, records[:limit], query.get("properties", []), historic, query.get("associations", [])
        ),
        **_forward(request, records, limit),
    }
    _move(desk, object, records[:limit])
    return answer


def _after(desk: Desk, collection: str, query: dict[str, list[str]], count: int) -> list[Record]:
    """Records with the cursor's id and later ones; ids rise in the order of making."""
    cursor = (query.get("after") or ["0"])[0]
    if not cursor.isdigit():
        raise invalid("after must be the value of paging.next.after")
    archived = _flag(query, "archived")
    seq = _seq_before(desk, collection, int(cursor))
    return desk.store.page(collection, limit=count, after=(seq, seq), deleted=archived)


def _seq_before(desk: Desk, collection: str, id: int) -> int:
    """The place of the last record with a smaller id, found by halving where no record has just that."""
    before = desk.store.get(collection, str(id - 1), deleted=True)
    if before:
        return before.seq
    low, high, seq = 0, desk.store.count(collection, deleted=None), 0
    while low < high:
        middle = (low + high) // 2
        record = desk.store.page(collection, limit=1, offset=middle, deleted=None)[0]
        if int(record.id) < id:
            low, seq = middle + 1, record.seq
        else:
            high = middle
    return seq


def _forward(request: Request, records: Sequence[Record], limit: int) -> dict[str, Any]:
    """The cursor of the page that follows, if there is one."""
    if len(records) <= limit:
        return {}
    after = str(int(records[limit - 1].id) + 1)
    link = request.url.replace(scheme="https", netloc="api.hubapi.com").include_query_params(after=after)
    return {"paging": {"next": {"after": after, "link": str(link)}}}


def _move(desk: Desk, object: str, shown: Sequence[Record]) -> None:
    """Somebody saves a record that was just shown, so that offsets of later pages no longer fit."""
    if shown and desk.faults.strikes("moving_page"):
        at = max(desk.now(), desk.store.page(object, limit=1, order="updated", descending=True)[0].updated + 1)
        desk.store.put(object, [replace(shown[0], updated=at)])


def _written(
    desk: Desk,
    object: str,
    records: Iterable[Record],
    asked: Sequence[str],
    historic: Sequence[str] = (),
    associated: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Records as they are given; properties that are not defined are passed over, without a value they are null."""
    known = {d.body["name"] for d in definitions(desk.store, object)}
    always = {"hs_object_id", CREATED[object], MODIFIED[object]}
    names = sorted((set(asked or DEFAULTS.get(object, [])) | always) & known)
    others = [other for name in associated if (other := _other(name))]
    return [
        {
            "id": record.id,
            "properties": {name: _value(object, record, name) for name in names},
            **({"propertiesWithHistory": _histories(object, record, historic, known)} if historic else {}),
            "createdAt": instant(record.created),
            "updatedAt": instant(record.updated),
            "archived": record.deleted is not None,
            **({"archivedAt": instant(record.deleted)} if record.deleted is not None else {}),
            **_links(object, record, others),
            "url": f"https://app.hubspot.com/contacts/{PORTAL}/record/{TYPE_IDS[object]}/{record.id}",
        }
        for record in records
    ]


def _other(name: str) -> str:
    return next((o for o in OBJECTS if name.lower() in (o, _SINGULAR[o], TYPE_IDS[o])), "")


def _value(object: str, record: Record, name: str) -> str | None:
    if name == "hs_object_id":
        return record.id
    if name == MODIFIED[object]:
        return instant(record.updated)
    if name == CREATED[object]:
        return instant(record.created)
    value: str | None = record.body["properties"].get(name)
    return value


def _histories(object: str, record: Record, names: Sequence[str], known: set[str]) -> dict[str, Any]:
    """The versions of properties, the latest first; of those whose history nobody made, the one there is."""
    histories = {}
    for name in names:
        kept = record.body.get("history", {}).get(name)
        value = _value(object, record, name)
        if name in known and (kept is not None or value is not None):
            only = {"value": value, "timestamp": instant(record.created), "sourceType": "IMPORT"}
            histories[name] = kept if kept is not None else [only]
    return histories


def _links(object: str, record: Record, others: Sequence[str]) -> dict[str, Any]:
    """Associations as lists show them: one to a company twice, as the primary one and without a label."""
    linked: dict[str, Any] = {}
    for other in others:
        ids = record.body.get("associations", {}).get(other, [])
        if not ids:
            continue
        kind = f"{_SINGULAR[object]}_to_{_SINGULAR[other]}"
        primary = _TYPES[object, other][1] is not None
        kinds = [kind, f"{kind}_unlabeled"] if primary else [kind]
        linked[other] = {"results": [{"id": id, "type": k} for id in ids for k in kinds]}
    return {"associations": linked} if linked else {}


async def _one(request: Request, desk: Desk) -> Any:
    object = _object(request)
    query = _query(request, "properties", "propertiesWithHistory", "associations", "archived")
    archived = _flag(query, "archived")
    record = desk.store.get(object, request.path_params["id"], deleted=archived)
    if record is None or (record.deleted is not None) != archived:
        raise Refused(404, "OBJECT_NOT_FOUND", "resource not found")
    historic = query.get("propertiesWithHistory", [])
    return _written(desk, object, [record], query.get("properties", []), historic, query.get("associations", []))[0]


async def _search(request: Request, desk: Desk, searcher: search.Searcher) -> Any:
    object = _object(request)
    asked = search.parse(desk.store, object, await _json(request))
    found = searcher.find(object, asked)
    answer = {
        "total": found.total,
        "results": _written(desk, object, found.records, asked.properties),
        **({"paging": {"next": {"after": found.after}}} if found.after else {}),
    }
    _move(desk, object, found.records)
    return answer


def _inputs(body: dict[str, Any], most: int) -> list[dict[str, Any]]:
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(i, dict) and "id" in i for i in inputs):
        raise invalid("inputs must be a list of ids")
    if not 0 < len(inputs) <= most:
        raise invalid(f"The maximum batch size is {most}")
    return inputs


def _batch(desk: Desk, results: list[Any], errors: list[Any]) -> Response:
    now = instant(desk.now())
    body: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
    if errors:
        body |= {"numErrors": len(errors), "errors": errors}
    return JSONResponse(body, 207 if errors else 200)


async def _batch_read(request: Request, desk: Desk) -> Any:
    object = _object(request)
    archived = _flag(_query(request, "archived"), "archived")
    body = await _json(request)
    if body.keys() - {"inputs", "properties", "propertiesWithHistory", "idProperty"} or body.get("idProperty"):
        raise invalid("Invalid input JSON: only ids of records can be read here")
    historic = body.get("propertiesWithHistory", [])
    inputs = _inputs(body, _LISTED_WITH_HISTORY if historic else _BATCH)
    found = [desk.store.get(object, str(i["id"]), deleted=archived) for i in inputs]
    records = [r for r in found if r and (r.deleted is not None) == archived]
    missing = sorted({str(i["id"]) for i in inputs} - {r.id for r in records})
    errors = [_unread(object, missing)] if missing else []
    return _batch(desk, _written(desk, object, records, body.get("properties", []), historic), errors)


def _unread(object: str, ids: list[str]) -> dict[str, Any]:
    message = (
        f"Could not get some {_SINGULAR[object].upper()} objects, they may be deleted or not exist. "
        "Check that ids are valid."
    )
    return {**_standard_error(message), "context": {"ids": ids}}


async def _associations(request: Request, desk: Desk) -> Any:
    """Associations of many records with objects of one kind; only the ways in which the records keep them."""
    object, other = _object(request), _object(request, "to")
    if (object, other) not in _TYPES:
        raise invalid(f"No associations are kept from {object} to {other}")
    number, primary = _TYPES[object, other]
    types = [{"category": "HUBSPOT_DEFINED", "typeId": number, "label": None}]
    if primary:
        types.insert(0, {"category": "HUBSPOT_DEFINED", "typeId": primary, "label": "Primary"})
    results, errors = [], []
    for asked in _inputs(await _json(request), _ASSOCIATION_BATCH):
        id = str(asked["id"])
        record = desk.store.get(object, id)
        ids = record.body.get("associations", {}).get(other, []) if record else []
        if ids:
            to = [{"toObjectId": int(to), "associationTypes": types} for to in ids]
            results.append({"from": {"id": id}, "to": to})
        else:
            errors.append(_unassociated(id, object, other))
    return _batch(desk, results, errors)


def _unassociated(id: str, object: str, other: str) -> dict[str, Any]:
    return {
        **_standard_error(f"No {_SINGULAR[other]} is associated with {_SINGULAR[object]} {id}."),
        "context": {"fromObjectId": [id], "fromObjectType": [_SINGULAR[object]], "toObjectType": [_SINGULAR[other]]},
    }


def _standard_error(message: str) -> dict[str, Any]:
    """What went wrong with a part of a batch."""
    return {"status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "errors": [], "links": {}}


async def _owners(request: Request, desk: Desk) -> Any:
    query = _query(request, "limit", "after", "archived", "email")
    limit = _limit(query, 100, _OWNERS)
    records = _after(desk, "owners", query, limit + 1)
    email = query.get("email")
    return {
        "results": [
            {
                **record.body,
                "createdAt": instant(record.created),
                "updatedAt": instant(record.updated),
                "archived": record.deleted is not None,
            }
            for record in records[:limit]
            if not email or record.body["email"] == email[0]
        ],
        **_forward(request, records, limit),
    }


async def _pipelines(request: Request, desk: Desk) -> Any:
    return {"results": [r.body for r in desk.store.page("pipelines", parent=_object(request), limit=100)]}


async def _properties(request: Request, desk: Desk) -> Any:
    query = _query(request, "archived", "dataSensitivity", "locale", "properties")
    found = definitions(desk.store, _object(request), archived=_flag(query, "archived"))
    return {
        "results": [
            {
                **d.body,
                "createdAt": instant(d.created),
                "updatedAt": instant(d.updated),
                "archived": d.deleted is not None,
                **({"archivedAt": instant(d.deleted)} if d.deleted is not None else {}),
            }
            for d in found
        ]
    }


async def _account(request: Request, desk: Desk) -> Any:
    return {
        "portalId": PORTAL,
        "accountType": "STANDARD",
        "timeZone": "Europe/Berlin",
        "companyCurrency": "EUR",
        "additionalCurrencies": ["CHF", "GBP"],
        "utcOffset": "+01:00",
        "utcOffsetMilliseconds": 3_600_000,
        "uiDomain": "app-eu1.hubspot.com",
        "dataHostingLocation": "eu1",
    }
