"""ONNX operators that treat every number alone, and those that reduce along axes. Semantics: onnx.ai/onnx/operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (PyTorch's own idiom)
from torch import Tensor

from hawx.importers.onnx.contracts import Call, Value, type_name
from hawx.importers.onnx.reader import onnx_type


def plain(function: Callable[..., Value]) -> Callable[..., Value]:
    """Return an operator without attributes: `function` of its inputs."""

    def operator(_: Call, *inputs: Value) -> Value:
        return function(*inputs)

    return operator


def folded(function: Callable[[Any, Any], Any]) -> Callable[..., Value]:
    """Return an operator of any number of inputs: `function` of the first two, of that and the third, and so on."""

    def operator(_: Call, first: Value, *rest: Value) -> Value:
        for value in rest:
            first = function(first, value)
        return first

    return operator


def divide(_: Call, x: Value, y: Value) -> Value:
    """Return `x / y`; of integers, rounded toward zero."""
    of = x if isinstance(x, Tensor) else y
    return x / y if of.is_floating_point() else torch.div(x, y, rounding_mode="trunc")


def modulo(call: Call, x: Value, y: Value) -> Value:
    """Return the remainder, with the sign of `y`, or with that of `x` where `fmod` is set."""
    return torch.fmod(_tensor_like(x, y), y) if call["fmod"] else torch.remainder(x, y)


def power(_: Call, x: Value, y: Value) -> Value:
    """Return `x` to the power `y` in the type of `x`."""
    if not isinstance(x, Tensor):
        return torch.pow(torch.full_like(y, x), y)
    fractional = y.is_floating_point() if isinstance(y, Tensor) else isinstance(y, float)
    return torch.pow(x.double(), y).to(x.dtype) if fractional and not x.is_floating_point() else torch.pow(x, y)


def smaller(x: Value, y: Value) -> Value:
    return torch.clamp(x, max=y) if isinstance(x, Tensor) and not isinstance(y, Tensor) else torch.minimum(_tensor_like(x, y), y)


def larger(x: Value, y: Value) -> Value:
    return torch.clamp(x, min=y) if isinstance(x, Tensor) and not isinstance(y, Tensor) else torch.maximum(_tensor_like(x, y), y)


def _tensor_like(x: Value, other: Value) -> Tensor:
    return x if isinstance(x, Tensor) else torch.full_like(other, x)


def mean(_: Call, first: Value, *rest: Value) -> Value:
    total = first
    for value in rest:
        total = total + value
    return total / (1 + len(rest))


def is_infinite(call: Call, x: Tensor) -> Value:
    found = torch.zeros_like(x, dtype=torch.bool)
    if call["detect_positive"]:
        found = torch.logical_or(found, x == float("inf"))
    if call["detect_negative"]:
        found = torch.logical_or(found, x == float("-inf"))
    return found


def clip(call: Call, x: Tensor, low: Value = None, high: Value = None) -> Value:
    """Return `x` between the bounds that are given; where they cross, the upper one wins."""
    low, high = (given if given is not None else attribute for given, attribute in ((low, call["min"]), (high, call["max"])))
    if low is None and high is None:
        return x
    numbers = all(isinstance(bound, float) for bound in (low, high))
    if numbers and low <= high and x.dtype == torch.float32:
        return F.hardtanh(x, low, high)
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        x = x if low is None else larger(x, low)
        return x if high is None else smaller(x, high)
    return torch.clamp(x, low, high)


def leaky_relu(call: Call, x: Tensor) -> Value:
    return F.leaky_relu(x, call["alpha"])


def prelu(call: Call, x: Tensor, slope: Tensor) -> Value:
    if call.opset < 7 and slope.ndim == 1 and x.ndim > 1:  # a slope per channel
        slope = slope.reshape([-1] + [1] * (x.ndim - 2))
    return torch.where(x < 0, x * slope, x)


def elu(call: Call, x: Tensor) -> Value:
    return F.elu(x, call["alpha"])


def celu(call: Call, x: Tensor) -> Value:
    if not call["alpha"]:
        raise call.refuse("alpha=0", "another number")
    return F.celu(x, call["alpha"])


def selu(call: Call, x: Tensor) -> Value:
    return F.elu(x, call["alpha"]) * call["gamma"]


def gelu(call: Call, x: Tensor) -> Value:
    return F.gelu(x, approximate=call["approximate"])


def swish(call: Call, x: Tensor) -> Value:
    return F.silu(x) if call["alpha"] == 1.0 else x * torch.sigmoid(x * call["alpha"])


def hard_sigmoid(call: Call, x: Tensor) -> Value:
    return torch.clamp(x * call["alpha"] + call["beta"], 0.0, 1.0)


def thresholded_relu(call: Call, x: Tensor) -> Value:
    return torch.where(x > call["alpha"], x, torch.zeros_like(x))


def shrink(call: Call, x: Tensor) -> Value:
    low, high = x < -call["lambd"], x > call["lambd"]
    return torch.where(low, x + call["bias"], torch.where(high, x - call["bias"], torch.zeros_like(x)))


def cast(call: Call, x: Tensor) -> Value:
    """Return `x` in another type; a fraction is cut off, everything but 0 is true."""
    return x.to(element_type(call, call["to"]))


def cast_like(_: Call, x: Tensor, like: Tensor) -> Value:
    return x.to(like.dtype)


def element_type(call: Call, code: int) -> torch.dtype:
    """Return the PyTorch type of an ONNX element type.

    Raises:
        InputError: it is a string, a complex number, or narrower or wider than PyTorch computes with.
    """
    if code not in ELEMENT_TYPES:
        raise call.refuse(f"type {onnx_type(code)}", ", ".join(type_name(t) for t in ELEMENT_TYPES.values()))
    return ELEMENT_TYPES[code]


ELEMENT_TYPES = {
    1: torch.float32, 2: torch.uint8, 3: torch.int8, 5: torch.int16, 6: torch.int32, 7: torch.int64, 9: torch.bool, 10: torch.float16,
    11: torch.float64, 16: torch.bfloat16,
}  # fmt: skip
"""TensorProto.DataType -> PyTorch's type."""


