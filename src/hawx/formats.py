"""Integer operand formats: the only source of widths, ranges and dtypes."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hawx.errors import InputError

CODES = 256
"""Number of codes of an 8-bit operand: tables are `(CODES, CODES)`."""


@dataclass(frozen=True, slots=True)
class IntFormat:
    """An integer format of `bits` bits, two's complement if `signed`. Its canonical name is `s8`, `u8`, …"""

    bits: int
    signed: bool

    @classmethod
    def parse(cls, name: str | IntFormat, widths: Container[int] = (8,)) -> IntFormat:
        """Return the format called `name` (`s8`, `u8`).

        Args:
            name: `s` or `u` and the number of bits.
            widths: numbers of bits that may be meant; networks know 8 alone.

        Raises:
            InputError: the name is not that of a format of such a width.
        """
        if isinstance(name, IntFormat):
            return name
        match = re.fullmatch(r"([su])(\d{1,2})", name)
        if match is None or int(match[2]) not in widths:
            raise InputError(f"operand format {name!r} is not known; expected 's8' or 'u8'.")
        return cls(bits=int(match[2]), signed=match[1] == "s")

    @property
    def name(self) -> str:
        return f"{'s' if self.signed else 'u'}{self.bits}"

    @property
    def min(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def max(self) -> int:
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    @property
    def dtype(self) -> np.dtype[np.integer]:
        """The NumPy dtype that holds the codes."""
        return np.dtype(f"{'int' if self.signed else 'uint'}{8 if self.bits <= 8 else 16}")

    def values(self) -> NDArray[np.int32]:
        """Return all codes in value order, shape `(2**bits,)`, int32."""
        return np.arange(self.min, self.max + 1, dtype=np.int32)

    def __str__(self) -> str:
        return self.name


S8 = IntFormat(8, True)
U8 = IntFormat(8, False)
