"""Pricing: where loss and cost both add up over the units, the best design for any price is each unit's own best block.

Prices find the designs on the convex hull of what is possible and none between them. With hundreds of units the hull has a design everywhere, so
that prices are tried between those of designs that lie apart in cost; with a few layers it has wide gaps, which merging the units' own fronts fills
(the multiple-choice knapsack, by dominance of partial sums).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

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
"""Costs of all units together over their scatter: where prices begin."""
SMALLEST, LARGEST, GROWTH = 1e-12, 1e9, 4.0
"""Prices go on by this factor until nothing but scatter counts and nothing but cost, and at most to these."""
APART, HALVINGS = 1 / 128, 5
"""Share of the range of costs by which two designs may lie apart, and how often prices between them are tried."""


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

    def best(among: Iterable[int], cost: NDArray[np.float64], halvings: int, every: int = 1) -> list[Choices]:
        blocks = np.array(sorted(among), np.uint8)
        return [blocks[picks] for picks in _along(scatter[:, blocks], cost[:, blocks], PRICES[::every], halvings)]

    designs = [space.exact_choices()]
    for cost in scalar:
        designs += best(range(len(space.blocks)), cost, HALVINGS)
        if len(space.units) <= MERGED_UNITS:
            designs += list(_merged(scatter, cost, space))
    if not additive:
        for subset in favorite_subsets(np.array(designs), len(space.blocks)):
            everywhere = allowed[:, list(subset)].any(axis=1).all()
            among = subset if everywhere else {space.exact, *subset}
            designs += best(among, scalar.mean(axis=0), 0, 4 if len(subset) > 1 else len(PRICES))
    rows = np.array(designs)
    return rows[distinct(rows)]


def _along(own: NDArray[np.float64], paid: NDArray[np.float64], prices: NDArray[np.float64], halvings: int) -> list[NDArray[np.intp]]:
    """Return the columns of least `own + price·paid`, both (units, columns), for ascending prices, more of them where designs lie apart."""
    units = np.arange(len(own))
    found: dict[float, tuple[NDArray[np.intp], float]] = {}

    def look(price: float) -> float:
        picks = (own + price * paid).argmin(axis=1)
        found[price] = picks, float(paid[units, picks].sum())
        return found[price][1]

    for price in prices.tolist():
        look(price)
    least = float(np.where(np.isfinite(own), paid, np.inf).min(axis=1).sum())
    most = look(0.0)
    for price, end, factor in ((float(prices[-1]), least, GROWTH), (float(prices[0]), most, 1.0 / GROWTH)):
        while SMALLEST < price < LARGEST and abs(found[price][1] - end) > 1e-9 * abs(end):
            price *= factor
            look(price)
    span = most - least
    for _ in range(halvings):
        sure = sorted(found)
        wide = [(low, high) for low, high in pairwise(sure) if low and found[low][1] - found[high][1] > APART * span]
        for low, high in wide:
            look(float(np.sqrt(low * high)))
    return [found[price][0] for price in sorted(found)]


def _merged(scatter: NDArray[np.float64], cost: NDArray[np.float64], space: SearchSpace) -> Choices:
    """Return designs of which none beats another in cost and scatter, both (units, blocks), spread evenly along the cost, (designs, units)."""
    candidates = [np.array(each, np.uint8) for each in space.candidates]
    fronts = [np.column_stack([cost[unit, blocks], scatter[unit, blocks]]) for unit, blocks in enumerate(candidates)]
    _, picks = merge_additive(fronts, limit=MERGED)
    return np.stack([blocks[pick] for blocks, pick in zip(candidates, picks.T, strict=True)], axis=1)
