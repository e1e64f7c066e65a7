"""The HAWX search: predict everything, measure the most promising, recalibrate, repeat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hawx.estimates import Estimate
from hawx.pareto import non_dominated
from hawx.predict import Predictor
from hawx.search.acquisition import expected_improvement
from hawx.search.pool import build_pool, thin
from hawx.search.problem import Problem

BATCH = 2
"""Designs measured between two calibrations: constant, so that the result does not depend on the number of workers."""
CANDIDATES = 64
PATIENCE = 3
"""Batches that may add less than `STAGNATION` of the hypervolume before the search stops."""
STAGNATION = 1e-3


def hawx(problem: Problem, rng: np.random.Generator, predictor: Predictor) -> None:
    """Search by prediction; every measurement teaches the predictor.

    Stops when the budget is spent, when the hypervolume of the measured front stagnates, or when nothing predicted is left.
    """
    pool, raw = build_pool(problem, predictor.effects, rng)
    ratios, parts = problem.ratios(pool), predictor.effects.parts(pool)
    known = np.array([problem.is_known(row) for row in pool])
    idle = 0
    while problem.remaining > 0 and idle < PATIENCE and not known.all():
        drops, sigmas = predictor.from_raw(raw, parts)
        before = problem.hypervolume()
        picked = _select(problem, drops, sigmas, ratios, known)
        if not len(picked):
            break
        baseline = 100.0 * problem.baseline_correct / problem.images
        guesses = [Estimate(top1=float(np.clip(baseline - drops[i], 0.0, 100.0)), sigma=float(min(sigmas[i], 50.0))) for i in picked]
        measured = problem.measure(pool[picked], guesses)
        known[picked] = True
        attenuation = predictor.effects.attenuation
        predictor.observe(pool[picked][: len(measured)], [found.drop for found in measured])
        if predictor.effects.attenuation != attenuation:
            raw = predictor.effects.drops(pool)
        after = problem.hypervolume()
        idle = idle + 1 if after - before < STAGNATION * max(after, 1e-9) else 0


def _select(
    problem: Problem, drops: NDArray[np.float64], sigmas: NDArray[np.float64], ratios: NDArray[np.float64], known: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """Return indices of the next designs to measure: greedy expected improvement over the predicted front."""
    open_index = np.flatnonzero(~known)
    points = np.column_stack([drops, ratios])[open_index]
    useful = np.flatnonzero(non_dominated(points))
    if len(useful) > CANDIDATES:
        useful = thin(points, CANDIDATES)
    candidates = open_index[useful]
    front = problem.points()
    front = front[non_dominated(front)] if len(front) else front
    picked: list[int] = []
    for _ in range(min(BATCH, problem.remaining, len(candidates))):
        gain = expected_improvement(drops[candidates], sigmas[candidates], ratios[candidates], front, problem.point)
        best = int(gain.argmax())
        if gain[best] <= 0:
            break
        chosen = candidates[best]
        picked.append(int(chosen))
        front = np.vstack([front, problem.point(float(drops[chosen]), ratios[chosen])])
        candidates = np.delete(candidates, best)
    return np.array(picked, np.intp)
