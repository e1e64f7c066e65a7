"""The oracle: approximate matrix products and convolutions in plain NumPy, slow and obvious. Imports no kernel.

`acc[n, o, p] = Σ_k T_{b(o)}[x_k, w_{o,k}]` in int64; a padded position has the code `pad` (0 unless the zero point differs) and is
multiplied like any other: its product is `T[pad, w]`, which need not be 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hawx.blocks import Block

Codes = NDArray[np.int8] | NDArray[np.uint8]
Accumulators = NDArray[np.int64]


def matmul(a: Codes, w: Codes, blocks: Sequence[Block]) -> Accumulators:
    """Return `out[m, n] = Σ_k T_n[a[m, k], w[n, k]]`.

    Args:
        a: (M, K) activation codes.
        w: (N, K) weight codes.
        blocks: N blocks, one per row of `w`.

    Returns:
        (M, N) int64.
    """
    out = np.zeros((len(a), len(w)), np.int64)
    for n, block in enumerate(blocks):
        a_min, w_min = (f.min for f in block.formats)
        for k in range(a.shape[1]):
            out[:, n] += block.table[a[:, k].astype(np.int64) - a_min, int(w[n, k]) - w_min]
    return out


def conv2d(
    x: Codes,
    w: Codes,
    blocks: Sequence[Block],
    *,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    pad: int = 0,
) -> Accumulators:
    """Return the convolution of `x` with `w`, every product taken from the block of its filter.

    Args:
        x: (N, C, H, W) activation codes.
        w: (O, C / groups, kh, kw) weight codes.
        blocks: O blocks, one per filter.
        padding: top, bottom, left, right.
        pad: code of a padded position.

    Returns:
        (N, O, H', W') int64.
    """
    top, bottom, left, right = padding
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=pad)
    filters, depth, kh, kw = w.shape
    height = (padded.shape[2] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    width = (padded.shape[3] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    out = np.zeros((len(x), filters, height, width), np.int64)
    for o, block in enumerate(blocks):
        a_min, w_min = (f.min for f in block.formats)
        first = o // (filters // groups) * depth
        for c in range(depth):
            for i in range(kh):
                for j in range(kw):
                    rows = slice(i * dilation[0], i * dilation[0] + (height - 1) * stride[0] + 1, stride[0])
                    columns = slice(j * dilation[1], j * dilation[1] + (width - 1) * stride[1] + 1, stride[1])
                    codes = padded[:, first + c, rows, columns].astype(np.int64) - a_min
                    out[:, o] += block.table[codes, int(w[o, c, i, j]) - w_min]
    return out
