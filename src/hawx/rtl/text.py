"""Pieces of SystemVerilog that modules are put together from: sized numbers, counters, memories of constants."""

from __future__ import annotations

from collections.abc import Sequence

ONE = "1'b1"


def width_of(count: int) -> int:
    """Return the bits that number `count` things, at least 1."""
    return max(1, (count - 1).bit_length())


def number(value: int, width: int) -> str:
    """Return a sized constant, two's complement."""
    return f"{width}'h{value & ((1 << width) - 1):x}"


def vector(width: int) -> str:
    """Return the range of a signal of `width` bits."""
    return f"[{width - 1}:0]"


def quiet(lines: Sequence[str], why: str, indent: str = "  ") -> list[str]:
    """Return lines in which signals, or bits of them, may stay unused without a warning of Verilator."""
    return [f"{indent}// {why}", f"{indent}// verilator lint_off UNUSEDSIGNAL", *lines, f"{indent}// verilator lint_on UNUSEDSIGNAL"]


def bus(names: Sequence[str]) -> str:
    """Return the signals side by side, the first one lowest."""
    return names[0] if len(names) == 1 else f"{{{', '.join(reversed(names))}}}"


def counters(limits: Sequence[tuple[str, int]], enable: str) -> list[str]:
    """Return the lines of nested counters, the first one fastest.

    Args:
        limits: (name, count): the signal `name` runs through 0..count-1, and `name`_last says that it stands at its end. Where the count is 1
            there is no signal.
        enable: the signal that moves the first one on.
    """
    lines: list[str] = []
    ends = [enable]
    for name, count in limits:
        if count > 1:
            bits = width_of(count)
            lines += [
                f"  reg {vector(bits)} {name};",
                f"  wire {name}_last = {name} == {number(count - 1, bits)};",
                "  always @(posedge clk)",
                f"    if (rst) {name} <= {number(0, bits)};",
                f"    else if ({' & '.join(ends)}) {name} <= {name}_last ? {number(0, bits)} : {name} + {number(1, bits)};",
            ]
            ends.append(f"{name}_last")
    return lines


def delayed(name: str, source: str, cycles: int) -> list[str]:
    """Return the lines of a flag `name` that is the flag `source`, `cycles` ≥ 1 clock edges later, and not set while reset."""
    before = f"{{{name}_line[{cycles - 2}:0], {source}}}" if cycles > 1 else source
    return [
        f"  reg {vector(cycles)} {name}_line;",
        f"  wire {name} = {name}_line[{cycles - 1}];",
        f"  always @(posedge clk) {name}_line <= rst ? {number(0, cycles)} : {before};",
    ]


def constants(name: str, words: Sequence[int], width: int, *, registered: bool = True) -> str:
    """Return a module that holds constants: `data` is word `address`, one clock edge later if `registered`; a single word has no address."""
    if len(words) == 1:
        return f"module {name} (\n  output {vector(width)} data\n);\n  assign data = {number(words[0], width)};\nendmodule\n"
    lines = [f"module {name} (", "  input clk," if registered else "", f"  input {vector(width_of(len(words)))} address,"]
    lines += [f"  output {'reg ' if registered else ''}{vector(width)} data", ");"]
    lines += [f"  reg {vector(width)} words [0:{len(words) - 1}];", "  initial begin"]
    lines += [f"    words[{place}] = {number(word, width)};" for place, word in enumerate(words)]
    lines += ["  end", "  always @(posedge clk) data <= words[address];" if registered else "  assign data = words[address];", "endmodule"]
    return "\n".join(line for line in lines if line) + "\n"
