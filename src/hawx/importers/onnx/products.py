"""ONNX operators that multiply and accumulate (convolutions, products of matrices, attention), and normalizations."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (PyTorch's own idiom)
from torch import Tensor

from hawx.importers.onnx.contracts import Call, Value
from hawx.importers.onnx.pooling import image_sizes, padded, windows


def conv(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Value:
    kernel = _kernel(call, weight)
    slides = windows(call, image_sizes(x), kernel)
    x, padding = padded(x, slides, 0.0)
    function = (F.conv1d, F.conv2d, F.conv3d)[len(kernel) - 1]
    return function(x, weight, bias, [w.stride for w in slides], padding, [w.dilation for w in slides], call["group"])


def _kernel(call: Call, weight: Tensor) -> list[int]:
    kernel = [int(n) for n in weight.shape[2:]]
    if call["kernel_shape"] not in (None, kernel):
        raise call.refuse(f"kernel_shape {call['kernel_shape']} and weights of {kernel}", "the same")
    return kernel


def conv_transpose(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Value:
    """Return the transposed convolution: the whole of it, less the pads, plus `output_padding` behind."""
    kernel = _kernel(call, weight)
    dims = len(kernel)
    strides, dilations = call["strides"] or [1] * dims, call["dilations"] or [1] * dims
    extra = call["output_padding"] or [0] * dims
    if any(not 0 <= e < max(s, d) for e, s, d in zip(extra, strides, dilations, strict=True)):
        raise call.refuse(f"output_padding {extra}", "less than the stride or the dilation")
    whole = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(image_sizes(x), strides, kernel, dilations, strict=True)]
    before, after = _transposed_pads(call, image_sizes(x), whole, strides, extra)
    function = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[dims - 1]
    if before == after and min(before) >= 0:
        return function(x, weight, bias, strides, before, extra, call["group"], dilations)
    result = function(x, weight, None, strides, 0, 0, call["group"], dilations)
    sides = [(-b, e - a) for b, a, e in zip(before, after, extra, strict=True)]
    result = F.pad(result, [side for pair in reversed(sides) for side in pair])
    return result if bias is None else result + bias.reshape([-1] + [1] * dims)


def _transposed_pads(call: Call, sizes: list[int], whole: list[int], strides: list[int], extra: list[int]) -> tuple[list[int], list[int]]:
    dims = len(sizes)
    wanted = call["output_shape"]
    if wanted is None and call["auto_pad"] in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [n * s for n, s in zip(sizes, strides, strict=True)]
    if wanted is None:
        pads = [0] * 2 * dims if call["auto_pad"] == "VALID" else call["pads"] or [0] * 2 * dims
        return pads[:dims], pads[dims:]
    totals = [w + e - n for w, e, n in zip(whole, extra, wanted[-dims:], strict=True)]
    half = [t // 2 for t in totals]
    rest = [t - h for t, h in zip(totals, half, strict=True)]
    return (half, rest) if call["auto_pad"] == "SAME_UPPER" else (rest, half)


def matmul(call: Call, x: Tensor, y: Tensor) -> Value:
    return F.linear(x, y) if call.turned else torch.matmul(x, y)


def gemm(call: Call, x: Tensor, weight: Tensor, bias: Value = None) -> Value:
    """Return `alpha · x · weight + beta · bias`."""
    alpha, beta = call["alpha"], call["beta"]
    x = x.t() if call["transA"] else x
    weight = weight if call.turned or call["transB"] else weight.t()
    if alpha == 1.0 and beta == 1.0 and (bias is None or (isinstance(bias, Tensor) and bias.shape == weight.shape[:1])):
        return F.linear(x, weight, bias)
    product = F.linear(x, weight) * alpha
    return product if bias is None else product + bias * beta


def einsum(call: Call, *inputs: Tensor) -> Value:
    return torch.einsum(call["equation"].replace(" ", ""), *inputs)


def batch_norm(call: Call, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Value:
    if call.opset < 7 and not call["is_test"]:
        raise call.refuse("is_test=0", "is_test=1")
    return F.batch_norm(x, mean, variance, scale, bias, False, 0.0, call["epsilon"])


def layer_norm(call: Call, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Value:
    """Return the normalized numbers, their mean, and the inverse of their deviation."""
    axis = call["axis"] % x.ndim
    shape = x.shape[axis:]
    if scale.shape == shape and (bias is None or bias.shape == shape):
        result = F.layer_norm(x, shape, scale, bias, call["epsilon"])
    else:
        result = F.layer_norm(x, shape, None, None, call["epsilon"]) * scale
        result = result if bias is None else result + bias
    if call.used == 1:
        return result
    axes = list(range(axis, x.ndim))
    mean = x.mean(axes, keepdim=True)
    centered = x - mean
    return result, mean, torch.rsqrt((centered * centered).mean(axes, keepdim=True) + call["epsilon"])


def rms_norm(call: Call, x: Tensor, scale: Tensor) -> Value:
    axes = list(range(call["axis"] % x.ndim, x.ndim))
    return x * torch.rsqrt((x * x).mean(axes, keepdim=True) + call["epsilon"]) * scale


def instance_norm(call: Call, x: Tensor, scale: Tensor, bias: Tensor) -> Value:
    return F.instance_norm(x, weight=scale, bias=bias, eps=call["epsilon"])


def group_norm(call: Call, x: Tensor, scale: Tensor, bias: Tensor) -> Value:
    """Return the numbers normalized by groups of channels; before opset 21, scale and bias are given per group."""
    if call.opset < 21:
        each = x.shape[1] // call["num_groups"]
        scale, bias = (values.unsqueeze(1).expand(-1, each).reshape(-1) for values in (scale, bias))
    return F.group_norm(x, call["num_groups"], scale, bias, call["epsilon"])


def mean_variance_normalization(call: Call, x: Tensor) -> Value:
    axes = call["axes"] if call["axes"] is not None else [0, 2, 3]
    centered = x - x.mean(axes, keepdim=True)
    return centered / (torch.sqrt((centered * centered).mean(axes, keepdim=True)) + 1e-9)


def lp_normalization(call: Call, x: Tensor) -> Value:
    """Return `x` over its p-norm along one axis; 0 where the norm is 0."""
    sized = torch.abs(x) if call["p"] == 1 else x * x
    norm = torch.sum(sized, [call["axis"]], keepdim=True)
    norm = norm if call["p"] == 1 else torch.sqrt(norm)
    return torch.where(norm == 0, torch.zeros_like(x), x / torch.where(norm == 0, torch.ones_like(norm), norm))


def dropout(call: Call, x: Tensor, ratio: Any = None, training: Any = None) -> Value:
    """Return `x`, and a mask that keeps everything: networks are run, not trained."""
    if training is not None and bool(training):
        raise call.refuse("training_mode true", "a network that is run, not trained")
    if call.opset < 7 and not call["is_test"]:
        raise call.refuse("is_test=0", "is_test=1")
    return (x, torch.ones_like(x, dtype=torch.bool)) if call.used > 1 else x


def attention(call: Call, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Value:
    """Return `softmax(q · kᵀ · scale + mask) · v` (Vaswani et al. 2017, eq. 1) by heads; fewer key heads are shared by groups of query heads."""
    joined = query.ndim == 3
    if joined:
        query, key, value = (_heads(call, x, name) for x, name in ((query, "q_num_heads"), (key, "kv_num_heads"), (value, "kv_num_heads")))
    if key.shape[1] != query.shape[1]:
        key, value = (x.repeat_interleave(query.shape[1] // x.shape[1], dim=1) for x in (key, value))
    scale = call["scale"] if call["scale"] is not None else 1.0 / math.sqrt(query.shape[-1])
    logits = torch.matmul(query * math.sqrt(scale), key.transpose(-2, -1) * math.sqrt(scale))
    if call["softcap"]:
        logits = torch.tanh(logits / call["softcap"]) * call["softcap"]
    if call["is_causal"]:
        rows, columns = int(query.shape[2]), int(key.shape[2])
        logits = logits + torch.full((rows, columns), float("-inf"), dtype=query.dtype).triu(1)
    if mask is not None:
        if mask.shape[-1] < key.shape[2]:
            raise call.refuse(f"a mask of {mask.shape[-1]} keys for {key.shape[2]}", "a mask of every key")
        logits = torch.where(mask, logits, float("-inf")) if mask.dtype == torch.bool else logits + mask
    weights = F.softmax(logits, -1)
    if mask is not None:  # a query that may look at no key takes nothing
        weights = torch.where(torch.amax(logits, -1, keepdim=True) == float("-inf"), 0.0, weights)
    result = torch.matmul(weights, value)
    return result.transpose(1, 2).flatten(2) if joined else result


def _heads(call: Call, x: Tensor, name: str) -> Tensor:
    """Return (N, heads, positions, size) of (N, positions, heads · size)."""
    if call[name] is None:
        raise call.refuse(f"inputs of rank 3 and no {name}", f"{name}")
    return x.reshape([*x.shape[:-1], call[name], x.shape[-1] // call[name]]).transpose(1, 2)


def rotary_embedding(call: Call, x: Tensor, cosine: Tensor, sine: Tensor, positions: Tensor | None = None) -> Value:
    """Return `x` with pairs of its numbers turned by the angles of their positions (Su et al. 2021, arXiv 2104.09864)."""
    joined = x.ndim == 3
    turned = _heads(call, x, "num_heads") if joined else x
    size = call["rotary_embedding_dim"] or turned.shape[-1]
    rotated, rest = turned[..., :size], turned[..., size:]
    if positions is not None:
        cosine, sine = (F.embedding(positions, table) for table in (cosine, sine))
    cosine, sine = (angles[..., : size // 2].unsqueeze(1) for angles in (cosine, sine))
    if call["interleaved"]:
        first, second = rotated[..., 0::2], rotated[..., 1::2]
    else:
        first, second = rotated[..., : size // 2], rotated[..., size // 2 :]
    real, imaginary = first * cosine - second * sine, first * sine + second * cosine
    result = torch.stack([real, imaginary], -1).flatten(-2) if call["interleaved"] else torch.cat([real, imaginary], -1)
    result = torch.cat([result, rest], -1) if size != turned.shape[-1] else result
    return result.transpose(1, 2).flatten(2) if joined else result


def grid_sample(call: Call, x: Tensor, grid: Tensor) -> Value:
    mode = {"bilinear": "bilinear", "linear": "bilinear", "nearest": "nearest", "bicubic": "bicubic", "cubic": "bicubic"}[call["mode"]]
    return F.grid_sample(x, grid, mode, call["padding_mode"], bool(call["align_corners"]))
