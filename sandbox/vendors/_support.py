"""What the demo company's customers wrote to it and what became of that: one truth for every support desk vendor.

Frames of plain columns, times as seconds of local time with negative ones for never. How a vendor words them belongs in
its own module.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from sandbox import words
from sandbox.days import DAYS, START, Ints, effect, weekday
from sandbox.exports.kit import MAIL_DIRT, PHONE_DIRT, Out, known_as, labels
from sandbox.staff import make_staff
from sandbox.trade import NOW, times_of_day

TEAM = "Kundenservice"
_TICKETS_A_DAY = 9.0
_NAME_DIRT = {"upper": 0.02, "lower": 0.03, "last_first": 0.04, "title": 0.03, "mojibake": 0.03, "space": 0.02}


@dataclass(frozen=True, kw_only=True)
class Support:
    """The support desk's two years.

    Attributes:
        tickets: id, at, replied, solved, topic, subject, text, number (of the order), requester, assignee, status,
            priority, kind, channel, score and comment of the customer's rating, with rated (its time).
        customers: id, name, email, phone, locale, at (first seen).
        agents: id, name, email, is_lead, is_active.
        messages: id, ticket_id, at, author, is_agent, body; in order of time.
    """

    tickets: pl.DataFrame
    customers: pl.DataFrame
    agents: pl.DataFrame
    messages: pl.DataFrame


def make_support(out: Out) -> Support:
    """Makes the desk's records with their dirt, and says the truth about them."""
    tickets, agents = _tickets(out), _agents(out)
    tickets, customers = _with_people(out, tickets, agents)
    tickets = _with_ratings(out, _with_fields(out, tickets))
    out.truth.rows(out.source, "staff", agents.height)
    out.truth.rows(out.source, "ticket", tickets.height)
    out.truth.rows(out.source, "feedback", tickets["score"].count())
    return Support(tickets=tickets, customers=customers, agents=agents, messages=_messages(out, tickets))


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
    ).with_columns(id=(41_000 + pl.int_range(pl.len(), dtype=pl.Int64)).cast(pl.String))
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
        subject=pl.Series(subjects, dtype=pl.String),
        text=pl.Series(texts, dtype=pl.String),
        person=orders["person"].gather(order),
        number=pl.select(pl.when(knows_number).then(pl.Series(numbers, dtype=pl.String))).to_series(),
    )


def _agents(out: Out) -> pl.DataFrame:
    return (
        make_staff(out.seed)
        .filter(pl.col("team") == TEAM)
        .select(
            (360_000_000_000 + pl.col("number") * 17).cast(pl.String).alias("id"),
            (pl.col("given") + " " + pl.col("family")).alias("name"),
            "email",
            (pl.col("role") == "Teamleitung").alias("is_lead"),
            "is_active",
        )
    )


