"""Temporal accelerators: one array of lanes that every layer uses in turn, so what is instantiated is what distinct blocks cost."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, log2
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hawx.accelerators.base import LayerShape
from hawx.accelerators.costs import Figures
from hawx.accelerators.cycles import UNIT_LANES, Dataflow, simt_cycles, systolic_cycles
from hawx.accelerators.figures import BlockFigures
from hawx.accelerators.law import CostLaw, Counts, Load, is_whole, macs_per_filter
from hawx.accelerators.memory import Traffic
from hawx.errors import InputError

PRODUCT_BITS = 16


class Sharing(StrEnum):
    """How lanes provide several blocks."""

    MULTI_MODE = "multi-mode"
    """Every lane holds each used block, inactive ones operand-gated: area adds, cycles do not change."""
    PARTITIONED = "partitioned"
    """Every lane holds one block; filters go to lanes of their block, and the slowest partition sets a layer's cycles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneArray:
    """The lanes of a temporal accelerator, before blocks are put into them."""

    shares: int
    """Columns or compute units: what a partitioned accelerator splits among blocks."""
    lanes_per_share: int
    accumulators: Figures
    """Accumulator bits of a lane, by the block it holds, shape (blocks,)."""
    edge_flip_flops: float = 0.0
    """Operand registers that the last lanes lack, for they pass nothing on."""
    other_um2: float = 0.0
    """Area of a lane beside its multiply-accumulate datapath."""
    other_fj: float = 0.0
    """Energy per multiply-accumulate beside that of the datapath."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Temporal(CostLaw):
    """What systolic arrays and soft GPUs share: lanes in equal shares, each with every used block or with one of them."""

    sharing: Sharing = Sharing.MULTI_MODE
    """How lanes provide several blocks: each holds all of them, or one, in columns or compute units that are shared out."""
    accumulator_bits: int = 32
    """Width of a lane's accumulator."""

    @abstractmethod
    def lane_array(self, constant_lsbs: Figures) -> LaneArray:
        """Return the lanes, for blocks with these constant output bits."""

    @abstractmethod
    def shared_cycles(self, layers: Sequence[LayerShape], counts: Counts, shares: NDArray[np.int64]) -> Figures:
        """Return cycles of each layer, shape (designs, layers), when the filters of every block run on the block's own shares at once."""

    def load(self, layers: tuple[LayerShape, ...], counts: Counts, figures: BlockFigures) -> Load:
        """Return the load of designs with `counts`, shape (designs, layers, blocks)."""
        array, macs = self.lane_array(figures.constant_lsbs), macs_per_filter(layers)
        if self.sharing is Sharing.MULTI_MODE:
            cycles = np.full(len(counts), self.layer_cycles(layers).sum())
            return _multi_mode(array, cycles, counts, macs, figures)
        shares = partition(counts, macs, array.shares)
        cycles = np.where(shares.sum(axis=1) > array.shares, np.inf, self.shared_cycles(layers, counts, shares).sum(axis=1))
        return _partitioned(array, shares, cycles, counts, macs, figures)

    def layer_cycles(self, layers: Sequence[LayerShape]) -> Figures:
        """Return cycles of each layer on all lanes, shape (layers,)."""
        filters, shares = np.array([[[layer.filters] for layer in layers]]), np.array([[self.lane_array(np.zeros(1)).shares]])
        return np.asarray(self.shared_cycles(layers, filters, shares)[0], np.float64)

    def memories(self, layers: tuple[LayerShape, ...], figures: BlockFigures) -> list[tuple[float, int]]:
        """All weights, a word for every column or compute unit at once, and the activations of the largest layer, a word for the lanes of one."""
        held, array = self.traffic(layers), self.lane_array(np.zeros(1))
        return [(held.weight_bits, 8 * array.shares), (held.activation_bits, 8 * array.lanes_per_share)]

    def check_sizes(self, **sizes: object) -> None:
        """Raise InputError unless every size is an integer from 1 to 4096; turn `sharing` into its type."""
        for key, value in sizes.items():
            if not is_whole(value, 1, 4096):
                raise InputError(f"accelerator {self.name!r} has {key} = {value!r}; expected an integer from 1 to 4096.")
        object.__setattr__(self, "sharing", Sharing(self.sharing))


