"""Fills the helpdesk's store: tickets, users, events, ratings, groups and ticket fields in Zendesk's shapes.

The keys are those of recorded answers of the real service. How records are asked for belongs in `answers`, what changes
overnight in `changes`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl

from sandbox.exports.kit import Out, day_of, epoch, iso, utc
from sandbox.store import Record, Store
from sandbox.vendors._support import TEAM, Support, make_support

ACCOUNT = "https://muehlbach.zendesk.com/api/v2"
GROUP, BRAND, FORM = 360_000_000_101, 360_000_000_102, 360_000_000_103
#: The custom ticket field that holds the number of an order.
ORDER_FIELD = 360_000_000_201
_CUSTOM_STATUS = {"new": 1, "open": 2, "pending": 3, "hold": 4, "solved": 5, "closed": 5}
_STAFF_SINCE = int(datetime(2024, 1, 2, 8, tzinfo=UTC).timestamp())
_LOCALE = {"de": ("de", 8), "fr": ("fr", 16), "nl": ("nl", 1005), "en": ("en-GB", 1176)}
_EVENT_VIA = {"email": "Mail", "web": "Web form", "chat": "Chat", "voice": "Phone call (inbound)"}


def fill(out: Out, store: Store) -> None:
    """Makes what the helpdesk holds at the beginning."""
    support = make_support(out)
    tickets = _timed(support.tickets)
    _tell_tickets(out, tickets)
    store.fill("tickets", tickets, id="id", created="created", updated="updated", body=_ticket())
    store.fill("users", _users(support), id="id", created="created", body=_user())
    events = _events(tickets, support.messages)
    store.fill("ticket_events", events, id="id", created="created", body=_event())
    ratings = _ratings(out, tickets)
    store.fill("satisfaction_ratings", ratings, id="id", created="created", body=_rating())
    store.put("groups", [_fixed(GROUP, _group())])
    store.put("ticket_fields", [_fixed(int(field["id"]), field) for field in _ticket_fields()])


def _tell_tickets(out: Out, tickets: pl.DataFrame) -> None:
    tickets = tickets.with_columns(
        record_id=pl.lit("contact:helpdesk:") + pl.col("requester"),
        person_id=out.trade.people["person_id"].gather(tickets["person"]),
    )
    out.truth.fact(
        "ticket",
        tickets.select(
            "record_id",
            "person_id",
            "topic",
            channel=pl.col("channel").replace("voice", "phone"),
            team=pl.lit(TEAM),
            day=day_of("at"),
            solved_day=day_of("solved"),
            # As the desk counts them, in whole minutes.
            reply_minutes="reply_minutes",
            solve_seconds=(utc("solved") - utc("at")).dt.total_seconds(),
        ),
        out.source,
    )
    out.truth.fact(
        "feedback",
        tickets.filter(pl.col("score").is_not_null()).select(
            "record_id",
            "person_id",
            order_id=pl.lit(None, pl.String),
            kind=pl.lit("satisfaction"),
            rating_pct=pl.when(pl.col("score") == "good").then(100).otherwise(0).cast(pl.Int64),
            day=day_of("rated"),
            at=utc("rated"),
        ),
        out.source,
    )


def stamp(milliseconds: int) -> str:
    """A time as the interface writes it."""
    return f"{datetime.fromtimestamp(milliseconds // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _timed(tickets: pl.DataFrame) -> pl.DataFrame:
    """Tickets with their times of making and change, and their channel as Zendesk calls it."""
    last = pl.max_horizontal("at", "replied", "solved", "rated")
    return tickets.with_columns(
        created=_ms("at"),
        updated=_ms(last),
        made_at=iso("at"),
        changed_at=iso(last),
        solved_at=iso("solved"),
        replied_at=iso("replied"),
        reply_minutes=pl.when(pl.col("replied") >= 0).then((pl.col("replied") - pl.col("at")) // 60),
        solve_minutes=pl.when(pl.col("solved") >= 0).then((pl.col("solved") - pl.col("at")) // 60),
        channel=pl.col("channel").replace("phone", "voice"),
        description="text",
        ticket_id="id",
        rating_id=pl.when(pl.col("score").is_not_null()).then(_rating_id()),
    )


def _ms(seconds: str | pl.Expr) -> pl.Expr:
    return epoch(seconds) * 1000


def _rating_id() -> pl.Expr:
    return 800_000_000 + pl.col("id").cast(pl.Int64)


def _none(*names: str) -> list[pl.Expr]:
    return [pl.lit(None).alias(name) for name in names]


def _flags(value: bool, *names: str) -> list[pl.Expr]:
    return [pl.lit(value).alias(name) for name in names]


def _no_ids(*names: str) -> list[pl.Expr]:
    empty = pl.lit(pl.Series([[]], dtype=pl.List(pl.Int64))).first()
    return [empty.alias(name) for name in names]


def _nothing(name: str) -> pl.Expr:
    return pl.lit(pl.Series([{}], dtype=pl.Struct({}))).first().alias(name)


def _url(what: str) -> pl.Expr:
    return pl.format(f"{ACCOUNT}/{what}/{{}}.json", pl.col("id")).alias("url")


def _int(name: str, column: str | None = None) -> pl.Expr:
    return pl.col(column or name).cast(pl.Int64).alias(name)


def _via() -> pl.Expr:
    source = pl.struct(_nothing("from"), _nothing("to"), *_none("rel"))
    return pl.struct("channel", source.alias("source")).alias("via")


def _ticket() -> pl.Expr:
    order = pl.concat_list(pl.struct(pl.lit(ORDER_FIELD).alias("id"), pl.col("number").alias("value")))
    rating = pl.struct(pl.col("rating_id").alias("id"), "score", "comment")
    return pl.struct(
        _url("tickets"),
        _int("id"),
        *_none("external_id"),
        _via(),
        pl.col("made_at").alias("created_at"),
        pl.col("changed_at").alias("updated_at"),
        pl.col("kind").alias("type"),
        "subject",
        pl.col("subject").alias("raw_subject"),
        "description",
        "priority",
        "status",
        *_none("recipient"),
        _int("requester_id", "requester"),
        _int("submitter_id", "requester"),
        _int("assignee_id", "assignee"),
        *_none("organization_id"),
        pl.lit(GROUP).alias("group_id"),
        *_no_ids("collaborator_ids", "follower_ids", "email_cc_ids"),
        *_none("forum_topic_id", "problem_id"),
        *_flags(False, "has_incidents"),
        *_flags(True, "is_public"),
        *_none("due_at"),
        pl.concat_list("topic").alias("tags"),
        order.alias("custom_fields"),
        pl.when(pl.col("score").is_not_null()).then(rating).alias("satisfaction_rating"),
        *_no_ids("sharing_agreement_ids"),
        (360_000_000_300 + pl.col("status").replace_strict(_CUSTOM_STATUS)).alias("custom_status_id"),
        order.alias("fields"),
        *_no_ids("followup_ids"),
        pl.lit(FORM).alias("ticket_form_id"),
        pl.lit(BRAND).alias("brand_id"),
        *_flags(False, "allow_channelback"),
        *_flags(True, "allow_attachments"),
        *_flags(False, "from_messaging_channel"),
        _metric_set(),
    )


def _metric_set() -> pl.Expr:
    """A ticket's metrics, given only to those who ask for the sideload; the desk keeps no business hours."""

    def minutes(name: str, column: str | None) -> pl.Expr:
        value = pl.col(column) if column else pl.lit(0)
        return pl.struct(value.alias("calendar"), value.alias("business")).alias(name)

    return pl.struct(
        pl.format(f"{ACCOUNT}/ticket_metrics/{{}}.json", 900_000_000 + _int("id")).alias("url"),
        (900_000_000 + _int("id")).alias("id"),
        _int("ticket_id"),
        pl.col("made_at").alias("created_at"),
        pl.col("changed_at").alias("updated_at"),
        pl.lit(1).alias("group_stations"),
        pl.lit(1).alias("assignee_stations"),
        pl.lit(0).alias("reopens"),
        (pl.col("replied") >= 0).cast(pl.Int64).alias("replies"),
        pl.col("replied_at").alias("assignee_updated_at"),
        pl.col("made_at").alias("requester_updated_at"),
        pl.coalesce("solved_at", "replied_at", "made_at").alias("status_updated_at"),
        pl.col("made_at").alias("initially_assigned_at"),
        pl.col("made_at").alias("assigned_at"),
        "solved_at",
        pl.coalesce("replied_at", "made_at").alias("latest_comment_added_at"),
        minutes("reply_time_in_minutes", "reply_minutes"),
        minutes("first_resolution_time_in_minutes", "solve_minutes"),
        minutes("full_resolution_time_in_minutes", "solve_minutes"),
        minutes("agent_wait_time_in_minutes", None),
        minutes("requester_wait_time_in_minutes", "solve_minutes"),
        minutes("on_hold_time_in_minutes", None),
    ).alias("metric_set")


