"""Search: which designs to measure. Every searcher sees the same problem and the same counted measurements."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import numpy as np

from hawx.errors import UnknownNameError
from hawx.predict import Predictor
from hawx.search.baselines import exhaustive, greedy, random, uniform
from hawx.search.guided import hawx
from hawx.search.nsga2 import nsga2
from hawx.search.problem import OBJECTIVES, Evaluated, OnMeasured, Problem, SearchEnded, hardware_of
from hawx.search.searcher import Searcher, name_of

__all__ = ["BASELINES", "OBJECTIVES", "SEARCHERS", "Evaluated", "OnMeasured", "Problem", "Searcher", "hardware_of", "name_of", "search"]

BASELINES: dict[str, Callable[[Problem, np.random.Generator], None]] = {
    "exhaustive": exhaustive,
    "random": random,
    "uniform": uniform,
    "greedy": greedy,
    "nsga2": nsga2,
}
"""Searchers that only measure."""

SEARCHERS = ("hawx", *BASELINES)


def search(searcher: str | Searcher, problem: Problem, rng: np.random.Generator, predictor: Predictor | None = None) -> None:
    """Measure the exact design and run a searcher, by name or one of your own, on `problem`, which collects what is measured.

    Only baselines do without a predictor.

    Raises:
        UnknownNameError: no such searcher.
    """
    if isinstance(searcher, str) and searcher not in SEARCHERS:
        raise UnknownNameError("searcher", searcher, SEARCHERS)
    with suppress(SearchEnded):
        problem.measure(problem.space.exact_choices())
        if isinstance(searcher, str) and searcher in BASELINES:
            BASELINES[searcher](problem, rng)
            return
        assert predictor is not None, "a searcher that is no baseline needs a predictor"
        (hawx if isinstance(searcher, str) else searcher)(problem, rng, predictor)
