"""What a module in `vendors/` offers the sandbox: how to fill the vendor's store, how to answer for it, how it changes.

Vocabulary only; the server is `serve`, the records are in `store`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.faults import Faults
from sandbox.store import Store

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

    from sandbox.exports.kit import Out


@dataclass(frozen=True, kw_only=True)
class Changed:
    """What one night did to a collection: ids of new, changed and deleted records."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Night:
    """A night to come: its number from 1, and its moment in milliseconds since 1970 (a day after the one before)."""

    number: int
    at: int
    random: random.Random


@dataclass
class Desk:
    """What a vendor's routes work with: its store, its planned faults, and the company's clock in milliseconds.

    `ease` is the factor for limits that concern a part of the interface only; the vendor's own limit is eased already.
    """

    store: Store
    faults: Faults
    now: Callable[[], int]
    ease: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A vendor's rate limit, as it documents it."""

    requests: int
    seconds: float


def no_headers(limit: Limit, remaining: int, reset_seconds: float) -> Mapping[str, str]:
    """For vendors that do not say how much is left."""
    return {}


def records_under(*names: str) -> Callable[[Any], list[Any] | None]:
    """For vendors that have the records of an answer in a list under one of these names."""

    def records_of(body: Any) -> list[Any] | None:
        if not isinstance(body, dict):
            return None
        return next((body[name] for name in names if isinstance(body.get(name), list)), None)

    return records_of


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """One vendor of the demo company.

    Attributes:
        name: the name of the module, and the first part of its paths.
        source: the name of the company's source, as the truth uses it; empty where the demo night does not load it.
        fill: makes the vendor's records of the company's trade, and says the truth about them.
        routes: the routes, with paths below `/<name>`.
        night: what changes in a night, by collection.
        error: the vendor's body and headers for 401, 403, 404, 429, 500, 503.
        authorised: whether a request's credentials are good; `desk.note("revoked")` is the routes' own business.
        limit: the documented rate limit; the server eases it by a factor unless told otherwise.
        limit_headers: what the vendor says about it with every answer.
        is_page: whether faults that concern pages of records may strike this request.
        records_of: the list of records within a decoded answer, the list itself and no copy; None where it has none.
        listing: which listing a page belongs to; the page before of it is what a fault gives a second time.
        statuses: the HTTP status that the vendor gives instead of one of those of `error`, where it does.
    """

    name: str
    source: str
    fill: Callable[[Out, Store], None]
    routes: Callable[[Desk], Sequence[Route]]
    night: Callable[[Store, Night], dict[str, Changed]]
    error: Callable[[int], tuple[Any, Mapping[str, str]]]
    authorised: Callable[[Request, Desk], bool]
    limit: Limit
    limit_headers: Callable[[Limit, int, float], Mapping[str, str]] = no_headers
    is_page: Callable[[Request], bool] = lambda request: request.method == "GET"
    records_of: Callable[[Any], list[Any] | None] = lambda body: None
    listing: Callable[[Request], str] = lambda request: request.url.path
    statuses: Mapping[int, int] = field(default_factory=dict)
