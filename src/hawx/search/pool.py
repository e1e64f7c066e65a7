"""Pool: the designs worth looking at, found on the predictor alone: everything, or descent and evolution."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from hawx.designs.space import Choices, SearchSpace
from hawx.pareto import non_dominated
from hawx.predict.superposition import Effects
from hawx.search.descent import descend
from hawx.search.problem import Problem

ENUMERATE = 100_000
"""Spaces up to this size are enumerated on the predictor: nothing can be missed."""
POPULATION = 400
GENERATIONS = 12


def unit_costs(problem: Problem) -> NDArray[np.float64]:
    """Return the additive part of each objective, (objectives, units, blocks), relative to the all-exact design's total.

    Each entry is the change of the objective when the unit's whole layer takes the block, shared evenly over its filters, so that
    lanes shared by several filters count as fractions. Exact for additive laws; a guide where lanes are rounded up.
    """
    space = problem.space
    counts = np.array(space.filters)
    blocks = len(space.blocks)
    designs = np.zeros((len(counts), blocks, len(counts), blocks), np.int64)
    designs[:, :, np.arange(len(counts)), space.exact] = counts
    for layer in range(len(counts)):
        designs[layer, :, layer, :] = np.eye(blocks, dtype=np.int64) * counts[layer]
    flat = designs.reshape(-1, len(counts), blocks)
    figures = problem.accelerator.evaluate(problem.layers, flat, problem.costs, exact=space.exact, energies=problem.energies)
    result = []
    for name in problem.objectives:
        values = getattr(figures, name).reshape(len(counts), blocks)
        exact = values[0, space.exact]
        result.append(space.unit_filters / counts @ ((values - exact) / exact))
    return np.array(result)


def prune(effects: Effects, costs: NDArray[np.float64], space: SearchSpace) -> SearchSpace:
    """Return the space without, per unit, the blocks that another block beats in every cost and in the loss of mean margin.

    The loss compared is the mean fall of the smallest margin over the scoring images, and its scatter: a block stays when it is
    better than each other one in something.
    """
    kept = []
    for unit, candidates in enumerate(space.candidates):
        index = np.array(candidates)
        delta = effects.delta[unit, index]
        harm = -delta.min(axis=1).mean(axis=-1)
        scatter = delta.min(axis=1).std(axis=-1)
        points = np.column_stack([harm + scatter, costs[:, unit, index].T])
        kept.append(index[non_dominated(points)].tolist())
    return space.restricted(kept)


def enumerate_all(space: SearchSpace) -> Choices:
    """Return every design of the space, (designs, units). For spaces of at most `ENUMERATE` designs."""
    return np.array(list(product(*space.candidates)), np.uint8)


def build_pool(problem: Problem, effects: Effects, rng: np.random.Generator) -> tuple[Choices, NDArray[np.float64]]:
    """Return the pool (designs, units) and its raw predicted drops (designs,) in points."""
    if problem.space.size <= ENUMERATE:
        pool = enumerate_all(problem.space)
        return pool, effects.drops(pool)
    costs = unit_costs(problem)
    space = prune(effects, costs, problem.space)
    if space.size <= ENUMERATE:
        pool = enumerate_all(space)
        return pool, effects.drops(pool)
    pool = _descent_paths(effects, costs, space, rng)
    return _evolve(problem, effects, space, pool, rng)


def _descent_paths(effects: Effects, costs: NDArray[np.float64], space: SearchSpace, rng: np.random.Generator) -> Choices:
    """Return the designs of descents that weigh the objectives alone and together, up the cost weights."""
    mixes = np.eye(len(costs))
    if len(costs) > 1:
        mixes = np.vstack([mixes, np.full(len(costs), 1 / len(costs))])
    weights = np.geomspace(1e-3, 3.0, 28)
    paths = [descend(effects, np.tensordot(mix, costs, 1), space.candidates, weights, space.exact_choices(), rng) for mix in mixes]
    return np.unique(np.concatenate([space.exact_choices()[None], *paths]), axis=0)


def _evolve(problem: Problem, effects: Effects, space: SearchSpace, pool: Choices, rng: np.random.Generator) -> tuple[Choices, NDArray[np.float64]]:
    """Return the pool after crossover and mutation of its predicted front, all on the predictor."""
    drops = effects.drops(pool)
    points = np.column_stack([drops, problem.ratios(pool)])
    for _ in range(GENERATIONS):
        parents = pool[thin(points, POPULATION // 4)]
        children = _offspring(parents, space, rng, POPULATION)
        child_drops = effects.drops(children)
        pool = np.concatenate([pool, children])
        drops = np.concatenate([drops, child_drops])
        points = np.concatenate([points, np.column_stack([child_drops, problem.ratios(children)])])
        pool, first = np.unique(pool, axis=0, return_index=True)
        drops, points = drops[first], points[first]
        keep = non_dominated(points)
        pool, drops, points = pool[keep], drops[keep], points[keep]
    return pool, drops


def _offspring(parents: Choices, space: SearchSpace, rng: np.random.Generator, count: int) -> Choices:
    """Return children (count, units): uniform crossover of two parents, then a few units changed at random."""
    mothers, fathers = (parents[rng.integers(len(parents), size=count)] for _ in range(2))
    units = parents.shape[1]
    children = np.where(rng.random((count, units)) < 0.5, mothers, fathers)
    mutate = rng.random((count, units)) < np.minimum(1.0, rng.choice([1, 2, 4], size=(count, 1)) / units)
    return np.where(mutate, space.random(rng, count), children)


def thin(points: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Return indices of at most `count` non-dominated points, spread evenly along the order of their first objective."""
    index = np.flatnonzero(non_dominated(points))
    order = index[np.argsort(points[index, 0], kind="stable")]
    if len(order) <= count:
        return order
    return order[np.unique(np.linspace(0, len(order) - 1, count).round().astype(int))]
