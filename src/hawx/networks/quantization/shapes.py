"""Facts that only running shows: where the batch lies in a value, and the sizes of layers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from hawx.errors import InputError
from hawx.networks.exact import ExactExecutor
from hawx.networks.network import QuantizedNetwork
from hawx.networks.quantized import CodesOutput, QuantizedLayer
from hawx.networks.steps import INPUT, Arrangement, Dequantize, Glue, LayerStep, ProductStep, Ref, Step


def place_batch(network: QuantizedNetwork, pair: Tensor) -> tuple[Step, ...]:
    """Return the network's steps with `batch_axis` and `batch_inner` of every features layer set, and products that are no layers as glue.

    The layer's input for a pair of images is compared with its input for the first image alone: the axis that doubled holds the batch. A product
    is a layer only where that is the outermost axis of both operands.

    Args:
        network: integer rows are independent, so its values are right whatever the arrangement says.
        pair: two different preprocessed images.
    """
    both, single = _run(network, pair), _run(network, pair[:1])
    steps: list[Step] = []
    for step in network.steps:
        if isinstance(step, LayerStep) and step.arrangement is Arrangement.FEATURES:
            axis, inner = _batch_place(both[step.input], single[step.input], network.name, step.layer)
            steps.append(replace(step, batch_axis=axis, batch_inner=inner))
        elif isinstance(step, ProductStep) and not _is_batched(step, both, single):
            steps += _as_glue(step, network.quantized[step.layer])
        else:
            steps.append(step)
    return tuple(steps)


def with_sizes(network: QuantizedNetwork, pair: Tensor) -> dict[str, QuantizedLayer]:
    """Return the layers with their sizes; those that no step runs are left out."""
    recorder = _Recorder()
    network.run(pair, recorder)
    return recorder.layers


class _Recorder:
    def __init__(self) -> None:
        self.layers: dict[str, QuantizedLayer] = {}

    def run_layer(self, layer: QuantizedLayer, codes: Tensor, output: CodesOutput | None) -> Tensor:
        result = ExactExecutor().run_layer(layer, codes, output)
        sized = _sized_product(layer, codes.shape[1]) if layer.is_product else layer
        facts = replace(sized.layer, in_size=(codes.shape[2], codes.shape[3]), out_size=(result.shape[2], result.shape[3]))
        self.layers[layer.layer.name] = replace(sized, layer=facts)
        return result


def _sized_product(layer: QuantizedLayer, channels: int) -> QuantizedLayer:
    """Return a product at rest, one scale and bias per filter, of the second operand that it holds."""
    filters, depth = layer.weight.shape[1:3]
    facts = replace(layer.layer, in_channels=channels, filters=filters, groups=channels // depth)
    scale, bias = layer.weight_scale.repeat(filters), layer.bias.repeat(filters)
    return replace(layer, layer=facts, weight=layer.weight[:0].clone(), weight_scale=scale, bias=bias)


def _is_batched(step: ProductStep, both: dict[str, Any], single: dict[str, Any]) -> bool:
    pairs = [(both[name], single[name]) for name in (step.left, step.right)]
    outermost = all(len(two) == 2 * len(one) and torch.equal(two[: len(one)], one) for two, one in pairs)
    (left, _), (right, _) = pairs
    return outermost and left.ndim == right.ndim > 2


def _as_glue(step: ProductStep, layer: QuantizedLayer) -> tuple[Step, ...]:
    """Return a product in real numbers, its operands as codes still."""
    left, right = f"{step.output}.left", f"{step.output}.right"
    return (
        Dequantize(output=left, input=step.left, scale=layer.input_scale, zero_point=layer.input_zero_point, format=layer.input_format),
        Dequantize(output=right, input=step.right, scale=float(layer.weight_scale)),
        Glue(output=step.output, op="matmul.default", args=(Ref(left), Ref(right))),
    )


def _run(network: QuantizedNetwork, images: Tensor) -> dict[str, Any]:
    values: dict[str, Any] = {INPUT: images}
    with torch.inference_mode():
        for step in network.steps:
            if isinstance(step, ProductStep):
                values[step.output] = _exact_product(values[step.left], values[step.right], network.quantized[step.layer])
            else:
                values[step.output] = network.run_step(step, values, len(images), ExactExecutor())
    return values


def _exact_product(left: Tensor, right: Tensor, layer: QuantizedLayer) -> Tensor:
    """Return the product of codes wherever the images lie in them: integers in float64, so that no other image changes a bit."""
    return ((left.double() - layer.input_zero_point) @ right.double()).to(torch.float32) * layer.scale


def _batch_place(both: Tensor, single: Tensor, network: str, layer: str) -> tuple[int, bool]:
    for axis in range(both.ndim - 1):
        if both.shape[axis] == 2 * single.shape[axis]:
            if torch.equal(both.narrow(axis, 0, single.shape[axis]), single):
                return axis, False
            if torch.equal(both.index_select(axis, torch.arange(0, both.shape[axis], 2)), single):
                return axis, True
    raise InputError(
        f"layer {layer!r} of network {network!r} mixes the images of a batch; expected each image's logits to depend on it alone. "
        "Take batch statistics out of the forward."
    )
