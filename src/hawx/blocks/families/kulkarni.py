"""Kulkarni's underdesigned multiplier: exact shifts and sums of 2×2 blocks whose only fault is 3·3 = 7.

Signs: sign-magnitude (the paper is about unsigned numbers).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from hawx.blocks.families.family import Integers
from hawx.blocks.families.magnitude import MagnitudeFamily


def kulkarni_product(x: Integers, y: Integers, width: int) -> Integers:
    """Return the product of unsigned integers of `width` bits: exact but for `2·4**(d+e)` per pair of digits d, e that are both 3."""
    product: Integers = np.asarray(x * y)
    for d in range(0, width, 2):
        for e in range(0, width, 2):
            product = product - np.where(((x >> d) & 3 == 3) & ((y >> e) & 3 == 3), 2 << (d + e), 0)
    return product


@dataclass(frozen=True, slots=True)
class Kulkarni(MagnitudeFamily):
    """All sixteen 2×2 blocks inaccurate."""

    SOURCE: ClassVar[str] = (
        "P. Kulkarni, P. Gupta, M. Ercegovac, Trading Accuracy for Power with an Underdesigned Multiplier Architecture, "
        "24th Int. Conf. VLSI Design, 2011, figures 1 and 2"
    )
    PATTERN: ClassVar[re.Pattern[str]] = re.compile(r"mul8s_kulkarni")
    EXAMPLE: ClassVar[str] = "mul8s_kulkarni"

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        return cls()

    @property
    def name(self) -> str:
        return "mul8s_kulkarni"

    def magnitude_product(self, x: Integers, y: Integers) -> Integers:
        return kulkarni_product(x, y, 8)
