"""Writes tables the way the export buttons of real systems do, byte for byte the same every time.

Knows encodings, delimiters and workbooks. What the tables hold belongs in `exports/`.
"""

from __future__ import annotations

import shutil
from datetime import date, datetime
from pathlib import Path

import polars as pl

#: Says in a company folder what the sandbox wrote there.
MARKER = ".sandbox.json"


def write_csv(
    path: Path, frame: pl.DataFrame, *, delimiter: str = ",", encoding: str = "utf-8", bom: bool = False
) -> None:
    """Write a delimited file; plain UTF-8 goes straight from Polars to disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if encoding == "utf-8":
        frame.write_csv(path, separator=delimiter, include_bom=bom, quote_style="necessary")
        return
    text = frame.write_csv(separator=delimiter, quote_style="necessary")
    path.write_bytes(text.encode(encoding, errors="replace"))


def write_xlsx(path: Path, sheet: str, frame: pl.DataFrame) -> None:
    """Write one sheet with real dates and numbers, as a spreadsheet holds them."""
    import xlsxwriter

    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"default_date_format": "yyyy-mm-dd hh:mm", "remove_timezone": True, "strings_to_urls": False}
    with xlsxwriter.Workbook(path, options) as book:
        book.set_properties({"created": datetime(2026, 1, 1)})
        day = book.add_format({"num_format": "dd.mm.yyyy"})
        page = book.add_worksheet(sheet)
        page.write_row(0, 0, frame.columns, book.add_format({"bold": True}))
        for number, row in enumerate(frame.iter_rows(), start=1):
            for position, value in enumerate(row):
                if value is None:
                    continue
                if isinstance(value, date) and not isinstance(value, datetime):
                    page.write_datetime(number, position, datetime.combine(value, datetime.min.time()), day)
                else:
                    page.write(number, position, value)


def append_line(path: Path, text: str, encoding: str = "utf-8") -> int:
    """Append a raw line to a text file and return its number, counting from 1."""
    raw = path.read_bytes() if path.stat().st_size < 1 << 20 else None
    if raw is None:
        with path.open("rb") as stream:
            lines = sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b""))
    else:
        lines = raw.count(b"\n")
    with path.open("ab") as stream:
        stream.write(f"{text}\n".encode(encoding))
    return lines + 1


def empty(folder: Path) -> None:
    """Remove what an earlier generation left in a folder."""
    if folder.exists():
        shutil.rmtree(folder)


def mark_stale(folder: Path) -> None:
    """Note that the folder is the sandbox's and no longer, or not yet, what the sandbox would write."""
    (folder / MARKER).write_text("{}\n", encoding="utf-8")