def _users(support: Support) -> pl.DataFrame:
    """Customers and agents, who share one table; agents who left are suspended."""
    customers = support.customers.select(
        "id",
        "name",
        "email",
        "phone",
        "locale",
        _ms("at").alias("created"),
        iso("at").alias("made_at"),
        pl.lit("end-user").alias("role"),
        pl.lit(False).alias("suspended"),
    )
    agents = support.agents.select(
        "id",
        "name",
        "email",
        pl.lit(None, pl.String).alias("phone"),
        pl.lit("de").alias("locale"),
        pl.lit(_STAFF_SINCE * 1000).cast(pl.Int64).alias("created"),
        pl.lit(stamp(_STAFF_SINCE * 1000)).alias("made_at"),
        pl.when("is_lead").then(pl.lit("admin")).otherwise(pl.lit("agent")).alias("role"),
        ~pl.col("is_active").alias("suspended"),
    )
    return pl.concat([customers, agents]).with_columns(is_agent=pl.col("role") != "end-user")


def _user() -> pl.Expr:
    names, ids = ({key: value[part] for key, value in _LOCALE.items()} for part in (0, 1))
    return pl.struct(
        _int("id"),
        _url("users"),
        "name",
        "email",
        pl.col("made_at").alias("created_at"),
        pl.col("made_at").alias("updated_at"),
        *(pl.lit("Europe/Berlin").alias(name) for name in ("time_zone", "iana_time_zone")),
        "phone",
        *_none("shared_phone_number", "photo"),
        pl.col("locale").replace_strict(ids).alias("locale_id"),
        pl.col("locale").replace_strict(names).alias("locale"),
        *_none("organization_id"),
        "role",
        pl.col("email").is_not_null().alias("verified"),
        *_none("external_id"),
        pl.lit(pl.Series([[]], dtype=pl.List(pl.String))).first().alias("tags"),
        *_none("alias"),
        *_flags(True, "active"),
        *_flags(False, "shared", "shared_agent"),
        *_none("last_login_at", "two_factor_auth_enabled", "signature", "details", "notes"),
        pl.when(pl.col("role") == "admin").then(4).alias("role_type"),
        *_none("custom_role_id"),
        pl.col("is_agent").alias("moderator"),
        pl.when(~pl.col("is_agent")).then(pl.lit("requested")).alias("ticket_restriction"),
        *_flags(False, "only_private_comments"),
        (~pl.col("is_agent")).alias("restricted_agent"),
        "suspended",
        pl.when("is_agent").then(GROUP).alias("default_group_id"),
        (pl.col("role") == "admin").alias("report_csv"),
        _nothing("user_fields"),
    )


