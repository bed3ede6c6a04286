"""The encoding of a text file: found out, verified to the last byte, and turned into UTF-8 as a stream."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from connectors.files.staging import UnreadableError

BLOCK = 8 * 1024 * 1024
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MAGIC = (
    (b"PK\x03\x04", "an Excel workbook or a zip"),
    (b"\x1f\x8b", "a gzip"),
    (b"\xd0\xcf\x11\xe0", "an old or encrypted Excel workbook"),
    (b"PAR1", "a Parquet file"),
    (b"%PDF", "a PDF"),
)
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


def find_encoding(path: Path, declared: str | None = None, *, whole: bool = True) -> str:
    """Finds the encoding and reads the whole file once (or only its first block) to be sure of it.

    A byte order mark has the first word, then `declared`. Without: UTF-16 if every other byte of the start is NUL,
    else UTF-8, else Windows-1252, which contains Latin-1's letters. A file that is UTF-8 but for a few bytes is
    damaged, not Windows-1252.

    Raises:
        UnreadableError: it is empty, not text, or has bytes that its encoding does not know.
    """
    with path.open("rb") as stream:
        start = stream.read(64 * 1024)
    if not start.strip():
        raise UnreadableError("it is empty, without even a header")
    for magic, what in _MAGIC:
        if start.startswith(magic):
            raise UnreadableError(f"it is not text but {what}; give it the right file extension")
    encoding = _marked(start) or declared or _utf16_unmarked(start) or "utf-8"
    trouble = _verify(path, encoding, whole=whole)
    if trouble is None:
        return encoding
    guessed = declared is None and encoding == "utf-8" and not start.startswith(codecs.BOM_UTF8)
    if guessed and not _mostly_utf8(path, trouble) and _verify(path, "cp1252", whole=whole) is None:
        return "cp1252"
    raise UnreadableError(
        f"byte {trouble + 1} is not {encoding}; if the file is in another encoding, name it with the table's option "
        "encoding",
        line_at(path, trouble, encoding),
    )


def utf8_blocks(path: Path, encoding: str) -> Iterator[bytes]:
    """Streams the file as UTF-8 without its byte order mark."""
    with path.open("rb") as stream:
        start = stream.read(4)
        stream.seek(next((len(bom) for bom, name in _BOMS if start.startswith(bom) and name == encoding), 0))
        if encoding == "utf-8":
            while block := stream.read(BLOCK):
                yield block
            return
        decoder = codecs.getincrementaldecoder(encoding)()
        while block := stream.read(BLOCK):
            yield decoder.decode(block).encode()
        yield decoder.decode(b"", final=True).encode()


def line_at(path: Path, position: int, encoding: str) -> int:
    """Gives the number of the line that holds a byte, counting from 1."""
    feed, carriage = (sign.encode(encoding) for sign in "\n\r")
    feeds = carriages = 0
    with path.open("rb") as stream:
        while position > 0 and (block := stream.read(min(BLOCK, position))):
            position -= len(block)
            feeds += block.count(feed)
            carriages += block.count(carriage)
    return (feeds or carriages) + 1


def _marked(start: bytes) -> str | None:
    return next((name for bom, name in _BOMS if start.startswith(bom)), None)


def _utf16_unmarked(start: bytes) -> str | None:
    even, odd = start[0:4096:2], start[1:4096:2]
    if len(start) < 4 or len(even) != len(odd):
        return None
    if odd.count(0) > 0.4 * len(odd) and not even.count(0):
        return "utf-16-le"
    if even.count(0) > 0.4 * len(even) and not odd.count(0):
        return "utf-16-be"
    return None


def _verify(path: Path, encoding: str, *, whole: bool) -> int | None:
    """Gives the position of the first byte that the encoding does not know, None if there is none.

    Raises:
        UnreadableError: the text contains the character NUL.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    done = 0
    with path.open("rb") as stream:
        while True:
            block = stream.read(BLOCK)
            held = len(decoder.getstate()[0])
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                return done - held + error.start
            if "\0" in text:
                before = text[: text.index("\0")]
                position = done - held + len(before.encode(encoding))
                raise UnreadableError(
                    f"byte {position + 1} is a NUL character, so it is not {encoding} text; if it is utf-16, name it "
                    "with the table's option encoding",
                    line_at(path, position, encoding),
                )
            if not block or not whole:
                return None
            done += len(block)


def _mostly_utf8(path: Path, position: int) -> bool:
    """Tells whether the neighbourhood of a bad byte is UTF-8 that was damaged."""
    with path.open("rb") as stream:
        stream.seek(max(0, position - 512 * 1024))
        sample = stream.read(1024 * 1024)
    good = len(_MULTIBYTE.findall(sample))
    other = len(re.findall(rb"[\x80-\xff]", _MULTIBYTE.sub(b"", sample)))
    return good > other
