"""Operator scores: moments of a block's error under the operands of a layer or filter.

With independent operands of distributions p(a) and q(w), `E[e] = p·E·q` and `E[e²] = p·E²·q` for the error table
`E = T − a·w` (weighted mean error: Vasicek et al. 2019, arXiv 1903.04188; moments: Trommer et al. 2022, arXiv 2208.07265).
For all filters and blocks at once these are two small matrix products, not an inference.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hawx.blocks import Block

Matrix = NDArray[np.float64]


def error_moments(blocks: Sequence[Block], activations: Matrix, weights: Matrix) -> tuple[Matrix, Matrix]:
    """Return mean and standard deviation of the product error.

    Args:
        activations: (layers, 256) or (256,), distributions in value order.
        weights: (rows, 256), distributions in value order; with several activation rows, one weight row each.

    Returns:
        Two arrays (rows, blocks), in units of the product.
    """
    p = np.atleast_2d(activations)
    q = np.atleast_2d(weights)
    mean = np.empty((len(q), len(blocks)))
    square = np.empty_like(mean)
    for b, block in enumerate(blocks):
        error = block.error.astype(np.float64)
        mean[:, b] = ((p @ error) * q).sum(axis=1)
        square[:, b] = ((p @ error**2) * q).sum(axis=1)
    return mean, np.sqrt(np.maximum(square - mean**2, 0.0))
