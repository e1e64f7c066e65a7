"""Conformance of searchers: what anything that decides which designs are measured must keep.

    class TestMySearcher(SearcherSuite):
        def searcher(self) -> Searcher:
            return my_searcher

The contract (see hawx.search.Searcher): no design is measured twice or past the problem; the budget holds; the exact design is among the
measured ones; designs are of the space; the seed decides everything; the problem is left as it was; and the search ends, whatever the budget.
It runs on a small world whose accuracy is known (hawx.testing.world).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hawx.accelerators import Systolic
from hawx.designs import Assignment
from hawx.errors import InputError
from hawx.predict import Predictor
from hawx.search import Problem, Searcher, search
from hawx.testing.world import World
from hawx.units import Granularity


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """A problem after a search, and the designs that were really run, in order."""

    problem: Problem
    run: list[str]

    @property
    def recorded(self) -> list[str]:
        """The designs that the problem knows of, in order."""
        return [found.design.assignment.id for found in self.problem.evaluated]


class SearcherSuite:
    """Test class for any searcher; override `searcher`."""

    def searcher(self) -> str | Searcher:
        """Return the searcher, anew on every call if it keeps anything between searches."""
        raise NotImplementedError("a searcher suite says which searcher it tests: override searcher()")

    def searched(self, world: World, budget: int, *, seed: int = 0, **problem: Any) -> Searched:
        """Return what the searcher made of a world's problem. One that refuses may have measured the exact design only."""
        posed = world.problem(budget, **problem)
        measurer, run = posed.measurer, list[str]()

        def running(assignments: Sequence[Assignment]) -> Any:
            run.extend(assignment.id for assignment in assignments)
            return measurer(assignments)

        posed.measurer = running
        try:
            search(self.searcher(), posed, np.random.default_rng(seed), Predictor(world.effects, world.effects.images))
        except InputError:
            assert len(run) == 1, "a searcher refused its problem after it had measured designs"
        return Searched(problem=posed, run=run)

    def test_no_design_is_measured_twice_or_past_the_problem(self) -> None:
        for world in (World(3), World(6, granularity=Granularity.FILTER)):
            found = self.searched(world, 64)
            assert found.run == found.recorded, "designs were run that the problem does not know of"
            assert len(set(found.run)) == len(found.run), "a design was measured twice"

    def test_the_budget_holds(self) -> None:
        for budget in (1, 7, 30):
            assert len(self.searched(World(3), budget).run) <= budget, f"more than {budget} designs were measured"

    def test_the_exact_design_is_measured(self) -> None:
        world = World(3)
        found = self.searched(world, 64)
        assert world.space.assignment(world.space.exact_choices()).id in found.recorded, "the exact design is not among the measured ones"

    def test_designs_are_of_the_space(self) -> None:
        world = World(3)
        world.space = world.space.restricted([[0, 2], [0], [0, 1, 3]])
        for found in self.searched(world, 64).problem.evaluated:
            outside = [u for u, block in enumerate(found.choices) if block not in world.space.candidates[u]]
            assert not outside, f"unit {outside[0]} was given block {found.choices[outside[0]]}, which is none of its candidates"

    def test_the_seed_decides_everything(self) -> None:
        for budget in (20, 64):
            first, second = (self.searched(World(3), budget, seed=5).run for _ in range(2))
            assert first == second, "two searches from one seed measured different designs"

    def test_it_ends_where_the_budget_exceeds_the_space(self) -> None:
        for world in (World(1), World(2)):
            assert len(self.searched(world, 1000).run) <= world.space.size

    def test_a_space_of_one_design_is_that_design(self) -> None:
        world = World(2)
        world.space = world.space.restricted([[0], [0]])
        assert len(self.searched(world, 5).run) == 1

    def test_one_objective_and_an_array_that_holds_every_block_will_do(self) -> None:
        for found in (self.searched(World(3), 64, objectives=("energy_uj",)), self.searched(World(3), 64, accelerator=Systolic(rows=8, columns=8))):
            assert np.isfinite(found.problem.points()).all()

    def test_the_problem_is_left_as_it_was(self) -> None:
        world = World(3)
        found = self.searched(world, 64).problem
        assert (found.budget, found.space, found.objectives) == (64, world.space, ("energy_uj", "area_um2")), "the searcher changed its problem"
