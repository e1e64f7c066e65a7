"""Temporal accelerators: one array of lanes that every layer uses in turn, so what is instantiated is what distinct blocks cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, log2
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hawx.accelerators.base import Clock, LayerShape, Load, check_clock, evaluate_law, is_whole
from hawx.accelerators.costs import ArchitectureCosts, BlockFigures, Figures
from hawx.accelerators.cycles import UNIT_LANES, Dataflow, simt_cycles, systolic_cycles
from hawx.accelerators.memory import Memory, Traffic
from hawx.blocks import Costs
from hawx.errors import InputError

PRODUCT_BITS = 16


class Sharing(StrEnum):
    """How lanes provide several blocks."""

    MULTI_MODE = "multi-mode"
    """Every lane holds each used block, inactive ones operand-gated: area adds, cycles do not change."""
    PARTITIONED = "partitioned"
    """Every lane holds one block; filters go to lanes of their block, and the slowest partition sets a layer's cycles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Systolic:
    """A rows × columns array of multiply-accumulate lanes. Partitioned arrays split their columns among the used blocks."""

    name: str = "temporal"
    rows: int = 16
    columns: int = 16
    dataflow: Dataflow = Dataflow.OUTPUT
    sharing: Sharing = Sharing.MULTI_MODE
    accumulator_bits: int = 32
    """Accumulator width of the output-stationary dataflow; the others grow their partial sums row by row."""
    clock: Clock = "exact"
    memory: Memory | None = None

    def __post_init__(self) -> None:
        check_clock(self.clock)
        _check_sizes(self.name, {"rows": self.rows, "columns": self.columns})
        if not PRODUCT_BITS < self.accumulator_bits <= 48:
            raise InputError(f"accelerator {self.name!r} has accumulator_bits = {self.accumulator_bits!r}; expected 17..48.")
        object.__setattr__(self, "dataflow", Dataflow(self.dataflow))
        object.__setattr__(self, "sharing", Sharing(self.sharing))

    @property
    def params(self) -> dict[str, Any]:
        """Plain JSON values, as a TOML declaration would give them."""
        values: dict[str, Any] = {
            "kind": "systolic",
            "rows": self.rows,
            "columns": self.columns,
            "dataflow": str(self.dataflow),
            "sharing": str(self.sharing),
            "accumulator_bits": self.accumulator_bits,
            "clock": self.clock,
        }
        if self.memory is not None:
            values["memory"] = self.memory.params
        return values

    @property
    def held(self) -> str:
        """The operand that the dataflow keeps still."""
        return {Dataflow.WEIGHT: "weight", Dataflow.OUTPUT: "none", Dataflow.INPUT: "activation"}[self.dataflow]

    def evaluate(
        self, layers: Sequence[LayerShape], counts: ArrayLike, costs: Sequence[Costs], *, exact: int, energies: ArrayLike | None = None
    ) -> ArchitectureCosts:
        """Return the costs of many designs; see `Accelerator.evaluate`. A partitioned design with more blocks than columns costs inf."""
        return evaluate_law(self, layers, counts, costs, exact=exact, energies=energies, clock=self.clock, memory=self.memory)

    def layer_cycles(self, layers: Sequence[LayerShape]) -> NDArray[np.int64]:
        """Return cycles of each layer on the whole array, shape (layers,), int64."""
        facts = _facts(layers)
        filters = np.array([layer.filters // layer.groups for layer in layers])
        runs = np.array([layer.groups for layer in layers])
        return runs * systolic_cycles(self.dataflow, **facts, filters=filters, rows=self.rows, columns=self.columns)

    def load(self, layers: tuple[LayerShape, ...], counts: NDArray[np.int64], figures: BlockFigures) -> Load:
        """Return the load of designs with `counts`, shape (designs, layers, blocks)."""
        used = np.asarray(counts.any(axis=1), np.bool_)
        adders, flip_flops = self.array_bits(figures.constant_lsbs)
        edge_flip_flops = 8.0 * (self.rows + self.columns) if self.dataflow is Dataflow.OUTPUT else 8.0 * self.rows
        macs = _macs(layers)
        if self.sharing is Sharing.MULTI_MODE:
            lanes = float(self.rows * self.columns)
            load = _multi_mode(lanes, used, adders * self.rows * self.columns, flip_flops * self.rows * self.columns, counts, macs, figures)
            cycles = np.full(len(counts), float(self.layer_cycles(layers).sum()))
        else:
            columns = partition(counts, macs, self.columns)
            load = _partitioned(columns, self.rows, adders, flip_flops, counts, macs, figures)
            cycles = self._partitioned_cycles(layers, counts, columns)
        lane = figures.lane
        return Load(
            area_um2=load.area_um2 - edge_flip_flops * lane.flip_flop_um2,
            leakage_nw=load.leakage_nw - edge_flip_flops * lane.flip_flop_leakage_nw,
            flip_flops=load.flip_flops - edge_flip_flops,
            lane_fj=load.lane_fj,
            cycles=cycles,
            interval=cycles,
            critical_path_ns=load.critical_path_ns,
            multipliers=load.multipliers,
            slots=load.slots,
        )

    def array_bits(self, constant_lsbs: Figures) -> tuple[Figures, Figures]:
        """Return adder bits and flip-flops per lane, averaged over the rows, for blocks with these constant output bits.

        Output-stationary: an accumulator of `accumulator_bits` and two operand registers. Weight- and input-stationary: row r adds
        into 16 + ceil(log2(r + 1)) bits and keeps one operand still and passes the other.
        """
        if self.dataflow is Dataflow.OUTPUT:
            width = self.accumulator_bits - constant_lsbs
        else:
            width = float(np.mean([PRODUCT_BITS + ceil(log2(row + 1)) for row in range(self.rows)])) - constant_lsbs
        return width, width + 16.0

    def _partitioned_cycles(self, layers: Sequence[LayerShape], counts: NDArray[np.int64], columns: NDArray[np.int64]) -> Figures:
        total = np.zeros(len(counts))
        for index, layer in enumerate(layers):
            own = counts[:, index]
            group = layer.filters // layer.groups
            # filters of a block are taken as whole groups of a grouped layer
            runs, filters = (np.ones_like(own), own) if layer.groups == 1 else (-(-own // group), np.where(own > 0, group, 0))
            each = runs * systolic_cycles(
                self.dataflow, pixels=layer.pixels, reduction=layer.reduction, filters=filters, rows=self.rows, columns=columns
            )
            total += each.max(axis=1)
        return np.where(columns.sum(axis=1) > self.columns, np.inf, total)

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
        return _held(layers, moved)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simt:
    """A soft GPU: compute units of eight lanes; the multiplier of every lane is exchanged (after FGPU).

    Lanes of a compute unit are alike: partitioned accelerators give whole compute units to a block. Figures cover the multiply-accumulate
    datapath; declare `lane_area_um2` and `instruction_fj` for the rest of a lane.
    """

    name: str = "simt"
    compute_units: int = 4
    instructions_per_mac: float = 7.0
    """Instructions of the inner loop per multiply-accumulate: 7 for FGPU's compiled matrix product, near 1 when unrolled."""
    sharing: Sharing = Sharing.MULTI_MODE
    accumulator_bits: int = 32
    lane_area_um2: float = 0.0
    instruction_fj: float = 0.0
    clock: Clock = "exact"
    memory: Memory | None = None

    def __post_init__(self) -> None:
        check_clock(self.clock)
        _check_sizes(self.name, {"compute_units": self.compute_units})
        if not self.instructions_per_mac >= 1:
            raise InputError(f"accelerator {self.name!r} has instructions_per_mac = {self.instructions_per_mac!r}; expected at least 1.")
        object.__setattr__(self, "sharing", Sharing(self.sharing))

    @property
    def params(self) -> dict[str, Any]:
        """Plain JSON values, as a TOML declaration would give them."""
        values: dict[str, Any] = {
            "kind": "simt",
            "compute_units": self.compute_units,
            "instructions_per_mac": self.instructions_per_mac,
            "sharing": str(self.sharing),
            "accumulator_bits": self.accumulator_bits,
            "lane_area_um2": self.lane_area_um2,
            "instruction_fj": self.instruction_fj,
            "clock": self.clock,
        }
        if self.memory is not None:
            values["memory"] = self.memory.params
        return values

    @property
    def held(self) -> str:
        """Instructions stand between two products of a lane, so both operands are new."""
        return "none"

    def evaluate(
        self, layers: Sequence[LayerShape], counts: ArrayLike, costs: Sequence[Costs], *, exact: int, energies: ArrayLike | None = None
    ) -> ArchitectureCosts:
        """Return the costs of many designs; see `Accelerator.evaluate`. A partitioned design with more blocks than units costs inf."""
        return evaluate_law(self, layers, counts, costs, exact=exact, energies=energies, clock=self.clock, memory=self.memory)

    def load(self, layers: tuple[LayerShape, ...], counts: NDArray[np.int64], figures: BlockFigures) -> Load:
        """Return the load of designs with `counts`, shape (designs, layers, blocks)."""
        used = np.asarray(counts.any(axis=1), np.bool_)
        adders = self.accumulator_bits - figures.constant_lsbs
        flip_flops = adders + 16.0
        macs = _macs(layers)
        facts = _facts(layers)
        lanes = float(self.compute_units * UNIT_LANES)
        if self.sharing is Sharing.MULTI_MODE:
            load = _multi_mode(lanes, used, adders * lanes, flip_flops * lanes, counts, macs, figures)
            filters = np.array([layer.filters for layer in layers])
            each = simt_cycles(**facts, filters=filters, units=self.compute_units, instructions_per_mac=self.instructions_per_mac)
            cycles = np.full(len(counts), float(each.sum()))
        else:
            units = partition(counts, macs, self.compute_units)
            load = _partitioned(units, UNIT_LANES, adders, flip_flops, counts, macs, figures)
            per_layer = simt_cycles(
                pixels=facts["pixels"][:, None],
                reduction=facts["reduction"][:, None],
                filters=counts,
                units=units[:, None, :],
                instructions_per_mac=self.instructions_per_mac,
            )
            cycles = np.where(units.sum(axis=1) > self.compute_units, np.inf, per_layer.max(axis=2).sum(axis=1))
        instructions = float((macs * np.array([layer.filters for layer in layers])).sum()) * self.instructions_per_mac
        return Load(
            area_um2=load.area_um2 + lanes * self.lane_area_um2,
            leakage_nw=load.leakage_nw,
            flip_flops=load.flip_flops,
            lane_fj=load.lane_fj + instructions * self.instruction_fj,
            cycles=cycles,
            interval=cycles,
            critical_path_ns=load.critical_path_ns,
            multipliers=load.multipliers,
            slots=load.slots,
        )

    def traffic(self, layers: tuple[LayerShape, ...]) -> Traffic:
        """Both operands are fetched for every multiply-accumulate, outputs written once."""
        moved = sum(8.0 * layer.pixels * layer.filters * (2 * layer.reduction + 1) for layer in layers)
        return _held(layers, moved)


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


def _multi_mode(
    lanes: float, used: NDArray[np.bool_], adders: Figures, flip_flops: Figures, counts: NDArray[np.int64], macs: Figures, figures: BlockFigures
) -> Load:
    """Lanes that hold every used block; `adders` and `flip_flops` are totals of the array per block."""
    lane = figures.lane
    held = used.sum(axis=1)
    several = held > 1
    adder_bits = np.where(used, adders, 0.0).max(axis=1)
    registers = np.where(used, flip_flops, 0.0).max(axis=1)
    isolation = np.where(several, held * lane.isolation_um2 + (held - 1) * lane.selection_um2, 0.0)
    filters = counts.sum(axis=2) @ macs
    switched = counts.reshape(len(counts), -1) @ np.outer(macs, adders / lanes * lane.accumulator_bit_fj).ravel()
    return Load(
        area_um2=lanes * (used @ figures.area_um2 + isolation) + adder_bits * lane.accumulator_bit_um2 + registers * lane.flip_flop_um2,
        leakage_nw=lanes * (used @ figures.leakage_nw) + adder_bits * lane.adder_bit_leakage_nw + registers * lane.flip_flop_leakage_nw,
        flip_flops=registers,
        lane_fj=switched + filters * (PRODUCT_BITS * lane.operand_fj + np.where(several, lane.selection_fj, 0.0)),
        cycles=np.zeros(len(counts)),
        interval=np.zeros(len(counts)),
        critical_path_ns=_path(used, adders / lanes, figures) + np.where(several, lane.select_ns, 0.0),
        multipliers=lanes * held,
        slots=np.full(len(counts), lanes),
    )


def _partitioned(
    shares: NDArray[np.int64], width: int, adders: Figures, flip_flops: Figures, counts: NDArray[np.int64], macs: Figures, figures: BlockFigures
) -> Load:
    """Lanes of one block each: `shares` columns (or units) of `width` lanes; `adders` and `flip_flops` are per lane and block."""
    lane = figures.lane
    per_lane = np.stack(
        [
            figures.area_um2 + adders * lane.accumulator_bit_um2 + flip_flops * lane.flip_flop_um2,
            figures.leakage_nw + adders * lane.adder_bit_leakage_nw + flip_flops * lane.flip_flop_leakage_nw,
            flip_flops,
            np.ones_like(adders),
        ],
        axis=1,
    )
    area, leakage, registers, lanes = (shares * width @ per_lane).T
    return Load(
        area_um2=area,
        leakage_nw=leakage,
        flip_flops=registers,
        lane_fj=counts.reshape(len(counts), -1) @ np.outer(macs, adders * lane.accumulator_bit_fj + PRODUCT_BITS * lane.operand_fj).ravel(),
        cycles=np.zeros(len(counts)),
        interval=np.zeros(len(counts)),
        critical_path_ns=_path(np.asarray(shares > 0, np.bool_), adders, figures),
        multipliers=lanes,
        slots=lanes,
    )


def _path(used: NDArray[np.bool_], bits: Figures, figures: BlockFigures) -> Figures:
    """Return the longest path in ns over the used blocks: multiplier, then an accumulator of `bits` (per block)."""
    return np.asarray(np.where(used, figures.delay_ns + figures.lane.carry_ns * bits, 0.0).max(axis=1) + figures.lane.lane_ns, np.float64)


def _facts(layers: Sequence[LayerShape]) -> dict[str, NDArray[np.int64]]:
    return {"pixels": np.array([layer.pixels for layer in layers]), "reduction": np.array([layer.reduction for layer in layers])}


def _macs(layers: Sequence[LayerShape]) -> Figures:
    """Multiply-accumulates of one filter of each layer, shape (layers,)."""
    return np.array([layer.pixels * layer.reduction for layer in layers], np.float64)


def _held(layers: Sequence[LayerShape], moved: float) -> Traffic:
    weights = sum(layer.filters * layer.reduction for layer in layers) * 8.0
    largest = max(layer.in_channels * layer.in_size[0] * layer.in_size[1] + layer.filters * layer.pixels for layer in layers) * 8.0
    return Traffic(weight_bits=weights, activation_bits=largest, accessed_bits=moved)


def _check_sizes(name: str, sizes: dict[str, object]) -> None:
    for key, value in sizes.items():
        if not is_whole(value, 1, 4096):
            raise InputError(f"accelerator {name!r} has {key} = {value!r}; expected an integer from 1 to 4096.")
