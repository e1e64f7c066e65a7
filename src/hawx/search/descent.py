"""Coordinate descent on the superposition: the predicted front of very large spaces, one unit at a time.

For a weight λ on cost it minimizes `loss(margins) + λ·cost` by giving each unit in turn the block that is best with all others held: the
margins of all candidates of a unit are one addition away. In spaces of hundreds of units a few move at once. A path of rising λ, each
started from the last, walks from the all-exact design to the cheapest one and leaves a predicted front behind. (Lagrangian relaxation of
the multiple-choice knapsack, with the additive loss replaced by the composed one.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hawx.designs.space import Choices
from hawx.predict.superposition import GAINS, Effects

Margins = NDArray[np.float32]

TOGETHER = 64
"""The share of all units that may move at once is one in so many: too little to overshoot."""
TRIAL_VALUES = 1 << 20
"""Margins tried at once, in float32 values."""


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
    """The margins of one design, kept so that changing a unit costs only that unit's layer. The law is that of `Effects`."""

    def __init__(self, effects: Effects, choices: NDArray[np.int64]) -> None:
        self.effects = effects
        self.choices = choices
        self._power = effects.attenuation
        names, self._group = np.unique(effects.groups, return_inverse=True)
        self._shift = np.zeros((len(names), *effects.base.shape), np.float32)
        np.add.at(self._shift, self._group, effects.delta[np.arange(len(choices)), choices])
        self._projection = effects.base / np.float32(max(np.square(effects.base, dtype=np.float64).sum(), 1e-30))
        self._gain = self._gains(self._shift)
        self._residual = self._residuals(self._shift, self._gain)

    def trial(self, units: NDArray[np.int64], options: NDArray[np.int64]) -> Margins:
        """Return margins (units, options, competitors, images): each of `units` (units,) alone on each of its `options` (units, options)."""
        group, delta = self._group[units], self.effects.delta
        shift = delta[units[:, None], options]
        shift += (self._shift[group] - delta[units, self.choices[units]])[:, None]
        gain = self._gains(shift)
        others = np.exp(np.log(self._gain).sum() - np.log(self._gain[group]))[:, None]
        faded = (others * gain) ** (self._power or 0.0)
        own = faded / gain ** (self._power or 0.0)
        rest = self._residual.sum(axis=0) - self._residual[group]
        shift *= _wide(own)
        shift += _wide(others * gain - own * (gain - 1)) * self.effects.base
        shift += _wide(faded) * rest[:, None]
        return shift

    def accept(self, units: NDArray[np.int64], blocks: NDArray[np.int64]) -> None:
        """Give each of `units` its one of `blocks`, both (units,)."""
        group, delta = self._group[units], self.effects.delta
        np.add.at(self._shift, group, delta[units, blocks] - delta[units, self.choices[units]])
        self.choices[units] = blocks
        self._gain[group] = self._gains(self._shift[group])
        self._residual[group] = self._residuals(self._shift[group], self._gain[group])

    def _gains(self, shift: Margins) -> NDArray[np.float64]:
        """Return the gains (...,) of shifts of layers (..., competitors, images)."""
        if self._power is None:
            return np.ones(shift.shape[:-2])
        share = shift.reshape(*shift.shape[:-2], -1) @ self._projection.ravel()
        return np.asarray(np.clip(1.0 + share, *GAINS), np.float64)

    def _residuals(self, shift: Margins, gain: NDArray[np.float64]) -> Margins:
        """Return residuals over the gain to the power g, (..., competitors, images)."""
        return (shift - _wide(gain - 1) * self.effects.base) * _wide(gain ** -(self._power or 0.0))


def _wide(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return values (...,) as factors of margins, (..., 1, 1)."""
    return values.astype(np.float32)[..., None, None]


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
    widest = max(len(c) for c in candidates)
    options = np.array([[*c, *[c[0]] * (widest - len(c))] for c in candidates], np.int64)
    together = max(1, min(len(options) // TOGETHER, TRIAL_VALUES // (widest * effects.base.size)))
    state = Composition(effects, start.astype(np.int64))
    path = np.empty((len(weights), len(options)), np.uint8)
    for step, weight in enumerate(weights):
        for _ in range(sweeps):
            changed = False
            order = rng.permutation(len(options))
            for first in range(0, len(order), together):
                units = order[first : first + together]
                choices = options[units]
                value = soft_error(state.trial(units, choices), temperature, shares) + weight * unit_costs[units[:, None], choices]
                best = choices[np.arange(len(units)), value.argmin(axis=1)]
                moved = best != state.choices[units]
                if moved.any():
                    state.accept(units[moved], best[moved])
                    changed = True
            if not changed:
                break
        path[step] = state.choices
    return path
