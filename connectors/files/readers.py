"""Chooses the reader of a file by its format, and gives a file's columns without its rows."""

from __future__ import annotations

from pathlib import Path

from connectors.files.finder import FoundFile
from connectors.files.names import column_names
from connectors.files.options import TableOptions
from connectors.files.staging import Staging, UnreadableError, duckdb_type
from connectors.files.unpack import content

_HEAD_BYTES = 1024 * 1024


def read(file: FoundFile, table: TableOptions, staging: Staging, scratch: Path) -> None:
    """Reads a file to its end into the staging area.

    Raises:
        UnreadableError: it cannot be read as a whole; what was staged is worth nothing.
    """
    import pyarrow as pa

    from connectors.files import delimited, excel, jsons, parquet

    if file.trouble:
        raise UnreadableError(file.trouble)
    try:
        with content(file, scratch) as path:
            match file.format:
                case "delimited":
                    delimited.read(path, table, staging)
                case "json":
                    jsons.read(path, table, staging)
                case "ndjson":
                    jsons.read_lines(path, table, staging)
                case "excel":
                    excel.read(path, table, staging)
                case "parquet":
                    parquet.read(path, staging)
                case _:
                    raise UnreadableError("nothing here reads files of its kind")
            staging.close()
    except (OSError, UnicodeError, pa.ArrowException) as error:
        raise UnreadableError(f"it cannot be read ({error})") from error


def columns(file: FoundFile, table: TableOptions, scratch: Path) -> dict[str, str]:
    """Gives the columns of a file with the DuckDB types they would land as, from its head.

    Raises:
        UnreadableError: the head cannot be read.
    """
    from connectors.files import delimited, excel, jsons, parquet

    if file.trouble or file.format is None:
        raise UnreadableError(file.trouble or "nothing here reads files of its kind")
    limit = _HEAD_BYTES if file.format in ("delimited", "ndjson") else None
    try:
        with content(file, scratch, limit) as path:
            match file.format:
                case "parquet":
                    schema = parquet.schema(path)
                    names, _ = column_names(schema.names)
                    kinds = [duckdb_type(parquet.landed_type(field.type)) for field in schema]
                    return dict(zip(names, kinds, strict=True))
                case "delimited":
                    headers = delimited.look(path, table, whole=False).headers
                case "excel":
                    headers = excel.headers(path, table)
                case _:
                    headers = jsons.keys(path, table, lines=file.format == "ndjson")
    except (OSError, UnicodeError) as error:
        raise UnreadableError(f"it cannot be read ({error})") from error
    return dict.fromkeys(column_names(headers)[0], "VARCHAR")
