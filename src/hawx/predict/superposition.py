"""Superposition: predicted margins of a design = exact margins + the sum of its units' effects (DESIGN 3.3, model level).

One design costs a gather and a sum; many designs are one matrix product of their one-hot choices with the effects, so
millions of designs can be ranked in a search.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from hawx.designs.space import Choices
from hawx.errors import InputError

CHUNK_VALUES = 1 << 18
"""Margins held at once while many designs are predicted, in float32 values, so that they stay in cache."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Effects:
    """What every (unit, block) does to the margins of the scoring images, alone."""

    base: NDArray[np.float32]
    """Margins of the exact network, (competitors, images); see hawx.score.competitors."""
    delta: NDArray[np.float32]
    """Change of those margins, (units, blocks, competitors, images); zero for the exact block."""
    weights: NDArray[np.float64]
    """How many search images each scoring image stands for, (images,)."""

    def __post_init__(self) -> None:
        if self.delta.shape[2:] != self.base.shape or self.weights.shape != self.base.shape[1:]:
            raise InputError(
                f"effects have shapes base {self.base.shape}, delta {self.delta.shape}, weights {self.weights.shape}; "
                "expected (competitors, images), (units, blocks, competitors, images), (images,)."
            )

    @property
    def images(self) -> int:
        return self.base.shape[1]

    @cached_property
    def flat(self) -> NDArray[np.float32]:
        """`delta` as a matrix (units · blocks, competitors · images)."""
        units, blocks = self.delta.shape[:2]
        return np.ascontiguousarray(self.delta.reshape(units * blocks, -1))

    def margins(self, choices: Choices) -> NDArray[np.float32]:
        """Return predicted margins, (designs, competitors, images), for choices (designs, units)."""
        units, blocks = self.delta.shape[:2]
        rows = np.atleast_2d(choices)
        one_hot = np.zeros((len(rows), units * blocks), np.float32)
        np.put_along_axis(one_hot, np.arange(units) * blocks + rows.astype(np.int64), 1.0, axis=1)
        total = (torch.from_numpy(one_hot) @ torch.from_numpy(self.flat)).numpy().reshape(len(rows), *self.base.shape)
        total += self.base
        return total

    def drops(self, choices: Choices) -> NDArray[np.float64]:
        """Return predicted loss of top-1 in points against the exact network, (designs,), before any calibration."""
        rows = np.atleast_2d(choices)
        step = max(16, CHUNK_VALUES // max(1, self.base.size, self.delta.shape[0] * self.delta.shape[1]))
        result = np.empty(len(rows))
        base = self._accuracy(self.base[None])[0]
        for start in range(0, len(rows), step):
            result[start : start + step] = base - self._accuracy(self.margins(rows[start : start + step]))
        return result

    def _accuracy(self, margins: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return predicted top-1 in percent, (designs,), of margins (designs, competitors, images)."""
        right = margins[:, 0] > 0
        for competitor in range(1, margins.shape[1]):
            right &= margins[:, competitor] > 0
        return 100.0 * (right.astype(np.float32) @ self._shares)

    @cached_property
    def _shares(self) -> NDArray[np.float32]:
        return (self.weights / self.weights.sum()).astype(np.float32)
