"""ArchitectureCosts and LaneConstants: what an accelerator costs, and what surrounds a multiplier in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hawx.blocks import Costs
from hawx.errors import InputError

Figures = NDArray[np.float64]
"""One figure per design, shape (...,), float64; smaller is better; inf marks a design the accelerator cannot hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureCosts:
    """Figures of many designs on one accelerator, each an array of shape (...,). Smaller is better for all but `utilization`."""

    area_um2: Figures
    """Multipliers, their lanes (registers, adders, selection), and `memory_area_um2` where memories are declared."""
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
    """What surrounds a multiplier in one technology: registers, accumulator bits, operand isolation, selection."""

    technology: str
    flip_flop_um2: float
    flip_flop_clock_fj: float
    """Energy of one flip-flop per clock cycle, used or idle."""
    flip_flop_leakage_nw: float
    operand_fj: float
    """Switching of one operand register bit per multiplication."""
    adder_bit_um2: float
    """One bit of an adder tree."""
    adder_bit_fj: float
    accumulator_bit_um2: float
    """One bit of an accumulator's adder and clearing gate, without its register."""
    accumulator_bit_fj: float
    """Switching of one accumulator bit and its register per accumulation."""
    adder_bit_leakage_nw: float
    isolation_um2: float
    """Gates that isolate one block of a multi-mode lane: its 16 operand bits and 16 product bits."""
    selection_um2: float
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
    exact_area_um2: float
    exact_energy_fj: float
    exact_delay_ns: float
    """Figures of the exact block of the same flow: the yardstick by which the constants move to another technology."""
    origin: str

    def scaled_to(self, exact: Costs) -> LaneConstants:
        """Return these constants for the technology of `exact`, scaled by that exact block's area, energy and delay."""
        if exact.technology == self.technology:
            return self
        area, energy, delay = exact.area / self.exact_area_um2, exact.energy_fj / self.exact_energy_fj, exact.delay_ns / self.exact_delay_ns
        return replace(
            self,
            technology=exact.technology,
            **{name: getattr(self, name) * area for name in _AREAS},
            **{name: getattr(self, name) * energy for name in _ENERGIES},
            **{name: getattr(self, name) * delay for name in _DELAYS},
            flip_flop_leakage_nw=0.0,
            adder_bit_leakage_nw=0.0,
            exact_area_um2=exact.area,
            exact_energy_fj=exact.energy_fj,
            exact_delay_ns=exact.delay_ns,
            origin=f"lane constants of {self.technology}, scaled by the exact multiplier of {exact.technology}",
        )


_AREAS = ("flip_flop_um2", "adder_bit_um2", "accumulator_bit_um2", "isolation_um2", "selection_um2")
_ENERGIES = ("flip_flop_clock_fj", "operand_fj", "adder_bit_fj", "accumulator_bit_fj", "selection_fj")
_DELAYS = ("select_ns", "lane_ns", "carry_ns", "level_ns")

OSU018 = LaneConstants(
    technology="osu018",
    flip_flop_um2=96.0,  # DFFPOSX1
    flip_flop_clock_fj=201.2,  # its clock pin: C·V² and passive energy of both edges
    flip_flop_leakage_nw=0.16,
    operand_fj=50.0,
    adder_bit_um2=114.4,
    adder_bit_fj=208.0,
    accumulator_bit_um2=178.1,
    accumulator_bit_fj=285.5,
    adder_bit_leakage_nw=0.36,
    isolation_um2=330.0,
    selection_um2=323.0,
    selection_fj=895.0,
    select_ns=1.4,
    lane_ns=0.73,
    carry_ns=0.126,
    level_ns=0.4,
    exact_area_um2=8479.0,
    exact_energy_fj=11272.83,
    exact_delay_ns=3.9757,
    origin="lane constants of osu018, fitted on synthesized arrays (benchmarks/arrays_synthesis.py)",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFigures:
    """Costs of a library as arrays, shape (blocks,), with the lane constants of their technology."""

    area_um2: Figures
    delay_ns: Figures
    energy_fj: Figures
    leakage_nw: Figures
    constant_lsbs: Figures
    exact: int
    lane: LaneConstants

    @classmethod
    def of(cls, costs: Sequence[Costs], exact: int) -> BlockFigures:
        """Return the arrays of `costs`, whose entry `exact` is the exact block.

        Raises:
            InputError: no costs, mixed technologies, or `exact` out of range.
        """
        technologies = sorted({c.technology for c in costs})
        if len(technologies) != 1:
            raise InputError(f"block costs are in technologies {technologies!r}; expected one technology for all blocks.")
        if not 0 <= exact < len(costs):
            raise InputError(f"exact block index {exact!r} is out of range; expected 0..{len(costs) - 1}.")

        def column(name: str) -> Figures:
            return np.array([getattr(c, name) for c in costs], np.float64)

        return cls(
            area_um2=column("area_um2"),
            delay_ns=column("delay_ns"),
            energy_fj=column("energy_fj"),
            leakage_nw=column("leakage_nw"),
            constant_lsbs=column("constant_lsbs"),
            exact=exact,
            lane=OSU018.scaled_to(costs[exact]),
        )


def layer_energies(energies: ArrayLike | None, figures: BlockFigures, layers: int) -> Figures:
    """Return fJ per multiplication, shape (layers, blocks): `energies` where given, else the uniform-operand figures.

    Raises:
        InputError: `energies` has another shape.
    """
    blocks = figures.energy_fj.size
    if energies is None:
        return np.broadcast_to(figures.energy_fj, (layers, blocks))
    array = np.asarray(energies, np.float64)
    if array.shape != (layers, blocks):
        raise InputError(f"operand-aware energies have shape {array.shape!r}; expected (layers, blocks) = ({layers}, {blocks}).")
    return array
