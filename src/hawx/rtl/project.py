"""RtlProject: SystemVerilog sources with a self-checking testbench and its vectors, as texts. Nothing here touches a file or a tool."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import ceil, log2

import numpy as np
from numpy.typing import NDArray

from hawx.blocks import Block, Table
from hawx.errors import InputError
from hawx.rtl.text import quiet
from hawx.wiring import Wiring

PRODUCT_BITS = 16
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, kw_only=True, eq=False)
class Multiplier:
    """A block with its Verilog: `module` has the ports `A` (activation), `B` (weight) and `O`, or those that `ports` names."""

    block: Block
    module: str
    verilog: str
    ports: tuple[str, str, str] = ("A", "B", "O")
    data: str = ""
    """Memory content of a table that stands in for a circuit: it simulates, and cannot be synthesized to a meaningful area."""
    shift: int = 0
    """Bits by which activations are shifted up on their way to it: whoever instantiates it feeds them through a `shift_up` module."""

    def __post_init__(self) -> None:
        for name in (self.module, *self.ports):
            if _IDENTIFIER.fullmatch(name) is None:
                raise InputError(f"block {self.block.name!r} has the Verilog name {name!r}; expected a plain identifier (letters, digits, '_').")
        low, high = int(self.block.table.min()), int(self.block.table.max())
        signed = self.is_signed
        if low < (-(1 << 15) if signed else 0) or high >= (1 << 15 if signed else 1 << 16):
            raise InputError(f"products of block {self.block.name!r} span {low}..{high}; expected what 16 bits hold.")

    def wired(self, wiring: Wiring) -> Multiplier:
        """Return the circuit with its operands wired so; `block` is what it multiplies then."""
        a, w, product = self.ports
        return replace(self, block=self.block.wired(wiring), ports=(w, a, product) if wiring.swapped else self.ports, shift=wiring.shift)

    @property
    def is_table(self) -> bool:
        """Whether this is a memory of all products, not a circuit."""
        return bool(self.data)

    @property
    def is_signed(self) -> bool:
        return any(f.signed for f in self.block.formats)

    @property
    def zeros(self) -> int:
        """Low product bits that are always 0."""
        return constant_lsbs(self.block.table)

    @property
    def zero_corrupts(self) -> bool:
        """Whether an idle operand pair adds something: `T[0, w] ≠ 0` for some w, so that a lane needs a valid bit."""
        a, w = self.block.formats
        return bool(self.block.table[0 - a.min].any() or self.block.table[:, 0 - w.min].any())

    def instance(self, name: str, a: str, w: str, product: str) -> str:
        """Return the instantiation text."""
        return f"{self.module} {name} (.{self.ports[0]}({a}), .{self.ports[1]}({w}), .{self.ports[2]}({product}));"

    def products(self, names: Sequence[str]) -> list[str]:
        """Return the lines that declare wires for its products."""
        wires = [f"  wire [{PRODUCT_BITS - 1}:0] {', '.join(names)};"]
        return quiet(wires, f"The low {self.zeros} bits are always 0.") if self.zeros else wires

    def extended(self, product: str, bits: int) -> str:
        """Return the text of `product` extended to `bits`."""
        top = f"{product}[{PRODUCT_BITS - 1}]" if self.is_signed else "1'b0"
        return f"{{{{{bits - PRODUCT_BITS}{{{top}}}}}, {product}}}" if bits > PRODUCT_BITS else product


@dataclass(frozen=True, slots=True, kw_only=True)
class Stimulus:
    """What a testbench drives and expects.

    `inputs[port]` holds one integer per cycle; `checks` are (cycle, expected value per accumulator or None where it does not matter),
    compared after that cycle's clock edge, in order, at most one per cycle.
    """

    widths: Mapping[str, int]
    inputs: Mapping[str, Sequence[int]]
    checks: Sequence[tuple[int, Sequence[int | None]]]

    @property
    def cycles(self) -> int:
        return len(next(iter(self.inputs.values())))

    @property
    def places(self) -> list[tuple[str, int, int]]:
        """(port, lowest bit, bits) of every port in the word of a cycle, the first port lowest."""
        lows = accumulate(self.widths.values(), initial=0)
        return [(port, low, size) for (port, size), low in zip(self.widths.items(), lows, strict=False)]

    def word(self, cycle: int) -> int:
        """Return the inputs of a cycle side by side."""
        return sum((self.inputs[port][cycle] & ((1 << size) - 1)) << low for port, low, size in self.places)

    def sums(self, bits: int) -> list[int]:
        """Return the expected accumulators of every check side by side, `bits` each, the first one lowest."""
        return [side_by_side([value or 0 for value in values], bits) for _, values in self.checks]

    def masks(self, bits: int) -> list[int]:
        """Return the bits of `sums` that matter."""
        return [side_by_side([0 if value is None else -1 for value in values], bits) for _, values in self.checks]


def side_by_side(values: Sequence[int], bits: int) -> int:
    """Return numbers in two's complement of `bits` each as one, the first one lowest."""
    return sum((value % (1 << bits)) << (bits * place) for place, value in enumerate(values))


