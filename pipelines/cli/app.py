"""The Typer application and what its commands share: the company they work on and how they fail."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from warehouse.settings import silence_telemetry

if TYPE_CHECKING:
    from warehouse.company import Company
    from warehouse.home import Home

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Millpond: every night, all of a business's systems in one checked DuckDB warehouse.",
)
out = Console()
err = Console(stderr=True)

#: Exit statuses of `millpond run`.
PUBLISHED, FAILED, PUBLISHED_WITH_WARNINGS = 0, 1, 3


class _Chosen:
    """What the options before the command said, and the data home of the company that they lead to."""

    company: Path | None = None
    home: Home | None = None


@app.callback()
def _options(
    company: Annotated[
        Path | None,
        typer.Option("--company", "-c", help="Company folder; default: MILLPOND_COMPANY, else the current folder."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what happens in detail.")] = False,
) -> None:
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    silence_telemetry()
    _Chosen.company = company


def chosen_folder() -> Path | None:
    """What --company named."""
    return _Chosen.company


def the_company() -> Company:
    """The company that the command works on; ends the command with sentences if there is none."""
    from warehouse.company import CompanyError, find_company, load_company

    root = find_company(_Chosen.company)
    if root is None:
        fail("No company folder: go to the folder of a millpond.toml, give --company DIR, or `millpond init DIR`.")
    try:
        company = load_company(root)
    except CompanyError as error:
        fail(*error.problems)
    _Chosen.home = company.home
    return company


def fail(*sentences: str) -> NoReturn:
    """End the command with exit status 1 and these sentences."""
    for sentence in sentences:
        err.print(f"[red]✗[/red] {escape(sentence)}", soft_wrap=True)
    raise typer.Exit(FAILED)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn the errors that people can mend into sentences."""
    from warehouse.locks import Busy, RestoreCutOff
    from warehouse.machine import sentence_of
    from warehouse.store import StoreError

    try:
        yield
    except (StoreError, Busy, RestoreCutOff) as error:
        fail(str(error))
    except typer.Exit:
        raise
    except Exception as error:
        told = sentence_of(error, _Chosen.home) if _Chosen.home else None
        if told is None:
            raise
        fail(told)
