"""Scoring sample: the images on which scores are taken, chosen where they tell most.

An image far from its decision boundary flips under no reasonable approximation, so all images near the boundary are taken and
the rest is represented by a random, weighted sample (stratified sampling on the exact margin).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Indices into the search images, ascending, and how many search images each stands for, both (images,)."""

    index: NDArray[np.int64]
    weights: NDArray[np.float64]


def stratified_sample(smallest_margins: NDArray[np.floating], count: int, rng: np.random.Generator) -> Sample:
    """Return at most `count` images: half of them those of least margin in magnitude, half drawn from the others.

    Args:
        smallest_margins: exact margin to the strongest competitor of every search image, (search images,).
    """
    total = len(smallest_margins)
    if count >= total:
        return Sample(np.arange(total), np.ones(total))
    order = np.argsort(np.abs(smallest_margins), kind="stable")
    near, far = order[: count // 2], order[count // 2 :]
    drawn = rng.choice(far, size=count - len(near), replace=False)
    weights = np.ones(total)
    weights[drawn] = len(far) / len(drawn)
    index = np.sort(np.concatenate([near, drawn]))
    return Sample(index, weights[index])
