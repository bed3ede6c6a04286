"""Pairs of records with what they weigh: compared, learned from, weighed.

Which pairs there are is `blocking`'s, what they say is `reasons`', and who is one person is `clusters`'.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np

from transforms.identity import blocking, workbench
from transforms.identity.comparisons import DIFFERENT, NOTHING, POSITION
from transforms.identity.learning import Flags, Floats, Ints, Model, learn, unpack, weigh

#: Stands for the pattern of a pair that people decided about.
DECIDED = -1


@dataclass(frozen=True)
class Pairs:
    """Weighed pairs of profiles a < b.

    Attributes:
        weights: logarithm of the odds that the pair is one person.
        is_conflict: whether names or dates contradict.
        patterns: packed levels of agreement, DECIDED where people decided.
    """

    a: Ints
    b: Ints
    weights: Floats
    is_conflict: Flags
    patterns: Ints

    def at(self, chosen: Flags) -> Pairs:
        """The chosen pairs."""
        return Pairs(
            self.a[chosen], self.b[chosen], self.weights[chosen], self.is_conflict[chosen], self.patterns[chosen]
        )

    def with_more(self, other: Pairs) -> Pairs:
        """These and the others."""
        return Pairs(
            np.concatenate([self.a, other.a]),
            np.concatenate([self.b, other.b]),
            np.concatenate([self.weights, other.weights]),
            np.concatenate([self.is_conflict, other.is_conflict]),
            np.concatenate([self.patterns, other.patterns]),
        )


def learned(con: duckdb.DuckDBPyConnection) -> tuple[Model, Pairs]:
    """What the records of a workbench teach, and the pairs that teach it."""
    blocking.make_pairs(con)
    a, b, patterns = workbench.compare(con)
    records = workbench.copies(con)
    model = learn(*workbench.pattern_counts(records, a, b, patterns), workbench.count(con, records))
    return model, _as_pairs(model, a, b, patterns)


def weighed(con: duckdb.DuckDBPyConnection, model: Model, a: Ints, b: Ints) -> Pairs:
    """Further pairs of profiles, compared and weighed."""
    return _as_pairs(model, *workbench.compare(con, a, b))


def _as_pairs(model: Model, a: Ints, b: Ints, patterns: Ints) -> Pairs:
    distinct, where = np.unique(patterns, return_inverse=True)
    return Pairs(a, b, weigh(model, distinct)[where], _is_conflict(distinct)[where], patterns)


def _is_conflict(patterns: Ints) -> Flags:
    """Whether names or dates contradict, so that the two are not one person who moved."""
    levels, _, _ = unpack(patterns)
    at = {name: levels[:, position] for name, position in POSITION.items()}
    differs = [at[name] == DIFFERENT for name in ("given", "family", "birth", "organisation")]
    hardly = (at["birth"] == 10) | ((at["given"] == 11) & (at["birth"] == NOTHING))
    return np.logical_or.reduce([*differs, hardly])
