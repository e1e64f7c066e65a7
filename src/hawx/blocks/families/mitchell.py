"""Mitchell's logarithmic multiplier: add piecewise-linear base-2 logarithms, take the piecewise-linear antilogarithm.

Signs: sign-magnitude (the paper is about unsigned numbers).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from hawx.blocks.families.family import Integers
from hawx.blocks.families.magnitude import MagnitudeFamily, leading_one


def mitchell_product(x: Integers, y: Integers) -> Integers:
    """Return Mitchell's product of unsigned integers below 2**15.

    With `x = 2**k1 (1 + x1)` and `y = 2**k2 (1 + x2)`: `2**(k1+k2) (1 + x1 + x2)` where `x1 + x2 < 1`, else
    `2**(k1+k2+1) (x1 + x2)` (Mitchell 1962, equations 24 and 25). Both are integers, so nothing is rounded.
    """
    one, two = np.int64(1) << leading_one(x), np.int64(1) << leading_one(y)
    fractions = two * (x - one) + one * (y - two)
    product = np.where(fractions < one * two, one * two + fractions, 2 * fractions)
    return np.where((x == 0) | (y == 0), 0, product)


@dataclass(frozen=True, slots=True)
class Mitchell(MagnitudeFamily):
    """Mitchell's multiplier without truncation of the fractions; never above the exact product in magnitude."""

    SOURCE: ClassVar[str] = (
        "J. N. Mitchell, Computer Multiplication and Division Using Binary Logarithms, IRE Trans. Electronic Computers EC-11(4), 1962, "
        "equations 24 and 25"
    )
    PATTERN: ClassVar[re.Pattern[str]] = re.compile(r"mul8s_mitchell")
    EXAMPLE: ClassVar[str] = "mul8s_mitchell"

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        return cls()

    @property
    def name(self) -> str:
        return "mul8s_mitchell"

    def magnitude_product(self, x: Integers, y: Integers) -> Integers:
        return mitchell_product(x, y)
