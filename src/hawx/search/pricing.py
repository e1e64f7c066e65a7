"""Pricing: where loss and cost both add up over the units, the best design for any price is each unit's own best block."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from hawx.designs.space import Choices, SearchSpace
from hawx.predict import Spread
from hawx.search.costs import favorite_subsets, mixes, scalar_costs
from hawx.search.problem import distinct

PRICES = np.geomspace(1e-5, 30.0, 60)
"""Costs of all units together over their scatter, from next to nothing to all that counts."""


def best_for_prices(spread: Spread, costs: NDArray[np.float64], space: SearchSpace, *, additive: bool) -> Choices:
    """Return the designs of least scatter plus cost for many prices and mixes of the objectives, (designs, units).

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
    if not additive:
        for subset in favorite_subsets(np.array(designs), len(space.blocks)):
            everywhere = allowed[:, list(subset)].any(axis=1).all()
            designs += best(subset if everywhere else {space.exact, *subset}, scalar.mean(axis=0), PRICES[:: 4 if len(subset) > 1 else 60])
    rows = np.array(designs)
    return rows[distinct(rows)]
