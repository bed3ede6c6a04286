"""Whatever lies in a drop folder, its rows land to the letter or are rejected by line, and no file stops the others."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from math import isclose
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import files
from connectors.files import delimited, jsons, readers, text, unpack
from connectors.files.finder import FoundFile
from connectors.files.options import TableOptions
from connectors.files.staging import Staging, UnreadableError
from tests.connectors.conftest import Drop
from tests.fuzz.files import FILES, GOOD, parquet, workbook
from tests.fuzz.hostile import CHARACTERS
from tests.fuzz.properties import is_sentence, often, reconciled

LOADED_AT = datetime(2026, 1, 1, tzinfo=UTC)
CELL = st.text(CHARACTERS.filter(lambda c: c != "\0"), max_size=10)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def read(content: bytes, name: str, folder: Path, **options: Any) -> Staging | str:
    """What a reader staged, or the sentence with which it refuses the file."""
    path, scratch = folder / name, folder / "scratch"
    path.write_bytes(content)
    scratch.mkdir(exist_ok=True)
    file = FoundFile(name=name, location=path, size=len(content), mtime_ns=0)
    staging = Staging(file=name, folder=scratch, prefix="p", loaded_at=LOADED_AT)
    refused = ""
    try:
        readers.read(file, TableOptions(files=["*"], **options), staging, scratch)
    except UnreadableError as error:
        refused = str(error)
    assert not refused or is_sentence(f"{name}: {refused}")
    return refused or staging


def rows_of(staging: Staging) -> list[dict[str, Any]]:
    """The staged rows."""
    parts = [pq.read_table(path) for path, _ in staging.parts]
    table = pa.concat_tables(parts, promote_options="default").drop_columns(["_file", "_loaded_at"])
    assert table.num_rows == staging.rows
    return table.to_pylist()


def told(found: Staging | str) -> Any:
    """All there is to a reading, but for the reason of a refusal: of several the first to meet the eye is told."""
    if isinstance(found, str):
        return "refused"
    return rows_of(found), found.rejected, found.headers, found.notes


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, list[list[str | None]], int]:
    """Delimited text as programs write it, the rows that it holds, and how many of its lines have a wrong width."""
    delimiter = draw(st.sampled_from(",;\t|"))
    width = draw(st.integers(2, 4))
    lines = [delimiter.join(f"c{number}" for number in range(width))]
    rows: list[list[str | None]] = []
    ragged = 0
    for kind in draw(st.lists(st.sampled_from(["row"] * 8 + ["ragged", "blank"]), min_size=1, max_size=12)):
        if kind == "blank":
            lines.append("")
        elif kind == "ragged":
            lines.append(delimiter.join("x" * draw(st.sampled_from([1, width - 1, width + 1]))))
            ragged += 1
        else:
            cells = draw(st.lists(CELL, min_size=width, max_size=width))
            quoted = [draw(st.booleans()) or bool({delimiter, "\r", "\n"} & {*c}) or c[:1] == '"' for c in cells]
            written = [f'"{c.replace(chr(34), chr(34) * 2)}"' if q else c for c, q in zip(cells, quoted, strict=True)]
            lines.append(delimiter.join(written))
            landed = [c if c or q else None for c, q in zip(cells, quoted, strict=True)]
            rows += [landed] if any(cell is not None for cell in landed) else []
    ends = [draw(st.sampled_from(["\n", "\r\n", "\r"])) for _ in lines]
    ends[-1] = draw(st.sampled_from([ends[-1], ""]))
    return "".join(line + end for line, end in zip(lines, ends, strict=True)), rows, ragged


#: Encodings that are found out, and others that have to be named.
FOUND_OUT = ("utf-8", "utf-8-sig", "utf-16", "utf-32")
ENCODINGS = st.sampled_from([*FOUND_OUT, "utf-16-le", "utf-16-be", "cp1252", "latin-1", "cp1250", "shift_jis"])


@often(50)
@given(tables(), ENCODINGS)
def test_a_table_of_text_lands_to_the_letter_and_ragged_lines_are_told(
    folder: Path, table: tuple[str, list[list[str | None]], int], encoding: str
) -> None:
    content, rows, ragged = table
    try:
        encoded = content.encode(encoding)
    except UnicodeEncodeError:
        return
    found = read(encoded, "t.csv", folder, **({} if encoding in FOUND_OUT else {"encoding": encoding}))
    if isinstance(found, str):
        assert ragged > len(rows), found
        return
    assert [list(row.values())[1:] for row in rows_of(found)] == rows
    reconciled(len(rows) + ragged, loaded=found.rows, rejected=len(found.rejected))


SIGNS = st.one_of(st.sampled_from('"",;\t|\r\n\n'), CHARACTERS)
PIECES = [b'"', b",", b";", b"\r", b"\n", b"a", b"\xef\xbb\xbf", b"\xff\xfe", b"sep=;\n", b"\x80", b"\0"]
BYTES = st.one_of(
    st.text(SIGNS, max_size=60).map(str.encode),
    st.text(SIGNS, max_size=60).map(lambda some: some.encode("utf-16")),
    st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=3)), max_size=40).map(b"".join),
)


@often(60)
@given(BYTES, st.integers(1, 40), st.sampled_from(['"', "'", ""]), st.sampled_from([b"", b"a,b\n"]))
def test_any_bytes_are_read_alike_however_they_are_cut(
    folder: Path, content: bytes, block: int, quote: str, head: bytes
) -> None:
    whole = told(read(head + content, "t.csv", folder, quote=quote))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "BLOCK", block)
        assert told(read(head + content, "t.csv", folder, quote=quote)) == whole
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "_quotes_are_clean", lambda *args, **how: False)
        assert told(read(head + content, "t.csv", folder, quote=quote)) == whole or not quote


NUMBERS = ("1.10", "-0", "1e400", "12345678901234567890.123", "0.1", "1E5")
SCALARS = st.one_of(
    st.none(), st.booleans(), st.text(CHARACTERS, max_size=8), st.sampled_from(NUMBERS).map(lambda digits: (digits,))
)
NESTED = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(CELL, inner, max_size=3), max_leaves=5
)
RECORDS = st.lists(
    st.dictionaries(st.sampled_from(["a", "b", "A", "é", "a_2", "", "日"]), NESTED, max_size=4), min_size=1, max_size=6
)


def spelt(value: Any) -> str:
    """JSON of a value, in which a tuple holds the digits of a number."""
    if isinstance(value, tuple):
        return str(value[0])
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k, ensure_ascii=False)}: {spelt(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(spelt, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


@often(50)
@given(RECORDS, st.sampled_from(["t.json", "t.ndjson"]), st.sampled_from(["\n", "\r\n"]))
def test_records_of_json_land_to_the_letter(folder: Path, records: list[dict[str, Any]], name: str, end: str) -> None:
    lines = [spelt(record) for record in records]
    found = read((end.join(lines) if name == "t.ndjson" else f"[{','.join(lines)}]").encode(), name, folder)
    if isinstance(found, str):
        assert not any(records), found
        return
    assert not found.rejected
    named = {header: column for column, header in found.headers.items()}
    got = {row["_row"]: row for row in rows_of(found)}
    for number, record in enumerate(records, start=1):
        landed = {k: v if v is None or isinstance(v, str) else spelt(v) for k, v in record.items()}
        row = got.pop(number, None)
        if row is None:
            assert all(value is None for value in landed.values())
        else:
            assert {key: row[named[key]] for key in record} == landed
    assert not got


FRAGMENTS = (
    *('{"a": 1}', '{"a": 1, "a": 2}', "[", "]", "{", "}", ",", ":", "\n", '"', '"a"', "null", "NaN", "-Infinity"),
    *("1e999", "9" * 5_000, '{"a": "\\ud800"}', '{"\\ud800": 1}', '{"a": {"b": NaN}}', "\ufeff", "\\", "tru", "\r"),
    *("[" * 400, '{"a":' * 400, '{"a":' + "[" * 700 + "]" * 700 + "}", '{"a": "\\u0000"}', "\x1f", "\u2028"),
)


@often(60)
@given(
    st.lists(st.one_of(st.sampled_from(FRAGMENTS), CELL), max_size=8).map("".join),
    st.sampled_from(["t.json", "t.ndjson"]),
    st.integers(1, 4),
)
def test_broken_json_is_told_by_line(folder: Path, content: str, name: str, batch: int) -> None:
    found = read(content.encode(), name, folder)
    whole = told(found)
    if name == "t.ndjson" and not isinstance(found, str):
        lines = content.removeprefix("\ufeff").split("\n")
        filled = {number for number, line in enumerate(lines, start=1) if line.strip()}
        rejected = {one.line for one in found.rejected}
        landed = {row["_row"] for row in rows_of(found)}
        assert rejected <= filled
        assert landed <= filled - rejected
        # Only an object without any value leaves no trace.
        assert all(json.loads(lines[n - 1]) in ({}, {"a": None}) for n in filled - rejected - landed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "BLOCK", 7)
        patch.setattr(jsons, "_BATCH", batch)
        assert told(read(content.encode(), name, folder)) == whole


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**15) + 1, 10**15 - 1),
    st.floats(-1e20, 1e20).filter(lambda number: number == 0 or abs(number) > 1e-12),
    st.datetimes(datetime(1901, 1, 1), datetime(9999, 12, 31)).map(lambda moment: moment.replace(microsecond=0)),
    st.text(CHARACTERS.filter(str.isprintable), min_size=1, max_size=8).filter(lambda some: some[0] not in "={"),
)


@often(4)
@given(st.lists(st.lists(CELLS, min_size=2, max_size=3), min_size=1, max_size=20))
def test_cells_of_a_sheet_land_as_excel_shows_them(folder: Path, body: list[list[Any]]) -> None:
    head = [f"c{number}" for number in range(max(map(len, body)))]
    found = read(workbook(([head, *body], False)), "t.xlsx", folder)
    assert isinstance(found, Staging), found
    got = {row["_row"]: row for row in rows_of(found)}
    for number, cells in enumerate(body, start=2):
        row = got.pop(number, dict.fromkeys(head))
        assert all(shows(cell, row[name]) for name, cell in zip(head, cells, strict=False)), (cells, row)
    assert not got


def shows(cell: Any, said: str | None) -> bool:
    """Whether a text is what Excel shows of a cell, in full."""
    if cell is None or said is None:
        return cell is said
    if isinstance(cell, bool):
        return said == str(cell).lower()
    if isinstance(cell, int | float):
        return isclose(float(said), cell, rel_tol=1e-14)
    return said == str(cell)


COLUMNS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "small": (pa.int16(), st.integers(-(2**15), 2**15 - 1)),
    "big": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "unsigned": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "amount": (pa.decimal128(18, 4), st.decimals(-(10**13), 10**13, places=4)),
    "wide": (pa.decimal128(38, 10), st.decimals(-(10**27), 10**27, places=10)),
    "ratio": (pa.float64(), st.floats(allow_nan=False)),
    "yes": (pa.bool_(), st.booleans()),
    "day": (pa.date32(), st.dates()),
    "second": (pa.timestamp("s"), st.datetimes().map(lambda moment: moment.replace(microsecond=0))),
    "moment": (pa.timestamp("us"), st.datetimes()),
    "zoned": (pa.timestamp("us", "America/Sao_Paulo"), st.datetimes(timezones=st.just(UTC))),
    "raw": (pa.binary(), st.binary(max_size=6)),
    "name": (pa.string(), CELL),
    "chosen": (pa.dictionary(pa.int32(), pa.string()), CELL),
    "nested": (pa.list_(pa.string()), st.lists(CELL, max_size=2)),
}


@often(15)
@given(st.data())
def test_columns_of_parquet_land_with_their_own_values(folder: Path, data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=6, unique=True))
    record = st.fixed_dictionaries({name: st.one_of(st.none(), COLUMNS[name][1]) for name in names})
    records = data.draw(st.lists(record, min_size=1, max_size=5))
    table = {name: pa.array([one[name] for one in records], COLUMNS[name][0]) for name in names}
    packing = data.draw(st.sampled_from(["snappy", "gzip", "none"]))
    found = read(parquet(table, compression=packing, row_group_size=2), "t.parquet", folder)
    assert isinstance(found, Staging), found
    got = {row["_row"]: row for row in rows_of(found)}
    for number, said in enumerate(records, start=1):
        row = got.pop(number, dict.fromkeys(names))
        unfolded = {name: json.loads(row[name]) if name == "nested" and row[name] else row[name] for name in names}
        assert unfolded == said
    assert not got


def test_a_folder_of_hostile_files_is_loaded_and_again_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "_ALWAYS_BYTES", 1_000_000)
    drop = Drop(tmp_path)
    for name, (content, _) in FILES.items():
        drop.write(name, content)
    Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/Ums\xe4tze.csv")).write_bytes(GOOD)
    report = drop.load()

    details = {(one.file or "").partition("!")[0]: one.detail for one in report.findings}
    loaded = dict(drop.sql("SELECT regexp_replace(path, '!.*', ''), sum(rows) FROM raw._file GROUP BY 1"))
    rejected = dict(drop.sql("SELECT regexp_replace(file, '!.*', ''), count(*) FROM raw._rejected_line GROUP BY 1"))
    for name, (_, expected) in FILES.items():
        if isinstance(expected, str):
            assert (loaded.get(name, 0), expected in details[name]) == (0, True), (name, details[name])
        else:
            assert (loaded[name], rejected.get(name, 0)) == expected, name
    assert loaded["Ums\\xe4tze.csv"] == 2
    assert all(is_sentence(one.detail) for one in report.findings)

    foreseen = files.discover(drop.source)
    for table, columns in held_columns(drop).items():
        assert columns <= foreseen[table].keys(), table

    before = drop.dump()
    again = drop.load()
    lasting = {one.file for one in report.findings if one.kind in ("unreadable_file", "rejected_line")}
    assert (again.changed, {one.file for one in again.findings}) == (False, lasting)
    assert drop.dump() == before


def held_columns(drop: Drop) -> dict[str, set[str]]:
    """The columns of the tables that hold rows, but for dlt's own."""
    columns: dict[str, set[str]] = {}
    for table, column in drop.sql(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_name IN (SELECT table_name FROM raw._file WHERE rows > 0) AND NOT starts_with(column_name, '_dlt')"
    ):
        columns.setdefault(table, set()).add(column)
    return columns
