"""The demo company in Pipedrive: persons, organizations, deals and what changed in them, activities, notes, products.

A record's body is what the interface gives, but for times and the deleted flag, which `answers` takes from the store.
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
    epoch,
    iso,
    labels,
    moment,
    utc,
)
from sandbox.store import Record, Store
from sandbox.trade import NOW, local_day
from sandbox.vendors._crm import (
    DAY,
    LOST,
    PIPELINE,
    STAGES,
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
from sandbox.vendors.pipedrive import fields
from sandbox.vendors.pipedrive.fields import key

PIPELINE_ID = 1
_EVERYONE = 3


def fill(out: Out, store: Store) -> None:
    """Makes the account's records, and says the truth about them."""
    book = make_book(out)
    beginning = int(pl.select(epoch(moment(pl.lit(-700, pl.Int64)))).item()) * 1000
    fields.define(store, beginning)
    _settings(store, beginning)
    _users(out, store, book, beginning)
    _organizations(out, store, book)
    _persons(out, store, book)
    deals = make_deals(out, book)
    steps = make_steps(out, book, deals)
    _fill_deals(out, store, deals, steps)
    _changes(out, store, book, deals, steps)
    _activities(out, store, book, deals)
    _products(out, store)


def _settings(store: Store, at: int) -> None:
    pipeline = {"id": PIPELINE_ID, "name": PIPELINE, "order_nr": 1, "is_deal_probability_enabled": True}
    store.put("pipelines", [Record(id=str(PIPELINE_ID), body=pipeline, created=at, updated=at)])
    stages = [
        {
            "id": number,
            "order_nr": number,
            "name": name,
            "deal_probability": 20 * number,
            "pipeline_id": PIPELINE_ID,
            "is_deal_rot_enabled": False,
            "days_to_rotten": None,
        }
        for number, name in enumerate(STAGES, 1)
    ]
    store.put("stages", [Record(id=str(s["id"]), body=s, created=at, updated=at) for s in stages])


def _users(out: Out, store: Store, book: Book, at: int) -> None:
    records = []
    for position, owner in enumerate(book.owners.iter_rows(named=True)):
        body = {
            "id": int(owner["owner_id"]),
            "name": f"{owner['given']} {owner['family']}",
            "default_currency": "EUR",
            "locale": "de_DE",
            "lang": 3,
            "email": owner["email"],
            "phone": None,
            "activated": True,
            "has_created_company": position == 0,
            "access": [{"app": "sales", "admin": position == 0, "permission_set_id": f"set-{owner['team']}"}],
            "active_flag": owner["is_active"],
            "timezone_name": "Europe/Berlin",
            "timezone_offset": "+01:00",
            "role_id": 1,
            "icon_url": None,
            "is_you": position == 0,
        }
        made = at + position * 60_000
        records.append(Record(id=owner["owner_id"], body=body, created=made, updated=made))
    store.put("users", records)
    out.truth.rows(out.source, "staff", len(records))


def _put(
    store: Store,
    collection: str,
    frame: pl.DataFrame,
    random: np.random.Generator,
    *,
    made: str = "made",
    last: str = "made",
) -> None:
    """Adds records of a frame: `made` and `last` are seconds, the other columns the body. Times are whole seconds."""
    body = [name for name in frame.columns if name not in (made, last)]
    changed = last_changes(random, frame[last]) // 1000 * 1000
    store.fill(
        collection,
        frame.with_columns(pl.col(made) * 1000, updated=changed),
        id="id",
        created=made,
        updated="updated",
        body=pl.struct(body),
    )


def _number(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Int64)


def _labelled(column: str) -> pl.Expr:
    """A value as the only one of a person's addresses or telephones; none, if there is none."""
    entry = pl.struct(pl.col(column).alias("value"), pl.lit(True).alias("primary"), pl.lit("work").alias("label"))
    return pl.when(pl.col(column).is_not_null()).then(pl.concat_list(entry)).otherwise(pl.lit([]))


def _address() -> pl.Expr:
    """The address as somebody typed it, and as its parts were recognised."""
    return pl.struct(
        pl.format("{}, {} {}, {}", "street", "postcode", "city", "country").alias("value"),
        pl.col("country"),
        pl.lit(None, pl.String).alias("admin_area_level_1"),
        pl.col("city").alias("locality"),
        pl.col("street").alias("route"),
        pl.col("postcode").alias("postal_code"),
    )


