"""Freshdesk, a second helpdesk of the demo company: API v2 as developers.freshdesk.com/api describes it.

The same tickets, customers and agents as in the other helpdesks (`_support`), in Freshdesk's words; the demo's night
does not load it. A message of a ticket that does not exist cannot be asked for here, so it is left out.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import polars as pl
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.exports.kit import Out, epoch, iso
from sandbox.store import Record, Store
from sandbox.vendor import Changed, Desk, Limit, Night, Vendor
from sandbox.vendors._support import TEAM, Support, make_support

KEY = "demo-freshdesk-key"
GROUP, SURVEY, CONFIG = 510_000_000_101, 510_000_000_102, 510_000_000_103
LAST_PAGE, LONGEST_PAGE, USUAL_PAGE = 300, 100, 30
_MONTH = 30 * 86_400_000
_STAFF_SINCE = int(datetime(2024, 1, 2, 8, tzinfo=UTC).timestamp()) * 1000
_STATUS = {"new": 2, "pending": 3, "solved": 4, "closed": 5}
_PRIORITY = {"low": 1, "normal": 2, "high": 3, "urgent": 4}
_SOURCE = {"email": 1, "web": 2, "phone": 3, "chat": 7}
_KIND = {"problem": "Problem", "question": "Question"}
_RATING = {"good": 103, "bad": -103}
#: Fields of tickets that are given only to those who ask, by what they ask for.
_INCLUDED = {"description": ("description", "description_text"), "stats": ("stats",), "requester": ("requester",)}
_ERRORS: dict[int, Any] = {
    401: {"code": "invalid_credentials", "message": "You have to be logged in to perform this action."},
    403: {"code": "access_denied", "message": "You are not authorized to perform this action."},
    404: "",
    429: {"message": "You have exceeded the limit of requests per minute"},
    500: {"code": "internal_error", "message": "We're sorry, but something went wrong."},
    503: {"code": "service_unavailable", "message": "The service is not available for the moment."},
}

#: Gives the records that a list holds, by the request's filters.
Chosen = Callable[[Mapping[str, str]], list[Record]]
Shape = Callable[[Record, Mapping[str, str]], dict[str, Any]]
Answer = Callable[[Request], Awaitable[Response]]


class Refused(Exception):
    """A request that Freshdesk would refuse, with the field and why."""

    def __init__(self, field: str, message: str, code: str = "invalid_value") -> None:
        super().__init__(f"{field}: {message}")
        self.body = {
            "description": "Validation failed",
            "errors": [{"field": field, "message": message, "code": code}],
        }


def fill(out: Out, store: Store) -> None:
    """Makes what the helpdesk holds at the beginning."""
    support = make_support(out)
    tickets = _timed(support)
    store.fill("tickets", tickets, id="id", created="created", updated="updated", body=_ticket())
    customers = support.customers.with_columns(created=epoch("at") * 1000, made_at=iso("at"))
    store.fill("contacts", customers, id="id", created="created", body=_contact())
    said = _conversations(support)
    store.fill("conversations", said, id="id", created="created", parent="ticket_id", body=_conversation())
    rated = tickets.filter(pl.col("score").is_not_null()).sort("rated", "id")
    rated = rated.with_columns(
        rating_id=800_000_000 + pl.col("id").cast(pl.Int64), created=epoch("rated") * 1000, rated_at=iso("rated")
    )
    store.fill("satisfaction_ratings", rated, id="rating_id", created="created", body=_rating())
    agents = [_agent(row) for row in support.agents.iter_rows(named=True)]
    store.put("agents", agents)
    store.put("groups", [_group([int(agent.id) for agent in agents])])


def stamp(milliseconds: int) -> str:
    """A time as the interface writes it."""
    return f"{datetime.fromtimestamp(milliseconds // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _timed(support: Support) -> pl.DataFrame:
    last = pl.max_horizontal("at", "replied", "solved", "rated")
    requesters = support.customers.select(
        pl.col("id").alias("requester"), pl.col("name").alias("who"), pl.col("email").alias("mail"), "phone"
    )
    return support.tickets.join(requesters, on="requester", how="left", maintain_order="left").with_columns(
        created=epoch("at") * 1000,
        updated=epoch(last) * 1000,
        made_at=iso("at"),
        changed_at=iso(last),
        replied_at=iso("replied"),
        solved_at=iso("solved"),
    )


def _none(*names: str) -> list[pl.Expr]:
    return [pl.lit(None).alias(name) for name in names]


def _flags(*names: str) -> list[pl.Expr]:
    return [pl.lit(False).alias(name) for name in names]


def _no(*names: str) -> list[pl.Expr]:
    empty = pl.lit(pl.Series([[]], dtype=pl.List(pl.String))).first()
    return [empty.alias(name) for name in names]


def _int(column: str, name: str = "id") -> pl.Expr:
    return pl.col(column).cast(pl.Int64).alias(name)


def _div(column: str) -> pl.Expr:
    return pl.format("<div>{}</div>", pl.col(column).str.replace_all("&", "&amp;").str.replace_all("<", "&lt;"))


def _ticket() -> pl.Expr:
    requester = pl.struct(
        _int("requester"), pl.col("who").alias("name"), pl.col("mail").alias("email"), *_none("mobile"), "phone"
    )
    stats = pl.struct(
        *_none("agent_responded_at", "requester_responded_at", "reopened_at", "pending_since"),
        pl.col("replied_at").alias("first_responded_at"),
        pl.coalesce("solved_at", "replied_at", "made_at").alias("status_updated_at"),
        pl.col("solved_at").alias("resolved_at"),
        pl.when(pl.col("status") == "closed").then("changed_at").alias("closed_at"),
    )
    return pl.struct(
        *_no("cc_emails", "fwd_emails", "reply_cc_emails", "ticket_cc_emails"),
        *_flags("fr_escalated", "spam", "is_escalated"),
        pl.lit(CONFIG).alias("email_config_id"),
        pl.lit(GROUP).alias("group_id"),
        pl.col("priority").replace_strict(_PRIORITY),
        _int("requester", "requester_id"),
        _int("assignee", "responder_id"),
        pl.col("channel").replace_strict(_SOURCE).alias("source"),
        *_none("company_id", "association_type", "product_id", "support_email", "to_emails"),
        pl.col("status").replace_strict(_STATUS),
        "subject",
        _int("id"),
        pl.col("kind").replace_strict(_KIND).alias("type"),
        pl.col("made_at").alias("due_by"),
        pl.col("made_at").alias("fr_due_by"),
        _div("text").alias("description"),
        pl.col("text").alias("description_text"),
        pl.struct(pl.col("number").alias("cf_order_number")).alias("custom_fields"),
        pl.col("made_at").alias("created_at"),
        pl.col("changed_at").alias("updated_at"),
        pl.concat_list("topic").alias("tags"),
        stats.alias("stats"),
        requester.alias("requester"),
    )


def _contact() -> pl.Expr:
    return pl.struct(
        pl.lit(True).alias("active"),
        *_none("address", "company_id", "description"),
        "email",
        _int("id"),
        *_none("job_title"),
        pl.col("locale").alias("language"),
        *_none("mobile"),
        "name",
        "phone",
        pl.lit("Berlin").alias("time_zone"),
        *_none("twitter_id", "unique_external_id"),
        pl.struct(*_none("cf_remark")).alias("custom_fields"),
        *_no("tags", "other_emails"),
        pl.col("made_at").alias("created_at"),
        pl.col("made_at").alias("updated_at"),
    )


def _conversations(support: Support) -> pl.DataFrame:
    """What was said after the first message, which is the ticket's description."""
    began = support.tickets.select(pl.col("id").alias("ticket_id"), "at", pl.lit(False).alias("is_agent"))
    there = support.messages.join(support.tickets.select(pl.col("id").alias("ticket_id")), on="ticket_id", how="semi")
    return there.join(began, on=["ticket_id", "at", "is_agent"], how="anti", maintain_order="left").with_columns(
        created=epoch("at") * 1000, made_at=iso("at")
    )


