"""Fills Intercom's store: contacts, admins, the team, conversations with their parts, in the shapes of version 2.16.

How records are asked for belongs in `answers`, what changes overnight in `changes`.
"""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Any

import polars as pl

from sandbox.exports.kit import Out, epoch
from sandbox.store import Record, Store
from sandbox.vendors._support import TEAM, Support, make_support

TEAM_ID = 5_017_691
WORKSPACE = "muehlbach1"
#: Teammates are there since before anything else.
SINCE = 1_704_182_400
_PRIORITY = {"low": "low", "normal": "medium", "high": "high", "urgent": "urgent"}
_DELIVERED = {"email": "email", "web": "conversation", "chat": "conversation", "phone": "phone_call"}
_MAIL = re.compile(r"[A-Za-z0-9.+_-]+@[A-Za-z0-9.-]+\.[a-z]+")
_LISTS = {
    "tags": "tags",
    "notes": "notes",
    "companies": "companies",
    "opted_out_subscription_types": "subscriptions",
    "opted_in_subscription_types": "subscriptions",
}
#: Fields of a contact that nothing is known about here.
_UNKNOWN = (
    *("avatar", "owner_id", "signed_up_at", "last_seen_at", "last_contacted_at", "last_email_opened_at"),
    *("last_email_clicked_at", "browser", "browser_version", "browser_language", "os", "android_app_name"),
    *("android_app_version", "android_device", "android_os_version", "android_sdk_version", "android_last_seen_at"),
    *("ios_app_name", "ios_app_version", "ios_device", "ios_os_version", "ios_sdk_version", "ios_last_seen_at"),
    *("utm_campaign", "utm_content", "utm_medium", "utm_source", "utm_term", "referrer", "enabled_push_messaging"),
)


def fill(out: Out, store: Store) -> None:
    """Makes what Intercom holds at the beginning: the desk of the demo company, as if it had been kept here."""
    support = make_support(replace(out, source="helpdesk"))
    admins = [_admin(row) for row in support.agents.iter_rows(named=True)]
    store.put("admins", [_record(body, SINCE, SINCE) for body in admins])
    ids = [int(body["id"]) for body in admins]
    team = {"type": "team", "id": str(TEAM_ID), "name": TEAM, "admin_ids": ids}
    store.put("teams", [_record(team, SINCE, SINCE)])
    contacts = {row["id"]: contact(row) for row in _seen(support).iter_rows(named=True)}
    store.put("contacts", (_record(body, body["created_at"], body["updated_at"]) for body in contacts.values()))
    people = contacts | {body["id"]: body for body in admins}
    store.put("conversations", (conversation(row, people) for row in _conversations(support).iter_rows(named=True)))


def contact(row: dict[str, Any]) -> dict[str, Any]:
    """A contact of these values: id, name, email, phone, locale, at (seconds since 1970)."""
    id = f"{int(row['id']):024x}"
    lists = {
        name: {"type": "list", "data": [], "url": f"/contacts/{id}/{path}", "total_count": 0, "has_more": False}
        for name, path in _LISTS.items()
    }
    return {
        "type": "contact",
        "id": id,
        "workspace_id": WORKSPACE,
        "external_id": row["id"],
        "role": "user",
        "email": row["email"],
        "email_domain": row["email"].rpartition("@")[2],
        "phone": row["phone"],
        "name": row["name"],
        "social_profiles": {"type": "list", "data": []},
        **dict.fromkeys(("has_hard_bounced", "marked_email_as_spam", "unsubscribed_from_emails"), False),
        "created_at": row["at"],
        "updated_at": row["at"],
        "last_replied_at": row["at"],
        "language_override": row["locale"],
        "location": {"type": "location", "country": None, "region": None, "city": None},
        "custom_attributes": {},
        **dict.fromkeys(_UNKNOWN),
        **lists,
    }


def conversation(row: dict[str, Any], people: dict[str, dict[str, Any]]) -> Record:
    """A conversation of these values: those of a ticket, with its messages as `said`; times in seconds since 1970."""
    first, *later = row["said"]
    who, assignee = people[row["requester"]], people[row["assignee"]]
    parts = [part(row["id"], n, people[one["author"]], one["at"], one["body"]) for n, one in enumerate(later, 1)]
    if row["solved"] is not None:
        parts.append(part(row["id"], len(parts) + 1, assignee, row["solved"], None, "close"))
    state = "closed" if row["status"] in ("solved", "closed") else "open"
    reference = {"type": "contact", "id": who["id"], "external_id": who["external_id"]}
    tag = {"type": "tag", "id": str(sum(map(ord, row["topic"]))), "name": row["topic"], "applied_at": row["at"]}
    body = {
        "type": "conversation",
        "id": row["id"],
        "created_at": row["at"],
        "updated_at": row["updated"],
        "waiting_since": None if row["replied"] else row["at"],
        "snoozed_until": None,
        "source": _source(row, who, first["body"]),
        "contacts": {"type": "contact.list", "contacts": [reference]},
        "first_contact_reply": {"created_at": row["at"], "type": _DELIVERED[row["channel"]], "url": None},
        "admin_assignee_id": int(row["assignee"]),
        "team_assignee_id": TEAM_ID,
        "open": state == "open",
        "state": state,
        "read": row["replied"] is not None,
        "tags": {"type": "tag.list", "tags": [tag]},
        "priority": _PRIORITY[row["priority"]],
        "sla_applied": None,
        "statistics": _statistics(row),
        "conversation_rating": _rating(row, reference),
        "teammates": {"type": "admin.list", "teammates": [{"type": "admin", "id": row["assignee"]}]},
        "title": None,
        "custom_attributes": {"order_number": row["number"]} if row["number"] else {},
        "linked_objects": {"type": "list", "data": [], "total_count": 0, "has_more": False},
        "ai_agent": None,
        "ai_agent_participated": False,
        "conversation_parts": parts,
    }
    return _record(body, row["at"], row["updated"])


