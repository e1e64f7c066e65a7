"""Superposition: predicted margins of a design from the effects of its units, each known alone (DESIGN 3.3, model level).

Filters of one layer act on the network at the same depth: their effects add. Effects of different layers partly cancel and partly
hide behind one another (a later layer saturates what an earlier one shifted), so they are composed by a p-norm of the harm they do to
each margin, and of the good: p = 1 is addition, p = 2 that of independent errors, and p = ∞ counts an image as lost when one layer
alone loses it. Measured designs tell which p fits (hawx.predict.predictor); on LeNet-5 with random blocks in all layers p = 1.5
ranks designs best, where addition over-predicts the loss many times over.

Composing a design costs gathers and sums; many designs at once are matrix products of their one-hot choices with the effects.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hawx.designs.space import Choices
from hawx.errors import InputError

CHUNK_VALUES = 1 << 18
"""Margins held at once while many designs are predicted, in float32 values, so that they stay in cache."""

EXPONENTS = (1.0, 1.25, 1.5, 2.0, 3.0)
"""Norms that the predictor chooses from."""
PRIOR_EXPONENT = 1.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Effects:
    """What every (unit, block) does to the margins of the scoring images, alone, and how effects compose."""

    base: NDArray[np.float32]
    """Margins of the exact network, (competitors, images); see hawx.score.competitors."""
    delta: NDArray[np.float32]
    """Change of those margins, (units, blocks, competitors, images); zero for the exact block."""
    weights: NDArray[np.float64]
    """How many search images each scoring image stands for, (images,)."""
    groups: NDArray[np.int64]
    """The layer of each unit, (units,), ascending: effects within a group add."""
    exponent: float = PRIOR_EXPONENT
    """The p of the norm that composes groups, at least 1."""

    def __post_init__(self) -> None:
        fits = self.delta.shape[2:] == self.base.shape and self.weights.shape == self.base.shape[1:] and self.groups.shape == self.delta.shape[:1]
        if not fits or (np.diff(self.groups) < 0).any():
            raise InputError(
                f"effects have shapes base {self.base.shape}, delta {self.delta.shape}, weights {self.weights.shape}, groups {self.groups.shape}; "
                "expected (competitors, images), (units, blocks, competitors, images), (images,), (units,) ascending."
            )

    @property
    def images(self) -> int:
        return int(self.base.shape[1])

    def with_exponent(self, exponent: float) -> Effects:
        return replace(self, exponent=exponent)

    def margins(self, choices: Choices) -> NDArray[np.float32]:
        """Return predicted margins, (designs, competitors, images), for choices (designs, units)."""
        rows = np.atleast_2d(choices)
        if self.exponent == 1.0:
            total = self._one_hot(rows, 0, len(self.groups)) @ self._flat
        else:
            harm, good = self._powers_of_single_units(rows)
            for first, last in self._shared_groups:
                shift = self._one_hot(rows, first, last) @ self._flat[first * self.delta.shape[1] : last * self.delta.shape[1]]
                harm += power((-shift).clamp_(min=0), self.exponent)
                good += power(shift.clamp_(min=0), self.exponent)
            total = power(good, 1 / self.exponent) - power(harm, 1 / self.exponent)
        return total.add_(torch.from_numpy(self.base).flatten()).numpy().reshape(len(rows), *self.base.shape)

    def drops(self, choices: Choices) -> NDArray[np.float64]:
        """Return predicted loss of top-1 in points against the exact network, (designs,), before any calibration."""
        rows = np.atleast_2d(choices)
        step = max(16, CHUNK_VALUES // max(1, self.base.size, self.delta.shape[0] * self.delta.shape[1]))
        result = np.empty(len(rows))
        base = self._accuracy(self.base[None])[0]
        for start in range(0, len(rows), step):
            result[start : start + step] = base - self._accuracy(self.margins(rows[start : start + step]))
        return result

    def parts(self, choices: Choices) -> NDArray[np.float64]:
        """Return how far designs use each block in each layer, (designs, groups · blocks): shares of its units, 0 for exact blocks."""
        rows = np.atleast_2d(choices)
        blocks = self.delta.shape[1]
        shares = np.zeros((len(rows), len(self._bounds), blocks))
        for group, (first, last) in enumerate(self._bounds):
            active = self._active[first:last]
            for block in np.flatnonzero(active.any(axis=0)):
                shares[:, group, block] = (rows[:, first:last] == block).mean(axis=1)
        return shares.reshape(len(rows), len(self._bounds) * blocks)

    @cached_property
    def _active(self) -> NDArray[np.bool_]:
        """Which (unit, block) change anything at all."""
        return np.asarray(self.delta.any(axis=(2, 3)), np.bool_)

    def _one_hot(self, rows: Choices, first: int, last: int) -> Tensor:
        """Return the choices of units `first..last` as zeros and ones, (designs, units · blocks)."""
        blocks = self.delta.shape[1]
        result = np.zeros((len(rows), (last - first) * blocks), np.float32)
        np.put_along_axis(result, np.arange(last - first) * blocks + rows[:, first:last].astype(np.int64), 1.0, axis=1)
        return torch.from_numpy(result)

    def _powers_of_single_units(self, rows: Choices) -> tuple[Tensor, Tensor]:
        """Return summed powers of harm and of good of the units that are their layer's only one, each (designs, competitors · images).

        A unit alone in its layer has one shift per block, so its powers are a table and their sum is a matrix product.
        """
        units, harm, good = self._single_powers
        one_hot = self._one_hot(rows[:, units], 0, len(units))
        return one_hot @ harm, one_hot @ good

    @cached_property
    def _flat(self) -> Tensor:
        """`delta` as a matrix (units · blocks, competitors · images)."""
        return torch.from_numpy(np.ascontiguousarray(self.delta.reshape(-1, self.base.size)))

    @cached_property
    def _bounds(self) -> list[tuple[int, int]]:
        """First unit and unit after the last of each group."""
        edges = np.flatnonzero(np.diff(self.groups, prepend=-1, append=-1))
        return [(int(first), int(last)) for first, last in pairwise(edges)]

    @property
    def _shared_groups(self) -> list[tuple[int, int]]:
        return [(first, last) for first, last in self._bounds if last - first > 1]

    @cached_property
    def _single_powers(self) -> tuple[NDArray[np.int64], Tensor, Tensor]:
        units = np.array([first for first, last in self._bounds if last - first == 1], np.int64)
        shift = torch.from_numpy(self.delta[units].reshape(-1, self.base.size))
        return units, power((-shift).clamp(min=0), self.exponent), power(shift.clamp(min=0), self.exponent)

    def _accuracy(self, margins: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return predicted top-1 in percent, (designs,), of margins (designs, competitors, images)."""
        right = margins[:, 0] > 0
        for competitor in range(1, margins.shape[1]):
            right &= margins[:, competitor] > 0
        return np.asarray(100.0 * (right.astype(np.float32) @ self._shares), np.float64)

    @cached_property
    def _shares(self) -> NDArray[np.float32]:
        return np.asarray(self.weights / self.weights.sum(), np.float32)


def power(values: Tensor, exponent: float) -> Tensor:
    """Return non-negative `values` to a power; the cheap cases by multiplication and square roots."""
    match exponent:
        case 1.0:
            return values
        case 1.5:
            return values * values.sqrt()
        case 2.0:
            return values * values
        case 0.5:
            return values.sqrt()
    return values.pow(exponent)
