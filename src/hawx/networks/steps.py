"""Steps: a quantized network's program as plain data, in static single assignment form.

A value is a name. Five kinds of step produce one value each: `Quantize` (real values to codes), `LayerStep` and `ProductStep` (codes to real
values or codes, through an executor), `Dequantize` (codes to real values) and `Glue` (everything between, see `glue`). Steps hold no tensors,
no functions and no code, so a program can be saved as JSON, compared and rewritten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from hawx.formats import S8, IntFormat
from hawx.networks.quantized import CodesOutput


def operators(text: str) -> frozenset[str]:
    """Return the operator names in `text`, separated by white space."""
    return frozenset(text.split())


INPUT = "input"
"""Name of the network's input value."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to a value or constant inside the arguments of a step."""

    name: str


@dataclass(frozen=True, slots=True)
class DType:
    """A dtype inside the arguments of a step, for example `DType("float32")`."""

    name: str


class Arrangement(StrEnum):
    """How a value becomes the (N, C, H, W) that a layer takes."""

    IMAGE = "image"
    """(N, C, H, W), as it is."""
    SIGNAL = "signal"
    """(N, C, L), taken as (N, C, 1, L)."""
    FEATURES = "features"
    """(…, C) with the batch on `batch_axis`, taken as (N, C, P, 1) with P the product of the other axes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantize:
    """`output` = codes of the real values `input`."""

    output: str
    input: str
    scale: float
    zero_point: int = 0
    format: IntFormat = S8

    @property
    def key(self) -> tuple[float, int, IntFormat]:
        """What two steps must share to produce the same codes from the same values."""
        return self.scale, self.zero_point, self.format


@dataclass(frozen=True, slots=True, kw_only=True)
class Dequantize:
    """`output` = `(input - zero_point) · scale`."""

    output: str
    input: str
    scale: float
    zero_point: int = 0
    format: IntFormat = S8


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerStep:
    """`output` = the layer `layer` applied to the codes `input`; `codes` says whether it gives real values or codes."""

    output: str
    input: str
    layer: str
    arrangement: Arrangement = Arrangement.IMAGE
    batch_axis: int = 0
    batch_inner: bool = False
    """Whether the batch varies fastest on its axis, where that axis holds positions too."""
    codes: CodesOutput | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductStep:
    """`output` = `left` @ `right`, both codes, (…, M, K) and (…, K, N), through the layer `layer`; images are outermost in both."""

    output: str
    left: str
    right: str
    layer: str
    codes: CodesOutput | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Glue:
    """`output` = operator `op` of the closed table in `glue`, applied to `args` and `kwargs` (numbers, strings, `Ref`, `DType`, nested tuples)."""

    output: str
    op: str
    args: tuple[Any, ...]
    kwargs: tuple[tuple[str, Any], ...] = ()


Step = Quantize | Dequantize | LayerStep | ProductStep | Glue


def inputs(step: Step) -> tuple[str, ...]:
    """Return the names of the values and constants that `step` reads."""
    if isinstance(step, Glue):
        return tuple(_refs((step.args, step.kwargs)))
    if isinstance(step, ProductStep):
        return step.left, step.right
    return (step.input,)


def rename(step: Step, names: Callable[[str], str]) -> Step:
    """Return `step` with every value that it reads renamed."""
    if isinstance(step, Glue):
        return replace(step, args=_map_refs(step.args, names), kwargs=_map_refs(step.kwargs, names))
    if isinstance(step, ProductStep):
        return replace(step, left=names(step.left), right=names(step.right))
    return replace(step, input=names(step.input))


def last_uses(steps: tuple[Step, ...], kept: str) -> tuple[tuple[str, ...], ...]:
    """Return, per step, the values that no later step reads and that are not `kept`."""
    seen = {kept}
    result = []
    for step in reversed(steps):
        names = dict.fromkeys((*inputs(step), step.output))
        result.append(tuple(name for name in names if name not in seen))
        seen.update(names)
    return tuple(reversed(result))


def without_dead(steps: tuple[Step, ...], output: str) -> tuple[Step, ...]:
    """Return the steps that `output` depends on, in order."""
    needed = {output}
    kept = []
    for step in reversed(steps):
        if step.output in needed:
            kept.append(step)
            needed.update(inputs(step))
    return tuple(reversed(kept))


def _refs(value: Any) -> Iterator[str]:
    if isinstance(value, Ref):
        yield value.name
    elif isinstance(value, tuple):
        for item in value:
            yield from _refs(item)


def _map_refs(value: Any, names: Callable[[str], str]) -> Any:
    if isinstance(value, Ref):
        return Ref(names(value.name))
    if isinstance(value, tuple):
        return tuple(_map_refs(item, names) for item in value)
    return value
