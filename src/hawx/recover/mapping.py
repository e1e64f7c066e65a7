"""Weight mapping: each weight code gives way to the one whose products with a block come closest to the exact ones (ALWANN, arXiv 1907.07229).

A weight is a constant of the accelerator: storing another code costs no gate. The error of an approximate product, given the weight code,
has a mean that adds up over all products of a filter; the mapped code is the one of least mean square error under the activations that the layer
really sees, so most of that mean is gone. A common scale of all products is free as well, since it folds into the requantization scale: the
products may come close to `s·a·w` with the s that suits the block best.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hawx.blocks import Block
from hawx.formats import CODES

SCALES = tuple(float(s) for s in (1.0, 0.25, 0.5, 2.0, 4.0, *np.geomspace(0.6, 1.6, 21)))
"""Scales that are tried. Finer or wider ones gave no more on ResNet-20 and VGG-11."""
NEAR = 1e-9
"""Errors that differ by less than this share are ties: the nearest code wins, and the earlier scale."""

_VALUES = np.arange(CODES) - CODES // 2


def mapped_codes(block: Block, activations: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[NDArray[np.int8], float]:
    """Return the code that takes the place of each weight code, (256,), int8, value order, and the scale s of the products.

    `M[w] = argmin_w' Σ_a p(a)·(T[a, w'] - s·a·w)²` over w' in -127..127, ties to the code nearest to w; s is the one of `SCALES` of least
    `Σ_w q(w)·min_w' Σ_a p(a)·(T[a, w'] - s·a·w)² / s²`. An exact block maps every code to itself.

    Args:
        block: multiplies; its weights are signed.
        activations: p, (256,), the distribution of the layer's activation codes in value order, padding included.
        weights: q, (256,), the distribution of its weight codes.
    """
    if block.is_exact:
        return _VALUES.astype(np.int8), 1.0
    table = block.table.astype(np.float64)
    codes = block.formats[0].values().astype(np.float64)
    square, product, power = activations @ table**2, (activations * codes) @ table, activations @ codes**2
    floor = NEAR * max(float(square.max()), 1e-300)
    least, best, chosen = np.inf, np.zeros((CODES, CODES)), 1.0
    for scale in SCALES:
        errors = square[None, :] - 2.0 * scale * _VALUES[:, None] * product[None, :] + (scale * _VALUES[:, None]) ** 2 * power  # (w, w')
        errors[:, 0] = np.inf
        error = float(weights @ errors.min(axis=1)) / scale**2
        if error < least - floor:
            least, best, chosen = error, errors, scale
    tied = best <= best.min(axis=1, keepdims=True) + floor
    distance = np.where(tied, np.abs(_VALUES[:, None] - _VALUES[None, :]), CODES)
    return _VALUES[distance.argmin(axis=1)].astype(np.int8), chosen
