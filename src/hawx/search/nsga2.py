"""NSGA-II (K. Deb et al., IEEE TEVC 6(2), 2002) through pymoo, on measurements: the field's usual search, as a baseline."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hawx.designs import SearchSpace
from hawx.errors import ToolMissingError
from hawx.search.problem import Problem

POPULATION = 20


def nsga2(problem: Problem, rng: np.random.Generator) -> None:
    """Evolve measured designs with NSGA-II (integer choices) until the budget is spent.

    Raises:
        ToolMissingError: pymoo is not installed.
    """
    try:
        from pymoo.algorithms.moo.nsga2 import NSGA2
        from pymoo.core.problem import Problem as PymooProblem
        from pymoo.operators.crossover.sbx import SBX
        from pymoo.operators.mutation.pm import PM
        from pymoo.operators.repair.rounding import RoundingRepair
    except ImportError as error:
        raise ToolMissingError("searcher 'nsga2' needs pymoo, which is not installed; run: pip install 'hawx[search]'") from error

    space = problem.space
    candidates = [np.array(c, np.uint8) for c in space.candidates]
    population = min(POPULATION, problem.budget, space.size)

    adapter = PymooProblem(n_var=len(candidates), n_obj=1 + len(problem.objectives), xl=0, xu=np.array([len(c) - 1 for c in candidates]), vtype=int)
    algorithm: Any = NSGA2(
        pop_size=population,
        sampling=first_population(space, population, rng),
        crossover=SBX(prob=0.9, eta=3.0, vtype=float, repair=RoundingRepair()),
        mutation=PM(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
        eliminate_duplicates=True,
    )
    algorithm.setup(adapter, termination=("n_gen", 10**9), seed=int(rng.integers(2**31)), verbose=False)
    target = min(problem.budget, space.size)
    stale = 0
    while len(problem.evaluated) < target and stale < 50:
        before = len(problem.evaluated)
        offspring = algorithm.ask()
        if offspring is None or not len(offspring):
            break
        rows = np.stack([c[x] for c, x in zip(candidates, offspring.get("X").astype(int).T, strict=True)], axis=1)
        problem.measure(rows)
        known = [problem.is_known(row) for row in rows]
        points = np.full((len(rows), 1 + len(problem.objectives)), 1e9)
        for i, (row, ok) in enumerate(zip(rows, known, strict=True)):
            if ok:
                found = problem.measure(row)[0]
                points[i] = problem.point(found.drop, found.ratios)
        offspring.set("F", points)
        offspring.set("G", np.zeros((len(rows), 0)))
        offspring.set("H", np.zeros((len(rows), 0)))
        for individual in offspring:
            individual.evaluated = {"F", "G", "H"}
        algorithm.tell(infills=offspring)
        stale = stale + 1 if len(problem.evaluated) == before else 0


def first_population(space: SearchSpace, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return `count` designs of every aggressiveness, the exact one first, as indices into each unit's candidates, (count, units).

    Units drawn uniformly would destroy most networks, and evolution would start where nothing tells good from bad: each design draws
    the share of its units that are approximate.
    """
    rows = np.where(rng.random((count, len(space.units))) < rng.random((count, 1)), space.random(rng, count), space.exact)
    rows[0] = space.exact
    return np.stack([np.searchsorted(c, rows[:, u]) for u, c in enumerate(space.candidates)], axis=1)