def _organizations(out: Out, store: Store, book: Book) -> None:
    random = out.random("companies")
    firms = out.trade.firms
    count = firms.height
    at = pl.Series("at", random.integers(-600, 100, count))
    frame = firms.with_columns(
        made=epoch(moment(pl.lit(at)) + 39_600),
        id=book.company_ids,
        owner=book.some_owners(random, count),
        vat=pl.lit(vat_ids(firms)),
        website="https://www." + pl.col("domain"),
        country=pl.col("country").replace_strict(words.COUNTRY_NAME),
    ).select("id", "name", "owner", "vat", "website", "street", "city", "postcode", "country", "employees", "made")
    dirt = out.dirt("company", "id")
    frame = dirt.spoil(frame, "name", {"space": 0.03, "mojibake": 0.05}, field="name")
    frame = dirt.spoil(frame, "country", COUNTRY_DIRT, field="country", values=firms["country"], clean=firms["country"])
    shown = frame.select(
        _number("id"),
        "name",
        _number("owner").alias("owner_id"),
        pl.lit(_EVERYONE).alias("visible_to"),
        _address().alias("address"),
        pl.lit([], pl.List(pl.Int64)).alias("label_ids"),
        pl.struct(
            pl.col("website").alias(key(fields.WEBSITE)),
            pl.col("vat").alias(key(fields.VAT)),
            pl.col("employees").alias(key(fields.EMPLOYEES)),
        ).alias("custom_fields"),
        "made",
    )
    _put(store, "organizations", shown, random)
    out.truth.rows(out.source, "company", count)


def _persons(out: Out, store: Store, book: Book) -> None:
    random = out.random("contacts")
    contacts = book.contacts
    count = contacts.height
    frame = contacts.with_columns(
        at=joined(random, contacts),
        id=book.contact_ids.gather(contacts["person"]),
        org=book.company_ids.gather(contacts["firm"]),
        owner=book.some_owners(random, count),
        job_title=pl.when("is_business").then(labels(random, list(words.JOB_TITLES), count)),
        language=pl.col("country").replace_strict(words.LANGUAGE).replace_strict(fields.LANGUAGES),
        country=pl.col("country").replace_strict(words.COUNTRY_NAME),
        group=pl.when("is_business").then(pl.lit("B2B")).otherwise(pl.lit("B2C")),
        birthday=pl.col("born").dt.strftime("%Y-%m-%d"),
    ).with_columns(made=epoch("at"))
    dirt = out.dirt("contact", "id")
    frame = dirt.spoil(frame, "given", NAME_DIRT | {"title": 0.02}, field="given_name")
    frame = dirt.spoil(frame, "family", NAME_DIRT, field="family_name")
    frame = dirt.spoil(frame, "email", MAIL_DIRT, field="email")
    frame = dirt.spoil(frame, "phone", PHONE_DIRT, field="phone")
    frame = dirt.spoil(
        frame, "country", COUNTRY_DIRT, field="country", values=contacts["country"], clean=contacts["country"]
    )
    shown = frame.select(
        _number("id"),
        pl.format("{} {}", "given", "family").alias("name"),
        pl.col("given").alias("first_name"),
        pl.col("family").alias("last_name"),
        _number("owner").alias("owner_id"),
        _number("org").alias("org_id"),
        _labelled("email").alias("emails"),
        _labelled("phone").alias("phones"),
        pl.lit(_EVERYONE).alias("visible_to"),
        pl.lit([], pl.List(pl.Int64)).alias("label_ids"),
        pl.lit(None, pl.Int64).alias("picture_id"),
        _address().alias("postal_address"),
        pl.lit(None, pl.String).alias("notes"),
        pl.lit([], pl.List(pl.String)).alias("im"),
        "birthday",
        "job_title",
        pl.struct(pl.col("language").alias(key(fields.LANGUAGE)), pl.col("group").alias(key(fields.GROUP))).alias(
            "custom_fields"
        ),
        "made",
    )
    _put(store, "persons", shown, random)
    out.truth.identity(out.source, "contact", frame["id"], contacts["person_id"])
    out.truth.rows(out.source, "contact", count)


