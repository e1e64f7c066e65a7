"""Searchers on a world whose truth is known."""

from itertools import product

import numpy as np
import pytest

from hawx.accelerators import Systolic
from hawx.errors import InputError, UnknownNameError
from hawx.pareto import hypervolume, non_dominated
from hawx.predict import Predictor
from hawx.search import SEARCHERS, search
from hawx.search.acquisition import OpenSpace, exclusive_volume
from hawx.search.costs import is_additive, unit_costs
from hawx.search.descent import descend, merged_layers, soft_error, temperature_of
from hawx.search.enumerate import prune
from hawx.search.evolve import near_front
from hawx.search.nsga2 import first_population
from hawx.search.pool import build_pool
from hawx.testing.world import World
from hawx.units import Granularity


def run(world: World, name: str, budget: int, seed: int = 1):
    problem = world.problem(budget)
    problem.measure(world.space.exact_choices())
    search(name, problem, np.random.default_rng(seed), Predictor(world.effects, world.effects.images))
    return problem


@pytest.mark.parametrize("name", SEARCHERS)
def test_no_searcher_exceeds_its_budget_or_measures_twice(name: str) -> None:
    world = World(3)
    problem = run(world, name, 64)
    assert world.measured == len(problem.evaluated) <= 64
    assert len({e.choices.tobytes() for e in problem.evaluated}) == len(problem.evaluated)


@pytest.mark.parametrize("name", SEARCHERS)
def test_the_same_seed_gives_the_same_designs(name: str) -> None:
    runs = [[e.choices.tolist() for e in run(World(3), name, 64, seed=5).evaluated] for _ in range(2)]
    assert runs[0] == runs[1]


def test_exhaustive_measures_every_design_once() -> None:
    world = World(3)
    assert len(run(world, "exhaustive", 64).evaluated) == world.space.size == 64


def test_exhaustive_refuses_a_space_beyond_the_budget() -> None:
    with pytest.raises(InputError, match=r"^the space has 64 designs, more than the budget of 63 evaluations; expected a smaller space\. Name fewer"):
        run(World(3), "exhaustive", 63)


def test_hawx_finds_the_exhaustive_front_with_few_evaluations() -> None:
    world = World(4)
    truth = run(world, "exhaustive", 256).hypervolume()
    guided = run(World(4), "hawx", 40)
    assert guided.hypervolume() >= 0.98 * truth
    assert guided.hypervolume() > run(World(4), "random", len(guided.evaluated)).hypervolume()


def test_hawx_beats_nsga2_in_a_space_too_large_to_enumerate() -> None:
    guided = run(World(12, granularity=Granularity.FILTER), "hawx", 30)
    evolved = run(World(12, granularity=Granularity.FILTER), "nsga2", 120)
    assert guided.space.log10_size > 25
    assert guided.hypervolume() > evolved.hypervolume()


def test_probes_find_designs_that_a_wrong_prediction_hides() -> None:
    """The predictor composes by the wrong law; probes run the true one on a quarter of the images, and every measured design was probed."""
    volumes = []
    for probing in (False, True):
        world = World(5, images=400, seed=4)
        problem = world.problem(14)
        seen: set[bytes] = set()

        def probe(assignments, images, world=world, seen=seen):
            seen.update(a.id for a in assignments)
            return np.array([world.right(a)[some] for a, some in zip(assignments, images, strict=True)])

        problem.probe = probe if probing else None
        problem.measure(world.space.exact_choices())
        search("hawx", problem, np.random.default_rng(0), Predictor(world.effects.with_attenuation(0.9), 400))
        volumes.append(problem.hypervolume())
        assert not probing or {e.design.assignment.id for e in problem.evaluated[1:]} <= seen
    assert volumes[1] > volumes[0]


def test_nsga2_starts_from_designs_of_every_aggressiveness() -> None:
    space = World(12, granularity=Granularity.FILTER).space.restricted([[0, 2, 3]] * 48)
    population = first_population(space, 20, np.random.default_rng(0))
    shares = (population > 0).mean(axis=1)
    assert shares[0] == 0
    assert shares.min() < 0.1 < 0.5 < shares.max()
    assert set(np.unique(population)) == {0, 1, 2}


def test_pruning_drops_only_what_is_beaten_in_everything() -> None:
    world = World(3)
    problem = world.problem(10)
    kept = prune(world.effects, unit_costs(problem), world.space)
    assert all(0 in c and 2 in c for c in kept.candidates)
    assert all(3 not in c for c in kept.candidates)  # dearer than `good` and worse


def test_unit_costs_add_up_to_the_law_when_every_unit_takes_one_block() -> None:
    world = World(3, granularity=Granularity.FILTER)
    problem = world.problem(10)
    costs = unit_costs(problem)
    for block in range(4):
        everywhere = np.full(len(world.space.units), block, np.uint8)
        np.testing.assert_allclose(problem.ratios(everywhere[None])[0], 1 + costs[:, :, block].sum(axis=1), rtol=1e-9)


