"""What touchpoints are worth, learned from journeys: the removal effect in a Markov chain.

Pure: counted transitions in, one row per touchpoint out. Which touches make a journey, and how an order's credit
follows from the weights, stands in SQL (core.journey, mart.attribution).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import numpy as np

START, ORDER, LAPSED, OTHER = "(start)", "(order)", "(lapsed)", "(other)"

#: Touchpoints with a state of their own, those of most journeys first. Rare ones say too little about themselves.
MOST_STATES = 200
#: With fewer journeys to an order than this, a single one moves a weight by a percent and more.
FEWEST_ORDERS = 100

SCHEMA = {
    "touchpoint": pl.String,
    "state": pl.String,
    "method": pl.String,
    "visits": pl.Int64,
    "removal_effect": pl.Float64,
    "weight": pl.Float64,
}


def touchpoint_effects(
    transitions: pl.DataFrame, *, most_states: int = MOST_STATES, fewest_orders: int = FEWEST_ORDERS
) -> pl.DataFrame:
    """How many of the orders would be lost without each touchpoint, and the weight that follows.

    Journeys are read as walks of a first-order Markov chain from the start over touchpoints to an order or to
    nothing. The removal effect of a touchpoint is the share of orders lost when every walk that reaches it ends
    there (Anderl, Becker, von Wangenheim, Schumann 2016, doi:10.1016/j.ijresmar.2016.03.001). Such a walk
    is one that visits the touchpoint and ends in an order, so that all effects follow from one matrix inverse.

    Args:
        transitions: rows of mart.touchpoint_transition.
        most_states: how many touchpoints get a state of their own; the others share the state `(other)`.
        fewest_orders: with fewer journeys to an order nothing is learned: method `linear`, no effects, no weights.

    Returns:
        Rows of mart.touchpoint_effect, by touchpoint. Effects and weights are those of the state; the weights of
        all states add up to 1.
    """
    states = _states(transitions, most_states)
    orders = transitions.filter(pl.col("to_touchpoint") == ORDER)["transitions"].sum()
    if not states.height or orders < fewest_orders:
        learned = states.with_columns(method=pl.lit("linear"), removal_effect=None, weight=None)
    else:
        learned = states.with_columns(method=pl.lit("markov")).join(
            _effects(_between_states(transitions, states)), on="state", how="left"
        )
    return learned.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items()).sort("touchpoint")


def _states(transitions: pl.DataFrame, most_states: int) -> pl.DataFrame:
    """Each touchpoint with how often a journey came to it from elsewhere, and the state that stands for it."""
    visits = (
        transitions.filter(
            ~pl.col("to_touchpoint").is_in([ORDER, LAPSED]) & (pl.col("to_touchpoint") != pl.col("from_touchpoint"))
        )
        .group_by(touchpoint="to_touchpoint")
        .agg(visits=pl.col("transitions").sum())
        .sort(["visits", "touchpoint"], descending=[True, False])
    )
    own = pl.int_range(pl.len()) < most_states
    return visits.with_columns(state=pl.when(own).then("touchpoint").otherwise(pl.lit(OTHER)))


def _between_states(transitions: pl.DataFrame, states: pl.DataFrame) -> pl.DataFrame:
    """Transitions from state to state. Some stay where they are, which changes no walk's end."""
    state_of = dict(states.select("touchpoint", "state").iter_rows())
    return (
        transitions.select(
            source=pl.col("from_touchpoint").replace(state_of),
            target=pl.col("to_touchpoint").replace(state_of),
            count="transitions",
        )
        .group_by("source", "target")
        .agg(pl.col("count").sum())
        .sort("source", "target")
    )


def _effects(steps: pl.DataFrame) -> pl.DataFrame:
    """state, removal_effect and weight of every state."""
    import numpy as np

    names = [START, *sorted(set(steps["source"]) - {START})]
    moves, ordering = _probabilities(steps, names)
    # How often a walk from the row's state visits the column's on average, and ends in an order at last.
    visits = np.linalg.inv(np.eye(len(names)) - moves)
    ends_in_order = visits @ ordering
    reached = visits[0] / np.diag(visits)
    # Rounded, so that the last digits of another machine's arithmetic change no table.
    effects = np.round(reached * ends_in_order / ends_in_order[0], 9)[1:]
    return pl.DataFrame({"state": names[1:], "removal_effect": effects, "weight": np.round(effects / effects.sum(), 9)})


def _probabilities(steps: pl.DataFrame, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Between states, and from each state to an order."""
    import numpy as np

    number = {name: place for place, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)))
    orders, all_steps = np.zeros(len(names)), np.zeros(len(names))
    for source, target, count in steps.iter_rows():
        all_steps[number[source]] += count
        if target == ORDER:
            orders[number[source]] += count
        elif target != LAPSED:
            counts[number[source], number[target]] += count
    return counts / all_steps[:, None], orders / all_steps
