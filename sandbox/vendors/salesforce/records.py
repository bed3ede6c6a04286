"""The demo company in a Salesforce org: users, accounts, contacts, leads, opportunities with their history, activities.

A record's body holds the fields that people see; ids, system times and flags come from the store (see `answers`). No
night of the demo loads it, so it tells no truth that a warehouse must match.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from sandbox import words
from sandbox.exports.kit import COUNTRY_DIRT, NAME_DIRT, PHONE_DIRT, Out, epoch, labels, moment
from sandbox.store import Store
from sandbox.trade import NOW, local_day
from sandbox.vendors import _crm
from sandbox.vendors._crm import LOST, WON
from sandbox.vendors.salesforce.objects import record_id

#: name, probability, forecast category, whether the deal is closed by it and won by it
STAGES = (
    ("Qualification", 10.0, "Pipeline", False, False),
    ("Needs Analysis", 20.0, "Pipeline", False, False),
    ("Proposal/Price Quote", 75.0, "Pipeline", False, False),
    ("Negotiation/Review", 90.0, "Pipeline", False, False),
    ("Closed Won", 100.0, "Closed", True, True),
    ("Closed Lost", 0.0, "Omitted", True, False),
)
_DAY = 86_400
#: What Salesforce does not store spoilt: it trims names, and an e-mail address must look like one.
_NAMES = {kind: share for kind, share in NAME_DIRT.items() if kind != "space"}
_MAILS = {"upper": 0.02}
_PHONES = {kind: share for kind, share in PHONE_DIRT.items() if kind != "nothing_phone"}


@dataclass(frozen=True, kw_only=True)
class _Org:
    """The org's book: `is_lead` tells who of the contacts is a lead here, `user_ids` has the owners' ids."""

    book: _crm.Book
    is_lead: pl.Series
    user_ids: pl.Series

    def some_users(self, random: np.random.Generator, count: int) -> pl.Series:
        """Random owners."""
        return labels(random, self.user_ids.to_list(), count)


def fill(out: Out, store: Store) -> None:
    """Makes the org's records."""
    book = _crm.make_book(out)
    org = _Org(book=book, is_lead=_leads_of(out, book), user_ids=_ids("User", book.owners["owner_id"]))
    _users(store, org)
    _accounts(out, store, org)
    _contacts(out, store, org)
    _leads(out, store, org)
    deals = _crm.make_deals(out, book)
    _opportunities(out, store, deals)
    _history(out, store, org, deals)
    _activities(out, store, org, deals)


def _leads_of(out: Out, book: _crm.Book) -> pl.Series:
    """Whether each contact of the book is a private person who has bought nothing yet."""
    buys = np.zeros(out.trade.people.height, dtype=bool)
    buys[out.trade.orders["person"].unique().to_numpy()] = True
    person = book.contacts["person"]
    return ~pl.Series(buys).gather(person) & ~book.contacts["is_business"] & (book.contacts["joined"] >= 0)


def _ids(name: str, numbers: pl.Series) -> pl.Series:
    """The org's ids for the book's numbers."""
    return pl.Series([number and record_id(name, int(number)) for number in numbers.to_list()], dtype=pl.String)


def _touched(random: np.random.Generator, seconds: pl.Series) -> tuple[pl.Series, pl.Series]:
    """When records were last changed by somebody, and by anything: one recalculation changed a fifth of them at once.

    Both in milliseconds; Salesforce keeps whole seconds.
    """
    known = seconds.to_numpy()
    end = np.maximum(NOW - 3 * 3600, known)
    by_hand = np.minimum(known + random.integers(0, 120 * _DAY, len(known)), end)
    recalculated = NOW - 25 * _DAY
    by_machine = (random.random(len(known)) < 0.2) & (by_hand < recalculated)
    return pl.Series(by_hand * 1000), pl.Series(np.where(by_machine, recalculated, by_hand) * 1000)


def _milliseconds(seconds: pl.Series) -> pl.Series:
    return pl.DataFrame({"at": seconds}).select(epoch("at") * 1000).to_series()


def _store(store: Store, name: str, frame: pl.DataFrame) -> None:
    """Stores a frame with the columns id, created and updated; `modified` becomes LastModifiedDate."""
    body = frame.with_columns(LastModifiedDate=_stamp("modified")).drop("id", "created", "updated", "modified")
    store.fill(
        name,
        frame.with_columns(LastModifiedDate=_stamp("modified")),
        id="id",
        created="created",
        updated="updated",
        body=pl.struct(body.columns),
    )


