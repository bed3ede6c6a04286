"""What pairs of records say, for people: evidence in words, explanations in bits, and the pairs worth asking about.

Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import polars as pl

from transforms.identity import pairs, workbench
from transforms.identity.comparisons import COMPARISONS, DIFFERENT, POSITION
from transforms.identity.learning import Ints, bits, unpack, weigh

if TYPE_CHECKING:
    from transforms.identity.persons import Persons

#: Pairs that people are asked about: as probable as this, and how many at most.
UNCERTAIN = (0.15, 0.9)
MOST_ASKED = 500
#: What evidence is called, and the comparisons that give it.
_EVIDENCE = {
    "email": ("email",),
    "phone": ("phone",),
    "name": ("name", "given", "family"),
    "birth": ("birth",),
    "address": ("street", "postcode", "city"),
    "organisation": ("organisation",),
    "employer": ("employer",),
    "domain": ("domain",),
}


@dataclass(frozen=True)
class Weight:
    """What one comparison of two records says; `bits` above 0 speak for one person."""

    name: str
    left_value: str | None
    right_value: str | None
    says: str
    bits: float


@dataclass(frozen=True)
class Explanation:
    """Why two records are thought to be one person or not; the bits of all rows and of the prior add up."""

    left: str
    right: str
    probability: float
    prior_bits: float
    rows: list[Weight]


class Explainer:
    """Explains pairs of the records of one workbench, from which the model is learned once."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._model, _ = pairs.learned(con)

    def explain(self, left: str, right: str) -> Explanation:
        """Why two records are thought to be one person or not.

        Raises:
            IdentityError: there is no such record.
        """
        a, b = (self._profile_of(record) for record in (left, right))
        _, _, patterns = workbench.compare(self._con, np.array([min(a, b)]), np.array([max(a, b)]))
        of_left, of_right = _values_of(self._con, a), _values_of(self._con, b)
        prior, parts, shared = bits(self._model, int(patterns[0]))
        levels = unpack(patterns)[0][0].tolist()
        rows = [
            Weight(c.name, _shown(of_left, c.columns), _shown(of_right, c.columns), c.words(level), parts[c.name])
            for c, level in zip(COMPARISONS, levels, strict=True)
            if c.name in parts
        ]
        rows.append(Weight("others", None, None, "a household or an office may share what agrees", shared))
        odds = float(weigh(self._model, patterns)[0])
        rest = odds / np.log(2) - prior - sum(row.bits for row in rows)
        if abs(rest) > 0.01:
            said = "one external id, which is trusted" if rest > 0 else "nothing agrees that says who it is"
            rows.append(Weight("rule", None, None, said, float(rest)))
        return Explanation(left, right, pl.select(probability(pl.lit(odds))).item(), prior, rows)

    def _profile_of(self, record: str) -> int:
        if not self._con.execute("SELECT 1 FROM record WHERE record_id = ?", [record]).fetchone():
            raise workbench.IdentityError(f"There is no record {record}. Record ids are in identity.record.")
        return workbench.profile_of(self._con, record)


@contextmanager
def explaining(records: pl.DataFrame) -> Iterator[Explainer]:
    """Learn from records, and explain any pairs of them.

    Args:
        records: all records, since how much a value says depends on who else has it.
    """
    workbench.check(records)
    with workbench.workbench(records) as con:
        yield Explainer(con)


def explain(records: pl.DataFrame, left: str, right: str) -> Explanation:
    """Why two records are thought to be one person or not; `explaining` does it for many pairs.

    Raises:
        IdentityError: there is no such record.
    """
    with explaining(records) as explainer:
        return explainer.explain(left, right)


def probability(odds: pl.Expr) -> pl.Expr:
    """Of the logarithm of odds."""
    return 1 / (1 + (-odds).clip(-700, 700).exp())


def evidence(patterns: pl.Series) -> pl.DataFrame:
    """pattern, and evidence: what agrees, joined by ' + '; 'decision' where people decided."""
    levels, _, is_same_id = unpack(patterns.to_numpy())
    agrees = {
        name: (levels[:, [POSITION[comparison] for comparison in of]] < DIFFERENT).any(axis=1)
        for name, of in _EVIDENCE.items()
    }
    named = pl.DataFrame({"pattern": patterns, "external_id": is_same_id, **agrees})
    parts = [pl.when(name).then(pl.lit(name)) for name in ("external_id", *_EVIDENCE)]
    return named.select(
        "pattern",
        evidence=pl.when(pl.col("pattern") == pairs.DECIDED)
        .then(pl.lit("decision"))
        .otherwise(pl.concat_str(parts, separator=" + ", ignore_nulls=True)),
    )


