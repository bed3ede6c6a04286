"""Files in, raw tables out: run twice and more, with files added, changed, damaged and removed in between."""

from __future__ import annotations

import gzip
import io
import os
import re
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.files import CONNECTOR, unpack
from warehouse import clock

A = "id,name\n001,Ann\n002,Bob\n"


def test_loads_and_then_does_nothing(drop: Any) -> None:
    drop.write("contacts.csv", A)
    first = drop.load()
    assert (first.tables, first.files_read, first.findings, first.changed) == (
        {"contacts": 2},
        ["contacts.csv"],
        [],
        True,
    )
    assert drop.sql("SELECT id, name, _file, _row FROM raw.contacts ORDER BY _row") == [
        ("001", "Ann", "contacts.csv", 2), ("002", "Bob", "contacts.csv", 3),
    ]  # fmt: skip
    before = (drop.root / "raw" / "crm.duckdb").stat()
    second = drop.load()
    assert (second.tables, second.files_read, second.changed) == ({}, [], False)
    assert (drop.root / "raw" / "crm.duckdb").stat() == before
    assert second.seconds < 0.5


def test_reads_only_what_is_new_or_changed(drop: Any, the: Any) -> None:
    drop.write("contacts_2026-01-01.csv", A)
    drop.write("contacts_2026-01-02.csv", "id,name\n003,Cid\n")
    drop.load()
    kept = drop.sql("SELECT * FROM raw.contacts WHERE _file LIKE '%01-02%'")
    drop.write("contacts_2026-01-01.csv", "id,name\n001,Anna\n")
    drop.write("contacts_2026-01-03.csv", "id,name\n004,Dee\n")
    report = drop.load()
    assert report.files_read == ["contacts_2026-01-01.csv", "contacts_2026-01-03.csv"]
    assert "its 2 rows are replaced by 1" in the(report, "changed_file").detail
    assert drop.sql("SELECT id, name FROM raw.contacts ORDER BY id") == [
        ("001", "Anna"),
        ("003", "Cid"),
        ("004", "Dee"),
    ]
    assert drop.sql("SELECT * FROM raw.contacts WHERE _file LIKE '%01-02%'") == kept


