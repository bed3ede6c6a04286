"""Cleaned rows on their way into the tables: streamed into temporary tables, and which version of a record counts.

Temporary tables spill to disk when they must, and a killed run leaves nothing behind. What was there before is not
looked at here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import polars as pl

from transforms.clean.base import CleanContext
from transforms.clean.batch import HASHES, clean_batch, first_examples
from transforms.clean.formats import Formats, format_marks, tally
from warehouse import store
from warehouse.contracts import SYSTEM_COLUMNS, Contract
from warehouse.sql import literal, quoted

if TYPE_CHECKING:
    import pyarrow as pa

Progress = Callable[[str, int, int | None], None]

QUARANTINE = {
    "source": ("VARCHAR", "Source of the row."),
    "source_id": ("VARCHAR", "The source's id of the record, if it has one."),
    "reasons": ("VARCHAR[]", "Everything that keeps the row out, as reason: column."),
    "row": ("JSON", "The mapped row as the source said it."),
    "source_file": ("VARCHAR", "File that the row came from, for file sources."),
    "source_row": ("BIGINT", "Line or record number in that file."),
    "first_seen_at": ("TIMESTAMPTZ", "When the record first came here."),
    "last_seen_at": ("TIMESTAMPTZ", "When the record was last seen to be bad."),
}
#: What is known of a row beside its cleaned values: hashes of what was mapped, its issues, and what its values tell of
#: formats.
_ASIDE = {"hash_one": "UBIGINT", "hash_two": "UBIGINT", "notes": "VARCHAR", "marks": "UBIGINT"}
ASIDE = ", ".join(_ASIDE)
_TABLES = ("accepted", "quarantined", "load", "version", "fate")

#: The versions of records that come more than once, best first: the newest change, then the file loaded last, then
#: the file whose name sorts last (exports carry dates). Within a file a good row is better than a bad one, a later
#: row better than an earlier.
_VERSIONS = """
CREATE OR REPLACE TEMP TABLE stage_version AS
WITH repeated AS (
    SELECT source_id
    FROM (SELECT source_id FROM temp.stage_accepted UNION ALL SELECT source_id FROM temp.stage_quarantined) AS every
    WHERE source_id IS NOT NULL
    GROUP BY source_id
    HAVING count(*) > 1
),
every_row AS (
    SELECT rowid AS id, 'good' AS side, source_id, source_updated_at, source_file, source_row, row_hash AS content
    FROM temp.stage_accepted
    SEMI JOIN repeated USING (source_id)
    UNION ALL
    SELECT rowid, 'bad', source_id, source_updated_at, source_file, source_row, md5(row::VARCHAR)
    FROM temp.stage_quarantined
    SEMI JOIN repeated USING (source_id)
),
loads AS (
    SELECT source_file, max(loaded_at) AS loaded_at FROM temp.stage_load GROUP BY source_file
)
SELECT
    e.*,
    row_number() OVER (
        PARTITION BY e.source_id
        ORDER BY e.source_updated_at DESC NULLS LAST, l.loaded_at DESC NULLS LAST, e.source_file DESC NULLS LAST,
            e.side = 'bad', e.source_row DESC NULLS LAST, e.content DESC, e.id
    ) AS place
FROM every_row AS e
LEFT JOIN loads AS l ON l.source_file = e.source_file
"""

_FATES = """
CREATE OR REPLACE TEMP TABLE stage_fate AS
WITH beside_best AS (
    SELECT
        v.*,
        first_value(source_file) OVER best AS best_file,
        first_value(source_updated_at) OVER best AS best_updated_at,
        row_number() OVER (PARTITION BY source_id, source_file, side, content ORDER BY place) AS repeat
    FROM temp.stage_version AS v
    WINDOW best AS (PARTITION BY source_id ORDER BY place)
)
SELECT
    id, side,
    CASE
        WHEN repeat > 1 THEN 'exact_duplicate'
        WHEN side = 'good' AND place = 1 THEN 'accepted'
        WHEN place > 1 AND (source_file IS DISTINCT FROM best_file OR source_updated_at < best_updated_at)
            THEN 'superseded'
        WHEN side = 'good' THEN 'duplicate_key'
        ELSE 'quarantined'
    END AS fate
