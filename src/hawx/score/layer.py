"""Unit effects measured exactly: one run per (unit, block), sharing prefixes (ARCHITECTURE, Scores: layer)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hawx.designs import Assignment, SearchSpace
from hawx.score.competitors import Competitors, Logits

LogitsOf = Callable[[Assignment], Logits]
"""Bit-exact logits of the scoring images under an assignment, (images, classes)."""


def measured_effects(logits_of: LogitsOf, space: SearchSpace, competitors: Competitors) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the exact margins and their changes for every unit and block.

    Returns:
        base: (competitors, images), margins with every unit exact.
        delta: (units, blocks, competitors, images), change when that unit alone takes that block; zero for the exact block.
    """
    exact = space.exact_choices()
    base = competitors.margins(logits_of(space.assignment(exact)))
    delta = np.zeros((len(space.units), len(space.blocks), *base.shape), np.float32)
    for unit in reversed(range(len(space.units))):  # later layers first: their prefix is longest and cached
        for block in space.candidates[unit]:
            if block != space.exact:
                delta[unit, block] = competitors.margins(logits_of(space.assignment(_with(exact, unit, block)))) - base
    return base, delta


def _with(choices: NDArray[np.uint8], unit: int, block: int) -> NDArray[np.uint8]:
    changed = choices.copy()
    changed[unit] = block
    return changed
