"""The exact multiplier, signed (`mul8s_exact`) or unsigned (`mul8u_exact`): the baseline of every comparison.

Signs: two's complement, modified Baugh–Wooley array.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

from hawx.blocks.families.arrays import ArrayFamily, Placement, exact_placement
from hawx.formats import S8, U8, IntFormat


@dataclass(frozen=True, slots=True)
class Exact(ArrayFamily):
    """`a·w`."""

    signed: bool = True

    SOURCE: ClassVar[str] = (
        "C. R. Baugh, B. A. Wooley, A Two's Complement Parallel Array Multiplication Algorithm, IEEE Trans. Computers C-22(12), 1973"
    )
    PATTERN: ClassVar[re.Pattern[str]] = re.compile(r"mul8(s|u)_exact")
    EXAMPLE: ClassVar[str] = "mul8s_exact"

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        return cls(signed=match[1] == "s")

    @property
    def name(self) -> str:
        return f"mul8{'s' if self.signed else 'u'}_exact"

    @property
    def formats(self) -> tuple[IntFormat, IntFormat]:
        return (S8, S8) if self.signed else (U8, U8)

    def placement(self) -> Placement:
        return exact_placement()
