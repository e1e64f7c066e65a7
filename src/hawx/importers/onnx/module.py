"""OnnxModule: an ONNX graph as a PyTorch module that torch.export can trace.

Weights keep the names of their initializers, so that a network gets the same layer names through ONNX as through PyTorch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hawx.errors import InputError
from hawx.importers.onnx.contracts import LARGEST, Call, Value, arranged, as_tensor, call_of, type_name
from hawx.importers.onnx.elementwise import ELEMENT_TYPES
from hawx.importers.onnx.quantization import dequantized_weight, is_dequantized_constant
from hawx.importers.onnx.reader import OnnxGraph, OnnxInput, OnnxNode, onnx_type, read_onnx
from hawx.importers.onnx.table import OPERATORS
from hawx.networks.trial import without_numbers

_PRODUCTS = ("Gemm", "MatMul")


class OnnxModule(nn.Module):
    """The network of an ONNX file; `forward` takes its input, (N, C, H, W) of an image network, and returns its first output.

    Every node is held to the contract of its operator. Where the file says all sizes, the whole network is tried on tensors without
    numbers, so that what cannot be computed is refused here.

    Raises:
        InputError: the file uses an operator outside the table, or one outside its contract; the message names the node.
    """

    def __init__(self, graph: OnnxGraph) -> None:
        super().__init__()
        unknown = [node for node in graph.nodes if node.kind not in OPERATORS]
        if unknown:
            others = f" (and {len({n.kind for n in unknown}) - 1} other kinds)" if len({n.kind for n in unknown}) > 1 else ""
            raise InputError(
                f"network {graph.source!r} uses ONNX {unknown[0]}{others}, which is not known; expected one of the {len(OPERATORS)} operators "
                "that docs/operators.md lists. Export it with those, or ask for it."
            )
        self.graph = graph
        self._tensors: dict[str, str] = {}
        self._dequantizers = {node.outputs[0]: node for node in graph.nodes if is_dequantized_constant(node, graph.constants)}
        self._read = {name for node in graph.nodes for name in node.inputs} | set(graph.outputs)
        self._steps = tuple(self._step(node) for node in graph.nodes if not self._is_turned_weight(node))
        self._try()

    def forward(self, x: Tensor) -> Tensor:
        return self.outputs(x)[0]

    def outputs(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return every output of the graph, given every input."""
        values: dict[str, Value] = dict(zip((given.name for given in self.graph.inputs), inputs, strict=True))
        for step in self._steps:
            self._run(step, values)
        return tuple(self._output(name, values) for name in self.graph.outputs)

    def _run(self, step: _Step, values: dict[str, Value]) -> None:
        contract = OPERATORS[step.call.node.kind]
        inputs = tuple(self._value(source, values) for source in step.inputs)
        if step.stored:
            result = inputs[0]
        elif contract.sizes is not None and _known(inputs):
            with np.errstate(divide="raise", invalid="raise"):
                result = contract.sizes(step.call, *inputs)
        else:
            constant = tuple(isinstance(source, (_Stored, _Known)) for source in step.inputs)
            result = contract.function(step.call, *arranged(contract, step.call, inputs, constant))
        names, results = step.call.node.outputs, result if isinstance(result, (tuple, list)) else (result,)
        if len(results) < step.call.used:
            raise step.call.refuse(f"{len(names)} outputs", f"{len(results)}")
        values.update(zip(names, results, strict=False))

    def _output(self, name: str, values: Mapping[str, Value]) -> Tensor:
        value = values[name] if name in values else self.graph.constants[name]
        return value if isinstance(value, Tensor) else as_tensor(value)

    def _try(self) -> None:
        """Run the network on tensors without numbers, and say at which node that fails."""
        for given in self.graph.inputs:
            self._type(given)
        if any(given.shape is None or None in given.shape[1:] for given in self.graph.inputs):
            return  # sizes are left to the images: tried when the network is traced
        with without_numbers():
            values: dict[str, Value] = {given.name: self._example(given) for given in self.graph.inputs}
            for step in self._steps:
                try:
                    self._check_places(step, values)
                    self._run(step, values)
                    for name in step.call.node.outputs:
                        if isinstance(values.get(name), Tensor):
                            step.call.limit(values[name].numel())
                except InputError:
                    raise
                except Exception as error:  # PyTorch raises what its operators do
                    reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"[:200]
                    raise step.call.refuse(f"inputs that it cannot be computed on ({reason})", "inputs that fit each other") from error

    def _check_places(self, step: _Step, values: Mapping[str, Value]) -> None:
        """Raise `InputError` where a constant indexes beyond the axis that it counts on."""
        call, node = step.call, step.call.node
        for spec, name, source in zip(OPERATORS[node.kind].inputs, node.inputs, step.inputs, strict=False):
            if spec.kind != "index" or "axis" not in call.attributes or not isinstance(source, (_Stored, _Known)):
                continue
            places, shape = self.graph.constants[name], self._value(step.inputs[0], values).shape
            size = shape[call["axis"]]
            if places.size and isinstance(size, int) and not (-size <= places.min() and places.max() < size):
                raise call.refuse(f"indices {places.min()} to {places.max()}", f"{-size} to {size - 1}")

    def _example(self, given: OnnxInput) -> Tensor:
        """Return the tensor that an input is tried with; a free batch is one of two."""
        sizes = [2 if size is None else size for size in given.shape or ()]
        if math.prod(sizes) > LARGEST:
            raise InputError(f"network {self.graph.source!r} takes input {given.name!r} of {sizes}; expected at most {LARGEST:,} numbers.")
        return torch.empty(sizes, dtype=self._type(given))

    def _type(self, given: OnnxInput) -> torch.dtype:
        if given.code not in ELEMENT_TYPES:
            raise InputError(
                f"network {self.graph.source!r} takes {onnx_type(given.code)} as input {given.name!r}; expected one of "
                f"{', '.join(type_name(dtype) for dtype in ELEMENT_TYPES.values())}. Export it with an input of float32."
            )
        return ELEMENT_TYPES[given.code]

    def _step(self, node: OnnxNode) -> _Step:
        call = self._call(node)
        if is_dequantized_constant(node, self.graph.constants):
            return _Step(call, self._dequantized(call, transpose=False), stored=True)
        contract = OPERATORS[node.kind]
        inputs: list[Any] = [name or None for name in node.inputs]
        for position, name in enumerate(node.inputs):
            if name in self.graph.constants:
                spec = contract.inputs[min(position, len(contract.inputs) - 1)]
                array = self.graph.constants[name]
                arithmetic = contract.sizes is not None and array.ndim <= 1 and array.dtype.kind in "iub"
                small = spec.host or arithmetic or (spec.numbers and array.ndim == 0)
                inputs[position] = _Known(array) if small else self._stored(call, name)
        weight = self._dequantizers.get(node.inputs[1]) if node.kind in _PRODUCTS else None
        if weight is not None and self._turns(node, self.graph.constants[weight.inputs[0]]):
            inputs[1] = self._dequantized(self._call(weight), transpose=True)[0]
            call = replace(call, turned=True)
        return _Step(call, tuple(inputs))

    def _call(self, node: OnnxNode) -> Call:
        used = max((i + 1 for i, name in enumerate(node.outputs) if name in self._read), default=1)
        single = bool(self.graph.inputs) and self.graph.input_shape[:1] == (1,)
        return call_of(OPERATORS[node.kind], node, opset=self.graph.opset, source=self.graph.source, used=used, single=single)

    def _is_turned_weight(self, node: OnnxNode) -> bool:
        """Whether a node dequantizes a weight for products that store it as (out, in): they do it themselves."""
        if not is_dequantized_constant(node, self.graph.constants) or node.outputs[0] in self.graph.outputs:
            return False
        array = self.graph.constants[node.inputs[0]]
        readers = [reader for reader in self.graph.nodes if node.outputs[0] in reader.inputs]
        return all(r.kind in _PRODUCTS and r.inputs.index(node.outputs[0]) == 1 and self._turns(r, array) for r in readers)

    def _turns(self, node: OnnxNode, array: NDArray[Any]) -> bool:
        """Whether the second operand is stored as (out, in)."""
        return array.ndim == 2 and (node.kind == "MatMul" or not node.attributes.get("transB"))

    def _dequantized(self, call: Call, *, transpose: bool) -> tuple[_Stored, ...]:
        name = call.node.inputs[0]
        weight = dequantized_weight(call, self.graph.constants, transpose=transpose)
        return (_Stored(self._register(f"{name}{'.turned' if transpose else ''}", name, weight.codes), dequantize=weight.parameters),)

    def _stored(self, call: Call, name: str) -> _Stored:
        array = self.graph.constants[name]
        if array.dtype.name not in _STORED:
            raise call.refuse(f"constant {name!r} of type {array.dtype}", f"{', '.join(sorted(_STORED))}")
        return _Stored(self._register(name, name, as_tensor(array)))

    def _register(self, key: str, name: str, tensor: Tensor) -> str:
        """Store a tensor under the path that its name spells (`layer1.0.conv1.weight`), once per key."""
        if key not in self._tensors:
            path = [re.sub(r"\W", "_", part) or "_" for part in name.split(".")]
            owner: nn.Module = self
            for part in path[:-1]:
                if not isinstance(getattr(owner, part, None), nn.Module) and hasattr(owner, part):
                    path, owner = ["_".join(path)], self
                    break
                if not hasattr(owner, part):
                    owner.add_module(part, nn.Module())
                owner = getattr(owner, part)
            leaf = path[-1]
            while hasattr(owner, leaf):
                leaf += "_"
            owner.register_buffer(leaf, tensor)
            self._tensors[key] = ".".join([*path[:-1], leaf])
        return self._tensors[key]

    def _value(self, source: Any, values: Mapping[str, Value]) -> Value:
        if isinstance(source, _Stored):
            found: Any = self.get_buffer(source.path)
            return found if source.dequantize is None else source.dequantize(found)
        if isinstance(source, _Known):
            return source.array
        return None if source is None else values[source]


_STORED = frozenset(type_name(dtype) for dtype in ELEMENT_TYPES.values())
"""NumPy types of constants that are read."""


def _known(inputs: tuple[Value, ...]) -> bool:
    """Whether all inputs are known without the image."""
    return isinstance(inputs[0], np.ndarray) and all(value is None or isinstance(value, np.ndarray) for value in inputs)


@dataclass(frozen=True, slots=True)
class _Step:
    call: Call
    inputs: tuple[Any, ...]
    """Names of values, `_Stored` tensors, `_Known` arrays, or None."""
    stored: bool = False
    """Whether the only input is the result: a constant that is dequantized where it is stored."""


@dataclass(frozen=True, slots=True)
class _Stored:
    path: str
    dequantize: Any = None


@dataclass(frozen=True, slots=True)
class _Known:
    array: NDArray[Any]


def load_onnx(path: str | Path) -> OnnxModule:
    """Return an ONNX file as a module; see `OnnxModule` and `read_onnx` for the errors."""
    return OnnxModule(read_onnx(path)).eval()
