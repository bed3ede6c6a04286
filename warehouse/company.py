"""One business's configuration: its folder, millpond.toml and mappings.

Reads and judges what the company wrote; every mistake becomes one sentence naming file, key and mend. What a
connector makes of its options is the connector's to check.
"""

from __future__ import annotations

import difflib
import re
import tomllib
import zoneinfo
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from warehouse import settings as env
from warehouse.home import Home

CONFIG_NAME = "millpond.toml"
SOURCE_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
#: ${NAME} in a value.
_NAME = re.compile(r"\$\{(\w+)\}")

Trust = Annotated[int, Field(ge=0, le=100, strict=True)]
#: What core.customer and core.account choose from several records, each from one of them as a whole.
CHOSEN = (
    "name", "email", "phone", "external_id", "company_name", "account_id", "job_title", "address", "birth_date",
    "language", "lifecycle_stage", "lead_source", "owner_id", "is_subscribed",
    "domain", "website", "vat_id", "industry", "employees", "annual_revenue",
)  # fmt: skip
#: Columns that are a part of one of those.
PART_OF = {
    **dict.fromkeys(("full_name", "given_name", "family_name"), "name"),
    **dict.fromkeys(("street", "city", "region", "postcode", "country"), "address"),
    "account_link": "account_id",
    "currency": "annual_revenue",
}


class CompanyError(Exception):
    """The company folder cannot be used; `problems` holds one sentence per mistake."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class SourceConfig(BaseModel):
    """A `[sources.<name>]` table; keys beyond these are the connector's options."""

    model_config = ConfigDict(extra="allow", frozen=True)

    connector: str = Field(description="What kind of system it is: a folder under connectors/.")
    schedule: str | None = Field(default=None, description="Cron line for loads of this source between the nights.")
    owner: str | None = Field(default=None, description="E-mail address of who answers for this source.")
    title: str | None = Field(default=None, description="What people call the system.")
    trust: Trust = Field(
        default=50,
        description="How far its word counts where sources contradict each other about a person or company, 0 to 100.",
    )

    @property
    def options(self) -> dict[str, Any]:
        """The connector's own keys."""
        return dict(self.__pydantic_extra__ or {})


class CompanyConfig(BaseModel):
    """millpond.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="Name of the business.")
    base_currency: str = Field(
        pattern="^[A-Z]{3}$", description="Currency that all amounts are also shown in, ISO 4217."
    )
    timezone: str = Field(description="Time zone in which days are counted, such as Europe/Berlin.")
    country: str = Field(
        pattern="^[A-Z]{2}$", description="Country, ISO 3166-1 alpha-2: telephone numbers, holidays, dates."
    )
    schedule: str = Field(default="0 3 * * *", description="Cron line of the night, in the company's timezone.")
    as_of: date | None = Field(default=None, description="The day the data ends, for replays; default: today.")
    keep_versions: int = Field(default=7, ge=1, description="Published versions kept.")
    keep_runs: int = Field(default=60, ge=1, description="Nights whose runs, checks and plots the Dagster UI shows.")
    attribution_days: int = Field(
        default=30, ge=1, le=365, description="Days before an order in which a click or visit earns credit for it."
    )
    suspicious_records: int | None = Field(
        default=None,
        ge=2,
        description="Source records of one customer beyond which a check asks whether several people were taken for "
        "one; default: three times what 99 of 100 customers have, at least 10.",
    )
    sources: dict[str, SourceConfig] = Field(default_factory=dict)
    trust: dict[str, dict[str, Trust]] = Field(
        default_factory=dict,
        description="Tables `[trust.<column>]` with `<source> = 0 to 100`: trust in a source for one column, such as "
        f"`[trust.email]` with `shop = 90`. Columns: {', '.join(CHOSEN)}.",
    )

    def trust_in(self, source: str, column: str) -> int:
        """Trust in a source, 0 to 100, for a column of `CHOSEN`."""
        return self.trust.get(column, {}).get(source, self.sources[source].trust)

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        if value not in zoneinfo.available_timezones():
            raise ValueError(f"{value} is not an IANA time zone such as Europe/Berlin")
        return value

    @field_validator("sources")
    @classmethod
    def _plain_names(cls, value: dict[str, SourceConfig]) -> dict[str, SourceConfig]:
        for name in value:
            if not SOURCE_NAME.fullmatch(name):
                raise ValueError(
                    f"source name {name!r} must be lower-case letters, digits and _, starting with a letter"
                )
        return value


@dataclass(frozen=True)
class MappingFile:
    """mappings/<source>/<entity>.sql of the company."""

    source: str
    entity: str
    path: Path

    @property
    def sql(self) -> str:
        """The file's text."""
        return self.path.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Company:
    """A company folder that was read and found sound."""

    root: Path
    home: Home
    config: CompanyConfig

    def mappings(self) -> list[MappingFile]:
        """The company's own mapping files, by source and entity."""
        files = sorted((self.root / "mappings").glob("*/*.sql"))
        return [MappingFile(source=f.parent.name, entity=f.stem, path=f) for f in files]

    @property
    def choices(self) -> dict[str, int]:
        """What models go by, by key of millpond.toml: the rows of meta.setting."""
        chosen = {
            "attribution_days": self.config.attribution_days,
            "suspicious_records": self.config.suspicious_records,
        }
        return {name: value for name, value in chosen.items() if value is not None}

    @property
    def metrics_file(self) -> Path | None:
        """The company's own metrics, if it has any."""
        path = self.root / "metrics.yaml"
        return path if path.exists() else None


