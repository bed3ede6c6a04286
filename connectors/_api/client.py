"""Asks a web interface and does not give up easily: paced, retried, re-authorised; ends in an answer or one sentence.

Retries what can heal: 429, 5xx, time-outs, cut connections, bodies that end early or are no JSON. A refusal that cannot
heal is told at once. How pages hang together is the business of the resources.
"""

from __future__ import annotations

import codecs
import contextlib
import email.utils
import logging
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from connectors._api.auth import Auth
from connectors._api.pace import Hint, Pace, TooLongError
from connectors.base import ConnectorError

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

T = TypeVar("T")

_HEALING = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
_LONGEST_PAUSE = 60.0
_SHOWN = 300
#: A clock that is further off is no clock, and leads out of the calendar.
_MOST_SKEW = timedelta(days=36_500)
#: Escapes in JSON: a whole pair of surrogates, half of one, any other.
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)


#: What a vendor's own code raises where an answer is not as the vendor documents it.
NOT_AS_DOCUMENTED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class ApiError(ConnectorError):
    """The interface refused a request for good; `status` is the HTTP status, 0 where there was no answer."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status


class CircleError(ApiError):
    """Pages that lead back to those before them."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back: the body as sent, headers by lower-case name, and what the body was decoded to."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    result: Any = None