def _events(tickets: pl.DataFrame, messages: pl.DataFrame) -> pl.DataFrame:
    """What happened to tickets, in order: each message with what it changed, and that the ticket was solved."""
    first = messages.join(tickets.select("ticket_id", "at", is_first=True), on=["ticket_id", "at"], how="left")
    said = first.join(tickets.select("ticket_id", "channel", "subject", "status"), on="ticket_id", how="left")
    commented = said.select(
        ("6" + pl.col("id").str.slice(1)).alias("id"),
        "ticket_id",
        "at",
        pl.col("author").alias("updater"),
        pl.col("channel").fill_null("email"),
        pl.col("id").alias("comment_id"),
        "body",
        pl.when("is_first")
        .then(pl.lit("new"))
        .when("is_agent")
        .then(pl.lit("pending"))
        .otherwise(pl.lit(None))
        .alias("status"),
        pl.when(pl.col("is_agent")).then(pl.lit("new")).alias("previous"),
        pl.when("is_first").then("subject").alias("subject"),
    )
    solved = tickets.filter(pl.col("solved") >= 0).select(
        ("7" + pl.col("id").str.zfill(9)).alias("id"),
        "ticket_id",
        pl.col("solved").alias("at"),
        pl.col("assignee").alias("updater"),
        pl.lit("web").alias("channel"),
        *(pl.lit(None, pl.String).alias(name) for name in ("comment_id", "body")),
        pl.lit("solved").alias("status"),
        pl.lit("pending").alias("previous"),
        pl.lit(None, pl.String).alias("subject"),
    )
    return pl.concat([commented, solved]).sort("at", "id").with_columns(created=_ms("at"))


