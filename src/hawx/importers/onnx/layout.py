"""ONNX operators that move numbers and change shapes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (PyTorch's own idiom)
from numpy.typing import NDArray
from torch import Tensor

from hawx.importers.onnx.contracts import Call, Value
from hawx.importers.onnx.elementwise import element_type

Sizes = NDArray[Any]
"""Integers known without the image; an array of objects where some are symbolic."""


def _axes(call: Call, given: Sizes | None) -> list[int] | None:
    """Return axes that an attribute (old opsets) or an input names."""
    found: list[int] | None = call["axes"] if given is None else [int(axis) for axis in given.reshape(-1)]
    return found


def gather(call: Call, x: Tensor, index: Value) -> Value:
    """Return the slices of `x` along one axis that `index` names; a negative index counts from the end."""
    axis = call["axis"] % x.ndim
    if isinstance(index, int):
        return x.select(axis, index)
    index = torch.where(index < 0, index + x.shape[axis], index)
    picked = x.index_select(axis, index.flatten().long())
    return picked if index.ndim == 1 else picked.reshape([*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]])


def gather_elements(call: Call, x: Tensor, index: Tensor) -> Value:
    axis = call["axis"] % x.ndim
    return torch.gather(x, axis, _positive(index, x.shape[axis]))


def _positive(index: Tensor, size: Any) -> Tensor:
    return torch.where(index < 0, index + size, index).long()


def scatter_elements(call: Call, x: Tensor, index: Tensor, updates: Tensor) -> Value:
    axis = call["axis"] % x.ndim
    places = _positive(index, x.shape[axis])
    if call["reduction"] == "none":
        return torch.scatter(x, axis, places, updates)
    reduction = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}[call["reduction"]]
    return torch.scatter_reduce(x, axis, places, updates, reduction)


def gather_nd(call: Call, x: Tensor, index: Tensor) -> Value:
    """Return the slices of `x` at the positions that the last axis of `index` spells, for every index of the first `batch_dims` axes."""
    lead, depth = call["batch_dims"], int(index.shape[-1])
    size = x.shape[lead : lead + depth]
    flat = x.reshape([-1, math.prod(size), *x.shape[lead + depth :]])
    places = sum((_positive(index[..., i], n) * math.prod(size[i + 1 :]) for i, n in enumerate(size)), torch.zeros((), dtype=torch.int64))
    places = places.reshape([flat.shape[0], -1])
    rows = torch.arange(flat.shape[0]).unsqueeze(1)
    return flat[rows, places].reshape([*index.shape[:-1], *x.shape[lead + depth :]])


def scatter_nd(call: Call, x: Tensor, index: Tensor, updates: Tensor) -> Value:
    """Return `x` with the slices at the positions that the last axis of `index` spells replaced, or joined, by `updates`."""
    depth = int(index.shape[-1])
    size, rest = x.shape[:depth], x.shape[depth:]
    flat = x.reshape([math.prod(size), math.prod(rest)])
    places = sum((_positive(index[..., i], n) * math.prod(size[i + 1 :]) for i, n in enumerate(size)), torch.zeros((), dtype=torch.int64))
    places = places.reshape(-1, 1).expand(-1, flat.shape[1])
    given = updates.reshape([-1, flat.shape[1]])
    if call["reduction"] == "none":
        return torch.scatter(flat, 0, places, given).reshape(x.shape)
    reduction = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}[call["reduction"]]
    return torch.scatter_reduce(flat, 0, places, given, reduction).reshape(x.shape)


def cut(call: Call, x: Tensor, starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None) -> Value:
    """Return the part of `x` between `starts` and `ends` along `axes`; a negative step runs backwards."""
    first = call["starts"] if starts is None else starts.tolist()
    last = call["ends"] if ends is None else ends.tolist()
    if first is None or last is None:
        raise call.refuse("no starts or ends", "both")
    named = _axes(call, axes)
    named = list(range(len(first))) if named is None else named
    stride = [1] * len(first) if steps is None else steps.tolist()
    for start, end, axis, step in zip(first, last, named, stride, strict=True):
        along = axis % x.ndim
        if step < 0:
            places = range(int(x.shape[along]))[start : _backward(end, int(x.shape[along])) : step]
            order = torch.arange(places.start, places.stop, places.step) if places else torch.arange(0)
            x = x.index_select(along, order)
            continue
        part: list[Any] = [slice(None)] * x.ndim
        part[along] = slice(start, None if isinstance(end, int) and end > 2**31 - 2 else end, step)
        x = x[tuple(part)]
    return x


def _backward(end: int, size: int) -> int | None:
    """Return where a slice that runs backwards ends: below the first position, where `end` lies before it."""
    return None if end < -size else end


def concat(call: Call, *values: Tensor) -> Value:
    return torch.cat(values, call["axis"])


def split(call: Call, x: Tensor, sizes: Sizes | None = None) -> Value:
    """Return parts of `x` along one axis: of the given sizes, else equal ones, the last of which may be smaller."""
    given = call["split"] if sizes is None else sizes.tolist()
    if given is not None:
        return torch.split(x, given, call["axis"])
    parts = len(call.node.outputs)
    if call["num_outputs"] not in (None, parts):
        raise call.refuse(f"num_outputs={call['num_outputs']} and {parts} outputs", "the same number")
    size = int(x.shape[call["axis"]])
    if call.opset < 18 and size % parts:
        raise call.refuse(f"{parts} parts of {size} positions", "equal parts")
    each = -(-size // parts)
    return torch.split(x, [max(0, min(each, size - i * each)) for i in range(parts)], call["axis"])


def unsqueeze(call: Call, x: Tensor, axes: Sizes | None = None) -> Value:
    added = _axes(call, axes) or []
    rank = x.ndim + len(added)
    for axis in sorted(axis % rank for axis in added):
        x = x.unsqueeze(axis)
    return x


def squeeze(call: Call, x: Tensor, axes: Sizes | None = None) -> Value:
    dropped = _axes(call, axes)
    if dropped is None:
        return x.squeeze()
    wide = [axis for axis in dropped if isinstance(x.shape[axis], int) and x.shape[axis] != 1]
    if wide:
        raise call.refuse(f"axis {wide[0]} of {x.shape[wide[0]]} positions", "axes of one position")
    return x.squeeze(tuple(dropped))


def reshape(call: Call, x: Tensor, shape: Sizes) -> Value:
    sizes = shape.tolist()
    if not call["allowzero"]:
        sizes = [x.shape[i] if isinstance(n, int) and n == 0 else n for i, n in enumerate(sizes)]
    if call.single and sizes and isinstance(sizes[0], int) and sizes[0] == 1 and not isinstance(x.shape[0], int):
        sizes[0] = x.shape[0]  # a file made for one image at a time
    return x.reshape(sizes)


def flatten(call: Call, x: Tensor) -> Value:
    axis = call["axis"] if call["axis"] >= 0 else call["axis"] + x.ndim
    return torch.flatten(x, 1) if axis == 1 and x.ndim > 1 else x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


def transpose(call: Call, x: Tensor) -> Value:
    return x.permute(call["perm"] if call["perm"] is not None else list(range(x.ndim))[::-1])


def expand(_: Call, x: Tensor, shape: Sizes) -> Value:
    """Return `x` broadcast with `shape`: an axis keeps its size where `shape` has 1, or fewer axes."""
    sizes = shape.tolist()
    own = [1] * (len(sizes) - x.ndim) + list(x.shape)
    wanted = [1] * (len(own) - len(sizes)) + sizes
    return x.expand([mine if isinstance(n, int) and n == 1 else n for mine, n in zip(own, wanted, strict=True)])


def tile(_: Call, x: Tensor, repeats: Sizes) -> Value:
    return x.repeat(repeats.tolist())


def constant_of_shape(call: Call, shape: Sizes) -> Value:
    value = np.zeros(1, np.float32) if call["value"] is None else call["value"].reshape(-1)
    return torch.full(shape.tolist(), value[0].item(), dtype=torch.from_numpy(value).dtype)


def eye_like(call: Call, x: Tensor) -> Value:
    dtype = x.dtype if call["dtype"] is None else element_type(call, call["dtype"])
    rows, columns = (int(n) for n in x.shape)
    call.limit(rows * columns)
    return torch.from_numpy(np.eye(rows, columns, call["k"])).to(dtype)


def trilu(call: Call, x: Tensor, diagonal: Sizes | None = None) -> Value:
    k = 0 if diagonal is None else int(diagonal.reshape(-1)[0])
    rows, columns = int(x.shape[-2]), int(x.shape[-1])
    call.limit(rows * columns)
    ones = np.ones((rows, columns), np.bool_)
    kept = torch.from_numpy(np.triu(ones, k) if call["upper"] else np.tril(ones, k))
    return torch.where(kept, x, torch.zeros_like(x))


def one_hot(call: Call, index: Tensor, depth: Sizes, values: Tensor) -> Value:
    size = int(depth.reshape(-1)[0])
    call.limit(size)
    axis = call["axis"] % (index.ndim + 1)
    places = torch.arange(size).reshape([-1 if a == axis else 1 for a in range(index.ndim + 1)])
    index = torch.where(index < 0, index + size, index).unsqueeze(axis)
    return torch.where(places == index, values[1], values[0])


def pad(call: Call, x: Tensor, pads: Sizes | None = None, value: Value = None, axes: Sizes | None = None) -> Value:
    """Return `x` with positions added at the ends of its axes: a constant, or its own numbers mirrored, repeated or wrapped around."""
    given = call["pads"] if pads is None else pads.tolist()
    if given is None:
        raise call.refuse("no pads", "them")
    count = len(given) // 2
    along = list(range(count)) if axes is None else [int(axis) % x.ndim for axis in axes.reshape(-1)]
    sides = dict(zip(along, zip(given[:count], given[count:], strict=True), strict=True))
    if call["mode"] == "constant":
        fill = value if value is not None else call["value"]
        widths = [side for axis in reversed(range(x.ndim)) for side in sides.get(axis, (0, 0))]
        while widths[-2:] == [0, 0] and len(widths) > 2:
            widths = widths[:-2]  # leading axes that keep their size, the batch above all
        return F.pad(x, widths, value=fill.item() if isinstance(fill, np.ndarray) else fill)
    for axis, (before, after) in sides.items():
        if (before, after) != (0, 0):
            if before < 0 or after < 0:
                raise call.refuse(f"mode {call['mode']} and pads {given}", "pads of at least 0")
            size = int(x.shape[axis])
            call.limit(size + before + after)
            places: Any = np.pad(np.arange(size), (before, after), call["mode"])
            x = x.index_select(axis, torch.from_numpy(places))
    return x


def center_crop_pad(call: Call, x: Tensor, shape: Sizes) -> Value:
    """Return `x` cut or padded with zeros to `shape`, about its center."""
    axes = call["axes"] if call["axes"] is not None else list(range(x.ndim))
    for axis, wanted in zip((a % x.ndim for a in axes), shape.tolist(), strict=True):
        call.limit(wanted)
        size = int(x.shape[axis])
        if wanted < size:
            x = x.narrow(axis, (size - wanted) // 2, wanted)
        elif wanted > size:
            before = (wanted - size) // 2
            x = F.pad(x, [0, 0] * (x.ndim - 1 - axis) + [before, wanted - size - before])
    return x


def reverse_sequence(call: Call, x: Tensor, lengths: Sizes) -> Value:
    """Return `x` with the first `lengths[b]` positions of every batch entry `b` in reverse order."""
    time, batch = call["time_axis"], call["batch_axis"]
    if lengths.shape != (x.shape[batch],) or lengths.min(initial=0) < 0 or lengths.max(initial=0) > x.shape[time]:
        raise call.refuse(f"lengths {lengths.tolist()} for axes of {tuple(x.shape[:2])}", "one for each of the batch, 0 to all positions")
    steps = np.arange(int(x.shape[time]))[:, None]
    places = np.where(steps < lengths[None, :], lengths[None, :] - 1 - steps, steps)
    places = places if (time, batch) == (0, 1) else places.T
    index = torch.from_numpy(np.ascontiguousarray(places)).reshape([*places.shape, *[1] * (x.ndim - 2)])
    return torch.gather(x, time, index.expand(x.shape))


def shape_of(call: Call, x: Tensor) -> Value:
    """Return sizes: symbolic where the network is traced for any number of images."""
    return sized(list(x.shape)[call["start"] : call["end"]])


def size_of(_: Call, x: Tensor) -> Value:
    return sized(math.prod(x.shape))


def sized(values: Any) -> Sizes:
    """Return numbers as an array of int64, or of objects where some are symbolic."""
    items = values if isinstance(values, list) else [values]
    if all(isinstance(item, int) for item in items):
        return np.array(values, np.int64)
    result = np.empty(len(items), dtype=object)
    result[:] = items
    return result if isinstance(values, list) else result.reshape(())
