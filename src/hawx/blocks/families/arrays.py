"""Partial-product arrays: the common law of every family that leaves out or moves cells of the exact array.

Signs: two's complement. Bit 7 of a signed operand has weight `-2**7`, so the product is
`a·w = Σ_ij s_i s_j 2**(i+j) a_i w_j` with `s_7 = -1` and `s_i = +1` below. The hardware is the modified Baugh–Wooley array
(C. R. Baugh, B. A. Wooley, IEEE Trans. Computers C-22, 1973): the negative cells are complemented and their weights are
gathered in one constant. A cell that is left out contributes 0 to the sum above, so its complement's constant goes with it.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from hawx.blocks.families.family import Family, Integers
from hawx.formats import IntFormat

BITS = 8
DROPPED = -1
"""Marks a cell that is not built."""

Placement = NDArray[np.int64]
"""`placement[i, j]`: column in which cell `a_i·w_j` is added, (8, 8); `DROPPED` where the cell is absent."""


def exact_placement() -> Placement:
    """Return the exact array: cell (i, j) in column i + j, (8, 8) int64."""
    index = np.arange(BITS, dtype=np.int64)
    return np.add.outer(index, index)


def bits(values: Integers) -> Integers:
    """Return the two's-complement bits of `values`, shape `(*values.shape, 8)`, least significant first."""
    return (values[..., None] >> np.arange(BITS)) & 1


def signs(operand: IntFormat) -> Integers:
    """Return +1 per bit, -1 for the sign bit of a signed format, (8,)."""
    sign = np.ones(BITS, dtype=np.int64)
    if operand.signed:
        sign[-1] = -1
    return sign


def cell_weights(placement: Placement, formats: tuple[IntFormat, IntFormat]) -> Integers:
    """Return what each cell adds to the product when it is 1, (8, 8): `s_i s_j 2**column`, 0 where dropped."""
    magnitude = np.where(placement == DROPPED, 0, 1 << np.maximum(placement, 0))
    return np.multiply.outer(signs(formats[0]), signs(formats[1])) * magnitude


def wrapped(values: Integers, operand: IntFormat) -> Integers:
    """Return `values` modulo 2**16 as the signed or unsigned 16-bit number that the output port carries."""
    low = -(1 << 15) if operand.signed else 0
    return (values - low) % (1 << 16) + low


class ArrayFamily(Family):
    """A family that is a partial-product array with cells dropped or moved, plus a constant."""

    __slots__ = ()

    @abstractmethod
    def placement(self) -> Placement:
        """Return the column of every cell."""

    @property
    def constant(self) -> int:
        """What is added whatever the operands (compensation); 0 unless the family says otherwise."""
        return 0

    def product(self, a: Integers, w: Integers) -> Integers:
        """Return `constant + Σ_ij weight_ij·a_i·w_j`, wrapped to the 16 output bits."""
        weights = cell_weights(self.placement(), self.formats)
        rows = bits(a) @ weights  # what each weight bit adds, given the activation
        return wrapped(self.constant + (rows * bits(w)).sum(axis=-1), self.formats[0])
