"""Who is who among person records: pure functions from records to persons, with the reasons.

Ids that last from night to night are made in `assignment`; reading and writing tables belongs to the caller.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import datetime

import duckdb
import numpy as np
import polars as pl

from transforms.identity import blocking, clusters, workbench
from transforms.identity.assignment import assign
from transforms.identity.comparisons import COMPARISONS, DIFFERENT, NOTHING, POSITION
from transforms.identity.learning import Flags, Ints, Model, bits, learn, unpack, weigh

#: Logarithm of the odds from which on two records are one person.
THRESHOLD = 0.0
#: Pairs that people are asked about: as probable as this, and how many at most.
UNCERTAIN = (0.15, 0.9)
MOST_ASKED = 500
_EVIDENCE = ("external_id", "email", "phone", "name", "birth", "street", "organisation")


class IdentityError(Exception):
    """Records that cannot be linked as given; the message says why."""


@dataclass(frozen=True)
class Linked:
    """What linking came to; the columns are in the contracts of the tables.

    Attributes:
        assignment: rows of identity.assignment.
        history: new rows of identity.history.
        review: pairs about which a person should decide: left_record, right_record, probability, for_evidence,
            against_evidence; the most uncertain first.
    """

    assignment: pl.DataFrame
    history: pl.DataFrame
    review: pl.DataFrame


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


@dataclass(frozen=True)
class _Resolved:
    """Persons, and the weighed pairs behind them, of profiles; `members` has record_id and profile."""

    members: pl.DataFrame
    labels: Ints
    is_alone: Flags
    pairs: clusters.Pairs
    patterns: Ints


def resolve(records: pl.DataFrame) -> pl.DataFrame:
    """Group records into persons, or organisations, by all that they say.

    Every column but record_id and source may be missing or null. Nulls, placeholders and values that many share link
    nothing. The result depends on the contents of the records alone, not on their order or ids.

    Args:
        records: one row per record with record_id and source, and any of external_id, given_name, family_name,
            full_name, email, phone, company_name, street, city, region, postcode, country and birth_date (a date or
            text); other columns are ignored.

    Returns:
        record_id, cluster_id (the smallest record_id of the cluster) and match_probability (of the record's best link
        within its cluster, 1.0 for a record alone), in the order of the records.

    Raises:
        IdentityError: record_id is missing, null or occurs twice.
    """
    _check(records)
    if not records.height:
        return pl.DataFrame(schema={"record_id": pl.String, "cluster_id": pl.String, "match_probability": pl.Float64})
    with workbench.workbench(records) as con:
        resolved = _resolve(con, None)
    return _clustered(records, resolved).select("record_id", "cluster_id", "match_probability")


def link(
    records: pl.DataFrame,
    previous: pl.DataFrame | None = None,
    *,
    happened_at: datetime,
    decisions: pl.DataFrame | None = None,
) -> Linked:
    """Resolve records, obey what people decided, give each record its customer id, and find what to ask people.

    Args:
        records: rows of identity.record.
        previous: rows of identity.assignment of the night before; None on the first night.
        happened_at: the night's time, for history and the ids' age.
        decisions: record_left, record_right, verdict ('same' or 'different'); records that are gone are passed over.
    """
    _check(records)
    decided = _known(decisions, records)
    if not records.height:
        nobody = resolve(records).with_columns(evidence=pl.lit("alone"))
        assignment, history = assign(nobody, previous, happened_at=happened_at)
        return Linked(_columns(assignment.with_columns(evidence=pl.lit("alone"))), history, _no_review())
    apart = pl.concat([decided["record_left"], decided["record_right"]]).unique()
    with workbench.workbench(records, apart) as con:
        resolved = _resolve(con, decided)
    clustered = _clustered(records, resolved)
    assignment, history = assign(
        clustered.select("record_id", "cluster_id", "match_probability"), previous, happened_at=happened_at
    )
    told = assignment.join(clustered.select("record_id", "evidence"), on="record_id", maintain_order="left")
    return Linked(_columns(told), history, _review(resolved, decided))


def explain(records: pl.DataFrame, left: str, right: str) -> Explanation:
    """Why two records are thought to be one person or not.

    Args:
        records: all records, since how much a value says depends on who else has it.
        left: record_id of one.
        right: record_id of the other.

    Raises:
        IdentityError: there is no such record.
    """
    _check(records)
    if unknown := sorted({left, right} - set(records["record_id"])):
        raise IdentityError(f"There is no record {unknown[0]}. Record ids are in identity.record.")
    with workbench.workbench(records, pl.Series([left, right])) as con:
        model = _learned(con)[0]
        a, b = (_profile_of(con, record) for record in (left, right))
        one, other = min(a, b), max(a, b)
        _, _, patterns = workbench.compare(con, np.array([one]), np.array([other]))
        prior, parts, shared = bits(model, int(patterns[0]))
        odds = float(weigh(model, patterns)[0])
        values = [_values_of(con, profile) for profile in (a, b)]
    levels = unpack(patterns)[0][0]
    rows = [
        Weight(
            c.name,
            _shown(values[0], c.columns),
            _shown(values[1], c.columns),
            c.words(int(levels[position])),
            parts[c.name],
        )
        for position, c in enumerate(COMPARISONS)
        if c.name in parts
    ]
    rows.append(Weight("others", None, None, "a household or an office may share what agrees", shared))
    rest = odds / np.log(2) - prior - sum(row.bits for row in rows)
    if abs(rest) > 0.01:
        said = "one external id, which is trusted" if rest > 0 else "nothing agrees that says who it is"
        rows.append(Weight("rule", None, None, said, float(rest)))
    return Explanation(left, right, _probability(odds), prior, rows)


def _resolve(con: duckdb.DuckDBPyConnection, decided: pl.DataFrame | None) -> _Resolved:
    model, pairs, patterns = _learned(con)
    records = workbench.copies(con)
    members = con.execute("SELECT record_id, profile FROM record INNER JOIN profile USING (one, two)").pl()
    copies = pairs.a == pairs.b
    is_one = np.zeros(len(records), dtype=bool)
    is_one[pairs.a[copies & (pairs.weights > THRESHOLD)]] = True
    # Copies that say too little to be one person say too little to be anybody else.
    is_alone = (records > 1) & ~is_one
    kept = ~copies & ~is_alone[pairs.a] & ~is_alone[pairs.b]
    pairs, patterns = pairs.at(kept), patterns[kept]
    if decided is not None and decided.height:
        pairs, patterns = _decide(pairs, patterns, decided, members)
    weigh_more = functools.partial(_weighed, con, model)
    labels = clusters.cluster(len(records), pairs, weigh_more, threshold=THRESHOLD)
    return _Resolved(members, labels, is_alone, pairs, patterns)


def _learned(con: duckdb.DuckDBPyConnection) -> tuple[Model, clusters.Pairs, Ints]:
    """The model, and the pairs that it was learned from with their patterns."""
    blocking.make_pairs(con)
    a, b, patterns = workbench.compare(con)
    records = workbench.copies(con)
    model = learn(*workbench.pattern_counts(records, a, b, patterns), workbench.count(con, records))
    return model, _as_pairs(model, a, b, patterns), patterns


def _weighed(con: duckdb.DuckDBPyConnection, model: Model, a: Ints, b: Ints) -> clusters.Pairs:
    return _as_pairs(model, *workbench.compare(con, a, b))


def _as_pairs(model: Model, a: Ints, b: Ints, patterns: Ints) -> clusters.Pairs:
    distinct, where = np.unique(patterns, return_inverse=True)
    return clusters.Pairs(a, b, weigh(model, distinct)[where], _is_conflict(distinct)[where])


def _is_conflict(patterns: Ints) -> Flags:
    """Whether names or dates contradict, so that the two are not one person who moved."""
    levels, _, _ = unpack(patterns)
    at = {name: levels[:, position] for name, position in POSITION.items()}
    differs = [at[name] == DIFFERENT for name in ("given", "family", "birth", "organisation")]
    hardly = (at["birth"] == 10) | ((at["given"] == 11) & (at["birth"] == NOTHING))
    return np.logical_or.reduce([*differs, hardly])


def _decide(
    pairs: clusters.Pairs, patterns: Ints, decided: pl.DataFrame, members: pl.DataFrame
) -> tuple[clusters.Pairs, Ints]:
    """The pairs with what people decided about them in place of what the model says."""
    profile = dict(members.filter(pl.col("record_id").is_in(_parties(decided).implode())).iter_rows())
    ends = [
        sorted((profile[left], profile[right])) for left, right in decided.select("record_left", "record_right").rows()
    ]
    a, b = np.array(ends, dtype=np.int64).T
    same = (decided["verdict"] == "same").to_numpy()
    weights = np.where(same, clusters.SAME_BY_DECISION, clusters.DIFFERENT_BY_DECISION)
    count = len(members)
    rest = ~np.isin(pairs.a * count + pairs.b, a * count + b)
    others = pairs.at(rest)
    verdicts = clusters.Pairs(a, b, weights, ~same)
    return clusters.joined(others, verdicts), np.concatenate([patterns[rest], np.full(len(a), -1)])


def _parties(decided: pl.DataFrame) -> pl.Series:
    return pl.concat([decided["record_left"], decided["record_right"]])


def _known(decisions: pl.DataFrame | None, records: pl.DataFrame) -> pl.DataFrame:
    if decisions is None:
        return pl.DataFrame(schema=dict.fromkeys(("record_left", "record_right", "verdict"), pl.String))
    ids = records["record_id"].implode()
    there = pl.col("record_left").is_in(ids) & pl.col("record_right").is_in(ids)
    return decisions.filter(there & (pl.col("record_left") != pl.col("record_right")))


def _clustered(records: pl.DataFrame, resolved: _Resolved) -> pl.DataFrame:
    """record_id, cluster_id, match_probability and evidence, in the order of the records."""
    profiles = _best_links(resolved)
    label = pl.when("is_alone").then(pl.col("record_id")).otherwise(pl.col("label").cast(pl.String))
    return (
        records.select(pl.col("record_id").cast(pl.String))
        .join(resolved.members, on="record_id", maintain_order="left")
        .join(profiles, on="profile", maintain_order="left")
        .with_columns(label=label)
        .with_columns(cluster_id=pl.col("record_id").min().over("label"), size=pl.len().over("label"))
        .with_columns(
            match_probability=pl.when(pl.col("size") == 1).then(1.0).otherwise(pl.col("probability").fill_null(1.0)),
            evidence=pl.when(pl.col("size") == 1).then(pl.lit("alone")).otherwise(pl.col("evidence").fill_null("copy")),
        )
    )


def _best_links(resolved: _Resolved) -> pl.DataFrame:
    """By profile: label, whether it stays alone, and probability and evidence of its best link within the label."""
    pairs = resolved.pairs
    inside = resolved.labels[pairs.a] == resolved.labels[pairs.b]
    ends = pl.DataFrame(
        {
            "profile": np.concatenate([pairs.a[inside], pairs.b[inside]]),
            "weight": np.tile(pairs.weights[inside], 2),
            "pattern": np.tile(resolved.patterns[inside], 2),
        }
    )
    best = ends.sort("profile", "weight", "pattern", descending=[False, True, False]).unique("profile", keep="first")
    distinct = best["pattern"].unique()
    names = pl.DataFrame({"pattern": distinct, "evidence": [_evidence(pattern) for pattern in distinct.to_list()]})
    best = best.join(names, on="pattern").with_columns(probability=1 / (1 + (-pl.col("weight")).clip(-700, 700).exp()))
    return pl.DataFrame(
        {
            "profile": pl.Series(np.arange(len(resolved.labels)), dtype=pl.Int32),
            "label": resolved.labels,
            "is_alone": resolved.is_alone,
        }
    ).join(best.select(pl.col("profile").cast(pl.Int32), "probability", "evidence"), on="profile", how="left")


def _evidence(pattern: int) -> str:
    """The comparisons that agree, joined by ' + '."""
    if pattern < 0:
        return "decision"
    levels, _, is_same_id = unpack(np.array([pattern], dtype=np.int64))
    agreeing = {name for name, position in POSITION.items() if levels[0, position] < DIFFERENT}
    if is_same_id[0]:
        agreeing.add("external_id")
    if agreeing & {"given", "family"}:
        agreeing.add("name")
    return " + ".join(name for name in _EVIDENCE if name in agreeing) or "address"


def _review(resolved: _Resolved, decided: pl.DataFrame) -> pl.DataFrame:
    """The most uncertain pair between any two persons, and within one where its best link is weak."""
    pairs, labels = resolved.pairs, resolved.labels
    low, high = (np.log(p / (1 - p)) for p in UNCERTAIN)
    uncertain = (pairs.weights > low) & (pairs.weights < high)
    chosen, patterns = pairs.at(uncertain), resolved.patterns[uncertain]
    one, other = labels[chosen.a], labels[chosen.b]
    record = resolved.members.group_by("profile").agg(pl.col("record_id").min())
    frame = pl.DataFrame(
        {
            "a": chosen.a.astype(np.int32),
            "b": chosen.b.astype(np.int32),
            "weight": chosen.weights,
            "pattern": patterns,
            "one": np.minimum(one, other),
            "other": np.maximum(one, other),
        }
    )
    asked = (
        frame.sort(pl.col("weight").abs(), "a", "b")
        .unique(["one", "other"], keep="first", maintain_order=True)
        .head(MOST_ASKED)
        .join(record.rename({"profile": "a", "record_id": "first"}), on="a", maintain_order="left")
        .join(record.rename({"profile": "b", "record_id": "second"}), on="b", maintain_order="left")
    )
    told = [_for_and_against(pattern) for pattern in asked["pattern"].to_list()]
    return asked.select(
        left_record=pl.min_horizontal("first", "second"),
        right_record=pl.max_horizontal("first", "second"),
        probability=1 / (1 + (-pl.col("weight")).exp()),
        for_evidence=pl.Series([text for text, _ in told], dtype=pl.String),
        against_evidence=pl.Series([text for _, text in told], dtype=pl.String),
    )


def _for_and_against(pattern: int) -> tuple[str, str]:
    levels = unpack(np.array([pattern], dtype=np.int64))[0][0]
    told = [(c.name, int(level), c.words(int(level))) for c, level in zip(COMPARISONS, levels, strict=True)]
    agreeing = [f"{name}: {words}" for name, level, words in told if level < DIFFERENT]
    differing = [f"{name}: {words}" for name, level, words in told if level == DIFFERENT]
    return "; ".join(agreeing), "; ".join(differing)


def _no_review() -> pl.DataFrame:
    text = dict.fromkeys(("left_record", "right_record"), pl.String)
    more = dict.fromkeys(("for_evidence", "against_evidence"), pl.String)
    return pl.DataFrame(schema={**text, "probability": pl.Float64, **more})


def _columns(assignment: pl.DataFrame) -> pl.DataFrame:
    return assignment.select(
        "record_id", "customer_id", "cluster_id", "match_probability", "evidence", "customer_since"
    )


def _profile_of(con: duckdb.DuckDBPyConnection, record: str) -> int:
    row = con.execute(
        "SELECT profile FROM record INNER JOIN profile USING (one, two) WHERE record_id = ?", [record]
    ).fetchone()
    return int(row[0]) if row else -1


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


def _probability(odds: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(odds, -700, 700))))


def _check(records: pl.DataFrame) -> None:
    if "record_id" not in records.columns:
        raise IdentityError("The records to resolve have no column record_id. Give each record an id.")
    ids = records["record_id"]
    if ids.null_count() or ids.n_unique() != len(ids):
        raise IdentityError("Some of the records to resolve share a record_id or have none. Make record_id unique.")
