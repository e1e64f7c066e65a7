"""FPGA families: what surrounds a multiplier there, counted in lookup tables, and what their cells cost in energy.

Energy is a model: L. Shang, A. Kaviani, K. Bathala, *Dynamic power consumption in Virtex-II FPGA family*, FPGA 2002: a typical CLB (eight lookup
tables and flip-flops, 150 nm, 1.5 V) takes 5.9 uW per MHz, 60 % of it routing, 16 % logic, 14 % clock. At the toggle rate of 12.5 % that vendors
assume and a fan-out of three that is an energy per toggle of a lookup table's output and one per connection it drives; both scale with feature size
and voltage squared. Static power is the device's, whatever a design takes of it, and is not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hawx.accelerators.costs import LaneConstants
from hawx.blocks import Costs
from hawx.errors import InputError

CLB_FJ, CLB_LUTS = 5900.0, 8
"""Energy of a Virtex-II CLB per clock cycle (5.9 uW per MHz), and its lookup tables, which are as many as its flip-flops."""
ROUTING, LOGIC, CLOCK = 0.60, 0.16, 0.14
ACTIVITY, FAN_OUT = 0.125, 3.0
"""Toggles of a net per cycle, and connections per net, of the typical design that those shares are of."""
VIRTEX2_NM, VIRTEX2_V = 150.0, 1.5
MULTIPLIER_FJ, MULTIPLIER_NM, MULTIPLIER_V = 11272.83, 180.0, 1.8
"""Energy of the exact multiplier in standard cells (osu018): what the core of a DSP block is taken to need, scaled like the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fabric:
    """Electrical facts of an FPGA family."""

    node_nm: float
    volts: float
    dsp_ns: float | None
    """Combinational delay of a DSP block from operands to product; None where the family has none."""
    dsp_origin: str = ""

    @property
    def scale(self) -> float:
        """Energy over that of Virtex-II."""
        return self.node_nm / VIRTEX2_NM * (self.volts / VIRTEX2_V) ** 2

    @property
    def toggle_fj(self) -> float:
        """Energy of one toggle of a cell's output, in the cell."""
        return CLB_FJ * LOGIC / CLB_LUTS / ACTIVITY * self.scale

    @property
    def connection_fj(self) -> float:
        """Energy of one toggle of a connection through general routing."""
        return CLB_FJ * ROUTING / CLB_LUTS / ACTIVITY / FAN_OUT * self.scale

    @property
    def clock_fj(self) -> float:
        """Energy of one clock cycle at a flip-flop."""
        return CLB_FJ * CLOCK / CLB_LUTS * self.scale

    @property
    def dsp_fj(self) -> float:
        """Energy of one multiplication in a DSP block under uniform operands: its core, 16 connections to it, 16 outputs, half of which toggle."""
        core = MULTIPLIER_FJ * self.node_nm / MULTIPLIER_NM * (self.volts / MULTIPLIER_V) ** 2
        return core + 8.0 * self.connection_fj + 8.0 * self.toggle_fj


FABRICS: Mapping[str, Fabric] = {
    "xilinx7": Fabric(node_nm=28.0, volts=1.0, dsp_ns=2.823, dsp_origin="DSP48E1 A to P of Yosys's cells_sim.v"),
    "ultrascale": Fabric(node_nm=16.0, volts=0.85, dsp_ns=2.823, dsp_origin="that of 7-series"),
    "ecp5": Fabric(node_nm=40.0, volts=1.1, dsp_ns=3.95, dsp_origin="assumed"),
    "ice40": Fabric(node_nm=40.0, volts=1.2, dsp_ns=8.0, dsp_origin="assumed"),
}
"""Feature size and core voltage by the data sheets: DS180 (7-series), DS891 (UltraScale+), FPGA-DS-02012 (ECP5), DS1040 (iCE40)."""


def _lane(
    family: str, *, accumulator: float, restart: float, compressor: float, isolation: float, register_ns: float, carry_ns: float, level_ns: float
) -> LaneConstants:
    """Return the constants of a family; areas in lookup tables, energies by the model: half of all bits toggle in each operation."""
    fabric = FABRICS[family]
    bit_fj = 0.5 * (fabric.toggle_fj + fabric.connection_fj)
    return LaneConstants(
        technology=family,
        flip_flop_area=0.0,
        flip_flop_clock_fj=fabric.clock_fj,
        flip_flop_leakage_nw=0.0,
        operand_fj=0.5 * fabric.toggle_fj,
        adder_bit_area=compressor,
        final_bit_area=1.0,
        adder_bit_fj=bit_fj,
        accumulator_bit_area=accumulator,
        restart_bit_area=restart,
        accumulator_bit_fj=2.0 * bit_fj,
        adder_bit_leakage_nw=0.0,
        isolation_area=isolation,
        selection_area=16.0,
        selection_fj=16.0 * bit_fj,
        select_ns=2.0 * level_ns,
        lane_ns=register_ns,
        carry_ns=carry_ns,
        level_ns=level_ns,
        exact_area=1.0,
        exact_energy_fj=1.0,
        exact_delay_ns=1.0,
        origin=f"lookup tables around multipliers of {family} fitted on synthesized arrays (benchmarks/arrays_fpga.py); delay and energy: models",
    )


LANES: Mapping[str, LaneConstants] = {
    "xilinx7": _lane("xilinx7", accumulator=2.0, restart=1.35, compressor=1.82, isolation=7.0, register_ns=1.9, carry_ns=0.03, level_ns=0.8),
    "ultrascale": _lane("ultrascale", accumulator=2.0, restart=1.35, compressor=1.82, isolation=7.0, register_ns=1.9, carry_ns=0.03, level_ns=0.8),
    "ecp5": _lane("ecp5", accumulator=2.0, restart=2.03, compressor=1.95, isolation=3.5, register_ns=2.6, carry_ns=0.022, level_ns=0.9),
    "ice40": _lane("ice40", accumulator=1.0, restart=1.97, compressor=1.92, isolation=3.75, register_ns=2.05, carry_ns=0.126, level_ns=1.0),
}
"""FPGA family -> what surrounds a multiplier in it."""


def in_dsp(exact: Costs) -> Costs:
    """Return the costs of an exact multiplier in a DSP block of the FPGA family that `exact` has lookup tables of.

    Raises:
        InputError: the technology is no FPGA family with DSP blocks.
    """
    fabric = FABRICS.get(exact.technology)
    if fabric is None or fabric.dsp_ns is None:
        raise InputError(f"technology {exact.technology!r} has no DSP blocks; expected an FPGA family for dsp = true: {', '.join(FABRICS)}.")
    origin = f"DSP block of {exact.technology}; delay: {fabric.dsp_origin}; energy: model"
    return replace(exact, luts=0, carries=0, dsps=1, delay_ns=fabric.dsp_ns, energy_fj=fabric.dsp_fj, leakage_nw=0.0, origin=origin)
