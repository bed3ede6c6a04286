"""What the UI shows of the tables of identity beside their rows and checks: what linking came to, and what waits."""

from typing import Any

import dagster as dg
import duckdb

from pipelines.assets.metadata import findings_table

REVIEW, LINKAGE = "identity.review", "identity.linkage"
_COUNTS = ("records", "changed_records", "customers", "merged", "split")
_SHOWN = ("left_record", "right_record", "probability", "for_evidence", "against_evidence", "is_one_customer")


def told_of(con: duckdb.DuckDBPyConnection, table: str) -> dict[str, Any]:
    """Metadata of a table of identity that has more to tell than its rows."""
    return {REVIEW: _queue, LINKAGE: _last_linking}[table](con) if table in (REVIEW, LINKAGE) else {}


def _last_linking(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """What it came to, as figures that plot over time; changed records only where not all were linked anew."""
    found = con.execute(f"SELECT {', '.join(_COUNTS)} FROM {LINKAGE} ORDER BY happened_at DESC LIMIT 1").fetchone()
    return {name: count for name, count in zip(_COUNTS, found or (), strict=False) if count is not None}


def _queue(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Its first pairs, by ids and without names, and the command to run next."""
    rows = con.execute(f"SELECT {', '.join(_SHOWN)} FROM {REVIEW} ORDER BY position LIMIT 10").fetchall()
    if not rows:
        return {"what to do": "Nothing: no pair waits for a decision."}
    first = [dict(zip(_SHOWN, row, strict=True)) for row in rows]
    return {
        "the most uncertain pairs": findings_table(
            [{**row, "probability": f"{row['probability']:.0%}"} for row in first], _SHOWN
        ),
        "what to do": dg.MetadataValue.md(
            "`millpond review` shows each pair side by side and asks; `millpond explain-match` says why of any pair. "
            "What is decided takes effect with the next refresh and can be undone."
        ),
    }
