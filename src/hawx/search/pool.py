"""Pool: the designs worth looking at, found on the predictor alone: everything, the best for every price, or descent and evolution."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from hawx.designs.space import Choices, SearchSpace
from hawx.pareto import merge_additive, non_dominated
from hawx.predict import Effects, Predictor, Spread
from hawx.search.descent import descend, soft_error, temperature_of
from hawx.search.problem import Problem

ENUMERATE = 50_000
"""Spaces up to this size are enumerated on the predictor: nothing can be missed."""
FAVORITES = 5
"""Blocks from which small sets are formed where few distinct blocks pay."""
MERGED = 64
"""Partial sums kept while the layers' own fronts are merged."""
SLACK_POINTS, SLACK_SHARE = 0.3, 0.3
"""How far behind the predicted front a design stays in the pool: points, and share of its own predicted drop."""
POOL_LIMIT = 2000
"""Designs near the predicted front that evolution keeps."""
POPULATION = 400
GENERATIONS = 12
PRICES = np.geomspace(1e-5, 30.0, 60)
"""Costs of all units together over their scatter, from next to nothing to all that counts."""
EXCHANGE = 0.2
"""Share of children that exchange one block for another wherever it is used."""


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


def merged_layers(effects: Effects, costs: NDArray[np.float64], space: SearchSpace) -> Choices:
    """Return designs with one block in every layer, (designs, units): the best as far as the losses of layers add, like their costs."""
    shares = effects.shares.astype(np.float32)
    temperature = temperature_of(effects)
    fronts, fillings = [], []
    for layer in np.unique(effects.groups):
        units = np.flatnonzero(effects.groups == layer)
        blocks = np.array(sorted(set.intersection(*(set(space.candidates[unit]) for unit in units))))
        shift = np.stack([effects.delta[units, block].sum(axis=0) for block in blocks])
        fronts.append(np.column_stack([soft_error(effects.base + shift, temperature, shares), costs[:, units][:, :, blocks].sum(axis=1).T]))
        fillings.append(np.repeat(blocks[:, None], len(units), axis=1))
    _, picks = merge_additive(fronts, limit=MERGED)
    return np.concatenate([filling[pick] for filling, pick in zip(fillings, picks.T, strict=True)], axis=1).astype(np.uint8)


def enumerate_all(space: SearchSpace) -> Choices:
    """Return every design of the space, (designs, units). For spaces of at most `ENUMERATE` designs."""
    return np.array(list(product(*space.candidates)), np.uint8)


def build_pool(problem: Problem, predictor: Predictor, rng: np.random.Generator) -> Choices:
    """Return the pool, (designs, units)."""
    effects = predictor.effects
    if problem.space.size <= ENUMERATE:
        return enumerate_all(problem.space)
    costs = unit_costs(problem)
    additive = is_additive(problem, costs, rng)
    if not additive:
        costs = shared_costs(problem)
    if predictor.spread is not None:
        pool = _best_for_prices(predictor.spread, costs, problem.space, additive=additive)
        return pool if additive else _evolve(problem, predictor, problem.space, pool, rng)
    space = prune(effects, costs, problem.space)
    if space.size <= ENUMERATE:
        return enumerate_all(space)
    pool = np.concatenate([_descent_paths(effects, costs, space, rng, additive=additive), merged_layers(effects, costs, problem.space)])
    return _evolve(problem, predictor, space, pool[_distinct(pool)], rng)


def _mixes(objectives: int) -> NDArray[np.float64]:
    """Return weights of the objectives, (mixes, objectives): each alone, and all of them together."""
    alone = np.eye(objectives)
    return alone if objectives == 1 else np.vstack([alone, np.full(objectives, 1 / objectives)])


