"""Unit effects measured exactly: one run per (unit, block), sharing prefixes (DESIGN 3.3, layer level)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hawx.designs import Assignment, SearchSpace
from hawx.score.competitors import Competitors, Logits

LogitsOf = Callable[[Assignment], Logits]
"""Bit-exact logits of the scoring images under an assignment, (images, classes)."""

DESTROYED = 0.2
"""Share of the scoring images that a block everywhere may lose and still serve as a second point of view."""


def measured_effects(
    logits_of: LogitsOf, space: SearchSpace, competitors: Competitors, *, advance: Callable[[int], None] = lambda _: None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the exact margins and their changes for every unit and block.

    Args:
        advance: called with 1 after every unit.

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
        advance(1)
    return base, delta


def two_ended_effects(
    logits_of: LogitsOf, space: SearchSpace, competitors: Competitors, *, advance: Callable[[int], None] = lambda _: None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what `measured_effects` does, each effect averaged over two surroundings: all others exact, all others on the same block.

    The sum over all units then follows the whole way from the exact network to the block everywhere like the trapezoidal rule, which
    catches the interactions that effects around the exact network miss. A block that destroys the network is seen from the exact end only.
    """
    base, delta = measured_effects(logits_of, space, competitors, advance=advance)
    lost = (base <= 0).any(axis=0).mean() + DESTROYED
    for block in range(len(space.blocks)):
        if block == space.exact:
            continue
        everywhere = np.where([block in candidates for candidates in space.candidates], block, space.exact).astype(np.uint8)
        far = competitors.margins(logits_of(space.assignment(everywhere)))
        if (far <= 0).any(axis=0).mean() > lost:
            continue
        for unit in reversed(range(len(space.units))):
            if everywhere[unit] == block:
                without = competitors.margins(logits_of(space.assignment(_with(everywhere, unit, space.exact))))
                delta[unit, block] = 0.5 * (delta[unit, block] + far - without)
    return base, delta


def _with(choices: NDArray[np.uint8], unit: int, block: int) -> NDArray[np.uint8]:
    changed = choices.copy()
    changed[unit] = block
    return changed
