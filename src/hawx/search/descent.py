"""Coordinate descent on the superposition: the predicted front of very large spaces, one unit at a time.

For a weight λ on cost it minimizes `loss(margins) + λ·cost` by giving each unit in turn the block that is best with all others
held: the margins of all candidates of a unit are one addition away. A path of rising λ, each started from the last, walks from
the all-exact design to the cheapest one and leaves a predicted front behind. (Lagrangian relaxation of the multiple-choice
knapsack, with the additive loss replaced by the composed one.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hawx.designs.space import Choices
from hawx.predict.superposition import Effects

Margins = NDArray[np.float32]


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


class Composition:
    """The margins of one design, kept so that changing one unit costs only that unit's layer."""

    def __init__(self, effects: Effects, choices: NDArray[np.int64]) -> None:
        self.effects = effects
        self.choices = choices
        self._exponent = effects.exponent
        names, self._group = np.unique(effects.groups, return_inverse=True)
        self._shift = np.zeros((len(names), *effects.base.shape), np.float32)
        np.add.at(self._shift, self._group, effects.delta[np.arange(len(choices)), choices])
        self._powers = self._powered(self._shift)
        self._total = self._powers.sum(axis=1)

    def trial(self, unit: int, options: NDArray[np.int64]) -> tuple[Margins, Margins, Margins]:
        """Return margins (options, competitors, images) with `unit` on each option, and the layer's shift and powers to `accept`."""
        group, delta = self._group[unit], self.effects.delta[unit]
        shift = self._shift[group] - delta[self.choices[unit]] + delta[options]
        powers = self._powered(shift)
        harm, good = (self._total - self._powers[:, group])[:, None] + powers
        if self._exponent == 1.0:
            return self.effects.base + good - harm, shift, powers
        root = np.float32(1 / self._exponent)
        return self.effects.base + np.maximum(good, 0) ** root - np.maximum(harm, 0) ** root, shift, powers

    def accept(self, unit: int, block: int, shift: Margins, powers: Margins) -> None:
        """Give `unit` the block of one option, with that option's shift and powers from `trial`."""
        group = self._group[unit]
        self.choices[unit] = block
        self._shift[group], self._powers[:, group] = shift, powers
        self._total = self._powers.sum(axis=1)

    def _powered(self, shift: Margins) -> Margins:
        """Return harm and good to the power of the norm, (2, ...)."""
        parts = np.stack([np.maximum(-shift, 0), np.maximum(shift, 0)])
        if self._exponent == 1.0:
            return parts
        return parts * np.sqrt(parts) if self._exponent == 1.5 else parts ** np.float32(self._exponent)


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
    shares = (effects.weights / effects.weights.sum()).astype(np.float32)
    temperature = temperature_of(effects)
    options = [np.array(c, np.int64) for c in candidates]
    state = Composition(effects, start.astype(np.int64))
    path = np.empty((len(weights), len(options)), np.uint8)
    for step, weight in enumerate(weights):
        for _ in range(sweeps):
            changed = False
            for unit in rng.permutation(len(options)):
                margins, shift, powers = state.trial(unit, options[unit])
                value = soft_error(margins, temperature, shares) + weight * unit_costs[unit, options[unit]]
                best = int(value.argmin())
                if options[unit][best] != state.choices[unit]:
                    state.accept(unit, options[unit][best], shift[best], powers[:, best])
                    changed = True
            if not changed:
                break
        path[step] = state.choices
    return path
