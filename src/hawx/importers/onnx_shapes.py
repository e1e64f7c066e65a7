"""ONNX operators on shapes and layout; see `onnx_operators`."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (PyTorch's own idiom)
from torch import Tensor

from hawx.importers.onnx_operators import Call, Value, _operator, host


@_operator("Shape")
def _shape(call: Call, x: Tensor) -> Value:
    return list(x.shape)[call.get("start", 0) : call.get("end")]


@_operator("Gather")
def _gather(call: Call, x: Value, index: Value) -> Value:
    if host(x):
        return x[index] if isinstance(index, int) else [x[i] for i in index]
    axis = call.get("axis", 0)
    if isinstance(index, int):
        return x.select(axis, index)
    picked = torch.as_tensor(index)
    return x.index_select(axis, picked.flatten()).unflatten(axis, picked.shape) if picked.ndim != 1 else x.index_select(axis, picked)


@_operator("Slice")
def _slice(call: Call, x: Value, starts: Value = None, ends: Value = None, axes: Value = None, steps: Value = None) -> Value:
    starts, ends = call.get("starts", starts), call.get("ends", ends)
    axes = call.get("axes", axes) or list(range(len(starts)))
    steps = steps or [1] * len(starts)
    if host(x):
        return x[starts[0] : ends[0] : steps[0]]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step < 0:
            raise call.refuse(f"slices with step {step}", "positive steps")
        cut: list[Any] = [slice(None)] * x.ndim
        cut[axis] = slice(start, None if isinstance(end, int) and end > 2**31 - 2 else end, step)
        x = x[tuple(cut)]
    return x


@_operator("Concat")
def _concat(call: Call, *values: Value) -> Value:
    if any(isinstance(v, Tensor) for v in values):
        return torch.cat(values, call.get("axis"))
    return [item for v in values for item in (v if isinstance(v, list) else [v])]


@_operator("Split")
def _split(call: Call, x: Tensor, sizes: Value = None) -> Value:
    sizes = call.get("split", sizes)
    axis = call.get("axis", 0)
    if sizes:
        return torch.split(x, sizes, axis)
    parts = call.get("num_outputs", len(call.node.outputs))
    return torch.split(x, math.ceil(int(x.shape[axis]) / parts), axis)


@_operator("Unsqueeze")
def _unsqueeze(call: Call, x: Value, axes: Value = None) -> Value:
    if host(x):
        return x if isinstance(x, list) else [x]
    axes = call.get("axes", axes)
    rank = x.ndim + len(axes)
    for axis in sorted(a % rank for a in axes):
        x = x.unsqueeze(axis)
    return x


@_operator("Squeeze")
def _squeeze(call: Call, x: Value, axes: Value = None) -> Value:
    if host(x):
        return x[0] if isinstance(x, list) and len(x) == 1 else x
    axes = call.get("axes", axes)
    return x.squeeze(tuple(axes)) if axes else x.squeeze()


@_operator("Reshape")
def _reshape(call: Call, x: Value, shape: Value) -> Value:
    if host(x):
        return x if isinstance(x, list) else [x]
    sizes = list(shape)
    if not call.get("allowzero", 0):
        sizes = [x.shape[i] if isinstance(n, int) and n == 0 else n for i, n in enumerate(sizes)]
    if call.get("hawx_batch_of_one") and isinstance(sizes[0], int) and sizes[0] == 1 and not isinstance(x.shape[0], int):
        sizes[0] = x.shape[0]  # a file made for one image at a time
    return x.reshape(sizes)


@_operator("Flatten")
def _flatten(call: Call, x: Tensor) -> Value:
    axis = call.get("axis", 1)
    if axis == 1:
        return torch.flatten(x, 1)
    return x.reshape(math.prod(x.shape[:axis]), -1)


@_operator("Transpose")
def _transpose(call: Call, x: Tensor) -> Value:
    return x.permute(call.get("perm", list(range(x.ndim))[::-1]))


@_operator("Expand")
def _expand(call: Call, x: Tensor, shape: Value) -> Value:
    sizes = list(shape)
    lead = len(sizes) - x.ndim
    return x.expand([x.shape[i - lead] if i >= lead and isinstance(n, int) and n == 1 else n for i, n in enumerate(sizes)])


@_operator("Tile")
def _tile(call: Call, x: Tensor, repeats: Value) -> Value:
    return x.repeat(repeats)


@_operator("ConstantOfShape")
def _constant_of_shape(call: Call, shape: Value) -> Value:
    value = call.get("value")
    number = 0.0 if value is None else value.reshape(-1)[0].item()
    return [number] * shape[0] if isinstance(number, int) and len(shape) == 1 else torch.full(shape, number)


@_operator("Range")
def _range(call: Call, start: Value, limit: Value, delta: Value) -> Value:
    return list(range(start, limit, delta))


@_operator("Pad")
def _pad(call: Call, x: Tensor, pads: Value = None, value: Value = None, axes: Value = None) -> Value:
    pads = call.get("pads", pads)
    mode = call.get("mode", "constant")
    fill = call.get("value", value)
    count = len(pads) // 2
    axes = [a % x.ndim for a in axes] if axes else list(range(count))
    before, after = dict(zip(axes, pads[:count], strict=True)), dict(zip(axes, pads[count:], strict=True))
    lowest = 0 if mode == "constant" else 2
    widths = [side for axis in reversed(range(lowest, x.ndim)) for side in (before.get(axis, 0), after.get(axis, 0))]
    torch_mode = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}.get(mode)
    if torch_mode is None:
        raise call.refuse(f"pads with mode {mode!r}", "constant, reflect or edge")
    return F.pad(x, widths, "constant", float(fill or 0.0)) if mode == "constant" else F.pad(x, widths, torch_mode)


@_operator("DepthToSpace")
def _depth_to_space(call: Call, x: Tensor) -> Value:
    if call.get("mode", "DCR") != "CRD":
        raise call.refuse("rearranges in DCR order", "CRD order (PyTorch's pixel shuffle)")
    return F.pixel_shuffle(x, call.get("blocksize"))


@_operator("Resize", "Upsample")
def _resize(call: Call, x: Tensor, *given: Value) -> Value:
    mode = call.get("mode", "nearest")
    scales, sizes = (given[1] if len(given) > 1 else None), (given[2] if len(given) > 2 else None)
    coordinates = call.get("coordinate_transformation_mode", "half_pixel")
    if mode == "linear" and coordinates in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        options: dict[str, Any] = {"mode": "bilinear", "align_corners": coordinates == "align_corners"}
    elif mode == "nearest" and coordinates in ("asymmetric", "half_pixel"):
        options = {"mode": "nearest" if coordinates == "asymmetric" else "nearest-exact"}
    else:
        raise call.refuse(f"resizes with mode {mode!r}, {coordinates!r}", "nearest or linear with half_pixel, asymmetric or align_corners")
    if sizes:
        return F.interpolate(x, size=sizes[2:], **options)
    if not scales:
        raise call.refuse("has neither scales nor sizes", "one of them, constant")
    return F.interpolate(x, scale_factor=scales[2:], **options)
