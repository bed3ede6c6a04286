"""Keeping the type 2 histories of the model: what was published last, and what the model says tonight.

They go on from what was published, so that nights that were not leave nothing in them. How a history goes on is
transforms/history.py's; which columns it follows is its contract's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb
import polars as pl

from pipelines.night import Night
from transforms.history import BOOKKEEPING, advance
from transforms.models import LINKED_FROM
from warehouse import publish, store
from warehouse.contracts import tables
from warehouse.home import Home
from warehouse.sql import literal, quoted, quoted_table

#: Each history and the table whose changes it keeps.
HISTORIES: Mapping[str, str] = {
    table: origins[0] for table, origins in LINKED_FROM.items() if table == f"{origins[0]}_history"
}


def keep(con: duckdb.DuckDBPyConnection, night: Night, *, table: str) -> None:
    """Bring a history up to date with the night, from where it stood when it was published last."""
    go_on(con, table, moment=night.moment, published=_published(con, night.company.home, table))


@dataclass(frozen=True)
class Published:
    """A history as it was published last, and the moment of that night."""

    rows: pl.DataFrame
    moment: datetime


def go_on(con: duckdb.DuckDBPyConnection, table: str, *, moment: datetime, published: Published | None = None) -> None:
    """Bring a history up to date in one transaction; one that is so already is not written.

    Args:
        moment: the night's, with its zone.
        published: what it goes on from; None takes the table as it stands.
    """
    contract = tables()[table]
    key = contract.key[0]
    if not store.exists(con, contract.schema, contract.name):
        store.create_table(con, contract)
    held = con.sql(f"FROM {quoted_table(table)} ORDER BY {quoted(key)}, valid_from").pl()
    before, since = (published.rows, published.moment) if published else (held, None)
    after = advance(before, _tonight(con, table), key=key, moment=moment, since=since)
    after = after.select(c.name for c in contract.columns)
    if after.equals(held):
        return
    con.begin()
    con.execute(f"DROP TABLE {quoted_table(table)}")
    store.create_table(con, contract)
    con.register("history_rows", after)
    con.execute(f"INSERT INTO {quoted_table(table)} BY NAME FROM history_rows")
    con.commit()
    con.unregister("history_rows")


def lineage_of(table: str) -> dict[str, list[tuple[str, str]]]:
    """Which columns of other tables each column of a history is made of."""
    origin, changed = HISTORIES[table], (LINKED_FROM[table][-1], "updated_at")
    same = {name: [(origin, name)] for name in (tables()[table].key[0], *_tracked(table))}
    return {**same, "valid_from": [(origin, _first_seen(origin)), changed], "valid_to": [changed]}


def _tracked(table: str) -> list[str]:
    contract = tables()[table]
    return [c.name for c in contract.columns if c.name not in (contract.key[0], *BOOKKEEPING)]


def _first_seen(origin: str) -> str:
    names = {c.name for c in tables()[origin].columns}
    return "first_seen_at" if "first_seen_at" in names else "created_at"


def _tonight(con: duckdb.DuckDBPyConnection, table: str) -> pl.DataFrame:
    """What is told tonight, with the last change of the records it is taken from, or of all where that is not known."""
    origin, values = HISTORIES[table], LINKED_FROM[table][-1]
    key, tracked = quoted(tables()[table].key[0]), _tracked(table)
    columns = ", ".join(quoted(name) for name in tracked)
    changed = "updated_at"
    if values != origin:
        names = ", ".join(literal(name) for name in tracked)
        of_values = f"o.{key} = told.{key} AND o.column_name IN ({names})"
        changed = f"(SELECT max(o.updated_at) FROM {quoted_table(values)} AS o WHERE {of_values})"
    query = f"SELECT {key}, {columns}, {_first_seen(origin)} AS first_seen_at, {changed} AS source_updated_at"
    return con.sql(f"{query} FROM {quoted_table(origin)} AS told").pl()


def _published(con: duckdb.DuckDBPyConnection, home: Home, table: str) -> Published | None:
    """The history as it was published last; None where it never was."""
    version = publish.newest(home)
    if version is None:
        return None
    with store.attached(con, version, "published", mend=publish.DAMAGED) as catalog:
        if table not in store.tables_in(con, catalog):
            return None
        rows = con.sql(f"FROM {quoted(catalog)}.{quoted_table(table)}").pl()
        # Where the company names its day, the night knew no more than that day.
        ((moment,),) = con.execute(
            "SELECT least(now, CAST(as_of + INTERVAL 1 DAY AS TIMESTAMP) AT TIME ZONE timezone) "
            f"FROM {quoted(catalog)}.meta.night"
        ).fetchall()
        return Published(rows, moment)
