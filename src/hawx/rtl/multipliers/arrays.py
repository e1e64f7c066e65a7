"""Partial-product arrays as gates: the kept cells, the Baugh–Wooley constant, one column sum."""

from __future__ import annotations

import numpy as np

from hawx.blocks.families.arrays import DROPPED, ArrayFamily, cell_weights
from hawx.rtl.multipliers.adders import Columns, constant_columns, merge, sum_columns
from hawx.rtl.multipliers.gates import OUT_WIDTH, Gates, Word, port


def array_outputs(gates: Gates, family: ArrayFamily) -> Word:
    """Return the output bits of a partial-product array.

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
    return sum_columns(gates, merge(columns, constant_columns(constant, OUT_WIDTH)), OUT_WIDTH)
