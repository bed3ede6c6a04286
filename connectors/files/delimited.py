"""Reads CSV, TSV and their like, as RFC 4180 has it: every value as text, every malformed line told by its number.

A block of the file is cut into records with numpy (quote parity), records of the wrong width are taken out, and the
rest is parsed by Arrow. A block whose quotes are not clean goes record by record through a regular expression.
An empty field is NULL and a quoted empty one is an empty text. `_row` is the line of the file on which a record starts.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from connectors.files.options import TableOptions
from connectors.files.staging import Staging, UnreadableError
from connectors.files.text import find_encoding, utf8_blocks

LONGEST_RECORD = 16 * 1024 * 1024
_SAMPLE = 256 * 1024
_CANDIDATES = (",", ";", "\t", "|")
_LF, _CR = 10, 13
_LINE_END = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True)
class Dialect:
    """How the fields of a file are told apart."""

    delimiter: str
    quote: str

    @cached_property
    def field(self) -> bytes:
        d = re.escape(self.delimiter.encode())
        if not self.quote:
            return rb"[^%s\r\n]*" % d
        q = re.escape(self.quote.encode())
        return rb"(?:%s%s%s|(?!%s)[^%s\r\n]*)" % (q, self._inside, q, q, d)

    @cached_property
    def _inside(self) -> bytes:
        """What stands between quotes. Written so that there is one way to match it, hence no backtracking to fear.

        Possessive quantifiers would say so plainly, but match wrongly in Python before 3.11.4.
        """
        q = re.escape(self.quote.encode())
        return rb"[^%s]*(?:%s%s[^%s]*)*" % (q, q, q, q)

    @cached_property
    def record(self) -> re.Pattern[bytes]:
        """Matches one well-formed record without its line end."""
        d = re.escape(self.delimiter.encode())
        return re.compile(rb"%s(?:%s%s)*(?=\r|\n|\Z)" % (self.field, d, self.field))

    @cached_property
    def fields(self) -> re.Pattern[bytes]:
        return re.compile(rb"(?:\A|%s)(%s)" % (re.escape(self.delimiter.encode()), self.field))

    @cached_property
    def unclosed(self) -> re.Pattern[bytes]:
        """Matches a record whose last quote is still open at the end of the data."""
        d, q = re.escape(self.delimiter.encode()), re.escape(self.quote.encode())
        return re.compile(rb"(?:%s%s)*(%s)%s\Z" % (self.field, d, q, self._inside))

    def split(self, record: bytes) -> list[str]:
        """Gives the values of one well-formed record."""
        quote = self.quote
        values = [raw.decode() for raw in self.fields.findall(record)]
        if not quote:
            return values
        return [v[1:-1].replace(quote * 2, quote) if v.startswith(quote) else v for v in values]


@dataclass(frozen=True)
class Preamble:
    """What was learned from the start of a file: where the data begins, and the header."""

    encoding: str
    dialect: Dialect
    headers: list[str]
    skip_bytes: int
    first_line: int


@dataclass
class _Cut:
    """A block cut into records: what to parse, on which lines the records start, what was malformed."""

    clean: bytes
    lines: Any
    bad: list[tuple[int, str, str]]
    used: int
    line_ends: int


def read(path: Path, table: TableOptions, staging: Staging) -> None:
    """Reads a whole file into the staging area.

    Raises:
        UnreadableError: the file as a whole is no good.
    """
    preamble = look(path, table)
    names = staging.head(preamble.headers)
    dialect = preamble.dialect
    line, carry, skip = preamble.first_line, b"", preamble.skip_bytes
    for block, is_last in _with_last(utf8_blocks(path, preamble.encoding)):
        data = carry + block
        if skip:
            data, skip = data[skip:], max(0, skip - len(data))
        cut = _cut(data, dialect, len(names), line, is_last=is_last)
        for bad in cut.bad:
            staging.reject(*bad)
        _parse(cut, names, dialect, staging)
        carry = data[cut.used :]
        line += cut.line_ends
        if len(carry) > LONGEST_RECORD:
            raise UnreadableError(f"a quote is not closed within {LONGEST_RECORD // 2**20} MB", line)


def look(path: Path, table: TableOptions, *, whole: bool = True) -> Preamble:
    """Finds the encoding (verified over the whole file, or its start), the delimiter and the header.

    Raises:
        UnreadableError: there is no header, or it is malformed.
    """
    encoding = find_encoding(path, table.encoding, whole=whole)
    sample = b""
    for block in utf8_blocks(path, encoding):
        sample += block
        if len(sample) >= _SAMPLE:
            break
    skip, line = _skip_lines(sample, (table.header_row or 1) - 1)
    delimiter = table.delimiter
    declaration = re.match(rb"sep=([\t -~])(?:\r\n|\r|\n)", sample[skip:])
    if declaration and declaration[1] != table.quote.encode():
        delimiter = delimiter or declaration[1].decode()
        skip, line = skip + declaration.end(), line + 1
    while blank := _LINE_END.match(sample, skip):
        skip, line = blank.end(), line + 1
    body = sample[skip : skip + _SAMPLE]
    dialect = Dialect(delimiter or _sniff(body, table.quote, path), table.quote)
    if table.columns is not None:
        return Preamble(encoding, dialect, list(table.columns), skip, line)
    match = dialect.record.match(body)
    if match and match.end() == _SAMPLE:
        raise UnreadableError(f"its first line has more than {_SAMPLE // 1024} kB, so it is no header", line)
    if not match or not match[0].strip():
        raise UnreadableError("its header is malformed: a quote is not closed, or text follows one", line)
    headers = [value.strip() for value in dialect.split(match[0])]
    end = _LINE_END.match(body, match.end())
    after = end.end() if end else match.end()
    return Preamble(encoding, dialect, headers, skip + after, line + len(_LINE_END.findall(body[:after])))


def _skip_lines(sample: bytes, count: int) -> tuple[int, int]:
    position = 0
    for number in range(count):
        end = _LINE_END.search(sample, position)
        if end is None:
            raise UnreadableError(
                f"it has only {number + 1} lines, the header should be on line {count + 1}", number + 1
            )
        position = end.end()
    return position, count + 1


def _sniff(sample: bytes, quote: str, path: Path) -> str:
    """Picks the delimiter that cuts most records to the header's width; of equals the one that cuts finer."""
    best, best_score = "\t" if path.suffix.lower() in (".tsv", ".tab") else ",", (0.0, 0)
    for delimiter in _CANDIDATES:
        dialect = Dialect(delimiter, quote)
        widths: list[int] = []
        position = 0
        while position < len(sample) and len(widths) < 200:
            match = dialect.record.match(sample, position)
            end = _LINE_END.search(sample, match.end() if match else position)
            if match and match[0]:
                widths.append(len(dialect.fields.findall(match[0])))
            if end is None:
                break
            position = end.end()
        if not widths or widths[0] < 2:
            continue
        score = (round(sum(width == widths[0] for width in widths) / len(widths), 1), widths[0])
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _with_last(blocks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    held: bytes | None = None
    for block in blocks:
        if held is not None:
            yield held, False
        held = block
    yield held or b"", True


def _cut(data: bytes, dialect: Dialect, width: int, line: int, *, is_last: bool) -> _Cut:
    if is_last and data and data[-1] not in (_LF, _CR):
        data += b"\n"
    view = np.frombuffer(data, dtype=np.uint8)
    ends, widths_of = _line_ends(view, is_last=is_last)
    quotes = np.flatnonzero(view == ord(dialect.quote)) if dialect.quote else np.empty(0, dtype=np.int64)
    if len(quotes) and not _quotes_are_clean(view, quotes, dialect, is_last=is_last):
        return _cut_slowly(data, dialect, width, line, is_last=is_last)
    delimiters = np.flatnonzero(view == ord(dialect.delimiter))
    record_ends = ends
    if len(quotes):
        delimiters = delimiters[_outside(delimiters, quotes)]
        record_ends = ends[_outside(ends, quotes)]
    if not len(record_ends):
        return _Cut(b"", np.empty(0, np.int64), [], 0, 0)
    used = int(record_ends[-1]) + 1
    starts = np.concatenate(([0], record_ends[:-1] + 1))
    lengths = record_ends - starts - (widths_of[np.searchsorted(ends, record_ends)] - 1)
    counts = np.diff(np.searchsorted(delimiters, record_ends), prepend=0) + 1
    lines = line + np.searchsorted(ends, starts)
    line_ends = int(np.searchsorted(ends, used))
    filled = lengths > 0
    good = filled & (counts == width)
    if good.sum() == filled.sum():
        return _Cut(data[:used], lines[good], [], used, line_ends)
    bad = [
        (int(lines[i]), data[starts[i] : starts[i] + lengths[i]].decode(), _wrong_width(int(counts[i]), width))
        for i in np.flatnonzero(filled & ~good)[:200_000]
    ]
    keep = b"".join(data[starts[i] : record_ends[j] + 1] for i, j in _runs(good))
    return _Cut(keep, lines[good], bad, used, line_ends)


def _line_ends(view: Any, *, is_last: bool) -> tuple[Any, Any]:
    """Gives the position of each line end's last byte, and how many bytes the line end has."""
    feeds = view == _LF
    carriages = np.flatnonzero(view == _CR)
    if not len(carriages):
        ends = np.flatnonzero(feeds)
        return ends, np.ones(len(ends), dtype=np.int64)
    if not is_last:
        # A block's last byte may be half of a CRLF.
        carriages = carriages[carriages < len(view) - 1]
    followed = np.zeros(len(carriages), dtype=bool)
    inner = carriages < len(view) - 1
    followed[inner] = feeds[carriages[inner] + 1]
    alone = carriages[~followed]
    ends = np.sort(np.concatenate((np.flatnonzero(feeds), alone)))
    sizes = np.ones(len(ends), dtype=np.int64)
    sizes[np.searchsorted(ends, carriages[followed] + 1)] = 2
    return ends, sizes


def _quotes_are_clean(view: Any, quotes: Any, dialect: Dialect, *, is_last: bool) -> bool:
    """Tells whether every opening quote starts a field and every closing one ends it, so that parity is enough."""
    if is_last and len(quotes) % 2:
        return False
    quote = ord(dialect.quote)
    border = np.zeros(256, dtype=bool)
    border[[ord(dialect.delimiter), _LF, _CR, quote]] = True
    opening, closing = quotes[0::2], quotes[1::2]
    before = opening[opening > 0] - 1
    after = closing[closing < len(view) - 1] + 1
    return bool(border[view[before]].all() and border[view[after]].all())


def _outside(positions: Any, quotes: Any) -> Any:
    return np.searchsorted(quotes, positions) % 2 == 0


def _runs(good: Any) -> Iterator[tuple[int, int]]:
    """Gives first and last index of each stretch of good records."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], good.astype(np.int8), [0]))))
    for first, end in edges.reshape(-1, 2):
        yield int(first), int(end) - 1


def _cut_slowly(data: bytes, dialect: Dialect, width: int, line: int, *, is_last: bool) -> _Cut:
    keep, lines, bad = [], [], []
    position, line_ends = 0, 0
    # The last line end before the data stops may belong to a record or to a CRLF that goes on in the next block.
    limit = len(data) if is_last else len(data) - 1
    while position < limit:
        match = dialect.record.match(data, position)
        if match is None:
            unclosed = dialect.unclosed.match(data, position)
            if unclosed and not is_last:
                break
            here = line + line_ends
            if unclosed:
                opened = here + len(_LINE_END.findall(data, position, unclosed.start(1)))
                raise UnreadableError("a quote is opened and never closed", opened)
        end = _LINE_END.search(data, match.end() if match else position)
        if end is None or (end.end() > limit and not is_last):
            break
        text = data[position : end.start()]
        count = len(dialect.fields.findall(text)) if match else 0
        if match and text and count == width:
            keep.append(data[position : end.end()])
            lines.append(line + line_ends)
        elif text:
            reason = _wrong_width(count, width) if match else "text follows a closing quote, or a quote is not closed"
            bad.append((line + line_ends, text.decode(), reason))
        line_ends += len(_LINE_END.findall(data, position, end.end()))
        position = end.end()
    return _Cut(b"".join(keep), np.array(lines, dtype=np.int64), bad, position, line_ends)


def _wrong_width(count: int, width: int) -> str:
    return f"it has {count} field{'s' if count != 1 else ''}, the header has {width}"


def _parse(cut: _Cut, names: list[str], dialect: Dialect, staging: Staging) -> None:
    if not len(cut.lines):
        return
    # Arrow takes a mark at the start for a byte order mark, but here it belongs to a value.
    clean = codecs.BOM_UTF8 + cut.clean if cut.clean.startswith(codecs.BOM_UTF8) else cut.clean
    table = pa_csv.read_csv(
        pa.BufferReader(clean),
        read_options=pa_csv.ReadOptions(column_names=names, block_size=len(clean) + 1),
        parse_options=pa_csv.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char=dialect.quote or False,
            double_quote=True,
            newlines_in_values=bool(dialect.quote),
        ),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    if table.num_rows != len(cut.lines):
        raise UnreadableError(f"it parses to {table.num_rows} rows where {len(cut.lines)} records were counted",
                              int(cut.lines[0]))  # fmt: skip
    columns = {name: table.column(name).combine_chunks() for name in names}
    staging.add(columns, pa.array(cut.lines))
