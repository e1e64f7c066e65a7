"""Truncated multipliers: whole columns, or the low bits of the operands, are left out.

Signs: two's complement, modified Baugh–Wooley array.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from hawx.blocks.families.arrays import BITS, DROPPED, ArrayFamily, Placement, cell_weights, exact_placement
from hawx.blocks.families.family import require


@dataclass(frozen=True, slots=True)
class ColumnTruncated(ArrayFamily):
    """The `columns` least significant columns of the array are absent: cells with i + j < columns.

    With `compensated`, the mean of what is left out (under uniform operands, rounded) is added as a constant. Its bits
    below the first kept column are output bits tied to 1 and cost nothing. The price: `T[0, w]` is not 0.
    """

    columns: int
    compensated: bool = False

    SOURCE: ClassVar[str] = (
        "Y. C. Lim, Single-Precision Multiplier with Reduced Circuit Complexity for Signal Processing Applications, IEEE Trans. Computers "
        "41(10), 1992; constant correction: M. J. Schulte, E. E. Swartzlander, Truncated Multiplication with Correction Constant, "
        "VLSI Signal Processing VI, 1993"
    )
    PATTERN: ClassVar[re.Pattern[str]] = re.compile(r"mul8s_tc(c?)(\d+)")
    EXAMPLE: ClassVar[str] = "mul8s_tc4"

    def __post_init__(self) -> None:
        require("column truncation", "columns", self.columns, 1, 2 * BITS - 2)

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        return cls(int(match[2]), compensated=bool(match[1]))

    @property
    def name(self) -> str:
        return f"mul8s_tc{'c' if self.compensated else ''}{self.columns}"

    def placement(self) -> Placement:
        exact = exact_placement()
        return np.where(exact < self.columns, DROPPED, exact)

    @property
    def constant(self) -> int:
        """A quarter of the weights of the missing cells (each is 1 for a quarter of the operand pairs), rounded half to even."""
        if not self.compensated:
            return 0
        missing = cell_weights(exact_placement(), self.formats) - cell_weights(self.placement(), self.formats)
        return round(int(missing.sum()) / 4)


@dataclass(frozen=True, slots=True)
class VariableTruncated(ArrayFamily):
    """Truncation of the low `columns` columns with variable correction: the last of them is added one column higher.

    The cells of column `columns - 1` count double and so stand for the columns below, too. Unlike a constant, the
    correction vanishes for a zero operand.
    """

    columns: int

    SOURCE: ClassVar[str] = (
        "E. J. King, E. E. Swartzlander, Data-Dependent Truncation Scheme for Parallel Multipliers, "
        "31st Asilomar Conf. Signals, Systems and Computers, 1997"
    )
    PATTERN: ClassVar[re.Pattern[str]] = re.compile(r"mul8s_vct(\d+)")
    EXAMPLE: ClassVar[str] = "mul8s_vct6"

    def __post_init__(self) -> None:
        require("variable-correction truncation", "columns", self.columns, 2, BITS)

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        return cls(int(match[1]))

    @property
    def name(self) -> str:
        return f"mul8s_vct{self.columns}"

    def placement(self) -> Placement:
        exact = exact_placement()
        kept = np.where(exact < self.columns - 1, DROPPED, exact)
        return np.where(exact == self.columns - 1, self.columns, kept)


@dataclass(frozen=True, slots=True)
class OperandTruncated(ArrayFamily):
    """The low `activation_bits` and `weight_bits` of the operands are taken as 0: a smaller array on the high bits.

    `T[a, w] = (a & ~(2**m - 1))·(w & ~(2**n - 1))`. With m = n = 1, 2, 3 its error figures are those that EvoApproxLib
    publishes for mul8s_1L2J, mul8s_1L2L and mul8s_1L2N (release v2022).
    """

    activation_bits: int
    weight_bits: int

    SOURCE: ClassVar[str] = (
        "S. Mittal, A Survey of Techniques for Approximate Computing, ACM Computing Surveys 48(4), 2016, section 4.1 (precision scaling)"
    )
    PATTERN: ClassVar[re.Pattern[str]] = re.compile(r"mul8s_ot(?:(\d+)|_a(\d+)w(\d+))")
    EXAMPLE: ClassVar[str] = "mul8s_ot2"

    def __post_init__(self) -> None:
        require("operand truncation", "activation_bits", self.activation_bits, 0, BITS - 1)
        require("operand truncation", "weight_bits", self.weight_bits, 0, BITS - 1)
        require("operand truncation", "activation_bits + weight_bits", self.activation_bits + self.weight_bits, 1, 2 * BITS - 2)

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        both, activation, weight = match.groups()
        return cls(int(both or activation), int(both or weight))

    @property
    def name(self) -> str:
        if self.activation_bits == self.weight_bits:
            return f"mul8s_ot{self.activation_bits}"
        return f"mul8s_ot_a{self.activation_bits}w{self.weight_bits}"

    def placement(self) -> Placement:
        placement = exact_placement()
        placement[: self.activation_bits, :] = DROPPED
        placement[:, : self.weight_bits] = DROPPED
        return placement