Reduction = Callable[[Tensor, list[int], bool], Tensor]


def reduce(function: Reduction) -> Callable[..., Value]:
    """Return an operator that reduces over `axes`, an attribute or an input; over all of them where none is given."""

    def operator(call: Call, x: Tensor, axes: Value = None) -> Value:
        found = reduced_axes(call, x, axes)
        if function in _NO_NEUTRAL and any(x.shape[axis] == 0 for axis in found):
            raise call.refuse(f"nothing to reduce in a shape of {tuple(x.shape)}", "at least one number")
        if not found and x.ndim:
            return x if function in _LEAVES else function(x.unsqueeze(-1), [x.ndim], False)
        return function(x, found, bool(call["keepdims"]))

    return operator


def reduced_axes(call: Call, x: Tensor, axes: Value) -> list[int]:
    """Return the axes that a reduction runs over: none at all where `noop_with_empty_axes` says so."""
    given = call["axes"] if axes is None else axes.tolist()
    if not given:
        return [] if call["noop_with_empty_axes"] else list(range(x.ndim))
    return [axis % x.ndim for axis in given]


def reduce_mean(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return torch.mean(x, axes, keepdim=keep)


def reduce_sum(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return torch.sum(x, axes, keepdim=keep, dtype=None if x.is_floating_point() else x.dtype)


def reduce_max(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return torch.amax(x, axes, keepdim=keep)


def reduce_min(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return torch.amin(x, axes, keepdim=keep)


def reduce_product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted(axes, reverse=True):
        x = torch.prod(x, axis, keepdim=keep, dtype=x.dtype)
    return x


def reduce_l1(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return reduce_sum(torch.abs(x), axes, keep)


def reduce_l2(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return torch.sqrt(reduce_sum(x * x, axes, keep))


def reduce_squares(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return reduce_sum(x * x, axes, keep)


def reduce_log_sum(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return torch.log(reduce_sum(x, axes, keep))


def reduce_log_sum_exp(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return torch.logsumexp(x, axes, keepdim=keep)


_NO_NEUTRAL: tuple[Reduction, ...] = (reduce_max, reduce_min)
"""What has no value for no numbers."""

_LEAVES: tuple[Reduction, ...] = (reduce_mean, reduce_sum, reduce_max, reduce_min, reduce_product)
"""What leaves a single number as it is."""


def arg_extreme(function: Callable[..., Tensor]) -> Callable[..., Value]:
    """Return an operator that finds the position of an extreme along one axis: the first one, or the last."""

    def operator(call: Call, x: Tensor) -> Value:
        axis, keep = call["axis"], bool(call["keepdims"])
        if not call["select_last_index"]:
            return function(x, axis, keepdim=keep)
        return x.shape[axis] - 1 - function(x.flip(axis), axis, keepdim=keep)

    return operator


def cumulative(function: Callable[..., Tensor], neutral: int) -> Callable[..., Value]:
    """Return a running sum or product along one axis; `exclusive` leaves the number itself out, `reverse` runs from the end."""

    def operator(call: Call, x: Tensor, axis: Value) -> Value:
        along = int(axis.reshape(-1)[0]) % x.ndim
        x = x.flip(along) if call["reverse"] else x
        result = function(x, along, dtype=x.dtype)
        if call["exclusive"]:
            first = torch.full_like(x.narrow(along, 0, 1), neutral)
            result = torch.cat([first, result.narrow(along, 0, x.shape[along] - 1)], along)
        return result.flip(along) if call["reverse"] else result

    return operator


def top_k(call: Call, x: Tensor, count: Value) -> Value:
    """Return the largest (or smallest) numbers along one axis in order, and their positions; of equals the first come first."""
    wanted = int(np.asarray(count).reshape(-1)[0])
    values, order = torch.sort(x, dim=call["axis"], descending=bool(call["largest"]), stable=True)
    return values.narrow(call["axis"], 0, wanted), order.narrow(call["axis"], 0, wanted)


def softmax(function: Callable[[Tensor, int], Tensor]) -> Callable[..., Value]:
    """Return a normalization along one axis; before opset 13 the input was seen as a matrix that is split at the axis."""

    def operator(call: Call, x: Tensor) -> Value:
        old = call.opset < 13
        axis = (call["axis"] if call["axis"] is not None else 1 if old else -1) % x.ndim
        if old and axis != x.ndim - 1:
            return function(x.flatten(axis), -1).reshape(x.shape)
        return function(x, axis)

    return operator


def hardmax(x: Tensor, axis: int) -> Tensor:
    first = torch.argmax(x, axis, keepdim=True)
    places = torch.arange(x.shape[axis]).reshape([-1 if a == axis % x.ndim else 1 for a in range(x.ndim)])
    return (places == first).to(x.dtype)