def worth_asking(con: duckdb.DuckDBPyConnection, persons: Persons) -> pl.DataFrame:
    """Rows of a review queue: the most uncertain pair between any two persons, and within one that hangs by it.

    Args:
        con: the workbench.
        persons: what was found on it.

    Returns:
        left_record, right_record (the smaller id first), probability, for_evidence, against_evidence.
    """
    low, high = (np.log(p / (1 - p)) for p in UNCERTAIN)
    sure = _surely_one(persons, high)
    is_uncertain = (persons.pairs.weights > low) & (persons.pairs.weights < high)
    chosen = persons.pairs.at(is_uncertain & (sure[persons.pairs.a] != sure[persons.pairs.b]))
    one, other = persons.labels[chosen.a], persons.labels[chosen.b]
    asked = (
        pl.DataFrame(
            {
                "a": chosen.a.astype(np.int32),
                "b": chosen.b.astype(np.int32),
                "weight": chosen.weights,
                "pattern": chosen.patterns,
                "one": np.minimum(one, other),
                "other": np.maximum(one, other),
            }
        )
        .sort(pl.col("weight").abs(), "a", "b")
        .unique(["one", "other"], keep="first", maintain_order=True)
        .head(MOST_ASKED)
    )
    record = _smallest_records(con, pl.concat([asked["a"], asked["b"]]).unique())
    asked = asked.join(record.rename({"profile": "a", "record_id": "first"}), on="a", maintain_order="left").join(
        record.rename({"profile": "b", "record_id": "second"}), on="b", maintain_order="left"
    )
    told = [_for_and_against(pattern) for pattern in asked["pattern"].to_list()]
    return asked.select(
        left_record=pl.min_horizontal("first", "second"),
        right_record=pl.max_horizontal("first", "second"),
        probability=probability(pl.col("weight")),
        for_evidence=pl.Series([text for text, _ in told], dtype=pl.String),
        against_evidence=pl.Series([text for _, text in told], dtype=pl.String),
    )


def _smallest_records(con: duckdb.DuckDBPyConnection, profiles: pl.Series) -> pl.DataFrame:
    con.register("asked", pl.DataFrame({"profile": profiles}).to_arrow())
    sql = (
        "SELECT profile, min(record_id) AS record_id FROM record INNER JOIN profile USING (one, two) "
        "SEMI JOIN asked USING (profile) GROUP BY profile"
    )
    record = con.execute(sql).pl()
    con.unregister("asked")
    return record


def _surely_one(persons: Persons, high: float) -> Ints:
    """A label for each profile; equal labels are parts of a person that hold together without any uncertain pair."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    within = persons.pairs.at(persons.labels[persons.pairs.a] == persons.labels[persons.pairs.b])
    strong = within.at(within.weights >= high)
    count = len(persons.labels)
    graph = coo_array((np.ones(len(strong.a), dtype=np.int8), (strong.a, strong.b)), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _for_and_against(pattern: int) -> tuple[str, str]:
    levels = unpack(np.array([pattern], dtype=np.int64))[0][0].tolist()
    told = [(f"{c.name}: {c.words(level)}", level) for c, level in zip(COMPARISONS, levels, strict=True)]
    agreeing = [words for words, level in told if level < DIFFERENT]
    return "; ".join(agreeing), "; ".join(words for words, level in told if level == DIFFERENT)


def _values_of(con: duckdb.DuckDBPyConnection, profile: int) -> dict[str, object]:
    columns = ", ".join(dict.fromkeys(column for c in COMPARISONS for column in c.columns))
    row = con.execute(f"SELECT {columns} FROM comparable WHERE profile = ?", [profile]).pl()
    return row.to_dicts()[0]


def _shown(values: dict[str, object], columns: tuple[str, ...]) -> str | None:
    parts: list[str] = []
    for column in columns:
        value = values[column]
        parts += value if isinstance(value, list) else [] if value is None else [str(value)]
    return " ".join(parts) or None
