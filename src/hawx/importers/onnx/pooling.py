"""Windows that slide over an image: pooling, and the padding that convolutions share with it.

What PyTorch computes in one operator is left to it. Everything else (unequal padding, more of it than half a window, dilated or
three-dimensional windows, windows that stick out) is put together from shifted slices of the padded image, one axis at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F  # noqa: N812 (PyTorch's own idiom)
from torch import Tensor

from hawx.importers.onnx.contracts import Call, Value

_FAR = 1 << 16
"""Largest kernel, stride, dilation or pad that is read."""


@dataclass(frozen=True, slots=True)
class Window:
    """How a window slides along one axis of `size` positions."""

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    count: int
    """Positions that the window takes."""

    @property
    def span(self) -> int:
        return (self.kernel - 1) * self.dilation + 1

    @property
    def overhang(self) -> int:
        """Padding behind the image that the last window needs; negative where it ends before the image does."""
        return (self.count - 1) * self.stride + self.span - self.before - self.size

    def covered(self, *, padding: bool) -> list[int]:
        """Return how many positions of the image (and of its padding) each window covers."""
        low, high = (-self.before, self.size + self.after) if padding else (0, self.size)
        starts = [i * self.stride - self.before for i in range(self.count)]
        return [sum(low <= start + k * self.dilation < high for k in range(self.kernel)) for start in starts]


def windows(call: Call, sizes: list[int], kernel: list[int]) -> list[Window]:
    """Return how a window of `kernel` slides over an image of `sizes`, by the node's strides, dilations, pads, auto_pad and ceil_mode.

    Raises:
        InputError: the attributes differ in length from the image's axes, or a number is out of range.
    """
    dims = len(sizes)
    strides, dilations = call["strides"] or [1] * dims, call.attributes.get("dilations") or [1] * dims
    pads = call["pads"] or [0] * 2 * dims
    if not (len(kernel) == len(strides) == len(dilations) == dims and len(pads) == 2 * dims):
        raise call.refuse(f"a window of {len(kernel)} axes on an image of {dims}", "kernel_shape, strides, dilations and pads for every axis")
    if min(*kernel, *strides, *dilations, 1) < 1 or min(*pads, 0) < 0 or max(*kernel, *strides, *dilations, *pads, 1) > _FAR:
        raise call.refuse(f"kernel {kernel}, strides {strides}, dilations {dilations}, pads {pads}", f"numbers from 1 (pads 0) to {_FAR}")
    result = []
    for axis, (n, k, s, d) in enumerate(zip(sizes, kernel, strides, dilations, strict=True)):
        before, after = pads[axis], pads[dims + axis]
        span = (k - 1) * d + 1
        if call["auto_pad"] == "VALID":
            before = after = 0
        elif call["auto_pad"] != "NOTSET":
            total = max((-(-n // s) - 1) * s + span - n, 0)
            before = total // 2 if call["auto_pad"] == "SAME_UPPER" else total - total // 2
            after = total - before
        room = n + before + after - span
        ceil = bool(call.attributes.get("ceil_mode")) and call["auto_pad"] == "NOTSET"
        count = (-(-room // s) if ceil else room // s) + 1
        if ceil and (count - 1) * s >= n + before:  # the last window must start inside the image or the padding before it
            count -= 1
        if count < 1:
            raise call.refuse(f"a window of {span} on {n + before + after} positions", "a window that fits")
        result.append(Window(n, k, s, d, before, after, count))
    return result


def image_sizes(x: Tensor) -> list[int]:
    return [int(n) for n in x.shape[2:]]


def padded(x: Tensor, slides: list[Window], fill: float) -> tuple[Tensor, list[int]]:
    """Return the image padded where its two sides differ, and the equal padding that is left to the operator."""
    if all(w.before == w.after for w in slides):
        return x, [w.before for w in slides]
    return F.pad(x, [side for w in reversed(slides) for side in (w.before, w.after)], value=fill), [0] * len(slides)


def _along_axes(x: Tensor, slides: list[Window], fill: float, join: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Return `join` of all positions of every window; positions outside the image count as `fill`."""
    x = F.pad(x, [side for w in reversed(slides) for side in (w.before, max(w.overhang, 0))], value=fill)
    for axis, w in enumerate(slides, start=2):
        reach = (w.count - 1) * w.stride + 1
        parts = [x.narrow(axis, k * w.dilation, reach)[(slice(None),) * axis + (slice(None, None, w.stride),)] for k in range(w.kernel)]
        x = parts[0]
        for part in parts[1:]:
            x = join(x, part)
    return x


