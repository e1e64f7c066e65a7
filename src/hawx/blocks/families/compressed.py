"""Compressed arrays: in the low columns several cells share one cheap gate or compressor instead of exact adders.

Signs: two's complement, modified Baugh–Wooley array. Only columns below 7 are compressed, where no cell has negative weight.
A zero operand gives 0 with every family here: neither an OR nor the compressor makes a 1 out of zeros.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from hawx.blocks.families.arrays import BITS, DROPPED, ArrayFamily, Placement, bits, exact_placement, wrapped
from hawx.blocks.families.family import Integers, require

LAST_POSITIVE_COLUMNS = BITS - 1
"""Columns 0 to 6 hold no complemented cell."""

Cell = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Group:
    """Cells of one column that are compressed together."""

    column: int
    cells: tuple[Cell, ...]


class CompressedArray(ArrayFamily):
    """An array some of whose cells go through a compressing gate; `placement` holds the others."""

    __slots__ = ()

    @abstractmethod
    def groups(self) -> tuple[Group, ...]:
        """Return the compressed groups."""

    @abstractmethod
    def compress(self, cells: Integers) -> Integers:
        """Return what a group adds in units of its column's weight, given its cells 0/1 along the last axis."""

    def placement(self) -> Placement:
        placement = exact_placement()
        for group in self.groups():
            for cell in group.cells:
                placement[cell] = DROPPED
        return placement

    def product(self, a: Integers, w: Integers) -> Integers:
        """Return the exact sum of the other cells plus every group's compressed value."""
        a_bits, w_bits = bits(a), bits(w)
        total = ArrayFamily.product(self, a, w)
        for group in self.groups():
            cells = np.stack(np.broadcast_arrays(*(a_bits[..., i] & w_bits[..., j] for i, j in group.cells)), axis=-1)
            total = total + (self.compress(cells) << group.column)
        return wrapped(total, self.formats[0])


def column_cells(column: int) -> list[Cell]:
    """Return the cells of one column in the order of their rows (weight bits)."""
    return [(column - j, j) for j in range(BITS) if 0 <= column - j < BITS]


@dataclass(frozen=True, slots=True)
class OrCompressed(CompressedArray):
    """In the low `columns` columns, the cells of each `depth` neighboring rows are OR-ed into one (significance-driven logic compression).

    An OR is never above the sum, so products are never too large. With `depth` 8 each low column is a single OR.
    """

    columns: int
    depth: int

    SOURCE: ClassVar[str] = (
        "I. Qiqieh, R. Shafik, G. Tarawneh, D. Sokolov, A. Yakovlev, Energy-Efficient Approximate Multiplier Design using Bit "
        "Significance-Driven Logic Compression, DATE 2017, section II"
    )
    PATTERN: ClassVar[re.Pattern[str]] = re.compile(r"mul8s_or(\d+)d(\d+)")
    EXAMPLE: ClassVar[str] = "mul8s_or6d2"

    def __post_init__(self) -> None:
        require("OR compression", "columns", self.columns, 2, LAST_POSITIVE_COLUMNS)
        require("OR compression", "depth", self.depth, 2, BITS)

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        return cls(int(match[1]), int(match[2]))

    @property
    def name(self) -> str:
        return f"mul8s_or{self.columns}d{self.depth}"

    def groups(self) -> tuple[Group, ...]:
        found = []
        for column in range(self.columns):
            for first in range(0, BITS, self.depth):
                cells = tuple((i, j) for i, j in column_cells(column) if first <= j < first + self.depth)
                if len(cells) > 1:
                    found.append(Group(column, cells))
        return tuple(found)

    def compress(self, cells: Integers) -> Integers:
        either: Integers = cells.max(axis=-1)
        return either


@dataclass(frozen=True, slots=True)
class ApproximateCompressors(CompressedArray):
    """In the low `columns` columns, every four cells go through the approximate 4:2 compressor of Venkatachalam and Ko.

    `W1 = x1·x2`, `W2 = x3·x4`, `sum = (x1 ⊕ x2) | (x3 ⊕ x4) | W1·W2`, `carry = W1 | W2`: at most one too small.
    """

    columns: int

    SOURCE: ClassVar[str] = (
        "S. Venkatachalam, S.-B. Ko, Design of Power and Area Efficient Approximate Multipliers, IEEE Trans. VLSI 25(5), 2017, section II-B "
        "(approximate 4-2 compressor)"
    )
    PATTERN: ClassVar[re.Pattern[str]] = re.compile(r"mul8s_ac(\d+)")
    EXAMPLE: ClassVar[str] = "mul8s_ac6"

    def __post_init__(self) -> None:
        require("approximate compressors", "columns", self.columns, 4, LAST_POSITIVE_COLUMNS)

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        return cls(int(match[1]))

    @property
    def name(self) -> str:
        return f"mul8s_ac{self.columns}"

    def groups(self) -> tuple[Group, ...]:
        found = []
        for column in range(self.columns):
            cells = column_cells(column)
            found += [Group(column, tuple(cells[k : k + 4])) for k in range(0, len(cells) - 3, 4)]
        return tuple(found)

    def compress(self, cells: Integers) -> Integers:
        x1, x2, x3, x4 = (cells[..., k] for k in range(4))
        w1, w2 = x1 & x2, x3 & x4
        value: Integers = ((x1 ^ x2) | (x3 ^ x4) | (w1 & w2)) + 2 * (w1 | w2)
        return value
