"""Synthesize a whole RTL project: lanes one by one, then the array around them; its area, delay and simulated switching energy.

Lanes keep their boundaries while they are mapped, as in a hierarchical flow, so that the time does not grow with the array; then the
netlist is flattened and registers that nothing reads are removed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hawx.circuits.energy import clock_energy, toggle_energies, toggle_rates
from hawx.circuits.liberty import CellLibrary
from hawx.circuits.models import cell_models, netlist_verilog
from hawx.circuits.netlist import Netlist
from hawx.circuits.ports import check_module_name
from hawx.circuits.timing import static_timing
from hawx.errors import InputError
from hawx.rtl import RtlProject
from hawx.synthesis import yosys
from hawx.synthesis.flow import MAPPINGS, adder_map, mapped_area


@dataclass(frozen=True, eq=False, kw_only=True)
class ProjectSynthesis:
    """A mapped design. Pre-layout figures, without glitches and wires."""

    netlist: Netlist
    toggle_fj: NDArray[np.float64]
    """Energy of one toggle of each net, fJ, shape (nets,)."""
    clock_fj: float
    """Energy of one clock cycle at the flip-flops, fJ."""
    area_um2: float
    leakage_nw: float
    delay_ns: float
    flip_flops: int
    gates: int
    tool: str
    technology: str
    sources: Mapping[str, str]
    """Mapped Verilog and functional cell models: what a gate-level simulation of the same testbench needs."""

    def energy_per_cycle_fj(self, inputs: Mapping[str, NDArray[np.uint64]], warm_up: int = 0) -> float:
        """Return switching and clock energy of a mean cycle, fJ.

        Args:
            inputs: port -> (cycles, bits, words) uint64: bit-packed independent streams, one value per cycle; other ports stay 0.
            warm_up: cycles at the start that are simulated but not counted.
        """
        return float(self.toggle_fj @ toggle_rates(self.netlist, inputs, warm_up)) + self.clock_fj


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLevel:
    """The testbench's vectors on the mapped netlist, evaluated here gate by gate."""

    passed: bool
    comparisons: int
    energy_per_cycle_fj: float
    """Switching (without glitches) and clock energy of a mean cycle under these vectors, fJ."""


def run_vectors(synthesis: ProjectSynthesis, project: RtlProject) -> GateLevel:
    """Return whether the mapped netlist computes what the testbench expects, and what that costs."""
    netlist, stimulus, bits = synthesis.netlist, project.stimulus, project.accumulator_bits
    checks = dict(stimulus.checks)
    output = netlist.outputs["acc"]
    values, taken = [0] * netlist.nets, [0] * len(netlist.registers)
    before = np.zeros(netlist.nets, np.int8)
    toggles = np.zeros(netlist.nets)
    passed = True
    for cycle in range(stimulus.cycles + 1):
        for port in stimulus.widths:
            word = stimulus.inputs[port][min(cycle, stimulus.cycles - 1)]
            for bit, net in enumerate(netlist.inputs[port]):
                values[net] = word >> bit & 1
        taken = netlist.step(values, taken)
        for place, wanted in enumerate(checks.get(cycle - 1, ())):  # what stood after the previous edge
            if wanted is not None:
                found = sum(values[net] << bit for bit, net in enumerate(output[place * bits : (place + 1) * bits]))
                passed = passed and found == wanted % (1 << bits)
        now = np.array(values, np.int8)
        if cycle:
            toggles += now != before
        before = now
    energy = float(synthesis.toggle_fj @ toggles) / stimulus.cycles + synthesis.clock_fj
    return GateLevel(passed=passed, comparisons=len(checks), energy_per_cycle_fj=energy)


def synthesize_project(
    project: RtlProject, library: CellLibrary, *, keep_lanes: bool = True, restructure: bool = True, timeout_s: float = 1800.0
) -> ProjectSynthesis:
    """Return the mapped design of least area.

    Args:
        project: RTL with its top module and lanes.
        library: cells to map to.
        keep_lanes: map every distinct lane once; False flattens the whole design first, which takes minutes for large arrays.
        restructure: also try full-adder extraction after restructuring, the slowest of the mappings.
        timeout_s: seconds until Yosys is ended.

    Raises:
        InputError: the design holds a table instead of a circuit, or the library has no flip-flop.
        ToolMissingError: there is no Yosys.
    """
    read = read_commands(project)
    if not any(cell.register is not None and cell.logic is not None for cell in library.cells.values()):
        raise InputError(f"Liberty file {str(library.path)!r} has no plain flip-flop; expected one on the rising edge without set or clear.")
    mappings = ["plain"]
    if library.full_adder is not None:
        mappings = ["adders", "adders-after-restructuring"] if restructure else ["adders"]
    files: dict[str, str | bytes] = {**project.sources, "cells.lib": library.content, "adders.v": adder_map(library)}

    def run(mapping: str) -> dict[str, str]:
        script = _script(project, read, mapping, keep_lanes)
        return yosys.run(script, files, ["mapped.json"], source=project.top, timeout_s=timeout_s)

    with ThreadPoolExecutor(len(mappings)) as pool:
        written = list(pool.map(run, mappings))
    modules = [json.loads(texts["mapped.json"])["modules"][project.top] for texts in written]
    areas = [mapped_area(module, library) for module in modules]
    best = int(np.argmin(areas))
    netlist = yosys.mapped_netlist(modules[best], project.top, library)
    timing = static_timing(netlist, library)
    cells = [*netlist.gates, *netlist.registers]
    return ProjectSynthesis(
        netlist=netlist,
        toggle_fj=toggle_energies(netlist, library, timing),
        clock_fj=clock_energy(netlist, library),
        area_um2=areas[best],
        leakage_nw=sum(library.cells[gate.cell].leakage_nw for gate in cells),
        delay_ns=timing.delay_ns,
        flip_flops=len(netlist.registers),
        gates=len(netlist.gates),
        tool=yosys.tool().version,
        technology=library.name,
        sources={"mapped.v": netlist_verilog(netlist, library), "cells.v": cell_models(library, (gate.cell for gate in cells))},
    )


def read_commands(project: RtlProject) -> list[str]:
    """Return the Yosys commands that read a design.

    Raises:
        InputError: it holds a table instead of a circuit.
    """
    if not project.is_synthesizable:
        raise InputError(f"design {project.top!r} holds a block known only by its table; expected Verilog for every block. Import it from a .v file.")
    for name in (*project.sources, project.top, *project.parts):
        check_module_name(name.removesuffix(".sv"))
    return [f"read_verilog -sv {name}" for name in project.sources]


def _script(project: RtlProject, read: Sequence[str], mapping: str, keep_lanes: bool) -> str:
    lines = [*read, f"hierarchy -check -top {project.top}", "proc"]
    lines += [f"flatten {part}" for part in project.parts] if keep_lanes else ["flatten"]
    lines += [
        f"hierarchy -top {project.top}",
        f"synth -top {project.top} -noabc",
        "dfflibmap -liberty cells.lib",
        "opt_clean",
        "read_liberty -lib cells.lib",
        *MAPPINGS[mapping],
        "flatten",
        "opt_clean -purge",
        "write_json mapped.json",
    ]
    return "\n".join(lines) + "\n"
