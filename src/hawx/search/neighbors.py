"""Neighbors: designs that differ from one by the blocks of one or two units."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from hawx.designs.space import Choices, SearchSpace

MOST_UNITS = 64
"""Units up to which there are neighbors: the finer a space, the closer the pool's own designs lie to each other."""
MOST_PAIRS = 40_000
"""Neighbors by two changes are left out where there would be more."""


def neighbors(space: SearchSpace, choices: Choices) -> Iterator[Choices]:
    """Yield every design that differs from `choices` (units,) in one unit, and, while they are few, in two."""
    if len(choices) > MOST_UNITS:
        return
    changes = [(unit, block) for unit, blocks in enumerate(space.candidates) for block in blocks if block != choices[unit]]
    for change in changes:
        yield _changed(choices, change)
    pairs = [pair for pair in combinations(changes, 2) if pair[0][0] != pair[1][0]]
    if len(pairs) <= MOST_PAIRS:
        for pair in pairs:
            yield _changed(choices, *pair)


def _changed(choices: Choices, *changes: tuple[int, int]) -> Choices:
    row = choices.copy()
    for unit, block in changes:
        row[unit] = np.uint8(block)
    return row
