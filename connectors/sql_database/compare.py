"""Works out what a load changes: the rows read against the rows held, in DuckDB, whose memory is bounded.

Nothing is written to the raw file here but what `settle` is given to write, and nothing is asked of the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.base import SCHEMA
from connectors.sql_database.landing import OWN, Landing
from warehouse.sql import literal, quoted

if TYPE_CHECKING:
    import duckdb


@dataclass(kw_only=True)
class Staged:
    """One table as read: its rows, or those of an increment, in a Parquet file as they were carried.

    Attributes:
        table: the name in the raw file.
        key: the key's columns, by name in the raw file; empty for a table without a key.
        is_rekeyed: whether the rows held were told apart by another key, so that they have to be replaced.
        rows: the file of rows.
        is_whole: whether these are all rows there are.
        is_swept: whether rows that are not there any more are to be marked.
        keys: for an increment that is swept, the file of all keys.
        source_rows: how many rows the database has.
    """

    table: str
    landings: Sequence[Landing]
    key: Sequence[str]
    is_rekeyed: bool
    rows: Path
    is_whole: bool
    is_swept: bool
    keys: Path | None = None
    source_rows: int


@dataclass(kw_only=True)
class Changes:
    """What a table's load changes.

    Attributes:
        file: rows to write, with all columns of the raw table; None for none.
        rows: their number.
        is_merge: whether some are held already.
        is_replacement: whether they replace all that is held.
        columns: the columns of the file with their DuckDB types.
        columns_before: the columns that the raw table has.
        gone: keys of rows to mark as deleted; None for none.
        held: how many rows were held that were not deleted.
        held_gone: how many of these the database has no more.
        misfits: for each column whose values do not all fit: how many, and one of them.
        is_missing: whether the database has keys that neither were held nor came with the increment.
        key_trouble: why the key tells no rows apart, so that the table was compared as a whole.
    """

    file: Path | None = None
    rows: int = 0
    is_merge: bool = False
    is_replacement: bool = False
    columns: dict[str, str] = field(default_factory=dict)
    columns_before: Mapping[str, str] = field(default_factory=dict)
    gone: Path | None = None
    held: int = 0
    held_gone: int = 0
    misfits: dict[str, tuple[int, str]] = field(default_factory=dict)
    is_missing: bool = False
    key_trouble: str = ""

    def __bool__(self) -> bool:
        return bool(self.file or self.gone or self.is_replacement)

    @property
    def touched(self) -> int:
        """Rows that are written or marked."""
        return self.rows + (self.held_gone if self.gone else 0)


class Comparison:
    """One table's rows read, against the rows held.

    `con` is a connection to the raw file, or to nothing before the first load; `held` are the raw table's columns.
    """

    def __init__(
        self, con: duckdb.DuckDBPyConnection, staged: Staged, held: Mapping[str, str], folder: Path, now: datetime
    ) -> None:
        self.con, self.staged, self.held, self.folder, self.now = con, staged, held, folder, now
        self._raw = f"{SCHEMA}.{quoted(staged.table)}"
        self._view("incoming", staged.landings, staged.rows)
        if staged.keys is not None:
            self._view("keys_there", [one for one in staged.landings if one.name in staged.key], staged.keys)

    def changes(self) -> Changes:
        """Works everything out."""
        out = Changes(misfits=self._misfits(), key_trouble=self._key_trouble(), columns_before=self.held)
        if out.key_trouble and not self.staged.is_whole:
            out.is_missing = True
            return out
        self._is_by_key = bool(self.staged.key) and not out.key_trouble and not self.staged.is_rekeyed
        out.columns = self._columns(out.misfits)
        if self.held:
            out.held = self._number(f"SELECT count(*) FROM {self._raw} WHERE NOT _is_deleted")
        if self._is_by_key:
            self._by_key(out)
        else:
            self._as_a_whole(out)
        new_columns = out.columns.keys() - self.held.keys()
        if out.rows or new_columns:
            out.file = self._path("rows")
        return out

    def highest(self, cursor: Landing) -> str | None:
        """Gives the highest value of the cursor among the rows read, as text."""
        value = quoted(cursor.name)
        if cursor.kind == "VARCHAR":
            value = f"TRY_CAST({value} AS TIMESTAMP)"
        row = self.con.execute(f"SELECT max({value})::VARCHAR FROM incoming").fetchone()
        return row[0] if row else None

    def _by_key(self, out: Changes) -> None:
        self._write_rows(self._differing(out.columns))
        out.rows = self._number(f"SELECT count(*) FROM {self._written}")
        if not self.held:
            return
        key = self._using
        out.is_merge = self._number(f"SELECT count(*) FROM {self._written} SEMI JOIN {self._raw} {key}") > 0
        if not self.staged.is_swept:
            return
        there = "incoming" if self.staged.is_whole else "keys_there"
        names = ", ".join(quoted(name) for name in self.staged.key)
        live = f"SELECT {names} FROM {self._raw} WHERE NOT _is_deleted"
        gone = self._path("gone")
        self.con.execute(f"COPY ({live} EXCEPT SELECT {names} FROM {there}) TO {literal(str(gone))} (FORMAT parquet)")
        out.held_gone = self._number(f"SELECT count(*) FROM read_parquet({literal(str(gone))})")
        out.gone = gone if out.held_gone else None
        if self.staged.keys is not None:
            here = f"({live} UNION ALL SELECT {names} FROM incoming)"
            out.is_missing = self._number(f"SELECT count(*) FROM keys_there ANTI JOIN {here} {key}") > 0

    def _as_a_whole(self, out: Changes) -> None:
        """Without a key there is no telling which row changed: one difference writes the whole table anew."""
        shared = ", ".join(quoted(name) for name in out.columns if name in self.held and name in self._read)
        rows = self._number("SELECT count(*) FROM incoming")
        out.held_gone = max(out.held - rows, 0)
        if self.held and out.held == rows and out.columns.keys() <= self.held.keys():
            other = f"SELECT {shared} FROM incoming EXCEPT ALL SELECT {shared} FROM {self._raw} WHERE NOT _is_deleted"
            if self._number(f"SELECT count(*) FROM ({other})") == 0:
                return
        self._write_rows(f"SELECT {self._listed(out.columns)} FROM incoming AS i")
        out.rows, out.is_merge, out.is_replacement = rows, bool(out.held), bool(self.held)

    def _differing(self, columns: Mapping[str, str]) -> str:
        if not self.held:
            return f"SELECT {self._listed(columns)} FROM incoming AS i"
        differs = [
            f"i.{quoted(name)} IS DISTINCT FROM h.{quoted(name)}"
            if name in self.held
            else f"i.{quoted(name)} IS NOT NULL"
            for name in columns
            if name in self._read
        ]
        return (
            f"SELECT {self._listed(columns)} FROM incoming AS i LEFT JOIN {self._raw} AS h {self._using} "
            f"WHERE h._is_deleted IS NULL OR h._is_deleted OR {' OR '.join(differs)}"
        )

    def _listed(self, columns: Mapping[str, str]) -> str:
        """The columns of a row to write; one that the database has no more keeps the value it had."""
        own = {
            "_is_deleted": "FALSE",
            "_deleted_at": "NULL::TIMESTAMPTZ",
            "_loaded_at": f"{literal(self.now.isoformat())}::TIMESTAMPTZ",
        }
        out = []
        for name, kind in columns.items():
            if name in self._read:
                value = f"i.{quoted(name)}"
            elif name in own:
                value = own[name]
            else:
                value = f"h.{quoted(name)}" if self._is_by_key and self.held else f"NULL::{kind}"
            out.append(f"{value} AS {quoted(name)}")
        return ", ".join(out)

    def _columns(self, misfits: Mapping[str, object]) -> dict[str, str]:
        """The columns of the raw table after the load: those it has, in their order, and the new ones."""
        new = {one.name: one.kind for one in self.staged.landings}
        new |= {one.beside: "VARCHAR" for one in self.staged.landings if one.name in misfits}
        columns = {name: kind for name, kind in self.held.items() if not name.startswith("_dlt")}
        return {**columns, **{name: kind for name, kind in {**new, **OWN}.items() if name not in columns}}

    def _misfits(self) -> dict[str, tuple[int, str]]:
        landings = [one for one in self.staged.landings if one.rest != "NULL::VARCHAR"]
        if not landings:
            return {}
        asked = ", ".join(f"count({quoted(one.beside)}), any_value({quoted(one.beside)})" for one in landings)
        row = self.con.execute(f"SELECT {asked} FROM incoming").fetchone() or ()
        pairs = zip(row[::2], row[1::2], strict=True)
        return {one.name: (count, example) for one, (count, example) in zip(landings, pairs, strict=True) if count}

    def _key_trouble(self) -> str:
        if not self.staged.key:
            return ""
        names = [quoted(name) for name in self.staged.key]
        empty = " OR ".join(f"{name} IS NULL" for name in names)
        rows, empties, distinct = self.con.execute(
            f"SELECT count(*), count(*) FILTER ({empty}), count(DISTINCT ({', '.join(names)})) FROM incoming"
        ).fetchone() or (0, 0, 0)
        listed = ", ".join(self.staged.key)
        if empties:
            return f"{empties} rows have no value in the key ({listed}) that fits its type"
        return f"{rows - distinct} rows share their key ({listed}) with another" if distinct < rows else ""

    def _view(self, name: str, landings: Sequence[Landing], file: Path) -> None:
        values = [f"{one.value} AS {quoted(one.name)}" for one in landings]
        values += [f"{one.rest} AS {quoted(one.beside)}" for one in landings]
        self.con.execute(
            f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT {', '.join(values)} FROM read_parquet({literal(str(file))})"
        )

    def _write_rows(self, query: str) -> None:
        self.con.execute(f"COPY ({query}) TO {literal(str(self._path('rows')))} (FORMAT parquet, COMPRESSION lz4)")

    def _path(self, what: str) -> Path:
        return self.folder / f"{self.staged.table}.{what}.parquet"

    def _number(self, query: str) -> int:
        row = self.con.execute(query).fetchone()
        return int(row[0]) if row else 0

    @property
    def _read(self) -> set[str]:
        return {one.name for one in self.staged.landings} | {one.beside for one in self.staged.landings}

    @property
    def _written(self) -> str:
        return f"read_parquet({literal(str(self._path('rows')))})"

    @property
    def _using(self) -> str:
        return f"USING ({', '.join(quoted(name) for name in self.staged.key)})"


def settle_deletes(
    connection: duckdb.DuckDBPyConnection, table: str, key: Sequence[str], gone: Path, now: datetime
) -> None:
    """Marks rows as deleted; what they last were stays."""
    same = " AND ".join(f"held.{quoted(name)} = gone.{quoted(name)}" for name in key)
    connection.execute(
        f"UPDATE {SCHEMA}.{quoted(table)} AS held SET _is_deleted = TRUE, _deleted_at = ?, _loaded_at = ? "
        f"FROM read_parquet({literal(str(gone))}) AS gone WHERE {same}",
        [now, now],
    )


def settle_replacement(connection: duckdb.DuckDBPyConnection, table: str, *, is_empty: bool) -> None:
    """Forgets what was marked under another key, and all rows where the database has none left."""
    condition = "" if is_empty else " WHERE _is_deleted"
    connection.execute(f"DELETE FROM {SCHEMA}.{quoted(table)}{condition}")


def live_rows(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """Counts the rows held that are not deleted."""
    row = connection.execute(f"SELECT count(*) FROM {SCHEMA}.{quoted(table)} WHERE NOT _is_deleted").fetchone()
    return int(row[0]) if row else 0
