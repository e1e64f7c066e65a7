"""Spatial accelerator: every layer has its own PE × SIMD multipliers and all layers work at once (FINN, hls4ml)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil, log2
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from hawx.accelerators.base import LayerShape
from hawx.accelerators.costs import Figures, LaneConstants
from hawx.accelerators.figures import BlockFigures
from hawx.accelerators.folding import Folding, cycles, declared, for_budget, for_interval
from hawx.accelerators.law import CostLaw, Counts, Load
from hawx.accelerators.memory import Traffic
from hawx.errors import InputError

DEFAULT_MULTIPLIERS = 1024


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spatial(CostLaw):
    """A dataflow accelerator. The folding is declared per layer, or found for one target; without any, for 1024 multipliers.

    A lane is one PE: `simd` multipliers, their adder tree and one accumulator. Its `fold` filters take turns on the same multipliers, so
    they must share a block. Filters may be permuted freely (only the order of output channels changes), so a layer needs
    Σ_b ceil(filters with block b / fold) lanes: never fewer than PE, and PE exactly where the layer uses one block.
    """

    kind: ClassVar[str] = "spatial"
    name: str = "spatial"
    folding: Mapping[str, Folding] = field(default_factory=dict)
    """Layer name -> folding; all layers or none."""
    interval_cycles: int | None = None
    """Target: at most this many cycles between two images."""
    multipliers: int | None = None
    """Target: at most this many multipliers in the uniform design."""
    area_um2: float | None = None
    """Target: at most this area in the all-exact design."""
    luts: int | None = None
    """Target: at most these lookup tables of an FPGA in the all-exact design."""

    def check(self) -> None:
        """Raise InputError unless at most one target is given, and that positive."""
        object.__setattr__(self, "folding", MappingProxyType(dict(self.folding)))
        targets = {"interval_cycles": self.interval_cycles, "multipliers": self.multipliers, "area_um2": self.area_um2, "luts": self.luts}
        given = [key for key, value in targets.items() if value is not None] + (["folding"] if self.folding else [])
        if len(given) > 1:
            raise InputError(f"spatial accelerator {self.name!r} has several targets {given!r}; expected at most one.")
        for key, value in targets.items():
            if value is not None and not value > 0:
                raise InputError(f"spatial accelerator {self.name!r} has {key} = {value!r}; expected a positive number.")
        if not given:
            object.__setattr__(self, "multipliers", DEFAULT_MULTIPLIERS)

    @property
    def held(self) -> str:
        """Filters take turns on a lane, so both operands are new in every cycle."""
        return "none"

    def foldings(self, layers: Sequence[LayerShape], figures: BlockFigures | None = None) -> tuple[Folding, ...]:
        """Return one folding per layer. `figures` are needed for an area target only.

        Raises:
            InputError: a folding does not divide, a layer is missing or unknown, or the target cannot be met.
        """
        layers = tuple(layers)
        if self.folding:
            return declared(layers, self.folding)
        if self.interval_cycles is not None:
            return for_interval(layers, self.interval_cycles)
        if self.multipliers is not None:
            return _for_multipliers(layers, self.multipliers)
        target = self.area_um2 or self.luts
        assert target is not None  # one target is always set
        if figures is None:
            raise InputError(f"spatial accelerator {self.name!r} has an area target {target!r}; expected block costs to fold by.")
        if figures.is_fpga == (self.luts is None):
            wanted = "luts" if figures.is_fpga else "area_um2"
            raise InputError(
                f"spatial accelerator {self.name!r} has an area target {target!r} in another unit than {figures.lane.technology}; expected {wanted}."
            )
        return _for_area(layers, float(target), float(figures.area[figures.exact]), figures.lane)

    def load(self, layers: tuple[LayerShape, ...], counts: Counts, figures: BlockFigures) -> Load:
        """Return the load of designs with `counts`, shape (designs, layers, blocks)."""
        foldings = self.foldings(layers, figures)
        lane = figures.lane
        totals = np.zeros((len(counts), 5))  # area, leakage, multipliers, flip-flops, DSP blocks
        lane_fj = np.zeros(len(counts))
        path = np.zeros(len(counts))
        for index, (layer, folding) in enumerate(zip(layers, foldings, strict=True)):
            fold = layer.filters // folding.pe
            filters = counts[:, index].astype(np.float64)
            lanes = np.ceil(filters / fold)  # exact: both are small integers
            bits = lane_bits(folding.simd, layer.reduction, figures.constant_lsbs)
            multipliers = np.full(bits.adders.shape, float(folding.simd))
            logic_nw = (bits.adders + bits.accumulators) * lane.adder_bit_leakage_nw + bits.flip_flops * lane.flip_flop_leakage_nw
            per_lane = [
                multipliers * figures.area + bits.area(lane),
                multipliers * figures.leakage_nw + logic_nw,
                multipliers,
                bits.flip_flops,
                multipliers * figures.dsps,
            ]
            shared = bits.shared_flip_flops * np.array([lane.flip_flop_area, lane.flip_flop_leakage_nw, 0.0, 1.0, 0.0])
            totals += lanes @ np.stack(per_lane, axis=1) + shared
            turns = layer.pixels * layer.reduction // folding.simd  # cycles in which a filter occupies its lane
            per_turn = bits.adders * lane.adder_bit_fj + bits.accumulators * lane.accumulator_bit_fj + 8.0 * folding.simd * lane.operand_fj
            lane_fj += filters @ (turns * per_turn) + turns * fold * 8.0 * folding.simd * lane.operand_fj
            delay = figures.delay_ns + lane.lane_ns + lane.carry_ns * bits.accumulators + lane.level_ns * bits.levels
            path = np.maximum(path, ((filters > 0) * delay).max(axis=1))
        interval = max(cycles(layer, f) for layer, f in zip(layers, foldings, strict=True))
        # a layer may start when its predecessor has delivered one kernel window; without a fill model the sum is the upper bound
        whole = sum(cycles(layer, f) for layer, f in zip(layers, foldings, strict=True))
        return Load(
            area=totals[:, 0],
            leakage_nw=totals[:, 1],
            multipliers=totals[:, 2],
            slots=totals[:, 2],
            flip_flops=totals[:, 3],
            dsps=totals[:, 4],
            lane_fj=lane_fj,
            cycles=np.full(len(counts), float(whole)),
            interval=np.full(len(counts), float(interval)),
            critical_path_ns=path,
        )

    def memories(self, layers: tuple[LayerShape, ...], figures: BlockFigures) -> list[tuple[float, int]]:
        """Weights of every layer, a word for all its lanes at once, and the activations that it reads; one word of weights stays in the lanes."""
        found: list[tuple[float, int]] = []
        for layer, folding in zip(layers, self.foldings(layers, figures), strict=True):
            found.append((8.0 * layer.filters * layer.reduction, 8 * folding.multipliers))
            found.append((8.0 * layer.in_channels * layer.in_size[0] * layer.in_size[1], 8 * folding.simd))
        return found

    def traffic(self, layers: tuple[LayerShape, ...]) -> Traffic:
        """Weights are read every turn; an activation is read once for each group of PE filters; outputs are written once."""
        weights = sum(layer.filters * layer.reduction for layer in layers) * 8.0
        moved = sum(layer.filters * layer.reduction * layer.pixels + layer.filters * layer.pixels for layer in layers) * 8.0
        buffers = sum(layer.in_channels * layer.in_size[0] * layer.in_size[1] for layer in layers) * 8.0
        return Traffic(weight_bits=weights, activation_bits=buffers, accessed_bits=moved)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneBits:
    """What a lane of a spatial accelerator is made of beside its multipliers, per block."""

    adders: Figures
    """Bits of the adder tree, shape (blocks,)."""
    final: Figures
    """Those of its last adder, shape (blocks,)."""
    accumulators: Figures
    """Bits of the accumulator, shape (blocks,)."""
    flip_flops: Figures
    """Accumulator and weight registers, shape (blocks,)."""
    shared_flip_flops: float
    """Activation registers of the layer, shared by its lanes."""
    levels: int
    """Levels of the adder tree."""

    def area(self, lane: LaneConstants) -> Figures:
        """Return the area of a lane beside its multipliers, shape (blocks,)."""
        tree = (self.adders - self.final) * lane.adder_bit_area + self.final * lane.final_bit_area
        return tree + self.accumulators * lane.restart_bit_area + self.flip_flops * lane.flip_flop_area


def lane_bits(simd: int, reduction: int, constant_lsbs: Figures) -> LaneBits:
    """Return the bits of a lane per block: an adder tree over `simd` products, one accumulator, weight registers.

    Level j of the tree adds pairs of 16 + j - 1 bits into 16 + j; the accumulator holds 16 + ceil(log2 K) bits. Output bits of a block
    that are always 0 are neither added nor stored.
    """
    adders = np.zeros_like(constant_lsbs)
    operands, levels = simd, 0
    while operands > 1:
        levels += 1
        adders = adders + (operands // 2) * (16 + levels - constant_lsbs)
        operands -= operands // 2
    accumulators = 16 + ceil(log2(reduction)) - constant_lsbs
    final = np.zeros_like(constant_lsbs) if simd == 1 else 16 + levels - constant_lsbs
    return LaneBits(
        adders=adders, final=final, accumulators=accumulators, flip_flops=accumulators + 8.0 * simd, shared_flip_flops=8.0 * simd + 1.0, levels=levels
    )


@lru_cache(maxsize=256)
def _for_multipliers(layers: tuple[LayerShape, ...], multipliers: int) -> tuple[Folding, ...]:
    return for_budget(layers, multipliers, lambda foldings: sum(f.multipliers for f in foldings), "multiplier target")


@lru_cache(maxsize=256)
def _for_area(layers: tuple[LayerShape, ...], area: float, exact_area: float, lane: LaneConstants) -> tuple[Folding, ...]:
    def size(foldings: Sequence[Folding]) -> float:
        total = 0.0
        for layer, folding in zip(layers, foldings, strict=True):
            bits = lane_bits(folding.simd, layer.reduction, np.zeros(1))
            total += folding.pe * (folding.simd * exact_area + float(bits.area(lane)[0])) + bits.shared_flip_flops * lane.flip_flop_area
        return total

    return for_budget(layers, area, size, "area target")
