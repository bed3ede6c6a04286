"""Works out what a load changes: pages read against rows held, in DuckDB, with only keys in memory.

One `Table` per raw table. Nothing is written to the raw file here, and nothing is asked of the vendor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connectors._api.columns import SPOOLED
from connectors._api.resource import RAW_COLUMNS
from warehouse.sql import literal, quoted

if TYPE_CHECKING:
    import duckdb

#: Gives the pages of a series, each time from the beginning.
Pages = Callable[[], Iterator[pa.RecordBatch]]

_PLACED = SPOOLED.append(pa.field("place", pa.int64()))
_ARROW_TYPES = {
    "VARCHAR": pa.string(),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
    "JSON": pa.string(),
    "BOOLEAN": pa.bool_(),
    "BIGINT": pa.int64(),
}
#: As dlt will have it; a file that differs in nothing is taken over as it is.
_LOADED = pa.schema([pa.field(n, _ARROW_TYPES[kind], nullable=n != "id") for n, kind in RAW_COLUMNS.items()])
_SHAPES_FROM = 5_000
_ROWS_A_BATCH = 20_000
_BYTES_A_BATCH = 32_000_000
#: A hash that is the same in every version of DuckDB, as a signed number.
_HASH = "(md5_number_lower(payload)::HUGEINT - 9223372036854775808)::BIGINT"
#: Of several versions of a record the highest rank counts, then the one changed last, then the one read last.
_ORDER = "(rank, coalesce(modified_at, 'infinity'::TIMESTAMPTZ), place)"


@dataclass
class Table:
    """The rows of one raw table, held and read.

    `con` is a scratch database with the raw file attached as `held`; `name` is the raw table, `exists` whether it is
    there yet, and `slot` numbers the tables of this load.
    """

    con: duckdb.DuckDBPyConnection
    name: str
    slot: int
    exists: bool
    _series: list[tuple[int, Pages]] = field(default_factory=list)
    _places: int = 0

    def __post_init__(self) -> None:
        self.con.execute(
            f"CREATE TABLE {self._read} (place BIGINT, id VARCHAR, modified_at TIMESTAMPTZ, is_deleted BOOLEAN, "
            "is_bare BOOLEAN, hash BIGINT, rank TINYINT)"
        )
        self.con.execute(f"CREATE TABLE {self._revived} (id VARCHAR)")
        self._choose()

    def take(self, pages: Pages, *, rank: int = 0) -> None:
        """Takes pages in, after those already taken; they are read once more when changes are written."""
        first = self._places
        self._series.append((first, pages))
        self.con.register("pages", pa.RecordBatchReader.from_batches(_PLACED, self._placed(first, pages)))
        self.con.execute(
            f"INSERT INTO {self._read} SELECT place, id, modified_at, is_deleted, is_bare, {_HASH}, {rank} FROM pages"
        )
        self.con.unregister("pages")
        self._choose()

    def delete(self, ids: Sequence[str]) -> None:
        """Marks records as deleted; what they last were stays."""
        self._register_ids([ids])
        self.con.execute(
            f"INSERT INTO {self._read} "
            f"SELECT {self._places} + row_number() OVER (), id, NULL, TRUE, TRUE, NULL, 2 FROM ids"
        )
        self._places += len(ids) + 1
        self.con.unregister("ids")
        self._choose()

    def revive(self, ids: str) -> None:
        """Takes records that are held as deleted, and that the table `ids` lists, as there again."""
        self.con.execute(
            f"CREATE OR REPLACE TABLE {self._revived} AS SELECT id FROM {self._held} SEMI JOIN {ids} USING (id) "
            f"ANTI JOIN {self._newest} USING (id) WHERE is_deleted"
        )

    def newest_change(self) -> datetime | None:
        """Gives the latest time of change among what was read."""
        return self._value(f"SELECT max(modified_at) FROM {self._read}")  # type: ignore[return-value]

    def live(self, since: datetime | None = None) -> int:
        """Counts the records that will be there and not deleted; those that changed at or after `since` only."""
        return self._number(f"SELECT count(*) FROM ({self._live(since)})", since)

    def listed(self, batches: Iterable[Sequence[str]]) -> str:
        """Takes ids in; gives the name of the table that holds them."""
        name = f"listed_{self.slot}"
        self._register_ids(batches)
        self.con.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT id FROM ids")
        self.con.unregister("ids")
        return name

    def distinct(self, ids: str) -> int:
        """Counts the ids in a table of them, each once."""
        return self._number(f"SELECT count(DISTINCT id) FROM {ids}")

    def alive(self) -> str:
        """Gives the name of a table with the ids of what was read and is not deleted."""
        name = f"alive_{self.slot}"
        self.con.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT id FROM {self._newest} WHERE NOT is_deleted")
        return name

    def not_among(self, ids: str, since: datetime | None = None) -> list[str]:
        """Gives the records that would be there though the table `ids` does not list them."""
        return self._ids(f"SELECT id FROM ({self._live(since)}) ANTI JOIN {ids} USING (id) ORDER BY id", since)

    def missing(self, ids: str) -> list[str]:
        """Gives the records that the table `ids` lists, and that would not be there."""
        return self._ids(f"SELECT DISTINCT id FROM {ids} ANTI JOIN ({self._live(None)}) USING (id) ORDER BY id", None)

    def changes(self, folder: Path, loaded_at: datetime) -> tuple[Path | None, int]:
        """Writes the rows that the raw table does not hold like that into a Parquet file; gives it and their number."""
        self.con.execute(
            f"""
            CREATE OR REPLACE TABLE {self._changed} AS
            SELECT n.id, n.place, n.hash, n.is_deleted, h.id IS NOT NULL AS is_held,
                CASE WHEN n.is_deleted THEN coalesce(h.deleted_at, $now) END AS deleted_at
            FROM {self._newest} AS n
            LEFT JOIN {self._held} AS h ON h.id = n.id
            WHERE CASE
                WHEN n.is_deleted THEN CASE WHEN h.id IS NULL THEN NOT n.is_bare ELSE NOT h.is_deleted END
                ELSE h._hash IS DISTINCT FROM n.hash OR h.is_deleted IS DISTINCT FROM FALSE
                    OR (h.modified_at IS NULL AND n.modified_at IS NOT NULL)
            END
            UNION ALL
            SELECT id, -1, NULL, FALSE, TRUE, NULL FROM {self._revived}
            ORDER BY place
            """,
            {"now": loaded_at},
        )
        count = self._number(f"SELECT count(*) FROM {self._changed}")
        if count == 0:
            return None, 0
        path = folder / f"{self.name}.parquet"
        with pq.ParquetWriter(path, _LOADED, compression="lz4") as writer:
            for batch in self._changed_rows(loaded_at):
                writer.write_batch(batch)
        return path, count

    def holds_any_changed(self) -> bool:
        """Tells whether the raw table has rows of the records that changed."""
        return bool(self._number(f"SELECT count(*) FROM {self._changed} WHERE is_held"))

    def shapes(self, path: Path) -> list[tuple[str, int]]:
        """Gives the shapes of records in a file of changes, with their numbers; deleted ones have none."""
        counts: dict[str, int] = {}
        left = _SHAPES_FROM
        for batch in pq.ParquetFile(path).iter_batches(batch_size=100, columns=["payload", "is_deleted"]):
            few = pa.Table.from_batches([batch.filter(pc.invert(batch["is_deleted"]))])[:left]
            self.con.register("few", few)
            for shape, count in self.con.execute(
                "SELECT json_structure(payload)::VARCHAR, count(*) FROM few GROUP BY 1"
            ).fetchall():
                counts[shape] = counts.get(shape, 0) + count
            self.con.unregister("few")
            left -= few.num_rows
            if left <= 0:
                break
        return list(counts.items())

    def _placed(self, first: int, pages: Pages) -> Iterator[pa.RecordBatch]:
        """The pages with each record's place among all that were read."""
        place = first
        for batch in pages():
            places = pa.array(range(place, place + batch.num_rows), pa.int64())
            place += batch.num_rows
            self._places = max(self._places, place)
            yield pa.RecordBatch.from_arrays([*batch.columns, places], schema=_PLACED)

    def _changed_rows(self, loaded_at: datetime) -> Iterator[pa.RecordBatch]:
        """Rows as they will be: the record as read, or what a deleted record last was."""
        for first, pages in self._series:
            for batch in _gathered(self._placed(first, pages)):
                yield self._changed_of(batch, loaded_at)
        yield from self._arrow(
            "SELECT h.id, h.modified_at, h.payload::VARCHAR AS payload, c.is_deleted, c.deleted_at, h._hash, "
            f"$now AS _loaded_at FROM {self._held} AS h JOIN {self._changed} AS c ON c.id = h.id "
            "WHERE c.is_held AND (c.is_deleted OR c.place < 0)",
            loaded_at,
        )

    def _changed_of(self, page: pa.RecordBatch, loaded_at: datetime) -> pa.RecordBatch:
        """The records of a page that count; joined here, since DuckDB would hold the payloads of all pages at once."""
        first = page["place"][0].as_py()
        kept = self.con.execute(
            f"SELECT place - $first AS at, is_deleted, deleted_at, hash FROM {self._changed} "
            "WHERE place BETWEEN $first AND $last AND NOT (is_deleted AND is_held) ORDER BY place",
            {"first": first, "last": first + page.num_rows - 1},
        ).to_arrow_table()
        rows = page.take(kept["at"].combine_chunks())
        said = {name: kept[name].combine_chunks() for name in ("is_deleted", "deleted_at", "hash")}
        now = pa.repeat(pa.scalar(loaded_at, _LOADED.field("_loaded_at").type), len(rows))
        columns = [rows["id"], rows["modified_at"], rows["payload"], *said.values(), now]
        return _loaded(columns)

    def _arrow(self, sql: str, loaded_at: datetime) -> Iterator[pa.RecordBatch]:
        for batch in self.con.execute(sql, {"now": loaded_at}).to_arrow_reader(_ROWS_A_BATCH):
            yield _loaded(batch.columns)

    def _choose(self) -> None:
        """Of each record read, the version that counts."""
        self.con.execute(
            f"CREATE OR REPLACE TABLE {self._newest} AS SELECT r.* FROM {self._read} AS r "
            f"SEMI JOIN (SELECT max_by(place, {_ORDER}) AS place FROM {self._read} GROUP BY id) USING (place)"
        )

    def _register_ids(self, batches: Iterable[Sequence[str]]) -> None:
        schema = pa.schema([("id", pa.string())])
        # Not as a stream: DuckDB would turn what a vendor's refusal raises into an error of its own.
        arrays = [pa.record_batch([pa.array([str(i) for i in b], pa.string())], schema=schema) for b in batches]
        self.con.register("ids", pa.Table.from_batches(arrays, schema))

    def _live(self, since: datetime | None) -> str:
        """The records that will be there: held ones that were not read again, and those read that are not deleted."""
        recent = "AND modified_at >= ?" if since else ""
        return (
            f"SELECT id FROM {self._held} ANTI JOIN {self._newest} USING (id) WHERE NOT is_deleted {recent} "
            f"UNION ALL SELECT id FROM {self._revived} "
            f"UNION ALL SELECT id FROM {self._newest} WHERE NOT is_deleted"
        )

    def _ids(self, sql: str, since: datetime | None) -> list[str]:
        return [i for (i,) in self.con.execute(sql, [since] * sql.count("?")).fetchall()]

    def _number(self, sql: str, since: datetime | None = None) -> int:
        return int(str(self._value(sql, since)))

    def _value(self, sql: str, since: datetime | None = None) -> object:
        row = self.con.execute(sql, [since] * sql.count("?")).fetchone()
        return row[0] if row else None

    @property
    def _held(self) -> str:
        return quoted("held", "raw", self.name) if self.exists else "nothing_held"

    @property
    def _read(self) -> str:
        return f"read_{self.slot}"

    @property
    def _newest(self) -> str:
        return f"newest_{self.slot}"

    @property
    def _revived(self) -> str:
        return f"revived_{self.slot}"

    @property
    def _changed(self) -> str:
        return f"changed_{self.slot}"


