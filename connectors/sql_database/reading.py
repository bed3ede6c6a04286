"""One table as a load reads it: its columns on their way, its key, and where its increment begins.

Plain values and what follows from them; asking the database and comparing are the business of `extract`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connectors.sql_database.database import Column, Low, Table
from connectors.sql_database.landing import Landing, plan
from connectors.sql_database.ledger import Entry
from connectors.sql_database.options import TableOptions, matches

if TYPE_CHECKING:
    from connectors.sql_database.compare import Changes, Staged

TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")


@dataclass(kw_only=True)
class Reading:
    """One table as it is read.

    Attributes:
        name: its name in the raw file.
        before: what was known of it.
        key: the columns that tell its rows apart, by name in the database; empty for none.
        high: the highest value of its cursor so far, as text.
        is_held: whether the raw file has the table.
        staged: what was read.
        changes: what that changes.
    """

    table: Table
    options: TableOptions
    name: str
    before: Entry | None
    landings: Sequence[Landing]
    key: Sequence[str]
    high: str | None
    is_held: bool
    staged: Staged = field(init=False)
    changes: Changes = field(init=False)

    @property
    def cursor(self) -> Landing | None:
        """The column that increments go by."""
        return next((one for one in self.landings if one.column.name == self.options.cursor), None)

    @property
    def has_new_key(self) -> bool:
        """Whether the rows held were told apart by another key."""
        return self.before is not None and self.is_held and tuple(self.before.key) != tuple(self.key)

    def entry(self) -> Entry:
        """What the next load is to know."""
        return Entry(
            table=self.name,
            source_table=self.table.name,
            columns={one.column.name: (one.name, one.column.type) for one in self.landings},
            key=tuple(self.key),
            cursor=self.options.cursor,
            high=self.high,
        )

    def low(self) -> Low | None:
        """Where the increment begins; None where the whole table has to be read."""
        before = self.before
        if before is None or self.high is None or self.cursor is None or self.has_new_key:
            return None
        if self.entry().columns != before.columns:
            # A new column has values in rows that did not change, and a retyped one may have other ones.
            return None
        if is_time(self.cursor.column):
            return _time(self.high) - self.options.back
        return int(self.high) - self.options.steps_back

    def raise_high(self, seen: str | None, now: datetime) -> None:
        """Takes note of the highest value seen. A time to come counts as now: nothing would be read until then."""
        if seen is None or self.cursor is None:
            return
        if not is_time(self.cursor.column):
            self.high = str(max(int(seen), int(self.high or seen)))
            return
        capped = min(_time(seen), now.replace(microsecond=0))
        if self.high is None or _time(self.high) < capped:
            self.high = seen if capped == _time(seen) else capped.isoformat()


def reading_of(
    table: Table, options: TableOptions, name: str, before: Entry | None, held: Mapping[str, str]
) -> Reading:
    """Plans how a table is read.

    Args:
        name: the name in the raw file.
        before: what was known of the table.
        held: the columns of the raw table with their types, empty before the first load.
    """
    columns = columns_of(table, options)
    names = {column.name for column in columns}
    # A key of which a column is left out tells no rows apart.
    key = options.key or (table.key if set(table.key) <= names else [])
    known = {column: landed for column, (landed, _) in before.columns.items()} if before else {}
    return Reading(
        table=table,
        options=options,
        name=name,
        before=before,
        landings=plan(columns, known, held),
        key=key,
        high=before.high if before and before.cursor == options.cursor else None,
        is_held=bool(held),
    )


def columns_of(table: Table, options: TableOptions) -> list[Column]:
    """Gives the columns of a table that are read."""
    return [
        column
        for column in table.columns
        if (options.columns is None or column.name in options.columns) and not matches(column.name, options.exclude)
    ]


def can_be_cursor(column: Column) -> bool:
    """Tells whether increments can go by a column: a time or a whole number; SQLite has times as text."""
    is_whole = column.lands == "BIGINT" or column.lands.endswith(",0)")
    return is_whole or column.lands in TIMES or (column.lands == "VARCHAR" and column.is_typed_by_value)


def is_time(column: Column) -> bool:
    """Tells whether a cursor is a time and not a number."""
    return column.lands in TIMES or column.lands == "VARCHAR"


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
