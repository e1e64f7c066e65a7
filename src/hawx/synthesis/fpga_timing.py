"""Delay and depth of a module mapped to an FPGA family: cell arcs of Yosys's own libraries, one assumed delay for every routed connection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hawx.circuits.netlist import Gate, evaluation_order
from hawx.synthesis.fpga_cells import CARRIES, LUTS, MUXES
from hawx.synthesis.fpga_families import FpgaFamily

Pin = tuple[str, int]
"""A pin of a cell: port and bit."""
Arcs = Mapping[str, Sequence[tuple[Pin, Pin, float]]]
"""Cell -> its combinational paths: from, to, ps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FpgaTiming:
    delay_ns: float
    """Longest path from an input port to an output port, without the wires to and from the ports."""
    levels: int
    """Lookup tables on the path with the most of them."""


def cell_arcs(library: Mapping[str, Any]) -> dict[str, list[tuple[Pin, Pin, float]]]:
    """Return the paths that `specify` blocks state, from the JSON of a cell library read with `read_verilog -specify`; the later edge counts."""
    found: dict[str, list[tuple[Pin, Pin, float]]] = {}
    for name, module in library["modules"].items():
        place = {bit: (port, i) for port, entry in module["ports"].items() for i, bit in enumerate(entry["bits"])}
        arcs = found[name.lstrip("\\")] = []
        for cell in module["cells"].values():
            if cell["type"] != "$specify2":
                continue
            ps = float(max(int(cell["parameters"][f"T_{edge}_MAX"], 2) for edge in ("RISE", "FALL")))
            ends = ([place.get(bit) for bit in cell["connections"][side]] for side in ("SRC", "DST"))
            arcs += [(source, target, ps) for source, target in zip(*ends, strict=False) if source and target]
    return found


def arc_commands(family: FpgaFamily) -> list[str]:
    """Return the Yosys commands that write the family's cell delays."""
    names = " ".join(f"={name}" for name in (*LUTS, *MUXES, *CARRIES))
    return [
        "design -reset",
        f"read_verilog -overwrite -lib -specify {family.cells}",
        f"select -set kept {names}",
        "delete =* @kept %d",
        "write_json arcs.json",
    ]


def fpga_timing(module: Mapping[str, Any], arcs: Arcs, family: FpgaFamily) -> FpgaTiming:
    """Return delay and depth of a mapped combinational module of Yosys's JSON.

    A connection costs `family.wire_ps` except from an input port, where the operand's register would stand, and into a dedicated pin. The carry
    into an iCE40 lookup table is dedicated too: it reaches pin I3 from the chain alone.
    """
    chain = {bit for cell in module["cells"].values() if cell["type"] == "SB_CARRY" for bit in cell["connections"]["CO"]}
    ports = {bit for port in module["ports"].values() if port["direction"] == "input" for bit in port["bits"]}
    steps: defaultdict[int | str, list[tuple[int | str, float, int]]] = defaultdict(list)
    for cell in module["cells"].values():
        kind, pins, luts = cell["type"], cell["connections"], int(cell["type"] in LUTS)
        for (port, i), (target, j), ps in arcs.get(kind, ()):
            if i >= len(pins.get(port, ())) or j >= len(pins.get(target, ())):
                continue
            source = pins[port][i]
            direct = source in ports or f"{kind}.{port}" in family.dedicated or (kind == "SB_LUT4" and port == "I3" and source in chain)
            steps[pins[target][j]].append((source, ps + (0.0 if direct else family.wire_ps), luts))
    numbers = {bit: i for i, bit in enumerate(steps)}
    nodes = list(steps)
    order = evaluation_order([Gate("", tuple(numbers.get(source, -1) for source, _, _ in steps[bit]), (i,)) for bit, i in numbers.items()])
    arrival: dict[int | str, float] = {}
    depth: dict[int | str, int] = {}
    for bit in (nodes[i] for i in order):
        arrival[bit] = max(arrival.get(source, 0.0) + ps for source, ps, _ in steps[bit])
        depth[bit] = max(depth.get(source, 0) + luts for source, _, luts in steps[bit])
    ends = [bit for port in module["ports"].values() if port["direction"] == "output" for bit in port["bits"]]
    return FpgaTiming(
        delay_ns=max((arrival.get(bit, 0.0) for bit in ends), default=0.0) / 1e3, levels=max((depth.get(bit, 0) for bit in ends), default=0)
    )
