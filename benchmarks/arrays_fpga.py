"""Predicted against synthesized arrays on FPGAs: lookup tables and flip-flops of the cost laws on arrays that were not used to fit their constants.

    python benchmarks/arrays_fpga.py [--family FAMILY ...] [--large]

Every array is RTL of hawx.rtl, flattened and mapped by Yosys; the arrays are those of `benchmarks/arrays_synthesis.py`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.arrays_synthesis import HELD_OUT, LARGE, TRAINING, Case, designed, project_of, spatial
from hawx.blocks import Costs
from hawx.synthesis.fpga import characterize_fpga
from hawx.synthesis.fpga_project import project_resources

FAMILIES = ("xilinx7", "ecp5", "ice40")
SINGLE = spatial("simd 1 exact", 1, "mul8s_exact")
"""A lane without an adder tree: its accumulator alone."""


def costs_in(family: str, names: Sequence[str]) -> list[Costs]:
    """Return the figures of built-in blocks in a family."""
    return [characterize_fpga(name, family).costs for name in names]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", nargs="+", default=FAMILIES, help=f"FPGA families [default: {' '.join(FAMILIES)}]")
    parser.add_argument("--large", action="store_true", help="also arrays of up to 256 lanes")
    options = parser.parse_args()
    for family in options.family:
        for label, cases in (("training", [*TRAINING, SINGLE]), ("held out", HELD_OUT + (LARGE if options.large else []))):
            errors = [compared(case, family) for case in cases]
            luts, flip_flops = (100 * np.mean(np.abs([e[i] for e in errors])) for i in range(2))
            print(f"{family} {label}: {len(cases)} arrays, MAPE LUTs {luts:.2f} %, flip-flops {flip_flops:.2f} %", flush=True)


def compared(case: Case, family: str) -> tuple[float, float]:
    """Return the relative errors of lookup tables and flip-flops of one array, and print them."""
    start = time.perf_counter()
    found = project_resources(project_of(case), family)
    accelerator, layers, counts, names = designed(case)
    result = accelerator.evaluate(layers, counts, costs_in(family, names), exact=0)
    errors = float(result.luts[0]) / found.luts - 1, float(result.flip_flops[0]) / found.flip_flops - 1
    print(
        f"{family:8s} {case.name:28s} {found.luts:6d} LUTs {100 * errors[0]:+6.2f} %   {found.flip_flops:5d} flip-flops {100 * errors[1]:+6.2f} %   "
        f"{time.perf_counter() - start:5.1f} s",
        flush=True,
    )
    return errors


if __name__ == "__main__":
    main()
