"""Commands for coming back after a machine died, or after a mistake: backup and restore."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from pipelines.cli import app as shared
from pipelines.cli.app import app, err, fail, out, plain_errors, the_company

if TYPE_CHECKING:
    from warehouse.backup import Manifest, Show


@app.command()
def backup(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Folder for the backup, best on another machine; default: backups in the company folder."),
    ] = None,
    keep: Annotated[
        int | None, typer.Option(min=1, help="Backups of this company that stay in the folder; default: all.")
    ] = None,
    with_secrets: Annotated[
        bool, typer.Option("--with-secrets", help="Include .env and the tokens that source systems rotate.")
    ] = False,
) -> None:
    """Write everything that no night could make again into one file, and read it back.

    Exports are not in it: keep them where they come from.

    Example: millpond backup /srv/backups --keep 14
    """
    from warehouse.backup import make
    from warehouse.company import names_used

    company = the_company()
    with plain_errors(), _bars() as show:
        made = make(company, folder, keep=keep, with_secrets=with_secrets, show=show)
    manifest = made.manifest
    told = f"{made.path}: {len(manifest.members):,} files, {manifest.size / 1e6:,.0f} MB, read back and found whole."
    out.print(f"[green]✓[/green] {escape(told)}", soft_wrap=True)
    for path in made.removed:
        out.print(f"Removed {escape(str(path))}.", soft_wrap=True)
    if not with_secrets:
        missing = [*_plain(manifest.left_out), *(f"${{{name}}}" for name in names_used(company.root))]
        _list("Not in it, and to be given again after a restore", missing)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="The backup.")],
    check: Annotated[
        bool, typer.Option("--check", help="Only say what is in the backup, and whether it is whole.")
    ] = False,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Move a lake that is there aside, and configuration that differs."),
    ] = False,
) -> None:
    """Bring the company folder and its lake back to what they were when a backup was made.

    What is there is moved into a folder named replaced-… and never deleted. A restore that was cut off is finished
    first.

    Example: millpond --company acme restore /srv/backups/acme-20261031T020000Z.tar
    """
    from warehouse.backup import inspect, verify
    from warehouse.company import find_company, home_of, names_used
    from warehouse.restore import finish
    from warehouse.restore import restore as put_back
    from warehouse.settings import company_environment

    if check:
        with plain_errors(), _bars() as show:
            manifest = verify(file, show)
        _describe(file, manifest)
        return
    root = find_company(shared.chosen_folder())
    if root is None:
        fail("Say which folder to restore to, such as `millpond --company acme restore FILE`; it need not exist.")
    home = home_of(root)
    with plain_errors(), _bars() as show:
        done = finish(home)
        if done is None or done.manifest != inspect(file):
            done = put_back(file, root, home, replace=replace, show=show)
    told = f"{root} is as it was on {done.manifest.made_at:%Y-%m-%d %H:%M} UTC."
    out.print(f"[green]✓[/green] {escape(told)}", soft_wrap=True)
    for aside in done.aside:
        out.print(f"What was there before is in {escape(str(aside))}; delete it once you are sure.", soft_wrap=True)
    known = company_environment(root)
    missing = [name for name in _plain(done.manifest.left_out) if not (root / name).exists()]
    missing += [f"${{{name}}}" for name in names_used(root) if name not in known]
    _list("Not in the backup, and to be given again", missing)
    out.print(f"Next: millpond --company {escape(str(root))} run", soft_wrap=True)


def _plain(names: Sequence[str]) -> list[str]:
    """Names in a backup as people know the files."""
    return [name.removeprefix("company/") for name in names]


def _list(what: str, names: Sequence[str]) -> None:
    if names:
        out.print(f"{what}: {escape(', '.join(names))}.", soft_wrap=True)


def _describe(file: Path, manifest: Manifest) -> None:
    table = Table("file", Column("bytes", justify="right"), box=None)
    for member in manifest.members:
        table.add_row(escape(member.name), f"{member.size:,}")
    out.print(table)
    told = (
        f"{file} is whole: {manifest.company} on {manifest.made_at:%Y-%m-%d %H:%M} UTC, made by Millpond "
        f"{manifest.millpond}, format {manifest.format}, {manifest.size / 1e6:,.0f} MB."
    )
    out.print(f"[green]✓[/green] {escape(told)}", soft_wrap=True)
    _list("Not in it", _plain(manifest.left_out))


@contextmanager
def _bars() -> Iterator[Show]:
    """A bar for the part of the work that is under way."""
    columns = (SpinnerColumn(), TextColumn("{task.description:32}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err) as bars:
        now: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in now:
                for task in now.values():
                    bars.remove_task(task)
                now.clear()
                now[what] = bars.add_task(what, total=total or None)
            bars.update(now[what], completed=done)

        yield show