def _event() -> pl.Expr:
    comment = pl.struct(_int("id", "comment_id"), _int("author_id", "updater"), "body")
    return pl.struct(
        _int("id"),
        _int("ticket_id"),
        _int("updater_id", "updater"),
        pl.col("channel").replace_strict(_EVENT_VIA).alias("via"),
        pl.when(pl.col("comment_id").is_not_null()).then(comment).alias("comment"),
        "subject",
        "status",
        "previous",
    )


def _ratings(out: Out, tickets: pl.DataFrame) -> pl.DataFrame:
    """The answers, and some surveys that were offered and not answered."""
    random = out.random("offered")
    offered = tickets.filter(pl.col("score").is_null() & (pl.col("status") == "closed"))
    offered = offered.filter(pl.Series(random.random(offered.height) < 0.05)).with_columns(
        score=pl.lit("offered"), rated=pl.col("solved") + 86_400, rating_id=_rating_id()
    )
    rated = pl.concat([tickets.filter(pl.col("score").is_not_null()), offered]).sort("rated", "id")
    return rated.with_columns(
        id=pl.col("rating_id").cast(pl.String), created=_ms("rated"), made_at=iso("rated"), changed_at=iso("rated")
    )


def _rating() -> pl.Expr:
    return pl.struct(
        _url("satisfaction_ratings"),
        _int("id"),
        _int("assignee_id", "assignee"),
        pl.lit(GROUP).alias("group_id"),
        _int("requester_id", "requester"),
        _int("ticket_id"),
        "score",
        pl.col("made_at").alias("created_at"),
        pl.col("changed_at").alias("updated_at"),
        "comment",
        *_none("reason", "reason_id"),
    )


def _fixed(id: int, body: dict[str, Any]) -> Record:
    since = _STAFF_SINCE * 1000
    return Record(id=str(id), created=since, updated=since, body=body)


def _group() -> dict[str, Any]:
    since = stamp(_STAFF_SINCE * 1000)
    return {
        "url": f"{ACCOUNT}/groups/{GROUP}.json",
        "id": GROUP,
        "is_public": True,
        "name": TEAM,
        "description": "",
        "default": True,
        "deleted": False,
        "created_at": since,
        "updated_at": since,
    }


def _ticket_fields() -> list[dict[str, Any]]:
    """The fields of tickets: two of Zendesk's own, and the one that the business added."""
    since = stamp(_STAFF_SINCE * 1000)
    kinds = ((ORDER_FIELD - 2, "subject", "Subject"), (ORDER_FIELD - 1, "priority", "Priority"))
    own = (ORDER_FIELD, "text", "Bestellnummer")
    return [
        {
            "url": f"{ACCOUNT}/ticket_fields/{id}.json",
            "id": id,
            "type": kind,
            "title": title,
            "raw_title": title,
            "description": title,
            "raw_description": title,
            "position": position,
            "active": True,
            "required": False,
            "collapsed_for_agents": False,
            "regexp_for_validation": None,
            "title_in_portal": title,
            "raw_title_in_portal": title,
            "visible_in_portal": True,
            "editable_in_portal": True,
            "required_in_portal": False,
            "tag": None,
            "created_at": since,
            "updated_at": since,
            "removable": kind == "text",
            "key": None,
            "agent_description": None,
        }
        for position, (id, kind, title) in enumerate((*kinds, own))
    ]
