"""Predicted against synthesized arrays: area and energy of the cost laws on arrays that were not used to fit their constants.

    python benchmarks/arrays_synthesis.py [--large] [--flat]

Every array is RTL of hawx.rtl mapped by Yosys to OSU018; energy is simulated on the mapped netlist with random operands (no glitches).
`--fit` prints the lane constants that the small training arrays give.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hawx.accelerators import Folding, Sharing, Spatial, Systolic
from hawx.blocks.families import family_block, from_name
from hawx.networks.layer import Layer, LayerKind
from hawx.rtl import ArraySpec, LayerSpec, Multiplier, RtlProject, array_project, layer_project
from hawx.rtl.multipliers import verilog
from hawx.synthesis.cells import cell_library
from hawx.synthesis.project import ProjectSynthesis, synthesize_project

WORDS = 8
CYCLES = 40
WARM_UP = 12


@dataclass(frozen=True)
class Case:
    """One array: blocks per column (systolic) or per filter (spatial layer)."""

    name: str
    kind: str
    rows: int
    blocks: tuple[tuple[str, ...], ...]
    simd: int = 1


def systolic(name: str, rows: int, *columns: str | tuple[str, ...]) -> Case:
    return Case(name, "systolic", rows, tuple((c,) if isinstance(c, str) else c for c in columns))


def spatial(name: str, simd: int, *filters: str) -> Case:
    return Case(name, "spatial", 1, tuple((f,) for f in filters), simd)


TRAINING = [
    systolic("2x2 exact", 2, *["mul8s_exact"] * 2),
    systolic("2x2 tc6", 2, *["mul8s_tc6"] * 2),
    systolic("2x2 mitchell", 2, *["mul8s_mitchell"] * 2),
    systolic("2x2 exact+ot2 multi-mode", 2, *[("mul8s_exact", "mul8s_ot2")] * 2),
    spatial("simd 4 exact", 4, "mul8s_exact"),
    spatial("simd 9 tc5", 9, "mul8s_tc5"),
]
HELD_OUT = [
    systolic("2x2 drum4", 2, *["mul8s_drum4"] * 2),
    systolic("2x2 mixed", 2, "mul8s_bam_v7h3", "mul8s_or6d8"),
    systolic("3x2 tc8", 3, *["mul8s_tc8"] * 2),
    systolic("2x3 mixed", 2, "mul8s_exact", "mul8s_ot1", "mul8s_vct7"),
    systolic("2x2 tc4+mitchell multi-mode", 2, *[("mul8s_tc4", "mul8s_mitchell")] * 2),
    systolic("3x3 ot3", 3, *["mul8s_ot3"] * 3),
    systolic("4x4 exact", 4, *["mul8s_exact"] * 4),
    systolic("4x4 mixed", 4, "mul8s_exact", "mul8s_tc7", "mul8s_mitchell", "mul8s_bam_v7h3"),
    spatial("simd 5 mixed", 5, "mul8s_exact", "mul8s_tc6", "mul8s_drum4"),
    spatial("simd 16 ot2", 16, "mul8s_ot2"),
    spatial("simd 1 mixed", 1, "mul8s_tc3", "mul8s_bam_v7a2"),
]
LARGE = [
    systolic("8x8 exact", 8, *["mul8s_exact"] * 8),
    systolic("8x8 mixed", 8, *["mul8s_exact", "mul8s_tc7", "mul8s_mitchell", "mul8s_bam_v7h3"] * 2),
    systolic("16x16 mixed", 16, *["mul8s_exact", "mul8s_ot1", "mul8s_tcc6", "mul8s_tc8"] * 4),
    spatial("simd 25 mixed", 25, "mul8s_exact", "mul8s_tc5", "mul8s_ot1", "mul8s_bam_v7h3"),
]
REDUCTION = 1 << 20
"""Products per output in the prediction: long enough that filling and draining the array vanish."""


def project_of(case: Case) -> RtlProject:
    """Return the array as RTL."""
    families = {name: from_name(name) for name in sorted({name for column in case.blocks for name in column})}
    multipliers = tuple(Multiplier(block=family.block(), module=name, verilog=verilog(family)) for name, family in families.items())
    index = {name: i for i, name in enumerate(families)}
    if case.kind == "systolic":
        spec = ArraySpec(rows=case.rows, columns=tuple(tuple(index[n] for n in column) for column in case.blocks), multipliers=multipliers)
        return array_project(spec, np.zeros((1, 2), np.int8), np.zeros((len(index), 2), np.int8), list(range(len(index))))
    blocks = tuple(index[column[0]] for column in case.blocks)
    reduction = case.simd * 16
    layer = LayerSpec(pe=len(blocks), simd=case.simd, reduction=reduction, blocks=blocks, multipliers=multipliers)
    return layer_project(layer, np.zeros((1, reduction), np.int8), np.zeros((len(blocks), reduction), np.int8))


def synthesized(case: Case, keep_lanes: bool, rng: np.random.Generator) -> tuple[ProjectSynthesis, float]:
    """Return the mapped array and its energy per cycle in fJ under uniform operands."""
    random_bits = rng.integers(0, 1 << 63, (CYCLES, 8 * 1024, WORDS), dtype=np.uint64) * 2 + rng.integers(
        0, 2, (CYCLES, 8 * 1024, WORDS), dtype=np.uint64
    )
    columns = len(case.blocks)
    if case.kind == "systolic":
        inputs = {"a": random_bits[:, : 8 * case.rows], "w": random_bits[:, -8 * columns :]}
        modes = max(len(column) for column in case.blocks)
        if modes > 1:  # the last mode is the active one
            mode = np.zeros((CYCLES, modes * columns, WORDS), np.uint64)
            mode[:, modes - 1 :: modes] = ~np.uint64(0)
            inputs["mode"] = mode
    else:
        first = np.zeros((CYCLES, 1, WORDS), np.uint64)
        first[::16] = ~np.uint64(0)
        inputs = {"first": first, "a": random_bits[:, : 8 * case.simd], "w": random_bits[:, -8 * case.simd * columns :]}
    result = synthesize_project(project_of(case), cell_library("osu018"), keep_lanes=keep_lanes)
    return result, result.energy_per_cycle_fj(inputs, WARM_UP)


def designed(case: Case) -> tuple[Systolic | Spatial, Sequence[Layer], NDArray[np.int64], list[str]]:
    """Return the accelerator that is the array, layers that fill it, filters by block (1, layers, blocks), and the blocks' names, exact first."""
    names = [column[-1] for column in case.blocks]
    blocks = ["mul8s_exact", *sorted({name for column in case.blocks for name in column} - {"mul8s_exact"})]
    counts = np.zeros((1, 2 if case.kind == "systolic" else 1, len(blocks)), np.int64)
    for name in names:
        counts[0, 0, blocks.index(name)] += 1
    layer = Layer(
        name="layer",
        kind=LayerKind.LINEAR,
        in_channels=REDUCTION if case.kind == "systolic" else case.simd * 16,
        filters=len(names),
        in_size=(1, case.rows),
        out_size=(1, case.rows),
    )
    if case.kind == "spatial":
        return Spatial(folding={"layer": Folding(len(names), case.simd)}, clock="fastest"), (layer,), counts, blocks
    several = len(case.blocks[0]) > 1
    sharing = Sharing.MULTI_MODE if several else Sharing.PARTITIONED
    # a layer too small to weigh makes a multi-mode array hold the other blocks
    other = Layer(name="other", kind=LayerKind.LINEAR, in_channels=1, filters=len(case.blocks[0]) - 1 or 1)
    for name in case.blocks[0][:-1] if several else (names[0],):
        counts[0, 1, blocks.index(name)] += 1
    return Systolic(rows=case.rows, columns=len(names), sharing=sharing, clock="fastest"), (layer, other), counts, blocks


