"""Google Sheets API v4 with one spreadsheet of the office, and what Drive API v3 tells of its file.

Shapes: https://developers.google.com/workspace/sheets/api/reference/rest/v4/spreadsheets and
.../spreadsheets.values/batchGet, https://developers.google.com/workspace/drive/api/reference/rest/v3/files/get and, for
service accounts, https://developers.google.com/identity/protocols/oauth2/service-account. Named ranges and R1C1 are not
spoken here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.days import DAYS, END, day
from sandbox.exports.kit import Out
from sandbox.staff import make_staff
from sandbox.store import Record, Store
from sandbox.vendor import Changed, Desk, Limit, Night, Vendor
from sandbox.vendors import _google

SPREADSHEET_ID = "1demoMuehlbach_Buero-2026"
CLIENT_ID, CLIENT_SECRET = _google.CLIENT_ID, _google.CLIENT_SECRET
REFRESH_TOKEN = "1//demo-sheets-refresh"  # noqa: S105
SCOPES = (
    "https://www.googleapis.com/auth/spreadsheets.readonly",
    "https://www.googleapis.com/auth/drive.metadata.readonly",
)
_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_HEADERS = {
    "Personal": ["Personalnr", "Name", "E-Mail", "Abteilung", "Eintritt", "Aktiv"],
    "Werbebudget": ["Monat", "Kanal", "Budget", "Notiz"],
}
#: Lines that people put above a header.
_ABOVE = {"Werbebudget": [["Werbebudget 2025/26"], []]}
_CHANNELS = ("Google Ads", "Meta Ads", "Newsletter")
_COLUMNS = 26
_EPOCH = date(1899, 12, 30)
_NUMBER = ".2f"

Cell = str | int | float | bool | dict[str, Any] | None


class Refused(Exception):
    """A request that Google refuses."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def fill(out: Out, store: Store) -> None:
    """Makes the office's spreadsheet: who works there, and what advertising may cost."""
    at = int(datetime(END.year, END.month, END.day, 9, tzinfo=UTC).timestamp() * 1000)
    staff = make_staff(out.seed).iter_rows(named=True)
    people = [
        [f"{p['number']:04d}", f"{p['family']}, {p['given']}", p["email"], p["team"],
         _date(END - timedelta(days=p["hired_days_ago"])), p["is_active"]]
        for p in staff
    ]  # fmt: skip
    random = out.random("budget")
    months = sorted({day(i).replace(day=1) for i in range(DAYS)})
    budgets = [
        [f"{month:%Y-%m}", channel, round(float(random.uniform(400, 9000)), 2), None]
        for month in months for channel in _CHANNELS
    ]  # fmt: skip
    for title, rows in (("Personal", people), ("Werbebudget", budgets)):
        store.put(
            title,
            [
                Record(id=_key(title, row), body={"cells": row}, created=at, updated=at, seq=number)
                for number, row in enumerate(rows)
            ],
        )
        store.write_note(f"header {title}", _HEADERS[title])
    store.write_note("modified", at)
    store.write_note("version", 1)


def night(store: Store, night: Night) -> dict[str, Changed]:
    """What somebody did in the spreadsheet that day; on the second a column came, on the third one got another name."""
    done = {title: _edit(store, title, night) for title in _HEADERS}
    if night.number == 2:
        store.write_note("header Personal", [*store.note("header Personal"), "Telefon"])
        for record in store.page("Personal", limit=5):
            body = {"cells": [*record.body["cells"], f"+49 30 {night.random.randint(10_000, 99_999)}"]}
            store.put("Personal", [replace(record, body=body, updated=night.at)])
            done["Personal"].changed.append(record.id)
    if night.number == 3:
        store.write_note("header Werbebudget", ["Monat", "Kanal", "Budget", "Bemerkung"])
    store.write_note("modified", night.at)
    store.write_note("version", store.note("version", 1) + 1)
    return done


