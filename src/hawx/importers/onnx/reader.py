"""Read an ONNX file: its bytes, its external data, its constants. One clear line where something is damaged or missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hawx.errors import InputError, ToolMissingError
from hawx.files import existing
from hawx.importers.onnx.folding import fold

OLDEST_OPSET, NEWEST_OPSET = 1, 28
"""Opsets whose operators are known."""


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """One operator of an ONNX graph."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    """Empty where an optional input is left out."""
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    """Numbers, texts, lists of them, and arrays."""

    def __str__(self) -> str:
        return f"node {self.name!r} ({self.kind})"


@dataclass(frozen=True, slots=True)
class OnnxInput:
    """One input of an ONNX graph."""

    name: str
    code: int
    """TensorProto.DataType."""
    shape: tuple[int | None, ...] | None
    """None where the file leaves a size, or the rank, free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxGraph:
    """An ONNX file without protobuf: nodes in order, constants as arrays."""

    source: str
    nodes: tuple[OnnxNode, ...]
    constants: dict[str, NDArray[Any]]
    inputs: tuple[OnnxInput, ...]
    outputs: tuple[str, ...]
    opset: int

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape of the first input; empty where its rank is free."""
        return self.inputs[0].shape or ()

    @property
    def quantized(self) -> bool:
        """Whether the file holds integers already (QDQ form)."""
        return any(node.kind == "QuantizeLinear" for node in self.nodes)


def read_onnx(path: str | Path) -> OnnxGraph:
    """Return the graph of an ONNX file of one input and one output, its constant operators folded.

    Raises:
        InputError: the file is missing or damaged, its external data is missing, it has several inputs or outputs, or takes no float32.
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
    for tensor in _tensors(proto.graph):
        if uses_external_data(tensor):
            entries = {entry.key: entry.value for entry in tensor.external_data}
            location = entries.get("location", "")
            if not isinstance(location, str) or "\0" in location:
                raise InputError(f"network {source!r} keeps tensor {tensor.name!r} in {location[:60]!r}; expected the name of a file beside it.")
            place = path.parent / location
            if not place.resolve().is_relative_to(path.parent.resolve()):
                raise InputError(
                    f"network {source!r} keeps tensor {tensor.name!r} in {location!r}, which lies outside of its folder; "
                    "expected a file beside it. Export the network as one file."
                )
            if not place.is_file():
                raise InputError(
                    f"network {source!r} keeps tensor {tensor.name!r} in {location!r}, which does not exist beside it; "
                    "expected that file. Copy it there, or export the network as one file."
                )
    try:
        load_external_data_for_model(proto, str(path.parent))
    except Exception as error:  # onnx raises several unrelated types here
        raise InputError(f"network {source!r} has external data that cannot be read ({error}); expected the files it was exported with.") from error
    graph = graph_of(proto, source)
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise InputError(
            f"network {source!r} has {len(graph.inputs)} inputs ({', '.join(v.name for v in graph.inputs)}) and {len(graph.outputs)} outputs; "
            "expected one image tensor and one tensor of logits."
        )
    if graph.inputs[0].code != onnx.TensorProto.FLOAT:
        raise InputError(
            f"network {source!r} takes {onnx_type(graph.inputs[0].code)} as input {graph.inputs[0].name!r}; expected FLOAT (float32), "
            "pixels after preprocessing. Export it with an input of float32."
        )
    return graph


