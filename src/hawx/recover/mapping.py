"""Weight mapping: each weight code gives way to the one whose products with a block come closest to the exact ones (ALWANN, arXiv 1907.07229).

A weight is a constant of the accelerator: storing another code costs no gate. The error of an approximate product, given the weight code,
has a mean that adds up over all products of a filter; the mapped code is the one of least mean square error under the activations that the layer
really sees, so most of that mean is gone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hawx.blocks import Block
from hawx.formats import CODES

NEAR = 1e-12
"""Costs that differ by less than this share of the largest are ties, which the nearest code wins."""


def mapped_codes(block: Block, activations: NDArray[np.float64]) -> NDArray[np.int8]:
    """Return the code that takes the place of each weight code, (256,), int8, value order.

    `M[w] = argmin_w' Σ_a p(a)·(T[a, w'] - a·w)²` over w' in -127..127; ties go to the code nearest to w. An exact block maps every code to itself.

    Args:
        block: multiplies; its weights are signed.
        activations: p, (256,), the distribution of the layer's activation codes in value order, padding included.
    """
    values = np.arange(CODES) - CODES // 2
    if block.is_exact:
        return values.astype(np.int8)
    table = block.table.astype(np.float64)
    codes = block.formats[0].values().astype(np.float64)
    square, product = activations @ table**2, (activations * codes) @ table
    cost = square[None, :] - 2.0 * values[:, None] * product[None, :]  # (w, w'), less the constant Σ p·a²·w²
    cost[:, 0] = np.inf
    least = cost.min(axis=1, keepdims=True)
    tied = cost <= least + NEAR * np.abs(cost[:, 1:]).max()
    distance = np.where(tied, np.abs(values[:, None] - values[None, :]), CODES)
    return values[distance.argmin(axis=1)].astype(np.int8)