def _conversation() -> pl.Expr:
    return pl.struct(
        _div("body").alias("body"),
        pl.col("body").alias("body_text"),
        _int("id"),
        (~pl.col("is_agent")).alias("incoming"),
        *_flags("private"),
        _int("author", "user_id"),
        *_none("support_email"),
        pl.lit(0).alias("source"),
        pl.lit(1).alias("category"),
        *_no("to_emails"),
        *_none("from_email"),
        *_no("cc_emails", "bcc_emails"),
        *_none("email_failure_count", "outgoing_failures"),
        pl.col("made_at").alias("created_at"),
        pl.col("made_at").alias("updated_at"),
        *_no("attachments"),
        _int("ticket_id", "ticket_id"),
    )


def _rating() -> pl.Expr:
    return pl.struct(
        _int("rating_id"),
        pl.lit(SURVEY).alias("survey_id"),
        _int("requester", "user_id"),
        _int("assignee", "agent_id"),
        pl.col("comment").alias("feedback"),
        pl.lit(GROUP).alias("group_id"),
        _int("id", "ticket_id"),
        pl.col("rated_at").alias("created_at"),
        pl.col("rated_at").alias("updated_at"),
        pl.struct(pl.col("score").replace_strict(_RATING).alias("default_question")).alias("ratings"),
    )


