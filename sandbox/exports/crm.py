"""The CRM: contacts, companies, deals and how they moved, engagements and owners.

Comma-separated UTF-8 with a byte-order mark; times are local and without zone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from sandbox import files, words
from sandbox.days import DAYS, START, Ints
from sandbox.exports.kit import (
    COUNTRY_DIRT,
    MAIL_DIRT,
    NAME_DIRT,
    PHONE_DIRT,
    Out,
    amounts,
    iso_utc,
    known_as,
    labels,
    moment,
    money,
    stamp,
    utc,
)
from sandbox.staff import make_staff
from sandbox.trade import NOW, local_day, times_of_day

_TIME = "%Y-%m-%d %H:%M"
_STAGES = ("Termin vereinbart", "Qualifiziert", "Angebot gesendet", "Verhandlung")


@dataclass(frozen=True, kw_only=True)
class _Book:
    """The CRM's own numbering of people, firms and owners."""

    contacts: pl.DataFrame
    contact_ids: pl.Series
    company_ids: pl.Series
    owners: pl.DataFrame


def write(out: Out) -> None:
    """Write the CRM's export."""
    book = _book(out)
    _owners(out, book)
    _companies(out, book)
    _contacts(out, book)
    deals = _deals(out, book)
    _stages(out, book, deals)
    _activities(out, book, deals)


def _book(out: Out) -> _Book:
    random = out.random("book")
    people = out.trade.people
    buys = np.zeros(people.height, dtype=bool)
    buys[out.trade.orders["person"].unique().to_numpy()] = True
    is_lead = ~buys & (people["joined"].to_numpy() >= 0)
    share = np.where(people["is_business"].to_numpy(), 1.0, np.where(is_lead, 0.8, 0.15))
    contacts = known_as(random, people, np.flatnonzero(random.random(people.height) < share))
    ids = (20_400_001 + pl.int_range(contacts.height, eager=True, dtype=pl.Int64) * 3).cast(pl.String).str.zfill(10)
    contact_ids = pl.Series([None] * people.height, dtype=pl.String).scatter(contacts["person"], ids)
    firms = (900_001 + pl.int_range(out.trade.firms.height, eager=True, dtype=pl.Int64) * 7).cast(pl.String)
    owners = (
        make_staff(out.seed)
        .filter(pl.col("team").is_in(["Vertrieb", "Marketing"]))
        .with_columns(owner_id=(70_000 + pl.col("number") * 13).cast(pl.String))
    )
    return _Book(contacts=contacts, contact_ids=contact_ids, company_ids=firms, owners=owners)


def _owner(random: np.random.Generator, book: _Book, count: int) -> pl.Series:
    return labels(random, book.owners["owner_id"].to_list(), count)


def _write(out: Out, name: str, frame: pl.DataFrame) -> None:
    files.write_csv(out.folder / f"{name}.csv", frame, bom=True)


def _owners(out: Out, book: _Book) -> None:
    frame = book.owners.select(
        pl.col("owner_id").alias("Owner ID"),
        pl.col("given").alias("First Name"),
        pl.col("family").alias("Last Name"),
        pl.col("email").alias("Email"),
        pl.col("team").alias("Team"),
        pl.when("is_active").then(pl.lit("Yes")).otherwise(pl.lit("No")).alias("Active"),
    )
    _write(out, "owners", frame)
    out.truth.rows(out.source, "staff", frame.height)


def _companies(out: Out, book: _Book) -> None:
    random = out.random("companies")
    firms = out.trade.firms
    count = firms.height
    at = pl.Series("at", random.integers(-600, 100, count))
    frame = firms.with_columns(at=moment(pl.lit(at)) + 39_600, owner=_owner(random, book, count)).select(
        book.company_ids.alias("Record ID"),
        pl.col("name").alias("Company name"),
        pl.col("domain").alias("Company Domain Name"),
        ("https://www." + pl.col("domain")).alias("Website URL"),
        ("info@" + pl.col("domain")).alias("Email"),
        pl.lit(_vat_ids(firms)).alias("VAT ID"),
        pl.col("industry").alias("Industry"),
        pl.col("employees").cast(pl.String).alias("Number of Employees"),
        money("revenue_minor").alias("Annual Revenue"),
        pl.lit("EUR").alias("Currency"),
        pl.col("street").alias("Street Address"),
        pl.col("city").alias("City"),
        pl.col("postcode").alias("Postal Code"),
        pl.col("country").replace_strict(words.COUNTRY_NAME).alias("Country/Region"),
        pl.col("owner").alias("Company owner"),
        stamp("at", _TIME).alias("Create Date"),
    )
    good = frame.height
    dirt = out.dirt("company", "Record ID")
    frame = dirt.spoil(frame, "Company name", {"space": 0.03, "mojibake": 0.05}, field="name")
    frame = dirt.spoil(frame, "Website URL", {"no_scheme": 0.25, "upper": 0.02}, field="website")
    frame = dirt.spoil(
        frame,
        "Annual Revenue",
        {"money_german": 0.2, "money_symbol": 0.1},
        field="annual_revenue",
        values=amounts(firms["revenue_minor"], "EUR"),
    )
    frame = dirt.spoil(
        frame, "Country/Region", COUNTRY_DIRT, field="country", values=firms["country"], clean=firms["country"]
    )
    frame = dirt.plant(
        frame, "no name", {"Company name": None}, reason="missing: name", among=good, share=0.003, ids="66{:09d}"
    )
    frame = dirt.conflict(frame, {"Company name": "Doppelt GmbH"}, among=good)
    _write(out, "companies", frame)
    out.truth.rows(out.source, "company", good)


