"""The requantization law: from integer accumulators to real values or to the codes of the next layer.

    y    = float32(acc) · scale[o]
    code = clip(rint(y · float32(1 / s)) + zero_point)

Every operation is one float32 IEEE operation per element, rounded to nearest even, so that every engine, memory format,
batch size and thread count gives the same bits.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hawx.formats import IntFormat
from hawx.networks.quantized import CodesOutput, QuantizedLayer

_CHUNK = 1 << 16
"""Elements per pass of the chunked loops below: the temporaries stay in the second-level cache."""


def torch_dtype(fmt: IntFormat) -> torch.dtype:
    """Return the dtype that holds the codes of `fmt`."""
    return torch.int8 if fmt.signed else torch.uint8


def inverse(scale: float) -> float:
    """Return float32(1 / float32(scale)) as a Python number."""
    return float(np.float32(1.0) / np.float32(scale))


def quantize(values: Tensor, scale: float, zero_point: int, fmt: IntFormat) -> Tensor:
    """Return `clip(rint(values · float32(1/scale)) + zero_point)` in `fmt`; float32 in, same shape and strides out."""
    codes = torch.empty_like(values, dtype=torch_dtype(fmt))
    for source, target in _chunks(values, codes):
        _store_codes(source * inverse(scale), target, zero_point, fmt.min, fmt.max)
    return codes


def quantize_in_float(values: Tensor, scale: float, zero_point: int, fmt: IntFormat) -> Tensor:
    """Return the codes of `quantize` held in float32: for values that have just been made and will have gradients, one pass over memory less."""
    scaled = (values * inverse(scale)).round_()
    return (scaled.add_(zero_point) if zero_point else scaled).clamp_(fmt.min, fmt.max)


def quantize_number(value: float, scale: float, zero_point: int, fmt: IntFormat) -> int:
    """Return the code of one real number (infinities saturate), by the same law as `quantize`."""
    scaled = np.float32(value) * np.float32(inverse(scale))
    return int(np.clip(np.rint(scaled) + zero_point, fmt.min, fmt.max))


def dequantize(codes: Tensor, scale: float, zero_point: int) -> Tensor:
    """Return `(codes - zero_point) · float32(scale)`, float32."""
    return (codes.to(torch.float32) - zero_point) * scale


def finish(layer: QuantizedLayer, accumulators: Tensor, output: CodesOutput | None) -> Tensor:
    """Apply the law to accumulators that already contain bias and zero-point correction.

    Args:
        layer: gives `scale`.
        accumulators: (N, filters, H', W'), integers, as int32 or as float32 of magnitude at most 2**24.
        output: see `Executor.run_layer`.
    """
    scale = layer.scale.view(1, -1, 1, 1)
    if output is None:
        return accumulators.to(torch.float32) * scale
    codes = torch.empty_like(accumulators, dtype=torch_dtype(output.format))
    for source, target in _chunks(accumulators, codes):
        scaled = source * scale if source.dtype == torch.float32 else source.to(torch.float32).mul_(scale)
        _store_codes(scaled.mul_(inverse(output.scale)), target, output.zero_point, output.low, output.format.max)
    return codes


def _store_codes(scaled: Tensor, target: Tensor, zero_point: int, low: int, high: int) -> None:
    scaled.round_()
    if zero_point:
        scaled.add_(zero_point)
    target.copy_(scaled.clamp_(low, high))


def _chunks(source: Tensor, target: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return matching slices of two tensors of equal strides, each of about `_CHUNK` elements."""
    if source.numel() <= _CHUNK or source.shape[0] == 1 or not source.is_cpu:
        return [(source, target)]
    rows = max(1, _CHUNK * source.shape[0] // source.numel())
    return [(source[i : i + rows], target[i : i + rows]) for i in range(0, len(source), rows)]