FROM beside_best
"""


def _settled(table: str, side: str, fate: str) -> str:
    return (
        f"SELECT s.* EXCLUDE (staged), coalesce(f.fate, {literal(fate)}) AS fate, f.fate IS NULL AS is_alone, s.staged "
        f"FROM (SELECT rowid AS staged, * FROM temp.{table}) AS s "
        f"LEFT JOIN (FROM temp.stage_fate WHERE side = {literal(side)}) AS f ON f.id = s.staged"
    )


#: Staged rows with their fate, with `staged` for their place in the stage, and whether no other row has their id.
ACCEPTED = _settled("stage_accepted", "good", "accepted")
QUARANTINED = _settled("stage_quarantined", "bad", "quarantined")
#: Every staged row in short.
_SHORT = f"SELECT {ASIDE}, source_file, source_row, source_id, fate, is_alone"
EVERY = f"{_SHORT} FROM ({ACCEPTED}) AS good UNION ALL {_SHORT} FROM ({QUARANTINED}) AS bad"


@dataclass(frozen=True)
class Task:
    """A source's rows of an entity, and how they are to be cleaned.

    Attributes:
        con: the build database with the raw file attached.
        query: gives the mapped rows with hash_one and hash_two, which leave out source_file and source_row.
        progress: called with (what, rows done, rows in all if known).
    """

    con: duckdb.DuckDBPyConnection
    contract: Contract
    source: str
    query: str
    context: CleanContext
    batch_rows: int
    progress: Progress | None


@dataclass(frozen=True)
class Filled:
    """What came into the stage.

    Attributes:
        rows: how many rows.
        formats: what they tell of formats.
        assumed: the evidence by which ambiguous values were read.
        examples: of their issues.
    """

    rows: int
    formats: Formats
    assumed: Formats
    examples: pl.DataFrame


def with_hashes(con: duckdb.DuckDBPyConnection, query: str) -> str:
    """The mapped rows with two hashes of all that the source says; one of 64 bits alone might meet another's."""
    columns = [row[0] for row in con.execute(f"DESCRIBE {query}").fetchall()]
    content = ", ".join(quoted(name) for name in columns if name not in ("source_file", "source_row"))
    # Where a row lies belongs to every row, so that rows without are not a case of their own.
    absent = "".join(f", NULL::{kind} AS {name}" for name, kind in _PLACE.items() if name not in columns)
    hashes = f"hash({content}) AS hash_one, hash('', {content}) AS hash_two"
    return f"SELECT *, {hashes}{absent} FROM ({query}) AS mapped"


_PLACE = {"source_file": "VARCHAR", "source_row": "BIGINT"}


def columns_of(contract: Contract) -> tuple[str, ...]:
    """The columns of clean.<entity> that cleaning gives a row."""
    return tuple(c.name for c in (*contract.columns, *SYSTEM_COLUMNS) if c.name != "cleaned_at")


