"""How Zendesk shows its records: live and deleted ones, in lists and in exports, with and without sideloads.

The keys are those of recorded answers of the real service. Which records an answer holds belongs in `answers`.
"""

from __future__ import annotations

import html
from typing import Any

from sandbox.store import Record
from sandbox.vendors.zendesk.records import stamp


def same(record: Record) -> dict[str, Any]:
    return record.body


def ticket(record: Record) -> dict[str, Any]:
    return {key: value for key, value in record.body.items() if key != "metric_set"}


def exported_ticket(record: Record) -> dict[str, Any]:
    """A ticket as exports give it: with the time that they go by, which moves when the system changes something too."""
    status = "deleted" if record.deleted else record.body["status"]
    return {**record.body, "status": status, "generated_timestamp": record.updated // 1000}


def with_metrics(body: dict[str, Any], include: list[str]) -> dict[str, Any]:
    return body if "metric_sets" in include else {key: value for key, value in body.items() if key != "metric_set"}


def user(record: Record) -> dict[str, Any]:
    return {**record.body, "active": False, "permanently_deleted": False} if record.deleted else record.body


def deleted_ticket(record: Record) -> dict[str, Any]:
    return {
        "id": record.body["id"],
        "subject": record.body["subject"],
        "actor": {"id": record.body["assignee_id"], "name": "Kundenservice"},
        "deleted_at": stamp(record.deleted or 0),
        "previous_state": record.body["status"],
    }


def event(record: Record, include: list[str]) -> dict[str, Any]:
    """An update of a ticket and what it consisted of, the comment's words only for those who ask for the sideload."""
    fact, at = record.body, stamp(record.created)
    common = {"via": fact["via"], "via_reference_id": None}
    children: list[dict[str, Any]] = []
    comment = fact["comment"]
    if comment and "comment_events" in include:
        words = {"body": comment["body"], "html_body": f'<div class="zd-comment">{html.escape(comment["body"])}</div>'}
        ids = {"id": comment["id"], "author_id": comment["author_id"], "audit_id": fact["id"]}
        rest = {"plain_body": comment["body"], "public": True, "attachments": [], "created_at": at}
        children.append({**ids, **common, "type": "Comment", **words, **rest, "event_type": "Comment"})
    elif comment:
        present = {"comment_present": True, "comment_public": True}
        children.append({"id": comment["id"], **common, **present, "event_type": "Comment"})
    for position, (field, previous) in enumerate((("subject", None), ("status", fact["previous"]))):
        if fact[field] is not None:
            change = {"previous_value": previous, "event_type": "Change"} if previous else {"event_type": "Create"}
            children.append({"id": fact["id"] * 10 + position, **common, field: fact[field], **change})
    return {
        "child_events": children,
        "id": fact["id"],
        "ticket_id": fact["ticket_id"],
        "timestamp": record.created // 1000,
        "created_at": at,
        "updater_id": fact["updater_id"],
        "via": fact["via"],
        "system": {},
        "metadata": {},
        "event_type": "Audit",
    }
