"""The options of a sql_database source in millpond.toml, and what can be said against them without asking a server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, unquote

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic import model_validator as check_model

from connectors.base import ConnectorError, Source

Kind = Literal["postgresql", "mysql", "sqlite"]

KINDS: dict[str, Kind] = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "sqlite": "sqlite",
}
DAY = timedelta(days=1)
_URL = re.compile(
    r"(?P<kind>[a-z]+)(?:\+\w+)?://(?:(?P<user>[^:/@]*)(?::(?P<password>[^?]*))?@)?"
    r"(?P<host>\[[^\]]+\]|[^:/?@]*)(?::(?P<port>\d+))?(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_DURATION = re.compile(r"(\d+)\s*(second|minute|hour|day|week)s?")


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


#: Names or patterns; a single one stands for a list of one.
Names = Annotated[list[str], BeforeValidator(_one_or_many)]


class TableOptions(BaseModel):
    """`[sources.<name>.tables.<table>]`: how one table is read; the table is named as in the database."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    cursor: str | None = None
    lookback: Annotated[int, Field(ge=0)] | str | None = None
    key: Annotated[Names, Field(min_length=1)] | None = None
    mode: Literal["increment", "snapshot"] | None = None
    columns: Annotated[Names, Field(min_length=1)] | None = None
    exclude: Names = Field(default_factory=list)

    @field_validator("lookback")
    @classmethod
    def _duration(cls, value: int | str | None) -> int | str | None:
        if isinstance(value, str) and not _DURATION.fullmatch(value):
            raise ValueError(f"'{value}' is not a duration; write it like '2 hours' or '1 day', or a number for an id")
        return value

    @check_model(mode="after")
    def _agree(self) -> TableOptions:
        if self.mode == "increment" and self.cursor is None:
            raise ValueError("mode 'increment' needs cursor, the column that grows with every change")
        if self.mode == "snapshot" and self.cursor is not None:
            raise ValueError("mode 'snapshot' reads the whole table and has no use for cursor; remove one of them")
        if self.lookback is not None and self.cursor is None:
            raise ValueError("lookback is nothing without cursor; remove it or name the cursor")
        return self

    @property
    def back(self) -> timedelta:
        """How far before the last time seen an increment begins, for a cursor that is a time."""
        found = _DURATION.fullmatch(self.lookback) if isinstance(self.lookback, str) else None
        return timedelta(**{f"{found[2]}s": int(found[1])}) if found else DAY

    @property
    def steps_back(self) -> int:
        """How far before the last number seen an increment begins, for a cursor that is a number."""
        return self.lookback if isinstance(self.lookback, int) else 1000


class SqlOptions(BaseModel):
    """`[sources.<name>]` with `connector = "sql_database"`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: SecretStr = Field(description="Where the database is, like `postgresql://user@host:5432/database`.")
    password: SecretStr | None = Field(default=None, description="Password, as it is; better here than in `url`.")
    schema_name: str | None = Field(
        default=None, alias="schema", description="Schema to read; default: `public`, for MySQL the database."
    )
    tables: dict[str, TableOptions] = Field(
        default_factory=dict, description="How single tables are read: cursor, lookback, key, mode, columns, exclude."
    )
    include: Names = Field(
        default_factory=list, description="Patterns of tables to read; default: those of `tables`, without it all."
    )
    ignore: Names = Field(default_factory=list, description="Patterns of tables to leave out.")
    deletes: Literal["sweep", "keep"] = Field(
        default="sweep", description="Mark rows whose key is gone (`sweep`), or do not look (`keep`)."
    )
    accept_shrink: Names = Field(
        default_factory=list, description="Tables that may lose more than half of their rows in one load."
    )

    @field_validator("url")
    @classmethod
    def _readable(cls, value: SecretStr) -> SecretStr:
        found = _URL.fullmatch(value.get_secret_value())
        if found is None or found["kind"] not in KINDS:
            raise ValueError(
                "is not a URL like postgresql://user@host:5432/database, mysql://user@host/database or "
                "sqlite:///file.db; give a password with special characters as the option password"
            )
        if found["kind"] != "sqlite" and not (found["host"] and found["database"]):
            raise ValueError("names no host or no database; write it like postgresql://user@host:5432/database")
        return value

    @check_model(mode="after")
    def _one_schema(self) -> SqlOptions:
        if self.schema_name and self.url.get_secret_value().startswith("sqlite"):
            raise ValueError("SQLite has no schemas; remove schema")
        return self


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a database is and who asks. `database` is the file for SQLite."""

    kind: Kind
    host: str
    port: int
    user: str
    database: str
    password: SecretStr = field(repr=False)
    query: dict[str, str] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return self.database if self.kind == "sqlite" else f"{self.database} on {self.host}:{self.port}"


def parse(source: Source) -> SqlOptions:
    """Reads the options of a source.

    Raises:
        ValidationError: see `sentences` for what to tell a person.
    """
    return SqlOptions.model_validate(dict(source.options))


def checked(source: Source) -> SqlOptions:
    """Reads the options of a source.

    Raises:
        ConnectorError: they are wrong; the sentences say how.
    """
    try:
        return parse(source)
    except ValidationError as error:
        raise ConnectorError(" ".join(sentences(source, error))) from None


def address(source: Source, options: SqlOptions) -> Address:
    """Takes the URL apart; what it escapes is unescaped, the option `password` stands as it is."""
    found = _URL.fullmatch(options.url.get_secret_value())
    if found is None:
        raise ValueError("the URL was not checked")
    kind = KINDS[found["kind"]]
    query = dict(parse_qsl(found["query"] or "", keep_blank_values=True))
    database = unquote(found["database"] or "")
    if kind == "sqlite":
        database = str((source.root / database).resolve())
    return Address(
        kind=kind,
        host=found["host"].strip("[]"),
        port=int(found["port"] or {"postgresql": 5432, "mysql": 3306, "sqlite": 0}[kind]),
        user=unquote(found["user"] or ""),
        database=database,
        password=options.password or SecretStr(unquote(found["password"] or "")),
        query={name: _from_root(source.root, name, value) for name, value in query.items()},
    )


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Tells whether a name is one of the patterns' names; upper and lower case are the same."""
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)


def sentences(source: Source, error: ValidationError) -> list[str]:
    """Turns pydantic's errors into one sentence each, without the values, which may be secrets."""
    out = []
    for problem in error.errors(include_input=False, include_url=False):
        key = ".".join(str(part) for part in ("sources", source.name, *problem["loc"]))
        if problem["type"] == "extra_forbidden":
            out.append(
                f"millpond.toml: {key} is not an option of the sql_database connector; remove it or mend its spelling."
            )
        elif problem["type"] == "missing":
            out.append(f"millpond.toml: {key} is missing; give the database's URL.")
        else:
            out.append(f"millpond.toml: {key}: {problem['msg'].removeprefix('Value error, ')}.")
    return out


def _from_root(root: Path, name: str, value: str) -> str:
    """Certificates may be named relative to the company folder."""
    is_file = name in {"sslrootcert", "sslcert", "sslkey", "sslcrl", "ssl_ca", "ssl_cert", "ssl_key"}
    return str((root / value).resolve()) if is_file and value != "system" else value
