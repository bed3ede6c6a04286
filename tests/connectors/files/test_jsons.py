"""JSON and NDJSON bytes in, staged rows out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.files import jsons
from connectors.files.options import TableOptions
from connectors.files.staging import Staging, UnreadableError


def read(content: str, folder: Path, *, lines: bool = False, **options: Any) -> tuple[list[dict[str, Any]], Staging]:
    path = folder / "t.json"
    path.write_bytes(content.encode())
    staging = Staging(file="t.json", folder=folder, prefix="p", loaded_at=datetime.now(UTC))
    (jsons.read_lines if lines else jsons.read)(path, TableOptions(files=["*"], **options), staging)
    staging.close()
    table = pa.concat_tables((pq.read_table(part) for part, _ in staging.parts), promote_options="default")
    return table.drop_columns(["_file", "_loaded_at"]).to_pylist(), staging


def test_keeps_the_digits_of_numbers(tmp_path: Path) -> None:
    content = '[{"a": 1.10, "b": 12345678901234567890.123, "c": 1e5, "d": {"x": [1.50, null, "é\\n", true]}}]'
    assert read(content, tmp_path)[0] == [
        {"a": "1.10", "b": "12345678901234567890.123", "c": "1e5", "d": '{"x": [1.50, null, "é\\n", true]}', "_row": 1}
    ]


def test_tells_null_from_empty_and_missing_keys_are_null(tmp_path: Path) -> None:
    rows, _ = read('[{"a": null, "b": ""}, {"a": false, "c": "007"}]', tmp_path)
    assert rows == [
        {"a": None, "b": "", "c": None, "_row": 1},
        {"a": "false", "b": None, "c": "007", "_row": 2},
    ]


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ('{"meta": {"n": 1}, "rows": [{"a": 1}]}', {}),
        ('{"data": {"items": [{"a": 1}]}, "other": []}', {"records": "data.items"}),
        ('{"a": 1}', {}),
        (' [ {"a": 1} ] \n', {}),
        ("\ufeff" + '[{"a": 1}]', {}),
    ],
)
def test_finds_the_list(tmp_path: Path, content: str, options: dict[str, Any]) -> None:
    assert read(content, tmp_path, **options)[0] == [{"a": "1", "_row": 1}]


def test_json_lines_in_a_json_file(tmp_path: Path) -> None:
    assert read('{"a": 1}\n{"a": "x\u2028y"}\n', tmp_path)[0] == [{"a": "1", "_row": 1}, {"a": "x\u2028y", "_row": 2}]


def test_rejects_bad_lines_singly(tmp_path: Path) -> None:
    good = "".join(f'{{"a": {n}}}\n' for n in range(4))
    rows, staging = read(good + '{"a": \n\n[1]\n', tmp_path, lines=True)
    assert [row["_row"] for row in rows] == [1, 2, 3, 4]
    assert [(one.line, one.text) for one in staging.rejected] == [(5, '{"a":'), (7, "[1]")]
    assert "an object" in staging.rejected[1].reason


def test_new_keys_late_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsons, "_BATCH", 1)
    rows, staging = read('{"a": 1}\n{"b": 2}\n', tmp_path, lines=True)
    assert rows == [{"a": "1", "b": None, "_row": 1}, {"a": None, "b": "2", "_row": 2}]
    assert len(staging.parts) == 2


@pytest.mark.parametrize(
    ("content", "reason", "line"),
    [
        ('[{"a": 1},\n {"a": }]', "line 2 column 8", 2),
        ('[{"a": 1}', "comma or the end", 1),
        ('[{"a": 1}] x', "something follows", 1),
        ("[1]", "record 1 is a number", None),
        ('{"a": [], "b": []}', "several lists", None),
        ("[]", "no record", None),
    ],
)
def test_refuses_a_file_as_a_whole(tmp_path: Path, content: str, reason: str, line: int | None) -> None:
    with pytest.raises(UnreadableError, match=reason) as caught:
        read(content, tmp_path)
    assert caught.value.line == line


def test_half_a_surrogate_pair_becomes_a_replacement_character(tmp_path: Path) -> None:
    assert read('[{"a": "x\\ud800y"}]', tmp_path)[0][0]["a"] == "x\ufffdy"


def test_values_within_which_half_a_character_was_replaced_are_counted(tmp_path: Path) -> None:
    rows, staging = read('[{"a": "x\\ud800", "b": ["\\udfff"], "\\ud800": "y"}]', tmp_path)
    assert rows == [{"a": "x\ufffd", "b": '["\ufffd"]', "column_3": "y", "_row": 1}]
    assert staging.mended == 2
    staging_headers = json.dumps(staging.headers, ensure_ascii=False)
    assert staging_headers.encode().decode() == staging_headers


@pytest.mark.parametrize("lines", [False, True])
def test_a_record_that_says_two_things_of_one_key_is_told(tmp_path: Path, lines: bool) -> None:
    records = ['{"a": 1, "a": 2}', '{"a": {"b": 1, "b": 2}}', '{"a": 1, "a": 1}', '{"a": 3}', '{"a": 4}']
    rows, staging = read("\n".join(records) if lines else f"[{','.join(records)}]", tmp_path, lines=lines)
    assert [(row["_row"], row["a"]) for row in rows] == [(3, "1"), (4, "3"), (5, "4")]
    assert [(one.line, one.text) for one in staging.rejected] == [(1, records[0]), (2, records[1])]
    assert "the key 'b' stands twice" in staging.rejected[1].reason


@pytest.mark.parametrize("depth", [600, 5_000])
def test_what_is_nested_too_deeply_is_told(tmp_path: Path, depth: int) -> None:
    deep = f'{{"a": {"[" * depth}{"]" * depth}}}'
    with pytest.raises(UnreadableError, match="nested too deeply"):
        read(f"[{deep}]", tmp_path)
    rows, staging = read(f'{deep}\n{{"a": 1}}\n{{"a": 2}}', tmp_path, lines=True)
    assert ([row["a"] for row in rows], [one.reason for one in staging.rejected]) == (
        ["1", "2"],
        ["it is nested too deeply"],
    )


def test_what_is_no_number_in_json_is_text_within_nested_values(tmp_path: Path) -> None:
    assert read('[{"a": NaN, "b": [NaN, 1.0]}]', tmp_path)[0] == [{"a": "NaN", "b": '["NaN", 1.0]', "_row": 1}]


def test_a_column_keeps_its_name_when_later_records_bring_its_like(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsons, "_BATCH", 1)
    rows, staging = read('{"A": 1, "a": 2}\n{"a_2": 3, "A": 4}\n', tmp_path, lines=True)
    assert staging.headers == {"a": "A", "a_2": "a", "a_2_2": "a_2"}
    assert rows[1] == {"a": "4", "a_2": None, "a_2_2": "3", "_row": 2}
