"""Spread against its formula, and fronts chosen by it on images nobody has seen."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from hawx.accelerators import Systolic
from hawx.pareto import hypervolume
from hawx.predict import Effects, Predictor, Spread, ranking_of
from hawx.search import search
from hawx.search.costs import unit_costs
from hawx.search.evolve import thin
from hawx.search.pool import build_pool
from hawx.search.pricing import best_for_prices
from hawx.testing.world import World
from hawx.units import Granularity


def scattered(filters: int = 50, images: int = 100, unseen: int = 4000) -> tuple[World, Effects]:
    """Return a world of 6 layers whose units scatter margins unevenly, known on `images`, and its effects on images that nobody has seen."""
    world = World(6, granularity=Granularity.FILTER, filters=filters, images=images)
    rng = np.random.default_rng(3)
    units = len(world.space.units)
    scale = rng.lognormal(0, 1, (units, 1)) * np.array([0.0, 0.4, 1.0, 1.5]) * 2 / units**0.5
    base = rng.gamma(2.0, 1.0, (2, images + unseen)).astype(np.float32)
    delta = (rng.standard_normal((units, 4, 2, images + unseen)) * scale[..., None, None]).astype(np.float32)

    def part(some: slice) -> Effects:
        return replace(world.effects, base=base[:, some].copy(), delta=delta[..., some].copy(), weights=np.ones(base[:, some].shape[1]))

    world.effects = part(slice(images))
    return world, part(slice(images, None))


def test_the_expected_loss_is_the_normal_law_of_added_variances() -> None:
    world, _ = scattered(filters=2, images=60)
    effects = replace(world.effects, weights=np.random.default_rng(0).uniform(0.5, 2.0, 60))
    choices = world.space.random(np.random.default_rng(1), 5)
    shares = effects.weights / effects.weights.sum()
    expected = []
    for row in choices:
        total = 0.0
        margin = effects.base.min(axis=0).astype(float)
        for unit, block in enumerate(row):
            shift = np.take_along_axis(effects.delta[unit, block], effects.base.argmin(axis=0)[None], axis=0)[0].astype(float)
            gain = (shares * shift * margin).sum() / (shares * margin**2).sum()
            total += (shares * (shift - gain * margin) ** 2).sum()
        expected.append(100 * ((shares * (margin > 0)).sum() - (shares * norm.cdf(margin / total**0.5)).sum()))
    np.testing.assert_allclose(Spread.of(effects).drops(choices), expected, rtol=1e-6, atol=1e-9)


def test_the_exact_design_loses_nothing_and_a_pure_gain_costs_nothing() -> None:
    world, _ = scattered(filters=2)
    gains = world.effects.base * np.float32(-0.3)
    delta = world.effects.delta.copy()
    delta[0, 1] = gains
    spread = Spread.of(replace(world.effects, delta=delta))
    only = world.space.exact_choices()
    assert spread.drops(only)[0] == 0
    only[0] = 1
    assert spread.drops(only)[0] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("held", [1, 500, 1 << 20])
def test_the_loss_of_a_design_is_the_same_whatever_else_is_asked(held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hawx.predict.spread.CHUNK_VALUES", held)
    spread = Spread(margins=np.array([1.0, 2.0]), shares=np.array([0.25, 0.75]), variance=np.array([[0.0, 1.0, 4.0]]))
    half, one, two = 0.6914624612740131, 0.8413447460685429, 0.9772498680518208  # the normal law at 1/2, 1 and 2
    rows = np.tile([[1], [2], [0]], (300, 1)).astype(np.uint8)
    np.testing.assert_allclose(spread.drops(rows), np.tile([100 - 25 * one - 75 * two, 100 - 25 * half - 75 * one, 0.0], 300), rtol=1e-12)


def test_a_margin_of_0_is_a_wrong_answer_that_scatter_may_turn_right() -> None:
    spread = Spread(margins=np.array([0.0, 3.0]), shares=np.array([0.5, 0.5]), variance=np.array([[0.0]]))
    assert spread.drops(np.zeros((1, 1), np.uint8)).tolist() == [-25.0]


def test_spread_ranks_where_there_are_more_choices_than_images() -> None:
    world = World(3, granularity=Granularity.FILTER, filters=4, images=95)  # 12 units of 4 blocks: 24 bits
    assert isinstance(ranking_of(world.effects, world.space), Spread)
    assert ranking_of(world.effects, world.space.restricted([[0, 1]] * 12)) is world.effects
    enough = World(3, granularity=Granularity.FILTER, filters=4, images=96)
    assert ranking_of(enough.effects, enough.space) is enough.effects


def test_no_unit_of_a_pool_has_a_block_that_is_cheaper_and_scatters_less() -> None:
    world, _ = scattered(filters=8)
    spread = Spread.of(world.effects)
    problem = world.problem(5)
    costs = unit_costs(problem)
    pool = build_pool(problem, Predictor(world.effects, 100, spread), np.random.default_rng(0))
    assert len(pool) > 50
    for row in pool:
        for unit, block in enumerate(row):
            points = np.column_stack([spread.variance[unit], costs[:, unit].T])
            better = (points <= points[block]).all(axis=1) & (points < points[block] - 1e-12).any(axis=1)
            assert not better.any()


def test_a_front_chosen_by_spread_holds_on_images_that_nobody_has_seen() -> None:
    world, unseen = scattered()
    problem = world.problem(5)
    volumes, flattery = [], []
    for spread in (None, Spread.of(world.effects)):
        predictor = Predictor(world.effects, 100, spread)
        pool = build_pool(problem, predictor, np.random.default_rng(0))
        seen, ratios = predictor.drops(pool), problem.ratios(pool)
        front = thin(np.column_stack([seen, ratios]), 20)
        true = unseen.drops(pool[front])
        volumes.append(hypervolume(np.column_stack([np.maximum(true, 0) / 10, ratios[front] / problem.corner]), np.ones(3)))
        flattery.append((true - seen[front]).mean())
    assert volumes[1] > 1.3 * volumes[0]
    assert abs(flattery[1]) < 0.3 * flattery[0]


def test_an_array_that_holds_every_block_is_given_few_by_spread_too() -> None:
    world, _ = scattered(filters=16)
    problem = world.problem(16, accelerator=Systolic(rows=8, columns=8))
    problem.measure(world.space.exact_choices())
    search("hawx", problem, np.random.default_rng(0), Predictor(world.effects, 100, ranking_of(world.effects, world.space)))
    assert min(len(set(e.choices.tolist())) for e in problem.front()) == 1
    assert max(len(set(e.choices.tolist())) for e in problem.front()) > 1


def test_prices_reach_the_cheapest_design_and_leave_no_wide_gaps() -> None:
    world, _ = scattered(filters=40)
    space, rng = world.space, np.random.default_rng(5)
    units = len(space.units)
    scatter = rng.lognormal(0, 3, (units, 1)) * np.array([0.0, 1.0, 30.0, 1e5])  # the last block is so bad that prices must rise to it
    costs = rng.uniform(0.5, 1.5, (units, 1)) * np.array([1.0, 0.7, 0.4, 0.1]) / units
    spread = Spread(margins=np.ones(1), shares=np.ones(1), variance=scatter)
    pool = best_for_prices(spread, costs[None], space, additive=True)
    at = np.arange(units)
    paid, lost = (np.array([values[at, row].sum() for row in pool]) for values in (costs, scatter))
    assert paid.min() == pytest.approx(costs[:, 3].sum())
    assert paid.max() == pytest.approx(costs[:, 0].sum())
    order = np.argsort(paid)
    assert np.diff(paid[order]).max() < 0.03 * np.ptp(paid)
    slopes = np.diff(lost[order]) / np.diff(paid[order])
    assert (np.diff(slopes) >= -1e-9 * np.abs(slopes[1:])).all()  # a hull: each is the best for some price
