"""Gradients of an objective with respect to every layer's real output, through the integer network.

The forward values are the network's own, to the bit: exact integer layers and rounded codes. The backward pass replaces rounding by
the identity inside the range of the codes and by zero outside (straight-through estimator, Bengio et al. 2013, arXiv 1308.3432).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.grad import conv2d_input

from hawx.errors import InputError
from hawx.networks.arrange import run_layer_step
from hawx.networks.exact import ExactExecutor
from hawx.networks.preprocessing import Images, network_input
from hawx.networks.quantized import QuantizedLayer
from hawx.networks.requantize import quantize
from hawx.networks.steps import INPUT, Dequantize, LayerStep, Quantize

if TYPE_CHECKING:
    from hawx.networks.network import QuantizedNetwork

Objective = Callable[[Tensor], Tensor]
"""Logits (N, classes) -> scalar."""


def output_gradients(network: QuantizedNetwork, images: Images, objective: Objective) -> dict[str, Tensor]:
    """Return `∂ objective(logits) / ∂ y` per layer, float32 (N, filters, H', W'), y = the layer's real output before any ReLU.

    For per-image gradients let the objective be a sum over images: images do not interact.

    Raises:
        InputError: the objective does not return a scalar that depends on the logits.
    """
    values: dict[str, Any] = {}
    outputs: dict[str, Tensor] = {}
    with torch.inference_mode(False), torch.enable_grad():
        values[INPUT] = network_input(images, network.input_shape, network.preprocessing).clone().requires_grad_()
        for step in network.steps:
            match step:
                case LayerStep():
                    layer = network.quantized[step.layer]

                    def run(codes: Tensor, layer: QuantizedLayer = layer) -> Tensor:
                        result: Tensor = _ExactLayer.apply(codes, layer)  # type: ignore[no-untyped-call]
                        outputs[layer.layer.name] = result
                        return result

                    values[step.output] = run_layer_step(step, values[step.input], len(images), run)
                case Quantize():
                    values[step.output] = _StraightThrough.apply(values[step.input], step)  # type: ignore[no-untyped-call]
                case Dequantize():
                    values[step.output] = (values[step.input] - step.zero_point) * step.scale
                case _:
                    values[step.output] = network.run_step(step, values, len(images), ExactExecutor())
        score = objective(values[network.output])
        if score.numel() != 1 or not score.requires_grad:
            raise InputError(f"the objective returned a value of shape {tuple(score.shape)}; expected a scalar computed from the logits.")
        gradients = torch.autograd.grad(score.sum(), list(outputs.values()), allow_unused=True, materialize_grads=True)
    return {name: gradient.detach() for name, gradient in zip(outputs, gradients, strict=True)}


class _StraightThrough(torch.autograd.Function):
    """Real values -> codes held in float32; the gradient passes where the codes are not clipped."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, step: Quantize) -> Tensor:
        codes = quantize(values, step.scale, step.zero_point, step.format)
        low = (step.format.min - step.zero_point - 0.5) * step.scale
        high = (step.format.max - step.zero_point + 0.5) * step.scale
        ctx.save_for_backward((values >= low) & (values <= high))
        ctx.scale = step.scale
        return codes.to(torch.float32)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (inside,) = ctx.saved_tensors
        return gradient * inside / ctx.scale, None


class _ExactLayer(torch.autograd.Function):
    """Codes held in float32 -> the exact layer's real output; the gradient is that of the real convolution."""

    @staticmethod
    def forward(ctx: Any, codes: Tensor, layer: QuantizedLayer) -> Tensor:
        ctx.layer, ctx.shape = layer, codes.shape
        integers = codes.to(torch.int8 if layer.input_format.signed else torch.uint8)
        return ExactExecutor().run_layer(layer, integers, None)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        layer: QuantizedLayer = ctx.layer
        facts = layer.layer
        top, bottom, left, right = facts.padding
        weight = layer.weight.to(torch.float32) * layer.scale.view(-1, 1, 1, 1)
        count, channels, height, width = ctx.shape
        padded = (count, channels, height + top + bottom, width + left + right)
        full: Tensor = conv2d_input(padded, weight, gradient, facts.stride, 0, facts.dilation, facts.groups)  # type: ignore[no-untyped-call]
        return full[:, :, top : top + height, left : left + width], None
