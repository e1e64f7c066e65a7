"""Acquisition: which predicted designs to measure next: those expected to add most hypervolume to the measured front."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hawx.pareto import hypervolume
from hawx.predict.calibration import SCALE, compress, expand

PointOf = Callable[[float, NDArray[np.float64]], NDArray[np.float64]]

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
    drops: NDArray[np.float64], sigmas: NDArray[np.float64], ratios: NDArray[np.float64], front: NDArray[np.float64], point: PointOf
) -> NDArray[np.float64]:
    """Return the expected hypervolume improvement of each design, (designs,).

    Args:
        drops, sigmas: estimates in points, (designs,).
        ratios: hardware objectives relative to the all-exact design, (designs, objectives).
        front: measured points (points, 1 + objectives), as `point` makes them.
        point: gives a design's point from its drop and ratios; see `hawx.search.Problem.point`.
    """
    center, spread = compress(drops), sigmas / (SCALE + np.abs(drops))  # uncertainty is even on the compressed scale
    result = np.zeros(len(drops))
    for node, weight in NODES:
        for i, drop in enumerate(expand(center + node * spread)):
            result[i] += weight * exclusive_volume(point(float(drop), ratios[i]), front)
    return result
