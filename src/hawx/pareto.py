"""Fronts of points: which are non-dominated, and the hypervolume they dominate. All objectives are minimized."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hawx.errors import InputError

Points = NDArray[np.float64]
"""Shape (points, objectives), float64; smaller is better in every column; NaN is refused."""


def _points(values: ArrayLike) -> Points:
    points = np.asarray(values, dtype=np.float64)
    if points.ndim != 2:
        raise InputError(f"points have shape {points.shape}; expected (points, objectives).")
    if np.isnan(points).any():
        raise InputError("points contain NaN; expected numbers (use infinity for 'unusable').")
    return points


def non_dominated(values: ArrayLike) -> NDArray[np.bool_]:
    """Return which points no other point dominates, shape (points,). Equal points do not dominate one another.

    A point dominates another if it is no larger in every objective and smaller in one.
    """
    points = _points(values)
    keep = np.zeros(len(points), bool)
    if not len(points):
        return keep
    order = np.lexsort(points.T[::-1])  # by the first objective, then the second, …: only earlier points can dominate
    if points.shape[1] == 2:
        return _non_dominated_sorted_pairs(points, order, keep)
    archive = np.empty_like(points)
    size = 0
    for i in order:
        point = points[i]
        kept = archive[:size]
        if not np.any((kept <= point).all(axis=1) & (kept < point).any(axis=1)):
            archive[size] = point
            size += 1
            keep[i] = True
    return keep


def _non_dominated_sorted_pairs(points: Points, order: NDArray[np.intp], keep: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Two objectives: sorted by the first, a point stays if its second is below all before (or it equals the last kept)."""
    second = points[order, 1]
    lowest_before = np.concatenate([[np.inf], np.minimum.accumulate(second)[:-1]])
    keep[order] = second < lowest_before
    last_kept = -1
    for position, i in enumerate(order):
        if keep[i]:
            last_kept = position
        elif last_kept >= 0 and (points[order[last_kept]] == points[i]).all():
            keep[i] = True
    return keep


def hypervolume(values: ArrayLike, reference: ArrayLike) -> float:
    """Return the volume dominated by the points and bounded by `reference`. Larger is better.

    Points that do not lie below the reference in every objective contribute nothing. Two objectives by one sweep, more by
    slicing along the last objective (L. While et al., "A faster algorithm for calculating hypervolume", IEEE TEVC 10(1), 2006).
    """
    points = _points(values)
    bound = np.asarray(reference, dtype=np.float64)
    if bound.shape != (points.shape[1],):
        raise InputError(f"reference has shape {bound.shape}; expected one value per objective ({points.shape[1]}).")
    inside = points[(points < bound).all(axis=1)]
    return _volume(inside[non_dominated(inside)], bound) if len(inside) else 0.0


def _volume(points: Points, bound: NDArray[np.float64]) -> float:
    if points.shape[1] == 1:
        return float(bound[0] - points.min())
    if points.shape[1] == 2:
        ordered = points[np.argsort(points[:, 0], kind="stable")]
        lowest = np.minimum.accumulate(ordered[:, 1])
        right = np.append(ordered[1:, 0], bound[0])
        return float(((right - ordered[:, 0]) * (bound[1] - lowest)).sum())
    levels = np.append(np.unique(points[:, -1]), bound[-1])
    total = 0.0
    for low, high in pairwise(levels):
        layer = points[points[:, -1] <= low, :-1]
        total += float(high - low) * _volume(layer[non_dominated(layer)], bound[:-1])
    return total


def merge_additive(fronts: list[Points], *, limit: int | None = None) -> tuple[Points, NDArray[np.int64]]:
    """Return the non-dominated sums of one point per front, and which point of each front makes each sum.

    Partial sums are pruned after every front (exact, since objectives add). Shape of the result: (sums, objectives) and
    (sums, fronts). With `limit`, partial fronts are thinned evenly along the first objective to at most that many points
    (then the result is no longer complete).
    """
    sums = np.zeros((1, fronts[0].shape[1]))
    picks = np.zeros((1, 0), np.int64)
    for front in fronts:
        candidate = (sums[:, None] + front[None]).reshape(-1, front.shape[1])
        origin = np.concatenate([np.repeat(picks, len(front), axis=0), np.tile(np.arange(len(front)), len(sums))[:, None]], axis=1)
        _, first = np.unique(candidate, axis=0, return_index=True)
        candidate, origin = candidate[first], origin[first]
        kept = non_dominated(candidate)
        sums, picks = candidate[kept], origin[kept]
        if limit is not None and len(sums) > limit:
            order = np.argsort(sums[:, 0], kind="stable")
            thin = order[np.unique(np.linspace(0, len(order) - 1, limit).round().astype(int))]
            sums, picks = sums[thin], picks[thin]
    return sums, picks
