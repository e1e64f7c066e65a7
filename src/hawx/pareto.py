"""Fronts of points: which are non-dominated, and the hypervolume they dominate. All objectives are minimized."""

from __future__ import annotations

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
    ordered = points[order]
    if points.shape[1] == 2:
        lowest_before = np.concatenate([[np.inf], np.minimum.accumulate(ordered[:, 1])[:-1]])
        first = ordered[:, 1] < lowest_before
        equal = np.concatenate([[False], (ordered[1:] == ordered[:-1]).all(axis=1)])
        leader = np.maximum.accumulate(np.where(equal, 0, np.arange(len(order))))  # equal points share their first one's fate
        keep[order] = first[leader]
        return keep
    index = np.arange(len(order))
    position = 0
    while position < len(index):
        leader_point = ordered[position]
        stays = (ordered < leader_point).any(axis=1) | (ordered == leader_point).all(axis=1)
        ordered, index = ordered[stays], index[stays]
        position += 1
    keep[order[index]] = True
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
    """Return the dominated volume of points that all lie below `bound`; dominated points do no harm."""
    if points.shape[1] == 1:
        return float(bound[0] - points.min())
    if points.shape[1] == 2:
        return float(_areas(points, bound, np.ones((1, len(points)), bool))[0])
    levels, position = np.unique(points[:, -1], return_inverse=True)
    thickness = np.diff(np.append(levels, bound[-1]))
    below = position[None] <= np.arange(len(levels))[:, None]
    if points.shape[1] == 3:
        return float(thickness @ _areas(points[:, :2], bound[:2], below))
    return sum(float(height) * _volume(points[inside, :-1], bound[:-1]) for height, inside in zip(thickness, below, strict=True))


def _areas(points: Points, bound: NDArray[np.float64], inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the area below `bound` that each subset of 2-D points dominates; `inside` is (subsets, points)."""
    order = np.argsort(points[:, 0])
    x, y = points[order].T
    lowest = np.minimum.accumulate(np.where(inside[:, order], y, bound[1]), axis=1)
    widths = np.diff(np.append(x, bound[0]))
    return np.asarray((bound[1] - lowest) @ widths)


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
            thin = np.unique(np.linspace(0, len(sums) - 1, limit).round().astype(int))  # np.unique has sorted the sums
            sums, picks = sums[thin], picks[thin]
    return sums, picks
