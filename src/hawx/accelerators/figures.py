"""BlockFigures: the costs of a library as the laws take them, in the unit of their technology."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hawx.accelerators.costs import OSU018, Figures, LaneConstants
from hawx.accelerators.fpga import LANES, in_dsp
from hawx.blocks import Costs
from hawx.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFigures:
    """Costs of a library as arrays, shape (blocks,), with the lane constants of their technology."""

    area: Figures
    """In the unit of `lane`: um2, or lookup tables."""
    dsps: Figures
    """DSP blocks of one multiplier."""
    delay_ns: Figures
    energy_fj: Figures
    leakage_nw: Figures
    constant_lsbs: Figures
    exact: int
    lane: LaneConstants

    @classmethod
    def of(cls, costs: Sequence[Costs], exact: int, *, dsp: bool = False) -> BlockFigures:
        """Return the arrays of `costs`, whose entry `exact` is the exact block: in DSP blocks where `dsp` is set.

        Raises:
            InputError: no costs, mixed technologies, `exact` out of range, or a technology without DSP blocks.
        """
        technologies = sorted({c.technology for c in costs})
        if len(technologies) != 1:
            raise InputError(f"block costs are in technologies {technologies!r}; expected one technology for all blocks.")
        if not 0 <= exact < len(costs):
            raise InputError(f"exact block index {exact!r} is out of range; expected 0..{len(costs) - 1}.")

        def column(name: str) -> Figures:
            return np.array([getattr(c, name) for c in costs], np.float64)

        technology = costs[exact].technology
        if dsp:
            costs = [in_dsp(cost) if index == exact else cost for index, cost in enumerate(costs)]
        return cls(
            area=column("area"),
            dsps=column("dsps"),
            delay_ns=column("delay_ns"),
            energy_fj=column("energy_fj"),
            leakage_nw=column("leakage_nw"),
            constant_lsbs=column("constant_lsbs"),
            exact=exact,
            lane=LANES[technology] if technology in LANES else OSU018.scaled_to(costs[exact]),
        )

    @property
    def is_fpga(self) -> bool:
        """Whether area is counted in lookup tables."""
        return self.lane.technology in LANES


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
