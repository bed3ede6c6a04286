"""Writes what is in the stage into clean.<entity> and quarantine.<entity>, as the difference to what they hold.

Rows that did not change are not touched. Which records changed is logged, so that models can follow.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import duckdb

from transforms.clean import stage
from transforms.clean.stage import ACCEPTED, ASIDE, QUARANTINED
from warehouse import changes, records
from warehouse.contracts import Contract
from warehouse.records import IS_ORPHAN
from warehouse.sql import literal, quoted

#: Changes of so many records are logged at any rate, and of more if they are no larger share of the table.
_FEW, _SHARE = 1000, 0.2
_SETTLED = f"{ASIDE}, fate, is_alone, staged"


@dataclass(frozen=True)
class Changes:
    """Records written to clean.<entity>, and the table's version then; None where it has to be computed anew."""

    inserted: int
    updated: int
    deleted: int
    version: str | None


def write(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    source: str,
    now: datetime,
    *,
    version: str | None,
    by_night: bool,
) -> Changes:
    """Bring a source's rows up to the stage, in the caller's transaction.

    Args:
        version: of clean.<entity> now, None where that is not known.
        by_night: the stage only holds the records of table night_id; those of night_moved are found in another place.
    """
    _compare(con, contract, source, by_night)
    counts = Counter(dict(con.execute("SELECT change, count(*) FROM temp.stage_change GROUP BY 1").fetchall()))
    changed = counts["new"] + counts["changed"] + counts["gone"]
    following = _following(con, contract, source, version, changed)
    _write_clean(con, contract, source, now)
    _write_quarantine(con, contract, source, now, by_night)
    if by_night:
        _move(con, contract, source)
    if following is None:
        changes.forget(con, contract.table)
    after = following.finish(now) if following else None
    for name in ("change", "told", "seen"):
        con.execute(f"DROP TABLE IF EXISTS temp.stage_{name}")
    return Changes(counts["new"], counts["changed"], counts["gone"], after)


