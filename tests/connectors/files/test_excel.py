"""Workbooks written here, rows out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import xlsxwriter

from connectors.files import excel
from connectors.files.options import TableOptions
from connectors.files.staging import Staging, UnreadableError


def read(path: Path, **options: Any) -> list[tuple[Any, ...]]:
    staging = Staging(file=path.name, folder=path.parent, prefix="p", loaded_at=datetime.now(UTC))
    excel.read(path, TableOptions(files=["*"], **options), staging)
    staging.close()
    rows = pq.read_table(staging.parts[0][0]).drop_columns(["_file", "_loaded_at"]).to_pylist()
    return [tuple(staging.headers.values()), *(tuple(row.values()) for row in rows)]


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "b.xlsx"
    with xlsxwriter.Workbook(path) as workbook:
        date = workbook.add_format({"num_format": "dd/mm/yyyy"})
        time = workbook.add_format({"num_format": "hh:mm"})
        sheet = workbook.add_worksheet("Orders")
        sheet.write_row(2, 0, ["Id", "Amount", "Day", "At", "Paid", "Note"])
        sheet.write_string(3, 0, "007")
        sheet.write_number(3, 1, 12)
        sheet.write_datetime(3, 2, datetime(2026, 1, 2), date)
        sheet.write_number(3, 3, 0.5, time)
        sheet.write_boolean(3, 4, True)
        sheet.write_formula(3, 5, "=1/0", None, "#DIV/0!")
        sheet.write_row(5, 0, ["8", 1.1])
        sheet.write_string(5, 5, 'é "x"\ny')
        workbook.add_worksheet("Other").write_row(0, 0, ["a"])
    return path


def test_every_cell_as_text_with_the_row_of_the_sheet(book: Path) -> None:
    assert read(book) == [
        ("Id", "Amount", "Day", "At", "Paid", "Note"),
        (4, "007", "12", "2026-01-02 00:00:00", "12:00:00", "true", None),
        (6, "8", "1.1", None, None, None, 'é "x"\ny'),
    ]


def test_chooses_the_sheet_by_name_or_number(book: Path) -> None:
    assert read(book, sheet="Other") == read(book, sheet=2) == [("a",)]
    with pytest.raises(UnreadableError, match="its sheets are Orders, Other"):
        read(book, sheet="Nope")


def test_header_row_may_be_named(book: Path) -> None:
    assert read(book, header_row=4)[0][:3] == ("007", "12", "2026-01-02 00:00:00")
    assert read(book, header_row=4)[1][0] == 6


def test_names_what_is_wrong(tmp_path: Path, book: Path) -> None:
    secret = tmp_path / "secret.xlsx"
    secret.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100) + "EncryptedPackage".encode("utf-16-le"))
    with pytest.raises(UnreadableError, match="password"):
        read(secret)
    cut = tmp_path / "cut.xlsx"
    cut.write_bytes(book.read_bytes()[:2000])
    with pytest.raises(UnreadableError, match="not an Excel workbook"):
        read(cut)


def test_a_hidden_sheet_is_not_what_was_exported(tmp_path: Path) -> None:
    path = tmp_path / "h.xlsx"
    with xlsxwriter.Workbook(path) as workbook:
        workbook.add_worksheet("Lists").hide()
        orders = workbook.add_worksheet("Orders")
        orders.activate()
        orders.write_column(0, 0, ["id", "1"])
    assert read(path) == [("id",), (2, "1")]
    with pytest.raises(UnreadableError, match="no header"):
        read(path, sheet="Lists")


def test_numbers_keep_the_digits_that_excel_shows(tmp_path: Path) -> None:
    path = tmp_path / "n.xlsx"
    with xlsxwriter.Workbook(path) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_column(0, 0, ["n", 1 / 3, 1.5e-11, 0.1 + 0.2, 1.1])
        sheet.write_string(5, 0, "0.12345678901234567890")
    assert [row[1] for row in read(path)[1:]] == [
        *("0.333333333333333", "0.000000000015", "0.3", "1.1"),
        "0.12345678901234567890",
    ]


def test_a_stray_value_in_the_last_cell_costs_its_file_and_not_the_process(tmp_path: Path) -> None:
    path = tmp_path / "f.xlsx"
    with xlsxwriter.Workbook(path) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, ["a", "b"])
        sheet.write_string(1_048_575, 16_383, "x")
    with pytest.raises(UnreadableError, match="more memory than there is"):
        read(path)


def test_columns_that_the_options_do_not_name_are_not_left_out_silently(tmp_path: Path) -> None:
    path = tmp_path / "c.xlsx"
    with xlsxwriter.Workbook(path) as workbook:
        workbook.add_worksheet().write_row(0, 0, ["1", "2", "3"])
    with pytest.raises(UnreadableError, match="has 3 columns, the option columns names 2"):
        read(path, columns=["a", "b"])
