"""What is read from Meta, and how: campaigns page by page, daily figures by reports that Meta prepares.

Prepared reports do not move while their pages are read, and bear longer spans than answers at once. Meta counts
purchases on the day of the click and corrects figures for 28 days, so the last days are read again each night.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

from connectors._api.body import RECORDS, envelope
from connectors._api.client import ApiError
from connectors._api.resource import Head, Page, Reading, Resource
from connectors.base import ApiVersion

#: Meta has named no day on which this version ends; the ones before it lasted a little over a year.
VERSION = ApiVersion(
    name="v26.0",
    page="https://developers.facebook.com/documentation/ads-commerce/marketing-api/marketing-api-changelog/versions",
)
ACCOUNT_FIELDS = "id,account_id,name,currency,timezone_name,account_status,created_time"
_CAMPAIGN_FIELDS = (
    "id,account_id,name,objective,status,effective_status,daily_budget,lifetime_budget,start_time,stop_time,"
    "created_time,updated_time"
)
_FIGURE_FIELDS = (
    "account_id,account_currency,campaign_id,campaign_name,adset_id,adset_name,ad_id,ad_name,impressions,reach,clicks,"
    "inline_link_clicks,spend,actions,action_values"
)
#: Deleted and archived ones are shown only if they are asked for, and so are the figures of their ads.
_CAMPAIGN_STATES = ["ACTIVE", "ARCHIVED", "DELETED", "IN_PROCESS", "PAUSED", "WITH_ISSUES"]
_AD_STATES = [
    *("ACTIVE", "ADSET_PAUSED", "ARCHIVED", "CAMPAIGN_PAUSED", "DELETED", "DISAPPROVED", "IN_PROCESS", "PAUSED"),
    *("PENDING_BILLING_INFO", "PENDING_REVIEW", "PREAPPROVED", "WITH_ISSUES"),
]
#: Meta keeps figures for 37 months.
_MONTHS = 36
_SPAN_DAYS = 90
_CAMPAIGNS_A_PAGE = 200
_ROWS_A_PAGE = 500
_LONGEST_LOOK = 30.0

_page = envelope(data=RECORDS, after=("paging.cursors.after", str), next=("paging.next", str))


def resources(options: Any) -> list[Resource]:
    """Gives Meta's resources."""
    return [
        Resource(name="ad_account", read=_account, mode="snapshot"),
        Resource(
            name="campaigns",
            read=_campaigns,
            head=Head(key="id", modified="updated_time"),
            mode="snapshot",
            count=_count_campaigns,
            count_how="total count of the list",
        ),
        Resource(
            name="ad_performance",
            read=_figures,
            head=Head(key=("ad_id", "date_start"), modified="date_start"),
            mode="window",
            lookback=timedelta(days=options.lookback_days),
        ),
    ]


def _account_path(reading: Reading, edge: str = "") -> str:
    return f"/{VERSION.name}/act_{reading.options.account_id}{edge}"


def _account(reading: Reading) -> Iterator[Page]:
    answer = reading.api.get(_account_path(reading), {"fields": ACCOUNT_FIELDS}, decode=lambda body: body)
    yield Page(records=[answer])


def _campaigns(reading: Reading) -> Iterator[Page]:
    asked = {
        "fields": _CAMPAIGN_FIELDS,
        "effective_status": json.dumps(_CAMPAIGN_STATES),
        "limit": _CAMPAIGNS_A_PAGE,
    }
    for records in _pages(reading, _account_path(reading, "/campaigns"), asked):
        yield Page(records=records)


def _count_campaigns(reading: Reading) -> int | None:
    asked = {"fields": "id", "effective_status": json.dumps(_CAMPAIGN_STATES), "limit": 1, "summary": "total_count"}
    summary = reading.api.get(_account_path(reading, "/campaigns"), asked).get("summary", {})
    total: int | None = summary.get("total_count")
    return total


def _pages(reading: Reading, path: str, asked: dict[str, Any]) -> Iterator[list[Any]]:
    """The records of a list; pages go by cursor."""
    after: str | None = None
    while True:
        page = reading.api.get(path, {**asked, **({"after": after} if after else {})}, decode=_page_after(after))
        yield page.data or []
        if page.next is None:
            return
        after = page.after


def _page_after(cursor: str | None) -> Callable[[bytes], Any]:
    """A decoder that notices a page which is not the one after the cursor."""

    def decode(body: bytes) -> Any:
        page = _page(body)
        if page.data is None:
            raise ValueError("the answer is no list")
        if page.next is not None and (page.after is None or page.after == cursor):
            raise ValueError("the page does not lead on")
        return page

    return decode


def _figures(reading: Reading) -> Iterator[Page]:
    """Figures of the days from `since` on, by one report after the other; goes on at the span that was cut off."""
    if reading.since is None:
        # How far back to begin goes by Meta's clock, which its first answer tells.
        reading.api.get(_account_path(reading), {"fields": "id"})
    first = date.fromisoformat(reading.position) if reading.position else _first_day(reading)
    last = (reading.api.now() + timedelta(hours=14)).date()
    while first <= last:
        end = min(first + timedelta(_SPAN_DAYS - 1), last)
        job, end = _prepared(reading, first, end)
        asked = {"limit": _ROWS_A_PAGE}
        for records in _pages(reading, f"/{VERSION.name}/{job}/insights", asked):
            yield Page(records=records, position=str(first))
        first = end + timedelta(1)
        yield Page(records=[], position=str(first))


def _first_day(reading: Reading) -> date:
    if reading.since is not None:
        return reading.since.date()
    chosen: date | None = reading.options.start_date
    return chosen or reading.api.now().date() - timedelta(days=30 * _MONTHS)


def _prepared(reading: Reading, first: date, last: date) -> tuple[str, date]:
    """A report that is ready, from the first day to one that it bore: what fails is asked for by halves.

    Raises:
        ApiError: not even a single day could be prepared.
    """
    while True:
        job = _start(reading, first, last)
        trouble = _wait(reading, job)
        if trouble is None:
            return job, last
        if first == last:
            raise ApiError(
                f"Meta Ads (source '{reading.api.source}'): the report of {first} was not prepared: {trouble}. "
                "The next load goes on there."
            )
        last = first + (last - first) // 2


def _start(reading: Reading, first: date, last: date) -> str:
    asked = {
        "level": "ad",
        "time_increment": "1",
        "time_range": json.dumps({"since": str(first), "until": str(last)}),
        "fields": _FIGURE_FIELDS,
        "filtering": json.dumps([{"field": "ad.effective_status", "operator": "IN", "value": _AD_STATES}]),
    }
    answer = reading.api.ask("POST", _account_path(reading, "/insights"), params=asked)
    return str(answer["report_run_id"])


def _wait(reading: Reading, job: str) -> str | None:
    """Looks at a report until it is ready; gives what went wrong, None if nothing did."""
    patience = reading.api.patience
    pause, waited = patience.first_pause_seconds, 0.0
    while True:
        look = reading.api.get(f"/{VERSION.name}/{job}")
        status = look.get("async_status")
        if status == "Job Completed" and look.get("async_percent_completion") == 100:
            return None
        if status in ("Job Failed", "Job Skipped"):
            return f"{status} ({look.get('error_message') or 'no reason given'})"
        if waited > patience.seconds:
            return f"{status} after {waited:.0f} s"
        time.sleep(pause)
        waited += pause
        pause = min(pause * 1.5, _LONGEST_LOOK)