def predicted(case: Case) -> tuple[float, float, float]:
    """Return area in um2, energy per cycle in fJ and critical path in ns by the cost laws."""
    accelerator, layers, counts, names = designed(case)
    costs = [family_block(from_name(name)).costs["osu018"] for name in names]
    result = accelerator.evaluate(layers, counts, costs, exact=0)
    interval = float(result.cycles[0])
    return float(result.area_um2[0]), float(result.energy_uj[0]) * 1e9 / interval, float(result.critical_path_ns[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="also arrays of up to 256 lanes")
    parser.add_argument("--flat", action="store_true", help="flatten before mapping: slower, lanes may be optimized into each other")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    for label, cases in (("training", TRAINING), ("held out", HELD_OUT + (LARGE if options.large else []))):
        errors = []
        for case in cases:
            start = time.perf_counter()
            result, energy = synthesized(case, not options.flat, rng)
            area, power, path = predicted(case)
            errors.append((area / result.area_um2 - 1, power / energy - 1, path / result.delay_ns - 1))
            print(
                f"{case.name:28s} area {result.area_um2:9.0f} um2 {100 * errors[-1][0]:+6.2f} %   "
                f"energy {energy:9.0f} fJ {100 * errors[-1][1]:+6.2f} %   "
                f"path {result.delay_ns:5.2f} ns {100 * errors[-1][2]:+6.1f} %   {result.flip_flops:5d} flip-flops {result.clock_fj:8.0f} fJ "
                f"{time.perf_counter() - start:5.1f} s",
                flush=True,
            )
        area, power, path = (100 * np.mean(np.abs([e[i] for e in errors])) for i in range(3))
        print(f"{label}: {len(cases)} arrays, MAPE area {area:.2f} %, power {power:.2f} %, critical path {path:.1f} %", flush=True)


if __name__ == "__main__":
    main()