def _compare(con: duckdb.DuckDBPyConnection, contract: Contract, source: str, by_night: bool) -> None:
    """Table stage_change: what becomes of each record, with the places of its row in the stage and in the table."""
    among = "SEMI JOIN temp.night_id USING (source_id)" if by_night else ""
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE stage_change AS
        SELECT source_id, s.staged, c.held,
               CASE WHEN c.held IS NULL THEN 'new'
                    WHEN s.staged IS NULL THEN 'gone'
                    WHEN s.row_hash IS DISTINCT FROM c.row_hash THEN 'changed'
                    WHEN s.source_file IS DISTINCT FROM c.source_file
                      OR s.source_row IS DISTINCT FROM c.source_row THEN 'moved'
                    ELSE 'same' END AS change
        FROM (
            SELECT source_id, staged, row_hash, source_file, source_row FROM ({ACCEPTED}) WHERE fate = 'accepted'
        ) AS s
        FULL JOIN (
            SELECT source_id, rowid AS held, row_hash, source_file, source_row
            FROM {_table(contract)} {among} WHERE source = {literal(source)}
        ) AS c USING (source_id)
        """
    )
    values = [n for n in stage.columns_of(contract) if n not in (*records.BOOKKEEPING, "source")]
    differs = " OR ".join(f"s.{quoted(n)} IS DISTINCT FROM c.{quoted(n)}" for n in values)
    # The hash is a shortcut past the comparison, not the judge: it may change with the library that computes it.
    con.execute(
        f"""
        UPDATE temp.stage_change SET change = 'moved' WHERE staged IN (
            SELECT n.staged FROM (FROM temp.stage_change WHERE change = 'changed') AS n
            INNER JOIN temp.stage_accepted AS s ON s.rowid = n.staged
            INNER JOIN {_table(contract)} AS c ON c.rowid = n.held
            WHERE NOT ({differs})
        )
        """
    )


def _following(
    con: duckdb.DuckDBPyConnection, contract: Contract, source: str, version: str | None, changed: int
) -> changes.Following | None:
    """Follows the records that change, if they are few beside the others; None where the log has to begin anew."""
    rows = con.execute(f"SELECT count(*) FROM {_table(contract)}").fetchone()
    if version is None or changed > max(_FEW, _SHARE * (rows[0] if rows else 0)):
        return None
    con.execute(
        "CREATE OR REPLACE TEMP TABLE stage_told AS SELECT ? AS source, source_id FROM temp.stage_change "
        "WHERE change IN ('new', 'changed', 'gone')",
        [source],
    )
    return records.following(con, contract, version, "stage_told")


def _write_clean(con: duckdb.DuckDBPyConnection, contract: Contract, source: str, now: datetime) -> None:
    table = _table(contract)
    con.execute(
        f"DELETE FROM {table} WHERE rowid IN (SELECT held FROM temp.stage_change WHERE change IN ('changed', 'gone'))"
    )
    con.execute(
        f"INSERT INTO {table} BY NAME SELECT s.* EXCLUDE ({ASIDE}), $now AS cleaned_at "
        "FROM temp.stage_accepted AS s WHERE s.rowid IN "
        "(SELECT staged FROM temp.stage_change WHERE change IN ('new', 'changed'))",
        {"now": now},
    )
    con.execute(
        f"UPDATE {table} AS c SET source_file = s.source_file, source_row = s.source_row, row_hash = s.row_hash "
        "FROM (FROM temp.stage_change WHERE change = 'moved') AS n "
        "INNER JOIN temp.stage_accepted AS s ON s.rowid = n.staged WHERE c.rowid = n.held"
    )


def _write_quarantine(
    con: duckdb.DuckDBPyConnection, contract: Contract, source: str, now: datetime, by_night: bool
) -> None:
    """Replace the source's rows; a record keeps the moment it first came here.

    Orphans whose row is good stay until they are swept again, or found to have a parent.
    """
    table = f"quarantine.{quoted(contract.name)}"
    among = (
        "AND EXISTS (FROM temp.night_id AS n WHERE n.source_id IS NOT DISTINCT FROM q.source_id)" if by_night else ""
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE stage_seen AS SELECT coalesce(source_id, row::VARCHAR) AS known, "
        f"min(first_seen_at) AS first_seen_at FROM {table} AS q WHERE source = ? {among} GROUP BY 1",
        [source],
    )
    con.execute(
        f"DELETE FROM {table} AS q WHERE source = ? {among} AND NOT ({IS_ORPHAN} AND source_id IN "
        f"(SELECT source_id FROM temp.stage_change WHERE change <> 'gone'))",
        [source],
    )
    con.execute(f"UPDATE {table} SET last_seen_at = ? WHERE source = ?", [now, source])
    con.execute(
        f"""
        INSERT INTO {table} BY NAME
        SELECT q.*, $source AS source, coalesce(seen.first_seen_at, $now) AS first_seen_at, $now AS last_seen_at
        FROM (
            SELECT * EXCLUDE (source, source_updated_at, {_SETTLED}) FROM ({QUARANTINED}) WHERE fate = 'quarantined'
            UNION ALL BY NAME
            {_repeated_keys(contract)}
        ) AS q
        LEFT JOIN temp.stage_seen AS seen ON seen.known = coalesce(q.source_id, q.row::VARCHAR)
        """,
        {"source": source, "now": now},
    )


def _repeated_keys(contract: Contract) -> str:
    """Differing rows with one key in one file: which of them is right cannot be known, so a person must look."""
    # As text, since JSON numbers are floats.
    said = ", ".join(f"{literal(c.name)}, CAST({quoted(c.name)} AS VARCHAR)" for c in contract.columns)
    return (
        "SELECT source_id, ['duplicate_key: later row kept'] AS reasons, "
        f"json_merge_patch(json_object({said}), coalesce(original, '{{}}')) AS row, source_file, source_row "
        f"FROM ({ACCEPTED}) WHERE fate = 'duplicate_key'"
    )


def _move(con: duckdb.DuckDBPyConnection, contract: Contract, source: str) -> None:
    """Note where rows lie that are only found in another place."""
    for schema in ("clean", "quarantine"):
        con.execute(
            f"UPDATE {schema}.{quoted(contract.name)} AS t SET source_file = m.source_file, source_row = m.source_row "
            "FROM temp.night_moved AS m WHERE t.source = ? AND t.source_id = m.source_id",
            [source],
        )


def _table(contract: Contract) -> str:
    return f"{quoted(contract.schema)}.{quoted(contract.name)}"
