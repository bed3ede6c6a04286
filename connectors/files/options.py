"""The options of a files source in millpond.toml, and what can be said against them without reading a file."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic import model_validator as check_model

from connectors.base import Source

Mode = Literal["increment", "snapshot"]


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


#: Patterns over file names; a single one stands for a list of one.
Patterns = Annotated[list[str], BeforeValidator(_one_or_many)]


class TableOptions(BaseModel):
    """`[sources.<name>.tables.<table>]`: which files make the table, and how to read them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    files: Annotated[Patterns, Field(min_length=1)]
    mode: Mode = "increment"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    quote: Annotated[str, Field(max_length=1)] = '"'
    encoding: str | None = None
    header_row: Annotated[int, Field(ge=1)] | None = None
    columns: Annotated[list[str], Field(min_length=1)] | None = None
    sheet: str | int | None = None
    records: str | None = None

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            b" ".decode(value, "replace")  # refuses codecs that are not of text, such as base64
            return codecs.lookup(value).name
        except (LookupError, UnicodeError):
            raise ValueError(f"'{value}' is not an encoding; try utf-8, utf-16, cp1252 or latin-1") from None

    @field_validator("delimiter", "quote")
    @classmethod
    def _plain(cls, value: str | None) -> str | None:
        if value and not (value.isascii() and value not in "\r\n\0"):
            raise ValueError("must be one ASCII character")
        return value

    @check_model(mode="after")
    def _apart(self) -> TableOptions:
        if self.delimiter and self.delimiter == self.quote:
            raise ValueError("delimiter and quote must differ")
        return self


class RemoteOptions(BaseModel):
    """`[sources.<name>.remote]`: how to get at a drop folder on another machine."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    access_key: SecretStr | None = None
    secret_key: SecretStr | None = None
    session_token: SecretStr | None = None
    region: str | None = None
    endpoint: Annotated[str, Field(pattern=r"^(https?://)?[^/]+$")] | None = None
    anonymous: bool = False
    password: SecretStr | None = None
    key_file: str | None = None
    passphrase: SecretStr | None = None
    host_key: str | None = None


class FilesOptions(BaseModel):
    """`[sources.<name>]` with `connector = "files"`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    path: str | None = None
    remote: RemoteOptions | None = None
    mode: Mode = "increment"
    ignore: Patterns = Field(default_factory=list)
    tables: dict[str, TableOptions] = Field(default_factory=dict)

    @field_validator("tables")
    @classmethod
    def _names(cls, value: dict[str, TableOptions]) -> dict[str, TableOptions]:
        for name in value:
            if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
                raise ValueError(
                    f"the table name '{name}' must be lower-case letters, digits and single underscores and start "
                    "with a letter"
                )
        return value

    @property
    def scheme(self) -> str:
        """What a remote drop folder is reached by, empty for a local one."""
        return (self.path or "").partition("://")[0] if self.path and self.path.startswith(_REMOTE) else ""

    @check_model(mode="after")
    def _agree(self) -> FilesOptions:
        if self.path and "://" in self.path and not self.scheme:
            raise ValueError("path is a folder, or begins with s3:// or sftp://")
        if self.remote is None and self.scheme != "sftp":
            return self
        given = self.remote.model_fields_set if self.remote else set()
        if not self.scheme:
            raise ValueError("remote is for a path that begins with s3:// or sftp://; remove it or correct path")
        wrong = sorted(given - _REMOTE_OPTIONS[self.scheme])
        if wrong:
            raise ValueError(f"remote.{wrong[0]} means nothing for {self.scheme}://; remove it")
        if ("access_key" in given) != ("secret_key" in given):
            raise ValueError("remote needs access_key and secret_key, or neither")
        if self.scheme == "sftp" and "@" not in (self.path or ""):
            raise ValueError("path names no user; write it like sftp://user@host/folder")
        return self


_REMOTE = ("s3://", "sftp://")
_REMOTE_OPTIONS = {
    "s3": {"access_key", "secret_key", "session_token", "region", "endpoint", "anonymous"},
    "sftp": {"password", "key_file", "passphrase", "host_key"},
}


def parse(source: Source) -> FilesOptions:
    """Reads the options of a source.

    Raises:
        ValidationError: see `sentences` for what to tell a person.
    """
    return FilesOptions.model_validate(dict(source.options))


def sentences(source: Source, error: ValidationError) -> list[str]:
    """Turns pydantic's errors into one sentence each."""
    out = []
    for problem in error.errors():
        key = ".".join(str(part) for part in ("sources", source.name, *problem["loc"]))
        if problem["type"] == "extra_forbidden":
            out.append(f"millpond.toml: {key} is not an option of the files connector; remove it or mend its spelling.")
        else:
            what = problem["msg"].removeprefix("Value error, ")
            out.append(f"millpond.toml: {key}: {what}.")
    return out


def drop_folder(source: Source, options: FilesOptions) -> Path | None:
    """Gives the drop folder as an absolute path, None if the tables' patterns say where files are."""
    return None if options.path is None else (source.root / options.path).resolve()
