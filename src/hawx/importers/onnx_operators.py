"""ONNX operators as PyTorch calls that torch.export can trace.

A value is a tensor, or a *host* value: a Python number or list of numbers that stands for an integer tensor (sizes, axes), so that shapes
stay symbolic while they are traced. Semantics: onnx.ai/onnx/operators, opsets 11 to 20; onnxruntime is the oracle in the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (PyTorch's own idiom)
from torch import Tensor

from hawx.errors import InputError
from hawx.importers.onnx_reader import OnnxNode

Value = Any
"""A tensor, a number, or a list of numbers."""


@dataclass(frozen=True, slots=True)
class Call:
    """One application of an operator: the node, and what its meaning depends on."""

    node: OnnxNode
    opset: int

    def get(self, name: str, default: Any = None) -> Any:
        return self.node.attributes.get(name, default)

    def refuse(self, what: str, expected: str) -> InputError:
        return InputError(f"ONNX {self.node} {what}; expected {expected}.")


Operator = Callable[..., Value]
OPERATORS: dict[str, Operator] = {}
"""ONNX operator type -> function of a `Call` and the operator's inputs."""


def _operator(*kinds: str) -> Callable[[Operator], Operator]:
    def register(function: Operator) -> Operator:
        OPERATORS.update(dict.fromkeys(kinds, function))
        return function

    return register


def _elementwise(table: dict[str, Callable[[Tensor], Tensor]]) -> None:
    for kind, function in table.items():
        OPERATORS[kind] = lambda _, x, function=function: function(x)


_elementwise(
    {
        "Relu": F.relu, "Sigmoid": torch.sigmoid, "Tanh": torch.tanh, "Exp": torch.exp, "Log": torch.log, "Sqrt": torch.sqrt, "Erf": torch.erf,
        "Abs": torch.abs, "Floor": torch.floor, "Ceil": torch.ceil, "Reciprocal": torch.reciprocal, "HardSwish": F.hardswish,
        "Softplus": F.softplus, "Softsign": F.softsign, "Mish": F.mish, "Sin": torch.sin, "Cos": torch.cos, "Sign": torch.sign,
        "Round": torch.round, "Not": torch.logical_not,
    }
)  # fmt: skip


def host(value: Value) -> bool:
    return not isinstance(value, Tensor)


