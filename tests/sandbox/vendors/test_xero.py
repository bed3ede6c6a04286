"""Xero as the sandbox serves it: asked as a client asks, and held against Xero's own description."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.serve import Running, Sandbox, serving
from sandbox.store import Store
from sandbox.vendors.xero import (
    CLIENT_ID,
    CLIENT_SECRET,
    CUSTOM_CLIENT_ID,
    GRACE,
    LIMITED_REFRESH_TOKEN,
    REFRESH_TOKEN,
    TENANT,
)
from tests.connectors.specs import Exemption, Spec

BASE = "/api.xro/2.0"
LISTS = {"Contacts": "ContactID", "Invoices": "InvoiceID", "Payments": "PaymentID"}
EXEMPTIONS = [
    Exemption(
        name="the envelope",
        reason="the description's own examples show these four beside every list",
        sentence="body: the whole: .*'(Id|Status|ProviderName|DateTimeUTC)'",
    ),
]


@pytest.fixture(scope="module")
def served(company: Path) -> Iterator[Running]:
    with serving(Sandbox(company, record=True, ease=1000)) as run:
        yield run


@pytest.fixture
def living(company: Path, tmp_path: Path) -> Iterator[Running]:
    """A copy that tests may change."""
    shutil.copytree(company, tmp_path / "company")
    with serving(Sandbox(tmp_path / "company", ease=1000, slow_seconds=0.2)) as run:
        yield run


def store(run: Running) -> Store:
    return run.sandbox.stores["xero"]


def token(
    run: Running, refresh: str = REFRESH_TOKEN, app: tuple[str, str] = (CLIENT_ID, CLIENT_SECRET)
) -> httpx.Response:
    form = {"grant_type": "refresh_token", "refresh_token": refresh}
    return httpx.post(f"{run.url}/xero/connect/token", data=form, auth=app)


def client(run: Running, **headers: str) -> httpx.Client:
    access = run.sandbox.stores["xero"].note("ended", 0)
    given = {
        "Authorization": f"Bearer demo-xero-token-full-{access}",
        "Accept": "application/json",
        "xero-tenant-id": TENANT,
        **headers,
    }
    return httpx.Client(base_url=f"{run.url}/xero", headers={k: v for k, v in given.items() if v})


def get(run: Running, path: str, headers: dict[str, str] | None = None, **query: Any) -> httpx.Response:
    with client(run, **(headers or {})) as xero:
        return xero.get(path if path.startswith("/") else f"{BASE}/{path}", params=query)


def listed(run: Running, name: str, headers: dict[str, str] | None = None, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    page = 1
    while True:
        said = get(run, name, headers, page=page, pageSize=20, **query).raise_for_status().json()
        found += said[name]
        if page >= said["pagination"]["pageCount"]:
            return found
        page += 1


@pytest.mark.parametrize("name", LISTS)
def test_paging_gives_every_record_once(served: Running, name: str) -> None:
    found = [record[LISTS[name]] for record in listed(served, name, order=f"{LISTS[name]} ASC")]
    assert found == sorted(record.id for record in store(served).page(name, limit=10**6))
    assert len(found) > 10
    first = get(served, name, page=1).json()["pagination"]
    assert first == {"page": 1, "pageSize": 100, "pageCount": -(-len(found) // 100), "itemCount": len(found)}
    assert get(served, name, page=999).json()[name] == []


def test_answers_are_as_described(served: Running, real_data: Path) -> None:
    folder = real_data / "openapi" / "xero"
    spec = Spec.load(
        "xero",
        paths=[folder / "xero_accounting.yaml", folder / "xero-identity.yaml"],
        base="/xero",
        exemptions=EXEMPTIONS,
        closed=True,
    )
    before = len(served.sandbox.exchanges)
    for name in LISTS:
        record = listed(served, name)[0]
        get(served, f"{name}/{record[LISTS[name]]}").raise_for_status()
    get(served, "Invoices", {"If-Modified-Since": "2026-10-01T00:00:00Z"}, Statuses="PAID,VOIDED", page=1)
    get(served, "Contacts", includeArchived="true", summaryOnly="true", page=1)
    for path in ("Accounts", "Organisation", "/Connections"):
        get(served, path).raise_for_status()
    report = spec.check(served.sandbox.exchanges[before:])
    assert report.failures == [], report.text()
    assert report.table()[0][1] == 9


def test_times_are_microsofts(served: Running) -> None:
    record = store(served).page("Invoices", limit=1)[0]
    shown = get(served, f"Invoices/{record.id}").json()["Invoices"][0]
    assert shown["UpdatedDateUTC"] == f"/Date({record.updated}+0000)/"
    assert re.fullmatch(r"/Date\(\d+000\+0000\)/", shown["Date"])
    day = int(re.sub(r"\D", "", shown["Date"].partition("+")[0]))
    assert day % 86_400_000 == 0


def test_lines_come_with_pages_only(served: Running) -> None:
    assert "LineItems" not in get(served, "Invoices").json()["Invoices"][0]
    assert get(served, "Invoices", page=1).json()["Invoices"][0]["LineItems"]


def test_what_changed_since_and_filters(served: Running) -> None:
    every = store(served).page("Invoices", limit=10**6, order="updated")
    middle = every[len(every) // 2].updated // 1000 * 1000
    since = datetime.fromtimestamp(middle / 1000, UTC).isoformat()
    later = listed(served, "Invoices", {"If-Modified-Since": since})
    assert [r["InvoiceID"] for r in later] == [r.id for r in every if r.updated >= middle]
    paid = listed(served, "Invoices", Statuses="PAID")
    assert {r["Status"] for r in paid} == {"PAID"}
    others = listed(served, "Invoices", where='Status!="PAID"')
    assert len(paid) + len(others) == len(every)
    both = f"{every[0].id},{every[3].id}"
    assert {r["InvoiceID"] for r in listed(served, "Invoices", IDs=both)} == {every[0].id, every[3].id}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"page": 0}, "page must be"),
        ({"page": 1, "pageSize": 1001}, "pageSize must be"),
        ({"page": "x"}, "page must be"),
        ({"limit": 5}, "limit is not a parameter"),
        ({"order": "Colour ASC"}, "Could not parse the order"),
        ({"where": "Total > 5 OR 1"}, "Could not parse the filter"),
    ],
)
def test_wrong_requests_are_refused(served: Running, query: dict[str, Any], message: str) -> None:
    answer = get(served, "Invoices", **query)
    assert answer.status_code == 400
    assert answer.json()["Type"] == "QueryParseException"
    assert message in answer.json()["Message"]


def test_who_does_not_ask_for_json_gets_xml(served: Running) -> None:
    answer = get(served, "Invoices", {"Accept": "*/*"}, page=1)
    assert answer.headers["content-type"].startswith("text/xml")


def test_access_is_checked(served: Running) -> None:
    for headers, status, detail in (
        ({"Authorization": "Bearer wrong"}, 401, "TokenExpired: token expired"),
        ({"xero-tenant-id": "other"}, 403, "AuthenticationUnsuccessful"),
        ({"xero-tenant-id": ""}, 403, "AuthenticationUnsuccessful"),
    ):
        answer = get(served, "Invoices", headers, page=1)
        assert (answer.status_code, answer.json()["Detail"]) == (status, detail)
    limited = token(served, LIMITED_REFRESH_TOKEN).json()
    assert "accounting.payments.read" not in limited["scope"]
    answer = get(served, "Payments", {"Authorization": f"Bearer {limited['access_token']}"}, page=1)
    assert (answer.status_code, answer.json()["Detail"]) == (401, "AuthorizationUnsuccessful")


def test_refresh_tokens_rotate_with_a_time_of_grace(living: Running) -> None:
    lost = token(living).json()
    assert lost["expires_in"] == 1800
    assert lost["refresh_token"] != REFRESH_TOKEN
    # Whoever did not get the answer may ask once more for half an hour.
    first = token(living).json()["refresh_token"]
    second = token(living, first).json()["refresh_token"]
    assert token(living, second).status_code == 200
    newest = f"{REFRESH_TOKEN}-{store(living).note('issued')[REFRESH_TOKEN]}"
    store(living).write_note("used", {k: v - GRACE - 1 for k, v in store(living).note("used").items()})
    for old in (REFRESH_TOKEN, first, second, "made-up"):
        refused = token(living, old)
        assert (refused.status_code, refused.json()) == (400, {"error": "invalid_grant"})
    assert token(living, newest).status_code == 200
    assert token(living, app=(CLIENT_ID, "wrong")).json() == {"error": "invalid_client"}


def test_a_custom_connection_needs_no_tenant(served: Running) -> None:
    form = {"grant_type": "client_credentials", "scope": "accounting.invoices.read"}
    answer = httpx.post(f"{served.url}/xero/connect/token", data=form, auth=(CUSTOM_CLIENT_ID, CLIENT_SECRET)).json()
    assert "refresh_token" not in answer
    headers = {"Authorization": f"Bearer {answer['access_token']}", "xero-tenant-id": ""}
    assert get(served, "Invoices", headers, page=1).status_code == 200
    wrong = httpx.post(f"{served.url}/xero/connect/token", data=form, auth=(CLIENT_ID, CLIENT_SECRET))
    assert wrong.json() == {"error": "unsupported_grant_type"}


def test_an_access_token_that_ended_early(living: Running) -> None:
    access = {"Authorization": f"Bearer {token(living).json()['access_token']}"}
    living.plan("xero", "expired_token", after=0)
    assert get(living, "Contacts", access, page=1).status_code == 401
    assert get(living, "Contacts", access, page=1).status_code == 401
    access = {"Authorization": f"Bearer {token(living).json()['access_token']}"}
    assert get(living, "Contacts", access, page=1).status_code == 200


def test_limits_are_told_and_kept(company: Path) -> None:
    with serving(Sandbox(company, ease=0.05)) as run:
        answers = [get(run, "Accounts") for _ in range(4)]
    assert [a.status_code for a in answers] == [200, 200, 200, 429]
    assert [a.headers["X-MinLimit-Remaining"] for a in answers] == ["2", "1", "0", "0"]
    assert answers[-1].headers["X-Rate-Limit-Problem"] == "minute"
    assert float(answers[-1].headers["Retry-After"]) > 0


def test_a_night_changes_just_what_it_says(living: Running) -> None:
    names = [*LISTS, "Accounts"]
    for _ in range(3):
        before = {name: {r.id: r for r in store(living).page(name, limit=10**6)} for name in names}
        changes = living.sandbox.night()["xero"]
        for name in names:
            after = {r.id: r for r in store(living).page(name, limit=10**6)}
            change = changes[name]
            assert set(after) - set(before[name]) == set(change.added)
            edited = {i for i, r in after.items() if i in before[name] and r != before[name][i]}
            gone = set(before[name]) - set(after)
            said = {i for i in after if after[i].body.get("Status") == "DELETED" and i in edited}
            assert said | gone == set(change.deleted)
            assert edited - said == set(change.changed)
            assert all(after[i].updated > max(r.updated for r in before[name].values()) for i in change.added)
        assert changes["Invoices"].deleted
        assert changes["Payments"].deleted
    assert {"VOIDED", "DELETED", "PAID"} <= {r["Status"] for r in listed(living, "Invoices")}
    assert any("CISRate" in r for r in listed(living, "Invoices"))


def test_archived_contacts_come_on_request(living: Running) -> None:
    everybody = store(living).count("Contacts")
    record = store(living).page("Contacts", limit=1)[0]
    store(living).put("Contacts", [replace(record, body={**record.body, "ContactStatus": "ARCHIVED"})])
    assert len(listed(living, "Contacts")) == everybody - 1
    assert len(listed(living, "Contacts", includeArchived="true")) == everybody


def test_a_moving_page_loses_records_by_time_and_none_by_id(living: Running) -> None:
    wanted = store(living).count("Invoices")
    living.plan("xero", "moving_page", after=1, times=100)
    by_time = {r["InvoiceID"] for r in listed(living, "Invoices", order="UpdatedDateUTC ASC")}
    by_id = {r["InvoiceID"] for r in listed(living, "Invoices", order="InvoiceID ASC")}
    assert len(by_time) < wanted == len(by_id)
