"""What the demo company's Mailchimp account holds, made of its newsletters and who reads them, and the truth about it.

One audience; members, campaigns and what the reports say of each. How it is asked for is in `answers`.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import polars as pl

from sandbox import words
from sandbox.days import DAYS, demand, effect
from sandbox.exports.kit import NAME_DIRT, Out, day_of, epoch, known_as, moment, utc
from sandbox.marketing import mailings
from sandbox.store import Record, Store
from sandbox.trade import NOW

LIST_ID = "6f2b9c1d04"
LIST_NAME = "Newsletter"
SOURCE = "Anmeldeformular"
_AUDIENCE = 0.12
_UNSUBSCRIBES_A_DAY = 2.4
_NEW_PAGE = "https://www.muehlbach-versand.example/neu"
_ADDRESS = "203.0.113.7"


def fill(out: Out, store: Store) -> None:
    """Fills the account and says the truth about it."""
    letters = mailings(out.seed)
    members = _members(out)
    _fill_members(out, store, members)
    left = _unsubscribes(members, letters)
    _fill_unsubscribes(store, members, letters, left)
    sent = _sent(out, members, letters)
    _fill_sent(store, members, letters, sent)
    _fill_activity(out, store, members, letters, sent)
    _fill_campaigns(out, store, letters)
    out.truth.rows(out.source, "consent_event", members.height + members.filter(pl.col("left") >= 0).height)
    sums = sent.select(sent=pl.len(), opens=pl.col("opened").sum(), clicks=pl.col("clicked").sum())
    out.truth.rows(out.source, "marketing_touch", sum(sums.row(0)) + left.height)
    for kind, at, events in (
        ("sent", "start", sent),
        ("open", "open_at", sent.filter("opened")),
        ("click", "click_at", sent.filter("clicked")),
        ("unsubscribe", "at", left),
    ):
        about = _with_people(members, letters, events)
        out.truth.fact(
            "touch",
            about.select(
                kind=pl.lit(kind),
                record_id=pl.lit("contact:mailing:") + pl.lit(members["key"].gather(events["member"])),
                person_id=members["person_id"].gather(events["member"]),
                campaign_id=pl.lit("mailing:") + pl.col("campaign_id"),
                campaign=letters["title"].gather(events["letter"]),
                at=utc(at),
                day=day_of(at),
            ),
            out.source,
        )


def member_key(member: str) -> str:
    """How the warehouse names a member: an address can be in several audiences."""
    return f"{LIST_ID}:{member}"


def hash_of(email: str) -> str:
    """Mailchimp's id of an address."""
    return hashlib.md5(email.lower().encode(), usedforsecurity=False).hexdigest()


def time_text(seconds: str | pl.Expr) -> pl.Expr:
    """Seconds of local time as Mailchimp writes a time."""
    return utc(seconds).dt.strftime("%Y-%m-%dT%H:%M:%S+00:00")


