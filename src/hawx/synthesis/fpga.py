"""Characterize a multiplier on an FPGA: lookup tables, carry chains, wide multiplexers and DSP blocks of a family, its depth, delay and energy.

Two mappings are tried: the family's own flow in Yosys, and `abc` with structural choices and don't-cares, which comes nearer to the counts that
vendors' tools reach; the one of fewer lookup tables is kept. The function is checked on all operand pairs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hawx.accelerators.fpga import in_dsp
from hawx.blocks import Block, Costs
from hawx.circuits import from_patterns
from hawx.circuits.energy import SwitchingCircuit
from hawx.circuits.netlist import Netlist, patterns
from hawx.circuits.pieces import CircuitFiles
from hawx.circuits.ports import check_module_name
from hawx.errors import InputError
from hawx.formats import IntFormat
from hawx.rtl import constant_lsbs
from hawx.rtl.multipliers import verilog
from hawx.synthesis import cache, yosys
from hawx.synthesis.cells import liberty_path
from hawx.synthesis.characterization import circuit_from_dict, circuit_to_dict
from hawx.synthesis.characterize import Source, characterize_elaborated, family_or_files
from hawx.synthesis.elaboration import elaborated
from hawx.synthesis.fpga_cells import fpga_netlist, routed
from hawx.synthesis.fpga_families import FpgaFamily, family_of, mapping_commands
from hawx.synthesis.fpga_resources import DONE, Resources, resources
from hawx.synthesis.fpga_timing import arc_commands, cell_arcs, fpga_timing
from hawx.synthesis.liberty import read_liberty

FPGA_FLOW = 1
"""Raised whenever the figures of a flow change: part of the cache key and of the origin of every figure."""
DSP_SOURCE = "module dsp_product (input {sign}[7:0] A, input {sign}[7:0] B, output {sign}[15:0] O); assign O = A * B; endmodule\n"


@dataclass(frozen=True, eq=False, kw_only=True)
class FpgaCharacterization:
    """What synthesis for an FPGA family says about one multiplier."""

    block: Block
    """With its costs in the family."""
    circuit: SwitchingCircuit | None
    """The mapped netlist with its toggle energies; None of a DSP block."""
    resources: Resources
    levels: int
    mapping: str
    """Which mapping won: `choices` or `flow`; `dsp` of a DSP block."""
    tool: str
    verilog: str
    """What was synthesized."""

    @property
    def costs(self) -> Costs:
        """Figures in the family."""
        return next(iter(self.block.costs.values()))

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON values (without netlist and table)."""
        costs, found = self.costs, asdict(self.resources)
        return {
            "name": self.block.name,
            "formats": [f.name for f in self.block.formats],
            "sha256": self.block.sha256,
            "is_exact": self.block.is_exact,
            "technology": costs.technology,
            **found,
            "levels": self.levels,
            "delay_ns": costs.delay_ns,
            "energy_fj": costs.energy_fj,
            "constant_lsbs": costs.constant_lsbs,
            "mapping": self.mapping,
            "tool": self.tool,
            "origin": costs.origin,
        }


def characterize_fpga(source: Source | Sequence[Source], family: str, *, top: str | None = None, use_cache: bool = True) -> FpgaCharacterization:
    """Return the figures of a circuit or of a built-in block on an FPGA family.

    Args:
        source: as of `hawx.synthesis.characterize`, which reads it: function, ports and formats are those that it finds.
        family: one of `FAMILIES`.
        top: module to take from the file; None for its top module.
        use_cache: take and keep results in the user's cache folder.

    Raises:
        InputError: the source cannot be used, or its mapped netlist does not compute what it computes.
        UnknownNameError: no such family or built-in block.
        ToolMissingError: there is no Yosys.
    """
    chosen, given = family_of(family), _given(source, top, use_cache=use_cache)
    key = cache.content_key("fpga", given.verilog, given.top, family, yosys.tool().version, str(FPGA_FLOW), given.activation, given.weight)
    values = cache.load("fpga", key) if use_cache else None
    if values is None:
        values = _measured(given, chosen)
        if use_cache:
            cache.save("fpga", key, values)
            cache.save("circuits", cache.content_key(given.block.sha256, family), values["circuit"])
    return _from_stored(values, given)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """A multiplier to map: its Verilog, the module, which port is which, and what it computes."""

    verilog: str
    top: str
    activation: str
    weight: str
    block: Block
    source: str


def _given(source: Source | Sequence[Source], top: str | None, *, use_cache: bool) -> _Given:
    """Return a built-in block by its family's own words, a circuit as `characterize` reads it."""
    family = family_or_files(source)
    if not isinstance(family, CircuitFiles):
        return _Given(verilog=verilog(family), top=family.name, activation="A", weight="B", block=family.block(), source=family.name)
    whole = elaborated(family, top)
    read = characterize_elaborated(whole, use_cache=use_cache)
    text = whole.with_cells(read_liberty(liberty_path(None)))
    ports = {"activation": read.circuit.activation, "weight": read.circuit.weight}
    return _Given(verilog=text, top=read.circuit.netlist.name, **ports, block=read.block, source=whole.circuit.place)