@dataclass(frozen=True, kw_only=True)
class Again:
    """A vendor's judgement that a request was refused for now. `seconds` is the wait that it asks for, if it says."""

    why: str
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Manners:
    """How one vendor behaves; the defaults are plain HTTP.

    Attributes:
        hint: what an answer's headers say about the budget.
        judge: looks at an answer before its status counts: `Again` to wait and repeat, a sentence to fail with, None
            to go by the status. For vendors that hide refusals in a 200, or throttling in a 400 or 403.
        explain: a sentence that names the wrong key or the missing scope, for an answer that failed; None for none.
    """

    hint: Callable[[Answer], Hint | None] = lambda answer: None
    judge: Callable[[Answer], Again | str | None] = lambda answer: None
    explain: Callable[[Answer, str], str | None] = lambda answer, path: None


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait and how often to try. `seconds` bounds all waiting for one request."""

    timeout_seconds: float = 60.0
    attempts: int = 8
    first_pause_seconds: float = 0.5
    seconds: float = 900.0


@dataclass
class Client:
    """One account of one vendor, to be shared between threads.

    Attributes:
        title: the vendor's name, for sentences.
        headers: sent with every request.
        narrow: further budgets, for requests whose path contains the key: vendors limit some endpoints more.
        skew: how far the vendor's clock is ahead of ours, by its last answer.
        mended: answers in which halves of characters had to be replaced.
    """

    source: str
    title: str
    base_url: str
    auth: Auth = field(repr=False)
    pace: Pace
    manners: Manners = field(default_factory=Manners)
    patience: Patience = field(default_factory=Patience)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    narrow: Mapping[str, Pace] = field(default_factory=dict)
    skew: timedelta = timedelta(0)
    requests: int = 0
    mended: int = 0
    _http: httpx.Client | None = field(default=None, repr=False)

    def get(self, path: str, params: Mapping[str, Any] | None = None, **how: Any) -> Any:
        """Gets a path below the base URL, or a whole URL of the same host; see `ask`."""
        return self.ask("GET", path, params=params, **how)

    def post(self, path: str, json: Any = None, **how: Any) -> Any:
        """Posts JSON; see `ask`."""
        return self.ask("POST", path, json=json, **how)

    def ask(self, method: str, path: str, **how: Any) -> Any:
        """Sends one request until it is answered, and gives the decoded body; see `answer`."""
        return self.answer(method, path, **how).result

    def answer(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        decode: Callable[[bytes], Any] | None = None,
        missing_ok: bool = False,
    ) -> Answer:
        """Sends one request until it is answered.

        Args:
            decode: makes the result of the body; raises ValueError where the body is no sound answer, which is tried
                again. Default: JSON.
            missing_ok: whether a 404 gives the result None.

        Raises:
            ApiError: the vendor refused for good, or nothing helped.
        """
        began, attempt, renewals = time.monotonic(), 0, 0
        while True:
            attempt += 1
            trouble: Again
            signed = dict(self.auth.headers())
            outcome = self._send(method, path, params, json, form, {**signed, **(headers or {})})
            if isinstance(outcome, Again):
                trouble = outcome
            elif outcome.status == 404 and missing_ok:
                return outcome
            elif outcome.status == 401 and renewals < 2 and self.auth.renew(signed):
                renewals += 1
                continue
            else:
                read = self._read(outcome, path, decode)
                if isinstance(read, Answer):
                    return read
                trouble = read
            pause = self._pause(attempt, trouble)
            waited = time.monotonic() - began
            if attempt >= self.patience.attempts or waited + pause > self.patience.seconds:
                raise ApiError(
                    f"{self._place(path)}: {trouble.why}, {attempt} times within {waited:.0f} s. Nothing of this load "
                    "was taken over; the next one goes on from the last page read."
                )
            log.info("%s: %s; trying again in %.1f s.", self._place(path), trouble.why, pause)
            time.sleep(pause)

    def download(self, url: str, into: Path) -> Path:
        """Fetches a prepared result into a file, from any host and without the key, since such URLs are signed.

        Raises:
            ApiError: nothing helped.
        """
        import httpx

        for attempt in range(1, self.patience.attempts + 1):
            try:
                with httpx.stream("GET", url, timeout=self.patience.timeout_seconds) as response:
                    response.raise_for_status()
                    with into.open("wb") as file:
                        for chunk in response.iter_bytes():
                            file.write(chunk)
                return into
            except httpx.HTTPError as error:
                why = type(error).__name__
                log.info("%s: download failed (%s).", self.title, why)
                time.sleep(self._pause(attempt, Again(why=why)))
        raise ApiError(f"{self.title} (source '{self.source}'): a prepared result could not be fetched ({why}).")

    def now(self) -> datetime:
        """The time by the vendor's clock, as its last answer told it."""
        return datetime.now(UTC) + self.skew

    def close(self) -> None:
        """Closes the connections."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        json: Any,
        form: Mapping[str, str] | None,
        headers: Mapping[str, str],
    ) -> Answer | Again:
        import httpx

        url = self._url(path)
        content, kind = _body(json)
        try:
            with contextlib.ExitStack() as turns:
                for pace in self._paces(path):
                    turns.enter_context(pace.turn(self.patience.seconds))
                self.requests += 1
                response = self._connection().request(
                    method,
                    url,
                    params=params,
                    content=content,
                    data=form,
                    headers={**self.headers, **kind, **headers},
                )
        except TooLongError as error:
            raise ApiError(
                f"{self._place(path)}: the vendor wants no request for another {error.seconds:.0f} s, more than "
                "patience_seconds. The next load goes on from the last page read."
            ) from None
        except httpx.TimeoutException:
            return Again(why=f"no answer within {self.patience.timeout_seconds:g} s")
        except httpx.TransportError as error:
            return Again(why=f"the connection failed ({error or type(error).__name__})")
        except httpx.DecodingError:
            return Again(why="the body was not compressed as its header says")
        except httpx.InvalidURL as error:
            raise ApiError(f"{self._place(path)}: the vendor pointed to an address that is none ({error}).") from error
        body = response.content.removeprefix(codecs.BOM_UTF8)
        answer = Answer(status=response.status_code, headers=response.headers, body=body)
        self._look_at_clock(answer)
        return answer

    def _read(self, answer: Answer, path: str, decode: Callable[[bytes], Any] | None) -> Answer | Again:
        """The answer, decoded, or that it is worth another try."""
        verdict = _if_documented(self.manners.judge, answer)
        if isinstance(verdict, str):
            raise ApiError(f"{self._place(path)}: {verdict}", answer.status)
        if isinstance(verdict, Again):
            self._throttled(path, verdict.seconds)
            return verdict
        if answer.status == 429:
            seconds = retry_after(answer)
            self._throttled(path, seconds)
            return Again(why="too many requests (429)", seconds=seconds)
        if answer.status in _HEALING:
            return Again(why=f"a fault at the vendor's ({answer.status})", seconds=retry_after(answer))
        if answer.status >= 300:
            raise ApiError(self._refusal(answer, path), answer.status)
        hint = _if_documented(self.manners.hint, answer)
        if hint is not None:
            self.pace.learn(hint)
        try:
            sound, result = _read_body(answer, decode or _decoded)
        except ValueError as error:
            return Again(why=f"a body that cannot be read ({error})")
        except RecursionError:
            return Again(why="a body that cannot be read (it is nested too deeply)")
        self.mended += sound.body != answer.body
        for pace in self._paces(path):
            pace.went_well()
        return replace(sound, result=result)

    def _paces(self, path: str) -> list[Pace]:
        return [*(pace for part, pace in self.narrow.items() if part in path), self.pace]

    def _throttled(self, path: str, seconds: float | None) -> None:
        for pace in self._paces(path):
            pace.throttled(self.patience.first_pause_seconds if seconds is None else seconds)

    def _refusal(self, answer: Answer, path: str) -> str:
        explained = _if_documented(self.manners.explain, answer, path)
        if explained:
            return f"{self._place(path)}: {explained}"
        said = " ".join(answer.body[:_SHOWN].decode(errors="replace").split())
        if answer.status == 401:
            return f"{self._place(path)}: the key was refused (401). Check the source's key in .env. It said: {said}"
        if answer.status == 403:
            return f"{self._place(path)}: the key may not read this (403); give it the scope. It said: {said}"
        return f"{self._place(path)}: refused with status {answer.status}. It said: {said}"

    def _pause(self, attempt: int, trouble: Again) -> float:
        """Seconds before the next try: what the vendor asks for, else ever longer, with jitter."""
        longest = min(_LONGEST_PAUSE, self.patience.first_pause_seconds * 2.0 ** (attempt - 1))
        own = longest * random.uniform(0.5, 1.0)  # noqa: S311
        if trouble.seconds is None:
            return own
        # A vendor that asks for no pause at all is tried no more often than one that says nothing.
        return max(own, trouble.seconds * random.uniform(1.0, 1.1))  # noqa: S311

    def _look_at_clock(self, answer: Answer) -> None:
        moment = _date(answer.headers.get("date"))
        skew = moment - datetime.now(UTC) if moment is not None else None
        if skew is not None and abs(skew) < _MOST_SKEW:
            self.skew = skew

    def _connection(self) -> httpx.Client:
        if self._http is None:
            import httpx

            # It logs whole addresses, and some carry keys.
            logging.getLogger("httpx").setLevel(logging.WARNING)
            self._http = httpx.Client(timeout=self.patience.timeout_seconds)
        return self._http

    def _url(self, path: str) -> str:
        """A whole URL; the key goes to no other host than the configured one."""
        if not path.startswith(("http://", "https://")):
            return f"{self.base_url.rstrip('/')}/{path.lstrip('/')}"
        if _origin(path) != _origin(self.base_url):
            raise ApiError(f"{self.title} of source '{self.source}' pointed to another host ({_origin(path)}).")
        return path

    def _place(self, path: str) -> str:
        return f"{self.title} (source '{self.source}'), {path.partition('?')[0]}"


def _if_documented(look: Callable[..., T | None], *at: Any) -> T | None:
    """What a vendor's code makes of an answer; nothing where it is not as documented, so that the status decides."""
    with contextlib.suppress(*NOT_AS_DOCUMENTED):
        return look(*at)
    return None


