"""Prints the cells of one sheet as an Arrow stream of texts; to be run as a program of its own.

A workbook with a stray cell in the last row and column, or a damaged one, makes its reader ask for more memory than
there is, and then the whole process ends. So it gets a process that may end. Imports nothing of Millpond.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
from decimal import Decimal
from functools import partial
from typing import Any

#: The exit status after a sentence was printed in place of the cells.
REFUSED = 65
_PLAIN_NUMBER = r"^-?[0-9]+(\.[0-9]+)?$"


class _RefusedError(Exception):
    """The workbook cannot be read; the message says why."""


def main(path: str, wanted: str, limit: str) -> int:
    """Prints the sheet `wanted` (JSON: name, number from 1 or null for the first that is not hidden).

    Args:
        limit: how many rows are enough, as JSON; null for all.
    """
    import pyarrow as pa

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    out = sys.stdout.buffer
    try:
        cells = _cells(path, json.loads(wanted), json.loads(limit))
    except _RefusedError as error:
        out.write(str(error).encode())
        return REFUSED
    with pa.ipc.new_stream(out, cells.schema) as stream:
        stream.write_table(cells)
    return 0


def _cells(path: str, wanted: str | int | None, limit: int | None) -> Any:
    import fastexcel
    import pyarrow as pa

    try:
        workbook = fastexcel.read_excel(path)
    except fastexcel.FastExcelError as error:
        raise _RefusedError(f"it is not an Excel workbook that can be opened ({_first_line(error)})") from error
    names = workbook.sheet_names
    load: Any = partial(_load, workbook, limit)
    if wanted is None:
        # What is hidden is not what somebody exported.
        wanted = next((name for name in names if load(name, "string").visible == "visible"), names[0])
    elif isinstance(wanted, int) and 0 < wanted <= len(names):
        wanted = names[wanted - 1]
    if wanted not in names:
        raise _RefusedError(f"it has no sheet {wanted!r}; its sheets are {', '.join(names)}")
    texts, numbers = (pa.table(load(wanted, kind).to_arrow()) for kind in ("string", "float"))
    columns = [_exact(text, number) for text, number in zip(texts.columns, numbers.columns, strict=True)]
    return pa.table(columns, names=texts.column_names)


def _load(workbook: Any, limit: int | None, sheet: str, kind: str) -> Any:
    import fastexcel

    try:
        return workbook.load_sheet(sheet, header_row=None, skip_rows=0, n_rows=limit, dtypes=kind)
    except fastexcel.FastExcelError as error:
        raise _RefusedError(f"its sheet '{sheet}' cannot be read ({_first_line(error)})") from error


def _exact(texts: Any, numbers: Any) -> Any:
    """The texts with all 15 digits of their numbers, of which fastexcel writes nine decimals only."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    texts, numbers = pc.cast(texts.combine_chunks(), pa.string()), numbers.combine_chunks()
    plain = pc.if_else(pc.match_substring_regex(texts, _PLAIN_NUMBER), texts, pa.scalar(None, pa.string()))
    cut = pc.indices_nonzero(pc.fill_null(pc.not_equal(pc.cast(plain, pa.float64()), numbers), False))
    whole = [format(Decimal(f"{number:.15g}"), "f") for number in numbers.take(cut).to_pylist()]
    mask = np.zeros(len(texts), dtype=bool)
    mask[cut.to_numpy()] = True
    return pc.replace_with_mask(texts, pa.array(mask), pa.array(whole, pa.string()))


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
