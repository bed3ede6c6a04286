"""What people decided about pairs of records, brought into agreement: which decisions hold, and which later ones undo.

How decisions overrule the records is `persons`' and `clusters`'; where they are kept is none of this.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

Pair = tuple[str, str]

_SETTLED = (
    *("record_left", "record_right", "verdict", "state", "decision_id", "contradicted_by"),
    *("decided_at", "decided_by", "note"),
)


@dataclass
class _Held:
    """Decisions that hold: for every record, whom it is the same as and different from, and by which decision."""

    same: dict[str, dict[str, int]] = field(default_factory=dict)
    different: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, pair: Pair, verdict: str, number: int) -> None:
        neighbours = self.same if verdict == "same" else self.different
        for one, other in (pair, pair[::-1]):
            neighbours.setdefault(one, {})[other] = number

    def against(self, pair: Pair, verdict: str) -> list[int]:
        """Decisions that together rule the verdict out; none if it may hold."""
        left, right = (self._one_with(record) for record in pair)
        if verdict == "different":
            return left.get(pair[1], [])
        apart = (
            [*by, number, *right[other]]
            for record, by in left.items()
            for other, number in self.different.get(record, {}).items()
            if other in right
        )
        return next(apart, [])

    def _one_with(self, record: str) -> dict[str, list[int]]:
        """All records that are one person with this one, and the decisions on the shortest way there."""
        found: dict[str, list[int]] = {record: []}
        waiting = deque([record])
        while waiting:
            here = waiting.popleft()
            for other, number in self.same.get(here, {}).items():
                if other not in found:
                    found[other] = [*found[here], number]
                    waiting.append(other)
        return found


def settle(log: pl.DataFrame, records: pl.Series) -> pl.DataFrame:
    """Say of every decision that stands whether it holds.

    Of several about one pair the latest stands. Where decisions about several pairs cannot all hold, such as A = B,
    B = C and A ≠ C, the latest do: each is held against all later ones. A decision about a record that is gone waits
    until the record is back.

    Args:
        log: rows of meta.decision.
        records: the record ids that there are.

    Returns:
        Rows of identity.decision, sorted by records.
    """
    standing = (
        log.filter(pl.col("undone_at").is_null() & (pl.col("verdict") != "later"))
        .sort("decision_id", descending=True)
        .unique(["record_left", "record_right"], keep="first", maintain_order=True)
    )
    known = set(records.filter(records.is_in(pl.concat([log["record_left"], log["record_right"]]).implode())))
    schema = {"state": pl.String, "contradicted_by": pl.String}
    states = pl.DataFrame(list(_states(standing, known)), schema=schema, orient="row")
    return standing.hstack(states).select(_SETTLED).sort("record_left", "record_right")


def _states(standing: pl.DataFrame, known: set[str]) -> Iterator[tuple[str, str | None]]:
    held = _Held()
    for left, right, verdict, number in standing.select(
        "record_left", "record_right", "verdict", "decision_id"
    ).iter_rows():
        if not {left, right} <= known:
            yield "record_gone", None
        elif against := held.against((left, right), verdict):
            yield "contradicted", ", ".join(map(str, sorted(against)))
        else:
            held.add((left, right), verdict, number)
            yield "in_force", None
