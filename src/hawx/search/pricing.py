"""Pricing: where loss and cost both add up over the units, the best design for any price is each unit's own best block.

Prices find the designs on the convex hull of what is possible and none between them. With hundreds of units the hull has a design everywhere; with
a few layers it has wide gaps, which merging the units' own fronts fills (the multiple-choice knapsack, by dominance of partial sums).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from hawx.designs.space import Choices, SearchSpace
from hawx.pareto import merge_additive
from hawx.predict import Spread
from hawx.search.costs import favorite_subsets, mixes, scalar_costs
from hawx.search.problem import distinct

MERGED_UNITS, MERGED = 64, 160
"""Units up to which their fronts are merged, and partial sums that are kept meanwhile."""
PRICES = np.geomspace(1e-5, 30.0, 60)
"""Costs of all units together over their scatter, from next to nothing to all that counts."""


def best_for_prices(spread: Spread, costs: NDArray[np.float64], space: SearchSpace, *, additive: bool) -> Choices:
    """Return the designs of least scatter plus cost for many prices and mixes of the objectives, and between them those that no other beats in both,
    (designs, units).

    Both add up over the units, so each takes its own best block. Where the law of an objective is not additive, designs confined to a few blocks
    follow: those that the free ones used most.
    """
    whole = mixes(len(costs))
    between = 0.5 * (whole[:-1] + whole[-1])
    scalar = scalar_costs(costs, np.unique(np.vstack([whole, between]), axis=0))
    allowed = np.zeros(spread.variance.shape, bool)
    for unit, candidates in enumerate(space.candidates):
        allowed[unit, list(candidates)] = True
    scatter = np.where(allowed, spread.variance / max(float(spread.variance[allowed].mean()) * len(allowed), 1e-30), np.inf)

    def best(among: Iterable[int], cost: NDArray[np.float64], prices: NDArray[np.float64]) -> list[Choices]:
        blocks = np.array(sorted(among), np.uint8)
        own, paid = scatter[:, blocks], cost[:, blocks]
        return [blocks[(own + price * paid).argmin(axis=1)] for price in prices]

    designs = [space.exact_choices()]
    for cost in scalar:
        designs += best(range(len(space.blocks)), cost, PRICES)
        if len(space.units) <= MERGED_UNITS:
            designs += list(_merged(scatter, cost, space))
    if not additive:
        for subset in favorite_subsets(np.array(designs), len(space.blocks)):
            everywhere = allowed[:, list(subset)].any(axis=1).all()
            designs += best(subset if everywhere else {space.exact, *subset}, scalar.mean(axis=0), PRICES[:: 4 if len(subset) > 1 else 60])
    rows = np.array(designs)
    return rows[distinct(rows)]


def _merged(scatter: NDArray[np.float64], cost: NDArray[np.float64], space: SearchSpace) -> Choices:
    """Return designs of which none beats another in cost and scatter, both (units, blocks), spread evenly along the cost, (designs, units)."""
    candidates = [np.array(each, np.uint8) for each in space.candidates]
    fronts = [np.column_stack([cost[unit, blocks], scatter[unit, blocks]]) for unit, blocks in enumerate(candidates)]
    _, picks = merge_additive(fronts, limit=MERGED)
    return np.stack([blocks[pick] for blocks, pick in zip(candidates, picks.T, strict=True)], axis=1)
