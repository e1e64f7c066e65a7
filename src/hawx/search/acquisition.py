"""Acquisition: which predicted designs to measure next: those expected to add most hypervolume to the measured front."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hawx.pareto import hypervolume

QUADRATURE = ((-1.2247, 1 / 6), (0.0, 2 / 3), (1.2247, 1 / 6))
"""Three-point Gauss-Hermite rule for the standard normal, scaled by sqrt(2): nodes in sigmas, and weights."""
NODES = tuple((node * 2**0.5, weight) for node, weight in QUADRATURE)


def exclusive_volume(point: NDArray[np.float64], front: NDArray[np.float64]) -> float:
    """Return the hypervolume that `point` (objectives,) adds to `front` (points, objectives), with reference (1, …, 1)."""
    box = np.prod(np.maximum(1.0 - point, 0.0))
    if box == 0.0 or not len(front):
        return float(box)
    return float(box) - hypervolume(np.maximum(front, point), np.ones(len(point)))


def expected_improvement(
    drops: NDArray[np.float64], sigmas: NDArray[np.float64], ratios: NDArray[np.float64], front: NDArray[np.float64], reference_drop: float
) -> NDArray[np.float64]:
    """Return the expected hypervolume improvement of each design, (designs,).

    Args:
        drops, sigmas: estimates in points, (designs,).
        ratios: hardware objectives relative to the all-exact design, (designs, objectives).
        front: measured points (points, 1 + objectives), the drop in shares of `reference_drop`.
    """
    result = np.zeros(len(drops))
    for i in range(len(drops)):
        for node, weight in NODES:
            point = np.concatenate([[(drops[i] + node * sigmas[i]) / reference_drop], ratios[i]])
            result[i] += weight * exclusive_volume(point, front)
    return result