def _agent(row: Mapping[str, Any]) -> Record:
    since = stamp(_STAFF_SINCE)
    contact = {
        "active": row["is_active"],
        "email": row["email"],
        "job_title": "Teamleitung" if row["is_lead"] else None,
        "language": "de",
        "last_login_at": None,
        "mobile": None,
        "name": row["name"],
        "phone": None,
        "time_zone": "Berlin",
        "created_at": since,
        "updated_at": since,
    }
    body = {
        "available": row["is_active"],
        "occasional": False,
        "id": int(row["id"]),
        "ticket_scope": 1,
        "signature": None,
        "group_ids": [GROUP],
        "role_ids": [510_000_000_201],
        "skill_ids": [],
        "available_since": None,
        "type": "support_agent",
        "contact": contact,
        "deactivated": not row["is_active"],
        "focus_mode": True,
        "created_at": since,
        "updated_at": since,
    }
    return Record(id=row["id"], body=body, created=_STAFF_SINCE, updated=_STAFF_SINCE)


def _group(agents: list[int]) -> Record:
    since = stamp(_STAFF_SINCE)
    body = {
        "id": GROUP,
        "name": TEAM,
        "description": None,
        "escalate_to": None,
        "unassigned_for": None,
        "business_hour_id": None,
        "group_type": "support_agent_group",
        "agent_ids": agents,
        "created_at": since,
        "updated_at": since,
    }
    return Record(id=str(GROUP), body=body, created=_STAFF_SINCE, updated=_STAFF_SINCE)


def routes(desk: Desk) -> list[Route]:
    """The paths that a desk answers on."""
    store = desk.store

    def made_since(query: Mapping[str, str]) -> list[Record]:
        since = _moment(query, "created_since")
        return store.page("satisfaction_ratings", limit=-1, order="created", descending=True, since=since, by="created")

    def everything(collection: str) -> Chosen:
        return lambda query: store.page(collection, limit=-1)

    ratings = _listing(desk, "satisfaction_ratings", made_since, _same, ("created_since",))
    return [
        Route("/api/v2/tickets", _answering(_tickets(desk))),
        Route("/api/v2/tickets/{id:int}", _answering(_single(desk, "tickets", ("include",)))),
        Route("/api/v2/tickets/{id:int}/conversations", _answering(_conversations_of(desk))),
        Route("/api/v2/contacts", _answering(_contacts(desk))),
        Route("/api/v2/contacts/{id:int}", _answering(_single(desk, "contacts", ()))),
        Route("/api/v2/agents", _answering(_listing(desk, "agents", everything("agents"), _same, ("state",)))),
        Route("/api/v2/groups", _answering(_listing(desk, "groups", everything("groups"), _same, ()))),
        Route("/api/v2/surveys/satisfaction_ratings", _answering(ratings)),
    ]


def _answering(answer: Answer) -> Answer:
    async def endpoint(request: Request) -> Response:
        try:
            return await answer(request)
        except Refused as refused:
            return JSONResponse(refused.body, 400)

    return endpoint