def _fill_deals(out: Out, store: Store, deals: pl.DataFrame, steps: pl.DataFrame) -> None:
    entered = steps.filter(pl.col("stage") < WON).group_by("deal").agg(pl.col("at").max()).sort("deal")["at"]
    is_won, is_lost, is_open = (pl.col("status") == s for s in ("won", "lost", "open"))
    # Lost deals of the first year were put away half a year later.
    is_archived = is_lost & (pl.col("closed") < NOW - 365 * DAY)
    archived = pl.when(is_archived).then(pl.col("closed") + 180 * DAY)
    closed = iso("closed")
    day = local_day(pl.col("closed")).dt.strftime("%Y-%m-%d")
    shown = deals.with_columns(entered=entered).select(
        _number("id"),
        (pl.col("firm") + " – Bestellung").alias("title"),
        _number("owner").alias("creator_user_id"),
        _number("owner").alias("owner_id"),
        (pl.col("amount") / 100).round(2).alias("value"),
        "currency",
        _number("contact").alias("person_id"),
        _number("company").alias("org_id"),
        pl.lit(PIPELINE_ID).alias("pipeline_id"),
        # What closes a deal is no stage: it stays in its last one.
        pl.col("steps").cast(pl.Int64).alias("stage_id"),
        iso("entered").alias("stage_change_time"),
        "status",
        is_archived.alias("is_archived"),
        iso(archived).alias("archive_time"),
        pl.lit(None, pl.Float64).alias("probability"),
        pl.when(is_lost).then("lost_reason").alias("lost_reason"),
        pl.lit(_EVERYONE).alias("visible_to"),
        pl.when(~is_open).then(closed).alias("close_time"),
        pl.when(is_won).then(closed).alias("won_time"),
        pl.when(is_lost).then(closed).alias("lost_time"),
        pl.when(is_won).then(day).alias("local_won_date"),
        pl.when(is_lost).then(day).alias("local_lost_date"),
        pl.when(~is_open).then(day).alias("local_close_date"),
        local_day(pl.col("created") + 45 * DAY).dt.strftime("%Y-%m-%d").alias("expected_close_date"),
        pl.lit([], pl.List(pl.Int64)).alias("label_ids"),
        pl.lit("ManuallyCreated").alias("origin"),
        *(pl.lit(None, pl.String).alias(name) for name in ("origin_id", "channel", "channel_id", "acv", "arr", "mrr")),
        pl.struct(pl.when(is_won).then("number").alias(key(fields.ORDER))).alias("custom_fields"),
        epoch("created").alias("made"),
        pl.coalesce(epoch(archived), epoch("closed"), epoch("created")).alias("last"),
    )
    _put(store, "deals", shown, out.random("deals changed"), last="last")
    out.truth.rows(out.source, "deal", deals.height)
    won = deals.filter(is_won).with_columns(day=local_day(pl.col("closed")), minor=pl.col("amount"))
    out.truth.sums("deal_won_amount", "deal", out.source, won)


def _changes(out: Out, store: Store, book: Book, deals: pl.DataFrame, steps: pl.DataFrame) -> None:
    """The changelog of each deal: the stages after its first, and how it was closed."""
    steps = steps.filter(pl.col("step") > 0)
    closes = pl.col("stage") >= WON
    status = pl.col("stage").replace_strict({WON: "won", LOST: "lost"}, default=None, return_dtype=pl.String)
    frame = steps.with_columns(
        id=pl.int_range(1, pl.len() + 1), made=epoch("at") * 1000, deal_id=deals["id"].gather(steps["deal"])
    )
    store.fill(
        "deal_changes",
        frame,
        id="id",
        created="made",
        parent="deal_id",
        body=pl.struct(
            pl.when(closes).then(pl.lit("status")).otherwise(pl.lit("stage_id")).alias("field_key"),
            pl.when(closes).then(pl.lit("open")).otherwise(pl.col("stage").cast(pl.String)).alias("old_value"),
            pl.when(closes).then(status).otherwise((pl.col("stage") + 1).cast(pl.String)).alias("new_value"),
            pl.lit(book.owners["owner_id"].cast(pl.Int64)).gather("owner").alias("actor_user_id"),
            utc("at").dt.strftime("%Y-%m-%d %H:%M:%S").alias("time"),
            pl.lit("app").alias("change_source"),
            pl.lit(None, pl.String).alias("change_source_user_agent"),
            pl.lit(False).alias("is_bulk_update_flag"),
        ),
    )
    moved = frame.filter(pl.col("stage") < WON).height
    out.truth.rows(out.source, "deal_stage_event", deals.height + moved)


