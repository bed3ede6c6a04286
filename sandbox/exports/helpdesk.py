"""The helpdesk: users, tickets and comments as NDJSON, satisfaction ratings as one JSON document."""

from __future__ import annotations

import numpy as np
import polars as pl

from sandbox import files, words
from sandbox.days import DAYS, START, Ints, effect, weekday
from sandbox.exports.kit import MAIL_DIRT, PHONE_DIRT, Out, by_month, iso, known_as, labels, stamp
from sandbox.staff import make_staff
from sandbox.trade import NOW, local_day, times_of_day

_TICKETS_A_DAY = 9.0


def write(out: Out) -> None:
    """Write the helpdesk's export."""
    tickets = _tickets(out)
    agents = (
        make_staff(out.seed)
        .filter(pl.col("team") == "Kundenservice")
        .with_columns(agent_id=(360_000_000_000 + pl.col("number") * 17).cast(pl.String))
    )
    tickets = _users(out, tickets, agents)
    _tickets_ndjson(out, tickets)
    _comments(out, tickets)
    _ratings(out, tickets)


def _tickets(out: Out) -> pl.DataFrame:
    """Tickets with their times, people, orders and texts."""
    random = out.random("tickets")
    weekly = np.array([1.4, 1.2, 1.1, 1.0, 0.95, 0.7, 0.65])[weekday(np.arange(DAYS))]
    growth = 1 + 0.2 * np.arange(DAYS) / DAYS
    counts = random.poisson(_TICKETS_A_DAY * out.scale * weekly * growth * effect("tickets_created"))
    day = np.repeat(np.arange(DAYS), counts)
    at = np.sort((day + START.toordinal() - 719_163) * 86_400 + times_of_day(random, len(day)))
    ordered = out.trade.orders["ordered"].to_numpy()
    # Whoever writes has ordered something in the weeks before.
    latest = np.maximum(np.searchsorted(ordered, at) - 1, 0)
    recent = np.maximum(latest - (random.exponential(55 * 8 * out.scale, len(at))).astype(np.int64), 0)
    topic = random.choice(list(words.TOPIC_SHARE), len(at), p=list(words.TOPIC_SHARE.values()))
    for event_day in np.flatnonzero(effect("tickets_created") > 3):
        late = (day == event_day) & (random.random(len(day)) < 0.8)
        topic[late] = "delivery"
    reply = at + (random.exponential(5 * 3600, len(at)) + 300).astype(np.int64)
    solved = reply + (random.exponential(26 * 3600, len(at)) + 600).astype(np.int64)
    stays_open = random.random(len(at)) < 0.03
    tickets = pl.DataFrame(
        {
            "at": at,
            "order": recent,
            "topic": pl.Series(topic),
            "replied": np.where(reply < NOW, reply, -1),
            "solved": np.where((solved < NOW) & ~stays_open, solved, -1),
        }
    ).with_columns(ticket_id=(41_000 + pl.int_range(pl.len(), dtype=pl.Int64)).cast(pl.String))
    return _with_texts(out, random, tickets)


