"""The newsletter tool: one zip of CSVs with members, campaigns, what members did, and what they consented to."""

from __future__ import annotations

import numpy as np
import polars as pl

from sandbox import files, words
from sandbox.days import DAYS, demand, effect
from sandbox.exports.kit import MAIL_DIRT, NAME_DIRT, Out, iso_utc, known_as, moment, stamp, utc
from sandbox.marketing import mailings
from sandbox.trade import NOW

_TIME = "%Y-%m-%d %H:%M:%S"
_AUDIENCE = 0.12
_UNSUBSCRIBES_A_DAY = 2.4


def write(out: Out) -> None:
    """Write the newsletter tool's export."""
    letters = mailings(out.seed)
    members = _members(out)
    zipped = {
        "members.csv": _members_csv(out, members),
        "campaigns.csv": _campaigns_csv(out, letters),
        "consents.csv": _consents_csv(out, members),
        "email_activity.csv": _activity_csv(out, members, letters),
    }
    files.write_zip(out.folder / "audience_export.zip", zipped)


def _members(out: Out) -> pl.DataFrame:
    """Members with the times they joined and left, -1 for those who stayed."""
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
    return frame.with_columns(
        leid=(4_100_000_000 + pl.int_range(pl.len(), dtype=pl.Int64) * 61).cast(pl.String).str.zfill(12),
        opted_in=pl.select(moment(pl.lit(pl.Series(joined)))).to_series() + pl.Series(seconds // 2 + 10_800),
        left=pl.select(
            pl.when(pl.lit(pl.Series(left_day >= 0))).then(moment(pl.lit(pl.Series(left_day)))).otherwise(-1)
        ).to_series()
        + pl.Series(np.where(left_day >= 0, seconds, 0)),
    )


def _members_csv(out: Out, members: pl.DataFrame) -> bytes:
    subscribed = members["left"] < 0
    frame = members.select(
        pl.col("leid").alias("LEID"),
        pl.col("email").alias("Email Address"),
        pl.col("given").alias("First Name"),
        pl.col("family").alias("Last Name"),
        pl.col("country").replace_strict(words.LANGUAGE).alias("LANGUAGE"),
        pl.when(subscribed).then(pl.lit("yes")).otherwise(pl.lit("no")).alias("SUBSCRIBED"),
        stamp("opted_in", _TIME).alias("OPTIN_TIME"),
    )
    good = frame.height
    dirt = out.dirt("contact", "LEID")
    frame = dirt.spoil(frame, "Email Address", MAIL_DIRT, field="email")
    frame = dirt.spoil(frame, "First Name", NAME_DIRT | {"nothing": 0.004}, field="given_name")
    frame = dirt.spoil(frame, "Last Name", NAME_DIRT, field="family_name")
    frame = dirt.conflict(frame, {"First Name": "Unbekannt?"}, among=good)
    out.truth.identity(out.source, "contact", members["leid"], members["person_id"])
    out.truth.rows(out.source, "contact", good)
    return files.csv_bytes(frame)


def _campaigns_csv(out: Out, letters: pl.DataFrame) -> bytes:
    out.truth.rows(out.source, "campaign", letters.height)
    return files.csv_bytes(
        letters.select(
            pl.col("campaign_id").alias("Unique Id"),
            pl.col("title").alias("Title"),
            pl.col("subject").alias("Subject"),
            (pl.col("date").dt.strftime("%b %d, %Y") + " 10:00 am").alias("Send Date"),
        )
    )


def _consents_csv(out: Out, members: pl.DataFrame) -> bytes:
    """Every member's consent, and its end for those who left."""
    given = members.select(
        "leid", "email", at="opted_in", granted=pl.lit("subscribed"), origin=pl.lit("Anmeldeformular")
    )
    taken = members.filter(pl.col("left") >= 0).select(
        "leid", "email", at="left", granted=pl.lit("unsubscribed"), origin=pl.lit("Link im Newsletter")
    )
    events = pl.concat([given, taken]).sort("at", "leid", maintain_order=True)
    frame = events.select(
        (pl.lit("E") + pl.int_range(pl.len()).cast(pl.String).str.zfill(9)).alias("Event ID"),
        pl.col("leid").alias("LEID"),
        pl.col("email").alias("Email Address"),
        pl.col("granted").alias("Action"),
        pl.col("origin").alias("Source"),
        stamp("at", _TIME).alias("Timestamp"),
    )
    good = frame.height
    dirt = out.dirt("consent_event", "Event ID")
    frame = dirt.spoil(
        frame,
        "Timestamp",
        {"time_german": 0.01, "time_zone": 0.01},
        field="occurred_at",
        values=events.select(utc("at")).to_series(),
        clean=iso_utc(events, "at"),
    )
    frame = dirt.plant(frame, "no day", {"Timestamp": None}, reason="missing: occurred_at", among=good, ids="EX{:09d}")
    frame = dirt.plant(
        frame,
        "unclear consent",
        {"Action": "vielleicht"},
        reason="not_a_boolean: is_granted",
        among=good,
        ids="EY{:09d}",
    )
    out.truth.rows(out.source, "consent_event", good)
    return files.csv_bytes(frame)


def _unsubscribes(members: pl.DataFrame, letters: pl.DataFrame) -> pl.DataFrame:
    """Who left, by the link in the latest newsletter; before the first one nobody had a link."""
    left = members.select("left").with_row_index("member").filter(pl.col("left") >= 0)
    starts = letters.select(moment("day")).to_series().to_numpy()
    letter = np.searchsorted(starts, left["left"].to_numpy(), side="right") - 1
    return left.select(
        letter=pl.Series(letter), member=pl.col("member").cast(pl.Int64), at="left", action=pl.lit("unsubscribe")
    ).filter(pl.col("letter") >= 0)


def _activity_csv(out: Out, members: pl.DataFrame, letters: pl.DataFrame) -> bytes:
    """Sent, opened and clicked newsletters."""
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
    sent_at = start + random.integers(0, 900, len(letter))
    open_at = sent_at + random.integers(60, 86_400, len(letter))
    click_at = open_at + random.integers(5, 600, len(letter))
    parts = [("sent", np.full(len(letter), True), sent_at), ("open", opened, open_at), ("click", clicked, click_at)]
    columns = {
        "letter": np.concatenate([letter[mask] for _, mask, _ in parts]),
        "member": np.concatenate([member[mask] for _, mask, _ in parts]),
        "at": np.concatenate([at[mask] for _, mask, at in parts]),
        "action": np.repeat([name for name, _, _ in parts], [int(mask.sum()) for _, mask, _ in parts]),
    }
    events = pl.concat([pl.DataFrame(columns), _unsubscribes(members, letters)])
    # What would only happen after the export is not in it.
    events = events.filter(pl.col("at") < NOW).sort("at", "member", "action", maintain_order=True)
    link = pl.when(pl.col("action") == "click").then(pl.lit("https://www.muehlbach-versand.example/neu"))
    frame = events.select(
        (pl.lit("A") + pl.int_range(pl.len()).cast(pl.String).str.zfill(10)).alias("Activity ID"),
        letters["campaign_id"].gather(events["letter"]).alias("Campaign Id"),
        letters["title"].gather(events["letter"]).alias("Campaign Title"),
        members["leid"].gather(events["member"]).alias("LEID"),
        members["email"].gather(events["member"]).alias("Email Address"),
        pl.col("action").alias("Action"),
        link.alias("URL"),
        stamp("at", _TIME).alias("Timestamp"),
    )
    good = frame.height
    dirt = out.dirt("marketing_touch", "Activity ID")
    frame = dirt.spoil(frame, "URL", {"no_scheme": 0.05}, field="url")
    frame = dirt.plant(
        frame,
        "impossible day",
        {"Timestamp": "2025-13-45 10:00:00"},
        reason="impossible_date: occurred_at",
        among=good,
        share=0.0002,
        ids="AX{:010d}",
    )
    frame = dirt.plant(
        frame, "no kind", {"Action": None}, reason="missing: kind", among=good, share=0.0002, ids="AY{:010d}"
    )
    out.truth.rows(out.source, "marketing_touch", good)
    return files.csv_bytes(frame)
