"""Resize: every output position of an axis is a weighted sum of input positions, found when the network is read.

The weights follow onnx.ai/onnx/operators/onnx__Resize.html. Axes are independent, so a resize is one gather (nearest) or a few gathers
and a sum (linear, cubic) per axis; what PyTorch's own bilinear interpolation does alike is left to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (PyTorch's own idiom)
from numpy.typing import NDArray
from torch import Tensor

from hawx.importers.onnx.contracts import Call, Value

Reals = NDArray[np.float64]

_AMBIGUOUS = ("align_corners", "tf_crop_and_resize")
"""Modes that ONNX's reference implementation and onnxruntime read differently where a scale does not give a whole number of positions."""

_MOST = 1 << 16
"""Output positions of the longest axis."""


@dataclass(frozen=True, slots=True)
class ResizedAxis:
    """One axis that is resized."""

    index: int
    size: int
    """Input positions."""
    count: int
    """Output positions."""
    scale: float
    low: float = 0.0
    high: float = 1.0
    """The part of the axis that `tf_crop_and_resize` takes."""


def resize(call: Call, x: Tensor, roi: Any = None, scales: Any = None, sizes: Any = None) -> Value:
    """Return `x` with its axes resized to `sizes`, or by `scales`."""
    if call.opset < 11:
        return upsample(call, x, roi)  # the second input was the scales
    axes = [axis for axis in _axes(call, x, roi, scales, sizes) if (axis.size, axis.low, axis.high) != (axis.count, 0.0, 1.0) or axis.scale != 1.0]
    if _as_pytorch(call, x, axes):
        corners = call["coordinate_transformation_mode"] == "align_corners"
        wanted = {axis.index: axis.count for axis in axes}
        return F.interpolate(x, size=[wanted.get(a, int(x.shape[a])) for a in (2, 3)], mode="bilinear", align_corners=corners)
    outside = None
    for axis in axes:
        places = coordinates(call, axis)
        if not np.isfinite(places).all():
            raise call.refuse(f"roi {axis.low:g} to {axis.high:g} and scale {axis.scale:g}", "finite numbers")
        x = _nearest(call, x, axis, places) if call["mode"] == "nearest" else _weighted(call, x, axis, places)
        if call["coordinate_transformation_mode"] == "tf_crop_and_resize":
            beyond = torch.from_numpy((places < 0) | (places > axis.size - 1)).reshape([-1] + [1] * (x.ndim - 1 - axis.index))
            outside = beyond if outside is None else outside | beyond
    return x if outside is None else torch.where(outside, call["extrapolation_value"], x)


def upsample(call: Call, x: Tensor, scales: Any = None) -> Value:
    """Return `x` resized as before opset 11: by scales, an attribute or an input, at positions counted from the first."""
    given = scales if scales is not None else call.attributes.get("scales")
    factors = np.array([] if given is None else given, np.float32)
    return resize(replace(call, opset=11, attributes={**_BEFORE_11, "mode": call["mode"]}), x, None, factors)


_BEFORE_11 = {
    "antialias": 0, "axes": None, "cubic_coeff_a": -0.75, "exclude_outside": 0, "extrapolation_value": 0.0, "nearest_mode": "floor",
    "coordinate_transformation_mode": "asymmetric", "keep_aspect_ratio_policy": "stretch",
}  # fmt: skip


def _as_pytorch(call: Call, x: Tensor, axes: list[ResizedAxis]) -> bool:
    exact = all(axis.index >= 2 and axis.scale == axis.count / axis.size for axis in axes)
    alike = call["coordinate_transformation_mode"] in ("half_pixel", "align_corners")
    return x.ndim == 4 and call["mode"] == "linear" and alike and exact and bool(axes) and not (call["antialias"] or call["exclude_outside"])


