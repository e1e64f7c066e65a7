"""Error metrics of a block, under uniform operands or under the operands' own distribution.

With `E = T[a, w] − a·w` and pair probabilities `P[a, w]` (uniform 2**-16 unless given):

| metric | definition |
| --- | --- |
| `mae` | `Σ P·abs(E)` mean absolute error |
| `wce` | `max abs(E)` over pairs with P > 0 |
| `mre` | mean of `abs(E)/abs(a·w)` over the pairs with a non-zero product, `Σ P·abs(E/(a·w)) / Σ P` over those |
| `wcre` | maximum of `abs(E)/abs(a·w)` over the same pairs with P > 0 |
| `ep` | probability that `E != 0` |
| `mse` | `Σ P·E²` |
| `bias` | `Σ P·E` mean error |
| `variance` | `mse − bias²` |

`mre`, `wcre` and `ep` are fractions, not percent. Pairs whose product is 0 are left out of the relative metrics, not counted
as 0: with that reading the figures of EvoApproxLib's headers come out (V. Mrazek et al., DATE 2017), and with no other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hawx.blocks.block import Block
from hawx.errors import InputError
from hawx.formats import CODES

Probabilities = NDArray[np.float64]
"""Joint probabilities of operand pairs `[a, w]`, (256, 256), value order, summing to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorMetrics:
    """Error figures of one block under one operand distribution; 0 is exact for all, smaller magnitude is better."""

    mae: float
    wce: float
    mre: float
    """Fraction."""
    wcre: float
    """Fraction; may exceed 1."""
    ep: float
    """Probability, 0 to 1."""
    mse: float
    bias: float
    variance: float


def distribution(values: ArrayLike, what: str, shape: tuple[int, ...] = (CODES,)) -> NDArray[np.float64]:
    """Return a histogram scaled to sum 1, float64.

    Args:
        values: non-negative counts or probabilities of shape `shape`, value order.
        what: what the histogram is of, for the message.

    Raises:
        InputError: wrong shape, negative, not finite, or all zero.
    """
    histogram = np.asarray(values, dtype=np.float64)
    if histogram.shape != shape:
        raise InputError(f"distribution of {what} has shape {histogram.shape}; expected {shape}, value order.")
    if not np.isfinite(histogram).all() or (histogram < 0).any() or not histogram.any():
        raise InputError(f"distribution of {what} is not a histogram; expected finite, non-negative numbers, not all 0.")
    scaled: NDArray[np.float64] = histogram / histogram.sum()
    return scaled


def joint_distribution(activations: ArrayLike | None = None, weights: ArrayLike | None = None) -> Probabilities:
    """Return the joint probabilities of independent operands; an operand that is None is uniform.

    Args:
        activations: (256,) histogram of activation codes, value order.
        weights: (256,) histogram of weight codes, value order.
    """
    uniform = np.ones(CODES)
    p = distribution(uniform if activations is None else activations, "activations")
    q = distribution(uniform if weights is None else weights, "weights")
    return np.multiply.outer(p, q)


def error_metrics(block: Block, *, joint: ArrayLike | None = None) -> ErrorMetrics:
    """Return the error metrics of `block`.

    Args:
        block: any block.
        joint: (256, 256) joint histogram `[a, w]` of operand pairs (see `joint_distribution`); uniform if None.

    Raises:
        InputError: `joint` is not a histogram of that shape.
    """
    shape = (CODES, CODES)
    pair = np.full(shape, 1.0 / CODES**2) if joint is None else distribution(joint, "operand pairs", shape)
    error = block.error.astype(np.float64)
    absolute = np.abs(error)
    occurs, defined = pair > 0, block.exact_products != 0
    relative = np.divide(absolute, np.abs(block.exact_products), out=np.zeros(shape), where=defined)
    mass = float(pair[defined].sum())
    bias, mse = float((pair * error).sum()), float((pair * error**2).sum())
    return ErrorMetrics(
        mae=float((pair * absolute).sum()),
        wce=float(absolute[occurs].max()),
        mre=float((pair * relative).sum()) / mass if mass > 0 else 0.0,
        wcre=float(relative[occurs].max()),
        ep=float(pair[error != 0].sum()),
        mse=mse,
        bias=bias,
        variance=max(mse - bias**2, 0.0),
    )
