"""Serves the demo company over HTTP on loopback, a path per vendor, with rate limits, faults and a clock that moves.

What every vendor's server has in common; what a vendor says belongs in `vendors/`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Router
from starlette.types import Message, Receive, Scope, Send

from sandbox.days import END
from sandbox.faults import ON_THE_WIRE, FaultKind, Faults
from sandbox.store import Store
from sandbox.vendor import Changed, Desk, Limit, Night, Vendor
from sandbox.vendors import all_vendors

#: The moment at which the exports of the demo company end: midnight in Berlin after its last day.
FIRST_MOMENT = int(datetime(END.year, END.month, END.day, 23, tzinfo=UTC).timestamp() * 1000)
DAY = 86_400_000
#: Where the demo company is served unless something else is there.
PORT = 8642
#: The demo is no test of patience: vendors' limits are eased by this factor unless a test says otherwise.
EASE = 20.0
_HOURS_OFF = 7


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request and its answer, as they went over the wire."""

    vendor: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    status: int
    answer_headers: Mapping[str, str]
    answer: bytes


@dataclass
class Counter:
    """Requests of the last seconds, for a rate limit."""

    limit: Limit
    times: deque[float] = field(default_factory=deque)

    def take(self) -> tuple[bool, int, float]:
        """Counts a request; gives whether it is let through, how many are left, and seconds until one more is."""
        now = time.monotonic()
        while self.times and now - self.times[0] >= self.limit.seconds:
            self.times.popleft()
        allowed = len(self.times) < self.limit.requests
        if allowed:
            self.times.append(now)
        reset = self.limit.seconds - (now - self.times[0]) if self.times else 0.0
        return allowed, self.limit.requests - len(self.times), max(reset, 0.0)


