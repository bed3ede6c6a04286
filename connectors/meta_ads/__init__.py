"""Meta Ads: campaigns of an ad account, and what each ad on Facebook and Instagram did on each day.

How to reach it and what its refusals mean; what is read is in `resources`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, field_validator

from connectors._api.auth import bearer
from connectors._api.client import Again, Answer, Client, Manners
from connectors._api.connector import api_connector, client_of
from connectors._api.options import ApiOptions
from connectors._api.pace import Hint, Rate
from connectors.base import Source
from connectors.meta_ads.resources import ACCOUNT_FIELDS, VERSION, resources

#: Throttling, told with status 400: developers.facebook.com/docs/graph-api/overview/rate-limiting.
_THROTTLED = frozenset({4, 17, 32, 613, *range(80_000, 80_015)})
#: Faults at Meta's that pass.
_PASSING = frozenset({1, 2})
_BUSY_PERCENT = 90


class MetaAdsOptions(ApiOptions):
    """`[sources.<name>]` with `connector = "meta_ads"`."""

    access_token: SecretStr = Field(description="Token of a system user with the permission ads_read.")
    account_id: str = Field(pattern=r"^\d+$", description="Number of the ad account, with or without act_.")
    lookback_days: int = Field(
        default=30, ge=1, le=90, description="Figures of so many days back are read again, since they still change."
    )

    @field_validator("account_id", mode="before")
    @classmethod
    def _without_prefix(cls, value: Any) -> Any:
        return value.removeprefix("act_") if isinstance(value, str) else value


def client(source: Source, options: MetaAdsOptions) -> Client:
    """Makes the client: 600 calls an hour, which is what an app without advanced access has at the least."""
    return client_of(
        source,
        options,
        title="Meta Ads",
        base_url="https://graph.facebook.com",
        auth=bearer(options.access_token.get_secret_value()),
        account=options.account_id,
        rate=Rate(requests=600, seconds=3_600, concurrency=3),
        manners=Manners(hint=_hint, judge=_judge, explain=_explain),
    )


def _hint(answer: Answer) -> Hint | None:
    """How much of the account's hour is used, once it is nearly all."""
    used, minutes = _usage(answer)
    if used < _BUSY_PERCENT and not minutes:
        return None
    return Hint(remaining=0 if minutes else (100 - used) / 10, reset_seconds=60.0 * max(minutes, 1))


def _usage(answer: Answer) -> tuple[float, float]:
    """Percent used, and minutes until calls are let in again."""
    import orjson

    try:
        told = orjson.loads(answer.headers.get("x-business-use-case-usage", "{}"))
        uses = [use for account in told.values() for use in account]
    except (ValueError, AttributeError):
        return 0.0, 0.0
    percent = [use.get(name, 0) for use in uses for name in ("call_count", "total_cputime", "total_time")]
    waits = [use.get("estimated_time_to_regain_access", 0) for use in uses]
    return float(max(percent, default=0)), float(max(waits, default=0))


def _judge(answer: Answer) -> Again | None:
    """Whatever is wrong comes with status 400, so the code within tells what heals."""
    if answer.status < 400:
        return None
    error = _error(answer)
    if error.get("code") in _THROTTLED:
        _, minutes = _usage(answer)
        return Again(why=f"too many calls (code {error['code']})", seconds=60 * minutes if minutes else None)
    if error.get("code") in _PASSING or error.get("is_transient"):
        return Again(why=f"a fault at the vendor's (code {error.get('code')})")
    return None


def _explain(answer: Answer, path: str) -> str | None:
    error = _error(answer)
    code, said = error.get("code"), error.get("message", "")
    if code == 190:
        return "the access token was refused (code 190). Make a new one for the system user and put it into .env."
    if code in (10, 200, 294):
        return "the access token lacks the permission ads_read, or its user has no access to this ad account."
    if code == 100 and error.get("error_subcode") == 33:
        return "there is no such ad account, or the token's user may not see it; check account_id."
    if code == 2635:
        return "Meta has ended the version of its interface that this connector speaks; update Millpond."
    if code == 3018:
        return "Meta keeps figures for 37 months; set a later start_date in millpond.toml."
    return f"refused (code {code}): {said}" if said else None


def _error(answer: Answer) -> Mapping[str, Any]:
    import orjson

    try:
        said = orjson.loads(answer.body)
    except ValueError:
        return {}
    error = said.get("error") if isinstance(said, dict) else None
    return error if isinstance(error, dict) else {}


def _probe(api: Client, options: MetaAdsOptions) -> Iterator[str]:
    granted = api.get(f"/{VERSION.name}/me/permissions").get("data", [])
    states = {one.get("permission"): one.get("status") for one in granted}
    if states and "granted" not in (states.get("ads_read"), states.get("ads_management")):
        yield "Meta Ads: the access token lacks the permission ads_read; make a new one with it."
        return
    api.get(f"/{VERSION.name}/act_{options.account_id}", {"fields": ACCOUNT_FIELDS})


CONNECTOR = api_connector(
    name="meta_ads",
    title="Meta Ads",
    description="Advertising on Facebook and Instagram: campaigns with their budgets, daily figures of ads.",
    options=MetaAdsOptions,
    client=client,
    resources=resources,
    version=VERSION,
    probe=_probe,
    mappings=Path(__file__).parent,
)
