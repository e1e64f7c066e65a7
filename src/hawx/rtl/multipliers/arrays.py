"""Partial-product arrays as gates: the kept cells, the Baugh–Wooley constant, compressed groups, one column sum."""

from __future__ import annotations

import numpy as np

from hawx.blocks.families.arrays import DROPPED, ArrayFamily, cell_weights
from hawx.blocks.families.compressed import ApproximateCompressors, CompressedArray
from hawx.rtl.multipliers.adders import Columns, constant_columns, merge, sum_columns
from hawx.rtl.multipliers.gates import OUT_WIDTH, Gates, Word, port


def cell_columns(gates: Gates, family: ArrayFamily) -> Columns:
    """Return the cells that are built, by column, with the constant.

    A cell of negative weight `-2**c·a·w` is built as `2**c·~(a & w) - 2**c`; the `-2**c` of all such cells and the
    family's compensation are one constant, folded into the adders.
    """
    a, b = port("A"), port("B")
    placement = family.placement()
    weights = cell_weights(placement, family.formats)
    columns: Columns = [[] for _ in range(OUT_WIDTH)]
    constant = family.constant
    for (i, j), value in np.ndenumerate(placement):
        column = int(value)
        if column == DROPPED:
            continue
        negative = int(weights[i, j]) < 0
        columns[column].append(gates.nand(a[i], b[j]) if negative else gates.all_of(a[i], b[j]))
        constant -= (1 << column) if negative else 0
    return merge(columns, constant_columns(constant, OUT_WIDTH))


def compressor(gates: Gates, cells: Word) -> tuple[str, str]:
    """Return (sum, carry) of the approximate 4:2 compressor of Venkatachalam and Ko (2017)."""
    x1, x2, x3, x4 = cells
    w1, w2 = gates.all_of(x1, x2), gates.all_of(x3, x4)
    total = gates.any_of(gates.xor(x1, x2), gates.xor(x3, x4), gates.all_of(w1, w2))
    return total, gates.any_of(w1, w2)


def group_columns(gates: Gates, family: CompressedArray) -> Columns:
    """Return the outputs of all compressed groups, by column."""
    a, b = port("A"), port("B")
    columns: Columns = [[] for _ in range(OUT_WIDTH)]
    for group in family.groups():
        cells = [gates.all_of(a[i], b[j]) for i, j in group.cells]
        if isinstance(family, ApproximateCompressors):
            total, carry = compressor(gates, cells)
            columns[group.column + 1].append(carry)
        else:
            total = gates.any_of(*cells)
        columns[group.column].append(total)
    return columns


def array_outputs(gates: Gates, family: ArrayFamily) -> Word:
    """Return the output bits of a partial-product array, compressed or not."""
    columns = cell_columns(gates, family)
    if isinstance(family, CompressedArray):
        columns = merge(columns, group_columns(gates, family))
    return sum_columns(gates, columns, OUT_WIDTH)
