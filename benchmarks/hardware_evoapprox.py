"""Rank correlation of our area and energy with EvoApproxLib's published figures.

    python benchmarks/hardware_evoapprox.py EVOAPPROXLIB_CHECKOUT [--liberty NAME|FILE.lib]

The checkout is https://github.com/ehw-fit/evoapproxlib (MIT); its folder v2022/multiplers holds the Verilog. Published figures are read
from the header comments of the same files.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from hawx.synthesis import characterize


def published(text: str) -> dict[str, float]:
    """Return area (um2), power (mW) and delay (ns) of the file's header comment."""
    figures = {}
    for key, pattern in (("area", r"PDK45_AREA\s*=\s*([\d.]+)"), ("power", r"PDK45_PWR\s*=\s*([\d.]+)"), ("delay", r"PDK45_DELAY\s*=\s*([\d.]+)")):
        match = re.search(pattern, text)
        if match:
            figures[key] = float(match[1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--liberty", help="sky130hd, osu018 or a Liberty file [default: sky130hd]")
    options = parser.parse_args()
    rows, seen = [], set()
    for path in sorted(options.checkout.glob("v2022/multiplers/8x8_*/*/*.v")):
        if path.stem in seen or path.stem.endswith("_pdk45"):
            continue
        seen.add(path.stem)
        figures = published(path.read_text(encoding="utf-8"))
        start = time.perf_counter()
        result = characterize(path, options.liberty, use_cache=False)
        took = time.perf_counter() - start
        if figures.get("area", 0) > 0 and len(figures) == 3:
            costs = result.costs
            rows.append((path.stem, figures["area"], figures["power"], figures["delay"], costs.area_um2, costs.energy_fj, costs.delay_ns, took))
            area, power = f"{figures['area']:7.1f} / {costs.area_um2:8.1f} um2", f"{figures['power']:.4f} mW / {costs.energy_fj:8.1f} fJ"
            print(f"{path.stem}  {area}  {power}  {took:.2f} s")
    values = np.array([row[1:] for row in rows])
    for label, chosen in (
        ("all", np.ones(len(rows), bool)),
        ("signed", np.array([row[0].startswith("mul8s") for row in rows])),
        ("unsigned", np.array([row[0].startswith("mul8u") for row in rows])),
    ):
        part = values[chosen]
        area, energy, delay = (spearmanr(part[:, i], part[:, i + 3]).statistic for i in range(3))
        ratio = part[:, 3] / part[:, 0]
        print(
            f"{label:8s} {len(part):3d} circuits: Spearman area {area:.4f}, power {energy:.4f}, delay {delay:.4f}; "
            f"median area ratio {np.median(ratio):.3f}, area error after scaling {100 * np.mean(abs(ratio / np.median(ratio) - 1)):.1f} %"
        )
    print(f"median {np.median(values[:, 6]):.2f} s, maximum {values[:, 6].max():.2f} s per circuit")


if __name__ == "__main__":
    main()