def _gathered(pages: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Pages put together, up to so many rows or bytes."""
    some: list[pa.RecordBatch] = []
    rows = size = 0
    for page in pages:
        some.append(page)
        rows, size = rows + page.num_rows, size + page.nbytes
        if rows >= _ROWS_A_BATCH or size >= _BYTES_A_BATCH:
            yield pa.concat_batches(some)
            some, rows, size = [], 0, 0
    if rows:
        yield pa.concat_batches(some)


def _loaded(columns: Sequence[pa.Array]) -> pa.RecordBatch:
    columns = [c.cast(f.type) for c, f in zip(columns, _LOADED, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=_LOADED)


def write_nothing(path: Path) -> None:
    """Writes a file of changes without rows, which has the columns of a raw table all the same."""
    pq.write_table(_LOADED.empty_table(), path, compression="lz4")


def open_scratch(folder: Path, raw_file: Path) -> duckdb.DuckDBPyConnection:
    """Gives a scratch database in a folder, with the raw file attached read-only as `held` if it is there."""
    import duckdb

    con = duckdb.connect(
        str(folder / "merge.duckdb"),
        config={
            "memory_limit": "512MB",
            "temp_directory": str(folder / "spill"),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        },
    )
    con.execute("SET TimeZone = 'UTC'")
    # It takes a stream of pages for one row, and would hold all of them in memory to look the changes up in.
    con.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
    con.execute(f"CREATE TABLE nothing_held ({', '.join(f'{name} {kind}' for name, kind in RAW_COLUMNS.items())})")
    if raw_file.exists():
        con.execute(f"ATTACH {literal(str(raw_file))} AS held (READ_ONLY)")
    return con