def _tensors(graph: Any) -> Iterator[Any]:
    """Yield every tensor of a graph, those of attributes and of graphs inside included."""
    waiting = [graph]
    while waiting:
        inner = waiting.pop()
        yield from inner.initializer
        for attribute in (attribute for node in inner.node for attribute in node.attribute):
            yield from (attribute.t, *attribute.tensors)
            waiting += (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs


def graph_of(proto: Any, source: str) -> OnnxGraph:
    """Return the graph of a `ModelProto`, its constant operators folded.

    Args:
        proto: the model, its external data loaded.
        source: how messages call the network.

    Raises:
        InputError: something in it is damaged, of another version, or of a kind that no network of tensors has.
    """
    _check_names(proto.graph, source)
    opset = max((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if not OLDEST_OPSET <= opset <= NEWEST_OPSET:
        raise InputError(f"network {source!r} uses ONNX opset {opset}; expected {OLDEST_OPSET} to {NEWEST_OPSET}. Use onnx.version_converter.")
    graph = proto.graph
    if graph.sparse_initializer:
        raise InputError(f"network {source!r} holds sparse tensors; expected dense ones. Export it with dense weights.")
    constants = {tensor.name: _array(tensor, source) for tensor in graph.initializer}
    inputs = tuple(_input(value, source) for value in graph.input if value.name not in constants)
    nodes = [_node(node, index, source) for index, node in enumerate(graph.node)]
    _check_order(nodes, {*constants, *(value.name for value in inputs)}, [value.name for value in graph.output], source)
    kept = fold(nodes, constants, proto, source)
    outputs = tuple(value.name for value in graph.output)
    return OnnxGraph(source=source, nodes=tuple(kept), constants=constants, inputs=inputs, outputs=outputs, opset=opset)


def onnx_type(code: int) -> str:
    """Return what ONNX calls an element type."""
    from onnx import TensorProto

    return str(TensorProto.DataType.Name(code)) if code in TensorProto.DataType.values() else f"type {code}"


def _check_names(graph: Any, source: str) -> None:
    """Raise `InputError` where a name is not text: protobuf hands such a one out as bytes."""

    def names() -> Iterator[Any]:
        for node in graph.node:
            yield from (node.name, node.op_type, node.domain, *node.input, *node.output, *(attribute.name for attribute in node.attribute))
        for named in (*graph.initializer, *graph.input, *graph.output):
            yield named.name

    for name in names():
        if isinstance(name, bytes):
            raise InputError(f"network {source!r} has the name {name[:60]!r}, which is not UTF-8; expected text. Export it again.")


def _input(value: Any, source: str) -> OnnxInput:
    if not value.type.HasField("tensor_type"):
        kind = value.type.WhichOneof("value") or "value without a type"
        raise InputError(f"network {source!r} has the input {value.name!r} of kind {kind.removesuffix('_type')}; expected tensors.")
    tensor = value.type.tensor_type
    sizes = tuple(int(d.dim_value) if d.HasField("dim_value") and d.dim_value >= 0 else None for d in tensor.shape.dim)
    return OnnxInput(value.name, tensor.elem_type, sizes if tensor.HasField("shape") else None)


def _node(node: Any, index: int, source: str) -> OnnxNode:
    name = node.name or f"{node.op_type}_{index}"
    if node.domain not in ("", "ai.onnx"):
        where = node.name or f"#{index}"
        kind = f"{node.domain}::{node.op_type}" if f"{node.domain}{node.op_type}".isprintable() else repr(f"{node.domain}::{node.op_type}")
        raise InputError(f"network {source!r} uses {kind} at node {where!r}; expected standard ONNX operators.")
    attributes = {attribute.name: _attribute(attribute, f"node {name!r} ({node.op_type})", source) for attribute in node.attribute}
    return OnnxNode(node.op_type, name, tuple(node.input), tuple(node.output), attributes)


def _array(tensor: Any, source: str) -> NDArray[Any]:
    from onnx import numpy_helper

    try:
        array: NDArray[Any] = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise InputError(f"network {source!r} has a damaged tensor {tensor.name!r}; expected as many bytes as its shape says.") from error
    return array


def _attribute(attribute: Any, place: str, source: str) -> Any:
    """Return the value of an attribute: a number, a text, an array, a list of numbers or texts."""
    from onnx import helper

    try:
        value = helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            return value.decode()
        if hasattr(value, "dims") and hasattr(value, "data_type"):
            return _array(value, source)
        if isinstance(value, (int, float)) or hasattr(value, "node"):
            return value  # a subgraph: the operator that carries it is refused later, by name
        return [item.decode() if isinstance(item, bytes) else item for item in value]
    except (ValueError, TypeError) as error:
        raise InputError(f"network {source!r} has a damaged attribute {attribute.name!r} at {place}; expected a value. Export it again.") from error


def _check_order(nodes: list[OnnxNode], known: set[str], outputs: list[str], source: str) -> None:
    """Raise `InputError` where something is read before it is computed, or never computed, or computed twice."""
    for node in nodes:
        if not any(node.outputs):
            raise InputError(f"network {source!r} has ONNX {node} without an output; expected one. Remove the node.")
        missing = [name for name in node.inputs if name and name not in known]
        if missing:
            raise InputError(f"network {source!r} reads {missing[0]!r} at {node}, which nothing before it computes; expected nodes in order.")
        twice = [name for name in node.outputs if name and name in known]
        if twice:
            raise InputError(f"network {source!r} computes {twice[0]!r} a second time at {node}; expected every value once.")
        known.update(node.outputs)
    lost = [name for name in outputs if name not in known]
    if lost:
        raise InputError(f"network {source!r} returns {lost[0]!r}, which nothing computes; expected the output of a node.")
