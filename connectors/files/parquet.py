"""Reads Parquet with its own types; `_row` is the number of the record.

Integers land as BIGINT (unsigned 64 bit as DECIMAL(20,0)), floats as DOUBLE, times in microseconds; lists, structs and
maps as JSON text.
"""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connectors.files.staging import Staging, UnreadableError

_BATCH = 65_536


def read(path: Path, staging: Staging) -> None:
    """Reads the whole file.

    Raises:
        UnreadableError: it is not Parquet or is damaged.
    """
    try:
        # Dates far from today are written as 96 bits too, and are beyond what nanoseconds can say.
        with pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as file:
            names = staging.head(file.schema_arrow.names)
            done = 0
            for batch in file.iter_batches(batch_size=_BATCH):
                columns = {name: _landed(name, column) for name, column in zip(names, batch.columns, strict=True)}
                numbers = pa.array(range(done + 1, done + 1 + batch.num_rows), pa.int64())
                staging.add(columns, numbers)
                done += batch.num_rows
            if not done:
                empty = {n: pa.array([], landed_type(f.type)) for n, f in zip(names, file.schema_arrow, strict=True)}
                staging.add(empty, pa.array([], pa.int64()))
    except (pa.ArrowInvalid, OSError) as error:
        raise UnreadableError(f"it is not a Parquet file that can be read ({error})") from error


def schema(path: Path) -> pa.Schema:
    """Gives the file's columns and types as in the file."""
    try:
        return pq.read_schema(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise UnreadableError(f"it is not a Parquet file that can be read ({error})") from error


def landed_type(kind: pa.DataType) -> pa.DataType:
    """Gives the type that a column lands with."""
    t = pa.types
    if t.is_dictionary(kind):
        return landed_type(kind.value_type)
    if t.is_uint64(kind):
        return pa.decimal128(20, 0)
    if t.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    if t.is_decimal(kind) and kind.precision <= 38:
        return pa.decimal128(kind.precision, kind.scale)
    simple = (
        (t.is_integer, pa.int64()),
        (t.is_floating, pa.float64()),
        (t.is_boolean, pa.bool_()),
        (t.is_date, pa.date32()),
        (t.is_time, pa.time64("us")),
        (t.is_large_binary, pa.binary()),
        (t.is_fixed_size_binary, pa.binary()),
        (t.is_binary, pa.binary()),
    )
    return next((target for test, target in simple if test(kind)), pa.string())


def _landed(name: str, column: Any) -> Any:
    kind = column.type
    target = landed_type(kind)
    try:
        column.validate(full=True)
        if kind == target:
            return column
        if pa.types.is_nested(kind):
            return pa.array([None if value is None else _json(value) for value in column.to_pylist()], pa.string())
        # Nanoseconds are cut off, which a safe cast refuses.
        is_finer = pa.types.is_temporal(kind) and getattr(kind, "unit", "") == "ns"
        return pc.cast(column, target, safe=not is_finer)
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise UnreadableError(f"its column {name} cannot be read ({str(error).splitlines()[0]})") from error


def _json(value: Any) -> str:
    try:
        return json.dumps(value, default=str, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return json.dumps(_spelt(value), default=str, ensure_ascii=False)


def _spelt(value: Any) -> Any:
    """The value with texts for numbers that JSON does not have, such as NaN."""
    if isinstance(value, dict):
        return {key: _spelt(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_spelt(one) for one in value]
    return str(value) if isinstance(value, float) and not isfinite(value) else value
