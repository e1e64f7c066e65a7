"""Gradients of objectives with respect to layers' real outputs, through the integer network.

The forward values are the network's own, to the bit: exact integer layers and rounded codes. The backward pass replaces rounding by
the identity inside the range of the codes and by zero outside (straight-through estimator, Bengio et al. 2013, arXiv 1308.3432).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.grad import conv2d_input

from hawx.errors import InputError
from hawx.networks.arrange import run_layer_step, run_product_step
from hawx.networks.exact import ExactExecutor
from hawx.networks.preprocessing import Images, network_input
from hawx.networks.quantized import Executor, QuantizedLayer
from hawx.networks.requantize import quantize_in_float
from hawx.networks.steps import INPUT, Dequantize, LayerStep, ProductStep, Quantize, Step, last_uses

if TYPE_CHECKING:
    from hawx.networks.network import QuantizedNetwork

Objective = Callable[[Tensor], Tensor]
"""Logits (N, classes) -> scalar."""

LayerFunction = Callable[[QuantizedLayer, Tensor, Tensor | None], Tensor]
"""A layer, its input codes and, of a product, the codes of its second operand, all held in float32 -> its real output."""

Values = dict[str, Any]


def output_gradients(network: QuantizedNetwork, images: Images, objectives: Sequence[Objective]) -> list[dict[str, Tensor]]:
    """Return, per objective, `∂ objective(logits) / ∂ y` of every layer, float32 (N, filters, H', W'), y = its real output before any ReLU.

    For per-image gradients let the objectives be sums over images: images do not interact.

    Raises:
        InputError: an objective does not return a scalar that depends on the logits.
    """
    outputs: dict[str, Tensor] = {}

    def watched(layer: QuantizedLayer, codes: Tensor, other: Tensor | None) -> Tensor:
        outputs[layer.layer.name] = _exactly(layer, codes, other)
        return outputs[layer.layer.name]

    with torch.inference_mode(False), torch.enable_grad():
        inputs = network_input(images, network.input_shape, network.preprocessing).clone().requires_grad_()
        found = _gradients(differentiable_logits(network, inputs, watched), list(outputs.values()), objectives)
    return [dict(zip(outputs, gradients, strict=True)) for gradients in found]


def differentiable_logits(network: QuantizedNetwork, inputs: Tensor, run: LayerFunction) -> Tensor:
    """Return float32 logits (N, classes) with their gradient graph, every layer computed by `run`.

    The values are the network's own, to the bit, where those of `run` are.

    Args:
        network: its steps are followed; its layers are handed to `run`.
        inputs: (N, C, H, W), float32, preprocessed.
        run: may have parameters of its own that want gradients.
    """
    dead = last_uses(network.steps, network.output)
    values: Values = {INPUT: inputs}
    for position, step in enumerate(network.steps):
        values[step.output] = _run(network, step, values, len(inputs), run)
        for name in dead[position]:
            values.pop(name, None)
    logits: Tensor = values[network.output]
    return logits


@dataclass(frozen=True, eq=False, kw_only=True)
class FromLayer:
    """What a network does from one layer on, on a batch of images, as a differentiable function of that layer's real output."""

    layer: QuantizedLayer
    """A product holds the second operand of these images."""
    codes: Tensor
    """Its input codes, (N, C, H, W), int8 or uint8."""
    output: Tensor
    """Its exact real output, (N, filters, H', W')."""
    _network: QuantizedNetwork
    _position: int
    _values: Values

    def gradients(self, shift: Tensor, objectives: Sequence[Objective]) -> list[Tensor]:
        """Return, per objective, its gradient with respect to this output where that is moved by `shift`; shapes of `output`, float32."""
        network, values = self._network, dict(self._values)
        with torch.inference_mode(False), torch.enable_grad():
            moved = (self.output + shift).requires_grad_()

            def run(layer: QuantizedLayer, codes: Tensor, other: Tensor | None) -> Tensor:
                return moved if layer.layer is self.layer.layer else _exactly(layer, codes, other)

            for step in network.steps[self._position :]:
                values[step.output] = _run(network, step, values, len(self.output), run)
            return [gradient for (gradient,) in _gradients(values[network.output], [moved], objectives)]


def walk_layers(network: QuantizedNetwork, images: Images) -> Iterator[FromLayer]:
    """Yield every layer of the exact network in execution order, with what follows it; keeps only values that are still to be read."""
    dead = last_uses(network.steps, network.output)
    with torch.inference_mode(False), torch.no_grad():
        values: Values = {INPUT: network_input(images, network.input_shape, network.preprocessing).clone()}
    for position, step in enumerate(network.steps):
        before = dict(values)
        at: list[tuple[QuantizedLayer, Tensor, Tensor]] = []

        def run(layer: QuantizedLayer, codes: Tensor, other: Tensor | None, at: list[tuple[QuantizedLayer, Tensor, Tensor]] = at) -> Tensor:
            held = integers(codes, layer)
            layer = layer if other is None else layer.times(other.to(torch.int8))
            at.append((layer, held, ExactExecutor().run_layer(layer, held, None)))
            return at[0][2]

        with torch.inference_mode(False), torch.no_grad():
            values[step.output] = _run(network, step, values, len(images), run)
        for layer, codes, output in at:
            yield FromLayer(layer=layer, codes=codes, output=output, _network=network, _position=position, _values=before)
        for name in dead[position]:
            values.pop(name, None)