@dataclass(frozen=True, kw_only=True)
class RtlProject:
    """A design in SystemVerilog, its testbench, and the names a tool needs."""

    top: str
    sources: Mapping[str, str]
    """File name -> synthesizable text."""
    bench: Mapping[str, str]
    """File name -> testbench and its vectors."""
    parts: tuple[str, ...]
    """Modules that are synthesized one by one: the lanes."""
    stimulus: Stimulus
    """What the testbench drives and expects, as values."""
    accumulator_bits: int
    latency: int
    """Clock edges from the last operands of a sum to the accumulators that hold it."""
    is_synthesizable: bool

    @property
    def files(self) -> dict[str, str]:
        """File name -> text of all that goes into the folder."""
        return {**self.sources, **self.bench}

    @property
    def checked(self) -> int:
        """Accumulator values that the testbench compares."""
        return sum(value is not None for _, values in self.stimulus.checks for value in values)

    @property
    def cycles(self) -> int:
        """Clock cycles of the testbench."""
        return self.stimulus.cycles


def constant_lsbs(table: Table) -> int:
    """Return how many of the 16 low product bits are always 0, counted from the least significant one."""
    seen = int(np.bitwise_or.reduce(table.ravel())) & 0xFFFF
    return PRODUCT_BITS if seen == 0 else (seen & -seen).bit_length() - 1


def bits_for(reduction: int) -> int:
    """Return the accumulator width that no sum of `reduction` 16-bit products overflows."""
    return PRODUCT_BITS + (ceil(log2(reduction)) if reduction > 1 else 0)


def codes_text(values: NDArray[np.integer]) -> int:
    """Return 8-bit codes packed into one integer, element 0 lowest."""
    return int.from_bytes(np.asarray(values).astype(np.int64).astype(np.uint8).tobytes(), "little")


def memory_files(multipliers: Sequence[Multiplier]) -> dict[str, str]:
    """Return file name -> content of the memories of blocks known only by their tables."""
    return {f"{multiplier.module}.hex": multiplier.data for multiplier in multipliers if multiplier.is_table}


def shift_up(shift: int) -> str:
    """Return the name of the module that shifts activations up by `shift` bits."""
    return f"shift_up_{shift}"


def _shift_up_module(shift: int, signed: bool) -> str:
    """Return the module that clamps an activation to `8 - shift` bits and shifts it up (see `hawx.wiring.Wiring`)."""
    kept = 8 - shift
    if signed:
        fits, largest = f"a[7:{kept - 1}] == {{{shift + 1}{{a[7]}}}}", f"{{a[7], {{{kept - 1}{{~a[7]}}}}}}"
    else:
        fits, largest = f"a[7:{kept}] == {shift}'b0", f"{{{kept}{{1'b1}}}}"
    return f"""module {shift_up(shift)} (
  input [7:0] a,
  output [7:0] y
);
  assign y = {{({fits}) ? a[{kept - 1}:0] : {largest}, {shift}'b0}};
endmodule
"""


def _quiet_module(verilog: str) -> str:
    return "\n".join([*quiet([verilog.rstrip()], "A multiplier need not read every bit of its operands.", indent=""), ""])


def module_files(multipliers: Sequence[Multiplier]) -> dict[str, str]:
    """Return file name -> text of every distinct multiplier, and of what shifts their activations up.

    Raises:
        InputError: two different circuits share a module name.
    """
    files = {f"{shift_up(m.shift)}.sv": _shift_up_module(m.shift, m.block.formats[0].signed) for m in multipliers if m.shift}
    for multiplier in multipliers:
        name = f"{multiplier.module}.sv"
        if files.setdefault(name, text := _quiet_module(multiplier.verilog)) != text:
            raise InputError(f"two blocks share the Verilog module name {multiplier.module!r}; rename one of them.")
    return files
