"""Truncated Booth multiplier: four radix-4 rows instead of eight, each cut off towards zero below a column.

Signs: two's complement; the weight is recoded into signed digits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from hawx.blocks.families.arrays import BITS
from hawx.blocks.families.family import Family, Integers, require


def booth_digits(w: Integers) -> list[Integers]:
    """Return the four radix-4 digits -2..2 of 8-bit two's-complement integers: `w = Σ_i digit_i·4**i` (MacSorley 1961)."""
    bit = [(w >> k) & 1 for k in range(BITS)]
    return [bit[2 * i] + (bit[2 * i - 1] if i else 0) - 2 * bit[2 * i + 1] for i in range(BITS // 2)]


def truncated_booth_product(a: Integers, w: Integers, columns: int) -> Integers:
    """Return `Σ_i sign(d_i)·floor(abs(d_i)·a·4**i / 2**columns)·2**columns` over the Booth digits d_i of `w`."""
    total: Integers = np.zeros(np.broadcast_shapes(a.shape, w.shape), dtype=np.int64)
    for i, digit in enumerate(booth_digits(w)):
        row = (np.abs(digit) * a) << (2 * i)
        total = total + np.sign(digit) * (row >> columns << columns)
    return total


@dataclass(frozen=True, slots=True)
class TruncatedBooth(Family):
    """Booth rows without their cells in the low `columns` columns; the carry that completes a negation enters the first kept column.

    The broken-array idea on a Booth array (Farshchi et al. 2013). Adding the dropped columns' negation carries at the break, rather
    than dropping them, makes each row odd in its digit: a zero operand gives 0 and the bias stays small.
    """

    columns: int

    SOURCE: ClassVar[str] = (
        "after F. Farshchi, M. S. Abrishami, S. M. Fakhraie, New Approximate Multiplier for Low Power Digital Signal Processing, CADS 2013 "
        "(broken-Booth multiplier); recoding: O. L. MacSorley, High-Speed Arithmetic in Binary Computers, Proc. IRE 49(1), 1961"
    )
    PATTERN: ClassVar[re.Pattern[str]] = re.compile(r"mul8s_booth(\d+)")
    EXAMPLE: ClassVar[str] = "mul8s_booth6"

    def __post_init__(self) -> None:
        require("truncated Booth", "columns", self.columns, 0, BITS)

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        return cls(int(match[1]))

    @property
    def name(self) -> str:
        return f"mul8s_booth{self.columns}"

    def product(self, a: Integers, w: Integers) -> Integers:
        return truncated_booth_product(a, w, self.columns)