def _with_texts(out: Out, random: np.random.Generator, tickets: pl.DataFrame) -> pl.DataFrame:
    orders, lines = out.trade.orders, out.trade.lines
    first_line = np.flatnonzero(lines["position"].to_numpy() == 1)
    order = tickets["order"].to_numpy()
    names = out.trade.products["name"].gather(lines["product"].gather(first_line[order])).to_list()
    numbers = orders["order_number"].gather(order).to_list()
    is_german = orders["country"].gather(order).is_in(["DE", "AT", "CH"]).to_list()
    draws = random.integers(0, 1 << 30, tickets.height).tolist()
    subjects, texts = [], []
    for topic, german, number, name, draw in zip(
        tickets["topic"].to_list(), is_german, numbers, names, draws, strict=True
    ):
        subject_options, text_options = (words.TICKETS_DE if german else words.TICKETS_EN)[topic]
        subjects.append(subject_options[draw % len(subject_options)].format(order=number, product=name))
        texts.append(text_options[draw // 7 % len(text_options)].format(order=number, product=name))
    knows_number = pl.Series(random.random(tickets.height) < 0.8) & ~tickets["topic"].is_in(["product", "account"])
    return tickets.with_columns(
        subject=pl.Series(subjects),
        text=pl.Series(texts),
        person=orders["person"].gather(order),
        number=pl.select(pl.when(knows_number).then(pl.Series(numbers))).to_series(),
    )


def _users(out: Out, tickets: pl.DataFrame, agents: pl.DataFrame) -> pl.DataFrame:
    """Writes requesters and agents, who share one table; gives the tickets with both ids."""
    random = out.random("users")
    people = out.trade.people
    persons: Ints = tickets["person"].unique().sort().to_numpy()
    users = known_as(random, people, persons).with_columns(
        user_id=(370_000_000_000 + pl.int_range(pl.len(), dtype=pl.Int64) * 29).cast(pl.String)
    )
    firsts = tickets.unique("person", keep="first", maintain_order=True).sort("person")
    requesters = users.with_columns(at=firsts["at"]).select(
        pl.col("user_id").alias("id"),
        (pl.col("given") + " " + pl.col("family")).alias("name"),
        pl.col("email"),
        pl.col("phone"),
        pl.col("country").replace_strict(words.LANGUAGE).alias("locale"),
        pl.lit("end-user").alias("role"),
        pl.lit(True).alias("active"),
        iso("at").alias("created_at"),
    )
    good = requesters.height
    dirt = out.dirt("contact", "id")
    kinds = {"upper": 0.02, "lower": 0.03, "last_first": 0.04, "title": 0.03, "mojibake": 0.03, "space": 0.02}
    requesters = dirt.spoil(requesters, "name", kinds, field="full_name")
    requesters = dirt.spoil(requesters, "email", MAIL_DIRT, field="email")
    requesters = dirt.spoil(requesters, "phone", PHONE_DIRT, field="phone")
    requesters = dirt.repeat(requesters, among=good)
    staff = agents.select(
        pl.col("agent_id").alias("id"),
        (pl.col("given") + " " + pl.col("family")).alias("name"),
        pl.col("email"),
        pl.lit(None, dtype=pl.String).alias("phone"),
        pl.lit("de").alias("locale"),
        pl.when(pl.col("role") == "Teamleitung").then(pl.lit("admin")).otherwise(pl.lit("agent")).alias("role"),
        pl.col("is_active").alias("active"),
        pl.lit("2024-01-02T08:00:00Z").alias("created_at"),
    )
    files.write_ndjson(out.folder / "users.ndjson", pl.concat([requesters, staff]))
    out.truth.identity(out.source, "contact", users["user_id"], users["person_id"])
    out.truth.rows(out.source, "contact", good)
    out.truth.rows(out.source, "staff", staff.height)
    user_of = pl.Series([None] * people.height, dtype=pl.String).scatter(persons, users["user_id"])
    return tickets.with_columns(
        requester=user_of.gather(tickets["person"]),
        assignee=labels(random, agents["agent_id"].to_list(), tickets.height),
    )


def _tickets_ndjson(out: Out, tickets: pl.DataFrame) -> None:
    random = out.random("ticket fields")
    count = tickets.height
    status = (
        pl.when((pl.col("solved") >= 0) & (pl.col("solved") < NOW - 4 * 86_400))
        .then(pl.lit("closed"))
        .when(pl.col("solved") >= 0)
        .then(pl.lit("solved"))
        .when(pl.col("replied") >= 0)
        .then(pl.lit("pending"))
        .otherwise(pl.lit("new"))
    )
    frame = tickets.select(
        local_day(pl.col("at")).dt.strftime("%Y").alias("month"),
        pl.col("ticket_id").alias("id"),
        pl.col("subject"),
        pl.col("text").alias("description"),
        status.alias("status"),
        labels(random, ["low", "normal", "high", "urgent"], count, p=[0.15, 0.65, 0.15, 0.05]).alias("priority"),
        pl.when(pl.col("topic").is_in(["damaged", "payment"]))
        .then(pl.lit("problem"))
        .otherwise(pl.lit("question"))
        .alias("type"),
        pl.struct(
            labels(random, ["email", "web", "chat", "phone"], count, p=[0.5, 0.25, 0.15, 0.1]).alias("channel")
        ).alias("via"),
        pl.concat_list(pl.col("topic")).alias("tags"),
        pl.col("requester").alias("requester_id"),
        pl.col("assignee").alias("assignee_id"),
        pl.lit("Kundenservice").alias("group"),
        pl.struct(pl.col("number").alias("order_number")).alias("custom_fields"),
        iso("at").alias("created_at"),
        pl.struct(iso("replied").alias("first_reply_at"), iso("solved").alias("solved_at")).alias("metrics"),
    )
    good = frame.height
    dirt = out.dirt("ticket", "id")
    frame = dirt.spoil(frame, "subject", {"mojibake": 0.02, "edge_space": 0.02}, field="subject")
    times = tickets.select(iso("at").alias("clean"), stamp("at", "%Y-%m-%dT%H:%M:%S%z").alias("zoned"))
    frame = dirt.spoil(
        frame, "created_at", {"space": 0.01}, field="created_at", values=times["zoned"], clean=times["clean"]
    )
    for kind, changes, reason in (
        ("no day", {"created_at": None}, "missing: created_at"),
        ("unknown status", {"status": "escalated"}, "not_in_enum: status"),
    ):
        frame = dirt.plant(frame, kind, changes, reason=reason, among=good, share=0.0008, ids="99{:09d}")
    frame = dirt.conflict(frame, {"subject": "Anderer Betreff"}, among=good)
    for year, part in by_month(frame):
        files.write_ndjson(out.folder / f"tickets_{year}.ndjson", part)
    out.truth.rows(out.source, "ticket", good)


def _comments(out: Out, tickets: pl.DataFrame) -> None:
    """The customer's message, the agent's answer, and sometimes a last word."""
    random = out.random("comments")
    answered = tickets.filter(pl.col("replied") >= 0)
    talkative = answered.filter(pl.Series(random.random(answered.height) < 0.45) & (pl.col("solved") >= 0))
    parts = [
        tickets.select(
            "ticket_id",
            "at",
            pl.col("requester").alias("author"),
            pl.lit("end-user").alias("role"),
            pl.col("text").alias("body"),
        ),
        answered.select(
            "ticket_id",
            pl.col("replied").alias("at"),
            pl.col("assignee").alias("author"),
            pl.lit("agent").alias("role"),
            labels(random, list(words.REPLIES), answered.height).alias("body"),
        ),
        talkative.select(
            "ticket_id",
            ((pl.col("replied") + pl.col("solved")) // 2).alias("at"),
            pl.col("requester").alias("author"),
            pl.lit("end-user").alias("role"),
            labels(random, list(words.THANKS), talkative.height).alias("body"),
        ),
    ]
    said = pl.concat(parts).sort("at", "ticket_id", maintain_order=True)
    frame = said.select(
        (pl.lit("5") + pl.int_range(pl.len()).cast(pl.String).str.zfill(9)).alias("id"),
        pl.col("ticket_id"),
        pl.col("author").alias("author_id"),
        pl.col("role").alias("author_role"),
        pl.col("body"),
        pl.lit(True).alias("public"),
        iso("at").alias("created_at"),
    )
    good = frame.height
    dirt = out.dirt("ticket_message", "id")
    frame = dirt.plant(
        frame, "ticket does not exist", {"ticket_id": "11"}, reason="orphan: ticket_id 11 not in ticket", among=good
    )
    frame = dirt.plant(
        frame, "no day", {"created_at": None}, reason="missing: sent_at", among=good, share=0.0003, ids="97{:09d}"
    )
    files.write_ndjson(out.folder / "ticket_comments.ndjson", frame)
    out.truth.rows(out.source, "ticket_message", good)


def _ratings(out: Out, tickets: pl.DataFrame) -> None:
    random = out.random("ratings")
    rated = tickets.filter((pl.col("solved") >= 0) & (pl.col("solved") < NOW - 86_400))
    rated = rated.filter(pl.Series(random.random(rated.height) < 0.3))
    slow = (rated["solved"] - rated["at"]).to_numpy() > 2 * 86_400
    good_one = random.random(rated.height) < np.where(slow, 0.45, 0.86)
    comment = np.where(good_one, "Schnell und freundlich", "Hat viel zu lange gedauert")
    frame = rated.select(
        (pl.lit("S") + pl.col("ticket_id")).alias("id"),
        pl.col("ticket_id"),
        pl.col("requester").alias("requester_id"),
        pl.Series(np.where(good_one, "good", "bad")).alias("score"),
        pl.when(pl.Series(random.random(rated.height) < 0.3)).then(pl.Series(comment)).alias("comment"),
        iso(pl.col("solved") + 7_200).alias("created_at"),
    )
    files.write_json(out.folder / "satisfaction_ratings.json", frame)
    out.truth.rows(out.source, "feedback", frame.height)
