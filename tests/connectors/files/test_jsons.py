"""JSON and NDJSON bytes in, staged rows out."""

from __future__ import annotations

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
