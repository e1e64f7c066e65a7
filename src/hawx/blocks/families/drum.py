"""DRUM: a small exact multiplier on the leading bits of each operand, unbiased by a 1 in place of what is cut off.

Signs: sign-magnitude, as the paper's section on signed multiplication.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from hawx.blocks.families.family import Integers, require
from hawx.blocks.families.magnitude import MagnitudeFamily, leading_one


def drum_operand(x: Integers, kept: int) -> Integers:
    """Return `x` reduced to the `kept` bits from its leading one, the last of them set to 1; unchanged below `2**kept`.

    Setting the last kept bit stands for the expected value of the bits cut off (Hashemi et al. 2015, section 3).
    """
    cut = np.maximum(leading_one(x) - (kept - 1), 0)
    return np.where(cut > 0, ((x >> cut) | 1) << cut, x)


def drum_product(x: Integers, y: Integers, kept: int) -> Integers:
    """Return the DRUM-`kept` product of unsigned integers of any width up to 31 bits."""
    return drum_operand(x, kept) * drum_operand(y, kept)


@dataclass(frozen=True, slots=True)
class Drum(MagnitudeFamily):
    """DRUM-k with `kept` = k bits per operand, 3 to 7 (with 2, `128·128` would be 36864, beyond the 16-bit signed output)."""

    kept: int

    SOURCE: ClassVar[str] = (
        "S. Hashemi, R. I. Bahar, S. Reda, DRUM: A Dynamic Range Unbiased Multiplier for Approximate Applications, ICCAD 2015, section 3 and table 1"
    )
    PATTERN: ClassVar[re.Pattern[str]] = re.compile(r"mul8s_drum(\d+)")
    EXAMPLE: ClassVar[str] = "mul8s_drum4"

    def __post_init__(self) -> None:
        require("DRUM", "kept bits", self.kept, 3, 7)

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        return cls(int(match[1]))

    @property
    def name(self) -> str:
        return f"mul8s_drum{self.kept}"

    def magnitude_product(self, x: Integers, y: Integers) -> Integers:
        return drum_product(x, y, self.kept)
