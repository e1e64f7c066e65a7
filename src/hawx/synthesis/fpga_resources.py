"""What a design mapped to an FPGA family takes: its cells, counted by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hawx.synthesis.fpga_cells import CARRIES, DSPS, LUTS, MUXES

DONE = ("blackbox =A:whitebox", "delete t:$scopeinfo")
"""Commands after a mapping: leave nothing in the design but the cells of the module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Cells of a mapped design."""

    luts: int
    lut_sizes: Mapping[str, int]
    """Lookup tables by their number of inputs."""
    carries: int
    """Carry cells: CARRY4 and CARRY8, CCU2C (which hold two lookup tables each, counted there too), SB_CARRY."""
    muxes: int
    flip_flops: int
    dsps: int


def resources(module: Mapping[str, Any]) -> Resources:
    """Return the cells of a mapped module of Yosys's JSON; a CCU2C is two lookup tables as well as a carry."""
    kinds = Counter(cell["type"] for cell in module["cells"].values())
    sizes: Counter[str] = Counter()
    for kind, count in kinds.items():
        if kind in LUTS:
            sizes["1" if kind == "INV" else kind[-1]] += count
    sizes["4"] += 2 * kinds["CCU2C"]
    return Resources(
        luts=sum(sizes.values()),
        lut_sizes={size: sizes[size] for size in sorted(sizes) if sizes[size]},
        carries=sum(kinds[kind] for kind in CARRIES),
        muxes=sum(kinds[kind] for kind in MUXES),
        flip_flops=sum(count for kind, count in kinds.items() if kind.startswith(("FD", "SB_DFF", "TRELLIS_FF"))),
        dsps=sum(kinds[kind] for kind in DSPS),
    )
