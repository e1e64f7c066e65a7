"""Our figures on an FPGA against published ones: lookup tables, power and delay of ApproxFPGAs' 8×8 multipliers, from a vendor's tool.

    python benchmarks/hardware_fpga.py APPROX_FPGAS_CHECKOUT [--family xilinx7]

The checkout is https://github.com/ehw-fit/approx-fpgas (MIT; B. S. Prabakaran et al., ApproxFPGAs, DAC 2020); the headers of the Verilog files in
mul8x8 publish FPGA_LUT, FPGA_POWER and FPGA_DELAY.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from hawx.synthesis.fpga import characterize_fpga

FIGURES = ("LUT", "POWER", "DELAY")


def published(text: str) -> tuple[float, ...]:
    """Return lookup tables, power and delay of a file's header comment; empty where it does not state all of them."""
    found = [re.search(rf"FPGA_{name}\s*=\s*([\d.]+)", text) for name in FIGURES]
    return tuple(float(match[1]) for match in found if match) if all(found) else ()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--family", default="xilinx7", help="FPGA family [default: xilinx7]")
    options = parser.parse_args()
    paths = {path.stem: path for path in sorted(options.checkout.glob("mul8x8/*/*.v")) if not path.stem.endswith("_pdk45")}
    if not paths:
        print(f"skipped: {options.checkout} holds no mul8x8/*/*.v; get https://github.com/ehw-fit/approx-fpgas")
        return
    rows = []
    for name, path in paths.items():
        figures = published(path.read_text(encoding="utf-8"))
        if not figures:
            continue
        start = time.perf_counter()
        found = characterize_fpga(path, options.family)
        rows.append((*figures, found.resources.luts, found.costs.energy_fj, found.costs.delay_ns))
        print(
            f"{name}  {figures[0]:4.0f} / {found.resources.luts:3d} LUT  {figures[1]:5.2f} / {found.costs.energy_fj * 1e-3:6.2f} pJ  "
            f"{figures[2]:5.2f} / {found.costs.delay_ns:5.2f} ns  {found.mapping}  {time.perf_counter() - start:.1f} s",
            flush=True,
        )
    values = np.array(rows)
    for i, name in enumerate(FIGURES):
        some = values[:, i] > 0  # a circuit of wires alone takes nothing
        ratio = np.median(values[some, i + 3] / values[some, i])
        print(f"{name}: Spearman {spearmanr(values[:, i], values[:, i + 3]).statistic:.3f} over {len(rows)} circuits, median ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
