"""Models that follow what changed: which of their rows a change of the inputs may touch, and making those anew.

What a model follows stands beside it, in `<name>.follow.yaml`:

    by: columns of the model by which rows are made anew
    follows: for each table, a query for the rows (columns of `by`) that its changed rows may touch. It reads `changed`,
        which has the old and the new values of the changed rows in the key and in the columns that it names as
        changed.<column>; where changed.is_same, these stayed as they were
    reads: for each table, or `table AS alias`, a query for the rows of it that the rows in `affected` are made from;
        else all are read; a query may read what one before it gave, as temp.read_0, temp.read_1, …

A table that is read but not followed makes the whole model anew when it changes. Every query must find too many rows
rather than too few: what comes of it must be what building the whole model gives. To follow `meta.night` is to follow
the day, `as_of`; another currency or time zone makes everything anew.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import yaml

from warehouse.sql import quoted, quoted_table

#: Tables with so many rows or fewer are built as a whole: finding out what is affected would take longer.
SMALL = 50_000
#: Where more of a table is affected, all of it is built.
MOST = 0.2

_CHANGED = re.compile(r"\bchanged\.(\w+)")


class FollowError(Exception):
    """A follow file that cannot be used; the message names file and mend."""


@dataclass(frozen=True, eq=False)
class Follow:
    """What a `<name>.follow.yaml` says; read once, so that it is only equal to itself."""

    by: tuple[str, ...]
    follows: Mapping[str, str]
    reads: Mapping[str, str] = field(default_factory=dict)

    def told(self, table: str) -> frozenset[str]:
        """Columns whose old and new values it needs of a table, beside its key."""
        return frozenset(_CHANGED.findall(self.follows.get(table, ""))) - {"is_same"}


@functools.cache
def follow_of(path: Path) -> Follow | None:
    """What the model in a file follows; None where it is always built as a whole.

    Raises:
        FollowError: the follow file is not as it should be.
    """
    file = path.with_suffix(".follow.yaml")
    if not file.exists():
        return None
    said = yaml.safe_load(file.read_text(encoding="utf-8"))
    if not {"by", "follows"} <= said.keys() <= {"by", "follows", "reads"}:
        raise FollowError(f"{file} must give `by` and `follows`, may give `reads`, and nothing else.")
    return Follow(tuple(said["by"]), said["follows"], said.get("reads", {}))


def find_affected(con: duckdb.DuckDBPyConnection, table: str, follow: Follow, changed: Mapping[str, str]) -> int | None:
    """Fill temporary table `affected`; gives its rows, or None where so much is affected that all should be built.

    Args:
        changed: by followed table that changed, a query for its changed rows.
    """
    columns = ", ".join(map(quoted, follow.by))
    con.execute(f"CREATE OR REPLACE TEMP TABLE affected AS SELECT {columns} FROM {quoted_table(table)} LIMIT 0")
    for upstream, query in changed.items():
        con.execute(f"CREATE OR REPLACE TEMP TABLE changed AS {query}")
        con.execute(f"INSERT INTO affected {follow.follows[upstream]}")
    con.execute(f"CREATE OR REPLACE TEMP TABLE affected AS SELECT DISTINCT {columns} FROM affected")
    found, rows = (_one(con, f"SELECT count(*) FROM {name}") for name in ("affected", quoted_table(table)))
    return None if found > MOST * rows else found


def restricted(con: duckdb.DuckDBPyConnection, sql: str, follow: Follow) -> str:
    """A model's query over those rows of its inputs that the rows in `affected` are made from, and for these rows."""
    for number, (table, query) in enumerate(follow.reads.items()):
        name = f"read_{number}"
        con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")
        read, _, alias = table.partition(" AS ")
        named = rf"(?=\s+AS\s+{re.escape(alias)}\b)" if alias else ""
        sql, found = re.subn(rf"\b(FROM|JOIN)\s+{re.escape(read)}\b{named}", rf"\1 temp.{name}", sql)
        if not found:
            raise FollowError(f"A model is said to read {table}, but does not. Take it out of its follow file.")
    columns = ", ".join(map(quoted, follow.by))
    return f"SELECT model.* FROM (\n{sql}\n) AS model SEMI JOIN affected USING ({columns})"


def forget(con: duckdb.DuckDBPyConnection) -> None:
    """Drop the temporary tables."""
    found = con.execute("SELECT table_name FROM duckdb_tables() WHERE temporary").fetchall()
    for (name,) in found:
        if name in ("affected", "changed", "fresh") or name.startswith("read_"):
            con.execute(f"DROP TABLE temp.{quoted(name)}")


def _one(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = con.execute(sql).fetchone()
    return int(row[0]) if row else 0
