"""What is read from Google Ads, and how: queries in its own language, whose whole answer comes as one stream.

Figures are cut into spans of days, so that no answer grows large. Conversions are counted on the day of the click,
weeks ago perhaps, so the last days are read again each night; rows that are not given any more are marked deleted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any

from connectors._api.body import RECORDS, at, struct_of
from connectors._api.client import Client
from connectors._api.resource import Head, Page, Reading, Resource
from connectors._google import first_day, last_day, spans
from connectors.base import ApiVersion

#: Google plans to end this version in August 2027 and names no day yet, so the month's first stands for it.
VERSION = ApiVersion(
    name="v25", sunset=date(2027, 8, 1), page="https://developers.google.com/google-ads/api/docs/sunset-dates"
)
#: Google keeps daily figures for 37 months.
_MONTHS = 36
_SPAN_DAYS = 90

_CAMPAIGNS = (
    *("campaign.id", "campaign.name", "campaign.status", "campaign.advertising_channel_type"),
    *("campaign.start_date_time", "campaign.end_date_time", "customer.currency_code"),
    *("campaign_budget.id", "campaign_budget.period"),
    *("campaign_budget.amount_micros", "campaign_budget.total_amount_micros"),
)
_FIGURES = (
    *("campaign.id", "campaign.name", "customer.currency_code", "segments.date"),
    *("metrics.impressions", "metrics.clicks", "metrics.cost_micros"),
    *("metrics.conversions", "metrics.conversions_value"),
)
#: Where figures stand: by ad, and by asset group for Performance Max, whose ads Google does not show one by one.
_UNITS = {
    "ad_performance": ("ad_group_ad", ("ad_group.id", "ad_group.name", "ad_group_ad.ad.id")),
    "asset_group_performance": ("asset_group", ("asset_group.id", "asset_group.name")),
}
_KEYS = {
    "ad_performance": ("adGroupAd.ad.id", "segments.date"),
    "asset_group_performance": ("assetGroup.id", "segments.date"),
}

_batch = struct_of({"results": RECORDS, "fieldMask": str, "error.message": str})
_day = struct_of({"segments.date": str})


def resources(options: Any) -> list[Resource]:
    """Gives Google Ads' resources."""
    lookback = timedelta(days=options.lookback_days)
    figures = [
        Resource(
            name=name,
            read=partial(_figures, name),
            head=Head(key=_KEYS[name], modified="segments.date"),
            mode="window",
            lookback=lookback,
            count=partial(_count_figures, name),
            count_how="number of rows of the query",
        )
        for name in _UNITS
    ]
    return [
        Resource(
            name="campaigns",
            read=_campaigns,
            head=Head(key="campaign.id"),
            mode="snapshot",
            count=_count_campaigns,
            count_how="number of rows of the query",
        ),
        *figures,
    ]


def account_of(api: Client, customer: str) -> Mapping[str, Any]:
    """What Google says of the account itself."""
    fields = ("customer.id", "customer.descriptive_name", "customer.manager", "customer.test_account")
    answer = api.post(_path(customer, "search"), {"query": f"SELECT {', '.join(fields)} FROM customer"})
    rows = answer.get("results", [])
    account: Mapping[str, Any] = rows[0]["customer"] if rows else {}
    return account


def _campaigns(reading: Reading) -> Iterator[Page]:
    """All campaigns, also removed ones, which stay listed with their status."""
    for records in _stream(reading, _CAMPAIGNS, f"SELECT {', '.join(_CAMPAIGNS)} FROM campaign"):
        yield Page(records=records)


def _figures(name: str, reading: Reading) -> Iterator[Page]:
    """Figures of the days from `since` on, a span after the other; goes on at the span that was cut off."""
    if reading.since is None:
        # How far back to begin goes by Google's clock, which its first answer tells.
        account_of(reading.api, reading.options.customer_id)
    first = date.fromisoformat(reading.position) if reading.position else first_day(reading, months=_MONTHS)
    state = {"first": reading.state.get("first") or str(first_day(reading, months=_MONTHS))}
    for start, end in spans(first, last_day(reading), _SPAN_DAYS):
        for records in _stream(reading, _fields(name), _query(name, start, end), days=(str(start), str(end))):
            yield Page(records=records, position=str(start), state=state)
        yield Page(records=[], position=str(end + timedelta(1)), state=state)


def _fields(name: str) -> tuple[str, ...]:
    return (*_UNITS[name][1], *_FIGURES)


def _query(name: str, start: date, end: date) -> str:
    return f"SELECT {', '.join(_fields(name))} FROM {_UNITS[name][0]} WHERE segments.date BETWEEN '{start}' AND '{end}'"


def _stream(
    reading: Reading, fields: Sequence[str], query: str, *, days: tuple[str, str] | None = None
) -> Iterator[Sequence[Any]]:
    """The batches of an answer, once it is sure that they answer this query."""
    mask = ",".join(".".join(_camel(part) for part in field.split(".")) for field in fields)

    def decode(body: bytes) -> list[Sequence[Any]]:
        import msgspec

        batches = msgspec.json.Decoder(list[_batch]).decode(body)  # type: ignore[valid-type]
        for one in batches:
            if at(one, "error.message"):
                raise ValueError(f"the stream broke off: {at(one, 'error.message')}")
            if at(one, "fieldMask") != mask:
                raise ValueError("the answer is to another query")
            if days is not None:
                _check_days(at(one, "results") or [], days)
        return [at(one, "results") or [] for one in batches]

    path = _path(reading.options.customer_id, "searchStream")
    yield from reading.api.post(path, {"query": query}, decode=decode)


def _check_days(records: Sequence[Any], days: tuple[str, str]) -> None:
    import msgspec

    decoder = msgspec.json.Decoder(_day)
    for record in records:
        if not days[0] <= (at(decoder.decode(record), "segments.date") or "") <= days[1]:
            raise ValueError("the answer is about other days")


def _count_campaigns(reading: Reading) -> int:
    return _count(reading, f"SELECT {', '.join(_CAMPAIGNS)} FROM campaign")


def _count_figures(name: str, reading: Reading) -> int | None:
    """All rows since the first day that was ever read; none once that day is older than what Google keeps."""
    last = last_day(reading)
    first = date.fromisoformat(reading.state.get("first") or str(first_day(reading, months=_MONTHS)))
    if (last - first).days > 30 * (_MONTHS + 1):
        return None
    return sum(_count(reading, _query(name, *span)) for span in spans(first, last, _SPAN_DAYS))


def _count(reading: Reading, query: str) -> int:
    settings = {"omitResults": True, "returnTotalResultsCount": True}
    path = _path(reading.options.customer_id, "search")
    return int(reading.api.post(path, {"query": query, "searchSettings": settings}).get("totalResultsCount", 0))


def _path(customer: str, method: str) -> str:
    return f"/{VERSION.name}/customers/{customer}/googleAds:{method}"


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)
