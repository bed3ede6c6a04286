"""Which files belong to which table."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Source
from connectors.files.finder import Found, FoundFile, find, table_name
from connectors.files.options import FilesOptions


def found(root: Path, **options: Any) -> Found:
    source = Source(name="crm", connector="files", root=root, options=options)
    return find(source, FilesOptions.model_validate(options))


def names(found: Found) -> dict[str, list[str]]:
    return {table: sorted(file.name for file in files) for table, files in found.tables.items()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (
        "a_1.csv",
        "B_2.CSV",
        "sub/a_3.csv",
        "sub/deep/a_4.csv.gz",
        "notes.pdf",
        ".hidden.csv",
        "~$b.xlsx",
        "x.tmp",
    ):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("id\n1\n")
    with zipfile.ZipFile(tmp_path / "in" / "a.zip", "w") as archive:
        archive.writestr("a_5.csv", "id\n1\n")
        archive.writestr("dir/other.csv", "id\n1\n")
        archive.writestr("__MACOSX/a_5.csv", "")
    return tmp_path


def test_without_tables_names_come_from_files(root: Path) -> None:
    everything = found(root, path="in")
    assert names(everything) == {
        "a": ["a.zip!a_5.csv", "a_1.csv", "sub/a_3.csv", "sub/deep/a_4.csv.gz"],
        "b": ["B_2.CSV"],
        "other": ["a.zip!dir/other.csv"],
    }
    assert [file.name for file in everything.unmatched] == ["notes.pdf"]


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("a_*.csv", ["a.zip!a_5.csv", "a_1.csv"]),
        ("b_?.csv", ["B_2.CSV"]),
        ("**/a_*.csv", ["a.zip!a_5.csv", "a_1.csv", "sub/a_3.csv", "sub/deep/a_4.csv.gz"]),
        ("sub/*.csv", ["sub/a_3.csv"]),
        ("a_[0-2].csv", ["a_1.csv"]),
        ("*.zip", ["a.zip!a_5.csv", "a.zip!dir/other.csv"]),
        ("**/*.csv.gz", ["sub/deep/a_4.csv.gz"]),
    ],
)
def test_globs(root: Path, glob: str, expected: list[str]) -> None:
    assert names(found(root, path="in", tables={"t": {"files": glob}}))["t"] == expected


def test_a_file_no_table_takes_is_told_and_the_first_table_wins(root: Path) -> None:
    result = found(root, path="in", tables={"one": {"files": "a_1.csv"}, "two": {"files": ["a_*.csv", "b*"]}})
    assert names(result) == {"one": ["a_1.csv"], "two": ["B_2.CSV", "a.zip!a_5.csv"]}
    assert "notes.pdf" in [file.name for file in result.unmatched]
    assert result.overlaps == {"a_1.csv": ["one", "two"]}


def test_tables_may_give_the_paths(root: Path) -> None:
    tables = {"a": {"files": "in/sub/*.csv"}, "b": {"files": str(root / "in" / "B*")}}
    result = found(root, tables=tables)
    assert names(result) == {"a": ["in/sub/a_3.csv"], "b": ["in/B_2.CSV"]}
    assert result.unmatched == []


@pytest.mark.parametrize(
    ("file", "table"),
    [
        ("contacts_2026-11-01.csv", "contacts"),
        ("Contacts 2026-11-01 (2).csv.gz", "contacts"),
        ("contacts20261101.csv", "contacts"),
        ("2026-11-01_orders.csv", "orders"),
        ("orders-part-3.json", "orders_part"),
        ("q3.csv", "q3"),
        ("20261101.csv", "table_20261101"),
        ("orderLines.csv", "order_lines"),
    ],
)
def test_table_name(file: str, table: str) -> None:
    assert table_name(FoundFile(name=file, location=Path(file), size=0, mtime_ns=0)) == table


def test_order_is_by_the_dates_in_the_names_if_all_have_one(tmp_path: Path) -> None:
    for name in ("x_2026-02-01.csv", "x_20260103.csv", "x_2026-01-02.csv"):
        (tmp_path / name).write_text("a\n1\n")
    assert [file.name for file in found(tmp_path, path=".").tables["x"]] == [
        "x_2026-01-02.csv",
        "x_20260103.csv",
        "x_2026-02-01.csv",
    ]
