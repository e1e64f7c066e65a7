"""Search: which designs to measure. Every searcher sees the same problem and the same counted measurements."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hawx.errors import UnknownNameError
from hawx.predict import Predictor
from hawx.search.baselines import exhaustive, greedy, random, uniform
from hawx.search.guided import hawx
from hawx.search.nsga2 import nsga2
from hawx.search.problem import OBJECTIVES, Evaluated, Problem, hardware_of

__all__ = ["BASELINES", "OBJECTIVES", "SEARCHERS", "Evaluated", "Problem", "hardware_of", "search"]

BASELINES: dict[str, Callable[[Problem, np.random.Generator], None]] = {
    "exhaustive": exhaustive,
    "random": random,
    "uniform": uniform,
    "greedy": greedy,
    "nsga2": nsga2,
}
"""Searchers that only measure."""

SEARCHERS = ("hawx", *BASELINES)


def search(name: str, problem: Problem, rng: np.random.Generator, predictor: Predictor | None = None) -> None:
    """Run the searcher called `name` on `problem`, which collects what is measured. `hawx` needs a predictor.

    Raises:
        UnknownNameError: no such searcher.
    """
    if name == "hawx":
        assert predictor is not None, "the hawx searcher needs a predictor"
        hawx(problem, rng, predictor)
    elif name in BASELINES:
        BASELINES[name](problem, rng)
    else:
        raise UnknownNameError("searcher", name, SEARCHERS)
