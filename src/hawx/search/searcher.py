"""Searcher: the contract of whatever decides which designs are measured. The suite of it is `hawx.testing.SearcherSuite`."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from hawx.predict import Predictor
from hawx.search.problem import Problem


class Searcher(Protocol):
    """A function, or an object that can be called, that searches a problem until it has nothing left to measure.

    * It gets a problem whose exact design is measured, and measures others by `problem.measure` alone, which counts them and ends with the budget:
      look at `problem.remaining`. It may ask `problem.hardware` and `ratios` and the predictor as often as it likes, and changes no other field.
    * It takes all randomness from `rng`: the same seed measures the same designs in the same order.
    * It measures designs of `problem.space` only: each unit takes one of its candidates.
    * It ends, also where the budget exceeds the space. It returns nothing: the result is what was measured.
    * It may refuse a problem by an `InputError` before it measures anything.
    """

    def __call__(self, problem: Problem, rng: np.random.Generator, predictor: Predictor, /) -> None: ...


def name_of(searcher: str | Searcher) -> str:
    """Return the name that a result carries: a function's own, else its class's."""
    return searcher if isinstance(searcher, str) else str(getattr(searcher, "__name__", type(searcher).__name__))
