"""Claims: what measured designs are said to lose on images that nobody has seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hawx.predict import Predictor
from hawx.search.problem import Problem


def claims(problem: Problem, predictor: Predictor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the drop that each measured design of `problem` claims, and its sigma, in points, each (designs,); see `Predictor.claims`.

    The exact design claims what is known: it loses nothing.
    """
    measured = [found.design.search for found in problem.evaluated]
    noises = [search.drop_sigma or 0.0 if search else 0.0 for search in measured]
    choices = np.array([found.choices for found in problem.evaluated])
    drops, sigmas = predictor.claims(choices, [found.drop for found in problem.evaluated], noises)
    exact = (choices == problem.space.exact_choices()).all(axis=1)
    return np.where(exact, 0.0, drops), np.where(exact, 0.0, sigmas)
