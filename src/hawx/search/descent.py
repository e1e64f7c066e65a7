"""Coordinate descent on the superposition: the predicted front of spaces that cannot be enumerated, one unit at a time.

For a weight λ on cost it minimizes `loss(margins) + λ·cost` by giving each unit in turn the block that is best with all others held: the
margins of all candidates of a unit are one addition away. A path of rising λ, each started from the last, walks from the all-exact design
to the cheapest one and leaves a predicted front behind. (Lagrangian relaxation of the multiple-choice knapsack, with the additive loss
replaced by the composed one.) Where losses of layers do add, merging the layers' own fronts gives the front at once: a second start.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hawx.designs.space import Choices, SearchSpace
from hawx.pareto import merge_additive
from hawx.predict import Effects
from hawx.predict.composition import Margins
from hawx.search.costs import favorite_subsets, mixes, scalar_costs

MERGED = 64
"""Partial sums kept while the layers' own fronts are merged."""


def soft_error(margins: Margins, temperature: float, shares: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the softened share of wrong answers, (...,), of margins (..., competitors, images).

    An image counts by the logistic function of its smallest margin over `temperature`; `shares` (images,) sum to 1.
    """
    worst = margins.min(axis=-2)
    return np.asarray((0.5 - 0.5 * np.tanh(worst * np.float32(0.5 / temperature))) @ shares)


def temperature_of(effects: Effects) -> float:
    """Return a temperature at which images near the decision boundary, and only those, move the loss."""
    worst = np.abs(effects.base.min(axis=0))
    return float(max(np.quantile(worst, 0.05), 1e-6))


def descend(
    effects: Effects,
    unit_costs: NDArray[np.float64],
    candidates: Sequence[Sequence[int]],
    weights: NDArray[np.float64],
    start: Choices,
    rng: np.random.Generator,
    *,
    sweeps: int = 2,
) -> Choices:
    """Return the designs on the path of cost weights, (paths, units).

    Args:
        unit_costs: (units, blocks), additive cost relative to the all-exact design's total.
        candidates: per unit, the library indices that it may take.
        weights: (paths,), rising; share of wrong answers that one unit of total cost is worth.
        start: (units,), where the path begins.
        sweeps: visits of every unit per weight; stops early when a sweep changes nothing.
    """
    shares = effects.shares.astype(np.float32)
    temperature = temperature_of(effects)
    options = [np.array(c, np.int64) for c in candidates]
    state = effects.composition.walk(start)
    path = np.empty((len(weights), len(options)), np.uint8)
    for step, weight in enumerate(weights):
        for _ in range(sweeps):
            changed = False
            for unit in rng.permutation(len(options)):
                choices = options[unit]
                value = soft_error(state.trial(unit, choices), temperature, shares) + weight * unit_costs[unit, choices]
                best = choices[value.argmin()]
                if best != state.choices[unit]:
                    state.accept(unit, best)
                    changed = True
            if not changed:
                break
        path[step] = state.choices
    return path


def descent_paths(effects: Effects, costs: NDArray[np.float64], space: SearchSpace, rng: np.random.Generator, *, additive: bool) -> Choices:
    """Return the designs of descents that weigh the objectives alone and together, up the cost weights.

    Where the law of an objective is not additive (an array that must hold every block it uses, lanes that cannot be shared),
    descents confined to a few blocks follow: those that the free ones used most.
    """
    scalar = scalar_costs(costs, mixes(len(costs)))
    weights = np.geomspace(1e-3, 3.0, 28)
    paths = [space.exact_choices()[None]]
    paths += [descend(effects, cost, space.candidates, weights, space.exact_choices(), rng) for cost in scalar]
    if not additive:
        for subset in favorite_subsets(np.concatenate(paths), len(space.blocks)):
            start = np.full(len(space.units), max(subset, key=lambda b: float(scalar[-1][:, b].sum())), np.uint8)
            paths.append(descend(effects, scalar[-1], [subset] * len(space.units), weights[:: 3 if len(subset) > 1 else 28], start, rng))
    return np.concatenate(paths)


def merged_layers(effects: Effects, costs: NDArray[np.float64], space: SearchSpace) -> Choices:
    """Return designs with one block in every layer, (designs, units): the best as far as the losses of layers add, like their costs."""
    shares = effects.shares.astype(np.float32)
    temperature = temperature_of(effects)
    fronts, fillings = [], []
    for layer in np.unique(effects.groups):
        units = np.flatnonzero(effects.groups == layer)
        blocks = np.array(sorted(set.intersection(*(set(space.candidates[unit]) for unit in units))))
        shift = np.stack([effects.delta[units, block].sum(axis=0) for block in blocks])
        fronts.append(np.column_stack([soft_error(effects.base + shift, temperature, shares), costs[:, units][:, :, blocks].sum(axis=1).T]))
        fillings.append(np.repeat(blocks[:, None], len(units), axis=1))
    _, picks = merge_additive(fronts, limit=MERGED)
    return np.concatenate([filling[pick] for filling, pick in zip(fillings, picks.T, strict=True)], axis=1).astype(np.uint8)
