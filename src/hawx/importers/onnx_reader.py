"""Read an ONNX file: its bytes, its external data, its constants. One clear line where something is damaged or missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hawx.errors import InputError, ToolMissingError
from hawx.files import existing

OLDEST_OPSET, NEWEST_OPSET = 11, 25
"""Opsets whose operators are known; tested from 11 to 20."""


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """One operator of an ONNX graph."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    def __str__(self) -> str:
        return f"node {self.name!r} ({self.kind})"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxGraph:
    """An ONNX file without protobuf: nodes in order, constants as arrays, one input and one output."""

    source: str
    nodes: tuple[OnnxNode, ...]
    constants: dict[str, NDArray[Any]]
    input: str
    input_shape: tuple[int | None, ...]
    """None where the file leaves a size free."""
    output: str
    opset: int

    @property
    def quantized(self) -> bool:
        """Whether the file holds integers already (QDQ form)."""
        return any(node.kind == "QuantizeLinear" for node in self.nodes)


def read_onnx(path: str | Path) -> OnnxGraph:
    """Return the graph of an ONNX file, its constant operators folded.

    Raises:
        InputError: the file is missing or damaged, its external data is missing, or it has several inputs or outputs.
        ToolMissingError: the package `onnx` is not installed.
    """
    try:
        import onnx
        from onnx.external_data_helper import load_external_data_for_model, uses_external_data
    except ImportError as error:
        raise ToolMissingError("reading ONNX files needs the package onnx; run `pip install 'hawx[onnx]'`.") from error
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    path = existing(Path(path), "network")
    source = str(path)
    try:
        proto = onnx.load(source, load_external_data=False)
    except (DecodeError, OSError, ValueError) as error:
        raise InputError(f"network {source!r} is not a readable ONNX file ({type(error).__name__}); expected one. Export it again.") from error
    if not proto.graph.node:
        raise InputError(f"network {source!r} holds no ONNX graph; expected one. The file may be cut short: export it again.")
    for tensor in proto.graph.initializer:
        if uses_external_data(tensor):
            entries = {entry.key: entry.value for entry in tensor.external_data}
            place = path.parent / entries.get("location", "")
            if not place.is_file():
                raise InputError(
                    f"network {source!r} keeps tensor {tensor.name!r} in {entries.get('location')!r}, which does not exist beside it; "
                    "expected that file. Copy it there, or export the network as one file."
                )
    try:
        load_external_data_for_model(proto, str(path.parent))
    except Exception as error:  # onnx raises several unrelated types here
        raise InputError(f"network {source!r} has external data that cannot be read ({error}); expected the files it was exported with.") from error
    return _graph(proto, source)


def _graph(proto: Any, source: str) -> OnnxGraph:
    from onnx import helper, numpy_helper

    opset = max((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if not OLDEST_OPSET <= opset <= NEWEST_OPSET:
        raise InputError(f"network {source!r} uses ONNX opset {opset}; expected {OLDEST_OPSET} to {NEWEST_OPSET}. Use onnx.version_converter.")
    graph = proto.graph
    constants = {tensor.name: _array(numpy_helper, tensor, source) for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise InputError(
            f"network {source!r} has {len(inputs)} inputs ({', '.join(v.name for v in inputs)}) and {len(graph.output)} outputs; "
            "expected one image tensor and one tensor of logits."
        )
    sizes = inputs[0].type.tensor_type.shape.dim
    shape = tuple(int(d.dim_value) if d.HasField("dim_value") and d.dim_value > 0 else None for d in sizes)
    nodes = []
    for index, node in enumerate(graph.node):
        if node.domain not in ("", "ai.onnx"):
            where = node.name or f"#{index}"
            raise InputError(f"network {source!r} uses {node.domain}::{node.op_type} at node {where!r}; expected standard ONNX operators.")
        attributes = {a.name: _attribute(helper.get_attribute_value(a), numpy_helper) for a in node.attribute}
        nodes.append(OnnxNode(node.op_type, node.name or f"{node.op_type}_{index}", tuple(node.input), tuple(node.output), attributes))
    kept = _fold(nodes, constants, proto)
    return OnnxGraph(
        source=source, nodes=tuple(kept), constants=constants, input=inputs[0].name, input_shape=shape, output=graph.output[0].name, opset=opset
    )


def _array(numpy_helper: Any, tensor: Any, source: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = numpy_helper.to_array(tensor)
    except (ValueError, TypeError) as error:
        raise InputError(f"network {source!r} has a damaged tensor {tensor.name!r}; expected as many bytes as its shape says.") from error
    return array


def _attribute(value: Any, numpy_helper: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if hasattr(value, "dims") and hasattr(value, "data_type"):
        return numpy_helper.to_array(value)
    if hasattr(value, "node"):
        return value  # a subgraph: the operator that carries it is refused later, by name
    return list(value) if not isinstance(value, (int, float, str)) and hasattr(value, "__iter__") else value


_KEPT = frozenset({"QuantizeLinear", "DequantizeLinear"})
"""Not folded, so that integers are read as they are."""


def _fold(nodes: list[OnnxNode], constants: dict[str, NDArray[Any]], proto: Any) -> list[OnnxNode]:
    """Compute the nodes that depend on constants alone, into `constants`, with ONNX's own reference implementation."""
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    kept = []
    for node, original in zip(nodes, proto.graph.node, strict=True):
        if node.kind == "Constant":
            constants[node.outputs[0]] = _constant(node)
        elif node.kind == "Identity" and node.inputs[0] in constants:
            constants[node.outputs[0]] = constants[node.inputs[0]]
        elif node.kind not in _KEPT and node.inputs and all(not name or name in constants for name in node.inputs):
            given = {name: constants[name] for name in node.inputs if name}
            values = [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in given.items()]
            results = [helper.make_empty_tensor_value_info(name) for name in node.outputs]
            single = helper.make_model(helper.make_graph([original], "fold", values, results), opset_imports=proto.opset_import)
            constants.update(zip(node.outputs, ReferenceEvaluator(single).run(None, given), strict=True))
        else:
            kept.append(node)
    return kept


def _constant(node: OnnxNode) -> NDArray[Any]:
    for name, value in node.attributes.items():
        if name in ("value", "value_float", "value_floats"):
            return np.asarray(value, dtype=getattr(value, "dtype", np.float32))
        if name in ("value_int", "value_ints"):
            return np.asarray(value, np.int64)
    raise InputError(f"ONNX {node} holds no number; expected one of value, value_float(s), value_int(s).")
