"""Folding: what depends on constants alone is computed when a file is read, by ONNX's own reference implementation."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hawx.errors import InputError

if TYPE_CHECKING:
    from hawx.importers.onnx.reader import OnnxNode

LARGEST = 1 << 28
"""Numbers of the largest tensor that is folded."""

_SMALL = 1024
"""Numbers of the largest constant whose values may decide a shape."""

_KEPT = frozenset(
    {
        "QuantizeLinear", "DequantizeLinear",  # integers are read as they are
        "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial",  # not the same twice
        "If", "Loop", "Scan",  # their graphs may read what is not constant
    }
)  # fmt: skip
"""Operators that are not folded."""


def fold(nodes: list[OnnxNode], constants: dict[str, NDArray[Any]], proto: Any, source: str) -> list[OnnxNode]:
    """Compute the nodes that depend on constants alone, into `constants`, and return the others.

    Args:
        nodes: in order.
        constants: name -> array; what is computed is added.
        proto: the model that the nodes are from.
        source: how messages call the network.

    Raises:
        InputError: such a node cannot be computed.
    """
    kept = []
    for node, original in zip(nodes, proto.graph.node, strict=True):
        if node.kind == "Constant":
            constants[node.outputs[0]] = _constant(node, source)
        elif node.kind == "Identity" and len(node.inputs) == 1 and node.inputs[0] in constants:
            constants[node.outputs[0]] = constants[node.inputs[0]]
        elif node.kind not in _KEPT and any(node.inputs) and all(not name or name in constants for name in node.inputs):
            given = {name: constants[name] for name in node.inputs if name}
            constants.update(_computed(node, original, given, proto, source))
        else:
            kept.append(node)
    return kept


def _computed(node: OnnxNode, original: Any, given: dict[str, NDArray[Any]], proto: Any, source: str) -> dict[str, NDArray[Any]]:
    from onnx import helper, numpy_helper, shape_inference
    from onnx.reference import ReferenceEvaluator

    outputs = [name for name in node.outputs if name]
    try:
        inputs = [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in given.items()]
        results = [helper.make_empty_tensor_value_info(name) for name in outputs]
        small = [numpy_helper.from_array(v, k) for k, v in given.items() if v.size <= _SMALL]
        single = helper.make_model(helper.make_graph([original], "fold", inputs, results, small), opset_imports=proto.opset_import)
        count = _largest(shape_inference.infer_shapes(single, data_prop=True))
        if count > LARGEST:
            raise InputError(f"network {source!r} has ONNX {node} with a result of {count:,} numbers; expected at most {LARGEST:,}.")
        del single.graph.initializer[:]
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found = ReferenceEvaluator(single).run(None, given)
    except InputError:
        raise
    except Exception as error:  # the reference implementation raises whatever NumPy does
        raise InputError(
            f"network {source!r} has ONNX {node} on constants that it cannot be computed on ({type(error).__name__}); "
            "expected constants that ONNX's reference implementation takes. Fold them before the export, or replace the node."
        ) from error
    arrays = {name: np.asarray(value) for name, value in zip(outputs, found, strict=True)}
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16":
            raise InputError(f"network {source!r} computes {name!r} at ONNX {node} of type {array.dtype}; expected numbers.")
    return arrays


def _largest(model: Any) -> int:
    """Return the numbers of the largest output, as far as its shape is known."""
    shapes = [[d.dim_value for d in value.type.tensor_type.shape.dim] for value in model.graph.output]
    return max((math.prod(shape) for shape in shapes), default=0)


def _constant(node: OnnxNode, source: str) -> NDArray[Any]:
    for name, value in node.attributes.items():
        if name == "value" and isinstance(value, np.ndarray):
            return value
        numbers = all(isinstance(item, (int, float)) for item in (value if isinstance(value, list) else [value]))
        if name in ("value_float", "value_floats") and numbers:
            return np.asarray(value, np.float32)
        if name in ("value_int", "value_ints") and numbers:
            return np.asarray(value, np.int64)
    raise InputError(f"network {source!r} has ONNX {node} without a number; expected one of value, value_float(s), value_int(s).")