def _members(out: Out) -> pl.DataFrame:
    """Members with the times they joined and left, -1 for those who stayed; an audience has an address once."""
    random = out.random("members")
    people = out.trade.people
    chosen = np.flatnonzero(random.random(people.height) < 0.45)
    frame = known_as(random, people, chosen)
    joined = frame["joined"].to_numpy() + random.integers(0, 30, len(chosen))
    left_day = np.full(len(chosen), -1, dtype=np.int64)
    per_day = random.poisson(_UNSUBSCRIBES_A_DAY * out.scale * demand() ** 0.3 * effect("unsubscribes"))
    leavers = random.permutation(len(chosen))[: per_day.sum()]
    left_day[leavers] = np.repeat(np.arange(DAYS), per_day)[: len(leavers)]
    # Who leaves was there before.
    joined = np.where((left_day >= 0) & (joined >= left_day), left_day - random.integers(1, 200, len(chosen)), joined)
    joined = np.minimum(joined, DAYS - 1)
    seconds = random.integers(6 * 3600, 22 * 3600, len(chosen))
    left_at = moment(pl.lit(pl.Series(left_day)))
    return (
        frame.with_columns(
            opted_in=pl.select(moment(pl.lit(pl.Series(joined)))).to_series() + pl.Series(seconds // 2 + 10_800),
            left=pl.select(
                pl.when(pl.lit(pl.Series(left_day >= 0))).then(left_at + pl.lit(pl.Series(seconds))).otherwise(-1)
            ).to_series(),
        )
        .unique(pl.col("email").str.to_lowercase(), keep="first", maintain_order=True)
        .with_columns(
            id=pl.col("email").map_elements(hash_of, return_dtype=pl.String),
            web_id=4_100_000_000 + pl.int_range(pl.len(), dtype=pl.Int64) * 61,
        )
        .with_columns(key=pl.lit(f"{LIST_ID}:") + pl.col("id"))
    )


def _fill_members(out: Out, store: Store, members: pl.DataFrame) -> None:
    dirt = out.dirt("contact", "key")
    frame = dirt.spoil(members, "email", {"upper": 0.02}, field="email")
    frame = dirt.spoil(frame, "given", NAME_DIRT | {"nothing": 0.004}, field="given_name")
    frame = dirt.spoil(frame, "family", NAME_DIRT, field="family_name")
    stays = pl.col("left") < 0
    changed = pl.when(stays).then("opted_in").otherwise("left")
    for status, part in (("subscribed", frame.filter(stays)), ("unsubscribed", frame.filter(~stays))):
        store.fill(
            "members",
            part,
            id="id",
            created=epoch("opted_in") * 1000,
            updated=epoch(changed) * 1000,
            parent=pl.lit(LIST_ID),
            body=_member(status, changed),
        )
    subscribed = store.count("members") - members.filter(~stays).height
    _fill_list(store, members, subscribed)
    out.truth.identity(out.source, "contact", members["key"], members["person_id"])
    out.truth.rows(out.source, "contact", members.height)


def _member(status: str, changed: pl.Expr) -> pl.Expr:
    language = pl.col("country").replace_strict(words.LANGUAGE)
    # Nobody gives a reason for staying.
    reason = [] if status == "subscribed" else [pl.lit("Kein Interesse mehr").alias("unsubscribe_reason")]
    return pl.struct(
        "id",
        *reason,
        email_address="email",
        unique_email_id=pl.col("id").str.slice(0, 10),
        contact_id=pl.lit("c") + pl.col("id").str.slice(1),
        full_name=pl.col("given") + " " + pl.col("family"),
        web_id="web_id",
        email_type=pl.lit("html"),
        status=pl.lit(status),
        consents_to_one_to_one_messaging=True,
        merge_fields=pl.struct(FNAME="given", LNAME="family", SHOP=pl.lit("ja")),
        stats=pl.struct(avg_open_rate=0.29, avg_click_rate=0.04),
        ip_signup=pl.lit(""),
        timestamp_signup=time_text("opted_in"),
        ip_opt=pl.lit(_ADDRESS),
        timestamp_opt=time_text("opted_in"),
        member_rating=3,
        last_changed=time_text(changed),
        language=language,
        vip=False,
        email_client=pl.lit(""),
        location=pl.struct(
            latitude=0.0,
            longitude=0.0,
            gmtoff=0,
            dstoff=0,
            country_code="country",
            timezone=pl.lit("Europe/Berlin"),
            region=pl.lit(""),
        ),
        source=pl.lit(SOURCE),
        tags_count=0,
        tags=pl.lit([], pl.List(pl.Null)),
        list_id=pl.lit(LIST_ID),
    )


def _fill_list(store: Store, members: pl.DataFrame, subscribed: int) -> None:
    begun = members.select(epoch("opted_in").min()).item() * 1000
    stats = {
        "member_count": subscribed,
        "unsubscribe_count": members.height - subscribed,
        "cleaned_count": 0,
        "total_contacts": members.height,
        "merge_field_count": 3,
    }
    body = {
        "id": LIST_ID,
        "web_id": 81_001,
        "name": LIST_NAME,
        "contact": {"company": "Mühlbach Versand GmbH", "city": "Mainz", "country": "DE"},
        "permission_reminder": "Sie haben sich in unserem Shop angemeldet.",
        "date_created": members.select(time_text(pl.col("opted_in").min())).item(),
        "list_rating": 4,
        "email_type_option": False,
        "double_optin": True,
        "has_welcome": False,
        "marketing_permissions": False,
        "visibility": "prv",
        "stats": stats,
    }
    store.put("lists", [Record(id=LIST_ID, body=body, created=begun, updated=begun)])


def _unsubscribes(members: pl.DataFrame, letters: pl.DataFrame) -> pl.DataFrame:
    """Who left, by the link in the latest newsletter; before the first one nobody had a link."""
    left = members.select("left").with_row_index("member").filter(pl.col("left") >= 0)
    starts = letters.select(moment("day")).to_series().to_numpy()
    letter = np.searchsorted(starts, left["left"].to_numpy(), side="right") - 1
    return left.select(letter=pl.Series(letter), member=pl.col("member").cast(pl.Int64), at="left").filter(
        pl.col("letter") >= 0
    )


def _with_people(members: pl.DataFrame, letters: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Events with the campaign and the member that they are about."""
    return events.with_columns(
        members.select("id", "email", "given", "family")[events["member"]].get_columns(),
        campaign_id=letters["campaign_id"].gather(events["letter"]),
        start=letters.select(moment("day") + 36_000).to_series().gather(events["letter"]),
    ).with_columns(key=pl.col("campaign_id") + ":" + pl.col("id"))


def _about() -> list[pl.Expr]:
    """What every line of a report says about its member."""
    return [
        pl.col("id").alias("email_id"),
        pl.col("email").alias("email_address"),
        pl.col("campaign_id"),
        pl.lit(LIST_ID).alias("list_id"),
        pl.lit(value=True).alias("list_is_active"),
    ]


def _person() -> list[pl.Expr]:
    return [pl.struct(FNAME="given", LNAME="family").alias("merge_fields"), pl.lit(value=False).alias("vip")]


def _fill_unsubscribes(store: Store, members: pl.DataFrame, letters: pl.DataFrame, left: pl.DataFrame) -> None:
    frame = _with_people(members, letters, left).sort("at", "key")
    body = pl.struct(*_about(), *_person(), timestamp=time_text("at"), reason=pl.lit("Kein Interesse mehr"))
    store.fill("unsubscribes", frame, id="key", created=epoch("at") * 1000, parent="campaign_id", body=body)


def _sent(out: Out, members: pl.DataFrame, letters: pl.DataFrame) -> pl.DataFrame:
    """Who got which newsletter, and when they opened it and clicked; -1 where they did not, yet."""
    random = out.random("activity")
    pairs = random.binomial(members.height, _AUDIENCE, letters.height)
    letter = np.repeat(np.arange(letters.height), pairs)
    member = random.integers(0, members.height, len(letter))
    start = letters.select(moment("day")).to_series().to_numpy()[letter] + 36_000
    there = (members["opted_in"].to_numpy()[member] < start) & (
        (members["left"].to_numpy()[member] < 0) | (members["left"].to_numpy()[member] > start)
    )
    letter, member, start = letter[there], member[there], start[there]
    opened = random.random(len(letter)) < 0.29
    clicked = opened & (random.random(len(letter)) < 0.13)
    open_at = start + random.integers(60, 86_400, len(letter))
    click_at = open_at + random.integers(5, 600, len(letter))
    columns = {
        "letter": letter,
        "member": member,
        "open_at": open_at,
        "click_at": click_at,
        # What would only happen after the company's last day has not happened.
        "opened": opened & (open_at < NOW),
        "clicked": clicked & (click_at < NOW),
    }
    return pl.DataFrame(columns).unique(["letter", "member"], keep="first", maintain_order=True)


def _fill_sent(store: Store, members: pl.DataFrame, letters: pl.DataFrame, sent: pl.DataFrame) -> None:
    frame = _with_people(members, letters, sent)
    for opened in (False, True):
        last = [time_text("open_at").alias("last_open")] if opened else []
        count = pl.lit(int(opened)).alias("open_count")
        body = pl.struct(*_about(), *_person(), count, *last, status=pl.lit("sent"), gmt_offset=0)
        part = frame.filter(pl.col("opened") == opened)
        store.fill("sent_to", part, id="key", created=epoch("start") * 1000, parent="campaign_id", body=body)


def _fill_activity(out: Out, store: Store, members: pl.DataFrame, letters: pl.DataFrame, sent: pl.DataFrame) -> None:
    """What each recipient did; those who did nothing are listed as well, with nothing done."""
    frame = _with_people(members, letters, sent)
    body = pl.struct(*_about(), activity=pl.lit([], pl.List(pl.Null)))
    idle = frame.filter(~pl.col("opened"))
    created = epoch("start") * 1000
    store.fill("email_activity", idle, id="key", created=created, updated=pl.lit(0), parent="campaign_id", body=body)
    busy = frame.filter("opened").with_columns(
        url=pl.when("clicked").then(pl.lit(_NEW_PAGE)), open_text=time_text("open_at"), click_text=time_text("click_at")
    )
    busy = busy.with_columns(touch=pl.col("key") + ":click:" + pl.col("click_text"))
    busy = out.dirt("marketing_touch", "touch").spoil(busy, "url", {"no_scheme": 0.05}, field="url")
    last = pl.when("clicked").then("click_at").otherwise("open_at")
    times = busy.select(epoch("start") * 1000, (epoch(last) * 1000).alias("last"))
    rows = zip(busy.iter_rows(named=True), times.iter_rows(), strict=True)
    store.put("email_activity", [_busy(row, created, updated) for row, (created, updated) in rows])


def _busy(row: dict[str, Any], created: int, updated: int) -> Record:
    activity = [opened(row["open_text"])]
    if row["clicked"]:
        activity.append({**opened(row["click_text"]), "action": "click", "url": row["url"]})
    body = {
        "email_id": row["id"],
        "email_address": row["email"],
        "campaign_id": row["campaign_id"],
        "list_id": LIST_ID,
        "list_is_active": True,
        "activity": activity,
    }
    return Record(id=row["key"], body=body, created=created, updated=updated, parent=row["campaign_id"])


def opened(at: str) -> dict[str, Any]:
    """An opening of a newsletter, at a time as Mailchimp writes it."""
    return {"action": "open", "timestamp": at, "ip": _ADDRESS}


def _fill_campaigns(out: Out, store: Store, letters: pl.DataFrame) -> None:
    times = letters.select(
        "campaign_id", at=epoch(moment("day") + 36_000) * 1000, text=time_text(moment("day") + 36_000)
    )
    for position, (letter, (id, at, text)) in enumerate(
        zip(letters.iter_rows(named=True), times.iter_rows(), strict=True)
    ):
        put_campaign(store, id, position, at, {"title": letter["title"], "subject_line": letter["subject"]}, text)
    now = pl.select(epoch(pl.lit(NOW))).item() * 1000
    text = pl.select(time_text(pl.lit(NOW - 86_400))).item()
    put_draft(store, "0000aa0001", 9_001, now - 86_400_000, text, {"title": "", "subject_line": ""})
    put_draft(store, "0000aa0002", 9_002, now - 86_400_000, text, {"title": "Entwurf Advent", "subject_line": ""})
    out.truth.rows(out.source, "campaign", letters.height + 1)
    out.truth.bad_rows(
        out.source, "campaign", ["0000aa0001"], kind="no name", outcome="quarantine", reason="missing: name"
    )


def put_draft(store: Store, id: str, number: int, at: int, text: str, settings: dict[str, Any]) -> None:
    """Adds a campaign that has not been sent."""
    store.put("campaigns", [Record(id=id, body=_campaign(id, number, text, settings), created=at, updated=at)])


def _campaign(id: str, number: int, text: str, settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": id,
        "web_id": 700_000 + number,
        "type": "regular",
        "create_time": text,
        "archive_url": f"https://mailchi.mp/muehlbach-versand.example/{id}",
        "status": "save",
        "emails_sent": 0,
        "content_type": "template",
        "needs_block_refresh": False,
        "resendable": False,
        "recipients": {"list_id": LIST_ID, "list_is_active": True, "list_name": LIST_NAME, "segment_text": ""},
        "settings": {
            "preview_text": "",
            "from_name": "Mühlbach Versand",
            "reply_to": "post@muehlbach-versand.example",
            "use_conversation": False,
            "to_name": "",
            "folder_id": "",
            **settings,
        },
        "tracking": {"opens": True, "html_clicks": True, "text_clicks": False, "goal_tracking": False},
        "delivery_status": {"enabled": False},
    }


def put_campaign(store: Store, id: str, number: int, at: int, settings: dict[str, Any], text: str) -> None:
    """Adds a campaign that was sent, or what is known of it by now, and its report."""
    counted = _counted(store, id)
    opens, clicks = counted["opens"], counted["clicks"]
    summary = {
        "opens": opens["opens_total"],
        "unique_opens": opens["unique_opens"],
        "open_rate": opens["open_rate"],
        "clicks": clicks["clicks_total"],
        "subscriber_clicks": clicks["unique_subscriber_clicks"],
        "click_rate": clicks["click_rate"],
    }
    body = _campaign(id, number, text, settings)
    sent = {"status": "sent", "emails_sent": counted["emails_sent"], "send_time": text, "report_summary": summary}
    recipients = {**body["recipients"], "recipient_count": counted["emails_sent"]}
    body |= {**sent, "recipients": recipients, "resendable": True}
    store.put("campaigns", [Record(id=id, body=body, created=at, updated=at)])
    report = {
        "id": id,
        "campaign_title": body["settings"]["title"],
        "type": "regular",
        "list_id": LIST_ID,
        "list_is_active": True,
        "list_name": LIST_NAME,
        "subject_line": body["settings"]["subject_line"],
        "preview_text": "",
        "abuse_reports": 0,
        "send_time": text,
        "bounces": {"hard_bounces": 0, "soft_bounces": 0, "syntax_errors": 0},
        "forwards": {"forwards_count": 0, "forwards_opens": 0},
        **counted,
        "delivery_status": {"enabled": False},
    }
    store.put("reports", [Record(id=id, body=report, created=at, updated=at)])


def _counted(store: Store, campaign: str) -> dict[str, Any]:
    """What the report of a campaign sums up from its recipients."""
    sent = store.count("sent_to", parent=campaign)
    rows = store.page("email_activity", parent=campaign, since=1, limit=10**6)
    times: dict[str, list[str]] = {"open": [], "click": []}
    for row in rows:
        for act in row.body["activity"]:
            times[act["action"]].append(act["timestamp"])
    clickers = sum(any(act["action"] == "click" for act in row.body["activity"]) for row in rows)
    opens = {
        "opens_total": len(times["open"]),
        "unique_opens": len(rows),
        "open_rate": round(len(rows) / sent, 4) if sent else 0.0,
    }
    clicks = {
        "clicks_total": len(times["click"]),
        "unique_clicks": clickers,
        "unique_subscriber_clicks": clickers,
        "click_rate": round(clickers / sent, 4) if sent else 0.0,
    }
    return {
        "emails_sent": sent,
        "unsubscribed": store.count("unsubscribes", parent=campaign),
        "opens": opens | ({"last_open": max(times["open"])} if times["open"] else {}),
        "clicks": clicks | ({"last_click": max(times["click"])} if times["click"] else {}),
    }