def _tickets(desk: Desk) -> Answer:
    """Tickets that are neither deleted nor spam, unless a filter asks for those; of 30 days, unless told since when."""
    columns = {"created_at": "created", "updated_at": "updated"}

    def chosen(query: Mapping[str, str]) -> list[Record]:
        kind = _one_of(query, "filter", ("new_and_my_open", "watching", "spam", "deleted"))
        order = columns[_one_of(query, "order_by", tuple(columns)) or "created_at"]
        descending = (_one_of(query, "order_type", ("asc", "desc")) or "desc") == "desc"
        if int(query.get("page", 1)) > LAST_PAGE:
            message = f"You cannot access tickets beyond the {LAST_PAGE}th page. Please provide a smaller page number."
            raise Refused("page", message)
        since = _moment(query, "updated_since")
        bound = {"since": desk.now() - _MONTH, "by": "created"} if since is None else {"since": since}
        found = desk.store.page(
            "tickets",
            limit=-1,
            order=order,  # type: ignore[arg-type]
            descending=descending,
            deleted=kind == "deleted",
            **bound,
        )
        return [record for record in found if record.body["spam"] == (kind == "spam")]

    return _listing(
        desk, "tickets", chosen, _ticket_as_asked, ("filter", "updated_since", "order_by", "order_type", "include")
    )


def _contacts(desk: Desk) -> Answer:
    """Contacts that are neither blocked nor deleted, unless a state asks for those."""

    def chosen(query: Mapping[str, str]) -> list[Record]:
        state = _one_of(query, "state", ("blocked", "deleted", "unverified", "verified"))
        since = _moment(query, "_updated_since")
        found = desk.store.page("contacts", limit=-1, since=since, deleted=state == "deleted")
        return [record for record in found if state != "blocked" or record.body.get("blocked")]

    return _listing(desk, "contacts", chosen, _contact_shown, ("state", "_updated_since"))


def _conversations_of(desk: Desk) -> Answer:
    async def endpoint(request: Request) -> Response:
        id = str(request.path_params["id"])
        if desk.store.get("tickets", id) is None:
            return Response(status_code=404)
        listing = _listing(desk, "", lambda query: desk.store.page("conversations", limit=-1, parent=id), _same, ())
        return await listing(request)

    return endpoint


def _listing(desk: Desk, name: str, chosen: Chosen, shape: Shape, filters: tuple[str, ...]) -> Answer:
    """A list by numbered pages; the header Link names the next."""

    async def endpoint(request: Request) -> Response:
        query = dict(request.query_params)
        for field in query:
            if field not in ("page", "per_page", *filters):
                raise Refused(field, "Unexpected/invalid field in request", "invalid_field")
        page, size = _number(query, "page", 1, None), _number(query, "per_page", USUAL_PAGE, LONGEST_PAGE)
        found = chosen(query)
        given, more = found[(page - 1) * size : page * size], found[page * size :]
        if name in ("tickets", "contacts") and given and desk.faults.strikes("moving_page"):
            # What was given already moves to the end, and all that follows slides towards the pages already read.
            _touch(desk, name, given[0])
        following = str(request.url.replace(query=urlencode({**query, "page": page + 1})))
        headers = {"link": f'<{following}>; rel="next"'} if more else None
        return JSONResponse([shape(record, query) for record in given], headers=headers)

    return endpoint


def _single(desk: Desk, name: str, known: tuple[str, ...]) -> Answer:
    """One record, deleted ones too."""

    async def endpoint(request: Request) -> Response:
        query = dict(request.query_params)
        for field in query:
            if field not in known:
                raise Refused(field, "Unexpected/invalid field in request", "invalid_field")
        record = desk.store.get(name, str(request.path_params["id"]), deleted=True)
        if record is None:
            return Response(status_code=404)
        if name == "contacts":
            return JSONResponse(_contact_shown(record, query))
        asked = ",".join(filter(None, ["description", query.get("include")]))
        return JSONResponse(_ticket_as_asked(record, {"include": asked}))

    return endpoint


def _same(record: Record, query: Mapping[str, str]) -> dict[str, Any]:
    return record.body