def _with_people(out: Out, tickets: pl.DataFrame, agents: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The tickets with the ids of both sides, and who the customers are."""
    random, people = out.random("users"), out.trade.people
    persons: Ints = tickets["person"].unique().sort().to_numpy()
    users = known_as(random, people, persons).with_columns(
        user_id=(370_000_000_000 + pl.int_range(pl.len(), dtype=pl.Int64) * 29).cast(pl.String)
    )
    firsts = tickets.unique("person", keep="first", maintain_order=True).sort("person")
    customers = users.with_columns(at=firsts["at"]).select(
        pl.col("user_id").alias("id"),
        (pl.col("given") + " " + pl.col("family")).alias("name"),
        "email",
        "phone",
        pl.col("country").replace_strict(words.LANGUAGE).alias("locale"),
        "at",
    )
    dirt = out.dirt("contact", "id")
    customers = dirt.spoil(customers, "name", _NAME_DIRT, field="full_name")
    customers = dirt.spoil(customers, "email", MAIL_DIRT, field="email")
    customers = dirt.spoil(customers, "phone", PHONE_DIRT, field="phone")
    out.truth.identity(out.source, "contact", users["user_id"], users["person_id"])
    out.truth.rows(out.source, "contact", customers.height)
    user_of = pl.Series([None] * people.height, dtype=pl.String).scatter(persons, users["user_id"])
    tickets = tickets.with_columns(
        requester=user_of.gather(tickets["person"]),
        assignee=labels(random, agents["id"].to_list(), tickets.height),
    )
    return tickets, customers


def _with_fields(out: Out, tickets: pl.DataFrame) -> pl.DataFrame:
    random = out.random("ticket fields")
    status = (
        pl.when((pl.col("solved") >= 0) & (pl.col("solved") < NOW - 4 * 86_400))
        .then(pl.lit("closed"))
        .when(pl.col("solved") >= 0)
        .then(pl.lit("solved"))
        .when(pl.col("replied") >= 0)
        .then(pl.lit("pending"))
        .otherwise(pl.lit("new"))
    )
    tickets = tickets.with_columns(
        status=status,
        priority=labels(random, ["low", "normal", "high", "urgent"], tickets.height, p=[0.15, 0.65, 0.15, 0.05]),
        kind=pl.when(pl.col("topic").is_in(["damaged", "payment"]))
        .then(pl.lit("problem"))
        .otherwise(pl.lit("question")),
        channel=labels(random, ["email", "web", "chat", "phone"], tickets.height, p=[0.5, 0.25, 0.15, 0.1]),
    )
    return out.dirt("ticket", "id").spoil(tickets, "subject", {"mojibake": 0.02, "edge_space": 0.02}, field="subject")


def _with_ratings(out: Out, tickets: pl.DataFrame) -> pl.DataFrame:
    """Some customers of solved tickets say whether they were content; the slower the answer, the less so."""
    random, count = out.random("ratings"), tickets.height
    asked = (pl.col("solved") >= 0) & (pl.col("solved") < NOW - 86_400)
    slow = (tickets["solved"] - tickets["at"]).to_numpy() > 2 * 86_400
    is_good = random.random(count) < np.where(slow, 0.45, 0.86)
    answers = pl.Series(random.random(count) < 0.3)
    comment = pl.Series(np.where(is_good, "Schnell und freundlich", "Hat viel zu lange gedauert"))
    tickets = tickets.with_columns(
        score=pl.when(asked & answers).then(pl.Series(np.where(is_good, "good", "bad"))),
        rated=pl.when(asked & answers).then(pl.col("solved") + 7_200).otherwise(-1),
    )
    says_why = pl.Series(random.random(count) < 0.3)
    return tickets.with_columns(comment=pl.when(says_why & pl.col("score").is_not_null()).then(comment))


def _messages(out: Out, tickets: pl.DataFrame) -> pl.DataFrame:
    """The customer's message, the agent's answer, and sometimes a last word; the last one belongs to no ticket."""
    random = out.random("comments")
    answered = tickets.filter(pl.col("replied") >= 0)
    talkative = answered.filter(pl.Series(random.random(answered.height) < 0.45) & (pl.col("solved") >= 0))
    replies = labels(random, list(words.REPLIES), answered.height)
    thanks = labels(random, list(words.THANKS), talkative.height)
    parts = [
        _said(tickets, pl.col("at"), "requester", pl.col("text")),
        _said(answered, pl.col("replied"), "assignee", pl.lit(replies)),
        _said(talkative, (pl.col("replied") + pl.col("solved")) // 2, "requester", pl.lit(thanks)),
    ]
    messages = (
        pl.concat(parts)
        .sort("at", "ticket_id", maintain_order=True)
        .select((pl.lit("5") + pl.int_range(pl.len()).cast(pl.String).str.zfill(9)).alias("id"), pl.all())
    )
    good = messages.height
    out.truth.rows(out.source, "ticket_message", good)
    orphan = "orphan: ticket_id 11 not in ticket"
    return out.dirt("ticket_message", "id").plant(
        messages, "ticket does not exist", {"ticket_id": "11"}, reason=orphan, among=good
    )


def _said(tickets: pl.DataFrame, at: pl.Expr, author: str, body: pl.Expr) -> pl.DataFrame:
    return tickets.select(
        pl.col("id").alias("ticket_id"),
        at.alias("at"),
        pl.col(author).alias("author"),
        pl.lit(author == "assignee").alias("is_agent"),
        body.alias("body"),
    )
