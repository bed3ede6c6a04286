"""What is read from a spreadsheet, and how: each sheet whole, header and rows apart, and only if somebody edited it.

A row becomes a record with the headers as its fields. Sheets of more rows than a request takes are read again if
somebody edits them meanwhile. Shapes: https://developers.google.com/workspace/sheets/api/reference/rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from connectors._api.body import encode
from connectors._api.client import ApiError, Client
from connectors._api.resource import Head, Page, Reading, Resource
from connectors.base import ApiVersion, Source, Workspace

if TYPE_CHECKING:
    from connectors.google_sheets import GoogleSheetsOptions

#: Google announces no end of it.
VERSION = ApiVersion(name="v4", page="https://developers.google.com/workspace/sheets/api/release-notes")
_KEY = "_key"
_ROWS_PER_PAGE = 5_000
#: How often a sheet is read anew because somebody edited it between two requests.
_TRIES = 5


class _Moved(Exception):
    """The spreadsheet was edited between two requests."""


def resources(options: GoogleSheetsOptions) -> list[Resource]:
    """Gives a resource per sheet that the options name."""
    return [
        Resource(
            name=name,
            read=partial(_read, name=name),
            head=Head(key=_KEY),
            mode="snapshot",
            count=partial(_count, name=name),
            count_how="rows of the sheet",
        )
        for name in options.sheets
    ]


def look(api: Client, options: GoogleSheetsOptions, name: str) -> None:
    """Looks whether a sheet is there and has what the options name.

    Raises:
        ApiError: the sentence says what is missing.
    """
    row, columns = options.sheets[name].header_row, _grid(api, options, name)[1]
    _headers(api, options, name, _values(api, options, name, columns, (row, row))[0])


def unchanged(source: Source, workspace: Workspace, client: Callable[[Source, Any], Client]) -> bool:
    """Tells whether all sheets were read as they are asked for now, and Drive says that nobody edited since."""
    from connectors._api import ledger
    from connectors._api.options import parse
    from connectors.google_sheets import GoogleSheetsOptions

    options = parse(source, GoogleSheetsOptions)
    if options.always_read or workspace.pending.exists():
        return False
    with workspace.reading() as connection:
        states = ledger.read(connection).states
    names = [name for name in options.sheets if options.tables is None or name in options.tables]
    known = {str(states.get(name, {}).get("own", {}).get("modified")) for name in names}
    asked = all(states.get(name, {}).get("own", {}).get("asked") == _asked(options, name) for name in names)
    if len(known) != 1 or not asked:
        return False
    api = client(source, options)
    try:
        return _modified(api, options) in known
    finally:
        api.close()


def _read(reading: Reading, *, name: str) -> Iterator[Page]:
    """All rows of a sheet."""
    options: GoogleSheetsOptions = reading.options
    # Asked for before the rows: an edit in between has the next load read again.
    state = {"modified": _modified(reading.api, options), "asked": _asked(options, name)}
    records, repeated = _records(reading.api, options, name)
    notes = [f"{repeated} rows have the key of another row; only the last of them is loaded."] if repeated else []
    for start in range(0, max(len(records), 1), _ROWS_PER_PAGE):
        page = [encode(record) for record in records[start : start + _ROWS_PER_PAGE]]
        yield Page(records=page, state=state, notes=notes)


def _count(reading: Reading, *, name: str) -> int:
    """How many rows there are that have a key."""
    records, repeated = _records(reading.api, reading.options, name)
    return sum(record[_KEY] is not None for record in records) - repeated


def _records(api: Client, options: GoogleSheetsOptions, name: str) -> tuple[list[dict[str, Any]], int]:
    """The rows with their headers; and how many have a key that another one has."""
    for _ in range(_TRIES):
        try:
            headers, rows = _cells(api, options, name)
        except _Moved:
            continue
        key = [headers.index(one) for one in options.sheets[name].key or []]
        records = [
            {_KEY: _key_of(row, key) if key else str(number), **_fields(headers, row)}
            for number, row in rows
            if any(cell not in (None, "") for cell in row)
        ]
        keys = [record[_KEY] for record in records if record[_KEY] is not None]
        return records, len(keys) - len(set(keys))
    raise ApiError(
        f"Google Sheets (source '{api.source}'): somebody edited the spreadsheet each of the {_TRIES} times that "
        f"{name} was read. The next load reads it again."
    )


def _cells(api: Client, options: GoogleSheetsOptions, name: str) -> tuple[list[str], list[tuple[int, list[Any]]]]:
    """The headers, and the rows below with their numbers in the sheet.

    Raises:
        _Moved: somebody edited the spreadsheet between two requests.
    """
    header, size = options.sheets[name].header_row, options.rows_per_request
    last, columns = _grid(api, options, name)
    spans = [(start, min(start + size - 1, last)) for start in range(header + 1, last + 1, size)]
    before = _modified(api, options) if len(spans) > 1 else None
    # What comes in one answer is of one moment.
    found = _values(api, options, name, columns, (header, header), *spans[:1])
    for span in spans[1:]:
        found += _values(api, options, name, columns, span)
    if len(spans) > 1 and _modified(api, options) != before:
        raise _Moved
    rows = [
        (start + at, row) for (start, _), block in zip(spans, found[1:], strict=True) for at, row in enumerate(block)
    ]
    return _headers(api, options, name, found[0]), rows


def _headers(api: Client, options: GoogleSheetsOptions, name: str, found: Sequence[list[Any]]) -> list[str]:
    """The headers as names of fields: one that is empty or repeats gets the number of its column."""
    sheet = options.sheets[name]
    names: list[str] = []
    for place, cell in enumerate(found[0] if found else [], start=1):
        header = str(cell).strip()
        names.append(header if header and header not in names else f"{header or 'column'} {place}")
    missing = [key for key in sheet.key or [] if key not in names]
    if not names or missing:
        lacks = f"no column {missing[0]}; its header has {', '.join(names)}" if names else "no header"
        raise ApiError(
            f"Google Sheets (source '{api.source}'): row {sheet.header_row} of '{_title(options, name)}' has {lacks}. "
            f"Correct header_row or key in sources.{api.source}.sheets.{name}."
        )
    return names


def _fields(headers: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    cells = {header: row[at] if at < len(row) and row[at] != "" else None for at, header in enumerate(headers)}
    beyond = {f"column {at + 1}": row[at] for at in range(len(headers), len(row)) if row[at] != ""}
    return {**cells, **beyond}


def _key_of(row: Sequence[Any], places: Sequence[int]) -> str | None:
    """The cells of the key; None where one is empty, which sets the row aside with its reason."""
    cells = [row[at] if at < len(row) else "" for at in places]
    return None if "" in cells else ":".join(str(cell) for cell in cells)


def _grid(api: Client, options: GoogleSheetsOptions, name: str) -> tuple[int, int]:
    """Rows and columns of a sheet.

    Raises:
        ApiError: the spreadsheet has no such sheet.
    """
    found = api.get(_path(options), {"fields": "sheets.properties"})
    sheets = {one["properties"]["title"]: one["properties"] for one in found.get("sheets", [])}
    title = _title(options, name)
    if title not in sheets or "gridProperties" not in sheets[title]:
        raise ApiError(
            f"Google Sheets (source '{api.source}'): the spreadsheet has no sheet '{title}'; it has "
            f"{', '.join(sheets)}. Correct sources.{api.source}.sheets.{name}.sheet."
        )
    grid = sheets[title]["gridProperties"]
    return int(grid["rowCount"]), int(grid["columnCount"])


def _values(
    api: Client, options: GoogleSheetsOptions, name: str, columns: int, *spans: tuple[int, int]
) -> list[list[list[Any]]]:
    """The cells of some spans of rows, numbers as numbers; empty cells and rows at their ends are left out."""
    title = _title(options, name).replace("'", "''")

    def decode(body: bytes) -> list[list[list[Any]]]:
        import orjson

        found = orjson.loads(body)["valueRanges"]
        corners = [one["range"].rpartition("!")[2].partition(":")[0] for one in found]
        if corners != [f"A{start}" for start, _ in spans]:
            raise ValueError("the answer is to another question")
        return [one.get("values", []) for one in found]

    asked = {
        "ranges": [f"'{title}'!A{start}:{_letters(columns)}{end}" for start, end in spans],
        "majorDimension": "ROWS",
        "valueRenderOption": "UNFORMATTED_VALUE",
        "dateTimeRenderOption": "FORMATTED_STRING" if options.dates == "formatted" else "SERIAL_NUMBER",
    }
    rows: list[list[list[Any]]] = api.get(f"{_path(options)}/values:batchGet", asked, decode=decode)
    return rows


def _modified(api: Client, options: GoogleSheetsOptions) -> str | None:
    """When Drive saw the last edit; None where the login may not ask Drive, so that each load reads."""
    drive = replace(api, base_url=options.drive_url, _http=None)
    try:
        path = f"/drive/v3/files/{options.spreadsheet}"
        found: Mapping[str, Any] = drive.get(path, {"fields": "modifiedTime", "supportsAllDrives": "true"})
        return str(found["modifiedTime"])
    except ApiError as error:
        if error.status in (403, 404):
            return None
        raise
    finally:
        drive.close()


def _asked(options: GoogleSheetsOptions, name: str) -> str:
    """What the rows depend on beside the sheet: other options have it read again."""
    return f"{options.spreadsheet} {options.dates} {options.sheets[name].model_dump_json()}"


def _title(options: GoogleSheetsOptions, name: str) -> str:
    return options.sheets[name].sheet or name


def _path(options: GoogleSheetsOptions) -> str:
    return f"/{VERSION.name}/spreadsheets/{options.spreadsheet}"


def _letters(columns: int) -> str:
    """The letters of the column with this number, from 1."""
    columns, last = divmod(columns - 1, 26)
    return (_letters(columns) if columns else "") + chr(ord("A") + last)