def test_merged_layers_are_the_front_of_all_designs_with_one_block_per_layer_as_losses_add() -> None:
    world = World(4, granularity=Granularity.FILTER)
    effects, costs = world.effects, unit_costs(world.problem(1))
    every = np.array(list(product(range(4), repeat=4)), np.uint8)
    designs = np.repeat(every, 4, axis=1)
    shares = np.full(effects.images, 1 / effects.images, np.float32)

    def loss(choices: np.ndarray) -> np.ndarray:
        return soft_error(effects.margins(choices), temperature_of(effects), shares).astype(float)

    own = np.zeros(len(designs))
    for layer in range(4):
        own += loss(np.where(np.arange(16) // 4 == layer, designs, 0).astype(np.uint8))
    added = costs[:, np.arange(16), designs.astype(int)].sum(axis=-1).T
    points = np.column_stack([own, added])
    found = {row.tobytes() for row in merged_layers(effects, costs, world.space)}
    best = {row.tobytes() for row in designs[non_dominated(points.round(9))]}
    assert 10 < len(best) < len(designs)
    assert best <= found
    for point in points[[row.tobytes() in found for row in designs]]:  # nothing else but ties, which rounding breaks
        assert not (points < point - 1e-6).all(axis=1).any()


def test_descent_ends_where_no_single_move_gains() -> None:
    world = World(4, granularity=Granularity.FILTER, filters=16)
    effects, costs = world.effects, unit_costs(world.problem(1))[0]
    start = world.space.exact_choices()
    weights = np.geomspace(0.7, 6.0, 6)
    path = descend(effects, costs, world.space.candidates, weights, start, np.random.default_rng(0), sweeps=20)
    shares = np.full(effects.images, 1 / effects.images, np.float32)

    def value(choices: np.ndarray, weight: float) -> float:
        loss = soft_error(effects.margins(choices), temperature_of(effects), shares)[0]
        return float(loss + weight * costs[np.arange(64), choices.astype(int)].sum())

    assert 0 < (path[0] != 0).sum() < 64
    for weight, design in zip(weights, path, strict=True):
        assert value(design, weight) < value(start, weight)
        for unit in range(64):
            others = [np.where(np.arange(64) == unit, block, design).astype(np.uint8) for block in range(4)]
            assert min(value(other, weight) for other in others) > value(design, weight) - 1e-5


def test_the_pool_of_a_small_space_is_the_space() -> None:
    world = World(2)
    pool = build_pool(world.problem(5), Predictor(world.effects, 200), np.random.default_rng(0))
    assert len(np.unique(pool, axis=0)) == len(pool) == 16


@pytest.mark.parametrize("cells", [1 << 20, 0], ids=["in cells", "point by point"])
@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_exclusive_volumes_of_many_points_are_those_of_each(objectives: int, cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fronts with ties, points beyond the corner, below zero, on the front and dominated by it; and no front."""
    monkeypatch.setattr("hawx.search.acquisition.MOST_CELLS", cells)
    rng = np.random.default_rng(objectives)
    for size in (0, 1, 7):
        front = rng.uniform(-0.2, 1.2, (size, objectives)).round(1)
        points = np.vstack([rng.uniform(-0.5, 1.3, (30, objectives)).round(1), front])
        expected = [exclusive_volume(point, front) for point in points]
        np.testing.assert_allclose(OpenSpace(front).volumes(points), expected, atol=1e-12)
        assert max(expected) > 0


def test_exclusive_volume_is_the_difference_of_hypervolumes() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        front = rng.random((6, 3))
        front = front[non_dominated(front)]
        point = rng.random(3) * 1.2
        ones = np.ones(3)
        expected = hypervolume(np.vstack([front, point]), ones) - hypervolume(front, ones)
        assert exclusive_volume(point, front) == pytest.approx(expected, abs=1e-12)


def test_unknown_searcher_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown searcher 'nsga'; did you mean 'nsga2'\?$"):
        run(World(2), "nsga", 5)


@pytest.mark.parametrize("count", [1, 2])
def test_one_layer_one_filter_one_block(count: int) -> None:
    world = World(count, filters=1, granularity=Granularity.FILTER)
    only_exact = world.space.restricted([[0]] * count)
    problem = world.problem(5)
    problem.space = only_exact
    problem.measure(only_exact.exact_choices())
    search("hawx", problem, np.random.default_rng(0), Predictor(world.effects, world.effects.images))
    assert len(problem.evaluated) == 1


def test_laws_are_known_to_be_additive_or_not() -> None:
    world = World(3)
    spatial = world.problem(5)
    assert is_additive(spatial, unit_costs(spatial), np.random.default_rng(0))
    temporal = world.problem(5, accelerator=Systolic())
    assert not is_additive(temporal, unit_costs(temporal), np.random.default_rng(0))


def test_an_array_that_holds_every_block_it_uses_is_given_few_blocks() -> None:
    world = World(9, filters=32, seed=1)
    problem = world.problem(24, accelerator=Systolic(rows=8, columns=8))
    problem.measure(world.space.exact_choices())
    search("hawx", problem, np.random.default_rng(0), Predictor(world.effects, world.effects.images))
    assert min(len(set(e.choices.tolist())) for e in problem.front()) == 1
    evolved = world.problem(100, accelerator=Systolic(rows=8, columns=8))
    search("nsga2", evolved, np.random.default_rng(0))
    assert problem.hypervolume() > evolved.hypervolume()


def test_the_pool_keeps_designs_that_the_prediction_may_wrong() -> None:
    points = np.array([[0.0, 1.0], [1.0, 0.5], [1.2, 0.5], [3.0, 0.5], [1.1, 0.9]])
    assert near_front(points).tolist() == [True, True, True, False, True]
