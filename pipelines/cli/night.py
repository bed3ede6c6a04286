"""Commands that run things: the night, and the Dagster UI."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
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


@app.command()
def plan(
    full: Annotated[bool, typer.Option("--full", help="As if everything were rebuilt.")] = False,
) -> None:
    """Say what tonight would do and about how long, without doing it.

    Example: millpond plan
    """
    from pipelines.refresh.plan import make_plan
    from pipelines.report import describe_plan

    company = the_company()
    with plain_errors():
        made = make_plan(company, full=full)
    describe_plan(company, made, out)


class _Left:
    """How much time a refresh has left, by what its tables usually take."""

    def __init__(self) -> None:
        self.expected: dict[str, float] = {}
        self.done: set[str] = set()
        self.began = time.monotonic()

    def expect(self, seconds: Mapping[str, float]) -> None:
        self.expected, self.done, self.began = dict(seconds), set(), time.monotonic()

    def told(self) -> str:
        """Such as `about 1:20 left`; nothing where that is not known."""
        ahead = sum(seconds for name, seconds in self.expected.items() if name not in self.done)
        past = sum(self.expected[name] for name in self.done & self.expected.keys())
        if not ahead:
            return ""
        # Where tonight is slower than usual so far, the rest will be as well.
        pace = max(1.0, (time.monotonic() - self.began) / past) if past > 0.1 * (past + ahead) else 1.0
        minutes, seconds = divmod(round(ahead * pace), 60)
        return f"about {minutes}:{seconds:02d} left"


@contextmanager
def _bars() -> Iterator[Callable[[str], None]]:
    """Progress bars while the night runs; gives the function that says which part has begun."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:32}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    left = _Left()
    with Progress(*columns, console=err) as bars:
        part: list[TaskID] = []
        steps: dict[str, TaskID] = {}

        def say(what: str) -> None:
            for step in steps.values():
                bars.remove_task(step)
            steps.clear()
            if part:
                bars.update(part.pop(), total=1, completed=1, left="")
            part.append(bars.add_task(what, total=None, left=left.told()))

        def show(what: str, done: int, total: int | None) -> None:
            if what not in steps:
                steps[what] = bars.add_task(f"  {what}", total=total, left="")
            bars.update(steps[what], completed=done, total=total)

        def finish(what: str) -> None:
            left.done.add(what)
            if part:
                bars.update(part[-1], left=left.told())

        DISPLAY.show, DISPLAY.expect, DISPLAY.finish = show, left.expect, finish
        try:
            yield say
            say("Finishing")
            bars.remove_task(part.pop())
        finally:
            DISPLAY.show = DISPLAY.expect = DISPLAY.finish = None
