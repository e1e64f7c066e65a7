"""Family: a parameterized arithmetic circuit described by its law. The contract that every family module fulfils.

A family is a frozen dataclass whose fields are the paper's parameters. It answers four things: its `name` (which
`from_name` parses back), the law as a `table()`, the source of the law, and itself as a `Block` without costs.
Every family is a signed 8×8 multiplier (`s8×s8`) unless its class says otherwise; how it treats the sign is the first
thing its module docstring states. Laws are written as pure array functions of integers of any width where the paper's
published error figures are for another width, so that tests can check the very same function against them.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import fields
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from hawx.blocks.block import Block, Table
from hawx.errors import InputError
from hawx.formats import S8, IntFormat

Integers = NDArray[np.int64]
"""Operand or product values, any shape, int64."""


class Family(ABC):
    """One parameterized circuit. Subclasses are frozen dataclasses with slots."""

    __slots__ = ()

    SOURCE: ClassVar[str]
    """Paper, and equation or figure, in which the law is stated."""
    PATTERN: ClassVar[re.Pattern[str]]
    """Full match of the family's names; `from_match` turns the groups into parameters."""
    EXAMPLE: ClassVar[str]
    """A name of the family, shown where a name is not understood."""

    @classmethod
    @abstractmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        """Return the member whose name matched `PATTERN`."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The block's (and its RTL module's) name, for example `mul8s_drum4`."""

    @abstractmethod
    def product(self, a: Integers, w: Integers) -> Integers:
        """Return the circuit's product of activations `a` and weights `w` (broadcast against each other), int64."""

    @property
    def formats(self) -> tuple[IntFormat, IntFormat]:
        return (S8, S8)

    def table(self) -> Table:
        """Return `table[a, w]`, (256, 256) int32, value order."""
        a, w = (f.values().astype(np.int64) for f in self.formats)
        return self.product(a[:, None], w[None, :]).astype(np.int32)

    def block(self) -> Block:
        """Return the block, without costs; its provenance names family, parameters and source."""
        parameters: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
        provenance = {"family": type(self).__name__, "parameters": parameters, "source": self.SOURCE}
        return Block.from_table(self.table(), name=self.name, formats=self.formats, provenance=provenance)


def require(family: str, parameter: str, value: int, low: int, high: int) -> None:
    """Check one integer parameter.

    Raises:
        InputError: `value` is outside `low..high`.
    """
    if not low <= value <= high:
        raise InputError(f"{family} {parameter} {value!r} is out of range; expected {low} to {high}.")
