"""Evolve: crossover and mutation of the predicted front, all on the predictor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hawx.designs.space import Choices, SearchSpace
from hawx.pareto import non_dominated
from hawx.predict import Predictor
from hawx.search.problem import Problem, distinct

SLACK_POINTS, SLACK_SHARE = 0.3, 0.3
"""How far behind the predicted front a design stays in the pool: points, and share of its own predicted drop."""
POOL_LIMIT = 2000
"""Designs near the predicted front that evolution keeps."""
POPULATION = 400
GENERATIONS = 12
EXCHANGE = 0.2
"""Share of children that exchange one block for another wherever it is used."""


def evolve(problem: Problem, predictor: Predictor, space: SearchSpace, pool: Choices, rng: np.random.Generator) -> Choices:
    """Return the pool after crossover and mutation of its predicted front, all on the predictor."""
    points = np.column_stack([predictor.drops(pool), problem.ratios(pool)])
    for _ in range(GENERATIONS):
        parents = pool[thin(points, POPULATION // 4)]
        children = _offspring(parents, space, rng, POPULATION)
        merged = np.concatenate([pool, children])
        points = np.concatenate([points, np.column_stack([predictor.drops(children), problem.ratios(children)])])
        first = distinct(merged)
        keep = first[_kept(points[first], rng)]
        pool, points = merged[keep], points[keep]
    return pool


def _kept(points: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.intp]:
    """Return indices of the designs near the predicted front: all non-dominated ones, and others at random up to `POOL_LIMIT`."""
    near = np.flatnonzero(near_front(points))
    if len(near) <= POOL_LIMIT:
        return near
    front = non_dominated(points[near])
    others = rng.choice(near[~front], size=max(POOL_LIMIT - int(front.sum()), 0), replace=False)
    return np.sort(np.concatenate([near[front], others]))


def near_front(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which designs may be on the front although the prediction puts them behind it, (designs,).

    A design stays when it would be non-dominated with its drop smaller by `SLACK_POINTS` and `SLACK_SHARE`: predictions err by about as
    much, and correction changes the order. `points` (designs, 1 + objectives) have the drop in points first.
    """
    front = points[non_dominated(points)]
    hopeful = points.copy()
    hopeful[:, 0] -= SLACK_POINTS + SLACK_SHARE * np.abs(points[:, 0])
    beaten = np.zeros(len(points), bool)
    for point in front:
        beaten |= (point <= hopeful).all(axis=1) & (point < hopeful).any(axis=1)
    return ~beaten


def _offspring(parents: Choices, space: SearchSpace, rng: np.random.Generator, count: int) -> Choices:
    """Return children (count, units): uniform crossover, then a few units changed at random, or one block exchanged for another."""
    mothers, fathers = (parents[rng.integers(len(parents), size=count)] for _ in range(2))
    units = parents.shape[1]
    children = np.where(rng.random((count, units)) < 0.5, mothers, fathers)
    mutate = rng.random((count, units)) < np.minimum(1.0, rng.choice([1, 2, 4], size=(count, 1)) / units)
    children = np.where(mutate, space.random(rng, count), children)
    for row in np.flatnonzero(rng.random(count) < EXCHANGE):
        old = mothers[row, rng.integers(units)]
        new = rng.choice(space.candidates[int(rng.integers(units))])
        allowed = np.array([new in candidates for candidates in space.candidates])
        children[row] = np.where((mothers[row] == old) & allowed, new, mothers[row])
    return children


def thin(points: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Return indices of at most `count` non-dominated points, spread evenly along the order of their first objective."""
    index = np.flatnonzero(non_dominated(points))
    order = index[np.argsort(points[index, 0], kind="stable")]
    if len(order) <= count:
        return order
    return np.asarray(order[np.unique(np.linspace(0, len(order) - 1, count).round().astype(int))])
