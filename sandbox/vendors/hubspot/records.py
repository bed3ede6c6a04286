"""The demo company in HubSpot: contacts, companies, deals with their stages, engagements, owners and the pipeline.

A record's body holds `properties`, `associations` (ids by object) and `history` (by property); what the interface makes
of them belongs in `answers`.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from sandbox import words
from sandbox.exports.kit import (
    COUNTRY_DIRT,
    MAIL_DIRT,
    NAME_DIRT,
    PHONE_DIRT,
    Out,
    day_of,
    epoch,
    iso,
    labels,
    moment,
    money,
)
from sandbox.store import Record, Store
from sandbox.trade import local_day
from sandbox.vendors._crm import (
    DAY,
    LOST,
    WON,
    Book,
    joined,
    last_changes,
    make_activities,
    make_book,
    make_deals,
    make_steps,
    vat_ids,
)
from sandbox.vendors._crm import PIPELINE as PIPELINE_LABEL
from sandbox.vendors._crm import STAGES as STAGE_LABELS
from sandbox.vendors.hubspot import properties

PIPELINE = "default"
#: id, label, probability, whether the deal is closed by it
STAGES = tuple(
    zip(
        ("appointmentscheduled", "qualifiedtobuy", "presentationscheduled", "contractsent", "closedwon", "closedlost"),
        (*STAGE_LABELS, "Gewonnen", "Verloren"),
        ("0.2", "0.4", "0.6", "0.8", "1.0", "0.0"),
        ("false", "false", "false", "false", "true", "true"),
        strict=True,
    )
)
#: HubSpot's own ids of a call's outcome.
DISPOSITIONS = {
    "CONNECTED": "f240bbac-87c9-4f6e-bf70-924b57d47db7",
    "NO_ANSWER": "73a0d17f-1163-4015-bdd5-ec830791da20",
    "BUSY": "9d9162e7-6cf3-4944-bf63-4dff82258764",
}


def fill(out: Out, store: Store) -> None:
    """Makes the account's records, and says the truth about them."""
    book = make_book(out)
    beginning = int(pl.select(epoch(moment(pl.lit(-700, pl.Int64)))).item()) * 1000
    properties.define(store, beginning)
    _pipeline(store, beginning)
    _owners(out, store, book, beginning)
    _companies(out, store, book)
    _contacts(out, store, book)
    deals = make_deals(out, book)
    _fill_deals(out, store, book, deals)
    _engagements(out, store, book, deals)


def _linked(column: str) -> pl.Expr:
    """The id in a column as a list, which is empty where there is none."""
    return pl.concat_list(column).list.drop_nulls()


def _pipeline(store: Store, at: int) -> None:
    made = _stamp(at)
    stages = [
        {
            "id": id,
            "label": label,
            "displayOrder": order,
            "metadata": {"isClosed": closed, "probability": probability},
            "createdAt": made,
            "updatedAt": made,
            "archived": False,
            "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
        }
        for order, (id, label, probability, closed) in enumerate(STAGES)
    ]
    body = {
        "id": PIPELINE,
        "label": PIPELINE_LABEL,
        "displayOrder": 0,
        "stages": stages,
        "createdAt": made,
        "updatedAt": made,
        "archived": False,
    }
    store.put("pipelines", [Record(id=PIPELINE, body=body, created=at, updated=at, parent="deals")])