def _broadcast(function: Callable[[Any, Any], Any], x: Value, y: Value) -> Value:
    """Apply to tensors as they are, to host values item by item."""
    if isinstance(x, list) and isinstance(y, list):
        longest = max(len(x), len(y))
        return [function(a, b) for a, b in zip(x * (longest // len(x)), y * (longest // len(y)), strict=True)]
    if isinstance(x, list) and host(y):
        return [function(a, y) for a in x]
    if isinstance(y, list) and host(x):
        return [function(x, b) for b in y]
    return function(x, y)


def _binary(kind: str, function: Callable[[Any, Any], Any]) -> None:
    OPERATORS[kind] = lambda _, x, y: _broadcast(function, x, y)


def _divide(x: Any, y: Any) -> Any:
    integers = not isinstance(x, (Tensor, float)) and not isinstance(y, (Tensor, float))
    return x // y if integers else x / y


for _kind, _function in {
    "Add": lambda x, y: x + y,
    "Sub": lambda x, y: x - y,
    "Mul": lambda x, y: x * y,
    "Div": _divide,
    "Equal": lambda x, y: x == y,
    "Greater": lambda x, y: x > y,
    "Less": lambda x, y: x < y,
    "Mod": lambda x, y: x % y,
}.items():
    _binary(_kind, _function)


@_operator("Neg")
def _neg(call: Call, x: Value) -> Value:
    return [-v for v in x] if isinstance(x, list) else -x


@_operator("Pow")
def _pow(call: Call, x: Value, y: Value) -> Value:
    return torch.pow(x, y)


@_operator("Min", "Max")
def _extreme(call: Call, *values: Value) -> Value:
    pick = torch.minimum if call.node.kind == "Min" else torch.maximum
    result = values[0]
    for value in values[1:]:
        result = pick(*(v if isinstance(v, Tensor) else torch.tensor(v, dtype=torch.float32) for v in (result, value)))
    return result


@_operator("Where")
def _where(call: Call, condition: Value, x: Value, y: Value) -> Value:
    if host(condition):
        return [a if c else b for c, a, b in zip(condition, x, y, strict=True)] if isinstance(condition, list) else (x if condition else y)
    return torch.where(condition.bool(), x, y)


@_operator("Clip")
def _clip(call: Call, x: Tensor, low: Value = None, high: Value = None) -> Value:
    low, high = call.get("min", low), call.get("max", high)
    low, high = (None if v is None else float(v) for v in (low, high))
    return F.hardtanh(x, low, high) if low is not None and high is not None else torch.clamp(x, low, high)


@_operator("HardSigmoid")
def _hard_sigmoid(call: Call, x: Tensor) -> Value:
    return torch.clamp(x * call.get("alpha", 0.2) + call.get("beta", 0.5), 0.0, 1.0)


@_operator("LeakyRelu")
def _leaky_relu(call: Call, x: Tensor) -> Value:
    return F.leaky_relu(x, call.get("alpha", 0.01))


@_operator("PRelu")
def _prelu(call: Call, x: Tensor, slope: Tensor) -> Value:
    return torch.where(x < 0, x * slope, x)


@_operator("Elu")
def _elu(call: Call, x: Tensor) -> Value:
    return F.elu(x, call.get("alpha", 1.0))


@_operator("Gelu")
def _gelu(call: Call, x: Tensor) -> Value:
    return F.gelu(x, approximate=call.get("approximate", "none"))


@_operator("Softmax", "LogSoftmax")
def _softmax(call: Call, x: Tensor) -> Value:
    function = F.softmax if call.node.kind == "Softmax" else F.log_softmax
    if call.opset < 13:  # before opset 13 the input was seen as a matrix, split at `axis`
        axis = call.get("axis", 1) % x.ndim
        return function(x.flatten(axis), -1).reshape(x.shape) if axis != x.ndim - 1 else function(x, -1)
    return function(x, call.get("axis", -1))


@_operator("Identity", "Dropout")
def _identity(call: Call, x: Value, *_: Value) -> Value:
    return x


@_operator("Cast")
def _cast(call: Call, x: Value) -> Value:
    if host(x):
        return x
    from onnx import helper

    return x.to(torch.from_numpy(np.zeros(0, helper.tensor_dtype_to_np_dtype(call.get("to")))).dtype)


@_operator("MatMul")
def _matmul(call: Call, x: Tensor, y: Tensor) -> Value:
    return torch.matmul(x, y)


@_operator("Conv")
def _conv(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Value:
    dims = weight.ndim - 2
    if dims not in (1, 2, 3):
        raise call.refuse(f"convolves {dims} dimensions", "1, 2 or 3")
    stride, dilation = call.get("strides", [1] * dims), call.get("dilations", [1] * dims)
    x, padding = padded(call, x, list(weight.shape[2:]), stride, dilation, 0.0)
    return (F.conv1d, F.conv2d, F.conv3d)[dims - 1](x, weight, bias, stride, padding, dilation, call.get("group", 1))


@_operator("ConvTranspose")
def _conv_transpose(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Value:
    dims = weight.ndim - 2
    pads = call.get("pads", [0] * 2 * dims)
    if pads[:dims] != pads[dims:] or dims != 2 or call.get("auto_pad", "NOTSET") != "NOTSET":
        raise call.refuse(f"has pads {pads} over {dims} dimensions", "equal pads on both sides, two dimensions")
    output_padding, dilation = call.get("output_padding", [0] * dims), call.get("dilations", [1] * dims)
    return F.conv_transpose2d(x, weight, bias, call.get("strides", [1] * dims), pads[:dims], output_padding, call.get("group", 1), dilation)


@_operator("Gemm")
def _gemm(call: Call, x: Tensor, weight: Tensor, bias: Value = None) -> Value:
    """`weight` is (out, in): the module stores it so, whatever `transB` says."""
    alpha, beta = call.get("alpha", 1.0), call.get("beta", 1.0)
    x = x.t() if call.get("transA") else x
    if alpha == 1.0 and beta == 1.0 and (bias is None or bias.ndim == 1):
        return F.linear(x, weight, bias)
    product = F.linear(x, weight) * alpha
    return product if bias is None else product + bias * beta


def padded(call: Call, x: Tensor, kernel: list[int], stride: list[int], dilation: list[int], fill: float) -> tuple[Tensor, list[int]]:
    """Return the input padded where its two sides differ, and the symmetric padding that is left to the operator."""
    dims = len(kernel)
    auto = call.get("auto_pad", "NOTSET")
    pads = list(call.get("pads", [0] * 2 * dims))
    if auto == "VALID":
        pads = [0] * 2 * dims
    elif auto in ("SAME_UPPER", "SAME_LOWER"):
        sizes = [int(n) for n in x.shape[2:]]
        totals = [max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0) for n, s, k, d in zip(sizes, stride, kernel, dilation, strict=True)]
        before = [t // 2 if auto == "SAME_UPPER" else t - t // 2 for t in totals]
        pads = before + [t - b for t, b in zip(totals, before, strict=True)]
    before, after = pads[:dims], pads[dims:]
    if before == after:
        return x, before
    return F.pad(x, [side for b, a in zip(reversed(before), reversed(after), strict=True) for side in (b, a)], value=fill), [0] * dims


@_operator("MaxPool")
def _max_pool(call: Call, x: Tensor) -> Value:
    kernel = call.get("kernel_shape")
    dims = len(kernel)
    stride, dilation = call.get("strides", [1] * dims), call.get("dilations", [1] * dims)
    x, padding = padded(call, x, kernel, stride, dilation, float("-inf"))
    return (F.max_pool1d, F.max_pool2d)[dims - 1](x, kernel, stride, padding, dilation, bool(call.get("ceil_mode", 0)))


@_operator("AveragePool")
def _average_pool(call: Call, x: Tensor) -> Value:
    kernel = call.get("kernel_shape")
    dims = len(kernel)
    stride = call.get("strides", [1] * dims)
    counts = bool(call.get("count_include_pad", 0))
    x, padding = padded(call, x, kernel, stride, [1] * dims, 0.0)
    if padding == [0] * dims and any(call.get("pads", [0])) and not counts:
        raise call.refuse("averages over unequal padding without counting it", "equal padding on both sides")
    ceil_mode = bool(call.get("ceil_mode", 0))
    return F.avg_pool1d(x, kernel, stride, padding, ceil_mode, counts) if dims == 1 else F.avg_pool2d(x, kernel, stride, padding, ceil_mode, counts)


@_operator("GlobalAveragePool")
def _global_average_pool(call: Call, x: Tensor) -> Value:
    return F.adaptive_avg_pool2d(x, 1) if x.ndim == 4 else x.mean(tuple(range(2, x.ndim)), keepdim=True)


@_operator("GlobalMaxPool")
def _global_max_pool(call: Call, x: Tensor) -> Value:
    return x.amax(tuple(range(2, x.ndim)), keepdim=True)


@_operator("BatchNormalization")
def _batch_norm(call: Call, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Value:
    return F.batch_norm(x, mean, variance, weight, bias, False, 0.0, call.get("epsilon", 1e-5))


@_operator("LayerNormalization")
def _layer_norm(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Value:
    axis = call.get("axis", -1) % x.ndim
    return F.layer_norm(x, x.shape[axis:], weight, bias, call.get("epsilon", 1e-5))


@_operator("InstanceNormalization")
def _instance_norm(call: Call, x: Tensor, weight: Tensor, bias: Tensor) -> Value:
    return F.instance_norm(x, weight=weight, bias=bias, eps=call.get("epsilon", 1e-5))


@_operator("GroupNormalization")
def _group_norm(call: Call, x: Tensor, weight: Tensor, bias: Tensor) -> Value:
    return F.group_norm(x, call.get("num_groups"), weight, bias, call.get("epsilon", 1e-5))


@_operator("ReduceMean", "ReduceSum", "ReduceMax")
def _reduce(call: Call, x: Tensor, axes: Value = None) -> Value:
    axes, keep = call.get("axes", axes), bool(call.get("keepdims", 1))
    if not axes and call.get("noop_with_empty_axes", 0):
        return x
    axes = axes or list(range(x.ndim))
    functions: dict[str, Callable[..., Tensor]] = {"ReduceMean": torch.mean, "ReduceSum": torch.sum, "ReduceMax": torch.amax}
    function = functions[call.node.kind]
    return function(x, axes, keepdim=keep)


@_operator("ReduceL2")
def _reduce_l2(call: Call, x: Tensor, axes: Value = None) -> Value:
    return torch.sqrt((x * x).sum(call.get("axes", axes), keepdim=bool(call.get("keepdims", 1))))
