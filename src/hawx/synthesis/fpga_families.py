"""FPGA families: how Yosys maps to each, and the models of delay and energy that its figures rest on.

Delay: cell delays are those of the `specify` blocks in Yosys's own cell libraries (Xilinx: SDF files of Project X-Ray for Artix-7; ECP5: Project
Trellis; iCE40: icetime's tables of Project IceStorm). Every connection that is not a dedicated one takes one delay: for iCE40 and ECP5 the one that
fits what nextpnr reached on seven placed and routed multipliers in two mappings each, for Xilinx what Yosys's flow assumes (`abc9 -W`). Yosys has no
delays of UltraScale+: those of 7-series stand in.

Energy: the model of `hawx.accelerators.fpga`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hawx.accelerators.fpga import FABRICS, Fabric
from hawx.circuits.ports import check_module_name
from hawx.errors import UnknownNameError

CHOICES = "+strash;ifraig;scorr;dc2;dch,-f;if,-K,{inputs};mfs2"
"""ABC's script: structural choices, then lookup tables of least depth and area, then what does not matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FpgaFamily:
    """One FPGA family: a technology whose area is counted in lookup tables."""

    name: str
    title: str
    synth: str
    """Yosys command and options that map a flattened module without DSP blocks; `-top` and `-run` are added."""
    dsp: str
    """The same with DSP blocks."""
    after_luts: tuple[str, ...]
    """Commands that turn generic lookup tables into the family's cells."""
    lut_inputs: int
    cells: str
    """Yosys's cell library with `specify` blocks, and the options to read it."""
    wire_ps: float
    """Delay of a connection through general routing."""
    dedicated: frozenset[str]
    """Cell.pin of inputs that dedicated connections reach."""

    @property
    def fabric(self) -> Fabric:
        """Energy of its cells."""
        return FABRICS[self.name]


def _xilinx(name: str, title: str, architecture: str) -> FpgaFamily:
    """Return a family of Xilinx, by what Yosys calls its architecture."""
    dsp = f"synth_xilinx -family {architecture} -flatten -noiopad -noclkbuf"
    return FpgaFamily(
        name=name,
        title=title,
        synth=f"{dsp} -nosrl -nodsp",
        dsp=dsp,
        after_luts=_XILINX_AFTER,
        lut_inputs=6,
        cells="+/xilinx/cells_sim.v",
        wire_ps=300.0,
        dedicated=_XILINX_DEDICATED,
    )


_XILINX_AFTER = ("techmap -map +/xilinx/lut_map.v -map +/xilinx/cells_map.v -D LUT_WIDTH=6", "opt_lut_ins -tech xilinx", "clean")
_XILINX_DEDICATED = frozenset(
    {"CARRY4.CI", "CARRY8.CI", *(f"{mux}.{pin}" for mux in ("MUXF7", "MUXF8", "MUXF9") for pin in ("I0", "I1")), "CARRY4.S", "CARRY8.S"}
)
FAMILIES: Mapping[str, FpgaFamily] = {
    family.name: family
    for family in (
        _xilinx("xilinx7", "Xilinx 7-series (Artix, Kintex, Virtex, Zynq-7000)", "xc7"),
        _xilinx("ultrascale", "Xilinx UltraScale+", "xcup"),
        FpgaFamily(
            name="ecp5",
            title="Lattice ECP5",
            synth="synth_ecp5 -nodsp",
            dsp="synth_ecp5",
            after_luts=("{synth} -run map_cells:check",),
            lut_inputs=4,
            cells="+/ecp5/cells_sim.v",
            wire_ps=560.0,
            dedicated=frozenset({"CCU2C.CIN", "PFUMX.ALUT", "PFUMX.BLUT", "L6MUX21.D0", "L6MUX21.D1"}),
        ),
        FpgaFamily(
            name="ice40",
            title="Lattice iCE40 HX",
            synth="synth_ice40",
            dsp="synth_ice40 -dsp",
            after_luts=("ice40_wrapcarry -unwrap", "techmap -map +/ice40/ff_map.v", "clean", "opt_lut -tech ice40", "{synth} -run map_cells:check"),
            lut_inputs=4,
            cells="-D ICE40_HX +/ice40/cells_sim.v",
            wire_ps=600.0,
            dedicated=frozenset({"SB_CARRY.CI"}),
        ),
    )
}


def family_of(name: str) -> FpgaFamily:
    """Return the FPGA family called `name`.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in FAMILIES:
        raise UnknownNameError("FPGA family", name, FAMILIES)
    return FAMILIES[name]


def mapping_commands(family: FpgaFamily, top: str) -> Mapping[str, list[str]]:
    """Return the Yosys commands of each mapping; both begin with a design that is elaborated and flattened."""
    synth = f"{family.synth} -top {check_module_name(top)}"
    choices = ["opt_expr -mux_undef", f"abc -lut {family.lut_inputs} -script {CHOICES.format(inputs=family.lut_inputs)}", "clean"]
    return {
        "flow": [f"{synth} -run map_luts:check"],
        "choices": [*choices, *(command.format(synth=synth) for command in family.after_luts)],
    }
