"""QuantizedNetwork: a program of integer layers and float glue that runs bit-exactly under any executor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from hawx.errors import InputError
from hawx.networks import glue
from hawx.networks.arrange import run_layer_step, run_product_step
from hawx.networks.exact import ExactExecutor
from hawx.networks.fusion import fuse
from hawx.networks.layer import Layer
from hawx.networks.preprocessing import Images, Preprocessing, network_input
from hawx.networks.quantized import Executor, QuantizedLayer
from hawx.networks.requantize import dequantize, quantize
from hawx.networks.steps import INPUT, Dequantize, Glue, LayerStep, ProductStep, Quantize, Step, last_uses
from hawx.notebook import rows_html


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """A batch on its way through a network: immutable, and sharing its tensors with the states it came from."""

    position: int
    """Index of the next step of `network.program`."""
    images: int
    values: Mapping[str, glue.Value]
    """What later steps still need, and nothing else."""

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors held (those shared with other states counted in each)."""
        return sum(v.numel() * v.element_size() for v in self.values.values() if isinstance(v, Tensor))


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedNetwork:
    """A trained network in integers: its layers, and the program that connects them.

    Results do not depend on batch size, thread count or memory format. Everything runs in inference mode.
    """

    name: str
    layers: tuple[Layer, ...]
    """In execution order. A layer called twice appears twice, as `name` and `name#1`."""
    quantized: Mapping[str, QuantizedLayer]
    classes: int
    input_shape: tuple[int, int, int]
    """(C, H, W)."""
    steps: tuple[Step, ...]
    """The plain program: every layer gives real values, every quantization is a step of its own."""
    output: str
    """Name of the value that holds the logits."""
    constants: Mapping[str, Tensor] = field(default_factory=dict)
    preprocessing: Preprocessing | None = None
    float_top1: float | None = None
    """Recorded top-1 accuracy in percent of the float network on its reference set; None where unknown."""
    unconverted: tuple[str, ...] = ()
    """Operators that multiply but are not layers (they stay float): nothing is left out silently."""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for step in self.steps:
            if isinstance(step, Glue) and not glue.supported(step.op):
                raise InputError(f"network {self.name!r} uses operator {step.op!r}, which HAWX does not know; expected one of hawx.networks.glue.")

    def _repr_html_(self) -> str:
        rows = [[layer.name, layer.kind.value, layer.filters, layer.reduction, f"{layer.macs:,}"] for layer in self.layers]
        shape = "×".join(map(str, self.input_shape))
        title = f"{self.name}: {shape} to {self.classes} classes, {sum(layer.macs for layer in self.layers):,} multiplications"
        return rows_html(title, ["layer", "kind", "filters", "products per output", "multiplications"], rows)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as bytes: tensors would each take a file descriptor on the way."""
        from hawx.networks.serialize import from_bytes, to_bytes

        return from_bytes, (to_bytes(self),)

    @cached_property
    def program(self) -> tuple[Step, ...]:
        """The steps that run: `steps` after fusion, with the same results to the bit."""
        return fuse(self.steps, self.output)

    @cached_property
    def layer_names(self) -> tuple[str, ...]:
        return tuple(layer.name for layer in self.layers)

    @cached_property
    def filters(self) -> Mapping[str, int]:
        """Layer name -> number of filters, in execution order."""
        return {layer.name: layer.filters for layer in self.layers}

    @cached_property
    def _positions(self) -> tuple[int, ...]:
        """Index in `program` of every layer's step, in execution order."""
        return tuple(i for i, step in enumerate(self.program) if isinstance(step, LayerStep | ProductStep))

    @cached_property
    def _dead_after(self) -> tuple[tuple[str, ...], ...]:
        return last_uses(self.program, self.output)

    def __call__(self, images: Images) -> Tensor:
        """Return float32 logits (N, classes) of the exact integer network; images as `begin` takes them."""
        return self.run(images, ExactExecutor())

    def on(self, blocks: Mapping[str, Sequence[str]]) -> QuantizedNetwork:
        """Return the network with the constants that its filters take on their blocks, and no variants: what one design stores.

        Args:
            blocks: layer name -> SHA-256 of the block of each filter.
        """
        return replace(self, quantized={name: layer.on(blocks[name]) for name, layer in self.quantized.items()})

    @property
    def varies(self) -> bool:
        """Whether some layer takes other constants on some block."""
        return any(layer.variants for layer in self.quantized.values())

    @cached_property
    def plain(self) -> QuantizedNetwork:
        """The network with its own constants for every block; itself where it has no variants."""
        if not self.varies:
            return self
        return replace(self, quantized={name: replace(layer, variants={}) for name, layer in self.quantized.items()})

    def run(self, images: Images, executor: Executor) -> Tensor:
        """Return float32 logits (N, classes) under `executor`."""
        return self.logits(self.advance(self.begin(images), executor, None))

    def begin(self, images: Images) -> State:
        """Return the state before the first step.

        Args:
            images: (N, C, H, W); uint8 pixels get the declared preprocessing, float32 values are taken as preprocessed.

        Raises:
            InputError: shape, dtype or values do not fit the network.
        """
        with torch.inference_mode():
            return State(0, len(images), {INPUT: network_input(images, self.input_shape, self.preprocessing)})

    def advance(self, state: State, executor: Executor, to: int | None = None) -> State:
        """Run up to just before layer number `to` (None: to the end) and return the new state; `state` is left as it was.

        Raises:
            InputError: `state` is already past that layer, or there is no such layer.
        """
        if to is not None and not 0 <= to < len(self.layers):
            raise InputError(f"layer number {to} does not exist; expected 0..{len(self.layers) - 1}, or None for the end.")
        stop = len(self.program) if to is None else self._positions[to]
        if stop < state.position:
            raise InputError(f"the state is already past layer number {to}; advance from an earlier state.")
        values = dict(state.values)
        with torch.inference_mode():
            for index in range(state.position, stop):
                step = self.program[index]
                values[step.output] = self.run_step(step, values, state.images, executor)
                for name in self._dead_after[index]:
                    values.pop(name, None)
        return State(stop, state.images, values)

    def logits(self, state: State) -> Tensor:
        """Return the logits (N, classes), float32, of a state that reached the end."""
        if state.position != len(self.program):
            raise InputError(f"the state stands at step {state.position} of {len(self.program)}; advance it to the end first.")
        result: Tensor = state.values[self.output]
        return result

    def run_step(self, step: Step, values: Mapping[str, glue.Value], images: int, executor: Executor) -> glue.Value:
        """Return the output of one step, given the values it reads."""
        match step:
            case LayerStep():
                return run_layer_step(step, values[step.input], images, lambda x: executor.run_layer(self.quantized[step.layer], x, step.codes))
            case ProductStep():
                layer = self.quantized[step.layer]
                return run_product_step(values[step.left], values[step.right], images, lambda x, w: executor.run_layer(layer.times(w), x, step.codes))
            case Quantize():
                return quantize(self._read(step.input, values), step.scale, step.zero_point, step.format)
            case Dequantize():
                return dequantize(self._read(step.input, values), step.scale, step.zero_point)
        scope = _Scope(values, self.constants)
        arguments = [glue.resolve(value, scope) for value in step.args]
        return glue.operator_of(step.op)(*arguments, **{name: glue.resolve(value, scope) for name, value in step.kwargs})

    def _read(self, name: str, values: Mapping[str, glue.Value]) -> Tensor:
        found: Tensor = values[name] if name in values else self.constants[name]
        return found

    def __getstate__(self) -> dict[str, Any]:
        cached = {"plain", "program", "layer_names", "filters", "_positions", "_dead_after"}
        return {key: value for key, value in self.__dict__.items() if key not in cached}

    def __repr__(self) -> str:
        return f"QuantizedNetwork({self.name!r}, {len(self.layers)} layers, {sum(layer.macs for layer in self.layers):,} MAC)"


class _Scope(Mapping[str, glue.Value]):
    """Values first, then constants."""

    def __init__(self, values: Mapping[str, glue.Value], constants: Mapping[str, Tensor]) -> None:
        self._values, self._constants = values, constants

    def __getitem__(self, name: str) -> glue.Value:
        return self._values[name] if name in self._values else self._constants[name]

    def __iter__(self) -> Any:
        return iter((*self._values, *self._constants))

    def __len__(self) -> int:
        return len(self._values) + len(self._constants)
