"""ArchitectureCosts and LaneConstants: what an accelerator costs, and what surrounds a multiplier in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hawx.blocks import Costs

Figures = NDArray[np.float64]
"""One figure per design, shape (...,), float64; smaller is better; inf marks a design the accelerator cannot hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureCosts:
    """Figures of many designs on one accelerator, each an array of shape (...,). Smaller is better for all but `utilization`."""

    area_um2: Figures
    """Multipliers, their lanes (registers, adders, selection), and `memory_area_um2` where memories are declared; NaN on an FPGA."""
    luts: Figures
    """The same in lookup tables, on an FPGA; NaN elsewhere, like the three that follow."""
    flip_flops: Figures
    dsps: Figures
    """DSP blocks that multiply exactly."""
    brams: Figures
    """Memory blocks that hold weights and activations."""
    power_uw: Figures
    """Mean power while images stream through at the design's clock: energy over the time one image occupies the accelerator."""
    energy_uj: Figures
    """Energy of one image: switching, clock, leakage, and `memory_energy_uj` where memories are declared."""
    latency_us: Figures
    """Time from the first operand of an image to its last product."""
    critical_path_ns: Figures
    """Longest register-to-register path of the blocks that the design instantiates."""
    cycles: Figures
    """Clock cycles of `latency_us`."""
    multipliers: Figures
    """Multiplier instances; a multi-mode lane counts every block it holds."""
    utilization: Figures
    """Multiply-accumulates over what all lanes could do in the cycles of a streaming image, 0..1; larger is better."""
    mult_power_ratio: Figures
    """MAC-weighted multiplier energy over that of the all-exact design, uniform operands (comparable with the literature)."""
    mult_energy_ratio: Figures
    """The same under the network's own operands; NaN where those energies were not given."""
    memory_area_um2: float = 0.0
    """The part of `area_um2` that is declared memory; 0 without a memory declaration."""
    memory_energy_uj: float = 0.0
    """The part of `energy_uj` that is declared memory access."""
    origin: str = ""
    """How the figures arise: laws, technology, and whether the lane constants are measured or scaled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneConstants:
    """What surrounds a multiplier in one technology: registers, accumulator bits, operand isolation, selection.

    Areas are in the technology's own unit: um2 of a cell library, lookup tables of an FPGA family, where a flip-flop takes none.
    """

    technology: str
    flip_flop_area: float
    flip_flop_clock_fj: float
    """Energy of one flip-flop per clock cycle, used or idle."""
    flip_flop_leakage_nw: float
    operand_fj: float
    """Switching of one operand register bit per multiplication."""
    adder_bit_area: float
    """One bit of an adder tree."""
    final_bit_area: float
    """One bit of its last adder: on an FPGA a carry chain, where the others save carries."""
    adder_bit_fj: float
    accumulator_bit_area: float
    """One bit of an accumulator's adder and clearing gate, without its register."""
    restart_bit_area: float
    """The same where a new sum begins with the first product, as in spatial lanes."""
    accumulator_bit_fj: float
    """Switching of one accumulator bit and its register per accumulation."""
    adder_bit_leakage_nw: float
    isolation_area: float
    """Gates that isolate one block of a multi-mode lane: its 16 operand bits and 16 product bits."""
    selection_area: float
    """Gates that merge the products of one more block."""
    selection_fj: float
    """Isolation and selection per multiplication on a multi-mode lane."""
    select_ns: float
    """Delay that isolation and selection add to a multi-mode lane."""
    lane_ns: float
    """Delay from operand register to product and from sum to register, beside multiplier and adders."""
    carry_ns: float
    """Delay of one accumulator bit."""
    level_ns: float
    """Delay of one level of an adder tree."""
    exact_area: float
    exact_energy_fj: float
    exact_delay_ns: float
    """Figures of the exact block of the same flow: the yardstick by which the constants move to another technology."""
    origin: str

    def scaled_to(self, exact: Costs) -> LaneConstants:
        """Return these constants for the technology of `exact`, scaled by that exact block's area, energy and delay."""
        if exact.technology == self.technology:
            return self
        area, energy, delay = exact.area / self.exact_area, exact.energy_fj / self.exact_energy_fj, exact.delay_ns / self.exact_delay_ns
        return replace(
            self,
            technology=exact.technology,
            **{name: getattr(self, name) * area for name in _AREAS},
            **{name: getattr(self, name) * energy for name in _ENERGIES},
            **{name: getattr(self, name) * delay for name in _DELAYS},
            flip_flop_leakage_nw=0.0,
            adder_bit_leakage_nw=0.0,
            exact_area=exact.area,
            exact_energy_fj=exact.energy_fj,
            exact_delay_ns=exact.delay_ns,
            origin=f"lane constants of {self.technology}, scaled by the exact multiplier of {exact.technology}",
        )


_AREAS = ("flip_flop_area", "adder_bit_area", "final_bit_area", "accumulator_bit_area", "restart_bit_area", "isolation_area", "selection_area")
_ENERGIES = ("flip_flop_clock_fj", "operand_fj", "adder_bit_fj", "accumulator_bit_fj", "selection_fj")
_DELAYS = ("select_ns", "lane_ns", "carry_ns", "level_ns")

OSU018 = LaneConstants(
    technology="osu018",
    flip_flop_area=96.0,  # DFFPOSX1
    flip_flop_clock_fj=201.2,  # its clock pin: C·V² and passive energy of both edges
    flip_flop_leakage_nw=0.16,
    operand_fj=50.0,
    adder_bit_area=114.4,
    final_bit_area=114.4,
    adder_bit_fj=208.0,
    accumulator_bit_area=178.1,
    restart_bit_area=178.1,
    accumulator_bit_fj=285.5,
    adder_bit_leakage_nw=0.36,
    isolation_area=330.0,
    selection_area=323.0,
    selection_fj=895.0,
    select_ns=1.4,
    lane_ns=0.73,
    carry_ns=0.126,
    level_ns=0.4,
    exact_area=8479.0,
    exact_energy_fj=11272.83,
    exact_delay_ns=3.9757,
    origin="lane constants of osu018, fitted on synthesized arrays (benchmarks/arrays_synthesis.py)",
)
