"""CostLaw: what every kind of accelerator shares, from counts of filters to costs of designs; and Load, what a kind adds to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from enum import StrEnum
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hawx.accelerators.base import Clock, LayerShape
from hawx.accelerators.costs import ArchitectureCosts, Figures
from hawx.accelerators.devices import RAMS, Device, device_of
from hawx.accelerators.figures import BlockFigures, layer_energies
from hawx.accelerators.memory import Memory, Traffic
from hawx.blocks import Costs
from hawx.errors import InputError

Counts = NDArray[np.int64]
"""Filters of each layer that use each block, shape (designs, layers, blocks)."""

CHUNK = 8192
"""Designs evaluated at once: their arrays stay in cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a law computes for a chunk of designs, before clock, power and ratios; each array has shape (designs,)."""

    area: Figures
    """In the unit of the technology: um2, or lookup tables."""
    leakage_nw: Figures
    """Leakage of blocks and lanes."""
    dsps: Figures
    flip_flops: Figures
    """Clocked every cycle, used or idle."""
    lane_fj: Figures
    """Switching of everything but the multipliers, for one image."""
    cycles: Figures
    """Cycles from first to last product of an image."""
    interval: Figures
    """Cycles between two images in a stream; equals `cycles` unless layers overlap."""
    critical_path_ns: Figures
    multipliers: Figures
    slots: Figures
    """Products per cycle when nothing idles: lanes, however many blocks each holds."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CostLaw(ABC):
    """An accelerator whose kind adds its own parameters, its lanes and its cycles; see `Accelerator` for the contract."""

    kind: ClassVar[str]
    name: str
    clock: Clock = "exact"
    """`exact`: the clock of the all-exact design (slower designs at their own); `fastest`: each at its own critical path; or a number in MHz."""
    memory: Memory | None = None
    """Figures of on-chip memory, yours, reported apart."""
    technology: str | None = None
    """Cell library or FPGA family (xilinx7, ultrascale, ecp5, ice40) whose figures the blocks are taken in; unset: the first that all share."""
    device: str | None = None
    """FPGA that designs are to fit, such as xc7z020, ecp5-85f, ice40hx8k; it says the technology too."""
    dsp: bool = False
    """Whether exact multipliers are DSP blocks of the FPGA instead of lookup tables."""

    def __post_init__(self) -> None:
        if self.device is not None:
            device = device_of(self.device)
            if self.technology not in {None, device.family}:
                raise InputError(
                    f"device {device.name!r} is of family {device.family!r}; expected technology = {device.family!r}, or none beside it."
                )
            object.__setattr__(self, "device", device.name)
            object.__setattr__(self, "technology", device.family)
            if self.dsp and device.dsps == 0:
                raise InputError(f"device {device.name!r} has no DSP blocks; expected dsp = false for it.")
        good = self.clock in {"exact", "fastest"} if isinstance(self.clock, str) else not isinstance(self.clock, bool) and self.clock > 0
        if not good:
            raise InputError(f"clock {self.clock!r} is not usable; expected a positive number of MHz, 'exact' or 'fastest'.")
        self.check()

    @abstractmethod
    def check(self) -> None:
        """Raise InputError unless the parameters of the kind can be used; turn them into their types."""

    @property
    def params(self) -> dict[str, Any]:
        """Plain JSON values, as a TOML declaration would give them: all that is set, but the name."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "name"}
        return {"kind": self.kind} | {key: _plain(value) for key, value in values.items() if value is not None and value is not False and value != {}}

    @abstractmethod
    def load(self, layers: tuple[LayerShape, ...], counts: Counts, figures: BlockFigures) -> Load:
        """Return the load of designs with `counts`, shape (designs, layers, blocks)."""

    @abstractmethod
    def memories(self, layers: tuple[LayerShape, ...], figures: BlockFigures) -> Sequence[tuple[float, int]]:
        """Return (bits held, bits read at once) of every memory on the chip: weights, and the activations between layers."""

    @abstractmethod
    def traffic(self, layers: tuple[LayerShape, ...]) -> Traffic:
        """Return the memory accesses of one image."""

    def evaluate(
        self, layers: Sequence[LayerShape], counts: ArrayLike, costs: Sequence[Costs], *, exact: int, energies: ArrayLike | None = None
    ) -> ArchitectureCosts:
        """Return the costs of many designs; see `Accelerator.evaluate`. A design that the accelerator cannot hold costs inf."""
        layers = tuple(layers)
        figures = BlockFigures.of(costs, exact, dsp=self.dsp)
        array = checked_counts(counts, layers, len(costs))
        shape = array.shape[:-2]
        own = layer_energies(energies, figures, len(layers))
        if self.dsp and energies is not None:  # what operands do to an exact multiplier in lookup tables they do to one in a DSP block
            own = own * np.where(np.arange(len(costs)) == exact, figures.energy_fj[exact] / costs[exact].energy_fj, 1.0)
        brams = float(self._brams(layers, figures))
        macs, filters = macs_per_filter(layers), np.array([layer.filters for layer in layers])
        per_filter = np.stack([macs[:, None] * figures.energy_fj, macs[:, None] * own], axis=-1).reshape(-1, 2)
        exact_load = self.load(layers, all_exact(layers, len(costs), exact), figures)
        wanted_ns = _period_ns(self.clock, float(exact_load.critical_path_ns[0]))
        memory_area, memory_fj = (0.0, 0.0) if self.memory is None else self.memory.costs(self.traffic(layers))
        exact_uniform_fj, exact_own_fj = (macs * filters).sum() * figures.energy_fj[exact], (macs * filters) @ own[:, exact]

        def chunk_costs(chunk: Counts) -> dict[str, Figures]:
            load = self.load(layers, chunk, figures)
            uniform_fj, own_fj = (chunk.reshape(-1, len(per_filter)) @ per_filter).T
            period_ns = np.maximum(load.critical_path_ns, wanted_ns)
            busy_ns = load.interval * period_ns
            clock_fj = load.flip_flops * load.interval * figures.lane.flip_flop_clock_fj
            leakage_fj = load.leakage_nw * busy_ns * 1e-3  # nW x ns = 1e-18 J = 1e-3 fJ
            energy_fj = own_fj + load.lane_fj + clock_fj + leakage_fj + memory_fj
            with np.errstate(invalid="ignore"):  # inf / inf: a design the accelerator cannot hold
                power_uw = np.where(np.isfinite(busy_ns), energy_fj / busy_ns, np.inf)  # fJ / ns = uW
            nothing = np.full_like(load.area, np.nan)
            return {
                "area_um2": nothing if figures.is_fpga else load.area + memory_area,
                "luts": load.area if figures.is_fpga else nothing,
                "flip_flops": load.flip_flops if figures.is_fpga else nothing,
                "dsps": load.dsps if figures.is_fpga else nothing,
                "brams": np.full_like(load.area, brams) if figures.is_fpga else nothing,
                "power_uw": power_uw,
                "energy_uj": energy_fj * 1e-9,
                "latency_us": load.cycles * period_ns * 1e-3,
                "critical_path_ns": load.critical_path_ns,
                "cycles": load.cycles,
                "multipliers": load.multipliers,
                "utilization": macs @ filters / (load.interval * load.slots),
                "mult_power_ratio": uniform_fj / exact_uniform_fj,
                "mult_energy_ratio": np.full_like(own_fj, np.nan) if energies is None else own_fj / exact_own_fj,
            }

        parts = [chunk_costs(chunk) for chunk in _chunks(array.reshape(-1, *array.shape[-2:]))]
        return ArchitectureCosts(
            **{name: np.concatenate([part[name] for part in parts]).reshape(shape) for name in parts[0]},
            memory_area_um2=memory_area,
            memory_energy_uj=memory_fj * 1e-9,
            origin=f"{figures.lane.technology}: {figures.lane.origin}" + ("" if self.memory is None else f"; memories: {self.memory.origin}"),
        )

    @property
    def fpga(self) -> Device | None:
        """The FPGA that designs are to fit, where one is named."""
        return None if self.device is None else device_of(self.device)

    def _brams(self, layers: tuple[LayerShape, ...], figures: BlockFigures) -> int:
        """Return the memory blocks of the FPGA family; 0 elsewhere."""
        if not figures.is_fpga:
            return 0
        if self.memory is not None:
            raise InputError(f"accelerator {self.name!r} declares memory in um2 on an FPGA; expected none: block RAMs are counted.")
        ram = RAMS[figures.lane.technology]
        return sum(ram.blocks(bits, width) for bits, width in self.memories(layers, figures))


def technology_of(accelerator: object) -> str | None:
    """Return the technology that an accelerator takes figures of blocks in, or None where it takes any."""
    return accelerator.technology if isinstance(accelerator, CostLaw) else None


def fpga_of(accelerator: object) -> Device | None:
    """Return the FPGA that designs on an accelerator are to fit, or None where none is named."""
    return accelerator.fpga if isinstance(accelerator, CostLaw) else None


def checked_counts(counts: ArrayLike, layers: Sequence[LayerShape], blocks: int) -> NDArray[np.integer[Any]]:
    """Return `counts` as an integer array.

    Raises:
        InputError: the shape is not (..., layers, blocks), the values are not integers, or a layer's counts do not sum to its filters.
    """
    array = np.asarray(counts)
    if array.ndim < 2 or array.shape[-2:] != (len(layers), blocks):
        raise InputError(f"filter counts have shape {array.shape!r}; expected (..., layers, blocks) = (..., {len(layers)}, {blocks}).")
    if array.dtype.kind not in "iu":
        raise InputError(f"filter counts have dtype {array.dtype}; expected integers.")
    filters = np.array([layer.filters for layer in layers])
    wrong = np.argwhere((array.sum(axis=-1, dtype=np.int64) != filters).reshape(-1, len(layers)).any(axis=0))
    if wrong.size:
        layer = layers[int(wrong[0, 0])]
        raise InputError(f"filter counts of layer {layer.name!r} do not sum to its filters; expected {layer.filters} in every design.")
    return array


def all_exact(layers: Sequence[LayerShape], blocks: int, exact: int) -> Counts:
    """Return the counts of the all-exact design, shape (1, layers, blocks)."""
    counts = np.zeros((1, len(layers), blocks), np.int64)
    counts[0, :, exact] = [layer.filters for layer in layers]
    return counts


def macs_per_filter(layers: Sequence[LayerShape]) -> Figures:
    """Return multiply-accumulates of one filter of each layer, shape (layers,)."""
    return np.array([layer.pixels * layer.reduction for layer in layers], np.float64)


def is_whole(value: object, low: int, high: int) -> bool:
    """Whether `value` is an integer (not a truth value) within `low..high`."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value) if isinstance(value, StrEnum) else value


def _period_ns(clock: Clock, exact_ns: float) -> float:
    if clock == "exact":
        return exact_ns
    if clock == "fastest":
        return 0.0
    return 1e3 / float(clock)


def _chunks(flat: NDArray[np.integer[Any]]) -> Iterator[Counts]:
    """Yield the designs in pieces; one empty piece where there are none."""
    for start in range(0, max(len(flat), 1), CHUNK):
        yield flat[start : start + CHUNK].astype(np.int64)