def _stamp(milliseconds: int) -> str:
    text: str = pl.select(pl.lit(milliseconds).cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%dT%H:%M:%S.%3fZ")).item()
    return text


def _owners(out: Out, store: Store, book: Book, at: int) -> None:
    """Owners who left are archived ones."""
    records = []
    for position, owner in enumerate(book.owners.iter_rows(named=True)):
        active = {"userId": owner["user_id"]} if owner["is_active"] else {}
        body = {
            "id": owner["owner_id"],
            "email": owner["email"],
            "type": "PERSON",
            "firstName": owner["given"],
            "lastName": owner["family"],
            **active,
            "userIdIncludingInactive": owner["user_id"],
            "teams": [{"id": str(300 + len(owner["team"])), "name": owner["team"], "primary": True}],
        }
        made = at + position * 61_000
        gone = None if owner["is_active"] else made + 300 * DAY * 1000
        records.append(Record(id=owner["owner_id"], body=body, created=made, updated=gone or made, deleted=gone))
    store.put("owners", records)
    out.truth.rows(out.source, "staff", len(records))


def _companies(out: Out, store: Store, book: Book) -> None:
    random = out.random("companies")
    firms = out.trade.firms
    count = firms.height
    at = pl.Series("at", random.integers(-600, 100, count))
    frame = firms.with_columns(
        seconds=epoch(moment(pl.lit(at)) + 39_600), owner=book.some_owners(random, count), vat=pl.lit(vat_ids(firms))
    ).select(
        book.company_ids.alias("id"),
        "name",
        "domain",
        ("https://www." + pl.col("domain")).alias("website"),
        ("info@" + pl.col("domain")).alias("info_email"),
        pl.col("vat").alias("vat_id"),
        "industry",
        pl.col("employees").cast(pl.String).alias("numberofemployees"),
        money("revenue_minor").alias("annualrevenue"),
        pl.lit("EUR").alias("hs_annual_revenue_currency_code"),
        pl.col("street").alias("address"),
        "city",
        pl.col("postcode").alias("zip"),
        pl.col("country").replace_strict(words.COUNTRY_NAME),
        pl.col("owner").alias("hubspot_owner_id"),
        pl.col("seconds").cast(pl.String),
    )
    good = frame.height
    dirt = out.dirt("company", "id")
    frame = dirt.spoil(frame, "name", {"space": 0.03, "mojibake": 0.05}, field="name")
    frame = dirt.spoil(frame, "website", {"no_scheme": 0.25, "upper": 0.02}, field="website")
    frame = dirt.spoil(frame, "country", COUNTRY_DIRT, field="country", values=firms["country"], clean=firms["country"])
    frame = dirt.plant(
        frame, "no name", {"name": None}, reason="missing: name", among=good, share=0.003, ids="66{:09d}"
    )
    _put(store, "companies", frame, random, associations=[])
    out.truth.rows(out.source, "company", good)


def _put(
    store: Store, object: str, frame: pl.DataFrame, random: np.random.Generator, *, associations: list[str]
) -> None:
    """Adds records of a frame: `id`, `seconds` when made and `last` known, `history`, other objects, properties."""
    made, last = (frame[name].cast(pl.Int64) for name in ("seconds", "last" if "last" in frame.columns else "seconds"))
    names = [n for n in frame.columns if n not in ("id", "seconds", "last", "history", *associations)]
    parts = [pl.struct(names).alias("properties")]
    if associations:
        parts.append(pl.struct([_linked(a) for a in associations]).alias("associations"))
    if "history" in frame.columns:
        parts.append(pl.struct(pl.col("history").alias("dealstage")).alias("history"))
    store.fill(
        object,
        frame.with_columns(made=made * 1000, changed=last_changes(random, last)),
        id="id",
        created="made",
        updated="changed",
        body=pl.struct(parts),
    )


def _contacts(out: Out, store: Store, book: Book) -> None:
    random = out.random("contacts")
    contacts, firms = book.contacts, out.trade.firms
    count = contacts.height
    seconds = joined(random, contacts)
    frame = contacts.with_columns(at=seconds, owner=book.some_owners(random, count)).select(
        book.contact_ids.gather(contacts["person"]).alias("id"),
        pl.col("given").alias("firstname"),
        pl.col("family").alias("lastname"),
        "email",
        "phone",
        book.company_ids.gather(contacts["firm"]).alias("associatedcompanyid"),
        firms["name"].gather(contacts["firm"]).alias("company"),
        pl.when("is_business").then(labels(random, list(words.JOB_TITLES), count)).alias("jobtitle"),
        pl.col("street").alias("address"),
        "city",
        pl.col("postcode").alias("zip"),
        pl.col("country").replace_strict(words.COUNTRY_NAME),
        pl.col("country").replace_strict(words.LANGUAGE).alias("hs_language"),
        pl.col("born").dt.strftime("%Y-%m-%d").alias("date_of_birth"),
        pl.when(pl.col("joined") < 0).then(pl.lit("customer")).otherwise(pl.lit("lead")).alias("lifecyclestage"),
        labels(random, ["ORGANIC_SEARCH", "PAID_SEARCH", "OFFLINE", "REFERRALS"], count).alias("hs_analytics_source"),
        pl.col("owner").alias("hubspot_owner_id"),
        pl.when("is_business").then(pl.lit("B2B")).otherwise(pl.lit("B2C")).alias("erp_customer_group"),
        epoch("at").cast(pl.String).alias("seconds"),
    )
    dirt = out.dirt("contact", "id")
    frame = dirt.spoil(frame, "firstname", NAME_DIRT | {"title": 0.02}, field="given_name")
    frame = dirt.spoil(frame, "lastname", NAME_DIRT, field="family_name")
    frame = dirt.spoil(frame, "email", MAIL_DIRT, field="email")
    frame = dirt.spoil(frame, "phone", PHONE_DIRT, field="phone")
    frame = dirt.spoil(
        frame, "country", COUNTRY_DIRT, field="country", values=contacts["country"], clean=contacts["country"]
    )
    frame = dirt.spoil(
        frame,
        "date_of_birth",
        {"date_german": 0.06, "impossible_date": 0.002},
        field="birth_date",
        values=contacts["born"],
    )
    _put(store, "contacts", frame.with_columns(companies="associatedcompanyid"), random, associations=["companies"])
    out.truth.identity(out.source, "contact", frame["id"], contacts["person_id"])
    out.truth.rows(out.source, "contact", count)


def _fill_deals(out: Out, store: Store, book: Book, deals: pl.DataFrame) -> None:
    is_won, is_lost = pl.col("status") == "won", pl.col("status") == "lost"
    stage = pl.when(is_won).then(WON).when(is_lost).then(LOST).otherwise(pl.col("steps") - 1)
    expected = local_day(pl.col("created") + 45 * DAY)
    frame = deals.select(
        "id",
        (pl.col("firm") + " – Bestellung").alias("dealname"),
        pl.lit(PIPELINE).alias("pipeline"),
        pl.lit(pl.Series([s[0] for s in STAGES])).gather(stage).alias("dealstage"),
        pl.when(is_won | is_lost).then(pl.lit("true")).otherwise(pl.lit("false")).alias("hs_is_closed"),
        pl.when(is_won).then(pl.lit("true")).otherwise(pl.lit("false")).alias("hs_is_closed_won"),
        pl.when(is_lost).then(pl.lit("true")).otherwise(pl.lit("false")).alias("hs_is_closed_lost"),
        money("amount").alias("amount"),
        pl.col("currency").alias("deal_currency_code"),
        pl.lit(pl.Series([s[2] for s in STAGES])).gather(stage).alias("hs_deal_stage_probability"),
        pl.when(is_lost).then("lost_reason").alias("closed_lost_reason"),
        pl.col("owner").alias("hubspot_owner_id"),
        iso("created").alias("createdate"),
        # Of an open deal it is the day on which it is expected to close.
        pl.coalesce(iso("closed"), expected.dt.strftime("%Y-%m-%dT00:00:00Z")).alias("closedate"),
        expected.dt.strftime("%Y-%m-%d").alias("expected_close_date"),
        pl.when(is_won).then("number").alias("order_number"),
        pl.col("contact").alias("contacts"),
        pl.col("company").alias("companies"),
        epoch("created").cast(pl.String).alias("seconds"),
        pl.coalesce(epoch("closed"), epoch("created")).cast(pl.String).alias("last"),
    )
    good = frame.height
    dirt = out.dirt("deal", "id")
    frame = dirt.plant(
        frame, "no day", {"createdate": None}, reason="missing: created_at", among=good, share=0.001, ids="77{:09d}"
    )
    frame = dirt.plant(
        frame,
        "negative amount",
        {"amount": "-1200.00"},
        reason="below_minimum: amount",
        among=good,
        share=0.001,
        ids="78{:09d}",
    )
    # The bad ones have no history: they came from a list.
    steps = make_steps(out, book, deals)
    frame = frame.join(_history(out, book, deals, steps), on="id", how="left", maintain_order="left").with_columns(
        pl.col("history").fill_null([])
    )
    _put(store, "deals", frame, out.random("deals changed"), associations=["contacts", "companies"])
    out.truth.rows(out.source, "deal", good)
    won = deals.filter(is_won).with_columns(day=local_day(pl.col("closed")), minor=pl.col("amount"))
    out.truth.sums("deal_won_amount", "deal", out.source, won)
    people, person = out.trade.people, out.trade.orders["person"].gather(deals["order"])
    moved = steps.group_by("deal").agg(pl.col("at").max()).sort("deal")["at"]
    out.truth.fact(
        "deal",
        deals.select(
            "status",
            "currency",
            "amount",
            pipeline=pl.lit(PIPELINE_LABEL),
            stage=pl.lit(pl.Series([s[1] for s in STAGES])).gather(stage),
            chance_pct=pl.lit(pl.Series([round(100 * float(s[2])) for s in STAGES])).gather(stage),
            owner=pl.lit("crm:") + pl.col("owner"),
            record_id=pl.lit("contact:crm:") + pl.col("contact"),
            person_id=people["person_id"].gather(person),
            created_day=day_of("created"),
            closed_day=day_of("closed"),
            expected_day=expected,
            moved_day=day_of(pl.lit(moved)),
        ),
        out.source,
    )


def _history(out: Out, book: Book, deals: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """For each deal the stages that it entered, the closing one included, the latest first."""
    out.truth.rows(out.source, "deal_stage_event", steps.height)
    user = book.owners["user_id"].gather(steps["owner"])
    # No two stages of a deal begin in the same millisecond.
    milliseconds = epoch("at") * 1000 + pl.col("step")
    return (
        steps.with_columns(id=deals["id"].gather(steps["deal"]), user=user)
        .select(
            "id",
            "step",
            value=pl.lit(pl.Series([s[0] for s in STAGES])).gather("stage"),
            timestamp=milliseconds.cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%dT%H:%M:%S.%3fZ"),
            sourceType=pl.lit("CRM_UI"),
            sourceId=pl.format("userId:{}", "user"),
            updatedByUserId=pl.col("user"),
        )
        .sort("id", "step", descending=[False, True])
        .group_by("id", maintain_order=True)
        .agg(history=pl.struct("value", "timestamp", "sourceType", "sourceId", "updatedByUserId"))
    )


def _engagements(out: Out, store: Store, book: Book, deals: pl.DataFrame) -> None:
    """Calls, mails, meetings and notes are objects of their own."""
    activities = make_activities(out, book, deals)
    frame = activities.select(
        "id",
        "kind",
        "subject",
        "minutes",
        "outcome",
        "at",
        pl.col("contact").alias("contacts"),
        pl.col("company").alias("companies"),
        pl.col("deal").alias("deals"),
        pl.col("owner").alias("hubspot_owner_id"),
        hs_timestamp=iso("at"),
        seconds=epoch("at").cast(pl.String),
    )
    subject = pl.col("subject")
    own = {
        "calls": [
            subject.alias("hs_call_title"),
            (pl.col("minutes") * 60_000).cast(pl.String).alias("hs_call_duration"),
            pl.col("outcome").replace_strict(DISPOSITIONS).alias("hs_call_disposition"),
            pl.col("outcome").replace({"CONNECTED": "COMPLETED"}).alias("hs_call_status"),
        ],
        "emails": [
            subject.alias("hs_email_subject"),
            pl.lit("EMAIL").alias("hs_email_direction"),
            pl.lit("SENT").alias("hs_email_status"),
        ],
        "meetings": [
            subject.alias("hs_meeting_title"),
            pl.col("hs_timestamp").alias("hs_meeting_start_time"),
            iso(pl.col("at") + pl.col("minutes") * 60).alias("hs_meeting_end_time"),
            pl.lit(None, pl.String).alias("hs_meeting_outcome"),
        ],
        "notes": [pl.format("<p>{}</p>", subject).alias("hs_note_body")],
    }
    shared = ["id", "hs_timestamp", "hubspot_owner_id", "contacts", "companies", "deals", "seconds"]
    for name in properties.ENGAGEMENTS:
        part = frame.filter(pl.col("kind") == name.removesuffix("s")).select(*shared, *own[name])
        _put(store, name, part, out.random(f"{name} changed"), associations=["contacts", "companies", "deals"])
    out.truth.rows(out.source, "activity", frame.height)
