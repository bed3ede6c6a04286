"""The command over the room that the data home takes: compact."""

from __future__ import annotations

from rich.table import Table

from pipelines.cli.app import app, fail, out, plain_errors, the_company


@app.command()
def compact() -> None:
    """Give back the room that data files hold for nothing, and versions beyond `keep_versions`, now.

    The night does it by itself where it is worth it. Needs room for the largest file a second time.

    Example: millpond compact
    """
    from warehouse import publish, storage
    from warehouse.locks import Busy
    from warehouse.store import StoreError

    company = the_company()
    with plain_errors():
        storage.remove_leftovers(company.home)
        gone = publish.prune(company.home, company.config.keep_versions)
    given_back = sum(version.size_bytes for version in gone)
    troubles = []
    table = Table("file", "before", "after", box=None)
    for version in gone:
        table.add_row(f"versions/{version.name}", _megabytes(version.size_bytes), "removed")
    for file in storage.data_files(company.home):
        try:
            done = storage.compact(company.home, file)
        except (Busy, StoreError) as error:
            troubles.append(str(error))
            continue
        given_back += done.before - done.after
        table.add_row(done.part, _megabytes(done.before), _megabytes(done.after))
    out.print(table)
    out.print(f"Given back: {_megabytes(given_back)}.")
    if troubles:
        fail(*troubles)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
