"""How operands reach a block in each layer: in which order, and how far activations are shifted up. Neither changes the circuit.

* A circuit that treats its operands differently errs differently when they change places, and what of an error depends on the weight alone is
  mapped away. One order serves all layers, as one array would have it. Of the twelve approximate signed multipliers of EvoApproxLib v2022 six are
  not symmetric; each errs a half to a third as much the other way round, under the activations of ResNet-20.
* Most activations of a layer are small against the largest, and blocks err by about as much on small operands as on large ones. Codes that are
  clamped to fewer bits and shifted up meet the same error with products 2^shift times larger. Each layer has its own shift.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hawx.blocks import Block
from hawx.recover.mapping import mapped_codes
from hawx.wiring import PLAIN, Wiring

SHIFTS = (1, 2)
"""Shifts that are tried. Under ResNet-20's operands most strong blocks gain by 1, one of the built-in ones by 2 in some layers."""
WORTH = 0.9
"""A shift must leave less than this share of the mean square error: what it clamps are the activations that decide."""
COARSE = (1.0, 0.7, 0.85, 1.2, 1.45)
"""Scales that wirings are compared at."""
ORDERS = (PLAIN, Wiring(swapped=True))

Distributions = Sequence[NDArray[np.float64]]


def clamp_errors(exact: Block, activations: Distributions, weights: Distributions, shifting: Sequence[bool]) -> list[tuple[float, ...]]:
    """Return what each of `SHIFTS` costs alone, per layer: the error of an exact block; nothing where activations may not be shifted.

    Args:
        activations, weights: as of `wirings_of`.
        shifting: per layer, whether activations may be shifted: their code of zero must be 0.
    """
    return [
        tuple(_error(exact, p, q, Wiring(shift=shift)) for shift in SHIFTS) if may else ()
        for p, q, may in zip(activations, weights, shifting, strict=True)
    ]


def wirings_of(block: Block, activations: Distributions, weights: Distributions, clamps: Sequence[Sequence[float]]) -> tuple[Wiring, ...]:
    """Return the wiring of least error of an approximate block in each layer.

    Args:
        activations, weights: (256,) per layer, distributions of the codes in value order.
        clamps: see `clamp_errors`.
    """
    orders = ORDERS if block.formats[0] == block.formats[1] and not block.is_symmetric else ORDERS[:1]
    errors = {order: [_error(block, p, q, order) for p, q in zip(activations, weights, strict=True)] for order in orders}
    signal = [_error_of_nothing(block, p, q) for p, q in zip(activations, weights, strict=True)]
    order = min(orders, key=lambda one: sum(e / s for e, s in zip(errors[one], signal, strict=True)))
    found = []
    for p, q, error, layer_clamps in zip(activations, weights, errors[order], clamps, strict=True):
        best = order
        for shift, clamped in zip(SHIFTS, layer_clamps, strict=False):
            wiring = Wiring(order.swapped, shift)
            if clamped >= WORTH * error:
                break
            shifted = _error(block, p, q, wiring)
            if shifted < WORTH * error:
                best, error = wiring, shifted
        found.append(best)
    return tuple(found)


def _error(block: Block, activations: NDArray[np.float64], weights: NDArray[np.float64], wiring: Wiring) -> float:
    return mapped_codes(block, activations, weights, wiring, COARSE).error


def _error_of_nothing(block: Block, activations: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Return the mean square of the exact products."""
    a, w = (fmt.values().astype(np.float64) for fmt in block.formats)
    return max(float((activations @ a**2) * (weights @ w**2)), 1e-300)
