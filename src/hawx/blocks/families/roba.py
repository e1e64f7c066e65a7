"""RoBA: operands rounded to powers of two, so that the product needs shifts and one addition and subtraction.

Signs: sign-magnitude (the paper's S-RoBA, exact negation).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from hawx.blocks.families.family import Integers
from hawx.blocks.families.magnitude import MagnitudeFamily, leading_one


def nearest_power(x: Integers) -> Integers:
    """Return the power of two nearest to each `x` >= 1, the larger one on a tie, except 3 -> 2 (paper, section III-A); 0 -> 0."""
    floor = np.int64(1) << leading_one(x)
    rounded = np.where((2 * x >= 3 * floor) & (x != 3), 2 * floor, floor)
    return np.where(x == 0, 0, rounded)


def roba_product(x: Integers, y: Integers) -> Integers:
    """Return `xr·y + yr·x − xr·yr` (Zendegani et al. 2017, equation 2), i.e. the exact product less `(xr − x)(yr − y)`."""
    x_rounded, y_rounded = nearest_power(x), nearest_power(y)
    product: Integers = x_rounded * y + y_rounded * x - x_rounded * y_rounded
    return product


@dataclass(frozen=True, slots=True)
class Roba(MagnitudeFamily):
    """S-RoBA."""

    SOURCE: ClassVar[str] = (
        "R. Zendegani, M. Kamal, M. Bahadori, A. Afzali-Kusha, M. Pedram, RoBA Multiplier: A Rounding-Based Approximate Multiplier for "
        "High-Speed yet Energy-Efficient Digital Signal Processing, IEEE Trans. VLSI 25(2), 2017, equations 1 and 2"
    )
    PATTERN: ClassVar[re.Pattern[str]] = re.compile(r"mul8s_roba")
    EXAMPLE: ClassVar[str] = "mul8s_roba"

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        return cls()

    @property
    def name(self) -> str:
        return "mul8s_roba"

    def magnitude_product(self, x: Integers, y: Integers) -> Integers:
        return roba_product(x, y)
