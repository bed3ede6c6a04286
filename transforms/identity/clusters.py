"""From weighed pairs to persons: connected records, cut wherever the evidence between the parts speaks against.

Components alone chain strangers together, so inside them records join by average linkage over all their pairs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from transforms.identity.learning import Flags, Floats, Ints
from transforms.identity.pairs import Pairs

#: Weights of what people decided; no sum of evidence comes near.
SAME_BY_DECISION, DIFFERENT_BY_DECISION = 1e6, -1e6
#: Linkage of two who must not be joined; no sum of decisions comes near.
_NEVER = 1e12
#: Odds, as logarithms, beyond which more certainty does not count when linkage is averaged.
_CLIP = 6.0
#: A pair whose names and dates do not contradict speaks against its cluster at most so much: people have several
#: addresses, and two records that each know another one are no conflict.
_MILD = 0.7
#: Components of more profiles than this are cut at ever higher odds first.
_LARGEST = 60
_STEPS = (2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 15.0, 20.0, 40.0)


def cluster(count: int, pairs: Pairs, weigh_more: Callable[[Ints, Ints], Pairs], *, threshold: float) -> Ints:
    """A label for each of `count` profiles; equal labels are one person.

    Args:
        pairs: pairs that were compared.
        weigh_more: weighs further pairs, so that every pair of a component can be judged.
        threshold: logarithm of the odds from which on two records are one person.
    """
    labels = _components(count, pairs, threshold)
    sizes = np.bincount(labels, minlength=count)
    inside = pairs.at((labels[pairs.a] == labels[pairs.b]) & (sizes[labels[pairs.a]] > 2))
    every = inside.with_more(weigh_more(*_missing(count, labels, inside)))
    lowest = np.full(count, np.inf)
    np.minimum.at(lowest, labels[every.a], every.weights)
    doubtful = every.at(lowest[labels[every.a]] <= threshold)
    return _split(count, labels, doubtful, threshold)


def reached(count: int, pairs: Pairs, labels: Ints, seeds: Ints, *, threshold: float) -> Flags:
    """Profiles that links or equal labels connect with the seeds, by profile.

    Args:
        count: number of profiles.
        pairs: what may link them.
        labels: by profile; -1 is nobody's.
        seeds: profiles from which to go.
        threshold: logarithm of the odds from which on a pair links.
    """
    links = pairs.at(pairs.weights > threshold)
    # Who has a label is a node by it, and everybody else one after all labels.
    first = int(labels.max(initial=-1)) + 1
    node = np.where(labels >= 0, labels, first + np.arange(count))
    component = _connected_components(first + count, node[links.a], node[links.b])[node]
    is_reached = np.zeros(first + count, dtype=bool)
    is_reached[component[seeds]] = True
    return is_reached[component]


def _components(count: int, pairs: Pairs, threshold: float) -> Ints:
    """Connected components; within those that are too large, at higher odds."""
    bar = np.full(count, threshold)
    labels = _connected(count, pairs, bar)
    for step in _STEPS:
        large = np.bincount(labels, minlength=count)[labels] > _LARGEST
        if not large.any():
            break
        bar[large] = threshold + step
        labels = _connected(count, pairs, bar)
    return labels


def _connected(count: int, pairs: Pairs, bar: Floats) -> Ints:
    linked = pairs.weights > np.maximum(bar[pairs.a], bar[pairs.b])
    return _connected_components(count, pairs.a[linked], pairs.b[linked])


def _missing(count: int, labels: Ints, known: Pairs) -> tuple[Ints, Ints]:
    """Pairs within components of three and more that were not compared."""
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    sizes = np.diff(starts, append=count)
    firsts, seconds = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for size in np.unique(sizes[(sizes > 2) & (sizes <= _LARGEST)]):
        members = order[starts[sizes == size][:, None] + np.arange(size)]
        one, other = np.triu_indices(size, 1)
        firsts.append(members[:, one].ravel())
        seconds.append(members[:, other].ravel())
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    a, b = np.minimum(first, second), np.maximum(first, second)
    unknown = ~np.isin(a * count + b, known.a * count + known.b)
    return a[unknown], b[unknown]


def _split(count: int, labels: Ints, pairs: Pairs, threshold: float) -> Ints:
    """Labels after each doubtful component was put together anew."""
    labels = labels.copy()
    component = labels[pairs.a]
    order = np.argsort(component, kind="stable")
    bounds = np.flatnonzero(np.diff(component[order], prepend=-1, append=-1)).tolist() if len(order) else []
    following = int(labels.max(initial=0)) + 1
    for first, last in itertools.pairwise(bounds):
        part = order[first:last]
        members, position = np.unique(np.concatenate([pairs.a[part], pairs.b[part]]), return_inverse=True)
        one, other = position[: len(part)], position[len(part) :]
        for group in _groups(len(members), one, other, pairs.at(part), threshold)[1:]:
            labels[members[group]] = following
            following += 1
    return labels


def _groups(size: int, one: Ints, other: Ints, pairs: Pairs, threshold: float) -> list[list[int]]:
    """The persons of one component, whose pairs are of the members `one` and `other`.

    What people decided to be the same joins the persons found without it, with all that belongs to them.
    """
    is_same, is_different = pairs.weights >= SAME_BY_DECISION, pairs.weights <= DIFFERENT_BY_DECISION
    linkage = np.zeros((size, size))
    linkage[one, other] = linkage[other, one] = np.where(is_same, 0, _clipped(pairs, threshold))
    if not (is_same | is_different).any():
        return _agglomerate(linkage)
    bound = _connected_components(size, one[is_same], other[is_same])
    forbidden = np.zeros((size, size), dtype=bool)
    forbidden[one[is_different], other[is_different]] = forbidden[other[is_different], one[is_different]] = True
    of_bound = bound[:, None] == np.arange(size)
    implied = ((of_bound.T @ forbidden.astype(float) @ of_bound) > 0)[np.ix_(bound, bound)]
    is_bound = bound[:, None] == bound
    forbidden |= implied & ~is_bound
    linkage[forbidden] = -_NEVER
    found = np.empty(size, dtype=np.int64)
    for number, group in enumerate(_agglomerate(linkage)):
        found[group] = number
    joined = _connected_components(size, *np.nonzero(is_bound | (found[:, None] == found)))
    if (forbidden & (joined[:, None] == joined)).any():
        # Two whom people decided to be one are each with somebody who must not be: those two come first.
        linkage[is_bound & ~forbidden] = SAME_BY_DECISION
        return _agglomerate(linkage)
    return [np.flatnonzero(joined == number).tolist() for number in np.unique(joined)]


def _connected_components(size: int, one: Ints, other: Ints) -> Ints:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=(size, size))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _clipped(pairs: Pairs, threshold: float) -> Floats:
    over = pairs.weights - threshold
    mild = np.where(pairs.is_conflict, over, np.maximum(over, -_MILD))
    return np.clip(mild, -_CLIP, _CLIP)


def _agglomerate(linkage: Floats) -> list[list[int]]:
    """Groups by average linkage: the two that belong together most are joined while any two do."""
    size = len(linkage)
    totals, counts = linkage.copy(), np.ones(size)
    groups: list[list[int]] = [[i] for i in range(size)]
    average = linkage.copy()
    np.fill_diagonal(average, -np.inf)
    gone = np.zeros(size, dtype=bool)
    while True:
        into, other = np.unravel_index(int(np.argmax(average)), average.shape)
        if not average[into, other] > 0:
            return [group for group in groups if group]
        totals[into] += totals[other]
        totals[:, into] = totals[into]
        counts[into] += counts[other]
        groups[into] += groups[other]
        groups[other], gone[other] = [], True
        average[other] = average[:, other] = -np.inf
        fresh = totals[into] / (counts[into] * counts)
        fresh[gone] = fresh[into] = -np.inf
        average[into] = average[:, into] = fresh
