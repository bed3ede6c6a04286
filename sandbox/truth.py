"""What is really so: who is who, which rows are bad, what mended values must be, which days are odd, what happened.

Collected while the exports are made, written beside them for tests and benchmarks. The product never reads it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import polars as pl

from sandbox.days import PLAN

Outcome = Literal["quarantine", "mended", "dropped", "rejected_line"]

_BAD_SCHEMA = {
    "source": pl.String,
    "entity": pl.String,
    "source_id": pl.String,
    "file": pl.String,
    "line": pl.Int64,
    "kind": pl.String,
    "outcome": pl.String,
    "reason": pl.String,
    "file_rows": pl.Int64,
}
_MENDED_SCHEMA = {
    "source": pl.String,
    "entity": pl.String,
    "source_id": pl.String,
    "column": pl.String,
    "kind": pl.String,
    "dirty": pl.String,
    "clean": pl.String,
}
_TOTAL_SCHEMA: dict[str, type[pl.DataType]] = {
    "measure": pl.String,
    "entity": pl.String,
    "source": pl.String,
    "currency": pl.String,
    "month": pl.String,
    "value": pl.Int64,
}


@dataclass
class Truth:
    """Collects the truths; `write` puts them into Parquet files."""

    identities: list[pl.DataFrame] = field(default_factory=list)
    bad: list[dict[str, object]] = field(default_factory=list)
    mended: list[dict[str, object]] = field(default_factory=list)
    totals: list[pl.DataFrame] = field(default_factory=list)
    facts: dict[str, list[pl.DataFrame]] = field(default_factory=dict)

    def identity(
        self, source: str, entity: str, ids: pl.Series, persons: pl.Series, emails: pl.Series | None = None
    ) -> None:
        """Says which person each record is."""
        frame = pl.DataFrame({"source_id": ids, "person_id": persons})
        mails = emails if emails is not None else pl.Series([None] * len(ids), dtype=pl.String)
        by_mail = pl.lit(f"email:{source}:") + pl.lit(mails)
        self.identities.append(
            frame.select(
                source=pl.lit(source),
                entity=pl.lit(entity),
                source_id="source_id",
                email=mails,
                # How the warehouse names the record: guests are known by their address only.
                record_id=pl.coalesce(by_mail, pl.format("contact:{}:{}", pl.lit(source), pl.col("source_id"))),
                person_id="person_id",
            )
        )

    def bad_rows(
        self,
        source: str,
        entity: str,
        ids: Iterable[str | None],
        *,
        kind: str,
        outcome: Outcome,
        reason: str,
        file_rows: int = 1,
    ) -> None:
        """Says that these records are bad, and what must become of them; `file_rows` rows of a file share each id."""
        fixed = {"source": source, "entity": entity, "kind": kind, "outcome": outcome, "reason": reason}
        self.bad += [{**fixed, "source_id": key, "file": None, "line": None, "file_rows": file_rows} for key in ids]

    def bad_line(self, source: str, entity: str, file: str, line: int, kind: str) -> None:
        """Says that a line of a file cannot be read; `file` is relative to the source's folder."""
        self.bad.append(
            {
                "source": source,
                "entity": entity,
                "source_id": None,
                "file": file,
                "line": line,
                "kind": kind,
                "outcome": "rejected_line",
                "reason": "ragged",
                "file_rows": 1,
            }
        )

    def rows(self, source: str, entity: str, count: int) -> None:
        """Says how many rows of a source the clean entity must have."""
        self._total({"measure": ["rows"], "entity": [entity], "source": [source], "value": [count]})

    def sums(self, measure: str, entity: str, source: str, frame: pl.DataFrame) -> None:
        """Says what amounts sum to by currency and local month; the frame has currency, day and minor units."""
        grouped = (
            frame.group_by("currency", month=pl.col("day").dt.strftime("%Y-%m"))
            .agg(value=pl.col("minor").sum())
            .sort("currency", "month")
        )
        self._total({"measure": measure, "entity": entity, "source": source, **grouped.to_dict()})

    def fact(self, name: str, frame: pl.DataFrame, source: str = "") -> None:
        """Says what happened, a row each, as a source knows it but before any dirt.

        Money is in minor units, moments are in UTC with the business's day beside them, and `record_id` is how the
        warehouse names whom the source knows it of.
        """
        self.facts.setdefault(name, []).append(frame.with_columns(source=pl.lit(source)))

    def _total(self, columns: dict[str, object]) -> None:
        frame = pl.DataFrame(columns)
        missing = [pl.lit(None, dtype=t).alias(n) for n, t in _TOTAL_SCHEMA.items() if n not in frame.columns]
        self.totals.append(frame.with_columns(missing).select(list(_TOTAL_SCHEMA)).cast(pl.Schema(_TOTAL_SCHEMA)))

    def frames(self) -> dict[str, pl.DataFrame]:
        """The truths as tables by name."""
        return {
            "identity": pl.concat(self.identities),
            "bad_rows": pl.DataFrame(self.bad, schema=_BAD_SCHEMA),
            "mended_values": pl.DataFrame(self.mended, schema=_MENDED_SCHEMA),
            "anomalies": anomalies(),
            "totals": pl.concat(self.totals),
            **{name: pl.concat(parts) for name, parts in self.facts.items()},
        }

    def write(self, folder: Path) -> None:
        """Write each truth as Parquet."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, frame in self.frames().items():
            frame.write_parquet(folder / f"{name}.parquet", compression="zstd", statistics=False)


def anomalies() -> pl.DataFrame:
    """One row per event and metric it shows in; the metric that was meddled with is the primary one."""
    return pl.DataFrame(
        [
            {
                "event": f"{event.name} {event.first}",
                "metric": metric,
                "dimension": event.dimension,
                "member": event.member,
                "first_day": event.first,
                "last_day": event.last,
                "direction": direction,
                "factor": event.factor,
                "is_primary": position == 0,
            }
            for event in PLAN
            for position, (metric, direction) in enumerate(event.effects)
        ]
    )
