"""What a load of a table has to tell: columns that came, went or changed their type, and values that fit no type.

Each is told when it is news, not every night.
"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.base import Finding, Severity
from connectors.sql_database.ledger import Drift
from connectors.sql_database.reading import Reading


def findings(source: str, reading: Reading) -> Iterator[Finding]:
    """Gives the findings about a table."""

    def note(severity: Severity, detail: str, kind: str = "note") -> Finding:
        return Finding(kind=kind, severity=severity, source=source, detail=detail, table=reading.name)

    table, before = reading.table.name, reading.before
    for remark in reading.table.remarks:
        yield note("info", remark)
    for one in reading.landings:
        count, example = reading.changes.misfits.get(one.name, (0, ""))
        if count and one.beside not in reading.changes.columns_before:
            values = f"{count} value does" if count == 1 else f"{count} values do"
            yield note(
                "warning",
                f"{table}.{one.column.name}: {values} not fit {one.kind}, such as {example[:40]}; the text is in "
                f"{reading.name}.{one.beside}.",
            )
        known = before.columns.get(one.column.name) if before else None
        if one.column.remark and (known is None or known[1] != one.column.type):
            yield note("warning", f"{table}.{one.column.name} {one.column.remark}.", "column_type")
    if reading.has_new_key:
        yield note("warning", f"{table}: its key is now ({', '.join(reading.key)}); the table is written anew.")
    for change in drift(reading):
        yield note("info" if change.change == "added" else "warning", f"{change.detail}.", f"column_{change.change}")


def drift(reading: Reading) -> Iterator[Drift]:
    """Compares the columns with those of the load before."""
    if reading.before is None:
        return
    table, before, now = reading.table.name, reading.before.columns, reading.entry().columns
    for column, (landed, kind) in now.items():
        if column not in before:
            detail = f"{table}.{column} ({kind}) is new"
            yield Drift(table=reading.name, column=landed, change="added", detail=detail)
        elif before[column][1] != kind:
            detail = f"{table}.{column} was {before[column][1]} and is {kind} now"
            yield Drift(table=reading.name, column=landed, change="type", detail=detail)
    for column, (landed, _) in before.items():
        if column not in now:
            detail = f"{table}.{column} is no longer read; what it held stays"
            yield Drift(table=reading.name, column=landed, change="dropped", detail=detail)
