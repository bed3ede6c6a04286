"""Google Sheets: the rows below the header of each sheet that the company names.

How to reach a spreadsheet and what its refusals mean; what is read is in `resources`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from connectors._api.client import Answer, Client, Manners
from connectors._api.connector import api_connector, client_of, refusals
from connectors._api.options import ApiOptions
from connectors._api.pace import Rate
from connectors._google import TOKEN_URL, error_of, explained
from connectors.base import Extraction, Source, Workspace
from connectors.google_sheets.login import SCOPES, login
from connectors.google_sheets.resources import VERSION, look, resources, unchanged

_ID = re.compile(r"(?:https://docs\.google\.com/spreadsheets/d/)?([\w-]{10,})(?:[/?#].*)?")


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class SheetOptions(BaseModel):
    """`[sources.<name>.sheets.<table>]`: which sheet makes the table, and where its header is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sheet: str | None = None
    header_row: Annotated[int, Field(ge=1)] = 1
    key: Annotated[list[str], BeforeValidator(_one_or_many), Field(min_length=1)] | None = None


class GoogleSheetsOptions(ApiOptions):
    """`[sources.<name>]` with `connector = "google_sheets"`."""

    spreadsheet: str = Field(description="Address of the spreadsheet, or its id.")
    sheets: dict[str, SheetOptions] = Field(
        min_length=1, description="Tables by name: sheet, header_row, key (headers of the columns that name a row)."
    )
    client_id: str | None = Field(default=None, description="OAuth client of your Google Cloud project.")
    client_secret: SecretStr | None = Field(default=None, description="Secret of the OAuth client.")
    refresh_token: SecretStr | None = Field(default=None, description="Refresh token of somebody who sees the file.")
    service_account: SecretStr | None = Field(
        default=None, description="Key file of a service account, or what is in it; instead of the three above."
    )
    dates: Literal["formatted", "serial"] = Field(
        default="formatted", description="Dates as the sheet shows them, or as days since 1899-12-30."
    )
    always_read: bool = Field(
        default=False, description="Read even if Drive says that nobody edited; for formulas that change by themselves."
    )
    rows_per_request: int = Field(default=20_000, ge=2, description="Rows asked for at once.")
    token_url: str = Field(default=TOKEN_URL, pattern=r"^https?://", description="Where access tokens are had.")
    drive_url: str = Field(
        default="https://www.googleapis.com", pattern=r"^https?://", description="Address of the Drive interface."
    )

    @field_validator("spreadsheet")
    @classmethod
    def _id(cls, value: str) -> str:
        found = _ID.fullmatch(value)
        if found is None:
            raise ValueError("is no address like https://docs.google.com/spreadsheets/d/…/edit and no id")
        return found[1]

    @field_validator("sheets")
    @classmethod
    def _names(cls, value: dict[str, SheetOptions]) -> dict[str, SheetOptions]:
        for name in value:
            if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
                raise ValueError(
                    f"the table name '{name}' must be lower-case letters, digits and single underscores; give the "
                    "sheet's own name as sheet"
                )
        return value

    @model_validator(mode="after")
    def _one_login(self) -> GoogleSheetsOptions:
        person = [self.client_id, self.client_secret, self.refresh_token]
        if (self.service_account is None) == (None in person):
            raise ValueError("needs either service_account, or client_id, client_secret and refresh_token")
        return self


def client(source: Source, options: GoogleSheetsOptions) -> Client:
    """Makes the client: a user has 60 reads a minute in a project."""
    return client_of(
        source,
        options,
        title="Google Sheets",
        base_url="https://sheets.googleapis.com",
        auth=login(source, options),
        account=options.spreadsheet,
        rate=Rate(requests=60, seconds=60),
        manners=Manners(explain=_explain),
    )


def _explain(answer: Answer, path: str) -> str | None:
    general = explained(answer, scope=SCOPES[0], service="Google Sheets API")
    if general:
        return general
    if answer.status in (403, 404):
        return (
            "this login may not see the spreadsheet, or there is none; check spreadsheet, and share it with the person "
            "or with the service account's address (client_email in its key file)."
        )
    said = str(error_of(answer).get("message", ""))
    return f"refused: {said}" if said else None


def _probe(api: Client, options: GoogleSheetsOptions) -> Iterator[str]:
    return refusals(*(lambda name=name: look(api, options, name) for name in options.sheets))


def _build(source: Source, workspace: Workspace) -> Extraction:
    """Prepares a load, unless nobody edited the spreadsheet since the last one."""
    if unchanged(source, workspace, client):
        return Extraction()
    return _READS.build(source, workspace)


_READS = api_connector(
    name="google_sheets",
    title="Google Sheets",
    description="Sheets of a spreadsheet, row by row.",
    options=GoogleSheetsOptions,
    client=client,
    resources=resources,
    version=VERSION,
    probe=_probe,
)
CONNECTOR = replace(_READS, build=_build)
