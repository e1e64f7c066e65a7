"""OnnxModule: an ONNX graph as a PyTorch module that torch.export can trace.

Weights keep the names of their initializers, so that a network gets the same layer names through ONNX as through PyTorch.
"""

from __future__ import annotations

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
from hawx.importers import onnx_shapes as onnx_shapes
from hawx.importers.onnx_operators import OPERATORS, Call, Value
from hawx.importers.onnx_quantization import dequantized_weight, is_dequantized_constant
from hawx.importers.onnx_reader import OnnxGraph, OnnxNode, read_onnx

_TRANSPOSED = ("Gemm", "MatMul")


class OnnxModule(nn.Module):
    """The network of an ONNX file; `forward` takes (N, C, H, W) and returns the file's output.

    Raises:
        InputError: the file uses an operator that is not known; the message names the node.
    """

    def __init__(self, graph: OnnxGraph) -> None:
        super().__init__()
        unknown = [node for node in graph.nodes if node.kind not in OPERATORS]
        if unknown:
            others = f" (and {len({n.kind for n in unknown}) - 1} other kinds)" if len({n.kind for n in unknown}) > 1 else ""
            raise InputError(
                f"network {graph.source!r} uses ONNX {unknown[0]}{others}, which is not known; expected one of: {', '.join(sorted(OPERATORS))}. "
                "Export it with those, or ask for it."
            )
        self.graph = graph
        self._tensors: dict[str, str] = {}
        self._steps = tuple(self._step(node) for node in graph.nodes if not self._is_turned_weight(node))

    def forward(self, x: Tensor) -> Value:
        values: dict[str, Value] = {self.graph.input: x}
        for step in self._steps:
            inputs = [self._value(name, values) for name in step.inputs]
            result = OPERATORS[step.call.node.kind](step.call, *inputs)
            outputs = step.call.node.outputs
            values.update(zip(outputs, result if len(outputs) > 1 else [result], strict=False))
        return values[self.graph.output]

    def _step(self, node: OnnxNode) -> _Step:
        if node.kind == "Reshape" and self.graph.input_shape[:1] == (1,):
            node = replace(node, attributes={**node.attributes, "hawx_batch_of_one": True})
        if node.kind == "QuantizeLinear" and len(node.inputs) > 2:
            code_type = self.graph.constants[node.inputs[2]].dtype.name
            node = replace(node, attributes={**node.attributes, "hawx_code_type": code_type})
        inputs: list[Any] = [name or None for name in node.inputs]
        if node.kind == "DequantizeLinear" and node.inputs[0] in self.graph.constants:
            return _Step(Call(node, self.graph.opset), self._dequantized(node, transpose=False))
        for position, name in enumerate(node.inputs):
            if name in self.graph.constants:
                inputs[position] = self._stored(node, position, name)
        weight = self._dequantizer(node.inputs[1]) if node.kind in _TRANSPOSED and len(node.inputs) > 1 else None
        if weight is not None and self._turns(node, self.graph.constants[weight.inputs[0]]):
            inputs[1] = self._dequantized(weight, transpose=True)[0]
        if node.kind == "MatMul" and isinstance(inputs[1], _Stored) and inputs[1].turned:
            node = replace(node, kind="Gemm", attributes={})
        return _Step(Call(node, self.graph.opset), tuple(inputs))

    def _is_turned_weight(self, node: OnnxNode) -> bool:
        """Whether a node dequantizes a weight for operators that store it as (out, in): they do it themselves."""
        if not is_dequantized_constant(node, self.graph.constants):
            return False
        array = self.graph.constants[node.inputs[0]]
        readers = [reader for reader in self.graph.nodes if node.outputs[0] in reader.inputs]
        return all(r.kind in _TRANSPOSED and r.inputs[1] == node.outputs[0] and self._turns(r, array) for r in readers)

    def _turns(self, node: OnnxNode, array: NDArray[Any]) -> bool:
        """Whether the second operand is stored as (out, in)."""
        return array.ndim == 2 and (node.kind == "MatMul" or not node.attributes.get("transB"))

    def _dequantizer(self, name: str) -> OnnxNode | None:
        """Return the node that dequantizes a constant into `name`, if there is one."""
        for node in self.graph.nodes:
            if name in node.outputs and is_dequantized_constant(node, self.graph.constants):
                return node
        return None

    def _dequantized(self, node: OnnxNode, *, transpose: bool) -> tuple[_Stored, ...]:
        weight = dequantized_weight(node, self.graph.constants, transpose=transpose)
        key = f"{node.inputs[0]}{'.turned' if transpose else ''}"
        return (_Stored(self._register(key, node.inputs[0], weight.codes), turned=transpose, dequantize=weight.parameters),)

    def _stored(self, node: OnnxNode, position: int, name: str) -> Any:
        array = self.graph.constants[name]
        if array.dtype.kind == "f" and (array.ndim or node.kind in ("Add", "Mul", "Sub", "Div")):
            if node.kind in ("Resize", "Upsample", "Pad", "Clip", "QuantizeLinear", "DequantizeLinear"):
                return _Number(array.tolist())
            turned = position == 1 and node.kind in _TRANSPOSED and array.ndim == 2
            if turned and self._turns(node, array):
                array = np.ascontiguousarray(array.T)
            return _Stored(self._register(f"{name}{'.turned' if turned else ''}", name, torch.from_numpy(np.array(array, np.float32))), turned=turned)
        if array.dtype.kind in "iub" and array.ndim > 1:
            return _Stored(self._register(name, name, torch.from_numpy(np.array(array))))
        return _Number(array.tolist())

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
        if isinstance(source, _Number):
            return source.value
        return None if source is None else values[source]


@dataclass(frozen=True, slots=True)
class _Step:
    call: Call
    inputs: tuple[Any, ...]
    """Names of values, `_Stored` tensors, `_Number` host values, or None."""


@dataclass(frozen=True, slots=True)
class _Stored:
    path: str
    turned: bool = False
    dequantize: Any = None


@dataclass(frozen=True, slots=True)
class _Number:
    value: Any


def load_onnx(path: str | Path) -> OnnxModule:
    """Return an ONNX file as a module; see `OnnxModule` and `read_onnx` for the errors."""
    return OnnxModule(read_onnx(path)).eval()
