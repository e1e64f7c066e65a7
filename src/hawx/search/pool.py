"""Pool: the designs worth looking at, found on the predictor alone. One rule, `build_pool`, chooses the strategy that finds them."""

from __future__ import annotations

import numpy as np

from hawx.designs.space import Choices
from hawx.predict import Predictor, Spread
from hawx.search.costs import is_additive, shared_costs, unit_costs
from hawx.search.descent import descent_paths, merged_layers
from hawx.search.enumerate import ENUMERATE, enumerate_all, prune
from hawx.search.evolve import evolve
from hawx.search.pricing import best_for_prices
from hawx.search.problem import Problem, distinct


def build_pool(problem: Problem, predictor: Predictor, rng: np.random.Generator) -> Choices:
    """Return the pool, (designs, units). The first that applies:

    1. a space of at most `ENUMERATE` designs: all of them;
    2. ranked by spread: the best design for every price; if costs do not add, evolved from there;
    3. at most `ENUMERATE` designs once beaten blocks are pruned: all of those;
    4. descents on the composed margins and merged fronts of layers, evolved from there.
    """
    space, ranking = problem.space, predictor.ranking
    if space.size <= ENUMERATE:
        return enumerate_all(space)
    costs = unit_costs(problem)
    additive = is_additive(problem, costs, rng)
    if not additive:
        costs = shared_costs(problem)
    if isinstance(ranking, Spread):
        priced = best_for_prices(ranking, costs, space, additive=additive)
        return priced if additive else evolve(problem, predictor, space, priced, rng)
    pruned = prune(ranking, costs, space)
    if pruned.size <= ENUMERATE:
        return enumerate_all(pruned)
    started = np.concatenate([descent_paths(ranking, costs, pruned, rng, additive=additive), merged_layers(ranking, costs, space)])
    return evolve(problem, predictor, pruned, started[distinct(started)], rng)
