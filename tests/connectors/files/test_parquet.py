"""Parquet keeps its types."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


def test_types_land_in_duckdb(drop: Any) -> None:
    table = pa.table(
        {
            "Id": pa.array([1, 2], pa.int32()),
            "big": pa.array([2**64 - 1, None], pa.uint64()),
            "amount": pa.array([Decimal("1.10"), None], pa.decimal128(18, 2)),
            "ratio": pa.array([0.5, None]),
            "ok": [True, None],
            "day": [date(2026, 1, 2), None],
            "hour": [time(12, 30), None],
            "at": pa.array([datetime(2026, 1, 2, 3, 4, 5), None], pa.timestamp("ns")),
            "at_utc": pa.array([datetime(2026, 1, 2, tzinfo=UTC), None], pa.timestamp("ms", "UTC")),
            "tags": [["a", "é"], None],
            "raw": [b"\x00", None],
            "sort": pa.array(["x", None]).dictionary_encode(),
            "nothing": pa.nulls(2),
        }
    )
    pq.write_table(table, drop.root / "in" / "t.parquet")
    assert drop.load().tables == {"t": 2}
    types = dict(drop.sql("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 't'"))
    assert types == {
        "id": "BIGINT", "big": "DECIMAL(20,0)", "amount": "DECIMAL(18,2)", "ratio": "DOUBLE", "ok": "BOOLEAN",
        "day": "DATE", "hour": "TIME", "at": "TIMESTAMP", "at_utc": "TIMESTAMP WITH TIME ZONE", "tags": "VARCHAR",
        "raw": "BLOB", "sort": "VARCHAR", "nothing": "VARCHAR",
        "_file": "VARCHAR", "_row": "BIGINT", "_loaded_at": "TIMESTAMP WITH TIME ZONE",
    }  # fmt: skip
    got = drop.sql('SELECT big, amount, day, hour, "at", tags, raw, sort, _row FROM raw.t ORDER BY id')
    assert got[0] == (
        Decimal(2**64 - 1), Decimal("1.10"), date(2026, 1, 2), time(12, 30), datetime(2026, 1, 2, 3, 4, 5),
        '["a", "é"]', b"\x00", "x", 1,
    )  # fmt: skip


def test_a_changed_type_lands_beside(drop: Any, the: Any) -> None:
    for name, kind in (("t_2026-01-01.parquet", pa.int64()), ("t_2026-01-02.parquet", pa.float64())):
        pq.write_table(pa.table({"n": pa.array([1], kind)}), drop.root / "in" / name)
        report = drop.load()
    assert "n_text" in the(report, "column_type").detail
    assert drop.sql("SELECT n, n_text FROM raw.t ORDER BY _file") == [(1, None), (None, "1")]


def test_a_damaged_file_is_named(drop: Any, the: Any) -> None:
    drop.write("t.parquet", b"PAR1 nothing else")
    assert "not a Parquet file" in the(drop.load(), "unreadable_file").detail


@pytest.mark.parametrize("compression", ["snappy", "zstd", "gzip"])
def test_compression(drop: Any, compression: str) -> None:
    path: Path = drop.root / "in" / "t.parquet"
    pq.write_table(pa.table({"a": ["007"]}), path, compression=compression)
    drop.load()
    assert drop.sql("SELECT a FROM raw.t") == [("007",)]


def test_far_times_of_96_bits_are_what_they_were(drop: Any) -> None:
    table = pa.table({"at": [datetime(1, 1, 1), datetime(9999, 12, 31)]})
    pq.write_table(table, drop.root / "in" / "t.parquet", use_deprecated_int96_timestamps=True)
    drop.load()
    assert drop.sql('SELECT "at" FROM raw.t ORDER BY 1') == [(datetime(1, 1, 1),), (datetime(9999, 12, 31),)]


def test_times_that_microseconds_cannot_say_are_told(drop: Any, the: Any) -> None:
    pq.write_table(pa.table({"at": pa.array([2**60], pa.timestamp("ms"))}), drop.root / "in" / "t.parquet")
    assert "its column at cannot be read" in the(drop.load(), "unreadable_file").detail


@pytest.mark.parametrize(
    "column",
    [
        pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")]),
        pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"]),
        pa.array([[2**30]], pa.list_(pa.date32())),
    ],
    ids=["no UTF-8", "a field twice", "no calendar's day"],
)
def test_a_column_that_cannot_be_read_costs_its_file_only(drop: Any, the: Any, column: pa.Array) -> None:
    pq.write_table(pa.table({"odd": column}), drop.root / "in" / "t.parquet")
    drop.write("good.csv", "a\n1\n")
    report = drop.load()
    assert "its column odd cannot be read" in the(report, "unreadable_file").detail
    assert report.tables == {"good": 1}


def test_nested_values_are_sound_json(drop: Any) -> None:
    pq.write_table(pa.table({"a": [[{"b": float("nan")}, {"b": 1.5}]]}), drop.root / "in" / "t.parquet")
    drop.load()
    assert drop.sql("SELECT a FROM raw.t") == [('[{"b": "nan"}, {"b": 1.5}]',)]