def create(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Make the stage anew, empty."""
    aside = "".join(f", {name} {kind}" for name, kind in _ASIDE.items())
    kinds = {c.name: c.duckdb_type for c in (*contract.columns, *SYSTEM_COLUMNS)}
    accepted = ", ".join(f"{quoted(name)} {kinds[name]}" for name in columns_of(contract))
    quarantined = ", ".join(f"{quoted(n)} {kind}" for n, (kind, _) in QUARANTINE.items() if not n.endswith("_at"))
    con.execute(f"CREATE OR REPLACE TEMP TABLE stage_accepted ({accepted}{aside})")
    con.execute(f"CREATE OR REPLACE TEMP TABLE stage_quarantined ({quarantined}, source_updated_at TIMESTAMPTZ{aside})")


def drop(con: duckdb.DuckDBPyConnection) -> None:
    """Remove the stage."""
    for name in _TABLES:
        con.execute(f"DROP TABLE IF EXISTS temp.stage_{name}")


def fill(task: Task, formats: Formats | None, wanted: pa.Table | None = None) -> Filled:
    """Clean mapped rows into an empty stage.

    Args:
        formats: evidence by which ambiguous values are read; default: that of the first batch.
        wanted: hash_one and hash_two of the rows to read, with `is_staged`, which is false where a row is only read
            for what it is an example of; default: all rows.
    """
    create(task.con, task.contract)
    rows, found, examples = 0, Formats(), first_examples([])
    for frame in _batches(task, wanted):
        staged = frame["is_staged"] if wanted is not None else pl.repeat(True, frame.height, eager=True)
        mapped = frame.drop("is_staged", strict=False)
        marks = format_marks(mapped, task.contract)
        told = tally(marks.filter(staged).value_counts(name="count").iter_rows(), task.contract)
        found += told
        formats = formats or told
        cleaned = clean_batch(mapped, task.contract, task.context, formats)
        aside = mapped.select(HASHES).with_columns(cleaned.notes.alias("notes"), marks.alias("marks"))
        good, bad = ~cleaned.is_bad, cleaned.is_bad
        _append(task.con, "accepted", cleaned.accepted.hstack(aside.filter(good)).filter(staged.filter(good)))
        _append(task.con, "quarantined", cleaned.quarantined.hstack(aside.filter(bad)).filter(staged.filter(bad)))
        examples = first_examples([examples, cleaned.examples])
        rows += int(staged.sum())
        if task.progress:
            task.progress(f"{task.source}/{task.contract.name}", rows, None)
    return Filled(rows, found, formats or Formats(), examples)


def note_loads(con: duckdb.DuckDBPyConnection, raw_tables: list[str], catalog: str) -> None:
    """When each file was last loaded, to tell the newer of two files that hold the same record."""
    con.execute("CREATE OR REPLACE TEMP TABLE stage_load (source_file VARCHAR, loaded_at TIMESTAMPTZ)")
    columns = store.raw_columns(con, catalog)
    for table in raw_tables:
        if {"_file", "_loaded_at"} <= columns.get(table, {}).keys():
            con.execute(
                "INSERT INTO temp.stage_load SELECT _file, max(_loaded_at) "
                f"FROM {quoted(catalog)}.raw.{quoted(table)} GROUP BY 1"
            )


def settle(con: duckdb.DuckDBPyConnection) -> None:
    """Find out which of several staged versions of a record counts; ACCEPTED, QUARANTINED and EVERY say it then."""
    con.execute(_VERSIONS)
    con.execute(_FATES)


def _batches(task: Task, wanted: pa.Table | None) -> Iterator[pl.DataFrame]:
    """The mapped rows, streamed: a cursor of its own, so that writing can go on beside it."""
    cursor = task.con.cursor()
    query = task.query
    try:
        cursor.execute("SET TimeZone = 'UTC'")
        if wanted is not None:
            cursor.register("wanted", wanted)
            query = (
                f"SELECT m.*, w.is_staged FROM ({query}) AS m "
                "INNER JOIN wanted AS w ON w.hash_one = m.hash_one AND w.hash_two = m.hash_two"
            )
        for batch in cursor.execute(query).to_arrow_reader(task.batch_rows):
            frame = pl.from_arrow(batch)
            if isinstance(frame, pl.DataFrame) and frame.height:
                yield frame
    finally:
        cursor.close()


def _append(con: duckdb.DuckDBPyConnection, table: str, rows: pl.DataFrame) -> None:
    if rows.is_empty():
        return
    con.register("stage_rows", rows.to_arrow())
    con.execute(f"INSERT INTO temp.stage_{table} BY NAME SELECT * FROM stage_rows")
    con.unregister("stage_rows")
