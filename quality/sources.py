"""What can be said against a source beside its rows: row counts that disagree, and an interface about to end.

Pure judgements; who counts and who knows the versions are the connectors.
"""

from __future__ import annotations

from datetime import date, timedelta

#: How long before an interface's end somebody should know: an upgrade takes a release and some nights.
NOTICE = timedelta(days=90)


def count_sentence(table: str, source_rows: int, held_rows: int, how: str) -> str | None:
    """What is wrong with a table's row count, None if nothing is."""
    if source_rows == held_rows:
        return None
    many = abs(source_rows - held_rows)
    rows = "1 row" if many == 1 else f"{many:,} rows"
    where = "is missing here" if held_rows < source_rows and many == 1 else "are missing here"
    where = where if held_rows < source_rows else "more here than there"
    return (
        f"{table}: the source says it has {source_rows:,} rows ({how}), {held_rows:,} are held: {rows} {where}. "
        "What changed while the load ran may explain a few; if it stays, load the source anew."
    )


def sunset_sentence(title: str, version: str, sunset: date | None, page: str, today: date) -> str | None:
    """What is wrong with the version of an interface, None if it will be served for a while."""
    if sunset is None or today < sunset - NOTICE:
        return None
    if today >= sunset:
        return (
            f"{title} no longer serves version {version} of its interface since {sunset}; loads may fail or be "
            f"answered by another version. Update Millpond. See {page}."
        )
    days = (sunset - today).days
    return f"{title} will stop serving version {version} in {days} days, on {sunset}. Update Millpond. See {page}."
