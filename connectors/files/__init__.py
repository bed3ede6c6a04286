"""The files connector: a drop folder of exports (CSV, XLSX, JSON, Parquet, packed or not), here, in S3 or behind SFTP.

Importing it is cheap; dlt and Arrow load with the first file that has to be read. Mappings come from the company's
folder, since only the company knows what is in its files.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from pydantic import ValidationError

from connectors.base import Connector, Extraction, Source, Workspace
from connectors.files.options import FilesOptions, drop_folder, parse, sentences


def build(source: Source, workspace: Workspace) -> Extraction:
    """Prepares a load; see `extract`."""
    from connectors.files import extract

    return extract.build(source, workspace)


def discover(source: Source) -> dict[str, dict[str, str]]:
    """Gives the tables and columns that a load would bring, from the heads of the files it can read.

    Of a remote folder only the newest file of each kind is looked at.
    """
    options = parse(source)
    if not options.scheme:
        return _columns(source, options, None)
    from connectors.files import remote

    with tempfile.TemporaryDirectory() as folder:
        remote.mirror(source, options, Path(folder), lambda what, done, total: None, chosen=remote.newest)
        return _columns(source, options, Path(folder))


def _columns(source: Source, chosen: FilesOptions, mirror: Path | None) -> dict[str, dict[str, str]]:
    from connectors.files import readers
    from connectors.files.finder import find
    from connectors.files.staging import UnreadableError

    found = find(source, chosen, mirror)
    tables: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for table, files in found.tables.items():
            options = found.options[table]
            columns: dict[str, str] = {}
            for file in files[-1:] if options.mode == "snapshot" else files:
                try:
                    here = readers.columns(file, options, Path(scratch))
                except UnreadableError:
                    continue
                columns |= {name: kind for name, kind in here.items() if name not in columns}
            if columns:
                own = {"_file": "VARCHAR", "_row": "BIGINT", "_loaded_at": "TIMESTAMP WITH TIME ZONE"}
                tables[table] = {**columns, **own}
    return tables


def problems(source: Source) -> list[str]:
    """Gives one sentence per mistake in the options, and per folder or pattern that finds nothing."""
    from connectors.files.finder import find

    try:
        options = parse(source)
    except ValidationError as error:
        return sentences(source, error)
    key = f"sources.{source.name}"
    if options.path is None and not options.tables:
        return [f"millpond.toml: {key} needs path, the drop folder, or tables with their files."]
    if options.scheme:
        return []
    folder = drop_folder(source, options)
    if folder is not None and not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        return [f"millpond.toml: {key}.path: {folder} {what}; correct the path or create the folder."]
    found = find(source, options)
    if not found.tables:
        return [f"millpond.toml: {key}.path: no file in {folder} can be read; put exports there."]
    out = [
        f"millpond.toml: {key}.tables.{table}.files: no file matches {', '.join(found.options[table].files)} in "
        f"{folder or source.root}; correct the pattern or put the export there."
        for table, files in found.tables.items()
        if not files
    ]
    for name, tables in found.overlaps.items():
        out.append(
            f"millpond.toml: {key}.tables: {name} matches {' and '.join(tables)}, {tables[0]} would have it; make the "
            "patterns exclude each other."
        )
    return out


def connect(source: Source) -> list[str]:
    """Gives one sentence if a remote folder cannot be read; a local one has nothing to ask."""
    found = problems(source)
    options = parse(source) if not found else None
    if options is None or not options.scheme:
        return found
    from connectors.files import remote

    return remote.troubles(source, options)


CONNECTOR = Connector(
    name="files",
    title="Files",
    description="A drop folder of CSV, TSV, XLSX, JSON, NDJSON or Parquet exports, also gzipped or zipped; here, in S3 "
    "or behind SFTP.",
    options=FilesOptions,
    build=build,
    discover=discover,
    problems=problems,
    connect=connect,
)
