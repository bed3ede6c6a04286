"""Every raw row ends somewhere: in clean, in quarantine, or replaced by a newer or equal one.

The caller counts, per source and mapped entity; here the counts are added up, judged and kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from quality.results import CheckResult, percent
from warehouse.contracts import tables
from warehouse.sql import literal
from warehouse.store import create_table

if TYPE_CHECKING:
    import duckdb

CHECK_NAME = "every_row_is_accounted_for"


@dataclass(frozen=True)
class Reconciliation:
    """Row counts of one source's share of an entity.

    `raw_rows` are the rows that the mapping gave. `superseded_rows` are those replaced by a newer row of the
    same source_id, exact duplicates included.
    """

    source: str
    entity: str
    raw_rows: int
    clean_rows: int
    quarantined_rows: int
    superseded_rows: int

    @property
    def difference(self) -> int:
        """Rows lost on the way (above 0) or made up (below 0)."""
        return self.raw_rows - self.clean_rows - self.quarantined_rows - self.superseded_rows


def check_reconciliation(entity: str, parts: Sequence[Reconciliation]) -> CheckResult:
    """Judge an entity over all its sources; the examples are the sources that do not add up."""
    off = [p for p in parts if p.difference]
    raw_rows = sum(p.raw_rows for p in parts)
    failed_rows = sum(abs(p.difference) for p in off)
    return CheckResult(
        name=CHECK_NAME,
        table=f"clean.{entity}",
        severity="error",
        passed=not off,
        evaluated_rows=raw_rows,
        failed_rows=failed_rows,
        failed_pct=percent(failed_rows, raw_rows),
        examples=[
            {
                "source": p.source,
                "raw_rows": p.raw_rows,
                "clean_rows": p.clean_rows,
                "quarantined_rows": p.quarantined_rows,
                "superseded_rows": p.superseded_rows,
                "difference": p.difference,
            }
            for p in off
        ],
        sql=f"SELECT * FROM meta.reconciliation WHERE entity = {literal(entity)} AND difference <> 0;",
        description="Every row of the source is in clean, in quarantine, or replaced by a newer row.",
    )


def record_reconciliation(
    con: duckdb.DuckDBPyConnection, parts: Sequence[Reconciliation], run_id: str, now: datetime
) -> None:
    """Keep the counts, so that a table that did not change still has its line: one per source and entity."""
    create_table(con, tables()["meta.reconciliation"])
    con.execute("BEGIN")
    try:
        for p in parts:
            con.execute("DELETE FROM meta.reconciliation WHERE source = ? AND entity = ?", [p.source, p.entity])
            con.execute(
                "INSERT INTO meta.reconciliation VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    *(run_id, p.source, p.entity, p.raw_rows, p.clean_rows),
                    *(p.quarantined_rows, p.superseded_rows, p.difference, now),
                ],
            )
        con.execute("COMMIT")
    except BaseException:
        con.execute("ROLLBACK")
        raise
