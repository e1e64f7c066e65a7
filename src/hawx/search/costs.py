"""Costs of units: what each objective changes when a unit takes a block, so that searches may add instead of asking the accelerator's law."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from hawx.designs.space import Choices
from hawx.search.problem import Problem

FAVORITES = 5
"""Blocks from which small sets are formed where few distinct blocks pay."""


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


def shared_costs(problem: Problem) -> NDArray[np.float64]:
    """Return unit costs for laws that are not additive: what each block costs everywhere, shared by the units' products.

    Same shape as `unit_costs`. Mixing costs more than these say; designs found with them are costed by the law itself.
    """
    space = problem.space
    everywhere = np.repeat(np.arange(len(space.blocks), dtype=np.uint8)[:, None], len(space.units), axis=1)
    change = problem.ratios(everywhere) - 1.0
    macs = space.unit_filters @ np.array([layer.macs_per_filter for layer in problem.layers], np.float64)
    return np.asarray(change.T[:, None, :] * (macs / macs.sum())[:, None])


def is_additive(problem: Problem, costs: NDArray[np.float64], rng: np.random.Generator) -> bool:
    """Return whether unit costs add up to the accelerator's law within 2 % on random designs of the space."""
    rows = problem.space.random(rng, 32)
    added = 1 + costs[:, np.arange(rows.shape[1]), rows.astype(np.int64)].sum(axis=-1).T
    return bool(np.allclose(problem.ratios(rows), added, rtol=0.02))


def mixes(objectives: int) -> NDArray[np.float64]:
    """Return weights of the objectives, (mixes, objectives): each alone, and all of them together."""
    alone = np.eye(objectives)
    return alone if objectives == 1 else np.vstack([alone, np.full(objectives, 1 / objectives)])


def scalar_costs(costs: NDArray[np.float64], mixes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weighted sums of the objectives, (mixes, units, blocks): a weight means the same whatever share of the total the multipliers are."""
    ranges = np.ptp(costs, axis=2).sum(axis=1)
    return np.tensordot(mixes, costs / np.maximum(ranges, 1e-12)[:, None, None], 1)


def favorite_subsets(designs: Choices, blocks: int) -> list[tuple[int, ...]]:
    """Return sets of one to three of the blocks that `designs` (designs, units) use most."""
    used = np.bincount(designs.ravel(), minlength=blocks)
    favorites = [int(b) for b in np.argsort(-used, kind="stable")[:FAVORITES] if used[b]]
    return [subset for size in range(1, 4) for subset in combinations(favorites, size)]
