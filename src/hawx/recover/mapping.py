"""Weight mapping: each weight code gives way to the one whose products with a block come closest to the exact ones (ALWANN, arXiv 1907.07229).

A weight is a constant of the accelerator: storing another code costs no gate. The error of an approximate product, given the weight code,
has a mean that adds up over all products of a filter; the mapped code is the one of least mean square error under the activations that the layer
really sees, so most of that mean is gone. A common scale of all products is free as well, since it folds into the requantization scale: the
products may come close to `s·a·w` with the s that suits the block best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hawx.blocks import Block
from hawx.formats import CODES
from hawx.wiring import PLAIN, Wiring

SCALES = tuple(float(s) for s in (1.0, 0.25, 0.5, 2.0, 4.0, *np.geomspace(0.6, 1.6, 21)))
"""Scales that are tried, for activations as they are. Finer or wider ones gave no more on ResNet-20 and VGG-11."""
NEAR = 1e-9
"""Errors that differ by less than this share are ties: the nearest code wins, and the earlier scale."""

_VALUES = np.arange(CODES) - CODES // 2
_REALS = _VALUES.astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Mapped:
    """The codes that take the place of a layer's weight codes on a block, and how close its products come then."""

    codes: NDArray[np.int8]
    """(256,), value order."""
    scale: float
    """s of the products."""
    error: float
    """Mean square of `T[a, w']/s - a·w`, in squared units of the product."""


def mapped_codes(
    block: Block,
    activations: NDArray[np.float64],
    weights: NDArray[np.float64],
    wiring: Wiring = PLAIN,
    scales: Sequence[float] = SCALES,
) -> Mapped:
    """Return the code that takes the place of each weight code.

    `M[w] = argmin_w' Σ_a p(a)·(T[a, w'] - s·a·w)²` over w' in -127..127, ties to the code nearest to w; s is the one of `scales`, shifted up as
    far as activations are, of least `Σ_w q(w)·min_w' Σ_a p(a)·(T[a, w'] - s·a·w)² / s²`. An exact block, plainly wired, maps every code to itself.

    Args:
        block: multiplies; its weights are signed.
        activations: p, (256,), the distribution of the layer's activation codes in value order, padding included.
        weights: q, (256,), the distribution of its weight codes.
        wiring: how operands reach the block.
    """
    if block.is_exact and wiring.is_plain:
        return Mapped(_VALUES.astype(np.int8), 1.0, 0.0)
    table = block.wired(wiring).table.astype(np.float64)
    codes = block.formats[0].values().astype(np.float64)
    square, product, power = activations @ table**2, (activations * codes) @ table, activations @ codes**2
    floor = NEAR * max(float(square.max()), 1e-300)
    closest = _Closest.of(product[1:], square[1:])  # code -128 is left out: it has no opposite
    least, chosen = np.inf, 1.0
    for scale in (s * (1 << wiring.shift) for s in scales):
        wanted = scale * _REALS
        error = float(weights @ (closest.least(wanted) + wanted**2 * power)) / scale**2
        if error < least - floor:
            least, chosen = error, scale
    wanted = chosen * _REALS[:, None]
    best = square[None, :] - 2.0 * wanted * product[None, :] + wanted**2 * power  # (w, w')
    best[:, 0] = np.inf
    tied = best <= best.min(axis=1, keepdims=True) + floor
    distance = np.where(tied, np.abs(_VALUES[:, None] - _VALUES[None, :]), CODES)
    return Mapped(_VALUES[distance.argmin(axis=1)].astype(np.int8), chosen, max(least, 0.0))


@dataclass(frozen=True, slots=True, eq=False)
class _Closest:
    """`min_w' E[T[a, w']²] - 2x·E[a·T[a, w']]` as a function of x: the least of as many lines as there are codes, which is concave."""

    starts: NDArray[np.float64]
    """Where each line but the first begins to be the least, ascending."""
    product: NDArray[np.float64]
    square: NDArray[np.float64]

    @classmethod
    def of(cls, product: NDArray[np.float64], square: NDArray[np.float64]) -> _Closest:
        """Keep the lines that are the least somewhere: the lower hull of the points (product, square), by Andrew's monotone chain."""
        hull: list[tuple[float, float]] = []
        for x, y in sorted(zip(product.tolist(), square.tolist(), strict=True)):
            if hull and hull[-1][0] == x:
                continue
            while len(hull) > 1 and (hull[-1][1] - hull[-2][1]) * (x - hull[-1][0]) >= (y - hull[-1][1]) * (hull[-1][0] - hull[-2][0]):
                hull.pop()
            hull.append((x, y))
        points = np.array(hull)
        steps = np.diff(points, axis=0)
        return cls(starts=0.5 * steps[:, 1] / steps[:, 0], product=points[:, 0], square=points[:, 1])

    def least(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        line = np.searchsorted(self.starts, x)
        return np.asarray(self.square[line] - 2.0 * x * self.product[line])
