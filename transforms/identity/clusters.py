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
    is_same = pairs.weights >= SAME_BY_DECISION
    compared = pairs.at(~is_same)
    labels = _cut(count, _components(count, compared, threshold), compared, weigh_more, threshold)
    if not is_same.any():
        return labels
    # Who is decided to be one with somebody brings along all that is his, however little it is like the other's.
    labels = _united(labels, pairs.at(is_same))
    parted = (pairs.weights <= DIFFERENT_BY_DECISION) & (labels[pairs.a] == labels[pairs.b])
    return _put_together_anew(count, labels, pairs, parted, weigh_more, threshold) if parted.any() else labels


def _cut(count: int, labels: Ints, pairs: Pairs, weigh_more: Callable[[Ints, Ints], Pairs], threshold: float) -> Ints:
    """Labels after components were cut wherever the evidence between the parts speaks against."""
    sizes = np.bincount(labels, minlength=count)
    inside = pairs.at((labels[pairs.a] == labels[pairs.b]) & (sizes[labels[pairs.a]] > 2))
    every = inside.with_more(weigh_more(*_missing(count, labels, inside)))
    lowest = np.full(count, np.inf)
    np.minimum.at(lowest, labels[every.a], every.weights)
    doubtful = every.at(lowest[labels[every.a]] <= threshold)
    return _split(count, labels, doubtful, threshold)


def _united(labels: Ints, same: Pairs) -> Ints:
    """Labels in which the persons of pairs that people joined are one."""
    count = int(labels.max()) + 1
    ends = (labels[same.a], labels[same.b])
    return _graph_components(count, *ends)[labels]


def _put_together_anew(
    count: int,
    labels: Ints,
    pairs: Pairs,
    parted: Flags,
    weigh_more: Callable[[Ints, Ints], Pairs],
    threshold: float,
) -> Ints:
    """Labels in which no person holds a pair that people parted: such persons are clustered with decisions first."""
    torn = np.isin(labels, labels[pairs.a[parted]])
    alone = np.unique(np.where(torn, labels, labels.max() + 1 + np.arange(count)), return_inverse=True)[1]
    anew = _cut(count, alone, pairs, weigh_more, threshold)
    return np.where(torn, labels.max() + 1 + anew, labels)


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
    return _graph_components(count, pairs.a[linked], pairs.b[linked])


def _graph_components(count: int, one: Ints, other: Ints) -> Ints:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)


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
        linkage = np.zeros((len(members), len(members)))
        linkage[one, other] = linkage[other, one] = _clipped(pairs.weights[part], pairs.is_conflict[part], threshold)
        for group in _agglomerate(linkage)[1:]:
            labels[members[group]] = following
            following += 1
    return labels


def _clipped(weights: Floats, is_conflict: Flags, threshold: float) -> Floats:
    over = weights - threshold
    mild = np.where(is_conflict, over, np.maximum(over, -_MILD))
    return np.where(np.abs(weights) >= SAME_BY_DECISION, weights, np.clip(mild, -_CLIP, _CLIP))


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