def test_what_was_loaded_last_is_later_though_the_clock_went_back(drop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    drop.write("contacts_2026-01-01.csv", A)
    drop.load()
    monkeypatch.setattr(clock, "now", lambda: datetime(2020, 1, 1, tzinfo=UTC))
    drop.write("contacts_2026-01-02.csv", "id,name\n001,Anna\n")
    drop.load()
    drop.write("contacts_2026-01-03.csv", "id,name\n001,Annie\n")
    drop.load()
    in_order = drop.sql("SELECT name FROM raw.contacts WHERE id = '001' ORDER BY _loaded_at")
    assert in_order == [("Ann",), ("Anna",), ("Annie",)]
    assert drop.sql("SELECT path FROM raw._file ORDER BY loaded_at DESC LIMIT 1") == [("contacts_2026-01-03.csv",)]


def test_a_touched_file_is_not_read_again(drop: Any) -> None:
    path = drop.write("contacts.csv", A)
    drop.load()
    os.utime(path)
    assert drop.load().files_read == []
    assert drop.load().changed is False


def test_a_file_that_lost_its_rows_has_none(drop: Any) -> None:
    drop.write("contacts.csv", A)
    drop.write("contacts_2.csv", "id,name\n003,Cid\n")
    drop.load()
    drop.write("contacts.csv", "id,name\n")
    assert drop.load().tables == {"contacts": 0}
    assert drop.sql("SELECT id FROM raw.contacts") == [("003",)]


def test_a_header_alone_makes_the_table(drop: Any) -> None:
    drop.write("contacts.csv", "id,name\n")
    drop.load()
    assert drop.sql("SELECT id, name, _row FROM raw.contacts") == []


def test_a_removed_file_keeps_its_rows_and_is_told_once(drop: Any, kinds: Any) -> None:
    path = drop.write("contacts.csv", A)
    drop.write("orders.csv", A)
    drop.load()
    path.unlink()
    assert kinds(drop.load()) == ["gone_file"]
    assert kinds(drop.load()) == []
    assert drop.sql("SELECT count(*) FROM raw.contacts") == [(2,)]
    drop.write("contacts.csv", A)
    assert drop.load().files_read == []
    assert drop.sql("SELECT DISTINCT status FROM raw._file") == [("loaded",)]


def test_snapshot_keeps_the_newest_file_only(drop: Any) -> None:
    drop.options = {"path": "in", "mode": "snapshot"}
    drop.write("stock_2026-01-02.csv", A)
    drop.write("stock_2026-01-01.csv", "id,name\n9,old\n")
    assert drop.load().files_read == ["stock_2026-01-02.csv"]
    newest = drop.write("stock_2026-01-03.csv", "id,name\n003,Cid\n")
    drop.load()
    assert drop.sql("SELECT id, _file FROM raw.stock") == [("003", "stock_2026-01-03.csv")]
    newest.unlink()
    drop.load()
    assert drop.sql("SELECT id, _file FROM raw.stock ORDER BY 1") == [
        ("001", "stock_2026-01-02.csv"), ("002", "stock_2026-01-02.csv"),
    ]  # fmt: skip
    drop.write("stock_2026-01-03.csv", "id,name\n003,Cid\n")
    drop.load()
    assert drop.sql("SELECT id FROM raw.stock") == [("003",)]
    assert drop.load().changed is False


def test_a_bad_file_stops_nobody_and_is_told_until_mended(drop: Any, the: Any) -> None:
    drop.write("contacts_1.csv", A)
    drop.write("contacts_2.csv", "id,name\n003,Cid\n")
    drop.load()
    drop.write("contacts_1.csv", 'id,name\n001,Anna\n002,"Bo\n')
    drop.write("contacts_2.csv", "id,name\n003,Sid\n")
    drop.write("contacts_3.csv", b"id,name\n\0\n")
    report = drop.load()
    assert report.files_read == ["contacts_2.csv"]
    bad = {f.file: (f.line, f.detail) for f in report.findings if f.kind == "unreadable_file"}
    assert bad["contacts_1.csv"] == (
        3,
        "contacts_1.csv (line 3): a quote is opened and never closed. The 2 rows of its earlier version stay.",
    )
    assert bad["contacts_3.csv"][0] == 2
    assert "None of its rows are loaded." in bad["contacts_3.csv"][1]
    assert drop.sql("SELECT name FROM raw.contacts ORDER BY id") == [("Ann",), ("Bob",), ("Sid",)]
    again = drop.load()
    assert {f.detail for f in again.findings} == {detail for _, detail in bad.values()}
    assert (again.changed, again.files_read) == (False, [])
    drop.write("contacts_1.csv", "id,name\n001,Anna\n")
    drop.write("contacts_3.csv", "id,name\n004,Dee\n")
    assert [f.kind for f in drop.load().findings] == ["changed_file"]
    assert drop.sql("SELECT name FROM raw.contacts ORDER BY id") == [("Anna",), ("Sid",), ("Dee",)]


def test_mended_options_read_the_file_again(drop: Any, kinds: Any) -> None:
    drop.write("contacts.csv", "id,name\n1,Łódź\n2,\x81\n".encode("cp1250", "ignore") + b"3,\x81\n")
    assert kinds(drop.load()) == ["unreadable_file"]
    drop.options = {"path": "in", "tables": {"contacts": {"files": "*.csv", "encoding": "latin-1"}}}
    assert kinds(drop.load()) == []
    assert drop.sql("SELECT count(*) FROM raw.contacts") == [(3,)]


def test_rejected_lines_are_kept_and_leave_with_their_file(drop: Any, the: Any) -> None:
    drop.write("contacts.csv", A + "003\n004,Dee\n")
    finding = the(drop.load(), "rejected_line")
    assert (finding.file, finding.line, finding.severity) == ("contacts.csv", 4, "warning")
    assert drop.sql("SELECT source, table_name, file, line, text, reason FROM raw._rejected_line") == [
        ("crm", "contacts", "contacts.csv", 4, "003", "it has 1 field, the header has 2")
    ]
    assert the(drop.load(), "rejected_line").line == 4
    drop.write("contacts.csv", A)
    drop.load()
    assert drop.sql("SELECT count(*) FROM raw._rejected_line") == [(0,)]


def test_drift_is_found_against_the_file_before(drop: Any, kinds: Any) -> None:
    drop.write("contacts_2026-01-01.csv", "id,email,phone\n1,a,1\n")
    drop.load()
    drop.write("contacts_2026-01-02.csv", "id,e_mail,zip\n2,b,9\n")
    assert kinds(drop.load()) == ["column_renamed", "column_renamed"]
    changes = drop.sql("SELECT table_name, column_name, change, file FROM raw._drift ORDER BY ALL")
    assert changes == [
        ("contacts", "e_mail", "renamed", "contacts_2026-01-02.csv"),
        ("contacts", "zip", "renamed", "contacts_2026-01-02.csv"),
    ]
    assert drop.sql("SELECT id, email, e_mail, zip FROM raw.contacts ORDER BY id") == [
        ("1", "a", None, None), ("2", None, "b", "9"),
    ]  # fmt: skip
    drop.write("contacts_2026-01-03.csv", "id,e_mail,zip,city\n3,c,8,x\n")
    assert kinds(drop.load()) == ["column_added"]
    drop.write("contacts_2026-01-04.csv", "id,e_mail,city\n4,d,y\n")
    assert kinds(drop.load()) == ["column_dropped"]


def test_a_late_file_is_compared_with_its_own_time(drop: Any, kinds: Any) -> None:
    drop.write("contacts_2026-01-01.csv", "id\n1\n")
    drop.write("contacts_2026-01-03.csv", "id,city\n3,x\n")
    drop.load()
    drop.write("contacts_2026-01-02.csv", "id\n2\n")
    assert kinds(drop.load()) == ["late_file"]
    assert drop.sql("SELECT id FROM raw.contacts ORDER BY 1") == [("1",), ("2",), ("3",)]


def test_packed_files(drop: Any, the: Any) -> None:
    drop.write("contacts.csv.gz", gzip.compress(A.encode()))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("orders.csv", "no\n007\n")
        archive.writestr("lines.json", '[{"no": 7}]')
    drop.write("night.zip", packed.getvalue())
    assert drop.load().tables == {"contacts": 2, "lines": 1, "orders": 1}
    assert drop.sql("SELECT no, _file, _row FROM raw.orders") == [("007", "night.zip!orders.csv", 2)]
    assert drop.load().changed is False
    drop.write("contacts.csv.gz", gzip.compress(A.encode())[:-12])
    drop.write("night.zip", packed.getvalue()[:60])
    details = sorted(f.detail for f in drop.load().findings if f.kind == "unreadable_file")
    assert details[0].startswith("contacts.csv.gz: it cannot be unpacked")
    assert drop.sql("SELECT count(*) FROM raw.contacts") == [(2,)]


def test_a_changed_zip_reads_only_its_changed_members(drop: Any) -> None:
    for text in ("1", "2"):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("same.csv", "a\n0\n")
            archive.writestr("other.csv", f"a\n{text}\n")
        drop.write("z.zip", packed.getvalue())
        report = drop.load()
    assert report.files_read == ["z.zip!other.csv"]
    assert drop.sql("SELECT a FROM raw.other") == [("2",)]


def test_files_no_table_takes_and_tables_without_files(drop: Any) -> None:
    drop.options = {"path": "in", "tables": {"contacts": {"files": "c*.csv"}, "deals": {"files": "d*.csv"}}}
    drop.write("contacts.csv", A)
    drop.write("stray.csv", A)
    found = {(f.kind, f.table, f.file, f.severity) for f in drop.load().findings}
    assert found == {("missing_table", "deals", None, "warning"), ("unmatched_file", None, "stray.csv", "warning")}


def test_a_file_that_changes_its_table_takes_its_rows_along(drop: Any) -> None:
    drop.write("contacts.csv", A)
    drop.load()
    drop.options = {"path": "in", "tables": {"people": {"files": "c*.csv"}}}
    drop.load()
    assert drop.sql("SELECT (SELECT count(*) FROM raw.contacts), (SELECT count(*) FROM raw.people)") == [(0, 2)]


def test_a_missing_folder_is_an_error_and_keeps_everything(drop: Any, the: Any) -> None:
    drop.write("contacts.csv", A)
    drop.load()
    (drop.root / "in").rename(drop.root / "away")
    report = drop.load()
    assert the(report, "missing_source").severity == "error"
    assert report.changed is False
    assert drop.sql("SELECT count(*) FROM raw.contacts") == [(2,)]


def test_a_file_being_written_waits(drop: Any, kinds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = drop.write("contacts.csv", "id,name\n001,An")
    os.utime(path)

    def write_on(seconds: float) -> None:
        path.write_text(A)

    monkeypatch.setattr("connectors.files.extract.time.sleep", write_on)
    report = drop.load()
    assert (kinds(report), report.files_read) == (["busy_file"], [])
    monkeypatch.undo()
    assert drop.load().tables == {"contacts": 2}


def test_many_small_files_and_mixed_formats_in_one_table(drop: Any) -> None:
    drop.options = {"path": "in", "tables": {"t": {"files": "*"}}}
    for n in range(30):
        drop.write(f"t{n}.csv", f"id,n{n % 3}\n{n},x\n")
    drop.write("t.json", '[{"id": 99, "n0": "y"}]')
    assert drop.load().tables == {"t": 31}
    assert drop.sql("SELECT count(*), count(n0), count(n2), count(DISTINCT _file) FROM raw.t") == [(31, 11, 10, 31)]


def test_discover_needs_no_load(drop: Any) -> None:
    drop.write("contacts_1.csv", "Id,Name\n1,x\n")
    drop.write("contacts_2.csv", "Id,Zip\n1,x\n")
    drop.write("orders.ndjson", '{"a": 1}\n{"b": 2}\n')
    drop.write("bad.csv", b"\0")
    own = {"_file": "VARCHAR", "_row": "BIGINT", "_loaded_at": "TIMESTAMP WITH TIME ZONE"}
    assert CONNECTOR.discover(drop.source) == {
        "contacts": {"id": "VARCHAR", "name": "VARCHAR", "zip": "VARCHAR", **own},
        "orders": {"a": "VARCHAR", "b": "VARCHAR", **own},
    }
    assert not (drop.root / "raw").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "sources.crm needs path"),
        ({"path": "in", "pth": 1}, "sources.crm.pth is not an option of the files connector"),
        ({"path": "nope"}, "nope does not exist; correct the path or create the folder"),
        ({"path": "in"}, "no file in .* can be read"),
        ({"path": "in", "tables": {"a": {"files": "a*"}}}, r"sources.crm.tables.a.files: no file matches a\*"),
        ({"path": "in", "tables": {"A b": {"files": "a*"}}}, "the table name 'A b'"),
        ({"path": "in", "tables": {"a": {"files": "a*", "encoding": "x"}}}, "'x' is not an encoding"),
        ({"path": "in", "tables": {"a": {"files": "a*", "mode": "x"}}}, "sources.crm.tables.a.mode: Input should be"),
        ({"path": "in", "tables": {"a": {}}}, "sources.crm.tables.a.files: Field required"),
    ],
)
def test_problems_are_sentences(drop: Any, options: dict[str, Any], sentence: str) -> None:
    drop.options = options
    (problem,) = CONNECTOR.problems(drop.source)
    assert problem.startswith("millpond.toml: ")
    assert re.search(sentence, problem), problem


