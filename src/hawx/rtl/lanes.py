"""SystemVerilog of one layer of a spatial accelerator: lanes of SIMD multipliers, an adder tree and an accumulator each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hawx.errors import InputError
from hawx.rtl.project import PRODUCT_BITS, Multiplier, RtlProject, Stimulus, bits_for, codes_text, memory_files, module_files, shift_up
from hawx.rtl.testbench import testbench

Codes = NDArray[np.int8] | NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerSpec:
    """A layer folded onto `pe` × `simd` multipliers; `blocks[f]` is the block of filter f, an index into `multipliers`."""

    pe: int
    simd: int
    reduction: int
    blocks: tuple[int, ...]
    multipliers: tuple[Multiplier, ...]
    name: str = "layer"
    """Of its module; those of its lanes begin with it."""

    def __post_init__(self) -> None:
        if len(self.blocks) % self.pe or self.reduction % self.simd:
            raise InputError(
                f"folding pe = {self.pe}, simd = {self.simd} does not divide {len(self.blocks)} filters and {self.reduction} products per output; "
                "expected divisors of both."
            )

    @property
    def fold(self) -> int:
        """Filters that take turns on one lane."""
        return len(self.blocks) // self.pe

    @property
    def bits(self) -> int:
        """Accumulator width."""
        return bits_for(self.reduction)

    @cached_property
    def lanes(self) -> tuple[tuple[int, tuple[int, ...]], ...]:
        """(block, its filters in turn) of every lane: filters of a block fill as few lanes as hold them."""
        result = []
        for index in sorted(set(self.blocks)):
            filters = [f for f, block in enumerate(self.blocks) if block == index]
            result += [(index, tuple(filters[start : start + self.fold])) for start in range(0, len(filters), self.fold)]
        return tuple(result)


def lane_name(spec: LayerSpec, index: int) -> str:
    """Return the module name of a lane of this block."""
    return f"{spec.name}_lane_{spec.multipliers[index].module}"


def lane_module(spec: LayerSpec, index: int) -> str:
    """Return one lane: weights are registered here, activations come registered; `first` starts a new sum."""
    multiplier, simd = spec.multipliers[index], spec.simd
    zeros = min(multiplier.zeros, PRODUCT_BITS - 1)  # bits that no product ever sets are neither added nor stored
    bits, kept = spec.bits, spec.bits - zeros
    lines = [
        f"module {lane_name(spec, index)} (",
        f"  input clk,\n  input first,\n  input [{8 * simd - 1}:0] a,\n  input [{8 * simd - 1}:0] w,\n  output [{bits - 1}:0] acc",
        ");",
        f"  reg [{8 * simd - 1}:0] w_held;",
        *multiplier.products([f"product_{i}" for i in range(simd)]),
    ]
    for i in range(simd):
        part = f"[{8 * i + 7}:{8 * i}]"
        lines.append(f"  {multiplier.instance(f'multiplier_{i}', f'a{part}', f'w_held{part}', f'product_{i}')}")
    term = PRODUCT_BITS - zeros
    lines += [f"  wire [{term - 1}:0] term_{i} = product_{i}[{PRODUCT_BITS - 1}:{zeros}];" for i in range(simd)]
    tree, total, width = _adder_tree([f"term_{i}" for i in range(simd)], term, multiplier.is_signed)
    lines += tree
    top = f"{total}[{width - 1}]" if multiplier.is_signed else "1'b0"
    extended = f"{{{{{kept - width}{{{top}}}}}, {total}}}" if kept > width else f"{total}[{kept - 1}:0]"
    lines += [
        f"  wire [{kept - 1}:0] addend = {extended};",
        f"  reg [{kept - 1}:0] sum;",
        f"  assign acc = {{sum, {zeros}'b0}};" if zeros else "  assign acc = sum;",
        "  always @(posedge clk) begin",
        "    w_held <= w;",
        f"    sum <= (sum & {{{kept}{{~first}}}}) + addend;",
        "  end",
        "endmodule",
    ]
    return "\n".join(lines) + "\n"


def _adder_tree(names: list[str], width: int, is_signed: bool) -> tuple[list[str], str, int]:
    """Return the lines of a balanced tree over terms of `width` bits, the name of its sum and the sum's width."""
    lines: list[str] = []
    level = 0
    while len(names) > 1:
        level += 1
        grown = []
        for place in range(0, len(names) - 1, 2):
            terms = [f"{{{name}[{width - 1}], {name}}}" if is_signed else f"{{1'b0, {name}}}" for name in names[place : place + 2]]
            lines.append(f"  wire [{width}:0] sum_{level}_{place // 2} = {terms[0]} + {terms[1]};")
            grown.append(f"sum_{level}_{place // 2}")
        if len(names) % 2:
            last = names[-1]
            top = f"{last}[{width - 1}]" if is_signed else "1'b0"
            lines.append(f"  wire [{width}:0] sum_{level}_{len(names) // 2} = {{{top}, {last}}};")
            grown.append(f"sum_{level}_{len(names) // 2}")
        names, width = grown, width + 1
    return lines, names[0], width


