"""Folding of a layer onto PE × SIMD multipliers (FINN: Umuroglu et al., FPGA 2017; Blott et al., FINN-R, TRETS 2018, eq. 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from hawx.accelerators.base import LayerShape
from hawx.accelerators.law import is_whole
from hawx.errors import InputError, UnknownNameError


@dataclass(frozen=True, slots=True)
class Folding:
    """`pe` filters and `simd` products of each at once."""

    pe: int
    simd: int

    @property
    def multipliers(self) -> int:
        return self.pe * self.simd


def cycles(layer: LayerShape, folding: Folding) -> int:
    """Return clock cycles of one image: pixels · (K / SIMD) · (filters / PE)."""
    return layer.pixels * (layer.reduction // folding.simd) * (layer.filters // folding.pe)


@lru_cache(maxsize=4096)
def choices(filters: int, reduction: int) -> tuple[Folding, ...]:
    """Return the foldings worth having, fewest multipliers first: of those with equal multipliers the one with most PE.

    Equal multipliers are equal cycles; with more PE fewer filters share a lane, so that mixing blocks needs fewer extra lanes.
    """
    best: dict[int, Folding] = {}
    for pe in _divisors(filters):
        for simd in _divisors(reduction):
            best[pe * simd] = Folding(pe, simd)  # pe ascends, so the last one has most PE
    return tuple(best[multipliers] for multipliers in sorted(best))


def check_folding(layer: LayerShape, folding: Folding) -> None:
    """Raise InputError unless PE divides the layer's filters and SIMD its reduction."""
    for what, value, total, meaning in (
        ("pe", folding.pe, layer.filters, "filters"),
        ("simd", folding.simd, layer.reduction, "products per output"),
    ):
        if not is_whole(value, 1, total) or total % value:
            listed = ", ".join(str(d) for d in _divisors(total))
            raise InputError(f"folding {what} = {value!r} of layer {layer.name!r} does not divide its {total} {meaning}; expected one of {listed}.")


def declared(layers: Sequence[LayerShape], foldings: Mapping[str, Folding]) -> tuple[Folding, ...]:
    """Return one folding per layer from a declaration by name.

    Raises:
        InputError: a layer is missing or unknown, or a folding does not divide.
    """
    names = [layer.name for layer in layers]
    for name in foldings:
        if name not in names:
            raise UnknownNameError("layer", name, names, "(in the accelerator's folding)")
    for layer in layers:
        if layer.name not in foldings:
            raise InputError(f"the accelerator has no folding for layer {layer.name!r}; expected all of: {', '.join(names)}.")
        check_folding(layer, foldings[layer.name])
    return tuple(foldings[name] for name in names)


def for_interval(layers: Sequence[LayerShape], interval: float) -> tuple[Folding, ...]:
    """Return per layer the folding of fewest multipliers that needs at most `interval` cycles per image.

    Raises:
        InputError: a layer cannot be that fast even with one multiplier per weight.
    """
    chosen = []
    for layer in layers:
        fitting = next((f for f in choices(layer.filters, layer.reduction) if cycles(layer, f) <= interval), None)
        if fitting is None:
            raise InputError(
                f"target of {interval:g} cycles per image cannot be met by layer {layer.name!r}; "
                f"expected at least {layer.pixels} (one cycle per output pixel). Lower the throughput target."
            )
        chosen.append(fitting)
    return tuple(chosen)


def for_budget(layers: Sequence[LayerShape], budget: float, size: Callable[[Sequence[Folding]], float], what: str) -> tuple[Folding, ...]:
    """Return the fastest balanced folding whose `size` is at most `budget`.

    Raises:
        InputError: even one multiplier per layer is larger than the budget; `what` names it.
    """
    intervals = sorted({cycles(layer, f) for layer in layers for f in choices(layer.filters, layer.reduction)})
    slowest_start = max(layer.pixels for layer in layers)  # no interval below this can be met
    intervals = [value for value in intervals if value >= slowest_start]
    smallest = size(for_interval(layers, intervals[-1]))
    if smallest > budget:
        raise InputError(
            f"{what} {budget:g} is too small for {len(layers)} layers of a spatial accelerator; "
            f"expected at least {smallest:g} (one multiplier per layer). Raise it or use a temporal accelerator."
        )
    low, high = 0, len(intervals) - 1  # the answer is in low..high; size falls as the interval grows
    while low < high:
        middle = (low + high) // 2
        if size(for_interval(layers, intervals[middle])) <= budget:
            high = middle
        else:
            low = middle + 1
    return for_interval(layers, intervals[low])


@lru_cache(maxsize=4096)
def _divisors(value: int) -> tuple[int, ...]:
    small = [d for d in range(1, int(value**0.5) + 1) if value % d == 0]
    return tuple(sorted({*small, *(value // d for d in small)}))
