"""Coordinate descent on the superposition: the predicted front of spaces that cannot be enumerated, one unit at a time.

For a weight λ on cost it minimizes `loss(margins) + λ·cost` by giving each unit in turn the block that is best with all others held: the
margins of all candidates of a unit are one addition away. A path of rising λ, each started from the last, walks from the all-exact design
to the cheapest one and leaves a predicted front behind. (Lagrangian relaxation of the multiple-choice knapsack, with the additive loss
replaced by the composed one.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hawx.designs.space import Choices
from hawx.predict import Effects
from hawx.predict.composition import Margins


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
