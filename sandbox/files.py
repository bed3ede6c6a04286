"""Writes tables the way the export buttons of real systems do, byte for byte the same every time.

Knows encodings, delimiters and containers. What the tables hold belongs in `exports/`.
"""

from __future__ import annotations

import gzip
import io
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

import polars as pl

#: Says in a company folder what the sandbox wrote there.
MARKER = ".sandbox.json"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def csv_bytes(
    frame: pl.DataFrame,
    *,
    delimiter: str = ",",
    encoding: str = "utf-8",
    bom: bool = False,
    preamble: Sequence[str] = (),
) -> bytes:
    """The frame as delimited text in the given encoding; `preamble` lines stand above the header."""
    body = frame.write_csv(separator=delimiter, quote_style="necessary")
    text = "".join(f"{line}\n" for line in preamble) + body
    if encoding == "utf-16":
        return b"\xff\xfe" + text.encode("utf-16-le")
    return (b"\xef\xbb\xbf" if bom else b"") + text.encode(encoding, errors="replace")


def write_csv(path: Path, frame: pl.DataFrame, **style: str | bool | Sequence[str]) -> None:
    """Write a delimited file; plain UTF-8 goes straight from Polars to disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if style.get("encoding", "utf-8") == "utf-8" and not style.get("preamble"):
        frame.write_csv(
            path,
            separator=str(style.get("delimiter", ",")),
            include_bom=bool(style.get("bom", False)),
            quote_style="necessary",
        )
        return
    path.write_bytes(csv_bytes(frame, **style))  # type: ignore[arg-type]


def write_ndjson(path: Path, frame: pl.DataFrame) -> None:
    """Write one JSON object a line; a name that ends in .gz is compressed, without the time in its header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix != ".gz":
        frame.write_ndjson(path)
        return
    buffer = io.BytesIO()
    frame.write_ndjson(buffer)
    with path.open("wb") as raw, gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as packed:
        packed.write(buffer.getbuffer())


def write_json(path: Path, frame: pl.DataFrame) -> None:
    """Write one JSON array of objects."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = frame.write_ndjson().splitlines()
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def write_zip(path: Path, members: Mapping[str, bytes]) -> None:
    """Write a zip whose members all bear the same old date."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, _LONG_AGO)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)


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
