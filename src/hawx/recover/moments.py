"""Moments of the outputs of a layer's filters over images and positions, and the gain and shift that make one output like another."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Vector = NDArray[np.float64]

GAINS = (0.5, 3.0)
"""Range of the gain of a filter."""
CONSTANT = 1e-12
"""A filter whose deviation is below this share of the exact one's tells nothing about its gain."""


@dataclass(slots=True, eq=False)
class Moments:
    """Count, sum and sum of squares of each filter's real output, gathered batch by batch in double precision."""

    count: int = 0
    first: Vector = field(default_factory=lambda: np.zeros(1))
    second: Vector = field(default_factory=lambda: np.zeros(1))

    def add(self, output: Tensor) -> None:
        """Take in real outputs (N, filters, H', W'), float32."""
        flat = output.movedim(1, 0).flatten(1)
        self.count += flat.shape[1]
        self.first = self.first + flat.sum(1, dtype=torch.float64).numpy()
        self.second = self.second + torch.linalg.vector_norm(flat, dim=1, dtype=torch.float64).square().numpy()

    def join(self, later: Moments) -> None:
        """Take in what was gathered of outputs behind these."""
        self.count += later.count
        self.first = self.first + later.first
        self.second = self.second + later.second

    @property
    def mean(self) -> Vector:
        return self.first / self.count

    @property
    def std(self) -> Vector:
        return np.sqrt(np.maximum(self.second / self.count - self.mean**2, 0.0))


def gain_and_shift(exact: Moments, approximate: Moments, *, gain: bool = True) -> tuple[Vector, Vector]:
    """Return g and c, each (filters,), such that `g·ỹ + c` has the mean and the deviation of y.

    As batch normalization is re-estimated: `g = std(y) / std(ỹ)` within `GAINS`, 1 where ỹ is constant; `c = mean(y) - g·mean(ỹ)`.

    Args:
        exact: of y.
        approximate: of ỹ.
        gain: False to keep g = 1.
    """
    spread = approximate.std
    varies = spread > CONSTANT * np.maximum(exact.std, 1e-300)
    g = np.where(varies, exact.std / np.where(varies, spread, 1.0), 1.0) if gain else np.ones(len(spread))
    g = np.clip(g, *GAINS)
    return g, exact.mean - g * approximate.mean
