"""ExactExecutor: exact integer layers in plain PyTorch, the yardstick for every approximate engine.

Integers are convolved in float32, which is exact while every partial sum stays below 2**24 in magnitude, whatever the order of
summation. The bound is proved per layer from its own weights: `max_o Σ_k |w[o, k]| · max|a| + max_o |bias'[o]| < 2**24`.
Where it fails the reduction is cut into chunks of input channels that each meet it, accumulated in int32.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F  # noqa: N812 (PyTorch's own idiom)
from torch import Tensor

from hawx.networks.quantized import CodesOutput, QuantizedLayer, shift_up
from hawx.networks.requantize import finish

FLOAT32_EXACT = 1 << 24
"""Integers up to this magnitude, and sums that never leave it, are exact in float32."""


@dataclass(frozen=True, slots=True)
class ExactExecutor:
    """Implements `Executor` with exact products. Stateless; packed weights are cached per layer."""

    def run_layer(self, layer: QuantizedLayer, codes: Tensor, output: CodesOutput | None) -> Tensor:
        """Return the layer's output; see `Executor.run_layer`."""
        return finish(layer, accumulate(layer, codes), output)


def accumulate(layer: QuantizedLayer, codes: Tensor) -> Tensor:
    """Return `Σ_k a_k·w[o, k] - zero_point·Σ_k w[o, k] + bias[o]`, (N, filters, H', W'), int32 or exact integers in float32.

    Args:
        layer: weights, bias, zero point and shapes; where it is wired, a_k are the codes as they arrive.
        codes: (N, in_channels, H, W), int8 or uint8.
    """
    total: Tensor | None = None
    for shift, filters in layer.shifts.items():
        part = _accumulate(layer, shift_up(codes, layer.input_format, shift))
        total = part if total is None or filters is None else torch.where(filters.view(1, -1, 1, 1), part, total)
    assert total is not None
    return total


def _accumulate(layer: QuantizedLayer, codes: Tensor) -> Tensor:
    if layer.is_product:
        return _product(layer, codes)
    plan = _plan(layer)
    facts = layer.layer
    top, bottom, left, right = facts.padding
    padding = (top, left)
    inputs = codes
    if layer.input_zero_point or top != bottom or left != right:
        inputs = F.pad(codes, (left, right, top, bottom), value=layer.input_zero_point)
        padding = (0, 0)
    if plan.direct:
        dtype = plan.chunks[0].weight.dtype
        result = F.conv2d(inputs.to(dtype), plan.chunks[0].weight, plan.bias.to(dtype), facts.stride, padding, facts.dilation, facts.groups)
        return result if dtype == torch.float32 else result.to(torch.int32)
    total: Tensor | None = None
    for chunk in plan.chunks:
        part = inputs[:, chunk.start : chunk.stop].to(chunk.weight.dtype)
        sums = F.conv2d(part, chunk.weight, None, facts.stride, padding, facts.dilation).to(torch.int32)
        total = sums if total is None else total.add_(sums)
    assert total is not None
    return total.add_(plan.bias.to(torch.int32).view(1, -1, 1, 1))


def _product(layer: QuantizedLayer, codes: Tensor) -> Tensor:
    """Return the accumulators of a product, (N, filters, rows, 1): one matrix product per group of an image."""
    images, filters, depth = layer.weight.shape[:3]
    rows, groups = codes.shape[2], codes.shape[1] // depth
    largest = max(-layer.input_format.min, layer.input_format.max)
    constant = layer.bias.view(1, -1, 1).to(torch.int64)
    if layer.input_zero_point:
        constant = constant - layer.input_zero_point * layer.weight.sum(2, dtype=torch.int64).view(images, filters, 1)
    exact = depth * largest * 128 + int(constant.abs().max()) < FLOAT32_EXACT
    dtype = torch.float32 if exact else torch.float64
    left, right = codes.reshape(images, groups, depth, rows), layer.weight.reshape(images, groups, -1, depth)
    total = (right.to(dtype) @ left.to(dtype)).reshape(images, filters, rows) + constant
    return (total if exact else total.to(torch.int32)).unsqueeze(3)


@dataclass(frozen=True, slots=True)
class _Chunk:
    start: int
    stop: int
    weight: Tensor


@dataclass(frozen=True, slots=True)
class _Plan:
    chunks: tuple[_Chunk, ...]
    bias: Tensor
    """int64 (filters,): bias minus zero-point correction."""
    direct: bool
    """Whether one convolution with its bias is exact in the dtype of its weight."""


@lru_cache(maxsize=1024)
def _plan(layer: QuantizedLayer) -> _Plan:
    with torch.inference_mode(False):
        weight = layer.weight.detach()
        channels = weight.shape[1]
        largest = max(-layer.input_format.min, layer.input_format.max)
        bias = layer.bias.to(torch.int64) - layer.input_zero_point * weight.flatten(1).sum(1, dtype=torch.int64)
        magnitude = weight.to(torch.int64).abs().flatten(2).sum(2) * largest  # (filters, channels): bound of each channel's sum
        bound = int((magnitude.sum(1) + bias.abs()).max())
        if bound < FLOAT32_EXACT:
            return _Plan((_Chunk(0, channels, weight.to(torch.float32)),), bias, direct=True)
        if layer.layer.groups > 1:
            return _Plan((_Chunk(0, channels, weight.to(torch.float64)),), bias, direct=True)
        chunks, start = [], 0
        for stop in range(1, channels + 1):
            if stop == channels or int(magnitude[:, start : stop + 1].sum(1).max()) >= FLOAT32_EXACT:
                exact = int(magnitude[:, start:stop].sum(1).max()) < FLOAT32_EXACT  # one channel of a huge kernel may not be
                chunks.append(_Chunk(start, stop, weight[:, start:stop].to(torch.float32 if exact else torch.float64)))
                start = stop
        return _Plan(tuple(chunks), bias, direct=False)