def _edit(store: Store, title: str, night: Night) -> Changed:
    there = store.page(title, limit=10_000)
    first, second, gone = night.random.sample(there, 3)
    width = len(store.note(f"header {title}"))
    for record in (first, second):
        cells = list(record.body["cells"])
        cells[2] = f"{night.number}.{cells[2]}" if isinstance(cells[2], str) else round(cells[2] + night.number, 2)
        store.put(title, [replace(record, body={"cells": cells}, updated=night.at)])
    store.delete(title, gone.id, night.at)
    new: list[list[Cell]] = [["" for _ in range(width)] for _ in range(2)]
    for number, row in enumerate(new):
        if title == "Personal":
            row[:6] = [f"9{night.number}{number:02d}", "Neu, Person", "neu@muehlbach-versand.example", "Lager",
                       _date(END + timedelta(night.number)), True]  # fmt: skip
        else:
            row[:4] = [f"2027-{night.number:02d}", _CHANNELS[number], 1000.5 + number, "geplant"]
    added = [Record(id=_key(title, row), body={"cells": row}, created=night.at, updated=night.at) for row in new]
    store.put(title, added)
    return Changed(added=[r.id for r in added], changed=[first.id, second.id], deleted=[gone.id])


def _key(title: str, row: Sequence[Cell]) -> str:
    return str(row[0]) if title == "Personal" else f"{row[0]}:{row[1]}"


def _date(value: date) -> dict[str, Any]:
    """A cell that Sheets knows to be a date: days since the end of 1899, and how they are shown."""
    return {"serial": (value - _EPOCH).days, "shown": f"{value:%d.%m.%Y}"}


