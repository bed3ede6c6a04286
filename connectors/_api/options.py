"""The options that every source read through an interface has in millpond.toml, beside the connector's own."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from connectors.base import Source


class ApiOptions(BaseModel):
    """`[sources.<name>]` of a connector that reads an interface."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str | None = Field(
        default=None, pattern=r"^https?://", description="Address of the interface; default: the vendor's own."
    )
    start_date: date | None = Field(default=None, description="Read what changed from this day on; default: all.")
    tables: list[str] | None = Field(default=None, min_length=1, description="Read only these tables; default: all.")
    sweep: Literal["nightly", "weekly", "never"] | None = Field(
        default=None, description="How often to look for deleted records; default: what the table needs."
    )
    accept_deletes: bool = Field(
        default=False, description="Believe the source even where most of a table's records are gone."
    )
    parallel: int = Field(default=3, ge=1, le=16, description="Tables read side by side, all on one rate budget.")
    rate_factor: float = Field(
        default=1.0, gt=0, description="Factor on the vendor's documented limits, for plans that allow more or less."
    )
    timeout_seconds: float = Field(default=60.0, gt=0, description="How long to wait for an answer.")
    attempts: int = Field(default=8, ge=1, description="How often to try a request that fails for now.")
    first_pause_seconds: float = Field(default=0.5, ge=0, description="First pause between tries; it doubles.")
    patience_seconds: float = Field(default=900.0, gt=0, description="Longest wait for one request in all.")


def parse(source: Source, model: type[ApiOptions]) -> Any:
    """Reads the options of a source.

    Raises:
        ValidationError: see `sentences` for what to tell a person.
    """
    return model.model_validate(dict(source.options))


def sentences(source: Source, error: ValidationError, title: str) -> list[str]:
    """Turns pydantic's errors into one sentence each, without the values, which may be secret."""
    out = []
    for problem in error.errors(include_input=False, include_url=False):
        key = ".".join(str(part) for part in ("sources", source.name, *problem["loc"]))
        if problem["type"] == "extra_forbidden":
            out.append(f"millpond.toml: {key} is no option of the {title} connector; remove it or mend its spelling.")
        elif problem["type"] == "missing":
            out.append(f"millpond.toml: {key} is missing; add it.")
        else:
            out.append(f"millpond.toml: {key}: {problem['msg'].removeprefix('Value error, ')}.")
    return out


#: Options that say how to read and not what.
_HOW = {
    *("parallel", "rate_factor", "timeout_seconds", "attempts", "first_pause_seconds", "patience_seconds"),
    *("sweep", "accept_deletes"),
}


def fingerprint(options: ApiOptions, *more: str) -> str:
    """Tells two configurations apart as far as they decide what is read; secrets and patience do not."""
    secret = {name for name, value in options if isinstance(value, SecretStr)}
    said = options.model_dump_json(exclude=_HOW | secret)
    return hashlib.sha256("\n".join([said, *more]).encode()).hexdigest()[:24]
