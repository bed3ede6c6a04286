"""The `millpond` command. Commands speak through Rich, do their work elsewhere, and import it when they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer


def load_commands() -> typer.Typer:
    """The application with all its commands."""
    from pipelines.cli import (  # noqa: F401  (they add their commands)
        backup,
        company,
        look,
        night,
        review,
        storage,
        versions,
    )
    from pipelines.cli.app import app

    return app


def main() -> None:
    """Entry point of the `millpond` script."""
    load_commands()()