def test_values_that_do_not_fit_do_not_take_the_place_of_another_column(drop: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    drop.options["tables"] = {"t": {"files": "t*"}}
    pq.write_table(pa.table({"id": [1]}), drop.root / "in" / "t_1.parquet")
    drop.load()
    drop.write("t_2.csv", "id,id_text\nx,y\n")
    drop.load()
    assert drop.sql("SELECT id, id_text, id_text_2 FROM raw.t ORDER BY _file") == [(1, None, None), (None, "y", "x")]


def test_a_file_name_that_is_no_utf8_is_shown_with_its_bytes(drop: Any) -> None:
    Path(os.fsdecode(os.fsencode(drop.root / "in") + b"/Ums\xe4tze.csv")).write_bytes(b"a\n1\n")
    drop.load()
    assert drop.sql("SELECT path, rows FROM raw._file") == [("Ums\\xe4tze.csv", 1)]
    assert not drop.load().changed


def test_half_characters_in_json_are_told(drop: Any, the: Any) -> None:
    drop.write("t.json", '[{"a": "\\ud800"}]')
    assert "1 values held half a character" in the(drop.load(), "note").detail


@pytest.mark.parametrize(
    ("method", "at"), [(zipfile.ZIP_LZMA, 70), (zipfile.ZIP_BZIP2, 70), (zipfile.ZIP_DEFLATED, 55)]
)
def test_a_damaged_member_of_a_zip_is_told(drop: Any, the: Any, method: int, at: int) -> None:
    with zipfile.ZipFile(drop.root / "in" / "a.zip", "w", method) as archive:
        archive.writestr("t.csv", "a,b\n1,2\n" * 500)
    content = bytearray((drop.root / "in" / "a.zip").read_bytes())
    content[at : at + 4] = b"\xff\0\xff\0"
    drop.write("a.zip", bytes(content))
    assert "a.zip!t.csv: it cannot be" in the(drop.load(), "unreadable_file").detail


def test_a_zip_that_cannot_be_opened_is_told(drop: Any, the: Any) -> None:
    drop.write("a.zip", b"PK no zip")
    assert "a.zip: it is not a zip" in the(drop.load(), "unreadable_file").detail


def test_a_name_that_stands_twice_in_a_zip_is_told(drop: Any, the: Any) -> None:
    with zipfile.ZipFile(drop.root / "in" / "a.zip", "w") as archive:
        archive.writestr("t.csv", "a\n1\n")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("t.csv", "a\n2\n")
    report = drop.load()
    assert "several files of this name" in the(report, "unreadable_file").detail
    assert report.tables == {}


@pytest.mark.parametrize("name", ["t.csv.gz", "a.zip"])
def test_what_unpacks_to_far_more_than_its_size_is_not_unpacked(
    drop: Any, the: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "_ALWAYS_BYTES", 1_000_000)
    content = b"a,b\n" + b"1,2\n" * 1_000_000
    if name == "a.zip":
        with zipfile.ZipFile(drop.root / "in" / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("t.csv", content)
    else:
        drop.write(name, gzip.compress(content))
    assert "200 times its size" in the(drop.load(), "unreadable_file").detail


def test_a_pipe_is_no_file_and_a_link_to_itself_is_told(drop: Any, the: Any) -> None:
    os.mkfifo(drop.root / "in" / "pipe.csv")
    (drop.root / "in" / "loop.csv").symlink_to("loop.csv")
    report = drop.load()
    assert the(report, "unreadable_file").file == "loop.csv"
