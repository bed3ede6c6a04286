"""How much each level of agreement weighs, learned from the records at hand without any known matches.

Fellegi and Sunter's model (1969) with its parameters found by expectation maximisation, in two ways extended. Pairs
that are no match are of three kinds: strangers, members of one household, and people who share a telephone, a mailbox
or an office. So agreement in the surname, address and number of a family is judged together. And how often strangers
agree is counted over all pairs, less those found to match: a value's own matches do not make it look common.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.identity.comparisons import COMPARISONS, DIFFERENT, LEVELS, NAMES, NOTHING, POSITION, SAME

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

#: Kinds of pairs.
MATCH, HOUSEHOLD, SHARED, STRANGERS = range(4)
#: How many pairs what is believed beforehand counts for.
_BELIEF = 20.0
_ROUNDS = 60
#: What is believed of strangers counts for so many pairs, and what of the kinds of pairs: one in 650 matches, one in
#: 5,000 is of one household, as many share something; as where 200 records are about 170 persons.
_BELIEF_OF_STRANGERS = 1_000.0
_BELIEF_OF_KINDS, _EXPECTED = 650.0, np.array([[1.0], [0.13], [0.13]])
#: Largest share of the pairs at a level that strangers can be: of a mailbox or number that nobody else has hardly any,
#: which cannot be learned where nothing else can be compared.
_OTHERS = np.ones((len(NAMES), LEVELS))
_OTHERS[[POSITION["email"], POSITION["phone"]], :3] = 0.1
#: People change what is movable: among matches at least this share differs, whatever the easy matches say.
_LEAST_MOVED = 0.1
_SWAPPED = 12
#: A mailbox that several names share is made of one of them: seldom does another of them write from it namelessly.
_MADE_OF_NAME, _OF_SEVERAL_NAMES, _LENT = 11, slice(3, 6), 0.05
#: Weights, in natural logarithms, of pairs in which nothing agrees that says who it is, and of a shared external id.
NO_EVIDENCE, TRUSTED_ID = -50.0, 50.0


@dataclass(frozen=True)
class Counts:
    """What is counted before learning.

    Attributes:
        records: number of records.
        pairs_by_kind: number of all pairs from different sources, and from one source.
        totals: comparison × level: how many of all pairs are at the level, matches among them.
        shares: comparison × level: how records that share their value with another spread over the levels of SAME.
    """

    records: int
    pairs_by_kind: Floats
    totals: Floats
    shares: Floats


@dataclass(frozen=True)
class Model:
    """Probabilities of levels by kind of pair and comparison, and of the kinds by whether a pair is of one source."""

    levels: Floats
    kinds: Floats


def unpack(patterns: Ints) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
    """Levels by pair and comparison, 1 where the pair is of one source else 0, and whether external ids agree."""
    levels = np.stack([(patterns >> (4 * position)) & 15 for position in range(len(NAMES))], axis=1)
    flags = patterns >> (4 * len(NAMES))
    return levels, flags & 1, (flags & 2) > 0


def learn(patterns: Ints, pairs: Floats, counts: Counts) -> Model:
    """Find the model that explains the compared pairs best.

    Args:
        patterns: distinct packed levels of the compared pairs, in ascending order.
        pairs: number of pairs with each pattern.
        counts: what holds over all pairs, also those not compared.
    """
    levels, same_source, _ = unpack(patterns)
    told = _says_who(levels)
    levels, same_source, pairs = levels[told], same_source[told], pairs[told]
    compared = by_level(levels, pairs)
    totals = np.maximum(counts.totals, compared)
    belief = _spread({c.name: c.shares for c in COMPARISONS}, counts.shares)
    chances = _spread({c.name: c.chances for c in COMPARISONS}, counts.shares)
    kinds = _kinds(np.array([0.15, 0.03, 0.03])[:, None] * counts.records * _shares_of(counts), counts)
    found = {kind: belief.copy() for kind in (MATCH, HOUSEHOLD, SHARED)}
    strangers = _strangers(totals, np.zeros_like(totals), chances)
    for _ in range(_ROUNDS):
        model = _assemble(found, strangers, kinds, belief)
        odds = _log_likelihoods(model, levels, same_source)
        share = np.exp(odds - odds.max(axis=0))
        share /= share.sum(axis=0)
        by_kind = [by_level(levels, share[kind] * pairs) for kind in found]
        for kind in found:
            seen = by_kind[kind]
            found[kind] = (seen + _BELIEF * belief) / (seen.sum(axis=1, keepdims=True) + _BELIEF)
        found[MATCH] = _with_moves(found[MATCH])
        strangers = _strangers(totals, np.sum(by_kind, axis=0), chances)
        total = [[(share[kind] * pairs)[same_source == s].sum() for s in (0, 1)] for kind in found]
        kinds = _kinds(np.array(total), counts)
    return _assemble(found, strangers, kinds, belief)


def weigh(model: Model, patterns: Ints) -> Floats:
    """The logarithm of the odds that pairs with these patterns are one person's."""
    levels, same_source, is_same_id = unpack(patterns)
    likelihoods = _log_likelihoods(model, levels, same_source)
    odds = likelihoods[MATCH] - np.logaddexp.reduce(likelihoods[HOUSEHOLD:], axis=0)
    odds = np.where(_says_who(levels), odds, NO_EVIDENCE)
    return np.where(is_same_id, TRUSTED_ID, odds)


