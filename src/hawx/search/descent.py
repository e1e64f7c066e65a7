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
from hawx.predict.superposition import GAINS, Effects

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

    def trial(self, unit: int, options: NDArray[np.int64]) -> Margins:
        """Return margins (options, competitors, images): `unit` alone on each of its `options` (options,)."""
        group, delta = self._group[unit], self.effects.delta[unit]
        shift: Margins = delta[options]
        shift += self._shift[group] - delta[self.choices[unit]]
        gain = self._gains(shift)
        others = float(np.prod(np.delete(self._gain, group)))
        faded = (others * gain) ** (self._power or 0.0)
        own = faded / gain ** (self._power or 0.0)
        rest = self._residual.sum(axis=0) - self._residual[group]
        shift *= _wide(own)
        shift += _wide(others * gain - own * (gain - 1)) * self.effects.base
        shift += _wide(faded) * rest
        return shift

    def accept(self, unit: int, block: int) -> None:
        """Give `unit` the block."""
        group, delta = self._group[unit], self.effects.delta[unit]
        self._shift[group] += delta[block] - delta[self.choices[unit]]
        self.choices[unit] = block
        self._gain[group] = self._gains(self._shift[group][None])[0]
        self._residual[group] = self._residuals(self._shift[group][None], self._gain[group][None])[0]

    def _gains(self, shift: Margins) -> NDArray[np.float64]:
        """Return the gains (shifts,) of shifts of layers (shifts, competitors, images)."""
        if self._power is None:
            return np.ones(len(shift))
        share = shift.reshape(len(shift), -1) @ self._projection.ravel()
        return np.asarray(np.clip(1.0 + share, *GAINS), np.float64)

    def _residuals(self, shift: Margins, gain: NDArray[np.float64]) -> Margins:
        """Return residuals over the gain to the power g, (shifts, competitors, images)."""
        return (shift - _wide(gain - 1) * self.effects.base) * _wide(gain ** -(self._power or 0.0))


def _wide(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return values (shifts,) as factors of margins, (shifts, 1, 1)."""
    return values.astype(np.float32)[:, None, None]


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
    state = Composition(effects, start.astype(np.int64))
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