def _axes(call: Call, x: Tensor, roi: Any, scales: Any, sizes: Any) -> list[ResizedAxis]:
    named = [a % x.ndim for a in call["axes"]] if call["axes"] is not None else list(range(x.ndim))
    given = sizes if sizes is not None and sizes.size else scales
    if given is None or not given.size:
        raise call.refuse("neither scales nor sizes", "one of them")
    if given.size != len(named):
        raise call.refuse(f"{given.size} sizes for {len(named)} axes", "one for each")
    mode = call["coordinate_transformation_mode"]
    crops = mode == "tf_crop_and_resize"
    if crops and (roi is None or roi.size != 2 * len(named)):
        raise call.refuse("tf_crop_and_resize without roi", "a start and an end for every axis")
    moving = [(position, a) for position, a in enumerate(named) if isinstance(x.shape[a], int)]  # the others are traced for any number of images
    policy = call["keep_aspect_ratio_policy"]
    ratios = [float(given[position]) / int(x.shape[a]) for position, a in moving] if given is sizes else []
    common = None if policy == "stretch" or not ratios else min(ratios) if policy == "not_larger" else max(ratios)
    found = []
    for position, a in moving:
        n = int(x.shape[a])
        low, high = (float(roi[position]), float(roi[position + len(named)])) if crops else (0.0, 1.0)
        if given is sizes:
            scale = common or int(given[position]) / n
            count = int(given[position]) if common is None else int(np.floor(common * n + 0.5))
        else:
            scale = float(given[position])
            if not 0 < scale < _MOST:
                raise call.refuse(f"scale {scale:g}", "a positive number")
            count = int(np.floor(np.float32(n) * (np.float32(high) - np.float32(low)) * np.float32(scale)))
            if mode in _AMBIGUOUS and abs(scale * n * (high - low) - count) > 1e-4 * count:
                raise call.refuse(f"{mode} and scale {scale:g} on {n} positions", "sizes, or a scale that gives a whole number of them")
        if not scale > 0 or not 1 <= count <= _MOST:
            raise call.refuse(f"scale {scale:g} on {n} positions", f"1 to {_MOST} positions")
        found.append(ResizedAxis(a, n, count, scale, low, high))
    return found


def coordinates(call: Call, axis: ResizedAxis) -> Reals:
    """Return where each output position lies on the input axis, float64 (count,)."""
    place = np.arange(axis.count, dtype=np.float64)
    centered = (place + 0.5) / axis.scale - 0.5
    match call["coordinate_transformation_mode"]:
        case "align_corners":
            return place * (axis.size - 1) / max(axis.count - 1, 1)
        case "asymmetric":
            return place / axis.scale
        case "pytorch_half_pixel":
            return centered if axis.count > 1 else place * 0
        case "tf_half_pixel_for_nn":
            return (place + 0.5) / axis.scale
        case "half_pixel_symmetric":
            return axis.size / 2 * (1 - axis.count / (axis.scale * axis.size)) + centered
        case "tf_crop_and_resize":
            last, part = axis.size - 1, axis.high - axis.low
            share = place / (axis.count - 1) if axis.count > 1 else place + 0.5
            return (axis.low + part * share) * last
        case _:
            return centered


def _nearest(call: Call, x: Tensor, axis: ResizedAxis, places: Reals) -> Tensor:
    match call["nearest_mode"]:
        case "round_prefer_floor":
            rounded = np.ceil(places - 0.5)
        case "round_prefer_ceil":
            rounded = np.floor(places + 0.5)
        case "floor":
            rounded = np.floor(places)
        case _:
            rounded = np.ceil(places)
    return x.index_select(axis.index, torch.from_numpy(np.clip(rounded, 0, axis.size - 1).astype(np.int64)))


def _weighted(call: Call, x: Tensor, axis: ResizedAxis, places: Reals) -> Tensor:
    base = np.ceil(places) - 1  # so that a position on the grid is the upper neighbor
    narrowed = min(axis.scale, 1.0) if call["antialias"] else 1.0
    reach = 1 if call["mode"] == "linear" else 2
    offsets = np.arange(int(np.floor(-reach / narrowed)) + 1, reach + 1 if narrowed == 1.0 else 1 - int(np.floor(-reach / narrowed)))
    taps = base[None, :] + offsets[:, None]
    distance = np.abs(taps - places[None, :]) * narrowed
    weights = np.clip(1 - distance, 0, None) if reach == 1 else _cubic(distance, call["cubic_coeff_a"])
    if call["exclude_outside"]:
        weights = np.where((taps < 0) | (taps >= axis.size), 0.0, weights)
    if call["exclude_outside"] or call["antialias"]:
        weights = weights / weights.sum(0)
    index = torch.from_numpy(np.clip(taps, 0, axis.size - 1).astype(np.int64))
    factors = torch.from_numpy(weights).to(x.dtype).reshape([len(offsets), -1] + [1] * (x.ndim - 1 - axis.index))
    parts = [x.index_select(axis.index, row) * factor for row, factor in zip(index, factors, strict=True)]
    total = x.new_zeros(()) if not parts else parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _cubic(distance: Reals, a: float) -> Reals:
    """Return the weights of cubic convolution (Keys 1981, doi 10.1109/TASSP.1981.1163711) at distances of at least 0."""
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