def _scalar_costs(costs: NDArray[np.float64], mixes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weighted sums of the objectives, (mixes, units, blocks): a weight means the same whatever share of the total the multipliers are."""
    ranges = np.ptp(costs, axis=2).sum(axis=1)
    return np.tensordot(mixes, costs / np.maximum(ranges, 1e-12)[:, None, None], 1)


def _best_for_prices(spread: Spread, costs: NDArray[np.float64], space: SearchSpace, *, additive: bool) -> Choices:
    """Return the designs of least scatter plus cost for many prices and mixes of the objectives, (designs, units).

    Both add up over the units, so each takes its own best block. Where the law of an objective is not additive, designs confined to a few blocks
    follow: those that the free ones used most.
    """
    mixes = _mixes(len(costs))
    between = 0.5 * (mixes[:-1] + mixes[-1])
    scalar = _scalar_costs(costs, np.unique(np.vstack([mixes, between]), axis=0))
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
        for subset in _favorite_subsets(np.array(designs), len(space.blocks)):
            everywhere = allowed[:, list(subset)].any(axis=1).all()
            designs += best(subset if everywhere else {space.exact, *subset}, scalar.mean(axis=0), PRICES[:: 4 if len(subset) > 1 else 60])
    rows = np.array(designs)
    return rows[_distinct(rows)]


def _favorite_subsets(designs: Choices, blocks: int) -> list[tuple[int, ...]]:
    """Return sets of one to three of the blocks that `designs` (designs, units) use most."""
    used = np.bincount(designs.ravel(), minlength=blocks)
    favorites = [int(b) for b in np.argsort(-used, kind="stable")[:FAVORITES] if used[b]]
    return [subset for size in range(1, 4) for subset in combinations(favorites, size)]


def _descent_paths(effects: Effects, costs: NDArray[np.float64], space: SearchSpace, rng: np.random.Generator, *, additive: bool) -> Choices:
    """Return the designs of descents that weigh the objectives alone and together, up the cost weights.

    Where the law of an objective is not additive (an array that must hold every block it uses, lanes that cannot be shared),
    descents confined to a few blocks follow: those that the free ones used most.
    """
    scalar = _scalar_costs(costs, _mixes(len(costs)))
    weights = np.geomspace(1e-3, 3.0, 28)
    paths = [space.exact_choices()[None]]
    paths += [descend(effects, cost, space.candidates, weights, space.exact_choices(), rng) for cost in scalar]
    if not additive:
        for subset in _favorite_subsets(np.concatenate(paths), len(space.blocks)):
            start = np.full(len(space.units), max(subset, key=lambda b: float(scalar[-1][:, b].sum())), np.uint8)
            paths.append(descend(effects, scalar[-1], [subset] * len(space.units), weights[:: 3 if len(subset) > 1 else 28], start, rng))
    return np.concatenate(paths)


def is_additive(problem: Problem, costs: NDArray[np.float64], rng: np.random.Generator) -> bool:
    """Return whether unit costs add up to the accelerator's law within 2 % on random designs of the space."""
    rows = problem.space.random(rng, 32)
    added = 1 + costs[:, np.arange(rows.shape[1]), rows.astype(np.int64)].sum(axis=-1).T
    return bool(np.allclose(problem.ratios(rows), added, rtol=0.02))


def _evolve(problem: Problem, predictor: Predictor, space: SearchSpace, pool: Choices, rng: np.random.Generator) -> Choices:
    """Return the pool after crossover and mutation of its predicted front, all on the predictor."""
    points = np.column_stack([predictor.drops(pool), problem.ratios(pool)])
    for _ in range(GENERATIONS):
        parents = pool[thin(points, POPULATION // 4)]
        children = _offspring(parents, space, rng, POPULATION)
        merged = np.concatenate([pool, children])
        points = np.concatenate([points, np.column_stack([predictor.drops(children), problem.ratios(children)])])
        first = _distinct(merged)
        keep = first[_kept(points[first], rng)]
        pool, points = merged[keep], points[keep]
    return pool


def _distinct(rows: Choices) -> NDArray[np.intp]:
    """Return indices of the first of each of `rows` (designs, units), ascending. (numpy.unique sorts whole rows: seconds where they are long.)"""
    first: dict[bytes, int] = {}
    for i, row in enumerate(rows):
        first.setdefault(row.tobytes(), i)
    return np.fromiter(first.values(), np.intp)


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
    much, and calibration changes the order. `points` (designs, 1 + objectives) have the drop in points first.
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
