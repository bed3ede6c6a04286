"""Works out what a load changes: pages read against rows held, in DuckDB, with only keys in memory.

One `Table` per raw table. Nothing is written to the raw file here, and nothing is asked of the vendor.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from connectors._api.columns import SPOOLED
from warehouse.sql import literal, quoted

if TYPE_CHECKING:
    import duckdb

_SHAPES_FROM = 5_000
#: A hash that is the same in every version of DuckDB, as a signed number.
_HASH = "(md5_number_lower(payload)::HUGEINT - 9223372036854775808)::BIGINT"


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

    def take(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Takes pages in, after those already taken."""
        self.con.execute(
            f"CREATE TABLE IF NOT EXISTS {self._read} (id VARCHAR, modified_at TIMESTAMPTZ, payload VARCHAR, "
            "is_deleted BOOLEAN, is_bare BOOLEAN)"
        )
        reader = pa.RecordBatchReader.from_batches(SPOOLED, batches)
        self.con.register("pages", reader)
        self.con.execute(f"INSERT INTO {self._read} SELECT * FROM pages")
        self.con.unregister("pages")
        # Of several versions of a record the one changed last counts, and of equals the one read last.
        self.con.execute(
            f"CREATE OR REPLACE TABLE {self._newest} AS "
            "SELECT id, max_by(rowid, (coalesce(modified_at, 'infinity'::TIMESTAMPTZ), rowid)) AS place, "
            "max_by(is_deleted, (coalesce(modified_at, 'infinity'::TIMESTAMPTZ), rowid)) AS is_deleted "
            f"FROM {self._read} GROUP BY id"
        )

    def newest_change(self) -> datetime | None:
        """Gives the latest time of change among what was read."""
        return self._value(f"SELECT max(modified_at) FROM {self._read}")  # type: ignore[return-value]

    def keys_read(self) -> int:
        """Counts the records read, each once."""
        return self._number(f"SELECT count(*) FROM {self._newest}")

    def live(self, since: datetime | None = None) -> int:
        """Counts the records that will be there and not deleted; those that changed at or after `since` only."""
        return self._number(f"SELECT count(*) FROM ({self._live(since)})", since)

    def not_among(self, ids: str, since: datetime | None = None) -> list[str]:
        """Gives the records that would be there though the table `ids` does not list them."""
        return self._ids(f"SELECT id FROM ({self._live(since)}) ANTI JOIN {ids} USING (id) ORDER BY id", since)

    def missing(self, ids: str) -> list[str]:
        """Gives the records that the table `ids` lists, and that would not be there."""
        return self._ids(f"SELECT DISTINCT id FROM {ids} ANTI JOIN ({self._live(None)}) USING (id) ORDER BY id", None)

    def listed(self, batches: Iterable[Sequence[str]]) -> str:
        """Takes ids in; gives the name of the table that holds them."""
        name = f"listed_{self.slot}"
        self.con.execute(f"CREATE OR REPLACE TABLE {name} (id VARCHAR)")
        for batch in batches:
            ids = pa.table({"id": pa.array([str(i) for i in batch], pa.string())})
            self.con.register("ids", ids)
            self.con.execute(f"INSERT INTO {name} SELECT id FROM ids")
            self.con.unregister("ids")
        return name

    @property
    def read_ids(self) -> str:
        """The name of a table with the ids of what was read and is not deleted."""
        name = f"alive_{self.slot}"
        self.con.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT id FROM {self._newest} WHERE NOT is_deleted")
        return name

    def among_read(self, ids: str) -> list[str]:
        """Gives the records of the table `ids` that were read and are not deleted."""
        return self._ids(
            f"SELECT DISTINCT id FROM {ids} SEMI JOIN (FROM {self._newest} WHERE NOT is_deleted) USING (id)", None
        )

    def write_nothing(self, path: Path) -> None:
        """Writes a Parquet file without rows, which has the columns of the raw table all the same."""
        self.con.execute(
            f"COPY (SELECT *, now() AS _loaded_at FROM nothing_held) TO {literal(str(path))} (FORMAT parquet)"
        )

    def delete(self, ids: Sequence[str]) -> None:
        """Marks records as deleted; what they last were stays."""
        for start in range(0, len(ids), 50_000):
            batch = list(ids[start : start + 50_000])
            page = pa.record_batch(
                [
                    pa.array(batch, pa.string()),
                    pa.nulls(len(batch), SPOOLED.field("modified_at").type),
                    pa.array(["{}"] * len(batch), pa.string()),
                    pa.array([True] * len(batch)),
                    pa.array([True] * len(batch)),
                ],
                schema=SPOOLED,
            )
            self.take([page])

    def changes(self, folder: Path, loaded_at: datetime) -> tuple[Path | None, int]:
        """Writes the rows that the raw table does not hold like that into a Parquet file; gives it and their number."""
        held = quoted("held", "raw", self.name) if self.exists else "(FROM nothing_held)"
        self.con.execute(
            f"""
            CREATE OR REPLACE TABLE {self._changed} AS
            WITH newest AS (
                SELECT r.*, r.rowid AS place FROM {self._read} AS r SEMI JOIN {self._newest} AS n ON n.place = r.rowid
            ),
            beside AS (
                SELECT newest.id, newest.is_deleted, newest.is_bare, h.id IS NOT NULL AS is_held,
                    h.is_deleted AS was_deleted, h.deleted_at, h._hash AS held_hash, newest.place,
                    {_HASH.replace("payload", "newest.payload")} AS new_hash
                FROM newest LEFT JOIN {held} AS h ON h.id = newest.id
            )
            SELECT id, place, is_held, is_held AND is_deleted AS keeps_record, is_deleted, new_hash,
                CASE WHEN is_deleted THEN coalesce(deleted_at, $now) END AS deleted_at
            FROM beside
            WHERE CASE
                WHEN is_deleted THEN CASE WHEN is_held THEN NOT was_deleted ELSE NOT is_bare END
                ELSE held_hash IS DISTINCT FROM new_hash OR was_deleted IS DISTINCT FROM FALSE
            END
            """,
            {"now": loaded_at},
        )
        count = self._number(f"SELECT count(*) FROM {self._changed}")
        if count == 0:
            return None, 0
        path = folder / f"{self.name}.parquet"
        self.con.execute(
            f"""
            COPY (
                SELECT c.id,
                    CASE WHEN keeps_record THEN h.modified_at ELSE r.modified_at END AS modified_at,
                    CASE WHEN keeps_record THEN h.payload::VARCHAR ELSE r.payload END AS payload,
                    c.is_deleted, c.deleted_at,
                    CASE WHEN keeps_record THEN h._hash ELSE c.new_hash END AS _hash,
                    $now::TIMESTAMPTZ AS _loaded_at
                FROM {self._read} AS r
                JOIN {self._changed} AS c ON c.place = r.rowid
                LEFT JOIN {held} AS h ON h.id = c.id AND c.keeps_record
            ) TO {literal(str(path))} (FORMAT parquet, COMPRESSION lz4)
            """,
            {"now": loaded_at},
        )
        return path, count

    def holds_any_changed(self) -> bool:
        """Tells whether the raw table has rows of the records that changed."""
        return bool(self._value(f"SELECT count(*) FROM {self._changed} WHERE is_held"))

    def shapes(self) -> tuple[list[tuple[str, int]], int]:
        """Gives the shapes of changed records that are not deleted, with their numbers, and how many were looked at."""
        rows = self.con.execute(
            f"SELECT json_structure(payload)::VARCHAR, count(*) FROM (SELECT r.payload FROM {self._read} AS r "
            f"SEMI JOIN (SELECT place FROM {self._changed} WHERE NOT is_deleted ORDER BY place DESC "
            f"LIMIT {_SHAPES_FROM}) AS c ON c.place = r.rowid) GROUP BY 1"
        ).fetchall()
        return [(shape, count) for shape, count in rows], sum(count for _, count in rows)

    def _live(self, since: datetime | None) -> str:
        """The records that will be there: held ones that were not read again, and those read that are not deleted."""
        recent = "AND modified_at >= ?" if since else ""
        held = (
            f"SELECT id FROM held.raw.{quoted(self.name)} ANTI JOIN {self._newest} USING (id) "
            f"WHERE NOT is_deleted {recent} UNION ALL "
            if self.exists
            else ""
        )
        return f"{held}SELECT id FROM {self._newest} WHERE NOT is_deleted"

    def _ids(self, sql: str, since: datetime | None) -> list[str]:
        return [i for (i,) in self.con.execute(sql, [since] * sql.count("?")).fetchall()]

    def _number(self, sql: str, since: datetime | None = None) -> int:
        return int(str(self._value(sql, since)))

    def _value(self, sql: str, since: datetime | None = None) -> object:
        row = self.con.execute(sql, [since] * sql.count("?")).fetchone()
        return row[0] if row else None

    @property
    def _read(self) -> str:
        return f"read_{self.slot}"

    @property
    def _newest(self) -> str:
        return f"newest_{self.slot}"

    @property
    def _changed(self) -> str:
        return f"changed_{self.slot}"


def open_scratch(folder: Path, raw_file: Path) -> duckdb.DuckDBPyConnection:
    """Gives a scratch database in a folder, with the raw file attached read-only as `held` if it is there."""
    import duckdb

    con = duckdb.connect(
        str(folder / "merge.duckdb"),
        config={
            "memory_limit": "1GB",
            "temp_directory": str(folder / "spill"),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        },
    )
    con.execute("SET TimeZone = 'UTC'")
    con.execute(
        "CREATE TABLE nothing_held (id VARCHAR, modified_at TIMESTAMPTZ, payload VARCHAR, is_deleted BOOLEAN, "
        "deleted_at TIMESTAMPTZ, _hash BIGINT)"
    )
    if raw_file.exists():
        con.execute(f"ATTACH {literal(str(raw_file))} AS held (READ_ONLY)")
    return con
