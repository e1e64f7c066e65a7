"""Accelerator: the contract, and the steps every cost law shares.

An accelerator is a frozen value: its parameters and nothing else. `evaluate` is a pure array function over designs, vectorized over
the leading axes of `counts`; it keeps no state, never mutates its arguments and is safe to call from several threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hawx.accelerators.costs import ArchitectureCosts, BlockFigures, Figures, layer_energies
from hawx.accelerators.memory import Memory, Traffic
from hawx.blocks import Costs
from hawx.errors import InputError

Counts = NDArray[np.integer[Any]]
"""Filters of each layer that use each block, shape (..., layers, blocks)."""

Clock = float | Literal["exact", "fastest"]
"""A clock in MHz; `exact`: that of the all-exact design; `fastest`: every design at its own critical path.
A design slower than the wanted clock runs at its own critical path."""

CHUNK = 8192
"""Designs evaluated at once: their arrays stay in cache."""


class LayerShape(Protocol):
    """What a cost law needs of a layer; `hawx.networks.Layer` is one."""

    @property
    def name(self) -> str: ...
    @property
    def filters(self) -> int: ...
    @property
    def groups(self) -> int: ...
    @property
    def reduction(self) -> int:
        """Products summed for one output value."""
        ...

    @property
    def pixels(self) -> int:
        """Output positions of one filter, for one image."""
        ...

    @property
    def in_channels(self) -> int: ...
    @property
    def in_size(self) -> tuple[int, int]: ...


class Accelerator(Protocol):
    """Hardware that runs a network, with the law of its costs."""

    @property
    def name(self) -> str:
        """`spatial`, `temporal`, or the name its file gives."""
        ...

    @property
    def params(self) -> dict[str, Any]:
        """Plain JSON values from which the accelerator can be built again."""
        ...

    @property
    def held(self) -> str:
        """Which operand a multiplier keeps while the other streams: `none`, `weight` or `activation`; decides operand-aware energy."""
        ...

    def evaluate(
        self, layers: Sequence[LayerShape], counts: ArrayLike, costs: Sequence[Costs], *, exact: int, energies: ArrayLike | None = None
    ) -> ArchitectureCosts:
        """Return the costs of many designs.

        Args:
            layers: the network's layers, in execution order.
            counts: (..., layers, blocks) integers: filters of each layer that use each block; each row sums to the layer's filters.
            costs: one per block, all of one technology.
            exact: index of the exact block among them.
            energies: (layers, blocks), fJ per multiplication under that layer's own operands; None for the uniform-operand figures.

        Raises:
            InputError: shapes that do not fit, mixed technologies, or a folding that does not divide.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a law computes for a chunk of designs, before clock, power and ratios; each array has shape (designs,)."""

    area_um2: Figures
    leakage_nw: Figures
    """Leakage of blocks and lanes."""
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


class CostLaw(Protocol):
    """The part of an accelerator that is its own: instances, cycles and critical path."""

    def load(self, layers: tuple[LayerShape, ...], counts: NDArray[np.int64], figures: BlockFigures) -> Load:
        """Return the load of designs with `counts`, shape (designs, layers, blocks)."""
        ...

    def traffic(self, layers: tuple[LayerShape, ...]) -> Traffic:
        """Return the memory accesses of one image."""
        ...


def evaluate_law(
    law: CostLaw,
    layers: Sequence[LayerShape],
    counts: ArrayLike,
    costs: Sequence[Costs],
    *,
    exact: int,
    energies: ArrayLike | None,
    clock: Clock,
    memory: Memory | None,
) -> ArchitectureCosts:
    """Return the costs of designs under `law`; arguments as of `Accelerator.evaluate`."""
    layers = tuple(layers)
    figures = BlockFigures.of(costs, exact)
    array = checked_counts(counts, layers, len(costs))
    shape = array.shape[:-2]
    flat = array.reshape(-1, *array.shape[-2:])
    own = layer_energies(energies, figures, len(layers))
    macs = np.array([layer.pixels * layer.reduction for layer in layers], np.float64)
    weights = np.stack([macs[:, None] * figures.energy_fj, macs[:, None] * own], axis=-1).reshape(-1, 2)
    exact_load = law.load(layers, all_exact(layers, len(costs), exact), figures)
    wanted_ns = _period_ns(clock, float(exact_load.critical_path_ns[0]))
    memory_area, memory_fj = (0.0, 0.0) if memory is None else memory.costs(law.traffic(layers))

    parts = []
    for chunk in _chunks(flat):
        load = law.load(layers, chunk, figures)
        uniform_fj, own_fj = (chunk.reshape(len(chunk), -1) @ weights).T
        period_ns = np.maximum(load.critical_path_ns, wanted_ns)
        busy_ns = load.interval * period_ns
        clock_fj = load.flip_flops * load.interval * figures.lane.flip_flop_clock_fj
        leakage_fj = load.leakage_nw * busy_ns * 1e-3  # nW x ns = 1e-18 J = 1e-3 fJ
        energy_fj = own_fj + load.lane_fj + clock_fj + leakage_fj + memory_fj
        with np.errstate(invalid="ignore"):  # inf / inf: a design the accelerator cannot hold
            power_uw = np.where(np.isfinite(busy_ns), energy_fj / busy_ns, np.inf)  # fJ / ns = uW
        parts.append(
            np.stack(
                [
                    load.area_um2 + memory_area,
                    power_uw,
                    energy_fj * 1e-9,
                    load.cycles * period_ns * 1e-3,
                    load.critical_path_ns,
                    load.cycles,
                    load.multipliers,
                    macs @ [layer.filters for layer in layers] / (load.interval * load.slots),
                    uniform_fj,
                    own_fj,
                ]
            )
        )
    table = np.concatenate(parts, axis=1) if parts else np.zeros((10, 0))
    baseline = macs * np.array([layer.filters for layer in layers])
    uniform, owned = table[8] / (baseline.sum() * figures.energy_fj[exact]), table[9] / (baseline @ own[:, exact])
    if energies is None:
        owned = np.full_like(owned, np.nan)
    area, power, energy, latency, critical, cycles, multipliers, utilization = (row.reshape(shape) for row in table[:8])
    return ArchitectureCosts(
        area_um2=area,
        power_uw=power,
        energy_uj=energy,
        latency_us=latency,
        critical_path_ns=critical,
        cycles=cycles,
        multipliers=multipliers,
        utilization=utilization,
        mult_power_ratio=uniform.reshape(shape),
        mult_energy_ratio=owned.reshape(shape),
        memory_area_um2=memory_area,
        memory_energy_uj=memory_fj * 1e-9,
        origin=f"{figures.lane.technology}: {figures.lane.origin}" + ("" if memory is None else f"; memories: {memory.origin}"),
    )


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


def all_exact(layers: Sequence[LayerShape], blocks: int, exact: int) -> NDArray[np.int64]:
    """Return the counts of the all-exact design, shape (1, layers, blocks)."""
    counts = np.zeros((1, len(layers), blocks), np.int64)
    counts[0, :, exact] = [layer.filters for layer in layers]
    return counts


def check_clock(clock: Clock) -> None:
    """Raise InputError unless `clock` is a positive number of MHz, 'exact' or 'fastest'."""
    good = clock in {"exact", "fastest"} if isinstance(clock, str) else not isinstance(clock, bool) and clock > 0
    if not good:
        raise InputError(f"clock {clock!r} is not usable; expected a positive number of MHz, 'exact' or 'fastest'.")


def is_whole(value: object, low: int, high: int) -> bool:
    """Whether `value` is an integer (not a truth value) within `low..high`."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _period_ns(clock: Clock, exact_ns: float) -> float:
    if clock == "exact":
        return exact_ns
    if clock == "fastest":
        return 0.0
    return 1e3 / float(clock)


def _chunks(flat: NDArray[np.integer[Any]]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(flat), CHUNK):
        yield flat[start : start + CHUNK].astype(np.int64)
