"""What is particular about Google Sheets: headers, keys, dates, edits while reading, Drive's word, service accounts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.base import ConnectorError
from connectors.google_sheets import CONNECTOR
from tests.connectors.served import Served, served


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def office(made: Path, tmp_path: Path) -> Iterator[Served]:
    with served("google_sheets", made=made, root=tmp_path, record=True) as one:
        yield one


def paths(one: Served) -> list[str]:
    """What was asked for since the last call, without the tokens."""
    asked = [e.path.rpartition("/")[2] for e in one.running.sandbox.exchanges if not e.path.endswith("/token")]
    one.running.sandbox.exchanges.clear()
    return asked


def test_rows_become_records_with_the_headers_as_fields(office: Served) -> None:
    office.load()
    (first,) = office.sql("SELECT payload FROM raw.staff WHERE id = '0001'")
    record = json.loads(first[0])
    assert list(record) == ["_key", "Personalnr", "Name", "E-Mail", "Abteilung", "Eintritt", "Aktiv"]
    assert record["Aktiv"] is True
    assert record["Eintritt"].count(".") == 2  # 31.10.2026, as the sheet shows it
    theirs = office.store.get("Werbebudget", "2025-01:Newsletter")
    assert theirs is not None
    assert office.sql("SELECT (payload->>'$.Budget')::DOUBLE FROM raw.budget WHERE id = '2025-01:Newsletter'") == [
        (theirs.body["cells"][2],)
    ]
    assert office.sql("SELECT payload->>'$.Notiz' FROM raw.budget WHERE id = '2025-01:Newsletter'") == [(None,)]


def test_dates_can_be_days_since_1899(office: Served) -> None:
    office.more["dates"] = "serial"
    office.load()
    (serial,) = office.sql("SELECT (payload->>'$.Eintritt')::INT FROM raw.staff WHERE id = '0001'")
    assert 40_000 < serial[0] < 47_000


def test_nobody_reads_what_nobody_edited(office: Served) -> None:
    office.load()
    paths(office)
    report = office.load()
    assert report.changed is False
    assert paths(office) == ["1demoMuehlbach_Buero-2026"]  # Drive was asked, and nothing else
    office.running.sandbox.night()
    assert office.load().changed is True
    paths(office)
    office.load()
    assert len(paths(office)) == 1


def test_other_options_and_always_read_read_again(office: Served) -> None:
    office.load()
    paths(office)
    office.more["always_read"] = True
    assert office.load().changed is False
    assert "values:batchGet" in paths(office)
    office.more["always_read"] = False
    office.more["dates"] = "serial"
    assert office.load().changed is True


def test_a_login_that_may_not_ask_drive_reads_every_time(office: Served) -> None:
    office.more["drive_url"] = f"{office.running.url}/google_sheets/none"
    office.load()
    paths(office)
    assert office.load().changed is False
    assert "values:batchGet" in paths(office)


def test_without_a_key_rows_go_by_their_number(office: Served) -> None:
    office.more["sheets"] = {"staff": {"sheet": "Personal"}}
    office.load()
    assert office.sql("SELECT id FROM raw.staff ORDER BY id::INT LIMIT 2") == [("2",), ("3",)]
    assert office.sql("SELECT count(*) FROM raw.staff") == [(44,)]


def test_a_small_sheet_is_read_in_one_request(office: Served) -> None:
    office.more["rows_per_request"] = 20_000
    office.more["sheets"] = {"staff": {"sheet": "Personal", "key": "Personalnr"}}
    office.load()
    # Drive, then the sheet's size and its cells, once for the rows and once for their number.
    assert paths(office).count("values:batchGet") == 2


def test_edits_while_a_long_sheet_is_read_have_it_read_again(office: Served) -> None:
    office.more["sheets"] = {"staff": {"sheet": "Personal", "key": "Personalnr"}}
    office.running.plan("google_sheets", "moving_page", after=1, times=2)
    office.load()
    assert office.sql("SELECT count(*), count(DISTINCT id) FROM raw.staff") == [(44, 44)]
    office.running.plan("google_sheets", "moving_page", after=0, times=1_000)
    office.running.sandbox.night()
    with pytest.raises(ConnectorError, match="somebody edited the spreadsheet each of the 5 times"):
        office.load()


def test_headers_that_are_empty_or_repeat_get_their_column(office: Served) -> None:
    office.store.write_note("header Personal", ["Personalnr", "Name", "", "Name", "Eintritt"])
    office.load()
    (record,) = office.sql("SELECT payload FROM raw.staff WHERE id = '0001'")
    fields = ["_key", "Personalnr", "Name", "column 3", "Name 4", "Eintritt", "column 6"]
    assert list(json.loads(record[0])) == fields


def test_rows_without_a_key_and_with_that_of_another_are_told(office: Served) -> None:
    second, third = office.store.page("Personal", limit=3)[1:]
    twin = replace(second, body={"cells": ["0001", *second.body["cells"][1:]]})
    nameless = replace(third, body={"cells": ["", *third.body["cells"][1:]]})
    office.store.put("Personal", [twin, nameless])
    report = office.load()
    details = {one.kind: one.detail for one in report.findings}
    assert "staff: 1 rows have the key of another row" in details["note"]
    assert "staff: 1 records are not loaded" in details["rejected_record"]
    assert [one.difference for one in report.counts] == [0, 0]


@pytest.mark.parametrize(
    ("sheet", "sentence"),
    [
        ({"sheet": "Urlaub"}, "the spreadsheet has no sheet 'Urlaub'; it has Personal, Werbebudget. Correct sources."),
        ({"sheet": "Personal", "key": "Nummer"}, "row 1 of 'Personal' has no column Nummer; its header has "
                                                 "Personalnr,"),
        ({"sheet": "Werbebudget", "header_row": 2}, "row 2 of 'Werbebudget' has no header. Correct header_row or key"),
    ],
)  # fmt: skip
def test_connect_names_what_a_sheet_lacks(office: Served, sheet: dict[str, Any], sentence: str) -> None:
    office.more["sheets"] = {"staff": sheet}
    (told,) = CONNECTOR.connect(office.source)  # type: ignore[misc]
    assert sentence in told
    with pytest.raises(ConnectorError):
        office.load()


def test_a_spreadsheet_that_is_not_shared_is_told(office: Served) -> None:
    office.more["spreadsheet"] = "https://docs.google.com/spreadsheets/d/somebody-elses-file/edit#gid=0"
    told = CONNECTOR.connect(office.source)  # type: ignore[misc]
    assert "check spreadsheet, and share it with the person or with the service account's address" in told[0]


def test_a_service_account_signs_for_itself(office: Served) -> None:
    account = _account(office)
    (office.root / "key.json").write_text(json.dumps(account))
    nobody = {"client_id": None, "client_secret": None, "refresh_token": None}
    office.more |= {**nobody, "service_account": "key.json"}
    assert CONNECTOR.connect(office.source) == []  # type: ignore[misc]
    assert office.load().changed is True
    office.more["service_account"] = json.dumps(account)
    assert CONNECTOR.connect(office.source) == []  # type: ignore[misc]
    office.store.write_note("service_account", None)
    (told,) = CONNECTOR.connect(office.source)  # type: ignore[misc]
    assert "PRIVATE KEY" not in told
    office.more["service_account"] = "nothing.json"
    with pytest.raises(ConnectorError, match="service_account is no key file of a service account"):
        CONNECTOR.connect(office.source)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"spreadsheet": "my sheet"}, "spreadsheet: is no address like https://docs.google.com/spreadsheets/d/"),
        ({"sheets": {}}, "sheets: Dictionary should have at least 1 item"),
        ({"sheets": {"Mein Blatt": {}}}, "the table name 'Mein Blatt' must be lower-case letters"),
        ({"sheets": {"staff": {"heder_row": 2}}}, "sheets.staff.heder_row is no option of the Google Sheets connector"),
        ({"service_account": "key.json"}, "needs either service_account, or client_id, client_secret and "
                                          "refresh_token"),
    ],
)  # fmt: skip
def test_each_mistake_in_the_options_is_one_sentence(office: Served, change: dict[str, Any], sentence: str) -> None:
    office.more |= change
    (told,) = CONNECTOR.problems(office.source)
    assert sentence in told


def _account(office: Served) -> dict[str, str]:
    """A service account whose public key the sandbox knows."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    email = "millpond@demo.iam.gserviceaccount.example"
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    office.store.write_note("service_account", {"client_email": email, "public_key": public.decode()})
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {"type": "service_account", "client_email": email, "private_key_id": "k1", "private_key": private.decode()}