class Sandbox:
    """The company's servers: an ASGI application, and what tests and the command line do to it.

    Attributes:
        faults: what is planned to go wrong, by vendor.
        exchanges: what went over the wire, if `record` is set.
        slow_seconds: how long a slow answer takes.
    """

    def __init__(
        self,
        folder: Path,
        *,
        vendors: Mapping[str, Vendor] | None = None,
        ease: float = EASE,
        record: bool = False,
        slow_seconds: float = 3.0,
    ) -> None:
        self.folder = folder
        self.vendors = all_vendors() if vendors is None else dict(vendors)
        self.stores = {name: Store(store_path(folder, name)) for name in self.vendors}
        self.faults: dict[str, Faults] = defaultdict(Faults)
        self.record, self.slow_seconds = record, slow_seconds
        self.exchanges: list[Exchange] = []
        self._started = time.monotonic()
        self._counters = {
            name: Counter(Limit(requests=max(1, round(v.limit.requests * ease)), seconds=v.limit.seconds))
            for name, v in self.vendors.items()
        }
        self._desks = {
            name: Desk(store=self.stores[name], faults=self.faults[name], now=self.now, ease=ease)
            for name in self.vendors
        }
        self._last_page: dict[str, bytes] = {}
        self._routers = {
            name: Router([Mount(f"/{name}", routes=list(vendor.routes(self._desks[name])))])
            for name, vendor in self.vendors.items()
        }

    def now(self) -> int:
        """The company's time, in milliseconds since 1970: it begins where the exports end."""
        night = max((store.note("night", 0) for store in self.stores.values()), default=0)
        return FIRST_MOMENT + int(night) * DAY + int((time.monotonic() - self._started) * 1000)

    def wait(self, seconds: float) -> None:
        """Lets time pass at once."""
        self._started -= seconds

    def night(self) -> dict[str, dict[str, Changed]]:
        """Lets a day pass at every vendor; gives what changed."""
        # No server gives a page of yesterday's again.
        self._last_page.clear()
        return next_night(self.folder, self.vendors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        request = Request(scope, receive)
        body = await request.body()
        name = request.url.path.strip("/").partition("/")[0]
        vendor = self.vendors.get(name)
        if vendor is None:
            response = Response(f"No vendor {name}.", 404)
        else:
            response = await self._answer(vendor, request)
        await self._send(vendor, request, body, response, send)

    async def _answer(self, vendor: Vendor, request: Request) -> Response:
        faults, limits = self.faults[vendor.name], self._counters[vendor.name]
        allowed, remaining, reset = limits.take()
        headers = vendor.limit_headers(vendor.limit, remaining, reset)
        is_page = vendor.is_page(request)
        if not allowed or (is_page and faults.strikes("too_many_requests")):
            return _error(vendor, 429, {**headers, "Retry-After": f"{max(reset, 0.05) if not allowed else 0.05:.2f}"})
        if is_page and faults.strikes("server_error"):
            return _error(vendor, 503 if len(faults.struck) % 2 else 500, headers)
        if not vendor.authorised(request, self._desks[vendor.name]):
            return _error(vendor, 401, headers)
        if is_page and faults.strikes("slow"):
            await asyncio.sleep(self.slow_seconds)
        response = await _routed(self._routers[vendor.name], request)
        if is_page and response.status_code == 200:
            response = self._spoilt(vendor, vendor.listing(request), response)
        response.headers.update(headers)
        return response

    def _spoilt(self, vendor: Vendor, listing: str, response: Response) -> Response:
        """The answer after the faults that concern its content."""
        faults, body = self.faults[vendor.name], bytes(response.body)
        before = self._last_page.get(listing, body)
        self._last_page[listing] = body
        if faults.strikes("duplicated_page"):
            body = before
        elif faults.strikes("truncated_json"):
            body = body[: len(body) * 2 // 3]
        elif faults.strikes("malformed_json"):
            body = b"<html><body>Bad gateway</body></html>" if len(faults.struck) % 2 else body.replace(b":", b"=", 3)
        elif faults.strikes("reordered_page"):
            body = _reordered(vendor, body)
        else:
            return response
        response.body = body
        response.headers["content-length"] = str(len(body))
        return response

    async def _send(self, vendor: Vendor | None, request: Request, sent: bytes, response: Response, send: Send) -> None:
        name = vendor.name if vendor else ""
        faults = self.faults[name]
        skew = _HOURS_OFF * 3600 if vendor and faults.strikes("clock_skew") else 0
        stamp = datetime.fromtimestamp(self.now() / 1000 + skew, UTC)
        response.headers["date"] = format_datetime(stamp, usegmt=True)
        body = bytes(response.body)
        cut = vendor is not None and vendor.is_page(request) and faults.strikes("cut")
        if self.record:
            self.exchanges.append(
                Exchange(
                    vendor=name,
                    method=request.method,
                    path=request.url.path,
                    query=request.url.query,
                    headers=dict(request.headers),
                    body=sent,
                    status=response.status_code,
                    answer_headers=dict(response.headers),
                    answer=body,
                )
            )
        await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
        if cut:
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            raise ConnectionAbortedError
        await send({"type": "http.response.body", "body": body})


def store_path(folder: Path, vendor: str) -> Path:
    """Where a vendor's records lie in a company folder."""
    return folder / "served" / f"{vendor}.sqlite"


def next_night(folder: Path, vendors: Mapping[str, Vendor] | None = None) -> dict[str, dict[str, Changed]]:
    """Lets a day pass at every vendor of a company; a server that is running tells the new state from then on."""
    changes = {}
    for name, vendor in (all_vendors() if vendors is None else vendors).items():
        if not store_path(folder, name).exists():
            continue
        store = Store(store_path(folder, name))
        number = int(store.note("night", 0)) + 1
        at = FIRST_MOMENT + number * DAY - DAY // 2
        # The same night of the same company always brings the same.
        changes[name] = vendor.night(store, Night(number=number, at=at, random=random.Random(f"{name} {number}")))  # noqa: S311
        store.write_note("night", number)
        store.close()
    return changes


@dataclass
class Running:
    """A sandbox that is being served."""

    sandbox: Sandbox
    port: int

    @property
    def url(self) -> str:
        """The address below which each vendor has its path."""
        return f"http://127.0.0.1:{self.port}"

    def plan(self, vendor: str, kind: FaultKind, *, after: int = 1, times: int = 1) -> None:
        """Plans a fault."""
        self.sandbox.faults[vendor].plan(kind, after=after, times=times)


@contextlib.contextmanager
def serving(sandbox: Sandbox, *, port: int = 0, any_port: bool = False) -> Iterator[Running]:
    """Serves from a thread while the block runs.

    Args:
        port: 0 takes any that is free.
        any_port: take another one where this one is in use.

    Raises:
        OSError: the port is in use.
    """
    import socket

    import uvicorn

    config = uvicorn.Config(
        sandbox, log_level="critical", access_log=False, date_header=False, server_header=False, lifespan="off"
    )
    server = uvicorn.Server(config)
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(("127.0.0.1", port))
        except OSError:
            if not any_port:
                raise
            bound.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("The sandbox's server did not start.")
            time.sleep(0.01)
        try:
            yield Running(sandbox, bound.getsockname()[1])
        finally:
            server.should_exit = server.force_exit = True
            thread.join(10)
            for store in sandbox.stores.values():
                store.close()


def _error(vendor: Vendor, status: int, headers: Mapping[str, str]) -> Response:
    body, own = vendor.error(status)
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    given = vendor.statuses.get(status, status)
    return Response(content, given, {**headers, **own}, media_type="application/json")


async def _routed(router: Router, request: Request) -> Response:
    """The vendor's own answer, whole."""
    messages: list[Message] = []

    async def collect(message: Message) -> None:
        messages.append(message)

    async def replay() -> Message:
        return {"type": "http.request", "body": await request.body(), "more_body": False}

    await router(request.scope, replay, collect)
    start = messages[0]
    body = b"".join(m.get("body", b"") for m in messages[1:])
    response = Response(body, start["status"])
    response.raw_headers = [pair for pair in start["headers"] if pair[0] != b"content-length"]
    response.headers["content-length"] = str(len(body))
    return response


def _reordered(vendor: Vendor, body: bytes) -> bytes:
    try:
        document = json.loads(body)
    except ValueError:
        return body
    records = vendor.records_of(document)
    if records:
        records.reverse()
    # As compact as the answers themselves, so that only the order is another.
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


__all__ = ["ON_THE_WIRE", "Exchange", "Running", "Sandbox", "next_night", "serving", "store_path"]
