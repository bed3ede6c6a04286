"""The command over the room that the data home takes: compact."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rich.table import Table

from pipelines.cli.app import app, fail, out, plain_errors, the_company


@app.command()
def compact() -> None:
    """Give back, now, the room that files hold for nothing, and what is kept longer than millpond.toml says.

    The night does it by itself where it is worth it. Writing a file anew needs its room a second time.

    Example: millpond compact
    """
    from pipelines.instance import compact_index, forget_old_runs, open_instance
    from warehouse import publish, storage

    company = the_company()
    home, config = company.home, company.config
    if not home.build.exists():
        fail(f"There is nothing to compact: {home.build} does not exist.")
    with plain_errors():
        before = storage.sizes(home)
        storage.remove_leftovers(home)
        publish.prune(home, config.keep_versions)
        with open_instance(home) as instance:
            forget_old_runs(instance, keep=config.keep_runs)
    compacting = [partial(storage.compact, home, file) for file in storage.data_files(home)]
    troubles = [trouble for one in (*compacting, partial(compact_index, home)) if (trouble := _trouble(one))]
    after = storage.sizes(home)
    table = Table("part", "before", "after", box=None)
    for part, size in before.items():
        table.add_row(part, _megabytes(size), _megabytes(after.get(part, 0)))
    out.print(table)
    out.print(f"Given back: {_megabytes(max(0, sum(before.values()) - sum(after.values())))}.")
    if troubles:
        fail(*troubles)


def _trouble(compacting: Callable[[], object]) -> str | None:
    """Why a file could not be compacted; the others can all the same."""
    from warehouse.locks import Busy
    from warehouse.store import StoreError

    try:
        compacting()
    except (Busy, StoreError) as error:
        return str(error)
    return None


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
