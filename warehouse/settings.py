"""The environment: the only module that reads it.

Settings come from variables named MILLPOND_…; a company's secrets and ${NAME} values come from its `.env` file,
overlaid by the real environment. What a company configures for itself lives in company.py.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What the machine's owner may set for every company on it."""

    model_config = SettingsConfigDict(env_prefix="MILLPOND_", extra="ignore")

    company: Path | None = Field(
        None, description="Company folder; default: the current folder if it has a millpond.toml."
    )
    home: Path | None = Field(default=None, description="Data home; default: `lake` in the company folder.")
    real_data: Path | None = Field(
        default=None, description="Where tests find real data sets; default: ../shared/real."
    )
    memory_limit: str = Field(default="4GB", description="Memory DuckDB may use before it spills to disk.")
    threads: int | None = Field(default=None, ge=1, description="Threads DuckDB may use; default: all cores.")
    lock_wait_seconds: int = Field(
        600, ge=0, description="How long to wait for another process that holds a data file."
    )
    port: int = Field(default=3000, ge=1, le=65535, description="Port of the Dagster UI, on 127.0.0.1.")


def settings() -> Settings:
    """The settings as the environment stands now."""
    return Settings()  # type: ignore[call-arg]


def company_environment(root: Path) -> Mapping[str, str]:
    """Values that a company's millpond.toml may name: its `.env`, overlaid by the process environment."""
    from dotenv import dotenv_values

    stored = {k: v for k, v in dotenv_values(root / ".env").items() if v is not None}
    return {**stored, **os.environ}


def child_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment for a program that Millpond starts, such as the Dagster UI."""
    return {**os.environ, **QUIET, **extra}


#: Nothing phones home. Read by the libraries themselves, so they must be set before these are imported.
QUIET: Mapping[str, str] = {
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "GX_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
}


def silence_telemetry() -> None:
    """Switch off what libraries would send home, unless somebody chose otherwise."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def set_dagster_home(path: Path) -> None:
    """Dagster finds its instance through the environment only."""
    os.environ["DAGSTER_HOME"] = str(path)
