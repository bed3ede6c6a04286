"""Google Sheets and Drive as the sandbox serves them, asked as a client asks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.serve import Running, Sandbox, serving
from sandbox.vendors import _google
from sandbox.vendors.google_sheets import REFRESH_TOKEN, SPREADSHEET_ID

GRANT = {
    "grant_type": "refresh_token",
    "client_id": _google.CLIENT_ID,
    "client_secret": _google.CLIENT_SECRET,
    "refresh_token": REFRESH_TOKEN,
}
RAW = {"valueRenderOption": "UNFORMATTED_VALUE"}


@pytest.fixture
def run(company: Path, tmp_path: Path) -> Iterator[Running]:
    target = tmp_path / "served" / "google_sheets.sqlite"
    target.parent.mkdir()
    shutil.copyfile(company / "served" / "google_sheets.sqlite", target)
    from sandbox.vendors.google_sheets import VENDOR

    with serving(Sandbox(tmp_path, vendors={"google_sheets": VENDOR}, ease=100)) as running:
        yield running


def ask(run: Running, path: str, **params: Any) -> httpx.Response:
    token = httpx.post(f"{run.url}/google_sheets/token", data=GRANT).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{run.url}/google_sheets{path}", params=params, headers=headers)


def values(run: Running, *ranges: str, **params: Any) -> httpx.Response:
    return ask(run, f"/v4/spreadsheets/{SPREADSHEET_ID}/values:batchGet", ranges=list(ranges), **params)


def message(answer: httpx.Response) -> str:
    assert answer.json()["error"]["code"] == answer.status_code
    return str(answer.json()["error"]["message"])


def test_the_spreadsheet_tells_its_sheets(run: Running) -> None:
    whole = ask(run, f"/v4/spreadsheets/{SPREADSHEET_ID}").json()
    assert [one["properties"]["title"] for one in whole["sheets"]] == ["Personal", "Werbebudget"]
    masked = ask(run, f"/v4/spreadsheets/{SPREADSHEET_ID}", fields="properties.title,sheets.properties.title").json()
    assert masked == {
        "properties": {"title": "Büro"},
        "sheets": [{"properties": {"title": "Personal"}}, {"properties": {"title": "Werbebudget"}}],
    }


def test_values_come_as_they_are_asked_for(run: Running) -> None:
    plain = values(run, "Personal!A1:F2", "'Werbebudget'!A1:C4").json()["valueRanges"]
    assert [one["range"] for one in plain] == ["Personal!A1:F2", "Werbebudget!A1:C4"]
    assert plain[0]["values"][1][0] == "0001"
    assert plain[0]["values"][1][5] in ("WAHR", "FALSCH")
    assert plain[1]["values"][:2] == [["Werbebudget 2025/26"], []]
    assert "," in plain[1]["values"][3][2]
    raw = values(run, "Personal!E2:F2", "Werbebudget!C4:C4", **RAW).json()["valueRanges"]
    assert [type(cell) for cell in raw[0]["values"][0]] == [int, bool]
    assert isinstance(raw[1]["values"][0][0], float)
    shown = values(run, "Personal!E2", **RAW, dateTimeRenderOption="FORMATTED_STRING").json()["valueRanges"][0]
    assert shown["values"][0][0].count(".") == 2


def test_empty_ends_are_left_out_and_columns_can_come_first(run: Running) -> None:
    found = values(run, "Personal!A1:Z60").json()["valueRanges"][0]["values"]
    assert (len(found), {len(row) for row in found}) == (45, {6})
    columns = values(run, "Personal!A1:C3", majorDimension="COLUMNS").json()["valueRanges"][0]["values"]
    assert [column[0] for column in columns] == ["Personalnr", "Name", "E-Mail"]
    assert "values" not in values(run, "Personal!H1:J5").json()["valueRanges"][0]


@pytest.mark.parametrize(
    ("asked", "status", "told"),
    [
        ({"ranges": "Urlaub!A1:B2"}, 400, "Unable to parse range: Urlaub!A1:B2"),
        ({"ranges": "Personal!A1:B2000"}, 400, "exceeds grid limits. Max rows: 65, max columns: 26"),
        ({"ranges": "Personal", "majorDimension": "DIAGONALS"}, 400, "Invalid value at 'majorDimension'"),
        ({"ranges": "Personal", "limit": "5"}, 400, 'Unknown name "limit": Cannot bind query parameter.'),
    ],
)
def test_what_google_refuses_is_refused(run: Running, asked: dict[str, str], status: int, told: str) -> None:
    answer = ask(run, f"/v4/spreadsheets/{SPREADSHEET_ID}/values:batchGet", **asked)
    assert answer.status_code == status
    assert told in message(answer)


def test_other_files_and_other_people_are_refused(run: Running) -> None:
    assert message(ask(run, "/v4/spreadsheets/another")) == "Requested entity was not found."
    assert message(ask(run, "/drive/v3/files/another")) == "File not found: another."
    assert httpx.get(f"{run.url}/google_sheets/v4/spreadsheets/{SPREADSHEET_ID}").status_code == 401
    wrong = httpx.post(f"{run.url}/google_sheets/token", data={**GRANT, "refresh_token": "x"})
    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_grant")
    grant = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c"}
    assert httpx.post(f"{run.url}/google_sheets/token", data=grant).json()["error"] == "invalid_grant"


def test_a_night_changes_what_it_says(run: Running) -> None:
    def rows() -> dict[str, list[Any]]:
        found = values(run, "Personal!A2:G65", **RAW).json()["valueRanges"][0]["values"]
        return {row[0]: row for row in found}

    before, modified = rows(), ask(run, f"/drive/v3/files/{SPREADSHEET_ID}", fields="modifiedTime").json()
    done = run.sandbox.night()["google_sheets"]["Personal"]
    after = rows()
    assert sorted(after.keys() - before.keys()) == sorted(done.added)
    assert sorted(before.keys() - after.keys()) == sorted(done.deleted)
    assert sorted(k for k in after.keys() & before.keys() if after[k] != before[k]) == sorted(done.changed)
    assert ask(run, f"/drive/v3/files/{SPREADSHEET_ID}", fields="modifiedTime").json() != modified
    run.sandbox.night()
    assert values(run, "Personal!A1:G1").json()["valueRanges"][0]["values"][0][-1] == "Telefon"


def test_rows_move_between_two_requests_when_planned(run: Running) -> None:
    run.plan("google_sheets", "moving_page", after=1, times=1)
    first = values(run, "Personal!A2:A11").json()["valueRanges"][0]["values"]
    second = values(run, "Personal!A12:A21").json()["valueRanges"][0]["values"]
    assert second[0] == first[-1]


def test_quota_is_per_minute(company: Path, tmp_path: Path) -> None:
    from sandbox.vendors.google_sheets import VENDOR

    target = tmp_path / "served" / "google_sheets.sqlite"
    target.parent.mkdir()
    shutil.copyfile(company / "served" / "google_sheets.sqlite", target)
    with serving(Sandbox(tmp_path, vendors={"google_sheets": VENDOR}, ease=1 / 15)) as running:
        answers = [httpx.get(f"{running.url}/google_sheets/drive/v3/files/x") for _ in range(6)]
    assert answers[-1].status_code == 429
    assert "Quota exceeded for quota metric 'Read requests'" in message(answers[-1])
