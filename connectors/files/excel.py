"""Reads one sheet of an Excel workbook, by default the first that is not hidden, every cell as text.

Dates come as ISO text, times of day as hh:mm:ss, booleans as 'true' and 'false', numbers with the 15 digits that Excel
itself shows; the cell's display format (leading zeros by format) is not applied. A cell with an error such as #N/A is
NULL, as are merged cells but for the first; a duration of a day or more comes as a moment of 1900. `_row` is the row of
the sheet. The workbook is held in memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from connectors.files import workbook
from connectors.files.options import TableOptions
from connectors.files.staging import Staging, UnreadableError

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
# Times of day are stored as a fraction of Excel's day zero.
_DAY_ZERO = r"^1899-12-3[01] (\d\d:\d\d:\d\d)"


def read(path: Path, table: TableOptions, staging: Staging) -> None:
    """Reads the table's sheet.

    Raises:
        UnreadableError: it is encrypted or damaged, or has no such sheet or no header.
    """
    cells = _cells(path, table, None)
    row, headers, used = _header(cells, table)
    names = staging.head(headers)
    body = cells.slice(row)
    columns = {name: _clean(body.column(index)) for name, index in zip(names, used, strict=True)}
    numbers = pa.array(range(row + 1, row + 1 + body.num_rows), pa.int64())
    if body.num_rows:
        staging.add(columns, numbers)


def headers(path: Path, table: TableOptions) -> list[str]:
    """Gives the headers of the sheet."""
    return _header(_cells(path, table, (table.header_row or 1) + 50), table)[1]


def _cells(path: Path, table: TableOptions, limit: int | None) -> pa.Table:
    _refuse_encrypted(path)
    asked = [str(path), json.dumps(table.sheet), json.dumps(limit)]
    done = subprocess.run([sys.executable, "-P", workbook.__file__, *asked], capture_output=True, check=False)  # noqa: S603
    if done.returncode == workbook.REFUSED:
        raise UnreadableError(done.stdout.decode())
    if done.returncode:
        raise UnreadableError(
            "its reader broke off, or needed more memory than there is; delete the empty rows and columns beyond its "
            "table and save it anew"
        )
    return pa.ipc.open_stream(done.stdout).read_all()


def _refuse_encrypted(path: Path) -> None:
    with path.open("rb") as stream:
        if stream.read(8) == _OLE and _ENCRYPTED in stream.read(4 * 1024 * 1024):
            raise UnreadableError("it is protected by a password; save it without one")


def _header(cells: pa.Table, table: TableOptions) -> tuple[int, list[str], list[int]]:
    """Gives how many rows to skip, the headers, and their columns; columns without anything are left out."""
    if table.columns is not None:
        width = min(len(table.columns), cells.num_columns)
        if any(cells.column(index).null_count < cells.num_rows for index in range(width, cells.num_columns)):
            raise UnreadableError(f"its sheet has {cells.num_columns} columns, the option columns names {width}")
        return (table.header_row or 1) - 1, list(table.columns[:width]), list(range(width))
    filled = [index for index in range(cells.num_columns) if cells.column(index).null_count < cells.num_rows]
    row = (table.header_row or _first_filled(cells, filled) + 1) - 1
    if not filled or row >= cells.num_rows:
        raise UnreadableError("its sheet has no header")
    texts = [cells.column(index)[row].as_py() for index in filled]
    below = cells.slice(row + 1)
    used = [
        (index, (text or "").strip())
        for index, text in zip(filled, texts, strict=True)
        if text or below.column(index).null_count < below.num_rows
    ]
    return row + 1, [text for _, text in used], [index for index, _ in used]


def _first_filled(cells: pa.Table, filled: list[int]) -> int:
    firsts = [pc.index(pc.is_valid(cells.column(index)), True).as_py() for index in filled]
    return min(firsts, default=0)


def _clean(column: Any) -> pa.Array:
    return pc.replace_substring_regex(column.combine_chunks(), _DAY_ZERO, r"\1")