def _activities(out: Out, store: Store, book: Book, deals: pl.DataFrame) -> None:
    """Calls, mails and meetings are activities; notes are kept apart."""
    frame = make_activities(out, book, deals).with_columns(made=epoch("at"))
    links = [
        _number("deal").alias("deal_id"),
        _number("contact").alias("person_id"),
        _number("company").alias("org_id"),
    ]
    absent = ("lead_id", "conference_meeting_client", "conference_meeting_url", "conference_meeting_id")
    shown = frame.filter(pl.col("kind") != "note").select(
        _number("id"),
        "subject",
        pl.col("kind").alias("type"),
        _number("owner").alias("owner_id"),
        _number("owner").alias("creator_user_id"),
        *links,
        pl.lit(None, pl.Int64).alias("project_id"),
        utc("at").dt.strftime("%Y-%m-%d").alias("due_date"),
        utc("at").dt.strftime("%H:%M:%S").alias("due_time"),
        pl.when(pl.col("kind") != "email")
        .then(pl.format("00:{}:00", pl.col("minutes").cast(pl.String).str.zfill(2)))
        .alias("duration"),
        pl.lit(False).alias("busy"),
        pl.lit(True).alias("done"),
        iso("at").alias("marked_as_done_time"),
        pl.lit(None, pl.String).alias("location"),
        pl.concat_list(pl.struct(_number("contact").alias("person_id"), pl.lit(True).alias("primary"))).alias(
            "participants"
        ),
        *(pl.lit(None, pl.String).alias(name) for name in absent),
        pl.lit(None, pl.String).alias("public_description"),
        pl.lit(None, pl.Int64).alias("priority"),
        pl.lit(None, pl.String).alias("note"),
        "made",
    )
    _put(store, "activities", shown, out.random("activities changed"))
    pinned = ("deal", "organization", "person", "project", "task")
    notes = frame.filter(pl.col("kind") == "note").select(
        _number("id"),
        pl.col("subject").alias("content"),
        pl.lit(None, pl.String).alias("lead_id"),
        *links,
        pl.lit(None, pl.Int64).alias("project_id"),
        pl.lit(None, pl.Int64).alias("task_id"),
        _number("owner").alias("user_id"),
        _number("owner").alias("last_update_user_id"),
        *(pl.lit(False).alias(f"pinned_to_{name}_flag") for name in pinned),
        "made",
    )
    _put(store, "notes", notes, out.random("notes changed"))
    out.truth.rows(out.source, "activity", frame.height)


def _products(out: Out, store: Store) -> None:
    """What the company sells, with a price in each of its currencies."""
    prices = [
        pl.struct(
            (4_001 + pl.int_range(pl.len(), dtype=pl.Int64)).alias("product_id"),
            (pl.col(currency) / 100).round(2).alias("price"),
            pl.lit(currency).alias("currency"),
            ((pl.col("cost") / 100).round(2) if currency == "EUR" else pl.lit(0.0)).alias("cost"),
            pl.lit("").alias("notes"),
        )
        for currency in ("EUR", "CHF", "GBP")
    ]
    shown = out.trade.products.select(
        (4_001 + pl.int_range(pl.len(), dtype=pl.Int64)).alias("id"),
        "name",
        pl.col("sku").alias("code"),
        pl.lit(None, pl.String).alias("description"),
        pl.lit("Stück").alias("unit"),
        pl.lit(19).alias("tax"),
        "category",
        pl.col("is_active").alias("is_linkable"),
        pl.lit(_EVERYONE).alias("visible_to"),
        pl.lit(70_013).alias("owner_id"),
        pl.lit("one-time").alias("billing_frequency"),
        pl.lit(None, pl.Int64).alias("billing_frequency_cycles"),
        pl.concat_list(prices).alias("prices"),
        (epoch(moment("created")) + 36_000).alias("made"),
    )
    _put(store, "products", shown, out.random("products changed"))
    out.truth.rows(out.source, "product", shown.height)