@dataclass(frozen=True, slots=True, kw_only=True)
class Systolic(Temporal):
    """A rows × columns array of multiply-accumulate lanes. Partitioned arrays split their columns among the used blocks.

    `accumulator_bits` is the width of the output-stationary dataflow; the others grow their partial sums row by row.
    """

    kind: ClassVar[str] = "systolic"
    name: str = "temporal"
    rows: int = 16
    """Lanes in a column of the array."""
    columns: int = 16
    """Lanes in a row."""
    dataflow: Dataflow = Dataflow.OUTPUT
    """What stays in the lanes."""

    def check(self) -> None:
        """Raise InputError unless sizes and accumulator are usable."""
        self.check_sizes(rows=self.rows, columns=self.columns)
        if not PRODUCT_BITS < self.accumulator_bits <= 48:
            raise InputError(f"accelerator {self.name!r} has accumulator_bits = {self.accumulator_bits!r}; expected 17..48.")
        object.__setattr__(self, "dataflow", Dataflow(self.dataflow))

    @property
    def held(self) -> str:
        """The operand that the dataflow keeps still."""
        return {Dataflow.WEIGHT: "weight", Dataflow.OUTPUT: "none", Dataflow.INPUT: "activation"}[self.dataflow]

    def lane_array(self, constant_lsbs: Figures) -> LaneArray:
        """Return the lanes by columns, with accumulators averaged over the rows.

        Output-stationary: an accumulator of `accumulator_bits`. Weight- and input-stationary: row r adds into 16 + ceil(log2(r + 1)) bits;
        one operand stays and the other is passed along the rows.
        """
        if self.dataflow is Dataflow.OUTPUT:
            bits, edge = float(self.accumulator_bits), self.rows + self.columns
        else:
            bits, edge = float(np.mean([PRODUCT_BITS + ceil(log2(row + 1)) for row in range(self.rows)])), self.rows
        return LaneArray(shares=self.columns, lanes_per_share=self.rows, accumulators=bits - constant_lsbs, edge_flip_flops=8.0 * edge)

    def shared_cycles(self, layers: Sequence[LayerShape], counts: Counts, shares: NDArray[np.int64]) -> Figures:
        """Return cycles of each layer, shape (designs, layers); filters of a block are taken as whole groups of a grouped layer."""
        each = np.zeros(counts.shape[:2])
        for index, layer in enumerate(layers):
            own, group = counts[:, index], layer.filters // layer.groups
            runs, filters = (np.ones_like(own), own) if layer.groups == 1 else (-(-own // group), np.where(own > 0, group, 0))
            size = {"pixels": layer.pixels, "reduction": layer.reduction, "rows": self.rows}
            each[:, index] = (runs * systolic_cycles(self.dataflow, **size, filters=filters, columns=shares)).max(axis=1)
        return each

    def traffic(self, layers: tuple[LayerShape, ...]) -> Traffic:
        """Return accesses with each operand fetched once per fold in which the array needs it (8-bit codes in and out)."""
        moved = 0.0
        for layer in layers:
            N, K, M = layer.pixels, layer.reduction, layer.filters // layer.groups
            spatial = {Dataflow.WEIGHT: (K, M), Dataflow.OUTPUT: (N, M), Dataflow.INPUT: (K, N)}[self.dataflow]
            row_folds, column_folds = ceil(spatial[0] / self.rows), ceil(spatial[1] / self.columns)
            weights, activations = {
                Dataflow.WEIGHT: (1, column_folds),
                Dataflow.OUTPUT: (row_folds, column_folds),
                Dataflow.INPUT: (column_folds, 1),
            }[self.dataflow]
            moved += 8.0 * layer.groups * (weights * K * M + activations * N * K + N * M)
        return _traffic(layers, moved)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simt(Temporal):
    """A soft GPU: compute units of eight lanes; the multiplier of every lane is exchanged (after FGPU).

    Lanes of a compute unit are alike: partitioned accelerators give whole compute units to a block. Figures cover the multiply-accumulate
    datapath; declare `lane_area_um2` and `instruction_fj` for the rest of a lane.
    """

    kind: ClassVar[str] = "simt"
    name: str = "simt"
    compute_units: int = 4
    """Units of eight lanes."""
    instructions_per_mac: float = 7.0
    """Instructions of the inner loop per multiply-accumulate: 7 for FGPU's compiled matrix product, near 1 when unrolled."""
    lane_area_um2: float = 0.0
    """Area of a lane beside its multiply-accumulate datapath, yours."""
    instruction_fj: float = 0.0
    """Energy of an instruction beside that of the datapath, yours."""

    def check(self) -> None:
        """Raise InputError unless there is a compute unit and an instruction for a product."""
        self.check_sizes(compute_units=self.compute_units)
        if not self.instructions_per_mac >= 1:
            raise InputError(f"accelerator {self.name!r} has instructions_per_mac = {self.instructions_per_mac!r}; expected at least 1.")

    @property
    def held(self) -> str:
        """Instructions stand between two products of a lane, so both operands are new."""
        return "none"

    def lane_array(self, constant_lsbs: Figures) -> LaneArray:
        """Return the lanes by compute units."""
        return LaneArray(
            shares=self.compute_units,
            lanes_per_share=UNIT_LANES,
            accumulators=self.accumulator_bits - constant_lsbs,
            other_um2=self.lane_area_um2,
            other_fj=self.instructions_per_mac * self.instruction_fj,
        )

    def shared_cycles(self, layers: Sequence[LayerShape], counts: Counts, shares: NDArray[np.int64]) -> Figures:
        """Return cycles of each layer, shape (designs, layers); the slowest block of a layer sets them."""
        pixels, reduction = (np.array([[getattr(layer, name)] for layer in layers]) for name in ("pixels", "reduction"))
        each = simt_cycles(
            pixels=pixels, reduction=reduction, filters=counts, units=shares[:, None, :], instructions_per_mac=self.instructions_per_mac
        )
        return np.asarray(each.max(axis=2), np.float64)

    def traffic(self, layers: tuple[LayerShape, ...]) -> Traffic:
        """Both operands are fetched for every multiply-accumulate, outputs written once."""
        moved = sum(8.0 * layer.pixels * layer.filters * (2 * layer.reduction + 1) for layer in layers)
        return _traffic(layers, moved)


def partition(counts: NDArray[np.int64], macs: Figures, total: int) -> NDArray[np.int64]:
    """Return how many of `total` columns (or compute units) each block gets, shape (designs, blocks), int64.

    In proportion to the block's multiply-accumulates by largest remainder, at least one for a used block and none for others.
    A design with more used blocks than `total` gets one each: the row then sums to more than `total`.
    """
    share = np.matmul(macs, counts.astype(np.float64))
    used = share > 0
    wanted = share / np.maximum(share.sum(axis=1, keepdims=True), 1.0) * total
    granted = np.where(used, np.maximum(np.floor(wanted), 1.0), 0.0)
    for _ in range(counts.shape[2]):  # hand out what is left, largest remainder first
        short = (granted.sum(axis=1) < total) & used.any(axis=1)
        if not short.any():
            break
        most = np.where(used, wanted - granted, -np.inf).argmax(axis=1)
        granted[short, most[short]] += 1
    while True:  # take back what minimum grants cost, from the block that exceeds its wish most
        excess = (granted.sum(axis=1) > total) & (granted > 1).any(axis=1)
        if not excess.any():
            break
        richest = np.where(granted > 1, granted - wanted, -np.inf).argmax(axis=1)
        granted[excess, richest[excess]] -= 1
    return granted.astype(np.int64)


def _multi_mode(array: LaneArray, cycles: Figures, counts: Counts, macs: Figures, figures: BlockFigures) -> Load:
    """Lanes that hold every used block, and the widest accumulator that one of them needs."""
    lane, lanes = figures.lane, float(array.shares * array.lanes_per_share)
    used = np.asarray(counts.any(axis=1), np.bool_)
    held = used.sum(axis=1)
    several = held > 1
    bits = np.where(used, array.accumulators, 0.0).max(axis=1) * lanes
    flip_flops = bits + PRODUCT_BITS * lanes
    isolation = np.where(several, held * lane.isolation_area + (held - 1) * lane.selection_area, 0.0)
    switched = array.accumulators * lane.accumulator_bit_fj
    steered = PRODUCT_BITS * lane.operand_fj + array.other_fj + np.where(several, lane.selection_fj, 0.0)
    return Load(
        area=lanes * (used @ figures.area + isolation)
        + bits * lane.accumulator_bit_area
        + flip_flops * lane.flip_flop_area
        - array.edge_flip_flops * lane.flip_flop_area
        + lanes * array.other_um2,
        leakage_nw=lanes * (used @ figures.leakage_nw)
        + bits * lane.adder_bit_leakage_nw
        + flip_flops * lane.flip_flop_leakage_nw
        - array.edge_flip_flops * lane.flip_flop_leakage_nw,
        flip_flops=flip_flops - array.edge_flip_flops,
        dsps=lanes * (used @ figures.dsps),
        lane_fj=_filters_by_cost(counts, macs, switched) + counts.sum(axis=2) @ macs * steered,
        cycles=cycles,
        interval=cycles,
        critical_path_ns=_path(used, array.accumulators, figures) + np.where(several, lane.select_ns, 0.0),
        multipliers=lanes * held,
        slots=np.full(len(counts), lanes),
    )


def _partitioned(array: LaneArray, shares: NDArray[np.int64], cycles: Figures, counts: Counts, macs: Figures, figures: BlockFigures) -> Load:
    """Lanes of one block each: `shares` columns or compute units of every block, shape (designs, blocks)."""
    lane, bits = figures.lane, array.accumulators
    flip_flops = bits + PRODUCT_BITS
    per_lane = {
        "area": figures.area + bits * lane.accumulator_bit_area + flip_flops * lane.flip_flop_area,
        "leakage_nw": figures.leakage_nw + bits * lane.adder_bit_leakage_nw + flip_flops * lane.flip_flop_leakage_nw,
        "flip_flops": flip_flops,
        "dsps": figures.dsps,
        "lanes": np.ones_like(bits),
    }
    total = dict(zip(per_lane, (shares * array.lanes_per_share @ np.stack(list(per_lane.values()), axis=1)).T, strict=True))
    return Load(
        area=total["area"] - array.edge_flip_flops * lane.flip_flop_area + total["lanes"] * array.other_um2,
        leakage_nw=total["leakage_nw"] - array.edge_flip_flops * lane.flip_flop_leakage_nw,
        flip_flops=total["flip_flops"] - array.edge_flip_flops,
        dsps=total["dsps"],
        lane_fj=_filters_by_cost(counts, macs, bits * lane.accumulator_bit_fj + PRODUCT_BITS * lane.operand_fj + array.other_fj),
        cycles=cycles,
        interval=cycles,
        critical_path_ns=_path(np.asarray(shares > 0, np.bool_), bits, figures),
        multipliers=total["lanes"],
        slots=total["lanes"],
    )


def _filters_by_cost(counts: Counts, macs: Figures, fj: Figures) -> Figures:
    """Return the energy of an image, shape (designs,), when a multiply-accumulate with each block costs `fj`, shape (blocks,)."""
    per_filter = np.outer(macs, fj).ravel()
    return np.asarray(counts.reshape(-1, per_filter.size) @ per_filter, np.float64)


def _path(used: NDArray[np.bool_], bits: Figures, figures: BlockFigures) -> Figures:
    """Return the longest path in ns over the used blocks: multiplier, then an accumulator of `bits` (per block)."""
    return np.asarray(np.where(used, figures.delay_ns + figures.lane.carry_ns * bits, 0.0).max(axis=1) + figures.lane.lane_ns, np.float64)


def _traffic(layers: Sequence[LayerShape], moved: float) -> Traffic:
    """Return the traffic of `moved` bits; all weights are held, and the largest input and output of a layer."""
    weights = sum(layer.filters * layer.reduction for layer in layers) * 8.0
    largest = max(layer.in_channels * layer.in_size[0] * layer.in_size[1] + layer.filters * layer.pixels for layer in layers) * 8.0
    return Traffic(weight_bits=weights, activation_bits=largest, accessed_bits=moved)
