"""What a day brings to the demo company's Mailchimp account: readers come, change and go, a newsletter goes out.

Reports count anew; the times of a campaign do not change with them.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.store import Record, Store
from sandbox.vendor import Changed, Night
from sandbox.vendors.mailchimp.answers import archived_parent
from sandbox.vendors.mailchimp.records import LIST_ID, hash_of, opened, put_campaign, put_draft

Body = dict[str, Any]


@dataclass
class _Day:
    """A day that is being made; each thing that happens takes a second."""

    store: Store
    night: Night
    second: int = 0
    changes: dict[str, Changed] = field(default_factory=lambda: defaultdict(Changed))

    @property
    def random(self) -> random.Random:
        return self.night.random

    def tick(self) -> int:
        """The next second, in milliseconds since 1970."""
        self.second += 1
        return self.night.at // 1000 * 1000 + self.second * 1000

    def put(self, collection: str, record: Record, *, is_new: bool) -> None:
        """Keeps a record that is new or has changed."""
        self.store.put(collection, [record])
        told = self.changes[collection]
        if is_new:
            told.added.append(record.id)
        elif record.id not in (*told.added, *told.changed):
            told.changed.append(record.id)

    def change(self, record: Record, news: Body, *, parent: str | None = None) -> None:
        """Changes a member."""
        at = self.tick()
        body = {**record.body, "merge_fields": self.merge_fields(record.body), **news, "last_changed": text(at)}
        self.put(
            "members",
            Record(id=record.id, body=body, created=record.created, updated=at, parent=parent or record.parent),
            is_new=False,
        )

    def merge_fields(self, body: Body) -> Body:
        """From the second night on, those who come or change are asked for their birthday, later not for their shop."""
        fields = dict(body["merge_fields"])
        if self.night.number >= 2:
            fields["BIRTHDAY"] = "04/12"
        if self.night.number >= 3:
            fields.pop("SHOP", None)
        return fields


def text(at: int) -> str:
    """A time as Mailchimp writes it."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat()


def night(store: Store, night: Night) -> dict[str, Changed]:
    """Lets a day pass."""
    day = _Day(store, night)
    letters = store.page("reports", limit=10**6, order="created")
    _members(day, letters[-1].id)
    _read(day, [letter.id for letter in letters[-3:]])
    _campaigns(day, letters)
    _count(day)
    return dict(day.changes)