def find_company(folder: Path | None = None) -> Path | None:
    """The company folder: the one given, MILLPOND_COMPANY, or the current folder if it has a millpond.toml."""
    chosen = folder or env.settings().company
    if chosen:
        return chosen.resolve()
    here = Path.cwd()
    return here if (here / CONFIG_NAME).exists() else None


def load_company(root: Path) -> Company:
    """Read a company folder.

    Raises:
        CompanyError: with one sentence for each mistake found.
    """
    path = root / CONFIG_NAME
    if not path.exists():
        raise CompanyError([f"{path} does not exist; make a company folder with `millpond init {root}`."])
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CompanyError([f"{path} is not valid TOML: {error}."]) from error
    problems: list[str] = []
    document = _interpolate(document, env.company_environment(root), path, (), problems)
    config: CompanyConfig | None = None
    try:
        config = CompanyConfig.model_validate(document)
    except ValidationError as error:
        problems += [_sentence(path, e) for e in error.errors()]
    if config is not None:
        problems += _trust_problems(path, config)
    if problems or config is None:
        raise CompanyError(problems)
    return Company(root=root, home=home_of(root), config=config)


def home_of(root: Path) -> Home:
    """The data home of the company in a folder."""
    return Home((env.settings().home or root / "lake").resolve())


def names_used(root: Path) -> list[str]:
    """Names that millpond.toml takes from `.env` or the environment, such as SHOP_TOKEN; the file is sound TOML."""
    document = tomllib.loads((root / CONFIG_NAME).read_text(encoding="utf-8"))
    return sorted(set(_NAME.findall(str(document))))


def _interpolate(value: Any, names: Mapping[str, str], path: Path, key: tuple[str, ...], problems: list[str]) -> Any:
    """Replace ${NAME} in every string, noting the names that are not set."""
    if isinstance(value, dict):
        return {k: _interpolate(v, names, path, (*key, k), problems) for k, v in value.items()}
    if isinstance(value, list):
        return [_interpolate(v, names, path, key, problems) for v in value]
    if not isinstance(value, str):
        return value
    for name in _NAME.findall(value):
        if name not in names:
            problems.append(
                f"{path}: {'.'.join(key)} uses ${{{name}}}, which is not set; "
                f"put {name}=… into {path.parent / '.env'} or the environment."
            )
    return _NAME.sub(lambda m: names.get(m[1], m[0]), value)


def _trust_problems(path: Path, config: CompanyConfig) -> list[str]:
    """One sentence for every column and source under [trust] that there is not."""
    found = []
    for column, sources in config.trust.items():
        if column in PART_OF:
            found.append(f"{path}: trust.{column}: it comes from one record with all of {PART_OF[column]}; "
                         f"write [trust.{PART_OF[column]}].")  # fmt: skip
        elif column not in CHOSEN:
            found.append(f"{path}: trust.{column}: there is no such column; {_hint(column, CHOSEN)}")
        found += [
            f"{path}: trust.{column}.{name}: there is no such source; {_hint(name, config.sources)}"
            for name in sources
            if name not in config.sources
        ]
    return found


def _hint(written: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(written, known, n=1)
    return f"did you mean {near[0]}?" if near else f"use one of {', '.join(known)}."


def _sentence(path: Path, error: Any) -> str:
    """One pydantic error as a sentence for the person who wrote the file."""
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(error["loc"][-1]), CompanyConfig.model_fields, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known keys are {', '.join(CompanyConfig.model_fields)}."
        return f"{path}: unknown key {key}; {hint}"
    if error["type"] == "missing":
        return f"{path}: key {key} is missing; add it."
    return f"{path}: {key} = {error['input']!r}: {error['msg'].removeprefix('Value error, ')}."
