"""Rows of a Python driver as Arrow batches, built column by column; no object per row outlives its batch.

For databases whose driver does not speak Arrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

_BYTES = 16 * 1024 * 1024
_FIRST, _MOST = 500, 50_000


def batches(cursor: Any, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Gives what a cursor still has, in batches of some 16 MB, however wide the rows are."""
    size = _FIRST
    while rows := cursor.fetchmany(size):
        batch = _batch(rows, schema)
        size = max(1, min(_MOST, _BYTES * len(rows) // max(batch.nbytes, 1)))
        yield batch


def sound(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Gives the batch with text that is text: a server without an encoding of its own sends any bytes."""
    try:
        batch.validate(full=True)
        return batch
    except pa.ArrowInvalid:
        arrays = [
            _array(column.cast(pa.binary()).to_pylist(), column.type) if column.type == pa.string() else column
            for column in batch.columns
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=batch.schema)


def _batch(rows: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    return pa.RecordBatch.from_arrays(
        [_array(values, field.type) for values, field in zip(columns, schema, strict=True)], schema=schema
    )


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Text that is no UTF-8, which SQLite stores like any other, comes with its bad bytes written as \\xNN."""
    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, UnicodeDecodeError):
        if kind != pa.string():
            raise
        return pa.array([None if value is None else _decoded(value) for value in values], kind)


def _decoded(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
