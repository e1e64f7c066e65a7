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
    """BAM with vertical break level `vertical` (columns i + j < vertical) and a horizontal break level.

    The paper's rows are the products of one operand's bits. Either operand may be that one: `weight_rows` drops the products of
    the low weight bits (j < weight_rows), `activation_rows` those of the low activation bits (i < activation_rows). With
    neither, BAM is column truncation; with `vertical` 0 it is the perforation of the first partial products (G. Zervakis
    et al., IEEE Trans. VLSI 24(10), 2016). Twelve of the thirteen signed 8×8 circuits of EvoApproxLib v2022 are such arrays.
    """

    vertical: int
    weight_rows: int = 0
    activation_rows: int = 0

    SOURCE: ClassVar[str] = (
        "H. R. Mahdiani, A. Ahmadi, S. M. Fakhraie, C. Lucas, Bio-Inspired Imprecise Computational Blocks for Efficient VLSI Implementation "
        "of Soft-Computing Applications, IEEE Trans. Circuits and Systems I 57(4), 2010, section III (VBL, HBL)"
    )
    PATTERN: ClassVar[re.Pattern[str]] = re.compile(r"mul8s_bam_v(\d+)(?:h(\d+))?(?:a(\d+))?")
    EXAMPLE: ClassVar[str] = "mul8s_bam_v6h2"

    def __post_init__(self) -> None:
        require("broken array", "vertical break level", self.vertical, 0, 2 * BITS - 2)
        require("broken array", "horizontal break level on weight rows", self.weight_rows, 0, BITS - 1)
        require("broken array", "horizontal break level on activation rows", self.activation_rows, 0, BITS - 1)
        require("broken array", "sum of break levels", self.vertical + self.weight_rows + self.activation_rows, 1, 4 * BITS)

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        return cls(int(match[1]), int(match[2] or 0), int(match[3] or 0))

    @property
    def name(self) -> str:
        weight = f"h{self.weight_rows}" if self.weight_rows else ""
        activation = f"a{self.activation_rows}" if self.activation_rows else ""
        return f"mul8s_bam_v{self.vertical}{weight}{activation}"

    def placement(self) -> Placement:
        placement = exact_placement()
        placement[placement < self.vertical] = DROPPED
        placement[:, : self.weight_rows] = DROPPED
        placement[: self.activation_rows, :] = DROPPED
        return placement
