"""One layer of a network that is being fine-tuned: the bit-exact approximate output forward, the real convolution backward.

The backward pass sees a block as exact (straight-through, Y. Bengio et al., arXiv 1308.3432). Slopes of the table instead (one number per code,
C. Meng et al., arXiv 2509.10519) were tried: on LeNet-5 as good, on ResNet-20 under strong blocks worse at every rate, and slower.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (PyTorch's own idiom)
from torch import Tensor

from hawx.networks.gradients import integers
from hawx.networks.quantized import Executor, QuantizedLayer, shift_up
from hawx.networks.training import multiplies_bfloat16
from hawx.wiring import clamp


class ApproximateLayer(torch.autograd.Function):
    """Codes held in float32 -> the layer's real output `y = s·(Σ_k T[a_k, w_k] + b)`, bit-exactly as the executor gives it.

    Gradients go to the codes, to the weights (in codes), to the logarithm of the scale s and to the real bias `B = s·b`, which stays where it is
    when the scale moves. The values of these three are those in `layer`; the tensors themselves are only where gradients go, on the CPU.
    """

    @staticmethod
    def forward(ctx: Any, codes: Tensor, weight: Tensor, log_scale: Tensor, bias: Tensor, layer: QuantizedLayer, executor: Executor) -> Tensor:
        output = executor.run_layer(layer, integers(codes, layer), None)
        ctx.layer = layer
        ctx.save_for_backward(codes, output)
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        codes, output = ctx.saved_tensors
        layer: QuantizedLayer = ctx.layer
        inward, weight = _through_products(layer, codes, gradient, ctx.needs_input_grad[:2])
        if weight is None:  # a layer that does not learn
            return inward, None, None, None, None, None
        bias = gradient.sum((0, 2, 3)).cpu()
        log_scale = (gradient * output).sum((0, 2, 3)).cpu() - bias * (layer.bias * layer.scale)
        return inward, weight, log_scale, bias, None, None


def _through_products(layer: QuantizedLayer, codes: Tensor, gradient: Tensor, wanted: tuple[bool, bool]) -> tuple[Tensor | None, Tensor | None]:
    """Return the gradients with respect to the codes and to the weight codes, each None unless `wanted`.

    Codes that a clamp on their way to a shifted block cuts get none. In bfloat16 where the processor multiplies it: codes are exact in it, gradients
    have three digits. The scale goes into small tensors only.
    """
    inward: Tensor | None = None
    weight: Tensor | None = None
    for shift, filters in layer.shifts.items():
        own = gradient if filters is None else gradient * filters.view(1, -1, 1, 1).to(gradient.device)
        back, slope = _through_convolution(layer, shift_up(codes, layer.input_format, shift), own, wanted)
        if back is not None and shift:
            low, high = clamp(layer.input_format, shift)
            back = back * ((codes >= low) & (codes <= high)) * (1 << shift)
        inward = back if inward is None or back is None else inward + back
        weight = slope if weight is None or slope is None else weight + slope
    return inward, weight


def _through_convolution(layer: QuantizedLayer, codes: Tensor, gradient: Tensor, wanted: tuple[bool, bool]) -> tuple[Tensor | None, Tensor | None]:
    facts, zero = layer.layer, layer.input_zero_point
    dtype = torch.bfloat16 if codes.is_cpu and multiplies_bfloat16() else torch.float32
    scale = layer.scale.view(-1, 1, 1, 1)
    kernel = (layer.weight * scale).to(codes.device, dtype)
    operand = (codes - zero if zero else codes).to(dtype)  # a padded position holds the code of zero, and its operand is 0
    top, bottom, left, right = facts.padding
    uneven = top != bottom or left != right
    if uneven:
        operand = F.pad(operand, (left, right, top, bottom))
    inward, weight, _ = torch.ops.aten.convolution_backward(
        gradient.to(dtype),
        operand,
        kernel,
        None,
        facts.stride,
        (0, 0) if uneven else (top, left),
        facts.dilation,
        False,
        (0, 0),
        facts.groups,
        (*wanted, False),
    )
    if uneven and inward is not None:
        inward = inward[:, :, top : top + codes.shape[2], left : left + codes.shape[3]]
    return None if inward is None else inward.to(torch.float32), weight.to("cpu", torch.float32) * scale if wanted[1] else None
