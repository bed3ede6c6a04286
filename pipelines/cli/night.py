"""Commands that run things: the night, and the Dagster UI."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from pipelines.cli.app import FAILED, PUBLISHED_WITH_WARNINGS, app, err, fail, out, plain_errors, the_company
from pipelines.night import DISPLAY


@app.command()
def run(
    source: Annotated[
        list[str] | None, typer.Option("--source", "-s", help="Load only this source; may be repeated.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Rebuild everything, also what did not change.")] = False,
    accept_counts: Annotated[
        bool, typer.Option("--accept-counts", help="Take tonight's row counts as the new normal.")
    ] = False,
) -> None:
    """Run the night: load every source, clean, check, unify and publish.

    Exit status: 0 published; 1 nothing published; 3 published, but a source is stale or a check warns.

    Example: millpond run
    """
    company = the_company()
    unknown = [name for name in source or [] if name not in company.config.sources]
    if unknown:
        fail(f"millpond.toml names no source {', '.join(unknown)}; it names {', '.join(company.config.sources)}.")
    with plain_errors(), _bars() as say:
        from pipelines.run import run_night

        outcome = run_night(company, say=say, sources=source, full=full, accept_counts=accept_counts)
    from pipelines.report import describe_night, warnings_of

    describe_night(company, outcome, out)
    if not outcome.published:
        raise typer.Exit(FAILED)
    if outcome.failed_loads or warnings_of(company):
        raise typer.Exit(PUBLISHED_WITH_WARNINGS)


@app.command()
def ui(
    port: Annotated[int | None, typer.Option(help="Port on 127.0.0.1; default: MILLPOND_PORT or 3000.")] = None,
) -> None:
    """Open the Dagster UI with its daemon: the asset graph, checks, runs and the nightly schedule.

    Example: millpond ui --port 3001
    """
    from pipelines.instance import prepare
    from warehouse.machine import require_home
    from warehouse.settings import child_environment, settings

    company = the_company()
    with plain_errors():
        require_home(company.home)
        home = prepare(company.home)
    names = {"DAGSTER_HOME": str(home), "MILLPOND_COMPANY": str(company.root), "MILLPOND_HOME": str(company.home.root)}
    environment = child_environment(names)
    chosen = port or settings().port
    location = ["-m", "pipelines.definitions"]
    scripts = Path(sys.executable).parent
    web = [str(scripts / "dagster-webserver"), "-h", "127.0.0.1", "-p", str(chosen), *location]
    daemon = [str(scripts / "dagster-daemon"), "run", *location]
    out.print(f"Dagster UI: http://127.0.0.1:{chosen}  (Ctrl-C ends it; the nightly schedule runs while it is up)")
    children = [subprocess.Popen(command, env=environment) for command in (web, daemon)]  # noqa: S603
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        children[0].wait()
    except KeyboardInterrupt:
        pass
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait()


@contextmanager
def _bars() -> Iterator[Callable[[str], None]]:
    """Progress bars while the night runs; gives the function that says which part has begun."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:32}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err) as bars:
        part: list[TaskID] = []
        steps: dict[str, TaskID] = {}

        def say(what: str) -> None:
            for step in steps.values():
                bars.remove_task(step)
            steps.clear()
            if part:
                bars.update(part.pop(), total=1, completed=1)
            part.append(bars.add_task(what, total=None))

        def show(what: str, done: int, total: int | None) -> None:
            if what not in steps:
                steps[what] = bars.add_task(f"  {what}", total=total)
            bars.update(steps[what], completed=done, total=total)

        DISPLAY.show = show
        try:
            yield say
            say("Finishing")
            bars.remove_task(part.pop())
        finally:
            DISPLAY.show = None
