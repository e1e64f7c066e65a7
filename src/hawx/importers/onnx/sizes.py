"""The arithmetic of shapes: operators on NumPy arrays of what is known without the image.

Sizes stay symbolic where the network is traced for any number of images: such arrays hold objects, and NumPy applies Python's operators.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hawx.importers.onnx.contracts import Call, type_name
from hawx.importers.onnx.elementwise import element_type
from hawx.importers.onnx.layout import sized

Sizes = NDArray[Any]


def settled(array: Any) -> Sizes:
    """Return an array of objects as one of numbers where none is symbolic."""
    result = np.asarray(array)
    if result.dtype != object:
        return result
    items = result.reshape(-1).tolist()
    for kind, dtype in ((bool, np.bool_), (int, np.int64), (float, np.float32)):
        if all(type(item) is kind for item in items):
            return np.array(items, dtype).reshape(result.shape)
    return result


def plain(function: Callable[..., Any]) -> Callable[..., Sizes]:
    """Return an operator without attributes: `function` of its inputs."""

    def operator(_: Call, *inputs: Sizes) -> Sizes:
        return settled(function(*inputs))

    return operator


def divide(_: Call, x: Sizes, y: Sizes) -> Sizes:
    """Return `x / y`; of integers, rounded toward zero (symbolic sizes are never negative)."""
    if x.dtype.kind == "f":
        return np.asarray(x / y)
    if x.dtype == object or y.dtype == object:
        return settled(x // y)
    return np.asarray(np.trunc(x / y).astype(x.dtype))


def cast(call: Call, x: Sizes) -> Sizes:
    if x.dtype == object:
        whole = not element_type(call, call["to"]).is_floating_point
        result = np.empty(x.size, dtype=object)
        result[:] = [item if whole else item * 1.0 for item in x.reshape(-1).tolist()]
        return result.reshape(x.shape)
    wanted = type_name(element_type(call, call["to"]))
    if wanted == "bfloat16":
        raise call.refuse("sizes as bfloat16", "integers, or float32")
    return x.astype(wanted)


def gather(call: Call, x: Sizes, index: Sizes) -> Sizes:
    return settled(np.take(x, index, call["axis"]))


def cut(call: Call, x: Sizes, starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None) -> Sizes:
    first, last = call["starts"] if starts is None else starts.tolist(), call["ends"] if ends is None else ends.tolist()
    axes = call["axes"] if axes is None else axes.tolist()
    steps = [1] * len(first) if steps is None else steps.tolist()
    part: list[Any] = [slice(None)] * x.ndim
    for start, end, axis, step in zip(first, last, range(len(first)) if axes is None else axes, steps, strict=True):
        part[axis] = slice(start, None if step < 0 and end < -x.shape[axis] else end, step)
    return settled(x[tuple(part)])


def concat(call: Call, *values: Sizes) -> Sizes:
    return settled(np.concatenate(values, call["axis"]))


def unsqueeze(call: Call, x: Sizes, axes: Any = None) -> Sizes:
    return np.expand_dims(x, tuple(call["axes"] if axes is None else axes.reshape(-1).tolist()))


def squeeze(call: Call, x: Sizes, axes: Any = None) -> Sizes:
    dropped = call["axes"] if axes is None else axes.reshape(-1).tolist()
    return settled(np.squeeze(x, None if dropped is None else tuple(dropped)))


def reshape(_: Call, x: Sizes, shape: Sizes) -> Sizes:
    return x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(shape.tolist())])


def reduce(function: np.ufunc) -> Callable[..., Sizes]:
    """Return an operator that joins the numbers along `axes`; along all where none is given."""

    def operator(call: Call, x: Sizes, axes: Any = None) -> Sizes:
        along = call["axes"] if axes is None else axes.tolist()
        return settled(function.reduce(x, tuple(along) if along else None, keepdims=bool(call["keepdims"])))

    return operator


def expand(call: Call, x: Sizes, shape: Sizes) -> Sizes:
    wanted = np.broadcast_shapes(x.shape, tuple(shape.tolist()))
    call.limit(math.prod(wanted))
    return np.broadcast_to(x, wanted)


def span(call: Call, start: Sizes, limit: Sizes, delta: Sizes) -> Sizes:
    """Return the numbers from `start` to before `limit`, `delta` apart."""
    call.limit(int((limit.item() - start.item()) / delta.item()))
    return np.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype)


def constant_of_shape(call: Call, shape: Sizes) -> Sizes:
    value = np.zeros(1, np.float32) if call["value"] is None else call["value"].reshape(-1)
    call.limit(math.prod(shape.tolist()))
    return np.full(shape.tolist(), value[0])


def shape_of(call: Call, x: Sizes) -> Sizes:
    return sized(list(x.shape)[call["start"] : call["end"]])


def size_of(_: Call, x: Sizes) -> Sizes:
    return sized(x.size)