def routes(desk: Desk) -> Sequence[Route]:
    """What Sheets, Drive and the token endpoint answer."""
    refreshed = _google.token_route("/token", desk, refresh_token=REFRESH_TOKEN, scope=" ".join(SCOPES)).endpoint

    async def token(request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        if form.get("grant_type") != _JWT_GRANT:
            answer: Response = await refreshed(request)
            return answer
        return _grant_to_service_account(form.get("assertion", ""), str(request.url), desk)

    async def spreadsheet(request: Request) -> Response:
        return _answered(lambda: _spreadsheet(request, desk.store))

    async def values(request: Request) -> Response:
        return _answered(lambda: _values(request, desk))

    async def file(request: Request) -> Response:
        return _file(request, desk.store)

    return [
        Route("/token", token, methods=["POST"]),
        Route("/v4/spreadsheets/{id}/values:batchGet", values, methods=["GET"]),
        Route("/v4/spreadsheets/{id}", spreadsheet, methods=["GET"]),
        Route("/drive/v3/files/{id}", file, methods=["GET"]),
    ]


def _answered(answer: Any) -> Response:
    try:
        return JSONResponse(answer())
    except Refused as refusal:
        return JSONResponse(_google.status_body(refusal.status, str(refusal)), refusal.status)


def _grant_to_service_account(assertion: str, audience: str, desk: Desk) -> Response:
    """Gives an access token for a JWT that the account of the note `service_account` signed."""
    import jwt

    account = desk.store.note("service_account")
    try:
        claims = jwt.decode(
            assertion, (account or {}).get("public_key", ""), algorithms=["RS256"], audience=audience,
            options={"require": ["exp", "iat", "iss", "aud"]},
        )  # fmt: skip
        if claims["iss"] != account["client_email"] or claims["exp"] - claims["iat"] > 3600:
            raise jwt.InvalidTokenError("claims")
    except (jwt.InvalidTokenError, ValueError, TypeError) as error:
        body = {"error": "invalid_grant", "error_description": f"Invalid JWT Signature. ({type(error).__name__})"}
        return JSONResponse(body, 400)
    if not set(SCOPES[:1]) <= set(str(claims.get("scope", "")).split()):
        return JSONResponse({"error": "invalid_scope", "error_description": "Empty or missing scope not allowed."}, 400)
    number = int(desk.store.note("tokens_issued", 0)) + 1
    issued = f"ya29.service-{number}"
    desk.store.write_note("tokens", {**desk.store.note("tokens", {}), issued: desk.now()})
    desk.store.write_note("tokens_issued", number)
    return JSONResponse({"access_token": issued, "expires_in": _google.LIFETIME - 1, "token_type": "Bearer"})


def _spreadsheet(request: Request, store: Store) -> dict[str, Any]:
    _known(request, {"fields", "includeGridData", "ranges", "excludeTablesInBandedRanges"})
    whole = {
        "spreadsheetId": _checked(request.path_params["id"]),
        "properties": {
            "title": "Büro", "locale": "de_DE", "autoRecalc": "ON_CHANGE", "timeZone": "Europe/Berlin",
        },
        "sheets": [
            {
                "properties": {
                    "sheetId": number * 1001, "title": title, "index": number, "sheetType": "GRID",
                    "gridProperties": {"rowCount": len(_grid(store, title)) + 20, "columnCount": _COLUMNS},
                }
            }
            for number, title in enumerate(_HEADERS)
        ],
        "spreadsheetUrl": f"https://docs.google.com/spreadsheets/d/{SPREADSHEET_ID}/edit",
    }  # fmt: skip
    mask = request.query_params.get("fields")
    return _masked(whole, mask.split(",")) if mask else whole


def _masked(whole: Any, paths: Sequence[str]) -> Any:
    """The fields that a mask of dotted paths names."""
    if isinstance(whole, list):
        return [_masked(one, paths) for one in whole]
    out: dict[str, Any] = {}
    for path in paths:
        name, _, rest = path.strip().partition(".")
        if name not in whole:
            raise Refused(400, f"Request contains an invalid argument. Invalid field selection {name}")
        inner = _masked(whole[name], [rest]) if rest else whole[name]
        if isinstance(out.get(name), dict):
            inner = {**out[name], **inner}
        out[name] = inner
    return out


def _values(request: Request, desk: Desk) -> dict[str, Any]:
    _known(request, {"ranges", "majorDimension", "valueRenderOption", "dateTimeRenderOption"})
    asked = request.query_params
    major = _one_of(asked, "majorDimension", ("ROWS", "COLUMNS"))
    render = _one_of(asked, "valueRenderOption", ("FORMATTED_VALUE", "UNFORMATTED_VALUE", "FORMULA"))
    dates = _one_of(asked, "dateTimeRenderOption", ("SERIAL_NUMBER", "FORMATTED_STRING"))
    spreadsheet, ranges = _checked(request.path_params["id"]), asked.getlist("ranges")
    if desk.faults.strikes("moving_page"):
        _stir(desk.store, desk.now())
    found = [_range(desk.store, one, major, render, dates) for one in ranges]
    return {"spreadsheetId": spreadsheet, "valueRanges": found}


def _range(store: Store, asked: str, major: str, render: str, dates: str) -> dict[str, Any]:
    title, top, left, bottom, right = _corners(store, asked)
    grid = _grid(store, title)
    rows = [[_shown(cell, render, dates) for cell in row[left : right + 1]] for row in grid[top : bottom + 1]]
    if major == "COLUMNS":
        width = max((len(row) for row in rows), default=0)
        rows = [[row[at] if at < len(row) else "" for row in rows] for at in range(width)]
    rows = [_trimmed(row) for row in rows]
    while rows and not rows[-1]:
        rows.pop()
    named = f"'{title}'" if re.search(r"\W", title) else title
    out: dict[str, Any] = {
        "range": f"{named}!{_letters(left)}{top + 1}:{_letters(right)}{bottom + 1}",
        "majorDimension": major,
    }
    return {**out, "values": rows} if rows else out


def _corners(store: Store, asked: str) -> tuple[str, int, int, int, int]:
    """Title, and first and last row and column, counted from 0, of a range in A1 notation."""
    found = re.fullmatch(r"(?:'((?:[^']|'')+)'|([^'!]+))(?:!([A-Z]*)(\d*)(?::([A-Z]*)(\d*))?)?", asked)
    title = (found[1] or found[2]).replace("''", "'") if found else ""
    if found is None or title not in _HEADERS:
        raise Refused(400, f"Unable to parse range: {asked}")
    rows = len(_grid(store, title)) + 20
    top = int(found[4] or 1) - 1
    left = _column(found[3] or "A")
    bottom = int(found[6]) - 1 if found[6] else rows - 1
    right = _column(found[5]) if found[5] else _COLUMNS - 1
    if max(top, bottom) >= rows or max(left, right) >= _COLUMNS:
        raise Refused(400, f"Range ({asked}) exceeds grid limits. Max rows: {rows}, max columns: {_COLUMNS}")
    return title, top, left, bottom, right


def _grid(store: Store, title: str) -> list[list[Cell]]:
    """All lines of a sheet; a row that was deleted leaves no gap."""
    records = store.page(title, limit=1_000_000)
    empty: list[list[Cell]] = [[] for _ in range(store.note("empty rows", 0))]
    return [
        *_ABOVE.get(title, []),
        store.note(f"header {title}"),
        *empty,
        *(record.body["cells"] for record in records),
    ]


def _shown(cell: Cell, render: str, dates: str) -> Any:
    if cell is None:
        return ""
    if isinstance(cell, dict):
        return cell["serial"] if render != "FORMATTED_VALUE" and dates == "SERIAL_NUMBER" else cell["shown"]
    if render != "FORMATTED_VALUE" or isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "WAHR" if cell else "FALSCH"
    return format(cell, _NUMBER).replace(".", ",") if isinstance(cell, float) else str(cell)


def _trimmed(row: list[Any]) -> list[Any]:
    while row and row[-1] == "":
        row = row[:-1]
    return row


def _stir(store: Store, now: int) -> None:
    """Somebody inserts an empty row below each header while the sheet is read, so that all others move down by one."""
    moves = store.note("empty rows", 0) + 1
    store.write_note("empty rows", moves)
    store.write_note("modified", now + moves)
    store.write_note("version", store.note("version", 1) + 1)


def _file(request: Request, store: Store) -> Response:
    """What Drive tells of the file; without `fields` little."""
    found = request.path_params["id"]
    if found != SPREADSHEET_ID:
        message = f"File not found: {found}."
        detail = {"message": message, "domain": "global", "reason": "notFound", "location": "fileId",
                  "locationType": "parameter"}  # fmt: skip
        return JSONResponse({"error": {"code": 404, "message": message, "errors": [detail]}}, 404)
    at = datetime.fromtimestamp(store.note("modified") / 1000, UTC)
    whole = {
        "kind": "drive#file", "id": found, "name": "Büro", "mimeType": "application/vnd.google-apps.spreadsheet",
        "modifiedTime": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z", "version": str(store.note("version")),
    }  # fmt: skip
    wanted = request.query_params.get("fields", "kind,id,name,mimeType").split(",")
    return JSONResponse({name: whole[name] for name in wanted if name in whole})


def _known(request: Request, names: set[str]) -> None:
    for name in request.query_params:
        if name not in names:
            raise Refused(
                400, f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. Field '
                f"'{name}' could not be found in request message."
            )  # fmt: skip


def _one_of(asked: Mapping[str, str], name: str, values: Sequence[str]) -> str:
    value = asked.get(name, values[0])
    if value not in values:
        raise Refused(400, f"Invalid value at '{name}' (type.googleapis.com), \"{value}\"")
    return value


def _checked(spreadsheet: str) -> str:
    if spreadsheet != SPREADSHEET_ID:
        raise Refused(404, "Requested entity was not found.")
    return spreadsheet


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _letters(column: int) -> str:
    return (_letters(column // 26 - 1) if column >= 26 else "") + chr(ord("A") + column % 26)


def _error(status: int) -> tuple[Any, Mapping[str, str]]:
    message = ""
    if status == 429:
        message = (
            "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute per user' of service "
            "'sheets.googleapis.com' for consumer 'project_number:467811223344'."
        )
    return _google.status_body(status, message), {}


def _is_page(request: Request) -> bool:
    return request.url.path.endswith("/values:batchGet")


def _listing(request: Request) -> str:
    """The pages of one sheet belong together."""
    return request.query_params.get("ranges", "").partition("!")[0]


def _records_of(body: Any) -> list[Any] | None:
    ranges = body.get("valueRanges") if isinstance(body, dict) else None
    return ranges[-1].get("values") if ranges else None


VENDOR = Vendor(
    name="google_sheets",
    source="",
    fill=fill,
    routes=routes,
    night=night,
    error=_error,
    authorised=lambda request, desk: _google.bearer_is_good(request, desk, is_page=_is_page),
    # Per minute, user and project; a project has 300.
    limit=Limit(requests=60, seconds=60),
    is_page=_is_page,
    listing=_listing,
    records_of=_records_of,
)
