"""Gates: a combinational netlist under construction, one assignment per gate, constants folded, dead gates left out.

Signals are strings, valid as SystemVerilog expressions without parentheses (`A[3]`, `n17`, `1'b0`). Words are lists of
signals, least significant first. Nothing here knows any family.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from hawx.errors import InputError

ZERO = "1'b0"
ONE = "1'b1"
WIDTH = 8
OUT_WIDTH = 16

Word = list[str]

_SIGNAL = re.compile(r"\bn\d+\b")


def port(name: str, width: int = WIDTH) -> Word:
    """Return the bits of an input port."""
    return [f"{name}[{i}]" for i in range(width)]


@dataclass(slots=True)
class Gates:
    """Gate-level assignments in topological order; identical gates are built once."""

    assignments: list[tuple[str, str]] = field(default_factory=list)
    _built: dict[str, str] = field(default_factory=dict)

    def _gate(self, expression: str) -> str:
        if expression not in self._built:
            wire = f"n{len(self.assignments)}"
            self.assignments.append((wire, expression))
            self._built[expression] = wire
        return self._built[expression]

    def inv(self, x: str) -> str:
        if x in (ZERO, ONE):
            return ONE if x == ZERO else ZERO
        return self._gate(f"~{x}")

    def all_of(self, x: str, y: str) -> str:
        """AND."""
        if ZERO in (x, y):
            return ZERO
        if ONE in (x, y) or x == y:
            return y if x == ONE else x
        return self._gate(f"{x} & {y}")

    def nand(self, x: str, y: str) -> str:
        if ZERO in (x, y):
            return ONE
        if ONE in (x, y):
            return self.inv(y if x == ONE else x)
        return self._gate(f"~({x} & {y})")

    def any_of(self, *signals: str) -> str:
        """OR of any number of signals, as a balanced tree."""
        live = [x for x in dict.fromkeys(signals) if x != ZERO]
        if ONE in live:
            return ONE
        while len(live) > 1:
            pairs = [live[i : i + 2] for i in range(0, len(live), 2)]
            live = [pair[0] if len(pair) == 1 else self._gate(f"{pair[0]} | {pair[1]}") for pair in pairs]
        return live[0] if live else ZERO

    def xor(self, x: str, y: str) -> str:
        if x == y:
            return ZERO
        for constant, other in ((x, y), (y, x)):
            if constant == ZERO:
                return other
            if constant == ONE:
                return self.inv(other)
        return self._gate(f"{x} ^ {y}")

    def mux(self, select: str, one: str, zero: str) -> str:
        """Return `one` where `select` is 1, else `zero`."""
        if select == ONE or one == zero:
            return one
        if select == ZERO:
            return zero
        if one == ZERO:
            return self.all_of(self.inv(select), zero)
        if zero == ZERO:
            return self.all_of(select, one)
        return self._gate(f"({select} & {one}) | (~{select} & {zero})")

    def add2(self, x: str, y: str) -> tuple[str, str]:
        """Half adder: (sum, carry)."""
        return self.xor(x, y), self.all_of(x, y)

    def add3(self, x: str, y: str, z: str) -> tuple[str, str]:
        """Full adder: (sum, carry). With a constant input it becomes the half adder or its complement."""
        bits = [x, y, z]
        for constant in (ZERO, ONE):
            if constant in bits:
                bits.remove(constant)
                p, q = bits
                if constant == ZERO:
                    return self.add2(p, q)
                return self.inv(self.xor(p, q)), self.any_of(p, q)
        total = self._gate(f"{x} ^ {y} ^ {z}")
        carry = self._gate(f"({x} & {y}) | ({z} & ({x} ^ {y}))")
        return total, carry

    def module(self, name: str, outputs: Word, comment: str) -> str:
        """Return the SystemVerilog text of module `name` with ports A, B and O.

        Raises:
            InputError: there are not 16 output bits.
        """
        if len(outputs) != OUT_WIDTH:
            raise InputError(f"module {name!r} has {len(outputs)} output bits; expected {OUT_WIDTH}.")
        expressions = dict(self.assignments)
        live: set[str] = set()
        pending = list(outputs)
        while pending:
            for wire in _SIGNAL.findall(pending.pop()):
                if wire not in live:
                    live.add(wire)
                    pending.append(expressions[wire])
        kept = [(wire, expression) for wire, expression in self.assignments if wire in live]
        lines = [f"// {line}".rstrip() for line in comment.splitlines()]
        lines += [f"module {name} (", "  input  [7:0] A,  // activation", "  input  [7:0] B,  // weight", "  output [15:0] O", ");"]
        names = [wire for wire, _ in kept]
        lines += [f"  wire {', '.join(names[i : i + 16])};" for i in range(0, len(names), 16)]
        lines += [f"  assign {wire} = {expression};" for wire, expression in kept]
        lines += [f"  assign O[{i}] = {signal};" for i, signal in enumerate(outputs)]
        return "\n".join([*lines, "endmodule", ""])