def retry_after(answer: Answer) -> float | None:
    """Seconds that a Retry-After header asks for, given as seconds or as a date."""
    value = answer.headers.get("retry-after")
    if not value:
        return None
    with contextlib.suppress(ValueError):
        seconds = float(value)
        return max(0.0, seconds) if isfinite(seconds) else None
    moment = _date(value)
    if moment is None:
        return None
    # Reckoned by the vendor's clock, which may differ from ours by more than the pause.
    return max(0.0, (moment - (_date(answer.headers.get("date")) or datetime.now(UTC))).total_seconds())


def _date(text: str | None) -> datetime | None:
    """A date as HTTP writes it, which is UTC also where it does not say so; None for what is none."""
    if not text:
        return None
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _body(json: Any) -> tuple[bytes | None, Mapping[str, str]]:
    if json is None:
        return None, {}
    import orjson

    return orjson.dumps(json), {"Content-Type": "application/json"}


def _read_body(answer: Answer, decode: Callable[[bytes], Any]) -> tuple[Answer, Any]:
    """Decodes a body; one that is JSON but for halves of characters or bytes of another encoding is mended first.

    Vendors cut texts in the middle of an emoji, and then send half of it for ever.
    """
    try:
        answer.body.decode()
        return answer, decode(answer.body)
    except ValueError:
        mended = _mended(answer.body)
        if mended == answer.body:
            raise
        return replace(answer, body=mended), decode(mended)


def _mended(body: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found["half"] else found[0], body.decode(errors="replace").encode())


def _decoded(body: bytes) -> Any:
    import orjson

    return orjson.loads(body) if body else None


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])
