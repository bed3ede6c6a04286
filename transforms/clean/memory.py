"""What cleaning keeps of each mapped row, so that the next night cleans only what changed.

A DuckDB file beside the build database, with a table per source and entity: which rows there were, by hashes of what
the mapping gave, and what became of them. It can be made again at any time: where it is missing, damaged or of another
night than the build database, all is cleaned.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import duckdb
import polars as pl

from transforms.clean import stage
from transforms.clean.batch import EXAMPLE_ROWS, clean_ids
from transforms.clean.formats import Formats, tally
from transforms.clean.stage import Task
from warehouse.records import IS_ORPHAN
from warehouse.sql import literal, quoted

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

CATALOG = "cleaning"
#: After so large a share of the rows changed, all are cleaned: that is quicker.
MOST_CHANGED = 0.2

_STATE = f"""
CREATE TABLE IF NOT EXISTS {CATALOG}.state (entity VARCHAR, source VARCHAR, mark VARCHAR, recipe VARCHAR);
CREATE TABLE IF NOT EXISTS {CATALOG}.load (
    entity VARCHAR, source VARCHAR, source_file VARCHAR, loaded_at TIMESTAMPTZ
);
"""
#: What a file's rows come to, whatever their order.
_SUM = "count(*) AS rows, coalesce(sum(hash(hash_one, hash_two, source_row)), 0) AS total"
_TEMPORARY = ("night_fresh", "night_stale", "night_moved", "night_id", "night_removed")


@dataclass(frozen=True)
class Night:
    """What differs from the night before, in temporary tables beside.

    night_id: cleaned source_id of all records that a changed row may touch, null among them for rows without an id.
    night_removed: rows of the memory with these ids, whose place those of tonight take.
    night_moved: rows with other ids that are only found in another place: source_id, source_file, source_row.

    Attributes:
        wanted: what `stage.fill` has to read.
        staged: how many rows come into the stage then.
        formats: evidence of all rows of last night.
        formats_left: evidence of those that stay as they are.
        touches: whether any record may be another than last night.
    """

    wanted: pa.Table
    staged: int
    formats: Formats
    formats_left: Formats
    touches: bool


@contextmanager
def attached(con: duckdb.DuckDBPyConnection, path: Path) -> Iterator[None]:
    """Attach the memory to the build database as `cleaning`; one that is damaged begins anew."""
    try:
        _attach(con, path)
    except duckdb.Error as error:
        log.warning("%s cannot be used and is made anew: %s", path, error)
        forget_all(path)
        _attach(con, path)
    try:
        yield
    finally:
        con.execute(f"DETACH {CATALOG}")


def forget_all(path: Path) -> None:
    """Remove the memory, so that all is cleaned again."""
    for file in (path, path.with_name(path.name + ".wal")):
        file.unlink(missing_ok=True)


def _attach(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    con.execute(f"ATTACH {literal(str(path))} AS {CATALOG}")
    try:
        con.execute(_STATE)
    except duckdb.Error:
        con.execute(f"DETACH {CATALOG}")
        raise


class Memory:
    """What is kept of one source's rows of an entity.

    Args:
        con: the build database, with the memory attached.
        recipe: names everything that decides how rows are cleaned; rows cleaned by another are of no use.
        mark: which cleaning the build database holds; None where that is not certain.
    """

    def __init__(
        self, con: duckdb.DuckDBPyConnection, *, entity: str, source: str, recipe: str, mark: str | None
    ) -> None:
        self.con, self.entity, self.source = con, entity, source
        self.recipe, self.mark = recipe, mark
        self.table = quoted(CATALOG, entity, source)

    def compare(self, task: Task, returning: Sequence[str]) -> Night | None:
        """What changed since last night.

        Args:
            returning: source_ids of orphans that may come back.

        Returns:
            None where all has to be cleaned.
        """
        if not self._is_usable():
            return None
        try:
            return self._compare(task, returning)
        except duckdb.IOException as error:
            log.warning("What is kept of %s/%s cannot be read, so all is cleaned: %s", self.source, self.entity, error)
            return None

    def keep(self, night: Night | None) -> None:
        """Note what became of the rows in the stage: all rows, or those of a night of changes."""
        self.mark = uuid4().hex
        own = [self.entity, self.source]
        self.con.begin()
        try:
            if night is None:
                self.con.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(CATALOG, self.entity)}")
                self.con.execute(f"CREATE OR REPLACE TABLE {self.table} AS {stage.EVERY}")
            else:
                self._update()
            for name in ("state", "load"):
                self.con.execute(f"DELETE FROM {CATALOG}.{name} WHERE entity = ? AND source = ?", own)
            self.con.execute(f"INSERT INTO {CATALOG}.state VALUES (?, ?, ?, ?)", [*own, self.mark, self.recipe])
            self.con.execute(f"INSERT INTO {CATALOG}.load SELECT ?, ?, * FROM temp.stage_load", own)
            self.con.commit()
        except BaseException:
            self.con.rollback()
            raise

    def every(self, night: Night | None) -> str:
        """A query for all rows of tonight, in short, before they are kept."""
        if night is None:
            return stage.EVERY
        return f"FROM {self.table} AS m ANTI JOIN temp.night_removed AS r ON r.kept = m.rowid UNION ALL {stage.EVERY}"

    def _update(self) -> None:
        self.con.execute(
            f"UPDATE {self.table} AS m SET source_file = n.source_file, source_row = n.source_row "
            "FROM temp.night_moved AS n WHERE m.rowid = n.kept"
        )
        self.con.execute(f"DELETE FROM {self.table} WHERE rowid IN (SELECT kept FROM temp.night_removed)")
        self.con.execute(f"INSERT INTO {self.table} {stage.EVERY}")

    def _is_usable(self) -> bool:
        found = self.con.execute(
            f"SELECT mark, recipe FROM {CATALOG}.state WHERE entity = ? AND source = ?", [self.entity, self.source]
        ).fetchall()
        return self.mark is not None and found == [(self.mark, self.recipe)]

    def _compare(self, task: Task, returning: Sequence[str]) -> Night | None:
        self._sum_files(task)
        rows = self._one("SELECT coalesce(sum(rows), 0) FROM temp.night_file")
        if not self._find_changed(task):
            log.info("%s/%s: rows do not add up, so all are cleaned", self.source, self.entity)
            return None
        self._find_moved()
        changed = self._one("SELECT (SELECT count(*) FROM temp.night_fresh) + (SELECT count(*) FROM temp.night_stale)")
        if changed > MOST_CHANGED * rows:
            return None
        self._name_ids(task, returning)
        staged = self._one(
            "SELECT (SELECT count(*) FROM temp.night_removed) - (SELECT count(*) FROM temp.night_stale) "
            "+ (SELECT count(*) FROM temp.night_fresh)"
        )
        if staged > MOST_CHANGED * rows:
            return None
        touches = self._one("SELECT count(*) FROM temp.night_id") > 0
        return Night(
            wanted=self._wanted() if touches else self._wanted().slice(0, 0),
            staged=staged,
            formats=self._formats(task, f"FROM {self.table}"),
            formats_left=self._formats(
                task, f"FROM {self.table} AS m ANTI JOIN temp.night_removed AS r ON r.kept = m.rowid"
            ),
            touches=touches,
        )

    def _sum_files(self, task: Task) -> None:
        """Table night_file: what each file's rows come to tonight, and whether they are others than last night."""
        self.con.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE night_file AS
            SELECT coalesce(now.source_file, past.source_file) AS source_file, coalesce(now.rows, 0) AS rows,
                   coalesce(now.total, 0) AS total, coalesce(past.rows, 0) AS rows_before,
                   coalesce(past.total, 0) AS total_before
            FROM (SELECT source_file, {_SUM} FROM ({_placed(task.query)}) GROUP BY source_file) AS now
            FULL JOIN (SELECT source_file, {_SUM} FROM {self.table} GROUP BY source_file) AS past
                ON past.source_file IS NOT DISTINCT FROM now.source_file
            """
        )
        self.con.execute(
            "CREATE OR REPLACE TEMP TABLE night_changed_file AS FROM temp.night_file "
            "WHERE rows <> rows_before OR total <> total_before"
        )

    def _find_changed(self, task: Task) -> bool:
        """Tables night_fresh and night_stale: rows of tonight that were not there, and rows that are no more.

        A row is known by content and place. False where that does not explain what the files come to: equal rows in
        one place became more or fewer.
        """
        files = self.con.execute("SELECT source_file FROM temp.night_changed_file").fetchall()
        among = _in_files([file for (file,) in files])
        same = " AND ".join(
            f"now.{name} IS NOT DISTINCT FROM past.{name}" if name.startswith("source") else f"now.{name} = past.{name}"
            for name in ("hash_one", "hash_two", "source_file", "source_row")
        )
        self.con.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE night_row AS
            SELECT now.hash_one AS new_one, now.hash_two AS new_two, now.source_file AS new_file,
                   now.source_row AS new_row, now.source_id AS said_id, past.*
            FROM (SELECT * FROM ({_placed(task.query)}) WHERE {among}) AS now
            FULL JOIN (SELECT rowid AS kept, * FROM {self.table} WHERE {among}) AS past ON {same}
            WHERE now.hash_one IS NULL OR past.hash_one IS NULL
            """
        )
        self.con.execute(
            "CREATE OR REPLACE TEMP TABLE night_fresh AS SELECT new_one AS hash_one, new_two AS hash_two, "
            "new_file AS source_file, new_row AS source_row, said_id FROM temp.night_row WHERE new_one IS NOT NULL"
        )
        self.con.execute(
            "CREATE OR REPLACE TEMP TABLE night_stale AS SELECT kept, hash_one, hash_two, source_row, source_id, "
            "is_alone FROM temp.night_row WHERE new_one IS NULL"
        )
        self.con.execute("DROP TABLE temp.night_row")
        found = self.con.execute(
            f"SELECT sum(rows) - sum(rows_before) = any_value(fresh_rows) - any_value(stale_rows) "
            f"AND sum(total) - sum(total_before) = any_value(fresh_total) - any_value(stale_total) "
            f"FROM temp.night_changed_file, (SELECT {_SUM} FROM temp.night_fresh) AS fresh(fresh_rows, fresh_total), "
            f"(SELECT {_SUM} FROM temp.night_stale) AS stale(stale_rows, stale_total)"
        ).fetchone()
        return not files or bool(found and found[0])

    def _find_moved(self) -> None:
        """Table night_moved: rows found in another place, and alone with their id; they leave the other two tables."""
        self.con.execute(
            """
            CREATE OR REPLACE TEMP TABLE night_moved AS
            SELECT kept, hash_one, hash_two, source_id, f.source_file, f.source_row
            FROM temp.night_stale AS s
            INNER JOIN temp.night_fresh AS f USING (hash_one, hash_two)
            WHERE s.is_alone AND s.source_id IS NOT NULL
            QUALIFY count(*) OVER (PARTITION BY kept) = 1
            """
        )
        for name in ("fresh", "stale"):
            self.con.execute(
                f"DELETE FROM temp.night_{name} WHERE (hash_one, hash_two) IN "
                "(SELECT (hash_one, hash_two) FROM temp.night_moved)"
            )

    def _name_ids(self, task: Task, returning: Sequence[str]) -> None:
        """Tables night_id and night_removed; moved rows of these ids leave night_moved."""
        said = self.con.execute("SELECT said_id FROM temp.night_fresh").pl()["said_id"]
        named = pl.DataFrame({"source_id": [*clean_ids(said, task.contract, task.context), *returning]})
        self.con.register("named_id", named.cast(pl.String).unique().to_arrow())
        self.con.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE night_id AS
            SELECT source_id FROM named_id
            UNION SELECT source_id FROM temp.night_stale
            UNION SELECT m.source_id FROM {self.table} AS m
            SEMI JOIN (
                SELECT l.source_file FROM temp.stage_load AS l
                INNER JOIN (FROM {CATALOG}.load WHERE entity = $entity AND source = $source) AS past USING (source_file)
                WHERE l.loaded_at IS DISTINCT FROM past.loaded_at
            ) AS loaded ON loaded.source_file = m.source_file
            WHERE NOT m.is_alone
            UNION SELECT q.source_id FROM quarantine.{quoted(self.entity)} AS q
            SEMI JOIN temp.night_moved AS m USING (source_id)
            WHERE q.source = $source AND {IS_ORPHAN}
            """,
            {"entity": self.entity, "source": self.source},
        )
        self.con.unregister("named_id")
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE night_removed AS SELECT m.rowid AS kept, m.hash_one, m.hash_two "
            f"FROM {self.table} AS m SEMI JOIN temp.night_id AS n ON n.source_id IS NOT DISTINCT FROM m.source_id"
        )
        self.con.execute("DELETE FROM temp.night_moved WHERE source_id IN (SELECT source_id FROM temp.night_id)")

    def _wanted(self) -> pa.Table:
        """Tonight's rows of the ids; and the first of the others with each issue, for they may be its examples."""
        return self.con.execute(
            f"""
            WITH first AS (
                SELECT notes, unnest(min({{id: coalesce(source_id, ''), one: hash_one, two: hash_two}}, {EXAMPLE_ROWS}))
                    AS row
                FROM {self.table} AS m
                ANTI JOIN temp.night_removed AS r ON r.kept = m.rowid
                WHERE notes IS NOT NULL
                GROUP BY notes
            ),
            example AS (
                SELECT row FROM (SELECT row, unnest(string_split(notes, ',')) AS issue FROM first) AS by_issue
                QUALIFY row_number() OVER (PARTITION BY issue ORDER BY row) <= {EXAMPLE_ROWS}
            )
            SELECT hash_one, hash_two, bool_or(is_staged) AS is_staged
            FROM (
                SELECT hash_one, hash_two, TRUE AS is_staged FROM temp.night_removed
                WHERE kept NOT IN (SELECT kept FROM temp.night_stale)
                UNION ALL SELECT hash_one, hash_two, TRUE FROM temp.night_fresh
                UNION ALL SELECT row.one, row.two, FALSE FROM example
            ) AS every
            GROUP BY hash_one, hash_two
            """
        ).to_arrow_table()

    def _formats(self, task: Task, rows: str) -> Formats:
        counted = self.con.execute(f"SELECT marks, count(*) FROM ({rows}) GROUP BY marks").fetchall()
        return tally(counted, task.contract)

    def _one(self, sql: str) -> int:
        row = self.con.execute(sql).fetchone()
        return int(row[0]) if row else 0


