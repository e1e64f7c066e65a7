"""TOSAM: normalized operands, their fractions truncated in the sum and rounded to odd in a small product.

Signs: sign-magnitude, as the paper's section on signed multiplication.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from hawx.blocks.families.family import Integers, require
from hawx.blocks.families.magnitude import MagnitudeFamily, leading_one

_FRACTION_BITS = 24
"""Fractions are held with this many bits, enough for 16-bit operands: truncation is exact in them."""


def tosam_product(x: Integers, y: Integers, product_bits: int, sum_bits: int) -> Integers:
    """Return the TOSAM(h, t) product of unsigned integers below 2**16, h = `product_bits`, t = `sum_bits`.

    With `x = 2**k1 (1 + x1)` and `y = 2**k2 (1 + x2)`: `floor(2**(k1+k2) (1 + (x1)_t + (x2)_t + (x1)_h' (x2)_h'))`, where `(·)_t` keeps t
    fraction bits and `(·)_h'` keeps h fraction bits followed by a 1 (the nearest odd number). 0 where an operand is 0.
    """

    def truncated(fraction: Integers, kept: int) -> Integers:
        return fraction >> (_FRACTION_BITS - kept)

    k1, k2 = leading_one(x), leading_one(y)
    x1, x2 = ((v << (_FRACTION_BITS - k)) - (1 << _FRACTION_BITS) for v, k in ((x, k1), (y, k2)))
    odd = [2 * truncated(fraction, product_bits) + 1 for fraction in (x1, x2)]
    width = max(sum_bits, 2 * product_bits + 2)
    total = (truncated(x1, sum_bits) + truncated(x2, sum_bits)) << (width - sum_bits)
    total = total + (1 << width) + (odd[0] * odd[1] << (width - 2 * product_bits - 2))
    return np.where((x == 0) | (y == 0), 0, (total << (k1 + k2)) >> width)


@dataclass(frozen=True, slots=True)
class Tosam(MagnitudeFamily):
    """TOSAM(h, t) with h = `product_bits` and t = `sum_bits`, h < t."""

    product_bits: int
    sum_bits: int

    SOURCE: ClassVar[str] = (
        "S. Vahdat, M. Kamal, A. Afzali-Kusha, M. Pedram, TOSAM: An Energy-Efficient Truncation- and Rounding-Based Scalable Approximate "
        "Multiplier, IEEE Trans. VLSI 27(5), 2019"
    )
    PATTERN: ClassVar[re.Pattern[str]] = re.compile(r"mul8s_tosam_h(\d+)t(\d+)")
    EXAMPLE: ClassVar[str] = "mul8s_tosam_h0t3"

    def __post_init__(self) -> None:
        require("TOSAM", "product bits", self.product_bits, 0, 5)
        require("TOSAM", "sum bits", self.sum_bits, self.product_bits + 1, 7)

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        return cls(int(match[1]), int(match[2]))

    @property
    def name(self) -> str:
        return f"mul8s_tosam_h{self.product_bits}t{self.sum_bits}"

    def magnitude_product(self, x: Integers, y: Integers) -> Integers:
        return tosam_product(x, y, self.product_bits, self.sum_bits)
