"""Enumerate: every design of a space that is small, or that is small without the blocks that others beat."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from hawx.designs.space import Choices, SearchSpace
from hawx.pareto import non_dominated
from hawx.predict import Effects

ENUMERATE = 50_000
"""Spaces up to this size are enumerated on the predictor: nothing can be missed."""


def enumerate_all(space: SearchSpace) -> Choices:
    """Return every design of the space, (designs, units). For spaces of at most `ENUMERATE` designs."""
    return np.array(list(product(*space.candidates)), np.uint8)


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