def _members(day: _Day, latest: str) -> None:
    """New members and changed ones; one leaves by the link in the latest newsletter, one without; two go for good."""
    here = [r for r in day.store.page("members", limit=10**6, parent=LIST_ID) if r.body["status"] == "subscribed"]
    count = max(2, len(here) // 100)
    chosen = day.random.sample(here, count + 5)
    for model in chosen[:count]:
        at = day.tick()
        mail = f"neu{day.night.number}.{day.second}@example.org"
        fresh: Body = {
            "id": hash_of(mail),
            "email_address": mail,
            "web_id": 5_000_000_000 + day.second + at // 86_400_000,
        }
        ids = {"unique_email_id": hash_of(mail)[:10], "contact_id": "c" + hash_of(mail)[1:]}
        times = dict.fromkeys(("timestamp_signup", "timestamp_opt", "last_changed"), text(at))
        body = {**model.body, **fresh, **ids, **times, "merge_fields": day.merge_fields(model.body)}
        day.put("members", Record(id=fresh["id"], body=body, created=at, updated=at, parent=LIST_ID), is_new=True)
    for record in chosen[:count]:
        day.change(record, {"language": "en", "merge_fields": {**day.merge_fields(record.body), "LNAME": "Neu"}})
    by_link, without, bounced, archived, deleted = chosen[count:]
    day.change(by_link, {"status": "unsubscribed", "unsubscribe_reason": "Zu viele Mails"})
    _leave(day, by_link, latest)
    day.change(without, {"status": "unsubscribed", "unsubscribe_reason": "N/A (Unsubscribed by an admin)"})
    day.change(bounced, {"status": "cleaned"})
    day.change(archived, {"status": "archived"}, parent=archived_parent(LIST_ID))
    day.store.delete("members", deleted.id, day.tick())
    day.changes["members"].deleted.append(deleted.id)


def _leave(day: _Day, member: Record, campaign: str) -> None:
    at = day.tick()
    body = {**_about(member, campaign), **_person(member), "timestamp": text(at), "reason": "Zu viele Mails"}
    day.put(
        "unsubscribes",
        Record(id=f"{campaign}:{member.id}", body=body, created=at, updated=at, parent=campaign),
        is_new=True,
    )


def _about(member: Record, campaign: str) -> Body:
    who = {"email_id": member.id, "email_address": member.body["email_address"]}
    return {**who, "campaign_id": campaign, "list_id": LIST_ID, "list_is_active": True}


def _person(member: Record) -> Body:
    names = {name: member.body["merge_fields"].get(name, "") for name in ("FNAME", "LNAME")}
    return {"merge_fields": names, "vip": False}


def _read(day: _Day, campaigns: list[str]) -> None:
    """Some open an earlier newsletter, for the first time or once more."""
    for campaign in campaigns:
        rows = day.store.page("email_activity", limit=10**6, parent=campaign)
        for row in day.random.sample(rows, min(len(rows), max(2, len(rows) // 100))):
            at = day.tick()
            body = {**row.body, "activity": [*row.body["activity"], opened(text(at))]}
            day.put(
                "email_activity",
                Record(id=row.id, body=body, created=row.created, updated=at, parent=campaign),
                is_new=False,
            )
            _recount(day, row.id, text(at))


def _recount(day: _Day, id: str, at: str) -> None:
    sent = day.store.get("sent_to", id)
    if sent is not None:
        body = {**sent.body, "open_count": sent.body["open_count"] + 1, "last_open": at}
        record = Record(id=id, body=body, created=sent.created, updated=sent.updated, parent=sent.parent)
        day.put("sent_to", record, is_new=False)


def _campaigns(day: _Day, letters: list[Record]) -> None:
    """A newsletter goes out, a draft is begun and an older one thrown away; earlier newsletters are counted anew."""
    at = day.tick()
    id, draft = f"0000bb{day.night.number:04d}", f"0000cc{day.night.number:04d}"
    readers = [r for r in day.store.page("members", limit=10**6, parent=LIST_ID) if r.body["status"] == "subscribed"]
    for reader in day.random.sample(readers, max(2, len(readers) // 20)):
        _send(day, reader, id, at)
    settings = {"title": f"Newsletter Nacht {day.night.number}", "subject_line": "Frisch eingetroffen"}
    put_campaign(day.store, id, 8_000 + day.night.number, at, settings, text(at))
    for collection in ("campaigns", "reports"):
        day.changes[collection].added.append(id)
    put_draft(day.store, draft, 9_100 + day.night.number, at, text(at), {"title": "Entwurf", "subject_line": ""})
    day.changes["campaigns"].added.append(draft)
    older = [r for r in day.store.page("campaigns", limit=10**6) if r.body["status"] == "save" and r.id != draft][-1:]
    for record in older:
        day.store.delete("campaigns", record.id, at)
        day.changes["campaigns"].deleted.append(record.id)
    for letter in letters[-3:]:
        campaign = day.store.get("campaigns", letter.id)
        if campaign is not None:
            number = campaign.body["web_id"] - 700_000
            kept = {"title": letter.body["campaign_title"], "subject_line": letter.body["subject_line"]}
            put_campaign(day.store, letter.id, number, letter.created, kept, letter.body["send_time"])
            for collection in ("campaigns", "reports"):
                day.changes[collection].changed.append(letter.id)


def _send(day: _Day, reader: Record, campaign: str, at: int) -> None:
    key = f"{campaign}:{reader.id}"
    about = _about(reader, campaign)
    sent = {**about, **_person(reader), "open_count": 0, "status": "sent", "gmt_offset": 0}
    day.put("sent_to", Record(id=key, body=sent, created=at, updated=at, parent=campaign), is_new=True)
    quiet = Record(id=key, body={**about, "activity": []}, created=at, updated=0, parent=campaign)
    day.put("email_activity", quiet, is_new=True)


def _count(day: _Day) -> None:
    """The audience's own numbers."""
    audience = day.store.get("lists", LIST_ID)
    if audience is None:
        return
    states = [r.body["status"] for r in day.store.page("members", limit=10**6, parent=LIST_ID)]
    stats = {
        **audience.body["stats"],
        "member_count": states.count("subscribed"),
        "unsubscribe_count": states.count("unsubscribed"),
        "cleaned_count": states.count("cleaned"),
        "total_contacts": day.store.count("members"),
    }
    body = {**audience.body, "stats": stats}
    at = day.tick()
    day.put("lists", Record(id=LIST_ID, body=body, created=audience.created, updated=at), is_new=False)
