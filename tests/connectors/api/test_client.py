"""Asking until there is an answer: what heals is tried again, what cannot is told once, and keys go to nobody else."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest

from connectors._api.auth import OAuth2, Tokens, bearer
from connectors._api.body import records
from connectors._api.client import Again, Answer, ApiError, Client, Manners, Patience, _read_body, retry_after
from connectors._api.pace import Hint, Pace, Rate
from sandbox.serve import Running, Sandbox, serving
from tests.connectors.rest.shop import VENDOR, item


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    sandbox = Sandbox(tmp_path, vendors={"shop": VENDOR}, ease=100, record=True, slow_seconds=0.6)
    sandbox.stores["shop"].put("item", [item(n) for n in range(1, 11)])
    with serving(sandbox) as served:
        yield served


def client(running: Running, *, token: str = "good", manners: Manners | None = None, **patience: float) -> Client:
    return Client(
        source="shop",
        title="Shop",
        base_url=f"{running.url}/shop",
        auth=bearer(token),
        pace=Pace(Rate(requests=1_000)),
        manners=manners or Manners(),
        patience=Patience(**{"timeout_seconds": 0.3, "first_pause_seconds": 0.01, "attempts": 4, **patience}),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    "kind", ["too_many_requests", "server_error", "slow", "cut", "truncated_json", "malformed_json"]
)
def test_what_can_heal_is_tried_again(kind: str, running: Running) -> None:
    running.plan("shop", kind, after=0, times=2)  # type: ignore[arg-type]
    one = client(running)
    assert len(one.get("/items/list")) == 10
    assert one.requests == 3


def test_in_the_end_there_is_one_sentence(running: Running) -> None:
    running.plan("shop", "server_error", after=0, times=100)
    one = client(running)
    with pytest.raises(ApiError, match=r"Shop \(source 'shop'\), /items/list: a fault at the vendor's .* 4 times"):
        one.get("/items/list")
    assert one.requests == 4


def test_retry_after_is_waited_for(running: Running) -> None:
    running.plan("shop", "too_many_requests", after=0, times=3)
    began = time.monotonic()
    client(running).get("/items/list")
    # The sandbox asks for 0.05 s each time.
    assert time.monotonic() - began >= 0.15


def test_a_wait_beyond_all_patience_is_not_begun(running: Running) -> None:
    manners = Manners(judge=lambda answer: Again(why="the day's budget is used up", seconds=3_600))
    with pytest.raises(ApiError, match="the day's budget is used up, 1 times within 0 s"):
        client(running, manners=manners).get("/items/list")


@pytest.mark.parametrize(("path", "token", "status"), [("/items/list", "bad", 401), ("/nothing", "good", 404)])
def test_what_cannot_heal_is_not_tried_again(path: str, token: str, status: int, running: Running) -> None:
    one = client(running, token=token)
    with pytest.raises(ApiError) as caught:
        one.get(path)
    assert caught.value.status == status
    assert one.requests == 1
    assert token not in str(caught.value)


def test_a_missing_thing_may_be_no_error(running: Running) -> None:
    assert client(running).get("/nothing", missing_ok=True) is None


def test_the_key_goes_to_no_other_host(running: Running) -> None:
    one = client(running)
    with pytest.raises(ApiError, match="pointed to another host"):
        one.get("http://127.0.0.1:1/items")
    assert one.requests == 0


def test_an_access_token_that_is_refused_is_renewed_once(running: Running, tmp_path: Path) -> None:
    asked: list[str] = []

    def ask(form: object) -> dict[str, object]:
        asked.append(json.dumps(form))
        return {"access_token": "stale" if len(asked) == 1 else "good", "expires_in": 3600}

    one = client(running)
    one.auth = OAuth2(ask, form=lambda token: {"refresh_token": token}, tokens=Tokens(None, "first"))
    assert len(one.get("/items/list")) == 10
    assert len(asked) == 2


def test_a_person_s_new_token_wins_over_the_one_kept(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    old = Tokens(path, "first")
    old.keep("rotated")
    assert Tokens(path, "first").current() == "rotated"
    assert Tokens(path, "from a person").current() == "from a person"


def test_the_vendor_s_clock_is_known_from_its_answers(running: Running) -> None:
    one = client(running)
    one.get("/items/list")
    assert abs(one.now().timestamp() * 1000 - running.sandbox.now()) < 5_000


def test_a_sentence_of_the_vendor_s_own_ends_it(running: Running) -> None:
    manners = Manners(judge=lambda answer: "the plan has ended" if isinstance(answer, Answer) else None)
    with pytest.raises(ApiError, match="/items/list: the plan has ended"):
        client(running, manners=manners).get("/items/list")


@pytest.mark.parametrize(
    ("sent", "name"),
    [(rb"cut \ud83d", "cut \ufffd"), (b"caf\xe9", "caf\ufffd"), (rb"whole \ud83d\ude00", "whole \U0001f600")],
)
def test_half_a_character_does_not_stop_a_source(sent: bytes, name: str) -> None:
    answer = Answer(status=200, headers={}, body=b'{"name":"' + sent + b'","price":1.10}')
    sound, decoded = _read_body(answer, orjson.loads)
    assert decoded["name"] == name
    assert b"1.10" in sound.body


def test_a_long_pause_for_one_is_not_waited_for_by_another(running: Running) -> None:
    one = client(running, seconds=0.5)
    one.pace.throttled(30.0)
    began = time.monotonic()
    with pytest.raises(ApiError, match="more than patience_seconds"):
        one.get("/items/list")
    assert time.monotonic() - began < 5


def answer(**headers: str) -> Answer:
    return Answer(status=429, headers={name.replace("_", "-"): value for name, value in headers.items()}, body=b"")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1.5", 1.5),
        ("-5", 0.0),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", None),
        ("Mon, 01 Jan 2024 00:00:30 +9999999999", None),
        ("Mon, 01 Jan 2024 00:00:30 GMT", 30.0),
    ],
)
def test_a_retry_after_that_says_nothing_is_none(value: str, seconds: float | None) -> None:
    assert retry_after(answer(retry_after=value, date="Mon, 01 Jan 2024 00:00:00 GMT")) == seconds


def test_a_clock_out_of_the_calendar_is_no_clock(running: Running) -> None:
    one = client(running)
    one._look_at_clock(answer(date="Fri, 31 Dec 9999 23:59:59 GMT"))
    assert one.skew.days == 0


def test_a_byte_order_mark_before_the_body_is_nothing(running: Running) -> None:
    seen: list[bytes] = []
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=b"\xef\xbb\xbf[1]"))
    one = client(running)
    one._http = httpx.Client(transport=transport)
    assert one.get("/items", decode=lambda body: seen.append(body)) is None
    assert seen == [b"[1]"]


def test_a_body_nested_too_deeply_is_a_sentence(running: Running) -> None:
    one = client(running)
    one._http = httpx.Client(
        transport=httpx.MockTransport(lambda request: httpx.Response(200, content=b"[" * 5_000 + b"]" * 5_000))
    )
    with pytest.raises(ApiError, match="nested too deeply"):
        one.get("/items", decode=records)


def test_an_address_that_is_none_is_a_sentence(running: Running) -> None:
    with pytest.raises(ApiError, match="an address that is none"):
        client(running).get("/items\x00")


def test_what_vendor_code_stumbles_over_is_left_to_the_status(running: Running) -> None:
    manners = Manners(
        hint=lambda answer: Hint(remaining=float("soon"), reset_seconds=1),
        judge=lambda answer: Again(why=str({}["error"])),
        explain=lambda answer, path: answer.result["error"],
    )
    one = client(running, manners=manners)
    assert len(one.get("/items/list")) == 10
    with pytest.raises(ApiError, match="refused with status 404"):
        one.get("/nothing")


def test_an_access_token_of_unknown_life_is_used(tmp_path: Path) -> None:
    auth = OAuth2(lambda form: {"access_token": "a", "expires_in": "soon"}, form=lambda t: {}, tokens=Tokens(None, "x"))
    assert auth.headers() == {"Authorization": "Bearer a"}
