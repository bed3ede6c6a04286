"""What the UI shows of the tables of identity beside their rows and checks: the pairs that wait for a person."""

from typing import Any

import dagster as dg
import duckdb

from pipelines.assets.metadata import findings_table

REVIEW = "identity.review"
_SHOWN = ("left_record", "right_record", "probability", "for_evidence", "against_evidence", "is_one_customer")


def told_of(con: duckdb.DuckDBPyConnection, table: str) -> dict[str, Any]:
    """Metadata of the queue: its first pairs, by ids and without names, and the command to run next."""
    if table != REVIEW:
        return {}
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
