"""Doubts: what is allowed and hardly meant, said before an hour is spent on it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hawx.blocks import Block, Library
from hawx.formats import CODES
from hawx.networks import QuantizedNetwork
from hawx.networks.datasets import Pixels

MEANT = 0.1
"""A table is said to be meant otherwise where it errs less than this share as much then."""
ROUNDING = 1e-3


def doubts(network: QuantizedNetwork, library: Library, images: Pixels, right: int) -> Iterator[str]:
    """Yield one line per doubt.

    Args:
        images: (N, C, H, W), the search images.
        right: how many of them the exact network answers right.
    """
    if (chance := near_chance(right, len(images), network.classes)) is not None:
        yield chance
    if (strange := strange_values(network, images)) is not None:
        yield strange
    for block in library:
        if (order := meant_otherwise(block)) is not None:
            yield order


def near_chance(right: int, images: int, classes: int) -> str | None:
    """Return a doubt where a network answers hardly more images right than by guessing among its classes, None elsewhere."""
    chance = 1.0 / classes
    doubtful = chance + min(chance, 0.1 * (1.0 - chance)) + 3.0 * np.sqrt(chance * (1.0 - chance) / images)
    if classes < 2 or right / images > doubtful:
        return None
    return (
        f"the exact network answers {100 * right / images:.1f} % of {images} search images right, about what guessing among {classes} classes does. "
        "Nothing can be learned of blocks from it: check the preprocessing (--preprocessing), the order of color channels, and that labels count "
        "classes as the network does."
    )


def strange_values(network: QuantizedNetwork, images: Pixels) -> str | None:
    """Return a doubt where float images lie outside of what the network's preprocessing makes of pixels, or look as if it was forgotten."""
    if images.dtype == np.uint8 or network.preprocessing is None:
        return None
    mean, std = (np.asarray(values, np.float64) for values in (network.preprocessing.mean, network.preprocessing.std))
    least, most = float((-mean / std).min()) + 0.0, float(((1.0 - mean) / std).max())  # no -0.00
    low, high = float(images.min()), float(images.max())
    slack = ROUNDING * (most - least)
    if low < least - slack or high > most + slack:
        found = f"lie outside of {least:.2f} to {most:.2f}, which the network's preprocessing makes of pixels"
    elif low >= 0.0 and high <= 1.0 and least < -0.25:
        found = f"lie within 0 and 1, and the network's preprocessing makes {least:.2f} to {most:.2f} of pixels"
    else:
        return None
    given = f"float images from {low:.2f} to {high:.2f} are taken as preprocessed"
    return f"{given} and {found}. Give pixels as uint8, or preprocess them as in training."


def meant_otherwise(block: Block) -> str | None:
    """Return a doubt where a table comes much closer to products of other operands than its formats name, None elsewhere."""
    signed = [fmt.signed for fmt in block.formats]
    given = float(np.abs(block.error).mean())
    if given * MEANT <= 1.0:
        return None
    codes = np.arange(CODES)
    patterns = np.where(codes < CODES // 2, codes, codes - CODES)
    if any(signed) and _error(block, *(patterns if one else codes for one in signed)) < MEANT * given:
        sides = " and ".join(side for side, one in zip(("rows", "columns"), signed, strict=True) if one)
        return (
            f"the table of block {block.name!r} seems to have its {sides} in the order of two's complement (0, …, 127, -128, …, -1); expected value "
            "order, -128 first. np.roll(table, 128, axis) turns it."
        )
    if any(signed) and _error(block, codes, codes) < MEANT * given:
        taken = "×".join(map(str, block.formats))
        return f"block {block.name!r} seems to multiply unsigned operands, and is taken as {taken}; expected formats u8."
    return None


def _error(block: Block, activations: NDArray[np.integer], weights: NDArray[np.integer]) -> float:
    """Return the mean distance of a table from the products of these operands, each in the order of the table's entries."""
    return float(np.abs(block.table - np.multiply.outer(activations.astype(np.int64), weights.astype(np.int64))).mean())
