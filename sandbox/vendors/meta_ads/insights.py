"""Figures of the demo's Meta account by level and period, at once or as a job whose answer is fetched later.

Shapes: https://developers.facebook.com/docs/marketing-api/insights and .../insights/best-practices (asynchronous jobs),
error fields of failed jobs: https://developers.facebook.com/blog/post/2026/01/08/enhanced-error-messaging-for-ads-insights-async-api/.
How much is too much for one answer is the demo's own figure; Meta names none.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sandbox.store import Record, Store
from sandbox.vendor import Desk
from sandbox.vendors.meta_ads.parameters import Refused, Report

ACCOUNT_ID = "120900000000017"
ACCOUNT: dict[str, Any] = {
    "id": f"act_{ACCOUNT_ID}",
    "account_id": ACCOUNT_ID,
    "account_status": 1,
    "name": "Mühlbach Versand",
    "currency": "EUR",
    "timezone_name": "Europe/Berlin",
    "created_time": "2024-10-01T09:00:00+0200",
}
#: More rows than this are too many for an answer at once, and more than this for a job.
ROWS_AT_ONCE = 1_500
ROWS_OF_A_JOB = 6_000
_ALL = 10_000_000
_TOO_MUCH = "Please reduce the amount of data you're asking for, then retry your request"
_SUMMED = ("impressions", "reach", "clicks", "inline_link_clicks", "cents", "purchases", "value_cents", "views")
_NAMES = {
    "account": ("account_id", "account_name", "account_currency"),
    "campaign": ("campaign_id", "campaign_name", "objective", "buying_type"),
    "adset": ("adset_id", "adset_name", "optimization_goal"),
    "ad": ("ad_id", "ad_name"),
}
Fields = dict[str, Any]


def rows(report: Report, store: Store) -> list[Fields]:
    """Gives the rows of a report, as Meta writes them."""
    depth = ("account", "campaign", "adset", "ad").index(report.level)
    ads = _ads(store)
    sums: dict[tuple[str, date], Fields] = {}
    for record in _figures(report, store):
        ad = ads[record.parent or ""]
        if not _is_shown(ad["effective_status"], report):
            continue
        day = datetime.fromtimestamp(record.created / 1000, UTC).date()
        start = _start(day, report)
        key = "account" if depth == 0 else ad[f"{report.level}_id"]
        row = sums.setdefault((key, start), {**ad, **dict.fromkeys(_SUMMED, 0)})
        for name in _SUMMED:
            row[name] += record.body[name]
    # From some day on the account counts a conversion of its own beside the standard ones.
    custom_from = store.note("custom_from", "never")
    return [
        _written(row, start, report, depth, has_custom=str(start) >= custom_from) for (_, start), row in sums.items()
    ]


def at_once(report: Report, desk: Desk) -> list[Fields]:
    """Gives the rows of a report that is small enough.

    Raises:
        Refused: it is not.
    """
    found = rows(report, desk.store)
    if len(found) > ROWS_AT_ONCE:
        raise Refused(1, _TOO_MUCH, status=500)
    return found


def page(found: list[Fields], limit: int, after: str | None, base: str) -> Fields:
    """A page of rows; cursors of insights are positions."""
    start = _position(after)
    part = found[start : start + limit]
    if not part:
        return {"data": []}
    cursors = {"before": _cursor(start), "after": _cursor(start + len(part))}
    paging: Fields = {"cursors": cursors}
    if start + limit < len(found):
        paging["next"] = f"{base}&after={cursors['after']}"
    return {"data": part, "paging": paging}


def touch_first(desk: Desk) -> None:
    """Moves the row that pages begin with to their end, as rows at once come in no promised order."""
    for record in desk.store.page("figure", limit=1, order="updated"):
        desk.store.put("figure", [moved(record, desk.now())])


def moved(record: Record, moment: int) -> Record:
    """The record as changed at another time."""
    return Record(
        id=record.id,
        body=record.body,
        created=record.created,
        updated=moment,
        deleted=record.deleted,
        parent=record.parent,
    )


class Jobs:
    """Reports being made. A job is done at the third look, or fails if it is too large; its rows are then fixed."""

    _STEPS = (("Job Not Started", 0), ("Job Running", 45), ("Job Completed", 100))

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._rows: dict[str, list[Fields]] = {}

    def start(self, report: Report) -> str:
        """Starts a job and gives its id."""
        number = int(self._desk.store.note("jobs", 0)) + 1
        job = str(6_000_000_000_000 + number)
        self._desk.store.write_note("jobs", number)
        self._desk.store.write_note(f"job {job}", {**report.to_note(), "looks": 0, "asked": self._desk.now() // 1000})
        return job

    def look(self, job: str) -> Fields:
        """Tells how far a job is."""
        note = self._note(job)
        found = self._rows.get(job)
        if found is None:
            found = self._rows[job] = rows(_from_note(note), self._desk.store)
        fails = len(found) > ROWS_OF_A_JOB and note["looks"] > 0
        status, percent = ("Job Failed", 45) if fails else self._STEPS[min(note["looks"], 2)]
        self._desk.store.write_note(f"job {job}", {**note, "looks": note["looks"] + 1, "status": status})
        answer: Fields = {
            "id": job,
            "account_id": ACCOUNT_ID,
            "time_ref": note["asked"],
            "async_status": status,
            "async_percent_completion": percent,
            "date_start": note["first"],
            "date_stop": note["last"],
        }
        if status == "Job Completed":
            answer["time_completed"] = self._desk.now() // 1000
        if fails:
            answer |= {"error_code": 1, "error_message": _TOO_MUCH, "error_subcode": 99}
        return answer

    def rows_of(self, job: str) -> list[Fields]:
        """Gives the rows of a job that is done.

        Raises:
            Refused: it is not.
        """
        if self._note(job).get("status") != "Job Completed" or job not in self._rows:
            raise Refused(2601, "(#2601) Loading Async Request Not Yet Completed")
        return self._rows[job]

    def knows(self, job: str) -> bool:
        """Whether there is such a job."""
        return self._desk.store.note(f"job {job}") is not None

    def _note(self, job: str) -> Fields:
        note = self._desk.store.note(f"job {job}")
        if note is None:
            raise no_object(job)
        return dict(note)


def no_object(id: str) -> Refused:
    """What Meta says to an id that it does not know or does not show."""
    return Refused(
        100,
        f"Unsupported get request. Object with ID '{id}' does not exist, cannot be loaded due to missing permissions, "
        "or does not support this operation",
        subcode=33,
    )


def _from_note(note: Fields) -> Report:
    return Report(
        level=note["level"],
        fields=tuple(note["fields"]),
        first=date.fromisoformat(note["first"]),
        last=date.fromisoformat(note["last"]),
        days=note["days"],
        statuses=frozenset(note["statuses"]) if note["statuses"] is not None else None,
    )


def _ads(store: Store) -> dict[str, Fields]:
    """Every ad by its id, with the names of what it belongs to."""
    campaigns = {r.id: r.body for r in store.page("campaign", limit=_ALL, deleted=None)}
    sets = {r.id: r.body for r in store.page("adset", limit=_ALL, deleted=None)}
    return {
        r.id: {
            "account_id": ACCOUNT_ID,
            "account_name": ACCOUNT["name"],
            "account_currency": ACCOUNT["currency"],
            "campaign_id": r.body["campaign_id"],
            "campaign_name": campaigns[r.body["campaign_id"]]["name"],
            "objective": campaigns[r.body["campaign_id"]]["objective"],
            "buying_type": "AUCTION",
            "adset_id": r.body["adset_id"],
            "adset_name": sets[r.body["adset_id"]]["name"],
            "optimization_goal": sets[r.body["adset_id"]]["optimization_goal"],
            "ad_id": r.id,
            "ad_name": r.body["name"],
            "effective_status": r.body["effective_status"],
            "created_time": r.body["created_time"],
            "updated_time": r.body["updated_time"],
        }
        for r in store.page("ad", limit=_ALL, deleted=None)
    }


def _figures(report: Report, store: Store) -> Iterable[Record]:
    return store.page(
        "figure",
        limit=_ALL,
        order="updated",
        by="created",
        since=_ms(report.first),
        until=_ms(report.last + timedelta(1)),
    )


def _is_shown(status: str, report: Report) -> bool:
    """Parents count what was deleted; ads one by one are shown in the states asked for, without a filter the living."""
    if report.statuses is not None:
        return status in report.statuses
    return report.level != "ad" or status != "DELETED"


def _start(day: date, report: Report) -> date:
    if report.days is None:
        return report.first
    return report.first + timedelta((day - report.first).days // report.days * report.days)


def _written(row: Fields, start: date, report: Report, depth: int, *, has_custom: bool) -> Fields:
    """A row as Meta writes it: figures as text, and nothing that is empty."""
    stop = report.last if report.days is None else min(start + timedelta(report.days - 1), report.last)
    levels = ("account", "campaign", "adset", "ad")[: depth + 1]
    values: Fields = {name: row[name] for level in levels for name in _NAMES[level]}
    if report.level == "ad":
        values |= {name: row[name][:10] for name in ("created_time", "updated_time")}
    spend, shown, clicks = row["cents"] / 100, row["impressions"], row["clicks"]
    values |= {
        "impressions": str(shown),
        "reach": str(row["reach"]),
        "frequency": f"{shown / max(row['reach'], 1):.6f}",
        "clicks": str(clicks),
        "inline_link_clicks": str(row["inline_link_clicks"]) if row["inline_link_clicks"] else None,
        "spend": f"{spend:.2f}",
        "cpc": f"{spend / clicks:.6f}" if clicks else None,
        "cpm": f"{spend / shown * 1000:.6f}" if shown else None,
        "ctr": f"{clicks / shown * 100:.6f}" if shown else None,
        "inline_link_click_ctr": f"{row['inline_link_clicks'] / shown * 100:.6f}" if shown else None,
        "actions": _actions(row, has_custom=has_custom),
        "action_values": _values(row),
    }
    asked = {name: values.get(name) for name in report.fields}
    return {
        **{name: value for name, value in asked.items() if value is not None},
        "date_start": start.isoformat(),
        "date_stop": stop.isoformat(),
    }


def _actions(row: Fields, *, has_custom: bool) -> list[Fields] | None:
    """Each purchase stands under several types: as such, across channels, and as the pixel saw it."""
    counted = [("link_click", row["inline_link_clicks"]), ("landing_page_view", row["views"])]
    if has_custom:
        counted.append(("offsite_conversion.custom.7700112233", row["views"] // 9))
    counted += [(name, row["purchases"]) for name in _PURCHASES]
    return [{"action_type": name, "value": str(count)} for name, count in counted if count] or None


_PURCHASES = ("omni_purchase", "purchase", "offsite_conversion.fb_pixel_purchase")


def _values(row: Fields) -> list[Fields] | None:
    if not row["value_cents"]:
        return None
    value = row["value_cents"] / 100
    return [{"action_type": name, "value": f"{value:.2f}".rstrip("0").rstrip(".")} for name in _PURCHASES]


def _ms(day: date) -> int:
    return int(datetime.combine(day, datetime.min.time(), UTC).timestamp() * 1000)


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(str(position).encode()).decode().replace("=", "") + "ZD"


def _position(after: str | None) -> int:
    if after is None:
        return 0
    try:
        text = after.removesuffix("ZD")
        return int(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        raise Refused(100, "(#100) Invalid cursors values: cursors[after] is not valid") from None