def _ticket_as_asked(record: Record, query: Mapping[str, str]) -> dict[str, Any]:
    include = query["include"].split(",") if "include" in query else []
    for part in include:
        if part not in _INCLUDED:
            raise Refused("include", f"It should be one of these values: '{','.join(_INCLUDED)}'")
    left_out = {field for part, fields in _INCLUDED.items() if part not in include for field in fields}
    body = {key: value for key, value in record.body.items() if key not in left_out}
    return {**body, "deleted": True} if record.deleted else body


def _contact_shown(record: Record, query: Mapping[str, str]) -> dict[str, Any]:
    return {**record.body, "deleted": True} if record.deleted else record.body


def _touch(desk: Desk, name: str, record: Record) -> None:
    """Something changes a record just now, so that it leaves its place in the order of changes."""
    at = desk.now() // 1000 * 1000
    desk.store.put(name, [replace(record, body={**record.body, "updated_at": stamp(at)}, updated=at)])


def _number(query: Mapping[str, str], field: str, usual: int, most: int | None) -> int:
    text = query.get(field, str(usual))
    if not text.isdecimal() or int(text) < 1 or (most and int(text) > most):
        at_most = f" less than or equal to {most}" if most else ""
        raise Refused(field, f"It should be a Positive Integer{at_most}")
    return int(text)


def _one_of(query: Mapping[str, str], field: str, known: tuple[str, ...]) -> str | None:
    value = query.get(field)
    if value is not None and value not in known:
        raise Refused(field, f"It should be one of these values: '{','.join(known)}'")
    return value


def _moment(query: Mapping[str, str], field: str) -> int | None:
    if field not in query:
        return None
    try:
        moment = datetime.fromisoformat(query[field])
    except ValueError:
        raise Refused(field, "It should be in the 'combined date and time ISO8601' format", "invalid_date") from None
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()) * 1000


def authorised(request: Request, desk: Desk) -> bool:
    """Whether the key is the user of basic authentication; the password does not matter."""
    if _is_page(request) and desk.faults.strikes("expired_token"):
        return False
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    try:
        user = base64.b64decode(value, validate=True).decode().partition(":")[0]
    except ValueError:
        return False
    return kind.lower() == "basic" and user == KEY


def _is_page(request: Request) -> bool:
    return request.method == "GET"


def _list_of(request: Request) -> str:
    """Which list a page belongs to: pages of one list in another's place are no fault that happens."""
    query = request.query_params
    return f"{request.url.path} " + " ".join(query.get(key, "") for key in ("filter", "state", "include"))


def _error(status: int) -> tuple[Any, Mapping[str, str]]:
    return _ERRORS[status], {}


def _limit_headers(limit: Limit, remaining: int, reset_seconds: float) -> Mapping[str, str]:
    return {
        "x-freshdesk-api-version": "latest=v2; requested=v2",
        "x-ratelimit-total": str(limit.requests),
        "x-ratelimit-remaining": str(remaining),
        "x-ratelimit-used-currentrequest": "1",
    }


#: Ids of new records begin here; each night has room for a thousand.
_FIRST = {
    "tickets": 5_000_000,
    "contacts": 380_000_000_000,
    "conversations": 8_000_000_000,
    "satisfaction_ratings": 890_000_000,
}


class _Day:
    """One night's changes as they are made, in the order of their times."""

    def __init__(self, store: Store, night: Night) -> None:
        self.store, self.night, self.random = store, night, night.random
        self.clock = night.at // 1000 * 1000
        self.said: list[Record] = []

    def now(self) -> int:
        """A moment after all earlier ones."""
        self.clock += 1000
        return self.clock

    def id(self, collection: str, position: int) -> int:
        """The id of tonight's new record at a position."""
        return _FIRST[collection] + self.night.number * 1000 + position


def night(store: Store, night: Night) -> dict[str, Changed]:
    """Lets a day pass: about one record in a hundred is new, one changed, a few deleted."""
    day = _Day(store, night)
    changes = {"contacts": _contacts_change(day), "tickets": _tickets_change(day)}
    store.put("conversations", day.said)
    changes["conversations"] = Changed(added=[record.id for record in day.said])
    return {**changes, "satisfaction_ratings": _new_ratings(day)}