def _vat_ids(firms: pl.DataFrame) -> pl.Series:
    numbers = (pl.int_range(firms.height, eager=True) * 7_919 + 10_000_019) % 899_999_999 + 100_000_000
    prefix = firms["country"].replace({"AT": "ATU", "CH": "CHE"})
    return prefix + numbers.cast(pl.String)


def _contacts(out: Out, book: _Book) -> None:
    random = out.random("contacts")
    contacts, firms = book.contacts, out.trade.firms
    count = contacts.height
    seconds = contacts.select(moment("joined")).to_series() + pl.Series(random.integers(8 * 3600, 18 * 3600, count))
    frame = contacts.with_columns(at=seconds, owner=_owner(random, book, count)).select(
        book.contact_ids.gather(contacts["person"]).alias("Record ID"),
        pl.col("given").alias("First Name"),
        pl.col("family").alias("Last Name"),
        pl.col("email").alias("Email"),
        pl.col("phone").alias("Phone Number"),
        book.company_ids.gather(contacts["firm"]).alias("Associated Company ID"),
        firms["name"].gather(contacts["firm"]).alias("Company Name"),
        pl.when("is_business").then(labels(random, list(words.JOB_TITLES), count)).alias("Job Title"),
        pl.col("street").alias("Street Address"),
        pl.col("city").alias("City"),
        pl.col("postcode").alias("Postal Code"),
        pl.col("country").replace_strict(words.COUNTRY_NAME).alias("Country/Region"),
        pl.col("country").replace_strict(words.LANGUAGE).alias("Preferred language"),
        pl.col("born").dt.strftime("%Y-%m-%d").alias("Date of birth"),
        pl.when(pl.col("joined") < 0).then(pl.lit("customer")).otherwise(pl.lit("lead")).alias("Lifecycle Stage"),
        labels(random, ["ORGANIC_SEARCH", "PAID_SEARCH", "OFFLINE", "REFERRALS"], count).alias("Original Source"),
        pl.col("owner").alias("Contact owner"),
        stamp("at", _TIME).alias("Create Date"),
    )
    good = frame.height
    dirt = out.dirt("contact", "Record ID")
    frame = dirt.spoil(frame, "First Name", NAME_DIRT | {"title": 0.02}, field="given_name")
    frame = dirt.spoil(frame, "Last Name", NAME_DIRT, field="family_name")
    frame = dirt.spoil(frame, "Email", MAIL_DIRT, field="email")
    frame = dirt.spoil(frame, "Phone Number", PHONE_DIRT, field="phone")
    frame = dirt.spoil(
        frame, "Country/Region", COUNTRY_DIRT, field="country", values=contacts["country"], clean=contacts["country"]
    )
    frame = dirt.spoil(
        frame,
        "Date of birth",
        {"date_german": 0.06, "impossible_date": 0.002},
        field="birth_date",
        values=contacts["born"],
    )
    clean_time = pl.DataFrame({"at": seconds})
    frame = dirt.spoil(
        frame,
        "Create Date",
        {"time_zone": 0.01, "time_german": 0.01},
        field="created_at",
        values=clean_time.select(utc("at")).to_series(),
        clean=iso_utc(clean_time, "at"),
    )
    frame = dirt.plant(frame, "no id", {"Record ID": None}, reason="missing: source_id", among=good)
    frame = dirt.repeat(frame, among=good)
    frame = dirt.conflict(frame, {"Job Title": "Vorstand"}, among=good)
    _write(out, "contacts", frame)
    line = files.append_line(out.folder / "contacts.csv", "0020400001,Zu,viele,Felder" + "," * 20)
    out.truth.bad_line(out.source, "contact", "contacts.csv", line, "too many fields")
    out.truth.identity(out.source, "contact", book.contact_ids.gather(contacts["person"]), contacts["person_id"])
    out.truth.rows(out.source, "contact", good)