def exact_dsp(family: str, formats: tuple[IntFormat, IntFormat]) -> FpgaCharacterization:
    """Return the exact multiplier in the family's DSP block: what approximate multipliers in lookup tables compete with.

    Raises:
        InputError: the operands have different formats.
        UnknownNameError: no such family.
        ToolMissingError: there is no Yosys.
    """
    chosen = family_of(family)
    if formats[0] != formats[1]:
        raise InputError(f"formats {formats[0]}×{formats[1]} differ; expected equal ones for a DSP block.")
    text = DSP_SOURCE.format(sign="signed " if formats[0].signed else "")
    module = _synthesized(text, "dsp_product", [f"{chosen.dsp} -top dsp_product", "write_json mapped.json"], ["mapped.json"], "dsp")["mapped.json"]
    block = Block.from_table(np.multiply.outer(*(f.values() for f in formats)), name=f"mul8{formats[0].name[0]}_dsp", formats=formats)
    found = resources(module)
    costs = in_dsp(Costs(technology=family, area_um2=None, luts=found.luts, delay_ns=0.0, energy_fj=0.0, origin=""))
    return FpgaCharacterization(
        block=block.with_costs(costs), circuit=None, resources=found, levels=0, mapping="dsp", tool=yosys.tool().version, verilog=text
    )


def _measured(given: _Given, family: FpgaFamily) -> dict[str, Any]:
    top, block = given.top, given.block
    mappings = mapping_commands(family, top)
    script = [f"{family.synth} -top {check_module_name(top)} -run begin:map_luts", "design -save unmapped"]
    for name, commands in mappings.items():
        script += ["design -load unmapped", *commands, *DONE, f"write_json {name}.json"]
    modules = _synthesized(given.verilog, top, [*script, *arc_commands(family)], [*(f"{name}.json" for name in mappings), "arcs.json"], given.source)
    arcs = cell_arcs(modules.pop("arcs.json"))
    mapping = min(mappings, key=lambda name: (resources(modules[f"{name}.json"]).luts, name))
    module = modules[f"{mapping}.json"]
    netlist, timing, found = fpga_netlist(module, top), fpga_timing(module, arcs, family), resources(module)
    (product,) = netlist.outputs
    raw = patterns(netlist, given.activation, given.weight, product)
    if not np.array_equal(from_patterns(raw, block.formats), block.table):
        raise InputError(f"circuit {given.source!r} mapped to {family.name} does not compute what it says; expected equality on all operand pairs.")
    circuit = SwitchingCircuit(
        netlist=netlist, activation=given.activation, weight=given.weight, formats=block.formats, toggle_fj=toggle_energies(netlist, family)
    )
    costs = Costs(
        technology=family.name,
        area_um2=None,
        luts=found.luts,
        carries=found.carries,
        delay_ns=timing.delay_ns,
        energy_fj=circuit.uniform_fj,
        constant_lsbs=constant_lsbs(block.table),
        origin=f"synthesized: {yosys.tool().version}, FPGA flow {FPGA_FLOW}, {family.name}; delay and energy: models, unrouted",
    )
    return {
        "costs": asdict(costs),
        "resources": asdict(found),
        "levels": timing.levels,
        "mapping": mapping,
        "tool": yosys.tool().version,
        "circuit": circuit_to_dict(circuit),
    }


def _synthesized(text: str, top: str, script: list[str], wanted: list[str], source: str) -> dict[str, Any]:
    """Return what a script wrote: modules by file, and the cell library."""
    lines = [yosys.READ, *script]
    written = yosys.run("\n".join(lines) + "\n", {yosys.SOURCE: text}, wanted, source=source)
    read = {name: json.loads(content) for name, content in written.items()}
    return {name: content if name == "arcs.json" else content["modules"][top] for name, content in read.items()}


def toggle_energies(netlist: Netlist, family: FpgaFamily) -> NDArray[np.float64]:
    """Return the energy of one toggle of each net in fJ, shape (nets,): its driver's, and that of every routed connection."""
    result = np.zeros(netlist.nets)
    for gate in netlist.gates:
        result[list(gate.outputs)] += family.fabric.toggle_fj
        for net in routed(gate):
            result[net] += family.fabric.connection_fj
    return result


def _from_stored(values: Mapping[str, Any], given: _Given) -> FpgaCharacterization:
    return FpgaCharacterization(
        block=replace(given.block, costs=MappingProxyType({})).with_costs(Costs(**values["costs"])),
        circuit=circuit_from_dict(values["circuit"]),
        resources=Resources(**values["resources"]),
        levels=values["levels"],
        mapping=values["mapping"],
        tool=values["tool"],
        verilog=given.verilog,
    )