def _one_operator(slides: list[Window]) -> bool:
    """Whether PyTorch pools so in one operator: on one or two axes, equal padding of at most half a window."""
    return len(slides) <= 2 and all(w.before == w.after <= w.kernel // 2 for w in slides)


def max_pool(call: Call, x: Tensor) -> Value:
    """Return the largest number of every window."""
    slides = windows(call, image_sizes(x), call["kernel_shape"])
    if not x.is_floating_point():
        return _along_axes(x, slides, torch.iinfo(x.dtype).min, torch.maximum)
    if len(slides) > 2:
        return _along_axes(x, slides, float("-inf"), torch.maximum)
    ceil = bool(call["ceil_mode"])
    if not _one_operator(slides):
        widths = [side for w in reversed(slides) for side in (w.before, max(w.overhang, 0))]
        x, ceil = F.pad(x, widths, value=float("-inf")), False
        slides = [replace(w, before=0, after=0) for w in slides]
    function = (F.max_pool1d, F.max_pool2d)[len(slides) - 1]
    pooled = function(x, [w.kernel for w in slides], [w.stride for w in slides], [w.before for w in slides], [w.dilation for w in slides], ceil)
    for axis, w in enumerate(slides, start=2):
        pooled = pooled if pooled.shape[axis] == w.count else pooled.narrow(axis, 0, w.count)
    return pooled


def average_pool(call: Call, x: Tensor) -> Value:
    """Return the mean of every window: over the image's own positions, or with `count_include_pad` over its padding too."""
    slides = windows(call, image_sizes(x), call["kernel_shape"])
    counts = bool(call["count_include_pad"])
    if _one_operator(slides) and all(w.dilation == 1 for w in slides):
        function = (F.avg_pool1d, F.avg_pool2d)[len(slides) - 1]
        ceil = bool(call["ceil_mode"])
        return function(x, [w.kernel for w in slides], [w.stride for w in slides], [w.before for w in slides], ceil, counts)
    divisor = torch.ones(())
    for w in slides:
        divisor = divisor.unsqueeze(-1) * torch.tensor(w.covered(padding=counts), dtype=x.dtype)
    return _along_axes(x, slides, 0.0, torch.add) / divisor


def lp_pool(call: Call, x: Tensor) -> Value:
    """Return the p-norm of every window."""
    slides = windows(call, image_sizes(x), call["kernel_shape"])
    return _root(_along_axes(_power(x, call["p"]), slides, 0.0, torch.add), call["p"])


def _power(x: Tensor, p: int) -> Tensor:
    return torch.abs(x) if p == 1 else torch.pow(torch.abs(x), p)


def _root(x: Tensor, p: int) -> Tensor:
    return x if p == 1 else torch.sqrt(x) if p == 2 else torch.pow(x, 1.0 / p)


def _image_axes(x: Tensor) -> list[int]:
    return list(range(2, x.ndim))


def global_average_pool(_: Call, x: Tensor) -> Value:
    return F.adaptive_avg_pool2d(x, 1) if x.ndim == 4 else x.mean(_image_axes(x), keepdim=True)


def global_max_pool(_: Call, x: Tensor) -> Value:
    return x.amax(_image_axes(x), keepdim=True)


def local_response_normalization(call: Call, x: Tensor) -> Value:
    """Return `x / (bias + alpha / size · Σ x²)^beta`, the sum over `size` neighboring channels."""
    size = call["size"]
    before = (size - 1) // 2
    squares = F.pad(x * x, [0, 0] * (x.ndim - 2) + [before, size - 1 - before])
    total = squares.narrow(1, 0, x.shape[1])
    for offset in range(1, size):
        total = total + squares.narrow(1, offset, x.shape[1])
    return x / torch.pow(total * (call["alpha"] / size) + call["bias"], call["beta"])


def depth_to_space(call: Call, x: Tensor) -> Value:
    block = call["blocksize"]
    if call["mode"] == "CRD":
        return F.pixel_shuffle(x, block)
    n, c, h, w = x.shape
    return x.reshape(n, block, block, c // block**2, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, c // block**2, h * block, w * block)


def space_to_depth(call: Call, x: Tensor) -> Value:
    block = call["blocksize"]
    n, c, h, w = x.shape
    split = x.reshape(n, c, h // block, block, w // block, block)
    order = (0, 3, 5, 1, 2, 4) if call["mode"] == "DCR" else (0, 1, 3, 5, 2, 4)
    return split.permute(*order).reshape(n, c * block**2, h // block, w // block)
