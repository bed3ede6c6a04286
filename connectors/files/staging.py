"""The first phase of a load: one file's rows, read and verified, as Parquet parts in the scratch folder.

Nothing reaches the raw file before a file has been read to its end. Formats belong in their readers.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connectors.files.names import column_names

MAX_REJECTED = 100_000


class UnreadableError(Exception):
    """A file cannot be read as a whole; the message says why, `line` where."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        # Libraries say what is wrong in several lines.
        self.reason = " ".join(reason.split())
        super().__init__(self.reason)
        self.line = line


@dataclass(frozen=True)
class Rejected:
    """One line of a file that is not a row."""

    line: int
    text: str
    reason: str


@dataclass
class Staging:
    """Collects the rows of one file.

    `known` says which columns the raw table has already, as {name: DuckDB type}; values that do not fit a column's
    type go to a text column beside it. A new part begins when a batch brings other columns than the one before.
    """

    file: str
    folder: Path
    prefix: str
    loaded_at: datetime
    known: dict[str, str] = field(default_factory=dict)
    parts: list[tuple[Path, int]] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    mismatched: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    # Values in which half a character had to be replaced.
    mended: int = 0
    _writer: pq.ParquetWriter | None = None
    _written: int = 0
    _schema: pa.Schema | None = None

    @classmethod
    def nowhere(cls) -> Staging:
        """Gives a staging area for looking at headers only."""
        return cls(file="", folder=Path(), prefix="", loaded_at=datetime.min)

    def head(self, headers: Sequence[str]) -> list[str]:
        """Declares the file's headers (again, if later records bring more) and gives their column names."""
        names, notes = column_names(headers, list(self.headers))
        self.notes += notes
        self.headers = dict(zip(names, headers, strict=True))
        for name in names:
            self.types.setdefault(name, "VARCHAR")
        return names

    def reject(self, line: int, text: str, reason: str) -> None:
        """Notes a line that is not a row.

        Raises:
            UnreadableError: there are so many that the file itself must be wrong.
        """
        self.rejected.append(Rejected(line, text, reason))
        if len(self.rejected) > MAX_REJECTED:
            first = self.rejected[0]
            raise UnreadableError(f"more than {MAX_REJECTED} lines are malformed: {first.reason}", first.line)

    def add(self, columns: dict[str, pa.Array], row_numbers: pa.Array) -> None:
        """Writes a batch; rows without any value are left out."""
        table = self._landed(columns, row_numbers)
        if table.num_rows == 0 and self._writer is not None:
            return
        writer = self._writer
        if writer is None or table.schema != self._schema:
            writer = self._rotate(table.schema)
        writer.write_table(table, row_group_size=122_880)
        self._written += table.num_rows
        self.rows += table.num_rows

    def close(self) -> None:
        """Ends the last part; a file without rows still gets one, so that its columns exist.

        Raises:
            UnreadableError: too many of its lines were malformed.
        """
        if self._writer is None:
            self.add({name: pa.array([], pa.string()) for name in self.headers}, pa.array([], pa.int64()))
        self._end_part()
        bad, all_lines = len(self.rejected), len(self.rejected) + self.rows
        if (bad >= 10 and bad * 10 > all_lines) or bad * 2 > all_lines:
            first = self.rejected[0]
            raise UnreadableError(f"{bad} of {all_lines} lines are malformed; the first: {first.reason}", first.line)

    def _landed(self, columns: dict[str, pa.Array], row_numbers: pa.Array) -> pa.Table:
        """Puts the columns in the raw table's order; dlt would write a part in another order a second time."""
        count = len(row_numbers)
        landed = dict(self._fitting(name, column) for name, column in columns.items())
        loaded_at = pa.repeat(pa.scalar(self.loaded_at, pa.timestamp("us", "UTC")), count)
        arrays = {"_file": pa.repeat(self.file, count), "_row": row_numbers, "_loaded_at": loaded_at}
        for name, kind in self.known.items():
            if name in landed:
                arrays[name] = landed[name]
            elif name not in arrays and kind in _ARROW_TYPES and not name.startswith("_dlt"):
                arrays[name] = pa.nulls(count, _ARROW_TYPES[kind])
        arrays |= {name: column for name, column in landed.items() if name not in arrays}
        table = pa.table(arrays)
        if landed and all(column.null_count for column in landed.values()):
            return table.filter(_any_value(list(landed.values())))
        return table

    def _fitting(self, name: str, column: Any) -> tuple[str, Any]:
        kind = duckdb_type(column.type)
        self.types[name] = kind
        wanted = self.known.get(name, kind)
        if wanted == kind:
            return name, column
        text = column if kind == "VARCHAR" else pc.cast(column, pa.string())
        if wanted == "VARCHAR":
            self.types[name] = wanted
            return name, text
        beside = self._beside(name)
        self.types.pop(name)
        self.types[beside] = "VARCHAR"
        self.mismatched[name] = beside
        return beside, text

    def _beside(self, name: str) -> str:
        """A text column that the file does not fill itself."""
        names = itertools.chain([f"{name}_text"], (f"{name}_text_{number}" for number in itertools.count(2)))
        return next(n for n in names if n not in self.headers and self.known.get(n, "VARCHAR") == "VARCHAR")

    def _end_part(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self.parts.append((self._path(), self._written))
        self._writer, self._written = None, 0

    def _rotate(self, schema: pa.Schema) -> pq.ParquetWriter:
        self._end_part()
        self._schema = schema
        self._writer = pq.ParquetWriter(self._path(), schema, compression="lz4", use_dictionary=["_file", "_loaded_at"])
        return self._writer

    def _path(self) -> Path:
        return self.folder / f"{self.prefix}-{len(self.parts)}.parquet"


_ARROW_TYPES = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "BLOB": pa.binary(),
    "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
}


def duckdb_type(kind: pa.DataType) -> str:
    """Names the DuckDB type that a column of a staged part lands as."""
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP WITH TIME ZONE" if kind.tz else "TIMESTAMP"
    return next((name for name, arrow in _ARROW_TYPES.items() if arrow == kind), "VARCHAR")


def dlt_column(duckdb_type_name: str) -> dict[str, Any]:
    """Gives dlt's column hint for a type that `duckdb_type` names."""
    if duckdb_type_name.startswith("DECIMAL"):
        precision, scale = duckdb_type_name[8:-1].split(",")
        return {"data_type": "decimal", "precision": int(precision), "scale": int(scale)}
    if duckdb_type_name == "TIMESTAMP":
        return {"data_type": "timestamp", "timezone": False, "precision": 6}
    names = {
        "TIMESTAMP WITH TIME ZONE": "timestamp",
        "BIGINT": "bigint",
        "DOUBLE": "double",
        "BOOLEAN": "bool",
        "DATE": "date",
        "TIME": "time",
        "BLOB": "binary",
    }
    return {"data_type": names.get(duckdb_type_name, "text")}


def _any_value(columns: Sequence[Any]) -> Any:
    filled = pc.is_valid(columns[0])
    for column in columns[1:]:
        filled = pc.or_(filled, pc.is_valid(column))
    return filled
