"""Pairs of records with what they weigh: compared, learned from, weighed.

Which pairs there are is `blocking`'s, what they say is `reasons`', and who is one person is `clusters`'.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np

from transforms.identity import blocking, counting, workbench
from transforms.identity.comparisons import DIFFERENT, LEVELS, NAMES, NOTHING, POSITION, SAME
from transforms.identity.learning import Counts, Flags, Floats, Ints, Model, by_level, learn, unpack, weigh
from transforms.identity.sql import one

#: Stands for the pattern of a pair that people decided about.
DECIDED = -1
#: Pairs compared to see how often strangers agree: per profile, and at least and at most.
_SAMPLED_PER_PROFILE, _LEAST_SAMPLED, _MOST_SAMPLED = 40, 200_000, 600_000


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

    def at(self, chosen: Flags | Ints) -> Pairs:
        """The chosen pairs."""
        return Pairs(
            self.a[chosen], self.b[chosen], self.weights[chosen], self.is_conflict[chosen], self.patterns[chosen]
        )

    def numbered(self, number: Ints) -> Pairs:
        """The same pairs with each profile called by its number, which keeps their order."""
        return Pairs(number[self.a], number[self.b], self.weights, self.is_conflict, self.patterns)

    def with_more(self, other: Pairs) -> Pairs:
        """These and the others."""
        return Pairs(
            np.concatenate([self.a, other.a]),
            np.concatenate([self.b, other.b]),
            np.concatenate([self.weights, other.weights]),
            np.concatenate([self.is_conflict, other.is_conflict]),
            np.concatenate([self.patterns, other.patterns]),
        )


def learned(con: duckdb.DuckDBPyConnection, *, keep: bool = False) -> tuple[Model, Pairs]:
    """What the records of a workbench teach, and the pairs that teach it.

    Args:
        con: the workbench.
        keep: whether pairs of further records are to be found by it later.
    """
    blocking.make_pairs(con, keep=keep)
    a, b, patterns = workbench.compare(con)
    records = workbench.copies(con)
    model = learn(*_by_pattern(records, a, b, patterns), _counts(con, records))
    return model, _as_pairs(model, a, b, patterns)


def of_touched(con: duckdb.DuckDBPyConnection, model: Model) -> Pairs:
    """The pairs of the profiles in table `touched`, weighed by what was learned before."""
    blocking.pairs_of(con)
    return _as_pairs(model, *workbench.compare(con))


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


def _counts(con: duckdb.DuckDBPyConnection, records: Ints) -> Counts:
    """What holds over all pairs: exactly where values are the same, from a sample of pairs elsewhere."""
    size = int(records.sum())
    every = size * (size - 1) / 2
    per_source = np.array([n for (n,) in con.execute("SELECT sum(records) FROM profile GROUP BY source").fetchall()])
    within = float((per_source * (per_source - 1.0) / 2).sum())
    totals, shares = np.zeros((len(NAMES), LEVELS)), np.zeros((len(NAMES), LEVELS))
    sampled = _sampled(con, records)
    for name, position in POSITION.items():
        condition = "given IS NOT NULL AND family" if name == "name" else name
        filled = one(con, f"SELECT sum(records) FROM comparable WHERE {condition} IS NOT NULL")
        seen = sampled[position, :NOTHING]
        if seen.sum():
            totals[position, :NOTHING] = (seen + 0.5) / (seen.sum() + 7) * filled * (filled - 1) / 2
        totals[position, : len(SAME)] = 0
        for level, pairs, held in counting.same(con, name):
            totals[position, level], shares[position, level] = pairs, held
    return Counts(size, np.array([every - within, within]), totals, shares)


def _by_pattern(records: Ints, a: Ints, b: Ints, patterns: Ints) -> tuple[Ints, Floats]:
    """Distinct patterns, ascending, and the pairs of records with each; a profile's copies pair among themselves."""
    pairs = np.where(a == b, records[a] * (records[a] - 1) // 2, records[a] * records[b])
    distinct, where = np.unique(patterns, return_inverse=True)
    counted: Floats = np.bincount(where, weights=pairs, minlength=len(distinct)).astype(np.float64)
    return distinct, counted


def _sampled(con: duckdb.DuckDBPyConnection, records: Ints) -> Floats:
    """Comparison × level: how many of a sample of pairs are at the level; of all pairs where they are few."""
    size = len(records)
    wanted = min(max(_SAMPLED_PER_PROFILE * size, _LEAST_SAMPLED), _MOST_SAMPLED)
    if size * (size - 1) // 2 <= wanted:
        a, b = np.triu_indices(size, 1)
    else:
        drawn = np.random.default_rng(size).integers(0, size, (wanted, 2))
        drawn = np.sort(drawn[drawn[:, 0] != drawn[:, 1]], axis=1)
        a, b = drawn[:, 0], drawn[:, 1]
    a, b, patterns = workbench.compare(con, a.astype(np.int64), b.astype(np.int64))
    distinct, pairs = _by_pattern(records, a, b, patterns)
    return by_level(unpack(distinct)[0], pairs)
