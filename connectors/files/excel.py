"""Reads one sheet of an Excel workbook, every cell as text; the workbook is held in memory.

Dates come as ISO text, times of day as hh:mm:ss, booleans as 'true' and 'false', numbers with the 15 digits that Excel
itself shows; the cell's display format (leading zeros by format) is not applied. A cell with an error such as #N/A is
NULL. `_row` is the row of the sheet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from connectors.files.options import TableOptions
from connectors.files.staging import Staging, UnreadableError

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
# Times of day are stored as a fraction of Excel's day zero.
_DAY_ZERO = r"^1899-12-3[01] (\d\d:\d\d:\d\d)"


def read(path: Path, table: TableOptions, staging: Staging) -> None:
    """Reads the table's sheet, or the first one.

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
    import fastexcel

    _refuse_encrypted(path)
    try:
        workbook = fastexcel.read_excel(path)
    except fastexcel.FastExcelError as error:
        raise UnreadableError(f"it is not an Excel workbook that can be opened ({_first_line(error)})") from error
    names = workbook.sheet_names
    sheet = table.sheet if table.sheet is not None else 1
    index = sheet - 1 if isinstance(sheet, int) else names.index(sheet) if sheet in names else -1
    if not 0 <= index < len(names):
        raise UnreadableError(f"it has no sheet {sheet!r}; its sheets are {', '.join(names)}")
    try:
        loaded = workbook.load_sheet(index, header_row=None, skip_rows=0, n_rows=limit, dtypes="string")
        return pa.table(loaded.to_arrow())
    except fastexcel.FastExcelError as error:
        raise UnreadableError(f"its sheet '{names[index]}' cannot be read ({_first_line(error)})") from error


def _refuse_encrypted(path: Path) -> None:
    with path.open("rb") as stream:
        if stream.read(8) == _OLE and _ENCRYPTED in stream.read(4 * 1024 * 1024):
            raise UnreadableError("it is protected by a password; save it without one")


def _header(cells: pa.Table, table: TableOptions) -> tuple[int, list[str], list[int]]:
    """Gives how many rows to skip, the headers, and their columns; columns without anything are left out."""
    if table.columns is not None:
        width = min(len(table.columns), cells.num_columns)
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
    text = pc.cast(column.combine_chunks(), pa.string())
    return pc.replace_substring_regex(text, _DAY_ZERO, r"\1")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