def _deals(out: Out, book: _Book) -> pl.DataFrame:
    """Deals of firms: the won ones led to an order that is in the shop; others were lost or are open."""
    random = out.random("deals")
    orders = out.trade.orders
    business = np.flatnonzero(orders["is_business"].to_numpy() & (orders["cancelled"].to_numpy() < 0))
    won = business[random.random(len(business)) < 0.5]
    other = business[random.permutation(len(business))[: round(1.3 * len(won))]]
    ordered = orders["ordered"].to_numpy()
    closed_won = np.maximum(ordered[won] - random.integers(3_600, 2 * 86_400, len(won)), 86_400)
    created = closed_won - random.integers(4, 60, len(won)) * 86_400
    day = random.integers(0, DAYS, len(other))
    created_other = (day + START.toordinal() - 719_163) * 86_400 + times_of_day(random, len(other))
    closed_other = created_other + random.integers(10, 90, len(other)) * 86_400
    is_open = closed_other >= NOW
    status = np.concatenate([np.full(len(won), "won"), np.where(is_open, "open", "lost")])
    order = np.concatenate([won, other])
    amount = orders["total"].to_numpy()[order]
    amount = np.where(status == "won", amount, amount * random.integers(50, 400, len(order)) // 100)
    deals = pl.DataFrame(
        {
            "order": order,
            "status": pl.Series(status),
            "amount": amount,
            "created": np.concatenate([created, created_other]),
            "closed": np.concatenate([closed_won, np.where(is_open, -1, closed_other)]),
            "steps": random.integers(1, 5, len(order)),
        }
    ).sort("created", "order", maintain_order=True)
    person = orders["person"].gather(deals["order"])
    deals = deals.with_columns(
        deal_id=(510_000_001 + pl.int_range(pl.len(), dtype=pl.Int64) * 11).cast(pl.String),
        contact=book.contact_ids.gather(person),
        company=book.company_ids.gather(out.trade.people["firm"].gather(person)),
        firm=out.trade.firms["name"].gather(out.trade.people["firm"].gather(person)),
        currency=orders["currency"].gather(deals["order"]),
        owner=_owner(random, book, deals.height),
        number=orders["order_number"].gather(deals["order"]),
        steps=pl.when(pl.col("status") == "won").then(4).otherwise("steps"),
    )
    _deals_csv(out, deals, random)
    return deals


def _last_stage() -> pl.Expr:
    at_step = pl.lit(pl.Series(_STAGES)).gather(pl.col("steps") - 1)
    named = {"won": "Gewonnen", "lost": "Verloren"}
    return pl.when(pl.col("status") == "open").then(at_step).otherwise(pl.col("status").replace(named))


def _deals_csv(out: Out, deals: pl.DataFrame, random: np.random.Generator) -> None:
    is_won = pl.col("status") == "won"
    reasons = labels(random, ["Preis", "Wettbewerber", "Kein Budget", "Keine Antwort"], deals.height)
    frame = deals.select(
        pl.col("deal_id").alias("Record ID"),
        (pl.col("firm") + " – Bestellung").alias("Deal Name"),
        pl.lit("Firmenkunden").alias("Pipeline"),
        _last_stage().alias("Deal Stage"),
        pl.when(is_won).then(pl.lit("true")).otherwise(pl.lit("false")).alias("Is Closed Won"),
        pl.when(pl.col("status") == "lost").then(pl.lit("true")).otherwise(pl.lit("false")).alias("Is Closed Lost"),
        money("amount").alias("Amount"),
        pl.col("currency").alias("Currency"),
        pl.when(is_won).then(pl.lit("100%")).otherwise(pl.lit("40%")).alias("Deal probability"),
        pl.col("contact").alias("Associated Contact ID"),
        pl.col("company").alias("Associated Company ID"),
        pl.col("owner").alias("Deal owner"),
        pl.when(pl.col("status") == "lost").then(reasons).alias("Closed Lost Reason"),
        pl.when(is_won).then("number").alias("Order Number"),
        stamp("created", _TIME).alias("Create Date"),
        local_day(pl.col("created") + 45 * 86_400).dt.strftime("%d.%m.%Y").alias("Expected Close Date"),
        stamp("closed", _TIME).alias("Close Date"),
    )
    good = frame.height
    dirt = out.dirt("deal", "Record ID")
    frame = dirt.spoil(
        frame,
        "Amount",
        {"money_german": 0.05, "money_symbol": 0.04, "money_swiss": 0.02},
        field="amount",
        values=amounts(deals["amount"], deals["currency"]),
    )
    frame = dirt.plant(
        frame, "no day", {"Create Date": None}, reason="missing: created_at", among=good, share=0.001, ids="77{:09d}"
    )
    frame = dirt.plant(
        frame,
        "negative amount",
        {"Amount": "-1200.00"},
        reason="below_minimum: amount",
        among=good,
        share=0.001,
        ids="78{:09d}",
    )
    _write(out, "deals", frame)
    out.truth.rows(out.source, "deal", good)
    won = deals.filter(pl.col("status") == "won").with_columns(day=local_day(pl.col("closed")), minor=pl.col("amount"))
    out.truth.sums("deal_won_amount", "deal", out.source, won)


def _stages(out: Out, book: _Book, deals: pl.DataFrame) -> None:
    """One row per stage a deal entered, the closing one included."""
    random = out.random("stages")
    steps = deals["steps"].to_numpy() + (deals["status"].to_numpy() != "open")
    deal: Ints = np.repeat(np.arange(deals.height), steps)
    step = np.arange(len(deal)) - np.repeat(np.cumsum(steps) - steps, steps)
    created = deals["created"].to_numpy()
    closed = deals["closed"].to_numpy()
    end = np.where(closed >= 0, closed, np.minimum(created + 30 * 86_400, NOW - 1))
    gap = np.maximum((end - created) // np.maximum(steps - 1, 1), 0)
    at = np.minimum(created[deal] + gap[deal] * step, NOW - 1)
    at = np.where((closed[deal] >= 0) & (step == steps[deal] - 1), closed[deal], at)
    names = np.array([*_STAGES, "Gewonnen", "Verloren"], dtype=object)
    is_last = (step == steps[deal] - 1) & (closed[deal] >= 0)
    final = np.where(deals["status"].to_numpy()[deal] == "won", 4, 5)
    index = np.where(is_last, final, step)
    before = np.where(step > 0, np.roll(index, 1), -1)
    frame = pl.DataFrame({"at": at, "deal": deal}).select(
        (880_000_001 + pl.int_range(pl.len(), dtype=pl.Int64)).cast(pl.String).alias("Change ID"),
        deals["deal_id"].gather(deal).alias("Deal ID"),
        pl.Series([None if i < 0 else names[i] for i in before.tolist()], dtype=pl.String).alias("From Stage"),
        pl.Series(names[index].tolist()).alias("To Stage"),
        _owner(random, book, len(deal)).alias("Changed by"),
        stamp("at", _TIME).alias("Changed At"),
    )
    good = frame.height
    dirt = out.dirt("deal_stage_event", "Change ID")
    frame = dirt.plant(
        frame,
        "deal does not exist",
        {"Deal ID": "400000009"},
        reason="orphan: deal_id 400000009 not in deal",
        among=good,
        share=0.0008,
    )
    frame = dirt.plant(frame, "no day", {"Changed At": None}, reason="missing: entered_at", among=good, ids="97{:09d}")
    _write(out, "deal_stage_history", frame)
    out.truth.rows(out.source, "deal_stage_event", good)


def _activities(out: Out, book: _Book, deals: pl.DataFrame) -> None:
    """Calls, mails and meetings around deals."""
    random = out.random("activities")
    many = random.integers(1, 6, deals.height)
    deal = np.repeat(np.arange(deals.height), many)
    at = np.minimum(deals["created"].to_numpy()[deal] + random.integers(0, 25 * 86_400, len(deal)), NOW - 1)
    kind = labels(random, ["CALL", "EMAIL", "MEETING", "NOTE"], len(deal), p=[0.4, 0.35, 0.15, 0.1])
    minutes = pl.Series(random.integers(2, 60, len(deal)))
    frame = (
        pl.DataFrame({"at": at})
        .with_columns(kind=kind)
        .select(
            (660_000_001 + pl.int_range(pl.len(), dtype=pl.Int64) * 3).cast(pl.String).alias("Engagement ID"),
            pl.col("kind").alias("Type"),
            ("Betrifft " + deals["firm"].gather(deal)).alias("Subject"),
            deals["contact"].gather(deal).alias("Contact ID"),
            deals["company"].gather(deal).alias("Company ID"),
            deals["deal_id"].gather(deal).alias("Deal ID"),
            _owner(random, book, len(deal)).alias("Owner ID"),
            pl.when(pl.col("kind") == "CALL")
            .then(labels(random, ["CONNECTED", "NO_ANSWER", "BUSY"], len(deal)))
            .alias("Outcome"),
            pl.when(pl.col("kind").is_in(["CALL", "MEETING"]))
            .then(minutes.cast(pl.String))
            .alias("Duration (minutes)"),
            stamp("at", _TIME).alias("Activity date"),
        )
    )
    good = frame.height
    dirt = out.dirt("activity", "Engagement ID")
    frame = dirt.plant(frame, "no kind", {"Type": None}, reason="missing: kind", among=good)
    _write(out, "engagements", frame)
    out.truth.rows(out.source, "activity", good)
