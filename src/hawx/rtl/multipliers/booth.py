"""Radix-4 Booth rows as gates: recoding, selection, sign extension by constants, one column sum."""

from __future__ import annotations

from hawx.rtl.multipliers.adders import Columns, constant_columns, merge, sum_columns
from hawx.rtl.multipliers.gates import OUT_WIDTH, WIDTH, ZERO, Gates, Word, port


def booth_outputs(gates: Gates, dropped: int) -> Word:
    """Return the output bits of a Booth array without its cells in the low `dropped` columns.

    A digit is `one`, `two` and `negative`; its row is the selected multiple of A, inverted where negative, plus `negative` as the
    carry that completes the negation, in the row's first kept column. The row's sign bit weighs `-2**c`: its complement and `-2**c`.
    """
    a, b = port("A"), port("B")
    columns: Columns = [[] for _ in range(OUT_WIDTH)]
    constant = 0
    for i in range(WIDTH // 2):
        low, mid, high = b[2 * i - 1] if i else ZERO, b[2 * i], b[2 * i + 1]
        one = gates.xor(mid, low)
        two = gates.all_of(gates.inv(one), gates.xor(high, mid))
        negative = gates.all_of(high, gates.nand(mid, low))
        for j in range(WIDTH + 1):
            column = 2 * i + j
            if column < dropped:
                continue
            selected = gates.any_of(gates.all_of(one, a[min(j, WIDTH - 1)]), gates.all_of(two, a[j - 1] if j else ZERO))
            cell = gates.xor(selected, negative)
            if j == WIDTH:
                cell = gates.inv(cell)
                constant -= 1 << column
            columns[column].append(cell)
        columns[max(2 * i, dropped)].append(negative)
    return sum_columns(gates, merge(columns, constant_columns(constant, OUT_WIDTH)), OUT_WIDTH)