def _contacts_change(day: _Day) -> Changed:
    everybody = day.store.page("contacts", limit=-1)
    share = max(2, len(everybody) // 100)
    chosen = day.random.sample(everybody, k=2 * share + 1)
    made, changed = [], []
    for position, like in enumerate(chosen[:share]):
        id, at = day.id("contacts", position), day.now()
        own = {"id": id, "email": f"kunde{id}@example.com", "phone": None}
        made.append(_as_of(replace(like, id=str(id)), like.body | own, at, created=True))
    for record in chosen[share:-1]:
        phone = f"+49 30 {day.random.randrange(10**6, 10**7)}"
        changed.append(_as_of(record, record.body | {"phone": phone}, day.now()))
    day.store.put("contacts", [*made, *changed])
    day.store.delete("contacts", chosen[-1].id, day.now())
    return Changed(
        added=[record.id for record in made], changed=[record.id for record in changed], deleted=[chosen[-1].id]
    )


def _tickets_change(day: _Day) -> Changed:
    """New tickets, some that are not closed answered, and one that is deleted, which does not move its `updated_at`."""
    everything = day.store.page("tickets", limit=-1)
    share = max(2, len(everything) // 100)
    alive = [record for record in everything if record.body["status"] != _STATUS["closed"]]
    gone = day.random.choice([record for record in everything if record.body["status"] == _STATUS["closed"]])
    made = [_new_ticket(day, like, place) for place, like in enumerate(day.random.sample(everything, k=share))]
    changed = [_answered(day, record) for record in day.random.sample(alive, k=min(share, len(alive)))]
    day.store.put("tickets", [*made, *changed, replace(gone, deleted=day.now())])
    return Changed(added=[record.id for record in made], changed=[record.id for record in changed], deleted=[gone.id])


def _new_ticket(day: _Day, like: Record, position: int) -> Record:
    id, body = day.id("tickets", position), deepcopy(like.body)
    body |= {"id": id, "status": _STATUS["new"], "stats": dict.fromkeys(body["stats"])}
    return _as_of(replace(like, id=str(id)), _later_fields(day, body), day.now(), created=True)


def _answered(day: _Day, record: Record) -> Record:
    at, id = day.now(), day.id("conversations", len(day.said))
    like = day.store.page("conversations", limit=1)[0]
    own = {"id": id, "ticket_id": record.body["id"], "user_id": record.body["responder_id"], "incoming": False}
    said = {"body": "<div>Wir melden uns.</div>", "body_text": "Wir melden uns."}
    day.said.append(_as_of(replace(like, id=str(id), parent=record.id), like.body | own | said, at, created=True))
    body = deepcopy(record.body) | {"status": _STATUS["pending"]}
    body["priority"] = body["priority"] % len(_PRIORITY) + 1
    return _as_of(record, _later_fields(day, body), at)


def _later_fields(day: _Day, body: dict[str, Any]) -> dict[str, Any]:
    """Since the second night tickets have a field more, since the third one less."""
    added = {"nr_due_by": None} if day.night.number >= 2 else {}
    removed = ("association_type",) if day.night.number >= 3 else ()
    return {key: value for key, value in (body | added).items() if key not in removed}


def _new_ratings(day: _Day) -> Changed:
    made = []
    for position, like in enumerate(day.store.page("satisfaction_ratings", limit=2, descending=True)):
        id = day.id("satisfaction_ratings", position)
        own = {"id": id, "ratings": {"default_question": (100, -101)[position % 2]}}
        made.append(_as_of(replace(like, id=str(id)), like.body | own, day.now(), created=True))
    day.store.put("satisfaction_ratings", made)
    return Changed(added=[record.id for record in made])


def _as_of(record: Record, body: dict[str, Any], at: int, *, created: bool = False) -> Record:
    """A record as it was changed, or made, at a moment."""
    times = {"updated_at": stamp(at), **({"created_at": stamp(at)} if created else {})}
    return replace(record, body=body | times, updated=at, created=at if created else record.created)


VENDOR = Vendor(
    name="freshdesk",
    source="",
    fill=fill,
    routes=routes,
    night=night,
    error=_error,
    authorised=authorised,
    # The smallest paid plan; 400 and 700 on larger ones.
    limit=Limit(requests=200, seconds=60),
    limit_headers=_limit_headers,
    records_of=lambda body: body if isinstance(body, list) else None,
    listing=_list_of,
)
