"""Commands over the published versions of the warehouse."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from pipelines.cli.app import app, out, plain_errors, the_company


@app.command(name="versions")
def list_versions() -> None:
    """List the published versions of the warehouse.

    Example: millpond versions
    """
    from warehouse.publish import versions

    table = Table("version", "published (UTC)", "size", "", box=None)
    for version in versions(the_company().home):
        mark = "current" if version.is_current else ""
        table.add_row(
            version.name, f"{version.published_at:%Y-%m-%d %H:%M}", f"{version.size_bytes / 1e6:.0f} MB", mark
        )
    out.print(table)


@app.command()
def rollback(
    version: Annotated[str | None, typer.Argument(help="Version to go back to; default: the one before.")] = None,
) -> None:
    """Make an older version the warehouse again, until the next night publishes.

    Example: millpond rollback 20261101T030211Z
    """
    from warehouse import publish

    with plain_errors():
        chosen = publish.rollback(the_company().home, version)
    out.print(f"The warehouse is now version {chosen.name}, published {chosen.published_at:%Y-%m-%d %H:%M} UTC.")
