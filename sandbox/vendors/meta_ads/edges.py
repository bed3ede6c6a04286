"""The account's campaigns, ad sets and ads: as edges of the account, page by page, and one by one.

Shapes: https://developers.facebook.com/docs/graph-api/results (cursors) and
https://developers.facebook.com/docs/marketing-api/best-practices/storing_adobjects (deleted and archived objects).
"""

from __future__ import annotations

import base64
from typing import Any

from sandbox.store import Record, Store
from sandbox.vendors.meta_ads.insights import ACCOUNT, no_object
from sandbox.vendors.meta_ads.parameters import Refused, effective_statuses, fields_of, number

#: Fields of each kind of object; some are asked for but never there, and then left out of the answer.
FIELDS = {
    "campaign": [
        "id",
        "account_id",
        "bid_strategy",
        "budget_remaining",
        "buying_type",
        "configured_status",
        "created_time",
        "daily_budget",
        "effective_status",
        "lifetime_budget",
        "name",
        "objective",
        "spend_cap",
        "start_time",
        "status",
        "stop_time",
        "updated_time",
    ],
    "adset": [
        "id",
        "account_id",
        "billing_event",
        "campaign_id",
        "configured_status",
        "created_time",
        "daily_budget",
        "effective_status",
        "end_time",
        "lifetime_budget",
        "name",
        "optimization_goal",
        "start_time",
        "status",
        "updated_time",
    ],
    "ad": [
        "id",
        "account_id",
        "adset_id",
        "campaign_id",
        "configured_status",
        "created_time",
        "effective_status",
        "name",
        "status",
        "updated_time",
    ],
    "account": [
        "id",
        "account_id",
        "account_status",
        "amount_spent",
        "created_time",
        "currency",
        "name",
        "timezone_name",
        "timezone_offset_hours_utc",
    ],
}
EDGES = {"campaigns": "campaign", "adsets": "adset", "ads": "ad"}
_NODE_TYPES = {"campaign": "AdCampaignGroup", "adset": "AdCampaign", "ad": "Adgroup", "account": "AdAccount"}
_DEFAULT_LIMIT = 25
_STEP = 200


def page(kind: str, given: dict[str, str], store: Store, base: str) -> dict[str, Any]:
    """A page of an edge, the newest objects first."""
    statuses = effective_statuses(given, kind)
    limit, fields = number(given, "limit", _DEFAULT_LIMIT), _fields(kind, given)
    found = _next(kind, statuses, limit + 1, _seq(given.get("after")), store)
    shown = found[:limit]
    answer: dict[str, Any] = {"data": [_shown(r.body, fields) for r in shown]}
    if shown:
        cursors = {"before": _cursor(shown[0].seq), "after": _cursor(shown[-1].seq)}
        answer["paging"] = {"cursors": cursors}
        if len(found) > limit:
            answer["paging"]["next"] = f"{base}&after={cursors['after']}"
    if "total_count" in given.get("summary", ""):
        answer["summary"] = {"total_count": len(_next(kind, statuses, 10_000_000, None, store))}
    return answer


def node(id: str, given: dict[str, str], store: Store) -> dict[str, Any]:
    """One object; one that was deleted is shown to those who know its id."""
    if id == ACCOUNT["id"]:
        return _shown(ACCOUNT, _fields("account", given))
    for kind in EDGES.values():
        record = store.get(kind, id)
        if record is not None:
            return _shown(record.body, _fields(kind, given))
    raise no_object(id)


def _next(kind: str, statuses: frozenset[str], count: int, before: int | None, store: Store) -> list[Record]:
    found: list[Record] = []
    while len(found) < count:
        after = (before, before) if before is not None else None
        step = store.page(kind, limit=_STEP, order="seq", descending=True, after=after)
        found += [r for r in step if r.body["effective_status"] in statuses]
        if len(step) < _STEP:
            break
        before = step[-1].seq
    return found[:count]


def _fields(kind: str, given: dict[str, str]) -> list[str]:
    asked = fields_of(given.get("fields", "id"))
    unknown = [f for f in asked if f not in FIELDS[kind]]
    if unknown:
        raise Refused(
            100, f"(#100) Tried accessing nonexisting field ({unknown[0]}) on node type ({_NODE_TYPES[kind]})"
        )
    return [*asked, "id"]


def _shown(body: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    """What was asked for; Meta leaves out what is empty."""
    return {name: body[name] for name in dict.fromkeys(fields) if body.get(name) is not None}


def _cursor(seq: int) -> str:
    return base64.urlsafe_b64encode(f"seq:{seq}".encode()).decode()


def _seq(after: str | None) -> int | None:
    if after is None:
        return None
    try:
        return int(base64.urlsafe_b64decode(after).decode().removeprefix("seq:"))
    except ValueError:
        raise Refused(100, "(#100) Invalid cursors values: cursors[after] is not valid") from None