def part(
    conversation: str, number: int, author: dict[str, Any], at: int, text: str | None, kind: str = "comment"
) -> dict[str, Any]:
    """One thing said or done after a conversation began."""
    return {
        "type": "conversation_part",
        "id": f"{conversation}{number:04d}",
        "part_type": kind,
        "body": text,
        "created_at": at,
        "updated_at": at,
        "notified_at": at,
        "assigned_to": None,
        "author": _author(author),
        "attachments": [],
        "external_id": None,
        "redacted": False,
        "email_message_metadata": None,
        "state": "closed" if kind == "close" else "open",
        "tags": [],
        "event_details": None,
        "app_package_code": None,
    }


def marked_up(text: str | None) -> str | None:
    """A text as Intercom gives it to those who do not ask for plain text."""
    return None if text is None else f"<p>{html.escape(text)}</p>"


def _record(body: dict[str, Any], created: int, updated: int) -> Record:
    return Record(id=body["id"], body=body, created=created * 1000, updated=updated * 1000)


def _admin(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "admin",
        "id": row["id"],
        "name": row["name"],
        "email": row["email"],
        "job_title": "Teamleitung" if row["is_lead"] else "Kundenservice",
        "away_mode_enabled": not row["is_active"],
        "away_mode_reassign": not row["is_active"],
        "has_inbox_seat": row["is_active"],
        "team_ids": [TEAM_ID],
    }


def _author(person: dict[str, Any]) -> dict[str, Any]:
    """Who said something; an address is given where it is one."""
    kind = "admin" if person["type"] == "admin" else "user"
    known = {"email": person["email"]} if _MAIL.fullmatch(person["email"]) else {}
    return {"type": kind, "id": person["id"], "name": person["name"], **known}


def _source(row: dict[str, Any], who: dict[str, Any], text: str) -> dict[str, Any]:
    return {
        "type": _DELIVERED[row["channel"]],
        "id": f"4{row['id']}",
        "delivered_as": "customer_initiated",
        "subject": row["subject"],
        "body": text,
        "author": _author(who),
        "attachments": [],
        "url": None,
        "redacted": False,
    }


def _statistics(row: dict[str, Any]) -> dict[str, Any] | None:
    """What Intercom counts of a conversation; what has not happened yet is left out."""
    if row["replied"] is None:
        return None
    found = {
        "type": "conversation_statistics",
        "time_to_admin_reply": row["replied"] - row["at"],
        "first_contact_reply_at": row["at"],
        "first_admin_reply_at": row["replied"],
        "last_admin_reply_at": row["replied"],
        "count_reopens": 0,
        "count_assignments": 1,
        "count_conversation_parts": len(row["said"]) + (row["solved"] is not None),
    }
    if row["solved"] is None:
        return found
    closing = {"time_to_first_close": row["solved"] - row["at"], "last_closed_by_id": row["assignee"]}
    return found | closing | {"first_close_at": row["solved"], "last_close_at": row["solved"]}


def _rating(row: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any] | None:
    if row["score"] is None:
        return None
    times = {"created_at": row["rated"], "updated_at": row["rated"]}
    who = {"contact": reference, "teammate": {"type": "admin", "id": row["assignee"]}}
    return {"rating": {"good": 5, "bad": 1}[row["score"]], "remark": row["comment"] or "", **times, **who}


def _seen(support: Support) -> pl.DataFrame:
    return support.customers.with_columns(at=epoch("at"))


def _conversations(support: Support) -> pl.DataFrame:
    """Tickets with what was said, in order; times in seconds since 1970, None for never."""
    said = support.messages.sort("at", "id").with_columns(at=epoch("at"))
    by_ticket = said.group_by("ticket_id", maintain_order=True).agg(said=pl.struct("author", "at", "body"))
    last = pl.max_horizontal("at", "replied", "solved", "rated")
    return (
        support.tickets.with_columns(updated=epoch(last))
        .with_columns(epoch(name).alias(name) for name in ("at", "replied", "solved", "rated"))
        .join(by_ticket, left_on="id", right_on="ticket_id", how="left", maintain_order="left")
    )
