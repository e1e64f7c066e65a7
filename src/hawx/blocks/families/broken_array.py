"""Broken-array multiplier (BAM): cells right of a vertical and above a horizontal break of the carry-save array are omitted.

Signs: two's complement, modified Baugh–Wooley array (the paper draws the unsigned array; the breaks are the same).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

from hawx.blocks.families.arrays import BITS, DROPPED, ArrayFamily, Placement, exact_placement
from hawx.blocks.families.family import require


@dataclass(frozen=True, slots=True)
class BrokenArray(ArrayFamily):
    """BAM with vertical break level `vertical` (columns i + j < vertical) and horizontal break level `horizontal` (rows j < horizontal).

    Row j holds the products of weight bit j, so the horizontal break drops the low weight bits. `horizontal` 0 equals
    column truncation; `vertical` 0 equals the perforation of the first partial products (Zervakis et al., IEEE TVLSI 24(10), 2016).
    """

    vertical: int
    horizontal: int = 0

    SOURCE: ClassVar[str] = (
        "H. R. Mahdiani, A. Ahmadi, S. M. Fakhraie, C. Lucas, Bio-Inspired Imprecise Computational Blocks for Efficient VLSI Implementation "
        "of Soft-Computing Applications, IEEE Trans. Circuits and Systems I 57(4), 2010, section III (VBL, HBL)"
    )
    PATTERN: ClassVar[re.Pattern[str]] = re.compile(r"mul8s_bam_v(\d+)(?:h(\d+))?")
    EXAMPLE: ClassVar[str] = "mul8s_bam_v6h2"

    def __post_init__(self) -> None:
        require("broken array", "vertical break level", self.vertical, 0, 2 * BITS - 2)
        require("broken array", "horizontal break level", self.horizontal, 0, BITS - 1)
        require("broken array", "sum of break levels", self.vertical + self.horizontal, 1, 3 * BITS)

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        return cls(int(match[1]), int(match[2] or 0))

    @property
    def name(self) -> str:
        return f"mul8s_bam_v{self.vertical}" + (f"h{self.horizontal}" if self.horizontal else "")

    def placement(self) -> Placement:
        placement = exact_placement()
        placement[placement < self.vertical] = DROPPED
        placement[:, : self.horizontal] = DROPPED
        return placement
