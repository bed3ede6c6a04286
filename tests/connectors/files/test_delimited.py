"""Literal bytes in, staged rows out."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.files import delimited, text
from connectors.files.options import TableOptions
from connectors.files.staging import Staging, UnreadableError


def read(content: bytes, folder: Path, name: str = "t.csv", **options: Any) -> tuple[list[tuple[Any, ...]], Staging]:
    """Gives the rows as (_row, values…) and the staging area."""
    path = folder / name
    path.write_bytes(content)
    staging = Staging(file=name, folder=folder, prefix="p", loaded_at=datetime.now(UTC))
    delimited.read(path, TableOptions(files=["*"], **options), staging)
    staging.close()
    table = pa.concat_tables(pq.read_table(part) for part, _ in staging.parts)
    columns = [table.column("_row").to_pylist(), *(table.column(name).to_pylist() for name in staging.headers)]
    return list(zip(*columns, strict=True)), staging


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_finds_delimiter_and_line_end(tmp_path: Path, delimiter: str, end: str) -> None:
    lines = ["id,name", "007,a", '8,"x,y"', '9,"two', 'lines"', "10,"]
    content = end.join(line.replace(",", delimiter) for line in lines) + end
    rows, staging = read(content.encode(), tmp_path)
    inner = f"x{delimiter}y"
    assert rows == [(2, "007", "a"), (3, "8", inner), (4, "9", f"two{end}lines"), (6, "10", None)]
    assert staging.rejected == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("\ufeffid,name\n1,é\n".encode(), "é"),
        ("id,name\n1,é\n".encode("utf-16"), "é"),
        ("\ufeffid,name\n1,é\n".encode("utf-16-be"), "é"),
        ("id,name\n1,é\n".encode("utf-16-le"), "é"),
        ("id,name\n1,é\n".encode("utf-16-be"), "é"),
        ("id,name\n1,é €\n".encode("cp1252"), "é €"),
        ("id,name\n1,São\n".encode("latin-1"), "São"),
        ("id,name\n1,日本\n".encode(), "日本"),
    ],
)
def test_finds_encoding(tmp_path: Path, content: bytes, expected: str) -> None:
    rows, staging = read(content, tmp_path)
    assert rows == [(2, "1", expected)]
    assert staging.headers == {"id": "id", "name": "name"}


def test_declared_encoding(tmp_path: Path) -> None:
    assert read("id,name\n1,Łódź\n".encode("cp1250"), tmp_path, encoding="cp1250")[0] == [(2, "1", "Łódź")]


def test_empty_is_null_and_quoted_empty_is_empty(tmp_path: Path) -> None:
    assert read(b'a,b,c\n1,,""\n', tmp_path)[0] == [(2, "1", None, "")]


def test_quotes(tmp_path: Path) -> None:
    content = b'a,b\n1,"say ""hi"""\n2,5" pipe\n3,it"s\n4," x "\n'
    assert read(content, tmp_path)[0] == [(2, "1", 'say "hi"'), (3, "2", '5" pipe'), (4, "3", 'it"s'), (5, "4", " x ")]


def test_no_quote_character(tmp_path: Path) -> None:
    assert read(b'a,b\n"1,x"\n', tmp_path, quote="")[0] == [(2, '"1', 'x"')]


def test_rejects_ragged_lines_one_by_one(tmp_path: Path) -> None:
    good = b"".join(b"%d,x\n" % n for n in range(20))
    rows, staging = read(b'a,b\n1,"m\nn"\n1,2,3\nlonely\n' + good, tmp_path)
    assert len(rows) == 21
    assert rows[1] == (6, "0", "x")
    assert [(one.line, one.text, one.reason) for one in staging.rejected] == [
        (4, "1,2,3", "it has 3 fields, the header has 2"),
        (5, "lonely", "it has 1 field, the header has 2"),
    ]


def test_rejects_text_after_a_closing_quote(tmp_path: Path) -> None:
    rows, staging = read(b'a,b\n1,x\n2,"b"ad\n3,"y"\n4,z\n', tmp_path)
    assert rows == [(2, "1", "x"), (4, "3", "y"), (5, "4", "z")]
    assert [(one.line, one.text) for one in staging.rejected] == [(3, '2,"b"ad')]


def test_a_stray_quote_costs_one_line(tmp_path: Path) -> None:
    rows, staging = read(b'a,b\n1,"open\n2,x\n3,"y"\n4,z\n5,z\n', tmp_path)
    assert rows == [(3, "2", "x"), (4, "3", "y"), (5, "4", "z"), (6, "5", "z")]
    assert [one.line for one in staging.rejected] == [2]