def bits(model: Model, pattern: int) -> tuple[float, dict[str, float], float]:
    """What speaks for and against one person, in bits that add up.

    Returns:
        What is to be expected of any two records; each comparison, against strangers; and what is lost because a
        household or an office may share what agrees.
    """
    levels, same_source, _ = unpack(np.array([pattern], dtype=np.int64))
    likelihoods = _log_likelihoods(model, levels, same_source)[:, 0]
    prior = np.log2(model.kinds[MATCH, same_source[0]] / model.kinds[STRANGERS, same_source[0]])
    parts = {
        name: float(np.log2(model.levels[MATCH, position, level] / model.levels[STRANGERS, position, level]))
        for name, position in POSITION.items()
        if (level := int(levels[0, position])) != NOTHING
    }
    shared = likelihoods[STRANGERS] - np.logaddexp.reduce(likelihoods[HOUSEHOLD:])
    return float(prior), parts, float(shared / np.log(2))


def _spread(believed: Mapping[str, Mapping[int | str, float]], shares: Floats) -> Floats:
    """Comparison × level: what is believed, spread over the levels of SAME as the records at hand are."""
    spread = np.full((len(NAMES), LEVELS), 1e-9)
    for name, position in POSITION.items():
        held = shares[position, : len(SAME)]
        held = held + np.eye(len(SAME))[0]
        held = held / held.sum()
        spread[position, : len(SAME)] += held * believed[name]["same"]
        for level, share in believed[name].items():
            if isinstance(level, int):
                spread[position, level] = share
    spread[:, NOTHING] = 0
    spread[:, DIFFERENT] += np.maximum(0, 1 - spread.sum(axis=1))
    return spread / spread.sum(axis=1, keepdims=True)


def _shares_of(counts: Counts) -> Floats:
    return counts.pairs_by_kind / max(counts.pairs_by_kind.sum(), 1.0)


def _kinds(found: Floats, counts: Counts) -> Floats:
    """Share of the pairs of each kind but strangers, by whether of one source."""
    kinds: Floats = (found + _EXPECTED) / (counts.pairs_by_kind + _BELIEF_OF_KINDS)
    return kinds


def _strangers(totals: Floats, found: Floats, chances: Floats) -> Floats:
    """How often strangers agree: all pairs at a level, less those of any other kind."""
    left = np.maximum(np.minimum(totals - found, _OTHERS * totals), np.maximum(0.01 * totals, 0.3 * (totals > 0)))
    left = left + _BELIEF_OF_STRANGERS * chances
    return left / left.sum(axis=1, keepdims=True)


def _with_moves(levels: Floats) -> Floats:
    for position, comparison in enumerate(COMPARISONS):
        moved = levels[position, DIFFERENT]
        if comparison.is_movable and moved < _LEAST_MOVED:
            levels[position] *= (1 - _LEAST_MOVED) / (1 - moved)
            levels[position, DIFFERENT] = _LEAST_MOVED
    return levels


def _assemble(found: Mapping[int, Floats], strangers: Floats, kinds: Floats, belief: Floats) -> Model:
    """The model, in which other kinds of pairs are like strangers wherever they cannot be otherwise."""
    name, given, family, email = (POSITION[n] for n in ("name", "given", "family", "email"))
    levels = np.stack([found[MATCH], found[HOUSEHOLD], found[SHARED], strangers])
    for kind in (HOUSEHOLD, SHARED):
        for position, comparison in enumerate(COMPARISONS):
            if comparison.is_personal or (kind == SHARED and comparison.name in ("name", "family")):
                levels[kind, position] = strangers[position]
        levels[kind, family, _SWAPPED] = strangers[family, _SWAPPED]
    levels[HOUSEHOLD:, email, _MADE_OF_NAME] = _LENT * levels[HOUSEHOLD:, email, _OF_SEVERAL_NAMES].sum(axis=1)
    # Namesakes in one family are as rare as the given name is among strangers.
    both = belief[name].copy()
    both[: len(SAME)] *= 0.8 * strangers[given, : len(SAME)].sum() / both[: len(SAME)].sum()
    both[DIFFERENT] = 1 - both[: len(SAME)].sum()
    levels[HOUSEHOLD, name] = both
    return Model(levels, np.vstack([kinds, 1 - kinds.sum(axis=0)]))


def _log_likelihoods(model: Model, levels: Ints, same_source: Ints) -> Floats:
    """Kind × pattern; what cannot be compared says nothing."""
    logs = np.log(np.maximum(model.levels, 1e-300))
    logs[:, :, NOTHING] = 0
    likelihoods: Floats = np.log(np.maximum(model.kinds, 1e-300))[:, same_source]
    for position in range(len(NAMES)):
        likelihoods += logs[:, position, levels[:, position]]
    return likelihoods


def _says_who(levels: Ints) -> Flags:
    """Whether anything agrees but place and company: towns, houses and employers are shared by strangers."""
    who = [position for position, comparison in enumerate(COMPARISONS) if not comparison.is_about_place]
    agrees: Flags = np.asarray((levels[:, who] < DIFFERENT).any(axis=1), dtype=np.bool_)
    return agrees


def by_level(levels: Ints, pairs: Floats) -> Floats:
    """Comparison × level: how many pairs are at the level; NOTHING is not counted."""
    by_comparison = [np.bincount(levels[:, n], weights=pairs, minlength=LEVELS) for n in range(len(NAMES))]
    counted: Floats = np.stack(by_comparison).astype(np.float64)
    counted[:, NOTHING] = 0
    return counted