def forget(con: duckdb.DuckDBPyConnection, entity: str, source: str) -> None:
    """Forget a source's rows of an entity."""
    con.execute(f"DELETE FROM {CATALOG}.state WHERE entity = ? AND source = ?", [entity, source])
    con.execute(f"DROP TABLE IF EXISTS {quoted(CATALOG, entity, source)}")


def drop(con: duckdb.DuckDBPyConnection) -> None:
    """Remove what `compare` left in temporary tables."""
    for name in (*_TEMPORARY, "night_file", "night_changed_file"):
        con.execute(f"DROP TABLE IF EXISTS temp.{name}")


def _placed(query: str) -> str:
    """The mapped rows, where they lie in the types that are kept."""
    return (
        "SELECT hash_one, hash_two, source_id, source_file::VARCHAR AS source_file, "
        f"TRY_CAST(source_row AS BIGINT) AS source_row FROM ({query}) AS mapped"
    )


def _in_files(files: Sequence[str | None]) -> str:
    """A condition on source_file, as constants: so DuckDB need not read the other files' rows."""
    named = ", ".join(literal(file) for file in files if file is not None)
    parts = [f"source_file IN ({named})"] if named else []
    parts += ["source_file IS NULL"] if None in files else []
    return f"({' OR '.join(parts)})" if parts else "FALSE"
