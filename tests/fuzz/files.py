"""Files that have broken readers elsewhere, as bytes, with what a load makes of each."""

from __future__ import annotations

import gzip
import io
import warnings
import zipfile
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

GOOD = b"a,b\n1,x\n2,y\n"


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip; names may come twice."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def spoilt(content: bytes, at: int, by: bytes = b"\xff\x00\xff\x00") -> bytes:
    """The content with some bytes overwritten."""
    return content[:at] + by + content[at + len(by) :]


def workbook(*sheets: tuple[list[list[Any]], bool]) -> bytes:
    """A workbook of sheets, each with its rows and whether it is hidden."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True, "default_date_format": "yyyy-mm-dd hh:mm:ss"}) as book:
        for rows, is_hidden in sheets:
            sheet = book.add_worksheet()
            for number, row in enumerate(rows):
                sheet.write_row(number, 0, row)
            if is_hidden:
                sheet.hide()
            else:
                sheet.activate()
    return out.getvalue()


def far_corner() -> bytes:
    """A small table, and a stray value in the last cell that a sheet has."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["a", "b"])
        sheet.write_row(1, 0, [1, 2])
        sheet.write_string(1_048_575, 16_383, "x")
    return out.getvalue()


def parquet(columns: dict[str, Any], **how: Any) -> bytes:
    """A Parquet file."""
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, **how)
    return out.getvalue()


def no_utf8() -> pa.Array:
    """A column that says it is text and is none."""
    return pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")])


_DEEP = "[" * 5_000 + "]" * 5_000
_XLSX = workbook(([["a", "b"], ["1", "x"], ["2", "y"]], False))
_PARQUET = parquet({"a": ["1", "2"], "b": ["x", "y"]})

#: By name: the file; how many rows are loaded and lines rejected, or words of the sentence that refuses the file.
FILES: dict[str, tuple[bytes, tuple[int, int] | str]] = {
    "empty.csv": (b"", "it is empty"),
    "blank.csv": (b" \r\n\n", "it is empty"),
    "bom_only.csv": (b"\xef\xbb\xbf", "header"),
    "header_only.csv": (b"a,b\n", (0, 0)),
    "no_line_end.csv": (b"a,b\n1,x", (1, 0)),
    "mixed_ends.csv": (b"a,b\r1,x\n2,y\r\n3,z", (3, 0)),
    "bom_twice.csv": (b"\xef\xbb\xbfa,b\n\xef\xbb\xbf1,x\n2,y\n", (2, 0)),
    "same_headers.csv": (b"a,A,a_2,,\n1,2,3,4,5\n", (1, 0)),
    "nul.csv": (b"a,b\n1,\0\n", "NUL"),
    "huge_field.csv": (b'a,b\n1,"' + b"x\n" * 2_000_000 + b'"\n2,y\n', (2, 0)),
    "huge_header.csv": (b"a" * 300_000 + b",b\n1,2\n", "no header"),
    "open_quote.csv": (b'a,b\n1,"x\n', "never closed"),
    "ragged.csv": (b"a,b\n1\n2,x\n3,y\n4,z\n5,u\n6,v,w\n", (4, 2)),
    "all_ragged.csv": (b"a,b\n1\n2\n3\n", "3 of 3 lines are malformed"),
    "cut_utf8.csv": ("a,b\n1,é\n2,é\n3,é\n4,é\n5,é".encode()[:-1], "not utf-8"),
    "lone_surrogate.csv": ("a,b\n1,".encode("utf-16") + b"\x00\xd8\n\x00", "not utf-16"),
    "sep_letter.csv": (b"sep=|\na|b\n1|x\n", (1, 0)),
    "sep_quote.csv": (b'sep="\na,b\n', "malformed"),
    "really_xlsx.csv": (_XLSX, "Excel"),
    "really_csv.xlsx": (GOOD, "not an Excel workbook"),
    "really_csv.parquet": (GOOD, "not a Parquet file"),
    "really_csv.csv.gz": (GOOD, "cannot be unpacked"),
    "really_csv.zip": (GOOD, "not a zip"),
    "cut.csv.gz": (gzip.compress(GOOD * 500)[:-12], "cannot be unpacked"),
    "wrong_sum.csv.gz": (spoilt(gzip.compress(GOOD * 500), -8, b"\0\0\0\0"), "cannot be unpacked"),
    "bomb.csv.gz": (gzip.compress(b"a,b\n" + b"1,x\n" * 1_000_000, 9, mtime=0), "200 times its size"),
    "cut.zip": (zipped(("inner_cut.csv", GOOD * 500))[:-30], "not a zip"),
    "tricks.zip": (zipped(("../../up.csv", GOOD), ("/etc/root.csv", GOOD), ("C:\\win.csv", GOOD)), (6, 0)),
    "twice.zip": (zipped(("member.csv", GOOD), ("member.csv", b"a,b\n3,z\n")), "several files of this name"),
    "odd_lzma.zip": (spoilt(zipped(("inner_lzma.csv", GOOD * 500), method=zipfile.ZIP_LZMA), 70), "cannot be"),
    "odd_bz2.zip": (spoilt(zipped(("inner_bz2.csv", GOOD * 500), method=zipfile.ZIP_BZIP2), 70), "cannot be"),
    "odd_deflate.zip": (spoilt(zipped(("inner_deflate.csv", GOOD * 500)), 55), "cannot be unpacked"),
    "hidden_first.xlsx": (workbook(([["no"], [1]], True), ([["a"], ["x"], ["y"]], False)), (2, 0)),
    "far_corner.xlsx": (far_corner(), "memory"),
    "cut.xlsx": (_XLSX[: len(_XLSX) // 2], "not an Excel workbook"),
    "bare.json": (b"1", "a number"),
    "cut.json": (b'[{"a": 1}, {"a": ', "not valid JSON"),
    "concatenated.json": (b'{"a": 1}{"a": 2}', "something follows"),
    "numbers.json": (b'[{"a": NaN}, {"a": 1e999}, {"a": -0}, {"a": ' + b"9" * 5_000 + b"}]", (4, 0)),
    "same_keys.json": (b'[{"a": 1, "a": 2}, {"a": 3}, {"a": 4}]', (2, 1)),
    "deep.json": (f'[{{"a": {_DEEP}}}]'.encode(), "nested too deeply"),
    "deep.ndjson": (f'{{"a": {_DEEP}}}\n{{"a": 1}}\n{{"a": 2}}\n'.encode(), (2, 1)),
    "half_characters.ndjson": (b'{"\\ud800": "\\udfff"}\n{"a": "\\u0000"}\n', (2, 0)),
    "cut.parquet": (_PARQUET[: len(_PARQUET) - 20], "not a Parquet file"),
    "spoilt_footer.parquet": (spoilt(_PARQUET, len(_PARQUET) - 60), "not a Parquet file"),
    "no_utf8.parquet": (parquet({"a": no_utf8()}), "column a cannot be read"),
    "far_times.parquet": (
        parquet({"a": [datetime(1, 1, 1), datetime(9999, 12, 31)]}, use_deprecated_int96_timestamps=True),
        (2, 0),
    ),
    "nested.parquet": (parquet({"a": [[{"b": [1.5, float("nan")]}], None], "c": [1, 2]}), (2, 0)),
    "late.parquet": (parquet({"a": pa.array([[2**30]], pa.list_(pa.date32()))}), "column a cannot be read"),
}