@pytest.mark.parametrize(
    ("content", "reason", "line"),
    [
        (b'a,b\n1,x\n2,"never\n3,y\n', "never closed", 3),
        (b"a,b\n1,x\n2,\0\n", "NUL", 3),
        (b"", "empty", None),
        (b"PK\x03\x04rest", "Excel", None),
        ("a,b\n1,é\n2,é\n3,é\n4,ü\n5,ü\n".encode() + b"6,\xff\n", "not utf-8", 7),
        (b"a,b\n1,x\n2,\x81\n", "not utf-8", 3),
        (b"a,b\n" + b"1,2,3\n" * 10 + b"1,2\n" * 50, "10 of 60 lines are malformed", 2),
        (b"a,b\n1\n2\n1,2\n", "2 of 3 lines are malformed", 2),
    ],
)
def test_refuses_a_file_as_a_whole(tmp_path: Path, content: bytes, reason: str, line: int | None) -> None:
    with pytest.raises(UnreadableError, match=reason) as caught:
        read(content, tmp_path)
    assert caught.value.line == line


def test_header_row_preamble_and_sep(tmp_path: Path) -> None:
    assert read(b"Report\n\nid;name\n1;a\n", tmp_path, header_row=3)[0] == [(4, "1", "a")]
    assert read(b"sep=|\r\nid|name\r\n1|a\r\n", tmp_path)[0] == [(3, "1", "a")]
    assert read(b"1,a\n2,b\n", tmp_path, columns=["id", "name"])[0] == [(1, "1", "a"), (2, "2", "b")]


def test_headers_get_names_of_their_own(tmp_path: Path) -> None:
    _, staging = read("Größe,E-Mail,,Id,ID,Имя\n1,2,3,4,5,6\n".encode(), tmp_path)
    assert staging.headers == {
        "grosse": "Größe", "e_mail": "E-Mail", "column_3": "", "id": "Id", "id_2": "ID", "column_6": "Имя",
    }  # fmt: skip
    assert len(staging.notes) == 3


def test_blank_and_wholly_empty_lines_are_no_rows(tmp_path: Path) -> None:
    rows, staging = read(b"a,b\n\n1,x\n,\n\n2,y\n", tmp_path)
    assert rows == [(3, "1", "x"), (6, "2", "y")]
    assert staging.rejected == []


def test_header_only(tmp_path: Path) -> None:
    rows, staging = read(b"a,b\n", tmp_path)
    assert rows == []
    assert [count for _, count in staging.parts] == [0]


@pytest.mark.parametrize("block", [1, 2, 3, 7, 64])
def test_blocks_may_end_anywhere(tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "BLOCK", block)
    content = 'a,b\r\n1,"é\r\nü""x"\r\n2,5" p\r\n3,ä,4\r\n\r\n4,"z"\r\n'.encode()
    rows, staging = read(content, tmp_path)
    assert rows == [(2, "1", 'é\r\nü"x'), (4, "2", '5" p'), (7, "4", "z")]
    assert [one.line for one in staging.rejected] == [5]


CELL = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(CELL, min_size=3, max_size=3).filter(any), min_size=1, max_size=8),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    delimiter=st.sampled_from(",;\t|"),
)
def test_any_text_survives(tmp_path: Path, rows: list[list[str]], encoding: str, quoting: Any, delimiter: str) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator="\r\n")
    writer.writerows([["a", "b", "c"], *rows])
    got, staging = read(out.getvalue().encode(encoding), tmp_path)
    assert [[cell or "" for cell in row[1:]] for row in got] == rows
    assert staging.rejected == []


def test_a_byte_order_mark_within_the_file_belongs_to_its_value(tmp_path: Path) -> None:
    assert read("\ufeffa,b\n\ufeff,\n1,x\n".encode(), tmp_path)[0] == [(2, "\ufeff", None), (3, "1", "x")]


@pytest.mark.parametrize("declared", ['sep="', "sep=é", "sep=\r"])
def test_what_cannot_part_fields_is_no_delimiter(tmp_path: Path, declared: str) -> None:
    with pytest.raises(UnreadableError, match="lines are malformed"):
        read(f"{declared}\na,b\n1,2\n".encode("latin-1"), tmp_path)


def test_a_first_line_without_end_is_no_header(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="more than 256 kB, so it is no header"):
        read(b"a" * 300_000 + b",b\n1,2\n", tmp_path)


def test_utf8_that_ends_within_a_character_is_not_taken_for_windows_1252(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="is not utf-8"):
        read("a,b\n1,é\n2,é\n3,é\n".encode()[:-2], tmp_path)


@pytest.mark.parametrize(
    ("options", "sentence"), [({"encoding": "base64"}, "not an encoding"), ({"delimiter": '"'}, "differ")]
)
def test_options_that_no_file_can_have(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        TableOptions(files=["*"], **options)