def layer_module(spec: LayerSpec) -> str:
    """Return the layer: one registered activation word feeds all lanes; `acc` holds lane i at bits i·width."""
    simd, bits, lanes = spec.simd, spec.bits, spec.lanes
    word = 8 * simd
    lines = [
        f"module {spec.name} (",
        f"  input clk,\n  input first,\n  input [{word - 1}:0] a,\n  input [{word * len(lanes) - 1}:0] w,\n  output [{bits * len(lanes) - 1}:0] acc",
        ");",
        f"  reg [{word - 1}:0] a_held;",
        "  reg first_held;",
        "  always @(posedge clk) begin",
        "    a_held <= a;",
        "    first_held <= first;",
        "  end",
    ]
    for shift in sorted({spec.multipliers[index].shift for index, _ in lanes} - {0}):  # once for all lanes
        lines.append(f"  wire [{word - 1}:0] a_up_{shift};")
        for i in range(simd):
            part = f"[{8 * i + 7}:{8 * i}]"
            lines.append(f"  {shift_up(shift)} up_{shift}_{i} (.a(a_held{part}), .y(a_up_{shift}{part}));")
    for place, (index, _) in enumerate(lanes):
        shift = spec.multipliers[index].shift
        pins = f".clk(clk), .first(first_held), .a({f'a_up_{shift}' if shift else 'a_held'}), .w(w[{word * (place + 1) - 1}:{word * place}])"
        lines.append(f"  {lane_name(spec, index)} lane_{place} ({pins}, .acc(acc[{bits * (place + 1) - 1}:{bits * place}]));")
    return "\n".join([*lines, "endmodule"]) + "\n"


def stimulus(spec: LayerSpec, codes: Codes, weights: Codes) -> Stimulus:
    """Return the operand words of the folded layer and its expected accumulators, from the reference emulator.

    Args:
        codes: (pixels, K) activation codes, one receptive field per row.
        weights: (filters, K) weight codes.
    """
    from hawx.emulate import reference  # loads torch: synthesis needs this module without it

    expected = reference.matmul(codes, weights, [spec.multipliers[index].block for index in spec.blocks])
    simd, steps = spec.simd, spec.reduction // spec.simd
    firsts: list[int] = []
    a_words: list[int] = []
    w_words: list[int] = []
    checks: list[tuple[int, list[int | None]]] = []
    words = [[codes_text(row[s * simd : (s + 1) * simd]) for s in range(steps)] for row in weights]
    for pixel, row in enumerate(codes):
        for turn in range(spec.fold):
            for step in range(steps):
                firsts.append(int(step == 0))
                a_words.append(codes_text(row[step * simd : (step + 1) * simd]))
                w_words.append(
                    sum(words[filters[turn]][step] << (8 * simd * lane) for lane, (_, filters) in enumerate(spec.lanes) if turn < len(filters))
                )
            wanted = [int(expected[pixel, filters[turn]]) if turn < len(filters) else None for _, filters in spec.lanes]
            checks.append((len(firsts), wanted))  # operands are registered: the sum stands one edge later
    firsts.append(0)
    a_words.append(0)
    w_words.append(0)
    widths = {"first": 1, "a": 8 * simd, "w": 8 * simd * len(spec.lanes)}
    return Stimulus(widths=widths, inputs={"first": firsts, "a": a_words, "w": w_words}, checks=checks)


def layer_project(spec: LayerSpec, codes: Codes, weights: Codes) -> RtlProject:
    """Return the layer with a testbench that runs these receptive fields through it; arguments as of `stimulus`."""
    used = sorted(set(spec.blocks))
    driven = stimulus(spec, codes, weights)
    sources = module_files([spec.multipliers[index] for index in used])
    sources |= {f"{lane_name(spec, index)}.sv": lane_module(spec, index) for index in used}
    sources[f"{spec.name}.sv"] = layer_module(spec)
    return RtlProject(
        top=spec.name,
        sources=sources,
        bench=testbench(spec.name, driven, len(spec.lanes), spec.bits) | memory_files([spec.multipliers[index] for index in used]),
        parts=tuple(lane_name(spec, index) for index in used),
        stimulus=driven,
        accumulator_bits=spec.bits,
        latency=2,
        is_synthesizable=not any(spec.multipliers[index].is_table for index in used),
    )