def _run(network: QuantizedNetwork, step: Step, values: Values, images: int, run: LayerFunction) -> Any:
    """Return the output of one step, codes held in float32; `run` makes real outputs of layers from such codes."""
    match step:
        case LayerStep():
            return run_layer_step(step, values[step.input], images, lambda codes: run(network.quantized[step.layer], codes, None))
        case ProductStep():
            return run_product_step(values[step.left], values[step.right], images, lambda *codes: run(network.quantized[step.layer], *codes))
        case Quantize():
            return _StraightThrough.apply(values[step.input], step)  # type: ignore[no-untyped-call]
        case Dequantize():
            codes = values[step.input]
            return (codes - step.zero_point if step.zero_point else codes) * step.scale
    return network.run_step(step, values, images, ExactExecutor())


def _gradients(logits: Tensor, outputs: list[Tensor], objectives: Sequence[Objective]) -> list[list[Tensor]]:
    """Return, per objective, its gradients with respect to `outputs`."""
    found = []
    for number, objective in enumerate(objectives, start=1):
        score = objective(logits)
        if score.numel() != 1 or not score.requires_grad:
            raise InputError(f"the objective returned a value of shape {tuple(score.shape)}; expected a scalar computed from the logits.")
        more = number < len(objectives)
        gradients = torch.autograd.grad(score.sum(), outputs, retain_graph=more, allow_unused=True, materialize_grads=True)
        found.append([gradient.detach() for gradient in gradients])
    return found


def integers(codes: Tensor, layer: QuantizedLayer) -> Tensor:
    """Return codes that are held in float32 as the layer's own integers."""
    return codes.to(torch.int8 if layer.input_format.signed else torch.uint8)


def _exactly(layer: QuantizedLayer, codes: Tensor, other: Tensor | None) -> Tensor:
    if other is not None:
        return product(layer, codes, other, ExactExecutor())
    result: Tensor = _ExactLayer.apply(codes, layer)  # type: ignore[no-untyped-call]
    return result


def product(layer: QuantizedLayer, codes: Tensor, other: Tensor, executor: Executor) -> Tensor:
    """Return the real output of a product as `executor` gives it, from codes held in float32; the gradients are those of the real product."""
    result: Tensor = _Product.apply(codes, other, layer, executor)  # type: ignore[no-untyped-call]
    return result


class _StraightThrough(torch.autograd.Function):
    """Real values -> codes held in float32; the gradient passes where the codes are not clipped."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, step: Quantize) -> Tensor:
        low = (step.format.min - step.zero_point - 0.5) * step.scale
        high = (step.format.max - step.zero_point + 0.5) * step.scale
        ctx.save_for_backward((values >= low) & (values <= high))
        ctx.scale = step.scale
        return quantize_in_float(values, step.scale, step.zero_point, step.format)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (inside,) = ctx.saved_tensors
        return gradient * inside / ctx.scale, None


class _ExactLayer(torch.autograd.Function):
    """Codes held in float32 -> the exact layer's real output; the gradient is that of the real convolution."""

    @staticmethod
    def forward(ctx: Any, codes: Tensor, layer: QuantizedLayer) -> Tensor:
        ctx.layer, ctx.shape = layer, codes.shape
        return ExactExecutor().run_layer(layer, integers(codes, layer), None)

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


class _Product(torch.autograd.Function):
    """Codes of both operands, held in float32 -> the real output; the gradients are those of the exact product."""

    @staticmethod
    def forward(ctx: Any, codes: Tensor, other: Tensor, layer: QuantizedLayer, executor: Executor) -> Tensor:
        ctx.layer = layer
        ctx.save_for_backward(codes, other)
        return executor.run_layer(layer.times(other.to(torch.int8)), integers(codes, layer), None)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        codes, other = ctx.saved_tensors
        layer: QuantizedLayer = ctx.layer
        images, depth, rows = len(codes), other.shape[2], codes.shape[2]
        scaled = (gradient * layer.scale.to(gradient.device).view(1, -1, 1, 1)).reshape(images, -1, other.shape[1] * depth // codes.shape[1], rows)
        left, right = codes.reshape(images, -1, depth, rows), other.reshape(images, *scaled.shape[1:3], depth)
        inward, outward = right.mT @ scaled, scaled @ (left - layer.input_zero_point).mT
        return inward.reshape(codes.shape), outward.reshape(other.shape), None, None
