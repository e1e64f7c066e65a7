"""SystemVerilog of an output-stationary systolic array whose columns (partitioned) or lanes (multi-mode) hold different blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hawx.errors import InputError
from hawx.rtl.project import PRODUCT_BITS, Multiplier, RtlProject, Stimulus, codes_text, memory_files, module_files, shift_up
from hawx.rtl.testbench import testbench
from hawx.rtl.text import quiet

Codes = NDArray[np.int8] | NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class ArraySpec:
    """A rows × columns array. `columns[c]` lists the blocks that column c holds, as indices into `multipliers`: one, or several modes."""

    rows: int
    columns: tuple[tuple[int, ...], ...]
    multipliers: tuple[Multiplier, ...]
    accumulator_bits: int = 32

    @property
    def needs_valid(self) -> bool:
        """Whether idle operands would disturb an accumulator."""
        return any(self.multipliers[index].zero_corrupts for modes in self.columns for index in modes)

    @property
    def modes(self) -> int:
        """Most blocks in one column."""
        return max(len(modes) for modes in self.columns)


def lane_name(spec: ArraySpec, modes: Sequence[int]) -> str:
    """Return the module name of a lane that holds these blocks."""
    return "lane_" + "_".join(spec.multipliers[index].module for index in modes)


def lane_module(spec: ArraySpec, modes: Sequence[int]) -> str:
    """Return one lane: operands pass through registers, the product of the selected block is accumulated."""
    bits = spec.accumulator_bits
    valid = spec.needs_valid
    several = len(modes) > 1
    ports = ["input clk", "input clear"]
    ports += ["input valid_in", "output reg valid_out"] if valid else []
    ports += [f"input [{len(modes) - 1}:0] mode"] if several else []
    ports += ["input [7:0] a_in", "input [7:0] w_in", "output reg [7:0] a_out", "output reg [7:0] w_out", f"output [{bits - 1}:0] acc"]
    zeros = min(PRODUCT_BITS - 1, *(spec.multipliers[index].zeros for index in modes))  # bits that no product ever sets are not stored
    kept = bits - zeros
    lines = [f"module {lane_name(spec, modes)} (", "  " + ",\n  ".join(ports), ");"]
    terms = []
    for place, index in enumerate(modes):
        multiplier = spec.multipliers[index]
        a, w = "a_in", "w_in"
        if several:  # operand isolation: an idle block sees zeros and does not switch
            a, w = f"a_in & {{8{{mode[{place}]}}}}", f"w_in & {{8{{mode[{place}]}}}}"
        if multiplier.shift:
            lines += [f"  wire [7:0] a_up_{place};", f"  {shift_up(multiplier.shift)} up_{place} (.a({a}), .y(a_up_{place}));"]
            a = f"a_up_{place}"
        lines += [*multiplier.products([f"product_{place}"]), f"  {multiplier.instance(f'multiplier_{place}', a, w, f'product_{place}')}"]
        extended = multiplier.extended(f"product_{place}", bits)
        terms.append(f"({{{bits}{{mode[{place}]}}}} & {extended})" if several else extended)
    total = [f"  wire [{bits - 1}:0] product = {' | '.join(terms)};"]
    lines += quiet(total, "Bits that no product ever sets are not stored.") if zeros else total
    addend = f"product[{bits - 1}:{zeros}]"
    addend = f"({addend} & {{{kept}{{valid_in}}}})" if valid else addend
    lines += [
        f"  reg [{kept - 1}:0] sum;",
        f"  assign acc = {{sum, {zeros}'b0}};" if zeros else "  assign acc = sum;",
        "  always @(posedge clk) begin",
        "    a_out <= a_in;",
        "    w_out <= w_in;",
        *(["    valid_out <= valid_in;"] if valid else []),
        f"    sum <= (sum + {addend}) & {{{kept}{{~clear}}}};",
        "  end",
        "endmodule",
    ]
    return "\n".join(lines) + "\n"


def array_module(spec: ArraySpec, name: str = "systolic_array") -> str:
    """Return the array: activations enter rows from the left, weights enter columns from the top, `acc` holds lane (r, c) at r·C + c."""
    R, C, bits = spec.rows, len(spec.columns), spec.accumulator_bits
    ports = ["input clk", "input clear"]
    ports += [f"input [{R - 1}:0] valid"] if spec.needs_valid else []
    ports += [f"input [{C * spec.modes - 1}:0] mode"] if spec.modes > 1 else []
    ports += [f"input [{8 * R - 1}:0] a", f"input [{8 * C - 1}:0] w", f"output [{R * C * bits - 1}:0] acc"]
    lines = [f"module {name} (", "  " + ",\n  ".join(ports), ");"]
    wires = [f"  wire [7:0] {', '.join(f'a_{r}_{c}' for c in range(C + 1))};" for r in range(R)]
    if spec.needs_valid:
        wires += [f"  wire {', '.join(f'v_{r}_{c}' for c in range(C + 1))};" for r in range(R)]
    wires += [f"  wire [7:0] {', '.join(f'w_{r}_{c}' for r in range(R + 1))};" for c in range(C)]
    lines += quiet(wires, "What leaves the last row and column is not read.")
    for r in range(R):
        lines.append(f"  assign a_{r}_0 = a[{8 * r + 7}:{8 * r}];")
        if spec.needs_valid:
            lines.append(f"  assign v_{r}_0 = valid[{r}];")
    lines += [f"  assign w_0_{c} = w[{8 * c + 7}:{8 * c}];" for c in range(C)]
    for r in range(R):
        for c, modes in enumerate(spec.columns):
            at = (r * C + c) * bits
            pins = [".clk(clk)", ".clear(clear)"]
            pins += [f".valid_in(v_{r}_{c})", f".valid_out(v_{r}_{c + 1})"] if spec.needs_valid else []
            pins += [f".mode(mode[{c * spec.modes + len(modes) - 1}:{c * spec.modes}])"] if len(modes) > 1 else []
            pins += [f".a_in(a_{r}_{c})", f".w_in(w_{r}_{c})", f".a_out(a_{r}_{c + 1})", f".w_out(w_{r + 1}_{c})", f".acc(acc[{at + bits - 1}:{at}])"]
            lines.append(f"  {lane_name(spec, modes)} lane_{r}_{c} ({', '.join(pins)});")
    return "\n".join([*lines, "endmodule"]) + "\n"


@dataclass(frozen=True, slots=True)
class Tile:
    """One pass over the array: `pixels[r]` and `filters[c]` are indices, -1 where a row or column idles."""

    pixels: tuple[int, ...]
    filters: tuple[int, ...]
    modes: tuple[int, ...]
    """Mode of each column."""


def tiles(spec: ArraySpec, pixels: int, blocks: Sequence[int]) -> list[Tile]:
    """Return the passes that compute `pixels` outputs of filters whose blocks (indices into `multipliers`) are `blocks`.

    Raises:
        InputError: no column holds the block of some filter.
    """
    waiting = list(range(len(blocks)))
    result = []
    while waiting:
        filters, modes = [-1] * len(spec.columns), [0] * len(spec.columns)
        for c, held in enumerate(spec.columns):
            filter_index = next((f for f in waiting if blocks[f] in held), None)
            if filter_index is not None:
                waiting.remove(filter_index)
                filters[c], modes[c] = filter_index, held.index(blocks[filter_index])
        if all(f < 0 for f in filters):
            name = spec.multipliers[blocks[waiting[0]]].block.name
            raise InputError(f"no column of the array holds block {name!r} of filter {waiting[0]}; expected one for every block the layer uses.")
        for start in range(0, pixels, spec.rows):
            rows = tuple(p if p < pixels else -1 for p in range(start, start + spec.rows))
            result.append(Tile(rows, tuple(filters), tuple(modes)))
    return result


def stimulus(spec: ArraySpec, codes: Codes, weights: Codes, blocks: Sequence[int]) -> Stimulus:
    """Return the skewed operand streams of a layer and its expected accumulators, from the reference emulator.

    Args:
        codes: (pixels, K) activation codes, one receptive field per row.
        weights: (filters, K) weight codes.
        blocks: index into `spec.multipliers` of each filter's block.
    """
    R, C, K = spec.rows, len(spec.columns), codes.shape[1]
    from hawx.emulate import reference  # loads torch: synthesis needs this module without it

    expected = reference.matmul(codes, weights, [spec.multipliers[index].block for index in blocks])
    widths: dict[str, int] = {"clear": 1}
    if spec.needs_valid:
        widths["valid"] = R
    if spec.modes > 1:
        widths["mode"] = C * spec.modes
    widths |= {"a": 8 * R, "w": 8 * C}
    inputs: dict[str, list[int]] = {port: [] for port in widths}
    checks: list[tuple[int, list[int | None]]] = []

    def drive(clear: int, a: NDArray[np.int64], w: NDArray[np.int64], valid: int, mode: int) -> None:
        values = {"clear": clear, "valid": valid, "mode": mode, "a": codes_text(a), "w": codes_text(w)}
        for port in widths:
            inputs[port].append(values[port])

    no_a, no_w = np.zeros(R, np.int64), np.zeros(C, np.int64)
    for _ in range(R + C):  # flush what registers hold at power-up
        drive(1, no_a, no_w, 0, 0)
    for tile in tiles(spec, len(codes), blocks):
        mode = sum(1 << (c * spec.modes + tile.modes[c]) for c in range(C)) if spec.modes > 1 else 0
        drive(1, no_a, no_w, 0, mode)
        steps = K + R + C - 2
        a, w = np.zeros((steps, R), np.int64), np.zeros((steps, C), np.int64)
        valid = np.zeros((steps, R), bool)
        for r, pixel in enumerate(tile.pixels):
            valid[r : r + K, r] = True
            if pixel >= 0:
                a[r : r + K, r] = codes[pixel]
        for c, filter_index in enumerate(tile.filters):
            if filter_index >= 0:
                w[c : c + K, c] = weights[filter_index]
        for step in range(steps):
            drive(0, a[step], w[step], sum(1 << r for r in range(R) if valid[step, r]), mode)
        wanted = [int(expected[p, f]) if p >= 0 and f >= 0 else None for p in tile.pixels for f in tile.filters]
        checks.append((len(inputs["clear"]) - 1, wanted))
    return Stimulus(widths=widths, inputs=inputs, checks=checks)


def array_project(spec: ArraySpec, codes: Codes, weights: Codes, blocks: Sequence[int]) -> RtlProject:
    """Return the array with a testbench that runs a layer (or a part of one) through it; arguments as of `stimulus`."""
    used = sorted({index for modes in spec.columns for index in modes})
    distinct = sorted(set(spec.columns))
    driven = stimulus(spec, codes, weights, blocks)
    sources = module_files([spec.multipliers[index] for index in used])
    sources |= {f"{lane_name(spec, modes)}.sv": lane_module(spec, modes) for modes in distinct}
    sources["systolic_array.sv"] = array_module(spec)
    return RtlProject(
        top="systolic_array",
        sources=sources,
        bench=testbench("systolic_array", driven, spec.rows * len(spec.columns), spec.accumulator_bits)
        | memory_files([spec.multipliers[index] for index in used]),
        parts=tuple(lane_name(spec, modes) for modes in distinct),
        stimulus=driven,
        accumulator_bits=spec.accumulator_bits,
        latency=1,
        is_synthesizable=not any(spec.multipliers[index].is_table for index in used),
    )