def _stamp(column: str) -> pl.Expr:
    return pl.from_epoch(column, time_unit="ms").dt.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def _users(store: Store, org: _Org) -> None:
    hired = _milliseconds(org.book.owners.select(moment(-pl.col("hired_days_ago"))).to_series())
    frame = org.book.owners.select(
        org.user_ids.alias("id"),
        pl.col("email").alias("Username"),
        pl.col("family").alias("LastName"),
        pl.col("given").alias("FirstName"),
        (pl.col("given") + " " + pl.col("family")).alias("Name"),
        pl.col("email").alias("Email"),
        pl.col("team").alias("Department"),
        pl.col("role").alias("Title"),
        pl.col("is_active").alias("IsActive"),
        pl.lit("Standard").alias("UserType"),
        created=hired,
        modified=hired,
        updated=hired,
    )
    _store(store, "User", frame)


def _accounts(out: Out, store: Store, org: _Org) -> None:
    random = out.random("accounts")
    firms = out.trade.firms
    count = firms.height
    created = _milliseconds(
        firms.select(moment(pl.lit(pl.Series(random.integers(-600, 100, count)))) + 39_600).to_series()
    )
    modified, updated = _touched(random, created // 1000)
    frame = firms.select(
        _ids("Account", org.book.company_ids).alias("id"),
        pl.col("name").alias("Name"),
        pl.lit("Customer").alias("Type"),
        pl.col("street").alias("BillingStreet"),
        pl.col("city").alias("BillingCity"),
        pl.col("postcode").alias("BillingPostalCode"),
        pl.col("country").replace_strict(words.COUNTRY_NAME).alias("BillingCountry"),
        ("https://www." + pl.col("domain")).alias("Website"),
        pl.col("industry").alias("Industry"),
        (pl.col("revenue_minor") / 100).alias("AnnualRevenue"),
        pl.col("employees").alias("NumberOfEmployees"),
        pl.lit("EUR").alias("CurrencyIsoCode"),
        org.some_users(random, count).alias("OwnerId"),
        ("info@" + pl.col("domain")).alias("Email__c"),
        _crm.vat_ids(firms).alias("VAT_ID__c"),
        created=created,
        modified=modified,
        updated=updated,
    )
    dirt = out.dirt("company", "id")
    frame = dirt.spoil(frame, "Name", {"mojibake": 0.05}, field="name")
    frame = dirt.spoil(frame, "Website", {"no_scheme": 0.25, "upper": 0.02}, field="website")
    frame = dirt.spoil(frame, "BillingCountry", COUNTRY_DIRT, field="country", values=firms["country"])
    _store(store, "Account", frame)


def _person(people: pl.DataFrame, place: str) -> list[pl.Expr]:
    """What contacts and leads have in common; the parts of the address begin with `place`."""
    return [
        pl.col("family").alias("LastName"),
        pl.col("given").alias("FirstName"),
        pl.col("email").alias("Email"),
        pl.col("phone").alias("Phone"),
        pl.col("street").alias(f"{place}Street"),
        pl.col("city").alias(f"{place}City"),
        pl.col("postcode").alias(f"{place}PostalCode"),
        pl.col("country").replace_strict(words.COUNTRY_NAME).alias(f"{place}Country"),
        pl.lit("EUR").alias("CurrencyIsoCode"),
        pl.lit(False).alias("HasOptedOutOfEmail"),
    ]


def _spoilt(out: Out, frame: pl.DataFrame, people: pl.DataFrame, entity: str, place: str) -> pl.DataFrame:
    dirt = out.dirt(entity, "id")
    frame = dirt.spoil(frame, "FirstName", _NAMES | {"title": 0.02}, field="given_name")
    frame = dirt.spoil(frame, "LastName", _NAMES, field="family_name")
    frame = dirt.spoil(frame, "Email", _MAILS, field="email")
    frame = dirt.spoil(frame, "Phone", _PHONES, field="phone")
    frame = dirt.spoil(frame, f"{place}Country", COUNTRY_DIRT, field="country", values=people["country"])
    return frame.with_columns((pl.col("FirstName") + " " + pl.col("LastName")).alias("Name"))


def _contacts(out: Out, store: Store, org: _Org) -> None:
    random = out.random("contacts")
    people = org.book.contacts.filter(~org.is_lead)
    count, created = people.height, _milliseconds(_crm.joined(random, people))
    modified, updated = _touched(random, created // 1000)
    frame = people.select(
        _ids("Contact", org.book.contact_ids.gather(people["person"])).alias("id"),
        *_person(people, "Mailing"),
        _ids("Account", org.book.company_ids.gather(people["firm"])).alias("AccountId"),
        pl.when("is_business").then(labels(random, list(words.JOB_TITLES), count)).alias("Title"),
        pl.col("born").dt.strftime("%Y-%m-%d").alias("Birthdate"),
        labels(random, ["Web", "Phone Inquiry", "Partner Referral", "Other"], count).alias("LeadSource"),
        org.some_users(random, count).alias("OwnerId"),
        pl.col("country").replace_strict(words.LANGUAGE).alias("Language__c"),
        created=created,
        modified=modified,
        updated=updated,
    )
    _store(store, "Contact", _spoilt(out, frame, people, "contact", "Mailing"))


def _leads(out: Out, store: Store, org: _Org) -> None:
    random = out.random("leads")
    people = org.book.contacts.filter(org.is_lead)
    count, created = people.height, _milliseconds(_crm.joined(random, people))
    modified, updated = _touched(random, created // 1000)
    states = ["Open - Not Contacted", "Working - Contacted", "Closed - Not Converted"]
    frame = people.select(
        _ids("Lead", org.book.contact_ids.gather(people["person"])).alias("id"),
        *_person(people, ""),
        # A lead must have a company: who buys for themselves is written down as one.
        pl.concat_str(["given", "family"], separator=" ").alias("Company"),
        labels(random, ["Web", "Phone Inquiry", "Purchased List"], count).alias("LeadSource"),
        labels(random, states, count, [0.5, 0.3, 0.2]).alias("Status"),
        org.some_users(random, count).alias("OwnerId"),
        pl.lit(False).alias("IsConverted"),
        created=created,
        modified=modified,
        updated=updated,
    )
    _store(store, "Lead", _spoilt(out, frame, people, "contact", ""))


def stage_columns(stage: pl.Expr) -> list[pl.Expr]:
    """The fields that follow from the position of a stage."""
    names, odds, categories, closed, won = (
        pl.lit(pl.Series(column)).gather(stage) for column in zip(*STAGES, strict=True)
    )
    return [
        names.alias("StageName"),
        odds.alias("Probability"),
        categories.alias("ForecastCategory"),
        closed.alias("IsClosed"),
        won.alias("IsWon"),
    ]


def _close_day() -> pl.Expr:
    expected = pl.col("created") + 45 * _DAY
    return local_day(pl.when(pl.col("closed") >= 0).then("closed").otherwise(expected)).dt.strftime("%Y-%m-%d")


def _opportunities(out: Out, store: Store, deals: pl.DataFrame) -> None:
    latest = pl.min_horizontal(pl.col("created") + 30 * _DAY, NOW - 1)
    changed = deals.select(pl.when(pl.col("closed") >= 0).then("closed").otherwise(latest)).to_series()
    stage = deals.select(
        pl.col("status").replace_strict({"won": WON, "lost": LOST}, default=pl.col("steps") - 1)
    ).to_series()
    frame = deals.select(
        _ids("Opportunity", deals["id"]).alias("id"),
        _ids("Account", deals["company"]).alias("AccountId"),
        _ids("Contact", deals["contact"]).alias("ContactId"),
        (pl.col("firm") + " – Bestellung").alias("Name"),
        *stage_columns(pl.lit(stage)),
        (pl.col("amount") / 100).alias("Amount"),
        _close_day().alias("CloseDate"),
        pl.lit("Existing Business").alias("Type"),
        pl.col("currency").alias("CurrencyIsoCode"),
        _ids("User", deals["owner"]).alias("OwnerId"),
        pl.when(pl.col("status") == "lost").then("lost_reason").alias("Loss_Reason__c"),
        pl.when(pl.col("status") == "won").then("number").alias("Order_Number__c"),
        created=_milliseconds(deals["created"]),
        modified=_milliseconds(changed),
        updated=_milliseconds(changed),
    ).with_columns(
        _expected_revenue(),
        pl.col("ForecastCategory").alias("ForecastCategoryName"),
        _stamp("modified").alias("LastStageChangeDate"),
    )
    # A credit note that somebody entered as a deal; the interface allows it.
    negative = pl.Series(out.random("negative").random(deals.height) < max(0.001, 1 / deals.height))
    amount = pl.when(negative).then(-1200.0).otherwise("Amount").alias("Amount")
    _store(store, "Opportunity", frame.with_columns(amount))


def _expected_revenue() -> pl.Expr:
    return (pl.col("Amount") * pl.col("Probability") / 100).round(2).alias("ExpectedRevenue")


def _history(out: Out, store: Store, org: _Org, deals: pl.DataFrame) -> None:
    """One record per stage that a deal entered, the closing one included."""
    steps = _crm.make_steps(out, org.book, deals)
    entered = _milliseconds(steps["at"])
    numbers = pl.int_range(880_000_001, 880_000_001 + steps.height, eager=True)
    frame = (
        deals[steps["deal"]]
        .select(
            _ids("OpportunityHistory", numbers).alias("id"),
            _ids("Opportunity", deals["id"].gather(steps["deal"])).alias("OpportunityId"),
            *stage_columns(pl.lit(steps["stage"]))[:3],
            (pl.col("amount") / 100).alias("Amount"),
            _close_day().alias("CloseDate"),
            pl.col("currency").alias("CurrencyIsoCode"),
            org.user_ids.gather(steps["owner"]).alias("CreatedById"),
            created=entered,
            modified=entered,
            updated=entered,
        )
        .with_columns(_expected_revenue())
    )
    _store(store, "OpportunityHistory", frame)


def _activities(out: Out, store: Store, org: _Org, deals: pl.DataFrame) -> None:
    """Calls, mails and to-dos around deals are tasks, meetings are events."""
    random = out.random("owners of activities")
    made = _crm.make_activities(out, org.book, deals)
    at = _milliseconds(made["at"])
    frame = made.select(
        pl.col("id").alias("number"),
        _ids("Contact", made["contact"]).alias("WhoId"),
        _ids("Opportunity", made["deal"]).alias("WhatId"),
        _ids("Account", made["company"]).alias("AccountId"),
        pl.col("subject").alias("Subject"),
        pl.lit("EUR").alias("CurrencyIsoCode"),
        "kind",
        local_day(pl.col("at")).dt.strftime("%Y-%m-%d").alias("ActivityDate"),
        "minutes",
        labels(random, ["Connected", "No answer", "Busy"], made.height).alias("disposition"),
        org.some_users(random, made.height).alias("OwnerId"),
        created=at,
        modified=at,
        updated=at,
    )
    _tasks(store, frame.filter(pl.col("kind") != "meeting"))
    _events(store, frame.filter(pl.col("kind") == "meeting"))


def _tasks(store: Store, frame: pl.DataFrame) -> None:
    is_call = pl.col("kind") == "call"
    kinds = {"call": "Call", "email": "Email", "note": "Task"}
    tasks = frame.with_columns(
        _ids("Task", frame["number"]).alias("id"),
        pl.lit("Completed").alias("Status"),
        pl.lit("Normal").alias("Priority"),
        pl.lit(True).alias("IsClosed"),
        pl.when(is_call).then(pl.col("minutes") * 60).alias("CallDurationInSeconds"),
        pl.when(is_call).then(pl.lit("Outbound")).alias("CallType"),
        pl.when(is_call).then("disposition").alias("CallDisposition"),
        pl.col("kind").replace_strict(kinds).alias("TaskSubtype"),
        _stamp("created").alias("CompletedDateTime"),
    )
    _store(store, "Task", tasks.drop("number", "kind", "minutes", "disposition"))


def _events(store: Store, frame: pl.DataFrame) -> None:
    ends = pl.from_epoch(pl.col("created") + pl.col("minutes") * 60_000, time_unit="ms")
    events = frame.with_columns(
        _ids("Event", frame["number"]).alias("id"),
        pl.lit(False).alias("IsAllDayEvent"),
        _stamp("created").alias("ActivityDateTime"),
        _stamp("created").alias("StartDateTime"),
        ends.dt.strftime("%Y-%m-%dT%H:%M:%S.000+0000").alias("EndDateTime"),
        pl.col("minutes").alias("DurationInMinutes"),
        pl.lit("Event").alias("EventSubtype"),
    )
    _store(store, "Event", events.drop("number", "kind", "minutes", "disposition"))
