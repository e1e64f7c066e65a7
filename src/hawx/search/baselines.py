"""Baselines under the same budget and evaluator: exhaustive, random, uniform, greedy."""

from __future__ import annotations

from itertools import islice, product

import numpy as np

from hawx.errors import InputError
from hawx.search.costs import unit_costs
from hawx.search.problem import Problem

CHUNK = 16


def exhaustive(problem: Problem, rng: np.random.Generator) -> None:
    """Measure every design of the space, neighbors in order, so that they share the longest exact prefixes.

    Raises:
        InputError: the space is larger than the budget.
    """
    del rng
    if problem.space.size > problem.budget:
        raise InputError(
            f"the space has {problem.space.size:.4g} designs, more than the budget of {problem.budget} evaluations; expected a smaller space. "
            "Name fewer --blocks, a coarser --granularity, a larger --budget, or use --searcher hawx."
        )
    designs = product(*problem.space.candidates)
    while chunk := list(islice(designs, CHUNK)):
        problem.measure(np.array(chunk, np.uint8))


def random(problem: Problem, rng: np.random.Generator) -> None:
    """Measure uniformly random designs until the budget or the space is spent."""
    target = min(problem.budget, problem.space.size)
    while len(problem.evaluated) < target:
        problem.measure(problem.space.random(rng, min(CHUNK, target - len(problem.evaluated))))


def uniform(problem: Problem, rng: np.random.Generator) -> None:
    """Measure each block wherever it may be, as most published work does."""
    del rng
    space = problem.space
    everywhere = [[block if block in candidates else space.exact for candidates in space.candidates] for block in range(len(space.blocks))]
    problem.measure(np.array(everywhere, np.uint8))


def greedy(problem: Problem, rng: np.random.Generator) -> None:
    """From the all-exact design, change one unit at a time to the block that saves most per point lost, measuring every trial.

    Each step measures, for every unit, its next cheaper block, and keeps the best trade; it goes on until nothing cheaper is left.
    """
    del rng
    space = problem.space
    cost = unit_costs(problem).mean(axis=0)
    ladders = [sorted(c, key=lambda b, u=u: -cost[u, b]) for u, c in enumerate(space.candidates)]  # type: ignore[misc]
    current = space.exact_choices()
    if not problem.measure(current):
        return
    position = [ladder.index(space.exact) for ladder in ladders]
    drop = problem.measure(current)[0].drop
    while problem.remaining > 0:
        moves = [u for u in range(len(space.units)) if position[u] + 1 < len(ladders[u])]
        if not moves:
            return
        trials = np.repeat(current[None], len(moves), axis=0)
        for row, u in enumerate(moves):
            trials[row, u] = ladders[u][position[u] + 1]
        measured = {e.choices.tobytes(): e for e in problem.measure(trials)}
        best: tuple[float, int] | None = None
        for row, u in enumerate(moves):
            found = measured.get(trials[row].tobytes())
            if found is None:
                continue
            saved = cost[u, current[u]] - cost[u, trials[row, u]]
            price = max(found.drop - drop, 0.0) / max(saved, 1e-12)
            if best is None or price < best[0]:
                best = (price, row)
        if best is None:
            return
        u = moves[best[1]]
        current = trials[best[1]]
        position[u] += 1
        drop = measured[current.tobytes()].drop
