"""What is left of a budget goes to the cheapest design that keeps the stated goal."""

import numpy as np
import pytest

from hawx.predict import Predictor
from hawx.search import search
from hawx.search.acquisition import feasible_improvement
from hawx.search.neighbors import neighbors
from hawx.search.problem import Problem
from hawx.testing.world import World


def run(world: World, budget: int, goal: float | None) -> Problem:
    problem = world.problem(budget)
    problem.goal_drop = goal
    problem.measure(world.space.exact_choices())
    search("hawx", problem, np.random.default_rng(1), Predictor(world.effects, world.effects.images))
    return problem


def cheapest(problem: Problem, goal: float) -> float:
    return min(float(found.ratios[0]) for found in problem.evaluated if found.drop <= goal)


def test_a_goal_is_kept_at_less_cost_than_the_front_alone_finds() -> None:
    saved = []
    for seed in range(4):
        goal = 4.0
        with_goal, without = (cheapest(run(World(5, seed=seed), 60, stated), goal) for stated in (goal, None))
        assert with_goal <= without
        saved.append(without - with_goal)
    assert max(saved) > 0.01


def test_a_goal_that_nothing_keeps_ends() -> None:
    problem = run(World(3), 64, -5.0)
    assert 1 <= len(problem.evaluated) <= 64


def test_neighbors_are_counted() -> None:
    space = World(3).space  # three units of four blocks: 3·3 single changes, 3 pairs of units with 3·3 changes each
    rows = np.array(list(neighbors(space, space.exact_choices())))
    assert len(rows) == 9 + 27
    assert len(np.unique(rows, axis=0)) == len(rows)
    assert set((rows != space.exact_choices()).sum(axis=1)) == {1, 2}


def test_feasible_improvement_is_saving_times_the_chance_to_keep_the_goal() -> None:
    """A design that is surely within is worth its whole saving, one whose estimate is the goal half of it, one that costs more nothing."""
    found = feasible_improvement(np.array([0.0, 1.0, 0.0, 9.0]), np.array([0.01, 0.5, 0.01, 0.01]), np.array([0.6, 0.6, 0.9, 0.1]), 1.0, 0.8)
    assert found == pytest.approx([0.2, 0.1, 0.0, 0.0], abs=1e-9)
