"""Every searcher of the package keeps the contract of searchers, and the suite notices those that do not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hawx.predict import Predictor
from hawx.search import SEARCHERS, Problem, name_of
from hawx.testing import SearcherSuite


def suite_of(which: object) -> type[SearcherSuite]:
    return type("Suite", (SearcherSuite,), {"searcher": lambda self: which})


class TestHawx(suite_of("hawx")): ...


class TestExhaustive(suite_of("exhaustive")): ...


class TestRandom(suite_of("random")): ...


class TestUniform(suite_of("uniform")): ...


class TestGreedy(suite_of("greedy")): ...


class TestNsga2(suite_of("nsga2")): ...


def cheapest_first(problem: Problem, rng: np.random.Generator, predictor: Predictor) -> None:
    """A searcher of one's own: the best predicted of random designs."""
    rows = problem.space.random(rng, 200)
    problem.measure(rows[np.argsort(predictor.drops(rows), kind="stable")])


class TestOnesOwn(suite_of(cheapest_first)): ...


def test_every_searcher_of_the_package_is_under_test() -> None:
    assert {suite().searcher() for suite in (TestHawx, TestExhaustive, TestRandom, TestUniform, TestGreedy, TestNsga2)} == set(SEARCHERS)


def past_the_problem(problem: Problem, rng: np.random.Generator, predictor: Predictor) -> None:
    problem.measurer([problem.space.assignment(row) for row in problem.space.random(rng, 3)])


def generous(problem: Problem, rng: np.random.Generator, predictor: Predictor) -> None:
    problem.budget += 1
    problem.measure(problem.space.random(rng, 60))


def unseeded(problem: Problem, rng: np.random.Generator, predictor: Predictor) -> None:
    problem.measure(problem.space.random(np.random.default_rng(), 20))


def boundless(problem: Problem, rng: np.random.Generator, predictor: Predictor) -> None:
    problem.measure(rng.integers(0, 4, (20, len(problem.space.units))))


def forgetful(problem: Problem, rng: np.random.Generator, predictor: Predictor) -> None:
    problem.evaluated.clear()


def twice(problem: Problem, rng: np.random.Generator, predictor: Predictor) -> None:
    problem._known.clear()
    problem.measure(problem.space.exact_choices())


@pytest.mark.parametrize(
    ("searcher", "check"),
    [
        (past_the_problem, "test_no_design_is_measured_twice_or_past_the_problem"),
        (twice, "test_no_design_is_measured_twice_or_past_the_problem"),
        (generous, "test_the_budget_holds"),
        (generous, "test_the_problem_is_left_as_it_was"),
        (unseeded, "test_the_seed_decides_everything"),
        (boundless, "test_designs_are_of_the_space"),
        (boundless, "test_a_space_of_one_design_is_that_design"),
        (forgetful, "test_the_exact_design_is_measured"),
    ],
)
def test_the_suite_notices_a_broken_searcher(searcher: Callable[..., None], check: str) -> None:
    with pytest.raises(AssertionError):
        getattr(suite_of(searcher)(), check)()


def test_the_suite_says_what_to_override() -> None:
    with pytest.raises(NotImplementedError, match=r"^a searcher suite says which searcher it tests: override searcher\(\)$"):
        SearcherSuite().searcher()


def test_a_searcher_is_named_by_its_function_or_its_class() -> None:
    class Patient:
        def __call__(self, problem: Problem, rng: np.random.Generator, predictor: Predictor, /) -> None: ...

    assert (name_of("nsga2"), name_of(cheapest_first), name_of(Patient())) == ("nsga2", "cheapest_first", "Patient")
