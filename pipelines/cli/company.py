"""Commands over the company folder: init and check."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli import app as shared
from pipelines.cli.app import app, fail, out

TOML = """\
# What Millpond needs to know of the business. `millpond check` finds mistakes before anything runs.
name = "{name}"
base_currency = "{currency}"   # all amounts are also shown in this currency
timezone = "{timezone}"        # days are counted in it
country = "{country}"          # for telephone numbers, holidays and ambiguous dates
schedule = "0 3 * * *"         # when the night runs, in the timezone above

# One table per source system. ${{NAME}} in a value is taken from .env or the environment.
#
# [sources.shop]
# connector = "files"
# path = "exports/shop"        # put the shop's exports here: CSV, XLSX, JSON, Parquet, also zipped
#
# [sources.shop.tables.orders]
# files = "orders*.csv"
#
# Then say what the columns mean, one SQL file per entity: mappings/shop/sales_order.sql
#
#   SELECT id AS source_id, customer_id AS contact_id, status, currency, total, created_at AS ordered_at
#   FROM raw.orders
"""

GITIGNORE = "lake/\n.env\n"
ENV = "# Secrets and paths that millpond.toml names as ${NAME}. Keep this file to yourself.\n"


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder to make; files that exist stay as they are.")],
    name: Annotated[str | None, typer.Option(help="Name of the business; default: the folder's.")] = None,
    currency: Annotated[str, typer.Option(help="Base currency, ISO 4217.")] = "EUR",
    timezone: Annotated[str, typer.Option(help="Time zone, such as Europe/Berlin.")] = "Europe/Berlin",
    country: Annotated[str, typer.Option(help="Country, ISO 3166-1 alpha-2.")] = "DE",
) -> None:
    """Make a company folder to start from.

    Example: millpond init acme --currency GBP --timezone Europe/London --country GB
    """
    title = re.sub(r'["\\\n]', "", name or folder.resolve().name)
    toml = TOML.format(name=title, currency=currency, timezone=timezone, country=country)
    for path, text in (("millpond.toml", toml), (".env", ENV), (".gitignore", GITIGNORE)):
        _write_new(folder / path, text)
    for sub in ("exports", "mappings"):
        (folder / sub).mkdir(exist_ok=True)
    out.print(f"Made {folder}. Next: put exports into {folder / 'exports'}, name them in {folder / 'millpond.toml'},")
    out.print(f"and run: millpond --company {folder} check")


@app.command()
def check(
    connect: Annotated[
        bool, typer.Option("--connect", help="Ask every source system too whether its key and scopes will do.")
    ] = False,
) -> None:
    """Find every mistake in the company folder before a run.

    Example: millpond --company acme check --connect
    """
    from pipelines.checkup import problems
    from warehouse.company import find_company

    root = find_company(shared.chosen_folder())
    if root is None:
        shared.the_company()
        return
    found = problems(root)
    if found:
        fail(*found)
    if connect:
        _connect()
    out.print(f"[green]✓[/green] {root} is ready to run.", soft_wrap=True)


def _connect() -> None:
    """Ask the source systems; each says what is wrong with its key."""
    from pipelines.checkup import connection_problems

    found = []
    for name, troubles in connection_problems(shared.the_company()):
        found += troubles
        if not troubles:
            out.print(f"[green]✓[/green] {name} answers, and its key may read all that is wanted.", soft_wrap=True)
    if found:
        fail(*found)


def _write_new(path: Path, text: str) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
