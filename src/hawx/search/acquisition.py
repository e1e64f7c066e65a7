"""Acquisition: which predicted designs to measure next: those expected to add most hypervolume to the measured front."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from hawx.pareto import hypervolume
from hawx.predict.correction import SCALE, compress, expand

PointOf = Callable[[float, NDArray[np.float64]], NDArray[np.float64]]

QUADRATURE = ((-1.2247, 1 / 6), (0.0, 2 / 3), (1.2247, 1 / 6))
"""Three-point Gauss-Hermite rule for the standard normal, scaled by sqrt(2): nodes in sigmas, and weights."""
MOST_CELLS = 1 << 20
"""Fronts that cut the space into more cells than this are measured point by point."""
NODES = tuple((node * 2**0.5, weight) for node, weight in QUADRATURE)


def exclusive_volume(point: NDArray[np.float64], front: NDArray[np.float64]) -> float:
    """Return the hypervolume that `point` (objectives,) adds to `front` (points, objectives), with reference (1, …, 1)."""
    box = np.prod(np.maximum(1.0 - point, 0.0))
    if box == 0.0 or not len(front):
        return float(box)
    return float(box) - hypervolume(np.maximum(front, point), np.ones(len(point)))


class OpenSpace:
    """What a front leaves undominated below (1, …, 1), in cells between the coordinates of its points: exclusive volumes of many points at once."""

    def __init__(self, front: NDArray[np.float64]) -> None:
        inside = front[(front < 1.0).all(axis=1)]
        self._edges = [np.unique(np.append(inside[:, k], 1.0)) for k in range(front.shape[1])]
        if prod(len(edges) for edges in self._edges) > MOST_CELLS:
            self._front, self._open = front, None
            return
        self._front, self._open = front, np.ones([len(edges) for edges in self._edges])
        for point in inside:
            self._open[tuple(slice(int(np.searchsorted(edges, x)) + 1, None) for edges, x in zip(self._edges, point, strict=True))] = 0.0

    def volumes(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the `exclusive_volume` of each of `points` (points, objectives), (points,)."""
        if self._open is None:
            return np.array([exclusive_volume(point, self._front) for point in points])
        total: NDArray[np.float64] | None = None
        for k in reversed(range(len(self._edges))):
            upper = self._edges[k]
            lower = np.concatenate([[-np.inf], upper[:-1]])
            widths = np.maximum(upper - np.maximum(lower, points[:, k, None]), 0.0)
            total = np.tensordot(widths, self._open, (1, k)) if total is None else np.einsum("p...i,pi->p...", total, widths)
        assert total is not None
        return total


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
    if not len(drops):
        return np.zeros(0)
    center, spread = _compressed(drops, sigmas)
    space = OpenSpace(front.reshape(-1, 1 + ratios.shape[1]))
    result = np.zeros(len(drops))
    for node, weight in NODES:
        points = np.array([point(float(drop), row) for drop, row in zip(expand(center + node * spread), ratios, strict=True)])
        result += weight * space.volumes(points)
    return result


def feasible_improvement(
    drops: NDArray[np.float64], sigmas: NDArray[np.float64], costs: NDArray[np.float64], goal: float, best: float
) -> NDArray[np.float64]:
    """Return the expected saving over `best` of each design that keeps the goal, (designs,): saving times the probability of keeping it.

    The cost is known, the drop alone is uncertain: constrained expected improvement (Gardner et al., ICML 2014) in its simplest form.

    Args:
        drops, sigmas: estimates in points, (designs,).
        costs: objective relative to the all-exact design, (designs,).
        goal: points that may be lost.
        best: least cost measured so far that keeps the goal.
    """
    center, spread = _compressed(drops, sigmas)
    within = ndtr((compress(np.full(1, goal)) - center) / np.maximum(spread, 1e-9))
    return np.asarray(within * np.maximum(best - costs, 0.0))


def _compressed(drops: NDArray[np.float64], sigmas: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return estimates in points, (designs,), and their sigmas on the compressed scale, where uncertainty is even."""
    return compress(drops), sigmas / (SCALE + np.abs(drops))
